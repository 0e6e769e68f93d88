/* SPDX-License-Identifier: Apache-2.0
 * Backup, restore, verification and resharding, also when killed in the middle.
 * Each case runs in a child: they fork, and RocksDB's threads do not survive that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "storage/backup.h"
#include "storage/file.h"
#include "tests/support/store_util.h"

#define KEYS 1500

static struct test_store t;
static char other[TMPDIR_MAX], err[256];

#define MUST(cond)                                                          \
	do {                                                                \
		if (!(cond)) {                                              \
			printf("line %d: %s (%s)\n", __LINE__, #cond, err); \
			fflush(stdout);                                     \
			_exit(1);                                           \
		}                                                           \
	} while (0)

static int in_child(int (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int setup(void **state)
{
	(void)state;
	test_store_init(&t);
	tmpdir_make(other);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tmpdir_remove(t.dir);
	tmpdir_remove(other);
	return 0;
}

static void value_of(uint32_t i, char *out)
{
	struct rng r;
	uint32_t n;

	rng_seed(&r, i);
	n = 20 + (uint32_t)rng_below(&r, i % 50 == 0 ? 9000 : 200);
	for (uint32_t k = 0; k < n; k++)
		out[k] = (char)('a' + rng_below(&r, 26));
	out[n] = '\0';
}

static void put_retry(uint8_t ns, const char *key, const char *val)
{
	int rc;

	while ((rc = store_put_str(t.c, ns, key, val)) == -EBUSY)
		usleep(2000);
	MUST(rc == 0);
}

static void fill(void)
{
	static char val[16384];
	char key[16];

	for (uint32_t i = 0; i < KEYS; i++) {
		(void)snprintf(key, sizeof(key), "key%u", i);
		value_of(i, val);
		put_retry(NS_EVERYSEC, key, val);
	}
}

/* A hash with one field, and its version. */
static uint64_t make_hash(const char *key)
{
	struct store_item items[2] = {0};
	struct store_req *r = store_req_get(t.c);
	uint8_t meta[CODEC_META_MIN];
	uint64_t v;

	codec_meta_encode(&(struct codec_meta){0, 1}, meta);
	items[0] =
		(struct store_item){.type = CODEC_HASH, .value = meta, .value_len = sizeof(meta)};
	items[0].key = items[1].key = str_key(NS_EVERYSEC, key);
	items[1].type = CODEC_MEMBER;
	items[1].key.space = CODEC_ITEM;
	items[1].key.sub = (const uint8_t *)"f";
	items[1].key.sub_len = 1;
	items[1].value = (const uint8_t *)"member";
	items[1].value_len = 6;
	r->kind = STORE_WRITE;
	r->items = items;
	r->item_cnt = 2;
	MUST(store_run(t.c, r) == 0);
	v = items[0].version;
	store_req_put(t.c, r);
	return v;
}

static uint64_t check_hash(const char *key)
{
	struct store_req *r = store_req_get(t.c);
	uint8_t out[16];
	uint64_t v;

	r->kind = STORE_READ;
	r->one.key = str_key(NS_EVERYSEC, key);
	r->one.key.space = CODEC_ITEM;
	r->one.key.sub = (const uint8_t *)"f";
	r->one.key.sub_len = 1;
	r->one.out = out;
	r->one.out_cap = sizeof(out);
	MUST(store_run(t.c, r) == 0 && r->one.value_len == 6 && memcmp(out, "member", 6) == 0);
	v = r->one.version;
	store_req_put(t.c, r);
	return v;
}

static bool all_there(void)
{
	static char want[16384], got[16384];
	char key[16];

	for (uint32_t i = 0; i < KEYS; i++) {
		(void)snprintf(key, sizeof(key), "key%u", i);
		value_of(i, want);
		if (store_get_str(t.c, NS_EVERYSEC, key, got, sizeof(got)) != 0 ||
			strcmp(got, want) != 0) {
			(void)snprintf(err, sizeof(err), "%s differs", key);
			return false;
		}
	}
	return true;
}

