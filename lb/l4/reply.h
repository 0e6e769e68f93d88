/* SPDX-License-Identifier: Apache-2.0
 * reply - what a client gets when its packet ends here (enum l4_reply; unreachables are
 * net/icmp's).
 * Owner:      the new frame is the caller's, to be counted as born and emitted; m stays the
 *             caller's.
 * Errors:     NULL: no buffer, or a packet that must not be answered so.
 * Source:     RFC 9293 3.10.7.1: a reset acknowledges what it answers, so that the client takes
 *             it. */
#ifndef LB_L4_REPLY_H
#define LB_L4_REPLY_H

#include "dataplane/net/netif.h"
#include "dataplane/net/pkt.h"

struct rte_mbuf;
struct rte_mempool;

/* A TCP reset from m's destination to its source, as a complete frame for nif back to the station
 * that sent m. Not for resets, fragments and packets without a TCP header. */
struct rte_mbuf *l4_reply_rst(const struct rte_mbuf *m, const struct pkt_meta *pm,
	const struct net_if *nif, struct rte_mempool *pool) WARN_UNUSED;

#endif
