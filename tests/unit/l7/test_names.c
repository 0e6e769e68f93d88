/* SPDX-License-Identifier: Apache-2.0
 * Names of backends: when they are asked for, what answers change, and what a pool makes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/time.h"
#include "lb/app_pvt.h"
#include "lb/resolve/dns.h"
#include "lb/resolve/resolve.h"
#include "tests/support/config_text.h"
#include "tests/support/http_world.h"

#define SCRIPT_ROWS 8

/* Answers by name and family; `silent`: the question is kept. */
struct row {
	const char *name;
	bool ip4, silent;
	struct resolve_answer a;
	uint32_t asked, token;
};

static struct row script[SCRIPT_ROWS];
static struct resolve *asker;
static struct http_world hw;

static struct row *row_of(const char *name, bool ip4)
{
	for (int i = 0; i < SCRIPT_ROWS; i++) {
		if (script[i].name == NULL) {
			script[i].name = name;
			script[i].ip4 = ip4;
			script[i].a.result = RESOLVE_NO_ADDRESS;
		}
		if (strcmp(script[i].name, name) == 0 && script[i].ip4 == ip4)
			return &script[i];
	}
	fail_msg("no room in the script");
	return NULL;
}

/* "addr addr ..." with a TTL. */
static struct row *say(const char *name, bool ip4, uint32_t ttl_s, const char *addrs)
{
	struct row *r = row_of(name, ip4);
	char text[256], *save, *p;

	r->a = (struct resolve_answer){.result = RESOLVE_OK, .ttl_s = ttl_s};
	snprintf(text, sizeof(text), "%s", addrs);
	for (p = strtok_r(text, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save))
		assert_int_equal(ip_addr_parse(p, &r->a.addrs[r->a.cnt++]), 0);
	return r;
}

static struct row *fail_with(const char *name, bool ip4, enum resolve_result why)
{
	struct row *r = row_of(name, ip4);

	r->a = (struct resolve_answer){.result = why};
	return r;
}

static int script_ask(void *ctx, const char *name, bool ip4, uint32_t token)
{
	struct row *r = row_of(name, ip4);

	(void)ctx;
	r->asked++;
	r->token = token;
	if (r->a.result == RESOLVE_LOCAL)
		return -ENOMEM;
	if (!r->silent)
		resolve_take(asker != NULL ? asker : hw.w.app->resolve, token, &r->a);
	return 0;
}

static void script_run(void *ctx)
{
	(void)ctx;
}

static const struct resolve_io script_io = {.ask = script_ask, .run = script_run};

/* ---- the resolver alone ---- */

static struct config *cfg;
static uint64_t now;

static void watch(const char *resolver, const char *backends)
{
	char text[1024], *said;

	snprintf(text, sizeof(text),
		"ports: [{device: net_null0, addresses: [198.51.100.1/24, '2001:db8:2::1/64']}]\n"
		"workers: {count: 1}\nmemory: {hugepages: false}\n"
		"resolver: {%s}\nupstreams: {app: {backends: [%s]}}\n",
		resolver, backends);
	config_free(cfg);
	cfg = config_text_parse(text, &said);
	if (cfg == NULL)
		fail_msg("%s", said);
	free(said);
	if (asker == NULL) {
		assert_int_equal(resolve_create(&asker), 0);
		resolve_set_io(asker, &script_io);
		now = NS_PER_SEC;
	}
	assert_int_equal(resolve_watch(asker, cfg, now), 0);
}

static bool run(double s)
{
	now += (uint64_t)(s * 1e9);
	return resolve_run(asker, now);
}

static int begin(void **state)
{
	(void)state;
	memset(script, 0, sizeof(script));
	return 0;
}

static int done(void **state)
{
	(void)state;
	resolve_destroy(asker);
	config_free(cfg);
	asker = NULL;
	cfg = NULL;
	return 0;
}

