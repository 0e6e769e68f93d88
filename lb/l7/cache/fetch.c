/* SPDX-License-Identifier: Apache-2.0
 * Requests of weir's own to the upstream, and where their responses go.
 *
 *	head --not storable--> pass to the leader
 *	     --304-----------> new head for what is stored; leader and waiters look up again
 *	     --small---------> collect, store, answer the leader from the copy
 *	     --else----------> object in the cache; leader and waiters read along
 *
 * The proxy action runs on the fetch's child stream and knows nothing of this. It must not be
 * called back from inside its own calls, so that what it has to be told goes by a task. */
#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "lb/l7/cache/hcache_pvt.h"

#define FETCH_SLABS 4
#define TOGETHER_MS 100 /* who waited for what nobody may share asks at once, not in turn */

static const struct http_sub_ops sub_ops;

uint64_t hc_now(const struct hc_fetch *f)
{
	return f->hw->w->loop.now_ns;
}

/* ---- leases ---- */

/* buf: room for it, as long as k is used. */
static void lease_key(const struct hcache_worker *hw, struct cache_key *k, const char *key,
	uint32_t len, bool validation, char buf[HCACHE_KEY_MAX])
{
	if (validation)
		hc_validation_key(hw, k, key, len, buf);
	else
		hc_key(hw, k, key, len);
}

void hc_lease_end(struct hc_fetch *f)
{
	char buf[HCACHE_KEY_MAX];
	struct cache_key k;

	if (!f->has_lease)
		return;
	f->has_lease = false;
	lease_key(f->hw, &k, f->key, f->key_len, f->lease_is_validation, buf);
	cache_lease_abort(f->hw->cw, &k, &f->lease, hc_now(f));
}

/* End it with a mark for those that wait and those that come soon. */
void hc_lease_mark(struct hc_fetch *f, enum mark mark, const void *val, uint32_t len, uint64_t ms)
{
	struct cache_put p = {.val = val,
		.len = len,
		.user = (uint16_t)mark,
		.expire_ns = hc_now(f) + ms * NS_PER_MS};
	char buf[HCACHE_KEY_MAX];
	struct cache_key k;

	if (!f->has_lease || ms == 0) {
		hc_lease_end(f);
		return;
	}
	f->has_lease = false;
	lease_key(f->hw, &k, f->key, f->key_len, f->lease_is_validation, buf);
	(void)!cache_fill(f->hw->cw, &k, &f->lease, &p, hc_now(f));
}

/* ---- life ---- */

/* Its sub-request has ended, is cancelled or never was. */
static void fetch_free(struct hc_fetch *f)
{
	struct hcache_worker *hw = f->hw;

	ASSERT_DBG(f->leader == NULL && f->sub == NULL);
	if (f->sink == SINK_OBJECT)
		hc_object_fail(f);
	hc_lease_end(f);
	hc_slice_end(f);
	http_timer_stop(&hw->w->loop, &f->timer);
	http_task_cancel(&f->task);
	chain_free(&f->held);
	http_arena_reset(&f->arena);
	hc_count(&hw->stats.fetches, (uint64_t)-1);
	pool_put(&hw->fetches, f->self);
}

void hc_fetch_cancel(struct hc_fetch *f)
{
	http_sub_cancel(f->sub);
	f->sub = NULL;
	fetch_free(f);
}

/* What the log of the leader's request says about its fetch. */
static void note_times(const struct hc_fetch *f, struct http_stream *s)
{
	const struct http_stream *c;

	if (f->sub == NULL)
		return;
	c = &f->sub->s;
	s->backend = c->backend;
	s->retries = c->retries;
	s->detail = c->detail;
	s->t.queued = c->t.queued;
	s->t.backend = c->t.backend;
	s->t.response = c->t.response;
}

/* The leader goes its own way from here. */
struct hc_req *hc_let_go(struct hc_fetch *f)
{
	struct hc_req *q = f->leader;

	f->leader = NULL;
	if (q == NULL)
		return NULL;
	if (q->lead == f) {
		q->lead = NULL;
	} else {
		q->fetch = NULL;
		hc_lead_end(q);
	}
	note_times(f, q->s);
	return q;
}

static void on_timer(struct http_timer *t)
{
	struct hc_fetch *f = container_of(t, struct hc_fetch, timer);

	if (f->sink == SINK_EXTENTS)
		hc_extents_store(f);
	else
		hc_object_store(f);
	if (f->sub == NULL && f->sink == SINK_NONE)
		fetch_free(f);
}

/* Why a fetch is on the task list: it may go on, or is of no use any more. Before its head has come
 * nobody knows that it cannot be stored. */
