/* SPDX-License-Identifier: Apache-2.0
 * Failing devices, a full disk, damaged files: what is answered, what goes on, what comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "storage/file.h"
#include "storage/uring_fs.h"
#include "tests/support/store_util.h"

static struct test_store t;

static int setup(void **state)
{
	(void)state;
	test_store_init(&t);
	assert_int_equal(test_store_open(&t), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_store_fini(&t);
	return 0;
}

static void sleep_ms(long ms)
{
	struct timespec ts = {ms / 1000, ms % 1000 * 1000000};

	(void)nanosleep(&ts, NULL);
}

static struct store_shard_stats stats(void)
{
	struct store_shard_stats st;

	store_shard_get_stats(t.s, 0, &st);
	return st;
}

/* Up to ten seconds for the shard to be in this state. */
static bool await_state(enum store_state want)
{
	for (int i = 0; i < 500; i++) {
		if (stats().state == want)
			return true;
		sleep_ms(20);
	}
	return false;
}

static void put_ok(const char *key, const char *val)
{
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, key, val), 0);
}

static void assert_value(const char *key, const char *want)
{
	char buf[64];

	assert_int_equal(store_get_str(t.c, NS_ALWAYS, key, buf, sizeof(buf)), 0);
	assert_string_equal(buf, want);
}

static void a_failed_fsync_is_said_and_survived(void **state)
{
	char buf[16];

	(void)state;
	put_ok("a", "1");
	uring_fs_inject(store_uring_fs(t.s), URING_FS_LOG_SYNC, 0, 1, EIO);
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "b", "1"), -ENOTRECOVERABLE);
	assert_int_equal(store_put_str(t.c, NS_ALWAYS, "c", "1"), -EROFS);
	assert_value("a", "1");
	assert_true(await_state(STORE_OK));
	assert_value("a", "1");
	put_ok("c", "2");
	/* Unknown is either, but it is stable now. */
	if (store_get_str(t.c, NS_ALWAYS, "b", buf, sizeof(buf)) == 0)
		assert_string_equal(buf, "1");
	assert_int_equal(stats().unknown, 1);
	assert_int_equal(stats().reopens, 1);
	assert_int_equal(stats().recoveries, 1);
	test_store_close(&t);
	assert_int_equal(test_store_open(&t), 0);
	assert_value("a", "1");
	assert_value("c", "2");
}

static void a_failed_log_write_is_said_and_survived(void **state)
{
	(void)state;
	put_ok("a", "1");
	uring_fs_inject(store_uring_fs(t.s), URING_FS_LOG_WRITE, 0, 1, EIO);
	assert_int_equal(store_put_str(t.c, NS_EVERYSEC, "b", "1"), -ENOTRECOVERABLE);
	assert_true(await_state(STORE_OK));
	assert_value("a", "1");
	put_ok("b", "2");
}

/* The fsync of the everysec class has no waiter; its failure must still be noticed. */
static void a_failed_periodic_sync_latches(void **state)
{
	(void)state;
	uring_fs_inject(store_uring_fs(t.s), URING_FS_LOG_SYNC, 0, 1, EIO);
	assert_int_equal(store_put_str(t.c, NS_EVERYSEC, "a", "1"), 0);
	for (int i = 0; i < 200 && stats().reopens == 0; i++)
		sleep_ms(20);
	assert_int_equal(stats().reopens, 1);
	assert_true(await_state(STORE_OK));
	put_ok("b", "1");
}

static void a_device_that_stays_broken_keeps_reads_going(void **state)
{
	(void)state;
	put_ok("a", "1");
	assert_int_equal(store_flush_all(t.s), 0);
	uring_fs_inject(store_uring_fs(t.s), URING_FS_DATA_WRITE, 0, UINT32_MAX, EIO);
	put_ok("b", "1");
	assert_int_equal(store_flush_all(t.s), -EIO);
	assert_true(await_state(STORE_READ_ONLY));
	/* Long enough for several attempts to open it again. */
	for (int i = 0; i < 40 || (i < 400 && stats().reopens < 2); i++) {
		assert_int_equal(store_put_str(t.c, NS_ALWAYS, "c", "1"), -EROFS);
		assert_value("a", "1");
		assert_value("b", "1");
		sleep_ms(25);
	}
	assert_true(stats().reopens >= 2);
	uring_fs_inject(store_uring_fs(t.s), URING_FS_DATA_WRITE, 0, 0, 0);
	assert_true(await_state(STORE_OK));
	assert_value("a", "1");
	assert_value("b", "1");
	put_ok("c", "1");
	assert_true(stats().background_errors > 0);
}

