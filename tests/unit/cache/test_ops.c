/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "cache/cache_pvt.h"
#include "dataplane/base/time.h"
#include "tests/support/cache.h"

#define SEC NS_PER_SEC

static struct cache_key key_of(struct test_cache *t, const char *text)
{
	struct cache_key k;

	cache_key_init(t->c, &k, 0, text, (uint16_t)strlen(text));
	return k;
}

static int put(struct test_cache *t, const char *key, const char *val, enum cache_cond cond,
	uint64_t cond_seq, uint64_t *seq)
{
	struct cache_key k = key_of(t, key);
	struct cache_put p = {.val = val,
		.len = (uint32_t)strlen(val),
		.cond = cond,
		.cond_seq = cond_seq,
		.seq_out = seq};

	return cache_put(cache_worker(t->c, 0), &k, &p, SEC);
}

static void expect(struct test_cache *t, const char *key, const char *val)
{
	struct cache_key k = key_of(t, key);
	struct cache_view v;

	if (val == NULL) {
		assert_int_equal(cache_get(cache_worker(t->c, 0), &k, SEC, &v), CACHE_MISS);
		return;
	}
	assert_int_equal(cache_get(cache_worker(t->c, 0), &k, SEC, &v), CACHE_HIT);
	assert_int_equal(v.len, strlen(val));
	assert_memory_equal(v.val, val, v.len);
}

static void setup(struct test_cache *t)
{
	struct cache_conf conf = test_cache_conf(1 << 20, 16384, 1);

	test_cache_open(t, &conf);
}

static void put_get_replace_delete(void **state)
{
	struct test_cache t;
	struct cache_key a;
	struct cache_usage u;

	(void)state;
	setup(&t);
	a = key_of(&t, "a");
	expect(&t, "a", NULL);
	assert_int_equal(put(&t, "a", "one", CACHE_ALWAYS, 0, NULL), 0);
	assert_int_equal(put(&t, "b", "", CACHE_ALWAYS, 0, NULL), 0);
	expect(&t, "a", "one");
	expect(&t, "b", "");
	assert_int_equal(put(&t, "a", "another", CACHE_ALWAYS, 0, NULL), 0);
	expect(&t, "a", "another");
	cache_usage(t.c, &u);
	assert_int_equal(u.items, 2);
	assert_int_equal(u.item_bytes, 24 + 8 + 32); /* "another" ends a word, "b" starts one */
	assert_int_equal(cache_delete(cache_worker(t.c, 0), &a, CACHE_ALWAYS, 0, SEC), 0);
	assert_int_equal(cache_delete(cache_worker(t.c, 0), &a, CACHE_ALWAYS, 0, SEC), -ENOENT);
	expect(&t, "a", NULL);
	expect(&t, "b", "");
	test_cache_close(&t);
}

static void conditions_decide(void **state)
{
	struct test_cache t;
	struct cache_key k;
	uint64_t s1, s2;

	(void)state;
	setup(&t);
	k = key_of(&t, "k");
	assert_int_equal(put(&t, "k", "x", CACHE_IF_PRESENT, 0, NULL), -ENOENT);
	assert_int_equal(put(&t, "k", "x", CACHE_IF_SEQ, 5, NULL), -ENOENT);
	assert_int_equal(put(&t, "k", "x", CACHE_IF_ABSENT, 0, &s1), 0);
	assert_int_equal(put(&t, "k", "y", CACHE_IF_ABSENT, 0, NULL), -EEXIST);
	expect(&t, "k", "x");
	assert_int_equal(put(&t, "k", "y", CACHE_IF_SEQ, s1 + 1, NULL), -ESTALE);
	assert_int_equal(put(&t, "k", "y", CACHE_IF_SEQ, s1, &s2), 0);
	assert_true(s2 > s1);
	assert_int_equal(put(&t, "k", "z", CACHE_IF_SEQ, s1, NULL), -ESTALE);
	expect(&t, "k", "y");
	assert_int_equal(put(&t, "k", "z", CACHE_IF_PRESENT, 0, NULL), 0);
	assert_int_equal(cache_delete(cache_worker(t.c, 0), &k, CACHE_IF_SEQ, s2, SEC), -ESTALE);
	expect(&t, "k", "z");
	test_cache_close(&t);
}

