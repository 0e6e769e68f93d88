/* SPDX-License-Identifier: Apache-2.0
 * The TCP engine in process, one core: two or three engines, a wire that hands mbufs over, a clock
 * that is counted up. Cycles are those spent inside the engine under test (input, timers,
 * callbacks, output); the peers and the wire are not in them.
 *
 *	bench_tcp [--quick] [--idle] [--json PATH] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/hdr.h"
#include "tests/support/bench.h"
#include "tests/support/bench_wire.h"
#include "tests/support/eal.h"

#define BATCH   BENCH_WIRE_BURST
#define STEP_NS 10000
#define ROUNDS  5

struct node {
	struct bench_host h;
	uint64_t cycles, bytes, opened, closed;
	bool echo, one_shot;
	struct node *next_hop; /* splice: connect there for each accepted connection */
	uint64_t *conns;
	uint32_t conn_n;
};

static uint64_t now_ns = UINT64_C(1000000000);

/* ---- applications ---- */

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct node *nd = user;

	nd->bytes += len;
	if (!nd->echo) {
		rte_pktmbuf_free(chain);
		(void)tcp_consumed(e, conn, len);
		if (nd->one_shot)
			(void)tcp_close(e, conn);
		return;
	}
	(void)tcp_consumed(e, conn, len);
	(void)!tcp_send(e, conn, &chain, nd->one_shot ? TCP_SEND_FIN : 0);
	ASSERT(chain == NULL);
}

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct node *nd = user;

	(void)e;
	(void)conn;
	nd->opened++;
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct node *nd = user;

	nd->closed++;
	(void)tcp_close(e, conn);
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	(void)e;
	(void)conn;
	(void)user;
	(void)end;
}

static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg);

static const struct tcp_ops ops = {
	.on_accept = on_accept,
	.on_connect = on_connect,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_closed = on_closed,
};

static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct node *nd = arg;

	(void)tcp_set_user(e, conn, nd);
	nd->opened++;
	if (nd->next_hop != NULL) {
		struct tcp_connect_args a = {
			.raddr = nd->next_hop->h.addr, .rport = BE16(80), .ops = &ops, .user = nd};
		uint64_t up;

		ASSERT(tcp_connect(e, &a, &up) == 0);
		ASSERT(tcp_splice(e, conn, up) == 0 && tcp_splice(e, up, conn) == 0);
	}
}

/* ---- the wire ---- */

/* Everything that `from` has sent and that is for `to` arrives there, in bursts. */
static void deliver(struct node *from, struct node *to, bool as_copy)
{
	static struct rte_mbuf *mine[BENCH_WIRE_MAX];
	static struct pkt_meta metas[BENCH_WIRE_MAX];
	uint32_t n = bench_wire_take(&from->h, &to->h, as_copy, mine, metas);

	for (uint32_t at = 0; at < n || at == 0; at += BATCH) {
		uint16_t k = (uint16_t)(n - at < BATCH ? n - at : BATCH);
		uint64_t t = rte_rdtsc();

		if (k != 0)
			tcp_input(to->h.e, mine + at, metas + at, k, now_ns);
		bench_host_flush(&to->h, now_ns);
		to->cycles += rte_rdtsc() - t;
	}
}

static void flush(struct node *n)
{
	bench_host_flush(&n->h, now_ns);
}

/* ---- setup ---- */

static void node_init(struct node *n, uint32_t id, uint32_t conns, bool csum, uint32_t tso)
{
	const struct bench_pools pools = {.hdr = 8191, .ref = 8191, .data = 2047, .rx = 2047};
	/* The peer acknowledges soon, so that answers over very many connections need not be held
	 * for long; to the engine under test that is one segment more a round trip. */
	const struct tcp_config c = {.max_conns = conns,
		.max_syns = 4096,
		.max_timewaits = 32768,
		.max_segs = 131072,
		.delack_ms = id == 0 ? 1 : 40,
		.cookie_level = 4096,
		.max_challenges_per_s = 1000000};

	memset(n, 0, sizeof(*n));
	bench_host_init(&n->h, id, &pools);
	n->h.csum = csum;
	n->h.tso_bytes = tso;
	bench_host_engine(&n->h, &c, now_ns);
}

static void node_fini(struct node *n)
{
	bench_host_fini(&n->h);
	free(n->conns);
}

static void listen_on(struct node *n, uint16_t ports)
{
	struct ip_addr any = {0};

	for (uint16_t p = 0; p < ports; p++)
		ASSERT(tcp_listen(n->h.e, &any, BE16(80 + p), &ops, n) >= 0);
}

