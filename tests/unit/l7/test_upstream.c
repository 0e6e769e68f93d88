/* SPDX-License-Identifier: Apache-2.0
 * Pools: who gets a request, what is tried again, limits and queues, outliers, reloads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/http_world.h"

static struct http_world hw;

static const char get[] = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

#define OK      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
#define OK_80   OK "a"
#define OK_81   OK "b"
#define OK_82   OK "c"
#define BAD_503 "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

/* `pool`: what stands in the upstream beside its backends; `route`: in the route. */
static void open_with(const char *pool, const char *route)
{
	char text[2048];

	snprintf(text, sizeof(text),
		"upstreams:\n"
		"  app:\n"
		"    backends: ['198.51.100.11:80', '198.51.100.11:81', '198.51.100.11:82']\n"
		"    connect_timeout: 200ms\n"
		"%s"
		"listeners:\n"
		"  - {name: web, bind: ['192.0.2.80:80'], action: http, routes: [{upstream: "
		"app%s}]}\n",
		pool, route);
	http_world_open(&hw, text);
	http_world_listen(&hw, 81, true);
	http_world_listen(&hw, 82, true);
	hw_reply_of(&hw, 80, OK_80, HW_KEEP);
	hw_reply_of(&hw, 81, OK_81, HW_KEEP);
	hw_reply_of(&hw, 82, OK_82, HW_KEEP);
}

static int close_world(void **state)
{
	(void)state;
	http_world_close(&hw);
	return 0;
}

static void ask_times(struct hw_conn *c, int times)
{
	for (int i = 0; i < times; i++)
		assert_int_equal(hw_status(hw_ask(c, get, 3)), 200);
}

static char body_of(const struct hw_conn *c)
{
	const char *p = strstr(c->text, "\r\n\r\n");

	assert_non_null(p);
	return p[4];
}

static void round_robin_gives_each_its_turn(void **state)
{
	(void)state;
	open_with("    balance: wrr\n", "");
	ask_times(hw_connect(&hw), 30);
	assert_int_equal(hw.port_cnt[0], 10);
	assert_int_equal(hw.port_cnt[1], 10);
	assert_int_equal(hw.port_cnt[2], 10);
	assert_int_equal(hw_pool_stats(&hw)->requests, 30);
	assert_int_equal(hw_pool_stats(&hw)->active, 0);
}

static void a_key_stays_with_its_server(void **state)
{
	struct hw_conn *c;
	uint32_t used = 0;

	(void)state;
	open_with("    balance: maglev\n    key: header\n    key_name: X-Key\n", "");
	c = hw_connect(&hw);
	for (int k = 0; k < 20; k++) {
		char text[128], first = 0;

		snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nx-key: %d\r\n\r\n", k);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(hw_status(hw_ask(c, text, 3)), 200);
			assert_true(first == 0 || first == body_of(c));
			first = body_of(c);
		}
	}
	for (int i = 0; i < 3; i++)
		used += hw.port_cnt[i] > 0;
	assert_true(used >= 2);
}

static void the_quicker_server_gets_more(void **state)
{
	struct hw_conn *c;

	(void)state;
	open_with("    balance: ewma\n", "");
	hw_reply_of(&hw, 80, NULL, HW_SILENT);
	c = hw_connect(&hw);
	for (int i = 0; i < 60; i++) {
		hw_ask(c, get, 3);
		if (c->len > 0)
			continue;
		/* The slow one answers at last. */
		http_world_run(&hw, 50);
		for (uint32_t k = 0; k < hw.server_cnt; k++)
			if (hw.servers[k].port == 80)
				hw_send(&hw.servers[k], OK_80);
		http_world_run(&hw, 3);
		assert_int_equal(hw_status(c->text), 200);
	}
	assert_true(hw.port_cnt[0] < 12);
	assert_true(hw.port_cnt[1] + hw.port_cnt[2] > 48);
	assert_true(hw_server_stats_of(&hw, 0)->latency_ns >
		    10 * hw_server_stats_of(&hw, 1)->latency_ns);
}

