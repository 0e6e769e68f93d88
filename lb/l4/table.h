/* SPDX-License-Identifier: Apache-2.0
 * table - one generation of the L4 configuration as workers read it.
 * Owner:      control builds and frees it; workers only read it, between l4_worker_set_table()
 *             calls. It may be freed once every worker has moved on to a later one.
 * Invariants: TB1 immutable. TB2 numbers of VIPs, services, backends (l4.h) are those of the
 *             registry. TB3 services with equal backend sets share one scheduler table, within a
 *             generation and across them. TB4 a backend that no longer is in the configuration
 *             stays in the table until no flow is tracked on it.
 * Units:      ports in network order in packets and in what is returned, host order where said.
 * Errors:     -ENOMEM; -ENOSPC when numbers run out (flows of removed objects hold theirs); -EINVAL
 *             for fewer full NAT ports than workers or too many backends.
 * Limits:     L4_MAX_* of l4.h. */
#ifndef LB_L4_TABLE_H
#define LB_L4_TABLE_H

#include "dataplane/net/addr.h"
#include "dataplane/net/pkt.h"
#include "lb/config/config.h"
#include "lb/l4/l4.h"

struct l4_registry;
struct l4_table;

/* Where a tuple goes when the NIC spreads by its own hash: the worker of the packet
 * src:sport -> dst:dport. Ports in network order. */
struct l4_tuple {
	struct ip_addr src, dst;
	uint16_t sport, dport;
	uint8_t proto;
};

/* What changed against the registry's last generation, for the log. */
struct l4_build_report {
	uint64_t generation;
	uint32_t services, backends, vips;
	uint32_t services_added, services_removed;
	uint32_t backends_added, backends_removed, backends_draining;
	uint32_t backends_up, backends_down; /* that became so now */
	uint32_t removed_held;               /* removed ones that may still carry flows */
	uint32_t sets_built, sets_shared;    /* scheduler tables */
	uint64_t bytes;
};

struct l4_build {
	const struct config *cfg;
	struct l4_registry *registry;
	/* Is backend `b` of cfg->services[s] healthy? NULL: all are. */
	bool (*health_up)(void *ctx, uint32_t s, uint32_t b);
	void *health_ctx;
	/* Change weight and drain of cfg->services[s].backends[b], of which *cb is a copy. NULL:
	 * nobody does. */
	void (*adjust)(void *ctx, uint32_t s, uint32_t b, struct config_backend *cb);
	const struct l4_table *prev; /* shares its scheduler tables; NULL at start */
	uint64_t now_ns;
};

/* Build the next generation. On failure the registry may know new numbers, no more. */
int l4_table_build(const struct l4_build *in, struct l4_table **out,
	struct l4_build_report *report) WARN_UNUSED;
void l4_table_free(struct l4_table *t);

uint64_t l4_table_generation(const struct l4_table *t);

/* Is a virtual address of a service (ARP and ND answer for it)? */
bool l4_owns_vip(const struct l4_table *t, const struct ip_addr *a);
/* Its number for l4_worker_vip_active(), or L4_NONE16. */
uint16_t l4_vip_find(const struct l4_table *t, const struct ip_addr *a);
/* Every VIP once, in no order; false when i is past the last. */
bool l4_vip_at(const struct l4_table *t, uint32_t i, struct ip_addr *out);

/* The worker, in [0, workers), that tracks the flow of a packet; L4_NONE32 when the packet is none
 * of L4's. Both directions of a flow and its ICMP errors give the same worker. */
uint32_t l4_owner(const struct l4_table *t, const struct pkt_meta *m, uint32_t workers);

/* Full NAT source ports, host order, inclusive. The rest of the configured range, at its top, is
 * for health probes and never carries a flow. */
void l4_flow_ports(const struct config *cfg, uint16_t *lo, uint16_t *hi);
void l4_probe_ports(const struct config *cfg, uint16_t *lo, uint16_t *hi);

/* Full NAT source addresses of one family that the service has. */
uint32_t l4_service_locals(const struct config *cfg, const struct config_service *cs, bool is4);

/* Contiguous shares of a port range; the owner of a port is one multiplication. */
struct l4_port_split {
	uint16_t lo, hi; /* host order, inclusive */
	uint32_t workers;
	uint64_t mult; /* workers / span in 32.32, rounded up */
};

/* lo <= hi, 1 <= workers <= span. */
void l4_port_split_init(struct l4_port_split *s, uint16_t lo, uint16_t hi, uint32_t workers);
/* The ports of one worker, host order, inclusive. */
void l4_port_split_share(
	const struct l4_port_split *s, uint32_t worker, uint16_t *lo, uint16_t *hi);

ALWAYS_INLINE uint32_t l4_port_owner(const struct l4_port_split *s, uint16_t port)
{
	return (uint32_t)(((uint64_t)(uint16_t)(port - s->lo) * s->mult) >> 32);
}

/* For operators: what the numbers below l4_service_cnt() and l4_member_cnt() stand for. A number is
 * given out again some time after its owner is gone, and per-worker counters then go on from where
 * they were: a reader who sees `born` change takes the counters at that moment as its zero. */
struct l4_member_info {
	struct ip_addr addr;
	uint64_t end_ns; /* tracked flows end then; UINT64_MAX: never */
	uint64_t born;   /* generation that gave the number to it */
	uint16_t port_be, service, weight;
	uint8_t mode, state; /* enum l4_mode, l4_member_state */
	bool chosen;         /* new flows may go to it */
};

uint32_t l4_service_cnt(const struct l4_table *t);
uint32_t l4_member_cnt(const struct l4_table *t);
/* "" for a number that is free or whose service is gone. */
const char *l4_service_name(const struct l4_table *t, uint16_t service);
uint64_t l4_service_born(const struct l4_table *t, uint16_t service);
/* False for a free number. */
bool l4_member_info(const struct l4_table *t, uint32_t member, struct l4_member_info *out);

/* Lookup by name for operators and tests; L4_NONE when there is none. */
uint16_t l4_service_find(const struct l4_table *t, const char *name);
uint32_t l4_member_find(
	const struct l4_table *t, uint16_t service, const struct ip_addr *addr, uint16_t port_be);
/* State (enum l4_member_state) and address of a backend number; FREE beyond the last. */
enum l4_member_state l4_member_state_of(const struct l4_table *t, uint32_t member);

#endif
