/* SPDX-License-Identifier: Apache-2.0
 * The output decision of one connection, once per flush: lost pieces first, then new data, then an
 * acknowledgement if nothing carried it. */
#include "dataplane/tcp/tcp_pvt.h"

#define COPY_MAX 256 /* payload that is cheaper to copy into the header than to chain */

struct frame {
	uint32_t first, last; /* pieces */
	uint32_t bytes;       /* payload */
	uint32_t mbufs;
	bool fin, rtx;
};

/* Choose consecutive pieces from `first` for one frame of at most max_bytes. A retransmission takes
 * only what is lost beyond its first piece, a probe what is not known to have arrived. */
static bool gather(struct tcp_engine *e, struct tcp_conn *c, uint32_t first, uint32_t max_bytes,
	bool probe, struct frame *f)
{
	uint32_t idx = first;

	*f = (struct frame){.first = first, .last = POOL_NONE};
	f->rtx = seq_lt(seg_at(e, first)->seq, c->snd_nxt);
	while (idx != POOL_NONE && !(f->rtx && idx == c->tx_unsent)) {
		struct tcp_seg *s = seg_at(e, idx);

		if (f->rtx && idx != first &&
			(probe ? s->flags & SEG_SACKED : !(s->flags & SEG_LOST)))
			break;
		if (s->flags & SEG_FIN) {
			if (!f->rtx && s->seq - c->snd_una >= c->snd_wnd)
				break;
			f->fin = true;
			f->last = idx;
			break;
		}
		if (f->bytes == max_bytes)
			break;
		/* Many small pieces are copied, so the limit on mbufs does not bind them. */
		if (f->mbufs >= c->tso_segs && !(c->flags & CF_SINGLE) &&
			f->bytes + s->len > u32_min(e->copybreak, COPY_MAX))
			break;
		if (s->len > max_bytes - f->bytes && !queue_split(e, c, idx, max_bytes - f->bytes))
			break;
		f->bytes += s->len;
		f->mbufs++;
		f->last = idx;
		idx = s->next;
	}
	return f->last != POOL_NONE;
}

/* A reference to a piece's bytes that may be chained: the mbuf itself when no other frame uses its
 * link and the piece is all of it, else an indirect one. */
static struct rte_mbuf *piece_ref(struct tcp_engine *e, const struct tcp_seg *s)
{
	struct rte_mbuf *m;

	if (rte_mbuf_refcnt_read(s->m) == 1 && s->off == 0 && s->len == s->m->data_len) {
		rte_mbuf_refcnt_update(s->m, 1);
		s->m->next = NULL;
		return s->m;
	}
	m = rte_pktmbuf_alloc(e->cfg.ref_pool);
	if (m == NULL)
		return NULL;
	rte_pktmbuf_attach(m, s->m);
	m->data_off = (uint16_t)(m->data_off + s->off);
	m->data_len = s->len;
	m->pkt_len = s->len;
	return m;
}

static bool attach_payload(
	struct tcp_engine *e, struct tcp_conn *c, struct rte_mbuf *hdr, const struct frame *f)
{
	bool copy = f->bytes <= u32_min(e->copybreak, COPY_MAX) || c->flags & CF_SINGLE;
	struct rte_mbuf *tail = hdr;

	for (uint32_t i = f->first; f->bytes != 0; i = seg_at(e, i)->next) {
		const struct tcp_seg *s = seg_at(e, i);

		if (s->flags & SEG_FIN)
			break;
		if (copy) {
			memcpy(rte_pktmbuf_append(hdr, s->len),
				rte_pktmbuf_mtod_offset(s->m, uint8_t *, s->off), s->len);
		} else {
			struct rte_mbuf *m = piece_ref(e, s);

			if (m == NULL)
				return false;
			tail->next = m;
			tail = m;
			hdr->nb_segs++;
			hdr->pkt_len += s->len;
		}
		if (i == f->last)
			break;
	}
	return true;
}

