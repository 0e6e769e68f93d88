/* SPDX-License-Identifier: Apache-2.0
 * Bugs that other stacks have had, once more on two engines over time: stalls, forgotten timers,
 * lost or doubled callbacks show only when both ends run. Numbers as in test_pitfalls.c. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/tcp/tcp_pvt.h"
#include "tests/sim/sim.h"

#define PORT  BE16(80)
#define MS    UINT64_C(1000000)
#define CONNS 64

struct app;

/* One end of a connection. */
struct end {
	struct app *app;
	uint64_t conn;
	uint64_t rx, unread, to_send, sent;
	int ups, eofs, closes, writables;
	enum tcp_end why;
	bool hold; /* what arrives is not consumed */
	bool bad;  /* bytes were not those that were sent */
	bool shut; /* no more data: close the sending side when all is queued */
	bool over; /* closed or aborted by the application itself */
};

struct app {
	struct sim_host *h;
	struct end ends[CONNS];
	int cnt;
	bool hold;       /* of connections to come */
	uint64_t answer; /* bytes that each accepted connection sends */
	bool echo_close; /* close what the peer closed */
	void (*on_data)(struct end *e);
	void (*on_closed)(struct end *e);
	void (*on_up)(struct end *e);
};

static struct sim *s;
static struct app cli, srv;

static uint8_t byte_at(uint64_t at)
{
	return (uint8_t)(at * 131 + (at >> 8));
}

/* Queue what is left to send, as far as it is taken. */
static void pump(struct end *p)
{
	struct sim_host *h = p->app->h;
	uint8_t buf[1400];

	while (p->to_send > 0) {
		uint32_t n = p->to_send < sizeof(buf) ? (uint32_t)p->to_send : sizeof(buf);
		struct rte_mbuf *m;
		int64_t rc;

		for (uint32_t i = 0; i < n; i++)
			buf[i] = byte_at(p->sent + i);
		m = sim_payload(h, buf, n);
		if (m == NULL)
			return;
		rc = tcp_send(h->e, p->conn, &m, 0);
		rte_pktmbuf_free(m);
		if (rc <= 0)
			return;
		p->to_send -= (uint64_t)rc;
		p->sent += (uint64_t)rc;
	}
	if (p->shut)
		(void)tcp_shutdown(h->e, p->conn);
}

static void up(struct end *p)
{
	p->ups++;
	if (p->app->on_up != NULL)
		p->app->on_up(p);
	pump(p);
}

static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct app *a = arg;
	struct end *p = &a->ends[a->cnt];

	assert_true(a->cnt < CONNS);
	for (int i = 0; i < a->cnt; i++)
		assert_true(a->ends[i].conn != conn);
	a->cnt++;
	*p = (struct end){.app = a, .conn = conn, .hold = a->hold, .to_send = a->answer};
	assert_int_equal(tcp_set_user(e, conn, p), 0);
	up(p);
}

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	up(user);
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct end *p = user;

	for (struct rte_mbuf *m = chain; m != NULL; m = m->next)
		for (uint32_t i = 0; i < m->data_len; i++)
			p->bad |= rte_pktmbuf_mtod(m, uint8_t *)[i] != byte_at(p->rx++);
	rte_pktmbuf_free(chain);
	if (p->hold)
		p->unread += len;
	else
		assert_int_equal(tcp_consumed(e, conn, len), 0);
	if (p->app->on_data != NULL)
		p->app->on_data(p);
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct end *p = user;

	p->eofs++;
	if (p->app->echo_close)
		(void)tcp_shutdown(e, conn);
}

static void on_writable(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct end *p = user;

	(void)e;
	(void)conn;
	p->writables++;
	pump(p);
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end why)
{
	struct end *p = user;

	(void)e;
	(void)conn;
	assert_false(p->over);
	assert_int_equal(p->closes, 0);
	p->closes++;
	p->why = why;
	if (p->app->on_closed != NULL)
		p->app->on_closed(p);
}

static const struct tcp_ops ops = {on_accept, on_connect, on_data, on_eof, on_writable, on_closed};

