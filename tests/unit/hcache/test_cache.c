/* SPDX-License-Identifier: Apache-2.0
 * The cache in the whole application: real packets, codec, routes and proxy, a scripted origin, a
 * virtual clock. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "lb/l7/cache/preload.h"
#include "tests/unit/hcache/edge_test.h"

#define ROUTES "[{upstream: app, cache: {purge_token: secret}}]"
static int setup(void **state)
{
	(void)state;
	edge_world_open(&h, ROUTES, "cache: 16MiB\n");
	return 0;
}

static void a_miss_then_a_hit(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\nX-A: b\r\n", "5") "hello");
	a = edge_world_ask(&h, GET("/x"));
	assert_int_equal(edge_status(a), 200);
	says(a, "Cache-Status", "weir; fwd=uri-miss; fwd-status=200; stored");
	assert_string_equal(edge_body(a), "hello");
	edge_world_sleep(&h, 10);
	a = edge_world_ask(&h, GET("/x"));
	assert_int_equal(edge_status(a), 200);
	says(a, "Cache-Status", "weir; hit; ttl=50");
	says(a, "Age", "10");
	says(a, "X-A", "b");
	assert_string_equal(edge_body(a), "hello");
	assert_int_equal(h.asked, 1);
	assert_int_equal(stats()->hits, 1);
	edge_world_sleep(&h, 51);
	a = edge_world_ask(&h, GET("/x"));
	says(a, "Cache-Status", "weir; fwd=stale; fwd-status=200; stored");
	assert_int_equal(h.asked, 2);
}

static void a_large_one_goes_by_extents(void **state)
{
	struct hw_conn *a;

	(void)state;
	h.body_len = 300000;
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "300000"));
	a = edge_world_ask(&h, GET("/big"));
	assert_int_equal(edge_status(a), 200);
	body_is(a, 0, 300000);
	a = edge_world_ask(&h, GET("/big"));
	says(a, "Cache-Status", "weir; hit; ttl=60");
	body_is(a, 0, 300000);
	assert_int_equal(h.asked, 1);
	a = edge_world_ask(&h, GET("/big") "Range: bytes=100000-149999\r\n");
	assert_int_equal(edge_status(a), 206);
	says(a, "Content-Range", "bytes 100000-149999/300000");
	body_is(a, 100000, 50000);
	assert_int_equal(h.asked, 1);
}

static void validation_by_304(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(&h, OK("Cache-Control: max-age=10\r\nETag: \"v1\"\r\n", "5") "hello");
	(void)edge_world_ask(&h, GET("/x"));
	edge_world_sleep(&h, 11);
	edge_world_answer(&h, "HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\nCache-Control: "
			      "max-age=20\r\nX-New: 1\r\n\r\n");
	a = edge_world_ask(&h, GET("/x"));
	assert_int_equal(h.asked, 2);
	assert_non_null(strstr(h.last, "\"v1\""));
	assert_int_equal(edge_status(a), 200);
	says(a, "Cache-Status", "weir; fwd=stale; fwd-status=304");
	says(a, "X-New", "1");
	assert_string_equal(edge_body(a), "hello");
	edge_world_sleep(&h, 15);
	a = edge_world_ask(&h, GET("/x"));
	says(a, "Cache-Status", "weir; hit; ttl=5");
	assert_int_equal(h.asked, 2);
}

static void one_fetch_for_many(void **state)
{
	(void)state;
	edge_world_answer(&h, NULL);
	for (int i = 0; i < 20; i++)
		(void)edge_world_begin(&h, GET("/x"));
	assert_int_equal(h.asked, 1);
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "5") "hello");
	/* The origin is slow: now it speaks. */
	edge_world_release(&h);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(edge_status(&h.asks[i]), 200);
		assert_string_equal(edge_body(&h.asks[i]), "hello");
	}
	assert_int_equal(h.asked, 1);
	assert_int_equal(stats()->collapsed, 19);
}

