/* SPDX-License-Identifier: Apache-2.0
 * What is said of sites and routes: each case is the part of a file that matters, and everything
 * that is said about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lb/config/config_http.h"
#include "tests/support/config_text.h"

static const char head[] =
	"ports: [{device: a, addresses: [192.0.2.2/24]}]\n"
	"upstreams: {app: {backends: [192.0.2.11]}, beta: {backends: [192.0.2.12]}}\n"
	"listeners:\n";

/* A site on line 5, its first route on line 7. */
#define SITE(routes)                                                    \
	"  - {name: l, bind: [192.0.2.10:80], action: http, site: s}\n" \
	"sites: {s: {routes: [\n"                                       \
	"\n" routes "]}}\n"

struct text_case {
	const char *text, *want;
};

static void run(const struct text_case *cases, size_t cnt)
{
	size_t bad = 0;

	for (size_t i = 0; i < cnt; i++) {
		size_t n = sizeof(head) + strlen(cases[i].text);
		char *said, *text = malloc(n);
		struct config *cfg;
		bool refused = strstr(cases[i].want, ": error: ");

		snprintf(text, n, "%s%s", head, cases[i].text);
		cfg = config_text_parse(text, &said);
		if (strcmp(said, cases[i].want) != 0 || (cfg == NULL) != refused) {
			print_error("---- case %zu\n%s---- said\n%s---- wanted\n%s", i, text, said,
				cases[i].want);
			bad++;
		}
		free(said);
		free(text);
		config_free(cfg);
	}
	assert_int_equal(bad, 0);
}

static void the_disk_of_the_cache(void **state)
{
	static const struct text_case cases[] = {
		{SITE("{respond: {status: 200}}") "store: {dir: /tmp/s}\n"
						  "cache: {memory: 16MiB, disk: 64MiB}\n",
			""},
		{SITE("{respond: {status: 200}}") "cache: {memory: 16MiB, disk: 64MiB}\n",
			"t:8:30: error: disk: there is no store; give 'store: {dir: ...}'\n"},
		{SITE("{respond: {status: 200}}") "store: {dir: /tmp/s}\n"
						  "cache: {disk: {max_size: 64MiB}}\n",
			"t:9:26: error: disk: there is no memory in front of it; give 'cache: "
			"{memory: ...}'\n"},
		{SITE("{respond: {status: 200}}") "store: {dir: /tmp/s}\n"
						  "cache: {memory: 16MiB, disk: 1MiB}\n",
			"t:9:30: error: max_size: at least 8 MiB\n"},
		{SITE("{respond: {status: 200}}") "store: {dir: /tmp/s, namespaces: {http-cache-0: "
						  "always}}\n"
						  "cache: {memory: 16MiB, disk: 64MiB}\n",
			"t:8:49: error: namespaces: names in \"http-cache-\" are those of "
			"'cache.disk'\n"},
	};

	(void)state;
	run(cases, ARRAY_SIZE(cases));
}

static void listeners_and_sites(void **state)
{
	static const struct text_case cases[] = {
		{"  - {bind: [192.0.2.10:80], action: http}\n",
			"t:4:5: error: listener with action http without 'site' or 'routes'\n"},
		{"  - {bind: [192.0.2.10:80], action: http, site: shop}\n"
		 "sites: {shoq: {routes: [{upstream: app}]}}\n",
			"t:4:49: error: site: no site is called 'shop'; did you mean 'shoq'?\n"
			"t:5:15: warning: site 'shoq' is served by no listener\n"},
		{"  - {bind: [192.0.2.10:80], action: http, site: s, routes: [{upstream: app}]}\n"
		 "sites: {s: {routes: [{upstream: app}]}}\n",
			"t:4:60: error: routes: the listener has a 'site' already\n"
			"t:5:12: warning: site 's' is served by no listener\n"},
		{"  - {bind: [192.0.2.10:80], action: echo, site: s}\n"
		 "sites: {s: {routes: [{upstream: app}]}}\n",
			"t:4:49: error: site: has no meaning with action echo\n"
			"t:5:12: warning: site 's' is served by no listener\n"},
		{"  - {bind: [192.0.2.10:80], action: http, routes: [{upstream: ap}]}\n",
			"t:4:63: error: upstream: no upstream is called 'ap'; did you mean "
			"'app'?\n"},
	};

	(void)state;
	run(cases, sizeof(cases) / sizeof(cases[0]));
}

