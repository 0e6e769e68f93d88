/* SPDX-License-Identifier: Apache-2.0
 * Tunnels put headers in front; translation changes addresses, ports and what covers them; the
 * change of family is left to net/xlate, errors to net/icmp. */
#include "lb/l4/rewrite.h"

#include <rte_mbuf.h>

#include "dataplane/net/build.h"
#include "dataplane/net/cksum.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/tcpopt.h"
#include "dataplane/net/xlate.h"
#include "lb/l4/worker_pvt.h"

#define OUTER_TTL     64
#define GUE_HDR_LEN   4
#define GUE_PORT_BASE 0xc000 /* source ports: the ephemeral range, RFC 8085 5.1.1 */

ALWAYS_INLINE bool is4(const struct pkt_meta *pm)
{
	return pm->ip_ver == 4;
}

/* ---- TTL ---- */

static inline void ttl_decrement(uint8_t *l3, struct pkt_meta *pm)
{
	if (is4(pm)) {
		struct ip4_hdr *h = (struct ip4_hdr *)l3;
		uint16_t from = load16(&h->ttl);

		h->ttl--;
		h->cksum = cksum_apply(h->cksum, cksum_diff16(0, from, load16(&h->ttl)));
	} else {
		((struct ip6_hdr *)l3)->hop_limit--;
	}
	pm->ttl--;
}

/* ---- tunnels ---- */

uint8_t l4_tunnel_growth(uint8_t mode, const struct ip_addr *dst)
{
	uint8_t outer = ip_addr_is4(dst) ? IP4_HDR_LEN : IP6_HDR_LEN;

	if (mode == L4_IPIP)
		return outer;
	return mode == L4_GUE ? (uint8_t)(outer + UDP_HDR_LEN + GUE_HDR_LEN) : 0;
}

struct ip_addr l4_tunnel_source(
	const struct ip_prefix *prefix, const struct ip_addr *own, uint32_t flow_hash)
{
	struct ip_addr a;
	uint32_t host;

	if (prefix->len == 0)
		return *own;
	a = prefix->addr;
	/* At most the last 32 bits vary. */
	host = prefix->len >= 128  ? 0
	       : prefix->len <= 96 ? UINT32_MAX
				   : UINT32_MAX >> (prefix->len - 96);
	a.w[3] |= BE32(flow_hash & host);
	return a;
}

/* What the outer header takes over from the inner one. */
struct inner {
	const uint8_t *l3;
	uint16_t len;
	uint8_t proto, tos; /* proto: IPIP or IP6 */
	bool df;
};

static inline struct inner inner_of(const uint8_t *l3)
{
	struct inner in = {.l3 = l3};

	if (l3[0] >> 4 == 4) {
		const struct ip4_hdr *h = (const struct ip4_hdr *)l3;

		in.len = BE16(h->total_len_be);
		in.proto = PROTO_IPIP;
		in.tos = h->tos;
		in.df = (h->frag_be & BE16(IP4_DF)) != 0;
	} else {
		const struct ip6_hdr *h = (const struct ip6_hdr *)l3;

		in.len = (uint16_t)(IP6_HDR_LEN + BE16(h->payload_len_be));
		in.proto = PROTO_IP6;
		in.tos = (uint8_t)(BE32(h->ver_tc_flow_be) >> 20);
		in.df = true;
	}
	return in;
}

/* The sum of the inner packet's bytes without reading its payload: a transport segment and its
 * pseudo header sum to 0xffff when its checksum is right, so the segment's bytes sum to the
 * complement of the pseudo header's. Where that does not hold (fragments, UDP without a checksum,
 * other protocols) the bytes are read. */
