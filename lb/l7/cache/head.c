/* SPDX-License-Identifier: Apache-2.0
 * Answers to HEAD that went past the cache say what a GET would have got: they bring the stored
 * response up to date, or show that it is not that any more (RFC 9111 4.3.5). */
#include "lb/l7/cache/hcache_pvt.h"

/* Validators that it has, and the length, are those of the stored response. */
static bool same(const struct stored *s, const struct http_head *resp, uint64_t len, int64_t now)
{
	const struct http_field *lm = http_head_get(resp, HTTP_FIELD_LAST_MODIFIED, NULL);
	const struct http_field *cl = http_head_get(resp, HTTP_FIELD_CONTENT_LENGTH, NULL);
	uint64_t n;

	if (!stored_validated(s, resp, now))
		return false;
	if (lm != NULL && http_date_parse(lm->value, now) != s->last_modified)
		return false;
	return cl == NULL || (http_number(cl->value, &n) && n == len);
}

static bool look(struct hc_req *q, struct cache_view *v)
{
	enum cache_found how;
	struct cache_key k;

	hc_key(q->hw, &k, q->key, q->key_len);
	how = cache_get(q->hw->cw, &k, http_now_ns(q->s), v);
	return how == CACHE_HIT || how == CACHE_OBJECT;
}

/* What a GET like q would be answered with. */
static bool chosen(struct hc_req *q, struct cache_view *v)
{
	return look(q, v) && (v->user != MARK_VARY || q->key != q->primary ||
				     (hc_to_variant(q, v) && look(q, v)));
}

void hc_head_seen(struct hc_req *q)
{
	struct http_head req = q->s->req;
	struct hc_news by = {.hw = q->hw,
		.route = q->route,
		.req = &req,
		.resp = &q->s->resp,
		.request_ms = q->arrived_ms};
	struct cache_view v;
	struct stored old;
	uint64_t len;
	bool soft;

	if (!chosen(q, &v) || v.stream != 0 || !hc_decode(&v, &old, &by.born) || old.status != 200)
		return;
	len = v.found == CACHE_OBJECT ? v.total_len : v.len - sizeof(struct hc_prefix) - old.len;
	hc_add_date(q->s, q->hw);
	by.key = q->key;
	by.key_len = q->key_len;
	req.method = HTTP_GET;
	if (hc_open_view(q, &v, &old, &soft) &&
		same(&old, by.resp, len, hc_wall_ms(q->hw) / 1000)) {
		if (hc_freshen_by(&by, &v, &old) == 0)
			hc_count(&q->hw->stats.head_freshened, 1);
		return;
	}
	/* Whatever it was, it is not what there is now. */
	hc_drop(q->hw, q->key, q->key_len, CACHE_IF_SEQ, v.seq);
}
