/* SPDX-License-Identifier: Apache-2.0
 * Cross-origin requests (WHATWG Fetch 3.2). What is allowed is written once; a request only finds
 * out whether its origin is. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config/arena.h"
#include "lb/l7/policy/policy_pvt.h"

struct origin {
	struct span scheme; /* "https://" */
	struct span host;   /* behind it; of a wildcard from the '.' on */
	bool wildcard;
};

struct cors {
	struct http_policy p;
	struct arena arena;
	struct origin *origins;
	uint32_t origin_cnt;
	bool all, credentials;
	struct span methods, headers, expose, max_age;
};

static bool allowed(const struct cors *c, struct span o)
{
	if (c->all)
		return true;
	for (uint32_t i = 0; i < c->origin_cnt; i++) {
		const struct origin *k = &c->origins[i];
		struct span host;

		if (o.len <= k->scheme.len ||
			!span_caseeq((struct span){o.at, k->scheme.len}, k->scheme))
			continue;
		host = (struct span){o.at + k->scheme.len, o.len - k->scheme.len};
		if (!k->wildcard && span_caseeq(host, k->host))
			return true;
		if (k->wildcard && host.len > k->host.len &&
			span_caseeq((struct span){host.at + host.len - k->host.len, k->host.len},
				k->host))
			return true;
	}
	return false;
}

static bool set(struct http_stream *s, enum http_field_id id, struct span v)
{
	return v.len == 0 || http_head_set(&s->resp, id, v) == 0;
}

/* RFC 9110 12.5.5: answers differ by origin, with or without one. */
static void vary(struct http_stream *s)
{
	struct http_list_iter it = {0};
	struct span member;

	while (http_head_list_next(&s->resp, HTTP_FIELD_VARY, &it, &member))
		if (span_caseeq(member, SPAN("origin")) || span_eq(member, SPAN("*")))
			return;
	(void)!http_head_add(&s->resp, HTTP_FIELD_VARY, SPAN("Origin"));
}

static struct span *kept(struct http_stream *s)
{
	return route_exchange(s)->policies[POLICY_SLOT_CORS];
}

static enum http_verdict cors_request(
	const struct http_policy *p, struct http_route_worker *rw, struct http_stream *s)
{
	const struct cors *c = container_of(p, struct cors, p);
	const struct http_field *f = http_head_get(&s->req, HTTP_FIELD_ORIGIN, NULL);
	struct span *origin;

	(void)rw;
	if (!f || !allowed(c, f->value)) {
		/* A preflight that is not allowed: the browser finds no permission in the answer.
		 */
		if (f && s->req.method == HTTP_OPTIONS &&
			http_head_get(&s->req, HTTP_FIELD_AC_REQUEST_METHOD, NULL))
			return policy_refuse(s, HTTP_END_DENIED);
		return HTTP_GO;
	}
	origin = http_arena_alloc(&s->arena, sizeof(*origin));
	if (!origin)
		return policy_refuse(s, HTTP_END_NO_MEMORY);
	*origin = f->value;
	route_exchange(s)->policies[POLICY_SLOT_CORS] = origin;
	if (s->req.method != HTTP_OPTIONS ||
		!http_head_get(&s->req, HTTP_FIELD_AC_REQUEST_METHOD, NULL))
		return HTTP_GO;
	if (!set(s, HTTP_FIELD_AC_ALLOW_METHODS, c->methods) ||
		!set(s, HTTP_FIELD_AC_ALLOW_HEADERS, c->headers) ||
		!set(s, HTTP_FIELD_AC_MAX_AGE, c->max_age))
		return policy_refuse(s, HTTP_END_NO_MEMORY);
	http_respond(s, 204, SPAN(""), SPAN(""));
	return HTTP_ANSWERED;
}