static void an_answer_holds_for_its_ttl(void **state)
{
	struct row *v4 = say("a.example", true, 10, "198.51.100.12 198.51.100.11"),
		   *v6 = say("a.example", false, 20, "2001:db8:2::11");
	struct resolved_name n;

	(void)state;
	watch("min_ttl: 1s, max_ttl: 60s", "A.Example:80");
	assert_false(resolve_find(asker, "a.example").asked);
	assert_true(run(0));
	n = resolve_find(asker, "a.example");
	assert_true(n.asked);
	assert_int_equal(n.cnt, 3);
	/* In an order of their own, whatever the server's was. */
	assert_int_equal(n.addrs[0].b[15], 11);
	assert_int_equal(n.addrs[1].b[15], 12);
	assert_int_equal(v4->asked, 1);
	assert_false(run(9.9));
	assert_int_equal(v4->asked, 1);
	say("a.example", true, 10, "198.51.100.11 198.51.100.12");
	assert_false(run(0.1));
	assert_int_equal(v4->asked, 2);
	assert_int_equal(v6->asked, 1);
	say("a.example", true, 10, "198.51.100.13");
	assert_true(run(10));
	assert_int_equal(v6->asked, 2);
	n = resolve_find(asker, "a.example");
	assert_int_equal(n.cnt, 2);
	assert_int_equal(n.addrs[0].b[15], 13);
	assert_int_equal(resolve_stats(asker)->changes, 3);
}

static void a_ttl_has_bounds(void **state)
{
	struct row *a = say("a.example", true, 0, "198.51.100.11"),
		   *b = say("b.example", true, 4000000000u, "198.51.100.12");

	(void)state;
	watch("min_ttl: 2s, max_ttl: 5s, family: ipv4", "a.example, b.example");
	run(0);
	run(1.9);
	assert_int_equal(a->asked, 1);
	run(0.1);
	assert_int_equal(a->asked, 2);
	run(2.9);
	assert_int_equal(b->asked, 1);
	run(0.1);
	assert_int_equal(b->asked, 2);
	assert_int_equal(row_of("a.example", false)->asked, 0);
}

static void a_failure_keeps_what_is_known(void **state)
{
	struct row *r = say("a.example", true, 1, "198.51.100.11");
	uint32_t asked;

	(void)state;
	watch("retry: 1s, retry_max: 8s, family: ipv4", "a.example");
	run(0);
	for (int why = RESOLVE_FAILED; why <= RESOLVE_LOCAL; why++) {
		fail_with("a.example", true, (enum resolve_result)why);
		assert_false(run(8));
	}
	assert_int_equal(resolve_find(asker, "a.example").cnt, 1);
	assert_int_equal(resolve_stats(asker)->stale, 4);
	assert_int_equal(resolve_stats(asker)->by_result[RESOLVE_TIMEOUT], 1);
	/* Eight seconds is the most, however long it goes on. */
	asked = r->asked;
	for (int i = 0; i < 160; i++)
		run(1);
	assert_int_equal(r->asked - asked, 20);
	say("a.example", true, 1, "198.51.100.11");
	assert_false(run(8));
	assert_int_equal(resolve_find(asker, "a.example").cnt, 1);
}

static void the_pause_grows(void **state)
{
	struct row *r = fail_with("a.example", true, RESOLVE_FAILED);
	static const double at[] = {1, 2, 4, 8, 8};

	(void)state;
	watch("retry: 1s, retry_max: 8s, family: ipv4", "a.example");
	/* The first result is news, although it brings nothing. */
	assert_true(run(0));
	assert_true(resolve_find(asker, "a.example").asked);
	for (uint32_t i = 0; i < ARRAY_SIZE(at); i++) {
		run(at[i] - 0.01);
		assert_int_equal(r->asked, i + 1);
		run(0.01);
		assert_int_equal(r->asked, i + 2);
	}
}

