/* SPDX-License-Identifier: Apache-2.0
 * The engine: setup, the way of a burst through it, and the callback pass.
 *
 * tcp_input() goes over the burst several times - parse and prefetch the bucket, the record, what
 * the record leads to, act - so that cache misses of different packets overlap. Acting changes
 * state and puts the connection on the dirty list; nothing is called back and nothing but resets
 * and SYN-ACKs is sent before tcp_flush(), which makes one callback pass and one output decision
 * per dirty connection.
 */
#include <errno.h>
#include <rte_prefetch.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "dataplane/net/cksum.h"
#include "dataplane/tcp/tcp_pvt.h"

#define ECN_CE 0x03

#define DEFAULT(field, value)               \
	do {                                \
		if (c->field == 0)          \
			c->field = (value); \
	} while (0)

static void config_defaults(struct tcp_config *c)
{
	DEFAULT(max_conns, 16384);
	DEFAULT(max_syns, 4096);
	DEFAULT(max_timewaits, 65536);
	DEFAULT(max_segs, c->max_conns < 128 ? 1024 : 8 * c->max_conns);
	DEFAULT(max_listeners, 64);
	DEFAULT(cookie_level, c->max_syns / 2);
	DEFAULT(max_challenges_per_s, 1000);
	DEFAULT(rcvbuf, 262144);
	DEFAULT(sndbuf, 262144);
	DEFAULT(min_rto_ms, 200);
	DEFAULT(max_rto_ms, 60000);
	DEFAULT(delack_ms, 40);
	DEFAULT(time_wait_ms, 60000);
	DEFAULT(fin_wait2_ms, 60000);
	DEFAULT(user_timeout_ms, 900000);
	DEFAULT(syn_retries, 7);
	DEFAULT(synack_retries, 5);
	DEFAULT(keepalive_intvl_ms, 15000);
	DEFAULT(keepalive_probes, 5);
	DEFAULT(ttl, 64);
	DEFAULT(port_lo, 32768);
	DEFAULT(port_hi, 60999);
}

static bool config_valid(const struct tcp_config *c)
{
	return c->max_conns <= LIMIT_TCP_CONNS && c->max_syns <= LIMIT_TCP_CONNS &&
	       c->max_timewaits <= LIMIT_TCP_CONNS && c->max_listeners <= LIMIT_TCP_LISTENERS &&
	       c->max_segs >= 64 && c->max_segs < 1u << TCP_KIND_SHIFT && c->header_pool != NULL &&
	       c->ref_pool != NULL && c->data_pool != c->header_pool && c->cb.route != NULL &&
	       c->cb.emit != NULL && c->port_lo <= c->port_hi && c->min_rto_ms <= c->max_rto_ms &&
	       c->rcvbuf <= 1u << 30 && c->sndbuf <= 1u << 30 && c->syn_retries < 32 &&
	       c->synack_retries < TCP_SYN_LEVELS &&
	       rte_pktmbuf_data_room_size(c->header_pool) >= RTE_PKTMBUF_HEADROOM + 128;
}

/* Independent keys from the one secret. */
static void draw_keys(struct tcp_engine *e, struct mix_key *mix)
{
	struct siphash_key root;
	uint64_t w[12];

	memcpy(&root, e->cfg.secret, sizeof(root));
	for (uint64_t i = 0; i < ARRAY_SIZE(w); i++) {
		uint64_t in[3] = {i, load64(e->cfg.secret + 16), load64(e->cfg.secret + 24)};

		w[i] = siphash24(&root, in, sizeof(in));
	}
	e->isn_key = (struct siphash_key){w[0], w[1]};
	e->cookie_key = (struct siphash_key){w[2], w[3]};
	e->port_key = (struct siphash_key){w[4], w[5]};
	memcpy(mix->k, w + 6, sizeof(mix->k));
	e->port_next = (uint32_t)w[0];
	e->port_step = port_stride((uint32_t)e->cfg.port_hi - e->cfg.port_lo + 1);
}

