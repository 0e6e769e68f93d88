/* SPDX-License-Identifier: Apache-2.0
 * Bugs that other stacks have had, one test each; those that a segment script can tell stand in
 * tests/tcp/scripts/pitfalls.tcp. Here are the ones about resources, callbacks and several engines.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/net/cksum.h"
#include "dataplane/tcp/tcp_pvt.h"
#include "tests/sim/traffic.h"
#include "tests/support/eal.h"

#define MS UINT64_C(1000000)

/* A connection and what happened to it. */
struct end {
	struct sim_host *h;
	uint64_t conn;
	struct rte_mbuf *held;
	uint64_t got;
	uint32_t accepts, eofs, closes, writables;
	enum tcp_end why;
	bool hold;           /* keep what arrives, consume nothing */
	bool close_in_eof;   /* tcp_close inside on_eof */
	struct end *partner; /* closed too, inside the callback */
};

static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct end *a = arg;

	a->conn = conn;
	a->accepts++;
	assert_int_equal(tcp_set_user(e, conn, a), 0);
}

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct end *a = user;

	(void)e;
	assert_true(conn == a->conn);
	a->accepts++;
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct end *a = user;
	struct rte_mbuf *last = chain;

	a->got += len;
	if (!a->hold) {
		rte_pktmbuf_free(chain);
		assert_int_equal(tcp_consumed(e, conn, len), 0);
		return;
	}
	while (last->next != NULL)
		last = last->next;
	last->next = a->held;
	a->held = chain;
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct end *a = user;

	a->eofs++;
	if (a->close_in_eof) {
		assert_int_equal(tcp_close(e, conn), 0);
		assert_int_equal(tcp_close(e, conn), -ESTALE);
		if (a->partner != NULL)
			(void)tcp_abort(e, a->partner->conn);
	}
}

static void on_writable(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	((struct end *)user)->writables++;
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end why)
{
	struct end *a = user;

	(void)e;
	(void)conn;
	a->closes++;
	a->why = why;
}

static const struct tcp_ops ops = {
	.on_accept = on_accept,
	.on_connect = on_connect,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_writable = on_writable,
	.on_closed = on_closed,
};

static void listen_at(struct sim *s, int host, uint16_t port, struct end *a)
{
	struct ip_addr any = {0};

	a->h = sim_host(s, host);
	assert_true(tcp_listen(a->h->e, &any, BE16(port), &ops, a) >= 0);
}

static void connect_to(struct sim *s, int from, int to, uint16_t port, struct end *a)
{
	struct tcp_connect_args args = {
		.raddr = sim_host(s, to)->addr4, .rport = BE16(port), .ops = &ops, .user = a};

	a->h = sim_host(s, from);
	assert_int_equal(tcp_connect(a->h->e, &args, &a->conn), 0);
	sim_kick(s, from);
}

static void pass(struct sim *s, uint64_t ms)
{
	sim_run(s, sim_now(s) + ms * MS);
}

static void drop_held(struct end *a)
{
	rte_pktmbuf_free(a->held);
	a->held = NULL;
}

/* Queue n bytes in mbufs of `piece`. */
static void give(struct end *a, uint32_t n, uint32_t piece)
{
	static const uint8_t bytes[TEST_MBUF_ROOM];

	while (n > 0) {
		uint32_t k = n < piece ? n : piece;
		struct rte_mbuf *m = sim_payload(a->h, bytes, k);

		assert_non_null(m);
		assert_int_equal(tcp_send(a->h->e, a->conn, &m, 0), k);
		n -= k;
	}
}

struct pair {
	struct sim *s;
	struct end c, l;
};

static void pair_open(struct pair *p, const struct sim_host_config *cfg)
{
	struct sim_host_config both[2] = {{0}};

	memset(p, 0, sizeof(*p));
	if (cfg != NULL)
		both[0] = both[1] = *cfg;
	p->s = sim_create(7, 2, both);
	sim_host(p->s, 0)->wire.delay_ns = sim_host(p->s, 1)->wire.delay_ns = 5 * MS;
	listen_at(p->s, 1, 80, &p->l);
	connect_to(p->s, 0, 1, 80, &p->c);
	pass(p->s, 100);
	assert_int_equal(p->c.accepts, 1);
	assert_int_equal(p->l.accepts, 1);
}

