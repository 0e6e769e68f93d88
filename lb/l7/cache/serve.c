/* SPDX-License-Identifier: Apache-2.0
 * Answers from stored responses: 200 or what was stored, 304, 206 with one or several ranges, 416;
 * whole or while the response is still coming in. */
#include <errno.h>
#include <stdio.h>

#include <rte_eal.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/text.h"
#include "dataplane/base/time.h"
#include "lb/l7/cache/hcache_pvt.h"

#define COPY_BELOW    1024 /* shorter slices are copied (mbuf and pin cost more) */
#define WHOLE_MAX     1400 /* shorter answers are sent in one piece with their head */
#define COPY_MAX      8192 /* copied at once */
#define SHORT_NS      (3 * NS_PER_MS)
#define SHORT_MAX_NS  (30 * NS_PER_SEC)
#define SLICE_MAX     49152 /* of one external buffer, whose length has 16 bits */
#define PART_HEAD_MAX 256

/* ---- slices ---- */

static void slice_free(void *addr, void *opaque)
{
	struct hc_slice *sl = opaque;
	struct hcache_worker *hw = sl->hw;

	(void)addr;
	cache_unpin(hw->cw, &sl->pin);
	pool_put(&hw->slices, sl->self);
}

/* An mbuf over bytes of the arena that v holds; NULL: they must be copied. */
static struct rte_mbuf *slice_mbuf(
	struct hcache_worker *hw, const struct cache_view *v, const uint8_t *at, uint32_t len)
{
	struct rte_mbuf *m;
	struct hc_slice *sl;
	uint32_t idx;

	if (!hw->hc->zero_copy || v == NULL || len < COPY_BELOW)
		return NULL;
	idx = pool_get(&hw->slices);
	if (idx == POOL_NONE)
		return NULL;
	sl = pool_at(&hw->slices, idx);
	m = rte_pktmbuf_alloc(hw->desc_pool);
	if (m == NULL || cache_pin(hw->cw, v, &sl->pin) != 0) {
		rte_pktmbuf_free(m);
		pool_put(&hw->slices, idx);
		return NULL;
	}
	sl->hw = hw;
	sl->self = idx;
	sl->info.free_cb = slice_free;
	sl->info.fcb_opaque = sl;
	rte_mbuf_ext_refcnt_set(&sl->info, 1);
	rte_pktmbuf_attach_extbuf(
		m, (void *)(uintptr_t)at, (rte_iova_t)(uintptr_t)at, (uint16_t)len, &sl->info);
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	return m;
}

/* Send len bytes at `at`, which v holds (NULL: they are not the cache's). How many: there may be no
 * memory for more. */
static uint64_t send_slice(
	struct hc_req *q, const struct cache_view *v, const uint8_t *at, uint64_t len)
{
	struct hcache_worker *hw = q->hw;
	uint64_t sent = 0;

	while (sent < len) {
		uint32_t n = len - sent < SLICE_MAX ? (uint32_t)(len - sent) : SLICE_MAX;
		struct rte_mbuf *m = slice_mbuf(hw, v, at + sent, n);

		if (m != NULL) {
			(void)http_send_body(q->s, m, n);
		} else {
			/* In pieces: there may be buffers for some of it. */
			n = n < COPY_MAX ? n : COPY_MAX;
			if (http_send_bytes(q->s, at + sent, n) != 0)
				break;
			if (len >= COPY_BELOW)
				hc_count(&hw->stats.bytes_copied, n);
		}
		sent += n;
	}
	hc_count(&hw->stats.bytes_hit, sent);
	HC_COUNT_ROUTE(hw, q->route, bytes_sent, sent);
	return sent;
}

/* ---- heads ---- */

static void *take(struct hc_req *q, uint32_t len)
{
	return http_arena_alloc(&q->s->arena, len);
}

static bool add(struct hc_req *q, enum http_field_id id, const char *text, uint32_t len)
{
	return http_head_add(&q->s->resp, id, (struct span){text, len}) == 0;
}

static bool add_text(struct hc_req *q, enum http_field_id id, const char *text, uint32_t len)
{
	char *copy = take(q, len > 0 ? len : 1);

	if (copy == NULL)
		return false;
	memcpy(copy, text, len);
	return add(q, id, copy, len);
}

