/* SPDX-License-Identifier: Apache-2.0
 * The send queue: pieces in sequence order, each a slice of one payload mbuf. It doubles as the
 * SACK scoreboard; sent pieces that are neither SACKED nor LOST are also on a list in order of
 * their last transmission, so that RACK looks only at what it may mark (RFC 8985 6.2 step 5). */
#include <errno.h>

#include "dataplane/tcp/tcp_pvt.h"

#define COALESCE_MAX 512 /* bytes that are cheaper to copy than to queue apart */

struct tcp_seg *seg_new(struct tcp_engine *e, uint32_t *idx)
{
	struct tcp_seg *s;

	*idx = pool_get(&e->segs);
	if (*idx == POOL_NONE) {
		CNT(e, no_seg);
		return NULL;
	}
	s = seg_at(e, *idx);
	memset(s, 0, sizeof(*s));
	s->next = s->ts_next = s->ts_prev = POOL_NONE;
	return s;
}

/* Drops the piece's reference. Only this mbuf: its next may belong to a frame in flight. */
void seg_free(struct tcp_engine *e, uint32_t idx)
{
	struct tcp_seg *s = seg_at(e, idx);

	if (s->m != NULL)
		rte_pktmbuf_free_seg(s->m);
	s->m = NULL;
	pool_put(&e->segs, idx);
}

static void queue_append(struct tcp_engine *e, struct tcp_conn *c, struct tcp_seg *s, uint32_t idx)
{
	s->seq = c->snd_end;
	c->snd_end += seg_seqlen(s);
	if (c->tx_tail == POOL_NONE)
		c->tx_head = idx;
	else
		seg_at(e, c->tx_tail)->next = idx;
	c->tx_tail = idx;
	if (c->tx_unsent == POOL_NONE)
		c->tx_unsent = idx;
	c->tx_cnt++;
}