/* ---- backup ---- */

static _Atomic bool stop_writing;

static void *write_on(void *arg)
{
	struct store_client *c = arg;
	char key[16];

	for (uint32_t i = 0; !stop_writing; i++) {
		(void)snprintf(key, sizeof(key), "live%u", i % 5000);
		(void)store_put_str(c, NS_EVERYSEC, key, "written while the backup runs");
	}
	return NULL;
}

static int backup_while_serving(void)
{
	static struct store_verify v;
	uint64_t version;
	pthread_t writer;

	t.p.shard_cnt = 3;
	t.p.client_cnt = 2;
	MUST(test_store_open(&t) == 0);
	fill();
	version = make_hash("h");
	MUST(pthread_create(&writer, NULL, write_on, store_client(t.s, 1)) == 0);
	MUST(store_backup(t.s, other, err, sizeof(err)) == 0);
	stop_writing = true;
	pthread_join(writer, NULL);
	MUST(store_backup(t.s, other, err, sizeof(err)) == -ENOTEMPTY);
	test_store_close(&t);
	MUST(store_backup_verify(other, err, sizeof(err)) == 0);
	/* Into the folder of a store that exists: refused; into its place after that. */
	MUST(store_restore(other, t.dir, err, sizeof(err)) == -ENOTEMPTY);
	MUST(file_remove_tree(t.dir) == 0);
	MUST(store_restore(other, t.dir, err, sizeof(err)) == 0);
	MUST(store_verify(t.dir, &v, err, sizeof(err)) == 0);
	MUST(v.records >= KEYS + 1 && v.members == 1 && v.orphans == 0);
	t.p.shard_cnt = 0;
	MUST(test_store_open(&t) == 0);
	MUST(store_shard_cnt(t.s) == 3);
	MUST(all_there());
	MUST(check_hash("h") == version);
	MUST(make_hash("h2") > version);
	test_store_close(&t);
	return 0;
}

static void a_backup_of_a_busy_store_restores(void **state)
{
	(void)state;
	assert_int_equal(in_child(backup_while_serving), 0);
}

static int find_sst(void *ctx, const char *rel, uint64_t bytes)
{
	if (strstr(rel, ".sst") == NULL || bytes < 1000)
		return 0;
	(void)snprintf(ctx, FILE_PATH_MAX, "%s", rel);
	return 1;
}

/* Flips a bit in the middle of some table below dir. */
static void damage(const char *dir)
{
	char rel[FILE_PATH_MAX], path[2 * FILE_PATH_MAX];
	uint8_t b;
	int fd;

	MUST(file_walk(dir, find_sst, rel) == 1);
	(void)snprintf(path, sizeof(path), "%s/%s", dir, rel);
	fd = open(path, O_RDWR);
	MUST(fd >= 0 && pread(fd, &b, 1, 500) == 1);
	b ^= 1;
	MUST(pwrite(fd, &b, 1, 500) == 1);
	close(fd);
}

static int damaged_backup(void)
{
	char list[2 * TMPDIR_MAX], target[2 * TMPDIR_MAX];

	MUST(test_store_open(&t) == 0);
	fill();
	MUST(store_backup(t.s, other, err, sizeof(err)) == 0);
	test_store_close(&t);
	(void)snprintf(target, sizeof(target), "%s/new", t.dir);
	damage(other);
	MUST(store_backup_verify(other, err, sizeof(err)) == -EUCLEAN);
	MUST(strstr(err, ".sst") != NULL);
	MUST(store_restore(other, target, err, sizeof(err)) == -EUCLEAN);
	MUST(access(target, F_OK) != 0);
	damage(other); /* the same bit again: whole once more */
	MUST(store_backup_verify(other, err, sizeof(err)) == 0);
	(void)snprintf(list, sizeof(list), "%s/" BACKUP_NAME, other);
	MUST(unlink(list) == 0);
	MUST(store_backup_verify(other, err, sizeof(err)) == -ENOENT);
	MUST(strstr(err, "no complete backup") != NULL);
	return 0;
}

