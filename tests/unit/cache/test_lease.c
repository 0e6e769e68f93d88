/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "cache/cache_pvt.h"
#include "dataplane/base/time.h"
#include "tests/support/cache.h"

#define SEC NS_PER_SEC

struct reader {
	struct cache_waiter waiter;
	uint32_t woken;
};

static struct test_cache t;
static struct cache_key k;
static struct cache_view v;

static void wake(struct cache_waiter *waiter, uint64_t now_ns)
{
	(void)now_ns;
	container_of(waiter, struct reader, waiter)->woken++;
}

static struct reader reader(void)
{
	struct reader r = {.woken = 0};

	return r;
}

static struct cache_worker *w(uint32_t i)
{
	return cache_worker(t.c, i);
}

static int setup(void **state)
{
	struct cache_conf conf = test_cache_conf(1 << 20, 16384, 3);

	(void)state;
	conf.waiters = 4;
	conf.lease_ns = 5 * SEC;
	test_cache_open(&t, &conf);
	cache_key_init(t.c, &k, 0, "key", 3);
	return 0;
}

/* Every fill is idle again and nobody waits. */
static int teardown(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(w(i)->free_cnt, t.c->geo.fills);
		assert_true(list_empty(&w(i)->leases));
		for (uint32_t j = 0; j < t.c->geo.all_fills; j++) {
			assert_int_equal(w(i)->wait[j].cnt, 0);
			assert_true(list_empty(&w(i)->wait[j].head));
		}
	}
	test_cache_close(&t);
	return 0;
}

static enum cache_found lookup(
	uint32_t i, struct cache_lease *lease, struct reader *r, uint64_t now)
{
	if (r != NULL)
		cache_waiter_init(&r->waiter, wake);
	return cache_lookup(w(i), &k, now, &v, lease, r != NULL ? &r->waiter : NULL);
}

static int fill(uint32_t i, struct cache_lease *lease, const char *val, uint64_t now)
{
	struct cache_put p = {.val = val, .len = (uint32_t)strlen(val)};

	return cache_fill(w(i), &k, lease, &p, now);
}

static int put(uint32_t i, const char *val, enum cache_cond cond)
{
	struct cache_put p = {.val = val, .len = (uint32_t)strlen(val), .cond = cond};

	return cache_put(w(i), &k, &p, SEC);
}

static void first_miss_fetches_the_others_wait(void **state)
{
	struct reader r[4] = {reader(), reader(), reader(), reader()};
	struct cache_lease lease, none;

	(void)state;
	assert_int_equal(lookup(0, &lease, &r[0], SEC), CACHE_LEASED);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_PENDING);
	assert_int_equal(lookup(0, &none, &r[0], SEC), CACHE_WAITING);
	assert_int_equal(lookup(1, &none, &r[1], SEC), CACHE_WAITING);
	assert_int_equal(lookup(1, &none, &r[2], SEC), CACHE_WAITING);
	assert_int_equal(lookup(2, &none, NULL, SEC), CACHE_PENDING);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(cache_poll(w(i), SEC), 0);
	assert_int_equal(fill(0, &lease, "value", SEC), 0);
	assert_int_equal(lease.stream, 0);
	assert_int_equal(cache_poll(w(0), SEC), 1);
	assert_int_equal(cache_poll(w(1), SEC), 2);
	assert_int_equal(cache_poll(w(2), SEC), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(r[i].woken, 1);
	assert_int_equal(lookup(2, &none, &r[3], SEC), CACHE_HIT);
	assert_int_equal(v.len, 5);
	assert_memory_equal(v.val, "value", 5);
}

static void a_put_wins_over_the_fill(void **state)
{
	struct reader r = reader();
	struct cache_lease lease, none;

	(void)state;
	assert_int_equal(lookup(0, &lease, NULL, SEC), CACHE_LEASED);
	assert_int_equal(lookup(1, &none, &r, SEC), CACHE_WAITING);
	assert_int_equal(put(2, "x", CACHE_IF_PRESENT), -ENOENT); /* a placeholder is no value */
	assert_int_equal(put(2, "new", CACHE_IF_ABSENT), 0);
	assert_int_equal(cache_poll(w(1), SEC), 1); /* woken by the put, not by the fill's end */
	assert_int_equal(r.woken, 1);
	assert_int_equal(fill(0, &lease, "stale", SEC), -ESTALE);
	assert_int_equal(lookup(1, &none, &r, SEC), CACHE_HIT);
	assert_memory_equal(v.val, "new", 3);
}

