/* SPDX-License-Identifier: Apache-2.0
 * Keys, records and their order; slots; the manifest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/rng.h"
#include "storage/codec.h"
#include "storage/manifest.h"
#include "tests/support/tmpdir.h"

static uint8_t buf[2][CODEC_ENCODED_MAX];

static struct codec_key key(uint8_t space, const char *k, uint64_t inc, const char *sub)
{
	return (struct codec_key){.space = space,
		.ns = 3,
		.key = (const uint8_t *)k,
		.key_len = (uint16_t)strlen(k),
		.incarnation = inc,
		.sub = (const uint8_t *)sub,
		.sub_len = (uint16_t)strlen(sub)};
}

static int order(const struct codec_key *a, const struct codec_key *b)
{
	size_t n = codec_key_encode(a, buf[0]), m = codec_key_encode(b, buf[1]);
	int c = memcmp(buf[0], buf[1], n < m ? n : m);

	return c != 0 ? c : (n > m) - (n < m);
}

static void keys_survive_the_round_trip(void **state)
{
	static const uint8_t spaces[] = {CODEC_KEY, CODEC_ITEM, CODEC_ORDER};

	(void)state;
	for (size_t i = 0; i < sizeof(spaces); i++) {
		struct codec_key k = key(spaces[i], "user:1", 0x0102030405060708, "field"), back;
		size_t n = codec_key_encode(&k, buf[0]);

		assert_int_equal(n, codec_key_len(&k));
		assert_int_equal(codec_key_decode(buf[0], n, &back), 0);
		assert_int_equal(back.space, k.space);
		assert_int_equal(back.ns, 3);
		assert_int_equal(back.key_len, 6);
		assert_memory_equal(back.key, "user:1", 6);
		if (spaces[i] == CODEC_KEY)
			continue;
		assert_true(back.incarnation == k.incarnation);
		assert_int_equal(back.sub_len, 5);
		assert_memory_equal(back.sub, "field", 5);
	}
}

/* The same bytes split differently between key and sub must not collide or interleave. */
static void members_of_one_collection_are_one_range(void **state)
{
	struct codec_key a = key(CODEC_ITEM, "ab", 7, "c"), b = key(CODEC_ITEM, "a", 7, "bc");
	struct codec_key first = key(CODEC_ITEM, "ab", 7, ""), other = key(CODEC_ITEM, "ab", 8, "");
	size_t n;

	(void)state;
	assert_int_not_equal(order(&a, &b), 0);
	assert_true(order(&first, &a) < 0);
	assert_true(order(&a, &other) < 0);
	n = codec_key_encode(&first, buf[0]);
	assert_int_equal(n, codec_prefix_len(&a));
	n = codec_successor(buf[0], n);
	(void)codec_key_encode(&other, buf[1]);
	assert_true(memcmp(buf[0], buf[1], n) <= 0);
	assert_true(order(&(struct codec_key){.space = CODEC_KEY, .ns = 9}, &a) < 0);
}

static void a_successor_is_above_all_that_share_the_prefix(void **state)
{
	uint8_t k[4] = {1, 0xff, 0xff, 0};

	(void)state;
	assert_int_equal(codec_successor(k, 3), 1);
	assert_int_equal(k[0], 2);
	memset(k, 0xff, 4);
	assert_int_equal(codec_successor(k, 4), 0);
}

static void records_survive_the_round_trip(void **state)
{
	struct codec_record r = {.type = CODEC_ZSET, .version = 0x1122334455667788}, back;
	uint8_t out[CODEC_HEADER_MAX + 8];

	(void)state;
	for (uint64_t expire = 0; expire < 2; expire++) {
		size_t n;

		r.expire_ms = expire * 1234567890123;
		n = codec_header_encode(&r, out);
		memcpy(out + n, "payload", 7);
		assert_int_equal(codec_record_decode(out, n + 7, &back), 0);
		assert_int_equal(back.type, CODEC_ZSET);
		assert_true(back.version == r.version && back.expire_ms == r.expire_ms);
		assert_int_equal(back.payload_len, 7);
		assert_memory_equal(back.payload, "payload", 7);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(codec_record_decode(out, cut, &back), -EUCLEAN);
	}
	out[0] = CODEC_LAYOUT << 4 | 9; /* no such type */
	assert_int_equal(codec_record_decode(out, 20, &back), -EUCLEAN);
	out[0] = 2 << 4 | CODEC_STRING; /* a later layout */
	assert_int_equal(codec_record_decode(out, 20, &back), -EUCLEAN);
}

