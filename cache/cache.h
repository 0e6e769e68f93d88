/* SPDX-License-Identifier: Apache-2.0
 * cache - one memory cache that all workers share: no lock, no system call, a hard memory bound.
 * Owner:      control creates, watches and destroys. A struct cache_worker belongs to one thread,
 *             which alone may pass it; threads that are no worker lcores take an id of their own.
 * Lifetime:   three zones of memory come from outside (cache_mem_map() makes them); the cache lives
 *             in them until cache_destroy(), which leaves them whole: cache_attach() adopts them
 *             later, at any address, also in another process.
 * Invariants: CA1 a key is in the index at most once.  CA2 an item does not change after it was
 *             published, its 2-bit frequency and an extent that is still filled aside.
 *             CA3 free + open + sealed + evicting + limbo segments == all segments.
 *             CA4 memory that a worker can still reach, by a view or a pin, is not reused.
 *             CA5 a fill succeeds only while the placeholder of its own lease is in place.
 *             docs/concurrency.md has the proofs.
 * Units:      times in ns on the monotonic clock of `now_ns`, kept in ticks of 2^20 ns: an item
 *             expires never early and at most 1.05 ms late. Sizes in bytes. 0 as expiry: never.
 * Errors:     -EAGAIN no memory at this moment (all is in use, or waits for a worker to report
 *             quiescent): go on without the cache. A value that was there before still is.
 * Limits:     CACHE_*_MAX below; a plain item takes half a segment at most, objects are larger.
 * Cost:       a hit touches one or two index lines and the item; a put adds two CAS. Readers write
 *             no shared line but an item's frequency, and that at most three times an item.
 *
 * A worker's turn: cache_online() once; then in each loop any number of operations, and at its end
 * cache_poll(), which wakes waiters, evicts within a budget and reports quiescent. Views die there;
 * what must live longer is pinned or copied. Before it sleeps it calls cache_offline(). */
#ifndef CACHE_CACHE_H
#define CACHE_CACHE_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"
#include "dataplane/base/list.h"

#define CACHE_WORKERS_MAX 64
#define CACHE_NS_MAX      8
#define CACHE_KEY_MAX     8192 /* and at most an eighth of a segment */
#define CACHE_BURST_MAX   32
#define CACHE_SEGMENT_MIN 16384
#define CACHE_SEGMENT_MAX 4194304
#define CACHE_FILLS_MAX   1024 /* leases and streams that one worker has open */
#define CACHE_SEQ_MAX     (UINT64_MAX >> 1)

_Static_assert(CACHE_WORKERS_MAX >= LIMIT_WORKERS, "every worker core has an id");

struct cache;
struct cache_worker;

/* -- creation (control) -- */

struct cache_ns_conf {
	/* Thousandths of the arena that stay this namespace's own; beyond them it borrows what the
	 * others leave unused. The sum is at most 1000; 0 shares the rest evenly. */
	uint16_t share;
};

struct cache_conf {
	uint64_t arena_bytes;     /* rounded down to whole segments */
	uint32_t segment_bytes;   /* power of two; 0: chosen by the arena's size */
	uint64_t index_items;     /* items the index has room for; 0: one for 256 bytes of arena */
	uint32_t workers;         /* 1..CACHE_WORKERS_MAX */
	uint32_t fills;           /* for each worker, 1..CACHE_FILLS_MAX; 0: 256 */
	uint32_t waiters;         /* for each worker and fill; 0: 1024 */
	uint64_t lease_ns;        /* after it another miss may take the lease over; 0: 10 s */
	uint64_t hash_seed;       /* 0: a secret is drawn; else the layout repeats (tests) */
	uint16_t pinned_permille; /* of all segments that pins may hold back; 0: 100 */
	uint16_t ns_cnt;          /* 1..CACHE_NS_MAX */
	struct cache_ns_conf ns[CACHE_NS_MAX];
};

enum cache_zone { CACHE_ZONE_CTL, CACHE_ZONE_INDEX, CACHE_ZONE_ARENA, CACHE_ZONES };

struct cache_mem {
	void *addr[CACHE_ZONES];
	uint64_t bytes[CACHE_ZONES];
	int fd[CACHE_ZONES]; /* -1: memory that another process cannot map */
	bool huge[CACHE_ZONES];
};