static void no_such_name_takes_effect_later(void **state)
{
	(void)state;
	say("a.example", true, 1, "198.51.100.11");
	watch("retry: 1s, retry_max: 4s, hold: 10s, family: ipv4", "a.example");
	run(0);
	fail_with("a.example", true, RESOLVE_NO_NAME);
	run(1);
	for (int i = 0; i < 99; i++)
		assert_false(run(0.1));
	assert_int_equal(resolve_find(asker, "a.example").cnt, 1);
	assert_true(run(0.1));
	assert_int_equal(resolve_find(asker, "a.example").cnt, 0);
	say("a.example", true, 1, "198.51.100.12");
	assert_true(run(4));
	assert_int_equal(resolve_find(asker, "a.example").cnt, 1);
}

static void addresses_are_bounded(void **state)
{
	(void)state;
	say("a.example", true, 1, "198.51.100.13 198.51.100.12 198.51.100.12 198.51.100.11");
	watch("max_addresses: 2, family: ipv4", "a.example");
	run(0);
	assert_int_equal(resolve_find(asker, "a.example").cnt, 2);
	assert_int_equal(resolve_find(asker, "a.example").addrs[1].b[15], 12);
}

static void an_answer_to_nobody_is_dropped(void **state)
{
	struct row *r = say("a.example", true, 1, "198.51.100.11");
	struct row *b = say("b.example", true, 1, "198.51.100.12");

	(void)state;
	r->silent = true;
	watch("family: ipv4", "a.example");
	run(0);
	assert_int_equal(r->asked, 1);
	/* One question is enough, however long it takes. */
	run(100);
	assert_int_equal(r->asked, 1);
	watch("family: ipv4", "b.example");
	resolve_take(asker, r->token, &r->a);
	assert_int_equal(resolve_find(asker, "a.example").cnt, 0);
	assert_true(run(1));
	assert_int_equal(resolve_find(asker, "b.example").cnt, 1);
	/* Who asks is replaced: what was asked is asked again. */
	b->silent = true;
	run(1);
	assert_int_equal(b->asked, 2);
	resolve_set_io(asker, &script_io);
	run(0);
	assert_int_equal(b->asked, 3);
}

static void a_family_may_be_left_out(void **state)
{
	struct row *v6 = say("a.example", false, 100, "2001:db8:2::11");

	(void)state;
	say("a.example", true, 100, "198.51.100.11");
	watch("family: any", "a.example");
	run(0);
	assert_int_equal(resolve_find(asker, "a.example").cnt, 2);
	watch("family: ipv4", "a.example");
	assert_true(run(0));
	assert_int_equal(resolve_find(asker, "a.example").cnt, 1);
	/* Wanted again it does not wait for the end of a TTL. */
	v6->silent = true;
	watch("family: any", "a.example");
	run(1);
	assert_int_equal(v6->asked, 2);
	assert_false(resolve_find(asker, "a.example").asked);
	/* What was asked before it was left out is of no use. */
	watch("family: ipv4", "a.example");
	resolve_take(asker, v6->token, &v6->a);
	assert_false(run(0));
	assert_int_equal(resolve_find(asker, "a.example").cnt, 1);
}

static void names_come_in_any_order(void **state)
{
	(void)state;
	say("a.example", true, 100, "198.51.100.11");
	say("b.example", true, 100, "198.51.100.12");
	say("c.example", true, 100, "198.51.100.13");
	say("d.example", true, 100, "198.51.100.14");
	watch("family: ipv4", "c.example, a.example, d.example");
	run(0);
	assert_int_equal(resolve_find(asker, "a.example").addrs[0].b[15], 11);
	assert_int_equal(resolve_find(asker, "b.example").cnt, 0);
	assert_int_equal(resolve_find(asker, "c.example").addrs[0].b[15], 13);
	watch("family: ipv4", "d.example, b.example, a.example");
	run(0);
	assert_int_equal(resolve_find(asker, "a.example").addrs[0].b[15], 11);
	assert_int_equal(resolve_find(asker, "b.example").addrs[0].b[15], 12);
	assert_int_equal(resolve_find(asker, "c.example").cnt, 0);
	assert_int_equal(resolve_find(asker, "d.example").addrs[0].b[15], 14);
	assert_int_equal(row_of("d.example", true)->asked, 1);
}

