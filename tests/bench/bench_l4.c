/* SPDX-License-Identifier: Apache-2.0
 * L4 balancer in process: cycles a packet from receive burst to transmit burst, no kernel between.
 *
 * A port made of rings carries the packets; only the worker's turns are timed, not the generator.
 * A plain loop on the same port (receive, swap MACs, decrement TTL, send) runs interleaved with
 * each case and is the peer of every row. A row is the median over bursts of the cycles that a
 * burst took, divided by its packets: a burst in which the kernel ran something else does not
 * count.
 *
 *	bench_l4 [--quick] [--json FILE] [--mode NAME]
 *	bench_l4 --count MODE PACKETS	one case for callgrind (see scripts/bench)
 *
 * Packet headers are written just before they are received, so they lie in the cache as they would
 * with a NIC that writes to it (DDIO); flows are taken in random order, so table lines do not. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_eth_ring.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "dataplane/eal/eal.h"
#include "dataplane/net/build.h"
#include "lb/app_pvt.h"
#include "tests/support/bench.h"

#define BURST    LIMIT_BURST
#define FRAME4   60 /* 64 bytes on the wire with the FCS */
#define FRAME6   74
#define BACKENDS 16
#define LANES    2           /* queues, and so workers at most */
#define VIP      0xc6120064u /* 198.18.0.100 */

static const uint8_t our_mac[6] = {0x02, 0, 0, 0, 0, 0x02}, peer_mac[6] = {0x02, 0, 0, 0, 0, 0x09};

/* Counts must not depend on what the kernel draws: hash keys decide where flows collide. */
static uint64_t fixed_seed;

ssize_t getrandom(void *out, size_t len, unsigned flags)
{
	struct rng r;

	if (fixed_seed == 0)
		return syscall(SYS_getrandom, out, len, flags);
	rng_seed(&r, fixed_seed++);
	for (size_t i = 0; i < len; i++)
		((uint8_t *)out)[i] = (uint8_t)rng_next(&r);
	return (ssize_t)len;
}

/* One worker with its queue. */
struct lane {
	struct bench *bench;
	struct rte_ring *rx, *tx;
	uint32_t worker;
	uint64_t now_ns;
	struct rng rng;
	uint32_t *mine; /* flows that this worker owns; NULL: all */
	uint32_t mine_cnt;
	double *burst_cycles; /* of bursts that came out whole */
	uint32_t burst_cnt;
};

struct bench {
	struct rte_mempool *pool;
	struct app *app;
	const struct mode *mode;
	struct lane lanes[LANES];
	uint32_t lane_cnt;
	uint32_t flows;
};

struct mode {
	const char *name, *yaml;
	bool v6;
};

static const struct mode modes[] = {
	{"dsr", "    mode: dsr\n", false},
	{"ipip", "    mode: ipip\n", false},
	{"gue", "    mode: gue\n", false},
	{"nat", "    mode: nat\n", false},
	{"fullnat", "    mode: fullnat\n", false},
	{"dsr6", "    mode: dsr\n", true},
	{"ipip6", "    mode: ipip\n", true},
	{"fullnat6", "    mode: fullnat\n", true},
};

struct text {
	char s[16384];
	size_t n;
};

static void PRINTF_LIKE(2, 3) say(struct text *t, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	t->n += (size_t)vsnprintf(t->s + t->n, sizeof(t->s) - t->n, format, ap);
	va_end(ap);
	ASSERT(t->n < sizeof(t->s));
}

static struct config *make_config(const struct mode *mode, uint32_t flows, uint32_t workers)
{
	static struct text t;
	struct config *cfg;
	uint32_t locals = flows / 30000 + 1;

	t.n = 0;
	say(&t, "ports:\n  - device: net_ring_b0\n    mac: \"02:00:00:00:00:02\"\n"
		"    addresses: [198.18.0.2/16, \"2001:db8::2/32\"");
	/* Full NAT: far more ports than flows, so that finding one takes few steps. */
	for (uint32_t i = 1; i < locals && 2 * i < LIMIT_PORT_ADDRS; i++)
		say(&t, ", 198.18.2.%u/16, \"2001:db8:2::%x/32\"", i, i);
	say(&t,
		"]\n    gateway: 198.18.0.1\n"
		"workers: {count: %u, cores: [0%s], poll: busy}\n"
		"memory: {hugepages: false, flows: %u, nat_flows: %u}\n"
		"services:\n  - vip: \"%s:80\"\n%s    backends:\n",
		workers, workers > 1 ? ", 1" : "", flows + flows / 8 + 1024,
		flows + flows / 8 + 1024, mode->v6 ? "[2001:db8:100::1]" : "198.18.0.100",
		mode->yaml);
	for (uint32_t b = 1; b <= BACKENDS; b++)
		if (mode->v6)
			say(&t, "      - \"2001:db8:1::%x\"\n", b);
		else
			say(&t, "      - 198.18.1.%u\n", b);
	if (config_parse("bench", t.s, t.n, stderr, &cfg) < 0)
		exit(1);
	return cfg;
}

