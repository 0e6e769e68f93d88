/* SPDX-License-Identifier: Apache-2.0
 * kill -9 at random points under load:
 *
 *	acknowledged  is a subset of  recovered  is a subset of  issued
 *
 * A child opens the store, compares what it finds with what the children before it noted in shared
 * memory, then writes until the parent kills it, which may also happen while it still opens or
 * compares. In each third round the child's file system fails a write or an fsync on the way.
 * Kinds of key: single ones in each durability class, with overwrites, deletes and values of blob
 * size; pairs that are written in one request and must stay equal; sums.
 *
 * CRASH_ROUNDS (default 20) and CRASH_SEED choose the run; both are printed. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "storage/uring_fs.h"
#include "tests/support/store_util.h"

#define SINGLES   96 /* 32 in each namespace */
#define PAIRS     16
#define SUMS      8
#define LANES     (SINGLES + PAIRS + SUMS)
#define WINDOW    4096
#define VALUE_MAX 12000

/* One key, pair or sum. Sequence numbers start at 1; 0 is "never written". */
struct lane {
	_Atomic uint64_t issued, acked;
	uint8_t deletes[WINDOW]; /* was operation seq a delete? */
};

struct shared {
	struct lane lanes[LANES];
	_Atomic uint64_t opened, verified, acked_ops, unknown_ops, refused_ops, reopens;
	_Atomic bool failed;
	char why[512];
};

static struct shared *sm;
static struct test_store t;
static struct rng rng;

static void fail(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(sm->why, sizeof(sm->why), fmt, ap);
	va_end(ap);
	atomic_store(&sm->failed, true);
	_exit(3);
}

static bool is_pair(uint32_t lane)
{
	return lane >= SINGLES && lane < SINGLES + PAIRS;
}

static bool is_sum(uint32_t lane)
{
	return lane >= SINGLES + PAIRS;
}

static uint8_t ns_of(uint32_t lane)
{
	return lane < SINGLES ? (uint8_t)(lane % NS_TEST_CNT) : NS_ALWAYS;
}

static struct codec_key key_of(uint32_t lane, uint32_t half, char text[24])
{
	(void)snprintf(text, 24, "{lane%u}%u", lane, half);
	return str_key(ns_of(lane), text);
}

/* A value says its lane and sequence number in front, and the rest follows from them. */
static uint32_t make_value(uint32_t lane, uint64_t seq, uint8_t *out)
{
	struct rng r;
	uint32_t n;

	rng_seed(&r, lane * 1000003 + seq);
	n = 16 + (uint32_t)rng_below(&r, rng_below(&r, 8) == 0 ? VALUE_MAX - 16 : 300);
	memcpy(out, &seq, 8);
	memcpy(out + 8, &(uint64_t){lane}, 8);
	for (uint32_t i = 16; i < n; i++)
		out[i] = (uint8_t)(seq + i * 31);
	return n;
}

/* ---- comparing ---- */

/* Sequence number of what is stored; 0 = absent. */
static uint64_t stored_seq(uint32_t lane, uint32_t half)
{
	static uint8_t got[VALUE_MAX], want[VALUE_MAX];
	struct store_req *r = store_req_get(t.c);
	char text[24];
	uint64_t seq = 0;
	int rc;

	r->kind = STORE_READ;
	r->one.key = key_of(lane, half, text);
	r->one.out = got;
	r->one.out_cap = sizeof(got);
	rc = store_run(t.c, r);
	if (rc == 0 && is_sum(lane)) {
		int64_t v = -1;

		if (codec_integer_parse(got, r->one.value_len, &v) != 0)
			fail("sum %u is no number", lane);
		seq = (uint64_t)v;
	} else if (rc == 0) {
		memcpy(&seq, got, 8);
		if (r->one.value_len != make_value(lane, seq, want) ||
			memcmp(got, want, r->one.value_len) != 0)
			fail("lane %u seq %llu: wrong bytes", lane, (unsigned long long)seq);
	} else if (rc != -ENOENT) {
		fail("lane %u: %s", lane, store_error_text(rc));
	}
	store_req_put(t.c, r);
	return seq;
}

static bool delete_between(const struct lane *l, uint64_t lo, uint64_t hi)
{
	for (uint64_t s = lo == 0 ? 1 : lo; s <= hi; s++)
		if (l->deletes[s % WINDOW])
			return true;
	return false;
}

