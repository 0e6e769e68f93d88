/* SPDX-License-Identifier: Apache-2.0
 * Layout: struct stored_hdr, field_cnt struct stored_field, text: "Name: value" CR LF of each field
 * in order, so that the codec sends all that stands together in one piece. Everything is in the
 * byte order of the machine. */
#include "lb/l7/cache/stored.h"

#include "lb/l7/http/cond.h"

#define STORED_MAGIC UINT32_C(0x57485332) /* changes with the layout */

#define AROUND 4 /* ": " and CR LF */

struct stored_field {
	uint16_t id, name_len;
	uint32_t value_len;
	uint32_t at; /* of its line, in text */
};

struct stored_hdr {
	uint32_t magic, len;
	uint16_t status, field_cnt;
	uint32_t text_len;
	int64_t last_modified;
	struct fresh fresh;
	uint16_t etag, tags; /* 1 + index of their last field; 0: none */
	uint32_t unused;
};

struct writer {
	struct stored_hdr *hdr;
	struct stored_field *field;
	char *text, *at, *end;
	bool full;
};

/* ---- encode ---- */

/* RFC 9111 3.1, and what is made anew for each answer. */
static bool never_kept(const struct http_field *f, const struct control_response *c)
{
	if (f->flags & (HTTP_F_HOP | HTTP_F_GONE))
		return true;
	switch (f->id) {
	case HTTP_FIELD_CONTENT_LENGTH:
	case HTTP_FIELD_CONTENT_RANGE:
	case HTTP_FIELD_AGE:
	case HTTP_FIELD_PROXY_AUTHENTICATE:
	case HTTP_FIELD_PROXY_AUTHORIZATION:
	case HTTP_FIELD_PROXY_STATUS:
		return true;
	default:
		break;
	}
	if (span_caseeq(f->name, SPAN("proxy-authentication-info")))
		return true;
	return control_names(c->no_cache_fields, f->name) ||
	       control_names(c->private_fields, f->name);
}

/* What the stored body depends upon, and what would change the response's key (RFC 9111 3.2). */
static bool never_updated(const struct http_field *f, const struct control_response *c)
{
	return never_kept(f, c) || f->id == HTTP_FIELD_CONTENT_ENCODING || f->id == HTTP_FIELD_VARY;
}

static void begin(struct writer *w, char *out, uint32_t cap, uint32_t max_fields)
{
	size_t heads = sizeof(struct stored_hdr) + max_fields * sizeof(struct stored_field);

	*w = (struct writer){.full = heads > cap};
	if (w->full)
		return;
	w->hdr = (struct stored_hdr *)(void *)out;
	memset(w->hdr, 0, sizeof(*w->hdr));
	w->field = (struct stored_field *)(void *)(out + sizeof(struct stored_hdr));
	w->text = w->at = out + heads;
	w->end = out + cap;
}

static void put(struct writer *w, const char *bytes, uint32_t len)
{
	memcpy(w->at, bytes, len);
	w->at += len;
}

static void add(struct writer *w, uint16_t id, struct span name, struct span value)
{
	if (w->full || name.len > UINT16_MAX ||
		(size_t)(w->end - w->at) < (size_t)name.len + value.len + AROUND) {
		w->full = true;
		return;
	}
	w->field[w->hdr->field_cnt++] = (struct stored_field){
		id, (uint16_t)name.len, value.len, (uint32_t)(w->at - w->text)};
	if (id == HTTP_FIELD_ETAG)
		w->hdr->etag = w->hdr->field_cnt;
	else if (id == HTTP_FIELD_SURROGATE_KEY)
		w->hdr->tags = w->hdr->field_cnt;
	put(w, name.at, name.len);
	put(w, ": ", 2);
	if (value.len > 0)
		put(w, value.at, value.len);
	put(w, "\r\n", 2);
}

/* Text moves down to behind the fields that there really are. */
static uint32_t finish(
	struct writer *w, uint16_t status, int64_t last_modified, const struct fresh *f)
{
	struct stored_hdr *h = w->hdr;
	uint32_t len;

