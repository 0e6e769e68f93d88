/* SPDX-License-Identifier: Apache-2.0
 * Passive opens: listeners, half-open records, SYN cookies.
 *
 * A half-open connection is a small record, in a FIFO of those that have sent their SYN-ACK equally
 * often, so that each FIFO is in order of its next deadline. From cookie_level records on nothing
 * is kept: the SYN-ACK's sequence number is a keyed hash of the connection, and the peer's options
 * come back in the timestamp (RFC 4987 3.6):
 *
 *	ISS    bit 31 the parity of the minute, bits 30-28 an index into cookie_mss, 12 bits of
 *	       hash over the tuple, 16 bits of hash over the tuple and the peer's ISN
 *	TSval  low six bits: window scale 0-14 (15: none), SACK, ECN */
#include <errno.h>

#include "dataplane/tcp/tcp_pvt.h"

#define COOKIE_EPOCH_SHIFT 16 /* of ms: about a minute */
#define COOKIE_HASH_MASK   0x0fffffffu
#define COOKIE_TUPLE_MASK  0x00000fffu
#define COOKIE_LIFE_MS     (2u << COOKIE_EPOCH_SHIFT)
#define COOKIE_WS_NONE     15u

static const uint16_t cookie_mss[8] = {216, 536, 1220, 1360, 1400, 1440, 1460, 8960};

static struct tcp_syn *syn_at(const struct tcp_engine *e, uint32_t idx)
{
	return pool_at(&e->syns, idx);
}

/* ---- listeners ---- */

static uint32_t port_bucket(uint16_t port)
{
	return (port ^ (uint32_t)port >> 8) & (TCP_PORT_CHAINS - 1);
}

/* The listener of exactly this address, else of any; -1. */
int listener_find(const struct tcp_engine *e, const struct ip_addr *addr, uint16_t port)
{
	int any = -1;

	for (int i = e->port_chain[port_bucket(port)]; i >= 0; i = e->listeners[i].next) {
		const struct tcp_listener *l = &e->listeners[i];

		if (l->port != port)
			continue;
		if (ip_addr_eq(&l->addr, addr))
			return i;
		if (ip_addr_is_zero(&l->addr))
			any = i;
	}
	return any;
}

int tcp_listen(struct tcp_engine *e, const struct ip_addr *addr, uint16_t port,
	const struct tcp_ops *ops, void *arg)
{
	int l = listener_find(e, addr, port), free = -1;

	if (l >= 0 && ip_addr_eq(&e->listeners[l].addr, addr))
		return -EADDRINUSE;
	for (uint32_t i = 0; i < e->cfg.max_listeners && free < 0; i++)
		if (!e->listeners[i].used)
			free = (int)i;
	if (free < 0)
		return -ENFILE;
	e->listeners[free] = (struct tcp_listener){
		.addr = *addr,
		.port = port,
		.ops = ops,
		.arg = arg,
		.used = true,
		.next = e->port_chain[port_bucket(port)],
	};
	e->port_chain[port_bucket(port)] = free;
	return free;
}

void tcp_unlisten(struct tcp_engine *e, int listener)
{
	struct tcp_listener *l = &e->listeners[listener];
	int32_t *link = &e->port_chain[port_bucket(l->port)];

	ASSERT(listener >= 0 && (uint32_t)listener < e->cfg.max_listeners && l->used);
	while (*link != listener)
		link = &e->listeners[*link].next;
	*link = l->next;
	l->used = false;
	for (int lev = 0; lev < TCP_SYN_LEVELS; lev++) {
		uint32_t next;

		for (uint32_t i = e->syn_fifo[lev].head; i != POOL_NONE; i = next) {
			next = syn_at(e, i)->next;
			if (syn_at(e, i)->listener == listener)
				syn_free(e, i);
		}
	}
}

/* ---- half-open records ---- */

static void fifo_append(struct tcp_engine *e, uint32_t idx)
{
	struct tcp_syn *s = syn_at(e, idx);
	struct tcp_fifo *f = &e->syn_fifo[s->tries];

	s->next = POOL_NONE;
	s->prev = f->tail;
	if (s->prev == POOL_NONE)
		f->head = idx;
	else
		syn_at(e, s->prev)->next = idx;
	f->tail = idx;
}

