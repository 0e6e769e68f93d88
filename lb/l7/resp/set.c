/* SPDX-License-Identifier: Apache-2.0
 * Commands on sets. Members come in the order of their bytes, so the sets of an operation on
 * several are walked side by side. */
#include <errno.h>

#include "lb/l7/resp/collection.h"
#include "lb/l7/resp/scan.h"

static bool members(struct resp_call *k, uint32_t key, uint32_t from, struct coll *c)
{
	bool open;

	for (uint32_t i = from; i < k->n; i++)
		if (!coll_sub_ok(k, i))
			return false;
	open = coll_open(k, key, CODEC_SET, c);
	if (coll_refused(k, open))
		return false;
	for (uint32_t i = from; i < k->n; i++)
		(void)coll_item(k, c->key, k->v[i].p, k->v[i].len);
	return !kvs_waits(k->tx);
}

static bool again(const struct resp_call *k, uint32_t from, uint32_t i)
{
	for (uint32_t j = from; j < i; j++)
		if (k->v[j].len == k->v[i].len && memcmp(k->v[j].p, k->v[i].p, k->v[i].len) == 0)
			return true;
	return false;
}

void rcmd_sadd(struct resp_call *k)
{
	struct coll c;
	uint64_t added = 0;

	if (!members(k, 1, 2, &c))
		return;
	for (uint32_t i = 2; i < k->n; i++)
		added += coll_item(k, c.key, k->v[i].p, k->v[i].len)->type == CODEC_NONE &&
			 !again(k, 2, i);
	reply_int(k->out, (int64_t)added);
	if (added == 0)
		return;
	c.count += added;
	coll_save(k, &c);
	for (uint32_t i = 2; i < k->n; i++)
		if (coll_item(k, c.key, k->v[i].p, k->v[i].len)->type == CODEC_NONE)
			coll_put(k, &c, k->v[i].p, k->v[i].len, NULL, 0);
}

void rcmd_srem(struct resp_call *k)
{
	struct coll c;
	uint64_t gone = 0;

	if (!members(k, 1, 2, &c))
		return;
	for (uint32_t i = 2; i < k->n; i++) {
		if (coll_item(k, c.key, k->v[i].p, k->v[i].len)->type == CODEC_NONE)
			continue;
		coll_remove(k, &c, k->v[i].p, k->v[i].len);
		gone++;
	}
	reply_int(k->out, (int64_t)gone);
	if (gone == 0)
		return;
	c.count -= gone;
	coll_save(k, &c);
}

void rcmd_sismember(struct resp_call *k)
{
	struct coll c;

	if (members(k, 1, 2, &c))
		reply_int(k->out, coll_item(k, c.key, k->v[2].p, k->v[2].len)->type != CODEC_NONE);
}

void rcmd_smismember(struct resp_call *k)
{
	struct coll c;

	if (!members(k, 1, 2, &c))
		return;
	reply_array(k->out, k->n - 2);
	for (uint32_t i = 2; i < k->n; i++)
		reply_int(k->out, coll_item(k, c.key, k->v[i].p, k->v[i].len)->type != CODEC_NONE);
}

void rcmd_scard(struct resp_call *k)
{
	struct coll c;

	if (coll_open(k, 1, CODEC_SET, &c))
		reply_int(k->out, (int64_t)c.count);
}

void rcmd_smembers(struct resp_call *k)
{
	const struct kvs_scan *s;
	struct coll c;

	if (!coll_open(k, 1, CODEC_SET, &c))
		return;
	s = coll_all(k, c.key, false);
	if (s == NULL)
		return;
	reply_set(k->out, s->count);
	for (uint32_t i = 0; i < s->count; i++)
		reply_bulk(k->out, s->items[i].key, s->items[i].key_len);
}

void rcmd_sscan(struct resp_call *k)
{
	const struct kvs_scan *s;
	struct scan_place at;
	struct coll c;
	bool empty;

	if (!scan_cursor(k, 2, &at) || !coll_open(k, 1, CODEC_SET, &c))
		return;
	s = scan_members(k, CODEC_ITEM, &empty);
	if (s == NULL)
		return;
	reply_array(k->out, s->count);
	for (uint32_t i = 0; i < s->count; i++)
		reply_bulk(k->out, s->items[i].key, s->items[i].key_len);
}

/* ---- random members ---- */

