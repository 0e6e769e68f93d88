/* SPDX-License-Identifier: Apache-2.0
 * A route's configuration as the cache uses it. Spans point into the configuration. */
#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/hash.h"
#include "dataplane/base/time.h"
#include "lb/config/config_cache.h"
#include "lb/l7/cache/hcache.h"

#define DAMP UINT64_C(0x9e3779b97f4a7c15)

_Static_assert((int)CACHE_QUERY_DENY == (int)KEY_QUERY_DENY &&
		       (int)CACHE_QUERY_ALLOW == (int)KEY_QUERY_ALLOW &&
		       (int)CACHE_QUERY_NONE == (int)KEY_QUERY_NONE,
	"the configuration's words are the key's");

_Static_assert((int)CACHE_RANGES_WHOLE == (int)HC_RANGES_WHOLE &&
		       (int)CACHE_RANGES_SLICE == (int)HC_RANGES_SLICE &&
		       (int)CACHE_RANGES_PASS == (int)HC_RANGES_PASS,
	"the configuration's words are the route's");

static const struct span default_targets[] = {{"cdn-cache-control", 17}};

/* False: no memory. */
static bool spans(char (*names)[LIMIT_NAME], uint32_t cnt, const struct span **out)
{
	struct span *s;

	*out = NULL;
	if (cnt == 0)
		return true;
	s = calloc(cnt, sizeof(*s));
	if (s == NULL)
		return false;
	for (uint32_t i = 0; i < cnt; i++)
		s[i] = (struct span){names[i], (uint32_t)strlen(names[i])};
	*out = s;
	return true;
}

static uint64_t mix(uint64_t h, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	for (size_t i = 0; i < len; i++)
		h = mix_fold(h ^ b[i], DAMP);
	return mix_fold(h ^ len, DAMP);
}

static uint64_t mix_names(uint64_t h, char (*names)[LIMIT_NAME], uint32_t cnt)
{
	h = mix(h, &cnt, sizeof(cnt));
	for (uint32_t i = 0; i < cnt; i++)
		h = mix(h, names[i], strlen(names[i]));
	return h;
}

/* Routes with the same rules share responses, others never do. */
static uint32_t id_of(const struct config_http_cache_key *k)
{
	uint8_t flags[] = {(uint8_t)k->query, k->sort_query, k->ignore_scheme};
	uint64_t h = mix(DAMP, flags, sizeof(flags));

	h = mix_names(h, k->params, k->param_cnt);
	h = mix_names(h, k->headers, k->header_cnt);
	h = mix_names(h, k->cookies, k->cookie_cnt);
	return (uint32_t)(h ^ h >> 32);
}

static bool make_key(const struct config_http_cache_key *k, struct key_conf *out)
{
	*out = (struct key_conf){.query = (enum key_query)k->query,
		.sort_query = k->sort_query,
		.ignore_scheme = k->ignore_scheme,
		.id = id_of(k),
		.param_cnt = k->param_cnt,
		.header_cnt = k->header_cnt,
		.cookie_cnt = k->cookie_cnt};
	return spans(k->params, k->param_cnt, &out->params) &&
	       spans(k->headers, k->header_cnt, &out->headers) &&
	       spans(k->cookies, k->cookie_cnt, &out->cookies);
}

static int64_t seconds(uint64_t ns)
{
	return (int64_t)(ns / NS_PER_SEC);
}

int hcache_route_build(
	const struct config_http_cache *c, uint32_t number, struct hcache_route **out)
{
	struct hcache_route *r = calloc(1, sizeof(*r));

	*out = r;
	if (r == NULL)
		return -ENOMEM;
	r->fresh = (struct fresh_policy){.default_ttl = seconds(c->default_ttl_ns),
		.heuristic_max = seconds(c->heuristic_max_ns),
		.heuristic_percent = c->heuristic_percent,
		.override_ttl = seconds(c->override_ttl_ns),
		.grace = seconds(c->grace_ns),
		.stale_if_error = seconds(c->stale_if_error_ns),
		.ignore_request_directives = c->ignore_client,
		.override_no_store = c->override_no_store,
		.targets = default_targets,
		.target_cnt = ARRAY_SIZE(default_targets)};
	r->number = number;
	r->keep_ms = (int64_t)(c->keep_ns / NS_PER_MS);
	r->pass_ms = c->pass_ns / NS_PER_MS;
	r->error_ms = c->error_ns / NS_PER_MS;
	r->max_bytes = c->max_bytes;
	r->ranges = (enum hcache_ranges)c->ranges;
	r->slice_bytes = c->slice_bytes;
	r->cache_status = c->status;
	r->name = (struct span){c->name, (uint32_t)strlen(c->name)};
	r->purge_token = (struct span){c->purge_token, (uint32_t)strlen(c->purge_token)};
	r->bypass_cookie_cnt = c->bypass_cookie_cnt;
	if (c->target_cnt > 0) {
		r->fresh.target_cnt = c->target_cnt;
		r->own_targets = true;
	}
	if (!make_key(&c->key, &r->key) ||
		!spans(c->bypass_cookies, c->bypass_cookie_cnt, &r->bypass_cookies) ||
		(r->own_targets && !spans(c->targets, c->target_cnt, &r->fresh.targets))) {
		hcache_route_free(r);
		*out = NULL;
		return -ENOMEM;
	}
	return 0;
}

void hcache_route_free(struct hcache_route *r)
{
	if (r == NULL)
		return;
	free((void *)(uintptr_t)r->key.params);
	free((void *)(uintptr_t)r->key.headers);
	free((void *)(uintptr_t)r->key.cookies);
	free((void *)(uintptr_t)r->bypass_cookies);
	if (r->own_targets && r->fresh.targets != default_targets)
		free((void *)(uintptr_t)r->fresh.targets);
	free(r);
}
