/* SPDX-License-Identifier: Apache-2.0
 * The second tier of the HTTP cache under three workers on threads of their own, a real store, and
 * a ring of generations so small that it turns all the time. The workers fetch, read, evict,
 * replace and invalidate the same keys, plain ones, large ones and variants, and purge groups of
 * them; some rounds later everything is closed in the middle of it and opened again. Requests are
 * played: they do what the cache's do with look-ups, leases and the tier, without HTTP.
 *
 * Meant for ThreadSanitizer (edges TG1, TG2, PS1); what it checks itself:
 *   TR4  what was invalidated or purged before a request began is never its answer, also after a
 *        restart: contents have versions, and each key a least one that may be seen
 *   TR3  each byte is that of its key and of the version of its head
 *   TR5  the tier holds no more than it may, but for what is in flight
 * and that nothing is under way at the end. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l7/cache/hcache_pvt.h"
#include "lb/l7/cache/tier_pvt.h"
#include "tests/support/seed.h"
#include "tests/support/store_util.h"

/* What the tier asks of requests. */
static bool ask_open(struct hc_req *q, const struct cache_view *v, struct stored *s, bool *soft);
static void ask_found(struct hc_req *q, int rc);
static void ask_absent(struct hc_req *q, struct cache_lease *lease);
static void ask_chunk(struct hc_req *q, uint64_t at, const uint8_t *bytes, uint32_t len);
static void ask_pump(struct hc_req *q);
#define hc_open_view     ask_open
#define hc_found_on_disk ask_found
#define hc_not_on_disk   ask_absent
#define hc_chunk         ask_chunk
#define hc_pump          ask_pump
#include "lb/l7/cache/tier_read.c"
#undef hc_open_view

#define WORKERS    3
#define ROUNDS     3
#define OPS        1200 /* of a worker and round */
#define ASKS       12   /* of a worker at a time */
#define SMALL_KEYS 40
#define LARGE_KEYS 6
#define VARY_KEYS  8
#define VARIANTS   2 /* of one of these */
#define KEYS       (SMALL_KEYS + LARGE_KEYS + VARY_KEYS)
#define GROUPS     4      /* of keys, by number: a purge is for all of one */
#define LARGE      270000 /* of a generation's 320 KiB, and more than a chunk */
#define PIECE      65536
#define PERIOD     251
#define KEY_BYTES  16
#define DISK_BYTES (5u << 19)
#define JOBS       16
#define DUELS      150 /* a writer and an invalidation meet at a key that is new to the map (TI2) */

enum step { FREE, LOOKING, FETCHING, FILLING, READING };

/* One request; what it shares with the cache's is q. */
struct ask {
	struct hc_req q;
	struct worker *w;
	enum step step;
	bool duel;
	uint32_t key;
	uint64_t least; /* version that it may see */
	uint64_t version;
	char primary[KEY_BYTES], variant[KEY_BYTES];
	/* of a fetch */
	struct cache_lease lease;
	struct cache_stream stream;
	uint64_t born, fetched;
	uint32_t pause, idle;
	_Alignas(8) char head[1024];
	uint32_t head_len;
};

struct worker {
	struct hcache_worker *hw;
	struct http_worker *http;
	struct http_stream *s;
	struct ask asks[ASKS];
	struct rng rng;
	uint64_t now_ns;
	uint64_t answers, from_disk, fetches, given_up, chunks;
	_Alignas(8) uint8_t bytes[8192];
	pthread_t thread;
	uint32_t id;
};

static struct test_store store;
static struct hcache *hc;
static struct worker workers[WORKERS];
static _Atomic uint64_t origin[KEYS]; /* version that the origin has */
static _Atomic uint64_t least[KEYS];  /* version that may still be seen */
static uint8_t pattern[PERIOD + PIECE];
static uint64_t seed;

static void fail(const char *what, uint64_t a, uint64_t b)
{
	printf("stress_tier: seed %llu: %s: %llu %llu\n0 passed, 1 failed, 0 skipped\n",
		(unsigned long long)seed, what, (unsigned long long)a, (unsigned long long)b);
	exit(1);
}