static void older_versions_do_not_replace_newer(void **state)
{
	struct cache_put p = {.val = "v", .len = 1, .cond = CACHE_IF_NEWER, .seq = 100};
	struct test_cache t;
	struct cache_key k;
	struct cache_view v;

	(void)state;
	setup(&t);
	k = key_of(&t, "k");
	assert_int_equal(cache_put(cache_worker(t.c, 0), &k, &p, SEC), 0);
	assert_int_equal(cache_put(cache_worker(t.c, 0), &k, &p, SEC), -ESTALE);
	p.seq = 99;
	assert_int_equal(cache_put(cache_worker(t.c, 0), &k, &p, SEC), -ESTALE);
	p.seq = 101;
	assert_int_equal(cache_put(cache_worker(t.c, 0), &k, &p, SEC), 0);
	cache_get(cache_worker(t.c, 0), &k, SEC, &v);
	assert_int_equal(v.seq, 101);
	/* A version the cache draws is above one that was given. */
	p.cond = CACHE_ALWAYS;
	p.seq = CACHE_SEQ_MAX;
	assert_int_equal(cache_put(cache_worker(t.c, 0), &k, &p, SEC), 0);
	p.seq = 0;
	assert_int_equal(cache_put(cache_worker(t.c, 0), &k, &p, SEC), 0);
	cache_get(cache_worker(t.c, 0), &k, SEC, &v);
	assert_true(v.seq > CACHE_SEQ_MAX);
	test_cache_close(&t);
}

static void expires_not_early_and_at_most_a_tick_late(void **state)
{
	uint64_t now = 1000 * SEC + 12345, tick = UINT64_C(1) << 20;
	struct cache_put p = {.val = "v", .len = 1, .expire_ns = now + 5 * NS_PER_MS};
	struct cache_worker *w;
	struct test_cache t;
	struct cache_key k;
	struct cache_view v;

	(void)state;
	setup(&t);
	w = cache_worker(t.c, 0);
	k = key_of(&t, "k");
	assert_int_equal(cache_put(w, &k, &p, now), 0);
	assert_int_equal(cache_get(w, &k, p.expire_ns - 1, &v), CACHE_HIT);
	assert_true(v.expire_ns >= p.expire_ns && v.expire_ns < p.expire_ns + tick);
	assert_int_equal(cache_get(w, &k, p.expire_ns + tick, &v), CACHE_MISS);
	/* Expired counts as absent, and a touch does not raise the dead. */
	assert_int_equal(cache_touch(w, &k, 0, p.expire_ns + tick), -ENOENT);
	p.cond = CACHE_IF_ABSENT;
	p.expire_ns = now + SEC;
	assert_int_equal(cache_put(w, &k, &p, now + 10 * NS_PER_MS), 0);
	assert_int_equal(cache_touch(w, &k, now + 100 * SEC, now + 11 * NS_PER_MS), 0);
	assert_int_equal(cache_get(w, &k, now + 99 * SEC, &v), CACHE_HIT);
	assert_memory_equal(v.val, "v", 1);
	assert_int_equal(cache_touch(w, &k, 0, now + 11 * NS_PER_MS), 0);
	assert_int_equal(cache_get(w, &k, now + 1000000 * SEC, &v), CACHE_HIT);
	assert_int_equal(v.expire_ns, 0);
	/* Beyond what 40 bits of ticks can say is never. */
	assert_int_equal(cache_touch(w, &k, UINT64_MAX, now), 0);
	assert_int_equal(cache_get(w, &k, UINT64_MAX - 1, &v), CACHE_HIT);
	test_cache_close(&t);
}

static void touch_keeps_value_version_and_mark(void **state)
{
	struct test_cache t;
	struct cache_key k;
	struct cache_view v, u;
	struct cache_put p = {.val = "payload", .len = 7, .user = 4711};

	(void)state;
	setup(&t);
	k = key_of(&t, "k");
	assert_int_equal(cache_put(cache_worker(t.c, 0), &k, &p, SEC), 0);
	cache_get(cache_worker(t.c, 0), &k, SEC, &v);
	assert_int_equal(cache_touch(cache_worker(t.c, 0), &k, 9 * SEC, SEC), 0);
	cache_get(cache_worker(t.c, 0), &k, SEC, &u);
	assert_int_not_equal(u.item, v.item);
	assert_int_equal(u.seq, v.seq);
	assert_int_equal(u.user, 4711);
	assert_int_equal(u.len, 7);
	assert_memory_equal(u.val, "payload", 7);
	test_cache_close(&t);
}

