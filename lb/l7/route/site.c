/* SPDX-License-Identifier: Apache-2.0
 * A site is compiled from its configuration into one arena; what needs a call to be freed is in a
 * list beside it. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lb/l7/cache/hcache.h"
#include "lb/l7/files/files.h"
#include "lb/l7/kv/kv.h"
#include "lb/l7/policy/policy_pvt.h"
#include "lb/l7/route/path.h"
#include "lb/l7/route/route_names.h"
#include "lb/l7/route/route_pvt.h"

struct builder {
	const struct http_site_build *in;
	struct http_site *site;
	const struct config_http_route *route; /* being compiled; NULL: the site itself */
};

static int PRINTF_LIKE(2, 3) fail(const struct builder *b, const char *fmt, ...)
{
	va_list ap;

	if (!b->in->err)
		return -EINVAL;
	fprintf(b->in->err, "weir: error: site '%s'", b->site->name);
	if (b->route)
		fprintf(b->in->err, ", route '%s' (line %u)", b->route->name, b->route->mark.line);
	fputs(": ", b->in->err);
	va_start(ap, fmt);
	vfprintf(b->in->err, fmt, ap);
	va_end(ap);
	fputc('\n', b->in->err);
	return -EINVAL;
}

static int own(struct http_site *site, void *what, void (*free_fn)(void *))
{
	struct route_owned *o = arena_alloc(&site->arena, sizeof(*o));

	if (!o) {
		free_fn(what);
		return -ENOMEM;
	}
	*o = (struct route_owned){what, free_fn, site->owned};
	site->owned = o;
	return 0;
}

struct span route_span(struct arena *a, const char *text)
{
	size_t n = strlen(text);

	return (struct span){arena_text(a, text, n), (uint32_t)n};
}

static void free_regex(void *re)
{
	regex_free(re);
}

static void free_template(void *t)
{
	template_free(t);
}

static void free_prefixes(void *set)
{
	prefix_set_destroy(set);
}

static int make_regex(struct builder *b, const char *text, struct regex **out)
{
	char why[REGEX_WHY];
	int rc = regex_compile(text, out, why);

	if (rc == -EINVAL)
		return fail(b, "regular expression '%s': %s", text, why);
	return rc ? rc : own(b->site, *out, free_regex);
}

static int make_template(
	struct builder *b, const char *text, enum template_mode mode, struct template **out)
{
	char why[TEMPLATE_WHY];
	int rc = template_compile(text, mode, out, why);

	if (rc == -EINVAL)
		return fail(b, "'%s': %s", text, why);
	return rc ? rc : own(b->site, *out, free_template);
}

static int make_prefixes(
	struct builder *b, const struct ip_prefix *prefixes, uint32_t cnt, struct prefix_set **out)
{
	int rc = prefix_set_create(prefixes, cnt, out);

	return rc || !*out ? rc : own(b->site, *out, free_prefixes);
}

/* ---- match ---- */

static int make_texts(
	struct builder *b, const char *texts, uint32_t cnt, size_t width, struct span **out)
{
	struct span *spans = arena_array(&b->site->arena, cnt, sizeof(*spans));

	*out = spans;
	if (!spans)
		return -ENOMEM;
	for (uint32_t i = 0; i < cnt; i++) {
		spans[i] = route_span(&b->site->arena, texts + i * width);
		if (!spans[i].at)
			return -ENOMEM;
	}
	return 0;
}

static int make_conds(
	struct builder *b, const struct config_http_cond *c, uint32_t cnt, struct route_cond **out)
{
	struct route_cond *conds = arena_array(&b->site->arena, cnt, sizeof(*conds));

	*out = conds;
	for (uint32_t i = 0; i < cnt && conds; i++) {
		const char *value = c[i].kind == HTTP_COND_PREFIX ? c[i].prefix : c[i].value;

		conds[i].kind = c[i].kind;
		conds[i].name = route_span(&b->site->arena, c[i].name);
		conds[i].value = route_span(&b->site->arena, value);
		if (!conds[i].name.at || !conds[i].value.at)
			return -ENOMEM;
		conds[i].field = http_field_find(conds[i].name);
		if (c[i].kind == HTTP_COND_REGEX) {
			int rc = make_regex(b, c[i].regex, &conds[i].regex);

			if (rc != 0)
				return rc;
		}
	}
	return conds ? 0 : -ENOMEM;
}

