/* SPDX-License-Identifier: Apache-2.0
 * The HTTP cache's share of the app: made before the workers, and gone when no packet is left that
 * shows its memory. */
#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "lb/app_pvt.h"
#include "lb/l7/cache/hcache.h"
#include "lb/l7/cache/tier.h"
#include "lb/l7/cache/preload.h"

static void wake(void *ctx, uint32_t worker)
{
	const struct app *app = ctx;

	if (app->workers[worker] != NULL)
		worker_wake(app->workers[worker]);
}

/* A NIC reads packets by addresses that it has to know first; without that bodies are copied. */
static bool ports_reach(struct app *app, void *addr, size_t len)
{
	bool registered = false;

	if (rte_eal_iova_mode() != RTE_IOVA_VA)
		return false;
	for (uint32_t i = 0; i < app->port_cnt; i++) {
		struct rte_eth_dev_info info;

		if (rte_eth_dev_info_get(app->ports[i].id, &info) != 0 || info.device == NULL)
			return false;
		if (strcmp(rte_bus_name(rte_dev_bus(info.device)), "pci") != 0)
			continue;
		if (!registered && rte_extmem_register(addr, len, NULL, 0, (size_t)2 << 20) != 0)
			return false;
		registered = true;
		if (rte_dev_dma_map(info.device, addr, (rte_iova_t)(uintptr_t)addr, len) != 0)
			return false;
	}
	return true;
}

/* Without it requests are answered all the same. */
static void add_tier(struct app *app)
{
	const struct config_cache_disk *d = &app->cfg->cache.disk;
	struct tier_conf conf = {.store = app->store,
		.client = app->cfg->workers.count,
		.ns = app->cfg->store.ns_cnt,
		.workers = app->cfg->workers.count,
		.max_bytes = d->max_bytes,
		.max_object = d->max_object,
		.write_rate = d->write_rate,
		.warm_rate = d->warm_rate,
		.min_left_ms = d->min_left_ns / NS_PER_MS,
		.writes = d->writes,
		.reads = d->reads};
	int rc;

	if (d->max_bytes == 0 || app->store == NULL)
		return;
	rc = hcache_add_tier(app->hcache, &conf);
	if (rc != 0)
		LOG_ERR("the HTTP cache goes on without its disk", "error=%d", rc);
}

int app_cache_open(struct app *app)
{
	struct hcache_conf conf = {.bytes = app->cfg->cache.memory_bytes,
		.workers = app->cfg->workers.count,
		.ring = wake,
		.ring_ctx = app};
	size_t len;
	void *addr;
	int rc;

	if (conf.bytes == 0)
		return 0;
	rc = hcache_create(&conf, &app->hcache);
	if (rc != 0) {
		LOG_ERR("cannot make the HTTP cache", "memory=%llu error=%d",
			(unsigned long long)conf.bytes, rc);
		return rc;
	}
	addr = hcache_memory(app->hcache, &len);
	hcache_set_zero_copy(app->hcache, ports_reach(app, addr, len));
	add_tier(app);
	return 0;
}

#define PRELOAD_FILE_MAX (64u << 20)

/* The whole file; NULL, and said why. */
static char *read_list(const char *path, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	long size;

	if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0 ||
		size > (long)PRELOAD_FILE_MAX || fseek(f, 0, SEEK_SET) != 0) {
		LOG_WRN("cannot read the list of URLs", "file=%s error=%d", path, errno);
	} else {
		text = malloc((size_t)size + 1);
		*len = text != NULL ? fread(text, 1, (size_t)size, f) : 0;
	}
	if (f != NULL)
		(void)fclose(f);
	return text;
}

void app_cache_preload(struct app *app)
{
	const struct config_cache *c = &app->cfg->cache;
	size_t len = 0;
	uint32_t line;
	char *text;
	int rc;

	if (app->hcache == NULL || c->preload_file[0] == '\0')
		return;
	text = read_list(c->preload_file, &len);
	if (text == NULL)
		return;
	rc = hcache_preload(app->hcache, (struct span){text, (uint32_t)len}, c->preload_rate,
		c->preload_active, &line);
	if (rc == -EBUSY)
		LOG_WRN("URLs are being fetched still, the list is left out", "file=%s",
			c->preload_file);
	else if (rc != 0)
		LOG_WRN("the list of URLs cannot be used", "file=%s line=%u error=%d",
			c->preload_file, line, rc);
	free(text);
}

void app_cache_close(struct app *app)
{
	hcache_destroy(app->hcache);
	app->hcache = NULL;
}
