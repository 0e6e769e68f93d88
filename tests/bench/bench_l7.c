/* SPDX-License-Identifier: Apache-2.0
 * HTTP in process, one core: clients' and backends' TCP engines, weir's layer 7 worker between
 * them, a wire that hands mbufs over, a clock that is counted up. Cycles are those spent in weir
 * (both of its TCP sides, the codec, routes, pools, timers); clients, backends and wire are not in
 * them.
 *
 *	bench_l7 [--quick] [--json PATH]
 *	bench_l7 --count CASE N        for callgrind: N requests in bench_measured() */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/hdr.h"
#include "lb/l7/cache/hcache.h"
#include "lb/l7/http/http.h"
#include "tests/support/bench.h"
#include "tests/support/bench_l7.h"
#include "tests/support/eal.h"

#define BATCH   BENCH_WIRE_BURST
#define STEP_NS 10000
#define ROUNDS  5
#define CLIENT  0
#define WEIR    1
#define BACKEND 2

static struct bench_host nodes[3];
static struct bench_l7 weir;
static uint64_t now_ns = UINT64_C(1000000000);
static uint64_t cycles, responses;

/* What the backend answers, and what the client waits for. */
static char *answer;
static uint32_t answer_len, expect_len;
static const char *request;
static uint32_t got[4096]; /* by connection: bytes of the response under way */
static uint64_t conns[4096];
static uint32_t conn_cnt;

/* ---- the wire ---- */

static __attribute__((noinline)) void bench_measured(
	struct rte_mbuf **mbufs, const struct pkt_meta *metas, uint16_t n)
{
	if (n != 0)
		tcp_input(nodes[WEIR].e, mbufs, metas, n, now_ns);
	l7_worker_run(weir.w, now_ns);
	if (hcache_worker_poll(http_worker_cache(l7_worker_http(weir.w)), now_ns) > 0)
		l7_worker_run(weir.w, now_ns);
}

static void run(uint32_t at, struct rte_mbuf **mbufs, const struct pkt_meta *metas, uint16_t n)
{
	struct bench_host *to = &nodes[at];
	uint64_t t;

	if (at == WEIR) {
		t = rte_rdtsc();
		bench_measured(mbufs, metas, n);
		cycles += rte_rdtsc() - t;
		return;
	}
	if (n != 0)
		tcp_input(to->e, mbufs, metas, n, now_ns);
	bench_host_flush(to, now_ns);
}

/* Everything that was sent to `at` arrives there, in bursts. */
static void deliver(uint32_t at)
{
	static struct rte_mbuf *mine[BENCH_WIRE_MAX];
	static struct pkt_meta metas[BENCH_WIRE_MAX];
	uint32_t n = 0;

	for (uint32_t f = 0; f < 3; f++)
		n += bench_wire_take(&nodes[f], &nodes[at], true, mine + n, metas + n);
	for (uint32_t i = 0; i < n || i == 0; i += BATCH)
		run(at, mine + i, metas + i, (uint16_t)(n - i < BATCH ? n - i : BATCH));
}

/* ---- client and backend ---- */

static void client_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	uint32_t *have = user;

	bench_chain_free(chain);
	(void)tcp_consumed(e, conn, len);
	*have += len;
	if (*have < expect_len)
		return;
	ASSERT(*have == expect_len);
	*have = 0;
	responses++;
}

/* Requests are small and come whole. */
static void backend_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	(void)user;
	bench_chain_free(chain);
	(void)tcp_consumed(e, conn, len);
	bench_send(&nodes[BACKEND], conn, answer, answer_len);
}

static const struct tcp_ops client_ops = {
	.on_connect = bench_on_nothing, .on_data = client_data, .on_eof = bench_on_eof};
static const struct tcp_ops backend_ops = {
	.on_accept = bench_on_nothing, .on_data = backend_data, .on_eof = bench_on_eof};

/* ---- setup ---- */

static void node_init(uint32_t id)
{
	const struct bench_pools pools = {.hdr = 4095,
		.ref = 4095,
		.data = id == CLIENT ? 1535 : 5119,
		.rx = id == WEIR ? 6143 : 2047};
	const struct tcp_config c = {.max_conns = 8192,
		.max_syns = 4096,
		.max_timewaits = 32768,
		.max_segs = 131072,
		.cookie_level = 4096,
		.max_challenges_per_s = 1000000};

	bench_host_init(&nodes[id], id, &pools);
	if (id != WEIR)
		bench_host_engine(&nodes[id], &c, now_ns);
}