/* Age and Cache-Status. */
static bool resp_common(struct hc_req *q, const struct stored *s)
{
	char *text = take(q, TEXT_I64_MAX + CACHE_STATUS_MAX);
	int64_t now = hc_wall_ms(q->hw);
	uint32_t n;

	if (text == NULL)
		return false;
	n = text_i64(text, fresh_age(&s->fresh, now));
	if (!add(q, HTTP_FIELD_AGE, text, n))
		return false;
	if (!q->route->cache_status)
		return true;
	q->status.has_ttl = q->status.forward == CACHE_FORWARD_NONE;
	q->status.ttl = fresh_ttl(&s->fresh, now);
	q->status.collapsed = q->collapsed;
	text += n;
	return add(q, HTTP_FIELD_CACHE_STATUS, text,
		cache_status_format(&q->status, q->route->name, text));
}

/* What a 304 says besides (RFC 9110 15.4.5). */
static bool in_304(uint16_t id)
{
	switch (id) {
	case HTTP_FIELD_CACHE_CONTROL:
	case HTTP_FIELD_CDN_CACHE_CONTROL:
	case HTTP_FIELD_CONTENT_LOCATION:
	case HTTP_FIELD_DATE:
	case HTTP_FIELD_ETAG:
	case HTTP_FIELD_EXPIRES:
	case HTTP_FIELD_VARY:
	case HTTP_FIELD_LAST_MODIFIED:
		return true;
	default:
		return false;
	}
}

static void resp_base(struct hc_req *q, const struct stored *s)
{
	struct http_head *r = &q->s->resp;

	stored_head(s, r);
	r->version = 11;
	r->keep_alive = true;
	r->upgrade = false;
}

/* The answer comes from what is stored. */
static void answered(struct hc_req *q)
{
	const struct http_stream *s = q->s;

	top_add(&q->hw->top, q->hash, s->req.method == HTTP_GET ? s->resp.length : 0, s->req.host,
		s->req.path, s->req.query, http_now_ns(s));
	if (q->stale) {
		hc_count(&q->hw->stats.stale, 1);
		HC_COUNT_ROUTE(q->hw, q->route, stale, 1);
	} else if (q->status.forward == CACHE_FORWARD_NONE) {
		hc_count(&q->hw->stats.hits, 1);
		HC_COUNT_ROUTE(q->hw, q->route, hits, 1);
	}
}

void hc_cut(struct hc_req *q, enum http_end end)
{
	hc_detach(q);
	http_fail(q->s, end);
}

/* ---- without a body ---- */

static void over(struct hc_req *q)
{
	hc_detach(q);
	http_finish(q->s, NULL);
}

static void serve_304(struct hc_req *q, const struct stored *s)
{
	struct http_head *r = &q->s->resp;

	resp_base(q, s);
	r->status = 304;
	r->framing = HTTP_BODY_NONE;
	r->length = 0;
	for (uint32_t i = 0; i < r->field_cnt; i++)
		if (!in_304(r->fields[i].id))
			r->fields[i].flags |= HTTP_F_GONE;
	if (!resp_common(q, s)) {
		hc_cut(q, HTTP_END_NO_MEMORY);
		return;
	}
	answered(q);
	hc_count(&q->hw->stats.not_modified, 1);
	http_send_head(q->s);
	over(q);
}

static void serve_416(struct hc_req *q, const struct stored *s)
{
	struct http_head *r = &q->s->resp;
	char text[64];

	resp_base(q, s);
	r->field_cnt = 0;
	r->status = 416;
	r->framing = HTTP_BODY_LENGTH;
	r->length = 0;
	if (!add_text(q, HTTP_FIELD_CONTENT_RANGE, text,
		    http_content_range_format(NULL, q->total, text, sizeof(text))) ||
		!resp_common(q, s)) {
		hc_cut(q, HTTP_END_NO_MEMORY);
		return;
	}
	answered(q);
	http_send_head(q->s);
	over(q);
}

/* ---- ranges ---- */

static struct http_selected selected(const struct stored *s)
{
	return (struct http_selected){.etag = s->etag,
		/* RFC 9111 4.3.2: without Last-Modified the date of the response stands in. */
		.last_modified =
			s->last_modified != HTTP_DATE_NONE ? s->last_modified : s->fresh.date,
		.date = s->fresh.date};
}

