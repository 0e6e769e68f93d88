/* SPDX-License-Identifier: Apache-2.0
 * The index: a key belongs to a first and a second bucket, both from its hash. It goes to the
 * second only when the first is full, and the first then counts it as spilled; so a lookup reads
 * the second bucket only when the first has spilled, and a removal leaves no mark behind. When both
 * are full, one slot of the two is moved to its other bucket. At five of eight slots in use some 2
 * % of keys spill, and one key in thousands needs a move. */
#include "lb/l4/flow.h"

#include <errno.h>
#include <string.h>

#include "dataplane/base/assert.h"

#define NO_SLOT UINT32_MAX

static uint32_t bucket_cnt(uint32_t capacity, bool nat)
{
	uint64_t refs = (uint64_t)capacity * (nat ? 2 : 1);

	return (uint32_t)((refs + FLOW_BUCKET_FILL - 1) / FLOW_BUCKET_FILL) + 1;
}

static size_t header_bytes(void)
{
	return ROUND_UP(sizeof(struct flow_header), CACHE_LINE);
}

size_t flow_table_bytes(uint32_t capacity, bool nat)
{
	size_t entry = nat ? sizeof(struct flow_nat) : sizeof(struct flow_entry);

	return header_bytes() + bucket_cnt(capacity, nat) * sizeof(struct flow_bucket) +
	       ROUND_UP(capacity * entry, CACHE_LINE);
}

static void attach(struct flow_table *t, void *mem)
{
	t->head = mem;
	t->buckets = (struct flow_bucket *)(void *)((uint8_t *)mem + header_bytes());
	t->bucket_cnt = t->head->bucket_cnt;
	t->entries = (uint8_t *)&t->buckets[t->bucket_cnt];
	t->entry_size = t->head->entry_size;
	memcpy(t->k, t->head->key.k, sizeof(t->k));
}

void flow_table_init(struct flow_table *t, void *mem, uint32_t capacity, bool nat)
{
	struct flow_header *h = mem;

	ASSERT(capacity > 0 && capacity <= LIMIT_FLOWS_PER_CORE);
	ASSERT((uintptr_t)mem % CACHE_LINE == 0);
	*h = (struct flow_header){
		.layout_version = FLOW_LAYOUT_VERSION,
		.entry_size = nat ? sizeof(struct flow_nat) : sizeof(struct flow_entry),
		.capacity = capacity,
		.bucket_cnt = bucket_cnt(capacity, nat),
		.free_head = L4_NONE32,
	};
	mix_key_init(&h->key);
	attach(t, mem);
}

void flow_table_set_key(struct flow_table *t, const struct mix_key *key)
{
	ASSERT(t->head->used == 0);
	t->head->key = *key;
	memcpy(t->k, key->k, sizeof(t->k));
}

int flow_table_adopt(struct flow_table *t, void *mem, size_t len, bool nat)
{
	const struct flow_header *h = mem;

	if (len < sizeof(*h) || h->layout_version != FLOW_LAYOUT_VERSION ||
		h->entry_size != (nat ? sizeof(struct flow_nat) : sizeof(struct flow_entry)) ||
		h->capacity == 0 || h->capacity > LIMIT_FLOWS_PER_CORE ||
		h->bucket_cnt != bucket_cnt(h->capacity, nat) || h->high > h->capacity ||
		h->used > h->high || len < flow_table_bytes(h->capacity, nat))
		return -EINVAL;
	attach(t, mem);
	return 0;
}

/* ---- the index ---- */

static inline uint32_t slot_free(const struct flow_bucket *b)
{
	uint32_t match = flow_bucket_match(b, 0);

	return match == 0 ? NO_SLOT : (uint32_t)__builtin_ctz(match) / 2;
}

static inline void slot_set(struct flow_bucket *b, uint32_t s, uint16_t tag, uint32_t ref)
{
	b->tag[s] = tag;
	b->ref[s] = ref;
}

