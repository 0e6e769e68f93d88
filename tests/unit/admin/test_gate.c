/* SPDX-License-Identifier: Apache-2.0
 * Who may call what, and that the routes obey it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lb/admin/admin_http.h"

#define TOKEN "0123456789abcdef"

static int changes;

static int get_thing(void *ctx, struct admin_call *c)
{
	(void)ctx;
	json_object_set_new(c->out, "arg", json_string(c->arg));
	return 0;
}

static int post_thing(void *ctx, struct admin_call *c)
{
	uint64_t n = 0;
	int rc = admin_number(c, "n", 1, 10, &n);

	(void)ctx;
	if (rc < 0)
		return rc;
	if (!admin_dry_run(c))
		changes++;
	json_object_set_new(c->out, "n", json_integer((json_int_t)n));
	json_object_set_new(c->out, "name", json_string(admin_text(c, "name")));
	return 0;
}

static int get_page(void *ctx, struct admin_call *c)
{
	(void)ctx;
	c->text = strdup("<html>");
	c->text_len = 6;
	c->content_type = "text/html";
	c->html = true;
	return 0;
}

static const struct admin_param things[] = {
	{"name", "body", "string", "a name", true},
	{"n", "body", "integer", "a number", false},
	{NULL, NULL, NULL, NULL, false},
};
static const struct admin_param arg[] = {
	{"id", "path", "string", "which", true},
	{NULL, NULL, NULL, NULL, false},
};

static const struct admin_route routes[] = {
	{"GET", "/", "page", get_page, .flags = ADMIN_PAGE},
	{"GET", "/v1/things/{id}", "one", get_thing, .params = arg},
	{"POST", "/v1/things", "make", post_thing, .params = things, .flags = ADMIN_DRY_RUN},
};

static const struct admin_site with_token = {routes, ARRAY_SIZE(routes), NULL, NULL, TOKEN, "1"};
static const struct admin_site no_token = {routes, ARRAY_SIZE(routes), NULL, NULL, "", "1"};

static struct admin_request request(const char *method, const char *path)
{
	return (struct admin_request){.method = method,
		.path = path,
		.peer = {.http = true,
			.loopback = true,
			.listen = "127.0.0.1:9180",
			.host = "127.0.0.1:9180"}};
}

static struct admin_request post_request(void)
{
	struct admin_request post = request("POST", "/v1/things");

	post.body = "{\"name\": \"x\"}";
	post.body_len = strlen(post.body);
	return post;
}

static unsigned ask(
	const struct admin_site *site, const struct admin_request *req, const char *needle)
{
	struct admin_answer a;
	unsigned status;

	admin_dispatch(site, req, &a);
	assert_non_null(a.body);
	assert_non_null(a.content_type);
	if (needle != NULL && strstr(a.body, needle) == NULL)
		fail_msg("no '%s' in: %s", needle, a.body);
	status = a.status;
	free(a.body);
	return status;
}

static void loopback_reads_need_no_token_and_changes_do(void **state)
{
	struct admin_request get = request("GET", "/v1/things/7");
	struct admin_request post = post_request();

	(void)state;
	changes = 0;
	assert_int_equal(ask(&with_token, &get, "\"arg\": \"7\""), 200);
	assert_int_equal(ask(&with_token, &post, "Bearer"), 401);
	post.peer.authorization = "Bearer wrong-token-wrong";
	assert_int_equal(ask(&with_token, &post, NULL), 401);
	post.peer.authorization = "Bearer " TOKEN "0";
	assert_int_equal(ask(&with_token, &post, NULL), 401);
	post.peer.authorization = "Bearer ";
	assert_int_equal(ask(&with_token, &post, NULL), 401);
	post.peer.authorization = "Basic " TOKEN;
	assert_int_equal(ask(&with_token, &post, NULL), 401);
	assert_int_equal(changes, 0);
	post.peer.authorization = "Bearer " TOKEN;
	assert_int_equal(ask(&with_token, &post, "\"name\": \"x\""), 200);
	assert_int_equal(changes, 1);
	assert_int_equal(ask(&no_token, &post, "token_file"), 403);
	assert_int_equal(changes, 1);
}

/* A certificate stands for the loopback; beside a token, changes need that as well. */
static void a_certificate_reads_and_without_a_token_changes(void **state)
{
	struct admin_request get = request("GET", "/v1/things/7");
	struct admin_request post = post_request();

	(void)state;
	get.peer.loopback = post.peer.loopback = false;
	get.peer.tls = post.peer.tls = true;
	get.peer.host = post.peer.host = "weir.example";
	changes = 0;
	assert_int_equal(ask(&no_token, &get, NULL), 403);
	assert_int_equal(ask(&no_token, &post, NULL), 403);
	get.peer.certified = post.peer.certified = true;
	assert_int_equal(ask(&no_token, &get, NULL), 200);
	assert_int_equal(ask(&with_token, &get, NULL), 200);
	assert_int_equal(ask(&with_token, &post, "Bearer"), 401);
	assert_int_equal(changes, 0);
	assert_int_equal(ask(&no_token, &post, NULL), 200);
	post.peer.authorization = "Bearer " TOKEN;
	assert_int_equal(ask(&with_token, &post, NULL), 200);
	assert_int_equal(changes, 2);
	/* A browser shows its certificate for other sites, too. */
	post.peer.origin = "https://evil.example";
	assert_int_equal(ask(&no_token, &post, NULL), 403);
	post.peer.origin = "http://weir.example";
	assert_int_equal(ask(&no_token, &post, NULL), 403);
	post.peer.origin = "https://weir.example";
	assert_int_equal(ask(&no_token, &post, NULL), 200);
	post.peer.fetch_site = "cross-site";
	assert_int_equal(ask(&no_token, &post, NULL), 403);
	assert_int_equal(changes, 3);
}