/* The frame is on its way: the scoreboard's side of it (RFC 8985 6.1). */
static void mark_sent(struct tcp_engine *e, struct tcp_conn *c, const struct frame *f)
{
	uint32_t i = f->first, last = f->last;

	for (;;) {
		struct tcp_seg *s = seg_at(e, i);
		uint32_t next = s->next;

		if (f->rtx) {
			if (s->flags & SEG_LOST)
				c->lost -= seg_seqlen(s);
			s->flags = (uint8_t)((s->flags & ~SEG_LOST) | SEG_RTX);
			time_remove(e, c, i);
		} else {
			c->snd_nxt = seg_end(s);
			c->tx_unsent = next;
		}
		if (i == f->first)
			s->flags |= SEG_HEAD;
		else
			s->flags &= (uint8_t)~SEG_HEAD;
		s->xmit_ns = e->now_ns;
		if (s->ntx < UINT8_MAX)
			s->ntx++;
		time_append(e, c, i);
		if (c->flags & CF_RECOVERY)
			c->prr_out += seg_seqlen(s);
		if (f->rtx)
			undo_sent_again(c, seg_seqlen(s));
		if (i == last)
			break;
		i = next;
	}
}

static uint32_t put_options(struct tcp_engine *e, struct tcp_conn *c, uint8_t *opts, uint32_t room)
{
	uint32_t n = 0, max, k, blocks[TCP_MAX_SACK][2];

	if (c->flags & CF_TS)
		n = tcp_opt_put_ts(opts, e->now_ms + c->ts_off, c->ts_recent);
	if (!(c->flags & CF_SACK) || (c->ooo_cnt == 0 && !(c->flags & CF_DSACK)))
		return n;
	/* Only where the segment leaves room: a full one goes without, and an ACK of its own
	 * carries the blocks. */
	max = (TCP_OPTS_MAX - n - 4) / 8;
	if (room < 12)
		return n;
	max = u32_min(max, (room - 4) / 8);
	k = recv_sack_blocks(e, c, max, blocks);
	return k == 0 ? n : n + tcp_opt_put_sack(opts + n, (const uint32_t(*)[2])blocks, k);
}

static uint8_t frame_flags(struct tcp_engine *e, struct tcp_conn *c, const struct frame *f)
{
	uint8_t flags = TCP_ACK;

	if (f->fin)
		flags |= TCP_FIN;
	if (f->bytes != 0 && (seg_at(e, f->last)->flags & SEG_PUSH || f->fin ||
				     seg_at(e, f->last)->next == POOL_NONE))
		flags |= TCP_PSH;
	if (c->flags & CF_ECE_OUT)
		flags |= TCP_ECE;
	if (c->flags & CF_CWR_OUT && !f->rtx && f->bytes != 0) {
		flags |= TCP_CWR;
		c->flags &= ~(uint32_t)CF_CWR_OUT;
	}
	return flags;
}

/* Send one frame that begins with piece `first`. false: no mbuf or queue entry, nothing changed. */
static bool send_frame(
	struct tcp_engine *e, struct tcp_conn *c, uint32_t first, uint32_t max_bytes, bool probe)
{
	uint8_t opts[TCP_OPTS_MAX];
	struct tcp_out o = {.t = c->t, .opts = opts};
	struct frame f;
	struct rte_mbuf *hdr;
	bool held_sack;

	if (c->flags & CF_SINGLE)
		max_bytes = u32_min(max_bytes, e->copybreak);
	if (!gather(e, c, first, max_bytes, probe, &f))
		return false;
	hdr = emit_conn_header(e, c);
	if (hdr == NULL)
		return false;
	if (!attach_payload(e, c, hdr, &f)) {
		CNT(e, no_mbuf);
		rte_pktmbuf_free(hdr);
		return false;
	}
	if (!f.rtx && c->snd_una == c->snd_nxt)
		c->stall_ms = e->now_ms;
	o.seq = seg_at(e, f.first)->seq;
	o.ack = c->rcv_nxt;
	o.wnd = (uint16_t)(recv_window(e, c) >> c->rcv_wscale);
	o.opts_len = put_options(e, c, opts, f.bytes < c->mss ? c->mss - f.bytes : 0);
	held_sack =
		c->flags & CF_SACK && (c->ooo_cnt != 0 || c->flags & CF_DSACK) && o.opts_len <= 12;
	o.flags = frame_flags(e, c, &f);
	o.csum_off = (c->flags & CF_CSUM_OFF) != 0;
	o.ect = c->flags & CF_ECN && !f.rtx && f.bytes != 0;
	if (f.bytes > c->mss)
		o.tso_segsz = c->mss;
	if (f.rtx) {
		CNT(e, retrans);
		c->retrans++;
		if (f.first == c->tx_head)
			timer_arm_rto(e, c);
	} else {
		CNT_ADD(e, bytes_out, f.bytes);
	}
	mark_sent(e, c, &f);
	emit_frame(e, hdr, f.bytes, &o);
	c->last_ack = c->rcv_nxt;
	if (!held_sack || !(c->flags & CF_ACK_NOW))
		c->flags &= ~(uint32_t)(CF_ACK_NOW | CF_ACK_LATER | CF_DELACK | CF_WUPDATE);
	return true;
}

