/* SPDX-License-Identifier: Apache-2.0
 * uring_fs - what rocksdb/c.h cannot give: a FileSystem whose batched reads go through io_uring, a
 * logger, event listeners, a compaction filter, Resume, memtables made of storage/memtable.h. The C
 * side of the one C++ file.
 * Owner:      control creates and destroys; any thread may read through it meanwhile.
 * Lifetime:   a uring_fs outlives every database opened on its environment.
 * Invariants: UF1 each thread has two rings of its own, one for MultiRead and one for ReadAsync,
 *             made on first use and freed when the thread ends.  UF2 no buffer is handed back while
 *             the kernel may still write to it.  UF3 a file is read through io_uring or pread with
 *             the same result; io_uring is never required.  UF4 logs, manifests and single reads
 *             take the POSIX path, nothing is held back or merged.  UF5 memtables of ours only with
 *             allow_concurrent_memtable_write off and without a prefix extractor.
 * Units:      sizes in bytes, errors are errno values.
 * Errors:     an I/O error of one request of a batch fails that request alone.
 * Limits:     URING_FS_DEPTH requests in flight on one ring. */
#ifndef STORAGE_URING_FS_H
#define STORAGE_URING_FS_H

#ifdef __cplusplus
#include <cstddef>
#include <cstdint>
extern "C" {
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

#define URING_FS_DEPTH 256

struct memtable_key;
struct rocksdb_env_t;
struct rocksdb_logger_t;
struct rocksdb_options_t;
struct rocksdb_readoptions_t;
struct rocksdb_t;
struct uring_fs;

/* use_uring false: every read is a pread, for comparison and where io_uring is unwanted. NULL when
 * memory is short. */
struct uring_fs *uring_fs_create(bool use_uring);
void uring_fs_destroy(struct uring_fs *fs);
/* Lives as long as fs; give it to rocksdb_options_set_env(), never destroy it. */
struct rocksdb_env_t *uring_fs_env(struct uring_fs *fs);
void uring_fs_set_threads(struct uring_fs *fs, int flush, int compaction);

#define URING_FS_COUNTERS(C)                                            \
	C(multi_reads, "batches read through io_uring")                 \
	C(multi_reqs, "requests of those batches")                      \
	C(async_reads, "read-aheads through io_uring")                  \
	C(single_reads, "single reads by pread")                        \
	C(fallback_reqs, "requests of batches that took pread instead") \
	C(short_reads, "io_uring reads that pread had to finish")       \
	C(rings, "rings made")                                          \
	C(rings_refused, "rings that the kernel refused")               \
	C(read_errors, "reads that failed")                             \
	C(write_errors, "writes and syncs that failed")                 \
	C(faults, "failures injected by a test")                        \
	C(log_syncs, "fsync calls on logs")                             \
	C(log_bytes, "bytes written to logs")

struct uring_fs_counts {
#define URING_FS_COUNTER_FIELD(name, text) uint64_t name;
	URING_FS_COUNTERS(URING_FS_COUNTER_FIELD)
#undef URING_FS_COUNTER_FIELD
};
void uring_fs_get_counts(const struct uring_fs *fs, struct uring_fs_counts *out);

/* Writes a file of its own below dir, reads it in one batch and one read-ahead, and compares with
 * what was written. 0: io_uring did the work. -ENOSYS: the data was right, but pread did it. Any
 * other: the directory or the path is broken. */
int uring_fs_self_check(struct uring_fs *fs, const char *dir);
/* Does dir's file system take O_DIRECT? */
bool uring_fs_direct_works(const char *dir);

enum uring_fs_fault {
	URING_FS_READ,       /* table or blob read, single or batched */
	URING_FS_LOG_WRITE,  /* append to a write-ahead log */
	URING_FS_LOG_SYNC,   /* fsync of a write-ahead log */
	URING_FS_DATA_WRITE, /* append to a table or blob file */
	URING_FS_DATA_SYNC,  /* fsync of a table or blob file */
	URING_FS_META_WRITE, /* append to or fsync of MANIFEST, CURRENT and the like */
	URING_FS_FAULT_CNT,
};
/* The next `times` operations of this kind after `skip` more fail with err. times 0 disarms. */
void uring_fs_inject(
	struct uring_fs *fs, enum uring_fs_fault kind, uint32_t skip, uint32_t times, int err);

/* ---- memtables ---- */

/* Keys whose first byte is at most this are hashed, and so is the empty one; those behind them
 * stand in a skip list. */
#define URING_FS_LAST_HASHED 0x10

struct uring_fs_memtables;
/* Those of the one database that is opened with opt, of about `bytes` each. It is freed after that
 * is closed. */
struct uring_fs_memtables *uring_fs_memtables_use(struct rocksdb_options_t *opt, uint64_t bytes);
void uring_fs_memtables_free(struct uring_fs_memtables *m);
/* The writer is about to write records of these keys. */
void uring_fs_memtables_prefetch(
	struct uring_fs_memtables *m, const struct memtable_key *keys, uint32_t n);

/* ---- the rest of the C++ side ---- */

enum uring_fs_stall { URING_FS_STALL_NONE, URING_FS_STALL_DELAYED, URING_FS_STALL_STOPPED };

/* Called from RocksDB's threads; they must not call RocksDB. */
struct uring_fs_events {
	void *ctx;
	/* severity as Status::Severity: 1 soft, 2 hard, 3 fatal, 4 unrecoverable. */
	void (*error)(void *ctx, int severity, bool no_space, bool corruption, const char *text);
	void (*stall)(void *ctx, enum uring_fs_stall now);
	void (*flushed)(void *ctx, uint64_t bytes);
	void (*compacted)(void *ctx, uint64_t in_bytes, uint64_t out_bytes);
	void (*log)(void *ctx, int level, const char *text);
	/* True: a compaction drops this record. */
	bool (*drop)(void *ctx, const char *key, size_t key_len, const char *val, size_t val_len);
};
/* Installs listener, logger and filter; *ev is copied, its ctx must outlive the database. */
void uring_fs_set_events(struct rocksdb_options_t *opt, const struct uring_fs_events *ev);
/* Frees what uring_fs_set_events() hung on opt and the options do not own (the filter). */
void uring_fs_free_filter(struct rocksdb_options_t *opt);
void uring_fs_read_async(struct rocksdb_readoptions_t *opt, bool on);
/* DB::Resume and DB::VerifyChecksum; on failure -EIO and the reason in err. */
int uring_fs_resume(struct rocksdb_t *db, char *err, size_t err_len);
int uring_fs_verify(struct rocksdb_t *db, char *err, size_t err_len);

#ifdef __cplusplus
}
#endif
#endif