static void fifo_remove(struct tcp_engine *e, uint32_t idx)
{
	struct tcp_syn *s = syn_at(e, idx);
	struct tcp_fifo *f = &e->syn_fifo[s->tries];

	if (s->prev == POOL_NONE)
		f->head = s->next;
	else
		syn_at(e, s->prev)->next = s->next;
	if (s->next == POOL_NONE)
		f->tail = s->prev;
	else
		syn_at(e, s->next)->prev = s->prev;
}

void syn_free(struct tcp_engine *e, uint32_t idx)
{
	struct tcp_syn *s = syn_at(e, idx);

	fifo_remove(e, idx);
	tcp_table_remove(&e->table, tcp_tuple_hash(&e->table, &s->t), tcp_slot(TCP_KIND_SYN, idx));
	pool_put(&e->syns, idx);
}

/* What a SYN asked for, as far as we go along. */
static void read_syn(const struct tcp_engine *e, const struct tcp_in *h, struct tcp_syn *s)
{
	uint32_t dflt = ip_addr_is4(&s->t.raddr) ? 536 : 1220;

	s->mss = (uint16_t)u32_max(h->opts & TCP_HAS_MSS ? h->mss : dflt, TCP_MIN_MSS);
	s->opts = 0;
	if (h->opts & TCP_HAS_TS && !e->cfg.no_timestamps)
		s->opts |= SYN_OPT_TS;
	if (h->opts & TCP_HAS_SACK_OK && !e->cfg.no_sack)
		s->opts |= SYN_OPT_SACK;
	if (h->opts & TCP_HAS_WSCALE && !e->cfg.no_wscale)
		s->opts |= SYN_OPT_WSCALE;
	if ((h->flags & (TCP_ECE | TCP_CWR)) == (TCP_ECE | TCP_CWR) && !e->cfg.no_ecn)
		s->opts |= SYN_OPT_ECN;
	s->wscale = h->wscale > TCP_MAX_WSCALE ? TCP_MAX_WSCALE : h->wscale;
	s->ts_recent = h->tsval;
	s->t.own = h->seq;
}

static void send_synack(struct tcp_engine *e, const struct tcp_syn *s, uint32_t tsval)
{
	uint8_t opts[TCP_OPTS_MAX];
	struct tcp_route r = {0};
	uint32_t hdr = ip_addr_is4(&s->t.raddr) ? 40 : 60, floor = hdr == 40 ? 576 : 1280;
	struct rte_mbuf *m;

	if (!e->cfg.cb.route(e->cfg.cb.ctx, &s->t.raddr, &r) || (m = emit_header(e)) == NULL)
		return;
	struct tcp_syn_opts so = {
		.mss = (uint16_t)(u32_max(r.mtu, floor) - hdr),
		.wscale = wscale_for(e, e->cfg.rcvbuf),
		.has_wscale = (s->opts & SYN_OPT_WSCALE) != 0,
		.has_sack = (s->opts & SYN_OPT_SACK) != 0,
		.has_ts = (s->opts & SYN_OPT_TS) != 0,
		.tsval = tsval,
		.tsecr = s->ts_recent,
	};
	struct tcp_out o = {
		.t = s->t,
		.seq = s->iss,
		.ack = s->t.own + 1,
		.wnd = (uint16_t)u32_min(e->cfg.rcvbuf, UINT16_MAX),
		.flags = TCP_SYN | TCP_ACK | (s->opts & SYN_OPT_ECN ? TCP_ECE : 0),
		.csum_off = r.csum_offload,
		.opts = opts,
		.opts_len = tcp_opt_put_syn(opts, &so),
	};
	emit_frame(e, m, 0, &o);
}

static void resend_synack(struct tcp_engine *e, const struct tcp_syn *s)
{
	CNT(e, synack_retrans);
	send_synack(e, s, e->now_ms + s->ts_off);
}

