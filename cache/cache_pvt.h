/* SPDX-License-Identifier: Apache-2.0
 * cache_pvt - layout of the zones and what the files of this folder share.
 * Owner:      the cache. Zones hold numbers and offsets only, never a pointer; pointers stand in
 *             struct cache and struct cache_worker, which each process makes anew.
 * Invariants: numbered in cache.h and at the top of each .c.
 * Units:      item places are offsets into the arena, multiples of 8; ticks are 2^20 ns. */
#ifndef CACHE_CACHE_PVT_H
#define CACHE_CACHE_PVT_H

#include <stdatomic.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif
#include <string.h>

#include "cache/cache.h"
#include "cache/epoch.h"
#include "cache/hook.h"
#include "cache/segq.h"
#include "dataplane/base/assert.h"
#include "dataplane/base/hash.h"

#define CACHE_MAGIC  UINT64_C(0x7765697263616368)
#define CACHE_LAYOUT 1 /* changes with any struct below that lives in a zone */

/* -- items -- */

enum item_kind {
	ITEM_VALUE = 1,
	ITEM_PENDING,     /* placeholder; value is the u64 of its fill */
	ITEM_HEAD,        /* an object: struct head, then the description */
	ITEM_EXTENT,      /* bytes of an object; key is struct extent_key */
	ITEM_EXTENT_OPEN, /* the same while its stream still writes it */
};

/* Followed by the key and the value. All but freq and kind are written before publication only. */
struct item {
	uint64_t seq;
	uint32_t expire_lo; /* tick, low 32 of 40 bits; all ones: never */
	uint32_t val_len;
	uint16_t key_len;
	uint16_t user;
	uint8_t expire_hi;
	uint8_t ns; /* ITEM_NS_EXTENT set on extents, so that no user's key equals theirs */
	_Atomic uint8_t freq;
	_Atomic uint8_t kind;
	uint8_t data[];
};
_Static_assert(sizeof(struct item) == 24, "the item header has 24 bytes");

#define ITEM_NS_EXTENT 0x80
#define ITEM_ALIGN     8
#define ITEM_FREQ_MAX  3
#define TICK_SHIFT     20
#define TICK_NEVER     ((UINT64_C(1) << 40) - 1)
#define ITEM_NONE      UINT64_MAX

struct head {
	uint64_t total_len; /* CACHE_LEN_UNKNOWN while nobody knows */
	uint64_t stream;    /* 0: complete */
};

struct extent_key {
	uint64_t id; /* the object's seq */
	uint64_t no;
};

/* -- index -- */

#define BUCKET_SLOTS 7
#define CHAIN_SLOTS  (2 * BUCKET_SLOTS)
/* Overflow buckets stand behind the buckets they serve: 7 bits name one, and they share a page. */
#ifndef CACHE_GROUP
#define CACHE_GROUP          256
#define CACHE_GROUP_OVERFLOW 96
#endif
#define GROUP_LINES (CACHE_GROUP + CACHE_GROUP_OVERFLOW)
/* Mean items in a bucket when the index holds what it was made for, in tenths. */
#define BUCKET_LOAD_TENTHS 65

/* hdr: bits 0..13 published slots, 14..20 overflow bucket + 1, 21..63 version.
 * In an overflow bucket hdr is its own state: see index.c. */
struct bucket {
	_Atomic uint64_t hdr;
	_Atomic uint64_t slot[BUCKET_SLOTS];
};
_Static_assert(sizeof(struct bucket) == CACHE_LINE, "a bucket is a cache line");

#define HDR_VALID(i)  (UINT64_C(1) << (i))
#define HDR_VALIDS    ((UINT64_C(1) << CHAIN_SLOTS) - 1)
#define HDR_OVERFLOWS (HDR_VALIDS & ~((UINT64_C(1) << BUCKET_SLOTS) - 1))
#define HDR_LINK_LSB  14
#define HDR_LINK_MASK (UINT64_C(127) << HDR_LINK_LSB)
#define HDR_VERSION   (UINT64_C(1) << 21)
_Static_assert(CACHE_GROUP_OVERFLOW < 127, "a link has 7 bits");
_Static_assert(CHAIN_SLOTS == HDR_LINK_LSB, "the link follows the slots");