static struct hcache *hcache;

static const char config[] =
	"ports: [{device: \"net_ring0\", addresses: [10.0.0.2/24]}]\n"
	"workers: {count: 1, cores: [0]}\n"
	"tcp: {max_connections: 16384}\n"
	"upstreams:\n"
	"  app: {backends: [10.0.0.3:80], keepalive: {connections: 4096, idle: 10m}}\n"
	"sites:\n"
	"  app:\n"
	"    limits: {requests: 0}\n"
	"    routes: [{upstream: app}]\n"
	"  hello:\n"
	"    limits: {requests: 0}\n"
	"    routes: [{respond: {status: 200, type: text/plain, body: \"hello, world\\n\"}}]\n"
	"  cached:\n"
	"    limits: {requests: 0}\n"
	"    routes: [{upstream: app, cache: {override_ttl: 1h}}]\n"
	"  guarded:\n"
	"    limits: {requests: 0}\n"
	"    routes: [{upstream: app, cache: {override_ttl: 1h}, policies: {security_headers: "
	"{nosniff: true, frame_options: DENY, referrer_policy: no-referrer}}}]\n"
	"listeners:\n"
	"  - {name: proxy, bind: [10.0.0.2:80], action: http, site: app}\n"
	"  - {name: fixed, bind: [10.0.0.2:81], action: http, site: hello}\n"
	"  - {name: cached, bind: [10.0.0.2:82], action: http, site: cached}\n"
	"  - {name: guarded, bind: [10.0.0.2:83], action: http, site: guarded}\n"
	"cache: 64MiB\n";

/* Ages of one length. */
static int64_t still(void *ctx)
{
	(void)ctx;
	return INT64_C(784111777000) + 5000; /* 5 s after the Date of answers */
}

static void setup(void)
{
	struct l7_worker_conf conf = {0};

	for (uint32_t i = 0; i < 3; i++)
		node_init(i);
	bench_l7_parse(&weir, config);
	ASSERT(hcache_create(
		       &(struct hcache_conf){.bytes = weir.cfg->cache.memory_bytes, .workers = 1},
		       &hcache) == 0);
	hcache_set_zero_copy(hcache, true);
	hcache_set_wall(hcache, still, NULL);
	conf.hcache = hcache;
	conf.slice_pool = nodes[WEIR].ref;
	bench_l7_start(&weir, &nodes[WEIR], &conf, now_ns);
	ASSERT(tcp_listen(nodes[BACKEND].e, &nodes[BACKEND].addr, BE16(80), &backend_ops, NULL) >=
		0);
}

static void turn(void)
{
	deliver(WEIR);
	deliver(BACKEND);
	deliver(WEIR);
	deliver(CLIENT);
	now_ns += STEP_NS;
}

static void kick_client(void)
{
	bench_host_flush(&nodes[CLIENT], now_ns);
}

static void connect_all(uint16_t port, uint32_t n)
{
	conn_cnt = n;
	for (uint32_t i = 0; i < n; i += BATCH) {
		for (uint32_t k = i; k < n && k < i + BATCH; k++) {
			struct tcp_connect_args a = {.raddr = nodes[WEIR].addr,
				.rport = BE16(port),
				.ops = &client_ops,
				.user = &got[k]};

			got[k] = 0;
			ASSERT(tcp_connect(nodes[CLIENT].e, &a, &conns[k]) == 0);
		}
		kick_client();
		turn();
		turn();
	}
}

/* As many at once as the wire has buffers for. */
static void close_all(void)
{
	for (uint32_t i = 0; i < conn_cnt; i += BATCH) {
		for (uint32_t k = i; k < conn_cnt && k < i + BATCH; k++)
			(void)tcp_close(nodes[CLIENT].e, conns[k]);
		kick_client();
		turn();
		turn();
	}
	for (int i = 0; i < 4; i++)
		turn();
}

static void set_answer(uint32_t body)
{
	int n;

	free(answer);
	answer = malloc(body + 512);
	ASSERT(answer != NULL);
	n = snprintf(answer, 512,
		"HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
		"Content-Type: text/html\r\nContent-Length: %u\r\n"
		"Last-Modified: Sat, 05 Nov 1994 08:00:00 GMT\r\nConnection: keep-alive\r\n"
		"ETag: \"3aecfe-400\"\r\nAccept-Ranges: bytes\r\n\r\n",
		body);
	memset(answer + n, 'x', body);
	answer_len = (uint32_t)n + body;
}