static void limits_of_keys_and_values(void **state)
{
	static uint8_t big[16384];
	struct cache_put p = {.val = big};
	struct test_cache t;
	struct cache_key k;
	struct cache_view v;
	struct cache_worker *w;

	(void)state;
	memset(big, 7, sizeof(big));
	setup(&t);
	w = cache_worker(t.c, 0);
	cache_key_init(t.c, &k, 0, big, 2048);
	p.len = 8192 - 24 - 2048;
	assert_int_equal(cache_put(w, &k, &p, SEC), 0);
	assert_int_equal(cache_get(w, &k, SEC, &v), CACHE_HIT);
	assert_memory_equal(v.val, big, p.len);
	p.len++;
	assert_int_equal(cache_put(w, &k, &p, SEC), -EFBIG);
	p.len = UINT32_MAX;
	assert_int_equal(cache_put(w, &k, &p, SEC), -EFBIG);
	p.len = 1;
	cache_key_init(t.c, &k, 0, big, 2049);
	assert_int_equal(cache_put(w, &k, &p, SEC), -EINVAL);
	cache_key_init(t.c, &k, 0, big, 0);
	assert_int_equal(cache_put(w, &k, &p, SEC), -EINVAL);
	test_cache_close(&t);
}

static void keys_of_all_lengths_are_told_apart(void **state)
{
	static uint8_t text[2][80];
	struct test_cache t;
	struct cache_worker *w;

	(void)state;
	setup(&t);
	w = cache_worker(t.c, 0);
	for (uint16_t len = 1; len <= 80; len++)
		for (int flip = -1; flip < len; flip++) {
			struct cache_put p = {.val = &flip, .len = sizeof(flip)};
			struct cache_key k;

			memset(text[0], 'x', sizeof(text[0]));
			if (flip >= 0)
				text[0][flip] ^= 1;
			cache_key_init(t.c, &k, 0, text[0], len);
			assert_int_equal(cache_put(w, &k, &p, SEC), 0);
		}
	for (uint16_t len = 1; len <= 80; len++)
		for (int flip = -1; flip < len; flip++) {
			struct cache_key k;
			struct cache_view v;

			memset(text[1], 'x', sizeof(text[1]));
			if (flip >= 0)
				text[1][flip] ^= 1;
			cache_key_init(t.c, &k, 0, text[1], len);
			assert_int_equal(cache_get(w, &k, SEC, &v), CACHE_HIT);
			assert_memory_equal(v.val, &flip, sizeof(flip));
		}
	test_cache_close(&t);
}

/* More keys than buckets have slots: overflow buckets are linked, used and given back. */
static void overflow_buckets_come_and_go(void **state)
{
	struct cache_conf conf = test_cache_conf(1 << 20, 16384, 1);
	struct test_cache t;
	struct cache_worker *w;
	struct cache_usage u;
	uint64_t found = 0;

	(void)state;
	conf.index_items = 100; /* one group: 256 buckets, 96 overflow buckets */
	test_cache_open(&t, &conf);
	w = cache_worker(t.c, 0);
	for (uint64_t i = 0; i < 1800; i++) {
		struct cache_put p = {.val = &i, .len = 8};
		struct cache_key k;

		cache_key_init(t.c, &k, 0, &i, 8);
		assert_int_equal(cache_put(w, &k, &p, SEC), 0);
	}
	cache_usage(t.c, &u);
	assert_true(u.overflow_buckets > 60);
	assert_true(u.items > 1750); /* few were displaced */
	test_cache_check(t.c);
	for (uint64_t i = 0; i < 1800; i++) {
		struct cache_view v;
		struct cache_key k;

		cache_key_init(t.c, &k, 0, &i, 8);
		if (cache_get(w, &k, SEC, &v) == CACHE_HIT) {
			assert_memory_equal(v.val, &i, 8);
			found++;
			assert_int_equal(cache_delete(w, &k, CACHE_ALWAYS, 0, SEC), 0);
		}
		cache_poll(w, SEC);
	}
	assert_int_equal(found, u.items);
	cache_usage(t.c, &u);
	assert_int_equal(u.items, 0);
	assert_int_equal(u.item_bytes, 0);
	assert_int_equal(u.overflow_buckets, 0);
	test_cache_close(&t);
}

