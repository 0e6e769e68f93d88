/* SPDX-License-Identifier: Apache-2.0
 * kvs_pvt - what the files of kvs share. */
#ifndef LB_KVS_KVS_PVT_H
#define LB_KVS_KVS_PVT_H

#include <stdatomic.h>

#include "cache/cache.h"
#include "dataplane/base/hash.h"
#include "lb/kvs/kvs.h"

#define KVS_LOCK_BUCKETS 4096
#define KVS_CACHE_NS     CACHE_NS_MAX
#define KVS_FAST_ENTS    64
#define KVS_ATTEMPTS     1000
#define KVS_CLAIM_AFTER  3 /* failed attempts, after which others have to wait */
#define KVS_CLAIMS       4096

enum { TX_WAIT_LOCKS, TX_RUN, TX_HELD, TX_COMMIT, TX_VALIDATE, TX_CLEAR, TX_END };
enum { ENT_NEW, ENT_LOADING, ENT_LOADED };
enum { SCAN_NEW, SCAN_LOADING, SCAN_LOADED };
/* Set in the cookie of a request that is no transaction's. */
#define KVS_COOKIE_PUT UINT64_C(1)
enum { IO_READ, IO_OPS, IO_COMMIT, IO_SCAN, IO_VALIDATE, IO_CLEAR };

/* A key that transactions name, and who waits for it, in order: the granted ones first. */
struct kvs_lock {
	struct kvs_lock *next; /* of the bucket, or of the free ones */
	uint64_t hash;
	struct list_node refs;
	struct kvs_ref *waiting; /* the first that is not granted */
	uint32_t granted;
	uint32_t unstarted; /* of those that write blindly: nothing of them is submitted yet */
	uint8_t mode;       /* of the granted ones */
};

struct kvs_ref {
	struct list_node node;
	struct kvs_ref *next; /* of the transaction */
	struct kvs_lock *lock;
	struct kvs_tx *tx;
	uint8_t mode;
	bool held;
};

struct kvs_opslot {
	struct kvs_opslot *next;
	struct kvs_op op;
	uint8_t state; /* ENT_* */
};

struct kvs_io {
	struct kvs_io *next; /* of the transaction */
	struct kvs_io *stuck_next;
	struct kvs_tx *tx;
	struct store_item *items;
	struct kvs_ent **ents;
	struct kvs_opslot **slots;
	struct kvs_scan *scan;
	uint32_t n, gen;
	uint16_t shard;
	uint8_t kind;
	bool several; /* writes more than one key */
};

/* What other workers look at that read several keys from the cache (kvs_calm). */
struct kvs_writing {
	/* Entries changed by writes and their readers. */
	CACHE_ALIGNED _Atomic uint64_t settled;
	_Atomic uint32_t several; /* requests under way that write more than one key */
};

struct kvs_put;

struct kvs_worker {
	struct kvs_writing writing;
	struct kvs *k;
	struct store_client *client;
	struct cache_worker *cache; /* NULL: none */
	struct mem mem;
	uint64_t kept; /* bytes of it, by kvs_keep() */
	uint32_t index;
	uint64_t now_ns, wall_ms;
	struct list_node live;  /* begun, oldest first */
	struct list_node ready; /* to be stepped */
	struct list_node later; /* to be stepped in the next turn: another worker has a claim */
	struct kvs_io *stuck, **stuck_tail; /* requests that found no room */
	uint32_t flight, flight_max, shards;
	bool dirty, online;
	uint32_t guess;        /* bytes of a first read */
	struct list_node puts; /* kvs_put_alone(), oldest first */
	struct kvs_put *free_puts;
	struct kvs_lock *buckets[KVS_LOCK_BUCKETS], *free_locks;
	uint32_t lock_cnt;
	struct kvs_tx fast;
	struct mem_mark fast_mark;
	struct kvs_ent fast_ents[KVS_FAST_ENTS];
	uint32_t fast_cnt;
	struct kvs_stats s;
	uint8_t stage[65536];
};