static void a_delete_kills_the_fill(void **state)
{
	struct reader r = reader();
	struct cache_lease lease, second;

	(void)state;
	assert_int_equal(lookup(0, &lease, NULL, SEC), CACHE_LEASED);
	assert_int_equal(lookup(1, &second, &r, SEC), CACHE_WAITING);
	assert_int_equal(cache_delete(w(2), &k, CACHE_ALWAYS, 0, SEC), -ENOENT);
	assert_int_equal(cache_poll(w(1), SEC), 1);
	/* The one that looks again gets a lease of its own; the first cannot fill it. */
	assert_int_equal(lookup(1, &second, &r, SEC), CACHE_LEASED);
	assert_int_equal(fill(0, &lease, "stale", SEC), -ESTALE);
	assert_int_equal(cache_get(w(0), &k, SEC, &v), CACHE_PENDING);
	assert_int_equal(fill(1, &second, "good", SEC), 0);
	assert_int_equal(cache_get(w(0), &k, SEC, &v), CACHE_HIT);
	assert_memory_equal(v.val, "good", 4);
}

static void an_abort_lets_the_next_one_fetch(void **state)
{
	struct reader r = reader();
	struct cache_lease lease, second;

	(void)state;
	assert_int_equal(lookup(0, &lease, NULL, SEC), CACHE_LEASED);
	assert_int_equal(lookup(1, &second, &r, SEC), CACHE_WAITING);
	cache_lease_abort(w(0), &k, &lease, SEC);
	assert_int_equal(cache_get(w(0), &k, SEC, &v), CACHE_MISS);
	assert_int_equal(cache_poll(w(1), SEC), 1);
	assert_int_equal(lookup(1, &second, &r, SEC), CACHE_LEASED);
	cache_lease_abort(w(1), &k, &second, SEC);
}

static void an_overdue_lease_is_taken_over(void **state)
{
	struct reader r = reader(), q = reader();
	struct cache_lease lease, second;

	(void)state;
	assert_int_equal(lookup(0, &lease, NULL, SEC), CACHE_LEASED);
	assert_int_equal(lookup(1, &second, &r, SEC), CACHE_WAITING);
	cache_poll(w(0), 5 * SEC);
	assert_int_equal(cache_poll(w(1), 5 * SEC), 0);
	cache_poll(w(0), 6 * SEC); /* the owner notices */
	assert_int_equal(cache_poll(w(1), 6 * SEC), 1);
	assert_int_equal(lookup(1, &second, &r, 6 * SEC), CACHE_LEASED);
	assert_int_equal(lookup(2, &second, &q, 6 * SEC), CACHE_WAITING);
	assert_int_equal(fill(0, &lease, "late", 7 * SEC), -ESTALE);
	assert_int_equal(cache_poll(w(2), 7 * SEC), 0);
	assert_int_equal(fill(1, &second, "second", 7 * SEC), 0);
	assert_int_equal(cache_poll(w(2), 7 * SEC), 1);
	assert_int_equal(cache_get(w(2), &k, 7 * SEC, &v), CACHE_HIT);
	assert_memory_equal(v.val, "second", 6);
}

/* Its owner does not even run. */
static void a_stuck_owner_loses_its_lease(void **state)
{
	struct reader r = reader();
	struct cache_lease lease, second;

	(void)state;
	assert_int_equal(lookup(0, &lease, NULL, SEC), CACHE_LEASED);
	assert_int_equal(lookup(1, &second, &r, 2 * SEC), CACHE_WAITING);
	assert_int_equal(lookup(2, &second, NULL, 6 * SEC - 1), CACHE_PENDING);
	assert_int_equal(lookup(2, &second, NULL, 6 * SEC), CACHE_LEASED);
	assert_int_equal(cache_poll(w(1), 6 * SEC), 1);
	assert_int_equal(fill(0, &lease, "late", 7 * SEC), -ESTALE);
	assert_int_equal(fill(2, &second, "good", 7 * SEC), 0);
	assert_int_equal(cache_get(w(1), &k, 7 * SEC, &v), CACHE_HIT);
	assert_memory_equal(v.val, "good", 4);
}

