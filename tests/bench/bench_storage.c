/* SPDX-License-Identifier: Apache-2.0
 * Storage: reads of data larger than the block cache, with O_DIRECT, and group commit.
 *
 *	bench_storage [--quick] [--json FILE] [--dir FOLDER]
 *
 * Reads: one table file on the disk is opened three times, read-only, with a block cache each. One
 * thread reads batches of random keys: through io_uring (MultiGet), as a loop of RocksDB's Get with
 * pread, and as MultiGet with pread. The three are interleaved batch by batch, each with keys of
 * its own, and medians are compared. The device's limit is what a bare loop gets that keeps 64
 * random 4 KiB reads in flight on the same file, in the same run.
 * Store: the same data behind the whole store, 1 to 4 reader threads, 512 reads in flight.
 * Commit: 1, 16, 64 and 256 writers that each wait for an fsync of their own write. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "storage/file.h"
#include "storage/manifest.h"
#include "storage/rocks.h"
#include "tests/support/bench.h"
#include "tests/support/store_util.h"

#define MAX_BATCH    256
#define MAX_ROUNDS   8192
#define DEPTH        64
#define CACHE_BYTES  (8 << 20)
#define VALUE_MAX    1000
#define STORE_ROUNDS 25

static uint32_t keys;
static char dir[FILE_PATH_MAX];

static void die(const char *what, const char *why)
{
	fprintf(stderr, "bench_storage: %s: %s\n", what, why);
	exit(1);
}

static uint64_t cpu_ns(int who)
{
	struct rusage u;

	(void)getrusage(who, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_SEC +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * NS_PER_US;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(double *v, uint32_t n, double q)
{
	qsort(v, n, sizeof(v[0]), compare);
	return v[(uint32_t)((double)(n - 1) * q)];
}

/* peer NULL: none. */
static void row(const char *name, const char *metric, double value, const char *unit,
	const char *peer, double peer_value, bool lower_is_better)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "%s: %s", name, metric);
	bench_row(&(struct bench_row){.name = text,
		.metric = metric,
		.unit = unit,
		.value = value,
		.peer = peer,
		.peer_value = peer_value,
		.lower_is_better = lower_is_better});
}

/* ---- the data ---- */

static void no_error(void *ctx, int severity, bool no_space, bool corruption, const char *text)
{
	(void)ctx;
	(void)severity;
	(void)no_space;
	(void)corruption;
	die("database", text);
}

static void no_stall(void *ctx, enum uring_fs_stall now)
{
	(void)ctx;
	(void)now;
}

static void no_flush(void *ctx, uint64_t bytes)
{
	(void)ctx;
	(void)bytes;
}

static void no_compact(void *ctx, uint64_t a, uint64_t b)
{
	(void)ctx;
	(void)a;
	(void)b;
}

