/* SPDX-License-Identifier: Apache-2.0
 * route - where a packet leaves: longest prefix match for both families, with several next hops.
 * Owner:      built and freed by control; workers read it as one immutable generation.
 * Invariants: RT1 no two entries have the same prefix.  RT2 an entry has 1 to LIMIT_NEXTHOPS hops,
 *             all of them on link or all with a gateway.
 * Units:      mtu in bytes of the IP packet.
 * Errors:     route_table_create: -ENOMEM, -E2BIG (more than LIMIT_ROUTE_SPECS specs, or more than
 *             LIMIT_NEXTHOPS for one prefix), -EINVAL (prefix length or family of a gateway).
 * Cost:       one hash probe for each distinct prefix length of the family, longest first; usually
 *             two or three, each touching one cache line. */
#ifndef DATAPLANE_NET_ROUTE_H
#define DATAPLANE_NET_ROUTE_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"
#include "dataplane/net/addr.h"
#include "dataplane/net/netif.h"

#define LIMIT_ROUTE_SPECS (LIMIT_ROUTES * LIMIT_NEXTHOPS + LIMIT_PORTS * LIMIT_PORT_ADDRS)

/* One way to a prefix. Specs of one prefix with gateways add up to its next hops. On-link specs win
 * over gateways for the same prefix; of several on-link ones the first is taken, since a host is
 * behind one port only. */
struct route_spec {
	struct ip_prefix to; /* host bits do not matter */
	struct ip_addr via;  /* gateway; zero: on link */
	uint16_t port, mtu;
};

struct route_hop {
	struct ip_addr addr; /* whom to resolve: the gateway, or dst itself when on link */
	uint16_t port, mtu;
	uint32_t choices; /* next hops of the prefix: with one, every hash finds it */
};

struct route_table;

int route_table_create(
	const struct route_spec *specs, uint32_t n, struct route_table **out) WARN_UNUSED;
void route_table_destroy(struct route_table *t); /* NULL is fine */

/* The on-link specs of a port's own addresses; returns how many, at most LIMIT_PORT_ADDRS. */
uint32_t route_specs_on_link(const struct net_if *nif, struct route_spec *out);

/* Fill *out and return true, or false when there is no route. `hash` picks among several next hops
 * and must be the same for all packets of a flow; its high bits count. */
bool route_lookup(const struct route_table *t, const struct ip_addr *dst, uint32_t hash,
	struct route_hop *out);

#endif
