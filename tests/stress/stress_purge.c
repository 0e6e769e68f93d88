/* SPDX-License-Identifier: Apache-2.0
 * Purges and invalidations from two threads while two others ask and one saves. A purge that has
 * returned before a question began must count for everything that was born before it (PG1); pattern
 * slots are reused all the time. What the saver took, now and then in vain, is at the end all that
 * there was: put back elsewhere it counts the same (PG4). */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "lb/l7/cache/purge.h"

#define ROUNDS 4000
#define NAMES  4
#define SAVED  256 /* places: marks of the names, of all, and patterns */

static struct purge *p;
static _Atomic bool stop;
/* Number of a purge of the name that has returned. */
static _Atomic uint64_t done_tag[NAMES], done_prefix[NAMES], done_key[NAMES];
/* The last record of each place. */
static struct purge_record saved[SAVED];
static uint32_t saved_cnt;
static uint64_t saves;

static struct span name_of(uint32_t i)
{
	static const char text[] = "/0/1/2/3";

	return (struct span){text + 2 * i, 2};
}

static uint64_t key_of(uint32_t i)
{
	return UINT64_C(0x9e3779b97f4a7c15) * (i + 1);
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
		uint32_t n = (i / 4 * 7 + seed) % NAMES;
		uint64_t before = purge_now(p);

		/* Everything born up to `before` is older than this purge. */
		switch (i % 4) {
		case 0:
			(void)purge_tag(p, name_of(n), false);
			note(&done_tag[n], before);
			break;
		case 1:
			purge_key(p, key_of(n));
			note(&done_key[n], before);
			break;
		default:
			(void)purge_prefix(p, (struct span){NULL, 0}, name_of(n), false);
			note(&done_prefix[n], before);
		}
	}
	return NULL;
}

/* All that has returned counts in `in`. */
static void ask(struct purge *in, struct purge_worker *w, const char *where)
{
	for (uint32_t n = 0; n < NAMES; n++) {
		uint64_t tag = atomic_load(&done_tag[n]), prefix = atomic_load(&done_prefix[n]),
			 key = atomic_load(&done_key[n]);
		struct purge_subject a = {.born = tag, .tags = name_of(n)};
		struct purge_subject b = {.born = prefix, .path = name_of(n)};

		if ((tag > 0 && purge_check(w, &a) != PURGE_GONE) ||
			(prefix > 0 && purge_check(w, &b) != PURGE_GONE) ||
			(key > 0 && !purge_key_gone(in, key_of(n), key))) {
			printf("a purge that had returned did not count %s\n", where);
			abort();
		}
	}
}

static void *asker(void *arg)
{
	struct purge_worker *w = purge_worker_create(p);

	(void)arg;
	while (!atomic_load(&stop))
		ask(p, w, "beside others");
	purge_worker_destroy(w);
	return NULL;
}

/* False: there was nothing to save. */
static bool save_one(bool fails)
{
	struct purge_record r;
	uint32_t i = 0;

	if (!purge_changed(p, &r))
		return false;
	if (fails) {
		purge_unsaved(p, &r);
		return true;
	}
	while (i < saved_cnt && saved[i].id != r.id)
		i++;
	if (i == SAVED) {
		printf("more places than there are names\n");
		abort();
	}
	saved[i] = r;
	saved_cnt += i == saved_cnt;
	saves++;
	return true;
}

static void *saver(void *arg)
{
	uint32_t idle = 0;

	(void)arg;
	for (uint32_t i = 0; !atomic_load(&stop); i++)
		(void)save_one(i % 7 == 0);
	/* The end of a round says no, too. */
	while (idle < 3)
		idle = save_one(false) ? 0 : idle + 1;
	return NULL;
}

static void ask_after_a_restart(void)
{
	struct purge_secret secret;
	struct purge_worker *w;
	struct purge *q;

	if (purge_create(&q) != 0 || (w = purge_worker_create(q)) == NULL)
		abort();
	purge_secret(p, &secret);
	purge_resume(q, &secret, purge_now(p) + 1);
	for (uint32_t i = 0; i < saved_cnt; i++)
		if (!purge_restore(q, &saved[i])) {
			printf("a saved record is none\n");
			abort();
		}
	ask(q, w, "after a restart");
	purge_worker_destroy(w);
	purge_destroy(q);
}

int main(void)
{
	pthread_t t[5];

	if (purge_create(&p) != 0)
		return 1;
	purge_track(p);
	for (uintptr_t i = 0; i < 5; i++)
		if (pthread_create(&t[i], NULL,
			    i < 2   ? asker
			    : i < 4 ? purger
				    : saver,
			    (void *)i) != 0)
			return 1;
	pthread_join(t[2], NULL);
	pthread_join(t[3], NULL);
	atomic_store(&stop, true);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	pthread_join(t[4], NULL);
	ask_after_a_restart();
	printf("%llu purges, %llu records of %u places\n", (unsigned long long)purge_count(p),
		(unsigned long long)saves, saved_cnt);
	purge_destroy(p);
	puts("1 passed, 0 failed, 0 skipped");
	return 0;
}