/* A path that is not in its normal form is never met. */
static int normal_texts(struct builder *b, struct span *paths, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		char *out = arena_alloc(&b->site->arena, 3 * (size_t)paths[i].len + 1);
		const char *why;
		uint32_t len;

		if (!out)
			return -ENOMEM;
		switch (path_normalise(&b->site->path, paths[i], out, &len, &why)) {
		case PATH_SAME:
			break;
		case PATH_CHANGED:
			paths[i] = (struct span){out, len};
			break;
		case PATH_REFUSED:
			return fail(b, "path '%.*s' is never met: the site refuses %s",
				(int)paths[i].len, paths[i].at, why);
		}
	}
	return 0;
}

static void make_methods(struct route_match *m)
{
	for (uint32_t i = 0; i < m->method_cnt; i++) {
		enum http_method k = http_method_find(m->methods[i]);

		if (k != HTTP_OTHER)
			m->method_mask |= 1u << k;
		if (k == HTTP_GET)
			m->method_mask |= 1u << HTTP_HEAD;
	}
}

static int make_match(struct builder *b, const struct config_http_match *c, struct route_match *m)
{
	int rc;

	*m = (struct route_match){.host_cnt = c->host_cnt,
		.path_cnt = c->path_cnt,
		.prefix_cnt = c->prefix_cnt,
		.regex_cnt = c->regex_cnt,
		.method_cnt = c->method_cnt,
		.header_cnt = c->header_cnt,
		.query_cnt = c->query_cnt,
		.scheme = c->scheme,
		.any_host = c->host_cnt == 0,
		.any_path = c->path_cnt + c->prefix_cnt + c->regex_cnt == 0};
	m->regexes = arena_array(&b->site->arena, c->regex_cnt, sizeof(struct regex *));
	if (!m->regexes ||
		make_texts(b, (const char *)c->hosts, c->host_cnt, HTTP_TEXT_MAX, &m->hosts) != 0 ||
		make_texts(b, (const char *)c->paths, c->path_cnt, HTTP_TEXT_MAX, &m->paths) != 0 ||
		make_texts(b, (const char *)c->prefixes, c->prefix_cnt, HTTP_TEXT_MAX,
			&m->prefixes) != 0 ||
		make_texts(b, (const char *)c->methods, c->method_cnt, LIMIT_NAME, &m->methods) !=
			0)
		return -ENOMEM;
	for (uint32_t i = 0; i < m->host_cnt; i++) /* "*.example" is kept as ".example" */
		if (m->hosts[i].at[0] == '*')
			m->hosts[i] = (struct span){m->hosts[i].at + 1, m->hosts[i].len - 1};
	make_methods(m);
	rc = normal_texts(b, m->paths, m->path_cnt);
	if (rc == 0)
		rc = normal_texts(b, m->prefixes, m->prefix_cnt);
	for (uint32_t i = 0; i < m->regex_cnt && rc == 0; i++)
		rc = make_regex(b, c->regexes[i], &m->regexes[i]);
	if (rc == 0)
		rc = make_prefixes(b, c->sources, c->source_cnt, &m->sources);
	if (rc == 0)
		rc = make_conds(b, c->headers, c->header_cnt, &m->headers);
	return rc ? rc : make_conds(b, c->query, c->query_cnt, &m->query);
}

/* ---- actions and changes ---- */

static void need_captures(struct route_rule *rule, const struct template *t)
{
	uint32_t n = t ? template_captures(t) : 0;

	if (rule->captures < n)
		rule->captures = n;
}

