/* SPDX-License-Identifier: Apache-2.0
 * The way of a request through a site: which route, what the backend sees, what the client is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lb/l7/route/ids.c"
#include "tests/support/route_world.h"

static void open_site(const char *site)
{
	if (!world_open(site))
		fail_msg("%s", world.messages);
}

static void ask(const char *method, const char *target)
{
	world_request(method, target);
	(void)world_run();
}

static void goes_to(const char *method, const char *target, const char *route)
{
	ask(method, target);
	if (strcmp(world_route(), route) != 0)
		fail_msg("%s %s went to %s, not %s", method, target, world_route(), route);
}

/* ---- routes ---- */

static void first_in_the_file_wins(void **state)
{
	(void)state;
	open_site("    routes:\n"
		  "      - {name: login, match: {path: /login}, upstream: app}\n"
		  "      - {name: api, match: {host: api.example, prefix: /v1}, upstream: app}\n"
		  "      - {name: sub, match: {host: '*.example'}, upstream: app}\n"
		  "      - {name: post, match: {methods: POST}, upstream: app}\n"
		  "      - {name: tail, match: {regex: '[.]php$'}, upstream: app}\n"
		  "      - {name: rest, match: {prefix: /}, upstream: app}\n");
	goes_to("GET", "api.example/login", "login");
	goes_to("GET", "api.example/v1", "api");
	goes_to("GET", "api.example/v1/x", "api");
	goes_to("GET", "api.example/v12", "sub");
	goes_to("GET", "b.example/v1", "sub");
	goes_to("POST", "other/v1", "post");
	goes_to("GET", "other/x.php", "tail");
	goes_to("GET", "other/v1", "rest");
	goes_to("GET", "example/", "rest");
	goes_to("GET", "api.example./v1", "api"); /* the root's dot is no part of the name */
	world_close();
}

static void nothing_fits_is_404(void **state)
{
	(void)state;
	open_site("    routes: [{match: {host: a.example}, upstream: app}]\n");
	ask("GET", "b.example/");
	assert_int_equal(world.end, HTTP_END_NO_ROUTE);
	assert_int_equal(world.status, 404);
	world_close();
}

static void schemes_and_methods(void **state)
{
	(void)state;
	open_site(
		"    routes:\n"
		"      - {name: plain, match: {scheme: http}, redirect: 'https://${host}${uri}'}\n"
		"      - {name: get, match: {methods: GET}, upstream: app}\n"
		"      - {name: rest, upstream: app}\n");
	world_request("GET", "a.example/x?y=1");
	(void)world_run();
	assert_int_equal(world.status, 308);
	assert_string_equal(world_value(&world.s.resp, "Location"), "https://a.example/x?y=1");
	world_request("HEAD", "a.example/")->secure = true;
	(void)world_run();
	assert_string_equal(world_route(), "get");
	world_request("PURGE", "a.example/")->secure = true;
	(void)world_run();
	assert_string_equal(world_route(), "rest");
	world_close();
}

static void trace_and_connect_are_refused(void **state)
{
	(void)state;
	open_site("    routes: [{upstream: app}]\n");
	ask("TRACE", "a.example/");
	assert_int_equal(world.status, 405);
	ask("CONNECT", "a.example/");
	assert_int_equal(world.status, 405);
	world_close();
}

static void options_for_weir_itself(void **state)
{
	(void)state;
	open_site("    routes: [{name: r, upstream: app}]\n");
	ask("OPTIONS", "a.example*");
	assert_int_equal(world.status, 204);
	assert_non_null(world_value(&world.s.resp, "Allow"));
	world_request("OPTIONS", "a.example/");
	world_field(&world.s.req, "Max-Forwards: 0");
	(void)world_run();
	assert_int_equal(world.status, 204);
	world_request("OPTIONS", "a.example/");
	world_field(&world.s.req, "Max-Forwards: 10");
	(void)world_run();
	assert_string_equal(world_route(), "r");
	assert_string_equal(world_value(&world.s.req, "Max-Forwards"), "9");
	world_request("OPTIONS", "a.example/");
	world_field(&world.s.req, "Max-Forwards: x");
	(void)world_run();
	assert_int_equal(world.status, 400);
	world_close();
}