static uint32_t part_head(const struct hc_req *q, uint32_t i, char *out)
{
	char range[64];

	(void)http_content_range_format(&q->ranges[i], q->total, range, sizeof(range));
	return (uint32_t)snprintf(out, PART_HEAD_MAX,
		"\r\n--%s\r\n%s%.*s%sContent-Range: %s\r\n\r\n", q->boundary,
		q->part_type.len > 0 ? "Content-Type: " : "", (int)q->part_type.len,
		q->part_type.at != NULL ? q->part_type.at : "", q->part_type.len > 0 ? "\r\n" : "",
		range);
}

static uint32_t last_boundary(const struct hc_req *q, char *out)
{
	return (uint32_t)snprintf(out, PART_HEAD_MAX, "\r\n--%s--\r\n", q->boundary);
}

static uint64_t multipart_length(const struct hc_req *q)
{
	char text[PART_HEAD_MAX];
	uint64_t n = last_boundary(q, text);

	for (uint32_t i = 0; i < q->range_cnt; i++)
		n += part_head(q, i, text) + q->ranges[i].last - q->ranges[i].first + 1;
	return n;
}

static bool multipart_head(struct hc_req *q)
{
	struct http_head *r = &q->s->resp;
	const struct http_field *type = http_head_get(r, HTTP_FIELD_CONTENT_TYPE, NULL);
	uint64_t id[1];
	char text[64];
	int n;

	q->part_type = (struct span){NULL, 0};
	if (type != NULL && type->value.len <= 100) {
		char *copy = take(q, type->value.len + 1);

		if (copy == NULL)
			return false;
		memcpy(copy, type->value.at, type->value.len);
		q->part_type = (struct span){copy, type->value.len};
	}
	rng_secret(id, sizeof(id));
	(void)snprintf(q->boundary, sizeof(q->boundary), "weir%016llx", (unsigned long long)id[0]);
	q->multipart = true;
	http_head_remove(r, HTTP_FIELD_CONTENT_TYPE);
	n = snprintf(text, sizeof(text), "multipart/byteranges; boundary=%s", q->boundary);
	r->length = multipart_length(q);
	return add_text(q, HTTP_FIELD_CONTENT_TYPE, text, (uint32_t)n);
}

/* Turns the answer into a 206. False: no memory. */
static bool partial_head(struct hc_req *q)
{
	struct http_head *r = &q->s->resp;
	char text[64];

	r->status = 206;
	if (q->range_cnt > 1)
		return multipart_head(q);
	r->length = q->ranges[0].last - q->ranges[0].first + 1;
	return add_text(q, HTTP_FIELD_CONTENT_RANGE, text,
		http_content_range_format(&q->ranges[0], q->total, text, sizeof(text)));
}

/* What the request's Range asks for. False: it was answered with 416, or failed. */
static bool choose_ranges(struct hc_req *q, const struct stored *s)
{
	struct http_selected sel = selected(s);
	struct http_range r[HTTP_RANGES_MAX];
	enum http_ranges v = HTTP_RANGES_IGNORE;
	uint32_t cnt = 0;

	if (s->status == 200 && (q->asks & ASKS_RANGE) && q->total != CACHE_LEN_UNKNOWN &&
		http_if_range(&q->s->req, &sel, q->arrived_ms / 1000))
		v = http_ranges_parse(&q->s->req, q->total, r, &cnt);
	if (v == HTTP_RANGES_UNSATISFIABLE) {
		serve_416(q, s);
		return false;
	}
	q->ranges = &q->whole;
	q->whole = (struct http_range){0, q->total - 1}; /* unknown: to the end */
	q->range_cnt = 1;
	q->range_at = 0;
	q->multipart = q->part_open = false; /* it may have been looked up before */
	if (v == HTTP_RANGES_OK) {
		q->ranges = take(q, cnt * (uint32_t)sizeof(r[0]));
		if (q->ranges == NULL) {
			hc_cut(q, HTTP_END_NO_MEMORY);
			return false;
		}
		memcpy(q->ranges, r, cnt * sizeof(r[0]));
		q->range_cnt = cnt;
	}
	q->pos = q->ranges[0].first;
	if (v == HTTP_RANGES_OK && !partial_head(q)) {
		hc_cut(q, HTTP_END_NO_MEMORY);
		return false;
	}
	return true;
}

