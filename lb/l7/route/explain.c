/* SPDX-License-Identifier: Apache-2.0
 * The request goes the way that it would go on a worker, up to where something would be sent; only
 * policies are described and not run. */
#include "lb/l7/route/explain.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config/config_upstream.h"
#include "lb/config/suggest.h"
#include "lb/l4/maglev.h"
#include "lb/l7/http/proxy.h"
#include "lb/l7/route/path.h"
#include "lb/l7/route/route_pvt.h"
#include "lb/l7/upstream/table.h"

#define SLABS 8

struct explain {
	const struct explain_ask *ask;
	FILE *err;
	const struct config_listener *listener;
	struct http_site *site;
	struct http_route_worker *rw;
	struct pool slabs;
	struct http_stream s;
	json_t *out;
};

static int PRINTF_LIKE(2, 3) fail(const struct explain *e, const char *fmt, ...)
{
	va_list ap;

	fputs("weir: error: ", e->err);
	va_start(ap, fmt);
	vfprintf(e->err, fmt, ap);
	va_end(ap);
	fputc('\n', e->err);
	return -EINVAL;
}

static json_t *text(struct span v)
{
	json_t *t = json_stringn(v.at, v.len);

	return t ? t : json_string("(not UTF-8)");
}

static void set(struct explain *e, const char *key, json_t *value)
{
	json_object_set_new(e->out, key, value);
}

/* ---- the request ---- */

static struct span keep(struct explain *e, const char *at, size_t len)
{
	char *p = http_arena_alloc(&e->s.arena, (uint32_t)len + 1);

	memcpy(p, at, len);
	p[len] = '\0';
	return (struct span){p, (uint32_t)len};
}

static int parse_host(struct explain *e, const char *at, size_t len)
{
	const char *end = at + len, *colon = NULL;
	char *host;

	if (len > 0 && at[0] == '[')
		colon = memchr(at, ']', len) ? (const char *)memchr(at, ']', len) + 1 : NULL;
	else
		colon = memchr(at, ':', len);
	if (colon == end)
		colon = NULL;
	if (len > 255 || memchr(at, '@', len))
		return fail(e, "'%.*s' is no host", (int)len, at);
	if (colon) {
		char *stop;
		unsigned long port = strtoul(colon + 1, &stop, 10);

		if (*colon != ':' || stop != end || port == 0 || port > 65535)
			return fail(e, "'%.*s' is no host with a port", (int)len, at);
		e->s.req.port = (uint16_t)port;
		len = (size_t)(colon - at);
	}
	e->s.req.host = keep(e, at, len);
	host = (char *)(uintptr_t)e->s.req.host.at;
	for (size_t i = 0; i < len; i++)
		host[i] = (char)tolower((unsigned char)host[i]);
	return 0;
}

static int parse_url(struct explain *e, const char *url)
{
	struct http_head *h = &e->s.req;
	const char *p = url, *slash, *q;

	if (strlen(url) > 8000)
		return fail(e, "the URL is longer than 8000 bytes");
	h->scheme = SPAN("http");
	if (strncasecmp(p, "http://", 7) == 0) {
		p += 7;
	} else if (strncasecmp(p, "https://", 8) == 0) {
		p += 8;
		h->scheme = SPAN("https");
		e->s.secure = true;
	}
	slash = p + strcspn(p, "/?#");
	if (parse_host(e, p, (size_t)(slash - p)) != 0)
		return -EINVAL;
	for (const char *c = slash; *c; c++)
		if ((unsigned char)*c <= 0x20 || *c == 0x7f || *c == '#')
			return fail(e, "'%s' has a character that no request can have", url);
	q = strchr(slash, '?');
	h->path = *slash == '/' ? keep(e, slash, q ? (size_t)(q - slash) : strlen(slash))
				: keep(e, "/", 1);
	h->has_query = q != NULL;
	h->query = q ? keep(e, q + 1, strlen(q + 1)) : SPAN("");
	return 0;
}

static bool hop_by_hop(enum http_field_id id)
{
	return id == HTTP_FIELD_CONNECTION || id == HTTP_FIELD_KEEP_ALIVE || id == HTTP_FIELD_TE ||
	       id == HTTP_FIELD_TRANSFER_ENCODING || id == HTTP_FIELD_UPGRADE ||
	       id == HTTP_FIELD_CONTENT_LENGTH || id == HTTP_FIELD_PROXY_CONNECTION ||
	       id == HTTP_FIELD_TRAILER;
}