static void a_busy_server_is_spared(void **state)
{
	struct hw_conn *busy, *c;

	(void)state;
	open_with("    balance: least_requests\n", "");
	hw_reply_of(&hw, 80, NULL, HW_SILENT);
	/* Eight requests wait at the silent one. */
	for (int i = 0; hw.port_cnt[0] < 4 && i < 40; i++) {
		busy = hw_connect(&hw);
		hw_ask(busy, get, 3);
	}
	c = hw_connect(&hw);
	ask_times(c, 20);
	assert_true(hw.port_cnt[0] <= 6);
}

static void bounded_hash_passes_over_the_full(void **state)
{
	struct hw_conn *c;
	char text[] = "GET /same HTTP/1.1\r\nHost: a\r\n\r\n";

	(void)state;
	open_with("    balance: bounded_hash\n    key: path\n    bound: 125%\n", "");
	for (uint16_t p = 80; p < 83; p++)
		hw_reply_of(&hw, p, NULL, HW_SILENT);
	/* One key, many at once: no server may take more than its bound. */
	for (int i = 0; i < 12; i++) {
		c = hw_connect(&hw);
		hw_ask(c, text, 2);
	}
	for (uint32_t i = 0; i < 3; i++) {
		assert_true(hw_server_stats_of(&hw, i)->active >= 2);
		assert_true(hw_server_stats_of(&hw, i)->active <= 5);
	}
}

static void a_cookie_binds_a_client(void **state)
{
	struct hw_conn *c;
	char cookie[64], text[256], first;
	const char *p;

	(void)state;
	open_with("    balance: wrr\n    sticky_cookie: srv\n", "");
	c = hw_connect(&hw);
	hw_ask(c, get, 3);
	p = strstr(c->text, "srv=");
	assert_non_null(p);
	assert_int_equal(sscanf(p, "%63[^;]", cookie), 1);
	first = body_of(c);
	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: a\r\nCookie: x=y; %s; z=1\r\n\r\n",
		cookie);
	for (int i = 0; i < 6; i++) {
		hw_ask(c, text, 3);
		assert_int_equal(body_of(c), first);
		/* It is told once. */
		assert_null(strstr(c->text, "srv="));
	}
	/* A cookie that names nobody is replaced. */
	hw_ask(c, "GET / HTTP/1.1\r\nHost: a\r\nCookie: srv=0123456789abcdef\r\n\r\n", 3);
	assert_non_null(strstr(c->text, "srv="));
}

/* ---- again ---- */

static void a_refused_request_goes_elsewhere(void **state)
{
	(void)state;
	open_with("    outliers: {failures: 0}\n", ", retries: 2");
	http_world_listen(&hw, 80, false);
	ask_times(hw_connect(&hw), 12);
	assert_int_equal(hw.port_cnt[0], 0);
	assert_true(hw_pool_stats(&hw)->retries >= 4);
	assert_true(hw_server_stats_of(&hw, 0)->refused >= 4);
}

static void a_503_is_tried_elsewhere_if_the_route_says_so(void **state)
{
	struct hw_conn *c;

	(void)state;
	open_with("    outliers: {failures: 0}\n", ", retries: {count: 2, when: [status_503]}");
	hw_reply_of(&hw, 81, BAD_503, HW_KEEP);
	c = hw_connect(&hw);
	ask_times(c, 9);
	/* Not what changes something. */
	for (int i = 0, seen = 0; i < 3; i++) {
		hw_ask(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 3);
		seen += hw_status(c->text) == 503;
		if (i == 2)
			assert_int_equal(seen, 1);
	}
}

static void a_body_is_sent_again(void **state)
{
	struct hw_conn *c;

	(void)state;
	open_with("    outliers: {failures: 0}\n", ", retries: {count: 2, when: [reset]}");
	hw_reply_of(&hw, 80, NULL, HW_RESET);
	hw_reply_of(&hw, 81, NULL, HW_RESET);
	c = hw_connect(&hw);
	for (int i = 0; i < 2; i++) {
		hw_ask(c, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 8);
		assert_int_equal(hw_status(c->text), 200);
		assert_int_equal(body_of(c), 'c');
		hw_ask(c,
			"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
			"5\r\nworld\r\n0\r\n\r\n",
			8);
		assert_int_equal(hw_status(c->text), 200);
	}
	for (uint32_t i = 0; i < hw.server_cnt; i++) {
		assert_true(strstr(hw.servers[i].text, "hello") != NULL ||
			    strstr(hw.servers[i].text, "world") != NULL);
	}
}

