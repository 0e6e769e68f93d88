/* SPDX-License-Identifier: Apache-2.0
 * Buckets hold chains of heads, one for each user key; a head holds the list of its versions,
 * newest first. The number of buckets is fixed when the table is made: a memtable has a bound of
 * its own.
 *
 * Every head is also on one list in order of its coming. Who wants to iterate takes the part of it
 * that nobody has sorted yet, sorts that, and merges it into `delta`, and `delta` into `main` when
 * it has grown to an eighth of it. Both are immutable arrays with a count of users; an iterator
 * walks the two side by side. Writer and readers never meet at the lock: it is among those who
 * iterate.
 *
 * Edges:  M1 writer: entry and head complete, then stored into bucket, `newest`, `older`, `newer`
 * or `last` (release)  ->  reader: loaded (acquire). */
#include "storage/memtable.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/compiler.h"
#include "dataplane/base/hash.h"

#define BUCKETS_MIN  1024
#define BUCKET_BYTES 128 /* of the table for each bucket */
#define DELTA_MIN    1024
#define DELTA_SHARE  8 /* delta is at most that part of main */
#define TRAILER      8
#define PREFETCH     32 /* about as many misses as a core keeps under way */

struct memtable_node {
	_Atomic(struct memtable_node *) older, newer;
	uint8_t entry[];
};
_Static_assert(sizeof(struct memtable_node) == MEMTABLE_HEAD, "who allocates knows it");

struct memtable_head {
	struct memtable_head *chain;  /* of the bucket */
	struct memtable_head *before; /* the one that came before */
	_Atomic(struct memtable_node *) newest, oldest;
	uint64_t top; /* trailer of the newest; the writer's */
	uint32_t key_len, tag;
	uint8_t key[]; /* a copy, so that a look at a key takes no more than the head */
};

struct memtable_view {
	_Atomic uint32_t refs;
	uint32_t n;
	struct memtable_head *v[];
};

struct memtable {
	uint64_t mask;
	_Atomic(struct memtable_head *) *buckets;
	_Atomic(struct memtable_head *) last;
	struct mix_key secret;
	void *(*alloc)(void *ctx, size_t n);
	void *alloc_ctx;

	pthread_mutex_t lock; /* of what follows */
	struct memtable_head *sorted_to;
	struct memtable_view *main, *delta;
};

/* ---- keys ---- */

struct ikey {
	const uint8_t *key;
	uint32_t len;
	uint64_t trailer;
};

static struct ikey ikey_of(const void *p, size_t len)
{
	ASSERT(len >= TRAILER);
	return (struct ikey){.key = p,
		.len = (uint32_t)(len - TRAILER),
		.trailer = load64((const uint8_t *)p + len - TRAILER)};
}

static struct ikey ikey_of_entry(const uint8_t *p)
{
	uint32_t len = 0, shift = 0;

	for (; *p & 0x80; shift += 7)
		len |= (uint32_t)(*p++ & 0x7f) << shift;
	len |= (uint32_t)*p++ << shift;
	return ikey_of(p, len);
}

/* Behind the key, whose place in its entry is the same for all versions. */
static uint64_t trailer_of(const struct memtable_node *n)
{
	return ikey_of_entry(n->entry).trailer;
}

static int key_cmp(const uint8_t *a, uint32_t an, const uint8_t *b, uint32_t bn)
{
	int c = memcmp(a, b, an < bn ? an : bn);

	return c != 0 ? c : (an > bn) - (an < bn);
}

static int head_cmp(const struct memtable_head *a, const struct memtable_head *b)
{
	return key_cmp(a->key, a->key_len, b->key, b->key_len);
}

static struct memtable_head *find_head(
	const struct memtable *t, uint64_t hash, const uint8_t *key, uint32_t len)
{
	struct memtable_head *h =
		atomic_load_explicit(&t->buckets[hash & t->mask], memory_order_acquire); /* M1 */
	uint32_t tag = (uint32_t)(hash >> 32);

	while (h != NULL && (h->tag != tag || h->key_len != len || memcmp(h->key, key, len) != 0))
		h = h->chain;
	return h;
}

/* ---- life ---- */

