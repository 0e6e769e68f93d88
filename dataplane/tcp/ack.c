/* SPDX-License-Identifier: Apache-2.0
 * The acknowledgement side of a sender: what was delivered, round trips, recovery.
 *
 * Loss is detected by RACK (rack.c) on connections with SACK and by duplicate ACKs (NewReno, RFC
 * 6582) without. Recovery paces by proportional rate reduction (RFC 6937, the SSRB bound):
 * cwnd = pipe + what may be sent for this ACK. */
#include "dataplane/tcp/tcp_pvt.h"

struct ack_work {
	uint32_t prior_una, prior_pipe;
	uint32_t acked;       /* bytes cumulatively acknowledged now */
	uint32_t delivered;   /* bytes that left the network, by SACK or cumulatively */
	uint64_t oldest_ns;   /* first transmission time among never retransmitted ones; 0: none */
	uint64_t last_rtx_ns; /* latest transmission among retransmitted ones */
	bool rtx_acked, undone;
	struct rack_ack rack;
};

/* RFC 6298 2; srtt is kept times 8, rttvar times 4. */
void rtt_sample(struct tcp_engine *e, struct tcp_conn *c, uint32_t rtt_us)
{
	uint32_t var;

	if (rtt_us == 0)
		rtt_us = 1;
	if (c->srtt_us == 0) {
		c->srtt_us = rtt_us << 3;
		c->rttvar_us = rtt_us << 1;
	} else {
		int32_t err = (int32_t)(rtt_us - (c->srtt_us >> 3));

		c->srtt_us += (uint32_t)err;
		if (err < 0)
			err = -err;
		c->rttvar_us += (uint32_t)err - (c->rttvar_us >> 2);
	}
	if (c->srtt_us == 0)
		c->srtt_us = 1;
	var = u32_max(c->rttvar_us, 1000); /* G: one tick */
	c->rto_ms = ((c->srtt_us >> 3) + var + 999) / 1000;
	c->rto_ms = u32_min(u32_max(c->rto_ms, e->cfg.min_rto_ms), e->cfg.max_rto_ms);
	c->flags |= CF_RTT_FRESH;
}

/* Smallest of about the last ten seconds: enough for RACK to follow a longer path. */
static void min_rtt_sample(struct tcp_engine *e, struct tcp_conn *c, uint32_t rtt_us)
{
	if (c->min_rtt_us == 0 || rtt_us <= c->min_rtt_us || e->now_ms - c->min_rtt_ms > 10000) {
		c->min_rtt_us = rtt_us == 0 ? 1 : rtt_us;
		c->min_rtt_ms = e->now_ms;
	}
}

static void seg_delivered(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_seg *s,
	const struct tcp_in *h, struct ack_work *w)
{
	w->delivered += seg_seqlen(s);
	if (s->flags & SEG_RTX) {
		w->rtx_acked = true;
		if (s->xmit_ns > w->last_rtx_ns)
			w->last_rtx_ns = s->xmit_ns;
	} else if (w->oldest_ns == 0 || s->xmit_ns < w->oldest_ns)
		w->oldest_ns = s->xmit_ns;
	rack_delivered(e, c, s, h, &w->rack);
}

/* Take what `ack` covers off the queue. */
static void clean_queue(
	struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h, struct ack_work *w)
{
	while (c->tx_head != POOL_NONE && c->tx_head != c->tx_unsent) {
		uint32_t idx = c->tx_head, part;
		struct tcp_seg *s = seg_at(e, idx);

		if (seq_gt(seg_end(s), h->ack)) {
			part = h->ack - s->seq;
			if (seq_le(h->ack, s->seq))
				break;
			if (s->flags & SEG_SACKED)
				c->sacked -= part;
			else
				w->delivered += part;
			if (s->flags & SEG_LOST)
				c->lost -= part;
			s->seq += part;
			s->off = (uint16_t)(s->off + part);
			s->len = (uint16_t)(s->len - part);
			break;
		}
		if (s->flags & SEG_SACKED) {
			c->sacked -= seg_seqlen(s);
			if (s->flags & SEG_HEAD)
				c->sacked_cnt--;
		} else {
			seg_delivered(e, c, s, h, w);
		}
		if (s->flags & SEG_LOST)
			c->lost -= seg_seqlen(s);
		time_remove(e, c, idx);
		c->tx_head = s->next;
		if (c->tx_tail == idx)
			c->tx_tail = POOL_NONE;
		c->tx_cnt--;
		seg_free(e, idx);
	}
	c->snd_una = h->ack;
}

