/* SPDX-License-Identifier: Apache-2.0
 * codec - requests of the Redis protocol: arrays of bulk strings, and inline commands.
 * Source:     redis.io/docs/reference/protocol-spec.
 * Owner:      the connection. A parser that is in the middle of a request holds memory of the
 *             worker: codec_fini() or the taking of the request gives it up.
 * Invariants: CD1 the pieces in which the bytes come make no difference. CD2 a request whose bytes
 *             lie together is not copied: its arguments point into them.
 * Errors:     BAD is final; the text is Redis's, without "-ERR ". ENOMEM too.
 * Limits:     CODEC_ARGS arguments, CODEC_INLINE bytes of a line, bulk_max bytes of an argument.
 * Cost:       one pass; a long argument is copied once, to its place. */
#ifndef LB_L7_RESP_CODEC_H
#define LB_L7_RESP_CODEC_H

#include "lb/kvs/mem.h"

#define CODEC_ARGS   (1024 * 1024)
#define CODEC_INLINE (64 * 1024)
#define CODEC_DIRECT 256 /* arguments of a request that is not copied */

struct resp_arg {
	const uint8_t *p;
	uint32_t len;
};

struct resp_args {
	struct resp_arg *v;
	uint32_t n;
	void *block; /* what v and its bytes stand in, mem_put() when done; NULL: in the input */
};

enum codec_result {
	CODEC_OK,
	CODEC_MORE,
	CODEC_EMPTY, /* a request of nothing: no reply */
	CODEC_BAD,
};

struct resp_codec {
	struct mem *m;
	uint32_t bulk_max;
	uint8_t state;
	/* of a request that came in pieces */
	uint8_t *buf; /* arguments one after another, or the line */
	uint64_t cap, len;
	uint64_t *ends; /* of each argument in buf */
	uint64_t ends_cap;
	uint32_t argc, argi, bulk_left, line_len;
	uint8_t line[32];
	char err[96];
	struct resp_arg *direct; /* CODEC_DIRECT of them, between two calls anybody's */
};

void codec_init(struct resp_codec *c, struct mem *m, struct resp_arg *direct, uint32_t bulk_max);
void codec_fini(struct resp_codec *c);
/* Takes *used of n bytes, at most one request. */
enum codec_result codec_feed(
	struct resp_codec *c, const uint8_t *p, uint32_t n, uint32_t *used, struct resp_args *out);
/* The request at p if all of it is there, with at most max arguments, and it is not in the middle
 * of one; takes nothing. */
struct codec_peeked {
	uint32_t size, n; /* bytes; arguments */
	bool get; /* it is "GET key"; one that is written in an unusual way may not say so */
};
bool codec_peek(struct resp_codec *c, const uint8_t *p, uint32_t n, struct resp_arg *args,
	uint32_t max, struct codec_peeked *out);
static inline bool codec_idle(const struct resp_codec *c)
{
	return c->state == 0;
}
void resp_args_free(struct mem *m, struct resp_args *a);

#endif
