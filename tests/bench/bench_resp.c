/* SPDX-License-Identifier: Apache-2.0
 * The Redis protocol in process, one core: a client's TCP engine, weir's layer 7 worker over a real
 * store, a wire that hands mbufs over. Cycles are those of weir's worker alone: TCP, codec,
 * command, cache, requests to the store and their answers. What the store's threads take for a
 * write is given beside it, as CPU time.
 *
 *	bench_resp [--quick] [--json PATH]
 *	bench_resp --count CASE N      for callgrind: N commands in bench_measured() */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "lb/kvs/kvs.h"
#include "tests/support/bench.h"
#include "tests/support/bench_l7.h"
#include "tests/support/eal.h"
#include "tests/support/store_util.h"

#define BATCH    BENCH_WIRE_BURST
#define ROUNDS   5
#define CONNS    50
#define KEYS     10000
#define PIPE_MAX 64
#define CLIENT   0
#define WEIR     1

static struct bench_host nodes[2];
static struct bench_l7 weir;
static struct kvs *kvs;
static struct test_store store;
static uint64_t now_ns;
static uint64_t cycles, replies;
static uint32_t expect_len;
static uint64_t conns[CONNS];
static uint32_t got[CONNS];
static int wake_fd;
static struct rng rng = {1};
static bool in_turn; /* keys one after the other */
static unsigned next_key;

/* ---- weir ---- */

static void work(struct rte_mbuf **mbufs, const struct pkt_meta *metas, uint16_t n)
{
	struct kvs_worker *k = kvs_worker(kvs, 0);
	bool more;

	kvs_clock(k, now_ns);
	if (n != 0)
		tcp_input(nodes[WEIR].e, mbufs, metas, n, now_ns);
	l7_worker_run(weir.w, now_ns);
	more = kvs_turn(k, now_ns) > 0;
	more |= l7_worker_resume(weir.w);
	if (more)
		l7_worker_run(weir.w, now_ns);
}

static bool counting;

static __attribute__((noinline)) void bench_measured(
	struct rte_mbuf **mbufs, const struct pkt_meta *metas, uint16_t n)
{
	work(mbufs, metas, n);
}

static void on_wake(void *ctx, uint32_t worker)
{
	uint64_t one = 1;

	(void)ctx;
	(void)worker;
	(void)!write(wake_fd, &one, sizeof(one));
}

/* ---- turns beside a busy disk ----
 *
 * CPU time, not time: on a shared machine others preempt the worker, which is none of its doing.
 * That it has waited for something is what voluntary context switches tell. */

static bool watching;
static uint32_t turn_ns[1 << 16], turn_cnt;
static uint64_t gave_up;

struct watch_mark {
	uint64_t cpu_ns;
	long switches;
};

static struct watch_mark watch_begin(void)
{
	struct watch_mark m = {0};
	struct timespec t;
	struct rusage u;

	if (!watching)
		return m;
	(void)getrusage(RUSAGE_THREAD, &u);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	m.cpu_ns = (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
	m.switches = u.ru_nvcsw;
	return m;
}

static void watch_end(const struct watch_mark *m)
{
	struct watch_mark now = watch_begin();

	if (!watching)
		return;
	gave_up += (uint64_t)(now.switches - m->switches);
	if (turn_cnt < ARRAY_SIZE(turn_ns))
		turn_ns[turn_cnt++] = (uint32_t)(now.cpu_ns - m->cpu_ns);
}

/* A turn of weir's worker, if there is a reason for one. */
static void weir_turn(void)
{
	static struct rte_mbuf *mine[BENCH_WIRE_MAX];
	static struct pkt_meta metas[BENCH_WIRE_MAX];
	uint32_t n = bench_wire_take(&nodes[CLIENT], &nodes[WEIR], true, mine, metas);
	bool more = !kvs_park(kvs_worker(kvs, 0)) || l7_worker_resumable(weir.w);

	kvs_unpark(kvs_worker(kvs, 0));
	for (uint32_t i = 0; i < n || (i == 0 && more); i += BATCH) {
		uint16_t some = (uint16_t)(n - i < BATCH ? n - i : BATCH);
		struct watch_mark mark = watch_begin();
		uint64_t t = rte_rdtsc();

		if (counting)
			bench_measured(mine + i, metas + i, some);
		else
			work(mine + i, metas + i, some);
		cycles += rte_rdtsc() - t;
		watch_end(&mark);
	}
}

/* ---- client ---- */

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
	replies++;
}

