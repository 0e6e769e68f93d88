/* SPDX-License-Identifier: Apache-2.0
 * Preconditions and ranges; each case names its section of RFC 9110. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lb/l7/http/cond.h"
#include "tests/support/http.h"

#define NOW INT64_C(1767225600)
#define T1  "Sun, 06 Nov 1994 08:49:37 GMT" /* 784111777 */
#define T2  "Sun, 06 Nov 1994 08:49:38 GMT"
#define T0  "Sun, 06 Nov 1994 08:49:36 GMT"

static void test_etags(void **state)
{
	static const struct {
		const char *text;
		bool valid;
	} cases[] = {
		{"\"xyzzy\"", true},
		{"W/\"xyzzy\"", true},
		{"\"\"", true},
		{"W/\"\"", true},
		{"\"a,b\"", true},
		{"\"a\\\"", true}, /* 8.8.3: no escapes */
		{"xyzzy", false},
		{"w/\"xyzzy\"", false},
		{"W/", false},
		{"\"", false},
		{"\"a b\"", false},
		{"\"a\"b", false},
		{"", false},
		{"W /\"a\"", false},
		{"\"a\x7f\"", false},
		{"\"\xc3\xa9\"", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (http_etag_valid(http_test_span(cases[i].text)) != cases[i].valid)
			fail_msg("%s", cases[i].text);
}

/* The table of 8.8.3.2. */
static void test_etag_comparison(void **state)
{
	static const struct {
		struct span a, b;
		bool strong, weak;
	} cases[] = {
		{{"W/\"1\"", 5}, {"W/\"1\"", 5}, false, true},
		{{"W/\"1\"", 5}, {"W/\"2\"", 5}, false, false},
		{{"W/\"1\"", 5}, {"\"1\"", 3}, false, true},
		{{"\"1\"", 3}, {"\"1\"", 3}, true, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(http_etag_match_strong(cases[i].a, cases[i].b), cases[i].strong);
		assert_int_equal(http_etag_match_weak(cases[i].a, cases[i].b), cases[i].weak);
	}
	assert_false(http_etag_match_weak((struct span){NULL, 0}, (struct span){NULL, 0}));
}

enum { P = HTTP_COND_PROCEED, N = HTTP_COND_NOT_MODIFIED, F = HTTP_COND_FAILED };

static void test_preconditions(void **state)
{
	/* The representation has "v2" and T1. */
	static const struct {
		const char *section;
		enum http_method method;
		const char *fields;
		int want;
	} cases[] = {
		{"13.1.2 none listed", HTTP_GET, "If-None-Match: \"v1\"", P},
		{"13.1.2 listed", HTTP_GET, "If-None-Match: \"v2\"", N},
		{"13.1.2 weak comparison", HTTP_GET, "If-None-Match: W/\"v2\"", N},
		{"13.1.2 in a list", HTTP_GET, "If-None-Match: \"v1\", W/\"v2\" , \"v3\"", N},
		{"13.1.2 over several lines", HTTP_GET,
			"If-None-Match: \"v1\"\nIf-None-Match: \"v2\"", N},
		{"5.6.1 empty members", HTTP_GET, "If-None-Match: , ,\"v2\",", N},
		{"13.1.2 any", HTTP_GET, "If-None-Match: *", N},
		{"13.1.2 HEAD", HTTP_HEAD, "If-None-Match: \"v2\"", N},
		{"13.1.2 unsafe method", HTTP_PUT, "If-None-Match: *", F},
		{"13.1.2 not a list of tags", HTTP_GET, "If-None-Match: v2", P},
		{"13.1.2 rubbish behind a tag", HTTP_GET, "If-None-Match: \"v2\" x", P},
		{"13.1.2 star is alone", HTTP_GET, "If-None-Match: *, \"v1\"", P},
		{"13.1.3 not modified", HTTP_GET, "If-Modified-Since: " T1, N},
		{"13.1.3 later date", HTTP_GET, "If-Modified-Since: " T2, N},
		{"13.1.3 modified", HTTP_GET, "If-Modified-Since: " T0, P},
		{"13.1.3 no date", HTTP_GET, "If-Modified-Since: yesterday", P},
		{"13.1.3 two dates", HTTP_GET, "If-Modified-Since: " T1 "\nIf-Modified-Since: " T1,
			P},
		{"13.1.3 other method", HTTP_PUT, "If-Modified-Since: " T1, P},
		{"13.1.3 If-None-Match wins", HTTP_GET,
			"If-Modified-Since: " T1 "\nIf-None-Match: \"v1\"", P},
		{"13.2.2 If-None-Match wins", HTTP_GET,
			"If-Modified-Since: " T0 "\nIf-None-Match: \"v2\"", N},
		{"13.1.1 match", HTTP_PUT, "If-Match: \"v1\", \"v2\"", P},
		{"13.1.1 no match", HTTP_PUT, "If-Match: \"v1\"", F},
		{"13.1.1 strong comparison", HTTP_PUT, "If-Match: W/\"v2\"", F},
		{"13.1.1 any", HTTP_PUT, "If-Match: *", P},
		{"13.1.4 unmodified", HTTP_PUT, "If-Unmodified-Since: " T1, P},
		{"13.1.4 modified", HTTP_PUT, "If-Unmodified-Since: " T0, F},
		{"13.1.4 no date", HTTP_PUT, "If-Unmodified-Since: x", P},
		{"13.1.4 If-Match wins", HTTP_PUT, "If-Unmodified-Since: " T0 "\nIf-Match: \"v2\"",
			P},
		{"13.2.2 If-Match first", HTTP_GET, "If-Match: \"v1\"\nIf-None-Match: \"v2\"", F},
		{"13.2.2 both", HTTP_GET, "If-Match: \"v2\"\nIf-None-Match: \"v2\"", N},
	};
	struct http_selected sel = {SPAN("\"v2\""), 784111777, NOW};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_head h;
		int got;

		http_test_head(&h, cases[i].fields);
		h.method = cases[i].method;
		got = (int)http_cond_check(&h, &sel, NOW);
		if (got != cases[i].want)
			fail_msg("%s: %d", cases[i].section, got);
	}
}

static void test_nothing_there(void **state)
{
	struct http_head h;

	(void)state;
	http_test_head(&h, "If-Match: *");
	assert_int_equal(http_cond_check(&h, NULL, NOW), HTTP_COND_FAILED);
	http_test_head(&h, "If-None-Match: *");
	h.method = HTTP_PUT;
	assert_int_equal(http_cond_check(&h, NULL, NOW), HTTP_COND_PROCEED);
}

static void test_if_range(void **state)
{
	static const struct {
		const char *section, *value;
		bool applies;
	} cases[] = {
		{"13.1.5 same tag", "\"v2\"", true},
		{"13.1.5 other tag", "\"v1\"", false},
		{"13.1.5 weak tag", "W/\"v2\"", false},
		{"13.1.5 same date", T1, true},
		{"13.1.5 later date is no match", T2, false},
		{"13.1.5 earlier date", T0, false},
		{"13.1.5 neither", "v2", false},
	};
	struct http_selected sel = {SPAN("\"v2\""), 784111777, NOW}, weak = sel;
	struct http_head h;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char field[128];

		(void)snprintf(field, sizeof(field), "If-Range: %s", cases[i].value);
		http_test_head(&h, field);
		if (http_if_range(&h, &sel, NOW) != cases[i].applies)
			fail_msg("%s", cases[i].section);
	}
	/* 8.8.2.2: a date of the same second as the response is weak. */
	weak.date = 784111777;
	http_test_head(&h, "If-Range: " T1);
	assert_false(http_if_range(&h, &weak, NOW));
	http_test_head(&h, "");
	assert_true(http_if_range(&h, &sel, NOW));
}

/* Ranges of 100 bytes, as "first-last first-last". */
static void test_ranges(void **state)
{
	static const struct {
		const char *section, *value, *want;
	} cases[] = {
		{"14.1.2 int-range", "bytes=0-9", "0-9"},
		{"14.1.2 open", "bytes=90-", "90-99"},
		{"14.1.2 beyond the end", "bytes=90-200", "90-99"},
		{"14.1.2 suffix", "bytes=-10", "90-99"},
		{"14.1.2 long suffix", "bytes=-1000", "0-99"},
		{"14.1.2 one byte", "bytes=99-99", "99-99"},
		{"14.1 unit without case", "Bytes=0-0", "0-0"},
		{"14.1.2 huge numbers", "bytes=0-9223372036854775807", "0-99"},
		{"14.2 unsatisfiable", "bytes=100-", "416"},
		{"14.1.2 suffix of none", "bytes=-0", "416"},
		{"14.1.2 one of two", "bytes=100-200, 5-6", "5-6"},
		{"14.1.1 several", "bytes=0-1,50-51", "0-1 50-51"},
		{"14.1.1 order kept", "bytes=50-51, 0-1", "50-51 0-1"},
		{"5.6.1 blanks and empty members", "bytes= 0-1 , ,\t5-6 ,", "0-1 5-6"},
		{"15.3.7.2 overlapping", "bytes=0-10,5-20", "0-20"},
		{"15.3.7.2 touching", "bytes=0-10,11-20", "0-20"},
		{"15.3.7.2 one joins two", "bytes=0-10,20-30,5-25", "0-30"},
		{"15.3.7.2 the same twice", "bytes=3-4,3-4,3-4", "3-4"},
		{"14.2 other unit", "lines=0-9", ""},
		{"14.2 malformed: order", "bytes=9-0", ""},
		{"14.2 malformed: sign", "bytes=--1", ""},
		{"14.2 malformed: words", "bytes=a-b", ""},
		{"14.2 malformed: one of two", "bytes=0-1,x", ""},
		{"14.2 malformed: number too large", "bytes=0-99999999999999999999", ""},
		{"14.2 malformed: blank inside", "bytes=0 -1", ""},
		{"14.2 no set", "bytes=", ""},
		{"14.2 no set", "bytes=,", ""},
		{"14.2 no equals", "bytes 0-1", ""},
		{"14.2 no dash", "bytes=5", ""},
		{"14.2 too many",
			"bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,"
			"26-26,28-28,30-30,32-32",
			""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_range r[HTTP_RANGES_MAX];
		char field[256], got[256] = "";
		enum http_ranges rc;
		struct http_head h;
		uint32_t cnt;

		(void)snprintf(field, sizeof(field), "Range: %s", cases[i].value);
		http_test_head(&h, field);
		rc = http_ranges_parse(&h, 100, r, &cnt);
		if (rc == HTTP_RANGES_UNSATISFIABLE)
			strcpy(got, "416");
		for (uint32_t j = 0; rc == HTTP_RANGES_OK && j < cnt; j++)
			(void)snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%llu-%llu",
				j > 0 ? " " : "", (unsigned long long)r[j].first,
				(unsigned long long)r[j].last);
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("%s %s: %s", cases[i].section, cases[i].value, got);
	}
}

static void test_ranges_elsewhere(void **state)
{
	struct http_range r[HTTP_RANGES_MAX];
	struct http_head h;
	uint32_t cnt;

	(void)state;
	http_test_head(&h, "Range: bytes=0-1\nRange: bytes=3-4");
	assert_int_equal(http_ranges_parse(&h, 100, r, &cnt), HTTP_RANGES_IGNORE);
	http_test_head(&h, "Range: bytes=0-1");
	h.method = HTTP_HEAD; /* 14.2: only for GET */
	assert_int_equal(http_ranges_parse(&h, 100, r, &cnt), HTTP_RANGES_IGNORE);
	h.method = HTTP_GET;
	assert_int_equal(http_ranges_parse(&h, 0, r, &cnt), HTTP_RANGES_UNSATISFIABLE);
	http_test_head(&h, "Range: bytes=-5");
	assert_int_equal(http_ranges_parse(&h, 0, r, &cnt), HTTP_RANGES_UNSATISFIABLE);
}

static void test_content_range(void **state)
{
	static const char *const bad[] = {"", "bytes", "bytes 0-9", "bytes 9-0/100",
		"bytes 0-100/100", "bytes */100", "bytes 0-9/", "bytes -9/100", "bytes 0-/100",
		"lines 0-9/100", "bytes 0-9/1x", "bytes=0-9/100", "bytes 0-9/100 "};
	struct http_range r;
	uint64_t total;
	char out[64];

	(void)state;
	assert_true(http_content_range_parse(SPAN("bytes 0-9/100"), &r, &total));
	assert_int_equal(r.first, 0);
	assert_int_equal(r.last, 9);
	assert_int_equal(total, 100);
	assert_true(http_content_range_parse(SPAN("bytes 5-5/*"), &r, &total));
	assert_true(total == UINT64_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (http_content_range_parse(http_test_span(bad[i]), &r, &total))
			fail_msg("%s", bad[i]);
	r = (struct http_range){3, 7};
	assert_int_equal(http_content_range_format(&r, 10, out, sizeof(out)), 12);
	assert_string_equal(out, "bytes 3-7/10");
	(void)http_content_range_format(NULL, 10, out, sizeof(out));
	assert_string_equal(out, "bytes */10");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_etags),
		cmocka_unit_test(test_etag_comparison),
		cmocka_unit_test(test_preconditions),
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_if_range),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_ranges_elsewhere),
		cmocka_unit_test(test_content_range),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