static void from_elsewhere_everything_needs_the_token(void **state)
{
	struct admin_request get = request("GET", "/v1/things/7");
	struct admin_request gone = request("GET", "/v1/nosuch");

	(void)state;
	get.peer.loopback = gone.peer.loopback = false;
	get.peer.listen = "192.0.2.1:80";
	get.peer.host = "weir.example";
	assert_int_equal(ask(&with_token, &get, NULL), 401);
	assert_int_equal(ask(&with_token, &gone, NULL), 401);
	assert_int_equal(ask(&no_token, &get, NULL), 403);
	get.peer.authorization = "bearer " TOKEN;
	assert_int_equal(ask(&with_token, &get, NULL), 200);
	get.path = "/";
	get.peer.authorization = NULL;
	assert_int_equal(ask(&with_token, &get, "<html>"), 200);
}

static void other_sites_are_refused(void **state)
{
	struct admin_request get = request("GET", "/v1/things/7");
	struct admin_request post = post_request();

	(void)state;
	changes = 0;
	post.peer.authorization = "Bearer " TOKEN;
	post.peer.origin = "http://evil.example";
	assert_int_equal(ask(&with_token, &post, "other sites"), 403);
	post.peer.origin = "null";
	assert_int_equal(ask(&with_token, &post, NULL), 403);
	post.peer.origin = "http://127.0.0.1:9181";
	assert_int_equal(ask(&with_token, &post, NULL), 403);
	post.peer.origin = "https://127.0.0.1:9180";
	assert_int_equal(ask(&with_token, &post, NULL), 403);
	assert_int_equal(changes, 0);
	post.peer.origin = "http://127.0.0.1:9180";
	assert_int_equal(ask(&with_token, &post, NULL), 200);
	get.peer.fetch_site = "cross-site";
	assert_int_equal(ask(&with_token, &get, NULL), 403);
	get.peer.fetch_site = "same-site";
	assert_int_equal(ask(&with_token, &get, NULL), 403);
	get.peer.fetch_site = "same-origin";
	assert_int_equal(ask(&with_token, &get, NULL), 200);
	/* A link to the page is no harm. */
	get.path = "/";
	get.peer.fetch_site = "cross-site";
	assert_int_equal(ask(&with_token, &get, NULL), 200);
}

static void rebound_names_are_refused(void **state)
{
	static const struct {
		const char *host;
		unsigned status;
	} rows[] = {{"127.0.0.1:9180", 200}, {"localhost:9180", 200}, {"LOCALHOST:9180", 200},
		{"[::1]:9180", 200}, {"127.0.0.1", 200}, {"evil.example:9180", 421},
		{"127.0.0.1:80", 421}, {"127.0.0.1.evil.example", 421}, {"", 421}, {":9180", 421},
		{"[::1", 421}, {"localhost@evil:9180", 421}, {"127.0.0.2:9180", 421}, {NULL, 421}};
	struct admin_request get = request("GET", "/v1/things/7");

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		get.peer.host = rows[i].host;
		assert_int_equal(ask(&with_token, &get, NULL), rows[i].status);
	}
	get.peer = (struct admin_peer){.http = false};
	assert_int_equal(ask(&with_token, &get, NULL), 200);
}

