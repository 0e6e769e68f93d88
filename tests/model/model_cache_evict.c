/* SPDX-License-Identifier: Apache-2.0
 * How well the cache evicts: the real cache and two simulators, LRU and S3-FIFO of single objects,
 * see the same traces with the same room, counted in objects of the whole arena. The cache may miss
 * at most half a point more than S3-FIFO, and at least a tenth less than LRU. Traces: Zipf; Zipf
 * with a quarter of keys that come once; Zipf with scans. Usage: model_cache_evict [SEED]. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache/cache_pvt.h"
#include "dataplane/base/rng.h"
#include "tests/support/cache.h"

#define OBJECTS   3000000
#define IDS       5000000
#define CAPACITY  49152 /* objects */
#define REQUESTS  4000000
#define WARM_UP   2000000
#define ITEM      64 /* bytes: 24 header, 8 key, 32 value */
#define SEGMENT   16384
#define POLL_EACH 32
#define NONE      UINT32_MAX

enum trace { TRACE_ZIPF, TRACE_ONE_HIT, TRACE_SCAN, TRACES };
static const char *const trace_name[TRACES] = {"zipf", "zipf + one-hit keys", "zipf + scans"};

static void fail(const char *what, const char *name, double a, double b)
{
	printf("model_cache_evict: %s: %s: %.4f %.4f\n", name, what, a, b);
	exit(1);
}

/* Exponent 1: the logarithm of the rank is uniform. */
static uint32_t zipf(struct rng *rng)
{
	double u = (double)(rng_next(rng) >> 11) / 9007199254740992.0;

	return (uint32_t)exp(u * log(OBJECTS + 1.0)) - 1;
}

static uint32_t *trace_make(enum trace kind, uint64_t seed)
{
	uint32_t *ids = malloc(REQUESTS * sizeof(*ids)), fresh = OBJECTS, scan_left = 0,
		 scan_at = 0;
	struct rng rng;

	if (ids == NULL)
		exit(1);
	rng_seed(&rng, seed);
	for (uint32_t i = 0; i < REQUESTS; i++) {
		ids[i] = zipf(&rng);
		if (kind == TRACE_ONE_HIT && rng_below(&rng, 4) == 0)
			ids[i] = fresh++;
		if (kind != TRACE_SCAN)
			continue;
		/* Runs of 5000 neighbours, a fifth of all requests, over a range larger than the
		 * cache. */
		if (scan_left == 0 && rng_below(&rng, 20000) == 0) {
			scan_left = 5000;
			scan_at = OBJECTS + (uint32_t)rng_below(&rng, 1000000);
		}
		if (scan_left > 0) {
			ids[i] = scan_at++;
			scan_left--;
		}
	}
	return ids;
}

/* -- LRU -- */

struct lru {
	uint32_t prev[IDS], next[IDS], head, tail, size; /* head: most recently used */
	bool in[IDS];
};

static void lru_unlink(struct lru *l, uint32_t id)
{
	if (l->prev[id] == NONE)
		l->head = l->next[id];
	else
		l->next[l->prev[id]] = l->next[id];
	if (l->next[id] == NONE)
		l->tail = l->prev[id];
	else
		l->prev[l->next[id]] = l->prev[id];
}

static bool lru_request(struct lru *l, uint32_t id)
{
	bool hit = l->in[id];

	if (hit) {
		lru_unlink(l, id);
	} else if (l->size == CAPACITY) {
		l->in[l->tail] = false;
		lru_unlink(l, l->tail);
	} else {
		l->size++;
	}
	l->in[id] = true;
	l->prev[id] = NONE;
	l->next[id] = l->head;
	if (l->head != NONE)
		l->prev[l->head] = id;
	l->head = id;
	if (l->tail == NONE)
		l->tail = id;
	return hit;
}

/* -- S3-FIFO of objects, as in the paper -- */

struct fifo {
	uint32_t ring[CAPACITY + 1], first, size;
};

struct s3 {
	struct fifo small, main;
	uint8_t where[IDS]; /* 0 nowhere, 1 small, 2 main */
	uint8_t freq[IDS];
	uint64_t ghost_at[IDS], ghosts; /* number of its entry, 0: none */
};

static void fifo_push(struct fifo *f, uint32_t id)
{
	f->ring[(f->first + f->size++) % (CAPACITY + 1)] = id;
}

static uint32_t fifo_pop(struct fifo *f)
{
	uint32_t id = f->ring[f->first];

	f->first = (f->first + 1) % (CAPACITY + 1);
	f->size--;
	return id;
}