static void pair_close(struct pair *p)
{
	drop_held(&p->c);
	drop_held(&p->l);
	sim_destroy(p->s, true);
}

/* 1: the congestion window limits what is in flight, not a single send. */
static void pitfall_01_cwnd_limits_flight(void **state)
{
	struct pair p;
	struct tcp_info i;

	(void)state;
	pair_open(&p, NULL);
	for (int k = 0; k < 40; k++) {
		give(&p.c, 2000, 2000);
		sim_kick(p.s, 0);
		assert_int_equal(tcp_info(p.c.h->e, p.c.conn, &i), 0);
		assert_true(i.snd_nxt - i.snd_una <= i.cwnd);
	}
	assert_true(i.queued > i.cwnd);
	pass(p.s, 2000);
	assert_true(p.l.got == 80000);
	pair_close(&p);
}

/* 9: two engines of one host never give the same local port to one destination. */
static bool odd_port(
	void *ctx, const struct ip_addr *l, const struct ip_addr *r, uint16_t lport, uint16_t rport)
{
	struct sim_host *h = ctx;

	(void)l;
	(void)r;
	(void)rport;
	if ((BE16(lport) & 1) == (h->id & 1))
		return true;
	h->ports_refused++;
	return false;
}

static void pitfall_09_ports_are_disjoint(void **state)
{
	struct sim_host_config cfg[2] = {{0}};
	struct tcp_info i;
	struct sim *s;

	(void)state;
	for (int h = 0; h < 2; h++) {
		cfg[h].tcp.cb.port_ok = odd_port;
		cfg[h].tcp.port_lo = 40000;
		cfg[h].tcp.port_hi = 40099;
	}
	s = sim_create(1, 2, cfg);
	for (int h = 0; h < 2; h++) {
		struct tcp_connect_args a = {
			.raddr = ip_addr_from4(BE32(0x0a000063)), .rport = BE16(80), .ops = &ops};
		static struct end e[2];
		uint64_t conn;

		a.user = &e[h];
		for (int k = 0; k < 50; k++) {
			assert_int_equal(tcp_connect(sim_host(s, h)->e, &a, &conn), 0);
			assert_int_equal(tcp_info(sim_host(s, h)->e, conn, &i), 0);
			assert_int_equal(BE16(i.lport) & 1, h);
		}
		assert_int_equal(tcp_connect(sim_host(s, h)->e, &a, &conn), -EADDRNOTAVAIL);
		assert_int_equal(tcp_counters(sim_host(s, h)->e)->no_port, 1);
	}
	sim_destroy(s, true);
}

/* 10: the port of an active open is asked of the steering callback, and only of free tuples. */
static void pitfall_10_steering_chooses_ports(void **state)
{
	struct sim_host_config cfg[2] = {{0}};
	struct end c[8] = {{0}}, l[8] = {{0}};
	struct sim *s;

	(void)state;
	cfg[0].tcp.cb.port_ok = odd_port;
	s = sim_create(3, 2, cfg);
	listen_at(s, 1, 80, &l[0]);
	for (int k = 0; k < 8; k++)
		connect_to(s, 0, 1, 80, &c[k]);
	pass(s, 100);
	for (int k = 0; k < 8; k++) {
		struct tcp_info i;

		assert_int_equal(c[k].accepts, 1);
		assert_int_equal(tcp_info(c[k].h->e, c[k].conn, &i), 0);
		assert_int_equal(BE16(i.lport) & 1, 0);
	}
	assert_true(sim_host(s, 0)->ports_refused > 0);
	sim_destroy(s, true);
}

/* 9: a filter that refuses, or connections that stay side by side, do not hold the worker. */
static uint16_t refused_to; /* ports below this, host order, are refused */