/* ---- SACK ---- */

static void seg_sack(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx, const struct tcp_in *h,
	struct ack_work *w)
{
	struct tcp_seg *s = seg_at(e, idx);

	seg_delivered(e, c, s, h, w);
	if (s->flags & SEG_LOST) {
		c->lost -= seg_seqlen(s);
		s->flags &= (uint8_t)~SEG_LOST;
	}
	time_remove(e, c, idx);
	s->flags |= SEG_SACKED;
	s->ts_next = idx; /* the skip link: last piece of the SACKED stretch, as far as known */
	c->sacked += seg_seqlen(s);
	if (s->flags & SEG_HEAD)
		c->sacked_cnt++;
}

/* The last piece of the SACKED stretch that begins at idx; shortens the way for the next time. */
static uint32_t sack_skip(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx)
{
	uint32_t last = seg_at(e, idx)->ts_next, next;

	while ((next = seg_at(e, last)->next) != POOL_NONE && next != c->tx_unsent &&
		seg_at(e, next)->flags & SEG_SACKED)
		last = seg_at(e, next)->ts_next;
	seg_at(e, idx)->ts_next = last;
	return last;
}

/* Mark [start, end); blocks come sorted, *at is where the last one stopped. */
static void sack_block(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h,
	uint32_t start, uint32_t end, uint32_t *at, struct ack_work *w)
{
	uint32_t idx = *at;

	while (idx != POOL_NONE && idx != c->tx_unsent) {
		struct tcp_seg *s = seg_at(e, idx);

		*at = idx;
		if (seq_ge(s->seq, end))
			return;
		if (s->flags & SEG_SACKED) {
			idx = seg_at(e, sack_skip(e, c, idx))->next;
			continue;
		}
		if (seq_le(seg_end(s), start)) {
			idx = s->next;
			continue;
		}
		/* Only a whole piece can be marked; cut it where the block begins or ends. */
		if (seq_lt(s->seq, start)) {
			if (!queue_split(e, c, idx, start - s->seq))
				return;
			idx = s->next;
			continue;
		}
		if (seq_gt(seg_end(s), end) &&
			(s->flags & SEG_FIN || !queue_split(e, c, idx, end - s->seq)))
			return;
		seg_sack(e, c, idx, h, w);
		idx = s->next;
	}
	*at = idx;
}

/* RFC 2883 4: the first block below the cumulative ACK, or inside the second one. */
static bool is_dsack(const struct tcp_in *h)
{
	if (h->nsack == 0)
		return false;
	if (seq_le(h->sack[0][1], h->ack))
		return seq_lt(h->sack[0][0], h->sack[0][1]);
	return h->nsack > 1 && seq_ge(h->sack[0][0], h->sack[1][0]) &&
	       seq_le(h->sack[0][1], h->sack[1][1]);
}

static void sack_process(
	struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h, struct ack_work *w)
{
	uint32_t b[TCP_MAX_SACK][2], n = 0, at = c->tx_head, i = 0;

	if (is_dsack(h)) {
		w->rack.dsack = true;
		CNT(e, dsacks_in);
		i = 1;
	}
	for (; i < h->nsack; i++) {
		uint32_t start = h->sack[i][0], end = h->sack[i][1], k = n;

		if (seq_ge(start, end) || seq_lt(start, c->snd_una) || seq_gt(end, c->snd_nxt)) {
			/* One that the ACK has overtaken is old, not wrong. */
			if (seq_ge(start, end) || seq_gt(end, c->snd_nxt))
				CNT(e, sacks_bad);
			continue;
		}
		for (; k > 0 && seq_gt(b[k - 1][0], start); k--) {
			b[k][0] = b[k - 1][0];
			b[k][1] = b[k - 1][1];
		}
		b[k][0] = start;
		b[k][1] = end;
		n++;
	}
	for (i = 0; i < n; i++)
		sack_block(e, c, h, b[i][0], b[i][1], &at, w);
}

/* ---- recovery ---- */

