/* SPDX-License-Identifier: Apache-2.0
 * Field lines, RFC 9112 5, and the fields that decide about the message: each is judged as soon as
 * its line is complete, what needs all of them when the head is. */
#include "lb/l7/h1/h1_pvt.h"
#include "lb/l7/h1/scan.h"
#include "lb/l7/http/head_names.h"

/* What the codec does with a known field. */
static const uint8_t special[HTTP_FIELD_CNT] = {
	[HTTP_FIELD_HOST] = H1_SEEN_HOST,
	[HTTP_FIELD_CONTENT_LENGTH] = H1_SEEN_LENGTH,
	[HTTP_FIELD_TRANSFER_ENCODING] = H1_SEEN_CODING,
	[HTTP_FIELD_CONNECTION] = H1_SEEN_CONNECTION,
	[HTTP_FIELD_EXPECT] = H1_SEEN_EXPECT,
	[HTTP_FIELD_UPGRADE] = H1_SEEN_UPGRADE,
	[HTTP_FIELD_TE] = H1_SEEN_TE,
	[HTTP_FIELD_KEEP_ALIVE] = H1_SEEN_HOP,
	[HTTP_FIELD_PROXY_CONNECTION] = H1_SEEN_HOP,
	[HTTP_FIELD_TRAILER] = H1_SEEN_HOP,
};

static void move(struct span *s, const char *from, uint32_t len, const char *to)
{
	uintptr_t at = (uintptr_t)s->at, base = (uintptr_t)from;

	if (at >= base && at <= base + len)
		s->at = to + (at - base);
}

void h1_rebase(struct h1_parser *p, const char *buf, struct http_head *out)
{
	if (p->base == NULL) {
		memset(out, 0, offsetof(struct http_head, fields));
	} else {
		move(&out->method_text, p->base, p->line, buf);
		move(&out->host, p->base, p->line, buf);
		move(&out->path, p->base, p->line, buf);
		move(&out->query, p->base, p->line, buf);
		for (uint32_t i = 0; i < out->field_cnt; i++) {
			move(&out->fields[i].name, p->base, p->line, buf);
			move(&out->fields[i].value, p->base, p->line, buf);
		}
	}
	p->base = buf;
}

enum h1_verdict h1_version(struct h1_parser *p, const char *buf, uint32_t at, uint32_t len,
	char behind, uint8_t *version)
{
	static const char form[] = "HTTP/d.d";

	for (uint32_t i = h1_max(at, p->scanned) - at; i < 8; i++) {
		char c;

		if (at + i == len)
			return h1_more(p, len);
		c = buf[at + i];
		if (form[i] == 'd' ? c < '0' || c > '9' : c != form[i])
			return h1_bad(p, H1_ERR_VERSION);
	}
	if (at + 8 == len)
		return h1_more(p, len);
	if (buf[at + 8] != behind)
		return h1_bad(p, buf[at + 8] == '\n' ? H1_ERR_BARE_LF : H1_ERR_VERSION);
	*version = 0;
	if (buf[at + 5] == '1' && (buf[at + 7] == '1' || buf[at + 7] == '0'))
		*version = (uint8_t)(10 + buf[at + 7] - '0');
	return H1_OK;
}

/* ---- single fields ---- */

/* Decimal digits that fit. */
static bool number(struct span v, uint64_t *out)
{
	uint64_t n = 0;

	if (v.len == 0)
		return false;
	for (uint32_t i = 0; i < v.len; i++) {
		uint64_t d = (uint64_t)(uint8_t)v.at[i] - '0';

		if (d > 9 || n > (INT64_MAX - d) / 10)
			return false;
		n = n * 10 + d;
	}
	*out = n;
	return true;
}

/* RFC 9112 6.3 (5): a response may say the same number several times. */
static bool equal_numbers(struct http_field *f, uint64_t *out)
{
	struct span v = f->value;
	uint32_t at = 0;
	bool first = true;

	while (at <= v.len) {
		uint32_t end = at, from = at;
		uint64_t n;

		while (end < v.len && v.at[end] != ',')
			end++;
		at = end + 1;
		while (from < end && h1_blank(v.at[from]))
			from++;
		while (end > from && h1_blank(v.at[end - 1]))
			end--;
		if (!number((struct span){v.at + from, end - from}, &n) || (!first && n != *out))
			return false;
		if (first)
			f->value = (struct span){v.at + from, end - from};
		*out = n;
		first = false;
	}
	return true;
}