static void variants(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(
		&h, OK("Cache-Control: max-age=60\r\nVary: Accept-Language\r\n", "2") "de");
	(void)edge_world_ask(&h, GET("/x") "Accept-Language: de\r\n");
	edge_world_answer(
		&h, OK("Cache-Control: max-age=60\r\nVary: Accept-Language\r\n", "2") "en");
	a = edge_world_ask(&h, GET("/x") "Accept-Language: en\r\n");
	assert_string_equal(edge_body(a), "en");
	says(a, "Cache-Status", "weir; fwd=vary-miss; fwd-status=200; stored");
	a = edge_world_ask(&h, GET("/x") "Accept-Language: de\r\n");
	assert_string_equal(edge_body(a), "de");
	a = edge_world_ask(&h, GET("/x") "Accept-Language: en\r\n");
	assert_string_equal(edge_body(a), "en");
	assert_int_equal(h.asked, 2);
}

static void not_storable_passes(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(&h, OK("Cache-Control: no-store\r\n", "5") "hello");
	a = edge_world_ask(&h, GET("/x"));
	assert_string_equal(edge_body(a), "hello");
	says(a, "Cache-Status", "weir; fwd=uri-miss; fwd-status=200; detail=no-store");
	a = edge_world_ask(&h, GET("/x"));
	assert_string_equal(edge_body(a), "hello");
	says(a, "Cache-Status", "weir; fwd=miss; fwd-status=200; detail=not-storable");
	assert_int_equal(h.asked, 2);
}

static void errors_are_shared_and_stale_serves(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(&h, OK("Cache-Control: max-age=10, stale-if-error=100\r\n", "5") "hello");
	(void)edge_world_ask(&h, GET("/x"));
	edge_world_sleep(&h, 11);
	edge_world_answer(&h, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
	a = edge_world_ask(&h, GET("/x"));
	assert_int_equal(edge_status(a), 200);
	says(a, "Cache-Status", "weir; fwd=stale; fwd-status=503; detail=stale-if-error");
	assert_string_equal(edge_body(a), "hello");
	h.refuse = true;
	edge_world_sleep(&h, 30);
	a = edge_world_ask(&h, GET("/x"));
	assert_int_equal(edge_status(a), 200);
	a = edge_world_ask(&h, GET("/other"));
	assert_true(edge_status(a) >= 502);
}

/* Answers of an origin that fails in its own way: who waited asks as well, all at once. */
static void waiters_pass_together(const char *first, const char *rest, uint32_t waiters)
{
	struct hw_conn *a[5];

	h.asked = 0;
	edge_world_answer(&h, NULL);
	for (uint32_t i = 0; i <= waiters; i++)
		a[i] = edge_world_begin(&h, GET("/x"));
	assert_int_equal(h.asked, 1);
	/* That alone: of what comes then the origin says nothing as yet. */
	h.owed_cnt = 0;
	hw_answer(h.owed[0], &(struct hw_reply){.text = first, .then = HW_KEEP});
	tcp_world_run(&h.w, 20);
	assert_int_equal(edge_status(a[0]), 500);
	assert_int_equal(h.asked, 1 + waiters);
	edge_world_answer(&h, rest);
	edge_world_release(&h);
	for (uint32_t i = 1; i <= waiters; i++)
		assert_int_equal(edge_status(a[i]), 200);
	edge_world_forget(&h);
}

static void is_stored_soon(void)
{
	edge_world_sleep(&h, 2);
	(void)edge_world_ask(&h, GET("/x"));
	h.asked = 0;
	(void)edge_world_ask(&h, GET("/x"));
	assert_int_equal(h.asked, 0);
}

static void failures_are_not_asked_in_turn(void **state)
{
	static const char *const ttls[] = {"", "error_ttl: 0s"};
	static const char no[] = "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n";
	static const char yes[] = OK("Cache-Control: max-age=60\r\nETag: \"a\"\r\n", "5") "hello";
	char routes[100];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(ttls); i++) {
		edge_world_close(&h);
		(void)snprintf(routes, sizeof(routes), "[{upstream: app, cache: {%s}}]", ttls[i]);
		edge_world_open(&h, routes, "cache: 16MiB\n");
		waiters_pass_together(no, yes, 4);
		is_stored_soon();
		/* Stale, and its validation fails. */
		edge_world_sleep(&h, 61);
		waiters_pass_together(no, yes, 4);
		is_stored_soon();
	}
}