static int parse_field(struct explain *e, const char *line)
{
	const char *colon = strchr(line, ':'), *v;
	struct span name;
	enum http_field_id id;
	size_t len;
	int rc;

	if (!colon || colon == line || strlen(line) > 8000)
		return fail(e, "'%s' is no header field (Name: value)", line);
	v = colon + 1 + strspn(colon + 1, " \t");
	len = strlen(v);
	while (len > 0 && (v[len - 1] == ' ' || v[len - 1] == '\t'))
		len--;
	name = keep(e, line, (size_t)(colon - line));
	for (uint32_t i = 0; i < name.len; i++)
		if (!isgraph((unsigned char)name.at[i]))
			return fail(e, "'%s' is no header field (Name: value)", line);
	id = http_field_find(name);
	if (id == HTTP_FIELD_HOST)
		return parse_host(e, v, len);
	rc = id != HTTP_FIELD_OTHER ? http_head_add(&e->s.req, id, keep(e, v, len))
				    : http_head_add_name(&e->s.req, name, keep(e, v, len));
	if (rc != 0)
		return fail(e, "too many header fields");
	if (hop_by_hop(id))
		e->s.req.fields[e->s.req.field_cnt - 1].flags |= HTTP_F_HOP;
	return 0;
}

static int parse_request(struct explain *e)
{
	const struct explain_ask *a = e->ask;
	struct http_stream *s = &e->s;
	const char *client = a->client ? a->client : "192.0.2.1";
	int rc;

	http_arena_init(&s->arena, &e->slabs, SLABS);
	s->req.version = 11;
	s->req.method_text = keep(e, a->method, strlen(a->method));
	s->req.method = http_method_find(s->req.method_text);
	if (ip_addr_parse(client, &s->client) != 0)
		return fail(e, "'%s' is no address", client);
	s->peer = s->client;
	rc = parse_url(e, a->url);
	if (rc == 0 && s->req.method == HTTP_CONNECT && s->req.port == 0)
		rc = fail(e, "CONNECT asks for HOST:PORT, not '%s'", a->url);
	for (uint32_t i = 0; i < a->field_cnt && rc == 0; i++)
		rc = parse_field(e, a->fields[i]);
	return rc;
}

/* ---- which listener ---- */

static bool binds(const struct config_listener *l, uint16_t port)
{
	for (uint32_t i = 0; i < l->bind_cnt; i++)
		if (l->binds[i].port == port)
			return true;
	return false;
}

static int named_listener(struct explain *e)
{
	const struct config *cfg = e->ask->cfg;
	struct suggest sg;

	suggest_init(&sg, e->ask->listener);
	for (uint32_t i = 0; i < cfg->listener_cnt; i++) {
		if (strcmp(cfg->listeners[i].name, e->ask->listener) == 0)
			e->listener = &cfg->listeners[i];
		suggest_try(&sg, cfg->listeners[i].name);
	}
	if (!e->listener && sg.best)
		return fail(e, "no listener is called '%s'; did you mean '%s'?", e->ask->listener,
			sg.best);
	if (!e->listener)
		return fail(e, "no listener is called '%s'", e->ask->listener);
	if (e->listener->action != LISTENER_HTTP)
		return fail(e, "listener '%s' has no action http", e->ask->listener);
	return 0;
}

/* By the URL's port; if there is none such, the only listener that there is. The port of CONNECT is
 * that of the tunnel's other end. */
static int find_listener(struct explain *e)
{
	bool connect = e->s.req.method == HTTP_CONNECT;
	const struct config *cfg = e->ask->cfg;
	uint16_t port = e->s.req.port ? e->s.req.port : e->s.secure ? 443 : 80;
	uint32_t http = 0, fit = 0;
	const struct config_listener *any = NULL;

	if (e->ask->listener)
		return named_listener(e);
	for (uint32_t i = 0; i < cfg->listener_cnt; i++) {
		const struct config_listener *l = &cfg->listeners[i];

		if (l->action != LISTENER_HTTP)
			continue;
		http++;
		any = l;
		if (!connect && binds(l, port)) {
			fit++;
			e->listener = l;
		}
	}
	if (fit == 0 && http == 1)
		e->listener = any;
	else if (fit != 1) {
		if (connect)
			fail(e, "CONNECT names no listener; say which with --listener:");
		else
			fail(e, "%s listener is on port %u; say which with --listener:",
				fit ? "more than one" : "no", port);
		for (uint32_t i = 0; i < cfg->listener_cnt; i++)
			if (cfg->listeners[i].action == LISTENER_HTTP)
				fprintf(e->err, "  --listener %s\n", cfg->listeners[i].name);
		return -EINVAL;
	}
	return 0;
}

/* ---- the decision ---- */