/* The hash of a key that is in the index. */
static uint64_t ref_hash(const struct flow_table *t, uint32_t ref)
{
	const struct flow_entry *e = flow_at(t, ref >> 1);

	if ((ref & 1) == 0) {
		struct flow_key k = {.client = e->client,
			.cport = e->cport,
			.vport = e->vport,
			.vip = e->vip,
			.proto = e->proto};

		return flow_hash(t, &k);
	} else {
		const struct flow_nat *n = flow_nat_at(t, ref >> 1);
		struct flow_back k = {.backend = n->backend,
			.bport = n->bport,
			.lport = n->lport,
			.local = n->local,
			.proto = n->proto};

		return flow_hash_back(t, &k, &e->client);
	}
}

/* Free one slot of a full bucket by moving its content to its other bucket; NO_SLOT if none can. */
static COLD uint32_t make_room(struct flow_table *t, struct flow_bucket *b)
{
	for (uint32_t s = 0; s < FLOW_BUCKET_SLOTS; s++) {
		uint64_t h = ref_hash(t, b->ref[s]);
		struct flow_bucket *first = flow_bucket1(t, h);
		struct flow_bucket *other = first == b ? flow_bucket2(t, h) : first;
		uint32_t to = slot_free(other);

		if (to == NO_SLOT || other == b)
			continue;
		slot_set(other, to, b->tag[s], b->ref[s]);
		b->tag[s] = 0;
		if (first == b)
			first->spill++;
		else
			first->spill--;
		return s;
	}
	return NO_SLOT;
}

static int index_add(struct flow_table *t, uint64_t hash, uint32_t ref)
{
	struct flow_bucket *b1 = flow_bucket1(t, hash), *b2;
	uint32_t s = slot_free(b1);

	if (likely(s != NO_SLOT)) {
		slot_set(b1, s, flow_tag(hash), ref);
		return 0;
	}
	b2 = flow_bucket2(t, hash);
	s = slot_free(b2);
	if (s == NO_SLOT) {
		s = make_room(t, b1);
		if (s != NO_SLOT) {
			slot_set(b1, s, flow_tag(hash), ref);
			return 0;
		}
		s = make_room(t, b2);
		if (s == NO_SLOT) {
			t->head->no_slot++;
			return -ENOSPC;
		}
	}
	slot_set(b2, s, flow_tag(hash), ref);
	b1->spill++;
	return 0;
}

static inline uint32_t slot_of(const struct flow_bucket *b, uint16_t tag, uint32_t ref)
{
	uint32_t match = flow_bucket_match(b, tag) & 0x5555;

	for (; match != 0; match &= match - 1)
		if (b->ref[__builtin_ctz(match) / 2] == ref)
			return (uint32_t)__builtin_ctz(match) / 2;
	return NO_SLOT;
}

static void index_del(struct flow_table *t, uint64_t hash, uint32_t ref)
{
	struct flow_bucket *b1 = flow_bucket1(t, hash), *b = b1;
	uint32_t s = slot_of(b1, flow_tag(hash), ref);

	if (s == NO_SLOT) {
		b = flow_bucket2(t, hash);
		s = slot_of(b, flow_tag(hash), ref);
		ASSERT(s != NO_SLOT && b1->spill > 0);
		b1->spill--;
	}
	b->tag[s] = 0;
}

uint32_t flow_find_back(const struct flow_table *t, uint64_t hash, const struct flow_back *k,
	const struct ip_addr *client)
{
	const struct flow_bucket *b = flow_bucket1(t, hash);

	for (int round = 0; round < 2; round++) {
		uint32_t match = flow_bucket_match(b, flow_tag(hash)) & 0x5555;

		for (; match != 0; match &= match - 1) {
			uint32_t ref = b->ref[__builtin_ctz(match) / 2];

			if ((ref & 1) == 1 && flow_nat_is(flow_nat_at(t, ref >> 1), k, client))
				return ref >> 1;
		}
		if (likely(b->spill == 0))
			break;
		b = flow_bucket2(t, hash);
	}
	return L4_NONE32;
}

/* ---- entries ---- */

/* Others read it while the owner runs. */
static inline void used_set(struct flow_header *h, uint32_t used)
{
	__atomic_store_n(&h->used, used, __ATOMIC_RELAXED);
}

