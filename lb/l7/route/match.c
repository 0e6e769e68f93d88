/* SPDX-License-Identifier: Apache-2.0
 * Finding the first route that matches.
 *
 * Routes are grouped by host pattern; a request belongs to at most one group for its exact host,
 * one for each wildcard above it and the group of routes without a host. In each group routes
 * stand, in file order, in a list for each exact path and each prefix that they name, and in a list
 * of the rest. The answer is the smallest index over all lists that the request hits and whose
 * other conditions hold. Each list is walked only as far as the best index so far: what could not
 * come first is not looked at, and the list of the rest, with its regular expressions, comes last.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/l7/route/path.h"
#include "lb/l7/route/route_pvt.h"

#define NONE UINT32_MAX

/* ---- key maps ---- */

#define HASH_INIT UINT64_C(0xcbf29ce484222325)

ALWAYS_INLINE uint64_t hash_step(uint64_t h, char c)
{
	return (h ^ (unsigned char)c) * UINT64_C(0x100000001b3);
}

ALWAYS_INLINE uint32_t hash_end(uint64_t h)
{
	return (uint32_t)(mix_fold(h, UINT64_C(0x9e3779b97f4a7c15)) >> 16);
}

/* Hosts are hashed from their end, so that every suffix is on the way. */
static uint32_t hash_of(struct span key, bool backward)
{
	uint64_t h = HASH_INIT;

	for (uint32_t i = 0; i < key.len; i++)
		h = hash_step(h, key.at[backward ? key.len - 1 - i : i]);
	return hash_end(h);
}

static uint32_t key_find(const struct key_map *m, uint32_t hash, struct span key)
{
	if (m->mask == UINT32_MAX)
		return NONE;
	for (uint32_t i = hash & m->mask;; i = (i + 1) & m->mask) {
		const struct key_slot *k = &m->slots[i];

		if (k->value == 0)
			return NONE;
		if (k->hash == hash && span_eq(k->key, key))
			return k->value - 1;
	}
}

static int key_map_init(struct key_map *m, struct arena *a, uint32_t cnt)
{
	uint64_t size = cnt ? pow2_at_least(2 * (uint64_t)cnt) : 0;

	m->mask = cnt ? (uint32_t)size - 1 : UINT32_MAX;
	m->slots = arena_array(a, size, sizeof(*m->slots));
	return m->slots ? 0 : -ENOMEM;
}

static void key_put(struct key_map *m, struct span key, uint32_t value, bool backward)
{
	uint32_t hash = hash_of(key, backward), i = hash & m->mask;

	while (m->slots[i].value != 0)
		i = (i + 1) & m->mask;
	m->slots[i] = (struct key_slot){hash, value + 1, key};
}

/* ---- building ---- */

enum entry_kind { ENTRY_EXACT, ENTRY_PREFIX, ENTRY_REST };

/* One route in one list. */
struct entry {
	struct span host, key;
	enum entry_kind kind;
	uint32_t route;
};

static int by_text(struct span a, struct span b)
{
	int c = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);

	return c ? c : a.len < b.len ? -1 : a.len > b.len;
}

static int by_place(const void *pa, const void *pb)
{
	const struct entry *a = pa, *b = pb;
	int c = by_text(a->host, b->host);

	if (c)
		return c;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	c = by_text(a->key, b->key);
	if (c)
		return c;
	return a->route < b->route ? -1 : a->route > b->route;
}

static bool same_list(const struct entry *a, const struct entry *b)
{
	return a->kind == b->kind && span_eq(a->host, b->host) && span_eq(a->key, b->key);
}

static uint64_t entry_cnt(const struct route_match *m)
{
	uint64_t hosts = m->any_host ? 1 : m->host_cnt;

	return hosts * ((uint64_t)m->path_cnt + m->prefix_cnt + 1);
}

static uint32_t put_entries(struct entry *out, const struct route_rule *rule)
{
	const struct route_match *m = &rule->m;
	uint32_t n = 0, hosts = m->any_host ? 1 : m->host_cnt;

	for (uint32_t h = 0; h < hosts; h++) {
		struct span host = m->any_host ? SPAN("") : m->hosts[h];

		for (uint32_t i = 0; i < m->path_cnt; i++)
			out[n++] = (struct entry){host, m->paths[i], ENTRY_EXACT, rule->r.idx};
		for (uint32_t i = 0; i < m->prefix_cnt; i++)
			out[n++] = (struct entry){host, m->prefixes[i], ENTRY_PREFIX, rule->r.idx};
		if (m->any_path || m->regex_cnt > 0)
			out[n++] = (struct entry){host, SPAN(""), ENTRY_REST, rule->r.idx};
	}
	return n;
}

/* The routes of entries [0, n), which are of one list, each once. */
static int build_list(struct arena *a, const struct entry *e, uint32_t n, struct route_list *out)
{
	uint32_t *routes = arena_array(a, n, sizeof(*routes));

	if (!routes)
		return -ENOMEM;
	out->routes = routes;
	for (uint32_t i = 0; i < n; i++)
		if (out->cnt == 0 || routes[out->cnt - 1] != e[i].route)
			routes[out->cnt++] = e[i].route;
	return 0;
}

