/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l4/reply.h"

#include <rte_mbuf.h>

#include "dataplane/net/build.h"
#include "dataplane/net/cksum.h"

#define REPLY_TTL 64

/* Sequence space the segment takes: its payload, and one each for SYN and FIN. */
static uint32_t segment_len(const struct pkt_meta *pm, const struct tcp_hdr *tcp)
{
	uint32_t headers = (uint32_t)(pm->l4_off - pm->l3_off) + (uint32_t)(tcp->off >> 4) * 4;

	return (pm->l3_len > headers ? pm->l3_len - headers : 0) + ((tcp->flags & TCP_SYN) != 0) +
	       ((tcp->flags & TCP_FIN) != 0);
}

static struct build_tcp answer_to(const struct pkt_meta *pm, const struct tcp_hdr *tcp)
{
	struct build_tcp t = {.sport_be = tcp->dport_be, .dport_be = tcp->sport_be};

	if (tcp->flags & TCP_ACK) {
		t.seq = BE32(tcp->ack_be);
		t.flags = TCP_RST;
	} else {
		t.ack = BE32(tcp->seq_be) + segment_len(pm, tcp);
		t.flags = TCP_RST | TCP_ACK;
	}
	return t;
}

struct rte_mbuf *l4_reply_rst(const struct rte_mbuf *m, const struct pkt_meta *pm,
	const struct net_if *nif, struct rte_mempool *pool)
{
	const uint8_t *eth = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct tcp_hdr *tcp = (const struct tcp_hdr *)(eth + pm->l4_off);
	struct build_ip ip = {.src = &pm->dst,
		.dst = &pm->src,
		.payload_len = TCP_HDR_LEN,
		.proto = PROTO_TCP,
		.ttl = REPLY_TTL,
		.df = true};
	uint16_t l2_len = build_l2_len(nif), l3_len = build_ip_len(&pm->src);
	struct cksum_tx tx = {
		.l2_len = l2_len, .l3_len = l3_len, .l4_len = TCP_HDR_LEN, .proto = PROTO_TCP};
	struct build_tcp t;
	struct rte_mbuf *out;
	uint8_t *p;

	if (pm->proto != PROTO_TCP || (pm->flags & (PKT_F_FRAG | PKT_F_L2_GROUP)) ||
		(tcp->flags & TCP_RST))
		return NULL;
	out = rte_pktmbuf_alloc(pool);
	if (out == NULL)
		return NULL;
	p = (uint8_t *)rte_pktmbuf_append(out, (uint16_t)(l2_len + l3_len + TCP_HDR_LEN));
	if (p == NULL) {
		rte_pktmbuf_free(out);
		return NULL;
	}
	p = build_eth(p, nif, eth + 6, ip_addr_is4(&pm->src) ? ETH_IP4 : ETH_IP6);
	p = build_ip(p, &ip);
	t = answer_to(pm, tcp);
	build_tcp(p, &t);
	cksum_prepare_tx(out, &tx, nif);
	return out;
}
