/* SPDX-License-Identifier: Apache-2.0
 * Taking back a reduction of the window that proves needless: the segments were late or in another
 * order, not lost.
 *
 * Eifel (RFC 3522) decides by the first ACK that advances in the recovery: its timestamp is that of
 * an original when it is older than the recovery, since all that was sent again carries a newer
 * one. Without timestamps D-SACK decides (RFC 3708 3): all that was sent again must be reported as
 * duplicate. The answer is that of RFC 4015: ssthresh as before, the window at what is in flight
 * plus what the ACK covers, so that slow start goes back without a burst.
 *
 * What must be kept shares memory with what is idle meanwhile: with the probe's end in a recovery
 * (no probes then), with the curve's parameters until the curve begins anew, which ends it. */
#include "dataplane/tcp/tcp_pvt.h"

/* A probe that nobody answered yet may be the duplicate that a D-SACK reports. */
#define NEVER (1u << 31)

/* Before the reduction that a recovery begins with. */
void undo_arm(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t flight = u32_min(c->snd_nxt - c->snd_una, c->cwnd);

	c->undo_ssthresh = u32_max(c->ssthresh, u32_max(flight, 2u * c->mss));
	c->undo_bytes = c->flags & CF_TLP_OUT ? NEVER : 0;
	c->undo_ms = e->now_ms;
	c->undo_w_max = c->w_max;
	c->epoch_ms = 0;
}

void undo_forget(struct tcp_conn *c)
{
	c->undo_ssthresh = 0;
}

void undo_sent_again(struct tcp_conn *c, uint32_t bytes)
{
	if (c->undo_ssthresh != 0 && c->flags & (CF_RECOVERY | CF_LOSS))
		c->undo_bytes += bytes;
}

static bool by_timestamp(struct tcp_conn *c, const struct tcp_in *h, uint32_t acked, bool dsack)
{
	uint32_t began = c->undo_ms;

	if (acked == 0 || began == 0 || !(c->flags & (CF_RECOVERY | CF_LOSS)))
		return false;
	c->undo_ms = 0;
	/* RFC 3522 3.2 step 5: after a timeout a D-SACK says that the ACKs of a whole window were
	 * lost. That is no sign of health. */
	if (c->flags & CF_LOSS && dsack) {
		undo_forget(c);
		return false;
	}
	return c->flags & CF_TS && h->opts & TCP_HAS_TS && seq_lt(h->tsecr - c->ts_off, began);
}

static bool by_dsack(struct tcp_conn *c, const struct tcp_in *h)
{
	uint32_t start = h->sack[0][0], len = h->sack[0][1] - start;

	/* The recovery covered [recover - recover_fs, recover). */
	if (start - (c->recover - c->recover_fs) >= c->recover_fs || c->undo_bytes == 0 ||
		c->undo_bytes & NEVER)
		return false;
	c->undo_bytes -= u32_min(len, c->undo_bytes);
	return c->undo_bytes == 0;
}

static void all_found(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t hint = POOL_NONE;

	for (uint32_t i = c->tx_head; c->lost != 0; i = seg_at(e, i)->next)
		if (seg_at(e, i)->flags & SEG_LOST)
			seg_mark_found(e, c, i, &hint);
}

bool undo_on_ack(struct tcp_engine *e, struct tcp_conn *c, const struct tcp_in *h, uint32_t acked,
	bool dsack)
{
	uint32_t iw = u32_min(TCP_IW_SEGS * c->mss, u32_max(2u * c->mss, 14600)), cwnd;

	if (likely(c->undo_ssthresh == 0))
		return false;
	if (!by_timestamp(c, h, acked, dsack) &&
		(!dsack || c->undo_ssthresh == 0 || !by_dsack(c, h)))
		return false;
	all_found(e, c);
	cwnd = c->snd_nxt - c->snd_una + u32_min(acked, iw);
	if (c->flags & CF_LOSS) {
		CNT(e, undone_rtos);
		/* The next timeout stays doubled until a round trip is measured (RFC 6298 5.7).
		 * This ACK is none: without SACK it may answer what was sent again, of data that
		 * had come. */
		c->backoff = 1;
		c->cwnd = u32_max(cwnd, c->mss);
	} else {
		CNT(e, undone_recoveries);
		if (!(c->flags & CF_REORDER))
			CNT(e, reorderings);
		c->flags |= CF_REORDER;
		c->cwnd = u32_max(cwnd, c->cwnd);
	}
	c->ssthresh = c->undo_ssthresh;
	c->w_max = c->undo_w_max;
	c->dupacks = 0;
	c->recover = c->snd_una;
	c->flags &= ~(uint32_t)(CF_RECOVERY | CF_LOSS);
	undo_forget(c);
	return true;
}
