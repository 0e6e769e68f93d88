/* SPDX-License-Identifier: Apache-2.0
 * Three workers on two shards with two readers each: rings in both directions, doorbells both ways,
 * reopens by injected faults, snapshots. Meant for ThreadSanitizer (edges R1, R2, S1, S2); what it
 * checks itself: a worker reads its own writes, every request comes back once, sums over all
 * workers are exact, and no wake-up is lost. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "storage/uring_fs.h"
#include "tests/support/store_util.h"

#define WORKERS 3
#define LANES   24 /* keys of one worker */
#define SUMS    4  /* keys of all */
#define OPS     6000
#define LOST_MS 5000 /* far above any sleep: only a lost wake-up lasts so long */

struct lane {
	char key[24], value[24], out[24];
	uint64_t seq, stored; /* stored 0: nothing known, UINT64_MAX: outcome unknown */
	bool busy, reading;
};

struct worker {
	struct store_client *c;
	struct lane lanes[LANES];
	struct rng rng;
	_Atomic uint32_t sleeping;
	int fd;
	uint32_t id, back;
	int64_t added[SUMS];
	pthread_t thread;
};

static struct test_store t;
static struct worker workers[WORKERS];
static char sum_key[SUMS][8];
static _Atomic uint32_t refused;

static void fail(const char *what, uint32_t worker, int rc)
{
	printf("stress_store: worker %u: %s (%d)\n0 passed, 1 failed, 0 skipped\n", worker, what,
		rc);
	exit(1);
}

static void on_answer(void *ctx)
{
	struct worker *w = ctx;
	uint64_t one = 1;

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&w->sleeping, memory_order_relaxed))
		(void)!write(w->fd, &one, sizeof(one));
}

static bool submit(struct worker *w, struct store_req *r)
{
	int rc = store_submit(w->c, r, clock_now_ns());

	if (rc == 0)
		return true;
	if (rc != -EBUSY && rc != -EROFS)
		fail("submit", w->id, rc);
	atomic_fetch_add_explicit(&refused, 1, memory_order_relaxed);
	store_req_put(w->c, r);
	return false;
}

static void issue_sum(struct worker *w)
{
	struct store_req *r = store_req_get(w->c);
	uint32_t k = (uint32_t)rng_below(&w->rng, SUMS);

	if (r == NULL)
		return;
	r->kind = STORE_WRITE;
	r->one.key = str_key(NS_EVERYSEC, sum_key[k]);
	r->one.op = STORE_INCR;
	r->one.delta = 1;
	r->cookie = LANES + k;
	(void)submit(w, r);
}

static void issue_lane(struct worker *w)
{
	uint32_t i = (uint32_t)rng_below(&w->rng, LANES);
	struct lane *l = &w->lanes[i];
	struct store_req *r = l->busy ? NULL : store_req_get(w->c);

	if (r == NULL)
		return;
	l->reading = rng_below(&w->rng, 2) == 0;
	r->prio = (uint8_t)rng_below(&w->rng, STORE_PRIO_CNT);
	r->cookie = i;
	r->one.key = str_key(NS_EVERYSEC, l->key);
	if (l->reading) {
		r->kind = STORE_READ;
		r->one.out = (uint8_t *)l->out;
		r->one.out_cap = sizeof(l->out);
	} else {
		l->seq++;
		r->kind = STORE_WRITE;
		r->one.op = STORE_PUT;
		r->one.type = CODEC_STRING;
		r->one.value = (uint8_t *)l->value;
		r->one.value_len = (uint32_t)snprintf(
			l->value, sizeof(l->value), "%llu", (unsigned long long)l->seq);
	}
	l->busy = submit(w, r);
}

static void take(struct worker *w, struct store_req *r)
{
	struct lane *l = &w->lanes[r->cookie % LANES];

	w->back++;
	if (r->cookie >= LANES) {
		if (r->status == -ENOTRECOVERABLE)
			fail("sums run without faults", w->id, r->status);
		w->added[r->cookie - LANES] += r->status == 0;
	} else if (!l->reading) {
		if (r->status == 0)
			l->stored = l->seq;
		else if (r->status != -EBUSY && r->status != -EROFS)
			fail("put", w->id, r->status);
	} else if (r->status == 0) {
		char want[24];

		(void)snprintf(want, sizeof(want), "%llu", (unsigned long long)l->stored);
		if (r->one.value_len != strlen(want) || memcmp(l->out, want, strlen(want)) != 0)
			fail("own write not read", w->id, (int)r->one.value_len);
	} else if (r->status != -ENOENT || l->stored != 0) {
		fail("get", w->id, r->status);
	}
	l->busy = r->cookie >= LANES && l->busy;
	store_req_put(w->c, r);
}

