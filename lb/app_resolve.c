/* SPDX-License-Identifier: Apache-2.0
 * Names of backends, on their way into generations: an answer that differs makes a new generation
 * of the same configuration, with other backends in its pools. */
#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "lb/app_pvt.h"
#include "lb/config/reach.h"
#include "lb/resolve/dns.h"
#include "lb/resolve/resolve.h"

/* What of a name's addresses weir can connect to. */
struct finder {
	struct resolve *r;
	const struct config *cfg;
	struct reach reach;
	struct ip_addr addrs[2 * LIMIT_NAME_ADDRS];
};

static bool is_vip(const struct config *cfg, const struct ip_addr *a)
{
	for (uint32_t s = 0; s < cfg->service_cnt; s++)
		for (uint32_t v = 0; v < cfg->services[s].vip_cnt; v++)
			if (ip_addr_eq(&cfg->services[s].vips[v], a))
				return true;
	return false;
}

static struct resolved_name find(void *ctx, const char *host)
{
	struct finder *f = ctx;
	struct resolved_name all = {0}, out = {.addrs = f->addrs};

	if (f->r != NULL)
		all = resolve_find(f->r, host);
	out.asked = all.asked;

	for (uint32_t i = 0; i < all.cnt; i++)
		if (reach_find(&f->reach, &all.addrs[i]) != NULL &&
			!reach_is_own(&f->reach, &all.addrs[i]) && !is_vip(f->cfg, &all.addrs[i]))
			f->addrs[out.cnt++] = all.addrs[i];
	return out;
}

static int make_set(struct app *app, const struct config *cfg, struct config_resolved **out)
{
	struct finder *f = calloc(1, sizeof(*f));
	struct arena arena;
	int rc = -ENOMEM;

	*out = NULL;
	if (f == NULL)
		return rc;
	arena_init(&arena);
	f->r = app->resolve;
	f->cfg = cfg;
	if (reach_init(&f->reach, &arena, cfg))
		rc = config_resolved_make(cfg, find, f, out);
	arena_fini(&arena);
	free(f);
	return rc;
}

int app_resolve_preview(struct app *app, struct config *cfg)
{
	struct config_resolved *set;
	int rc;

	if (!config_has_names(cfg))
		return 0;
	rc = make_set(app, cfg, &set);
	if (rc == 0)
		free(config_resolved_use(cfg, set));
	return rc;
}

int app_resolve_prepare(struct app *app, struct config *cfg)
{
	int rc = 0;

	if (config_has_names(cfg) && app->resolve == NULL)
		rc = resolve_create(&app->resolve);
	if (rc == 0 && app->resolve != NULL)
		rc = resolve_add(app->resolve, cfg);
	return rc == 0 ? app_resolve_preview(app, cfg) : rc;
}

void app_resolve_use(struct app *app, const struct config *cfg, uint64_t now_ns)
{
	struct resolve_io io;
	int rc;

	if (app->resolve == NULL)
		return;
	rc = resolve_watch(app->resolve, cfg, now_ns);
	if (rc == 0 && !app->resolve_scripted && config_has_names(cfg)) {
		rc = dns_open(app->resolve, &cfg->resolver, &io);
		if (rc == 0)
			resolve_set_io(app->resolve, &io);
	}
	if (rc != 0)
		LOG_ERR("names of backends are not asked for", "error=%d", rc);
}

static int renew(struct app *app, uint64_t now_ns)
{
	struct config_resolved *set, *before;
	int rc = make_set(app, app->cfg, &set);

	if (rc != 0)
		return rc;
	if (config_resolved_equal(set, app->cfg->resolved)) {
		free(set);
		return 0;
	}
	if (config_resolved_left_out(set) > 0)
		LOG_WRN("names stand for more backends than a pool may have", "left_out=%u",
			config_resolved_left_out(set));
	before = config_resolved_use(app->cfg, set);
	rc = app_adopt(app, app->cfg, app->cur->tls, now_ns);
	free(rc == 0 ? before : config_resolved_use(app->cfg, before));
	return rc;
}

void app_resolve_run(struct app *app, uint64_t now_ns)
{
	int rc;

	if (resolve_run(app->resolve, now_ns))
		app->names_dirty = true;
	if (!app->names_dirty || app->retiring != NULL || now_ns < app->next_names_ns)
		return;
	rc = renew(app, now_ns);
	if (rc == 0) {
		app->names_dirty = false;
		return;
	}
	LOG_ERR("addresses of names cannot be put into force: the old ones stay", "error=%d", rc);
	app->next_names_ns = now_ns + NS_PER_SEC;
}
