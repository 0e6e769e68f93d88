/* SPDX-License-Identifier: Apache-2.0
 * tier_pvt - what the files of the second tier share.
 *
 * Keys in a generation's namespace; `hash` is 128 bits of the HTTP key as text in braces, so that
 * all of a response lies on one shard, whose log keeps their order:
 *   {hash}               the head record: struct tier_head, HTTP key, value
 *   {hash} id no         chunk `no` of the body: struct tier_chunk, bytes
 *   i worker epoch no    a block of the journal: hashes of heads that were written
 * In the last namespace: s, the state; p id, one place of the purges.
 *
 * Invariants: TI1 a head is written after all its chunks were answered with 0. TI2 the map has a
 *             key before its value is read for writing, a variant's primary key likewise; an
 *             invalidation removes a key from memory before it marks it (docs/concurrency.md, "The
 *             second tier"). TI3 a generation's namespace is empty when it begins.
 * Units:      as in tier.h. Integers in records are the machine's own. */
#ifndef LB_L7_CACHE_TIER_PVT_H
#define LB_L7_CACHE_TIER_PVT_H

#include <stdatomic.h>

#include "dataplane/base/hash.h"
#include "lb/l7/cache/hcache_pvt.h"
#include "lb/l7/cache/tier.h"
#include "storage/store.h"

#define TIER_LAYOUT    1 /* of all records; another one empties the tier */
#define TIER_HEAD_KEY  34
#define TIER_CHUNK_KEY (TIER_HEAD_KEY + 12)
#define TIER_READABLE  (TIER_GENS - 1) /* generations; one is being emptied, or empty */
#define TIER_META      TIER_GENS       /* its namespace */
#define TIER_VALUE_MAX (STORED_MAX + HCACHE_SMALL)
#define TIER_BLOCK     512 /* hashes of a journal block */

/* ---- records ---- */

#define TIER_MAGIC_HEAD  UINT32_C(0x57544831)
#define TIER_MAGIC_CHUNK UINT32_C(0x57544331)
#define TIER_MAGIC_STATE UINT32_C(0x57545331)
#define TIER_MAGIC_BLOCK UINT32_C(0x57544a31)
#define TIER_MAGIC_PURGE UINT32_C(0x57545031)

/* All records begin so. */
struct tier_mark {
	uint32_t magic, layout;
	uint32_t check; /* CRC-32C of what follows this word */
};

struct tier_head {
	struct tier_mark m;
	uint32_t gen;
	uint16_t key_len, mark;
	uint32_t val_len;
	uint64_t id;        /* of chunks; 0: none */
	uint64_t total_len; /* of an object */
	uint64_t primary;   /* hash of the primary key, by which invalidations go */
	int64_t dead_ms;    /* of use for nobody from then on */
	uint64_t born;      /* of purge */
};
_Static_assert(sizeof(struct tier_head) % 8 == 0, "values lie aligned behind their key");

struct tier_chunk {
	struct tier_mark m;
	uint32_t len;
	uint64_t id, no;
};

struct tier_block {
	struct tier_mark m;
	uint32_t cnt;
	uint64_t hash[TIER_BLOCK];
};

struct tier_saved_purge {
	struct tier_mark m;
	struct purge_record r;
};

struct tier_state {
	struct tier_mark m;
	uint32_t gen;
	uint64_t bytes[TIER_GENS]; /* by slot of the ring */
	uint64_t key[4];           /* of the hashes */
	struct purge_secret purge;
};

#define TIER_HEAD_MAX (sizeof(struct tier_head) + HCACHE_KEY_MAX + TIER_VALUE_MAX)

struct tier_hash {
	uint64_t h[2];
};

void tier_seal(struct tier_mark *m, uint32_t magic, uint32_t len);
bool tier_sealed(const void *p, uint32_t len, uint32_t magic, uint32_t least);

/* ---- which keys there may be ---- */

/* A line of fingerprints, each with the ring's slot it stands in. What is not found may yet be on
 * disk: its line had no more room for it. */