static bool high_port(
	void *ctx, const struct ip_addr *l, const struct ip_addr *r, uint16_t lport, uint16_t rport)
{
	struct sim_host *h = ctx;

	(void)l;
	(void)r;
	(void)rport;
	if (BE16(lport) >= refused_to)
		return true;
	h->ports_refused++;
	return false;
}

static void pitfall_09_port_search_is_bounded(void **state)
{
	struct sim_host_config cfg = {.tcp.cb.port_ok = high_port};
	struct tcp_connect_args a = {
		.raddr = ip_addr_from4(BE32(0x0a000063)), .rport = BE16(80), .ops = &ops};
	struct sim_host *h;
	struct sim *s;
	struct end e = {0};
	uint64_t conn;

	(void)state;
	a.user = &e;
	s = sim_create(1, 1, &cfg);
	h = sim_host(s, 0);
	refused_to = UINT16_MAX;
	assert_int_equal(tcp_connect(h->e, &a, &conn), -EADDRNOTAVAIL);
	assert_int_equal(h->ports_refused, LIMIT_TCP_PORT_TRIES);
	assert_int_equal(tcp_counters(h->e)->port_refused, LIMIT_TCP_PORT_TRIES);
	assert_int_equal(tcp_counters(h->e)->no_port, 1);
	/* A tenth of the range is left, all at its end: found, wherever the search begins. */
	refused_to = 58000;
	for (int k = 0; k < 200; k++) {
		struct tcp_info i;

		h->ports_refused = 0;
		assert_int_equal(tcp_connect(h->e, &a, &conn), 0);
		assert_true(h->ports_refused < 100);
		assert_int_equal(tcp_info(h->e, conn, &i), 0);
		assert_true(BE16(i.lport) >= 58000);
	}
	sim_destroy(s, true);
}

/* Every port of a range is visited once by the strides. */
static void port_strides_visit_all(void **state)
{
	static bool seen[65536];

	(void)state;
	for (uint32_t n = 1; n <= 65535; n += n < 300 ? 1 : 997) {
		uint32_t at = n / 3, step = port_stride(n);

		memset(seen, 0, sizeof(seen));
		for (uint32_t i = 0; i < n; i++, at = (at + step) % n) {
			assert_false(seen[at]);
			seen[at] = true;
		}
	}
}

/* 11: bad, none, unknown and good are four different answers of a port. */
static void send_raw(struct pair *p, uint64_t ol_flags, bool damage, uint32_t seq, uint32_t ack)
{
	uint8_t ip[IP4_HDR_LEN + TCP_HDR_LEN + 4] = {0};
	struct ip4_hdr *h = (void *)ip;
	struct tcp_hdr *th = (void *)(ip + IP4_HDR_LEN);
	struct tcp_info i;
	struct pkt_meta m = {.ip_ver = 4, .proto = PROTO_TCP, .l4_off = IP4_HDR_LEN};
	struct rte_mbuf *mb;

	assert_int_equal(tcp_info(p->l.h->e, p->l.conn, &i), 0);
	m.src = i.raddr;
	m.dst = i.laddr;
	m.sport = i.rport;
	m.dport = i.lport;
	m.l3_len = sizeof(ip);
	th->sport_be = i.rport;
	th->dport_be = i.lport;
	th->seq_be = BE32(seq);
	th->ack_be = BE32(ack);
	th->off = TCP_HDR_LEN << 2;
	th->flags = TCP_ACK;
	th->window_be = BE16(1000);
	th->cksum = (uint16_t)~cksum_fold(
		cksum_add(cksum_pseudo(&m.src, &m.dst, PROTO_TCP, sizeof(ip) - IP4_HDR_LEN), th,
			sizeof(ip) - IP4_HDR_LEN));
	if (damage)
		th->cksum = (uint16_t)~th->cksum;
	(void)h;
	mb = test_mbuf(p->l.h->rx, ip, sizeof(ip));
	mb->ol_flags |= ol_flags;
	tcp_input(p->l.h->e, &mb, &m, 1, sim_now(p->s));
	tcp_flush(p->l.h->e, sim_now(p->s));
}