/* Asked in earnest; nobody is at that port, and "localhost" stands in every hosts file. */
static void the_hosts_file_counts(void **state)
{
	struct resolve_io io;

	(void)state;
	for (uint32_t counts = 0; counts < 2; counts++) {
		watch(counts ? "nameservers: ['127.0.0.1:1'], family: ipv4, hosts_file: true"
			     : "nameservers: ['127.0.0.1:1'], family: ipv4, hosts_file: false",
			"localhost");
		assert_int_equal(dns_open(asker, &cfg->resolver, &io), 0);
		resolve_set_io(asker, &io);
		run(0);
		assert_int_equal(resolve_find(asker, "localhost").cnt, counts);
	}
	assert_int_equal(resolve_find(asker, "localhost").addrs[0].b[12], 127);
}

/* ---- pools ---- */

static const char get[] = "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n";

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"

static void pool_text(char *text, size_t room, const char *backends, const char *more)
{
	snprintf(text, room,
		"resolver: {min_ttl: 100ms, retry: 100ms, retry_max: 200ms, hold: 1s}\n"
		"upstreams:\n"
		"  app:\n"
		"    backends: [%s]\n"
		"    connect_timeout: 200ms\n"
		"%s"
		"listeners:\n"
		"  - {name: web, bind: ['192.0.2.80:80'], action: http, routes: [{upstream: "
		"app}]}\n",
		backends, more);
}

static void open_pool(const char *backends, const char *more)
{
	char text[2048];

	pool_text(text, sizeof(text), backends, more);
	http_world_names = &script_io;
	http_world_open(&hw, text);
	http_world_names = NULL;
	http_world_host(&hw, 81, "198.51.100.12", "2001:db8:2::12");
	http_world_host(&hw, 82, "198.51.100.13", "2001:db8:2::13");
	hw_reply_of(&hw, 80, OK "a", HW_KEEP);
	hw_reply_of(&hw, 81, OK "b", HW_KEEP);
	hw_reply_of(&hw, 82, OK "c", HW_KEEP);
}

static int close_pool(void **state)
{
	(void)state;
	http_world_close(&hw);
	return 0;
}

static char ask_one(struct hw_conn *c)
{
	const char *text = hw_ask(c, get, 3), *p = strstr(text, "\r\n\r\n");

	return hw_status(text) == 200 && p != NULL ? p[4] : '-';
}

static void ask_times(struct hw_conn *c, int times, char *got)
{
	memset(got, 0, 128);
	for (int i = 0; i < times; i++)
		got[(unsigned char)ask_one(c)]++;
}

static uint32_t servers(void)
{
	return hw.w.app->cur->l7->ups->entries[0].server_cnt;
}

static void each_address_is_a_backend(void **state)
{
	char got[128];

	(void)state;
	say("app.example", true, 1, "198.51.100.11 198.51.100.12");
	open_pool("{host: app.example}, 198.51.100.13", "");
	ask_times(hw_connect(&hw), 30, got);
	assert_int_equal(got['a'], 10);
	assert_int_equal(got['b'], 10);
	assert_int_equal(got['c'], 10);
	/* No other address of the name is one that is there already. */
	say("app.example", true, 1, "198.51.100.11 198.51.100.13");
	http_world_run(&hw, 1100);
	assert_int_equal(servers(), 2);
}

