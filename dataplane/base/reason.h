/* SPDX-License-Identifier: Apache-2.0
 * reason - where every packet ends, and the ledger that proves that none is lost.
 * Owner:      one ledger per worker, written by that worker alone, read by anyone (racy,
 * monotonic). Invariants: RL1 rx + born + handed_in == tx + handed_out + sum(ended) + held, at any
 * point between two bursts of a worker. `held` counts packets that wait inside (neighbour queue,
 * fragments, TX buffer); they end later in one of the other counters. One row of REASONS is one
 * counter: name for metrics and logs, class, text for people. The class is D (dropped: something
 * was wrong or refused) or U (used: the packet did its work here). */
#ifndef DATAPLANE_BASE_REASON_H
#define DATAPLANE_BASE_REASON_H

#include <stdatomic.h>

#include "dataplane/base/compiler.h"

#define REASONS(R)                                                                             \
	/* link layer */                                                                       \
	R(ETH_SHORT, D, "frame shorter than its Ethernet header")                              \
	R(ETH_NOT_OURS, D, "destination MAC is neither ours nor broadcast nor a joined group") \
	R(ETH_TYPE_UNKNOWN, D, "EtherType that nobody handles")                                \
	R(VLAN_UNKNOWN, D, "VLAN tag that the port does not carry, or a missing one")          \
	R(VLAN_TOO_DEEP, D, "more VLAN tags than LIMIT_VLAN_TAGS")                             \
	/* ARP and neighbour discovery */                                                      \
	R(ARP_MALFORMED, D, "ARP packet that is short or not IPv4 over Ethernet")              \
	R(ARP_IGNORED, U, "ARP that asks for nothing of ours")                                 \
	R(ARP_REQUEST, U, "ARP request answered")                                              \
	R(ARP_REPLY, U, "ARP reply learned")                                                   \
	R(ARP_CONFLICT, D, "ARP claims one of our addresses for another MAC")                  \
	R(ND_MALFORMED, D, "neighbour discovery packet that RFC 4861 says to discard")         \
	R(ND_IGNORED, U, "neighbour discovery that asks for nothing of ours")                  \
	R(ND_SOLICIT, U, "neighbour solicitation answered")                                    \
	R(ND_ADVERT, U, "neighbour advertisement learned")                                     \
	R(ND_CONFLICT, D, "neighbour advertisement claims one of our addresses")               \
	R(NEIGH_QUEUE_FULL, D, "next hop unresolved and its queue full")                       \
	R(NEIGH_TIMEOUT, D, "next hop did not answer in time")                                 \
	R(NEIGH_TABLE_FULL, D, "neighbour table full")                                         \
	/* IP */                                                                               \
	R(IP4_SHORT, D, "IPv4 header or total length beyond the frame")                        \
	R(IP4_VERSION, D, "IPv4 version field is not 4")                                       \
	R(IP4_HEADER_LEN, D, "IPv4 header length below 20")                                    \
	R(IP4_CHECKSUM, D, "IPv4 header checksum wrong")                                       \
	R(IP4_OPTIONS_BAD, D, "IPv4 options malformed or source routed")                       \
	R(IP4_ADDR_BAD, D, "IPv4 source that can never be one")                                \
	R(IP6_SHORT, D, "IPv6 header or payload length beyond the frame")                      \
	R(IP6_VERSION, D, "IPv6 version field is not 6")                                       \
	R(IP6_EXT_BAD, D, "IPv6 extension header malformed or routing type 0")                 \
	R(IP6_EXT_TOO_MANY, D, "more IPv6 extension headers than LIMIT_IPV6_EXT_HDRS")         \
	R(IP6_ADDR_BAD, D, "IPv6 source that can never be one")                                \
	R(TTL_EXCEEDED, D, "TTL or hop limit used up; an ICMP error was sent if allowed")      \
	R(TOO_BIG, D, "larger than the next hop's MTU; an ICMP error was sent if allowed")     \
	R(NO_ROUTE, D, "no route to the destination")                                          \
	R(NOT_LOCAL, D, "destination is not served here")                                      \
	/* fragments */                                                                        \
	R(FRAG_BAD, D, "fragment with impossible offset or length")                            \
	R(FRAG_TINY, D, "first fragment without the whole transport header")                   \
	R(FRAG_TABLE_FULL, D, "fragment table full")                                           \
	R(FRAG_TIMEOUT, D, "fragment whose first one never came")                              \
	R(FRAG_HELD_FULL, D, "too many fragments before the first one")                        \
	R(FRAG_OVERLAP, D, "second first fragment of a datagram with other ports")             \
	R(FRAG_UNTRANSLATABLE, D, "fragment that cannot cross between IPv4 and IPv6")          \
	/* transport */                                                                        \
	R(L4_SHORT, D, "transport header beyond the packet")                                   \
	R(TCP_BAD, D, "TCP header length or flags impossible")                                 \
	R(UDP_BAD, D, "UDP length impossible")                                                 \
	R(L4_CHECKSUM, D, "transport checksum wrong")                                          \
	R(PROTO_UNKNOWN, D, "IP protocol that nobody handles")                                 \
	/* ICMP */                                                                             \
	R(ICMP_SHORT, D, "ICMP message or its inner packet too short")                         \
	R(ICMP_CHECKSUM, D, "ICMP checksum wrong")                                             \
	R(ICMP_ECHO, U, "echo request answered")                                               \
	R(ICMP_UNHANDLED, D, "ICMP type that nobody handles")                                  \
	R(ICMP_NO_FLOW, D, "ICMP error whose inner packet belongs to no flow")                 \
	R(ICMP_RATE, D, "ICMP answer over the rate limit")                                     \
	/* L4 load balancer */                                                                 \
	R(L4_NO_SERVICE, D, "virtual address, but no service at that protocol and port")       \
	R(L4_NO_BACKEND, D, "no backend is up")                                                \
	R(L4_REJECTED, D, "no backend is up and the client got a reset or unreachable")        \
	R(L4_DENIED, D, "client refused by the allow or deny list")                            \
	R(L4_CONN_LIMIT, D, "service at its connection limit")                                 \
	R(L4_RATE_LIMIT, D, "service at its rate of new connections")                          \
	R(L4_NO_PORT, D, "no free local address and port for full NAT")                        \
	R(L4_TABLE_FULL, D, "flow table full, and the mode cannot do without")                 \
	R(L4_NO_FLOW, D, "mid-connection packet without a flow, and the mode needs one")       \
	R(L4_BACKEND_GONE, D, "backend was removed and the flow was reset")                    \
	/* own addresses */                                                                    \
	R(HEALTH_REPLY, U, "answer to a health probe")                                         \
	R(HOST_TAP, U, "handed to the host through the TAP interface")                         \
	R(HOST_TAP_FULL, D, "host's TAP queue full")                                           \
	R(LOCAL_NO_LISTENER, D, "for an own address, and nobody listens")                      \
	R(TCP_SEGMENT, U, "segment handled by a local TCP connection or listener")             \
	R(TCP_FRAGMENT, D, "fragment of a segment for a local connection or listener")         \
	/* resources */                                                                        \
	R(NO_MBUF, D, "no packet buffer left")                                                 \
	R(TX_FULL, D, "transmit queue full")                                                   \
	R(TX_REFUSED, D, "the driver cannot send a frame like that")                           \
	R(TX_PORT_DOWN, D, "transmit port is down")                                            \
	R(HANDOFF_FULL, D, "hand-off ring to the owning worker full")                          \
	R(HANDOFF_LOOP, D, "packet handed off twice")                                          \
	R(FRAGMENTED, U, "replaced by its fragments")                                          \
	R(STOPPED, D, "arrived or waited while weir was stopping")

enum reason {
	REASON_NONE, /* not ended: go on */
#define R(name, class, text) REASON_##name,
	REASONS(R)
#undef R
		REASON_COUNT
};

struct ledger {
	uint64_t rx;         /* packets read from ports */
	uint64_t born;       /* packets made here: answers, probes, fragments, from the host */
	uint64_t handed_in;  /* packets taken from other workers */
	uint64_t tx;         /* packets a port accepted */
	uint64_t handed_out; /* packets given to other workers */
	uint64_t held;       /* a gauge, not a counter */
	uint64_t ended[REASON_COUNT];
};

/* Left side minus right side of RL1: 0 when nothing is lost. */
int64_t ledger_imbalance(const struct ledger *l);

/* Names for metrics ("l4_no_backend"), class letter and text; r < REASON_COUNT. */
const char *reason_name(enum reason r);
char reason_class(enum reason r);
const char *reason_text(enum reason r);

#endif
