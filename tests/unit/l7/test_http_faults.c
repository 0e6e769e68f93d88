/* SPDX-License-Identifier: Apache-2.0
 * Faults of servers and clients, byte by byte: what the other side gets, and the word that says
 * why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <rte_mempool.h>

#include "lb/app_pvt.h"
#include "lb/l7/http/date.h"
#include "tests/support/http_world.h"

static struct http_world hw;

static const char plain[] =
	"upstreams:\n"
	"  app: {backends: ['198.51.100.11:80'], connect_timeout: 200ms, outliers: {failures: 0}}\n"
	"sites:\n"
	"  s:\n"
	"    routes:\n"
	"      - upstream: app\n"
	"        timeouts: {response: 500ms, idle: 500ms, total: 5s}\n"
	"        retries: 0\n"
	"    timeouts: {head: 1s, body: 1s, idle: 3s, send: 1s}\n"
	"    limits: {head: 4KiB, uri: 1KiB, fields: 20, body: 1MiB, min_rate: 0}\n"
	"listeners:\n"
	"  - {name: web, bind: ['192.0.2.80:80'], action: http, site: s}\n";

static const char get[] = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

#define OK_3 "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"

static int open_world(void **state)
{
	(void)state;
	http_world_open(&hw, plain);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	http_world_close(&hw);
	return 0;
}

static uint64_t ended(enum http_end e)
{
	return hw_stats(&hw)->ends[e];
}

/* ---- what goes well ---- */

static void one_request(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, OK_3, HW_KEEP);
	hw_ask(c, get, 5);
	assert_int_equal(hw_status(c->text), 200);
	assert_string_equal(strstr(c->text, "\r\n\r\n"), "\r\n\r\nabc");
	assert_non_null(strstr(hw.servers[0].text, "GET / HTTP/1.1\r\nHost: a.example\r\n"));
	assert_int_equal(ended(HTTP_END_OK), 1);
}

static void connections_are_kept(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, OK_3, HW_KEEP);
	for (int i = 0; i < 10; i++)
		assert_int_equal(hw_status(hw_ask(c, get, 3)), 200);
	assert_int_equal(hw.server_cnt, 1);
	assert_int_equal(hw_server_stats(&hw)->reused, 9);
	assert_int_equal(hw_server_stats(&hw)->idle, 1);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	static const struct hw_reply replies[] = {
		{.text = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"},
		{.text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
			 "chunked\r\n\r\n1\r\n2\r\n0\r\n\r\n"},
		{.text = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3"},
	};
	struct hw_conn *c = hw_connect(&hw);
	const char *p;

	(void)state;
	hw_replies(&hw, replies, 3);
	hw_ask(c,
		"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\n"
		"Content-Length: 5\r\n\r\nhelloGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
		10);
	p = strstr(c->text, "\r\n\r\n1HTTP/1.1 200");
	assert_non_null(p);
	p = strstr(p, "1\r\n2\r\n0\r\n\r\nHTTP/1.1 200");
	assert_non_null(p);
	assert_non_null(strstr(p, "\r\n\r\n3"));
	assert_int_equal(ended(HTTP_END_OK), 3);
}

static void a_head_may_come_byte_by_byte(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, OK_3, HW_KEEP);
	for (size_t i = 0; i < sizeof(get) - 1; i++) {
		hw_send_n(c, get + i, 1);
		http_world_run(&hw, 2);
		/* No stream is held meanwhile. */
		if (i + 2 < sizeof(get))
			assert_int_equal(http_worker_streams(hw_worker(&hw)), 0);
	}
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(c->text), 200);
	/* And so may a response. */
	hw_reply(&hw, NULL, HW_KEEP);
	hw_ask(c, get, 3);
	for (size_t i = 0; i < sizeof(OK_3) - 1; i++) {
		hw_send_n(&hw.servers[0], &OK_3[i], 1);
		http_world_run(&hw, 2);
	}
	assert_int_equal(hw_status(c->text), 200);
	assert_non_null(strstr(c->text, "\r\n\r\nabc"));
}

static void a_large_body_passes_both_ways(void **state)
{
	static char body[300000], text[sizeof(body) + 256];
	struct hw_conn *c = hw_connect(&hw);
	int n;

	(void)state;
	for (size_t i = 0; i < sizeof(body) - 1; i++)
		body[i] = (char)('a' + i % 23);
	n = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s",
		sizeof(body) - 1, body);
	hw_replies(&hw, &(struct hw_reply){.text = text, .len = (uint32_t)n}, 1);
	hw_clear(c);
	hw_send(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 299999\r\n\r\n");
	hw_send(c, body);
	http_world_run(&hw, 200);
	assert_int_equal(hw_status(c->text), 200);
	assert_string_equal(strstr(c->text, "\r\n\r\n") + 4, body);
	assert_string_equal(strstr(hw.servers[0].text, "\r\n\r\n") + 4, body);
}

