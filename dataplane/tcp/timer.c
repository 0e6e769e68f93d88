/* SPDX-License-Identifier: Apache-2.0
 * One wheel timer per connection stands for three deadlines: retransmission (with its kinds),
 * delayed ACK, and the slow ones. It is armed at or before the earliest; setting a later deadline
 * is one store, and the timer finds out when it fires. */
#include "dataplane/tcp/tcp_pvt.h"

static uint64_t deadline_ns(const struct tcp_engine *e, uint32_t ms)
{
	return (e->now_ms64 + (uint64_t)(int64_t)(int32_t)(ms - e->now_ms)) * NS_PER_MS;
}

static void arm(struct tcp_engine *e, struct tcp_conn *c, uint32_t ms)
{
	uint64_t ns = deadline_ns(e, ms);

	if (!wheel_timer_armed(&c->timer) || ns < c->timer.deadline_ns)
		wheel_arm(&e->wheel, &c->timer, ns);
}

void timer_set_rtx(struct tcp_engine *e, struct tcp_conn *c, enum rtx_kind kind, uint32_t in_ms)
{
	c->rtx_kind = (uint8_t)kind;
	c->rtx_ms = e->now_ms + in_ms;
	arm(e, c, c->rtx_ms);
}

void timer_stop_rtx(struct tcp_conn *c)
{
	c->rtx_kind = RTX_NONE;
}

void timer_set_delack(struct tcp_engine *e, struct tcp_conn *c)
{
	if (c->flags & CF_DELACK)
		return;
	c->flags |= CF_DELACK;
	c->delack_ms = e->now_ms + e->cfg.delack_ms;
	arm(e, c, c->delack_ms);
}

void timer_set_slow(struct tcp_engine *e, struct tcp_conn *c, uint32_t in_ms)
{
	c->flags |= CF_SLOW;
	c->slow_ms = e->now_ms + in_ms;
	arm(e, c, c->slow_ms);
}

static uint32_t backed_off(const struct tcp_engine *e, const struct tcp_conn *c)
{
	uint64_t ms = (uint64_t)c->rto_ms << (c->backoff < 16 ? c->backoff : 16);

	return ms > e->cfg.max_rto_ms ? e->cfg.max_rto_ms : (uint32_t)ms;
}

/* Nobody waits for an orphan: it gets no longer than a silent FIN_WAIT_2. */
static uint32_t patience_ms(const struct tcp_engine *e, const struct tcp_conn *c)
{
	uint32_t ms = (uint32_t)c->user_timeout * TCP_SLOW_UNIT_MS;

	return c->flags & CF_ORPHAN ? u32_min(ms, e->cfg.fin_wait2_ms) : ms;
}

/* Never beyond the user timeout, so that it is kept to the tick. */
void timer_arm_rto(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t ms = backed_off(e, c);
	int32_t left = (int32_t)(c->stall_ms + patience_ms(e, c) - e->now_ms);

	if (c->snd_wnd != 0 && left > 0)
		ms = u32_min(ms, (uint32_t)left);
	timer_set_rtx(e, c, RTX_RTO, ms);
}

static void give_up(struct tcp_engine *e, struct tcp_conn *c)
{
	CNT(e, timeouts);
	emit_rst(e, c);
	conn_end(e, c, TCP_END_TIMEOUT);
}

/* The peer dropped what it had selectively acknowledged (RFC 2018 8): believe nothing of it. */
static void forget_sacks(struct tcp_engine *e, struct tcp_conn *c)
{
	CNT(e, reneges);
	for (uint32_t i = c->tx_head; i != POOL_NONE && i != c->tx_unsent; i = seg_at(e, i)->next) {
		struct tcp_seg *s = seg_at(e, i);

		if (!(s->flags & SEG_SACKED))
			continue;
		s->flags &= (uint8_t)~SEG_SACKED;
		s->ts_next = s->ts_prev = POOL_NONE;
		seg_mark_lost(e, c, i);
	}
	c->sacked = 0;
	c->sacked_cnt = 0;
}

/* RFC 8985 6.3; without SACK all of it (RFC 5681 3.1). */
static void mark_losses_on_rto(struct tcp_engine *e, struct tcp_conn *c)
{
	if (seg_at(e, c->tx_head)->flags & SEG_SACKED)
		forget_sacks(e, c);
	for (uint32_t i = c->tx_head; i != POOL_NONE && i != c->tx_unsent; i = seg_at(e, i)->next) {
		const struct tcp_seg *s = seg_at(e, i);

		if (s->flags & (SEG_SACKED | SEG_LOST))
			continue;
		if (i == c->tx_head || !(c->flags & CF_SACK) || rack_stale(e, c, s))
			seg_mark_lost(e, c, i);
	}
}

