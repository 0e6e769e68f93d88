/* SPDX-License-Identifier: Apache-2.0
 * The store's share of the app: opened before the workers, closed after them. */
#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/log.h"
#include "lb/app_pvt.h"
#include "lb/kvs/kvs.h"
#include "lb/l7/cache/tier.h"
#include "storage/store.h"

static const char *const cache_ns[TIER_NS] = {CONFIG_CACHE_NS "0", CONFIG_CACHE_NS "1",
	CONFIG_CACHE_NS "2", CONFIG_CACHE_NS "3", CONFIG_CACHE_NS "4", CONFIG_CACHE_NS "5",
	CONFIG_CACHE_NS "6", CONFIG_CACHE_NS "7", CONFIG_CACHE_NS "state"};

static void set_params(const struct config *cfg, struct store_ns_params *ns, struct store_params *p)
{
	const struct config_store *s = &cfg->store;

	for (uint32_t i = 0; i < s->ns_cnt; i++)
		ns[i] = (struct store_ns_params){.name = s->namespaces[i].name,
			.durability = (enum store_durability)s->namespaces[i].durability};
	for (uint32_t i = 0; cfg->cache.disk.max_bytes > 0 && i < TIER_NS; i++)
		ns[s->ns_cnt + i] = (struct store_ns_params){.name = cache_ns[i],
			/* State and purges are few, and are to be believed. */
			.durability = i < TIER_GENS
					      ? (enum store_durability)cfg->cache.disk.durability
					      : STORE_EVERYSEC};
	store_params_init(p);
	p->dir = s->dir;
	p->shard_cnt = s->shards;
	p->reader_cnt = s->readers;
	/* The second tier of the HTTP cache has clients of its own. */
	p->client_cnt = cfg->workers.count * (cfg->cache.disk.max_bytes > 0 ? 2 : 1);
	p->queue_len = s->queue_len;
	p->ns = ns;
	p->ns_cnt = s->ns_cnt + (cfg->cache.disk.max_bytes > 0 ? TIER_NS : 0);
	p->block_cache_bytes = s->block_cache_bytes;
	p->memtable_bytes = s->memtable_bytes;
	p->blob_min_bytes = s->blob_min_bytes;
	p->write_rate_bytes = s->write_rate_bytes;
	p->background_threads = s->background_threads;
	p->use_uring = s->uring;
	p->compress = s->compress;
	p->no_direct_io = !s->direct_io;
	p->low_space_bytes = s->low_space_bytes;
	p->ballast_bytes = s->ballast_bytes;
	p->start_degraded = s->start_degraded;
	p->cpus = s->cpu_cnt > 0 ? s->cpus : NULL;
	p->cpu_cnt = s->cpu_cnt;
}

static void wake(void *ctx, uint32_t worker)
{
	const struct app *app = ctx;

	if (app->workers[worker] != NULL)
		worker_wake(app->workers[worker]);
}

int app_store_open(struct app *app)
{
	const struct config_store *s = &app->cfg->store;
	struct kvs_params kp = {.worker_cnt = app->cfg->workers.count,
		.ns_cnt = s->ns_cnt,
		.queue_len = s->queue_len,
		.cache_bytes = s->cache_bytes,
		.request_bytes = s->request_bytes,
		.request_timeout_ns = s->request_timeout_ns};
	struct store_ns_params *ns;
	struct store_params p;
	char err[512];
	int rc;

	if (s->dir[0] == '\0')
		return 0;
	ns = calloc(s->ns_cnt + TIER_NS, sizeof(ns[0]));
	if (ns == NULL)
		return -ENOMEM;
	set_params(app->cfg, ns, &p);
	rc = store_open(&p, &app->store, err, sizeof(err));
	free(ns);
	if (rc != 0) {
		LOG_ERR("cannot open the store", "dir=%s error=%d reason=\"%s\"", s->dir, rc, err);
		return rc;
	}
	kp.store = app->store;
	rc = kvs_create(&kp, &app->kvs);
	if (rc != 0) {
		LOG_ERR("no memory for the store's cache and requests",
			"cache=%llu requests=%llu error=%d", (unsigned long long)s->cache_bytes,
			(unsigned long long)s->request_bytes, rc);
		return rc;
	}
	kvs_on_wake(app->kvs, wake, app);
	LOG_INF("store opened", "dir=%s shards=%u namespaces=%u", s->dir,
		store_shard_cnt(app->store), s->ns_cnt);
	return 0;
}

void app_store_close(struct app *app)
{
	store_close(app->store);
	app->store = NULL;
	kvs_destroy(app->kvs);
	app->kvs = NULL;
}
