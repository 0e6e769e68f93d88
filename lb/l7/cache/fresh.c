/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/cache/fresh.h"

#include "lb/l7/http/cond.h"

const char *fresh_store_word(enum fresh_store s)
{
	static const char *const words[] = {
#define S(id, word) [FRESH_STORE_##id] = word,
		FRESH_STORES(S)
#undef S
	};

	return words[s];
}

/* ---- may it be stored ---- */

/* RFC 9110 15.1 */
static bool heuristic_status(uint16_t s)
{
	static const uint16_t ok[] = {200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501};

	for (size_t i = 0; i < ARRAY_SIZE(ok); i++)
		if (ok[i] == s)
			return true;
	return false;
}

/* Statuses whose caching behaviour is implemented, for must-understand (RFC 9111 5.2.2.3). */
static bool understood(uint16_t s)
{
	return heuristic_status(s) || s == 302 || s == 303 || s == 307 || s == 403 ||
	       (s >= 500 && s <= 504);
}

static bool vary_star(const struct http_head *resp)
{
	struct http_list_iter it = {0};
	struct span m;

	while (http_head_list_next(resp, HTTP_FIELD_VARY, &it, &m))
		if (span_eq(m, SPAN("*")))
			return true;
	return false;
}

static bool has(const struct http_head *h, enum http_field_id id)
{
	return http_head_get(h, id, NULL) != NULL;
}

/* RFC 9111 3.5 */
static bool shared_allowed(const struct control_response *c)
{
	return c->must_revalidate || c->public || c->s_maxage != CONTROL_NONE;
}

static enum fresh_store may_store(const struct fresh_policy *p, const struct http_head *req,
	const struct http_head *resp, const struct control_response *c)
{
	bool forced = p->override_ttl > 0 && p->override_no_store;
	struct control_request rc;

	if (req->method != HTTP_GET)
		return FRESH_STORE_METHOD;
	if (resp->status < 200 || resp->status == 304 || resp->status == 206)
		return FRESH_STORE_STATUS;
	if (c->must_understand && !understood(resp->status))
		return FRESH_STORE_STATUS;
	/* With must-understand, and understood, no-store is for caches that do not know it. */
	if (c->no_store && !c->must_understand && !forced)
		return FRESH_STORE_NO_STORE;
	control_request_parse(req, &rc);
	if (rc.no_store && !p->ignore_request_directives)
		return FRESH_STORE_REQUEST_NO_STORE;
	if (c->private_all && !forced)
		return FRESH_STORE_PRIVATE;
	if (has(req, HTTP_FIELD_AUTHORIZATION) && !shared_allowed(c))
		return FRESH_STORE_AUTHORIZATION;
	if (vary_star(resp))
		return FRESH_STORE_VARY;
	return FRESH_STORE_OK;
}

/* ---- lifetime ---- */

static int64_t date_of(const struct http_head *resp, enum http_field_id id, int64_t now)
{
	const struct http_field *f = http_head_get(resp, id, NULL);

	return f == NULL ? HTTP_DATE_NONE : http_date_parse(f->value, now);
}

/* An invalid date, also "0", is in the past (RFC 9111 5.3); so is one of several. */
static int64_t by_expires(const struct http_head *resp, int64_t date, int64_t now)
{
	const struct http_field *f = http_head_get(resp, HTTP_FIELD_EXPIRES, NULL);
	int64_t t = http_date_parse(f->value, now);

	if (t == HTTP_DATE_NONE || http_head_get(resp, HTTP_FIELD_EXPIRES, f) != NULL || t <= date)
		return 0;
	return t - date < CONTROL_SECONDS_MAX ? t - date : CONTROL_SECONDS_MAX;
}

/* RFC 9111 4.2.1. False: there is no explicit one. */
static bool explicit_lifetime(const struct http_head *resp, const struct control_response *c,
	int64_t date, int64_t now, int64_t *out)
{
	if (c->s_maxage != CONTROL_NONE)
		*out = c->s_maxage;
	else if (c->max_age != CONTROL_NONE)
		*out = c->max_age;
	else if (!c->targeted && has(resp, HTTP_FIELD_EXPIRES))
		*out = by_expires(resp, date, now);
	else
		return false;
	return true;
}

