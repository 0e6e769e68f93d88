/* SPDX-License-Identifier: Apache-2.0
 * A burst is parsed as a whole, sorted into what this worker forwards and everything else, and then
 * forwarded as a whole, so that the table lookups of its packets overlap. */
#include "lb/pipeline/input.h"

#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/cksum.h"
#include "dataplane/net/hdr.h"
#include "lb/pipeline/pipeline_pvt.h"

/* What of a burst is forwarded by this worker, in order. */
struct batch {
	uint32_t n;
	struct rte_mbuf *pkts[LIMIT_BURST];
	struct pkt_meta metas[LIMIT_BURST];
	struct l4_lookup lookups[LIMIT_BURST];
};

/* Short IP packets come padded to Ethernet's minimum; the padding goes no further. */
static void trim_padding(struct rte_mbuf *m, const struct pkt_meta *pm)
{
	uint32_t end = (uint32_t)pm->l3_off + pm->l3_len;

	if (unlikely(rte_pktmbuf_pkt_len(m) > end) && (pm->kind == PKT_IP4 || pm->kind == PKT_IP6))
		(void)rte_pktmbuf_trim(m, (uint16_t)(rte_pktmbuf_pkt_len(m) - end));
}

static enum reason parse(struct rte_mbuf *m, struct pkt_meta *pm)
{
	enum reason r = pkt_parse(rte_pktmbuf_mtod(m, const uint8_t *), rte_pktmbuf_data_len(m),
		rte_pktmbuf_pkt_len(m), cksum_ip_good(m), pm);

	if (likely(r == REASON_NONE))
		trim_padding(m, pm);
	return r;
}

/* Is the frame for this port's MAC and VLAN? */
static enum reason accept_link(
	const struct net_if *nif, const struct rte_mbuf *m, const struct pkt_meta *pm)
{
	const uint8_t *dst = rte_pktmbuf_mtod(m, const uint8_t *);

	if (likely((pm->flags & PKT_F_L2_GROUP) == 0) && memcmp(dst, nif->mac, 6) != 0)
		return REASON_ETH_NOT_OURS;
	return pm->vlan == nif->vlan ? REASON_NONE : REASON_VLAN_UNKNOWN;
}

/* The rest of a fragmented datagram has no ports of its own: the first fragment's are looked up on
 * the worker that owns the datagram, and the packet goes on from there. True: go on here. */
static bool fragment_step(struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm)
{
	uint32_t owner = steer_fragment(p, pm);
	enum reason why;

	if (owner != p->w->id) {
		worker_handoff(p->w, owner, m, PKT_ROUTE_INPUT);
		return false;
	}
	switch (frag_input(p->frags, m, pm, p->now_ns, &why)) {
	case FRAG_GO:
		return true;
	case FRAG_HELD:
		return false;
	default:
		worker_drop(p->w, m, why);
		return false;
	}
}

static void to_owner(
	struct pipeline *p, uint32_t owner, struct rte_mbuf *m, const struct pkt_meta *pm)
{
	struct pkt_priv *priv = pkt_priv(m);

	if (unlikely(priv->hops >= HOPS_MAX)) {
		worker_drop(p->w, m, REASON_HANDOFF_LOOP);
		return;
	}
	if (pm->flags & PKT_F_FRAG) {
		priv->sport = pm->sport;
		priv->dport = pm->dport;
		worker_handoff(p->w, owner, m, PKT_ROUTE_FRAGMENT);
		return;
	}
	worker_handoff(p->w, owner, m, PKT_ROUTE_INPUT);
}

static void to_local(struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm)
{
	if (p->w->id == LOCAL_WORKER)
		local_input(p, m, pm);
	else
		worker_handoff(p->w, LOCAL_WORKER, m, PKT_ROUTE_LOCAL);
}

/* ICMP that the port answers by itself; returns true if it did. */
static COLD bool answer_icmp(struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm)
{
	if (local_is_neighbour(pm)) {
		local_neighbour(p, m, pm, true);
		return true;
	}
	if (local_is_echo(p, pm)) {
		local_echo(p, m, pm);
		return true;
	}
	return false;
}

/* An IP packet whose ports, if it has any, are known. Returns true if it is for this worker's
 * balancer, whose lookup has begun; otherwise it has gone its way. */
static bool sort_ip(
	struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm, struct l4_lookup *lk)
{
	uint32_t owner;
	enum steer_to to;

	if (unlikely(pm->proto == PROTO_ICMP || pm->proto == PROTO_ICMP6) && answer_icmp(p, m, pm))
		return false;
	to = steer(p, m, pm, lk, &owner);
	if (likely(to == STEER_TO_FORWARD)) {
		if (likely(owner == p->w->id)) {
			l4_start(p->l4, lk);
			return true;
		}
		to_owner(p, owner, m, pm);
	} else if (to == STEER_TO_TCP) {
		if (owner == p->w->id)
			tcp_side_input(p, m, pm);
		else
			to_owner(p, owner, m, pm);
	} else if (to == STEER_TO_LOCAL) {
		to_local(p, m, pm);
	} else {
		worker_drop(p->w, m, REASON_NOT_LOCAL);
	}
	return false;
}

