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

static struct test_cache t;
static struct cache_key k;
static uint8_t body[400000];
static uint32_t woken;

static struct cache_worker *w(uint32_t i)
{
	return cache_worker(t.c, i);
}

static void wake(struct cache_waiter *waiter, uint64_t now_ns)
{
	(void)waiter;
	(void)now_ns;
	woken++;
}

static int setup(void **state)
{
	struct cache_conf conf = test_cache_conf(2 << 20, 65536, 2);

	(void)state;
	woken = 0;
	for (uint32_t i = 0; i < sizeof(body); i++)
		body[i] = (uint8_t)(i * 2654435761u >> 13);
	test_cache_open(&t, &conf);
	cache_key_init(t.c, &k, 0, "object", 6);
	assert_int_equal(cache_extent_bytes(t.c), 4096);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(w(0)->free_cnt, t.c->geo.fills);
	test_cache_close(&t);
	return 0;
}

static struct cache_object of_len(uint64_t total)
{
	return (struct cache_object){
		.desc = "headers", .desc_len = 7, .user = 200, .total_len = total};
}

/* Read [from, to) in slices and compare. */
static void expect_bytes(uint32_t i, const struct cache_view *v, uint64_t from, uint64_t to)
{
	while (from < to) {
		struct cache_view s;

		assert_int_equal(cache_object_read(w(i), v, from, SEC, &s), 0);
		assert_true(s.len > 0);
		for (uint32_t j = 0; j < s.len && from < to; j++, from++)
			assert_int_equal(s.val[j], body[from]);
	}
}

static void read_while_filled_then_whole(void **state)
{
	const struct cache_object obj = of_len(100001);
	struct cache_view v, s, whole;
	struct cache_waiter waiter;
	struct cache_stream st;

	(void)state;
	cache_waiter_init(&waiter, wake);
	assert_int_equal(cache_object_open(w(0), &k, NULL, &obj, &st, SEC), 0);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_OBJECT);
	assert_int_equal(v.user, 200);
	assert_int_equal(v.len, 7);
	assert_memory_equal(v.val, "headers", 7);
	assert_int_equal(v.total_len, 100001);
	assert_int_equal(cache_object_read(w(1), &v, 0, SEC, &s), -EAGAIN);
	assert_true(cache_object_wait(w(1), &v, 0, &waiter));
	assert_int_equal(cache_object_append(w(0), &st, body, 10000, SEC), 10000);
	assert_int_equal(cache_poll(w(1), SEC), 1);
	assert_int_equal(woken, 1);
	expect_bytes(1, &v, 0, 10000);
	expect_bytes(1, &v, 9999, 10000);
	assert_int_equal(cache_object_read(w(1), &v, 10000, SEC, &s), -EAGAIN);
	assert_int_equal(cache_object_read(w(1), &v, 100001, SEC, &s), -ERANGE);
	assert_false(cache_object_wait(w(1), &v, 9999, &waiter)); /* it is there */
	assert_true(cache_object_wait(w(1), &v, 10000, &waiter));
	for (uint32_t at = 10000; at < 100001; at += 7)
		assert_int_equal(cache_object_append(w(0), &st, body + at,
					 at + 7 <= 100001 ? 7 : 100001 - at, SEC),
			at + 7 <= 100001 ? 7 : 100001 - at);
	assert_int_equal(cache_object_append(w(0), &st, body, 1, SEC), -EFBIG);
	cache_poll(w(1), SEC);
	assert_int_equal(cache_object_close(w(0), &k, &st, true, SEC), 0);
	/* A view from before the end, and one from after it. */
	expect_bytes(1, &v, 0, 100001);
	assert_int_equal(cache_object_read(w(1), &v, 100001, SEC, &s), -ERANGE);
	assert_false(cache_object_wait(w(1), &v, 100001, &waiter));
	assert_int_equal(cache_get(w(1), &k, SEC, &whole), CACHE_OBJECT);
	assert_int_equal(whole.seq, v.seq);
	assert_int_equal(whole.stream, 0);
	assert_int_equal(whole.total_len, 100001);
	assert_memory_equal(whole.val, "headers", 7);
	expect_bytes(1, &whole, 0, 100001);
	expect_bytes(1, &whole, 99999, 100001);
}

