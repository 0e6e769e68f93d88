/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/http/cond.h"

#include <stdio.h>

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

bool http_number(struct span text, uint64_t *out)
{
	uint64_t v = 0;

	if (text.len == 0)
		return false;
	for (uint32_t i = 0; i < text.len; i++) {
		uint32_t d = (uint32_t)(uint8_t)text.at[i] - '0';

		if (d > 9 || v > ((uint64_t)INT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	*out = v;
	return true;
}

/* ---- entity tags ---- */

/* RFC 9110 8.8.3: etagc = %x21 / %x23-7E / obs-text. */
uint32_t http_etag_len(struct span text)
{
	uint32_t i = 0;

	if (text.len > 1 && text.at[0] == 'W' && text.at[1] == '/')
		i = 2;
	if (i >= text.len || text.at[i] != '"')
		return 0;
	for (i++; i < text.len; i++) {
		uint8_t c = (uint8_t)text.at[i];

		if (c == '"')
			return i + 1;
		if (c <= 0x20 || c == 0x7f)
			return 0;
	}
	return 0;
}

bool http_etag_valid(struct span text)
{
	return text.len > 0 && http_etag_len(text) == text.len;
}

static struct span opaque(struct span tag)
{
	return http_etag_weak(tag) ? (struct span){tag.at + 2, tag.len - 2} : tag;
}

bool http_etag_match_weak(struct span a, struct span b)
{
	return a.len > 0 && span_eq(opaque(a), opaque(b));
}

bool http_etag_match_strong(struct span a, struct span b)
{
	return a.len > 0 && !http_etag_weak(a) && span_eq(a, b);
}

/* A list may come with empty members (RFC 9110 5.6.1). False: no list of tags. */
static bool field_lists(struct span v, struct span tag, bool strong, bool *found)
{
	uint32_t i = 0;

	*found = false;
	while (i < v.len) {
		struct span one = {v.at + i, v.len - i};

		if (blank(*one.at) || *one.at == ',') {
			i++;
			continue;
		}
		one.len = http_etag_len(one);
		if (one.len == 0)
			return false;
		i += one.len;
		*found |=
			strong ? http_etag_match_strong(one, tag) : http_etag_match_weak(one, tag);
		while (i < v.len && blank(v.at[i]))
			i++;
		if (i < v.len && v.at[i] != ',')
			return false;
	}
	return true;
}

static bool is_star(const struct http_head *req, enum http_field_id id)
{
	const struct http_field *f = http_head_get(req, id, NULL);

	return f != NULL && span_eq(f->value, SPAN("*")) && http_head_get(req, id, f) == NULL;
}

bool http_etag_listed(
	const struct http_head *req, enum http_field_id id, struct span tag, bool strong)
{
	const struct http_field *f = NULL;
	bool found = false;

	if (is_star(req, id))
		return true;
	while ((f = http_head_get(req, id, f)) != NULL) {
		bool here;

		if (!field_lists(f->value, tag, strong, &here))
			return false;
		found |= here;
	}
	return found;
}

/* ---- preconditions ---- */

/* A date that is none is ignored; so is one of several. */
static int64_t date_field(const struct http_head *req, enum http_field_id id, int64_t now)
{
	const struct http_field *f = http_head_get(req, id, NULL);

	if (f == NULL || http_head_get(req, id, f) != NULL)
		return HTTP_DATE_NONE;
	return http_date_parse(f->value, now);
}

static bool has(const struct http_head *req, enum http_field_id id)
{
	return http_head_get(req, id, NULL) != NULL;
}

static bool read_method(const struct http_head *req)
{
	return req->method == HTTP_GET || req->method == HTTP_HEAD;
}

/* 13.1.1 and 13.1.4 */
static bool must_fail(const struct http_head *req, const struct http_selected *sel, int64_t now)
{
	int64_t since;

	if (has(req, HTTP_FIELD_IF_MATCH))
		return sel == NULL || !http_etag_listed(req, HTTP_FIELD_IF_MATCH, sel->etag, true);
	since = date_field(req, HTTP_FIELD_IF_UNMODIFIED_SINCE, now);
	return since != HTTP_DATE_NONE && sel != NULL && sel->last_modified != HTTP_DATE_NONE &&
	       sel->last_modified > since;
}

/* 13.1.2 and 13.1.3 */
enum http_cond http_cond_check_cached(
	const struct http_head *req, const struct http_selected *sel, int64_t now)
{
	int64_t since, modified;

	if (has(req, HTTP_FIELD_IF_NONE_MATCH)) {
		if (sel == NULL ||
			!http_etag_listed(req, HTTP_FIELD_IF_NONE_MATCH, sel->etag, false))
			return HTTP_COND_PROCEED;
		return read_method(req) ? HTTP_COND_NOT_MODIFIED : HTTP_COND_FAILED;
	}
	if (sel == NULL || !read_method(req))
		return HTTP_COND_PROCEED;
	since = date_field(req, HTTP_FIELD_IF_MODIFIED_SINCE, now);
	modified = sel->last_modified;
	if (since == HTTP_DATE_NONE || modified == HTTP_DATE_NONE || modified > since)
		return HTTP_COND_PROCEED;
	return HTTP_COND_NOT_MODIFIED;
}

enum http_cond http_cond_check(
	const struct http_head *req, const struct http_selected *sel, int64_t now)
{
	if (must_fail(req, sel, now))
		return HTTP_COND_FAILED;
	return http_cond_check_cached(req, sel, now);
}

/* A date is a strong validator only if it is a second older than the response (RFC 9110 8.8.2.2).
 */
bool http_if_range(const struct http_head *req, const struct http_selected *sel, int64_t now)
{
	const struct http_field *f = http_head_get(req, HTTP_FIELD_IF_RANGE, NULL);
	int64_t t;

	if (f == NULL)
		return true;
	if (http_head_get(req, HTTP_FIELD_IF_RANGE, f) != NULL)
		return false;
	if (http_etag_valid(f->value))
		return http_etag_match_strong(sel->etag, f->value);
	t = http_date_parse(f->value, now);
	return t != HTTP_DATE_NONE && t == sel->last_modified && sel->date != HTTP_DATE_NONE &&
	       sel->last_modified < sel->date;
}

/* ---- ranges ---- */

/* RFC 9110 14.1.2: int-range or suffix-range, clipped to total. 0: malformed; 1: fine; 2: nothing
 * of it is there. */
static int one_range(struct span spec, uint64_t total, struct http_range *r)
{
	const char *dash = memchr(spec.at, '-', spec.len);
	struct span a, b;
	uint64_t n;

	if (dash == NULL)
		return 0;
	a = (struct span){spec.at, (uint32_t)(dash - spec.at)};
	b = (struct span){dash + 1, spec.len - a.len - 1};
	if (a.len == 0) {
		if (!http_number(b, &n))
			return 0;
		if (n == 0 || total == 0)
			return 2;
		r->first = n >= total ? 0 : total - n;
		r->last = total - 1;
		return 1;
	}
	if (!http_number(a, &r->first))
		return 0;
	r->last = UINT64_MAX;
	if (b.len > 0 && (!http_number(b, &r->last) || r->last < r->first))
		return 0;
	if (r->first >= total)
		return 2;
	if (r->last >= total)
		r->last = total - 1;
	return 1;
}

static void join(struct http_range *out, uint32_t *cnt, struct http_range r)
{
	for (uint32_t i = 0; i < *cnt;) {
		struct http_range *o = &out[i];

		if (r.first > o->last + 1 || o->first > r.last + 1) {
			i++;
			continue;
		}
		if (o->first < r.first)
			r.first = o->first;
		if (o->last > r.last)
			r.last = o->last;
		/* The joined one may now touch others: it is looked at anew, in the place of the
		 * first that it swallowed. */
		memmove(o, o + 1, (*cnt - i - 1) * sizeof(*o));
		(*cnt)--;
		i = 0;
	}
	out[(*cnt)++] = r;
}

static struct span trim(struct span s)
{
	while (s.len > 0 && blank(*s.at)) {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

static enum http_ranges range_set(
	struct span set, uint64_t total, struct http_range *out, uint32_t *cnt)
{
	uint32_t specs = 0;

	while (set.len > 0) {
		const char *comma = memchr(set.at, ',', set.len);
		uint32_t n = comma != NULL ? (uint32_t)(comma - set.at) : set.len;
		struct span spec = trim((struct span){set.at, n});
		uint32_t used = comma != NULL ? n + 1 : n;
		struct http_range r;

		set = (struct span){set.at + used, set.len - used};
		if (spec.len == 0)
			continue;
		if (++specs > HTTP_RANGES_MAX)
			return HTTP_RANGES_IGNORE;
		switch (one_range(spec, total, &r)) {
		case 0:
			return HTTP_RANGES_IGNORE;
		case 1:
			join(out, cnt, r);
			break;
		default:
			break;
		}
	}
	if (specs == 0)
		return HTTP_RANGES_IGNORE;
	return *cnt > 0 ? HTTP_RANGES_OK : HTTP_RANGES_UNSATISFIABLE;
}

enum http_ranges http_ranges_parse(const struct http_head *req, uint64_t total,
	struct http_range out[HTTP_RANGES_MAX], uint32_t *cnt)
{
	const struct http_field *f = http_head_get(req, HTTP_FIELD_RANGE, NULL);
	struct span v;

	*cnt = 0;
	if (f == NULL || req->method != HTTP_GET || http_head_get(req, HTTP_FIELD_RANGE, f) != NULL)
		return HTTP_RANGES_IGNORE;
	v = f->value;
	if (v.len < 6 || !span_caseeq((struct span){v.at, 6}, SPAN("bytes=")))
		return HTTP_RANGES_IGNORE;
	return range_set((struct span){v.at + 6, v.len - 6}, total, out, cnt);
}

bool http_content_range_parse(struct span text, struct http_range *r, uint64_t *total)
{
	const char *slash, *dash;
	struct span range, whole;

	if (text.len < 6 || !span_caseeq((struct span){text.at, 6}, SPAN("bytes ")))
		return false;
	text = (struct span){text.at + 6, text.len - 6};
	slash = memchr(text.at, '/', text.len);
	if (slash == NULL)
		return false;
	range = (struct span){text.at, (uint32_t)(slash - text.at)};
	whole = (struct span){slash + 1, text.len - range.len - 1};
	*total = UINT64_MAX;
	if (!span_eq(whole, SPAN("*")) && !http_number(whole, total))
		return false;
	dash = memchr(range.at, '-', range.len);
	if (dash == NULL)
		return false;
	if (!http_number((struct span){range.at, (uint32_t)(dash - range.at)}, &r->first) ||
		!http_number((struct span){dash + 1, (uint32_t)(slash - dash - 1)}, &r->last))
		return false;
	return r->first <= r->last && r->last < *total;
}

uint32_t http_content_range_format(
	const struct http_range *r, uint64_t total, char *out, size_t cap)
{
	int n = r != NULL ? snprintf(out, cap, "bytes %llu-%llu/%llu", (unsigned long long)r->first,
				    (unsigned long long)r->last, (unsigned long long)total)
			  : snprintf(out, cap, "bytes */%llu", (unsigned long long)total);

	return (uint32_t)n;
}
