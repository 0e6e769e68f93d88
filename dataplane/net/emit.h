/* SPDX-License-Identifier: Apache-2.0
 * emit - where a module of the packet layer hands the frames it made or released.
 * Owner:      the worker; the function takes the mbuf whatever happens to it (sent, queued, dropped
 *             and counted), so the caller must not touch it afterwards.
 * Invariants: EM1 the mbuf is a complete frame: Ethernet, the port's VLAN tag if it has one, and
 *             checksums filled in or asked for by its offload flags.
 *             EM2 fn may not call back into the module that emits. */
#ifndef DATAPLANE_NET_EMIT_H
#define DATAPLANE_NET_EMIT_H

#include "dataplane/base/compiler.h"

struct rte_mbuf;

struct net_emit {
	void (*fn)(void *ctx, uint16_t port, struct rte_mbuf *m);
	void *ctx;
};

static inline void net_emit(const struct net_emit *e, uint16_t port, struct rte_mbuf *m)
{
	e->fn(e->ctx, port, m);
}

#endif
