/* SPDX-License-Identifier: Apache-2.0
 * flow - the tracked flows of one worker: one table for DSR and tunnels, one for NAT and full NAT.
 * Owner:      one worker.  Lifetime: create to destroy, never resized.
 * Invariants: FL1 every used entry is in the index once per key it has (one, or two in a NAT table)
 *             and the index holds nothing else. FL2 a bucket's spill is the number of index slots
 *             whose first bucket it is and that stand in their second. FL3 used + free == number
 *             of entries ever used. FL4 nothing in the memory is a pointer: another process that
 *             maps it, header included, can go on with it.
 * Units:      seen in ticks (l4.h); ports and addresses in network order.
 * Limits:     LIMIT_FLOWS_PER_CORE. When full, or when a key finds no slot (below one in a billion
 *             at the load the table is sized for): -ENOSPC.
 * Cost:       44.8 bytes a flow, 89.6 in a NAT table, index included. A lookup reads one bucket
 *             line, seldom a second, and the entry's line; flow_prefetch_bucket() and
 *             flow_prefetch_entry() overlap those misses over a burst. No division. */
#ifndef LB_L4_FLOW_H
#define LB_L4_FLOW_H

#include <emmintrin.h>

#include "dataplane/base/hash.h"
#include "dataplane/net/addr.h"
#include "lb/l4/l4.h"

#define FLOW_BUCKET_SLOTS 8
#define FLOW_BUCKET_FILL  5 /* index slots in use per bucket when the table is full */

/* The client's side of a flow. The VIP is its number, so that a key is 24 bytes for IPv6 too. */
struct flow_key {
	struct ip_addr client;
	uint16_t cport, vport;
	uint16_t vip;
	uint8_t proto;
	uint8_t zero;
};
_Static_assert(sizeof(struct flow_key) == 24, "compared as three words");

struct flow_entry {
	struct ip_addr client;
	uint16_t cport, vport;
	uint16_t vip;
	uint8_t proto;   /* 0: the entry is free, and member links to the next free one */
	uint8_t state;   /* enum l4_flow_state; not part of the key */
	uint32_t member; /* backend number */
	uint32_t seen;   /* tick of the last packet */
};
_Static_assert(sizeof(struct flow_entry) == 32, "two entries a line");

/* The backend's side of a flow that is translated: packets backend:bport -> local:lport. Without
 * full NAT the local side is the client itself, and local is L4_NONE16. */
struct flow_back {
	struct ip_addr backend;
	uint16_t bport, lport;
	uint16_t local; /* local address number */
	uint8_t proto;
	uint8_t zero;
};
_Static_assert(sizeof(struct flow_back) == 24, "compared as three words");

enum flow_nat_flag {
	FLOW_FIN_CLIENT = 1 << 0,
	FLOW_FIN_BACKEND = 1 << 1,
	FLOW_TOA_MASK = 3 << 2, /* packets that still get the client's address */
	FLOW_TOA_ONE = 1 << 2,
};

struct flow_nat {
	struct flow_entry f;
	struct ip_addr backend;
	uint16_t bport, lport;
	uint16_t local;
	uint8_t proto;
	uint8_t flags; /* enum flow_nat_flag; not part of the key */
	uint32_t spare[2];
} CACHE_ALIGNED;
_Static_assert(sizeof(struct flow_nat) == CACHE_LINE, "one line a translated flow");

struct flow_bucket {
	uint16_t tag[FLOW_BUCKET_SLOTS]; /* 0: free */
	uint32_t ref[FLOW_BUCKET_SLOTS]; /* entry << 1 | which of its keys (0 client, 1 backend) */
	uint32_t spill;
	uint32_t pad[3];
} CACHE_ALIGNED;
_Static_assert(sizeof(struct flow_bucket) == CACHE_LINE, "one line a bucket");

#define FLOW_LAYOUT_VERSION 1