static void open_all(struct node *a, struct node *b, uint32_t n)
{
	a->conns = calloc(n, sizeof(a->conns[0]));
	for (uint32_t i = 0; i < n; i += BATCH) {
		for (uint32_t k = i; k < i + BATCH && k < n; k++) {
			struct tcp_connect_args args = {.raddr = b->h.addr,
				.rport = BE16(80 + k / 40000),
				.ops = &ops,
				.user = a};

			ASSERT(tcp_connect(a->h.e, &args, &a->conns[k]) == 0);
		}
		flush(a);
		for (int r = 0; r < 3; r++) {
			deliver(a, b, false);
			deliver(b, a, false);
		}
		now_ns += STEP_NS;
	}
	a->conn_n = n;
	ASSERT(a->opened == n && b->opened == n);
	a->cycles = b->cycles = a->bytes = b->bytes = 0;
}

/* ---- cases ---- */

static bool quick, idle_only;

/* 64 bytes there and back, over conns connections in turn, 32 at a time. */
static void bench_echo(uint32_t conns)
{
	static const uint8_t msg[64];
	static struct node a, b;
	double v[ROUNDS];
	char name[64];
	uint32_t ops_cnt = quick ? 100000 : 400000, at = 0, per = conns < BATCH ? conns : BATCH;

	node_init(&a, 0, conns + 16, false, 0);
	node_init(&b, 1, conns + 16, false, 0);
	b.echo = true;
	listen_on(&b, (uint16_t)(conns / 40000 + 1));
	open_all(&a, &b, conns);
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t done = 0;

		b.cycles = 0;
		while (done < ops_cnt) {
			for (uint32_t k = 0; k < per; k++) {
				/* A stride that visits all and never a neighbour. */
				at = (uint32_t)(((uint64_t)at + 40503) % conns);
				ASSERT(tcp_send_bytes(a.h.e, a.conns[at], msg, sizeof(msg), 0) ==
					64);
			}
			flush(&a);
			deliver(&a, &b, false);
			deliver(&b, &a, false);
			done += per;
			now_ns += STEP_NS;
		}
		v[r] = (double)b.cycles / (double)done;
	}
	ASSERT(a.bytes == b.bytes && a.bytes >= (uint64_t)ops_cnt * 64 * ROUNDS);
	snprintf(name, sizeof(name), "echo 64 B, %u connections", conns);
	bench_row_cycles(name, "cycles", bench_median(v, ROUNDS), NULL, 0);
	node_fini(&a);
	node_fini(&b);
}

/* Open, 64 bytes there and back, closed by the server. */
static void bench_short(void)
{
	static const uint8_t msg[64];
	static struct node a, b;
	double v[ROUNDS];
	uint32_t conns = quick ? 20000 : 60000;

	node_init(&a, 0, 16384, false, 0);
	node_init(&b, 1, 16384, false, 0);
	b.echo = b.one_shot = true;
	listen_on(&b, 1);
	for (int r = 0; r < ROUNDS; r++) {
		b.cycles = 0;
		for (uint32_t i = 0; i < conns; i += BATCH) {
			uint64_t c[BATCH];

			for (uint32_t k = 0; k < BATCH; k++) {
				struct tcp_connect_args args = {.raddr = b.h.addr,
					.rport = BE16(80),
					.ops = &ops,
					.user = &a};

				ASSERT(tcp_connect(a.h.e, &args, &c[k]) == 0);
				ASSERT(tcp_send_bytes(a.h.e, c[k], msg, sizeof(msg), 0) == 64);
			}
			flush(&a);
			for (int turn = 0; turn < 5; turn++) {
				deliver(&a, &b, false);
				deliver(&b, &a, false);
			}
			now_ns += 1000000;
		}
		v[r] = (double)b.cycles / (double)conns;
	}
	ASSERT(a.closed >= (uint64_t)conns * ROUNDS);
	bench_row_cycles("open, 64 B echo, close", "cycles", bench_median(v, ROUNDS), NULL, 0);
	node_fini(&a);
	node_fini(&b);
}

static void feed(struct node *a, uint64_t conn)
{
	while (tcp_send_room(a->h.e, conn) >= 1448) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(a->h.data);

		if (m == NULL)
			return;
		m->data_len = 1448;
		m->pkt_len = 1448;
		if (tcp_send(a->h.e, conn, &m, 0) < 0 || m != NULL) {
			rte_pktmbuf_free(m);
			return;
		}
	}
}

static void row_rate(const char *name, double cycles, double bytes)
{
	struct bench_row r = {.name = name,
		.metric = "rate",
		.unit = "Gbit/s",
		.value = bytes * 8 / (cycles / (double)rte_get_tsc_hz()) / 1e9};

	bench_row(&r);
}