static void cors_response(
	const struct http_policy *p, struct http_route_worker *rw, struct http_stream *s)
{
	static const enum http_field_id ours[] = {HTTP_FIELD_AC_ALLOW_CREDENTIALS,
		HTTP_FIELD_AC_ALLOW_ORIGIN, HTTP_FIELD_AC_EXPOSE_HEADERS};
	const struct cors *c = container_of(p, struct cors, p);
	const struct span *origin = kept(s);

	(void)rw;
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		http_head_remove(&s->resp, ours[i]);
	if (!c->all || c->credentials)
		vary(s);
	if (!origin)
		return;
	(void)set(s, HTTP_FIELD_AC_ALLOW_ORIGIN, c->all && !c->credentials ? SPAN("*") : *origin);
	if (c->credentials)
		(void)set(s, HTTP_FIELD_AC_ALLOW_CREDENTIALS, SPAN("true"));
	(void)set(s, HTTP_FIELD_AC_EXPOSE_HEADERS, c->expose);
}

static void cors_describe(const struct http_policy *p, FILE *out)
{
	const struct cors *c = container_of(p, struct cors, p);

	if (c->all)
		fputs("cors: all origins", out);
	else
		fprintf(out, "cors: %u origins", c->origin_cnt);
	fprintf(out, "%s", c->credentials ? ", with credentials" : "");
}

static void cors_free(struct http_policy *p)
{
	struct cors *c = container_of(p, struct cors, p);

	arena_fini(&c->arena);
	free(c);
}

static const struct http_policy_ops cors_ops = {
	.name = "cors",
	.request = cors_request,
	.response = cors_response,
	.describe = cors_describe,
	.free = cors_free,
};

static int join_names(
	struct cors *c, const char (*names)[LIMIT_NAME], uint32_t cnt, struct span *out)
{
	char *text = arena_alloc(&c->arena, (size_t)cnt * (LIMIT_NAME + 2) + 1), *p = text;

	if (!text)
		return -ENOMEM;
	for (uint32_t i = 0; i < cnt; i++)
		p += sprintf(p, "%s%s", i ? ", " : "", names[i]);
	*out = (struct span){text, (uint32_t)(p - text)};
	return 0;
}

static int make_origins(struct cors *c, const struct config_policy_cors *conf)
{
	c->origins = arena_array(&c->arena, conf->origin_cnt, sizeof(*c->origins));
	for (uint32_t i = 0; i < conf->origin_cnt && c->origins; i++) {
		struct span text = route_span(&c->arena, conf->origins[i]);
		const char *host = text.at ? strstr(text.at, "://") : NULL;
		struct origin *o = &c->origins[c->origin_cnt];

		if (!text.at)
			return -ENOMEM;
		if (!host) {
			c->all = true;
			continue;
		}
		host += 3;
		o->scheme = (struct span){text.at, (uint32_t)(host - text.at)};
		o->wildcard = strncmp(host, "*.", 2) == 0;
		host += o->wildcard;
		o->host = (struct span){host, (uint32_t)(text.at + text.len - host)};
		c->origin_cnt++;
	}
	return c->origins ? 0 : -ENOMEM;
}

static int make(struct cors *c, const struct config_policy_cors *conf)
{
	static const char safelisted[3][LIMIT_NAME] = {"GET", "HEAD", "POST"};
	char age[24];
	int rc;

	c->credentials = conf->credentials;
	rc = make_origins(c, conf);
	if (rc == 0)
		rc = conf->method_cnt ? join_names(c, (const void *)conf->methods, conf->method_cnt,
						&c->methods)
				      : join_names(c, safelisted, 3, &c->methods);
	if (rc == 0)
		rc = join_names(c, (const void *)conf->headers, conf->header_cnt, &c->headers);
	if (rc == 0)
		rc = join_names(c, (const void *)conf->expose, conf->expose_cnt, &c->expose);
	if (rc != 0)
		return rc;
	snprintf(age, sizeof(age), "%" PRIu64, conf->max_age_ns / UINT64_C(1000000000));
	c->max_age = route_span(&c->arena, age);
	return c->max_age.at ? 0 : -ENOMEM;
}

int policy_cors_create(const struct config_policy_cors *conf, struct http_policy **out)
{
	struct cors *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (!c)
		return -ENOMEM;
	c->p = (struct http_policy){&cors_ops, 1};
	arena_init(&c->arena);
	rc = make(c, conf);
	if (rc != 0) {
		cors_free(&c->p);
		return rc;
	}
	*out = &c->p;
	return 0;
}
