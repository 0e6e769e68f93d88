/* SPDX-License-Identifier: Apache-2.0
 * store - durable, sharded data that workers reach without ever waiting.
 *
 * A worker fills a request descriptor, submits it and finds it again in store_poll(), some turns
 * later, with its outcome. Threads of the store do the work: per shard one commit thread, which
 * turns everything that queued during the last fsync into one write, and one or more reader
 * threads, which turn what queued into one batch of reads.
 *
 * Owner:      control opens and closes; a client and its descriptors belong to one worker alone.
 * Lifetime:   from store_submit() until store_poll() returns it, a descriptor and every buffer it
 *             names (keys, values, items, out) belong to the store; outside of that they are the
 *             caller's.  A caller that goes away meanwhile leaves its buffers standing and knows
 *             the answer by `cookie`, which the store only hands back.
 * Invariants: ST1 every submitted request comes back exactly once.  ST2 a request's items are
 *             applied all or none.  ST3 a write that was answered with 0 is seen by every read
 *             submitted later, and survives what its namespace's durability promises.  ST4 versions
 *             of a key only grow, also over delete and restart; 0 is no version.  ST5 one client's
 *             writes to one shard with one priority are applied in the order of submission.
 * Units:      now_ns and deadlines: monotonic ns (dataplane/base/time.h); expiry: ms since 1970.
 * Errors:     see STORE_ERRORS below; submit refuses at once what has no chance.
 * Limits:     params.queue_len requests of one client wait for one thread of a shard: low priority
 *             gets half of that, normal seven eighths; beyond it -EBUSY.
 * Cost:       no call of a worker waits, locks, allocates or enters the kernel, except that
 *             store_flush() rings a thread that sleeps (one futex call for each such thread). */
#ifndef STORAGE_STORE_H
#define STORAGE_STORE_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"
#include "storage/codec.h"
#include "storage/slot.h"

#define STORE_CLIENTS 128 /* two for each worker: what one waits for does not crowd the other */
_Static_assert(STORE_CLIENTS >= 2 * LIMIT_WORKERS, "a worker may be two clients");

struct store;
struct store_client;

/* ---- what a namespace promises ---- */
enum store_durability {
	STORE_ALWAYS,   /* answered after fsync */
	STORE_EVERYSEC, /* answered after the write to the kernel, fsync once a second */
	STORE_VOLATILE, /* not logged: a crash loses what no flush has written; an orderly close
			   loses nothing */
};
int store_durability_parse(const char *text, enum store_durability *out) WARN_UNUSED;

struct store_ns_params {
	const char *name; /* printable, without blanks, below LIMIT_NAME */
	enum store_durability durability;
};

struct store_params {
	const char *dir;
	/* For a store that is made now; an existing one keeps its number of shards until
	 * store_reshard(), and another number here is -EINVAL. 0: as it is, or 1. */
	uint32_t shard_cnt;
	uint32_t reader_cnt; /* threads of one shard, 1 .. LIMIT_STORE_READERS */
	uint32_t client_cnt; /* up to STORE_CLIENTS */
	uint32_t queue_len;  /* up to LIMIT_STORE_QUEUE */
	const struct store_ns_params *ns;
	uint32_t ns_cnt; /* item.key.ns is an index into ns */

	uint32_t batch_items; /* of one group commit */
	uint64_t batch_bytes;
	uint32_t read_batch; /* keys of one MultiGet */

	uint64_t block_cache_bytes, memtable_bytes, target_file_bytes;
	uint64_t blob_min_bytes, blob_file_bytes;
	uint64_t write_rate_bytes; /* flush and compaction, a second; 0 = unlimited */
	uint32_t background_threads;
	bool use_uring, compress, no_direct_io, manual_compaction;

	/* Below low_space_bytes writes that add data are refused (-ENOSPC). The ballast is a file
	 * of that size, given up when the disk is full after all, so that clean-up has room. */
	uint64_t low_space_bytes, ballast_bytes;
	uint64_t snapshot_max_ms; /* a snapshot older than this is closed */
	bool start_degraded;      /* open even if some shards cannot: they answer -ENXIO */

	const uint16_t *cpus; /* the store's threads run on these alone; NULL: anywhere */
	uint32_t cpu_cnt;
	uint64_t (*wall_ms)(void *ctx); /* NULL: the system's clock */
	void *wall_ctx;
};

/* Sizes and limits that fit a server; dir, ns and client_cnt are left to the caller. */
void store_params_init(struct store_params *p);

/* 0 or -errno with a sentence in err. -EBUSY: another process has the store open; -EUCLEAN:
 * damaged. */
int store_open(
	const struct store_params *p, struct store **out, char *err, size_t err_len) WARN_UNUSED;
/* Workers have stopped. Requests in flight are finished but not returned. */
void store_close(struct store *s);

