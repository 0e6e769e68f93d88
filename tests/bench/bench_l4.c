/* SPDX-License-Identifier: Apache-2.0
 * L4 balancer in process: cycles a packet from receive burst to transmit burst, no kernel in the
 *way.
 *
 * A port made of rings carries the packets; only the worker's turns are timed, not the generator.
 * A plain loop on the same port (receive, swap MACs, decrement TTL, send) runs interleaved with
 *each case and is the peer of every row.
 *
 *	bench_l4 [--quick] [--json FILE] [--mode NAME] [--flows N]
 *	bench_l4 --count MODE PACKETS	one case for callgrind (see scripts/bench)
 *
 * Packet headers are written just before they are received, so they lie in the cache as they would
 * with a NIC that writes to it (DDIO); flows are taken in random order, so table lines do not. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eth_ring.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "dataplane/eal/eal.h"
#include "dataplane/net/build.h"
#include "lb/app.h"
#include "tests/support/bench.h"

#define BURST    LIMIT_BURST
#define FRAME    60 /* 64 bytes on the wire with the FCS */
#define BACKENDS 16
#define VIP      0xc6120064u /* 198.18.0.100 */
#define GATEWAY  0xc6120001u

static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 0x02}, peer_mac[6] = {0x02, 0, 0, 0, 0, 0x09};

struct bench {
	struct rte_mempool *pool;
	struct rte_ring *rx, *tx;
	struct app *app;
	uint64_t now_ns;
	struct rng rng;
	uint32_t flows;
};

struct mode {
	const char *name, *yaml;
};

static const struct mode modes[] = {
	{"dsr", "    mode: dsr\n"},
	{"ipip", "    mode: ipip\n"},
	{"gue", "    mode: gue\n"},
	{"nat", "    mode: nat\n"},
	{"fullnat", "    mode: fullnat\n"},
};

static struct config *make_config(const struct mode *mode, uint32_t flows)
{
	static char text[16384];
	size_t n = 0;
	struct config *cfg;
	uint32_t locals = flows / 30000 + 1;

	n += (size_t)snprintf(text + n, sizeof(text) - n,
		"ports:\n  - device: net_ring_b0\n    mac: \"02:00:00:00:00:02\"\n    addresses: "
		"[198.18.0.2/16");
	/* One own address for each 60,000 full NAT ports of a backend's share, with room. */
	for (uint32_t i = 1; i < locals && i < LIMIT_PORT_ADDRS; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, ", 198.18.2.%u/16", i);
	n += (size_t)snprintf(text + n, sizeof(text) - n,
		"]\n    gateway: 198.18.0.1\n"
		"workers: {count: 1, cores: [0], poll: busy}\n"
		"memory: {hugepages: false, flows: %u, nat_flows: %u}\n"
		"services:\n  - vip: 198.18.0.100:80\n%s    backends:\n",
		flows + flows / 8 + 1024, flows + flows / 8 + 1024, mode->yaml);
	for (uint32_t b = 0; b < BACKENDS; b++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "      - 198.18.1.%u\n", b + 1);
	ASSERT(n < sizeof(text));
	if (config_parse("bench", text, n, stderr, &cfg) < 0)
		exit(1);
	return cfg;
}

static struct rte_mbuf *frame(struct bench *b, uint32_t flow, uint8_t tcp_flags)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->pool);
	uint8_t *p;
	/* Clients are 198.19.0.0/16, 32 ports each beyond 65,536 flows. */
	struct ip_addr src = ip_addr_from4(BE32(0xc6130000u | (flow & 0xffff)));
	struct ip_addr dst = ip_addr_from4(BE32(VIP));
	struct build_ip ip = {.src = &src,
		.dst = &dst,
		.payload_len = FRAME - 14 - 20,
		.proto = 6,
		.ttl = 64,
		.df = true};
	struct build_tcp tcp = {.sport_be = BE16((uint16_t)(1024 + (flow >> 16))),
		.dport_be = BE16(80),
		.seq = 1,
		.ack = 1,
		.window = 65535,
		.flags = tcp_flags};

	ASSERT(m != NULL);
	p = (uint8_t *)rte_pktmbuf_append(m, FRAME);
	memcpy(p, our_mac, 6);
	memcpy(p + 6, peer_mac, 6);
	store_be16(p + 12, 0x0800);
	p = build_ip4(p + 14, &ip);
	p = build_tcp(p, &tcp);
	memset(p, 0, 6);
	return m;
}

