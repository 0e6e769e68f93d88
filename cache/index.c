/* SPDX-License-Identifier: Apache-2.0
 * The index: buckets of a cache line, each with 7 slots and, when those are full, an overflow
 * bucket of its group with 7 more. The primary bucket's header says which of the 14 slots are
 * published (V), which overflow bucket is linked, and has a version that every change of the header
 * raises.
 *
 * States of a slot, by its V bit and its word:
 *   free      V=0  0       anybody may reserve it
 *   reserved  V=0  item    the reserver's alone
 *   live      V=1  item    the key maps to this item
 *   dead      V=1  DEAD    removed; anybody may sweep it
 *   swept     V=0  DEAD    the sweeper's alone, on its way to free
 * Transitions:
 *   reserve  free -> reserved      CAS of the word
 *   publish  reserved -> live      CAS of the header seen before the search that missed the key
 *   drop     reserved -> free      store of the word, after a failed publish
 *   replace  live -> live          CAS of the word, same key
 *   remove   live -> dead          CAS of the word
 *   sweep    dead -> swept -> free CAS of the header, then store of the word by who won it
 * States of an overflow bucket, in its header: FREE, USED by a primary bucket, LIMBO until a token.
 *
 * Linearization: insert at publish; replace and remove at their CAS; a lookup that finds, at its
 * load of the slot; one that misses, at its load of the header, or, if the key was removed between
 * that and the load of its slot, at the removal. Eviction and displacement are removes.
 *
 * CA1, a key is live at most once: a publish succeeds only if the header is what it was before the
 * search. No publish can have come between (it raises the version), the slots that were live then
 * held other keys or died, and replace keeps the key; so the key is absent at the CAS.
 *
 * A search may run on a header that is out of date, and meet a word that is reserved by now. It
 * looks at the header again before it believes a match: unchanged, the slot was live all the while,
 * because reusing it takes two changes. That match is then live or was replaced or removed, never
 * reserved again: a place in the arena is published once in its life (IX1), and reused only after a
 * grace period. For the same reason no CAS of a slot suffers from ABA. The version has 43 bits;
 * publishes consume arena, of which there are 2^43 bytes at most, and none comes back while the one
 * who holds the old header is inside an operation.
 *
 * Unlinking an overflow bucket is part of the header CAS that leaves no slot of it published. A
 * word reserved in it by then is lost, and its publish fails on the header. The bucket is used
 * again after a grace period only.
 *
 * Lock-freedom: whoever begins anew was overtaken by a change of the same bucket; a worker that
 * stops within an operation keeps one slot, and the others displace or refuse around it. */
#include <errno.h>

#include "cache/cache_pvt.h"

#define OV_FREE         UINT64_C(0)
#define OV_USED(bucket) ((uint64_t)(bucket) << 2 | 1)
#define OV_LIMBO(token) ((token) << 2 | 2)
#define OV_STATE(s)     ((s)&3)
#define OV_VALUE(s)     ((s) >> 2)

#ifndef UNLINK_AT
#define UNLINK_AT 5 /* published slots at which an empty overflow bucket is given back */
#endif
#define UNLINK_BATCH 8 /* overflow buckets collected when a group has no more */

static _Atomic uint64_t *chain_slot(
	const struct cache *c, struct bucket *b, uint64_t hdr, uint32_t slot)
{
	if (slot < BUCKET_SLOTS)
		return &b->slot[slot];
	return &bucket_overflow(c, b, hdr)->slot[slot - BUCKET_SLOTS];
}

