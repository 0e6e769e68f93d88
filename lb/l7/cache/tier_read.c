/* SPDX-License-Identifier: Apache-2.0
 * Reading: a head under the lease of its key, and chunks of a body under leases of their own, so
 * that of many who miss the same one asks the store. Whoever waits for the lease finds the
 * response, or the bytes, in memory when it ends.
 *
 * A reader whose client has left still fills memory with a chunk; a head is not believed without a
 * request that purges by path can be held against. */
#include <errno.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "lb/l7/cache/tier_pvt.h"

_Static_assert(TIER_CHUNK % 32768 == 0, "extents are no longer, and powers of two");

#define LATE_NS   (2 * NS_PER_SEC)
#define LOOK_COST 16384 /* bytes of the bound after a start that a look-up counts for */
#define TAG_CHUNK 'k'

/* Key of the lease on a chunk. */
struct chunk_lease {
	char tag[8];
	uint64_t id, no;
};

static struct tier_read *read_new(struct tier_worker *tw, enum tier_what what, uint32_t cost)
{
	uint64_t now_ns = tier_now(tw);
	struct tier_read *r;
	uint32_t idx;

	if (now_ns < tw->warm_until_ns && !tier_bucket_take(&tw->warm, cost, now_ns)) {
		hc_count(&tw->stats.read_shed, 1);
		return NULL;
	}
	idx = pool_get(&tw->reads);
	if (idx == POOL_NONE) {
		hc_count(&tw->stats.read_full, 1);
		return NULL;
	}
	r = pool_at(&tw->reads, idx);
	r->op = (struct tier_op){.tw = tw, .what = what, .self = idx};
	r->has_lease = false;
	r->q = NULL;
	list_init(&r->node);
	return r;
}

static void read_free(struct tier_read *r)
{
	list_remove(&r->node);
	pool_put(&r->op.tw->reads, r->op.self);
}

/* False: the store does not take it; the read is gone. */
static bool read_send(struct tier_read *r, uint16_t key_len)
{
	struct tier_worker *tw = r->op.tw;

	if (tier_send_read(&r->op, tier_slot_of(r->gen), key_len, r->buf, sizeof(r->buf)) != 0) {
		hc_count(&tw->stats.read_failed, 1);
		read_free(r);
		return false;
	}
	list_append(&tw->reading, &r->node);
	hc_count(&tw->stats.reading, 1);
	return true;
}

static void lease_key(const struct tier_read *r, struct cache_key *k)
{
	hc_key(r->op.tw->hw, k, r->http_key, r->key_len);
}

static void lease_end(struct tier_read *r)
{
	struct cache_key k;

	if (!r->has_lease)
		return;
	r->has_lease = false;
	lease_key(r, &k);
	cache_lease_abort(r->op.tw->hw->cw, &k, &r->lease, tier_now(r->op.tw));
}

/* Reader and request do not know each other any more. */
static void part(struct tier_read *r)
{
	if (r->q != NULL)
		tier_leave(r->q);
}

void tier_leave(struct hc_req *q)
{
	if (q->disk != NULL)
		q->disk->q = NULL;
	q->disk = NULL;
}

/* ---- heads ---- */

bool tier_may_have(const struct hc_req *q)
{
	struct tier_worker *tw = q->hw->tier;

	return tw != NULL &&
	       tier_map_get(&tw->t->map, tier_hash(tw->t, q->key, q->key_len).h[0]) >= 0;
}

bool tier_look(struct hc_req *q, struct cache_lease *lease)
{
	struct tier_worker *tw = q->hw->tier;
	struct tier_hash h;
	struct tier_read *r;
	uint32_t gen;
	int slot;

	if (tw == NULL)
		return false;
	h = tier_hash(tw->t, q->key, q->key_len);
	slot = tier_map_get(&tw->t->map, h.h[0]);
	gen = slot >= 0 ? tier_gen_in(tw->t, (uint32_t)slot) : 0;
	if (!tier_readable(tw->t, gen)) {
		hc_count(&tw->stats.absent, 1);
		return false;
	}
	r = read_new(tw, TIER_LOOK, LOOK_COST);
	if (r == NULL)
		return false;
	r->hash = h;
	r->gen = gen;
	r->key_len = q->key_len;
	memcpy(r->http_key, q->key, q->key_len);
	if (!read_send(r, tier_head_key(&r->op, &h)))
		return false;
	r->q = q;
	q->disk = r;
	r->lease = *lease;
	r->has_lease = true;
	return true;
}

