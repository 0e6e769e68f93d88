/* SPDX-License-Identifier: Apache-2.0
 * Responses that are compressed on their way (RFC 9110 8.4, 12.5.3). The response's policies
 * decide, and put a filter between what the action sends and the front; it writes into buffers of
 * the worker. The result is another representation: its entity tag becomes weak (8.8.1), its length
 * is not known before, ranges of it are not offered, and Vary says what it depends on. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config/config_compress.h"
#include "lb/l7/files/files.h"
#include "lb/l7/http/cond.h"
#include "lb/l7/http/http_pvt.h"
#include "lb/l7/policy/coder.h"
#include "lb/l7/policy/policy_pvt.h"

#define KEPT 8 /* coders of a kind that a worker keeps for the next stream */

static const char default_types[][64] = {"text/*", "application/json", "application/ld+json",
	"application/manifest+json", "application/problem+json", "application/javascript",
	"application/x-javascript", "application/xml", "application/xhtml+xml",
	"application/rss+xml", "application/atom+xml", "application/wasm", "image/svg+xml",
	"image/x-icon", "image/bmp", "font/ttf", "font/otf", "application/vnd.ms-fontobject"};

/* What one worker has. */
struct slot {
	CACHE_ALIGNED uint32_t active;
	uint32_t kept_cnt[FILES_CODING_CNT];
	struct coder *kept[FILES_CODING_CNT][KEPT];
};

struct compress {
	struct http_policy p;
	struct config_policy_compress conf; /* without its lists */
	uint32_t codings;                   /* bit set */
	uint32_t type_cnt, worker_cnt;
	char types[LIMIT_COMPRESS_TYPES][64];
	struct slot *slots;
};

/* In the stream's arena. */
struct filter {
	struct http_filter f;
	const struct compress *c;
	struct coder *coder;
	enum files_coding coding;
	bool flush;  /* what comes is not held back: nobody knows when more will come */
	bool broken; /* no memory */
};

/* ---- coders ---- */

static uint32_t level_of(const struct compress *c, enum files_coding coding)
{
	return coding == FILES_GZIP ? c->conf.gzip_level
	       : coding == FILES_BR ? c->conf.br_level
				    : c->conf.zstd_level;
}

static struct slot *slot_of(const struct compress *c, const struct http_stream *s)
{
	return &c->slots[s->w->conf.index];
}

static struct coder *coder_get(
	const struct compress *c, struct slot *slot, enum files_coding coding)
{
	if (slot->active >= c->conf.streams)
		return NULL;
	if (slot->kept_cnt[coding] > 0)
		return slot->kept[coding][--slot->kept_cnt[coding]];
	return coder_create(coding, level_of(c, coding));
}

static void coder_put(struct slot *slot, enum files_coding coding, struct coder *coder)
{
	if (slot->kept_cnt[coding] < KEPT && coder_reset(coder))
		slot->kept[coding][slot->kept_cnt[coding]++] = coder;
	else
		coder_destroy(coder);
}

/* ---- the filter ---- */

/* Runs the input through; what comes out is appended. False: no memory. */
static bool run(struct filter *f, struct http_stream *s, enum coder_op op, const char *in,
	uint32_t len, struct chain *out)
{
	struct coder_io io = {.in = in, .in_len = len};
	enum coder_result r;

	do {
		struct rte_mbuf *m = http_mbuf(s->w);
		uint32_t room;

		if (m == NULL)
			return false;
		room = rte_pktmbuf_tailroom(m);
		io.out = rte_pktmbuf_mtod(m, char *);
		io.out_len = room;
		r = coder_step(f->coder, op, &io);
		m->data_len = (uint16_t)(room - io.out_len);
		m->pkt_len = m->data_len;
		if (m->data_len > 0)
			chain_append(out, m, m->data_len);
		else
			rte_pktmbuf_free(m);
	} while (r == CODER_FULL);
	return r == CODER_DONE;
}

static uint32_t filter_body(
	struct http_filter *hf, struct http_stream *s, struct rte_mbuf *chain, uint32_t len)
{
	struct filter *f = container_of(hf, struct filter, f);
	struct chain out = {0};

	(void)len;
	for (const struct rte_mbuf *m = chain; m != NULL && !f->broken; m = m->next) {
		bool last = m->next == NULL;

		f->broken = !run(f, s, last && f->flush ? CODER_FLUSH : CODER_GO,
			rte_pktmbuf_mtod(m, const char *), m->data_len, &out);
	}
	chain_free_list(chain);
	if (f->broken) {
		chain_free(&out);
		return UINT32_MAX; /* the end will tell */
	}
	return http_send_filtered(s, out.head, out.len);
}

