/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/http/own.h"

#include <string.h>

#include <rte_mbuf.h>

#include "lb/l7/http/http_pvt.h"

/* ---- buffers ---- */

/* What all bodies of weir itself may take in this turn, beside what was promised. */
static uint64_t allowance(struct http_worker *w)
{
	struct rte_mempool *p = w->conf.data_pool;
	uint32_t free, keep = p->size / OWN_RESERVE;

	if (w->own_turn_ns == w->loop.now_ns)
		return w->own_left;
	free = rte_mempool_avail_count(p);
	w->own_turn_ns = w->loop.now_ns;
	w->own_left = 0;
	if (free > keep) {
		uint64_t bytes = (uint64_t)(free - keep) *
				 (rte_pktmbuf_data_room_size(p) - RTE_PKTMBUF_HEADROOM) /
				 w->conf.worker_cnt;

		w->own_left = bytes > w->own_promised ? bytes - w->own_promised : 0;
	}
	return w->own_left;
}

static void on_retry(struct http_timer *t)
{
	struct http_worker *w = container_of(t, struct http_worker, own_timer);
	struct list_node now;

	list_init(&now);
	list_splice(&now, &w->own_waiting);
	while (!list_empty(&now)) {
		struct http_own_wait *o = container_of(now.next, struct http_own_wait, node);

		list_remove(&o->node);
		if (o->s->action != NULL && o->s->action->resume != NULL)
			o->s->action->resume(o->s);
	}
}

void http_own_worker_init(struct http_worker *w)
{
	list_init(&w->own_waiting);
	http_timer_init(&w->own_timer, on_retry);
}

void http_own_init(struct http_own_wait *o, struct http_stream *s)
{
	list_init(&o->node);
	o->s = s;
	o->promised = 0;
}

void http_own_short(struct http_own_wait *o)
{
	struct http_worker *w = o->s->w;

	w->own_left = 0;
	if (!list_empty(&o->node))
		return;
	l7_count(&w->listeners[o->s->listener].buffers_short, 1);
	list_append(&w->own_waiting, &o->node);
	if (w->own_timer.due_ns == 0)
		http_timer_set(&w->loop, &w->own_timer, w->loop.now_ns + OWN_RETRY_NS);
}

uint32_t http_own_room(struct http_own_wait *o, uint32_t want)
{
	struct http_worker *w = o->s->w;
	uint32_t n = http_send_room(o->s);
	uint64_t most;

	/* It waits for buffers already. */
	if (n == 0 || !list_empty(&o->node))
		return 0;
	most = allowance(w);
	if (most == 0) {
		http_own_short(o);
		return 0;
	}
	n = n < want ? n : want;
	n = n < OWN_PIECE ? n : OWN_PIECE;
	n = n < most ? n : (uint32_t)most;
	w->own_left -= n;
	return n;
}

bool http_own_promise(struct http_own_wait *o, uint32_t n)
{
	if (http_own_room(o, n) == 0)
		return false;
	o->promised = n;
	o->s->w->own_promised += n;
	return true;
}

void http_own_take(struct http_own_wait *o)
{
	o->s->w->own_promised -= o->promised;
	o->promised = 0;
}

void http_own_stop(struct http_own_wait *o)
{
	http_own_take(o);
	list_remove(&o->node);
}

/* ---- whole bodies ---- */

struct own {
	struct http_own_wait wait;
	struct http_source from;
	uint32_t sent;
};

static void let_go(struct own *o)
{
	http_own_stop(&o->wait);
	o->wait.s->action_state = NULL;
	if (o->from.release != NULL)
		o->from.release(o->from.ctx);
}

static void pump(struct own *o)
{
	struct http_stream *s = o->wait.s;

	while (o->sent < o->from.len) {
		uint32_t n = http_own_room(&o->wait, o->from.len - o->sent);

		if (n == 0)
			return;
		if (http_send_bytes(s, (const char *)o->from.at + o->sent, n) != 0) {
			http_own_short(&o->wait);
			return;
		}
		o->sent += n;
	}
	let_go(o);
	http_finish(s, NULL);
}

static void own_resume(struct http_stream *s)
{
	pump(s->action_state);
}

static void own_cancel(struct http_stream *s)
{
	let_go(s->action_state);
}

/* A body of the request that is not wanted was declared so before. */
static const struct http_action own_action = {
	.name = "own", .resume = own_resume, .cancel = own_cancel};

void http_respond_from(
	struct http_stream *s, uint16_t status, struct span type, const struct http_source *from)
{
	struct own *o = http_arena_alloc(&s->arena, sizeof(*o));

	if (o == NULL) {
		if (from->release != NULL)
			from->release(from->ctx);
		http_fail(s, HTTP_END_NO_MEMORY);
		return;
	}
	http_own_init(&o->wait, s);
	o->from = *from;
	o->from.len = http_own_head(s, status, type, from->len);
	o->sent = s->req.method == HTTP_HEAD ? o->from.len : 0;
	s->action = &own_action;
	s->action_state = o;
	http_send_head(s);
	pump(o);
}
