/* SPDX-License-Identifier: Apache-2.0
 * Request heads: RFC 9112 3 (request line), 6.3 (framing), 9.3 (persistence), RFC 9110 7.2 (Host).
 */
#include "lb/l7/h1/h1_pvt.h"
#include "lb/l7/h1/scan.h"

void h1_request_begin(struct h1_parser *p, bool secure)
{
	*p = (struct h1_parser){.kind = H1_REQUEST, .secure = secure};
}

/* ---- request line ---- */

/* RFC 9112 2.2: one empty line is skipped. */
static enum h1_verdict empty_line(struct h1_parser *p, const char *buf, uint32_t len)
{
	if (p->line > 0)
		return h1_bad(p, H1_ERR_EMPTY_LINES);
	if (len == 1)
		return h1_more(p, 0);
	if (buf[1] != '\n')
		return h1_bad(p, H1_ERR_BARE_CR);
	p->line = 2;
	return H1_OK;
}

/* RFC 9110 9.1: methods are case sensitive, but not to everybody. */
static bool method_of(const char *at, uint32_t len, struct http_head *out)
{
	struct span text = {at, len};

	/* The space behind is there. */
	if (load32(at) == 0x20544547) {
		out->method = HTTP_GET;
		out->method_text = SPAN("GET");
		return true;
	}
	out->method = http_method_find(text);
	out->method_text = text;
	if (out->method != HTTP_OTHER)
		return true;
	for (enum http_method m = HTTP_GET; m < HTTP_OTHER; m++) {
		if (span_caseeq(text, http_method_name(m)))
			return false;
	}
	return true;
}

/* The method, from p->line to p->first. */
static enum h1_verdict method_part(
	struct h1_parser *p, const char *buf, uint32_t len, struct http_head *out)
{
	uint32_t m = h1_scan_class(buf, h1_max(p->line, p->scanned), len, &h1_class_token);

	if (m - p->line > H1_METHOD_MAX)
		return h1_bad(p, H1_ERR_METHOD_LONG);
	if (m == len)
		return h1_more(p, m);
	if (buf[m] != ' ' || m == p->line)
		return h1_bad(p, buf[m] == '\n' && m == p->line ? H1_ERR_BARE_LF : H1_ERR_METHOD);
	if (!method_of(buf + p->line, m - p->line, out))
		return h1_bad(p, H1_ERR_METHOD_CASE);
	p->first = m;
	return H1_OK;
}

static enum h1_verdict target_part(
	struct h1_parser *p, const char *buf, uint32_t len, const struct h1_limits *lim)
{
	uint32_t from = p->first + 1;
	uint32_t e = h1_scan_class(buf, h1_max(from, p->scanned), len, &h1_class_target);

	if (e > from && e - from > lim->target_bytes)
		return h1_bad(p, H1_ERR_TARGET_LONG);
	if (e == len)
		return h1_more(p, e);
	if (buf[e] == '\r' || buf[e] == '\n')
		return h1_bad(p, H1_ERR_VERSION); /* HTTP/0.9 knew none */
	if (buf[e] == '#')
		return h1_bad(p, H1_ERR_TARGET_FRAGMENT);
	if (buf[e] != ' ' || e == from)
		return h1_bad(p, H1_ERR_TARGET);
	p->second = e;
	return H1_OK;
}

static enum h1_verdict version_part(
	struct h1_parser *p, const char *buf, uint32_t len, struct http_head *out)
{
	uint32_t from = p->second + 1;
	enum h1_verdict v;

	if (len - from >= 10 && load16(buf + from + 8) == 0x0a0d &&
		load64(buf + from) == UINT64_C(0x312e312f50545448)) {
		out->version = 11;
		return H1_OK;
	}
	v = h1_version(p, buf, from, len, '\r', &out->version);
	if (v != H1_OK)
		return v;
	if (from + 9 == len)
		return h1_more(p, from + 8);
	if (buf[from + 9] != '\n')
		return h1_bad(p, H1_ERR_BARE_CR);
	return out->version == 0 ? h1_bad(p, H1_ERR_VERSION_OTHER) : H1_OK;
}

static enum h1_verdict request_line(struct h1_parser *p, char *buf, uint32_t len,
	const struct h1_limits *lim, struct http_head *out)
{
	enum h1_verdict v;
	enum h1_error e;

	if (p->first == 0) {
		while (p->line < len && buf[p->line] == '\r') {
			v = empty_line(p, buf, len);
			if (v != H1_OK)
				return v;
		}
		v = method_part(p, buf, len, out);
		if (v != H1_OK)
			return v;
	}
	if (p->second == 0) {
		v = target_part(p, buf, len, lim);
		if (v != H1_OK)
			return v;
	}
	v = version_part(p, buf, len, out);
	if (v != H1_OK)
		return v;
	out->scheme = p->secure ? SPAN("https") : SPAN("http");
	e = h1_target(p, buf + p->first + 1, p->second - p->first - 1, out);
	if (e != H1_ERR_NONE)
		return h1_bad(p, e);
	p->line = p->second + 11;
	p->first = 0;
	p->started = true;
	return H1_OK;
}

