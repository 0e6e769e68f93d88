/* SPDX-License-Identifier: Apache-2.0
 * Two syntaxes, one meaning. Cache-Control is a list of token [= token / quoted-string], read
 * leniently: what cannot be read is passed over. A targeted field is a Dictionary of RFC 9651, read
 * strictly: one mistake and the whole field does not count. */
#include "lb/l7/cache/control.h"

#include "lb/l7/cache/sf.h"

struct directive {
	struct span name, arg;
	bool has_arg;
	bool quoted; /* arg is what stood between the quotes */
};

/* ---- the lenient syntax ---- */

static bool is_token(char c)
{
	static const char more[] = "!#$%&'*+-.^_`|~";

	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr(more, c) != NULL);
}

struct reader_at {
	const char *at, *end;
};

/* An empty span may have no place at all. */
static struct reader_at reader_of(struct span s)
{
	const char *at = s.len > 0 ? s.at : "";

	return (struct reader_at){at, at + s.len};
}

static void blanks(struct reader_at *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t'))
		r->at++;
}

static struct span token(struct reader_at *r)
{
	struct span s = {r->at, 0};

	while (r->at < r->end && is_token(*r->at))
		r->at++;
	s.len = (uint32_t)(r->at - s.at);
	return s;
}

/* At the opening quote. A string without an end takes all that is left. */
static struct span quoted(struct reader_at *r)
{
	struct span s = {++r->at, 0};

	while (r->at < r->end && *r->at != '"')
		r->at += *r->at == '\\' && r->at + 1 < r->end ? 2 : 1;
	s.len = (uint32_t)(r->at - s.at);
	if (r->at < r->end)
		r->at++;
	return s;
}

/* To behind the next comma that stands in no quotes. True: there was nothing else on the way. */
static bool to_comma(struct reader_at *r)
{
	bool clean = true;

	blanks(r);
	while (r->at < r->end && *r->at != ',') {
		clean = false;
		if (*r->at == '"')
			(void)quoted(r);
		else
			r->at++;
	}
	if (r->at < r->end)
		r->at++;
	return clean;
}

static bool next_directive(struct reader_at *r, struct directive *d)
{
	for (;;) {
		blanks(r);
		if (r->at >= r->end)
			return false;
		*d = (struct directive){.name = token(r)};
		if (d->name.len > 0 && r->at < r->end && *r->at == '=') {
			r->at++;
			d->has_arg = true;
			d->quoted = r->at < r->end && *r->at == '"';
			d->arg = d->quoted ? quoted(r) : token(r);
		}
		/* "max-age=1 0" or "no-store foo": the argument is in doubt, the name is not. */
		if (!to_comma(r) && d->has_arg)
			d->arg.len = 0;
		if (d->name.len > 0)
			return true;
	}
}

/* delta-seconds; anything else is 0, which is stale. */
static int64_t delta(const struct directive *d)
{
	int64_t v = 0;

	for (uint32_t i = 0; i < d->arg.len; i++) {
		if (d->arg.at[i] < '0' || d->arg.at[i] > '9')
			return 0;
		v = v * 10 + (d->arg.at[i] - '0');
		if (v > CONTROL_SECONDS_MAX)
			v = CONTROL_SECONDS_MAX;
	}
	return v;
}

static bool is(const struct directive *d, struct span name)
{
	return span_caseeq(d->name, name);
}

static void first(int64_t *at, const struct directive *d)
{
	if (*at == CONTROL_NONE)
		*at = delta(d);
}

/* no-cache and private: with names they restrict those fields alone. */
static void restriction(bool *all, struct span *fields, const struct directive *d)
{
	if (d->has_arg && d->arg.len > 0 && fields->len == 0)
		*fields = d->arg;
	else
		*all = true;
}

static void response_directive(struct control_response *c, const struct directive *d)
{
	if (is(d, SPAN("max-age")))
		first(&c->max_age, d);
	else if (is(d, SPAN("s-maxage")))
		first(&c->s_maxage, d);
	else if (is(d, SPAN("stale-while-revalidate")))
		first(&c->stale_while_revalidate, d);
	else if (is(d, SPAN("stale-if-error")))
		first(&c->stale_if_error, d);
	else if (is(d, SPAN("no-store")))
		c->no_store = true;
	else if (is(d, SPAN("no-cache")))
		restriction(&c->no_cache, &c->no_cache_fields, d);
	else if (is(d, SPAN("private")))
		restriction(&c->private_all, &c->private_fields, d);
	else if (is(d, SPAN("must-revalidate")))
		c->must_revalidate = true;
	else if (is(d, SPAN("proxy-revalidate")))
		c->proxy_revalidate = true;
	else if (is(d, SPAN("must-understand")))
		c->must_understand = true;
	else if (is(d, SPAN("public")))
		c->public = true;
	else if (is(d, SPAN("immutable")))
		c->immutable = true;
	else if (is(d, SPAN("no-transform")))
		c->no_transform = true;
}

static void response_init(struct control_response *c)
{
	*c = (struct control_response){.max_age = CONTROL_NONE,
		.s_maxage = CONTROL_NONE,
		.stale_while_revalidate = CONTROL_NONE,
		.stale_if_error = CONTROL_NONE};
}

/* ---- the strict syntax ---- */

static int64_t clamp(int64_t v)
{
	return v < 0 ? 0 : v > CONTROL_SECONDS_MAX ? CONTROL_SECONDS_MAX : v;
}

/* A value of another type than its directive has does not count (RFC 9213 2.1). In a dictionary the
 * last of equal keys is the one. */