bool index_find(const struct cache *c, const struct cache_key *k, struct place *p)
{
	struct bucket *b = bucket_of(c, k->hash);
	uint64_t tag = hash_tag(k->hash), h;

	p->b = b;
again:
	CACHE_HOOK();
	h = atomic_load_explicit(&b->hdr, memory_order_acquire); /* I1 */
	p->hdr = h;
	for (uint32_t base = 0; base < CHAIN_SLOTS; base += BUCKET_SLOTS) {
		struct bucket *part = base == 0 ? b : bucket_overflow(c, b, h);
		uint32_t m;

		if (base != 0 && (h & HDR_LINK_MASK) == 0)
			break;
		CACHE_HOOK();
		m = bucket_match(part, tag) & (uint32_t)(h >> base);
		for (; m != 0; m &= m - 1) {
			uint32_t i = (uint32_t)__builtin_ctz(m);
			uint64_t word;

			CACHE_HOOK();
			word = atomic_load_explicit(&part->slot[i], memory_order_acquire); /* I2 */
			if (word >> WORD_TAG_SHIFT != tag ||
				!item_is_key(item_at(c, word_place(word)), k))
				continue;
			CACHE_HOOK();
			if (atomic_load_explicit(&b->hdr, memory_order_acquire) != h)
				goto again;
			p->slot = base + i;
			p->word = word;
			p->slot_at = &part->slot[i];
			return true;
		}
	}
	p->slot = CHAIN_SLOTS;
	return false;
}

/* The word is of a published item (its segment is sealed), so a match needs no second look. */
bool index_find_word(const struct cache *c, uint64_t hash, uint64_t word, struct place *p)
{
	struct bucket *b = bucket_of(c, hash);
	uint64_t h;

	CACHE_HOOK();
	h = atomic_load_explicit(&b->hdr, memory_order_acquire); /* I1 */
	p->b = b;
	p->hdr = h;
	for (uint32_t base = 0; base < CHAIN_SLOTS; base += BUCKET_SLOTS) {
		struct bucket *part = base == 0 ? b : bucket_overflow(c, b, h);

		if (base != 0 && (h & HDR_LINK_MASK) == 0)
			break;
		for (uint32_t i = 0; i < BUCKET_SLOTS; i++) {
			if (atomic_load_explicit(&part->slot[i], memory_order_relaxed) != word)
				continue;
			p->slot = base + i;
			p->word = word;
			p->slot_at = &part->slot[i];
			return true;
		}
	}
	return false;
}

bool index_replace(struct place *p, uint64_t word)
{
	uint64_t old = p->word;

	CACHE_HOOK();
	return atomic_compare_exchange_strong_explicit(
		p->slot_at, &old, word, memory_order_acq_rel, memory_order_relaxed); /* I2 */
}

static void overflow_retire(struct cache *c, struct bucket *ov)
{
	uint64_t token = epoch_retire(c->epoch);

	CACHE_HOOK();
	atomic_store_explicit(&ov->hdr, OV_LIMBO(token), memory_order_release); /* I3 */
}

/* dead -> swept -> free, unless somebody else did it; and give an empty overflow bucket back. */
static void sweep(struct cache *c, struct bucket *b, uint32_t slot)
{
	for (;;) {
		_Atomic uint64_t *at;
		struct bucket *ov = NULL;
		uint64_t h, nh;

		CACHE_HOOK();
		h = atomic_load_explicit(&b->hdr, memory_order_acquire);
		if ((h & HDR_VALID(slot)) == 0)
			return;
		at = chain_slot(c, b, h, slot);
		CACHE_HOOK();
		if (atomic_load_explicit(at, memory_order_acquire) != WORD_DEAD)
			return;
		nh = (h & ~HDR_VALID(slot)) + HDR_VERSION;
		if ((nh & HDR_LINK_MASK) != 0 && (nh & HDR_OVERFLOWS) == 0 &&
			__builtin_popcountll(nh & HDR_VALIDS) <= UNLINK_AT) {
			ov = bucket_overflow(c, b, nh);
			nh &= ~HDR_LINK_MASK;
		}
		CACHE_HOOK();
		if (!atomic_compare_exchange_strong_explicit(
			    &b->hdr, &h, nh, memory_order_acq_rel, memory_order_relaxed))
			continue;
		CACHE_HOOK();
		atomic_store_explicit(at, WORD_FREE, memory_order_release);
		if (ov != NULL)
			overflow_retire(c, ov);
		return;
	}
}

