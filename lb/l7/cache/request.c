/* SPDX-License-Identifier: Apache-2.0
 * A request's way: past the cache, or key, look-up, and then one of
 *
 *	fresh           answer
 *	stale, usable   answer, and refresh in the background
 *	stale           validate: lead the fetch, or wait for who does
 *	nothing         fetch: lead, or wait
 *	not storable    pass
 *
 * Who waited looks up again. What it finds then was made after its own request came, so it may use
 * it even where a stored response would have to be validated. */
#include <errno.h>
#include <stdio.h>

#include "lb/l7/cache/hcache_pvt.h"

#define ROUNDS_MAX 8 /* look-ups of one request; then it passes */

/* ---- end ---- */

void hc_detach(struct hc_req *q)
{
	struct hc_fetch *f = q->fetch;

	tier_leave(q);
	http_timer_stop(&q->hw->w->loop, &q->again);
	if (q->queued) {
		cache_waiter_cancel(q->hw->cw, &q->waiter);
		q->queued = false;
		hc_count(&q->hw->stats.waiting, (uint64_t)-1);
	}
	q->fetch = NULL;
	if (f != NULL)
		hc_fetch_leave(f);
	hc_lead_end(q);
}

void hc_fail(struct hc_req *q, enum http_end end, uint16_t status)
{
	hc_detach(q);
	http_fail_as(q->s, end, status, NULL);
}

/* ---- past the cache ---- */

static void add_status(struct hc_req *q)
{
	struct http_stream *s = q->s;
	char *text;

	if (!q->route->cache_status)
		return;
	text = http_arena_alloc(&s->arena, CACHE_STATUS_MAX);
	if (text == NULL)
		return;
	q->status.forward_status = s->resp.status;
	q->status.collapsed = q->collapsed;
	(void)!http_head_add(&s->resp, HTTP_FIELD_CACHE_STATUS,
		(struct span){text, cache_status_format(&q->status, q->route->name, text)});
}

static void remove_key(struct hc_req *q, const char *key, uint32_t len)
{
	struct cache_key k;

	hc_key(q->hw, &k, key, len);
	if (cache_delete(q->hw->cw, &k, CACHE_ALWAYS, 0, http_now_ns(q->s)) == 0)
		hc_count(&q->hw->stats.invalidated, 1);
	/* Afterwards: see TI2. Variants lie under keys of their own, and names of Vary that come
	 * later lead to them; on disk there may be a record, and one may be written just now. */
	purge_key(q->hw->hc->purge, hc_primary(q->hw, key, len));
}

static uint32_t aligned_key(
	const struct key_conf *c, const struct http_head *req, char *out, uint32_t cap)
{
	return hc_key_align(out, key_primary(c, req, out, cap - HC_KEY_ALIGN));
}

/* A URI in Location or Content-Location of the same origin (RFC 9111 4.4); others are not ours to
 * remove. */
static void invalidate_field(struct hc_req *q, enum http_field_id id)
{
	const struct http_field *f = http_head_get(&q->s->resp, id, NULL);
	struct http_head *h = &q->hw->scratch_head;
	struct span host = q->s->req.host, uri;
	char key[HCACHE_KEY_MAX];
	const char *mark;
	uint32_t n;

	if (f == NULL || f->value.len == 0)
		return;
	uri = f->value;
	if (uri.at[0] != '/') {
		struct span scheme = q->s->req.scheme;

		if (uri.len <= scheme.len + 3 + host.len || q->s->req.port != 0 ||
			!span_caseeq((struct span){uri.at, scheme.len}, scheme) ||
			memcmp(uri.at + scheme.len, "://", 3) != 0 ||
			!span_caseeq((struct span){uri.at + scheme.len + 3, host.len}, host))
			return;
		n = scheme.len + 3 + host.len;
		uri = (struct span){uri.at + n, uri.len - n};
		if (uri.at[0] != '/')
			return;
	}
	mark = memchr(uri.at, '#', uri.len);
	if (mark != NULL)
		uri.len = (uint32_t)(mark - uri.at);
	*h = q->s->req;
	mark = memchr(uri.at, '?', uri.len);
	h->has_query = mark != NULL;
	h->path = (struct span){uri.at, mark != NULL ? (uint32_t)(mark - uri.at) : uri.len};
	h->query = mark != NULL ? (struct span){mark + 1, uri.len - h->path.len - 1}
				: (struct span){NULL, 0};
	n = aligned_key(&q->route->key, h, key, sizeof(key));
	if (n > 0)
		remove_key(q, key, n);
}

