/* SPDX-License-Identifier: Apache-2.0
 * Cache directives. Each case cites what it follows from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lb/l7/cache/control.h"
#include "lb/l7/cache/sf.h"
#include "tests/support/http.h"

static void text_of(const struct control_response *c, char *out, size_t cap)
{
	int n = snprintf(out, cap, "%lld %lld %lld %lld", (long long)c->max_age,
		(long long)c->s_maxage, (long long)c->stale_while_revalidate,
		(long long)c->stale_if_error);
	struct {
		bool on;
		const char *word;
	} flags[] = {{c->no_store, " no-store"}, {c->no_cache, " no-cache"},
		{c->private_all, " private"}, {c->must_revalidate, " must-revalidate"},
		{c->proxy_revalidate, " proxy-revalidate"},
		{c->must_understand, " must-understand"}, {c->public, " public"},
		{c->immutable, " immutable"}, {c->no_transform, " no-transform"},
		{c->targeted, " targeted"}};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].on)
			n += snprintf(out + n, cap - (size_t)n, "%s", flags[i].word);
	if (c->no_cache_fields.len > 0)
		n += snprintf(out + n, cap - (size_t)n, " nc(%.*s)", (int)c->no_cache_fields.len,
			c->no_cache_fields.at);
	if (c->private_fields.len > 0)
		n += snprintf(out + n, cap - (size_t)n, " pr(%.*s)", (int)c->private_fields.len,
			c->private_fields.at);
}

/* max-age, s-maxage, stale-while-revalidate, stale-if-error; -1: not there. */
static void test_response(void **state)
{
	static const struct {
		const char *cite, *fields, *want;
	} cases[] = {
		{"9111 5.2", "", "-1 -1 -1 -1"},
		{"9111 5.2.2.1", "Cache-Control: max-age=60", "60 -1 -1 -1"},
		{"9111 5.2 without case", "Cache-Control: MAX-AGE=60, No-Store",
			"60 -1 -1 -1 no-store"},
		{"9111 5.2 both forms", "Cache-Control: max-age=\"60\"", "60 -1 -1 -1"},
		{"9111 5.2.2.10", "Cache-Control: s-maxage=10, max-age=60", "60 10 -1 -1"},
		{"9111 5.2 several lines", "Cache-Control: max-age=60\nCache-Control: public",
			"60 -1 -1 -1 public"},
		{"9111 4.2.1 first of two", "Cache-Control: max-age=60, max-age=5", "60 -1 -1 -1"},
		{"9111 4.2.1 no number", "Cache-Control: max-age=abc", "0 -1 -1 -1"},
		{"9111 4.2.1 negative", "Cache-Control: max-age=-5", "0 -1 -1 -1"},
		{"9111 4.2.1 decimal", "Cache-Control: max-age=1.5", "0 -1 -1 -1"},
		{"9111 4.2.1 nothing", "Cache-Control: max-age=", "0 -1 -1 -1"},
		{"9111 4.2.1 no argument", "Cache-Control: max-age", "0 -1 -1 -1"},
		{"9111 4.2.1 two words", "Cache-Control: max-age=1 0", "0 -1 -1 -1"},
		{"9111 1.2.2 overflow", "Cache-Control: max-age=99999999999999999999",
			"2147483648 -1 -1 -1"},
		{"9111 1.2.2 overflow", "Cache-Control: max-age=2147483649", "2147483648 -1 -1 -1"},
		{"9111 5.2 leading zeros", "Cache-Control: max-age=0060", "60 -1 -1 -1"},
		{"9111 5.2.3 unknown", "Cache-Control: foo=\"max-age=1\", max-age=60",
			"60 -1 -1 -1"},
		{"9111 5.2.3 unknown with comma", "Cache-Control: foo=\"a, no-store\", max-age=60",
			"60 -1 -1 -1"},
		{"9110 5.6.4 escaped quote", "Cache-Control: foo=\"a\\\", no-store\", max-age=60",
			"60 -1 -1 -1"},
		{"9110 5.6.1 empty members", "Cache-Control: ,, max-age=60 ,,no-store,",
			"60 -1 -1 -1 no-store"},
		{"9110 5.6.3 blanks", "Cache-Control:  \t max-age=60\t,\tpublic",
			"60 -1 -1 -1 public"},
		{"9111 5.2 no blank around =", "Cache-Control: max-age =60", "0 -1 -1 -1"},
		{"9111 5.2.2.4", "Cache-Control: no-cache", "-1 -1 -1 -1 no-cache"},
		{"9111 5.2.2.4 names", "Cache-Control: no-cache=\"set-cookie, x-a\"",
			"-1 -1 -1 -1 nc(set-cookie, x-a)"},
		{"9111 5.2.2.4 token", "Cache-Control: no-cache=set-cookie",
			"-1 -1 -1 -1 nc(set-cookie)"},
		{"9111 5.2.2.4 both", "Cache-Control: no-cache=\"a\", no-cache",
			"-1 -1 -1 -1 no-cache nc(a)"},
		{"9111 5.2.2.4 second list in doubt",
			"Cache-Control: no-cache=\"a\", no-cache=\"b\"",
			"-1 -1 -1 -1 no-cache nc(a)"},
		{"9111 5.2.2.4 empty list", "Cache-Control: no-cache=\"\"", "-1 -1 -1 -1 no-cache"},
		{"9111 5.2.2.7", "Cache-Control: private", "-1 -1 -1 -1 private"},
		{"9111 5.2.2.7 names", "Cache-Control: private=\"x\"", "-1 -1 -1 -1 pr(x)"},
		{"9111 5.2.2.5 argument ignored", "Cache-Control: no-store=yes",
			"-1 -1 -1 -1 no-store"},
		{"9111 5.2.2.2/3/8",
			"Cache-Control: must-revalidate, proxy-revalidate, must-understand",
			"-1 -1 -1 -1 must-revalidate proxy-revalidate must-understand"},
		{"5861 3, 4",
			"Cache-Control: max-age=1, stale-while-revalidate=2, stale-if-error=3",
			"1 -1 2 3"},
		{"8246 2", "Cache-Control: immutable=1, max-age=9, immutable",
			"9 -1 -1 -1 immutable"},
		{"9111 5.2.2.6", "Cache-Control: no-transform", "-1 -1 -1 -1 no-transform"},
		{"9110 5.6.4 open quote", "Cache-Control: max-age=5, foo=\"no-store", "5 -1 -1 -1"},
		{"9111 5.2 word behind", "Cache-Control: no-store foo", "-1 -1 -1 -1 no-store"},
		/* RFC 9213 */
		{"9213 2.2 wins", "CDN-Cache-Control: max-age=60\nCache-Control: no-store",
			"60 -1 -1 -1 targeted"},
		{"9213 3.1 unknown member", "CDN-Cache-Control: none\nCache-Control: no-store",
			"-1 -1 -1 -1 targeted"},
		{"9213 2.1 empty", "CDN-Cache-Control: \nCache-Control: no-store",
			"-1 -1 -1 -1 no-store"},
		{"9213 2.1 parse error",
			"CDN-Cache-Control: max-age=60, &\nCache-Control: no-store",
			"-1 -1 -1 -1 no-store"},
		{"9213 2.1 upper case key",
			"CDN-Cache-Control: Max-Age=60\nCache-Control: no-store",
			"-1 -1 -1 -1 no-store"},
		{"9651 4.2.2 comma at the end",
			"CDN-Cache-Control: max-age=60,\nCache-Control: no-store",
			"-1 -1 -1 -1 no-store"},
		{"9651 4.2.2 last wins", "CDN-Cache-Control: max-age=60, max-age=5",
			"5 -1 -1 -1 targeted"},
		{"9213 2.1 decimal is no lifetime", "CDN-Cache-Control: max-age=1.5",
			"-1 -1 -1 -1 targeted"},
		{"9213 2.1 string is no lifetime", "CDN-Cache-Control: max-age=\"60\"",
			"-1 -1 -1 -1 targeted"},
		{"9213 2.1 negative", "CDN-Cache-Control: max-age=-60", "0 -1 -1 -1 targeted"},
		{"9213 2.1 parameters", "CDN-Cache-Control: max-age=60;a=1;b, public;x=\"y\"",
			"60 -1 -1 -1 public targeted"},
		{"9213 2.1 names", "CDN-Cache-Control: private=\"x\", no-cache=\"y\"",
			"-1 -1 -1 -1 targeted nc(y) pr(x)"},
		{"9213 2.1 boolean", "CDN-Cache-Control: no-store=?0, must-revalidate=?1",
			"-1 -1 -1 -1 must-revalidate targeted"},
		{"9213 2.1 token is no flag", "CDN-Cache-Control: no-store=yes",
			"-1 -1 -1 -1 targeted"},
		{"9213 2.2 several lines",
			"CDN-Cache-Control: max-age=60\nCDN-Cache-Control: public",
			"60 -1 -1 -1 public targeted"},
		{"9213 2.2 not on the list", "Other-Cache-Control: max-age=60", "-1 -1 -1 -1"},
	};
	static const struct span targets[] = {{"cdn-cache-control", 17}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct control_response c;
		struct http_head h;
		char got[256];

		http_test_head(&h, cases[i].fields);
		control_response_parse(&h, targets, 1, &c);
		text_of(&c, got, sizeof(got));
		if (strcmp(got, cases[i].want) != 0)
			fail_msg("RFC %s: %s\n got %s\nwant %s", cases[i].cite, cases[i].fields,
				got, cases[i].want);
	}
}

