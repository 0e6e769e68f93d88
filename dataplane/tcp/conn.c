/* SPDX-License-Identifier: Apache-2.0
 * A connection's life: made, routed, ended, freed; and splicing one to another. */
#include <errno.h>

#include "dataplane/tcp/tcp_pvt.h"

/* In the table, all queues empty, state CLOSED still; NULL when a limit is hit. */
struct tcp_conn *conn_new(struct tcp_engine *e, const struct tcp_tuple *t, uint64_t hash)
{
	uint32_t idx = pool_get(&e->conns), gen;
	struct tcp_conn *c;

	if (idx == POOL_NONE) {
		CNT(e, no_conn);
		return NULL;
	}
	c = conn_at(e, idx);
	gen = c->gen;
	memset(c, 0, sizeof(*c));
	c->gen = gen + 1;
	c->t = *t;
	if (!tcp_table_insert(&e->table, hash, tcp_slot(TCP_KIND_CONN, idx))) {
		CNT(e, table_full);
		c->gen++;
		pool_put(&e->conns, idx);
		return NULL;
	}
	c->tx_head = c->tx_unsent = c->tx_tail = POOL_NONE;
	c->ts_head = c->ts_tail = c->ooo_head = POOL_NONE;
	c->splice_to = c->splice_from = POOL_NONE;
	wheel_timer_init(&c->timer);
	c->rcvbuf = e->cfg.rcvbuf;
	c->sndbuf = e->cfg.sndbuf;
	c->keepalive = slow_units(e->cfg.keepalive_ms);
	c->user_timeout = slow_units(e->cfg.user_timeout_ms);
	c->cc = e->cfg.cc;
	c->flags = e->cfg.nagle ? CF_NAGLE : 0;
	c->rto_ms = TCP_INIT_RTO_MS;
	c->ssthresh = TCP_MAX_CWND;
	c->reo_mult = 1;
	c->last_rx_ms = c->stall_ms = e->now_ms;
	return c;
}

/* Ask for the way to the peer. false: there is none. */
bool conn_set_route(struct tcp_engine *e, struct tcp_conn *c, struct ip_addr *src)
{
	struct tcp_route r = {0};
	uint32_t floor = ip_addr_is4(&c->t.raddr) ? 576 : 1280;

	if (!e->cfg.cb.route(e->cfg.cb.ctx, &c->t.raddr, &r))
		return false;
	c->mtu = r.mtu < floor ? (uint16_t)floor : r.mtu;
	c->tso_bytes = (uint16_t)u32_min(r.tso_bytes, 65000);
	c->tso_segs = (uint8_t)(r.tso_segs == 0 || r.tso_segs > LIMIT_TCP_FRAME_SEGS
					? LIMIT_TCP_FRAME_SEGS
					: r.tso_segs);
	c->flags &= ~(uint32_t)(CF_CSUM_OFF | CF_SINGLE);
	if (r.csum_offload)
		c->flags |= CF_CSUM_OFF;
	else
		c->tso_bytes = 0; /* a port that cuts frames also sums them */
	if (r.single_segment)
		c->flags |= CF_SINGLE;
	if (src != NULL)
		*src = r.src;
	return true;
}

uint32_t tcp_reroute(struct tcp_engine *e, uint32_t cursor, uint32_t n)
{
	for (; n > 0 && cursor < e->conns.capacity; n--, cursor++) {
		struct tcp_conn *c = conn_at(e, cursor);
		uint16_t mtu = c->mtu;

		if (!(c->gen & 1) || c->state == TCP_CLOSED || !conn_set_route(e, c, NULL))
			continue;
		if (mtu < c->mtu)
			c->mtu = mtu;
		if (c->peer_mss != 0) /* before, the handshake does it */
			conn_set_mss(c);
	}
	return cursor < e->conns.capacity ? cursor : UINT32_MAX;
}

/* The payload of a full segment (RFC 9293 3.7.1): what the peer offers and the path carries, less
 * the options that every segment has. */
void conn_set_mss(struct tcp_conn *c)
{
	uint32_t path = c->mtu - ip_hdr_len(c) - TCP_HDR_LEN;
	uint32_t mss = u32_min(path, c->peer_mss) - (c->flags & CF_TS ? 12 : 0);

	c->mss = (uint16_t)mss;
}

/* RFC 6928 */
void conn_init_window(struct tcp_engine *e, struct tcp_conn *c)
{
	(void)e;
	c->cwnd = u32_min(TCP_IW_SEGS * c->mss, u32_max(2u * c->mss, 14600));
}