static void a_read_error_hits_one_key_once(void **state)
{
	char key[8], buf[64];
	uint32_t failed = 0;

	(void)state;
	for (uint32_t i = 0; i < 20; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		put_ok(key, key);
	}
	assert_int_equal(store_flush_all(t.s), 0);
	test_store_close(&t);
	assert_int_equal(test_store_open(&t), 0);
	uring_fs_inject(store_uring_fs(t.s), URING_FS_READ, 0, 1, EIO);
	for (uint32_t i = 0; i < 20; i++) {
		int rc;

		(void)snprintf(key, sizeof(key), "k%u", i);
		rc = store_get_str(t.c, NS_ALWAYS, key, buf, sizeof(buf));
		failed += rc == -EIO;
		assert_true(rc == 0 || rc == -EIO);
		if (rc == 0)
			assert_string_equal(buf, key);
	}
	assert_int_equal(failed, 1);
	assert_int_equal(stats().read_errors, 1);
	assert_int_equal(stats().state, STORE_OK);
	assert_false(stats().degraded);
}

/* ---- a stalled database ---- */

static void a_stall_sheds_instead_of_filling_queues(void **state)
{
	static uint8_t val[3000]; /* below the blob size */
	uint32_t busy = 0;
	struct rng rng;

	(void)state;
	test_store_close(&t);
	t.p.memtable_bytes = 65536;
	t.p.write_rate_bytes = 150000;
	t.p.compress = false;
	assert_int_equal(test_store_open(&t), 0);
	rng_seed(&rng, 1);
	for (uint32_t i = 0; i < 3000 && busy < 20; i++) {
		struct store_req *r = store_req_get(t.c);
		char key[16];
		int rc;

		(void)snprintf(key, sizeof(key), "k%u", i);
		r->kind = STORE_WRITE;
		r->one.key = str_key(NS_VOLATILE, key);
		r->one.op = STORE_PUT;
		r->one.type = CODEC_STRING;
		r->one.value = val;
		r->one.value_len = sizeof(val);
		rc = store_run(t.c, r);
		store_req_put(t.c, r);
		assert_true(rc == 0 || rc == -EBUSY);
		busy += rc == -EBUSY;
	}
	assert_int_equal(busy, 20);
	assert_int_equal(stats().state, STORE_OK);
	for (int i = 0; i < 500 && store_put_str(t.c, NS_ALWAYS, "after", "1") != 0; i++)
		sleep_ms(20);
	assert_value("after", "1");
}

/* ---- a full disk: a child with a file system of its own ---- */

static int fill_until_full(uint32_t *acked)
{
	static uint8_t val[4000];
	struct rng rng;
	int rc = 0;

	rng_seed(&rng, 3);
	for (uint32_t i = 0; i < 30000; i++) {
		struct store_req *r = store_req_get(t.c);
		char key[16];

		for (uint32_t k = 0; k < sizeof(val); k += 8) {
			uint64_t w = rng_next(&rng);

			memcpy(val + k, &w, 8);
		}
		(void)snprintf(key, sizeof(key), "k%u", i);
		r->kind = STORE_WRITE;
		r->one.key = str_key(NS_ALWAYS, key);
		r->one.op = STORE_PUT;
		r->one.type = CODEC_STRING;
		r->one.value = val;
		r->one.value_len = sizeof(val);
		rc = store_run(t.c, r);
		store_req_put(t.c, r);
		if (rc == -EBUSY) {
			sleep_ms(5);
			i--;
			continue;
		}
		if (rc != 0)
			break;
		*acked = i + 1;
	}
	return rc;
}