struct memtable *memtable_create(
	uint64_t bytes, void *(*alloc)(void *ctx, size_t n), void *alloc_ctx)
{
	struct memtable *t = calloc(1, sizeof(*t));
	uint64_t n = pow2_at_least(bytes / BUCKET_BYTES);

	ASSERT(t != NULL);
	t->mask = (n < BUCKETS_MIN ? BUCKETS_MIN : n) - 1;
	t->buckets = calloc(t->mask + 1, sizeof(t->buckets[0]));
	ASSERT(t->buckets != NULL);
	mix_key_init(&t->secret);
	t->alloc = alloc;
	t->alloc_ctx = alloc_ctx;
	ASSERT(pthread_mutex_init(&t->lock, NULL) == 0);
	return t;
}

static void view_put(struct memtable_view *v)
{
	if (v != NULL && atomic_fetch_sub_explicit(&v->refs, 1, memory_order_acq_rel) == 1)
		free(v);
}

void memtable_destroy(struct memtable *t)
{
	if (t == NULL)
		return;
	view_put(t->main);
	view_put(t->delta);
	(void)pthread_mutex_destroy(&t->lock);
	free((void *)t->buckets);
	free(t);
}

size_t memtable_bytes(const struct memtable *t)
{
	return sizeof(*t) + (t->mask + 1) * sizeof(t->buckets[0]);
}

/* ---- writing ---- */

static void add_head(struct memtable *t, uint64_t hash, struct ikey k, struct memtable_node *n)
{
	struct memtable_head *h = t->alloc(t->alloc_ctx, sizeof(*h) + k.len);
	_Atomic(struct memtable_head *) *bucket = &t->buckets[hash & t->mask];

	h->chain = atomic_load_explicit(bucket, memory_order_relaxed);
	h->before = atomic_load_explicit(&t->last, memory_order_relaxed);
	h->top = k.trailer;
	h->key_len = k.len;
	memcpy(h->key, k.key, k.len);
	h->tag = (uint32_t)(hash >> 32);
	atomic_init(&h->newest, n);
	atomic_init(&h->oldest, n);
	atomic_store_explicit(bucket, h, memory_order_release);   /* M1 */
	atomic_store_explicit(&t->last, h, memory_order_release); /* M1 */
}

/* Behind `at`, the last version that is newer; NULL: in front. */
static void link_version(struct memtable_head *h, struct memtable_node *at, struct memtable_node *n)
{
	_Atomic(struct memtable_node *) *place = at == NULL ? &h->newest : &at->older;
	struct memtable_node *older = atomic_load_explicit(place, memory_order_relaxed);

	atomic_init(&n->older, older);
	atomic_init(&n->newer, at);
	atomic_store_explicit(
		older == NULL ? &h->oldest : &older->newer, n, memory_order_release); /* M1 */
	atomic_store_explicit(place, n, memory_order_release);                        /* M1 */
}

bool memtable_add(struct memtable *t, void *p)
{
	struct memtable_node *n = p, *at = NULL, *next;
	struct ikey k = ikey_of_entry(n->entry);
	uint64_t hash = mix_hash_bytes(&t->secret, k.key, k.len);
	struct memtable_head *h = find_head(t, hash, k.key, k.len);

	atomic_init(&n->older, NULL);
	atomic_init(&n->newer, NULL);
	if (h == NULL) {
		add_head(t, hash, k, n);
		return true;
	}
	if (likely(k.trailer > h->top)) {
		h->top = k.trailer;
		link_version(h, NULL, n);
		return true;
	}
	/* RocksDB's sequences grow; its contract does not say so. */
	next = atomic_load_explicit(&h->newest, memory_order_relaxed);
	while (next != NULL && trailer_of(next) > k.trailer) {
		at = next;
		next = atomic_load_explicit(&at->older, memory_order_relaxed);
	}
	if (next != NULL && trailer_of(next) == k.trailer)
		return false;
	link_version(h, at, n);
	return true;
}

/* Three passes, each of which touches what the one before has fetched. */
static void prefetch_some(const struct memtable *t, const struct memtable_key *keys, uint32_t n)
{
	struct memtable_head *heads[PREFETCH];
	uint64_t hashes[PREFETCH];

	for (uint32_t i = 0; i < n; i++) {
		hashes[i] = mix_hash_bytes(&t->secret, keys[i].p, keys[i].len);
		__builtin_prefetch(&t->buckets[hashes[i] & t->mask], 1);
	}
	for (uint32_t i = 0; i < n; i++) {
		heads[i] = atomic_load_explicit(
			&t->buckets[hashes[i] & t->mask], memory_order_acquire); /* M1 */
		if (heads[i] == NULL)
			continue;
		__builtin_prefetch(heads[i], 1);
		__builtin_prefetch((const char *)heads[i] + CACHE_LINE, 1);
	}
	for (uint32_t i = 0; i < n; i++)
		if (heads[i] != NULL)
			__builtin_prefetch(
				atomic_load_explicit(&heads[i]->newest, memory_order_relaxed), 1);
}