static void a_client_that_waits_for_100_gets_it(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, OK_3, HW_KEEP);
	hw_ask(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
		3);
	assert_string_equal(c->text, "HTTP/1.1 100 Continue\r\n\r\n");
	hw_ask(c, "hi", 5);
	assert_int_equal(hw_status(c->text), 200);
	assert_null(strstr(hw.servers[0].text, "xpect"));
}

static void early_hints_pass(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw,
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: "
		"</a.css>\r\n\r\n" OK_3,
		HW_KEEP);
	hw_ask(c, get, 5);
	assert_int_equal(strncmp(c->text, "HTTP/1.1 103 ", 13), 0);
	assert_non_null(strstr(c->text, "\r\n\r\nHTTP/1.1 200 OK\r\n"));
	assert_null(strstr(c->text, " 100 "));
	assert_int_equal(ended(HTTP_END_OK), 1);
}

static void old_clients_get_no_1xx(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" OK_3, HW_KEEP);
	hw_ask(c, "GET / HTTP/1.0\r\nHost: a\r\n\r\n", 5);
	assert_int_equal(strncmp(c->text, "HTTP/1.1 200 ", 13), 0);
	assert_null(strstr(c->text, "103"));
}

#define HINT "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
#define TEN  HINT HINT HINT HINT HINT HINT HINT HINT HINT "HTTP/1.1 102 Processing\r\n\r\n"

static uint32_t times(const char *text, const char *what)
{
	uint32_t n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* RFC 9110 6.6.1: who forwards a response without a Date says when it came. */
static void a_date_is_added_where_there_is_none(void **state)
{
	static const char dated[] = "HTTP/1.1 404 No\r\ndate: Sun, 06 Nov 1994 08:49:37 "
				    "GMT\r\nContent-Length: 0\r\n\r\n";
	struct hw_conn *c = hw_connect(&hw);
	const char *date;

	(void)state;
	hw_reply(&hw, HINT OK_3, HW_KEEP);
	hw_ask(c, get, 5);
	assert_int_equal(times(c->text, "\r\ndate: "), 1); /* the final head's */
	date = strstr(c->text, "\r\ndate: ");
	assert_non_null(date);
	assert_true(date > strstr(c->text, " 200 "));
	assert_int_not_equal(http_date_parse((struct span){date + 8, 29}, 0), HTTP_DATE_NONE);
	hw_reply(&hw, dated, HW_KEEP);
	hw_ask(c, get, 5);
	assert_int_equal(times(c->text, "\r\ndate: "), 1);
	assert_int_equal(times(c->text, "\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), 1);
}

static void informational_heads_are_bounded(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, TEN OK_3, HW_KEEP);
	hw_ask(c, get, 5);
	assert_int_equal(times(c->text, "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n"), 9);
	assert_int_equal(times(c->text, "HTTP/1.1 102 "), 1);
	assert_int_equal(times(c->text, "HTTP/1.1 200 OK"), 1);
	hw_reply(&hw, TEN HINT OK_3, HW_KEEP);
	hw_ask(c, get, 5);
	assert_int_equal(times(c->text, " 103 "), 9);
	assert_int_equal(times(c->text, "HTTP/1.1 502 "), 1);
	assert_non_null(strstr(c->text, "too_many_informational"));
	assert_int_equal(times(c->text, " 200 "), 0);
}

static const char asking[] =
	"upstreams:\n"
	"  app: {backends: ['198.51.100.11:80'], connect_timeout: 200ms, outliers: {failures: 0}}\n"
	"sites:\n"
	"  s:\n"
	"    routes: [{upstream: app, expect: forward}]\n"
	"    timeouts: {body: 1s}\n"
	"listeners:\n"
	"  - {name: web, bind: ['192.0.2.80:80'], action: http, site: s}\n";

static int open_asking(void **state)
{
	(void)state;
	http_world_open(&hw, asking);
	return 0;
}

#define ASKS "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"

static void the_backend_gives_leave(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, NULL, HW_SILENT);
	hw_ask(c, ASKS, 50);
	assert_int_equal(c->len, 0);
	assert_non_null(strstr(hw.servers[0].text, "\r\nexpect: 100-continue\r\n"));
	hw_send(&hw.servers[0], "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n");
	http_world_run(&hw, 5);
	assert_int_equal(strncmp(c->text, "HTTP/1.1 100 Continue\r\n", 23), 0);
	/* Once is enough. */
	hw_send(&hw.servers[0], "HTTP/1.1 100 Continue\r\n\r\n");
	http_world_run(&hw, 5);
	assert_int_equal(times(c->text, " 100 "), 1);
	hw_ask(c, "hi", 5);
	assert_non_null(strstr(hw.servers[0].text, "\r\n\r\nhi"));
	hw_send(&hw.servers[0], OK_3);
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(c->text), 200);
	assert_false(c->eof);
}