static bool safe(enum http_method m)
{
	return m == HTTP_GET || m == HTTP_HEAD || m == HTTP_OPTIONS || m == HTTP_TRACE;
}

/* The final head of a request that went past: on the request's own stream. */
static void passed_head(struct http_stream *s)
{
	struct hc_req *q = s->on_head_arg;
	uint16_t status = s->resp.status;

	if (!safe(s->req.method) && status >= 200 && status < 400 && q->primary_len > 0) {
		remove_key(q, q->primary, q->primary_len);
		invalidate_field(q, HTTP_FIELD_LOCATION);
		invalidate_field(q, HTTP_FIELD_CONTENT_LOCATION);
	}
	if (s->req.method == HTTP_HEAD && status == 200 && q->primary_len > 0)
		hc_head_seen(q);
	add_status(q);
}

bool hc_tell(struct hc_req *q)
{
	enum http_end e = http_request_tell(q->s);

	if (e != HTTP_END_OK)
		hc_fail(q, e, 0);
	return e == HTTP_END_OK;
}

void hc_pass(struct hc_req *q)
{
	struct http_stream *s = q->s;

	if (!hc_tell(q))
		return;
	hc_detach(q);
	HC_COUNT_ROUTE(q->hw, q->route, passes, 1);
	s->on_head = passed_head;
	s->on_head_arg = q;
	s->cache = q->status.forward == CACHE_FORWARD_BYPASS ? "bypass" : "pass";
	s->action = &http_proxy;
	s->action_state = NULL;
	s->action->start(s);
}

static void bypass(struct hc_req *q, enum cache_forward why, const char *detail)
{
	q->status.forward = why;
	q->status.detail = detail;
	hc_count(&q->hw->stats.bypasses, 1);
	hc_pass(q);
}

/* ---- look-up ---- */

static void found(struct hc_req *q, const struct cache_view *v);

static void on_wake(struct cache_waiter *waiter, uint64_t now_ns)
{
	struct hc_req *q = container_of(waiter, struct hc_req, waiter);

	(void)now_ns;
	q->queued = false;
	hc_count(&q->hw->stats.waiting, (uint64_t)-1);
	hc_look_up(q);
}

static void wait_for_other(struct hc_req *q)
{
	q->queued = true;
	if (!q->collapsed) {
		q->collapsed = true;
		hc_count(&q->hw->stats.collapsed, 1);
		HC_COUNT_ROUTE(q->hw, q->route, collapsed, 1);
	}
	hc_count(&q->hw->stats.waiting, 1);
}

/* The lease is ours. */
static void lead(
	struct hc_req *q, const struct stored *old, struct cache_lease *lease, bool validation)
{
	if (q->fetch != NULL) { /* what it led was evicted before it could be read */
		hc_fetch_leave(q->fetch);
		q->fetch = NULL;
	}
	if (q->status.forward == CACHE_FORWARD_NONE)
		q->status.forward = old != NULL            ? CACHE_FORWARD_STALE
				    : q->key != q->primary ? CACHE_FORWARD_VARY_MISS
							   : CACHE_FORWARD_URI_MISS;
	hc_count(old != NULL ? &q->hw->stats.revalidations : &q->hw->stats.misses, 1);
	if (old == NULL)
		HC_COUNT_ROUTE(q->hw, q->route, misses, 1);
	if (!hc_fetch_begin(q, old, lease, validation, false))
		hc_pass(q);
}

static void failed_before(struct hc_req *q, const struct cache_view *v)
{
	struct hc_error e = {.end = HTTP_END_INTERNAL};

	if (v->len == sizeof(e))
		memcpy(&e, v->val, sizeof(e));
	q->status.detail = "failed-before";
	hc_fail(q, e.end < HTTP_END_CNT ? (enum http_end)e.end : HTTP_END_INTERNAL, e.status);
}

static void serve_on_error(struct hc_req *q, const struct cache_view *v, const struct stored *s)
{
	q->status.forward = CACHE_FORWARD_STALE;
	q->status.detail = "stale-if-error";
	q->stale = true;
	hc_count(&q->hw->stats.stale_errors, 1);
	hc_serve(q, v, s);
}

