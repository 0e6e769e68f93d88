/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/cache/hcache.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l7/cache/hcache_pvt.h"

#define WALL_GOOD_NS  (100 * NS_PER_MS)
#define CODED_BUFFERS 32   /* bodies that one worker has compressed at a time, to be kept */
#define ITEM_BYTES    2048 /* of arena for one item of index, a small response and its extents */

int hcache_create(const struct hcache_conf *conf, struct hcache **out)
{
	struct hcache *h = calloc(1, sizeof(*h));
	struct cache_conf c = {.arena_bytes = conf->bytes,
		.index_items = conf->bytes / ITEM_BYTES,
		.workers = conf->workers,
		.fills = 512,
		.ns_cnt = 1};
	int rc;

	*out = NULL;
	if (h == NULL)
		return -ENOMEM;
	h->conf = *conf;
	rc = purge_create(&h->purge);
	if (rc == 0)
		rc = cache_plan(&c, h->mem.bytes);
	if (rc == 0)
		rc = cache_mem_map(&h->mem, false);
	if (rc == 0) {
		rc = cache_create(&h->cache, &c, h->mem.addr);
		if (rc != 0)
			cache_mem_unmap(&h->mem);
	}
	if (rc != 0) {
		purge_destroy(h->purge);
		free(h);
		return rc;
	}
	if (conf->ring != NULL)
		cache_on_mail(h->cache, conf->ring, conf->ring_ctx);
	*out = h;
	return 0;
}

static void worker_free(struct hcache_worker *hw)
{
	if (hw == NULL)
		return;
	hcache_worker_stop(hw);
	pool_fini(&hw->slices);
	free(hw);
}

void hcache_destroy(struct hcache *h)
{
	if (h == NULL)
		return;
	for (uint32_t i = 0; i < CACHE_WORKERS_MAX; i++)
		worker_free(h->workers[i]);
	preload_free(h);
	tier_destroy(h->tier);
	cache_destroy(h->cache);
	cache_mem_unmap(&h->mem);
	purge_destroy(h->purge);
	free(h);
}

void *hcache_memory(const struct hcache *h, size_t *len)
{
	*len = h->mem.bytes[CACHE_ZONE_ARENA];
	return h->mem.addr[CACHE_ZONE_ARENA];
}

void hcache_set_zero_copy(struct hcache *h, bool on)
{
	h->zero_copy = on;
}

void hcache_set_wall(struct hcache *h, int64_t (*wall_ms)(void *ctx), void *ctx)
{
	h->wall_ms = wall_ms;
	h->wall_ctx = ctx;
}

struct purge *hcache_purge(struct hcache *h)
{
	return h->purge;
}

struct cache *hcache_cache(struct hcache *h)
{
	return h->cache;
}

int hcache_add_tier(struct hcache *h, const struct tier_conf *conf)
{
	int rc = tier_create(conf, h->purge, &h->tier);

	if (rc == 0)
		cache_on_leaving(h->cache, tier_leaving, h);
	return rc;
}

struct tier *hcache_tier(struct hcache *h)
{
	return h->tier;
}

/* Called by threads of the store. */
static void wake(void *ctx)
{
	const struct hcache_worker *hw = ctx;

	hw->hc->conf.ring(hw->hc->conf.ring_ctx, hw->idx);
}

struct hcache_worker *hcache_worker_create(struct hcache *h, uint32_t idx, struct http_worker *w,
	struct rte_mempool *desc_pool, uint32_t fetches)
{
	struct hcache_worker *hw = calloc(1, sizeof(*hw));

	if (hw == NULL)
		return NULL;
	hw->hc = h;
	hw->w = w;
	hw->idx = idx;
	hw->desc_pool = desc_pool;
	hw->cw = cache_worker(h->cache, idx);
	hw->purge = purge_worker_create(h->purge);
	rng_secret(&hw->body_next, sizeof(hw->body_next));
	if (idx == 0)
		hw->preload = preload_worker_create(hw);
	if (hw->purge == NULL || (idx == 0 && hw->preload == NULL) ||
		pool_init(&hw->fetches, sizeof(struct hc_fetch), 8, fetches) != 0 ||
		pool_init(&hw->coded, HC_CODED_MAX, 8, CODED_BUFFERS) != 0 ||
		pool_init(&hw->slices, sizeof(struct hc_slice), 8, HCACHE_SLICES) != 0 ||
		(h->tier != NULL &&
			tier_worker_create(h->tier, idx, hw, h->conf.ring != NULL ? wake : NULL, hw,
				&hw->tier) != 0)) {
		worker_free(hw);
		return NULL;
	}
	h->workers[idx] = hw;
	return hw;
}

void hcache_worker_stop(struct hcache_worker *hw)
{
	if (hw == NULL)
		return;
	tier_worker_stop(hw->tier);
	if (hw->online)
		cache_offline(hw->cw);
	hw->online = false;
	purge_worker_destroy(hw->purge);
	hw->purge = NULL;
	pool_fini(&hw->fetches);
	pool_fini(&hw->coded);
	preload_worker_destroy(hw->preload);
	hw->preload = NULL;
}

uint32_t hcache_worker_poll(struct hcache_worker *hw, uint64_t now_ns)
{
	uint32_t n = 0;

	if (unlikely(!hw->online)) {
		cache_online(hw->cw);
		hw->online = true;
	}
	hw->w->loop.now_ns = now_ns;
	preload_turn(hw->preload);
	if (hw->tier != NULL)
		n = tier_poll(hw->tier, now_ns);
	return n + cache_poll(hw->cw, now_ns);
}

bool hcache_worker_park(struct hcache_worker *hw)
{
	if (hw->online)
		cache_offline(hw->cw);
	hw->online = false;
	return !cache_mail_waiting(hw->cw) && !preload_waiting(hw->preload) &&
	       (hw->tier == NULL || !tier_waiting(hw->tier));
}

int64_t hc_wall_ms(struct hcache_worker *hw)
{
	uint64_t now = hw->w->loop.now_ns;

	if (unlikely(hw->hc->wall_ms != NULL))
		return hw->hc->wall_ms(hw->hc->wall_ctx);
	if (now >= hw->wall_until_ns) {
		struct timespec ts;

		/* No system call: the kernel's page of time. */
		clock_gettime(CLOCK_REALTIME, &ts);
		hw->wall_off_ms =
			ts.tv_sec * 1000 + ts.tv_nsec / 1000000 - (int64_t)(now / NS_PER_MS);
		hw->wall_until_ns = now + WALL_GOOD_NS;
	}
	return hw->wall_off_ms + (int64_t)(now / NS_PER_MS);
}

const struct tier_stats *hcache_worker_tier(const struct hcache_worker *hw)
{
	return hw->tier != NULL ? tier_worker_stats(hw->tier) : NULL;
}

const struct hcache_stats *hcache_worker_stats(const struct hcache_worker *hw)
{
	return &hw->stats;
}

const struct hcache_route_stats *hcache_worker_route(
	const struct hcache_worker *hw, uint32_t number)
{
	return &hw->routes[number];
}

const struct top *hcache_worker_top(const struct hcache_worker *hw)
{
	return &hw->top;
}
