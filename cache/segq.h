/* SPDX-License-Identifier: Apache-2.0
 * segq - FIFO of segment numbers for any number of producers and consumers, lock-free.
 * Owner:      the cache; in the control zone.      Lifetime: the zone's.
 * Invariants: SQ1 a segment is in at most one queue, once; so a queue with as many cells as there
 *             are segments is never full.  SQ2 tail moves from t to t+1 only when cell t is
 *             filled, head from h to h+1 only when cell h is filled.
 * Cost:       one CAS to take, two to add. */
#ifndef CACHE_SEGQ_H
#define CACHE_SEGQ_H

#include <stdatomic.h>

#include "dataplane/base/compiler.h"

#define SEGQ_NONE UINT32_MAX

struct segq {
	CACHE_ALIGNED _Atomic uint64_t head; /* ticket of the next to take */
	CACHE_ALIGNED _Atomic uint64_t tail; /* ticket of the next to add */
	CACHE_ALIGNED uint32_t shift;        /* log2 of the number of cells */
	_Atomic uint64_t cell[];             /* lap of the ticket << 32 | segment */
};

/* Bytes of a queue for `segments`, a multiple of a cache line. */
size_t segq_bytes(uint32_t segments);
void segq_init(struct segq *q, uint32_t segments);

void segq_push(struct segq *q, uint32_t seg);
/* The oldest, or SEGQ_NONE. peek leaves it in the queue: another may take it at once. */
uint32_t segq_pop(struct segq *q);
uint32_t segq_peek(struct segq *q);

/* As of some moment during the call, if nobody moves; otherwise near it. */
static inline uint32_t segq_count(const struct segq *q)
{
	uint64_t h = atomic_load_explicit(&q->head, memory_order_relaxed);
	uint64_t t = atomic_load_explicit(&q->tail, memory_order_relaxed);

	return t > h ? (uint32_t)(t - h) : 0;
}

#endif
