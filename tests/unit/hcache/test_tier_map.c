/* SPDX-License-Identifier: Apache-2.0
 * What the second tier counts with: which keys there may be, against lists, and the bounds on reads
 * and writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l7/cache/tier_pvt.h"
#include "tests/support/seed.h"

/* ---- the map against lists ---- */

#define MAP_LINES   3 /* that keys are in */
#define MAP_KEYS    300
#define MAP_RECORDS 2000
#define MAP_STEPS   20000

struct map_model {
	struct tier_map m;
	uint64_t keys[MAP_KEYS];
	int slot[MAP_LINES][8192]; /* by fingerprint; -1: none */
	uint32_t used[MAP_LINES];
	bool overflown[MAP_LINES]; /* nobody knows which of its keys are there */
	struct {
		uint32_t key, gen;
	} records[MAP_RECORDS]; /* on disk */
	uint32_t cnt, gen;
};

static uint32_t line_no(uint64_t hash)
{
	return (uint32_t)(hash >> 58);
}

static int *slot_in(struct map_model *w, uint64_t hash)
{
	return &w->slot[line_no(hash)][hash % 8192];
}

/* Few lines and fingerprints, so that keys share them. */
static void map_open(struct map_model *w, struct rng *r, uint32_t prints)
{
	memset(w, 0, sizeof(*w));
	memset(w->slot, 0xff, sizeof(w->slot));
	assert_int_equal(tier_map_init(&w->m, 1), 0);
	assert_int_equal(w->m.cnt, 64);
	w->gen = TIER_GENS;
	for (uint32_t i = 0; i < MAP_KEYS; i++)
		w->keys[i] = rng_below(r, MAP_LINES) << 58 | rng_below(r, 1 << 19) << 13 |
			     (1 + rng_below(r, prints));
}

static void map_put(struct map_model *w, uint32_t key, uint32_t gen)
{
	uint64_t hash = w->keys[key];
	uint32_t line = line_no(hash);
	int *slot = slot_in(w, hash);

	if (w->cnt == MAP_RECORDS)
		return;
	w->records[w->cnt].key = key;
	w->records[w->cnt++].gen = gen;
	tier_map_put(&w->m, hash, tier_slot_of(gen));
	assert_int_equal(tier_map_get(&w->m, hash), tier_slot_of(gen));
	if (*slot < 0 && ++w->used[line] > MAP_WORDS)
		w->overflown[line] = true;
	*slot = (int)tier_slot_of(gen);
}

static void map_remove(struct map_model *w, uint32_t key)
{
	uint64_t hash = w->keys[key];
	int *slot = slot_in(w, hash);

	tier_map_remove(&w->m, hash);
	assert_int_equal(tier_map_get(&w->m, hash), -1);
	w->used[line_no(hash)] -= *slot >= 0;
	*slot = -1;
}

/* The ring turns: what stood in the oldest generation is gone, on disk and here. */
static void map_turn(struct map_model *w, struct rng *r)
{
	uint32_t line = 0, kept = 0, gone = tier_slot_of(++w->gen + 1);

	for (uint32_t i = 0; i < w->cnt; i++)
		if (tier_slot_of(w->records[i].gen) != gone)
			w->records[kept++] = w->records[i];
	w->cnt = kept;
	do
		line = tier_map_drop(&w->m, gone, line, 1 + (uint32_t)rng_below(r, 30));
	while (line != 0);
	for (uint32_t l = 0; l < MAP_LINES; l++)
		for (uint32_t i = 0; i < ARRAY_SIZE(w->slot[l]); i++)
			if (w->slot[l][i] == (int)gone) {
				w->slot[l][i] = -1;
				w->used[l]--;
			}
}

/* A head is written again where it stands. */
static void map_put_again(struct map_model *w, struct rng *r)
{
	uint32_t i;

	if (w->cnt == 0)
		return;
	i = (uint32_t)rng_below(r, w->cnt);
	map_put(w, w->records[i].key, w->records[i].gen);
}

static void map_check(struct map_model *w)
{
	for (uint32_t i = 0; i < MAP_KEYS; i++) {
		uint64_t hash = w->keys[i];

		if (!w->overflown[line_no(hash)])
			assert_int_equal(tier_map_get(&w->m, hash), *slot_in(w, hash));
	}
}

static void the_map_knows_what_is_on_disk(void **state)
{
	static struct map_model w;
	struct rng r;

	(void)state;
	rng_seed(&r, test_seed());
	for (uint32_t round = 0; round < 60; round++) {
		/* Lines that are never full, and such as are. */
		map_open(&w, &r, round % 2 == 0 ? MAP_WORDS : 60);
		for (uint32_t i = 0; i < MAP_STEPS / 60; i++) {
			uint32_t what = (uint32_t)rng_below(&r, 100);

			if (what < 60)
				map_put(&w, (uint32_t)rng_below(&r, MAP_KEYS), w.gen);
			else if (what < 70)
				map_put_again(&w, &r);
			else if (what < 71)
				map_remove(&w, (uint32_t)rng_below(&r, MAP_KEYS));
			else if (what < 80)
				map_turn(&w, &r);
			map_check(&w);
		}
		tier_map_fini(&w.m);
	}
}

/* ---- bounds ---- */

/* Whatever the steps of the clock, so many bytes a second: what is less than one in a step is not
 * lost, and a rest of more than a second gives no more than a second's. */
static void a_bucket_gives_its_rate(void **state)
{
	static const uint64_t rates[] = {1, 7, 500, 999, 1000, 1500, 100000};
	static const uint64_t steps_ns[] = {NS_PER_MS / 10, 700000, NS_PER_MS, 3333333, 40000000};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
		for (size_t k = 0; k < ARRAY_SIZE(steps_ns); k++) {
			struct tier_bucket b = {.rate = rates[i], .at_ns = NS_PER_SEC};
			uint64_t end = 11 * NS_PER_SEC, got = 0;

			for (uint64_t now = b.at_ns; now <= end; now += steps_ns[k])
				while (tier_bucket_take(&b, 1, now))
					got++;
			/* The last step may end before the last second does. */
			assert_in_range(got, 10 * rates[i] - rates[i] / 20 - 1, 10 * rates[i]);
			assert_true(tier_bucket_take(&b, rates[i], end + 100 * NS_PER_SEC));
			assert_false(tier_bucket_take(&b, 1, end + 100 * NS_PER_SEC));
		}
}

static void what_is_longer_waits_for_a_full_bucket(void **state)
{
	struct tier_bucket b = {.rate = 1000, .at_ns = NS_PER_SEC}, none = {.at_ns = NS_PER_SEC};

	(void)state;
	assert_false(tier_bucket_take(&b, 5000, NS_PER_SEC + 999 * NS_PER_MS));
	assert_true(tier_bucket_take(&b, 5000, 2 * NS_PER_SEC));
	assert_false(tier_bucket_take(&b, 1, 2 * NS_PER_SEC));
	assert_true(tier_bucket_take(&none, UINT64_MAX, NS_PER_SEC));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_map_knows_what_is_on_disk),
		cmocka_unit_test(a_bucket_gives_its_rate),
		cmocka_unit_test(what_is_longer_waits_for_a_full_bucket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