static uint32_t below(struct worker *w, uint32_t n)
{
	return (uint32_t)rng_below(&w->rng, n);
}

static bool is_large(uint32_t key)
{
	return key >= SMALL_KEYS && key < SMALL_KEYS + LARGE_KEYS;
}

static bool has_variant(uint32_t key)
{
	return key >= SMALL_KEYS + LARGE_KEYS;
}

static uint32_t body_len(uint32_t key)
{
	return is_large(key) ? LARGE + key : 100 + key * 61;
}

/* PIECE bytes of a content, from `at` on. */
static const uint8_t *bytes_of(const struct ask *a, uint64_t at)
{
	return pattern + (a->key * 7 + a->version * 13 + at) % PERIOD;
}

static void check_bytes(const struct ask *a, const uint8_t *p, uint64_t at, uint32_t len)
{
	while (len > 0) {
		uint32_t n = len < PIECE ? len : PIECE;

		if (memcmp(p, bytes_of(a, at), n) != 0)
			fail("bytes of another content", a->key, at);
		p += n;
		at += n;
		len -= n;
	}
}

static void name_key(char out[KEY_BYTES], const char *kind, uint32_t key)
{
	memset(out, 0, KEY_BYTES);
	(void)snprintf(out, KEY_BYTES, "%s%u", kind, key);
}

static struct span group_of(uint32_t key)
{
	static const char text[] = "/0/1/2/3";

	return (struct span){text + 2 * (key % GROUPS), 2};
}

static void raise_to(_Atomic uint64_t *at, uint64_t v)
{
	uint64_t was = atomic_load(at);

	while (was < v && !atomic_compare_exchange_weak(at, &was, v))
		;
}

static void ask_key(const struct ask *a, struct cache_key *k)
{
	hc_key(a->w->hw, k, a->q.key, a->q.key_len);
}

static struct ask *ask_of(struct hc_req *q)
{
	return container_of(q, struct ask, q);
}

static void done(struct ask *a, bool answered)
{
	if (answered)
		a->w->answers++;
	else
		a->w->given_up++;
	if (a->q.disk != NULL || a->q.queued)
		fail("over, and yet under way", a->key, a->q.queued);
	a->step = FREE;
}

/* ---- fetches ---- */

static void look_up(struct ask *a);

static void fetch(struct ask *a, const struct cache_lease *lease)
{
	a->step = FETCHING;
	a->lease = *lease;
	a->born = purge_now(hc->purge);
	a->version = atomic_load(&origin[a->key]);
	a->pause = below(a->w, 6);
	a->w->fetches++;
}

/* Prefix and head, with the version where nobody looks for it; the path's group as its tag. */
static void encode(struct ask *a)
{
	struct span group = group_of(a->key);
	struct fresh f = {.response_ms = hc_wall_ms(a->w->hw),
		.date = (int64_t)a->version,
		.lifetime = INT32_MAX};
	struct hc_prefix pre = {.born = a->born,
		.primary = hc_primary(a->w->hw, a->primary, KEY_BYTES),
		.body = a->version};
	struct http_head *h = &a->w->hw->scratch_head;
	struct control_response c = {0};
	uint32_t n;

	memset(h, 0, sizeof(*h));
	h->status = 200;
	if (http_head_add(h, HTTP_FIELD_SURROGATE_KEY, group) != HTTP_END_OK)
		fail("no room for a field", 0, 0);
	memcpy(a->head, &pre, sizeof(pre));
	n = stored_encode(h, &f, &c, a->head + sizeof(pre), sizeof(a->head) - sizeof(pre));
	if (n == 0)
		fail("the head does not fit", n, 0);
	a->head_len = n + (uint32_t)sizeof(pre);
}

