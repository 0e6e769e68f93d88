/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/kv/kv.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "lb/config/config.h"
#include "lb/config/config_kv.h"
#include "lb/l7/kv/kv_pvt.h"
#include "lb/l7/route/route.h"

#define TTL_MAX INT64_C(315360000) /* ten years */

static void failed(struct kv_req *q, int err);

static const struct span ttl_name = {"ttl", 3};

/* ---- routes ---- */

static bool served(const struct config_http_kv *kv, const char *name)
{
	for (uint32_t i = 0; i < kv->namespace_cnt; i++)
		if (strcmp(kv->namespaces[i], name) == 0)
			return true;
	return kv->namespace_cnt == 0;
}

int kv_route_create(
	const struct config *cfg, const struct config_http_route *c, struct kv_route **out)
{
	const struct config_http_kv *kv = c->kv;
	struct kv_route *r = calloc(1, sizeof(*r));

	*out = r;
	if (r == NULL)
		return -ENOMEM;
	r->match = &c->match;
	r->max_value = kv->max_value;
	r->list_max = kv->list_max;
	r->read_only = kv->read_only;
	for (uint32_t i = 0; i < cfg->store.ns_cnt; i++) {
		const char *name = cfg->store.namespaces[i].name;

		if (!served(kv, name))
			continue;
		r->ns[r->ns_cnt].name = (struct span){name, (uint32_t)strlen(name)};
		r->ns[r->ns_cnt++].idx = (uint8_t)i;
	}
	return 0;
}

void kv_route_free(struct kv_route *r)
{
	free(r);
}

/* ---- answers ---- */

static void release(void *tx)
{
	kvs_release(tx);
}

/* A body in the transaction's memory, or, if it is `foreign`, in such as does not last. */
static void respond(struct kv_req *q, struct span type, const void *at, uint32_t len, bool foreign)
{
	if (len <= OWN_WHOLE) {
		http_respond(q->s, 200, type, (struct span){at, len});
		return;
	}
	if (foreign)
		at = kvs_copy(q->tx, at, len);
	if (at == NULL || !kvs_keep(q->tx, len)) {
		failed(q, -ENOBUFS);
		return;
	}
	http_respond_from(q->s, 200, type,
		&(struct http_source){.at = at, .len = len, .release = release, .ctx = q->tx});
}

void kv_json(struct kv_req *q, const char *text, size_t len)
{
	respond(q, SPAN("application/json"), text, (uint32_t)len, false);
}

void kv_problem(struct http_stream *s, uint16_t status, const char *title, const char *detail)
{
	char text[512];
	int n = snprintf(text, sizeof(text),
		"{\"type\": \"about:blank\", \"title\": \"%s\", \"status\": %u, \"detail\": "
		"\"%s\"}\n",
		title, status, detail);

	if (n < 0 || (size_t)n >= sizeof(text))
		n = 0;
	http_respond(s, status, SPAN("application/problem+json"), (struct span){text, (uint32_t)n});
}

uint32_t kv_etag(uint64_t version, char out[KV_ETAG_MAX])
{
	return (uint32_t)snprintf(out, KV_ETAG_MAX, "\"%" PRIx64 "\"", version);
}

static bool add_field(struct http_stream *s, struct span name, const char *text, uint32_t len)
{
	char *copy = http_arena_alloc(&s->arena, len > 0 ? len : 1);

	if (copy == NULL)
		return false;
	memcpy(copy, text, len);
	return http_head_add_name(&s->resp, name, (struct span){copy, len}) == 0;
}

static void add_etag(struct http_stream *s, uint64_t version)
{
	char text[KV_ETAG_MAX];
	uint32_t n = kv_etag(version, text);

	if (version != 0)
		(void)!add_field(s, http_field_name(HTTP_FIELD_ETAG), text, n);
}

struct trouble {
	int err;
	uint16_t status;
	const char *title, *detail;
};