/* Was a full segment behind the first one SACKed? Then the path takes them, and loses some. */
static bool full_arrived(const struct tcp_engine *e, const struct tcp_conn *c)
{
	uint32_t run = 0;

	if (c->sacked < c->mss)
		return false;
	for (uint32_t i = c->tx_head; i != c->tx_unsent; i = seg_at(e, i)->next) {
		const struct tcp_seg *s = seg_at(e, i);

		if (!(s->flags & SEG_SACKED) || s->flags & SEG_HEAD)
			run = 0;
		if (s->flags & SEG_SACKED)
			run += s->len;
		if (run >= c->mss)
			return true;
	}
	return false;
}

/* Full segments vanish and small ones may not: try a smaller path MTU (RFC 4821's idea, RFC 1191's
 * plateaus). */
static void check_blackhole(struct tcp_engine *e, struct tcp_conn *c)
{
	static const uint16_t plateaus[] = {4352, 1492, 1400, 1280, 1006, 576};
	uint32_t floor = ip_addr_is4(&c->t.raddr) ? 576 : 1280;

	uint32_t first = 0; /* payload of the segment that vanishes */

	for (uint32_t i = c->tx_head; i != c->tx_unsent && first < c->mss; i = seg_at(e, i)->next)
		first += seg_at(e, i)->len;
	if (full_arrived(e, c))
		return;
	if (c->backoff < 2 || seg_at(e, c->tx_head)->ntx < 2 || first <= 500)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(plateaus); i++) {
		uint32_t mss =
			plateaus[i] - ip_hdr_len(c) - TCP_HDR_LEN - (c->flags & CF_TS ? 12 : 0);

		if (plateaus[i] >= c->mtu || plateaus[i] < floor || mss >= c->mss)
			continue;
		c->mtu = plateaus[i];
		conn_set_mss(c);
		CNT(e, pmtu_blackholes);
		return;
	}
}

static void rto_fire(struct tcp_engine *e, struct tcp_conn *c)
{
	bool shut = c->snd_wnd == 0;

	if (c->snd_una == c->snd_nxt) {
		timer_stop_rtx(c);
		return;
	}
	/* A peer that shut its window and still answers is slow, not dead. */
	if (e->now_ms - (shut ? c->last_rx_ms : c->stall_ms) >= patience_ms(e, c) &&
		(!shut || c->backoff != 0)) {
		give_up(e, c);
		return;
	}
	CNT(e, rtos);
	if (c->backoff < UINT8_MAX)
		c->backoff++;
	/* One reduction per window: in a recovery it was made, and cannot be told apart from this.
	 */
	if (c->flags & CF_RECOVERY) {
		undo_forget(c);
	} else if (!(c->flags & CF_LOSS) && !shut) {
		undo_arm(e, c);
		cc_on_congestion(e, c, 0);
	}
	c->flags = (c->flags | CF_LOSS) &
		   ~(uint32_t)(CF_RECOVERY | CF_TLP_OUT | CF_DSACK_ROUND | CF_ECN_ROUND);
	c->recover = c->snd_nxt;
	c->recover_fs = c->snd_nxt - c->snd_una;
	c->dupacks = 0;
	if (!shut)
		check_blackhole(e, c);
	mark_losses_on_rto(e, c);
	c->cwnd = c->mss;
	timer_arm_rto(e, c);
	conn_dirty(e, c);
}

/* The window is shut, too small to bother, or the tail is corked. */
static void persist_fire(struct tcp_engine *e, struct tcp_conn *c)
{
	timer_stop_rtx(c);
	if (c->snd_una != c->snd_nxt || c->tx_unsent == POOL_NONE)
		return;
	if (c->snd_wnd != 0) {
		c->flags &= ~(uint32_t)CF_MORE;
		(void)frame_send(e, c, c->tx_unsent, u32_min(c->snd_wnd, c->mss));
		conn_dirty(e, c);
		return;
	}
	if (e->now_ms - c->last_rx_ms >= patience_ms(e, c) && c->backoff != 0) {
		give_up(e, c);
		return;
	}
	if (c->backoff < UINT8_MAX)
		c->backoff++;
	CNT(e, window_probes);
	/* RFC 9293 3.8.6.1 speaks of an octet of new data, so that the peer must answer. A segment
	 * before its window it must answer as well (3.10.7.4 first), and with nothing beyond the
	 * window there is no byte to take back, to count as lost or to time out. */
	emit_ack(e, c, c->snd_una - 1);
	timer_set_rtx(e, c, RTX_PERSIST, backed_off(e, c));
}

