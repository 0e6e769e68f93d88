/* SPDX-License-Identifier: Apache-2.0
 * Sorted sets: ranges by rank, score and name. */
#include <math.h>

#include "lb/l7/resp/zset.h"

/* ---- bounds ---- */

/* "(1.5", "2", "-inf" */
static bool score_bound(const struct resp_arg *a, double *v, bool *open)
{
	*open = a->len > 0 && a->p[0] == '(';
	/* Nothing behind the bracket is zero to Redis. */
	if (*open && a->len == 1) {
		*v = 0;
		return true;
	}
	return parse_double(a->p + *open, a->len - *open, v);
}

/* The bound as bytes of ORDER: what begins with the score, or all behind that. */
static uint8_t *score_bytes(struct resp_call *k, double v, bool behind, uint16_t *len)
{
	uint8_t *p = kvs_alloc(k->tx, ZSET_SCORE);

	*len = ZSET_SCORE;
	if (p == NULL)
		return NULL;
	codec_score_encode(v, p);
	if (behind)
		*len = (uint16_t)codec_successor(p, ZSET_SCORE);
	return p;
}

static struct kvs_range range_of(const struct resp_arg *key, uint8_t space)
{
	return (struct kvs_range){.key = key->p,
		.key_len = (uint16_t)key->len,
		.space = space,
		.values = space == CODEC_ITEM};
}

bool zset_by_score(struct resp_call *k, const struct resp_arg *key, const struct resp_arg *min,
	const struct resp_arg *max, struct zset_range *out)
{
	double lo, hi;
	bool lo_open, hi_open;

	*out = (struct zset_range){.r = range_of(key, CODEC_ORDER)};
	if (!score_bound(min, &lo, &lo_open) || !score_bound(max, &hi, &hi_open)) {
		reply_error(k->out, "ERR min or max is not a float");
		return false;
	}
	out->empty = lo > hi || (lo == hi && (lo_open || hi_open));
	out->r.from = score_bytes(k, lo, lo_open, &out->r.from_len);
	out->r.to = score_bytes(k, hi, !hi_open, &out->r.to_len);
	return out->r.from != NULL && out->r.to != NULL;
}

/* "-", "+", "[name", "(name" */
static bool lex_bound(const struct resp_arg *a)
{
	return a->len > 0 && (a->p[0] == '[' || a->p[0] == '(' ||
				     (a->len == 1 && (a->p[0] == '-' || a->p[0] == '+')));
}

/* The name itself, or the next one behind it. */
static const uint8_t *lex_bytes(
	struct resp_call *k, const struct resp_arg *a, bool behind, uint16_t *len)
{
	uint8_t *p = kvs_alloc(k->tx, a->len + 1u);

	if (p == NULL)
		return NULL;
	memcpy(p, a->p + 1, a->len - 1);
	p[a->len - 1] = 0;
	*len = (uint16_t)(a->len - 1 + behind);
	return p;
}

static bool lex_is_empty(const struct resp_arg *min, const struct resp_arg *max)
{
	uint32_t n;
	int c;

	if (min->p[0] == '+' || max->p[0] == '-')
		return true;
	if (min->p[0] == '-' || max->p[0] == '+')
		return false;
	n = (min->len < max->len ? min->len : max->len) - 1;
	c = memcmp(min->p + 1, max->p + 1, n);
	if (c == 0 && min->len != max->len)
		c = min->len < max->len ? -1 : 1;
	return c > 0 || (c == 0 && (min->p[0] == '(' || max->p[0] == '('));
}

