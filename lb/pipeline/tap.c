/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/pipeline/tap.h"

#include <pcap/pcap.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "lb/pipeline/pipeline_pvt.h"

/* ---- control's side ---- */

struct tap *tap_create(const struct bpf_program *filter, uint32_t snap)
{
	struct tap *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->filter = filter;
	t->snap = snap < TAP_SNAP_MAX ? snap : TAP_SNAP_MAX;
	t->free = spsc_create(TAP_RECORDS);
	t->full = spsc_create(TAP_RECORDS);
	t->records = calloc(TAP_RECORDS, sizeof(*t->records));
	if (t->free == NULL || t->full == NULL || t->records == NULL) {
		tap_destroy(t);
		return NULL;
	}
	for (uint32_t i = 0; i < TAP_RECORDS; i++) {
		void *r = &t->records[i];

		ASSERT(spsc_push(t->free, &r, 1) == 1);
	}
	return t;
}

void tap_destroy(struct tap *t)
{
	if (t == NULL)
		return;
	spsc_destroy(t->free);
	spsc_destroy(t->full);
	free(t->records);
	free(t);
}

/* ---- the worker's side ---- */

static bool matches(const struct tap *t, struct rte_mbuf *m)
{
	return t->filter == NULL ||
	       bpf_filter(t->filter->bf_insns, rte_pktmbuf_mtod(m, const u_char *),
		       rte_pktmbuf_pkt_len(m), rte_pktmbuf_data_len(m)) != 0;
}

static struct tap_record *take_record(struct tap *t)
{
	void *r = NULL;

	if (spsc_pop(t->free, &r, 1) == 0)
		__atomic_store_n(&t->dropped, t->dropped + 1, __ATOMIC_RELAXED);
	return r;
}

static void copy_packet(const struct pipeline *p, const struct tap *t, struct rte_mbuf *m,
	enum tap_dir dir, uint16_t port, struct tap_record *r)
{
	const void *bytes;

	r->time_ns = p->now_ns;
	r->len = rte_pktmbuf_pkt_len(m);
	r->cap_len = r->len < t->snap ? r->len : t->snap;
	r->port = port;
	r->worker = (uint16_t)p->w->id;
	r->dir = (uint8_t)dir;
	r->end = TAP_END_NONE;
	r->reason = REASON_NONE;
	r->to = 0;
	r->tracked = r->made = false;
	/* Copies only what lies in several segments. */
	bytes = rte_pktmbuf_read(m, 0, r->cap_len, r->bytes);
	if (bytes != r->bytes && bytes != NULL)
		memcpy(r->bytes, bytes, r->cap_len);
}

static void pass_on(struct tap *t, struct tap_record *r)
{
	void *obj = r;
	uint32_t n = spsc_push(t->full, &obj, 1);

	ASSERT_DBG(n == 1); /* TP2: there is room for every record */
	(void)n;
}

/* Which flow is the packet of, as the worker tracks it now? The copy is looked at: the packet
 * itself is gone. */
static bool find_flow(struct pipeline *p, const struct tap_record *r, struct l4_flow_row *row)
{
	struct pkt_meta meta;

	return pkt_parse(r->bytes, r->cap_len, r->len, true, &meta) == REASON_NONE &&
	       l4_flow_of(p->l4, &meta, p->now_ns, row);
}

/* What the ledger and the queues say before a packet. */
struct before {
	struct ledger ledger;
	uint32_t out[LIMIT_WORKERS];
	uint16_t tx[LIMIT_PORTS];
};

static void look(const struct worker *w, struct before *b)
{
	b->ledger = w->ledger;
	for (uint32_t i = 0; i < w->worker_cnt; i++)
		b->out[i] = w->out[i].n;
	for (uint32_t i = 0; i < w->port_cnt; i++)
		b->tx[i] = w->tx[i].n;
}

/* To another worker, or only through its transmit queue? */
static void judge_handed(const struct worker *w, uint32_t to, struct tap_record *r)
{
	const struct worker_handoff *h = &w->out[to];
	const struct pkt_priv *priv = h->n > 0 ? pkt_priv(h->pkts[h->n - 1]) : NULL;
	bool sent = priv != NULL && priv->route == PKT_ROUTE_TRANSMIT;

	r->end = sent ? TAP_END_SENT : TAP_END_HANDED;
	r->to = sent ? priv->port : (uint16_t)to;
}

/* Of the counters that moved, a drop says most; then other ends, then where it went. */
static void judge(const struct worker *w, const struct before *b, struct tap_record *r)
{
	for (unsigned k = REASON_NONE + 1; k < REASON_COUNT; k++) {
		if (w->ledger.ended[k] == b->ledger.ended[k])
			continue;
		r->end = TAP_END_REASON;
		r->reason = (uint16_t)k;
		if (reason_class((enum reason)k) == 'D')
			return;
	}
	if (r->end == TAP_END_REASON)
		return;
	for (uint32_t i = 0; i < w->worker_cnt; i++)
		if (w->out[i].n != b->out[i]) {
			judge_handed(w, i, r);
			return;
		}
	for (uint32_t i = 0; i < w->port_cnt; i++)
		if (w->tx[i].n != b->tx[i]) {
			r->end = TAP_END_SENT;
			r->to = (uint16_t)i;
			return;
		}
	r->end = TAP_END_HELD;
}

/* One packet, by `run`, with its record if it is wanted. */
static void one(
	struct pipeline *p, enum tap_dir dir, uint16_t port, struct rte_mbuf *m, uint64_t now_ns)
{
	struct tap *t = p->tap;
	struct tap_record *r = t->in && matches(t, m) ? take_record(t) : NULL;
	struct before b;

	if (r != NULL) {
		p->now_ns = now_ns;
		copy_packet(p, t, m, dir, port, r);
		r->made = t->flows && !find_flow(p, r, &r->flow);
		look(p->w, &b);
	}
	if (dir == TAP_IN)
		input_burst(p, port, &m, 1, now_ns);
	else
		handed_burst(p, &m, 1, now_ns);
	if (r == NULL)
		return;
	if (p->tcp_due)
		tcp_side_flush(p);
	judge(p->w, &b, r);
	r->tracked = t->flows && find_flow(p, r, &r->flow);
	r->made = r->made && r->tracked;
	pass_on(t, r);
}

COLD void tap_input(
	struct pipeline *p, uint16_t port, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns)
{
	for (uint32_t i = 0; i < n; i++)
		one(p, TAP_IN, port, pkts[i], now_ns);
}

COLD void tap_handed(struct pipeline *p, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns)
{
	for (uint32_t i = 0; i < n; i++)
		one(p, TAP_HANDED, pkts[i]->port, pkts[i], now_ns);
}

static void on_tx(void *ctx, uint16_t port, struct rte_mbuf *m)
{
	struct pipeline *p = ctx;
	struct tap_record *r = matches(p->tap, m) ? take_record(p->tap) : NULL;

	if (r == NULL)
		return;
	copy_packet(p, p->tap, m, TAP_OUT, port, r);
	pass_on(p->tap, r);
}

void tap_set(struct pipeline *p, void *arg, uint64_t now_ns)
{
	(void)now_ns;
	p->tap = arg;
	p->w->tx_seen = p->tap->out ? on_tx : NULL;
}

void tap_clear(struct pipeline *p, void *arg, uint64_t now_ns)
{
	(void)arg;
	(void)now_ns;
	p->tap = NULL;
	p->w->tx_seen = NULL;
}
