/* SPDX-License-Identifier: Apache-2.0
 * Sites and routes: one action each, upstreams that exist, expressions that compile, routes that
 * can be reached. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config/check.h"
#include "lb/config/config_http.h"
#include "lb/config/config_kv.h"
#include "lb/config/config_upstream.h"
#include "lb/config/suggest.h"

/* RFC 9110 5.6.2. */
static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s == 0x7f || strchr("\"(),/:;<=>?@[\\]{}", *s))
			return false;
	return true;
}

static void check_upstream_name(
	struct check *c, const char *key, const char *name, uint32_t idx, struct config_mark at)
{
	char q[DIAG_QUOTE];
	struct suggest s;

	if (idx != UINT32_MAX)
		return;
	suggest_init(&s, name);
	for (uint32_t i = 0; i < c->cfg->upstream_cnt; i++)
		suggest_try(&s, c->cfg->upstreams[i].name);
	diag_quote(name, strlen(name), q);
	if (s.best)
		diag_error(c->diag, at, "%s: no upstream is called '%s'; did you mean '%s'?", key,
			q, s.best);
	else
		diag_error(c->diag, at, "%s: no upstream is called '%s'", key, q);
}

static void check_regex(struct check *c, const char *key, const char *regex, struct config_mark at)
{
	PCRE2_UCHAR text[128];
	PCRE2_SIZE offset;
	pcre2_code *code;
	int error;

	code = pcre2_compile(
		(PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, PCRE2_NEVER_UTF, &error, &offset, NULL);
	if (code) {
		pcre2_code_free(code);
		return;
	}
	pcre2_get_error_message(error, text, sizeof(text));
	diag_error(c->diag, at, "%s: '%s', character %zu: %s", key, regex, (size_t)offset + 1,
		(const char *)text);
}

/* ---- match ---- */

static const char *bad_host(const char *h)
{
	const char *p = strncmp(h, "*.", 2) == 0 ? h + 2 : h;

	if (!*p)
		return "is empty";
	if (strchr(p, '*'))
		return "has a '*' that does not stand for the first part alone";
	if (*p == '[')
		return p[strlen(p) - 1] == ']' ? NULL : "has no closing bracket";
	if (strchr(p, ':'))
		return "has a port; hosts match on any port";
	for (; *p; p++) {
		if (*p >= 'A' && *p <= 'Z')
			return "has capitals; hosts are compared in lower case";
		if (*p <= ' ' || strchr("/?#@\\", *p))
			return "is no name of a host";
	}
	return NULL;
}

static struct config_mark item_mark(struct config_tree *t, const char *key, uint32_t i)
{
	struct config_value *v = schema_value(t, key);

	return i < v->item_cnt ? v->item_marks[i] : t->mark;
}

static void check_conds(struct check *c, const char *key, const struct config_http_cond *conds,
	uint32_t cnt, bool header)
{
	for (uint32_t i = 0; i < cnt; i++) {
		const struct config_http_cond *k = &conds[i];
		int given = (k->regex[0] != 0) + (k->prefix[0] != 0) + (k->value[0] != 0);

		if (header && !is_token(k->name))
			diag_error(
				c->diag, k->mark, "%s: '%s' is no name of a field", key, k->name);
		if (given > 1)
			diag_error(c->diag, k->mark,
				"%s: '%s' has several of 'value', 'prefix' and 'regex'", key,
				k->name);
		if (given > 0 && !k->present)
			diag_error(c->diag, k->mark, "%s: '%s' cannot be absent and say something",
				key, k->name);
		if (k->regex[0])
			check_regex(c, key, k->regex, k->mark);
	}
}

static void check_path_text(
	struct check *c, const char *key, const char *path, struct config_mark at)
{
	if (path[0] != '/' && strcmp(path, "*") != 0)
		diag_error(c->diag, at, "%s: '%s' does not begin with '/'", key, path);
	else if (strpbrk(path, "?# "))
		diag_error(c->diag, at, "%s: '%s' holds more than a path; a query goes to 'query'",
			key, path);
}

static void check_match(struct check *c, const struct config_http_match *m, struct config_tree *t)
{
	for (uint32_t i = 0; i < m->host_cnt; i++) {
		const char *why = bad_host(m->hosts[i]);

		if (why)
			diag_error(c->diag, item_mark(t, "host", i), "host: '%s' %s", m->hosts[i],
				why);
	}
	for (uint32_t i = 0; i < m->path_cnt; i++)
		check_path_text(c, "path", m->paths[i], item_mark(t, "path", i));
	for (uint32_t i = 0; i < m->prefix_cnt; i++)
		check_path_text(c, "prefix", m->prefixes[i], item_mark(t, "prefix", i));
	for (uint32_t i = 0; i < m->regex_cnt; i++)
		check_regex(c, "regex", m->regexes[i], item_mark(t, "regex", i));
	for (uint32_t i = 0; i < m->method_cnt; i++)
		if (!is_token(m->methods[i]))
			diag_error(c->diag, item_mark(t, "methods", i),
				"methods: '%s' is no method", m->methods[i]);
	check_conds(c, "headers", m->headers, m->header_cnt, true);
	check_conds(c, "query", m->query, m->query_cnt, false);
}

/* ---- actions ---- */

static void check_split(struct check *c, const struct config_http_route *r, struct config_tree *t)
{
	struct config_tree *by = schema_value(t, "split_by")->maps[0];
	uint32_t sum = 0;

	for (uint32_t i = 0; i < r->split_cnt; i++) {
		sum += r->split[i].weight;
		for (uint32_t k = 0; k < i; k++)
			if (r->split[i].upstream[0] &&
				strcmp(r->split[i].upstream, r->split[k].upstream) == 0)
				diag_error(c->diag, r->split[i].mark, "split: '%s' is there twice",
					r->split[i].upstream);
	}
	if (r->split_cnt > 0 && sum == 0 && !schema_value(t, "split")->bad)
		diag_error(c->diag, schema_mark(t, "split"), "split: all weights are 0");
	if (r->sticky.by != HTTP_BY_NOTHING && r->split_cnt == 0)
		diag_error(c->diag, by->mark, "split_by: there is no 'split'");
	if ((r->sticky.by == HTTP_BY_COOKIE || r->sticky.by == HTTP_BY_HEADER) &&
		!is_token(r->sticky.name))
		diag_error(c->diag, by->mark,
			"split_by: say the name of the cookie or field in 'name'");
}

static void check_actions(struct check *c, const struct config_http_route *r, struct config_tree *t)
{
	const struct {
		const char *key;
		bool given;
	} actions[] = {
		{"upstream", r->upstream[0] != '\0'},
		{"split", r->split_cnt > 0},
		{"redirect", r->redirect != NULL},
		{"respond", r->respond != NULL},
		{"files", r->files != NULL},
		{"kv", r->kv != NULL},
	};
	const char *first = NULL;
	bool bad = false;

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		bad |= schema_value(t, actions[i].key)->bad;
		if (actions[i].given && first)
			diag_error(c->diag, schema_mark(t, actions[i].key),
				"%s: the route has the action '%s' already", actions[i].key, first);
		if (actions[i].given)
			first = actions[i].key;
	}
	if (!first && !bad)
		diag_error(c->diag, t->mark,
			"route without an action: upstream, split, redirect, respond, files or "
			"kv");
	for (uint32_t i = 0; i < r->target_cnt && !bad; i++)
		check_upstream_name(c, "upstream", r->targets[i].upstream,
			r->targets[i].upstream_idx,
			r->upstream[0] ? schema_mark(t, "upstream") : r->targets[i].mark);
	check_split(c, r, t);
	if (r->redirect && (r->redirect->status > 303 && r->redirect->status < 307))
		diag_error(c->diag, r->redirect->mark, "status: %u is none of a redirect",
			r->redirect->status);
	if (r->mirror && r->mirror->upstream[0])
		check_upstream_name(
			c, "mirror", r->mirror->upstream, r->mirror->upstream_idx, r->mirror->mark);
	if (r->kv && c->cfg->store.dir[0] == '\0')
		diag_error(c->diag, r->kv->mark, "kv: there is no store; give 'store: {dir: ...}'");
	for (uint32_t i = 0; r->kv && i < r->kv->namespace_cnt; i++) {
		bool there = false;

		for (uint32_t k = 0; k < c->cfg->store.ns_cnt; k++)
			there |=
				strcmp(c->cfg->store.namespaces[k].name, r->kv->namespaces[i]) == 0;
		if (!there)
			diag_error(c->diag, r->kv->mark, "namespaces: the store has no '%s'",
				r->kv->namespaces[i]);
	}
	if (r->cache && r->kind != HTTP_ROUTE_UPSTREAM)
		diag_error(c->diag, r->cache->mark, "cache: nothing is asked of an upstream");
	if (r->cache && c->cfg->cache.memory_bytes == 0)
		diag_error(c->diag, r->cache->mark,
			"cache: there is no memory for it; give 'cache: {memory: ...}'");
	if (r->mirror && (r->redirect || r->respond || r->files || r->kv))
		diag_error(c->diag, r->mirror->mark, "mirror: nothing is sent to an upstream");
}

