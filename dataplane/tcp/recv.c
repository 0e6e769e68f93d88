/* SPDX-License-Identifier: Apache-2.0
 * Receiving: the in-order chain, out-of-order runs, SACK blocks and the window.
 *
 * Runs are kept merged, so there are as many as gaps and a run is a SACK block. Memory is charged
 * by truesize, what the mbufs occupy, and small payloads are copied behind the last mbuf, else
 * bytes sent one at a time would pin 2 KiB each. */
#include "dataplane/tcp/tcp_pvt.h"

#define COPY_MAX 256 /* payload that is worth copying into the mbuf before it */

static uint32_t truesize(const struct rte_mbuf *m)
{
	return (uint32_t)m->buf_len + (uint32_t)sizeof(*m);
}

static uint32_t budget_soft(const struct tcp_conn *c)
{
	return 4 * c->rcvbuf + 32768;
}

/* Free n bytes from the front of a chain; n is at most its length. */
static void chain_trim(struct rte_mbuf **head, uint32_t n)
{
	while (n > 0 || (*head != NULL && (*head)->data_len == 0)) {
		struct rte_mbuf *m = *head;

		if (n < m->data_len) {
			m->data_off = (uint16_t)(m->data_off + n);
			m->data_len = (uint16_t)(m->data_len - n);
			return;
		}
		n -= m->data_len;
		*head = m->next;
		rte_pktmbuf_free_seg(m);
	}
}

/* Keep the first n bytes of a chain, n > 0. */
static void chain_cut(struct rte_mbuf *m, uint32_t n)
{
	while (n > m->data_len) {
		n -= m->data_len;
		m = m->next;
	}
	m->data_len = (uint16_t)n;
	if (m->next != NULL) {
		struct rte_mbuf *rest = m->next;

		m->next = NULL;
		rte_pktmbuf_free(rest);
	}
}

static void chain_free(struct rte_mbuf *m)
{
	if (m != NULL)
		rte_pktmbuf_free(m);
}

