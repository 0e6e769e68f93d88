/* SPDX-License-Identifier: Apache-2.0
 * route_world - a site out of a configuration text, and requests to it without a network: what the
 * HTTP fronts and actions would do is noted instead. To be included by one file of a program. */
#ifndef TESTS_SUPPORT_ROUTE_WORLD_H
#define TESTS_SUPPORT_ROUTE_WORLD_H

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb/l7/policy/policy_pvt.h"
#include "lb/l7/route/route_pvt.h"
#include "tests/support/config_text.h"

struct world {
	struct config *cfg;
	struct http_site *site;
	struct http_route_worker *rw;
	struct pool slabs;
	struct http_stream s;
	char *messages;
	/* What happened to the request. */
	uint64_t now_ns;
	uint16_t status; /* of an answer; 0: none */
	char body[4096];
	enum http_end end;
	bool answered, ignored;
};

static struct world world;

/* In the order of enum http_end. */
static const uint16_t end_status[] = {
#define E(id, word, proxy_status, status) status,
	HTTP_ENDS(E)
#undef E
};

/* ---- what the fronts would do ---- */

static void world_answer(struct http_stream *s, uint16_t status)
{
	s->resp.status = status;
	world.status = status;
	world.answered = true;
	http_policies_response(world.rw, s);
	http_response_rewrite(world.rw, s);
}

void http_respond(struct http_stream *s, uint16_t status, struct span type, struct span body)
{
	if (type.len > 0)
		(void)!http_head_set(&s->resp, HTTP_FIELD_CONTENT_TYPE, type);
	snprintf(world.body, sizeof(world.body), "%.*s", (int)body.len, body.at);
	world_answer(s, status);
}

void http_fail(struct http_stream *s, enum http_end end)
{
	world.end = end;
	world_answer(s, s->fail_status ? s->fail_status : end_status[end]);
}

void http_body_ignore(struct http_stream *s)
{
	(void)s;
	world.ignored = true;
}

uint64_t http_now_ns(const struct http_stream *s)
{
	(void)s;
	return world.now_ns;
}

/* ---- the world ---- */

/* `site` is the body of a site with six blanks before each line. False: see world.messages. */
static bool world_open(const char *site)
{
	static const char head[] = "ports: [{device: x, addresses: 192.0.2.2/24}]\n"
				   "upstreams:\n"
				   "  app: {backends: [192.0.2.11:80]}\n"
				   "  next: {backends: [192.0.2.12:80]}\n"
				   "listeners: [{bind: [192.0.2.10:80], action: http, site: s}]\n"
				   "sites:\n"
				   "  s:\n";
	size_t n = sizeof(head) + strlen(site), size;
	char *text = malloc(n), *said;
	FILE *err;
	int rc;

	memset(&world, 0, sizeof(world));
	snprintf(text, n, "%s%s", head, site);
	world.cfg = config_text_parse(text, &world.messages);
	free(text);
	if (!world.cfg)
		return false;
	err = open_memstream(&said, &size);
	rc = http_site_build(&(struct http_site_build){.cfg = world.cfg,
				     .site = world.cfg->listeners[0].site,
				     .worker_cnt = 1,
				     .err = err},
		&world.site);
	fclose(err);
	if (rc != 0) {
		free(world.messages);
		world.messages = said;
		return false;
	}
	free(said);
	world.rw = http_route_worker_create(0, 1);
	world.now_ns = 1000000000;
	return world.rw && pool_init(&world.slabs, HTTP_ARENA_SLAB, 64, 16) == 0;
}

static UNUSED void world_close(void)
{
	if (world.slabs.mem) {
		http_arena_reset(&world.s.arena);
		pool_fini(&world.slabs);
	}
	http_route_worker_destroy(world.rw);
	http_site_free(world.site);
	config_free(world.cfg);
	free(world.messages);
}

static struct span world_copy(const char *at, size_t len)
{
	char *p = http_arena_alloc(&world.s.arena, (uint32_t)len + 1);

	memcpy(p, at, len);
	return (struct span){p, (uint32_t)len};
}

static UNUSED void world_field(struct http_head *h, const char *line)
{
	const char *colon = strchr(line, ':'), *v = colon + 1;
	struct span name = world_copy(line, (size_t)(colon - line));
	enum http_field_id id = http_field_find(name);

	while (*v == ' ')
		v++;
	if (id != HTTP_FIELD_OTHER)
		(void)!http_head_add(h, id, world_copy(v, strlen(v)));
	else
		(void)!http_head_add_name(h, name, world_copy(v, strlen(v)));
}

/* A request of 203.0.113.7; `target` is "host/path?query". */
static struct http_stream *world_request(const char *method, const char *target)
{
	struct http_stream *s = &world.s;
	const char *slash = strchr(target, '/'), *q;

	if (s->arena.slabs)
		http_arena_reset(&s->arena);
	memset(s, 0, sizeof(*s));
	http_arena_init(&s->arena, &world.slabs, 16);
	world.status = 0;
	world.end = HTTP_END_OK;
	world.answered = world.ignored = false;
	world.body[0] = '\0';
	if (!slash)
		slash = strchr(target, '*');
	q = strchr(slash, '?');
	s->site = world.site;
	s->req.method_text = world_copy(method, strlen(method));
	s->req.method = http_method_find(s->req.method_text);
	s->req.scheme = SPAN("http");
	s->req.host = world_copy(target, (size_t)(slash - target));
	s->req.version = 11;
	s->req.path = world_copy(slash, q ? (size_t)(q - slash) : strlen(slash));
	s->req.has_query = q != NULL;
	s->req.query = q ? world_copy(q + 1, strlen(q + 1)) : SPAN("");
	(void)!ip_addr_parse("203.0.113.7", &s->client);
	s->peer = s->client;
	(void)!ip_addr_parse("192.0.2.10", &s->local);
	s->client_port = htons(50000);
	s->local_port = htons(80);
	return s;
}

/* The way of a request to its action. */
static UNUSED enum http_end world_run(void)
{
	struct http_stream *s = &world.s;
	enum http_end e = http_request_prepare(world.rw, s);

	if (e == HTTP_END_OK && http_policies_request(world.rw, s) == HTTP_GO)
		e = http_request_rewrite(world.rw, s);
	if (e != HTTP_END_OK)
		http_fail(s, e);
	else if (!world.answered && s->route->action)
		s->route->action->start(s);
	return world.end;
}

static UNUSED const char *world_route(void)
{
	return world.s.route ? world.s.route->name : "none";
}

/* Value of a field, "" if it is there without one, NULL if not; of several the first. */
static UNUSED const char *world_value(const struct http_head *h, const char *name)
{
	static char text[4][2048];
	static int turn;
	const struct http_field *f =
		http_head_find(h, (struct span){name, (uint32_t)strlen(name)}, NULL);
	char *out = text[turn++ & 3];

	if (!f)
		return NULL;
	snprintf(out, sizeof(text[0]), "%.*s", (int)f->value.len, f->value.at);
	return out;
}

static UNUSED const char *world_text(struct span v)
{
	static char text[4][4096];
	static int turn;
	char *out = text[turn++ & 3];

	snprintf(out, sizeof(text[0]), "%.*s", (int)v.len, v.at);
	return out;
}

#endif
