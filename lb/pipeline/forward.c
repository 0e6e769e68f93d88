/* SPDX-License-Identifier: Apache-2.0
 * The balancer's part of the way: decide, route, check size and lifetime, rewrite, send. */
#include <string.h>

#include "dataplane/net/build.h"
#include "dataplane/net/frag.h"
#include "dataplane/net/hdr.h"
#include "lb/l4/rewrite.h"
#include "lb/pipeline/pipeline_pvt.h"

#define SPLIT_MAX 64 /* fragments of one packet: 9,000 bytes at the smallest MTU and more */

/* What the client hears about a packet that ends here. */
static void refuse(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm,
	const struct l4_verdict *v, enum reason r)
{
	if (v->reply == L4_REPLY_RST)
		output_reset(p, m, pm);
	else if (v->reply == L4_REPLY_NO_PORT)
		output_icmp_error(p, m, pm, ICMP_WHY_PORT, 0);
	worker_drop(p->w, m, r);
}

/* How a packet leaves. */
struct leave {
	const struct route_hop *hop;
	struct neigh_ref *ref;
	const struct ip_addr *own;
};

static void egress_of(const struct pipeline *p, const struct rte_mbuf *m, const struct leave *to,
	const struct l4_verdict *v, struct l4_egress *eg)
{
	static const struct ip_addr none;
	const struct ip_addr *own = to->own != NULL ? to->own : &none;

	eg->mtu = to->hop->mtu;
	eg->mtu_back = m->port < p->gen->if_cnt ? p->ifs[m->port].mtu : 0;
	if (v->op != L4_OP_IPIP && v->op != L4_OP_GUE)
		return;
	/* The outer header is of the next hop's family. */
	eg->src4 = ip_addr_is4(&v->nexthop) ? *own : none;
	eg->src6 = ip_addr_is4(&v->nexthop) ? none : *own;
}

static inline void send_to(
	struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm, const struct leave *to)
{
	const uint8_t *mac = neigh_mac(p->neigh, *to->ref, p->now_ns);
	uint16_t port = to->hop->port;

	if (likely(mac != NULL && build_l2(m, pm->l3_off, &p->ifs[port], mac,
					  pm->ip_ver == 4 ? ETH_IP4 : ETH_IP6)))
		worker_tx(p->w, port, m, 0);
	else
		neigh_send_slow(p->neigh, port, &to->hop->addr, to->ref, m, pm->l3_off, p->now_ns);
}

static void rewrite_and_send(struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm,
	const struct l4_verdict *v, const struct leave *to)
{
	struct l4_egress eg;
	enum reason r;

	egress_of(p, m, to, v, &eg);
	r = l4_rewrite(p->l4, m, pm, v, &eg);
	if (unlikely(r != REASON_NONE)) {
		worker_drop(p->w, m, r);
		return;
	}
	send_to(p, m, pm, to);
}

/* Cut an IPv4 packet that may be cut before it gets its tunnel header or longer addresses. */
static void split_and_send(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm,
	const struct l4_verdict *v, const struct leave *to)
{
	struct rte_mbuf *parts[SPLIT_MAX];
	int n = frag_split4(m, pm, (uint16_t)(to->hop->mtu - v->growth), p->pool, parts, SPLIT_MAX);

	if (n < 0) {
		worker_drop(p->w, m, n == -ENOMEM ? REASON_NO_MBUF : REASON_TOO_BIG);
		return;
	}
	worker_drop(p->w, m, REASON_FRAGMENTED);
	p->w->ledger.born += (uint32_t)n;
	for (int i = 0; i < n; i++) {
		struct pkt_meta part;
		enum reason r = pkt_parse(rte_pktmbuf_mtod(parts[i], uint8_t *),
			rte_pktmbuf_data_len(parts[i]), rte_pktmbuf_pkt_len(parts[i]), true, &part);

		if (r != REASON_NONE)
			worker_drop(p->w, parts[i], r);
		else
			rewrite_and_send(p, parts[i], &part, v, to);
	}
}