/* Append chain m; returns the truesize added. */
static uint32_t chain_append(struct rte_mbuf **head, struct rte_mbuf **tail, struct rte_mbuf *m)
{
	struct rte_mbuf *t = *head == NULL ? NULL : *tail;
	uint32_t added = 0;

	if (t != NULL && m->next == NULL && m->data_len <= COPY_MAX && RTE_MBUF_DIRECT(t) &&
		rte_mbuf_refcnt_read(t) == 1 && rte_pktmbuf_tailroom(t) >= m->data_len) {
		memcpy(rte_pktmbuf_mtod_offset(t, uint8_t *, t->data_len),
			rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
		t->data_len = (uint16_t)(t->data_len + m->data_len);
		rte_pktmbuf_free_seg(m);
		return 0;
	}
	if (t == NULL)
		*head = m;
	else
		t->next = m;
	for (;; m = m->next) {
		added += truesize(m);
		if (m->next == NULL)
			break;
	}
	*tail = m;
	return added;
}

void recv_drop_all(struct tcp_engine *e, struct tcp_conn *c)
{
	(void)e;
	chain_free(c->rx_head);
	c->rx_head = c->rx_tail = NULL;
	c->rx_unread -= c->rx_len;
	c->rx_len = 0;
}

static void run_free(struct tcp_engine *e, uint32_t idx)
{
	chain_free(run_at(e, idx)->head);
	pool_put(&e->segs, idx);
}

void recv_prune(struct tcp_engine *e, struct tcp_conn *c)
{
	while (c->ooo_head != POOL_NONE) {
		uint32_t idx = c->ooo_head;

		c->ooo_head = run_at(e, idx)->next;
		run_free(e, idx);
	}
	c->ooo_cnt = 0;
}

/* ---- window ---- */

static uint32_t window_free(const struct tcp_engine *e, const struct tcp_conn *c, bool *withheld)
{
	uint32_t free = c->rcvbuf > c->rx_unread ? c->rcvbuf - c->rx_unread : 0;
	uint32_t cur = c->rcv_adv - c->rcv_nxt;

	free = u32_min(free, UINT32_C(65535) << c->rcv_wscale);
	*withheld = false;
	if (free > cur && (e->pressure >= 2 || c->rx_true > budget_soft(c))) {
		*withheld = e->pressure >= 2;
		return cur;
	}
	return free;
}

/* The window to advertise, a multiple of the scale's unit. The right edge moves only by a
 * worthwhile step (RFC 9293 3.8.6.2.2) and never left: where rounding down would do that, it rounds
 * up. */
uint32_t recv_window(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t cur = c->rcv_adv - c->rcv_nxt, unit = 1u << c->rcv_wscale;
	bool withheld;
	uint32_t w = window_free(e, c, &withheld);

	if (withheld)
		CNT(e, pressure_window);
	if (w > cur && w - cur < u32_min(c->rcvbuf / 2, c->rcv_mss))
		w = cur;
	w &= ~(unit - 1);
	if (w < cur)
		w = (cur + unit - 1) & ~(unit - 1);
	c->rcv_adv = c->rcv_nxt + w;
	return w;
}

/* Is an acknowledgement worth sending only to open the window? */
bool recv_update_due(struct tcp_engine *e, const struct tcp_conn *c)
{
	uint32_t cur = c->rcv_adv - c->rcv_nxt, step;
	bool withheld;
	uint32_t w = window_free(e, c, &withheld) & ~((1u << c->rcv_wscale) - 1);

	if (c->flags & CF_FIN_RCVD || c->state < TCP_ESTABLISHED)
		return false;
	step = cur < c->rcv_mss ? c->rcv_mss : u32_max(2u * c->rcv_mss, c->rcvbuf / 4);
	step = u32_min(step, c->rcvbuf / 2);
	return w > cur && w - cur >= step;
}

/* ---- SACK blocks ---- */

/* Fill in up to max blocks: a pending D-SACK first (RFC 2883), then runs, latest touched first. */
uint32_t recv_sack_blocks(
	struct tcp_engine *e, struct tcp_conn *c, uint32_t max, uint32_t blocks[][2])
{
	uint32_t n = 0;
	uint64_t older_than = 0; /* ages, not stamps, so that the counter may wrap */

	if (c->flags & CF_DSACK) {
		blocks[n][0] = c->dsack_start;
		blocks[n++][1] = c->dsack_end;
		c->flags &= ~(uint32_t)CF_DSACK;
		CNT(e, dsacks_out);
	}
	while (n < max) {
		const struct tcp_run *best = NULL;
		uint32_t best_age = UINT32_MAX;

		for (uint32_t i = c->ooo_head; i != POOL_NONE; i = run_at(e, i)->next) {
			const struct tcp_run *r = run_at(e, i);
			uint32_t age = e->stamp - r->stamp;

			if (age >= older_than && age < best_age) {
				best = r;
				best_age = age;
			}
		}
		if (best == NULL)
			break;
		older_than = (uint64_t)best_age + 1;
		blocks[n][0] = best->seq;
		blocks[n++][1] = best->end + best->fin;
	}
	return n;
}

static void note_dsack(struct tcp_conn *c, uint32_t start, uint32_t end)
{
	if (!(c->flags & CF_SACK) || start == end)
		return;
	c->dsack_start = start;
	c->dsack_end = end;
	c->flags |= CF_DSACK;
}

/* ---- in order ---- */

static void fin_received(struct tcp_engine *e, struct tcp_conn *c)
{
	c->rcv_nxt++;
	c->flags |= CF_FIN_RCVD | CF_ACK_NOW;
	c->events |= EV_EOF;
	recv_prune(e, c);
	switch (c->state) {
	case TCP_SYN_RCVD:
	case TCP_ESTABLISHED:
		c->state = TCP_CLOSE_WAIT;
		break;
	case TCP_FIN_WAIT_1:
		c->state = TCP_CLOSING;
		break;
	case TCP_FIN_WAIT_2:
		emit_ack(e, c, c->snd_nxt);
		conn_to_time_wait(e, c);
		break;
	default:
		break;
	}
}

static void take_in_order(
	struct tcp_engine *e, struct tcp_conn *c, struct rte_mbuf *m, uint32_t len)
{
	if (c->rx_head == NULL)
		c->rx_tail = NULL;
	c->rx_true += chain_append(&c->rx_head, &c->rx_tail, m);
	c->rx_len += len;
	c->rx_unread += len;
	c->rcv_nxt += len;
	c->bytes_in += len;
	CNT_ADD(e, bytes_in, len);
}

/* Runs that now touch rcv_nxt become in order. Returns whether a FIN was reached. */
static bool take_runs(struct tcp_engine *e, struct tcp_conn *c)
{
	bool fin = false;

	while (c->ooo_head != POOL_NONE && seq_le(run_at(e, c->ooo_head)->seq, c->rcv_nxt)) {
		uint32_t idx = c->ooo_head;
		struct tcp_run *r = run_at(e, idx);

		c->ooo_head = r->next;
		c->ooo_cnt--;
		if (seq_gt(r->end, c->rcv_nxt)) {
			uint32_t len = r->end - c->rcv_nxt;

			chain_trim(&r->head, c->rcv_nxt - r->seq);
			take_in_order(e, c, r->head, len);
			r->head = NULL;
		}
		fin |= r->fin && r->end == c->rcv_nxt;
		run_free(e, idx);
	}
	return fin;
}

static void ack_policy(struct tcp_conn *c, uint32_t len, bool immediate)
{
	if (len > c->rcv_mss)
		c->rcv_mss = (uint16_t)u32_min(len, UINT16_MAX);
	c->flags |= CF_ACK_LATER;
	if (immediate || c->rcv_nxt - c->last_ack >= 2u * c->rcv_mss ||
		(c->bytes_in < 16u * c->rcv_mss && len == c->rcv_mss))
		c->flags |= CF_ACK_NOW;
}

/* ---- out of order ---- */

/* Swallow the runs after r that it reaches. */
static void merge_forward(struct tcp_engine *e, struct tcp_conn *c, struct tcp_run *r)
{
	while (r->next != POOL_NONE && seq_le(run_at(e, r->next)->seq, r->end)) {
		uint32_t idx = r->next;
		struct tcp_run *n = run_at(e, idx);

		r->next = n->next;
		c->ooo_cnt--;
		if (seq_gt(n->end, r->end)) {
			chain_trim(&n->head, r->end - n->seq);
			r->truesize += chain_append(&r->head, &r->tail, n->head);
			n->head = NULL;
			r->end = n->end;
		}
		if (n->fin && n->end == r->end)
			r->fin = true;
		run_free(e, idx);
	}
}

static struct tcp_run *run_insert(struct tcp_engine *e, struct tcp_conn *c, uint32_t prev,
	uint32_t seq, uint32_t end, struct rte_mbuf *m)
{
	uint32_t idx;
	struct tcp_run *r;

	if (c->ooo_cnt >= LIMIT_TCP_GAPS || e->segs.used + e->seg_reserve >= e->segs.capacity)
		return NULL;
	idx = pool_get(&e->segs);
	if (idx == POOL_NONE)
		return NULL;
	r = run_at(e, idx);
	memset(r, 0, sizeof(*r));
	r->seq = seq;
	r->end = end;
	if (m != NULL)
		r->truesize = chain_append(&r->head, &r->tail, m);
	r->next = prev == POOL_NONE ? c->ooo_head : run_at(e, prev)->next;
	if (prev == POOL_NONE)
		c->ooo_head = idx;
	else
		run_at(e, prev)->next = idx;
	c->ooo_cnt++;
	return r;
}

/* RFC 2883 4: of what arrived now, the first bytes that a run holds already. */
static void note_overlap(
	struct tcp_engine *e, struct tcp_conn *c, uint32_t run, uint32_t seq, uint32_t end)
{
	const struct tcp_run *r;

	if (run == POOL_NONE)
		return;
	r = run_at(e, run);
	if (seq_lt(r->seq, end) && seq_ge(r->seq, seq))
		note_dsack(c, r->seq, seq_min(r->end, end));
}

/* Queue [seq, end) with chain m (NULL: a bare FIN). Takes m. */
static void ooo_insert(struct tcp_engine *e, struct tcp_conn *c, uint32_t seq, uint32_t end,
	bool fin, struct rte_mbuf *m)
{
	uint32_t prev = POOL_NONE, i = c->ooo_head, held = c->rx_true;
	struct tcp_run *r = NULL;

	for (uint32_t k = c->ooo_head; k != POOL_NONE; k = run_at(e, k)->next)
		held += run_at(e, k)->truesize;
	if (e->pressure >= 3 || held > budget_soft(c)) {
		if (e->pressure >= 3)
			CNT(e, pressure_ooo);
		else
			CNT(e, ooo_dropped);
		chain_free(m);
		return;
	}
	while (i != POOL_NONE && seq_lt(run_at(e, i)->end, seq)) {
		prev = i;
		i = run_at(e, i)->next;
	}
	if (i != POOL_NONE && seq_le(run_at(e, i)->seq, seq)) {
		r = run_at(e, i);
		if (seq_le(end, r->end)) {
			note_dsack(c, seq, end);
			if (seq != end)
				CNT(e, duplicates);
			chain_free(m);
		} else {
			note_dsack(c, seq, r->end);
			chain_trim(&m, r->end - seq);
			r->truesize += chain_append(&r->head, &r->tail, m);
			r->end = end;
			r->fin = false; /* what claims to follow a FIN wins: it is not acted on yet
					 */
			CNT(e, ooo_queued);
		}
	} else {
		note_overlap(e, c, i, seq, end);
		r = run_insert(e, c, prev, seq, end, m);
		if (r == NULL) {
			CNT(e, ooo_dropped);
			chain_free(m);
			return;
		}
		CNT(e, ooo_queued);
	}
	r->fin |= fin && end == r->end;
	r->stamp = ++e->stamp;
	merge_forward(e, c, r);
}

/* Payload of an acceptable segment: h->len bytes at h->seq in chain m (taken), FIN by h->flags. */
void recv_data(struct tcp_engine *e, struct tcp_conn *c, struct tcp_in *h, struct rte_mbuf *m)
{
	uint32_t seq = h->seq, len = h->len;
	bool fin = (h->flags & TCP_FIN) != 0, gap;

	chain_trim(&m, 0);
	if (seq_lt(seq, c->rcv_nxt)) {
		uint32_t old = u32_min(c->rcv_nxt - seq, len);

		note_dsack(c, seq, seq + old);
		c->flags |= CF_ACK_NOW;
		chain_trim(&m, old);
		seq += old;
		len -= old;
	}
	if (seq_gt(seq + len, c->rcv_adv)) {
		fin = false;
		len = seq_gt(c->rcv_adv, seq) ? c->rcv_adv - seq : 0;
		c->flags |= CF_ACK_NOW;
		if (len != 0)
			chain_cut(m, len);
	}
	/* The FIN takes a number too: behind a window that the data fills, it comes again. */
	if (fin && seq + len == c->rcv_adv) {
		fin = false;
		c->flags |= CF_ACK_NOW;
	}
	if (len == 0 && m != NULL) {
		chain_free(m);
		m = NULL;
	}
	if (len == 0 && !fin)
		return;
	if (seq != c->rcv_nxt) {
		ooo_insert(e, c, seq, seq + len, fin, m);
		c->flags |= CF_ACK_NOW;
		if (c->dupacks_out < UINT8_MAX)
			c->dupacks_out++;
		return;
	}
	if (len != 0 && (e->pressure >= 4 || c->rx_true > 2 * budget_soft(c))) {
		if (e->pressure >= 4)
			CNT(e, pressure_data);
		else
			CNT(e, rx_over_budget);
		chain_free(m);
		return;
	}
	gap = c->ooo_head != POOL_NONE;
	if (seq == h->seq)
		note_overlap(e, c, c->ooo_head, seq, seq + len);
	if (len != 0)
		take_in_order(e, c, m, len);
	if (gap)
		fin |= take_runs(e, c);
	ack_policy(c, len, gap || fin);
	if (fin)
		fin_received(e, c);
}