static void actions(void **state)
{
	static const struct text_case cases[] = {
		{SITE("{name: x}"), "t:7:1: error: route without an action: upstream, split, "
				    "redirect, respond, files or kv\n"},
		{SITE("{upstream: app, respond: 200}"),
			"t:7:26: error: respond: the route has the action 'upstream' already\n"},
		{SITE("{split: [{upstream: app, weight: 0}, {upstream: app, weight: 0}]}"),
			"t:7:9: error: split: all weights are 0\n"
			"t:7:38: error: split: 'app' is there twice\n"},
		{SITE("{split: [{upstream: app, weight: 1}, {upstream: bet, weight: 1}], split_by: "
		      "cookie}"),
			"t:7:38: error: upstream: no upstream is called 'bet'; did you mean "
			"'beta'?\n"
			"t:7:77: error: split_by: say the name of the cookie or field in 'name'\n"},
		{SITE("{upstream: app, split_by: client}"),
			"t:7:27: error: split_by: there is no 'split'\n"},
		{SITE("{redirect: {to: /x, status: 305}}"),
			"t:7:12: error: status: 305 is none of a redirect\n"},
		{SITE("{respond: 200, mirror: app, rewrite: {path: /}}"),
			"t:7:24: error: mirror: nothing is sent to an upstream\n"
			"t:7:38: error: rewrite: nothing is sent to an upstream\n"},
	};

	(void)state;
	run(cases, sizeof(cases) / sizeof(cases[0]));
}

static void matches(void **state)
{
	static const struct text_case cases[] = {
		{SITE("{upstream: app, match: {host: [Shop.example, 'a.*.b', 'x:80', '*.', "
		      "ok.example]}}"),
			"t:7:32: error: host: 'Shop.example' has capitals; hosts are compared in "
			"lower case\n"
			"t:7:46: error: host: 'a.*.b' has a '*' that does not stand for the first "
			"part alone\n"
			"t:7:55: error: host: 'x:80' has a port; hosts match on any port\n"
			"t:7:63: error: host: '*.' is empty\n"},
		{SITE("{upstream: app, match: {path: [a, /b?c]}}"),
			"t:7:32: error: path: 'a' does not begin with '/'\n"
			"t:7:35: error: path: '/b?c' holds more than a path; a query goes to "
			"'query'\n"},
		{SITE("{upstream: app, match: {regex: '^/(a'}}"),
			"t:7:32: error: regex: '^/(a', character 5: missing closing parenthesis\n"},
		{SITE("{upstream: app, match: {headers: {X-A: {value: a, regex: b}, 'X:B': c, X-C: "
		      "{value: c, present: false}}}}"),
			"t:7:40: error: headers: 'X-A' has several of 'value', 'prefix' and "
			"'regex'\n"
			"t:7:69: error: headers: 'X:B' is no name of a field\n"
			"t:7:77: error: headers: 'X-C' cannot be absent and say something\n"},
		{SITE("{upstream: app, rewrite: {prefix: /x}, request_headers: {set: {Host: h, TE: "
		      "x}}}"),
			"t:7:26: error: rewrite: 'prefix' replaces that of 'match', which has "
			"none\n"
			"t:7:70: error: headers: 'Host' is changed by 'rewrite'\n"
			"t:7:77: error: headers: 'TE' is weir's own\n"},
	};

	(void)state;
	run(cases, sizeof(cases) / sizeof(cases[0]));
}

static void hidden_routes(void **state)
{
	static const struct text_case cases[] = {
		{SITE("{name: a, upstream: app},\n{name: b, upstream: app}"),
			"t:8:1: warning: route 'b' is never reached: 'a' on line 7 takes all of "
			"it\n"},
		{SITE("{name: a, upstream: app, match: /api},\n"
		      "{name: b, upstream: app, match: {path: [/api, /api/x], methods: GET}},\n"
		      "{name: c, upstream: app, match: {path: [/api, /apix]}},\n"
		      "{name: d, upstream: app, match: {prefix: /api/x, regex: b}}"),
			"t:8:1: warning: route 'b' is never reached: 'a' on line 7 takes all of "
			"it\n"},
		{SITE("{name: a, upstream: app, match: {host: '*.example'}},\n"
		      "{name: b, upstream: app, match: {host: [x.example, '*.y.example'], path: "
		      "/}},\n"
		      "{name: c, upstream: app, match: {host: [x.example, example]}}"),
			"t:8:1: warning: route 'b' is never reached: 'a' on line 7 takes all of "
			"it\n"},
		/* Conditions of the first may fail where the second is asked. */
		{SITE("{name: a, upstream: app, match: {headers: {X: y}}},\n"
		      "{name: b, upstream: app, match: {source: 10.0.0.0/8}},\n"
		      "{name: c, upstream: app, match: {scheme: https}},\n"
		      "{name: d, upstream: app, match: {methods: [GET, POST]}},\n"
		      "{name: e, upstream: app, match: {methods: [GET, PUT]}},\n"
		      "{name: f, upstream: app}"),
			""},
		{SITE("{name: a, upstream: app},\n{name: a, upstream: app, match: /x}"),
			"t:8:1: warning: route 'a' is never reached: 'a' on line 7 takes all of "
			"it\n"
			"t:8:8: error: name: 'a' is taken already, on line 7\n"},
	};

	(void)state;
	run(cases, sizeof(cases) / sizeof(cases[0]));
}