/* What stands at the start of the memory. */
struct flow_header {
	uint32_t layout_version;
	uint32_t entry_size;
	uint32_t capacity, bucket_cnt;
	uint32_t used;      /* entries in use */
	uint32_t high;      /* entries from here on were never used */
	uint32_t free_head; /* L4_NONE32: none */
	uint32_t pad;
	struct mix_key key;
	uint64_t no_slot; /* keys that found no index slot */
};

struct flow_table {
	struct flow_header *head;
	struct flow_bucket *buckets;
	uint8_t *entries;
	uint32_t bucket_cnt, entry_size; /* copies: the header is not hot */
	uint64_t k[4];
};

/* Bytes of a table of `capacity` flows; nat: with the backend's side. */
size_t flow_table_bytes(uint32_t capacity, bool nat);
/* Lay a table out in zeroed, line-aligned memory of flow_table_bytes(). */
void flow_table_init(struct flow_table *t, void *mem, uint32_t capacity, bool nat);
/* Use this key for the hashes; only while the table is empty. */
void flow_table_set_key(struct flow_table *t, const struct mix_key *key);
/* Take over what another process left in `mem`; -EINVAL when its layout is not ours. */
int flow_table_adopt(struct flow_table *t, void *mem, size_t len, bool nat) WARN_UNUSED;

ALWAYS_INLINE struct flow_entry *flow_at(const struct flow_table *t, uint32_t e)
{
	return (struct flow_entry *)(void *)(t->entries + (size_t)e * t->entry_size);
}

ALWAYS_INLINE struct flow_nat *flow_nat_at(const struct flow_table *t, uint32_t e)
{
	return (struct flow_nat *)(void *)(t->entries + (size_t)e * sizeof(struct flow_nat));
}

ALWAYS_INLINE uint64_t flow_key_word(const struct flow_key *k)
{
	return load64(&k->cport);
}

/* Hash of either side; 24 bytes whose last is zero. */
ALWAYS_INLINE uint64_t flow_hash(const struct flow_table *t, const struct flow_key *k)
{
	uint64_t h = mix_fold(k->client.d[0] ^ t->k[0], k->client.d[1] ^ t->k[1]);

	return mix_fold(h ^ t->k[2], flow_key_word(k) ^ t->k[3]);
}

/* The backend's side; `client` has a say only without a local address. */
ALWAYS_INLINE uint64_t flow_hash_back(
	const struct flow_table *t, const struct flow_back *k, const struct ip_addr *client)
{
	uint64_t h = mix_fold(k->backend.d[0] ^ t->k[1], k->backend.d[1] ^ t->k[0]);

	if (k->local == L4_NONE16)
		h ^= mix_fold(client->d[0] ^ t->k[2], client->d[1] ^ t->k[0]);
	return mix_fold(h ^ t->k[3], load64(&k->bport) ^ t->k[2]);
}

ALWAYS_INLINE uint16_t flow_tag(uint64_t hash)
{
	return (uint16_t)hash != 0 ? (uint16_t)hash : 1;
}

ALWAYS_INLINE struct flow_bucket *flow_bucket1(const struct flow_table *t, uint64_t hash)
{
	return &t->buckets[((hash >> 32) * t->bucket_cnt) >> 32];
}

ALWAYS_INLINE struct flow_bucket *flow_bucket2(const struct flow_table *t, uint64_t hash)
{
	uint64_t h = (hash ^ hash >> 29) * UINT64_C(0x9e3779b97f4a7c15);

	return &t->buckets[((h >> 32) * t->bucket_cnt) >> 32];
}

/* Slots whose tag is `tag`: two bits a slot. */
ALWAYS_INLINE uint32_t flow_bucket_match(const struct flow_bucket *b, uint16_t tag)
{
	__m128i tags = _mm_load_si128((const __m128i *)(const void *)b->tag);

	return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag)));
}