/* A head of this layout, of this key and generation, in one piece. */
static bool head_whole(const struct tier_read *r, uint32_t len)
{
	const struct tier_head *h = (const void *)r->buf;

	return tier_sealed(r->buf, len, TIER_MAGIC_HEAD, sizeof(*h)) && h->gen == r->gen &&
	       h->key_len == r->key_len && h->val_len <= TIER_VALUE_MAX &&
	       sizeof(*h) + h->key_len + h->val_len == len &&
	       memcmp(r->buf + sizeof(*h), r->http_key, r->key_len) == 0;
}

/* Its value as a lookup in memory would have found it. */
static struct cache_view head_view(struct tier_read *r)
{
	const struct tier_head *h = (const void *)r->buf;

	return (struct cache_view){.val = r->buf + sizeof(*h) + h->key_len,
		.len = h->val_len,
		.user = h->mark,
		.found = h->mark == MARK_OBJECT ? CACHE_OBJECT : CACHE_HIT,
		.total_len = h->mark == MARK_OBJECT ? h->total_len : h->val_len};
}

/* TR3: bytes from a disk are read as if a stranger had written them. */
static bool head_sound(struct tier_read *r)
{
	const struct tier_head *h = (const void *)r->buf;
	struct cache_view v = head_view(r);
	struct stored s;

	switch (h->mark) {
	case MARK_VARY:
		return v.len > 0;
	case MARK_SMALL:
	case MARK_OBJECT:
		return v.len >= sizeof(struct hc_prefix) &&
		       stored_decode(v.val + sizeof(struct hc_prefix),
			       v.len - (uint32_t)sizeof(struct hc_prefix), &s) &&
		       (h->mark == MARK_SMALL ||
			       (h->total_len != CACHE_LEN_UNKNOWN &&
				       h->val_len == sizeof(struct hc_prefix) + s.len));
	default:
		return false;
	}
}

/* Of use: not over, not invalidated, not purged (TR4). */
static bool head_good(struct tier_read *r)
{
	struct tier_worker *tw = r->op.tw;
	const struct tier_head *h = (const void *)r->buf;
	struct cache_view v = head_view(r);
	struct stored s;
	bool soft;

	if (h->dead_ms <= hc_wall_ms(tw->hw) || purge_key_gone(tw->t->purge, h->primary, h->born))
		return false;
	return h->mark == MARK_VARY || hc_open_view(r->q, &v, &s, &soft);
}

/* Into memory, in place of the lease. 0, -ESTALE or -EAGAIN. */
static int promote(struct tier_read *r)
{
	struct tier_worker *tw = r->op.tw;
	const struct tier_head *h = (const void *)r->buf;
	uint64_t now_ns = tier_now(tw);
	uint64_t expire_ns = now_ns + (uint64_t)(h->dead_ms - hc_wall_ms(tw->hw)) * NS_PER_MS;
	struct cache_view v = head_view(r);
	struct cache_key k;

	if (h->mark != MARK_VARY) {
		struct hc_prefix *pre = (void *)(r->buf + sizeof(*h) + h->key_len);

		pre->place = (struct tier_place){.id = h->id, .gen = h->gen};
	}
	lease_key(r, &k);
	r->has_lease = false;
	if (h->mark == MARK_OBJECT) {
		struct cache_object o = {.desc = v.val,
			.desc_len = v.len,
			.user = h->mark,
			.expire_ns = expire_ns,
			.total_len = h->total_len};

		return cache_object_fill(tw->hw->cw, &k, &r->lease, &o, now_ns);
	} else {
		struct cache_put p = {
			.val = v.val, .len = v.len, .user = h->mark, .expire_ns = expire_ns};

		return cache_fill(tw->hw->cw, &k, &r->lease, &p, now_ns);
	}
}

