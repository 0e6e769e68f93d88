/* SPDX-License-Identifier: Apache-2.0
 * The store's operations one by one, as a worker calls them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "storage/shard.c"
#include "storage/uring_fs.h"
#include "tests/support/store_util.h"

static struct test_store t;
static uint64_t wall = 1000000000;

static uint64_t test_wall(void *ctx)
{
	(void)ctx;
	return __atomic_load_n(&wall, __ATOMIC_RELAXED);
}

static void advance_ms(uint64_t ms)
{
	__atomic_fetch_add(&wall, ms, __ATOMIC_RELAXED);
}

static int setup(void **state)
{
	(void)state;
	test_store_init(&t);
	t.p.wall_ms = test_wall;
	assert_int_equal(test_store_open(&t), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(store_pending(t.c), 0);
	test_store_fini(&t);
	return 0;
}

static struct store_req *write_req(const char *key, uint8_t op)
{
	struct store_req *r = store_req_get(t.c);

	assert_non_null(r);
	r->kind = STORE_WRITE;
	r->one.key = str_key(NS_ALWAYS, key);
	r->one.op = op;
	r->one.type = CODEC_STRING;
	return r;
}

static void set_value(struct store_item *it, const char *v)
{
	it->value = (const uint8_t *)v;
	it->value_len = (uint32_t)strlen(v);
}

static int run_and_put(struct store_req *r)
{
	int rc = store_run(t.c, r);

	store_req_put(t.c, r);
	return rc;
}

static void assert_value(const char *key, const char *want)
{
	char buf[64];
	int rc = store_get_str(t.c, NS_ALWAYS, key, buf, sizeof(buf));

	if (want == NULL) {
		assert_int_equal(rc, -ENOENT);
		return;
	}
	assert_int_equal(rc, 0);
	assert_string_equal(buf, want);
}

static void put_get_delete(void **state)
{
	(void)state;
	assert_value("k", NULL);
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "k", "one"), 0);
	assert_value("k", "one");
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "k", ""), 0);
	assert_value("k", "");
	assert_int_equal(store_put_str(t.c, NS_EVERYSEC, "k", "other"), 0);
	assert_value("k", "");
	assert_int_equal(store_delete_str(t.c, NS_ALWAYS, "k"), 0);
	assert_value("k", NULL);
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "", "the empty key"), 0);
	assert_value("", "the empty key");
}

static void all_durabilities_survive_an_orderly_close(void **state)
{
	char buf[16];

	(void)state;
	for (uint8_t ns = 0; ns < NS_TEST_CNT; ns++)
		assert_int_equal(store_put_str(t.c, ns, "k", "v"), 0);
	test_store_close(&t);
	assert_int_equal(test_store_open(&t), 0);
	for (uint8_t ns = 0; ns < NS_TEST_CNT; ns++) {
		assert_int_equal(store_get_str(t.c, ns, "k", buf, sizeof(buf)), 0);
		assert_string_equal(buf, "v");
	}
}

static uint64_t version_of(const char *key)
{
	struct store_req *r = store_req_get(t.c);
	uint64_t v;

	r->kind = STORE_READ;
	r->one.key = str_key(NS_ALWAYS, key);
	(void)store_run(t.c, r);
	v = r->one.version;
	store_req_put(t.c, r);
	return v;
}

static int cas(const char *key, uint64_t version, const char *val)
{
	struct store_req *r = write_req(key, STORE_PUT);

	r->one.flags = STORE_IF_VERSION;
	r->one.if_version = version;
	set_value(&r->one, val);
	return run_and_put(r);
}

static void versions_guard_and_only_grow(void **state)
{
	uint64_t v1, v2, v3;

	(void)state;
	assert_int_equal(cas("k", 1, "x"), -ESTALE);
	assert_int_equal(cas("k", 0, "a"), 0);
	v1 = version_of("k");
	assert_true(v1 > 0);
	assert_int_equal(cas("k", 0, "b"), -ESTALE);
	assert_int_equal(cas("k", v1, "b"), 0);
	assert_int_equal(cas("k", v1, "c"), -ESTALE);
	v2 = version_of("k");
	assert_true(v2 > v1);
	assert_int_equal(store_delete_str(t.c, NS_ALWAYS, "k"), 0);
	assert_int_equal(version_of("k"), 0);
	test_store_close(&t);
	assert_int_equal(test_store_open(&t), 0);
	assert_int_equal(cas("k", 0, "d"), 0);
	v3 = version_of("k");
	assert_true(v3 > v2);
	assert_value("k", "d");
}

static void conditions_on_presence_and_type(void **state)
{
	struct store_req *r;

	(void)state;
	r = write_req("k", STORE_PUT);
	r->one.flags = STORE_IF_PRESENT;
	set_value(&r->one, "v");
	assert_int_equal(run_and_put(r), -ENOENT);
	r = write_req("k", STORE_PUT);
	r->one.flags = STORE_IF_ABSENT;
	set_value(&r->one, "v");
	assert_int_equal(run_and_put(r), 0);
	r = write_req("k", STORE_PUT);
	r->one.flags = STORE_IF_ABSENT;
	set_value(&r->one, "w");
	assert_int_equal(run_and_put(r), -EEXIST);
	r = write_req("k", STORE_CHECK);
	r->one.flags = STORE_IF_TYPE;
	r->one.if_type = CODEC_HASH;
	assert_int_equal(run_and_put(r), -EPROTOTYPE);
	r = write_req("k", STORE_DELETE);
	r->one.flags = STORE_IF_PRESENT;
	assert_int_equal(run_and_put(r), 0);
	r = write_req("k", STORE_DELETE);
	r->one.flags = STORE_IF_PRESENT;
	assert_int_equal(run_and_put(r), -ENOENT);
}

static void the_old_value_comes_back_on_request(void **state)
{
	struct store_req *r;
	uint8_t buf[8];

	(void)state;
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "k", "before"), 0);
	r = write_req("k", STORE_PUT);
	r->one.flags = STORE_RETURN_OLD;
	set_value(&r->one, "after");
	r->one.out = buf;
	r->one.out_cap = sizeof(buf);
	assert_int_equal(store_run(t.c, r), 0);
	assert_int_equal(r->one.value_len, 6);
	assert_memory_equal(buf, "before", 6);
	store_req_put(t.c, r);
	r = write_req("k", STORE_DELETE);
	r->one.flags = STORE_RETURN_OLD;
	r->one.out = buf;
	r->one.out_cap = sizeof(buf);
	assert_int_equal(store_run(t.c, r), 0);
	assert_int_equal(r->one.found, CODEC_STRING);
	assert_memory_equal(buf, "after", 5);
	store_req_put(t.c, r);
	assert_value("k", NULL);
}

static int incr(const char *key, int64_t delta, int64_t *sum)
{
	struct store_req *r = write_req(key, STORE_INCR);
	int rc;

	r->one.delta = delta;
	rc = store_run(t.c, r);
	*sum = r->one.number;
	store_req_put(t.c, r);
	return rc;
}

static void increments_are_exact_and_checked(void **state)
{
	int64_t sum;

	(void)state;
	assert_int_equal(incr("n", 5, &sum), 0);
	assert_int_equal(sum, 5);
	assert_int_equal(incr("n", -7, &sum), 0);
	assert_int_equal(sum, -2);
	assert_value("n", "-2");
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "n", "9223372036854775807"), 0);
	assert_int_equal(incr("n", 1, &sum), -ERANGE);
	assert_int_equal(incr("n", -1, &sum), 0);
	assert_value("n", "9223372036854775806");
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "n", "007"), 0);
	assert_int_equal(incr("n", 1, &sum), -EBADMSG);
}

/* Many increments in flight at once fall into shared commits and see each other there. */
static void increments_of_one_round_see_each_other(void **state)
{
	struct store_req *back[64];
	struct store_shard_stats st;
	uint32_t got = 0;

	(void)state;
	for (int i = 0; i < 500; i++) {
		struct store_req *r = write_req("n", STORE_INCR);

		r->one.delta = 3;
		assert_int_equal(store_submit(t.c, r, clock_now_ns()), 0);
	}
	store_flush(t.c);
	while (got < 500) {
		uint32_t n = store_poll(t.c, back, ARRAY_SIZE(back));

		for (uint32_t i = 0; i < n; i++) {
			assert_int_equal(back[i]->status, 0);
			assert_int_equal(back[i]->one.number, 3 * (got + i + 1));
			store_req_put(t.c, back[i]);
		}
		got += n;
	}
	assert_value("n", "1500");
	store_shard_get_stats(t.s, 0, &st);
	assert_true(st.commits < 250);
}