static void verify_lane(uint32_t lane)
{
	struct lane *l = &sm->lanes[lane];
	uint64_t seq = stored_seq(lane, 0), acked = l->acked, issued = l->issued;

	if (is_pair(lane) && stored_seq(lane, 1) != seq)
		fail("pair %u is torn", lane);
	if (ns_of(lane) == NS_VOLATILE)
		acked = 0;
	if (seq > issued)
		fail("lane %u: found %llu, issued only %llu", lane, (unsigned long long)seq,
			(unsigned long long)issued);
	if (seq == 0 && acked != 0 && (is_sum(lane) || !delete_between(l, acked, issued)))
		fail("lane %u: acknowledged %llu is gone", lane, (unsigned long long)acked);
	if (seq != 0 && seq < acked)
		fail("lane %u: found %llu, acknowledged %llu", lane, (unsigned long long)seq,
			(unsigned long long)acked);
	if (seq != 0 && !is_sum(lane) && issued - seq < WINDOW && l->deletes[seq % WINDOW])
		fail("lane %u: a delete came back as a value", lane);
	/* From here on it is known. An absent key keeps its numbers: the delete stands. */
	if (seq != 0) {
		l->issued = seq;
		l->acked = seq;
	} else if (is_sum(lane) || acked == 0) {
		l->issued = l->acked = 0;
	}
}

/* ---- load ---- */

struct op {
	struct store_item items[2];
	uint8_t value[VALUE_MAX];
	char text[2][24];
	bool busy, del;
};
static struct op ops[LANES];

static void issue(uint32_t lane)
{
	struct lane *l = &sm->lanes[lane];
	struct op *o = &ops[lane];
	struct store_req *r = store_req_get(t.c);
	uint64_t seq = l->issued + 1;
	uint32_t halves = is_pair(lane) ? 2 : 1, len = 0;

	if (r == NULL)
		return;
	o->del = !is_pair(lane) && !is_sum(lane) && rng_below(&rng, 8) == 0;
	if (!o->del && !is_sum(lane))
		len = make_value(lane, seq, o->value);
	for (uint32_t h = 0; h < halves; h++) {
		struct store_item *it = &o->items[h];

		*it = (struct store_item){.type = CODEC_STRING};
		it->key = key_of(lane, h, o->text[h]);
		it->op = is_sum(lane) ? STORE_INCR : o->del ? STORE_DELETE : STORE_PUT;
		it->value = o->value;
		it->value_len = len;
		if (is_sum(lane))
			it->delta = 1;
	}
	r->kind = STORE_WRITE;
	r->items = o->items;
	r->item_cnt = halves;
	r->cookie = lane;
	r->prio = (uint8_t)rng_below(&rng, STORE_PRIO_CNT);
	l->deletes[seq % WINDOW] = o->del;
	l->issued = seq;
	if (store_submit(t.c, r, clock_now_ns()) != 0) {
		l->issued = seq - 1;
		store_req_put(t.c, r);
		return;
	}
	o->busy = true;
}

static void take_answers(void)
{
	struct store_req *back[32];
	uint32_t n = store_poll(t.c, back, ARRAY_SIZE(back));

	for (uint32_t i = 0; i < n; i++) {
		uint32_t lane = (uint32_t)back[i]->cookie;
		struct lane *l = &sm->lanes[lane];

		ops[lane].busy = false;
		if (back[i]->status == 0) {
			l->acked = l->issued;
			sm->acked_ops++;
		} else if (back[i]->status == -ENOTRECOVERABLE) {
			sm->unknown_ops++;
		} else {
			/* Refused means not done: the number is free again. */
			l->issued--;
			sm->refused_ops++;
		}
		store_req_put(t.c, back[i]);
	}
	if (n == 0)
		sched_yield();
}

static void inject(void)
{
	static const enum uring_fs_fault kinds[] = {URING_FS_LOG_WRITE, URING_FS_LOG_SYNC,
		URING_FS_DATA_WRITE, URING_FS_DATA_SYNC, URING_FS_META_WRITE};

	uring_fs_inject(store_uring_fs(t.s), kinds[rng_below(&rng, ARRAY_SIZE(kinds))],
		(uint32_t)rng_below(&rng, 40), 1, rng_below(&rng, 4) == 0 ? ENOSPC : EIO);
}

/* A sum of which one increment has an unknown outcome cannot be told from its answers; it stops
 * until the next round has read it. */