static const struct tcp_ops client_ops = {
	.on_connect = bench_on_nothing, .on_data = client_data, .on_eof = bench_on_eof};

static void client_turn(void)
{
	static struct rte_mbuf *mine[BENCH_WIRE_MAX];
	static struct pkt_meta metas[BENCH_WIRE_MAX];
	uint32_t n = bench_wire_take(&nodes[WEIR], &nodes[CLIENT], true, mine, metas);

	for (uint32_t i = 0; i < n; i += BATCH)
		tcp_input(nodes[CLIENT].e, mine + i, metas + i,
			(uint16_t)(n - i < BATCH ? n - i : BATCH), now_ns);
	bench_host_flush(&nodes[CLIENT], now_ns);
}

static void turn(void)
{
	now_ns = clock_now_ns();
	weir_turn();
	client_turn();
}

/* As redis-benchmark sends them: keys of 16 bytes, values of 3. */
static void send_commands(uint64_t conn, bool set, uint32_t pipeline)
{
	char text[PIPE_MAX * 64];
	uint32_t n = 0;

	for (uint32_t i = 0; i < pipeline; i++) {
		unsigned key = in_turn ? next_key++ % KEYS : (unsigned)rng_below(&rng, KEYS);

		n += (uint32_t)snprintf(text + n, sizeof(text) - n,
			set ? "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012u\r\n$3\r\nxxx\r\n"
			    : "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012u\r\n",
			key);
	}
	bench_send(&nodes[CLIENT], conn, text, n);
}

/* ---- setup ---- */

/* Namespaces as the test store has them. */
static const char config[] =
	"ports: [{device: \"net_ring0\", addresses: [10.0.0.2/24]}]\n"
	"workers: {count: 1, cores: [0]}\n"
	"store: {dir: /unused, namespaces: {always: always, everysec: everysec, volatile: "
	"volatile}}\n"
	"listeners:\n"
	"  - {name: always, bind: [10.0.0.2:80], action: resp, resp: {namespace: always, slow: "
	"0}}\n"
	"  - {name: everysec, bind: [10.0.0.2:81], action: resp, resp: {namespace: everysec, slow: "
	"0}}\n"
	"  - {name: volatile, bind: [10.0.0.2:82], action: resp, resp: {namespace: volatile, slow: "
	"0}}\n";

static void open_store(void)
{
	struct kvs_params kp = {.worker_cnt = 1,
		.ns_cnt = NS_TEST_CNT,
		.queue_len = 1024,
		.cache_bytes = 64 << 20,
		.request_bytes = 64 << 20,
		.request_timeout_ns = 30 * NS_PER_SEC};

	test_store_init(&store);
	store.p.queue_len = kp.queue_len;
	store.p.memtable_bytes = 64 << 20;
	store.p.target_file_bytes = 256 << 20;
	ASSERT(test_store_open(&store) == 0);
	kp.store = store.s;
	ASSERT(kvs_create(&kp, &kvs) == 0);
	wake_fd = eventfd(0, EFD_NONBLOCK);
	kvs_on_wake(kvs, on_wake, NULL);
}

static void setup(void)
{
	static const struct bench_pools pools = {
		.hdr = 4095, .ref = 4095, .data = 4095, .rx = 4095};
	static const struct tcp_config client = {.max_conns = 1024, .max_segs = 16384};
	struct l7_worker_conf conf = {0};

	test_clock_init();
	now_ns = clock_now_ns();
	open_store();
	for (uint32_t i = 0; i < 2; i++)
		bench_host_init(&nodes[i], i, &pools);
	bench_host_engine(&nodes[CLIENT], &client, now_ns);
	bench_l7_parse(&weir, config);
	conf.kvs = kvs_worker(kvs, 0);
	kvs_clock(conf.kvs, now_ns);
	bench_l7_start(&weir, &nodes[WEIR], &conf, now_ns);
}

static void connect_all(uint16_t port)
{
	for (uint32_t i = 0; i < CONNS; i++) {
		struct tcp_connect_args a = {.raddr = nodes[WEIR].addr,
			.rport = BE16(port),
			.ops = &client_ops,
			.user = &got[i]};

		got[i] = 0;
		ASSERT(tcp_connect(nodes[CLIENT].e, &a, &conns[i]) == 0);
	}
	bench_host_flush(&nodes[CLIENT], now_ns);
	for (int i = 0; i < 4; i++)
		turn();
}