/* Also under the variant's key, where the lease is not. */
static int put_small(struct ask *a)
{
	struct worker *w = a->w;
	uint32_t len = body_len(a->key);
	struct cache_put p = {.val = w->bytes, .len = a->head_len + len, .user = MARK_SMALL};
	struct cache_key k;
	int rc;

	memcpy(w->bytes, a->head, a->head_len);
	memcpy(w->bytes + a->head_len, bytes_of(a, 0), len);
	if (has_variant(a->key) && a->q.key == a->primary) {
		struct cache_put names = {.val = "x-names", .len = 8, .user = MARK_VARY};

		ask_key(a, &k);
		rc = cache_fill(w->hw->cw, &k, &a->lease, &names, w->now_ns);
		tier_replaced(w->hw, a->variant, KEY_BYTES);
		hc_key(w->hw, &k, a->variant, KEY_BYTES);
		if (rc == 0)
			rc = cache_put(w->hw->cw, &k, &p, w->now_ns);
		if (rc == 0)
			tier_filled(w->hw, a->variant, KEY_BYTES);
		return rc;
	}
	tier_replaced(w->hw, a->q.key, a->q.key_len);
	ask_key(a, &k);
	rc = cache_fill(w->hw->cw, &k, &a->lease, &p, w->now_ns);
	if (rc == 0)
		tier_filled(w->hw, a->q.key, a->q.key_len);
	return rc;
}

static void open_large(struct ask *a)
{
	struct worker *w = a->w;
	struct cache_object o = {.desc = a->head,
		.desc_len = a->head_len,
		.user = MARK_OBJECT,
		.total_len = body_len(a->key)};
	struct cache_key k;

	tier_replaced(w->hw, a->q.key, a->q.key_len);
	ask_key(a, &k);
	if (cache_object_open(w->hw->cw, &k, &a->lease, &o, &a->stream, w->now_ns) != 0) {
		done(a, false);
		return;
	}
	tier_filled(w->hw, a->q.key, a->q.key_len);
	a->step = FILLING;
	a->fetched = 0;
	a->idle = 0;
}

static void go_on_filling(struct ask *a)
{
	struct worker *w = a->w;
	uint32_t len = body_len(a->key), n = len - (uint32_t)a->fetched;
	struct cache_key k;
	int64_t took;

	n = n < PIECE ? n : PIECE;
	took = cache_object_append(w->hw->cw, &a->stream, bytes_of(a, a->fetched), n, w->now_ns);
	a->fetched += took > 0 ? (uint64_t)took : 0;
	a->idle = took > 0 ? 0 : a->idle + 1;
	if (a->fetched < len && took >= 0 && a->idle < 1000)
		return;
	ask_key(a, &k);
	(void)!cache_object_close(w->hw->cw, &k, &a->stream, a->fetched == len, w->now_ns);
	done(a, a->fetched == len);
}

static void go_on_fetching(struct ask *a)
{
	if (a->pause > 0) {
		a->pause--;
		return;
	}
	encode(a);
	if (is_large(a->key))
		open_large(a);
	else
		done(a, put_small(a) == 0);
}

/* ---- answers ---- */

static bool ask_open(struct hc_req *q, const struct cache_view *v, struct stored *s, bool *soft)
{
	struct ask *a = ask_of(q);

	q->s = a->w->s;
	q->s->req.path = group_of(a->key);
	return hc_open_view(q, v, s, soft);
}

static void read_large(struct ask *a)
{
	struct worker *w = a->w;
	struct cache_view slice;

	while (a->q.pos < body_len(a->key)) {
		int rc = cache_object_read(w->hw->cw, &a->q.view, a->q.pos, w->now_ns, &slice);

		if (rc == 0) {
			check_bytes(a, slice.val, a->q.pos, slice.len);
			a->q.pos += slice.len;
			continue;
		}
		if (rc == -EAGAIN && a->idle++ < 100000)
			return; /* once more in the next turn */
		if (rc == -ENOENT && tier_hole(&a->q))
			return;
		done(a, false);
		return;
	}
	done(a, true);
}

static void ask_chunk(struct hc_req *q, uint64_t at, const uint8_t *bytes, uint32_t len)
{
	struct ask *a = ask_of(q);

	q->filling = false;
	if (bytes == NULL) {
		done(a, false);
		return;
	}
	check_bytes(a, bytes, at, len);
	a->w->chunks++;
	q->pos = at + len;
	read_large(a);
}