/* Answer the ARP requests among what was sent, free the rest. */
static uint32_t drain(struct bench *b)
{
	struct rte_mbuf *pkts[BURST];
	uint32_t n, total = 0;

	while ((n = rte_ring_dequeue_burst(b->tx, (void **)pkts, BURST, NULL)) > 0) {
		for (uint32_t i = 0; i < n; i++) {
			uint8_t *p = rte_pktmbuf_mtod(pkts[i], uint8_t *);

			if (p[12] == 0x08 && p[13] == 0x06 && p[21] == 1 &&
				memcmp(p + 28, p + 38, 4) != 0) {
				uint8_t target[4];

				memcpy(target, p + 38, 4);
				memcpy(p, p + 6, 6);
				memcpy(p + 6, peer_mac, 6);
				p[21] = 2;
				memcpy(p + 32, p + 22, 10); /* target := sender */
				memcpy(p + 22, peer_mac, 6);
				memcpy(p + 28, target, 4);
				ASSERT(rte_ring_enqueue(b->rx, pkts[i]) == 0);
				continue;
			}
			rte_pktmbuf_free(pkts[i]);
			total++;
		}
	}
	return total;
}

/* A benchmark of dropped packets says nothing: name the reasons and end. */
static void check_progress(const struct bench *b, uint64_t turns, uint64_t packets)
{
	const struct ledger *l = app_ledger(b->app, 0);

	if (turns < 1000 || packets > turns)
		return;
	fprintf(stderr, "bench_l4: %llu packets in %llu bursts\n", (unsigned long long)packets,
		(unsigned long long)turns);
	for (unsigned r = 1; r < REASON_COUNT; r++)
		if (l->ended[r] > 0)
			fprintf(stderr, "  %s %llu\n", reason_name((enum reason)r),
				(unsigned long long)l->ended[r]);
	exit(1);
}

static void turn(struct bench *b)
{
	b->now_ns += 3 * NS_PER_US;
	app_iterate(b->app, 0, b->now_ns);
}

/* Set up the flows and resolve the next hops. */
static void warm_up(struct bench *b)
{
	for (uint32_t f = 0; f < b->flows;) {
		for (uint32_t i = 0; i < BURST && f < b->flows; i++, f++)
			ASSERT(rte_ring_enqueue(b->rx, frame(b, f, 0x02)) == 0);
		turn(b);
		drain(b);
	}
	for (int i = 0; i < 8; i++) {
		turn(b);
		drain(b);
	}
}

/* The section that callgrind counts: its name stands in scripts/bench. */
__attribute__((noinline)) void bench_measured(struct bench *b);
__attribute__((noinline)) void bench_measured(struct bench *b)
{
	turn(b);
}

struct result {
	uint64_t tsc, packets;
};

static void run_bursts(struct bench *b, uint64_t packets, bool fresh, struct result *r)
{
	uint32_t next = b->flows;
	uint64_t turns = 0;

	r->tsc = r->packets = 0;
	while (r->packets < packets) {
		uint64_t start;

		check_progress(b, turns++, r->packets);

		for (uint32_t i = 0; i < BURST; i++) {
			uint32_t f = fresh ? next++ : (uint32_t)rng_below(&b->rng, b->flows);

			ASSERT(rte_ring_enqueue(b->rx, frame(b, f, fresh ? 0x02 : 0x10)) == 0);
		}
		start = clock_tsc();
		bench_measured(b);
		r->tsc += clock_tsc() - start;
		r->packets += drain(b);
	}
}

/* The peer: what any forwarder must do on this port. */
static void run_plain(struct bench *b, uint64_t packets, struct result *r)
{
	const struct port *port = app_port(b->app, 0);

	r->tsc = r->packets = 0;
	while (r->packets < packets) {
		struct rte_mbuf *pkts[BURST];
		uint64_t start;
		uint16_t n;

		for (uint32_t i = 0; i < BURST; i++)
			ASSERT(rte_ring_enqueue(b->rx,
				       frame(b, (uint32_t)rng_below(&b->rng, b->flows), 0x10)) ==
				0);
		start = clock_tsc();
		n = port_rx(port, 0, pkts, BURST);
		for (uint16_t i = 0; i < n; i++) {
			uint8_t *p = rte_pktmbuf_mtod(pkts[i], uint8_t *);

			memcpy(p + 6, p, 6);
			memcpy(p, peer_mac, 6);
			p[22]--;
			store16(p + 24, cksum_apply(load16(p + 24),
						cksum_diff16(0, BE16(0x4006), BE16(0x3f06))));
		}
		ASSERT(port_tx(port, 0, pkts, n) == n);
		r->tsc += clock_tsc() - start;
		r->packets += drain(b);
	}
}