/* Slot word: 0 free, WORD_DEAD, or tag << 48 | WORD_ITEM | place / 8. */
#define WORD_FREE        UINT64_C(0)
#define WORD_ITEM        (UINT64_C(1) << 40)
#define WORD_DEAD        (UINT64_C(1) << 41)
#define WORD_PLACE_MASK  (WORD_ITEM - 1)
#define WORD_TAG_SHIFT   40
#define CACHE_ARENA_MAX  ((WORD_PLACE_MASK + 1) * ITEM_ALIGN)
#define WORD_OF(h, item) ((h) << 48 | WORD_ITEM | (item) / ITEM_ALIGN)

/* -- arena -- */

enum seg_state { SEG_FREE, SEG_OPEN, SEG_SEALED, SEG_EVICTING, SEG_LIMBO };
enum seg_tier { TIER_SMALL, TIER_MAIN, TIERS };
#define TTL_CLASSES 6

struct seg {
	CACHE_ALIGNED _Atomic uint32_t state; /* for counting; the queues decide who may act */
	_Atomic uint32_t used;                /* bytes; written by the owner while open */
	_Atomic uint64_t max_expire;          /* tick by which all in it has expired */
	_Atomic uint64_t order;               /* when it was sealed */
	_Atomic uint64_t token;               /* in limbo: free when it has passed */
	_Atomic uint32_t gen;                 /* times it was freed */
	uint8_t ns, tier, class;
	bool held; /* pins were seen to keep it in limbo; whoever took it from the queue writes it
		    */
};

/* -- fills ---------------------------------------------------------------------------------------
 */

enum fill_status { FILL_IDLE, FILL_LEASE, FILL_LOST, FILL_STREAM, FILL_DONE, FILL_FAILED };

struct fill {
	CACHE_ALIGNED _Atomic uint64_t state; /* generation << 8 | enum fill_status */
	_Atomic uint64_t filled;              /* bytes of the stream that may be read */
	_Atomic uint64_t total_len;
	_Atomic uint64_t waiting;     /* workers that have waiters here */
	_Atomic uint64_t deadline_ns; /* of a lease */
};

/* A fill as others name it: generation << 32 | number + 1. */
#define STREAM_OF(gen, idx) ((uint64_t)(gen) << 32 | ((idx) + 1))
#define STREAM_IDX(s)       ((uint32_t)(s)-1)
#define STREAM_GEN(s)       ((uint32_t)((s) >> 32))

/* -- control zone -- */

enum stat {
#define X(name, text) STAT_##name,
	CACHE_STATS(X)
#undef X
		STATS
};

struct evict_cursor {
	uint32_t seg; /* + 1; 0: none */
	uint32_t off;
	uint32_t end;
	bool expired; /* all in it is */
};

struct ns_count {
	_Atomic uint64_t items, bytes; /* modulo 2^64: a worker also removes what others put */
};

/* What one worker writes. Atomic where others read it. */
struct wstate {
	CACHE_ALIGNED uint64_t seq_ctr;
	uint32_t open[CACHE_NS_MAX][TIERS][TTL_CLASSES]; /* segment + 1; 0: none */
	struct evict_cursor evict;
	struct ns_count ns[CACHE_NS_MAX];
	_Atomic uint64_t stat[STATS];
};

struct ns_state {
	CACHE_ALIGNED _Atomic uint32_t segs[TIERS];
	_Atomic uint64_t sealed; /* order of the next */
};

/* Everything that follows from the configuration; the same in each process that adopts the zones.
 */
struct geometry {
	uint64_t arena_bytes, lease_ns;
	uint64_t hash_key[6];
	uint32_t seg_shift, segs;
	uint32_t groups, buckets;
	uint32_t workers, fills, all_fills, waiters; /* fills: for each worker */
	uint32_t ns_cnt, quota[CACHE_NS_MAX];
	uint32_t classes, pin_limit; /* segments, for each worker */
	uint32_t reserve, low_water; /* free segments: for eviction alone, and where it begins */
	uint32_t extent_shift;
	uint32_t ghost_lines;
	/* Offsets in the control zone, and its size. */
	uint64_t at_epoch, at_wstate, at_ns, at_seg, at_queue, at_pin, at_fill, at_mail, at_ghost;
	uint64_t queue_bytes, mail_bytes, ctl_bytes, index_bytes;
};