bool zset_by_lex(struct resp_call *k, const struct resp_arg *key, const struct resp_arg *min,
	const struct resp_arg *max, struct zset_range *out)
{
	*out = (struct zset_range){.r = range_of(key, CODEC_ITEM)};
	if (!lex_bound(min) || !lex_bound(max)) {
		reply_error(k->out, "ERR min or max not valid string range item");
		return false;
	}
	out->empty = lex_is_empty(min, max);
	if (out->empty)
		return true;
	if (min->p[0] != '-') {
		out->r.from = lex_bytes(k, min, min->p[0] == '(', &out->r.from_len);
		if (out->r.from == NULL)
			return false;
	}
	if (max->p[0] != '+') {
		out->r.to = lex_bytes(k, max, max->p[0] == '[', &out->r.to_len);
		/* No name is below the empty one, and a length of 0 would mean no bound. */
		out->empty = out->r.to_len == 0;
		if (out->r.to == NULL)
			return false;
	}
	return true;
}

struct kvs_range zset_by_rank(const struct coll *c, uint64_t from, uint64_t to, bool reverse,
	uint64_t *skip, bool *backwards)
{
	struct kvs_range r = range_of(c->key, CODEC_ORDER);

	if (reverse) {
		uint64_t was = from;

		from = c->count - 1 - to;
		to = c->count - 1 - was;
	}
	/* From the end that is nearer. */
	r.reverse = from > c->count - 1 - to;
	*skip = r.reverse ? c->count - 1 - to : from;
	r.limit = (uint32_t)(*skip + (to - from + 1));
	*backwards = r.reverse != reverse;
	return r;
}

/* ---- ZRANGE and its kin ---- */

enum by { BY_RANK, BY_SCORE, BY_LEX };

struct query {
	enum by by;
	bool reverse, scores, has_limit;
	int64_t offset, limit;
	uint32_t key, min, max; /* arguments */
};

struct page {
	struct zset_elem *v;
	uint64_t n;
};

static bool take_page(struct resp_call *k, const struct kvs_scan *s, uint64_t skip, uint64_t n,
	bool backwards, struct page *p)
{
	uint64_t have = s->count > skip ? s->count - skip : 0;

	p->n = n < have ? n : have;
	p->v = kvs_alloc(k->tx, (p->n + 1) * sizeof(p->v[0]));
	if (p->v == NULL)
		return false;
	for (uint64_t i = 0; i < p->n; i++)
		p->v[backwards ? p->n - 1 - i : i] = zset_elem(&s->items[skip + i], s->r.space);
	return true;
}

static bool rank_page(struct resp_call *k, const struct query *q, struct page *p)
{
	const struct kvs_scan *s;
	int64_t from, to, n;
	uint64_t skip;
	bool backwards;
	struct coll c;

	if (!arg_int(k, q->min, &from) || !arg_int(k, q->max, &to) ||
		!coll_open(k, q->key, CODEC_ZSET, &c))
		return false;
	n = (int64_t)c.count;
	from = from < 0 ? (from + n < 0 ? 0 : from + n) : from;
	to = to < 0 ? to + n : to >= n ? n - 1 : to;
	if (from > to || from >= n) {
		p->n = 0;
		return true;
	}
	{
		struct kvs_range r = zset_by_rank(
			&c, (uint64_t)from, (uint64_t)to, q->reverse, &skip, &backwards);

		s = kvs_scan(k->tx, &r);
	}
	return s != NULL && take_page(k, s, skip, (uint64_t)(to - from + 1), backwards, p);
}

static bool bound_page(struct resp_call *k, const struct query *q, struct page *p)
{
	const struct resp_arg *key = &k->v[q->key];
	const struct kvs_scan *s;
	struct zset_range z;
	struct coll c;
	uint64_t skip = 0, n = UINT64_MAX;

	if (!(q->by == BY_SCORE ? zset_by_score : zset_by_lex)(
		    k, key, &k->v[q->min], &k->v[q->max], &z) ||
		!coll_open(k, q->key, CODEC_ZSET, &c))
		return false;
	p->n = 0;
	if (z.empty || (q->has_limit && (q->limit == 0 || q->offset < 0)))
		return true;
	z.r.reverse = q->reverse;
	if (q->has_limit) {
		skip = (uint64_t)q->offset;
		if (q->limit > 0)
			n = (uint64_t)q->limit;
		if (q->limit > 0 && skip + n < UINT32_MAX)
			z.r.limit = (uint32_t)(skip + n);
	}
	s = kvs_scan(k->tx, &z.r);
	return s != NULL && take_page(k, s, skip, n, false, p);
}

