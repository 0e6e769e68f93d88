/* SPDX-License-Identifier: Apache-2.0
 * Policies as requests meet them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <crypt.h>
#include <unistd.h>

#include "lb/l7/policy/rate_table.h"
#include "tests/support/route_world.h"

#define SEC UINT64_C(1000000000)

static void open_site(const char *fmt, ...)
{
	char site[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(site, sizeof(site), fmt, ap);
	va_end(ap);
	if (!world_open(site))
		fail_msg("%s", world.messages);
}

static uint16_t ask(const char *method, const char *target, const char *field)
{
	world_request(method, target);
	if (field)
		world_field(&world.s.req, field);
	(void)world_run();
	return world.status;
}

static uint16_t from(const char *client)
{
	world_request("GET", "h/");
	(void)!ip_addr_parse(client, &world.s.client);
	(void)world_run();
	return world.status;
}

static void write_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* ---- access, bodies, inheritance ---- */

static void access_lists(void **state)
{
	(void)state;
	open_site("    policies: {access: {allow: [203.0.113.0/24, \"2001:db8::/32\"], deny: "
		  "203.0.113.66}}\n"
		  "    routes: [{upstream: app}]\n");
	assert_int_equal(from("203.0.113.7"), 0);
	assert_int_equal(from("2001:db8::1"), 0);
	assert_int_equal(from("203.0.113.66"), 403);
	assert_int_equal(from("198.51.100.1"), 403);
	world_close();
}

static void routes_inherit(void **state)
{
	(void)state;
	open_site("    policies: {access: {deny: 203.0.113.7}, max_body: 100B}\n"
		  "    routes:\n"
		  "      - {match: /own, upstream: app, policies: {access: {allow: "
		  "203.0.113.0/24}}}\n"
		  "      - {match: /open, upstream: app, policies: {inherit: false}}\n"
		  "      - {match: /big, upstream: app, policies: {max_body: 1kB}}\n"
		  "      - {upstream: app}\n");
	assert_int_equal(ask("GET", "h/own", NULL), 403);
	assert_int_equal(ask("GET", "h/open", NULL), 0);
	assert_int_equal(ask("GET", "h/", NULL), 403);
	world_close();
}

static uint16_t post(const char *target, uint64_t length)
{
	struct http_stream *s = world_request("POST", target);

	s->req.framing = HTTP_BODY_LENGTH;
	s->req.length = length;
	(void)world_run();
	return world.status;
}

static void bodies_are_bounded(void **state)
{
	(void)state;
	open_site("    limits: {body: 100B}\n"
		  "    routes:\n"
		  "      - {match: /big, upstream: app, policies: {max_body: 1kB}}\n"
		  "      - {match: /any, upstream: app, policies: {max_body: 0}}\n"
		  "      - {upstream: app}\n");
	assert_int_equal(post("h/", 100), 0);
	assert_int_equal(post("h/", 101), 413);
	assert_int_equal(world.s.route->max_body, 100);
	assert_int_equal(post("h/big", 1000), 0);
	assert_int_equal(post("h/big", 1001), 413);
	assert_int_equal(post("h/any", UINT64_C(1) << 40), 0);
	world_close();
}

/* ---- rates ---- */

static void rates_are_bounded(void **state)
{
	(void)state;
	open_site("    policies: {rate_limits: [{rate: 2, burst: 3}]}\n    routes: [{upstream: "
		  "app}]\n");
	for (int i = 0; i < 3; i++)
		assert_int_equal(from("203.0.113.7"), 0);
	assert_int_equal(from("203.0.113.7"), 429);
	assert_string_equal(world_value(&world.s.resp, "Retry-After"), "1");
	assert_int_equal(from("203.0.113.8"), 0);
	world.now_ns += SEC / 2;
	assert_int_equal(from("203.0.113.7"), 0);
	assert_int_equal(from("203.0.113.7"), 429);
	world.now_ns += 10 * SEC; /* no more than the burst is saved up */
	for (int i = 0; i < 3; i++)
		assert_int_equal(from("203.0.113.7"), 0);
	assert_int_equal(from("203.0.113.7"), 429);
	world_close();
}

