/* SPDX-License-Identifier: Apache-2.0
 * Any request through a site that has one of everything. The first byte chooses how paths are
 * normalised, the first line is "host/path?query", the others are fields. What a codec would not
 * let through is made harmless. What comes out must be normal, and the tables must agree with the
 * loop. */
#include "lb/l7/route/path.h"
#include "tests/support/route_world.h"

static const char site_text[] =
	"    forwarded: {trusted_proxies: [203.0.113.0/24, 10.0.0.0/8], send: both}\n"
	"    request_id: {accept: always, respond: true}\n"
	"    via: {max: 2}\n"
	"    policies:\n"
	"      cors: {origins: ['https://*.example', 'https://a.test'], credentials: true}\n"
	"      rate_limits: [{rate: 1000000, by: header, header: X-Key}]\n"
	"      security_headers: {}\n"
	"    routes:\n"
	"      - match: {host: ['a', '*.b'], prefix: [/p, /p/q/, /r], query: {k: {regex: "
	"'^[0-9]+$'}}}\n"
	"        upstream: app\n"
	"        rewrite: {prefix: /n}\n"
	"      - match: {regex: ['^/(.*)/x/(.+)$', '(a+)+$'], headers: {X-A: {prefix: 'v'}, X-B: "
	"{present: false}}}\n"
	"        upstream: app\n"
	"        rewrite: {path: '/${2}/${header.x-a}?${1}', host: '${cookie.h}.int'}\n"
	"        request_headers: {set: {X-U: '${uri} ${query.k} ${cookie.c}', X-C: "
	"'${client_ip}'}}\n"
	"      - match: {path: [/e, /e/], methods: [GET, PURGE]}\n"
	"        split: [{upstream: app, weight: 1}, {upstream: next, weight: 2}]\n"
	"        split_by: {by: cookie, name: c}\n"
	"      - {match: {prefix: /go}, redirect: '${path}/${query.to}${header.x-a}'}\n"
	"      - {match: {source: 10.0.0.0/9, scheme: https}, respond: {body: hello}}\n"
	"      - {match: {prefix: /w}, upstream: app, rewrite: {regex: '^/w(.*)$', path: "
	"'${1}'}}\n";

static void require(bool ok)
{
	if (!ok)
		abort();
}

static bool no_control(struct span v)
{
	for (uint32_t i = 0; i < v.len; i++)
		if (((unsigned char)v.at[i] < 0x20 && v.at[i] != '\t') || v.at[i] == 0x7f)
			return false;
	return true;
}

static void require_clean(const struct http_head *h)
{
	for (uint32_t i = 0; i < h->field_cnt; i++)
		require(no_control(h->fields[i].value) && no_control(h->fields[i].name));
}

static void require_normal(struct span path)
{
	char *out = malloc(3 * (size_t)path.len + 1);
	uint32_t len;

	require(out != NULL);
	require(path_normalise(&world.site->path, path, out, &len, NULL) == PATH_SAME);
	free(out);
}

/* A copy of its own length, of what a codec lets through. */
static char *harmless(const uint8_t *data, size_t len, bool target)
{
	char *t = malloc(len + 1);

	require(t != NULL);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = data[i];

		t[i] = (char)(c < 0x20 || c == 0x7f || (target && (c == ' ' || c == '#')) ? 'a'
											  : c);
	}
	t[len] = '\0';
	return t;
}

static void put_field(struct http_stream *s, char *line)
{
	char *colon = strchr(line, ':');

	if (!colon || colon == line)
		return;
	for (char *p = line; p < colon; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			*p = '-';
	if (http_field_find((struct span){line, (uint32_t)(colon - line)}) == HTTP_FIELD_HOST)
		return;
	world_field(&s->req, line);
}

static void run(struct http_stream *s)
{
	struct route_try tries[16];
	struct route_trace trace = {.tries = tries};
	struct http_exchange x = {0};
	enum http_end e = http_request_prepare(world.rw, s);

	if (e != HTTP_END_OK && e != HTTP_END_NO_ROUTE)
		return;
	if (s->route != &world.site->self) {
		require_normal(s->req.path);
		require(http_site_match(world.site, world.rw, s, &x, &trace) == s->route);
	}
	if (!s->route || http_policies_request(world.rw, s) != HTTP_GO)
		return;
	e = http_request_rewrite(world.rw, s);
	require(e == HTTP_END_OK || e == HTTP_END_BAD_REQUEST || e == HTTP_END_HEAD_TOO_LARGE ||
		e == HTTP_END_NO_MEMORY);
	if (e != HTTP_END_OK)
		return;
	if (s->route->action)
		s->route->action->start(s);
	else
		require_normal(s->req.path);
	if (s->route->target_cnt > 0)
		require(http_route_target(world.rw, s->route, s) < 2);
	require_clean(&s->req);
	require_clean(&s->resp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool open;
	static const char *const methods[] = {"GET", "POST", "OPTIONS", "PURGE"};
	struct http_stream *s;
	const uint8_t *end = data + size, *line;
	char *text;

	if (!open)
		require(world_open(site_text));
	open = true;
	if (size < 2 || size > 8000)
		return 0;
	world.site->path =
		(struct config_http_path){data[0] & 1, (enum http_slash)(data[0] >> 1 & 1),
			data[0] >> 2 & 1, (enum http_dots)(data[0] >> 3 & 1)};
	if (data[0] & 0x80)
		world.site->path.double_slash = HTTP_SLASH_MERGE;
	line = memchr(data + 1, '\n', size - 1);
	text = harmless(data + 1, (size_t)((line ? line : end) - data - 1), true);
	if (!strpbrk(text, "/*") ||
		(strchr(text, '?') && strchr(text, '?') < strpbrk(text, "/*"))) {
		free(text);
		return 0;
	}
	s = world_request(methods[data[0] >> 4 & 3], text);
	free(text);
	while (line && ++line < end) {
		const uint8_t *next = memchr(line, '\n', (size_t)(end - line));

		text = harmless(line, (size_t)((next ? next : end) - line), false);
		put_field(s, text);
		free(text);
		line = next;
	}
	run(s);
	return 0;
}
