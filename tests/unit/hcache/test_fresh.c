/* SPDX-License-Identifier: Apache-2.0
 * Storing, ages and use. Every case cites the sentence of RFC 9111 (or another) it stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lb/l7/cache/fresh.h"
#include "tests/support/http.h"

/* Responses come at T, which is D0 exactly. */
#define T    INT64_C(784111777)
#define D0   "Date: Sun, 06 Nov 1994 08:49:37 GMT\n"
#define D10B "Date: Sun, 06 Nov 1994 08:49:27 GMT\n" /* ten seconds before */
#define P1H  "Sun, 06 Nov 1994 09:49:37 GMT"         /* an hour later */
#define M1D  "Sat, 05 Nov 1994 08:49:37 GMT"         /* a day before */

static const struct fresh_policy book = {.heuristic_percent = 10, .heuristic_max = 86400};

static void test_storing(void **state)
{
	static const struct {
		const char *cite;
		enum http_method method;
		uint16_t status;
		const char *req, *resp;
		enum fresh_store want;
		int64_t lifetime;
	} cases[] = {
		{"3 explicit", HTTP_GET, 200, "", D0 "Cache-Control: max-age=60", FRESH_STORE_OK,
			60},
		{"3 method", HTTP_POST, 200, "", D0 "Cache-Control: max-age=60", FRESH_STORE_METHOD,
			0},
		{"3 HEAD has no content", HTTP_HEAD, 200, "", D0 "Cache-Control: max-age=60",
			FRESH_STORE_METHOD, 0},
		{"3 final status", HTTP_GET, 103, "", D0 "Cache-Control: max-age=60",
			FRESH_STORE_STATUS, 0},
		{"3 304", HTTP_GET, 304, "", D0 "Cache-Control: max-age=60", FRESH_STORE_STATUS, 0},
		{"3 206", HTTP_GET, 206, "", D0 "Cache-Control: max-age=60", FRESH_STORE_STATUS, 0},
		{"3 no-store", HTTP_GET, 200, "", D0 "Cache-Control: max-age=60, no-store",
			FRESH_STORE_NO_STORE, 0},
		{"5.2.1.5 no-store of the client", HTTP_GET, 200, "Cache-Control: no-store",
			D0 "Cache-Control: max-age=60", FRESH_STORE_REQUEST_NO_STORE, 0},
		{"3 private", HTTP_GET, 200, "", D0 "Cache-Control: max-age=60, private",
			FRESH_STORE_PRIVATE, 0},
		{"5.2.2.7 private fields alone", HTTP_GET, 200, "",
			D0 "Cache-Control: max-age=60, private=\"x\"", FRESH_STORE_OK, 60},
		{"3.5 authorization", HTTP_GET, 200, "Authorization: Basic x",
			D0 "Cache-Control: max-age=60", FRESH_STORE_AUTHORIZATION, 0},
		{"3.5 public", HTTP_GET, 200, "Authorization: Basic x",
			D0 "Cache-Control: max-age=60, public", FRESH_STORE_OK, 60},
		{"3.5 s-maxage", HTTP_GET, 200, "Authorization: Basic x",
			D0 "Cache-Control: s-maxage=60", FRESH_STORE_OK, 60},
		{"3.5 must-revalidate", HTTP_GET, 200, "Authorization: Basic x",
			D0 "Cache-Control: max-age=60, must-revalidate", FRESH_STORE_OK, 60},
		{"4.1 Vary: *", HTTP_GET, 200, "", D0 "Cache-Control: max-age=60\nVary: *",
			FRESH_STORE_VARY, 0},
		{"4.1 star in a list", HTTP_GET, 200, "",
			D0 "Cache-Control: max-age=60\nVary: accept, *", FRESH_STORE_VARY, 0},
		{"5.2.2.3 understood, no-store ignored", HTTP_GET, 200, "",
			D0 "Cache-Control: max-age=60, must-understand, no-store", FRESH_STORE_OK,
			60},
		{"5.2.2.3 not understood", HTTP_GET, 299, "",
			D0 "Cache-Control: max-age=60, must-understand", FRESH_STORE_STATUS, 0},
		{"3 unknown status, explicit", HTTP_GET, 299, "", D0 "Cache-Control: max-age=60",
			FRESH_STORE_OK, 60},
		{"3 unknown status, no hint", HTTP_GET, 299, "", D0 "Last-Modified: " M1D,
			FRESH_STORE_LIFETIME, 0},
		{"3 unknown status, public", HTTP_GET, 299, "",
			D0 "Cache-Control: public\nLast-Modified: " M1D, FRESH_STORE_OK, 8640},
		{"3 error, explicit", HTTP_GET, 503, "", D0 "Cache-Control: max-age=5",
			FRESH_STORE_OK, 5},
		{"4.2.1 s-maxage first", HTTP_GET, 200, "",
			D0 "Cache-Control: s-maxage=10, max-age=60\nExpires: " P1H, FRESH_STORE_OK,
			10},
		{"4.2.1 max-age before Expires", HTTP_GET, 200, "",
			D0 "Cache-Control: max-age=60\nExpires: " P1H, FRESH_STORE_OK, 60},
		{"4.2.1 Expires less Date", HTTP_GET, 200, "", D10B "Expires: " P1H, FRESH_STORE_OK,
			3610},
		{"4.2.1 Expires without Date", HTTP_GET, 200, "", "Expires: " P1H, FRESH_STORE_OK,
			3600},
		{"5.3 Expires: 0", HTTP_GET, 200, "", D0 "Expires: 0", FRESH_STORE_OK, 0},
		{"5.3 Expires in the past", HTTP_GET, 200, "", D0 "Expires: " M1D, FRESH_STORE_OK,
			0},
		{"4.2.1 two of Expires", HTTP_GET, 200, "", D0 "Expires: " P1H "\nExpires: " P1H,
			FRESH_STORE_OK, 0},
		{"4.2.2 a tenth of the time since Last-Modified", HTTP_GET, 200, "",
			D0 "Last-Modified: " M1D, FRESH_STORE_OK, 8640},
		{"4.2.2 no hint at all", HTTP_GET, 200, "", D0, FRESH_STORE_OK, 0},
		{"4.2.2 not for 302", HTTP_GET, 302, "", D0 "Last-Modified: " M1D,
			FRESH_STORE_LIFETIME, 0},
		{"4.2.2 404", HTTP_GET, 404, "", D0 "Last-Modified: " M1D, FRESH_STORE_OK, 8640},
		{"4.2.2 Last-Modified after Date", HTTP_GET, 200, "", D0 "Last-Modified: " P1H,
			FRESH_STORE_OK, 0},
		{"no guess for what sets a cookie", HTTP_GET, 200, "",
			D0 "Set-Cookie: a=b\nLast-Modified: " M1D, FRESH_STORE_COOKIE, 0},
		{"7.3 cookie with a lifetime", HTTP_GET, 200, "",
			D0 "Set-Cookie: a=b\nCache-Control: max-age=60", FRESH_STORE_OK, 60},
		{"9213 2.2 Expires does not count", HTTP_GET, 200, "",
			D0 "CDN-Cache-Control: none\nExpires: " P1H "\nLast-Modified: " M1D,
			FRESH_STORE_OK, 8640},
		{"9213 3.1", HTTP_GET, 200, "",
			D0 "CDN-Cache-Control: max-age=9\nCache-Control: no-store", FRESH_STORE_OK,
			9},
	};
	static const struct span targets[] = {{"cdn-cache-control", 17}};
	struct fresh_policy p = book;

	(void)state;
	p.targets = targets;
	p.target_cnt = 1;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct http_head req, resp;
		struct fresh f = {0};
		enum fresh_store got;

		http_test_head(&req, cases[i].req);
		req.method = cases[i].method;
		http_test_response(&resp, cases[i].status, cases[i].resp);
		got = fresh_decide(&p, &req, &resp, T * 1000, T * 1000, &f);
		if (got != cases[i].want ||
			(got == FRESH_STORE_OK && f.lifetime != cases[i].lifetime))
			fail_msg("%s: %s, lifetime %lld", cases[i].cite, fresh_store_word(got),
				(long long)f.lifetime);
	}
}

