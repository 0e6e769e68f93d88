/* SPDX-License-Identifier: Apache-2.0
 * kvs - transactions of a worker on the store, written as if nothing waited.
 *
 * A user begins a transaction, names the keys it is about, and gives a function `run`. That reads
 * by kvs_key(), kvs_member() and kvs_scan(); what is not there yet makes these return NULL, upon
 * which run returns. It is called again, from its start, when the data have come, until it gets
 * everything; then it may write. Its writes are committed as one request under the condition that
 * nothing of what was read has changed; if it has, all begins anew. `done` tells the end.
 *
 * Owner:      one worker; struct kvs is shared by the workers.
 * Lifetime:   kvs_create() ... kvs_destroy(); a transaction from kvs_begin() to the end of done().
 * Invariants: KV1 done is called exactly once. KV2 transactions of one worker take effect in the
 *             order of kvs_start() where they have a key in common and one of them writes; those
 *             that only write blindly (KVS_WRITE) may be under way together, in order. KV3 a run
 *             writes only when it has read everything it needs. KV4 what the cache holds of a key
 *             is never older than a write that was answered (docs/concurrency.md, "The store's
 *             cache").
 * Units:      now_ns monotonic ns; wall_ms and expiry ms since 1970.
 * Errors:     those of store.h; -ENOBUFS: the worker's memory for requests is used up; -EXDEV: keys
 *             of several shards where one write must cover them; -ETIMEDOUT: the store did not
 *             answer in time, and what was to be written may still be.
 * Limits:     LIMIT_STORE_ITEMS items written by one transaction on one shard.
 * Cost:       no lock, system call or malloc; a key that the cache has costs no request. */
#ifndef LB_KVS_KVS_H
#define LB_KVS_KVS_H

#include <errno.h>

#include "dataplane/base/list.h"
#include "lb/kvs/mem.h"
#include "storage/store.h"

struct cache;
struct kvs;
struct kvs_worker;
struct kvs_tx;

struct kvs_params {
	struct store *store; /* opened with worker_cnt clients */
	uint32_t worker_cnt, ns_cnt, queue_len;
	uint64_t cache_bytes, request_bytes, request_timeout_ns;
};

int kvs_create(const struct kvs_params *p, struct kvs **out) WARN_UNUSED;
/* The workers have stopped, and the store is closed: its threads write into what requests name. */
void kvs_destroy(struct kvs *k);
/* Wakes a worker that may sleep; called on any thread. Before the workers run. */
void kvs_on_wake(struct kvs *k, void (*fn)(void *ctx, uint32_t worker), void *ctx);

struct kvs_worker *kvs_worker(struct kvs *k, uint32_t worker);
struct store *kvs_store(const struct kvs *k);
struct cache *kvs_cache(const struct kvs *k); /* NULL: none */

/* Once a loop: answers, what they let go on, requests out. Returns how much it did. */
uint32_t kvs_turn(struct kvs_worker *w, uint64_t now_ns);
/* Before anything else of a turn that uses it. */
void kvs_clock(struct kvs_worker *w, uint64_t now_ns);
/* The worker says that it sleeps and has fenced: may it? And when it is awake again. */
bool kvs_park(struct kvs_worker *w);
void kvs_unpark(struct kvs_worker *w);
uint64_t kvs_next_ns(const struct kvs_worker *w);
/* Ends every transaction without done(). */
void kvs_worker_drop(struct kvs_worker *w);

struct mem *kvs_mem(struct kvs_worker *w);
uint64_t kvs_wall_ms(const struct kvs_worker *w);
uint64_t kvs_now_ns(const struct kvs_worker *w);

#define KVS_COUNTERS(C)                                                 \
	C(cache_hits, "keys found in the memory cache")                 \
	C(cache_misses, "keys asked of the store")                      \
	C(fast, "commands answered without a request")                  \
	C(txs, "transactions")                                          \
	C(requests, "requests to the store")                            \
	C(retries, "transactions begun anew because a key had changed") \
	C(waits, "transactions that waited for another one's key")      \
	C(throttled, "requests that waited for room in a queue")        \
	C(timeouts, "transactions that the store did not answer in time")

struct kvs_stats {
#define C(name, text) uint64_t name;
	KVS_COUNTERS(C)
#undef C
	uint64_t live, mem_used, mem_bytes;
};
/* Any thread. */
void kvs_stats(const struct kvs_worker *w, struct kvs_stats *out);

/* ---- transactions ---- */

enum kvs_mode {
	KVS_READ,
	KVS_WRITE, /* writes that read nothing, or conditions of the store alone (kvs_op) */
	KVS_UPDATE,
};

