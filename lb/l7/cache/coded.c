/* SPDX-License-Identifier: Apache-2.0
 * Compressed bodies, made once: what a policy makes of a stored response on its way to the first
 * client that wants it so is put beside it, and later answers take it from there. The entry goes by
 * the number of the stored body, so it can never be taken for that of another response; with a new
 * body it is not found any more, and ages out. Who comes while it is made compresses for itself. */
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

static void answer_from(struct hc_req *q, const struct cache_view *v)
{
	q->view = *v;
	q->source = HC_SMALL;
	q->copy_only = false;
	q->bytes = v->val;
	q->bytes_len = q->total = v->len;
	q->ranges[0] = (struct http_range){0, v->len - 1};
	q->pos = 0;
	hc_count(&q->hw->stats.coded_hits, 1);
	HC_COUNT_ROUTE(q->hw, q->route, coded_hits, 1);
}

static bool coded_find(struct http_stream *s, uint8_t coding, uint64_t *len)
{
	struct hc_req *q = s->coded_arg;
	struct coded_key key;
	struct cache_view v;
	struct cache_key k;

	q->coding = coding;
	key_of(q, &key, &k);
	switch (cache_lookup(q->hw->cw, &k, http_now_ns(s), &v, &q->coded_lease, NULL)) {
	case CACHE_HIT:
		if (v.user != MARK_CODED || v.len == 0)
			return false; /* too long to be kept */
		answer_from(q, &v);
		*len = v.len;
		return true;
	case CACHE_LEASED:
		q->coded_len = 0;
		q->coded_buf = pool_get(&q->hw->coded);
		if (q->coded_buf == POOL_NONE)
			cache_lease_abort(q->hw->cw, &k, &q->coded_lease, http_now_ns(s));
		return false;
	default:
		return false;
	}
}

static void fill(struct hc_req *q, enum mark mark, const void *val, uint32_t len)
{
	struct cache_put p = {.val = val,
		.len = len,
		.user = (uint16_t)mark,
		.expire_ns = http_now_ns(q->s) + KEEP_NS};
	struct coded_key key;
	struct cache_key k;

	key_of(q, &key, &k);
	if (cache_fill(q->hw->cw, &k, &q->coded_lease, &p, http_now_ns(q->s)) == 0 &&
		mark == MARK_CODED)
		hc_count(&q->hw->stats.coded_stored, 1);
	let_go(q);
}

static void coded_made(struct http_stream *s, const struct rte_mbuf *chain, uint32_t len)
{
	struct hc_req *q = s->coded_arg;
	uint8_t *buf;

	if (q->coded_buf == POOL_NONE)
		return;
	if (len > HC_CODED_MAX - q->coded_len) {
		fill(q, MARK_PASS, "", 0);
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

	if (q->coded_buf == POOL_NONE)
		return;
	if (whole) {
		fill(q, MARK_CODED, pool_at(&q->hw->coded, q->coded_buf), q->coded_len);
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
	if (s->route->policies == NULL || s->resp.status != 200 || q->body == 0 ||
		s->req.method != HTTP_GET ||
		http_head_get(&s->resp, HTTP_FIELD_CONTENT_ENCODING, NULL) != NULL)
		return;
	s->coded = &ops;
	s->coded_arg = q;
}
