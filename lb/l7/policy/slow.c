/* SPDX-License-Identifier: Apache-2.0
 * The thread sleeps on a futex when no ring holds a job; the flag and the rings follow the pattern
 * of docs/concurrency.md, "Sleeping and waking". */
#include "lb/l7/policy/slow.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/spsc.h"

#define BURST   16
#define WAIT_MS 500 /* a lost wake-up costs so much; none is known */

struct slow_worker {
	struct spsc *in, *out;
	struct slow_job *jobs;
	uint32_t free[LIMIT_SLOW_JOBS], free_cnt;
};

/* The thread lives as long as a worker is attached. The list changes under the mutex, which the
 * thread holds while it goes over it; workers themselves never take it. */
static struct {
	pthread_mutex_t mutex;
	pthread_t thread;
	_Atomic uint32_t sleeping, stop;
	struct slow_worker **workers;
	uint32_t cnt;
} slow = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* ---- the thread ---- */

static bool rings_empty(void)
{
	for (uint32_t i = 0; i < slow.cnt; i++)
		if (spsc_count(slow.workers[i]->in) > 0)
			return false;
	return true;
}

static uint32_t serve(struct slow_worker *w)
{
	void *jobs[BURST];
	uint32_t n = spsc_pop(w->in, jobs, BURST);

	for (uint32_t i = 0; i < n; i++) {
		struct slow_job *j = jobs[i];

		j->work(j);
		policy_unref(j->policy);
		/* There are as many slots as jobs. */
		(void)spsc_push(w->out, &jobs[i], 1);
	}
	return n;
}

static COLD void sleep_until_asked(void)
{
	struct timespec ts = {.tv_nsec = WAIT_MS * 1000000L};
	bool idle;

	atomic_store_explicit(&slow.sleeping, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst); /* PL1 */
	pthread_mutex_lock(&slow.mutex);
	idle = rings_empty();
	pthread_mutex_unlock(&slow.mutex);
	if (idle && !atomic_load_explicit(&slow.stop, memory_order_acquire))
		(void)syscall(SYS_futex, &slow.sleeping, FUTEX_WAIT_PRIVATE, 1, &ts, NULL, 0);
	atomic_store_explicit(&slow.sleeping, 0, memory_order_relaxed);
}

static void *run(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "weir-policy");
	/* Where it has to share a core with a worker, the worker goes first. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), 10);
	while (!atomic_load_explicit(&slow.stop, memory_order_acquire)) {
		uint32_t n = 0;

		pthread_mutex_lock(&slow.mutex);
		for (uint32_t i = 0; i < slow.cnt; i++)
			n += serve(slow.workers[i]);
		pthread_mutex_unlock(&slow.mutex);
		if (n == 0)
			sleep_until_asked();
	}
	return NULL;
}

static void ring_the_bell(void)
{
	if (atomic_load_explicit(&slow.sleeping, memory_order_relaxed) != 0 &&
		atomic_exchange_explicit(&slow.sleeping, 0, memory_order_relaxed) != 0)
		(void)syscall(
			SYS_futex, &slow.sleeping, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* ---- start and stop ---- */

static void worker_free(struct slow_worker *w)
{
	if (!w)
		return;
	spsc_destroy(w->in);
	spsc_destroy(w->out);
	free(w->jobs);
	free(w);
}

static struct slow_worker *worker_create(uint32_t jobs)
{
	struct slow_worker *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->in = spsc_create(LIMIT_SLOW_JOBS);
	w->out = spsc_create(LIMIT_SLOW_JOBS);
	w->jobs = calloc(jobs, sizeof(*w->jobs));
	if (!w->in || !w->out || !w->jobs) {
		worker_free(w);
		return NULL;
	}
	for (uint32_t i = 0; i < jobs; i++) {
		w->jobs[i].idx = i;
		w->free[w->free_cnt++] = i;
	}
	return w;
}

static int add(struct slow_worker *w)
{
	struct slow_worker **more;
	int rc = 0;

	pthread_mutex_lock(&slow.mutex);
	more = realloc(slow.workers, (slow.cnt + 1) * sizeof(struct slow_worker *));
	if (more) {
		slow.workers = more;
		more[slow.cnt++] = w;
	} else {
		rc = -ENOMEM;
	}
	if (rc == 0 && slow.cnt == 1) {
		atomic_store_explicit(&slow.stop, 0, memory_order_relaxed);
		rc = -pthread_create(&slow.thread, NULL, run, NULL);
		slow.cnt -= rc != 0;
	}
	pthread_mutex_unlock(&slow.mutex);
	return rc;
}

static COLD void take_away(struct slow_worker *w)
{
	bool last;

	pthread_mutex_lock(&slow.mutex);
	for (uint32_t i = 0; i < slow.cnt; i++)
		if (slow.workers[i] == w)
			slow.workers[i--] = slow.workers[--slow.cnt];
	last = slow.cnt == 0;
	if (last) {
		free(slow.workers);
		slow.workers = NULL;
	}
	pthread_mutex_unlock(&slow.mutex);
	if (!last)
		return;
	atomic_store_explicit(&slow.stop, 1, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst); /* PL1 */
	ring_the_bell();
	pthread_join(slow.thread, NULL);
}

