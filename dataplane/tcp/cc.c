/* SPDX-License-Identifier: Apache-2.0
 * Congestion control: CUBIC (RFC 9438) and NewReno (RFC 5681 with byte counting, RFC 3465). All
 * windows are in bytes. The window grows only while it is what limits the sender (RFC 7661): a
 * window that an application never fills says nothing about the path. */
#include "dataplane/tcp/tcp_pvt.h"

/* Segments of growth that one ACK may bring in slow start (RFC 3465 2.2). A peer that joins packets
 * before it looks at them acknowledges many at once; eight is the bound of RFC 9406 4.2 for senders
 * without pacing. After a timeout an ACK may cover what arrived long before, so one. */
#define SLOW_START_SEGS 8

#define CUBIC_MAX_T_MS 60000 /* the curve is followed that far from its plateau */

/* Integer cube root, rounded down. */
static uint32_t cube_root(uint64_t x)
{
	uint64_t r = 0;

	for (int b = 20; b >= 0; b--) {
		uint64_t t = r | UINT64_C(1) << b;

		if (t * t * t <= x)
			r = t;
	}
	return (uint32_t)r;
}

static void cubic_epoch(struct tcp_engine *e, struct tcp_conn *c)
{
	undo_forget(c);              /* it shares memory with the curve */
	c->epoch_ms = e->now_ms | 1; /* 0 means none; a millisecond does not matter */
	c->w_est = c->cwnd;
	if (c->cwnd < c->w_max) {
		/* K = cbrt((W_max - cwnd) / C), C = 0.4; segments and seconds to bytes and ms. */
		uint64_t segs1000 = (uint64_t)(c->w_max - c->cwnd) * 1000 / c->mss;

		c->k_ms = cube_root(segs1000 * 2500 * 1000);
	} else {
		c->w_max = c->cwnd;
		c->k_ms = 0;
	}
}

/* W_cubic at t ms into the epoch. */
static uint32_t cubic_window(const struct tcp_conn *c, uint32_t t_ms)
{
	int64_t d = (int64_t)t_ms - c->k_ms, w;

	if (d > CUBIC_MAX_T_MS)
		d = CUBIC_MAX_T_MS;
	if (d < -CUBIC_MAX_T_MS)
		d = -CUBIC_MAX_T_MS;
	w = (int64_t)c->w_max + d * d * d / 1000 * 4 / 10 * c->mss / 1000000;
	if (w < 0)
		return 0;
	return w > TCP_MAX_CWND ? TCP_MAX_CWND : (uint32_t)w;
}

static uint32_t cubic_step(struct tcp_engine *e, struct tcp_conn *c, uint32_t acked)
{
	uint32_t t, target, now_w;

	if (c->epoch_ms == 0)
		cubic_epoch(e, c);
	t = e->now_ms - c->epoch_ms;
	/* alpha = 3 * (1 - beta) / (1 + beta) = 0.53 until W_est has caught up, then 1 (4.3). */
	c->w_est += (uint32_t)((uint64_t)acked * c->mss * (c->w_est < c->w_max ? 53 : 100) /
			       ((uint64_t)c->cwnd * 100));
	now_w = cubic_window(c, t);
	if (now_w < c->w_est)
		return c->w_est > c->cwnd ? c->w_est - c->cwnd : 0;
	target = cubic_window(c, t + (c->srtt_us >> 3) / 1000);
	if (target < c->cwnd)
		target = c->cwnd;
	if (target > c->cwnd + c->cwnd / 2)
		target = c->cwnd + c->cwnd / 2;
	return (uint32_t)((uint64_t)(target - c->cwnd) * acked / c->cwnd);
}

void cc_on_ack(struct tcp_engine *e, struct tcp_conn *c, uint32_t acked)
{
	uint32_t inc;

	if (!(c->flags & CF_CWND_LIMITED))
		return;
	if (c->cwnd < c->ssthresh) {
		inc = u32_min(acked, (c->flags & CF_LOSS ? 1u : SLOW_START_SEGS) * c->mss);
		inc = u32_min(inc, c->ssthresh - c->cwnd);
	} else if (c->cc == TCP_CC_CUBIC) {
		inc = cubic_step(e, c, acked);
	} else {
		inc = (uint32_t)((uint64_t)c->mss * acked / c->cwnd);
		if (inc == 0)
			inc = 1;
	}
	c->cwnd = u32_min(c->cwnd + inc, TCP_MAX_CWND);
}

void cc_on_congestion(struct tcp_engine *e, struct tcp_conn *c, uint32_t acked)
{
	uint32_t flight = c->snd_nxt - c->snd_una + acked, w = c->cwnd;

	(void)e;
	/* ACKs of one burst shrink the flight and are answered only at its end, so a sender that
	 * its window holds back is measured by the window (RFC 9438 4.6 leaves the choice). */
	if (!(c->flags & CF_CWND_LIMITED))
		w = u32_min(w, flight);
	/* RFC 3168 6.1.2: whatever the reason is, or the peer's echo goes on. */
	if (c->flags & CF_ECN)
		c->flags |= CF_CWR_OUT;
	if (c->cc == TCP_CC_CUBIC) {
		/* Fast convergence (RFC 9438 4.7), beta 0.7. */
		c->w_max = w < c->w_max ? (uint32_t)((uint64_t)w * 85 / 100) : w;
		c->epoch_ms = 0;
		w = (uint32_t)((uint64_t)w * 7 / 10);
	} else {
		w /= 2;
	}
	c->ssthresh = u32_max(w, 2u * c->mss);
}

/* RFC 5681 4.1: after an idle RTO the old window means nothing. */
void cc_after_idle(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t had = c->cwnd;

	conn_init_window(e, c);
	if (had < c->cwnd)
		c->cwnd = had;
	c->epoch_ms = 0;
}