static bool all_there(uint32_t n)
{
	static char buf[8192];
	char key[16];

	for (uint32_t i = 0; i < n; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		if (store_get_str(t.c, NS_ALWAYS, key, buf, sizeof(buf)) != 0)
			return false;
	}
	return true;
}

static bool deleted(uint32_t from, uint32_t to)
{
	char key[16];

	for (uint32_t i = from; i < to; i++) {
		(void)snprintf(key, sizeof(key), "k%u", i);
		if (store_delete_str(t.c, NS_ALWAYS, key) != 0)
			return false;
	}
	return true;
}

static bool writable_again(void)
{
	for (int i = 0; i < 500; i++) {
		if (store_put_str(t.c, NS_ALWAYS, "again", "1") == 0)
			return true;
		sleep_ms(20);
	}
	return false;
}

static bool make_filler(const char *dir, off_t bytes)
{
	char path[TMPDIR_MAX + 16];
	int fd;
	bool ok;

	(void)snprintf(path, sizeof(path), "%s/filler", dir);
	if (bytes == 0)
		return unlink(path) == 0;
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	ok = fd >= 0 && posix_fallocate(fd, 0, bytes) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Early refusal: the mark is far above what the engine needs, so nothing ever fails. */
static int refused_early(void)
{
	struct store_stats st;
	uint32_t acked = 0;

	t.p.low_space_bytes = 48 << 20;
	t.p.ballast_bytes = 4 << 20;
	if (test_store_open(&t) != 0)
		return 10;
	store_get_stats(t.s, &st);
	if (!st.ballast || st.full)
		return 11;
	if (!make_filler(t.dir, 64 << 20))
		return 12;
	if (fill_until_full(&acked) != -ENOSPC || acked < 100)
		return 13;
	if (!all_there(acked) || stats().state != STORE_OK || stats().background_errors != 0)
		return 14;
	if (!deleted(0, 50) || !make_filler(t.dir, 0))
		return 15;
	if (!writable_again())
		return 16;
	test_store_close(&t);
	return 0;
}

/* The mark is too low and the disk really fills: the log or a table fails. */
static int filled_to_the_last_byte(void)
{
	struct store_stats st;
	uint32_t acked = 0;
	int rc;

	t.p.low_space_bytes = 0;
	t.p.ballast_bytes = 24 << 20;
	if (test_store_open(&t) != 0)
		return 20;
	if (!make_filler(t.dir, 96 << 20))
		return 21;
	rc = fill_until_full(&acked);
	if (rc == 0 || acked < 100)
		return 22;
	if (!all_there(acked))
		return 23;
	for (int i = 0; i < 250 && (store_get_stats(t.s, &st), st.ballast); i++)
		sleep_ms(20);
	if (st.ballast)
		return 24;
	/* The ballast's room brings the shard back for clean-up, not for more data. */
	if (!await_state(STORE_OK))
		return 25;
	if (store_put_str(t.c, NS_ALWAYS, "more", "1") != -ENOSPC)
		return 26;
	if (!all_there(acked) || !deleted(0, 20))
		return 27;
	if (!make_filler(t.dir, 0) || !writable_again())
		return 28;
	test_store_close(&t);
	if (test_store_open(&t) != 0)
		return 29;
	for (uint32_t i = 20; i < acked; i++) {
		static char buf[8192];
		char key[16];

		(void)snprintf(key, sizeof(key), "k%u", i);
		if (store_get_str(t.c, NS_ALWAYS, key, buf, sizeof(buf)) != 0)
			return 30;
	}
	test_store_close(&t);
	return 0;
}

/* Exit status of scenario in a child on a tmpfs of 192 MiB; -1 where mounts are not allowed. */
static int on_small_disk(int (*scenario)(void))
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int rc;

		test_store_init(&t);
		t.p.memtable_bytes = 1 << 20;
		t.p.compress = false;
		t.p.use_uring = true;
		if (unshare(CLONE_NEWNS) != 0 ||
			mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
			mount("weir-test", t.dir, "tmpfs", 0, "size=192m") != 0) {
			rmdir(t.dir);
			_exit(77);
		}
		rc = scenario();
		(void)umount2(t.dir, MNT_DETACH);
		rmdir(t.dir);
		_exit(rc);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("the child died of signal %d", WTERMSIG(status));
	return WEXITSTATUS(status) == 77 ? -1 : WEXITSTATUS(status);
}

