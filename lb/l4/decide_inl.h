/* SPDX-License-Identifier: Apache-2.0
 * decide_inl - steps of a decision that its explanation shares with it.
 * Owner: the worker.  Cost: see decide.h. */
#ifndef LB_L4_DECIDE_INL_H
#define LB_L4_DECIDE_INL_H

#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "lb/l4/worker_pvt.h"

#define RATE_BURST_NS (100 * NS_PER_MS)

ALWAYS_INLINE bool proto_is_l4(uint8_t proto)
{
	return proto == L4_TCP || proto == L4_UDP;
}

ALWAYS_INLINE bool opens(const struct pkt_meta *m)
{
	return m->proto == L4_UDP ||
	       (m->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

/* Must a packet of this flow find another backend, or none? */
ALWAYS_INLINE bool flow_is_over(const struct l4_worker *w, const struct l4_lookup *lk,
	const struct flow_entry *f, const struct pkt_meta *m, uint64_t now_ns)
{
	const struct l4_member *mb = &w->table->members[f->member];

	if (now_ns >= mb->end_ns)
		return true;
	if (unlikely(lk->tables & ADDR_ENDING) && now_ns >= w->table->vips[f->vip].end_ns)
		return true;
	if (f->state >= L4_FLOW_UDP_ONE)
		return !(mb->flags & MEMBER_CHOSEN) && mb->state != L4_MEMBER_DRAIN;
	if (likely(!opens(m)))
		return false;
	/* A SYN starts anew what has closed, and what was never answered by a backend that now is
	 * out of service. */
	return f->state == L4_FLOW_FIN || f->state == L4_FLOW_CLOSED ||
	       ((f->state == L4_FLOW_SYN || f->state == L4_FLOW_SYNACK) &&
		       !(mb->flags & MEMBER_CHOSEN));
}

#endif
