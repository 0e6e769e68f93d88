/* SPDX-License-Identifier: Apache-2.0
 * rocks - one RocksDB database, as the shards use it.  The only user of rocksdb/c.h.
 * Owner:      struct rocks_env: the store; struct rocks: one shard, opened and closed by its commit
 *             thread.  Writes come from one thread, reads from any.
 * Lifetime:   the environment outlives its databases; batches, iterators, snapshots and results are
 *             released before rocks_close().
 * Errors:     0, -ENOENT, -EIO (failed read or write), -ENOSPC, -EUCLEAN (corruption), -EBUSY (a
 *             write stall, nothing was written), -ETIMEDOUT, -ENOMEM; the reason goes to `err`,
 *             ROCKS_ERR bytes.
 * Units:      bytes. */
#ifndef STORAGE_ROCKS_H
#define STORAGE_ROCKS_H

#include "dataplane/base/compiler.h"
#include "storage/memtable.h"
#include "storage/uring_fs.h"

#define ROCKS_ERR 256

struct rocks;
struct rocks_batch;
struct rocks_env;
struct rocks_iter;
struct rocks_snapshot;

struct rocks_env_params {
	uint64_t block_cache_bytes;
	uint64_t write_rate_bytes; /* flush and compaction, a second; 0 = unlimited */
	uint32_t background_threads;
	bool use_uring;
};

struct rocks_env *rocks_env_create(const struct rocks_env_params *p) WARN_UNUSED;
void rocks_env_destroy(struct rocks_env *env);
struct uring_fs *rocks_env_fs(struct rocks_env *env);

struct rocks_params {
	uint64_t memtable_bytes;    /* of one memtable; at most three exist */
	uint64_t target_file_bytes; /* large files make large read batches */
	uint64_t blob_min_bytes;    /* values at least this long go to blob files; 0 = none */
	uint64_t blob_file_bytes;
	bool direct_io;
	bool compress;
	bool manual_compaction; /* no automatic one: for tests and measurements */
	bool read_only;
	bool must_exist;
};

int rocks_open(struct rocks_env *env, const struct rocks_params *p,
	const struct uring_fs_events *ev, const char *dir, struct rocks **out,
	char *err) WARN_UNUSED;
void rocks_close(struct rocks *db);

struct rocks_slice {
	const uint8_t *data;
	size_t len;
};

/* ---- writing ---- */
struct rocks_batch *rocks_batch_create(void) WARN_UNUSED;
void rocks_batch_destroy(struct rocks_batch *b);
void rocks_batch_clear(struct rocks_batch *b);
uint32_t rocks_batch_count(const struct rocks_batch *b);
/* The value is head followed by body; everything is copied. */
void rocks_batch_put(struct rocks_batch *b, struct rocks_slice key, struct rocks_slice head,
	struct rocks_slice body);
void rocks_batch_delete(struct rocks_batch *b, struct rocks_slice key);
/* [from, to) */
void rocks_batch_delete_range(
	struct rocks_batch *b, struct rocks_slice from, struct rocks_slice to);

/* What a write of these keys will touch is fetched meanwhile. Of collections' members it gains
 * nothing. */
void rocks_prefetch(struct rocks *db, const struct memtable_key *keys, uint32_t n);

enum rocks_write {
	ROCKS_SYNC = 1,        /* on return the batch and all before it are on the device */
	ROCKS_NO_LOG = 2,      /* not in the log: lost by a crash */
	ROCKS_NO_SLOWDOWN = 4, /* -EBUSY instead of waiting */
};
int rocks_write(struct rocks *db, struct rocks_batch *b, unsigned how, char *err) WARN_UNUSED;
int rocks_sync_log(struct rocks *db, char *err) WARN_UNUSED;
int rocks_flush(struct rocks *db, char *err) WARN_UNUSED;
void rocks_compact(struct rocks *db);
int rocks_resume(struct rocks *db, char *err) WARN_UNUSED;

/* ---- reading ---- */
struct rocks_result {
	struct rocks_slice val; /* valid until rocks_release() */
	int status;             /* 0, -ENOENT or another error of this key alone */
	void *pin;
};
/* One batch at one point in time: of the snapshot, or now if that is NULL. */
void rocks_multi_get(struct rocks *db, struct rocks_snapshot *snap, uint32_t n,
	const struct rocks_slice *keys, struct rocks_result *out);
/* One by one with RocksDB's plain Get: for comparison. */
void rocks_get_each(struct rocks *db, struct rocks_snapshot *snap, uint32_t n,
	const struct rocks_slice *keys, struct rocks_result *out);
void rocks_release(struct rocks_result *r, uint32_t n);
/* One key, also while the database closes: for the compaction filter. tables: as its tables have
 * it, which no crash takes back. */
void rocks_get_closing(
	struct rocks *db, struct rocks_slice key, bool tables, struct rocks_result *out);

struct rocks_snapshot *rocks_snapshot(struct rocks *db) WARN_UNUSED;
void rocks_snapshot_release(struct rocks *db, struct rocks_snapshot *s);

/* Keys in [from, to); the slices' bytes must stay until the iterator is destroyed. */
struct rocks_iter *rocks_iter_create(struct rocks *db, struct rocks_snapshot *snap,
	struct rocks_slice from, struct rocks_slice to, bool reverse) WARN_UNUSED;
void rocks_iter_destroy(struct rocks_iter *it);
bool rocks_iter_valid(const struct rocks_iter *it);
void rocks_iter_next(struct rocks_iter *it);
struct rocks_slice rocks_iter_key(const struct rocks_iter *it);
struct rocks_slice rocks_iter_val(const struct rocks_iter *it);
/* What ended the iteration: 0 at its end. */
int rocks_iter_status(const struct rocks_iter *it, char *err) WARN_UNUSED;

/* ---- the rest ---- */
/* Hard links and copies that make a database of their own in dir, which must not exist. */
int rocks_checkpoint(struct rocks *db, const char *dir, char *err) WARN_UNUSED;
/* Reads every block of every table and checks it. */
int rocks_verify(struct rocks *db, char *err) WARN_UNUSED;
/* An integer property such as "rocksdb.num-files-at-level0"; 0 if there is none. */
uint64_t rocks_property(struct rocks *db, const char *name);

#endif