static void on_task(struct http_task *t)
{
	struct hc_fetch *f = container_of(t, struct hc_fetch, task);
	bool useless = f->leader == NULL && (f->sink == SINK_PASS || f->sink == SINK_NONE);

	if (f->leader != NULL && f->sink == SINK_EXTENTS)
		hc_poke(f->leader);
	if (f->sub == NULL)
		return;
	if (useless && (f->sub->s.resp_started || f->kind == FETCH_HOLE)) {
		hc_fetch_cancel(f);
	} else if (f->starved) {
		f->starved = false;
		http_sub_resume(f->sub);
	}
}

void hc_fetch_read(struct hc_fetch *f, uint64_t pos)
{
	f->wanted = pos;
	if (f->starved && f->held.head == NULL &&
		(f->sink != SINK_OBJECT || f->object.filled < pos + HC_WINDOW / 2))
		http_task_post(&f->hw->w->loop, &f->task);
}

void hc_fetch_leave(struct hc_fetch *f)
{
	f->leader = NULL;
	http_task_post(&f->hw->w->loop, &f->task);
}

void hc_lead_end(struct hc_req *q)
{
	struct hc_fetch *f = q->lead;

	q->lead = NULL;
	if (f != NULL)
		hc_fetch_leave(f);
}

/* What was missing is sent: its leader leads the fill again that it led before. */
static void hole_done(struct hc_fetch *f)
{
	struct hc_req *q = f->leader;
	struct hc_fetch *lead;

	if (q == NULL)
		return;
	lead = q->lead;
	q->lead = NULL;
	(void)hc_let_go(f);
	q->fetch = lead;
	hc_hole_filled(f, q);
}

/* ---- begin ---- */

char *hc_copy(struct http_arena *a, const char *text, uint32_t len)
{
	char *p = http_arena_alloc(a, len > 0 ? len : 1);

	if (p != NULL && len > 0)
		memcpy(p, text, len);
	return p;
}

static bool copy_span(struct http_arena *a, struct span *s)
{
	char *p = hc_copy(a, s->at, s->len);

	s->at = p;
	return p != NULL;
}

/* Fields that are the client's own condition, not part of what is asked. */
static bool stripped(const struct http_field *f)
{
	if (f->flags & (HTTP_F_HOP | HTTP_F_GONE))
		return true;
	switch (f->id) {
	case HTTP_FIELD_IF_MATCH:
	case HTTP_FIELD_IF_NONE_MATCH:
	case HTTP_FIELD_IF_MODIFIED_SINCE:
	case HTTP_FIELD_IF_UNMODIFIED_SINCE:
	case HTTP_FIELD_IF_RANGE:
	case HTTP_FIELD_RANGE:
		return true;
	default:
		return false;
	}
}

static void make_request(struct http_head *h)
{
	h->method = HTTP_GET;
	h->method_text = SPAN("GET");
	for (uint32_t i = 0; i < h->field_cnt; i++)
		if (stripped(&h->fields[i]))
			h->fields[i].flags |= HTTP_F_GONE;
}

/* RFC 9111 4.3.1 */
static bool add_validators(struct hc_fetch *f, const struct stored *old)
{
	struct http_head *h = &f->sub->s.req;
	struct span lm = stored_get(old, HTTP_FIELD_LAST_MODIFIED), etag = old->etag;

	if (etag.len > 0 && (!copy_span(&f->arena, &etag) ||
				    http_head_add(h, HTTP_FIELD_IF_NONE_MATCH, etag) != 0))
		return false;
	if (old->last_modified != HTTP_DATE_NONE &&
		(!copy_span(&f->arena, &lm) ||
			http_head_add(h, HTTP_FIELD_IF_MODIFIED_SINCE, lm) != 0))
		return false;
	return true;
}

struct hc_fetch *hc_fetch_new(struct hc_req *q, enum hc_fetch_kind kind)
{
	struct hcache_worker *hw = q->hw;
	struct hc_fetch *f;
	uint32_t idx;