/* Two hosts, `delay` ns apart one way; the second one listens. */
static void setup(const struct sim_host_config cfg[2], uint64_t delay)
{
	struct ip_addr any = {0};

	s = sim_create(7, 2, cfg);
	cli = (struct app){.h = sim_host(s, 0)};
	srv = (struct app){.h = sim_host(s, 1)};
	cli.h->wire.delay_ns = srv.h->wire.delay_ns = delay;
	assert_true(tcp_listen(srv.h->e, &any, PORT, &ops, &srv) >= 0);
}

static int dial(struct end **out)
{
	struct end *p = &cli.ends[cli.cnt++];
	struct tcp_connect_args a = {.raddr = srv.h->addr4, .rport = PORT, .ops = &ops, .user = p};

	*p = (struct end){.app = &cli, .hold = cli.hold};
	*out = p;
	return tcp_connect(cli.h->e, &a, &p->conn);
}

/* Connect and let it happen. */
static struct end *open_one(void)
{
	struct end *p;

	assert_int_equal(dial(&p), 0);
	sim_kick(s, 0);
	sim_run(s, sim_now(s) + 3 * cli.h->wire.delay_ns + MS);
	assert_int_equal(p->ups, 1);
	assert_int_equal(srv.cnt, cli.cnt);
	return p;
}

static void run_ms(uint64_t ms)
{
	sim_run(s, sim_now(s) + ms * MS);
	/* A worker looks at the clock all the time. */
	sim_kick(s, 0);
	sim_kick(s, 1);
}

static void send_on(struct end *p, uint64_t bytes)
{
	p->to_send += bytes;
	pump(p);
	sim_kick(s, p->app->h->id);
}

static void consume_all(struct end *p)
{
	p->hold = false;
	if (p->unread != 0)
		assert_int_equal(tcp_consumed(p->app->h->e, p->conn, (uint32_t)p->unread), 0);
	p->unread = 0;
	sim_kick(s, p->app->h->id);
}

static struct tcp_info info(const struct end *p)
{
	struct tcp_info i;

	assert_int_equal(tcp_info(p->app->h->e, p->conn, &i), 0);
	return i;
}

static const struct tcp_counters *cnt(const struct app *a)
{
	return tcp_counters(a->h->e);
}

/* Nothing but TIME_WAIT may be left by itself; sim_destroy() looks for mbufs and timers. */
static void all_gone(void)
{
	struct tcp_usage u;

	for (int i = 0; i < 2; i++) {
		tcp_usage(sim_host(s, i)->e, &u);
		assert_int_equal(u.conns, 0);
		assert_int_equal(u.syns, 0);
		assert_int_equal(u.segs, 0);
		assert_int_equal(u.timers, 0);
	}
	sim_destroy(s, false);
}

static void end_anyhow(void)
{
	for (struct app *a = &cli;; a = &srv) {
		for (int i = 0; i < a->cnt; i++)
			if (a->ends[i].closes == 0 && !a->ends[i].over) {
				a->ends[i].over = true;
				(void)tcp_abort(a->h->e, a->ends[i].conn);
			}
		sim_kick(s, a->h->id);
		if (a == &srv)
			break;
	}
	run_ms(1000);
	all_gone();
}

/* ---- what was on the wire ---- */

static struct {
	uint64_t packets;
	uint32_t largest; /* payload from host 0 */
	bool eat_updates; /* drop empty ACKs of host 1 */
} wire;

static bool tap(void *ctx, int from, const uint8_t *ip, uint32_t len)
{
	struct tcp_in h;
	uint32_t n;

	(void)ctx;
	assert_true(tcp_hdr_parse(ip + IP4_HDR_LEN, len - IP4_HDR_LEN, &h));
	n = len - IP4_HDR_LEN - h.hdr_len;
	wire.packets++;
	if (from == 1)
		return !(wire.eat_updates && n == 0 && !(h.flags & (TCP_SYN | TCP_FIN)));
	if (n > wire.largest)
		wire.largest = n;
	return true;
}

