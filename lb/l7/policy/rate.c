/* SPDX-License-Identifier: Apache-2.0
 * Rate limits. The limit is that of all workers together: they share one table. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l7/policy/policy_pvt.h"
#include "lb/l7/policy/rate_table.h"

struct rate {
	struct http_policy p;
	struct config_policy_rate conf;
	struct rate_table *table;
	struct siphash_key seed; /* secret: nobody can choose keys that push each other out */
	enum http_field_id field;
	struct span header;
};

static uint64_t key_of(const struct rate *r, const struct http_stream *s)
{
	struct ip_addr a = s->client;
	const struct http_field *f;

	switch (r->conf.by) {
	case HTTP_RATE_CLIENT:
		if (!ip_addr_is4(&a))
			a.d[1] = 0; /* whoever has one address has its /64 */
		return siphash24(&r->seed, a.b, sizeof(a.b));
	case HTTP_RATE_HEADER:
		f = http_head_find_as(&s->req, r->field, r->header, NULL);
		return f ? siphash24(&r->seed, f->value.at, f->value.len) : 1;
	case HTTP_RATE_ROUTE:
		break;
	}
	return 1;
}

/* What a refused client is told; the division is off the path of requests that pass. */
static COLD enum http_verdict refuse(const struct rate *r, struct http_stream *s, uint64_t wait_ns)
{
	uint64_t seconds = (wait_ns + NS_PER_SEC - 1) / NS_PER_SEC;
	char *text = http_arena_alloc(&s->arena, 24);

	if (text) {
		int n = snprintf(text, 24, "%" PRIu64, seconds ? seconds : 1);

		(void)!http_head_set(
			&s->resp, HTTP_FIELD_RETRY_AFTER, (struct span){text, (uint32_t)n});
	}
	s->fail_status = r->conf.status;
	return policy_refuse(s, HTTP_END_RATE_LIMITED);
}

static enum http_verdict rate_request(
	const struct http_policy *p, struct http_route_worker *rw, struct http_stream *s)
{
	const struct rate *r = container_of(p, struct rate, p);
	uint64_t wait_ns;

	if (likely(rate_table_take(r->table, key_of(r, s), http_now_ns(s), &wait_ns)))
		return HTTP_GO;
	(void)rw;
	return refuse(r, s, wait_ns);
}

static void rate_describe(const struct http_policy *p, FILE *out)
{
	static const char *const by[] = {[HTTP_RATE_CLIENT] = "each client",
		[HTTP_RATE_HEADER] = "each value of ",
		[HTTP_RATE_ROUTE] = "all requests"};
	const struct config_policy_rate *c = &container_of(p, struct rate, p)->conf;

	fprintf(out, "rate_limit: %" PRIu64 " in %g s, burst %" PRIu64 ", for %s%s", c->rate,
		(double)c->per_ns / 1e9, c->burst, by[c->by],
		c->by == HTTP_RATE_HEADER ? c->header : "");
}

static void rate_free(struct http_policy *p)
{
	struct rate *r = container_of(p, struct rate, p);

	rate_table_destroy(r->table);
	free(r);
}

static const struct http_policy_ops rate_ops = {
	.name = "rate_limit",
	.request = rate_request,
	.describe = rate_describe,
	.free = rate_free,
};

int policy_rate_create(const struct config_policy_rate *c, struct http_policy **out)
{
	struct rate *r = calloc(1, sizeof(*r));

	*out = NULL;
	if (!r)
		return -ENOMEM;
	r->p = (struct http_policy){&rate_ops, 1};
	r->conf = *c;
	r->header = (struct span){r->conf.header, (uint32_t)strlen(r->conf.header)};
	r->field = http_field_find(r->header);
	rng_secret(&r->seed, sizeof(r->seed));
	r->table = rate_table_create(
		c->rate, c->per_ns, c->burst, c->by == HTTP_RATE_ROUTE ? 1 : c->entries);
	if (!r->table) {
		free(r);
		return -ENOMEM;
	}
	*out = &r->p;
	return 0;
}

bool policy_rate_same(const struct http_policy *p, const struct config_policy_rate *c)
{
	const struct config_policy_rate *o;

	if (p->ops != &rate_ops)
		return false;
	o = &container_of(p, struct rate, p)->conf;
	return o->rate == c->rate && o->burst == c->burst && o->per_ns == c->per_ns &&
	       o->by == c->by && o->entries == c->entries && o->status == c->status &&
	       strcmp(o->header, c->header) == 0;
}