static void test_target_order(void **state)
{
	static const struct span targets[] = {
		{"weir-cache-control", 18}, {"cdn-cache-control", 17}};
	struct control_response c;
	struct http_head h;

	(void)state;
	http_test_head(&h, "CDN-Cache-Control: max-age=1\nWeir-Cache-Control: max-age=2");
	control_response_parse(&h, targets, 2, &c);
	assert_int_equal(c.max_age, 2);
	http_test_head(&h, "CDN-Cache-Control: max-age=1\nWeir-Cache-Control: max-age=2 3");
	control_response_parse(&h, targets, 2, &c);
	assert_int_equal(c.max_age, 1);
	control_response_parse(&h, NULL, 0, &c);
	assert_false(c.targeted);
}

static void test_request(void **state)
{
	static const struct {
		const char *cite, *fields;
		int64_t max_age, min_fresh, max_stale;
		bool no_cache, no_store, only;
	} cases[] = {
		{"5.2.1.1", "Cache-Control: max-age=5", 5, -1, -1, false, false, false},
		{"5.2.1.2", "Cache-Control: max-stale=5", -1, -1, 5, false, false, false},
		{"5.2.1.2 any age", "Cache-Control: max-stale", -1, -1, CONTROL_SECONDS_MAX, false,
			false, false},
		{"5.2.1.2 no number", "Cache-Control: max-stale=x", -1, -1, 0, false, false, false},
		{"5.2.1.3", "Cache-Control: min-fresh=5", -1, 5, -1, false, false, false},
		{"5.2.1.4", "Cache-Control: no-cache", -1, -1, -1, true, false, false},
		{"5.2.1.5", "Cache-Control: no-store", -1, -1, -1, false, true, false},
		{"5.2.1.7", "Cache-Control: only-if-cached", -1, -1, -1, false, false, true},
		{"5.4", "Pragma: no-cache", -1, -1, -1, true, false, false},
		{"5.4 in a list", "Pragma: foo, No-Cache", -1, -1, -1, true, false, false},
		{"5.4 Cache-Control wins", "Pragma: no-cache\nCache-Control: max-age=5", 5, -1, -1,
			false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct control_request c;
		struct http_head h;

		http_test_head(&h, cases[i].fields);
		control_request_parse(&h, &c);
		if (c.max_age != cases[i].max_age || c.min_fresh != cases[i].min_fresh ||
			c.max_stale != cases[i].max_stale || c.no_cache != cases[i].no_cache ||
			c.no_store != cases[i].no_store || c.only_if_cached != cases[i].only)
			fail_msg("RFC 9111 %s", cases[i].cite);
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_true(control_names(SPAN("set-cookie, X-A"), SPAN("x-a")));
	assert_true(control_names(SPAN("Set-Cookie"), SPAN("set-cookie")));
	assert_false(control_names(SPAN("set-cookie2"), SPAN("set-cookie")));
	assert_false(control_names(SPAN(""), SPAN("x")));
	assert_false(control_names(SPAN(" , ,"), SPAN("")));
}

/* RFC 9651: whole dictionaries that are good or bad. */
static void test_dictionaries(void **state)
{
	static const struct {
		const char *text;
		int members; /* -1: bad */
	} cases[] = {
		{"", 0},
		{"a", 1},
		{"a=1", 1},
		{"a=1, b=2", 2},
		{"a=1,b", 2},
		{"a=1 ,\t b", 2},
		{"  a  ", 1},
		{"a=?1;x=?0", 1},
		{"a=(1 2 3)", 1},
		{"a=( \"x\"  y );q=1, b", 2},
		{"a=()", 1},
		{"a=:aGk=:", 1},
		{"a=@1659578233", 1},
		{"a=%\"f%c3%bc\"", 1},
		{"a=tok/en:x", 1},
		{"a=*t", 1},
		{"*k=1", 1},
		{"a=-0.125", 1},
		{"a=999999999999999", 1},
		{"a=999999999999.999", 1},
		{"a=\"x\\\"y\\\\\"", 1},
		{"a=1000000000000000", -1},
		{"a=1000000000000.0", -1},
		{"a=1.", -1},
		{"a=1.2345", -1},
		{"a=-", -1},
		{"a=", -1},
		{"a=,b", -1},
		{"A=1", -1},
		{"1=1", -1},
		{"a b", -1},
		{"a,", -1},
		{"a,,b", -1},
		{",a", -1},
		{"a=\"x", -1},
		{"a=\"\\x\"", -1},
		{"a=\"\x7f\"", -1},
		{"a=\"\xc3\"", -1},
		{"a=?2", -1},
		{"a=?", -1},
		{"a=:x", -1},
		{"a=:!:", -1},
		{"a=(1", -1},
		{"a=(1,2)", -1},
		{"a=(1\t2)", -1},
		{"a=@1.5", -1},
		{"a=@x", -1},
		{"a=%\"%C3\"", -1},
		{"a=%\"%c\"", -1},
		{"a=%x", -1},
		{"a;B=1", -1},
		{"a;", -1},
		{"a=1;;b", -1},
		{"a=&", -1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sf_dict d;
		struct sf_item v;
		struct span key;
		int n = 0, rc;

		sf_dict_init(&d, http_test_span(cases[i].text));
		while ((rc = sf_dict_next(&d, &key, &v)) > 0)
			n++;
		if ((rc < 0 ? -1 : n) != cases[i].members)
			fail_msg("%s: %d", cases[i].text, rc < 0 ? -1 : n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_response),
		cmocka_unit_test(test_target_order),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_dictionaries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
