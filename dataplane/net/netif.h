/* SPDX-License-Identifier: Apache-2.0
 * netif - what the packet layer has to know of one port.
 * Owner:      control builds it from the configuration and the device; workers read it.
 * Invariants: IF1 immutable while a worker holds it.  IF2 link_local is set whenever the port may
 *             speak IPv6.
 * Units:      mtu in bytes of the IP packet; vlan 0 is untagged.
 * Limits:     LIMIT_PORT_ADDRS. */
#ifndef DATAPLANE_NET_NETIF_H
#define DATAPLANE_NET_NETIF_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"
#include "dataplane/net/addr.h"

enum net_offload {
	NET_TX_IP4_CKSUM = 1 << 0,
	NET_TX_TCP_CKSUM = 1 << 1,
	NET_TX_UDP_CKSUM = 1 << 2,
	NET_TX_MULTI_SEG = 1 << 3,
	NET_TX_TSO = 1 << 4,   /* of both families; comes with all above */
	NET_RX_CKSUM = 1 << 5, /* the device judges checksums: mbuf flags mean something */
};

struct net_if {
	uint16_t id; /* index of the port, as in net_emit and routes */
	uint16_t mtu;
	uint16_t vlan;
	uint16_t tx_segs; /* most mbufs of one frame, header included */
	uint8_t mac[6];
	uint32_t offloads;  /* enum net_offload */
	bool trust_partial; /* the peer is this machine's kernel and sends partial checksums */
	uint32_t addr_cnt;
	struct ip_addr link_local; /* fe80::/64 from the MAC, see net_if_set_link_local() */
	struct ip_prefix addrs[LIMIT_PORT_ADDRS]; /* own address with its on-link prefix */
};

/* RFC 4291 appendix A: modified EUI-64 of the MAC. */
void net_if_set_link_local(struct net_if *nif);

/* Is `a` an own address of the port, link-local included? */
bool net_if_owns(const struct net_if *nif, const struct ip_addr *a);

/* The own address to speak to `dst` from: one whose prefix holds dst, else the first of its family;
 * for IPv6 link-local and multicast destinations and when there is no other, the link-local one.
 * NULL if the port has no address of that family. */
const struct ip_addr *net_if_source(const struct net_if *nif, const struct ip_addr *dst);

#endif