static void ipv6_counts_by_its_network(void **state)
{
	(void)state;
	open_site("    policies: {rate_limits: [{rate: 1, per: 60s}]}\n    routes: [{upstream: "
		  "app}]\n");
	assert_int_equal(from("2001:db8::1"), 0);
	assert_int_equal(from("2001:db8::2"), 429);
	assert_string_equal(world_value(&world.s.resp, "Retry-After"), "60");
	assert_int_equal(from("2001:db8:0:1::1"), 0);
	world_close();
}

static void rates_by_header_and_route(void **state)
{
	(void)state;
	open_site("    routes:\n"
		  "      - match: /h\n"
		  "        upstream: app\n"
		  "        policies: {rate_limits: [{rate: 1, by: header, header: X-Key, status: "
		  "503}]}\n"
		  "      - {upstream: app, policies: {rate_limits: [{rate: 1, by: route}]}}\n");
	assert_int_equal(ask("GET", "h/h", "X-Key: a"), 0);
	assert_int_equal(ask("GET", "h/h", "X-Key: a"), 503);
	assert_int_equal(ask("GET", "h/h", "X-Key: b"), 0);
	assert_int_equal(ask("GET", "h/h", NULL), 0);
	assert_int_equal(ask("GET", "h/h", NULL), 503);
	assert_int_equal(from("203.0.113.1"), 0);
	assert_int_equal(from("203.0.113.2"), 429);
	world_close();
}

/* A site that is built again for the next generation goes on counting. */
static void limiters_survive_a_reload(void **state)
{
	struct http_site *next;

	(void)state;
	open_site("    policies: {rate_limits: [{rate: 1, per: 60s}]}\n    routes: [{upstream: "
		  "app}]\n");
	assert_int_equal(from("203.0.113.7"), 0);
	assert_int_equal(http_site_build(&(struct http_site_build){.cfg = world.cfg,
						 .site = world.cfg->listeners[0].site,
						 .worker_cnt = 1,
						 .prev = world.site},
				 &next),
		0);
	http_site_free(world.site);
	world.site = next;
	assert_int_equal(from("203.0.113.7"), 429);
	world_close();
}

/* The table against buckets that are refilled the long way round. */
static void the_table_is_a_token_bucket(void **state)
{
	enum { KEYS = 20, RATE = 5, BURST = 4 };
	struct rate_table *t = rate_table_create(RATE, SEC, BURST, 1024);
	double tokens[KEYS];
	uint64_t last[KEYS] = {0}, now = SEC, wait;
	struct rng rng;

	(void)state;
	assert_non_null(t);
	rng_seed(&rng, 7);
	for (int i = 0; i < KEYS; i++)
		tokens[i] = BURST;
	for (int i = 0; i < 100000; i++) {
		uint64_t k = rng_below(&rng, KEYS);
		bool want;

		now += rng_below(&rng, SEC / 50);
		tokens[k] += (double)(now - last[k]) * RATE / 1e9;
		tokens[k] = tokens[k] > BURST ? BURST : tokens[k];
		last[k] = now;
		/* Where rounding decides, either is right. */
		if (tokens[k] > 1 - 1e-6 && tokens[k] < 1 + 1e-6) {
			tokens[k] -= rate_table_take(t, k << 32 | (k + 1), now, &wait) ? 1 : 0;
			continue;
		}
		want = tokens[k] > 1;
		if (rate_table_take(t, k << 32 | (k + 1), now, &wait) != want)
			fail_msg("step %d: key %lu, %f tokens", i, (unsigned long)k, tokens[k]);
		tokens[k] -= want ? 1 : 0;
	}
	rate_table_destroy(t);
}

