/* SPDX-License-Identifier: Apache-2.0
 * l4_rig - a registry, a table and workers, as control would hold them.
 * Owner: the test. Every step that must not fail aborts if it does. */
#ifndef TESTS_SUPPORT_L4_RIG_H
#define TESTS_SUPPORT_L4_RIG_H

#include "lb/l4/decide.h"
#include "lb/l4/registry.h"
#include "lb/l4/worker.h"
#include "tests/support/l4.h"

#define RIG_WORKERS 4

struct l4_rig {
	struct l4_cfg cfg;
	struct l4_registry *registry;
	struct l4_table *table;
	struct l4_worker *workers[RIG_WORKERS];
	uint32_t worker_cnt;
	uint64_t now_ns;
	bool (*health)(void *ctx, uint32_t s, uint32_t b);
	void *health_ctx;
	struct l4_build_report report;
};

/* Workers with room for `flows` of each kind; add services to rig->cfg, then apply. */
void rig_init(struct l4_rig *rig, uint32_t workers, uint32_t flows);
void rig_init_conf(struct l4_rig *rig, uint32_t workers, const struct l4_worker_conf *conf);
/* Build the configuration as it is now and give it to all workers; frees the old table. */
void rig_apply(struct l4_rig *rig);
/* Let the registry free what is unused; returns how many. */
uint32_t rig_reap(struct l4_rig *rig);
void rig_fini(struct l4_rig *rig);

/* Decide on worker 0 at the rig's time. */
enum reason rig_decide(struct l4_rig *rig, const struct pkt_meta *m, struct l4_verdict *v);
/* The same, and it must go to a backend: returns its address. */
struct ip_addr rig_backend(struct l4_rig *rig, const struct pkt_meta *m);

/* Do the active counts of a worker match its tables? Returns NULL or what is wrong. */
const char *rig_check(const struct l4_rig *rig);

#endif
