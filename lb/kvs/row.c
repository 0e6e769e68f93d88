/* SPDX-License-Identifier: Apache-2.0
 * Strings in the memory cache, in front of the store. The rules, of which docs/concurrency.md has
 * the proof:
 *
 *   read    a hit is the answer. A miss takes the lease, if it can be had, and only then asks the
 *           store; the answer ends the lease. A read without a lease never puts anything where
 *           nothing is; what it finds there older than its own answer it replaces or removes.
 *   write   when the store has answered, and before anybody is told: an entry that is older is
 *           replaced (or removed), a placeholder is removed, so that its fill fails. So it is with
 *           what a refused condition tells of a key.
 *   clear   the namespace's number grows before anybody is told; entries carry the number that was
 *           read before their value was asked for, and others count as absent.
 *
 * The version of the record is the entry's, and its expiry stands with it in wall time, as the
 * store judges it; the cache's own expiry only frees the memory. */
#include <string.h>

#include "lb/kvs/kvs_pvt.h"

struct row_head {
	uint32_t gen;
	uint32_t absent; /* the store has nothing under this key */
	uint64_t expire_ms;
};
#define HEAD       sizeof(struct row_head)
#define ROW_ABSENT 1

static bool row_key(const struct kvs_worker *w, const struct codec_key *k, struct cache_key *out)
{
	if (w->cache == NULL || k->space != CODEC_KEY || k->ns >= KVS_CACHE_NS || k->key_len == 0 ||
		k->key_len > CACHE_KEY_MAX)
		return false;
	cache_key_init(w->k->cache, out, k->ns, k->key, k->key_len);
	return true;
}

static uint32_t gen_of(const struct kvs_worker *w, uint8_t ns)
{
	return atomic_load_explicit(&w->k->gen[ns], memory_order_acquire); /* K1 */
}

/* May what was found be used? */
static bool row_head_ok(
	const struct kvs_worker *w, uint8_t ns, const struct cache_view *v, struct row_head *h)
{
	memcpy(h, v->val, HEAD);
	return likely(h->gen == gen_of(w, ns)) &&
	       likely(h->expire_ms == 0 || h->expire_ms > w->wall_ms);
}

/* Fills e from what was found; false: it is not to be used. */
static bool take(struct kvs_worker *w, struct kvs_ent *e, const struct cache_view *v)
{
	struct row_head h;

	if (!row_head_ok(w, e->key.ns, v, &h))
		return false;
	e->val = v->val + HEAD;
	e->len = v->len - (uint32_t)HEAD;
	e->type = h.absent ? CODEC_NONE : CODEC_STRING;
	e->version = h.absent ? 0 : v->seq;
	e->expire_ms = h.expire_ms;
	e->base_type = e->type;
	e->state = ENT_LOADED;
	e->viewed = true;
	return true;
}

bool kvs_row_get(struct kvs_worker *w, struct kvs_ent *e)
{
	struct cache_view v;
	struct cache_key k;

	return row_key(w, &e->key, &k) && cache_get(w->cache, &k, w->now_ns, &v) == CACHE_HIT &&
	       take(w, e, &v);
}

bool kvs_row_lookup(struct kvs_worker *w, struct kvs_ent *e)
{
	struct cache_lease lease;
	struct cache_view v;
	struct cache_key k;

	if (!row_key(w, &e->key, &k))
		return false;
	for (int tries = 0; tries < 2; tries++) {
		switch (cache_lookup(w->cache, &k, w->now_ns, &v, &lease, NULL)) {
		case CACHE_HIT:
			if (take(w, e, &v))
				return true;
			(void)cache_delete(w->cache, &k, CACHE_IF_SEQ, v.seq, w->now_ns);
			continue;
		case CACHE_LEASED:
			e->leased = true;
			e->lease_seq = lease.seq;
			e->lease_stream = lease.stream;
			return false;
		default:
			return false;
		}
	}
	return false;
}

void kvs_row_drop_lease(struct kvs_worker *w, struct kvs_ent *e)
{
	struct cache_lease lease = {e->lease_seq, e->lease_stream};
	struct cache_key k;

	if (!e->leased || !row_key(w, &e->key, &k))
		return;
	e->leased = false;
	cache_lease_abort(w->cache, &k, &lease, w->now_ns);
}

static uint64_t expire_ns(const struct kvs_worker *w, uint64_t expire_ms)
{
	uint64_t left;

	if (expire_ms == 0)
		return 0;
	left = expire_ms > w->wall_ms ? expire_ms - w->wall_ms : 0;
	/* A month is as good as never, and does not overflow. */
	if (left > UINT64_C(2592000000))
		return 0;
	return w->now_ns + left * 1000000;
}

/* The value behind its head, in the worker's own space; 0: it does not fit. */
static bool stage(struct kvs_worker *w, const struct kvs_row *row, struct cache_put *p)
{
	struct row_head h = {
		.gen = row->gen, .absent = row->version == 0, .expire_ms = row->expire_ms};

	if (row->len > sizeof(w->stage) - HEAD)
		return false;
	memcpy(w->stage, &h, HEAD);
	if (row->len > 0)
		memcpy(w->stage + HEAD, row->val, row->len);
	*p = (struct cache_put){.val = w->stage,
		.len = (uint32_t)HEAD + row->len,
		.seq = row->version,
		.user = row->version == 0 ? ROW_ABSENT : 0,
		.expire_ns = expire_ns(w, row->expire_ms)};
	return true;
}

