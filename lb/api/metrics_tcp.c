/* SPDX-License-Identifier: Apache-2.0
 * TCP engines, one a worker; counters are those of dataplane/tcp/counters.h. */
#include <stdio.h>

#include "lb/api/api_pvt.h"

struct sample {
	uint64_t connections, max_connections, half_open, time_wait, queue_entries, pressure;
	struct tcp_counters c;
};

#define G(member, help) METRIC_G(struct sample, member, help)

static const struct metric_row rows[] = {G(connections, "Connections"),
	G(max_connections, "Room for connections"), G(half_open, "Handshakes under way"),
	G(time_wait, "TIME_WAIT records"), G(queue_entries, "Queue entries in use"),
	G(pressure, "Shortage of buffers: 0 none, 4 worst"),
#define C(name_, text)                  \
	{.key = #name_,                 \
		.help = text,           \
		.type = METRIC_COUNTER, \
		.offset = offsetof(struct sample, c.name_)},
	TCP_COUNTERS(C)
#undef C
};

static void each(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		const struct tcp_engine *e;
		char worker[12];
		const char *labels[] = {worker};
		struct tcp_usage u;
		struct sample s;

		if (app->l7[i] == NULL)
			continue;
		e = l7_worker_engine(app->l7[i]);
		tcp_usage(e, &u);
		s = (struct sample){.connections = u.conns,
			.max_connections = u.max_conns,
			.half_open = u.syns,
			.time_wait = u.timewaits,
			.queue_entries = u.segs,
			.pressure = u.pressure,
			.c = *tcp_counters(e)};
		snprintf(worker, sizeof(worker), "%u", i);
		metric_add(sink, labels, &s);
	}
}

const struct metric_set metrics_tcp = {
	.name = "tcp",
	.prefix = "weir_tcp_",
	.labels = {"worker"},
	.rows = rows,
	.row_cnt = ARRAY_SIZE(rows),
	.sample_size = sizeof(struct sample),
	.each = each,
};
