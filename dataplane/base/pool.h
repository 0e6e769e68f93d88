/* SPDX-License-Identifier: Apache-2.0
 * pool - fixed number of equal elements, named by 32-bit index; memory is taken once.
 * Owner:      one worker.          Lifetime: pool_create to pool_destroy, never resized.
 * Invariants: PO1 used + free == capacity.  PO2 a free element is on the free list exactly once.
 * Units:      sizes in bytes.      Cost: O(1), LIFO so that warm memory is used again. */
#ifndef DATAPLANE_BASE_POOL_H
#define DATAPLANE_BASE_POOL_H

#include "dataplane/base/compiler.h"

#define POOL_NONE UINT32_MAX

struct pool {
	uint8_t *mem;
	uint32_t *next; /* free list links; POOL_NONE ends it */
	uint32_t elt_size, capacity, used, free_head;
	uint32_t used_high; /* elements from here on were never taken */
};

/* Elements are zeroed and aligned to `align` (a power of two) if elt_size is a multiple of it.
 * Returns 0 or -ENOMEM. */
int pool_init(struct pool *p, uint32_t elt_size, uint32_t align, uint32_t capacity) WARN_UNUSED;
void pool_fini(struct pool *p);
/* Have the kernel give the memory of the elements that are taken first now, and not at their first
 * use: a huge page that the host has to find takes a millisecond or two. */
void pool_warm(const struct pool *p, uint32_t elements);

ALWAYS_INLINE void *pool_at(const struct pool *p, uint32_t idx)
{
	return p->mem + (size_t)idx * p->elt_size;
}

/* An element's index, or POOL_NONE when all are used. Contents are as they were freed. */
static inline uint32_t pool_get(struct pool *p)
{
	uint32_t idx = p->free_head;

	if (unlikely(idx == POOL_NONE))
		return POOL_NONE;
	p->free_head = p->next[idx];
	p->used++;
	if (unlikely(idx >= p->used_high))
		p->used_high = idx + 1;
	return idx;
}

static inline void pool_put(struct pool *p, uint32_t idx)
{
	p->next[idx] = p->free_head;
	p->free_head = idx;
	p->used--;
}

#endif