static int engine_pools(struct tcp_engine *e)
{
	struct tcp_config *c = &e->cfg;
	struct mix_key mix;
	int rc;

	draw_keys(e, &mix);
	rc = tcp_table_init(&e->table, c->max_conns + c->max_syns + c->max_timewaits, &mix);
	if (rc == 0)
		rc = pool_init(&e->conns, CONN_SIZE, 64, c->max_conns);
	if (rc == 0)
		rc = pool_init(&e->syns, sizeof(struct tcp_syn), 8, c->max_syns);
	if (rc == 0)
		rc = pool_init(&e->tws, sizeof(struct tcp_tw), 64, c->max_timewaits);
	if (rc == 0)
		rc = pool_init(&e->segs, sizeof(struct tcp_seg), 8, c->max_segs);
	if (rc != 0)
		return rc;
	e->table.base[TCP_KIND_CONN] = e->conns.mem;
	e->table.size[TCP_KIND_CONN] = CONN_SIZE;
	e->table.base[TCP_KIND_SYN] = e->syns.mem;
	e->table.size[TCP_KIND_SYN] = sizeof(struct tcp_syn);
	e->table.base[TCP_KIND_TW] = e->tws.mem;
	e->table.size[TCP_KIND_TW] = sizeof(struct tcp_tw);
	e->listeners = calloc(c->max_listeners, sizeof(e->listeners[0]));
	return e->listeners == NULL ? -ENOMEM : 0;
}

/* Payload that fits behind the headers, whichever pool a frame comes from. */
static uint32_t copy_room(const struct tcp_config *c)
{
	uint32_t room = rte_pktmbuf_data_room_size(c->header_pool);

	if (c->rx_pool != NULL)
		room = u32_min(room, rte_pktmbuf_data_room_size(c->rx_pool));
	return room - RTE_PKTMBUF_HEADROOM - 100;
}

struct tcp_engine *tcp_engine_create(const struct tcp_config *cfg, uint64_t now_ns)
{
	struct tcp_engine *e = calloc(1, sizeof(*e));
	int rc;

	if (e == NULL)
		return NULL;
	e->cfg = *cfg;
	config_defaults(&e->cfg);
	if (!config_valid(&e->cfg)) {
		free(e);
		errno = EINVAL;
		return NULL;
	}
	e->dirty_head = e->dirty_tail = POOL_NONE;
	e->tw_fifo = (struct tcp_fifo){POOL_NONE, POOL_NONE};
	for (int i = 0; i < TCP_SYN_LEVELS; i++)
		e->syn_fifo[i] = (struct tcp_fifo){POOL_NONE, POOL_NONE};
	for (int i = 0; i < TCP_PORT_CHAINS; i++)
		e->port_chain[i] = -1;
	rc = engine_pools(e);
	if (rc != 0) {
		tcp_engine_destroy(e);
		errno = -rc;
		return NULL;
	}
	e->seg_reserve = e->cfg.max_segs / 16;
	e->copybreak = copy_room(&e->cfg);
	wheel_init(&e->wheel, NS_PER_MS, now_ns);
	engine_set_now(e, now_ns);
	e->challenge_left = e->cfg.max_challenges_per_s;
	return e;
}

void tcp_engine_warm(struct tcp_engine *e, uint32_t conns)
{
	pool_warm(&e->conns, conns);
	pool_warm(&e->syns, conns);
	pool_warm(&e->tws, conns);
	pool_warm(&e->segs, 8 * conns);
}

void tcp_engine_destroy(struct tcp_engine *e)
{
	if (e == NULL)
		return;
	for (uint32_t i = 0; e->conns.mem != NULL && i < e->conns.capacity; i++) {
		struct tcp_conn *c = conn_at(e, i);

		if (c->gen & 1)
			conn_free(e, c);
	}
	free(e->listeners);
	tcp_table_fini(&e->table);
	if (e->conns.mem != NULL)
		pool_fini(&e->conns);
	if (e->syns.mem != NULL)
		pool_fini(&e->syns);
	if (e->tws.mem != NULL)
		pool_fini(&e->tws);
	if (e->segs.mem != NULL)
		pool_fini(&e->segs);
	free(e);
}

/* Time never runs backwards, whatever the caller passes. */
void engine_set_now(struct tcp_engine *e, uint64_t now_ns)
{
	if (now_ns > e->now_ns)
		e->now_ns = now_ns;
	e->now_ms64 = e->now_ns / NS_PER_MS;
	e->now_ms = (uint32_t)e->now_ms64;
}

void conn_dirty(struct tcp_engine *e, struct tcp_conn *c)
{
	uint32_t idx;

	if (c->flags & CF_DIRTY)
		return;
	c->flags |= CF_DIRTY;
	c->t.own = POOL_NONE;
	idx = conn_idx(e, c);
	if (e->dirty_tail == POOL_NONE)
		e->dirty_head = idx;
	else
		conn_at(e, e->dirty_tail)->t.own = idx;
	e->dirty_tail = idx;
}

