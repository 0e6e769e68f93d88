/* SPDX-License-Identifier: Apache-2.0
 * The checker of histories against histories of which the verdict is known; then histories of the
 * real service: many clients on several workers, with and without the memory cache, over several
 * shards, with clients that go away and with a disk that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "storage/uring_fs.h"
#include "tests/support/linear_kv.h"
#include "tests/support/resp_rig.h"
#include "tests/support/seed.h"

/* ---- known histories ---- */

enum { N, S, H0, H1, Z0, Z1 };

static struct lkv_log known;

static struct lkv_op *add(uint32_t client, uint64_t call, uint64_t end)
{
	struct lkv_op op = {.client = client};
	uint32_t i = lkv_log_call(&known, &op, call);

	lkv_log_end(&known, i, LKV_DONE, end);
	return &known.e[i].op;
}

static void step(struct lkv_op *op, enum lkv_kind kind, uint8_t cell, int64_t arg, int64_t result)
{
	op->steps[op->step_cnt++] = (struct lkv_step){(uint8_t)kind, cell, arg, result};
}

static void one(uint32_t client, uint64_t call, uint64_t end, enum lkv_kind kind, uint8_t cell,
	int64_t arg, int64_t result)
{
	step(add(client, call, end), kind, cell, arg, result);
}

/* The newest operation: its answer never came; it ended by `end` at the latest. */
static void lost(uint64_t end)
{
	lkv_log_end(&known, known.cnt - 1, LKV_MORE, end);
}

static bool accepted(void)
{
	struct lkv_result r;

	lkv_check(&known, 1, 1, LKV_EACH_GROUP, NULL, &r);
	lkv_log_fini(&known);
	assert_int_equal(r.undecided, 0);
	return r.bad == 0;
}

static void reads_and_writes(void **state)
{
	(void)state;
	one(0, 1, 2, LKV_SET, N, 5, 1);
	one(1, 3, 4, LKV_GET, N, 0, 5);
	assert_true(accepted());

	/* An older value than one that was there before the read began. */
	one(0, 1, 2, LKV_SET, N, 5, 1);
	one(0, 3, 4, LKV_SET, N, 6, 1);
	one(1, 5, 6, LKV_GET, N, 0, 5);
	assert_false(accepted());

	/* The same while the second write is still under way. */
	one(0, 1, 2, LKV_SET, N, 5, 1);
	one(0, 3, 7, LKV_SET, N, 6, 1);
	one(1, 5, 6, LKV_GET, N, 0, 5);
	assert_true(accepted());

	/* Of two reads one after the other, the later one has the older value. */
	one(0, 1, 2, LKV_SET, N, 5, 1);
	one(0, 3, 20, LKV_SET, N, 6, 1);
	one(1, 5, 6, LKV_GET, N, 0, 6);
	one(2, 7, 8, LKV_GET, N, 0, 5);
	assert_false(accepted());

	/* A value that nobody wrote, and one from the future. */
	one(1, 1, 2, LKV_GET, N, 0, 7);
	assert_false(accepted());
	one(1, 1, 2, LKV_GET, N, 0, 7);
	one(0, 3, 4, LKV_SET, N, 7, 1);
	assert_false(accepted());

	/* Two readers see two writes in different orders. */
	one(0, 1, 10, LKV_SET, N, 5, 1);
	one(1, 1, 10, LKV_SET, N, 6, 1);
	one(2, 1, 3, LKV_GET, N, 0, 5);
	one(2, 4, 6, LKV_GET, N, 0, 6);
	one(3, 1, 3, LKV_GET, N, 0, 6);
	one(3, 4, 6, LKV_GET, N, 0, 5);
	assert_false(accepted());

	/* Touching is overlapping. */
	one(0, 1, 5, LKV_SET, N, 5, 1);
	one(1, 5, 6, LKV_GET, N, 0, LKV_NIL);
	assert_true(accepted());
}

