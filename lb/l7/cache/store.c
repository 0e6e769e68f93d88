/* SPDX-License-Identifier: Apache-2.0
 * What of a fetch's response is stored: under which key and with which head; a short body collected
 * and put with its head, a longer one as an object, as it comes; and what a 304 changes of what is
 * stored. Bodies that come in parts are partial.c's. */
#include <errno.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "lb/l7/cache/hcache_pvt.h"

#define RETRY_NS       (2 * NS_PER_MS)
#define RETRIES_MAX    1000 /* of storing what found no memory */
#define VARY_KEEP_NS   (24 * 3600 * NS_PER_SEC)
#define VARY_NAMES_MAX 512

/* ---- keys and heads ---- */

void hc_drop(
	struct hcache_worker *hw, const char *key, uint32_t len, enum cache_cond cond, uint64_t seq)
{
	struct cache_key k;

	hc_key(hw, &k, key, len);
	(void)!cache_delete(hw->cw, &k, cond, seq, hw->w->loop.now_ns);
	tier_replaced(hw, key, len);
}

static uint64_t expire_at(
	struct hcache_worker *hw, const struct hcache_route *r, const struct fresh *fr)
{
	int64_t left = fresh_dead_ms(fr, r->keep_ms) - hc_wall_ms(hw);

	return hw->w->loop.now_ns + (left > 0 ? (uint64_t)left : 1) * NS_PER_MS;
}

uint64_t hc_expire_of(const struct hc_fetch *f, const struct fresh *fr)
{
	return expire_at(f->hw, f->route, fr);
}

/* Unlike that of any other body, also of other workers and earlier processes. */
static uint64_t new_body(struct hcache_worker *hw)
{
	hw->body_next += UINT64_C(0x9e3779b97f4a7c15);
	return hw->body_next != 0 ? hw->body_next : 1;
}

/* Prefix and head into the scratch buffer; 0: too long. */
uint32_t hc_encode(struct hc_fetch *f, const struct fresh *fr)
{
	struct hc_prefix pre = {.born = f->born,
		.primary = hc_primary(f->hw, f->primary, f->primary_len),
		.body = new_body(f->hw)};
	struct control_response c;
	uint32_t n;

	control_response_parse(
		&f->sub->s.resp, f->route->fresh.targets, f->route->fresh.target_cnt, &c);
	memcpy(f->hw->scratch, &pre, sizeof(pre));
	n = stored_encode(&f->sub->s.resp, fr, &c, f->hw->scratch + sizeof(pre),
		(uint32_t)(sizeof(f->hw->scratch) - sizeof(pre)));
	return n > 0 ? n + (uint32_t)sizeof(pre) : 0;
}

static bool set_key(struct hc_fetch *f, const char *key, uint32_t len)
{
	char *copy = hc_copy(&f->arena, key, len);

	if (copy == NULL)
		return false;
	f->key = copy;
	f->key_len = len;
	return true;
}

static bool same_key(const struct hc_fetch *f, const char *key, uint32_t len)
{
	return f->key_len == len && memcmp(f->key, key, len) == 0;
}

/* The key that the response belongs under, by its Vary; under the primary one it leaves the names.
 * A lease on another key ends. False: it cannot be stored. */
bool hc_settle_key(struct hc_fetch *f)
{
	char names[VARY_NAMES_MAX], key[HCACHE_KEY_MAX];
	struct cache_put p = {
		.val = names, .user = MARK_VARY, .expire_ns = hc_now(f) + VARY_KEEP_NS};
	struct cache_key k;
	uint32_t n, len;

	if (!key_vary_names(&f->sub->s.resp, names, sizeof(names), &len))
		return false;
	if (len == 0) {
		if (same_key(f, f->primary, f->primary_len))
			return true;
		hc_lease_end(f);
		return set_key(f, f->primary, f->primary_len);
	}
	n = key_variant(f->primary, f->primary_len, (struct span){names, len}, &f->sub->s.req, key,
		sizeof(key) - HC_KEY_ALIGN);
	n = hc_key_align(key, n);
	if (n == 0)
		return false;
	if (same_key(f, key, n))
		return true;
	p.len = len;
	hc_key(f->hw, &k, f->primary, f->primary_len);
	if (f->has_lease && !f->lease_is_validation && same_key(f, f->primary, f->primary_len)) {
		f->has_lease = false;
		if (cache_fill(f->hw->cw, &k, &f->lease, &p, hc_now(f)) != 0)
			return false;
	} else {
		hc_lease_end(f);
		if (cache_put(f->hw->cw, &k, &p, hc_now(f)) != 0)
			return false;
	}
	return set_key(f, key, n);
}