static void failed(struct kv_req *q, int err)
{
	static const struct trouble known[] = {
		{-ENOSPC, 507, "Insufficient Storage", "the disk is full; nothing was written"},
		{-EROFS, 503, "Read-Only", "the shard is read-only after an error"},
		{-ENXIO, 503, "Offline", "the shard is offline"},
		{-EBUSY, 503, "Overloaded", "too many requests wait; nothing was done"},
		{-ENOBUFS, 503, "Overloaded", "no memory for the request"},
		{-ETIMEDOUT, 504, "Timeout", "the store did not answer in time"},
		{-EXDEV, 422, "Several Shards", "keys of several shards in one write"},
		{-ENOTRECOVERABLE, 500, "Outcome Unknown",
			"the write failed half-way: it may appear later"},
		{-EUCLEAN, 500, "Damaged", "this key's data on disk is damaged"},
	};
	const struct trouble other = {0, 500, "Store Error", "the store failed"}, *t = &other;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].err == err)
			t = &known[i];
	if (t->status == 503)
		(void)!add_field(q->s, http_field_name(HTTP_FIELD_RETRY_AFTER), "1", 1);
	kv_problem(q->s, t->status, t->title, t->detail);
}

/* The transaction ended; its arena goes with the return. */
static void done(struct kvs_tx *tx, int status)
{
	struct kv_req *q = tx->ctx;
	struct http_stream *s = q->s;

	if (s == NULL)
		return;
	s->action_state = NULL;
	s->resp.field_cnt = 0;
	if (status != 0)
		failed(q, status);
	else if (q->status >= 400)
		kv_problem(s, q->status, http_status_text(q->status).at, q->problem);
	else
		q->answer(q);
}

void kv_start(struct kv_req *q, void (*run)(struct kvs_tx *tx), void (*answer)(struct kv_req *q))
{
	q->tx->run = run;
	q->tx->done = done;
	q->answer = answer;
	q->started = true;
	kvs_start(q->tx);
}

/* ---- conditions ---- */

bool kv_conditions(struct kv_req *q, const struct kvs_ent *e)
{
	char etag[KV_ETAG_MAX];
	bool there = e->type != CODEC_NONE;
	struct http_selected sel = {.last_modified = HTTP_DATE_NONE, .date = HTTP_DATE_NONE};

	sel.etag = (struct span){etag, kv_etag(e->version, etag)};
	switch (http_cond_check(q->head, there ? &sel : NULL, 0)) {
	case HTTP_COND_NOT_MODIFIED:
		q->status = 304;
		return false;
	case HTTP_COND_FAILED:
		q->status = 412;
		q->problem = there ? "the key has another version" : "there is no such key";
		return false;
	default:
		return true;
	}
}

/* False: a collection of the Redis protocol. */
static bool is_value(struct kv_req *q, const struct kvs_ent *e)
{
	if (e->type == CODEC_NONE || e->type == CODEC_STRING)
		return true;
	q->status = 409;
	q->problem = "the key holds a collection, not a value";
	return false;
}

static void note(struct kv_req *q, const struct kvs_ent *e)
{
	q->found = e->type != CODEC_NONE;
	q->version = e->version;
	q->expire_ms = e->expire_ms;
	q->val = e->val;
	q->val_len = e->len;
	q->viewed = e->viewed;
}

/* ---- GET, HEAD ---- */

static void run_get(struct kvs_tx *tx)
{
	struct kv_req *q = tx->ctx;
	struct kvs_ent *e = kvs_key(tx, q->key, q->key_len);

	if (e == NULL)
		return;
	note(q, e);
	q->status = 200;
	if (!q->found) {
		q->status = 404;
		q->problem = "there is no such key";
		return;
	}
	if (!is_value(q, e) || !kv_conditions(q, e))
		return;
	if (e->len > KV_VALUE_MAX) {
		q->status = 409;
		q->problem = "the value is longer than 4 MiB: read it over the Redis protocol";
	}
}

static void add_ttl(struct kv_req *q)
{
	uint64_t now = kvs_wall_ms(q->tx->w);
	char text[24];
	int n;

	if (q->expire_ms == 0)
		return;
	n = snprintf(text, sizeof(text), "%" PRIu64,
		q->expire_ms > now ? (q->expire_ms - now + 999) / 1000 : 0);
	(void)!add_field(q->s, ttl_name, text, (uint32_t)n);
}

