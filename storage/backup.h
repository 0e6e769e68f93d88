/* SPDX-License-Identifier: Apache-2.0
 * backup - copies of a store that prove themselves, and a change of its number of shards.
 * Owner:      control; every call blocks for as long as it takes.
 * Invariants: BK1 a backup folder holds BACKUP_NAME only when it is complete: that file is written
 *             last and lists every other with its length and CRC-32C.  BK2 each shard is copied as
 *             of one moment, between two of its writes; shards of one backup may be seconds apart.
 *             BK3 a reshard changes what a store is by one rename: before it the old shards are the
 *             store, after it the new ones.
 * Errors:     -errno with a sentence in err. */
#ifndef STORAGE_BACKUP_H
#define STORAGE_BACKUP_H

#include "dataplane/base/compiler.h"

#define BACKUP_NAME "backup.manifest"

struct store;

/* Copies a store while it serves into `to`, which must not exist or be empty. */
int store_backup(struct store *s, const char *to, char *err, size_t err_len) WARN_UNUSED;
struct store_backup_need {
	uint64_t bytes; /* what the store holds now, about */
	uint64_t room;  /* free where the copy would be */
};
/* Would store_backup() begin? Makes nothing. */
int store_backup_check(struct store *s, const char *to, struct store_backup_need *out, char *err,
	size_t err_len) WARN_UNUSED;
/* Compares every file of a backup with the list. -EUCLEAN names the first that differs. */
int store_backup_verify(const char *from, char *err, size_t err_len) WARN_UNUSED;
/* Verifies, then copies a backup into `dir`, which must not exist or be empty. */
int store_restore(const char *from, const char *dir, char *err, size_t err_len) WARN_UNUSED;

struct store_verify {
	uint64_t records, members, expired, bytes;
	uint64_t malformed; /* keys or records that do not decode */
	uint64_t misplaced; /* in a shard that their slot does not belong to */
	uint64_t orphans;   /* members without a collection: a compaction will drop them */
};
/* Reads a closed store entirely: checksums of all blocks, and each record. -EUCLEAN if anything is
 * wrong; *out says how much was read. */
int store_verify(const char *dir, struct store_verify *out, char *err, size_t err_len) WARN_UNUSED;

/* Moves the keys of a closed store to `shard_cnt` shards. May be killed at any time and run again.
 * Needs as much free space as the store has data. */
int store_reshard(const char *dir, uint32_t shard_cnt, char *err, size_t err_len) WARN_UNUSED;

#endif
