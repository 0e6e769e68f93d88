/* SPDX-License-Identifier: Apache-2.0
 * Workers: their loop, their ledger, their flow tables; and where their packets ended. */
#include <stdio.h>

#include "dataplane/base/time.h"
#include "lb/api/api_pvt.h"
#include "lb/l4/worker.h"

struct sample {
	uint64_t rx, born, handed_in, tx, handed_out, held;
	uint64_t loops, sleeps, rests, stuck, longest_loop_us;
	double busy_s, idle_s;
	struct metric_hist turn;
	uint64_t flows, flow_capacity, nat_flows, nat_flow_capacity;
	uint64_t flows_evicted, flows_expired, flows_ended, flow_resets, flood_untracked;
	uint64_t rss_checked, rss_wrong, address_conflicts;
	uint64_t control_messages, control_questions;
};

static const double bounds[WORKER_LOOP_BUCKETS - 1] = {1.024e-6, 2.048e-6, 4.096e-6, 8.192e-6,
	16.384e-6, 32.768e-6, 65.536e-6, 131.072e-6, 262.144e-6, 524.288e-6, 1.048576e-3,
	2.097152e-3, 4.194304e-3, 8.388608e-3, 16.777216e-3, 33.554432e-3};

_Static_assert(WORKER_LOOP_BUCKETS <= METRIC_BUCKETS, "buckets of a sample");

#define C(member, help) METRIC_C(struct sample, member, help)
#define G(member, help) METRIC_G(struct sample, member, help)

static const struct metric_row rows[] = {
	{.key = "rx",
		.name = "rx_packets",
		.help = "Packets received from ports",
		.type = METRIC_COUNTER,
		.offset = offsetof(struct sample, rx)},
	{.key = "tx",
		.name = "tx_packets",
		.help = "Packets given to ports",
		.type = METRIC_COUNTER,
		.offset = offsetof(struct sample, tx)},
	{.key = "born",
		.name = "born_packets",
		.help = "Packets made here",
		.type = METRIC_COUNTER,
		.offset = offsetof(struct sample, born)},
	{.key = "handed_in",
		.name = "handed_in_packets",
		.help = "Packets taken from other workers",
		.type = METRIC_COUNTER,
		.offset = offsetof(struct sample, handed_in)},
	{.key = "handed_out",
		.name = "handed_out_packets",
		.help = "Packets given to other workers",
		.type = METRIC_COUNTER,
		.offset = offsetof(struct sample, handed_out)},
	{.key = "held",
		.name = "held_packets",
		.help = "Packets that wait inside: neighbour queues, fragments, transmit backlog",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct sample, held)},
	C(loops, "Turns of the loop"),
	C(sleeps, "Times the worker slept"),
	C(rests, "Times the worker let packets gather"),
	{.key = "busy_s",
		.name = "busy_seconds",
		.help = "Time in turns that did something",
		.type = METRIC_COUNTER,
		.value = METRIC_F64,
		.offset = offsetof(struct sample, busy_s)},
	{.key = "idle_s",
		.name = "idle_seconds",
		.help = "Time in turns that found nothing",
		.type = METRIC_COUNTER,
		.value = METRIC_F64,
		.offset = offsetof(struct sample, idle_s)},
	{.key = "turn_s",
		.name = "turn_seconds",
		.help = "Length of turns that did something",
		.type = METRIC_HISTOGRAM,
		.offset = offsetof(struct sample, turn),
		.scale = 1e-9,
		.bounds = bounds,
		.bound_cnt = ARRAY_SIZE(bounds)},
	{.key = "longest_loop_us",
		.name = "longest_turn_seconds",
		.help = "Longest turn so far",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct sample, longest_loop_us),
		.scale = 1e-6},
	C(stuck, "Times the watchdog found the worker standing"),
	G(flows, "Tracked flows of the modes dsr, ipip and gue"),
	G(flow_capacity, "Room for such flows"),
	G(nat_flows, "Tracked flows of the modes nat and fullnat"),
	G(nat_flow_capacity, "Room for such flows"),
	C(flows_evicted, "Half-open, closing and one-datagram flows that made room"),
	C(flows_expired, "Flows that ended by their timeout"),
	C(flows_ended, "Flows that ended with their backend, or by a changed list"),
	C(flow_resets, "Resets sent for ended flows"),
	C(flood_untracked, "New flows over flood_new_per_sec"),
	{.key = "rss_checked",
		.name = "rss_checked_packets",
		.help = "Packets on which the hash of the NIC was compared",
		.type = METRIC_COUNTER,
		.offset = offsetof(struct sample, rss_checked)},
	{.key = "rss_wrong",
		.name = "rss_wrong_packets",
		.help = "Packets whose hash by the NIC was another one",
		.type = METRIC_COUNTER,
		.offset = offsetof(struct sample, rss_wrong)},
	C(address_conflicts, "Times somebody else claimed an address of weir"),
	C(control_messages, "Messages of control, such as new configurations; at most one a turn"),
	C(control_questions, "Questions of control that were answered; at most one a turn"),
};

