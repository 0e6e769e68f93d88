/* SPDX-License-Identifier: Apache-2.0
 * Two answers to "whose packet is this?" must agree: what the NIC did (RSS) and what l4_owner()
 * says. l4_owner() hashes the client's address and port, which no NIC does alone; so where RSS
 * works, the worker that received a packet for a VIP owns the flow, and only what RSS cannot place
 * (fragments, ICMP errors) is placed by the same Toeplitz hash in software. Services in NAT mode
 * are the exception: their replies carry another tuple, so both directions go by l4_owner(). */
#include "dataplane/base/log.h"
#include "lb/l4/rss.h"
#include "lb/pipeline/pipeline_pvt.h"

/* The queue, and so the worker, to which RSS brings this tuple on a port. */
static uint32_t rss_worker(const struct port *port, const struct ip_addr *src,
	const struct ip_addr *dst, uint16_t sport, uint16_t dport)
{
	uint32_t hash;

	if (ip_addr_is4(src))
		hash = port_rss_hash(port, &src->w[3], &dst->w[3], 4, sport, dport, true);
	else
		hash = port_rss_hash(port, src, dst, 16, sport, dport, true);
	return port_rss_queue(port, hash);
}

static bool rss_works(const struct pipeline *p, uint16_t port)
{
	return p->ports[port].steering == PORT_STEER_RSS && !p->rss_broken[port];
}

uint32_t steer_fragment(const struct pipeline *p, const struct pkt_meta *pm)
{
	uint64_t h =
		mix_fold(pm->src.d[1] ^ pm->dst.d[1], UINT64_C(0x9e3779b97f4a7c15) ^ pm->dst.d[0]);

	h = mix_fold(h ^ pm->src.d[0], (uint64_t)pm->frag_id << 8 | pm->proto);
	return (uint32_t)(((h >> 32) * p->w->worker_cnt) >> 32);
}

enum steer_to steer(
	struct pipeline *p, const struct rte_mbuf *m, const struct pkt_meta *pm, uint32_t *worker)
{
	uint16_t port = m->port < LIMIT_PORTS ? m->port : 0;
	uint32_t owner = l4_owner(p->gen->l4, pm, p->w->worker_cnt);

	if (owner != L4_NONE32) {
		*worker = owner;
		if (p->w->worker_cnt > 1 && rss_works(p, port) &&
			l4_rss_places(p->gen->l4, &pm->dst)) {
			if (pm->flags & PKT_F_ICMP_ERROR)
				/* The inner packet went from the VIP to the client. */
				*worker = rss_worker(&p->ports[port], &pm->inner.dst,
					&pm->inner.src, pm->inner.dport, pm->inner.sport);
			else if (pm->flags & PKT_F_FRAG)
				*worker = rss_worker(
					&p->ports[port], &pm->src, &pm->dst, pm->sport, pm->dport);
			else
				*worker = p->w->id;
		}
		return STEER_TO_FORWARD;
	}
	*worker = LOCAL_WORKER;
	if (ip_addr_is_multicast(&pm->dst) || net_if_owns(&p->ifs[port], &pm->dst) ||
		local_owns(p, &pm->dst))
		return STEER_TO_LOCAL;
	return STEER_TO_NOBODY;
}

void steer_check_rss(
	struct pipeline *p, uint16_t port, const struct rte_mbuf *m, const struct pkt_meta *pm)
{
	const struct port *pt = &p->ports[port];
	uint32_t hash;

	if (!rss_works(p, port) || p->rss_checks[port] >= RSS_CHECKS ||
		(m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) == 0 || (pm->flags & PKT_F_FRAG) != 0 ||
		(pm->proto != 6 && pm->proto != 17))
		return;
	p->rss_checks[port]++;
	p->stats.rss_checked++;
	hash = ip_addr_is4(&pm->src)
		       ? port_rss_hash(
				 pt, &pm->src.w[3], &pm->dst.w[3], 4, pm->sport, pm->dport, true)
		       : port_rss_hash(pt, &pm->src, &pm->dst, 16, pm->sport, pm->dport, true);
	if (hash == m->hash.rss && port_rss_queue(pt, hash) == p->w->id) {
		if (p->rss_checks[port] == RSS_CHECKS)
			LOG_INF("receive-side scaling verified", "port=%s worker=%u packets=%u",
				pt->name, p->w->id, RSS_CHECKS);
		return;
	}
	p->stats.rss_wrong++;
	p->rss_broken[port] = true;
	LOG_WRN("the NIC's hash is not the one it was given: flows are handed over in software",
		"port=%s worker=%u nic=%#x expected=%#x", pt->name, p->w->id, m->hash.rss, hash);
}