/* What a transaction knows of one key or member: as it is now, with its own writes. */
struct kvs_ent {
	struct kvs_ent *hnext, *next;
	uint64_t hash;
	struct codec_key key;
	const uint8_t *val;
	uint32_t len;
	uint8_t type; /* enum codec_type; CODEC_NONE: not there */
	uint8_t state, base_type;
	bool dirty, checked, leased, viewed;
	uint64_t expire_ms, version; /* version: as read */
	uint64_t incarnation;        /* of a collection's KEY; 0: made by this transaction */
	uint8_t *buf;
	uint32_t cap;
	uint64_t lease_seq, lease_stream;
};

struct kvs_tx {
	struct kvs_worker *w;
	void (*run)(struct kvs_tx *tx);
	void (*done)(struct kvs_tx *tx, int status);
	void *ctx;
	struct mem_arena arena;
	uint8_t ns;
	bool fast; /* no request may be made: what the cache has, or `slow` is set */
	bool slow;
	bool multi;    /* several commands in one: kvs_op() works on what is read */
	bool split;    /* writes to several shards are fine, each by itself */
	bool snapshot; /* several reads have to fit together, on each shard */
	bool barrier;  /* of the user */
	/* private */
	uint8_t state;
	bool want, wrote, ended, ran, started;
	int err;
	uint32_t pending, missing, attempts, rounds, op_at, op_base, scan_at, scan_base;
	uint64_t start_ns;
	struct kvs_ent **buckets;
	uint32_t ent_cnt;
	struct kvs_ent *ents, **ents_tail;
	struct kvs_opslot *ops, **ops_tail;
	struct kvs_scan *scans, **scans_tail;
	struct kvs_ref *refs;
	struct kvs_io *ios;
	uint32_t claim; /* index + 1; 0: none */
	struct mem_mark mark;
	uint64_t kept; /* bytes, by kvs_keep(); 0: not */
	bool over;
	uint64_t written; /* in done: version of what was committed; 0: nothing */
	struct list_node live, ready;
};

/* A transaction of this worker in its own arena; NULL when memory is short. */
struct kvs_tx *kvs_begin(struct kvs_worker *w, uint8_t ns);
/* What the caller took so far survives a new beginning. */
void kvs_hold(struct kvs_tx *tx);
/* 0 or -ENOBUFS. */
int kvs_lock(struct kvs_tx *tx, const void *key, size_t len, enum kvs_mode mode) WARN_UNUSED;
/* Runs as soon as its keys are free, maybe before this returns. */
void kvs_start(struct kvs_tx *tx);
/* In done(): the transaction's memory stays until kvs_release(). False: what was kept by this
 * worker's transactions would be more than half of its memory for requests. */
bool kvs_keep(struct kvs_tx *tx, uint64_t bytes) WARN_UNUSED;
void kvs_release(struct kvs_tx *tx);
/* Instead of kvs_start(). */
void kvs_drop(struct kvs_tx *tx);

/* A run without requests, on a transaction that is the worker's own and is used for nothing else;
 * true: it got everything and wrote nothing. The caller has made sure that kvs_busy() is false for
 * all its keys. */
struct kvs_tx *kvs_fast(struct kvs_worker *w, uint8_t ns);
/* Keys that kvs_fast() will soon be asked for: their memory is fetched meanwhile. */
#define KVS_AHEAD 16
struct kvs_ahead {
	const void *key;
	uint32_t len;
	uint64_t hash; /* filled in */
};
void kvs_prefetch(struct kvs_worker *w, uint8_t ns, struct kvs_ahead *keys, uint32_t n);
/* The string under one of them as a fast run would find it: false, if it needs more than that. The
 * value lasts until the turn's end. */
struct kvs_seen {
	const uint8_t *val;
	uint32_t len;
	bool absent;
};
bool kvs_peek(struct kvs_worker *w, uint8_t ns, const struct kvs_ahead *key, struct kvs_seen *out);
bool kvs_busy(const struct kvs_worker *w, uint8_t ns, const void *key, size_t len);
/* Several keys that a fast run found were so at one moment if this was true before and after it,
 * with the same mark. */
bool kvs_calm(const struct kvs_worker *w, uint64_t *mark);
/* After a run of kvs_fast(). */
static inline bool kvs_fast_ok(const struct kvs_tx *tx)
{
	return !tx->slow;
}

static inline void *kvs_alloc(struct kvs_tx *tx, uint64_t n)
{
	void *p = mem_arena_get(&tx->arena, n);

	if (unlikely(p == NULL))
		tx->err = -ENOBUFS;
	return p;
}
void *kvs_copy(struct kvs_tx *tx, const void *p, uint64_t n);

/* In run: the key or the member of the collection at key; NULL: not known yet, or an error (the
 * transaction then ends with it). Ask for everything that is needed before giving up. */
