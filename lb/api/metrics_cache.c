/* SPDX-License-Identifier: Apache-2.0
 * The HTTP cache: what each worker did, its memory and its disk. */
#include <stdio.h>

#include "lb/api/api_pvt.h"
#include "lb/l7/cache/hcache.h"
#include "lb/l7/cache/tier.h"
#include "lb/l7/http/http.h"

#define COUNTER(type_, name_, text)                                  \
	{                                                            \
		.key = #name_, .help = text, .type = METRIC_COUNTER, \
		.offset = offsetof(type_, name_)                     \
	}

static const struct metric_row hcache_rows[] = {
	METRIC_G(struct hcache_stats, fetches, "Requests of the cache to upstreams under way"),
	METRIC_G(struct hcache_stats, waiting, "Requests that wait for the fetch of another"),
#define C(name, text) COUNTER(struct hcache_stats, name, text),
	HCACHE_COUNTERS(C)
#undef C
};

static void each_hcache(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (uint32_t i = 0; app->hcache != NULL && i < app->worker_cnt; i++) {
		char worker[12];
		const char *labels[] = {worker};

		snprintf(worker, sizeof(worker), "%u", i);
		metric_add(sink, labels,
			hcache_worker_stats(http_worker_cache(l7_worker_http(app->l7[i]))));
	}
}

const struct metric_set metrics_http_cache = {
	.name = "http_cache",
	.prefix = "weir_http_cache_",
	.labels = {"worker"},
	.rows = hcache_rows,
	.row_cnt = ARRAY_SIZE(hcache_rows),
	.sample_size = sizeof(struct hcache_stats),
	.each = each_hcache,
};

static const struct metric_row route_rows[] = {
#define C(name, text) COUNTER(struct hcache_route_stats, name, text),
	HCACHE_ROUTE_COUNTERS(C)
#undef C
};

/* Sums over the workers; at most HCACHE_ROUTES_MAX routes. */
static void each_route(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (uint32_t n = 0; app->hcache != NULL && n < HCACHE_ROUTES_MAX; n++) {
		const char *labels[] = {hcache_route_name(n)};
		struct hcache_route_stats sum = {0};

		if (labels[0] == NULL)
			continue;
		for (uint32_t i = 0; i < app->worker_cnt; i++) {
			const struct hcache_route_stats *s = hcache_worker_route(
				http_worker_cache(l7_worker_http(app->l7[i])), n);

#define C(name, text) sum.name += __atomic_load_n(&s->name, __ATOMIC_RELAXED);
			HCACHE_ROUTE_COUNTERS(C)
#undef C
		}
		metric_add(sink, labels, &sum);
	}
}

const struct metric_set metrics_http_cache_routes = {
	.name = "http_cache_routes",
	.prefix = "weir_http_cache_route_",
	.labels = {"route"},
	.rows = route_rows,
	.row_cnt = ARRAY_SIZE(route_rows),
	.sample_size = sizeof(struct hcache_route_stats),
	.each = each_route,
};

struct memory_sample {
	struct cache_usage u;
	uint64_t bytes, purges;
};

#define U(name_, text)                                             \
	{                                                          \
		.key = #name_, .help = text, .type = METRIC_GAUGE, \
		.offset = offsetof(struct memory_sample, u.name_)  \
	}

static const struct metric_row memory_rows[] = {
	METRIC_G(struct memory_sample, bytes, "Memory for responses"),
	U(segments, "Segments of it"),
	U(free, "Segments that are free"),
	U(limbo, "Segments that wait until no worker reads them"),
	U(pinned, "Segments held back by transmissions"),
	U(items, "Items, extents included"),
	U(item_bytes, "Bytes of them"),
	METRIC_C(struct memory_sample, purges, "Purges by tag, part of the URL or of everything"),
};

static void each_memory(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;
	static const char *const labels[] = {"http"};
	struct memory_sample s = {0};

	if (app->hcache == NULL)
		return;
	cache_usage(hcache_cache(app->hcache), &s.u);
	s.bytes = s.u.segments * s.u.segment_bytes;
	s.purges = purge_count(hcache_purge(app->hcache));
	metric_add(sink, labels, &s);
}

const struct metric_set metrics_cache_memory = {
	.name = "cache_memory",
	.prefix = "weir_cache_",
	.labels = {"cache"},
	.rows = memory_rows,
	.row_cnt = ARRAY_SIZE(memory_rows),
	.sample_size = sizeof(struct memory_sample),
	.each = each_memory,
};

static const struct metric_row tier_rows[] = {
	METRIC_G(struct tier_stats, reading, "Reads of the second tier under way"),
	METRIC_G(struct tier_stats, writing, "Responses that are being written"),
#define C(name, text) COUNTER(struct tier_stats, name, text),
	TIER_COUNTERS(C)
#undef C
};

static void each_tier(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	if (app->hcache == NULL || hcache_tier(app->hcache) == NULL)
		return;
	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		char worker[12];
		const char *labels[] = {worker};

		snprintf(worker, sizeof(worker), "%u", i);
		metric_add(sink, labels,
			hcache_worker_tier(http_worker_cache(l7_worker_http(app->l7[i]))));
	}
}

const struct metric_set metrics_cache_disk = {
	.name = "cache_disk",
	.prefix = "weir_cache_disk_",
	.labels = {"worker"},
	.rows = tier_rows,
	.row_cnt = ARRAY_SIZE(tier_rows),
	.sample_size = sizeof(struct tier_stats),
	.each = each_tier,
};

static const struct metric_row room_rows[] = {
	METRIC_G(struct tier_usage, max_bytes, "Bytes that the second tier may have"),
	METRIC_G(struct tier_usage, bytes, "Bytes that it has"),
	METRIC_G(struct tier_usage, generation, "Number of the generation that is written"),
	METRIC_G(struct tier_usage, passive, "1: the store takes no writes at the moment"),
};

static void each_room(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;
	static const char *const labels[] = {"http"};
	struct tier_usage u;

	if (app->hcache == NULL || hcache_tier(app->hcache) == NULL)
		return;
	tier_usage(hcache_tier(app->hcache), &u);
	metric_add(sink, labels, &u);
}

const struct metric_set metrics_cache_disk_room = {
	.name = "cache_disk_room",
	.prefix = "weir_cache_disk_room_",
	.labels = {"cache"},
	.rows = room_rows,
	.row_cnt = ARRAY_SIZE(room_rows),
	.sample_size = sizeof(struct tier_usage),
	.each = each_room,
};
