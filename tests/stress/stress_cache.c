/* SPDX-License-Identifier: Apache-2.0
 * Three workers on few keys in a small arena: everything at once, with eviction and reuse of memory
 * under way and delays put between the steps of each operation. Meant for ThreadSanitizer; but it
 * also checks what was read:
 *   - each value is whole and belongs to its key, also through pins that outlive many turns
 *   - for each key the history is linearizable (Gibbons and Korach, 1997, for unique values): a
 * value holds from the end of the first operation on it to the begin of the last; two such spans of
 * one key do not overlap, and nobody sees the key absent, or something else in it, within one.
 *     Eviction makes a key absent, but what was absent does not come back
 *   - a version is replaced at most once by CACHE_IF_SEQ
 *   - at the end everything adds up (cache_check())
 * Usage: stress_cache [SEED]. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define CACHE_HOOKS
#define CACHE_GROUP          4 /* few buckets: keys collide, chains are full */
#define CACHE_GROUP_OVERFLOW 3

#include "cache/audit.c"
#include "cache/cache.c"
#include "cache/evict.c"
#include "cache/index.c"
#include "cache/lease.c"
#include "cache/map.c"
#include "cache/object.c"
#include "cache/ops.c"
#include "cache/segment.c"
#include "cache/segq.c"

#include "dataplane/base/time.h"

#define THREADS   3
#define KEYS      48 /* with a checked history; the last 8 only ever change by CACHE_IF_SEQ */
#define CAS_KEYS  8
#define OBJECTS   4
#define OPS       150000 /* each thread */
#define PINS      16
#define WAITERS   8
#define LEASES    4
#define FLOOD_KEY 1000000 /* keys above take memory */

enum kind { WRITE, READ, ABSENT };

struct event {
	uint64_t value, from, to;
	uint32_t key;
	enum kind kind;
};

struct value {
	uint64_t key, stamp, check;
	uint8_t rest[];
};

struct held {
	struct cache_pin pin;
	const uint8_t *val;
	uint32_t len;
	uint64_t key, left; /* operations until it goes back */
};

struct leased {
	struct cache_lease lease;
	uint64_t key;
};

struct waiting {
	struct cache_waiter waiter;
	bool busy;
};

struct thread {
	pthread_t tid;
	struct cache_worker *w;
	struct rng rng;
	uint32_t id;
	uint64_t stamp, now_ns;
	struct event *events;
	size_t event_cnt;
	uint64_t *replaced; /* versions that this thread replaced by CACHE_IF_SEQ */
	size_t replaced_cnt;
	uint32_t pin_cnt, lease_cnt;
	struct held pins[PINS];
	struct leased leases[LEASES];
	struct waiting waiters[WAITERS];
	struct cache_stream stream;
	bool streaming;
	uint64_t stream_key, holes, stream_bytes;
};

static struct thread threads[THREADS];
static struct cache *cache;
static uint64_t seed;
static _Thread_local struct rng *hook_rng;

/* Let another thread run now and then between two steps. */
void cache_hook(void)
{
	if (hook_rng == NULL)
		return;
	switch (rng_next(hook_rng) >> 54) {
	case 0:
	case 1:
		sched_yield();
		break;
	case 2:
		for (int i = 0; i < 20; i++)
			sched_yield();
	}
}

static void fail(const char *what, uint64_t a, uint64_t b)
{
	printf("stress_cache: seed %llu: %s: %llu %llu\n", (unsigned long long)seed, what,
		(unsigned long long)a, (unsigned long long)b);
	exit(1);
}

/* Not before what came earlier is done, and nothing later begins before it. */
static uint64_t stamp_tsc(void)
{
	uint64_t t;

	__builtin_ia32_lfence();
	t = clock_tsc();
	__builtin_ia32_lfence();
	return t;
}

static uint64_t below(struct thread *t, uint64_t n)
{
	return rng_below(&t->rng, n);
}

static uint32_t rest_len(uint64_t stamp)
{
	return (uint32_t)(stamp * UINT64_C(0x9e3779b97f4a7c15) >> 54); /* below 1024 */
}

static uint32_t value_make(struct value *v, uint64_t key, uint64_t stamp)
{
	uint32_t n = rest_len(stamp);

	v->key = key;
	v->stamp = stamp;
	v->check = key * 31 ^ stamp;
	memset(v->rest, (int)(stamp & 0xff), n);
	return (uint32_t)sizeof(*v) + n;
}