void engine_end(struct tcp_engine *e, enum reason r)
{
	if (e->cfg.ledger != NULL)
		e->cfg.ledger->ended[r]++;
}

/* Live connections have odd generations. */
struct tcp_conn *conn_get(const struct tcp_engine *e, uint64_t handle)
{
	uint32_t idx = (uint32_t)handle;
	struct tcp_conn *c;

	if (idx >= e->conns.capacity)
		return NULL;
	c = conn_at(e, idx);
	if (c->gen != (uint32_t)(handle >> 32) || !(c->gen & 1) || c->flags & CF_ORPHAN)
		return NULL;
	return c;
}

/* One keyed hash of the tuple: the low half seeds the ISN (RFC 6528), the high half the timestamp
 * offset. */
uint64_t tuple_isn(const struct tcp_engine *e, const struct tcp_tuple *t)
{
	return siphash24(&e->isn_key, t, TCP_TUPLE_KEY_LEN);
}

/* The clock of RFC 9293 3.4.1 in steps of 4.096 us. */
uint32_t isn_of(const struct tcp_engine *e, uint64_t h)
{
	return (uint32_t)h + (uint32_t)(e->now_ns >> 12);
}

bool challenge_allowed(struct tcp_engine *e)
{
	uint32_t sec = (uint32_t)(e->now_ms64 >> 10);

	if (sec != e->challenge_sec) {
		e->challenge_sec = sec;
		e->challenge_left = e->cfg.max_challenges_per_s;
	}
	if (e->challenge_left == 0) {
		CNT(e, limited);
		return false;
	}
	e->challenge_left--;
	return true;
}

/* ---- input ---- */

struct burst_item {
	struct tcp_tuple t;
	struct tcp_in h;
	uint64_t hash;
	bool ok;
};

/* A port's "bad" is checked again: some say it of packets that they did not check. */
static bool checksum_ok(const struct tcp_engine *e, struct rte_mbuf *m, const struct pkt_meta *p)
{
	uint64_t st = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	uint32_t len = p->l3_len - (uint32_t)(p->l4_off - p->l3_off);

	if (st == RTE_MBUF_F_RX_L4_CKSUM_GOOD || st == RTE_MBUF_F_RX_L4_CKSUM_NONE)
		return true;
	if (st == RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN && e->cfg.rx_csum_trusted)
		return true;
	return cksum_fold(cksum_add_mbuf(cksum_pseudo(&p->src, &p->dst, PROTO_TCP, len), m,
		       p->l4_off, len)) == 0xffff;
}

static enum reason parse_one(
	struct tcp_engine *e, struct rte_mbuf *m, const struct pkt_meta *p, struct burst_item *it)
{
	uint32_t l4 = p->l4_off, end = (uint32_t)p->l3_off + p->l3_len, avail;

	it->ok = false;
	if (p->proto != PROTO_TCP || end > m->pkt_len || l4 + TCP_HDR_LEN > end ||
		l4 >= m->data_len)
		return REASON_L4_SHORT;
	avail = (m->data_len < end ? m->data_len : end) - l4;
	if (!tcp_hdr_parse(rte_pktmbuf_mtod_offset(m, uint8_t *, l4), avail, &it->h)) {
		CNT(e, bad_header);
		return REASON_TCP_BAD;
	}
	if (!checksum_ok(e, m, p)) {
		CNT(e, bad_checksum);
		return REASON_L4_CHECKSUM;
	}
	if (it->h.opts & TCP_BAD_OPTS)
		CNT(e, bad_options);
	it->h.len = end - l4 - it->h.hdr_len;
	it->h.ce = (p->tos & ECN_CE) == ECN_CE;
	it->t.raddr = p->src;
	it->t.laddr = p->dst;
	it->t.rport = p->sport;
	it->t.lport = p->dport;
	it->t.own = 0;
	it->hash = tcp_tuple_hash(&e->table, &it->t);
	it->ok = true;
	return REASON_NONE;
}