void enter_recovery(struct tcp_engine *e, struct tcp_conn *c, uint32_t acked)
{
	uint32_t pipe;

	CNT(e, fast_recoveries);
	c->recover_fs = u32_max(c->snd_nxt - c->snd_una, 1);
	/* One reduction per window: an ECN echo may have made it already. */
	if (seq_ge(c->snd_una, c->recover)) {
		undo_arm(e, c);
		cc_on_congestion(e, c, acked);
	} else {
		undo_forget(c);
	}
	c->flags |= CF_RECOVERY;
	c->flags &= ~(uint32_t)(CF_TLP_OUT | CF_ECN_ROUND);
	c->recover = c->snd_nxt;
	c->prr_delivered = c->prr_out = 0;
	/* The first retransmission does not wait for the rate. */
	pipe = conn_pipe(c);
	c->cwnd = u32_max(u32_min(c->cwnd, pipe + c->mss), c->mss);
}

/* RFC 6937 3, with the slow start reduction bound. */
static void prr_on_ack(struct tcp_conn *c, uint32_t delivered, bool una_moved)
{
	uint32_t pipe = conn_pipe(c);
	int64_t sndcnt;

	c->prr_delivered += delivered;
	if (pipe > c->ssthresh) {
		uint64_t target = (uint64_t)c->prr_delivered * c->ssthresh + c->recover_fs - 1;

		sndcnt = (int64_t)(target / c->recover_fs) - c->prr_out;
	} else {
		int64_t limit = (int64_t)c->prr_delivered - c->prr_out;

		if (limit < (int64_t)delivered)
			limit = delivered;
		if (una_moved)
			limit += c->mss; /* progress: grow as slow start would */
		sndcnt = (int64_t)c->ssthresh - pipe;
		if (limit < sndcnt)
			sndcnt = limit;
	}
	if (sndcnt < 0)
		sndcnt = 0;
	if (c->prr_out == 0 && sndcnt < c->mss)
		sndcnt = c->mss;
	c->cwnd = u32_max(pipe + (uint32_t)sndcnt, c->mss);
}

static void exit_recovery(struct tcp_engine *e, struct tcp_conn *c)
{
	(void)e;
	if (c->flags & CF_RECOVERY)
		c->cwnd =
			u32_max(u32_min(c->ssthresh, c->cwnd > c->ssthresh ? c->cwnd : c->ssthresh),
				2u * c->mss);
	c->flags &= ~(uint32_t)(CF_RECOVERY | CF_LOSS | CF_TLP_OUT);
	c->dupacks = 0;
	c->rack_fack = seq_max(c->rack_fack, c->snd_una);
}

/* The next hole of a NewReno recovery: the first frame in flight, once per partial ACK. */
static void newreno_mark_head(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t len = 0, idx = c->tx_head;

	while (idx != POOL_NONE && idx != c->tx_unsent && len < c->mss) {
		struct tcp_seg *s = seg_at(e, idx);

		if (len != 0 && s->flags & SEG_HEAD)
			return;
		len += seg_seqlen(s);
		if (!(s->flags & (SEG_LOST | SEG_SACKED)))
			seg_mark_lost(e, c, idx);
		idx = s->next;
	}
}

/* How much a duplicate ACK says has arrived: the mean frame in flight, since peers that send small
 * messages would otherwise seem to have an empty network. */
static void newreno_unit(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t frames = 0;

	for (uint32_t i = c->tx_head; i != POOL_NONE && i != c->tx_unsent; i = seg_at(e, i)->next)
		frames += (seg_at(e, i)->flags & SEG_HEAD) != 0;
	c->dup_unit = (c->snd_nxt - c->snd_una) / u32_max(frames, 1);
	c->dup_unit = u32_max(u32_min(c->dup_unit, c->mss), 1);
}

static void newreno_on_ack(
	struct tcp_engine *e, struct tcp_conn *c, const struct ack_work *w, bool dup)
{
	if (c->flags & CF_LOSS)
		return;
	if (dup && c->dupacks == 0)
		newreno_unit(e, c);
	if (dup && c->dupacks < UINT8_MAX)
		c->dupacks++;
	if (c->flags & CF_RECOVERY) {
		if (w->acked != 0) {
			uint32_t segs = c->dup_unit != 0 ? w->acked / c->dup_unit : 0;

			/* Each acknowledged segment but the hole was counted as a duplicate. */
			segs = segs > 0 ? segs - 1 : 0;
			c->dupacks = (uint8_t)(c->dupacks > segs ? c->dupacks - segs : 0);
			newreno_mark_head(e, c);
		}
		return;
	}
	if (w->acked != 0) {
		c->dupacks = 0;
		return;
	}
	/* RFC 6582 3.2 step 2: not for duplicates of what was sent before the last recovery ended;
	 * they come from our own retransmissions. An echo of congestion sent nothing again. */
	if (dup && c->dupacks == TCP_DUP_THRESH &&
		(seq_gt(c->snd_una, c->recover) || c->flags & CF_ECN_ROUND)) {
		newreno_mark_head(e, c);
		enter_recovery(e, c, 0);
	}
}

