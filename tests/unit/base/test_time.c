/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/time.h"

static int restore(void **state)
{
	(void)state;
	clock_calibrate(NS_PER_SEC);
	return 0;
}

static void scale_is_exact_at_one_ghz(void **state)
{
	(void)state;
	clock_calibrate(NS_PER_SEC);
	assert_true(clock_tsc_to_ns(0) == 0);
	assert_true(clock_tsc_to_ns(123456789) == 123456789);
	assert_true(clock_tsc_to_ns(UINT64_MAX / 2) == UINT64_MAX / 2);
}

/* Ten years of cycles at common frequencies: the error stays below 1 ppm. */
static void scale_is_within_a_millionth_over_years(void **state)
{
	static const uint64_t hz[] = {1996250000, 2100000000, 2893299000, 3700000123, 24000000};
	const uint64_t seconds = UINT64_C(10) * 365 * 86400;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hz); i++) {
		uint64_t ns, want = seconds * NS_PER_SEC;

		clock_calibrate(hz[i]);
		assert_true(clock_scale.tsc_hz == hz[i]);
		ns = clock_tsc_to_ns(hz[i] * seconds);
		assert_true(ns <= want && want - ns < want / 1000000);
	}
}

static void conversion_is_monotonic(void **state)
{
	uint64_t last = 0;

	(void)state;
	clock_calibrate(2893299000);
	for (uint64_t tsc = 0; tsc < UINT64_C(1) << 62; tsc += (UINT64_C(1) << 62) / 1009) {
		uint64_t ns = clock_tsc_to_ns(tsc);

		assert_true(ns >= last);
		assert_true(clock_tsc_to_ns(tsc + 1) >= ns);
		last = ns;
	}
}

static void now_does_not_go_back(void **state)
{
	uint64_t a = clock_now_ns();

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t b = clock_now_ns();

		assert_true(b >= a);
		a = b;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scale_is_exact_at_one_ghz),
		cmocka_unit_test(scale_is_within_a_millionth_over_years),
		cmocka_unit_test(conversion_is_monotonic),
		cmocka_unit_test(now_does_not_go_back),
	};

	return cmocka_run_group_tests(tests, restore, restore);
}
