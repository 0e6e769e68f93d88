/* SPDX-License-Identifier: Apache-2.0
 * A request on its way from the front to its action. */
#include <stdio.h>
#include <string.h>

#include "lb/l7/route/path.h"
#include "lb/l7/route/route_pvt.h"

/* ---- which upstream ---- */

bool route_sticky_value(const struct http_route *r, const struct http_site *site,
	const struct http_stream *s, uint64_t *hash)
{
	const struct http_field *f;
	struct ip_addr a = s->client;
	struct span v = {NULL, 0};

	switch (r->sticky_by) {
	case HTTP_BY_CLIENT:
		if (!ip_addr_is4(&a))
			a.d[1] = 0;
		v = (struct span){(const char *)a.b, sizeof(a.b)};
		break;
	case HTTP_BY_COOKIE:
		v = template_cookie(&s->req, r->sticky_name);
		break;
	case HTTP_BY_HEADER:
		f = http_head_find_as(&s->req, r->sticky_id, r->sticky_name, NULL);
		v = f ? f->value : v;
		break;
	case HTTP_BY_NOTHING:
		break;
	}
	if (v.len == 0)
		return false;
	*hash = siphash24(&site->seed, v.at, v.len);
	return true;
}

/* ---- before a route is known ---- */

static enum http_end normalise(const struct http_site *site, struct http_stream *s)
{
	struct span *host = &s->req.host;
	uint32_t len;
	char *out;

	if (host->len > 1 && host->at[host->len - 1] == '.')
		host->len--;
	out = http_arena_alloc(&s->arena, 3 * s->req.path.len + 1);
	if (!out)
		return HTTP_END_NO_MEMORY;
	switch (path_normalise(&site->path, s->req.path, out, &len, NULL)) {
	case PATH_SAME:
		break;
	case PATH_CHANGED:
		s->req.path = (struct span){out, len};
		break;
	case PATH_REFUSED:
		return HTTP_END_BAD_REQUEST;
	}
	return HTTP_END_OK;
}

/* Received-by of a member of Via: "1.1 name (comment)". */
static struct span received_by(struct span member)
{
	const char *p = member.at, *end = p + member.len, *start;

	while (p < end && *p != ' ' && *p != '\t')
		p++;
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	start = p;
	while (p < end && *p != ' ' && *p != '\t')
		p++;
	return (struct span){start, (uint32_t)(p - start)};
}

static bool in_a_loop(const struct http_site *site, const struct http_stream *s)
{
	struct http_list_iter it = {0};
	struct span member;
	uint32_t cnt = 0;

	if (site->via_name.len == 0)
		return false;
	while (http_head_list_next(&s->req, HTTP_FIELD_VIA, &it, &member))
		cnt += span_caseeq(received_by(member), site->via_name);
	return cnt > site->via_max;
}

/* Max-Forwards of OPTIONS (RFC 9110 7.6.2): zero means us; otherwise one less goes on. */
static bool meant_for_us(struct http_stream *s, bool *bad)
{
	const struct http_field *f = http_head_get(&s->req, HTTP_FIELD_MAX_FORWARDS, NULL);
	uint32_t n = 0;
	char text[12], *copy;
	int len;

	if (!f || s->req.method != HTTP_OPTIONS)
		return false;
	if (f->value.len == 0 || f->value.len > 9) {
		*bad = true;
		return false;
	}
	for (uint32_t i = 0; i < f->value.len; i++) {
		if (f->value.at[i] < '0' || f->value.at[i] > '9') {
			*bad = true;
			return false;
		}
		n = 10 * n + (uint32_t)(f->value.at[i] - '0');
	}
	if (n == 0)
		return true;
	len = snprintf(text, sizeof(text), "%u", n - 1);
	copy = http_arena_alloc(&s->arena, (uint32_t)len);
	*bad = !copy;
	if (copy) {
		memcpy(copy, text, (size_t)len);
		*bad = http_head_set(&s->req, HTTP_FIELD_MAX_FORWARDS,
			       (struct span){copy, (uint32_t)len}) != 0;
	}
	return false;
}

/* The whole server is asked for, or no backend is to be: weir itself. */
static bool asks_weir(struct http_stream *s, bool *bad)
{
	*bad = false;
	return (s->req.path.len == 1 && s->req.path.at[0] == '*') || meant_for_us(s, bad);
}