static void close_all(void)
{
	for (uint32_t i = 0; i < CONNS; i++)
		(void)tcp_close(nodes[CLIENT].e, conns[i]);
	bench_host_flush(&nodes[CLIENT], now_ns);
	for (int i = 0; i < 8; i++)
		turn();
}

/* ---- cases ---- */

struct bench_case {
	const char *name, *label;
	uint16_t port;
	bool set;
	uint32_t pipeline, cnt;
};

static const struct bench_case cases[] = {
	{"get1", "GET, pipeline 1", 81, false, 1, 200000},
	{"get16", "GET, pipeline 16", 81, false, 16, 2000000},
	{"set1", "SET everysec, pipeline 1", 81, true, 1, 50000},
	{"set16", "SET everysec, pipeline 16", 81, true, 16, 400000},
	{"setv16", "SET volatile, pipeline 16", 82, true, 16, 400000},
	{"seta16", "SET always, pipeline 16", 80, true, 16, 100000},
};

static double samples[1 << 16];
static uint32_t sample_cnt;

static void wait_for_store(void)
{
	struct pollfd p = {.fd = wake_fd, .events = POLLIN};
	uint64_t rung;

	(void)poll(&p, 1, 1);
	(void)!read(wake_fd, &rung, sizeof(rung));
}

/* All connections send a pipeline each, and again when all have been answered. */
static void commands(const struct bench_case *c, uint32_t want)
{
	uint64_t end = replies + want / c->pipeline;

	sample_cnt = 0;
	expect_len = c->pipeline * (c->set ? 5 : 9);
	while (replies < end) {
		uint64_t due = replies + CONNS;

		cycles = 0;
		for (uint32_t k = 0; k < CONNS; k++)
			send_commands(conns[k], c->set, c->pipeline);
		bench_host_flush(&nodes[CLIENT], now_ns);
		while (replies < due) {
			uint64_t before = replies;

			turn();
			if (replies == before && !l7_worker_resumable(weir.w) &&
				kvs_park(kvs_worker(kvs, 0)))
				wait_for_store();
			kvs_unpark(kvs_worker(kvs, 0));
		}
		if (sample_cnt < ARRAY_SIZE(samples))
			samples[sample_cnt++] = (double)cycles / (CONNS * c->pipeline);
	}
}

/* Every key is there, and the cache has it. */
static void fill(void)
{
	static const struct bench_case set = {.set = true, .pipeline = 16},
				       get = {.set = false, .pipeline = 16};

	in_turn = true;
	for (uint16_t port = 80; port <= 82; port++) {
		connect_all(port);
		commands(&set, KEYS);
		commands(&get, KEYS);
		close_all();
	}
	in_turn = false;
}

static uint64_t others_ns(void)
{
	struct timespec all, own;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &all);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &own);
	return (uint64_t)(all.tv_sec - own.tv_sec) * NS_PER_SEC + (uint64_t)all.tv_nsec -
	       (uint64_t)own.tv_nsec;
}

static void run_case(const struct bench_case *c, bool quick)
{
	uint32_t n = quick ? c->cnt / 10 : c->cnt;
	double v[ROUNDS], cpu[ROUNDS];
	char label[64];

	connect_all(c->port);
	commands(c, c->cnt / 20);
	for (int r = 0; r < ROUNDS; r++) {
		uint64_t others = others_ns();

		commands(c, n);
		cpu[r] = (double)(others_ns() - others) / n;
		v[r] = bench_median(samples, sample_cnt);
	}
	bench_row_cycles(c->label, "cycles of the worker", bench_median(v, ROUNDS), NULL, 0);
	if (c->set) {
		(void)snprintf(label, sizeof(label), "%s: the store's threads", c->label);
		bench_row(&(struct bench_row){.name = label,
			.metric = "CPU of a command",
			.unit = "ns",
			.value = bench_median(cpu, ROUNDS),
			.lower_is_better = true});
	}
	close_all();
}

#define BUSY_BYTES (1 << 20)
#define BUSY_SPAN  (64 << 20)

static _Atomic bool disk_stop;
static _Atomic uint64_t disk_bytes;