static void updates(void **state)
{
	(void)state;
	/* A lost update. */
	one(0, 1, 5, LKV_ADD, N, 1, 1);
	one(1, 1, 5, LKV_ADD, N, 1, 1);
	assert_false(accepted());
	one(0, 1, 5, LKV_ADD, N, 1, 2);
	one(1, 1, 5, LKV_ADD, N, 1, 1);
	assert_true(accepted());

	/* Two that both found it absent. */
	one(0, 1, 5, LKV_SETNX, N, 7, 1);
	one(1, 1, 5, LKV_SETNX, N, 8, 1);
	assert_false(accepted());
	one(0, 1, 5, LKV_SETNX, N, 7, 1);
	one(1, 1, 5, LKV_SETNX, N, 8, 0);
	one(1, 6, 7, LKV_GET, N, 0, 7);
	assert_true(accepted());

	/* Two that took the same value. */
	one(0, 1, 2, LKV_SET, S, 7, 1);
	one(1, 3, 9, LKV_TAKE, S, 0, 7);
	one(2, 3, 9, LKV_TAKE, S, 0, 7);
	assert_false(accepted());

	one(0, 1, 2, LKV_SET, S, 7, 1);
	one(1, 3, 9, LKV_SWAP, S, 8, 7);
	one(2, 3, 9, LKV_SWAP, S, 9, 8);
	one(2, 10, 11, LKV_SETXX, S, 10, 1);
	one(2, 12, 13, LKV_REMOVE, S, 0, 1);
	one(2, 14, 15, LKV_SETXX, S, 11, 0);
	one(2, 16, 17, LKV_COUNT, S, 0, 0);
	assert_true(accepted());

	/* A collection is gone with its members. */
	one(0, 1, 2, LKV_SET, H0, 7, 1);
	one(0, 3, 4, LKV_SET, H1, 8, 1);
	one(0, 5, 6, LKV_CLEAR, H0, 0, 1);
	one(0, 7, 8, LKV_GET, H1, 0, 8);
	assert_false(accepted());
	one(0, 1, 2, LKV_SET, Z0, 7, 1);
	one(0, 3, 4, LKV_SET, Z1, 8, 1);
	one(0, 5, 6, LKV_COUNT, Z0, 0, 2);
	one(0, 7, 8, LKV_CLEAR, Z0, 0, 1);
	one(0, 9, 10, LKV_COUNT, Z1, 0, 0);
	assert_true(accepted());
}

static void several_keys_at_once(void **state)
{
	struct lkv_op *op;

	(void)state;
	/* A read that has half of a write of two keys. */
	for (int torn = 0; torn < 2; torn++) {
		op = add(0, 1, 10);
		op->form = LKV_MSET;
		step(op, LKV_SET, N, 5, 1);
		step(op, LKV_SET, S, 6, 1);
		op = add(1, 2, 3);
		op->form = LKV_MGET;
		step(op, LKV_GET, N, 0, 5);
		step(op, LKV_GET, S, 0, torn ? LKV_NIL : 6);
		assert_int_equal(accepted(), !torn);
	}
	/* One that leaves nothing behind, but took something away: after the other, not before it.
	 */
	one(0, 1, 5, LKV_ADD, Z1, 1, 1);
	op = add(1, 4, 10);
	op->form = LKV_EXEC;
	step(op, LKV_SET, Z0, 5, 1);
	step(op, LKV_CLEAR, Z0, 0, 1);
	one(0, 11, 12, LKV_ADD, Z1, 2, 2);
	assert_true(accepted());
	/* Two transactions that each read what the other one writes. */
	op = add(0, 1, 10);
	op->form = LKV_EXEC;
	step(op, LKV_GET, N, 0, LKV_NIL);
	step(op, LKV_SET, S, 1, 1);
	op = add(1, 1, 10);
	op->form = LKV_EXEC;
	step(op, LKV_GET, S, 0, LKV_NIL);
	step(op, LKV_SET, N, 1, 1);
	assert_false(accepted());
}

/* A watched key, and what client 1 does to it meanwhile; then EXEC, which was done or not. */
static bool watched(bool there, enum lkv_kind kind, int64_t result, bool aborted)
{
	struct lkv_op *op;

	if (there)
		one(1, 1, 2, LKV_SET, N, 1, 1);
	one(0, 3, 4, LKV_WATCH, N, 0, 1);
	one(1, 5, 6, kind, N, 2, result);
	op = add(0, 7, 8);
	op->form = LKV_EXEC;
	op->watched = 1 << LKV_N;
	op->aborted = aborted;
	step(op, LKV_SET, N, 3, 1);
	one(2, 9, 10, LKV_GET, N, 0, aborted ? (kind == LKV_SET ? 2 : there ? 1 : LKV_NIL) : 3);
	return accepted();
}

