/* SPDX-License-Identifier: Apache-2.0
 * Names are found by one multiplicative hash over the first and last eight bytes, without case. Its
 * factor was searched so that the names of HTTP_FIELDS fall into different slots; the table is
 * probed all the same, so an added name cannot break it. */
#include "lb/l7/http/head.h"

#include <errno.h>

#include "lb/l7/http/head_names.h"

struct http_name http_names[HTTP_FIELD_CNT];
uint8_t http_name_len[HTTP_FIELD_CNT];
uint8_t http_name_slot[HTTP_NAME_SLOTS];

static const struct span names[HTTP_FIELD_CNT] = {
#define F(id, name) [HTTP_FIELD_##id] = {name, sizeof(name) - 1},
	HTTP_FIELDS(F)
#undef F
};

#define F(id, name) _Static_assert(sizeof(name) - 1 <= HTTP_NAME_MAX, "a known name is too long");
HTTP_FIELDS(F)
#undef F
_Static_assert(HTTP_FIELD_CNT <= HTTP_NAME_SLOTS / 2, "the table of names must stay sparse");

/* Before main(): whoever parses need not be told. */
__attribute__((constructor)) static void names_init(void)
{
	for (uint32_t id = 1; id < HTTP_FIELD_CNT; id++) {
		struct http_name *n = &http_names[id];
		uint32_t slot;

		memcpy(n->text, names[id].at, names[id].len);
		for (uint32_t i = 0; i < names[id].len; i++)
			n->fold[i] = n->text[i] >= 'a' && n->text[i] <= 'z' ? 0x20 : 0;
		http_name_len[id] = (uint8_t)names[id].len;
		slot = http_name_hash(n->text, names[id].len);
		while (http_name_slot[slot] != HTTP_FIELD_OTHER)
			slot = (slot + 1) % HTTP_NAME_SLOTS;
		http_name_slot[slot] = (uint8_t)id;
	}
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool span_caseeq(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (uint32_t i = 0; i < a.len; i++) {
		if (lower(a.at[i]) != lower(b.at[i]))
			return false;
	}
	return true;
}

enum http_field_id http_field_find(struct span name)
{
	char padded[HTTP_NAME_MAX] = {0};

	if (name.len == 0 || name.len > HTTP_NAME_MAX)
		return HTTP_FIELD_OTHER;
	memcpy(padded, name.at, name.len);
	return http_field_find_padded(padded, name.len);
}

struct span http_field_name(enum http_field_id id)
{
	return names[id];
}

static const struct span methods[HTTP_OTHER + 1] = {
	[HTTP_GET] = {"GET", 3},
	[HTTP_HEAD] = {"HEAD", 4},
	[HTTP_POST] = {"POST", 4},
	[HTTP_PUT] = {"PUT", 3},
	[HTTP_DELETE] = {"DELETE", 6},
	[HTTP_CONNECT] = {"CONNECT", 7},
	[HTTP_OPTIONS] = {"OPTIONS", 7},
	[HTTP_TRACE] = {"TRACE", 5},
	[HTTP_PATCH] = {"PATCH", 5},
	[HTTP_OTHER] = {"", 0},
};

enum http_method http_method_find(struct span text)
{
	enum http_method m;

	if (text.len == 0)
		return HTTP_OTHER;
	for (m = HTTP_GET; m < HTTP_OTHER; m++) {
		if (span_eq(text, methods[m]))
			break;
	}
	return m;
}

struct span http_method_name(enum http_method m)
{
	return methods[m];
}

/* RFC 9110 15, and 429, 431, 451, 508, 511 of RFC 6585, 7725, 5842. */
/* clang-format off */
#define STATUS_TEXTS(S) \
	S(100, "Continue") \
	S(101, "Switching Protocols") \
	S(103, "Early Hints") \
	S(200, "OK") \
	S(201, "Created") \
	S(202, "Accepted") \
	S(203, "Non-Authoritative Information") \
	S(204, "No Content") \
	S(205, "Reset Content") \
	S(206, "Partial Content") \
	S(207, "Multi-Status") \
	S(300, "Multiple Choices") \
	S(301, "Moved Permanently") \
	S(302, "Found") \
	S(303, "See Other") \
	S(304, "Not Modified") \
	S(305, "Use Proxy") \
	S(307, "Temporary Redirect") \
	S(308, "Permanent Redirect") \
	S(400, "Bad Request") \
	S(401, "Unauthorized") \
	S(402, "Payment Required") \
	S(403, "Forbidden") \
	S(404, "Not Found") \
	S(405, "Method Not Allowed") \
	S(406, "Not Acceptable") \
	S(407, "Proxy Authentication Required") \
	S(408, "Request Timeout") \
	S(409, "Conflict") \
	S(410, "Gone") \
	S(411, "Length Required") \
	S(412, "Precondition Failed") \
	S(413, "Content Too Large") \
	S(414, "URI Too Long") \
	S(415, "Unsupported Media Type") \
	S(416, "Range Not Satisfiable") \
	S(417, "Expectation Failed") \
	S(421, "Misdirected Request") \
	S(422, "Unprocessable Content") \
	S(423, "Locked") \
	S(424, "Failed Dependency") \
	S(425, "Too Early") \
	S(426, "Upgrade Required") \
	S(428, "Precondition Required") \
	S(429, "Too Many Requests") \
	S(431, "Request Header Fields Too Large") \
	S(451, "Unavailable For Legal Reasons") \
	S(500, "Internal Server Error") \
	S(501, "Not Implemented") \
	S(502, "Bad Gateway") \
	S(503, "Service Unavailable") \
	S(504, "Gateway Timeout") \
	S(505, "HTTP Version Not Supported") \
	S(506, "Variant Also Negotiates") \
	S(507, "Insufficient Storage") \
	S(508, "Loop Detected") \
	S(511, "Network Authentication Required")
/* clang-format on */

struct span http_status_text(uint16_t status)
{
	switch (status) {
#define S(code, text) \
	case code:    \
		return SPAN(text);
		STATUS_TEXTS(S)
#undef S
	default:
		return SPAN("");
	}
}

/* ---- looking ---- */

static const struct http_field *begin_at(const struct http_head *h, const struct http_field *after)
{
	return after == NULL ? h->fields : after + 1;
}

const struct http_field *http_head_get(
	const struct http_head *h, enum http_field_id id, const struct http_field *after)
{
	const struct http_field *end = h->fields + h->field_cnt;

	for (const struct http_field *f = begin_at(h, after); f < end; f++) {
		if (f->id == id && (f->flags & HTTP_F_GONE) == 0)
			return f;
	}
	return NULL;
}

const struct http_field *http_head_find_as(const struct http_head *h, enum http_field_id id,
	struct span name, const struct http_field *after)
{
	const struct http_field *end = h->fields + h->field_cnt;

	if (id != HTTP_FIELD_OTHER)
		return http_head_get(h, id, after);
	for (const struct http_field *f = begin_at(h, after); f < end; f++) {
		if (f->id == HTTP_FIELD_OTHER && (f->flags & HTTP_F_GONE) == 0 &&
			span_caseeq(f->name, name))
			return f;
	}
	return NULL;
}

const struct http_field *http_head_find(
	const struct http_head *h, struct span name, const struct http_field *after)
{
	return http_head_find_as(h, http_field_find(name), name, after);
}

/* Where the member that begins at i ends: at a comma outside a quoted string, or at the end. */
static uint32_t member_end(struct span v, uint32_t i)
{
	bool quoted = false;

	for (; i < v.len; i++) {
		if (v.at[i] == '"')
			quoted = !quoted;
		else if (quoted && v.at[i] == '\\')
			i++;
		else if (!quoted && v.at[i] == ',')
			return i;
	}
	return v.len;
}

static struct span trim(const char *at, uint32_t len)
{
	while (len > 0 && (*at == ' ' || *at == '\t')) {
		at++;
		len--;
	}
	while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	return (struct span){at, len};
}

bool http_head_list_next(const struct http_head *h, enum http_field_id id,
	struct http_list_iter *it, struct span *member)
{
	if (it->field == NULL && it->at != UINT32_MAX)
		it->field = http_head_get(h, id, NULL);
	while (it->field != NULL) {
		struct span v = it->field->value;

		while (it->at < v.len) {
			uint32_t start = it->at, end = member_end(v, start);

			it->at = end + 1;
			*member = trim(v.at + start, end - start);
			if (member->len > 0)
				return true;
		}
		it->at = 0;
		it->field = http_head_get(h, id, it->field);
	}
	it->at = UINT32_MAX; /* asked again, it says no again */
	return false;
}

/* ---- editing ---- */

int http_head_add_as(
	struct http_head *h, enum http_field_id id, struct span name, struct span value)
{
	struct http_field *f;

	/* Only at the end: a freed place in between would change the order of equal names. */
	while (h->field_cnt > 0 && (h->fields[h->field_cnt - 1].flags & HTTP_F_GONE) != 0)
		h->field_cnt--;
	if (h->field_cnt == LIMIT_HTTP_FIELDS)
		return -ENOSPC;
	f = &h->fields[h->field_cnt++];
	*f = (struct http_field){.name = name, .value = value, .id = (uint16_t)id};
	return 0;
}

int http_head_add(struct http_head *h, enum http_field_id id, struct span value)
{
	return http_head_add_as(h, id, http_field_name(id), value);
}

int http_head_add_name(struct http_head *h, struct span name, struct span value)
{
	return http_head_add_as(h, http_field_find(name), name, value);
}

int http_head_set(struct http_head *h, enum http_field_id id, struct span value)
{
	bool done = false;

	for (uint32_t i = 0; i < h->field_cnt; i++) {
		struct http_field *f = &h->fields[i];

		if (f->id != id || (f->flags & HTTP_F_GONE) != 0)
			continue;
		if (done) {
			f->flags |= HTTP_F_GONE;
			continue;
		}
		f->value = value;
		done = true;
	}
	return done ? 0 : http_head_add(h, id, value);
}

void http_head_remove(struct http_head *h, enum http_field_id id)
{
	for (uint32_t i = 0; i < h->field_cnt; i++) {
		if (h->fields[i].id == id)
			h->fields[i].flags |= HTTP_F_GONE;
	}
}

void http_head_remove_as(struct http_head *h, enum http_field_id id, struct span name)
{
	if (id != HTTP_FIELD_OTHER) {
		http_head_remove(h, id);
		return;
	}
	for (uint32_t i = 0; i < h->field_cnt; i++) {
		if (h->fields[i].id == HTTP_FIELD_OTHER && span_caseeq(h->fields[i].name, name))
			h->fields[i].flags |= HTTP_F_GONE;
	}
}
