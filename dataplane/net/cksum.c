/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/net/cksum.h"

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"

/* Plain reductions: the compiler makes vector code of the loop. */
uint64_t cksum_add(uint64_t sum, const void *data, uint32_t len)
{
	const uint8_t *p = data;
	uint32_t words = len / 8;
	uint64_t low = 0, high = 0;

	for (uint32_t i = 0; i < words; i++) {
		uint64_t w = load64(p + 8 * (size_t)i);

		low += (uint32_t)w;
		high += w >> 32;
	}
	sum += low + high;
	p += 8 * (size_t)words;
	if (len & 4) {
		sum += load32(p);
		p += 4;
	}
	if (len & 2) {
		sum += load16(p);
		p += 2;
	}
	if (len & 1)
		sum += *p; /* as if a zero byte followed (little endian) */
	return sum;
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the odd byte above");

/* A segment that starts at an odd offset is summed by itself and its sum turned by one byte
 * (RFC 1071 2 B). */
uint64_t cksum_add_mbuf(uint64_t sum, const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	uint32_t done = 0;

	for (; m && len > 0; m = m->next) {
		uint32_t n = m->data_len;
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		if (off >= n) {
			off -= n;
			continue;
		}
		n = n - off < len ? n - off : len;
		if (done & 1)
			sum += BE16(cksum_fold(cksum_add(0, p + off, n)));
		else
			sum = cksum_add(sum, p + off, n);
		done += n;
		len -= n;
		off = 0;
	}
	return sum;
}

struct l4_field {
	uint16_t *at;
	uint64_t pseudo; /* 0 for ICMP */
	uint32_t len;
};

/* Where the checksum of the packet's transport lies; false if there is none to speak of. */
static bool l4_locate(const struct rte_mbuf *m, const struct pkt_meta *pm, struct l4_field *f)
{
	uint8_t *l4 = rte_pktmbuf_mtod_offset(m, uint8_t *, pm->l4_off);
	uint32_t at;

	if ((pm->flags & PKT_F_FRAG) || (pm->ip_ver != 4 && pm->ip_ver != 6))
		return false;
	f->len = (uint32_t)pm->l3_off + pm->l3_len - pm->l4_off;
	f->pseudo = 0;
	if (pm->proto == PROTO_TCP)
		at = offsetof(struct tcp_hdr, cksum);
	else if (pm->proto == PROTO_UDP)
		at = offsetof(struct udp_hdr, cksum);
	else if (pm->proto == (pm->ip_ver == 4 ? PROTO_ICMP : PROTO_ICMP6))
		at = offsetof(struct icmp_hdr, cksum);
	else
		return false;
	if (pm->proto == PROTO_UDP) /* bytes behind the datagram are not its payload */
		f->len = load_be16(l4 + offsetof(struct udp_hdr, len_be));
	if (pm->proto != PROTO_ICMP)
		f->pseudo = cksum_pseudo(&pm->src, &pm->dst, pm->proto, f->len);
	f->at = (uint16_t *)(void *)(l4 + at);
	return true;
}

static bool is_partial(const struct pkt_meta *pm, const struct l4_field *f)
{
	return (pm->proto == PROTO_TCP || pm->proto == PROTO_UDP) &&
	       load16(f->at) == cksum_fold(f->pseudo);
}

static enum reason bad_reason(const struct pkt_meta *pm)
{
	return pm->proto == PROTO_TCP || pm->proto == PROTO_UDP ? REASON_L4_CHECKSUM
								: REASON_ICMP_CHECKSUM;
}

enum reason cksum_verify_rx(const struct rte_mbuf *m, const struct pkt_meta *pm, bool trust_partial)
{
	uint64_t said = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	struct l4_field f;

	if (said == RTE_MBUF_F_RX_L4_CKSUM_GOOD || said == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		return REASON_NONE;
	if (!l4_locate(m, pm, &f))
		return REASON_NONE;
	if (pm->proto == PROTO_UDP && load16(f.at) == 0)
		return pm->ip_ver == 4 ? REASON_NONE : REASON_L4_CHECKSUM; /* RFC 8200 8.1 */
	if (said == RTE_MBUF_F_RX_L4_CKSUM_BAD && !trust_partial)
		return bad_reason(pm);
	if (trust_partial && is_partial(pm, &f))
		return REASON_NONE;
	if (cksum_fold(cksum_add_mbuf(f.pseudo, m, pm->l4_off, f.len)) == 0xffff)
		return REASON_NONE;
	return bad_reason(pm);
}

/* Write the checksum of what l4_locate() found. */
static void l4_fill(struct rte_mbuf *m, const struct pkt_meta *pm, const struct l4_field *f)
{
	uint16_t c;

	store16(f->at, 0);
	c = (uint16_t)~cksum_fold(cksum_add_mbuf(f->pseudo, m, pm->l4_off, f->len));
	store16(f->at, c == 0 && pm->proto == PROTO_UDP ? 0xffff : c);
}

void cksum_fill_l4(struct rte_mbuf *m, const struct pkt_meta *pm)
{
	struct l4_field f;

	if (l4_locate(m, pm, &f))
		l4_fill(m, pm, &f);
}

enum reason cksum_forward_rx(struct rte_mbuf *m, const struct pkt_meta *pm, bool trust_partial)
{
	uint64_t said = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	struct l4_field f;

	if (likely(said == RTE_MBUF_F_RX_L4_CKSUM_GOOD) ||
		likely(said == RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN && !trust_partial))
		return REASON_NONE;
	if (!l4_locate(m, pm, &f) || (pm->proto == PROTO_UDP && load16(f.at) == 0))
		return REASON_NONE;
	if (said == RTE_MBUF_F_RX_L4_CKSUM_NONE || (trust_partial && is_partial(pm, &f))) {
		l4_fill(m, pm, &f);
		return REASON_NONE;
	}
	return said == RTE_MBUF_F_RX_L4_CKSUM_BAD ? bad_reason(pm) : REASON_NONE;
}

bool cksum_ip_good(const struct rte_mbuf *m)
{
	return (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
}

/* Which offload does the device do for this transport; 0 for none. */
static uint64_t tx_l4_flag(uint8_t proto, const struct net_if *nif)
{
	if (proto == PROTO_TCP && (nif->offloads & NET_TX_TCP_CKSUM))
		return RTE_MBUF_F_TX_TCP_CKSUM;
	if (proto == PROTO_UDP && (nif->offloads & NET_TX_UDP_CKSUM))
		return RTE_MBUF_F_TX_UDP_CKSUM;
	return 0;
}

void cksum_prepare_tx(struct rte_mbuf *m, const struct cksum_tx *t, const struct net_if *nif)
{
	uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, t->l2_len);
	struct pkt_meta pm = {.proto = t->proto, .l3_off = t->l2_len};
	uint64_t l4_flag = tx_l4_flag(t->proto, nif);
	struct l4_field f;

	pm.ip_ver = l3[0] >> 4;
	pm.l3_len = (uint16_t)(t->l3_len + t->l4_len);
	pm.l4_off = (uint16_t)(t->l2_len + t->l3_len);
	m->ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4 |
			 RTE_MBUF_F_TX_IPV6);
	m->tx_offload = rte_mbuf_tx_offload(t->l2_len, t->l3_len, 0, 0, 0, 0, 0);
	if (pm.ip_ver == 4) {
		struct ip4_hdr *h = (struct ip4_hdr *)l3;

		pm.src = ip_addr_from4(h->src_be);
		pm.dst = ip_addr_from4(h->dst_be);
		h->cksum = 0;
		if (nif->offloads & NET_TX_IP4_CKSUM)
			m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
		else
			h->cksum = cksum_ip4(h);
	} else {
		pm.src = ip_addr_from6(l3 + 8);
		pm.dst = ip_addr_from6(l3 + 24);
	}
	if (!l4_locate(m, &pm, &f))
		return;
	if (!l4_flag) {
		l4_fill(m, &pm, &f);
		return;
	}
	/* The device wants the folded pseudo header in the field (rte_mbuf_core.h). */
	store16(f.at, cksum_fold(f.pseudo));
	m->ol_flags |= l4_flag | (pm.ip_ver == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
}