static void member_seconds(int64_t *at, const struct sf_item *v)
{
	*at = v->type == SF_INTEGER ? clamp(v->number) : CONTROL_NONE;
}

static void member_flag(bool *at, const struct sf_item *v)
{
	*at = v->type == SF_BOOLEAN && v->number != 0;
}

static void member_restriction(bool *all, struct span *fields, const struct sf_item *v)
{
	*all = v->type == SF_BOOLEAN && v->number != 0;
	*fields = v->type == SF_STRING ? v->text : (struct span){NULL, 0};
}

static void response_member(struct control_response *c, struct span key, const struct sf_item *v)
{
	if (span_eq(key, SPAN("max-age")))
		member_seconds(&c->max_age, v);
	else if (span_eq(key, SPAN("s-maxage")))
		member_seconds(&c->s_maxage, v);
	else if (span_eq(key, SPAN("stale-while-revalidate")))
		member_seconds(&c->stale_while_revalidate, v);
	else if (span_eq(key, SPAN("stale-if-error")))
		member_seconds(&c->stale_if_error, v);
	else if (span_eq(key, SPAN("no-store")))
		member_flag(&c->no_store, v);
	else if (span_eq(key, SPAN("no-cache")))
		member_restriction(&c->no_cache, &c->no_cache_fields, v);
	else if (span_eq(key, SPAN("private")))
		member_restriction(&c->private_all, &c->private_fields, v);
	else if (span_eq(key, SPAN("must-revalidate")))
		member_flag(&c->must_revalidate, v);
	else if (span_eq(key, SPAN("proxy-revalidate")))
		member_flag(&c->proxy_revalidate, v);
	else if (span_eq(key, SPAN("must-understand")))
		member_flag(&c->must_understand, v);
	else if (span_eq(key, SPAN("public")))
		member_flag(&c->public, v);
	else if (span_eq(key, SPAN("immutable")))
		member_flag(&c->immutable, v);
	else if (span_eq(key, SPAN("no-transform")))
		member_flag(&c->no_transform, v);
}

/* Several field lines are one dictionary (RFC 9651 4.2). */
static bool targeted(const struct http_head *resp, struct span name, struct control_response *c)
{
	const struct http_field *f = NULL;
	bool any = false;

	response_init(c);
	while ((f = http_head_find(resp, name, f)) != NULL) {
		struct sf_dict d;
		struct sf_item v;
		struct span key;
		int rc;

		sf_dict_init(&d, f->value);
		while ((rc = sf_dict_next(&d, &key, &v)) > 0) {
			any = true;
			response_member(c, key, &v);
		}
		if (rc < 0)
			return false;
	}
	c->targeted = true;
	return any;
}

void control_response_parse(const struct http_head *resp, const struct span *targets,
	uint32_t target_cnt, struct control_response *out)
{
	const struct http_field *f = NULL;

	for (uint32_t i = 0; i < target_cnt; i++)
		if (targeted(resp, targets[i], out))
			return;
	response_init(out);
	while ((f = http_head_get(resp, HTTP_FIELD_CACHE_CONTROL, f)) != NULL) {
		struct reader_at r = reader_of(f->value);
		struct directive d;

		while (next_directive(&r, &d))
			response_directive(out, &d);
	}
}

/* ---- requests ---- */

static void request_directive(struct control_request *c, const struct directive *d)
{
	if (is(d, SPAN("max-age")))
		first(&c->max_age, d);
	else if (is(d, SPAN("min-fresh")))
		first(&c->min_fresh, d);
	else if (is(d, SPAN("stale-if-error")))
		first(&c->stale_if_error, d);
	else if (is(d, SPAN("max-stale"))) {
		if (d->has_arg)
			first(&c->max_stale, d);
		else if (c->max_stale == CONTROL_NONE)
			c->max_stale = CONTROL_SECONDS_MAX;
	} else if (is(d, SPAN("no-store")))
		c->no_store = true;
	else if (is(d, SPAN("no-cache")))
		c->no_cache = true;
	else if (is(d, SPAN("only-if-cached")))
		c->only_if_cached = true;
	else if (is(d, SPAN("no-transform")))
		c->no_transform = true;
}

/* RFC 9111 5.4: Pragma: no-cache stands in where no Cache-Control is. */
static bool pragma(const struct http_head *req)
{
	struct http_list_iter it = {0};
	struct span member;

	while (http_head_list_next(req, HTTP_FIELD_PRAGMA, &it, &member))
		if (span_caseeq(member, SPAN("no-cache")))
			return true;
	return false;
}

void control_request_init(struct control_request *out)
{
	*out = (struct control_request){.max_age = CONTROL_NONE,
		.min_fresh = CONTROL_NONE,
		.max_stale = CONTROL_NONE,
		.stale_if_error = CONTROL_NONE};
}

void control_request_parse(const struct http_head *req, struct control_request *out)
{
	const struct http_field *f = NULL;

	control_request_init(out);
	if (http_head_get(req, HTTP_FIELD_CACHE_CONTROL, NULL) == NULL)
		out->no_cache = pragma(req);
	while ((f = http_head_get(req, HTTP_FIELD_CACHE_CONTROL, f)) != NULL) {
		struct reader_at r = reader_of(f->value);
		struct directive d;

		while (next_directive(&r, &d))
			request_directive(out, &d);
	}
}

bool control_names(struct span list, struct span name)
{
	struct reader_at r = reader_of(list);

	while (r.at < r.end) {
		blanks(&r);
		if (span_caseeq(token(&r), name) && name.len > 0)
			return true;
		(void)to_comma(&r);
	}
	return false;
}
