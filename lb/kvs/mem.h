/* SPDX-License-Identifier: Apache-2.0
 * mem - memory of one worker for requests and answers under way: a buddy allocator over one
 * reservation, and arenas over that.
 * Owner:      one worker.       Lifetime: mem_init() ... mem_fini(); arenas end before.
 * Invariants: ME1 every byte belongs to one block; blocks are powers of two and aligned to their
 *             size. ME2 of two buddies both are free and unmerged only if one is kept for reuse.
 * Units:      bytes.            Limits: the reservation; NULL when it is exhausted.
 * Cost:       small blocks from a list; others O(log). Pages are taken when first touched; no
 *             system call. */
#ifndef LB_KVS_MEM_H
#define LB_KVS_MEM_H

#include "dataplane/base/compiler.h"

#define MEM_MIN_SHIFT 10
#define MEM_ORDERS    32
#define MEM_KEEP      256 /* free blocks of the small orders that are not merged */
#define MEM_KEEP_MAX  4   /* orders */

struct mem_free {
	struct mem_free *next, *prev;
};

struct mem {
	uint8_t *base;
	uint64_t bytes, used;
	uint8_t *map; /* by smallest block: order + 1 of a block in use that begins there, 0x80 |
		       * order of a free one; 0 inside */
	uint32_t orders;
	struct mem_free free[MEM_ORDERS];
	struct mem_free *keep[MEM_KEEP_MAX];
	uint32_t keep_cnt[MEM_KEEP_MAX];
};

/* bytes is rounded up to a power of two. 0 or -ENOMEM. */
int mem_init(struct mem *m, uint64_t bytes) WARN_UNUSED;
void mem_fini(struct mem *m);
/* *cap is what the block holds, at least n. */
void *mem_get(struct mem *m, uint64_t n, uint64_t *cap);
void mem_put(struct mem *m, void *p);

/* Bytes that end together. */
struct arena_part {
	struct arena_part *next;
	uint64_t cap;
};
struct mem_arena {
	struct mem *m;
	struct arena_part *parts; /* the newest first */
	uint8_t *at, *end;
};
struct mem_mark {
	struct arena_part *part;
	uint8_t *at, *end;
};

void mem_arena_init(struct mem_arena *a, struct mem *m);
void mem_arena_fini(struct mem_arena *a);
void *mem_arena_slow(struct mem_arena *a, uint64_t n);
/* Aligned to 8 bytes; NULL when memory is short. */
static inline void *mem_arena_get(struct mem_arena *a, uint64_t n)
{
	uint8_t *p = a->at;

	n = ROUND_UP(n, 8);
	if (unlikely((uint64_t)(a->end - p) < n))
		return mem_arena_slow(a, n);
	a->at = p + n;
	return p;
}
static inline struct mem_mark mem_arena_mark(const struct mem_arena *a)
{
	return (struct mem_mark){a->parts, a->at, a->end};
}
/* Gives up what was taken since the mark. */
void mem_arena_reset(struct mem_arena *a, struct mem_mark mark);

#endif