static void the_backend_refuses_before_the_body(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply_of(&hw, 80, "HTTP/1.1 413 no\r\nContent-Length: 0\r\n\r\n", HW_KEEP);
	hw.of_port[0].early = true;
	hw_ask(c, ASKS, 5);
	assert_int_equal(hw_status(c->text), 413);
	assert_int_equal(times(c->text, " 100 "), 0);
	/* Whether the body follows cannot be known. */
	http_world_run(&hw, 5);
	assert_true(c->eof);
}

static void a_client_need_not_wait(void **state)
{
	struct hw_conn *c = hw_connect(&hw), *d = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, OK_3, HW_KEEP);
	hw_ask(c, ASKS "hi", 5);
	assert_int_equal(hw_status(c->text), 200);
	assert_int_equal(times(c->text, " 100 "), 0);
	/* Nobody says anything: the client's time for its body is over. */
	hw_reply(&hw, NULL, HW_SILENT);
	hw_ask(d, ASKS, 1200);
	assert_int_equal(hw_status(d->text), 408);
}

static void a_tunnel_carries_bytes(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw,
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "
		"websocket\r\n\r\nhi",
		HW_KEEP);
	hw_ask(c,
		"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
		5);
	assert_int_equal(hw_status(c->text), 101);
	assert_non_null(strstr(c->text, "\r\n\r\nhi"));
	hw.reply_cnt = 0;
	hw_clear(&hw.servers[0]);
	hw_ask(c, "\x01\x02 there", 5);
	assert_string_equal(hw.servers[0].text, "\x01\x02 there");
	hw_clear(c);
	hw_send(&hw.servers[0], "back");
	http_world_run(&hw, 5);
	assert_string_equal(c->text, "back");
	hw_fin(&hw.servers[0]);
	http_world_run(&hw, 5);
	assert_true(c->eof);
	assert_int_equal(ended(HTTP_END_OK), 1);
}

static void head_and_304_have_no_body(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", HW_KEEP);
	hw_ask(c, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 5);
	assert_non_null(strstr(c->text, "ontent-"));
	assert_string_equal(strstr(c->text, "\r\n\r\n"), "\r\n\r\n");
	hw_reply(&hw, "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n", HW_KEEP);
	hw_ask(c, get, 5);
	assert_int_equal(hw_status(c->text), 304);
	hw_reply(&hw, OK_3, HW_KEEP);
	assert_int_equal(hw_status(hw_ask(c, get, 5)), 200);
	assert_int_equal(hw.server_cnt, 1);
}

/* ---- servers that fail ---- */

struct fault {
	const char *name, *reply;
	enum hw_then then;
	int status; /* 0: no response begins */
	bool cut;   /* a response begins and does not end */
	enum http_end end;
	const char *detail;
};

#define BEGUN "HTTP/1.1 200 OK\r\n"