static uint64_t inner_sum(const struct rte_mbuf *m, uint32_t off, const struct pkt_meta *pm)
{
	uint32_t l4 = (uint32_t)(pm->l4_off - pm->l3_off);
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, off);
	bool known = pm->proto == PROTO_TCP ||
		     (pm->proto == PROTO_UDP && ((const struct udp_hdr *)(l3 + l4))->cksum != 0);
	uint64_t pseudo;

	if (!known || (pm->flags & PKT_F_FRAG))
		return cksum_add_mbuf(0, m, off, pm->l3_len);
	pseudo = cksum_pseudo(&pm->src, &pm->dst, pm->proto, pm->l3_len - l4);
	return cksum_add((uint16_t)~cksum_fold(pseudo), l3, l4);
}

/* Puts the tunnel's headers in front of the IP packet at l3_off. `pm` describes it; without, an
 * outer UDP checksum is summed over the bytes. */
static enum reason encap(struct rte_mbuf *m, uint16_t l3_off, const struct pkt_meta *pm,
	const struct l4_tunnel *t, uint16_t ip_id)
{
	uint8_t growth = l4_tunnel_growth(t->mode, &t->dst);
	struct inner in = inner_of(rte_pktmbuf_mtod_offset(m, const uint8_t *, l3_off));
	struct build_ip ip = {
		.src = &t->src,
		.dst = &t->dst,
		.payload_len = in.len,
		.proto = in.proto,
		.tos = in.tos,
		.ttl = OUTER_TTL,
		.id = ip_id,
		.df = in.df,
		.flow = t->flow_hash,
	};
	uint8_t *p = (uint8_t *)rte_pktmbuf_prepend(m, growth);
	uint16_t sport_be = BE16(GUE_PORT_BASE | (t->flow_hash & 0x3fff));
	struct udp_hdr *udp;
	uint64_t sum;

	if (unlikely(p == NULL))
		return REASON_NO_MBUF;
	p += l3_off;
	if (t->mode == L4_IPIP) {
		build_ip(p, &ip);
		return REASON_NONE;
	}
	ip.proto = PROTO_UDP;
	ip.payload_len = (uint16_t)(UDP_HDR_LEN + GUE_HDR_LEN + in.len);
	p = build_ip(p, &ip);
	udp = (struct udp_hdr *)p;
	p = build_udp(p, sport_be, t->gue_port_be, (uint16_t)(GUE_HDR_LEN + in.len));
	/* Variant 0, no control, no extensions; the type is the inner protocol. */
	store_be32(p, (uint32_t)in.proto << 16);
	/* RFC 768 lets IPv4 go without; RFC 6935 would let a tunnel, but receivers rarely do. */
	if (ip_addr_is4(&t->dst))
		return REASON_NONE;
	sum = cksum_pseudo(&t->src, &t->dst, PROTO_UDP, ip.payload_len);
	sum = cksum_add(sum, udp, UDP_HDR_LEN + GUE_HDR_LEN);
	l3_off = (uint16_t)(l3_off + growth);
	if (pm != NULL)
		sum += inner_sum(m, l3_off, pm);
	else
		sum = cksum_add_mbuf(sum, m, l3_off, in.len);
	udp->cksum = (uint16_t)~cksum_fold(sum);
	udp->cksum = udp->cksum == 0 ? 0xffff : udp->cksum;
	return REASON_NONE;
}

/* *pm of the packet inside becomes that of the tunnel's. */
static inline void meta_encap(struct pkt_meta *pm, const struct l4_tunnel *t)
{
	bool outer4 = ip_addr_is4(&t->dst);
	uint8_t inner_proto = is4(pm) ? PROTO_IPIP : PROTO_IP6;

	pm->src = t->src;
	pm->dst = t->dst;
	pm->l3_len = (uint16_t)(pm->l3_len + l4_tunnel_growth(t->mode, &t->dst));
	pm->l4_off = (uint16_t)(pm->l3_off + (outer4 ? IP4_HDR_LEN : IP6_HDR_LEN));
	pm->proto_off = (uint16_t)(pm->l3_off + (outer4 ? 9 : 6));
	pm->proto = t->mode == L4_GUE ? PROTO_UDP : inner_proto;
	pm->kind = outer4 ? PKT_IP4 : PKT_IP6;
	pm->flags = (uint16_t)((pm->flags & PKT_F_DF) | (is4(pm) && outer4 ? 0 : PKT_F_DF));
	pm->ip_ver = outer4 ? 4 : 6;
	pm->ttl = OUTER_TTL;
	pm->frag_off = pm->frag_hdr_off = 0;
	pm->sport = pm->dport = 0;
	pm->tcp_flags = 0;
}