/* First stage of a burst. */
ALWAYS_INLINE void flow_prefetch_bucket(const struct flow_table *t, uint64_t hash)
{
	__builtin_prefetch(flow_bucket1(t, hash));
}

/* Second stage: the line of what is probably the entry. */
ALWAYS_INLINE void flow_prefetch_entry(const struct flow_table *t, uint64_t hash)
{
	const struct flow_bucket *b = flow_bucket1(t, hash);
	uint32_t match = flow_bucket_match(b, flow_tag(hash));

	if (match != 0)
		__builtin_prefetch(flow_at(t, b->ref[__builtin_ctz(match) / 2] >> 1), 1);
}

#define FLOW_KEY_MASK UINT64_C(0x00ffffffffffffff) /* little endian: without the last byte */

ALWAYS_INLINE bool flow_entry_is(const struct flow_entry *e, const struct flow_key *k)
{
	return ((e->client.d[0] ^ k->client.d[0]) | (e->client.d[1] ^ k->client.d[1]) |
		       ((load64(&e->cport) ^ flow_key_word(k)) & FLOW_KEY_MASK)) == 0;
}

ALWAYS_INLINE bool flow_nat_is(
	const struct flow_nat *e, const struct flow_back *k, const struct ip_addr *client)
{
	return ((e->backend.d[0] ^ k->backend.d[0]) | (e->backend.d[1] ^ k->backend.d[1]) |
		       ((load64(&e->bport) ^ load64(&k->bport)) & FLOW_KEY_MASK)) == 0 &&
	       (k->local != L4_NONE16 || ip_addr_eq(&e->f.client, client));
}

ALWAYS_INLINE uint32_t flow_find_in(const struct flow_table *t, const struct flow_bucket *b,
	uint16_t tag, const struct flow_key *k)
{
	uint32_t match = flow_bucket_match(b, tag) & 0x5555;

	for (; match != 0; match &= match - 1) {
		uint32_t ref = b->ref[__builtin_ctz(match) / 2];

		if ((ref & 1) == 0 && flow_entry_is(flow_at(t, ref >> 1), k))
			return ref >> 1;
	}
	return L4_NONE32;
}

/* The entry of a client's side, or L4_NONE32. */
ALWAYS_INLINE uint32_t flow_find(
	const struct flow_table *t, uint64_t hash, const struct flow_key *k)
{
	const struct flow_bucket *b = flow_bucket1(t, hash);
	uint32_t e = flow_find_in(t, b, flow_tag(hash), k);

	if (e == L4_NONE32 && unlikely(b->spill != 0))
		e = flow_find_in(t, flow_bucket2(t, hash), flow_tag(hash), k);
	return e;
}

/* The entry of a backend's side, or L4_NONE32; NAT tables only. */
uint32_t flow_find_back(const struct flow_table *t, uint64_t hash, const struct flow_back *k,
	const struct ip_addr *client);

/* Take an entry and index its client side, or both sides with back != NULL (which a NAT table
 * needs). State, member and flags are the caller's to set. The keys must not be in the table.
 * Returns 0 or -ENOSPC, and then nothing has changed. */
int flow_insert(struct flow_table *t, uint64_t hash, const struct flow_key *k,
	const struct flow_back *back, uint32_t *out) WARN_UNUSED;
/* Remove an entry that is in use. */
void flow_remove(struct flow_table *t, uint32_t e);

ALWAYS_INLINE uint32_t flow_used(const struct flow_table *t)
{
	return t->head->used;
}

ALWAYS_INLINE uint32_t flow_capacity(const struct flow_table *t)
{
	return t->head->capacity;
}

ALWAYS_INLINE bool flow_full(const struct flow_table *t)
{
	return t->head->free_head == L4_NONE32 && t->head->high == t->head->capacity;
}

/* Check FL1-FL3 over the whole table; for tests. Returns NULL or what is wrong. */
const char *flow_table_check(const struct flow_table *t);

#endif