/* How large each zone must be. 0, or -EINVAL for a configuration out of its limits or too small: an
 * arena holds at least 16 segments, and four for each worker and namespace. */
int cache_plan(const struct cache_conf *conf, uint64_t bytes[CACHE_ZONES]) WARN_UNUSED;

/* Map zones of the sizes in mem->bytes: explicit hugepages if there are enough, else memory that
 * may become huge. With `shared` each is a memfd named weir.cache.*, for another process to adopt.
 * 0 or -errno; on error nothing stays mapped. */
int cache_mem_map(struct cache_mem *mem, bool shared) WARN_UNUSED;
void cache_mem_unmap(struct cache_mem *mem);

/* Format the zones and open them. All are aligned to 64 bytes at least and as large as planned.
 * 0, -EINVAL or -ENOMEM. */
int cache_create(struct cache **out, const struct cache_conf *conf,
	void *const zone[CACHE_ZONES]) WARN_UNUSED;

/* Adopt zones that an earlier owner left by cache_destroy(), with everything in them; open leases
 * and pins ended there. -EINVAL if they are no cache of this layout, -EBUSY if nobody left them. */
int cache_attach(struct cache **out, void *const zone[CACHE_ZONES]) WARN_UNUSED;

/* All workers are offline and all pins returned. The zones stay the caller's. */
void cache_destroy(struct cache *c);

/* -- workers -- */

struct cache_worker *cache_worker(struct cache *c, uint32_t id);

void cache_online(struct cache_worker *w);
/* No view, no unfinished call; pins and leases may stay. */
void cache_offline(struct cache_worker *w);

/* The worker holds no view any more. */
void cache_quiescent(struct cache_worker *w);

/* For workers that sleep. `ring` is called, by the worker whose call changed a fill, after mail
 * came for `worker`; it has to order that before its look at whether that worker sleeps. Before a
 * worker sleeps it says so and then asks cache_mail_waiting(), as it looks at its rings. Set while
 * no worker runs. */
void cache_on_mail(struct cache *c, void (*ring)(void *ctx, uint32_t worker), void *ctx);
bool cache_mail_waiting(const struct cache_worker *w);

/* Once a loop: wake waiters whose fill moved, end own leases that are overdue, evict if memory is
 * short, report quiescent. Returns how many waiters were woken. */
uint32_t cache_poll(struct cache_worker *w, uint64_t now_ns);

/* -- keys and views -- */

struct cache_key {
	const void *data;
	uint64_t hash;
	uint16_t len; /* 1..CACHE_KEY_MAX */
	uint8_t ns;
};

/* data must stay as it is while the key is used. */
void cache_key_init(
	const struct cache *c, struct cache_key *k, uint8_t ns, const void *data, uint16_t len);

enum cache_found {
	CACHE_MISS,
	CACHE_HIT,
	CACHE_OBJECT,  /* value in extents: read it with cache_object_read() */
	CACHE_PENDING, /* somebody fetches it */
	CACHE_LEASED,  /* cache_lookup(): the caller is to fetch and fill it */
	CACHE_WAITING, /* cache_lookup(): the waiter is queued */
};

/* What a lookup found; its memory may be read until the worker's next quiescent report. */
struct cache_view {
	const uint8_t *val; /* value; of an object its description */
	uint32_t len;
	uint16_t user; /* as given to the put */
	uint8_t found; /* enum cache_found */
	uint8_t ns;
	uint64_t seq; /* version */
	uint64_t expire_ns;
	uint64_t item;      /* place in the arena */
	uint64_t total_len; /* of an object; CACHE_LEN_UNKNOWN while nobody knows */
	uint64_t stream;    /* of an object that is still filled; 0 when it is complete */
};

/* HIT, OBJECT, PENDING or MISS; an expired item is a miss. */
enum cache_found cache_get(
	struct cache_worker *w, const struct cache_key *k, uint64_t now_ns, struct cache_view *v);

/* The same for n <= CACHE_BURST_MAX keys, with their memory latencies overlapped. Returns how many
 * were HIT or OBJECT. */
uint32_t cache_get_burst(struct cache_worker *w, const struct cache_key *keys, uint32_t n,
	uint64_t now_ns, struct cache_view *views);