static void a_full_chain_displaces_what_is_worth_least(void **state)
{
	struct cache_conf conf = test_cache_conf(1 << 20, 16384, 1);
	uint64_t in_bucket[32], n = 0;
	struct cache_stats st;
	struct test_cache t;
	struct cache_worker *w;
	struct cache_view v;

	(void)state;
	conf.index_items = 100;
	test_cache_open(&t, &conf);
	w = cache_worker(t.c, 0);
	for (uint64_t i = 0; n < 15; i++) { /* 15 keys of one bucket, which has 14 slots */
		struct cache_key k;

		cache_key_init(t.c, &k, 0, &i, 8);
		if (bucket_of(t.c, k.hash) == t.c->index + 3)
			in_bucket[n++] = i;
	}
	for (uint64_t i = 0; i < 15; i++) {
		struct cache_put p = {.val = &i, .len = 8};
		struct cache_key k;

		cache_key_init(t.c, &k, 0, &in_bucket[i], 8);
		assert_int_equal(cache_put(w, &k, &p, SEC), 0);
		if (i != 5)
			assert_int_equal(cache_get(w, &k, SEC, &v), CACHE_HIT);
	}
	for (uint64_t i = 0; i < 15; i++) {
		struct cache_key k;

		cache_key_init(t.c, &k, 0, &in_bucket[i], 8);
		assert_int_equal(cache_get(w, &k, SEC, &v), i == 5 ? CACHE_MISS : CACHE_HIT);
	}
	cache_stats(t.c, &st);
	assert_int_equal(st.evicted_bucket, 1);
	test_cache_close(&t);
}

static void burst_is_many_gets(void **state)
{
	struct cache_conf conf = test_cache_conf(1 << 20, 16384, 1);
	struct test_cache t;
	struct cache_worker *w;
	uint64_t id[CACHE_BURST_MAX];
	struct cache_key k[CACHE_BURST_MAX];
	struct cache_view v[CACHE_BURST_MAX];

	(void)state;
	conf.index_items = 100;
	test_cache_open(&t, &conf);
	w = cache_worker(t.c, 0);
	for (uint64_t i = 0; i < 1500; i += 2) {
		struct cache_put p = {.val = &i, .len = 8, .expire_ns = i % 3 == 0 ? 2 * SEC : 0};
		struct cache_key one;

		cache_key_init(t.c, &one, 0, &i, 8);
		assert_int_equal(cache_put(w, &one, &p, SEC), 0);
	}
	for (uint64_t base = 0; base + CACHE_BURST_MAX < 1500; base += CACHE_BURST_MAX) {
		uint32_t n = 1 + (uint32_t)(base % CACHE_BURST_MAX), hits = 0;

		for (uint32_t i = 0; i < n; i++) {
			id[i] = base + i;
			cache_key_init(t.c, &k[i], 0, &id[i], 8);
		}
		n = cache_get_burst(w, k, n, 3 * SEC, v);
		for (uint32_t i = 0; i < 1 + (uint32_t)(base % CACHE_BURST_MAX); i++) {
			struct cache_view one;

			assert_int_equal(cache_get(w, &k[i], 3 * SEC, &one), v[i].found);
			assert_int_equal(v[i].found,
				id[i] % 2 == 0 && id[i] % 3 != 0 ? CACHE_HIT : CACHE_MISS);
			if (v[i].found != CACHE_HIT)
				continue;
			hits++;
			assert_int_equal(one.item, v[i].item);
			assert_memory_equal(v[i].val, &id[i], 8);
		}
		assert_int_equal(n, hits);
	}
	test_cache_close(&t);
}

static void a_view_lives_until_quiescent(void **state)
{
	static uint8_t val[1000];
	struct test_cache t;
	struct cache_worker *w;
	struct cache_key k, other;
	struct cache_view v;
	struct cache_put p = {.val = val, .len = sizeof(val)};
	struct cache_stats before, after;
	uint64_t i = 0;

	(void)state;
	setup(&t);
	w = cache_worker(t.c, 0);
	k = key_of(&t, "k");
	memset(val, 0xaa, sizeof(val));
	assert_int_equal(cache_put(w, &k, &p, SEC), 0);
	assert_int_equal(cache_get(w, &k, SEC, &v), CACHE_HIT);
	memset(val, 0x55, sizeof(val));
	/* Fill the cache until nothing goes any more: our own view holds limbo back. */
	for (;; i++) {
		cache_key_init(t.c, &other, 0, &i, 8);
		if (cache_put(w, &other, &p, SEC) == -EAGAIN)
			break;
		assert_true(i < 100000);
	}
	for (uint32_t j = 0; j < v.len; j++)
		assert_int_equal(v.val[j], 0xaa);
	cache_stats(t.c, &before);
	cache_poll(w, SEC);
	cache_poll(w, SEC);
	cache_stats(t.c, &after);
	assert_true(after.segs_freed > before.segs_freed);
	assert_int_equal(cache_put(w, &other, &p, SEC), 0);
	test_cache_close(&t);
}

