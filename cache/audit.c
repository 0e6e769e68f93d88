/* SPDX-License-Identifier: Apache-2.0
 * Walks index, segments and queues while the workers rest, and compares everything with everything:
 *   index     each published slot holds an item of its bucket, with its tag, in a segment in use
 *             and below its used bytes; no key twice; nothing reserved, dead or swept is left;
 *             overflow buckets are used exactly by those that link them
 *   segments  each is in one place, the place its state says (AR1, CA3)
 *   counts    items, bytes and segments by namespace are what the walk found */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cache/cache_pvt.h"

struct walk {
	const struct cache *c;
	char *what;
	size_t what_len;
	uint64_t items[CACHE_NS_MAX], bytes[CACHE_NS_MAX];
	uint32_t segs[CACHE_NS_MAX][TIERS];
	uint8_t *seen; /* for each segment: how many places it was found in */
};

static int bad(struct walk *k, const char *what, uint64_t a, uint64_t b)
{
	snprintf(k->what, k->what_len, "%s: %llu %llu", what, (unsigned long long)a,
		(unsigned long long)b);
	return -EBADMSG;
}

static uint64_t peek64(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_acquire);
}

static int check_item(struct walk *k, const struct bucket *b, uint64_t word)
{
	const struct cache *c = k->c;
	uint64_t place = word_place(word), hash;
	const struct seg *s = seg_of(c, place);
	const struct item *it = item_at(c, place);
	uint32_t state, ns;

	if (!word_is_item(word) || place >= c->geo.arena_bytes)
		return bad(k, "a published slot holds no item", word, place);
	state = atomic_load_explicit(&s->state, memory_order_relaxed);
	if (state != SEG_OPEN && state != SEG_SEALED && state != SEG_EVICTING)
		return bad(k, "an item is in a segment that is not in use", place, state);
	if ((place & (((uint64_t)1 << c->geo.seg_shift) - 1)) + item_bytes(it) >
		atomic_load_explicit(&s->used, memory_order_relaxed))
		return bad(k, "an item is beyond its segment's used bytes", place, item_bytes(it));
	ns = it->ns & (uint32_t)~ITEM_NS_EXTENT;
	if (ns != s->ns)
		return bad(k, "an item is in another namespace's segment", ns, s->ns);
	hash = cache_hash(c, it->ns, it->data, it->key_len);
	if (bucket_of(c, hash) != b || WORD_OF(hash, place) != word)
		return bad(k, "an item is in the wrong bucket or has a wrong tag", place, word);
	k->items[ns]++;
	k->bytes[ns] += item_bytes(it);
	return 0;
}

static bool same_key(const struct item *a, const struct item *b)
{
	return a->key_len == b->key_len && a->ns == b->ns &&
	       memcmp(a->data, b->data, a->key_len) == 0;
}

static int check_chain(struct walk *k, struct bucket *b)
{
	const struct cache *c = k->c;
	uint64_t h = peek64(&b->hdr), words[CHAIN_SLOTS];
	uint32_t slots = (h & HDR_LINK_MASK) != 0 ? CHAIN_SLOTS : BUCKET_SLOTS, n = 0;

	for (uint32_t i = 0; i < slots; i++) {
		struct bucket *part = i < BUCKET_SLOTS ? b : bucket_overflow(c, b, h);
		uint64_t word = peek64(&part->slot[i % BUCKET_SLOTS]);
		int rc;

		if ((h & HDR_VALID(i)) == 0) {
			if (word != WORD_FREE)
				return bad(k, "a slot is neither free nor published", i, word);
			continue;
		}
		rc = check_item(k, b, word);
		if (rc != 0)
			return rc;
		for (uint32_t j = 0; j < n; j++)
			if (same_key(
				    item_at(c, word_place(words[j])), item_at(c, word_place(word))))
				return bad(k, "a key is there twice", words[j], word);
		words[n++] = word;
	}
	if (slots == BUCKET_SLOTS && (h & HDR_OVERFLOWS) != 0)
		return bad(k, "overflow slots without an overflow bucket", h, 0);
	return 0;
}

