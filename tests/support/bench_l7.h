/* SPDX-License-Identifier: Apache-2.0
 * bench_l7 - the layer 7 worker of a benchmark, on a host of its wire, out of a configuration's
 * text.
 * Owner:      the benchmark program; one thread.
 * Lifetime:   bench_l7_parse(), bench_l7_start() ... bench_l7_stop(); what the worker's conf
 *             points to (cache, store) is the caller's and goes later.
 * Errors:     every failure aborts. */
#ifndef TESTS_SUPPORT_BENCH_L7_H
#define TESTS_SUPPORT_BENCH_L7_H

#include "lb/l7/table.h"
#include "lb/l7/worker.h"
#include "tests/support/bench_wire.h"

struct bench_l7 {
	struct config *cfg;
	struct l7_table *table;
	struct l7_registry *registry;
	struct l7_worker *w, *all[1];
};

/* Until bench_l7_start() sets cfg alone. All backends count as up. */
void bench_l7_parse(struct bench_l7 *b, const char *text);
/* `conf` says what is particular to the benchmark; the configuration, the host's pools and wire and
 * the range of ports are filled in. The engine of `h` is the worker's. */
void bench_l7_start(struct bench_l7 *b, struct bench_host *h, const struct l7_worker_conf *conf,
	uint64_t now_ns);
void bench_l7_stop(struct bench_l7 *b);

#endif