/* ---- the answer ---- */

bool hc_decode(const struct cache_view *v, struct stored *s, uint64_t *born)
{
	const struct hc_prefix *pre = (const void *)v->val;

	if ((v->user != MARK_SMALL && v->user != MARK_OBJECT) || v->len < sizeof(*pre) ||
		!stored_open(pre + 1, v->len - (uint32_t)sizeof(*pre), s))
		return false;
	*born = pre->born;
	return true;
}

bool hc_open_view(struct hc_req *q, const struct cache_view *v, struct stored *s, bool *soft)
{
	struct purge_subject sub = {
		.host = q->s->req.host, .path = q->s->req.path, .query = q->s->req.query};

	*soft = false;
	if (!hc_decode(v, s, &sub.born))
		return false;
	if (q->key != q->primary &&
		purge_key_gone(q->hw->hc->purge,
			((const struct hc_prefix *)(const void *)v->val)->primary, sub.born))
		return false;
	sub.tags = s->tags;
	switch (purge_check(q->hw->purge, &sub)) {
	case PURGE_GONE:
		hc_count(&q->hw->stats.purged, 1);
		return false;
	case PURGE_SOFT:
		s->fresh.flags |= FRESH_PURGED;
		*soft = true;
		return true;
	default:
		return true;
	}
}

static void set_source(struct hc_req *q, const struct cache_view *v, const struct stored *s)
{
	q->view = *v;
	q->body = ((const struct hc_prefix *)(const void *)v->val)->body;
	if (v->found == CACHE_OBJECT) {
		q->source = HC_OBJECT;
		q->total = v->total_len;
		q->place = ((const struct hc_prefix *)(const void *)v->val)->place;
		return;
	}
	q->source = HC_SMALL;
	q->bytes = v->val + sizeof(struct hc_prefix) + s->len;
	q->bytes_len = v->len - sizeof(struct hc_prefix) - s->len;
	q->total = q->bytes_len;
}

/* For a hole that is met later. */
static bool keep_etag(struct hc_req *q, const struct stored *s)
{
	char *copy;

	q->etag = (struct span){NULL, 0};
	if (q->source != HC_OBJECT || s->etag.len == 0 || http_etag_weak(s->etag))
		return true;
	copy = take(q, s->etag.len);
	if (copy == NULL)
		return false;
	memcpy(copy, s->etag.at, s->etag.len);
	q->etag = (struct span){copy, s->etag.len};
	return true;
}

/* Short enough that head and body in one buffer cost less than a slice of the arena. */
static bool goes_whole(const struct hc_req *q)
{
	return q->source == HC_SMALL && q->total <= WHOLE_MAX && q->ranges == &q->whole &&
	       q->s->req.method == HTTP_GET && q->s->resp.framing == HTTP_BODY_LENGTH;
}

/* Policies decide first: they may choose the compressed body. */
static void send_whole(struct hc_req *q)
{
	http_begin_whole(q->s);
	hc_count(&q->hw->stats.bytes_hit, q->total);
	HC_COUNT_ROUTE(q->hw, q->route, bytes_sent, q->total);
	hc_detach(q);
	if (http_end_whole(q->s, q->bytes, (uint32_t)q->total) != 0)
		http_fail(q->s, HTTP_END_NO_MEMORY);
}