/* RFC 9111 4.2.2 */
static int64_t guess(
	const struct fresh_policy *p, const struct http_head *resp, int64_t date, int64_t now)
{
	int64_t modified = date_of(resp, HTTP_FIELD_LAST_MODIFIED, now), v;

	if (modified == HTTP_DATE_NONE || modified >= date)
		return p->default_ttl;
	v = (date - modified) * p->heuristic_percent / 100;
	if (v > p->heuristic_max)
		v = p->heuristic_max;
	return v > p->default_ttl ? v : p->default_ttl;
}

static bool all_digits(struct span v)
{
	for (uint32_t i = 0; i < v.len; i++)
		if (v.at[i] < '0' || v.at[i] > '9')
			return false;
	return v.len > 0;
}

/* RFC 9111 4.2.3; Age that is no number is ignored, of a list the first counts (5.1). */
static int64_t age_field(const struct http_head *resp)
{
	struct http_list_iter it = {0};
	struct span first;
	uint64_t v;

	if (!http_head_list_next(resp, HTTP_FIELD_AGE, &it, &first))
		return 0;
	/* RFC 9111 1.2.2: what is too large to count is as old as can be. */
	if (!http_number(first, &v))
		return all_digits(first) ? CONTROL_SECONDS_MAX : 0;
	return v < (uint64_t)CONTROL_SECONDS_MAX ? (int64_t)v : CONTROL_SECONDS_MAX;
}

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void ages(
	struct fresh *f, const struct http_head *resp, int64_t request_ms, int64_t response_ms)
{
	int64_t delay_ms = max64(response_ms - request_ms, 0);
	int64_t apparent = max64(response_ms / 1000 - f->date, 0);

	f->response_ms = response_ms;
	f->initial_age = max64(apparent, age_field(resp) + delay_ms / 1000);
}

/* A stale response may be used only if nothing forbids it; an extension in the response itself
 * speaks for the origin, the route's grace only where the origin has said nothing. */
static void stale_windows(
	struct fresh *f, const struct fresh_policy *p, const struct control_response *c)
{
	bool never = c->must_revalidate || c->proxy_revalidate || c->no_cache;
	bool no_grace = never || c->s_maxage != CONTROL_NONE; /* RFC 9111 5.2.2.10 */

	if (no_grace)
		f->flags |= FRESH_NO_STALE;
	if (!never && c->stale_while_revalidate != CONTROL_NONE)
		f->swr = c->stale_while_revalidate;
	else if (!no_grace)
		f->swr = p->grace;
	if (!never && c->stale_if_error != CONTROL_NONE)
		f->sie = c->stale_if_error;
	else if (!no_grace)
		f->sie = p->stale_if_error;
}

enum fresh_store fresh_decide(const struct fresh_policy *p, const struct http_head *req,
	const struct http_head *resp, int64_t request_ms, int64_t response_ms, struct fresh *out)
{
	int64_t now = response_ms / 1000;
	struct control_response c;
	enum fresh_store s;

	control_response_parse(resp, p->targets, p->target_cnt, &c);
	s = may_store(p, req, resp, &c);
	if (s != FRESH_STORE_OK)
		return s;
	*out = (struct fresh){.date = date_of(resp, HTTP_FIELD_DATE, now)};
	if (out->date == HTTP_DATE_NONE)
		out->date = now;
	if (!explicit_lifetime(resp, &c, out->date, now, &out->lifetime)) {
		if (!heuristic_status(resp->status) && !c.public && p->override_ttl <= 0)
			return FRESH_STORE_LIFETIME;
		out->lifetime = guess(p, resp, out->date, now);
		out->flags |= FRESH_HEURISTIC;
		/* A guess is not good enough for what may be one user's own. */
		if (has(resp, HTTP_FIELD_SET_COOKIE) && !c.public && p->override_ttl <= 0)
			return FRESH_STORE_COOKIE;
	}
	if (p->override_ttl > 0)
		out->lifetime = p->override_ttl;
	if (http_head_get(resp, HTTP_FIELD_ETAG, NULL) != NULL ||
		date_of(resp, HTTP_FIELD_LAST_MODIFIED, now) != HTTP_DATE_NONE)
		out->flags |= FRESH_VALIDATOR;
	if (c.no_cache && !(p->override_ttl > 0 && p->override_no_store))
		out->flags |= FRESH_NO_CACHE;
	if (c.immutable)
		out->flags |= FRESH_IMMUTABLE;
	ages(out, resp, request_ms, response_ms);
	stale_windows(out, p, &c);
	return FRESH_STORE_OK;
}