struct ctl {
	_Atomic uint64_t magic; /* written last */
	uint64_t layout;
	bool in_use; /* false after cache_destroy(): the zones may be adopted */
	struct geometry geo;
	CACHE_ALIGNED _Atomic uint32_t limbo_held; /* segments with `held` */
};

#define QUEUE_FREE              0
#define QUEUE_LIMBO             1
#define QUEUE_OF(ns, tier, cls) (2u + ((uint32_t)(ns)*TIERS + (tier)) * TTL_CLASSES + (cls))
#define QUEUES                  QUEUE_OF(CACHE_NS_MAX, 0, 0)

/* Recently evicted keys: a line of fingerprints, overwritten in turn. */
#define GHOST_WAYS 31
struct ghost_line {
	_Atomic uint16_t next;
	_Atomic uint16_t fp[GHOST_WAYS];
};
_Static_assert(sizeof(struct ghost_line) == CACHE_LINE, "a ghost line is a cache line");

/* -- this process's view -- */

struct fill_local {
	struct list_node active; /* leases in order of their deadline */
	uint64_t stream;
};

struct wait_list {
	struct list_node head;
	uint32_t cnt;
};

struct cache_worker {
	CACHE_ALIGNED struct cache *c;
	struct wstate *st;
	uint32_t id;
	_Atomic uint32_t pinned; /* segments with own_pins != 0 */
	uint32_t *own_pins;      /* for each segment: pins made here and not known to be back */
	uint32_t pin_cursor;     /* next segment to look at for pins that came back elsewhere */
	uint32_t free_head, free_tail, free_cnt; /* ring of idle fills, numbers within own ones */
	uint32_t *free_fill;
	struct list_node leases;
	struct fill_local *fill; /* own ones */
	struct wait_list *wait;  /* for each fill of all workers */
};

struct cache {
	struct geometry geo; /* a copy: the hot path reads it */
	struct ctl *ctl;
	struct bucket *index;
	uint8_t *arena;
	struct epoch *epoch;
	struct wstate *wstate;
	struct ns_state *ns;
	struct seg *seg;
	uint8_t *queues;
	_Atomic uint32_t *pin_inc, *pin_dec; /* [worker][segment] */
	struct fill *fill;
	uint8_t *mail;
	void (*ring)(void *ctx, uint32_t worker); /* NULL: nobody sleeps */
	void *ring_ctx;
	void (*leaving)(void *ctx, uint32_t worker, const struct cache_leaving *l, uint64_t now_ns);
	void *leaving_ctx;
	struct ghost_line *ghost;
	struct {
		uint64_t token, since_ns;
	} watch[CACHE_WORKERS_MAX];
	struct cache_worker worker[];
};

/* -- small helpers -- */

ALWAYS_INLINE void stat_add(struct cache_worker *w, enum stat s, uint64_t n)
{
	_Atomic uint64_t *p = &w->st->stat[s];

	atomic_store_explicit(
		p, atomic_load_explicit(p, memory_order_relaxed) + n, memory_order_relaxed);
}

ALWAYS_INLINE struct item *item_at(const struct cache *c, uint64_t place)
{
	return (struct item *)(void *)(c->arena + place);
}

ALWAYS_INLINE uint64_t word_place(uint64_t word)
{
	return (word & WORD_PLACE_MASK) * ITEM_ALIGN;
}

ALWAYS_INLINE bool word_is_item(uint64_t word)
{
	return (word & WORD_ITEM) != 0;
}

ALWAYS_INLINE uint64_t item_bytes_of(uint32_t key_len, uint64_t val_len)
{
	return (sizeof(struct item) + key_len + val_len + ITEM_ALIGN - 1) &
	       ~(uint64_t)(ITEM_ALIGN - 1);
}

ALWAYS_INLINE uint32_t item_bytes(const struct item *it)
{
	return (uint32_t)item_bytes_of(it->key_len, it->val_len);
}