/* Late, but nobody took over: the placeholder is its own. */
static void an_overdue_lease_may_still_fill(void **state)
{
	struct cache_lease lease;

	(void)state;
	assert_int_equal(lookup(0, &lease, NULL, SEC), CACHE_LEASED);
	cache_poll(w(0), 60 * SEC);
	assert_int_equal(fill(0, &lease, "late", 61 * SEC), 0);
	assert_int_equal(cache_get(w(1), &k, 61 * SEC, &v), CACHE_HIT);
}

static void an_expired_item_is_leased_again(void **state)
{
	struct cache_put p = {.val = "old", .len = 3, .expire_ns = 2 * SEC};
	struct cache_lease lease, none;

	(void)state;
	assert_int_equal(cache_put(w(0), &k, &p, SEC), 0);
	assert_int_equal(lookup(0, &none, NULL, SEC), CACHE_HIT);
	assert_int_equal(lookup(1, &lease, NULL, 3 * SEC), CACHE_LEASED);
	assert_int_equal(lookup(0, &none, NULL, 3 * SEC), CACHE_PENDING);
	assert_int_equal(fill(1, &lease, "new", 3 * SEC), 0);
	assert_int_equal(lookup(0, &none, NULL, 3 * SEC), CACHE_HIT);
	assert_memory_equal(v.val, "new", 3);
}

static void a_cancelled_waiter_is_not_woken(void **state)
{
	struct reader r = reader(), q = reader();
	struct cache_lease lease, none;

	(void)state;
	assert_int_equal(lookup(0, &lease, NULL, SEC), CACHE_LEASED);
	assert_int_equal(lookup(1, &none, &r, SEC), CACHE_WAITING);
	assert_int_equal(lookup(1, &none, &q, SEC), CACHE_WAITING);
	cache_waiter_cancel(w(1), &r.waiter);
	cache_waiter_cancel(w(1), &r.waiter);
	assert_int_equal(fill(0, &lease, "v", SEC), 0);
	assert_int_equal(cache_poll(w(1), SEC), 1);
	assert_int_equal(r.woken, 0);
	assert_int_equal(q.woken, 1);
}

static struct reader *other;

static void wake_cancels_the_other(struct cache_waiter *waiter, uint64_t now_ns)
{
	wake(waiter, now_ns);
	cache_waiter_cancel(w(1), &other->waiter);
}

static void a_wake_up_may_cancel_another_waiter(void **state)
{
	struct reader r = reader(), q = reader();
	struct cache_lease lease, none;

	(void)state;
	other = &q;
	assert_int_equal(lookup(0, &lease, NULL, SEC), CACHE_LEASED);
	cache_waiter_init(&r.waiter, wake_cancels_the_other);
	assert_int_equal(cache_lookup(w(1), &k, SEC, &v, &none, &r.waiter), CACHE_WAITING);
	assert_int_equal(lookup(1, &none, &q, SEC), CACHE_WAITING);
	cache_lease_abort(w(0), &k, &lease, SEC);
	assert_int_equal(cache_poll(w(1), SEC), 1);
	assert_int_equal(q.woken, 0);
}

static void waiters_and_leases_are_bounded(void **state)
{
	struct reader r[6] = {reader(), reader(), reader(), reader(), reader(), reader()};
	struct cache_lease lease[8], none;
	struct cache_stats st;
	uint64_t i;

	(void)state;
	for (i = 0; i < 8; i++) {
		cache_key_init(t.c, &k, 0, &i, 8);
		assert_int_equal(lookup(0, &lease[i], NULL, SEC), CACHE_LEASED);
	}
	cache_key_init(t.c, &k, 0, "ninth", 5);
	assert_int_equal(lookup(0, &none, NULL, SEC), CACHE_MISS);
	assert_int_equal(cache_get(w(0), &k, SEC, &v), CACHE_MISS);
	i = 3;
	cache_key_init(t.c, &k, 0, &i, 8);
	for (uint32_t j = 0; j < 4; j++)
		assert_int_equal(lookup(1, &none, &r[j], SEC), CACHE_WAITING);
	assert_int_equal(lookup(1, &none, &r[4], SEC), CACHE_MISS); /* fetch by yourself */
	assert_int_equal(lookup(2, &none, &r[5], SEC), CACHE_WAITING);
	for (i = 0; i < 8; i++) {
		cache_key_init(t.c, &k, 0, &i, 8);
		assert_int_equal(fill(0, &lease[i], "v", SEC), 0);
	}
	assert_int_equal(cache_poll(w(1), SEC), 4);
	assert_int_equal(cache_poll(w(2), SEC), 1);
	cache_stats(t.c, &st);
	assert_int_equal(st.leases, 8);
	assert_int_equal(st.lease_full, 1);
	assert_int_equal(st.waits, 5);
	assert_int_equal(st.waits_refused, 1);
}