static void pitfall_11_four_checksum_states(void **state)
{
	static const struct {
		uint64_t fl;
		bool damage, taken;
	} cases[] = {
		{RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, false, true},
		{RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, true, false},
		{RTE_MBUF_F_RX_L4_CKSUM_GOOD, true, true}, /* verified by the port */
		{RTE_MBUF_F_RX_L4_CKSUM_NONE, true,
			true}, /* partial: the data is known to be right */
		{RTE_MBUF_F_RX_L4_CKSUM_BAD, true, false},
		{RTE_MBUF_F_RX_L4_CKSUM_BAD, false, true}, /* said of what was not checked */
	};
	struct sim_host_config cfg = {0};
	struct pair p;
	struct tcp_info i;
	uint64_t want = 0;

	(void)state;
	cfg.tcp.no_timestamps = true;
	pair_open(&p, &cfg);
	for (unsigned k = 0; k < ARRAY_SIZE(cases); k++) {
		assert_int_equal(tcp_info(p.l.h->e, p.l.conn, &i), 0);
		send_raw(&p, cases[k].fl, cases[k].damage, i.rcv_nxt, i.snd_nxt);
		want += cases[k].taken ? 4 : 0;
		assert_true(p.l.got == want);
	}
	assert_int_equal(tcp_counters(p.l.h->e)->bad_checksum, 2);
	pair_close(&p);
}

/* 13: a pool that runs dry delays, nothing else; and all comes back. */
static void pitfall_13_no_mbufs(void **state)
{
	struct pair p;
	struct rte_mbuf *hog[4096];
	unsigned n = 0;

	(void)state;
	pair_open(&p, NULL);
	while (n < ARRAY_SIZE(hog) && (hog[n] = rte_pktmbuf_alloc(p.c.h->hdr)) != NULL)
		n++;
	give(&p.c, 50000, 2000);
	sim_kick(p.s, 0);
	pass(p.s, 1000);
	assert_true(p.l.got == 0);
	assert_true(tcp_counters(p.c.h->e)->no_mbuf > 0);
	while (n > 0)
		rte_pktmbuf_free(hog[--n]);
	pass(p.s, 5000);
	assert_true(p.l.got == 50000);
	/* The same with the receiver's pool. */
	n = 0;
	while (n < ARRAY_SIZE(hog) && (hog[n] = rte_pktmbuf_alloc(p.l.h->rx)) != NULL)
		n++;
	give(&p.c, 50000, 2000);
	sim_kick(p.s, 0);
	pass(p.s, 1000);
	assert_true(p.l.got == 50000);
	while (n > 0)
		rte_pktmbuf_free(hog[--n]);
	pass(p.s, 120000);
	assert_true(p.l.got == 100000);
	pair_close(&p);
}

/* 13: frames for a port that takes no chains are made in the receive pool's buffers, without which
 * the driver would copy them; when that runs low, in those of headers. */
static void pitfall_13_frames_of_receive_buffers(void **state)
{
	const struct sim_host_config cfg = {.single_segment = true, .watch_rx = true};
	struct rte_mbuf *hog[4096];
	unsigned n = 0, size;
	struct pair p;

	(void)state;
	pair_open(&p, &cfg);
	while (n < ARRAY_SIZE(hog) && (hog[n] = rte_pktmbuf_alloc(p.c.h->hdr)) != NULL)
		n++;
	give(&p.c, 50000, 2000);
	sim_kick(p.s, 0);
	pass(p.s, 5000);
	assert_true(p.l.got == 50000);
	assert_int_equal(tcp_counters(p.c.h->e)->no_mbuf, 0);
	while (n > 0)
		rte_pktmbuf_free(hog[--n]);
	size = p.c.h->rx->size;
	while (n < size - size / 10)
		assert_non_null(hog[n++] = rte_pktmbuf_alloc(p.c.h->rx));
	pass(p.s, 10);
	give(&p.c, 3000, 1000);
	sim_kick(p.s, 0);
	assert_int_equal(rte_mempool_in_use_count(p.c.h->rx), n);
	pass(p.s, 5000);
	assert_true(p.l.got == 53000);
	while (n > 0)
		rte_pktmbuf_free(hog[--n]);
	pair_close(&p);
}