/* ---- use ---- */

int64_t fresh_age_ms(const struct fresh *f, int64_t now_ms)
{
	return f->initial_age * 1000 + max64(now_ms - f->response_ms, 0);
}

static int64_t ttl_ms(const struct fresh *f, int64_t now_ms)
{
	return f->lifetime * 1000 - fresh_age_ms(f, now_ms);
}

int64_t fresh_ttl(const struct fresh *f, int64_t now_ms)
{
	int64_t ms = ttl_ms(f, now_ms);

	return ms >= 0 ? ms / 1000 : -((999 - ms) / 1000);
}

/* Does the client insist on less than is there? Only asked for what is fresh. */
static bool client_objects(const struct fresh *f, const struct control_request *r, int64_t now_ms)
{
	if (r->no_cache)
		return true;
	if (r->max_age != CONTROL_NONE && fresh_age_ms(f, now_ms) > r->max_age * 1000 &&
		r->max_stale == CONTROL_NONE)
		return (f->flags & FRESH_IMMUTABLE) == 0; /* RFC 8246 2.1 */
	return r->min_fresh != CONTROL_NONE && ttl_ms(f, now_ms) < r->min_fresh * 1000;
}

enum fresh_use fresh_use(const struct fresh_policy *p, const struct fresh *f,
	const struct control_request *req, int64_t now_ms)
{
	static const struct control_request nothing = {.max_age = CONTROL_NONE,
		.min_fresh = CONTROL_NONE,
		.max_stale = CONTROL_NONE,
		.stale_if_error = CONTROL_NONE};
	const struct control_request *r = p->ignore_request_directives ? &nothing : req;
	int64_t left = ttl_ms(f, now_ms);

	if (f->flags & (FRESH_NO_CACHE | FRESH_PURGED))
		return FRESH_VALIDATE;
	if (left > 0)
		return client_objects(f, r, now_ms) ? FRESH_VALIDATE : FRESH_USE;
	/* Stale. A client that asks for freshness in any way does not get it. */
	if (r->no_cache || r->min_fresh != CONTROL_NONE)
		return FRESH_VALIDATE;
	if (r->max_stale != CONTROL_NONE && (f->flags & FRESH_NO_STALE) == 0 &&
		-left <= r->max_stale * 1000)
		return FRESH_USE_STALE;
	if (r->max_age == CONTROL_NONE && -left < f->swr * 1000)
		return FRESH_USE_REVALIDATE;
	return FRESH_VALIDATE;
}

bool fresh_use_on_error(const struct fresh *f, const struct control_request *req, int64_t now_ms)
{
	int64_t window = f->sie, left = ttl_ms(f, now_ms);

	if (f->flags & FRESH_NO_CACHE)
		return false;
	if ((f->flags & FRESH_NO_STALE) == 0 && req->stale_if_error > window)
		window = req->stale_if_error;
	/* Fresh, but the client wanted validation: better than an error, unless it forbade it. */
	if (left > 0)
		return !req->no_cache || window > 0;
	return -left < window * 1000;
}

int64_t fresh_dead_ms(const struct fresh *f, int64_t keep_ms)
{
	int64_t stale = f->swr > f->sie ? f->swr : f->sie, left;

	left = (f->lifetime - f->initial_age + stale) * 1000;
	/* It can be validated, or a client may take it stale (max-stale, stale-if-error). */
	if ((f->flags & FRESH_VALIDATOR) || (f->flags & (FRESH_NO_STALE | FRESH_NO_CACHE)) == 0)
		left = max64(left, 0) + keep_ms;
	return f->response_ms + max64(left, 0);
}