/* Clients are 198.19.0.0/16 and 2001:db8:f::/48, several ports each beyond 65,536 flows. */
static void flow_addrs(bool v6, uint32_t flow, struct ip_addr *src, struct ip_addr *dst)
{
	if (!v6) {
		*src = ip_addr_from4(BE32(0xc6130000u | (flow & 0xffff)));
		*dst = ip_addr_from4(BE32(VIP));
		return;
	}
	*src = *dst = (struct ip_addr){.w = {BE32(0x20010db8u), BE32(0x000f0000u), 0, 0}};
	src->w[3] = BE32(flow & 0xffff);
	dst->w[1] = BE32(0x01000000u);
	dst->w[3] = BE32(1);
}

static uint16_t flow_port(uint32_t flow)
{
	return BE16((uint16_t)(1024 + (flow >> 16)));
}

static struct rte_mbuf *frame(const struct bench *b, uint32_t flow, uint8_t tcp_flags)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->pool);
	bool v6 = b->mode->v6;
	uint16_t len = v6 ? FRAME6 : FRAME4;
	uint8_t *p;
	struct ip_addr src, dst;
	struct build_ip ip = {.src = &src,
		.dst = &dst,
		.payload_len = (uint16_t)(len - ETH_HDR_LEN - (v6 ? IP6_HDR_LEN : IP4_HDR_LEN)),
		.proto = PROTO_TCP,
		.ttl = 64,
		.df = true};
	struct build_tcp tcp = {.sport_be = flow_port(flow),
		.dport_be = BE16(80),
		.seq = 1,
		.ack = 1,
		.window = 65535,
		.flags = tcp_flags};

	ASSERT(m != NULL);
	flow_addrs(v6, flow, &src, &dst);
	p = (uint8_t *)rte_pktmbuf_append(m, len);
	memcpy(p, our_mac, 6);
	memcpy(p + 6, peer_mac, 6);
	store_be16(p + 12, v6 ? ETH_IP6 : ETH_IP4);
	p = build_ip(p + ETH_HDR_LEN, &ip);
	p = build_tcp(p, &tcp);
	if (!v6)
		memset(p, 0, 6);
	return m;
}

static bool is_arp_request(const uint8_t *p)
{
	return p[12] == 0x08 && p[13] == 0x06 && p[21] == 1 && memcmp(p + 28, p + 38, 4) != 0;
}

static void answer_arp(uint8_t *p)
{
	uint8_t target[4];

	memcpy(target, p + 38, 4);
	memcpy(p, p + 6, 6);
	memcpy(p + 6, peer_mac, 6);
	p[21] = 2;
	memcpy(p + 32, p + 22, 10); /* target := sender */
	memcpy(p + 22, peer_mac, 6);
	memcpy(p + 28, target, 4);
}

/* For a station other than the sender itself, and not its probe for duplicates. */
static bool is_solicitation(const uint8_t *p)
{
	return p[12] == 0x86 && p[13] == 0xdd && p[20] == PROTO_ICMP6 && p[54] == 135 &&
	       load64(p + 22) != 0;
}

static void answer_solicitation(uint8_t *p)
{
	struct ip_addr from = ip_addr_from6(p + 62), to = ip_addr_from6(p + 22);
	uint64_t sum = cksum_pseudo(&from, &to, PROTO_ICMP6, 32);

	memcpy(p, p + 6, 6);
	memcpy(p + 6, peer_mac, 6);
	memcpy(p + 22, &from, 16);
	memcpy(p + 38, &to, 16);
	p[54] = 136;
	store16(p + 56, 0);
	store_be32(p + 58, 0x60000000); /* solicited, override */
	p[78] = 2;                      /* target link-layer address */
	p[79] = 1;
	memcpy(p + 80, peer_mac, 6);
	store16(p + 56, (uint16_t)~cksum_fold(cksum_add(sum, p + 54, 32)));
}