static void what_is_doubtful_is_400(void **state)
{
	(void)state;
	open_site("    routes: [{upstream: app}]\n");
	ask("GET", "a.example/a%2fb");
	assert_int_equal(world.status, 400);
	ask("GET", "a.example/a/..;/b");
	assert_int_equal(world.status, 400);
	ask("GET", "a.example/a//b/../%63");
	assert_int_equal(world.status, 0);
	assert_string_equal(world_text(world.s.req.path), "/a/c");
	world_close();
}

/* ---- rewriting ---- */

static void paths_are_rewritten(void **state)
{
	(void)state;
	open_site("    path: {encoded_slash: keep}\n"
		  "    routes:\n"
		  "      - {name: cut, match: {prefix: [/api, /api/v1]}, rewrite: {prefix: /}, "
		  "upstream: app}\n"
		  "      - {name: long, match: {prefix: /s/}, rewrite: {prefix: /static}, "
		  "upstream: app}\n"
		  "      - {name: re, match: {regex: '^/u/([0-9]+)/(.*)$'}, "
		  "rewrite: {path: '/users/${2}/${1}?from=${0}&q=${query}'}, upstream: app}\n"
		  "      - {name: own, rewrite: {regex: '^/old(/.*)$', path: '/new${1}', host: "
		  "'in.example:81'}, upstream: app}\n");
	ask("GET", "h/api");
	assert_string_equal(world_text(world.s.req.path), "/");
	ask("GET", "h/api/x/y");
	assert_string_equal(world_text(world.s.req.path), "/x/y");
	ask("GET", "h/api/v1/x"); /* the longest of the route's prefixes */
	assert_string_equal(world_text(world.s.req.path), "/x");
	ask("GET", "h/s/a.css");
	assert_string_equal(world_text(world.s.req.path), "/static/a.css");
	ask("GET", "h/u/12/a/b?z=1");
	assert_string_equal(world_text(world.s.req.path), "/users/a/b/12");
	assert_string_equal(world_text(world.s.req.query), "from=/u/12/a/b&q=z=1");
	ask("GET", "h/old/x?k");
	assert_string_equal(world_text(world.s.req.path), "/new/x");
	assert_string_equal(world_text(world.s.req.query), "k");
	assert_string_equal(world_text(world.s.req.host), "in.example");
	assert_int_equal(world.s.req.port, 81);
	ask("GET", "h/other");
	assert_string_equal(world_text(world.s.req.path), "/other");
	world_close();
}

/* What rewriting makes is held to the same form as what clients send. */
static void rewriting_makes_nothing_doubtful(void **state)
{
	(void)state;
	open_site("    routes:\n"
		  "      - {name: q, match: {path: /q}, rewrite: {path: '/x/${query.p}'}, "
		  "upstream: app}\n"
		  "      - {name: h, match: {path: /h}, rewrite: {host: '${header.x-host}'}, "
		  "upstream: app}\n");
	ask("GET", "h/q?p=a");
	assert_string_equal(world_text(world.s.req.path), "/x/a");
	ask("GET", "h/q?p=%2fetc");
	assert_int_equal(world.status, 400);
	ask("GET", "h/q?p=../../y");
	assert_string_equal(world_text(world.s.req.path), "/y");
	world_request("GET", "h/h");
	world_field(&world.s.req, "X-Host: good.example:8080");
	(void)world_run();
	assert_string_equal(world_text(world.s.req.host), "good.example");
	world_request("GET", "h/h");
	world_field(&world.s.req, "X-Host: bad/host");
	(void)world_run();
	assert_int_equal(world.status, 400);
	world_close();
}