/* A pure ACK from SYN_RCVD. */
static void syn_challenge(struct tcp_engine *e, const struct tcp_syn *s)
{
	uint8_t opts[TCP_OPTS_MAX],
		ws = s->opts & SYN_OPT_WSCALE ? wscale_for(e, e->cfg.rcvbuf) : 0;
	struct tcp_out o = {
		.t = s->t,
		.seq = s->iss + 1,
		.ack = s->t.own + 1,
		.wnd = (uint16_t)((u32_min(e->cfg.rcvbuf, UINT16_MAX) + (1u << ws) - 1) >> ws),
		.flags = TCP_ACK,
		.opts = opts,
	};
	struct rte_mbuf *m;

	if (!challenge_allowed(e) || (m = emit_header(e)) == NULL)
		return;
	if (s->opts & SYN_OPT_TS)
		o.opts_len = tcp_opt_put_ts(opts, e->now_ms + s->ts_off, s->ts_recent);
	CNT(e, challenge_acks);
	emit_frame(e, m, 0, &o);
}

void syn_timers(struct tcp_engine *e)
{
	for (uint8_t lev = 0; lev < TCP_SYN_LEVELS; lev++) {
		uint32_t idx;

		while ((idx = e->syn_fifo[lev].head) != POOL_NONE) {
			struct tcp_syn *s = syn_at(e, idx);

			if (!ms_due(e->now_ms, s->sent_ms + (TCP_INIT_RTO_MS << lev)))
				break;
			if (lev >= e->cfg.synack_retries) {
				CNT(e, syn_timeouts);
				syn_free(e, idx);
				continue;
			}
			fifo_remove(e, idx);
			s->tries++;
			s->sent_ms = e->now_ms;
			fifo_append(e, idx);
			resend_synack(e, s);
		}
	}
}

/* ---- cookies ---- */

static uint32_t cookie_hash(const struct tcp_engine *e, const struct tcp_tuple *t, uint32_t irs,
	uint64_t epoch, uint32_t mss_idx)
{
	struct {
		uint8_t key[TCP_TUPLE_KEY_LEN];
		uint32_t irs;
		uint64_t epoch;
		uint32_t mss_idx, zero;
	} in;

	memcpy(in.key, t, sizeof(in.key));
	in.irs = irs;
	in.epoch = epoch;
	in.mss_idx = mss_idx;
	in.zero = 0;
	return (uint32_t)siphash24(&e->cookie_key, &in, sizeof(in));
}

/* The part over the tuple alone recognises a later segment that came before the first: it names
 * another ISN, but is not to be answered with a reset. */
static uint32_t cookie_mac(const struct tcp_engine *e, const struct tcp_tuple *t, uint32_t irs,
	uint64_t epoch, uint32_t mss_idx)
{
	return (cookie_hash(e, t, 0, epoch, mss_idx) & COOKIE_TUPLE_MASK) |
	       (cookie_hash(e, t, irs, epoch, mss_idx | 8) & ~COOKIE_TUPLE_MASK & COOKIE_HASH_MASK);
}

static void send_cookie(struct tcp_engine *e, struct tcp_syn *s, struct tcp_listener *l)
{
	uint64_t epoch = e->now_ms64 >> COOKIE_EPOCH_SHIFT;
	uint32_t idx = 0, opts, ts = e->now_ms;

	while (idx < 7 && cookie_mss[idx + 1] <= s->mss)
		idx++;
	s->iss = (uint32_t)(epoch & 1) << 31 | idx << 28 |
		 cookie_mac(e, &s->t, s->t.own, epoch, idx);
	if (!(s->opts & SYN_OPT_TS))
		s->opts = 0; /* no room for the others to come back in */
	opts = (s->opts & SYN_OPT_WSCALE ? s->wscale : COOKIE_WS_NONE) |
	       (s->opts & SYN_OPT_SACK ? 16u : 0) | (s->opts & SYN_OPT_ECN ? 32u : 0);
	/* Never ahead of the clock, or our later timestamps would look old. */
	ts = (ts & ~63u) | opts;
	if (seq_gt(ts, e->now_ms))
		ts -= 64;
	l->cookies = true;
	l->cookie_ms = e->now_ms;
	CNT(e, cookies_sent);
	send_synack(e, s, ts + s->ts_off);
}

/* ---- SYN ---- */