static void ask_pump(struct hc_req *q)
{
	read_large(ask_of(q));
}

static void serve(struct ask *a, const struct cache_view *v, const struct stored *s)
{
	a->version = (uint64_t)s->fresh.date;
	if (a->version < a->least)
		fail(a->q.from_disk ? "a content that was taken back, from disk"
				    : "a content that was taken back",
			a->key, a->least - a->version);
	a->w->from_disk += a->q.from_disk;
	tier_used(&a->q, v);
	if (v->found == CACHE_HIT) {
		uint32_t head = (uint32_t)sizeof(struct hc_prefix) + s->len;

		if (v->len - head != body_len(a->key))
			fail("a body of another length", a->key, v->len - head);
		check_bytes(a, v->val + head, 0, v->len - head);
		done(a, true);
		return;
	}
	a->step = READING;
	a->q.view = *v;
	a->q.place = ((const struct hc_prefix *)(const void *)v->val)->place;
	a->q.pos = 0;
	a->idle = 0;
	read_large(a);
}

static void found(struct ask *a, const struct cache_view *v)
{
	struct cache_key k;
	struct stored s;
	bool soft;

	if (v->user == MARK_VARY) {
		tier_used_vary(&a->q, v);
		a->q.key = a->variant;
		a->q.disk_tried = a->q.from_disk = false;
		look_up(a);
		return;
	}
	if (ask_open(&a->q, v, &s, &soft)) {
		serve(a, v, &s);
		return;
	}
	ask_key(a, &k);
	(void)!cache_delete(a->w->hw->cw, &k, CACHE_IF_SEQ, v->seq, a->w->now_ns);
	look_up(a);
}

static void on_wake(struct cache_waiter *waiter, uint64_t now_ns)
{
	struct hc_req *q = container_of(waiter, struct hc_req, waiter);

	(void)now_ns;
	q->queued = false;
	look_up(ask_of(q));
}

static void look_up(struct ask *a)
{
	struct cache_lease lease = {0};
	struct cache_view v;
	struct cache_key k;

	a->step = LOOKING;
	if (a->q.rounds++ >= 8) {
		done(a, false);
		return;
	}
	ask_key(a, &k);
	cache_waiter_init(&a->q.waiter, on_wake);
	switch (cache_lookup(a->w->hw->cw, &k, a->w->now_ns, &v, &lease, &a->q.waiter)) {
	case CACHE_HIT:
	case CACHE_OBJECT:
		found(a, &v);
		break;
	case CACHE_LEASED:
		if (a->q.disk_tried || !tier_look(&a->q, &lease))
			ask_absent(&a->q, &lease);
		break;
	case CACHE_WAITING:
		a->q.queued = true;
		break;
	default:
		done(a, false);
	}
}

static void ask_found(struct hc_req *q, int rc)
{
	q->from_disk = rc == 0;
	q->disk_tried = rc != 0;
	look_up(ask_of(q));
}

static void ask_absent(struct hc_req *q, struct cache_lease *lease)
{
	struct ask *a = ask_of(q);
	struct cache_key k;

	q->disk_tried = true;
	if (!a->duel) {
		fetch(a, lease);
		return;
	}
	ask_key(a, &k);
	cache_lease_abort(a->w->hw->cw, &k, lease, a->w->now_ns);
	done(a, false);
}

static void begin(struct ask *a, uint32_t key)
{
	memset(&a->q, 0, sizeof(a->q));
	a->key = key;
	a->least = atomic_load(&least[key]);
	name_key(a->primary, "p", key);
	name_key(a->variant, below(a->w, VARIANTS) == 0 ? "v" : "w", key);
	a->q.hw = a->w->hw;
	a->q.primary = a->q.key = a->primary;
	a->q.primary_len = a->q.key_len = KEY_BYTES;
	look_up(a);
}