static void memory_is_bounded_and_adds_up(void **state)
{
	static uint8_t val[3000];
	struct test_cache t;
	struct cache_worker *w;
	struct cache_usage u;

	(void)state;
	setup(&t);
	w = cache_worker(t.c, 0);
	for (uint64_t i = 0; i < 20000; i++) {
		struct cache_put p = {.val = val, .len = (uint32_t)(i * 7919 % sizeof(val))};
		struct cache_key k;

		cache_key_init(t.c, &k, 0, &i, 8);
		assert_int_equal(cache_put(w, &k, &p, i * NS_PER_MS), 0);
		if (i % 8 == 0)
			cache_poll(w, i * NS_PER_MS);
		if (i % 500 != 0)
			continue;
		test_cache_check(t.c);
		cache_usage(t.c, &u);
		assert_int_equal(u.free + u.open + u.sealed + u.evicting + u.limbo, u.segments);
		assert_true(u.item_bytes <= u.segments * u.segment_bytes);
	}
	assert_true(u.items > 300);
	test_cache_close(&t);
}

static void expired_segments_go_first(void **state)
{
	static uint8_t val[100];
	struct cache_conf conf = test_cache_conf(1 << 20, 16384, 1);
	struct test_cache t;
	struct cache_worker *w;
	struct cache_stats st;
	struct cache_key k;
	struct cache_view v;

	(void)state;
	conf.index_items = 20000;
	test_cache_open(&t, &conf);
	w = cache_worker(t.c, 0);
	for (uint64_t i = 0; i < 2000; i++) { /* half of the arena, for ever; it is older */
		struct cache_put p = {.val = val, .len = 100};

		cache_key_init(t.c, &k, 0, &i, 8);
		assert_int_equal(cache_put(w, &k, &p, SEC), 0);
	}
	for (uint64_t i = 0; i < 20000; i++) { /* then many that live for a tenth of a second */
		uint64_t id = 1000000 + i, now = SEC + i * NS_PER_MS;
		struct cache_put p = {.val = val, .len = 100, .expire_ns = now + 100 * NS_PER_MS};

		cache_key_init(t.c, &k, 0, &id, 8);
		assert_int_equal(cache_put(w, &k, &p, now), 0);
		cache_poll(w, now);
	}
	for (uint64_t i = 0; i < 2000; i++) {
		cache_key_init(t.c, &k, 0, &i, 8);
		assert_int_equal(cache_get(w, &k, SEC, &v), CACHE_HIT);
	}
	cache_stats(t.c, &st);
	assert_true(st.evicted_expired > 10000);
	assert_int_equal(st.evicted_small + st.evicted_main, 0);
	test_cache_close(&t);
}

static void a_share_stays_its_namespaces_own(void **state)
{
	static uint8_t val[100];
	struct cache_conf conf = test_cache_conf(2 << 20, 16384, 1);
	struct test_cache t;
	struct cache_worker *w;
	struct cache_usage u;
	struct cache_key k;
	struct cache_view v;
	uint64_t id;

	(void)state;
	conf.ns_cnt = 2;
	conf.ns[0].share = 300;
	conf.index_items = 30000;
	test_cache_open(&t, &conf);
	w = cache_worker(t.c, 0);
	/* Namespace 1 takes everything while nobody else wants it. */
	for (id = 0; id < 40000; id++) {
		struct cache_put p = {.val = val, .len = 100};

		cache_key_init(t.c, &k, 1, &id, 8);
		assert_int_equal(cache_put(w, &k, &p, SEC), 0);
		cache_poll(w, SEC);
	}
	cache_usage(t.c, &u);
	assert_true(u.ns_segments[1] > u.segments * 9 / 10);
	/* Namespace 0 gets its 30 % back, and the flood in the other does not move it. */
	for (id = 0; id < 4000; id++) {
		struct cache_put p = {.val = val, .len = 100};

		cache_key_init(t.c, &k, 0, &id, 8);
		assert_int_equal(cache_put(w, &k, &p, SEC), 0);
		cache_poll(w, SEC);
	}
	for (id = 0; id < 40000; id++) {
		struct cache_put p = {.val = val, .len = 100};

		cache_key_init(t.c, &k, 1, &id, 8);
		assert_int_equal(cache_put(w, &k, &p, SEC), 0);
		cache_poll(w, SEC);
	}
	cache_usage(t.c, &u);
	assert_true(u.ns_items[0] == 4000);
	assert_true(u.ns_segments[0] >= u.segments * 25 / 100);
	id = 77;
	cache_key_init(t.c, &k, 0, &id, 8);
	assert_int_equal(cache_get(w, &k, SEC, &v), CACHE_HIT);
	test_cache_close(&t);
}