static void fields_are_edited(void **state)
{
	(void)state;
	open_site(
		"    routes:\n"
		"      - name: r\n"
		"        match: {regex: '^/(.)'}\n"
		"        upstream: app\n"
		"        request_headers:\n"
		"          remove: [X-Secret, Cookie]\n"
		"          set: {X-Client: '${client_ip}:${client_port}', X-Path: '${path}|${1}', "
		"X-Empty: '${header.nothing}', User-Agent: 'w $$'}\n"
		"          add: {X-Many: '${cookie.id}'}\n"
		"        rewrite: {path: '/new'}\n");
	world_request("GET", "h/abc");
	world_field(&world.s.req, "X-Secret: 1");
	world_field(&world.s.req, "x-secret: 2");
	world_field(&world.s.req, "X-Empty: there");
	world_field(&world.s.req, "User-Agent: curl");
	world_field(&world.s.req, "X-Many: one");
	world_field(&world.s.req, "Cookie: a=1; id=77; b=2");
	(void)world_run();
	assert_null(world_value(&world.s.req, "X-Secret"));
	assert_null(world_value(&world.s.req, "Cookie"));
	assert_null(world_value(&world.s.req, "X-Empty"));
	assert_string_equal(world_value(&world.s.req, "X-Client"), "203.0.113.7:50000");
	assert_string_equal(world_value(&world.s.req, "X-Path"), "/abc|a");
	assert_string_equal(world_value(&world.s.req, "User-Agent"), "w $");
	assert_string_equal(world_text(world.s.req.path), "/new");
	world_close();
}

static void responses_are_edited(void **state)
{
	(void)state;
	open_site("    server_header: weir\n"
		  "    request_id: {respond: true}\n"
		  "    routes:\n"
		  "      - {upstream: app, response_headers: {remove: X-Powered-By, set: "
		  "{X-Status: '${status}'}}}\n");
	ask("GET", "h/");
	world.s.resp.status = 201;
	world_field(&world.s.resp, "X-Powered-By: PHP/4");
	world_field(&world.s.resp, "Server: Apache");
	http_response_rewrite(world.rw, &world.s);
	assert_null(world_value(&world.s.resp, "X-Powered-By"));
	assert_string_equal(world_value(&world.s.resp, "Server"), "weir");
	assert_string_equal(world_value(&world.s.resp, "X-Status"), "201");
	assert_string_equal(
		world_value(&world.s.resp, "X-Request-Id"), world_text(world.s.request_id));
	world_close();
}

/* ---- who is the client? ---- */

#define TRUST "    forwarded: {trusted_proxies: [203.0.113.0/24, \"2001:db8::/32\"], send: "

static void strangers_words_are_replaced(void **state)
{
	(void)state;
	open_site("    routes: [{upstream: app}]\n");
	world_request("GET", "h/");
	world_field(&world.s.req, "X-Forwarded-For: 10.0.0.1");
	world_field(&world.s.req, "X-Forwarded-Proto: https");
	world_field(&world.s.req, "X-Forwarded-Prefix: /x");
	world_field(&world.s.req, "X-Real-IP: 10.0.0.1");
	world_field(&world.s.req, "Forwarded: for=10.0.0.1");
	(void)world_run();
	assert_string_equal(world_value(&world.s.req, "X-Forwarded-For"), "203.0.113.7");
	assert_string_equal(world_value(&world.s.req, "X-Forwarded-Proto"), "http");
	assert_string_equal(world_value(&world.s.req, "X-Forwarded-Host"), "h");
	assert_string_equal(world_value(&world.s.req, "X-Forwarded-Port"), "80");
	assert_null(world_value(&world.s.req, "X-Forwarded-Prefix"));
	assert_null(world_value(&world.s.req, "X-Real-IP"));
	assert_null(world_value(&world.s.req, "Forwarded"));
	world_close();
}

static void client_is(const char *want)
{
	char text[IP_ADDR_TEXT_MAX];

	assert_string_equal(ip_addr_format(&world.s.client, text), want);
}