static void no_log(void *ctx, int level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static bool no_drop(void *ctx, const char *k, size_t k_len, const char *v, size_t v_len)
{
	(void)ctx;
	(void)k;
	(void)k_len;
	(void)v;
	(void)v_len;
	return false;
}

static const struct uring_fs_events events = {
	NULL, no_error, no_stall, no_flush, no_compact, no_log, no_drop};

/* As the store encodes it, so that the store can open the same database. */
static struct rocks_slice key_of(uint32_t i, uint8_t out[32])
{
	char text[24];
	struct codec_key k = {.space = CODEC_KEY,
		.key = (const uint8_t *)text,
		.key_len = (uint16_t)snprintf(text, sizeof(text), "user:%010u", i)};

	return (struct rocks_slice){out, codec_key_encode(&k, out)};
}

static uint32_t value_of(uint32_t i, uint8_t out[CODEC_HEADER_MAX + VALUE_MAX])
{
	struct codec_record rec = {.type = CODEC_STRING, .version = i + 1};
	uint32_t n = (uint32_t)codec_header_encode(&rec, out);
	struct rng rng;
	uint32_t len;

	rng_seed(&rng, i);
	len = 100 + (uint32_t)rng_below(&rng, VALUE_MAX - 100 - 8);
	for (uint32_t k = 0; k < len; k += 8) {
		uint64_t w = rng_next(&rng);

		memcpy(out + n + k, &w, sizeof(w));
	}
	return n + len;
}

static struct rocks *open_db(bool uring, bool read_only, const char *path, struct rocks_env **env)
{
	struct rocks_env_params ep = {
		.block_cache_bytes = CACHE_BYTES, .background_threads = 2, .use_uring = uring};
	struct rocks_params p = {.memtable_bytes = 64 << 20,
		.target_file_bytes = UINT64_C(4) << 30,
		.direct_io = uring_fs_direct_works(dir),
		.manual_compaction = true,
		.read_only = read_only};
	struct rocks *db;
	char err[ROCKS_ERR];

	*env = rocks_env_create(&ep);
	if (*env == NULL || rocks_open(*env, &p, &events, path, &db, err) != 0)
		die(path, err);
	return db;
}

static void build_data(const char *path)
{
	static uint8_t val[CODEC_HEADER_MAX + VALUE_MAX + 8];
	struct rocks_batch *b = rocks_batch_create();
	struct rocks_env *env;
	struct rocks *db = open_db(false, false, path, &env);
	char err[ROCKS_ERR];
	uint8_t key[32];

	for (uint32_t i = 0; i < keys; i++) {
		rocks_batch_put(b, key_of(i, key), (struct rocks_slice){NULL, 0},
			(struct rocks_slice){val, value_of(i, val)});
		if (i % 1000 == 999 || i + 1 == keys) {
			if (rocks_write(db, b, ROCKS_NO_LOG, err) != 0)
				die("fill", err);
			rocks_batch_clear(b);
		}
	}
	if (rocks_flush(db, err) != 0)
		die("flush", err);
	rocks_compact(db);
	rocks_batch_destroy(b);
	rocks_close(db);
	rocks_env_destroy(env);
}

static int find_table(void *ctx, const char *rel, uint64_t bytes)
{
	size_t n = strlen(rel);

	if (n > 4 && strcmp(rel + n - 4, ".sst") == 0 && bytes > 16 << 20) {
		(void)snprintf(ctx, FILE_PATH_MAX, "%s", rel);
		return 1;
	}
	return 0;
}

/* ---- the device ---- */

struct device {
	struct io_uring ring;
	uint8_t *buf;
	int fd;
	uint64_t blocks;
	struct rng rng;
};

static void device_open(struct device *d, const char *path)
{
	char rel[FILE_PATH_MAX], full[2 * FILE_PATH_MAX];

	if (file_walk(path, find_table, rel) != 1)
		die(path, "no table");
	(void)snprintf(full, sizeof(full), "%s/%s", path, rel);
	d->fd = open(full, O_RDONLY | O_DIRECT);
	if (d->fd < 0 || io_uring_queue_init(DEPTH, &d->ring, 0) != 0)
		die(full, strerror(errno));
	d->buf = aligned_alloc(4096, DEPTH * 4096);
	d->blocks = (uint64_t)lseek(d->fd, 0, SEEK_END) / 4096;
	rng_seed(&d->rng, 99);
}

static void device_ask(struct device *d, uint64_t slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&d->ring);

	io_uring_prep_read(
		sqe, d->fd, d->buf + slot * 4096, 4096, rng_below(&d->rng, d->blocks) * 4096);
	sqe->user_data = slot;
}