static void explain_tries(struct explain *e)
{
	static const char *const whys[] = {[ROUTE_MATCHED] = "matches",
		[ROUTE_HOST] = "host",
		[ROUTE_PATH] = "path",
		[ROUTE_METHOD] = "method",
		[ROUTE_SCHEME] = "scheme",
		[ROUTE_HEADER] = "header",
		[ROUTE_QUERY] = "query",
		[ROUTE_SOURCE] = "source"};
	uint32_t cnt = http_site_route_cnt(e->site);
	struct route_trace trace = {.tries = calloc(cnt, sizeof(*trace.tries))};
	struct http_exchange x = {0};
	json_t *tries = json_array();

	if (trace.tries)
		(void)http_site_match(e->site, e->rw, &e->s, &x, &trace);
	for (uint32_t i = 0; i < trace.cnt; i++) {
		const struct route_try *t = &trace.tries[i];
		json_t *o = json_pack("{s:s,s:I,s:b,s:s,s:b}", "route", t->route->name, "line",
			(json_int_t)t->route->line, "matched", t->why == ROUTE_MATCHED, "why",
			whys[t->why], "near", t->why != ROUTE_MATCHED && t->failed_cnt == 1);

		if (t->detail)
			json_object_set_new(o, "detail", json_string(t->detail));
		json_array_append_new(tries, o);
	}
	free(trace.tries);
	set(e, "tries", tries);
}

static void explain_policies(struct explain *e)
{
	const struct http_policy_chain *c = e->s.route->policies;
	json_t *list = json_array();

	for (uint32_t i = 0; c && i < c->cnt; i++) {
		char *said = NULL;
		size_t len;
		FILE *mem = open_memstream(&said, &len);

		if (!mem)
			break;
		c->policies[i]->ops->describe(c->policies[i], mem);
		fclose(mem);
		json_array_append_new(list, json_string(said));
		free(said);
	}
	set(e, "policies", list);
}

static void explain_answer(struct explain *e)
{
	const struct http_fixed *f = e->s.route->fixed;
	json_t *o = json_pack("{s:i}", "status", f->status);
	struct span to;

	if (f->location) {
		template_expand(f->location, &e->s, route_exchange(&e->s), &to);
		json_object_set_new(o, "location", to.at ? text(to) : json_null());
	} else {
		json_object_set_new(o, "body", text(f->body));
	}
	set(e, "answer", o);
}

static void add_fields(json_t *list, const struct http_head *h)
{
	for (uint32_t i = 0; i < h->field_cnt; i++) {
		const struct http_field *f = &h->fields[i];

		if (!(f->flags & (HTTP_F_GONE | HTTP_F_HOP)) && f->id != HTTP_FIELD_HOST)
			json_array_append_new(
				list, json_pack("[o,o]", text(f->name), text(f->value)));
	}
}

static void explain_sees(struct explain *e)
{
	const struct http_head *h = &e->s.req;
	json_t *fields, *line;
	char host[300];

	if (h->method == HTTP_CONNECT && !e->s.route->connect->forward) {
		set(e, "sees",
			json_pack("{s:s,s:[]}", "line", "the tunnel's bytes alone", "headers"));
		return;
	}
	fields = json_array();
	snprintf(host, sizeof(host), h->port ? "%.*s:%u" : "%.*s", (int)h->host.len, h->host.at,
		h->port);
	if (h->method == HTTP_CONNECT)
		line = json_sprintf("CONNECT %s HTTP/1.1", host);
	else
		line = json_sprintf("%.*s %.*s%s%.*s HTTP/1.1", (int)h->method_text.len,
			h->method_text.at, (int)h->path.len, h->path.at, h->has_query ? "?" : "",
			(int)h->query.len, h->query.len ? h->query.at : "");
	json_array_append_new(fields, json_pack("[s,s]", "host", host));
	add_fields(fields, h);
	set(e, "sees",
		json_pack("{s:o,s:o}", "line", line ? line : json_null(), "headers", fields));
}

/* ---- upstream and backend ---- */

static const char *sticky_word(enum http_hash_by by)
{
	return by == HTTP_BY_CLIENT ? "the client" : by == HTTP_BY_COOKIE ? "cookie" : "header";
}