static void trusted_proxies_are_believed(void **state)
{
	(void)state;
	open_site(TRUST "x_forwarded}\n    routes: [{upstream: app}]\n");
	world_request("GET", "h/");
	world_field(&world.s.req, "X-Forwarded-For: 10.0.0.1, 198.51.100.9");
	world_field(&world.s.req, "X-Forwarded-For: 203.0.113.50");
	world_field(&world.s.req, "X-Forwarded-Proto: https");
	world_field(&world.s.req, "X-Forwarded-Host: pub.example");
	(void)world_run();
	client_is("198.51.100.9");
	assert_true(span_eq(world.s.req.scheme, SPAN("https")));
	assert_string_equal(world_value(&world.s.req, "X-Forwarded-For"),
		"10.0.0.1, 198.51.100.9, 203.0.113.50, 203.0.113.7");
	assert_string_equal(world_value(&world.s.req, "X-Forwarded-Proto"), "https");
	assert_string_equal(world_value(&world.s.req, "X-Forwarded-Host"), "pub.example");
	/* All are proxies: the first of them is the client. */
	world_request("GET", "h/");
	world_field(&world.s.req, "X-Forwarded-For: 2001:db8::5, 203.0.113.50");
	(void)world_run();
	client_is("2001:db8::5");
	/* What is no address ends what may be believed. */
	world_request("GET", "h/");
	world_field(&world.s.req, "X-Forwarded-For: 10.0.0.1, unknown, 203.0.113.50");
	(void)world_run();
	client_is("203.0.113.50");
	/* The notation that is not used is not believed. */
	world_request("GET", "h/");
	world_field(&world.s.req, "Forwarded: for=10.0.0.1");
	(void)world_run();
	client_is("203.0.113.7");
	assert_null(world_value(&world.s.req, "Forwarded"));
	world_close();
}

static void rfc7239(void **state)
{
	(void)state;
	open_site(TRUST "forwarded}\n    routes: [{upstream: app}]\n");
	world_request("GET", "h/");
	world_field(&world.s.req,
		"Forwarded: for=10.0.0.1, for=\"[2001:db9::1]:4711\";proto=https;host=\"x,y\", "
		"for=203.0.113.50;by=_weir");
	(void)world_run();
	client_is("2001:db9::1");
	assert_string_equal(world_value(&world.s.req, "Forwarded"),
		"for=10.0.0.1, for=\"[2001:db9::1]:4711\";proto=https;host=\"x,y\", "
		"for=203.0.113.50;by=_weir, for=203.0.113.7;proto=https;host=\"h\"");
	assert_null(world_value(&world.s.req, "X-Forwarded-For"));
	world_close();
}

/* ---- identifiers, Via ---- */

static void every_hex_digit(void **state)
{
	char text[17] = {0};

	(void)state;
	put_hex(text, UINT64_C(0x0123456789abcdef));
	assert_string_equal(text, "0123456789abcdef");
	put_hex(text, UINT64_C(0xfedcba9876543210));
	assert_string_equal(text, "fedcba9876543210");
}

static void ids(void **state)
{
	const char *trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
	char first[64];

	(void)state;
	open_site("    request_id: {accept: always}\n    routes: [{upstream: app}]\n");
	world_request("GET", "h/");
	world_field(&world.s.req, "X-Request-Id: abc-1");
	world.s.req.fields[0].flags = 0;
	{
		char line[128];

		snprintf(line, sizeof(line), "traceparent: %s", trace);
		world_field(&world.s.req, line);
	}
	world_field(&world.s.req, "tracestate: a=b");
	(void)world_run();
	assert_string_equal(world_value(&world.s.req, "X-Request-Id"), "abc-1");
	/* The trace goes on, with a parent of our own and the same decision. */
	assert_memory_equal(world_value(&world.s.req, "traceparent"), trace, 36);
	assert_memory_not_equal(world_value(&world.s.req, "traceparent") + 36, trace + 36, 16);
	assert_string_equal(world_value(&world.s.req, "traceparent") + 52, "-00");
	assert_string_equal(world_value(&world.s.req, "tracestate"), "a=b");
	/* Nothing came: both are made, and agree. */
	ask("GET", "h/");
	snprintf(first, sizeof(first), "%s", world_text(world.s.request_id));
	assert_int_equal(strlen(first), 32);
	assert_memory_equal(world_value(&world.s.req, "traceparent") + 3, first, 32);
	ask("GET", "h/");
	assert_string_not_equal(world_text(world.s.request_id), first);
	/* What is malformed is replaced, and its state goes with it. */
	world_request("GET", "h/");
	world_field(&world.s.req, "X-Request-Id: <script>");
	world_field(&world.s.req, "traceparent: 00-0000-x-00");
	world_field(&world.s.req, "tracestate: a=b");
	(void)world_run();
	assert_int_equal(strlen(world_value(&world.s.req, "X-Request-Id")), 32);
	assert_int_equal(strlen(world_value(&world.s.req, "traceparent")), 55);
	assert_null(world_value(&world.s.req, "tracestate"));
	world_close();
}