static void unknown_length_is_known_at_the_end(void **state)
{
	const struct cache_object obj = of_len(CACHE_LEN_UNKNOWN);
	struct cache_view v, s;
	struct cache_stream st;

	(void)state;
	assert_int_equal(cache_object_open(w(0), &k, NULL, &obj, &st, SEC), 0);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_OBJECT);
	assert_true(v.total_len == CACHE_LEN_UNKNOWN);
	assert_int_equal(cache_object_append(w(0), &st, body, 5000, SEC), 5000);
	assert_int_equal(cache_object_read(w(1), &v, 5000, SEC, &s), -EAGAIN);
	assert_int_equal(cache_object_close(w(0), &k, &st, true, SEC), 0);
	assert_int_equal(cache_object_read(w(1), &v, 5000, SEC, &s), -ERANGE);
	expect_bytes(1, &v, 0, 5000);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_OBJECT);
	assert_int_equal(v.total_len, 5000);
}

static void an_empty_object(void **state)
{
	const struct cache_object obj = of_len(0);
	struct cache_view v, s;
	struct cache_stream st;

	(void)state;
	assert_int_equal(cache_object_open(w(0), &k, NULL, &obj, &st, SEC), 0);
	assert_int_equal(cache_object_close(w(0), &k, &st, true, SEC), 0);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_OBJECT);
	assert_int_equal(cache_object_read(w(1), &v, 0, SEC, &s), -ERANGE);
}

static void a_lease_becomes_a_stream(void **state)
{
	const struct cache_object obj = of_len(9000);
	struct cache_lease lease, none;
	struct cache_waiter waiter;
	struct cache_stream st;
	struct cache_view v;

	(void)state;
	cache_waiter_init(&waiter, wake);
	assert_int_equal(cache_lookup(w(0), &k, SEC, &v, &lease, NULL), CACHE_LEASED);
	assert_int_equal(cache_lookup(w(1), &k, SEC, &v, &none, &waiter), CACHE_WAITING);
	assert_int_equal(cache_object_open(w(0), &k, &lease, &obj, &st, SEC), 0);
	assert_int_equal(cache_poll(w(1), SEC), 1); /* readers follow the fill from here on */
	assert_int_equal(cache_lookup(w(1), &k, SEC, &v, &none, &waiter), CACHE_OBJECT);
	assert_int_equal(cache_object_append(w(0), &st, body, 9000, SEC), 9000);
	expect_bytes(1, &v, 0, 9000);
	cache_poll(w(0), 100 * SEC); /* a stream has no deadline */
	assert_int_equal(cache_object_close(w(0), &k, &st, true, SEC), 0);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_OBJECT);
}

static void a_failed_stream_is_an_error_to_readers_and_gone(void **state)
{
	const struct cache_object obj = of_len(9000);
	struct cache_waiter waiter;
	struct cache_stream st;
	struct cache_view v, s, u;

	(void)state;
	cache_waiter_init(&waiter, wake);
	assert_int_equal(cache_object_open(w(0), &k, NULL, &obj, &st, SEC), 0);
	assert_int_equal(cache_object_append(w(0), &st, body, 5000, SEC), 5000);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_OBJECT);
	assert_true(cache_object_wait(w(1), &v, 5000, &waiter));
	assert_int_equal(cache_object_close(w(0), &k, &st, true, SEC), -EINVAL); /* too short */
	assert_int_equal(cache_poll(w(1), SEC), 1);
	assert_int_equal(cache_object_read(w(1), &v, 5000, SEC, &s), -EIO);
	assert_int_equal(cache_get(w(1), &k, SEC, &u), CACHE_MISS);
	/* Its fill serves others by and by: then the old view only says so. */
	for (int i = 0; i < 8; i++) {
		assert_int_equal(cache_object_open(w(0), &k, NULL, &obj, &st, SEC), 0);
		assert_int_equal(cache_object_close(w(0), &k, &st, false, SEC), 0);
	}
	assert_int_equal(cache_object_read(w(1), &v, 0, SEC, &s), -ESTALE);
	assert_false(cache_object_wait(w(1), &v, 0, &waiter));
}

