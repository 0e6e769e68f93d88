/* SPDX-License-Identifier: Apache-2.0
 * RACK-TLP (RFC 8985): time instead of counting tells what is lost, and a probe turns a lost tail
 * into something that an ACK can tell. Times are in ns, so ties are only within one burst, and
 * there sequence order decides. */
#include "dataplane/tcp/tcp_pvt.h"

static bool sent_after(uint64_t t1, uint32_t seq1, uint64_t t2, uint32_t seq2)
{
	return t1 > t2 || (t1 == t2 && seq_gt(seq1, seq2));
}

/* Steps 2 and 3 for one piece that was acknowledged now, by SACK or cumulatively. */
void rack_delivered(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_seg *s,
	const struct tcp_in *h, struct rack_ack *ra)
{
	uint64_t rtt_us = (e->now_ns - s->xmit_ns) / NS_PER_US;
	uint32_t end = seg_end(s);

	if (!(c->flags & CF_SACK))
		return;
	if (seq_gt(end, c->rack_fack))
		c->rack_fack = end;
	else if (seq_lt(end, c->rack_fack) && !(s->flags & SEG_RTX))
		ra->reordered = true;
	if (s->flags & SEG_RTX) {
		uint32_t xmit_ms = (uint32_t)(s->xmit_ns / NS_PER_MS);

		if (c->flags & CF_TS && h->opts & TCP_HAS_TS &&
			seq_lt(h->tsecr - c->ts_off, xmit_ms))
			return;
		if (rtt_us < c->min_rtt_us)
			return;
	}
	if (rtt_us > UINT32_MAX / 8)
		rtt_us = UINT32_MAX / 8;
	if (s->xmit_ns >= ra->newest_ns) {
		ra->newest_ns = s->xmit_ns;
		ra->newest_rtt_us = rtt_us == 0 ? 1 : (uint32_t)rtt_us;
		c->rack_rtt_us = ra->newest_rtt_us;
	}
	if (sent_after(s->xmit_ns, end, c->rack_xmit_ns, c->rack_end)) {
		c->rack_xmit_ns = s->xmit_ns;
		c->rack_end = end;
	}
}

/* Step 4, the part that runs once per ACK. */
void rack_reo_wnd_round(struct tcp_conn *c, bool dsack, bool exited)
{
	if (c->flags & CF_DSACK_ROUND && seq_ge(c->snd_una, c->dsack_round))
		c->flags &= ~(uint32_t)CF_DSACK_ROUND;
	if (!(c->flags & CF_DSACK_ROUND) && dsack) {
		c->flags |= CF_DSACK_ROUND;
		c->dsack_round = c->snd_nxt;
		if (c->reo_mult < UINT8_MAX)
			c->reo_mult++;
		c->reo_persist = 16;
	} else if (exited && c->reo_persist > 0 && --c->reo_persist == 0) {
		c->reo_mult = 1;
	}
}

static uint32_t reo_wnd_us(const struct tcp_conn *c)
{
	uint32_t wnd;

	if (!(c->flags & CF_REORDER) &&
		(c->flags & (CF_RECOVERY | CF_LOSS) || c->sacked_cnt >= TCP_DUP_THRESH))
		return 0;
	wnd = c->min_rtt_us / 4 * c->reo_mult;
	return u32_min(wnd, c->srtt_us >> 3);
}

bool rack_stale(const struct tcp_engine *e, const struct tcp_conn *c, const struct tcp_seg *s)
{
	return s->xmit_ns + (uint64_t)(c->rack_rtt_us + reo_wnd_us(c)) * NS_PER_US <= e->now_ns;
}

/* Step 5. Only what is on the time list can be lost; it ends at what was sent after the newest
 * delivered one. */