/* The stored response, if the upstream's failure lets it be used. */
static bool stale_view(struct hc_req *q, struct cache_view *v, struct stored *s)
{
	struct cache_key k;
	enum cache_found how;
	bool soft;

	hc_key(q->hw, &k, q->key, q->key_len);
	how = cache_get(q->hw->cw, &k, http_now_ns(q->s), v);
	return (how == CACHE_HIT || how == CACHE_OBJECT) &&
	       (v->user == MARK_SMALL || v->user == MARK_OBJECT) && hc_open_view(q, v, s, &soft) &&
	       fresh_use_on_error(&s->fresh, &q->control, hc_wall_ms(q->hw));
}

bool hc_stale_usable(struct hc_req *q)
{
	struct cache_view v;
	struct stored s;

	return stale_view(q, &v, &s);
}

void hc_failed(struct hc_req *q, enum http_end end, uint16_t status)
{
	struct cache_view v;
	struct stored s;

	if (stale_view(q, &v, &s))
		serve_on_error(q, &v, &s);
	else
		hc_fail(q, end, status);
}

/* RFC 9211 2.2: fresh, and the request alone is why it is not used. */
static bool fresh_but_asked(const struct hc_req *q, const struct stored *s)
{
	struct control_request none;

	control_request_init(&none);
	return fresh_use(&q->route->fresh, &s->fresh, &none, hc_wall_ms(q->hw)) == FRESH_USE;
}

/* Stale, or the client or its response insists: one asks the upstream, the others wait. v and s are
 * looked at before anything else touches the cache. */
static void validate(struct hc_req *q, const struct cache_view *v, const struct stored *s)
{
	char key[HCACHE_KEY_MAX];
	struct cache_lease lease;
	struct cache_view vv;
	struct cache_key k;

	if (q->control.only_if_cached) {
		hc_fail(q, HTTP_END_BACKEND_TIMEOUT, 504);
		return;
	}
	if (q->status.forward == CACHE_FORWARD_NONE && fresh_but_asked(q, s))
		q->status.forward = CACHE_FORWARD_REQUEST;
	if (q->s->req.method == HTTP_HEAD && (s->fresh.flags & FRESH_VALIDATOR) == 0) {
		if (q->status.forward == CACHE_FORWARD_NONE)
			q->status.forward = CACHE_FORWARD_STALE; /* RFC 9111 4.3.5 */
		hc_pass(q);
		return;
	}
	hc_validation_key(q->hw, &k, q->key, q->key_len, key);
	cache_waiter_init(&q->waiter, on_wake);
	switch (cache_lookup(q->hw->cw, &k, http_now_ns(q->s), &vv, &lease, &q->waiter)) {
	case CACHE_LEASED:
		lead(q, s, &lease, true);
		break;
	case CACHE_WAITING:
		wait_for_other(q);
		break;
	case CACHE_HIT: /* the last try failed just now */
		if (fresh_use_on_error(&s->fresh, &q->control, q->arrived_ms)) {
			serve_on_error(q, v, s);
			break;
		}
		if (vv.user != MARK_PASS) {
			failed_before(q, &vv);
			break;
		}
		/* fall through */
	default:
		q->status.forward = CACHE_FORWARD_STALE;
		hc_pass(q);
		break;
	}
}

static void refresh(struct hc_req *q, const struct stored *s)
{
	char key[HCACHE_KEY_MAX];
	struct cache_lease lease;
	struct cache_view vv;
	struct cache_key k;

	hc_validation_key(q->hw, &k, q->key, q->key_len, key);
	if (cache_lookup(q->hw->cw, &k, http_now_ns(q->s), &vv, &lease, NULL) != CACHE_LEASED)
		return;
	if (hc_fetch_begin(q, s, &lease, true, true)) {
		hc_count(&q->hw->stats.revalidations, 1);
		hc_count(&q->hw->stats.refreshes, 1);
	}
}

/* Made, or confirmed, after this request came. */
static bool made_for_us(const struct hc_req *q, const struct stored *s)
{
	return q->waited && s->fresh.response_ms >= q->arrived_ms;
}

static void use(struct hc_req *q, const struct cache_view *v, const struct stored *s)
{
	if (q->status.forward == CACHE_FORWARD_NONE) {
		if (q->from_disk)
			q->status.detail = "disk";
		tier_used(q, v);
	}
	hc_serve(q, v, s);
}

