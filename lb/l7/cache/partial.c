/* SPDX-License-Identifier: Apache-2.0
 * Parts of representations: what a route with `ranges: slice` fetches for a range that is not
 * there, and what fills the holes of an object whose extents were evicted or never fetched.
 *
 *	miss, Range          GET with the slice's Range; 206: an object with holes, answer from it
 *	object with a hole   GET with Range and If-Range for the missing extents of the slice
 *	   206, same tag     extents are put as they come, the leader reads them, others wait
 *	   anything else     the object goes; who was not answered yet begins anew
 *	   again a hole      the bytes are fetched for this reader alone and not kept
 *
 * A hole that is met before the answer's head was sent is fetched first, so that a representation
 * that has changed is answered whole and not cut. Parts are joined only if they share a strong
 * entity tag and the length of the whole (RFC 9111 3.4, RFC 9110 15.3.7.3); what has none is
 * fetched whole. Parts of an origin's multipart/byteranges are never asked for and not kept. */
#include <errno.h>
#include <stdio.h>

#include "dataplane/base/time.h"
#include "lb/l7/cache/hcache_pvt.h"
#include "lb/l7/cache/slice.h"

#define RETRY_NS    (2 * NS_PER_MS)
#define RETRIES_MAX 50 /* of an extent that found no memory; then it is left out */
#define HOLE_MAX    (1u << 20)
#define HELD_MAX    (1u << 18) /* bytes of a slice that wait for memory */

/* The lease of one slice of one object, whoever asks. */
struct slice_key {
	char tag[8];
	uint64_t seq, no;
};

static uint32_t extent_of(const struct hc_fetch *f)
{
	return cache_extent_bytes(f->hw->hc->cache);
}

static uint32_t slice_of(const struct hcache_worker *hw, const struct hcache_route *r)
{
	return slice_size(r->slice_bytes, cache_extent_bytes(hw->hc->cache));
}

static void slice_key(const struct hcache_worker *hw, struct slice_key *key, struct cache_key *k,
	uint64_t seq, uint64_t no)
{
	*key = (struct slice_key){.tag = {HC_TAG_SLICE}, .seq = seq, .no = no};
	hc_key(hw, k, (const char *)key, sizeof(*key));
}

static bool strong_tag(const struct http_head *resp, struct span *tag)
{
	const struct http_field *f = http_head_get(resp, HTTP_FIELD_ETAG, NULL);

	if (f == NULL || !http_etag_valid(f->value) || http_etag_weak(f->value))
		return false;
	*tag = f->value;
	return true;
}

/* ---- the first request for a part ---- */

bool hc_part_wanted(const struct hc_req *q)
{
	return q->route->ranges != HC_RANGES_WHOLE && q->s->req.method == HTTP_GET &&
	       http_head_get(&q->s->req, HTTP_FIELD_RANGE, NULL) != NULL;
}

bool hc_part_ask(struct hc_req *q, struct hc_fetch *f)
{
	char text[SLICE_TEXT_MAX], *copy;
	uint32_t n;

	if (q->route->ranges != HC_RANGES_SLICE || q->no_parts)
		return true;
	n = slice_ask(&q->s->req, slice_of(q->hw, q->route), extent_of(f), text);
	if (n == 0)
		return true;
	copy = hc_copy(&f->arena, text, n);
	f->ranged = true;
	return copy != NULL &&
	       http_head_add(&f->sub->s.req, HTTP_FIELD_RANGE, (struct span){copy, n}) == 0;
}

/* No part of it can be kept: the leader asks for itself. */
static void part_refused(struct hc_fetch *f, const char *why, bool mark)
{
	struct hc_req *q;

	hc_count(&f->hw->stats.not_stored, 1);
	if (f->kind == FETCH_VALIDATE)
		hc_drop(f->hw, f->key, f->key_len, CACHE_ALWAYS, 0);
	if (mark && f->kind == FETCH_FILL)
		hc_lease_mark(f, MARK_PASS, "", 0, f->route->pass_ms);
	else
		hc_lease_end(f);
	q = hc_let_go(f);
	http_task_post(&f->hw->w->loop, &f->task);
	if (q == NULL)
		return;
	q->status.detail = why;
	hc_pass(q);
}