static int make_fixed(struct builder *b, const struct config_http_route *c, struct route_rule *rule)
{
	struct http_fixed *f = arena_alloc(&b->site->arena, sizeof(*f));
	int rc = 0;

	if (!f)
		return -ENOMEM;
	if (c->redirect) {
		f->status = c->redirect->status;
		rc = make_template(b, c->redirect->to, TEMPLATE_URI, &f->location);
		need_captures(rule, rc == 0 ? f->location : NULL);
	} else {
		f->status = c->respond->status;
		if (c->respond->body_len > 0)
			f->type = route_span(&b->site->arena, c->respond->type);
		f->body = (struct span){arena_text(&b->site->arena, (const char *)c->respond->body,
						c->respond->body_len),
			c->respond->body_len};
		rc = f->body.at ? 0 : -ENOMEM;
	}
	rule->r.fixed = f;
	rule->r.action = &http_action_fixed;
	return rc;
}

static void free_files(void *root)
{
	files_root_unref(root);
}

static void free_kv(void *kv)
{
	kv_route_free(kv);
}

static int make_kv(struct builder *b, const struct config_http_route *c, struct route_rule *rule)
{
	int rc = kv_route_create(b->in->cfg, c, &rule->r.kv);

	rule->r.action = &http_action_kv;
	return rc == 0 ? own(b->site, rule->r.kv, free_kv) : rc;
}

static int make_files(struct builder *b, const struct config_http_route *c, struct route_rule *rule)
{
	char why[FILES_WHY];
	int rc = files_root_create(c->files, b->in->worker_cnt, &rule->r.files, why);

	if (rc != 0)
		return fail(b, "files: %s", why);
	rule->r.action = &http_action_files;
	return own(b->site, rule->r.files, free_files);
}

static int make_targets(struct builder *b, const struct config_http_route *c, struct http_route *r)
{
	r->targets = arena_array(&b->site->arena, c->target_cnt, sizeof(*r->targets));
	if (!r->targets)
		return -ENOMEM;
	r->target_cnt = c->target_cnt;
	for (uint32_t i = 0; i < c->target_cnt; i++) {
		r->targets[i] =
			(struct http_target){c->targets[i].upstream_idx, c->targets[i].weight};
		r->weight_sum += c->targets[i].weight;
	}
	r->sticky_by = c->sticky.by;
	r->sticky_name = route_span(&b->site->arena, c->sticky.name);
	if (!r->sticky_name.at)
		return -ENOMEM;
	r->sticky_id = http_field_find(r->sticky_name);
	return 0;
}

static int make_action(
	struct builder *b, const struct config_http_route *c, struct route_rule *rule)
{
	if (c->kind == HTTP_ROUTE_UPSTREAM)
		return make_targets(b, c, &rule->r);
	if (c->kind == HTTP_ROUTE_FILES)
		return make_files(b, c, rule);
	return c->kind == HTTP_ROUTE_KV ? make_kv(b, c, rule) : make_fixed(b, c, rule);
}

static int make_rewrite(
	struct builder *b, const struct config_http_rewrite *c, struct route_rule *rule)
{
	struct http_rewrite *w = arena_alloc(&b->site->arena, sizeof(*w));
	int rc = 0;

	if (!w)
		return -ENOMEM;
	w->prefix = route_span(&b->site->arena, c->prefix);
	if (c->regex[0])
		rc = make_regex(b, c->regex, &w->regex);
	if (rc == 0 && c->path[0])
		rc = make_template(b, c->path, TEMPLATE_URI, &w->path);
	if (rc == 0 && c->host[0])
		rc = make_template(b, c->host, TEMPLATE_TEXT, &w->host);
	if (rc != 0)
		return rc;
	need_captures(rule, w->path);
	need_captures(rule, w->host);
	rule->r.rewrite = w;
	return w->prefix.at ? 0 : -ENOMEM;
}

static int make_edit_list(struct builder *b, const struct config_http_edit *c, uint32_t cnt,
	struct route_rule *rule, struct route_edit **out)
{
	struct route_edit *e = arena_array(&b->site->arena, cnt, sizeof(*e));