/* Answer the requests for addresses among what was sent, free the rest. */
static uint32_t drain(struct lane *l)
{
	struct rte_mbuf *pkts[BURST];
	uint32_t n, total = 0;

	while ((n = rte_ring_dequeue_burst(l->tx, (void **)pkts, BURST, NULL)) > 0) {
		for (uint32_t i = 0; i < n; i++) {
			uint8_t *p = rte_pktmbuf_mtod(pkts[i], uint8_t *);
			bool arp = is_arp_request(p);

			if (!arp && !is_solicitation(p)) {
				rte_pktmbuf_free(pkts[i]);
				total++;
				continue;
			}
			if (arp)
				answer_arp(p);
			else
				answer_solicitation(p);
			ASSERT(rte_ring_enqueue(l->rx, pkts[i]) == 0);
		}
	}
	return total;
}

/* A benchmark of dropped packets says nothing: name the reasons and end. */
static void check_progress(const struct lane *l, uint64_t turns, uint64_t packets)
{
	const struct ledger *led = app_ledger(l->bench->app, l->worker);

	if (turns < 1000 || packets > turns)
		return;
	fprintf(stderr, "bench_l4: %llu packets in %llu bursts\n", (unsigned long long)packets,
		(unsigned long long)turns);
	for (unsigned r = 1; r < REASON_COUNT; r++)
		if (led->ended[r] > 0)
			fprintf(stderr, "  %s %llu\n", reason_name((enum reason)r),
				(unsigned long long)led->ended[r]);
	exit(1);
}

/* The section that callgrind counts: its name stands in scripts/bench. */
__attribute__((noinline)) void bench_measured(struct lane *l);
__attribute__((noinline)) void bench_measured(struct lane *l)
{
	app_iterate(l->bench->app, l->worker, l->now_ns);
}

static void turn(struct lane *l)
{
	l->now_ns += 3 * NS_PER_US;
	app_iterate(l->bench->app, l->worker, l->now_ns);
}

static uint32_t lane_flows(const struct lane *l)
{
	return l->mine != NULL ? l->mine_cnt : l->bench->flows;
}

static uint32_t lane_flow(const struct lane *l, uint32_t i)
{
	return l->mine != NULL ? l->mine[i] : i;
}

static void turn_all(struct bench *b)
{
	for (uint32_t i = 0; i < b->lane_cnt; i++) {
		turn(&b->lanes[i]);
		drain(&b->lanes[i]);
	}
}

/* Set up the flows and resolve the next hops. */
static void warm_up(struct bench *b)
{
	for (uint32_t k = 0; k < b->lane_cnt; k++) {
		struct lane *l = &b->lanes[k];

		for (uint32_t f = 0; f < lane_flows(l);) {
			for (uint32_t i = 0; i < BURST && f < lane_flows(l); i++, f++)
				ASSERT(rte_ring_enqueue(
					       l->rx, frame(b, lane_flow(l, f), TCP_SYN)) == 0);
			turn_all(b);
		}
	}
	for (int i = 0; i < 8; i++)
		turn_all(b);
}

static void note_burst(struct lane *l, uint64_t tsc, uint32_t sent)
{
	if (sent == BURST)
		l->burst_cycles[l->burst_cnt++] = (double)tsc / BURST;
}

static double median_burst(struct lane *l)
{
	ASSERT(l->burst_cnt > 0);
	return bench_median(l->burst_cycles, l->burst_cnt);
}

/* Returns the packets that came out. */
static uint64_t run_bursts(struct lane *l, uint64_t packets, bool fresh)
{
	uint32_t next = l->bench->flows;
	uint64_t done = 0;

	l->burst_cnt = 0;
	for (uint64_t turns = 0; turns < packets / BURST; turns++) {
		uint64_t start;
		uint32_t n;

		check_progress(l, turns, done);
		for (uint32_t i = 0; i < BURST; i++) {
			uint32_t f =
				fresh ? next++
				      : lane_flow(l, (uint32_t)rng_below(&l->rng, lane_flows(l)));

			ASSERT(rte_ring_enqueue(
				       l->rx, frame(l->bench, f, fresh ? TCP_SYN : TCP_ACK)) == 0);
		}
		l->now_ns += 3 * NS_PER_US;
		start = clock_tsc();
		bench_measured(l);
		start = clock_tsc() - start;
		n = drain(l);
		note_burst(l, start, n);
		done += n;
	}
	return done;
}