static bool page_of(struct resp_call *k, const struct query *q, struct page *p)
{
	return q->by == BY_RANK ? rank_page(k, q, p) : bound_page(k, q, p);
}

static void reply_page(struct resp_call *k, const struct page *p, bool scores)
{
	bool pairs = scores && k->out->proto == 3;

	reply_array(k->out, scores && !pairs ? 2 * p->n : p->n);
	for (uint64_t i = 0; i < p->n; i++) {
		if (pairs)
			reply_array(k->out, 2);
		reply_bulk(k->out, p->v[i].m, p->v[i].len);
		if (scores)
			reply_double(k->out, p->v[i].score);
	}
}

/* Words behind the bounds. `store` knows no WITHSCORES; `whole` is ZRANGE's own syntax. */
static bool words(struct resp_call *k, uint32_t from, bool whole, bool store, struct query *q)
{
	for (uint32_t i = from; i < k->n; i++) {
		const struct resp_arg *a = &k->v[i];

		if (!store && arg_is(a, "withscores")) {
			q->scores = true;
		} else if (arg_is(a, "limit") && i + 2 < k->n) {
			if (!arg_int(k, i + 1, &q->offset) || !arg_int(k, i + 2, &q->limit))
				return false;
			q->has_limit = true;
			i += 2;
		} else if (whole && arg_is(a, "rev")) {
			q->reverse = true;
		} else if (whole && arg_is(a, "byscore")) {
			q->by = BY_SCORE;
		} else if (whole && arg_is(a, "bylex")) {
			q->by = BY_LEX;
		} else {
			reply_error(k->out, SYNTAX);
			return false;
		}
	}
	if (q->has_limit && q->by == BY_RANK) {
		reply_error(k->out, "ERR syntax error, LIMIT is only supported in combination with "
				    "either BYSCORE or BYLEX");
		return false;
	}
	if (q->scores && q->by == BY_LEX) {
		reply_error(k->out, whole ? "ERR syntax error, WITHSCORES not supported in "
					    "combination with BYLEX"
					  : SYNTAX);
		return false;
	}
	return true;
}

static void query(struct resp_call *k, struct query *q, bool whole)
{
	struct page p;

	q->key = 1;
	q->min = 2;
	q->max = 3;
	if (!words(k, 4, whole, false, q))
		return;
	if (q->reverse && q->by != BY_RANK) {
		q->min = 3;
		q->max = 2;
	}
	if (page_of(k, q, &p))
		reply_page(k, &p, q->scores);
}

void rcmd_zrange(struct resp_call *k)
{
	query(k, &(struct query){.by = BY_RANK}, true);
}

void rcmd_zrevrange(struct resp_call *k)
{
	query(k, &(struct query){.by = BY_RANK, .reverse = true}, false);
}

void rcmd_zrangebyscore(struct resp_call *k)
{
	query(k, &(struct query){.by = BY_SCORE}, false);
}

void rcmd_zrevrangebyscore(struct resp_call *k)
{
	query(k, &(struct query){.by = BY_SCORE, .reverse = true}, false);
}

void rcmd_zrangebylex(struct resp_call *k)
{
	query(k, &(struct query){.by = BY_LEX}, false);
}

void rcmd_zrevrangebylex(struct resp_call *k)
{
	query(k, &(struct query){.by = BY_LEX, .reverse = true}, false);
}

