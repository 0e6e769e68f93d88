/* SPDX-License-Identifier: Apache-2.0
 * pipeline_pvt - the state of one worker's pipeline and the steps that its files are made of.
 * A step that takes an mbuf ends it: it is transmitted, handed over, held or counted. */
#ifndef LB_PIPELINE_PIPELINE_PVT_H
#define LB_PIPELINE_PIPELINE_PVT_H

#include <rte_mbuf.h>

#include "dataplane/eal/eal.h"
#include "dataplane/net/frag.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/neigh.h"
#include "dataplane/net/pkt.h"
#include "lb/l4/decide.h"
#include "lb/kvs/kvs.h"
#include "lb/l7/cache/hcache.h"
#include "lb/l4/worker.h"
#include "lb/l7/worker.h"
#include "lb/pipeline/pipeline.h"

#define LOCAL_WORKER   0    /* owns what is for the box's own addresses */
#define HOPS_MAX       4    /* hand-offs of one packet: fragment table, flow owner, own address */
#define ANNOUNCE_BATCH 32   /* addresses announced in one turn of the loop */
#define RSS_CHECKS     1024 /* packets on which the NIC's hash is compared, for each port */

/* Neighbour entries found lately, by next hop. */
#define HOP_REFS 1024
struct hop_ref {
	struct ip_addr addr;
	struct neigh_ref ref;
	uint16_t port;
};

/* How packets to a backend leave, by backend number: all that two lookups would find, as long as
 * one generation lasts. Only for destinations with a single next hop. */
#define WAYS 1024
struct way {
	struct ip_addr to; /* zero: empty */
	struct route_hop hop;
	struct neigh_ref ref;
	const struct ip_addr *own; /* the port's address towards it, NULL: none of its family */
} CACHE_ALIGNED;
_Static_assert(sizeof(struct way) == CACHE_LINE, "one line a packet");

struct pipeline {
	struct worker *w;
	const struct pipeline_gen *gen;
	struct net_if ifs[LIMIT_PORTS]; /* of gen; the neighbour table keeps a pointer to them */
	struct l4_worker *l4;
	struct neigh *neigh;
	struct frag_table *frags;
	struct icmp_limiter icmp;
	uint64_t now_ns; /* of the burst that is being handled */
	struct port *ports;
	struct rte_mempool *pool;

	struct l7_worker *l7;        /* NULL without a TCP engine */
	struct kvs_worker *kvs;      /* NULL without a store */
	struct hcache_worker *cache; /* NULL without a cache */
	struct l4_port_split tcp_ports;
	uint32_t reroute; /* where tcp_reroute() goes on; UINT32_MAX: nowhere */
	bool tcp_due;     /* the engine has had segments, or will: its callbacks are to be run */
	uint32_t tcp_cnt; /* segments that wait for the engine until the end of the turn */
	struct rte_mbuf *tcp_pkts[LIMIT_BURST];
	struct pkt_meta tcp_metas[LIMIT_BURST];

	struct health_engine *health;   /* worker 0 */
	struct host_tap *const *taps;   /* worker 0 */
	const struct health_plan *plan; /* that the engine runs */

	struct hop_ref hops[HOP_REFS];
	uint32_t announce_next; /* VIPs below this were announced */

	struct tap *tap;                    /* NULL but while somebody captures */
	_Atomic(struct pipeline_ask *) ask; /* what control wants to know */

	const struct port *placer; /* whose hash places flows; NULL: l4_owner() does (steer.c) */
	bool follows[LIMIT_PORTS]; /* the port's hash and table are the plan's */
	uint32_t rss_checks_left[LIMIT_PORTS];
	struct pipeline_stats stats;
	struct way ways[WAYS];
};

ALWAYS_INLINE struct pkt_priv *pkt_priv(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

ALWAYS_INLINE uint8_t *l3_at(struct rte_mbuf *m, const struct pkt_meta *pm)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, pm->l3_off);
}

/* forward.c: packets of L4 services on the worker that owns them; lookups are started. */
void forward_burst(struct pipeline *p, struct rte_mbuf **pkts, struct pkt_meta *metas,
	struct l4_lookup *lookups, uint32_t n);