static int expire_at(const char *key, uint64_t ms)
{
	struct store_req *r = write_req(key, STORE_EXPIRE);

	r->one.expire_ms = ms;
	return run_and_put(r);
}

static void expired_keys_are_gone_and_compaction_drops_them(void **state)
{
	struct store_shard_stats st;
	struct store_req *r;
	int64_t sum;

	(void)state;
	assert_int_equal(expire_at("k", wall + 10), -ENOENT);
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "k", "5"), 0);
	assert_int_equal(expire_at("k", wall + 1000), 0);
	assert_int_equal(incr("k", 1, &sum), 0);
	r = write_req("k", STORE_PUT);
	r->one.flags = STORE_KEEP_TTL;
	set_value(&r->one, "kept");
	assert_int_equal(run_and_put(r), 0);
	advance_ms(999);
	assert_value("k", "kept");
	advance_ms(1);
	assert_value("k", NULL);
	assert_int_equal(expire_at("k", 0), -ENOENT);
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "stays", "v"), 0);
	assert_int_equal(store_flush_all(t.s), 0);
	store_compact_all(t.s);
	store_shard_get_stats(t.s, 0, &st);
	assert_int_equal(st.dropped, 0); /* within the grace */
	advance_ms(100000);
	store_compact_all(t.s);
	store_shard_get_stats(t.s, 0, &st);
	assert_int_equal(st.dropped, 1);
	assert_value("stays", "v");
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "p", "v"), 0);
	assert_int_equal(expire_at("p", wall + 5), 0);
	assert_int_equal(expire_at("p", 0), 0);
	advance_ms(10);
	assert_value("p", "v");
}

