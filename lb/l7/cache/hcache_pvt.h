/* SPDX-License-Identifier: Apache-2.0
 * hcache_pvt - what the files of the HTTP cache share.
 *
 * Items in the cache are told apart by their user mark. A response's value is its stored head, and
 * for MARK_SMALL its body behind it; MARK_OBJECT has its body in extents. */
#ifndef LB_L7_CACHE_HCACHE_PVT_H
#define LB_L7_CACHE_HCACHE_PVT_H

#include "lb/l7/cache/hcache.h"
#include "lb/l7/cache/preload.h"
#include "lb/l7/cache/status.h"
#include "lb/l7/cache/stored.h"
#include "lb/l7/cache/tier.h"
#include "lb/l7/http/chain.h"
#include "lb/l7/http/cond.h"
#include "lb/l7/http/http_pvt.h"
#include "lb/l7/http/sub.h"

enum mark {
	MARK_SMALL = 1,
	MARK_OBJECT,
	MARK_VARY,  /* value: the names; the response is under the variant's key */
	MARK_PASS,  /* what comes may not be stored: do not wait for each other */
	MARK_CODED, /* value: a compressed body */
	MARK_ERROR, /* value: struct hc_error; a fetch has just failed */
};

/* What stands before a stored head. */
struct hc_prefix {
	uint64_t born; /* of purge */
	struct tier_place place;
	uint64_t primary; /* hc_primary() */
	uint64_t body;    /* a number of this body's own; 0: it has none */
};

struct hc_error {
	uint32_t end; /* enum http_end */
	uint16_t status, unused;
};

struct hcache {
	struct cache *cache;
	struct cache_mem mem;
	struct purge *purge;
	struct tier *tier; /* NULL: none */
	struct hcache_conf conf;
	bool zero_copy;
	int64_t (*wall_ms)(void *ctx); /* NULL: the system's */
	void *wall_ctx;
	struct hcache_worker *workers[CACHE_WORKERS_MAX];
	struct preload_list *_Atomic preload; /* NULL: there was none */
};

/* The shared information of slices that are being sent, beyond the life of any one mbuf. */
struct hc_slice {
	struct rte_mbuf_ext_shared_info info; /* first */
	struct hcache_worker *hw;
	struct cache_pin pin;
	uint32_t self;
};

struct hcache_worker {
	struct hcache *hc;
	struct cache_worker *cw;
	struct purge_worker *purge;
	struct tier_worker *tier; /* NULL: none */
	uint32_t idx;
	struct http_worker *w;
	struct rte_mempool *desc_pool;
	struct pool fetches, slices, coded;
	uint64_t body_next;
	bool online;
	uint64_t wall_until_ns; /* wall_off is good until then */
	int64_t wall_off_ms;
	struct hcache_stats stats;
	struct hcache_route_stats routes[HCACHE_ROUTES_MAX];
	struct top top;
	struct preload_worker *preload; /* the first worker's; NULL: another */
	struct http_head scratch_head;
	_Alignas(8) char scratch[STORED_MAX];
};

/* A request without these fields, as most are, is not searched for each of them. */
enum hc_asks {
	ASKS_CONTROL = 1,   /* Cache-Control, Pragma */
	ASKS_CONDITION = 2, /* RFC 9110 13.1 */
	ASKS_RANGE = 4,
};

enum hc_source {
	HC_NONE,
	HC_SMALL,  /* bytes at `bytes`, this turn only */
	HC_OBJECT, /* read by `view` */
};

/* One request that goes through the cache: the action's state, in its stream's arena. */
struct hc_req {
	struct http_stream *s;
	struct hcache_worker *hw;
	const struct hcache_route *route;
	struct hc_fetch *fetch; /* that it leads; NULL: none */
	/* The fill that it leads while `fetch` brings what was evicted before it was read. */
	struct hc_fetch *lead;
	struct cache_waiter waiter;
	bool queued;

	const char *primary, *key; /* key: the variant's, once known */
	uint32_t primary_len, key_len;
	uint32_t asks; /* enum hc_asks: what kinds of fields the request has */
	uint64_t hash; /* of the primary key */
	struct control_request control;
	int64_t arrived_ms;
	struct cache_status status;
	uint32_t rounds; /* look-ups so far */
	bool waited, collapsed, stale;
	struct tier_read *disk;  /* of the second tier, that it waits for; NULL: none */
	struct tier_place place; /* of what it is answered from */
	bool disk_tried, from_disk;