/* n reads with DEPTH in flight all the time; reads a second. */
static double device_run(struct device *d, uint32_t n)
{
	uint64_t start = clock_now_ns();
	uint32_t asked = 0, done = 0;

	for (; asked < DEPTH; asked++)
		device_ask(d, asked);
	while (done < n) {
		struct io_uring_cqe *cqe;

		(void)io_uring_submit_and_wait(&d->ring, 1);
		while (io_uring_peek_cqe(&d->ring, &cqe) == 0) {
			uint64_t slot = cqe->user_data;

			if (cqe->res != 4096)
				die("device read", strerror(-cqe->res));
			io_uring_cqe_seen(&d->ring, cqe);
			done++;
			if (asked < n) {
				device_ask(d, slot);
				asked++;
			}
		}
	}
	return n * 1e9 / (double)(clock_now_ns() - start);
}

/* ---- reads, one thread ---- */

typedef void (*get_fn)(struct rocks *, struct rocks_snapshot *, uint32_t,
	const struct rocks_slice *, struct rocks_result *);

struct reader {
	const char *name;
	get_fn get;
	struct rocks *db;
	struct rocks_env *env;
	struct rng rng;
	double us[MAX_ROUNDS];
	uint64_t cpu;
};

static void read_batch(struct reader *r, uint32_t batch, uint32_t round)
{
	static uint8_t text[MAX_BATCH][32];
	struct rocks_slice k[MAX_BATCH];
	struct rocks_result res[MAX_BATCH];
	uint64_t start, cpu;

	for (uint32_t i = 0; i < batch; i++)
		k[i] = key_of((uint32_t)rng_below(&r->rng, keys), text[i]);
	cpu = cpu_ns(RUSAGE_THREAD);
	start = clock_now_ns();
	r->get(r->db, NULL, batch, k, res);
	r->us[round] = (double)(clock_now_ns() - start) / 1e3;
	r->cpu += cpu_ns(RUSAGE_THREAD) - cpu;
	for (uint32_t i = 0; i < batch; i++)
		if (res[i].status != 0 || res[i].val.len < 110)
			die("read", "a key is missing");
	rocks_release(res, batch);
}

static void read_case(struct reader *r, struct device *d, uint32_t batch, uint32_t rounds)
{
	static double device[MAX_ROUNDS];
	double per_s[3], cpu[3], limit;
	struct uring_fs_counts a, b;
	char name[64];
	uint32_t device_rounds = 0;

	uring_fs_get_counts(rocks_env_fs(r[0].env), &a);
	for (int i = 0; i < 3; i++)
		r[i].cpu = 0;
	for (uint32_t n = 0; n < rounds; n++) {
		for (int i = 0; i < 3; i++)
			read_batch(&r[i], batch, n);
		if (n % 16 == 0)
			device[device_rounds++] = device_run(d, 1024);
	}
	uring_fs_get_counts(rocks_env_fs(r[0].env), &b);
	for (int i = 0; i < 3; i++) {
		per_s[i] = batch * 1e6 / quantile(r[i].us, rounds, 0.5);
		cpu[i] = (double)r[i].cpu / 1e3 / rounds / batch;
	}
	limit = quantile(device, device_rounds, 0.5);
	if (b.multi_reqs == a.multi_reqs)
		printf("io_uring was refused: every line below is pread\n");
	(void)snprintf(name, sizeof(name), "read, batch %u", batch);
	row(name, "throughput", per_s[0], "keys/s", r[1].name, per_s[1], false);
	row(name, "throughput", per_s[0], "keys/s", r[2].name, per_s[2], false);
	row(name, "throughput", per_s[0], "keys/s", "device limit", limit, false);
	row(name, "CPU", cpu[0], "us/key", r[1].name, cpu[1], true);
	row(name, "p99", quantile(r[0].us, rounds, 0.99), "us", r[1].name,
		quantile(r[1].us, rounds, 0.99), true);
	row(name, "reads a call",
		(double)(b.multi_reqs - a.multi_reqs) / (double)(b.multi_reads - a.multi_reads + 1),
		"reads", NULL, 0, false);
}