/* 13: under pressure of the receive pool, each threshold does its part, and it ends with it. */
static void pitfall_13_pressure(void **state)
{
	struct pair p;
	struct rte_mbuf *hog[4096];
	struct end late = {0};
	unsigned n = 0, size;
	struct tcp_usage u;

	(void)state;
	pair_open(&p, NULL);
	/* The engine of the listener watches its pool from here on. */
	p.l.h->e->cfg.rx_pool = p.l.h->rx;
	size = p.l.h->rx->size;
	while (n < size - size / 10)
		assert_non_null(hog[n++] = rte_pktmbuf_alloc(p.l.h->rx));
	pass(p.s, 10);
	sim_kick(p.s, 1);
	tcp_usage(p.l.h->e, &u);
	assert_int_equal(u.pressure, 1);
	connect_to(p.s, 0, 1, 80, &late);
	pass(p.s, 500);
	assert_int_equal(late.accepts, 0);
	assert_true(tcp_counters(p.l.h->e)->pressure_syn > 0);
	while (n < size - size / 40)
		assert_non_null(hog[n++] = rte_pktmbuf_alloc(p.l.h->rx));
	pass(p.s, 10);
	sim_kick(p.s, 1);
	give(&p.c, 1000, 1000);
	sim_kick(p.s, 0);
	pass(p.s, 50);
	assert_true(p.l.got == 0);
	assert_true(tcp_counters(p.l.h->e)->pressure_data > 0);
	while (n > 0)
		rte_pktmbuf_free(hog[--n]);
	pass(p.s, 10000);
	assert_true(p.l.got == 1000);
	assert_int_equal(late.accepts, 1);
	pair_close(&p);
}

/* 14: payload given to tcp_send is never written to, also by retransmissions with a frame in
 * flight. */
struct frames {
	struct rte_mbuf *m[64];
	int n;
	struct tcp_callbacks real;
};

static struct frames kept;

static void keep_emit(void *ctx, struct rte_mbuf **m, uint16_t n)
{
	(void)ctx;
	for (uint16_t i = 0; i < n; i++) {
		assert_true(kept.n < (int)ARRAY_SIZE(kept.m));
		kept.m[kept.n++] = m[i];
	}
}

static uint32_t frame_bytes(const struct rte_mbuf *m, uint8_t *out, uint32_t cap)
{
	uint32_t n = 0;

	for (; m != NULL; m = m->next) {
		assert_true(n + m->data_len <= cap);
		memcpy(out + n, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);
		n += m->data_len;
	}
	return n;
}

static void pitfall_14_frames_in_flight_do_not_change(void **state)
{
	static uint8_t first[8][2048], again[2048];
	uint32_t len[8];
	struct pair p;
	int sent;

	(void)state;
	pair_open(&p, NULL);
	/* A port that never frees: every frame stays in flight. */
	memset(&kept, 0, sizeof(kept));
	p.c.h->e->cfg.cb.emit = keep_emit;
	give(&p.c, 8000, 2000);
	tcp_flush(p.c.h->e, sim_now(p.s));
	sent = kept.n;
	assert_true(sent >= 5 && sent <= 8);
	for (int i = 0; i < sent; i++)
		len[i] = frame_bytes(kept.m[i], first[i], sizeof(first[i]));
	for (int k = 0; k < 3; k++) {
		uint64_t at = sim_now(p.s) + (uint64_t)(k + 1) * 1000 * MS;

		tcp_run_timers(p.c.h->e, at);
		tcp_flush(p.c.h->e, at);
	}
	assert_true(kept.n > sent);
	for (int i = 0; i < sent; i++) {
		assert_int_equal(frame_bytes(kept.m[i], again, sizeof(again)), len[i]);
		assert_memory_equal(first[i], again, len[i]);
	}
	/* The frames outlive the connection's queue. */
	assert_int_equal(tcp_abort(p.c.h->e, p.c.conn), 0);
	tcp_flush(p.c.h->e, sim_now(p.s) + 4000 * MS);
	for (int i = 0; i < sent; i++) {
		assert_int_equal(frame_bytes(kept.m[i], again, sizeof(again)), len[i]);
		assert_memory_equal(first[i], again, len[i]);
	}
	for (int i = 0; i < kept.n; i++)
		rte_pktmbuf_free(kept.m[i]);
	pair_close(&p);
}