/* The client is gone. What was begun for it goes on, or ends. */
static void leave(struct ask *a)
{
	if (a->step == FREE || a->step == FETCHING || a->step == FILLING)
		return;
	tier_leave(&a->q);
	if (a->q.queued)
		cache_waiter_cancel(a->w->hw->cw, &a->q.waiter);
	a->q.queued = false;
	done(a, false);
}

/* ---- what takes contents back ---- */

static void take_back(struct worker *w, const char name[KEY_BYTES])
{
	struct cache_key k;

	hc_key(w->hw, &k, name, KEY_BYTES);
	(void)!cache_delete(w->hw->cw, &k, CACHE_ALWAYS, 0, w->now_ns);
	purge_key(hc->purge, hc_primary(w->hw, name, KEY_BYTES));
}

static void invalidate(struct worker *w, uint32_t key)
{
	uint64_t version = atomic_fetch_add(&origin[key], 1) + 1;
	char name[KEY_BYTES];

	name_key(name, "p", key);
	take_back(w, name);
	raise_to(&least[key], version);
}

static void purge(struct worker *w, uint32_t group)
{
	uint64_t version[KEYS];
	int rc;

	for (uint32_t i = group; i < KEYS; i += GROUPS)
		version[i] = atomic_fetch_add(&origin[i], 1) + 1;
	if (below(w, 2) == 0)
		rc = purge_tag(hc->purge, group_of(group), false);
	else
		rc = purge_prefix(hc->purge, (struct span){NULL, 0}, group_of(group), false);
	if (rc != 0)
		fail("a purge was refused", group, 0);
	for (uint32_t i = group; i < KEYS; i += GROUPS)
		raise_to(&least[i], version[i]);
}

/* As eviction would, or a newer content. */
static void forget(struct worker *w, uint32_t key, bool newer)
{
	static const char *const kinds[] = {"p", "v", "w"};
	char name[KEY_BYTES];
	struct cache_key k;

	name_key(name, has_variant(key) ? kinds[below(w, 3)] : "p", key);
	hc_key(w->hw, &k, name, KEY_BYTES);
	(void)!cache_delete(w->hw->cw, &k, CACHE_ALWAYS, 0, w->now_ns);
	if (newer) {
		atomic_fetch_add(&origin[key], 1);
		tier_replaced(w->hw, name, KEY_BYTES);
	}
}

/* ---- workers ---- */

static void turn(struct worker *w)
{
	w->now_ns = clock_now_ns();
	(void)hcache_worker_poll(w->hw, w->now_ns);
	for (uint32_t i = 0; i < ASKS; i++) {
		struct ask *a = &w->asks[i];

		if (a->step == FETCHING)
			go_on_fetching(a);
		else if (a->step == FILLING)
			go_on_filling(a);
		else if (a->step == READING && a->q.disk == NULL && !a->q.queued)
			read_large(a);
	}
}

/* Large ones are few: they cost most of the time. */
static uint32_t any_key(struct worker *w)
{
	uint32_t key = below(w, KEYS);

	return is_large(key) && below(w, 3) != 0 ? below(w, SMALL_KEYS) : key;
}

static void operate(struct worker *w)
{
	uint32_t what = below(w, 1000), key = any_key(w);
	struct ask *a = &w->asks[below(w, ASKS)];

	if (what < 600) {
		if (a->step == FREE)
			begin(a, key);
	} else if (what < 900) {
		forget(w, key, false);
	} else if (what < 920) {
		forget(w, key, true);
	} else if (what < 945) {
		invalidate(w, key);
	} else if (what < 950) {
		purge(w, below(w, GROUPS));
	} else if (what < 990) {
		leave(a);
	} else {
		sched_yield();
	}
}

static bool busy(const struct worker *w)
{
	const struct tier_stats *s = hcache_worker_tier(w->hw);

	for (uint32_t i = 0; i < ASKS; i++)
		if (w->asks[i].step != FREE)
			return true;
	return s->reading > 0 || s->writing > 0;
}