/* "host:port" of a request CONNECT. */
static const char *bad_target(const char *t)
{
	const char *colon = strrchr(t, ':');
	char host[HTTP_TEXT_MAX];
	unsigned long port;
	char *end;

	if (colon == NULL || colon == t || colon[1] == '\0')
		return "is not HOST:PORT";
	port = strtoul(colon + 1, &end, 10);
	if (strcmp(colon, ":*") != 0 &&
		(*end != '\0' || colon[1] < '0' || colon[1] > '9' || port == 0 || port > 65535))
		return "has no port that is one";
	memcpy(host, t, (size_t)(colon - t));
	host[colon - t] = '\0';
	return strcmp(host, "*") == 0 ? NULL : bad_host(host);
}

static void check_connect(struct check *c, const struct config_http_route *r, struct config_tree *t)
{
	const struct config_http_connect *k = r->connect;
	struct config_tree *kt;

	if (k == NULL)
		return;
	kt = schema_value(t, "connect")->maps[0];
	for (uint32_t i = 0; i < k->allow_cnt; i++) {
		const char *why = bad_target(k->allow[i]);

		if (why)
			diag_error(c->diag, item_mark(kt, "allow", i), "allow: '%s' %s",
				k->allow[i], why);
	}
	if (r->kind != HTTP_ROUTE_UPSTREAM)
		diag_error(c->diag, k->mark, "connect: needs 'upstream' or 'split'");
	if (r->cache || r->mirror || r->rewrite)
		diag_error(c->diag, k->mark,
			"connect: nothing of a tunnel can be kept, mirrored or rewritten");
	if (r->match.path_cnt + r->match.prefix_cnt + r->match.regex_cnt + r->match.query_cnt > 0)
		diag_error(c->diag, k->mark, "connect: CONNECT has neither path nor query");
	for (uint32_t i = 0; i < r->match.method_cnt; i++)
		if (strcmp(r->match.methods[i], "CONNECT") != 0)
			diag_error(c->diag, k->mark, "connect: the route is for CONNECT alone");
}

