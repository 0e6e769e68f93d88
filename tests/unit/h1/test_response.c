/* SPDX-License-Identifier: Apache-2.0
 * Responses: what is accepted, how its body is framed, what the client gets, what is refused. Every
 * row in one piece, cut at every byte and byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/h1_run.h"

#define OK "HTTP/1.1 200 OK\r\n"

static void run(
	const char *bytes, uint32_t len, enum http_method m, bool upgrade, struct h1_result *r)
{
	const struct h1_case c = {
		.kind = H1_RESPONSE, .bytes = bytes, .len = len, .method = m, .upgrade = upgrade};

	h1_run_all_ways(&c, r);
}

/* ---- refused ---- */

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
	BAD("9112 4", "\r\nHTTP/1.1 200 OK\r\n\r\n", VERSION),
	BAD("9112 2.3", "http/1.1 200 OK\r\n\r\n", VERSION),
	BAD("9112 2.3", "ICY 200 OK\r\n\r\n", VERSION),
	BAD("9112 2.3", "HTTP/1.1\t200 OK\r\n\r\n", VERSION),
	BAD("9112 2.3", "HTTP/1.1\r\n\r\n", VERSION),
	BAD("9112 2.3", "HTTP/1.1\n", BARE_LF),
	BAD("9110 2.5", "HTTP/2.0 200 OK\r\n\r\n", VERSION_OTHER),
	BAD("9110 2.5", "HTTP/0.9 200 OK\r\n\r\n", VERSION_OTHER),
	BAD("9112 4", "HTTP/1.1  200 OK\r\n\r\n", STATUS),
	BAD("9112 4", "HTTP/1.1 20 OK\r\n\r\n", STATUS),
	BAD("9112 4", "HTTP/1.1 2000 OK\r\n\r\n", STATUS),
	BAD("9112 4", "HTTP/1.1 2x0 OK\r\n\r\n", STATUS),
	BAD("9112 4", "HTTP/1.1 +20 OK\r\n\r\n", STATUS),
	BAD("9112 4", "HTTP/1.1 \r\n\r\n", STATUS),
	BAD("9110 15", "HTTP/1.1 000 X\r\n\r\n", STATUS),
	BAD("9110 15", "HTTP/1.1 099 X\r\n\r\n", STATUS),
	BAD("9110 15", "HTTP/1.1 600 X\r\n\r\n", STATUS),
	BAD("9110 15", "HTTP/1.1 999 X\r\n\r\n", STATUS),
	BAD("9112 4", "HTTP/1.1 200\tOK\r\n\r\n", STATUS),
	BAD("9112 4", "HTTP/1.1 200 O\0K\r\n\r\n", REASON),
	BAD("9112 4", "HTTP/1.1 200 O\x1bK\r\n\r\n", REASON),
	BAD("9112 2.2", "HTTP/1.1 200 OK\n\r\n", BARE_LF),
	BAD("9112 2.2", "HTTP/1.1 200\n\r\n", BARE_LF),
	BAD("9112 2.2", "HTTP/1.1 200 OK\rX\r\n\r\n", BARE_CR),
	BAD("9112 2.2", "HTTP/1.1 200\rX\r\n\r\n", BARE_CR),
	BAD("9112 2.2", OK " A: b\r\n\r\n", BLANK_FIRST),
	BAD("9112 5.2", OK "A: b\r\n c\r\n\r\n", FOLD),
	BAD("9112 5.2", OK "Set-Cookie: a=b;\r\n\tsecure\r\n\r\n", FOLD),
	BAD("9112 2.2", OK "A: b\nC: d\r\n\r\n", BARE_LF),
	BAD("9112 2.2", OK "A: b\rC: d\r\n\r\n", BARE_CR),
	BAD("9112 2.2", OK "A: b\r\n\n", BARE_LF),
	BAD("9110 5.5", OK "A: b\0\r\n\r\n", VALUE),
	BAD("9110 5.1", OK ": b\r\n\r\n", NAME),
	BAD("9110 5.1", OK "A=b\r\n\r\n", NAME),
	BAD("9112 5", OK "A\r\n\r\n", NO_COLON),
	BAD("9112 5.1", OK "A b: c\r\n\r\n", NAME_BLANK),
	BAD("9112 5.1", OK "A b : c\r\n\r\n", NAME_BLANK),
	BAD("9112 5.1", OK "A \r\n\r\n", NAME_BLANK),
	BAD("9112 6.3", OK "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", LENGTH_AND_TE),
	BAD("9112 6.3", OK "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", LENGTH_AND_TE),
	BAD("9112 6.3", OK "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", LENGTH_TWICE),
	BAD("9112 6.3", OK "Content-Length: 1, 2\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", OK "Content-Length: 1,\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", OK "Content-Length: ,1\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", OK "Content-Length:\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", OK "Content-Length: -1\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", OK "Content-Length: 1 1\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", OK "Content-Length: 0x10\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", OK "Content-Length: 9223372036854775808\r\n\r\n", LENGTH_INVALID),
	BAD("9112 6.3", OK "Transfer-Encoding: gzip\r\n\r\n", TE_INVALID),
	BAD("9112 6.3", OK "Transfer-Encoding: identity\r\n\r\n", TE_INVALID),
	BAD("9112 6.3", OK "Transfer-Encoding: chunked, chunked\r\n\r\n", TE_INVALID),
	BAD("9112 6.1", OK "Transfer-Encoding: gzip, chunked\r\n\r\n", TE_UNKNOWN),
	BAD("9112 6.1", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", TE_VERSION),
	BAD("9110 15.2", "HTTP/1.0 100 Continue\r\n\r\n", STATUS),
	BAD("9110 7.8", "HTTP/1.1 101 X\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\n", UPGRADE),
	BAD("9110 7.6.1", OK "Connection: cache-control\r\n\r\n", CONNECTION_ESSENTIAL),
	BAD("9110 7.6.1", OK "Connection: Set-Cookie\r\n\r\n", CONNECTION_ESSENTIAL),
	BAD("9110 7.6.1", OK "Connection: a b\r\n\r\n", CONNECTION),
};
/* clang-format on */

