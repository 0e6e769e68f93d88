/* SPDX-License-Identifier: Apache-2.0
 * `weir route`: what it says is what would happen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lb/l7/route/explain.h"
#include "tests/support/config_text.h"

static const char text[] =
	"ports: [{device: x, addresses: 192.0.2.2/24}]\n"
	"upstreams:\n"
	"  app: {backends: [192.0.2.11:8080, {address: 192.0.2.12, port: 8080, weight: 3}]}\n"
	"  hashed: {backends: [192.0.2.21:80, 192.0.2.22:80, 192.0.2.23:80], balance: maglev, key: "
	"cookie, "
	"key_name: id}\n"
	"listeners:\n"
	"  - {name: web, bind: [192.0.2.10:80], action: http, site: shop}\n"
	"  - {name: alt, bind: [192.0.2.10:8080], action: http, routes: [{respond: {status: 404, "
	"body: none}}]}\n"
	"sites:\n"
	"  shop:\n"
	"    forwarded: {trusted_proxies: 203.0.113.9}\n"
	"    routes:\n"
	"      - {name: login, match: {path: /login, methods: POST}, upstream: app}\n"
	"      - name: api\n"
	"        match: {host: api.example, prefix: /api, headers: {X-Beta: '1'}}\n"
	"        upstream: hashed\n"
	"        rewrite: {prefix: /v2}\n"
	"        request_headers: {remove: X-Beta}\n"
	"        policies: {rate_limits: [7]}\n"
	"      - {name: away, match: {path: /away}, redirect: 'https://${host}/x'}\n"
	"      - name: half\n"
	"        match: {prefix: /half}\n"
	"        split: [{upstream: app, weight: 1}, {upstream: hashed, weight: 3}]\n"
	"        split_by: {by: cookie, name: id}\n"
	"      - {name: own, match: {source: 198.51.100.0/24}, upstream: app}\n"
	"      - {name: tunnel, match: {host: db.example}, upstream: app, connect: "
	"'db.example:5432'}\n"
	"      - name: next\n"
	"        match: {host: next.example}\n"
	"        upstream: app\n"
	"        connect: {allow: '*:8080', forward: true}\n";

static const char *listener; /* NULL: by the URL */
static struct config *cfg;
static char *said;

static json_t *explain(const char *method, const char *url, const char *field)
{
	struct explain_ask ask = {.cfg = cfg,
		.listener = listener,
		.method = method,
		.url = url,
		.fields = (char *const *)&field,
		.field_cnt = field != NULL};
	size_t size;
	FILE *err;
	json_t *o;

	free(said);
	err = open_memstream(&said, &size);
	(void)!explain_request(&ask, err, &o);
	fclose(err);
	return o;
}

/* "key.key.index" of an object, as text. */
static const char *at(const json_t *o, const char *path)
{
	static char number[32];
	char key[64];

	while (*path) {
		size_t n = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		o = json_is_array(o) ? json_array_get(o, strtoul(key, NULL, 10))
				     : json_object_get(o, key);
		path += n + (path[n] == '.');
	}
	if (json_is_integer(o) || json_is_boolean(o)) {
		snprintf(number, sizeof(number), "%lld",
			json_is_integer(o) ? (long long)json_integer_value(o)
					   : (long long)json_is_true(o));
		return number;
	}
	return json_is_string(o) ? json_string_value(o) : json_is_null(o) ? "null" : "missing";
}

#define IS(o, path, want) assert_string_equal(at(o, path), want)

static const char *seen(const json_t *o, const char *name)
{
	size_t i;
	json_t *pair;

	json_array_foreach(json_object_get(json_object_get(o, "sees"), "headers"), i,
		pair) if (strcmp(json_string_value(json_array_get(pair, 0)), name) ==
			  0) return json_string_value(json_array_get(pair, 1));
	return "missing";
}

static void tries_and_near_misses(void **state)
{
	json_t *o = explain("GET", "http://other/login", NULL);

	(void)state;
	IS(o, "listener", "web");
	IS(o, "tries.0.route", "login");
	IS(o, "tries.0.why", "method");
	IS(o, "tries.0.near", "1");
	IS(o, "tries.1.why", "host");
	IS(o, "tries.1.near", "0");
	IS(o, "tries.4.why", "source");
	IS(o, "tries.4.near", "1");
	IS(o, "route", "null");
	json_decref(o);
	o = explain("GET", "http://api.example/api/x", NULL);
	IS(o, "tries.1.why", "header");
	IS(o, "tries.1.detail", "X-Beta");
	IS(o, "tries.1.near", "1");
	json_decref(o);
}

static void what_the_backend_sees(void **state)
{
	json_t *o = explain("GET", "http://API.example:80/api/a/../b?c", "X-Beta: 1");

	(void)state;
	IS(o, "request.path", "/api/b");
	IS(o, "route", "api");
	IS(o, "policies.0", "rate_limit: 7 in 1 s, burst 7, for each client");
	IS(o, "sees.line", "GET /v2/b?c HTTP/1.1");
	assert_string_equal(seen(o, "host"), "api.example:80");
	assert_string_equal(seen(o, "X-Beta"), "missing");
	assert_string_equal(seen(o, "x-forwarded-for"), "192.0.2.1");
	assert_string_equal(seen(o, "via"), "1.1 weir");
	IS(o, "upstream.name", "hashed");
	json_decref(o);
}