bool frame_send(struct tcp_engine *e, struct tcp_conn *c, uint32_t first, uint32_t max_bytes)
{
	return send_frame(e, c, first, max_bytes, false);
}

/* The first LOST piece at or after `from`. */
static uint32_t next_lost(struct tcp_engine *e, struct tcp_conn *c, uint32_t from)
{
	uint32_t i = from;

	while (i != POOL_NONE && i != c->tx_unsent) {
		const struct tcp_seg *s = seg_at(e, i);

		if (s->flags & SEG_LOST)
			return i;
		i = s->flags & SEG_SACKED ? seg_at(e, s->ts_next)->next : s->next;
	}
	return POOL_NONE;
}

static bool send_lost(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t i = c->tx_head;
	bool sent = false;

	while (c->lost != 0 && (i = next_lost(e, c, i)) != POOL_NONE) {
		const struct tcp_seg *s = seg_at(e, i);
		uint32_t pipe = conn_pipe(c), len = u32_min(seg_seqlen(s), c->mss);

		if (pipe != 0 && pipe + len > c->cwnd) {
			c->flags |= CF_CWND_LIMITED;
			return sent;
		}
		/* Beyond a window that moved left only the first piece is tried. */
		if (seq_gt(seg_end(s), c->snd_una + c->snd_wnd) && i != c->tx_head)
			return sent;
		if (!frame_send(e, c, i, c->mss))
			return sent;
		sent = true;
	}
	return sent;
}

/* How many bytes of new data may leave in one frame now; 0: none. */
static uint32_t new_data_size(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t fin = (c->flags & CF_FIN_PIECE) != 0;
	uint32_t data = c->snd_end - c->snd_nxt - fin;
	uint32_t used = c->snd_nxt - c->snd_una, pipe = conn_pipe(c), n = data;
	uint32_t wnd = c->snd_wnd > used ? c->snd_wnd - used : 0;
	uint32_t cwnd = c->cwnd > pipe ? c->cwnd - pipe : 0, max = c->mss;

	if (c->tso_bytes > c->mss && c->mss >= TCP_TSO_MIN_MSS)
		max = c->tso_bytes / c->mss * c->mss;
	n = u32_min(n, max);
	if (pipe == 0)
		cwnd = u32_max(cwnd, c->mss);
	if (n > cwnd) {
		n = cwnd >= c->mss ? cwnd / c->mss * c->mss : 0;
		c->flags |= CF_CWND_LIMITED;
		(void)e;
	}
	if (n > wnd) {
		/* Silly windows: a full segment or half the largest window (RFC 9293 3.8.6.2.1). */
		if (wnd >= c->mss)
			n = wnd / c->mss * c->mss;
		else
			n = wnd >= u32_max(c->snd_max_wnd / 2, 1) ? wnd : 0;
	}
	if (n == 0 || n >= c->mss || n < data)
		return n;
	/* The tail, less than a segment. */
	if (fin)
		return n;
	if (c->flags & CF_MORE)
		return 0;
	if (c->flags & CF_NAGLE && used != 0)
		return 0;
	return n;
}

static bool send_new(struct tcp_engine *e, struct tcp_conn *c)
{
	bool sent = false;

	while (c->tx_unsent != POOL_NONE) {
		uint32_t n;

		if (seg_at(e, c->tx_unsent)->flags & SEG_FIN) {
			if (c->snd_nxt - c->snd_una >= c->snd_wnd ||
				!frame_send(e, c, c->tx_unsent, c->mss))
				break;
			sent = true;
			break;
		}
		/* After an idle time the window starts anew. */
		if (c->snd_una == c->snd_nxt && e->now_ms - c->stall_ms > c->rto_ms)
			cc_after_idle(e, c);
		n = new_data_size(e, c);
		if (n == 0 || !frame_send(e, c, c->tx_unsent, n))
			break;
		sent = true;
	}
	return sent;
}

