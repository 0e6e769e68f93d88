/* SPDX-License-Identifier: Apache-2.0
 * pipeline - the way of a packet through one worker, from the receive burst to the transmit burst.
 * Owner:      one worker; control creates and destroys it while the worker does not run.
 * Lifetime:   pipeline_create() ... pipeline_destroy().
 * Invariants: PL1 every packet that comes in is ended, held or transmitted (reason.h, RL1).
 *             PL2 nothing of a generation is kept after the message that replaced it.
 * Units:      times in ns, monotonic.
 * Cost:       one pass a burst; no allocation but packet buffers, no lock, no system call. */
#ifndef LB_PIPELINE_PIPELINE_H
#define LB_PIPELINE_PIPELINE_H

#include "dataplane/base/compiler.h"
#include "dataplane/core/worker.h"
#include "dataplane/net/netif.h"
#include "dataplane/net/route.h"
#include "lb/config/config.h"
#include "lb/health/health.h"
#include "lb/l4/table.h"
#include "lb/l7/table.h"

struct host_tap;
struct l4_worker;
struct kvs_worker;
struct l7_tls;
struct hcache;
struct l7_worker;
struct pipeline;
struct tls_libs;
struct tls_tickets;

/* What one configuration and one set of health results make; immutable. */
struct pipeline_gen {
	uint64_t number;
	const struct config *cfg; /* outlives the generation */
	struct l4_table *l4;
	struct l7_table *l7; /* NULL without a TCP engine */
	struct l7_tls *tls;  /* of cfg, and as long-lived; NULL without a TCP engine */
	struct route_table *routes;
	const struct health_plan *health;
	struct net_if ifs[LIMIT_PORTS];
	uint32_t if_cnt;
	bool announce; /* VIPs may be new: send gratuitous ARP and unsolicited NA */
	bool draining; /* take no new flows */
	bool closing;  /* the last generation: connections that weir ends are reset */
};

/* Buffers of the TCP engines, see tcp_config. */
struct pipeline_tcp_pools {
	struct rte_mempool *slice; /* NULL: no HTTP cache */
	struct rte_mempool *header, *ref, *data;
	struct rte_mempool *tls; /* NULL: data has to do */
	struct tls_libs *tls_libs;
	const struct tls_tickets *tls_tickets;
};

struct pipeline_params {
	struct worker *worker;
	const struct config *cfg;
	struct rte_mempool *pool;
	const struct pipeline_gen *gen; /* the first one */
	struct host_tap *const *taps;   /* by port; used by worker 0 alone; entries may be NULL */
	struct port *ports;
	const struct pipeline_tcp_pools *tcp; /* NULL: no TCP engine */
	struct l7_worker **l7_all;            /* by worker; pipeline_create() fills in its own */
	struct kvs_worker *kvs;               /* this worker's share of the store; NULL: none */
	struct hcache *hcache;                /* NULL: none */
	uint64_t now_ns;
};

/* NULL when memory is short. */
struct pipeline *pipeline_create(const struct pipeline_params *params) WARN_UNUSED;
void pipeline_destroy(struct pipeline *p);

/* The callbacks of the worker's loop; their ctx is the struct pipeline. A message is a
 * `const struct pipeline_gen *`. */
extern const struct worker_ops pipeline_ops;

/* Reading side, any thread. */
struct l4_worker *pipeline_l4(const struct pipeline *p);
/* NULL without a TCP engine. */
struct l7_worker *pipeline_l7(const struct pipeline *p);
/* The engine of worker 0; NULL on the others. */
struct health_engine *pipeline_health(struct pipeline *p);

/* A question of control. Runs on the worker, between two bursts; fn may read everything of the
 * worker's and must not take long. */
typedef void pipeline_ask_fn(struct pipeline *p, void *arg, uint64_t now_ns);
struct pipeline_ask {
	pipeline_ask_fn *fn;
	void *arg;
	_Atomic bool done;
};
/* At most one at a time. It is the worker's until `done`, or until pipeline_ask_cancel() says true.
 */
void pipeline_ask(struct pipeline *p, struct pipeline_ask *a);
bool pipeline_ask_cancel(struct pipeline *p);

struct pipeline_stats {
	uint64_t asked;       /* questions of control that were answered */
	uint64_t rss_checked; /* packets on which the NIC's hash was compared */
	uint64_t rss_wrong;
	uint64_t addr_conflicts; /* somebody else claims an address of ours */
	uint64_t icmp_sent;
};
void pipeline_stats(const struct pipeline *p, struct pipeline_stats *out);

#endif