static void syn_fire(struct tcp_engine *e, struct tcp_conn *c)
{
	timer_stop_rtx(c);
	if (c->tries > e->cfg.syn_retries) {
		CNT(e, timeouts);
		conn_end(e, c, TCP_END_TIMEOUT);
		return;
	}
	CNT(e, syn_retrans);
	c->flags |= CF_SYN_DUE;
	conn_dirty(e, c);
}

static void rtx_fire(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t wait;

	switch ((enum rtx_kind)c->rtx_kind) {
	case RTX_NONE:
		return;
	case RTX_RTO:
		rto_fire(e, c);
		return;
	case RTX_TLP:
		tlp_fire(e, c);
		return;
	case RTX_REO:
		wait = rack_detect(e, c);
		if (c->lost != 0 && !(c->flags & (CF_RECOVERY | CF_LOSS)))
			enter_recovery(e, c, 0);
		if (wait != 0)
			timer_set_rtx(e, c, RTX_REO, wait);
		else
			timer_arm_rto(e, c);
		conn_dirty(e, c);
		return;
	case RTX_PERSIST:
		persist_fire(e, c);
		return;
	case RTX_SYN:
		syn_fire(e, c);
		return;
	}
}

/* Probe k is due k intervals after the idle time. The slow timer may come early for other reasons.
 */
static void keepalive(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t idle = e->now_ms - c->last_rx_ms,
		 after = (uint32_t)c->keepalive * TCP_SLOW_UNIT_MS;
	uint32_t due = after + c->ka_probes * e->cfg.keepalive_intvl_ms;

	if (after == 0 || c->state < TCP_ESTABLISHED)
		return;
	if (idle < due) {
		timer_set_slow(e, c, due - idle);
		return;
	}
	/* Data in flight has its own timer. */
	if (c->snd_una != c->snd_nxt || c->rtx_kind == RTX_PERSIST) {
		timer_set_slow(e, c, after);
		return;
	}
	if (c->ka_probes >= e->cfg.keepalive_probes) {
		give_up(e, c);
		return;
	}
	/* Late, because other work held the timer: the rest of the schedule moves along. */
	c->last_rx_ms = e->now_ms - due;
	c->ka_probes++;
	CNT(e, keepalives);
	emit_ack(e, c, c->snd_una - 1);
	timer_set_slow(e, c, e->cfg.keepalive_intvl_ms);
}

static void slow_fire(struct tcp_engine *e, struct tcp_conn *c)
{
	c->flags &= ~(uint32_t)CF_SLOW;
	if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RCVD) {
		CNT(e, timeouts);
		conn_end(e, c, TCP_END_TIMEOUT);
		return;
	}
	if (c->state == TCP_FIN_WAIT_2 && c->flags & CF_ORPHAN) {
		CNT(e, fin_wait2_timeouts);
		conn_end(e, c, TCP_END_TIMEOUT);
		return;
	}
	if (c->rx_head != NULL)
		conn_dirty(e, c);
	if (c->flags & CF_WANT_WRITE) {
		if (e->segs.used + e->seg_reserve < e->segs.capacity) {
			c->flags &= ~(uint32_t)CF_WANT_WRITE;
			c->events |= EV_WRITABLE;
			conn_dirty(e, c);
		} else {
			timer_set_slow(e, c, 10);
			return;
		}
	}
	keepalive(e, c);
}

void conn_timer(struct tcp_engine *e, struct tcp_conn *c)
{
	if (c->flags & CF_DELACK && ms_due(e->now_ms, c->delack_ms)) {
		c->flags &= ~(uint32_t)CF_DELACK;
		if (c->flags & CF_ACK_LATER) {
			CNT(e, acks_delayed);
			c->flags |= CF_ACK_NOW;
			conn_dirty(e, c);
		}
	}
	if (c->rtx_kind != RTX_NONE && ms_due(e->now_ms, c->rtx_ms))
		rtx_fire(e, c);
	if (c->flags & CF_SLOW && ms_due(e->now_ms, c->slow_ms))
		slow_fire(e, c);
	if (c->state == TCP_CLOSED)
		return;
	if (c->flags & CF_DELACK)
		arm(e, c, c->delack_ms);
	if (c->rtx_kind != RTX_NONE)
		arm(e, c, c->rtx_ms);
	if (c->flags & CF_SLOW)
		arm(e, c, c->slow_ms);
}
