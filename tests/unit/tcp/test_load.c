/* SPDX-License-Identifier: Apache-2.0
 * Many of everything: a SYN flood beside connections that work, connections that come and go,
 * splice between two peers. What is counted must come back to where it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/net/cksum.h"
#include "dataplane/tcp/tcp_pvt.h"
#include "tests/sim/traffic.h"
#include "tests/support/eal.h"

#define MS    UINT64_C(1000000)
#define FLOOD 1000000u

static void pass(struct sim *s, uint64_t ms)
{
	sim_run(s, sim_now(s) + ms * MS);
}

/* ---- flood ---- */

static uint64_t answers;

static bool flood_tap(void *ctx, int from, const uint8_t *ip, uint32_t len)
{
	(void)ctx;
	(void)from;
	(void)len;
	/* Answers to the flood go to nobody. */
	if (ip[0] >> 4 == 4 && load_be32(ip + 16) >> 24 == 172)
		answers++;
	return true;
}

static void flood_burst(struct sim_host *h, struct rng *r, uint64_t now)
{
	struct rte_mbuf *m[LIMIT_BURST];
	struct pkt_meta p[LIMIT_BURST];

	memset(p, 0, sizeof(p));
	for (int i = 0; i < LIMIT_BURST; i++) {
		uint8_t ip[IP4_HDR_LEN + TCP_HDR_LEN + 20] = {0};
		struct tcp_hdr *th = (void *)(ip + IP4_HDR_LEN);
		struct tcp_syn_opts o = {.mss = 1460,
			.has_sack = true,
			.has_ts = true,
			.tsval = 1,
			.has_wscale = true,
			.wscale = 7};

		th->sport_be = (uint16_t)rng_next(r);
		th->dport_be = BE16(80);
		th->seq_be = (uint32_t)rng_next(r);
		th->off = (TCP_HDR_LEN + 20) << 2;
		th->flags = TCP_SYN;
		th->window_be = BE16(65535);
		assert_int_equal(tcp_opt_put_syn((uint8_t *)(th + 1), &o), 20);
		m[i] = test_mbuf(h->rx, ip, sizeof(ip));
		m[i]->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
		p[i].src = ip_addr_from4(BE32(0xac000000u | (rng_next(r) & 0xffffff)));
		p[i].dst = h->addr4;
		p[i].sport = th->sport_be;
		p[i].dport = th->dport_be;
		p[i].l4_off = IP4_HDR_LEN;
		p[i].l3_len = sizeof(ip);
		p[i].ip_ver = 4;
		p[i].proto = PROTO_TCP;
	}
	h->ledger.rx += LIMIT_BURST;
	tcp_input(h->e, m, p, LIMIT_BURST, now);
	tcp_flush(h->e, now);
}

/* A million SYNs from nowhere; connections that stood go on, new ones come in, memory is flat. */
static void syn_flood_harms_nobody(void **state)
{
	struct sim_host_config cfg[2] = {{0}};
	static struct traffic before, during;
	struct tcp_usage u;
	struct rng r;
	struct sim *s;
	unsigned rx_used;

	(void)state;
	rng_seed(&r, 42);
	cfg[1].tcp.max_syns = 256;
	s = sim_create(11, 2, cfg);
	sim_host(s, 0)->wire.delay_ns = sim_host(s, 1)->wire.delay_ns = MS;
	sim_tap(s, flood_tap, NULL);
	answers = 0;
	memset(&before, 0, sizeof(before));
	memset(&during, 0, sizeof(during));
	during.port = 200;
	traffic_init(&before, s, 0, 1, 8, false, 100000);
	pass(s, 20);
	rx_used = rte_mempool_in_use_count(sim_host(s, 1)->rx);
	for (uint32_t n = 0; n < FLOOD; n += LIMIT_BURST) {
		flood_burst(sim_host(s, 1), &r, sim_now(s));
		if (n == 32 * 10000)
			traffic_init(&during, s, 0, 1, 8, false, 100000);
		if (n % 1024 == 0)
			pass(s, 1);
		tcp_usage(sim_host(s, 1)->e, &u);
		assert_true(u.syns <= 256 / 2 + 1);
		assert_true(u.conns <= 64);
	}
	assert_true(rte_mempool_in_use_count(sim_host(s, 1)->rx) <= rx_used + 64);
	assert_true(answers >= FLOOD);
	assert_true(tcp_counters(sim_host(s, 1)->e)->cookies_sent > FLOOD - 10000);
	for (uint64_t k = 0; k < 1000 && !(traffic_done(&before) && traffic_done(&during)); k++)
		pass(s, 1000);
	traffic_verify(&before);
	traffic_verify(&during);
	pass(s, 200000);
	sim_destroy(s, false);
}

/* ---- churn ---- */

struct churn {
	struct sim_host *h;
	uint64_t opened, closed;
	uint32_t how;
};

static void c_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct churn *c = arg;

	c->opened++;
	(void)tcp_set_user(e, conn, c);
}

static void c_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct churn *c = user;

	(void)tcp_consumed(e, conn, len);
	(void)!tcp_send(e, conn, &chain, TCP_SEND_FIN);
	rte_pktmbuf_free(chain);
	/* Ends of every kind. */
	if (++c->how % 7 == 0) {
		c->closed++;
		(void)tcp_abort(e, conn);
	} else if (c->how % 5 == 0) {
		c->closed++;
		(void)tcp_close(e, conn);
	}
}

static void c_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct churn *c = user;

	c->closed++;
	(void)tcp_close(e, conn);
}

static void c_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct churn *c = user;

	(void)e;
	(void)conn;
	(void)end;
	c->closed++;
}