static void retries_have_a_budget(void **state)
{
	struct hw_conn *c;
	int bad = 0;

	(void)state;
	open_with("    outliers: {failures: 0}\n    retry: {budget: 10%}\n",
		", retries: {count: 1, when: [status_503]}");
	for (uint16_t p = 80; p < 83; p++)
		hw_reply_of(&hw, p, BAD_503, HW_KEEP);
	c = hw_connect(&hw);
	for (int i = 0; i < 100; i++)
		bad += hw_status(hw_ask(c, get, 3)) == 503;
	assert_int_equal(bad, 100);
	/* Ten to begin with, then one in ten. */
	assert_in_range(hw_pool_stats(&hw)->retries, 15, 22);
	assert_true(hw_pool_stats(&hw)->budget > 70);
}

static void a_silent_server_is_left_after_its_time(void **state)
{
	struct hw_conn *c;

	(void)state;
	open_with("    outliers: {failures: 0}\n",
		", retries: {count: 2, when: [timeout], per_try: 100ms}");
	hw_reply_of(&hw, 80, NULL, HW_SILENT);
	c = hw_connect(&hw);
	for (int i = 0; i < 3; i++)
		assert_int_equal(hw_status(hw_ask(c, get, 130)), 200);
	assert_int_equal(hw_server_stats_of(&hw, 0)->failures, 1);
}

/* ---- outliers ---- */

static void failures_in_a_row_eject(void **state)
{
	struct hw_conn *c;
	uint32_t before;

	(void)state;
	open_with("    outliers: {failures: 3, ejection: 1s}\n", ", retries: 0");
	hw_reply_of(&hw, 80, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", HW_KEEP);
	c = hw_connect(&hw);
	for (int i = 0; i < 9; i++)
		hw_ask(c, get, 3);
	assert_int_equal(hw_server_stats_of(&hw, 0)->ejections, 1);
	assert_int_equal(hw_server_stats_of(&hw, 0)->ejected, 1);
	before = hw.port_cnt[0];
	ask_times(c, 12);
	assert_int_equal(hw.port_cnt[0], before);
	/* Its time is over. */
	hw_reply_of(&hw, 80, OK_80, HW_KEEP);
	http_world_run(&hw, 1000);
	ask_times(c, 6);
	assert_int_equal(hw.port_cnt[0], before + 2);
	assert_int_equal(hw_server_stats_of(&hw, 0)->ejected, 0);
}

static void not_all_are_ejected(void **state)
{
	struct hw_conn *c;

	(void)state;
	open_with("    outliers: {failures: 2, ejection: 10s, max_ejected: 70%}\n", ", retries: 0");
	for (uint16_t p = 80; p < 83; p++)
		hw_reply_of(&hw, p, BAD_503, HW_KEEP);
	c = hw_connect(&hw);
	for (int i = 0; i < 30; i++)
		assert_int_equal(hw_status(hw_ask(c, get, 3)), 503);
	assert_int_equal(hw_server_stats_of(&hw, 0)->ejected + hw_server_stats_of(&hw, 1)->ejected +
				 hw_server_stats_of(&hw, 2)->ejected,
		2);
}

/* ---- limits ---- */

static void a_full_pool_makes_wait(void **state)
{
	struct hw_conn *c[6];

	(void)state;
	open_with(
		"    limits: {connections: 1, pending: 2, queue_timeout: 300ms}\n", ", retries: 0");
	for (uint16_t p = 80; p < 83; p++)
		hw_reply_of(&hw, p, NULL, HW_SILENT);
	for (int i = 0; i < 6; i++) {
		c[i] = hw_connect(&hw);
		hw_ask(c[i], get, 2);
	}
	assert_int_equal(hw_pool_stats(&hw)->pending, 2);
	/* The sixth finds the queue full. */
	assert_int_equal(hw_status(c[5]->text), 503);
	assert_int_equal(hw_pool_stats(&hw)->overflow, 1);
	/* One answer, and the first that waits has its turn. */
	hw_reply_of(&hw, hw.servers[0].port, OK_80, HW_KEEP);
	hw_send(&hw.servers[0], OK_80);
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(c[3]->text), 200);
	assert_int_equal(hw_status(c[4]->text), 200);
	assert_int_equal(hw_pool_stats(&hw)->pending, 0);
	assert_int_equal(hw.server_cnt, 3);
}

