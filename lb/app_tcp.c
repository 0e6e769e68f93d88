/* SPDX-License-Identifier: Apache-2.0
 * The TCP engines' share of the app: pools, and listeners of a generation. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_mempool.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "dataplane/eal/eal.h"
#include "lb/app_pvt.h"
#include "lb/l7/cache/hcache.h"
#include "lb/l7/files/files.h"
#include "lb/l7/http/http.h"
#include "lb/l7/log/log.h"
#include "lb/l7/policy/policy.h"
#include "lb/l7/sites.h"

#define REF_LEN 64 /* a reference has no bytes of its own */

static uint32_t headers(const struct config *cfg)
{
	return cfg->tcp.packet_headers * cfg->workers.count;
}

static uint32_t data(const struct config *cfg)
{
	return cfg->tcp.data_buffers * cfg->workers.count;
}

static uint32_t slices(const struct config *cfg)
{
	return cfg->cache.memory_bytes > 0 ? HCACHE_SLICES * cfg->workers.count : 0;
}

uint64_t app_tcp_memory(const struct config *cfg, uint32_t frame_len)
{
	if (!cfg->tcp_given && cfg->listener_cnt == 0)
		return 0;
	return (slices(cfg) > 0 ? eal_memory_need(slices(cfg), REF_LEN) : 0) +
	       eal_memory_need(headers(cfg), frame_len) + eal_memory_need(headers(cfg), REF_LEN) +
	       eal_memory_need(data(cfg), frame_len);
}

static struct rte_mempool *pool(
	const struct app *app, const char *what, uint32_t count, uint32_t frame_len)
{
	char name[32];

	snprintf(name, sizeof(name), "tcp_%s_%u", what, app->serial);
	return eal_pool_create(name, count, frame_len, SOCKET_ID_ANY);
}

int app_tcp_open(struct app *app, uint32_t frame_len)
{
	/* A header takes a whole frame where the port cannot send several segments. */
	app->tcp_pools.header = pool(app, "headers", headers(app->cfg), frame_len);
	app->tcp_pools.ref = pool(app, "refs", headers(app->cfg), REF_LEN);
	app->tcp_pools.data = pool(app, "data", data(app->cfg), frame_len);
	if (slices(app->cfg) > 0)
		app->tcp_pools.slice = pool(app, "slices", slices(app->cfg), REF_LEN);
	app->l7_registry = calloc(1, sizeof(*app->l7_registry));
	if (app->tcp_pools.header != NULL && app->tcp_pools.ref != NULL &&
		app->tcp_pools.data != NULL && app->l7_registry != NULL &&
		(slices(app->cfg) == 0 || app->tcp_pools.slice != NULL))
		return 0;
	LOG_ERR("no memory for the TCP engine's buffers", "headers=%u data=%u", headers(app->cfg),
		data(app->cfg));
	return -ENOMEM;
}

void app_tcp_close(struct app *app)
{
	rte_mempool_free(app->tcp_pools.header);
	rte_mempool_free(app->tcp_pools.ref);
	rte_mempool_free(app->tcp_pools.slice);
	rte_mempool_free(app->tcp_pools.data);
	free(app->l7_registry);
}

static bool in_use(void *ctx, bool member, uint32_t id)
{
	const struct app *app = ctx;

	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		const struct l7_worker *w = app->l7[i];

		if (w == NULL)
			continue;
		if ((member ? l7_worker_member(w, id)->active : l7_worker_listener(w, id)->active) >
			0)
			return true;
	}
	return false;
}

static bool up_in_use(void *ctx, bool server, uint32_t id)
{
	const struct app *app = ctx;

	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		const struct up_worker *up;

		if (app->l7[i] == NULL)
			continue;
		up = http_worker_up(l7_worker_http(app->l7[i]));
		if (server ? up_server_stats(up, id)->active + up_server_stats(up, id)->conns > 0
			   : up_pool_stats(up, id)->active > 0)
			return true;
	}
	return false;
}

/* The listeners of a generation in the making; their health comes behind that of the services. */
struct l7_source {
	const struct app *app;
	const struct config *cfg;
};

static bool backend_up(void *ctx, uint32_t listener, uint32_t backend)
{
	const struct l7_source *src = ctx;
	const struct config_listener *l = &src->cfg->listeners[listener];

	return !override_disabled(
		       &src->app->overrides, OVERRIDE_LISTENER, l->name, &l->backends[backend]) &&
	       health_view_up(&src->app->view, src->cfg->service_cnt + listener, backend);
}

static void backend_adjust(
	void *ctx, uint32_t listener, uint32_t backend, struct config_backend *cb)
{
	const struct l7_source *src = ctx;

	(void)backend;
	*cb = override_apply(
		&src->app->overrides, OVERRIDE_LISTENER, src->cfg->listeners[listener].name, cb);
}