void rcmd_zrangestore(struct resp_call *k)
{
	struct query q = {.key = 2, .min = 3, .max = 4};
	struct page p;
	struct coll c;

	if (!words(k, 5, true, true, &q))
		return;
	if (q.reverse && q.by != BY_RANK) {
		q.min = 4;
		q.max = 3;
	}
	(void)call_any(k, 1);
	if (!page_of(k, &q, &p) || kvs_waits(k->tx))
		return;
	coll_renew(&c, &k->v[1], CODEC_ZSET);
	c.count = p.n;
	coll_save(k, &c);
	for (uint64_t i = 0; i < p.n; i++)
		zset_put(k, &c, p.v[i].m, p.v[i].len, p.v[i].score, NULL);
	reply_int(k->out, (int64_t)p.n);
}

/* ---- counting, removing ---- */

static void count(struct resp_call *k, enum by by)
{
	struct query q = {.by = by, .key = 1, .min = 2, .max = 3};
	struct page p;

	if (page_of(k, &q, &p))
		reply_int(k->out, (int64_t)p.n);
}

void rcmd_zcount(struct resp_call *k)
{
	count(k, BY_SCORE);
}

void rcmd_zlexcount(struct resp_call *k)
{
	count(k, BY_LEX);
}

/* A page of ITEM has the scores as values, one of ORDER in its keys. */
static void remove_page(struct resp_call *k, const struct page *p)
{
	struct coll c;

	if (p->n == 0 || !coll_open(k, 1, CODEC_ZSET, &c))
		return;
	for (uint64_t i = 0; i < p->n; i++)
		zset_remove(k, &c, p->v[i].m, p->v[i].len, p->v[i].score);
	c.count -= p->n;
	coll_save(k, &c);
}

static void remove_range(struct resp_call *k, enum by by)
{
	struct query q = {.by = by, .key = 1, .min = 2, .max = 3};
	struct page p;

	if (!page_of(k, &q, &p))
		return;
	remove_page(k, &p);
	reply_int(k->out, (int64_t)p.n);
}

void rcmd_zremrangebyrank(struct resp_call *k)
{
	remove_range(k, BY_RANK);
}

void rcmd_zremrangebyscore(struct resp_call *k)
{
	remove_range(k, BY_SCORE);
}

void rcmd_zremrangebylex(struct resp_call *k)
{
	remove_range(k, BY_LEX);
}

static void pop(struct resp_call *k, bool reverse)
{
	const struct kvs_scan *s;
	struct kvs_range r;
	struct page p;
	struct coll c;
	int64_t n;

	if (!coll_pop_count(k, &n) || !coll_open(k, 1, CODEC_ZSET, &c))
		return;
	if (n == 0 || !c.exists) {
		reply_array(k->out, 0);
		return;
	}
	r = range_of(c.key, CODEC_ORDER);
	r.reverse = reverse;
	r.limit = n > UINT32_MAX ? 0 : (uint32_t)n;
	s = kvs_scan(k->tx, &r);
	if (s == NULL || !take_page(k, s, 0, (uint64_t)n, false, &p))
		return;
	remove_page(k, &p);
	if (k->n == 2 && k->out->proto == 3) {
		reply_array(k->out, 2);
		reply_bulk(k->out, p.v[0].m, p.v[0].len);
		reply_double(k->out, p.v[0].score);
		return;
	}
	reply_page(k, &p, true);
}

void rcmd_zpopmin(struct resp_call *k)
{
	pop(k, false);
}

void rcmd_zpopmax(struct resp_call *k)
{
	pop(k, true);
}

void rcmd_zrandmember(struct resp_call *k)
{
	struct coll_draw d;
	struct page p;

	if (!coll_draw(k, CODEC_ZSET, "withscores", &d))
		return;
	p.n = d.n;
	p.v = kvs_alloc(k->tx, (d.n + 1) * sizeof(p.v[0]));
	if (p.v == NULL)
		return;
	for (uint64_t i = 0; i < d.n; i++)
		p.v[i] = zset_elem(coll_drawn(k, &d, i), CODEC_ITEM);
	if (d.one)
		reply_bulk(k->out, p.v[0].m, p.v[0].len);
	else
		reply_page(k, &p, d.with);
}
