/* SPDX-License-Identifier: Apache-2.0
 * Clients by address, and bodies by their length. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "lb/l7/policy/policy_pvt.h"

struct access {
	struct http_policy p;
	struct prefix_set *allow, *deny;
	uint32_t allow_cnt, deny_cnt;
};

static enum http_verdict access_request(
	const struct http_policy *p, struct http_route_worker *rw, struct http_stream *s)
{
	const struct access *a = container_of(p, struct access, p);

	if (!prefix_set_has(a->deny, &s->client) &&
		(!a->allow || prefix_set_has(a->allow, &s->client)))
		return HTTP_GO;
	(void)rw;
	return policy_refuse(s, HTTP_END_DENIED);
}

static void access_describe(const struct http_policy *p, FILE *out)
{
	const struct access *a = container_of(p, struct access, p);

	fprintf(out, "access: %u prefixes allowed, %u denied", a->allow_cnt, a->deny_cnt);
	if (!a->allow)
		fputs(" (all others allowed)", out);
}

static void access_free(struct http_policy *p)
{
	struct access *a = container_of(p, struct access, p);

	prefix_set_destroy(a->allow);
	prefix_set_destroy(a->deny);
	free(a);
}

static const struct http_policy_ops access_ops = {
	.name = "access",
	.request = access_request,
	.describe = access_describe,
	.free = access_free,
};

int policy_access_create(const struct config_policy_access *c, struct http_policy **out)
{
	struct access *a = calloc(1, sizeof(*a));
	int rc;

	*out = NULL;
	if (!a)
		return -ENOMEM;
	a->p = (struct http_policy){&access_ops, 1};
	a->allow_cnt = c->allow_cnt;
	a->deny_cnt = c->deny_cnt;
	rc = prefix_set_create(c->allow, c->allow_cnt, &a->allow);
	if (rc == 0)
		rc = prefix_set_create(c->deny, c->deny_cnt, &a->deny);
	if (rc != 0) {
		access_free(&a->p);
		return rc;
	}
	*out = &a->p;
	return 0;
}

/* ---- bodies ---- */

struct body {
	struct http_policy p;
	uint64_t max;
};

/* What has no length is counted by the front as it comes. */
static enum http_verdict body_request(
	const struct http_policy *p, struct http_route_worker *rw, struct http_stream *s)
{
	const struct body *b = container_of(p, struct body, p);

	(void)rw;
	if (s->req.framing != HTTP_BODY_LENGTH || s->req.length <= b->max)
		return HTTP_GO;
	return policy_refuse(s, HTTP_END_TOO_LARGE);
}

static void body_describe(const struct http_policy *p, FILE *out)
{
	fprintf(out, "max_body: %" PRIu64 " bytes", container_of(p, struct body, p)->max);
}

static void body_free(struct http_policy *p)
{
	free(container_of(p, struct body, p));
}

static const struct http_policy_ops body_ops = {
	.name = "max_body",
	.request = body_request,
	.describe = body_describe,
	.free = body_free,
};

int policy_body_create(uint64_t max, struct http_policy **out)
{
	struct body *b = calloc(1, sizeof(*b));

	*out = NULL;
	if (!b)
		return -ENOMEM;
	b->p = (struct http_policy){&body_ops, 1};
	b->max = max;
	*out = &b->p;
	return 0;
}