/* Leave exactly the payload in m; an empty result keeps one empty mbuf. */
static void strip(struct rte_mbuf *m, const struct pkt_meta *p, const struct tcp_in *h)
{
	uint32_t end = (uint32_t)p->l3_off + p->l3_len;

	if (m->pkt_len > end) {
		/* Link padding is shorter than a segment of a chain; cut what the last one holds.
		 */
		uint32_t extra = m->pkt_len - end;

		while (extra > 0) {
			struct rte_mbuf *last = rte_pktmbuf_lastseg(m);
			uint32_t cut = extra < last->data_len ? extra : last->data_len;

			last->data_len = (uint16_t)(last->data_len - cut);
			m->pkt_len -= cut;
			extra -= cut;
			if (last->data_len != 0 || last == m)
				continue;
			struct rte_mbuf *q = m;

			while (q->next != last)
				q = q->next;
			q->next = NULL;
			m->nb_segs--;
			rte_pktmbuf_free_seg(last);
		}
	}
	(void)rte_pktmbuf_adj(m, (uint16_t)(p->l4_off + h->hdr_len));
}

/* A segment for which there is no record. */
static bool no_record(
	struct tcp_engine *e, struct burst_item *it, const struct pkt_meta *p, struct tcp_conn **c)
{
	struct tcp_in *h = &it->h;
	int l;

	if (h->flags & TCP_RST)
		return true; /* RFC 9293 3.10.7.1, 3.10.7.2 */
	l = listener_find(e, &it->t.laddr, it->t.lport);
	if (l >= 0 && (h->flags & (TCP_SYN | TCP_ACK | TCP_FIN)) == TCP_SYN) {
		listen_syn(e, &it->t, it->hash, h, p, 0, false);
		return true;
	}
	if (l >= 0 && (h->flags & (TCP_SYN | TCP_ACK)) == TCP_ACK) {
		bool quiet = false;

		*c = cookie_ack(e, &it->t, it->hash, h, &quiet);
		if (*c != NULL)
			return true;
		if (quiet)
			return true;
	}
	/* RFC 9293 3.10.7.2: what is neither SYN nor ACK is dropped in LISTEN. */
	if (l >= 0 && !(h->flags & (TCP_SYN | TCP_ACK)))
		return true;
	emit_rst_for(e, &it->t, h);
	if (l < 0)
		CNT(e, no_listener);
	return l >= 0;
}

static struct tcp_conn *find_conn(
	struct tcp_engine *e, struct burst_item *it, const struct pkt_meta *p, enum reason *why)
{
	uint32_t slot = tcp_table_find(&e->table, &it->t, it->hash), iss_above;
	struct tcp_conn *c = NULL;

	*why = REASON_TCP_SEGMENT;
	if (slot == TCP_SLOT_EMPTY) {
		if (!no_record(e, it, p, &c))
			*why = REASON_LOCAL_NO_LISTENER;
		return c;
	}
	switch (tcp_slot_kind(slot)) {
	case TCP_KIND_CONN:
		return conn_at(e, tcp_slot_idx(slot));
	case TCP_KIND_SYN:
		return listen_ack(e, tcp_slot_idx(slot), it->hash, &it->h);
	default:
		if (tw_input(e, tcp_slot_idx(slot), &it->h, &iss_above))
			return NULL;
		if (listener_find(e, &it->t.laddr, it->t.lport) < 0) {
			CNT(e, no_listener);
			emit_rst_for(e, &it->t, &it->h);
			return NULL;
		}
		CNT(e, timewait_reused);
		tw_free(e, tcp_slot_idx(slot));
		listen_syn(e, &it->t, it->hash, &it->h, p, iss_above, true);
		return NULL;
	}
}

static void act(
	struct tcp_engine *e, struct rte_mbuf *m, const struct pkt_meta *p, struct burst_item *it)
{
	enum reason why;
	struct tcp_conn *c;

	CNT(e, segs_in);
	c = find_conn(e, it, p, &why);
	engine_end(e, why);
	if (c == NULL) {
		rte_pktmbuf_free(m);
		return;
	}
	strip(m, p, &it->h);
	conn_input(e, c, &it->h, m);
}

/* A guess may be of another connection, or of none by now: nothing follows from it but what is
 * fetched. */
static const struct tcp_conn *guess_conn(const struct tcp_engine *e, const struct burst_item *it)
{
	uint32_t slot = it->ok ? tcp_table_guess(&e->table, it->hash) : TCP_SLOT_EMPTY;

	if (slot == TCP_SLOT_EMPTY || tcp_slot_kind(slot) != TCP_KIND_CONN)
		return NULL;
	return conn_at(e, tcp_slot_idx(slot));
}