/* A wildcard stands for any first parts, however many, as certificates' do for one. */
static bool target_is(const struct http_connect_target *t, struct span host, uint16_t port)
{
	if (t->port != 0 && t->port != port)
		return false;
	if (!t->wild)
		return span_eq(t->host, host);
	return t->host.len == 0 ||
	       (host.len > t->host.len + 1 && host.at[host.len - t->host.len - 1] == '.' &&
		       span_eq((struct span){host.at + host.len - t->host.len, t->host.len},
			       t->host));
}

static bool may_connect(const struct http_connect *k, const struct http_head *h)
{
	for (uint32_t i = 0; i < k->allow_cnt; i++)
		if (target_is(&k->allow[i], h->host, h->port))
			return true;
	return false;
}

/* RFC 9110 9.3.6: there is an authority and nothing else. */
static enum http_end prepare_connect(const struct http_site *site, struct http_route_worker *rw,
	struct http_stream *s, struct http_exchange *x)
{
	s->req.path = s->req.query = SPAN("");
	x->original_path = x->original_query = s->req.path;
	x->original_host = s->req.host;
	s->route = http_site_match(site, rw, s, x, NULL);
	if (!s->route)
		return HTTP_END_METHOD_NOT_ALLOWED;
	if (!may_connect(s->route->connect, &s->req)) {
		s->detail = "connect_target";
		return HTTP_END_DENIED;
	}
	if (s->route->target_cnt > 1 && !route_sticky_value(s->route, site, s, &x->draw))
		x->draw = rng_next(&rw->rng);
	return HTTP_END_OK;
}

static enum http_end prepare(
	const struct http_site *site, struct http_route_worker *rw, struct http_stream *s)
{
	struct http_exchange *x = http_arena_alloc(&s->arena, sizeof(*x));
	enum http_end e;
	bool bad;

	s->policy_state = x;
	if (!x)
		return HTTP_END_NO_MEMORY;
	memset(x, 0, sizeof(*x));
	forwarded_client(site, s, x);
	e = ids_prepare(site, rw, s, x);
	if (e != HTTP_END_OK)
		return e;
	if (in_a_loop(site, s))
		return HTTP_END_LOOP;
	if (s->req.method == HTTP_CONNECT)
		return prepare_connect(site, rw, s, x);
	if (s->req.method == HTTP_TRACE)
		return HTTP_END_METHOD_NOT_ALLOWED;
	if (asks_weir(s, &bad)) {
		s->route = &site->self;
		return HTTP_END_OK;
	}
	e = bad ? HTTP_END_BAD_REQUEST : normalise(site, s);
	if (e != HTTP_END_OK)
		return e;
	x->original_path = s->req.path;
	x->original_query = s->req.query;
	x->original_host = s->req.host;
	s->route = http_site_match(site, rw, s, x, NULL);
	if (!s->route)
		return HTTP_END_NO_ROUTE;
	if (s->route->target_cnt > 1 && !route_sticky_value(s->route, site, s, &x->draw))
		x->draw = rng_next(&rw->rng);
	return HTTP_END_OK;
}

enum http_end http_request_prepare(struct http_route_worker *rw, struct http_stream *s)
{
	return prepare(s->site, rw, s);
}

/* ---- after the policies ---- */

static bool edit_one(struct http_stream *s, struct http_head *h, const struct route_edit *e,
	const struct http_exchange *x, bool set)
{
	struct span v;
	int rc;

	template_expand(e->value, s, x, &v);
	if (!v.at)
		return false;
	if (set)
		http_head_remove_as(h, e->field, e->name);
	while (v.len > 0 && (v.at[0] == ' ' || v.at[0] == '\t')) {
		v.at++;
		v.len--;
	}
	while (v.len > 0 && (v.at[v.len - 1] == ' ' || v.at[v.len - 1] == '\t'))
		v.len--;
	if (v.len == 0)
		return true;
	rc = e->field != HTTP_FIELD_OTHER ? http_head_add(h, e->field, v)
					  : http_head_add_as(h, e->field, e->name, v);
	return rc == 0;
}