static void put_member(struct store_item *it, const char *key, const char *field, const char *val)
{
	*it = (struct store_item){.op = STORE_PUT, .type = CODEC_MEMBER};
	it->key = str_key(NS_ALWAYS, key);
	it->key.space = CODEC_ITEM;
	it->key.sub = (const uint8_t *)field;
	it->key.sub_len = (uint16_t)strlen(field);
	set_value(it, val);
}

/* A hash of two fields, made in one request. */
static void make_hash(const char *key, const char *suffix)
{
	static uint8_t meta[CODEC_META_MIN];
	char v1[16], v2[16];
	struct store_item items[3] = {0};
	struct store_req *r = store_req_get(t.c);

	codec_meta_encode(&(struct codec_meta){0, 2}, meta);
	(void)snprintf(v1, sizeof(v1), "1%s", suffix);
	(void)snprintf(v2, sizeof(v2), "2%s", suffix);
	items[0] = (struct store_item){.op = STORE_PUT, .type = CODEC_HASH};
	items[0].key = str_key(NS_ALWAYS, key);
	items[0].value = meta;
	items[0].value_len = sizeof(meta);
	put_member(&items[1], key, "f1", v1);
	put_member(&items[2], key, "f2", v2);
	r->kind = STORE_WRITE;
	r->items = items;
	r->item_cnt = 3;
	assert_int_equal(store_run(t.c, r), 0);
	assert_int_equal(items[1].key.incarnation, items[0].version);
	store_req_put(t.c, r);
}

static int get_field_at(uint64_t snapshot, const char *key, const char *field, char out[16])
{
	struct store_req *r = store_req_get(t.c);
	int rc;

	r->kind = STORE_READ;
	r->snapshot = snapshot;
	put_member(&r->one, key, field, "");
	r->one.out = (uint8_t *)out;
	r->one.out_cap = 15;
	rc = store_run(t.c, r);
	out[rc == 0 ? r->one.value_len : 0] = '\0';
	store_req_put(t.c, r);
	return rc;
}