/* One round trip tells how long the answer is when it has passed weir. */
static void learn_answer(void)
{
	expect_len = UINT32_MAX;
	bench_send(&nodes[CLIENT], conns[0], request, (uint32_t)strlen(request));
	kick_client();
	for (int i = 0; i < 200; i++)
		turn();
	expect_len = got[0];
	got[0] = 0;
	ASSERT(expect_len > 0);
}

/* Cycles of one request in each batch: their median is not moved by what preempted some. */
static double samples[1 << 16];
static uint32_t sample_cnt;

static void requests(uint32_t want)
{
	uint32_t at = 0, per = conn_cnt < BATCH ? conn_cnt : BATCH;
	uint64_t end = responses + want;

	sample_cnt = 0;
	while (responses < end) {
		uint64_t due = responses + per;

		cycles = 0;
		for (uint32_t k = 0; k < per; k++) {
			at = (uint32_t)(((uint64_t)at + 1) % conn_cnt);
			bench_send(&nodes[CLIENT], conns[at], request, (uint32_t)strlen(request));
		}
		kick_client();
		for (int i = 0; responses < due; i++) {
			ASSERT(i < 10000);
			turn();
		}
		if (sample_cnt < ARRAY_SIZE(samples))
			samples[sample_cnt++] = (double)cycles / per;
	}
}

/* ---- cases ---- */

/* Bodies of one length share a URL. */
#define REQUEST                                                       \
	"GET /index%u.html?a=1 HTTP/1.1\r\nHost: www.example.com\r\n" \
	"User-Agent: curl/7.88.1\r\nAccept: */*\r\n"                  \
	"Accept-Encoding: gzip, deflate, br\r\n"                      \
	"Cookie: session=0123456789abcdef\r\n\r\n"

struct bench_case {
	const char *name, *label;
	uint16_t port;
	uint32_t conns, body, cnt;
};

static const struct bench_case cases[] = {
	{"proxy1", "proxied GET, 1 KB, 1 connection", 80, 1, 1024, 50000},
	{"proxy", "proxied GET, 1 KB, 256 connections", 80, 256, 1024, 200000},
	{"proxy4096", "proxied GET, 1 KB, 4096 connections", 80, 4096, 1024, 200000},
	{"fixed", "fixed response, 256 connections", 81, 256, 0, 200000},
	{"hit", "cache hit, 1 KB, 256 connections", 82, 256, 1024, 200000},
	{"guarded", "the same, with security headers", 83, 256, 1024, 200000},
	{"hit64k", "cache hit, 64 KB, 32 connections", 82, 32, 65536, 20000},
};

static void begin_case(const struct bench_case *c)
{
	static char text[512];

	snprintf(text, sizeof(text), REQUEST, c->body);
	request = text;
	set_answer(c->body);
	connect_all(c->port, c->conns);
	learn_answer();
	learn_answer(); /* what a cache says of itself differs the second time */
}

static void run_case(const struct bench_case *c, bool quick)
{
	double v[ROUNDS];

	begin_case(c);
	requests(c->cnt / 20);
	for (int r = 0; r < ROUNDS; r++) {
		uint32_t n = quick ? c->cnt / 10 : c->cnt;

		requests(n);
		v[r] = bench_median(samples, sample_cnt);
	}
	bench_row_cycles(c->label, "cycles", bench_median(v, ROUNDS), NULL, 0);
	close_all();
}

static int count(const char *name, uint32_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t before;

		if (strcmp(cases[i].name, name) != 0)
			continue;
		begin_case(&cases[i]);
		before = responses;
		requests(n);
		/* Connections' set-up is in the count too: n is large beside them. */
		printf("%llu\n", (unsigned long long)(responses - before));
		return 0;
	}
	fprintf(stderr, "no case %s\n", name);
	return 2;
}

int main(int argc, char **argv)
{
	const char *json = NULL;
	bool quick = false;

	test_eal_init();
	setup();
	if (argc == 4 && strcmp(argv[1], "--count") == 0)
		return count(argv[2], (uint32_t)atoi(argv[3]));
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			quick = true;
		else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
			json = argv[++i];
		else {
			fprintf(stderr, "usage: bench_l7 [--quick] [--json PATH]\n");
			return 2;
		}
	}
	if (json != NULL)
		bench_json_open(json);
	bench_title("HTTP in process, one core; cycles of weir alone, both TCP sides included");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(&cases[i], quick);
	if (json != NULL)
		bench_json_close();
	bench_l7_stop(&weir);
	hcache_destroy(hcache);
	return 0;
}