static uint32_t poll_answers(struct worker *w)
{
	struct store_req *back[16];
	uint32_t n = store_poll(w->c, back, ARRAY_SIZE(back));

	for (uint32_t i = 0; i < n; i++)
		take(w, back[i]);
	return n;
}

/* As a worker with adaptive polling sleeps. */
static void wait_for_answer(struct worker *w)
{
	struct pollfd p = {.fd = w->fd, .events = POLLIN};
	uint64_t count;

	atomic_store_explicit(&w->sleeping, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (poll_answers(w) == 0) {
		if (poll(&p, 1, LOST_MS) == 0)
			fail("wake-up lost", w->id, 0);
		(void)!read(w->fd, &count, sizeof(count));
	}
	atomic_store_explicit(&w->sleeping, 0, memory_order_relaxed);
}

static void *run(void *arg)
{
	struct worker *w = arg;

	for (uint32_t n = 0; n < OPS; n++) {
		if (rng_below(&w->rng, 4) == 0)
			issue_sum(w);
		else
			issue_lane(w);
		if (rng_below(&w->rng, 6) != 0)
			continue;
		store_flush(w->c);
		if (poll_answers(w) == 0 && store_pending(w->c) > 0)
			wait_for_answer(w);
	}
	store_flush(w->c);
	while (store_pending(w->c) > 0)
		wait_for_answer(w);
	return NULL;
}

static void check_sums(void)
{
	char buf[32];

	for (uint32_t k = 0; k < SUMS; k++) {
		int64_t want = 0;

		for (uint32_t i = 0; i < WORKERS; i++)
			want += workers[i].added[k];
		if (store_get_str(t.c, NS_EVERYSEC, sum_key[k], buf, sizeof(buf)) != 0 ||
			strtoll(buf, NULL, 10) != want)
			fail("a sum is wrong", 0, (int)want);
	}
}

int main(void)
{
	test_clock_init();
	log_set_level(LOG_ERROR);
	test_store_init(&t);
	t.p.shard_cnt = 2;
	t.p.reader_cnt = 2;
	t.p.client_cnt = WORKERS;
	t.p.queue_len = 64;
	t.p.memtable_bytes = 256 << 10;
	if (test_store_open(&t) != 0)
		fail(t.err, 0, 0);
	for (uint32_t k = 0; k < SUMS; k++)
		(void)snprintf(sum_key[k], sizeof(sum_key[k]), "sum%u", k);
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		w->id = i;
		w->c = store_client(t.s, i);
		w->fd = eventfd(0, EFD_NONBLOCK);
		rng_seed(&w->rng, i + 1);
		for (uint32_t k = 0; k < LANES; k++)
			(void)snprintf(w->lanes[k].key, 24, "w%u-%u", i, k);
		store_client_on_answer(w->c, on_answer, w);
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0)
			fail("pthread_create", i, 0);
	/* Control looks, flushes and compacts meanwhile; a failed flush makes shards recover. */
	for (int i = 0; i < 20; i++) {
		struct store_shard_stats st;

		store_shard_get_stats(t.s, (uint32_t)i % 2, &st);
		(void)!store_flush_all(t.s);
		if (i % 5 == 2)
			store_compact_all(t.s);
		if (i == 8)
			uring_fs_inject(store_uring_fs(t.s), URING_FS_DATA_WRITE, 0, 1, EIO);
	}
	for (uint32_t i = 0; i < WORKERS; i++)
		pthread_join(workers[i].thread, NULL);
	check_sums();
	test_store_fini(&t);
	for (uint32_t i = 0; i < WORKERS; i++) {
		if (workers[i].back < OPS / 8)
			fail("hardly any request ran", i, (int)workers[i].back);
		close(workers[i].fd);
	}
	printf("1 passed, 0 failed, 0 skipped\n");
	return 0;
}