static const struct fault faults[] = {
	{"closes at once", NULL, HW_FIN, 502, false, HTTP_END_BACKEND_CLOSED, NULL},
	{"resets at once", NULL, HW_RESET, 502, false, HTTP_END_BACKEND_CLOSED, NULL},
	{"says nothing", NULL, HW_SILENT, 504, false, HTTP_END_BACKEND_TIMEOUT, NULL},
	{"closes within the head", BEGUN "Content-Le", HW_FIN, 502, false,
		HTTP_END_BACKEND_INCOMPLETE, NULL},
	{"resets within the head", BEGUN "Content-Le", HW_RESET, 502, false,
		HTTP_END_BACKEND_INCOMPLETE, NULL},
	{"stalls within the head", BEGUN "Content-Le", HW_SILENT, 504, false,
		HTTP_END_BACKEND_TIMEOUT, NULL},
	{"closes before the body's end", BEGUN "Content-Length: 9\r\n\r\nabc", HW_FIN, 200, true,
		HTTP_END_BACKEND_INCOMPLETE, NULL},
	{"resets before the body's end", BEGUN "Content-Length: 9\r\n\r\nabc", HW_RESET, 200, true,
		HTTP_END_BACKEND_INCOMPLETE, NULL},
	{"stalls before the body's end", BEGUN "Content-Length: 9\r\n\r\nabc", HW_SILENT, 200, true,
		HTTP_END_BACKEND_TIMEOUT, NULL},
	{"closes within chunks", BEGUN "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", HW_FIN,
		200, true, HTTP_END_BACKEND_INCOMPLETE, NULL},
	{"resets a body to the end", BEGUN "\r\nabc", HW_RESET, 200, true,
		HTTP_END_BACKEND_INCOMPLETE, NULL},
	{"sends chunks that are none", BEGUN "Transfer-Encoding: chunked\r\n\r\nxyz\r\nabc",
		HW_KEEP, 200, true, HTTP_END_BACKEND_INVALID, NULL},
	{"sends garbage", "\x16\x03\x01\x02\x00\x01 what?\r\n\r\n", HW_KEEP, 502, false,
		HTTP_END_BACKEND_INVALID, NULL},
	{"says two lengths", BEGUN "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", HW_KEEP,
		502, false, HTTP_END_BACKEND_INVALID, "content_length_twice"},
	{"says length and chunks",
		BEGUN "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", HW_KEEP,
		502, false, HTTP_END_BACKEND_INVALID, "content_length_and_transfer_encoding"},
	{"switches though nobody asked",
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n"
		"Connection: upgrade\r\n\r\n",
		HW_KEEP, 502, false, HTTP_END_BACKEND_INVALID, NULL},
};

static void a_failing_server(void **state)
{
	const struct fault *f = *state;
	struct hw_conn *c = hw_connect(&hw);

	hw_reply(&hw, f->reply, f->then);
	hw_ask(c, get, 700);
	assert_int_equal(hw_status(c->text), f->status);
	assert_int_equal(ended(f->end), 1);
	assert_int_equal(ended(HTTP_END_OK), 0);
	if (f->cut) {
		/* The client cannot take it for complete. */
		assert_true(c->closed && c->why == TCP_END_RESET);
		assert_null(strstr(c->text, "0\r\n\r\n"));
	} else {
		assert_non_null(strstr(c->text, "roxy-"));
		assert_non_null(strstr(c->text, http_end_word(f->end)));
		if (f->detail != NULL)
			assert_non_null(strstr(c->text, f->detail));
		/* And the connection goes on. */
		hw_reply(&hw, OK_3, HW_KEEP);
		assert_int_equal(hw_status(hw_ask(c, get, 10)), 200);
	}
	/* What broke is not used again. */
	assert_true(hw.server_cnt >= (f->cut ? 1u : 2u));
}

static void bytes_behind_a_response_close_the_connection(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, OK_3 "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", HW_KEEP);
	hw_ask(c, get, 5);
	assert_string_equal(strstr(c->text, "\r\n\r\n"), "\r\n\r\nabc");
	hw_reply(&hw, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood", HW_KEEP);
	hw_ask(c, get, 5);
	assert_non_null(strstr(c->text, "good"));
	assert_int_equal(hw.server_cnt, 2);
}

static void unasked_bytes_on_an_idle_connection_close_it(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, OK_3, HW_KEEP);
	hw_ask(c, get, 5);
	hw_send(&hw.servers[0], "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
	http_world_run(&hw, 5);
	assert_int_equal(hw_server_stats(&hw)->unsolicited, 1);
	assert_int_equal(hw_server_stats(&hw)->idle, 0);
	assert_int_equal(hw_status(hw_ask(c, get, 5)), 200);
	assert_int_equal(hw.server_cnt, 2);
}

static void a_kept_connection_that_was_closed_is_tried_anew(void **state)
{
	static const struct hw_reply replies[] = {{.text = OK_3}, {.then = HW_FIN}, {.text = OK_3}};
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_replies(&hw, replies, 3);
	assert_int_equal(hw_status(hw_ask(c, get, 5)), 200);
	/* The route allows no retries: this is none. */
	assert_int_equal(hw_status(hw_ask(c, get, 5)), 200);
	assert_int_equal(hw.server_cnt, 2);
	/* What is not idempotent was sent once and no more. */
	hw_replies(&hw, replies + 1, 2);
	assert_int_equal(
		hw_status(hw_ask(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 5)),
		502);
	assert_int_equal(hw.request_cnt, 1);
}

static void a_refused_connection(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	http_world_listen(&hw, 80, false);
	hw_ask(c, get, 50);
	assert_int_equal(hw_status(c->text), 502);
	assert_non_null(strstr(c->text, "connection_refused"));
	assert_int_equal(ended(HTTP_END_CONNECT_REFUSED), 1);
	assert_int_equal(hw_server_stats(&hw)->refused, 1);
}