static void answer_get(struct kv_req *q)
{
	struct http_stream *s = q->s;

	add_etag(s, q->version);
	add_ttl(q);
	if (q->status == 304) {
		http_respond(s, 304, (struct span){NULL, 0}, (struct span){NULL, 0});
		return;
	}
	(void)!add_field(s, http_field_name(HTTP_FIELD_CACHE_CONTROL), "no-cache", 8);
	respond(q, SPAN("application/octet-stream"), q->val, q->val_len, q->viewed);
}

/* ---- PUT, DELETE ---- */

/* Seconds of the field TTL. False: no number. */
static bool ttl_of(struct kv_req *q, uint64_t *expire_ms)
{
	const struct http_field *f = http_head_find(q->head, ttl_name, NULL);
	uint64_t n;

	*expire_ms = 0;
	if (f == NULL)
		return true;
	if (!http_number(f->value, &n) || n == 0 || n > TTL_MAX)
		return false;
	*expire_ms = kvs_wall_ms(q->tx->w) + n * 1000;
	return true;
}

static void run_put(struct kvs_tx *tx)
{
	struct kv_req *q = tx->ctx;
	struct kvs_ent *e = kvs_key(tx, q->key, q->key_len);
	uint64_t expire_ms;

	if (e == NULL)
		return;
	note(q, e);
	q->status = q->found ? 204 : 201;
	if (!is_value(q, e) || !kv_conditions(q, e))
		return;
	if (!ttl_of(q, &expire_ms)) {
		q->status = 400;
		q->problem = "TTL is no number of seconds";
		return;
	}
	kvs_put(tx, q->key, q->key_len, q->body, q->body_len, expire_ms);
}

static void answer_write(struct kv_req *q)
{
	add_etag(q->s, q->tx->written);
	http_respond(q->s, q->status, (struct span){NULL, 0}, (struct span){NULL, 0});
}

static void run_delete(struct kvs_tx *tx)
{
	struct kv_req *q = tx->ctx;
	struct kvs_ent *e = kvs_key(tx, q->key, q->key_len);

	if (e == NULL)
		return;
	note(q, e);
	q->status = 204;
	if (!q->found) {
		q->status = 404;
		q->problem = "there is no such key";
		return;
	}
	if (kv_conditions(q, e))
		kvs_delete(tx, q->key, q->key_len);
}

static void answer_delete(struct kv_req *q)
{
	http_respond(q->s, q->status, (struct span){NULL, 0}, (struct span){NULL, 0});
}

/* ---- PATCH: {"increment": N} or {"append": "text"}, and "ttl": seconds (0: none) ---- */

struct patch {
	bool increment, append, has_ttl;
	int64_t by;
	const char *text;
	size_t text_len;
	uint64_t ttl;
};

static void bad_patch(struct kv_req *q, const char *why)
{
	q->status = 422;
	q->problem = why;
}

static bool parse_patch(struct kv_req *q, json_t *o, struct patch *p)
{
	const json_t *by = json_object_get(o, "increment"), *text = json_object_get(o, "append"),
		     *ttl = json_object_get(o, "ttl");

	*p = (struct patch){.increment = json_is_integer(by),
		.append = json_is_string(text),
		.has_ttl = json_is_integer(ttl)};
	if (p->increment == p->append || (by != NULL && !p->increment) ||
		(text != NULL && !p->append) || (ttl != NULL && !p->has_ttl) ||
		json_object_size(o) != 1u + (p->has_ttl ? 1u : 0u)) {
		bad_patch(q,
			"say {'increment': N} or {'append': 'text'}, and perhaps 'ttl': seconds");
		return false;
	}
	p->by = json_integer_value(by);
	p->text = json_string_value(text);
	p->text_len = json_string_length(text);
	if (p->has_ttl && (json_integer_value(ttl) < 0 || json_integer_value(ttl) > TTL_MAX)) {
		bad_patch(q, "ttl is out of range");
		return false;
	}
	p->ttl = (uint64_t)json_integer_value(ttl);
	return true;
}