static void a_full_table_forgets_the_oldest(void **state)
{
	struct rate_table *t = rate_table_create(1, 1000 * SEC, 1, 4);
	uint64_t wait;

	(void)state;
	for (uint64_t k = 1; k <= 4; k++)
		assert_true(rate_table_take(t, k, SEC + k, &wait));
	for (uint64_t k = 1; k <= 4; k++)
		assert_false(rate_table_take(t, k, 2 * SEC, &wait));
	assert_true(rate_table_take(t, 5, 2 * SEC, &wait)); /* in place of key 1 */
	assert_false(rate_table_take(t, 2, 2 * SEC, &wait));
	assert_true(rate_table_take(t, 1, 2 * SEC, &wait)); /* in place of key 2 */
	rate_table_destroy(t);
}

/* ---- CORS ---- */

static uint16_t cors(const char *method, const char *origin, const char *wants)
{
	char line[128];

	world_request(method, "h/");
	snprintf(line, sizeof(line), "Origin: %s", origin);
	world_field(&world.s.req, line);
	snprintf(line, sizeof(line), "Access-Control-Request-Method: %s", wants ? wants : "");
	if (wants)
		world_field(&world.s.req, line);
	(void)world_run();
	return world.status;
}

static const char *told(const char *name)
{
	return world_value(&world.s.resp, name);
}

static void preflights(void **state)
{
	(void)state;
	open_site("    policies:\n"
		  "      cors: {origins: ['https://app.example', 'https://*.sub.example'], "
		  "methods: [GET, PUT], "
		  "headers: [X-A, X-B], credentials: true, max_age: 2m}\n"
		  "      security_headers: {}\n"
		  "    routes: [{upstream: app}]\n");
	assert_int_equal(cors("OPTIONS", "https://app.example", "PUT"), 204);
	assert_string_equal(told("Access-Control-Allow-Origin"), "https://app.example");
	assert_string_equal(told("Access-Control-Allow-Methods"), "GET, PUT");
	assert_string_equal(told("Access-Control-Allow-Headers"), "X-A, X-B");
	assert_string_equal(told("Access-Control-Allow-Credentials"), "true");
	assert_string_equal(told("Access-Control-Max-Age"), "120");
	assert_string_equal(told("Vary"), "Origin");
	assert_int_equal(cors("OPTIONS", "https://a.sub.example", "GET"), 204);
	assert_int_equal(cors("OPTIONS", "https://sub.example", "GET"), 403);
	assert_null(told("Access-Control-Allow-Origin"));
	assert_int_equal(cors("OPTIONS", "https://evilsub.example", "GET"), 403);
	assert_int_equal(cors("OPTIONS", "http://app.example", "GET"), 403);
	assert_int_equal(cors("OPTIONS", "https://app.example.evil", "GET"), 403);
	assert_int_equal(cors("OPTIONS", "null", "GET"), 403);
	/* An OPTIONS request that is no preflight. */
	assert_int_equal(cors("OPTIONS", "https://app.example", NULL), 0);
	world_close();
}

static void origins_of_requests(void **state)
{
	(void)state;
	open_site("    policies: {cors: {origins: ['https://app.example'], expose: ETag}}\n"
		  "    routes: [{upstream: app}]\n");
	assert_int_equal(cors("GET", "https://app.example", NULL), 0);
	world_field(&world.s.resp, "Access-Control-Allow-Origin: *");
	world_field(&world.s.resp, "Vary: Accept");
	http_policies_response(world.rw, &world.s);
	assert_string_equal(told("Access-Control-Allow-Origin"), "https://app.example");
	assert_string_equal(told("Access-Control-Expose-Headers"), "ETag");
	assert_int_equal(cors("GET", "https://other.example", NULL), 0);
	world_field(&world.s.resp, "Access-Control-Allow-Origin: *");
	http_policies_response(world.rw, &world.s);
	assert_null(told("Access-Control-Allow-Origin"));
	assert_string_equal(told("Vary"), "Origin");
	world_close();
	open_site("    policies: {cors: {origins: '*'}}\n    routes: [{upstream: app}]\n");
	assert_int_equal(cors("GET", "https://any.example", NULL), 0);
	http_policies_response(world.rw, &world.s);
	assert_string_equal(told("Access-Control-Allow-Origin"), "*");
	assert_null(told("Vary"));
	world_close();
}

