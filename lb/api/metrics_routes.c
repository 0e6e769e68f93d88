/* SPDX-License-Identifier: Apache-2.0
 * HTTP by route, summed over the workers; rows are those of lb/l7/http/route_stats.h. */
#include <string.h>

#include "lb/api/api_pvt.h"
#include "lb/l7/http/http.h"
#include "lb/l7/http/route_stats.h"

struct route_sample {
	struct http_route_stats s;
	struct metric_hist took;
};

static const double bounds[] = {
#define B(ns) (double)(ns)*1e-9,
	HTTP_TOOK_BOUNDS(B)
#undef B
};

static const struct metric_row rows[] = {
#define C(name_, text)                  \
	{.key = #name_,                 \
		.help = text,           \
		.type = METRIC_COUNTER, \
		.offset = offsetof(struct route_sample, s.name_)},
	HTTP_ROUTE_COUNTERS(C)
#undef C
		{.key = "took",
			.name = "seconds",
			.help = "From a request's first byte to its response's end",
			.type = METRIC_HISTOGRAM,
			.offset = offsetof(struct route_sample, took),
			.scale = 1e-9,
			.bounds = bounds,
			.bound_cnt = ARRAY_SIZE(bounds)},
};
_Static_assert(HTTP_TOOK_BOUND_CNT < METRIC_BUCKETS, "the histogram has room");

static uint64_t read_one(const uint64_t *at)
{
	return __atomic_load_n(at, __ATOMIC_RELAXED);
}

static void sum_route(const struct app *app, uint32_t number, struct route_sample *sum)
{
	for (uint32_t w = 0; w < app->worker_cnt; w++) {
		const struct http_route_stats *s =
			http_worker_route_stats(l7_worker_http(app->l7[w]), number);

#define C(name, text) sum->s.name += read_one(&s->name);
		HTTP_ROUTE_COUNTERS(C)
#undef C
		for (uint32_t b = 0; b <= HTTP_TOOK_BOUND_CNT; b++)
			sum->took.bucket[b] += read_one(&s->took[b]);
		sum->took.sum += read_one(&s->took_sum_ns);
	}
}

/* Those that had a request: a route that was only looked at by a dry run has none. */
static void each_route(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (uint32_t n = 0; app->tcp && n < HTTP_ROUTES_MAX; n++) {
		const char *labels[] = {http_route_name(n)};
		struct route_sample sum = {0};

		if (labels[0] == NULL)
			continue;
		sum_route(app, n, &sum);
		if (sum.s.requests > 0)
			metric_add(sink, labels, &sum);
	}
}

const struct metric_set metrics_http_routes = {
	.name = "http_routes",
	.prefix = "weir_http_route_",
	.labels = {"route"},
	.rows = rows,
	.row_cnt = ARRAY_SIZE(rows),
	.sample_size = sizeof(struct route_sample),
	.each = each_route,
};