static void waiting_has_an_end(void **state)
{
	struct hw_conn *c[4];

	(void)state;
	open_with(
		"    limits: {connections: 1, pending: 2, queue_timeout: 100ms}\n", ", retries: 0");
	for (uint16_t p = 80; p < 83; p++)
		hw_reply_of(&hw, p, NULL, HW_SILENT);
	for (int i = 0; i < 4; i++) {
		c[i] = hw_connect(&hw);
		hw_ask(c[i], get, 2);
	}
	http_world_run(&hw, 120);
	assert_int_equal(hw_status(c[3]->text), 503);
	assert_non_null(strstr(c[3]->text, "queue_timeout"));
	assert_int_equal(hw_pool_stats(&hw)->queue_timeout, 1);
}

static void requests_are_bounded(void **state)
{
	struct hw_conn *c[3];

	(void)state;
	open_with("    limits: {requests: 2}\n", ", retries: 0");
	for (uint16_t p = 80; p < 83; p++)
		hw_reply_of(&hw, p, NULL, HW_SILENT);
	for (int i = 0; i < 3; i++) {
		c[i] = hw_connect(&hw);
		hw_ask(c[i], get, 2);
	}
	assert_int_equal(hw_status(c[2]->text), 503);
	assert_non_null(strstr(c[2]->text, "circuit_open"));
}

static void old_connections_are_not_used(void **state)
{
	struct hw_conn *c;

	(void)state;
	open_with("    keepalive: {idle: 500ms, margin: 100ms}\n", ", retries: 0");
	http_world_listen(&hw, 81, false);
	http_world_listen(&hw, 82, false);
	c = hw_connect(&hw);
	while (hw.port_cnt[0] == 0)
		hw_ask(c, get, 3);
	http_world_run(&hw, 390);
	assert_int_equal(hw_server_stats_of(&hw, 0)->idle, 1);
	http_world_run(&hw, 30);
	assert_int_equal(hw_server_stats_of(&hw, 0)->idle, 0);
	assert_int_equal(hw_server_stats_of(&hw, 0)->expired, 1);
	assert_true(hw.servers[0].eof || hw.servers[0].closed);
}

/* ---- changes ---- */

static void a_removed_server_finishes(void **state)
{
	struct hw_conn *c;
	uint32_t cnt;

	(void)state;
	open_with("    balance: wrr\n", "");
	for (uint16_t p = 80; p < 83; p++)
		hw_reply_of(&hw, p, NULL, HW_SILENT);
	c = hw_connect(&hw);
	hw_ask(c, get, 3);
	http_world_reload(&hw, "upstreams:\n  other: {backends: ['198.51.100.11:82']}\n"
			       "listeners:\n  - {name: web, bind: ['192.0.2.80:80'], action: http, "
			       "routes: [{upstream: other}]}\n");
	/* What began before the change ends as it would have. */
	hw_send(&hw.servers[0], OK_80);
	http_world_run(&hw, 3);
	assert_int_equal(hw_status(c->text), 200);
	http_world_run(&hw, 3);
	assert_true(hw.servers[0].eof || hw.servers[0].closed);
	hw_reply_of(&hw, 82, OK_82, HW_KEEP);
	cnt = hw.port_cnt[2];
	ask_times(c, 4);
	assert_int_equal(hw.port_cnt[2], cnt + 4);
}