	if (http_request_tell(q->s) != HTTP_END_OK)
		return NULL;
	idx = pool_get(&hw->fetches);
	if (idx == POOL_NONE)
		return NULL;
	f = pool_at(&hw->fetches, idx);
	f->sub = http_sub_new(q->s, &sub_ops, f);
	if (f->sub == NULL) {
		pool_put(&hw->fetches, idx);
		return NULL;
	}
	make_request(&f->sub->s.req);
	http_arena_init(&f->arena, &hw->w->slabs, FETCH_SLABS);
	f->hw = hw;
	f->route = q->route;
	f->leader = NULL;
	f->kind = kind;
	f->self = idx;
	f->sink = SINK_NONE;
	f->starved = f->over = f->has_lease = f->lease_is_validation = false;
	f->ranged = f->has_slice = false;
	f->etag = (struct span){NULL, 0};
	f->buf = NULL;
	f->held = (struct chain){0};
	f->tries = 0;
	f->wanted = 0;
	f->born = purge_now(hw->hc->purge);
	f->request_ms = hc_wall_ms(hw);
	http_timer_init(&f->timer, on_timer);
	http_task_init(&f->task, on_task);
	hc_count(&hw->stats.fetches, 1);
	f->primary = hc_copy(&f->arena, q->primary, q->primary_len);
	f->primary_len = q->primary_len;
	f->key = hc_copy(&f->arena, q->key, q->key_len);
	f->key_len = q->key_len;
	if (f->primary == NULL || f->key == NULL) {
		hc_fetch_cancel(f);
		return NULL;
	}
	return f;
}

bool hc_fetch_begin(struct hc_req *q, const struct stored *old, struct cache_lease *lease,
	bool lease_is_validation, bool background)
{
	struct hc_fetch *f = hc_fetch_new(q, old != NULL ? FETCH_VALIDATE : FETCH_FILL);
	struct cache_key k;
	char buf[HCACHE_KEY_MAX];

	if (f == NULL || (old != NULL && !add_validators(f, old)) || !hc_part_ask(q, f)) {
		if (f != NULL)
			hc_fetch_cancel(f);
		lease_key(q->hw, &k, q->key, q->key_len, lease_is_validation, buf);
		cache_lease_abort(q->hw->cw, &k, lease, http_now_ns(q->s));
		return false;
	}
	f->lease = *lease;
	f->has_lease = true;
	f->lease_is_validation = lease_is_validation;
	if (!background) {
		f->leader = q;
		q->fetch = f;
	}
	http_sub_start(f->sub, &http_proxy);
	return true;
}

/* ---- failure ---- */

/* Those that waited share the error, or, where it may be that of one request alone, they all pass:
 * without a mark each of them would lead in turn. */
static void mark_failure(struct hc_fetch *f, enum http_end end, uint16_t status, bool share)
{
	struct hc_error e = {.end = end, .status = status};
	uint64_t ms = f->route->error_ms;

	if (share && ms > 0)
		hc_lease_mark(f, MARK_ERROR, &e, sizeof(e), ms);
	else
		hc_lease_mark(f, MARK_PASS, "", 0, ms > 0 ? ms : TOGETHER_MS);
}

void hc_fetch_error(struct hc_fetch *f, enum http_end end, uint16_t status)
{
	struct hc_req *q;

	if (f->kind == FETCH_SLICE) {
		hc_slice_error(f, end, status);
		return;
	}
	q = hc_let_go(f);
	hc_count(&f->hw->stats.fetch_failures, 1);
	mark_failure(f, end, status, true);
	f->sink = SINK_NONE;
	if (q == NULL)
		return;
	q->status.forward_status = status;
	if (f->kind == FETCH_HOLE)
		hc_cut(q, end);
	else
		hc_failed(q, end, status);
}

/* ---- passing ---- */

/* The sub-request's bytes outlive the leader's answer: heads are written when they are sent. */
static void head_to_leader(struct hc_fetch *f)
{
	const struct http_head *from = &f->sub->s.resp;
	struct http_stream *s = f->leader->s;

	memcpy(&s->resp, from,
		offsetof(struct http_head, fields) + from->field_cnt * sizeof(from->fields[0]));
	s->resp_foreign = true;
	note_times(f, s);
}

static void pass_on(struct hc_fetch *f, const char *why)
{
	struct hc_req *q = f->leader;
	char text[CACHE_STATUS_MAX], *copy;
	uint32_t n;

	if (q == NULL) {
		f->sink = SINK_NONE;
		http_task_post(&f->hw->w->loop, &f->task);
		return;
	}
	f->sink = SINK_PASS;
	head_to_leader(f);
	q->s->cache = "miss";
	if (q->route->cache_status) {
		q->status.forward_status = f->sub->s.resp.status;
		q->status.detail = why;
		n = cache_status_format(&q->status, q->route->name, text);
		copy = hc_copy(&q->s->arena, text, n);
		if (copy != NULL)
			(void)!http_head_add(
				&q->s->resp, HTTP_FIELD_CACHE_STATUS, (struct span){copy, n});
	}
	http_send_head(q->s);
}