/* Start fetching what lookups of n <= CACHE_BURST_MAX keys will touch; changes nothing. */
void cache_prefetch(const struct cache_worker *w, const struct cache_key *keys, uint32_t n);

/* Hold a view's memory beyond the quiescent report, for a transmission without a copy. -EBUSY when
 * pins hold back as many segments as they may: then copy. */
struct cache_pin {
	uint32_t segment;
	uint16_t worker;
};
int cache_pin(
	struct cache_worker *w, const struct cache_view *v, struct cache_pin *pin) WARN_UNUSED;
/* A second pin for somebody who holds one; does not fail. */
void cache_pin_dup(struct cache_worker *w, const struct cache_pin *pin, struct cache_pin *second);
/* Any worker may return a pin. */
void cache_unpin(struct cache_worker *w, const struct cache_pin *pin);

/* -- changes -- */

enum cache_cond {
	CACHE_ALWAYS,
	CACHE_IF_ABSENT,  /* else -EEXIST */
	CACHE_IF_PRESENT, /* else -ENOENT */
	CACHE_IF_SEQ,     /* the present version is cond_seq; else -ENOENT or -ESTALE */
	CACHE_IF_NEWER,   /* absent, or its version is below `seq`; else -ESTALE */
};

struct cache_put {
	const void *val;
	uint32_t len;
	uint16_t user;        /* the caller's own mark, for a negative answer or a type */
	enum cache_cond cond; /* an expired item and a placeholder count as absent */
	uint64_t cond_seq;    /* for CACHE_IF_SEQ */
	uint64_t seq;         /* version, up to CACHE_SEQ_MAX; 0: the cache draws one that is unique
			       * and above the present one */
	uint64_t expire_ns;   /* 0: never */
	uint64_t *seq_out;    /* NULL, or where the version goes */
};

/* Store a value; it replaces a placeholder, whose fill then fails. 0, the condition's error, -EFBIG
 * (make it an object) or -EAGAIN, after which the key still has what it had. */
int cache_put(struct cache_worker *w, const struct cache_key *k, const struct cache_put *p,
	uint64_t now_ns);

/* Remove the key and a placeholder of it, if cond (ALWAYS, IF_SEQ) holds. 0, -ENOENT or -ESTALE. */
int cache_delete(struct cache_worker *w, const struct cache_key *k, enum cache_cond cond,
	uint64_t cond_seq, uint64_t now_ns);

/* Give a present item another expiry; its version stays. Copies the item. 0, -ENOENT or -EAGAIN. */
int cache_touch(
	struct cache_worker *w, const struct cache_key *k, uint64_t expire_ns, uint64_t now_ns);

/* -- one fetch for many misses -- */

struct cache_lease {
	uint64_t seq;    /* the placeholder's version */
	uint64_t stream; /* its fill; 0: no lease */
};

/* Waits for a fill to end or to move; in the caller's memory, on one list at most. `wake` runs in
 * cache_poll() of the worker that queued it, unlinked: look the key up again. */
struct cache_waiter {
	struct list_node node;
	void (*wake)(struct cache_waiter *waiter, uint64_t now_ns);
	uint64_t stream;
};

/* As cache_get(); but the first miss gets the lease, later ones queue `waiter` (NULL: they get
 * PENDING). MISS means: no lease to be had (too many are open, no memory, too many waiters): fetch
 * without the cache. */
enum cache_found cache_lookup(struct cache_worker *w, const struct cache_key *k, uint64_t now_ns,
	struct cache_view *v, struct cache_lease *lease, struct cache_waiter *waiter);

/* End the lease with a value, by the worker that got it. 0; -ESTALE if the placeholder is gone:
 * somebody set or deleted the key, or took over; -EFBIG or -EAGAIN. The lease is over in each case
 * and the waiters wake. p->cond is not looked at; with p->seq 0 the version is the lease's. */
int cache_fill(struct cache_worker *w, const struct cache_key *k, struct cache_lease *lease,
	const struct cache_put *p, uint64_t now_ns);
/* End it without one. */
void cache_lease_abort(struct cache_worker *w, const struct cache_key *k, struct cache_lease *lease,
	uint64_t now_ns);