static void kept_connections_outlive_a_reload(void **state)
{
	struct hw_conn *c;

	(void)state;
	open_with("    balance: wrr\n", "");
	c = hw_connect(&hw);
	ask_times(c, 3);
	http_world_reload(&hw, "upstreams:\n  app:\n    backends: ['198.51.100.11:80', "
			       "'198.51.100.11:81', '198.51.100.11:82']\n    slow_start: 1s\n"
			       "listeners:\n  - {name: web, bind: ['192.0.2.80:80'], action: http, "
			       "routes: [{upstream: app}]}\n");
	ask_times(c, 3);
	assert_int_equal(hw.server_cnt, 3);
}

static void a_drain_lets_requests_end(void **state)
{
	struct hw_conn *idle, *busy;

	(void)state;
	open_with("", "");
	idle = hw_connect(&hw);
	ask_times(idle, 1);
	for (uint16_t p = 80; p < 83; p++)
		hw_reply_of(&hw, p, NULL, HW_SILENT);
	busy = hw_connect(&hw);
	hw_ask(busy, get, 3);
	app_drain(hw.w.app);
	http_world_run(&hw, 5);
	assert_true(idle->eof);
	assert_false(busy->eof);
	for (uint32_t i = 0; i < hw.server_cnt; i++)
		if (hw.servers[i].conn != TCP_NONE && !hw.servers[i].eof)
			hw_send(&hw.servers[i], OK_80);
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(busy->text), 200);
	assert_non_null(strstr(busy->text, "onnection: close"));
	assert_true(busy->eof);
}

/* ---- twice ---- */

static void a_slow_request_is_hedged(void **state)
{
	struct hw_conn *c;

	(void)state;
	open_with("    balance: wrr\n    outliers: {failures: 0}\n    retry: {hedge: 50ms}\n", "");
	hw_reply_of(&hw, 80, NULL, HW_SILENT);
	c = hw_connect(&hw);
	/* Whoever is asked first, an answer is there soon. */
	for (int i = 0; i < 6; i++)
		assert_int_equal(hw_status(hw_ask(c, get, 60)), 200);
	assert_int_equal(hw.port_cnt[0], 3);
	assert_int_equal(hw_pool_stats(&hw)->retries, 3);
	/* The first answer counts, and the second request is taken back. */
	hw_reply_of(&hw, 81, NULL, HW_SILENT);
	hw_reply_of(&hw, 82, NULL, HW_SILENT);
	hw_ask(c, get, 60);
	assert_int_equal(c->len, 0);
	for (uint32_t i = 0; i < hw.server_cnt; i++)
		if (hw.servers[i].conn != TCP_NONE && !hw.servers[i].eof)
			hw_send(&hw.servers[i], OK_81);
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(c->text), 200);
	assert_int_equal(hw_pool_stats(&hw)->active, 0);
	/* Not what has a body. */
	hw_ask(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 60);
	assert_int_equal(hw_pool_stats(&hw)->active, 1);
}

static void a_hedge_outlives_the_first(void **state)
{
	struct hw_conn *c;

	(void)state;
	open_with("    balance: wrr\n    outliers: {failures: 0}\n    retry: {hedge: 50ms}\n",
		", retries: 0, timeouts: {response: 2s}");
	for (uint16_t p = 80; p < 83; p++)
		hw_reply_of(&hw, p, NULL, HW_SILENT);
	c = hw_connect(&hw);
	hw_ask(c, get, 60);
	assert_int_equal(hw.server_cnt, 2);
	hw_reset(&hw.servers[0]);
	http_world_run(&hw, 5);
	assert_int_equal(c->len, 0);
	hw_send(&hw.servers[1],
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n");
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(c->text), 200);
	/* Both fail: the first one's word is said. */
	hw_ask(c, get, 60);
	for (uint32_t i = 0; i < hw.server_cnt; i++)
		if (hw.servers[i].conn != TCP_NONE)
			hw_reset(&hw.servers[i]);
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(c->text), 502);
	assert_int_equal(hw_pool_stats(&hw)->active, 0);
	/* The client leaves while two are asked. */
	c = hw_connect(&hw);
	hw_ask(c, get, 60);
	hw_reset(c);
	http_world_run(&hw, 5);
	assert_int_equal(hw_pool_stats(&hw)->active, 0);
}