void memtable_prefetch(const struct memtable *t, const struct memtable_key *keys, uint32_t n)
{
	for (uint32_t i = 0; i < n; i += PREFETCH)
		prefetch_some(t, keys + i, n - i < PREFETCH ? n - i : PREFETCH);
}

/* ---- order ---- */

static struct memtable_view *view_new(uint32_t n)
{
	struct memtable_view *v = malloc(sizeof(*v) + n * sizeof(v->v[0]));

	ASSERT(v != NULL);
	atomic_init(&v->refs, 1);
	v->n = n;
	return v;
}

/* The first place in v from `from` on whose key is not below: near places first, since what is
 * merged comes in order. */
static uint32_t gallop(
	const struct memtable_view *v, uint32_t from, const uint8_t *key, uint32_t len)
{
	uint32_t lo = from, step = 1, hi;

	while (lo + step <= v->n &&
		key_cmp(v->v[lo + step - 1]->key, v->v[lo + step - 1]->key_len, key, len) < 0) {
		lo += step;
		step *= 2;
	}
	hi = lo + step <= v->n ? lo + step - 1 : v->n;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (key_cmp(v->v[mid]->key, v->v[mid]->key_len, key, len) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Of the two, whose references end; either may be NULL. */
static struct memtable_view *merge(struct memtable_view *big, struct memtable_view *small)
{
	struct memtable_view *out;
	uint32_t at = 0, n = 0;

	if (big == NULL || small == NULL)
		return big == NULL ? small : big;
	out = view_new(big->n + small->n);
	for (uint32_t i = 0; i < small->n; i++) {
		uint32_t to = gallop(big, at, small->v[i]->key, small->v[i]->key_len);

		memcpy(&out->v[n], &big->v[at], (to - at) * sizeof(out->v[0]));
		n += to - at;
		out->v[n++] = small->v[i];
		at = to;
	}
	memcpy(&out->v[n], &big->v[at], (big->n - at) * sizeof(out->v[0]));
	view_put(big);
	view_put(small);
	return out;
}

static int by_key(const void *a, const void *b)
{
	const struct memtable_head *const *x = a, *const *y = b;

	return head_cmp(*x, *y);
}

/* Keys that came since the last time. Under the lock. */
static void sort_fresh(struct memtable *t)
{
	struct memtable_head *last = atomic_load_explicit(&t->last, memory_order_acquire); /* M1 */
	struct memtable_view *fresh;
	uint32_t n = 0;

	if (last == t->sorted_to)
		return;
	for (struct memtable_head *h = last; h != t->sorted_to; h = h->before)
		n++;
	fresh = view_new(n);
	for (struct memtable_head *h = last; h != t->sorted_to; h = h->before)
		fresh->v[--n] = h;
	qsort(fresh->v, fresh->n, sizeof(fresh->v[0]), by_key);
	t->sorted_to = last;
	t->delta = merge(t->delta, fresh);
	if (t->main == NULL || t->delta->n > t->main->n / DELTA_SHARE + DELTA_MIN) {
		t->main = merge(t->main, t->delta);
		t->delta = NULL;
	}
}

static struct memtable_view *view_get(struct memtable_view *v)
{
	if (v != NULL)
		(void)atomic_fetch_add_explicit(&v->refs, 1, memory_order_relaxed);
	return v;
}

/* ---- iterators ---- */

void memtable_iter_init(struct memtable_iter *it, struct memtable *t)
{
	memset(it, 0, sizeof(*it));
	it->t = t;
}

void memtable_iter_fini(struct memtable_iter *it)
{
	view_put(it->main);
	view_put(it->delta);
	it->main = it->delta = NULL;
}

const char *memtable_iter_entry(const struct memtable_iter *it)
{
	return it->node == NULL ? NULL : (const char *)it->node->entry;
}

/* The first version in h that is not newer than the trailer. */
static void to_version(struct memtable_iter *it, struct memtable_head *h, uint64_t trailer)
{
	struct memtable_node *n = atomic_load_explicit(&h->newest, memory_order_acquire); /* M1 */

	/* All of them are newer: most of all where the seek means "behind this key". */
	if (trailer_of(atomic_load_explicit(&h->oldest, memory_order_acquire)) > trailer)
		n = NULL;
	while (n != NULL && trailer_of(n) > trailer)
		n = atomic_load_explicit(&n->older, memory_order_acquire); /* M1 */
	it->head = h;
	it->node = n;
}

void memtable_iter_find(struct memtable_iter *it, const char *ikey, size_t len)
{
	struct ikey k = ikey_of(ikey, len);
	struct memtable_head *h =
		find_head(it->t, mix_hash_bytes(&it->t->secret, k.key, k.len), k.key, k.len);

	it->node = NULL;
	if (h != NULL)
		to_version(it, h, k.trailer);
}

void memtable_iter_older(struct memtable_iter *it)
{
	it->node = atomic_load_explicit(&it->node->older, memory_order_acquire); /* M1 */
}

static uint32_t count_of(const struct memtable_view *v)
{
	return v == NULL ? 0 : v->n;
}

/* What both views agree on is as old as the first move; what came later is newer than the snapshot
 * of who iterates. */
static void begin(struct memtable_iter *it)
{
	struct memtable *t = it->t;

	if (it->main != NULL)
		return;
	ASSERT(pthread_mutex_lock(&t->lock) == 0);
	sort_fresh(t);
	it->main = view_get(t->main);
	it->delta = view_get(t->delta);
	ASSERT(pthread_mutex_unlock(&t->lock) == 0);
}

/* The head at (i, j): all before i and j are below it. NULL: at the end. */
static struct memtable_head *head_at(const struct memtable_iter *it)
{
	struct memtable_head *a = it->i < count_of(it->main) ? it->main->v[it->i] : NULL;
	struct memtable_head *b = it->j < count_of(it->delta) ? it->delta->v[it->j] : NULL;

	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	return head_cmp(a, b) < 0 ? a : b;
}

static void to_newest(struct memtable_iter *it)
{
	it->head = head_at(it);
	it->node = it->head == NULL
			   ? NULL
			   : atomic_load_explicit(&it->head->newest, memory_order_acquire); /* M1 */
}

static void step_head(struct memtable_iter *it)
{
	if (it->i < count_of(it->main) && it->main->v[it->i] == it->head)
		it->i++;
	else
		it->j++;
	to_newest(it);
}

/* To the oldest version of the key before (i, j). */
static void step_back(struct memtable_iter *it)
{
	struct memtable_head *a = it->i > 0 ? it->main->v[it->i - 1] : NULL;
	struct memtable_head *b = it->j > 0 ? it->delta->v[it->j - 1] : NULL;

	it->head = a == NULL || (b != NULL && head_cmp(a, b) < 0) ? b : a;
	it->node = NULL;
	if (it->head == NULL)
		return;
	if (it->head == a)
		it->i--;
	else
		it->j--;
	it->node = atomic_load_explicit(&it->head->oldest, memory_order_acquire); /* M1 */
}

void memtable_iter_first(struct memtable_iter *it)
{
	begin(it);
	it->i = it->j = 0;
	to_newest(it);
}

void memtable_iter_last(struct memtable_iter *it)
{
	begin(it);
	it->i = count_of(it->main);
	it->j = count_of(it->delta);
	step_back(it);
}

void memtable_iter_seek(struct memtable_iter *it, const char *ikey, size_t len)
{
	struct ikey k = ikey_of(ikey, len);

	begin(it);
	it->i = it->main == NULL ? 0 : gallop(it->main, 0, k.key, k.len);
	it->j = it->delta == NULL ? 0 : gallop(it->delta, 0, k.key, k.len);
	to_newest(it);
	if (it->head == NULL || key_cmp(it->head->key, it->head->key_len, k.key, k.len) != 0)
		return;
	to_version(it, it->head, k.trailer);
	if (it->node == NULL)
		step_head(it);
}

void memtable_iter_seek_prev(struct memtable_iter *it, const char *ikey, size_t len)
{
	struct ikey k = ikey_of(ikey, len);

	memtable_iter_seek(it, ikey, len);
	if (it->node == NULL)
		memtable_iter_last(it);
	else if (key_cmp(it->head->key, it->head->key_len, k.key, k.len) != 0 ||
		 trailer_of(it->node) != k.trailer)
		memtable_iter_prev(it);
}

void memtable_iter_next(struct memtable_iter *it)
{
	memtable_iter_older(it);
	if (it->node == NULL)
		step_head(it);
}

void memtable_iter_prev(struct memtable_iter *it)
{
	it->node = atomic_load_explicit(&it->node->newer, memory_order_acquire); /* M1 */
	if (it->node == NULL)
		step_back(it);
}