static void a_disk_that_fills_refuses_early(void **state)
{
	int rc = on_small_disk(refused_early);

	(void)state;
	if (rc < 0)
		skip();
	assert_int_equal(rc, 0);
}

static void a_disk_that_is_full_is_survived_without_restart(void **state)
{
	int rc = on_small_disk(filled_to_the_last_byte);

	(void)state;
	if (rc < 0)
		skip();
	assert_int_equal(rc, 0);
}

/* ---- damaged files ---- */

struct find {
	const char *tail;
	char rel[FILE_PATH_MAX];
	uint64_t bytes;
};

static int find_file(void *ctx, const char *rel, uint64_t bytes)
{
	struct find *f = ctx;

	if (strstr(rel, f->tail) != NULL && bytes > f->bytes) {
		(void)snprintf(f->rel, sizeof(f->rel), "%s", rel);
		f->bytes = bytes;
	}
	return 0;
}

/* Flips one bit of the largest file whose path contains tail, `per_mille` of the way through. */
static void flip(const char *tail, uint32_t per_mille)
{
	struct find f = {.tail = tail};
	char path[2 * FILE_PATH_MAX];
	off_t at;
	uint8_t b;
	int fd;

	assert_int_equal(file_walk(t.dir, find_file, &f), 0);
	assert_true(f.bytes > 0);
	(void)snprintf(path, sizeof(path), "%s/%s", t.dir, f.rel);
	at = (off_t)(f.bytes * per_mille / 1000);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &b, 1, at), 1);
	b ^= 0x10;
	assert_int_equal(pwrite(fd, &b, 1, at), 1);
	close(fd);
}

#define DAMAGE_KEYS 400

static uint32_t damage_value(uint32_t i, char *out, uint32_t len)
{
	struct rng rng;

	rng_seed(&rng, i);
	for (uint32_t k = 0; k < len; k++)
		out[k] = (char)('a' + rng_below(&rng, 26));
	out[len] = '\0';
	return len;
}

static void fill_for_damage(uint32_t len)
{
	static char val[16384];
	char key[16];
	int rc;

	for (uint32_t i = 0; i < DAMAGE_KEYS; i++) {
		(void)snprintf(key, sizeof(key), "k%03u", i);
		damage_value(i, val, len);
		while ((rc = store_put_str(t.c, NS_EVERYSEC, key, val)) == -EBUSY)
			sleep_ms(5);
		assert_int_equal(rc, 0);
	}
}

/* Reads all keys: each is right, absent or named damaged; never wrong. */
static void count_damage(uint32_t len, uint32_t *right, uint32_t *absent, uint32_t *damaged)
{
	static char buf[16384], want[16384];
	char key[16];

	*right = *absent = *damaged = 0;
	for (uint32_t i = 0; i < DAMAGE_KEYS; i++) {
		int rc;

		(void)snprintf(key, sizeof(key), "k%03u", i);
		rc = store_get_str(t.c, NS_EVERYSEC, key, buf, sizeof(buf));
		*absent += rc == -ENOENT;
		*damaged += rc == -EUCLEAN;
		if (rc == 0) {
			damage_value(i, want, len);
			assert_string_equal(buf, want);
			(*right)++;
		} else {
			assert_true(rc == -ENOENT || rc == -EUCLEAN);
		}
	}
}