static const uint8_t *incremented(
	struct kv_req *q, const struct kvs_ent *e, int64_t by, uint32_t *len)
{
	uint8_t *text = kvs_alloc(q->tx, 24);
	int64_t v = 0;

	if (text == NULL)
		return NULL;
	if (e->type != CODEC_NONE && codec_integer_parse(e->val, e->len, &v) != 0) {
		bad_patch(q, "the value is no integer");
		return NULL;
	}
	if (__builtin_add_overflow(v, by, &v)) {
		bad_patch(q, "the sum would overflow");
		return NULL;
	}
	*len = (uint32_t)codec_integer_format(v, text);
	return text;
}

static const uint8_t *appended(
	struct kv_req *q, const struct kvs_ent *e, const struct patch *p, uint32_t *len)
{
	uint64_t n = (uint64_t)e->len + p->text_len;
	uint8_t *text;

	if (n > q->route->max_value) {
		q->status = 413;
		q->problem = "the value would be too long";
		return NULL;
	}
	text = kvs_alloc(q->tx, n > 0 ? n : 1);
	if (text == NULL)
		return NULL;
	if (e->len > 0)
		memcpy(text, e->val, e->len);
	memcpy(text + e->len, p->text, p->text_len);
	*len = (uint32_t)n;
	return text;
}

static void patch_value(struct kv_req *q, const struct kvs_ent *e, const struct patch *p)
{
	uint64_t expire_ms = e->expire_ms;
	const uint8_t *val;
	uint32_t len = 0;

	val = p->increment ? incremented(q, e, p->by, &len) : appended(q, e, p, &len);
	if (val == NULL)
		return;
	if (p->has_ttl)
		expire_ms = p->ttl == 0 ? 0 : kvs_wall_ms(q->tx->w) + p->ttl * 1000;
	q->val = val;
	q->val_len = len;
	kvs_put(q->tx, q->key, q->key_len, val, len, expire_ms);
}

static void run_patch(struct kvs_tx *tx)
{
	struct kv_req *q = tx->ctx;
	struct kvs_ent *e = kvs_key(tx, q->key, q->key_len);
	json_error_t err;
	struct patch p;
	json_t *o;

	if (e == NULL)
		return;
	note(q, e);
	q->status = 200;
	if (!is_value(q, e) || !kv_conditions(q, e))
		return;
	o = json_loadb((const char *)q->body, q->body_len, JSON_REJECT_DUPLICATES, &err);
	if (!json_is_object(o))
		bad_patch(q, "the body is no JSON object");
	else if (parse_patch(q, o, &p))
		patch_value(q, e, &p);
	json_decref(o);
}

static void answer_patch(struct kv_req *q)
{
	add_etag(q->s, q->tx->written);
	respond(q, SPAN("application/octet-stream"), q->val, q->val_len, false);
}

/* ---- the request ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded; -1: not well-formed. */
static int decode(struct span in, uint8_t *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < in.len; i++) {
		if (in.at[i] != '%') {
			out[n++] = (uint8_t)in.at[i];
			continue;
		}
		if (i + 2 >= in.len || hex(in.at[i + 1]) < 0 || hex(in.at[i + 2]) < 0)
			return -1;
		out[n++] = (uint8_t)(hex(in.at[i + 1]) << 4 | hex(in.at[i + 2]));
		i += 2;
	}
	return (int)n;
}

/* The path behind the route's prefix, without the slash in front. */
static struct span below(const struct http_stream *s)
{
	const struct config_http_match *m = s->route->kv->match;
	struct span p = s->req.path;

	for (uint32_t i = 0; i < m->prefix_cnt; i++) {
		uint32_t n = (uint32_t)strlen(m->prefixes[i]);

		if (n > 0 && m->prefixes[i][n - 1] == '/')
			n--;
		if (p.len >= n && memcmp(p.at, m->prefixes[i], n) == 0 &&
			(p.len == n || p.at[n] == '/')) {
			p = (struct span){p.at + n, p.len - n};
			break;
		}
	}
	while (p.len > 0 && *p.at == '/')
		p = (struct span){p.at + 1, p.len - 1};
	return p;
}