static void watch_wire(void)
{
	memset(&wire, 0, sizeof(wire));
	sim_tap(s, tap, NULL);
}

/* ---- the tests ---- */

static void pitfall_02_writer_is_woken(void **state)
{
	struct sim_host_config cfg[2] = {[0].tcp.sndbuf = 4000};
	struct end *p;

	(void)state;
	setup(cfg, MS);
	p = open_one();
	send_on(p, 100000);
	assert_true(p->to_send > 0);
	run_ms(3000);
	assert_int_equal(srv.ends[0].rx, 100000);
	assert_true(p->writables > 1);
	end_anyhow();
}

static void pitfall_03_small_window_and_the_update_is_lost(void **state)
{
	struct sim_host_config cfg[2] = {[1].tcp.rcvbuf = 1000};
	struct end *p;

	(void)state;
	setup(cfg, MS);
	srv.hold = true;
	p = open_one();
	watch_wire();
	send_on(p, 5600); /* pieces of 1400: none fits whole */
	run_ms(100);
	assert_int_equal(srv.ends[0].rx, 1000);
	wire.eat_updates = true;
	consume_all(&srv.ends[0]);
	run_ms(50);
	wire.eat_updates = false;
	run_ms(5000);
	assert_int_equal(srv.ends[0].rx, 5600);
	assert_false(srv.ends[0].bad);
	end_anyhow();
}

static void pitfall_04_zero_window_on_both_sides(void **state)
{
	struct sim_host_config cfg[2] = {[0].tcp.rcvbuf = 16000, [1].tcp.rcvbuf = 16000};
	struct end *p;

	(void)state;
	setup(cfg, MS);
	srv.hold = cli.hold = true;
	p = open_one();
	send_on(p, 100000);
	send_on(&srv.ends[0], 100000);
	run_ms(2000);
	assert_int_equal(info(p).snd_wnd, 0);
	assert_int_equal(info(&srv.ends[0]).snd_wnd, 0);
	watch_wire();
	run_ms(120000);
	/* Probes and answers, not ACKs of ACKs. */
	assert_in_range(wire.packets, 4, 60);
	assert_int_equal(p->closes + srv.ends[0].closes, 0);
	consume_all(p);
	consume_all(&srv.ends[0]);
	run_ms(130000);
	assert_int_equal(p->rx, 100000);
	assert_int_equal(srv.ends[0].rx, 100000);
	assert_false(p->bad || srv.ends[0].bad);
	end_anyhow();
}

static void pitfall_09_ports_run_out_and_come_back(void **state)
{
	struct sim_host_config cfg[2] = {[0].tcp.port_lo = 40000, [0].tcp.port_hi = 40003};
	struct end *p;

	(void)state;
	setup(cfg, MS);
	srv.echo_close = true;
	for (int i = 0; i < 4; i++)
		assert_int_equal(dial(&p), 0);
	assert_int_equal(dial(&p), -EADDRNOTAVAIL);
	cli.cnt--;
	assert_int_equal(cnt(&cli)->no_port, 1);
	sim_kick(s, 0);
	run_ms(10);
	for (int i = 0; i < 4; i++)
		assert_int_equal(tcp_shutdown(cli.h->e, cli.ends[i].conn), 0);
	sim_kick(s, 0);
	run_ms(100);
	for (int i = 0; i < 4; i++)
		assert_int_equal(cli.ends[i].closes, 1);
	/* All four are in TIME_WAIT; their timestamps let them go after a second (RFC 6191). */
	assert_int_equal(dial(&p), -EADDRNOTAVAIL);
	cli.cnt--;
	run_ms(1100);
	for (int i = 0; i < 4; i++)
		assert_int_equal(dial(&p), 0);
	sim_kick(s, 0);
	run_ms(100);
	for (int i = 4; i < 8; i++)
		assert_int_equal(cli.ends[i].ups, 1);
	end_anyhow();
}