/* ---- requests ---- */
#define STORE_ERRORS(E)                                                               \
	E(ENOENT, "no such key")                                                      \
	E(EEXIST, "the key exists (STORE_IF_ABSENT)")                                 \
	E(ESTALE, "another version (STORE_IF_VERSION), or a snapshot that is gone")   \
	E(EPROTOTYPE, "the key holds another type")                                   \
	E(EBADMSG, "the value is no integer")                                         \
	E(ERANGE, "the sum would overflow")                                           \
	E(EMSGSIZE, "the value does not fit into out; value_len says how long it is") \
	E(EINVAL, "a malformed request")                                              \
	E(EXDEV, "items of several shards or namespaces in one request")              \
	E(EBUSY, "shed: queue full or writes stalled; not done")                      \
	E(ETIMEDOUT, "deadline passed; not done")                                     \
	E(EROFS, "the shard is read-only after an error; not done")                   \
	E(ENOSPC, "the disk is full; not done")                                       \
	E(ENXIO, "the shard is offline")                                              \
	E(ECANCELED, "not done, because another item failed")                         \
	E(EIO, "the device failed to read this key")                                  \
	E(EUCLEAN, "this key's data on disk is damaged")                              \
	E(ENOTRECOVERABLE, "the write failed half-way: outcome unknown, it may appear later")
/* The sentence for a status of a request or item; "ok" for 0. */
const char *store_error_text(int status);

enum store_kind {
	STORE_READ,       /* items: get each; all items at one point in time */
	STORE_WRITE,      /* items: op each, all or none */
	STORE_SCAN,       /* scan */
	STORE_SNAP_OPEN,  /* makes `snapshot` of the shard of one.key; released by SNAP_CLOSE */
	STORE_SNAP_CLOSE, /* one.key and snapshot as of SNAP_OPEN */
	STORE_CLEAR,      /* empties namespace one.key.ns in the shard of one.key */
};

enum store_prio { STORE_PRIO_HIGH, STORE_PRIO_NORMAL, STORE_PRIO_LOW, STORE_PRIO_CNT };

enum store_op {
	STORE_PUT,    /* write value with type and expire_ms */
	STORE_DELETE, /* remove; a collection loses its members with it */
	STORE_INCR,   /* add delta to an integer; an absent key counts as 0; keeps the expiry */
	STORE_EXPIRE, /* set expire_ms of an existing key, 0 = never */
	STORE_CHECK,  /* only the conditions */
};

enum store_flag {
	STORE_IF_ABSENT = 1,
	STORE_IF_PRESENT = 2,
	STORE_IF_VERSION = 4,  /* current version == if_version; 0 = absent */
	STORE_KEEP_TTL = 8,    /* PUT keeps the expiry of what it replaces */
	STORE_RETURN_OLD = 16, /* out gets what was there before; the write stands even if it does
				* not fit */
	STORE_IF_TYPE = 32,    /* current type == if_type, or absent */
};

/* Members (key.space CODEC_ITEM, CODEC_ORDER) name their collection by key.incarnation, taken from
 * its KEY record.  0 means, in a read, the current one (looked up with the same snapshot), and in a
 * write, the one that this very request creates: a PUT of a collection's KEY record whose payload
 * starts with incarnation 0 gets it filled in. */
struct store_item {
	struct codec_key key;
	uint8_t op, type, flags, if_type;
	uint32_t value_len; /* in: of value; out: of the payload found, however long out is */
	const uint8_t *value;
	uint64_t expire_ms; /* in and out */
	union {
		uint64_t if_version;
		int64_t delta;
	};
	uint8_t *out; /* payload found; NULL to leave it */
	uint32_t out_cap;
	/* out */
	int32_t status;
	uint64_t version; /* found, or written */
	int64_t number;   /* INCR: the sum */
	uint8_t found;    /* type of what was there; CODEC_NONE: nothing */
};

/* A range of one space: KEY records of a namespace (key.key unused), or members of a collection
 * (key.key, key.incarnation != 0). Bounds are in terms of the user key or sub. */
struct store_scan {
	const uint8_t *prefix, *from, *to; /* from <= x < to; to_len 0: no upper bound */
	uint16_t prefix_len, from_len, to_len;
	bool reverse, values;
	uint32_t limit;
	uint8_t *out; /* entries, see struct store_entry */
	uint32_t out_cap;
	/* out */
	uint32_t out_len, count;
	bool done; /* nothing is left in the range */
};

/* Followed by key_len bytes of key or sub and value_len bytes of payload, then padding to 8. */
struct store_entry {
	uint64_t version, expire_ms;
	uint32_t key_len, value_len;
	uint32_t type; /* CODEC_NONE: only a position: continue behind it */
	uint32_t size; /* of the whole entry */
};
/* To continue: forward, from = last key and a zero byte; reverse, to = last key. */
const struct store_entry *store_entry_first(const struct store_scan *s);
const struct store_entry *store_entry_next(const struct store_scan *s, const struct store_entry *e);
static inline const uint8_t *store_entry_key(const struct store_entry *e)
{
	return (const uint8_t *)(e + 1);
}
static inline const uint8_t *store_entry_value(const struct store_entry *e)
{
	return (const uint8_t *)(e + 1) + e->key_len;
}