static void too_big(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm,
	const struct l4_verdict *v, const struct leave *to)
{
	if (pm->flags & PKT_F_DF || pm->ip_ver == 6) {
		output_icmp_error(p, m, pm, ICMP_WHY_TOO_BIG, (uint16_t)(to->hop->mtu - v->growth));
		worker_drop(p->w, m, REASON_TOO_BIG);
		return;
	}
	split_and_send(p, m, pm, v, to);
}

/* Look the way up into *w. False: there is no route. */
static bool way_find(struct pipeline *p, const struct l4_verdict *v, struct way *w)
{
	if (!route_lookup(p->gen->routes, &v->nexthop, v->flow_hash, &w->hop))
		return false;
	w->to = v->nexthop;
	w->own = net_if_source(&p->ifs[w->hop.port], &v->nexthop);
	w->ref = (struct neigh_ref){0, 0};
	return true;
}

/* Fills *to; *spare is room for a way that is not kept. */
static inline bool leave_by(
	struct pipeline *p, const struct l4_verdict *v, struct way *spare, struct leave *to)
{
	struct way *w = &p->ways[v->member % WAYS];

	if (likely((v->flags & L4_V_REVERSE) == 0 && ip_addr_eq(&w->to, &v->nexthop))) {
		*to = (struct leave){&w->hop, &w->ref, w->own};
		return true;
	}
	if (!way_find(p, v, spare))
		return false;
	if ((v->flags & L4_V_REVERSE) == 0 && spare->hop.choices == 1)
		*w = *spare;
	*to = (struct leave){&spare->hop, output_ref(p, &spare->hop), spare->own};
	return true;
}

static void send_verdict(
	struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm, const struct l4_verdict *v)
{
	struct leave to;
	struct way spare;

	if (unlikely(!leave_by(p, v, &spare, &to))) {
		worker_drop(p->w, m, REASON_NO_ROUTE);
		return;
	}
	if (unlikely(pm->ttl <= 1)) {
		output_icmp_error(p, m, pm, ICMP_WHY_TTL, 0);
		worker_drop(p->w, m, REASON_TTL_EXCEEDED);
		return;
	}
	if (unlikely(pm->l3_len + v->growth > to.hop->mtu)) {
		too_big(p, m, pm, v, &to);
		return;
	}
	rewrite_and_send(p, m, pm, v, &to);
}

/* The address is ours as well as the balancer's (full NAT from the port's own address), and the
 * packet belongs to no flow: the host may know it. */
static void not_a_flow(struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm)
{
	if (m->port < p->gen->if_cnt && !net_if_owns(&p->ifs[m->port], &pm->dst) &&
		!(p->l7 != NULL && local_owns(p, &pm->dst))) {
		worker_drop(p->w, m, REASON_L4_NO_FLOW);
		return;
	}
	if (p->w->id == LOCAL_WORKER)
		local_input(p, m, pm);
	else
		worker_handoff(p->w, LOCAL_WORKER, m, PKT_ROUTE_LOCAL);
}

static void forward_one(
	struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm, const struct l4_lookup *lk)
{
	struct l4_verdict v;
	enum reason r = l4_decide_at(p->l4, pm, lk, p->now_ns, &v);

	if (likely(r == REASON_NONE && v.op != L4_OP_NONE)) {
		send_verdict(p, m, pm, &v);
		return;
	}
	if (p->l7 != NULL && lk->dir != L4_DIR_CLIENT &&
		(r == REASON_NONE || r == REASON_L4_NO_FLOW || r == REASON_ICMP_NO_FLOW) &&
		tcp_side_take(p, m, pm))
		return;
	if (r == REASON_NONE || (r == REASON_L4_NO_FLOW && lk->dir == L4_DIR_BACKEND)) {
		/* A peer whose reset was lost would go on sending for minutes. */
		if (p->l7 != NULL && steer_is_open_port(p, pm))
			tcp_side_input(p, m, pm);
		else
			not_a_flow(p, m, pm);
	} else
		refuse(p, m, pm, &v, r);
}

void forward_burst(struct pipeline *p, struct rte_mbuf **pkts, struct pkt_meta *metas,
	struct l4_lookup *lookups, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		l4_prefetch(p->l4, &lookups[i]);
	for (uint32_t i = 0; i < n; i++)
		forward_one(p, pkts[i], &metas[i], &lookups[i]);
}
