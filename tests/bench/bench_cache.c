/* SPDX-License-Identifier: Apache-2.0
 * The cache in process: lookups and puts of 16-byte keys with values of 64 bytes and 1 KB, uniform
 * and Zipf 0.99, all reads and 95 % reads, on one and two workers; beside DPDK's rte_hash in its
 * lock-free mode over an array of values, and beside plain copies of as many values from random
 * places, which is what memory alone allows. Each reads a value by copying it, as an answer into a
 * packet would be. "cached" has an index that fits into the last level of cache, "memory" one that
 * does not.
 *
 * Usage: bench_cache [--quick] [[--json] FILE]. Rounds are interleaved, figures are medians; time
 * is each thread's CPU time. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_hash.h>
#include <rte_jhash.h>

#include "cache/cache_pvt.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"

#define KEY_LEN    16
#define BURST      32
#define MAX_ROUNDS 9
#define MAX_KEYS   1000000

enum peer { WEIR, WEIR_SINGLE, RTE_HASH, MEMCPY, PEERS };
static const char *const peer_name[PEERS] = {"weir", "weir, one by one", "rte_hash", "memcpy"};

struct workload {
	uint32_t keys, val_len, read_percent, threads;
	bool zipf;
	const char *set;
};

struct bench {
	struct workload wl;
	uint32_t ops; /* each thread and round */
	struct cache *cache;
	struct cache_mem mem;
	struct rte_hash *hash;
	uint8_t *values;    /* of rte_hash and of memcpy */
	uint32_t *order[2]; /* key numbers, for each thread */
	enum peer peer;
	pthread_barrier_t start;
	uint64_t cpu_ns[2], sum[2];
};

static uint8_t (*key_bytes)[KEY_LEN];
static FILE *json;
static bool json_first = true;

static void fail(const char *what)
{
	fprintf(stderr, "bench_cache: %s\n", what);
	exit(1);
}

static void keys_make(void)
{
	struct rng rng;

	rng_seed(&rng, 42);
	key_bytes = malloc((size_t)MAX_KEYS * KEY_LEN);
	if (key_bytes == NULL)
		fail("no memory for keys");
	for (uint32_t i = 0; i < MAX_KEYS; i++) {
		uint64_t v[2] = {rng_next(&rng), i};

		memcpy(key_bytes[i], v, KEY_LEN);
	}
}