static void a_put_replaces_an_object_under_its_stream(void **state)
{
	const struct cache_object obj = of_len(9000);
	struct cache_put p = {.val = "plain", .len = 5};
	struct cache_stream st;
	struct cache_view v, u;

	(void)state;
	assert_int_equal(cache_object_open(w(0), &k, NULL, &obj, &st, SEC), 0);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_OBJECT);
	assert_int_equal(cache_put(w(1), &k, &p, SEC), 0);
	assert_int_equal(cache_object_append(w(0), &st, body, 9000, SEC), 9000);
	expect_bytes(1, &v, 0, 9000); /* who has the head reads to the end */
	assert_int_equal(cache_object_close(w(0), &k, &st, true, SEC), -ESTALE);
	expect_bytes(1, &v, 0, 9000);
	assert_int_equal(cache_get(w(1), &k, SEC, &u), CACHE_HIT);
	assert_memory_equal(u.val, "plain", 5);
}

static void sparse_extents_fill_a_hole(void **state)
{
	const struct cache_object obj = of_len(10000);
	struct cache_view v, s;

	(void)state;
	assert_int_equal(cache_object_put(w(0), &k, &obj, SEC), 0);
	assert_int_equal(cache_get(w(0), &k, SEC, &v), CACHE_OBJECT);
	assert_int_equal(cache_extent_put(w(0), &v, 2, body + 8192, 10000 - 8192, SEC), 0);
	assert_int_equal(cache_object_read(w(1), &v, 4096, SEC, &s), -ENOENT);
	expect_bytes(1, &v, 8192, 10000);
	assert_int_equal(cache_extent_put(w(0), &v, 0, body, 4095, SEC), -EINVAL);
	assert_int_equal(cache_extent_put(w(0), &v, 2, body, 4096, SEC), -EINVAL);
	assert_int_equal(cache_extent_put(w(0), &v, 3, body, 1, SEC), -EINVAL);
	assert_int_equal(cache_extent_put(w(0), &v, 0, body, 4096, SEC), 0);
	assert_int_equal(cache_extent_put(w(0), &v, 1, body + 4096, 4096, SEC), 0);
	expect_bytes(1, &v, 0, 10000);
}

/* A new description leaves the bytes where they are, also for who holds an old view. */
static void an_object_gets_another_description(void **state)
{
	struct cache_object obj = of_len(10000);
	struct cache_stream st;
	struct cache_view v, old;

	(void)state;
	assert_int_equal(cache_object_open(w(0), &k, NULL, &obj, &st, SEC), 0);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_OBJECT);
	assert_int_equal(cache_object_update(w(1), &k, &v, &obj, SEC), -EINVAL);
	assert_int_equal(cache_object_append(w(0), &st, body, 10000, SEC), 10000);
	assert_int_equal(cache_object_close(w(0), &k, &st, true, SEC), 0);

	assert_int_equal(cache_get(w(1), &k, SEC, &old), CACHE_OBJECT);
	obj.desc = "another one";
	obj.desc_len = 11;
	obj.user = 77;
	obj.expire_ns = 9 * SEC;
	assert_int_equal(cache_object_update(w(1), &k, &old, &obj, SEC), 0);
	assert_int_equal(cache_get(w(0), &k, SEC, &v), CACHE_OBJECT);
	assert_int_equal(v.len, 11);
	assert_memory_equal(v.val, "another one", 11);
	assert_int_equal(v.user, 77);
	assert_true(v.seq == old.seq);
	expect_bytes(0, &v, 0, 10000);
	expect_bytes(1, &old, 0, 10000);
	assert_int_equal(cache_get(w(0), &k, 10 * SEC, &v), CACHE_MISS);

	obj.expire_ns = 0;
	assert_int_equal(cache_object_put(w(0), &k, &obj, SEC), 0);
	assert_int_equal(cache_object_update(w(1), &k, &old, &obj, SEC), -ESTALE);
}

