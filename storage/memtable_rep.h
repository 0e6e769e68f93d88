/* SPDX-License-Identifier: Apache-2.0
 * memtable_rep - RocksDB's memtables are made of storage/memtable.h.
 * Owner:      the options.   Lifetime: to be called before the database is opened.
 * Invariants: MR1 only with allow_concurrent_memtable_write off and without a prefix extractor.
 * Units:      bytes of one memtable. */
#ifndef STORAGE_MEMTABLE_REP_H
#define STORAGE_MEMTABLE_REP_H

#include "storage/memtable.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rocksdb_options_t;
struct memtable_rep;

/* The memtables of the one database that is opened with opt; lives until memtable_rep_free(), after
 * that is closed. */
struct memtable_rep *memtable_rep_use(struct rocksdb_options_t *opt, uint64_t bytes);
void memtable_rep_free(struct memtable_rep *r);
/* The writer is about to write records of these keys. */
void memtable_rep_prefetch(struct memtable_rep *r, const struct memtable_key *keys, uint32_t n);

#ifdef __cplusplus
}
#endif
#endif