static void an_address_that_leaves_finishes(void **state)
{
	struct hw_conn *c, *d;

	(void)state;
	say("app.example", true, 1, "198.51.100.11");
	open_pool("app.example", "");
	hw_reply_of(&hw, 80, NULL, HW_SILENT);
	c = hw_connect(&hw);
	hw_ask(c, get, 3);
	assert_int_equal(hw.port_cnt[0], 1);
	say("app.example", true, 1, "198.51.100.12");
	http_world_run(&hw, 1100);
	assert_int_equal(servers(), 1);
	d = hw_connect(&hw);
	assert_int_equal(ask_one(d), 'b');
	assert_int_equal(c->len, 0);
	hw_send(&hw.servers[0], OK "a");
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(c->text), 200);
	assert_int_equal(ask_one(c), 'b');
}

static void what_stays_keeps_its_state(void **state)
{
	const struct up_server_stats *a, *b;
	struct hw_conn *c;
	uint32_t id;
	char got[128];

	(void)state;
	say("app.example", true, 1, "198.51.100.11 198.51.100.12");
	open_pool("app.example", "    outliers: {failures: 3, ejection: 60s}\n");
	hw_reply_of(&hw, 80, "HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n", HW_KEEP);
	c = hw_connect(&hw);
	ask_times(c, 12, got);
	a = hw_server_stats_of(&hw, 0);
	assert_int_equal(a->ejected, 1);
	id = hw.w.app->cur->l7->ups->entries[0].servers[0].id;
	say("app.example", true, 1, "198.51.100.11 198.51.100.13");
	http_world_run(&hw, 1100);
	assert_int_equal(hw.w.app->cur->l7->ups->entries[0].servers[0].id, id);
	assert_int_equal(a->ejected, 1);
	b = hw_server_stats_of(&hw, 1);
	assert_int_equal(b->requests, 0);
	ask_times(c, 12, got);
	assert_int_equal(got['c'], 12);
	assert_int_equal(b->connects, 1);
}

static void a_hash_moves_only_what_it_must(void **state)
{
	struct hw_conn *c;
	char before[64], text[128];
	int moved = 0, gone = 0;

	(void)state;
	say("app.example", true, 1, "198.51.100.11 198.51.100.12 198.51.100.13");
	open_pool("app.example", "    balance: maglev\n    key: header\n    key_name: X-Key\n");
	c = hw_connect(&hw);
	for (int turn = 0; turn < 2; turn++) {
		for (int k = 0; k < 60; k++) {
			const char *body;
			char who;

			snprintf(text, sizeof(text),
				"GET / HTTP/1.1\r\nHost: a\r\nx-key: %d\r\n\r\n", k);
			body = strstr(hw_ask(c, text, 3), "\r\n\r\n");
			assert_non_null(body);
			who = body[4];
			if (turn == 0)
				before[k] = who;
			else if (before[k] == 'b')
				gone++;
			else
				moved += before[k] != who;
		}
		say("app.example", true, 1, "198.51.100.13 198.51.100.11");
		http_world_run(&hw, 1100);
	}
	assert_true(gone > 5);
	/* Maglev itself moves a few of the others. */
	assert_true(moved <= 4);
}

static void without_an_answer_requests_wait_and_then_fail(void **state)
{
	struct row *v4 = say("app.example", true, 1, "198.51.100.11");
	struct hw_conn *c, *d;

	(void)state;
	v4->silent = true;
	open_pool("app.example", "");
	c = hw_connect(&hw);
	hw_ask(c, get, 20);
	assert_int_equal(c->len, 0);
	assert_int_equal(hw_pool_stats(&hw)->pending, 1);
	fail_with("app.example", true, RESOLVE_TIMEOUT);
	resolve_take(hw.w.app->resolve, v4->token, &v4->a);
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(c->text), 503);
	assert_non_null(strstr(c->text, "error=dns_error"));
	/* And now at once, until there is an answer. */
	d = hw_connect(&hw);
	assert_int_equal(hw_status(hw_ask(d, get, 3)), 503);
	v4 = say("app.example", true, 1, "198.51.100.11");
	v4->silent = false;
	http_world_run(&hw, 250);
	assert_int_equal(ask_one(d), 'a');
}

