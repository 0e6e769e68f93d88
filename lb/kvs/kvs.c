/* SPDX-License-Identifier: Apache-2.0
 * What workers share, a worker's turn, and its sleep. */
#include "lb/kvs/kvs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/kvs/kvs_pvt.h"

#define POLL_BURST 64 /* answers taken in one turn */
#define STEPS      64 /* transactions stepped in one turn */
#define CHECK_NS   (100 * NS_PER_MS)

_Static_assert(sizeof(struct kvs_lock) <= 64, "a lock takes a line");

uint64_t kvs_hash(const struct kvs_worker *w, uint8_t ns, uint8_t space, const void *p, size_t len,
	const void *sub, size_t sub_len)
{
	const void *parts[2] = {p, sub};
	size_t lens[2] = {len, sub_len};
	uint64_t h = mix_fold(w->k->secret.k[0] ^ ns ^ (uint64_t)space << 8,
		w->k->secret.k[1] ^ len ^ (uint64_t)sub_len << 32);

	for (int i = 0; i < 2; i++) {
		const uint8_t *b = parts[i];
		size_t n = lens[i];
		uint64_t last = 0;

		for (; n >= 8; n -= 8, b += 8)
			h = mix_fold(h ^ load64(b), w->k->secret.k[2]);
		if (n > 0) {
			memcpy(&last, b, n);
			h = mix_fold(h ^ last, w->k->secret.k[3]);
		}
	}
	return h;
}

/* ---- shared ---- */

static int create_cache(struct kvs *k)
{
	struct cache_conf conf = {.arena_bytes = k->p.cache_bytes,
		.index_items = k->p.cache_bytes / 100, /* small values, and a quarter to spare */
		.workers = k->p.worker_cnt,
		.fills = CACHE_FILLS_MAX,
		.waiters = 1,
		.ns_cnt = (uint16_t)(k->p.ns_cnt < KVS_CACHE_NS ? k->p.ns_cnt : KVS_CACHE_NS)};
	int rc;

	rc = cache_plan(&conf, k->cache_mem.bytes);
	if (rc == 0)
		rc = cache_mem_map(&k->cache_mem, false);
	if (rc != 0)
		return rc;
	rc = cache_create(&k->cache, &conf, k->cache_mem.addr);
	if (rc != 0)
		cache_mem_unmap(&k->cache_mem);
	return rc;
}

static struct kvs_worker *worker_new(struct kvs *k, uint32_t i)
{
	struct kvs_worker *w = aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(*w), CACHE_LINE));

	if (w == NULL)
		return NULL;
	memset(w, 0, sizeof(*w));
	if (mem_init(&w->mem, k->p.request_bytes) != 0) {
		free(w);
		return NULL;
	}
	w->k = k;
	w->index = i;
	w->client = store_client(k->p.store, i);
	w->shards = store_shard_cnt(k->p.store);
	w->flight_max = k->p.queue_len - k->p.queue_len / 4;
	w->stuck_tail = &w->stuck;
	w->guess = 512;
	list_init(&w->live);
	list_init(&w->ready);
	list_init(&w->later);
	list_init(&w->puts);
	w->fast = (struct kvs_tx){.w = w, .fast = true};
	mem_arena_init(&w->fast.arena, &w->mem);
	w->fast_mark = mem_arena_mark(&w->fast.arena);
	w->s.mem_bytes = w->mem.bytes;
	if (k->cache != NULL)
		w->cache = cache_worker(k->cache, i);
	return w;
}