void cache_waiter_init(struct cache_waiter *waiter, void (*wake)(struct cache_waiter *, uint64_t));
/* By the worker that queued it; harmless if it is not queued. */
void cache_waiter_cancel(struct cache_worker *w, struct cache_waiter *waiter);

/* -- objects: values in extents, read while they are filled -- */

#define CACHE_LEN_UNKNOWN UINT64_MAX

struct cache_object {
	const void *desc; /* small description (headers), at most a quarter of a segment */
	uint32_t desc_len;
	uint16_t user;
	uint64_t expire_ns;
	uint64_t total_len; /* or CACHE_LEN_UNKNOWN */
};

/* A stream of bytes into an object; owned by one worker. */
struct cache_stream {
	uint64_t id;     /* the object's: its version */
	uint64_t stream; /* its fill; 0: none */
	uint64_t filled, total_len;
	uint64_t extent; /* place of the open extent; UINT64_MAX: none */
	uint32_t extent_len, extent_used;
	struct cache_pin pin;
	uint8_t ns;
	struct cache_object obj;
};

/* Begin an object, with the lease (which becomes the stream) or, with lease NULL, in place of what
 * is there. obj->desc stays until cache_object_close(). 0, -ESTALE, -EFBIG or -EAGAIN; the lease is
 * over after an error. */
int cache_object_open(struct cache_worker *w, const struct cache_key *k, struct cache_lease *lease,
	const struct cache_object *obj, struct cache_stream *s, uint64_t now_ns);
/* Append bytes; readers may have them at once. Returns how many were taken (fewer when memory is
 * short: they may come again later) or -EFBIG beyond total_len. */
int64_t cache_object_append(struct cache_worker *w, struct cache_stream *s, const void *data,
	uint32_t len, uint64_t now_ns);
/* End it: ok keeps the object. -ESTALE if it was replaced meanwhile, -EAGAIN without memory for its
 * head: it goes, its readers finish. -EINVAL if total_len was known and is not reached, or not ok:
 * it goes, and its readers get -EIO. */
int cache_object_close(struct cache_worker *w, const struct cache_key *k, struct cache_stream *s,
	bool ok, uint64_t now_ns);

/* Bytes from `offset` on, as many as lie together: the slice's val and len; it can be pinned.
 * 0; -EAGAIN not there yet (cache_object_wait()); -ENOENT evicted or never put: a hole;
 * -EIO the fill failed; -ESTALE it ended long ago: look the key up again, the same seq means it is
 * complete; -ERANGE at or beyond the end. v is a view of the object of this turn, or a copy of one
 * kept from an earlier turn: it needs no memory of the item. */
int cache_object_read(struct cache_worker *w, const struct cache_view *v, uint64_t offset,
	uint64_t now_ns, struct cache_view *slice);
/* Queue a waiter until there may be more than `offset` bytes. true if queued, false if there
 * already are, or the fill is over, or the waiters are too many. */
bool cache_object_wait(struct cache_worker *w, const struct cache_view *v, uint64_t offset,
	struct cache_waiter *waiter);

/* Sparse objects: an object of known length without a stream, whose extents come in any order. */
int cache_object_put(struct cache_worker *w, const struct cache_key *k,
	const struct cache_object *obj, uint64_t now_ns);
/* The same, with the lease, which is over in each case: -ESTALE if the placeholder is gone. */
int cache_object_fill(struct cache_worker *w, const struct cache_key *k, struct cache_lease *lease,
	const struct cache_object *obj, uint64_t now_ns);
/* Extent number n, whole (all but the last have cache_extent_bytes()). 0, -EINVAL, -EAGAIN. */
int cache_extent_put(struct cache_worker *w, const struct cache_view *v, uint32_t n,
	const void *data, uint32_t len, uint64_t now_ns);
uint32_t cache_extent_bytes(const struct cache *c);
/* Is it there? No reading: it does not count as use. */
bool cache_extent_has(struct cache_worker *w, const struct cache_view *v, uint32_t n);

/* Give a complete object (v, of this turn) another description, user mark and expiry; version and
 * extents stay, obj->total_len is not looked at. 0; -EINVAL: v is none, or is still filled; -ESTALE
 * it was replaced; -EFBIG or -EAGAIN, and it stays as it was. */
