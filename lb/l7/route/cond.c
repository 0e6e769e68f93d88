/* SPDX-License-Identifier: Apache-2.0
 * The conditions of one route, each by itself. */
#include <string.h>

#include "lb/l7/route/path.h"
#include "lb/l7/route/route_pvt.h"

#define DECODED_MAX 2048 /* a parameter that is longer fits no condition but "it is there" */

static bool text_holds(const struct route_cond *c, struct http_route_worker *rw, struct span v)
{
	switch (c->kind) {
	case HTTP_COND_PRESENT:
		return true;
	case HTTP_COND_ABSENT:
		return false;
	case HTTP_COND_EXACT:
		return span_eq(v, c->value);
	case HTTP_COND_PREFIX:
		return v.len >= c->value.len && memcmp(v.at, c->value.at, c->value.len) == 0;
	case HTTP_COND_REGEX:
		return regex_match(c->regex, rw->regex, v, NULL, 0, NULL);
	}
	return false;
}

bool route_cond_header(
	const struct route_cond *c, struct http_route_worker *rw, const struct http_head *h)
{
	const struct http_field *f = NULL;

	for (;;) {
		f = http_head_find_as(h, c->field, c->name, f);
		if (!f)
			return c->kind == HTTP_COND_ABSENT;
		if (c->kind == HTTP_COND_ABSENT)
			return false;
		if (text_holds(c, rw, f->value))
			return true;
	}
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* application/x-www-form-urlencoded; a broken triplet stands for itself. False: too long. */
static bool decode(struct span in, char *out, uint32_t *len)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < in.len; i++) {
		char c = in.at[i];
		int hi, lo;

		if (n == DECODED_MAX)
			return false;
		if (c == '+') {
			c = ' ';
		} else if (c == '%' && in.len - i > 2 && (hi = hex_value(in.at[i + 1])) >= 0 &&
			   (lo = hex_value(in.at[i + 2])) >= 0) {
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		out[n++] = c;
	}
	*len = n;
	return true;
}

bool route_cond_query(const struct route_cond *c, struct http_route_worker *rw, struct span query)
{
	const char *p = query.at, *end = query.at + query.len;
	char buf[DECODED_MAX];

	while (p < end) {
		const char *stop = memchr(p, '&', (size_t)(end - p)), *eq;
		struct span name, value = {"", 0}, got = {buf, 0};

		if (!stop)
			stop = end;
		eq = memchr(p, '=', (size_t)(stop - p));
		name = (struct span){p, (uint32_t)((eq ? eq : stop) - p)};
		if (eq)
			value = (struct span){eq + 1, (uint32_t)(stop - eq - 1)};
		p = stop + 1;
		if (!decode(name, buf, &got.len) || !span_eq(got, c->name))
			continue;
		if (c->kind == HTTP_COND_ABSENT)
			return false;
		if (c->kind == HTTP_COND_PRESENT)
			return true;
		if (decode(value, buf, &got.len) && text_holds(c, rw, got))
			return true;
	}
	return c->kind == HTTP_COND_ABSENT;
}

bool route_method_holds(const struct route_match *m, const struct http_head *h)
{
	if ((h->method == HTTP_CONNECT) != m->connect)
		return false;
	if (m->method_cnt == 0 || m->connect)
		return true;
	if (h->method != HTTP_OTHER)
		return m->method_mask >> h->method & 1;
	for (uint32_t i = 0; i < m->method_cnt; i++)
		if (span_eq(m->methods[i], h->method_text))
			return true;
	return false;
}

bool route_scheme_holds(const struct route_match *m, const struct http_head *h)
{
	bool secure = span_eq(h->scheme, SPAN("https"));

	return m->scheme == HTTP_SCHEME_ANY || (m->scheme == HTTP_SCHEME_HTTPS) == secure;
}

bool route_conditions_hold(
	const struct route_match *m, struct http_route_worker *rw, const struct http_stream *s)
{
	if (!route_method_holds(m, &s->req) || !route_scheme_holds(m, &s->req))
		return false;
	if (m->sources && !prefix_set_has(m->sources, &s->client))
		return false;
	for (uint32_t i = 0; i < m->header_cnt; i++)
		if (!route_cond_header(&m->headers[i], rw, &s->req))
			return false;
	for (uint32_t i = 0; i < m->query_cnt; i++)
		if (!route_cond_query(&m->query[i], rw, s->req.query))
			return false;
	return true;
}

bool route_host_holds(const struct route_match *m, struct span host)
{
	if (m->any_host)
		return true;
	for (uint32_t i = 0; i < m->host_cnt; i++) {
		struct span p = m->hosts[i];

		if (p.at[0] != '.' ? span_eq(p, host)
				   : host.len > p.len &&
					     memcmp(host.at + host.len - p.len, p.at, p.len) == 0)
			return true;
	}
	return false;
}

bool route_path_holds(const struct route_match *m, struct http_route_worker *rw, struct span path)
{
	if (m->any_path)
		return true;
	for (uint32_t i = 0; i < m->path_cnt; i++)
		if (span_eq(m->paths[i], path))
			return true;
	for (uint32_t i = 0; i < m->prefix_cnt; i++)
		if (path_has_prefix(path, m->prefixes[i]))
			return true;
	for (uint32_t i = 0; i < m->regex_cnt; i++)
		if (regex_match(m->regexes[i], rw->regex, path, NULL, 0, NULL))
			return true;
	return false;
}

void route_capture(const struct route_rule *rule, struct http_route_worker *rw, struct span path,
	struct http_exchange *x)
{
	x->capture_cnt = 0;
	for (uint32_t i = 0; i < rule->m.regex_cnt; i++)
		if (regex_match(rule->m.regexes[i], rw->regex, path, x->captures, HTTP_CAPTURES,
			    &x->capture_cnt))
			return;
}