/* An entry has changed, and it is not told yet (K3). */
static void note_settled(struct kvs_worker *w)
{
	uint64_t n = atomic_load_explicit(&w->writing.settled, memory_order_relaxed);

	atomic_store_explicit(&w->writing.settled, n + 1, memory_order_release); /* K3 */
}

bool kvs_calm(const struct kvs_worker *w, uint64_t *mark)
{
	const struct kvs *k = w->k;

	/* What was looked up before came by acquiring loads, so these come after it. */
	*mark = 0;
	for (uint32_t i = 0; i < k->p.worker_cnt; i++) {
		const struct kvs_writing *o = &k->workers[i]->writing;

		/* Its own writes hold the keys' locks, and nothing of them happens meanwhile. */
		if (i == w->index)
			continue;
		if (atomic_load_explicit(&o->several, memory_order_acquire) != 0) /* K3 */
			return false;
		*mark += atomic_load_explicit(&o->settled, memory_order_acquire); /* K3 */
	}
	return true;
}

static void drop_row(struct kvs_worker *w, const struct cache_key *k)
{
	(void)cache_delete(w->cache, k, CACHE_ALWAYS, 0, w->now_ns);
	note_settled(w);
}

void kvs_row_observe(struct kvs_worker *w, const struct codec_key *key, uint64_t version)
{
	enum cache_found found;
	struct cache_view v;
	struct cache_key k;

	if (!row_key(w, key, &k))
		return;
	found = cache_get(w->cache, &k, w->now_ns, &v);
	if (found == CACHE_MISS ||
		(found == CACHE_HIT && (v.user == ROW_ABSENT ? 0 : v.seq) == version))
		return;
	drop_row(w, &k);
}

void kvs_row_settle(struct kvs_worker *w, const struct codec_key *key, const struct kvs_row *row)
{
	enum cache_found found;
	struct cache_put p;
	struct cache_view v;
	struct cache_key k;

	if (!row_key(w, key, &k))
		return;
	found = cache_get(w->cache, &k, w->now_ns, &v);
	/* Maybe one that has expired; nobody will see it again. */
	if (found == CACHE_MISS)
		return;
	/* An entry that says absent has no version to compare: it may come from before this row, or
	 * from after another one that removed it. */
	if (found == CACHE_HIT && row != NULL && v.user != ROW_ABSENT) {
		if (v.seq >= row->version)
			return;
		if (stage(w, row, &p)) {
			p.cond = CACHE_IF_SEQ;
			p.cond_seq = v.seq;
			if (cache_put(w->cache, &k, &p, w->now_ns) == 0) {
				note_settled(w);
				return;
			}
		}
	}
	drop_row(w, &k);
}

void kvs_row_fill(struct kvs_worker *w, struct kvs_ent *e, uint32_t gen)
{
	struct kvs_row row = {.val = e->val,
		.len = e->len,
		.version = e->version,
		.expire_ms = e->expire_ms,
		.gen = gen};
	struct cache_lease lease = {e->lease_seq, e->lease_stream};
	bool string = e->base_type == CODEC_STRING;
	/* That there is nothing is remembered too, by who has the lease. */
	bool keep = string || (e->leased && e->base_type == CODEC_NONE);
	struct cache_put p;
	struct cache_key k;

	if (w->cache == NULL || e->key.space != CODEC_KEY)
		return;
	if (!e->leased) {
		kvs_row_settle(w, &e->key, string ? &row : NULL);
		return;
	}
	if (!row_key(w, &e->key, &k))
		return;
	e->leased = false;
	if (!keep || !stage(w, &row, &p))
		cache_lease_abort(w->cache, &k, &lease, w->now_ns);
	else if (cache_fill(w->cache, &k, &lease, &p, w->now_ns) != 0)
		kvs_row_settle(w, &e->key, string ? &row : NULL);
}

void kvs_prefetch(struct kvs_worker *w, uint8_t ns, struct kvs_ahead *keys, uint32_t n)
{
	struct cache_key k[KVS_AHEAD];

	if (w->cache == NULL || ns >= KVS_CACHE_NS)
		return;
	for (uint32_t i = 0; i < n; i++) {
		cache_key_init(w->k->cache, &k[i], ns, keys[i].key, (uint16_t)keys[i].len);
		keys[i].hash = k[i].hash;
	}
	if (n > 1)
		cache_prefetch(w->cache, k, n);
}

bool kvs_peek(struct kvs_worker *w, uint8_t ns, const struct kvs_ahead *key, struct kvs_seen *out)
{
	struct cache_key k = {
		.data = key->key, .hash = key->hash, .len = (uint16_t)key->len, .ns = ns};
	struct cache_view v;
	struct row_head h;

	if (unlikely(w->lock_cnt > 0) && kvs_busy(w, ns, key->key, key->len))
		return false;
	if (w->cache == NULL || ns >= KVS_CACHE_NS ||
		cache_get(w->cache, &k, w->now_ns, &v) != CACHE_HIT || !row_head_ok(w, ns, &v, &h))
		return false;
	*out = (struct kvs_seen){v.val + HEAD, v.len - (uint32_t)HEAD, h.absent != 0};
	return true;
}