static int get_field(const char *key, const char *field, char out[16])
{
	return get_field_at(0, key, field, out);
}

static void members_live_and_die_with_their_collection(void **state)
{
	struct store_shard_stats st;
	char out[16];

	(void)state;
	assert_int_equal(get_field("h", "f1", out), -ENOENT);
	make_hash("h", "a");
	assert_int_equal(get_field("h", "f1", out), 0);
	assert_string_equal(out, "1a");
	assert_int_equal(get_field("h", "f3", out), -ENOENT);
	/* A blind SET over it, then a new hash: old members must not shine through. */
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "h", "string"), 0);
	assert_int_equal(get_field("h", "f1", out), -EPROTOTYPE);
	make_hash("h", "b");
	assert_int_equal(get_field("h", "f2", out), 0);
	assert_string_equal(out, "2b");
	make_hash("gone", "x");
	assert_int_equal(store_delete_str(t.c, NS_ALWAYS, "gone"), 0);
	assert_int_equal(get_field("gone", "f1", out), -ENOENT);
	assert_int_equal(store_flush_all(t.s), 0);
	store_compact_all(t.s);
	store_shard_get_stats(t.s, 0, &st);
	assert_int_equal(st.dropped, 4); /* two of the first "h", two of "gone" */
	assert_int_equal(get_field("h", "f1", out), 0);
	assert_string_equal(out, "1b");
}

/* Would a compaction drop a member of the collection that key names now? */
static bool would_drop(const struct codec_key *member)
{
	uint8_t enc[2 * CODEC_KEY_MAX];
	size_t n = codec_key_encode(member, enc);

	owner = (struct owner_cache){0};
	return on_drop(t.s->shards[0], (const char *)enc, n, "", 0);
}

static struct codec_key member_key(const char *key)
{
	struct store_req *r = store_req_get(t.c);
	struct codec_key k = str_key(NS_VOLATILE, key);
	uint8_t meta[64];

	r->kind = STORE_READ;
	r->one.key = k;
	r->one.out = meta;
	r->one.out_cap = sizeof(meta);
	assert_int_equal(store_run(t.c, r), 0);
	store_req_put(t.c, r);
	k.space = CODEC_ITEM;
	k.ns = t.s->ns_id[NS_VOLATILE];
	k.incarnation = load64(meta);
	k.sub = (const uint8_t *)"f1";
	k.sub_len = 2;
	return k;
}

static void make_collection(const char *key)
{
	struct store_req *r = store_req_get(t.c);
	struct codec_meta meta = {.count = 1};
	uint8_t enc[CODEC_META_MIN];
	struct store_item items[2] = {0};

	codec_meta_encode(&meta, enc);
	items[0].key = items[1].key = str_key(NS_VOLATILE, key);
	items[0].op = items[1].op = STORE_PUT;
	items[0].type = CODEC_HASH;
	items[0].value = enc;
	items[0].value_len = sizeof(enc);
	items[1].key.space = CODEC_ITEM;
	items[1].key.sub = (const uint8_t *)"f1";
	items[1].key.sub_len = 2;
	items[1].type = CODEC_MEMBER;
	items[1].value = enc;
	items[1].value_len = 1;
	r->kind = STORE_WRITE;
	r->items = items;
	r->item_cnt = 2;
	assert_int_equal(store_run(t.c, r), 0);
	store_req_put(t.c, r);
}

/* A delete that a crash may take back has not made an orphan yet. */
static void members_outlive_what_is_not_in_the_tables(void **state)
{
	struct codec_key gone, replaced;

	(void)state;
	make_collection("gone");
	make_collection("replaced");
	gone = member_key("gone");
	replaced = member_key("replaced");
	assert_int_equal(store_flush_all(t.s), 0);
	assert_false(would_drop(&gone));
	assert_int_equal(store_delete_str(t.c, NS_VOLATILE, "gone"), 0);
	make_collection("replaced");
	assert_false(would_drop(&gone));
	assert_false(would_drop(&replaced));
	assert_int_equal(store_flush_all(t.s), 0);
	assert_true(would_drop(&gone));
	assert_true(would_drop(&replaced));
	replaced = member_key("replaced");
	assert_false(would_drop(&replaced));
}