static void found_response(struct hc_req *q, const struct cache_view *v)
{
	struct stored s;
	bool soft;

	if (!hc_open_view(q, v, &s, &soft)) {
		struct cache_key k;

		hc_key(q->hw, &k, q->key, q->key_len);
		(void)cache_delete(q->hw->cw, &k, CACHE_IF_SEQ, v->seq, http_now_ns(q->s));
		hc_look_up(q);
		return;
	}
	if (made_for_us(q, &s) && !soft) {
		use(q, v, &s);
		return;
	}
	switch (fresh_use(&q->route->fresh, &s.fresh, &q->control, hc_wall_ms(q->hw))) {
	case FRESH_USE:
		use(q, v, &s);
		break;
	case FRESH_USE_STALE:
		q->stale = true;
		hc_serve(q, v, &s);
		break;
	case FRESH_USE_REVALIDATE:
		refresh(q, &s);
		q->stale = true;
		hc_serve(q, v, &s);
		break;
	case FRESH_VALIDATE:
		validate(q, v, &s);
		break;
	}
}

bool hc_to_variant(struct hc_req *q, const struct cache_view *v)
{
	char key[HCACHE_KEY_MAX], *copy;
	uint32_t n =
		key_variant(q->primary, q->primary_len, (struct span){(const char *)v->val, v->len},
			&q->s->req, key, sizeof(key) - HC_KEY_ALIGN);

	n = hc_key_align(key, n);
	copy = n > 0 ? http_arena_alloc(&q->s->arena, n) : NULL;
	if (copy == NULL)
		return false;
	memcpy(copy, key, n);
	q->key = copy;
	q->key_len = n;
	return true;
}

static void found(struct hc_req *q, const struct cache_view *v)
{
	switch (v->user) {
	case MARK_SMALL:
	case MARK_OBJECT:
		found_response(q, v);
		break;
	case MARK_VARY:
		/* Vary may name what the origin is told. */
		if (http_request_tell(q->s) != HTTP_END_OK || q->key != q->primary ||
			!hc_to_variant(q, v)) {
			bypass(q, CACHE_FORWARD_BYPASS, "key");
			break;
		}
		tier_used_vary(q, v);
		hc_look_up(q);
		break;
	case MARK_PASS:
		q->status.forward = CACHE_FORWARD_MISS;
		q->status.detail = "not-storable";
		hc_count(&q->hw->stats.passes, 1);
		hc_pass(q);
		break;
	default:
		failed_before(q, v);
		break;
	}
}

/* Only a whole answer to GET can be stored: others look, and do not lead. */
static bool looks_only(const struct hc_req *q)
{
	return q->s->req.method != HTTP_GET || q->control.only_if_cached ||
	       (q->route->ranges == HC_RANGES_PASS && hc_part_wanted(q));
}

static void missed(struct hc_req *q, enum cache_found how, struct cache_lease *lease)
{
	switch (how) {
	case CACHE_LEASED:
		if (q->disk_tried || !tier_look(q, lease))
			hc_not_on_disk(q, lease);
		break;
	case CACHE_WAITING:
		q->waited = true;
		wait_for_other(q);
		break;
	default:
		q->status.forward = CACHE_FORWARD_MISS;
		hc_pass(q);
		break;
	}
}

void hc_not_on_disk(struct hc_req *q, struct cache_lease *lease)
{
	struct cache_key k;

	q->disk_tried = true;
	if (!looks_only(q)) {
		lead(q, NULL, lease, false);
		return;
	}
	hc_key(q->hw, &k, q->key, q->key_len);
	cache_lease_abort(q->hw->cw, &k, lease, http_now_ns(q->s));
	hc_look_up(q);
}

void hc_found_on_disk(struct hc_req *q, int rc)
{
	/* -ESTALE: it was removed from memory meanwhile, so what was read is not good any more. */
	q->from_disk = rc == 0;
	q->disk_tried = rc != 0;
	hc_look_up(q);
}