ALWAYS_INLINE const uint8_t *item_val(const struct item *it)
{
	return it->data + it->key_len;
}

ALWAYS_INLINE uint64_t item_expire(const struct item *it)
{
	return (uint64_t)it->expire_hi << 32 | it->expire_lo;
}

ALWAYS_INLINE enum item_kind item_kind(const struct item *it)
{
	return (enum item_kind)atomic_load_explicit(&it->kind, memory_order_acquire); /* X2 */
}

ALWAYS_INLINE uint64_t tick_now(uint64_t now_ns)
{
	return now_ns >> TICK_SHIFT;
}

/* Rounded up, so that nothing expires early. */
ALWAYS_INLINE uint64_t tick_expire(uint64_t expire_ns)
{
	uint64_t t;

	if (expire_ns == 0 || expire_ns > UINT64_MAX - (UINT64_C(1) << TICK_SHIFT))
		return TICK_NEVER;
	t = (expire_ns + (UINT64_C(1) << TICK_SHIFT) - 1) >> TICK_SHIFT;
	return t < TICK_NEVER ? t : TICK_NEVER;
}

ALWAYS_INLINE uint64_t tick_ns(uint64_t tick)
{
	return tick == TICK_NEVER ? 0 : tick << TICK_SHIFT;
}

ALWAYS_INLINE bool tick_over(uint64_t tick, uint64_t now_ns)
{
	return tick != TICK_NEVER && tick <= tick_now(now_ns);
}

ALWAYS_INLINE struct seg *seg_of(const struct cache *c, uint64_t place)
{
	return &c->seg[place >> c->geo.seg_shift];
}

ALWAYS_INLINE struct segq *queue_at(const struct cache *c, uint32_t q)
{
	return (struct segq *)(void *)(c->queues + q * c->geo.queue_bytes);
}

ALWAYS_INLINE void item_touch_freq(struct item *it)
{
	uint8_t f = atomic_load_explicit(&it->freq, memory_order_relaxed);

	if (f < ITEM_FREQ_MAX)
		atomic_store_explicit(&it->freq, (uint8_t)(f + 1), memory_order_relaxed);
}

ALWAYS_INLINE bool bytes_equal(const uint8_t *a, const uint8_t *b, uint32_t n)
{
	if (n < 8)
		return memcmp(a, b, n) == 0;
	for (uint32_t i = 0; i + 8 < n; i += 8)
		if (load64(a + i) != load64(b + i))
			return false;
	return load64(a + n - 8) == load64(b + n - 8);
}

ALWAYS_INLINE bool item_is_key(const struct item *it, const struct cache_key *k)
{
	return it->key_len == k->len && it->ns == k->ns && bytes_equal(it->data, k->data, k->len);
}

/* Hash of a key under the cache's secret: bucket by the upper 32 bits, tag by the lower 16. */
ALWAYS_INLINE uint64_t hash_bytes(
	const uint64_t secret[6], uint8_t ns, const void *data, uint32_t len)
{
	const uint8_t *p = data;
	uint64_t mark = (uint64_t)len << 8 | ns, h = secret[0] ^ mark, a = 0, b = 0;

	for (; len > 16; len -= 16, p += 16)
		h = mix_fold(load64(p) ^ secret[1], load64(p + 8) ^ h);
	if (len >= 8) {
		a = load64(p);
		b = load64(p + len - 8);
	} else if (len >= 4) {
		a = load32(p);
		b = load32(p + len - 4);
	} else if (len > 0) {
		a = (uint64_t)p[0] | (uint64_t)p[len / 2] << 8 | (uint64_t)p[len - 1] << 16;
	}
	h = mix_fold(a ^ secret[2], b ^ h);
	return mix_fold(h ^ secret[3], secret[4] ^ mark);
}

ALWAYS_INLINE uint64_t cache_hash(const struct cache *c, uint8_t ns, const void *data, uint32_t len)
{
	return hash_bytes(c->geo.hash_key, ns, data, len);
}

/* -- index.c -- */

/* Where a key is, or that it is not there, as of the moment hdr was loaded. */
struct place {
	struct bucket *b;
	uint64_t hdr;
	uint32_t slot;             /* in the chain; CHAIN_SLOTS: absent */
	uint64_t word;             /* if present */
	_Atomic uint64_t *slot_at; /* if present */
};