	*out = e;
	for (uint32_t i = 0; i < cnt && e; i++) {
		int rc = make_template(b, c[i].value, TEMPLATE_TEXT, &e[i].value);

		if (rc != 0)
			return rc;
		need_captures(rule, e[i].value);
		e[i].name = route_span(&b->site->arena, c[i].name);
		if (!e[i].name.at)
			return -ENOMEM;
		e[i].field = http_field_find(e[i].name);
	}
	return e ? 0 : -ENOMEM;
}

static int make_edits(struct builder *b, const struct config_http_edits *c, struct route_rule *rule,
	const struct http_edits **out)
{
	struct http_edits *e;
	int rc;

	if (c->set_cnt + c->add_cnt + c->remove_cnt == 0)
		return 0;
	e = arena_alloc(&b->site->arena, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->set_cnt = c->set_cnt;
	e->add_cnt = c->add_cnt;
	e->remove_cnt = c->remove_cnt;
	rc = make_edit_list(b, c->set, c->set_cnt, rule, &e->set);
	if (rc == 0)
		rc = make_edit_list(b, c->add, c->add_cnt, rule, &e->add);
	if (rc != 0)
		return rc;
	e->remove = arena_array(&b->site->arena, c->remove_cnt, sizeof(*e->remove));
	for (uint32_t i = 0; i < c->remove_cnt && e->remove; i++) {
		e->remove[i].name = route_span(&b->site->arena, c->remove[i]);
		if (!e->remove[i].name.at)
			return -ENOMEM;
		e->remove[i].field = http_field_find(e->remove[i].name);
	}
	*out = e;
	return e->remove ? 0 : -ENOMEM;
}

/* ---- policies ---- */

static int keep_policy(struct builder *b, struct http_policy *p)
{
	struct http_site *site = b->site;
	struct http_policy **more =
		realloc(site->policies, (site->policy_cnt + 1) * sizeof(struct http_policy *));

	if (!more) {
		policy_unref(p);
		return -ENOMEM;
	}
	site->policies = more;
	more[site->policy_cnt++] = p;
	return 0;
}

static int add(struct builder *b, struct http_policy_chain *chain, int rc, struct http_policy *p)
{
	if (rc != 0 || !p)
		return rc;
	if (chain->cnt == LIMIT_POLICIES) {
		policy_unref(p);
		return fail(b, "more than %d policies", LIMIT_POLICIES);
	}
	rc = keep_policy(b, p);
	if (rc == 0)
		chain->policies[chain->cnt++] = p;
	return rc;
}

/* The limiter that the last generation had for the same words, if it has not found a place yet. */
static struct http_policy *rate_of(const struct builder *b, const struct config_policy_rate *c)
{
	const struct http_site *prev = b->in->prev;

	for (uint32_t i = 0; prev && i < prev->policy_cnt; i++) {
		struct http_policy *p = prev->policies[i];
		bool taken = false;

		for (uint32_t k = 0; k < b->site->policy_cnt && !taken; k++)
			taken = b->site->policies[k] == p;
		if (!taken && policy_rate_same(p, c)) {
			policy_ref(p);
			return p;
		}
	}
	return NULL;
}

static int add_rates(
	struct builder *b, struct http_policy_chain *chain, const struct config_policies *c)
{
	for (uint32_t i = 0; c && i < c->rate_cnt; i++) {
		struct http_policy *p = rate_of(b, &c->rates[i]);
		int rc = p ? 0 : policy_rate_create(&c->rates[i], &p);

		rc = add(b, chain, rc, p);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Policies of a site that all its routes share are made once. */
struct shared {
	struct http_policy_chain access, rates;
	struct http_policy_chain cors, basic, jwt, security, compress;
};

static void join(struct http_policy_chain *to, const struct http_policy_chain *from)
{
	for (uint32_t i = 0; i < from->cnt && to->cnt < LIMIT_POLICIES; i++)
		to->policies[to->cnt++] = from->policies[i];
}

#define OR_ADD(kind, ...)                                           \
	do {                                                        \
		struct http_policy *p_ = NULL;                      \
		int rc_ = policy_##kind##_create(__VA_ARGS__, &p_); \
                                                                    \
		rc_ = add(b, &out->kind, rc_, p_);                  \
		if (rc_ != 0)                                       \
			return rc_;                                 \
	} while (0)

static int make_shared(struct builder *b, const struct config_policies *c, struct shared *out)
{
	uint32_t workers = b->in->worker_cnt;
	int rc;

	if (c->access)
		OR_ADD(access, c->access);
	rc = add_rates(b, &out->rates, c);
	if (rc != 0)
		return rc;
	if (c->cors)
		OR_ADD(cors, c->cors);
	if (c->basic)
		OR_ADD(basic, c->basic, workers, b->in->err);
	if (c->jwt)
		OR_ADD(jwt, c->jwt, workers, b->in->err);
	if (c->security)
		OR_ADD(security, c->security);
	if (c->compress)
		OR_ADD(compress, c->compress, workers);
	return 0;
}

/* Order: cheap refusals first, what costs last; CORS before who asks, as preflights carry no name.
 */
static int make_chain(struct builder *b, const struct config_policies *c, const struct shared *site,
	const struct http_policy_chain **out)
{
	static const struct shared none;
	struct http_policy_chain *chain = arena_alloc(&b->site->arena, sizeof(*chain));
	struct shared own_ones = {0};
	struct http_policy *body = NULL;
	int rc = chain ? make_shared(b, c, &own_ones) : -ENOMEM;

	if (rc != 0)
		return rc;
	if (!c->inherit)
		site = &none;
	/* First in, so last out: it sees the response that all others have left. */
	join(chain, own_ones.compress.cnt ? &own_ones.compress : &site->compress);
	join(chain, &site->access);
	join(chain, &own_ones.access);
	join(chain, &site->rates);
	join(chain, &own_ones.rates);
	if (c->max_body > 0) {
		rc = policy_body_create(c->max_body, &body);
		rc = add(b, chain, rc, body);
		if (rc != 0)
			return rc;
	}
	join(chain, own_ones.cors.cnt ? &own_ones.cors : &site->cors);
	/* A route that asks for one kind of name does not ask for the other. */
	if (own_ones.basic.cnt + own_ones.jwt.cnt > 0) {
		join(chain, &own_ones.basic);
		join(chain, &own_ones.jwt);
	} else {
		join(chain, &site->basic);
		join(chain, &site->jwt);
	}
	join(chain, own_ones.security.cnt ? &own_ones.security : &site->security);
	*out = chain->cnt ? chain : NULL;
	return 0;
}

/* ---- the whole ---- */

static void free_cache(void *what)
{
	hcache_route_free(what);
}

static int make_cache(struct builder *b, const struct config_http_cache *c, struct http_route *r)
{
	int rc = hcache_route_build(
		c, hcache_route_number(b->site->name, r->name, r->idx), &r->cache);

	return rc == 0 ? own(b->site, r->cache, free_cache) : rc;
}

static int make_connect(
	struct builder *b, const struct config_http_connect *c, struct route_rule *rule)
{
	struct http_connect *k = arena_alloc(&b->site->arena, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->allow = arena_array(&b->site->arena, c->allow_cnt, sizeof(*k->allow));
	k->forward = c->forward;
	for (uint32_t i = 0; i < c->allow_cnt && k->allow; i++) {
		struct http_connect_target *t = &k->allow[i];
		const char *text = c->allow[i], *colon = strrchr(text, ':');
		uint32_t skip = text[0] == '*' ? (text[1] == '.' ? 2 : 1) : 0;

		t->wild = skip > 0;
		t->host.len = (uint32_t)(colon - text) - skip;
		t->host.at = arena_text(&b->site->arena, text + skip, t->host.len);
		t->port = (uint16_t)strtoul(colon + 1, NULL, 10);
		if (!t->host.at)
			return -ENOMEM;
	}
	k->allow_cnt = c->allow_cnt;
	rule->r.connect = k;
	rule->m.connect = true;
	return k->allow ? 0 : -ENOMEM;
}

static int make_route(struct builder *b, uint32_t i, const struct shared *shared)
{
	const struct config_http_route *c = &b->in->site->routes[i];
	struct route_rule *rule = &b->site->rules[i];
	struct http_route *r = &rule->r;
	int rc;

	b->route = c;
	*r = (struct http_route){.name = arena_text(&b->site->arena, c->name, strlen(c->name)),
		.idx = i,
		.number = http_route_number(b->site->name, c->name, i),
		.line = c->mark.line,
		.kind = c->kind,
		.timeouts = c->timeouts,
		.retries = {c->retries.cnt, c->retries.on_mask, c->retries.per_try_ns,
			c->retries.unsafe},
		.mirror = c->mirror ? c->mirror->upstream_idx : HTTP_NO_UPSTREAM,
		.mirror_percent = c->mirror ? c->mirror->percent : 0,
		.expect_forward = c->expect == HTTP_EXPECT_FORWARD,
		.max_body = c->policies.max_body};
	rc = r->name ? make_match(b, &c->match, &rule->m) : -ENOMEM;
	if (rc == 0)
		rc = make_action(b, c, rule);
	if (rc == 0 && c->connect)
		rc = make_connect(b, c->connect, rule);
	if (rc == 0 && c->rewrite)
		rc = make_rewrite(b, c->rewrite, rule);
	if (rc == 0)
		rc = make_edits(b, &c->request_headers, rule, &r->request_edits);
	if (rc == 0)
		rc = make_edits(b, &c->response_headers, rule, &r->response_edits);
	if (rc == 0)
		rc = make_chain(b, &c->policies, shared, &r->policies);
	if (rc == 0 && c->cache)
		rc = make_cache(b, c->cache, r);
	return rc;
}

static int make_pages(struct builder *b)
{
	const struct config_site *c = b->in->site;
	struct http_site *site = b->site;

	site->page_cnt = c->error_page_cnt;
	site->pages = arena_array(&site->arena, site->page_cnt, sizeof(*site->pages));
	for (uint32_t i = 0; i < site->page_cnt && site->pages; i++) {
		const struct config_http_error_page *p = &c->error_pages[i];
		uint32_t *statuses = arena_array(&site->arena, p->status_cnt, sizeof(*statuses));

		site->pages[i] = (struct error_page){statuses, p->status_cnt,
			route_span(&site->arena, p->type),
			{arena_text(&site->arena, (const char *)p->body, p->body_len),
				p->body_len}};
		if (!statuses || !site->pages[i].type.at || !site->pages[i].body.at)
			return -ENOMEM;
		if (p->status_cnt)
			memcpy(statuses, p->statuses, p->status_cnt * sizeof(*statuses));
	}
	return site->pages ? 0 : -ENOMEM;
}

static int make_via(struct http_site *site, const char *name)
{
	static const char *const versions[] = {"1.0", "1.1", "2"};
	char text[LIMIT_NAME + 8];

	for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
		snprintf(text, sizeof(text), "%s %s", versions[i], name);
		site->via[i] = route_span(&site->arena, text);
		if (!site->via[i].at)
			return -ENOMEM;
	}
	site->via_name = route_span(&site->arena, name);
	return site->via_name.at ? 0 : -ENOMEM;
}

static int make_settings(struct builder *b)
{
	const struct config_site *c = b->in->site;
	struct http_site *site = b->site;

	snprintf(site->name, sizeof(site->name), "%s", c->name);
	site->worker_cnt = b->in->worker_cnt;
	site->client = c->client;
	site->path = c->path;
	site->ids = c->ids;
	site->forward = c->forwarded.send;
	site->underscores = c->underscores;
	site->server = c->server;
	site->via_max = c->via.max;
	site->seed = (struct siphash_key){b->in->cfg->l4.hash_seed[0], b->in->cfg->l4.hash_seed[1]};
	site->self_fixed = (struct http_fixed){.status = 204};
	site->self = (struct http_route){.name = "(weir)",
		.idx = UINT32_MAX,
		.number = http_route_number(site->name, "(weir)", 0),
		.kind = HTTP_ROUTE_RESPOND,
		.action = &http_action_fixed,
		.mirror = HTTP_NO_UPSTREAM,
		.fixed = &site->self_fixed};
	if (make_via(site, c->via.name) != 0)
		return -ENOMEM;
	return make_prefixes(b, c->forwarded.trusted, c->forwarded.trusted_cnt, &site->trusted);
}

static int build(struct builder *b)
{
	const struct config_site *c = b->in->site;
	struct http_site *site = b->site;
	struct shared shared = {0};
	int rc = make_settings(b);

	if (rc == 0)
		rc = make_pages(b);
	if (rc == 0)
		rc = make_shared(b, &c->policies, &shared);
	site->rules = arena_array(&site->arena, c->route_cnt, sizeof(*site->rules));
	if (rc == 0 && !site->rules)
		rc = -ENOMEM;
	site->rule_cnt = rc == 0 ? c->route_cnt : 0;
	for (uint32_t i = 0; i < site->rule_cnt && rc == 0; i++)
		rc = make_route(b, i, &shared);
	return rc ? rc : route_tables_build(site);
}

int http_site_build(const struct http_site_build *in, struct http_site **out)
{
	struct http_site *site = calloc(1, sizeof(*site));
	struct builder b = {.in = in, .site = site};
	int rc;

	*out = NULL;
	if (!site)
		return -ENOMEM;
	arena_init(&site->arena);
	rc = build(&b);
	if (rc != 0) {
		if (rc == -ENOMEM && in->err)
			fprintf(in->err, "site '%s': out of memory\n", in->site->name);
		http_site_free(site);
		return rc;
	}
	*out = site;
	return 0;
}

void http_site_free(struct http_site *site)
{
	if (!site)
		return;
	for (struct route_owned *o = site->owned; o; o = o->next)
		o->free(o->what);
	for (uint32_t i = 0; i < site->policy_cnt; i++)
		policy_unref(site->policies[i]);
	free(site->policies);
	arena_fini(&site->arena);
	free(site);
}

int http_sites_check(const struct config *cfg, FILE *err)
{
	int bad = 0;

	for (uint32_t i = 0; i < cfg->listener_cnt; i++) {
		const struct config_site *site = cfg->listeners[i].site;
		struct http_site *built;
		bool seen = site == NULL;

		for (uint32_t k = 0; k < i && !seen; k++)
			seen = cfg->listeners[k].site == site;
		if (seen)
			continue;
		bad += http_site_build(
			       &(struct http_site_build){
				       .cfg = cfg, .site = site, .worker_cnt = 1, .err = err},
			       &built) != 0;
		http_site_free(built);
	}
	return bad;
}

const char *http_site_name(const struct http_site *site)
{
	return site->name;
}

const struct config_http_client *http_site_client(const struct http_site *site)
{
	return &site->client;
}

enum http_underscores http_site_underscores(const struct http_site *site)
{
	return site->underscores;
}

enum http_server_header http_site_server(const struct http_site *site)
{
	return site->server;
}

uint32_t http_site_route_cnt(const struct http_site *site)
{
	return site->rule_cnt;
}

const struct http_route *http_site_route(const struct http_site *site, uint32_t idx)
{
	return &site->rules[idx].r;
}

struct http_route_worker *http_route_worker_create(uint32_t idx, uint64_t seed)
{
	struct http_route_worker *rw = calloc(1, sizeof(*rw));

	if (!rw)
		return NULL;
	rw->idx = idx;
	rng_seed(&rw->rng, seed);
	rw->regex = regex_scratch_create();
	if (!rw->regex) {
		free(rw);
		return NULL;
	}
	return rw;
}

void http_route_worker_destroy(struct http_route_worker *rw)
{
	if (!rw)
		return;
	slow_worker_free(rw);
	regex_scratch_destroy(rw->regex);
	free(rw);
}

uint64_t http_route_given_up(const struct http_route_worker *rw)
{
	return regex_given_up(rw->regex);
}
