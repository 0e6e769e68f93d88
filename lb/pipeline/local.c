/* SPDX-License-Identifier: Apache-2.0
 * What is for the box itself: neighbours, ping, answers to probes, and the host behind a TAP. */
#include "dataplane/eal/host_tap.h"
#include "dataplane/net/cksum.h"
#include "dataplane/net/hdr.h"
#include "lb/l4/rewrite.h"
#include "lb/pipeline/pipeline_pvt.h"

#define ND_FIRST 133
#define ND_LAST  137

bool local_is_neighbour(const struct pkt_meta *pm)
{
	return pm->proto == PROTO_ICMP6 && pm->ip_ver == 6 && pm->icmp_type >= ND_FIRST &&
	       pm->icmp_type <= ND_LAST && (pm->flags & PKT_F_FRAG) == 0;
}

bool local_owns(const struct pipeline *p, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < p->gen->if_cnt; i++)
		if (net_if_owns(&p->ifs[i], a))
			return true;
	return l4_owns_vip(p->gen->l4, a) || (p->gen->l7 != NULL && l7_table_owns(p->gen->l7, a));
}

/* The host keeps its own neighbour table behind the TAP, so answers are for it too. */
static void copy_to_host(struct pipeline *p, const struct rte_mbuf *m, enum reason r)
{
	struct host_tap *tap = p->taps[m->port];
	struct rte_mbuf *copy;

	if (p->w->id != LOCAL_WORKER || tap == NULL ||
		(r != REASON_ARP_REPLY && r != REASON_ND_ADVERT && r != REASON_ARP_IGNORED &&
			r != REASON_ND_IGNORED))
		return;
	copy = rte_pktmbuf_copy(m, p->pool, 0, UINT32_MAX);
	if (copy == NULL)
		return;
	p->w->ledger.born++;
	if (host_tap_push(tap, copy))
		worker_count(p->w, REASON_HOST_TAP);
	else
		worker_drop(p->w, copy, REASON_HOST_TAP_FULL);
}

static void copy_to_workers(struct pipeline *p, const struct rte_mbuf *m)
{
	for (uint32_t w = 0; w < p->w->worker_cnt; w++) {
		struct rte_mbuf *copy;

		if (w == p->w->id)
			continue;
		copy = rte_pktmbuf_copy(m, p->pool, 0, UINT32_MAX);
		if (copy == NULL)
			return; /* they ask for themselves */
		p->w->ledger.born++;
		copy->port = m->port;
		pkt_priv(copy)->hops = 0;
		worker_handoff(p->w, w, copy, PKT_ROUTE_LEARN);
	}
}

void local_neighbour(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm, bool answer)
{
	enum reason r = neigh_input(p->neigh, m->port, m, pm, answer, p->now_ns);

	if (r == REASON_NONE)
		r = REASON_ND_IGNORED;
	if (answer)
		copy_to_workers(p, m);
	copy_to_host(p, m, r);
	worker_drop(p->w, m, r);
}

bool local_is_echo(const struct pipeline *p, const struct pkt_meta *pm)
{
	bool request = (pm->proto == PROTO_ICMP && pm->ip_ver == 4 && pm->icmp_type == 8) ||
		       (pm->proto == PROTO_ICMP6 && pm->ip_ver == 6 && pm->icmp_type == 128);

	return request && (pm->flags & PKT_F_FRAG) == 0 && local_owns(p, &pm->dst);
}

/* The answer goes back to the station the question came from, so no route is needed. */
void local_echo(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm)
{
	enum reason r = icmp_echo_reply(m, pm, &p->ifs[m->port], &p->icmp, p->now_ns);

	if (r != REASON_NONE) {
		worker_drop(p->w, m, r);
		return;
	}
	worker_count(p->w, REASON_ICMP_ECHO);
	p->w->ledger.born++;
	worker_tx(p->w, m->port, m, 0);
}