/* Until nothing of the worker is under way. */
static void settle(struct worker *w)
{
	uint64_t until = clock_now_ns() + 20 * NS_PER_SEC;

	while (busy(w)) {
		turn(w);
		(void)usleep(100);
		if (w->now_ns > until)
			fail("something is under way for ever", w->id,
				hcache_worker_tier(w->hw)->writing);
	}
}

/* Each of the worker's keys, one after the other. */
static void ask_all(struct worker *w)
{
	for (uint32_t key = w->id; key < KEYS; key += WORKERS) {
		begin(&w->asks[0], key);
		settle(w);
	}
}

/* ---- duels ---- */

static _Atomic uint32_t duel_called, duel_ready, duel_begun, duel_over;

static void duel_name(char out[KEY_BYTES], uint32_t i)
{
	name_key(out, "d", i);
}

/* It is used, and so offered to the tier, while another worker invalidates it. */
static void duel_offer(struct ask *a, uint32_t i)
{
	struct worker *w = a->w;
	struct cache_put p = {.val = w->bytes, .user = MARK_SMALL};
	struct cache_view v;
	struct cache_key k;

	memset(&a->q, 0, sizeof(a->q));
	duel_name(a->primary, i);
	a->key = 0;
	a->version = 0;
	a->born = purge_now(hc->purge);
	a->q.hw = w->hw;
	a->q.primary = a->q.key = a->primary;
	a->q.primary_len = a->q.key_len = KEY_BYTES;
	encode(a);
	memcpy(w->bytes, a->head, a->head_len);
	memcpy(w->bytes + a->head_len, bytes_of(a, 0), body_len(0));
	p.len = a->head_len + body_len(0);
	ask_key(a, &k);
	if (cache_put(w->hw->cw, &k, &p, w->now_ns) != 0 ||
		cache_get(w->hw->cw, &k, w->now_ns, &v) != CACHE_HIT)
		fail("no room for a duel", i, 0);
	atomic_store(&duel_begun, i);
	for (uint32_t n = below(w, 400); n > 0; n--)
		__builtin_ia32_pause();
	tier_used(&a->q, &v);
}

static void duel_writer(struct worker *w)
{
	struct ask *a = &w->asks[0];

	for (uint32_t i = 1; i <= DUELS; i++) {
		turn(w);
		atomic_store(&duel_called, i);
		while (atomic_load(&duel_ready) != i)
			sched_yield();
		duel_offer(a, i);
		while (atomic_load(&duel_over) != i)
			sched_yield();
		settle(w);
		/* Whoever was first: it is not good any more. */
		a->q.disk_tried = false;
		a->duel = true;
		a->least = 1;
		look_up(a);
		settle(w);
		a->duel = false;
	}
}

static void duel_invalidator(struct worker *w)
{
	char name[KEY_BYTES];

	for (uint32_t i = 1; i <= DUELS; i++) {
		do {
			turn(w);
			(void)usleep(50);
		} while (atomic_load(&duel_called) != i);
		atomic_store(&duel_ready, i);
		while (atomic_load(&duel_begun) != i)
			sched_yield();
		for (uint32_t n = below(w, 2000); n > 0; n--)
			__builtin_ia32_pause();
		duel_name(name, i);
		take_back(w, name);
		atomic_store(&duel_over, i);
	}
}

static void duel(struct worker *w)
{
	if (w->id == 0)
		duel_writer(w);
	else if (w->id == 1)
		duel_invalidator(w);
	while (atomic_load(&duel_over) != DUELS) {
		turn(w);
		(void)usleep(200);
	}
}

static void *run(void *arg)
{
	struct worker *w = arg;

	turn(w);
	duel(w);
	ask_all(w);
	for (uint32_t i = 0; i < OPS; i++) {
		turn(w);
		for (uint32_t k = below(w, 4); k > 0; k--)
			operate(w);
		(void)usleep(50);
	}
	settle(w);
	/* What is used is on disk when the process stops, and most of it is not good any more:
	 * since a moment ago, so that the marks are not saved yet. */
	for (uint32_t i = 0; i < 3; i++)
		ask_all(w);
	for (uint32_t key = w->id; key < KEYS; key += WORKERS)
		if (below(w, 8) != 0)
			invalidate(w, key);
	purge(w, below(w, GROUPS));
	(void)hcache_worker_park(w->hw);
	return NULL;
}

