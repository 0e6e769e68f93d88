/* SPDX-License-Identifier: Apache-2.0
 * tcp table - 4-tuple to record map of one engine: connections, half-open ones, TIME_WAIT.
 * Owner:      one engine.        Lifetime: sized at init, never grows.
 * Invariants: TT1 an entry stands in one of the two buckets that its hash names.
 *             TT2 the caller never inserts a tuple twice.
 * Limits:     built for 7/8 load. An insert that finds both buckets full moves entries aside, at
 *             most MAKE_ROOM_DEPTH deep, and returns false only if that fails too
 *             (tests/model/tcp_table.c: never at full load).
 * Cost:       a bucket is one cache line; a hit reads one or two, a miss two. The tag is compared
 *             before the record is touched. */
#ifndef DATAPLANE_TCP_TABLE_H
#define DATAPLANE_TCP_TABLE_H

#include "dataplane/base/hash.h"
#include "dataplane/net/addr.h"

struct tcp_tuple {
	struct ip_addr raddr, laddr;
	uint16_t rport, lport;
	uint32_t own; /* fills the gap with a word of the record; not part of the key */
};

#define TCP_TUPLE_KEY_LEN 36

enum tcp_kind { TCP_KIND_CONN, TCP_KIND_SYN, TCP_KIND_TW, TCP_KIND_NONE };

#define TCP_SLOT_EMPTY UINT32_MAX
#define TCP_KIND_SHIFT 30

struct tcp_bucket {
	uint32_t tag[8];
	uint32_t slot[8]; /* kind in the top two bits, index below; TCP_SLOT_EMPTY */
} CACHE_ALIGNED;

struct tcp_table {
	struct tcp_bucket *buckets;
	uint32_t bucket_cnt, used;
	const uint8_t *base[3]; /* records by kind; each starts with its struct tcp_tuple */
	uint32_t size[3];
	struct mix_key key;
};

int tcp_table_init(struct tcp_table *t, uint32_t entries, const struct mix_key *key) WARN_UNUSED;
void tcp_table_fini(struct tcp_table *t);

ALWAYS_INLINE uint32_t tcp_slot(enum tcp_kind kind, uint32_t idx)
{
	return (uint32_t)kind << TCP_KIND_SHIFT | idx;
}

ALWAYS_INLINE enum tcp_kind tcp_slot_kind(uint32_t slot)
{
	return (enum tcp_kind)(slot >> TCP_KIND_SHIFT);
}

ALWAYS_INLINE uint32_t tcp_slot_idx(uint32_t slot)
{
	return slot & ((1u << TCP_KIND_SHIFT) - 1);
}

ALWAYS_INLINE bool tcp_tuple_eq(const struct tcp_tuple *a, const struct tcp_tuple *b)
{
	return ((a->raddr.d[0] ^ b->raddr.d[0]) | (a->raddr.d[1] ^ b->raddr.d[1]) |
		       (a->laddr.d[0] ^ b->laddr.d[0]) | (a->laddr.d[1] ^ b->laddr.d[1]) |
		       (load32(&a->rport) ^ load32(&b->rport))) == 0;
}

ALWAYS_INLINE uint64_t tcp_tuple_hash(const struct tcp_table *t, const struct tcp_tuple *u)
{
	return mix_hash5(&t->key, u->raddr.d[0], u->raddr.d[1], u->laddr.d[0], u->laddr.d[1],
		load32(&u->rport));
}

ALWAYS_INLINE struct tcp_bucket *tcp_bucket_1(const struct tcp_table *t, uint64_t hash)
{
	return &t->buckets[(uint64_t)(uint32_t)hash * t->bucket_cnt >> 32];
}

ALWAYS_INLINE struct tcp_bucket *tcp_bucket_2(const struct tcp_table *t, uint64_t hash)
{
	return &t->buckets[(hash >> 32) * t->bucket_cnt >> 32];
}

/* The slot of a tuple, or TCP_SLOT_EMPTY. */
uint32_t tcp_table_find(const struct tcp_table *t, const struct tcp_tuple *u, uint64_t hash);
/* A slot whose tag matches, without touching the record: a guess to prefetch. */
uint32_t tcp_table_guess(const struct tcp_table *t, uint64_t hash);
bool tcp_table_insert(struct tcp_table *t, uint64_t hash, uint32_t slot) WARN_UNUSED;
/* Remove or replace exactly this slot; it must be there. */
void tcp_table_remove(struct tcp_table *t, uint64_t hash, uint32_t slot);
void tcp_table_replace(struct tcp_table *t, uint64_t hash, uint32_t old, uint32_t slot);

#endif
