/* SPDX-License-Identifier: Apache-2.0
 * All workers must give one answer to "whose packet is this?".
 *
 * Without a NIC that spreads by hash, l4_lookup_owner() is the answer. With one, the Toeplitz hash
 * of the arriving tuple is, under the key and table of the first such port (the plan), wherever
 * l4_tuple_places() allows it; full NAT takes only local ports whose replies the plan brings to the
 * same worker. The plan never changes while the process runs. What changes is trust: a packet of a
 * kind that a port's NIC hashes, on a port with the plan's table, is taken to be where the plan
 * wants it; of anything else (fragments, ICMP errors, options, ports in software mode, a NIC that
 * was caught hashing otherwise) the hash is computed here. So a NIC found wrong moves none of the
 * flows that came through other ports. */
#include <string.h>

#include "dataplane/base/log.h"
#include "dataplane/net/hdr.h"
#include "lb/l4/owner.h"
#include "lb/pipeline/pipeline_pvt.h"

static uint32_t tuple_hash(const struct port *port, const struct ip_addr *src,
	const struct ip_addr *dst, uint16_t sport, uint16_t dport)
{
	if (ip_addr_is4(src) && ip_addr_is4(dst))
		return port_rss_hash(port, &src->w[3], &dst->w[3], 4, sport, dport, true);
	return port_rss_hash(port, src, dst, 16, sport, dport, true);
}

/* Are both tables the same function of a hash? */
static bool same_table(const struct port *a, const struct port *b)
{
	uint32_t size = a->reta_size > b->reta_size ? a->reta_size : b->reta_size;

	for (uint32_t i = 0; i < size; i++)
		if (port_rss_queue(a, i) != port_rss_queue(b, i))
			return false;
	return memcmp(a->rss_key, b->rss_key, sizeof(a->rss_key)) == 0;
}

void steer_init(struct pipeline *p)
{
	p->placer = NULL;
	for (uint32_t i = 0; i < p->gen->if_cnt && p->w->worker_cnt > 1; i++) {
		const struct port *port = &p->ports[i];

		if (port->steering != PORT_STEER_RSS)
			continue;
		if (p->placer == NULL)
			p->placer = port;
		p->follows[i] = same_table(p->placer, port);
		p->rss_checks_left[i] = p->follows[i] ? RSS_CHECKS : 0;
		if (!p->follows[i] && p->w->id == 0)
			LOG_WRN("the port's hash table differs from the first one's: its flows are "
				"handed over in software",
				"port=%s as=%s", port->name, p->placer->name);
	}
}

bool steer_port_ok(void *ctx, const struct l4_tuple *reply)
{
	const struct pipeline *p = ctx;

	return port_rss_queue(p->placer, tuple_hash(p->placer, &reply->src, &reply->dst,
						 reply->sport, reply->dport)) == p->w->id;
}

static uint8_t kind_of(const struct pkt_meta *pm)
{
	if (pm->proto == 6)
		return pm->ip_ver == 4 ? PORT_RSS_TCP4 : PORT_RSS_TCP6;
	if (pm->proto == 17)
		return pm->ip_ver == 4 ? PORT_RSS_UDP4 : PORT_RSS_UDP6;
	return 0;
}

/* Has the NIC put the packet where the plan wants it? */
static bool placed(const struct pipeline *p, uint16_t port, const struct pkt_meta *pm)
{
	const struct port *pt = &p->ports[port];

	return p->follows[port] && (pt->rss_kinds & kind_of(pm)) != 0 &&
	       (pm->flags & (PKT_F_FRAG | PKT_F_OPTIONS)) == 0 &&
	       !atomic_load_explicit(&pt->rss_bad, memory_order_relaxed);
}

static uint32_t owner_of(const struct pipeline *p, const struct rte_mbuf *m,
	const struct pkt_meta *pm, const struct l4_lookup *lk)
{
	const struct l4_table *t = p->gen->l4;
	struct l4_tuple tuple;

	if (p->placer == NULL || !l4_tuple_places(lk))
		return l4_lookup_owner(t, lk, p->w->worker_cnt);
	if (likely(!lk->error && m->port < LIMIT_PORTS && placed(p, m->port, pm)))
		return p->w->id;
	l4_lookup_tuple(t, lk, &tuple);
	return port_rss_queue(
		p->placer, tuple_hash(p->placer, &tuple.src, &tuple.dst, tuple.sport, tuple.dport));
}

uint32_t steer_fragment(const struct pipeline *p, const struct pkt_meta *pm)
{
	uint64_t h =
		mix_fold(pm->src.d[1] ^ pm->dst.d[1], UINT64_C(0x9e3779b97f4a7c15) ^ pm->dst.d[0]);

	h = mix_fold(h ^ pm->src.d[0], (uint64_t)pm->frag_id << 8 | pm->proto);
	return (uint32_t)(((h >> 32) * p->w->worker_cnt) >> 32);
}

/* Between whom a TCP segment, or the one in an ICMP error, passes: our end and the other. */
struct ends {
	const struct ip_addr *ours, *theirs;
	uint16_t our_port, their_port;
};

static bool tcp_ends(const struct pkt_meta *pm, struct ends *e)
{
	if (pm->flags & PKT_F_ICMP_ERROR) {
		*e = (struct ends){
			&pm->inner.src, &pm->inner.dst, pm->inner.sport, pm->inner.dport};
		return pm->inner.proto == PROTO_TCP && (pm->flags & PKT_F_INNER_PORTS) != 0;
	}
	*e = (struct ends){&pm->dst, &pm->src, pm->dport, pm->sport};
	return pm->proto == PROTO_TCP && (pm->flags & PKT_F_PORTS) != 0;
}

