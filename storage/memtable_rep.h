/* SPDX-License-Identifier: Apache-2.0
 * memtable_rep - RocksDB's memtables are made of storage/memtable.h.
 * Owner:      the options.   Lifetime: to be called before the database is opened.
 * Invariants: MR1 only with allow_concurrent_memtable_write off and without a prefix extractor.
 * Units:      bytes of one memtable. */
#ifndef STORAGE_MEMTABLE_REP_H
#define STORAGE_MEMTABLE_REP_H

#ifdef __cplusplus
#include <cstdint>
extern "C" {
#else
#include <stdint.h>
#endif

struct rocksdb_options_t;

void memtable_rep_use(struct rocksdb_options_t *opt, uint64_t bytes);

#ifdef __cplusplus
}
#endif
#endif