static void what_has_two_readings_is_refused(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct h1_result r;

		run(bad[i].bytes, bad[i].len, HTTP_GET, false, &r);
		if (r.verdict != H1_BAD || r.error != bad[i].error)
			print_error("RFC %s: %s: verdict %d, %s\n", bad[i].source, bad[i].bytes,
				(int)r.verdict, h1_error_word(r.error));
		assert_int_equal(r.verdict, H1_BAD);
		assert_int_equal(r.error, bad[i].error);
		h1_result_free(&r);
	}
}

/* 101 needs all of: an upgrade that was asked for, both fields, and no HTTP in them. */
static void switching_needs_all_that_belongs_to_it(void **state)
{
	static const char *const not_so[] = {
		"HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n",
		"HTTP/1.1 101 X\r\nConnection: upgrade\r\n\r\n",
		"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
		"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: a b\r\n\r\n",
		"HTTP/1.1 101 X\r\n\r\n",
	};
	static const char so[] =
		"HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nmore";
	struct h1_result r;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(not_so); i++) {
		run(not_so[i], (uint32_t)strlen(not_so[i]), HTTP_GET, true, &r);
		assert_int_equal(r.verdict, H1_BAD);
		assert_int_equal(r.error, H1_ERR_UPGRADE);
		h1_result_free(&r);
	}
	run(so, sizeof(so) - 1, HTTP_GET, true, &r);
	assert_int_equal(r.verdict, H1_OK);
	assert_int_equal(r.head_len, sizeof(so) - 5);
	assert_int_equal(r.head.framing, HTTP_BODY_TUNNEL);
	assert_true(r.head.upgrade);
	assert_false(r.head.keep_alive);
	h1_result_free(&r);
}

static void an_upgrade_agrees_with_what_was_offered(void **state)
{
	struct http_head *req = calloc(1, sizeof(*req)), *resp = calloc(1, sizeof(*resp));

	(void)state;
	assert_non_null(req);
	assert_non_null(resp);
	assert_false(h1_upgrade_agrees(req, resp));
	assert_int_equal(http_head_add(req, HTTP_FIELD_UPGRADE, SPAN("websocket, foo/2")), 0);
	assert_false(h1_upgrade_agrees(req, resp));
	assert_int_equal(http_head_add(resp, HTTP_FIELD_UPGRADE, SPAN("WebSocket")), 0);
	assert_true(h1_upgrade_agrees(req, resp));
	assert_int_equal(http_head_add(resp, HTTP_FIELD_UPGRADE, SPAN("foo")), 0);
	assert_false(h1_upgrade_agrees(req, resp));
	free(req);
	free(resp);
}

