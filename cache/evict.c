/* SPDX-License-Identifier: Apache-2.0
 * Eviction: S3-FIFO (Yang et al., SOSP 2023) with segments in the place of objects.
 *
 * A namespace has two tiers. New items enter the small one; when memory is short and the small tier
 * has more than a sixteenth of the namespace's segments, its oldest segment goes: items that were
 * read move to the main tier, the others leave their fingerprint in the ghost table and go.
 * Otherwise the oldest main segment goes: items read since they came there are written again with
 * one less in their frequency, the others go. A key that comes back while the ghost table remembers
 * it enters the main tier at once. Segments in which everything has expired go before all others.
 *
 * Any worker that finds memory short takes one segment out of its queue and walks it, a budget of
 * items at a time; it alone holds it (AR1). For each item: find the slot with this very word; if
 * there is none, the item is dead already (AR2: it will not be published later). Otherwise remove
 * the word or replace it by that of a copy, by CAS; if the CAS fails the item was replaced or
 * deleted meanwhile. At the end no slot leads into the segment, and it goes to limbo.
 *
 * Progress: what would be kept is dropped when no segment is free to keep it in, and each round
 * takes one off a frequency; so eviction frees memory after at most 4 rounds whatever is read
 * meanwhile. Limbo does not run away: eviction stops when the segments that only wait for their
 * grace period would suffice; those held by pins do not count. */
#include "cache/cache_pvt.h"

/* docs/decisions/ has what other values did. */
#define SMALL_PART 16 /* of a namespace is its small tier */
#define PROMOTE_AT 1  /* reads in the small tier that lead to the main one */

static struct ghost_line *ghost_line_of(const struct cache *c, uint64_t hash)
{
	uint64_t mixed = (uint32_t)(hash >> 16);

	return &c->ghost[(mixed * c->geo.ghost_lines) >> 32];
}

static uint16_t ghost_print(uint64_t hash)
{
	uint16_t fp = (uint16_t)hash;

	return fp != 0 ? fp : 1;
}

/* Workers may overwrite each other's fingerprint: then one key is forgotten early. */
void ghost_add(const struct cache *c, uint64_t hash)
{
	struct ghost_line *g = ghost_line_of(c, hash);
	uint16_t next = atomic_load_explicit(&g->next, memory_order_relaxed);

	atomic_store_explicit(&g->fp[next], ghost_print(hash), memory_order_relaxed);
	next = (uint16_t)(next + 1 < GHOST_WAYS ? next + 1 : 0);
	atomic_store_explicit(&g->next, next, memory_order_relaxed);
}

bool ghost_take(const struct cache *c, uint64_t hash)
{
	struct ghost_line *g = ghost_line_of(c, hash);
	uint16_t fp = ghost_print(hash);

	for (uint32_t i = 0; i < GHOST_WAYS; i++)
		if (atomic_load_explicit(&g->fp[i], memory_order_relaxed) == fp) {
			atomic_store_explicit(&g->fp[i], 0, memory_order_relaxed);
			return true;
		}
	return false;
}

bool evict_wanted(const struct cache *c)
{
	uint32_t limbo = segq_count(queue_at(c, QUEUE_LIMBO));
	uint32_t held = atomic_load_explicit(&c->ctl->limbo_held, memory_order_relaxed);
	uint32_t waiting = limbo > held ? limbo - held : 0;

	return segq_count(queue_at(c, QUEUE_FREE)) + waiting < c->geo.low_water;
}

/* The oldest sealed segment of a tier over its TTL classes; SEGQ_NONE if there is none. */
static uint32_t pop_oldest(struct cache *c, uint32_t ns, uint32_t tier)
{
	struct segq *best = NULL;
	uint64_t best_order = UINT64_MAX;

	for (uint32_t k = 0; k < c->geo.classes; k++) {
		struct segq *q = queue_at(c, QUEUE_OF(ns, tier, k));
		uint32_t seg = segq_peek(q);
		uint64_t order;

		if (seg == SEGQ_NONE)
			continue;
		order = atomic_load_explicit(&c->seg[seg].order, memory_order_relaxed);
		if (order < best_order) {
			best_order = order;
			best = q;
		}
	}
	return best != NULL ? segq_pop(best) : SEGQ_NONE;
}

