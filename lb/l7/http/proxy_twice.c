/* SPDX-License-Identifier: Apache-2.0
 * Requests that are sent twice: mirrored to another upstream, whose answer nobody hears, and
 * hedged: if no response began in time a second server is asked as well, and who answers first is
 * heard. Both are requests of weir's own (sub.h), made for safe methods or without a body alone. */
#include "lb/l7/http/proxy_pvt.h"
#include "lb/l7/http/sub.h"
#include "lb/l7/route/route.h"

/* ---- mirror ---- */

static void nobody_hears_end(struct http_sub *sub, const struct http_head *trailers)
{
	(void)sub;
	(void)trailers;
}

static void nobody_hears_failure(struct http_sub *sub)
{
	(void)sub;
}

static const struct http_sub_ops mirror_ops = {
	.done = nobody_hears_end, .failed = nobody_hears_failure};

void proxy_mirror(struct http_stream *s)
{
	const struct http_route *r = s->route;
	struct http_sub *sub;

	if (likely(r->mirror == HTTP_NO_UPSTREAM) || s->inner || s->req.framing != HTTP_BODY_NONE ||
		s->req.upgrade || !http_route_mirrors(s->w->route, r))
		return;
	sub = http_sub_new(s, &mirror_ops, NULL);
	if (sub == NULL)
		return;
	sub->s.upstream = r->mirror;
	http_sub_start(sub, &http_proxy);
}

/* ---- hedge ---- */

/* The second server has answered first: the first one is let go. */
static void hedge_head(struct http_sub *sub)
{
	struct proxy *p = sub->ctx;
	struct http_stream *s = p->s;

	if (sub->s.resp.status < 200)
		return;
	up_cancel(&p->up);
	http_task_cancel(&p->task);
	p->state = PROXY_HEDGED;
	s->resp_foreign = true;
	s->backend = sub->s.backend;
	s->t.response = s->w->loop.now_ns;
	if (http_head_copy(&s->resp, &sub->s.resp, &s->arena) != 0) {
		s->resp.field_cnt = 0;
		http_task_post(&s->w->loop, &p->task); /* not inside the sub's own call */
		return;
	}
	http_timer_unset(&p->timer);
	proxy_add_date(s);
	http_send_head(s);
}

static uint32_t hedge_body(struct http_sub *sub, struct rte_mbuf *chain, uint32_t len)
{
	struct proxy *p = sub->ctx;

	if (!p->s->resp_started) {
		chain_free_list(chain);
		return UINT32_MAX;
	}
	return http_send_body(p->s, chain, len);
}

static void hedge_done(struct http_sub *sub, const struct http_head *trailers)
{
	struct proxy *p = sub->ctx;
	struct http_stream *s = p->s;

	p->hedge = NULL;
	if (!s->resp_started)
		return; /* the task gives up */
	proxy_free(p);
	http_finish(s, trailers);
}

static void hedge_failed(struct http_sub *sub)
{
	struct proxy *p = sub->ctx;

	p->hedge = NULL;
	if (p->state == PROXY_HEDGED && p->s->resp_started)
		proxy_give_up(p, sub->s.end);
	else if (p->state == PROXY_HEDGED)
		proxy_give_up(p, p->hedge_why);
}

static const struct http_sub_ops hedge_ops = {
	.head = hedge_head, .body = hedge_body, .done = hedge_done, .failed = hedge_failed};

static void hedge_due(struct http_timer *t)
{
	struct proxy *p = container_of(t, struct proxy, hedge_timer);
	struct http_stream *s = p->s;

	if (p->state != PROXY_HEAD || p->hedge != NULL ||
		!up_retry_allowed(s->w->up, p->up.upstream))
		return;
	p->hedge = http_sub_new(s, &hedge_ops, p);
	if (p->hedge == NULL)
		return;
	p->hedge->s.avoid = p->up.server_id + 1;
	s->retries++;
	http_sub_start(p->hedge, &http_proxy);
}

void proxy_hedge_init(struct proxy *p)
{
	p->hedge = NULL;
	http_timer_init(&p->hedge_timer, hedge_due);
}

void proxy_hedge_arm(struct proxy *p)
{
	const struct http_stream *s = p->s;
	const struct up_entry *e;

	if (s->inner || (s->req.method != HTTP_GET && s->req.method != HTTP_HEAD) ||
		s->req.framing != HTTP_BODY_NONE || s->req.upgrade)
		return;
	e = up_entry_of(s->w->up, p->up.upstream);
	if (e == NULL || likely(e->cfg->retry.hedge_ns == 0))
		return;
	http_timer_set(&s->w->loop, &p->hedge_timer, s->w->loop.now_ns + e->cfg->retry.hedge_ns);
}

/* The first server's head is there, or the request ends. */
void proxy_hedge_stop(struct proxy *p)
{
	http_timer_stop(&p->s->w->loop, &p->hedge_timer);
	if (p->hedge != NULL)
		http_sub_cancel(p->hedge);
	p->hedge = NULL;
}

/* The first server has failed; true: the second one is waited for. */
bool proxy_hedge_takes_over(struct proxy *p, enum http_end why)
{
	if (likely(p->hedge == NULL))
		return false;
	p->hedge_why = why;
	p->state = PROXY_HEDGED;
	return true;
}
