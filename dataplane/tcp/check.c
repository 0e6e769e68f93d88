/* SPDX-License-Identifier: Apache-2.0
 * The invariants of tcp_pvt.h, tested from scratch. For tests: it walks everything. */
#include "dataplane/tcp/tcp_pvt.h"

static void check_queue(const struct tcp_engine *e, const struct tcp_conn *c)
{
	uint32_t seq = c->snd_una, sacked = 0, lost = 0, cnt = 0, timed = 0, sacked_cnt = 0;
	uint32_t last = POOL_NONE;
	bool unsent = false;

	if (c->state < TCP_ESTABLISHED)
		seq = c->snd_nxt;
	for (uint32_t i = c->tx_head; i != POOL_NONE; i = seg_at(e, i)->next) {
		const struct tcp_seg *s = seg_at(e, i);

		if (i == c->tx_unsent) {
			unsent = true;
			ASSERT(s->seq == c->snd_nxt);
		}
		ASSERT(s->seq == seq);
		ASSERT((s->flags & SEG_FIN) != 0 || (s->len > 0 && s->m != NULL));
		ASSERT((s->flags & SEG_FIN) == 0 || s->next == POOL_NONE);
		if (s->m != NULL)
			ASSERT(s->off + s->len <= s->m->data_len);
		ASSERT((s->flags & (SEG_SACKED | SEG_LOST)) != (SEG_SACKED | SEG_LOST));
		if (unsent) {
			ASSERT(!(s->flags & (SEG_SACKED | SEG_LOST | SEG_TIMED | SEG_RTX)));
		} else {
			bool in_time = !(s->flags & (SEG_SACKED | SEG_LOST));

			ASSERT(in_time == ((s->flags & SEG_TIMED) != 0));
			timed += in_time;
		}
		if (s->flags & SEG_SACKED) {
			sacked += seg_seqlen(s);
			sacked_cnt += (s->flags & SEG_HEAD) != 0;
		}
		if (s->flags & SEG_LOST)
			lost += seg_seqlen(s);
		seq = seg_end(s);
		last = i;
		cnt++;
	}
	ASSERT(seq == c->snd_end && last == c->tx_tail && cnt == c->tx_cnt);
	ASSERT(unsent == (c->tx_unsent != POOL_NONE));
	ASSERT(unsent || c->snd_nxt == c->snd_end);
	ASSERT(sacked == c->sacked && lost == c->lost && sacked_cnt == c->sacked_cnt);
	ASSERT(seq_le(c->snd_una, c->snd_nxt) && seq_le(c->snd_nxt, c->snd_end));
	uint64_t at = 0;
	uint32_t prev = POOL_NONE;

	for (uint32_t i = c->ts_head; i != POOL_NONE; i = seg_at(e, i)->ts_next) {
		const struct tcp_seg *s = seg_at(e, i);

		ASSERT(s->ts_prev == prev && s->xmit_ns >= at && timed > 0);
		at = s->xmit_ns;
		prev = i;
		timed--;
	}
	ASSERT(timed == 0 && c->ts_tail == prev);
}

static void check_runs(const struct tcp_engine *e, const struct tcp_conn *c)
{
	uint32_t at = c->rcv_nxt, n = 0;

	for (uint32_t i = c->ooo_head; i != POOL_NONE; i = run_at(e, i)->next) {
		const struct tcp_run *r = run_at(e, i);
		uint32_t bytes = 0;

		for (const struct rte_mbuf *m = r->head; m != NULL; m = m->next) {
			bytes += m->data_len;
			ASSERT(m->next != NULL || m == r->tail);
		}
		ASSERT(seq_gt(r->seq, at) && bytes == r->end - r->seq);
		at = r->end;
		n++;
	}
	ASSERT(n == c->ooo_cnt);
	ASSERT(seq_le(at, c->rcv_adv) || c->ooo_head == POOL_NONE);
}

static void check_conn(const struct tcp_engine *e, const struct tcp_conn *c)
{
	uint32_t slot = tcp_table_find(&e->table, &c->t, tcp_tuple_hash(&e->table, &c->t));
	uint32_t bytes = 0;

	check_queue(e, c);
	check_runs(e, c);
	for (const struct rte_mbuf *m = c->rx_head; m != NULL; m = m->next)
		bytes += m->data_len;
	ASSERT(bytes == c->rx_len && c->rx_len <= c->rx_unread);
	ASSERT(seq_le(c->rcv_nxt, c->rcv_adv) || c->state < TCP_ESTABLISHED);
	if (c->splice_to != POOL_NONE)
		ASSERT(conn_at(e, c->splice_to)->splice_from == conn_idx(e, c));
	if (c->state == TCP_CLOSED) {
		ASSERT(c->flags & CF_DIRTY && !wheel_timer_armed(&c->timer));
		return;
	}
	ASSERT(slot == tcp_slot(TCP_KIND_CONN, conn_idx(e, c)));
	ASSERT(c->cwnd > 0 || c->state < TCP_ESTABLISHED);
	if (c->flags & CF_DIRTY)
		return;
	/* At rest: what is outstanding or waits is watched. */
	if (c->snd_una != c->snd_end || c->flags & CF_DELACK || c->flags & CF_SLOW)
		ASSERT(wheel_timer_armed(&c->timer));
	if (c->snd_una != c->snd_end)
		ASSERT(c->rtx_kind != RTX_NONE);
}

void tcp_check(const struct tcp_engine *e)
{
	uint32_t conns = 0, segs = 0;

	for (uint32_t i = 0; i < e->conns.capacity && conns < e->conns.used; i++) {
		const struct tcp_conn *c = conn_at(e, i);

		if (!(c->gen & 1))
			continue;
		conns++;
		check_conn(e, c);
		segs += c->tx_cnt + c->ooo_cnt;
	}
	ASSERT(conns == e->conns.used && segs == e->segs.used);
	ASSERT(e->table.used <= e->conns.used + e->syns.used + e->tws.used);
}
