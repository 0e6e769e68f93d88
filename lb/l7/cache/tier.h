/* SPDX-License-Identifier: Apache-2.0
 * tier - the second tier of the HTTP cache: responses that were used, on the store's shards.
 *
 * What is asked for twice is written there: ahead, on its first use, and at the latest when it
 * leaves the memory's main queue. A miss in memory asks here before it asks the upstream, under the
 * same lease; what is found goes back to memory. A large response comes back as its head alone; its
 * body follows by chunks, those that are read.
 *
 * Space is a ring of generations, each a namespace of the store. One is written at a time; when it
 * is full, the oldest is emptied at once. What is used while it stands in the older half is written
 * again, so that the ring keeps what is used.
 *
 * Owner:      struct tier is the process's, control makes it; a struct tier_worker is one worker's.
 * Lifetime:   made after the store was opened, destroyed after it was closed: threads of the store
 *             write into buffers of requests under way.
 * Invariants: TR1 no worker waits for the tier, nor does eviction: what finds no room is dropped
 *                 and counted. TR2 a response is visible when its head record is there, which is
 *                 written after all its chunks. TR3 a record of another layout, of another key, or
 *                 with a wrong checksum is none. TR4 what was purged or invalidated before a lookup
 *                 began is not found by it, also after a restart. TR5 what the tier holds is never
 *                 more than max_bytes, the generation under way aside by what is in flight.
 * Units:      bytes, bytes a second, ms of the wall clock, ns monotonic.
 * Errors:     a store that is full, read-only or busy makes the tier passive, never a request fail.
 * Limits:     TIER_* below. Memory is taken when workers are made.
 * Cost:       a miss of what the tier has not: one line of memory. A hit in memory: one more. */
#ifndef LB_L7_CACHE_TIER_H
#define LB_L7_CACHE_TIER_H

#include "dataplane/base/compiler.h"

#define TIER_GENS  8               /* of the ring */
#define TIER_NS    (TIER_GENS + 1) /* namespaces: the ring, then state and purges */
#define TIER_CHUNK 262144          /* bytes of a body that stand together */

struct store;
struct tier;
struct tier_worker;

/* Where a response stands, kept beside its head in memory. */
struct tier_place {
	uint64_t id;  /* of its chunks; 0: it is not on disk, or has none */
	uint32_t gen; /* number of its generation, ever growing; 0: not on disk */
	uint32_t flags;
};
#define TIER_PLACE_NEWER 1u /* the head in memory is newer than that on disk */

struct tier_conf {
	struct store *store;
	uint32_t client; /* of the store: the first worker's */
	uint32_t ns;     /* index of the first of TIER_NS namespaces */
	uint32_t workers;
	uint64_t max_bytes;
	uint64_t max_object; /* larger bodies stay out; 0: an eighth of max_bytes, which is the most
			      */
	uint64_t write_rate; /* a second; 0: no bound */
	uint64_t warm_rate;  /* reads a second in the first minute; 0: no bound */
	uint64_t min_left_ms;   /* what is of use for less is not written */
	uint32_t writes, reads; /* of one worker, under way */
};

/* clang-format off */
#define TIER_COUNTERS(C) \
	C(hits, "lookups that found a response") \
	C(misses, "lookups that asked the store and found nothing") \
	C(absent, "lookups that needed no request: the tier does not have it") \
	C(dead, "responses found that were purged, invalidated or of no use any more") \
	C(torn, "records that were damaged, of another layout, or without their chunks") \
	C(read_failed, "lookups that the store refused or did not answer in time") \
	C(read_full, "lookups given up: too many were under way") \
	C(read_shed, "lookups given up: the bound on reads after a start") \
	C(chunks, "chunks read") \
	C(chunk_misses, "chunks that were not there") \
	C(bytes_read, "bytes read") \
	C(read_ns, "time of reads, from request to answer") \
	C(read_max_ns, "longest read") \
	C(written, "responses written") \
	C(again, "of these, because they were used when their generation was old") \
	C(bytes_written, "bytes written") \
	C(reject_once, "responses not written: asked for once") \
	C(reject_size, "responses not written: too large") \
	C(reject_left, "responses not written: of use for too short a time") \
	C(reject_part, "responses not written: part of them was evicted") \
	C(reject_gone, "responses not written: replaced or removed meanwhile") \
	C(reject_full, "responses not written: too many were under way") \
	C(reject_rate, "responses not written: the bound on writes") \
	C(reject_room, "responses not written: the next generation was not empty yet") \
	C(reject_passive, "responses not written: the store does not take writes") \
	C(write_failed, "writes that the store refused") \
	C(removed, "records deleted because something newer came or they were found dead") \
	C(turns, "generations begun") \
	C(purges_saved, "purges and invalidations recorded")