static void namespaces_do_not_see_each_other(void **state)
{
	struct cache_conf conf = test_cache_conf(1 << 20, 16384, 1);
	struct test_cache t;
	struct cache_key k[3];
	struct cache_view v;

	(void)state;
	conf.ns_cnt = 3;
	test_cache_open(&t, &conf);
	for (uint8_t n = 0; n < 3; n++) {
		struct cache_put p = {.val = &n, .len = 1};

		cache_key_init(t.c, &k[n], n, "same", 4);
		assert_int_equal(cache_put(cache_worker(t.c, 0), &k[n], &p, SEC), 0);
	}
	assert_int_equal(cache_delete(cache_worker(t.c, 0), &k[1], CACHE_ALWAYS, 0, SEC), 0);
	for (uint8_t n = 0; n < 3; n++) {
		assert_int_equal(cache_get(cache_worker(t.c, 0), &k[n], SEC, &v),
			n == 1 ? CACHE_MISS : CACHE_HIT);
		if (n != 1)
			assert_int_equal(v.val[0], n);
	}
	test_cache_close(&t);
}

static void plan_refuses_what_cannot_work(void **state)
{
	const struct cache_conf good = test_cache_conf(1 << 20, 16384, 2);
	struct cache_conf c;
	uint64_t bytes[CACHE_ZONES];

	(void)state;
	c = good;
	assert_int_equal(cache_plan(&c, bytes), 0);
	assert_int_equal(bytes[CACHE_ZONE_ARENA], 1 << 20);
#define REFUSED(field, value) \
	c = good;             \
	c.field = value;      \
	assert_int_equal(cache_plan(&c, bytes), -EINVAL)
	REFUSED(workers, 0);
	REFUSED(workers, CACHE_WORKERS_MAX + 1);
	REFUSED(workers, 17); /* 64 segments */
	REFUSED(ns_cnt, 0);
	REFUSED(ns_cnt, CACHE_NS_MAX + 1);
	REFUSED(segment_bytes, 8192);
	REFUSED(segment_bytes, 16384 * 3);
	REFUSED(segment_bytes, 8 << 20);
	REFUSED(arena_bytes, 15 * 16384);
	REFUSED(arena_bytes, UINT64_MAX);
	REFUSED(fills, CACHE_FILLS_MAX + 1);
	REFUSED(ns[0].share, 1001);
	REFUSED(pinned_permille, 1001);
#undef REFUSED
}

struct leavers {
	struct test_cache *t;
	uint32_t cnt, values, heads;
	uint8_t seen[60000];
	struct cache_pin pin; /* of the first */
	const uint8_t *val;
	uint64_t first;
};

static void leaves(void *ctx, uint32_t worker, const struct cache_leaving *l, uint64_t now_ns)
{
	struct leavers *s = ctx;
	struct cache_view v;
	uint64_t n;

	assert_int_equal(worker, 0);
	assert_int_equal(l->key.len, 8);
	memcpy(&n, l->key.data, 8);
	assert_true(n < ARRAY_SIZE(s->seen));
	assert_int_equal(s->seen[n]++, 0); /* once, as it was put once */
	/* It is still what a lookup finds, and may be kept. */
	assert_int_not_equal(cache_get(cache_worker(s->t->c, 0), &l->key, now_ns, &v), CACHE_MISS);
	assert_true(v.seq == l->v.seq && v.val == l->v.val && v.len == l->v.len);
	assert_memory_equal(l->v.val, &n, 8);
	s->values += l->v.found == CACHE_HIT;
	s->heads += l->v.found == CACHE_OBJECT;
	if (s->cnt++ == 0) {
		assert_int_equal(cache_pin(cache_worker(s->t->c, 0), &l->v, &s->pin), 0);
		s->val = l->v.val;
		s->first = n;
	}
}

