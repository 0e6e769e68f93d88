/* SPDX-License-Identifier: Apache-2.0
 * Stored heads: what is kept, what a validation changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lb/l7/cache/stored.h"
#include "tests/support/http.h"

#define T  INT64_C(784111777)
#define D0 "Date: Sun, 06 Nov 1994 08:49:37 GMT\n"

static const struct fresh_policy book = {.heuristic_percent = 10, .heuristic_max = 86400};

static _Alignas(8) char buf[STORED_MAX], buf2[STORED_MAX];

static struct stored keep(const char *fields)
{
	struct control_response c;
	struct http_head req, resp;
	struct stored s;
	struct fresh f;
	uint32_t n;

	http_test_head(&req, "");
	http_test_response(&resp, 200, fields);
	resp.fields[0].flags |= resp.fields[0].id == HTTP_FIELD_CONNECTION ? HTTP_F_HOP : 0;
	control_response_parse(&resp, NULL, 0, &c);
	assert_int_equal(fresh_decide(&book, &req, &resp, T * 1000, T * 1000, &f), FRESH_STORE_OK);
	n = stored_encode(&resp, &f, &c, buf, sizeof(buf));
	assert_true(n > 0);
	assert_true(stored_decode(buf, n, &s));
	assert_int_equal(s.len, n);
	return s;
}

static void text_of(const struct stored *s, char *out, size_t cap)
{
	struct http_head h;
	size_t n = 0;

	http_test_head(&h, "");
	stored_head(s, &h);
	out[0] = '\0';
	for (uint32_t i = 0; i < h.field_cnt; i++)
		n += (size_t)snprintf(out + n, cap - n, "%.*s: %.*s\n", (int)h.fields[i].name.len,
			h.fields[i].name.at, (int)h.fields[i].value.len, h.fields[i].value.at);
}

/* RFC 9111 3.1 */
static void test_what_is_kept(void **state)
{
	struct stored s = keep("Connection: x-hop\n" D0 "Cache-Control: max-age=60, "
			       "no-cache=\"set-cookie\", private=x-user\nSet-Cookie: a=b\n"
			       "X-User: me\nX-Other: kept\nContent-Length: 5\nAge: 3\n"
			       "Proxy-Authenticate: Basic\nProxy-Authentication-Info: x\n"
			       "ETag: \"v1\"\nSurrogate-Key: a b\n"
			       "Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT");
	char got[1024];

	(void)state;
	text_of(&s, got, sizeof(got));
	assert_string_equal(got,
		"Date: Sun, 06 Nov 1994 08:49:37 GMT\n"
		"Cache-Control: max-age=60, no-cache=\"set-cookie\", private=x-user\n"
		"X-Other: kept\n"
		"ETag: \"v1\"\nSurrogate-Key: a b\n"
		"Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT\n");
	assert_int_equal(s.status, 200);
	assert_int_equal(s.fresh.lifetime, 60);
	assert_int_equal(s.fresh.initial_age, 3);
	assert_int_equal(s.last_modified, T - 86400);
	assert_true(span_eq(s.etag, SPAN("\"v1\"")));
	assert_true(span_eq(s.tags, SPAN("a b")));
}

static void test_does_not_fit(void **state)
{
	struct control_response c;
	struct http_head req, resp;
	struct fresh f;
	char small[256];

	(void)state;
	http_test_head(&req, "");
	http_test_response(&resp, 200,
		D0 "Cache-Control: max-age=60\nX-Long: 0123456789012345678901234567890123456789");
	control_response_parse(&resp, NULL, 0, &c);
	assert_int_equal(fresh_decide(&book, &req, &resp, T * 1000, T * 1000, &f), FRESH_STORE_OK);
	for (uint32_t cap = 0; cap < 200; cap += 8)
		assert_int_equal(stored_encode(&resp, &f, &c, small, cap), 0);
}

/* Damaged bytes are refused: every byte of the head changed, every length. */
static void test_damage(void **state)
{
	struct stored s = keep(D0 "Cache-Control: max-age=60\nX-A: b\nETag: \"v1\""), t;
	uint32_t n = s.len;

	(void)state;
	for (uint32_t len = 0; len < n; len++)
		assert_false(stored_decode(buf, len, &t));
	for (uint32_t i = 0; i < n; i++) {
		for (int bit = 0; bit < 8; bit++) {
			buf[i] = (char)(buf[i] ^ (1 << bit));
			if (stored_decode(buf, n, &t)) {
				char text[4096];

				text_of(&t, text, sizeof(text)); /* stays inside */
			}
			buf[i] = (char)(buf[i] ^ (1 << bit));
		}
	}
}