static void a_request_is_all_or_nothing(void **state)
{
	struct store_item items[3] = {0};
	struct store_req *r = store_req_get(t.c);

	(void)state;
	for (int i = 0; i < 3; i++) {
		static const char *const keys[] = {"a", "b", "c"};

		items[i] = (struct store_item){.op = STORE_PUT, .type = CODEC_STRING};
		items[i].key = str_key(NS_ALWAYS, keys[i]);
		set_value(&items[i], "v");
	}
	items[2].flags = STORE_IF_PRESENT;
	r->kind = STORE_WRITE;
	r->items = items;
	r->item_cnt = 3;
	assert_int_equal(store_run(t.c, r), -ENOENT);
	assert_int_equal(items[0].status, -ECANCELED);
	assert_int_equal(items[2].status, -ENOENT);
	assert_value("a", NULL);
	items[2].flags = 0;
	assert_int_equal(store_run(t.c, r), 0);
	assert_value("a", "v");
	assert_value("c", "v");
	assert_int_equal(items[0].version, items[2].version);
	/* A sum twice in one request would be ambiguous. */
	items[0].op = items[1].op = STORE_INCR;
	items[0].key = items[1].key = str_key(NS_ALWAYS, "n");
	assert_int_equal(store_run(t.c, r), -EINVAL);
	store_req_put(t.c, r);
}

static void multi_get_reports_each_key(void **state)
{
	enum { N = 300 };
	static struct store_item items[N];
	static char key[N][8];
	static uint8_t out[N][8];
	struct store_req *r = store_req_get(t.c);

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		(void)snprintf(key[i], sizeof(key[i]), "k%03u", i);
		if (i % 3 != 0)
			assert_int_equal(store_put_str(t.c, NS_EVERYSEC, key[i], key[i] + 1), 0);
		items[i] = (struct store_item){.out = out[i], .out_cap = 8};
		items[i].key = str_key(NS_EVERYSEC, key[i]);
	}
	items[1].out_cap = 1;
	r->kind = STORE_READ;
	r->items = items;
	r->item_cnt = N;
	assert_int_equal(store_run(t.c, r), 0);
	for (uint32_t i = 0; i < N; i++) {
		if (i == 1) {
			assert_int_equal(items[i].status, -EMSGSIZE);
			assert_int_equal(items[i].value_len, 3);
			continue;
		}
		assert_int_equal(items[i].status, i % 3 == 0 ? -ENOENT : 0);
		if (i % 3 != 0)
			assert_memory_equal(out[i], key[i] + 1, 3);
	}
	store_req_put(t.c, r);
}

static struct store_req *scan_req(uint8_t *out, uint32_t cap, uint32_t limit)
{
	struct store_req *r = store_req_get(t.c);

	r->kind = STORE_SCAN;
	r->one.key.ns = NS_EVERYSEC;
	r->scan.out = out;
	r->scan.out_cap = cap;
	r->scan.limit = limit;
	return r;
}