static void strangers_ids_are_not_kept(void **state)
{
	(void)state;
	open_site("    routes: [{upstream: app}]\n");
	world_request("GET", "h/");
	world_field(&world.s.req, "X-Request-Id: abc-1");
	(void)world_run();
	assert_int_equal(strlen(world_value(&world.s.req, "X-Request-Id")), 32);
	world_close();
}

static void loops_are_found(void **state)
{
	(void)state;
	open_site("    via: {name: edge, max: 2}\n    routes: [{upstream: app}]\n");
	world_request("GET", "h/");
	world_field(&world.s.req, "Via: 1.1 other, 1.1 edge (weir)");
	world_field(&world.s.req, "Via: 2 EDGE");
	(void)world_run();
	assert_int_equal(world.status, 0);
	world_request("GET", "h/");
	world_field(&world.s.req, "Via: 1.1 edge, 1.1 edge, 1.0 edge");
	(void)world_run();
	assert_int_equal(world.status, 508);
	ask("GET", "h/");
	assert_string_equal(world_value(&world.s.req, "Via"), "1.1 edge");
	world_close();
}

/* ---- answers of weir itself ---- */

static void redirects(void **state)
{
	(void)state;
	open_site("    path: {double_slash: keep}\n"
		  "    routes:\n"
		  "      - {match: {path: /old}, redirect: {to: 'https://new.example/x', status: "
		  "301}}\n"
		  "      - {match: {path: /h}, redirect: '/${header.x-to}'}\n"
		  "      - {redirect: '${path}'}\n");
	ask("GET", "h/old");
	assert_int_equal(world.status, 301);
	assert_string_equal(world_value(&world.s.resp, "Location"), "https://new.example/x");
	/* Not to another site. */
	ask("GET", "h//evil.example/");
	assert_string_equal(world_value(&world.s.resp, "Location"), "/.//evil.example/");
	world_request("GET", "h/h");
	world_field(&world.s.req, "X-To: a b<c>\xff");
	(void)world_run();
	assert_string_equal(world_value(&world.s.resp, "Location"), "/a%20b%3Cc%3E%FF");
	world_request("GET", "h/h");
	world_field(&world.s.req, "X-To: /evil.example");
	(void)world_run();
	assert_string_equal(world_value(&world.s.resp, "Location"), "/.//evil.example");
	world_close();
}

static void fixed_answers(void **state)
{
	(void)state;
	open_site("    routes:\n"
		  "      - {match: /a, respond: {status: 403, body: 'no', type: text/x}}\n"
		  "      - {respond: 204}\n");
	world_request("POST", "h/a")->req.framing = HTTP_BODY_LENGTH;
	(void)world_run();
	assert_int_equal(world.status, 403);
	assert_string_equal(world.body, "no");
	assert_string_equal(world_value(&world.s.resp, "Content-Type"), "text/x");
	assert_true(world.ignored);
	ask("GET", "h/b");
	assert_int_equal(world.status, 204);
	assert_null(world_value(&world.s.resp, "Content-Type"));
	world_close();
}

static void error_pages(void **state)
{
	struct span type, body;

	(void)state;
	open_site("    error_pages:\n"
		  "      - {status: [502, 503], type: text/plain, body: '${status} ${reason} $x "
		  "${request_id}.'}\n"
		  "      - {body: 'any'}\n"
		  "    routes: [{upstream: app}]\n");
	ask("GET", "h/");
	world.s.request_id = SPAN("abc");
	assert_true(http_site_error_page(world.site, &world.s, 503, &type, &body));
	assert_string_equal(world_text(body), "503 Service Unavailable $x abc.");
	assert_string_equal(world_text(type), "text/plain");
	assert_true(http_site_error_page(world.site, &world.s, 404, &type, &body));
	assert_string_equal(world_text(body), "any");
	world_close();
}

/* ---- splits ---- */

static uint32_t target(void)
{
	return http_route_target(world.rw, world.s.route, &world.s);
}

static void splits_keep_their_shares(void **state)
{
	uint32_t next = 0;

	(void)state;
	open_site("    routes: [{split: [{upstream: app, weight: 90}, {upstream: next, weight: "
		  "10}]}]\n");
	for (int i = 0; i < 10000; i++) {
		ask("GET", "h/");
		next += target() == 1;
		assert_int_equal(target(), target());
	}
	/* Within five standard deviations of 1000. */
	assert_in_range(next, 850, 1150);
	world_close();
}

