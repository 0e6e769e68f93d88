/* SPDX-License-Identifier: Apache-2.0
 * Listeners and their backends, summed over the workers; rows are those of lb/l7/worker.h. */
#include "dataplane/net/hdr.h"
#include "lb/api/api_pvt.h"

static const struct metric_row listener_rows[] = {
	{.key = "active",
		.name = "active_connections",
		.help = "Connections",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct l7_listener_stats, active)},
#define C(name, text) METRIC_C(struct l7_listener_stats, name, text),
	L7_LISTENER_COUNTERS(C)
#undef C
};

static void each_listener(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;
	const struct l7_table *t = app->cur->l7;

	for (uint32_t i = 0; t != NULL && i < t->listener_cnt; i++) {
		const char *labels[] = {t->listeners[i].cfg->name};
		struct l7_listener_stats sum = {0};

		for (uint32_t w = 0; w < app->worker_cnt; w++) {
			const struct l7_listener_stats *s =
				l7_worker_listener(app->l7[w], t->listeners[i].id);

			sum.active += s->active;
#define C(name, text) sum.name += s->name;
			L7_LISTENER_COUNTERS(C)
#undef C
		}
		metric_add(sink, labels, &sum);
	}
}

const struct metric_set metrics_listeners = {
	.name = "listeners",
	.prefix = "weir_listener_",
	.labels = {"listener"},
	.rows = listener_rows,
	.row_cnt = ARRAY_SIZE(listener_rows),
	.sample_size = sizeof(struct l7_listener_stats),
	.each = each_listener,
};

struct member_sample {
	uint64_t up, weight;
	struct l7_member_stats s;
};

static const struct metric_row member_rows[] = {
	METRIC_G(struct member_sample, up, "1 when the backend gets connections"),
	METRIC_G(struct member_sample, weight, "Share of connections"),
	{.key = "active",
		.name = "active_connections",
		.help = "Connections to it",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct member_sample, s.active)},
#define C(name_, text)                  \
	{.key = #name_,                 \
		.help = text,           \
		.type = METRIC_COUNTER, \
		.offset = offsetof(struct member_sample, s.name_)},
	L7_MEMBER_COUNTERS(C)
#undef C
};

static void sum_member(const struct app *app, uint32_t id, struct l7_member_stats *sum)
{
	for (uint32_t w = 0; id != L7_NONE && w < app->worker_cnt; w++) {
		const struct l7_member_stats *s = l7_worker_member(app->l7[w], id);

		sum->active += s->active;
#define C(name, text) sum->name += s->name;
		L7_MEMBER_COUNTERS(C)
#undef C
	}
}

static void each_member(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;
	const struct l7_table *t = app->cur->l7;

	for (uint32_t i = 0; t != NULL && i < t->listener_cnt; i++) {
		const struct l7_listener *l = &t->listeners[i];

		for (uint32_t b = 0; b < l->cfg->backend_cnt; b++) {
			const struct config_backend *be = &l->cfg->backends[b];
			char where[API_ENDPOINT_MAX];
			const char *labels[] = {
				l->cfg->name, api_endpoint(&be->addr, be->port, where)};
			struct member_sample s = {
				.up = health_view_up(&app->view, app->cfg->service_cnt + i, b),
				.weight = be->weight};

			sum_member(app,
				l7_member_find(app->l7_registry, l->id, &be->addr, BE16(be->port)),
				&s.s);
			metric_add(sink, labels, &s);
		}
	}
}

const struct metric_set metrics_listener_backends = {
	.name = "listener_backends",
	.prefix = "weir_listener_backend_",
	.labels = {"listener", "backend"},
	.rows = member_rows,
	.row_cnt = ARRAY_SIZE(member_rows),
	.sample_size = sizeof(struct member_sample),
	.each = each_member,
};