struct kvs_cursor {
	_Atomic uint32_t busy;
	uint32_t shard;
	uint64_t id;
	uint32_t len;
	uint8_t key[KVS_CURSOR_KEY];
};

struct kvs {
	struct kvs_params p;
	struct cache *cache;
	struct cache_mem cache_mem;
	struct kvs_worker *workers[LIMIT_WORKERS];
	_Atomic uint32_t gen[LIMIT_STORE_NS]; /* how often a namespace was emptied */
	struct mix_key secret;
	/* By hash of a key: worker + 1 that failed so often that the others let it go first. */
	_Atomic uint32_t claims[KVS_CLAIMS];
	void (*wake)(void *ctx, uint32_t worker);
	void *wake_ctx;
	struct kvs_cursor *cursors;
	_Atomic uint64_t cursor_next;
	uint64_t cursor_salt;
};

static inline void kvs_count(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

uint64_t kvs_hash(const struct kvs_worker *w, uint8_t ns, uint8_t space, const void *p, size_t len,
	const void *sub, size_t sub_len);

/* lock.c */
int kvs_lock_want(struct kvs_tx *tx, uint64_t hash, enum kvs_mode mode) WARN_UNUSED;
void kvs_lock_release(struct kvs_tx *tx);
/* For a blind write that is submitted at once, if nobody is in its way; then kvs_lock_drop() ends
 * it. */
bool kvs_lock_blind(struct kvs_worker *w, struct kvs_ref *r, uint64_t hash);
void kvs_lock_drop(struct kvs_worker *w, struct kvs_ref *r);
/* Its first requests have been submitted: what comes after them now keeps the order. */
void kvs_lock_started(struct kvs_tx *tx);

/* row.c: keys in the memory cache */
/* True: found; e is filled, its value points into the cache until the turn's end. */
bool kvs_row_get(struct kvs_worker *w, struct kvs_ent *e);
/* The same, and on a miss the lease if there is one. */
bool kvs_row_lookup(struct kvs_worker *w, struct kvs_ent *e);
/* The store has answered a read with e; gen as of its submission. */
void kvs_row_fill(struct kvs_worker *w, struct kvs_ent *e, uint32_t gen);
void kvs_row_drop_lease(struct kvs_worker *w, struct kvs_ent *e);
struct kvs_row {
	const uint8_t *val;
	uint32_t len;
	uint64_t version, expire_ms;
	uint32_t gen;
};
/* Something newer than what the cache may have stands in the store: a string (row), or else. */
void kvs_row_settle(struct kvs_worker *w, const struct codec_key *k, const struct kvs_row *row);
/* A refused write has told which version stands in the store; 0: none. */
void kvs_row_observe(struct kvs_worker *w, const struct codec_key *k, uint64_t version);

/* io.c */
void kvs_submit(struct kvs_tx *tx);
void kvs_commit(struct kvs_tx *tx);
void kvs_validate(struct kvs_tx *tx);
void kvs_clear_submit(struct kvs_tx *tx);
void kvs_answer(struct kvs_worker *w, struct store_req *r);
void kvs_unstick(struct kvs_worker *w);
/* What the cache must learn of a write; the item as it came back. */
void kvs_settle_item(struct kvs_worker *w, const struct store_item *it, uint32_t gen, int status);

/* tx.c */
struct kvs_ent *kvs_ent_find(const struct kvs_tx *tx, const struct codec_key *k, uint64_t hash);
void kvs_step(struct kvs_tx *tx);
void kvs_answered(struct kvs_tx *tx, struct kvs_io *io);
void kvs_finish(struct kvs_tx *tx, int status);
void kvs_again(struct kvs_tx *tx);

/* put.c */
void kvs_put_answer(struct kvs_worker *w, struct store_req *r);
/* These have been answered: the memory that their keys have in the cache is fetched. */
void kvs_puts_ahead(struct kvs_worker *w, struct store_req **reqs, uint32_t n);
/* Those that wait longer. */
void kvs_puts_late(struct kvs_worker *w, uint64_t limit_ns);

#endif
