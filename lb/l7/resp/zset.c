/* SPDX-License-Identifier: Apache-2.0
 * Sorted sets: members one by one. */
#include "lb/l7/resp/zset.h"

#include <errno.h>
#include <math.h>

#include "lb/l7/resp/scan.h"

void zset_remove(
	struct resp_call *k, const struct coll *c, const uint8_t *m, uint32_t len, double score)
{
	uint8_t *sub = kvs_alloc(k->tx, ZSET_SCORE + (uint64_t)len);

	if (sub == NULL)
		return;
	codec_score_encode(score, sub);
	if (len > 0)
		memcpy(sub + ZSET_SCORE, m, len);
	coll_remove(k, c, m, len);
	kvs_delete_member(k->tx, c->key->p, c->key->len, CODEC_ORDER, sub, ZSET_SCORE + len);
}

void zset_put(struct resp_call *k, const struct coll *c, const uint8_t *m, uint32_t len,
	double score, const double *old)
{
	uint8_t *sub;

	if (old != NULL)
		zset_remove(k, c, m, len, *old);
	sub = kvs_alloc(k->tx, ZSET_SCORE + (uint64_t)len);
	if (sub == NULL)
		return;
	codec_score_encode(score, sub);
	if (len > 0)
		memcpy(sub + ZSET_SCORE, m, len);
	coll_put(k, c, m, len, sub, ZSET_SCORE);
	kvs_put_member(k->tx, c->key->p, c->key->len, CODEC_ORDER, sub, ZSET_SCORE + len, NULL, 0);
}

struct zset_elem zset_elem(const struct kvs_item *i, uint8_t space)
{
	if (space == CODEC_ORDER)
		return (struct zset_elem){
			i->key + ZSET_SCORE, i->key_len - ZSET_SCORE, codec_score_decode(i->key)};
	return (struct zset_elem){i->key, i->key_len, codec_score_decode(i->val)};
}

/* ---- ZADD ---- */

enum { ADD_NX = 1, ADD_XX = 2, ADD_GT = 4, ADD_LT = 8, ADD_CH = 16, ADD_INCR = 32 };

static uint32_t add_flags(const struct resp_call *k, uint32_t *at)
{
	static const struct {
		const char *word;
		uint32_t flag;
	} words[] = {{"nx", ADD_NX}, {"xx", ADD_XX}, {"gt", ADD_GT}, {"lt", ADD_LT}, {"ch", ADD_CH},
		{"incr", ADD_INCR}};
	uint32_t f = 0, i;

	for (*at = 2; *at < k->n; (*at)++) {
		for (i = 0; i < ARRAY_SIZE(words); i++)
			if (arg_is(&k->v[*at], words[i].word))
				break;
		if (i == ARRAY_SIZE(words))
			break;
		f |= words[i].flag;
	}
	return f;
}

static bool add_ok(struct resp_call *k, uint32_t f, uint32_t at)
{
	uint32_t left = k->n - at;

	if (left == 0 || left % 2 != 0)
		reply_error(k->out, SYNTAX);
	else if ((f & ADD_NX) && (f & ADD_XX))
		reply_error(k->out, "ERR XX and NX options at the same time are not compatible");
	else if (((f & ADD_GT) && (f & (ADD_NX | ADD_LT))) || ((f & ADD_LT) && (f & ADD_NX)))
		reply_error(k->out,
			"ERR GT, LT, and/or NX options at the same time are not compatible");
	else if ((f & ADD_INCR) && left > 2)
		reply_error(k->out, "ERR INCR option supports a single increment-element pair");
	else
		return true;
	return false;
}

struct added {
	uint64_t new_cnt, changed;
	double score; /* of the last one */
	bool nan, done;
};

/* One element; what it leaves is seen by the next. */
static void add_one(struct resp_call *k, struct coll *c, uint32_t f, const struct resp_arg *m,
	double score, struct added *a)
{
	const struct kvs_ent *e = coll_item(k, c->key, m->p, m->len);
	bool there = e->type != CODEC_NONE;
	double old = there ? zset_score(e->val) : 0;

	a->done = false;
	if ((there && (f & ADD_NX)) || (!there && (f & ADD_XX)))
		return;
	if (there && (f & ADD_INCR))
		score += old;
	if (isnan(score)) {
		a->nan = true;
		return;
	}
	if (there && (((f & ADD_GT) && score <= old) || ((f & ADD_LT) && score >= old)))
		return;
	a->score = score;
	a->done = true;
	if (there && score == old)
		return;
	a->new_cnt += !there;
	a->changed += there;
	c->count += !there;
	zset_put(k, c, m->p, m->len, score, there ? &old : NULL);
}

static void add_reply(struct resp_call *k, uint32_t f, const struct added *a)
{
	if (!(f & ADD_INCR))
		reply_int(k->out, (int64_t)(a->new_cnt + (f & ADD_CH ? a->changed : 0)));
	else if (a->done)
		reply_double(k->out, a->score);
	else
		reply_null(k->out);
}