static int check_group(struct walk *k, uint64_t group)
{
	struct bucket *base = k->c->index + group * GROUP_LINES;
	uint8_t linked[CACHE_GROUP_OVERFLOW] = {0};

	for (uint32_t i = 0; i < CACHE_GROUP; i++) {
		uint64_t link = (peek64(&base[i].hdr) & HDR_LINK_MASK) >> HDR_LINK_LSB;
		int rc = check_chain(k, &base[i]);

		if (rc != 0)
			return rc;
		if (link != 0 && linked[link - 1]++ != 0)
			return bad(k, "an overflow bucket is linked twice", group, link);
	}
	for (uint32_t i = 0; i < CACHE_GROUP_OVERFLOW; i++)
		if (((peek64(&base[CACHE_GROUP + i].hdr) & 3) == 1) != (linked[i] == 1))
			return bad(k, "an overflow bucket is used but not linked", group, i);
	return 0;
}

static int found(struct walk *k, uint32_t seg, enum seg_state want)
{
	const struct seg *s = &k->c->seg[seg];
	uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);

	if (state != want)
		return bad(k, "a segment is not where its state says", seg, state);
	if (k->seen[seg]++ != 0)
		return bad(k, "a segment is in two places", seg, state);
	if (want == SEG_OPEN || want == SEG_SEALED || want == SEG_EVICTING)
		k->segs[s->ns][s->tier]++;
	return 0;
}

static int check_queue(struct walk *k, uint32_t q, enum seg_state want)
{
	struct segq *sq = queue_at(k->c, q);
	uint64_t mask = (UINT64_C(1) << sq->shift) - 1, h = peek64(&sq->head);

	for (; h != peek64(&sq->tail); h++) {
		uint64_t cell = peek64(&sq->cell[h & mask]);
		int rc;

		if ((uint32_t)cell >= k->c->geo.segs)
			return bad(k, "a queue holds no segment", q, cell);
		rc = found(k, (uint32_t)cell, want);
		if (rc != 0)
			return rc;
	}
	return 0;
}

static int check_segments(struct walk *k)
{
	const struct geometry *g = &k->c->geo;
	int rc = check_queue(k, QUEUE_FREE, SEG_FREE);

	if (rc == 0)
		rc = check_queue(k, QUEUE_LIMBO, SEG_LIMBO);
	for (uint32_t q = QUEUE_OF(0, 0, 0); q < QUEUE_OF(g->ns_cnt, 0, 0) && rc == 0; q++)
		rc = check_queue(k, q, SEG_SEALED);
	for (uint32_t i = 0; i < g->workers && rc == 0; i++) {
		const struct wstate *st = &k->c->wstate[i];
		const uint32_t *open = &st->open[0][0][0];

		for (uint32_t j = 0; j < CACHE_NS_MAX * TIERS * TTL_CLASSES && rc == 0; j++)
			if (open[j] != 0)
				rc = found(k, open[j] - 1, SEG_OPEN);
		if (rc == 0 && st->evict.seg != 0)
			rc = found(k, st->evict.seg - 1, SEG_EVICTING);
	}
	for (uint32_t i = 0; i < g->segs && rc == 0; i++)
		if (k->seen[i] != 1)
			rc = bad(k, "a segment is nowhere", i, k->seen[i]);
	return rc;
}

static int check_counts(struct walk *k)
{
	struct cache_usage u;

	cache_usage(k->c, &u);
	if (u.free + u.open + u.sealed + u.evicting + u.limbo != u.segments)
		return bad(k, "segments do not add up", u.free, u.segments);
	for (uint32_t n = 0; n < k->c->geo.ns_cnt; n++) {
		if (u.ns_items[n] != k->items[n])
			return bad(k, "items counted, found", u.ns_items[n], k->items[n]);
		if (u.ns_bytes[n] != k->bytes[n])
			return bad(k, "bytes counted, found", u.ns_bytes[n], k->bytes[n]);
		for (uint32_t t = 0; t < TIERS; t++)
			if (atomic_load_explicit(&k->c->ns[n].segs[t], memory_order_relaxed) !=
				k->segs[n][t])
				return bad(k, "a namespace's segments, found", n, k->segs[n][t]);
	}
	return 0;
}

int cache_check(const struct cache *c, char *what, size_t what_len)
{
	struct walk k = {.c = c, .what = what, .what_len = what_len};
	int rc = 0;

	k.seen = calloc(c->geo.segs, 1);
	if (k.seen == NULL)
		return -ENOMEM;
	for (uint64_t g = 0; g < c->geo.groups && rc == 0; g++)
		rc = check_group(&k, g);
	if (rc == 0)
		rc = check_segments(&k);
	if (rc == 0)
		rc = check_counts(&k);
	free(k.seen);
	return rc;
}
