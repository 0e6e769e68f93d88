/* SPDX-License-Identifier: Apache-2.0
 * ICMP errors about our segments. Only those that quote a sequence number in flight are believed
 * (RFC 5927 4.1), and none of them ends an established connection (RFC 5461). */
#include "dataplane/tcp/tcp_pvt.h"

static bool too_big(const struct pkt_meta *p)
{
	return p->ip_ver == 4 ? p->icmp_type == ICMP4_UNREACH && p->icmp_code == ICMP4_UNREACH_FRAG
			      : p->icmp_type == ICMP6_TOO_BIG;
}

/* Hard enough to end an attempt to connect. */
static bool refuses(const struct pkt_meta *p)
{
	if (p->ip_ver == 4)
		return p->icmp_type == ICMP4_UNREACH &&
		       (p->icmp_code == ICMP4_UNREACH_PROTO || p->icmp_code == ICMP4_UNREACH_PORT ||
			       p->icmp_code == ICMP4_UNREACH_ADMIN);
	return p->icmp_type == ICMP6_UNREACH &&
	       (p->icmp_code == ICMP6_UNREACH_ADMIN || p->icmp_code == ICMP6_UNREACH_PORT);
}

static uint32_t frame_end(
	const struct tcp_engine *e, const struct tcp_conn *c, uint32_t idx, uint32_t *len)
{
	*len = 0;
	do {
		*len += seg_at(e, idx)->len;
		idx = seg_at(e, idx)->next;
	} while (idx != POOL_NONE && idx != c->tx_unsent && !(seg_at(e, idx)->flags & SEG_HEAD));
	return idx;
}

/* Frames larger than the path carries cannot have arrived. */
static void mark_oversized(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t i = c->tx_head, end, len;

	while (i != POOL_NONE && i != c->tx_unsent) {
		end = frame_end(e, c, i, &len);
		for (; i != end; i = seg_at(e, i)->next)
			if (len > c->mss && !(seg_at(e, i)->flags & (SEG_SACKED | SEG_LOST)))
				seg_mark_lost(e, c, i);
	}
}

static bool lower_mtu(struct tcp_engine *e, struct tcp_conn *c, uint32_t mtu)
{
	uint32_t floor = ip_addr_is4(&c->t.raddr) ? 576 : 1280;

	if (mtu < floor)
		mtu = floor; /* smaller claims are mistakes or attacks: RFC 8201 4, and our own
				minimum */
	if (mtu >= c->mtu)
		return false;
	c->mtu = (uint16_t)mtu;
	if (c->state < TCP_ESTABLISHED)
		return true;
	conn_set_mss(c);
	CNT(e, pmtu_lowered);
	mark_oversized(e, c);
	/* A retransmission at the right size is no sign of congestion: the window stays. */
	conn_dirty(e, c);
	return true;
}

bool tcp_icmp_error(struct tcp_engine *e, const struct pkt_meta *p, const uint8_t *inner_tcp,
	uint32_t mtu, uint64_t now_ns)
{
	/* The quoted packet is ours: its source is our side. */
	struct tcp_tuple t = {
		p->inner.dst, p->inner.src, load16(inner_tcp + 2), load16(inner_tcp), 0};
	uint32_t seq = load_be32(inner_tcp + 4);
	uint32_t slot = tcp_table_find(&e->table, &t, tcp_tuple_hash(&e->table, &t));
	struct tcp_conn *c;

	engine_set_now(e, now_ns);
	if (slot == TCP_SLOT_EMPTY)
		return false;
	CNT(e, icmp_in);
	if (tcp_slot_kind(slot) != TCP_KIND_CONN) {
		CNT(e, icmp_ignored);
		return true;
	}
	c = conn_at(e, tcp_slot_idx(slot));
	if (seq_lt(seq, c->snd_una) || seq_ge(seq, c->snd_nxt)) {
		CNT(e, icmp_ignored);
		return true;
	}
	if (too_big(p) && lower_mtu(e, c, mtu))
		return true;
	if (refuses(p) && c->state == TCP_SYN_SENT) {
		conn_end(e, c, TCP_END_UNREACHABLE);
		return true;
	}
	CNT(e, icmp_ignored);
	return true;
}
