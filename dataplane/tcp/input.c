/* SPDX-License-Identifier: Apache-2.0
 * SEGMENT ARRIVES for a connection (RFC 9293 3.10.7.3 and 3.10.7.4), with the checks of RFC 7323
 * (PAWS) and RFC 5961 in their places. */
#include "dataplane/tcp/tcp_pvt.h"

#define PAWS_IDLE_MS (24u * 24 * 3600 * 1000) /* RFC 7323 5.5: older timestamps say nothing */

/* The part of a SYN's options that decides how the connection speaks. */
static void negotiate(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h)
{
	uint32_t dflt = ip_addr_is4(&c->t.raddr) ? 536 : 1220;

	c->peer_mss = h->opts & TCP_HAS_MSS ? h->mss : (uint16_t)dflt;
	if (c->peer_mss < TCP_MIN_MSS)
		c->peer_mss = TCP_MIN_MSS;
	if (h->opts & TCP_HAS_TS && !e->cfg.no_timestamps) {
		c->flags |= CF_TS;
		c->ts_recent = h->tsval;
	}
	if (h->opts & TCP_HAS_SACK_OK && !e->cfg.no_sack)
		c->flags |= CF_SACK;
	if (h->opts & TCP_HAS_WSCALE && !e->cfg.no_wscale)
		c->snd_wscale = h->wscale > TCP_MAX_WSCALE ? TCP_MAX_WSCALE : h->wscale;
	else
		c->rcv_wscale = 0;
	conn_set_mss(c);
	conn_init_window(e, c);
	c->rcv_mss = 536;
}

static void become_established(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h)
{
	c->state = c->flags & CF_FIN_QUEUED ? TCP_FIN_WAIT_1 : TCP_ESTABLISHED;
	c->snd_wnd = (uint32_t)h->wnd << (h->flags & TCP_SYN ? 0 : c->snd_wscale);
	c->snd_max_wnd = c->snd_wnd;
	c->snd_wl1 = h->seq;
	timer_stop_rtx(c);
	if (c->tries > 1) { /* RFC 6298 5.7: the SYN was lost */
		c->rto_ms = u32_max(c->rto_ms, 3 * TCP_INIT_RTO_MS);
		c->cwnd = c->mss;
	} else if (c->srtt_us == 0) {
		rtt_sample(e, c, (e->now_ms - c->stall_ms) * 1000);
	}
	c->tries = 0;
	c->stall_ms = e->now_ms;
	c->recover = c->snd_una - 1;
	c->events |= EV_CONNECT;
	CNT(e, connects_ok);
	if (c->keepalive != 0)
		timer_set_slow(e, c, c->keepalive * TCP_SLOW_UNIT_MS);
}

static void syn_sent_input(struct tcp_engine *e, struct tcp_conn *c, struct tcp_in *h)
{
	bool ack = (h->flags & TCP_ACK) != 0;

	if (ack && (seq_le(h->ack, c->snd_una) || seq_gt(h->ack, c->snd_una + 1))) {
		emit_rst_for(e, &c->t, h);
		return;
	}
	if (h->flags & TCP_RST) {
		if (!ack)
			return;
		CNT(e, connects_refused);
		CNT(e, resets_in);
		conn_end(e, c, TCP_END_REFUSED);
		return;
	}
	if (!(h->flags & TCP_SYN))
		return;
	c->rcv_nxt = h->seq + 1;
	c->rcv_adv = c->rcv_nxt + u32_min(c->rcvbuf, UINT16_MAX);
	c->last_ack = c->rcv_nxt;
	negotiate(e, c, h);
	if (ack) {
		if (!e->cfg.no_ecn && (h->flags & (TCP_ECE | TCP_CWR)) == TCP_ECE && c->tries <= 1)
			c->flags |= CF_ECN;
		c->snd_una = c->snd_una + 1;
		become_established(e, c, h);
		c->flags |= CF_ACK_NOW;
		conn_dirty(e, c);
		return;
	}
	/* Both opened at once (RFC 9293 figure 7). */
	CNT(e, simultaneous_opens);
	if (!e->cfg.no_ecn && (h->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR))
		c->flags |= CF_ECN;
	c->state = TCP_SYN_RCVD;
	c->flags |= CF_SYN_DUE;
	c->snd_wnd = h->wnd;
	c->snd_wl1 = h->seq;
	conn_dirty(e, c);
}

