/* SPDX-License-Identifier: Apache-2.0
 * Lookups and changes of whole items, over the index and the arena.
 *
 * Every change writes a new item and then lets one CAS decide; a change that reads first (a
 * condition, a touch) decides by a CAS from the very word it read, so its check and its effect are
 * one step. */
#include <errno.h>

#include "cache/cache_pvt.h"

#define EVICT_PER_PUT   8  /* items that a put looks at when memory is short */
#define EVICT_WHEN_NONE 64 /* and when it found none at all */

/* -- reading -------------------------------------------------------------------------------------
 */

bool item_live(const struct cache *c, const struct item *it, uint64_t now_ns)
{
	enum item_kind kind = item_kind(it);

	if (tick_over(item_expire(it), now_ns) || kind == ITEM_PENDING)
		return false;
	if (kind == ITEM_HEAD) {
		uint64_t stream = load64(item_val(it) + offsetof(struct head, stream));

		return stream == 0 || fill_alive(c, stream, true);
	}
	return true;
}

void view_fill(const struct cache *c, const struct item *it, struct cache_view *v)
{
	v->val = item_val(it);
	v->len = it->val_len;
	v->user = it->user;
	v->found = CACHE_HIT;
	v->ns = it->ns & (uint8_t)~ITEM_NS_EXTENT;
	v->seq = it->seq;
	v->expire_ns = tick_ns(item_expire(it));
	v->item = (uint64_t)((const uint8_t *)it - c->arena);
	v->total_len = it->val_len;
	v->stream = 0;
	if (item_kind(it) == ITEM_HEAD) {
		v->found = CACHE_OBJECT;
		v->total_len = load64(v->val + offsetof(struct head, total_len));
		v->stream = load64(v->val + offsetof(struct head, stream));
		v->val += sizeof(struct head);
		v->len -= (uint32_t)sizeof(struct head);
	}
}

void cache_key_init(
	const struct cache *c, struct cache_key *k, uint8_t ns, const void *data, uint16_t len)
{
	k->data = data;
	k->len = len;
	k->ns = ns;
	k->hash = cache_hash(c, ns, data, len);
}

/* What a found item is to its reader. */
ALWAYS_INLINE enum cache_found deliver(
	struct cache_worker *w, struct item *it, uint64_t now_ns, struct cache_view *v)
{
	if (likely(item_live(w->c, it, now_ns))) {
		item_touch_freq(it);
		view_fill(w->c, it, v);
		return (enum cache_found)v->found;
	}
	v->found = CACHE_MISS;
	if (item_kind(it) == ITEM_PENDING && fill_alive(w->c, load64(item_val(it)), false))
		v->found = CACHE_PENDING;
	return (enum cache_found)v->found;
}

enum cache_found cache_get(
	struct cache_worker *w, const struct cache_key *k, uint64_t now_ns, struct cache_view *v)
{
	struct place p;

	v->found = CACHE_MISS;
	if (index_find(w->c, k, &p))
		deliver(w, item_at(w->c, word_place(p.word)), now_ns, v);
	if (v->found == CACHE_MISS)
		stat_add(w, STAT_misses, 1);
	else if (v->found == CACHE_PENDING)
		stat_add(w, STAT_pending, 1);
	else
		stat_add(w, STAT_hits, 1);
	return (enum cache_found)v->found;
}

struct probe {
	struct bucket *b;
	uint64_t hdr, word;
	bool matched; /* some slot of the primary bucket has the tag */
};

/* The first published slot with the tag: its item is probably the one, so fetch it. */
ALWAYS_INLINE void probe_bucket(const struct cache *c, const struct cache_key *k, struct probe *p)
{
	uint32_t m;

	CACHE_HOOK();
	p->hdr = atomic_load_explicit(&p->b->hdr, memory_order_acquire); /* I1 */
	CACHE_HOOK();
	m = bucket_match(p->b, hash_tag(k->hash)) & (uint32_t)p->hdr;
	p->word = WORD_FREE;
	p->matched = m != 0;
	if (m != 0) {
		const uint8_t *it;

		CACHE_HOOK();
		p->word = atomic_load_explicit(
			&p->b->slot[__builtin_ctz(m)], memory_order_acquire); /* I2 */
		it = c->arena + word_place(p->word);
		__builtin_prefetch(it);
		__builtin_prefetch(it + CACHE_LINE);
		__builtin_prefetch(it + 2 * CACHE_LINE);
	} else if ((p->hdr & HDR_LINK_MASK) != 0) {
		__builtin_prefetch(bucket_overflow(c, p->b, p->hdr));
	}
}

/* index_find() for a probed bucket; NULL: absent. */
ALWAYS_INLINE struct item *probe_item(
	const struct cache *c, const struct cache_key *k, const struct probe *p)
{
	struct place at;

	if (p->word >> WORD_TAG_SHIFT == hash_tag(k->hash)) {
		struct item *it = item_at(c, word_place(p->word));

		CACHE_HOOK();
		if (item_is_key(it, k) &&
			atomic_load_explicit(&p->b->hdr, memory_order_acquire) == p->hdr)
			return it;
	} else if (!p->matched && (p->hdr & HDR_LINK_MASK) == 0) {
		return NULL;
	}
	return index_find(c, k, &at) ? item_at(c, word_place(at.word)) : NULL;
}