static void ecn_on_ack(
	struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h, uint32_t acked)
{
	if (!(c->flags & CF_ECN) || !(h->flags & TCP_ECE) || c->flags & (CF_RECOVERY | CF_LOSS) ||
		seq_lt(c->snd_una, c->recover) || c->snd_una == c->snd_nxt)
		return;
	CNT(e, ecn_reductions);
	undo_forget(c);
	cc_on_congestion(e, c, acked);
	c->cwnd = c->ssthresh;
	c->recover = c->snd_nxt;
	c->flags |= CF_ECN_ROUND;
}

static void recovery_on_ack(
	struct tcp_engine *e, struct tcp_conn *c, const struct ack_work *w, bool dup)
{
	bool was = (c->flags & (CF_RECOVERY | CF_LOSS)) != 0;

	if (was && seq_ge(c->snd_una, c->recover)) {
		if (c->flags & CF_LOSS)
			cc_on_ack(e, c, w->acked);
		exit_recovery(e, c);
		rack_reo_wnd_round(c, w->rack.dsack, true);
		was = false;
	} else {
		rack_reo_wnd_round(c, w->rack.dsack, false);
		if (!was && w->acked != 0 && !w->undone)
			cc_on_ack(e, c, w->acked);
		else if (c->flags & CF_LOSS && w->acked != 0)
			cc_on_ack(e, c, w->acked);
	}
	if (c->flags & CF_SACK) {
		uint32_t wait = rack_detect(e, c);

		if (c->lost != 0 && !(c->flags & (CF_RECOVERY | CF_LOSS)))
			enter_recovery(e, c, w->acked);
		if (wait != 0 && c->snd_una != c->snd_nxt)
			timer_set_rtx(e, c, RTX_REO, wait);
		else if (c->rtx_kind == RTX_REO)
			timer_arm_rto(e, c);
	} else {
		newreno_on_ack(e, c, w, dup);
	}
	if (c->flags & CF_RECOVERY && (was || w->delivered != 0 || dup))
		prr_on_ack(c, c->flags & CF_SACK || w->delivered != 0 ? w->delivered : c->dup_unit,
			w->acked != 0);
	/* RFC 6582 3.2 step 3: a partial ACK retransmits at once, whatever the rate says. */
	if (c->flags & CF_RECOVERY && !(c->flags & CF_SACK) && w->acked != 0)
		c->cwnd = u32_max(c->cwnd, conn_pipe(c) + c->mss);
}

/* ---- the ACK ---- */

static void window_update(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h)
{
	uint32_t wnd = (uint32_t)h->wnd << c->snd_wscale;

	/* SND.WL2 is not kept: no ACK older than SND.UNA comes here. */
	if (seq_gt(c->snd_wl1, h->seq))
		return;
	if (seq_lt(h->ack + wnd, c->snd_una + c->snd_wnd) && wnd < c->snd_wnd)
		CNT(e, window_shrunk);
	if (c->snd_wnd == 0 && wnd != 0 && c->rtx_kind == RTX_PERSIST)
		c->backoff = 0;
	c->snd_wnd = wnd;
	if (wnd > c->snd_max_wnd)
		c->snd_max_wnd = wnd;
	c->snd_wl1 = h->seq;
}

static void take_rtt(
	struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h, const struct ack_work *w)
{
	if (w->rack.newest_rtt_us != 0)
		min_rtt_sample(e, c, w->rack.newest_rtt_us);
	if (w->oldest_ns != 0 && !w->rtx_acked) {
		rtt_sample(e, c, (uint32_t)((e->now_ns - w->oldest_ns) / NS_PER_US));
		c->backoff = 0; /* and not before such a sample: RFC 6298 5 (5.5-5.7), Karn */
		return;
	}
	/* Karn: of retransmitted data only a timestamp tells (RFC 7323 4.1), and only one that is
	 * no older than the retransmission: a receiver that had the data already echoes an old one.
	 */
	if (w->acked != 0 && w->rtx_acked && c->flags & CF_TS && h->opts & TCP_HAS_TS &&
		seq_ge(h->tsecr - c->ts_off, (uint32_t)(w->last_rtx_ns / NS_PER_MS))) {
		uint32_t rtt = e->now_ms - (h->tsecr - c->ts_off);

		if (rtt < e->cfg.max_rto_ms) {
			rtt_sample(e, c, rtt * 1000);
			c->backoff = 0;
			return;
		}
	}
	/* Progress without a sample: the timeout comes down, but stays backed off (RFC 6298 5). A
	 * peer without timestamps on a bad path would else wait a minute for each hole. */
	if (w->acked != 0 && c->backoff > 1)
		c->backoff /= 2;
}

