/* SPDX-License-Identifier: Apache-2.0
 * One producer and one consumer thread over a small ring: every object arrives once, in order, and
 * with the contents that were written before the push. Meant for ThreadSanitizer, which sees the
 * plain writes to struct cell race if edge R1 or R2 is missing. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/spsc.h"

#define RING  64
#define CELLS 256 /* more than the ring holds: the producer waits for a cell to be free */
#define TOTAL 400000

struct cell {
	uint64_t value; /* plain: only the ring orders its accesses */
};

struct shared {
	struct spsc *there, *back; /* objects, and free cells on their way home */
	struct cell cells[CELLS];
	uint64_t received;
};

static void *produce(void *arg)
{
	struct shared *s = arg;
	struct rng rng;
	void *held[16];
	uint64_t next = 0;

	rng_seed(&rng, 1);
	while (next < TOTAL) {
		uint32_t n = spsc_pop(s->back, held, 1 + (uint32_t)rng_below(&rng, 16));
		uint32_t done = 0;

		for (uint32_t i = 0; i < n; i++)
			((struct cell *)held[i])->value = next + i;
		while (done < n) {
			uint32_t k = spsc_push(s->there, held + done, n - done);

			done += k;
			if (k == 0)
				sched_yield();
		}
		next += n;
		if (n == 0)
			sched_yield();
	}
	return NULL;
}

static void *consume(void *arg)
{
	struct shared *s = arg;
	struct rng rng;
	void *got[16];

	rng_seed(&rng, 2);
	while (s->received < TOTAL) {
		uint32_t n = spsc_pop(s->there, got, 1 + (uint32_t)rng_below(&rng, 16));

		for (uint32_t i = 0; i < n; i++) {
			struct cell *c = got[i];

			if (c->value != s->received++) {
				printf("stress_spsc: got %llu, want %llu\n",
					(unsigned long long)c->value,
					(unsigned long long)s->received - 1);
				exit(1);
			}
			c->value = UINT64_MAX;
		}
		if (n > 0 && spsc_push(s->back, got, n) != n) {
			printf("stress_spsc: more cells came back than exist\n");
			exit(1);
		}
		if (n == 0)
			sched_yield();
	}
	return NULL;
}

int main(void)
{
	static struct shared s;
	pthread_t a, b;

	s.there = spsc_create(RING);
	s.back = spsc_create(CELLS);
	if (s.there == NULL || s.back == NULL)
		return 1;
	for (int i = 0; i < CELLS; i++) {
		void *c = &s.cells[i];

		if (spsc_push(s.back, &c, 1) != 1)
			return 1;
	}
	if (pthread_create(&a, NULL, produce, &s) != 0 ||
		pthread_create(&b, NULL, consume, &s) != 0)
		return 1;
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	spsc_destroy(s.there);
	spsc_destroy(s.back);
	printf("1 passed, 0 failed, 0 skipped\n");
	return 0;
}