static enum h1_error content_length(
	struct h1_parser *p, struct http_head *out, struct http_field *f)
{
	uint64_t n = 0;

	if ((p->seen & H1_SEEN_CODING) != 0)
		return H1_ERR_LENGTH_AND_TE;
	if (p->kind == H1_REQUEST && (p->seen & H1_SEEN_LENGTH) != 0)
		return H1_ERR_LENGTH_TWICE;
	if (p->kind == H1_REQUEST ? !number(f->value, &n) : !equal_numbers(f, &n))
		return H1_ERR_LENGTH_INVALID;
	if ((p->seen & H1_SEEN_LENGTH) != 0) {
		if (n != out->length)
			return H1_ERR_LENGTH_TWICE;
		f->flags |= HTTP_F_GONE;
	}
	out->length = n;
	return H1_ERR_NONE;
}

/* RFC 9112 6.1 and 6.3 (4): we know chunked alone. A list that ends in chunked is merely unknown,
 * all else leaves the length in doubt. */
static enum h1_error transfer_encoding(
	struct h1_parser *p, const struct http_head *out, const struct http_field *f)
{
	if (out->version == 10)
		return H1_ERR_TE_VERSION;
	if ((p->seen & H1_SEEN_LENGTH) != 0)
		return H1_ERR_LENGTH_AND_TE;
	if ((p->seen & H1_SEEN_CODING) == 0 && span_caseeq(f->value, SPAN("chunked")))
		return H1_ERR_NONE;
	return H1_ERR_TE_INVALID;
}

static enum h1_error unknown_coding(const struct http_field *f)
{
	struct span v = f->value;
	uint32_t tail;

	if (v.len < 9 || !span_caseeq((struct span){v.at + v.len - 7, 7}, SPAN("chunked")))
		return H1_ERR_TE_INVALID;
	tail = v.len - 7;
	while (tail > 0 && h1_blank(v.at[tail - 1]))
		tail--;
	if (tail == 0 || v.at[tail - 1] != ',')
		return H1_ERR_TE_INVALID;
	/* Tokens and commas before, and none of them chunked again. */
	for (uint32_t at = 0; at < tail;) {
		uint32_t end = at, stop;

		while (end < tail && h1_in_class(&h1_class_token, v.at[end]))
			end++;
		if (end == at || span_caseeq((struct span){v.at + at, end - at}, SPAN("chunked")))
			return H1_ERR_TE_INVALID;
		stop = end;
		while (stop < tail && h1_blank(v.at[stop]))
			stop++;
		if (v.at[stop] != ',')
			return H1_ERR_TE_INVALID;
		at = stop + 1;
		while (at < tail && h1_blank(v.at[at]))
			at++;
	}
	return H1_ERR_TE_UNKNOWN;
}

/* Options that only speak of the connection; all other known fields are meant for the far end, and
 * a message that wants one removed on the way wants to deceive somebody. */
static bool may_be_named(const struct h1_parser *p, enum http_field_id id)
{
	switch (id) {
	case HTTP_FIELD_OTHER:
	case HTTP_FIELD_KEEP_ALIVE:
	case HTTP_FIELD_PROXY_CONNECTION:
	case HTTP_FIELD_PROXY_AUTHENTICATE:
	case HTTP_FIELD_PROXY_AUTHORIZATION:
	case HTTP_FIELD_TE:
	case HTTP_FIELD_TRAILER:
	case HTTP_FIELD_UPGRADE:
		return true;
	case HTTP_FIELD_CONTENT_LENGTH:
	case HTTP_FIELD_TRANSFER_ENCODING:
		/* Some old servers name them; we make our own in any case. */
		return p->kind == H1_RESPONSE;
	default:
		return false;
	}
}

static enum h1_error connection_option(struct h1_parser *p, struct span o)
{
	enum http_field_id id;

	if (span_caseeq(o, SPAN("close"))) {
		p->seen |= H1_SAID_CLOSE;
		return H1_ERR_NONE;
	}
	id = http_field_find(o);
	if (!may_be_named(p, id))
		return H1_ERR_CONNECTION_ESSENTIAL;
	if (id == HTTP_FIELD_KEEP_ALIVE)
		p->seen |= H1_SAID_KEEP_ALIVE;
	else if (id == HTTP_FIELD_UPGRADE)
		p->seen |= H1_SAID_UPGRADE;
	else if (id == HTTP_FIELD_TE)
		p->seen |= H1_SAID_TE;
	else
		p->seen |= H1_SAID_OTHER;
	return H1_ERR_NONE;
}