static void a_request_that_waited_gets_the_answer(void **state)
{
	struct row *v4 = say("app.example", true, 1, "198.51.100.11");
	struct hw_conn *c;

	(void)state;
	v4->silent = true;
	open_pool("app.example", "");
	c = hw_connect(&hw);
	hw_ask(c, get, 20);
	resolve_take(hw.w.app->resolve, v4->token, &v4->a);
	http_world_run(&hw, 5);
	assert_int_equal(hw_status(c->text), 200);
}

static void ipv6_is_as_good(void **state)
{
	char got[128];

	(void)state;
	say("app.example", false, 1, "2001:db8:2::12 2001:db8:2::13");
	/* Not reached by any port; the box itself; and nobody's at all. */
	say("app.example", true, 1, "203.0.113.7 198.51.100.1");
	open_pool("app.example", "");
	assert_int_equal(servers(), 2);
	ask_times(hw_connect(&hw), 10, got);
	assert_int_equal(got['b'], 5);
	assert_int_equal(got['c'], 5);
}

static void checks_follow(void **state)
{
	char got[128];

	(void)state;
	say("app.example", true, 1, "198.51.100.11");
	open_pool("app.example",
		"    health: {type: http, path: /up, interval: 100ms, timeout: 100ms}\n");
	hw_reply_of(&hw, 82, "HTTP/1.1 500 no\r\nContent-Length: 0\r\n\r\n", HW_KEEP);
	http_world_run(&hw, 100);
	assert_non_null(strstr(hw.servers[0].text, "Host: app.example\r\n"));
	say("app.example", true, 1, "198.51.100.11 198.51.100.12 198.51.100.13");
	http_world_run(&hw, 1500);
	assert_int_equal(servers(), 3);
	ask_times(hw_connect(&hw), 10, got);
	assert_int_equal(got['a'], 5);
	assert_int_equal(got['b'], 5);
}

static void a_reload_keeps_what_is_known(void **state)
{
	struct row *r = say("app.example", true, 100, "198.51.100.11");
	struct hw_conn *c;
	char text[2048];

	(void)state;
	open_pool("198.51.100.12", "");
	/* The resolver is made with the first name. */
	assert_null(hw.w.app->resolve);
	c = hw_connect(&hw);
	assert_int_equal(ask_one(c), 'b');
	hw.w.app->resolve_scripted = true;
	assert_int_equal(resolve_create(&hw.w.app->resolve), 0);
	resolve_set_io(hw.w.app->resolve, &script_io);
	pool_text(text, sizeof(text), "app.example", "");
	http_world_reload(&hw, text);
	http_world_run(&hw, 5);
	assert_int_equal(ask_one(c), 'a');
	assert_int_equal(r->asked, 1);
	pool_text(text, sizeof(text), "'app.example:80', '198.51.100.13:80'", "");
	http_world_reload(&hw, text);
	assert_int_equal(servers(), 2);
	assert_int_equal(r->asked, 1);
	pool_text(text, sizeof(text), "'198.51.100.12:80'", "");
	http_world_reload(&hw, text);
	assert_int_equal(ask_one(c), 'b');
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin, done)
#define W(name) cmocka_unit_test_setup_teardown(name, begin, close_pool)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		T(an_answer_holds_for_its_ttl),
		T(a_ttl_has_bounds),
		T(a_failure_keeps_what_is_known),
		T(the_pause_grows),
		T(no_such_name_takes_effect_later),
		T(addresses_are_bounded),
		T(an_answer_to_nobody_is_dropped),
		T(a_family_may_be_left_out),
		T(names_come_in_any_order),
		T(the_hosts_file_counts),
		W(each_address_is_a_backend),
		W(an_address_that_leaves_finishes),
		W(what_stays_keeps_its_state),
		W(a_hash_moves_only_what_it_must),
		W(without_an_answer_requests_wait_and_then_fail),
		W(a_request_that_waited_gets_the_answer),
		W(ipv6_is_as_good),
		W(checks_follow),
		W(a_reload_keeps_what_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
