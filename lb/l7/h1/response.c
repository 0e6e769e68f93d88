/* SPDX-License-Identifier: Apache-2.0
 * Response heads: RFC 9112 4 (status line), 6.3 (framing), 9.3 (persistence). */
#include "lb/l7/h1/h1_pvt.h"
#include "lb/l7/h1/scan.h"

void h1_response_begin(struct h1_parser *p, enum http_method method, bool upgrade)
{
	*p = (struct h1_parser){.kind = H1_RESPONSE, .method = method, .upgrade = upgrade};
}

/* Three digits, 100 to 599 (RFC 9110 15). */
static enum h1_verdict status_part(
	struct h1_parser *p, const char *buf, uint32_t len, struct http_head *out)
{
	uint32_t from = p->first + 1;

	for (uint32_t i = h1_max(from, p->scanned) - from; i < 3; i++) {
		char c;

		if (from + i == len)
			return h1_more(p, len);
		c = buf[from + i];
		if (c < '0' || c > '9' || (i == 0 && (c < '1' || c > '5')))
			return h1_bad(p, H1_ERR_STATUS);
	}
	if (from + 3 == len)
		return h1_more(p, len);
	/* Many leave out the space before an empty reason. */
	if (buf[from + 3] == '\n')
		return h1_bad(p, H1_ERR_BARE_LF);
	if (buf[from + 3] != ' ' && buf[from + 3] != '\r')
		return h1_bad(p, H1_ERR_STATUS);
	out->status = (uint16_t)((buf[from] - '0') * 100 + (buf[from + 1] - '0') * 10 +
				 buf[from + 2] - '0');
	p->second = from + 3;
	return H1_OK;
}

/* Never looked at, never passed on. */
static enum h1_verdict reason_part(
	struct h1_parser *p, const char *buf, uint32_t len, const struct h1_limits *lim)
{
	uint32_t e = h1_scan_value(buf, h1_max(p->second, p->scanned), len);

	if (e - p->line > lim->field_bytes)
		return h1_bad(p, H1_ERR_HEAD_LONG);
	if (e == len || (buf[e] == '\r' && e + 1 == len))
		return h1_more(p, e);
	if (buf[e] != '\r')
		return h1_bad(p, buf[e] == '\n' ? H1_ERR_BARE_LF : H1_ERR_REASON);
	if (buf[e + 1] != '\n')
		return h1_bad(p, H1_ERR_BARE_CR);
	p->line = e + 2;
	return H1_OK;
}

static enum h1_verdict status_line(struct h1_parser *p, char *buf, uint32_t len,
	const struct h1_limits *lim, struct http_head *out)
{
	enum h1_verdict v;

	if (p->first == 0) {
		v = h1_version(p, buf, 0, len, ' ', &out->version);
		if (v != H1_OK)
			return v;
		if (out->version == 0)
			return h1_bad(p, H1_ERR_VERSION_OTHER);
		p->first = 8;
	}
	if (p->second == 0) {
		v = status_part(p, buf, len, out);
		if (v != H1_OK)
			return v;
	}
	v = reason_part(p, buf, len, lim);
	if (v != H1_OK)
		return v;
	p->first = 0;
	p->started = true;
	return H1_OK;
}

/* ---- the whole head ---- */

/* The Content-Length of an answer to HEAD or of 304 is not of this message: it goes on. */
static void keep_length(struct http_head *out)
{
	const struct http_field *f = NULL;

	while ((f = http_head_get(out, HTTP_FIELD_CONTENT_LENGTH, f)) != NULL)
		out->fields[f - out->fields].flags &= (uint16_t)~HTTP_F_HOP;
}

/* 101: only if it was asked for, and only with all that belongs to it (RFC 9110 7.8). */
static enum h1_error switched(struct h1_parser *p, struct http_head *out)
{
	bool is_http;

	if (!p->upgrade || (p->seen & H1_SEEN_UPGRADE) == 0 || (p->seen & H1_SAID_UPGRADE) == 0 ||
		!h1_upgrade_valid(out, &is_http) || is_http)
		return H1_ERR_UPGRADE;
	out->upgrade = true;
	out->framing = HTTP_BODY_TUNNEL;
	return H1_ERR_NONE;
}

