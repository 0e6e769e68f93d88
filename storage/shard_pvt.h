/* SPDX-License-Identifier: Apache-2.0
 * shard_pvt - what the files of storage/ share about shards and their threads.
 * Owner:      a shard's database belongs to its commit thread; readers use it under db_lock (read).
 * Invariants: SH1 only the commit thread writes, opens and closes the database.  SH2 a thread's
 *             rings have one producer and one consumer each: (client, thread) in, (thread, client)
 *             out.  SH3 a ring is longer than what one client may have in flight to that thread, so
 *             no push ever fails.
 * Edges:      S1 client: request pushed, fence, `sleeping` read  <->  thread: `sleeping` set,
 *             fence, rings read: one of them sees the other. */
#ifndef STORAGE_SHARD_PVT_H
#define STORAGE_SHARD_PVT_H

#include <pthread.h>
#include <stdatomic.h>

#include "dataplane/base/spsc.h"
#include "storage/file.h"
#include "storage/manifest.h"
#include "storage/rocks.h"
#include "storage/store.h"

#define SHARD_TICK_NS     (100 * UINT64_C(1000000))
#define EXPIRY_GRACE_MS   60000 /* a clock that was ahead for less has dropped nothing */
#define VERSION_EPOCH_BIT 44

struct shard;

struct shard_counters {
#define COUNTER_FIELD(name, text) _Atomic uint64_t name;
	STORE_COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
};

