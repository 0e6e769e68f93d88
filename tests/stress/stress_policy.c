/* SPDX-License-Identifier: Apache-2.0
 * What policies of several workers share: the table of token buckets, the thread for slow work, the
 * references that keep a policy alive while work about it is under way. Meant for ThreadSanitizer;
 * but it also counts: no bucket lets more through than it may, or less than it should; every job
 * comes back once unless its stream was cancelled; a policy is freed once, after its last job. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/rng.h"
#include "lb/l7/policy/rate_table.h"
#include "lb/l7/policy/slow.h"

#define THREADS 3

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	printf("FAILED: %s\n", what);
	exit(1);
}

/* ---- buckets ---- */

#define KEYS     5
#define BURST    8
#define INTERVAL 1000 /* ns */
#define ASKED    150000

static struct rate_table *table;
static _Atomic uint64_t now = 1000000, passed[KEYS];

static void *ask(void *arg)
{
	struct rng rng;
	uint64_t wait;

	rng_seed(&rng, (uint64_t)(uintptr_t)arg);
	for (int i = 0; i < ASKED; i++) {
		uint64_t t = atomic_fetch_add_explicit(&now, 7, memory_order_relaxed);
		uint64_t k = rng_below(&rng, KEYS);

		if (rate_table_take(table, (k + 1) * UINT64_C(0x9e3779b97f4a7c15), t, &wait))
			atomic_fetch_add_explicit(&passed[k], 1, memory_order_relaxed);
		else
			require(wait < UINT64_C(1000000000), "a wait is bounded");
	}
	return NULL;
}

static void buckets(void)
{
	pthread_t threads[THREADS];
	uint64_t start = now, may;

	table = rate_table_create(1000000, UINT64_C(1000000000), BURST, 64);
	require(table != NULL, "memory");
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, ask, (void *)(i + 1));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	may = (now - start) / INTERVAL + BURST;
	for (int k = 0; k < KEYS; k++) {
		printf("bucket %d: %lu of %lu\n", k, (unsigned long)passed[k], (unsigned long)may);
		/* RB2: each worker may enter a new key once. */
		require(passed[k] <= may + THREADS, "no more than the rate");
		/* Several times what may pass was asked for. */
		require(passed[k] + may / 10 >= may, "no less than the rate");
	}
	rate_table_destroy(table);
}

/* ---- slow work ---- */

#define JOBS    4000
#define STREAMS 16

struct policy {
	struct http_policy p;
	uint64_t alive;
};

static _Atomic uint32_t freed, made, came_back, cancelled;

static void policy_free(struct http_policy *p)
{
	struct policy *q = container_of(p, struct policy, p);

	require(q->alive == 1, "freed once");
	q->alive = 0;
	atomic_fetch_add(&freed, 1);
	free(q);
}

static const struct http_policy_ops ops = {.name = "test", .free = policy_free};

static void work(struct slow_job *j)
{
	require(container_of(j->policy, struct policy, p)->alive == 1, "alive while worked on");
	for (uint32_t i = 0; i < j->in_len; i++)
		j->out[i] = (char)(j->in[i] + 1);
	j->out_len = j->in_len;
}

static enum http_verdict done(
	struct slow_job *j, struct http_route_worker *rw, struct http_stream *s)
{
	(void)rw;
	require(j->out_len == 3 && memcmp(j->out, "bcd", 3) == 0, "the work was done");
	require(s != NULL, "for a stream");
	return HTTP_GO;
}

static void go_on(struct http_stream *s, enum http_verdict v)
{
	require(v == HTTP_GO, "go on");
	s->end = HTTP_END_OK; /* free again */
	atomic_fetch_add(&came_back, 1);
}

struct asker {
	struct http_route_worker rw;
	struct http_stream streams[STREAMS];
	struct http_exchange exchanges[STREAMS];
	struct http_route route;
	struct rng rng;
	struct policy *policy;
};

static void new_policy(struct asker *a)
{
	if (a->policy)
		policy_unref(&a->policy->p);
	a->policy = calloc(1, sizeof(*a->policy));
	require(a->policy != NULL, "memory");
	a->policy->p = (struct http_policy){&ops, 1};
	a->policy->alive = 1;
	atomic_fetch_add(&made, 1);
}

static void submit(struct asker *a, struct http_stream *s)
{
	struct slow_job *j = slow_job_get(&a->rw);

	if (!j)
		return;
	memcpy(j->in, "abc", 3);
	j->in_len = 3;
	j->work = work;
	j->done = done;
	s->end = HTTP_END_INTERNAL; /* busy */
	require(slow_submit(&a->rw, s, &a->policy->p, j) == HTTP_WAIT, "waits");
}

static void *worker(void *arg)
{
	struct asker *a = arg;

	for (int i = 0; i < JOBS; i++) {
		struct http_stream *s = &a->streams[rng_below(&a->rng, STREAMS)];

		if (s->end == HTTP_END_OK) {
			submit(a, s);
		} else if (rng_below(&a->rng, 8) == 0) {
			http_policies_cancel(&a->rw, s);
			s->end = HTTP_END_OK;
			atomic_fetch_add(&cancelled, 1);
		}
		if (rng_below(&a->rng, 16) == 0)
			new_policy(a);
		(void)http_policies_poll(&a->rw, 0);
		if (i % 8 == 0) /* let the thread have its turn, and sleep */
			nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	}
	for (int busy = 1; busy;) {
		busy = 0;
		(void)http_policies_poll(&a->rw, 0);
		for (int i = 0; i < STREAMS; i++)
			busy += a->streams[i].end != HTTP_END_OK;
	}
	return NULL;
}

static void slow_work(void)
{
	static struct asker askers[THREADS];
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++) {
		struct asker *a = &askers[i];

		a->rw.go_on = go_on;
		rng_seed(&a->rng, (uint64_t)i);
		new_policy(a);
		for (int k = 0; k < STREAMS; k++) {
			a->streams[k].policy_state = &a->exchanges[k];
			a->streams[k].route = &a->route;
		}
		require(http_policies_attach(&a->rw) == 0, "attach");
	}
	for (int i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, worker, &askers[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < THREADS; i++) {
		slow_worker_free(&askers[i].rw);
		policy_unref(&askers[i].policy->p);
	}
	printf("slow work: %u came back, %u cancelled, %u policies\n", came_back, cancelled, made);
	require(came_back > 100, "work comes back");
	require(freed == made, "every policy is freed");
}

int main(void)
{
	buckets();
	slow_work();
	puts("1 passed, 0 failed, 0 skipped");
	return 0;
}