/* The upstream itself says that it is not there. */
static bool unavailable(uint16_t status)
{
	return status >= 502 && status <= 504;
}

static void not_storable(struct hc_fetch *f, enum fresh_store why)
{
	uint16_t status = f->sub->s.resp.status;

	hc_count(&f->hw->stats.not_stored, 1);
	if (status >= 500) { /* RFC 9111 4.3.3: it says nothing about what is stored */
		mark_failure(f, HTTP_END_OK, status, unavailable(status));
	} else if (f->kind == FETCH_VALIDATE) { /* what was stored is not what there is any more */
		hc_drop(f->hw, f->key, f->key_len, CACHE_ALWAYS, 0);
		hc_lease_end(f);
	} else if (why == FRESH_STORE_AUTHORIZATION || why == FRESH_STORE_REQUEST_NO_STORE) {
		/* It says nothing about other clients' requests, but they have waited enough. */
		hc_lease_mark(f, MARK_PASS, "", 0, TOGETHER_MS);
	} else {
		hc_lease_mark(f, MARK_PASS, "", 0, f->route->pass_ms);
	}
	pass_on(f, fresh_store_word(why));
}

/* ---- storing ---- */

static uint64_t length_of(const struct http_head *h)
{
	switch (h->framing) {
	case HTTP_BODY_NONE:
		return 0;
	case HTTP_BODY_LENGTH:
		return h->length;
	default:
		return CACHE_LEN_UNKNOWN;
	}
}

/* The leader reads like everybody else. */
static void leader_reads(struct hc_fetch *f)
{
	struct hc_req *q = f->leader;

	if (q == NULL)
		return;
	q->status.forward_status = f->sub->s.resp.status;
	q->status.stored = true;
	note_times(f, q->s);
	q->waited = true;
	hc_look_up(q);
}

static void store(struct hc_fetch *f, const struct fresh *fr)
{
	uint64_t len = length_of(&f->sub->s.resp);
	uint32_t head_len;

	f->expire_ns = hc_expire_of(f, fr);
	if (hc_too_large(f, len)) {
		hc_lease_mark(f, MARK_PASS, "", 0, f->route->pass_ms);
		pass_on(f, "too-large");
		return;
	}
	head_len = hc_settle_key(f) ? hc_encode(f, fr) : 0;
	tier_replaced(f->hw, f->key, f->key_len);
	if (head_len > 0 && hc_small_begin(f, head_len, len))
		return;
	if (head_len > 0 && head_len <= HTTP_ARENA_SLAB - 64 && hc_object_begin(f, head_len, len)) {
		leader_reads(f);
		return;
	}
	hc_count(&f->hw->stats.no_memory, 1);
	hc_lease_end(f);
	pass_on(f, "no-memory");
}

/* ---- 304 ---- */

static void not_modified(struct hc_fetch *f)
{
	const struct http_head *resp = &f->sub->s.resp;
	struct hc_req *q;
	struct cache_view v;
	struct cache_key k;
	struct stored old;
	enum cache_found how;
	bool good = false;
	uint64_t born;

	hc_key(f->hw, &k, f->key, f->key_len);
	how = cache_get(f->hw->cw, &k, hc_now(f), &v);
	if ((how == CACHE_HIT || how == CACHE_OBJECT) && hc_decode(&v, &old, &born))
		good = stored_validated(&old, resp, hc_wall_ms(f->hw) / 1000) &&
		       hc_freshen(f, &v, &old) == 0;
	if (good) {
		hc_count(&f->hw->stats.revalidated, 1);
		HC_COUNT_ROUTE(f->hw, f->route, revalidated, 1);
	} else if (how == CACHE_HIT || how == CACHE_OBJECT) { /* fetched whole, next time */
		hc_drop(f->hw, f->key, f->key_len, CACHE_IF_SEQ, v.seq);
	}
	hc_lease_end(f);
	q = hc_let_go(f);
	if (q == NULL)
		return;
	q->status.forward_status = 304;
	q->waited = true;
	hc_look_up(q);
}

/* ---- what the sub-request hears ---- */

void hc_add_date(struct http_stream *s, struct hcache_worker *hw)
{
	char *text;

	if (http_head_get(&s->resp, HTTP_FIELD_DATE, NULL) != NULL)
		return;
	text = http_arena_alloc(&s->arena, HTTP_DATE_LEN);
	if (text == NULL)
		return;
	http_date_format(hc_wall_ms(hw) / 1000, text);
	(void)!http_head_add(&s->resp, HTTP_FIELD_DATE, (struct span){text, HTTP_DATE_LEN});
}