static inline uint32_t entry_take(struct flow_header *h, const struct flow_table *t)
{
	uint32_t e = h->free_head;

	if (e != L4_NONE32)
		h->free_head = flow_at(t, e)->member;
	else if (h->high < h->capacity)
		e = h->high++;
	else
		return L4_NONE32;
	used_set(h, h->used + 1);
	return e;
}

static inline void entry_give(struct flow_header *h, const struct flow_table *t, uint32_t e)
{
	struct flow_entry *f = flow_at(t, e);

	f->proto = 0;
	f->member = h->free_head;
	h->free_head = e;
	used_set(h, h->used - 1);
}

static inline void entry_set_back(struct flow_nat *n, const struct flow_back *back)
{
	n->backend = back->backend;
	n->bport = back->bport;
	n->lport = back->lport;
	n->local = back->local;
	n->proto = back->proto;
	n->flags = 0;
}

int flow_insert(struct flow_table *t, uint64_t hash, const struct flow_key *k,
	const struct flow_back *back, uint32_t *out)
{
	uint32_t e = entry_take(t->head, t);
	struct flow_entry *f;

	if (e == L4_NONE32)
		return -ENOSPC;
	f = flow_at(t, e);
	f->client = k->client;
	f->cport = k->cport;
	f->vport = k->vport;
	f->vip = k->vip;
	f->proto = k->proto;
	if (back != NULL)
		entry_set_back(flow_nat_at(t, e), back);
	if (index_add(t, hash, e << 1) != 0)
		goto no_entry;
	if (back != NULL && index_add(t, flow_hash_back(t, back, &k->client), e << 1 | 1) != 0)
		goto no_back;
	*out = e;
	return 0;
no_back:
	index_del(t, hash, e << 1);
no_entry:
	entry_give(t->head, t, e);
	return -ENOSPC;
}

void flow_remove(struct flow_table *t, uint32_t e)
{
	ASSERT_DBG(flow_at(t, e)->proto != 0);
	index_del(t, ref_hash(t, e << 1), e << 1);
	if (t->entry_size == sizeof(struct flow_nat))
		index_del(t, ref_hash(t, e << 1 | 1), e << 1 | 1);
	entry_give(t->head, t, e);
}

/* ---- the checker ---- */

static const char *check_bucket(
	const struct flow_table *t, uint32_t i, uint64_t *refs, uint64_t *spilled)
{
	const struct flow_bucket *b = &t->buckets[i];

	for (uint32_t s = 0; s < FLOW_BUCKET_SLOTS; s++) {
		uint64_t h;

		if (b->tag[s] == 0)
			continue;
		if (b->ref[s] >> 1 >= t->head->high || flow_at(t, b->ref[s] >> 1)->proto == 0)
			return "an index slot names a free entry";
		h = ref_hash(t, b->ref[s]);
		if (b->tag[s] != flow_tag(h))
			return "a tag is not its key's";
		if (flow_bucket1(t, h) != b && flow_bucket2(t, h) != b)
			return "a key stands in a bucket that is not its own";
		*spilled += flow_bucket1(t, h) != b;
		++*refs;
	}
	return NULL;
}

const char *flow_table_check(const struct flow_table *t)
{
	const struct flow_header *h = t->head;
	uint32_t used = 0, free_cnt = 0;
	uint64_t refs = 0, spilled = 0, spill = 0;

	for (uint32_t e = 0; e < h->high; e++)
		used += flow_at(t, e)->proto != 0;
	for (uint32_t e = h->free_head; e != L4_NONE32 && free_cnt <= h->high;
		e = flow_at(t, e)->member)
		free_cnt++;
	if (used != h->used || used + free_cnt != h->high)
		return "used and free entries do not add up";
	for (uint32_t i = 0; i < t->bucket_cnt; i++) {
		const char *bad = check_bucket(t, i, &refs, &spilled);

		if (bad != NULL)
			return bad;
		spill += t->buckets[i].spill;
	}
	if (refs != (uint64_t)used * (t->entry_size == sizeof(struct flow_nat) ? 2 : 1))
		return "index slots and entries do not add up";
	return spilled == spill ? NULL : "spill counts do not add up";
}