/* RFC 8985 7.3: one segment of new data, else the last one again. */
bool output_probe(struct tcp_engine *e, struct tcp_conn *c, bool *new_data)
{
	uint32_t used = c->snd_nxt - c->snd_una, i, last = POOL_NONE;

	if (c->tx_unsent != POOL_NONE && !(seg_at(e, c->tx_unsent)->flags & SEG_FIN) &&
		used < c->snd_wnd &&
		c->snd_wnd - used >= u32_min(c->mss, c->snd_end - c->snd_nxt)) {
		*new_data = true;
		return frame_send(e, c, c->tx_unsent, c->mss);
	}
	for (i = c->tx_head; i != POOL_NONE && i != c->tx_unsent; i = seg_at(e, i)->next)
		if (!(seg_at(e, i)->flags & SEG_SACKED) &&
			(seg_at(e, i)->flags & SEG_HEAD || last == POOL_NONE))
			last = i;
	if (last == POOL_NONE)
		return false;
	return send_frame(e, c, last, c->mss, true);
}

static void send_acks(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t n = 1;

	/* Without SACK a peer counts duplicates: each segment out of order gets its own. */
	if (!(c->flags & CF_SACK) && c->dupacks_out > 1)
		n = c->dupacks_out;
	while (n-- > 0)
		emit_ack(e, c, c->snd_nxt);
}

static void watch(struct tcp_engine *e, struct tcp_conn *c, bool sent)
{
	if (c->snd_una != c->snd_nxt) {
		if (sent && c->rtx_kind != RTX_REO && tlp_schedule(e, c))
			return;
		if (c->rtx_kind == RTX_NONE || c->rtx_kind == RTX_PERSIST)
			timer_arm_rto(e, c);
		return;
	}
	if (c->tx_unsent == POOL_NONE) {
		timer_stop_rtx(c);
		return;
	}
	/* Queued and nothing in flight: the window is shut or silly, the tail is corked, or mbufs
	 * were short. Someone must come back to it (RFC 9293 3.8.6.1). */
	if (c->rtx_kind != RTX_PERSIST) {
		c->backoff = 0;
		timer_set_rtx(e, c, RTX_PERSIST,
			c->snd_wnd != 0 ? TCP_CORK_MS : u32_min(c->rto_ms, e->cfg.max_rto_ms));
	}
}

void conn_output(struct tcp_engine *e, struct tcp_conn *c)
{
	bool sent_lost = false, sent_new = false;

	if (c->flags & CF_SYN_DUE) {
		c->flags &= ~(uint32_t)CF_SYN_DUE;
		emit_syn(e, c);
		c->tries++;
		timer_set_rtx(e, c, RTX_SYN,
			u32_min(TCP_INIT_RTO_MS << u32_min(c->tries - 1u, 16), e->cfg.max_rto_ms));
		return;
	}
	if (c->state < TCP_ESTABLISHED)
		return;
	if (c->flags & CF_FIN_QUEUED && !(c->flags & CF_FIN_PIECE) && queue_push_fin(e, c) != 0)
		timer_set_slow(e, c, 10);
	if (c->tx_head != POOL_NONE) {
		c->flags &= ~(uint32_t)CF_CWND_LIMITED;
		if (c->lost != 0)
			sent_lost = send_lost(e, c);
		if (c->lost == 0 && c->tx_unsent != POOL_NONE)
			sent_new = send_new(e, c);
		watch(e, c, sent_new || sent_lost);
	}
	if (c->flags & CF_ACK_NOW)
		send_acks(e, c);
	else if (c->flags & CF_WUPDATE && recv_update_due(e, c)) {
		CNT(e, window_updates);
		emit_ack(e, c, c->snd_nxt);
	} else if (c->flags & CF_ACK_LATER)
		timer_set_delack(e, c);
	c->flags &= ~(uint32_t)CF_WUPDATE;
	c->dupacks_out = 0;
}