/* clang-format on */

struct tier_stats {
	uint64_t reading, writing; /* gauges */
#define C(name, text) uint64_t name;
	TIER_COUNTERS(C)
#undef C
};

struct tier_usage {
	uint64_t max_bytes, bytes; /* of all generations that can be read */
	uint64_t generation;
	uint64_t passive; /* 1: the store does not take writes at the moment */
};

struct cache_lease;
struct cache_leaving;
struct cache_view;
struct hc_req;
struct hcache_worker;
struct purge;

/* Read what an earlier process left: state, purges into `p`, which keys there are; blocks for as
 * long as that takes. 0 or -errno; a store that cannot be read gives an empty tier. */
int tier_create(const struct tier_conf *conf, struct purge *p, struct tier **out) WARN_UNUSED;
void tier_destroy(struct tier *t); /* NULL is fine */
void tier_usage(const struct tier *t, struct tier_usage *out);

/* ---- a worker ---- */

int tier_worker_create(struct tier *t, uint32_t idx, struct hcache_worker *hw,
	void (*wake)(void *ctx), void *ctx, struct tier_worker **out) WARN_UNUSED;
/* The worker has ended: the last of journal and state are handed to the store. */
void tier_worker_stop(struct tier_worker *tw); /* NULL is fine */
/* Once a turn. How many answers came. */
uint32_t tier_poll(struct tier_worker *tw, uint64_t now_ns);
/* Before the worker sleeps: is there anything for it? */
bool tier_waiting(const struct tier_worker *tw);
const struct tier_stats *tier_worker_stats(const struct tier_worker *tw);

/* ---- what the cache asks and tells; every call with hw->tier NULL does nothing ---- */

/* May the request's key be here? */
bool tier_may_have(const struct hc_req *q);
/* q found nothing in memory and has the lease. True: it is being looked for here; then, with the
 * lease, hc_found_on_disk() or hc_not_on_disk() follows, unless tier_leave() comes before. */
bool tier_look(struct hc_req *q, struct cache_lease *lease);
/* Bytes from q->pos on are not in memory. True: they are being read, or q waits for who does. */
bool tier_hole(struct hc_req *q);
/* q is gone, or does not wait any more. */
void tier_leave(struct hc_req *q);

/* q is answered from v, which is of this turn. */
void tier_used(struct hc_req *q, const struct cache_view *v);
/* The names of Vary under q's primary key were used. */
void tier_used_vary(struct hc_req *q, const struct cache_view *v);
/* It was put under this key after a fetch, or begun (an object that is still filled). */
void tier_filled(struct hcache_worker *hw, const char *key, uint32_t len);
/* Is it being written, although most of it will have been evicted at its end? */
bool tier_keeps(struct hcache_worker *hw, uint64_t seq);
/* Something newer comes under this key. */
void tier_replaced(struct hcache_worker *hw, const char *key, uint32_t len);
/* Hash of a primary key, kept with what is stored under it; 0 without a tier. */
uint64_t tier_primary(const struct hcache_worker *hw, const char *primary, uint32_t len);
/* Of struct cache: something used is evicted. ctx: the struct hcache. */
void tier_leaving(void *ctx, uint32_t worker, const struct cache_leaving *l, uint64_t now_ns);

#endif