/* A user's key with the bytes of an extent's key is another key. */
static void extents_cannot_be_named_by_a_user(void **state)
{
	const struct cache_object obj = of_len(4096);
	struct extent_key raw = {.no = 0};
	struct cache_stream st;
	struct cache_key user;
	struct cache_view v, s;

	(void)state;
	assert_int_equal(cache_object_open(w(0), &k, NULL, &obj, &st, SEC), 0);
	assert_int_equal(cache_object_append(w(0), &st, body, 4096, SEC), 4096);
	assert_int_equal(cache_object_close(w(0), &k, &st, true, SEC), 0);
	assert_int_equal(cache_get(w(0), &k, SEC, &v), CACHE_OBJECT);
	raw.id = v.seq;
	cache_key_init(t.c, &user, 0, &raw, sizeof(raw));
	assert_int_equal(cache_get(w(0), &user, SEC, &s), CACHE_MISS);
	assert_int_equal(cache_delete(w(0), &user, CACHE_ALWAYS, 0, SEC), -ENOENT);
	expect_bytes(1, &v, 0, 4096);
}

/* 20 MB through a 2 MB arena: a reader that keeps up gets every byte, memory stays bounded, and
 * what was read long ago are holes. */
static void larger_than_the_arena(void **state)
{
	const struct cache_object obj = of_len(CACHE_LEN_UNKNOWN);
	uint64_t sent = 0, holes = 0;
	struct cache_stream st;
	struct cache_view v, s;
	struct cache_usage u;

	(void)state;
	assert_int_equal(cache_object_open(w(0), &k, NULL, &obj, &st, SEC), 0);
	while (sent < 20 << 20) {
		uint64_t at = sent;

		assert_int_equal(cache_object_append(w(0), &st, body, 3000, SEC), 3000);
		sent += 3000;
		assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_OBJECT);
		while (at < sent) {
			assert_int_equal(cache_object_read(w(1), &v, at, SEC, &s), 0);
			for (uint32_t j = 0; j < s.len; j++)
				assert_int_equal(s.val[j], body[(at + j) % 3000]);
			at += s.len;
		}
		cache_poll(w(0), SEC);
		cache_poll(w(1), SEC);
	}
	assert_int_equal(cache_object_close(w(0), &k, &st, true, SEC), 0);
	cache_usage(t.c, &u);
	assert_int_equal(u.free + u.open + u.sealed + u.evicting + u.limbo, u.segments);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_OBJECT);
	assert_int_equal(v.total_len, sent);
	for (uint64_t at = 0; at < sent; at += 4096)
		holes += cache_object_read(w(1), &v, at, SEC, &s) == -ENOENT;
	assert_true(holes > 4000 && holes < sent / 4096);
}

/* The stream's open extent is pinned: eviction may drop it, but not from under the writer. */
static void a_slow_stream_survives_a_flood(void **state)
{
	const struct cache_object obj = of_len(8192);
	struct cache_stream st;
	struct cache_view v, s;

	(void)state;
	assert_int_equal(cache_object_open(w(0), &k, NULL, &obj, &st, SEC), 0);
	assert_int_equal(cache_object_append(w(0), &st, body, 100, SEC), 100);
	for (uint64_t i = 0; i < 20000; i++) {
		struct cache_put p = {.val = body, .len = 500};
		struct cache_key o;

		cache_key_init(t.c, &o, 0, &i, 8);
		assert_int_equal(cache_put(w(0), &o, &p, SEC), 0);
		cache_poll(w(0), SEC);
		cache_poll(w(1), SEC);
	}
	assert_int_equal(cache_object_append(w(0), &st, body + 100, 8092, SEC), 8092);
	assert_int_equal(cache_object_close(w(0), &k, &st, true, SEC), 0);
	assert_int_equal(cache_get(w(1), &k, SEC, &v), CACHE_OBJECT);
	assert_int_equal(cache_object_read(w(1), &v, 0, SEC, &s), -ENOENT); /* dropped: a hole */
	expect_bytes(1, &v, 4096, 8192);
	assert_int_equal(cache_extent_put(w(0), &v, 0, body, 4096, SEC), 0);
	expect_bytes(1, &v, 0, 8192);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(read_while_filled_then_whole),
		TEST(unknown_length_is_known_at_the_end),
		TEST(an_empty_object),
		TEST(a_lease_becomes_a_stream),
		TEST(a_failed_stream_is_an_error_to_readers_and_gone),
		TEST(a_put_replaces_an_object_under_its_stream),
		TEST(sparse_extents_fill_a_hole),
		TEST(an_object_gets_another_description),
		TEST(extents_cannot_be_named_by_a_user),
		TEST(larger_than_the_arena),
		TEST(a_slow_stream_survives_a_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