static uint32_t asked_with(const char *cookie)
{
	char line[64];

	world_request("GET", "h/");
	if (cookie) {
		snprintf(line, sizeof(line), "Cookie: id=%s", cookie);
		world_field(&world.s.req, line);
	}
	(void)world_run();
	return target();
}

static void sticky_splits_stick(void **state)
{
	static const char *const wide =
		"    routes: [{split: [{upstream: app, weight: 50}, {upstream: next, "
		"weight: 50}], split_by: {by: cookie, name: id}}]\n";
	static const char *const narrow =
		"    routes: [{split: [{upstream: app, weight: 90}, {upstream: next, "
		"weight: 10}], split_by: {by: cookie, name: id}}]\n";
	bool canary[1000];
	uint32_t cnt = 0;
	char id[16];

	(void)state;
	open_site(narrow);
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "u%d", i);
		canary[i] = asked_with(id) == 1;
		assert_int_equal(asked_with(id) == 1, canary[i]);
		cnt += canary[i];
	}
	assert_in_range(cnt, 50, 150);
	world_close();
	/* A larger share takes more, and lets go of nobody. */
	open_site(wide);
	for (int i = 0; i < 1000; i++) {
		snprintf(id, sizeof(id), "u%d", i);
		if (canary[i])
			assert_int_equal(asked_with(id), 1);
	}
	world_close();
}

static void mirrors_take_their_share(void **state)
{
	uint32_t n = 0;

	(void)state;
	open_site("    routes: [{upstream: app, mirror: {upstream: next, percent: 25%}}]\n");
	for (int i = 0; i < 4000; i++) {
		ask("GET", "h/");
		n += http_route_mirrors(world.rw, world.s.route);
	}
	assert_in_range(n, 850, 1150);
	assert_int_equal(world.s.route->mirror, 1);
	world_close();
}

/* ---- building ---- */

static void refused(const char *site, const char *why)
{
	if (world_open(site))
		fail_msg("taken: %s", site);
	if (!strstr(world.messages, why))
		fail_msg("'%s' is not in: %s", why, world.messages);
	world_close();
}

static void wrong_sites_are_refused(void **state)
{
	(void)state;
	refused("    routes: [{match: {prefix: /a%2fb}, upstream: app}]\n", "is never met");
	refused("    routes: [{upstream: app, request_headers: {set: {X: '${clientip}'}}}]\n",
		"did you mean '${client_ip}'");
	refused("    routes: [{redirect: 'https://${host'}]\n", "'${' without '}'");
	refused("    routes: [{match: {regex: '(a'}, upstream: app}]\n", "character 3");
	refused("    routes: [{upstream: ap}]\n", "did you mean 'app'");
	refused("    routes: [{upstream: app, respond: 200}]\n", "already");
	refused("    routes: [{name: x}]\n", "without an action");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_in_the_file_wins),
		cmocka_unit_test(every_hex_digit),
		cmocka_unit_test(nothing_fits_is_404),
		cmocka_unit_test(schemes_and_methods),
		cmocka_unit_test(trace_and_connect_are_refused),
		cmocka_unit_test(options_for_weir_itself),
		cmocka_unit_test(what_is_doubtful_is_400),
		cmocka_unit_test(paths_are_rewritten),
		cmocka_unit_test(rewriting_makes_nothing_doubtful),
		cmocka_unit_test(fields_are_edited),
		cmocka_unit_test(responses_are_edited),
		cmocka_unit_test(strangers_words_are_replaced),
		cmocka_unit_test(trusted_proxies_are_believed),
		cmocka_unit_test(rfc7239),
		cmocka_unit_test(ids),
		cmocka_unit_test(strangers_ids_are_not_kept),
		cmocka_unit_test(loops_are_found),
		cmocka_unit_test(redirects),
		cmocka_unit_test(fixed_answers),
		cmocka_unit_test(error_pages),
		cmocka_unit_test(splits_keep_their_shares),
		cmocka_unit_test(sticky_splits_stick),
		cmocka_unit_test(mirrors_take_their_share),
		cmocka_unit_test(wrong_sites_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