void hc_look_up(struct hc_req *q)
{
	struct cache_lease lease = {0};
	struct cache_view v;
	struct cache_key k;
	enum cache_found how;

	if (q->rounds++ >= ROUNDS_MAX) {
		bypass(q, CACHE_FORWARD_BYPASS, "contended");
		return;
	}
	/* A variant's marker may have changed since. */
	hc_key(q->hw, &k, q->key, q->key_len);
	if (q->key == q->primary)
		q->hash = k.hash;
	cache_waiter_init(&q->waiter, on_wake);
	if (looks_only(q) && (q->disk_tried || !tier_may_have(q)))
		how = cache_get(q->hw->cw, &k, http_now_ns(q->s), &v);
	else
		how = cache_lookup(q->hw->cw, &k, http_now_ns(q->s), &v, &lease, &q->waiter);
	if (q->rounds > 1)
		q->waited = true;
	if (how == CACHE_HIT || how == CACHE_OBJECT) {
		found(q, &v);
		return;
	}
	if (looks_only(q) && q->control.only_if_cached && how != CACHE_LEASED &&
		how != CACHE_WAITING)
		hc_fail(q, HTTP_END_BACKEND_TIMEOUT, 504); /* RFC 9111 5.2.1.7 */
	else
		missed(q, how, &lease);
}

/* ---- start ---- */

static bool has_cookie(const struct hc_req *q)
{
	const struct http_field *f = NULL;

	if (q->route->bypass_cookie_cnt == 0)
		return false;
	while ((f = http_head_get(&q->s->req, HTTP_FIELD_COOKIE, f)) != NULL) {
		for (uint32_t i = 0; i < q->route->bypass_cookie_cnt; i++) {
			struct span name = q->route->bypass_cookies[i];

			for (uint32_t at = 0; at + name.len < f->value.len; at++)
				if (memcmp(f->value.at + at, name.at, name.len) == 0 &&
					f->value.at[at + name.len] == '=' &&
					(at == 0 || f->value.at[at - 1] == ' ' ||
						f->value.at[at - 1] == ';'))
					return true;
		}
	}
	return false;
}

/* Constant time in what is equal. */
static bool token_ok(struct span have, struct span want)
{
	uint8_t diff = 0;

	if (have.len != want.len)
		return false;
	for (uint32_t i = 0; i < want.len; i++)
		diff |= (uint8_t)(have.at[i] ^ want.at[i]);
	return diff == 0;
}

/* This URL alone, whatever its query; a path that cannot be quoted goes with all below it. */
static void purge_softly(struct hc_req *q)
{
	const struct http_head *r = &q->s->req;
	char text[PURGE_TEXT_MAX];
	int n = snprintf(text, sizeof(text), "^\\Q%.*s%.*s\\E(\\?|$)", (int)r->host.len, r->host.at,
		(int)r->path.len, r->path.at);

	if (n < 0 || (size_t)n >= sizeof(text) ||
		memmem(r->path.at, r->path.len, "\\E", 2) != NULL ||
		purge_regex(q->hw->hc->purge, (struct span){text, (uint32_t)n}, true, NULL, 0) != 0)
		(void)!purge_prefix(q->hw->hc->purge, r->host, r->path, true);
}

/* Method PURGE: this URL, or with Surrogate-Key all responses of these tags; "Purge: soft" leaves
 * them usable on error. */
static void purge_request(struct hc_req *q)
{
	const struct http_field *auth = http_head_find(&q->s->req, SPAN("purge-token"), NULL);
	const struct http_field *how = http_head_find(&q->s->req, SPAN("purge"), NULL);
	bool soft = how != NULL && span_caseeq(how->value, SPAN("soft"));
	struct purge *p = q->hw->hc->purge;
	struct http_list_iter it = {0};
	bool by_tag = false;
	struct span tag;

	if (auth == NULL || !token_ok(auth->value, q->route->purge_token)) {
		hc_fail(q, HTTP_END_DENIED, 0);
		return;
	}
	hc_count(&q->hw->stats.purges, 1);
	while (http_head_list_next(&q->s->req, HTTP_FIELD_SURROGATE_KEY, &it, &tag)) {
		uint32_t at = 0;

		by_tag = true;
		while (at < tag.len) {
			struct span one = {tag.at + at, 0};

			while (at < tag.len && tag.at[at] != ' ') {
				at++;
				one.len++;
			}
			(void)!purge_tag(p, one, soft);
			at++;
		}
	}
	if (!by_tag && soft)
		purge_softly(q);
	else if (!by_tag)
		remove_key(q, q->primary, q->primary_len);
	http_respond(q->s, 200, SPAN("application/json"), SPAN("{\"status\": \"ok\"}\n"));
}

