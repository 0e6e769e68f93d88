/* SPDX-License-Identifier: Apache-2.0
 * collection - what hashes, sets, sorted sets and lists share: the KEY record with the number of
 * members (storage/codec.h), and the writing of both together. Every write of a member writes the
 * KEY record too, so that its version tells of any change. */
#ifndef LB_L7_RESP_COLLECTION_H
#define LB_L7_RESP_COLLECTION_H

#include "lb/l7/resp/command.h"

struct coll {
	const struct resp_arg *key;
	uint8_t type;
	bool exists;
	uint64_t incarnation, count, expire_ms;
	int64_t head; /* of a list: index of its first element */
};

/* False: not there yet, or another type, which has been said. A key that is absent is an empty
 * collection. */
bool coll_open(struct resp_call *k, uint32_t i, uint8_t type, struct coll *c);
/* The same for a key of this type or absent, that has been read. */
void coll_of(const struct kvs_ent *e, const struct resp_arg *key, uint8_t type, struct coll *c);
/* True: coll_open() said no for good. */
static inline bool coll_refused(const struct resp_call *k, bool opened)
{
	return !opened && !kvs_waits(k->tx);
}
static inline struct kvs_ent *coll_item(
	struct resp_call *k, const struct resp_arg *key, const void *sub, size_t len)
{
	return kvs_member(k->tx, key->p, key->len, CODEC_ITEM, sub, len);
}
/* Makes what is written from now on a new collection in place of whatever is there. */
void coll_renew(struct coll *c, const struct resp_arg *key, uint8_t type);
/* Writes the KEY record, or removes the key when nothing is left. Before the members. */
void coll_save(struct resp_call *k, const struct coll *c);
static inline void coll_put(struct resp_call *k, const struct coll *c, const void *sub,
	size_t sub_len, const void *val, uint32_t val_len)
{
	kvs_put_member(k->tx, c->key->p, c->key->len, CODEC_ITEM, sub, sub_len, val, val_len);
}
static inline void coll_remove(
	struct resp_call *k, const struct coll *c, const void *sub, size_t sub_len)
{
	kvs_delete_member(k->tx, c->key->p, c->key->len, CODEC_ITEM, sub, sub_len);
}
/* All members, in the order of their bytes; NULL: not yet. */
const struct kvs_scan *coll_all(struct resp_call *k, const struct resp_arg *key, bool values);

/* A member cannot be longer than a key. False: the error has been written. */
bool coll_sub_ok(struct resp_call *k, uint32_t i);
/* A random number below n. */
uint64_t coll_random(struct resp_call *k, uint64_t n);
/* Draws m of n distinct numbers into out, in increasing order. */
void coll_choose(struct resp_call *k, uint64_t n, uint64_t m, uint32_t *out);

/* The argument [count] of what pops; false: the error has been written. */
bool coll_pop_count(struct resp_call *k, int64_t *n);

/* Members drawn at random by the arguments [count [word]]: count of them, each once, or -count of
 * them of which some may come again; without it, one. */
struct coll_draw {
	const struct kvs_scan *s;
	uint64_t n;
	const uint32_t *at; /* NULL: drawn as they are asked for */
	bool one, with;     /* no count was given; the word was */
};
/* word: NULL if the command has none. False: not there yet, or all has been said. */
bool coll_draw(struct resp_call *k, uint8_t type, const char *word, struct coll_draw *d);
static inline const struct kvs_item *coll_drawn(
	struct resp_call *k, const struct coll_draw *d, uint64_t i)
{
	return &d->s->items[d->at != NULL ? d->at[i] : coll_random(k, d->s->count)];
}

#endif
