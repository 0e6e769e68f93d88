/* SPDX-License-Identifier: Apache-2.0
 * Entries are pairs of words that are read and written one by one, relaxed: neither orders anything
 * else. Which of four entries a new key takes: one whose bucket is full (it says nothing that a new
 * one would not), else the one that asked longest ago. */
#include "lb/l7/policy/rate_table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WAYS  4
#define SHIFT 6 /* fraction bits of a ns */
#define TRIES 4 /* against other workers on the same bucket; then the request passes */

struct entry {
	_Atomic uint64_t key; /* 0: free */
	_Atomic uint64_t tat;
};

struct rate_table {
	uint64_t interval, tolerance; /* in 1/64 ns */
	uint64_t mask;                /* of sets */
	struct entry *entries;
};

struct rate_table *rate_table_create(
	uint64_t rate, uint64_t per_ns, uint64_t burst, uint32_t entries)
{
	uint64_t sets = pow2_at_least((entries + WAYS - 1) / WAYS);
	struct rate_table *t = calloc(1, sizeof(*t));
	unsigned __int128 interval = ((unsigned __int128)per_ns << SHIFT) / rate;
	unsigned __int128 tolerance;

	if (!t)
		return NULL;
	t->interval = interval > 0 ? (uint64_t)interval : 1;
	tolerance = (unsigned __int128)t->interval * (burst - 1);
	t->tolerance = tolerance > UINT64_MAX / 4 ? UINT64_MAX / 4 : (uint64_t)tolerance;
	t->mask = sets - 1;
	t->entries = aligned_alloc(CACHE_LINE, sets * WAYS * sizeof(*t->entries));
	if (!t->entries) {
		free(t);
		return NULL;
	}
	memset((void *)t->entries, 0, sets * WAYS * sizeof(*t->entries));
	return t;
}

void rate_table_destroy(struct rate_table *t)
{
	if (!t)
		return;
	free(t->entries);
	free(t);
}

static struct entry *find(struct rate_table *t, uint64_t key)
{
	struct entry *set = &t->entries[(key >> 32 & t->mask) * WAYS], *oldest = set;
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < WAYS; i++) {
		uint64_t tat = atomic_load_explicit(&set[i].tat, memory_order_relaxed);

		if (atomic_load_explicit(&set[i].key, memory_order_relaxed) == key)
			return &set[i];
		if (tat < least) {
			least = tat;
			oldest = &set[i];
		}
	}
	atomic_store_explicit(&oldest->tat, 0, memory_order_relaxed);
	atomic_store_explicit(&oldest->key, key, memory_order_relaxed);
	return oldest;
}

bool rate_table_take(struct rate_table *t, uint64_t key, uint64_t now_ns, uint64_t *wait_ns)
{
	uint64_t now = now_ns << SHIFT;
	struct entry *e = find(t, key ? key : 1);
	uint64_t tat = atomic_load_explicit(&e->tat, memory_order_relaxed);

	for (int i = 0; i < TRIES; i++) {
		uint64_t from = tat > now ? tat : now;

		if (from - now > t->tolerance) {
			*wait_ns = (from - now - t->tolerance) >> SHIFT;
			return false;
		}
		if (atomic_compare_exchange_weak_explicit(&e->tat, &tat, from + t->interval,
			    memory_order_relaxed, memory_order_relaxed))
			return true;
	}
	return true;
}