/* Entries [0, n) are of one host. */
static int build_view(struct arena *a, const struct entry *e, uint32_t n, struct route_view *v)
{
	uint32_t lists[3] = {0}, list = 0;

	for (uint32_t i = 0; i < n; i++)
		if (i == 0 || !same_list(&e[i - 1], &e[i]))
			lists[e[i].kind]++;
	v->lists = arena_array(a, lists[ENTRY_EXACT] + lists[ENTRY_PREFIX], sizeof(*v->lists));
	if (!v->lists || key_map_init(&v->exact, a, lists[ENTRY_EXACT]) != 0 ||
		key_map_init(&v->prefixes, a, lists[ENTRY_PREFIX]) != 0)
		return -ENOMEM;
	for (uint32_t i = 0, end; i < n; i = end) {
		struct route_list *l = e[i].kind == ENTRY_REST ? &v->rest : &v->lists[list];

		for (end = i + 1; end < n && same_list(&e[i], &e[end]); end++)
			;
		if (build_list(a, &e[i], end - i, l) != 0)
			return -ENOMEM;
		if (e[i].kind == ENTRY_REST)
			continue;
		key_put(e[i].kind == ENTRY_EXACT ? &v->exact : &v->prefixes, e[i].key, list++,
			false);
		if (e[i].kind == ENTRY_PREFIX && e[i].key.len > v->prefix_len_max)
			v->prefix_len_max = e[i].key.len;
	}
	return 0;
}

static int build_views(struct http_site *site, const struct entry *e, uint32_t n)
{
	struct route_tables *t = &site->tables;
	uint32_t hosts = 0, view = 0;

	for (uint32_t i = 0; i < n; i++)
		hosts += e[i].host.len > 0 && (i == 0 || !span_eq(e[i - 1].host, e[i].host));
	t->views = arena_array(&site->arena, hosts, sizeof(*t->views));
	if (!t->views || key_map_init(&t->hosts, &site->arena, hosts) != 0 ||
		build_view(&site->arena, NULL, 0, &t->any) != 0)
		return -ENOMEM;
	for (uint32_t i = 0, end; i < n; i = end) {
		struct route_view *v = e[i].host.len ? &t->views[view] : &t->any;

		for (end = i + 1; end < n && span_eq(e[i].host, e[end].host); end++)
			;
		if (build_view(&site->arena, &e[i], end - i, v) != 0)
			return -ENOMEM;
		if (e[i].host.len) {
			key_put(&t->hosts, e[i].host, view++, true);
			t->wildcards |= e[i].host.at[0] == '.';
		}
	}
	return 0;
}

int route_tables_build(struct http_site *site)
{
	uint64_t total = 0;
	uint32_t n = 0;
	struct entry *entries;
	int rc;

	for (uint32_t i = 0; i < site->rule_cnt; i++)
		total += entry_cnt(&site->rules[i].m);
	entries = total < UINT32_MAX ? calloc(total ? total : 1, sizeof(*entries)) : NULL;
	if (!entries)
		return -ENOMEM;
	for (uint32_t i = 0; i < site->rule_cnt; i++)
		n += put_entries(entries + n, &site->rules[i]);
	qsort(entries, n, sizeof(*entries), by_place);
	rc = build_views(site, entries, n);
	free(entries);
	return rc;
}

/* ---- finding ---- */

struct search {
	const struct http_site *site;
	struct http_route_worker *rw;
	const struct http_stream *s;
	uint32_t best; /* smallest index found so far */
};

static void try_list(struct search *q, const struct route_list *l)
{
	for (uint32_t i = 0; i < l->cnt && l->routes[i] < q->best; i++) {
		if (!route_conditions_hold(&q->site->rules[l->routes[i]].m, q->rw, q->s))
			continue;
		q->best = l->routes[i];
		return;
	}
}

static void try_prefix(struct search *q, const struct route_view *v, uint64_t hash, uint32_t len)
{
	uint32_t list =
		key_find(&v->prefixes, hash_end(hash), (struct span){q->s->req.path.at, len});

	if (list != NONE)
		try_list(q, &v->lists[list]);
}

/* Prefixes end before or behind a slash, or at the end of the path. */
static void try_paths(struct search *q, const struct route_view *v)
{
	struct span path = q->s->req.path;
	bool prefixes = v->prefixes.mask != UINT32_MAX, exact = v->exact.mask != UINT32_MAX;
	uint32_t list, end = exact ? path.len : v->prefix_len_max;
	uint64_t h = HASH_INIT;
	uint32_t i;

	if (end > path.len)
		end = path.len;
	for (i = 0; i < end; i++) {
		bool slash = path.at[i] == '/';

		if (slash && prefixes && i > 0 && i <= v->prefix_len_max && path.at[i - 1] != '/')
			try_prefix(q, v, h, i);
		h = hash_step(h, path.at[i]);
		if (slash && prefixes && i < v->prefix_len_max)
			try_prefix(q, v, h, i + 1);
	}
	/* The loop stopped where no prefix is longer: one may end here, before a slash. */
	if (prefixes && i > 0 && i <= v->prefix_len_max && path.at[i - 1] != '/' &&
		(i == path.len || path.at[i] == '/'))
		try_prefix(q, v, h, i);
	if (!exact)
		return;
	list = key_find(&v->exact, hash_end(h), path);
	if (list != NONE)
		try_list(q, &v->lists[list]);
}

