/* SPDX-License-Identifier: Apache-2.0
 * cksum - Internet checksums: whole, incremental, and what the device says or is asked to do.
 * Owner:      none, pure but for the functions that take an mbuf to write to.
 * Invariants: CK1 sums are plain additions of 32- or 16-bit words as they lie in memory, kept in 64
 *             bits and folded at the end, so that byte order never matters (RFC 1071).
 *             CK2 a checksum updated here equals the one computed anew: never 0xffff where a full
 *             computation gives 0 (RFC 1624 section 3).
 *             CK3 a UDP checksum of 0 ("none", IPv4) stays 0; one that comes out as 0 is written
 *             0xffff (RFC 768).
 * Units:      16-bit checksums as they lie in memory; lengths in bytes.
 * Cost:       incremental 2-10 cycles; whole about 80 cycles for 1460 bytes. */
#ifndef DATAPLANE_NET_CKSUM_H
#define DATAPLANE_NET_CKSUM_H

#include "dataplane/net/hdr.h"
#include "dataplane/net/netif.h"
#include "dataplane/net/pkt.h"

struct rte_mbuf;

ALWAYS_INLINE uint16_t cksum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Add len bytes that start at an even offset of what is summed. */
uint64_t cksum_add(uint64_t sum, const void *data, uint32_t len);
/* Add len bytes of a packet from off on, over its segments; the bytes must be there. */
uint64_t cksum_add_mbuf(uint64_t sum, const struct rte_mbuf *m, uint32_t off, uint32_t len);

ALWAYS_INLINE uint64_t cksum_add_addr(uint64_t sum, const struct ip_addr *a)
{
	if (ip_addr_is4(a))
		return sum + a->w[3];
	return sum + a->w[0] + a->w[1] + a->w[2] + a->w[3];
}

/* Pseudo header of either family (RFC 9293 3.1, RFC 8200 8.1); l4_len includes the L4 header. */
ALWAYS_INLINE uint64_t cksum_pseudo(
	const struct ip_addr *src, const struct ip_addr *dst, uint8_t proto, uint32_t l4_len)
{
	return cksum_add_addr(cksum_add_addr((uint64_t)BE16(proto) + BE32(l4_len), src), dst);
}

/* Checksum of an IPv4 header whose checksum field counts as zero. */
ALWAYS_INLINE uint16_t cksum_ip4(const struct ip4_hdr *h)
{
	const uint8_t *p = (const uint8_t *)h;
	uint64_t s = (uint64_t)load32(p) + load32(p + 4) + load16(p + 8) + load32(p + 12) +
		     load32(p + 16);
	uint32_t hlen = (uint32_t)(p[0] & 15) * 4;

	if (unlikely(hlen > IP4_HDR_LEN))
		s = cksum_add(s, p + IP4_HDR_LEN, hlen - IP4_HDR_LEN);
	return (uint16_t)~cksum_fold(s);
}

/* --- incremental (RFC 1624, equation 3) --------------------------------------------------------
 * Gather what changes into a difference that starts at 0, then apply it to every checksum that
 * covers it. Both words must stand at the same parity of offset. */

ALWAYS_INLINE uint64_t cksum_diff16(uint64_t diff, uint16_t from, uint16_t to)
{
	return diff + (uint16_t)~from + to;
}

ALWAYS_INLINE uint64_t cksum_diff32(uint64_t diff, uint32_t from, uint32_t to)
{
	return diff + (uint32_t)~from + to;
}

/* The addresses may be of different families: translation between IPv4 and IPv6. */
ALWAYS_INLINE uint64_t cksum_diff_addr(
	uint64_t diff, const struct ip_addr *from, const struct ip_addr *to)
{
	if (likely(ip_addr_is4(from)))
		diff += (uint32_t)~from->w[3];
	else
		diff += (uint64_t)(uint32_t)~from->w[0] + (uint32_t)~from->w[1] +
			(uint32_t)~from->w[2] + (uint32_t)~from->w[3];
	return cksum_add_addr(diff, to);
}

ALWAYS_INLINE uint16_t cksum_apply(uint16_t cksum, uint64_t diff)
{
	return (uint16_t)~cksum_fold((uint16_t)~cksum + diff);
}

/* The same for UDP: 0 stays 0, and 0 is never made. */
ALWAYS_INLINE uint16_t cksum_apply_udp(uint16_t cksum, uint64_t diff)
{
	if (unlikely(cksum == 0))
		return 0;
	cksum = cksum_apply(cksum, diff);
	return cksum == 0 ? 0xffff : cksum;
}

/* --- receive -----------------------------------------------------------------------------------
 * The device says of the transport checksum: bad, none (the data is right, the field is not
 * complete), unknown, good. A kernel peer on a veth leaves the folded pseudo header in the field
 * and the device says unknown; only the port's configuration can tell that this is meant:
 * trust_partial. */

/* For packets that end here: REASON_NONE if the checksum is right, or the data is known to be;
 * REASON_L4_CHECKSUM or REASON_ICMP_CHECKSUM. Fragments and other protocols pass unjudged. */
enum reason cksum_verify_rx(
	const struct rte_mbuf *m, const struct pkt_meta *pm, bool trust_partial) WARN_UNUSED;

/* For packets that go on with an incremental update: the end host judges, so nothing is summed;
 * but a partial checksum is completed, because an update on it would not be one. REASON_NONE, or
 * what the device found bad. */
enum reason cksum_forward_rx(
	struct rte_mbuf *m, const struct pkt_meta *pm, bool trust_partial) WARN_UNUSED;

/* Did the device find the IPv4 header checksum right? The argument of pkt_parse(). */
bool cksum_ip_good(const struct rte_mbuf *m);

/* --- transmit ----------------------------------------------------------------------------------*/

/* Compute the transport checksum of a whole packet and write it; TCP, UDP, ICMP, ICMPv6. The L4
 * header lies in the first segment. */
void cksum_fill_l4(struct rte_mbuf *m, const struct pkt_meta *pm);

struct cksum_tx {
	uint16_t l2_len, l3_len; /* bytes of the Ethernet and of the IP header(s) */
	uint16_t l4_len;         /* bytes behind them */
	uint8_t proto;
};

/* Checksums of a packet made here, whose fields hold anything: IPv4 header and transport. Asks the
 * device by offload flags where nif can, and fills in the rest. The headers lie in the first
 * segment. */
void cksum_prepare_tx(struct rte_mbuf *m, const struct cksum_tx *t, const struct net_if *nif);

#endif