static uint64_t value_check(const uint8_t *p, uint32_t len, uint64_t key)
{
	const struct value *v = (const void *)p;
	uint64_t stamp = load64(&v->stamp);

	if (load64(&v->key) != key || load64(&v->check) != (key * 31 ^ stamp) ||
		len != sizeof(*v) + rest_len(stamp))
		fail("a torn or foreign value", key, stamp);
	for (uint32_t i = 0; i < rest_len(stamp); i++)
		if (v->rest[i] != (uint8_t)stamp)
			fail("a torn value", key, stamp);
	return stamp;
}

static void record(struct thread *t, uint32_t key, enum kind kind, uint64_t value, uint64_t from)
{
	t->events[t->event_cnt++] = (struct event){
		.key = key, .kind = kind, .value = value, .from = from, .to = stamp_tsc()};
}

static uint64_t fresh_stamp(struct thread *t)
{
	return ++t->stamp * THREADS + t->id;
}

static void key_make(struct cache_key *k, const uint64_t *id)
{
	cache_key_init(cache, k, 0, id, sizeof(*id));
}

/* -- operations -- */

static void op_get(struct thread *t, uint64_t key)
{
	struct cache_view v;
	struct cache_key k;
	uint64_t from;

	key_make(&k, &key);
	from = stamp_tsc();
	switch (cache_get(t->w, &k, t->now_ns, &v)) {
	case CACHE_HIT:
		record(t, (uint32_t)key, READ, value_check(v.val, v.len, key), from);
		if (t->pin_cnt < PINS && below(t, 4) == 0 &&
			cache_pin(t->w, &v, &t->pins[t->pin_cnt].pin) == 0) {
			struct held *h = &t->pins[t->pin_cnt++];

			h->val = v.val;
			h->len = v.len;
			h->key = key;
			h->left = below(t, 3000);
		}
		break;
	case CACHE_MISS:
	case CACHE_PENDING:
		record(t, (uint32_t)key, ABSENT, 0, from);
		break;
	default:
		fail("what is this", v.found, key);
	}
}

static void op_burst(struct thread *t)
{
	uint64_t ids[8];
	struct cache_key k[8];
	struct cache_view v[8];
	uint64_t from;

	for (int i = 0; i < 8; i++) {
		ids[i] = below(t, KEYS);
		key_make(&k[i], &ids[i]);
	}
	from = stamp_tsc();
	cache_get_burst(t->w, k, 8, t->now_ns, v);
	for (int i = 0; i < 8; i++)
		if (v[i].found == CACHE_HIT)
			record(t, (uint32_t)ids[i], READ, value_check(v[i].val, v[i].len, ids[i]),
				from);
		else
			record(t, (uint32_t)ids[i], ABSENT, 0, from);
}

static void op_put(struct thread *t, uint64_t key, enum cache_cond cond, uint64_t cond_seq)
{
	uint64_t buf[160], stamp = fresh_stamp(t), from;
	struct value *val = (void *)buf;
	struct cache_put p = {
		.val = val, .len = value_make(val, key, stamp), .cond = cond, .cond_seq = cond_seq};
	struct cache_key k;
	int rc;

	key_make(&k, &key);
	from = stamp_tsc();
	rc = cache_put(t->w, &k, &p, t->now_ns);
	if (rc == -EAGAIN) /* memory waits for another thread */
		sched_yield();
	if (rc == 0 && key < KEYS)
		record(t, (uint32_t)key, WRITE, stamp, from);
	if (rc == 0 && cond == CACHE_IF_SEQ)
		t->replaced[t->replaced_cnt++] = cond_seq;
}

static void op_swap(struct thread *t, uint64_t key)
{
	struct cache_view v;
	struct cache_key k;

	key_make(&k, &key);
	if (cache_get(t->w, &k, t->now_ns, &v) == CACHE_HIT)
		op_put(t, key, CACHE_IF_SEQ, v.seq);
	else
		op_put(t, key, CACHE_IF_ABSENT, 0);
}

static void op_delete(struct thread *t, uint64_t key)
{
	struct cache_key k;
	uint64_t from;

	key_make(&k, &key);
	from = stamp_tsc();
	cache_delete(t->w, &k, CACHE_ALWAYS, 0, t->now_ns);
	record(t, (uint32_t)key, ABSENT, 0, from);
}

