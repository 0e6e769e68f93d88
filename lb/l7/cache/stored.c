/* SPDX-License-Identifier: Apache-2.0
 * Layout: struct stored_hdr, field_cnt struct stored_field, text (names of unknown fields and
 * values in order). Everything is in the byte order of the machine. */
#include "lb/l7/cache/stored.h"

#include "lb/l7/http/cond.h"

#define STORED_MAGIC UINT32_C(0x57485331) /* changes with the layout */

struct stored_field {
	uint16_t id, name_len; /* name_len 0: the id's own name */
	uint32_t value_len;
	uint32_t at; /* of name and value, in text */
};

struct stored_hdr {
	uint32_t magic, len;
	uint16_t status, field_cnt;
	uint32_t text_len;
	int64_t last_modified;
	struct fresh fresh;
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

static void add(struct writer *w, uint16_t id, struct span name, struct span value)
{
	uint32_t name_len = id == HTTP_FIELD_OTHER ? name.len : 0;

	if (w->full || name_len > UINT16_MAX ||
		(size_t)(w->end - w->at) < (size_t)name_len + value.len) {
		w->full = true;
		return;
	}
	w->field[w->hdr->field_cnt++] = (struct stored_field){
		id, (uint16_t)name_len, value.len, (uint32_t)(w->at - w->text)};
	if (name_len > 0)
		memcpy(w->at, name.at, name_len);
	w->at += name_len;
	if (value.len > 0)
		memcpy(w->at, value.at, value.len);
	w->at += value.len;
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

bool stored_decode(const void *bytes, uint32_t len, struct stored *out)
{
	const struct stored_hdr *h = bytes;
	size_t heads;

	if (len < sizeof(*h) || h->magic != STORED_MAGIC || h->len > len)
		return false;
	heads = sizeof(*h) + (size_t)h->field_cnt * sizeof(struct stored_field);
	if (h->field_cnt > LIMIT_HTTP_FIELDS || heads + h->text_len != h->len)
		return false;
	*out = (struct stored){.fresh = h->fresh,
		.status = h->status,
		.len = h->len,
		.last_modified = h->last_modified,
		.fields = (const void *)((const char *)bytes + sizeof(*h)),
		.field_cnt = h->field_cnt,
		.text = (const char *)bytes + heads};
	for (uint32_t i = 0; i < out->field_cnt; i++) {
		const struct stored_field *f = &out->fields[i];

		if (f->id >= HTTP_FIELD_CNT || (f->id == HTTP_FIELD_OTHER) != (f->name_len > 0) ||
			(uint64_t)f->at + f->name_len + f->value_len > h->text_len)
			return false;
		if (f->id == HTTP_FIELD_ETAG)
			out->etag = (struct span){out->text + f->at, f->value_len};
		else if (f->id == HTTP_FIELD_SURROGATE_KEY)
			out->tags = (struct span){out->text + f->at, f->value_len};
	}
	return true;
}

static struct span value_of(const struct stored *s, const struct stored_field *f)
{
	return (struct span){s->text + f->at + f->name_len, f->value_len};
}

static struct span name_of(const struct stored *s, const struct stored_field *f)
{
	return f->name_len > 0 ? (struct span){s->text + f->at, f->name_len}
			       : http_field_name((enum http_field_id)f->id);
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