/* One stream; sender and receiver are measured apart. */
static void bench_bulk(const char *name, bool csum, uint32_t tso)
{
	static struct node a, b;
	double tx[ROUNDS], rx[ROUNDS];
	char label[96];
	uint64_t total = quick ? 200000000u : 1000000000u;

	node_init(&a, 0, 64, csum, tso);
	node_init(&b, 1, 64, csum, tso);
	listen_on(&b, 1);
	open_all(&a, &b, 1);
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t sent_cycles = 0;

		a.cycles = b.cycles = b.bytes = 0;
		while (b.bytes < total) {
			uint64_t t;

			feed(&a, a.conns[0]);
			t = rte_rdtsc();
			flush(&a);
			sent_cycles += rte_rdtsc() - t;
			deliver(&a, &b, false);
			deliver(&b, &a, false);
			now_ns += STEP_NS;
		}
		tx[r] = (double)(a.cycles + sent_cycles) / (double)b.bytes;
		rx[r] = (double)b.cycles / (double)b.bytes;
	}
	snprintf(label, sizeof(label), "bulk send, %s", name);
	row_rate(label, bench_median(tx, ROUNDS), 1);
	snprintf(label, sizeof(label), "bulk receive, %s", name);
	row_rate(label, bench_median(rx, ROUNDS), 1);
	node_fini(&a);
	node_fini(&b);
}

/* a sends, p relays without a copy, c receives: what p costs. */
static void bench_splice(const char *name, bool csum)
{
	static struct node a, p, c;
	double v[ROUNDS];
	uint64_t total = quick ? 200000000u : 1000000000u;
	struct tcp_connect_args args;

	node_init(&a, 0, 64, csum, 0);
	node_init(&p, 1, 64, csum, 0);
	node_init(&c, 2, 64, csum, 0);
	p.next_hop = &c;
	listen_on(&p, 1);
	listen_on(&c, 1);
	args = (struct tcp_connect_args){
		.raddr = p.h.addr, .rport = BE16(80), .ops = &ops, .user = &a};
	a.conns = calloc(1, sizeof(a.conns[0]));
	ASSERT(tcp_connect(a.h.e, &args, &a.conns[0]) == 0);
	flush(&a);
	for (int r = 0; r < ROUNDS; r++) {
		p.cycles = c.bytes = 0;
		while (c.bytes < total) {
			feed(&a, a.conns[0]);
			flush(&a);
			deliver(&a, &p, true);
			deliver(&p, &c, false);
			deliver(&c, &p, true);
			deliver(&p, &a, false);
			now_ns += STEP_NS;
		}
		v[r] = (double)p.cycles / (double)c.bytes;
	}
	row_rate(name, bench_median(v, ROUNDS), 1);
	node_fini(&a);
	node_fini(&p);
	node_fini(&c);
}

static uint64_t resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long long all, res;

	ASSERT(f != NULL && fscanf(f, "%llu %llu", &all, &res) == 2);
	fclose(f);
	return res * 4096;
}

/* Resident memory of idle connections; both engines of the pair hold one block each. */
static void bench_idle(void)
{
	static struct node a, b;
	uint32_t conns = quick ? 200000 : 1000000;
	uint64_t before, handles = (uint64_t)conns * sizeof(uint64_t);
	struct bench_row r = {.metric = "memory", .unit = "bytes", .lower_is_better = true};
	char name[64];

	/* The mbuf pools are there before and after. */
	for (uint32_t id = 0; id < 2; id++) {
		node_init(&a, id, 64, false, 0);
		node_fini(&a);
	}
	before = resident();
	node_init(&a, 0, conns, false, 0);
	node_init(&b, 1, conns, false, 0);
	listen_on(&b, (uint16_t)(conns / 40000 + 1));
	open_all(&a, &b, conns);
	snprintf(name, sizeof(name), "idle connection, %u open", conns);
	r.name = name;
	r.value = (double)(resident() - before - handles) / 2 / conns;
	bench_row(&r);
	node_fini(&a);
	node_fini(&b);
}

int main(int argc, char **argv)
{
	const char *json = NULL;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			quick = true;
		else if (strcmp(argv[i], "--idle") == 0)
			idle_only = true;
		else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
			json = argv[++i];
		else {
			fprintf(stderr, "usage: bench_tcp [--quick] [--idle] [--json PATH]\n");
			return 2;
		}
	}
	if (json != NULL)
		bench_json_open(json);
	test_eal_init();
	bench_title("TCP engine in process, one core; cycles of the engine under test alone");
	if (idle_only) {
		bench_idle();
		return 0;
	}
	bench_echo(1);
	bench_echo(1000);
	bench_echo(100000);
	bench_short();
	bench_bulk("MSS frames, checksums in software", false, 0);
	bench_bulk("MSS frames, checksum offload", true, 0);
	bench_bulk("TSO frames", true, 60000);
	bench_splice("splice, MSS segments, checksum offload", true);
	bench_splice("splice, MSS segments, checksums in software", false);
	bench_idle();
	if (json != NULL)
		bench_json_close();
	return 0;
}