/* RFC 9110 7.6.1: a list of tokens; empty members are allowed (5.6.1). */
static enum h1_error connection(struct h1_parser *p, const struct http_field *f)
{
	struct span v = f->value;

	/* What most say. The value is in the parser's buffer, so there is padding. */
	if (http_field_find_padded(v.at, v.len) == HTTP_FIELD_KEEP_ALIVE) {
		p->seen |= H1_SAID_KEEP_ALIVE;
		return H1_ERR_NONE;
	}
	for (uint32_t at = 0; at < v.len;) {
		uint32_t from = at, end;
		enum h1_error e;

		while (from < v.len && h1_blank(v.at[from]))
			from++;
		end = from;
		while (end < v.len && h1_in_class(&h1_class_token, v.at[end]))
			end++;
		at = end;
		while (at < v.len && h1_blank(v.at[at]))
			at++;
		if (at < v.len && v.at[at] != ',')
			return H1_ERR_CONNECTION;
		at++;
		if (end == from)
			continue;
		e = connection_option(p, (struct span){v.at + from, end - from});
		if (e != H1_ERR_NONE)
			return e;
	}
	return H1_ERR_NONE;
}

void h1_mark_named(struct http_head *out)
{
	struct http_list_iter it = {0};
	struct span option;

	while (http_head_list_next(out, HTTP_FIELD_CONNECTION, &it, &option)) {
		const struct http_field *f = NULL;

		while ((f = http_head_find(out, option, f)) != NULL)
			out->fields[f - out->fields].flags |= HTTP_F_HOP;
	}
}

/* RFC 9110 6.5.1: none that frames, routes or asks; of those we know only two are defined to stand
 * in trailers (8.8.3; RFC 9209 2), the others are not passed on. */
static enum h1_error trailer(struct http_field *f)
{
	if (special[f->id] != 0)
		return H1_ERR_TRAILER;
	if (f->id != HTTP_FIELD_OTHER && f->id != HTTP_FIELD_ETAG &&
		f->id != HTTP_FIELD_PROXY_STATUS)
		f->flags |= HTTP_F_GONE;
	return H1_ERR_NONE;
}

static enum h1_error take_special(struct h1_parser *p, struct http_head *out, struct http_field *f)
{
	uint32_t bit = special[f->id];
	enum h1_error e = H1_ERR_NONE;

	switch (bit) {
	case H1_SEEN_HOST:
		if (p->kind == H1_REQUEST && (p->seen & bit) != 0)
			e = H1_ERR_HOST_TWICE;
		break;
	case H1_SEEN_LENGTH:
		f->flags |= HTTP_F_HOP;
		e = content_length(p, out, f);
		break;
	case H1_SEEN_CODING:
		f->flags |= HTTP_F_HOP;
		e = transfer_encoding(p, out, f);
		if (e == H1_ERR_TE_INVALID)
			e = unknown_coding(f);
		break;
	case H1_SEEN_CONNECTION:
		f->flags |= HTTP_F_HOP;
		e = connection(p, f);
		break;
	case H1_SEEN_EXPECT:
		break;
	default:
		f->flags |= HTTP_F_HOP;
	}
	p->seen |= bit;
	return e;
}

/* ---- lines ---- */

static bool has_underscore(const char *p, uint32_t len)
{
	for (uint32_t i = 0; i < len; i += 32) {
		if ((h1_mask_eq(p + i, '_') & h1_low_bits(len - i)) != 0)
			return true;
	}
	return false;
}

static enum h1_error take(struct h1_parser *p, const char *name, uint32_t name_len, struct span v,
	const struct h1_limits *lim, struct http_head *out)
{
	struct http_field *f;

	if (out->field_cnt >= lim->fields || out->field_cnt == LIMIT_HTTP_FIELDS)
		return H1_ERR_FIELDS;
	f = &out->fields[out->field_cnt++];
	f->name = (struct span){name, name_len};
	f->value = v;
	f->id = (uint16_t)http_field_find_padded(name, name_len);
	f->flags = 0;
	if (f->id == HTTP_FIELD_OTHER && lim->underscores != H1_UNDERSCORES_PASS &&
		has_underscore(name, name_len)) {
		if (lim->underscores == H1_UNDERSCORES_REFUSE)
			return H1_ERR_NAME_UNDERSCORE;
		f->flags = HTTP_F_GONE;
	}
	if (p->kind == H1_TRAILERS)
		return trailer(f);
	return special[f->id] == 0 ? H1_ERR_NONE : take_special(p, out, f);
}

