/* SPDX-License-Identifier: Apache-2.0
 * hcache - the HTTP cache: an action between routes and their upstreams (RFC 9111, a shared cache).
 *
 * A request looks its key up. What is fresh is sent from the cache's memory. The first one that
 * finds nothing gets a lease and starts a fetch, a request of weir's own to the upstream; whoever
 * asks for the same meanwhile waits for its head and then reads along while it comes in. Responses
 * that may not be stored pass through, and their key remembers that for a while, so that nobody
 * waits for them.
 *
 * Owner:      struct hcache is the process's; control makes it, all workers use it. A struct
 *             hcache_worker is one worker's.
 * Invariants: HC1 of requests that may share a response, one asks the upstream at a time.
 *             HC2 no answer is a stored response that RFC 9111 4 does not allow for its request.
 *             HC3 an incomplete response is never answered as if it were whole.
 *             HC4 a fetch outlives the client that caused it, as long as somebody reads or what
 *             comes is stored. While that client reads, what is stored as one object is never ahead
 *             of it by more than 1 MiB. It waits for nobody else, and for nobody where that
 *             client is gone or there was none.
 * Units:      bytes, ms of the wall clock, ns monotonic.
 * Limits:     struct hcache_conf; HCACHE_SMALL bytes and less lie beside their head.
 * Cost:       a hit on a small response is one look-up and no copy of its body from 1 KiB on. */
#ifndef LB_L7_CACHE_HCACHE_H
#define LB_L7_CACHE_HCACHE_H

#include "cache/cache.h"
#include "lb/l7/cache/fresh.h"
#include "lb/l7/cache/key.h"
#include "lb/l7/cache/purge.h"
#include "lb/l7/cache/stats.h"
#include "lb/l7/cache/top.h"
#include "lb/l7/http/stream.h"

#define HCACHE_SMALL  8192
#define HCACHE_SLICES 8192 /* of one worker on their way; pins bound what they hold */

struct hcache;
struct rte_mempool;
struct hcache_worker;

/* What a request for a part fetches if the part is not there. */
enum hcache_ranges {
	HC_RANGES_WHOLE, /* all of it */
	HC_RANGES_SLICE, /* the slices that the part lies in */
	HC_RANGES_PASS,  /* what the client asks for, and nothing of it is kept */
};

/* How a route caches: compiled from its configuration, part of its site. Spans are the
 * configuration's. */
struct hcache_route {
	struct key_conf key;
	struct fresh_policy fresh;
	int64_t keep_ms;    /* a stale response is kept so long */
	uint64_t max_bytes; /* larger responses are not stored; 0: as the arena allows */
	uint64_t pass_ms;   /* how long a key is remembered as not storable */
	uint64_t error_ms;  /* how long waiters share a failed fetch's error */
	uint32_t number;    /* for statistics */
	enum hcache_ranges ranges;
	uint64_t slice_bytes;
	struct span name;                  /* of this cache in Cache-Status */
	struct span purge_token;           /* of PURGE requests; empty: no such method here */
	const struct span *bypass_cookies; /* requests with one of them pass by */
	uint32_t bypass_cookie_cnt;
	bool cache_status; /* tell the client */
	bool own_targets;
};

struct config_http_cache;
/* Of a route's configuration, which must outlive it; number: hcache_route_number(). 0 or -ENOMEM.
 */
int hcache_route_build(
	const struct config_http_cache *c, uint32_t number, struct hcache_route **out) WARN_UNUSED;
void hcache_route_free(struct hcache_route *r); /* NULL is fine */

struct hcache_conf {
	uint64_t bytes; /* of bodies and heads */
	uint32_t workers;
	/* After mail came for a worker, which may sleep; see cache_on_mail(). */
	void (*ring)(void *ctx, uint32_t worker);
	void *ring_ctx;
};

int hcache_create(const struct hcache_conf *conf, struct hcache **out) WARN_UNUSED;
/* Workers were stopped, and no packet is left anywhere that shows memory of the cache. NULL is
 * fine. */
