/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "lb/l7/http/date.h"

#define NOW INT64_C(1767225600) /* 2026-01-01 */

static int64_t parse(const char *text)
{
	return http_date_parse((struct span){text, (uint32_t)strlen(text)}, NOW);
}

/* The examples of RFC 9110 5.6.7. */
static void test_three_forms(void **state)
{
	(void)state;
	assert_int_equal(parse("Sun, 06 Nov 1994 08:49:37 GMT"), 784111777);
	assert_int_equal(parse("Sunday, 06-Nov-94 08:49:37 GMT"), 784111777);
	assert_int_equal(parse("Sun Nov  6 08:49:37 1994"), 784111777);
	assert_int_equal(parse("Wed Nov 16 08:49:37 1994"), 784975777);
	/* RFC 9111 4.2: in any case. */
	assert_int_equal(parse("sun, 06 nov 1994 08:49:37 gmt"), 784111777);
	assert_int_equal(parse("SUNDAY, 06-NOV-94 08:49:37 GMT"), 784111777);
	assert_int_equal(parse("sun nov  6 08:49:37 1994"), 784111777);
	assert_int_equal(parse("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
	assert_int_equal(parse("Wed, 31 Dec 1969 23:59:59 GMT"), -1);
}

/* "more than 50 years in the future" is the past (RFC 9110 5.6.7). */
static void test_century(void **state)
{
	(void)state;
	assert_int_equal(parse("Thursday, 01-Jan-70 00:00:00 GMT"), INT64_C(3155760000));
	assert_int_equal(parse("Tuesday, 05-Feb-80 00:00:00 GMT"), INT64_C(318556800));
	assert_int_equal(parse("Monday, 01-Jan-24 00:00:00 GMT"), INT64_C(1704067200));
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"-1",
		"Sun",
		"Sun,",
		"Sun, 06 Nov 1994",
		"Sun, 06 Nov 1994 08:49:37",
		"Sun, 06 Nov 1994 08:49:37 UTC",
		"Sun, 06 Nov 1994 08:49:37 GMT ",
		"Sun,  06 Nov 1994 08:49:37 GMT",
		"Sun, 6 Nov 1994 08:49:37 GMT",
		"Sun, 31 Feb 1994 08:49:37 GMT",
		"Sun, 29 Feb 1900 08:49:37 GMT",
		"Sun, 00 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1994 24:00:00 GMT",
		"Sun, 06 Nov 1994 08:60:00 GMT",
		"Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 06 Nov 94 08:49:37 GMT",
		"Sun, 06-Nov-1994 08:49:37 GMT",
		"Satday, 06-Nov-94 08:49:37 GMT",
		"Sun Nov 6 08:49:37 1994",
		"Sun Nov  6 08:49:37 94",
		"Sun Nov  6 08:49:37 1994 GMT",
		"Sun, 06 Nov 1994 08:49:37 +0000",
		"Xxx, 06 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nov 1600 08:49:37 GMT",
		"Sun, 06 Nov 1994 8:49:37 GMT",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (parse(bad[i]) != HTTP_DATE_NONE)
			fail_msg("taken: %s", bad[i]);
}

static void test_leap_day(void **state)
{
	(void)state;
	assert_int_equal(parse("Tue, 29 Feb 2000 00:00:00 GMT"), 951782400);
	assert_int_equal(parse("Sat, 31 Dec 2016 23:59:60 GMT"), 1483228800);
}

/* Against the C library, over eight centuries. */
static void test_round_trip(void **state)
{
	(void)state;
	for (int64_t t = -INT64_C(11000000000); t < INT64_C(20000000000); t += 12345677) {
		char out[HTTP_DATE_LEN + 1] = {0}, want[64];
		time_t tt = (time_t)t;
		struct tm tm;

		http_date_format(t, out);
		gmtime_r(&tt, &tm);
		strftime(want, sizeof(want), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		assert_string_equal(out, want);
		assert_int_equal(parse(out), t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_three_forms),
		cmocka_unit_test(test_century),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_leap_day),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