/* Parts of it could not be joined: fetch all of it, under the same lease. */
static void part_whole(struct hc_fetch *f)
{
	struct cache_lease lease = f->lease;
	struct hc_req *q = hc_let_go(f);

	http_task_post(&f->hw->w->loop, &f->task);
	if (q != NULL)
		q->no_parts = true;
	if (q != NULL && f->has_lease && f->kind == FETCH_FILL) {
		f->has_lease = false;
		if (!hc_fetch_begin(q, NULL, &lease, false, false))
			hc_pass(q);
		return;
	}
	if (f->kind == FETCH_VALIDATE)
		hc_drop(f->hw, f->key, f->key_len, CACHE_ALWAYS, 0);
	hc_lease_end(f);
	if (q != NULL)
		hc_look_up(q);
}

/* A purge or an invalidation caught what is stored under the fetch's key: no part that comes now is
 * joined to it, and its head does not become younger than that. */
static bool purged(const struct hc_fetch *f, const struct cache_view *v, const struct stored *s)
{
	const struct hc_prefix *pre = (const void *)v->val;
	struct purge_subject sub = {.born = pre->born,
		.tags = s->tags,
		.host = f->sub->s.req.host,
		.path = f->sub->s.req.path,
		.query = f->sub->s.req.query};

	return purge_key_gone(f->hw->hc->purge, pre->primary, pre->born) ||
	       purge_check(f->hw->purge, &sub) == PURGE_GONE;
}

/* The object that the parts belong to: the stored one if it shares tag and length, and no purge
 * caught it, with the new head (RFC 9111 3.4); else a new one. */
static bool part_object(
	struct hc_fetch *f, const struct fresh *fr, uint64_t total, struct cache_view *v)
{
	struct cache_object o = {.desc = f->hw->scratch, .user = MARK_OBJECT, .total_len = total};
	struct span tag;
	struct cache_key k;
	struct stored old;
	uint64_t born;

	hc_key(f->hw, &k, f->key, f->key_len);
	if (cache_get(f->hw->cw, &k, hc_now(f), v) == CACHE_OBJECT && v->user == MARK_OBJECT &&
		v->stream == 0 && v->total_len == total && hc_decode(v, &old, &born) &&
		strong_tag(&f->sub->s.resp, &tag) && http_etag_match_strong(old.etag, tag) &&
		!purged(f, v, &old) && hc_freshen(f, v, &old) == 0)
		return cache_get(f->hw->cw, &k, hc_now(f), v) == CACHE_OBJECT;
	tier_replaced(f->hw, f->key, f->key_len);
	o.desc_len = hc_encode(f, fr);
	o.expire_ns = hc_expire_of(f, fr);
	return o.desc_len > 0 && cache_object_put(f->hw->cw, &k, &o, hc_now(f)) == 0 &&
	       cache_get(f->hw->cw, &k, hc_now(f), v) == CACHE_OBJECT;
}

static void part_lease(struct hc_fetch *f)
{
	struct slice_key key;
	struct cache_view v;
	struct cache_key k;

	slice_key(f->hw, &key, &k, f->view.seq, f->hole.first / slice_of(f->hw, f->route));
	f->slice_no = key.no;
	f->has_slice = cache_lookup(f->hw->cw, &k, hc_now(f), &v, &f->slice, NULL) == CACHE_LEASED;
}

/* From here on what comes is put as extents. */
static void extents_begin(struct hc_fetch *f, const struct http_range *got)
{
	struct http_range whole;

	f->hole = *got;
	f->sink = SINK_EXTENTS;
	f->skip = 0;
	f->at = got->last + 1;
	if (slice_whole(got, f->view.total_len, extent_of(f), &whole)) {
		f->at = whole.first;
		f->hole.last = whole.last;
		f->skip = whole.first - got->first;
	}
}

static void part_store(
	struct hc_fetch *f, const struct fresh *fr, const struct http_range *got, uint64_t total)
{
	struct hc_req *q;