static void orphans_are_members_of_an_older_incarnation(void **state)
{
	uint8_t payload[CODEC_META_MIN];
	struct codec_record rec = {
		.type = CODEC_HASH, .payload = payload, .payload_len = sizeof(payload)};
	struct codec_meta meta;

	(void)state;
	codec_meta_encode(&(struct codec_meta){50, 7}, payload);
	assert_int_equal(codec_meta_decode(&rec, &meta), 0);
	assert_int_equal(meta.count, 7);
	assert_false(codec_is_orphan(50, &meta));
	assert_true(codec_is_orphan(49, &meta));
	assert_false(codec_is_orphan(51, &meta));
	assert_true(codec_is_orphan(50, NULL));
	rec.payload_len = CODEC_META_MIN - 1;
	assert_int_equal(codec_meta_decode(&rec, &meta), -EUCLEAN);
	rec.payload_len = CODEC_META_MIN;
	rec.type = CODEC_STRING;
	assert_int_equal(codec_meta_decode(&rec, &meta), -EUCLEAN);
}

static void scores_and_indexes_sort_as_numbers(void **state)
{
	static const double scores[] = {
		-INFINITY, -1e300, -2.5, -1, -5e-324, 0, 5e-324, 1, 1.5, 1e300, INFINITY};
	static const int64_t idx[] = {INT64_MIN, -5, -1, 0, 1, 7, INT64_MAX};
	uint8_t a[8], b[8];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(scores); i++) {
		codec_score_encode(scores[i], a);
		assert_true(codec_score_decode(a) == scores[i]);
		if (i > 0)
			assert_true(memcmp(b, a, 8) < 0);
		memcpy(b, a, 8);
	}
	codec_score_encode(-0.0, a);
	codec_score_encode(0.0, b);
	assert_memory_equal(a, b, 8);
	for (size_t i = 0; i < ARRAY_SIZE(idx); i++) {
		codec_index_encode(idx[i], a);
		assert_true(codec_index_decode(a) == idx[i]);
		if (i > 0)
			assert_true(memcmp(b, a, 8) < 0);
		memcpy(b, a, 8);
	}
}

static void integers_are_taken_as_redis_takes_them(void **state)
{
	static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "01", "-0", "-01", "1.0",
		"0x1", "9223372036854775808", "-9223372036854775809", "99999999999999999999"};
	static const int64_t good[] = {0, 1, -1, 10, INT64_MAX, INT64_MIN};
	uint8_t text[20];
	int64_t v;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(
			codec_integer_parse((const uint8_t *)bad[i], strlen(bad[i]), &v), -EBADMSG);
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		size_t n = codec_integer_format(good[i], text);

		assert_int_equal(codec_integer_parse(text, n, &v), 0);
		assert_true(v == good[i]);
	}
}

/* RFC 3720 appendix B.4. */
static void crc32c_matches_the_rfc(void **state)
{
	uint8_t in[32];

	(void)state;
	memset(in, 0, sizeof(in));
	assert_int_equal(codec_crc32c(0, in, 32), 0x8a9136aa);
	memset(in, 0xff, sizeof(in));
	assert_int_equal(codec_crc32c(0, in, 32), 0x62a8ab43);
	for (uint32_t i = 0; i < 32; i++)
		in[i] = (uint8_t)i;
	assert_int_equal(codec_crc32c(0, in, 32), 0x46dd794e);
	assert_int_equal(codec_crc32c(codec_crc32c(0, in, 13), in + 13, 19), 0x46dd794e);
}

