/* SPDX-License-Identifier: Apache-2.0
 * xlate - turn an IPv4 packet into an IPv6 one and back, for full NAT between families (RFC 7915).
 * Owner:      the caller's packet.
 * Invariants: XL1 a right transport checksum stays right, a wrong one stays wrong, but for an IPv4
 *             UDP packet without one, which gets one (RFC 7915 4.5).
 *             XL2 what is refused is unchanged.
 * Units:      ports in network order.
 * Limits:     IPv4 options and IPv6 hop-by-hop, destination and routing headers are left behind
 *             (RFC 7915 4.1, 5.1); AH cannot cross.
 * Cost:       tens of cycles; a whole sum over the packet only for UDP without a checksum. */
#ifndef DATAPLANE_NET_XLATE_H
#define DATAPLANE_NET_XLATE_H

#include "dataplane/net/pkt.h"

struct rte_mbuf;

struct xlate {
	struct ip_addr src, dst; /* of the family to go to */
	uint16_t sport, dport;   /* ICMP echo: sport is the identifier */
	uint8_t ttl;             /* to be written: the caller has counted the hop */
	uint16_t ip_id;          /* IPv4 identification for packets that may be fragmented later */
};

/* The most an IPv4 packet grows: 20 bytes, and 8 for a fragment header. */
#define XLATE_GROW_MAX 28

/* TCP, UDP, or an ICMP echo; ICMP errors have icmp_translate(). Rewrites IP header, ports and
 * transport checksum; *pm follows. l3_off is unchanged, the link header before it is undefined
 * afterwards: send with neigh_send(). Later fragments have no ports: sport and dport are ignored.
 * An IPv4 packet without DF is not cut to 1280 bytes here: compare pm->l3_len with the MTU.
 * REASON_NONE, FRAG_UNTRANSLATABLE (ICMP in fragments; UDP in fragments without a checksum),
 * PROTO_UNKNOWN, IP6_EXT_BAD (AH, or a routing header with segments left), TOO_BIG (above 65535
 * bytes), NO_MBUF (no headroom). */
enum reason xlate_packet(
	struct rte_mbuf *m, struct pkt_meta *pm, const struct xlate *x) WARN_UNUSED;

#endif