static void purges(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(
		&h, OK("Cache-Control: max-age=60\r\nSurrogate-Key: t1 t2\r\n", "5") "hello");
	(void)edge_world_ask(&h, GET("/x"));
	(void)edge_world_ask(&h, GET("/y"));
	assert_int_equal(h.asked, 2);
	a = edge_world_ask(&h, "PURGE /x HTTP/1.1\r\nHost: a.test\r\nPurge-Token: wrong\r\n");
	assert_int_equal(edge_status(a), 403);
	a = edge_world_ask(&h, "PURGE /x HTTP/1.1\r\nHost: a.test\r\nPurge-Token: secret\r\n");
	assert_int_equal(edge_status(a), 200);
	(void)edge_world_ask(&h, GET("/y"));
	assert_int_equal(h.asked, 2);
	(void)edge_world_ask(&h, GET("/x"));
	assert_int_equal(h.asked, 3);
	a = edge_world_ask(&h,
		"PURGE / HTTP/1.1\r\nHost: a.test\r\nPurge-Token: secret\r\nSurrogate-Key: t2\r\n");
	assert_int_equal(edge_status(a), 200);
	(void)edge_world_ask(&h, GET("/x"));
	(void)edge_world_ask(&h, GET("/y"));
	assert_int_equal(h.asked, 5);
}

static void unsafe_requests_invalidate(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "5") "hello");
	(void)edge_world_ask(&h, GET("/x"));
	edge_world_answer(&h, "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n");
	(void)edge_world_ask(&h, "DELETE /x HTTP/1.1\r\nHost: a.test\r\n");
	(void)edge_world_ask(&h, GET("/x"));
	assert_int_equal(h.asked, 2);
	edge_world_answer(&h, "HTTP/1.1 204 Gone\r\n\r\n");
	a = edge_world_ask(&h, "DELETE /x HTTP/1.1\r\nHost: a.test\r\n");
	assert_int_equal(edge_status(a), 204);
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "5") "hello");
	(void)edge_world_ask(&h, GET("/x"));
	assert_int_equal(h.asked, 4);
}

static void a_broken_response_is_not_kept(void **state)
{
	struct hw_conn *a;

	(void)state;
	h.body_len = 100000;
	h.cut_after = 50000;
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "100000"));
	a = edge_world_ask(&h, GET("/x"));
	assert_true(edge_body_len(a) < 100000);
	h.cut_after = 0;
	a = edge_world_ask(&h, GET("/x"));
	body_is(a, 0, 100000);
	assert_int_equal(h.asked, 2);
}

static void refresh_in_the_background(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(
		&h, OK("Cache-Control: max-age=10, stale-while-revalidate=60\r\n", "3") "old");
	(void)edge_world_ask(&h, GET("/x"));
	edge_world_sleep(&h, 20);
	edge_world_answer(&h, OK("Cache-Control: max-age=10\r\n", "3") "new");
	a = edge_world_ask(&h, GET("/x"));
	assert_string_equal(edge_body(a), "old");
	says(a, "Cache-Status", "weir; hit; ttl=-10");
	a = edge_world_ask(&h, GET("/x"));
	assert_string_equal(edge_body(a), "new");
	assert_int_equal(h.asked, 2);
}

static void several_ranges(void **state)
{
	struct hw_conn *a;
	const char *b;

	(void)state;
	edge_world_answer(
		&h, OK("Cache-Control: max-age=60\r\nContent-Type: text/x\r\n", "10") "0123456789");
	(void)edge_world_ask(&h, GET("/x"));
	a = edge_world_ask(&h, GET("/x") "Range: bytes=0-1,8-\r\n");
	assert_int_equal(edge_status(a), 206);
	assert_memory_equal(edge_field(a, "Content-Type"), "multipart/byteranges; boundary=", 31);
	assert_int_equal(atoi(edge_field(a, "Content-Length")), edge_body_len(a));
	b = edge_body(a);
	assert_non_null(
		strstr(b, "Content-Type: text/x\r\nContent-Range: bytes 0-1/10\r\n\r\n01\r\n--"));
	assert_non_null(strstr(b, "Content-Range: bytes 8-9/10\r\n\r\n89\r\n--"));
	a = edge_world_ask(&h, GET("/x") "Range: bytes=20-\r\n");
	assert_int_equal(edge_status(a), 416);
	says(a, "Content-Range", "bytes */10");
	a = edge_world_ask(&h, "HEAD /x HTTP/1.1\r\nHost: a.test\r\n");
	assert_int_equal(edge_status(a), 200);
	says(a, "Content-Length", "10");
	assert_int_equal(edge_body_len(a), 0);
	assert_int_equal(h.asked, 1);
}