/* The records; then the application's object and the oldest piece of each, whose buffer an
 * acknowledgement frees: long after it was sent, nothing of it is in a cache. */
static void prefetch_conns(const struct tcp_engine *e, const struct burst_item *items, uint16_t n)
{
	const struct tcp_conn *conns[LIMIT_BURST];

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *c = (const void *)(conns[i] = guess_conn(e, &items[i]));

		for (int line = 0; c != NULL && line < CONN_SIZE; line += CACHE_LINE)
			rte_prefetch0(c + line);
	}
	for (uint16_t i = 0; i < n; i++) {
		const struct tcp_conn *c = conns[i];

		if (c == NULL)
			continue;
		rte_prefetch0(c->user);
		if (c->tx_head != POOL_NONE)
			rte_prefetch0(seg_at(e, c->tx_head));
	}
	for (uint16_t i = 0; i < n; i++) {
		const struct tcp_conn *c = conns[i];

		if (c != NULL && c->tx_head != POOL_NONE)
			rte_prefetch0(seg_at(e, c->tx_head)->m); /* a bare FIN has none */
	}
}

void tcp_input(struct tcp_engine *e, struct rte_mbuf **mbufs, const struct pkt_meta *metas,
	uint16_t n, uint64_t now_ns)
{
	struct burst_item items[LIMIT_BURST];

	engine_set_now(e, now_ns);
	for (uint16_t at = 0; at < n; at = (uint16_t)(at + LIMIT_BURST)) {
		uint16_t k = (uint16_t)(n - at < LIMIT_BURST ? n - at : LIMIT_BURST);

		for (uint16_t i = 0; i < k; i++) {
			enum reason r = parse_one(e, mbufs[at + i], &metas[at + i], &items[i]);

			if (r == REASON_NONE) {
				rte_prefetch0(tcp_bucket_1(&e->table, items[i].hash));
				continue;
			}
			engine_end(e, r);
			rte_pktmbuf_free(mbufs[at + i]);
		}
		prefetch_conns(e, items, k);
		for (uint16_t i = 0; i < k; i++)
			if (items[i].ok)
				act(e, mbufs[at + i], &metas[at + i], &items[i]);
	}
	emit_flush(e);
}

bool tcp_owns(const struct tcp_engine *e, const struct pkt_meta *p)
{
	struct tcp_tuple t = {p->src, p->dst, p->sport, p->dport, 0};

	return tcp_table_find(&e->table, &t, tcp_tuple_hash(&e->table, &t)) != TCP_SLOT_EMPTY ||
	       listener_find(e, &t.laddr, t.lport) >= 0;
}

/* ---- timers and the callback pass ---- */

/* Pool pressure, looked at once a tick: below 1/8 free no new connections, 1/12 no larger windows,
 * 1/16 no out-of-order queues, 1/32 no data at all. */
static void check_pressure(struct tcp_engine *e)
{
	uint32_t avail, size;

	if (e->cfg.rx_pool == NULL || e->pressure_ms == e->now_ms)
		return;
	e->pressure_ms = e->now_ms;
	avail = rte_mempool_avail_count(e->cfg.rx_pool);
	size = e->cfg.rx_pool->size;
	e->pressure = avail * 32 < size   ? 4
		      : avail * 16 < size ? 3
		      : avail * 12 < size ? 2
		      : avail * 8 < size  ? 1
					  : 0;
}

void tcp_run_timers(struct tcp_engine *e, uint64_t now_ns)
{
	struct wheel_timer *t;

	engine_set_now(e, now_ns);
	check_pressure(e);
	wheel_advance(&e->wheel, e->now_ns);
	while ((t = wheel_pop(&e->wheel)) != NULL)
		conn_timer(e, container_of(t, struct tcp_conn, timer));
	syn_timers(e);
	tw_timers(e);
	emit_flush(e);
}

