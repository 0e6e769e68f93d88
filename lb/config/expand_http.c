/* SPDX-License-Identifier: Apache-2.0
 * Sites and routes: which action, which upstream, and defaults that depend on other values. */
#include <stdio.h>
#include <string.h>

#include "lb/config/config_http.h"
#include "lb/config/config_upstream.h"
#include "lb/config/expand.h"

static uint32_t upstream_find(const struct config *cfg, const char *name)
{
	for (uint32_t i = 0; i < cfg->upstream_cnt; i++)
		if (strcmp(cfg->upstreams[i].name, name) == 0)
			return i;
	return UINT32_MAX;
}

static void expand_conds(struct config_http_cond *conds, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		struct config_http_cond *c = &conds[i];

		if (c->regex[0])
			c->kind = HTTP_COND_REGEX;
		else if (c->prefix[0])
			c->kind = HTTP_COND_PREFIX;
		else if (c->value[0])
			c->kind = HTTP_COND_EXACT;
		else
			c->kind = c->present ? HTTP_COND_PRESENT : HTTP_COND_ABSENT;
	}
}

static void expand_retries(struct reader *r, struct config_http_retries *re, bool given)
{
	if (!given && re->on_cnt == 0) {
		re->on = arena_array(r->arena, 2, sizeof(*re->on));
		if (!re->on)
			return;
		re->on[0] = HTTP_RETRY_CONNECT;
		re->on[1] = HTTP_RETRY_RESET;
		re->on_cnt = 2;
	}
	for (uint32_t i = 0; i < re->on_cnt; i++)
		re->on_mask |= (uint32_t)re->on[i];
}

static void expand_rates(struct config_policies *p, struct config_tree *t)
{
	struct config_value *v = schema_value(t, "rate_limits");

	for (uint32_t i = 0; i < p->rate_cnt; i++)
		if (!schema_given(v->maps[i], "burst"))
			p->rates[i].burst = p->rates[i].rate;
}

static void expand_targets(struct reader *r, const struct config *cfg, struct config_http_route *rt)
{
	rt->targets = rt->split;
	rt->target_cnt = rt->split_cnt;
	if (rt->upstream[0]) {
		rt->targets = arena_alloc(r->arena, sizeof(*rt->targets));
		if (!rt->targets)
			return;
		strcpy(rt->targets->upstream, rt->upstream);
		rt->targets->weight = 1;
		rt->targets->mark = rt->mark;
		rt->target_cnt = 1;
	}
	for (uint32_t i = 0; i < rt->target_cnt; i++)
		rt->targets[i].upstream_idx = upstream_find(cfg, rt->targets[i].upstream);
	if (rt->mirror)
		rt->mirror->upstream_idx = upstream_find(cfg, rt->mirror->upstream);
}

static enum http_route_kind route_kind(const struct config_http_route *rt)
{
	if (rt->redirect)
		return HTTP_ROUTE_REDIRECT;
	if (rt->respond)
		return HTTP_ROUTE_RESPOND;
	if (rt->files)
		return HTTP_ROUTE_FILES;
	if (rt->kv)
		return HTTP_ROUTE_KV;
	return HTTP_ROUTE_UPSTREAM;
}

static void expand_routes(struct reader *r, const struct config *cfg, struct config_site *s,
	const struct config_value *routes)
{
	for (uint32_t i = 0; i < s->route_cnt; i++) {
		struct config_http_route *rt = &s->routes[i];
		struct config_tree *t = routes->maps[i];
		struct config_tree *policies = schema_value(t, "policies")->maps[0];

		if (!rt->name[0])
			snprintf(rt->name, sizeof(rt->name), "route%u", i + 1);
		rt->kind = route_kind(rt);
		expand_conds(rt->match.headers, rt->match.header_cnt);
		expand_conds(rt->match.query, rt->match.query_cnt);
		expand_targets(r, cfg, rt);
		expand_retries(
			r, &rt->retries, schema_given(schema_value(t, "retries")->maps[0], "when"));
		expand_rates(&rt->policies, policies);
		if (!schema_given(policies, "max_body"))
			rt->policies.max_body =
				rt->policies.inherit ? s->policies.max_body : s->client.body_bytes;
	}
}

/* A listener's own routes make a site with the defaults in everything else. */
static void own_site(struct reader *r, const struct config *cfg, struct config_listener *l,
	struct config_tree *t)
{
	struct config_site *s = arena_alloc(r->arena, sizeof(*s));
	struct config_tree *defaults = s ? reader_map(r, &schema_site, NULL, s) : NULL;

	if (!defaults)
		return;
	snprintf(s->name, sizeof(s->name), "%s", l->name);
	s->routes = l->routes;
	s->route_cnt = l->route_cnt;
	s->mark = l->mark;
	s->policies.max_body = s->client.body_bytes;
	expand_routes(r, cfg, s, schema_value(t, "routes"));
	l->site = s;
}

void config_expand_http(struct reader *r, struct config *cfg, struct config_tree *root)
{
	struct config_value *sites = schema_value(root, "sites");
	struct config_value *listeners = schema_value(root, "listeners");

	for (uint32_t i = 0; i < cfg->site_cnt; i++) {
		struct config_site *s = &cfg->sites[i];
		struct config_tree *t = sites->maps[i];
		struct config_tree *policies = schema_value(t, "policies")->maps[0];

		expand_rates(&s->policies, policies);
		if (!schema_given(policies, "max_body"))
			s->policies.max_body = s->client.body_bytes;
		expand_routes(r, cfg, s, schema_value(t, "routes"));
	}
	for (uint32_t i = 0; i < cfg->listener_cnt; i++) {
		struct config_listener *l = &cfg->listeners[i];

		if (l->action != LISTENER_HTTP)
			continue;
		if (l->route_cnt > 0)
			own_site(r, cfg, l, listeners->maps[i]);
		for (uint32_t k = 0; k < cfg->site_cnt && !l->site; k++)
			if (strcmp(cfg->sites[k].name, l->site_name) == 0)
				l->site = &cfg->sites[k];
	}
}
