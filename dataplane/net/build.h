/* SPDX-License-Identifier: Apache-2.0
 * build - write protocol headers into a buffer, one behind the other.
 * Owner:      the caller's buffer; each build_* function returns the byte behind what it wrote.
 * Invariants: BU1 IPv4 checksums are right; transport checksums are 0, fill them in with
 *             cksum_prepare_tx() or cksum_fill_l4() when the payload is there.
 * Units:      addresses and ports in network order, lengths and ids in host order.
 * Limits:     the caller has room: BUILD_L2_MAX, IP4_HDR_LEN, IP6_HDR_LEN, ... */
#ifndef DATAPLANE_NET_BUILD_H
#define DATAPLANE_NET_BUILD_H

#include <rte_mbuf.h>

#include "dataplane/net/cksum.h"
#include "dataplane/net/hdr.h"
#include "dataplane/net/netif.h"

#define BUILD_L2_MAX (ETH_HDR_LEN + VLAN_TAG_LEN)

/* Bytes of the Ethernet header of nif's frames. */
ALWAYS_INLINE uint16_t build_l2_len(const struct net_if *nif)
{
	return nif->vlan ? ETH_HDR_LEN + VLAN_TAG_LEN : ETH_HDR_LEN;
}

ALWAYS_INLINE uint8_t *build_eth(
	uint8_t *p, const struct net_if *nif, const uint8_t dst[6], uint16_t type)
{
	memcpy(p, dst, 6);
	memcpy(p + 6, nif->mac, 6);
	p += 12;
	if (nif->vlan) {
		store_be16(p, ETH_VLAN);
		store_be16(p + 2, nif->vlan);
		p += VLAN_TAG_LEN;
	}
	store_be16(p, type);
	return p + 2;
}

struct build_ip {
	const struct ip_addr *src, *dst; /* both of one family */
	uint16_t payload_len;
	uint8_t proto, tos, ttl;
	uint16_t id;   /* IPv4 */
	bool df;       /* IPv4 */
	uint32_t flow; /* IPv6 flow label, 20 bits */
};

ALWAYS_INLINE uint8_t *build_ip4(uint8_t *p, const struct build_ip *b)
{
	struct ip4_hdr *h = (struct ip4_hdr *)p;

	h->ver_ihl = 0x45;
	h->tos = b->tos;
	h->total_len_be = BE16(IP4_HDR_LEN + b->payload_len);
	h->id_be = BE16(b->id);
	h->frag_be = b->df ? BE16(IP4_DF) : 0;
	h->ttl = b->ttl;
	h->proto = b->proto;
	h->src_be = b->src->w[3];
	h->dst_be = b->dst->w[3];
	h->cksum = cksum_ip4(h);
	return p + IP4_HDR_LEN;
}

ALWAYS_INLINE uint8_t *build_ip6(uint8_t *p, const struct build_ip *b)
{
	struct ip6_hdr *h = (struct ip6_hdr *)p;

	h->ver_tc_flow_be = BE32(6u << 28 | (uint32_t)b->tos << 20 | (b->flow & 0xfffff));
	h->payload_len_be = BE16(b->payload_len);
	h->next = b->proto;
	h->hop_limit = b->ttl;
	memcpy(h->src, b->src, 16);
	memcpy(h->dst, b->dst, 16);
	return p + IP6_HDR_LEN;
}

ALWAYS_INLINE uint8_t *build_ip(uint8_t *p, const struct build_ip *b)
{
	return ip_addr_is4(b->dst) ? build_ip4(p, b) : build_ip6(p, b);
}

ALWAYS_INLINE uint16_t build_ip_len(const struct ip_addr *dst)
{
	return ip_addr_is4(dst) ? IP4_HDR_LEN : IP6_HDR_LEN;
}

ALWAYS_INLINE uint8_t *build_udp(
	uint8_t *p, uint16_t sport_be, uint16_t dport_be, uint16_t payload_len)
{
	struct udp_hdr *h = (struct udp_hdr *)p;

	h->sport_be = sport_be;
	h->dport_be = dport_be;
	h->len_be = BE16(UDP_HDR_LEN + payload_len);
	h->cksum = 0;
	return p + UDP_HDR_LEN;
}

struct build_tcp {
	uint16_t sport_be, dport_be;
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	uint8_t opt_len; /* bytes of options that follow, a multiple of 4 */
};

ALWAYS_INLINE uint8_t *build_tcp(uint8_t *p, const struct build_tcp *b)
{
	struct tcp_hdr *h = (struct tcp_hdr *)p;

	h->sport_be = b->sport_be;
	h->dport_be = b->dport_be;
	h->seq_be = BE32(b->seq);
	h->ack_be = BE32(b->ack);
	h->off = (uint8_t)((TCP_HDR_LEN + b->opt_len) << 2);
	h->flags = b->flags;
	h->window_be = BE16(b->window);
	h->cksum = 0;
	h->urgent_be = 0;
	return p + TCP_HDR_LEN;
}

ALWAYS_INLINE uint8_t *build_icmp(uint8_t *p, uint8_t type, uint8_t code, uint32_t word)
{
	struct icmp_hdr *h = (struct icmp_hdr *)p;

	h->type = type;
	h->code = code;
	h->cksum = 0;
	h->word_be = BE32(word);
	return p + ICMP_HDR_LEN;
}

/* Give the packet, whose IP header is at l3_off, the Ethernet header of nif instead of whatever
 * stands before. Returns false when the mbuf has no headroom for it (the packet is unchanged). */
ALWAYS_INLINE bool build_l2(struct rte_mbuf *m, uint16_t l3_off, const struct net_if *nif,
	const uint8_t dst[6], uint16_t type)
{
	uint16_t need = build_l2_len(nif);

	if (need < l3_off)
		rte_pktmbuf_adj(m, (uint16_t)(l3_off - need));
	else if (need > l3_off && !rte_pktmbuf_prepend(m, (uint16_t)(need - l3_off)))
		return false;
	build_eth(rte_pktmbuf_mtod(m, uint8_t *), nif, dst, type);
	return true;
}

#endif