/* An EXEC that was sent after one which watches another key, and came before it. */
static bool overtaken(void)
{
	struct lkv_op *op;

	one(1, 1, 2, LKV_SET, N, 1, 1);
	one(0, 3, 4, LKV_WATCH, N, 0, 1);
	op = add(0, 5, 12);
	op->form = LKV_EXEC;
	op->watched = 1 << LKV_N;
	op->aborted = true;
	step(op, LKV_SET, N, 3, 1);
	op = add(0, 6, 13);
	op->form = LKV_EXEC;
	step(op, LKV_SWAP, S, 4, LKV_NIL);
	op = add(1, 8, 11);
	op->form = LKV_MSET;
	step(op, LKV_SET, N, 5, 1);
	step(op, LKV_SET, S, 6, 1);
	return accepted();
}

static void watches(void **state)
{
	(void)state;
	assert_true(watched(true, LKV_SET, 1, true));
	assert_false(watched(true, LKV_SET, 1, false));
	assert_true(watched(true, LKV_GET, 1, false));
	assert_false(watched(true, LKV_GET, 1, true));
	assert_true(watched(false, LKV_SETXX, 0, false));
	assert_false(watched(false, LKV_SETXX, 0, true));
	/* Absent, there for a while, and absent again. */
	one(0, 1, 2, LKV_WATCH, N, 0, 1);
	one(1, 3, 4, LKV_SET, N, 2, 1);
	assert_true(watched(false, LKV_REMOVE, 1, false));
	assert_true(overtaken());
}

static void lost_answers(void **state)
{
	(void)state;
	/* Seen, not seen, seen later: all possible; seen and then gone is not. */
	for (int seen = 0; seen < 2; seen++) {
		one(0, 1, 0, LKV_SET, N, 5, 1);
		lost(LINEAR_NEVER);
		one(1, 2, 3, LKV_GET, N, 0, LKV_NIL);
		one(1, 4, 5, LKV_GET, N, 0, seen ? 5 : LKV_NIL);
		assert_true(accepted());
	}
	one(0, 1, 0, LKV_SET, N, 5, 1);
	lost(LINEAR_NEVER);
	one(1, 2, 3, LKV_GET, N, 0, 5);
	one(1, 4, 5, LKV_GET, N, 0, LKV_NIL);
	assert_false(accepted());

	/* What a crash at 3 left undecided is decided. */
	for (int end = 3; end < 6; end += 2) {
		one(0, 1, 0, LKV_SET, N, 5, 1);
		lost((uint64_t)end);
		one(1, 4, 6, LKV_GET, N, 0, LKV_NIL);
		one(1, 7, 8, LKV_GET, N, 0, 5);
		assert_int_equal(accepted(), end == 5);
	}
	/* An answered write is gone after it. */
	one(0, 1, 2, LKV_SET, N, 5, 1);
	one(0, 3, 0, LKV_SET, N, 6, 1);
	lost(9);
	one(1, 10, 11, LKV_GET, N, 0, LKV_NIL);
	assert_false(accepted());
	/* An increment that may have been done once was done twice. */
	one(0, 1, 0, LKV_ADD, N, 1, 0);
	lost(9);
	one(1, 10, 11, LKV_GET, N, 0, 2);
	assert_false(accepted());
	/* Many of which it is not known whether they were done. */
	for (uint32_t i = 0; i < 60; i++) {
		one(i, 1, 0, LKV_SET, N, 100 + i, 1);
		lost(i % 2 == 0 ? 20 : LINEAR_NEVER);
	}
	for (uint32_t i = 0; i < 20; i++)
		one(62, 30 + 2 * i, 31 + 2 * i, LKV_GET, N, 0, 101 + 2 * i);
	assert_true(accepted());
}

