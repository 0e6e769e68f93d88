/* SPDX-License-Identifier: Apache-2.0
 * HTTP of listeners, upstream pools and their servers, summed over the workers; rows are those of
 * lb/l7/http/http.h and lb/l7/upstream/upstream.h. */
#include "dataplane/net/hdr.h"
#include "lb/api/api_pvt.h"
#include "lb/l7/http/http.h"
#include "lb/l7/log/log.h"

/* ---- listeners ---- */

static const struct metric_row http_rows[] = {
#define C(name, text) METRIC_C(struct http_listener_stats, name, text),
	HTTP_LISTENER_COUNTERS(C)
#undef C
};

static void sum_listener(const struct app *app, uint32_t id, struct http_listener_stats *sum)
{
	for (uint32_t w = 0; w < app->worker_cnt; w++) {
		const struct http_listener_stats *s =
			http_worker_listener(l7_worker_http(app->l7[w]), id);

#define C(name, text) sum->name += s->name;
		HTTP_LISTENER_COUNTERS(C)
#undef C
		for (uint32_t e = 0; e < HTTP_END_CNT; e++)
			sum->ends[e] += s->ends[e];
	}
}

static void each_http(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;
	const struct l7_table *t = app->cur->l7;

	for (uint32_t i = 0; t != NULL && i < t->listener_cnt; i++) {
		const char *labels[] = {t->listeners[i].cfg->name};
		struct http_listener_stats sum = {0};

		if (t->listeners[i].cfg->action != LISTENER_HTTP)
			continue;
		sum_listener(app, t->listeners[i].id, &sum);
		metric_add(sink, labels, &sum);
	}
}

const struct metric_set metrics_http = {
	.name = "http",
	.prefix = "weir_http_",
	.labels = {"listener"},
	.rows = http_rows,
	.row_cnt = ARRAY_SIZE(http_rows),
	.sample_size = sizeof(struct http_listener_stats),
	.each = each_http,
};

struct end_sample {
	uint64_t ended;
};

static const struct metric_row end_rows[] = {
	METRIC_C(struct end_sample, ended, "requests by how they ended"),
};

static void each_end(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;
	const struct l7_table *t = app->cur->l7;

	for (uint32_t i = 0; t != NULL && i < t->listener_cnt; i++) {
		struct http_listener_stats sum = {0};

		if (t->listeners[i].cfg->action != LISTENER_HTTP)
			continue;
		sum_listener(app, t->listeners[i].id, &sum);
		for (uint32_t e = 0; e < HTTP_END_CNT; e++) {
			const char *labels[] = {
				t->listeners[i].cfg->name, http_end_word((enum http_end)e)};
			struct end_sample s = {sum.ends[e]};

			if (s.ended > 0)
				metric_add(sink, labels, &s);
		}
	}
}

const struct metric_set metrics_http_ends = {
	.name = "http_ends",
	.prefix = "weir_http_requests_",
	.labels = {"listener", "end"},
	.rows = end_rows,
	.row_cnt = ARRAY_SIZE(end_rows),
	.sample_size = sizeof(struct end_sample),
	.each = each_end,
};

/* ---- upstreams ---- */

static const struct metric_row pool_rows[] = {
	{.key = "active",
		.name = "active_requests",
		.help = "Requests under way",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct up_pool_stats, active)},
	{.key = "pending",
		.name = "pending_requests",
		.help = "Requests that wait for a connection",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct up_pool_stats, pending)},
#define C(name, text) METRIC_C(struct up_pool_stats, name, text),
	UP_POOL_COUNTERS(C)
#undef C
};

static const struct up_worker *up_of(const struct app *app, uint32_t worker)
{
	return http_worker_up(l7_worker_http(app->l7[worker]));
}

static void each_pool(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;
	const struct up_table *t = app->cur->l7 != NULL ? app->cur->l7->ups : NULL;

	for (uint32_t i = 0; t != NULL && i < t->cnt; i++) {
		const char *labels[] = {t->entries[i].cfg->name};
		struct up_pool_stats sum = {0};

		for (uint32_t w = 0; w < app->worker_cnt; w++) {
			const struct up_pool_stats *s =
				up_pool_stats(up_of(app, w), t->entries[i].id);

			sum.active += s->active;
			sum.pending += s->pending;
#define C(name, text) sum.name += s->name;
			UP_POOL_COUNTERS(C)
#undef C
		}
		metric_add(sink, labels, &sum);
	}
}