int cache_object_update(struct cache_worker *w, const struct cache_key *k,
	const struct cache_view *v, const struct cache_object *obj, uint64_t now_ns);

/* -- what leaves -- */

/* A value, or an object's head, that eviction is about to drop although it was used since it was
 * put: it had been moved to the main queue. `v` may be read and pinned as what a lookup found; the
 * item is still in the index, so another worker may replace or delete it meanwhile. */
struct cache_leaving {
	struct cache_key key;
	struct cache_view v;
};
/* `fn` runs on the worker that evicts, inside of any call that may need memory: it must not put,
 * fill or evict itself. Set while no worker runs; NULL: nobody asks. */
void cache_on_leaving(struct cache *c,
	void (*fn)(void *ctx, uint32_t worker, const struct cache_leaving *l, uint64_t now_ns),
	void *ctx);

/* -- what it holds -- */

/* name, meaning */
#define CACHE_STATS(X)                                                                \
	X(hits, "lookups that found an item or an object")                            \
	X(misses, "lookups that found nothing, or something expired")                 \
	X(pending, "lookups that found a placeholder")                                \
	X(puts, "values stored")                                                      \
	X(put_refused, "puts whose condition did not hold")                           \
	X(put_nomem, "values, placeholders and extents that found no memory")         \
	X(deletes, "keys removed by request")                                         \
	X(touches, "expiries changed")                                                \
	X(leases, "leases given to a first miss")                                     \
	X(lease_full, "misses that got no lease")                                     \
	X(lease_expired, "leases that ran out of time")                               \
	X(waits, "waiters queued")                                                    \
	X(waits_refused, "waiters beyond the limit")                                  \
	X(wakes, "waiters woken")                                                     \
	X(fills, "leases ended by a value")                                           \
	X(fills_stale, "fills that came after their placeholder was gone")            \
	X(streams, "objects begun")                                                   \
	X(holes, "reads of an object that hit a missing extent")                      \
	X(retries, "operations begun anew because another worker was faster")         \
	X(evicted_small, "items evicted from the small queue")                        \
	X(evicted_main, "items evicted from the main queue")                          \
	X(evicted_expired, "items found expired by eviction")                         \
	X(evicted_bucket, "items displaced because their bucket was full")            \
	X(promoted, "items moved from the small queue to the main one")               \
	X(reinserted, "items that stay another round in the main queue")              \
	X(ghost_hits, "puts of a key that was evicted not long ago")                  \
	X(copy_dropped, "items to keep that were dropped because no memory was free") \
	X(segs_opened, "segments taken from the free ones")                           \
	X(segs_freed, "segments freed")                                               \
	X(pins, "pins made")                                                          \
	X(pins_refused, "pins beyond the limit")                                      \
	X(dead_bytes, "bytes allocated for items that were not published")

struct cache_stats {
#define X(name, text) uint64_t name;
	CACHE_STATS(X)
#undef X
};

struct cache_usage {
	uint64_t segments, segment_bytes;
	uint64_t free, open, sealed, evicting, limbo; /* segments */
	uint64_t pinned;                              /* an upper bound */
	uint64_t items, item_bytes;                   /* published, headers included */
	uint64_t ns_segments[CACHE_NS_MAX], ns_items[CACHE_NS_MAX], ns_bytes[CACHE_NS_MAX];
	uint64_t overflow_buckets; /* in use */
};

/* Sums over the workers; any thread, exact when the workers rest. */
void cache_stats(const struct cache *c, struct cache_stats *out);
void cache_usage(const struct cache *c, struct cache_usage *out);

/* Control, now and then: online workers that have not reported quiescent for limit_ns while memory
 * waits for them. Returns how many; *first is the lowest. Until they move, limbo grows to its
 * limit, then eviction stops and puts get -EAGAIN; reads go on. */
uint32_t cache_watch(struct cache *c, uint64_t now_ns, uint64_t limit_ns, uint32_t *first);

/* Walk everything and compare it with the invariants and the counters; the workers rest. 0, or
 * -EBADMSG with the first contradiction in `what`. */
int cache_check(const struct cache *c, char *what, size_t what_len) WARN_UNUSED;

#endif