#define MAP_WORDS 32
struct map_line {
	_Alignas(64) _Atomic uint16_t at[MAP_WORDS];
};

struct tier_map {
	struct map_line *lines;
	uint32_t cnt;
};

int tier_map_init(struct tier_map *m, uint64_t entries) WARN_UNUSED;
void tier_map_fini(struct tier_map *m);
void tier_map_put(struct tier_map *m, uint64_t hash, uint32_t slot);
/* The slot; -1: not there. */
int tier_map_get(const struct tier_map *m, uint64_t hash);
void tier_map_remove(struct tier_map *m, uint64_t hash);
/* Drop what stands in a slot, `lines` of the map from `from` on. Where to go on; 0: done. */
uint32_t tier_map_drop(struct tier_map *m, uint32_t slot, uint32_t from, uint32_t lines);
/* Has it been here before, not long ago? It has from now on. */
bool tier_map_seen(struct tier_map *m, uint64_t hash);

/* ---- shared ---- */

struct tier {
	struct tier_conf conf;
	struct purge *purge;
	struct siphash_key key[2];
	uint32_t epoch, shards;
	bool doubt; /* while loading: something that must not be lost was damaged */
	uint64_t gen_bytes;
	struct tier_map map, seen;
	/* What was offered already, by place; hints. */
	_Atomic uint64_t *offered;
	uint32_t offered_mask;
	_Atomic uint32_t gen; /* that is written */
	_Atomic bool turning; /* the next one is not ready; who set it makes it so */
	_Atomic uint64_t bytes[TIER_GENS];
	_Atomic uint64_t passive_ns; /* no writes before */
	struct tier_worker *workers[CACHE_WORKERS_MAX];
};

enum tier_what {
	TIER_LOOK,
	TIER_FETCH, /* a chunk */
	TIER_WRITE,
	TIER_REMOVE,
	TIER_JOURNAL,
	TIER_SAVE,  /* the state */
	TIER_PURGE, /* a place of the purges */
	TIER_EMPTY, /* a namespace of one shard */
};

/* A request to the store: first member of what is under way. */
struct tier_op {
	struct tier_worker *tw;
	enum tier_what what;
	uint32_t self; /* in its pool */
	uint64_t start_ns;
	uint8_t key[48];
};

/* Of a request that reads. */
struct tier_read {
	struct tier_op op;
	struct list_node node; /* of those under way, the oldest first */
	struct hc_req *q;      /* NULL: gone */
	bool has_lease;
	struct cache_lease lease;
	struct tier_hash hash;
	uint32_t gen;
	uint64_t id, no; /* of a chunk */
	struct cache_view view;
	uint32_t key_len; /* of http_key, under which the lease is */
	bool is_primary;
	_Alignas(8) char http_key[HCACHE_KEY_MAX];
	_Alignas(8) uint8_t buf[sizeof(struct tier_chunk) + TIER_CHUNK];
};
_Static_assert(TIER_HEAD_MAX <= TIER_CHUNK, "a head fits where a chunk does");

/* A response on its way to the store. */
struct tier_job {
	struct tier_op op;
	struct list_node node; /* of those that wait for their turn */
	struct tier_hash hash;
	uint64_t id, token;
	uint32_t gen;
	uint64_t expire_ms;          /* by the clock of the store */
	uint64_t moved_ns, retry_ns; /* when it last got on; no sooner than */
	bool object, sparse_ok, again, oversize, head_sent, written, some;
	struct cache_view view;
	struct cache_waiter waiter;
	bool queued;
	uint64_t pos;  /* of the body */
	uint32_t fill; /* of the chunk */
	uint32_t head_len, key_len;
	uint64_t bytes;
	_Alignas(8) uint8_t head[TIER_HEAD_MAX];
	_Alignas(8) uint8_t chunk[sizeof(struct tier_chunk) + TIER_CHUNK];
};

/* All else that is written. */
struct tier_small {
	struct tier_op op;
	uint32_t gen;
	union {
		struct tier_block block;
		struct tier_saved_purge purge;
		struct tier_state state;
	};
};