/* False: the head has no room for another field, or there is no memory. */
static bool edit(struct http_stream *s, struct http_head *h, const struct http_edits *e,
	const struct http_exchange *x)
{
	if (!e)
		return true;
	for (uint32_t i = 0; i < e->remove_cnt; i++)
		http_head_remove_as(h, e->remove[i].field, e->remove[i].name);
	for (uint32_t i = 0; i < e->set_cnt; i++)
		if (!edit_one(s, h, &e->set[i], x, true))
			return false;
	for (uint32_t i = 0; i < e->add_cnt; i++)
		if (!edit_one(s, h, &e->add[i], x, false))
			return false;
	return true;
}

/* What is behind the longest prefix of the route that covers the path; false: none does. */
static bool behind_prefix(const struct route_match *m, struct span path, struct span *rest)
{
	uint32_t best = 0;

	for (uint32_t i = 0; i < m->prefix_cnt; i++)
		if (m->prefixes[i].len > best && path_has_prefix(path, m->prefixes[i]))
			best = m->prefixes[i].len;
	*rest = (struct span){path.at + best, path.len - best};
	return best > 0;
}

static bool join_prefix(
	struct http_stream *s, struct span prefix, struct span rest, struct span *out)
{
	char *p = http_arena_alloc(&s->arena, prefix.len + rest.len + 1);
	bool slash = prefix.at[prefix.len - 1] == '/';

	if (!p)
		return false;
	out->at = p;
	if (rest.len > 0 && rest.at[0] == '/' && slash)
		prefix.len--;
	memcpy(p, prefix.at, prefix.len);
	p += prefix.len;
	if (rest.len > 0 && rest.at[0] != '/' && !slash)
		*p++ = '/';
	memcpy(p, rest.at, rest.len);
	out->len = (uint32_t)(p + rest.len - out->at);
	return true;
}

/* What rewriting made is held to the same form as what clients send. */
static enum http_end take_path(
	const struct http_site *site, struct http_stream *s, struct span path)
{
	const char *q = memchr(path.at, '?', path.len);
	uint32_t len;
	char *out;

	if (q) {
		s->req.has_query = true;
		s->req.query = (struct span){q + 1, (uint32_t)(path.at + path.len - q - 1)};
		path.len = (uint32_t)(q - path.at);
	}
	out = http_arena_alloc(&s->arena, 3 * path.len + 1);
	if (!out)
		return HTTP_END_NO_MEMORY;
	switch (path_normalise(&site->path, path, out, &len, NULL)) {
	case PATH_SAME:
		s->req.path = path;
		return HTTP_END_OK;
	case PATH_CHANGED:
		s->req.path = (struct span){out, len};
		return HTTP_END_OK;
	case PATH_REFUSED:
		break;
	}
	return HTTP_END_BAD_REQUEST;
}

static enum http_end rewrite_path(const struct route_rule *rule, struct http_route_worker *rw,
	struct http_stream *s, struct http_exchange *x)
{
	const struct http_rewrite *w = rule->r.rewrite;
	struct span path = s->req.path, rest;

	if (w->prefix.len > 0) {
		if (!behind_prefix(&rule->m, path, &rest))
			return HTTP_END_OK;
		if (!join_prefix(s, w->prefix, rest, &path))
			return HTTP_END_NO_MEMORY;
		return take_path(s->site, s, path);
	}
	if (!w->path)
		return HTTP_END_OK;
	if (w->regex && !regex_match(w->regex, rw->regex, path, x->captures, HTTP_CAPTURES,
				&x->capture_cnt))
		return HTTP_END_OK;
	template_expand(w->path, s, x, &path);
	return path.at ? take_path(s->site, s, path) : HTTP_END_NO_MEMORY;
}

/* Only what may stand in Host (RFC 3986 3.2.2, without percent-encoding). */
static bool good_host(struct span h)
{
	bool literal = h.len > 0 && h.at[0] == '[';

	for (uint32_t i = 0; i < h.len; i++) {
		char c = h.at[i];
		bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';

		if (!name && !(literal && (c == ':' || c == '[' || c == ']')))
			return false;
	}
	return h.len > 0 && h.len < 256;
}