static void op_touch(struct thread *t, uint64_t key)
{
	struct cache_key k;

	key_make(&k, &key);
	cache_touch(t->w, &k, below(t, 2) ? 0 : t->now_ns + 1000 * NS_PER_SEC, t->now_ns);
}

static void on_wake(struct cache_waiter *waiter, uint64_t now_ns)
{
	(void)now_ns;
	container_of(waiter, struct waiting, waiter)->busy = false;
}

static void op_lookup(struct thread *t, uint64_t key)
{
	struct cache_lease lease;
	struct waiting *wait = NULL;
	struct cache_view v;
	struct cache_key k;
	uint64_t from;

	if (t->lease_cnt == LEASES)
		return;
	for (int i = 0; i < WAITERS && wait == NULL; i++)
		if (!t->waiters[i].busy)
			wait = &t->waiters[i];
	key_make(&k, &key);
	from = stamp_tsc();
	switch (cache_lookup(
		t->w, &k, t->now_ns, &v, &lease, wait != NULL ? &wait->waiter : NULL)) {
	case CACHE_HIT:
		record(t, (uint32_t)key, READ, value_check(v.val, v.len, key), from);
		break;
	case CACHE_LEASED:
		t->leases[t->lease_cnt++] = (struct leased){.lease = lease, .key = key};
		record(t, (uint32_t)key, ABSENT, 0, from);
		break;
	case CACHE_WAITING:
		wait->busy = true;
		record(t, (uint32_t)key, ABSENT, 0, from);
		break;
	case CACHE_PENDING:
		record(t, (uint32_t)key, ABSENT, 0, from);
		break;
	default:
		break; /* no lease to be had: it may be anything */
	}
}

static void end_lease(struct thread *t, bool with_value)
{
	struct leased *l = &t->leases[--t->lease_cnt];
	uint64_t buf[160], stamp = fresh_stamp(t), from;
	struct value *val = (void *)buf;
	struct cache_put p = {.val = val, .len = value_make(val, l->key, stamp)};
	struct cache_key k;

	key_make(&k, &l->key);
	from = stamp_tsc();
	if (!with_value)
		cache_lease_abort(t->w, &k, &l->lease, t->now_ns);
	else if (cache_fill(t->w, &k, &l->lease, &p, t->now_ns) == 0)
		record(t, (uint32_t)l->key, WRITE, stamp, from);
}

/* Objects are read while another thread fills them: bytes are a function of key, id and offset. */
static uint8_t object_byte(uint64_t id, uint64_t at)
{
	return (uint8_t)((id ^ at) * UINT64_C(0x9e3779b97f4a7c15) >> 56);
}