	if (!hc_settle_key(f) || !part_object(f, fr, total, &f->view)) {
		hc_count(&f->hw->stats.no_memory, 1);
		part_refused(f, "no-memory", false);
		return;
	}
	hc_count(&f->hw->stats.parts, 1);
	extents_begin(f, got);
	part_lease(f);
	hc_lease_end(f); /* who waits looks again, and finds the object */
	q = f->leader;
	if (q == NULL)
		return;
	q->status.forward_status = 206;
	q->status.stored = true;
	q->waited = true;
	hc_look_up(q);
}

bool hc_part_head(struct hc_fetch *f)
{
	struct http_head *resp = &f->sub->s.resp;
	enum fresh_store v;
	struct http_range got;
	struct span tag;
	struct fresh fr;
	uint64_t total;

	if (resp->status == 416) { /* says nothing about other ranges */
		part_refused(f, "range", false);
		return true;
	}
	if (resp->status != 206)
		return false;
	if (!slice_answer(resp, &got, &total)) {
		part_whole(f);
		return true;
	}
	resp->status = 200; /* as if it were an incomplete one (RFC 9111 3.3) */
	if (got.first == 0 && got.last + 1 == total) {
		http_head_remove(resp, HTTP_FIELD_CONTENT_RANGE);
		return false;
	}
	v = fresh_decide(
		&f->route->fresh, &f->sub->s.req, resp, f->request_ms, hc_wall_ms(f->hw), &fr);
	if (v != FRESH_STORE_OK)
		part_refused(f, fresh_store_word(v),
			v != FRESH_STORE_AUTHORIZATION && v != FRESH_STORE_REQUEST_NO_STORE);
	else if (hc_too_large(f, total) || total / extent_of(f) >= UINT32_MAX)
		part_refused(f, "too-large", true);
	else if (!strong_tag(resp, &tag))
		part_whole(f);
	else
		part_store(f, &fr, &got, total);
	return true;
}

/* ---- a slice of a stored object ---- */

static void slice_lease_end(struct hc_fetch *f, const struct hc_error *e)
{
	struct cache_put p = {.val = e,
		.len = sizeof(*e),
		.user = MARK_ERROR,
		.expire_ns = hc_now(f) + f->route->error_ms * NS_PER_MS};
	struct slice_key key;
	struct cache_key k;

	if (!f->has_slice)
		return;
	f->has_slice = false;
	slice_key(f->hw, &key, &k, f->view.seq, f->slice_no);
	if (e != NULL && f->route->error_ms > 0)
		(void)!cache_fill(f->hw->cw, &k, &f->slice, &p, hc_now(f));
	else
		cache_lease_abort(f->hw->cw, &k, &f->slice, hc_now(f));
}

void hc_slice_end(struct hc_fetch *f)
{
	slice_lease_end(f, NULL);
}

static bool add_range(struct hc_req *q, struct hc_fetch *f)
{
	struct span tag = q->etag;
	char text[64], *copy;
	int n = snprintf(text, sizeof(text), "bytes=%llu-%llu", (unsigned long long)f->hole.first,
		(unsigned long long)f->hole.last);

	copy = hc_copy(&f->arena, text, (uint32_t)n);
	tag.at = hc_copy(&f->arena, tag.at, tag.len);
	f->etag = tag;
	return copy != NULL && tag.at != NULL &&
	       http_head_add(&f->sub->s.req, HTTP_FIELD_RANGE, (struct span){copy, (uint32_t)n}) ==
		       0 &&
	       http_head_add(&f->sub->s.req, HTTP_FIELD_IF_RANGE, tag) == 0;
}

static void hole_lead(struct hc_req *q, struct hc_fetch *f)
{
	hc_count(&q->hw->stats.holes, 1);
	q->fetch = f;
	f->leader = q;
	http_sub_start(f->sub, &http_proxy);
}

static void on_slice(struct cache_waiter *waiter, uint64_t now_ns)
{
	struct hc_req *q = container_of(waiter, struct hc_req, waiter);

	(void)now_ns;
	q->queued = false;
	q->tried = 0;
	hc_count(&q->hw->stats.waiting, (uint64_t)-1);
	if (q->headless) {
		q->headless = false;
		q->waited = true;
		hc_look_up(q);
	} else {
		hc_pump(q);
	}
}