static void damage_in_a_table_costs_the_keys_of_one_block(void **state)
{
	uint32_t right, absent, damaged;

	(void)state;
	fill_for_damage(300);
	assert_int_equal(store_flush_all(t.s), 0);
	test_store_close(&t);
	flip(".sst", 400);
	assert_int_equal(test_store_open(&t), 0);
	count_damage(300, &right, &absent, &damaged);
	assert_int_equal(absent, 0);
	assert_true(damaged > 0 && damaged < 60);
	assert_true(stats().degraded);
	assert_int_equal(stats().corrupt, damaged);
	put_ok("new", "1");
	assert_value("new", "1");
}

static void damage_in_a_blob_file_costs_one_key(void **state)
{
	uint32_t right, absent, damaged;

	(void)state;
	fill_for_damage(8000);
	assert_int_equal(store_flush_all(t.s), 0);
	test_store_close(&t);
	flip(".blob", 500);
	assert_int_equal(test_store_open(&t), 0);
	count_damage(8000, &right, &absent, &damaged);
	assert_int_equal(absent, 0);
	assert_int_equal(damaged, 1);
	assert_true(stats().degraded);
}

/* A copy of the folder as a crash would leave it, with one bit flipped in its log. */
static void damage_in_the_log_ends_recovery_before_it(void **state)
{
	uint32_t right, absent, damaged;
	char copy[TMPDIR_MAX], cmd[3 * TMPDIR_MAX];

	(void)state;
	fill_for_damage(300);
	assert_int_equal(store_sync_all(t.s), 0);
	tmpdir_make(copy);
	(void)snprintf(cmd, sizeof(cmd), "cp -a %s/. %s/", t.dir, copy);
	assert_int_equal(system(cmd), 0);
	test_store_fini(&t);
	memcpy(t.dir, copy, sizeof(copy));
	flip(".log", 600);
	assert_int_equal(test_store_open(&t), 0);
	count_damage(300, &right, &absent, &damaged);
	assert_int_equal(damaged, 0);
	assert_true(right > 100 && right < DAMAGE_KEYS - 50);
	put_ok("new", "1");
}

static void damage_in_a_manifest_is_refused_or_one_shard_offline(void **state)
{
	char buf[16];

	(void)state;
	test_store_fini(&t);
	test_store_init(&t);
	t.p.shard_cnt = 2;
	assert_int_equal(test_store_open(&t), 0);
	for (uint32_t i = 0; i < 50; i++) {
		(void)snprintf(buf, sizeof(buf), "k%u", i);
		put_ok(buf, buf);
	}
	test_store_close(&t);
	flip("g0-s0/MANIFEST", 500);
	assert_int_equal(test_store_open(&t), -EUCLEAN);
	assert_non_null(strstr(t.err, "shard 0"));
	t.p.start_degraded = true;
	assert_int_equal(test_store_open(&t), 0);
	for (uint32_t i = 0; i < 50; i++) {
		char key[16];
		int rc;

		(void)snprintf(key, sizeof(key), "k%u", i);
		rc = store_get_str(t.c, NS_ALWAYS, key, buf, sizeof(buf));
		if (store_shard_of(t.s, key, strlen(key)) == 0) {
			assert_int_equal(rc, -ENXIO);
		} else {
			assert_int_equal(rc, 0);
			assert_string_equal(buf, key);
		}
	}
	test_store_close(&t);
	flip("store.manifest", 500);
	assert_int_equal(test_store_open(&t), -EUCLEAN);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		/* These two fork, and RocksDB's threads do not survive that. */
		cmocka_unit_test(a_disk_that_fills_refuses_early),
		cmocka_unit_test(a_disk_that_is_full_is_survived_without_restart),
		CASE(a_failed_fsync_is_said_and_survived),
		CASE(a_failed_log_write_is_said_and_survived),
		CASE(a_failed_periodic_sync_latches),
		CASE(a_device_that_stays_broken_keeps_reads_going),
		CASE(a_read_error_hits_one_key_once),
		CASE(a_stall_sheds_instead_of_filling_queues),
		CASE(damage_in_a_table_costs_the_keys_of_one_block),
		CASE(damage_in_a_blob_file_costs_one_key),
		CASE(damage_in_the_log_ends_recovery_before_it),
		CASE(damage_in_a_manifest_is_refused_or_one_shard_offline),
	};

	test_clock_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