/* max_size counts, too, where no length was announced; the client gets everything all the same. */
static void longer_than_the_route_keeps(void **state)
{
	static const char open_ended[] = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n\r\n";

	(void)state;
	edge_world_close(&h);
	edge_world_open(&h, "[{upstream: app, cache: {max_size: 20KiB}}]", "cache: 16MiB\n");
	h.close_after = true;
	edge_world_answer(&h, open_ended);
	for (uint32_t i = 0; i < 2; i++) {
		h.body_len = 10000;
		assert_int_equal(edge_status(edge_world_ask(&h, GET("/short"))), 200);
		assert_int_equal(h.asked, 1 + i);
		h.body_len = 50000;
		assert_true(edge_body_len(edge_world_ask(&h, GET("/long"))) >= 50000);
		assert_int_equal(h.asked, 2 + i);
	}
}

static void a_leader_that_leaves(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(&h, NULL);
	a = edge_world_begin(&h, GET("/x"));
	(void)edge_world_begin(&h, GET("/x"));
	(void)tcp_abort(h.client->e, a->conn);
	a->conn = TCP_NONE;
	tcp_world_run(&h.w, 2);
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "5") "hello");
	edge_world_release(&h);
	assert_string_equal(edge_body(&h.asks[1]), "hello");
	assert_int_equal(h.asked, 1);
}

/* RFC 9111 4.3.5: an answer to HEAD confirms the stored response, or shows that it is another. */
static void head_brings_up_to_date(void **state)
{
	static const char head[] = "HEAD /x HTTP/1.1\r\nHost: a.test\r\nCookie: b=1\r\n";
	static const char old[] = OK("Cache-Control: max-age=60\r\nETag: \"a\"\r\n", "5");
	static const struct {
		const char *fields, *length;
		int asked; /* by the next GET */
	} cases[] = {
		{"ETag: \"a\"\r\nX-New: 1\r\n", "5", 0},
		{"ETag: \"b\"\r\n", "5", 1},
		{"ETag: \"a\"\r\n", "6", 1},
		{"ETag: \"a\"\r\nLast-Modified: Sun, 06 Nov 1994 07:49:37 GMT\r\n", "5", 1},
	};

	(void)state;
	edge_world_close(&h);
	edge_world_open(&h, "[{upstream: app, cache: {bypass_cookies: [b]}}]", "cache: 16MiB\n");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[512], body[256];
		struct hw_conn *a;

		(void)snprintf(body, sizeof(body), "%shello", old);
		edge_world_answer(&h, body);
		(void)edge_world_ask(&h, GET("/x"));
		edge_world_sleep(&h, 40);
		(void)snprintf(text, sizeof(text),
			"HTTP/1.1 200 OK\r\nContent-Length: %s\r\nCache-Control: "
			"max-age=60\r\n%s\r\n",
			cases[i].length, cases[i].fields);
		edge_world_answer(&h, text);
		assert_int_equal(edge_status(edge_world_ask(&h, head)), 200);
		edge_world_sleep(&h, 40);
		h.asked = 0;
		edge_world_answer(&h, body);
		a = edge_world_ask(&h, GET("/x"));
		assert_string_equal(edge_body(a), "hello");
		assert_int_equal(h.asked, cases[i].asked);
		if (cases[i].asked == 0) {
			says(a, "X-New", "1");
			says(a, "Age", "40");
			says(a, "Content-Length", "5");
		}
		edge_world_sleep(&h, 4000);
	}
	assert_int_equal(stats()->head_freshened, 1);
	/* Without a validator it is asked for in place of a GET. */
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "5") "hello");
	(void)edge_world_ask(&h, GET("/y"));
	edge_world_sleep(&h, 61);
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "5"));
	h.asked = 0;
	(void)edge_world_ask(&h, "HEAD /y HTTP/1.1\r\nHost: a.test\r\n");
	assert_memory_equal(h.last, "HEAD", 4);
	assert_string_equal(edge_body(edge_world_ask(&h, GET("/y"))), "hello");
	assert_int_equal(h.asked, 1);
}

