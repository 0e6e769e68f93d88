/* SPDX-License-Identifier: Apache-2.0
 * tcpopt - look at, clamp and insert TCP options without touching the rest of the header.
 * Owner:      none; works on the caller's bytes.
 * Invariants: TO1 a right TCP checksum stays right, a wrong one stays wrong.
 * Units:      offsets from the start of the TCP header; mss in host order.
 * Errors:     -EINVAL: options malformed (a length of 0 or 1, or beyond the header).
 * Limits:     60 bytes of TCP header; it lies in the first mbuf segment (as pkt_parse() proves). */
#ifndef DATAPLANE_NET_TCPOPT_H
#define DATAPLANE_NET_TCPOPT_H

#include "dataplane/net/hdr.h"
#include "dataplane/net/pkt.h"

struct rte_mbuf;

enum tcpopt_kind {
	TCPOPT_END = 0,
	TCPOPT_NOP = 1,
	TCPOPT_MSS = 2,
	TCPOPT_WSCALE = 3,
	TCPOPT_SACK_OK = 4,
	TCPOPT_SACK = 5,
	TCPOPT_TIMESTAMP = 8,
	TCPOPT_TOA = 254,
};

#define TCPOPT_MSS_LEN  4
#define TCPOPT_TOA4_LEN 8
#define TCPOPT_TOA6_LEN 20

/* Offset of the first option of this kind, 0 if there is none before the end of the list, or
 * -EINVAL. `tcp` has as many bytes as its data offset says. */
int tcpopt_find(const uint8_t *tcp, uint8_t kind) WARN_UNUSED;

/* Lower the MSS of a SYN to max. Returns 1 if it changed, 0 if not (none there, or low enough),
 * or -EINVAL. */
int tcpopt_clamp_mss(uint8_t *tcp, uint16_t max) WARN_UNUSED;

/* Insert an option of len bytes (a multiple of 4) in front of the others; moves the headers into
 * the headroom and updates IP length, IPv4 checksum, data offset and TCP checksum, and pm->l3_len.
 * 0, -ENOSPC (no room in the header, no headroom) or -EMSGSIZE (IP packet above 65535); then
 * nothing has changed. Not for fragments (-EINVAL). */
int tcpopt_insert(
	struct rte_mbuf *m, struct pkt_meta *pm, const uint8_t *opt, uint8_t len) WARN_UNUSED;

/* Insert the client's address as option 254 ("TOA"): kind, length 8 or 20, port, address. */
int tcpopt_insert_toa(struct rte_mbuf *m, struct pkt_meta *pm, const struct ip_addr *client,
	uint16_t port_be) WARN_UNUSED;

/* Length that tcpopt_insert_toa() adds. */
ALWAYS_INLINE uint8_t tcpopt_toa_len(const struct ip_addr *client)
{
	return ip_addr_is4(client) ? TCPOPT_TOA4_LEN : TCPOPT_TOA6_LEN;
}

#endif