/* ---- changes ---- */

/* Framing and connection are the codecs'; the host is rewritten by `rewrite`. */
static const char *fixed_field(const char *name)
{
	static const char *const fixed[] = {"connection", "content-length", "host", "keep-alive",
		"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"};

	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		if (strcasecmp(name, fixed[i]) == 0)
			return strcmp(fixed[i], "host") == 0 ? "is changed by 'rewrite'"
							     : "is weir's own";
	return NULL;
}

static void check_field(struct check *c, const char *name, struct config_mark at)
{
	const char *why = is_token(name) ? fixed_field(name) : "is no name of a field";

	if (why)
		diag_error(c->diag, at, "headers: '%s' %s", name, why);
}

static void check_edits(struct check *c, const struct config_http_edits *e, struct config_tree *t)
{
	for (uint32_t i = 0; i < e->set_cnt; i++)
		check_field(c, e->set[i].name, e->set[i].mark);
	for (uint32_t i = 0; i < e->add_cnt; i++)
		check_field(c, e->add[i].name, e->add[i].mark);
	for (uint32_t i = 0; i < e->remove_cnt; i++)
		check_field(c, e->remove[i], item_mark(t, "remove", i));
}

static void check_rewrite(struct check *c, const struct config_http_route *r)
{
	const struct config_http_rewrite *w = r->rewrite;

	if (!w)
		return;
	if (w->prefix[0] && w->path[0])
		diag_error(c->diag, w->mark, "rewrite: either 'prefix' or 'path'");
	if (w->prefix[0] && r->match.prefix_cnt == 0)
		diag_error(c->diag, w->mark,
			"rewrite: 'prefix' replaces that of 'match', which has none");
	if (w->prefix[0] && w->prefix[0] != '/')
		diag_error(c->diag, w->mark, "rewrite: '%s' does not begin with '/'", w->prefix);
	if (w->regex[0])
		check_regex(c, "rewrite", w->regex, w->mark);
	if (w->regex[0] && !w->path[0])
		diag_error(c->diag, w->mark, "rewrite: 'regex' without 'path'");
	if (r->redirect || r->respond)
		diag_error(c->diag, w->mark, "rewrite: nothing is sent to an upstream");
}

/* ---- policies ---- */