/* Copy a small mbuf behind an unsent one that nobody else holds. */
static bool coalesce(struct tcp_engine *e, struct tcp_conn *c, struct rte_mbuf *m, uint8_t flags)
{
	struct tcp_seg *t;

	if (m->data_len > COALESCE_MAX || c->tx_unsent == POOL_NONE)
		return false;
	t = seg_at(e, c->tx_tail);
	if (t->flags & SEG_FIN || rte_mbuf_refcnt_read(t->m) != 1 || !RTE_MBUF_DIRECT(t->m) ||
		t->off + t->len != t->m->data_len || rte_pktmbuf_tailroom(t->m) < m->data_len)
		return false;
	memcpy(rte_pktmbuf_mtod_offset(t->m, uint8_t *, t->m->data_len),
		rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
	t->m->data_len = (uint16_t)(t->m->data_len + m->data_len);
	t->m->pkt_len = t->m->data_len;
	t->len = (uint16_t)(t->len + m->data_len);
	t->flags |= flags;
	c->snd_end += m->data_len;
	rte_pktmbuf_free_seg(m);
	return true;
}

/* Queue one mbuf with at least one byte of data; takes it unless it fails. -ENOBUFS. */
int queue_push(struct tcp_engine *e, struct tcp_conn *c, struct rte_mbuf *m, uint8_t flags)
{
	struct tcp_seg *s;
	uint32_t idx;

	m->next = NULL;
	m->nb_segs = 1;
	m->pkt_len = m->data_len;
	if (coalesce(e, c, m, flags))
		return 0;
	if (c->tx_cnt >= LIMIT_TCP_CONN_SEGS || e->segs.used + e->seg_reserve >= e->segs.capacity) {
		CNT(e, no_seg);
		return -ENOBUFS;
	}
	s = seg_new(e, &idx);
	if (s == NULL)
		return -ENOBUFS;
	s->m = m;
	s->len = m->data_len;
	s->flags = flags;
	queue_append(e, c, s, idx);
	return 0;
}

int queue_push_fin(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t idx;
	struct tcp_seg *s = seg_new(e, &idx);

	if (s == NULL)
		return -ENOBUFS;
	s->flags = SEG_FIN;
	queue_append(e, c, s, idx);
	c->flags |= CF_FIN_PIECE;
	return 0;
}

/* Cut a piece so that it keeps its first `at` bytes; both parts keep its history. */
bool queue_split(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx, uint32_t at)
{
	struct tcp_seg *s = seg_at(e, idx), *n;
	uint32_t nidx;

	ASSERT_DBG(at > 0 && at < s->len && !(s->flags & (SEG_FIN | SEG_SACKED)));
	n = seg_new(e, &nidx);
	if (n == NULL)
		return false;
	*n = *s;
	rte_mbuf_refcnt_update(s->m, 1);
	n->seq += at;
	n->off = (uint16_t)(n->off + at);
	n->len = (uint16_t)(n->len - at);
	n->flags &= (uint8_t)~SEG_HEAD;
	s->len = (uint16_t)at;
	s->flags &= (uint8_t)~SEG_PUSH;
	s->next = nidx;
	if (c->tx_tail == idx)
		c->tx_tail = nidx;
	c->tx_cnt++;
	if (!(s->flags & SEG_TIMED))
		return true;
	n->ts_prev = idx;
	if (n->ts_next == POOL_NONE)
		c->ts_tail = nidx;
	else
		seg_at(e, n->ts_next)->ts_prev = nidx;
	s->ts_next = nidx;
	return true;
}

void queue_drop(struct tcp_engine *e, struct tcp_conn *c)
{
	while (c->tx_head != POOL_NONE) {
		uint32_t idx = c->tx_head;

		c->tx_head = seg_at(e, idx)->next;
		seg_free(e, idx);
	}
	c->tx_unsent = c->tx_tail = c->ts_head = c->ts_tail = POOL_NONE;
	c->tx_cnt = 0;
	c->sacked = c->lost = 0;
	c->sacked_cnt = 0;
	c->snd_end = c->snd_nxt = c->snd_una;
}

void time_append(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx)
{
	struct tcp_seg *s = seg_at(e, idx);

	ASSERT_DBG(!(s->flags & SEG_TIMED));
	s->ts_next = POOL_NONE;
	s->ts_prev = c->ts_tail;
	if (c->ts_tail == POOL_NONE)
		c->ts_head = idx;
	else
		seg_at(e, c->ts_tail)->ts_next = idx;
	c->ts_tail = idx;
	s->flags |= SEG_TIMED;
}

void time_remove(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx)
{
	struct tcp_seg *s = seg_at(e, idx);

	if (!(s->flags & SEG_TIMED))
		return;
	if (s->ts_prev == POOL_NONE)
		c->ts_head = s->ts_next;
	else
		seg_at(e, s->ts_prev)->ts_next = s->ts_next;
	if (s->ts_next == POOL_NONE)
		c->ts_tail = s->ts_prev;
	else
		seg_at(e, s->ts_next)->ts_prev = s->ts_prev;
	s->ts_next = s->ts_prev = POOL_NONE;
	s->flags &= (uint8_t)~SEG_TIMED;
}

/* The piece was not lost after all: back to its place on the time list, which is at or after *hint
 * when pieces come in order of their transmission. */
void seg_mark_found(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx, uint32_t *hint)
{
	struct tcp_seg *s = seg_at(e, idx);
	uint32_t prev = *hint, next;

	ASSERT_DBG(s->flags & SEG_LOST && !(s->flags & SEG_TIMED));
	if (prev != POOL_NONE && seg_at(e, prev)->xmit_ns > s->xmit_ns)
		prev = POOL_NONE;
	next = prev == POOL_NONE ? c->ts_head : seg_at(e, prev)->ts_next;
	for (; next != POOL_NONE && seg_at(e, next)->xmit_ns <= s->xmit_ns;
		next = seg_at(e, next)->ts_next)
		prev = next;
	s->ts_prev = prev;
	s->ts_next = next;
	if (prev == POOL_NONE)
		c->ts_head = idx;
	else
		seg_at(e, prev)->ts_next = idx;
	if (next == POOL_NONE)
		c->ts_tail = idx;
	else
		seg_at(e, next)->ts_prev = idx;
	s->flags = (uint8_t)((s->flags & ~SEG_LOST) | SEG_TIMED);
	c->lost -= seg_seqlen(s);
	*hint = idx;
}

void seg_mark_lost(struct tcp_engine *e, struct tcp_conn *c, uint32_t idx)
{
	struct tcp_seg *s = seg_at(e, idx);

	ASSERT_DBG(!(s->flags & (SEG_SACKED | SEG_LOST)));
	time_remove(e, c, idx);
	s->flags |= SEG_LOST;
	c->lost += seg_seqlen(s);
}