static void a_response_before_the_requests_end(void **state)
{
	static const struct hw_reply early = {
		.text = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig",
		.then = HW_FIN,
		.early = true};
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_replies(&hw, &early, 1);
	hw_ask(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\nabc", 5);
	assert_int_equal(hw_status(c->text), 413);
	assert_non_null(strstr(c->text, "\r\n\r\nbig"));
	/* It is not lost though the client goes on sending. */
	hw_send(c, "more and more");
	http_world_run(&hw, 5);
	assert_true(c->eof && !c->closed);
	hw_fin(c);
	http_world_run(&hw, 5);
	assert_int_equal(ended(HTTP_END_OK), 1);
}

/* ---- CONNECT ---- */

static const char tunnels[] =
	"upstreams:\n"
	"  app: {backends: ['198.51.100.11:80'], connect_timeout: 200ms, outliers: {failures: 0}}\n"
	"  gone: {backends: ['198.51.100.11:83'], connect_timeout: 200ms}\n"
	"sites:\n"
	"  s:\n"
	"    routes:\n"
	"      - {upstream: app, match: {prefix: /}}\n"
	"      - {name: none, upstream: gone, match: {host: gone.example},\n"
	"         connect: {allow: 'gone.example:1'}}\n"
	"      - {name: next, upstream: app, match: {host: next.example},\n"
	"         connect: {allow: 'next.example:443', forward: true}}\n"
	"      - {name: db, upstream: app, timeouts: {tunnel: 1s, response: 300ms},\n"
	"         connect: {allow: ['db.example:5432', '*.in.example:*', '[2001:db8::1]:22']}}\n"
	"listeners:\n"
	"  - {name: web, bind: ['192.0.2.80:80'], action: http, site: s}\n";

static int open_tunnels(void **state)
{
	(void)state;
	http_world_open(&hw, tunnels);
	return 0;
}

#define CONNECT(target) "CONNECT " target " HTTP/1.1\r\nHost: " target "\r\n\r\n"

static void connect_joins_client_and_backend(void **state)
{
	struct hw_conn *c = hw_connect(&hw), *other = hw_connect(&hw), *s;

	(void)state;
	/* A connection that is kept for HTTP is not what a tunnel gets. */
	hw_reply(&hw, OK_3, HW_KEEP);
	assert_int_equal(hw_status(hw_ask(other, get, 5)), 200);
	assert_int_equal(hw_server_stats(&hw)->idle, 1);
	hw_reply(&hw, NULL, HW_SILENT);
	hw_ask(c, CONNECT("db.example:5432") "early", 5);
	assert_string_equal(strstr(c->text, "\r\n\r\n"), "\r\n\r\n");
	assert_int_equal(hw_status(c->text), 200);
	assert_null(strstr(c->text, "ontent-"));
	assert_null(strstr(c->text, "ransfer-"));
	assert_int_equal(hw.server_cnt, 2);
	s = &hw.servers[1];
	assert_string_equal(s->text, "early");
	hw_clear(c);
	hw_send(s, "HTTP/1.1 it is not");
	hw_send(c, " and late");
	http_world_run(&hw, 5);
	assert_string_equal(s->text, "early and late");
	assert_string_equal(c->text, "HTTP/1.1 it is not");
	/* One way may end before the other. */
	s->once = false;
	hw_fin(c);
	http_world_run(&hw, 5);
	assert_true(s->eof);
	http_world_run(&hw, 5);
	assert_true(c->eof);
	hw_fin(s);
	http_world_run(&hw, 5);
	assert_int_equal(ended(HTTP_END_OK), 2);
	assert_true(hw_server_stats(&hw)->bytes_out >= 14);
	assert_int_equal(hw_server_stats(&hw)->active, 0);
}

static void connect_goes_to_what_is_allowed(void **state)
{
	static const struct {
		const char *text;
		int status;
	} all[] = {
		{CONNECT("db.example:5433"), 403},
		{CONNECT("other.example:5432"), 403},
		{CONNECT("in.example:1"), 403},
		{CONNECT("xin.example:1"), 403},
		{CONNECT("a.in.example:1"), 200},
		{CONNECT("a.b.in.example:65535"), 200},
		{CONNECT("[2001:db8::1]:22"), 200},
		{CONNECT("[2001:db8::2]:22"), 403},
		{CONNECT("next.example:80"), 403},
		{CONNECT("gone.example:1"), 502},
		{"CONNECT db.example HTTP/1.1\r\nHost: db.example\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\nHost: db.example:5432\r\n\r\n", 200},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct hw_conn *c = hw_connect(&hw);

		if (strncmp(all[i].text, "GET", 3) == 0)
			hw_reply(&hw, OK_3, HW_KEEP);
		assert_int_equal(hw_status(hw_ask(c, all[i].text, 10)), all[i].status);
		hw_reset(c);
		http_world_run(&hw, 5);
	}
}

static void connect_is_passed_to_a_proxy(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, "HTTP/1.1 200 fine\r\nContent-Length: 3\r\n\r\nhello", HW_KEEP);
	hw_ask(c, CONNECT("next.example:443"), 5);
	assert_int_equal(strncmp(hw.servers[0].text,
				 "CONNECT next.example:443 HTTP/1.1\r\n"
				 "Host: next.example:443\r\n",
				 59),
		0);
	/* RFC 9110 9.3.6: no length means anything here. */
	assert_int_equal(hw_status(c->text), 200);
	assert_null(strstr(c->text, "ontent-"));
	assert_string_equal(strstr(c->text, "\r\n\r\n"), "\r\n\r\nhello");
	hw_reset(c);
	http_world_run(&hw, 5);
	/* What is no 2xx is an ordinary response. */
	c = hw_connect(&hw);
	hw_reply(&hw, "HTTP/1.1 403 no\r\nContent-Length: 3\r\n\r\nabc", HW_KEEP);
	hw_ask(c, CONNECT("next.example:443"), 5);
	assert_int_equal(hw_status(c->text), 403);
	assert_string_equal(strstr(c->text, "\r\n\r\n"), "\r\n\r\nabc");
}

