/* SPDX-License-Identifier: Apache-2.0
 * The calls of an application. Each finds its connection by handle, changes state and puts it on
 * the dirty list; output follows in tcp_flush(). */
#include <errno.h>

#include "dataplane/tcp/tcp_pvt.h"

static bool can_send(const struct tcp_conn *c)
{
	return c->state != TCP_CLOSED && !(c->flags & CF_FIN_QUEUED);
}

uint32_t tcp_send_room(const struct tcp_engine *e, uint64_t conn)
{
	const struct tcp_conn *c = conn_get(e, conn);
	uint32_t queued;

	if (c == NULL || !can_send(c))
		return 0;
	queued = c->snd_end - c->snd_una;
	return queued < c->sndbuf ? c->sndbuf - queued : 0;
}

static void note_sent(struct tcp_engine *e, struct tcp_conn *c, bool all, unsigned flags)
{
	if (flags & TCP_SEND_MORE)
		c->flags |= CF_MORE;
	else
		c->flags &= ~(uint32_t)CF_MORE;
	if (!all) {
		c->flags |= CF_WANT_WRITE;
		CNT(e, send_refused);
		/* Nothing in flight will tell of room: only the pool is short. */
		if (c->snd_una == c->snd_end)
			timer_set_slow(e, c, 10);
	}
	conn_dirty(e, c);
}

int64_t tcp_send(struct tcp_engine *e, uint64_t conn, struct rte_mbuf **chain, unsigned flags)
{
	struct tcp_conn *c = conn_get(e, conn);
	struct rte_mbuf *m = *chain, *next;
	uint32_t taken = 0;

	if (c == NULL)
		return -ESTALE;
	if (!can_send(c))
		return -EPIPE;
	for (; m != NULL; m = next) {
		uint32_t len = m->data_len;

		next = m->next;
		if (len == 0) {
			m->next = NULL;
			m->nb_segs = 1;
			rte_pktmbuf_free_seg(m);
			continue;
		}
		if (c->snd_end - c->snd_una >= c->sndbuf ||
			queue_push(e, c, m, next == NULL ? SEG_PUSH : 0) != 0) {
			m->next = next;
			break;
		}
		taken += len;
	}
	*chain = m;
	note_sent(e, c, m == NULL, flags);
	if (m == NULL && flags & TCP_SEND_FIN)
		(void)tcp_shutdown(e, conn);
	return taken;
}

int64_t tcp_send_bytes(
	struct tcp_engine *e, uint64_t conn, const void *data, uint32_t len, unsigned flags)
{
	struct tcp_conn *c = conn_get(e, conn);
	uint32_t room = rte_pktmbuf_data_room_size(e->cfg.data_pool) - RTE_PKTMBUF_HEADROOM;
	struct rte_mbuf *head = NULL, **link = &head;
	const uint8_t *p = data;
	uint32_t left = len, pieces = (len + room - 1) / room;

	if (c == NULL)
		return -ESTALE;
	if (!can_send(c))
		return -EPIPE;
	if (tcp_send_room(e, conn) < len || c->tx_cnt + pieces > LIMIT_TCP_CONN_SEGS ||
		e->segs.used + e->seg_reserve + pieces > e->segs.capacity) {
		note_sent(e, c, false, flags);
		return 0;
	}
	while (left > 0) {
		uint32_t n = u32_min(left, room);
		struct rte_mbuf *m = rte_pktmbuf_alloc(e->cfg.data_pool);

		if (m == NULL) {
			CNT(e, no_mbuf);
			rte_pktmbuf_free(head);
			note_sent(e, c, false, flags);
			return 0;
		}
		memcpy(rte_pktmbuf_append(m, (uint16_t)n), p, n);
		p += n;
		left -= n;
		*link = m;
		link = &m->next;
	}
	left = (uint32_t)tcp_send(e, conn, &head, flags);
	ASSERT(head == NULL);
	return left;
}

int tcp_want_write(struct tcp_engine *e, uint64_t conn)
{
	struct tcp_conn *c = conn_get(e, conn);

	if (c == NULL)
		return -ESTALE;
	if (!can_send(c))
		return -EPIPE;
	note_sent(e, c, false, 0);
	return 0;
}

/* The truesize leaves in proportion to the bytes; exact when all are consumed. */
int tcp_consumed(struct tcp_engine *e, uint64_t conn, uint32_t n)
{
	struct tcp_conn *c = conn_get(e, conn);
	uint32_t owed;

	if (c == NULL)
		return -ESTALE;
	owed = c->rx_unread - c->rx_len;
	if (n > owed)
		n = owed;
	if (n == 0)
		return 0;
	c->rx_true = n == c->rx_unread
			     ? 0
			     : c->rx_true - (uint32_t)((uint64_t)c->rx_true * n / c->rx_unread);
	c->rx_unread -= n;
	if (c->state == TCP_CLOSED)
		return 0;
	c->flags |= CF_WUPDATE;
	conn_dirty(e, c);
	return 0;
}

