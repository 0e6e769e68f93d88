/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dataplane/base/rng.h"

/* First outputs of splitmix64 from seed 1234567, as its authors' code prints them. */
static void matches_splitmix64(void **state)
{
	static const uint64_t want[] = {
		UINT64_C(6457827717110365317),
		UINT64_C(3203168211198807973),
		UINT64_C(9817491932198370423),
		UINT64_C(4593380528125082431),
		UINT64_C(16408922859458223821),
	};
	struct rng r;

	(void)state;
	rng_seed(&r, 1234567);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_true(rng_next(&r) == want[i]);
}

static void below_stays_below_and_reaches_all(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, 42);
	for (uint64_t bound = 1; bound <= 64; bound++) {
		uint64_t seen = 0;

		for (int i = 0; i < 2000; i++) {
			uint64_t v = rng_below(&r, bound);

			assert_true(v < bound);
			seen |= UINT64_C(1) << v;
		}
		assert_true(seen == (bound == 64 ? UINT64_MAX : (UINT64_C(1) << bound) - 1));
	}
}

static void below_is_uniform(void **state)
{
	enum { BINS = 10, DRAWS = 100000 };
	unsigned load[BINS] = {0};
	double chi2 = 0, mean = (double)DRAWS / BINS;
	struct rng r;

	(void)state;
	rng_seed(&r, 7);
	for (int i = 0; i < DRAWS; i++)
		load[rng_below(&r, BINS)]++;
	for (int i = 0; i < BINS; i++)
		chi2 += ((double)load[i] - mean) * ((double)load[i] - mean) / mean;
	assert_true(chi2 < 33.7); /* 9 degrees of freedom, p = 0.0001; the seed is fixed */
}

static void secrets_fill_the_buffer_and_differ(void **state)
{
	uint8_t a[300], b[300];
	int zeros = 0;

	(void)state;
	memset(a, 0, sizeof(a));
	rng_secret(a, sizeof(a));
	rng_secret(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		zeros += a[i] == 0;
	assert_true(zeros < 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_splitmix64),
		cmocka_unit_test(below_stays_below_and_reaches_all),
		cmocka_unit_test(below_is_uniform),
		cmocka_unit_test(secrets_fill_the_buffer_and_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
