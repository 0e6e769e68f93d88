/* SPDX-License-Identifier: Apache-2.0
 * edge_world - http_world in the words of cache tests: one origin that has one answer at a time,
 * and clients that send one request each.
 *
 * Owner:      the test; one world at a time.
 * Units:      as http_world's; the wall clock starts at EDGE_WORLD_T.
 * Limits:     HW_CONNS requests between two edge_world_forget(). */
#ifndef TESTS_SUPPORT_EDGE_WORLD_H
#define TESTS_SUPPORT_EDGE_WORLD_H

#include <stddef.h>

#include "tests/support/http_world.h"

#define EDGE_WORLD_T HW_WALL

struct edge_world {
	union {
		struct http_world hw;
		struct { /* its first members, under the names of tests */
			struct tcp_world w;
			struct tcp_host *client, *origin;
			struct hw_conn asks[HW_CONNS];
		};
	};
	uint32_t asked;     /* requests that came to the origin */
	char last[HW_LAST]; /* the last of them */
	/* What the origin answers, as it goes over the wire. NULL: it says nothing. */
	const char *answer;
	uint64_t body_len;  /* behind the answer: so many bytes of the pattern */
	uint64_t cut_after; /* of them, then the end of the connection; 0: all of them */
	bool close_after;   /* the origin closes behind each answer */
	bool refuse;        /* the origin refuses connections */
	struct hw_conn *owed[HW_CONNS]; /* whose request got no answer, in their order */
	uint32_t owed_cnt;
};

_Static_assert(offsetof(struct edge_world, origin) == offsetof(struct http_world, server) &&
		       offsetof(struct edge_world, asks) == offsetof(struct http_world, clients),
	"the two views of a world");

/* routes: YAML of `routes:`, with upstream `app`; more: further sections, or "". */
void edge_world_open(struct edge_world *h, const char *routes, const char *more);
void edge_world_close(struct edge_world *h);

/* The origin's answer from here on. */
void edge_world_answer(struct edge_world *h, const char *answer);

/* The origin says what it owes: the next answers, to requests that got none (in their order). */
void edge_world_release(struct edge_world *h);

/* Send a request on a connection of its own, and let the world rest. The request's text ends where
 * its head does: "GET / HTTP/1.1\r\nHost: a\r\n" (Connection: close and the empty line are added).
 */
struct hw_conn *edge_world_begin(struct edge_world *h, const char *request);
/* The client reads only what hw_read() says; much may come in the first millisecond. */
struct hw_conn *edge_world_begin_slow(struct edge_world *h, const char *request);
/* The same, and run until the connection ends or 400 ms have passed. */
struct hw_conn *edge_world_ask(struct edge_world *h, const char *request);
/* Forget all asks. */
void edge_world_forget(struct edge_world *h);
/* Both clocks go on. */
void edge_world_sleep(struct edge_world *h, double seconds);

/* Of an answer. */
int edge_status(const struct hw_conn *a); /* 0: none */
/* Value of the first field of that name, in a buffer of the function; NULL: none. */
const char *edge_field(const struct hw_conn *a, const char *name);
const char *edge_body(const struct hw_conn *a);
uint32_t edge_body_len(const struct hw_conn *a);

#endif
