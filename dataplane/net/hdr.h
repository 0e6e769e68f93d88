/* SPDX-License-Identifier: Apache-2.0
 * hdr - the protocol headers as they lie on the wire, and their constants.
 * Owner: none.  Units: every multi-byte field is in network order (_be); the structs are packed, so
 * that they may be laid over any byte of a frame.  Source: IEEE 802.3/802.1Q, RFC 826, 791, 8200,
 * 792, 4443, 4861, 9293, 768. */
#ifndef DATAPLANE_NET_HDR_H
#define DATAPLANE_NET_HDR_H

#include "dataplane/base/compiler.h"

#define WIRE __attribute__((packed, may_alias))

#define ETH_HDR_LEN  14
#define VLAN_TAG_LEN 4
#define IP4_HDR_LEN  20
#define IP6_HDR_LEN  40
#define TCP_HDR_LEN  20
#define UDP_HDR_LEN  8
#define ICMP_HDR_LEN 8
#define IP6_FRAG_LEN 8
#define IP4_HDR_MAX  60
#define TCP_HDR_MAX  60
#define IP4_MIN_MTU  68
#define IP6_MIN_MTU  1280

enum eth_type {
	ETH_IP4 = 0x0800,
	ETH_ARP = 0x0806,
	ETH_VLAN = 0x8100,
	ETH_IP6 = 0x86dd,
	ETH_QINQ = 0x88a8
};

enum ip_proto {
	PROTO_HOPOPT = 0,
	PROTO_ICMP = 1,
	PROTO_IPIP = 4,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_IP6 = 41,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AH = 51,
	PROTO_ICMP6 = 58,
	PROTO_NONE = 59,
	PROTO_DSTOPTS = 60,
};

enum tcp_flag {
	TCP_FIN = 1,
	TCP_SYN = 2,
	TCP_RST = 4,
	TCP_PSH = 8,
	TCP_ACK = 16,
	TCP_URG = 32,
	TCP_ECE = 64,
	TCP_CWR = 128,
};

#define IP4_DF       0x4000
#define IP4_MF       0x2000
#define IP4_OFF_MASK 0x1fff /* in units of 8 bytes */
#define IP6_MF       0x0001
#define IP6_OFF_MASK 0xfff8 /* already in bytes */

enum icmp4_type {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACH = 3,
	ICMP4_QUENCH = 4,
	ICMP4_REDIRECT = 5,
	ICMP4_ECHO = 8,
	ICMP4_TIME = 11,
	ICMP4_PARAM = 12,
};

enum icmp4_unreach {
	ICMP4_UNREACH_NET = 0,
	ICMP4_UNREACH_HOST = 1,
	ICMP4_UNREACH_PROTO = 2,
	ICMP4_UNREACH_PORT = 3,
	ICMP4_UNREACH_FRAG = 4,
	ICMP4_UNREACH_SRCROUTE = 5,
	ICMP4_UNREACH_ADMIN = 13,
};

enum icmp6_type {
	ICMP6_UNREACH = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME = 3,
	ICMP6_PARAM = 4,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_RS = 133,
	ICMP6_RA = 134,
	ICMP6_NS = 135,
	ICMP6_NA = 136,
	ICMP6_REDIRECT = 137,
};

enum icmp6_unreach {
	ICMP6_UNREACH_ROUTE = 0,
	ICMP6_UNREACH_ADMIN = 1,
	ICMP6_UNREACH_SCOPE = 2,
	ICMP6_UNREACH_ADDR = 3,
	ICMP6_UNREACH_PORT = 4,
	ICMP6_UNREACH_POLICY = 5,
	ICMP6_UNREACH_REJECT = 6,
};

struct WIRE eth_hdr {
	uint8_t dst[6], src[6];
	uint16_t type_be;
};

struct WIRE vlan_tag {
	uint16_t tci_be, type_be;
};

struct WIRE arp_pkt {
	uint16_t htype_be, ptype_be;
	uint8_t hlen, plen;
	uint16_t op_be;
	uint8_t sha[6];
	uint32_t spa_be;
	uint8_t tha[6];
	uint32_t tpa_be;
};

struct WIRE ip4_hdr {
	uint8_t ver_ihl, tos;
	uint16_t total_len_be, id_be, frag_be;
	uint8_t ttl, proto;
	uint16_t cksum;
	uint32_t src_be, dst_be;
};

struct WIRE ip6_hdr {
	uint32_t ver_tc_flow_be;
	uint16_t payload_len_be;
	uint8_t next, hop_limit;
	uint8_t src[16], dst[16];
};

struct WIRE ip6_frag_hdr {
	uint8_t next, reserved;
	uint16_t off_be; /* offset | MF */
	uint32_t id_be;
};

struct WIRE tcp_hdr {
	uint16_t sport_be, dport_be;
	uint32_t seq_be, ack_be;
	uint8_t off, flags; /* off: data offset in the high four bits */
	uint16_t window_be, cksum, urgent_be;
};

struct WIRE udp_hdr {
	uint16_t sport_be, dport_be, len_be, cksum;
};

struct WIRE icmp_hdr {
	uint8_t type, code;
	uint16_t cksum;
	union {
		struct WIRE {
			uint16_t id_be, seq_be;
		};
		uint32_t word_be; /* ICMPv6 MTU and pointer, ND flags */
		struct WIRE {
			uint16_t unused, mtu_be; /* RFC 1191 */
		};
		uint8_t pointer;
	};
};

_Static_assert(sizeof(struct eth_hdr) == ETH_HDR_LEN, "wire layout");
_Static_assert(sizeof(struct arp_pkt) == 28, "wire layout");
_Static_assert(sizeof(struct ip4_hdr) == IP4_HDR_LEN, "wire layout");
_Static_assert(sizeof(struct ip6_hdr) == IP6_HDR_LEN, "wire layout");
_Static_assert(sizeof(struct tcp_hdr) == TCP_HDR_LEN, "wire layout");
_Static_assert(sizeof(struct icmp_hdr) == ICMP_HDR_LEN, "wire layout");

#define BE16(x) ((uint16_t)__builtin_bswap16((uint16_t)(x)))
#define BE32(x) ((uint32_t)__builtin_bswap32((uint32_t)(x)))

ALWAYS_INLINE uint16_t load_be16(const void *p)
{
	return BE16(load16(p));
}

ALWAYS_INLINE uint32_t load_be32(const void *p)
{
	return BE32(load32(p));
}

ALWAYS_INLINE void store_be16(void *p, uint16_t v)
{
	store16(p, BE16(v));
}

ALWAYS_INLINE void store_be32(void *p, uint32_t v)
{
	store32(p, BE32(v));
}

#endif