static void open_case(struct bench *b, const struct mode *mode, uint32_t flows)
{
	b->flows = flows;
	b->now_ns = NS_PER_SEC;
	rng_seed(&b->rng, 1);
	if (app_create(make_config(mode, flows), b->now_ns, &b->app) != 0)
		exit(1);
	warm_up(b);
}

static void close_case(struct bench *b)
{
	int64_t lost = ledger_imbalance(app_ledger(b->app, 0));

	ASSERT(lost == 0);
	app_destroy(b->app);
	b->app = NULL;
}

static void run_case(struct bench *b, const struct mode *mode, uint32_t flows, bool quick)
{
	const uint64_t packets = quick ? 200000 : 1000000;
	enum { ROUNDS = 5 };
	double ours[ROUNDS], plain[ROUNDS], fresh[ROUNDS];
	char name[64];
	struct result r;

	open_case(b, mode, flows);
	for (int i = 0; i < ROUNDS; i++) {
		run_plain(b, packets, &r);
		plain[i] = (double)r.tsc / (double)r.packets;
		run_bursts(b, packets, false, &r);
		ours[i] = (double)r.tsc / (double)r.packets;
	}
	snprintf(name, sizeof(name), "%s, %u flows", mode->name, flows);
	bench_row_cycles(name, "cycles/packet", bench_median(ours, ROUNDS), "plain loop",
		bench_median(plain, ROUNDS));
	close_case(b);
	if (flows != 100000)
		return;
	/* New connections: room for all of them, none is set up before. */
	for (int i = 0; i < ROUNDS; i++) {
		open_case(b, mode, flows * 4);
		b->flows = 0;
		app_destroy(b->app);
		if (app_create(make_config(mode, flows * 4), b->now_ns, &b->app) != 0)
			exit(1);
		b->flows = 1;
		warm_up(b);
		run_bursts(b, flows * 2, true, &r);
		fresh[i] = (double)r.tsc / (double)r.packets;
		close_case(b);
	}
	snprintf(name, sizeof(name), "%s, new connections", mode->name);
	bench_row_cycles(name, "cycles/connection", bench_median(fresh, ROUNDS), "plain loop",
		bench_median(plain, ROUNDS));
}

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	fprintf(stderr, "bench_l4: no mode %s\n", name);
	exit(2);
}

static void start_eal(struct bench *b, bool simd256)
{
	uint16_t cores[1] = {0};
	struct eal_params p = {.cores = cores, .worker_cnt = 1, .mem_bytes = 512u << 20};

	(void)simd256;
	log_set_level(LOG_ERROR);
	if (eal_start(&p) != 0)
		exit(1);
	b->pool = eal_pool_create("bench", 8191, 2048, SOCKET_ID_ANY);
	b->rx = rte_ring_create("b_rx", 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	b->tx = rte_ring_create("b_tx", 2048, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	ASSERT(b->pool != NULL && b->rx != NULL && b->tx != NULL);
	ASSERT(rte_eth_from_rings("b0", &b->rx, 1, &b->tx, 1, 0) >= 0);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1, 100000, 1000000};
	struct bench b = {.now_ns = 0};
	const struct mode *only = NULL;
	struct result r;
	bool quick = false;

	if (argc == 4 && strcmp(argv[1], "--count") == 0) {
		start_eal(&b, true);
		open_case(&b, find_mode(argv[2]), 1000);
		run_bursts(&b, strtoull(argv[3], NULL, 10), false, &r);
		close_case(&b);
		printf("%llu\n", (unsigned long long)r.packets);
		return 0;
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			quick = true;
		else if (strcmp(argv[i], "--mode") == 0 && i + 1 < argc)
			only = find_mode(argv[++i]);
		else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
			bench_json_open(argv[++i]);
		else
			return fprintf(stderr, "bench_l4: unknown argument %s\n", argv[i]), 2;
	}
	start_eal(&b, false);
	bench_title("L4 in process, 64-byte packets, one worker");
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			if (only != NULL && only != &modes[m])
				continue;
			if (quick && s == 1 && m != 4)
				continue;
			run_case(&b, &modes[m], sizes[s], quick);
		}
	bench_json_close();
	return 0;
}