/* The missing extents from q->pos on, to the end of their slice. */
static void missing(const struct hc_req *q, uint32_t slice, uint32_t extent, struct http_range *r)
{
	uint64_t last = slice_last(q->pos, slice, q->total), at = q->pos & ~((uint64_t)extent - 1);

	r->first = at;
	do {
		at += extent;
	} while (at <= last && !cache_extent_has(q->hw->cw, &q->view, (uint32_t)(at / extent)));
	r->last = at - 1 < last ? at - 1 : last;
}

enum slice { SLICE_BEGUN, SLICE_WAITS, SLICE_FAILED };

static enum slice slice_begin(struct hc_req *q, struct hc_error *why)
{
	uint32_t slice = slice_of(q->hw, q->route), extent = cache_extent_bytes(q->hw->hc->cache);
	struct cache_lease lease = {0};
	struct slice_key key;
	struct hc_fetch *f;
	struct cache_view v;
	struct cache_key k;
	enum cache_found how;

	*why = (struct hc_error){.end = HTTP_END_NO_MEMORY};
	slice_key(q->hw, &key, &k, q->view.seq, q->pos / slice);
	cache_waiter_init(&q->waiter, on_slice);
	how = cache_lookup(q->hw->cw, &k, http_now_ns(q->s), &v, &lease, &q->waiter);
	if (how == CACHE_WAITING) {
		q->queued = true;
		hc_count(&q->hw->stats.waiting, 1);
		return SLICE_WAITS;
	}
	if (how == CACHE_HIT) { /* the last try failed just now */
		if (v.len == sizeof(*why))
			memcpy(why, v.val, sizeof(*why));
		return SLICE_FAILED;
	}
	f = hc_fetch_new(q, FETCH_SLICE);
	if (f == NULL) {
		if (how == CACHE_LEASED)
			cache_lease_abort(q->hw->cw, &k, &lease, http_now_ns(q->s));
		return SLICE_FAILED;
	}
	f->view = q->view;
	f->slice = lease;
	f->slice_no = key.no;
	f->has_slice = how == CACHE_LEASED;
	missing(q, slice, extent, &f->hole);
	if (!add_range(q, f)) {
		hc_fetch_cancel(f);
		return SLICE_FAILED;
	}
	hole_lead(q, f);
	return SLICE_BEGUN;
}

/* Nothing of the stored object can be used for q any more. */
static void gone(struct hc_req *q)
{
	q->fetch = NULL;
	if (!q->headless) {
		hc_broken(q);
		return;
	}
	q->headless = false;
	hc_look_up(q);
}

static void slice_failed(struct hc_fetch *f, enum http_end end, uint16_t status)
{
	struct hc_error e = {.end = end, .status = status};
	struct hc_req *q = hc_let_go(f);

	hc_count(&f->hw->stats.fetch_failures, 1);
	slice_lease_end(f, &e);
	f->sink = SINK_NONE;
	http_task_post(&f->hw->w->loop, &f->task);
	if (q == NULL)
		return;
	if (q->headless)
		hc_fail(q, end, status);
	else
		hc_broken(q);
}

void hc_slice_error(struct hc_fetch *f, enum http_end end, uint16_t status)
{
	slice_failed(f, end, status);
}

/* The object's head follows what the new part says (RFC 9111 3.4). False: it may not be kept. */
static bool slice_freshen(struct hc_fetch *f)
{
	struct cache_view v;
	struct cache_key k;
	struct stored old;
	uint64_t born;

	hc_key(f->hw, &k, f->key, f->key_len);
	if (cache_get(f->hw->cw, &k, hc_now(f), &v) != CACHE_OBJECT || v.seq != f->view.seq ||
		!hc_decode(&v, &old, &born))
		return true; /* replaced meanwhile: its readers may finish */
	return purged(f, &v, &old) ||
	       hc_freshen(f, &v, &old) !=
		       -EPERM; /* else for want of memory: the old head is good */
}

/* Not a part of what is stored. A whole answer takes its place. */
static bool slice_mismatch(struct hc_fetch *f)
{
	struct hc_req *q;

	hc_drop(f->hw, f->key, f->key_len, CACHE_IF_SEQ, f->view.seq);
	slice_lease_end(f, NULL);
	if (f->sub->s.resp.status == 200 && f->leader != NULL && f->leader->headless) {
		f->leader->headless = false;
		f->kind = FETCH_FILL;
		return false;
	}
	q = hc_let_go(f);
	http_task_post(&f->hw->w->loop, &f->task);
	if (q != NULL)
		gone(q);
	return true;
}

