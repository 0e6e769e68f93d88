/* SPDX-License-Identifier: Apache-2.0
 * policy - what a request must pass before its action, and what is done to the response.
 * Owner:      control builds a chain as part of a site; a worker changes only what stands in its
 *             own slot of a policy.
 * Invariants: PO1 policies run in the order of the chain, each once for a request; the response
 *             side in reverse order, of those whose request side ran. PO2 after WAIT nothing
 *             happens to the stream until go_on() or http_policies_cancel().
 * Cost:       no allocation but from the stream's arena, no lock, no system call. Slow work
 *             (password hashes) is done by a thread of its own. */
#ifndef LB_L7_POLICY_POLICY_H
#define LB_L7_POLICY_POLICY_H

#include <stdio.h>

#include "lb/l7/http/stream.h"

struct http_route_worker;
struct http_policy;

enum http_verdict {
	HTTP_GO,       /* next policy, or the action */
	HTTP_ANSWERED, /* the policy answered through the stream, which may be gone */
	HTTP_WAIT,     /* go_on() will be called */
};

struct http_policy_ops {
	const char *name;
	/* NULL: nothing to do. */
	enum http_verdict (*request)(
		const struct http_policy *p, struct http_route_worker *rw, struct http_stream *s);
	/* s->resp is about to be sent: the final head, of a backend or of weir itself. */
	void (*response)(
		const struct http_policy *p, struct http_route_worker *rw, struct http_stream *s);
	/* In a few words, for `weir route`. */
	void (*describe)(const struct http_policy *p, FILE *out);
	void (*free)(struct http_policy *p);
};

/* Stands first in the struct of each policy. */
struct http_policy {
	const struct http_policy_ops *ops;
	_Atomic uint32_t refs; /* sites that have it, and jobs about it */
};

#define LIMIT_POLICIES 32 /* of one chain */

struct http_policy_chain {
	uint32_t cnt;
	struct http_policy *policies[LIMIT_POLICIES];
};

/* The policies of s->route. ANSWERED: do no more. WAIT: the worker's go_on() follows. */
enum http_verdict http_policies_request(struct http_route_worker *rw, struct http_stream *s);
/* Of every final response head, error answers included, once; s->route may be NULL. */
void http_policies_response(struct http_route_worker *rw, struct http_stream *s);
/* The stream ends while a policy waits: go_on() will not be called. Harmless otherwise. */
void http_policies_cancel(struct http_route_worker *rw, struct http_stream *s);

/* Who is told that a stream can go on: always with HTTP_GO, all policies have passed. A policy that
 * answers after it waited calls http_fail() or http_respond() from http_policies_poll(). */
void http_policies_on_done(
	struct http_route_worker *rw, void (*go_on)(struct http_stream *s, enum http_verdict v));
/* In the worker's loop: what slow work is done. Returns how many streams went on. */
uint32_t http_policies_poll(struct http_route_worker *rw, uint64_t now_ns);

/* Give slow work of this worker to the thread that does it, which is started for the first worker
 * and ends with the last; by control before the worker runs. Without it the worker does it itself
 * (tests, `weir route`). http_route_worker_destroy() takes it back. */
int http_policies_attach(struct http_route_worker *rw) WARN_UNUSED;

#endif