static enum http_end rewrite_host(
	const struct http_rewrite *w, struct http_stream *s, const struct http_exchange *x)
{
	struct span host, name;
	const char *colon;
	uint32_t port = 0;

	template_expand(w->host, s, x, &host);
	if (!host.at)
		return HTTP_END_NO_MEMORY;
	colon = host.len > 0 && host.at[0] != '[' ? memchr(host.at, ':', host.len) : NULL;
	name = host;
	if (colon) {
		name.len = (uint32_t)(colon - host.at);
		for (const char *p = colon + 1; p < host.at + host.len; p++) {
			if (*p < '0' || *p > '9' || port > UINT16_MAX)
				return HTTP_END_BAD_REQUEST;
			port = 10 * port + (uint32_t)(*p - '0');
		}
	}
	if (!good_host(name) || port > UINT16_MAX)
		return HTTP_END_BAD_REQUEST;
	s->req.host = name;
	s->req.port = (uint16_t)port;
	return HTTP_END_OK;
}

static enum http_end add_via(const struct http_site *site, struct http_stream *s)
{
	uint32_t v = s->req.version >= 20 ? 2 : s->req.version == 10 ? 0 : 1;

	if (site->via_name.len == 0 || http_head_add(&s->req, HTTP_FIELD_VIA, site->via[v]) == 0)
		return HTTP_END_OK;
	return HTTP_END_HEAD_TOO_LARGE;
}

/* What the backend is told beyond what the client said. */
static enum http_end tell(struct http_stream *s, struct http_exchange *x)
{
	enum http_end e = forwarded_fields(s->site, s, x);

	x->told = true;
	if (e == HTTP_END_OK)
		e = ids_fields(s->site, s, x);
	if (e == HTTP_END_OK)
		e = add_via(s->site, s);
	return e;
}

enum http_end http_request_tell(struct http_stream *s)
{
	struct http_exchange *x = route_exchange(s);

	return x->told ? HTTP_END_OK : tell(s, x);
}

enum http_end http_request_rewrite(struct http_route_worker *rw, struct http_stream *s)
{
	struct http_exchange *x = route_exchange(s);
	const struct http_route *r = s->route;
	bool new_host = r->rewrite && r->rewrite->host;
	enum http_end e = HTTP_END_OK;

	/* Files are looked for by the path alone. */
	if (r->kind == HTTP_ROUTE_FILES)
		return r->rewrite ? rewrite_path(container_of(r, struct route_rule, r), rw, s, x)
				  : HTTP_END_OK;
	if (r->action != NULL && r->kind != HTTP_ROUTE_UPSTREAM)
		return HTTP_END_OK;
	/* The fields first: they may speak of the request as it came. */
	if (!edit(s, &s->req, r->request_edits, x))
		return HTTP_END_HEAD_TOO_LARGE;
	if (!r->cache || new_host)
		e = tell(s, x);
	if (e == HTTP_END_OK && r->rewrite)
		e = rewrite_path(container_of(r, struct route_rule, r), rw, s, x);
	if (e == HTTP_END_OK && new_host)
		e = rewrite_host(r->rewrite, s, x);
	return e;
}

void http_response_rewrite(struct http_route_worker *rw, struct http_stream *s)
{
	const struct http_site *site = s->site;

	(void)rw;
	if (!site)
		return;
	if (site->server == HTTP_SERVER_REMOVE)
		http_head_remove(&s->resp, HTTP_FIELD_SERVER);
	else if (site->server == HTTP_SERVER_WEIR)
		(void)!http_head_set(&s->resp, HTTP_FIELD_SERVER, SPAN("weir"));
	if (site->ids.respond && s->request_id.len > 0)
		(void)!http_head_set(&s->resp, HTTP_FIELD_X_REQUEST_ID, s->request_id);
	if (s->route && s->route->response_edits)
		(void)!edit(s, &s->resp, s->route->response_edits, route_exchange(s));
}

uint32_t http_route_target(
	struct http_route_worker *rw, const struct http_route *r, const struct http_stream *s)
{
	const struct http_exchange *x = route_exchange(s);
	uint64_t draw;
	uint32_t at;

	if (r->target_cnt == 1)
		return r->targets[0].upstream;
	draw = x ? x->draw : rng_next(&rw->rng);
	at = (uint32_t)(((unsigned __int128)draw * r->weight_sum) >> 64);
	for (uint32_t i = 0; i < r->target_cnt; i++) {
		if (at < r->targets[i].weight)
			return r->targets[i].upstream;
		at -= r->targets[i].weight;
	}
	return HTTP_NO_UPSTREAM;
}

bool http_route_mirrors(struct http_route_worker *rw, const struct http_route *r)
{
	return r->mirror != HTTP_NO_UPSTREAM && rng_below(&rw->rng, 100) < r->mirror_percent;
}
