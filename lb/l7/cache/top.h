/* SPDX-License-Identifier: Apache-2.0
 * top - which objects are asked for most: a space-saving sketch (Metwally, Agrawal, El Abbadi, ICDT
 * 2005) of each worker, merged by who reads.
 * Owner:      one worker writes its sketch; any thread reads with top_read().
 * Invariants: TP1 what has had more than 1/TOP_SLOTS of all requests is in the sketch. TP2 `hits`
 *             is too high by at most `error`, never too low. Counts are halved now and then, so
 *             that the list is of what is asked for lately.
 * Limits:     TOP_SLOTS objects; names are cut at TOP_NAME_MAX.
 * Cost:       a look into a small table; for what is not in it a name is copied. No memory is
 *             taken. */
#ifndef LB_L7_CACHE_TOP_H
#define LB_L7_CACHE_TOP_H

#include <stdatomic.h>

#include "lb/l7/http/head.h"

#define TOP_SLOTS    128
#define TOP_NAME_MAX 184
#define TOP_TABLE    512 /* places; a power of two */
#define TOP_HALVE_NS UINT64_C(600000000000)

struct top_slot {
	_Atomic uint64_t hash, hits, bytes, error;
	_Atomic uint64_t name[TOP_NAME_MAX / 8]; /* padded with zero bytes */
};

struct top {
	struct top_slot slot[TOP_SLOTS];
	_Atomic uint32_t version; /* odd: a slot is being given to another object */
	_Atomic uint32_t cnt;
	uint32_t cursor;
	uint64_t min, halve_ns;
	uint8_t table[TOP_TABLE]; /* of slots, plus one; open addressing */
};

/* One request for an object: hash of its key, bytes that were sent for it, and its name. */
void top_add(struct top *t, uint64_t hash, uint64_t bytes, struct span host, struct span path,
	struct span query, uint64_t now_ns);

struct top_row {
	uint64_t hash, hits, bytes, error;
	char name[TOP_NAME_MAX + 1];
};

/* Adds what the sketch has to rows (of the same objects: sums), up to cap. Returns how many there
 * are then. */
uint32_t top_read(const struct top *t, struct top_row *rows, uint32_t cnt, uint32_t cap);
/* Most hits, or most bytes, first. */
void top_sort(struct top_row *rows, uint32_t cnt, bool by_bytes);

#endif
