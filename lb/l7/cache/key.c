/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/cache/key.h"

#include <stdlib.h>
#include <strings.h>

#define KEY_URI     'u'
#define KEY_VARIANT 'v'

struct out {
	char *at, *end;
	bool full;
};

static void put(struct out *o, const void *bytes, uint32_t len)
{
	if (o->full || (size_t)(o->end - o->at) < len) {
		o->full = true;
		return;
	}
	if (len > 0)
		memcpy(o->at, bytes, len);
	o->at += len;
}

static void put_len(struct out *o, uint32_t len)
{
	uint8_t b[4] = {
		(uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len};

	put(o, b, sizeof(b));
}

static void part(struct out *o, struct span s)
{
	put_len(o, s.len);
	put(o, s.at, s.len);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool listed(const struct span *list, uint32_t cnt, struct span name)
{
	for (uint32_t i = 0; i < cnt; i++) {
		struct span l = list[i];

		if (l.len > 0 && l.at[l.len - 1] == '*') {
			l.len--;
			if (name.len >= l.len && memcmp(name.at, l.at, l.len) == 0)
				return true;
		} else if (span_eq(l, name)) {
			return true;
		}
	}
	return false;
}

/* ---- query ---- */

static struct span param_name(struct span param)
{
	const char *eq = memchr(param.at, '=', param.len);

	return eq == NULL ? param : (struct span){param.at, (uint32_t)(eq - param.at)};
}

static bool param_counts(const struct key_conf *c, struct span param)
{
	switch (c->query) {
	case KEY_QUERY_ALLOW:
		return listed(c->params, c->param_cnt, param_name(param));
	case KEY_QUERY_DENY:
		return !listed(c->params, c->param_cnt, param_name(param));
	default:
		return true;
	}
}

struct param {
	struct span text;
	uint32_t order;
};

static int by_name(const void *pa, const void *pb)
{
	const struct param *a = pa, *b = pb;
	struct span na = param_name(a->text), nb = param_name(b->text);
	int d = memcmp(na.at, nb.at, na.len < nb.len ? na.len : nb.len);

	if (d == 0)
		d = na.len < nb.len ? -1 : na.len > nb.len;
	return d != 0 ? d : a->order < b->order ? -1 : 1;
}

/* The parameters that count. False: too many. */
static bool params_of(const struct key_conf *c, struct span query, struct param *out, uint32_t *cnt)
{
	*cnt = 0;
	while (query.len > 0) {
		const char *amp = memchr(query.at, '&', query.len);
		uint32_t n = amp != NULL ? (uint32_t)(amp - query.at) : query.len;
		struct span p = {query.at, n};

		query.at += amp != NULL ? n + 1 : n;
		query.len -= amp != NULL ? n + 1 : n;
		if (!param_counts(c, p))
			continue;
		if (*cnt == HCACHE_QUERY_MAX)
			return false;
		out[*cnt] = (struct param){p, *cnt};
		(*cnt)++;
	}
	return true;
}

static void put_query(struct out *o, const struct key_conf *c, const struct http_head *req)
{
	struct param params[HCACHE_QUERY_MAX];
	uint32_t cnt;

	if (c->query == KEY_QUERY_NONE)
		return;
	if (c->query == KEY_QUERY_ALL && !c->sort_query) {
		put(o, req->has_query ? "?" : "-", 1);
		part(o, req->query);
		return;
	}
	if (!params_of(c, req->query, params, &cnt)) {
		o->full = true;
		return;
	}
	if (c->sort_query && cnt > 1)
		qsort(params, cnt, sizeof(params[0]), by_name);
	for (uint32_t i = 0; i < cnt; i++)
		part(o, params[i].text);
}

/* ---- fields and cookies ---- */

/* Blanks around the commas of a list do not count, those inside a quoted string do. */
static void put_value(struct out *o, struct span v, const char *from)
{
	bool in_quotes = false;

	for (uint32_t i = 0; i < v.len; i++) {
		char c = v.at[i];

		if (in_quotes && c == '\\' && i + 1 < v.len) {
			put(o, &v.at[i++], 2);
			continue;
		}
		if (c == '"')
			in_quotes = !in_quotes;
		if (!in_quotes && (c == ' ' || c == '\t') && o->at > from && o->at[-1] == ',')
			continue;
		while (!in_quotes && c == ',' && o->at > from &&
			(o->at[-1] == ' ' || o->at[-1] == '\t'))
			o->at--;
		put(o, &c, 1);
	}
}

/* All lines of a field as one value; a field that is not there differs from an empty one. */
static void put_field(struct out *o, const struct http_head *req, struct span name)
{
	const struct http_field *f = http_head_find(req, name, NULL);
	char *len_at = o->at + 1, *from;
	uint32_t len;

	put(o, f != NULL ? "+" : "-", 1);
	if (f == NULL)
		return;
	put_len(o, 0);
	from = o->at;
	for (bool first = true; f != NULL; f = http_head_find(req, name, f), first = false) {
		if (!first)
			put(o, ",", 1);
		put_value(o, f->value, from);
	}
	if (o->full)
		return;
	len = (uint32_t)(o->at - from);
	for (int i = 0; i < 4; i++)
		len_at[i] = (char)(uint8_t)(len >> (24 - 8 * i));
}

static bool cookie(const struct http_head *req, struct span name, struct span *value)
{
	const struct http_field *f = NULL;

	while ((f = http_head_get(req, HTTP_FIELD_COOKIE, f)) != NULL) {
		struct span v = f->value;

		while (v.len > 0) {
			const char *semi = memchr(v.at, ';', v.len);
			uint32_t n = semi != NULL ? (uint32_t)(semi - v.at) : v.len;
			struct span pair = {v.at, n};

			v.at += semi != NULL ? n + 1 : n;
			v.len -= semi != NULL ? n + 1 : n;
			while (pair.len > 0 && *pair.at == ' ') {
				pair.at++;
				pair.len--;
			}
			if (pair.len > name.len && pair.at[name.len] == '=' &&
				memcmp(pair.at, name.at, name.len) == 0) {
				*value = (struct span){
					pair.at + name.len + 1, pair.len - name.len - 1};
				return true;
			}
		}
	}
	return false;
}

uint32_t key_primary(
	const struct key_conf *conf, const struct http_head *req, char *out, uint32_t cap)
{
	struct out o = {out, out + cap, false};
	uint8_t port[2] = {(uint8_t)(req->port >> 8), (uint8_t)req->port};

	put(&o, &(char){KEY_URI}, 1);
	put_len(&o, conf->id);
	if (!conf->ignore_scheme)
		part(&o, req->scheme);
	part(&o, req->host);
	put(&o, port, sizeof(port));
	part(&o, req->path);
	put_query(&o, conf, req);
	for (uint32_t i = 0; i < conf->header_cnt; i++)
		put_field(&o, req, conf->headers[i]);
	for (uint32_t i = 0; i < conf->cookie_cnt; i++) {
		struct span v = {0};
		bool there = cookie(req, conf->cookies[i], &v);

		put(&o, there ? "+" : "-", 1);
		if (there)
			part(&o, v);
	}
	return o.full ? 0 : (uint32_t)(o.at - out);
}

/* ---- Vary ---- */

#define NAMES_MAX 16

static int by_text(const void *pa, const void *pb)
{
	const struct span *a = pa, *b = pb;
	int d = strncasecmp(a->at, b->at, a->len < b->len ? a->len : b->len);

	return d != 0 ? d : a->len < b->len ? -1 : a->len > b->len;
}

bool key_vary_names(const struct http_head *resp, char *out, uint32_t cap, uint32_t *len)
{
	struct http_list_iter it = {0};
	struct span names[NAMES_MAX], m;
	struct out o = {out, out + cap, false};
	uint32_t cnt = 0;

	*len = 0;
	while (http_head_list_next(resp, HTTP_FIELD_VARY, &it, &m)) {
		if (span_eq(m, SPAN("*")) || cnt == NAMES_MAX)
			return false;
		names[cnt++] = m;
	}
	if (cnt > 1)
		qsort(names, cnt, sizeof(names[0]), by_text);
	for (uint32_t i = 0; i < cnt; i++) {
		if (i > 0 && span_caseeq(names[i], names[i - 1]))
			continue;
		if (o.at > out)
			put(&o, ",", 1);
		for (uint32_t j = 0; j < names[i].len; j++)
			put(&o, &(char){lower(names[i].at[j])}, 1);
	}
	*len = (uint32_t)(o.at - out);
	return !o.full;
}

/* weight in thousandths; a parameter that is none counts as 1. */
static uint32_t weight(struct span params)
{
	for (uint32_t i = 0; i + 1 < params.len; i++) {
		uint32_t w = 0, scale = 1000;

		if ((params.at[i] != 'q' && params.at[i] != 'Q') || params.at[i + 1] != '=')
			continue;
		for (i += 2; i < params.len; i++) {
			if (params.at[i] == '.')
				continue;
			if (params.at[i] < '0' || params.at[i] > '9')
				break;
			w += (uint32_t)(params.at[i] - '0') * scale;
			scale /= 10;
		}
		return w > 1000 ? 1000 : w;
	}
	return 1000;
}

static const struct span codings[] = {
	{"zstd", 4},
	{"br", 2},
	{"gzip", 4},
};

/* RFC 9110 12.5.3 */
static uint32_t coding_weight(const struct http_head *req, struct span coding)
{
	struct http_list_iter it = {0};
	uint32_t star = 0;
	struct span m;

	while (http_head_list_next(req, HTTP_FIELD_ACCEPT_ENCODING, &it, &m)) {
		const char *semi = memchr(m.at, ';', m.len);
		struct span params = {semi, semi == NULL ? 0 : m.len - (uint32_t)(semi - m.at)};

		m.len -= params.len;
		while (m.len > 0 && (m.at[m.len - 1] == ' ' || m.at[m.len - 1] == '\t'))
			m.len--;
		if (span_caseeq(m, coding) ||
			(span_eq(coding, SPAN("gzip")) && span_caseeq(m, SPAN("x-gzip"))))
			return weight(params);
		if (span_eq(m, SPAN("*")))
			star = weight(params);
	}
	return star;
}

uint32_t key_encodings(const struct http_head *req, char *out, uint32_t cap)
{
	struct out o = {out, out + cap, false};
	uint32_t w[ARRAY_SIZE(codings)];

	for (size_t i = 0; i < ARRAY_SIZE(codings); i++)
		w[i] = coding_weight(req, codings[i]);
	for (;;) {
		size_t best = 0;

		for (size_t i = 1; i < ARRAY_SIZE(codings); i++)
			if (w[i] > w[best])
				best = i;
		if (w[best] == 0)
			break;
		w[best] = 0;
		if (o.at > out)
			put(&o, ", ", 2);
		put(&o, codings[best].at, codings[best].len);
	}
	return o.full ? 0 : (uint32_t)(o.at - out);
}

uint32_t key_variant(const char *primary, uint32_t primary_len, struct span names,
	const struct http_head *req, char *out, uint32_t cap)
{
	struct out o = {out, out + cap, false};

	put(&o, &(char){KEY_VARIANT}, 1);
	part(&o, (struct span){primary, primary_len});
	part(&o, names);
	while (names.len > 0) {
		const char *comma = memchr(names.at, ',', names.len);
		uint32_t n = comma != NULL ? (uint32_t)(comma - names.at) : names.len;
		struct span name = {names.at, n};
		char enc[64];

		names.at += comma != NULL ? n + 1 : n;
		names.len -= comma != NULL ? n + 1 : n;
		/* Without the field any coding will do: not the same as none (RFC 9110 12.5.3). */
		if (span_eq(name, SPAN("accept-encoding")) &&
			http_head_get(req, HTTP_FIELD_ACCEPT_ENCODING, NULL) != NULL)
			part(&o, (struct span){enc, key_encodings(req, enc, sizeof(enc))});
		else
			put_field(&o, req, name);
	}
	return o.full ? 0 : (uint32_t)(o.at - out);
}
