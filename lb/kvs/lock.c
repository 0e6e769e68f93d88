/* SPDX-License-Identifier: Apache-2.0
 * Who may touch a key. Locks are named by a hash of the key: two keys that share one only wait
 * longer than they had to. A transaction queues at all its keys at once, before any later one, so
 * none waits in a circle. */
#include <errno.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "lb/kvs/kvs_pvt.h"

#define LOCKS_AT_ONCE 64

static struct kvs_lock *find(const struct kvs_worker *w, uint64_t hash)
{
	struct kvs_lock *l = w->buckets[hash % KVS_LOCK_BUCKETS];

	while (l != NULL && l->hash != hash)
		l = l->next;
	return l;
}

static struct kvs_lock *make(struct kvs_worker *w, uint64_t hash)
{
	struct kvs_lock *l = w->free_locks, **bucket = &w->buckets[hash % KVS_LOCK_BUCKETS];

	if (unlikely(l == NULL)) {
		uint64_t cap;

		l = mem_get(&w->mem, LOCKS_AT_ONCE * sizeof(*l), &cap);
		if (l == NULL)
			return NULL;
		/* Kept for good: as many as ever were needed at once. */
		for (uint32_t i = 0; i < cap / sizeof(*l); i++) {
			l[i].next = w->free_locks;
			w->free_locks = &l[i];
		}
		l = w->free_locks;
	}
	w->free_locks = l->next;
	memset(l, 0, sizeof(*l));
	l->hash = hash;
	list_init(&l->refs);
	l->next = *bucket;
	*bucket = l;
	w->lock_cnt++;
	return l;
}

static void unmake(struct kvs_worker *w, struct kvs_lock *l)
{
	struct kvs_lock **at = &w->buckets[l->hash % KVS_LOCK_BUCKETS];

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	l->next = w->free_locks;
	w->free_locks = l;
	w->lock_cnt--;
}

static bool fits(const struct kvs_lock *l, uint8_t mode)
{
	return l->granted == 0 || (l->mode == mode && mode != KVS_UPDATE && l->unstarted == 0);
}

static void grant(struct kvs_lock *l, struct kvs_ref *r)
{
	r->held = true;
	l->mode = r->mode;
	l->granted++;
	l->unstarted += r->mode == KVS_WRITE;
}

/* The transaction's own reference, which is the last one if it has named the key before: it queues
 * at nothing else meanwhile that another one could slip behind. */
static struct kvs_ref *own(struct kvs_lock *l, const struct kvs_tx *tx)
{
	struct kvs_ref *r;

	if (list_empty(&l->refs))
		return NULL;
	r = (struct kvs_ref *)(void *)l->refs.prev;
	return r->tx == tx ? r : NULL;
}

/* Both modes at once. */
static void raise(struct kvs_lock *l, struct kvs_ref *r, uint8_t mode)
{
	if (r->mode == mode)
		return;
	if (r->held && r->mode == KVS_WRITE)
		l->unstarted--;
	if (r->held && l->granted > 1) {
		l->granted--;
		r->held = false;
		l->waiting = r;
		r->tx->missing++;
	} else if (r->held) {
		l->mode = KVS_UPDATE;
	}
	r->mode = KVS_UPDATE;
}

int kvs_lock_want(struct kvs_tx *tx, uint64_t hash, enum kvs_mode mode)
{
	struct kvs_lock *l = find(tx->w, hash);
	struct kvs_ref *r;

	if (l == NULL)
		l = make(tx->w, hash);
	if (l == NULL)
		return -ENOBUFS;
	r = own(l, tx);
	if (r != NULL) {
		raise(l, r, (uint8_t)mode);
		return 0;
	}
	r = mem_arena_get(&tx->arena, sizeof(*r));
	if (r == NULL) {
		if (list_empty(&l->refs))
			unmake(tx->w, l);
		return -ENOBUFS;
	}
	*r = (struct kvs_ref){.next = tx->refs, .lock = l, .tx = tx, .mode = (uint8_t)mode};
	tx->refs = r;
	list_append(&l->refs, &r->node);
	if (l->waiting == NULL && fits(l, r->mode)) {
		grant(l, r);
	} else {
		if (l->waiting == NULL)
			l->waiting = r;
		tx->missing++;
	}
	return 0;
}

static void let_in(struct kvs_worker *w, struct kvs_lock *l)
{
	while (l->waiting != NULL && fits(l, l->waiting->mode)) {
		struct kvs_ref *r = l->waiting;
		struct list_node *next = r->node.next;

		grant(l, r);
		l->waiting = next == &l->refs ? NULL : (struct kvs_ref *)(void *)next;
		ASSERT_DBG(r->tx->missing > 0);
		if (--r->tx->missing == 0 && r->tx->state == TX_WAIT_LOCKS)
			list_append(&w->ready, &r->tx->ready);
	}
}

void kvs_lock_started(struct kvs_tx *tx)
{
	if (tx->started)
		return;
	tx->started = true;
	for (struct kvs_ref *r = tx->refs; r != NULL; r = r->next) {
		if (r->mode != KVS_WRITE)
			continue;
		r->lock->unstarted--;
		let_in(tx->w, r->lock);
	}
}

static void leave(struct kvs_worker *w, struct kvs_ref *r)
{
	struct kvs_lock *l = r->lock;

	list_remove(&r->node);
	if (list_empty(&l->refs))
		unmake(w, l);
	else
		let_in(w, l);
}

void kvs_lock_release(struct kvs_tx *tx)
{
	struct kvs_ref *r = tx->refs;

	tx->refs = NULL;
	while (r != NULL) {
		struct kvs_ref *next = r->next;
		struct kvs_lock *l = r->lock;

		if (r->held) {
			l->granted--;
			l->unstarted -= r->mode == KVS_WRITE && !tx->started;
		} else if (l->waiting == r) {
			l->waiting = r->node.next == &l->refs
					     ? NULL
					     : (struct kvs_ref *)(void *)r->node.next;
		}
		leave(tx->w, r);
		r = next;
	}
}

bool kvs_lock_blind(struct kvs_worker *w, struct kvs_ref *r, uint64_t hash)
{
	struct kvs_lock *l = find(w, hash);

	if (l == NULL)
		l = make(w, hash);
	if (l == NULL || l->waiting != NULL || !fits(l, KVS_WRITE))
		return false;
	*r = (struct kvs_ref){.lock = l, .mode = KVS_WRITE, .held = true};
	list_append(&l->refs, &r->node);
	l->mode = KVS_WRITE;
	l->granted++;
	return true;
}

void kvs_lock_drop(struct kvs_worker *w, struct kvs_ref *r)
{
	r->lock->granted--;
	leave(w, r);
}

bool kvs_busy(const struct kvs_worker *w, uint8_t ns, const void *key, size_t len)
{
	const struct kvs_lock *l;

	if (w->lock_cnt == 0)
		return false;
	l = find(w, kvs_hash(w, ns, CODEC_KEY, key, len, NULL, 0));
	return l != NULL && (l->waiting != NULL || l->mode != KVS_READ);
}