static void scans_page_through_in_order_both_ways(void **state)
{
	static uint8_t out[4096] __attribute__((aligned(8)));
	struct store_req *r = scan_req(out, sizeof(out), 7);
	uint8_t at[16];
	char key[8];
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		(void)snprintf(key, sizeof(key), "s%02u", i);
		assert_int_equal(store_put_str(t.c, NS_EVERYSEC, key, "v"), 0);
	}
	assert_int_equal(store_put_str(t.c, NS_EVERYSEC, "t", "beyond the prefix"), 0);
	r->scan.prefix = (const uint8_t *)"s";
	r->scan.prefix_len = 1;
	do {
		assert_int_equal(store_run(t.c, r), 0);
		for (const struct store_entry *e = store_entry_first(&r->scan); e != NULL;
			e = store_entry_next(&r->scan, e), n++) {
			(void)snprintf(key, sizeof(key), "s%02u", n);
			assert_int_equal(e->key_len, 3);
			assert_memory_equal(store_entry_key(e), key, 3);
			memcpy(at, store_entry_key(e), 3);
			at[3] = 0;
		}
		r->scan.from = at;
		r->scan.from_len = 4;
	} while (!r->scan.done);
	assert_int_equal(n, 100);
	r->scan.from_len = 0;
	r->scan.reverse = true;
	r->scan.values = true;
	r->scan.limit = 1000;
	r->scan.out_cap = 300; /* the buffer ends pages, too */
	do {
		assert_int_equal(store_run(t.c, r), 0);
		for (const struct store_entry *e = store_entry_first(&r->scan); e != NULL;
			e = store_entry_next(&r->scan, e)) {
			(void)snprintf(key, sizeof(key), "s%02u", --n);
			assert_memory_equal(store_entry_key(e), key, 3);
			assert_int_equal(e->value_len, 1);
			assert_int_equal(store_entry_value(e)[0], 'v');
			memcpy(at, store_entry_key(e), 3);
		}
		r->scan.to = at;
		r->scan.to_len = 3;
	} while (!r->scan.done);
	assert_int_equal(n, 0);
	store_req_put(t.c, r);
}

static int snap_get(uint64_t snap, const char *key, char out[16])
{
	struct store_req *r = store_req_get(t.c);
	int rc;

	r->kind = STORE_READ;
	r->snapshot = snap;
	r->one.key = str_key(NS_ALWAYS, key);
	r->one.out = (uint8_t *)out;
	r->one.out_cap = 15;
	rc = store_run(t.c, r);
	out[rc == 0 ? r->one.value_len : 0] = '\0';
	store_req_put(t.c, r);
	return rc;
}

static void snapshots_show_the_past_until_closed(void **state)
{
	struct store_req *r = store_req_get(t.c);
	struct store_shard_stats st;
	uint64_t snap;
	char out[16];

	(void)state;
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "k", "old"), 0);
	make_hash("h", "x");
	r->kind = STORE_SNAP_OPEN;
	assert_int_equal(store_run(t.c, r), 0);
	snap = r->snapshot;
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "k", "new"), 0);
	assert_int_equal(store_delete_str(t.c, NS_ALWAYS, "h"), 0);
	assert_int_equal(store_flush_all(t.s), 0);
	store_compact_all(t.s);
	assert_int_equal(snap_get(snap, "k", out), 0);
	assert_string_equal(out, "old");
	/* The compaction must not have taken the members for orphans. */
	assert_int_equal(get_field_at(snap, "h", "f1", out), 0);
	assert_string_equal(out, "1x");
	assert_int_equal(get_field("h", "f1", out), -ENOENT);
	assert_int_equal(snap_get(snap + 256, "k", out), -ESTALE);
	r->kind = STORE_SNAP_CLOSE;
	assert_int_equal(store_run(t.c, r), 0);
	assert_int_equal(store_run(t.c, r), -ESTALE);
	assert_int_equal(snap_get(snap, "k", out), -ESTALE);
	store_shard_get_stats(t.s, 0, &st);
	assert_int_equal(st.snapshots, 0);
	store_req_put(t.c, r);
}

static void large_values_live_in_blob_files(void **state)
{
	static uint8_t val[100000], out[100000];
	struct store_shard_stats st;
	struct store_req *r = write_req("big", STORE_PUT);
	struct rng rng;

	(void)state;
	rng_seed(&rng, 1);
	for (uint32_t i = 0; i < sizeof(val); i++)
		val[i] = (uint8_t)rng_next(&rng);
	r->one.value = val;
	r->one.value_len = sizeof(val);
	assert_int_equal(store_run(t.c, r), 0);
	assert_int_equal(store_flush_all(t.s), 0);
	store_shard_get_stats(t.s, 0, &st);
	assert_true(st.blob_bytes >= sizeof(val) / 2);
	r->kind = STORE_READ;
	r->one.out = out;
	r->one.out_cap = sizeof(out);
	assert_int_equal(store_run(t.c, r), 0);
	assert_int_equal(r->one.value_len, sizeof(val));
	assert_memory_equal(out, val, sizeof(val));
	store_req_put(t.c, r);
}

