/* SPDX-License-Identifier: Apache-2.0
 * The memtable against a sorted array: every move of an iterator, at every moment. Readers beside
 * the writer are stress_memtable's matter; what RocksDB makes of it is model_store's and that of
 * the crash test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/rng.h"
#include "storage/memtable.h"
#include "tests/support/seed.h"

#define ENTRIES 3000
#define KEY_MAX 12

struct model_entry {
	char ikey[KEY_MAX + 8];
	uint32_t len; /* of ikey */
};

struct world {
	struct memtable *t;
	void *blocks[8 * ENTRIES];
	uint32_t block_cnt, n;
	struct model_entry e[ENTRIES]; /* in order */
	uint64_t seq;
};

static void *take(void *ctx, size_t n)
{
	struct world *w = ctx;
	void *p = malloc(n);

	assert_non_null(p);
	assert_true(w->block_cnt < ARRAY_SIZE(w->blocks));
	w->blocks[w->block_cnt++] = p;
	return p;
}

static struct world *world_new(void)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->t = memtable_create(65536, take, w);
	return w;
}

static void world_free(struct world *w)
{
	memtable_destroy(w->t);
	for (uint32_t i = 0; i < w->block_cnt; i++)
		free(w->blocks[i]);
	free(w);
}

/* User keys ascending, then trailers descending. */
static int ikey_cmp(const char *a, uint32_t an, const char *b, uint32_t bn)
{
	uint32_t ku = an - 8, kv = bn - 8;
	int c = memcmp(a, b, ku < kv ? ku : kv);

	if (c != 0 || ku != kv)
		return c != 0 ? c : (ku > kv) - (ku < kv);
	return (load64(b + kv) > load64(a + ku)) - (load64(b + kv) < load64(a + ku));
}

static uint32_t lower(const struct world *w, const char *ikey, uint32_t len)
{
	uint32_t i = 0;

	while (i < w->n && ikey_cmp(w->e[i].ikey, w->e[i].len, ikey, len) < 0)
		i++;
	return i;
}

static uint32_t make_key(struct rng *r, uint64_t trailer, char out[KEY_MAX + 8])
{
	uint32_t n = (uint32_t)rng_below(r, 4) == 0 ? (uint32_t)rng_below(r, 3)
						    : 2 + (uint32_t)rng_below(r, KEY_MAX - 2);

	/* Few letters: keys repeat, and are prefixes of one another. */
	for (uint32_t i = 0; i < n; i++)
		out[i] = (char)(i < 10 ? 'a' + (char)rng_below(r, 2) : 'x');
	memcpy(out + n, &trailer, 8);
	return n + 8;
}

static bool add(struct world *w, const char *ikey, uint32_t len)
{
	char *p = take(w, MEMTABLE_HEAD + 1 + len + 3);
	uint32_t at = lower(w, ikey, len);
	bool there = at < w->n && ikey_cmp(w->e[at].ikey, w->e[at].len, ikey, len) == 0;

	p[MEMTABLE_HEAD] = (char)len;
	memcpy(p + MEMTABLE_HEAD + 1, ikey, len);
	memcpy(p + MEMTABLE_HEAD + 1 + len, "val", 3);
	assert_int_equal(memtable_add(w->t, p), !there);
	if (there)
		return false;
	memmove(&w->e[at + 1], &w->e[at], (w->n - at) * sizeof(w->e[0]));
	memcpy(w->e[at].ikey, ikey, len);
	w->e[at].len = len;
	w->n++;
	return true;
}

static void must_be(const struct world *w, const struct memtable_iter *it, uint32_t at)
{
	const char *entry = memtable_iter_entry(it);

	if (at >= w->n) {
		assert_null(entry);
		return;
	}
	assert_non_null(entry);
	assert_int_equal(entry[0], w->e[at].len);
	assert_memory_equal(entry + 1, w->e[at].ikey, w->e[at].len);
}

static void point_read(const struct world *w, const char *ikey, uint32_t len)
{
	uint32_t at = lower(w, ikey, len), key = len - 8;
	struct memtable_iter it;

	memtable_iter_init(&it, w->t);
	memtable_iter_find(&it, ikey, len);
	for (; at < w->n && w->e[at].len == len && memcmp(w->e[at].ikey, ikey, key) == 0; at++) {
		must_be(w, &it, at);
		memtable_iter_older(&it);
	}
	assert_null(memtable_iter_entry(&it));
	memtable_iter_fini(&it);
}

static void walk(struct world *w, struct rng *r)
{
	char ikey[KEY_MAX + 8];
	struct memtable_iter it;
	uint32_t at = UINT32_MAX, len;

	memtable_iter_init(&it, w->t);
	for (int step = 0; step < 60; step++) {
		len = make_key(r, rng_below(r, w->seq + 2) << 8 | 1, ikey);
		switch (at >= w->n ? rng_below(r, 4) : rng_below(r, 12)) {
		case 0:
			memtable_iter_first(&it);
			at = 0;
			break;
		case 1:
			memtable_iter_last(&it);
			at = w->n - 1;
			break;
		case 2:
			memtable_iter_seek(&it, ikey, len);
			at = lower(w, ikey, len);
			break;
		case 3:
			memtable_iter_seek_prev(&it, ikey, len);
			at = lower(w, ikey, len);
			if (at == w->n || ikey_cmp(w->e[at].ikey, w->e[at].len, ikey, len) != 0)
				at--;
			break;
		case 4:
		case 5:
		case 6:
		case 7:
			memtable_iter_next(&it);
			at++;
			break;
		default:
			memtable_iter_prev(&it);
			at--;
		}
		must_be(w, &it, at);
	}
	memtable_iter_fini(&it);
}

static void it_is_a_sorted_array(void **state)
{
	struct rng r = {test_seed()};

	(void)state;
	for (int round = 0; round < 6; round++) {
		struct world *w = world_new();
		uint32_t pause = 1 + (uint32_t)rng_below(&r, 200);
		char ikey[KEY_MAX + 8];

		while (w->n < ENTRIES - 1) {
			/* Now and then one that comes late, or twice. */
			bool odd = w->n > 0 && rng_below(&r, 10) == 0;
			uint64_t seq = odd ? 1 + rng_below(&r, w->seq) : ++w->seq;
			uint32_t len = make_key(&r, seq << 8 | 1, ikey);

			(void)add(w, ikey, len);
			if (rng_below(&r, pause) == 0)
				walk(w, &r);
			len = make_key(&r, rng_below(&r, w->seq + 2) << 8 | 1, ikey);
			if (rng_below(&r, 8) == 0)
				point_read(w, ikey, len);
		}
		walk(w, &r);
		world_free(w);
	}
}

static void an_empty_table_has_neither_end(void **state)
{
	struct world *w = world_new();
	struct memtable_iter it;

	(void)state;
	memtable_iter_init(&it, w->t);
	memtable_iter_first(&it);
	assert_null(memtable_iter_entry(&it));
	memtable_iter_last(&it);
	assert_null(memtable_iter_entry(&it));
	memtable_iter_seek_prev(&it, "a\0\0\0\0\0\0\0\0", 9);
	assert_null(memtable_iter_entry(&it));
	memtable_iter_fini(&it);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_a_sorted_array),
		cmocka_unit_test(an_empty_table_has_neither_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