/* ---- life ---- */

static void open_all(void)
{
	static struct store_ns_params ns[TIER_NS];
	static char names[TIER_NS][16];
	struct hcache_conf conf = {.bytes = 16u << 20, .workers = WORKERS};
	struct tier_conf tc = {
		.workers = WORKERS, .max_bytes = DISK_BYTES, .writes = JOBS, .reads = 16};

	for (uint32_t i = 0; i < TIER_NS; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "cache-%u", i);
		ns[i] = (struct store_ns_params){names[i], STORE_EVERYSEC};
	}
	store.p.ns = ns;
	store.p.ns_cnt = TIER_NS;
	store.p.client_cnt = WORKERS;
	store.p.shard_cnt = 2;
	store.p.memtable_bytes = 8 << 20;
	if (test_store_open(&store) != 0)
		fail(store.err, 0, 0);
	tc.store = store.s;
	if (hcache_create(&conf, &hc) != 0 || hcache_add_tier(hc, &tc) != 0)
		fail("the cache cannot be made", 0, 0);
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		w->hw = hcache_worker_create(hc, i, w->http, NULL, 8);
		if (w->hw == NULL)
			fail("a worker cannot be made", i, 0);
	}
}

static void close_all(uint64_t sums[4])
{
	struct tier_usage u;

	tier_usage(hcache_tier(hc), &u);
	if (u.bytes > DISK_BYTES + WORKERS * JOBS * (uint64_t)(TIER_CHUNK + PIECE))
		fail("more on disk than there may be", u.bytes, DISK_BYTES);
	for (uint32_t i = 0; i < WORKERS; i++) {
		const struct tier_stats *s = hcache_worker_tier(workers[i].hw);

		sums[0] += s->written;
		sums[1] += s->turns;
		sums[2] += s->dead;
		sums[3] += s->torn;
		hcache_worker_stop(workers[i].hw);
	}
	test_store_close(&store);
	hcache_destroy(hc);
}

int main(void)
{
	uint64_t sums[4] = {0}, answers = 0, disk = 0, fetches = 0, chunks = 0;

	log_set_level(LOG_ERROR);
	seed = test_seed();
	test_clock_init();
	for (uint32_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i % PERIOD);
	test_store_init(&store);
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		w->id = i;
		rng_seed(&w->rng, seed + i);
		w->http = calloc(1, sizeof(*w->http));
		w->s = calloc(1, sizeof(*w->s));
		if (w->http == NULL || w->s == NULL)
			return 1;
		for (uint32_t k = 0; k < ASKS; k++)
			w->asks[k].w = w;
	}
	for (uint32_t round = 0; round < ROUNDS; round++) {
		open_all();
		for (uint32_t i = 0; i < WORKERS; i++)
			if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0)
				fail("no thread", i, 0);
		for (uint32_t i = 0; i < WORKERS; i++)
			(void)pthread_join(workers[i].thread, NULL);
		close_all(sums);
	}
	for (uint32_t i = 0; i < WORKERS; i++) {
		answers += workers[i].answers;
		disk += workers[i].from_disk;
		fetches += workers[i].fetches;
		chunks += workers[i].chunks;
		free(workers[i].http);
		free(workers[i].s);
	}
	test_store_fini(&store);
	printf("%llu answers, %llu from disk, %llu chunks, %llu fetches; %llu written, %llu turns, "
	       "%llu dead, %llu torn\n",
		(unsigned long long)answers, (unsigned long long)disk, (unsigned long long)chunks,
		(unsigned long long)fetches, (unsigned long long)sums[0],
		(unsigned long long)sums[1], (unsigned long long)sums[2],
		(unsigned long long)sums[3]);
	if (disk == 0 || chunks == 0 || sums[1] < TIER_GENS || sums[2] == 0)
		fail("something never happened", disk, sums[1]);
	puts("1 passed, 0 failed, 0 skipped");
	return 0;
}
