/* SPDX-License-Identifier: Apache-2.0
 * rewrite - do to a packet what the verdict says.
 * Owner:      the mbuf stays the caller's, whatever the result.
 * Invariants: RW1 a right transport checksum stays right, a wrong one stays wrong. RW2 on
 * REASON_NONE the packet's IP header is at pm->l3_off behind the start of the data and *pm speaks
 *             of the packet as it is now; the bytes before it are for the link header to come.
 *             RW3 with another reason the packet is to be dropped.
 * Before:     cksum_forward_rx() has passed the packet (partial checksums are completed), and its
 *             size with v->growth fits eg->mtu.
 * Units:      bytes. Headers lie in the first segment, as pkt_parse() proves.
 * Errors:     TTL_EXCEEDED (nothing changed), NO_ROUTE (no outer source address of the family),
 *             NO_MBUF (no headroom), FRAG_UNTRANSLATABLE, and what icmp_translate() says.
 * Cost:       incremental checksums: 30 to 60 cycles. An outer UDP checksum (GUE in IPv6) is worked
 *             out from the inner one, not from the payload. */
#ifndef LB_L4_REWRITE_H
#define LB_L4_REWRITE_H

#include "dataplane/net/pkt.h"
#include "lb/l4/decide.h"

struct rte_mbuf;

/* Where the packet leaves. */
struct l4_egress {
	struct ip_addr src4, src6; /* own addresses towards the next hop; zero: none */
	uint16_t mtu;              /* of the port, IP bytes */
	uint16_t mtu_back;         /* of the port the packet came from; 0: as mtu */
};

/* IPv4 options are dropped where the family changes. Outer header: TTL 64, TOS copied with its ECN
 * bits (RFC 6040), DF as inside, set for IPv6 inside; a varying source and (GUE) source port, so
 * that the backend's NIC spreads the flows; flow label (RFC 6438). */
enum reason l4_rewrite(struct l4_worker *w, struct rte_mbuf *m, struct pkt_meta *pm,
	const struct l4_verdict *v, const struct l4_egress *eg) WARN_UNUSED;

/* The same tunnel for a health probe: m is an IP packet with checksums, without a link header. */
struct l4_tunnel {
	uint8_t mode; /* enum l4_mode; DSR and NAT modes leave the packet as it is */
	uint16_t gue_port_be;
	uint32_t flow_hash;
	struct ip_addr src, dst; /* outer, of one family */
};
/* REASON_NONE or NO_MBUF. */
enum reason l4_encap_probe(struct rte_mbuf *m, const struct l4_tunnel *t) WARN_UNUSED;

/* Outer source of a service's tunnels: own, or a member of the configured prefix by the hash. */
struct ip_addr l4_tunnel_source(
	const struct ip_prefix *prefix, const struct ip_addr *own, uint32_t flow_hash);

/* Bytes that a tunnel adds for an outer destination. */
uint8_t l4_tunnel_growth(uint8_t mode, const struct ip_addr *dst);

#endif