static void add(struct resp_call *k, uint32_t f, uint32_t at)
{
	uint32_t n = (k->n - at) / 2;
	double *scores = kvs_alloc(k->tx, n * sizeof(double));
	struct added a = {0};
	struct coll c;
	bool open;

	if (scores == NULL)
		return;
	for (uint32_t i = 0; i < n; i++)
		if (!arg_double(k, at + 2 * i, &scores[i]) || !coll_sub_ok(k, at + 2 * i + 1))
			return;
	open = coll_open(k, 1, CODEC_ZSET, &c);
	if (coll_refused(k, open))
		return;
	for (uint32_t i = 0; i < n; i++)
		(void)coll_item(k, c.key, k->v[at + 2 * i + 1].p, k->v[at + 2 * i + 1].len);
	if (kvs_waits(k->tx))
		return;
	/* The KEY record comes first, with the number that will be right in the end: members of a
	 * new collection need it to be there. */
	if (!c.exists && !(f & ADD_XX)) {
		c.count = 1;
		coll_save(k, &c);
		c.count = 0;
	}
	for (uint32_t i = 0; i < n && !a.nan; i++)
		add_one(k, &c, f, &k->v[at + 2 * i + 1], scores[i], &a);
	if (a.nan) {
		reply_error(k->out, "ERR resulting score is not a number (NaN)");
		return;
	}
	if (a.new_cnt + a.changed > 0)
		coll_save(k, &c);
	add_reply(k, f, &a);
}

void rcmd_zadd(struct resp_call *k)
{
	uint32_t at, f = add_flags(k, &at);

	if (add_ok(k, f, at))
		add(k, f, at);
}

void rcmd_zincrby(struct resp_call *k)
{
	add(k, ADD_INCR, 2);
}

/* ---- members ---- */

static bool members(struct resp_call *k, uint32_t from, uint32_t to, struct coll *c)
{
	bool open;

	for (uint32_t i = from; i < to; i++)
		if (!coll_sub_ok(k, i))
			return false;
	open = coll_open(k, 1, CODEC_ZSET, c);
	if (coll_refused(k, open))
		return false;
	for (uint32_t i = from; i < to; i++)
		(void)coll_item(k, c->key, k->v[i].p, k->v[i].len);
	return !kvs_waits(k->tx);
}

void rcmd_zrem(struct resp_call *k)
{
	struct coll c;
	int64_t gone = 0;

	if (!members(k, 2, k->n, &c))
		return;
	for (uint32_t i = 2; i < k->n; i++) {
		const struct kvs_ent *e = coll_item(k, c.key, k->v[i].p, k->v[i].len);

		if (e->type == CODEC_NONE)
			continue;
		zset_remove(k, &c, k->v[i].p, k->v[i].len, zset_score(e->val));
		gone++;
	}
	reply_int(k->out, gone);
	if (gone == 0)
		return;
	c.count -= (uint64_t)gone;
	coll_save(k, &c);
}

static void reply_score(struct resp_call *k, const struct kvs_ent *e)
{
	if (e->type == CODEC_NONE)
		reply_null(k->out);
	else
		reply_double(k->out, zset_score(e->val));
}

void rcmd_zscore(struct resp_call *k)
{
	struct coll c;

	if (members(k, 2, 3, &c))
		reply_score(k, coll_item(k, c.key, k->v[2].p, k->v[2].len));
}

void rcmd_zmscore(struct resp_call *k)
{
	struct coll c;

	if (!members(k, 2, k->n, &c))
		return;
	reply_array(k->out, k->n - 2);
	for (uint32_t i = 2; i < k->n; i++)
		reply_score(k, coll_item(k, c.key, k->v[i].p, k->v[i].len));
}

void rcmd_zcard(struct resp_call *k)
{
	struct coll c;

	if (coll_open(k, 1, CODEC_ZSET, &c))
		reply_int(k->out, (int64_t)c.count);
}

/* How many stand before it: they are counted. */
static void rank(struct resp_call *k, bool reverse)
{
	struct kvs_range r = {.space = CODEC_ORDER, .count_only = true};
	const struct kvs_scan *s;
	const struct kvs_ent *e;
	struct coll c;
	uint8_t *to;

	if (!members(k, 2, 3, &c))
		return;
	e = coll_item(k, c.key, k->v[2].p, k->v[2].len);
	if (e->type == CODEC_NONE) {
		reply_null(k->out);
		return;
	}
	to = kvs_alloc(k->tx, ZSET_SCORE + (uint64_t)k->v[2].len);
	if (to == NULL)
		return;
	memcpy(to, e->val, ZSET_SCORE);
	memcpy(to + ZSET_SCORE, k->v[2].p, k->v[2].len);
	r.key = c.key->p;
	r.key_len = (uint16_t)c.key->len;
	r.to = to;
	r.to_len = (uint16_t)(ZSET_SCORE + k->v[2].len);
	/* Members that this transaction has written are laid over items, not over a number. */
	r.count_only = !k->tx->multi;
	s = kvs_scan(k->tx, &r);
	if (s != NULL)
		reply_int(k->out, (int64_t)(reverse ? c.count - 1 - s->count : (uint64_t)s->count));
}

void rcmd_zrank(struct resp_call *k)
{
	rank(k, false);
}

void rcmd_zrevrank(struct resp_call *k)
{
	rank(k, true);
}

void rcmd_zscan(struct resp_call *k)
{
	const struct kvs_scan *s;
	struct scan_place at;
	struct coll c;
	char text[40];
	bool empty;

	if (!scan_cursor(k, 2, &at) || !coll_open(k, 1, CODEC_ZSET, &c))
		return;
	s = scan_members(k, CODEC_ITEM, &empty);
	if (s == NULL)
		return;
	reply_array(k->out, 2 * (uint64_t)s->count);
	for (uint32_t i = 0; i < s->count; i++) {
		struct zset_elem e = zset_elem(&s->items[i], CODEC_ITEM);

		reply_bulk(k->out, e.m, e.len);
		reply_bulk(k->out, text, reply_format_double(e.score, text));
	}
}
