/* SPDX-License-Identifier: Apache-2.0
 * rate_table - token buckets of many keys, shared by all workers.
 *
 * A bucket is one word: the theoretical arrival time (GCRA, ATM Forum TM 4.0): when the bucket will
 * be full again. A request is let through if that is at most `burst` intervals away, and moves it
 * on by one interval. Refusing writes nothing, so a flood of refused requests shares its line
 * between the workers' caches; what is written is bounded by the rate itself.
 *
 * Owner:      control creates and destroys; any worker asks, at any time.
 * Invariants: RB1 of one key at most burst + rate * time requests pass, over all workers, while
 *             its entry lives; an entry lives until its bucket is full again, or four others of
 *             its set asked later. RB2 between two workers that meet in the same nanoseconds a
 *             new key may be entered twice or another's time be taken for it: both pass a
 *             request too many at most.
 * Units:      ns; time is kept in 1/64 ns, which lasts for nine years of uptime.
 * Limits:     entries as configured, in sets of four; 16 bytes each.
 * Cost:       one cache line; one compare and exchange for a request that passes. */
#ifndef LB_L7_POLICY_RATE_TABLE_H
#define LB_L7_POLICY_RATE_TABLE_H

#include "dataplane/base/compiler.h"

struct rate_table;

/* `rate` requests in per_ns, `burst` of them at once. NULL without memory. */
struct rate_table *rate_table_create(
	uint64_t rate, uint64_t per_ns, uint64_t burst, uint32_t entries);
void rate_table_destroy(struct rate_table *t);

/* May the key (any 64-bit hash) ask now? If not, *wait_ns says when it may. */
bool rate_table_take(struct rate_table *t, uint64_t key, uint64_t now_ns, uint64_t *wait_ns);

#endif
