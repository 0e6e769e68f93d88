/* SPDX-License-Identifier: Apache-2.0
 * The file system below RocksDB: that the rings do the work, that every other path gives the same
 * bytes, and that a failure stays where it happened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cmocka.h>

#include "dataplane/base/rng.h"
#include "storage/rocks.h"
#include "tests/support/tmpdir.h"

/* A ring is broken from inside. */
#include "storage/uring_io.c"

#define KEYS  4000
#define BATCH 64

static char dir[TMPDIR_MAX];
static struct rocks_env *env;
static struct rocks *db;
static char err[ROCKS_ERR];
static uint32_t errors_seen;

static void on_error(void *ctx, int severity, bool no_space, bool corruption, const char *text)
{
	(void)ctx;
	(void)severity;
	(void)no_space;
	(void)corruption;
	(void)text;
	errors_seen++;
}

static void on_stall(void *ctx, enum uring_fs_stall now)
{
	(void)ctx;
	(void)now;
}

static void on_flushed(void *ctx, uint64_t bytes)
{
	(void)ctx;
	(void)bytes;
}

static void on_compacted(void *ctx, uint64_t in_bytes, uint64_t out_bytes)
{
	(void)ctx;
	(void)in_bytes;
	(void)out_bytes;
}

static void on_log(void *ctx, int level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

static bool on_drop(void *ctx, const char *key, size_t key_len, const char *val, size_t val_len)
{
	(void)ctx;
	(void)key;
	(void)key_len;
	(void)val;
	(void)val_len;
	return false;
}

static const struct uring_fs_events events = {
	NULL, on_error, on_stall, on_flushed, on_compacted, on_log, on_drop};

static void open_db(bool uring)
{
	struct rocks_env_params ep = {
		.block_cache_bytes = 64 << 10, .background_threads = 1, .use_uring = uring};
	struct rocks_params p = {.memtable_bytes = 8 << 20,
		.target_file_bytes = 64 << 20,
		.manual_compaction = true,
		.direct_io = uring_fs_direct_works(dir)};

	env = rocks_env_create(&ep);
	assert_non_null(env);
	assert_int_equal(rocks_open(env, &p, &events, dir, &db, err), 0);
}

static void close_db(void)
{
	rocks_close(db);
	rocks_env_destroy(env);
	db = NULL;
	env = NULL;
}

/* The value of key i: its number, then 100 to 3,000 bytes that depend on it. */
static uint32_t value_of(uint32_t i, uint8_t *out)
{
	struct rng r;
	uint32_t n;

	rng_seed(&r, i);
	n = 100 + (uint32_t)rng_below(&r, 2900);
	for (uint32_t k = 0; k < n; k++)
		out[k] = (uint8_t)(i + k * 7);
	memcpy(out, &i, sizeof(i));
	return n;
}

static struct rocks_slice slice(const void *p, size_t n)
{
	return (struct rocks_slice){p, n};
}

static void fill(void)
{
	struct rocks_batch *b = rocks_batch_create();
	static uint8_t val[4096];

	for (uint32_t i = 0; i < KEYS; i++) {
		char key[16];
		int n = snprintf(key, sizeof(key), "key%06u", i);

		rocks_batch_put(
			b, slice(key, (size_t)n), slice(NULL, 0), slice(val, value_of(i, val)));
		if (i % 100 == 99) {
			assert_int_equal(rocks_write(db, b, 0, err), 0);
			rocks_batch_clear(b);
		}
	}
	rocks_batch_destroy(b);
	assert_int_equal(rocks_flush(db, err), 0);
}

static int setup(void **state)
{
	(void)state;
	errors_seen = 0;
	tmpdir_make(dir);
	open_db(true);
	fill();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close_db();
	tmpdir_remove(dir);
	return 0;
}

/* One batch of random keys, a tenth of them missing; returns how many failed with -EIO. */
static uint32_t read_batch(
	struct rng *rng, void (*get)(struct rocks *, struct rocks_snapshot *, uint32_t,
				 const struct rocks_slice *, struct rocks_result *))
{
	static _Thread_local uint8_t want[4096];
	struct rocks_slice keys[BATCH];
	struct rocks_result res[BATCH];
	char text[BATCH][16];
	uint32_t id[BATCH], failed = 0;

	for (uint32_t i = 0; i < BATCH; i++) {
		id[i] = (uint32_t)rng_below(rng, KEYS + KEYS / 10);
		keys[i] = slice(
			text[i], (size_t)snprintf(text[i], sizeof(text[i]), "key%06u", id[i]));
	}
	get(db, NULL, BATCH, keys, res);
	for (uint32_t i = 0; i < BATCH; i++) {
		if (res[i].status == -EIO) {
			failed++;
		} else if (id[i] >= KEYS) {
			assert_int_equal(res[i].status, -ENOENT);
		} else {
			uint32_t n = value_of(id[i], want);

			assert_int_equal(res[i].status, 0);
			assert_int_equal(res[i].val.len, n);
			assert_memory_equal(res[i].val.data, want, n);
		}
	}
	rocks_release(res, BATCH);
	return failed;
}

static void batches_go_through_the_ring_and_match_single_reads(void **state)
{
	struct uring_fs_counts a, b;
	struct rng rng;
	int rc = uring_fs_self_check(rocks_env_fs(env), dir);

	(void)state;
	if (rc == -ENOSYS)
		skip(); /* the kernel refuses io_uring here */
	assert_int_equal(rc, 0);
	rng_seed(&rng, 1);
	uring_fs_get_counts(rocks_env_fs(env), &a);
	for (int i = 0; i < 50; i++)
		assert_int_equal(read_batch(&rng, rocks_multi_get), 0);
	uring_fs_get_counts(rocks_env_fs(env), &b);
	assert_true(b.multi_reads > a.multi_reads);
	assert_true(b.multi_reqs - a.multi_reqs > 2 * (b.multi_reads - a.multi_reads));
	assert_int_equal(b.fallback_reqs, 0);
	assert_int_equal(b.read_errors, 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(read_batch(&rng, rocks_get_each), 0);
	uring_fs_get_counts(rocks_env_fs(env), &a);
	assert_int_equal(a.multi_reads, b.multi_reads);
	assert_true(a.single_reads > b.single_reads);
}

static void switched_off_it_reads_the_same(void **state)
{
	struct uring_fs_counts c;
	struct rng rng;

	(void)state;
	close_db();
	open_db(false);
	assert_int_equal(uring_fs_self_check(rocks_env_fs(env), dir), -ENOSYS);
	rng_seed(&rng, 2);
	for (int i = 0; i < 20; i++)
		assert_int_equal(read_batch(&rng, rocks_multi_get), 0);
	uring_fs_get_counts(rocks_env_fs(env), &c);
	assert_int_equal(c.multi_reads, 0);
	assert_int_equal(c.rings, 0);
	assert_true(c.fallback_reqs > 0);
}

/* As a container does: the system call answers EPERM. */
static void forbid_io_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {ARRAY_SIZE(code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
		_exit(9);
}

/* Runs in the child alone: the parent has never opened RocksDB there. */
static int refused_child(void)
{
	struct uring_fs_counts c;
	struct rng rng;

	forbid_io_uring();
	tmpdir_make(dir);
	open_db(true);
	fill();
	if (uring_fs_self_check(rocks_env_fs(env), dir) != -ENOSYS)
		return 2;
	rng_seed(&rng, 3);
	for (int i = 0; i < 10; i++)
		if (read_batch(&rng, rocks_multi_get) != 0)
			return 3;
	uring_fs_get_counts(rocks_env_fs(env), &c);
	close_db();
	tmpdir_remove(dir);
	if (c.rings != 0 || c.rings_refused == 0 || c.fallback_reqs == 0 || c.multi_reads != 0)
		return 4;
	return 0;
}

static void a_kernel_that_refuses_rings_is_survived(void **state)
{
	int status = -1;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(refused_child());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void one_failed_request_fails_one_read(void **state)
{
	struct uring_fs *fs = rocks_env_fs(env);
	uint32_t failed = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 4);
	for (int i = 0; i < 30; i++) {
		uring_fs_inject(fs, URING_FS_READ, (uint32_t)rng_below(&rng, 8), 1, EIO);
		uint32_t n = read_batch(&rng, rocks_multi_get);

		/* Neighbours in the same block share its fate. */
		assert_true(n <= 4);
		failed += n;
		uring_fs_inject(fs, URING_FS_READ, 0, 0, 0);
		assert_int_equal(read_batch(&rng, rocks_multi_get), 0);
	}
	assert_true(failed >= 20);
}

static uint32_t open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	uint32_t n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void *read_some(void *arg)
{
	struct rng rng;

	rng_seed(&rng, (uint64_t)(uintptr_t)arg);
	for (int i = 0; i < 3; i++)
		read_batch(&rng, rocks_multi_get);
	return NULL;
}

static void rings_end_with_their_thread(void **state)
{
	uint32_t before = open_fds();
	struct uring_fs_counts c;

	(void)state;
	for (uintptr_t round = 0; round < 20; round++) {
		pthread_t t[4];

		for (uintptr_t i = 0; i < 4; i++)
			assert_int_equal(
				pthread_create(&t[i], NULL, read_some, (void *)(round * 4 + i)), 0);
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
	}
	uring_fs_get_counts(rocks_env_fs(env), &c);
	if (c.rings_refused == 0)
		assert_true(c.rings >= 80);
	assert_int_equal(open_fds(), before);
}

/* A scan's read-aheads are in flight while batches run on the same thread. */
static void scans_and_batches_of_one_thread_do_not_mix(void **state)
{
	static uint8_t want[4096];
	struct rocks_iter *it =
		rocks_iter_create(db, NULL, slice("key", 3), slice("kez", 3), false);
	struct uring_fs_counts c;
	struct rng rng;
	uint32_t n = 0;

	(void)state;
	rng_seed(&rng, 5);
	assert_non_null(it);
	for (; rocks_iter_valid(it); rocks_iter_next(it), n++) {
		struct rocks_slice v = rocks_iter_val(it);

		assert_int_equal(v.len, value_of(n, want));
		assert_memory_equal(v.data, want, v.len);
		if (n % 10 == 0)
			assert_int_equal(read_batch(&rng, rocks_multi_get), 0);
	}
	assert_int_equal(rocks_iter_status(it, err), 0);
	assert_int_equal(n, KEYS);
	/* One more that is dropped with reads still in flight. */
	rocks_iter_destroy(it);
	for (int i = 0; i < 20; i++) {
		it = rocks_iter_create(db, NULL, slice("key", 3), slice("kez", 3), i % 2 == 1);
		for (uint32_t k = 0; k < 300 + (uint32_t)i * 20; k++)
			rocks_iter_next(it);
		assert_true(rocks_iter_valid(it));
		rocks_iter_destroy(it);
	}
	uring_fs_get_counts(rocks_env_fs(env), &c);
	if (c.rings_refused == 0)
		assert_true(c.async_reads > 0);
}

static int put(const char *key, unsigned how)
{
	struct rocks_batch *b = rocks_batch_create();
	int rc;

	rocks_batch_put(b, slice(key, strlen(key)), slice("h", 1), slice("body", 4));
	rc = rocks_write(db, b, how, err);
	rocks_batch_destroy(b);
	return rc;
}

static void a_failed_log_sync_latches_and_reads_go_on(void **state)
{
	struct uring_fs_counts a, b;
	struct rng rng;

	(void)state;
	uring_fs_get_counts(rocks_env_fs(env), &a);
	assert_int_equal(put("a", ROCKS_SYNC), 0);
	uring_fs_get_counts(rocks_env_fs(env), &b);
	assert_true(b.log_syncs > a.log_syncs);
	uring_fs_inject(rocks_env_fs(env), URING_FS_LOG_SYNC, 0, 1, EIO);
	assert_int_equal(put("b", ROCKS_SYNC), -EIO);
	assert_int_equal(put("c", ROCKS_SYNC), -EIO);
	assert_true(errors_seen > 0);
	rng_seed(&rng, 6);
	assert_int_equal(read_batch(&rng, rocks_multi_get), 0);
	close_db();
	open_db(true);
	assert_int_equal(put("c", ROCKS_SYNC), 0);
	assert_int_equal(read_batch(&rng, rocks_multi_get), 0);
}

static void no_space_for_tables_keeps_logs_going(void **state)
{
	(void)state;
	uring_fs_inject(rocks_env_fs(env), URING_FS_DATA_WRITE, 0, UINT32_MAX, ENOSPC);
	assert_int_equal(put("a", ROCKS_SYNC), 0);
	assert_int_equal(rocks_flush(db, err), -ENOSPC);
	uring_fs_inject(rocks_env_fs(env), URING_FS_DATA_WRITE, 0, 0, 0);
	assert_int_equal(rocks_resume(db, err), 0);
	assert_int_equal(put("b", ROCKS_SYNC), 0);
	assert_int_equal(rocks_flush(db, err), 0);
}

/* ---- the half in C, without RocksDB ---- */

#define FILE_BYTES 300123 /* no whole number of blocks */
#define AHEAD_LEN  512

struct io_rig {
	struct uring_io *io;
	struct uring_io_file f;
	uint8_t *buf; /* URING_FS_DEPTH requests of two blocks */
};
#define REQ_MAX (2 * URING_IO_ALIGN)

static uint8_t byte_at(uint64_t off)
{
	return (uint8_t)(off * 31 + (off >> 11));
}

static void rig_open(struct io_rig *r, bool uring)
{
	char path[FILE_PATH_MAX];
	FILE *f;

	tmpdir_make(dir);
	(void)snprintf(path, sizeof(path), "%s/file", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	for (uint64_t i = 0; i < FILE_BYTES; i++)
		assert_int_not_equal(fputc(byte_at(i), f), EOF);
	assert_int_equal(fclose(f), 0);
	r->io = uring_io_create(uring);
	assert_non_null(r->io);
	r->buf = aligned_alloc(URING_IO_ALIGN, (size_t)URING_FS_DEPTH * REQ_MAX);
	assert_non_null(r->buf);
	assert_int_equal(uring_io_open(r->io, path, false, &r->f), 0);
}

static void rig_close(struct io_rig *r)
{
	uring_io_close(&r->f);
	uring_io_destroy(r->io);
	free(r->buf);
	tmpdir_remove(dir);
}

static bool req_is_right(const struct uring_io_req *q)
{
	size_t want = q->off >= FILE_BYTES ? 0 : FILE_BYTES - q->off;

	if (q->err != 0 || q->got != (want < q->len ? want : q->len))
		return false;
	for (size_t i = 0; i < q->got; i++)
		if ((uint8_t)q->buf[i] != byte_at(q->off + i))
			return false;
	return true;
}

/* Anywhere, also over the end and behind it. */
static void make_reqs(struct io_rig *r, struct uring_io_req *q, size_t n, struct rng *rng)
{
	for (size_t i = 0; i < n; i++)
		q[i] = (struct uring_io_req){.off = rng_below(rng, FILE_BYTES + REQ_MAX),
			.len = 1 + rng_below(rng, REQ_MAX),
			.buf = (char *)r->buf + i * REQ_MAX,
			.got = 77,
			.err = 77};
}

/* How many of n requests came back right; none is left unanswered. */
static size_t read_reqs(struct io_rig *r, size_t n, struct rng *rng)
{
	struct uring_io_req q[URING_FS_DEPTH];
	size_t right = 0;

	make_reqs(r, q, n, rng);
	uring_io_read_many(&r->f, q, n);
	for (size_t i = 0; i < n; i++)
		right += req_is_right(&q[i]);
	return right;
}

static void batches_of_any_shape_match_the_file(void **state)
{
	(void)state;
	for (int uring = 0; uring < 2; uring++) {
		struct uring_fs_counts c;
		struct io_rig r;
		struct rng rng;
		uint64_t asked = 0;

		rng_seed(&rng, 7);
		rig_open(&r, uring == 1);
		for (int i = 0; i < 60; i++) {
			size_t n = i == 0 ? URING_FS_DEPTH : 1 + rng_below(&rng, URING_FS_DEPTH);

			assert_int_equal(read_reqs(&r, n, &rng), n);
			asked += n;
		}
		uring_io_get_counts(r.io, &c);
		assert_int_equal(c.multi_reqs + c.fallback_reqs, asked);
		assert_int_equal(c.read_errors, 0);
		if (uring == 0)
			assert_int_equal(c.multi_reqs, 0);
		else if (c.rings_refused == 0)
			assert_true(c.fallback_reqs == 0 && c.short_reads > 0);
		rig_close(&r);
	}
}

static void a_fault_takes_as_many_requests_as_armed(void **state)
{
	struct uring_io_req q[32];
	struct uring_fs_counts c;
	struct io_rig r;
	struct rng rng;
	size_t failed = 0;

	(void)state;
	rng_seed(&rng, 8);
	rig_open(&r, true);
	uring_io_inject(r.io, URING_FS_READ, 5, 3, EIO);
	make_reqs(&r, q, 32, &rng);
	uring_io_read_many(&r.f, q, 32);
	for (size_t i = 0; i < 32; i++) {
		if (q[i].err == 0)
			assert_true(req_is_right(&q[i]));
		else
			failed++;
		assert_true(q[i].err == 0 || (q[i].err == EIO && q[i].got == 0));
	}
	assert_int_equal(failed, 3);
	assert_int_equal(read_reqs(&r, 32, &rng), 32);
	uring_io_get_counts(r.io, &c);
	assert_int_equal(c.faults, 3);
	assert_int_equal(c.read_errors, 3);
	rig_close(&r);
}

static uint32_t aheads_done;

static void ahead_done(struct uring_io_ahead *a)
{
	assert_true(a->is_done);
	aheads_done++;
}

static void *await_elsewhere(void *arg)
{
	return (void *)(intptr_t)uring_io_await(arg);
}

static void read_aheads_are_awaited_in_any_order(void **state)
{
	static struct uring_io_ahead a[URING_FS_DEPTH + 1];
	struct uring_fs_counts c;
	struct io_rig r;
	struct rng rng;
	pthread_t t;
	void *rc;

	(void)state;
	rng_seed(&rng, 9);
	aheads_done = 0;
	rig_open(&r, true);
	for (uint32_t i = 0; i < ARRAY_SIZE(a); i++) {
		bool started;

		a[i] = (struct uring_io_ahead){.file = r.f,
			.req = {.off = rng_below(&rng, FILE_BYTES),
				.len = AHEAD_LEN,
				.buf = (char *)r.buf + (size_t)i * AHEAD_LEN},
			.done = ahead_done};
		started = uring_io_start(&a[i]);
		uring_io_get_counts(r.io, &c);
		if (c.rings_refused > 0) {
			rig_close(&r);
			skip();
		}
		assert_int_equal(started, i < URING_FS_DEPTH);
	}
	/* A batch of the same thread meets none of them: its memory is behind theirs. */
	{
		struct uring_io_req q[4];

		for (size_t i = 0; i < ARRAY_SIZE(q); i++)
			q[i] = (struct uring_io_req){.off = i * 5000,
				.len = 5000,
				.buf = (char *)r.buf + (64 + i) * REQ_MAX};
		uring_io_read_many(&r.f, q, ARRAY_SIZE(q));
		for (size_t i = 0; i < ARRAY_SIZE(q); i++)
			assert_true(req_is_right(&q[i]));
	}
	assert_int_equal(aheads_done, 0);
	a[7].aborted = true;
	assert_int_equal(pthread_create(&t, NULL, await_elsewhere, &a[0]), 0);
	assert_int_equal(pthread_join(t, &rc), 0);
	assert_int_equal((intptr_t)rc, -EXDEV);
	for (uint32_t i = 0; i < URING_FS_DEPTH; i++) {
		uint32_t k = (i * 101 + 13) % URING_FS_DEPTH;

		assert_int_equal(uring_io_await(&a[k]), 0);
		assert_true(a[k].is_done);
		assert_true(k == 7 ? a[k].req.got == 0 : req_is_right(&a[k].req));
	}
	assert_int_equal(aheads_done, URING_FS_DEPTH);
	uring_io_get_counts(r.io, &c);
	assert_int_equal(c.async_reads, URING_FS_DEPTH);
	rig_close(&r);
}

struct broken {
	struct io_rig rig;
	size_t before, after, later;
	bool had_ring;
};

/* It becomes another file: the kernel refuses to enter it. */
static void break_ring(const struct uring_io_ring *g)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)dup2(fd, g->r.ring_fd);
	close(fd);
}

static void *read_and_break(void *arg)
{
	struct broken *b = arg;
	struct rng rng;

	rng_seed(&rng, 10);
	b->before = read_reqs(&b->rig, 64, &rng);
	b->had_ring = rings.batch.ready;
	if (!b->had_ring)
		return NULL;
	break_ring(&rings.batch);
	b->after = read_reqs(&b->rig, 64, &rng);
	b->later = read_reqs(&b->rig, 64, &rng);
	return NULL;
}

static void a_broken_ring_is_given_up_for_pread(void **state)
{
	uint32_t fds;
	struct uring_fs_counts c;
	struct broken b = {0};
	pthread_t t;

	(void)state;
	rig_open(&b.rig, true);
	fds = open_fds();
	assert_int_equal(pthread_create(&t, NULL, read_and_break, &b), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(b.before, 64);
	uring_io_get_counts(b.rig.io, &c);
	if (b.had_ring) {
		assert_int_equal(b.after, 64);
		assert_int_equal(b.later, 64);
		assert_int_equal(c.fallback_reqs, 128);
		assert_int_equal(c.read_errors, 0);
	}
	assert_int_equal(open_fds(), fds);
	rig_close(&b.rig);
	if (!b.had_ring)
		skip();
}

#define BROKEN_AHEADS 9

static void make_ahead(struct io_rig *r, struct uring_io_ahead *a, uint32_t i)
{
	*a = (struct uring_io_ahead){.file = r->f,
		.req = {.off = 1000 * (uint64_t)i,
			.len = AHEAD_LEN,
			.buf = (char *)r->buf + (size_t)i * AHEAD_LEN},
		.done = ahead_done};
}

static void *read_ahead_and_break(void *arg)
{
	struct uring_io_ahead a[BROKEN_AHEADS];
	struct broken *b = arg;

	make_ahead(&b->rig, &a[0], 0);
	b->had_ring = uring_io_start(&a[0]);
	if (!b->had_ring)
		return NULL;
	b->before = uring_io_await(&a[0]) == 0 && req_is_right(&a[0].req);
	break_ring(&rings.ahead);
	for (uint32_t i = 0; i < BROKEN_AHEADS; i++) {
		make_ahead(&b->rig, &a[i], i);
		if (!uring_io_start(&a[i]))
			return NULL;
	}
	a[2].aborted = true;
	if (uring_io_await(&a[5]) != 0)
		return NULL;
	for (uint32_t i = 0; i < BROKEN_AHEADS; i++)
		b->after += a[i].is_done && uring_io_await(&a[i]) == 0 &&
			    (i == 2 ? a[i].req.got == 0 : req_is_right(&a[i].req));
	make_ahead(&b->rig, &a[0], 0);
	b->later = uring_io_start(&a[0]);
	return NULL;
}

static void read_aheads_of_a_broken_ring_end_all(void **state)
{
	struct uring_fs_counts c;
	struct broken b = {0};
	uint32_t fds;
	pthread_t t;

	(void)state;
	rig_open(&b.rig, true);
	fds = open_fds();
	aheads_done = 0;
	assert_int_equal(pthread_create(&t, NULL, read_ahead_and_break, &b), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
	uring_io_get_counts(b.rig.io, &c);
	if (b.had_ring) {
		assert_int_equal(b.before, 1);
		assert_int_equal(b.after, BROKEN_AHEADS);
		assert_int_equal(b.later, 0);
		assert_int_equal(aheads_done, 1 + BROKEN_AHEADS);
		assert_int_equal(c.fallback_reqs, BROKEN_AHEADS - 1);
		assert_int_equal(c.read_errors, 0);
	}
	assert_int_equal(open_fds(), fds);
	rig_close(&b.rig);
	if (!b.had_ring)
		skip();
}

static void a_file_is_known_by_its_name(void **state)
{
	static const struct {
		const char *name;
		enum uring_io_kind kind;
	} t[] = {
		{"/d/000012.log", URING_IO_LOG},
		{"/d/000012.sst", URING_IO_DATA},
		{"/d/000012.blob", URING_IO_DATA},
		{"/d/MANIFEST-000001", URING_IO_META},
		{"/d/CURRENT", URING_IO_META},
		{"/d/000012.sst.tmp", URING_IO_META},
		{"log", URING_IO_META},
		{"", URING_IO_META},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++)
		assert_int_equal(uring_io_kind_of(t[i].name), t[i].kind);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		/* First: it forks, and RocksDB's threads do not survive that. */
		cmocka_unit_test(a_kernel_that_refuses_rings_is_survived),
		CASE(batches_go_through_the_ring_and_match_single_reads),
		CASE(switched_off_it_reads_the_same),
		CASE(one_failed_request_fails_one_read),
		CASE(rings_end_with_their_thread),
		CASE(scans_and_batches_of_one_thread_do_not_mix),
		CASE(a_failed_log_sync_latches_and_reads_go_on),
		CASE(no_space_for_tables_keeps_logs_going),
		cmocka_unit_test(batches_of_any_shape_match_the_file),
		cmocka_unit_test(a_fault_takes_as_many_requests_as_armed),
		cmocka_unit_test(read_aheads_are_awaited_in_any_order),
		cmocka_unit_test(a_broken_ring_is_given_up_for_pread),
		cmocka_unit_test(read_aheads_of_a_broken_ring_end_all),
		cmocka_unit_test(a_file_is_known_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