static void arguments_are_checked(void **state)
{
	static const struct {
		const char *body, *says;
		unsigned status;
	} rows[] = {
		{"", "name is missing", 422},
		{"{}", "name is missing", 422},
		{"[]", "not a JSON object", 422},
		{"{", "not JSON", 422},
		{"{\"name\": 1}", "must be a string", 422},
		{"{\"name\": \"a\", \"nmae\": \"b\"}", "unknown argument 'nmae'", 422},
		{"{\"name\": \"a\", \"name\": \"b\"}", "not JSON", 422},
		{"{\"name\": \"a\", \"n\": 11}", "between 1 and 10", 422},
		{"{\"name\": \"a\", \"n\": -1}", "not a number", 422},
		{"{\"name\": \"a\", \"n\": 1.5}", "must be an integer", 422},
		{"{\"name\": \"a\", \"n\": 10}", "\"n\": 10", 200},
	};
	struct admin_request post = request("POST", "/v1/things");

	(void)state;
	post.peer.http = false;
	changes = 0;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		post.body = rows[i].body;
		post.body_len = strlen(rows[i].body);
		assert_int_equal(ask(&with_token, &post, rows[i].says), rows[i].status);
	}
	assert_int_equal(changes, 1);
	post.query_cnt = 1;
	post.query[0] = (struct admin_pair){"dry_run", "true"};
	assert_int_equal(ask(&with_token, &post, NULL), 200);
	assert_int_equal(changes, 1);
	post.query[0] = (struct admin_pair){"dryrun", NULL};
	assert_int_equal(ask(&with_token, &post, "unknown argument"), 422);
	post.query[0] = (struct admin_pair){"n", "5"};
	assert_int_equal(ask(&with_token, &post, "\"n\": 10"), 200); /* the body goes first */
	assert_int_equal(changes, 2);
}

static void paths_with_an_argument(void **state)
{
	struct admin_request get = request("GET", "/v1/things/");
	char longer[200];

	(void)state;
	assert_int_equal(ask(&no_token, &get, NULL), 404);
	get.path = "/v1/things/a/b";
	assert_int_equal(ask(&no_token, &get, NULL), 404);
	memset(longer, 'x', sizeof(longer));
	memcpy(longer, "/v1/things/", 11);
	longer[sizeof(longer) - 1] = '\0';
	get.path = longer;
	assert_int_equal(ask(&no_token, &get, NULL), 404);
}

static void the_document_has_every_route(void **state)
{
	struct admin_request get = request("GET", "/v1/openapi.json");
	struct admin_answer a;
	json_t *doc, *paths;

	(void)state;
	admin_dispatch(&no_token, &get, &a);
	assert_int_equal(a.status, 200);
	doc = json_loadb(a.body, a.body_len, 0, NULL);
	assert_non_null(doc);
	paths = json_object_get(doc, "paths");
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		assert_non_null(json_object_get(json_object_get(paths, routes[i].path),
			routes[i].method[0] == 'G' ? "get" : "post"));
	for (uint32_t i = 0; i < admin_own_route_cnt; i++)
		assert_non_null(json_object_get(paths, admin_own_routes[i].path));
	json_decref(doc);
	free(a.body);
}

static void tokens_are_read_with_care(void **state)
{
	char path[] = "/tmp/weir-token-XXXXXX", out[ADMIN_TOKEN_MAX], longer[400];
	static const struct {
		const char *text;
		int rc;
	} rows[] = {{TOKEN "\n", 0}, {TOKEN, 0}, {TOKEN "\r\nmore", 0}, {"short\n", -EINVAL},
		{"", -EINVAL}, {"has blanks in it, many\n", -EINVAL}};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_int_equal(
			pwrite(fd, rows[i].text, strlen(rows[i].text), 0), strlen(rows[i].text));
		assert_int_equal(admin_token_read(path, out), rows[i].rc);
		if (rows[i].rc == 0)
			assert_string_equal(out, TOKEN);
	}
	memset(longer, 'x', sizeof(longer));
	assert_int_equal(pwrite(fd, longer, sizeof(longer), 0), sizeof(longer));
	assert_int_equal(admin_token_read(path, out), -EINVAL);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(admin_token_read(path, out), -EPERM);
	close(fd);
	unlink(path);
	assert_int_equal(admin_token_read(path, out), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loopback_reads_need_no_token_and_changes_do),
		cmocka_unit_test(a_certificate_reads_and_without_a_token_changes),
		cmocka_unit_test(from_elsewhere_everything_needs_the_token),
		cmocka_unit_test(other_sites_are_refused),
		cmocka_unit_test(rebound_names_are_refused),
		cmocka_unit_test(arguments_are_checked),
		cmocka_unit_test(paths_with_an_argument),
		cmocka_unit_test(the_document_has_every_route),
		cmocka_unit_test(tokens_are_read_with_care),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