struct store_req {
	uint64_t cookie; /* the caller's */
	/* 0: none. Looked at when a thread takes the request: what it has begun is finished. */
	uint64_t deadline_ns;
	uint64_t snapshot; /* READ, SCAN: 0 = now */
	struct store_item *items;
	uint32_t item_cnt; /* up to LIMIT_STORE_ITEMS */
	int32_t status;
	uint8_t kind, prio;
	/* SCAN of KEY records goes shard by shard; otherwise keys decide. */
	uint16_t shard;
	struct store_item one; /* items points here after store_req_get() */
	struct store_scan scan;
	/* the store's own */
	struct store_req *next_;
	uint64_t queued_ns_;
	uint64_t bytes_;
	uint32_t item_base_;
	uint16_t client_, thread_;
	bool adds_;
};

/* ---- the worker's side ---- */
struct store_client *store_client(struct store *s, uint32_t client);
/* Called by threads of the store when they answered: must wake the worker if it sleeps (after a
 * full fence, see dataplane/core). Before the worker runs; fn NULL: none. May still be
 * called after the last answer was taken, until store_close(). */
void store_client_on_answer(struct store_client *c, void (*fn)(void *ctx), void *ctx);

/* A cleared descriptor, or NULL when all are in use. */
struct store_req *store_req_get(struct store_client *c);
void store_req_put(struct store_client *c, struct store_req *r);

/* 0: the store has it. Else nothing happened and the descriptor is still the caller's. */
int store_submit(struct store_client *c, struct store_req *r, uint64_t now_ns) WARN_UNUSED;
/* Once after a round of submissions. */
void store_flush(struct store_client *c);
uint32_t store_poll(struct store_client *c, struct store_req **out, uint32_t max);
/* Is there anything that store_poll() would return? */
bool store_waiting(const struct store_client *c);
/* Submitted and not yet returned. */
uint32_t store_pending(const struct store_client *c);

uint32_t store_shard_cnt(const struct store *s);
uint32_t store_shard_of(const struct store *s, const void *key, size_t len);
uint32_t store_shard_of_slot(const struct store *s, uint16_t slot);

/* ---- for control: state and figures ---- */
enum store_state { STORE_OK, STORE_READ_ONLY, STORE_OFFLINE };
const char *store_state_name(enum store_state s);

#define STORE_COUNTERS(C)                                                \
	C(reads, "keys read")                                            \
	C(read_hits, "keys found")                                       \
	C(read_batches, "MultiGet calls")                                \
	C(scans, "scan requests")                                        \
	C(scanned, "records looked at by scans")                         \
	C(writes, "items written")                                       \
	C(write_reqs, "write requests answered")                         \
	C(write_conflicts, "write requests whose conditions failed")     \
	C(commits, "group commits")                                      \
	C(commit_syncs, "group commits with fsync")                      \
	C(commit_ns, "time in group commits")                            \
	C(commit_max_ns, "longest group commit")                         \
	C(read_ns, "time in MultiGet")                                   \
	C(read_max_ns, "longest MultiGet")                               \
	C(wait_ns, "time requests waited in queues")                     \
	C(late, "requests whose deadline passed")                        \
	C(stalled, "write requests refused by a stalled database")       \
	C(unknown, "write requests with unknown outcome")                \
	C(read_errors, "keys that could not be read")                    \
	C(corrupt, "keys whose data was damaged")                        \
	C(background_errors, "errors of flush and compaction")           \
	C(recoveries, "returns from read-only")                          \
	C(reopens, "times the database was closed and opened again")     \
	C(flushes, "memtables written")                                  \
	C(compactions, "compactions")                                    \
	C(compact_in_bytes, "bytes read by compactions")                 \
	C(compact_out_bytes, "bytes written by compactions")             \
	C(dropped, "expired or orphaned records dropped by compactions") \
	C(sleeps, "times a thread slept")                                \
	C(snapshots_expired, "snapshots closed for their age")

struct store_shard_stats {
#define STORE_COUNTER_FIELD(name, text) uint64_t name;
	STORE_COUNTERS(STORE_COUNTER_FIELD)
#undef STORE_COUNTER_FIELD
	enum store_state state;
	bool degraded; /* corruption was met since the start */
	uint8_t stall; /* 0 none, 1 delayed, 2 stopped */
	uint32_t snapshots;
	uint64_t keys_estimate, live_bytes, blob_bytes, memtable_bytes, l0_files;
};

/* Any thread; a moment's view. */
void store_shard_get_stats(struct store *s, uint32_t shard, struct store_shard_stats *out);
struct store_stats {
	bool full, ballast; /* disk short; ballast in place */
	bool uring, direct_io;
	uint64_t free_bytes;
	uint64_t shed; /* requests refused because a queue was full */
	uint32_t epoch;
};
void store_get_stats(struct store *s, struct store_stats *out);
struct uring_fs;
struct uring_fs *store_uring_fs(struct store *s);

/* Blocking helpers of control: every shard in turn. */
int store_sync_all(struct store *s) WARN_UNUSED;
int store_flush_all(struct store *s) WARN_UNUSED;
void store_compact_all(struct store *s);

#endif
