/* SPDX-License-Identifier: Apache-2.0
 * Compressed bodies, made once: what a policy makes of a stored response on its way to the first
 * client that wants it so is put beside it, and later answers take it from there. The entry goes by
 * the number of the stored body, so it can never be taken for that of another response; with a new
 * body it is not found any more, and ages out. Who comes while it is made compresses for itself.
 * A short one is collected in a buffer and put as a value; what is longer goes into an object. */
#include "dataplane/base/time.h"
#include "lb/l7/cache/hcache_pvt.h"

#define KEEP_NS (24 * 3600 * NS_PER_SEC)

struct coded_key {
	char tag[7];
	uint8_t coding;
	uint64_t body;
};

static void key_of(const struct hc_req *q, struct coded_key *key, struct cache_key *k)
{
	*key = (struct coded_key){.tag = {HC_TAG_CODED}, .coding = q->coding, .body = q->body};
	hc_key(q->hw, k, (const char *)key, sizeof(*key));
}

static void let_go(struct hc_req *q)
{
	pool_put(&q->hw->coded, q->coded_buf);
	q->coded_buf = POOL_NONE;
}

/* ---- one that is there ---- */

static void answer_from(struct hc_req *q, const struct cache_view *v, uint64_t len)
{
	q->view = *v;
	q->copy_only = false;
	q->total = len;
	q->ranges[0] = (struct http_range){0, len - 1};
	q->pos = 0;
	hc_count(&q->hw->stats.coded_hits, 1);
	HC_COUNT_ROUTE(q->hw, q->route, coded_hits, 1);
}

/* From here on the request's key is that of the compressed body: what is missing of it cannot be
 * fetched, and views are renewed by its key. False: no memory. */
static bool answer_from_object(struct hc_req *q, const struct cache_view *v)
{
	struct coded_key *key = http_arena_alloc(&q->s->arena, sizeof(*key));
	struct cache_key k;

	if (key == NULL)
		return false;
	key_of(q, key, &k);
	if (q->fetch != NULL)
		hc_fetch_leave(q->fetch);
	q->fetch = NULL;
	q->key = (const char *)key;
	q->key_len = sizeof(*key);
	q->source = HC_OBJECT;
	q->etag = (struct span){NULL, 0};
	q->place = (struct tier_place){0};
	answer_from(q, v, v->total_len);
	return true;
}

/* Its readers cannot fill a hole: who would meet one is not led into it. */
static bool all_there(const struct hc_req *q, const struct cache_view *v)
{
	uint64_t extent = cache_extent_bytes(q->hw->hc->cache), at = 0;

	for (uint32_t n = 0; at < v->total_len; n++, at += extent)
		if (!cache_extent_has(q->hw->cw, v, n))
			return false;
	return true;
}

static bool use_object(struct hc_req *q, const struct cache_view *v, bool *gone)
{
	struct coded_key key;
	struct cache_key k;

	if (v->user != MARK_CODED || v->stream != 0 || v->total_len == CACHE_LEN_UNKNOWN)
		return false; /* it is being made, as fast as its first client reads */
	if (all_there(q, v))
		return answer_from_object(q, v);
	key_of(q, &key, &k);
	*gone = cache_delete(q->hw->cw, &k, CACHE_IF_SEQ, v->seq, http_now_ns(q->s)) == 0;
	return false;
}

static bool use_small(struct hc_req *q, const struct cache_view *v)
{
	if (v->user != MARK_CODED || v->len == 0)
		return false; /* too long to be kept */
	q->source = HC_SMALL;
	q->bytes = v->val;
	q->bytes_len = v->len;
	answer_from(q, v, v->len);
	return true;
}

static bool coded_find(struct http_stream *s, uint8_t coding, uint64_t *len)
{
	struct hc_req *q = s->coded_arg;
	enum cache_found how;
	struct coded_key key;
	struct cache_view v;
	struct cache_key k;
	bool gone = false, found = false;

	q->coding = coding;
	key_of(q, &key, &k);
	how = cache_lookup(q->hw->cw, &k, http_now_ns(s), &v, &q->coded_lease, NULL);
	if (how == CACHE_OBJECT)
		found = use_object(q, &v, &gone);
	else if (how == CACHE_HIT)
		found = use_small(q, &v);
	if (gone)
		how = cache_lookup(q->hw->cw, &k, http_now_ns(s), &v, &q->coded_lease, NULL);
	if (how == CACHE_LEASED) {
		q->coded_len = 0;
		q->coded_buf = pool_get(&q->hw->coded);
		if (q->coded_buf == POOL_NONE)
			cache_lease_abort(q->hw->cw, &k, &q->coded_lease, http_now_ns(s));
	}
	if (found)
		*len = q->total;
	return found;
}

/* ---- one that is made ---- */

static void stored_one(struct hc_req *q)
{
	hc_count(&q->hw->stats.coded_stored, 1);
}

