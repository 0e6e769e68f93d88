/* SPDX-License-Identifier: Apache-2.0
 * pkt - what one look at a packet's headers yields: parse -> decide -> rewrite work on it.
 * Owner:      the caller's stack, one per packet of a burst; points into nothing.
 * Units:      offsets in bytes from the start of the frame; ports in network order.
 * Limits:     LIMIT_VLAN_TAGS, LIMIT_IPV6_EXT_HDRS; headers must lie in the first mbuf segment.
 * Cost:       reads the headers once, in order; no allocation. */
#ifndef DATAPLANE_NET_PKT_H
#define DATAPLANE_NET_PKT_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/reason.h"
#include "dataplane/net/addr.h"

struct rte_mbuf;

enum pkt_kind {
	PKT_OTHER, /* EtherType without a handler */
	PKT_ARP,
	PKT_IP4,
	PKT_IP6,
};

enum pkt_flag {
	PKT_F_FRAG = 1 << 0,       /* any fragment */
	PKT_F_FRAG_FIRST = 1 << 1, /* offset 0, more to come: has the transport header */
	PKT_F_DF = 1 << 2,         /* may not be fragmented (always set for IPv6) */
	PKT_F_OPTIONS = 1 << 3,    /* IPv4 options or IPv6 extension headers before the transport */
	PKT_F_L2_GROUP = 1 << 4,   /* sent to a broadcast or multicast MAC */
	PKT_F_ICMP_ERROR = 1 << 5, /* ICMP error with an inner packet: inner_* are valid */
	PKT_F_PORTS = 1 << 6,      /* sport and dport are valid (TCP, UDP, echo identifier) */
	PKT_F_INNER_PORTS = 1 << 7,
};

struct pkt_inner {
	struct ip_addr src, dst;
	uint16_t sport, dport;
	uint16_t l3_off, l4_off;
	uint8_t proto;
};

struct pkt_meta {
	struct ip_addr src, dst;
	uint16_t sport, dport; /* network order; ICMP echo: both are the identifier; else 0 */
	uint16_t l3_off, l4_off;
	uint16_t l3_len;   /* bytes of the IP packet, without link padding */
	uint16_t frag_off; /* bytes */
	uint32_t frag_id;  /* IPv4 identification (16 bits) or IPv6 fragment id, network order */
	uint16_t frag_hdr_off; /* IPv6 fragment header; 0 if there is none */
	uint16_t proto_off; /* the byte that names `proto`: IPv4 protocol or the last next-header */
	uint16_t vlan;      /* VLAN id of the outer tag or of the port's stripped tag, 0 untagged */
	uint16_t flags;     /* enum pkt_flag */
	uint8_t kind;       /* enum pkt_kind */
	uint8_t ip_ver;     /* 4, 6, or 0 */
	uint8_t proto;      /* upper protocol after extension headers; 6, 17, 1, 58, ... */
	uint8_t ttl;
	uint8_t tcp_flags; /* FIN 1 SYN 2 RST 4 PSH 8 ACK 16 URG 32 ECE 64 CWR 128 */
	uint8_t icmp_type, icmp_code;
	uint8_t tos;
	struct pkt_inner inner; /* with PKT_F_ICMP_ERROR */
};

/* Parse a frame of `len` contiguous bytes whose whole packet has `pkt_len` bytes (>= len; equal for
 * one segment). Fills *m and returns REASON_NONE, or the reason to drop it; then only kind and the
 * offsets reached are set. The IPv4 header checksum is verified here unless `ip_csum_good`; the
 * transport checksum is not (see net/cksum.h). PKT_ARP and PKT_OTHER are accepted as they are, with
 * l3_off and l3_len set. m->vlan is the tag in the frame; a caller whose port strips tags sets it
 * from the mbuf. Pure: reads nothing but the arguments. */
enum reason pkt_parse(const uint8_t *frame, uint32_t len, uint32_t pkt_len, bool ip_csum_good,
	struct pkt_meta *m) WARN_UNUSED;

#endif