static void a_silent_tunnel_ends(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_ask(c, CONNECT("db.example:5432"), 900);
	assert_int_equal(hw_status(c->text), 200);
	hw_send(c, "x");
	http_world_run(&hw, 900);
	assert_false(c->over);
	http_world_run(&hw, 300);
	assert_true(c->closed);
	assert_int_equal(ended(HTTP_END_BACKEND_TIMEOUT), 1);
}

/* ---- clients that fail ---- */

struct bad_request {
	const char *name, *text;
	int status;
	const char *detail;
};

static const struct bad_request bad_requests[] = {
	{"no host", "GET / HTTP/1.1\r\n\r\n", 400, "host_missing"},
	{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "host_twice"},
	{"another version", "GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, NULL},
	{"length and chunks",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: "
		"chunked\r\n\r\n",
		400, "content_length_and_transfer_encoding"},
	{"a coding we do not know",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501,
		NULL},
	{"blank before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, NULL},
	{"bare LF", "GET / HTTP/1.1\nHost: a\n\n", 400, NULL},
	{"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, NULL},
	{"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, NULL},
	{"too long a body", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n", 413,
		NULL},
	{"a chunk that is none",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
		"chunk_size_invalid"},
};

static void a_bad_request(void **state)
{
	const struct bad_request *b = *state;
	struct hw_conn *c = hw_connect(&hw);

	hw_reply(&hw, OK_3, HW_KEEP);
	hw_ask(c, b->text, 5);
	assert_int_equal(hw_status(c->text), b->status);
	if (b->detail != NULL && b->status == 400)
		assert_non_null(strstr(c->text, b->detail));
	assert_int_equal(hw.request_cnt, 0);
	hw_fin(c);
	http_world_run(&hw, 5);
}

static void a_head_that_is_too_long(void **state)
{
	static char text[8000];
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	memcpy(text, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
	hw_ask(c, text, 10);
	assert_int_equal(hw_status(c->text), 431);
	assert_int_equal(ended(HTTP_END_HEAD_TOO_LARGE), 1);
	/* The same in small pieces. */
	c = hw_connect(&hw);
	hw_clear(c);
	for (int i = 0; i < 80 && c->len == 0; i++) {
		hw_send_n(c, text + i * 100, 100);
		http_world_run(&hw, 1);
	}
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(c->text), 431);
}

static void a_client_that_sends_no_head(void **state)
{
	struct hw_conn *c = hw_connect(&hw), *d = hw_connect(&hw);

	(void)state;
	hw_ask(c, "GET / HT", 1200);
	assert_int_equal(hw_status(c->text), 408);
	assert_true(c->eof);
	assert_true(d->eof && d->len == 0);
	assert_int_equal(hw_stats(&hw)->head_timeout, 1);
}

static void a_client_that_sends_no_body(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, OK_3, HW_KEEP);
	hw_ask(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", 1200);
	assert_int_equal(hw_status(c->text), 408);
	assert_int_equal(ended(HTTP_END_REQUEST_TIMEOUT), 1);
	assert_int_equal(hw.request_cnt, 0);
	assert_true(hw.servers[0].closed);
}

static void an_idle_client_is_let_go(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, OK_3, HW_KEEP);
	hw_ask(c, get, 2900);
	assert_false(c->eof);
	http_world_run(&hw, 300);
	assert_true(c->eof);
	assert_int_equal(hw_stats(&hw)->idle_timeout, 1);
}

static void a_client_that_leaves(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, NULL, HW_SILENT);
	hw_ask(c, get, 5);
	hw_reset(c);
	http_world_run(&hw, 5);
	assert_int_equal(ended(HTTP_END_CLIENT_GONE), 1);
	assert_true(hw.servers[0].closed);
	assert_int_equal(http_worker_streams(hw_worker(&hw)), 0);
}

static void a_client_that_leaves_within_its_body(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, OK_3, HW_KEEP);
	hw_ask(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", 5);
	hw_fin(c);
	http_world_run(&hw, 5);
	assert_int_equal(ended(HTTP_END_CLIENT_GONE), 1);
	assert_int_equal(hw_status(c->text), 400);
	assert_true(hw.servers[0].closed);
}

static void a_client_that_says_it_is_its_last_request(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_reply(&hw, OK_3, HW_KEEP);
	hw_clear(c);
	hw_send(c, get);
	hw_fin(c);
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(c->text), 200);
	assert_true(c->eof);
	assert_int_equal(ended(HTTP_END_OK), 1);
}

static void a_client_that_does_not_read(void **state)
{
	static char text[900000];
	struct hw_conn *c = hw_connect(&hw);
	int n = snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: 800000\r\n\r\n");

	(void)state;
	memset(text + n, 'x', 800000);
	hw_replies(&hw, &(struct hw_reply){.text = text, .len = (uint32_t)n + 800000}, 1);
	c->slow = true;
	hw_ask(c, get, 500);
	/* Its window is full, and so is what is held for it: the server waits. */
	assert_true(c->len < 400000);
	assert_non_null(hw.servers[0].out);
	c->slow = false;
	(void)tcp_consumed(c->e, c->conn, c->unread);
	http_world_run(&hw, 300);
	assert_int_equal(c->len, strstr(c->text, "\r\n\r\n") + 4 - c->text + 800000);
	assert_int_equal(ended(HTTP_END_OK), 1);
	/* One that never reads is given up. */
	c = hw_connect(&hw);
	hw_replies(&hw, &(struct hw_reply){.text = text, .len = (uint32_t)n + 800000}, 1);
	c->slow = true;
	hw_ask(c, get, 2500);
	assert_int_equal(hw_stats(&hw)->send_timeout, 1);
	assert_int_equal(http_worker_streams(hw_worker(&hw)), 0);
}

/* ---- bodies of weir itself ---- */

#define OWN_LEN     60000
#define OWN_CLIENTS 70
#define OWN_ASKED   10

static int open_large(void **state)
{
	static char text[2 * OWN_LEN + 1024], body[OWN_LEN + 1];

	(void)state;
	memset(body, 'w', OWN_LEN);
	snprintf(text, sizeof(text),
		"upstreams: {app: {backends: ['198.51.100.11:80']}}\n"
		"sites:\n"
		"  s:\n"
		"    routes:\n"
		"      - {upstream: app, match: {prefix: /app}}\n"
		"      - {match: {path: /none}, respond: {status: 204, body: '%s'}}\n"
		"      - {respond: {status: 200, body: '%s'}}\n"
		"    timeouts: {send: 20s}\n"
		"    limits: {min_rate: 0}\n"
		"listeners: [{name: web, bind: ['192.0.2.80:80'], action: http, site: s}]\n",
		body, body);
	http_world_open(&hw, text);
	return 0;
}

/* They ask for far more than there are buffers, and read nothing. */
static void slow_readers_leave_buffers_to_others(void **state)
{
	struct hw_conn *slow[OWN_CLIENTS], *c = hw_connect(&hw);
	struct rte_mempool *pool = hw.w.app->tcp_pools.data;

	(void)state;
	for (int i = 0; i < OWN_CLIENTS; i++) {
		slow[i] = hw_connect(&hw);
		slow[i]->slow = true;
		for (int k = 0; k < OWN_ASKED; k++)
			hw_send(slow[i], get);
	}
	http_world_run(&hw, 200);
	assert_true(hw_stats(&hw)->buffers_short > 0);
	assert_true(rte_mempool_avail_count(pool) >= pool->size / 5);
	hw_reply(&hw, OK_3, HW_KEEP);
	for (int i = 0; i < 10; i++)
		assert_int_equal(
			hw_status(hw_ask(c, "GET /app HTTP/1.1\r\nHost: a\r\n\r\n", 10)), 200);
	/* Everybody gets everything when the first ones read on. */
	for (int i = 0; i < OWN_CLIENTS; i++) {
		slow[i]->slow = false;
		(void)tcp_consumed(slow[i]->e, slow[i]->conn, slow[i]->unread);
		http_world_run(&hw, 20);
	}
	http_world_run(&hw, 500);
	for (int i = 0; i < OWN_CLIENTS; i++) {
		assert_true(slow[i]->len > OWN_ASKED * OWN_LEN);
		assert_int_equal(times(slow[i]->text, "HTTP/1.1 200 OK"), OWN_ASKED);
		assert_false(slow[i]->over);
	}
	assert_int_equal(ended(HTTP_END_OK), OWN_CLIENTS * OWN_ASKED + 10);
}

static void head_of_a_long_body_has_its_length(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_ask(c, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 5);
	assert_int_equal(hw_status(c->text), 200);
	assert_non_null(strstr(c->text, "Content-Length: 60000\r\n"));
	assert_string_equal(strstr(c->text, "\r\n\r\n"), "\r\n\r\n");
	hw_ask(c, get, 50);
	assert_int_equal(c->len, strstr(c->text, "\r\n\r\n") + 4 - c->text + OWN_LEN);
	/* It goes in the middle of one. */
	c->slow = true;
	for (int i = 0; i < OWN_ASKED; i++)
		hw_send(c, get);
	http_world_run(&hw, 50);
	hw_reset(c);
	http_world_run(&hw, 5);
	assert_int_equal(ended(HTTP_END_CLIENT_GONE), 1);
}

/* RFC 9110 15.3.5 */
static void a_long_body_of_a_204_is_none(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	hw_ask(c, "GET /none HTTP/1.1\r\nHost: a\r\n\r\n", 5);
	assert_int_equal(hw_status(c->text), 204);
	assert_null(strstr(c->text, "ontent-"));
	assert_string_equal(strstr(c->text, "\r\n\r\n"), "\r\n\r\n");
	assert_int_equal(hw_stats(&hw)->body_out, 0);
	hw_ask(c, get, 50);
	assert_int_equal(hw_status(c->text), 200);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)
#define L(f) cmocka_unit_test_setup_teardown(f, open_large, close_world)
#define E(f) cmocka_unit_test_setup_teardown(f, open_asking, close_world)
#define C(f) cmocka_unit_test_setup_teardown(f, open_tunnels, close_world)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(one_request),
		T(connections_are_kept),
		T(pipelined_requests_are_answered_in_order),
		T(a_head_may_come_byte_by_byte),
		T(a_large_body_passes_both_ways),
		T(a_client_that_waits_for_100_gets_it),
		T(early_hints_pass),
		T(old_clients_get_no_1xx),
		T(a_date_is_added_where_there_is_none),
		T(informational_heads_are_bounded),
		E(the_backend_gives_leave),
		E(the_backend_refuses_before_the_body),
		E(a_client_need_not_wait),
		T(a_tunnel_carries_bytes),
		C(connect_joins_client_and_backend),
		C(connect_goes_to_what_is_allowed),
		C(connect_is_passed_to_a_proxy),
		C(a_silent_tunnel_ends),
		T(head_and_304_have_no_body),
		T(bytes_behind_a_response_close_the_connection),
		T(unasked_bytes_on_an_idle_connection_close_it),
		T(a_kept_connection_that_was_closed_is_tried_anew),
		T(a_refused_connection),
		T(a_response_before_the_requests_end),
		T(a_head_that_is_too_long),
		T(a_client_that_sends_no_head),
		T(a_client_that_sends_no_body),
		T(an_idle_client_is_let_go),
		T(a_client_that_leaves),
		T(a_client_that_leaves_within_its_body),
		T(a_client_that_says_it_is_its_last_request),
		T(a_client_that_does_not_read),
		L(slow_readers_leave_buffers_to_others),
		L(head_of_a_long_body_has_its_length),
		L(a_long_body_of_a_204_is_none),
	};
	static struct CMUnitTest more[64];
	uint32_t n = 0;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		more[n++] = (struct CMUnitTest){faults[i].name, a_failing_server, open_world,
			close_world, (void *)(uintptr_t)&faults[i]};
	for (size_t i = 0; i < ARRAY_SIZE(bad_requests); i++)
		more[n++] = (struct CMUnitTest){bad_requests[i].name, a_bad_request, open_world,
			close_world, (void *)(uintptr_t)&bad_requests[i]};
	return failed + _cmocka_run_group_tests("faults", more, n, NULL, NULL);
}