static void fill(struct hc_req *q)
{
	struct cache_put p = {.val = pool_at(&q->hw->coded, q->coded_buf),
		.len = q->coded_len,
		.user = MARK_CODED,
		.expire_ns = http_now_ns(q->s) + KEEP_NS};
	struct coded_key key;
	struct cache_key k;

	key_of(q, &key, &k);
	if (cache_fill(q->hw->cw, &k, &q->coded_lease, &p, http_now_ns(q->s)) == 0)
		stored_one(q);
	let_go(q);
}

static void object_end(struct hc_req *q, bool ok)
{
	struct coded_key key;
	struct cache_key k;

	key_of(q, &key, &k);
	if (cache_object_close(q->hw->cw, &k, q->coded_out, ok, http_now_ns(q->s)) == 0 && ok)
		stored_one(q);
	q->coded_out = NULL;
}

/* Longer than what memory is for: it passes, and so do those after it. */
static void object_too_long(struct hc_req *q)
{
	struct cache_put p = {.val = "",
		.user = MARK_PASS,
		.cond = CACHE_IF_ABSENT,
		.expire_ns = http_now_ns(q->s) + KEEP_NS};
	struct coded_key key;
	struct cache_key k;

	object_end(q, false);
	key_of(q, &key, &k);
	(void)!cache_put(q->hw->cw, &k, &p, http_now_ns(q->s));
}

static void object_add(struct hc_req *q, const void *data, uint32_t len)
{
	int64_t n;

	if (q->coded_out == NULL)
		return;
	if (q->coded_out->filled + len > q->hw->hc->conf.bytes / 2) {
		object_too_long(q);
		return;
	}
	n = cache_object_append(q->hw->cw, q->coded_out, data, len, http_now_ns(q->s));
	if (n != (int64_t)len) /* the client does not wait for memory */
		object_end(q, false);
}

/* It is longer than the buffer: what is there goes on as an object in extents. */
static void to_object(struct hc_req *q)
{
	static const struct hc_prefix none; /* readers of objects look for one */
	struct cache_object o = {.desc = &none,
		.desc_len = sizeof(none),
		.user = MARK_CODED,
		.expire_ns = http_now_ns(q->s) + KEEP_NS,
		.total_len = CACHE_LEN_UNKNOWN};
	struct coded_key key;
	struct cache_key k;

	key_of(q, &key, &k);
	q->coded_out = http_arena_alloc(&q->s->arena, sizeof(*q->coded_out));
	if (q->coded_out == NULL)
		cache_lease_abort(q->hw->cw, &k, &q->coded_lease, http_now_ns(q->s));
	else if (cache_object_open(
			 q->hw->cw, &k, &q->coded_lease, &o, q->coded_out, http_now_ns(q->s)) != 0)
		q->coded_out = NULL;
	object_add(q, pool_at(&q->hw->coded, q->coded_buf), q->coded_len);
	let_go(q);
}

static void coded_made(struct http_stream *s, const struct rte_mbuf *chain, uint32_t len)
{
	struct hc_req *q = s->coded_arg;
	uint8_t *buf;

	if (q->coded_buf != POOL_NONE && len > HC_CODED_MAX - q->coded_len)
		to_object(q);
	if (q->coded_buf == POOL_NONE) {
		for (const struct rte_mbuf *m = chain; m != NULL; m = m->next)
			object_add(q, rte_pktmbuf_mtod(m, const void *), m->data_len);
		return;
	}
	buf = pool_at(&q->hw->coded, q->coded_buf);
	for (const struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		memcpy(buf + q->coded_len, rte_pktmbuf_mtod(m, const void *), m->data_len);
		q->coded_len += m->data_len;
	}
}

static void coded_over(struct http_stream *s, bool whole)
{
	struct hc_req *q = s->coded_arg;
	struct coded_key key;
	struct cache_key k;

	if (q->coded_out != NULL)
		object_end(q, whole);
	if (q->coded_buf == POOL_NONE)
		return;
	if (whole) {
		fill(q);
		return;
	}
	key_of(q, &key, &k);
	cache_lease_abort(q->hw->cw, &k, &q->coded_lease, http_now_ns(s));
	let_go(q);
}

static const struct http_coded_ops ops = {
	.find = coded_find, .made = coded_made, .over = coded_over};

void hc_coded_offer(struct hc_req *q)
{
	struct http_stream *s = q->s;

	q->coded_buf = POOL_NONE;
	q->coded_out = NULL;
	if (s->route->policies == NULL || s->resp.status != 200 || q->body == 0 ||
		s->req.method != HTTP_GET ||
		http_head_get(&s->resp, HTTP_FIELD_CONTENT_ENCODING, NULL) != NULL)
		return;
	s->coded = &ops;
	s->coded_arg = q;
}