/* 15: a timer that is due at the instant its connection ends does not fire on what comes after. */
static void pitfall_15_timer_of_a_dead_connection(void **state)
{
	struct pair p;
	struct end other = {0};

	(void)state;
	pair_open(&p, NULL);
	sim_host(p.s, 0)->wire.down = true;
	connect_to(p.s, 0, 1, 80, &other);
	give(&p.c, 1000, 1000);
	sim_kick(p.s, 0);
	/* Both have timers in the same slots; one ends between the wheel's advance and delivery. */
	assert_int_equal(tcp_abort(p.c.h->e, p.c.conn), 0);
	tcp_run_timers(p.c.h->e, sim_now(p.s) + 1500 * MS);
	tcp_flush(p.c.h->e, sim_now(p.s) + 1500 * MS);
	assert_int_equal(p.c.closes, 0);
	assert_int_equal(tcp_counters(p.c.h->e)->syn_retrans, 1);
	assert_int_equal(tcp_counters(p.c.h->e)->rtos, 0);
	pair_close(&p);
}

/* 16: half-open connections end by themselves. */
static void pitfall_16_half_open_leak(void **state)
{
	struct sim_host_config cfg[2] = {{0}};
	struct end l = {0}, c[40] = {{0}};
	struct tcp_usage u;
	struct sim *s = sim_create(5, 2, cfg);

	(void)state;
	listen_at(s, 1, 80, &l);
	/* The answers vanish: every third segment is lost for good. */
	sim_host(s, 1)->wire.down = true;
	for (int k = 0; k < 40; k++)
		connect_to(s, 0, 1, 80, &c[k]);
	pass(s, 500);
	tcp_usage(l.h->e, &u);
	assert_true(u.syns > 0);
	pass(s, 200000);
	tcp_usage(l.h->e, &u);
	assert_int_equal(u.syns, 0);
	assert_int_equal(l.accepts, 0);
	for (int k = 0; k < 40; k++) {
		assert_int_equal(c[k].closes, 1);
		assert_int_equal(c[k].why, TCP_END_TIMEOUT);
	}
	sim_destroy(s, false);
}

/* 17: many connects in one burst all send their SYN. */
static void pitfall_17_parallel_connects(void **state)
{
	struct sim_host_config cfg[2] = {{0}};
	static struct end c[100], l;
	struct sim *s;

	(void)state;
	cfg[1].tcp.max_syns = 200;
	cfg[1].tcp.cookie_level = 200;
	s = sim_create(5, 2, cfg);
	memset(c, 0, sizeof(c));
	memset(&l, 0, sizeof(l));
	listen_at(s, 1, 80, &l);
	for (int k = 0; k < 100; k++)
		connect_to(s, 0, 1, 80, &c[k]);
	pass(s, 100);
	for (int k = 0; k < 100; k++)
		assert_int_equal(c[k].accepts, 1);
	assert_int_equal(l.accepts, 100);
	assert_int_equal(tcp_counters(c[0].h->e)->syn_retrans, 0);
	sim_destroy(s, true);
}

