/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/hash.h"

/* The reference vectors of the SipHash paper's appendix: key 00..0f, message 00..(n-1). */
static void siphash_matches_reference_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} vec[] = {
		{0, UINT64_C(0x726fdb47dd0e0e31)},
		{1, UINT64_C(0x74f839c593dc67fd)},
		{8, UINT64_C(0x93f5f5799a932462)},
		{15, UINT64_C(0xa129ca6149be45e5)},
	};
	struct siphash_key key = {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)};
	uint8_t msg[16];

	(void)state;
	for (size_t i = 0; i < sizeof(msg); i++)
		msg[i] = (uint8_t)i;
	for (size_t i = 0; i < ARRAY_SIZE(vec); i++)
		assert_int_equal(siphash24(&key, msg, vec[i].len), vec[i].hash);
}

static void mix_depends_on_every_word_and_on_the_key(void **state)
{
	struct mix_key key, other;
	uint64_t base;

	(void)state;
	mix_key_init(&key);
	mix_key_init(&other);
	base = mix_hash5(&key, 1, 2, 3, 4, 5);
	assert_int_not_equal(base, mix_hash5(&key, 9, 2, 3, 4, 5));
	assert_int_not_equal(base, mix_hash5(&key, 1, 9, 3, 4, 5));
	assert_int_not_equal(base, mix_hash5(&key, 1, 2, 9, 4, 5));
	assert_int_not_equal(base, mix_hash5(&key, 1, 2, 3, 9, 5));
	assert_int_not_equal(base, mix_hash5(&key, 1, 2, 3, 4, 9));
	assert_int_not_equal(base, mix_hash5(&other, 1, 2, 3, 4, 5));
}

static void mix_of_bytes_depends_on_each_and_on_their_number(void **state)
{
	uint8_t b[21] = {0};
	struct mix_key key, other;

	(void)state;
	mix_key_init(&key);
	mix_key_init(&other);
	for (size_t len = 0; len < sizeof(b); len++) {
		uint64_t base = mix_hash_bytes(&key, b, len);

		assert_int_not_equal(base, mix_hash_bytes(&key, b, len + 1));
		assert_int_not_equal(base, mix_hash_bytes(&other, b, len));
		for (size_t i = 0; i < len; i++) {
			b[i] = 1;
			assert_int_not_equal(base, mix_hash_bytes(&key, b, len));
			b[i] = 0;
		}
		assert_int_equal(base, mix_hash_bytes(&key, b, len));
	}
	assert_int_equal(mix_hash_bytes(&key, NULL, 0), mix_hash_bytes(&key, b, 0));
}

/* 64 Ki consecutive ports into 64 Ki buckets: no bucket may hold more than chance allows. */
static void mix_spreads_consecutive_ports(void **state)
{
	static uint8_t load[65536];
	struct mix_key key;

	(void)state;
	mix_key_init(&key);
	for (uint64_t port = 0; port < 65536; port++) {
		uint64_t h = mix_hash2(&key, UINT64_C(0xc0000201c0000202), port << 16 | 80);

		assert_true(++load[h & 0xffff] < 16);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_matches_reference_vectors),
		cmocka_unit_test(mix_depends_on_every_word_and_on_the_key),
		cmocka_unit_test(mix_of_bytes_depends_on_each_and_on_their_number),
		cmocka_unit_test(mix_spreads_consecutive_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