static void bench_reads(const char *path, bool quick)
{
	static struct reader r[3] = {{.name = "posix Get loop", .get = rocks_get_each},
		{.name = "posix Get loop", .get = rocks_get_each},
		{.name = "posix MultiGet", .get = rocks_multi_get}};
	static const uint32_t batches[] = {16, 64, 256};
	struct device d;

	r[0].name = "io_uring MultiGet";
	r[0].get = rocks_multi_get;
	device_open(&d, path);
	for (int i = 0; i < 3; i++) {
		r[i].db = open_db(i == 0, true, path, &r[i].env);
		rng_seed(&r[i].rng, (uint64_t)i + 1);
		for (uint32_t n = 0; n < 16; n++)
			read_batch(&r[i], 64, n);
	}
	(void)device_run(&d, 1024);
	for (size_t i = 0; i < ARRAY_SIZE(batches); i++)
		read_case(r, &d, batches[i], (quick ? 20000 : 80000) / batches[i]);
	for (int i = 0; i < 3; i++) {
		rocks_close(r[i].db);
		rocks_env_destroy(r[i].env);
	}
	io_uring_queue_exit(&d.ring);
	close(d.fd);
	free(d.buf);
}

/* ---- the whole store ---- */

static void fill_read(struct store_req *r, struct rng *rng, char *key, uint8_t *out)
{
	r->kind = STORE_READ;
	r->one.key = (struct codec_key){.space = CODEC_KEY,
		.key = (uint8_t *)key,
		.key_len =
			(uint16_t)snprintf(key, 24, "user:%010u", (uint32_t)rng_below(rng, keys))};
	r->one.out = out;
	r->one.out_cap = VALUE_MAX + 8;
}

/* Keeps `depth` requests of a kind in flight until n are done; operations a second. */
static double drive(struct test_store *t, uint32_t depth, uint32_t n,
	void (*fill)(struct store_req *, struct rng *, char *, uint8_t *))
{
	static char key[512][24];
	static uint8_t buf[512][VALUE_MAX + 8];
	static struct rng rng = {7};
	uint32_t unused[512], unused_cnt = 0, asked = 0, done = 0;
	uint64_t start = clock_now_ns();

	for (uint32_t i = 0; i < depth; i++)
		unused[unused_cnt++] = i;
	while (done < n) {
		struct store_req *back[64];
		uint32_t got;

		while (asked < n && unused_cnt > 0) {
			struct store_req *r = store_req_get(t->c);
			uint32_t slot = unused[--unused_cnt];

			r->cookie = slot;
			fill(r, &rng, key[slot], buf[slot]);
			if (store_submit(t->c, r, clock_now_ns()) != 0)
				die("submit", "refused");
			asked++;
		}
		store_flush(t->c);
		while ((got = store_poll(t->c, back, ARRAY_SIZE(back))) == 0)
			sched_yield();
		for (uint32_t i = 0; i < got; i++) {
			if (back[i]->status != 0)
				die("operation", store_error_text(back[i]->status));
			unused[unused_cnt++] = (uint32_t)back[i]->cookie;
			store_req_put(t->c, back[i]);
		}
		done += got;
	}
	return n * 1e9 / (double)(clock_now_ns() - start);
}

static void open_store(struct test_store *t, uint32_t readers)
{
	store_params_init(&t->p);
	t->p.dir = dir;
	t->p.ns = (const struct store_ns_params[]){{"bench", STORE_ALWAYS}};
	t->p.ns_cnt = 1;
	t->p.reader_cnt = readers;
	t->p.block_cache_bytes = CACHE_BYTES;
	t->p.compress = false;
	t->p.ballast_bytes = 0;
	t->p.low_space_bytes = 1 << 20;
	t->p.read_batch = 64;
	if (test_store_open(t) != 0)
		die("store", t->err);
}