/* 22: accepted once, closed once, on no list twice. */
static void pitfall_22_accept_and_close_once(void **state)
{
	struct sim_host_config cfg[2] = {{0}};
	struct end c = {0}, l = {0};
	struct sim *s = sim_create(5, 2, cfg);

	(void)state;
	listen_at(s, 1, 80, &l);
	sim_host(s, 0)->wire.dup_ppm = sim_host(s, 1)->wire.dup_ppm = 1000000;
	for (uint32_t k = 1; k <= 300; k++) {
		memset(&c, 0, sizeof(c));
		connect_to(s, 0, 1, 80, &c);
		pass(s, 10);
		assert_int_equal(l.accepts, k);
		assert_int_equal(c.accepts, 1);
		assert_int_equal(tcp_shutdown(c.h->e, c.conn), 0);
		sim_kick(s, 0);
		pass(s, 10);
		assert_int_equal(l.eofs, k);
		assert_int_equal(tcp_shutdown(l.h->e, l.conn), 0);
		sim_kick(s, 1);
		pass(s, 10);
		assert_int_equal(l.closes, k);
		assert_int_equal(c.closes, 1);
	}
	pass(s, 100000);
	sim_destroy(s, false);
}

/* 23: everything may be called inside a callback, on any connection. */
static void pitfall_23_calls_inside_callbacks(void **state)
{
	struct pair p;
	struct end other = {0}, far = {0};

	(void)state;
	pair_open(&p, NULL);
	listen_at(p.s, 0, 81, &far);
	connect_to(p.s, 1, 0, 81, &other); /* a second connection of the engine that calls back */
	pass(p.s, 50);
	assert_int_equal(other.accepts, 1);
	p.l.close_in_eof = true;
	p.l.partner = &other;
	assert_int_equal(tcp_shutdown(p.c.h->e, p.c.conn), 0);
	sim_kick(p.s, 0);
	pass(p.s, 200);
	assert_int_equal(p.l.eofs, 1);
	assert_int_equal(p.l.closes, 0); /* no callback after tcp_close */
	assert_int_equal(other.closes, 0);
	assert_int_equal(far.closes, 1);
	assert_int_equal(far.why, TCP_END_RESET);
	pass(p.s, 200000);
	assert_int_equal(p.c.closes, 1);
	pair_close(&p);
}

/* 2: the window opens when the application reads, also if it never sends. */
static void pitfall_02_window_update_after_read(void **state)
{
	struct sim_host_config cfg = {0};
	struct pair p;

	(void)state;
	cfg.tcp.rcvbuf = 20000;
	pair_open(&p, &cfg);
	p.l.hold = true;
	give(&p.c, 100000, 2000);
	sim_kick(p.s, 0);
	pass(p.s, 1000);
	assert_true(p.l.got == 20000);
	for (int k = 0; k < 100 && p.l.got < 100000; k++) {
		uint64_t before = p.l.got;

		drop_held(&p.l);
		assert_int_equal(tcp_consumed(p.l.h->e, p.l.conn, 20000), 0);
		sim_kick(p.s, 1);
		/* By an update, not by a probe: less than the 200 ms of the persist timer. */
		pass(p.s, 60);
		assert_true(p.l.got > before);
	}
	assert_true(p.l.got == 100000);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pitfall_01_cwnd_limits_flight),
		cmocka_unit_test(pitfall_02_window_update_after_read),
		cmocka_unit_test(pitfall_09_ports_are_disjoint),
		cmocka_unit_test(pitfall_09_port_search_is_bounded),
		cmocka_unit_test(port_strides_visit_all),
		cmocka_unit_test(pitfall_10_steering_chooses_ports),
		cmocka_unit_test(pitfall_11_four_checksum_states),
		cmocka_unit_test(pitfall_13_no_mbufs),
		cmocka_unit_test(pitfall_13_frames_of_receive_buffers),
		cmocka_unit_test(pitfall_13_pressure),
		cmocka_unit_test(pitfall_14_frames_in_flight_do_not_change),
		cmocka_unit_test(pitfall_15_timer_of_a_dead_connection),
		cmocka_unit_test(pitfall_16_half_open_leak),
		cmocka_unit_test(pitfall_17_parallel_connects),
		cmocka_unit_test(pitfall_22_accept_and_close_once),
		cmocka_unit_test(pitfall_23_calls_inside_callbacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