int http_policies_attach(struct http_route_worker *rw)
{
	struct slow_worker *w = worker_create(LIMIT_SLOW_JOBS);
	int rc = w ? add(w) : -ENOMEM;

	if (rc != 0) {
		worker_free(w);
		return rc;
	}
	rw->slow = w;
	return 0;
}

void slow_worker_free(struct http_route_worker *rw)
{
	struct slow_worker *w = rw->slow;
	void *job;

	if (!w)
		return;
	if (!rw->slow_inline)
		take_away(w);
	while (spsc_pop(w->in, &job, 1) == 1)
		policy_unref(((struct slow_job *)job)->policy);
	worker_free(w);
	rw->slow = NULL;
}

/* ---- the worker's side ---- */

struct slow_job *slow_job_get(struct http_route_worker *rw)
{
	if (!rw->slow) {
		rw->slow = worker_create(1); /* nobody serves its rings */
		rw->slow_inline = true;
		if (!rw->slow)
			return NULL;
	}
	if (rw->slow->free_cnt == 0)
		return NULL;
	return &rw->slow->jobs[rw->slow->free[rw->slow->free_cnt - 1]];
}

enum http_verdict slow_submit(struct http_route_worker *rw, struct http_stream *s,
	const struct http_policy *p, struct slow_job *j)
{
	void *job = j;

	j->policy = (struct http_policy *)(uintptr_t)p;
	j->s = s;
	j->out_len = 0;
	if (rw->slow_inline) {
		j->work(j);
		return j->done(j, rw, s);
	}
	policy_ref(j->policy);
	rw->slow->free_cnt--;
	route_exchange(s)->waiting = j->idx + 1;
	/* There are as many slots as jobs. */
	(void)spsc_push(rw->slow->in, &job, 1);
	atomic_thread_fence(memory_order_seq_cst); /* PL1 */
	ring_the_bell();
	return HTTP_WAIT;
}

void http_policies_cancel(struct http_route_worker *rw, struct http_stream *s)
{
	struct http_exchange *x = route_exchange(s);

	if (!x || x->waiting == 0)
		return;
	rw->slow->jobs[x->waiting - 1].s = NULL;
	x->waiting = 0;
}

uint32_t http_policies_poll(struct http_route_worker *rw, uint64_t now_ns)
{
	void *jobs[BURST];
	uint32_t went_on = 0, n;

	(void)now_ns;
	if (!rw->slow || rw->slow_inline)
		return 0;
	n = spsc_pop(rw->slow->out, jobs, BURST);
	for (uint32_t i = 0; i < n; i++) {
		struct slow_job *j = jobs[i];
		struct http_stream *s = j->s;
		enum http_verdict v;

		if (s) {
			route_exchange(s)->waiting = 0;
			v = j->done(j, rw, s);
			if (v == HTTP_GO)
				v = policy_go_on(rw, s);
			if (v == HTTP_GO)
				rw->go_on(s, v);
			went_on += v != HTTP_WAIT;
		}
		rw->slow->free[rw->slow->free_cnt++] = j->idx;
	}
	return went_on;
}

/* ---- seen ---- */

int seen_init(struct seen *c, uint32_t entries, uint32_t extra)
{
	uint32_t sets = (uint32_t)pow2_at_least((entries + 1) / 2);

	c->mask = sets - 1;
	c->size = (uint32_t)ROUND_UP(sizeof(struct seen_entry) + extra, 8);
	c->entries = calloc((size_t)sets * 2, c->size);
	return c->entries ? 0 : -ENOMEM;
}

void seen_fini(struct seen *c)
{
	free(c->entries);
}

static struct seen_entry *set_at(const struct seen *c, const uint64_t hash[2], uint32_t way)
{
	size_t i = 2 * (size_t)(hash[0] & c->mask) + way;

	return (struct seen_entry *)(void *)(c->entries + i * c->size);
}

struct seen_entry *seen_find(const struct seen *c, const uint64_t hash[2], uint64_t now_ns)
{
	for (uint32_t way = 0; way < 2; way++) {
		struct seen_entry *e = set_at(c, hash, way);

		if (e->until_ns > now_ns && e->hash[0] == hash[0] && e->hash[1] == hash[1])
			return e;
	}
	return NULL;
}

struct seen_entry *seen_add(struct seen *c, const uint64_t hash[2], uint64_t until_ns)
{
	struct seen_entry *a = set_at(c, hash, 0), *b = set_at(c, hash, 1), *e;

	e = a->until_ns <= b->until_ns ? a : b;
	e->hash[0] = hash[0];
	e->hash[1] = hash[1];
	e->until_ns = until_ns;
	return e;
}

void seen_hash(const struct siphash_key seed[2], struct span what, uint64_t hash[2])
{
	hash[0] = siphash24(&seed[0], what.at, what.len);
	hash[1] = siphash24(&seed[1], what.at, what.len);
}
