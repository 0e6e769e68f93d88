/* SPDX-License-Identifier: Apache-2.0
 * Incremental checksum updates against a naive full computation (bytes in pairs, carry folded at
 * every step) over random packets, biased to the words 0x0000 and 0xffff where ones' complement has
 * its two zeros. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "dataplane/base/rng.h"
#include "dataplane/net/cksum.h"
#include "tests/support/seed.h"

#define ROUNDS 300000

static uint16_t naive(const uint8_t *p, uint32_t n)
{
	uint32_t s = 0;

	for (uint32_t i = 0; i < n; i += 2) {
		s += (uint32_t)(p[i] << 8) + (i + 1 < n ? p[i + 1] : 0);
		s = (s & 0xffff) + (s >> 16);
	}
	return BE16(~s);
}

static void random_words(struct rng *r, uint8_t *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += 2) {
		uint64_t v = rng_next(r);
		uint64_t kind = v >> 60;

		store_be16(p + i, (uint16_t)(kind < 5 ? 0 : kind < 10 ? 0xffff : v));
	}
}

static void incremental_equals_full(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, test_seed());
	for (int i = 0; i < ROUNDS; i++) {
		uint8_t b[64] = {0}, to[16];
		uint32_t n = 20 + (uint32_t)rng_below(&r, 40);
		uint16_t c;
		uint64_t diff = 0;

		random_words(&r, b, n & ~1u);
		b[0] |= 1; /* a real packet's sum is never 0: there is an address or a version */
		c = naive(b, n);
		random_words(&r, to, sizeof(to));
		switch (rng_below(&r, 3)) {
		case 0:
			diff = cksum_diff16(diff, load16(b + 8), load16(to));
			memcpy(b + 8, to, 2);
			break;
		case 1:
			diff = cksum_diff32(diff, load32(b + 6), load32(to));
			memcpy(b + 6, to, 4);
			break;
		default:
			for (uint32_t k = 0; k < 4; k++)
				diff = cksum_diff32(
					diff, load32(b + 2 + 4 * k), load32(to + 4 * k));
			memcpy(b + 2, to, 16);
			break;
		}
		assert_int_equal(cksum_apply(c, diff), naive(b, n));
		assert_int_equal((uint16_t)~cksum_fold(cksum_add(0, b, n)), naive(b, n));
	}
}

/* Addresses of both families, changed in a pseudo header. */
static void address_changes(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, test_seed() + 1);
	for (int i = 0; i < ROUNDS; i++) {
		struct ip_addr a[2];
		uint16_t sum[2];

		for (int k = 0; k < 2; k++) {
			random_words(&r, a[k].b, 16);
			if (rng_next(&r) & 1)
				a[k] = ip_addr_from4(a[k].w[3]);
			sum[k] = (uint16_t)~cksum_fold(cksum_pseudo(&a[k], &a[k], 6, 20 + 77));
		}
		assert_int_equal(
			cksum_apply(sum[0],
				cksum_diff_addr(cksum_diff_addr(0, &a[0], &a[1]), &a[0], &a[1])),
			sum[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(incremental_equals_full),
		cmocka_unit_test(address_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