static const struct tcp_ops churn_ops = {
	.on_accept = c_accept, .on_data = c_data, .on_eof = c_eof, .on_closed = c_closed};

static void client_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	(void)user;
	rte_pktmbuf_free(chain);
	(void)tcp_consumed(e, conn, len);
}

static const struct tcp_ops client_ops = {
	.on_data = client_data, .on_eof = c_eof, .on_closed = c_closed};

/* 30,000 connections, some lost segments, every way to end: nothing is left of any of them. */
static void churn_leaves_nothing(void **state)
{
	struct sim_host_config cfg[2] = {{0}};
	struct churn client = {0}, server = {0};
	struct ip_addr any = {0};
	struct tcp_usage u;
	struct sim *s;
	uint64_t started = 0;

	(void)state;
	cfg[0].tcp.time_wait_ms = cfg[1].tcp.time_wait_ms = 500;
	cfg[0].tcp.max_conns = cfg[1].tcp.max_conns = 2000;
	cfg[0].tcp.max_timewaits = cfg[1].tcp.max_timewaits = 1000;
	cfg[0].tcp.keepalive_ms = cfg[1].tcp.keepalive_ms = 2000;
	s = sim_create(12, 2, cfg);
	for (int i = 0; i < 2; i++) {
		sim_host(s, i)->wire.delay_ns = MS / 10;
		sim_host(s, i)->wire.loss_ppm = 5000;
	}
	client.h = sim_host(s, 0);
	server.h = sim_host(s, 1);
	assert_true(tcp_listen(server.h->e, &any, BE16(80), &churn_ops, &server) >= 0);
	while (started < 30000) {
		for (int k = 0; k < 30; k++) {
			struct tcp_connect_args a = {.raddr = server.h->addr4,
				.rport = BE16(80),
				.ops = &client_ops,
				.user = &client};
			uint64_t conn;

			if (tcp_connect(client.h->e, &a, &conn) != 0)
				break;
			assert_true(tcp_send_bytes(client.h->e, conn, "hello", 5, 0) == 5);
			started++;
		}
		sim_kick(s, 0);
		pass(s, 2);
	}
	pass(s, 300000);
	assert_true(client.closed == started);
	assert_true(server.closed == server.opened);
	for (int i = 0; i < 2; i++) {
		tcp_usage(sim_host(s, i)->e, &u);
		assert_int_equal(u.conns + u.syns + u.timewaits + u.segs + u.timers, 0);
	}
	sim_destroy(s, false);
}

/* ---- splice ---- */

struct relay {
	struct sim *s;
	uint64_t down, up;
	bool up_ok;
	uint32_t ends;
};

static void r_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct relay *r = user;

	(void)end;
	r->ends++;
	/* A reset on one side ends the other. */
	if (end != TCP_END_NORMAL)
		(void)tcp_abort(e, conn == r->down ? r->up : r->down);
}

static void r_stray(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	(void)user;
	(void)tcp_consumed(e, conn, len);
	rte_pktmbuf_free(chain);
}

static const struct tcp_ops relay_ops = {.on_data = r_stray, .on_closed = r_closed};

static void r_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct relay *r = arg;
	struct tcp_connect_args a = {
		.raddr = sim_host(r->s, 2)->addr4, .rport = BE16(80), .ops = &relay_ops, .user = r};

	r->down = conn;
	(void)tcp_set_user(e, conn, r);
	(void)tcp_set_ops(e, conn, &relay_ops);
	assert_int_equal(tcp_connect(e, &a, &r->up), 0);
	assert_int_equal(tcp_splice(e, r->down, r->up), 0);
	assert_int_equal(tcp_splice(e, r->up, r->down), 0);
}

static const struct tcp_ops relay_listen = {.on_accept = r_accept};

/* Through a relay with small windows on a lossy wire: the bytes arrive as they were, both ways, the
 * relay holds no more than its buffers, and half closes pass. */
static void splice_carries_everything(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct sim_host_config cfg[3] = {{0}};
		struct ip_addr any = {0};
		static struct traffic t;
		struct relay r = {0};
		struct tcp_info i;
		struct sim *s;

		cfg[1].tcp.rcvbuf = seed % 2 ? 8000 : 0;
		cfg[1].tso = cfg[1].csum_offload = seed % 3 == 0;
		cfg[2].tcp.rcvbuf = seed % 5 == 0 ? 2000 : 0;
		s = sim_create(seed, 3, cfg);
		for (int h = 0; h < 3; h++) {
			sim_host(s, h)->wire.delay_ns = 2 * MS;
			sim_host(s, h)->wire.loss_ppm = (uint32_t)(seed % 4) * 10000;
			sim_host(s, h)->wire.reorder_ppm = (uint32_t)(seed % 3) * 50000;
			sim_host(s, h)->wire.reorder_ns = 3 * MS;
		}
		r.s = s;
		assert_true(tcp_listen(sim_host(s, 1)->e, &any, BE16(80), &relay_listen, &r) >= 0);
		memset(&t, 0, sizeof(t));
		traffic_relay(&t, s, 0, 1, 2, 150000);
		for (uint32_t k = 0; !(traffic_done(&t) && sim_quiet(s)); k++) {
			assert_true(k < 2000000);
			if (!sim_step(s, sim_now(s) + UINT64_C(3600000000000)))
				sim_fail(s, "splice: nothing happens any more");
			if (r.down != 0 && tcp_info(sim_host(s, 1)->e, r.up, &i) == 0)
				assert_true(i.queued <= 262144 + 65536);
		}
		traffic_verify(&t);
		pass(s, 200000);
		sim_destroy(s, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(splice_carries_everything),
		cmocka_unit_test(churn_leaves_nothing),
		cmocka_unit_test(syn_flood_harms_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
