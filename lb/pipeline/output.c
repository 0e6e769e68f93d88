/* SPDX-License-Identifier: Apache-2.0
 * The last steps of a packet: next hop, link header, transmit queue. */
#include "lb/l4/reply.h"
#include "lb/pipeline/pipeline_pvt.h"

struct neigh_ref *output_ref(struct pipeline *p, const struct route_hop *hop)
{
	uint64_t h = mix_fold(hop->addr.d[1] ^ hop->port, UINT64_C(0x9e3779b97f4a7c15));
	struct hop_ref *r = &p->hops[(h ^ hop->addr.d[0]) % HOP_REFS];

	if (unlikely(r->port != hop->port || !ip_addr_eq(&r->addr, &hop->addr))) {
		r->addr = hop->addr;
		r->port = hop->port;
		r->ref = (struct neigh_ref){0, 0};
	}
	return &r->ref;
}

void output_hop(
	struct pipeline *p, const struct route_hop *hop, struct rte_mbuf *m, uint16_t l3_off)
{
	neigh_send(p->neigh, hop->port, &hop->addr, output_ref(p, hop), m, l3_off, p->now_ns);
}

void output_routed(
	struct pipeline *p, const struct ip_addr *dst, struct rte_mbuf *m, uint16_t l3_off)
{
	struct route_hop hop;

	if (!route_lookup(p->gen->routes, dst, 0, &hop)) {
		worker_drop(p->w, m, REASON_NO_ROUTE);
		return;
	}
	output_hop(p, &hop, m, l3_off);
}

void output_icmp_error(struct pipeline *p, const struct rte_mbuf *m, const struct pkt_meta *pm,
	enum icmp_why why, uint16_t mtu)
{
	const struct net_if *nif = &p->ifs[m->port];
	struct icmp_error e = {.why = why, .mtu = mtu, .from = net_if_source(nif, &pm->src)};
	struct rte_mbuf *err;

	/* "No such port" is said by the address that was asked (RFC 1122 3.2.1.3); the rest by the
	 * port, unless it has no address of the family. */
	if (e.from == NULL || why == ICMP_WHY_PORT)
		e.from = &pm->dst;
	err = icmp_error_build(m, pm, &e, nif, p->pool, &p->icmp, p->now_ns);
	if (err == NULL)
		return;
	p->w->ledger.born++;
	p->stats.icmp_sent++;
	worker_tx(p->w, m->port, err, 0);
}

void output_reset(struct pipeline *p, const struct rte_mbuf *m, const struct pkt_meta *pm)
{
	struct rte_mbuf *rst = l4_reply_rst(m, pm, &p->ifs[m->port], p->pool);

	if (rst == NULL)
		return;
	p->w->ledger.born++;
	worker_tx(p->w, m->port, rst, 0);
}