static void a_mirror_is_asked_and_not_heard(void **state)
{
	struct hw_conn *c;

	(void)state;
	http_world_open(&hw, "upstreams:\n  app: {backends: ['198.51.100.11:80']}\n"
			     "  shadow: {backends: ['198.51.100.11:81']}\n"
			     "listeners:\n  - {name: web, bind: ['192.0.2.80:80'], action: http, "
			     "routes: [{upstream: app, mirror: shadow, retries: 0, timeouts: "
			     "{response: 100ms}}]}\n");
	http_world_listen(&hw, 81, true);
	hw_reply_of(&hw, 80, OK_80, HW_KEEP);
	hw_reply_of(&hw, 81, "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\nevil", HW_KEEP);
	c = hw_connect(&hw);
	ask_times(c, 5);
	assert_int_equal(body_of(c), 'a');
	assert_int_equal(hw.port_cnt[0], 5);
	assert_int_equal(hw.port_cnt[1], 5);
	/* It hangs, and nobody waits for it. */
	hw_reply_of(&hw, 81, NULL, HW_SILENT);
	ask_times(c, 3);
	assert_int_equal(hw.port_cnt[1], 8);
	http_world_run(&hw, 150);
}

/* ---- checks over HTTP ---- */

static void http_checks_decide(void **state)
{
	struct hw_conn *c;

	(void)state;
	open_with("    health: {type: http, path: /health, host: app.example, status: 200-299,\n"
		  "      expect: fine, interval: 100ms, timeout: 50ms, rise: 1, fall: 2}\n",
		"");
	/* 80 says so, 81 says something else, 82 fails. */
	hw_reply_of(&hw, 80, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nall: fine", HW_KEEP);
	hw_reply_of(&hw, 81, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nill", HW_KEEP);
	hw_reply_of(&hw, 82, "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nfine", HW_KEEP);
	http_world_run(&hw, 400);
	assert_non_null(
		strstr(hw.servers[0].text, "GET /health HTTP/1.1\r\nHost: app.example\r\n"));
	c = hw_connect(&hw);
	for (int i = 0; i < 4; i++) {
		hw_ask(c, get, 3);
		assert_int_equal(hw_status(c->text), 200);
		assert_non_null(strstr(c->text, "all: fine"));
	}
	/* It falls silent, and 82 comes back, in chunks. */
	hw_reply_of(&hw, 80, NULL, HW_SILENT);
	hw_reply_of(&hw, 82, "HTTP/1.1 204 OK\r\n\r\n", HW_KEEP);
	http_world_run(&hw, 400);
	assert_int_equal(hw_status(hw_ask(c, get, 3)), 503);
	hw_reply_of(&hw, 82,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		"2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n",
		HW_KEEP);
	http_world_run(&hw, 400);
	assert_int_equal(hw_status(hw_ask(c, get, 3)), 200);
}

#define T(f) cmocka_unit_test_teardown(f, close_world)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(round_robin_gives_each_its_turn),
		T(a_key_stays_with_its_server),
		T(the_quicker_server_gets_more),
		T(a_busy_server_is_spared),
		T(bounded_hash_passes_over_the_full),
		T(a_cookie_binds_a_client),
		T(a_refused_request_goes_elsewhere),
		T(a_503_is_tried_elsewhere_if_the_route_says_so),
		T(a_body_is_sent_again),
		T(retries_have_a_budget),
		T(a_silent_server_is_left_after_its_time),
		T(failures_in_a_row_eject),
		T(not_all_are_ejected),
		T(a_full_pool_makes_wait),
		T(waiting_has_an_end),
		T(requests_are_bounded),
		T(old_connections_are_not_used),
		T(a_removed_server_finishes),
		T(kept_connections_outlive_a_reload),
		T(a_drain_lets_requests_end),
		T(http_checks_decide),
		T(a_slow_request_is_hedged),
		T(a_hedge_outlives_the_first),
		T(a_mirror_is_asked_and_not_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