static uint32_t asks_of(const struct http_head *req)
{
	static const uint8_t kinds[HTTP_FIELD_CNT] = {
		[HTTP_FIELD_CACHE_CONTROL] = ASKS_CONTROL,
		[HTTP_FIELD_PRAGMA] = ASKS_CONTROL,
		[HTTP_FIELD_IF_MATCH] = ASKS_CONDITION,
		[HTTP_FIELD_IF_NONE_MATCH] = ASKS_CONDITION,
		[HTTP_FIELD_IF_MODIFIED_SINCE] = ASKS_CONDITION,
		[HTTP_FIELD_IF_UNMODIFIED_SINCE] = ASKS_CONDITION,
		[HTTP_FIELD_IF_RANGE] = ASKS_RANGE,
		[HTTP_FIELD_RANGE] = ASKS_RANGE,
	};
	uint32_t asks = 0;

	for (uint32_t i = 0; i < req->field_cnt; i++)
		asks |= kinds[req->fields[i].id];
	return asks;
}

static void read_control(struct hc_req *q)
{
	if (q->asks & ASKS_CONTROL)
		control_request_parse(&q->s->req, &q->control);
	else
		control_request_init(&q->control);
	if (q->route->fresh.ignore_request_directives)
		q->control.no_cache = q->control.no_store = q->control.only_if_cached = false;
}

static struct hc_req *req_new(struct http_stream *s)
{
	struct hc_req *q = http_arena_alloc(&s->arena, sizeof(*q));
	char key[HCACHE_KEY_MAX], *copy;

	if (q == NULL)
		return NULL;
	memset(q, 0, sizeof(*q));
	q->s = s;
	q->hw = s->w->cache;
	http_timer_init(&q->again, hc_short_over);
	q->route = s->route->cache;
	q->arrived_ms = hc_wall_ms(q->hw);
	if (q->route->key.header_cnt > 0 && http_request_tell(s) != HTTP_END_OK)
		return NULL; /* the key may hold what the origin is told */
	q->primary_len = aligned_key(&q->route->key, &s->req, key, sizeof(key));
	copy = http_arena_alloc(&s->arena, q->primary_len > 0 ? q->primary_len : 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, key, q->primary_len);
	q->key = q->primary = copy;
	q->key_len = q->primary_len;
	q->asks = asks_of(&s->req);
	read_control(q);
	return q;
}

static void cached_start(struct http_stream *s)
{
	struct hc_req *q = req_new(s);

	if (q == NULL) {
		http_fail(s, HTTP_END_NO_MEMORY);
		return;
	}
	s->action_state = q;
	if (s->req.method == HTTP_OTHER && q->route->purge_token.len > 0 &&
		span_eq(s->req.method_text, SPAN("PURGE"))) {
		purge_request(q);
		return;
	}
	if (s->req.method != HTTP_GET && s->req.method != HTTP_HEAD) {
		bypass(q, CACHE_FORWARD_METHOD, NULL);
		return;
	}
	if (q->primary_len == 0 || s->req.framing != HTTP_BODY_NONE || s->req.upgrade) {
		bypass(q, CACHE_FORWARD_BYPASS, "request");
		return;
	}
	if (q->control.no_store || has_cookie(q)) {
		bypass(q, CACHE_FORWARD_BYPASS, q->control.no_store ? "no-store" : "cookie");
		return;
	}
	hc_look_up(q);
}

static void cached_resume(struct http_stream *s)
{
	struct hc_req *q = s->action_state;

	if (q->fetch != NULL && (q->filling || q->source != HC_OBJECT))
		hc_fetch_read(q->fetch, q->pos); /* what comes is passed to the client */
	else if (q->source == HC_OBJECT)
		hc_pump(q);
}

static void cached_cancel(struct http_stream *s)
{
	hc_detach(s->action_state);
}

/* What a body is for, requests with one pass by. */
static void cached_body(struct http_stream *s, struct rte_mbuf *chain, uint32_t len)
{
	chain_free_list(chain);
	http_body_consumed(s, len);
}

const struct http_action http_cached = {
	.name = "cache",
	.start = cached_start,
	.body = cached_body,
	.resume = cached_resume,
	.cancel = cached_cancel,
};
