/* SPDX-License-Identifier: Apache-2.0
 * sub - a request of weir's own, asked of an action as a client's would be: to fill or validate the
 * cache, to mirror, to hedge. It is a stream whose front is the asker.
 *
 *	sub = http_sub_new(s, &ops, ctx);    the head of s is copied: edit sub->s.req
 *	http_sub_start(sub, &http_proxy);
 *	... head, body..., then done or failed; afterwards sub is gone
 *
 * Owner:      whoever made it, until done() or failed() has returned, or http_sub_cancel().
 * Lifetime:   independent of the stream it came from: it has an arena of its own, and pins the same
 *             site.
 * Invariants: SB1 nothing is called inside http_sub_new() or http_sub_start(). SB2 after done(),
 *             failed() or http_sub_cancel() nothing is. SB3 no policy runs and nothing is counted
 *             for a listener.
 * Errors:     NULL when memory is used up. */
#ifndef LB_L7_HTTP_SUB_H
#define LB_L7_HTTP_SUB_H

#include "lb/l7/http/loop.h"
#include "lb/l7/http/stream.h"

struct http_sub;

/* What the asker hears. Members may be NULL but failed and done. */
struct http_sub_ops {
	/* A head is in sub->s.resp: informational ones, then the final one. */
	void (*head)(struct http_sub *sub);
	/* Takes the chain. 0: no more until http_sub_resume(). NULL: it is thrown away. */
	uint32_t (*body)(struct http_sub *sub, struct rte_mbuf *chain, uint32_t len);
	void (*done)(struct http_sub *sub, const struct http_head *trailers);
	/* sub->s.end says why, and if resp_started what came before is not all. */
	void (*failed)(struct http_sub *sub);
};

struct http_sub {
	struct http_stream s; /* first */
	const struct http_sub_ops *ops;
	void *ctx;
	uint32_t self;
	bool starting, broken, full;
	struct http_task task;
};

/* A request like that of s, without its body, along its route. */
struct http_sub *http_sub_new(
	struct http_stream *s, const struct http_sub_ops *ops, void *ctx) WARN_UNUSED;
/* A GET that no client sent, at a listener: matched and rewritten as one that came there, without
 * the policies of its route. NULL also if it has no route that is cached. */
struct http_sub *http_sub_own(struct http_worker *w, uint32_t listener, bool secure,
	const struct http_head *req, const struct http_sub_ops *ops, void *ctx) WARN_UNUSED;
void http_sub_start(struct http_sub *sub, const struct http_action *action);
void http_sub_resume(struct http_sub *sub);
/* At any time from http_sub_new() on. */
void http_sub_cancel(struct http_sub *sub);

/* Copy a head with all its bytes into an arena. 0 or -ENOMEM. */
int http_head_copy(
	struct http_head *to, const struct http_head *from, struct http_arena *arena) WARN_UNUSED;

#endif
