/* SPDX-License-Identifier: Apache-2.0
 * The balancer's tables over threads, as in the process: workers decide on random packets, sweep
 * and adopt generations; control changes the configuration, builds, hands over, frees the old table
 * once every worker has moved on, publishes shares of limits, frees numbers and reads counters. For
 * ThreadSanitizer: it sees a table read after its end, a number given out while a flow holds it,
 * and counters that are torn. In the end counts and tables must agree. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/spsc.h"
#include "dataplane/base/time.h"
#include "tests/support/l4_rig.h"
#include "tests/support/seed.h"

#define WORKERS  2
#define RELOADS  250
#define SERVICES 6
#define BACKENDS 12

static struct l4_rig rig; /* configuration, registry and workers; tables are passed by message */
static struct spsc *messages[WORKERS];
static uint64_t seed;
static _Atomic bool stop;
static _Atomic uint64_t clock_ns; /* of all threads; moved by control */

struct runner {
	uint32_t id;
	uint64_t decided, found, adopted;
};

static struct pkt_meta random_packet(struct rng *r)
{
	struct ip_addr client = ip10((uint32_t)rng_below(r, 400) + 1);
	struct ip_addr vip = ip("198.51.100.1");
	static const uint8_t flags[] = {
		TCP_SYN, TCP_SYN, TCP_ACK, TCP_ACK, TCP_FIN | TCP_ACK, TCP_RST};

	vip.b[15] = (uint8_t)(1 + rng_below(r, SERVICES + 2));
	return l4_pkt(&client, (uint16_t)(2000 + rng_below(r, 4)), &vip, 80, L4_TCP,
		flags[rng_below(r, sizeof(flags))]);
}

static void decide_some(struct runner *me, struct rng *r, uint64_t now_ns)
{
	struct l4_worker *w = rig.workers[me->id];

	for (int i = 0; i < 32; i++) {
		struct pkt_meta m = random_packet(r);
		struct l4_verdict v;
		enum reason why = l4_decide(w, &m, now_ns, &v);

		me->decided++;
		me->found += why == REASON_NONE && v.op != L4_OP_NONE;
		if (why != REASON_NONE || v.op != L4_OP_NAT)
			continue;
		/* The backend answers. */
		m = l4_pkt(&v.dst, __builtin_bswap16(v.dport), &v.src, __builtin_bswap16(v.sport),
			L4_TCP, TCP_ACK);
		why = l4_decide(w, &m, now_ns, &v);
		me->found += why == REASON_NONE && v.op != L4_OP_NONE;
	}
}

static void *worker_main(void *arg)
{
	struct runner *me = arg;
	struct rng r;
	void *msg;

	rng_seed(&r, seed + me->id);
	while (!atomic_load_explicit(&stop, memory_order_acquire)) {
		uint64_t now_ns = atomic_load_explicit(&clock_ns, memory_order_relaxed);

		if (spsc_pop(messages[me->id], &msg, 1) > 0) {
			l4_worker_set_table(rig.workers[me->id], msg, now_ns);
			me->adopted++;
		}
		decide_some(me, &r, now_ns);
		l4_sweep(rig.workers[me->id], now_ns);
	}
	return NULL;
}

static void add_service(uint32_t i)
{
	static const enum l4_mode modes[] = {L4_DSR, L4_IPIP, L4_NAT, L4_FULLNAT};
	struct config_service *s;
	char name[16], vip[32];

	snprintf(name, sizeof(name), "s%u", i);
	snprintf(vip, sizeof(vip), "198.51.100.%u", i + 1);
	s = l4_cfg_service(&rig.cfg, name, vip, L4_TCP, 80, modes[i % ARRAY_SIZE(modes)]);
	s->scheduler = i % 2 ? L4_WLC : L4_MAGLEV;
	s->backend_conn_limit = i % 3 == 0 ? 40 : 0;
	s->conn_limit = i % 3 == 1 ? 150 : 0;
	s->drain_ns = 3 * NS_PER_SEC;
	s->removal = i % 2 ? L4_REMOVE_RESET : L4_REMOVE_GENTLE;
	for (uint32_t b = 0; b < BACKENDS / 2; b++) {
		struct ip_addr a = ip10(0x10000 + i * 256 + b);

		l4_cfg_backend(s, &a, 8080, 10);
	}
	if (s->mode == L4_FULLNAT)
		l4_cfg_local(s, "192.0.2.1");
}