/* The body of an answer, decoded, is `len` bytes of the pattern. */
static void gzip_is(const struct hw_conn *a, uint32_t len)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)edge_body(a), .avail_in = edge_body_len(a)};
	char *out = malloc(len + 1);

	assert_non_null(out);
	says(a, "Content-Encoding", "gzip");
	z.next_out = (Bytef *)out;
	z.avail_out = len + 1;
	assert_int_equal(inflateInit2(&z, 31), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, len);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(out[i], hw_byte(i));
	(void)inflateEnd(&z);
	free(out);
}

/* RFC 9110 8.4, 8.8.3.3: a compressed body is another representation, made once for each stored
 * one. */
static void compressed_once(void **state)
{
	static const char gz[] = GET("/x") "Accept-Encoding: gzip\r\n";
	static const char same[] =
		"HTTP/1.1 304 Same\r\nETag: \"a\"\r\nCache-Control: max-age=60\r\n\r\n";
	struct hw_conn *a;

	(void)state;
	edge_world_close(&h);
	edge_world_open(&h,
		"[{upstream: app, cache: {}, policies: {compress: {codings: [gzip], min: 1KiB}}}]",
		"cache: 16MiB\n");
	h.body_len = 20000;
	edge_world_answer(
		&h, OK("Cache-Control: max-age=60\r\nETag: \"a\"\r\nContent-Type: text/plain\r\n",
			    "20000"));
	a = edge_world_ask(&h, gz);
	says(a, "Content-Encoding", "gzip");
	assert_int_equal(stats()->coded_stored, 1);
	assert_int_equal(stats()->coded_hits, 0);
	for (uint32_t i = 1; i <= 3; i++) {
		a = edge_world_ask(&h, gz);
		gzip_is(a, 20000);
		says(a, "ETag", "W/\"a\"");
		says(a, "Vary", "Accept-Encoding");
		says(a, "Cache-Status", "weir; hit; ttl=60");
		assert_int_equal(stats()->coded_hits, i);
	}
	/* Who takes nothing else gets it as it is, and ranges are of that. */
	a = edge_world_ask(&h, GET("/x"));
	body_is(a, 0, 20000);
	says(a, "ETag", "\"a\"");
	a = edge_world_ask(&h, GET("/x") "Accept-Encoding: gzip\r\nRange: bytes=5-9\r\n");
	assert_int_equal(edge_status(a), 206);
	body_is(a, 5, 5);
	a = edge_world_ask(&h, GET("/x") "Accept-Encoding: gzip\r\nIf-None-Match: W/\"a\"\r\n");
	assert_int_equal(edge_status(a), 304);
	assert_int_equal(stats()->coded_stored, 1);
	/* Confirmed: the same body. */
	edge_world_sleep(&h, 61);
	h.body_len = 0;
	edge_world_answer(&h, same);
	gzip_is(edge_world_ask(&h, gz), 20000);
	assert_int_equal(stats()->coded_hits, 4);
	/* Another body: made anew. */
	edge_world_sleep(&h, 61);
	h.body_len = 5000;
	edge_world_answer(
		&h, OK("Cache-Control: max-age=60\r\nETag: \"b\"\r\nContent-Type: text/plain\r\n",
			    "5000"));
	(void)edge_world_ask(&h, gz);
	assert_int_equal(stats()->coded_stored, 2);
	gzip_is(edge_world_ask(&h, gz), 5000);
	assert_int_equal(stats()->coded_hits, 5);
	/* So short that head and body go in one piece. */
	h.body_len = 1200;
	edge_world_answer(
		&h, OK("Cache-Control: max-age=60\r\nContent-Type: text/plain\r\n", "1200"));
	for (uint32_t i = 0; i < 3; i++) {
		a = edge_world_ask(&h, GET("/short") "Accept-Encoding: gzip\r\n");
		says(a, "Content-Encoding", "gzip");
		assert_int_equal(stats()->coded_hits, 5 + i);
	}
	gzip_is(a, 1200);
	assert_int_equal(stats()->coded_stored, 3);
	body_is(edge_world_ask(&h, GET("/short")), 0, 1200);
}