	enum hc_source source;
	bool copy_only; /* `bytes` are not the cache's */
	const uint8_t *bytes;
	uint64_t bytes_len;
	struct cache_view view;
	uint64_t total;   /* CACHE_LEN_UNKNOWN: of an object whose end is not known */
	struct span etag; /* strong, in the arena; empty: holes cannot be filled */
	struct http_range whole, *ranges;
	uint32_t range_cnt, range_at;
	uint64_t pos;  /* next byte of the representation to send */
	uint64_t body; /* number of the body; 0: none */
	struct cache_lease coded_lease;
	uint32_t coded_buf, coded_len;  /* what is being compressed; POOL_NONE: nothing */
	struct cache_stream *coded_out; /* what is longer goes there; NULL: nothing */
	uint8_t coding;
	bool multipart, part_open;
	bool filling;      /* a hole is being fetched, past the cache */
	bool headless;     /* the head waits for the slice that the answer begins in */
	bool no_parts;     /* of this one parts are of no use */
	uint64_t tried;    /* place of the last hole that a slice was fetched for, plus one */
	uint64_t short_ns; /* no memory to send with since then; 0: there was */
	struct http_timer again;
	uint8_t stalls; /* reads in a row that found nothing and nothing to wait for */
	char boundary[24];
	struct span part_type;
};

enum hc_fetch_kind {
	FETCH_FILL,
	FETCH_VALIDATE,
	FETCH_SLICE, /* missing extents of an object */
	FETCH_HOLE,  /* missing bytes, for its leader alone */
};

/* Where the body of a fetch goes. */
enum hc_sink {
	SINK_NONE, /* nowhere: it is not needed, or its head has not come */
	SINK_PASS, /* to the leader, as it comes */
	SINK_SMALL,
	SINK_OBJECT,
	SINK_EXTENTS, /* of an object that has holes */
};

/* A request of weir's own. */
struct hc_fetch {
	struct http_sub *sub;    /* NULL: over */
	struct http_arena arena; /* keys and what is stored, longer than the sub-request */
	struct hcache_worker *hw;
	const struct hcache_route *route;
	struct hc_req *leader; /* NULL: gone, or never was one */
	enum hc_fetch_kind kind;
	uint32_t self;
	char *primary, *key;
	uint32_t primary_len, key_len;
	enum hc_sink sink;
	bool starved; /* the proxy was told to wait */
	bool over;    /* all has come; `held` is not stored yet */
	bool has_lease, lease_is_validation;
	struct cache_lease lease; /* on the key, or on that of its validation */
	struct cache_stream object;
	char *buf; /* prefix, stored head, and body of a small one */
	uint32_t buf_len, buf_cap;
	uint64_t expire_ns;
	uint64_t born; /* of purge, when it began */
	int64_t request_ms;
	struct chain held; /* came and found no memory */
	uint32_t tries;
	uint64_t wanted;        /* the leader's next byte */
	struct http_range hole; /* what is fetched; SINK_EXTENTS: extents that will be put */
	struct cache_view view; /* the object that extents are of */
	struct span etag;       /* what the parts must share */
	uint64_t at, skip;      /* SINK_EXTENTS: the next extent; bytes before the first */
	uint64_t slice_no;
	struct cache_lease slice;
	bool ranged, has_slice;
	struct http_timer timer;
	struct http_task task;
};

#define HC_TAG_VALIDATE 'r'
#define HC_TAG_SLICE    's'
#define HC_TAG_CODED    'z'

#define HC_WINDOW (1u << 20) /* a fetch is ahead of its leader by no more */

#define HC_CODED_MAX 32768 /* bytes of a compressed body that is kept as a value */