/* ---- security headers ---- */

static void security_headers(void **state)
{
	(void)state;
	open_site("    policies: {security_headers: {hsts_subdomains: true, "
		  "content_security_policy: \"default-src 'self'\"}}\n"
		  "    routes: [{upstream: app}]\n");
	world_request("GET", "h/")->secure = true;
	(void)world_run();
	world_field(&world.s.resp, "X-Frame-Options: SAMEORIGIN");
	http_policies_response(world.rw, &world.s);
	assert_string_equal(
		told("Strict-Transport-Security"), "max-age=31536000; includeSubDomains");
	assert_string_equal(told("X-Content-Type-Options"), "nosniff");
	assert_string_equal(told("X-Frame-Options"), "SAMEORIGIN");
	assert_string_equal(told("Content-Security-Policy"), "default-src 'self'");
	ask("GET", "h/", NULL);
	http_policies_response(world.rw, &world.s);
	assert_null(told("Strict-Transport-Security"));
	assert_null(told("Permissions-Policy"));
	world_close();
}

/* ---- basic auth ---- */

static char users_path[64];

static void open_users(void)
{
	struct crypt_data data = {0};
	char ann[CRYPT_OUTPUT_SIZE], text[1024];

	strcpy(ann, crypt_r("secret", "$6$rounds=1000$saltsalt$", &data));
	snprintf(text, sizeof(text), "# people\nann:%s\r\n\nbob:%s\n", ann,
		crypt_r("pass:word", "$2b$04$abcdefghijklmnopqrstuu", &data));
	strcpy(users_path, "/tmp/weir-users-XXXXXX");
	write_file(users_path, text);
	open_site(
		"    routes: [{upstream: app, policies: {basic_auth: {users: %s, realm: here}}}]\n",
		users_path);
}

static void close_users(void)
{
	world_close();
	unlink(users_path);
}

static void names_and_passwords(void **state)
{
	(void)state;
	open_users();
	assert_int_equal(ask("GET", "h/", NULL), 401);
	assert_string_equal(told("WWW-Authenticate"), "Basic realm=\"here\", charset=\"UTF-8\"");
	/* ann:secret, and then out of the memory of the worker */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(ask("GET", "h/", "Authorization: basic  YW5uOnNlY3JldA=="), 0);
		assert_string_equal(world_text(route_exchange(&world.s)->user), "ann");
		assert_null(world_value(&world.s.req, "Authorization"));
	}
	/* bob:pass:word */
	assert_int_equal(ask("GET", "h/", "Authorization: Basic Ym9iOnBhc3M6d29yZA=="), 0);
	assert_int_equal(ask("GET", "h/", "Authorization: Basic Ym9iOnBhc3M="), 401);
	assert_int_equal(ask("GET", "h/", "Authorization: Basic ZXZlOnNlY3JldA=="), 401);
	assert_int_equal(ask("GET", "h/", "Authorization: Basic YW5uOnNlY3JldA"), 401);
	assert_int_equal(ask("GET", "h/", "Authorization: Basic YW5u"), 401);
	assert_int_equal(ask("GET", "h/", "Authorization: Bearer YW5uOnNlY3JldA=="), 401);
	/* Which of two would a backend read? */
	world_request("GET", "h/");
	world_field(&world.s.req, "Authorization: Basic YW5uOnNlY3JldA==");
	world_field(&world.s.req, "Authorization: Basic ZXZlOnNlY3JldA==");
	(void)world_run();
	assert_int_equal(world.status, 401);
	close_users();
}

static enum http_verdict went_on;
static uint32_t went_on_cnt;

static void go_on(struct http_stream *s, enum http_verdict v)
{
	assert_ptr_equal(s, &world.s);
	went_on = v;
	went_on_cnt++;
}

static void wait_for_thread(uint32_t cnt)
{
	for (int i = 0; i < 5000 && cnt > 0; i++) {
		cnt -= http_policies_poll(world.rw, world.now_ns);
		usleep(1000);
	}
	assert_int_equal(cnt, 0);
}

