/* SPDX-License-Identifier: Apache-2.0
 * icmp - answers to pings, ICMP errors of our own, and errors that follow a translated flow.
 * Owner:      functions over the caller's packets; one struct icmp_limiter per worker.
 * Invariants: IC1 no error is sent about an error, a later fragment, or to anything but one host
 *             (RFC 1122 3.2.2, RFC 1812 4.3.2.7, RFC 4443 2.4 e).
 *             IC2 a translated error verifies, outside and, as far as it is quoted, inside; an
 *             error whose own checksum is wrong is refused first.
 * Units:      rates per second; mtu in bytes of the IP packet.
 * Limits:     an error quotes up to 576 bytes in all for IPv4, 1280 for IPv6.
 * Cost:       off the hot path; a few hundred cycles. */
#ifndef DATAPLANE_NET_ICMP_H
#define DATAPLANE_NET_ICMP_H

#include "dataplane/net/netif.h"
#include "dataplane/net/pkt.h"

struct rte_mbuf;
struct rte_mempool;

/* --- rate ------------------------------------------------------------------------------------ */

struct icmp_limiter {
	uint64_t tat_ns; /* GCRA: when the bucket would be full again */
	uint64_t gap_ns, burst_ns;
};

/* per_sec > 0; a burst of a tenth of a second's worth, at least 8. */
void icmp_limiter_init(struct icmp_limiter *l, uint32_t per_sec);
/* May one more go out? Takes it if so. */
bool icmp_limiter_take(struct icmp_limiter *l, uint64_t now_ns);

/* --- own messages ---------------------------------------------------------------------------- */

/* Turn an echo request to one of our addresses into its reply, a complete frame for the port it
 * came from. REASON_NONE: m is the answer now, send it. Else the reason to end it: ICMP_UNHANDLED
 * (no whole unicast echo request), ICMP_CHECKSUM, ICMP_RATE. */
enum reason icmp_echo_reply(struct rte_mbuf *m, const struct pkt_meta *pm, const struct net_if *nif,
	struct icmp_limiter *l, uint64_t now_ns) WARN_UNUSED;

enum icmp_why {
	ICMP_WHY_TTL,
	ICMP_WHY_TOO_BIG, /* mtu counts */
	ICMP_WHY_NO_ROUTE,
	ICMP_WHY_HOST, /* next hop does not answer */
	ICMP_WHY_PORT,
	ICMP_WHY_ADMIN,
};

struct icmp_error {
	enum icmp_why why;
	uint16_t mtu;
	const struct ip_addr *from; /* an own address, of the packet's family */
};

/* May an error be sent about this packet (IC1)? */
bool icmp_error_allowed(const struct pkt_meta *pm);

/* The error about `m` as a new frame for nif, back to the station that sent it, or NULL: not
 * allowed, over the rate, or no buffer. The caller counts it as born and emits it, and ends m. */
struct rte_mbuf *icmp_error_build(const struct rte_mbuf *m, const struct pkt_meta *pm,
	const struct icmp_error *e, const struct net_if *nif, struct rte_mempool *pool,
	struct icmp_limiter *l, uint64_t now_ns) WARN_UNUSED;

/* --- errors of others, for a translated flow ------------------------------------------------- */

struct icmp_nat {
	struct ip_addr outer_src, outer_dst; /* the error's own addresses as they shall be */
	struct ip_addr inner_src, inner_dst; /* of the packet it quotes */
	uint16_t inner_sport, inner_dport;   /* network order; ICMP echo: sport is the identifier */
	uint16_t mtu4, mtu6;                 /* of the next hops, for 4<->6; 0: not known */
	uint8_t ttl;                         /* outer; 0: as it is */
};

/* Rewrite an ICMP error (PKT_F_ICMP_ERROR) with inner ports for the other side of a flow. All four
 * addresses are of one family; if it is not the packet's, the error is translated as RFC 7915 4.2
 * to 4.5 and 5.2 to 5.5 say. *pm follows. After a change of family the link header is undefined
 * (l3_off is unchanged): send with neigh_send(). REASON_NONE, ICMP_CHECKSUM, ICMP_UNHANDLED (type
 * has no counterpart), FRAG_UNTRANSLATABLE, NO_MBUF (no headroom); then m is as it was. */
enum reason icmp_translate(
	struct rte_mbuf *m, struct pkt_meta *pm, const struct icmp_nat *to) WARN_UNUSED;

/* Type, code and the word behind the checksum (MTU, pointer) of an error in the other family; false
 * when there is no counterpart. `word` is in host order. */
struct icmp_head {
	uint8_t type, code;
	uint32_t word;
};
bool icmp_head_4to6(struct icmp_head *h, uint16_t mtu4, uint16_t mtu6, uint16_t inner_len);
bool icmp_head_6to4(struct icmp_head *h, uint16_t mtu4, uint16_t mtu6);

#endif