static const char *const writes_refused = "this route only reads";

static bool writes(enum http_method m)
{
	return m != HTTP_GET && m != HTTP_HEAD;
}

static struct kv_req *req_new(struct http_stream *s, uint8_t ns, struct span key)
{
	struct kvs_worker *w = s->w->kvs;
	struct kvs_tx *tx = kvs_begin(w, ns);
	struct kv_req *q;
	int n;

	if (tx == NULL)
		return NULL;
	q = kvs_alloc(tx, sizeof(*q));
	if (q == NULL) {
		kvs_drop(tx);
		return NULL;
	}
	*q = (struct kv_req){.s = s, .tx = tx, .route = s->route->kv};
	q->head = &s->req;
	q->key = kvs_alloc(tx, key.len + 1);
	n = q->key == NULL ? -1 : decode(key, q->key);
	if (n < 0) {
		kvs_drop(tx);
		return NULL;
	}
	q->key_len = (uint32_t)n;
	tx->ctx = q;
	return q;
}

/* The request's conditions outlive the stream. */
static bool keep_head(struct kv_req *q)
{
	static const enum http_field_id ids[] = {HTTP_FIELD_IF_MATCH, HTTP_FIELD_IF_NONE_MATCH};
	struct http_head *h = kvs_alloc(
		q->tx, offsetof(struct http_head, fields) + 16 * sizeof(struct http_field));
	const struct http_field *f = NULL;

	if (h == NULL)
		return false;
	memset(h, 0, offsetof(struct http_head, fields));
	h->method = q->s->req.method;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		for (f = http_head_get(&q->s->req, ids[i], NULL); f != NULL && h->field_cnt < 15;
			f = http_head_get(&q->s->req, ids[i], f)) {
			h->fields[h->field_cnt] = *f;
			h->fields[h->field_cnt++].value.at =
				kvs_copy(q->tx, f->value.at, f->value.len);
		}
	f = http_head_find(&q->s->req, ttl_name, NULL);
	if (f != NULL) {
		h->fields[h->field_cnt] = *f;
		h->fields[h->field_cnt].name = ttl_name;
		h->fields[h->field_cnt++].value.at = kvs_copy(q->tx, f->value.at, f->value.len);
	}
	q->head = h;
	return q->tx->err == 0;
}

static void begin(struct kv_req *q)
{
	static const struct {
		void (*run)(struct kvs_tx *tx);
		void (*answer)(struct kv_req *q);
	} how[] = {
		[HTTP_GET] = {run_get, answer_get},
		[HTTP_HEAD] = {run_get, answer_get},
		[HTTP_PUT] = {run_put, answer_write},
		[HTTP_DELETE] = {run_delete, answer_delete},
		[HTTP_PATCH] = {run_patch, answer_patch},
	};
	enum http_method m = q->s->req.method;

	if (!keep_head(q) ||
		kvs_lock(q->tx, q->key, q->key_len, writes(m) ? KVS_UPDATE : KVS_READ) != 0) {
		kvs_drop(q->tx);
		q->s->action_state = NULL;
		kv_problem(q->s, 503, "Overloaded", "no memory for the request");
		return;
	}
	kv_start(q, how[m].run, how[m].answer);
}

static uint64_t body_max(const struct kv_req *q)
{
	return q->key_len > 0 ? q->route->max_value : KV_BATCH_BYTES;
}

static void go(struct kv_req *q)
{
	if (q->key_len > 0)
		begin(q);
	else if (q->s->req.method == HTTP_POST)
		kv_batch(q);
	else
		kv_list(q);
}

static bool method_ok(const struct http_stream *s, bool one_key)
{
	switch (s->req.method) {
	case HTTP_GET:
	case HTTP_HEAD:
		return true;
	case HTTP_PUT:
	case HTTP_DELETE:
	case HTTP_PATCH:
		return one_key;
	default:
		return s->req.method == HTTP_POST && !one_key;
	}
}

