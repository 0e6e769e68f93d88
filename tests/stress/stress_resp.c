/* SPDX-License-Identifier: Apache-2.0
 * Workers on threads of their own read and write the same keys through the memory cache and the
 * store. A read never gives less than what was answered before it was asked (KV4): values only
 * grow, and each thread notes the greatest answered one before it asks. Sums of increments and
 * appends show lost updates. Then each records the history of random commands, which must be
 * linearizable; and pairs that are only written together are never read torn. Pipelines of bare
 * SETs, which are written past transactions (kvs_put_alone), keep their order for all who read. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "tests/support/linear_kv.h"
#include "tests/support/resp_rig.h"
#include "tests/support/seed.h"

#define THREADS      3
#define KEYS         4
#define ROUNDS       1500
#define HISTORY      1500 /* random commands of a thread */
#define GROUPS       2
#define LONE         600 /* pipelines of bare SETs of a thread */
#define LONE_AT_ONCE 16

static _Atomic uint64_t answered[KEYS]; /* the greatest value that a SET was answered for */
static _Atomic uint64_t next_value = 1000000000;
static _Atomic uint64_t added;
static _Atomic uint64_t lone_answered[THREADS]; /* the last value of a thread's own key */
static struct rig *rig;

struct client {
	uint32_t id;
	struct rig_conn *c;
	struct rng r;
	uint64_t gets, sets, pairs, lone;
	struct lkv_client k;
	struct lkv_log log;
	uint64_t next;
};

/* Sends one command and turns its own worker until the reply is complete. */
static const char *ask(struct client *x, const char *line, size_t replies)
{
	struct rig_conn *c = x->c;

	c->out_len = 0;
	rig_feed(c, line, strlen(line));
	for (;;) {
		size_t lines = 0;

		for (size_t i = 0; i < c->out_len; i++)
			lines += c->out[i] == '\n';
		if (lines >= replies)
			break;
		(void)rig_turn_one(rig, x->id);
	}
	c->out[c->out_len] = '\0';
	return (const char *)c->out;
}

static void raise_to(_Atomic uint64_t *max, uint64_t v)
{
	uint64_t was = atomic_load(max);

	while (was < v && !atomic_compare_exchange_weak(max, &was, v))
		;
}

/* Values are drawn by one counter and written only if they are greater, so a key only grows. */
static void set_greater(struct client *x, uint32_t key)
{
	uint64_t v = atomic_fetch_add(&next_value, 1);
	char line[256];
	const char *got;

	snprintf(line, sizeof(line), "watch v%u\r\nget v%u\r\n", key, key);
	got = ask(x, line, 3);
	got = strchr(got, '\n') + 1;
	if (got[0] == '$' && got[1] != '-' && strtoull(strchr(got, '\n') + 1, NULL, 10) >= v)
		return;
	snprintf(line, sizeof(line), "multi\r\nset v%u %llu\r\nexec\r\n", key,
		(unsigned long long)v);
	got = ask(x, line, 3);
	if (strstr(got, "*1") != NULL) {
		raise_to(&answered[key], v);
		x->sets++;
	}
}

static void get(struct client *x, uint32_t key)
{
	uint64_t least = atomic_load(&answered[key]), v;
	char line[64];
	const char *got;

	snprintf(line, sizeof(line), "get v%u\r\n", key);
	got = ask(x, line, 2);
	v = strtoull(strchr(got, '\n') + 1, NULL, 10);
	if (v < least) {
		fprintf(stderr, "thread %u, key %u: %llu, but %llu was answered before\n", x->id,
			key, (unsigned long long)v, (unsigned long long)least);
		abort();
	}
	x->gets++;
}

static void random_command(struct client *x)
{
	struct rig_conn *c = x->c;
	static _Thread_local char buf[LKV_REQUEST];
	enum lkv_answer a = LKV_MORE;
	struct lkv_op op;
	size_t used;
	uint32_t i;

	lkv_make(&op, &x->k, GROUPS, &x->r, &x->next);
	i = lkv_log_call(&x->log, &op, clock_now_ns());
	c->out_len = 0;
	rig_feed(c, buf, lkv_write(&op, "", buf));
	while ((a = lkv_read(&x->log.e[i].op, c->out, c->out_len, &used)) == LKV_MORE)
		(void)rig_turn_one(rig, x->id);
	lkv_log_end(&x->log, i, a, clock_now_ns());
	if (a != LKV_DONE) {
		fprintf(stderr, "thread %u: %.*s\n", x->id, (int)c->out_len, (char *)c->out);
		abort();
	}
}

static void pair(struct client *x)
{
	char line[96];
	const char *got, *p, *q;

	if (rng_below(&x->r, 3) == 0) {
		uint32_t v = (uint32_t)(1000000 + rng_below(&x->r, 1000000));

		snprintf(line, sizeof(line), "mset {t}p %u {t}q %u\r\n", v, v);
		(void)ask(x, line, 1);
		return;
	}
	got = ask(x, "mget {t}p {t}q\r\n", 5);
	p = strchr(got, '\n') + 1;
	q = strchr(p + 1, '$');
	if (strncmp(p, q, 11) != 0) {
		fprintf(stderr, "thread %u: torn: %s\n", x->id, got);
		abort();
	}
	x->pairs++;
}

static uint64_t number_of(const char *bulk)
{
	return strtoull(strchr(bulk, '\n') + 1, NULL, 10);
}