void hc_serve(struct hc_req *q, const struct cache_view *v, const struct stored *s)
{
	struct http_stream *st = q->s;
	struct http_selected sel = selected(s);

	st->cache = q->status.forward == CACHE_FORWARD_NONE ? "hit"
							    : cache_forward_word(q->status.forward);
	set_source(q, v, s);
	if (s->status == 200 && (q->asks & ASKS_CONDITION) &&
		http_cond_check_cached(&st->req, &sel, q->arrived_ms / 1000) ==
			HTTP_COND_NOT_MODIFIED) {
		serve_304(q, s);
		return;
	}
	resp_base(q, s);
	st->resp.framing = q->total == CACHE_LEN_UNKNOWN ? HTTP_BODY_STREAM : HTTP_BODY_LENGTH;
	st->resp.length = q->total == CACHE_LEN_UNKNOWN ? 0 : q->total;
	if (st->resp.status == 204)
		st->resp.framing = HTTP_BODY_NONE;
	if (!keep_etag(q, s)) {
		hc_cut(q, HTTP_END_NO_MEMORY);
		return;
	}
	if (!choose_ranges(q, s) || hc_hole_ahead(q))
		return;
	if (!resp_common(q, s)) {
		hc_cut(q, HTTP_END_NO_MEMORY);
		return;
	}
	answered(q);
	if (st->resp.status == 206)
		hc_count(&q->hw->stats.ranges, 1);
	hc_coded_offer(q);
	if (goes_whole(q)) {
		send_whole(q);
		return;
	}
	http_send_head(st);
	if (st->req.method == HTTP_HEAD || q->total == 0)
		over(q);
	else
		hc_pump(q);
}

/* ---- the body ---- */

/* True: there is a next range; its part's head is sent. */
static bool open_part(struct hc_req *q)
{
	char text[PART_HEAD_MAX];

	if (!q->multipart || q->part_open)
		return true;
	q->part_open = http_send_bytes(q->s, text, part_head(q, q->range_at, text)) == 0;
	return q->part_open;
}

static bool range_done(struct hc_req *q)
{
	if (q->pos <= q->ranges[q->range_at].last)
		return false;
	q->range_at++;
	q->part_open = false;
	if (q->range_at < q->range_cnt)
		q->pos = q->ranges[q->range_at].first;
	return true;
}

static void finish(struct hc_req *q)
{
	char text[PART_HEAD_MAX];

	if (q->multipart && http_send_bytes(q->s, text, last_boundary(q, text)) != 0) {
		hc_cut(q, HTTP_END_NO_MEMORY);
		return;
	}
	over(q);
}

static bool pump_small(struct hc_req *q)
{
	while (q->range_at < q->range_cnt) {
		const struct http_range *r = &q->ranges[q->range_at];

		uint64_t len = r->last - r->first + 1;

		if (!open_part(q) || send_slice(q, q->copy_only ? NULL : &q->view,
					     q->bytes + r->first, len) < len)
			return false;
		q->pos = r->last + 1;
		(void)range_done(q);
	}
	return true;
}

static void on_more(struct cache_waiter *waiter, uint64_t now_ns)
{
	struct hc_req *q = container_of(waiter, struct hc_req, waiter);

	(void)now_ns;
	q->queued = false;
	hc_count(&q->hw->stats.waiting, (uint64_t)-1);
	hc_pump(q);
}

/* True: it will go on by itself. */
static bool wait_more(struct hc_req *q)
{
	cache_waiter_init(&q->waiter, on_more);
	if (!cache_object_wait(q->hw->cw, &q->view, q->pos, &q->waiter))
		return false;
	q->queued = true;
	hc_count(&q->hw->stats.waiting, 1);
	return true;
}

enum step { STEP_SENT, STEP_WAIT, STEP_SHORT, STEP_END, STEP_LOST, STEP_BROKEN };

static enum step step_object(struct hc_req *q, uint32_t room)
{
	struct cache_view slice;
	uint64_t left = q->ranges[q->range_at].last - q->pos + 1;
	uint32_t n, sent;
	int rc = cache_object_read(q->hw->cw, &q->view, q->pos, http_now_ns(q->s), &slice);

	if (rc == -EAGAIN) {
		if (q->fetch != NULL)
			hc_fetch_read(q->fetch, q->pos);
		if (wait_more(q))
			return STEP_WAIT;
		/* More has come since, or the waiters are too many. */
		return q->stalls++ < 2 ? STEP_SENT : STEP_BROKEN;
	}
	q->stalls = 0;
	if (rc == -ERANGE)
		return STEP_END; /* of an object whose length nobody knew */
	if (rc == -ENOENT && hc_hole(q))
		return STEP_WAIT;
	if (rc != 0)
		return rc == -ESTALE ? STEP_LOST : STEP_BROKEN;
	n = slice.len < room ? slice.len : room;
	if (n > left)
		n = (uint32_t)left;
	if (!open_part(q))
		return STEP_SHORT;
	sent = (uint32_t)send_slice(q, &slice, slice.val, n);
	if (sent > 0)
		q->short_ns = 0;
	q->pos += sent;
	if (q->fetch != NULL)
		hc_fetch_read(q->fetch, q->pos);
	return sent == n ? STEP_SENT : STEP_SHORT;
}