/* The peer: what any forwarder must do on this port. */
static void run_plain(struct lane *l, uint64_t packets)
{
	const struct port *port = app_port(l->bench->app, 0);
	bool v6 = l->bench->mode->v6;

	l->burst_cnt = 0;
	for (uint64_t turns = 0; turns < packets / BURST; turns++) {
		struct rte_mbuf *pkts[BURST];
		uint64_t start;
		uint16_t n;

		for (uint32_t i = 0; i < BURST; i++)
			ASSERT(rte_ring_enqueue(l->rx,
				       frame(l->bench,
					       lane_flow(l,
						       (uint32_t)rng_below(&l->rng, lane_flows(l))),
					       TCP_ACK)) == 0);
		start = clock_tsc();
		n = port_rx(port, 0, pkts, BURST);
		for (uint16_t i = 0; i < n; i++) {
			uint8_t *p = rte_pktmbuf_mtod(pkts[i], uint8_t *);

			memcpy(p + 6, p, 6);
			memcpy(p, peer_mac, 6);
			if (v6) {
				p[21]--;
				continue;
			}
			p[22]--;
			store16(p + 24, cksum_apply(load16(p + 24),
						cksum_diff16(0, BE16(0x4006), BE16(0x3f06))));
		}
		ASSERT(port_tx(port, 0, pkts, n) == n);
		note_burst(l, clock_tsc() - start, drain(l));
	}
}

/* Which flows are whose: what RSS does in the NIC, the generator does here. */
static void deal_flows(struct bench *b)
{
	for (uint32_t k = 0; k < b->lane_cnt; k++) {
		struct lane *l = &b->lanes[k];

		free(l->mine);
		l->mine = b->lane_cnt > 1 ? malloc(b->flows * sizeof(*l->mine)) : NULL;
		l->mine_cnt = 0;
	}
	for (uint32_t f = 0; b->lane_cnt > 1 && f < b->flows; f++) {
		struct pkt_meta m = {.proto = PROTO_TCP, .sport = flow_port(f), .dport = BE16(80)};
		struct lane *l;

		flow_addrs(b->mode->v6, f, &m.src, &m.dst);
		l = &b->lanes[l4_owner(b->app->cur->l4, &m, b->lane_cnt)];
		l->mine[l->mine_cnt++] = f;
	}
}

static void open_case(struct bench *b, const struct mode *mode, uint32_t room, uint32_t flows)
{
	b->flows = flows;
	b->mode = mode;
	if (app_create(make_config(mode, room, b->lane_cnt), NS_PER_SEC, &b->app) != 0)
		exit(1);
	for (uint32_t i = 0; i < b->lane_cnt; i++) {
		b->lanes[i].now_ns = NS_PER_SEC;
		rng_seed(&b->lanes[i].rng, i + 1);
	}
	deal_flows(b);
	warm_up(b);
}

static void close_case(struct bench *b)
{
	for (uint32_t i = 0; i < b->lane_cnt; i++) {
		int64_t lost = ledger_imbalance(app_ledger(b->app, i));

		ASSERT(lost == 0);
		free(b->lanes[i].mine);
		b->lanes[i].mine = NULL;
	}
	app_destroy(b->app);
	b->app = NULL;
}

enum { ROUNDS = 5, MAX_PACKETS = 1000000 };

static void run_case(struct bench *b, const struct mode *mode, uint32_t flows, bool quick)
{
	const uint64_t packets = quick ? 200000 : MAX_PACKETS;
	double ours[ROUNDS], plain[ROUNDS], fresh[ROUNDS];
	struct lane *l = &b->lanes[0];
	char name[64];

	open_case(b, mode, flows, flows);
	for (int i = 0; i < ROUNDS; i++) {
		run_plain(l, packets);
		plain[i] = median_burst(l);
		(void)run_bursts(l, packets, false);
		ours[i] = median_burst(l);
	}
	snprintf(name, sizeof(name), "%s, %u flows", mode->name, flows);
	bench_row_cycles(name, "cycles/packet", bench_median(ours, ROUNDS), "plain loop",
		bench_median(plain, ROUNDS));
	close_case(b);
	if (flows != 100000)
		return;
	/* New connections: room for all of them, one was set up before. */
	for (int i = 0; i < ROUNDS; i++) {
		open_case(b, mode, flows * 4, 1);
		(void)run_bursts(l, flows * 2, true);
		fresh[i] = median_burst(l);
		close_case(b);
	}
	snprintf(name, sizeof(name), "%s, new connections", mode->name);
	bench_row_cycles(name, "cycles/connection", bench_median(fresh, ROUNDS), "plain loop",
		bench_median(plain, ROUNDS));
}

/* ---- two workers at once ---- */

struct side {
	struct lane *lane;
	uint64_t packets;
	atomic_uint *ready;
	double cycles;
};

