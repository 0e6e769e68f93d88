/* SPDX-License-Identifier: Apache-2.0
 * Bodies: which bytes are payload, where the body ends, what is refused; in steps of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/h1_run.h"

static void chunked(
	const char *bytes, uint32_t len, const struct h1_limits *lim, struct h1_body_result *r)
{
	h1_body_run_all_ways(HTTP_BODY_STREAM, 0, lim, bytes, len, r);
}

struct good {
	const char *source, *bytes, *data;
	uint32_t behind; /* bytes that are not the body's */
};

/* clang-format off */
static const struct good good[] = {
	{"7.1", "0\r\n\r\n", "", 0},
	{"7.1", "5\r\nhello\r\n0\r\n\r\n", "hello", 0},
	{"7.1", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET /", "hello world", 5},
	{"7.1", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", 0},
	{"7.1", "0000000000000005\r\nhello\r\n0000\r\n\r\n", "hello", 0},
	{"7.1: payload may look like anything", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\nx", "\r\n0\r\n\r\n", 1},
	{"7.1.1", "5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello", 0},
	{"7.1.1", "5 ; a = b\t;c=\"d;\\\" \x80\"\r\nhello\r\n0\r\n\r\n", "hello", 0},
	{"7.1.1", "5;a=\"\"\r\nhello\r\n0\r\n\r\n", "hello", 0},
	{"7.1.1", "5;a;b;c=d;e=\"f\" ;g\r\nhello\r\n0\r\n\r\n", "hello", 0},
};
/* clang-format on */

static void chunks_are_taken_apart(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(good); i++) {
		uint32_t len = (uint32_t)strlen(good[i].bytes);
		struct h1_body_result r;

		chunked(good[i].bytes, len, NULL, &r);
		if (r.verdict != H1_OK)
			print_error("%s: %s\n", good[i].source, good[i].bytes);
		assert_int_equal(r.verdict, H1_OK);
		assert_int_equal(r.used, len - good[i].behind);
		assert_int_equal(r.len, strlen(good[i].data));
		assert_memory_equal(r.data, good[i].data, r.len);
		assert_string_equal(r.trailers, "");
		h1_body_result_free(&r);
	}
}

struct bad {
	const char *source, *bytes;
	uint32_t len;
	enum h1_error error;
};

#define BAD(source, bytes, error)                                \
	{                                                        \
		source, bytes, sizeof(bytes) - 1, H1_ERR_##error \
	}

/* clang-format off */
static const struct bad bad[] = {
	BAD("7.1", "\r\n", CHUNK_SIZE),
	BAD("7.1", " 5\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	BAD("7.1", "5 \r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1", "5\t\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1", "+5\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	BAD("7.1", "-5\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	BAD("7.1", "0x5\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	BAD("7.1", "5_0\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	BAD("7.1", "g\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	BAD("7.1", "5\nhello\r\n0\r\n\r\n", BARE_LF),
	BAD("7.1", "5\rhello\r\n0\r\n\r\n", BARE_CR),
	BAD("7.1", "5\r\rhello\r\n0\r\n\r\n", BARE_CR),
	BAD("7.1", "5\0\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	BAD("7.1", "5,\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	BAD("7.1", "8000000000000000\r\n", CHUNK_SIZE),
	BAD("7.1", "ffffffffffffffff\r\n", CHUNK_SIZE),
	BAD("7.1", "10000000000000005\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	BAD("7.1", "00000000000000005\r\nhello\r\n0\r\n\r\n", CHUNK_SIZE),
	BAD("7.1", "5\r\nhello\n0\r\n\r\n", BARE_LF),
	BAD("7.1", "5\r\nhello0\r\n\r\n", CHUNK_END),
	BAD("7.1", "5\r\nhellox\r\n0\r\n\r\n", CHUNK_END),
	BAD("7.1", "5\r\nhello\rx0\r\n\r\n", BARE_CR),
	BAD("7.1", "5\r\nhello\r\n\r\n0\r\n\r\n", CHUNK_SIZE),
	BAD("7.1", "0\r\n\n", BARE_LF),
	BAD("7.1", "0\r\n\rx", BARE_CR),
	BAD("7.1", "0\n\n", BARE_LF),
	BAD("7.1.1", "5;\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;a;\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;=b\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;a=\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;a b\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;a \r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;a=b c\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;a=b\"c\"\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;a=\"b\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;a=\"b\\\r\n\"\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;a\nhello\r\n0\r\n\r\n", BARE_LF),
	BAD("7.1.1", "5;a=\"\n\"\r\nhello\r\n0\r\n\r\n", BARE_LF),
	BAD("7.1.1", "5;a\rb\r\nhello\r\n0\r\n\r\n", BARE_CR),
	BAD("7.1.1", "5;a\0\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5;a=\x01\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("7.1.1", "5 a\r\nhello\r\n0\r\n\r\n", CHUNK_EXT),
	BAD("9110 6.5.1", "0\r\nContent-Length: 5\r\n\r\n", TRAILER),
	BAD("9110 6.5.1", "0\r\nTransfer-Encoding: chunked\r\n\r\n", TRAILER),
	BAD("9110 6.5.1", "0\r\nA: b\r\nhost: c\r\n\r\n", TRAILER),
	BAD("9110 6.5.1", "0\r\nConnection: close\r\n\r\n", TRAILER),
	BAD("9110 6.5.1", "0\r\nTrailer: x\r\n\r\n", TRAILER),
	BAD("9110 6.5.1", "0\r\nExpect: 100-continue\r\n\r\n", TRAILER),
	BAD("9112 5", "0\r\nGET / HTTP/1.1\r\n\r\n", NAME_BLANK),
	BAD("9112 5", "0\r\nabc\r\n\r\n", NO_COLON),
	BAD("9112 5.1", "0\r\nA : b\r\n\r\n", NAME_BLANK),
	BAD("9112 5.2", "0\r\nA: b\r\n c\r\n\r\n", FOLD),
	BAD("9112 2.2", "0\r\n A: b\r\n\r\n", BLANK_FIRST),
	BAD("9112 2.2", "0\r\nA: b\n\r\n", BARE_LF),
	BAD("9110 5.5", "0\r\nA: \0\r\n\r\n", VALUE),
};
/* clang-format on */

static void chunks_in_doubt_are_refused(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct h1_body_result r;

		chunked(bad[i].bytes, bad[i].len, NULL, &r);
		if (r.verdict != H1_BAD || r.error != bad[i].error)
			print_error("%s: %s: %s\n", bad[i].source, bad[i].bytes,
				h1_error_word(r.error));
		assert_int_equal(r.verdict, H1_BAD);
		assert_int_equal(r.error, bad[i].error);
		h1_body_result_free(&r);
	}
}

static void every_prefix_of_a_body_wants_more(void **state)
{
	static const char all[] = "5;a=\"b\"\r\nhello\r\n0\r\nA: b\r\nC:d\r\n\r\n";

	(void)state;
	for (uint32_t n = 0; n < sizeof(all) - 1; n++) {
		struct h1_body_result r;

		h1_body_run(HTTP_BODY_STREAM, 0, NULL, all, n, 0, &r);
		assert_int_equal(r.verdict, H1_MORE);
		assert_int_equal(r.used, n);
		h1_body_result_free(&r);
	}
}

/* RFC 9110 6.5.1: what may not stand in trailers is refused if it frames, and not passed on else.
 */
static void trailers_are_kept_apart(void **state)
{
	static const char in[] =
		"0\r\nX-Sum: 1\r\nETag: \"x\"\r\nCookie: a\r\ngrpc-status:0\r\n\r\nGET";
	struct h1_body_result r;

	(void)state;
	chunked(in, sizeof(in) - 1, NULL, &r);
	assert_int_equal(r.verdict, H1_OK);
	assert_int_equal(r.used, sizeof(in) - 4);
	assert_non_null(strstr(r.trailers, "\n=X-Sum"));
	assert_non_null(strstr(r.trailers, "\n=ETag"));
	assert_non_null(strstr(r.trailers, "\n!=Cookie"));
	assert_non_null(strstr(r.trailers, "\n=grpc-status"));
	h1_body_result_free(&r);
}

static void limits_hold(void **state)
{
	struct h1_limits lim = h1_limits_default;
	struct h1_body_result r;
	char buf[512];

	(void)state;
	lim.chunk_ext_bytes = 4;
	chunked("1;abc\r\nx\r\n0\r\n\r\n", 15, &lim, &r);
	assert_int_equal(r.verdict, H1_OK);
	h1_body_result_free(&r);
	chunked("1;abcd\r\nx\r\n0\r\n\r\n", 16, &lim, &r);
	assert_int_equal(r.error, H1_ERR_CHUNK_EXT_LONG);
	h1_body_result_free(&r);
	lim.chunk_ext_bytes = 0;
	chunked("1;a\r\nx\r\n0\r\n\r\n", 13, &lim, &r);
	assert_int_equal(r.error, H1_ERR_CHUNK_EXT_LONG);
	h1_body_result_free(&r);
	lim.trailer_fields = 2;
	chunked("0\r\na:1\r\nb:2\r\n\r\n", 15, &lim, &r);
	assert_int_equal(r.verdict, H1_OK);
	h1_body_result_free(&r);
	chunked("0\r\na:1\r\nb:2\r\nc:3\r\n\r\n", 20, &lim, &r);
	assert_int_equal(r.error, H1_ERR_TRAILER_LONG);
	h1_body_result_free(&r);
	/* The section with its empty line: 30 bytes fit, 31 do not. */
	lim.trailer_bytes = 30;
	for (uint32_t n = 29; n <= 31; n++) {
		int len = snprintf(buf, sizeof(buf), "0\r\na: %0*d\r\n\r\n", (int)n - 7, 0);

		chunked(buf, (uint32_t)len, &lim, &r);
		assert_int_equal(r.verdict, n <= 30 ? H1_OK : H1_BAD);
		if (n > 30)
			assert_int_equal(r.error, H1_ERR_TRAILER_LONG);
		h1_body_result_free(&r);
	}
}

/* A sender that hides more in extensions than it sends is stopped; one that signs its chunks is
 * not. */
static void extensions_of_a_body_are_bounded(void **state)
{
	uint32_t n = 1000, cap = n * 9000;
	char *buf = malloc(cap), ext[201];
	struct h1_body_result r;
	uint32_t at = 0;

	(void)state;
	assert_non_null(buf);
	memset(ext, 'x', 200);
	ext[200] = '\0';
	for (uint32_t i = 0; i < n; i++)
		at += (uint32_t)snprintf(buf + at, cap - at, "1;%s\r\nx\r\n", ext);
	h1_body_run(HTTP_BODY_STREAM, 0, NULL, buf, at, 0, &r);
	assert_int_equal(r.error, H1_ERR_CHUNK_EXT_LONG);
	h1_body_result_free(&r);
	at = 0;
	for (uint32_t i = 0; i < n; i++) {
		at += (uint32_t)snprintf(buf + at, cap - at, "2000;%s\r\n", ext);
		memset(buf + at, 'x', 0x2000);
		at += 0x2000;
		memcpy(buf + at, "\r\n", 2);
		at += 2;
	}
	memcpy(buf + at, "0\r\n\r\n", 5);
	h1_body_run(HTTP_BODY_STREAM, 0, NULL, buf, at + 5, 0, &r);
	assert_int_equal(r.verdict, H1_OK);
	assert_int_equal(r.len, n * 0x2000);
	h1_body_result_free(&r);
	free(buf);
}

static void a_counted_body_ends_at_its_length(void **state)
{
	struct h1_body_result r;

	(void)state;
	h1_body_run_all_ways(HTTP_BODY_LENGTH, 5, NULL, "helloGET", 8, &r);
	assert_int_equal(r.verdict, H1_OK);
	assert_int_equal(r.used, 5);
	assert_memory_equal(r.data, "hello", 5);
	h1_body_result_free(&r);
	h1_body_run_all_ways(HTTP_BODY_LENGTH, 9, NULL, "helloGET", 8, &r);
	assert_int_equal(r.verdict, H1_MORE);
	h1_body_result_free(&r);
	h1_body_run_all_ways(HTTP_BODY_NONE, 0, NULL, "GET", 3, &r);
	assert_int_equal(r.verdict, H1_OK);
	assert_int_equal(r.used, 0);
	h1_body_result_free(&r);
}

static void the_end_of_the_connection_ends_what_is_open(void **state)
{
	static const struct {
		enum http_framing framing;
		uint64_t length;
		bool before, after; /* "5\r\nhel" */
	} rows[] = {
		{HTTP_BODY_NONE, 0, true, true},
		{HTTP_BODY_LENGTH, 0, true, true},
		{HTTP_BODY_LENGTH, 6, false, true},
		{HTTP_BODY_LENGTH, 7, false, false},
		{HTTP_BODY_STREAM, 0, false, false},
		{HTTP_BODY_TO_EOF, 0, true, true},
		{HTTP_BODY_TUNNEL, 0, true, true},
	};
	struct h1_piece piece;
	struct h1_body b;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		h1_body_init(&b, rows[i].framing, rows[i].length, &h1_limits_default, NULL);
		assert_int_equal(h1_body_eof(&b), rows[i].before);
		(void)!h1_body_next(&b, "5\r\nhel", 6, &piece);
		assert_int_equal(h1_body_eof(&b), rows[i].after);
	}
}

static void chunk_heads_are_written(void **state)
{
	static const struct {
		uint64_t len;
		const char *text;
	} rows[] = {{1, "1\r\n"}, {15, "f\r\n"}, {16, "10\r\n"}, {255, "ff\r\n"}, {256, "100\r\n"},
		{65536, "10000\r\n"}, {UINT64_MAX, "ffffffffffffffff\r\n"}};
	char buf[H1_CHUNK_HEAD_MAX];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t n = h1_chunk_write(rows[i].len, buf);

		assert_int_equal(n, strlen(rows[i].text));
		assert_memory_equal(buf, rows[i].text, n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_are_taken_apart),
		cmocka_unit_test(chunks_in_doubt_are_refused),
		cmocka_unit_test(every_prefix_of_a_body_wants_more),
		cmocka_unit_test(trailers_are_kept_apart),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(extensions_of_a_body_are_bounded),
		cmocka_unit_test(a_counted_body_ends_at_its_length),
		cmocka_unit_test(the_end_of_the_connection_ends_what_is_open),
		cmocka_unit_test(chunk_heads_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