static void order_of_a_connection(void **state)
{
	(void)state;
	/* Both under way at once; only the order of their connection tells which came first. */
	one(0, 1, 10, LKV_SET, N, 5, 1);
	one(0, 2, 11, LKV_SET, N, 6, 1);
	one(1, 12, 13, LKV_GET, N, 0, 6);
	assert_true(accepted());
	one(0, 1, 10, LKV_SET, N, 5, 1);
	one(0, 2, 11, LKV_SET, N, 6, 1);
	one(1, 12, 13, LKV_GET, N, 0, 5);
	assert_false(accepted());
	/* Keys of their own know no such order. */
	one(0, 1, 10, LKV_SET, N, 5, 1);
	one(0, 2, 11, LKV_SET, S, 6, 1);
	one(1, 3, 4, LKV_GET, S, 0, 6);
	one(1, 5, 6, LKV_GET, N, 0, LKV_NIL);
	assert_true(accepted());
}

/* Random linearizable histories are accepted, and with one answer changed rejected, where a second
 * way to explain it does not exist by construction: every value is drawn once. */
static void random_histories(void **state)
{
	struct rng r;
	uint32_t rejected = 0;

	(void)state;
	rng_seed(&r, test_seed());
	for (int round = 0; round < 200; round++) {
		int64_t now = LKV_NIL, next = 1000;
		uint32_t reads = 0, spoil = (uint32_t)rng_below(&r, 30), seen = 0;
		uint64_t t = 100;
		bool spoiled = round % 2 == 1;

		for (uint32_t i = 0; i < 120; i++) {
			uint64_t call = t - rng_below(&r, 40), end = t + rng_below(&r, 40);

			t += 10;
			if (rng_below(&r, 2) == 0) {
				one(i % LKV_CLIENTS, call, end, LKV_SWAP, N, next, now);
				now = next++;
			} else {
				/* Of a value that is never there. */
				seen += spoiled && reads == spoil;
				one(i % LKV_CLIENTS, call, end, LKV_GET, N, 0,
					spoiled && reads++ == spoil ? 7 : now);
			}
		}
		/* The clients here are no connections: their operations overlap as they like. */
		for (uint32_t i = 0; i < known.cnt; i++)
			known.e[i].op.client = i % LKV_CLIENTS;
		if (seen > 0)
			rejected++;
		assert_int_equal(accepted(), seen == 0);
	}
	assert_true(rejected > 50);
}

/* ---- histories of the service ---- */

#define CLIENTS 12
#define GROUPS  6
#define WINDOW  6

struct client {
	struct lkv_client k;
	struct rig_conn *c;
	uint32_t worker;
	uint32_t waiting[WINDOW], head, cnt; /* entries of the log */
	size_t read;                         /* bytes of out that were looked at */
	uint64_t not_before_ns;              /* it was refused and waits a little */
};

struct run {
	const char *name;
	struct rig_params p;
	uint32_t ops, window, gone, faults;
	/* All keys of a shard share one order where one worker, or the store, has all of them. */
	enum lkv_object of;
};

struct world {
	const struct run *run;
	struct rig *rig;
	struct client cl[CLIENTS];
	struct lkv_log log;
	struct rng r;
	uint64_t next, tick;
	uint32_t issued, gone, faults;
};

static void take_answers(struct world *w, struct client *c)
{
	while (c->cnt > 0 && c->read < c->c->out_len) {
		uint32_t i = c->waiting[c->head % WINDOW];
		struct lkv_op *op = &w->log.e[i].op;
		size_t used;
		enum lkv_answer a;

		a = lkv_read(op, c->c->out + c->read, c->c->out_len - c->read, &used);
		if (a == LKV_MORE)
			return;
		if (a == LKV_STRANGE)
			fail_msg("%s: to client %u: %.*s", w->run->name, c->k.id,
				(int)(c->c->out_len - c->read), (char *)c->c->out + c->read);
		c->read += used;
		c->head++;
		c->cnt--;
		lkv_log_end(&w->log, i, a, ++w->tick);
		if (a == LKV_REFUSED)
			c->not_before_ns = clock_now_ns() + 50 * NS_PER_MS;
		/* Nothing is watched then. */
		if (a != LKV_DONE && op->form == LKV_ONE && op->steps[0].kind == LKV_WATCH)
			c->k.watched = 0;
	}
	if (c->cnt == 0)
		c->c->out_len = c->read = 0;
}

static void send_one(struct world *w, struct client *c)
{
	static char buf[LKV_REQUEST];
	struct lkv_op op;
	uint32_t i;

	if (c->not_before_ns > clock_now_ns() || c->cnt >= w->run->window ||
		(c->k.watched != 0 && c->cnt > 0))
		return;
	lkv_make(&op, &c->k, GROUPS, &w->r, &w->next);
	i = lkv_log_call(&w->log, &op, ++w->tick);
	c->waiting[(c->head + c->cnt++) % WINDOW] = i;
	w->issued++;
	rig_feed(c->c, buf, lkv_write(&op, "", buf));
	take_answers(w, c);
}