static const char *noise(uint32_t len)
{
	static char answer[3000000];
	uint32_t x = 1;
	int n;

	assert_true(len + 1024 < sizeof(answer));
	n = snprintf(answer, sizeof(answer),
		"HTTP/1.1 200 OK\r\nContent-Length: %u\r\nCache-Control: "
		"max-age=60\r\nETag: \"n\"\r\nContent-Type: text/plain\r\n\r\n",
		len);
	for (uint32_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		answer[(uint32_t)n + i] = (char)(' ' + (x >> 26)); /* six bits of a byte */
	}
	answer[(uint32_t)n + len] = '\0';
	return answer;
}

/* The same bytes as an answer that was compressed for itself. */
static void same_body(const struct hw_conn *a, const char *want, uint32_t len)
{
	assert_int_equal(edge_status(a), 200);
	says(a, "Content-Encoding", "gzip");
	assert_int_equal(edge_body_len(a), len);
	assert_memory_equal(edge_body(a), want, len);
	assert_int_equal(atoi(edge_field(a, "Content-Length")), len);
}

/* Longer ones lie in extents; while one is made others are compressed for by themselves; one that
 * has lost an extent is made anew, and no client is led into the hole. */
static void compressed_and_long(void **state)
{
	static const char gz[] = GET("/x") "Accept-Encoding: gzip\r\n";
	struct hw_conn *a, *b;
	char *want, what[200];
	uint32_t len;

	(void)state;
	edge_world_close(&h);
	edge_world_open(&h,
		"[{upstream: app, cache: {}, policies: {compress: {codings: [gzip], min: 1KiB}}}]",
		"cache: 32MiB\n");
	edge_world_answer(&h, noise(300000));
	a = edge_world_ask(&h, gz);
	says(a, "Content-Encoding", "gzip");
	says(a, "Transfer-Encoding", "chunked");
	assert_int_equal(stats()->coded_stored, 1);
	assert_int_equal(stats()->coded_hits, 0);
	a = edge_world_ask(&h, gz);
	len = edge_body_len(a);
	assert_in_range(len, 200000, 299999);
	want = malloc(len);
	assert_non_null(want);
	memcpy(want, edge_body(a), len);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(stats()->coded_hits, 1 + i);
		same_body(edge_world_ask(&h, gz), want, len);
	}
	a = edge_world_begin(&h, gz);
	b = edge_world_begin(&h, gz);
	edge_world_release(&h);
	same_body(a, want, len);
	same_body(b, want, len);
	assert_int_equal(h.asked, 1);
	assert_int_equal(stats()->coded_stored, 1);
	assert_int_equal(stats()->holes, 0);
	free(want);
	assert_int_equal(cache_check(hcache_cache(h.w.app->hcache), what, sizeof(what)), 0);
}

/* Others need the room: whatever was evicted, who gets an answer gets all of it. */
static void compressed_and_evicted(void **state)
{
	static const char gz[] = GET("/x") "Accept-Encoding: gzip\r\n";
	char *want, ask[120];
	uint32_t len = 0, hits = 0;
	struct hw_conn *a;

	(void)state;
	edge_world_close(&h);
	edge_world_open(&h,
		"[{upstream: app, cache: {}, policies: {compress: {codings: [gzip], min: 1KiB}}}]",
		"cache: 8MiB\n");
	edge_world_answer(&h, noise(600000));
	(void)edge_world_ask(&h, gz);
	a = edge_world_ask(&h, gz);
	len = edge_body_len(a);
	want = malloc(len);
	assert_non_null(want);
	memcpy(want, edge_body(a), len);
	for (uint32_t i = 0; i < 60; i++) {
		(void)snprintf(ask, sizeof(ask), GET("/other%u"), i);
		assert_int_equal(edge_status(edge_world_ask(&h, ask)), 200);
		edge_world_forget(&h);
		if (i % 6 != 5)
			continue;
		hits = (uint32_t)stats()->coded_hits;
		a = edge_world_ask(&h, gz);
		/* Of what is compressed for this client the origin sends no parts: it may be cut.
		 */
		if (stats()->coded_hits > hits)
			same_body(a, want, len);
	}
	assert_true(stats()->coded_stored > 1); /* it had to be made anew */
	free(want);
}

