/* SPDX-License-Identifier: Apache-2.0
 * States of cell c for ticket t (c = t mod cells, lap(t) = t / cells + 1):
 *   open    its lap is lap(t) - 1: ticket t was not added yet
 *   filled  its lap is lap(t): added, and taken iff head > t
 * A cell goes open -> filled by one CAS and becomes open for ticket t + cells by the head's move
 * past t, without being written.
 *
 * Linearization: push at the CAS that fills the cell; pop at the CAS of head; an empty pop at its
 * load of the cell, which was open when head pointed to it.
 *
 * Why a push overwrites nothing: it holds a segment that is in no queue, so at most segments - 1 <
 * cells are here (SQ1), hence head > t - cells. Why a stale ticket does no harm: cell t is open
 * only while tail == t (SQ2), so a CAS from an open cell is a CAS at the tail. Laps have 32 bits: a
 * thread would have to rest for 2^32 rounds of the whole queue between its load and its CAS.
 *
 * Lock-freedom: a loop begins anew only if another thread filled the cell or moved head; a filled
 * cell whose tail lags is helped on. Reclamation: none, cells are never freed. */
#include "cache/segq.h"

#include "cache/hook.h"
#include "dataplane/base/assert.h"

size_t segq_bytes(uint32_t segments)
{
	size_t cells = pow2_at_least(segments);

	return ROUND_UP(sizeof(struct segq) + cells * sizeof(uint64_t), CACHE_LINE);
}

void segq_init(struct segq *q, uint32_t segments)
{
	uint64_t cells = pow2_at_least(segments);

	q->shift = (uint32_t)__builtin_ctzll(cells);
	atomic_store_explicit(&q->head, 0, memory_order_relaxed);
	atomic_store_explicit(&q->tail, 0, memory_order_relaxed);
	for (uint64_t i = 0; i < cells; i++)
		atomic_store_explicit(&q->cell[i], 0, memory_order_relaxed);
}

static _Atomic uint64_t *cell_of(struct segq *q, uint64_t ticket)
{
	return &q->cell[ticket & ((UINT64_C(1) << q->shift) - 1)];
}

static uint32_t lap_of(const struct segq *q, uint64_t ticket)
{
	return (uint32_t)(ticket >> q->shift) + 1;
}

void segq_push(struct segq *q, uint32_t seg)
{
	for (;;) {
		uint64_t t, c;
		uint32_t lap;

		CACHE_HOOK();
		t = atomic_load_explicit(&q->tail, memory_order_acquire);
		lap = lap_of(q, t);
		CACHE_HOOK();
		c = atomic_load_explicit(cell_of(q, t), memory_order_acquire);
		if ((uint32_t)(c >> 32) == lap - 1) {
			CACHE_HOOK();
			if (atomic_compare_exchange_strong_explicit(cell_of(q, t), &c,
				    (uint64_t)lap << 32 | seg, memory_order_release, /* S1 */
				    memory_order_relaxed)) {
				CACHE_HOOK();
				atomic_compare_exchange_strong_explicit(&q->tail, &t, t + 1,
					memory_order_release, memory_order_relaxed);
				return;
			}
		} else if ((uint32_t)(c >> 32) == lap) {
			CACHE_HOOK();
			atomic_compare_exchange_strong_explicit(
				&q->tail, &t, t + 1, memory_order_release, memory_order_relaxed);
		}
	}
}

/* Take the oldest, or only look at it. */
static uint32_t front(struct segq *q, bool take)
{
	for (;;) {
		uint64_t h, c;
		uint32_t lap;

		CACHE_HOOK();
		h = atomic_load_explicit(&q->head, memory_order_acquire);
		lap = lap_of(q, h);
		CACHE_HOOK();
		c = atomic_load_explicit(cell_of(q, h), memory_order_acquire); /* S1 */
		if ((uint32_t)(c >> 32) == lap - 1)
			return SEGQ_NONE;
		if ((uint32_t)(c >> 32) != lap)
			continue;
		if (!take)
			return (uint32_t)c;
		CACHE_HOOK();
		if (atomic_compare_exchange_strong_explicit(
			    &q->head, &h, h + 1, memory_order_acq_rel, memory_order_relaxed))
			return (uint32_t)c;
	}
}

uint32_t segq_pop(struct segq *q)
{
	return front(q, true);
}

uint32_t segq_peek(struct segq *q)
{
	return front(q, false);
}