static bool look_found(struct tier_read *r, int status, uint32_t len)
{
	struct tier_worker *tw = r->op.tw;

	if (status == -ENOENT) {
		hc_count(&tw->stats.misses, 1);
		return false;
	}
	if (status != 0 && status != -EUCLEAN && status != -EMSGSIZE) {
		hc_count(&tw->stats.read_failed, 1);
		return false;
	}
	if (status != 0 || !head_whole(r, len) || !head_sound(r)) {
		/* Another key with the same fingerprint, in another generation, is no damage; but
		 * two keys with the same hash of 128 bits are not met. */
		hc_count(&tw->stats.torn, 1);
		tier_map_remove(&tw->t->map, r->hash.h[0]);
		tier_remove(tw, r->gen, &r->hash);
		return false;
	}
	hc_count(&tw->stats.bytes_read, len);
	if (r->q == NULL)
		return false;
	if (!head_good(r)) {
		hc_count(&tw->stats.dead, 1);
		tier_map_remove(&tw->t->map, r->hash.h[0]);
		tier_remove(tw, r->gen, &r->hash);
		return false;
	}
	return true;
}

static void look_answer(struct tier_read *r, int status, uint32_t len)
{
	struct tier_worker *tw = r->op.tw;
	bool found = look_found(r, status, len);
	struct cache_lease lease;
	struct hc_req *q = r->q;
	int rc;

	part(r);
	if (q == NULL) {
		lease_end(r);
		read_free(r);
		return;
	}
	if (!found) {
		lease = r->lease;
		read_free(r);
		hc_not_on_disk(q, &lease);
		return;
	}
	rc = promote(r);
	if (rc == 0)
		hc_count(&tw->stats.hits, 1);
	read_free(r);
	hc_found_on_disk(q, rc);
}

/* ---- chunks ---- */

static void on_chunk(struct cache_waiter *waiter, uint64_t now_ns)
{
	struct hc_req *q = container_of(waiter, struct hc_req, waiter);

	(void)now_ns;
	q->queued = false;
	hc_count(&q->hw->stats.waiting, (uint64_t)-1);
	hc_pump(q);
}

static bool chunk_lead(struct hc_req *q, const struct chunk_lease *name, struct cache_lease *lease)
{
	struct tier_worker *tw = q->hw->tier;
	struct tier_read *r = read_new(tw, TIER_FETCH, TIER_CHUNK);
	struct cache_key k;

	if (r != NULL) {
		r->hash = tier_hash(tw->t, q->key, q->key_len);
		r->gen = q->place.gen;
		r->id = name->id;
		r->no = name->no;
		r->view = q->view;
		r->key_len = sizeof(*name);
		memcpy(r->http_key, name, sizeof(*name));
		if (read_send(r, tier_chunk_key(&r->op, &r->hash, r->id, r->no))) {
			r->q = q;
			q->disk = r;
			q->filling = true;
			r->lease = *lease;
			r->has_lease = lease->stream != 0;
			return true;
		}
	}
	if (lease->stream != 0) {
		hc_key(q->hw, &k, (const char *)name, sizeof(*name));
		cache_lease_abort(q->hw->cw, &k, lease, tier_now(tw));
	}
	return false;
}

bool tier_hole(struct hc_req *q)
{
	struct tier_worker *tw = q->hw->tier;
	struct chunk_lease name = {.tag = {TAG_CHUNK}, .id = q->place.id};
	struct cache_lease lease = {0};
	struct cache_view v;
	struct cache_key k;

	if (tw == NULL || q->place.id == 0 || q->disk != NULL || q->view.stream != 0 ||
		!tier_readable(tw->t, q->place.gen))
		return false;
	name.no = q->pos / TIER_CHUNK;
	hc_key(q->hw, &k, (const char *)&name, sizeof(name));
	cache_waiter_init(&q->waiter, on_chunk);
	switch (cache_lookup(q->hw->cw, &k, tier_now(tw), &v, &lease, &q->waiter)) {
	case CACHE_LEASED:
		return chunk_lead(q, &name, &lease);
	case CACHE_WAITING:
		q->queued = true;
		hc_count(&q->hw->stats.waiting, 1);
		return true;
	default:
		return chunk_lead(q, &name, &lease);
	}
}