/* What would take half of the memory passes, and is not tried again. */
static void compressed_and_too_long(void **state)
{
	static const char gz[] = GET("/x") "Accept-Encoding: gzip\r\n";

	(void)state;
	edge_world_close(&h);
	edge_world_open(&h,
		"[{upstream: app, cache: {}, policies: {compress: {codings: [gzip], min: 1KiB}}}]",
		"cache: 4MiB\n");
	edge_world_answer(&h, noise(2800000));
	for (int i = 0; i < 2; i++)
		says(edge_world_ask(&h, gz), "Content-Encoding", "gzip");
	assert_int_equal(stats()->coded_stored, 0);
	assert_int_equal(stats()->coded_hits, 0);
}

static void urls(void **state)
{
	static const struct {
		const char *text, *host, *path, *query;
		uint16_t port;
		bool good, tls;
	} cases[] = {
		{"http://a.test/x?y=1#z", "a.test", "/x", "y=1", 0, true, false},
		{"HTTPS://a.test:443", "a.test", "/", "", 0, true, true},
		{"http://[::1]:8080/", "[::1]", "/", "", 8080, true, false},
		{"http://[::1]/a/b", "[::1]", "/a/b", "", 0, true, false},
		{"http://a/?", "a", "/", "", 0, true, false},
		{"http:///x", "", "", "", 0, false, false},
		{"http://a:0/", "", "", "", 0, false, false},
		{"http://a:70000/", "", "", "", 0, false, false},
		{"http://me@a/", "", "", "", 0, false, false},
		{"http://a?x", "", "", "", 0, false, false},
		{"http://a/\x01", "", "", "", 0, false, false},
		{"ftp://a/", "", "", "", 0, false, false},
		{"/x", "", "", "", 0, false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct span text = {cases[i].text, (uint32_t)strlen(cases[i].text)};
		struct preload_url u;

		assert_int_equal(preload_url_parse(text, &u), cases[i].good);
		if (!cases[i].good)
			continue;
		assert_int_equal(u.tls, cases[i].tls);
		assert_int_equal(u.port, cases[i].port);
		assert_true(span_eq(
			u.host, (struct span){cases[i].host, (uint32_t)strlen(cases[i].host)}));
		assert_true(span_eq(
			u.path, (struct span){cases[i].path, (uint32_t)strlen(cases[i].path)}));
		assert_true(span_eq(
			u.query, (struct span){cases[i].query, (uint32_t)strlen(cases[i].query)}));
	}
}

static struct preload_result preload(const char *text, uint32_t rate, uint32_t active)
{
	struct preload_result r;
	uint32_t line;

	assert_int_equal(hcache_preload(h.w.app->hcache,
				 (struct span){text, (uint32_t)strlen(text)}, rate, active, &line),
		0);
	for (int ms = 0; ms < 2000; ms++) {
		http_world_run(&h.hw, 1);
		assert_true(hcache_preload_result(h.w.app->hcache, &r));
		if (r.begun == r.total && r.active == 0)
			break;
	}
	return r;
}

static void is_row(uint32_t i, const char *what, uint16_t want)
{
	struct span url;
	uint16_t status;

	assert_string_equal(hcache_preload_row(h.w.app->hcache, i, &url, &status), what);
	assert_int_equal(status, want);
}

/* A list of URLs comes into the cache without a client. */
static void a_list_is_fetched(void **state)
{
	static const char list[] = "http://a.test/1\n# not this\n\n  http://a.test/2?b "
				   "\r\nhttp://b.test/1\nhttps://a.test/1\n";
	struct preload_result r;
	struct hw_conn *a;
	uint32_t line, cnt;

	(void)state;
	assert_false(hcache_preload_result(h.w.app->hcache, &r));
	h.body_len = 100000;
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "100000"));
	r = preload(list, 1000, 2);
	assert_int_equal(r.total, 4);
	assert_int_equal(r.stored, 3);
	assert_int_equal(r.failed, 1); /* nobody listens for https */
	assert_int_equal(r.bytes, 300000);
	assert_int_equal(h.asked, 3);
	is_row(0, "stored", 200);
	is_row(3, "no route", 0);
	a = edge_world_ask(&h, GET("/1"));
	says(a, "Cache-Status", "weir; hit; ttl=60");
	body_is(a, 0, 100000);
	assert_int_equal(edge_status(edge_world_ask(&h, GET("/2?b"))), 200);
	assert_int_equal(h.asked, 3);
	/* Again: it is there. */
	h.body_len = 0;
	edge_world_answer(&h, OK("Cache-Control: no-store\r\n", "2") "no");
	r = preload("http://a.test/1\nhttp://a.test/no\n", 1000, 2);
	assert_int_equal(r.already, 1);
	assert_int_equal(r.not_stored, 1);
	is_row(1, "not stored", 200);
	assert_int_equal(h.asked, 4);
	edge_world_answer(&h, "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
	r = preload("http://a.test/bad\n", 1000, 2);
	assert_int_equal(r.failed, 1);
	is_row(0, "failed", 503);
	assert_int_equal(
		hcache_preload(h.w.app->hcache, SPAN("http://a/\n\nnonsense\n"), 1, 1, &line),
		-EINVAL);
	assert_int_equal(line, 3);
	assert_int_equal(hcache_preload(h.w.app->hcache, SPAN("\n# none\n"), 1, 1, &line), -EINVAL);
	assert_int_equal(hcache_preload_check(h.w.app->hcache, SPAN("http://a/\nx\n"), &cnt, &line),
		-EINVAL);
	assert_int_equal(line, 2);
	assert_int_equal(
		hcache_preload_check(h.w.app->hcache, SPAN("http://a/\nhttp://a/2"), &cnt, &line),
		0);
	assert_int_equal(cnt, 2);
	assert_int_equal(line, 0);
}

