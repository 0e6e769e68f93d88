/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/policy/policy_pvt.h"

#include <stdatomic.h>
#include <string.h>

_Static_assert(POLICY_SLOTS <= ARRAY_SIZE(((struct http_exchange *)0)->policies),
	"every policy that keeps something has room for it");

void policy_ref(struct http_policy *p)
{
	atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

/* Whoever lets go last frees: what others did with it has come before (PL2). */
void policy_unref(struct http_policy *p)
{
	if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1) /* PL2 */
		p->ops->free(p);
}

enum http_verdict policy_refuse(struct http_stream *s, enum http_end end)
{
	http_fail(s, end);
	return HTTP_ANSWERED;
}

/* From the policy that x stands at. */
static enum http_verdict run(struct http_route_worker *rw, struct http_stream *s)
{
	struct http_exchange *x = route_exchange(s);
	const struct http_policy_chain *c = s->route->policies;

	while (c && x->policy_at < c->cnt) {
		const struct http_policy *p = c->policies[x->policy_at];
		enum http_verdict v;

		/* Its response side is due even if it answers itself. */
		x->policy_at++;
		v = p->ops->request ? p->ops->request(p, rw, s) : HTTP_GO;
		if (v != HTTP_GO)
			return v;
	}
	return HTTP_GO;
}

enum http_verdict http_policies_request(struct http_route_worker *rw, struct http_stream *s)
{
	return run(rw, s);
}

void http_policies_response(struct http_route_worker *rw, struct http_stream *s)
{
	struct http_exchange *x = route_exchange(s);

	if (!x || x->responded || !s->route || !s->route->policies)
		return;
	x->responded = true;
	for (uint32_t i = x->policy_at; i-- > 0;) {
		const struct http_policy *p = s->route->policies->policies[i];

		if (p->ops->response)
			p->ops->response(p, rw, s);
	}
}

void http_policies_on_done(
	struct http_route_worker *rw, void (*go_on)(struct http_stream *s, enum http_verdict v))
{
	rw->go_on = go_on;
}

enum http_verdict policy_go_on(struct http_route_worker *rw, struct http_stream *s)
{
	return run(rw, s);
}