/* RFC 7323 5.3 R1-R3. Returns whether the segment must be dropped. */
static bool paws_reject(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h)
{
	if (!(c->flags & CF_TS))
		return false;
	if (!(h->opts & TCP_HAS_TS)) {
		/* Tolerated: real peers leave it out, and the window checks still hold. */
		if (!(h->flags & TCP_RST))
			CNT(e, no_timestamp);
		return false;
	}
	if (!seq_lt(h->tsval, c->ts_recent) || h->flags & TCP_RST)
		return false;
	return e->now_ms - c->last_rx_ms < PAWS_IDLE_MS;
}

/* RFC 9293 table 6, but for an ACK alone at the right edge: a peer whose whole window was lost on
 * the way says all it has to say from there. */
static bool acceptable(const struct tcp_conn *c, const struct tcp_in *h, uint32_t seglen)
{
	uint32_t wnd = c->rcv_adv - c->rcv_nxt;

	if (seglen == 0)
		return h->seq - c->rcv_nxt < wnd ||
		       (h->seq == c->rcv_adv && (wnd == 0 || !(h->flags & TCP_RST)));
	if (wnd == 0)
		return false;
	return h->seq - c->rcv_nxt < wnd || h->seq + seglen - 1 - c->rcv_nxt < wnd;
}

/* Not acceptable: tell the peer where we stand. With the window shut, what starts at RCV.NXT is
 * stripped and its acknowledgement is still used. Returns whether to go on. */
static bool unacceptable(
	struct tcp_engine *e, struct tcp_conn *c, struct tcp_in *h, uint32_t seglen)
{
	if (h->flags & TCP_RST)
		return false;
	CNT(e, out_of_window);
	if (h->len != 0 && seq_le(h->seq + seglen, c->rcv_nxt)) {
		CNT(e, duplicates);
		if (c->flags & CF_SACK) {
			c->dsack_start = h->seq;
			c->dsack_end = h->seq + seglen;
			c->flags |= CF_DSACK;
		}
	}
	emit_challenge(e, c, seglen != 0);
	if (h->seq != c->rcv_nxt || h->flags & TCP_SYN)
		return false;
	h->len = 0;
	h->flags &= (uint8_t)~TCP_FIN;
	return true;
}

static void reset_received(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h)
{
	/* RFC 5961 3.2 */
	if (h->seq != c->rcv_nxt) {
		emit_challenge(e, c, false);
		return;
	}
	CNT(e, resets_in);
	conn_end(e, c, c->state == TCP_SYN_RCVD ? TCP_END_REFUSED : TCP_END_RESET);
}

/* The acknowledgement of our SYN in SYN_RCVD after a simultaneous open. */
static bool syn_rcvd_ack(struct tcp_engine *e, struct tcp_conn *c, struct tcp_in *h)
{
	if (h->ack != c->snd_una + 1) {
		emit_rst_for(e, &c->t, h);
		return false;
	}
	c->snd_una++;
	become_established(e, c, h);
	return true;
}

/* What our FIN's acknowledgement changes. Returns false when the connection is over. */
static bool fin_acked(struct tcp_engine *e, struct tcp_conn *c)
{
	switch (c->state) {
	case TCP_FIN_WAIT_1:
		c->state = TCP_FIN_WAIT_2;
		if (c->flags & CF_ORPHAN)
			timer_set_slow(e, c, e->cfg.fin_wait2_ms);
		return true;
	case TCP_CLOSING:
		conn_to_time_wait(e, c);
		return false;
	case TCP_LAST_ACK:
		conn_end(e, c, TCP_END_NORMAL);
		return false;
	default:
		return true;
	}
}