static inline void hc_count(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

/* Of a route, beside the worker's own counter. */
#define HC_COUNT_ROUTE(hw, route, name, n) hc_count(&(hw)->routes[(route)->number].name, n)

int64_t hc_wall_ms(struct hcache_worker *hw);

static inline void hc_key(
	const struct hcache_worker *hw, struct cache_key *k, const char *key, uint32_t len)
{
	cache_key_init(hw->hc->cache, k, 0, key, (uint16_t)len);
}

#define HC_KEY_ALIGN 8 /* of keys' lengths, so that values lie aligned behind their key */

/* A key of len bytes, 0: none, made so long that it is aligned; `key` has room for HC_KEY_ALIGN
 * more. The new length. */
static inline uint32_t hc_key_align(char *key, uint32_t len)
{
	while (len % HC_KEY_ALIGN != 0)
		key[len++] = '\0';
	return len;
}

/* Key of the lease under which a stored response is validated, into `out`. */
static inline void hc_validation_key(const struct hcache_worker *hw, struct cache_key *k,
	const char *key, uint32_t len, char out[HCACHE_KEY_MAX])
{
	memcpy(out, key, len);
	out[0] = HC_TAG_VALIDATE;
	hc_key(hw, k, out, len);
}

/* Hash of a primary key, kept with what is stored under it and its variants: invalidations of all
 * of them go by it. */
static inline uint64_t hc_primary(const struct hcache_worker *hw, const char *primary, uint32_t len)
{
	struct cache_key k;

	if (hw->tier != NULL)
		return tier_primary(hw, primary, len);
	hc_key(hw, &k, primary, len);
	return k.hash;
}

/* ---- serve.c ---- */

/* False: no stored response. */
bool hc_decode(const struct cache_view *v, struct stored *s, uint64_t *born);
/* What a view of a response says. False: no stored response, or one that a purge caught. */
bool hc_open_view(struct hc_req *q, const struct cache_view *v, struct stored *s, bool *soft);
/* Answer with it; the request may be over afterwards. v is of this turn. */
void hc_serve(struct hc_req *q, const struct cache_view *v, const struct stored *s);
void hc_short_over(struct http_timer *t);
/* More of the body, as far as there is room and bytes. */
void hc_pump(struct hc_req *q);
/* The second tier has read the bytes of the body from `at` on (NULL: it could not), and put into
 * memory what found room there. */
void hc_chunk(struct hc_req *q, uint64_t at, const uint8_t *bytes, uint32_t len);
/* The same, if its head was sent already. */
void hc_poke(struct hc_req *q);
/* The rest of the body cannot be had. */
void hc_broken(struct hc_req *q);
/* The answer fails, or, if it has begun, ends early. The request is over: its timer and whatever it
 * waits for go first. */
void hc_cut(struct hc_req *q, enum http_end end);

/* ---- request.c ---- */

void hc_look_up(struct hc_req *q);
/* v holds the names of Vary: on to the variant's key. False: too long, or no memory. */
bool hc_to_variant(struct hc_req *q, const struct cache_view *v);
/* The second tier has put what it found into memory (0), or could not (-errno). */
void hc_found_on_disk(struct hc_req *q, int rc);
/* It has nothing: the lease is q's again. */
void hc_not_on_disk(struct hc_req *q, struct cache_lease *lease);
/* The upstream failed: answer with the stored response if that may be, else with the error. */
bool hc_stale_usable(struct hc_req *q);
void hc_failed(struct hc_req *q, enum http_end end, uint16_t status);
/* The request gets what its origin is told besides. False: it is answered with an error. */
bool hc_tell(struct hc_req *q);
void hc_fail(struct hc_req *q, enum http_end end, uint16_t status);
/* The request is answered or over: nothing of it is referred to any more. */
void hc_detach(struct hc_req *q);
/* Ask the upstream on the request's own stream. */
void hc_pass(struct hc_req *q);

/* ---- fetch.c ---- */

/* old: a stored response to validate; NULL: none. lease NULL: none. False: no memory for it; the
 * lease is over. */
bool hc_fetch_begin(struct hc_req *q, const struct stored *old, struct cache_lease *lease,
	bool lease_is_validation, bool background);
/* Its leader has read up to `pos`. */
void hc_fetch_read(struct hc_fetch *f, uint64_t pos);
/* Its leader is gone. */
void hc_fetch_leave(struct hc_fetch *f);
/* The fill that q leads beside a hole goes on without it. */
void hc_lead_end(struct hc_req *q);

/* Of a new fetch: a GET like that of q, without conditions and ranges. NULL: no memory. */
struct hc_fetch *hc_fetch_new(struct hc_req *q, enum hc_fetch_kind kind);
void hc_fetch_cancel(struct hc_fetch *f);
void hc_fetch_error(struct hc_fetch *f, enum http_end end, uint16_t status);
/* The leader, which goes its own way from here; NULL: there is none. */
struct hc_req *hc_let_go(struct hc_fetch *f);
uint64_t hc_now(const struct hc_fetch *f);
char *hc_copy(struct http_arena *a, const char *text, uint32_t len);
void hc_lease_end(struct hc_fetch *f);
/* End it with a mark for those that wait and those that come soon. */
void hc_lease_mark(struct hc_fetch *f, enum mark mark, const void *val, uint32_t len, uint64_t ms);
/* RFC 9110 6.6.1: who receives a response without a Date says when. */
void hc_add_date(struct http_stream *s, struct hcache_worker *hw);

/* ---- store.c ---- */

/* What is stored under a key is not what there is any more, here and on disk. cond, seq: as of
 * cache_delete(). */
void hc_drop(struct hcache_worker *hw, const char *key, uint32_t len, enum cache_cond cond,
	uint64_t seq);
/* The key that the response belongs under, by its Vary. False: it cannot be stored. */
bool hc_settle_key(struct hc_fetch *f);
uint64_t hc_expire_of(const struct hc_fetch *f, const struct fresh *fr);
/* Prefix and head of the fetch's response into the scratch buffer; 0: too long. */
uint32_t hc_encode(struct hc_fetch *f, const struct fresh *fr);
bool hc_too_large(const struct hc_fetch *f, uint64_t len);
/* Store v again with a head that the fetch's response brings up to date. 0; -EPERM: it may not be
 * kept; or what the cache says. */
int hc_freshen(struct hc_fetch *f, const struct cache_view *v, const struct stored *old);

/* What brings a stored response up to date. */
struct hc_news {
	struct hcache_worker *hw;
	const struct hcache_route *route;
	const char *key;
	uint32_t key_len;
	const struct http_head *req, *resp; /* req: of a GET */
	int64_t request_ms;
	uint64_t born; /* of purge, when it was asked */
};
int hc_freshen_by(const struct hc_news *by, const struct cache_view *v, const struct stored *old);

/* The sinks of bodies. Their heads stand in the scratch buffer, by hc_encode(). False: no room. */
bool hc_small_begin(struct hc_fetch *f, uint32_t head_len, uint64_t body_len);
void hc_small_body(struct hc_fetch *f, struct rte_mbuf *chain);
/* Complete: it is stored, and the leader answered from the copy. */
void hc_small_end(struct hc_fetch *f);
bool hc_object_begin(struct hc_fetch *f, uint32_t head_len, uint64_t body_len);
void hc_object_body(struct hc_fetch *f, struct rte_mbuf *chain, uint32_t len);
/* As much of what is held as there is memory for. */
void hc_object_store(struct hc_fetch *f);
void hc_object_end(struct hc_fetch *f);
void hc_object_fail(struct hc_fetch *f);
uint32_t hc_object_room(const struct hc_fetch *f);

/* ---- coded.c ---- */

/* q is about to be answered with all of a stored body: policies may have it compressed once. */
void hc_coded_offer(struct hc_req *q);

/* ---- head.c ---- */

/* q is a HEAD that went past, and its 200 has come. */
void hc_head_seen(struct hc_req *q);

/* ---- partial.c ---- */

/* The client wants a part, and the route does not fetch the whole for it. */
bool hc_part_wanted(const struct hc_req *q);
/* Let the fetch ask for the slice that q's range begins in, where the route does so. False: no
 * memory. */
bool hc_part_ask(struct hc_req *q, struct hc_fetch *f);
/* Head of a fetch that asked so. False: it is to be treated as the answer to a plain GET. */
bool hc_part_head(struct hc_fetch *f);
/* Head of a FETCH_SLICE. False: likewise. */
bool hc_slice_head(struct hc_fetch *f);
void hc_slice_error(struct hc_fetch *f, enum http_end end, uint16_t status);
void hc_slice_end(struct hc_fetch *f);
/* Bytes for SINK_EXTENTS. */
void hc_extents_body(struct hc_fetch *f, struct rte_mbuf *chain, uint32_t len);
void hc_extents_store(struct hc_fetch *f);
uint32_t hc_extents_room(const struct hc_fetch *f);
/* The byte at q->pos is not there. True: it is being fetched, and q goes on by itself. */
bool hc_hole(struct hc_req *q);
/* Likewise, and nothing is read from or put into the cache. */
bool hc_hole_pass(struct hc_req *q);
/* As hc_hole() before the answer's head: true if it waits, or q was looked up anew. */
bool hc_hole_ahead(struct hc_req *q);
void hc_hole_head(struct hc_fetch *f);
void hc_hole_filled(struct hc_fetch *f, struct hc_req *q);

#endif