uint32_t rack_detect(struct tcp_engine *e, struct tcp_conn *c)
{
	uint64_t settle, wait = 0;
	uint32_t idx = c->ts_head, next;

	if (c->rack_xmit_ns == 0)
		return 0;
	settle = (uint64_t)(c->rack_rtt_us + reo_wnd_us(c)) * NS_PER_US;
	for (; idx != POOL_NONE; idx = next) {
		struct tcp_seg *s = seg_at(e, idx);

		next = s->ts_next;
		if (s->xmit_ns > c->rack_xmit_ns)
			break;
		if (!sent_after(c->rack_xmit_ns, c->rack_end, s->xmit_ns, seg_end(s)))
			continue;
		if (s->xmit_ns + settle <= e->now_ns) {
			CNT(e, rack_losses);
			seg_mark_lost(e, c, idx);
		} else if (s->xmit_ns + settle - e->now_ns > wait) {
			wait = s->xmit_ns + settle - e->now_ns;
		}
	}
	return (uint32_t)((wait + NS_PER_MS - 1) / NS_PER_MS);
}

/* RFC 8985 7.2. Returns whether the probe timer was set; else the RTO stands watch.
 *
 * Beyond 7.2 a fast recovery that has sent all it may is probed too: its last retransmission, or
 * the one ACK that a receiver gives for a whole burst, has nothing behind it that would tell of its
 * loss. */
bool tlp_schedule(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t pto_ms = TCP_INIT_RTO_MS;
	int32_t rto_left;

	if (!(c->flags & CF_SACK) || c->flags & (CF_LOSS | CF_TLP_OUT) || c->backoff != 0 ||
		c->snd_una == c->snd_nxt)
		return false;
	if (c->flags & CF_RECOVERY ? c->lost != 0 : c->sacked != 0)
		return false;
	if (c->srtt_us != 0) {
		/* 2 * SRTT, and a tick because the wheel rounds. */
		pto_ms = (c->srtt_us / 4 + 999) / 1000 + 1;
		if (c->snd_nxt - c->snd_una <= c->mss)
			pto_ms += TCP_MAX_ACK_DELAY;
	}
	rto_left = (int32_t)(c->stall_ms + c->rto_ms - e->now_ms);
	if (rto_left < 1)
		rto_left = 1;
	timer_set_rtx(e, c, RTX_TLP, u32_min(pto_ms, (uint32_t)rto_left));
	return true;
}

/* RFC 8985 7.3 */
void tlp_fire(struct tcp_engine *e, struct tcp_conn *c)
{
	bool new_data = false;

	if (!(c->flags & (CF_TLP_OUT | CF_LOSS)) && c->lost == 0 && c->flags & CF_RTT_FRESH &&
		output_probe(e, c, &new_data)) {
		CNT(e, tlps);
		c->flags |= CF_TLP_OUT;
		c->flags &= ~(uint32_t)(CF_TLP_RTX | CF_RTT_FRESH);
		if (!new_data)
			c->flags |= CF_TLP_RTX;
		c->tlp_end = c->snd_nxt;
	}
	timer_arm_rto(e, c);
}

/* RFC 8985 7.4.2 */
void tlp_ack(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h, uint32_t acked,
	bool dsack, bool dup)
{
	if (seq_lt(h->ack, c->tlp_end))
		return;
	if (!(c->flags & CF_TLP_RTX) || (dsack && h->sack[0][1] == c->tlp_end)) {
		c->flags &= ~(uint32_t)CF_TLP_OUT;
	} else if (seq_gt(h->ack, c->tlp_end)) {
		c->flags &= ~(uint32_t)CF_TLP_OUT;
		CNT(e, tlp_losses);
		if (!(c->flags & (CF_RECOVERY | CF_LOSS)) && seq_ge(c->snd_una, c->recover)) {
			cc_on_congestion(e, c, acked);
			c->cwnd = c->ssthresh;
		}
	} else if (dup && h->nsack == 0) {
		c->flags &= ~(uint32_t)CF_TLP_OUT;
	}
}