/* A segment at the front of its queue in which everything has expired. */
static uint32_t pop_expired(struct cache *c, uint64_t now_ns)
{
	for (uint32_t ns = 0; ns < c->geo.ns_cnt; ns++)
		for (uint32_t t = 0; t < TIERS; t++)
			for (uint32_t k = 0; k < c->geo.classes; k++) {
				struct segq *q = queue_at(c, QUEUE_OF(ns, t, k));
				uint32_t seg = segq_peek(q);

				if (seg != SEGQ_NONE &&
					tick_over(atomic_load_explicit(&c->seg[seg].max_expire,
							  memory_order_relaxed),
						now_ns))
					return segq_pop(q);
			}
	return SEGQ_NONE;
}

static uint32_t ns_segs(const struct cache *c, uint32_t ns)
{
	return atomic_load_explicit(&c->ns[ns].segs[TIER_SMALL], memory_order_relaxed) +
	       atomic_load_explicit(&c->ns[ns].segs[TIER_MAIN], memory_order_relaxed);
}

static uint32_t pop_from_ns(struct cache *c, uint32_t ns)
{
	uint32_t small = atomic_load_explicit(&c->ns[ns].segs[TIER_SMALL], memory_order_relaxed);
	uint32_t first = small * SMALL_PART > ns_segs(c, ns) ? TIER_SMALL : TIER_MAIN;
	uint32_t seg = pop_oldest(c, ns, first);

	return seg != SEGQ_NONE ? seg : pop_oldest(c, ns, 1 - first);
}

/* From the namespace that is most above its share (or least below it) and has something to give. */
static uint32_t pick_victim(struct cache *c, uint64_t now_ns)
{
	uint32_t seg = pop_expired(c, now_ns), tried = 0;

	while (seg == SEGQ_NONE && tried != (UINT32_C(1) << c->geo.ns_cnt) - 1) {
		uint32_t best = CACHE_NS_MAX, best_segs = 0;

		for (uint32_t ns = 0; ns < c->geo.ns_cnt; ns++) {
			uint32_t segs = ns_segs(c, ns);

			if ((tried & 1u << ns) != 0)
				continue;
			if (best == CACHE_NS_MAX ||
				(uint64_t)segs * c->geo.quota[best] >
					(uint64_t)best_segs * c->geo.quota[ns]) {
				best = ns;
				best_segs = segs;
			}
		}
		tried |= 1u << best;
		seg = pop_from_ns(c, best);
	}
	return seg;
}

static bool start(struct cache_worker *w, uint64_t now_ns)
{
	struct evict_cursor *cur = &w->st->evict;
	uint32_t seg = pick_victim(w->c, now_ns);
	struct seg *s;

	if (seg == SEGQ_NONE) {
		/* Everything is in open segments or limbo: give our own to the next round. */
		if (segq_count(queue_at(w->c, QUEUE_FREE)) <= w->c->geo.reserve)
			seg_seal_open(w);
		return false;
	}
	s = &w->c->seg[seg];
	atomic_store_explicit(&s->state, SEG_EVICTING, memory_order_relaxed);
	cur->off = 0;
	cur->end = atomic_load_explicit(&s->used, memory_order_relaxed);
	cur->expired =
		tick_over(atomic_load_explicit(&s->max_expire, memory_order_relaxed), now_ns);
	cur->seg = seg + 1;
	return true;
}

static void drop(struct cache_worker *w, struct place *p, struct item *it, enum stat count)
{
	if (!index_remove(w, p))
		return;
	seg_account(w, it, -1);
	lease_replaced(w, it);
	stat_add(w, count, 1);
}

/* Somebody may want to keep what was used. It is still in the index: as long as this worker has not
 * reported quiescent, the view is as good as that of a reader (R1). */
static void tell_leaving(
	struct cache_worker *w, const struct item *it, uint64_t hash, uint64_t now_ns)
{
	struct cache *c = w->c;
	enum item_kind kind = item_kind(it);
	struct cache_leaving l;

	if (c->leaving == NULL || (kind != ITEM_VALUE && kind != ITEM_HEAD))
		return;
	l.key = (struct cache_key){
		.data = it->data, .hash = hash, .len = it->key_len, .ns = it->ns};
	view_fill(c, it, &l.v);
	c->leaving(c->leaving_ctx, w->id, &l, now_ns);
}

