/* SPDX-License-Identifier: Apache-2.0
 * TIME_WAIT: a 64-byte record in place of the connection. All wait equally long, so a FIFO keeps
 * them in order of expiry; when the pool is empty the oldest gives way. */
#include "dataplane/tcp/tcp_pvt.h"

#define TW_TS 1u /* bit 0 of expiry_ms */

static struct tcp_tw *tw_at(const struct tcp_engine *e, uint32_t idx)
{
	return pool_at(&e->tws, idx);
}

static void fifo_append(struct tcp_engine *e, uint32_t idx)
{
	struct tcp_tw *tw = tw_at(e, idx);

	tw->next = POOL_NONE;
	tw->prev = e->tw_fifo.tail;
	if (tw->prev == POOL_NONE)
		e->tw_fifo.head = idx;
	else
		tw_at(e, tw->prev)->next = idx;
	e->tw_fifo.tail = idx;
}

static void fifo_remove(struct tcp_engine *e, uint32_t idx)
{
	struct tcp_tw *tw = tw_at(e, idx);

	if (tw->prev == POOL_NONE)
		e->tw_fifo.head = tw->next;
	else
		tw_at(e, tw->prev)->next = tw->next;
	if (tw->next == POOL_NONE)
		e->tw_fifo.tail = tw->prev;
	else
		tw_at(e, tw->next)->prev = tw->prev;
}

void tw_free(struct tcp_engine *e, uint32_t idx)
{
	struct tcp_tw *tw = tw_at(e, idx);

	fifo_remove(e, idx);
	tcp_table_remove(&e->table, tcp_tuple_hash(&e->table, &tw->t), tcp_slot(TCP_KIND_TW, idx));
	pool_put(&e->tws, idx);
}

static void start_clock(struct tcp_engine *e, struct tcp_tw *tw, uint32_t ts)
{
	tw->expiry_ms = ((e->now_ms + e->cfg.time_wait_ms) & ~TW_TS) | ts;
}

/* Takes the connection's place in the table. */
bool tw_add(struct tcp_engine *e, const struct tcp_conn *c)
{
	uint32_t idx = pool_get(&e->tws);
	struct tcp_tw *tw;

	if (idx == POOL_NONE) {
		CNT(e, timewait_recycled);
		tw_free(e, e->tw_fifo.head);
		idx = pool_get(&e->tws);
	}
	tw = tw_at(e, idx);
	tw->t = c->t;
	tw->t.own = c->snd_nxt;
	tw->rcv_nxt = c->rcv_nxt;
	tw->ts_recent = c->ts_recent;
	tw->ts_off = c->ts_off;
	start_clock(e, tw, c->flags & CF_TS ? TW_TS : 0);
	fifo_append(e, idx);
	tcp_table_replace(&e->table, tcp_tuple_hash(&e->table, &c->t),
		tcp_slot(TCP_KIND_CONN, conn_idx(e, c)), tcp_slot(TCP_KIND_TW, idx));
	CNT(e, timewaits);
	return true;
}

static void tw_ack(struct tcp_engine *e, const struct tcp_tw *tw)
{
	uint8_t opts[TCP_OPTS_MAX];
	struct tcp_out o = {
		.t = tw->t, .seq = tw->t.own, .ack = tw->rcv_nxt, .flags = TCP_ACK, .opts = opts};
	struct rte_mbuf *m = emit_header(e);

	if (m == NULL)
		return;
	if (tw->expiry_ms & TW_TS)
		o.opts_len = tcp_opt_put_ts(opts, e->now_ms + tw->ts_off, tw->ts_recent);
	CNT(e, timewait_acks);
	emit_frame(e, m, 0, &o);
}

/* RFC 6191, and RFC 9293 3.10.7.4 where there are no timestamps. */
static bool tw_may_open(const struct tcp_tw *tw, const struct tcp_in *h)
{
	if (tw->expiry_ms & TW_TS && h->opts & TCP_HAS_TS && h->tsval != tw->ts_recent)
		return seq_gt(h->tsval, tw->ts_recent);
	return seq_gt(h->seq, tw->rcv_nxt);
}

bool tw_input(struct tcp_engine *e, uint32_t idx, const struct tcp_in *h, uint32_t *iss_above)
{
	struct tcp_tw *tw = tw_at(e, idx);
	bool text = h->len != 0 || h->flags & TCP_FIN;

	if (h->flags & TCP_RST) {
		CNT(e, timewait_rst_ignored); /* RFC 1337 3 */
		return true;
	}
	if ((h->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN && tw_may_open(tw, h)) {
		*iss_above = tw->t.own;
		return false;
	}
	if (h->flags & TCP_FIN && h->seq + h->len + 1 == tw->rcv_nxt) {
		/* Its acknowledgement was lost: say it again and wait anew. */
		fifo_remove(e, idx);
		start_clock(e, tw, tw->expiry_ms & TW_TS);
		fifo_append(e, idx);
	} else if (!text && !(h->flags & TCP_SYN) && h->seq == tw->rcv_nxt) {
		return true; /* nothing to say to an acceptable ACK */
	}
	if (text || challenge_allowed(e))
		tw_ack(e, tw);
	return true;
}

/* May an active open take this tuple over? The peer can then tell old from new by the timestamp,
 * which has moved on since (RFC 6191). */
bool tw_reusable(const struct tcp_engine *e, uint32_t idx)
{
	const struct tcp_tw *tw = tw_at(e, idx);
	uint32_t age = e->now_ms - ((tw->expiry_ms & ~TW_TS) - e->cfg.time_wait_ms);

	return (tw->expiry_ms & TW_TS) && age >= 1000;
}

void tw_timers(struct tcp_engine *e)
{
	while (e->tw_fifo.head != POOL_NONE &&
		ms_due(e->now_ms, tw_at(e, e->tw_fifo.head)->expiry_ms & ~TW_TS))
		tw_free(e, e->tw_fifo.head);
}