uint8_t wscale_for(const struct tcp_engine *e, uint32_t rcvbuf)
{
	uint8_t ws = 0;

	if (e->cfg.no_wscale)
		return 0;
	while (ws < TCP_MAX_WSCALE && (UINT64_C(65535) << ws) < rcvbuf)
		ws++;
	return ws;
}

static void table_drop(struct tcp_engine *e, struct tcp_conn *c)
{
	tcp_table_remove(&e->table, tcp_tuple_hash(&e->table, &c->t),
		tcp_slot(TCP_KIND_CONN, conn_idx(e, c)));
}

/* What is left when the table no longer knows it. */
static void shut_down(struct tcp_engine *e, struct tcp_conn *c, enum tcp_end end)
{
	wheel_cancel(&e->wheel, &c->timer);
	c->rtx_kind = RTX_NONE;
	c->flags &= ~(uint32_t)(CF_DELACK | CF_SLOW | CF_ACK_NOW | CF_ACK_LATER | CF_SYN_DUE);
	queue_drop(e, c);
	recv_prune(e, c);
	c->state = TCP_CLOSED;
	c->end = (uint8_t)end;
	c->events |= EV_CLOSED;
	c->events &= (uint8_t) ~(EV_WRITABLE);
	if (c->splice_from != POOL_NONE)
		conn_splice_break(e, conn_at(e, c->splice_from));
	conn_dirty(e, c);
}

void conn_end(struct tcp_engine *e, struct tcp_conn *c, enum tcp_end end)
{
	if (c->state == TCP_CLOSED)
		return;
	table_drop(e, c);
	shut_down(e, c, end);
}

void conn_to_time_wait(struct tcp_engine *e, struct tcp_conn *c)
{
	if (!tw_add(e, c))
		table_drop(e, c);
	shut_down(e, c, TCP_END_NORMAL);
}

void conn_free(struct tcp_engine *e, struct tcp_conn *c)
{
	if (c->state != TCP_CLOSED)
		table_drop(e, c);
	wheel_cancel(&e->wheel, &c->timer);
	queue_drop(e, c);
	recv_prune(e, c);
	recv_drop_all(e, c);
	conn_splice_break(e, c);
	if (c->splice_from != POOL_NONE)
		conn_splice_break(e, conn_at(e, c->splice_from));
	c->gen++;
	pool_put(&e->conns, conn_idx(e, c));
}

void conn_free_unannounced(struct tcp_engine *e, struct tcp_conn *c)
{
	table_drop(e, c);
	c->gen++;
	pool_put(&e->conns, conn_idx(e, c));
}

/* ---- splice ---- */

/* c no longer feeds another connection. */
void conn_splice_break(struct tcp_engine *e, struct tcp_conn *c)
{
	if (c->splice_to == POOL_NONE)
		return;
	conn_at(e, c->splice_to)->splice_from = POOL_NONE;
	c->splice_to = POOL_NONE;
	if (c->rx_head != NULL || c->events & EV_EOF)
		conn_dirty(e, c);
}

/* `acked` bytes left the queue of c: as many may arrive on the connection that feeds it. */
void conn_splice_done(struct tcp_engine *e, struct tcp_conn *c, uint32_t acked)
{
	struct tcp_conn *from = conn_at(e, c->splice_from);
	uint32_t owed = from->rx_unread - from->rx_len;

	if (owed != 0)
		(void)tcp_consumed(e, conn_handle(e, from), u32_min(acked, owed));
	if (from->rx_head != NULL)
		conn_dirty(e, from);
}

/* Move what arrived to the other queue. false: that one takes no more, deliver it instead. */
bool conn_splice_move(struct tcp_engine *e, struct tcp_conn *from)
{
	struct tcp_conn *to = conn_at(e, from->splice_to);
	uint32_t moved = 0;

	if (to->state == TCP_CLOSED || to->flags & (CF_FIN_QUEUED | CF_ORPHAN)) {
		conn_splice_break(e, from);
		return false;
	}
	while (from->rx_head != NULL) {
		struct rte_mbuf *m = from->rx_head, *next = m->next;
		uint32_t len = m->data_len;

		if (queue_push(e, to, m, next == NULL ? SEG_PUSH : 0) != 0) {
			m->next = next;
			break;
		}
		from->rx_head = next;
		from->rx_len -= len;
		moved += len;
	}
	if (from->rx_head == NULL)
		from->rx_tail = NULL;
	else
		timer_set_slow(e, from, 10); /* no queue entry: try again */
	if (moved != 0)
		conn_dirty(e, to);
	return true;
}