/* Write the item again in the main tier and let its slot point there. */
static void keep(struct cache_worker *w, struct place *p, struct item *it, uint64_t hash,
	uint8_t freq, uint64_t now_ns, enum stat count)
{
	struct cache *c = w->c;
	uint32_t bytes = item_bytes(it);
	uint64_t to = seg_alloc(w, it->ns & (uint8_t)~ITEM_NS_EXTENT, TIER_MAIN, bytes,
		item_expire(it), now_ns, true);
	struct item *copy;

	if (to == ITEM_NONE) {
		tell_leaving(w, it, hash, now_ns);
		drop(w, p, it, STAT_copy_dropped);
		return;
	}
	copy = item_at(c, to);
	copy->seq = it->seq;
	copy->expire_lo = it->expire_lo;
	copy->val_len = it->val_len;
	copy->key_len = it->key_len;
	copy->user = it->user;
	copy->expire_hi = it->expire_hi;
	copy->ns = it->ns;
	atomic_store_explicit(&copy->freq, freq, memory_order_relaxed);
	atomic_store_explicit(&copy->kind, (uint8_t)item_kind(it), memory_order_relaxed);
	memcpy(copy->data, it->data, (size_t)it->key_len + it->val_len);
	if (index_replace(p, WORD_OF(hash, to)))
		stat_add(w, count, 1);
	else
		seg_waste(w, to);
}

static bool head_filling(const struct cache *c, const struct item *it)
{
	uint64_t stream = load64(item_val(it) + offsetof(struct head, stream));

	return stream != 0 && fill_alive(c, stream, true);
}

static void decide(struct cache_worker *w, struct place *p, struct item *it, uint64_t hash,
	enum seg_tier tier, uint64_t now_ns)
{
	uint8_t freq = atomic_load_explicit(&it->freq, memory_order_relaxed);
	enum item_kind kind = item_kind(it);

	if (w->st->evict.expired || tick_over(item_expire(it), now_ns)) {
		drop(w, p, it, STAT_evicted_expired);
	} else if (kind == ITEM_PENDING && fill_alive(w->c, load64(item_val(it)), false)) {
		keep(w, p, it, hash, 0, now_ns, STAT_reinserted);
	} else if (kind == ITEM_PENDING) {
		drop(w, p, it, STAT_evicted_expired);
	} else if (kind == ITEM_HEAD && head_filling(w->c, it)) {
		keep(w, p, it, hash, freq, now_ns, STAT_reinserted);
	} else if (kind == ITEM_EXTENT_OPEN) {
		drop(w, p, it, STAT_evicted_small); /* its stream writes it: it cannot be copied */
	} else if (tier == TIER_SMALL) {
		if (freq >= PROMOTE_AT) {
			keep(w, p, it, hash, 0, now_ns, STAT_promoted);
		} else {
			ghost_add(w->c, hash);
			drop(w, p, it, STAT_evicted_small);
		}
	} else if (freq > 0) {
		keep(w, p, it, hash, (uint8_t)(freq - 1), now_ns, STAT_reinserted);
	} else {
		tell_leaving(w, it, hash, now_ns);
		drop(w, p, it, STAT_evicted_main);
	}
}

void evict_step(struct cache_worker *w, uint64_t now_ns, uint32_t budget)
{
	struct cache *c = w->c;
	struct evict_cursor *cur = &w->st->evict;

	if (cur->seg == 0 && (!evict_wanted(c) || !start(w, now_ns)))
		return;
	for (; budget > 0 && cur->off < cur->end; budget--) {
		uint64_t at = ((uint64_t)(cur->seg - 1) << c->geo.seg_shift) + cur->off;
		struct item *it = item_at(c, at);
		uint64_t hash = cache_hash(c, it->ns, it->data, it->key_len);
		struct place p;

		cur->off += item_bytes(it);
		if (index_find_word(c, hash, WORD_OF(hash, at), &p))
			decide(w, &p, it, hash, c->seg[cur->seg - 1].tier, now_ns);
	}
	if (cur->off >= cur->end) {
		uint32_t seg = cur->seg - 1;

		cur->seg = 0;
		seg_retire(w, seg);
	}
}

void cache_on_leaving(struct cache *c,
	void (*fn)(void *ctx, uint32_t worker, const struct cache_leaving *l, uint64_t now_ns),
	void *ctx)
{
	c->leaving = fn;
	c->leaving_ctx = ctx;
}