int tcp_splice(struct tcp_engine *e, uint64_t from, uint64_t to)
{
	struct tcp_conn *a = conn_get(e, from), *b = conn_get(e, to);

	if (a == NULL || b == NULL)
		return -ESTALE;
	if (a == b)
		return -EINVAL;
	conn_splice_break(e, a);
	if (b->splice_from != POOL_NONE)
		conn_splice_break(e, conn_at(e, b->splice_from));
	a->splice_to = conn_idx(e, b);
	b->splice_from = conn_idx(e, a);
	if (a->rx_head != NULL)
		conn_dirty(e, a);
	/* An end of file that came before is still passed on. */
	if (a->flags & CF_FIN_RCVD && !(a->events & EV_EOF))
		(void)tcp_shutdown(e, to);
	return 0;
}

int tcp_shutdown(struct tcp_engine *e, uint64_t conn)
{
	struct tcp_conn *c = conn_get(e, conn);

	if (c == NULL)
		return -ESTALE;
	if (!can_send(c))
		return 0;
	c->flags |= CF_FIN_QUEUED;
	c->flags &= ~(uint32_t)(CF_MORE | CF_WANT_WRITE);
	(void)queue_push_fin(e, c); /* without an entry output tries again */
	if (c->state == TCP_ESTABLISHED)
		c->state = TCP_FIN_WAIT_1;
	else if (c->state == TCP_CLOSE_WAIT)
		c->state = TCP_LAST_ACK;
	conn_dirty(e, c);
	return 0;
}

static void orphan(struct tcp_engine *e, struct tcp_conn *c)
{
	c->flags |= CF_ORPHAN;
	conn_splice_break(e, c);
	if (c->splice_from != POOL_NONE)
		conn_splice_break(e, conn_at(e, c->splice_from));
	conn_dirty(e, c);
}

int tcp_close(struct tcp_engine *e, uint64_t conn)
{
	struct tcp_conn *c = conn_get(e, conn);

	if (c == NULL)
		return -ESTALE;
	if (c->state == TCP_SYN_SENT) {
		conn_end(e, c, TCP_END_NORMAL);
	} else if (c->rx_head != NULL && c->state != TCP_CLOSED) {
		return tcp_abort(e, conn); /* RFC 9293 3.6.1 */
	} else {
		(void)tcp_shutdown(e, conn);
		if (c->state == TCP_FIN_WAIT_2)
			timer_set_slow(e, c, e->cfg.fin_wait2_ms);
	}
	orphan(e, c);
	return 0;
}

int tcp_abort(struct tcp_engine *e, uint64_t conn)
{
	struct tcp_conn *c = conn_get(e, conn);

	if (c == NULL)
		return -ESTALE;
	if (c->state != TCP_CLOSED && c->state != TCP_SYN_SENT)
		emit_rst(e, c);
	conn_end(e, c, TCP_END_RESET);
	orphan(e, c);
	return 0;
}

void tcp_reset_peers(struct tcp_engine *e)
{
	for (uint32_t i = 0; i < e->conns.capacity; i++) {
		struct tcp_conn *c = conn_at(e, i);

		if ((c->gen & 1) && c->state != TCP_CLOSED && c->state != TCP_SYN_SENT)
			emit_rst(e, c);
	}
}

int tcp_set(struct tcp_engine *e, uint64_t conn, enum tcp_option opt, uint64_t value)
{
	struct tcp_conn *c = conn_get(e, conn);

	if (c == NULL)
		return -ESTALE;
	if (value > UINT32_MAX)
		return -EINVAL;
	switch (opt) {
	case TCP_OPT_NAGLE:
		c->flags = value != 0 ? c->flags | CF_NAGLE : c->flags & ~(uint32_t)CF_NAGLE;
		conn_dirty(e, c);
		return 0;
	case TCP_OPT_KEEPALIVE_MS:
		c->keepalive = slow_units((uint32_t)value);
		c->ka_probes = 0;
		if (value != 0 && c->state >= TCP_ESTABLISHED)
			timer_set_slow(e, c, c->keepalive * TCP_SLOW_UNIT_MS);
		return 0;
	case TCP_OPT_USER_TIMEOUT_MS:
		if (value == 0)
			return -EINVAL;
		c->user_timeout = slow_units((uint32_t)value);
		return 0;
	case TCP_OPT_CC:
		if (value > TCP_CC_NEWRENO)
			return -EINVAL;
		c->cc = (uint8_t)value;
		c->epoch_ms = 0;
		return 0;
	case TCP_OPT_RCVBUF:
		if (value > 1u << 30)
			return -EINVAL;
		/* Less than two scale units could not be advertised at all. */
		c->rcvbuf = u32_max((uint32_t)value, u32_max(256, 2u << c->rcv_wscale));
		c->flags |= CF_WUPDATE;
		conn_dirty(e, c);
		return 0;
	case TCP_OPT_SNDBUF:
		if (value == 0 || value > 1u << 30)
			return -EINVAL;
		c->sndbuf = (uint32_t)value;
		return 0;
	}
	return -EINVAL;
}