static void the_backend_is_the_hash_s(void **state)
{
	char first[64], cookie[32];
	bool other = false;

	(void)state;
	for (int i = 0; i < 40; i++) {
		json_t *o = explain("GET", "http://x/half", "Cookie: id=1"), *b;

		if (i == 0)
			snprintf(first, sizeof(first), "%s", at(o, "upstream.name"));
		IS(o, "upstream.name", first);
		json_decref(o);
		snprintf(cookie, sizeof(cookie), "Cookie: id=%d", i);
		o = explain("GET", "http://x/half", cookie);
		other |= strcmp(at(o, "upstream.name"), first) != 0;
		if (strcmp(at(o, "upstream.name"), "hashed") == 0) {
			b = explain("GET", "http://x/half", cookie);
			IS(b, "backend.address", at(o, "backend.address"));
			assert_non_null(strstr(at(b, "backend.why"), "cookie id"));
			json_decref(b);
		} else {
			IS(o, "backends.0.address", "192.0.2.11:8080");
			IS(o, "backends.0.share", "1 of 4");
			IS(o, "backends.1.share", "3 of 4");
		}
		json_decref(o);
	}
	assert_true(other);
}

static void answers_of_weir(void **state)
{
	json_t *o = explain("GET", "http://h.example/away", NULL);

	(void)state;
	IS(o, "answer.status", "308");
	IS(o, "answer.location", "https://h.example/x");
	json_decref(o);
	o = explain("GET", "http://h.example:8080/", NULL);
	IS(o, "listener", "alt");
	IS(o, "answer.body", "none");
	json_decref(o);
	o = explain("GET", "http://h.example/%2e%2f", NULL);
	IS(o, "refused", "400: the path holds an encoded slash");
	json_decref(o);
	o = explain("TRACE", "http://h.example/", NULL);
	IS(o, "refused", "method_not_allowed");
	json_decref(o);
}

/* The port of the target is none of a listener. */
static void tunnels(void **state)
{
	json_t *o;

	(void)state;
	assert_null(explain("CONNECT", "next.example:8080", NULL));
	assert_non_null(strstr(said, "--listener web"));
	listener = "web";
	o = explain("CONNECT", "db.example:5432", NULL);
	IS(o, "route", "tunnel");
	IS(o, "sees.line", "the tunnel's bytes alone");
	IS(o, "backends.0.address", "192.0.2.11:8080");
	json_decref(o);
	o = explain("CONNECT", "next.example:8080", NULL);
	IS(o, "route", "next");
	IS(o, "sees.line", "CONNECT next.example:8080 HTTP/1.1");
	assert_string_equal(seen(o, "host"), "next.example:8080");
	assert_string_equal(seen(o, "via"), "1.1 weir");
	json_decref(o);
	o = explain("CONNECT", "db.example:5433", NULL);
	IS(o, "refused", "denied");
	json_decref(o);
	o = explain("CONNECT", "other.example:5432", NULL);
	IS(o, "refused", "method_not_allowed");
	json_decref(o);
	assert_null(explain("CONNECT", "db.example", NULL));
	assert_non_null(strstr(said, "HOST:PORT"));
	listener = NULL;
}

static void wrong_questions(void **state)
{
	(void)state;
	assert_null(explain("GET", "http://h.example:81/", NULL));
	assert_non_null(strstr(said, "--listener web"));
	assert_null(explain("GET", "http://a@b/", NULL));
	assert_non_null(strstr(said, "is no host"));
	assert_null(explain("GET", "http://a/ b", NULL));
	assert_null(explain("GET", "http://a/", "nonsense"));
	assert_non_null(strstr(said, "no header field"));
}

static void for_people(void **state)
{
	json_t *o = explain("GET", "http://api.example/api", "X-Beta: 1");
	char *printed;
	size_t size;
	FILE *out = open_memstream(&printed, &size);

	(void)state;
	explain_print(o, out);
	fclose(out);
	assert_non_null(strstr(printed, "    12  login  no: path\n"));
	assert_non_null(strstr(printed, "    13  api    matches\n"));
	assert_non_null(strstr(printed, "the backend sees\n  GET /v2 HTTP/1.1\n"));
	free(printed);
	json_decref(o);
}

static int setup(void **state)
{
	char *messages;

	(void)state;
	cfg = config_text_parse(text, &messages);
	if (!cfg)
		print_error("%s", messages);
	free(messages);
	return cfg ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	config_free(cfg);
	free(said);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tries_and_near_misses),
		cmocka_unit_test(what_the_backend_sees),
		cmocka_unit_test(the_backend_is_the_hash_s),
		cmocka_unit_test(answers_of_weir),
		cmocka_unit_test(tunnels),
		cmocka_unit_test(wrong_questions),
		cmocka_unit_test(for_people),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