	if (w->full)
		return 0;
	h->text_len = (uint32_t)(w->at - w->text);
	memmove(w->field + h->field_cnt, w->text, h->text_len);
	len = (uint32_t)(sizeof(*h) + h->field_cnt * sizeof(*w->field)) + h->text_len;
	h->magic = STORED_MAGIC;
	h->len = len;
	h->status = status;
	h->last_modified = last_modified;
	h->fresh = *f;
	return len;
}

static int64_t modified_of(struct span v, const struct fresh *f)
{
	return v.len == 0 ? HTTP_DATE_NONE : http_date_parse(v, f->response_ms / 1000);
}

uint32_t stored_encode(const struct http_head *resp, const struct fresh *f,
	const struct control_response *control, char *out, uint32_t cap)
{
	const struct http_field *lm = http_head_get(resp, HTTP_FIELD_LAST_MODIFIED, NULL);
	struct writer w;

	begin(&w, out, cap, resp->field_cnt);
	for (uint32_t i = 0; i < resp->field_cnt; i++)
		if (!never_kept(&resp->fields[i], control))
			add(&w, resp->fields[i].id, resp->fields[i].name, resp->fields[i].value);
	return finish(&w, resp->status,
		modified_of(lm != NULL ? lm->value : (struct span){NULL, 0}, f), f);
}

/* ---- decode ---- */

static struct span value_of(const struct stored *s, const struct stored_field *f)
{
	return (struct span){s->text + f->at + f->name_len + 2, f->value_len};
}

static struct span name_of(const struct stored *s, const struct stored_field *f)
{
	return (struct span){s->text + f->at, f->name_len};
}

bool stored_open(const void *bytes, uint32_t len, struct stored *out)
{
	const struct stored_hdr *h = bytes;

	if (len < sizeof(*h) || h->magic != STORED_MAGIC || h->len > len ||
		h->etag > h->field_cnt || h->tags > h->field_cnt)
		return false;
	out->fresh = h->fresh;
	out->status = h->status;
	out->len = h->len;
	out->last_modified = h->last_modified;
	out->fields = (const void *)(h + 1);
	out->field_cnt = h->field_cnt;
	out->text = (const char *)(out->fields + h->field_cnt);
	out->etag = out->tags = (struct span){NULL, 0};
	if (h->etag > 0)
		out->etag = value_of(out, &out->fields[h->etag - 1]);
	if (h->tags > 0)
		out->tags = value_of(out, &out->fields[h->tags - 1]);
	return true;
}

static bool line_ok(const struct stored_field *f, const char *text, uint32_t text_len)
{
	const char *name = text + f->at, *value = name + f->name_len + 2;

	return f->id < HTTP_FIELD_CNT && f->name_len > 0 &&
	       (uint64_t)f->at + f->name_len + f->value_len + AROUND <= text_len &&
	       http_field_find((struct span){name, f->name_len}) == f->id &&
	       memcmp(value - 2, ": ", 2) == 0 && memcmp(value + f->value_len, "\r\n", 2) == 0;
}

bool stored_decode(const void *bytes, uint32_t len, struct stored *out)
{
	const struct stored_hdr *h = bytes;
	size_t heads;

	if (len < sizeof(*h) || h->magic != STORED_MAGIC || h->len > len)
		return false;
	heads = sizeof(*h) + (size_t)h->field_cnt * sizeof(struct stored_field);
	if (h->field_cnt > LIMIT_HTTP_FIELDS || heads + h->text_len != h->len)
		return false;
	for (uint32_t i = 0; i < h->field_cnt; i++)
		if (!line_ok((const struct stored_field *)(h + 1) + i, (const char *)bytes + heads,
			    h->text_len))
			return false;
	return stored_open(bytes, len, out);
}

void stored_head(const struct stored *s, struct http_head *resp)
{
	resp->status = s->status;
	resp->field_cnt = s->field_cnt;
	for (uint32_t i = 0; i < s->field_cnt; i++)
		resp->fields[i] = (struct http_field){.id = s->fields[i].id,
			.name = name_of(s, &s->fields[i]),
			.value = value_of(s, &s->fields[i])};
}