/* Early fragments whose first one has come now; few, so they go one by one. */
static void release_fragments(struct pipeline *p, const struct pkt_meta *first)
{
	struct rte_mbuf *m;

	while ((m = frag_release(p->frags, first)) != NULL) {
		struct pkt_meta pm;
		struct l4_lookup lk;
		enum reason r = parse(m, &pm);

		if (r != REASON_NONE) {
			worker_drop(p->w, m, r);
			continue;
		}
		pm.sport = first->sport;
		pm.dport = first->dport;
		pm.flags |= PKT_F_PORTS;
		if (sort_ip(p, m, &pm, &lk))
			forward_burst(p, &m, &pm, &lk, 1);
	}
}

static bool sort_frame(
	struct pipeline *p, struct rte_mbuf *m, struct pkt_meta *pm, struct l4_lookup *lk)
{
	if (unlikely(pm->kind == PKT_ARP)) {
		local_neighbour(p, m, pm, true);
		return false;
	}
	if (unlikely(pm->kind == PKT_OTHER)) {
		worker_drop(p->w, m, REASON_ETH_TYPE_UNKNOWN);
		return false;
	}
	if (likely((pm->flags & PKT_F_FRAG) == 0))
		return sort_ip(p, m, pm, lk);
	if (fragment_step(p, m, pm)) {
		struct pkt_meta first = *pm; /* forwarding changes *pm */

		if (sort_ip(p, m, pm, lk))
			forward_burst(p, &m, pm, lk, 1);
		if (first.flags & PKT_F_FRAG_FIRST)
			release_fragments(p, &first);
	}
	return false;
}

void input_burst(
	struct pipeline *p, uint16_t port, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns)
{
	const struct net_if *nif = &p->ifs[port];
	bool several = p->w->worker_cnt > 1;
	struct batch b;

	ASSERT_DBG(n <= LIMIT_BURST);
	b.n = 0;
	p->now_ns = now_ns;
	for (uint32_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct pkt_meta *pm = &b.metas[b.n];
		enum reason r;

		m->port = port; /* from here on our index, not the ethdev's */
		/* It has a cache line of its own, and matters to hand-offs alone. */
		if (several)
			pkt_priv(m)->hops = 0;
		r = parse(m, pm);
		if (likely(r == REASON_NONE))
			r = accept_link(nif, m, pm);
		/* Bad and none have a bit in common; good and unknown are for the end host. */
		if (likely(r == REASON_NONE) &&
			unlikely(nif->trust_partial ||
				 (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_BAD) != 0))
			r = cksum_forward_rx(m, pm, nif->trust_partial);
		if (unlikely(r != REASON_NONE)) {
			worker_drop(p->w, m, r);
			continue;
		}
		if (unlikely(p->rss_checks_left[port] > 0))
			steer_check_rss(p, port, m, pm);
		b.pkts[b.n] = m;
		if (sort_frame(p, m, pm, &b.lookups[b.n]))
			b.n++;
	}
	if (b.n > 0)
		forward_burst(p, b.pkts, b.metas, b.lookups, b.n);
}

void handed_burst(struct pipeline *p, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns)
{
	struct batch b;

	b.n = 0;
	p->now_ns = now_ns;
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const struct pkt_priv *priv = pkt_priv(m);
		struct pkt_meta *pm = &b.metas[b.n];
		enum reason r = parse(m, pm);

		if (unlikely(r != REASON_NONE)) {
			worker_drop(p->w, m, r);
			continue;
		}
		b.pkts[b.n] = m;
		switch (priv->route) {
		case PKT_ROUTE_LEARN:
			local_neighbour(p, m, pm, false);
			break;
		case PKT_ROUTE_LOCAL:
			local_input(p, m, pm);
			break;
		case PKT_ROUTE_FRAGMENT:
			pm->sport = priv->sport;
			pm->dport = priv->dport;
			pm->flags |= PKT_F_PORTS;
			if (sort_ip(p, m, pm, &b.lookups[b.n]))
				b.n++;
			break;
		default:
			if (sort_frame(p, m, pm, &b.lookups[b.n]))
				b.n++;
			break;
		}
	}
	if (b.n > 0)
		forward_burst(p, b.pkts, b.metas, b.lookups, b.n);
}

void pipeline_input(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns)
{
	struct pipeline *p = ctx;

	if (unlikely(p->tap != NULL))
		tap_input(p, port, pkts, n, now_ns);
	else
		input_burst(p, port, pkts, n, now_ns);
}

void pipeline_handed(void *ctx, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns)
{
	struct pipeline *p = ctx;

	if (unlikely(p->tap != NULL))
		tap_handed(p, pkts, n, now_ns);
	else
		handed_burst(p, pkts, n, now_ns);
}