static void policies(void **state)
{
	static const struct text_case cases[] = {
		{SITE("{upstream: app, policies: {jwt: {issuer: x}}}"),
			"t:7:33: error: jwt: without 'keys' or 'secret'\n"},
		{SITE("{upstream: app, policies: {jwt: {secret: /x, algorithms: RS256}}}"),
			"t:7:33: error: jwt: 'secret' is for HS256, which 'algorithms' lacks\n"
			"t:7:33: error: jwt: RS256 and ES256 need 'keys'\n"},
		{SITE("{upstream: app, policies: {basic_auth: /x, jwt: {keys: /y}}}"),
			"t:7:49: error: jwt: 'basic_auth' is there too, and both are asked for in "
			"one field\n"},
		{SITE("{upstream: app, policies: {rate_limits: [{rate: 1, by: header}]}}"),
			"t:7:42: error: rate_limits: say the name of the field in 'header'\n"},
		{SITE("{upstream: app, policies: {cors: {origins: [a.example, '*'], credentials: "
		      "true}}}"),
			"t:7:34: error: cors: 'a.example' is no origin (https://app.example.com)\n"
			"t:7:34: error: cors: 'credentials' cannot go with all origins\n"},
	};

	(void)state;
	run(cases, sizeof(cases) / sizeof(cases[0]));
}

/* What is computed: kinds, targets, defaults that depend on others. */
static void what_is_filled_in(void **state)
{
	char *said, text[2048];
	struct config *cfg;
	const struct config_site *s;

	(void)state;
	snprintf(text, sizeof(text), "%s%s", head,
		"  - {name: l, bind: [192.0.2.10:80], action: http, site: s}\n"
		"sites:\n"
		"  s:\n"
		"    limits: {body: 5kB}\n"
		"    policies: {rate_limits: [7]}\n"
		"    routes:\n"
		"      - {upstream: beta, match: {headers: {A: x, B: {prefix: y}, C: {present: "
		"false}, D: {regex: z}, E: {}}}}\n"
		"      - {name: n, respond: 204, retries: {when: [timeout, status_502]}, policies: "
		"{max_body: 1kB}}\n");
	cfg = config_text_parse(text, &said);
	assert_string_equal(said, "");
	s = cfg->listeners[0].site;
	assert_ptr_equal(s, &cfg->sites[0]);
	assert_string_equal(s->routes[0].name, "route1");
	assert_int_equal(s->routes[0].kind, HTTP_ROUTE_UPSTREAM);
	assert_int_equal(s->routes[0].target_cnt, 1);
	assert_int_equal(s->routes[0].targets[0].upstream_idx, 1);
	assert_int_equal(s->routes[0].retries.on_mask, HTTP_RETRY_CONNECT | HTTP_RETRY_RESET);
	assert_int_equal(s->routes[0].policies.max_body, 5000);
	assert_int_equal(s->routes[0].match.headers[0].kind, HTTP_COND_EXACT);
	assert_int_equal(s->routes[0].match.headers[1].kind, HTTP_COND_PREFIX);
	assert_int_equal(s->routes[0].match.headers[2].kind, HTTP_COND_ABSENT);
	assert_int_equal(s->routes[0].match.headers[3].kind, HTTP_COND_REGEX);
	assert_int_equal(s->routes[0].match.headers[4].kind, HTTP_COND_PRESENT);
	assert_int_equal(s->routes[1].kind, HTTP_ROUTE_RESPOND);
	assert_int_equal(s->routes[1].retries.on_mask, HTTP_RETRY_TIMEOUT | HTTP_RETRY_502);
	assert_int_equal(s->routes[1].policies.max_body, 1000);
	assert_int_equal(s->policies.rates[0].burst, 7);
	config_free(cfg);
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(listeners_and_sites),
		cmocka_unit_test(the_disk_of_the_cache),
		cmocka_unit_test(actions),
		cmocka_unit_test(matches),
		cmocka_unit_test(hidden_routes),
		cmocka_unit_test(policies),
		cmocka_unit_test(what_is_filled_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
