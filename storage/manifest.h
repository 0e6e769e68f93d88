/* SPDX-License-Identifier: Apache-2.0
 * manifest - what a store consists of: shards, slot map, namespaces, epoch.  A text file named
 * "store.manifest" with a checksum line, replaced as a whole.
 * Owner:      control, under the store's lock file.
 * Invariants: MF1 the file on disk is always a complete old or new one (write aside, fsync, rename,
 *             fsync of the folder).  MF2 epoch grows with every open, so versions never repeat.
 *             MF3 a namespace keeps its number for ever.
 * Errors:     -ENOENT no store here, -EUCLEAN the file is damaged, else of the file system. */
#ifndef STORAGE_MANIFEST_H
#define STORAGE_MANIFEST_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"
#include "storage/slot.h"

#define MANIFEST_NAME "store.manifest"
#define MANIFEST_MAX  (256 * 1024)

struct manifest {
	uint32_t epoch;      /* of the last open */
	uint32_t generation; /* shards stand in folders named g<generation>-s<shard> */
	uint32_t shard_cnt, ns_cnt;
	uint8_t slot_shard[STORE_SLOTS];
	char ns[LIMIT_STORE_NS][LIMIT_NAME];
};

/* Even spread of the slots over 1 .. LIMIT_SHARDS shards. */
void manifest_spread(struct manifest *m, uint32_t shard_cnt);
/* Number of the namespace, which is added if it is new; -ENOSPC, -EINVAL for a bad name. */
int manifest_ns(struct manifest *m, const char *name) WARN_UNUSED;

/* text need not end with NUL. 0 or -EUCLEAN; *m is whole or unspecified. */
int manifest_parse(struct manifest *m, const char *text, size_t len) WARN_UNUSED;
/* Returns the length, or 0 if it does not fit. */
size_t manifest_format(const struct manifest *m, char *out, size_t out_len);

int manifest_load(struct manifest *m, const char *dir) WARN_UNUSED;
int manifest_save(const struct manifest *m, const char *dir) WARN_UNUSED;

/* Path of a shard's folder. */
void manifest_shard_dir(
	const char *dir, uint32_t generation, uint32_t shard, char *out, size_t out_len);

/* Takes the lock file of the store; an open descriptor, -EBUSY if another process has it. */
int manifest_lock(const char *dir) WARN_UNUSED;

#endif