bool hc_slice_head(struct hc_fetch *f)
{
	const struct http_head *resp = &f->sub->s.resp;
	struct hc_req *q = f->leader;
	struct http_range got;
	struct span tag;
	uint64_t total;

	if (resp->status >= 500) {
		slice_failed(f, HTTP_END_BACKEND_INCOMPLETE, resp->status);
		return true;
	}
	if (!slice_answer(resp, &got, &total) || total != f->view.total_len ||
		got.first != f->hole.first || got.last > f->hole.last || !strong_tag(resp, &tag) ||
		!http_etag_match_strong(f->etag, tag) || !slice_freshen(f))
		return slice_mismatch(f);
	extents_begin(f, &got);
	if (q != NULL && q->headless) {
		q->headless = false;
		q->waited = true;
		q->status.forward_status = 206;
		hc_look_up(q);
	}
	return true;
}

/* ---- extents ---- */

static void extents_end(struct hc_fetch *f)
{
	struct hc_req *q = hc_let_go(f);

	f->sink = SINK_NONE;
	chain_free(&f->held);
	slice_lease_end(f, NULL);
	if (q != NULL)
		hc_poke(q);
}

/* False: it will be tried again. */
static bool extent_put(struct hc_fetch *f, uint32_t len)
{
	struct hcache_worker *hw = f->hw;
	int rc;

	(void)chain_copy(&f->held, 0, hw->scratch, len);
	rc = cache_extent_put(
		hw->cw, &f->view, (uint32_t)(f->at / extent_of(f)), hw->scratch, len, hc_now(f));
	if (rc == -EAGAIN && ++f->tries <= RETRIES_MAX) {
		http_timer_set(&hw->w->loop, &f->timer, hc_now(f) + RETRY_NS);
		return false;
	}
	if (rc != 0)
		hc_count(&hw->stats.no_memory, 1);
	f->tries = 0;
	chain_strip(&f->held, len);
	f->at += len;
	return true;
}

void hc_extents_store(struct hc_fetch *f)
{
	uint64_t was = f->at;

	while (f->at <= f->hole.last) {
		uint32_t len = slice_extent_len(f->at, f->view.total_len, extent_of(f));

		if (f->held.len < len)
			break;
		if (!extent_put(f, len))
			return;
	}
	if (f->over)
		extents_end(f);
	else if (f->starved || (f->leader != NULL && f->at != was))
		http_task_post(&f->hw->w->loop, &f->task);
}

void hc_extents_body(struct hc_fetch *f, struct rte_mbuf *chain, uint32_t len)
{
	uint32_t skip = len < f->skip ? len : (uint32_t)f->skip;

	chain_append(&f->held, chain, len);
	chain_strip(&f->held, skip);
	f->skip -= skip;
	if (f->at > f->hole.last)
		chain_free(&f->held); /* the rest is less than an extent */
	else
		hc_extents_store(f);
}

uint32_t hc_extents_room(const struct hc_fetch *f)
{
	return f->held.len < HELD_MAX ? HELD_MAX - f->held.len : 0;
}

/* ---- holes that readers meet ---- */

/* Bytes for this reader alone, as they come. */
static bool hole_begin(struct hc_req *q)
{
	const struct http_range *r = &q->ranges[q->range_at];
	struct hc_fetch *f = hc_fetch_new(q, FETCH_HOLE);

	if (f == NULL)
		return false;
	f->hole.first = q->pos;
	f->hole.last = r->last - q->pos < HOLE_MAX ? r->last : q->pos + HOLE_MAX - 1;
	/* What the fill has not brought yet it will bring. */
	if (q->lead != NULL && q->lead->object.filled > q->pos &&
		q->lead->object.filled <= f->hole.last)
		f->hole.last = q->lead->object.filled - 1;
	if (!add_range(q, f)) {
		hc_fetch_cancel(f);
		return false;
	}
	q->filling = true;
	hole_lead(q, f);
	return true;
}