bool hc_too_large(const struct hc_fetch *f, uint64_t len)
{
	return len != CACHE_LEN_UNKNOWN && f->route->max_bytes > 0 && len > f->route->max_bytes;
}

/* ---- 304 ---- */

/* Stored again with a new head. */
int hc_freshen_by(const struct hc_news *by, const struct cache_view *v, const struct stored *old)
{
	struct hcache_worker *hw = by->hw;
	struct hc_prefix pre = *(const struct hc_prefix *)(const void *)v->val;
	uint32_t off = (uint32_t)sizeof(pre), body_at = off + old->len, body = v->len - body_at, n;
	struct cache_put p = {
		.val = hw->scratch, .user = MARK_SMALL, .cond = CACHE_IF_SEQ, .cond_seq = v->seq};
	struct cache_object o = {.desc = hw->scratch, .user = MARK_OBJECT};
	uint64_t now_ns = hw->w->loop.now_ns;
	struct stored s;
	struct cache_key k;

	n = stored_freshen(&by->route->fresh, by->req, old, by->resp, by->request_ms,
		hc_wall_ms(hw), &hw->scratch_head, hw->scratch + off,
		(uint32_t)sizeof(hw->scratch) - off);
	if (n == 0 || !stored_decode(hw->scratch + off, n, &s))
		return -EPERM;
	pre.born = by->born;
	pre.place.flags |= TIER_PLACE_NEWER;
	memcpy(hw->scratch, &pre, sizeof(pre));
	hc_key(hw, &k, by->key, by->key_len);
	p.expire_ns = o.expire_ns = expire_at(hw, by->route, &s.fresh);
	if (v->found == CACHE_OBJECT) {
		o.desc_len = off + n;
		return cache_object_update(hw->cw, &k, v, &o, now_ns);
	}
	if (off + n + body > sizeof(hw->scratch))
		return -EFBIG;
	memcpy(hw->scratch + off + n, v->val + body_at, body);
	p.len = off + n + body;
	return cache_put(hw->cw, &k, &p, now_ns);
}

int hc_freshen(struct hc_fetch *f, const struct cache_view *v, const struct stored *old)
{
	struct hc_news by = {.hw = f->hw,
		.route = f->route,
		.key = f->key,
		.key_len = f->key_len,
		.req = &f->sub->s.req,
		.resp = &f->sub->s.resp,
		.request_ms = f->request_ms,
		.born = f->born};

	return hc_freshen_by(&by, v, old);
}

/* ---- short bodies ---- */

bool hc_small_begin(struct hc_fetch *f, uint32_t head_len, uint64_t body_len)
{
	if (body_len > HCACHE_SMALL || head_len + body_len > HTTP_ARENA_SLAB - 64)
		return false;
	f->buf_cap = head_len + (uint32_t)body_len;
	f->buf = http_arena_alloc(&f->arena, f->buf_cap);
	if (f->buf == NULL)
		return false;
	memcpy(f->buf, f->hw->scratch, head_len);
	f->buf_len = head_len;
	f->sink = SINK_SMALL;
	return true;
}

void hc_small_body(struct hc_fetch *f, struct rte_mbuf *chain)
{
	for (struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		ASSERT(m->data_len <= f->buf_cap - f->buf_len); /* the length was announced */
		memcpy(f->buf + f->buf_len, rte_pktmbuf_mtod(m, void *), m->data_len);
		f->buf_len += m->data_len;
	}
	chain_free_list(chain);
}

/* Complete: store it, and answer the leader from the copy. */
void hc_small_end(struct hc_fetch *f)
{
	struct hcache_worker *hw = f->hw;
	struct cache_put p = {
		.val = f->buf, .len = f->buf_len, .user = MARK_SMALL, .expire_ns = f->expire_ns};
	struct cache_view v = {.val = (const uint8_t *)f->buf,
		.len = f->buf_len,
		.user = MARK_SMALL,
		.found = CACHE_HIT};
	struct hc_req *q = hc_let_go(f);
	struct cache_key k;
	struct stored s;
	int rc;

	hc_key(hw, &k, f->key, f->key_len);
	f->sink = SINK_NONE;
	if (f->has_lease && !f->lease_is_validation) {
		f->has_lease = false;
		rc = cache_fill(hw->cw, &k, &f->lease, &p, hc_now(f));
	} else {
		rc = cache_put(hw->cw, &k, &p, hc_now(f));
		hc_lease_end(f);
	}
	hc_count(rc == 0 ? &hw->stats.stored : &hw->stats.no_memory, 1);
	if (rc == 0)
		tier_filled(hw, f->key, f->key_len);
	if (q == NULL)
		return;
	if (!stored_decode(f->buf + sizeof(struct hc_prefix),
		    f->buf_len - (uint32_t)sizeof(struct hc_prefix), &s)) {
		http_fail(q->s, HTTP_END_INTERNAL);
		return;
	}
	q->status.forward_status = s.status;
	q->status.stored = rc == 0;
	q->copy_only = true;
	hc_serve(q, &v, &s);
}