static void s3_evict_main(struct s3 *s)
{
	for (;;) {
		uint32_t id = fifo_pop(&s->main);

		if (s->freq[id] == 0) {
			s->where[id] = 0;
			return;
		}
		s->freq[id]--;
		fifo_push(&s->main, id);
	}
}

static void s3_evict(struct s3 *s)
{
	if (s->small.size <= CAPACITY / 10) {
		s3_evict_main(s);
		return;
	}
	while (s->small.size > 0) {
		uint32_t id = fifo_pop(&s->small);

		if (s->freq[id] <= 1) {
			s->where[id] = 0;
			s->ghost_at[id] = ++s->ghosts;
			return;
		}
		s->where[id] = 2;
		s->freq[id] = 0;
		fifo_push(&s->main, id);
	}
	s3_evict_main(s);
}

static bool s3_request(struct s3 *s, uint32_t id)
{
	if (s->where[id] != 0) {
		if (s->freq[id] < 3)
			s->freq[id]++;
		return true;
	}
	while (s->small.size + s->main.size >= CAPACITY)
		s3_evict(s);
	s->freq[id] = 0;
	if (s->ghost_at[id] != 0 && s->ghost_at[id] + CAPACITY * 9 / 10 > s->ghosts) {
		s->where[id] = 2;
		fifo_push(&s->main, id);
	} else {
		s->where[id] = 1;
		fifo_push(&s->small, id);
	}
	s->ghost_at[id] = 0;
	return false;
}

/* -- the cache -- */

static bool cache_request(struct cache *c, uint64_t id)
{
	static const uint8_t val[ITEM - 24 - 8];
	struct cache_put p = {.val = val, .len = sizeof(val)};
	struct cache_view v;
	struct cache_key k;

	cache_key_init(c, &k, 0, &id, sizeof(id));
	if (cache_get(cache_worker(c, 0), &k, 1, &v) == CACHE_HIT)
		return true;
	if (cache_put(cache_worker(c, 0), &k, &p, 1) != 0)
		fail("a put failed", "cache", (double)id, 0);
	return false;
}

static double percent(uint64_t misses)
{
	return 100.0 * (double)misses / (REQUESTS - WARM_UP);
}

static void run(enum trace kind, uint64_t seed)
{
	struct cache_conf conf = test_cache_conf((uint64_t)CAPACITY * ITEM, SEGMENT, 1);
	uint32_t *ids = trace_make(kind, seed);
	struct lru *lru = calloc(1, sizeof(*lru));
	struct s3 *s3 = calloc(1, sizeof(*s3));
	uint64_t miss_cache = 0, miss_lru = 0, miss_s3 = 0;
	struct cache_stats st;
	struct test_cache t;

	if (lru == NULL || s3 == NULL)
		exit(1);
	conf.index_items = CAPACITY;
	test_cache_open(&t, &conf);
	lru->head = lru->tail = NONE;
	for (uint32_t i = 0; i < REQUESTS; i++) {
		bool hit_cache = cache_request(t.c, ids[i]);
		bool hit_lru = lru_request(lru, ids[i]), hit_s3 = s3_request(s3, ids[i]);

		if (i % POLL_EACH == 0)
			cache_poll(cache_worker(t.c, 0), 1);
		if (i < WARM_UP)
			continue;
		miss_cache += !hit_cache;
		miss_lru += !hit_lru;
		miss_s3 += !hit_s3;
	}
	cache_stats(t.c, &st);
	printf("%-22s misses: cache %.2f %%, S3-FIFO %.2f %%, LRU %.2f %% (%.1f %% fewer); %.2f "
	       "copies "
	       "a put, %llu displaced\n",
		trace_name[kind], percent(miss_cache), percent(miss_s3), percent(miss_lru),
		100.0 * (1 - (double)miss_cache / (double)miss_lru),
		(double)(st.promoted + st.reinserted) / (double)st.puts,
		(unsigned long long)st.evicted_bucket);
	if (percent(miss_cache) > percent(miss_s3) + 0.5)
		fail("misses more than S3-FIFO and half a point", trace_name[kind],
			percent(miss_cache), percent(miss_s3));
	if ((double)miss_cache > 0.9 * (double)miss_lru)
		fail("does not miss a tenth less than LRU", trace_name[kind], percent(miss_cache),
			percent(miss_lru));
	test_cache_close(&t);
	free(ids);
	free(lru);
	free(s3);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	printf("model_cache_evict: seed %llu\n", (unsigned long long)seed);
	for (int i = 0; i < TRACES; i++)
		run((enum trace)i, seed);
	printf("%d passed, 0 failed, 0 skipped\n", TRACES);
	return 0;
}