static void *disk_writer(void *arg)
{
	char path[TMPDIR_MAX + 16];
	void *buf = NULL;
	int fd;

	(void)arg;
	(void)snprintf(path, sizeof(path), "%s/busy", store.dir);
	fd = open(path, O_WRONLY | O_CREAT | O_DIRECT, 0600);
	if (fd < 0)
		fd = open(path, O_WRONLY | O_CREAT, 0600);
	ASSERT(fd >= 0 && posix_memalign(&buf, 4096, BUSY_BYTES) == 0);
	memset(buf, 'x', BUSY_BYTES);
	while (!atomic_load_explicit(&disk_stop, memory_order_relaxed)) {
		uint64_t at =
			atomic_fetch_add_explicit(&disk_bytes, BUSY_BYTES, memory_order_relaxed);

		if (pwrite(fd, buf, BUSY_BYTES, (off_t)(at % BUSY_SPAN)) != BUSY_BYTES)
			break;
		(void)fdatasync(fd);
	}
	close(fd);
	(void)unlink(path);
	free(buf);
	return NULL;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void turn_row(uint32_t pipeline, const char *which, uint32_t ns)
{
	char name[64];

	(void)snprintf(
		name, sizeof(name), "turns beside a busy disk, pipeline %u, %s", pipeline, which);
	bench_row(&(struct bench_row){.name = name,
		.metric = "CPU time",
		.unit = "us",
		.value = (double)ns / 1000,
		.peer = "target",
		.peer_value = 100,
		.lower_is_better = true});
}

static void turns_with(uint32_t pipeline, bool quick)
{
	const struct bench_case set = {.set = true, .pipeline = pipeline},
				get = {.pipeline = pipeline};
	uint32_t above = 0;

	turn_cnt = 0;
	commands(&set, 2000 * pipeline);
	commands(&get, 2000 * pipeline);
	watching = true;
	for (int i = 0; i < (quick ? 10 : 50); i++) {
		commands(&set, 500 * pipeline);
		commands(&get, 2000 * pipeline);
	}
	watching = false;
	qsort(turn_ns, turn_cnt, sizeof(turn_ns[0]), by_value);
	for (uint32_t i = 0; i < turn_cnt; i++)
		above += turn_ns[i] > 100000;
	turn_row(pipeline, "99 %", turn_ns[turn_cnt - 1 - turn_cnt / 100]);
	turn_row(pipeline, "the longest", turn_ns[turn_cnt - 1]);
	printf("%u of %u turns above 100 us\n", above, turn_cnt);
}

/* Never waits; 0 or 1 as an exit status. */
static int beside_a_busy_disk(bool quick)
{
	pthread_t writers[2];

	for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
		ASSERT(pthread_create(&writers[i], NULL, disk_writer, NULL) == 0);
	connect_all(80);
	turns_with(1, quick);
	turns_with(16, quick);
	close_all();
	atomic_store_explicit(&disk_stop, true, memory_order_relaxed);
	for (size_t i = 0; i < ARRAY_SIZE(writers); i++)
		ASSERT(pthread_join(writers[i], NULL) == 0);
	bench_row(&(struct bench_row){.name = "waits in those turns",
		.metric = "voluntary context switches",
		.unit = "",
		.value = (double)gave_up,
		.lower_is_better = true});
	printf("%llu MiB written beside them\n",
		(unsigned long long)(atomic_load(&disk_bytes) >> 20));
	return gave_up > 0;
}

static int count(const char *name, uint32_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t before;

		if (strcmp(cases[i].name, name) != 0)
			continue;
		connect_all(cases[i].port);
		before = replies;
		counting = true;
		commands(&cases[i], n);
		printf("%llu\n", (unsigned long long)(replies - before) * cases[i].pipeline);
		return 0;
	}
	fprintf(stderr, "no case %s\n", name);
	return 2;
}

static void teardown(void)
{
	test_store_close(&store);
	bench_l7_stop(&weir);
	kvs_destroy(kvs);
	test_store_fini(&store);
}

int main(int argc, char **argv)
{
	const char *json = NULL;
	bool quick = false;
	int rc = 0;

	test_eal_init();
	setup();
	fill();
	if (argc == 4 && strcmp(argv[1], "--count") == 0) {
		rc = count(argv[2], (uint32_t)atoi(argv[3]));
		teardown();
		return rc;
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			quick = true;
		else if (strcmp(argv[i], "--json") == 0 && i + 1 < argc)
			json = argv[++i];
		else {
			fprintf(stderr, "usage: bench_resp [--quick] [--json PATH]\n");
			return 2;
		}
	}
	if (json != NULL)
		bench_json_open(json);
	bench_title("Redis protocol in process, one core: weir's worker, TCP included");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(&cases[i], quick);
	rc = beside_a_busy_disk(quick);
	if (json != NULL)
		bench_json_close();
	teardown();
	return rc;
}