/* Looks at what ends a name at *at and is not simply a colon behind it. H1_OK: *at is the colon's
 * place after all. RFC 9112 5.1: blanks before it are refused in a request and taken out of a
 * response. */
static COLD enum h1_verdict odd_name(struct h1_parser *p, const char *buf, uint32_t *at,
	uint32_t len, const struct h1_limits *lim, bool first_line)
{
	uint32_t n = *at;

	if (n - p->line > lim->field_bytes)
		return h1_bad(p, H1_ERR_FIELD_LONG);
	if (n == len)
		return h1_more(p, len);
	if (buf[n] == '\n')
		return h1_bad(p, H1_ERR_BARE_LF);
	if (n == p->line && h1_blank(buf[n]))
		return h1_bad(p, first_line ? H1_ERR_BLANK_FIRST : H1_ERR_FOLD);
	if (n == p->line)
		return h1_bad(p, H1_ERR_NAME);
	if (h1_blank(buf[n]) && p->kind != H1_RESPONSE)
		return h1_bad(p, H1_ERR_NAME_BLANK);
	while (n < len && h1_blank(buf[n]))
		n++;
	*at = n;
	if (n - p->line > lim->field_bytes)
		return h1_bad(p, H1_ERR_FIELD_LONG);
	if (n == len)
		return h1_more(p, len);
	if (buf[n] == ':')
		return H1_OK;
	if (h1_blank(buf[n - 1]))
		return h1_bad(p, H1_ERR_NAME_BLANK);
	return h1_bad(p, buf[n] == '\r' ? H1_ERR_NO_COLON : H1_ERR_NAME);
}

static COLD uint32_t name_without_blanks(const char *name, uint32_t len)
{
	while (h1_blank(name[len - 1]))
		len--;
	return len;
}

/* The field line p->line .. e, its colon at n; buf[e] ends the value. */
static enum h1_verdict line_end(struct h1_parser *p, const char *buf, uint32_t n, uint32_t e,
	uint32_t len, const struct h1_limits *lim, struct http_head *out)
{
	uint32_t line = p->line, name_len = n - line, v = n + 1, end = e;
	enum h1_error err;

	if (e - line > lim->field_bytes)
		return h1_bad(p, H1_ERR_FIELD_LONG);
	if (e == len || (buf[e] == '\r' && e + 1 == len)) {
		p->first = n;
		return h1_more(p, e);
	}
	if (buf[e] != '\r')
		return h1_bad(p, buf[e] == '\n' ? H1_ERR_BARE_LF : H1_ERR_VALUE);
	if (buf[e + 1] != '\n')
		return h1_bad(p, H1_ERR_BARE_CR);
	/* Blanks around the value are not its own; the CR behind stops the first loop, the colon or
	 * a blank taken by it is before the second. */
	while (h1_blank(buf[v]))
		v++;
	while (h1_blank(buf[end - 1]) && end > v)
		end--;
	if (unlikely(h1_blank(buf[n - 1])))
		name_len = name_without_blanks(buf + line, name_len);
	err = take(p, buf + line, name_len, (struct span){buf + v, end - v}, lim, out);
	if (err != H1_ERR_NONE)
		return h1_bad(p, err);
	p->line = e + 2;
	p->first = 0;
	return H1_OK;
}

enum h1_verdict h1_fields(struct h1_parser *p, char *buf, uint32_t len, const struct h1_limits *lim,
	struct http_head *out)
{
	for (;;) {
		uint32_t line = p->line, n = p->first, e;
		enum h1_verdict v;

		if (line < len && buf[line] == '\r')
			break;
		if (n == 0) {
			n = h1_max(line, p->scanned);
			/* Blanks before a response's colon end the name for good. */
			if (n == line || !h1_blank(buf[n - 1]))
				n = h1_scan_class(buf, n, len, &h1_class_token);
			if (n == len || buf[n] != ':' || n == line || n - line > lim->field_bytes) {
				v = odd_name(p, buf, &n, len, lim, out->field_cnt == 0);
				if (v != H1_OK)
					return v;
			}
		}
		e = h1_scan_value(buf, h1_max(n + 1, p->scanned), len);
		v = line_end(p, buf, n, e, len, lim, out);
		if (v != H1_OK)
			return v;
	}
	if (p->line + 1 == len)
		return h1_more(p, p->line);
	if (buf[p->line + 1] != '\n')
		return h1_bad(p, H1_ERR_BARE_CR);
	p->head_len = p->line + 2;
	return H1_OK;
}