static bool on_its_way(const struct hc_req *q)
{
	const struct hc_fetch *f = q->fetch;

	return f != NULL && f->sink == SINK_EXTENTS && f->view.seq == q->view.seq &&
	       q->pos >= f->at && q->pos <= f->hole.last;
}

/* What it leads itself was evicted before it was read: a fill that nobody paces would run ahead of
 * its readers for good, and evict the next part as well. */
static bool leads_on(const struct hc_req *q)
{
	return q->fetch != NULL && q->fetch->sink == SINK_OBJECT && q->view.stream != 0 &&
	       q->etag.len > 0 && q->total != CACHE_LEN_UNKNOWN;
}

bool hc_hole(struct hc_req *q)
{
	struct hc_error why;

	if (on_its_way(q) || (q->fetch == NULL && tier_hole(q)))
		return true;
	if (leads_on(q))
		q->lead = q->fetch;
	else if (q->fetch != NULL)
		hc_fetch_leave(q->fetch);
	q->fetch = NULL;
	if (q->etag.len == 0 || q->total == CACHE_LEN_UNKNOWN) {
		/* It cannot be completed: the next one is to fetch it whole. */
		if (q->view.stream == 0)
			hc_drop(q->hw, q->key, q->key_len, CACHE_IF_SEQ, q->view.seq);
		return false;
	}
	if (q->view.stream != 0 || q->tried == q->pos + 1)
		return hole_begin(q);
	q->tried = q->pos + 1;
	return slice_begin(q, &why) != SLICE_FAILED;
}

bool hc_hole_pass(struct hc_req *q)
{
	if (q->fetch != NULL)
		hc_fetch_leave(q->fetch);
	q->fetch = NULL;
	return q->etag.len > 0 && q->total != CACHE_LEN_UNKNOWN && hole_begin(q);
}

bool hc_hole_ahead(struct hc_req *q)
{
	struct hc_error why;
	uint32_t extent = cache_extent_bytes(q->hw->hc->cache);

	if (q->source != HC_OBJECT || q->view.stream != 0 || q->s->req.method == HTTP_HEAD ||
		q->total == 0 || q->place.id != 0 || on_its_way(q) ||
		cache_extent_has(q->hw->cw, &q->view, (uint32_t)(q->pos / extent)))
		return false;
	if (q->fetch != NULL)
		hc_fetch_leave(q->fetch);
	q->fetch = NULL;
	if (q->etag.len == 0) {
		hc_count(&q->hw->stats.holes, 1);
		hc_drop(q->hw, q->key, q->key_len, CACHE_IF_SEQ, q->view.seq);
		hc_look_up(q);
		return true;
	}
	if (q->status.forward == CACHE_FORWARD_NONE)
		q->status.forward = CACHE_FORWARD_PARTIAL;
	hc_count(&q->hw->stats.partials, 1);
	q->headless = true;
	if (q->control.only_if_cached)
		hc_fail(q, HTTP_END_BACKEND_TIMEOUT, 504); /* RFC 9111 5.2.1.7 */
	else if (slice_begin(q, &why) == SLICE_FAILED)
		hc_fail(q, (enum http_end)why.end, why.status);
	return true;
}

void hc_hole_head(struct hc_fetch *f)
{
	const struct http_head *resp = &f->sub->s.resp;
	struct http_range got;
	struct span tag;
	uint64_t total;

	if (f->leader == NULL) {
		http_task_post(&f->hw->w->loop, &f->task);
		return;
	}
	if (!slice_answer(resp, &got, &total) || got.first != f->hole.first ||
		got.last != f->hole.last || total != f->leader->total || !strong_tag(resp, &tag) ||
		!http_etag_match_strong(f->etag, tag)) {
		if (resp->status < 500)
			hc_drop(f->hw, f->key, f->key_len, CACHE_IF_SEQ, f->leader->view.seq);
		hc_fetch_error(f, HTTP_END_BACKEND_INCOMPLETE, 0);
		return;
	}
	f->sink = SINK_PASS;
}

void hc_hole_filled(struct hc_fetch *f, struct hc_req *q)
{
	q->filling = false;
	if (q->pos != f->hole.last + 1) {
		hc_cut(q, HTTP_END_BACKEND_INCOMPLETE);
		return;
	}
	hc_pump(q);
}
