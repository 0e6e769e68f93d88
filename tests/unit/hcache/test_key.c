/* SPDX-License-Identifier: Apache-2.0
 * Which requests share a stored response. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lb/l7/cache/key.h"
#include "tests/support/http.h"

static const struct span params[] = {{"utm_*", 5}, {"x", 1}};
static const struct span headers[] = {{"x-tenant", 8}};
static const struct span cookies[] = {{"lang", 4}};
static const struct key_conf plain = {.id = 1};
static const struct key_conf none = {.id = 1, .query = KEY_QUERY_NONE};
static const struct key_conf sorted = {.id = 1, .sort_query = true};
static const struct key_conf deny = {
	.id = 1, .query = KEY_QUERY_DENY, .params = params, .param_cnt = 2};
static const struct key_conf allow = {
	.id = 1, .query = KEY_QUERY_ALLOW, .params = params, .param_cnt = 2};
static const struct key_conf both = {.id = 1, .ignore_scheme = true};
static const struct key_conf more = {
	.id = 1, .headers = headers, .header_cnt = 1, .cookies = cookies, .cookie_cnt = 1};

static bool same(const struct key_conf *c, const char *url_a, const char *fields_a,
	const char *url_b, const char *fields_b)
{
	char a[HCACHE_KEY_MAX], b[HCACHE_KEY_MAX];
	struct http_head ha, hb;
	uint32_t na, nb;

	http_test_request(&ha, url_a, fields_a);
	http_test_request(&hb, url_b, fields_b);
	na = key_primary(c, &ha, a, sizeof(a));
	nb = key_primary(c, &hb, b, sizeof(b));
	assert_true(na > 0 && nb > 0);
	return na == nb && memcmp(a, b, na) == 0;
}

static void test_uri(void **state)
{
	static const struct {
		const struct key_conf *c;
		const char *a, *b;
		bool same;
	} cases[] = {
		{&plain, "http://a/x", "http://a/x", true},
		{&plain, "http://a/x", "https://a/x", false},
		{&both, "http://a/x", "https://a/x", true},
		{&plain, "http://a/x", "http://b/x", false},
		{&plain, "http://a/x", "http://a:8080/x", false},
		{&plain, "http://a/x", "http://a/X", false},
		{&plain, "http://a/x?", "http://a/x", false},
		{&plain, "http://ab/c", "http://a/bc", false},
		{&plain, "http://a/x?y", "http://a/x%3Fy", false},
		{&plain, "http://a/?a=1&b=2", "http://a/?b=2&a=1", false},
		{&none, "http://a/?a=1", "http://a/", true},
		{&sorted, "http://a/?a=1&b=2", "http://a/?b=2&a=1", true},
		{&sorted, "http://a/?a=1&a=2", "http://a/?a=2&a=1", false},
		{&sorted, "http://a/?a=1&ab=2", "http://a/?ab=2&a=1", true},
		{&sorted, "http://a/?a=1%26b", "http://a/?a=1&b", false},
		{&deny, "http://a/?utm_source=q&a=1", "http://a/?a=1&x=9&utm_=1", true},
		{&deny, "http://a/?xx=1", "http://a/?xx=2", false},
		{&deny, "http://a/?utm=1", "http://a/?utm=2", false},
		{&allow, "http://a/?a=1&x=2", "http://a/?x=2&b=9", true},
		{&allow, "http://a/?x=2", "http://a/?x=3", false},
		{&allow, "http://a/?x=2", "http://a/?x", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (same(cases[i].c, cases[i].a, "", cases[i].b, "") != cases[i].same)
			fail_msg("%s %s", cases[i].a, cases[i].b);
}

static void test_headers_and_cookies(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} cases[] = {
		{"X-Tenant: 1", "x-tenant: 1", true},
		{"X-Tenant: 1", "X-Tenant: 2", false},
		{"X-Tenant: ", "", false},
		{"X-Tenant: a,b", "X-Tenant: a , b", true},
		{"X-Tenant: a\nX-Tenant: b", "X-Tenant: a, b", true},
		{"X-Tenant: \"a, b\"", "X-Tenant: \"a,b\"", false},
		{"X-Tenant: \"a\\\", b\"", "X-Tenant: \"a\\\",b\"", false},
		{"X-Tenant: a b", "X-Tenant: ab", false},
		{"Cookie: lang=de", "Cookie: sid=1; lang=de", true},
		{"Cookie: lang=de", "Cookie: lang=en", false},
		{"Cookie: lang=", "", false},
		{"Cookie: xlang=de", "Cookie: xlang=en", true},
		{"Cookie: sid=1\nCookie: lang=de", "Cookie: lang=de", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (same(&more, "http://a/", cases[i].a, "http://a/", cases[i].b) != cases[i].same)
			fail_msg("%s | %s", cases[i].a, cases[i].b);
}

static void test_conf_is_part(void **state)
{
	struct key_conf other = plain;
	char a[HCACHE_KEY_MAX], b[HCACHE_KEY_MAX];
	struct http_head h;
	uint32_t n;

	(void)state;
	other.id = 2;
	http_test_request(&h, "http://a/", "");
	n = key_primary(&plain, &h, a, sizeof(a));
	assert_int_equal(key_primary(&other, &h, b, sizeof(b)), n);
	assert_true(memcmp(a, b, n) != 0);
}

static void test_too_long(void **state)
{
	char out[64], url[512] = "http://a/";
	struct http_head h;

	(void)state;
	memset(url + 9, 'x', 400);
	http_test_request(&h, url, "");
	assert_int_equal(key_primary(&plain, &h, out, sizeof(out)), 0);
	memset(url, 0, sizeof(url));
	strcpy(url, "http://a/?");
	for (int i = 0; i < HCACHE_QUERY_MAX; i++)
		url[10 + i] = '&';
	http_test_request(&h, url, "");
	{
		char big[HCACHE_KEY_MAX];

		assert_int_not_equal(key_primary(&sorted, &h, big, sizeof(big)), 0);
		url[10 + HCACHE_QUERY_MAX] = '&';
		http_test_request(&h, url, "");
		assert_int_equal(key_primary(&sorted, &h, big, sizeof(big)), 0);
	}
}

static void test_vary_names(void **state)
{
	static const struct {
		const char *fields, *names;
		bool ok;
	} cases[] = {
		{"", "", true},
		{"Vary: Accept-Encoding", "accept-encoding", true},
		{"Vary: B, a\nVary: A", "a,b", true},
		{"Vary: a, *", "", false},
		{"Vary: *", "", false},
		{"Vary: ,", "", true},
		{"Vary: a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", "", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_head h;
		char out[128];
		uint32_t n;

		http_test_head(&h, cases[i].fields);
		if (key_vary_names(&h, out, sizeof(out), &n) != cases[i].ok)
			fail_msg("%s", cases[i].fields);
		if (cases[i].ok &&
			(n != strlen(cases[i].names) || memcmp(out, cases[i].names, n) != 0))
			fail_msg("%s: %.*s", cases[i].fields, (int)n, out);
	}
}

/* RFC 9111 4.1: which requests match. */
static void test_variants(void **state)
{
	static const struct {
		const char *names, *a, *b;
		bool same;
	} cases[] = {
		{"accept-language", "Accept-Language: de", "Accept-Language: de", true},
		{"accept-language", "Accept-Language: de", "Accept-Language: en", false},
		{"accept-language", "Accept-Language: de", "", false},
		{"accept-language", "Accept-Language: de,en", "Accept-Language: de,  en", true},
		{"accept-language", "Accept-Language: de\nAccept-Language: en",
			"Accept-Language: de, en", true},
		{"a,b", "A: 1\nB: 2", "B: 2\nA: 1", true},
		{"a,b", "A: 1", "B: 1", false},
		{"accept-encoding", "Accept-Encoding: gzip, deflate", "Accept-Encoding: gzip;q=1.0",
			true},
		{"accept-encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: br;q=1, gzip",
			true},
		{"accept-encoding", "Accept-Encoding: gzip", "Accept-Encoding: br", false},
		/* RFC 9110 12.5.3: without the field any coding is acceptable. */
		{"accept-encoding", "", "Accept-Encoding: identity", false},
		{"accept-encoding", "", "Accept-Encoding: gzip;q=0", false},
		{"accept-encoding", "Accept-Encoding: identity", "Accept-Encoding: gzip;q=0", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char a[HCACHE_KEY_MAX], b[HCACHE_KEY_MAX];
		struct http_head ha, hb;
		uint32_t na, nb;

		http_test_head(&ha, cases[i].a);
		http_test_head(&hb, cases[i].b);
		na = key_variant("p", 1, http_test_span(cases[i].names), &ha, a, sizeof(a));
		nb = key_variant("p", 1, http_test_span(cases[i].names), &hb, b, sizeof(b));
		assert_true(na > 0 && nb > 0);
		if ((na == nb && memcmp(a, b, na) == 0) != cases[i].same)
			fail_msg("%s: %s | %s", cases[i].names, cases[i].a, cases[i].b);
	}
}

/* RFC 9110 12.5.3 */
static void test_encodings(void **state)
{
	static const struct {
		const char *fields, *want;
	} cases[] = {
		{"", ""},
		{"Accept-Encoding: ", ""},
		{"Accept-Encoding: gzip", "gzip"},
		{"Accept-Encoding: x-gzip", "gzip"},
		{"Accept-Encoding: GZIP", "gzip"},
		{"Accept-Encoding: gzip, deflate, br, zstd", "zstd, br, gzip"},
		{"Accept-Encoding: gzip;q=1.0, br;q=0.5", "gzip, br"},
		{"Accept-Encoding: br;q=0.001, gzip;q=0.002", "gzip, br"},
		{"Accept-Encoding: br; q=0, gzip", "gzip"},
		{"Accept-Encoding: *", "zstd, br, gzip"},
		{"Accept-Encoding: *;q=0", ""},
		{"Accept-Encoding: br;q=0, *;q=0.5", "zstd, gzip"},
		{"Accept-Encoding: gzip\nAccept-Encoding: br", "br, gzip"},
		{"Accept-Encoding: gzipx", ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_head h;
		char out[64];
		uint32_t n;

		http_test_head(&h, cases[i].fields);
		n = key_encodings(&h, out, sizeof(out));
		if (n != strlen(cases[i].want) || memcmp(out, cases[i].want, n) != 0)
			fail_msg("%s: %.*s", cases[i].fields, (int)n, out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uri),
		cmocka_unit_test(test_headers_and_cookies),
		cmocka_unit_test(test_conf_is_part),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_vary_names),
		cmocka_unit_test(test_variants),
		cmocka_unit_test(test_encodings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
