/* SPDX-License-Identifier: Apache-2.0
 * Two-choice buckets of eight. The low half of the hash names the first bucket and is the tag, the
 * high half names the second. An entry goes to the first unless that is full, so that a hit mostly
 * reads one line; deletion just empties the slot, there are no tombstones. */
#include "dataplane/tcp/table.h"

#include <emmintrin.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/base/assert.h"

#define MAKE_ROOM_DEPTH 3

int tcp_table_init(struct tcp_table *t, uint32_t entries, const struct mix_key *key)
{
	uint32_t n = (uint32_t)(((uint64_t)entries * 8 / 7 + 7) / 8);
	void *p;

	memset(t, 0, sizeof(*t));
	t->bucket_cnt = n < 16 ? 16 : n;
	t->key = *key;
	p = mmap(NULL, (size_t)t->bucket_cnt * sizeof(struct tcp_bucket), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	(void)madvise(p, (size_t)t->bucket_cnt * sizeof(struct tcp_bucket), MADV_HUGEPAGE);
	t->buckets = p;
	for (uint32_t b = 0; b < t->bucket_cnt; b++)
		for (int i = 0; i < 8; i++)
			t->buckets[b].slot[i] = TCP_SLOT_EMPTY;
	return 0;
}

void tcp_table_fini(struct tcp_table *t)
{
	if (t->buckets != NULL)
		munmap(t->buckets, (size_t)t->bucket_cnt * sizeof(struct tcp_bucket));
	memset(t, 0, sizeof(*t));
}

/* Bit i is set where v[i] == x. */
ALWAYS_INLINE uint32_t match8(const uint32_t v[8], uint32_t x)
{
	__m128i k = _mm_set1_epi32((int)x);
	__m128i a = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)(const void *)v), k);
	__m128i b = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)(const void *)(v + 4)), k);

	return (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(a)) |
	       (uint32_t)_mm_movemask_ps(_mm_castsi128_ps(b)) << 4;
}

ALWAYS_INLINE const struct tcp_tuple *tuple_of(const struct tcp_table *t, uint32_t slot)
{
	enum tcp_kind k = tcp_slot_kind(slot);

	return (const void *)(t->base[k] + (size_t)tcp_slot_idx(slot) * t->size[k]);
}

ALWAYS_INLINE uint32_t find_in(const struct tcp_table *t, const struct tcp_bucket *b,
	const struct tcp_tuple *u, uint32_t tag)
{
	for (uint32_t m = match8(b->tag, tag); m != 0; m &= m - 1) {
		uint32_t slot = b->slot[__builtin_ctz(m)];

		if (slot != TCP_SLOT_EMPTY && tcp_tuple_eq(tuple_of(t, slot), u))
			return slot;
	}
	return TCP_SLOT_EMPTY;
}

uint32_t tcp_table_find(const struct tcp_table *t, const struct tcp_tuple *u, uint64_t hash)
{
	uint32_t slot = find_in(t, tcp_bucket_1(t, hash), u, (uint32_t)hash);

	if (slot != TCP_SLOT_EMPTY)
		return slot;
	return find_in(t, tcp_bucket_2(t, hash), u, (uint32_t)hash);
}

uint32_t tcp_table_guess(const struct tcp_table *t, uint64_t hash)
{
	const struct tcp_bucket *b = tcp_bucket_1(t, hash);
	uint32_t m = match8(b->tag, (uint32_t)hash);

	if (m != 0)
		return b->slot[__builtin_ctz(m)];
	b = tcp_bucket_2(t, hash);
	m = match8(b->tag, (uint32_t)hash);
	return m != 0 ? b->slot[__builtin_ctz(m)] : TCP_SLOT_EMPTY;
}

static bool put(struct tcp_bucket *b, uint32_t tag, uint32_t slot)
{
	uint32_t m = match8(b->slot, TCP_SLOT_EMPTY);
	int i;

	if (m == 0)
		return false;
	i = __builtin_ctz(m);
	b->tag[i] = tag;
	b->slot[i] = slot;
	return true;
}

static bool has_room(const struct tcp_bucket *b)
{
	return match8(b->slot, TCP_SLOT_EMPTY) != 0;
}

static struct tcp_bucket *other_bucket(const struct tcp_table *t, const struct tcp_bucket *b, int i)
{
	uint64_t h = tcp_tuple_hash(t, tuple_of(t, b->slot[i]));
	struct tcp_bucket *first = tcp_bucket_1(t, h);

	return first == b ? tcp_bucket_2(t, h) : first;
}

static void move_to(struct tcp_bucket *to, struct tcp_bucket *from, int i)
{
	(void)put(to, from->tag[i], from->slot[i]);
	from->slot[i] = TCP_SLOT_EMPTY;
}

/* Empty a slot of a full bucket: move one entry to its other bucket, or make room there first. Near
 * full load about one insert in a thousand comes here, and hardly any goes deeper than one step. */
static bool make_room(struct tcp_table *t, struct tcp_bucket *b, int depth)
{
	for (int i = 0; i < 8; i++) {
		struct tcp_bucket *o = other_bucket(t, b, i);

		if (o != b && has_room(o)) {
			move_to(o, b, i);
			return true;
		}
	}
	for (int i = 0; i < 8 && depth > 0; i++) {
		struct tcp_bucket *o = other_bucket(t, b, i);

		if (o == b || !make_room(t, o, depth - 1))
			continue;
		/* The way may have led through b itself. */
		if (has_room(b))
			return true;
		if (other_bucket(t, b, i) != o)
			continue;
		move_to(o, b, i);
		return true;
	}
	return false;
}

bool tcp_table_insert(struct tcp_table *t, uint64_t hash, uint32_t slot)
{
	struct tcp_bucket *b1 = tcp_bucket_1(t, hash), *b2 = tcp_bucket_2(t, hash);
	uint32_t tag = (uint32_t)hash;

	if (!put(b1, tag, slot) && !put(b2, tag, slot)) {
		if (!make_room(t, b1, MAKE_ROOM_DEPTH) || !put(b1, tag, slot))
			return false;
	}
	t->used++;
	return true;
}

static uint32_t *slot_ref(struct tcp_table *t, uint64_t hash, uint32_t slot)
{
	struct tcp_bucket *b = tcp_bucket_1(t, hash);
	uint32_t m = match8(b->slot, slot);

	if (m == 0) {
		b = tcp_bucket_2(t, hash);
		m = match8(b->slot, slot);
	}
	ASSERT(m != 0);
	return &b->slot[__builtin_ctz(m)];
}

void tcp_table_remove(struct tcp_table *t, uint64_t hash, uint32_t slot)
{
	*slot_ref(t, hash, slot) = TCP_SLOT_EMPTY;
	t->used--;
}

void tcp_table_replace(struct tcp_table *t, uint64_t hash, uint32_t old, uint32_t slot)
{
	*slot_ref(t, hash, old) = slot;
}