static void bench_store_reads(const char *path, bool quick)
{
	struct test_store t;
	struct device d;

	device_open(&d, path);
	for (uint32_t readers = 1; readers <= 4; readers *= 2) {
		double v[STORE_ROUNDS], lim[STORE_ROUNDS];
		uint64_t cpu = 0;
		char name[64];
		uint32_t n = quick ? 1500 : 5000;

		memset(&t, 0, sizeof(t));
		open_store(&t, readers);
		(void)drive(&t, 512, 2000, fill_read);
		for (int i = 0; i < STORE_ROUNDS; i++) {
			cpu -= cpu_ns(RUSAGE_SELF);
			v[i] = drive(&t, 512, n, fill_read);
			cpu += cpu_ns(RUSAGE_SELF);
			lim[i] = device_run(&d, n / 2);
		}
		(void)snprintf(
			name, sizeof(name), "store, %u reader%s", readers, readers == 1 ? "" : "s");
		row(name, "throughput", quantile(v, STORE_ROUNDS, 0.5), "keys/s", "device limit",
			quantile(lim, STORE_ROUNDS, 0.5), false);
		row(name, "CPU", (double)cpu / 1e3 / STORE_ROUNDS / n, "us/key", NULL, 0, true);
		test_store_close(&t);
	}
	io_uring_queue_exit(&d.ring);
	close(d.fd);
	free(d.buf);
}

static void fill_write(struct store_req *r, struct rng *rng, char *key, uint8_t *buf)
{
	r->kind = STORE_WRITE;
	r->one.op = STORE_PUT;
	r->one.type = CODEC_STRING;
	r->one.key = (struct codec_key){.space = CODEC_KEY,
		.key = (uint8_t *)key,
		.key_len =
			(uint16_t)snprintf(key, 24, "new:%010u", (uint32_t)rng_below(rng, keys))};
	r->one.value = buf;
	r->one.value_len = 100;
}

static void bench_commits(bool quick)
{
	static const uint32_t writers[] = {1, 16, 64, 256};
	static double us[4][64];
	struct test_store t;
	uint32_t rounds = quick ? 11 : 31;

	memset(&t, 0, sizeof(t));
	open_store(&t, 1);
	for (uint32_t r = 0; r < rounds; r++)
		for (int i = 0; i < 4; i++) {
			uint32_t n = writers[i] == 1 ? 60 : writers[i] * 12;

			us[i][r] = 1e6 / drive(&t, writers[i], n, fill_write);
		}
	for (int i = 0; i < 4; i++) {
		char name[64];

		(void)snprintf(
			name, sizeof(name), "commit, %u writer%s", writers[i], i == 0 ? "" : "s");
		row(name, "time a write", quantile(us[i], rounds, 0.5), "us",
			i == 0 ? NULL : "1 writer", quantile(us[0], rounds, 0.5), true);
	}
	test_store_close(&t);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"quick", no_argument, NULL, 'q'},
		{"json", required_argument, NULL, 'j'}, {"dir", required_argument, NULL, 'd'},
		{NULL, 0, NULL, 0}};
	char base[TMPDIR_MAX], path[FILE_PATH_MAX + 16];
	bool quick = false;
	int opt;

	base[0] = '\0';
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'q')
			quick = true;
		else if (opt == 'j')
			bench_json_open(optarg);
		else if (opt == 'd')
			(void)snprintf(dir, sizeof(dir), "%s", optarg);
		else
			return 2;
	}
	if (dir[0] == '\0') {
		tmpdir_make(base);
		(void)snprintf(dir, sizeof(dir), "%s", base);
	}
	log_set_level(LOG_ERROR);
	test_clock_init();
	keys = quick ? 250000 : 800000;
	manifest_shard_dir(dir, 0, 0, path, sizeof(path));
	build_data(path);
	printf("%u keys of 100 to %u bytes, block cache %u MiB, O_DIRECT %s\n", keys, VALUE_MAX,
		CACHE_BYTES >> 20, uring_fs_direct_works(dir) ? "on" : "not possible here");
	bench_title("Reads of one thread, interleaved");
	bench_reads(path, quick);
	bench_title("Reads and writes through the store");
	bench_store_reads(path, quick);
	bench_commits(quick);
	bench_json_close();
	tmpdir_remove(base);
	return 0;
}