/* ---- the whole head ---- */

/* RFC 9112 3.2: exactly one, and valid; only HTTP/1.0 may do without. The absolute form's authority
 * wins (3.2.2), but a client must have sent the same in both (3.2): who does not may have shown the
 * one to a filter and means the other. */
static enum h1_error host(struct h1_parser *p, struct http_head *out)
{
	const struct http_field *f = NULL;
	struct span name = {NULL, 0};
	uint16_t port = 0, standard = p->secure ? 443 : 80;
	enum h1_error e;

	if ((p->seen & H1_SEEN_HOST) == 0)
		return out->version == 10 ? H1_ERR_NONE : H1_ERR_HOST_MISSING;
	f = http_head_get(out, HTTP_FIELD_HOST, NULL);
	/* The parser's buffer is writable, only its views are not. */
	e = h1_authority((char *)(uintptr_t)f->value.at, f->value.len, &name, &port);
	if (e != H1_ERR_NONE)
		return H1_ERR_HOST_INVALID;
	if (out->host.len == 0) {
		out->host = name;
		out->port = port;
		return H1_ERR_NONE;
	}
	if (!span_eq(name, out->host))
		return H1_ERR_HOST_MISMATCH;
	/* The port of CONNECT is that of the tunnel; Host may leave out the scheme's (3.2.3). */
	if (port != out->port &&
		(port != 0 || (out->port != standard && out->method != HTTP_CONNECT)) &&
		(out->port != 0 || port != standard))
		return H1_ERR_HOST_MISMATCH;
	return H1_ERR_NONE;
}

/* RFC 9110 10.1.1. */
static enum h1_error expect(struct http_head *out)
{
	struct http_list_iter it = {0};
	struct span what;

	if (out->version != 10) {
		while (http_head_list_next(out, HTTP_FIELD_EXPECT, &it, &what)) {
			if (!span_caseeq(what, SPAN("100-continue")))
				return H1_ERR_EXPECT;
			out->expect_continue = true;
		}
	}
	if (out->framing == HTTP_BODY_NONE)
		out->expect_continue = false;
	if (!out->expect_continue)
		http_head_remove(out, HTTP_FIELD_EXPECT);
	return H1_ERR_NONE;
}

/* RFC 9110 7.8. Ignoring an offer is always allowed: with a body (it would have to be read first),
 * in HTTP/1.0, without the connection option, and to another HTTP. */
static enum h1_error upgrade(struct h1_parser *p, struct http_head *out)
{
	bool is_http;

	if (!h1_upgrade_valid(out, &is_http))
		return H1_ERR_UPGRADE;
	out->upgrade = !is_http && out->version == 11 && (p->seen & H1_SAID_UPGRADE) != 0 &&
		       out->framing == HTTP_BODY_NONE && out->method != HTTP_CONNECT;
	return H1_ERR_NONE;
}

static enum h1_error framing(struct h1_parser *p, struct http_head *out)
{
	if ((p->seen & H1_SEEN_CODING) != 0)
		out->framing = HTTP_BODY_STREAM;
	else if (out->length > 0)
		out->framing = HTTP_BODY_LENGTH;
	if (out->framing != HTTP_BODY_NONE &&
		(out->method == HTTP_TRACE || out->method == HTTP_CONNECT))
		return H1_ERR_BODY_METHOD;
	return H1_ERR_NONE;
}

static void te(struct h1_parser *p, struct http_head *out)
{
	struct http_list_iter it = {0};
	struct span what;

	if ((p->seen & H1_SAID_TE) == 0 || out->version == 10)
		return;
	while (http_head_list_next(out, HTTP_FIELD_TE, &it, &what))
		out->te_trailers |= span_caseeq(what, SPAN("trailers"));
}

static enum h1_error finish(struct h1_parser *p, struct http_head *out)
{
	enum h1_error e = host(p, out);

	if (e == H1_ERR_NONE)
		e = framing(p, out);
	if (e == H1_ERR_NONE && (p->seen & H1_SEEN_EXPECT) != 0)
		e = expect(out);
	if (e == H1_ERR_NONE && (p->seen & H1_SEEN_UPGRADE) != 0)
		e = upgrade(p, out);
	if (e != H1_ERR_NONE)
		return e;
	if ((p->seen & H1_SEEN_TE) != 0)
		te(p, out);
	h1_end_connection(p, out, true);
	return H1_ERR_NONE;
}

static enum h1_error too_long(const struct h1_parser *p)
{
	return p->first != 0 && !p->started ? H1_ERR_TARGET_LONG : H1_ERR_HEAD_LONG;
}

enum h1_verdict h1_request_parse(struct h1_parser *p, char *buf, uint32_t len,
	const struct h1_limits *lim, struct http_head *out)
{
	static const struct h1_head_parts parts = {request_line, finish, too_long};

	return h1_head_parse(p, buf, len, lim, out, &parts);
}
