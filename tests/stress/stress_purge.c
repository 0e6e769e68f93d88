/* SPDX-License-Identifier: Apache-2.0
 * Purges from two threads while two others ask. A purge that has returned before a question began
 * must count for everything that was born before it (PG1); pattern slots are reused all the time.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "lb/l7/cache/purge.h"

#define ROUNDS 4000
#define NAMES  4

static struct purge *p;
static _Atomic bool stop;
/* Number of a purge of the name that has returned. */
static _Atomic uint64_t done_tag[NAMES], done_prefix[NAMES];

static struct span name_of(uint32_t i)
{
	static const char text[] = "/0/1/2/3";

	return (struct span){text + 2 * i, 2};
}

static void note(_Atomic uint64_t *at, uint64_t before)
{
	uint64_t old = atomic_load(at);

	while (old < before && !atomic_compare_exchange_weak(at, &old, before))
		;
}

static void *purger(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t n = (i * 7 + seed) % NAMES;
		uint64_t before = purge_now(p);

		/* Everything born up to `before` is older than this purge. */
		if (i % 3 == 0) {
			(void)purge_tag(p, name_of(n), false);
			note(&done_tag[n], before);
		} else {
			(void)purge_prefix(p, (struct span){NULL, 0}, name_of(n), false);
			note(&done_prefix[n], before);
		}
	}
	return NULL;
}

static void *asker(void *arg)
{
	struct purge_worker *w = purge_worker_create(p);

	(void)arg;
	while (!atomic_load(&stop)) {
		for (uint32_t n = 0; n < NAMES; n++) {
			uint64_t tag = atomic_load(&done_tag[n]),
				 prefix = atomic_load(&done_prefix[n]);
			struct purge_subject a = {.born = tag, .tags = name_of(n)};
			struct purge_subject b = {.born = prefix, .path = name_of(n)};

			if ((tag > 0 && purge_check(w, &a) != PURGE_GONE) ||
				(prefix > 0 && purge_check(w, &b) != PURGE_GONE)) {
				printf("a purge that had returned did not count\n");
				abort();
			}
		}
	}
	purge_worker_destroy(w);
	return NULL;
}

int main(void)
{
	pthread_t t[4];

	if (purge_create(&p) != 0)
		return 1;
	for (uintptr_t i = 0; i < 4; i++)
		if (pthread_create(&t[i], NULL, i < 2 ? asker : purger, (void *)i) != 0)
			return 1;
	pthread_join(t[2], NULL);
	pthread_join(t[3], NULL);
	atomic_store(&stop, true);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	printf("%llu purges\n", (unsigned long long)purge_count(p));
	purge_destroy(p);
	puts("1 passed, 0 failed, 0 skipped");
	return 0;
}