/* Its commands go on without it, or are never begun. */
static void go_away(struct world *w, struct client *c)
{
	for (; c->cnt > 0; c->cnt--, c->head++)
		lkv_log_end(&w->log, c->waiting[c->head % WINDOW], LKV_UNKNOWN, 0);
	rig_disconnect(c->c);
	c->c = rig_connect(w->rig, c->worker);
	c->read = 0;
	c->k.watched = 0;
	w->gone++;
}

static void break_disk(struct world *w)
{
	static const enum uring_fs_fault kinds[] = {URING_FS_LOG_WRITE, URING_FS_LOG_SYNC};

	uring_fs_inject(store_uring_fs(w->rig->store.s), kinds[rng_below(&w->r, 2)],
		(uint32_t)rng_below(&w->r, 4), 1, EIO);
	w->faults++;
}

static bool all_idle(const struct world *w)
{
	for (uint32_t i = 0; i < CLIENTS; i++)
		if (w->cl[i].cnt > 0)
			return false;
	return true;
}

static void drive(struct world *w)
{
	const struct run *run = w->run;
	uint32_t idle = 0;

	while (w->issued < run->ops || !all_idle(w)) {
		struct client *c = &w->cl[rng_below(&w->r, CLIENTS)];
		uint32_t worker = (uint32_t)rng_below(&w->r, w->rig->workers), did;

		if (w->issued < run->ops && rng_below(&w->r, 3) > 0)
			send_one(w, c);
		if (w->gone * run->ops < run->gone * w->issued && c->cnt > 0)
			go_away(w, c);
		if (w->faults * run->ops < run->faults * w->issued)
			break_disk(w);
		did = rig_turn_one(w->rig, worker);
		for (uint32_t i = 0; i < CLIENTS; i++)
			if (w->cl[i].worker == worker)
				take_answers(w, &w->cl[i]);
		idle = did > 0 ? 0 : idle + 1;
		if (idle > 20)
			usleep(50);
	}
}

static void record(const struct run *run, uint64_t seed)
{
	struct world *w = calloc(1, sizeof(*w));
	struct lkv_result res;

	w->run = run;
	w->next = 1;
	w->rig = rig_open(&run->p);
	rng_seed(&w->r, seed);
	for (uint32_t i = 0; i < CLIENTS; i++) {
		w->cl[i] = (struct client){.k = {.id = i}, .worker = i % w->rig->workers};
		w->cl[i].c = rig_connect(w->rig, w->cl[i].worker);
	}
	drive(w);
	lkv_check(&w->log, 1, GROUPS, run->of, stderr, &res);
	print_message("%s: %u operations, %u transactions aborted, %u unknown, %u not done\n",
		run->name, res.ops, res.aborted, res.unknown, res.refused);
	assert_int_equal(res.bad, 0);
	assert_int_equal(res.undecided, 0);
	/* A run in which nobody met anybody has shown nothing. */
	assert_true(res.aborted > run->ops / 200);
	assert_true(run->faults == 0 || res.unknown > 0);
	for (uint32_t i = 0; i < CLIENTS; i++)
		rig_disconnect(w->cl[i].c);
	rig_close(w->rig);
	lkv_log_fini(&w->log);
	free(w);
}

