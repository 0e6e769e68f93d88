/* SPDX-License-Identifier: Apache-2.0
 * What actions say, on its way to the front: checks, policies, error answers; and the way of a
 * request from its head to its action. */
#include "lb/l7/http/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "lb/l7/cache/hcache.h"
#include "lb/l7/http/http_pvt.h"

struct end_text {
	const char *word, *proxy_status;
	uint16_t status;
};

static const struct end_text ends[HTTP_END_CNT] = {
#define E(id, word, proxy_status, status) {word, proxy_status, status},
	HTTP_ENDS(E)
#undef E
};

const char *http_end_word(enum http_end e)
{
	return e < HTTP_END_CNT ? ends[e].word : "unknown";
}

uint64_t http_now_ns(const struct http_stream *s)
{
	return s->w->loop.now_ns;
}

/* ---- the response ---- */

void http_begin_whole(struct http_stream *s)
{
	uint16_t status = s->resp.status;
	bool final = status >= 200 || status == 101;

	ASSERT_DBG(!s->resp_started);
	if (final)
		s->resp_started = true;
	if (final && !s->inner) {
		if (s->on_head != NULL)
			s->on_head(s);
		if (s->policy_state != NULL)
			http_policies_response(s->w->route, s);
		http_response_rewrite(s->w->route, s);
		http_count_response(s);
	}
}

void http_send_head(struct http_stream *s)
{
	http_begin_whole(s);
	s->front->send_head(s);
}

uint32_t http_send_filtered(struct http_stream *s, struct rte_mbuf *chain, uint32_t len)
{
	if (unlikely(len == 0)) {
		chain_free_list(chain);
		return s->front->room(s);
	}
	if (s->coded != NULL && s->filter != NULL)
		s->coded->made(s, chain, len);
	s->resp_bytes += len;
	return s->front->send_body(s, chain, len);
}

uint32_t http_send_body(struct http_stream *s, struct rte_mbuf *chain, uint32_t len)
{
	if (s->filter != NULL)
		return s->filter->body(s->filter, s, chain, len);
	return http_send_filtered(s, chain, len);
}

uint32_t http_send_room(const struct http_stream *s)
{
	return s->front->room(s);
}

int http_send_bytes(struct http_stream *s, const void *data, uint32_t len)
{
	struct chain c = {0};
	int rc = chain_add_bytes(&c, s->w->conf.data_pool, data, len);

	if (rc == 0)
		(void)http_send_body(s, c.head, c.len);
	return rc;
}

int http_end_whole(struct http_stream *s, const void *body, uint32_t len)
{
	int rc = 0;

	if (s->filter == NULL && s->front->send_whole != NULL &&
		s->front->send_whole(s, body, len)) {
		s->resp_bytes += len;
	} else {
		s->front->send_head(s);
		if (len > 0)
			rc = http_send_bytes(s, body, len);
	}
	if (rc == 0)
		http_finish(s, NULL);
	return rc;
}

static void coded_over(struct http_stream *s, bool whole)
{
	const struct http_coded_ops *c = s->coded;

	s->coded = NULL;
	if (unlikely(c != NULL))
		c->over(s, whole);
}

void http_finish(struct http_stream *s, const struct http_head *trailers)
{
	s->resp_finished = true;
	s->action = NULL;
	if (s->filter != NULL && !s->filter->finish(s->filter, s)) {
		s->end = HTTP_END_NO_MEMORY;
		coded_over(s, false);
		s->front->cut(s);
		return;
	}
	coded_over(s, s->filter != NULL);
	s->front->finish(s, trailers);
}

void http_body_consumed(struct http_stream *s, uint32_t n)
{
	s->front->consumed(s, n);
}

void http_body_ignore(struct http_stream *s)
{
	s->body_ignored = true;
}

/* ---- whole answers ---- */

static void begin_own(struct http_stream *s, uint16_t status)
{
	s->resp.status = status;
	s->resp.version = 11;
	s->resp.keep_alive = true;
	s->resp.upgrade = false;
	/* What a backend began to say is not part of our own answer. */
	if (s->resp_foreign)
		s->resp.field_cnt = 0;
}

/* RFC 9110 15.3.5, 15.4.5: no body and no length. */
static bool bodiless(uint16_t status)
{
	return status == 204 || status == 304;
}

/* How much of the body the status allows. */
static uint32_t own_fields(struct http_stream *s, struct span type, uint32_t len)
{
	s->resp.framing = HTTP_BODY_LENGTH;
	if (bodiless(s->resp.status)) {
		s->resp.framing = HTTP_BODY_NONE;
		len = 0;
	}
	s->resp.length = len;
	if (http_head_set(&s->resp, HTTP_FIELD_DATE, http_date_now(s->w)) != 0 ||
		(len > 0 && type.len > 0 &&
			http_head_set(&s->resp, HTTP_FIELD_CONTENT_TYPE, type) != 0)) {
		/* Not with the few fields of an answer of our own. */
		s->resp.field_cnt = 0;
	}
	if (!s->req_finished)
		http_body_ignore(s);
	return len;
}

uint32_t http_own_head(struct http_stream *s, uint16_t status, struct span type, uint32_t len)
{
	begin_own(s, status);
	return own_fields(s, type, len);
}

/* Head, body and end of an answer of weir itself; fields of its own are there already. */
static void send_own(struct http_stream *s, struct span type, struct span body)
{
	body.len = own_fields(s, type, body.len);
	http_begin_whole(s);
	if (http_end_whole(s, body.at, body.len) != 0) {
		s->action = NULL;
		s->front->cut(s);
	}
}

void http_respond(struct http_stream *s, uint16_t status, struct span type, struct span body)
{
	begin_own(s, status);
	send_own(s, type, body);
}