/* A SYN for a listener. iss_above: the ISS must lie beyond it (an old connection ended there). */
void listen_syn(struct tcp_engine *e, const struct tcp_tuple *t, uint64_t hash,
	const struct tcp_in *h, const struct pkt_meta *meta, uint32_t iss_above, bool have_iss)
{
	int l = listener_find(e, &t->laddr, t->lport);
	uint64_t isn = tuple_isn(e, t);
	struct tcp_syn tmp = {.t = *t, .listener = (uint16_t)l}, *s;
	uint32_t idx;

	(void)meta;
	CNT(e, syns_in);
	if (e->pressure >= 1) {
		CNT(e, pressure_syn);
		CNT(e, syn_dropped);
		return;
	}
	read_syn(e, h, &tmp);
	tmp.ts_off = (uint32_t)(isn >> 32);
	tmp.iss = isn_of(e, isn);
	if (have_iss && seq_le(tmp.iss, iss_above + 65535))
		tmp.iss = iss_above + 65537;
	if (e->conns.used == e->conns.capacity) {
		CNT(e, no_conn);
		CNT(e, syn_dropped);
		return;
	}
	if (e->syns.used >= e->cfg.cookie_level) {
		send_cookie(e, &tmp, &e->listeners[l]);
		return;
	}
	idx = pool_get(&e->syns);
	if (idx == POOL_NONE) {
		send_cookie(e, &tmp, &e->listeners[l]);
		return;
	}
	s = syn_at(e, idx);
	*s = tmp;
	if (!tcp_table_insert(&e->table, hash, tcp_slot(TCP_KIND_SYN, idx))) {
		CNT(e, table_full);
		CNT(e, syn_dropped);
		pool_put(&e->syns, idx);
		return;
	}
	s->sent_ms = e->now_ms;
	fifo_append(e, idx);
	send_synack(e, s, e->now_ms + s->ts_off);
}

/* ---- the third segment ---- */

static void established(
	struct tcp_engine *e, struct tcp_conn *c, const struct tcp_syn *s, const struct tcp_in *h)
{
	const struct tcp_listener *l = &e->listeners[s->listener];

	c->state = TCP_ESTABLISHED;
	c->flags |= CF_PASSIVE | (s->opts & SYN_OPT_TS ? CF_TS : 0) |
		    (s->opts & SYN_OPT_SACK ? CF_SACK : 0) | (s->opts & SYN_OPT_ECN ? CF_ECN : 0);
	c->snd_una = c->snd_nxt = c->snd_end = s->iss + 1;
	c->recover = s->iss;
	c->rcv_nxt = c->last_ack = s->t.own + 1;
	c->rcv_adv = c->rcv_nxt + u32_min(c->rcvbuf, UINT16_MAX);
	if (s->opts & SYN_OPT_WSCALE) {
		c->snd_wscale = s->wscale;
		c->rcv_wscale = wscale_for(e, e->cfg.rcvbuf);
	}
	c->snd_wnd = c->snd_max_wnd = (uint32_t)h->wnd << c->snd_wscale;
	c->snd_wl1 = h->seq;
	c->ts_recent = s->ts_recent;
	c->ts_off = s->ts_off;
	c->rack_fack = c->snd_una;
	c->peer_mss = s->mss;
	c->rcv_mss = 536;
	c->listener = s->listener;
	c->ops = l->ops;
	conn_set_mss(c);
	conn_init_window(e, c);
	if (s->tries > 0) { /* RFC 6298 5.7: the SYN-ACK was lost */
		c->rto_ms = 3 * TCP_INIT_RTO_MS;
		c->cwnd = c->mss;
	}
	c->events |= EV_ACCEPT;
	if (c->keepalive != 0)
		timer_set_slow(e, c, c->keepalive * TCP_SLOW_UNIT_MS);
	conn_dirty(e, c);
	CNT(e, accepts);
}

static struct tcp_conn *accept_conn(
	struct tcp_engine *e, const struct tcp_syn *s, uint64_t hash, const struct tcp_in *h)
{
	struct tcp_conn *c = conn_new(e, &s->t, hash);