/* The counter's one writer adds; others only read. */
static inline void count_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(
		c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline void count_max(_Atomic uint64_t *c, uint64_t v)
{
	if (v > atomic_load_explicit(c, memory_order_relaxed))
		atomic_store_explicit(c, v, memory_order_relaxed);
}

struct req_list {
	struct store_req *head, **tail;
};

struct shard_thread {
	struct shard *shard;
	struct spsc **in, **out; /* by client */
	struct req_list waiting[STORE_PRIO_CNT];
	uint32_t waiting_cnt, turn;
	/* A bit for each client that got an answer since the last wake-up. */
	uint64_t answered[STORE_CLIENTS / 64];
	CACHE_ALIGNED _Atomic uint32_t sleeping; /* futex word */
	CACHE_ALIGNED struct shard_counters c;
	pthread_t thread;
	bool started;
};

struct snapshot_slot {
	struct rocks_snapshot *snap;
	uint64_t opened_ms;
	uint32_t generation, refs;
	bool closed; /* released by the last user */
};

struct shard {
	struct store *store;
	uint32_t id;
	char dir[FILE_PATH_MAX];

	pthread_rwlock_t db_lock;
	struct rocks *db;                  /* NULL: offline */
	_Atomic(struct rocks *) filter_db; /* the same, for compactions */
	_Atomic int state;                 /* enum store_state */
	_Atomic int stall;                 /* enum uring_fs_stall */
	_Atomic bool degraded;
	uint64_t next_version;

	pthread_mutex_t snap_lock;
	struct snapshot_slot snaps[LIMIT_STORE_SNAPSHOTS];
	_Atomic uint32_t snap_cnt;

	/* Set by RocksDB's threads, taken by the commit thread. */
	_Atomic bool bg_error; /* writes fail until Resume or a reopen */
	_Atomic bool bg_soft;  /* compactions stand still until Resume; writes go on */
	_Atomic bool bg_no_space;
	struct shard_counters events; /* written under no rule: fetch_add */

	/* The commit thread's own. */
	struct commit *commit;
	bool write_failed; /* the log is in doubt: only a reopen helps */
	bool no_space;     /* the last error was a full disk */
	uint64_t retry_ns, backoff_ns, healthy_ns, synced_ns;
	uint64_t unseen_bytes; /* written since the keeper was last told to look */
	bool unsynced;

	struct shard_thread threads[1 + LIMIT_STORE_READERS]; /* 0 commits, the rest read */
};

struct store {
	struct store_params p;
	char dir[FILE_PATH_MAX];
	struct manifest m;
	uint8_t ns_id[LIMIT_STORE_NS]; /* number on disk of the caller's namespace */
	uint8_t ns_durability[LIMIT_STORE_NS];
	int lock_fd;
	bool direct_io, uring_ok;
	struct rocks_env *env;
	struct shard *shards[LIMIT_SHARDS];
	struct store_client *clients[STORE_CLIENTS];
	uint32_t threads_per_shard;
	_Atomic bool stop;

	/* keeper */
	_Atomic bool full, ballast, no_space_seen;
	_Atomic uint64_t free_bytes;
	_Atomic uint32_t keeper_word;
	pthread_t keeper;
	bool keeper_started;
};

struct store_client {
	struct store *store;
	uint32_t id, free_cnt, req_cnt, pending, thread_cnt;
	struct store_req *reqs;
	struct store_req *free_head;
	void (*on_answer)(void *ctx);
	void *on_answer_ctx;
	_Atomic uint64_t shed;
	uint32_t *inflight; /* by thread: shard * threads_per_shard + index */
	bool *touched;      /* pushed to since the last flush */
};

static inline uint64_t shard_wall_ms(const struct store *s)
{
	return s->p.wall_ms(s->p.wall_ctx);
}

/* ---- inbox.c: rings to lists, sleeping and waking ---- */
int inbox_init(struct shard_thread *t, uint32_t client_cnt, uint32_t ring_len) WARN_UNUSED;
void inbox_fini(struct shard_thread *t, uint32_t client_cnt);
/* Takes requests, high priority first, until max_reqs, max_items or max_bytes is reached; the first
 * one always fits. Requests that are late are answered here. */
uint32_t inbox_take(struct shard_thread *t, struct store_req **out, uint32_t max_reqs,
	uint32_t max_items, uint64_t max_bytes);
void inbox_answer(struct shard_thread *t, struct store_req *r);
/* After a round of answers. */
void inbox_wake_clients(struct shard_thread *t);
/* Sleeps until a request comes, inbox_ring() or max_ns. */
void inbox_wait(struct shard_thread *t, uint64_t max_ns);
/* Wakes the thread if it sleeps; the caller has issued a full fence after its push. */
void inbox_ring(struct shard_thread *t);

/* ---- shard.c ---- */
int shard_create(struct store *s, uint32_t id, struct shard **out) WARN_UNUSED;
int shard_start(struct shard *sh) WARN_UNUSED;
void shard_stop(struct shard *sh);
void shard_destroy(struct shard *sh);
int shard_open_db(struct shard *sh, bool read_only, char *err) WARN_UNUSED;
void shard_close_db(struct shard *sh);
/* Counts the error and marks the shard. */
void shard_note_read_error(struct shard *sh, struct shard_thread *t, int status);
/* -ESTALE if the handle is of no open snapshot. */
int shard_snap_open(struct shard *sh, uint64_t *handle) WARN_UNUSED;
int shard_snap_close(struct shard *sh, uint64_t handle) WARN_UNUSED;
int shard_snap_use(struct shard *sh, uint64_t handle, struct rocks_snapshot **out) WARN_UNUSED;
void shard_snap_done(struct shard *sh, uint64_t handle);
/* Commit thread: closes snapshots above max_age_ms; 0 closes all. */
void shard_snaps_expire(struct shard *sh, uint64_t max_age_ms);

/* ---- commit.c, reader.c, recover.c, keeper.c ---- */
struct commit *commit_create(const struct store_params *p) WARN_UNUSED;
void commit_destroy(struct commit *c);
void *commit_main(void *thread);
void *reader_main(void *thread);
/* The commit thread's regular duties. */
void recover_tick(struct shard *sh, uint64_t now_ns);
/* A write failed with this code: the shard becomes read-only. */
void recover_write_failed(struct shard *sh, int code, const char *err);
int keeper_start(struct store *s) WARN_UNUSED;
void keeper_stop(struct store *s);
/* Looks at the disk at once. */
void keeper_nudge(struct store *s);

#endif
