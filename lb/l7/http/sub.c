/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/http/sub.h"

#include <errno.h>
#include <string.h>

#include "lb/l7/http/http_pvt.h"
#include "lb/l7/sites.h"

static bool copy_span(struct span *s, struct http_arena *arena)
{
	char *p;

	if (s->len == 0)
		return true;
	p = http_arena_alloc(arena, s->len);
	if (p == NULL)
		return false;
	memcpy(p, s->at, s->len);
	s->at = p;
	return true;
}

int http_head_copy(struct http_head *to, const struct http_head *from, struct http_arena *arena)
{
	bool ok;

	memcpy(to, from,
		offsetof(struct http_head, fields) + from->field_cnt * sizeof(from->fields[0]));
	ok = copy_span(&to->method_text, arena) && copy_span(&to->scheme, arena) &&
	     copy_span(&to->host, arena) && copy_span(&to->path, arena) &&
	     copy_span(&to->query, arena);
	for (uint32_t i = 0; ok && i < to->field_cnt; i++) {
		struct http_field *f = &to->fields[i];

		if (f->flags & HTTP_F_GONE)
			continue;
		/* Names that are known stand in static text. */
		if (f->id != HTTP_FIELD_OTHER)
			f->name = http_field_name((enum http_field_id)f->id);
		else
			ok = copy_span(&f->name, arena);
		ok = ok && copy_span(&f->value, arena);
	}
	return ok ? 0 : -ENOMEM;
}

static struct http_sub *sub_of(struct http_stream *s)
{
	return (struct http_sub *)(void *)s;
}

static void sub_free(struct http_sub *sub)
{
	struct http_worker *w = sub->s.w;

	http_task_cancel(&sub->task);
	http_site_unpin(&sub->s);
	http_arena_reset(&sub->s.arena);
	pool_put(&w->subs, sub->self);
}

static void fail(struct http_sub *sub)
{
	sub->ops->failed(sub);
	sub_free(sub);
}

static void on_task(struct http_task *t)
{
	fail(container_of(t, struct http_sub, task));
}

/* ---- the front ---- */

static void front_head(struct http_stream *s)
{
	struct http_sub *sub = sub_of(s);

	if (sub->ops->head != NULL && !sub->broken)
		sub->ops->head(sub);
}

static uint32_t front_body(struct http_stream *s, struct rte_mbuf *chain, uint32_t len)
{
	struct http_sub *sub = sub_of(s);
	uint32_t room;

	if (sub->ops->body == NULL || sub->broken) {
		chain_free_list(chain);
		return UINT32_MAX;
	}
	room = sub->ops->body(sub, chain, len);
	sub->full = room == 0;
	return room;
}

static uint32_t front_room(const struct http_stream *s)
{
	return ((const struct http_sub *)(const void *)s)->full ? 0 : UINT32_MAX;
}

static void front_finish(struct http_stream *s, const struct http_head *trailers)
{
	struct http_sub *sub = sub_of(s);

	if (sub->starting) {
		/* An answer of weir itself at once: no use to who asks an upstream. */
		sub->broken = true;
		http_task_post(&s->w->loop, &sub->task);
		return;
	}
	sub->ops->done(sub, trailers);
	sub_free(sub);
}

static void front_cut(struct http_stream *s)
{
	struct http_sub *sub = sub_of(s);

	if (sub->starting) {
		sub->broken = true;
		http_task_post(&s->w->loop, &sub->task);
		return;
	}
	fail(sub);
}

static void front_nothing(struct http_stream *s)
{
	(void)s;
}

static void front_consumed(struct http_stream *s, uint32_t n)
{
	(void)s;
	(void)n;
}

static const struct http_front_ops sub_front = {
	.send_head = front_head,
	.send_body = front_body,
	.room = front_room,
	.finish = front_finish,
	.cut = front_cut,
	.consumed = front_consumed,
	.go_on = front_nothing,
};

/* ---- the asker ---- */

static bool inherit(struct http_stream *to, const struct http_stream *from)
{
	struct http_exchange *x = http_arena_alloc(&to->arena, sizeof(*x)),
			     *was = from->policy_state;

	if (x == NULL || http_head_copy(&to->req, &from->req, &to->arena) != 0)
		return false;
	/* Which share of a split it belongs to, and nothing that stands in the other's arena. */
	memset(x, 0, sizeof(*x));
	if (was != NULL)
		x->draw = was->draw;
	to->policy_state = x;
	to->req.framing = HTTP_BODY_NONE;
	to->req.length = 0;
	to->req.expect_continue = to->req.upgrade = false;
	return true;
}

static struct http_sub *sub_alloc(struct http_worker *w, const struct http_sub_ops *ops, void *ctx)
{
	uint32_t idx = pool_get(&w->subs);
	struct http_sub *sub;

	if (idx == POOL_NONE)
		return NULL;
	sub = pool_at(&w->subs, idx);
	sub->self = idx;
	sub->ops = ops;
	sub->ctx = ctx;
	sub->starting = sub->broken = sub->full = false;
	http_task_init(&sub->task, on_task);
	http_stream_init(&sub->s, w);
	sub->s.front = &sub_front;
	sub->s.inner = true;
	sub->s.req_finished = true;
	return sub;
}

struct http_sub *http_sub_new(struct http_stream *s, const struct http_sub_ops *ops, void *ctx)
{
	struct http_sub *sub = sub_alloc(s->w, ops, ctx);

	if (sub == NULL)
		return NULL;
	sub->s.listener = s->listener;
	sub->s.client = s->client;
	sub->s.peer = s->peer;
	sub->s.local = s->local;
	sub->s.client_port = s->client_port;
	sub->s.local_port = s->local_port;
	sub->s.secure = s->secure;
	sub->s.site = s->site;
	sub->s.route = s->route;
	sub->s.sites = s->sites;
	sub->s.site_ref = l7_sites_repin(s->site_ref);
	if (!inherit(&sub->s, s)) {
		sub_free(sub);
		return NULL;
	}
	return sub;
}

struct http_sub *http_sub_own(struct http_worker *w, uint32_t listener, bool secure,
	const struct http_head *req, const struct http_sub_ops *ops, void *ctx)
{
	static const struct ip_addr here = {
		.b = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}};
	struct http_sub *sub = sub_alloc(w, ops, ctx);
	struct http_stream *s;

	if (sub == NULL)
		return NULL;
	s = &sub->s;
	s->listener = listener;
	s->client = s->peer = s->local = here;
	s->client_port = s->local_port = 0;
	s->secure = secure;
	http_site_pin(s);
	if (s->site == NULL || http_head_copy(&s->req, req, &s->arena) != 0 ||
		http_request_prepare(w->route, s) != HTTP_END_OK || s->route->cache == NULL ||
		http_request_rewrite(w->route, s) != HTTP_END_OK) {
		sub_free(sub);
		return NULL;
	}
	return sub;
}

void http_sub_start(struct http_sub *sub, const struct http_action *action)
{
	sub->s.t.head = sub->s.t.request = sub->s.w->loop.now_ns;
	sub->s.action = action;
	sub->starting = true;
	action->start(&sub->s);
	sub->starting = false;
}

void http_sub_resume(struct http_sub *sub)
{
	const struct http_action *a = sub->s.action;

	sub->full = false;
	if (a != NULL && a->resume != NULL)
		a->resume(&sub->s);
}

void http_sub_cancel(struct http_sub *sub)
{
	http_stream_cancel(&sub->s, HTTP_END_CLIENT_GONE);
	sub_free(sub);
}
