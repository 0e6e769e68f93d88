/* SPDX-License-Identifier: Apache-2.0
 * l4 - the words that all files of this folder share: numbers, states, units.
 * Invariants: L41 a VIP, local address, service or backend keeps its number as long as any worker
 *             tracks a flow on it, whatever the configuration says meanwhile. Flows hold numbers,
 *             never pointers.
 * Units:      a tick is 2^20 ns (about 1.05 ms); ticks are 32 bits and wrap after 52 days, which is
 *             longer than any timeout. */
#ifndef LB_L4_L4_H
#define LB_L4_L4_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"

#define L4_TICK_SHIFT 20

#define L4_MAX_VIPS     (2 * LIMIT_VIPS)
#define L4_MAX_LOCALS   (2 * LIMIT_LOCAL_ADDRS)
#define L4_MAX_SERVICES (2 * LIMIT_SERVICES)
#define L4_MAX_MEMBERS  (2 * LIMIT_BACKENDS)

#define L4_NONE16 UINT16_MAX
#define L4_NONE32 UINT32_MAX

_Static_assert(L4_MAX_VIPS < L4_NONE16 && L4_MAX_SERVICES < L4_NONE16, "numbers have 16 bits");

/* What may happen to a backend of one service. */
enum l4_member_state {
	L4_MEMBER_FREE,  /* the number is unused */
	L4_MEMBER_UP,    /* takes new flows */
	L4_MEMBER_DOWN,  /* failed its health check: no new flows; TCP flows go on, UDP ones move */
	L4_MEMBER_DRAIN, /* asked to drain: no new flows; tracked ones go on until the deadline */
	L4_MEMBER_REMOVED, /* not in the configuration: the same, but UDP flows move at once */
};

/* Of a tracked flow; the index of its timeout. */
enum l4_flow_state {
	L4_FLOW_SYN,    /* the client's SYN alone */
	L4_FLOW_SYNACK, /* NAT modes: the backend answered it */
	L4_FLOW_EST,
	L4_FLOW_FIN,     /* one side sent FIN */
	L4_FLOW_CLOSED,  /* both did, or a reset */
	L4_FLOW_UDP_ONE, /* one packet so far, as of a forged source */
	L4_FLOW_UDP,
	L4_FLOW_STATES
};

ALWAYS_INLINE uint32_t l4_tick(uint64_t now_ns)
{
	return (uint32_t)(now_ns >> L4_TICK_SHIFT);
}

#endif