bool index_remove(struct cache_worker *w, struct place *p)
{
	uint64_t old = p->word;

	CACHE_HOOK();
	if (!atomic_compare_exchange_strong_explicit(
		    p->slot_at, &old, WORD_DEAD, memory_order_acq_rel, memory_order_relaxed))
		return false;
	sweep(w->c, p->b, p->slot);
	return true;
}

/* Collect overflow buckets of the group that serve nothing at present; usable after a grace period.
 */
static void overflow_collect(struct cache *c, uint64_t group)
{
	struct bucket *base = c->index + group * GROUP_LINES, *got[UNLINK_BATCH];
	uint32_t n = 0;
	uint64_t token;

	for (uint32_t i = 0; i < CACHE_GROUP_OVERFLOW && n < UNLINK_BATCH; i++) {
		struct bucket *ov = base + CACHE_GROUP + i, *b;
		uint64_t s = atomic_load_explicit(&ov->hdr, memory_order_acquire), h;

		if (OV_STATE(s) != OV_STATE(OV_USED(0)))
			continue;
		b = base + OV_VALUE(s);
		CACHE_HOOK();
		h = atomic_load_explicit(&b->hdr, memory_order_acquire);
		if ((h & HDR_OVERFLOWS) != 0 ||
			(h & HDR_LINK_MASK) >> HDR_LINK_LSB != (uint64_t)i + 1)
			continue;
		CACHE_HOOK();
		if (atomic_compare_exchange_strong_explicit(&b->hdr, &h,
			    (h & ~HDR_LINK_MASK) + HDR_VERSION, memory_order_acq_rel,
			    memory_order_relaxed))
			got[n++] = ov;
	}
	if (n == 0)
		return;
	token = epoch_retire(c->epoch);
	for (uint32_t i = 0; i < n; i++)
		atomic_store_explicit(&got[i]->hdr, OV_LIMBO(token), memory_order_release); /* I3 */
}

static struct bucket *overflow_take(struct cache *c, struct bucket *b)
{
	uint64_t at = (uint64_t)(b - c->index), group = at / GROUP_LINES;
	uint64_t own = at % GROUP_LINES, passed = 0;

	for (uint32_t i = 0; i < CACHE_GROUP_OVERFLOW; i++) {
		uint64_t no = (own + i) % CACHE_GROUP_OVERFLOW, s;
		struct bucket *ov = c->index + group * GROUP_LINES + CACHE_GROUP + no;

		CACHE_HOOK();
		s = atomic_load_explicit(&ov->hdr, memory_order_acquire); /* I3 */
		if (OV_STATE(s) == OV_STATE(OV_USED(0)))
			continue;
		if (OV_STATE(s) == OV_STATE(OV_LIMBO(0)) && OV_VALUE(s) > passed) {
			if (!epoch_passed(c->epoch, OV_VALUE(s)))
				continue;
			passed = OV_VALUE(s);
		}
		CACHE_HOOK();
		if (!atomic_compare_exchange_strong_explicit(
			    &ov->hdr, &s, OV_USED(own), memory_order_acq_rel, memory_order_relaxed))
			continue;
		for (uint32_t j = 0; j < BUCKET_SLOTS; j++)
			atomic_store_explicit(&ov->slot[j], WORD_FREE, memory_order_relaxed);
		return ov;
	}
	overflow_collect(c, group);
	return NULL;
}

/* How much a full bucket would lose with this item; the least goes. */
static uint32_t worth(const struct item *it, uint64_t now_ns)
{
	if (tick_over(item_expire(it), now_ns))
		return 0;
	if (item_kind(it) == ITEM_PENDING)
		return 2 + ITEM_FREQ_MAX;
	return 1 + atomic_load_explicit(&it->freq, memory_order_relaxed);
}