static enum reason rewrite_tunnel(struct l4_worker *w, struct rte_mbuf *m, struct pkt_meta *pm,
	const struct l4_verdict *v, const struct l4_egress *eg)
{
	bool outer4 = ip_addr_is4(&v->nexthop);
	const struct l4_service *s = &w->table->services[v->service];
	struct l4_tunnel t = {
		.mode = v->op == L4_OP_GUE ? L4_GUE : L4_IPIP,
		.gue_port_be = v->gue_port_be,
		.flow_hash = v->flow_hash,
		.src = l4_tunnel_source(
			&s->tunnel_source[!outer4], outer4 ? &eg->src4 : &eg->src6, v->flow_hash),
		.dst = v->nexthop,
	};
	enum reason r;

	if (unlikely(ip_addr_is_zero(&t.src)))
		return REASON_NO_ROUTE;
	r = encap(m, pm->l3_off, pm, &t, w->ip_id++);
	if (likely(r == REASON_NONE))
		meta_encap(pm, &t);
	return r;
}

enum reason l4_encap_probe(struct rte_mbuf *m, const struct l4_tunnel *t)
{
	if (t->mode != L4_IPIP && t->mode != L4_GUE)
		return REASON_NONE;
	return encap(m, 0, NULL, t, 0);
}

/* ---- translation ---- */

/* Ports and transport checksum, where the packet has a transport header. */
static inline void translate_l4(
	uint8_t *l4, const struct pkt_meta *pm, const struct l4_verdict *v, uint64_t diff)
{
	if (pm->proto == PROTO_TCP) {
		struct tcp_hdr *h = (struct tcp_hdr *)l4;

		diff = cksum_diff16(diff, h->sport_be, v->sport);
		diff = cksum_diff16(diff, h->dport_be, v->dport);
		h->cksum = cksum_apply(h->cksum, diff);
		h->sport_be = v->sport;
		h->dport_be = v->dport;
	} else {
		struct udp_hdr *h = (struct udp_hdr *)l4;

		diff = cksum_diff16(diff, h->sport_be, v->sport);
		diff = cksum_diff16(diff, h->dport_be, v->dport);
		h->cksum = cksum_apply_udp(h->cksum, diff);
		h->sport_be = v->sport;
		h->dport_be = v->dport;
	}
}

static void translate_same(struct rte_mbuf *m, struct pkt_meta *pm, const struct l4_verdict *v)
{
	uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, pm->l3_off);
	uint64_t diff = cksum_diff_addr(0, &pm->src, &v->src);

	diff = cksum_diff_addr(diff, &pm->dst, &v->dst);
	if (is4(pm)) {
		struct ip4_hdr *h = (struct ip4_hdr *)l3;

		h->src_be = v->src.w[3];
		h->dst_be = v->dst.w[3];
		h->cksum = cksum_apply(h->cksum, diff);
	} else {
		struct ip6_hdr *h = (struct ip6_hdr *)l3;

		memcpy(h->src, &v->src, 16);
		memcpy(h->dst, &v->dst, 16);
	}
	if (likely(pm->frag_off == 0))
		translate_l4(l3 + (pm->l4_off - pm->l3_off), pm, v, diff);
	ttl_decrement(l3, pm);
	pm->src = v->src;
	pm->dst = v->dst;
	pm->sport = v->sport;
	pm->dport = v->dport;
}