/* ---- framing, RFC 9112 6.3 by its numbers ---- */

struct framed {
	const char *rule, *bytes;
	enum http_method method;
	enum http_framing framing;
	uint64_t length;
	bool keep_alive;
};

/* clang-format off */
static const struct framed framed[] = {
	{"(1) HEAD", OK "Content-Length: 5\r\n\r\n", HTTP_HEAD, HTTP_BODY_NONE, 0, true},
	{"(1) HEAD", OK "Transfer-Encoding: chunked\r\n\r\n", HTTP_HEAD, HTTP_BODY_NONE, 0, true},
	{"(1) HEAD", OK "\r\n", HTTP_HEAD, HTTP_BODY_NONE, 0, true},
	{"(1) 100", "HTTP/1.1 100 Continue\r\n\r\n", HTTP_GET, HTTP_BODY_NONE, 0, true},
	{"(1) 103", "HTTP/1.1 103 X\r\nLink: </a>\r\n\r\n", HTTP_GET, HTTP_BODY_NONE, 0, true},
	{"(1) 103, RFC 9110 8.6", "HTTP/1.1 103 X\r\nContent-Length: 5\r\n\r\n", HTTP_GET,
		HTTP_BODY_NONE, 0, false},
	{"(1) 204", "HTTP/1.1 204 X\r\n\r\n", HTTP_GET, HTTP_BODY_NONE, 0, true},
	{"(1) 204", "HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n", HTTP_GET, HTTP_BODY_NONE, 0, true},
	{"(1) 204, RFC 9110 8.6", "HTTP/1.1 204 X\r\nContent-Length: 5\r\n\r\n", HTTP_GET,
		HTTP_BODY_NONE, 0, false},
	{"(1) 204, 6.1", "HTTP/1.1 204 X\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET,
		HTTP_BODY_NONE, 0, false},
	{"(1) 304", "HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", HTTP_GET, HTTP_BODY_NONE, 0, true},
	{"(1) 304", "HTTP/1.1 304 X\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET, HTTP_BODY_NONE, 0,
		true},
	{"(2) CONNECT", OK "Content-Length: 5\r\n\r\n", HTTP_CONNECT, HTTP_BODY_TUNNEL, 0, false},
	{"(2) CONNECT refused", "HTTP/1.1 403 X\r\nContent-Length: 5\r\n\r\n", HTTP_CONNECT,
		HTTP_BODY_LENGTH, 5, true},
	{"(4) chunked", OK "Transfer-Encoding: Chunked\r\n\r\n", HTTP_GET, HTTP_BODY_STREAM, 0, true},
	{"(5) the same twice", OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", HTTP_GET,
		HTTP_BODY_LENGTH, 5, true},
	{"(5) the same in a list", OK "Content-Length: 5, 05 ,5\r\n\r\n", HTTP_GET, HTTP_BODY_LENGTH, 5,
		true},
	{"(6)", OK "Content-Length: 5\r\n\r\n", HTTP_GET, HTTP_BODY_LENGTH, 5, true},
	{"(6)", OK "Content-Length: 0\r\n\r\n", HTTP_GET, HTTP_BODY_NONE, 0, true},
	{"(8)", OK "\r\n", HTTP_GET, HTTP_BODY_TO_EOF, 0, false},
	{"(8)", OK "Connection: keep-alive\r\n\r\n", HTTP_GET, HTTP_BODY_TO_EOF, 0, false},
	{"(8)", "HTTP/1.1 205 X\r\n\r\n", HTTP_GET, HTTP_BODY_TO_EOF, 0, false},
	{"9.3", "HTTP/1.0 200 X\r\nContent-Length: 5\r\n\r\n", HTTP_GET, HTTP_BODY_LENGTH, 5, false},
	{"9.3", "HTTP/1.0 200 X\r\nConnection: Keep-Alive\r\nContent-Length: 5\r\n\r\n", HTTP_GET,
		HTTP_BODY_LENGTH, 5, true},
	{"9.3", OK "Connection: x, CLOSE, keep-alive\r\nContent-Length: 5\r\n\r\n", HTTP_GET,
		HTTP_BODY_LENGTH, 5, false},
	{"4: no space before no reason", "HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", HTTP_GET,
		HTTP_BODY_LENGTH, 5, true},
	{"5.1: blanks before the colon are taken out", OK "Content-Length \t: 5\r\n\r\n", HTTP_GET,
		HTTP_BODY_LENGTH, 5, true},
	{"6.1: named by Connection, still framing", OK
		"Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET,
		HTTP_BODY_STREAM, 0, true},
};
/* clang-format on */