struct kvs_ent *kvs_key(struct kvs_tx *tx, const void *key, size_t len);
struct kvs_ent *kvs_member(struct kvs_tx *tx, const void *key, size_t len, enum codec_space space,
	const void *sub, size_t sub_len);
/* Something asked for has not come yet. */
static inline bool kvs_waits(const struct kvs_tx *tx)
{
	return tx->want || tx->slow || tx->err != 0;
}
void kvs_fail(struct kvs_tx *tx, int err);
/* A second command of a multi transaction begins: what the first did is settled. */
void kvs_next_command(struct kvs_tx *tx);

/* Writes. Values stay as they are until done. A collection is made by kvs_put_meta() with the
 * incarnation 0, and members written after that. */
void kvs_put(struct kvs_tx *tx, const void *key, size_t len, const void *val, uint32_t val_len,
	uint64_t expire_ms);
void kvs_put_meta(struct kvs_tx *tx, const void *key, size_t len, uint8_t type, const void *payload,
	uint32_t payload_len, uint64_t expire_ms);
void kvs_delete(struct kvs_tx *tx, const void *key, size_t len);
void kvs_put_member(struct kvs_tx *tx, const void *key, size_t len, enum codec_space space,
	const void *sub, size_t sub_len, const void *val, uint32_t val_len);
void kvs_delete_member(struct kvs_tx *tx, const void *key, size_t len, enum codec_space space,
	const void *sub, size_t sub_len);

/* One operation of the store itself, judged there; for transactions that do nothing else. */
struct kvs_op {
	const uint8_t *key;
	uint16_t key_len;
	uint8_t op, flags; /* enum store_op, enum store_flag */
	const uint8_t *value;
	uint32_t value_len;
	uint64_t expire_ms;
	int64_t delta;
	/* out */
	int status;
	uint8_t found;
	int64_t number;
};
/* NULL: not known yet. */
const struct kvs_op *kvs_op(struct kvs_tx *tx, const struct kvs_op *op);

/* ---- a string that is written alone ---- */

struct kvs_pair {
	const uint8_t *key, *val;
	uint32_t key_len, val_len;
};
/* Writes a string without expiry, whatever is there: as a transaction that does nothing else, at a
 * fraction of its cost. False: it would have to wait for something, and nothing happened; a
 * transaction has to do it. Else done is called once with ctx, which is not NULL, like that of a
 * transaction; the pair it gets is a copy that lasts as long as the call, NULL after a timeout. */
bool kvs_put_alone(struct kvs_worker *w, uint8_t ns, const struct kvs_pair *pair,
	void (*done)(void *ctx, int status, const struct kvs_pair *pair), void *ctx);

struct kvs_item {
	const uint8_t *key, *val;
	uint32_t key_len, val_len;
	uint8_t type;
	uint64_t expire_ms;
};
struct kvs_range {
	const uint8_t *key; /* of the collection; NULL: the KEY records of one shard */
	uint16_t key_len;
	uint8_t space;
	uint16_t shard;
	const uint8_t *prefix, *from, *to; /* as in struct store_scan */
	uint16_t prefix_len, from_len, to_len;
	bool reverse, values, count_only;
	uint32_t limit; /* 0: all */
	uint32_t looks; /* 0: all; otherwise end after about so many records, wanted or not */
	bool (*keep)(void *ctx, const struct kvs_item *i);
	void *keep_ctx;
};
struct kvs_scan {
	struct kvs_scan *next;
	struct kvs_range r;
	struct kvs_item *items; /* in order */
	uint32_t count, cap;
	bool done;           /* nothing lies behind */
	const uint8_t *last; /* position reached; unless done */
	uint16_t last_len;
	/* private */
	uint8_t state;
	bool merged; /* what the transaction has written is laid over it */
	uint8_t *buf;
	uint32_t buf_len, looked;
	uint64_t incarnation;
};
/* NULL: not known yet. Pointers of the range stay until done. */
const struct kvs_scan *kvs_scan(struct kvs_tx *tx, const struct kvs_range *r);

/* Empties a namespace, then calls done. Uses run of its own. */
void kvs_clear(struct kvs_tx *tx);

/* ---- cursors: places in a long scan, named by a number ---- */

#define KVS_CURSORS    1024
#define KVS_CURSOR_KEY 32776

/* A new one; never 0. Old ones are forgotten in turn. */
uint64_t kvs_cursor_put(struct kvs *k, uint32_t shard, const uint8_t *key, size_t len);
/* Copies the place into out[KVS_CURSOR_KEY]; false: there is none such. */
bool kvs_cursor_get(struct kvs *k, uint64_t id, uint32_t *shard, uint8_t *out, size_t *len);
struct kvs *kvs_of(const struct kvs_worker *w);

#endif