uint64_t tcp_next_timer_ns(const struct tcp_engine *e)
{
	uint64_t next = wheel_next_ns(&e->wheel);

	for (int i = 0; i < TCP_SYN_LEVELS; i++) {
		const struct tcp_syn *s;
		uint64_t at;

		if (e->syn_fifo[i].head == POOL_NONE)
			continue;
		s = pool_at(&e->syns, e->syn_fifo[i].head);
		at = (e->now_ms64 +
			     (uint64_t)(int64_t)(int32_t)(s->sent_ms + (TCP_INIT_RTO_MS << i) -
							  e->now_ms)) *
		     NS_PER_MS;
		if (at < next)
			next = at;
	}
	if (e->tw_fifo.head != POOL_NONE) {
		const struct tcp_tw *tw = pool_at(&e->tws, e->tw_fifo.head);
		uint64_t at =
			(e->now_ms64 + (uint64_t)(int64_t)(int32_t)(tw->expiry_ms - e->now_ms)) *
			NS_PER_MS;

		if (at < next)
			next = at;
	}
	return next;
}

static void deliver_data(struct tcp_engine *e, struct tcp_conn *c)
{
	struct rte_mbuf *chain = c->rx_head;
	uint32_t len = c->rx_len;

	if (chain == NULL)
		return;
	if (c->splice_to != POOL_NONE && conn_splice_move(e, c))
		return;
	if (c->flags & CF_ORPHAN || c->ops->on_data == NULL) {
		recv_drop_all(e, c);
		return;
	}
	c->rx_head = c->rx_tail = NULL;
	c->rx_len = 0;
	c->ops->on_data(e, conn_handle(e, c), c->user, chain, len);
}

/* The callbacks of one connection. Any of them may close or abort it: each look at the state comes
 * after the last callback. Returns false when the connection is gone. */
static bool conn_callbacks(struct tcp_engine *e, struct tcp_conn *c)
{
	uint64_t h = conn_handle(e, c);
	uint8_t ev = c->events;

	c->events &= EV_CLOSED | EV_EOF;
	if (ev & EV_ACCEPT && !(c->flags & CF_ORPHAN) && c->ops->on_accept != NULL)
		c->ops->on_accept(e, h, e->listeners[c->listener].arg);
	if (ev & EV_CONNECT && !(c->flags & CF_ORPHAN) && c->ops->on_connect != NULL)
		c->ops->on_connect(e, h, c->user);
	deliver_data(e, c);
	if (c->events & EV_EOF && c->rx_head == NULL) {
		c->events &= (uint8_t)~EV_EOF;
		if (c->splice_to != POOL_NONE)
			(void)tcp_shutdown(e, conn_handle(e, conn_at(e, c->splice_to)));
		if (!(c->flags & CF_ORPHAN) && c->ops->on_eof != NULL)
			c->ops->on_eof(e, h, c->user);
	}
	if (ev & EV_WRITABLE && !(c->flags & CF_ORPHAN) && c->state != TCP_CLOSED &&
		c->ops->on_writable != NULL)
		c->ops->on_writable(e, h, c->user);
	if (!(c->events & EV_CLOSED))
		return true;
	if (!(c->flags & CF_ORPHAN)) {
		if (c->ops->on_closed != NULL)
			c->ops->on_closed(e, h, c->user, (enum tcp_end)c->end);
		c->flags |= CF_ORPHAN;
	}
	/* A callback may have put it on the list again: then it is freed when it comes up. */
	if (!(c->flags & CF_DIRTY))
		conn_free(e, c);
	return false;
}

void tcp_flush(struct tcp_engine *e, uint64_t now_ns)
{
	ASSERT(!e->in_flush);
	engine_set_now(e, now_ns);
	e->in_flush = true;
	while (e->dirty_head != POOL_NONE) {
		struct tcp_conn *c = conn_at(e, e->dirty_head);

		e->dirty_head = c->t.own;
		if (e->dirty_head == POOL_NONE)
			e->dirty_tail = POOL_NONE;
		c->flags &= ~(uint32_t)CF_DIRTY;
		if (conn_callbacks(e, c))
			conn_output(e, c);
	}
	e->in_flush = false;
	emit_flush(e);
}

/* ---- dumps ---- */

void tcp_usage(const struct tcp_engine *e, struct tcp_usage *out)
{
	*out = (struct tcp_usage){
		.conns = e->conns.used,
		.syns = e->syns.used,
		.timewaits = e->tws.used,
		.segs = e->segs.used,
		.timers = e->wheel.armed,
		.max_conns = e->conns.capacity,
		.max_syns = e->syns.capacity,
		.max_timewaits = e->tws.capacity,
		.max_segs = e->segs.capacity,
		.pressure = e->pressure,
	};
}

const struct tcp_counters *tcp_counters(const struct tcp_engine *e)
{
	return &e->cnt;
}