void hcache_destroy(struct hcache *h);

struct tier;
struct tier_conf;
struct tier_stats;
/* Before workers are made: responses go to the store, too, and are looked for there. 0 or -errno,
 * and there is memory alone. */
int hcache_add_tier(struct hcache *h, const struct tier_conf *conf) WARN_UNUSED;
struct tier *hcache_tier(struct hcache *h);                                  /* NULL: none */
const struct tier_stats *hcache_worker_tier(const struct hcache_worker *hw); /* NULL: none */

/* desc_pool: mbufs without data room for slices of the arena. */
struct hcache_worker *hcache_worker_create(struct hcache *h, uint32_t idx, struct http_worker *w,
	struct rte_mempool *desc_pool, uint32_t fetches);
/* The worker has ended; what it has in packets under way stays until hcache_destroy(). NULL is
 * fine. */
void hcache_worker_stop(struct hcache_worker *hw);

/* Once a turn: requests that waited go on. How many. */
uint32_t hcache_worker_poll(struct hcache_worker *hw, uint64_t now_ns);
/* Before the worker sleeps, after it has said so (edge D1); false: somebody has news for it. */
bool hcache_worker_park(struct hcache_worker *hw);

extern const struct http_action http_cached;

/* The arena, and whether ports can send from it as it lies; before workers run. */
void *hcache_memory(const struct hcache *h, size_t *len);
void hcache_set_zero_copy(struct hcache *h, bool on);

/* For tests: the wall clock in ms, in place of the system's. Before workers run. */
void hcache_set_wall(struct hcache *h, int64_t (*wall_ms)(void *ctx), void *ctx);

struct purge *hcache_purge(struct hcache *h);
struct cache *hcache_cache(struct hcache *h);

/* clang-format off */
#define HCACHE_COUNTERS(C) \
	C(hits, "requests answered with a fresh response") \
	C(stale, "requests answered with a stale response") \
	C(stale_errors, "of these, because the upstream failed") \
	C(misses, "requests that had to be fetched") \
	C(revalidated, "stored responses that the upstream confirmed") \
	C(head_freshened, "stored responses that an answer to HEAD confirmed") \
	C(revalidations, "questions to the upstream whether a stored response is still good") \
	C(refreshes, "of these, in the background") \
	C(collapsed, "requests that waited for the fetch of another") \
	C(passes, "requests for what cannot be stored") \
	C(bypasses, "requests that the route's rules lead past the cache") \
	C(stored, "responses stored") \
	C(not_stored, "responses that may not be stored") \
	C(fetch_failures, "fetches that failed") \
	C(invalidated, "keys removed because an unsafe request succeeded") \
	C(purges, "purge requests") \
	C(purged, "stored responses that a purge caught on their next use") \
	C(not_modified, "requests answered with 304 from the cache") \
	C(coded_hits, "requests answered with a stored compressed response") \
	C(coded_stored, "compressed responses stored") \
	C(ranges, "requests answered with 206 from the cache") \
	C(parts, "answers 206 of upstreams that were stored") \
	C(partials, "requests that waited for a part of a stored response") \
	C(holes, "missing parts of stored responses that were fetched, or responses cut for them") \
	C(no_memory, "fetches whose response could not be stored for want of memory") \
	C(bytes_hit, "bytes of bodies sent from the cache") \
	C(bytes_copied, "of these, copied for want of a pin or because ports cannot reach the memory") \
	C(shorts, "times that an answer had to wait for memory to send with") \
	C(bytes_fetched, "bytes of bodies fetched")
/* clang-format on */

struct hcache_stats {
	uint64_t fetches, waiting; /* gauges */
#define C(name, text) uint64_t name;
	HCACHE_COUNTERS(C)
#undef C
};

const struct hcache_stats *hcache_worker_stats(const struct hcache_worker *hw);
/* By hcache_route_number(). */
const struct hcache_route_stats *hcache_worker_route(
	const struct hcache_worker *hw, uint32_t number);
const struct top *hcache_worker_top(const struct hcache_worker *hw);

#endif
