/* SPDX-License-Identifier: Apache-2.0
 * arena - memory of one configuration: many small pieces, freed together.
 * Owner:      whoever holds the struct; every piece dies with arena_fini().
 * Invariants: AR1 once an allocation failed, `failed` stays set, so that a caller may build on and
 *             look at the end.
 * Errors:     NULL when the system has no memory or the injected failure is due.
 * Limits:     none of its own; callers bound what they ask for.  Cost: one malloc per 64 KiB. */
#ifndef LB_CONFIG_ARENA_H
#define LB_CONFIG_ARENA_H

#include "dataplane/base/compiler.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks;
	size_t used_bytes; /* handed out */
	uint32_t allocs;   /* calls so far */
	bool failed;
};

/* Tests: the n-th allocation (from 1) of every arena to come fails; 0 turns it off. */
extern uint32_t arena_fail_at;

void arena_init(struct arena *a);
void arena_fini(struct arena *a);

/* `size` zeroed bytes, aligned for any type; size 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t size) WARN_UNUSED;
/* cnt zeroed elements; NULL if the product overflows. */
void *arena_array(struct arena *a, size_t cnt, size_t size) WARN_UNUSED;
/* A copy of len bytes with a NUL behind them. */
char *arena_text(struct arena *a, const char *text, size_t len) WARN_UNUSED;

#endif