static void explain_upstream(struct explain *e, uint32_t chosen)
{
	const struct http_route *r = e->s.route;
	const struct config_upstream *ups = e->ask->cfg->upstreams;
	uint64_t hash;
	char why[256];

	if (r->target_cnt == 1) {
		set(e, "upstream",
			json_pack("{s:s,s:s}", "name", ups[chosen].name, "why",
				"the route's only one"));
		return;
	}
	for (uint32_t i = 0; i < r->target_cnt; i++)
		if (r->targets[i].upstream == chosen) {
			unsigned w = r->targets[i].weight, sum = r->weight_sum;

			if (route_sticky_value(r, e->site, &e->s, &hash))
				snprintf(why, sizeof(why),
					"%u of %u, by the hash %016llx of %s%s%.*s: always", w, sum,
					(unsigned long long)hash, sticky_word(r->sticky_by),
					r->sticky_name.len ? " " : "", (int)r->sticky_name.len,
					r->sticky_name.at);
			else
				snprintf(why, sizeof(why), "%u of %u, drawn%s", w, sum,
					r->sticky_by == HTTP_BY_NOTHING
						? ""
						: ": the request has nothing to stick by");
		}
	set(e, "upstream", json_pack("{s:s,s:s}", "name", ups[chosen].name, "why", why));
}

static bool all_up(void *ctx, uint32_t upstream, uint32_t backend)
{
	(void)ctx;
	(void)upstream;
	(void)backend;
	return true;
}

static bool nothing_in_use(void *ctx, bool server, uint32_t id)
{
	(void)ctx;
	(void)server;
	(void)id;
	return false;
}

static json_t *server_text(const struct up_server *s)
{
	char addr[IP_ADDR_TEXT_MAX];

	/* What names stand for is not asked here. */
	if (s->host != NULL)
		return json_sprintf("%s:%u", s->host, ntohs(s->port));
	return json_sprintf(ip_addr_is4(&s->addr) ? "%s:%u" : "[%s]:%u",
		ip_addr_format(&s->addr, addr), ntohs(s->port));
}

static void one_backend(struct explain *e, const struct up_entry *u)
{
	static const char *const keys[] = {[UPSTREAM_KEY_CLIENT] = "the client's address",
		[UPSTREAM_KEY_HEADER] = "header ",
		[UPSTREAM_KEY_COOKIE] = "cookie ",
		[UPSTREAM_KEY_PATH] = "the path"};
	const struct config_upstream *c = u->cfg;
	uint64_t hash = http_proxy_hash(&e->s, c);
	uint16_t node = u->set->maglev[maglev_slot(hash, u->set->maglev_size)];
	bool named = c->key == UPSTREAM_KEY_HEADER || c->key == UPSTREAM_KEY_COOKIE;

	set(e, "backend",
		json_pack("{s:o,s:o}", "address", server_text(&u->servers[u->nodes[node]]), "why",
			json_sprintf("by the hash %016llx of %s%s%s", (unsigned long long)hash,
				keys[c->key], named ? c->key_name : "",
				c->balance == UPSTREAM_BOUNDED_HASH
					? ", unless it has more than its share"
					: "")));
}

static void some_backends(struct explain *e, const struct up_entry *u)
{
	static const char *const ways[] = {[UPSTREAM_WRR] = "in turn, by weight",
		[UPSTREAM_LEAST_REQUESTS] = "of two drawn by weight, the one with fewer requests",
		[UPSTREAM_MAGLEV] = "by a hash, over all addresses that names stand for",
		[UPSTREAM_BOUNDED_HASH] = "by a hash, over all addresses that names stand for",
		[UPSTREAM_EWMA] = "of two drawn by weight, the one that answers sooner"};
	json_t *list = json_array();

	for (uint32_t i = 0; i < u->set->node_cnt; i++) {
		const struct up_server *s = &u->servers[u->nodes[i]];

		json_array_append_new(
			list, json_pack("{s:o,s:o}", "address", server_text(s), "share",
				      json_sprintf("%u of %u", s->weight, u->weights)));
	}
	set(e, "backends", list);
	set(e, "backends_why", json_string(ways[u->cfg->balance]));
}

static bool has_names(const struct up_entry *u)
{
	for (uint32_t i = 0; i < u->server_cnt; i++)
		if (u->servers[i].host != NULL)
			return true;
	return false;
}

static void explain_entry(struct explain *e, const struct up_entry *u)
{
	if (!u->set || u->set->node_cnt == 0)
		set(e, "backends", json_array());
	else if (u->set->maglev && (e->ask->upstreams || !has_names(u)))
		one_backend(e, u);
	else
		some_backends(e, u);
}

static void explain_backend(struct explain *e, uint32_t chosen)
{
	struct up_registry *registry;
	struct up_build in = {.cfg = e->ask->cfg, .health_up = all_up, .in_use = nothing_in_use};
	struct up_table *t = NULL;

	if (e->ask->upstreams) {
		explain_entry(e, &e->ask->upstreams->entries[chosen]);
		return;
	}
	registry = calloc(1, sizeof(*registry));
	in.registry = registry;
	if (!registry || up_table_build(&in, &t) != 0) {
		free(registry);
		return;
	}
	explain_entry(e, &t->entries[chosen]);
	up_table_free(t);
	free(registry);
}