static void clearing_empties_one_namespace(void **state)
{
	struct store_req *r;
	char out[16];

	(void)state;
	make_hash("h", "a");
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "k", "v"), 0);
	assert_int_equal(store_put_str(t.c, NS_EVERYSEC, "k", "v"), 0);
	r = store_req_get(t.c);
	r->kind = STORE_CLEAR;
	r->one.key.ns = NS_ALWAYS;
	assert_int_equal(run_and_put(r), 0);
	assert_value("k", NULL);
	assert_int_equal(get_field("h", "f1", out), -ENOENT);
	assert_int_equal(store_get_str(t.c, NS_EVERYSEC, "k", out, sizeof(out)), 0);
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "k", "again"), 0);
	assert_value("k", "again");
}

static void malformed_requests_are_refused_at_once(void **state)
{
	struct store_item two[2] = {0};
	struct store_req *r = write_req("k", STORE_PUT);

	(void)state;
	r->one.key.ns = NS_TEST_CNT;
	assert_int_equal(store_submit(t.c, r, 0), -EINVAL);
	r->one.key.ns = NS_ALWAYS;
	r->one.type = CODEC_HASH; /* without room for its head */
	assert_int_equal(store_submit(t.c, r, 0), -EINVAL);
	r->one.type = 9;
	assert_int_equal(store_submit(t.c, r, 0), -EINVAL);
	r->one.type = CODEC_STRING;
	r->one.key.key_len = CODEC_KEY_MAX + 1;
	assert_int_equal(store_submit(t.c, r, 0), -EINVAL);
	r->kind = 77;
	assert_int_equal(store_submit(t.c, r, 0), -EINVAL);
	two[0].key = str_key(NS_ALWAYS, "a");
	two[1].key = str_key(NS_EVERYSEC, "a");
	r->kind = STORE_READ;
	r->items = two;
	r->item_cnt = 2;
	assert_int_equal(store_submit(t.c, r, 0), -EXDEV);
	r->item_cnt = LIMIT_STORE_ITEMS + 1;
	assert_int_equal(store_submit(t.c, r, 0), -EINVAL);
	store_req_put(t.c, r);
}

static void late_requests_are_not_done(void **state)
{
	struct store_req *r = write_req("k", STORE_PUT);

	(void)state;
	set_value(&r->one, "v");
	r->deadline_ns = 1;
	assert_int_equal(run_and_put(r), -ETIMEDOUT);
	assert_value("k", NULL);
}

/* Low priority is shed first, high last, and what was admitted is all answered. */
static void full_queues_shed_by_priority(void **state)
{
	static const uint32_t want[STORE_PRIO_CNT] = {16, 14, 8};
	struct store_stats st;

	(void)state;
	test_store_close(&t);
	t.p.queue_len = 16;
	assert_int_equal(test_store_open(&t), 0);
	for (uint8_t prio = 0; prio < STORE_PRIO_CNT; prio++) {
		struct store_req *back[16], *r;
		uint32_t n = 0, got = 0;
		int rc;

		/* Without store_poll() nothing leaves the queue, however fast the shard is. */
		for (;;) {
			r = write_req("k", STORE_INCR);
			r->prio = prio;
			rc = store_submit(t.c, r, clock_now_ns());
			if (rc != 0)
				break;
			n++;
		}
		assert_int_equal(rc, -EBUSY);
		assert_int_equal(n, want[prio]);
		store_req_put(t.c, r);
		store_flush(t.c);
		while (got < n)
			got += store_poll(t.c, back + got, 16 - got);
		for (uint32_t i = 0; i < n; i++)
			store_req_put(t.c, back[i]);
	}
	assert_value("k", "0");
	store_get_stats(t.s, &st);
	assert_int_equal(st.shed, 3);
}