static void the_body_is_framed_by_the_rules(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(framed); i++) {
		const struct framed *f = &framed[i];
		struct h1_result r;

		run(f->bytes, (uint32_t)strlen(f->bytes), f->method, false, &r);
		if (r.verdict != H1_OK || r.head.framing != f->framing ||
			r.head.length != f->length || r.head.keep_alive != f->keep_alive)
			print_error("%s: %s: %s\n%s", f->rule, f->bytes, h1_error_word(r.error),
				r.verdict == H1_OK ? h1_dump(&r.head) : "");
		assert_int_equal(r.verdict, H1_OK);
		assert_int_equal(r.head_len, strlen(f->bytes));
		assert_int_equal(r.head.framing, f->framing);
		assert_int_equal(r.head.length, f->length);
		assert_int_equal(r.head.keep_alive, f->keep_alive);
		h1_result_free(&r);
	}
}

/* ---- what the client gets ---- */

struct written {
	const char *source, *in;
	enum http_method method;
	uint8_t version; /* of the client */
	bool keep_alive;
	const char *out;
	enum http_framing framing;
};

/* clang-format off */
static const struct written written[] = {
	{"9112 2.3: our version and reason", "HTTP/1.0 200 Fine\r\nContent-Length: 5\r\nA:b\r\n\r\n",
		HTTP_GET, 11, true, OK "A: b\r\nContent-Length: 5\r\n\r\n", HTTP_BODY_LENGTH},
	{"9112 4: the space before no reason", "HTTP/1.1 299\r\nContent-Length: 0\r\n\r\n", HTTP_GET, 11,
		true, "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n", HTTP_BODY_NONE},
	{"9112 9.6", OK "Content-Length: 5\r\nConnection: keep-alive\r\nKeep-Alive: x\r\n\r\n", HTTP_GET,
		11, false, OK "Content-Length: 5\r\nConnection: close\r\n\r\n", HTTP_BODY_LENGTH},
	{"9112 C.2.2", OK "Content-Length: 5\r\n\r\n", HTTP_GET, 10, true,
		OK "Content-Length: 5\r\nConnection: keep-alive\r\n\r\n", HTTP_BODY_LENGTH},
	{"9112 7.1", OK "Transfer-Encoding: chunked\r\n\r\n", HTTP_GET, 11, true,
		OK "Transfer-Encoding: chunked\r\n\r\n", HTTP_BODY_STREAM},
	{"9112 6.1: HTTP/1.0 knows no chunks", OK "Transfer-Encoding: chunked\r\n\r\n", HTTP_GET, 10,
		true, OK "Connection: close\r\n\r\n", HTTP_BODY_TO_EOF},
	{"9112 6.3: an end that can be seen", OK "\r\n", HTTP_GET, 11, true,
		OK "Transfer-Encoding: chunked\r\n\r\n", HTTP_BODY_STREAM},
	{"9112 6.3 (8)", OK "\r\n", HTTP_GET, 10, true, OK "Connection: close\r\n\r\n",
		HTTP_BODY_TO_EOF},
	{"9110 8.6: HEAD", OK "A: b\r\nContent-Length: 5\r\n\r\n", HTTP_HEAD, 11, true,
		OK "A: b\r\nContent-Length: 5\r\n\r\n", HTTP_BODY_NONE},
	{"9110 9.3.2: HEAD", OK "Transfer-Encoding: chunked\r\n\r\n", HTTP_HEAD, 11, true,
		OK "\r\n", HTTP_BODY_NONE},
	{"9110 15.4.5", "HTTP/1.1 304 X\r\nContent-Length: 5, 5\r\nETag: \"a\"\r\n\r\n", HTTP_GET, 11,
		true, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: \"a\"\r\n\r\n",
		HTTP_BODY_NONE},
	{"9110 8.6", "HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n", HTTP_GET, 11, true,
		"HTTP/1.1 204 No Content\r\n\r\n", HTTP_BODY_NONE},
	{"9110 15.2", "HTTP/1.1 103 X\r\nLink: </a>\r\nConnection: x\r\n\r\n", HTTP_GET, 11, false,
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", HTTP_BODY_NONE},
	{"9110 7.8: 426", "HTTP/1.1 426 X\r\nUpgrade: a\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n",
		HTTP_GET, 11, true,
		"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nUpgrade: a\r\n"
		"Connection: upgrade\r\n\r\n", HTTP_BODY_NONE},
	{"9112 5.1", OK "Server : x\r\nContent-Length: 5\r\n\r\n", HTTP_GET, 11, true,
		OK "Server: x\r\nContent-Length: 5\r\n\r\n", HTTP_BODY_LENGTH},
	{"9110 7.6.1", OK "X: 1\r\nProxy-Authenticate: b\r\nY: 2\r\nConnection: x, proxy-authenticate\r\n"
		"Content-Length: 5\r\n\r\n", HTTP_GET, 11, true,
		OK "Y: 2\r\nContent-Length: 5\r\n\r\n", HTTP_BODY_LENGTH},
	{"9110 9.3.6", "HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n", HTTP_CONNECT, 11, true,
		OK "\r\n", HTTP_BODY_TUNNEL},
};
/* clang-format on */

static void what_is_accepted_is_written_in_one_form(void **state)
{
	char buf[4096];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(written); i++) {
		const struct written *w = &written[i];
		struct h1_response_plan plan;
		struct h1_result r;
		int n;

		run(w->in, (uint32_t)strlen(w->in), w->method, false, &r);
		assert_int_equal(r.verdict, H1_OK);
		plan = h1_response_plan(&r.head, w->method, w->version, w->keep_alive);
		n = h1_response_write(&r.head, &plan, w->method, w->version, buf, sizeof(buf) - 1);
		assert_true(n > 0);
		buf[n] = '\0';
		if (strcmp(buf, w->out) != 0)
			print_error("%s\n", w->source);
		assert_string_equal(buf, w->out);
		assert_int_equal(plan.framing, w->framing);
		if (w->framing == HTTP_BODY_TO_EOF || w->framing == HTTP_BODY_TUNNEL)
			assert_false(plan.keep_alive);
		h1_result_free(&r);
	}
}