/* Values of a thread's own key only grow; the last of a pipeline is what it reads behind them, and
 * nobody reads less of another's than was answered before. */
static void lone_writes(struct client *x)
{
	uint32_t n = 1 + (uint32_t)rng_below(&x->r, LONE_AT_ONCE);
	uint32_t other = (uint32_t)rng_below(&x->r, THREADS);
	char lines[LONE_AT_ONCE * 40 + 80];
	const char *got, *mine;
	uint64_t least;
	size_t len = 0;

	for (uint32_t i = 0; i < n; i++)
		len += (size_t)snprintf(lines + len, sizeof(lines) - len, "set o%u %llu\r\n", x->id,
			(unsigned long long)++x->lone);
	(void)snprintf(lines + len, sizeof(lines) - len, "get o%u\r\n", x->id);
	got = ask(x, lines, n + 2);
	mine = strchr(got, '$');
	if (mine == NULL || number_of(mine) != x->lone) {
		fprintf(stderr, "thread %u: %s, not %llu\n", x->id, got,
			(unsigned long long)x->lone);
		abort();
	}
	atomic_store(&lone_answered[x->id], x->lone);
	least = atomic_load(&lone_answered[other]);
	(void)snprintf(lines, sizeof(lines), "get o%u\r\n", other);
	got = ask(x, lines, 2);
	if (number_of(strchr(got, '$')) < least) {
		fprintf(stderr, "thread %u: of thread %u %s, but %llu was answered before\n", x->id,
			other, got, (unsigned long long)least);
		abort();
	}
}

static void *run(void *arg)
{
	struct client *x = arg;

	for (int i = 0; i < ROUNDS; i++) {
		uint32_t key = (uint32_t)rng_below(&x->r, KEYS);

		switch (rng_below(&x->r, 8)) {
		case 0:
			set_greater(x, key);
			break;
		case 1:
			(void)ask(x, "incr n\r\n", 1);
			(void)ask(x, "append log x\r\n", 1);
			atomic_fetch_add(&added, 1);
			break;
		default:
			get(x, key);
		}
	}
	for (int i = 0; i < ROUNDS; i++)
		pair(x);
	for (int i = 0; i < LONE; i++)
		lone_writes(x);
	for (int i = 0; i < HISTORY; i++)
		random_command(x);
	/* Its worker goes on for the sake of the others' leases. */
	for (int i = 0; i < 100; i++)
		(void)rig_turn_one(rig, x->id);
	return NULL;
}

int main(void)
{
	struct rig_params p = {.workers = THREADS, .cache_bytes = 8 << 20, .ns = NS_VOLATILE};
	struct client x[THREADS];
	pthread_t threads[THREADS];
	uint64_t seed = test_seed(), gets = 0, sets = 0, pairs = 0, lone = 0;
	struct lkv_log logs[THREADS];
	struct lkv_result res;
	char want[32], *got;

	log_set_level(LOG_ERROR);
	rig = rig_open(&p);
	for (uint32_t i = 0; i < THREADS; i++) {
		x[i] = (struct client){.id = i, .c = rig_connect(rig, i), .k = {.id = i}};
		x[i].next = 1 + i * UINT64_C(1000000);
		rng_seed(&x[i].r, seed + i);
	}
	(void)ask(&x[0], "mset {t}p 1000000 {t}q 1000000\r\n", 1);
	for (uint32_t i = 0; i < THREADS; i++) {
		char line[32];

		snprintf(line, sizeof(line), "set o%u 0\r\n", i);
		(void)ask(&x[0], line, 1);
	}
	for (uint32_t k = 0; k < KEYS; k++) {
		char line[32];

		snprintf(line, sizeof(line), "set v%u 1\r\n", k);
		(void)ask(&x[0], line, 1);
		atomic_store(&answered[k], 1);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, run, &x[i]) != 0)
			abort();
	for (uint32_t i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		gets += x[i].gets;
		sets += x[i].sets;
		pairs += x[i].pairs;
		lone += x[i].lone;
		logs[i] = x[i].log;
	}
	lkv_check(logs, THREADS, GROUPS, LKV_EACH_KEY, stderr, &res);
	if (res.bad + res.undecided > 0 || res.ops != THREADS * HISTORY)
		abort();
	got = rig_ask(x[0].c, "get n");
	snprintf(want, sizeof(want), "%llu\r\n", (unsigned long long)atomic_load(&added));
	if (strcmp(strchr(got, '\n') + 1, want) != 0) {
		fprintf(stderr, "INCR: %s, not %s", strchr(got, '\n') + 1, want);
		abort();
	}
	free(got);
	got = rig_ask(x[1].c, "strlen log");
	if (strcmp(got + 1, want) != 0) {
		fprintf(stderr, "APPEND: %s, not %s", got + 1, want);
		abort();
	}
	free(got);
	printf("%llu reads, %llu writes, %llu increments, %llu pairs, %llu lone writes, "
	       "%u random commands\n",
		(unsigned long long)gets, (unsigned long long)sets,
		(unsigned long long)atomic_load(&added), (unsigned long long)pairs,
		(unsigned long long)lone, res.ops);
	for (uint32_t i = 0; i < THREADS; i++) {
		rig_disconnect(x[i].c);
		lkv_log_fini(&x[i].log);
	}
	rig_close(rig);
	puts("1 passed, 0 failed, 0 skipped");
	return 0;
}