void local_input(struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm)
{
	struct host_tap *tap = p->taps[m->port];
	enum reason r = cksum_verify_rx(m, pm, p->ifs[m->port].trust_partial);

	if (r != REASON_NONE) {
		worker_drop(p->w, m, r);
		return;
	}
	if (health_input(p->health, pm, m, p->now_ns)) {
		worker_drop(p->w, m, REASON_HEALTH_REPLY);
		return;
	}
	if (tap == NULL) {
		/* Nobody but the TCP engine can say so where listeners share the port's address. */
		if (p->l7 != NULL && pm->proto == PROTO_TCP && l7_table_owns(p->gen->l7, &pm->dst))
			tcp_side_input(p, m, pm);
		else
			worker_drop(p->w, m, REASON_LOCAL_NO_LISTENER);
		return;
	}
	if (host_tap_push(tap, m))
		worker_count(p->w, REASON_HOST_TAP);
	else
		worker_drop(p->w, m, REASON_HOST_TAP_FULL);
}

uint32_t local_from_host(struct pipeline *p)
{
	struct rte_mbuf *pkts[LIMIT_BURST];
	uint32_t total = 0;

	for (uint16_t i = 0; i < p->gen->if_cnt; i++) {
		uint32_t n;

		if (p->taps[i] == NULL)
			continue;
		n = host_tap_pop(p->taps[i], pkts, LIMIT_BURST);
		p->w->ledger.born += n;
		total += n;
		for (uint32_t k = 0; k < n; k++)
			worker_tx(p->w, i, pkts[k], 0);
	}
	return total;
}

bool local_probe_source(void *ctx, const struct health_target *t, struct ip_addr *src)
{
	const struct pipeline *p = ctx;
	const struct ip_addr *own;
	struct route_hop hop;

	if (!route_lookup(p->gen->routes, &t->backend, 0, &hop))
		return false;
	/* Inside a tunnel the answer comes back from dst's network, by whatever way it takes. */
	own = net_if_source(&p->ifs[hop.port], &t->dst);
	if (own == NULL)
		return false;
	*src = *own;
	return true;
}

void local_probe_send(void *ctx, const struct health_target *t, struct rte_mbuf *m)
{
	struct pipeline *p = ctx;
	const struct ip_addr *own;
	struct route_hop hop;
	struct l4_tunnel tunnel;
	enum reason r;

	if (!route_lookup(p->gen->routes, &t->backend, 0, &hop)) {
		worker_drop(p->w, m, REASON_NO_ROUTE);
		return;
	}
	own = net_if_source(&p->ifs[hop.port], &t->backend);
	if (own == NULL) {
		worker_drop(p->w, m, REASON_NO_ROUTE);
		return;
	}
	tunnel = (struct l4_tunnel){.mode = (uint8_t)t->mode,
		.gue_port_be = BE16(t->gue_port),
		.flow_hash = t->id * 2654435761u,
		.src = *own,
		.dst = t->backend};
	r = l4_encap_probe(m, &tunnel);
	if (r != REASON_NONE) {
		worker_drop(p->w, m, r);
		return;
	}
	output_hop(p, &hop, m, 0);
}

/* Virtual addresses of services, then those of listeners. */
static bool announce_at(const struct pipeline_gen *gen, uint32_t i, struct ip_addr *out)
{
	uint32_t n = 0;

	if (l4_vip_at(gen->l4, i, out))
		return true;
	if (gen->l7 == NULL)
		return false;
	while (n < i && l4_vip_at(gen->l4, n, out))
		n++;
	if (i - n >= gen->l7->endpoint_cnt)
		return false;
	*out = gen->l7->endpoints[i - n].addr;
	return true;
}

void local_announce(struct pipeline *p)
{
	struct ip_addr vips[ANNOUNCE_BATCH];
	uint32_t n = 0;

	if (p->w->id != LOCAL_WORKER || p->announce_next == UINT32_MAX || !p->gen->announce)
		return;
	while (n < ANNOUNCE_BATCH && announce_at(p->gen, p->announce_next, &vips[n])) {
		p->announce_next++;
		n++;
	}
	if (n == 0)
		p->announce_next = UINT32_MAX;
	for (uint16_t i = 0; n > 0 && i < p->gen->if_cnt; i++)
		(void)neigh_announce(p->neigh, i, vips, n);
}