static uint32_t zipf_rank(const double *cum, uint32_t n, struct rng *rng)
{
	double x = (double)(rng_next(rng) >> 11) / 9007199254740992.0 * cum[n - 1];
	uint32_t lo = 0, hi = n - 1;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (cum[mid] < x)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Zipf by inverse of the cumulated distribution, ranks spread over the key numbers. */
static void order_make(uint32_t *out, uint32_t ops, const struct workload *wl, uint64_t seed)
{
	double *cum = malloc(wl->keys * sizeof(*cum)), sum = 0;
	struct rng rng;

	if (cum == NULL)
		fail("no memory for the distribution");
	rng_seed(&rng, seed);
	for (uint32_t i = 0; i < wl->keys; i++)
		cum[i] = sum += 1 / pow(i + 1, 0.99);
	for (uint32_t i = 0; i < ops; i++) {
		uint64_t rank =
			wl->zipf ? zipf_rank(cum, wl->keys, &rng) : rng_below(&rng, wl->keys);

		out[i] = (uint32_t)(rank * 2654435761u % wl->keys);
	}
	free(cum);
}

/* Every n-th operation is a write, 0: none. */
static uint32_t write_every(const struct workload *wl)
{
	return wl->read_percent == 100 ? 0 : 100 / (100 - wl->read_percent);
}

static void write_weir(struct bench *b, struct cache_worker *w, const struct cache_key *k,
	const uint8_t *val, uint64_t now)
{
	struct cache_put p = {.val = val, .len = b->wl.val_len};

	/* No memory means that the other worker was off its core for long: give it ours. */
	while (cache_put(w, k, &p, now) == -EAGAIN) {
		sched_yield();
		cache_poll(w, now);
	}
}

static uint64_t run_weir(struct bench *b, uint32_t t, bool bursts)
{
	static _Thread_local uint8_t buf[BURST * 1024];
	struct cache_worker *w = cache_worker(b->cache, t);
	uint32_t every = write_every(&b->wl), until = every, len = b->wl.val_len;
	uint64_t hits = 0, now = clock_now_ns();

	cache_online(w);
	for (uint32_t i = 0; i < b->ops; i += BURST) {
		struct cache_key k[BURST];
		struct cache_view v[BURST];
		uint32_t n = 0;

		for (uint32_t j = 0; j < BURST; j++) {
			uint32_t id = b->order[t][i + j];

			cache_key_init(b->cache, &k[n], 0, key_bytes[id], KEY_LEN);
			if (every != 0 && --until == 0) {
				until = every;
				write_weir(b, w, &k[n], buf, now);
				hits++;
			} else if (bursts) {
				n++;
			} else if (cache_get(w, &k[n], now, &v[0]) == CACHE_HIT) {
				memcpy(buf + j * len, v[0].val, len);
				hits++;
			}
		}
		if (n > 0)
			hits += cache_get_burst(w, k, n, now, v);
		for (uint32_t j = 0; j < n; j++)
			if (v[j].found == CACHE_HIT)
				memcpy(buf + j * len, v[j].val, len);
		cache_poll(w, now);
	}
	cache_offline(w);
	return hits;
}

static uint64_t run_rte_hash(struct bench *b, uint32_t t)
{
	static _Thread_local uint8_t buf[BURST * 1024];
	uint32_t every = write_every(&b->wl), until = every, len = b->wl.val_len;
	uint64_t hits = 0;

	for (uint32_t i = 0; i < b->ops; i += BURST) {
		const void *k[BURST];
		void *data[BURST];
		uint64_t mask = 0;
		uint32_t n = 0;

		for (uint32_t j = 0; j < BURST; j++) {
			uint32_t id = b->order[t][i + j];

			if (every != 0 && --until == 0) { /* the value is written in its place */
				until = every;
				memcpy(b->values + (size_t)id * len, buf, len);
				hits += rte_hash_add_key_data(b->hash, key_bytes[id],
						(void *)(uintptr_t)(id + 1)) == 0;
			} else {
				k[n++] = key_bytes[id];
			}
		}
		rte_hash_lookup_bulk_data(b->hash, k, n, &mask, data);
		for (uint32_t j = 0; j < n; j++)
			if ((mask >> j & 1) != 0)
				__builtin_prefetch(b->values + ((uintptr_t)data[j] - 1) * len);
		for (uint32_t j = 0; j < n; j++) {
			if ((mask >> j & 1) == 0)
				continue;
			hits++;
			memcpy(buf + j * len, b->values + ((uintptr_t)data[j] - 1) * len, len);
		}
	}
	return hits;
}

static uint64_t run_memcpy(struct bench *b, uint32_t t)
{
	static _Thread_local uint8_t buf[BURST * 1024];
	uint32_t len = b->wl.val_len;

	for (uint32_t i = 0; i < b->ops; i += BURST) {
		const uint32_t *id = &b->order[t][i];

		for (uint32_t j = 0; j < BURST; j++)
			__builtin_prefetch(b->values + (size_t)id[j] * len);
		for (uint32_t j = 0; j < BURST; j++)
			memcpy(buf + j * len, b->values + (size_t)id[j] * len, len);
		__asm__ volatile("" : : "r"(buf) : "memory");
	}
	return b->ops;
}

struct runner {
	struct bench *b;
	uint32_t t;
};

/* Of this thread alone: the machine may be busy with others. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void *run_thread(void *arg)
{
	struct runner *r = arg;
	struct bench *b = r->b;
	cpu_set_t set;
	uint64_t from;

	CPU_ZERO(&set);
	CPU_SET(r->t, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	pthread_barrier_wait(&b->start);
	from = cpu_ns();
	if (b->peer == WEIR || b->peer == WEIR_SINGLE)
		b->sum[r->t] = run_weir(b, r->t, b->peer == WEIR);
	else if (b->peer == RTE_HASH)
		b->sum[r->t] = run_rte_hash(b, r->t);
	else
		b->sum[r->t] = run_memcpy(b, r->t);
	b->cpu_ns[r->t] = cpu_ns() - from;
	return NULL;
}

/* Cycles of one operation on one core. */
static double one_round(struct bench *b, enum peer peer)
{
	struct runner r[2] = {{b, 0}, {b, 1}};
	pthread_t tid[2];
	double cycles = 0;

	b->peer = peer;
	pthread_barrier_init(&b->start, NULL, b->wl.threads);
	for (uint32_t t = 0; t < b->wl.threads; t++)
		if (pthread_create(&tid[t], NULL, run_thread, &r[t]) != 0)
			fail("pthread_create");
	for (uint32_t t = 0; t < b->wl.threads; t++) {
		pthread_join(tid[t], NULL);
		if (b->sum[t] < b->ops - b->ops / 100)
			fail("a key was not found");
		cycles += (double)b->cpu_ns[t] / b->ops * (double)clock_scale.tsc_hz / 1e9;
	}
	pthread_barrier_destroy(&b->start);
	return cycles / b->wl.threads;
}

static int by_double(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void row(const char *name, const char *metric, double value, const char *unit,
	const char *peer, double peer_value, double ratio)
{
	if (json == NULL)
		return;
	fprintf(json,
		"%s\n{\"case\": \"%s\", \"metric\": \"%s\", \"value\": %.4g, \"unit\": \"%s\", "
		"\"peer\": \"%s\", \"peer_value\": %.4g, \"ratio\": %.3f}",
		json_first ? "" : ",", name, metric, value, unit, peer, peer_value, ratio);
	json_first = false;
}

static void fill_weir(struct cache *c, uint32_t keys, uint32_t val_len)
{
	struct cache_worker *w = cache_worker(c, 0);
	uint8_t val[1024] = {1};

	cache_online(w);
	for (uint32_t i = 0; i < keys; i++) {
		struct cache_put p = {.val = val, .len = val_len};
		struct cache_key k;

		cache_key_init(c, &k, 0, key_bytes[i], KEY_LEN);
		if (cache_put(w, &k, &p, 1) != 0)
			fail("cache_put");
		cache_poll(w, 1);
	}
	cache_offline(w);
}

static void open_weir(struct cache_conf *conf, struct cache_mem *mem, struct cache **c)
{
	conf->workers = 2;
	conf->ns_cnt = 1;
	if (cache_plan(conf, mem->bytes) != 0 || cache_mem_map(mem, false) != 0 ||
		cache_create(c, conf, mem->addr) != 0)
		fail("cache_create");
}

static void setup(struct bench *b)
{
	uint64_t item = item_bytes_of(KEY_LEN, b->wl.val_len);
	struct cache_conf conf = {.arena_bytes = item * b->wl.keys * 2 + (64 << 20),
		.segment_bytes = 1 << 20,
		.index_items = b->wl.keys};
	struct rte_hash_parameters hp = {.name = "bench",
		.entries = b->wl.keys + b->wl.keys / 4,
		.key_len = KEY_LEN,
		.hash_func = rte_jhash,
		.socket_id = SOCKET_ID_ANY,
		.extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF |
			      RTE_HASH_EXTRA_FLAGS_MULTI_WRITER_ADD};
	size_t bytes = ROUND_UP((size_t)b->wl.keys * b->wl.val_len, (size_t)2 << 20);

	open_weir(&conf, &b->mem, &b->cache);
	fill_weir(b->cache, b->wl.keys, b->wl.val_len);
	b->hash = rte_hash_create(&hp);
	b->values = aligned_alloc(2 << 20, bytes);
	if (b->hash == NULL || b->values == NULL)
		fail("no memory for rte_hash");
	memset(b->values, 1, bytes);
	for (uint32_t i = 0; i < b->wl.keys; i++)
		if (rte_hash_add_key_data(b->hash, key_bytes[i], (void *)(uintptr_t)(i + 1)) != 0)
			fail("rte_hash_add_key_data");
	for (uint32_t t = 0; t < b->wl.threads; t++) {
		b->order[t] = malloc(b->ops * sizeof(**b->order));
		if (b->order[t] == NULL)
			fail("no memory for the order");
		order_make(b->order[t], b->ops, &b->wl, 7 + t);
	}
}

static void teardown(struct bench *b)
{
	for (uint32_t t = 0; t < b->wl.threads; t++)
		free(b->order[t]);
	rte_hash_free(b->hash);
	free(b->values);
	cache_destroy(b->cache);
	cache_mem_unmap(&b->mem);
}

/* Returns millions of operations a second. single: what one worker had, for the scaling. */
static double one_workload(const struct workload *wl, uint32_t ops, uint32_t rounds, double single)
{
	struct bench b = {.wl = *wl, .ops = ops};
	double c[PEERS][MAX_ROUNDS], m[PEERS], mops, mhz = (double)clock_scale.tsc_hz / 1e6;
	char name[96];

	setup(&b);
	for (uint32_t r = 0; r < rounds; r++)
		for (int p = 0; p < PEERS; p++)
			c[p][r] = one_round(&b, (enum peer)p);
	teardown(&b);
	for (int p = 0; p < PEERS; p++) {
		qsort(c[p], rounds, sizeof(double), by_double);
		m[p] = c[p][rounds / 2];
	}
	mops = mhz / m[WEIR] * wl->threads;
	snprintf(name, sizeof(name), "%s %uB %s %u%% reads %u worker%s", wl->set, wl->val_len,
		wl->zipf ? "zipf" : "uniform", wl->read_percent, wl->threads,
		wl->threads > 1 ? "s" : "");
	printf("%-42s %8.1f %8.1f %8.1f %8.1f %8.2f %8.2f", name, m[WEIR], m[WEIR_SINGLE],
		m[RTE_HASH], m[MEMCPY], mops, m[RTE_HASH] / m[WEIR]);
	for (int p = WEIR_SINGLE; p < PEERS; p++)
		row(name, "cycles per operation", m[WEIR], "cycles", peer_name[p], m[p],
			m[p] / m[WEIR]);
	row(name, "operations a second", mops, "M/s", peer_name[RTE_HASH],
		mhz / m[RTE_HASH] * wl->threads, m[RTE_HASH] / m[WEIR]);
	if (wl->threads > 1) {
		printf("  x%.2f", mops / single);
		row(name, "scaling", mops, "M/s", "one worker", single, mops / single);
	}
	printf("\n");
	fflush(stdout);
	return mops;
}

/* What the cache adds to keys and values when it holds as many as its index is made for. */
static void overhead(void)
{
	struct cache_conf conf = {
		.arena_bytes = 128 << 20, .segment_bytes = 1 << 18, .index_items = MAX_KEYS};
	struct cache_usage u;
	struct cache_mem mem;
	struct cache *c;
	double n, item, index, ctl, all;

	open_weir(&conf, &mem, &c);
	fill_weir(c, MAX_KEYS, 64);
	cache_usage(c, &u);
	n = (double)u.items;
	item = (double)u.item_bytes / n - KEY_LEN - 64;
	index = (double)c->geo.index_bytes / n;
	ctl = (double)c->geo.ctl_bytes / n;
	all = item + index + ctl;
	printf("\noverhead with %.0f items of %d + 64 bytes: header and padding %.1f, index %.1f, "
	       "ghosts and segments %.1f: %.1f bytes an item\n",
		n, KEY_LEN, item, index, ctl, all);
	row("64B values", "overhead", all, "bytes/item", "target", 40, 40 / all);
	cache_destroy(c);
	cache_mem_unmap(&mem);
}

static void start_eal(void)
{
	static char arg[][24] = {"bench_cache", "--no-huge", "--no-pci", "--no-shconf", "-m512",
		"-l0", "--log-level=1"};
	char *argv[ARRAY_SIZE(arg) + 1] = {NULL};

	for (size_t i = 0; i < ARRAY_SIZE(arg); i++)
		argv[i] = arg[i];
	if (rte_eal_init(ARRAY_SIZE(arg), argv) < 0)
		fail("rte_eal_init");
	clock_calibrate(rte_get_tsc_hz());
}

static void both_workers(struct workload wl, uint32_t ops, uint32_t rounds)
{
	double single;

	wl.threads = 1;
	single = one_workload(&wl, ops, rounds, 0);
	wl.threads = 2;
	one_workload(&wl, ops, rounds, single);
}

int main(int argc, char **argv)
{
	const char *env = getenv("QUICK"), *path = NULL;
	bool quick = env != NULL && env[0] == '1';
	uint32_t rounds, ops;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			quick = true;
		else if (strcmp(argv[i], "--json") != 0)
			path = argv[i];
	}
	rounds = quick ? 3 : 7;
	ops = quick ? 640000 : 1280000;
	if (path != NULL) {
		json = fopen(path, "w");
		if (json == NULL)
			fail("cannot write the JSON file");
		fprintf(json, "[");
	}
	start_eal();
	keys_make();
	printf("cycles of CPU time per operation, medians of %u rounds\n", rounds);
	printf("%-42s %8s %8s %8s %8s %8s %8s\n", "", "weir", "single", "rte_hash", "memcpy",
		"weir M/s", "ratio");
	for (uint32_t i = 0; i < (quick ? 9u : 16u); i++) {
		bool memory = i >= 8, big = (i & 1) != 0, zipf = (i & 2) != 0;
		struct workload wl = {.keys = !memory ? 20000
					      : big   ? MAX_KEYS / 5
						      : MAX_KEYS,
			.val_len = big ? 1024 : 64,
			.read_percent = (i & 4) != 0 ? 95 : 100,
			.zipf = zipf,
			.set = memory ? "memory" : "cached"};

		both_workers(wl, ops, rounds);
	}
	overhead();
	if (json != NULL) {
		fprintf(json, "\n]\n");
		fclose(json);
	}
	return 0;
}
