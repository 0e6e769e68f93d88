/* SPDX-License-Identifier: Apache-2.0
 * spsc - bounded ring of pointers between exactly one producer and one consumer thread.
 * Owner:      created and destroyed by control, when neither side runs.
 * Invariants: SP1 0 <= tail - head <= size (mod 2^32).  SP2 only the producer writes tail and slots
 *             [tail, head + size); only the consumer writes head.
 * Edges:      R1 producer: slots, then tail (release)  ->  consumer: tail (acquire), then slots.
 *             R2 consumer: slots read, then head (release)  ->  producer: head (acquire), then
 *             overwrite. Both are listed in docs/concurrency.md.
 * Cost:       a burst touches the other side's line only when its cached copy runs out. */
#ifndef DATAPLANE_BASE_SPSC_H
#define DATAPLANE_BASE_SPSC_H

#include <stdatomic.h>

#include "dataplane/base/compiler.h"

struct spsc {
	CACHE_ALIGNED _Atomic uint32_t tail; /* producer's line */
	uint32_t head_seen;                  /* producer's copy of head */
	CACHE_ALIGNED _Atomic uint32_t head; /* consumer's line */
	uint32_t tail_seen;                  /* consumer's copy of tail */
	CACHE_ALIGNED uint32_t mask;         /* read by both, written once */
	void *slots[];
};

/* A ring of at least `size` slots, rounded up to a power of two; NULL when memory is short. */
struct spsc *spsc_create(uint32_t size) WARN_UNUSED;
void spsc_destroy(struct spsc *r);

/* Enqueue up to n pointers; returns how many were taken, the rest stays the caller's. */
static inline uint32_t spsc_push(struct spsc *r, void *const *objs, uint32_t n)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t room = r->mask + 1 - (tail - r->head_seen);

	if (room < n) {
		r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire); /* R2 */
		room = r->mask + 1 - (tail - r->head_seen);
		if (n > room)
			n = room;
	}
	for (uint32_t i = 0; i < n; i++)
		r->slots[(tail + i) & r->mask] = objs[i];
	atomic_store_explicit(&r->tail, tail + n, memory_order_release); /* R1 */
	return n;
}

/* Dequeue up to n pointers into objs; returns how many. */
static inline uint32_t spsc_pop(struct spsc *r, void **objs, uint32_t n)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t have = r->tail_seen - head;

	if (have < n) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire); /* R1 */
		have = r->tail_seen - head;
		if (n > have)
			n = have;
	}
	for (uint32_t i = 0; i < n; i++)
		objs[i] = r->slots[(head + i) & r->mask];
	atomic_store_explicit(&r->head, head + n, memory_order_release); /* R2 */
	return n;
}

/* Entries as the caller's side sees them; exact only when the other side rests. */
static inline uint32_t spsc_count(const struct spsc *r)
{
	return atomic_load_explicit(&r->tail, memory_order_acquire) -
	       atomic_load_explicit(&r->head, memory_order_acquire);
}

#endif