static void *run_side(void *arg)
{
	struct side *s = arg;

	ASSERT(rte_thread_register() == 0); /* for its own cache of the packet pool */
	atomic_fetch_add(s->ready, 1);
	while (atomic_load(s->ready) < LANES)
		;
	(void)run_bursts(s->lane, s->packets, false);
	s->cycles = median_burst(s->lane);
	rte_thread_unregister();
	return NULL;
}

/* Millions of packets a second of both workers together, against one worker alone. */
static void run_pair(struct bench *b, const struct mode *mode, uint32_t flows, bool quick)
{
	const uint64_t packets = quick ? 200000 : MAX_PACKETS;
	double hz = (double)clock_scale.tsc_hz, alone[ROUNDS], both[ROUNDS];
	char name[64];

	b->lane_cnt = LANES;
	open_case(b, mode, flows, flows);
	for (int i = 0; i < ROUNDS; i++) {
		struct side sides[LANES];
		pthread_t threads[LANES];
		atomic_uint ready = LANES - 1;

		sides[0] = (struct side){&b->lanes[0], packets, &ready, 0};
		ASSERT(pthread_create(&threads[0], NULL, run_side, &sides[0]) == 0);
		pthread_join(threads[0], NULL);
		alone[i] = hz / sides[0].cycles / 1e6;
		atomic_store(&ready, 0);
		for (int k = 0; k < LANES; k++) {
			sides[k] = (struct side){&b->lanes[k], packets, &ready, 0};
			ASSERT(pthread_create(&threads[k], NULL, run_side, &sides[k]) == 0);
		}
		both[i] = 0;
		for (int k = 0; k < LANES; k++) {
			pthread_join(threads[k], NULL);
			both[i] += hz / sides[k].cycles / 1e6;
		}
	}
	snprintf(name, sizeof(name), "%s, %u flows, two workers", mode->name, flows);
	bench_row(&(struct bench_row){.name = name,
		.metric = "packets/s",
		.unit = "M/s",
		.value = bench_median(both, ROUNDS),
		.peer = "one worker",
		.peer_value = bench_median(alone, ROUNDS)});
	close_case(b);
	b->lane_cnt = 1;
}

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(modes[i].name, name) == 0)
			return &modes[i];
	fprintf(stderr, "bench_l4: no mode %s\n", name);
	exit(2);
}

static void start_eal(struct bench *b)
{
	uint16_t cores[1] = {0};
	struct eal_params p = {.cores = cores, .worker_cnt = 1, .mem_bytes = 512u << 20};
	struct rte_ring *rx[LANES], *tx[LANES];

	log_set_level(LOG_ERROR);
	if (eal_start(&p) != 0)
		exit(1);
	b->pool = eal_pool_create("bench", 8191, 2048, SOCKET_ID_ANY);
	ASSERT(b->pool != NULL);
	for (uint32_t i = 0; i < LANES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "b_rx%u", i);
		rx[i] = rte_ring_create(name, 1024, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(name, sizeof(name), "b_tx%u", i);
		tx[i] = rte_ring_create(name, 2048, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		ASSERT(rx[i] != NULL && tx[i] != NULL);
		b->lanes[i] = (struct lane){.bench = b, .rx = rx[i], .tx = tx[i], .worker = i};
		b->lanes[i].burst_cycles = malloc(MAX_PACKETS / BURST * sizeof(double));
	}
	ASSERT(rte_eth_from_rings("b0", rx, LANES, tx, LANES, 0) >= 0);
	b->lane_cnt = 1;
}

static int count_main(struct bench *b, const char *mode, const char *packets)
{
	fixed_seed = 1;
	start_eal(b);
	open_case(b, find_mode(mode), 1000, 1000);
	printf("%llu\n",
		(unsigned long long)run_bursts(&b->lanes[0], strtoull(packets, NULL, 10), false));
	close_case(b);
	return 0;
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1, 100000, 1000000};
	static struct bench b;
	const struct mode *only = NULL;
	bool quick = false;

	if (argc == 4 && strcmp(argv[1], "--count") == 0)
		return count_main(&b, argv[2], argv[3]);
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
	start_eal(&b);
	bench_title("L4 in process, 64-byte packets (IPv6: 78), one worker");
	for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
		for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
			if (only != NULL && only != &modes[m])
				continue;
			if (quick && (s != 2 || m == 1 || m == 3 || m == 6))
				continue;
			run_case(&b, &modes[m], sizes[s], quick);
		}
	for (size_t m = 0; m < ARRAY_SIZE(modes); m += 4)
		if (m < 5 && (only == NULL || only == &modes[m]))
			run_pair(&b, &modes[m], quick ? 100000 : 1000000, quick);
	bench_json_close();
	return 0;
}