static bool filter_finish(struct http_filter *hf, struct http_stream *s)
{
	struct filter *f = container_of(hf, struct filter, f);
	struct chain out = {0};

	if (f->broken || !run(f, s, CODER_END, "", 0, &out)) {
		chain_free(&out);
		return false;
	}
	(void)http_send_filtered(s, out.head, out.len);
	return true;
}

static void filter_free(struct http_filter *hf, struct http_stream *s)
{
	struct filter *f = container_of(hf, struct filter, f);
	struct slot *slot = slot_of(f->c, s);

	coder_put(slot, f->coding, f->coder);
	slot->active--;
	f->coder = NULL;
}

/* ---- the decision ---- */

static struct span media_type(const struct http_head *h)
{
	const struct http_field *f = http_head_get(h, HTTP_FIELD_CONTENT_TYPE, NULL);
	uint32_t n = 0;

	if (f == NULL)
		return (struct span){NULL, 0};
	while (n < f->value.len && f->value.at[n] != ';' && f->value.at[n] != ' ')
		n++;
	return (struct span){f->value.at, n};
}

static bool type_matches(const char *pattern, struct span type)
{
	uint32_t n = (uint32_t)strlen(pattern);

	if (n > 2 && pattern[n - 1] == '*' && pattern[n - 2] == '/')
		return type.len >= n - 1 &&
		       span_caseeq((struct span){pattern, n - 1}, (struct span){type.at, n - 1});
	return span_caseeq((struct span){pattern, n}, type);
}

static bool worth_it(const struct compress *c, struct span type)
{
	if (type.len == 0)
		return false;
	/* Its events are to arrive one by one; who wants it nevertheless names it. */
	for (uint32_t i = 0; i < c->type_cnt; i++) {
		if (type_matches(c->types[i], type))
			return c->types[i][strlen(c->types[i]) - 1] != '*' ||
			       !span_caseeq(type, SPAN("text/event-stream"));
	}
	return false;
}

static bool list_has(const struct http_head *h, enum http_field_id id, struct span word)
{
	struct http_list_iter it = {0};
	struct span member;

	while (http_head_list_next(h, id, &it, &member)) {
		if (span_caseeq(member, word))
			return true;
	}
	return false;
}

/* What has a body that may be changed, and is not coded yet. */
static bool may_change(const struct http_stream *s)
{
	uint16_t status = s->resp.status;

	return status >= 200 && status != 204 && status != 206 && status != 304 &&
	       (s->resp.framing == HTTP_BODY_LENGTH || s->resp.framing == HTTP_BODY_STREAM ||
		       s->resp.framing == HTTP_BODY_TO_EOF) &&
	       http_head_get(&s->resp, HTTP_FIELD_CONTENT_ENCODING, NULL) == NULL &&
	       http_head_get(&s->resp, HTTP_FIELD_CONTENT_RANGE, NULL) == NULL &&
	       !list_has(&s->resp, HTTP_FIELD_CACHE_CONTROL, SPAN("no-transform"));
}

static bool add_vary(struct http_stream *s)
{
	if (list_has(&s->resp, HTTP_FIELD_VARY, SPAN("*")) ||
		list_has(&s->resp, HTTP_FIELD_VARY, SPAN("accept-encoding")))
		return true;
	return http_head_add(&s->resp, HTTP_FIELD_VARY, SPAN("Accept-Encoding")) == 0;
}

/* The entity tag that the coded response will have; empty: none, or as it is. False: no memory. */
static bool weak_tag(struct http_stream *s, struct span *tag)
{
	const struct http_field *f = http_head_get(&s->resp, HTTP_FIELD_ETAG, NULL);
	char *text;

	*tag = (struct span){NULL, 0};
	if (f == NULL || http_etag_weak(f->value))
		return true;
	text = http_arena_alloc(&s->arena, f->value.len + 2);
	if (text == NULL)
		return false;
	memcpy(text, "W/", 2);
	memcpy(text + 2, f->value.at, f->value.len);
	*tag = (struct span){text, f->value.len + 2};
	return true;
}

/* The response becomes the coded one. Its body may be chosen already, so that this must not fail:
 * there is room for one field, and `tag` is what weak_tag() made. */