static void switching_is_written_with_its_fields(void **state)
{
	static const char in[] =
		"HTTP/1.1 101 X\r\nupgrade: websocket\r\nConnection: Upgrade\r\nA: b\r\n\r\n";
	struct h1_response_plan plan;
	struct h1_result r;
	char buf[512];
	int n;

	(void)state;
	run(in, sizeof(in) - 1, HTTP_GET, true, &r);
	plan = h1_response_plan(&r.head, HTTP_GET, 11, true);
	assert_int_equal(plan.framing, HTTP_BODY_TUNNEL);
	n = h1_response_write(&r.head, &plan, HTTP_GET, 11, buf, sizeof(buf) - 1);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_string_equal(buf, "HTTP/1.1 101 Switching Protocols\r\nA: b\r\n"
				 "Upgrade: websocket\r\nConnection: upgrade\r\n\r\n");
	h1_result_free(&r);
}

/* What an action answers by itself: a length for HEAD without a body. */
static void an_answer_to_head_tells_the_length(void **state)
{
	struct http_head *h = calloc(1, sizeof(*h));
	struct h1_response_plan plan;
	char buf[512];
	int n;

	(void)state;
	assert_non_null(h);
	h->status = 200;
	h->framing = HTTP_BODY_LENGTH;
	h->length = 1234;
	plan = h1_response_plan(h, HTTP_HEAD, 11, true);
	assert_int_equal(plan.framing, HTTP_BODY_NONE);
	n = h1_response_write(h, &plan, HTTP_HEAD, 11, buf, sizeof(buf) - 1);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_string_equal(buf, OK "Content-Length: 1234\r\n\r\n");
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_two_readings_is_refused),
		cmocka_unit_test(switching_needs_all_that_belongs_to_it),
		cmocka_unit_test(an_upgrade_agrees_with_what_was_offered),
		cmocka_unit_test(the_body_is_framed_by_the_rules),
		cmocka_unit_test(what_is_accepted_is_written_in_one_form),
		cmocka_unit_test(switching_is_written_with_its_fields),
		cmocka_unit_test(an_answer_to_head_tells_the_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