static void the_thread_hashes(void **state)
{
	(void)state;
	open_users();
	http_policies_on_done(world.rw, go_on);
	assert_int_equal(http_policies_attach(world.rw), 0);
	went_on_cnt = 0;
	ask("GET", "h/", "Authorization: Basic YW5uOnNlY3JldA==");
	assert_int_equal(world.status, 0);
	assert_int_not_equal(route_exchange(&world.s)->waiting, 0);
	wait_for_thread(1);
	assert_int_equal(went_on_cnt, 1);
	assert_int_equal(went_on, HTTP_GO);
	assert_string_equal(world_text(route_exchange(&world.s)->user), "ann");
	/* Wrong: answered while polling. */
	ask("GET", "h/", "Authorization: Basic YW5uOnNlY3JlVA==");
	assert_int_equal(world.status, 0);
	wait_for_thread(1);
	assert_int_equal(world.status, 401);
	assert_int_equal(went_on_cnt, 1);
	/* A client that leaves is not heard of again. */
	ask("GET", "h/", "Authorization: Basic YW5uOnNlY3JlVQ==");
	http_policies_cancel(world.rw, &world.s);
	usleep(50000);
	assert_int_equal(http_policies_poll(world.rw, world.now_ns), 0);
	assert_int_equal(world.status, 0);
	/* And a site may go while its work is under way. */
	ask("GET", "h/", "Authorization: Basic YW5uOnNlY3JlVg==");
	http_policies_cancel(world.rw, &world.s);
	http_site_free(world.site);
	world.site = NULL;
	close_users();
}

static void more_than_the_thread_can_do_is_503(void **state)
{
	(void)state;
	open_users();
	assert_int_equal(http_policies_attach(world.rw), 0);
	for (int i = 0; i < 64; i++) {
		ask("GET", "h/", "Authorization: Basic YW5uOnNlY3JlVA==");
		assert_int_equal(world.status, 0);
		http_policies_cancel(world.rw, &world.s);
	}
	assert_int_equal(ask("GET", "h/", "Authorization: Basic YW5uOnNlY3JlVA=="), 503);
	close_users();
}

static void wrong_user_files(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"", "nobody"},
		{"ann\n", ":1: error: expected NAME:HASH"},
		{"\nann:plain\n", ":2: error: this is no hash"},
		{"ann:$apr1$x$y\n", "too weak"},
		{"ann:{SHA}abc=\n", "too weak"},
		{"ann:$6$a$b\nann:$6$a$b\n", "twice"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char path[] = "/tmp/weir-users-XXXXXX", site[256];

		write_file(path, cases[i].text);
		snprintf(site, sizeof(site),
			"    routes: [{upstream: app, policies: {basic_auth: %s}}]\n", path);
		assert_false(world_open(site));
		if (!strstr(world.messages, cases[i].says))
			fail_msg("'%s' is not in: %s", cases[i].says, world.messages);
		world_close();
		unlink(path);
	}
	assert_false(
		world_open("    routes: [{upstream: app, policies: {basic_auth: /no/such}}]\n"));
	assert_non_null(strstr(world.messages, "/no/such: error: No such file"));
	world_close();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access_lists),
		cmocka_unit_test(routes_inherit),
		cmocka_unit_test(bodies_are_bounded),
		cmocka_unit_test(rates_are_bounded),
		cmocka_unit_test(ipv6_counts_by_its_network),
		cmocka_unit_test(rates_by_header_and_route),
		cmocka_unit_test(limiters_survive_a_reload),
		cmocka_unit_test(the_table_is_a_token_bucket),
		cmocka_unit_test(a_full_table_forgets_the_oldest),
		cmocka_unit_test(preflights),
		cmocka_unit_test(origins_of_requests),
		cmocka_unit_test(security_headers),
		cmocka_unit_test(names_and_passwords),
		cmocka_unit_test(the_thread_hashes),
		cmocka_unit_test(more_than_the_thread_can_do_is_503),
		cmocka_unit_test(wrong_user_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