static void op_stream(struct thread *t)
{
	uint8_t bytes[700];
	struct cache_key k;
	uint32_t n = 1 + (uint32_t)below(t, sizeof(bytes));

	if (!t->streaming) {
		const struct cache_object obj = {
			.desc = "d", .desc_len = 1, .total_len = CACHE_LEN_UNKNOWN};

		t->stream_key = (UINT64_C(1) << 40) + below(t, OBJECTS);
		key_make(&k, &t->stream_key);
		t->streaming = cache_object_open(t->w, &k, NULL, &obj, &t->stream, t->now_ns) == 0;
		return;
	}
	key_make(&k, &t->stream_key);
	if (below(t, 12) == 0) {
		cache_object_close(t->w, &k, &t->stream, below(t, 4) != 0, t->now_ns);
		t->streaming = false;
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = object_byte(t->stream.id, t->stream.filled + i);
	t->stream_bytes += (uint64_t)cache_object_append(t->w, &t->stream, bytes, n, t->now_ns);
}

static void op_object(struct thread *t)
{
	uint64_t id = (UINT64_C(1) << 40) + below(t, OBJECTS), at;
	struct cache_view v, s;
	struct cache_key k;

	key_make(&k, &id);
	if (cache_get(t->w, &k, t->now_ns, &v) != CACHE_OBJECT)
		return;
	at = below(t, 6000);
	if (cache_object_read(t->w, &v, at, t->now_ns, &s) != 0)
		return;
	for (uint32_t i = 0; i < s.len; i++)
		if (s.val[i] != object_byte(v.seq, at + i))
			fail("a wrong byte in an object", v.seq, at + i);
}

static void return_pins(struct thread *t, bool all)
{
	for (uint32_t i = 0; i < t->pin_cnt;) {
		struct held *h = &t->pins[i];

		if (!all && h->left-- > 0) {
			i++;
			continue;
		}
		value_check(h->val, h->len, h->key);
		/* Now and then by way of a second pin. */
		if (h->left % 4 == 1) {
			struct cache_pin second;

			cache_pin_dup(t->w, &h->pin, &second);
			cache_unpin(t->w, &h->pin);
			value_check(h->val, h->len, h->key);
			h->pin = second;
		}
		cache_unpin(t->w, &h->pin);
		*h = t->pins[--t->pin_cnt];
	}
}

static void one_op(struct thread *t)
{
	uint64_t key = below(t, KEYS), plain = below(t, KEYS - CAS_KEYS);

	if (below(t, 2) == 0) /* a few that everybody wants */
		plain = key = below(t, 3);

	switch (below(t, 24)) {
	case 0:
	case 1:
	case 2:
		op_put(t, plain, CACHE_ALWAYS, 0);
		break;
	case 3:
		op_put(t, plain, CACHE_IF_ABSENT, 0);
		break;
	case 4:
	case 5:
		op_swap(t, KEYS - 1 - below(t, CAS_KEYS));
		break;
	case 6:
	case 7:
		op_delete(t, plain);
		break;
	case 8:
		op_touch(t, key);
		break;
	case 9:
	case 10:
		op_lookup(t, plain);
		break;
	case 11:
		if (t->lease_cnt > 0)
			end_lease(t, below(t, 4) != 0);
		break;
	case 12:
	case 13:
		op_put(t, FLOOD_KEY + below(t, 100000), CACHE_ALWAYS, 0);
		break;
	case 14:
		op_stream(t);
		break;
	case 15:
		op_object(t);
		break;
	case 16:
		op_burst(t);
		break;
	default:
		op_get(t, key);
	}
}

static void *run(void *arg)
{
	struct thread *t = arg;
	struct rng hooks;

	rng_seed(&t->rng, seed * 1000 + t->id);
	rng_seed(&hooks, seed * 2000 + t->id);
	hook_rng = &hooks;
	for (int i = 0; i < WAITERS; i++)
		cache_waiter_init(&t->waiters[i].waiter, on_wake);
	cache_online(t->w);
	for (uint32_t i = 0; i < OPS; i++) {
		t->now_ns += NS_PER_US;
		one_op(t);
		if (i % 16 == 0) {
			return_pins(t, false);
			cache_poll(t->w, t->now_ns);
		}
		if (below(t, 5000) == 0) {
			cache_offline(t->w);
			sched_yield();
			cache_online(t->w);
		}
	}
	while (t->lease_cnt > 0)
		end_lease(t, false);
	if (t->streaming) {
		struct cache_key k;

		key_make(&k, &t->stream_key);
		cache_object_close(t->w, &k, &t->stream, false, t->now_ns);
	}
	return_pins(t, true);
	cache_poll(t->w, t->now_ns);
	cache_offline(t->w);
	hook_rng = NULL;
	return NULL;
}

/* -- the history -- */

struct span {
	uint64_t begin, end; /* of what is known to hold */
	bool forward;
};

static int by_key_value(const void *a, const void *b)
{
	const struct event *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return 0;
}

static int by_begin(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* All events of one key, sorted by value: check. */
static void check_key(const struct event *e, size_t n, struct span *spans)
{
	size_t cnt = 0, i = 0;

	while (i < n) {
		uint64_t value = e[i].value, first_end = UINT64_MAX, last_begin = 0;
		uint64_t write_from = UINT64_MAX, read_to = UINT64_MAX;

		if (value == 0) { /* each absence stands alone */
			spans[cnt++] = (struct span){.begin = e[i].from, .end = e[i].to};
			i++;
			continue;
		}
		for (; i < n && e[i].value == value; i++) {
			if (e[i].to < first_end)
				first_end = e[i].to;
			if (e[i].from > last_begin)
				last_begin = e[i].from;
			if (e[i].kind == WRITE)
				write_from = e[i].from;
			else if (e[i].to < read_to)
				read_to = e[i].to;
		}
		if (write_from == UINT64_MAX)
			fail("a value was read that nobody wrote", e[0].key, value);
		if (read_to < write_from)
			fail("a value was read before it was written", e[0].key, value);
		if (first_end < last_begin)
			spans[cnt++] = (struct span){first_end, last_begin, true};
		else
			spans[cnt++] = (struct span){last_begin, first_end, false};
	}
	qsort(spans, cnt, sizeof(*spans), by_begin);
	for (size_t a = 0; a < cnt; a++)
		for (size_t b = a + 1; b < cnt && spans[a].forward && spans[b].begin < spans[a].end;
			b++) {
			if (spans[b].forward)
				fail("two values at the same time", e[0].key, spans[b].begin);
			if (spans[b].end < spans[a].end)
				fail("something else within a value's time", e[0].key,
					spans[b].begin);
		}
}

static int by_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void check_histories(void)
{
	size_t n = 0, r = 0;
	struct event *all;
	struct span *spans;
	uint64_t *replaced;

	for (int i = 0; i < THREADS; i++) {
		n += threads[i].event_cnt;
		r += threads[i].replaced_cnt;
	}
	all = malloc(n * sizeof(*all));
	spans = malloc(n * sizeof(*spans));
	replaced = malloc(r * sizeof(*replaced));
	if (all == NULL || spans == NULL || replaced == NULL)
		exit(1);
	n = r = 0;
	for (int i = 0; i < THREADS; i++) {
		memcpy(all + n, threads[i].events, threads[i].event_cnt * sizeof(*all));
		n += threads[i].event_cnt;
		memcpy(replaced + r, threads[i].replaced, threads[i].replaced_cnt * 8);
		r += threads[i].replaced_cnt;
	}
	qsort(all, n, sizeof(*all), by_key_value);
	for (size_t i = 0, j; i < n; i = j) {
		for (j = i; j < n && all[j].key == all[i].key; j++)
			;
		check_key(all + i, j - i, spans);
	}
	qsort(replaced, r, sizeof(*replaced), by_u64);
	for (size_t i = 1; i < r; i++)
		if (replaced[i] == replaced[i - 1])
			fail("a version was replaced twice", replaced[i], r);
	printf("stress_cache: %zu events, %zu conditional replacements\n", n, r);
	free(all);
	free(spans);
	free(replaced);
}

static void check_coverage(void)
{
	struct cache_stats s;
	char what[200];

	if (cache_check(cache, what, sizeof(what)) != 0)
		fail(what, 0, 0);
	cache_stats(cache, &s);
#define X(name, text) printf("  %-16s %llu\n", #name, (unsigned long long)s.name);
	CACHE_STATS(X)
#undef X
	if (s.segs_freed < 200 || s.promoted == 0 || s.reinserted == 0 || s.evicted_small == 0 ||
		s.evicted_bucket == 0 || s.retries == 0 || s.fills == 0 || s.fills_stale == 0 ||
		s.wakes == 0 || s.touches == 0 || s.pins == 0 || s.streams == 0)
		fail("the run did not reach everything it is for", s.segs_freed, s.retries);
}

int main(int argc, char **argv)
{
	const struct cache_conf conf = {.arena_bytes = 64 << 14,
		.segment_bytes = 1 << 14,
		.index_items = 350,
		.workers = THREADS,
		.fills = 8,
		.hash_seed = 1,
		.pinned_permille = 300,
		.ns_cnt = 1};
	struct cache_mem mem;

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : (uint64_t)time(NULL);
	printf("stress_cache: seed %llu\n", (unsigned long long)seed);
	if (cache_plan(&conf, mem.bytes) != 0 || cache_mem_map(&mem, false) != 0 ||
		cache_create(&cache, &conf, mem.addr) != 0)
		return 1;
	for (uint32_t i = 0; i < THREADS; i++) {
		struct thread *t = &threads[i];

		t->id = i;
		t->w = cache_worker(cache, i);
		t->events = malloc((size_t)OPS * 9 * sizeof(*t->events));
		t->replaced = malloc(OPS * sizeof(*t->replaced));
		if (t->events == NULL || t->replaced == NULL ||
			pthread_create(&t->tid, NULL, run, t) != 0)
			return 1;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i].tid, NULL);
	check_histories();
	check_coverage();
	for (int i = 0; i < THREADS; i++) {
		free(threads[i].events);
		free(threads[i].replaced);
	}
	cache_destroy(cache);
	cache_mem_unmap(&mem);
	printf("1 passed, 0 failed, 0 skipped\n");
	return 0;
}