/* Values from the Redis Cluster specification and its CLUSTER KEYSLOT. */
static void slots_match_redis_cluster(void **state)
{
	static const struct {
		const char *key;
		uint16_t slot;
	} known[] = {{"123456789", 0x31c3}, {"foo", 12182}, {"bar", 5061}, {"hello", 866},
		{"{user1000}.following", 3443}, {"{user1000}.followers", 3443}, {"user1000", 3443},
		{"", 0}};

	(void)state;
	assert_int_equal(slot_crc16("123456789", 9), 0x31c3);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		assert_int_equal(slot_of_key(known[i].key, strlen(known[i].key)), known[i].slot);
	/* An empty tag does not count; only the first one does. */
	assert_int_equal(slot_of_key("foo{}{bar}", 10), slot_crc16("foo{}{bar}", 10) % STORE_SLOTS);
	assert_int_equal(slot_of_key("foo{{bar}}zap", 13), slot_crc16("{bar", 4) % STORE_SLOTS);
	assert_int_equal(slot_of_key("foo{bar}{zap}", 13), 5061);
	assert_int_equal(slot_of_key("{open", 5), slot_crc16("{open", 5) % STORE_SLOTS);
}

static void make(struct manifest *m)
{
	memset(m, 0, sizeof(*m));
	m->epoch = 41;
	m->generation = 2;
	manifest_spread(m, 3);
	m->slot_shard[77] = 2;
	assert_int_equal(manifest_ns(m, "default"), 0);
	assert_int_equal(manifest_ns(m, "sessions"), 1);
	assert_int_equal(manifest_ns(m, "default"), 0);
	assert_int_equal(manifest_ns(m, "with blank"), -EINVAL);
	assert_int_equal(manifest_ns(m, ""), -EINVAL);
}

static void the_manifest_survives_the_round_trip(void **state)
{
	static struct manifest m, back;
	static char text[65536];
	char dir[TMPDIR_MAX];
	size_t n;

	(void)state;
	make(&m);
	n = manifest_format(&m, text, sizeof(text));
	assert_true(n > 0);
	assert_int_equal(manifest_parse(&back, text, n), 0);
	assert_memory_equal(&m, &back, sizeof(m));
	assert_int_equal(manifest_format(&m, text, n / 2), 0);
	tmpdir_make(dir);
	assert_int_equal(manifest_load(&back, dir), -ENOENT);
	assert_int_equal(manifest_save(&m, dir), 0);
	assert_int_equal(manifest_load(&back, dir), 0);
	assert_memory_equal(&m, &back, sizeof(m));
	tmpdir_remove(dir);
}

static void any_change_to_the_manifest_is_noticed(void **state)
{
	static struct manifest m, back;
	static char text[65536];
	size_t n;

	(void)state;
	make(&m);
	n = manifest_format(&m, text, sizeof(text));
	for (size_t i = 0; i < n; i++) {
		text[i] ^= 4;
		assert_int_equal(manifest_parse(&back, text, n), -EUCLEAN);
		text[i] ^= 4;
		assert_int_equal(manifest_parse(&back, text, i), -EUCLEAN);
	}
}

static void the_lock_admits_one(void **state)
{
	char dir[TMPDIR_MAX];
	int a, b;

	(void)state;
	tmpdir_make(dir);
	a = manifest_lock(dir);
	assert_true(a >= 0);
	assert_int_equal(manifest_lock(dir), -EBUSY);
	close(a);
	b = manifest_lock(dir);
	assert_true(b >= 0);
	close(b);
	tmpdir_remove(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_survive_the_round_trip),
		cmocka_unit_test(members_of_one_collection_are_one_range),
		cmocka_unit_test(a_successor_is_above_all_that_share_the_prefix),
		cmocka_unit_test(records_survive_the_round_trip),
		cmocka_unit_test(orphans_are_members_of_an_older_incarnation),
		cmocka_unit_test(scores_and_indexes_sort_as_numbers),
		cmocka_unit_test(integers_are_taken_as_redis_takes_them),
		cmocka_unit_test(crc32c_matches_the_rfc),
		cmocka_unit_test(slots_match_redis_cluster),
		cmocka_unit_test(the_manifest_survives_the_round_trip),
		cmocka_unit_test(any_change_to_the_manifest_is_noticed),
		cmocka_unit_test(the_lock_admits_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