/* RFC 9111 3.2 and 4.3.4 */
static void test_update(void **state)
{
	struct stored old = keep(
			      D0 "Cache-Control: max-age=60\nETag: \"v1\"\nX-A: 1\nX-A: 2\n"
				 "X-B: kept\nContent-Encoding: gzip\nVary: accept\nContent-Type: "
				 "text/plain"),
		      s;
	struct http_head req, resp, scratch;
	char got[1024];
	uint32_t n;

	(void)state;
	http_test_head(&req, "");
	http_test_response(&resp, 304,
		"Date: Sun, 06 Nov 1994 09:49:37 GMT\nCache-Control: max-age=90\nETag: \"v1\"\n"
		"x-a: 3\nX-New: n\nContent-Length: 0\nContent-Encoding: br\nVary: b\nAge: 4");
	assert_true(stored_validated(&old, &resp, T));
	n = stored_freshen(&book, &req, &old, &resp, (T + 3600) * 1000, (T + 3600) * 1000, &scratch,
		buf2, sizeof(buf2));
	assert_true(n > 0);
	assert_true(stored_decode(buf2, n, &s));
	text_of(&s, got, sizeof(got));
	assert_string_equal(got,
		"X-B: kept\nContent-Encoding: gzip\nVary: accept\nContent-Type: text/plain\n"
		"Date: Sun, 06 Nov 1994 09:49:37 GMT\nCache-Control: max-age=90\nETag: \"v1\"\n"
		"x-a: 3\nX-New: n\n");
	assert_int_equal(s.status, 200);
	assert_int_equal(s.fresh.lifetime, 90);
	assert_int_equal(s.fresh.initial_age, 4);
	assert_int_equal(fresh_ttl(&s.fresh, (T + 3600) * 1000), 86);
}

/* A 304 without Cache-Control leaves the stored directives in force, names included. */
static void test_update_keeps_directives(void **state)
{
	struct stored old = keep(D0 "Cache-Control: max-age=60, private=\"x-user\"\nETag: \"v1\""),
		      s;
	struct http_head req, resp, scratch;
	uint32_t n;

	(void)state;
	http_test_head(&req, "");
	http_test_response(&resp, 304, "Date: Sun, 06 Nov 1994 09:49:37 GMT\nX-User: me");
	n = stored_freshen(&book, &req, &old, &resp, (T + 3600) * 1000, (T + 3600) * 1000, &scratch,
		buf2, sizeof(buf2));
	assert_true(n > 0 && stored_decode(buf2, n, &s));
	assert_int_equal(s.fresh.lifetime, 60);
	assert_int_equal(fresh_age(&s.fresh, (T + 3600) * 1000), 0);
	for (uint32_t i = 0; i < s.field_cnt; i++) {
		struct http_head h;

		stored_head(&s, &h);
		assert_false(span_caseeq(h.fields[i].name, SPAN("x-user")));
	}
	/* no-store in the 304: it may not be kept. */
	http_test_response(&resp, 304, "Cache-Control: no-store");
	assert_int_equal(stored_freshen(&book, &req, &old, &resp, T * 1000, T * 1000, &scratch,
				 buf2, sizeof(buf2)),
		0);
}

/* RFC 9111 4.3.4: which response a 304 speaks of. */
static void test_validated(void **state)
{
	static const struct {
		const char *what, *stored, *resp;
		bool want;
	} cases[] = {
		{"same strong tag", "ETag: \"a\"", "ETag: \"a\"", true},
		{"other strong tag", "ETag: \"a\"", "ETag: \"b\"", false},
		{"strong against weak", "ETag: W/\"a\"", "ETag: \"a\"", false},
		{"weak against strong", "ETag: \"a\"", "ETag: W/\"a\"", true},
		{"weak against weak", "ETag: W/\"a\"", "ETag: W/\"a\"", true},
		{"tag against none", "X: y", "ETag: \"a\"", false},
		{"same date", "Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT",
			"Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT", true},
		{"other date", "Last-Modified: Sat, 05 Nov 1994 08:49:37 GMT",
			"Last-Modified: Sat, 05 Nov 1994 08:49:38 GMT", false},
		{"nothing said", "ETag: \"a\"", "X: y", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char fields[256];
		struct http_head resp;
		struct stored s;

		(void)snprintf(fields, sizeof(fields), "%sCache-Control: max-age=1\n%s", D0,
			cases[i].stored);
		s = keep(fields);
		http_test_response(&resp, 304, cases[i].resp);
		if (stored_validated(&s, &resp, T) != cases[i].want)
			fail_msg("%s", cases[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_kept),
		cmocka_unit_test(test_does_not_fit),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_update_keeps_directives),
		cmocka_unit_test(test_validated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