static void ecn_input(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h)
{
	if (h->flags & TCP_CWR)
		c->flags &= ~(uint32_t)CF_ECE_OUT;
	if (!h->ce)
		return;
	CNT(e, ce_in);
	c->flags |= CF_ECE_OUT | CF_ACK_NOW;
}

/* Text and FIN. Takes m. */
static void text_input(
	struct tcp_engine *e, struct tcp_conn *c, struct tcp_in *h, struct rte_mbuf *m)
{
	bool fin = (h->flags & TCP_FIN) != 0;

	if ((h->len == 0 && !fin) || c->flags & CF_FIN_RCVD) {
		if (h->len != 0 || fin)
			c->flags |= CF_ACK_NOW;
		rte_pktmbuf_free(m);
		return;
	}
	/* RFC 9293 3.6.1: nobody is left to read it. */
	if (c->flags & CF_ORPHAN && h->len != 0 && seq_gt(h->seq + h->len, c->rcv_nxt)) {
		rte_pktmbuf_free(m);
		CNT(e, after_close);
		emit_rst(e, c);
		conn_end(e, c, TCP_END_RESET);
		return;
	}
	recv_data(e, c, h, m);
}

static bool segment_checks(struct tcp_engine *e, struct tcp_conn *c, struct tcp_in *h)
{
	uint32_t seglen;

	/* In a simultaneous open the peer's SYN-ACK repeats its SYN: only its ACK is news. */
	if (c->state == TCP_SYN_RCVD && h->flags & TCP_SYN && h->seq + 1 == c->rcv_nxt &&
		h->flags & TCP_ACK && h->ack == c->snd_una + 1) {
		h->flags &= (uint8_t)~TCP_SYN;
		h->seq++;
	}
	seglen = h->len + ((h->flags & TCP_SYN) != 0) + ((h->flags & TCP_FIN) != 0);
	if (paws_reject(e, c, h)) {
		CNT(e, paws_dropped);
		emit_challenge(e, c, seglen != 0);
		return false;
	}
	if (!acceptable(c, h, seglen) && !unacceptable(e, c, h, seglen))
		return false;
	if (h->flags & TCP_RST) {
		reset_received(e, c, h);
		return false;
	}
	if (h->flags & TCP_SYN) {
		/* RFC 5961 4.2 */
		emit_challenge(e, c, false);
		return false;
	}
	return (h->flags & TCP_ACK) != 0;
}

/* Takes m, which holds the payload alone. */
void conn_input(struct tcp_engine *e, struct tcp_conn *c, struct tcp_in *h, struct rte_mbuf *m)
{
	if (unlikely(c->state == TCP_SYN_SENT)) {
		syn_sent_input(e, c, h);
		rte_pktmbuf_free(m);
		return;
	}
	if (!segment_checks(e, c, h) || (c->state == TCP_SYN_RCVD && !syn_rcvd_ack(e, c, h))) {
		rte_pktmbuf_free(m);
		return;
	}
	/* RFC 7323 4.3: no later than what our last acknowledgement covered. */
	if (c->flags & CF_TS && h->opts & TCP_HAS_TS && seq_le(h->seq, c->last_ack) &&
		seq_ge(h->tsval, c->ts_recent))
		c->ts_recent = h->tsval;
	conn_dirty(e, c);
	if (!ack_process(e, c, h)) {
		rte_pktmbuf_free(m);
		return;
	}
	c->last_rx_ms = e->now_ms;
	if (c->ka_probes != 0) {
		c->ka_probes = 0;
		timer_set_slow(e, c, c->keepalive * TCP_SLOW_UNIT_MS);
	}
	if (c->flags & CF_ECN)
		ecn_input(e, c, h);
	if (c->flags & CF_FIN_PIECE && c->snd_una == c->snd_end && !fin_acked(e, c)) {
		rte_pktmbuf_free(m);
		return;
	}
	text_input(e, c, h, m);
}