/* Under a plan the hash of the arriving tuple; else a listener's is the worker of the client's end,
 * and a connection opened here is the worker's that has the local port. */
static uint32_t tcp_worker(const struct pipeline *p, const struct rte_mbuf *m,
	const struct pkt_meta *pm, const struct ends *e, bool listener)
{
	uint64_t h;

	if (p->w->worker_cnt == 1)
		return p->w->id;
	if (p->placer != NULL) {
		if ((pm->flags & PKT_F_ICMP_ERROR) == 0 && m->port < LIMIT_PORTS &&
			placed(p, m->port, pm))
			return p->w->id;
		return port_rss_queue(p->placer,
			tuple_hash(p->placer, e->theirs, e->ours, e->their_port, e->our_port));
	}
	if (!listener)
		return l4_port_owner(&p->tcp_ports, BE16(e->our_port));
	h = mix_fold(e->theirs->d[1] ^ e->their_port, UINT64_C(0x9e3779b97f4a7c15));
	h = mix_fold(h ^ e->theirs->d[0], UINT64_C(0xd1b54a32d192ed03));
	return (uint32_t)(((h >> 32) * p->w->worker_cnt) >> 32);
}

static bool is_own(const struct pipeline *p, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < p->gen->if_cnt; i++)
		if (net_if_owns(&p->ifs[i], a))
			return true;
	return false;
}

static bool opens_from(const struct pipeline *p, const struct ip_addr *a)
{
	return is_own(p, a) || l7_table_local(p->gen->l7, a);
}

bool steer_is_open_port(const struct pipeline *p, const struct pkt_meta *pm)
{
	uint16_t host = BE16(pm->dport);

	return pm->proto == PROTO_TCP && (pm->flags & PKT_F_PORTS) != 0 &&
	       host >= p->tcp_ports.lo && host <= p->tcp_ports.hi && opens_from(p, &pm->dst);
}

/* What belongs to the TCP engine, or may: answers to connections that were opened here share their
 * local addresses and ports, and the split of those over the workers, with full NAT, which is asked
 * first. STEER_TO_NOBODY: not TCP's. */
static enum steer_to steer_tcp(const struct pipeline *p, const struct rte_mbuf *m,
	const struct pkt_meta *pm, uint32_t *worker)
{
	uint16_t host;
	struct ends e;

	if (!tcp_ends(pm, &e))
		return STEER_TO_NOBODY;
	if (l7_table_find(p->gen->l7, e.ours, e.our_port) != NULL) {
		*worker = tcp_worker(p, m, pm, &e, true);
		return STEER_TO_TCP;
	}
	host = BE16(e.our_port);
	if (host < p->tcp_ports.lo || host > p->tcp_ports.hi || !opens_from(p, e.ours))
		return STEER_TO_NOBODY;
	*worker = tcp_worker(p, m, pm, &e, false);
	return STEER_TO_FORWARD;
}

/* A segment for a listener's address at a port without one: the engine answers it with a reset. At
 * a port's own address the host may have a service, behind its TAP. */
static bool closed_port(const struct pipeline *p, const struct rte_mbuf *m,
	const struct pkt_meta *pm, uint32_t *worker)
{
	struct ends e;

	if (pm->flags & PKT_F_ICMP_ERROR || !tcp_ends(pm, &e) ||
		!l7_table_owns(p->gen->l7, &pm->dst) || is_own(p, &pm->dst))
		return false;
	*worker = tcp_worker(p, m, pm, &e, true);
	return true;
}

enum steer_to steer(const struct pipeline *p, const struct rte_mbuf *m, const struct pkt_meta *pm,
	struct l4_lookup *lk, uint32_t *worker)
{
	uint16_t port = m->port < LIMIT_PORTS ? m->port : 0;

	l4_classify(p->gen->l4, pm, lk);
	if (p->l7 != NULL) {
		enum steer_to to = steer_tcp(p, m, pm, worker);

		if (to != STEER_TO_NOBODY)
			return to;
	}
	if (likely(lk->dir != L4_DIR_NONE)) {
		*worker = p->w->worker_cnt == 1 ? p->w->id : owner_of(p, m, pm, lk);
		return STEER_TO_FORWARD;
	}
	*worker = LOCAL_WORKER;
	if (p->l7 != NULL && closed_port(p, m, pm, worker))
		return STEER_TO_TCP;
	if (ip_addr_is_multicast(&pm->dst) || net_if_owns(&p->ifs[port], &pm->dst) ||
		local_owns(p, &pm->dst))
		return STEER_TO_LOCAL;
	return STEER_TO_NOBODY;
}

COLD void steer_check_rss(
	struct pipeline *p, uint16_t port, const struct rte_mbuf *m, const struct pkt_meta *pm)
{
	struct port *pt = &p->ports[port];
	uint32_t hash;

	if ((m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) == 0 || !placed(p, port, pm))
		return;
	p->rss_checks_left[port]--;
	p->stats.rss_checked++;
	hash = tuple_hash(pt, &pm->src, &pm->dst, pm->sport, pm->dport);
	if (hash == m->hash.rss && port_rss_queue(pt, hash) == p->w->id) {
		if (p->rss_checks_left[port] == 0)
			LOG_INF("receive-side scaling verified", "port=%s worker=%u packets=%u",
				pt->name, p->w->id, RSS_CHECKS);
		return;
	}
	p->stats.rss_wrong++;
	p->rss_checks_left[port] = 0;
	if (!atomic_exchange_explicit(&pt->rss_bad, true, memory_order_relaxed))
		LOG_WRN("the NIC's hash is not the one it was given: flows are handed over in "
			"software",
			"port=%s worker=%u nic=%#x expected=%#x", pt->name, p->w->id, m->hash.rss,
			hash);
}