static bool server_up(void *ctx, uint32_t upstream, uint32_t server)
{
	const struct l7_source *src = ctx;
	const struct config_upstream *u = &src->cfg->upstreams[upstream];

	return !override_disabled(
		       &src->app->overrides, OVERRIDE_UPSTREAM, u->name, &u->backends[server]) &&
	       health_view_up(&src->app->view,
		       src->cfg->service_cnt + src->cfg->listener_cnt + upstream, server);
}

static void server_adjust(void *ctx, uint32_t upstream, uint32_t server, struct config_backend *cb)
{
	const struct l7_source *src = ctx;

	(void)server;
	*cb = override_apply(
		&src->app->overrides, OVERRIDE_UPSTREAM, src->cfg->upstreams[upstream].name, cb);
}

static struct l7_build build_of(struct app *app, const struct config *cfg, const struct l7_tls *tls,
	struct l7_source *h, uint64_t now_ns)
{
	*h = (struct l7_source){app, cfg};
	return (struct l7_build){.cfg = cfg,
		.tls = tls,
		.registry = app->l7_registry,
		.health_up = backend_up,
		.health_ctx = h,
		.adjust = backend_adjust,
		.up_health = server_up,
		.up_adjust = server_adjust,
		.in_use = in_use,
		.up_in_use = up_in_use,
		.use_ctx = app,
		.prev = app->cur != NULL ? app->cur->l7 : NULL,
		.now_ns = now_ns,
		/* What closed before goes through TIME_WAIT and its last retransmissions. */
		.linger_ns = 2 * cfg->tcp.time_wait_ns};
}

int app_tcp_build(struct app *app, const struct config *cfg, const struct l7_tls *tls,
	uint64_t now_ns, struct l7_table **out)
{
	struct l7_source h;
	struct l7_build in = build_of(app, cfg, tls, &h, now_ns);
	int rc = l7_table_build(&in, out);

	if (rc != 0)
		LOG_ERR("cannot build the table of listeners", "error=%d", rc);
	return rc;
}

bool app_tcp_reap(struct app *app, uint64_t now_ns)
{
	struct l7_source h;
	struct l7_build in = build_of(app, app->cfg, NULL, &h, now_ns);

	return l7_registry_reap(app->l7_registry, &in) > 0;
}

/* ---- configurations that streams still use ---- */

struct app_zombie {
	struct app_zombie *next;
	struct l7_sites *sites; /* one reference */
	struct config *cfg;
};

void app_tcp_retire(struct app *app, struct l7_sites *sites, struct config *cfg)
{
	struct app_zombie *z = NULL;

	if (sites != NULL && l7_sites_pinned(sites)) {
		z = calloc(1, sizeof(*z));
		if (z == NULL) {
			LOG_ERR("no memory to keep an old configuration: it is never freed",
				"generation_of=\"reload\"");
			return;
		}
		*z = (struct app_zombie){.next = app->zombies, .sites = sites, .cfg = cfg};
		app->zombies = z;
		return;
	}
	l7_sites_unref(sites);
	config_free(cfg);
}

void app_tcp_bury(struct app *app, bool all)
{
	struct app_zombie **link = &app->zombies;

	while (*link != NULL) {
		struct app_zombie *z = *link;

		if (!all && l7_sites_pinned(z->sites)) {
			link = &z->next;
			continue;
		}
		*link = z->next;
		l7_sites_unref(z->sites);
		config_free(z->cfg);
		free(z);
	}
}

int app_http_start(struct app *app)
{
	int rc = 0;

	if (app->tcp && app->cfg->access_log != NULL)
		rc = http_log_create(app->cfg->access_log, app->worker_cnt, &app->log);
	if (app->tcp && rc == 0)
		rc = files_io_create(app->worker_cnt, &app->files);
	for (uint32_t i = 0; app->tcp && i < app->worker_cnt && rc == 0; i++) {
		struct http_worker *w = l7_worker_http(app->l7[i]);

		http_worker_set_log(w, http_log_worker(app->log, i));
		http_worker_set_files(w, files_io_worker(app->files, i));
		rc = http_policies_attach(http_worker_route(w));
	}
	return rc;
}

void app_reopen_log(struct app *app)
{
	struct http_log_stats st;

	if (app->log == NULL)
		return;
	http_log_stats(app->log, &st);
	LOG_INF("access log", "lines=%llu dropped=%llu lost=%llu bytes=%llu",
		(unsigned long long)st.lines, (unsigned long long)st.dropped,
		(unsigned long long)st.lost, (unsigned long long)st.bytes);
	http_log_reopen(app->log);
}