static void a_fill_that_is_too_large_ends_the_lease(void **state)
{
	static uint8_t big[9000];
	struct cache_put p = {.val = big, .len = sizeof(big)};
	struct cache_lease lease;

	(void)state;
	assert_int_equal(lookup(0, &lease, NULL, SEC), CACHE_LEASED);
	assert_int_equal(cache_fill(w(0), &k, &lease, &p, SEC), -EFBIG);
	assert_int_equal(cache_get(w(0), &k, SEC, &v), CACHE_MISS);
}

/* Eviction passes over the placeholder's segment again and again; the fill finds it where it is. */
static void a_placeholder_survives_eviction(void **state)
{
	static uint8_t val[1000];
	struct cache_lease lease;
	struct cache_key other_key;
	struct reader r = reader();

	(void)state;
	assert_int_equal(lookup(0, &lease, NULL, SEC), CACHE_LEASED);
	assert_int_equal(lookup(1, &lease, &r, SEC), CACHE_WAITING);
	for (uint64_t i = 0; i < 10000; i++) {
		struct cache_put p = {.val = val, .len = sizeof(val)};

		cache_key_init(t.c, &other_key, 0, &i, 8);
		assert_int_equal(cache_put(w(0), &other_key, &p, SEC), 0);
		for (uint32_t j = 0; j < 3; j++)
			assert_int_equal(cache_poll(w(j), SEC), 0);
	}
	assert_int_equal(cache_get(w(2), &k, SEC, &v), CACHE_PENDING);
	assert_int_equal(fill(0, &lease, "at last", SEC), 0);
	assert_int_equal(cache_poll(w(1), SEC), 1);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_HIT);
	assert_memory_equal(v.val, "at last", 7);
}

static void on_ring(void *ctx, uint32_t worker)
{
	((uint32_t *)ctx)[worker]++;
}

/* A sleeping worker is rung for, once for each change, and finds its mail before it sleeps again.
 */
static void the_doorbell_rings_for_who_waits(void **state)
{
	struct reader r[2] = {reader(), reader()};
	struct cache_lease lease, none;
	uint32_t rung[3] = {0};

	(void)state;
	cache_on_mail(t.c, on_ring, rung);
	assert_int_equal(lookup(0, &lease, NULL, SEC), CACHE_LEASED);
	assert_int_equal(lookup(1, &none, &r[0], SEC), CACHE_WAITING);
	assert_int_equal(lookup(1, &none, &r[1], SEC), CACHE_WAITING);
	assert_false(cache_mail_waiting(w(1)));
	assert_int_equal(fill(0, &lease, "v", SEC), 0);
	assert_int_equal(rung[0] + rung[2], 0);
	assert_int_equal(rung[1], 1);
	assert_true(cache_mail_waiting(w(1)));
	assert_false(cache_mail_waiting(w(2)));
	assert_int_equal(cache_poll(w(1), SEC), 2);
	assert_false(cache_mail_waiting(w(1)));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(first_miss_fetches_the_others_wait),
		TEST(a_put_wins_over_the_fill),
		TEST(a_delete_kills_the_fill),
		TEST(an_abort_lets_the_next_one_fetch),
		TEST(an_overdue_lease_is_taken_over),
		TEST(a_stuck_owner_loses_its_lease),
		TEST(an_overdue_lease_may_still_fill),
		TEST(an_expired_item_is_leased_again),
		TEST(a_cancelled_waiter_is_not_woken),
		TEST(a_wake_up_may_cancel_another_waiter),
		TEST(waiters_and_leases_are_bounded),
		TEST(a_fill_that_is_too_large_ends_the_lease),
		TEST(a_placeholder_survives_eviction),
		TEST(the_doorbell_rings_for_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