static void pitfall_12_tso_frames_with_options(void **state)
{
	struct sim_host_config cfg[2] = {{.csum_offload = true, .tso = true}};
	struct end *p;

	(void)state;
	setup(cfg, MS);
	p = open_one();
	watch_wire();
	send_on(p, 300000);
	run_ms(2000);
	assert_int_equal(wire.largest, 1448);
	assert_int_equal(srv.ends[0].rx, 300000);
	assert_false(srv.ends[0].bad);
	assert_true(cnt(&cli)->segs_out < 300000 / 1448 / 2);
	end_anyhow();
}

static void pitfall_13_out_of_mbufs(void **state)
{
	struct sim_host_config cfg[2] = {0};
	struct rte_mempool *pools[3];
	struct end *p;

	(void)state;
	setup(cfg, MS);
	p = open_one();
	pools[0] = cli.h->hdr;
	pools[1] = cli.h->ref;
	pools[2] = srv.h->hdr;
	for (int k = 0; k < 3; k++) {
		struct rte_mbuf *held = NULL, *m;
		uint64_t had = srv.ends[0].rx, failed = cnt(&cli)->no_mbuf + cnt(&srv)->no_mbuf;

		send_on(p, 250000);
		run_ms(1);
		while ((m = rte_pktmbuf_alloc(pools[k])) != NULL) {
			m->next = held;
			held = m;
		}
		run_ms(500);
		assert_true(cnt(&cli)->no_mbuf + cnt(&srv)->no_mbuf > failed);
		assert_int_equal(p->closes, 0);
		while ((m = held) != NULL) {
			held = m->next;
			m->next = NULL;
			rte_pktmbuf_free_seg(m);
		}
		run_ms(5000);
		assert_int_equal(srv.ends[0].rx, had + 250000);
	}
	assert_false(srv.ends[0].bad);
	end_anyhow();
}

static void abort_others(struct end *p)
{
	for (int i = 0; i < p->app->cnt; i++) {
		struct end *q = &p->app->ends[i];

		if (q == p || q->closes != 0 || q->over)
			continue;
		q->over = true;
		assert_int_equal(tcp_abort(p->app->h->e, q->conn), 0);
	}
}

static void pitfall_15_timers_of_one_tick_end_each_other(void **state)
{
	struct sim_host_config cfg[2] = {[0].tcp = {.user_timeout_ms = 1024}};
	struct end *p;
	int told = 0;

	(void)state;
	setup(cfg, MS);
	for (int i = 0; i < 20; i++)
		assert_int_equal(dial(&p), 0);
	sim_kick(s, 0);
	run_ms(20);
	cli.h->wire.down = true;
	cli.on_closed = abort_others;
	for (int i = 0; i < 20; i++) {
		cli.ends[i].to_send = 100;
		pump(&cli.ends[i]);
	}
	sim_kick(s, 0);
	run_ms(5000);
	for (int i = 0; i < 20; i++)
		told += cli.ends[i].closes;
	assert_int_equal(told, 1);
	cli.h->wire.down = false;
	end_anyhow();
}

static void pitfall_18_rack_with_a_tiny_round_trip(void **state)
{
	struct sim_host_config cfg[2] = {0};
	struct end *p;

	(void)state;
	setup(cfg, 1000);
	p = open_one();
	cli.h->wire.loss_ppm = srv.h->wire.loss_ppm = 10000;
	send_on(p, 2000000);
	run_ms(20000);
	assert_int_equal(srv.ends[0].rx, 2000000);
	assert_false(srv.ends[0].bad);
	/* Losses are found by time, not by waiting for timeouts. */
	assert_true(cnt(&cli)->rack_losses > 5);
	assert_true(cnt(&cli)->rtos * 2 < cnt(&cli)->rack_losses);
	end_anyhow();
}

static void pitfall_21_tiny_receive_buffers(void **state)
{
	struct sim_host_config cfg[2] = {[0].tcp.rcvbuf = 300, [1].tcp.rcvbuf = 300};
	struct end *p;

	(void)state;
	setup(cfg, MS);
	p = open_one();
	send_on(p, 20000);
	send_on(&srv.ends[0], 20000);
	run_ms(2000); /* a round trip for each 300 bytes, no override timer of 200 ms */
	assert_int_equal(p->rx, 20000);
	assert_int_equal(srv.ends[0].rx, 20000);
	end_anyhow();
}

