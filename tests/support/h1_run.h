/* SPDX-License-Identifier: Apache-2.0
 * h1_run - run the HTTP/1.1 codec over the same bytes cut in every way, and demand the same
 * verdict.
 * Owner:      the test; text that is returned lives until the next call.
 * Cost:       quadratic in the length of a head: for heads of some kilobytes at most. */
#ifndef TESTS_SUPPORT_H1_RUN_H
#define TESTS_SUPPORT_H1_RUN_H

#include "lb/l7/h1/h1.h"

struct h1_case {
	enum h1_kind kind;
	const char *bytes;
	uint32_t len;
	bool secure;                 /* request */
	enum http_method method;     /* response: of its request */
	bool upgrade;                /* response: its request asked for one */
	const struct h1_limits *lim; /* NULL: the defaults */
};

struct h1_result {
	enum h1_verdict verdict;
	enum h1_error error;
	uint32_t head_len;
	struct http_head head; /* spans point into `bytes` */
	char *bytes;           /* of its own, with padding */
	uint32_t cap;
};

/* In one piece. */
void h1_run_whole(const struct h1_case *c, struct h1_result *r);
/* In one piece, in two cut at every byte, and byte by byte, each call with the bytes at another
 * place and other bytes behind them; fails the program if any of them differs. */
void h1_run_all_ways(const struct h1_case *c, struct h1_result *r);
void h1_result_free(struct h1_result *r);

/* All that a head says, one item a line; fields marked HOP have a '-', GONE a '!' before. */
const char *h1_dump(const struct http_head *h);

/* A body decoded in pieces of `step` bytes (0: all at once), with `flip` each piece in a buffer of
 * its own length. out takes the payload; *used is where the body ended. */
struct h1_body_result {
	enum h1_verdict verdict;
	enum h1_error error;
	uint32_t used, len;
	char *data;
	char trailers[4096];
};
void h1_body_run(enum http_framing framing, uint64_t length, const struct h1_limits *lim,
	const char *bytes, uint32_t len, uint32_t step, struct h1_body_result *out);
/* With every step from 1 to len; all must be equal. */
void h1_body_run_all_ways(enum http_framing framing, uint64_t length, const struct h1_limits *lim,
	const char *bytes, uint32_t len, struct h1_body_result *out);
void h1_body_result_free(struct h1_body_result *r);

/* Demand, in every build. */
void h1_require(bool ok, const char *what, const char *file, int line);
#define H1_REQUIRE(cond) h1_require((cond), #cond, __FILE__, __LINE__)

#endif
