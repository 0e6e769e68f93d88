/* SPDX-License-Identifier: Apache-2.0
 * front_pvt - what the files of the HTTP/1 front share. */
#ifndef LB_L7_HTTP_FRONT_PVT_H
#define LB_L7_HTTP_FRONT_PVT_H

#include "lb/l7/http/http_pvt.h"

static inline struct http_worker *front_worker(const struct l7_conn *c)
{
	return c->w->http;
}

static inline struct http_listener_stats *front_stats(const struct l7_conn *c)
{
	return &front_worker(c)->listeners[c->listener];
}

static inline void front_timer(struct l7_conn *c, uint64_t ns)
{
	struct http_loop *l = &front_worker(c)->loop;

	if (ns == 0)
		http_timer_unset(&c->h1.timer);
	else
		http_timer_set(l, &c->h1.timer, l->now_ns + ns);
}

/* ---- bytes that wait ---- */

static inline struct chain front_pend(struct l7_conn *c)
{
	struct chain p = {c->pend, c->pend_tail, c->pend_len};

	return p;
}

static inline void front_pend_put(struct l7_conn *c, const struct chain *p)
{
	c->pend = p->head;
	c->pend_tail = p->tail;
	c->pend_len = p->len;
}

static inline void front_pend_strip(struct l7_conn *c, uint32_t n)
{
	struct chain p = front_pend(c);

	chain_strip(&p, n);
	front_pend_put(c, &p);
	(void)l7_io_consumed(&c->front, n);
}

/* ---- front_h1.c ---- */

/* NULL: no memory. */
struct h1_stream *front_stream_new(struct l7_conn *c);
void front_stream_free(struct h1_stream *st);
/* The head is complete. */
void front_begin(struct h1_stream *st);
/* All is sent; the client's end decides. */
void front_linger(struct l7_conn *c);
/* The connection's memory goes; only from its own events, its timer and its task. */
void front_close(struct l7_conn *c);

/* ---- front_head.c ---- */

/* The first bytes of a request came, and more of them. */
void front_first_byte(struct l7_conn *c);
void front_read_head(struct l7_conn *c);
/* Its time is over. */
void front_head_late(struct l7_conn *c);
void front_gather_free(struct l7_conn *c);

#endif