/* local.c: own addresses (on LOCAL_WORKER), ARP and ND, echo of own and virtual addresses. */
void local_input(struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm);
void local_neighbour(
	struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm, bool answer);
bool local_is_neighbour(const struct pkt_meta *pm);
/* Does the box answer for this address: own or virtual? */
bool local_owns(const struct pipeline *p, const struct ip_addr *a);
/* Is this an echo request to such an address? */
bool local_is_echo(const struct pipeline *p, const struct pkt_meta *pm);
void local_echo(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm);
/* Frames from the host's TAPs to their ports; returns how many. */
uint32_t local_from_host(struct pipeline *p);
/* A probe that the health engine made. */
void local_probe_send(void *ctx, const struct health_target *t, struct rte_mbuf *m);
bool local_probe_source(void *ctx, const struct health_target *t, struct ip_addr *src);
/* Announce the next few VIPs after a new configuration. */
void local_announce(struct pipeline *p);

/* output.c: the neighbour entry found last for a next hop, to be used at once. */
struct neigh_ref *output_ref(struct pipeline *p, const struct route_hop *hop);
/* An IP packet at l3_off to its next hop. */
void output_hop(
	struct pipeline *p, const struct route_hop *hop, struct rte_mbuf *m, uint16_t l3_off);
/* The same by destination, for packets made here. */
void output_routed(
	struct pipeline *p, const struct ip_addr *dst, struct rte_mbuf *m, uint16_t l3_off);
/* Answer a packet that ends here with an ICMP error, if rules and rate allow; m stays the caller's.
 */
void output_icmp_error(struct pipeline *p, const struct rte_mbuf *m, const struct pkt_meta *pm,
	enum icmp_why why, uint16_t mtu);

/* The TCP reset that answers m; m stays the caller's. */
void output_reset(struct pipeline *p, const struct rte_mbuf *m, const struct pkt_meta *pm);

/* tcp.c: the TCP engine of this worker. */
int tcp_side_create(struct pipeline *p, const struct pipeline_params *params) WARN_UNUSED;
/* A packet for a listener of ours. */
void tcp_side_input(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm);
/* A packet that may be of a connection that was opened here; false: it is not, and still the
 * caller's. */
bool tcp_side_take(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm);
/* Another generation is in force: connections ask for their ways again, some at each turn. */
void tcp_side_adopt(struct pipeline *p);
/* Is a port of full NAT in the engine's hands? */
bool tcp_side_port_taken(void *ctx, const struct l4_tuple *t);
/* At the end of a turn that had segments (tcp_due). */
void tcp_side_flush(struct pipeline *p);
/* With the timers; returns the next deadline. */
uint64_t tcp_side_run(struct pipeline *p);
/* Once a turn: what segments and the store's answers let be sent. */
uint32_t tcp_side_turn(struct pipeline *p);

/* input.c: a burst of a port, and one of other workers; tap.c: the same with copies taken. */
void input_burst(
	struct pipeline *p, uint16_t port, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns);
void handed_burst(struct pipeline *p, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns);
void tap_input(
	struct pipeline *p, uint16_t port, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns);
void tap_handed(struct pipeline *p, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns);

/* ask.c: answer control, if it asked. */
void ask_answer(struct pipeline *p);

/* steer.c: the worker that must handle an IP packet, or LOCAL for own addresses; *lk is what the
 * balancer knows of it. */
enum steer_to { STEER_TO_FORWARD, STEER_TO_TCP, STEER_TO_LOCAL, STEER_TO_NOBODY };
enum steer_to steer(const struct pipeline *p, const struct rte_mbuf *m, const struct pkt_meta *pm,
	struct l4_lookup *lk, uint32_t *worker);
void steer_init(struct pipeline *p);
/* The l4_port_filter under a plan; ctx is the pipeline. */
bool steer_port_ok(void *ctx, const struct l4_tuple *reply);
/* Is a TCP segment for an address and port from which this worker opens connections? */
bool steer_is_open_port(const struct pipeline *p, const struct pkt_meta *pm);
uint32_t steer_fragment(const struct pipeline *p, const struct pkt_meta *pm);
/* Compare the NIC's hash with ours; while rss_checks_left. */
void steer_check_rss(
	struct pipeline *p, uint16_t port, const struct rte_mbuf *m, const struct pkt_meta *pm);

#endif
