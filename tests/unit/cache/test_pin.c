/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cache/cache_pvt.h"
#include "dataplane/base/time.h"
#include "tests/support/cache.h"

#define SEC NS_PER_SEC

static struct test_cache t;

static struct cache_worker *w(uint32_t i)
{
	return cache_worker(t.c, i);
}

static int setup(void **state)
{
	struct cache_conf conf = test_cache_conf(2 << 20, 16384, 2); /* 128 segments */

	(void)state;
	conf.pinned_permille = 100; /* 12: 6 for each worker */
	test_cache_open(&t, &conf);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_cache_close(&t);
	return 0;
}

static void put(uint64_t id, uint8_t byte)
{
	static uint8_t val[1000];
	struct cache_put p = {.val = val, .len = sizeof(val)};
	struct cache_key k;

	memset(val, byte, sizeof(val));
	cache_key_init(t.c, &k, 0, &id, 8);
	assert_int_equal(cache_put(w(0), &k, &p, SEC), 0);
}

static enum cache_found get(uint64_t id, struct cache_view *v)
{
	struct cache_key k;

	cache_key_init(t.c, &k, 0, &id, 8);
	return cache_get(w(0), &k, SEC, v);
}

/* Replace everything in the cache several times. */
static void flood(void)
{
	for (uint64_t i = 0; i < 10000; i++) {
		put(1000000 + i, 0x55);
		cache_poll(w(0), SEC);
		cache_poll(w(1), SEC);
	}
}

static void pinned_bytes_outlive_eviction(void **state)
{
	struct cache_pin pin, second;
	struct cache_view v, moved;
	struct cache_usage u;
	uint32_t seg, gen;

	(void)state;
	put(1, 0xaa);
	assert_int_equal(get(1, &v), CACHE_HIT);
	assert_int_equal(cache_pin(w(0), &v, &pin), 0);
	seg = pin.segment;
	gen = t.c->seg[seg].gen;
	flood();
	assert_true(get(1, &moved) != CACHE_HIT || moved.item != v.item);
	for (uint32_t i = 0; i < v.len; i++)
		assert_int_equal(v.val[i], 0xaa);
	cache_usage(t.c, &u);
	assert_int_equal(u.limbo >= 1, 1);
	assert_int_equal(u.pinned, 1);
	/* Somebody who holds one makes a second, at another worker; both come back elsewhere. */
	cache_pin_dup(w(1), &pin, &second);
	cache_unpin(w(1), &pin);
	flood();
	assert_int_equal(t.c->seg[seg].gen, gen);
	for (uint32_t i = 0; i < v.len; i++)
		assert_int_equal(v.val[i], 0xaa);
	cache_unpin(w(0), &second);
	flood();
	assert_true(t.c->seg[seg].gen > gen);
	cache_usage(t.c, &u);
	assert_int_equal(u.pinned, 0); /* the foreign returns were noticed */
}

static void pins_hold_back_a_bounded_part(void **state)
{
	struct cache_pin pin[64], more;
	struct cache_view v;
	struct cache_usage u;
	uint32_t n = 0, refused = 0;

	(void)state;
	for (uint64_t i = 0; i < 1500; i++)
		put(i, 0xaa);
	/* A reader that pins one item here and there, and never lets go. */
	for (uint64_t i = 0; i < 1500; i += 50) {
		assert_int_equal(get(i, &v), CACHE_HIT);
		if (cache_pin(w(0), &v, &pin[n]) == 0)
			n++;
		else
			refused++;
	}
	assert_int_equal(n, 6);
	assert_int_equal(refused, 24);
	/* In a segment that it holds back already, more pins cost nothing. */
	v.item = (uint64_t)pin[0].segment << t.c->geo.seg_shift;
	assert_int_equal(cache_pin(w(0), &v, &more), 0);
	flood();
	cache_usage(t.c, &u);
	assert_true(u.limbo >= 6 && u.limbo <= 6 + t.c->geo.low_water);
	assert_int_equal(atomic_load(&t.c->ctl->limbo_held), 6);
	assert_true(u.sealed + u.open > 128 * 8 / 10); /* the rest works as ever */
	for (uint32_t i = 0; i < n; i++)
		cache_unpin(w(0), &pin[i]);
	cache_unpin(w(0), &more);
	flood();
	assert_int_equal(atomic_load(&t.c->ctl->limbo_held), 0);
}

static void queue_is_first_in_first_out_and_wraps(void **state)
{
	struct segq *q = aligned_alloc(CACHE_LINE, segq_bytes(5));
	uint32_t in = 0, out = 0;

	(void)state;
	assert_non_null(q);
	segq_init(q, 5);
	assert_int_equal(segq_pop(q), SEGQ_NONE);
	for (int round = 0; round < 1000; round++) {
		for (int i = 0; i < 1 + round % 5; i++)
			segq_push(q, in++ % 5);
		assert_int_equal(segq_count(q), in - out);
		assert_int_equal(segq_peek(q), out % 5);
		while (out != in)
			assert_int_equal(segq_pop(q), out++ % 5);
		assert_int_equal(segq_pop(q), SEGQ_NONE);
		assert_int_equal(segq_peek(q), SEGQ_NONE);
	}
	free(q);
}

static void grace_waits_for_those_who_were_there(void **state)
{
	struct epoch *e = aligned_alloc(CACHE_LINE, epoch_bytes(3));
	uint64_t a, b;

	(void)state;
	assert_non_null(e);
	epoch_init(e, 3);
	assert_true(epoch_passed(e, epoch_retire(e))); /* nobody is online */
	epoch_online(e, 0);
	epoch_online(e, 2);
	a = epoch_retire(e);
	assert_false(epoch_passed(e, a));
	epoch_quiescent(e, 0);
	assert_false(epoch_passed(e, a));
	b = epoch_retire(e);
	epoch_quiescent(e, 2);
	assert_true(epoch_passed(e, a));
	assert_false(epoch_passed(e, b)); /* 0 reported before it */
	epoch_online(e, 1);               /* came after both */
	epoch_offline(e, 0);
	assert_true(epoch_passed(e, b));
	free(e);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(pinned_bytes_outlive_eviction),
		TEST(pins_hold_back_a_bounded_part),
		cmocka_unit_test(queue_is_first_in_first_out_and_wraps),
		cmocka_unit_test(grace_waits_for_those_who_were_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