static void fetch_head(struct http_sub *sub)
{
	struct hc_fetch *f = sub->ctx;
	struct http_stream *c = &sub->s;
	enum fresh_store v;
	struct fresh fr;

	if (c->resp.status < 200)
		return;
	if (f->kind == FETCH_HOLE) {
		hc_hole_head(f);
		return;
	}
	hc_add_date(c, f->hw);
	if (f->kind == FETCH_SLICE && hc_slice_head(f))
		return;
	if (f->kind == FETCH_VALIDATE && c->resp.status == 304) {
		not_modified(f);
		return;
	}
	if (c->resp.status >= 500 && f->kind == FETCH_VALIDATE && f->leader != NULL &&
		hc_stale_usable(f->leader)) {
		hc_fetch_error(f, HTTP_END_OK, c->resp.status);
		return;
	}
	if (f->ranged && hc_part_head(f))
		return;
	v = fresh_decide(
		&f->route->fresh, &c->req, &c->resp, f->request_ms, hc_wall_ms(f->hw), &fr);
	if (v == FRESH_STORE_OK)
		store(f, &fr);
	else
		not_storable(f, v);
}

static uint32_t room_of(const struct hc_fetch *f)
{
	switch (f->sink) {
	case SINK_PASS:
		return f->leader != NULL ? http_send_room(f->leader->s) : 0;
	case SINK_EXTENTS:
		return hc_extents_room(f);
	case SINK_OBJECT:
		return hc_object_room(f);
	default:
		return HC_WINDOW;
	}
}

static uint32_t fetch_body(struct http_sub *sub, struct rte_mbuf *chain, uint32_t len)
{
	struct hc_fetch *f = sub->ctx;
	uint32_t room;

	hc_count(&f->hw->stats.bytes_fetched, len);
	HC_COUNT_ROUTE(f->hw, f->route, bytes_fetched, len);
	switch (f->sink) {
	case SINK_PASS:
		if (f->leader == NULL) {
			chain_free_list(chain);
			break;
		}
		if (f->kind == FETCH_HOLE)
			f->leader->pos += len;
		(void)http_send_body(f->leader->s, chain, len);
		break;
	case SINK_SMALL:
		hc_small_body(f, chain);
		break;
	case SINK_OBJECT:
		hc_object_body(f, chain, len);
		break;
	case SINK_EXTENTS:
		hc_extents_body(f, chain, len);
		break;
	default:
		chain_free_list(chain);
		break;
	}
	room = room_of(f);
	f->starved = room == 0;
	return room;
}

static void fetch_done(struct http_sub *sub, const struct http_head *trailers)
{
	struct hc_fetch *f = sub->ctx;
	struct hc_req *q = NULL;

	switch (f->sink) {
	case SINK_OBJECT:
		f->over = true;
		if (f->held.head == NULL)
			hc_object_end(f);
		break;
	case SINK_SMALL:
		hc_small_end(f);
		break;
	case SINK_EXTENTS:
		f->over = true;
		hc_extents_store(f);
		break;
	case SINK_PASS:
		if (f->kind == FETCH_HOLE) {
			hole_done(f);
			break;
		}
		q = hc_let_go(f);
		if (q != NULL)
			http_finish(q->s, trailers);
		break;
	default:
		(void)hc_let_go(f);
		break;
	}
	f->sub = NULL;
	if (f->sink != SINK_OBJECT && f->sink != SINK_EXTENTS) /* else the timer goes on */
		fetch_free(f);
}

static void fetch_failed(struct http_sub *sub)
{
	struct hc_fetch *f = sub->ctx;
	struct hc_req *q;

	switch (f->sink) {
	case SINK_OBJECT:
		hc_count(&f->hw->stats.fetch_failures, 1);
		hc_object_fail(f);
		(void)hc_let_go(f); /* it sees that its object failed */
		break;
	case SINK_EXTENTS:
		hc_count(&f->hw->stats.fetch_failures, 1);
		q = hc_let_go(f);
		chain_free(&f->held);
		f->sink = SINK_NONE;
		hc_slice_end(f);
		if (q != NULL)
			hc_poke(q);
		break;
	case SINK_PASS:
		q = hc_let_go(f);
		if (q != NULL)
			hc_cut(q, sub->s.end);
		break;
	default:
		hc_fetch_error(f, sub->s.end, sub->s.fail_status);
		break;
	}
	f->sub = NULL;
	fetch_free(f);
}

static const struct http_sub_ops sub_ops = {
	.head = fetch_head,
	.body = fetch_body,
	.done = fetch_done,
	.failed = fetch_failed,
};