static void put_number(struct test_cache *t, uint64_t n, bool object)
{
	struct cache_worker *w = cache_worker(t->c, 0);
	struct cache_put p = {.val = &n, .len = 8};
	struct cache_object o = {.desc = &n, .desc_len = 8};
	struct cache_key k;

	cache_key_init(t->c, &k, 0, &n, 8);
	assert_int_equal(object ? cache_object_put(w, &k, &o, SEC) : cache_put(w, &k, &p, SEC), 0);
}

/* Used values and heads are shown before they go, others are not. */
static void what_was_used_is_shown_when_it_leaves(void **state)
{
	static struct leavers s;
	uint64_t unused = 0;
	struct cache_conf conf = test_cache_conf(1 << 20, 16384, 1);
	struct test_cache t;
	struct cache_stats st;
	struct cache_view v;
	struct cache_key k;

	(void)state;
	conf.index_items = 40000;
	test_cache_open(&t, &conf);
	s = (struct leavers){.t = &t};
	cache_on_leaving(t.c, leaves, &s);
	for (uint64_t i = 0; i < ARRAY_SIZE(s.seen); i++) {
		put_number(&t, i, i % 8 == 7);
		cache_key_init(t.c, &k, 0, &i, 8);
		if (i % 2 == 1)
			(void)cache_get(cache_worker(t.c, 0), &k, SEC, &v);
		cache_poll(cache_worker(t.c, 0), SEC);
	}
	cache_stats(t.c, &st);
	assert_in_range(s.values, 100, ARRAY_SIZE(s.seen));
	assert_in_range(s.heads, 30, ARRAY_SIZE(s.seen));
	assert_int_equal(s.cnt, st.evicted_main + st.copy_dropped);
	/* But for those whose fingerprint is like that of one that went before. */
	for (uint64_t i = 0; i < ARRAY_SIZE(s.seen); i += 2)
		unused += s.seen[i];
	assert_true(unused <= st.ghost_hits);
	/* Thousands of segments later: the pin was made before its segment was retired. */
	assert_memory_equal(s.val, &s.first, 8);
	cache_unpin(cache_worker(t.c, 0), &s.pin);
	test_cache_close(&t);
}

/* The zones have no pointer: another owner maps them elsewhere and finds everything. */
static void adopted_at_another_address(void **state)
{
	struct cache_conf conf = test_cache_conf(1 << 20, 16384, 2);
	struct cache_mem mem, again;
	struct cache *c, *d;
	struct cache_lease lease;
	struct cache_key k;
	struct cache_view v;
	uint64_t n = 0;

	(void)state;
	conf.index_items = 40000;
	assert_int_equal(cache_plan(&conf, mem.bytes), 0);
	assert_int_equal(cache_mem_map(&mem, true), 0);
	assert_int_equal(cache_create(&c, &conf, mem.addr), 0);
	cache_online(cache_worker(c, 0));
	for (uint64_t i = 0; i < 30000; i++) { /* with eviction under way */
		struct cache_put p = {.val = &i, .len = 8};

		cache_key_init(c, &k, 0, &i, 8);
		assert_int_equal(cache_put(cache_worker(c, 0), &k, &p, SEC), 0);
		cache_poll(cache_worker(c, 0), SEC);
	}
	cache_key_init(c, &k, 0, "leased", 6);
	assert_int_equal(cache_lookup(cache_worker(c, 0), &k, SEC, &v, &lease, NULL), CACHE_LEASED);
	assert_int_equal(cache_attach(&d, mem.addr), -EBUSY);
	cache_offline(cache_worker(c, 0));
	cache_destroy(c);
	for (uint32_t z = 0; z < CACHE_ZONES; z++) {
		again = mem;
		again.addr[z] =
			mmap(NULL, mem.bytes[z], PROT_READ | PROT_WRITE, MAP_SHARED, mem.fd[z], 0);
		assert_ptr_not_equal(again.addr[z], MAP_FAILED);
		munmap(mem.addr[z], mem.bytes[z]);
		mem.addr[z] = again.addr[z];
	}
	assert_int_equal(cache_attach(&d, mem.addr), 0);
	test_cache_check(d);
	cache_online(cache_worker(d, 1));
	for (uint64_t i = 0; i < 30000; i++) {
		cache_key_init(d, &k, 0, &i, 8);
		if (cache_get(cache_worker(d, 1), &k, SEC, &v) != CACHE_HIT)
			continue;
		n++;
		assert_memory_equal(v.val, &i, 8);
	}
	assert_true(n > 10000);
	/* The fetch that was under way is nobody's: the next miss takes it over. */
	cache_key_init(d, &k, 0, "leased", 6);
	assert_int_equal(cache_lookup(cache_worker(d, 1), &k, SEC, &v, &lease, NULL), CACHE_LEASED);
	cache_lease_abort(cache_worker(d, 1), &k, &lease, SEC);
	test_cache_check(d);
	cache_offline(cache_worker(d, 1));
	cache_destroy(d);
	((struct ctl *)mem.addr[CACHE_ZONE_CTL])->layout++;
	assert_int_equal(cache_attach(&d, mem.addr), -EINVAL);
	cache_mem_unmap(&mem);
}