struct tier_bucket {
	uint64_t rate; /* bytes a second; 0: no bound */
	uint64_t tokens;
	uint64_t part; /* thousandths of one, less than 1000 */
	uint64_t at_ns;
};

struct tier_worker {
	struct tier *t;
	struct hcache_worker *hw;
	struct store_client *client;
	uint32_t idx;
	bool stopped, dirty; /* dirty: requests were submitted */
	struct pool reads, jobs, smalls;
	struct list_node reading, waiting,
		busy; /* busy: jobs that are called when they may go on */
	struct tier_bucket writes, warm;
	uint64_t warm_until_ns;
	uint64_t next_id;
	struct {
		uint64_t hash[TIER_BLOCK];
		uint32_t cnt, saved, no, gen;
		uint64_t due_ns;
		bool sent;
	} journal;
	struct { /* of the worker that readies the next generation */
		bool on;
		uint32_t slot, line, shard, answers;
	} turn;
	uint64_t state_due_ns;
	uint32_t state_gen;
	bool state_sent;
	struct tier_stats stats;
};

static inline uint32_t tier_slot_of(uint32_t gen)
{
	return gen % TIER_GENS;
}

static inline uint32_t tier_gen(const struct tier *t)
{
	return atomic_load_explicit(&t->gen, memory_order_acquire);
}

/* The generation that stands in a slot. */
static inline uint32_t tier_gen_in(const struct tier *t, uint32_t slot)
{
	uint32_t gen = tier_gen(t);

	return gen - (gen - slot) % TIER_GENS;
}

static inline bool tier_is_passive(const struct tier *t, uint64_t now_ns)
{
	return atomic_load_explicit(&t->passive_ns, memory_order_relaxed) > now_ns;
}

static inline bool tier_readable(const struct tier *t, uint32_t gen)
{
	return gen != 0 && tier_gen(t) - gen < TIER_READABLE;
}

static inline bool tier_old(const struct tier *t, uint32_t gen)
{
	return tier_gen(t) - gen >= TIER_READABLE / 2;
}

/* ---- tier.c ---- */

struct tier_hash tier_hash(const struct tier *t, const void *key, uint32_t len);
/* Key of the head into op->key; its length. */
uint16_t tier_head_key(struct tier_op *op, const struct tier_hash *h);
uint16_t tier_chunk_key(struct tier_op *op, const struct tier_hash *h, uint64_t id, uint64_t no);
/* A request that reads into, writes from (NULL: deletes) memory of the op. 0 or -errno. */
int tier_send_read(struct tier_op *op, uint32_t ns, uint16_t key_len, void *out, uint32_t cap);
int tier_send_write(struct tier_op *op, uint32_t ns, uint16_t key_len, const void *value,
	uint32_t len, uint64_t expire_ms);
struct tier_small *tier_small_get(struct tier_worker *tw, enum tier_what what);
void tier_small_put(struct tier_small *s);
/* True: the bucket lets n bytes go now, and has them no more. */
bool tier_bucket_take(struct tier_bucket *b, uint64_t n, uint64_t now_ns);
uint64_t tier_now(const struct tier_worker *tw);
/* The store refuses writes: none for a while. */
void tier_passive(struct tier_worker *tw, int status);
/* So many bytes were written in a generation. */
void tier_account(struct tier_worker *tw, uint32_t gen, uint64_t bytes);
void tier_journal(struct tier_worker *tw, uint32_t gen, uint64_t hash);
/* Delete a record in a generation. */
void tier_remove(struct tier_worker *tw, uint32_t gen, const struct tier_hash *h);

/* ---- tier_load.c ---- */

int tier_load(struct tier *t);

/* ---- tier_read.c, tier_write.c ---- */

void tier_read_answer(struct tier_read *r, int status, uint32_t len);
/* Readers that waited too long go on without the tier. */
void tier_read_late(struct tier_worker *tw, uint64_t now_ns);
void tier_write_answer(struct tier_job *j, int status);
void tier_write_go_on(struct tier_worker *tw);

#endif