/* Backends come and go, drain, and a service changes its address. */
static void change(struct rng *r)
{
	uint32_t i = (uint32_t)rng_below(r, SERVICES);
	struct config_service *s = &rig.cfg.services[i];
	struct ip_addr a = ip10(0x10000 + i * 256 + 64 + (uint32_t)rng_below(r, 64));

	switch (rng_below(r, 4)) {
	case 0:
		for (uint32_t b = 0; b < s->backend_cnt; b++)
			if (ip_addr_eq(&s->backends[b].addr, &a))
				return;
		if (s->backend_cnt < BACKENDS)
			l4_cfg_backend(s, &a, 8080, 10);
		break;
	case 1:
		if (s->backend_cnt > 1)
			l4_cfg_backend_remove(s, (uint32_t)rng_below(r, s->backend_cnt));
		break;
	case 2:
		s->backends[rng_below(r, s->backend_cnt)].weight = (uint16_t)(10 * rng_below(r, 3));
		break;
	default:
		if (s->vip_cnt > 1)
			s->vip_cnt--;
		else if (i == 0)
			l4_cfg_vip(s, "198.51.100.7");
		break;
	}
}

static struct l4_table *build(const struct l4_table *prev)
{
	struct l4_build in = {.cfg = &rig.cfg.cfg,
		.registry = rig.registry,
		.prev = prev,
		.now_ns = atomic_load(&clock_ns)};
	struct l4_build_report report;
	struct l4_table *t;

	ASSERT(l4_table_build(&in, &t, &report) == 0);
	return t;
}

static bool all_at(uint64_t generation)
{
	struct l4_usage use;

	for (uint32_t i = 0; i < WORKERS; i++) {
		l4_worker_usage(rig.workers[i], &use);
		if (use.generation < generation)
			return false;
	}
	return true;
}

static void read_counters(const struct l4_table *t)
{
	struct l4_worker_stats st;
	struct l4_member_stats ms;
	struct l4_service_stats ss;

	for (uint32_t i = 0; i < WORKERS; i++) {
		l4_worker_stats(rig.workers[i], &st);
		ASSERT(st.flows <= st.flow_capacity && st.nat_flows <= st.nat_flow_capacity);
		for (uint32_t m = 0; m < l4_member_cnt(t); m++) {
			l4_worker_member_stats(rig.workers[i], m, &ms);
			(void)l4_worker_port_headroom(rig.workers[i], t, m);
		}
		for (uint16_t k = 0; k < l4_service_cnt(t); k++)
			l4_worker_service_stats(rig.workers[i], k, &ss);
	}
}

/* Returns how many numbers were freed. */
static uint32_t control(struct l4_table **cur)
{
	uint32_t freed = 0;
	struct rng r;

	rng_seed(&r, seed ^ 77);
	for (int k = 0; k < RELOADS; k++) {
		struct l4_table *next;

		change(&r);
		atomic_fetch_add(&clock_ns, 50 * NS_PER_MS + rng_below(&r, NS_PER_SEC));
		next = build(*cur);
		for (uint32_t i = 0; i < WORKERS; i++) {
			void *msg = next;

			while (spsc_push(messages[i], &msg, 1) == 0)
				sched_yield();
		}
		while (!all_at(l4_table_generation(next))) {
			l4_publish(rig.workers, WORKERS, *cur);
			sched_yield();
		}
		l4_table_free(*cur);
		*cur = next;
		l4_publish(rig.workers, WORKERS, next);
		read_counters(next);
		freed += rig_reap(&rig);
	}
	return freed;
}

int main(void)
{
	struct runner runners[WORKERS] = {{0}};
	pthread_t threads[WORKERS];
	uint64_t decided = 0, found = 0;
	uint32_t freed;

	seed = test_seed();
	rig_init(&rig, WORKERS, 2000);
	atomic_store(&clock_ns, rig.now_ns);
	for (uint32_t i = 0; i < SERVICES; i++)
		add_service(i);
	rig_apply(&rig);
	for (uint32_t i = 0; i < WORKERS; i++) {
		messages[i] = spsc_create(4);
		ASSERT(messages[i] != NULL);
		runners[i].id = i;
		ASSERT(pthread_create(&threads[i], NULL, worker_main, &runners[i]) == 0);
	}
	freed = control(&rig.table);
	atomic_store_explicit(&stop, true, memory_order_release);
	for (uint32_t i = 0; i < WORKERS; i++) {
		pthread_join(threads[i], NULL);
		ASSERT(runners[i].adopted == RELOADS);
		decided += runners[i].decided;
		found += runners[i].found;
		spsc_destroy(messages[i]);
	}
	/* The test looked at something, and everything is where it is counted. */
	ASSERT(rig_check(&rig) == NULL);
	ASSERT(freed > 10 && found > decided / 10);
	printf("%llu packets, %llu forwarded, %u numbers freed\n", (unsigned long long)decided,
		(unsigned long long)found, freed);
	rig_fini(&rig);
	puts("1 passed, 0 failed, 0 skipped");
	return 0;
}
