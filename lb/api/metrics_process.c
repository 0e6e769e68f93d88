/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>

#include <rte_mempool.h>

#include "dataplane/base/time.h"
#include "lb/api/api_pvt.h"

struct sample {
	uint64_t uptime_s, generation, workers, draining, flows, buffers, buffers_used,
		resident_bytes;
	double cpu_s;
};

static const struct metric_row rows[] = {
	{.key = "uptime_s",
		.name = "uptime_seconds",
		.help = "Time since weir was started",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct sample, uptime_s)},
	METRIC_G(struct sample, generation, "Number of the generation in force"),
	METRIC_G(struct sample, workers, "Worker threads"),
	METRIC_G(struct sample, draining, "1 while new flows are refused because weir is to stop"),
	METRIC_G(struct sample, flows, "Tracked flows and TCP connections"),
	METRIC_G(struct sample, buffers, "Packet buffers of the main pool"),
	METRIC_G(struct sample, buffers_used, "Packet buffers of the main pool that are in use"),
	METRIC_G(struct sample, resident_bytes, "Largest resident memory so far"),
	{.key = "cpu_s",
		.name = "cpu_seconds",
		.help = "CPU time of all threads",
		.type = METRIC_COUNTER,
		.value = METRIC_F64,
		.offset = offsetof(struct sample, cpu_s)},
};

static double seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void each(void *ctx, struct metric_sink *sink)
{
	const char *labels[] = {WEIR_VERSION};
	struct app *app = ctx;
	struct rusage use;
	struct sample s = {.uptime_s = (clock_now_ns() - app->start_ns) / NS_PER_SEC,
		.generation = app->cur->number,
		.workers = app->worker_cnt,
		.draining = app->draining,
		.flows = app_flow_count(app),
		.buffers = app->pool->size,
		.buffers_used = rte_mempool_in_use_count(app->pool)};

	if (getrusage(RUSAGE_SELF, &use) == 0) {
		s.resident_bytes = (uint64_t)use.ru_maxrss * 1024;
		s.cpu_s = seconds(&use.ru_utime) + seconds(&use.ru_stime);
	}
	metric_add(sink, labels, &s);
}

const struct metric_set metrics_process = {
	.name = "process",
	.prefix = "weir_",
	.labels = {"version"},
	.rows = rows,
	.row_cnt = ARRAY_SIZE(rows),
	.sample_size = sizeof(struct sample),
	.each = each,
};
