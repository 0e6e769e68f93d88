/* SPDX-License-Identifier: Apache-2.0
 * The TCP engine in the worker's loop. Segments are collected over a turn and given to the engine
 * at its end, so that one pass of callbacks and output serves the bursts of all ports.
 *
 * Local ports of connections that are opened here are those of full NAT: each worker has its share
 * of the same range, or under a plan of NIC hashing those whose replies come to it. Within a worker
 * the two never hold the same tuple: each asks the other before it takes a port. Ports of health
 * probes lie outside. */
#include "dataplane/net/build.h"
#include "dataplane/net/cksum.h"
#include "dataplane/net/hdr.h"
#include "lb/l7/http/http.h"
#include "lb/pipeline/pipeline_pvt.h"

/* Payload of one frame that the port cuts; with headers it stays below the 64 KiB of an IP packet.
 */
#define TSO_BYTES 64000

#define REROUTE_BATCH 256 /* places of connections that one turn looks at */

static bool route(void *ctx, const struct ip_addr *dst, struct tcp_route *out)
{
	struct pipeline *p = ctx;
	const struct ip_addr *src;
	const struct net_if *nif;
	struct route_hop hop;

	if (!route_lookup(p->gen->routes, dst, 0, &hop))
		return false;
	nif = &p->ifs[hop.port];
	src = net_if_source(nif, dst);
	*out = (struct tcp_route){.mtu = hop.mtu,
		.csum_offload = (nif->offloads & NET_TX_TCP_CKSUM) != 0 &&
				(nif->offloads & NET_TX_IP4_CKSUM) != 0,
		.tso_bytes = nif->offloads & NET_TX_TSO ? TSO_BYTES : 0,
		.tso_segs = nif->tx_segs > 1 ? (uint16_t)(nif->tx_segs - 1) : 1,
		.single_segment = (nif->offloads & NET_TX_MULTI_SEG) == 0 || nif->tx_segs < 2};
	if (src != NULL)
		out->src = *src;
	return true;
}

/* The way of a connection has moved to a port that can do less: until the engine has asked again,
 * sums are made here, and a frame that is to be cut is lost. Its bytes come again in segments. */
static bool stands_in(struct pipeline *p, struct rte_mbuf *m, const struct net_if *nif)
{
	struct cksum_tx t = {.l3_len = (uint16_t)m->l3_len,
		.l4_len = (uint16_t)(m->pkt_len - m->l3_len),
		.proto = PROTO_TCP};

	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
		worker_drop(p->w, m, REASON_TX_REFUSED);
		return false;
	}
	cksum_prepare_tx(m, &t, nif);
	return true;
}

static bool port_does(const struct net_if *nif, uint64_t flags)
{
	uint32_t need = NET_TX_TCP_CKSUM | NET_TX_IP4_CKSUM |
			(flags & RTE_MBUF_F_TX_TCP_SEG ? NET_TX_TSO : 0u);

	return (nif->offloads & need) == need;
}

static void emit(void *ctx, struct rte_mbuf **mbufs, uint16_t n)
{
	struct pipeline *p = ctx;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = mbufs[i];
		const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
		struct ip_addr dst =
			ip[0] >> 4 == 4 ? ip_addr_from4(load32(ip + 16)) : ip_addr_from6(ip + 24);
		struct route_hop hop;

		if (unlikely(!route_lookup(p->gen->routes, &dst, 0, &hop))) {
			worker_drop(p->w, m, REASON_NO_ROUTE);
			continue;
		}
		if (m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) {
			const struct net_if *nif = &p->ifs[hop.port];

			if (unlikely(!port_does(nif, m->ol_flags)) && !stands_in(p, m, nif))
				continue;
			m->l2_len = (uint64_t)build_l2_len(nif) & 0x7f;
		}
		output_hop(p, &hop, m, 0);
	}
}

static bool port_ok(void *ctx, const struct ip_addr *laddr, const struct ip_addr *raddr,
	uint16_t lport, uint16_t rport)
{
	struct pipeline *p = ctx;
	struct l4_tuple reply = {
		.src = *raddr, .dst = *laddr, .sport = rport, .dport = lport, .proto = PROTO_TCP};

	return (p->placer == NULL || steer_port_ok(p, &reply)) &&
	       l7_table_find(p->gen->l7, laddr, lport) == NULL && !l4_worker_expects(p->l4, &reply);
}

bool tcp_side_port_taken(void *ctx, const struct l4_tuple *t)
{
	struct pipeline *p = ctx;
	struct pkt_meta m = {.src = t->src,
		.dst = t->dst,
		.sport = t->sport,
		.dport = t->dport,
		.proto = t->proto,
		.flags = PKT_F_PORTS};

	if (t->proto != PROTO_TCP)
		return false;
	return l7_table_find(p->gen->l7, &t->dst, t->dport) != NULL ||
	       tcp_owns(l7_worker_engine(p->l7), &m);
}