static void pitfall_22_accepted_once_and_none_is_forgotten(void **state)
{
	struct sim_host_config cfg[2] = {[0].tcp.keepalive_ms = 2000, [1].tcp.keepalive_ms = 2000};
	struct end *p;

	(void)state;
	setup(cfg, MS);
	srv.echo_close = true;
	cli.h->wire.loss_ppm = srv.h->wire.loss_ppm = 50000;
	cli.h->wire.dup_ppm = srv.h->wire.dup_ppm = 200000;
	for (int round = 0; round < 40; round++) {
		cli.cnt = srv.cnt = 0;
		for (int i = 0; i < 20; i++) {
			assert_int_equal(dial(&p), 0);
			p->to_send = 500;
			p->shut = true;
		}
		sim_kick(s, 0);
		run_ms(400000);
		assert_int_equal(srv.cnt, 20);
		for (int i = 0; i < 20; i++) {
			assert_int_equal(cli.ends[i].ups, 1);
			assert_int_equal(cli.ends[i].closes, 1);
			assert_int_equal(srv.ends[i].rx, 500);
			assert_int_equal(srv.ends[i].eofs, 1);
			assert_int_equal(srv.ends[i].closes, 1);
		}
	}
	assert_int_equal(cnt(&srv)->accepts, 800);
	all_gone();
}

/* Calls of every kind, each inside a callback. */
static void close_self(struct end *p)
{
	p->over = true;
	assert_int_equal(tcp_close(p->app->h->e, p->conn), 0);
	assert_int_equal(tcp_close(p->app->h->e, p->conn), -ESTALE);
}

static void dial_again(struct end *p)
{
	struct end *q;

	(void)p;
	if (cli.cnt < 20)
		assert_int_equal(dial(&q), 0);
}

static void send_at_once(struct end *p)
{
	p->to_send = 3000;
}

static void abort_self(struct end *p)
{
	p->over = true;
	assert_int_equal(tcp_abort(p->app->h->e, p->conn), 0);
	assert_int_equal(tcp_abort(p->app->h->e, p->conn), -ESTALE);
	p->to_send = 0;
}

static void pitfall_23_calls_inside_callbacks(void **state)
{
	struct sim_host_config cfg[2] = {0};
	struct end *p;

	(void)state;
	setup(cfg, MS);
	/* Send when up, close in on_data, shut down in on_eof, connect again in on_closed. */
	cli.on_up = send_at_once;
	cli.echo_close = true;
	srv.on_data = close_self;
	cli.on_closed = dial_again;
	assert_int_equal(dial(&p), 0);
	sim_kick(s, 0);
	run_ms(30000);
	assert_int_equal(cli.cnt, 20);
	assert_int_equal(srv.cnt, 20);
	for (int i = 0; i < 20; i++)
		assert_int_equal(cli.ends[i].closes, 1);
	/* Abort in on_accept: nothing else is called for it. */
	cli.on_closed = NULL;
	srv.on_data = NULL;
	srv.on_up = abort_self;
	assert_int_equal(dial(&p), 0);
	sim_kick(s, 0);
	run_ms(1000);
	assert_int_equal(p->closes, 1);
	assert_int_equal(p->why, TCP_END_RESET);
	all_gone();
}

int main(void)
{
#define T(name) cmocka_unit_test(name)
	const struct CMUnitTest tests[] = {
		T(pitfall_02_writer_is_woken),
		T(pitfall_03_small_window_and_the_update_is_lost),
		T(pitfall_04_zero_window_on_both_sides),
		T(pitfall_09_ports_run_out_and_come_back),
		T(pitfall_12_tso_frames_with_options),
		T(pitfall_13_out_of_mbufs),
		T(pitfall_15_timers_of_one_tick_end_each_other),
		T(pitfall_18_rack_with_a_tiny_round_trip),
		T(pitfall_21_tiny_receive_buffers),
		T(pitfall_22_accepted_once_and_none_is_forgotten),
		T(pitfall_23_calls_inside_callbacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
