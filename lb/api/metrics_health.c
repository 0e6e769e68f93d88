/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/api/api_pvt.h"

struct sample {
	uint64_t up, rtt_ns, sent, ok, failed, late, flaps;
};

#define C(member, help) METRIC_C(struct sample, member, help)

static const struct metric_row rows[] = {
	METRIC_G(struct sample, up, "1 when the last probes succeeded"),
	{.key = "rtt_ns",
		.name = "rtt_seconds",
		.help = "Round trip of the last success",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct sample, rtt_ns),
		.scale = 1e-9},
	C(sent, "Probes sent"),
	C(ok, "Probes that succeeded"),
	C(failed, "Probes that failed"),
	C(late, "Answers that came when nobody waited any more"),
	C(flaps, "Times the target went from up to down"),
};

static const char *check_name(enum health_type t)
{
	static const char *const names[] = {"none", "icmp", "tcp", "udp"};

	return (unsigned)t < ARRAY_SIZE(names) ? names[t] : "other";
}

static void each(void *ctx, struct metric_sink *sink)
{
	struct app *app = ctx;
	const struct health_plan *plan = app->cur->health;

	for (uint32_t i = 0; i < plan->id_limit; i++) {
		const struct health_target *t = health_plan_slot(plan, i);
		char backend[API_ENDPOINT_MAX], dst[API_ENDPOINT_MAX];
		const char *labels[] = {backend, dst, NULL};
		struct health_stats h;
		struct sample s;

		if (t == NULL)
			continue;
		health_stats_read(pipeline_health(app->pipes[0]), i, &h);
		s = (struct sample){.up = health_view_get(&app->view, t).state == HEALTH_UP,
			.rtt_ns = h.rtt_ns,
			.sent = h.sent,
			.ok = h.ok,
			.failed = h.failed,
			.late = h.late,
			.flaps = h.flaps};
		api_endpoint(&t->backend, t->check.port, backend);
		api_endpoint(&t->dst, 0, dst);
		labels[2] = check_name(t->check.type);
		metric_add(sink, labels, &s);
	}
}

const struct metric_set metrics_health = {
	.name = "health",
	.prefix = "weir_health_",
	.labels = {"backend", "destination", "check"},
	.rows = rows,
	.row_cnt = ARRAY_SIZE(rows),
	.sample_size = sizeof(struct sample),
	.each = each,
};