/* After the ACK: which timer watches what is still out (RFC 6298 5, RFC 8985 7.2). */
static void rearm(struct tcp_engine *e, struct tcp_conn *c, const struct ack_work *w)
{
	if (c->snd_una == c->snd_nxt) {
		if (c->rtx_kind != RTX_PERSIST)
			timer_stop_rtx(c);
		return;
	}
	if (w->acked == 0 || c->rtx_kind == RTX_REO)
		return;
	if (!tlp_schedule(e, c))
		timer_arm_rto(e, c);
}

/* All was acknowledged before; a late D-SACK still tells of a needless retransmission. */
static void nothing_out(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h)
{
	bool dsack = c->flags & CF_SACK && is_dsack(h);

	if (dsack) {
		CNT(e, dsacks_in);
		rack_reo_wnd_round(c, true, false);
		(void)undo_on_ack(e, c, h, 0, true);
	}
	if (c->flags & CF_TLP_OUT)
		tlp_ack(e, c, h, 0, dsack, h->len == 0 && !(h->flags & TCP_FIN));
}

/* Step five of SEGMENT ARRIVES. false: the segment must be dropped. */
bool ack_process(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h)
{
	struct ack_work w = {.prior_una = c->snd_una};
	uint32_t old_wnd = c->snd_wnd;
	bool dup;

	if (seq_gt(h->ack, c->snd_nxt) || seq_lt(h->ack, c->snd_una - c->snd_max_wnd)) {
		/* RFC 5961 5.2 */
		CNT(e, bad_acks);
		emit_challenge(e, c, h->len != 0);
		return false;
	}
	if (seq_lt(h->ack, c->snd_una))
		return true; /* overtaken by a later one */
	w.prior_pipe = conn_pipe(c);
	w.acked = h->ack - c->snd_una;
	window_update(e, c, h);
	if (c->snd_una == c->snd_nxt) {
		nothing_out(e, c, h);
		return true;
	}
	dup = w.acked == 0 && h->len == 0 && !(h->flags & (TCP_FIN | TCP_SYN)) &&
	      (old_wnd == c->snd_wnd || h->nsack != 0);
	if (dup)
		CNT(e, dupacks);
	if (w.acked != 0) {
		clean_queue(e, c, h, &w);
		c->bytes_acked += w.acked;
		CNT_ADD(e, bytes_acked, w.acked);
		c->stall_ms = e->now_ms;
	}
	if (c->flags & CF_SACK && h->nsack != 0)
		sack_process(e, c, h, &w);
	take_rtt(e, c, h, &w);
	if (w.rack.reordered && !(c->flags & CF_REORDER)) {
		c->flags |= CF_REORDER;
		CNT(e, reorderings);
	}
	ecn_on_ack(e, c, h, w.acked);
	if (c->flags & CF_TLP_OUT)
		tlp_ack(e, c, h, w.acked, w.rack.dsack, dup);
	w.undone = undo_on_ack(e, c, h, w.acked, w.rack.dsack);
	recovery_on_ack(e, c, &w, dup);
	/* Old marks must not fall behind by half the sequence space. */
	c->rack_fack = seq_max(c->rack_fack, c->snd_una);
	if (c->snd_una - c->recover > 1u << 30 && seq_ge(c->snd_una, c->recover)) {
		c->recover = c->snd_una - (1u << 30);
		undo_forget(c);
	}
	rearm(e, c, &w);
	if (w.acked == 0)
		return true;
	if (c->splice_from != POOL_NONE)
		conn_splice_done(e, c, w.acked);
	if (c->flags & CF_WANT_WRITE && c->snd_end - c->snd_una <= c->sndbuf / 2) {
		c->flags &= ~(uint32_t)CF_WANT_WRITE;
		c->events |= EV_WRITABLE;
	}
	return true;
}