static void the_service_is_linearizable(void **state)
{
	static const struct run runs[] = {
		{"one worker", {.ns = NS_EVERYSEC}, 2500, 2, 0, 0, LKV_EACH_GROUP},
		{"cache", {.ns = NS_EVERYSEC, .cache_bytes = 8 << 20}, 2500, 4, 0, 0,
			LKV_EACH_GROUP},
		{"three workers", {.ns = NS_VOLATILE, .workers = 3}, 2500, 2, 0, 0, LKV_EACH_GROUP},
		{"two workers, cache", {.ns = NS_VOLATILE, .workers = 2, .cache_bytes = 8 << 20},
			4000, 4, 0, 0, LKV_EACH_KEY},
		{"two workers, two shards, cache",
			{.ns = NS_EVERYSEC, .workers = 2, .shards = 2, .cache_bytes = 8 << 20},
			3000, 2, 0, 0, LKV_EACH_KEY},
		{"always", {.ns = NS_ALWAYS, .workers = 2, .cache_bytes = 8 << 20}, 2000, 2, 0, 0,
			LKV_EACH_KEY},
		{"clients go away", {.ns = NS_VOLATILE, .workers = 3, .cache_bytes = 8 << 20}, 3000,
			3, 20, 0, LKV_EACH_KEY},
		{"the log fails", {.ns = NS_ALWAYS, .workers = 2}, 1500, 2, 0, 3, LKV_EACH_GROUP},
		{"the log fails, cache", {.ns = NS_ALWAYS, .workers = 2, .cache_bytes = 8 << 20},
			2000, 2, 0, 3, LKV_EACH_KEY},
	};
	const char *rounds = getenv("LINEAR_ROUNDS");
	uint64_t seed = test_seed();

	(void)state;
	for (int n = 0; n < (rounds == NULL ? 1 : atoi(rounds)); n++)
		for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++)
			record(&runs[i], seed + (uint64_t)n * 100 + i);
}

/* ---- several keys are read as of one moment ---- */

/* p and q are only ever written together, with one value. */
static void pairs_are_never_torn(void **state)
{
	struct rig *r = rig_open(
		&(struct rig_params){.ns = NS_VOLATILE, .workers = 3, .cache_bytes = 8 << 20});
	struct rig_conn *c[3];
	uint32_t reads = 0;
	struct rng rng;

	(void)state;
	rng_seed(&rng, test_seed());
	for (uint32_t i = 0; i < 3; i++)
		c[i] = rig_connect(r, i);
	for (uint32_t i = 0; i < 4000; i++) {
		uint32_t w = (uint32_t)rng_below(&rng, 3), k = (uint32_t)rng_below(&rng, 3);
		char cmd[128];
		int n;

		switch (rng_below(&rng, 8)) {
		case 0:
			n = snprintf(cmd, sizeof(cmd), "mset {t%u}p %u {t%u}q %u\r\n", k, i, k, i);
			break;
		case 1:
			n = snprintf(cmd, sizeof(cmd), "del {t%u}p {t%u}q\r\n", k, k);
			break;
		case 2:
			n = snprintf(cmd, sizeof(cmd),
				"multi\r\nset {t%u}p %u\r\nset {t%u}q %u\r\nexec\r\n", k, i, k, i);
			break;
		case 3:
			n = snprintf(
				cmd, sizeof(cmd), "get {t%u}%c\r\n", k, i % 2 == 0 ? 'p' : 'q');
			break;
		default:
			n = snprintf(cmd, sizeof(cmd), "mget {t%u}p {t%u}q\r\n", k, k);
		}
		rig_feed(c[w], cmd, (size_t)n);
		for (uint64_t t = rng_below(&rng, 4); t > 0; t--)
			(void)rig_turn_one(r, (uint32_t)rng_below(&rng, 3));
	}
	rig_settle(r);
	for (uint32_t i = 0; i < 3; i++) {
		char *at = (char *)c[i]->out, *end = at + c[i]->out_len;

		for (; (at = memmem(at, (size_t)(end - at), "*2\r\n$", 5)) != NULL; reads++) {
			char *p = at + 4, *q = memchr(p + 1, '$', (size_t)(end - p) - 1);
			size_t len = q == NULL ? 0 : (size_t)(q - p);

			/* EXEC's array has no bulk strings. */
			at += 4;
			if (len == 0 || (size_t)(end - q) < len || memcmp(p, q, len) != 0)
				fail_msg("torn: %.40s", p);
		}
	}
	print_message("%u reads of pairs\n", reads);
	assert_true(reads > 1000);
	for (uint32_t i = 0; i < 3; i++)
		rig_disconnect(c[i]);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_and_writes),
		cmocka_unit_test(updates),
		cmocka_unit_test(several_keys_at_once),
		cmocka_unit_test(watches),
		cmocka_unit_test(lost_answers),
		cmocka_unit_test(order_of_a_connection),
		cmocka_unit_test(random_histories),
		cmocka_unit_test(the_service_is_linearizable),
		cmocka_unit_test(pairs_are_never_torn),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