int tcp_set_user(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct tcp_conn *c = conn_get(e, conn);

	if (c == NULL)
		return -ESTALE;
	c->user = user;
	return 0;
}

void *tcp_user(const struct tcp_engine *e, uint64_t conn)
{
	const struct tcp_conn *c = conn_get(e, conn);

	return c == NULL ? NULL : c->user;
}

int tcp_set_ops(struct tcp_engine *e, uint64_t conn, const struct tcp_ops *ops)
{
	struct tcp_conn *c = conn_get(e, conn);

	if (c == NULL)
		return -ESTALE;
	c->ops = ops;
	return 0;
}

/* ---- dumps ---- */

static const char *const state_names[] = {"closed", "syn_sent", "syn_rcvd", "established",
	"fin_wait_1", "fin_wait_2", "close_wait", "closing", "last_ack", "time_wait"};
static const char *const end_names[] = {
	"normal", "reset", "refused", "timeout", "unreachable", "no_memory", "protocol"};

const char *tcp_state_name(enum tcp_state s)
{
	return s < ARRAY_SIZE(state_names) ? state_names[s] : "?";
}

const char *tcp_end_name(enum tcp_end end)
{
	return end < ARRAY_SIZE(end_names) ? end_names[end] : "?";
}

static void fill_info(const struct tcp_engine *e, const struct tcp_conn *c, struct tcp_info *o)
{
	*o = (struct tcp_info){
		.conn = conn_handle(e, c),
		.laddr = c->t.laddr,
		.raddr = c->t.raddr,
		.lport = c->t.lport,
		.rport = c->t.rport,
		.state = c->state,
		.recovery = c->flags & CF_LOSS       ? 2
			    : c->flags & CF_RECOVERY ? 1
						     : 0,
		.cc = c->cc,
		.backoff = c->backoff,
		.sack = (c->flags & CF_SACK) != 0,
		.timestamps = (c->flags & CF_TS) != 0,
		.ecn = (c->flags & CF_ECN) != 0,
		.orphan = (c->flags & CF_ORPHAN) != 0,
		.snd_wscale = c->snd_wscale,
		.rcv_wscale = c->rcv_wscale,
		.mss = c->mss,
		.path_mtu = c->mtu,
		.srtt_us = c->srtt_us >> 3,
		.rttvar_us = c->rttvar_us >> 2,
		.min_rtt_us = c->min_rtt_us,
		.rto_ms = c->rto_ms,
		.cwnd = c->cwnd,
		.ssthresh = c->ssthresh,
		.snd_wnd = c->snd_wnd,
		.rcv_wnd = c->rcv_adv - c->rcv_nxt,
		.snd_una = c->snd_una,
		.snd_nxt = c->snd_nxt,
		.rcv_nxt = c->rcv_nxt,
		.queued = c->snd_end - c->snd_una,
		.inflight = conn_pipe(c),
		.unread = c->rx_unread,
		.bytes_in = c->bytes_in,
		.bytes_acked = c->bytes_acked,
		.retransmits = c->retrans,
	};
	for (uint32_t i = c->ooo_head; i != POOL_NONE; i = run_at(e, i)->next)
		o->ooo_bytes += run_at(e, i)->end - run_at(e, i)->seq;
}

int tcp_info(const struct tcp_engine *e, uint64_t conn, struct tcp_info *out)
{
	const struct tcp_conn *c = conn_get(e, conn);

	if (c == NULL)
		return -ESTALE;
	fill_info(e, c, out);
	return 0;
}

uint32_t tcp_next(const struct tcp_engine *e, uint32_t cursor, struct tcp_info *out)
{
	for (; cursor < e->conns.capacity; cursor++) {
		const struct tcp_conn *c = conn_at(e, cursor);

		if (!(c->gen & 1))
			continue;
		fill_info(e, c, out);
		return cursor + 1;
	}
	return UINT32_MAX;
}