static void check_cors(struct check *c, const struct config_policy_cors *p)
{
	for (uint32_t i = 0; p && i < p->origin_cnt; i++) {
		const char *o = p->origins[i], *host = strstr(o, "://");

		if (strcmp(o, "*") == 0) {
			if (p->credentials)
				diag_error(c->diag, p->mark,
					"cors: 'credentials' cannot go with all origins");
		} else if (!host || !host[3] || strpbrk(host + 3, "/?#@ ")) {
			diag_error(c->diag, p->mark,
				"cors: '%s' is no origin (https://app.example.com)", o);
		}
	}
}

static void check_jwt(struct check *c, const struct config_policy_jwt *p)
{
	bool hmac = false;

	if (!p)
		return;
	for (uint32_t i = 0; i < p->alg_cnt; i++)
		hmac |= p->algs[i] == HTTP_JWT_HS256;
	if (!p->keys[0] && !p->secret[0])
		diag_error(c->diag, p->mark, "jwt: without 'keys' or 'secret'");
	if (p->secret[0] && p->alg_cnt > 0 && !hmac)
		diag_error(
			c->diag, p->mark, "jwt: 'secret' is for HS256, which 'algorithms' lacks");
	if (!p->keys[0] && p->secret[0])
		for (uint32_t i = 0; i < p->alg_cnt; i++)
			if (p->algs[i] != HTTP_JWT_HS256)
				diag_error(c->diag, p->mark, "jwt: RS256 and ES256 need 'keys'");
	for (uint32_t i = 0; i < p->header_cnt; i++)
		if (!is_token(p->headers[i].value) || fixed_field(p->headers[i].value))
			diag_error(c->diag, p->headers[i].mark,
				"to_headers: '%s' is no field that can be set",
				p->headers[i].value);
}

static void check_policies(struct check *c, const struct config_policies *p)
{
	for (uint32_t i = 0; i < p->rate_cnt; i++) {
		const struct config_policy_rate *r = &p->rates[i];

		if (r->by == HTTP_RATE_HEADER && !is_token(r->header))
			diag_error(c->diag, r->mark,
				"rate_limits: say the name of the field in 'header'");
	}
	check_cors(c, p->cors);
	check_jwt(c, p->jwt);
	if (p->basic && p->jwt)
		diag_error(c->diag, p->jwt->mark,
			"jwt: 'basic_auth' is there too, and both are asked for in one field");
}

/* ---- routes that are never reached ---- */

static bool hosts_cover(const struct config_http_match *a, const struct config_http_match *b)
{
	if (a->host_cnt == 0)
		return true;
	for (uint32_t i = 0; i < b->host_cnt; i++) {
		bool found = false;

		for (uint32_t k = 0; k < a->host_cnt && !found; k++) {
			const char *p = a->hosts[k], *h = b->hosts[i];
			size_t n = strlen(p), m = strlen(h);

			found = strcmp(p, h) == 0 || (strncmp(p, "*.", 2) == 0 && m > n - 1 &&
							     strcmp(h + m - (n - 1), p + 1) == 0);
		}
		if (!found)
			return false;
	}
	return b->host_cnt > 0;
}

static bool prefix_covers(const char *prefix, const char *path)
{
	size_t n = strlen(prefix);

	return strncmp(path, prefix, n) == 0 &&
	       (path[n] == '\0' || path[n] == '/' || prefix[n - 1] == '/');
}

static bool path_covered(const struct config_http_match *a, const char *path, bool exact)
{
	for (uint32_t i = 0; i < a->prefix_cnt; i++)
		if (a->prefixes[i][0] && prefix_covers(a->prefixes[i], path))
			return true;
	for (uint32_t i = 0; i < a->path_cnt && exact; i++)
		if (strcmp(a->paths[i], path) == 0)
			return true;
	return false;
}

static bool paths_cover(const struct config_http_match *a, const struct config_http_match *b)
{
	if (a->prefix_cnt + a->path_cnt + a->regex_cnt == 0)
		return true;
	if (path_covered(a, "/", false))
		return true;
	if (b->regex_cnt > 0 || b->prefix_cnt + b->path_cnt == 0)
		return false;
	for (uint32_t i = 0; i < b->prefix_cnt; i++)
		if (!path_covered(a, b->prefixes[i], false))
			return false;
	for (uint32_t i = 0; i < b->path_cnt; i++)
		if (!path_covered(a, b->paths[i], true))
			return false;
	return true;
}

static bool methods_cover(const struct config_http_match *a, const struct config_http_match *b)
{
	if (a->method_cnt == 0)
		return true;
	for (uint32_t i = 0; i < b->method_cnt; i++) {
		bool found = false;

		for (uint32_t k = 0; k < a->method_cnt && !found; k++)
			found = strcmp(a->methods[k], b->methods[i]) == 0;
		if (!found)
			return false;
	}
	return b->method_cnt > 0;
}