static void explain_refusal(struct explain *e, enum http_end end)
{
	struct span path = e->s.req.path;
	char *out = malloc(3 * (size_t)path.len + 1);
	const char *why = NULL;
	uint32_t len;

	if (end == HTTP_END_BAD_REQUEST && out &&
		path_normalise(&e->site->path, path, out, &len, &why) == PATH_REFUSED)
		set(e, "refused", json_sprintf("400: the path holds %s", why));
	else
		set(e, "refused", json_string(http_end_word(end)));
	free(out);
}

static void explain_route(struct explain *e)
{
	static const char *const actions[] = {[HTTP_ROUTE_UPSTREAM] = "upstream",
		[HTTP_ROUTE_REDIRECT] = "redirect",
		[HTTP_ROUTE_RESPOND] = "respond",
		[HTTP_ROUTE_FILES] = "files",
		[HTTP_ROUTE_KV] = "kv"};
	const struct http_route *r = e->s.route;
	json_t *adds = json_array();
	enum http_end end;

	set(e, "route", json_string(r->name));
	set(e, "line", json_integer(r->line));
	set(e, "action",
		json_string((size_t)r->kind < ARRAY_SIZE(actions) ? actions[r->kind]
								  : r->action->name));
	explain_policies(e);
	if (r->kind == HTTP_ROUTE_UPSTREAM) {
		uint32_t chosen = http_route_target(e->rw, r, &e->s);

		explain_upstream(e, chosen);
		end = http_request_rewrite(e->rw, &e->s);
		if (end == HTTP_END_OK)
			end = http_request_tell(&e->s);
		if (end != HTTP_END_OK) {
			set(e, "refused", json_sprintf("after rewriting: %s", http_end_word(end)));
		} else {
			explain_sees(e);
			explain_backend(e, chosen);
		}
	} else if (r->fixed) {
		explain_answer(e);
	}
	e->s.resp.status = 200;
	http_response_rewrite(e->rw, &e->s);
	add_fields(adds, &e->s.resp);
	set(e, "adds", adds);
}

static int decide(struct explain *e)
{
	const struct config_listener *l = e->listener;
	char client[IP_ADDR_TEXT_MAX];
	struct span asked = e->s.req.path;
	enum http_end end;
	json_t *req;

	e->s.site = e->site;
	e->s.local = l->binds[0].addr;
	e->s.local_port = htons(l->binds[0].port);
	req = json_pack("{s:s,s:s,s:s}", "method", e->ask->method, "url", e->ask->url, "client",
		ip_addr_format(&e->s.client, client));
	e->out = json_pack("{s:s,s:s,s:O}", "listener", l->name, "site", http_site_name(e->site),
		"request", req);
	end = http_request_prepare(e->rw, &e->s);
	if (e->s.req.path.len > 0 && !span_eq(asked, e->s.req.path))
		json_object_set_new(req, "path", text(e->s.req.path));
	if (!ip_addr_eq(&e->s.client, &e->s.peer))
		json_object_set_new(
			req, "behind", json_string(ip_addr_format(&e->s.client, client)));
	json_decref(req);
	if (end != HTTP_END_OK && end != HTTP_END_NO_ROUTE) {
		explain_refusal(e, end);
		return 0;
	}
	if (!e->s.route || e->s.route->idx != UINT32_MAX)
		explain_tries(e);
	if (e->s.route)
		explain_route(e);
	else
		set(e, "route", json_null());
	return 0;
}

int explain_request(const struct explain_ask *ask, FILE *err, json_t **out)
{
	struct explain e = {.ask = ask, .err = err};
	int rc = pool_init(&e.slabs, HTTP_ARENA_SLAB, 8, SLABS);

	*out = NULL;
	if (rc == 0)
		rc = parse_request(&e);
	if (rc == 0)
		rc = find_listener(&e);
	if (rc == 0)
		rc = http_site_build(&(struct http_site_build){.cfg = ask->cfg,
					     .site = e.listener->site,
					     .worker_cnt = 1,
					     .err = err},
			&e.site);
	if (rc == 0) {
		e.rw = http_route_worker_create(0, 1);
		rc = e.rw ? decide(&e) : -ENOMEM;
	}
	http_route_worker_destroy(e.rw);
	http_site_free(e.site);
	pool_fini(&e.slabs);
	*out = e.out;
	return rc;
}