static void shards_split_by_slot_and_keep_their_number(void **state)
{
	uint32_t per_shard[4] = {0};
	char key[16], buf[16];
	struct store_item two[2] = {0};
	struct store_req *r;

	(void)state;
	test_store_fini(&t);
	test_store_init(&t);
	t.p.shard_cnt = 4;
	t.p.reader_cnt = 2;
	assert_int_equal(test_store_open(&t), 0);
	for (uint32_t i = 0; i < 200; i++) {
		(void)snprintf(key, sizeof(key), "key%u", i);
		per_shard[store_shard_of(t.s, key, strlen(key))]++;
		assert_int_equal(store_put_str(t.c, NS_VOLATILE, key, key), 0);
	}
	for (int i = 0; i < 4; i++)
		assert_true(per_shard[i] > 20);
	assert_int_equal(store_shard_of(t.s, "{a}x", 4), store_shard_of(t.s, "{a}y", 4));
	two[0].key = str_key(NS_VOLATILE, "key0");
	for (uint32_t i = 1;
		store_shard_of(t.s, key, strlen(key)) == store_shard_of(t.s, "key0", 4); i++)
		(void)snprintf(key, sizeof(key), "key%u", i);
	two[1].key = str_key(NS_VOLATILE, key);
	r = store_req_get(t.c);
	r->kind = STORE_READ;
	r->items = two;
	r->item_cnt = 2;
	assert_int_equal(store_submit(t.c, r, 0), -EXDEV);
	store_req_put(t.c, r);
	test_store_close(&t);
	t.p.shard_cnt = 2;
	assert_int_equal(test_store_open(&t), -EINVAL);
	t.p.shard_cnt = 0;
	assert_int_equal(test_store_open(&t), 0);
	assert_int_equal(store_shard_cnt(t.s), 4);
	for (uint32_t i = 0; i < 200; i++) {
		(void)snprintf(key, sizeof(key), "key%u", i);
		assert_int_equal(store_get_str(t.c, NS_VOLATILE, key, buf, sizeof(buf)), 0);
		assert_string_equal(buf, key);
	}
}

/* Without the doorbell each request would wait for the sleeping thread's own tick: a second for a
 * reader, so the round below would take 20. */
static void sleeping_threads_are_woken(void **state)
{
	uint64_t start = clock_now_ns();
	struct store_shard_stats st;

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		usleep(3000);
		assert_value("k", NULL);
	}
	store_shard_get_stats(t.s, 0, &st);
	assert_true(st.sleeps >= 20);
	assert_true(clock_now_ns() - start < 8 * NS_PER_SEC);
}

static void one_process_at_a_time(void **state)
{
	struct store *second;
	char err[256];

	(void)state;
	assert_int_equal(store_open(&t.p, &second, err, sizeof(err)), -EBUSY);
	assert_non_null(strstr(err, "in use"));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(put_get_delete),
		CASE(all_durabilities_survive_an_orderly_close),
		CASE(versions_guard_and_only_grow),
		CASE(conditions_on_presence_and_type),
		CASE(the_old_value_comes_back_on_request),
		CASE(increments_are_exact_and_checked),
		CASE(increments_of_one_round_see_each_other),
		CASE(expired_keys_are_gone_and_compaction_drops_them),
		CASE(members_live_and_die_with_their_collection),
		CASE(members_outlive_what_is_not_in_the_tables),
		CASE(a_request_is_all_or_nothing),
		CASE(multi_get_reports_each_key),
		CASE(scans_page_through_in_order_both_ways),
		CASE(snapshots_show_the_past_until_closed),
		CASE(large_values_live_in_blob_files),
		CASE(clearing_empties_one_namespace),
		CASE(malformed_requests_are_refused_at_once),
		CASE(late_requests_are_not_done),
		CASE(full_queues_shed_by_priority),
		CASE(shards_split_by_slot_and_keep_their_number),
		CASE(sleeping_threads_are_woken),
		CASE(one_process_at_a_time),
	};

	test_clock_init();
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