ALWAYS_INLINE struct bucket *bucket_of(const struct cache *c, uint64_t hash)
{
	uint64_t i = ((hash >> 32) * c->geo.buckets) >> 32;

	return c->index + i / CACHE_GROUP * GROUP_LINES + i % CACHE_GROUP;
}

ALWAYS_INLINE struct bucket *bucket_overflow(const struct cache *c, struct bucket *b, uint64_t hdr)
{
	uint64_t group = (uint64_t)(b - c->index) / GROUP_LINES;
	uint64_t link = (hdr & HDR_LINK_MASK) >> HDR_LINK_LSB;

	return c->index + group * GROUP_LINES + CACHE_GROUP + link - 1;
}

/* Bits of the slots whose word carries the tag; a hint, whoever uses a slot loads it again. Each
 * lane of an aligned vector load is one access on the processors that have these instructions; the
 * language does not know, so sanitizers get the other version. */
ALWAYS_INLINE uint32_t bucket_match(const struct bucket *b, uint64_t tag)
{
#if defined(__AVX2__) && !defined(__SANITIZE_THREAD__) && !defined(CACHE_HOOKS)
	const __m256i *line = (const void *)b, want = _mm256_set1_epi64x((int64_t)tag);
	__m256i lo = _mm256_srli_epi64(_mm256_load_si256(line), WORD_TAG_SHIFT);
	__m256i hi = _mm256_srli_epi64(_mm256_load_si256(line + 1), WORD_TAG_SHIFT);
	int m = _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(lo, want)));

	m |= _mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(hi, want))) << 4;
	return (uint32_t)m >> 1; /* the header is no slot */
#else
	uint32_t m = 0;

	for (uint32_t i = 0; i < BUCKET_SLOTS; i++)
		m |= (uint32_t)(atomic_load_explicit(&b->slot[i], memory_order_relaxed) >>
					WORD_TAG_SHIFT ==
				tag)
		     << i;
	return m;
#endif
}

ALWAYS_INLINE uint64_t hash_tag(uint64_t hash)
{
	return (hash << 48 | WORD_ITEM) >> WORD_TAG_SHIFT;
}

/* Find the key: true if present, whatever its kind or expiry. */
bool index_find(const struct cache *c, const struct cache_key *k, struct place *p);
/* Find the slot that holds exactly this word. */
bool index_find_word(const struct cache *c, uint64_t hash, uint64_t word, struct place *p);
/* Publish an item under a key that is absent in p. 0; -EAGAIN: the bucket changed, find again;
 * -EBUSY: it is full of what others are just writing. */
int index_insert(struct cache_worker *w, struct place *p, uint64_t word, uint64_t now_ns);
/* Put another item of the same key in place of p's. false: it is not there any more. */
bool index_replace(struct place *p, uint64_t word);
/* Remove it. false: it is not there any more. */
bool index_remove(struct cache_worker *w, struct place *p);

/* -- segment.c -- */

/* Room for an item in the worker's open segment; ITEM_NONE when memory is short. `keep` may use the
 * segments reserved for eviction. */
uint64_t seg_alloc(struct cache_worker *w, uint8_t ns, enum seg_tier tier, uint32_t bytes,
	uint64_t expire_tick, uint64_t now_ns, bool keep);
/* What was allocated will never be published. */
void seg_waste(struct cache_worker *w, uint64_t place);
/* Count a published item in, or one that left the index out. */
void seg_account(struct cache_worker *w, const struct item *it, int sign);

void seg_seal(struct cache_worker *w, uint32_t seg);
void seg_retire(struct cache_worker *w, uint32_t seg);
/* Free what has waited long enough, looking at a few segments only. */
void seg_reap(struct cache_worker *w);
/* Seal the worker's open segments that hold something; true if any. */
bool seg_seal_open(struct cache_worker *w);
/* Let sanitizers see which memory is free, or that nothing is any more. */
void seg_guard(struct cache *c, bool on);
void seg_pins_look(struct cache_worker *w, uint32_t budget);
void pin_segment(struct cache_worker *w, uint32_t seg, struct cache_pin *pin);