/* Nothing is freed while a worker does not report; reads go on; the watchdog names it. */
static void a_stuck_worker_is_noticed_and_costs_no_more_than_memory(void **state)
{
	static uint8_t val[500];
	struct cache_conf conf = test_cache_conf(1 << 20, 16384, 3);
	struct cache_worker *w;
	struct cache_usage u;
	struct cache_key k;
	struct cache_view v;
	struct test_cache t;
	uint32_t first = 99;
	uint64_t refused = 0;

	(void)state;
	test_cache_open(&t, &conf);
	w = cache_worker(t.c, 0);
	cache_offline(cache_worker(t.c, 1)); /* asleep: nobody waits for it */
	assert_int_equal(cache_watch(t.c, SEC, SEC, &first), 0);
	for (uint64_t i = 0; i < 10000; i++) {
		struct cache_put p = {.val = val, .len = sizeof(val)};
		int rc;

		cache_key_init(t.c, &k, 0, &i, 8);
		rc = cache_put(w, &k, &p, SEC);
		assert_true(rc == 0 || rc == -EAGAIN);
		refused += rc == -EAGAIN;
		cache_poll(w, SEC);
	}
	assert_true(refused > 5000);
	cache_usage(t.c, &u);
	assert_true(u.limbo <= t.c->geo.low_water + 1); /* it did not empty itself into limbo */
	assert_true(u.items > 1000);
	cache_watch(t.c, 10 * SEC, SEC, &first);
	assert_int_equal(cache_watch(t.c, 12 * SEC, SEC, &first), 1);
	assert_int_equal(first, 2);
	cache_key_init(t.c, &k, 0, &(uint64_t){1500}, 8);
	assert_int_equal(cache_get(w, &k, SEC, &v), CACHE_HIT);
	cache_quiescent(cache_worker(t.c, 2));
	assert_int_equal(cache_watch(t.c, 14 * SEC, SEC, &first), 0);
	cache_poll(w, SEC);
	cache_poll(w, SEC);
	cache_key_init(t.c, &k, 0, "later", 5);
	assert_int_equal(cache_put(w, &k, &(struct cache_put){.val = val, .len = 500}, SEC), 0);
	test_cache_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put_get_replace_delete),
		cmocka_unit_test(conditions_decide),
		cmocka_unit_test(older_versions_do_not_replace_newer),
		cmocka_unit_test(expires_not_early_and_at_most_a_tick_late),
		cmocka_unit_test(touch_keeps_value_version_and_mark),
		cmocka_unit_test(limits_of_keys_and_values),
		cmocka_unit_test(keys_of_all_lengths_are_told_apart),
		cmocka_unit_test(overflow_buckets_come_and_go),
		cmocka_unit_test(a_full_chain_displaces_what_is_worth_least),
		cmocka_unit_test(burst_is_many_gets),
		cmocka_unit_test(a_view_lives_until_quiescent),
		cmocka_unit_test(memory_is_bounded_and_adds_up),
		cmocka_unit_test(expired_segments_go_first),
		cmocka_unit_test(a_share_stays_its_namespaces_own),
		cmocka_unit_test(namespaces_do_not_see_each_other),
		cmocka_unit_test(plan_refuses_what_cannot_work),
		cmocka_unit_test(what_was_used_is_shown_when_it_leaves),
		cmocka_unit_test(adopted_at_another_address),
		cmocka_unit_test(a_stuck_worker_is_noticed_and_costs_no_more_than_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
