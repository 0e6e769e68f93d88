/* SPDX-License-Identifier: Apache-2.0
 * The timer wheel against a naive array of deadlines: random arm, re-arm, cancel and jumps of time
 * from one tick to 2^26 of them. Usage: model_wheel [SEED]. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "dataplane/base/wheel.h"

#define TIMERS 200
#define STEPS  4000

struct model {
	struct wheel w;
	struct wheel_timer t[TIMERS];
	uint64_t due_tick[TIMERS]; /* UINT64_MAX: not armed */
	uint64_t now_ns, tick_ns;
	struct rng rng;
};

static void fail(const struct model *m, const char *what, uint64_t a, uint64_t b)
{
	printf("model_wheel: %s: %llu %llu at now=%llu\n", what, (unsigned long long)a,
		(unsigned long long)b, (unsigned long long)m->now_ns);
	exit(1);
}

/* Spans from one tick to far beyond the third level, each size equally likely. */
static uint64_t random_span(struct model *m)
{
	return rng_below(&m->rng, (UINT64_C(1) << (1 + rng_below(&m->rng, 26))) * m->tick_ns);
}

static uint64_t earliest(const struct model *m)
{
	uint64_t min = UINT64_MAX;

	for (int i = 0; i < TIMERS; i++)
		if (m->due_tick[i] < min)
			min = m->due_tick[i];
	return min;
}

static void arm_one(struct model *m)
{
	uint64_t i = rng_below(&m->rng, TIMERS), deadline = m->now_ns + random_span(m);

	if (rng_below(&m->rng, 16) == 0)
		deadline = rng_below(&m->rng, m->now_ns + 1);
	wheel_arm(&m->w, &m->t[i], deadline);
	m->due_tick[i] = (deadline + m->tick_ns - 1) / m->tick_ns;
}

static void cancel_one(struct model *m)
{
	uint64_t i = rng_below(&m->rng, TIMERS);

	wheel_cancel(&m->w, &m->t[i]);
	m->due_tick[i] = UINT64_MAX;
}

static void advance(struct model *m)
{
	uint64_t span = rng_below(&m->rng, 8) == 0 ? random_span(m) / 64
						   : rng_below(&m->rng, 600 * m->tick_ns);
	struct wheel_timer *t;
	uint64_t tick, next = wheel_next_ns(&m->w), min = earliest(m);

	if ((next == UINT64_MAX) != (min == UINT64_MAX))
		fail(m, "next says armed, model differs", next, min);
	if (min != UINT64_MAX && min * m->tick_ns > m->now_ns && next > min * m->tick_ns)
		fail(m, "next is late", next, min * m->tick_ns);
	m->now_ns += span;
	tick = m->now_ns / m->tick_ns;
	wheel_advance(&m->w, m->now_ns);
	if (rng_below(&m->rng, 4) == 0)
		cancel_one(m); /* also one that is due but not delivered */
	while ((t = wheel_pop(&m->w)) != NULL) {
		long i = t - m->t;

		if (m->due_tick[i] > tick)
			fail(m, "fired early or cancelled", m->due_tick[i], tick);
		m->due_tick[i] = UINT64_MAX;
	}
	for (int i = 0; i < TIMERS; i++)
		if (m->due_tick[i] <= tick)
			fail(m, "did not fire", m->due_tick[i], tick);
}

static void run(uint64_t seed)
{
	static struct model m;
	uint32_t armed = 0;

	rng_seed(&m.rng, seed);
	m.tick_ns = 1 + rng_below(&m.rng, 2 * NS_PER_MS);
	m.now_ns = rng_next(&m.rng) >> (8 + rng_below(&m.rng, 40));
	wheel_init(&m.w, m.tick_ns, m.now_ns);
	for (int i = 0; i < TIMERS; i++) {
		wheel_timer_init(&m.t[i]);
		m.due_tick[i] = UINT64_MAX;
	}
	for (int s = 0; s < STEPS; s++)
		switch (rng_below(&m.rng, 8)) {
		case 0:
			cancel_one(&m);
			break;
		case 1:
		case 2:
			advance(&m);
			break;
		default:
			arm_one(&m);
		}
	for (int i = 0; i < TIMERS; i++)
		armed += m.due_tick[i] != UINT64_MAX;
	if (armed != m.w.armed)
		fail(&m, "armed count", armed, m.w.armed);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	int rounds = 10;

	printf("model_wheel: seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < rounds; i++)
		run(seed + (uint64_t)i);
	printf("%d passed, 0 failed, 0 skipped\n", rounds);
	return 0;
}