/* -- evict.c -- */

bool evict_wanted(const struct cache *c);
/* Look at up to `budget` items if memory is short. */
void evict_step(struct cache_worker *w, uint64_t now_ns, uint32_t budget);
void ghost_add(const struct cache *c, uint64_t hash);
bool ghost_take(const struct cache *c, uint64_t hash);

/* -- lease.c -- */

/* A fill of the worker's, as status; 0 when all are in use. */
uint64_t fill_begin(struct cache_worker *w, enum fill_status status, uint64_t now_ns);
/* Its end, by the owner: wakes. */
void fill_end(struct cache_worker *w, uint64_t stream, enum fill_status status);
/* It goes on as a stream: wakes those that waited for the lease. */
void fill_to_stream(struct cache_worker *w, uint64_t stream);
void fill_set_total(struct cache_worker *w, uint64_t stream, uint64_t total_len);
/* So many bytes may be read: wakes those that wait for more. */
void fill_progress(struct cache_worker *w, uint64_t stream, uint64_t filled);
/* How a stream stands; FILL_IDLE if its fill serves another one by now. */
enum fill_status fill_read(
	const struct cache *c, uint64_t stream, uint64_t *filled, uint64_t *total_len);
void fill_notify(struct cache *c, uint64_t stream);
/* Is the fetch still expected to come, as a lease or, with `streams`, as a stream? */
bool fill_alive(const struct cache *c, uint64_t stream, bool streams);
/* The item left the index for something else; if it was a placeholder its waiters look again. */
void lease_replaced(struct cache_worker *w, const struct item *old);
uint32_t lease_poll(struct cache_worker *w, uint64_t now_ns);
/* Queue a waiter until the lease ends or, with an offset, until a stream has more than that many
 * bytes or ends. false: it did already, or the waiters are too many. */
#define FILL_UNTIL_OVER UINT64_MAX
bool fill_wait(
	struct cache_worker *w, uint64_t stream, uint64_t offset, struct cache_waiter *waiter);

/* -- ops.c -- */

uint64_t seq_draw(struct cache_worker *w, uint64_t above);

/* What to write into a new item. */
struct item_spec {
	const void *head; /* precedes the value; NULL: none */
	uint32_t head_len;
	const void *val; /* NULL: room only */
	uint32_t val_len;
	uint64_t seq, expire_tick;
	uint16_t user;
	enum item_kind kind;
};

/* Write an item in the tier that suits the key and what it replaces (old may be NULL). ITEM_NONE
 * when memory is short. */
uint64_t item_write(struct cache_worker *w, const struct cache_key *k, const struct item_spec *s,
	const struct item *old, uint64_t now_ns);
/* Find, then insert or replace if the condition holds (NULL: always); accounts and wakes. spec->seq
 * 0 draws one, and is set. 0, the condition's error, or -EAGAIN. */
int item_store(struct cache_worker *w, const struct cache_key *k, struct item_spec *spec,
	const struct cache_put *cond, uint64_t now_ns, uint64_t *place);
/* Is what the index has a value for a reader, and not expired, a placeholder or a dead stream? */
bool item_live(const struct cache *c, const struct item *it, uint64_t now_ns);
/* Put a new item in place of the caller's own placeholder or head. 0; -ESTALE: it is gone; -EFBIG
 * or -EAGAIN: it is gone now. */
int own_replace(struct cache_worker *w, const struct cache_key *k, enum item_kind kind,
	uint64_t seq, const struct item_spec *spec, uint64_t now_ns);
void own_remove(
	struct cache_worker *w, const struct cache_key *k, enum item_kind kind, uint64_t seq);
void view_fill(const struct cache *c, const struct item *it, struct cache_view *v);
ALWAYS_INLINE uint32_t item_max(const struct cache *c)
{
	return UINT32_C(1) << (c->geo.seg_shift - 1);
}

ALWAYS_INLINE uint32_t key_max(const struct cache *c)
{
	uint32_t eighth = UINT32_C(1) << (c->geo.seg_shift - 3);

	return eighth < CACHE_KEY_MAX ? eighth : CACHE_KEY_MAX;
}

#endif