/* Does a take every request that b would? Said only where it is certain. */
static bool covers(const struct config_http_match *a, const struct config_http_match *b)
{
	return a->header_cnt + a->query_cnt + a->source_cnt == 0 &&
	       (a->scheme == HTTP_SCHEME_ANY || a->scheme == b->scheme) && hosts_cover(a, b) &&
	       methods_cover(a, b) && paths_cover(a, b);
}

#define SHADOW_ROUTES 2048 /* of more than this it takes too long to compare each with each */

static void check_shadowed(struct check *c, const struct config_site *s)
{
	uint32_t n = s->route_cnt < SHADOW_ROUTES ? s->route_cnt : SHADOW_ROUTES;

	for (uint32_t i = 1; i < n; i++) {
		for (uint32_t k = 0; k < i; k++) {
			if ((s->routes[k].connect == NULL) != (s->routes[i].connect == NULL) ||
				!covers(&s->routes[k].match, &s->routes[i].match))
				continue;
			diag_warn(c->diag, s->routes[i].mark,
				"route '%s' is never reached: '%s' on line %u takes all of it",
				s->routes[i].name, s->routes[k].name, s->routes[k].mark.line);
			break;
		}
	}
}

/* ---- sites ---- */

static void check_routes(struct check *c, const struct config_site *s, struct config_value *v)
{
	struct check_name *names = arena_array(c->scratch, s->route_cnt, sizeof(*names));

	if (!names)
		return;
	for (uint32_t i = 0; i < s->route_cnt; i++) {
		const struct config_http_route *r = &s->routes[i];
		struct config_tree *t = v->maps[i];

		check_match(c, &r->match, schema_value(t, "match")->maps[0]);
		check_actions(c, r, t);
		check_connect(c, r, t);
		check_rewrite(c, r);
		check_edits(c, &r->request_headers, schema_value(t, "request_headers")->maps[0]);
		check_edits(c, &r->response_headers, schema_value(t, "response_headers")->maps[0]);
		check_policies(c, &r->policies);
		names[i] = (struct check_name){
			r->name, schema_mark(t, "name"), schema_given(t, "name")};
	}
	check_names(c, "name", names, s->route_cnt);
	check_shadowed(c, s);
}

static void check_listener_site(
	struct check *c, const struct config_listener *l, struct config_tree *t)
{
	struct config_value *site = schema_value(t, "site"), *routes = schema_value(t, "routes");
	struct suggest s;
	char q[DIAG_QUOTE];

	if (l->site_name[0] && l->route_cnt > 0) {
		diag_error(c->diag, routes->mark, "routes: the listener has a 'site' already");
		return;
	}
	if (!l->site_name[0] && l->route_cnt == 0 && !site->bad && !routes->bad)
		diag_error(
			c->diag, t->mark, "listener with action http without 'site' or 'routes'");
	if (!l->site_name[0] || l->site)
		return;
	suggest_init(&s, l->site_name);
	for (uint32_t i = 0; i < c->cfg->site_cnt; i++)
		suggest_try(&s, c->cfg->sites[i].name);
	diag_quote(l->site_name, strlen(l->site_name), q);
	if (s.best)
		diag_error(c->diag, site->mark, "site: no site is called '%s'; did you mean '%s'?",
			q, s.best);
	else
		diag_error(c->diag, site->mark, "site: no site is called '%s'", q);
}

static bool site_served(const struct config *cfg, const struct config_site *s)
{
	for (uint32_t i = 0; i < cfg->listener_cnt; i++)
		if (cfg->listeners[i].site == s)
			return true;
	return false;
}

void check_http(struct check *c)
{
	struct config_value *sites = schema_value(c->root, "sites");
	struct config_value *listeners = schema_value(c->root, "listeners");

	for (uint32_t i = 0; i < c->cfg->site_cnt; i++) {
		const struct config_site *s = &c->cfg->sites[i];

		check_policies(c, &s->policies);
		check_routes(c, s, schema_value(sites->maps[i], "routes"));
		if (!site_served(c->cfg, s))
			diag_warn(c->diag, s->mark, "site '%s' is served by no listener", s->name);
	}
	for (uint32_t i = 0; i < c->cfg->listener_cnt; i++) {
		const struct config_listener *l = &c->cfg->listeners[i];
		struct config_tree *t = listeners->maps[i];

		if (l->action != LISTENER_HTTP || schema_value(t, "action")->bad)
			continue;
		check_listener_site(c, l, t);
		if (l->site && l->route_cnt > 0)
			check_routes(c, l->site, schema_value(t, "routes"));
	}
}