static void change_head(struct http_stream *s, enum files_coding coding, struct span tag)
{
	static const struct span names[FILES_CODING_CNT] = {
		[FILES_BR] = {"br", 2}, [FILES_ZSTD] = {"zstd", 4}, [FILES_GZIP] = {"gzip", 4}};

	(void)!http_head_add(&s->resp, HTTP_FIELD_CONTENT_ENCODING, names[coding]);
	if (tag.len > 0)
		(void)!http_head_set(&s->resp, HTTP_FIELD_ETAG, tag);
	http_head_remove(&s->resp, HTTP_FIELD_ACCEPT_RANGES);
	http_head_remove(&s->resp, HTTP_FIELD_CONTENT_LENGTH);
	s->resp.framing = HTTP_BODY_STREAM;
	s->resp.length = 0;
}

static void compress_response(
	const struct http_policy *p, struct http_route_worker *rw, struct http_stream *s)
{
	const struct compress *c = container_of(p, struct compress, p);
	struct slot *slot = slot_of(c, s);
	enum files_coding coding;
	struct filter *f;
	struct span tag;
	uint64_t len;

	(void)rw;
	if (!may_change(s) || !worth_it(c, media_type(&s->resp)) || !add_vary(s))
		return;
	if (s->req.method == HTTP_HEAD || s->filter != NULL ||
		(s->resp.framing == HTTP_BODY_LENGTH && s->resp.length < c->conf.min_bytes))
		return;
	coding = files_negotiate(&s->req, c->codings | 1u << FILES_IDENTITY);
	if (coding == FILES_IDENTITY || s->resp.field_cnt >= LIMIT_HTTP_FIELDS ||
		!weak_tag(s, &tag))
		return;
	if (s->coded != NULL && s->coded->find(s, (uint8_t)coding, &len)) {
		change_head(s, coding, tag);
		s->resp.framing = HTTP_BODY_LENGTH;
		s->resp.length = len;
		return;
	}
	f = http_arena_alloc(&s->arena, sizeof(*f));
	if (f == NULL)
		return;
	*f = (struct filter){.f = {filter_body, filter_finish, filter_free},
		.c = c,
		.coding = coding,
		.flush = s->resp.framing != HTTP_BODY_LENGTH};
	f->coder = coder_get(c, slot, coding);
	if (f->coder == NULL)
		return;
	change_head(s, coding, tag);
	slot->active++;
	s->filter = &f->f;
}

/* ---- life ---- */

static void compress_describe(const struct http_policy *p, FILE *out)
{
	const struct compress *c = container_of(p, struct compress, p);

	fprintf(out, "compress:%s%s%s", (c->codings >> FILES_BR & 1) != 0 ? " br" : "",
		(c->codings >> FILES_ZSTD & 1) != 0 ? " zstd" : "",
		(c->codings >> FILES_GZIP & 1) != 0 ? " gzip" : "");
}

static void compress_free(struct http_policy *p)
{
	struct compress *c = container_of(p, struct compress, p);

	for (uint32_t w = 0; w < c->worker_cnt; w++) {
		for (uint32_t k = 0; k < FILES_CODING_CNT; k++) {
			for (uint32_t i = 0; i < c->slots[w].kept_cnt[k]; i++)
				coder_destroy(c->slots[w].kept[k][i]);
		}
	}
	free(c->slots);
	free(c);
}

static const struct http_policy_ops compress_ops = {
	.name = "compress",
	.response = compress_response,
	.describe = compress_describe,
	.free = compress_free,
};

static void set_types(struct compress *c, const char (*types)[64], uint32_t cnt)
{
	c->type_cnt = cnt < LIMIT_COMPRESS_TYPES ? cnt : LIMIT_COMPRESS_TYPES;
	for (uint32_t i = 0; i < c->type_cnt; i++)
		memcpy(c->types[i], types[i], sizeof(c->types[i]));
}

int policy_compress_create(
	const struct config_policy_compress *conf, uint32_t workers, struct http_policy **out)
{
	struct compress *c = calloc(1, sizeof(*c));

	*out = NULL;
	if (c == NULL)
		return -ENOMEM;
	c->slots = aligned_alloc(CACHE_LINE, workers * sizeof(*c->slots));
	if (c->slots == NULL) {
		free(c);
		return -ENOMEM;
	}
	memset(c->slots, 0, workers * sizeof(*c->slots));
	c->p = (struct http_policy){&compress_ops, 1};
	c->conf = *conf;
	c->worker_cnt = workers;
	for (uint32_t i = 0; i < conf->coding_cnt; i++)
		c->codings |= 1u << conf->codings[i];
	if (conf->coding_cnt == 0)
		c->codings = 1u << FILES_BR | 1u << FILES_ZSTD | 1u << FILES_GZIP;
	if (conf->type_cnt > 0)
		set_types(c, (const char(*)[64])conf->types, conf->type_cnt);
	else
		set_types(c, default_types, ARRAY_SIZE(default_types));
	*out = &c->p;
	return 0;
}