/* Remove the published item of the chain that is worth least. -EBUSY if there is none. */
static int displace(struct cache_worker *w, const struct place *full, uint64_t now_ns)
{
	struct cache *c = w->c;
	struct place victim = {.b = full->b, .hdr = full->hdr, .slot = CHAIN_SLOTS};
	uint32_t least = UINT32_MAX;
	struct item *it;

	for (uint32_t i = 0; i < CHAIN_SLOTS; i++) {
		_Atomic uint64_t *at;
		uint64_t word;
		uint32_t v;

		if ((full->hdr & HDR_VALID(i)) == 0)
			continue;
		at = chain_slot(c, full->b, full->hdr, i);
		CACHE_HOOK();
		word = atomic_load_explicit(at, memory_order_acquire); /* I2 */
		if (word == WORD_DEAD) {
			sweep(c, full->b, i);
			return -EAGAIN;
		}
		if (!word_is_item(word))
			return -EAGAIN;
		v = worth(item_at(c, word_place(word)), now_ns);
		if (v < least) {
			least = v;
			victim.slot = i;
			victim.word = word;
			victim.slot_at = at;
		}
	}
	if (victim.slot == CHAIN_SLOTS)
		return -EBUSY;
	/* Unchanged header: the word was live (see above), so the CAS cannot hit a reserved one. */
	CACHE_HOOK();
	if (atomic_load_explicit(&full->b->hdr, memory_order_acquire) != full->hdr)
		return -EAGAIN;
	it = item_at(c, word_place(victim.word));
	if (index_remove(w, &victim)) {
		seg_account(w, it, -1);
		lease_replaced(w, it);
		stat_add(w, STAT_evicted_bucket, 1);
	}
	return -EAGAIN;
}

/* No slot of the chain is free: link an overflow bucket, or remove something. */
static int make_room(struct cache_worker *w, struct place *p, uint64_t now_ns)
{
	struct cache *c = w->c;
	uint64_t h = p->hdr, nh;
	struct bucket *ov;

	if ((h & HDR_LINK_MASK) != 0)
		return displace(w, p, now_ns);
	ov = overflow_take(c, p->b);
	if (ov == NULL)
		return displace(w, p, now_ns);
	nh = (h | ((uint64_t)(ov - c->index) % GROUP_LINES - CACHE_GROUP + 1) << HDR_LINK_LSB) +
	     HDR_VERSION;
	CACHE_HOOK();
	if (!atomic_compare_exchange_strong_explicit(
		    &p->b->hdr, &h, nh, memory_order_acq_rel, memory_order_relaxed)) /* I1 */
		atomic_store_explicit(&ov->hdr, OV_FREE, memory_order_release); /* nobody saw it */
	return -EAGAIN;
}

int index_insert(struct cache_worker *w, struct place *p, uint64_t word, uint64_t now_ns)
{
	uint64_t h = p->hdr;
	uint32_t slots = (h & HDR_LINK_MASK) != 0 ? CHAIN_SLOTS : BUCKET_SLOTS;

	for (uint32_t i = 0; i < slots; i++) {
		_Atomic uint64_t *at;
		uint64_t free_word = WORD_FREE;

		if ((h & HDR_VALID(i)) != 0)
			continue;
		at = chain_slot(w->c, p->b, h, i);
		CACHE_HOOK();
		if (atomic_load_explicit(at, memory_order_relaxed) != WORD_FREE)
			continue;
		CACHE_HOOK();
		if (!atomic_compare_exchange_strong_explicit(
			    at, &free_word, word, memory_order_release, memory_order_relaxed))
			continue;
		CACHE_HOOK();
		if (atomic_compare_exchange_strong_explicit(&p->b->hdr, &h,
			    (h | HDR_VALID(i)) + HDR_VERSION, memory_order_acq_rel,
			    memory_order_relaxed)) /* I1 */
			return 0;
		CACHE_HOOK();
		atomic_store_explicit(at, WORD_FREE, memory_order_release);
		return -EAGAIN;
	}
	return make_room(w, p, now_ns);
}