static bool usable(uint32_t lane)
{
	return !ops[lane].busy &&
	       !(is_sum(lane) && sm->lanes[lane].issued != sm->lanes[lane].acked);
}

static void child(uint32_t round, uint64_t seed, bool load)
{
	rng_seed(&rng, seed + round * 7919);
	if (test_store_open(&t) != 0)
		fail("round %u: open: %s", round, t.err);
	sm->opened++;
	for (uint32_t lane = 0; lane < LANES; lane++)
		verify_lane(lane);
	sm->verified++;
	if (!load) {
		test_store_close(&t);
		_exit(0);
	}
	for (uint64_t n = 0;; n++) {
		uint32_t lane = (uint32_t)rng_below(&rng, LANES);

		if (round % 3 == 2 && n % 2000 == 500)
			inject();
		if (usable(lane))
			issue(lane);
		if (n % 8 == 0) {
			store_flush(t.c);
			take_answers();
		}
		if (n % 5000 == 4999) {
			struct store_shard_stats st;

			store_shard_get_stats(t.s, 0, &st);
			sm->reopens += st.reopens > 0;
		}
	}
}

/* Most kills hit the load; each fourth falls anywhere, so also into opening and comparing. */
static void await_load(uint32_t round, uint64_t before)
{
	struct timespec ms = {0, 1000000};

	for (int i = 0; round % 4 != 3 && i < 10000 && sm->verified == before && !sm->failed; i++)
		(void)nanosleep(&ms, NULL);
}

static int run_child(uint32_t round, uint64_t seed, bool load, uint64_t kill_after_us)
{
	struct timespec ts = {
		(time_t)(kill_after_us / 1000000), (long)(kill_after_us % 1000000) * 1000};
	uint64_t before = sm->verified;
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		child(round, seed, load);
		_exit(0);
	}
	if (load) {
		await_load(round, before);
		(void)nanosleep(&ts, NULL);
		(void)kill(pid, SIGKILL);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	if (atomic_load(&sm->failed))
		return -1;
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL) {
		(void)snprintf(
			sm->why, sizeof(sm->why), "child died of signal %d", WTERMSIG(status));
		return -1;
	}
	return 0;
}

int main(void)
{
	const char *r = getenv("CRASH_ROUNDS"), *s = getenv("CRASH_SEED");
	uint32_t rounds = r != NULL ? (uint32_t)atoi(r) : 20, done = 0;
	struct timespec now;
	uint64_t seed;
	bool ok = true;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	seed = s != NULL ? strtoull(s, NULL, 10) : (uint64_t)now.tv_nsec;
	sm = mmap(NULL, sizeof(*sm), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sm == MAP_FAILED)
		return 1;
	log_set_level(getenv("CRASH_LOG") != NULL ? LOG_INFO : LOG_ERROR);
	if (getenv("CRASH_LOG") == NULL)
		(void)!freopen("/dev/null", "w", stderr);
	test_clock_init();
	test_store_init(&t);
	t.p.shard_cnt = 2;
	t.p.memtable_bytes = 256 << 10;
	t.p.target_file_bytes = 1 << 20;
	rng_seed(&rng, seed);
	for (; ok && done < rounds; done++)
		/* Rounds with faults live long enough to recover. */
		ok = run_child(done, seed, true,
			     1000 + rng_below(&rng, done % 3 == 2 ? 1000000 : 250000)) == 0;
	if (ok)
		ok = run_child(done, seed, false, 0) == 0;
	printf("seed %llu: %u kills, %llu opens, %llu complete comparisons, %llu acknowledged, "
	       "%llu unknown, %llu refused\n",
		(unsigned long long)seed, done, (unsigned long long)sm->opened,
		(unsigned long long)sm->verified, (unsigned long long)sm->acked_ops,
		(unsigned long long)sm->unknown_ops, (unsigned long long)sm->refused_ops);
	/* A run in which nothing was written, or nothing compared, has shown nothing. */
	if (ok && (sm->verified < rounds / 2 || sm->acked_ops < rounds * 20)) {
		(void)snprintf(sm->why, sizeof(sm->why), "hardly anything happened");
		ok = false;
	}
	if (!ok)
		printf("FAILED: %s (files in %s)\n", sm->why, t.dir);
	else
		tmpdir_remove(t.dir);
	printf("%d passed, %d failed, 0 skipped\n", ok, !ok);
	return !ok;
}
