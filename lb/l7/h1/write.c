/* SPDX-License-Identifier: Apache-2.0
 * Writing heads. Fields that still lie one behind the other as they were received, in the one form
 * that we write, go out in one copy. What was written is looked at once more as a whole: CRs and
 * LFs must be as many as lines were written, and no NUL may be there. */
#include "lb/l7/h1/h1_pvt.h"

#include <errno.h>

#include "lb/l7/h1/scan.h"

#define DIGITS_MAX 20

struct writer {
	char *at, *end;
	uint32_t line_cnt;
	bool full;
};

static void put(struct writer *w, const char *at, uint32_t len)
{
	if ((size_t)(w->end - w->at) < len) {
		w->full = true;
		return;
	}
	memcpy(w->at, at, len);
	w->at += len;
}

static void put_span(struct writer *w, struct span s)
{
	put(w, s.at, s.len);
}

#define PUT(w, literal) put(w, literal, sizeof(literal) - 1)

static void put_number(struct writer *w, uint64_t n)
{
	char text[DIGITS_MAX];
	uint32_t i = DIGITS_MAX;

	do {
		text[--i] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	put(w, text + i, DIGITS_MAX - i);
}

static void put_line_end(struct writer *w)
{
	PUT(w, "\r\n");
	w->line_cnt++;
}

#define PUT_LINE(w, literal) (PUT(w, literal "\r\n"), (w)->line_cnt++)

static void put_length(struct writer *w, uint64_t n)
{
	PUT(w, "Content-Length: ");
	put_number(w, n);
	put_line_end(w);
}

/* ---- fields ---- */

/* Fields that are never taken from a head, marked or not, as they are ours to make. */
enum own { OWN_ALWAYS = 1, OWN_HOST = 2, OWN_LENGTH = 4 };

static const uint8_t own[HTTP_FIELD_CNT] = {
	[HTTP_FIELD_HOST] = OWN_HOST,
	[HTTP_FIELD_CONTENT_LENGTH] = OWN_LENGTH,
	[HTTP_FIELD_TRANSFER_ENCODING] = OWN_ALWAYS,
	[HTTP_FIELD_CONNECTION] = OWN_ALWAYS,
	[HTTP_FIELD_KEEP_ALIVE] = OWN_ALWAYS,
	[HTTP_FIELD_PROXY_CONNECTION] = OWN_ALWAYS,
	[HTTP_FIELD_TE] = OWN_ALWAYS,
	[HTTP_FIELD_TRAILER] = OWN_ALWAYS,
	[HTTP_FIELD_UPGRADE] = OWN_ALWAYS,
};

/* ours: the bits of `own` that hold here. */
static bool wanted(const struct http_field *f, uint32_t ours)
{
	return (f->flags & (HTTP_F_HOP | HTTP_F_GONE)) == 0 && (own[f->id] & ours) == 0;
}

/* "Name: value" in one piece of memory? */
static bool in_form(const struct http_field *f)
{
	const char *colon = f->name.at + f->name.len;

	return f->value.at == colon + 2 && colon[0] == ':' && colon[1] == ' ';
}

/* Does g follow f there, with CR LF alone between them? */
static bool adjacent(const struct http_field *f, const struct http_field *g)
{
	const char *end = f->value.at + f->value.len;

	return g->name.at == end + 2 && end[0] == '\r' && end[1] == '\n';
}

static void put_field(struct writer *w, const struct http_field *f)
{
	put_span(w, f->name);
	PUT(w, ": ");
	put_span(w, f->value);
	put_line_end(w);
}

static void put_fields(struct writer *w, const struct http_head *h, uint32_t ours)
{
	uint32_t i = 0;

	while (i < h->field_cnt) {
		const struct http_field *f = &h->fields[i], *last = f;

		i++;
		if (!wanted(f, ours))
			continue;
		if (!in_form(f)) {
			put_field(w, f);
			continue;
		}
		while (i < h->field_cnt && wanted(&h->fields[i], ours) && in_form(&h->fields[i]) &&
			adjacent(last, &h->fields[i])) {
			last = &h->fields[i++];
			w->line_cnt++;
		}
		put(w, f->name.at, (uint32_t)(last->value.at + last->value.len - f->name.at));
		put_line_end(w);
	}
}

/* The field Upgrade as one line: its members in their order. */
static void put_upgrade(struct writer *w, const struct http_head *h)
{
	struct http_list_iter it = {0};
	struct span member;
	bool first = true;

	if (http_head_get(h, HTTP_FIELD_UPGRADE, NULL) == NULL)
		return;
	PUT(w, "Upgrade: ");
	while (http_head_list_next(h, HTTP_FIELD_UPGRADE, &it, &member)) {
		if (!first)
			PUT(w, ", ");
		put_span(w, member);
		first = false;
	}
	put_line_end(w);
}

/* ---- the end ---- */

/* RFC 9112 11.1: the one place that decides which CR and LF get out. Bytes up to `end` may be read.
 */
static bool clean(const char *at, uint32_t len, const char *end, uint32_t line_cnt)
{
	uint32_t cr = 0, lf = 0, nul = 0, i = 0;

	for (; i < len && end - (at + i) >= 32; i += 32) {
		uint32_t in = h1_low_bits(len - i);

		cr += (uint32_t)__builtin_popcount(h1_mask_eq(at + i, '\r') & in);
		lf += (uint32_t)__builtin_popcount(h1_mask_eq(at + i, '\n') & in);
		nul |= h1_mask_eq(at + i, '\0') & in;
	}
	for (; i < len; i++) {
		cr += at[i] == '\r';
		lf += at[i] == '\n';
		nul |= at[i] == '\0';
	}
	return cr == line_cnt && lf == line_cnt && nul == 0;
}

static int finish(struct writer *w, const char *buf)
{
	uint32_t len;

	put_line_end(w);
	if (w->full)
		return -ENOSPC;
	len = (uint32_t)(w->at - buf);
	return clean(buf, len, w->end, w->line_cnt) ? (int)len : -EINVAL;
}

/* ---- requests ---- */

static void put_authority(struct writer *w, const struct http_head *req, struct span host)
{
	if (host.len > 0) {
		put_span(w, host);
		return;
	}
	put_span(w, req->host);
	if (req->port != 0) {
		PUT(w, ":");
		put_number(w, req->port);
	}
}

/* Is [at, w->at) without anything that would end a part of the request line? */
static bool line_part_ok(const struct writer *w, const char *at)
{
	uint32_t len = (uint32_t)(w->at - at), i = 0;

	for (; i < len && w->end - (at + i) >= 32; i += 32) {
		if ((h1_mask_not_in(at + i, &h1_class_target) & h1_low_bits(len - i)) != 0)
			return false;
	}
	for (; i < len; i++) {
		if (!h1_in_class(&h1_class_target, at[i]))
			return false;
	}
	return len > 0;
}

/* false: a part of the target is not there, or could be taken for several. */
static bool put_request_line(struct writer *w, const struct http_head *req)
{
	const char *target;

	if (req->method == HTTP_CONNECT && (req->host.len == 0 || req->port == 0))
		return false;
	put_span(w, req->method == HTTP_OTHER ? req->method_text : http_method_name(req->method));
	PUT(w, " ");
	target = w->at;
	if (req->method == HTTP_CONNECT) {
		put_authority(w, req, SPAN(""));
	} else {
		put_span(w, req->path);
		if (req->has_query) {
			PUT(w, "?");
			put_span(w, req->query);
		}
	}
	if (!w->full && !line_part_ok(w, target))
		return false;
	PUT_LINE(w, " HTTP/1.1");
	return true;
}

/* A request without a body says so where one would be expected (RFC 9110 8.6). */
static void put_request_framing(struct writer *w, const struct http_head *req)
{
	switch (req->framing) {
	case HTTP_BODY_LENGTH:
		put_length(w, req->length);
		break;
	case HTTP_BODY_STREAM:
		PUT_LINE(w, "Transfer-Encoding: chunked");
		break;
	default:
		if (req->method == HTTP_POST || req->method == HTTP_PUT ||
			req->method == HTTP_PATCH)
			put_length(w, 0);
	}
}

static void put_request_connection(struct writer *w, const struct http_head *req, bool close)
{
	if (req->upgrade)
		put_upgrade(w, req);
	if (req->te_trailers)
		PUT_LINE(w, "TE: trailers");
	if (!close && !req->upgrade && !req->te_trailers)
		return;
	PUT(w, "Connection: ");
	if (close)
		PUT(w, "close");
	if (req->upgrade)
		put_span(w, close ? SPAN(", upgrade") : SPAN("upgrade"));
	if (req->te_trailers)
		put_span(w, close || req->upgrade ? SPAN(", TE") : SPAN("TE"));
	put_line_end(w);
}

int h1_request_write(
	const struct http_head *req, const struct h1_request_opts *o, char *buf, uint32_t cap)
{
	struct writer w = {.at = buf, .end = buf + cap};

	if (!put_request_line(&w, req))
		return -EINVAL;
	PUT(&w, "Host: ");
	put_authority(&w, req, o->host);
	put_line_end(&w);
	put_fields(&w, req, OWN_ALWAYS | OWN_HOST | OWN_LENGTH);
	put_request_framing(&w, req);
	put_request_connection(&w, req, o->close);
	return finish(&w, buf);
}

/* ---- responses ---- */

struct h1_response_plan h1_response_plan(
	const struct http_head *resp, enum http_method method, uint8_t version, bool keep_alive)
{
	struct h1_response_plan p = {.framing = resp->framing, .keep_alive = keep_alive};

	if (resp->framing == HTTP_BODY_TUNNEL) {
		p.keep_alive = false;
		return p;
	}
	if (method == HTTP_HEAD || resp->status < 200 || resp->status == 204 ||
		resp->status == 304) {
		p.framing = HTTP_BODY_NONE;
		return p;
	}
	/* We find the ends of bodies for clients that can be told where they are. */
	if (resp->framing == HTTP_BODY_TO_EOF || resp->framing == HTTP_BODY_STREAM)
		p.framing = version == 10 ? HTTP_BODY_TO_EOF : HTTP_BODY_STREAM;
	if (p.framing == HTTP_BODY_TO_EOF)
		p.keep_alive = false;
	return p;
}

/* What Content-Length says where there is no body: of HEAD and 304 what the answer to GET would
 * have had, if that is known, 0 where a body was possible, and nothing else. */
static void put_no_body(struct writer *w, const struct http_head *resp, enum http_method method)
{
	if (resp->status < 200 || resp->status == 204)
		return;
	if (method != HTTP_HEAD && resp->status != 304)
		put_length(w, 0);
	else if (resp->framing == HTTP_BODY_LENGTH)
		put_length(w, resp->length);
}

static void put_response_connection(struct writer *w, const struct http_head *resp,
	const struct h1_response_plan *plan, uint8_t version)
{
	if (resp->status == 101 ||
		(resp->status == 426 && http_head_get(resp, HTTP_FIELD_UPGRADE, NULL) != NULL)) {
		bool close = resp->status == 426 && !plan->keep_alive;

		put_upgrade(w, resp);
		PUT(w, "Connection: upgrade");
		put_span(w, close ? SPAN(", close") : SPAN(""));
		put_line_end(w);
		return;
	}
	if (resp->status < 200 || plan->framing == HTTP_BODY_TUNNEL)
		return;
	if (!plan->keep_alive)
		PUT_LINE(w, "Connection: close");
	else if (version == 10)
		PUT_LINE(w, "Connection: keep-alive");
}

int h1_response_write(const struct http_head *resp, const struct h1_response_plan *plan,
	enum http_method method, uint8_t version, char *buf, uint32_t cap)
{
	struct writer w = {.at = buf, .end = buf + cap};
	bool speaks_of_get = plan->framing == HTTP_BODY_NONE && resp->framing != HTTP_BODY_LENGTH &&
			     (method == HTTP_HEAD || resp->status == 304);

	PUT(&w, "HTTP/1.1 ");
	put_number(&w, resp->status);
	PUT(&w, " ");
	put_span(&w, http_status_text(resp->status));
	put_line_end(&w);
	put_fields(&w, resp, speaks_of_get ? OWN_ALWAYS : OWN_ALWAYS | OWN_LENGTH);
	if (plan->framing == HTTP_BODY_LENGTH)
		put_length(&w, resp->length);
	else if (plan->framing == HTTP_BODY_STREAM)
		PUT_LINE(&w, "Transfer-Encoding: chunked");
	else if (plan->framing == HTTP_BODY_NONE)
		put_no_body(&w, resp, method);
	put_response_connection(&w, resp, plan, version);
	return finish(&w, buf);
}

/* ---- chunks ---- */

uint32_t h1_chunk_write(uint64_t len, char *buf)
{
	static const char digit[] = "0123456789abcdef";
	uint32_t n = len == 0 ? 1 : (67 - (uint32_t)__builtin_clzll(len)) / 4;

	for (uint32_t i = n; i > 0; i--) {
		buf[i - 1] = digit[len & 15];
		len >>= 4;
	}
	memcpy(buf + n, "\r\n", 2);
	return n + 2;
}

int h1_last_chunk_write(const struct http_head *trailers, char *buf, uint32_t cap)
{
	struct writer w = {.at = buf, .end = buf + cap};

	PUT_LINE(&w, "0");
	if (trailers != NULL)
		put_fields(&w, trailers, OWN_ALWAYS | OWN_HOST | OWN_LENGTH);
	return finish(&w, buf);
}