/* A view whose fill ended long ago: look for the same object once more, now complete. */
static bool renew_view(struct hc_req *q)
{
	struct cache_view v;
	struct cache_key k;

	hc_key(q->hw, &k, q->key, q->key_len);
	if (cache_get(q->hw->cw, &k, http_now_ns(q->s), &v) != CACHE_OBJECT || v.seq != q->view.seq)
		return false;
	q->view = v;
	q->place = ((const struct hc_prefix *)(const void *)v.val)->place;
	return true;
}

void hc_broken(struct hc_req *q)
{
	hc_count(&q->hw->stats.holes, 1);
	hc_cut(q, HTTP_END_BACKEND_INCOMPLETE);
}

void hc_poke(struct hc_req *q)
{
	if (q->source == HC_OBJECT && q->s->resp_started)
		hc_pump(q);
}

void hc_short_over(struct http_timer *t)
{
	hc_pump(container_of(t, struct hc_req, again));
}

/* Buffers and pins are others' at the moment: what they hold comes back when it has arrived. False:
 * it has taken too long. */
static bool wait_memory(struct hc_req *q)
{
	uint64_t now = http_now_ns(q->s);

	if (q->short_ns == 0) {
		q->short_ns = now;
		hc_count(&q->hw->stats.shorts, 1);
	}
	if (now - q->short_ns > SHORT_MAX_NS)
		return false;
	http_timer_set(&q->hw->w->loop, &q->again, now + SHORT_NS);
	return true;
}

void hc_pump(struct hc_req *q)
{
	uint32_t renewals = 0, room;

	if (q->source == HC_SMALL) {
		if (pump_small(q))
			finish(q);
		else
			hc_cut(q, HTTP_END_NO_MEMORY);
		return;
	}
	if (q->headless)
		return;
	for (;;) {
		/* First: a hole that was filled may have been the last there was to send. */
		if (range_done(q) && q->range_at == q->range_cnt) {
			finish(q);
			return;
		}
		room = http_send_room(q->s);
		if (room == 0 || q->queued || q->filling)
			return; /* resume(), the waiter or the fetch goes on */
		switch (step_object(q, room)) {
		case STEP_WAIT:
			return;
		case STEP_SHORT:
			if (!wait_memory(q))
				hc_broken(q);
			return;
		case STEP_LOST:
			if (renewals++ == 0 && renew_view(q))
				continue;
			/* It is not there any more, and how it ended is forgotten. */
			if (!hc_hole_pass(q))
				hc_broken(q);
			return;
		case STEP_BROKEN:
			hc_broken(q);
			return;
		case STEP_END:
			finish(q);
			return;
		case STEP_SENT:
			break;
		}
	}
}

/* What is not on disk either: the upstream has it, if its entity tag lets parts be joined; else
 * nobody is led here again. */
static void chunk_missing(struct hc_req *q)
{
	q->place = (struct tier_place){0};
	if (q->etag.len == 0)
		hc_drop(q->hw, q->key, q->key_len, CACHE_IF_SEQ, q->view.seq);
}

void hc_chunk(struct hc_req *q, uint64_t at, const uint8_t *bytes, uint32_t len)
{
	uint64_t left = q->ranges[q->range_at].last - q->pos + 1;
	uint32_t n = http_send_room(q->s);

	q->filling = false;
	if (bytes == NULL) {
		chunk_missing(q);
		hc_pump(q);
		return;
	}
	/* From where it was read to: in memory it may be gone again before the next turn. */
	if (n > len - (q->pos - at))
		n = len - (uint32_t)(q->pos - at);
	if (n > left)
		n = (uint32_t)left;
	if (n > 0) {
		uint32_t sent =
			open_part(q) ? (uint32_t)send_slice(q, NULL, bytes + (q->pos - at), n) : 0;

		q->pos += sent;
		if (sent < n) {
			if (!wait_memory(q))
				hc_broken(q);
			return;
		}
	}
	hc_pump(q);
}
