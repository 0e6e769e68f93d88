/* SPDX-License-Identifier: Apache-2.0
 * Response fields that make browsers careful. What a backend says itself is left alone: it knows
 * its pages better. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lb/l7/policy/policy_pvt.h"

#define FIELDS 6

struct security {
	struct http_policy p;
	char hsts[96];
	uint32_t field_cnt;
	struct {
		enum http_field_id id; /* of the name */
		struct span name, value;
	} fields[FIELDS];
	struct config_policy_security conf;
};

static void security_response(
	const struct http_policy *p, struct http_route_worker *rw, struct http_stream *s)
{
	const struct security *c = container_of(p, struct security, p);

	(void)rw;
	for (uint32_t i = 0; i < c->field_cnt; i++)
		if (!http_head_find_as(&s->resp, c->fields[i].id, c->fields[i].name, NULL))
			(void)!http_head_add_as(
				&s->resp, c->fields[i].id, c->fields[i].name, c->fields[i].value);
	/* RFC 6797 7.2: never over plain HTTP. */
	if (c->hsts[0] && span_eq(s->req.scheme, SPAN("https")) &&
		!http_head_get(&s->resp, HTTP_FIELD_STRICT_TRANSPORT_SECURITY, NULL))
		(void)!http_head_add(&s->resp, HTTP_FIELD_STRICT_TRANSPORT_SECURITY,
			(struct span){c->hsts, (uint32_t)strlen(c->hsts)});
}

static void security_describe(const struct http_policy *p, FILE *out)
{
	const struct security *c = container_of(p, struct security, p);

	fputs("security_headers:", out);
	for (uint32_t i = 0; i < c->field_cnt; i++)
		fprintf(out, "%s %s", i ? "," : "", c->fields[i].name.at);
	if (c->hsts[0])
		fprintf(out, "%s Strict-Transport-Security", c->field_cnt ? "," : "");
}

static void security_free(struct http_policy *p)
{
	free(container_of(p, struct security, p));
}

static const struct http_policy_ops security_ops = {
	.name = "security_headers",
	.response = security_response,
	.describe = security_describe,
	.free = security_free,
};

static void put(struct security *c, struct span name, const char *value)
{
	if (value[0] == '\0')
		return;
	c->fields[c->field_cnt].id = http_field_find(name);
	c->fields[c->field_cnt].name = name;
	c->fields[c->field_cnt++].value = (struct span){value, (uint32_t)strlen(value)};
}

int policy_security_create(const struct config_policy_security *conf, struct http_policy **out)
{
	struct security *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->p = (struct http_policy){&security_ops, 1};
	c->conf = *conf;
	put(c, SPAN("X-Content-Type-Options"), conf->nosniff ? "nosniff" : "");
	put(c, SPAN("X-Frame-Options"), c->conf.frame_options);
	put(c, SPAN("Referrer-Policy"), c->conf.referrer_policy);
	put(c, SPAN("Content-Security-Policy"), c->conf.content_security_policy);
	put(c, SPAN("Permissions-Policy"), c->conf.permissions_policy);
	put(c, SPAN("Cross-Origin-Opener-Policy"), c->conf.opener_policy);
	if (conf->hsts_ns > 0)
		snprintf(c->hsts, sizeof(c->hsts), "max-age=%" PRIu64 "%s%s",
			conf->hsts_ns / UINT64_C(1000000000),
			conf->hsts_subdomains ? "; includeSubDomains" : "",
			conf->hsts_preload ? "; preload" : "");
	*out = &c->p;
	return 0;
}
