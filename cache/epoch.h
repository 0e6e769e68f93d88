/* SPDX-License-Identifier: Apache-2.0
 * epoch - quiescent-state reclamation: when may memory be reused that readers could still see?
 * Owner:      the cache; each worker writes only its own line.   Lifetime: the control zone's.
 * Invariants: EP1 seen[w] is 0 (offline) or a value the token had.  EP2 tokens only grow.
 *             EP3 epoch_passed(t) implies: every read that began before the epoch_retire() which
 *             returned t is over.
 * Edges:      E1, E2 in docs/concurrency.md.
 * Cost:       a report is one load, and a store to the own line if the token moved; no fence. */
#ifndef CACHE_EPOCH_H
#define CACHE_EPOCH_H

#include <stdatomic.h>

#include "cache/hook.h"
#include "dataplane/base/compiler.h"

struct epoch_worker {
	CACHE_ALIGNED _Atomic uint64_t seen;
};

struct epoch {
	CACHE_ALIGNED _Atomic uint64_t token;
	CACHE_ALIGNED uint32_t workers;
	struct epoch_worker worker[];
};

/* Bytes of an epoch for so many workers. */
static inline size_t epoch_bytes(uint32_t workers)
{
	return sizeof(struct epoch) + workers * sizeof(struct epoch_worker);
}

static inline void epoch_init(struct epoch *e, uint32_t workers)
{
	e->workers = workers;
	atomic_store_explicit(&e->token, 1, memory_order_relaxed);
	for (uint32_t i = 0; i < workers; i++)
		atomic_store_explicit(&e->worker[i].seen, 0, memory_order_relaxed);
}

/* Reads begin after this. The second load of the token is half of E2: whoever found us offline took
 * his token before it, so we see all that he unlinked. */
static inline void epoch_online(struct epoch *e, uint32_t id)
{
	uint64_t t = atomic_load_explicit(&e->token, memory_order_seq_cst);

	atomic_exchange_explicit(&e->worker[id].seen, t, memory_order_seq_cst); /* E2 */
	t = atomic_load_explicit(&e->token, memory_order_seq_cst);              /* E2 */
	atomic_store_explicit(&e->worker[id].seen, t, memory_order_release);
}

static inline void epoch_offline(struct epoch *e, uint32_t id)
{
	atomic_store_explicit(&e->worker[id].seen, 0, memory_order_release); /* E1 */
}

static inline void epoch_quiescent(struct epoch *e, uint32_t id)
{
	uint64_t t = atomic_load_explicit(&e->token, memory_order_acquire);

	if (t != atomic_load_explicit(&e->worker[id].seen, memory_order_relaxed))
		atomic_store_explicit(&e->worker[id].seen, t, memory_order_release); /* E1 */
}

/* The caller has unlinked everything that leads to some memory; it is free when this token has
 * passed. */
static inline uint64_t epoch_retire(struct epoch *e)
{
	CACHE_HOOK();
	return atomic_fetch_add_explicit(&e->token, 1, memory_order_seq_cst) + 1; /* E2 */
}

static inline bool epoch_passed(struct epoch *e, uint64_t token)
{
	for (uint32_t i = 0; i < e->workers; i++) {
		uint64_t s;

		CACHE_HOOK();
		s = atomic_load_explicit(&e->worker[i].seen, memory_order_seq_cst); /* E1, E2 */
		if (s != 0 && s < token)
			return false;
	}
	return true;
}

#endif