/* The longest segment that fits both ways: against this SYN come packets that end up with either
 * side's header. */
static void clamp_mss(struct rte_mbuf *m, const struct pkt_meta *pm, const struct l4_verdict *v,
	const struct l4_egress *eg)
{
	uint8_t *tcp = rte_pktmbuf_mtod_offset(m, uint8_t *, pm->l4_off);
	uint32_t mtu = eg->mtu_back != 0 && eg->mtu_back < eg->mtu ? eg->mtu_back : eg->mtu;
	uint32_t headers = TCP_HDR_LEN;

	if (v->op == L4_OP_NAT)
		headers += IP6_HDR_LEN; /* one side is IPv6 */
	else
		headers += (is4(pm) ? IP4_HDR_LEN : IP6_HDR_LEN) + (uint32_t)v->growth;
	/* A malformed option list is the backend's to judge. */
	if (mtu > headers && tcpopt_clamp_mss(tcp, (uint16_t)(mtu - headers)) < 0)
		return;
}

static enum reason rewrite_error(struct rte_mbuf *m, struct pkt_meta *pm,
	const struct l4_verdict *v, const struct l4_egress *eg)
{
	bool to4 = ip_addr_is4(&v->dst);
	uint16_t back = eg->mtu_back != 0 ? eg->mtu_back : eg->mtu;
	struct icmp_nat to = {
		.outer_src = v->src,
		.outer_dst = v->dst,
		.inner_src = v->inner_src,
		.inner_dst = v->inner_dst,
		.inner_sport = v->inner_sport,
		.inner_dport = v->inner_dport,
		.mtu4 = to4 ? eg->mtu : back,
		.mtu6 = to4 ? back : eg->mtu,
		.ttl = (uint8_t)(pm->ttl - 1),
	};

	return icmp_translate(m, pm, &to);
}

/* Where it fits, in the packet and in the TCP header; else the backend does without. */
static void add_toa(struct rte_mbuf *m, struct pkt_meta *pm, const struct l4_verdict *v,
	const struct l4_egress *eg)
{
	if (pm->l3_len + v->growth + tcpopt_toa_len(&v->client) > eg->mtu)
		return;
	if (tcpopt_insert_toa(m, pm, &v->client, v->client_port) != 0)
		return;
}

static enum reason rewrite_nat(struct l4_worker *w, struct rte_mbuf *m, struct pkt_meta *pm,
	const struct l4_verdict *v, const struct l4_egress *eg)
{
	if (unlikely(v->flags & L4_V_ERROR))
		return rewrite_error(m, pm, v, eg);
	if (unlikely(v->flags & L4_V_TOA))
		add_toa(m, pm, v, eg);
	if (unlikely(ip_addr_is4(&v->dst) != is4(pm))) {
		struct xlate x = {
			.src = v->src,
			.dst = v->dst,
			.sport = v->sport,
			.dport = v->dport,
			.ttl = (uint8_t)(pm->ttl - 1),
			.ip_id = w->ip_id++,
		};

		return xlate_packet(m, pm, &x);
	}
	translate_same(m, pm, v);
	return REASON_NONE;
}

enum reason l4_rewrite(struct l4_worker *w, struct rte_mbuf *m, struct pkt_meta *pm,
	const struct l4_verdict *v, const struct l4_egress *eg)
{
	if (unlikely(pm->ttl <= 1))
		return REASON_TTL_EXCEEDED;
	if (unlikely(v->flags & L4_V_MSS_CLAMP) && pm->frag_off == 0)
		clamp_mss(m, pm, v, eg);
	if (v->op == L4_OP_NAT)
		return rewrite_nat(w, m, pm, v, eg);
	ttl_decrement(rte_pktmbuf_mtod_offset(m, uint8_t *, pm->l3_off), pm);
	if (v->op == L4_OP_DSR)
		return REASON_NONE;
	return rewrite_tunnel(w, m, pm, v, eg);
}