/* RFC 9112 6.3, in its order. Sets framing; false: the connection is in doubt behind the message.
 */
static bool framing(struct h1_parser *p, struct http_head *out)
{
	bool coded = (p->seen & H1_SEEN_CODING) != 0;
	uint64_t length = out->length;

	out->length = 0;
	if (p->method == HTTP_HEAD || out->status == 304) {
		keep_length(out);
		return true;
	}
	/* Must not announce a body (RFC 9110 8.6, RFC 9112 6.1); who does may well send one. */
	if (out->status < 200 || out->status == 204)
		return !coded && length == 0;
	if (p->method == HTTP_CONNECT && out->status < 300) {
		out->framing = HTTP_BODY_TUNNEL;
		return false;
	}
	if (coded) {
		out->framing = HTTP_BODY_STREAM;
	} else if ((p->seen & H1_SEEN_LENGTH) == 0) {
		out->framing = HTTP_BODY_TO_EOF;
		return false;
	} else if (length > 0) {
		out->framing = HTTP_BODY_LENGTH;
		out->length = length;
	}
	return true;
}

static enum h1_error finish(struct h1_parser *p, struct http_head *out)
{
	bool sound;

	/* RFC 9110 15.2: HTTP/1.0 has no interim responses. */
	if (out->status < 200 && out->version == 10)
		return H1_ERR_STATUS;
	if (out->status == 101) {
		enum h1_error e = switched(p, out);

		if (e != H1_ERR_NONE)
			return e;
		sound = false;
	} else {
		sound = framing(p, out);
	}
	h1_end_connection(p, out, sound);
	return H1_ERR_NONE;
}

static enum h1_error too_long(const struct h1_parser *p)
{
	(void)p;
	return H1_ERR_HEAD_LONG;
}

enum h1_verdict h1_response_parse(struct h1_parser *p, char *buf, uint32_t len,
	const struct h1_limits *lim, struct http_head *out)
{
	static const struct h1_head_parts parts = {status_line, finish, too_long};

	return h1_head_parse(p, buf, len, lim, out, &parts);
}

/* ---- upgrades, of both directions ---- */

static bool token(struct span s)
{
	for (uint32_t i = 0; i < s.len; i++) {
		if (!h1_in_class(&h1_class_token, s.at[i]))
			return false;
	}
	return s.len > 0;
}

/* protocol-name ["/" protocol-version]; *name is the first part. */
static bool protocol(struct span member, struct span *name)
{
	const char *slash = memchr(member.at, '/', member.len);
	uint32_t n = slash == NULL ? member.len : (uint32_t)(slash - member.at);

	*name = (struct span){member.at, n};
	return token(*name) &&
	       (slash == NULL || token((struct span){slash + 1, member.len - n - 1}));
}

bool h1_upgrade_valid(const struct http_head *h, bool *is_http)
{
	struct http_list_iter it = {0};
	struct span member, name;
	bool any = false;

	*is_http = false;
	while (http_head_list_next(h, HTTP_FIELD_UPGRADE, &it, &member)) {
		if (!protocol(member, &name))
			return false;
		any = true;
		*is_http |= span_caseeq(name, SPAN("http")) || span_caseeq(name, SPAN("h2c")) ||
			    span_caseeq(name, SPAN("h2")) || span_caseeq(name, SPAN("h3"));
	}
	return any;
}

bool h1_upgrade_agrees(const struct http_head *req, const struct http_head *resp)
{
	struct http_list_iter it = {0};
	struct span chosen, offered;

	while (http_head_list_next(resp, HTTP_FIELD_UPGRADE, &it, &chosen)) {
		struct http_list_iter offers = {0};
		bool found = false;

		while (!found && http_head_list_next(req, HTTP_FIELD_UPGRADE, &offers, &offered))
			found = span_caseeq(chosen, offered);
		if (!found)
			return false;
	}
	return http_head_get(resp, HTTP_FIELD_UPGRADE, NULL) != NULL;
}