struct span stored_get(const struct stored *s, enum http_field_id id)
{
	for (uint32_t i = 0; i < s->field_cnt; i++)
		if (s->fields[i].id == id)
			return value_of(s, &s->fields[i]);
	return (struct span){NULL, 0};
}

/* ---- update ---- */

static bool replaced(const struct http_head *resp, const struct control_response *c, uint16_t id,
	struct span name)
{
	for (uint32_t i = 0; i < resp->field_cnt; i++) {
		const struct http_field *f = &resp->fields[i];

		if (f->id == id && (id != HTTP_FIELD_OTHER || span_caseeq(f->name, name)) &&
			!never_updated(f, c))
			return true;
	}
	return false;
}

uint32_t stored_update(const struct stored *old, const struct http_head *resp,
	const struct fresh *f, const struct control_response *control, char *out, uint32_t cap)
{
	struct span lm = stored_get(old, HTTP_FIELD_LAST_MODIFIED);
	struct writer w;

	if (old->field_cnt + resp->field_cnt > 2 * LIMIT_HTTP_FIELDS)
		return 0;
	begin(&w, out, cap, old->field_cnt + resp->field_cnt);
	for (uint32_t i = 0; i < old->field_cnt && !w.full; i++) {
		const struct stored_field *o = &old->fields[i];

		if (!replaced(resp, control, o->id, name_of(old, o)))
			add(&w, o->id, name_of(old, o), value_of(old, o));
	}
	for (uint32_t i = 0; i < resp->field_cnt && !w.full; i++) {
		const struct http_field *n = &resp->fields[i];

		if (never_updated(n, control))
			continue;
		add(&w, n->id, n->name, n->value);
		if (n->id == HTTP_FIELD_LAST_MODIFIED)
			lm = n->value;
	}
	if (!w.full && w.hdr->field_cnt > LIMIT_HTTP_FIELDS)
		return 0;
	return finish(&w, old->status, modified_of(lm, f), f);
}

static int64_t date_field(const struct http_head *resp, enum http_field_id id, int64_t now)
{
	const struct http_field *f = http_head_get(resp, id, NULL);

	return f == NULL ? HTTP_DATE_NONE : http_date_parse(f->value, now);
}

bool stored_validated(const struct stored *s, const struct http_head *resp, int64_t now)
{
	const struct http_field *etag = http_head_get(resp, HTTP_FIELD_ETAG, NULL);
	int64_t modified = date_field(resp, HTTP_FIELD_LAST_MODIFIED, now);

	if (etag != NULL) {
		if (!http_etag_weak(etag->value))
			return http_etag_match_strong(s->etag, etag->value);
		return http_etag_match_weak(s->etag, etag->value);
	}
	if (modified != HTTP_DATE_NONE)
		return s->last_modified == modified;
	/* No validator at all: it speaks of the one that was asked about. */
	return resp->status == 304 || (s->etag.len == 0 && s->last_modified == HTTP_DATE_NONE);
}

uint32_t stored_freshen(const struct fresh_policy *p, const struct http_head *req,
	const struct stored *old, const struct http_head *resp, int64_t request_ms,
	int64_t response_ms, struct http_head *scratch, char *out, uint32_t cap)
{
	const struct http_field *age = http_head_get(resp, HTTP_FIELD_AGE, NULL);
	struct control_response c;
	struct stored s;
	uint32_t len;

	stored_head(old, scratch);
	if (http_head_get(resp, HTTP_FIELD_CACHE_CONTROL, NULL) != NULL)
		control_response_parse(resp, p->targets, p->target_cnt, &c);
	else
		control_response_parse(scratch, p->targets, p->target_cnt, &c);
	len = stored_update(old, resp, &old->fresh, &c, out, cap);
	if (len == 0 || !stored_decode(out, len, &s))
		return 0;
	stored_head(&s, scratch);
	if (age != NULL && http_head_add(scratch, HTTP_FIELD_AGE, age->value) != 0)
		return 0;
	if (fresh_decide(p, req, scratch, request_ms, response_ms,
		    &((struct stored_hdr *)(void *)out)->fresh) != FRESH_STORE_OK)
		return 0;
	return len;
}
