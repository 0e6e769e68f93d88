/* SPDX-License-Identifier: Apache-2.0
 * The balancer's part of the way: decide, route, check size and lifetime, rewrite, send. */
#include <string.h>

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

static void egress_of(const struct pipeline *p, const struct rte_mbuf *m,
	const struct route_hop *hop, const struct l4_verdict *v, struct l4_egress *eg)
{
	const struct net_if *nif = &p->ifs[hop->port];
	const struct ip_addr *own;

	eg->mtu = hop->mtu;
	eg->mtu_back = m->port < p->gen->if_cnt ? p->ifs[m->port].mtu : 0;
	if (v->op != L4_OP_IPIP && v->op != L4_OP_GUE)
		return;
	memset(&eg->src4, 0, sizeof(eg->src4));
	memset(&eg->src6, 0, sizeof(eg->src6));
	own = net_if_source(nif, &v->nexthop);
	if (own != NULL && ip_addr_is4(own))
		eg->src4 = *own;
	else if (own != NULL)
		eg->src6 = *own;
}

static void rewrite_and_send(struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm,
	const struct l4_verdict *v, const struct route_hop *hop)
{
	struct l4_egress eg;
	enum reason r;

	egress_of(p, m, hop, v, &eg);
	r = l4_rewrite(p->l4, m, pm, v, &eg);
	if (unlikely(r != REASON_NONE)) {
		worker_drop(p->w, m, r);
		return;
	}
	output_hop(p, hop, m, pm->l3_off);
}

/* Cut an IPv4 packet that may be cut before it gets its tunnel header or longer addresses. */
static void split_and_send(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm,
	const struct l4_verdict *v, const struct route_hop *hop)
{
	struct rte_mbuf *parts[SPLIT_MAX];
	int n = frag_split4(m, pm, (uint16_t)(hop->mtu - v->growth), p->pool, parts, SPLIT_MAX);

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
			rewrite_and_send(p, parts[i], &part, v, hop);
	}
}

static void too_big(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm,
	const struct l4_verdict *v, const struct route_hop *hop)
{
	if (pm->flags & PKT_F_DF || pm->ip_ver == 6) {
		output_icmp_error(p, m, pm, ICMP_WHY_TOO_BIG, (uint16_t)(hop->mtu - v->growth));
		worker_drop(p->w, m, REASON_TOO_BIG);
		return;
	}
	split_and_send(p, m, pm, v, hop);
}

static void send_verdict(
	struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm, const struct l4_verdict *v)
{
	struct route_hop hop;

	if (unlikely(!route_lookup(p->gen->routes, &v->nexthop, v->flow_hash, &hop))) {
		worker_drop(p->w, m, REASON_NO_ROUTE);
		return;
	}
	if (unlikely(pm->ttl <= 1)) {
		output_icmp_error(p, m, pm, ICMP_WHY_TTL, 0);
		worker_drop(p->w, m, REASON_TTL_EXCEEDED);
		return;
	}
	if (unlikely(pm->l3_len + v->growth > hop.mtu)) {
		too_big(p, m, pm, v, &hop);
		return;
	}
	rewrite_and_send(p, m, pm, v, &hop);
}

/* The address is ours as well as the balancer's (full NAT from the port's own address), and the
 * packet belongs to no flow: the host may know it. */
static void not_a_flow(struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm)
{
	if (m->port < p->gen->if_cnt && !net_if_owns(&p->ifs[m->port], &pm->dst)) {
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
	if (r == REASON_NONE || (r == REASON_L4_NO_FLOW && lk->dir == L4_DIR_BACKEND))
		not_a_flow(p, m, pm);
	else
		refuse(p, m, pm, &v, r);
}

void forward_burst(struct pipeline *p, struct rte_mbuf **pkts, struct pkt_meta *metas, uint32_t n)
{
	struct l4_lookup lk[LIMIT_BURST];

	for (uint32_t i = 0; i < n; i++)
		l4_classify(p->l4, &metas[i], &lk[i]);
	for (uint32_t i = 0; i < n; i++)
		l4_prefetch(p->l4, &lk[i]);
	for (uint32_t i = 0; i < n; i++)
		forward_one(p, pkts[i], &metas[i], &lk[i]);
}