static void try_rest(struct search *q, const struct route_view *v)
{
	for (uint32_t i = 0; i < v->rest.cnt && v->rest.routes[i] < q->best; i++) {
		const struct route_match *m = &q->site->rules[v->rest.routes[i]].m;
		bool path = m->any_path;

		if (!route_conditions_hold(m, q->rw, q->s))
			continue;
		for (uint32_t k = 0; k < m->regex_cnt && !path; k++)
			path = regex_match(
				m->regexes[k], q->rw->regex, q->s->req.path, NULL, 0, NULL);
		if (!path)
			continue;
		q->best = v->rest.routes[i];
		return;
	}
}

static void try_view(struct search *q, const struct route_view *v)
{
	if (v->exact.mask != UINT32_MAX || v->prefixes.mask != UINT32_MAX)
		try_paths(q, v);
	try_rest(q, v);
}

static void try_hosts(struct search *q)
{
	const struct route_tables *t = &q->site->tables;
	struct span host = q->s->req.host;
	uint64_t h = HASH_INIT;
	uint32_t view;

	if (t->hosts.mask == UINT32_MAX || host.len == 0)
		return;
	for (uint32_t i = host.len; i-- > 0;) {
		h = hash_step(h, host.at[i]);
		if (!t->wildcards || host.at[i] != '.' || i == 0)
			continue;
		view = key_find(&t->hosts, hash_end(h), (struct span){host.at + i, host.len - i});
		if (view != NONE)
			try_view(q, &t->views[view]);
	}
	view = host.at[0] == '.' ? NONE : key_find(&t->hosts, hash_end(h), host);
	if (view != NONE)
		try_view(q, &t->views[view]);
}

/* ---- explaining ---- */

static enum route_why first_failure(const struct route_rule *rule, struct http_route_worker *rw,
	const struct http_stream *s, uint32_t *failed, const char **detail)
{
	const struct route_match *m = &rule->m;
	enum route_why why = ROUTE_MATCHED;

#define FAILS(holds, what)                                         \
	do {                                                       \
		if (!(holds)) {                                    \
			why = why == ROUTE_MATCHED ? (what) : why; \
			(*failed)++;                               \
		}                                                  \
	} while (0)
	*failed = 0;
	*detail = NULL;
	FAILS(route_host_holds(m, s->req.host), ROUTE_HOST);
	FAILS(route_path_holds(m, rw, s->req.path), ROUTE_PATH);
	FAILS(route_method_holds(m, &s->req), ROUTE_METHOD);
	FAILS(route_scheme_holds(m, &s->req), ROUTE_SCHEME);
	FAILS(!m->sources || prefix_set_has(m->sources, &s->client), ROUTE_SOURCE);
	for (uint32_t i = 0; i < m->header_cnt; i++) {
		FAILS(route_cond_header(&m->headers[i], rw, &s->req), ROUTE_HEADER);
		if (why == ROUTE_HEADER && !*detail)
			*detail = m->headers[i].name.at;
	}
	for (uint32_t i = 0; i < m->query_cnt; i++) {
		FAILS(route_cond_query(&m->query[i], rw, s->req.query), ROUTE_QUERY);
		if (why == ROUTE_QUERY && !*detail)
			*detail = m->query[i].name.at;
	}
#undef FAILS
	return why;
}

/* Every route in turn, for people to read. */
static uint32_t match_all(const struct http_site *site, struct http_route_worker *rw,
	const struct http_stream *s, struct route_trace *trace)
{
	uint32_t best = NONE;

	for (uint32_t i = 0; i < site->rule_cnt && best == NONE; i++) {
		struct route_try *t = &trace->tries[trace->cnt++];

		t->route = &site->rules[i].r;
		t->why = first_failure(&site->rules[i], rw, s, &t->failed_cnt, &t->detail);
		if (t->why == ROUTE_MATCHED)
			best = i;
	}
	return best;
}

const struct http_route *http_site_match(const struct http_site *site, struct http_route_worker *rw,
	const struct http_stream *s, struct http_exchange *x, struct route_trace *trace)
{
	struct search q = {.site = site, .rw = rw, .s = s, .best = NONE};

	x->capture_cnt = 0;
	if (trace) {
		q.best = match_all(site, rw, s, trace);
	} else {
		try_hosts(&q);
		try_view(&q, &site->tables.any);
	}
	if (q.best == NONE)
		return NULL;
	if (site->rules[q.best].captures > 0)
		route_capture(&site->rules[q.best], rw, s->req.path, x);
	return &site->rules[q.best].r;
}
