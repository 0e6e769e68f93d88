/* SPDX-License-Identifier: Apache-2.0
 * arena - memory of one stream: small pieces that live as long as it, from slabs of the worker.
 * Owner:      one stream. Memory is gone with http_arena_reset().
 * Errors:     NULL when the arena's bound or the worker's slabs are used up: the request fails.
 * Limits:     a piece is a little shorter than HTTP_ARENA_SLAB; slabs of one arena as its
 *             creator says.
 * Cost:       a few instructions; a slab from a pool of the worker now and then; no system call. */
#ifndef LB_L7_HTTP_ARENA_H
#define LB_L7_HTTP_ARENA_H

#include "dataplane/base/pool.h"

#define HTTP_ARENA_SLAB 32768

struct http_arena_slab;

struct http_arena {
	struct pool *slabs; /* of elements of HTTP_ARENA_SLAB bytes */
	struct http_arena_slab *head;
	char *at, *end;
	uint32_t slab_cnt, slab_max;
};

void http_arena_init(struct http_arena *a, struct pool *slabs, uint32_t slab_max);
void *http_arena_alloc_slow(struct http_arena *a, uint32_t len);
void http_arena_reset(struct http_arena *a);

/* 8-byte aligned, not cleared. */
static inline void *http_arena_alloc(struct http_arena *a, uint32_t len)
{
	uint32_t n = (len + 7) & ~7u;
	char *p = a->at;

	if ((size_t)(a->end - p) < n)
		return http_arena_alloc_slow(a, n);
	a->at = p + n;
	return p;
}

#endif