static struct fresh stored(const struct fresh_policy *p, const char *resp_fields, int64_t delay_s)
{
	struct http_head req, resp;
	struct fresh f;

	http_test_head(&req, "");
	http_test_response(&resp, 200, resp_fields);
	assert_int_equal(
		fresh_decide(p, &req, &resp, (T - delay_s) * 1000, T * 1000, &f), FRESH_STORE_OK);
	return f;
}

/* 4.2.3, each term of the sum. */
static void test_age(void **state)
{
	static const struct {
		const char *what, *fields;
		int64_t delay, want;
	} cases[] = {
		{"no Age, no delay", D0, 0, 0},
		{"apparent age", D10B, 0, 10},
		{"Age", D0 "Age: 30", 0, 30},
		{"Age and delay", D0 "Age: 30", 5, 35},
		{"the larger one counts", D10B "Age: 3", 2, 10},
		{"clock of the origin ahead", "Date: " P1H, 0, 0},
		{"5.1 first member", D0 "Age: 30, 50", 0, 30},
		{"5.1 not a number", D0 "Age: x", 0, 0},
		{"5.1 negative", D0 "Age: -5", 0, 0},
		{"5.1 decimal", D0 "Age: 7.5", 0, 0},
		{"1.2.2 huge", D0 "Age: 99999999999", 0, CONTROL_SECONDS_MAX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fresh f = stored(&book, cases[i].fields, cases[i].delay);

		if (fresh_age(&f, T * 1000) != cases[i].want ||
			fresh_age(&f, (T + 7) * 1000 + 999) != cases[i].want + 7)
			fail_msg("%s: %lld", cases[i].what, (long long)fresh_age(&f, T * 1000));
		/* A clock that went back makes nothing younger than it came. */
		assert_int_equal(fresh_age(&f, (T - 100) * 1000), cases[i].want);
	}
}

enum { U = FRESH_USE, S = FRESH_USE_STALE, R = FRESH_USE_REVALIDATE, V = FRESH_VALIDATE };

static void test_use(void **state)
{
	static const struct {
		const char *cite, *resp, *req;
		int64_t after; /* seconds */
		int want;
	} cases[] = {
		{"4.2 fresh", "Cache-Control: max-age=60", "", 59, U},
		{"4.2 lifetime reached", "Cache-Control: max-age=60", "", 60, V},
		{"4.2 Age counts", "Cache-Control: max-age=60\nAge: 30", "", 30, V},
		{"5.2.2.1 zero", "Cache-Control: max-age=0", "", 0, V},
		{"5.2.2.4 no-cache", "Cache-Control: max-age=60, no-cache", "", 0, V},
		{"5.2.2.4 names alone", "Cache-Control: max-age=60, no-cache=\"x\"", "", 0, U},
		{"5.2.1.4 client's no-cache", "Cache-Control: max-age=60",
			"Cache-Control: no-cache", 0, V},
		{"5.4 Pragma", "Cache-Control: max-age=60", "Pragma: no-cache", 0, V},
		{"5.2.1.1 young enough", "Cache-Control: max-age=60", "Cache-Control: max-age=10",
			10, U},
		{"5.2.1.1 too old", "Cache-Control: max-age=60", "Cache-Control: max-age=10", 11,
			V},
		{"5.2.1.1 zero", "Cache-Control: max-age=60", "Cache-Control: max-age=0", 1, V},
		{"5.2.1.1 with max-stale", "Cache-Control: max-age=60",
			"Cache-Control: max-age=10, max-stale", 30, U},
		{"8246 2.1 skips validation", "Cache-Control: max-age=60, immutable",
			"Cache-Control: max-age=0", 30, U},
		{"8246 2.1 but not no-cache", "Cache-Control: max-age=60, immutable",
			"Cache-Control: no-cache", 30, V},
		{"8246 2 stale", "Cache-Control: max-age=60, immutable", "", 61, V},
		{"5.2.1.3 enough left", "Cache-Control: max-age=60", "Cache-Control: min-fresh=10",
			50, U},
		{"5.2.1.3 not enough", "Cache-Control: max-age=60", "Cache-Control: min-fresh=10",
			51, V},
		{"5.2.1.2 stale accepted", "Cache-Control: max-age=60",
			"Cache-Control: max-stale=10", 70, S},
		{"5.2.1.2 too stale", "Cache-Control: max-age=60", "Cache-Control: max-stale=10",
			71, V},
		{"5.2.1.2 any age", "Cache-Control: max-age=60", "Cache-Control: max-stale", 100000,
			S},
		{"5.2.2.2 must-revalidate", "Cache-Control: max-age=60, must-revalidate",
			"Cache-Control: max-stale", 61, V},
		{"5.2.2.8 proxy-revalidate", "Cache-Control: max-age=60, proxy-revalidate",
			"Cache-Control: max-stale", 61, V},
		{"5.2.2.10 s-maxage", "Cache-Control: s-maxage=60", "Cache-Control: max-stale", 61,
			V},
		{"5.2.2.2 while fresh", "Cache-Control: max-age=60, must-revalidate", "", 30, U},
		{"5861 3 within", "Cache-Control: max-age=60, stale-while-revalidate=30", "", 89,
			R},
		{"5861 3 beyond", "Cache-Control: max-age=60, stale-while-revalidate=30", "", 90,
			V},
		{"5861 3 client wants it fresh",
			"Cache-Control: max-age=60, stale-while-revalidate=30",
			"Cache-Control: no-cache", 70, V},
		{"5861 3 client bounds the age",
			"Cache-Control: max-age=60, stale-while-revalidate=30",
			"Cache-Control: max-age=0", 70, V},
		{"5861 3 with s-maxage", "Cache-Control: s-maxage=60, stale-while-revalidate=30",
			"", 70, R},
		{"5.2.2.2 forbids it",
			"Cache-Control: max-age=60, stale-while-revalidate=30, must-revalidate", "",
			70, V},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char fields[256];
		struct control_request rc;
		struct http_head req;
		struct fresh f;
		int got;

		(void)snprintf(fields, sizeof(fields), "%s%s", D0, cases[i].resp);
		f = stored(&book, fields, 0);
		http_test_head(&req, cases[i].req);
		control_request_parse(&req, &rc);
		got = (int)fresh_use(&book, &f, &rc, (T + cases[i].after) * 1000);
		if (got != cases[i].want)
			fail_msg("RFC %s: %d", cases[i].cite, got);
	}
}

static void test_on_error(void **state)
{
	static const struct {
		const char *cite, *resp, *req;
		int64_t after;
		bool want;
	} cases[] = {
		{"5861 4 within", "Cache-Control: max-age=60, stale-if-error=100", "", 159, true},
		{"5861 4 beyond", "Cache-Control: max-age=60, stale-if-error=100", "", 160, false},
		{"5861 4 of the request", "Cache-Control: max-age=60",
			"Cache-Control: stale-if-error=100", 100, true},
		{"9111 5.2.2.2 forbids it",
			"Cache-Control: max-age=60, must-revalidate, stale-if-error=100", "", 61,
			false},
		{"9111 5.2.2.2 also the request's", "Cache-Control: max-age=60, must-revalidate",
			"Cache-Control: stale-if-error=100", 61, false},
		{"9111 4.2.4 nothing permits it", "Cache-Control: max-age=60", "", 61, false},
		{"9111 5.2.2.4 no-cache", "Cache-Control: max-age=60, no-cache, stale-if-error=100",
			"", 1, false},
		{"fresh still", "Cache-Control: max-age=60", "", 30, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char fields[256];
		struct control_request rc;
		struct http_head req;
		struct fresh f;

		(void)snprintf(fields, sizeof(fields), "%s%s", D0, cases[i].resp);
		f = stored(&book, fields, 0);
		http_test_head(&req, cases[i].req);
		control_request_parse(&req, &rc);
		if (fresh_use_on_error(&f, &rc, (T + cases[i].after) * 1000) != cases[i].want)
			fail_msg("RFC %s", cases[i].cite);
	}
}

/* What the route's configuration adds, and what it must not override. */
static void test_policy(void **state)
{
	static const struct control_request none = {.max_age = CONTROL_NONE,
		.min_fresh = CONTROL_NONE,
		.max_stale = CONTROL_NONE,
		.stale_if_error = CONTROL_NONE};
	struct fresh_policy p = book;
	struct control_request reload = none;
	struct http_head req, resp;
	struct fresh f;

	(void)state;
	p.default_ttl = 5;
	p.grace = 20;
	p.stale_if_error = 300;
	f = stored(&p, D0, 0);
	assert_int_equal(f.lifetime, 5);
	assert_int_equal(fresh_use(&p, &f, &none, (T + 24) * 1000), FRESH_USE_REVALIDATE);
	assert_int_equal(fresh_use(&p, &f, &none, (T + 25) * 1000), FRESH_VALIDATE);
	assert_true(fresh_use_on_error(&f, &none, (T + 304) * 1000));
	f = stored(&p, D0 "Cache-Control: max-age=5, must-revalidate", 0);
	assert_int_equal(fresh_use(&p, &f, &none, (T + 6) * 1000), FRESH_VALIDATE);
	assert_false(fresh_use_on_error(&f, &none, (T + 6) * 1000));
	f = stored(&p, D0 "Cache-Control: max-age=5, stale-while-revalidate=0", 0);
	assert_int_equal(fresh_use(&p, &f, &none, (T + 6) * 1000), FRESH_VALIDATE);

	reload.no_cache = true;
	p.ignore_request_directives = true;
	f = stored(&p, D0 "Cache-Control: max-age=5", 0);
	assert_int_equal(fresh_use(&p, &f, &reload, T * 1000), FRESH_USE);

	p.override_ttl = 7;
	f = stored(&p, D0 "Cache-Control: max-age=500", 0);
	assert_int_equal(f.lifetime, 7);
	http_test_head(&req, "");
	http_test_response(&resp, 200, D0 "Cache-Control: no-store");
	assert_int_equal(
		fresh_decide(&p, &req, &resp, T * 1000, T * 1000, &f), FRESH_STORE_NO_STORE);
	p.override_no_store = true;
	assert_int_equal(fresh_decide(&p, &req, &resp, T * 1000, T * 1000, &f), FRESH_STORE_OK);
	assert_int_equal(f.lifetime, 7);
}

static void test_purged_and_dead(void **state)
{
	static const struct control_request none = {.max_age = CONTROL_NONE,
		.min_fresh = CONTROL_NONE,
		.max_stale = CONTROL_NONE,
		.stale_if_error = CONTROL_NONE};
	struct fresh f = stored(&book, D0 "Cache-Control: max-age=60, stale-if-error=30", 0);

	(void)state;
	assert_int_equal(fresh_ttl(&f, (T + 10) * 1000), 50);
	assert_int_equal(fresh_ttl(&f, (T + 61) * 1000), -1);
	assert_int_equal(fresh_ttl(&f, (T + 60) * 1000 + 1), -1);
	assert_int_equal(fresh_dead_ms(&f, 1000000), (T + 90) * 1000 + 1000000);
	f.flags |= FRESH_PURGED;
	assert_int_equal(fresh_use(&book, &f, &none, T * 1000), FRESH_VALIDATE);
	f = stored(&book, D0 "Cache-Control: max-age=60, must-revalidate", 0);
	assert_int_equal(fresh_dead_ms(&f, 1000000), (T + 60) * 1000);
	f = stored(&book, D0 "Cache-Control: max-age=60, must-revalidate\nETag: \"a\"", 0);
	assert_int_equal(fresh_dead_ms(&f, 1000000), (T + 60) * 1000 + 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storing),
		cmocka_unit_test(test_age),
		cmocka_unit_test(test_use),
		cmocka_unit_test(test_on_error),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_purged_and_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
