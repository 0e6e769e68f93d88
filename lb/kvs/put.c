/* SPDX-License-Identifier: Apache-2.0
 * Writes of one string that depend on nothing: what most of a loader's commands are. They need none
 * of a transaction's machinery, but its rules: the key's lock in the mode of blind writes, their
 * place in the order of requests, the cache told before anybody else, an answer in time.
 *
 * A write that would have to wait for anything is left to a transaction. */
#include <errno.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "lb/kvs/kvs_pvt.h"

#define PUTS_AT_ONCE 128
#define PUT_INLINE   192 /* bytes of key and value that lie in the put itself */

struct kvs_put {
	struct kvs_ref ref;
	struct kvs_put *next_free;
	struct list_node node; /* of the worker's puts, oldest first */
	void (*done)(void *ctx, int status, const struct kvs_pair *pair);
	void *ctx; /* NULL: nobody waits any more */
	uint64_t start_ns;
	uint8_t *big; /* key and value that do not fit below; NULL: they do */
	uint32_t gen;
	uint8_t bytes[PUT_INLINE];
};

static struct kvs_put *get(struct kvs_worker *w)
{
	struct kvs_put *p = w->free_puts;

	if (unlikely(p == NULL)) {
		uint64_t cap;

		p = mem_get(&w->mem, PUTS_AT_ONCE * sizeof(*p), &cap);
		if (p == NULL)
			return NULL;
		/* Kept for good, as locks are. */
		for (uint32_t i = 0; i < cap / sizeof(*p); i++) {
			p[i].next_free = w->free_puts;
			w->free_puts = &p[i];
		}
		p = w->free_puts;
	}
	w->free_puts = p->next_free;
	return p;
}

static void put_back(struct kvs_worker *w, struct kvs_put *p)
{
	if (p->big != NULL)
		mem_put(&w->mem, p->big);
	p->next_free = w->free_puts;
	w->free_puts = p;
}

static uint8_t *room(struct kvs_worker *w, struct kvs_put *p, uint64_t n)
{
	uint64_t cap;

	p->big = NULL;
	if (n <= PUT_INLINE)
		return p->bytes;
	p->big = mem_get(&w->mem, n, &cap);
	return p->big;
}

static struct store_req *request(
	struct kvs_worker *w, struct kvs_put *p, uint8_t ns, const struct kvs_pair *pair)
{
	uint8_t *at = room(w, p, (uint64_t)pair->key_len + pair->val_len);
	struct store_req *r = at == NULL ? NULL : store_req_get(w->client);

	if (r == NULL)
		return NULL;
	memcpy(at, pair->key, pair->key_len);
	if (pair->val_len > 0)
		memcpy(at + pair->key_len, pair->val, pair->val_len);
	r->cookie = (uint64_t)(uintptr_t)p | KVS_COOKIE_PUT;
	r->deadline_ns = w->now_ns + w->k->p.request_timeout_ns;
	r->kind = STORE_WRITE;
	r->one.key = (struct codec_key){
		.key = at, .key_len = (uint16_t)pair->key_len, .ns = ns, .space = CODEC_KEY};
	r->one.op = STORE_PUT;
	r->one.type = CODEC_STRING;
	r->one.value = at + pair->key_len;
	r->one.value_len = pair->val_len;
	return r;
}

bool kvs_put_alone(struct kvs_worker *w, uint8_t ns, const struct kvs_pair *pair,
	void (*done)(void *ctx, int status, const struct kvs_pair *pair), void *ctx)
{
	struct store_req *r;
	struct kvs_put *p;

	if (w->stuck != NULL || w->flight >= w->flight_max || pair->key_len > CODEC_KEY_MAX)
		return false;
	p = get(w);
	if (p == NULL)
		return false;
	p->gen = atomic_load_explicit(&w->k->gen[ns], memory_order_acquire); /* K1 */
	r = request(w, p, ns, pair);
	if (r == NULL || !kvs_lock_blind(w, &p->ref,
				 kvs_hash(w, ns, CODEC_KEY, pair->key, pair->key_len, NULL, 0))) {
		if (r != NULL)
			store_req_put(w->client, r);
		put_back(w, p);
		return false;
	}
	if (store_submit(w->client, r, w->now_ns) != 0) {
		store_req_put(w->client, r);
		kvs_lock_drop(w, &p->ref);
		put_back(w, p);
		return false;
	}
	p->done = done;
	p->ctx = ctx;
	p->start_ns = w->now_ns;
	list_append(&w->puts, &p->node);
	w->flight++;
	w->dirty = true;
	kvs_count(&w->s.live, 1);
	kvs_count(&w->s.txs, 1);
	kvs_count(&w->s.requests, 1);
	return true;
}

void kvs_puts_ahead(struct kvs_worker *w, struct store_req **reqs, uint32_t n)
{
	struct kvs_ahead keys[KVS_AHEAD];
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct codec_key *k = &reqs[i]->one.key;

		if ((reqs[i]->cookie & KVS_COOKIE_PUT) && k->key_len > 0)
			keys[cnt++] = (struct kvs_ahead){k->key, k->key_len, 0};
		if (cnt == KVS_AHEAD || (i + 1 == n && cnt > 1)) {
			kvs_prefetch(w, reqs[i]->one.key.ns, keys, cnt);
			cnt = 0;
		}
	}
}

static void tell(struct kvs_put *p, int status, const struct kvs_pair *pair)
{
	void *ctx = p->ctx;

	p->ctx = NULL;
	if (ctx != NULL)
		p->done(ctx, status, pair);
}

void kvs_put_answer(struct kvs_worker *w, struct store_req *r)
{
	struct kvs_put *p = (struct kvs_put *)(uintptr_t)(r->cookie & ~KVS_COOKIE_PUT);
	const struct store_item *it = &r->one;

	if (r->status == 0 || r->status == -ENOTRECOVERABLE)
		kvs_settle_item(w, it, p->gen, r->status);
	list_remove(&p->node);
	tell(p, r->status,
		&(struct kvs_pair){.key = it->key.key,
			.val = it->value,
			.key_len = it->key.key_len,
			.val_len = it->value_len});
	kvs_lock_drop(w, &p->ref);
	store_req_put(w->client, r);
	put_back(w, p);
	kvs_count(&w->s.live, (uint64_t)-1);
}

void kvs_puts_late(struct kvs_worker *w, uint64_t limit_ns)
{
	while (!list_empty(&w->puts)) {
		struct list_node *n = w->puts.next;
		struct kvs_put *p =
			(struct kvs_put *)(void *)((uint8_t *)n - offsetof(struct kvs_put, node));

		if (w->now_ns - p->start_ns <= limit_ns)
			return;
		/* The store keeps what it has. */
		list_remove(n);
		kvs_count(&w->s.timeouts, 1);
		tell(p, -ETIMEDOUT, NULL);
	}
}