int kvs_create(const struct kvs_params *p, struct kvs **out)
{
	struct kvs *k = calloc(1, sizeof(*k));
	int rc = 0;

	*out = NULL;
	if (k == NULL)
		return -ENOMEM;
	k->p = *p;
	mix_key_init(&k->secret);
	rng_secret(&k->cursor_salt, sizeof(k->cursor_salt));
	k->cursors = mmap(NULL, KVS_CURSORS * sizeof(k->cursors[0]), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (k->cursors == MAP_FAILED) {
		k->cursors = NULL;
		rc = -ENOMEM;
	}
	if (rc == 0 && p->cache_bytes > 0)
		rc = create_cache(k);
	for (uint32_t i = 0; rc == 0 && i < p->worker_cnt; i++) {
		k->workers[i] = worker_new(k, i);
		if (k->workers[i] == NULL)
			rc = -ENOMEM;
	}
	if (rc != 0) {
		kvs_destroy(k);
		return rc;
	}
	*out = k;
	return 0;
}

void kvs_worker_drop(struct kvs_worker *w)
{
	if (w->online)
		cache_offline(w->cache);
	w->online = false;
}

void kvs_destroy(struct kvs *k)
{
	if (k == NULL)
		return;
	for (uint32_t i = 0; i < k->p.worker_cnt; i++) {
		if (k->workers[i] == NULL)
			continue;
		kvs_worker_drop(k->workers[i]);
		mem_fini(&k->workers[i]->mem);
		free(k->workers[i]);
	}
	if (k->cache != NULL) {
		cache_destroy(k->cache);
		cache_mem_unmap(&k->cache_mem);
	}
	if (k->cursors != NULL)
		(void)munmap(k->cursors, KVS_CURSORS * sizeof(k->cursors[0]));
	free(k);
}

static void on_answer(void *ctx)
{
	struct kvs_worker *w = ctx;

	w->k->wake(w->k->wake_ctx, w->index);
}

static void on_mail(void *ctx, uint32_t worker)
{
	struct kvs *k = ctx;

	k->wake(k->wake_ctx, worker);
}

void kvs_on_wake(struct kvs *k, void (*fn)(void *ctx, uint32_t worker), void *ctx)
{
	k->wake = fn;
	k->wake_ctx = ctx;
	for (uint32_t i = 0; i < k->p.worker_cnt; i++)
		store_client_on_answer(
			k->workers[i]->client, fn == NULL ? NULL : on_answer, k->workers[i]);
	if (k->cache != NULL && fn != NULL)
		cache_on_mail(k->cache, on_mail, k);
}

struct kvs_worker *kvs_worker(struct kvs *k, uint32_t worker)
{
	return k->workers[worker];
}

struct store *kvs_store(const struct kvs *k)
{
	return k->p.store;
}

struct cache *kvs_cache(const struct kvs *k)
{
	return k->cache;
}

struct kvs *kvs_of(const struct kvs_worker *w)
{
	return w->k;
}

struct mem *kvs_mem(struct kvs_worker *w)
{
	return &w->mem;
}

uint64_t kvs_wall_ms(const struct kvs_worker *w)
{
	return w->wall_ms;
}

uint64_t kvs_now_ns(const struct kvs_worker *w)
{
	return w->now_ns;
}

void kvs_stats(const struct kvs_worker *w, struct kvs_stats *out)
{
#define C(name, text) out->name = __atomic_load_n(&w->s.name, __ATOMIC_RELAXED);
	KVS_COUNTERS(C)
#undef C
	out->live = __atomic_load_n(&w->s.live, __ATOMIC_RELAXED);
	out->mem_used = __atomic_load_n(&w->mem.used, __ATOMIC_RELAXED);
	out->mem_bytes = w->s.mem_bytes;
}

/* ---- a turn ---- */

void kvs_clock(struct kvs_worker *w, uint64_t now_ns)
{
	struct timespec ts;

	if (w->now_ns == now_ns)
		return;
	w->now_ns = now_ns;
	clock_gettime(CLOCK_REALTIME, &ts);
	w->wall_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	if (w->cache != NULL && !w->online) {
		cache_online(w->cache);
		w->online = true;
	}
}

static uint32_t take_answers(struct kvs_worker *w)
{
	struct store_req *reqs[POLL_BURST];
	uint32_t n;

	if (w->flight == 0)
		return 0;
	n = store_poll(w->client, reqs, POLL_BURST);
	/* They were written on another core. */
	for (uint32_t i = 0; i < n; i++) {
		__builtin_prefetch(reqs[i]);
		__builtin_prefetch(&reqs[i]->status);
		__builtin_prefetch(&reqs[i]->one.status);
	}
	kvs_puts_ahead(w, reqs, n);
	for (uint32_t i = 0; i < n; i++)
		kvs_answer(w, reqs[i]);
	return n;
}

static uint32_t step_ready(struct kvs_worker *w)
{
	uint32_t n = 0;

	while (!list_empty(&w->ready) && n < STEPS) {
		struct list_node *node = w->ready.next;
		struct kvs_tx *tx =
			(struct kvs_tx *)(void *)((uint8_t *)node - offsetof(struct kvs_tx, ready));

		list_remove(node);
		kvs_step(tx);
		n++;
	}
	return n;
}

/* The oldest first: all have the same time. The store keeps what it has. */
static void give_up_late(struct kvs_worker *w)
{
	uint64_t limit_ns = w->k->p.request_timeout_ns + NS_PER_SEC;

	kvs_puts_late(w, limit_ns);
	while (!list_empty(&w->live)) {
		struct list_node *node = w->live.next;
		struct kvs_tx *tx =
			(struct kvs_tx *)(void *)((uint8_t *)node - offsetof(struct kvs_tx, live));

		if (w->now_ns - tx->start_ns <= limit_ns)
			return;
		kvs_count(&w->s.timeouts, 1);
		kvs_finish(tx, -ETIMEDOUT);
	}
}

uint32_t kvs_turn(struct kvs_worker *w, uint64_t now_ns)
{
	uint32_t n;

	kvs_clock(w, now_ns);
	n = take_answers(w);
	if (w->stuck != NULL)
		kvs_unstick(w);
	list_splice(&w->ready, &w->later);
	n += step_ready(w);
	give_up_late(w);
	if (w->dirty) {
		w->dirty = false;
		store_flush(w->client);
	}
	if (w->cache != NULL)
		(void)cache_poll(w->cache, now_ns);
	return n;
}

bool kvs_park(struct kvs_worker *w)
{
	if (!list_empty(&w->ready) || !list_empty(&w->later) || w->dirty ||
		(w->flight > 0 && store_waiting(w->client)))
		return false;
	if (w->cache == NULL)
		return true;
	if (cache_mail_waiting(w->cache))
		return false;
	if (w->online)
		cache_offline(w->cache);
	w->online = false;
	return true;
}

void kvs_unpark(struct kvs_worker *w)
{
	if (w->cache != NULL && !w->online) {
		cache_online(w->cache);
		w->online = true;
	}
}

uint64_t kvs_next_ns(const struct kvs_worker *w)
{
	if (list_empty(&w->live) && list_empty(&w->puts))
		return UINT64_MAX;
	return w->now_ns + CHECK_NS;
}

/* ---- cursors ---- */

/* Who finds an entry busy does without it: it is being written over, so its place is gone. */
static struct kvs_cursor *grab(struct kvs *k, uint64_t n)
{
	struct kvs_cursor *c = &k->cursors[n % KVS_CURSORS];
	uint32_t idle = 0;

	return atomic_compare_exchange_strong_explicit(
		       &c->busy, &idle, 1, memory_order_acquire, memory_order_relaxed) /* K2 */
		       ? c
		       : NULL;
}

uint64_t kvs_cursor_put(struct kvs *k, uint32_t shard, const uint8_t *key, size_t len)
{
	struct kvs_cursor *c = NULL;
	uint64_t n = 0;

	for (uint32_t tries = 0; c == NULL && tries < KVS_CURSORS; tries++) {
		n = atomic_fetch_add_explicit(&k->cursor_next, 1, memory_order_relaxed);
		c = grab(k, n);
	}
	if (c == NULL || len > sizeof(c->key))
		return UINT64_MAX;
	c->shard = shard;
	/* Numbers of an earlier process mean nothing here; Redis's clients take 63 bits. */
	c->id = ((k->cursor_salt & UINT64_C(0xfffff)) << 40 | (n & UINT64_C(0xffffffffff))) + 1;
	c->len = (uint32_t)len;
	if (len > 0)
		memcpy(c->key, key, len);
	n = c->id;
	atomic_store_explicit(&c->busy, 0, memory_order_release); /* K2 */
	return n;
}

bool kvs_cursor_get(struct kvs *k, uint64_t id, uint32_t *shard, uint8_t *out, size_t *len)
{
	struct kvs_cursor *c;
	bool found;

	if (id == 0)
		return false;
	c = grab(k, (id - 1) & UINT64_C(0xffffffffff));
	if (c == NULL)
		return false;
	found = c->id == id;
	if (found) {
		*shard = c->shard;
		*len = c->len;
		memcpy(out, c->key, c->len);
	}
	atomic_store_explicit(&c->busy, 0, memory_order_release); /* K2 */
	return found;
}
