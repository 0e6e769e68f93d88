/* SPDX-License-Identifier: Apache-2.0
 * worker - the L4 state of one worker: flow tables, ports, limits, counters.
 * Owner:      one worker; created and destroyed by control while that worker does not run.
 * Invariants: WK1 active counts equal the flows in the tables, per backend, service, VIP and local
 *             address. WK2 flow and counter memory is taken at creation; nothing is allocated
 *             later.
 * Units:      ns, packets, bytes of IP packets.
 * Limits:     connection limits hold over all workers: each has a quota, l4_publish() moves the
 *             free rest between them. Between two calls the sum can pass a limit by no more than
 *             what was free at the last one. A rate limit is split evenly, with a burst of 100 ms.
 * Cost:       see decide.h; a sweep looks at every entry about once a second. */
#ifndef LB_L4_WORKER_H
#define LB_L4_WORKER_H

#include "lb/l4/registry.h"
#include "lb/l4/table.h"

struct l4_worker;

/* Where NIC hashing places flows: may this worker use the local port, i.e. does the NIC bring the
 * backend's packets, tuple t as they arrive, to this worker? ok == NULL: ports are split into
 * contiguous shares (l4_port_split) instead. */
struct l4_port_filter {
	bool (*ok)(void *ctx, const struct l4_tuple *t);
	void *ctx;
};

/* Has somebody else on this worker the local port of reply tuple t? Asked before a port of full NAT
 * is taken. taken == NULL: nobody. */
struct l4_port_guard {
	bool (*taken)(void *ctx, const struct l4_tuple *t);
	void *ctx;
};

/* Memory for the flow tables, zeroed and aligned to a cache line; `name` is for memory zones.
 * alloc == NULL: anonymous pages, huge ones where the kernel gives them. */
struct l4_mem {
	void *(*alloc)(void *ctx, const char *name, size_t len);
	void (*release)(void *ctx, void *mem, size_t len);
	void *ctx;
};

struct l4_worker_conf {
	uint32_t index, workers;
	uint32_t flows, nat_flows;
	uint32_t flood_new_per_sec; /* 0: off */
	struct l4_port_filter port_filter;
	struct l4_port_guard port_guard;
	struct l4_mem mem;
};

struct l4_member_stats {
	uint64_t packets, bytes;           /* to the backend */
	uint64_t back_packets, back_bytes; /* from it, NAT modes */
	uint64_t flows;                    /* new ones */
	uint64_t limited;                  /* passed over: at its connection limit */
	uint64_t no_port;                  /* full NAT: no local port left towards it */
	uint64_t spare;
} CACHE_ALIGNED;

struct l4_service_stats {
	uint64_t flows;     /* new ones, tracked */
	uint64_t untracked; /* packets that followed the hash */
	uint64_t denied, conn_limited, rate_limited;
	uint64_t no_backend, no_flow;
	uint64_t table_full, no_port;
} CACHE_ALIGNED;

struct l4_worker_stats {
	uint64_t flood_untracked; /* new flows over flood_new_per_sec */
	uint64_t evicted;         /* half-open, closing and one-datagram flows that made room */
	uint64_t expired;
	uint64_t ended; /* flows ended with their backend, or by a changed list */
	uint64_t resets;
	uint32_t flows, flow_capacity; /* gauges */
	uint32_t nat_flows, nat_flow_capacity;
	uint64_t flow_bytes; /* memory of both tables */
};

int l4_worker_create(const struct l4_worker_conf *conf, struct l4_worker **out) WARN_UNUSED;
void l4_worker_destroy(struct l4_worker *w);

/* Move to another generation, between two bursts. The worker no longer touches the old one. */
void l4_worker_set_table(struct l4_worker *w, const struct l4_table *t, uint64_t now_ns);
const struct l4_table *l4_worker_table(const struct l4_worker *w);
/* weir is about to stop: connections and UDP flows that would be new end as REASON_STOPPED,
 * unanswered, so that a client's next try may find another node. Tracked ones go on; those that
 * both sides (under direct return, the client) have closed are forgotten after a second of silence.
 */
void l4_worker_set_draining(struct l4_worker *w, bool draining);

/* Does a full NAT flow of this worker expect packets of tuple t, as they arrive from a backend? */
bool l4_worker_expects(const struct l4_worker *w, const struct l4_tuple *t);

/* New flows a second that this worker tracks; 0: no bound. Between two bursts. */
void l4_worker_set_flood(struct l4_worker *w, uint32_t new_per_sec);

/* End flows whose time is over; once a loop. Paces itself: a whole pass takes about a second. The
 * first pass after a new generation also ends flows whose client its lists refuse. */
void l4_sweep(struct l4_worker *w, uint64_t now_ns);
/* One whole pass now; for tests and shutdown reports. */
void l4_sweep_all(struct l4_worker *w, uint64_t now_ns);

/* ---- for control, while the worker runs: racy, monotonic ---- */

void l4_worker_usage(const struct l4_worker *w, struct l4_usage *out);
void l4_worker_stats(const struct l4_worker *w, struct l4_worker_stats *out);
void l4_worker_member_stats(
	const struct l4_worker *w, uint32_t member, struct l4_member_stats *out);
void l4_worker_service_stats(
	const struct l4_worker *w, uint16_t service, struct l4_service_stats *out);
/* Of a virtual address, whatever its services: flows in the tables, and new ones so far. */
uint32_t l4_worker_vip_active(const struct l4_worker *w, uint16_t vip);
uint64_t l4_worker_vip_flows(const struct l4_worker *w, uint16_t vip);
uint32_t l4_worker_member_active(const struct l4_worker *w, uint32_t member);
uint32_t l4_worker_service_active(const struct l4_worker *w, uint16_t service);

/* Full NAT ports this worker may still use towards a backend (its share of all local addresses
 * minus its flows there), by the table t it runs; UINT32_MAX for other modes. About right with a
 * port filter. */
uint32_t l4_worker_port_headroom(
	const struct l4_worker *w, const struct l4_table *t, uint32_t member);

/* Tell every worker what the others carry (least connections, connection limits). Control calls it
 * every 100 ms or so and after each new generation; t is the current one. */
void l4_publish(struct l4_worker *const *workers, uint32_t cnt, const struct l4_table *t);

#endif