/* The rate holds, and one list at a time. */
static void a_list_takes_its_time(void **state)
{
	struct preload_result r;
	uint32_t line, cnt;

	(void)state;
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "2") "ok");
	assert_int_equal(
		hcache_preload(h.w.app->hcache,
			SPAN("http://a/1\nhttp://a/2\nhttp://a/3\nhttp://a/4\n"), 20, 8, &line),
		0);
	http_world_run(&h.hw, 75);
	assert_true(hcache_preload_result(h.w.app->hcache, &r));
	assert_int_equal(r.begun, 2);
	assert_int_equal(
		hcache_preload(h.w.app->hcache, SPAN("http://a/9\n"), 1, 1, &line), -EBUSY);
	assert_int_equal(
		hcache_preload_check(h.w.app->hcache, SPAN("http://a/9\n"), &cnt, &line), -EBUSY);
	http_world_run(&h.hw, 150);
	assert_true(hcache_preload_result(h.w.app->hcache, &r));
	assert_int_equal(r.stored, 4);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_miss_then_a_hit),
		TEST(a_large_one_goes_by_extents),
		TEST(validation_by_304),
		TEST(one_fetch_for_many),
		TEST(variants),
		TEST(not_storable_passes),
		TEST(errors_are_shared_and_stale_serves),
		TEST(failures_are_not_asked_in_turn),
		TEST(purges),
		TEST(unsafe_requests_invalidate),
		TEST(a_broken_response_is_not_kept),
		TEST(refresh_in_the_background),
		TEST(several_ranges),
		TEST(longer_than_the_route_keeps),
		TEST(a_leader_that_leaves),
		TEST(head_brings_up_to_date),
		TEST(compressed_once),
		TEST(compressed_and_long),
		TEST(compressed_and_evicted),
		TEST(compressed_and_too_long),
		cmocka_unit_test(urls),
		TEST(a_list_is_fetched),
		TEST(a_list_takes_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