/* RFC 9209: who says it, what went wrong, and our word for it. */
static void add_proxy_status(struct http_stream *s)
{
	const struct end_text *e = &ends[s->end];
	char *text;
	int n;

	if (e->proxy_status == NULL)
		return;
	text = http_arena_alloc(&s->arena, 160);
	if (text == NULL)
		return;
	n = snprintf(text, 160, "weir; error=%s; details=\"%s%s%s\"", e->proxy_status, e->word,
		s->detail != NULL ? ": " : "", s->detail != NULL ? s->detail : "");
	if (n > 0 && n < 160)
		(void)!http_head_add(
			&s->resp, HTTP_FIELD_PROXY_STATUS, (struct span){text, (uint32_t)n});
}

/* Fields that other parts gave for this answer (Retry-After, WWW-Authenticate, Allow) stay. */
static void send_error(struct http_stream *s, uint16_t status)
{
	struct span type, body = {NULL, 0};

	begin_own(s, status);
	add_proxy_status(s);
	type = SPAN("text/html; charset=utf-8");
	if (!bodiless(status))
		http_error_page(s, status, &type, &body);
	send_own(s, type, body);
}

void http_fail_as(struct http_stream *s, enum http_end end, uint16_t status, const char *detail)
{
	s->end = end;
	s->detail = detail;
	s->action = NULL;
	if (status == 0)
		status = ends[end].status;
	if (s->resp_started || status == 0 || s->inner) {
		s->fail_status = status;
		s->front->cut(s);
		return;
	}
	send_error(s, status);
}

void http_fail(struct http_stream *s, enum http_end end)
{
	http_fail_as(s, end, s->fail_status, s->detail);
}

/* ---- the request ---- */

void http_stream_init(struct http_stream *s, struct http_worker *w)
{
	s->w = w;
	http_arena_init(&s->arena, &w->slabs, HTTP_SLABS_MAX);
	s->site = NULL;
	s->site_ref = NULL;
	s->route = NULL;
	s->action = NULL;
	s->action_state = s->policy_state = NULL;
	s->filter = NULL;
	s->coded = NULL;
	s->t = (struct http_times){0};
	s->req_bytes = s->resp_bytes = 0;
	s->request_id = (struct span){NULL, 0};
	s->backend = s->cache = s->detail = NULL;
	s->retries = 0;
	s->upstream = UINT32_MAX;
	s->avoid = 0;
	s->end = HTTP_END_OK;
	s->fail_status = 0;
	s->body_max = UINT64_MAX;
	s->on_head = NULL;
	s->tls = NULL;
	s->cert = NULL;
	s->resp_started = s->resp_finished = s->req_finished = false;
	s->body_ignored = s->held = s->inner = s->resp_foreign = s->asks_backend = false;
	s->req.field_cnt = s->resp.field_cnt = 0;
	s->resp.status = 0;
}

static const struct http_action *action_of(const struct http_route *r)
{
	if (r->cache != NULL)
		return &http_cached;
	return r->action != NULL ? r->action : &http_proxy;
}

static void start_action(struct http_stream *s)
{
	enum http_end end = http_request_rewrite(s->w->route, s);

	if (end != HTTP_END_OK) {
		http_fail(s, end);
		return;
	}
	s->action = action_of(s->route);
	s->action->start(s);
}

/* TRACE would send a client's own secrets back to it (RFC 9110 9.3.8). */
static bool method_refused(struct http_stream *s)
{
	return s->req.method == HTTP_TRACE;
}

void http_stream_start(struct http_stream *s)
{
	uint64_t given_up;
	enum http_end end;

	http_site_pin(s);
	if (unlikely(s->site == NULL)) {
		http_fail(s, HTTP_END_NO_ROUTE);
		return;
	}
	if (unlikely(method_refused(s))) {
		http_fail(s, HTTP_END_METHOD_NOT_ALLOWED);
		return;
	}
	given_up = http_route_given_up(s->w->route);
	end = http_request_prepare(s->w->route, s);
	given_up = http_route_given_up(s->w->route) - given_up;
	if (unlikely(given_up > 0))
		l7_count(&s->w->listeners[s->listener].regex_limit, given_up);
	if (unlikely(end != HTTP_END_OK)) {
		http_fail(s, end);
		return;
	}
	if (s->route->max_body > 0)
		s->body_max = s->route->max_body;
	if (s->req.framing == HTTP_BODY_LENGTH && s->req.length > s->body_max) {
		http_fail(s, HTTP_END_TOO_LARGE);
		return;
	}
	switch (http_policies_request(s->w->route, s)) {
	case HTTP_GO:
		start_action(s);
		break;
	case HTTP_WAIT:
		s->held = true;
		break;
	case HTTP_ANSWERED:
		break;
	}
}

void http_stream_go_on(struct http_stream *s, enum http_verdict v)
{
	const struct http_front_ops *front = s->front;

	if (v != HTTP_GO)
		return;
	s->held = false;
	/* Before the action: the stream may be gone afterwards. */
	if (!s->req_finished)
		front->go_on(s);
	start_action(s);
}

void http_stream_cancel(struct http_stream *s, enum http_end end)
{
	const struct http_action *a = s->action;

	s->action = NULL;
	if (s->end == HTTP_END_OK)
		s->end = end;
	if (s->held)
		http_policies_cancel(s->w->route, s);
	s->held = false;
	if (a != NULL && a->cancel != NULL)
		a->cancel(s);
}

void http_stream_end(struct http_stream *s)
{
	coded_over(s, false);
	if (s->filter != NULL)
		s->filter->free(s->filter, s);
	s->filter = NULL;
	s->t.end = s->w->loop.now_ns;
	http_count_end(s);
	http_log_end(s);
	http_site_unpin(s);
}