int tcp_side_create(struct pipeline *p, const struct pipeline_params *params)
{
	struct l7_worker_conf conf = {.index = p->w->id,
		.worker_cnt = p->w->worker_cnt,
		.all = params->l7_all,
		.cfg = params->cfg,
		.header_pool = params->tcp->header,
		.ref_pool = params->tcp->ref,
		.data_pool = params->tcp->data,
		.rx_pool = params->pool,
		.kvs = params->kvs,
		.tls_pool = params->tcp->tls != NULL ? params->tcp->tls : params->tcp->data,
		.tls_libs = params->tcp->tls_libs,
		.tls_tickets = params->tcp->tls_tickets,
		.hcache = params->hcache,
		.slice_pool = params->tcp->slice,
		.ledger = &p->w->ledger,
		.cb = {.ctx = p, .route = route, .emit = emit, .port_ok = port_ok}};
	uint16_t lo, hi;
	int rc;

	l4_flow_ports(params->cfg, &lo, &hi);
	l4_port_split_init(&p->tcp_ports, lo, hi, p->w->worker_cnt);
	conf.port_lo = lo;
	conf.port_hi = hi;
	if (p->placer == NULL)
		l4_port_split_share(&p->tcp_ports, p->w->id, &conf.port_lo, &conf.port_hi);
	rc = l7_worker_create(&conf, params->now_ns, &p->l7);
	if (rc != 0)
		return rc;
	p->cache = http_worker_cache(l7_worker_http(p->l7));
	params->l7_all[p->w->id] = p->l7;
	p->reroute = UINT32_MAX;
	l7_worker_adopt(p->l7, p->gen->l7, p->gen->draining, params->now_ns);
	return 0;
}

static void flush(struct pipeline *p)
{
	if (p->tcp_cnt == 0)
		return;
	tcp_input(l7_worker_engine(p->l7), p->tcp_pkts, p->tcp_metas, (uint16_t)p->tcp_cnt,
		p->now_ns);
	p->tcp_cnt = 0;
}

static void segment(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm)
{
	enum reason r = pm->flags & PKT_F_FRAG
				? REASON_TCP_FRAGMENT
				: cksum_verify_rx(m, pm, p->ifs[m->port].trust_partial);

	if (unlikely(r != REASON_NONE)) {
		worker_drop(p->w, m, r);
		return;
	}
	p->tcp_pkts[p->tcp_cnt] = m;
	p->tcp_metas[p->tcp_cnt++] = *pm;
	p->tcp_due = true;
	if (p->tcp_cnt == LIMIT_BURST)
		flush(p);
}

/* RFC 792 and 1191, RFC 4443 3.2. */
static uint32_t told_mtu(const uint8_t *icmp, const struct pkt_meta *pm)
{
	if (pm->ip_ver == 4)
		return pm->icmp_type == 3 && pm->icmp_code == 4 ? BE16(load16(icmp + 6)) : 0;
	return pm->icmp_type == 2 ? BE32(load32(icmp + 4)) : 0;
}

static bool icmp_error(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	if (pm->inner.proto != PROTO_TCP || (pm->flags & PKT_F_INNER_PORTS) == 0 ||
		pm->inner.l4_off + 8u > rte_pktmbuf_data_len(m) ||
		cksum_verify_rx(m, pm, p->ifs[m->port].trust_partial) != REASON_NONE)
		return false;
	flush(p);
	if (!tcp_icmp_error(l7_worker_engine(p->l7), pm, frame + pm->inner.l4_off,
		    told_mtu(frame + pm->l4_off, pm), p->now_ns))
		return false;
	worker_drop(p->w, m, REASON_TCP_SEGMENT);
	return true;
}

void tcp_side_input(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm)
{
	if (likely((pm->flags & PKT_F_ICMP_ERROR) == 0))
		segment(p, m, pm);
	else if (!icmp_error(p, m, pm))
		worker_drop(p->w, m, REASON_ICMP_NO_FLOW);
}

bool tcp_side_take(struct pipeline *p, struct rte_mbuf *m, const struct pkt_meta *pm)
{
	if (pm->flags & PKT_F_ICMP_ERROR)
		return icmp_error(p, m, pm);
	if (pm->proto != PROTO_TCP || !tcp_owns(l7_worker_engine(p->l7), pm))
		return false;
	segment(p, m, pm);
	return true;
}

void tcp_side_flush(struct pipeline *p)
{
	if (p->kvs != NULL)
		kvs_clock(p->kvs, p->now_ns);
	flush(p);
	p->tcp_due = false;
	l7_worker_run(p->l7, p->now_ns);
}

uint32_t tcp_side_turn(struct pipeline *p)
{
	uint32_t n = 0, woken = 0;
	bool resumed;

	if (p->kvs != NULL)
		n = kvs_turn(p->kvs, p->now_ns);
	if (p->cache != NULL)
		woken = hcache_worker_poll(p->cache, p->now_ns);
	/* Whatever was answered leaves in this turn. */
	resumed = p->kvs != NULL && p->l7 != NULL && l7_worker_resume(p->l7);
	if (p->tcp_due || resumed || woken > 0 || (n > 0 && p->l7 != NULL))
		tcp_side_flush(p);
	return n + woken + resumed;
}

void tcp_side_adopt(struct pipeline *p)
{
	p->reroute = 0;
}

uint64_t tcp_side_run(struct pipeline *p)
{
	uint64_t next;

	if (unlikely(p->reroute != UINT32_MAX))
		p->reroute = tcp_reroute(l7_worker_engine(p->l7), p->reroute, REROUTE_BATCH);
	tcp_side_flush(p);
	next = p->reroute == UINT32_MAX ? l7_worker_next_ns(p->l7) : p->now_ns;
	if (p->kvs != NULL && kvs_next_ns(p->kvs) < next)
		next = kvs_next_ns(p->kvs);
	return next;
}
