/* SPDX-License-Identifier: Apache-2.0
 * memtable - what a database has been told since its last table was written: a hash of user keys,
 * each with its versions, that is put into order only when somebody walks it.
 *
 * RocksDB's own memtable is a skip list: an insertion compares with some twenty keys, each a cache
 * miss, and that was half of the cost of a write. Here it takes one or two.
 *
 * Owner:      one writer; any number of readers and iterators beside it.
 * Lifetime:   entries live as long as the memory that `alloc` gives; iterators end before the
 *             table.
 * Invariants: MT1 an entry is complete before it can be reached, and never changes.  MT2 a key's
 *             versions are a list from the newest.  MT3 main and delta are sorted, have no key in
 *             common, and together hold every key up to `sorted_to`.
 * Units:      bytes. An entry as RocksDB encodes it: varint length of the internal key, user key,
 *             trailer (8, little-endian: sequence << 8 | kind), then what the table does not look
 *             at.
 * Errors:     none; memory that runs out ends the process, as in RocksDB.
 * Limits:     below 2^32 user keys, each shorter than 4 GiB.
 * Cost:       memtable_add: one bucket, one key. Begin of an iteration: the keys that are new since
 *             the last one are sorted and merged with at most an eighth of the pointers; once in a
 *             while, when those have become more, with all of them. */
#ifndef STORAGE_MEMTABLE_H
#define STORAGE_MEMTABLE_H

#ifdef __cplusplus
#include <cstddef>
#include <cstdint>
extern "C" {
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

/* Stands before the bytes of an entry, aligned to 8. */
#define MEMTABLE_HEAD 16

struct memtable;
struct memtable_view;
struct memtable_head;
struct memtable_node;

/* alloc: memory that is freed with the table, aligned to 8. bytes: about how large it will grow. */
struct memtable *memtable_create(
	uint64_t bytes, void *(*alloc)(void *ctx, size_t n), void *alloc_ctx);
void memtable_destroy(struct memtable *t);

/* The entry stands at p + MEMTABLE_HEAD, in memory that lives as long as the table. False: the key
 * is there with this very trailer; nothing happened. */
bool memtable_add(struct memtable *t, void *p);
/* What memtable_add() will look at for these user keys is fetched meanwhile. */
struct memtable_key {
	const uint8_t *p;
	size_t len;
};
void memtable_prefetch(const struct memtable *t, const struct memtable_key *keys, uint32_t n);
/* Bytes that are not of `alloc`, and stay what they are: those of the order, a pointer for each key
 * that an iterator has met, are not among them. */
size_t memtable_bytes(const struct memtable *t);

/* A place in the table. Internal keys below: user key and trailer. */
struct memtable_iter {
	struct memtable *t;
	struct memtable_view *main, *delta; /* NULL: not in order yet, only memtable_iter_find() */
	uint32_t i, j;
	struct memtable_head *head;
	struct memtable_node *node; /* NULL: at neither */
};

void memtable_iter_init(struct memtable_iter *it, struct memtable *t);
void memtable_iter_fini(struct memtable_iter *it);
/* The entry, or NULL. */
const char *memtable_iter_entry(const struct memtable_iter *it);
/* To the first version of the key that is not newer than the trailer; memtable_iter_older() then
 * walks its versions alone. Needs no order. */
void memtable_iter_find(struct memtable_iter *it, const char *ikey, size_t len);
void memtable_iter_older(struct memtable_iter *it);
void memtable_iter_first(struct memtable_iter *it);
void memtable_iter_last(struct memtable_iter *it);
/* The first entry at or behind the internal key; the last one at or before it. */
void memtable_iter_seek(struct memtable_iter *it, const char *ikey, size_t len);
void memtable_iter_seek_prev(struct memtable_iter *it, const char *ikey, size_t len);
void memtable_iter_next(struct memtable_iter *it);
void memtable_iter_prev(struct memtable_iter *it);

#ifdef __cplusplus
}
#endif
#endif
