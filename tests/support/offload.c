/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/offload.h"

#include <string.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include "dataplane/base/assert.h"

#define FIN 0x01
#define PSH 0x08
#define CWR 0x80

/* Not those of dataplane/net/hdr.h, which names the same structures as rte_ip.h's headers. */
static uint32_t get_be16(const uint8_t *p)
{
	return (uint32_t)(p[0] << 8 | p[1]);
}

static void put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void add_be32(uint8_t *p, uint32_t n)
{
	uint32_t v = (get_be16(p) << 16 | get_be16(p + 2)) + n;

	put_be16(p, v >> 16);
	put_be16(p + 2, v);
}

static uint8_t whole[OFFLOAD_MAX], out[OFFLOAD_MAX];

static uint32_t flatten(const struct rte_mbuf *m, uint8_t *to)
{
	uint32_t len = 0;

	for (; m != NULL; m = m->next) {
		ASSERT(len + m->data_len <= OFFLOAD_MAX);
		memcpy(to + len, rte_pktmbuf_mtod(m, const void *), m->data_len);
		len += m->data_len;
	}
	return len;
}

static const char *tcp_wrong(const struct rte_mbuf *m, const uint8_t *l3, uint32_t len)
{
	const struct rte_tcp_hdr *th = (const void *)(l3 + m->l3_len);
	uint16_t seed;

	if (len < (uint32_t)m->l3_len + 20)
		return "shorter than its headers";
	if (m->ol_flags & RTE_MBUF_F_TX_IPV4)
		seed = rte_ipv4_phdr_cksum((const void *)l3, m->ol_flags);
	else
		seed = rte_ipv6_phdr_cksum((const void *)l3, m->ol_flags);
	/* Two sums may name the same value: 0 and ffff. */
	if (seed % 0xffff != th->cksum % 0xffff)
		return "the checksum's seed is not that of the pseudo-header";
	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG))
		return NULL;
	if (m->l4_len != (th->data_off >> 4) * 4u)
		return "l4_len is not that of the TCP header with its options";
	if (m->tso_segsz == 0)
		return "no segment size";
	return len - m->l3_len - m->l4_len <= m->tso_segsz ? "nothing to cut" : NULL;
}

const char *offload_wrong(const struct rte_mbuf *m)
{
	const uint8_t *l3 = rte_pktmbuf_mtod_offset(m, const uint8_t *, m->l2_len);
	uint64_t sums = RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IP_CKSUM, fl = m->ol_flags;
	uint32_t len = m->pkt_len - (uint32_t)m->l2_len;
	bool v4 = l3[0] >> 4 == 4;

	if (rte_mbuf_check(m, 1, &(const char *){NULL}) != 0)
		return "the chain is not sound";
	if (rte_validate_tx_offload(m) != 0)
		return "rte_validate_tx_offload() refuses the flags";
	if (fl & RTE_MBUF_F_TX_TCP_SEG && !(fl & RTE_MBUF_F_TX_TCP_CKSUM))
		return "TSO without checksums";
	if (!(fl & sums))
		return NULL;
	if (v4 != ((fl & RTE_MBUF_F_TX_IPV4) != 0) || v4 == ((fl & RTE_MBUF_F_TX_IPV6) != 0))
		return "the flags name another family";
	if (m->l3_len != (v4 ? (l3[0] & 15) * 4u : 40u))
		return "l3_len is not that of the IP header";
	if (fl & RTE_MBUF_F_TX_IP_CKSUM && ((const struct rte_ipv4_hdr *)l3)->hdr_checksum != 0)
		return "the IP checksum is not left empty";
	if ((v4 ? get_be16(l3 + 2) : get_be16(l3 + 4) + 40u) != len)
		return "the IP length is not that of the frame";
	return fl & RTE_MBUF_F_TX_TCP_CKSUM ? tcp_wrong(m, l3, len) : NULL;
}

/* One's complement sum of n bytes, as a port makes it. */
static uint32_t raw_sum(const uint8_t *p, uint32_t n)
{
	uint64_t s = 0;

	for (uint32_t i = 0; i + 1 < n; i += 2)
		s += (uint32_t)(p[i] << 8 | p[i + 1]);
	if (n & 1)
		s += (uint32_t)(p[n - 1] << 8);
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	return (uint32_t)s;
}

static uint16_t finish(uint32_t s)
{
	while (s >> 16 != 0)
		s = (s & 0xffff) + (s >> 16);
	return rte_cpu_to_be_16((uint16_t)~s);
}

static void sums(const struct rte_mbuf *m, uint8_t *frame, uint32_t len)
{
	uint8_t *l3 = frame + m->l2_len;
	struct rte_ipv4_hdr *ip = (void *)l3;
	struct rte_tcp_hdr *th = (void *)(l3 + m->l3_len);
	uint32_t l4 = len - (uint32_t)m->l2_len - (uint32_t)m->l3_len;
	bool tso = (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;

	if (m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM)
		/* The seed lacks the length when the port decides it. */
		th->cksum = finish(raw_sum((const uint8_t *)th, l4) + (tso ? l4 : 0));
	if (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM)
		ip->hdr_checksum = finish(raw_sum(l3, m->l3_len));
}

static void set_lengths(const struct rte_mbuf *m, uint8_t *frame, uint32_t len, uint32_t nth)
{
	uint8_t *l3 = frame + m->l2_len;
	uint32_t l3_all = len - (uint32_t)m->l2_len;

	if (m->ol_flags & RTE_MBUF_F_TX_IPV4) {
		put_be16(l3 + 2, l3_all);
		put_be16(l3 + 4, get_be16(l3 + 4) + nth);
	} else {
		put_be16(l3 + 4, l3_all - 40);
	}
}

void offload_send(
	const struct rte_mbuf *m, void (*fn)(void *ctx, uint8_t *frame, uint32_t len), void *ctx)
{
	uint32_t len = flatten(m, whole), nth = 0;
	uint32_t hdr = (uint32_t)m->l2_len + (uint32_t)m->l3_len + (uint32_t)m->l4_len;

	if (!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG)) {
		sums(m, whole, len);
		fn(ctx, whole, len);
		return;
	}
	for (uint32_t at = hdr; at < len; at += m->tso_segsz, nth++) {
		uint32_t n = len - at < m->tso_segsz ? len - at : m->tso_segsz;
		uint8_t *th = out + m->l2_len + m->l3_len;

		memcpy(out, whole, hdr);
		memcpy(out + hdr, whole + at, n);
		add_be32(th + 4, at - hdr);
		if (at + n < len)
			th[13] &= (uint8_t) ~(FIN | PSH);
		if (nth > 0)
			th[13] &= (uint8_t)~CWR;
		set_lengths(m, out, hdr + n, nth);
		sums(m, out, hdr + n);
		fn(ctx, out, hdr + n);
	}
}
