/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/sites.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "lb/l7/route/route.h"

static const struct http_site *named(const struct l7_sites *s, const char *name)
{
	for (uint32_t i = 0; s != NULL && i < s->cnt; i++)
		if (s->of[i] != NULL && strcmp(http_site_name(s->of[i]), name) == 0)
			return s->of[i];
	return NULL;
}

/* A site that several listeners have is built once. */
static struct http_site *built_before(const struct l7_sites *s, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (s->of[k] != NULL && s->cfg->listeners[k].site == s->cfg->listeners[i].site)
			return s->of[k];
	return NULL;
}

static int build_one(struct l7_sites *s, const struct l7_sites *prev, uint32_t i)
{
	const struct config_listener *l = &s->cfg->listeners[i];
	struct http_site_build in = {.cfg = s->cfg,
		.site = l->site,
		.worker_cnt = s->cfg->workers.count,
		.prev = named(prev, l->site->name),
		.err = stderr};
	int rc;

	s->of[i] = built_before(s, i);
	if (s->of[i] != NULL)
		return 0;
	rc = http_site_build(&in, &s->of[i]);
	if (rc != 0)
		LOG_ERR("cannot build a site", "site=%s listener=%s error=%d", l->site->name,
			l->name, rc);
	return rc;
}

static void destroy(struct l7_sites *s)
{
	for (uint32_t i = 0; s->of != NULL && i < s->cnt; i++)
		if (s->of[i] != NULL && s->of[i] != built_before(s, i))
			http_site_free(s->of[i]);
	free(s->of);
	free(s);
}

int l7_sites_build(const struct config *cfg, const struct l7_sites *prev, struct l7_sites **out)
{
	struct l7_sites *s =
		aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(struct l7_sites), CACHE_LINE));
	int rc = 0;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	s->cfg = cfg;
	s->refs = 1;
	s->of = calloc(cfg->listener_cnt + (size_t)1, sizeof(s->of[0]));
	if (s->of == NULL)
		rc = -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < cfg->listener_cnt; i++) {
		s->cnt = i + 1;
		if (cfg->listeners[i].action == LISTENER_HTTP)
			rc = build_one(s, prev, i);
	}
	if (rc != 0) {
		destroy(s);
		return rc;
	}
	*out = s;
	return 0;
}

bool l7_sites_pinned(const struct l7_sites *s)
{
	for (uint32_t i = 0; i < LIMIT_WORKERS; i++)
		if (__atomic_load_n(&s->pins[i].cnt, __ATOMIC_ACQUIRE) != 0) /* L3 */
			return true;
	return false;
}

void l7_sites_unref(struct l7_sites *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	destroy(s);
}
