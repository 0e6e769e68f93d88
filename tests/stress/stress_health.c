/* SPDX-License-Identifier: Apache-2.0
 * Health checks over two threads, as in the process: a worker runs the engine and answers its
 * probes at random, control reloads, frees old plans once the worker has said that it moved on,
 * drains events and reads counters. Meant for ThreadSanitizer: it sees a plan read after its end,
 * room used before it was published, and counters that are torn. In the end both sides must agree.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_mbuf.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/spsc.h"
#include "dataplane/base/time.h"
#include "tests/support/eal.h"
#include "tests/support/health_world.h"

#define BACKENDS 40
#define RELOADS  300
#define WORKER_S 20 /* virtual seconds after the last reload */

static struct world w; /* made by world_init(); the threads use its engine, plans and view */
static struct spsc *messages;
static _Atomic uint64_t adopted; /* plans that the worker runs or has run */
static _Atomic bool last_sent, worker_done;

/* Worker's own. */
static struct rng wrng;
static struct world_pkt waiting;
static bool have_waiting;

static void on_sent(struct world *world, const struct world_pkt *p)
{
	(void)world;
	if (rng_below(&wrng, 4) != 0) {
		waiting = *p;
		have_waiting = true;
	}
}

static void answer(void)
{
	uint8_t frame[14 + WORLD_PKT_MAX];

	if (!have_waiting)
		return;
	have_waiting = false;
	world_input(&w, frame, world_make_answer(&w, &waiting, WORLD_OK, frame));
}

static void *worker(void *arg)
{
	uint64_t end = UINT64_MAX;

	(void)arg;
	while (w.now_ns < end) {
		void *msg;

		if (spsc_pop(messages, &msg, 1) == 1) {
			health_engine_apply(w.e, msg, w.now_ns);
			atomic_fetch_add_explicit(&adopted, 1, memory_order_release);
		}
		if (end == UINT64_MAX && atomic_load_explicit(&last_sent, memory_order_acquire) &&
			spsc_count(messages) == 0)
			end = w.now_ns + WORKER_S * NS_PER_SEC;
		health_run(w.e, w.now_ns);
		answer();
		w.now_ns += NS_PER_MS;
		if (w.now_ns / NS_PER_MS % 64 == 0)
			sched_yield();
	}
	atomic_store_explicit(&worker_done, true, memory_order_release);
	return NULL;
}

static void look(void)
{
	struct health_stats s;

	health_view_drain(&w.view, w.e, NULL, NULL);
	for (uint32_t id = 0; id < w.view.plan->id_limit; id++)
		health_stats_read(w.e, id, &s);
}

static void reload(struct rng *rng, uint64_t *sent)
{
	struct health_plan *plan, *old;
	char addr[32];

	w.services[0].backend_cnt = 0;
	for (int i = 0; i < BACKENDS; i++) {
		if (rng_below(rng, 4) == 0)
			continue;
		snprintf(addr, sizeof(addr), "192.0.2.%d", 10 + i);
		world_backend(&w, 0, addr, 80);
	}
	if (rng_below(rng, 3) == 0)
		w.services[0].health.fall ^= 1;
	if (health_plan_create(&w.reg, &w.cfg, &plan) != 0 ||
		health_engine_reserve(w.e, plan) != 0 || health_view_set_plan(&w.view, plan) != 0)
		exit(1);
	old = health_registry_commit(&w.reg, plan);
	void *msg = plan;

	while (spsc_push(messages, &msg, 1) == 0)
		sched_yield();
	(*sent)++;
	while (atomic_load_explicit(&adopted, memory_order_acquire) != *sent) {
		look();
		sched_yield();
	}
	health_plan_destroy(old);
}

/* Both threads rest, and every event was drained: what control believes must fit the counters. */
static int disagreements(void)
{
	int bad = 0;

	for (uint32_t b = 0; b < w.services[0].backend_cnt; b++) {
		const struct health_target *t = health_plan_target(w.view.plan, 0, b);
		struct health_view_entry en = health_view_get(&w.view, t);
		struct health_stats s;

		health_stats_read(w.e, t->id, &s);
		bad += en.state == HEALTH_CHECKING || s.sent == 0;
		bad += s.ok + s.failed > s.sent; /* an edited check forgets its probe */
		bad += s.ok > 0 && s.last_change_ns == 0;
		/* A last result of OK leaves it up, or on its way up after a fall. */
		bad += en.state == HEALTH_UP && s.ok == 0;
		bad += en.state == HEALTH_DOWN && s.flaps == 0 && s.ok > 0;
	}
	return bad;
}

int main(void)
{
	struct config_health c = world_check(HEALTH_ICMP);
	uint64_t sent = 0;
	struct rng rng;
	pthread_t t;
	int bad;

	rng_seed(&rng, 1);
	rng_seed(&wrng, 2);
	world_init(&w, 3);
	w.on_sent = on_sent;
	c.interval_ns = 50 * NS_PER_MS;
	c.timeout_ns = 20 * NS_PER_MS;
	world_service(&w, L4_NAT, "198.51.100.1", 80, c);
	messages = spsc_create(16);
	if (messages == NULL || pthread_create(&t, NULL, worker, NULL) != 0)
		return 1;
	for (int i = 0; i < RELOADS; i++)
		reload(&rng, &sent);
	atomic_store_explicit(&last_sent, true, memory_order_release);
	while (!atomic_load_explicit(&worker_done, memory_order_acquire)) {
		look();
		sched_yield();
	}
	pthread_join(t, NULL);
	health_run(w.e, w.now_ns);
	look();
	bad = disagreements();
	printf("stress_health: %u targets, %d disagree\n", w.services[0].backend_cnt, bad);
	world_fini(&w);
	spsc_destroy(messages);
	printf("%d passed, %d failed, 0 skipped\n", bad == 0, bad != 0);
	return bad != 0;
}