const struct metric_set metrics_upstreams = {
	.name = "upstreams",
	.prefix = "weir_upstream_",
	.labels = {"upstream"},
	.rows = pool_rows,
	.row_cnt = ARRAY_SIZE(pool_rows),
	.sample_size = sizeof(struct up_pool_stats),
	.each = each_pool,
};

struct server_sample {
	uint64_t up, weight;
	struct up_server_stats s;
};

#define GAUGE(key_, name_, member, text)                                        \
	{                                                                       \
		.key = key_, .name = name_, .help = text, .type = METRIC_GAUGE, \
		.offset = offsetof(struct server_sample, member)                \
	}

static const struct metric_row server_rows[] = {
	METRIC_G(struct server_sample, up, "1 when the server gets requests"),
	METRIC_G(struct server_sample, weight, "Share of requests"),
	GAUGE("active", "active_requests", s.active, "Requests under way"),
	GAUGE("conns", "connections", s.conns, "Connections, idle ones too"),
	GAUGE("idle", "idle_connections", s.idle, "Connections that wait for a request"),
	GAUGE("ejected", "ejected_workers", s.ejected, "Workers that have it ejected"),
	{.key = "latency_ns",
		.name = "latency_seconds",
		.help = "Moving average of the time until a response's head, of the slowest worker",
		.type = METRIC_GAUGE,
		.scale = 1e-9,
		.offset = offsetof(struct server_sample, s.latency_ns)},
#define C(name_, text)                  \
	{.key = #name_,                 \
		.help = text,           \
		.type = METRIC_COUNTER, \
		.offset = offsetof(struct server_sample, s.name_)},
	UP_SERVER_COUNTERS(C)
#undef C
};

static void sum_server(const struct app *app, uint32_t id, struct up_server_stats *sum)
{
	for (uint32_t w = 0; w < app->worker_cnt; w++) {
		const struct up_server_stats *s = up_server_stats(up_of(app, w), id);

		sum->active += s->active;
		sum->conns += s->conns;
		sum->idle += s->idle;
		sum->ejected += s->ejected;
		if (s->latency_ns > sum->latency_ns)
			sum->latency_ns = s->latency_ns;
#define C(name, text) sum->name += s->name;
		UP_SERVER_COUNTERS(C)
#undef C
	}
}

static void each_server(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;
	const struct up_table *t = app->cur->l7 != NULL ? app->cur->l7->ups : NULL;

	for (uint32_t i = 0; t != NULL && i < t->cnt; i++) {
		for (uint32_t k = 0; k < t->entries[i].server_cnt; k++) {
			const struct up_server *sv = &t->entries[i].servers[k];
			char where[API_ENDPOINT_MAX];
			const char *labels[] = {t->entries[i].cfg->name,
				api_endpoint(&sv->addr, BE16(sv->port), where)};
			struct server_sample s = {.up = sv->up && !sv->drain, .weight = sv->weight};

			sum_server(app, sv->id, &s.s);
			metric_add(sink, labels, &s);
		}
	}
}

const struct metric_set metrics_upstream_servers = {
	.name = "upstream_servers",
	.prefix = "weir_upstream_server_",
	.labels = {"upstream", "server"},
	.rows = server_rows,
	.row_cnt = ARRAY_SIZE(server_rows),
	.sample_size = sizeof(struct server_sample),
	.each = each_server,
};

/* ---- the access log ---- */

static const struct metric_row log_rows[] = {
	METRIC_C(struct http_log_stats, lines, "Lines of the access log"),
	METRIC_C(struct http_log_stats, dropped,
		"Lines that found no empty buffer: the disk is too slow"),
	METRIC_C(struct http_log_stats, lost, "Lines in buffers that the file refused"),
	METRIC_C(struct http_log_stats, bytes, "Bytes written"),
	METRIC_C(struct http_log_stats, reopened, "Times the file was opened anew"),
};

static void each_log(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;
	struct http_log_stats s;

	if (app->log == NULL)
		return;
	http_log_stats(app->log, &s);
	metric_add(sink, NULL, &s);
}

const struct metric_set metrics_access_log = {
	.name = "access_log",
	.prefix = "weir_access_log_",
	.rows = log_rows,
	.row_cnt = ARRAY_SIZE(log_rows),
	.sample_size = sizeof(struct http_log_stats),
	.each = each_log,
};