uint32_t cache_get_burst(struct cache_worker *w, const struct cache_key *keys, uint32_t n,
	uint64_t now_ns, struct cache_view *views)
{
	const struct cache *c = w->c;
	struct probe probe[CACHE_BURST_MAX];
	uint32_t hits = 0, pending = 0;

	ASSERT(n <= CACHE_BURST_MAX);
	for (uint32_t i = 0; i < n; i++) {
		probe[i].b = bucket_of(c, keys[i].hash);
		__builtin_prefetch(probe[i].b);
	}
	for (uint32_t i = 0; i < n; i++)
		probe_bucket(c, &keys[i], &probe[i]);
	for (uint32_t i = 0; i < n; i++) {
		struct item *it = probe_item(c, &keys[i], &probe[i]);

		views[i].found = CACHE_MISS;
		if (it == NULL)
			continue;
		deliver(w, it, now_ns, &views[i]);
		hits += views[i].found == CACHE_HIT || views[i].found == CACHE_OBJECT;
		pending += views[i].found == CACHE_PENDING;
	}
	stat_add(w, STAT_hits, hits);
	stat_add(w, STAT_pending, pending);
	stat_add(w, STAT_misses, n - hits - pending);
	return hits;
}

void cache_prefetch(const struct cache_worker *w, const struct cache_key *keys, uint32_t n)
{
	const struct cache *c = w->c;
	struct probe probe[CACHE_BURST_MAX];

	ASSERT(n <= CACHE_BURST_MAX);
	for (uint32_t i = 0; i < n; i++) {
		probe[i].b = bucket_of(c, keys[i].hash);
		__builtin_prefetch(probe[i].b);
	}
	for (uint32_t i = 0; i < n; i++)
		probe_bucket(c, &keys[i], &probe[i]);
}

/* -- writing items -- */

/* Unique among all workers, and above the version it replaces. */
uint64_t seq_draw(struct cache_worker *w, uint64_t above)
{
	uint64_t base = above / CACHE_WORKERS_MAX;

	if (w->st->seq_ctr < base)
		w->st->seq_ctr = base;
	w->st->seq_ctr++;
	return w->st->seq_ctr * CACHE_WORKERS_MAX + w->id;
}

uint64_t item_write(struct cache_worker *w, const struct cache_key *k, const struct item_spec *s,
	const struct item *old, uint64_t now_ns)
{
	struct cache *c = w->c;
	uint8_t ns = k->ns & (uint8_t)~ITEM_NS_EXTENT, freq = 0;
	uint32_t val_len = s->head_len + s->val_len;
	uint32_t bytes = (uint32_t)item_bytes_of(k->len, val_len);
	enum seg_tier tier = TIER_SMALL;
	struct item *it;
	uint64_t at;

	if (w->st->evict.seg != 0 || evict_wanted(c))
		evict_step(w, now_ns, EVICT_PER_PUT);
	if (old != NULL) {
		tier = (enum seg_tier)seg_of(c, (uint64_t)((const uint8_t *)old - c->arena))->tier;
		freq = atomic_load_explicit(&old->freq, memory_order_relaxed);
	} else if (s->kind != ITEM_PENDING && ghost_take(c, k->hash)) {
		tier = TIER_MAIN;
		stat_add(w, STAT_ghost_hits, 1);
	}
	at = seg_alloc(w, ns, tier, bytes, s->expire_tick, now_ns, false);
	if (unlikely(at == ITEM_NONE)) {
		seg_reap(w);
		evict_step(w, now_ns, EVICT_WHEN_NONE);
		at = seg_alloc(w, ns, tier, bytes, s->expire_tick, now_ns, false);
	}
	if (unlikely(at == ITEM_NONE)) {
		stat_add(w, STAT_put_nomem, 1);
		return ITEM_NONE;
	}
	it = item_at(c, at);
	it->seq = s->seq;
	it->expire_lo = (uint32_t)s->expire_tick;
	it->expire_hi = (uint8_t)(s->expire_tick >> 32);
	it->val_len = val_len;
	it->key_len = k->len;
	it->user = s->user;
	it->ns = k->ns;
	atomic_store_explicit(&it->freq, freq, memory_order_relaxed);
	atomic_store_explicit(&it->kind, (uint8_t)s->kind, memory_order_relaxed);
	memcpy(it->data, k->data, k->len);
	if (s->head_len != 0)
		memcpy(it->data + k->len, s->head, s->head_len);
	if (s->val != NULL && s->val_len != 0)
		memcpy(it->data + k->len + s->head_len, s->val, s->val_len);
	return at;
}