/* ---- objects ---- */

bool hc_object_begin(struct hc_fetch *f, uint32_t head_len, uint64_t body_len)
{
	struct cache_object o = {.user = MARK_OBJECT,
		.desc_len = head_len,
		.expire_ns = f->expire_ns,
		.total_len = body_len};
	bool own = f->has_lease && !f->lease_is_validation;
	struct cache_key k;

	o.desc = hc_copy(&f->arena, f->hw->scratch, head_len);
	if (o.desc == NULL)
		return false;
	hc_key(f->hw, &k, f->key, f->key_len);
	if (own)
		f->has_lease = false;
	if (cache_object_open(f->hw->cw, &k, own ? &f->lease : NULL, &o, &f->object, hc_now(f)) !=
		0)
		return false;
	f->sink = SINK_OBJECT;
	if (body_len != CACHE_LEN_UNKNOWN)
		tier_filled(f->hw, f->key, f->key_len);
	hc_lease_end(f); /* who waited for the validation reads along */
	return true;
}

uint32_t hc_object_room(const struct hc_fetch *f)
{
	uint64_t ahead = f->object.filled - f->wanted;

	if (f->held.head != NULL)
		return 0;
	if (f->leader == NULL || f->object.filled < f->wanted || ahead < HC_WINDOW / 2)
		return HC_WINDOW / 2; /* nobody, or somebody who waits for what is to come */
	return ahead < HC_WINDOW ? HC_WINDOW - (uint32_t)ahead : 0;
}

void hc_object_fail(struct hc_fetch *f)
{
	struct cache_key k;

	hc_key(f->hw, &k, f->key, f->key_len);
	(void)!cache_object_close(f->hw->cw, &k, &f->object, false, hc_now(f));
	f->sink = SINK_NONE;
}

void hc_object_end(struct hc_fetch *f)
{
	struct cache_key k;
	struct cache_usage u;
	uint64_t size = f->object.filled;

	hc_key(f->hw, &k, f->key, f->key_len);
	f->sink = SINK_NONE;
	if (cache_object_close(f->hw->cw, &k, &f->object, true, hc_now(f)) == 0)
		hc_count(&f->hw->stats.stored, 1);
	if (f->object.total_len == CACHE_LEN_UNKNOWN)
		tier_filled(f->hw, f->key, f->key_len);
	/* Most of it is evicted already, or it is longer than the route keeps: its length was not
	 * known before. */
	cache_usage(f->hw->hc->cache, &u);
	if ((size > u.segments * u.segment_bytes / 2 && !tier_keeps(f->hw, f->object.id)) ||
		hc_too_large(f, size))
		(void)!cache_delete(f->hw->cw, &k, CACHE_ALWAYS, 0, hc_now(f));
	(void)hc_let_go(f);
}

static void give_up(struct hc_fetch *f)
{
	hc_count(&f->hw->stats.no_memory, 1);
	hc_object_fail(f);
	chain_free(&f->held);
	(void)hc_let_go(f); /* it sees that its object failed */
	http_task_post(&f->hw->w->loop, &f->task);
}

/* As much of what is held as there is memory for. */
void hc_object_store(struct hc_fetch *f)
{
	while (f->held.head != NULL) {
		struct rte_mbuf *m = f->held.head;
		int64_t n = cache_object_append(
			f->hw->cw, &f->object, rte_pktmbuf_mtod(m, void *), m->data_len, hc_now(f));

		if (n < 0) {
			give_up(f);
			return;
		}
		if (n < m->data_len) {
			if (++f->tries > RETRIES_MAX) {
				give_up(f);
				return;
			}
			chain_strip(&f->held, (uint32_t)n);
			http_timer_set(&f->hw->w->loop, &f->timer, hc_now(f) + RETRY_NS);
			return;
		}
		chain_free_one(chain_pop(&f->held));
	}
	f->tries = 0;
	if (f->over)
		hc_object_end(f);
	else if (f->starved && hc_object_room(f) > 0)
		http_task_post(&f->hw->w->loop, &f->task);
}

void hc_object_body(struct hc_fetch *f, struct rte_mbuf *chain, uint32_t len)
{
	chain_append(&f->held, chain, len);
	hc_object_store(f);
}