static void fill_loop(const struct worker *w, struct sample *s)
{
	s->rx = w->ledger.rx;
	s->born = w->ledger.born;
	s->handed_in = w->ledger.handed_in;
	s->tx = w->ledger.tx;
	s->handed_out = w->ledger.handed_out;
	s->held = w->ledger.held;
	s->loops = w->loops;
	s->sleeps = w->sleeps;
	s->rests = w->rests;
	s->stuck = w->stuck_cnt;
	s->control_messages = atomic_load_explicit(&w->msgs_done, memory_order_relaxed);
	s->longest_loop_us = w->max_loop_ns / NS_PER_US;
	s->turn.sum = clock_tsc_to_ns(w->busy_tsc);
	s->busy_s = (double)s->turn.sum / 1e9;
	s->idle_s = (double)clock_tsc_to_ns(w->idle_tsc) / 1e9;
	for (uint32_t b = 0; b < WORKER_LOOP_BUCKETS; b++)
		s->turn.bucket[b] = w->loop_hist[b];
}

static void each_worker(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		char worker[12], core[12];
		const char *labels[] = {worker, core};
		struct pipeline_stats ps;
		struct l4_worker_stats ls;
		struct sample s = {0};

		fill_loop(app->workers[i], &s);
		pipeline_stats(app->pipes[i], &ps);
		l4_worker_stats(pipeline_l4(app->pipes[i]), &ls);
		s.flows = ls.flows;
		s.flow_capacity = ls.flow_capacity;
		s.nat_flows = ls.nat_flows;
		s.nat_flow_capacity = ls.nat_flow_capacity;
		s.flows_evicted = ls.evicted;
		s.flows_expired = ls.expired;
		s.flows_ended = ls.ended;
		s.flow_resets = ls.resets;
		s.flood_untracked = ls.flood_untracked;
		s.rss_checked = ps.rss_checked;
		s.rss_wrong = ps.rss_wrong;
		s.address_conflicts = ps.addr_conflicts;
		s.control_questions = ps.asked;
		snprintf(worker, sizeof(worker), "%u", i);
		snprintf(core, sizeof(core), "%u", app->cfg->workers.cores[i]);
		metric_add(sink, labels, &s);
	}
}

const struct metric_set metrics_workers = {
	.name = "workers",
	.prefix = "weir_worker_",
	.labels = {"worker", "core"},
	.rows = rows,
	.row_cnt = ARRAY_SIZE(rows),
	.sample_size = sizeof(struct sample),
	.each = each_worker,
};

/* ---- where packets ended ---- */

struct ended {
	uint64_t packets;
};

static const struct metric_row reason_rows[] = {
	METRIC_C(struct ended, packets, "Packets that ended for this reason"),
};

static void each_reason(void *ctx, struct metric_sink *sink)
{
	const struct app *app = ctx;

	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		char worker[12];

		snprintf(worker, sizeof(worker), "%u", i);
		for (unsigned r = REASON_NONE + 1; r < REASON_COUNT; r++) {
			const char *labels[] = {reason_name((enum reason)r),
				reason_class((enum reason)r) == 'D' ? "dropped" : "used", worker};
			struct ended e = {app->workers[i]->ledger.ended[r]};

			/* A reason that never occurred takes no series. */
			if (e.packets > 0)
				metric_add(sink, labels, &e);
		}
	}
}

const struct metric_set metrics_reasons = {
	.name = "reasons",
	.prefix = "weir_ended_",
	.labels = {"reason", "class", "worker"},
	.rows = reason_rows,
	.row_cnt = ARRAY_SIZE(reason_rows),
	.sample_size = sizeof(struct ended),
	.each = each_reason,
};