/* present: the live item, or NULL. */
static int check_cond(const struct cache_put *cond, const struct item *present)
{
	switch (cond->cond) {
	case CACHE_ALWAYS:
		return 0;
	case CACHE_IF_ABSENT:
		return present == NULL ? 0 : -EEXIST;
	case CACHE_IF_PRESENT:
		return present != NULL ? 0 : -ENOENT;
	case CACHE_IF_SEQ:
		if (present == NULL)
			return -ENOENT;
		return present->seq == cond->cond_seq ? 0 : -ESTALE;
	case CACHE_IF_NEWER:
		return present == NULL || present->seq < cond->seq ? 0 : -ESTALE;
	}
	return -EINVAL;
}

int item_store(struct cache_worker *w, const struct cache_key *k, struct item_spec *spec,
	const struct cache_put *cond, uint64_t now_ns, uint64_t *place)
{
	struct cache *c = w->c;
	bool draw = spec->seq == 0;
	uint64_t at = ITEM_NONE;
	int rc;

	for (;;) {
		struct item *old = NULL, *live = NULL;
		struct place p;

		if (index_find(c, k, &p)) {
			old = item_at(c, word_place(p.word));
			live = item_live(c, old, now_ns) ? old : NULL;
		}
		rc = cond != NULL ? check_cond(cond, live) : 0;
		if (rc != 0)
			break;
		if (draw && (at == ITEM_NONE || (old != NULL && old->seq >= spec->seq))) {
			spec->seq = seq_draw(w, old != NULL ? old->seq : 0);
			if (at != ITEM_NONE)
				item_at(c, at)->seq = spec->seq;
		}
		if (at == ITEM_NONE)
			at = item_write(w, k, spec, live, now_ns);
		if (at == ITEM_NONE)
			return -EAGAIN;
		if (old != NULL)
			rc = index_replace(&p, WORD_OF(k->hash, at)) ? 0 : -EAGAIN;
		else
			rc = index_insert(w, &p, WORD_OF(k->hash, at), now_ns);
		if (rc == 0) {
			seg_account(w, item_at(c, at), 1);
			if (old != NULL) {
				seg_account(w, old, -1);
				lease_replaced(w, old);
			}
			*place = at;
			return 0;
		}
		if (rc == -EBUSY)
			break;
		stat_add(w, STAT_retries, 1);
	}
	if (at != ITEM_NONE)
		seg_waste(w, at);
	return rc == -EBUSY ? -EAGAIN : rc;
}

int cache_put(struct cache_worker *w, const struct cache_key *k, const struct cache_put *p,
	uint64_t now_ns)
{
	struct item_spec spec = {.val = p->val,
		.val_len = p->len,
		.seq = p->seq,
		.expire_tick = tick_expire(p->expire_ns),
		.user = p->user,
		.kind = ITEM_VALUE};
	uint64_t at;
	int rc;

	if (k->len == 0 || k->len > key_max(w->c))
		return -EINVAL;
	if (item_bytes_of(k->len, p->len) > item_max(w->c))
		return -EFBIG;
	rc = item_store(w, k, &spec, p, now_ns, &at);
	if (rc == 0) {
		stat_add(w, STAT_puts, 1);
		if (p->seq_out != NULL)
			*p->seq_out = spec.seq;
	} else if (rc != -EAGAIN) {
		stat_add(w, STAT_put_refused, 1);
	}
	return rc;
}

int cache_delete(struct cache_worker *w, const struct cache_key *k, enum cache_cond cond,
	uint64_t cond_seq, uint64_t now_ns)
{
	struct place p;

	while (index_find(w->c, k, &p)) {
		struct item *it = item_at(w->c, word_place(p.word));
		bool live = item_live(w->c, it, now_ns);

		if (cond == CACHE_IF_SEQ && live && it->seq != cond_seq)
			return -ESTALE;
		if (cond == CACHE_IF_SEQ && !live)
			return -ENOENT;
		if (!index_remove(w, &p)) {
			stat_add(w, STAT_retries, 1);
			continue;
		}
		seg_account(w, it, -1);
		lease_replaced(w, it);
		if (!live)
			return -ENOENT;
		stat_add(w, STAT_deletes, 1);
		return 0;
	}
	return -ENOENT;
}

int cache_touch(
	struct cache_worker *w, const struct cache_key *k, uint64_t expire_ns, uint64_t now_ns)
{
	struct cache *c = w->c;
	struct place p;

	while (index_find(c, k, &p)) {
		struct item *old = item_at(c, word_place(p.word));
		struct item_spec spec = {.val = item_val(old),
			.val_len = old->val_len,
			.seq = old->seq,
			.expire_tick = tick_expire(expire_ns),
			.user = old->user,
			.kind = item_kind(old)};
		uint64_t at;

		if (!item_live(c, old, now_ns))
			return -ENOENT;
		at = item_write(w, k, &spec, old, now_ns);
		if (at == ITEM_NONE)
			return -EAGAIN;
		if (index_replace(&p, WORD_OF(k->hash, at))) {
			seg_account(w, item_at(c, at), 1);
			seg_account(w, old, -1);
			stat_add(w, STAT_touches, 1);
			return 0;
		}
		seg_waste(w, at);
		stat_add(w, STAT_retries, 1);
	}
	return -ENOENT;
}