static void kv_open(struct http_stream *s, uint8_t ns, struct span key)
{
	struct kv_req *q;

	if (!method_ok(s, key.len > 0)) {
		kv_problem(s, 405, "Method Not Allowed", "no such method here");
		return;
	}
	if (s->route->kv->read_only && writes(s->req.method)) {
		kv_problem(s, 403, "Forbidden", writes_refused);
		return;
	}
	if (key.len > CODEC_KEY_MAX) {
		kv_problem(s, 414, "URI Too Long", "the key is too long");
		return;
	}
	q = req_new(s, ns, key);
	if (q == NULL) {
		kv_problem(s, 400, "Bad Request", "the key cannot be read, or there is no memory");
		return;
	}
	s->action_state = q;
	if (s->req.framing == HTTP_BODY_LENGTH && s->req.length > body_max(q)) {
		kvs_drop(q->tx);
		s->action_state = NULL;
		kv_problem(s, 413, "Content Too Large", "the value is too long");
		return;
	}
	if (s->req.framing == HTTP_BODY_NONE)
		go(q);
}

static void kv_begin(struct http_stream *s)
{
	const struct kv_route *r = s->route->kv;
	struct span rest = below(s), ns, key = {NULL, 0};
	const char *slash = rest.len > 0 ? memchr(rest.at, '/', rest.len) : NULL;

	if (s->w->kvs == NULL) {
		kv_problem(s, 503, "No Store", "there is no store");
		return;
	}
	ns = slash == NULL ? rest : (struct span){rest.at, (uint32_t)(slash - rest.at)};
	if (slash != NULL)
		key = (struct span){slash + 1, rest.len - ns.len - 1};
	for (uint32_t i = 0; i < r->ns_cnt; i++)
		if (span_eq(r->ns[i].name, ns)) {
			kv_open(s, r->ns[i].idx, key);
			return;
		}
	if (slash == NULL && span_eq(ns, SPAN("openapi.json")) && !writes(s->req.method))
		kv_openapi(s);
	else
		kv_problem(s, 404, "Not Found", "there is no such namespace");
}

/* The value, whole, in the transaction's memory. */
static bool take(struct kv_req *q, const struct rte_mbuf *chain, uint32_t len)
{
	uint64_t need = (uint64_t)q->body_len + len, cap;

	if (need > body_max(q))
		return false;
	if (need > q->body_cap) {
		uint8_t *more;

		cap = q->s->req.framing == HTTP_BODY_LENGTH ? q->s->req.length : 2 * need;
		if (cap < need)
			cap = need;
		more = kvs_alloc(q->tx, cap);
		if (more == NULL)
			return false;
		if (q->body_len > 0)
			memcpy(more, q->body, q->body_len);
		q->body = more;
		q->body_cap = (uint32_t)cap;
	}
	for (const struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		memcpy(q->body + q->body_len, rte_pktmbuf_mtod(m, const void *), m->data_len);
		q->body_len += m->data_len;
	}
	return true;
}

static void kv_body(struct http_stream *s, struct rte_mbuf *chain, uint32_t len)
{
	struct kv_req *q = s->action_state;
	bool ok = q == NULL || take(q, chain, len);
	bool large = q != NULL && (uint64_t)q->body_len + len > body_max(q);

	chain_free_list(chain);
	http_body_consumed(s, len);
	if (ok)
		return;
	kvs_drop(q->tx);
	s->action_state = NULL;
	if (large)
		kv_problem(s, 413, "Content Too Large", "the value is too long");
	else
		kv_problem(s, 503, "Overloaded", "no memory for the request");
}

static void kv_end(struct http_stream *s, const struct http_head *trailers)
{
	(void)trailers;
	if (s->action_state != NULL)
		go(s->action_state);
}

static void kv_cancel(struct http_stream *s)
{
	struct kv_req *q = s->action_state;

	if (q == NULL)
		return;
	q->s = NULL;
	if (!q->started)
		kvs_drop(q->tx);
}

const struct http_action http_action_kv = {
	.name = "kv",
	.start = kv_begin,
	.body = kv_body,
	.end = kv_end,
	.cancel = kv_cancel,
};