void rcmd_spop(struct resp_call *k)
{
	const struct kvs_scan *s;
	struct coll c;
	uint64_t take;
	uint32_t *at;
	int64_t n;

	if (!coll_pop_count(k, &n) || !coll_open(k, 1, CODEC_SET, &c))
		return;
	s = coll_all(k, c.key, false);
	if (s == NULL)
		return;
	take = (uint64_t)n < s->count ? (uint64_t)n : s->count;
	at = kvs_alloc(k->tx, (take + 1) * sizeof(*at));
	if (at == NULL)
		return;
	coll_choose(k, s->count, take, at);
	if (k->n == 3)
		reply_set(k->out, take);
	else if (take == 0)
		reply_null(k->out);
	for (uint64_t i = 0; i < take; i++) {
		const struct kvs_item *m = &s->items[at[i]];

		reply_bulk(k->out, m->key, m->key_len);
		coll_remove(k, &c, m->key, m->key_len);
	}
	if (take == 0)
		return;
	c.count -= take;
	coll_save(k, &c);
}

void rcmd_srandmember(struct resp_call *k)
{
	struct coll_draw d;

	if (!coll_draw(k, CODEC_SET, NULL, &d))
		return;
	if (!d.one)
		reply_array(k->out, d.n);
	for (uint64_t i = 0; i < d.n; i++) {
		const struct kvs_item *m = coll_drawn(k, &d, i);

		reply_bulk(k->out, m->key, m->key_len);
	}
}

void rcmd_smove(struct resp_call *k)
{
	const struct resp_arg *m = &k->v[3];
	struct coll from, to;
	bool a, b, there;

	if (!coll_sub_ok(k, 3))
		return;
	a = coll_open(k, 1, CODEC_SET, &from);
	if (coll_refused(k, a))
		return;
	/* Where there is no source, the destination's type does not matter. */
	if (a && !from.exists) {
		reply_int(k->out, 0);
		return;
	}
	b = coll_open(k, 2, CODEC_SET, &to);
	if (coll_refused(k, b))
		return;
	(void)coll_item(k, from.key, m->p, m->len);
	(void)coll_item(k, to.key, m->p, m->len);
	if (kvs_waits(k->tx))
		return;
	there = coll_item(k, from.key, m->p, m->len)->type != CODEC_NONE;
	reply_int(k->out, there);
	if (!there ||
		(from.key->len == to.key->len && memcmp(from.key->p, to.key->p, to.key->len) == 0))
		return;
	from.count--;
	coll_remove(k, &from, m->p, m->len);
	coll_save(k, &from);
	to.count += coll_item(k, to.key, m->p, m->len)->type == CODEC_NONE;
	coll_save(k, &to);
	coll_put(k, &to, m->p, m->len, NULL, 0);
}

/* ---- several sets ---- */

enum set_op { SET_INTER, SET_UNION, SET_DIFF };

struct walk {
	const struct kvs_scan **sets;
	uint32_t *at;
	uint32_t cnt;
};