static uint32_t chunk_length(const struct tier_read *r)
{
	uint64_t at = r->no * TIER_CHUNK, left = r->view.total_len - at;

	return left < TIER_CHUNK ? (uint32_t)left : TIER_CHUNK;
}

static bool chunk_whole(const struct tier_read *r, int status, uint32_t len)
{
	const struct tier_chunk *c = (const void *)r->buf;

	return status == 0 && tier_sealed(r->buf, len, TIER_MAGIC_CHUNK, sizeof(*c)) &&
	       c->id == r->id && c->no == r->no && c->len == chunk_length(r) &&
	       len == sizeof(*c) + c->len;
}

/* What finds no memory is read again by who needs it. */
static void chunk_keep(struct tier_read *r, const uint8_t *bytes, uint32_t len)
{
	struct cache_worker *cw = r->op.tw->hw->cw;
	uint32_t extent = cache_extent_bytes(r->op.tw->hw->hc->cache);
	uint32_t n = (uint32_t)(r->no * (TIER_CHUNK / extent));

	for (uint32_t at = 0; at < len; at += extent, n++)
		if (cache_extent_put(cw, &r->view, n, bytes + at,
			    len - at < extent ? len - at : extent, tier_now(r->op.tw)) != 0)
			return;
}

static void chunk_answer(struct tier_read *r, int status, uint32_t len)
{
	struct tier_worker *tw = r->op.tw;
	bool whole = chunk_whole(r, status, len);
	const uint8_t *bytes = r->buf + sizeof(struct tier_chunk);
	struct hc_req *q = r->q;

	part(r);
	if (whole) {
		hc_count(&tw->stats.chunks, 1);
		hc_count(&tw->stats.bytes_read, len);
		chunk_keep(r, bytes, chunk_length(r));
	} else {
		hc_count(status == -ENOENT || status == 0 || status == -EUCLEAN
				 ? &tw->stats.chunk_misses
				 : &tw->stats.read_failed,
			1);
		if (status == 0 || status == -EUCLEAN)
			hc_count(&tw->stats.torn, 1);
	}
	lease_end(r);
	if (q != NULL)
		hc_chunk(q, r->no * TIER_CHUNK, whole ? bytes : NULL, chunk_length(r));
	read_free(r);
}

/* ---- answers ---- */

void tier_read_answer(struct tier_read *r, int status, uint32_t len)
{
	struct tier_worker *tw = r->op.tw;
	uint64_t took = tier_now(tw) - r->op.start_ns;

	hc_count(&tw->stats.reading, (uint64_t)-1);
	hc_count(&tw->stats.read_ns, took);
	if (took > tw->stats.read_max_ns)
		hc_count(&tw->stats.read_max_ns, took - tw->stats.read_max_ns);
	if (list_empty(&r->node)) /* it came too late, nobody waits */
		read_free(r);
	else if (r->op.what == TIER_LOOK)
		look_answer(r, status, len);
	else
		chunk_answer(r, status, len);
}

void tier_read_late(struct tier_worker *tw, uint64_t now_ns)
{
	while (!list_empty(&tw->reading)) {
		struct tier_read *r = container_of(tw->reading.next, struct tier_read, node);
		struct hc_req *q = r->q;
		struct cache_lease lease = r->lease;

		if (now_ns - r->op.start_ns < LATE_NS)
			return;
		list_remove(&r->node);
		hc_count(&tw->stats.read_failed, 1);
		part(r);
		if (r->op.what == TIER_LOOK && q != NULL) {
			r->has_lease = false;
			hc_not_on_disk(q, &lease);
			continue;
		}
		lease_end(r);
		if (q != NULL)
			hc_chunk(q, 0, NULL, 0);
	}
}