static void a_damaged_or_cut_backup_is_refused(void **state)
{
	(void)state;
	assert_int_equal(in_child(damaged_backup), 0);
}

static int verify_finds(void)
{
	static struct store_verify v;

	MUST(test_store_open(&t) == 0);
	fill();
	(void)make_hash("h");
	MUST(store_verify(t.dir, &v, err, sizeof(err)) == -EBUSY);
	MUST(store_flush_all(t.s) == 0);
	test_store_close(&t);
	MUST(store_verify(t.dir, &v, err, sizeof(err)) == 0);
	MUST(v.records == KEYS + 1 && v.members == 1 && v.malformed + v.misplaced == 0);
	damage(t.dir);
	MUST(store_verify(t.dir, &v, err, sizeof(err)) == -EUCLEAN);
	return 0;
}

static void verification_reads_everything_and_finds_damage(void **state)
{
	(void)state;
	assert_int_equal(in_child(verify_finds), 0);
}

/* ---- reshard ---- */

static int reshard_both_ways(void)
{
	static const uint32_t counts[] = {4, 7, 2};
	static struct store_verify v;
	uint64_t version;

	MUST(test_store_open(&t) == 0);
	fill();
	version = make_hash("h");
	MUST(store_reshard(t.dir, 4, err, sizeof(err)) == -EBUSY);
	test_store_close(&t);
	MUST(store_reshard(t.dir, 0, err, sizeof(err)) == -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
		uint64_t next;

		MUST(store_reshard(t.dir, counts[i], err, sizeof(err)) == 0);
		MUST(store_verify(t.dir, &v, err, sizeof(err)) == 0);
		/* The hash that make_hash() replaced is an orphan until a compaction. */
		MUST(v.misplaced == 0 && v.members - v.orphans == 1);
		MUST(test_store_open(&t) == 0);
		MUST(store_shard_cnt(t.s) == counts[i]);
		MUST(all_there());
		MUST(check_hash("h") == version);
		next = make_hash("h");
		MUST(next > version);
		version = next;
		test_store_close(&t);
	}
	return 0;
}

static void shards_grow_and_shrink(void **state)
{
	(void)state;
	assert_int_equal(in_child(reshard_both_ways), 0);
}

static int make_store(void)
{
	MUST(test_store_open(&t) == 0);
	fill();
	test_store_close(&t);
	return 0;
}

static int check_store(void)
{
	static struct store_verify v;

	MUST(store_verify(t.dir, &v, err, sizeof(err)) == 0);
	MUST(test_store_open(&t) == 0);
	MUST(all_there());
	test_store_close(&t);
	return 0;
}

static void a_reshard_that_is_killed_loses_nothing(void **state)
{
	uint32_t killed = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, 11);
	assert_int_equal(in_child(make_store), 0);
	for (uint32_t i = 0; i < 12; i++) {
		uint64_t us = rng_below(&rng, 150000);
		struct timespec ts = {0, (long)us * 1000};
		int status = 0;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			_exit(store_reshard(t.dir, 1 + i % 5, err, sizeof(err)) != 0);
		(void)nanosleep(&ts, NULL);
		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
		killed += WIFSIGNALED(status);
		assert_int_equal(in_child(check_store), 0);
	}
	assert_true(killed > 2);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_backup_of_a_busy_store_restores),
		CASE(a_damaged_or_cut_backup_is_refused),
		CASE(verification_reads_everything_and_finds_damage),
		CASE(shards_grow_and_shrink),
		CASE(a_reshard_that_is_killed_loses_nothing),
	};

	test_clock_init();
	if (getenv("BACKUP_LOG") == NULL)
		log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