static int cmp(const struct kvs_item *a, const struct kvs_item *b)
{
	uint32_t n = a->key_len < b->key_len ? a->key_len : b->key_len;
	int c = n > 0 ? memcmp(a->key, b->key, n) : 0;

	return c != 0 ? c : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

/* The smallest member that is left in any set, and in which; the cursors pass it. */
static const struct kvs_item *next(struct walk *w, uint32_t *in, bool *in_first)
{
	const struct kvs_item *least = NULL;

	for (uint32_t i = 0; i < w->cnt; i++) {
		const struct kvs_scan *s = w->sets[i];

		if (w->at[i] < s->count && (least == NULL || cmp(&s->items[w->at[i]], least) < 0))
			least = &s->items[w->at[i]];
	}
	*in = 0;
	*in_first = false;
	for (uint32_t i = 0; i < w->cnt && least != NULL; i++) {
		const struct kvs_scan *s = w->sets[i];

		if (w->at[i] < s->count && cmp(&s->items[w->at[i]], least) == 0) {
			w->at[i]++;
			(*in)++;
			*in_first |= i == 0;
		}
	}
	return least;
}

static bool belongs(enum set_op op, const struct walk *w, uint32_t in, bool in_first)
{
	if (op == SET_INTER)
		return in == w->cnt;
	return op == SET_UNION || (in_first && in == 1);
}

/* Keys from..from+n-1 as sets, and the members of the outcome; NULL: not yet, or an error. */
static const struct kvs_item **combine(
	struct resp_call *k, enum set_op op, uint32_t from, uint32_t n, uint32_t *count)
{
	struct walk w = {.cnt = n};
	const struct kvs_item **out, *m;
	uint64_t most = 0;
	uint32_t in;
	bool in_first;

	w.sets = kvs_alloc(k->tx, n * sizeof(w.sets[0]));
	w.at = kvs_alloc(k->tx, n * sizeof(w.at[0]));
	if (w.sets == NULL || w.at == NULL)
		return NULL;
	memset(w.at, 0, n * sizeof(w.at[0]));
	for (uint32_t i = 0; i < n; i++) {
		struct coll c;

		if (coll_refused(k, coll_open(k, from + i, CODEC_SET, &c)))
			return NULL;
	}
	for (uint32_t i = 0; i < n && !kvs_waits(k->tx); i++)
		w.sets[i] = NULL;
	if (kvs_waits(k->tx))
		return NULL;
	for (uint32_t i = 0; i < n; i++) {
		w.sets[i] = coll_all(k, &k->v[from + i], false);
		most += w.sets[i] == NULL ? 0 : w.sets[i]->count;
	}
	if (kvs_waits(k->tx))
		return NULL;
	out = kvs_alloc(k->tx, (most + 1) * sizeof(out[0]));
	if (out == NULL)
		return NULL;
	*count = 0;
	while ((m = next(&w, &in, &in_first)) != NULL)
		if (belongs(op, &w, in, in_first))
			out[(*count)++] = m;
	return out;
}

static void several(struct resp_call *k, enum set_op op)
{
	uint32_t n;
	const struct kvs_item **m = combine(k, op, 1, k->n - 1, &n);

	if (m == NULL)
		return;
	reply_set(k->out, n);
	for (uint32_t i = 0; i < n; i++)
		reply_bulk(k->out, m[i]->key, m[i]->key_len);
}

static void store(struct resp_call *k, enum set_op op)
{
	const struct kvs_item **m;
	struct coll c;
	uint32_t n;

	(void)call_any(k, 1);
	m = combine(k, op, 2, k->n - 2, &n);
	if (m == NULL || kvs_waits(k->tx))
		return;
	coll_renew(&c, &k->v[1], CODEC_SET);
	c.count = n;
	coll_save(k, &c);
	for (uint32_t i = 0; i < n; i++)
		coll_put(k, &c, m[i]->key, m[i]->key_len, NULL, 0);
	reply_int(k->out, n);
}

void rcmd_sinter(struct resp_call *k)
{
	several(k, SET_INTER);
}

void rcmd_sunion(struct resp_call *k)
{
	several(k, SET_UNION);
}

void rcmd_sdiff(struct resp_call *k)
{
	several(k, SET_DIFF);
}

void rcmd_sinterstore(struct resp_call *k)
{
	store(k, SET_INTER);
}

void rcmd_sunionstore(struct resp_call *k)
{
	store(k, SET_UNION);
}

void rcmd_sdiffstore(struct resp_call *k)
{
	store(k, SET_DIFF);
}

void rcmd_sintercard(struct resp_call *k)
{
	const struct kvs_item **m;
	int64_t keys, limit = 0;
	uint32_t n;

	if (codec_integer_parse(k->v[1].p, k->v[1].len, &keys) != 0 || keys <= 0) {
		reply_error(k->out, "ERR numkeys should be greater than 0");
		return;
	}
	if (keys > (int64_t)k->n - 2) {
		reply_error(k->out, "ERR Number of keys can't be greater than number of args");
		return;
	}
	for (uint32_t i = 2 + (uint32_t)keys; i < k->n; i += 2) {
		if (!arg_is(&k->v[i], "limit") || i + 1 >= k->n) {
			reply_error(k->out, SYNTAX);
			return;
		}
		if (codec_integer_parse(k->v[i + 1].p, k->v[i + 1].len, &limit) != 0 || limit < 0) {
			reply_error(k->out, "ERR LIMIT can't be negative");
			return;
		}
	}
	m = combine(k, SET_INTER, 2, (uint32_t)keys, &n);
	if (m != NULL)
		reply_int(k->out, limit > 0 && n > limit ? limit : n);
}