	if (c == NULL)
		return NULL;
	if (!conn_set_route(e, c, NULL)) {
		conn_free_unannounced(e, c);
		return NULL;
	}
	established(e, c, s, h);
	return c;
}

/* A segment for a half-open record; the connection if this one completes it. */
struct tcp_conn *listen_ack(struct tcp_engine *e, uint32_t idx, uint64_t hash, struct tcp_in *h)
{
	struct tcp_syn *s = syn_at(e, idx), copy;
	struct tcp_conn *c;
	uint32_t wnd = u32_min(e->cfg.rcvbuf, UINT16_MAX);

	if (h->flags & TCP_RST) {
		if (h->seq == s->t.own + 1)
			syn_free(e, idx);
		else if (h->seq - s->t.own - 1 < wnd)
			syn_challenge(e, s);
		return NULL;
	}
	if (h->flags & TCP_SYN) {
		if (h->seq != s->t.own || h->flags & TCP_ACK) {
			syn_challenge(e, s);
			return NULL;
		}
		/* RFC 3168 6.1.1: one SYN without the question takes it back. */
		if ((h->flags & (TCP_ECE | TCP_CWR)) != (TCP_ECE | TCP_CWR))
			s->opts &= (uint8_t)~SYN_OPT_ECN;
		resend_synack(e, s);
		return NULL;
	}
	if (!(h->flags & TCP_ACK))
		return NULL;
	if (h->seq - s->t.own - 1 >= wnd ||
		(s->opts & SYN_OPT_TS && h->opts & TCP_HAS_TS && seq_lt(h->tsval, s->ts_recent))) {
		syn_challenge(e, s);
		return NULL;
	}
	if (h->ack != s->iss + 1) {
		emit_rst_for(e, &s->t, h);
		return NULL;
	}
	if (e->conns.used == e->conns.capacity) {
		CNT(e, syn_overflow);
		return NULL;
	}
	copy = *s;
	syn_free(e, idx);
	c = accept_conn(e, &copy, hash, h);
	if (c != NULL && copy.tries == 0)
		rtt_sample(e, c, (e->now_ms - copy.sent_ms) * 1000);
	return c;
}

/* An ACK without a record: does it answer a cookie of ours? *quiet: say nothing, it may be the
 * second segment of a connection whose first one is late. */
struct tcp_conn *cookie_ack(struct tcp_engine *e, const struct tcp_tuple *t, uint64_t hash,
	struct tcp_in *h, bool *quiet)
{
	int l = listener_find(e, &t->laddr, t->lport);
	uint64_t epoch = e->now_ms64 >> COOKIE_EPOCH_SHIFT;
	uint32_t iss = h->ack - 1, irs = h->seq - 1, mss_idx = iss >> 28 & 7, ts, mac;
	struct tcp_syn s = {.t = *t, .iss = iss, .listener = (uint16_t)l};

	if (!e->listeners[l].cookies || e->now_ms - e->listeners[l].cookie_ms > COOKIE_LIFE_MS)
		return NULL;
	if ((epoch & 1) != iss >> 31)
		epoch--;
	mac = cookie_mac(e, t, irs, epoch, mss_idx);
	if ((iss & COOKIE_HASH_MASK) != mac) {
		CNT(e, cookies_bad);
		*quiet = ((iss ^ mac) & COOKIE_TUPLE_MASK) == 0;
		return NULL;
	}
	s.t.own = irs;
	s.mss = cookie_mss[mss_idx];
	s.ts_off = (uint32_t)(tuple_isn(e, t) >> 32);
	if (h->opts & TCP_HAS_TS && !e->cfg.no_timestamps) {
		ts = h->tsecr - s.ts_off;
		s.opts = SYN_OPT_TS | (ts & 16 ? SYN_OPT_SACK : 0) | (ts & 32 ? SYN_OPT_ECN : 0);
		s.ts_recent = h->tsval;
		if ((ts & 15) != COOKIE_WS_NONE) {
			s.opts |= SYN_OPT_WSCALE;
			s.wscale = (uint8_t)(ts & 15);
		}
	}
	CNT(e, cookies_ok);
	*quiet = true; /* no connection left: the peer tries again */
	return accept_conn(e, &s, hash, h);
}
