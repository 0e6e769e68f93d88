/* SPDX-License-Identifier: Apache-2.0
 * Sorted sets: unions, intersections and differences of several, sets among them. Members come in
 * the order of their bytes from each, so they are walked side by side; the outcome is put in the
 * order of its scores at the end. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "lb/l7/resp/zset.h"

enum op { OP_UNION, OP_INTER, OP_DIFF };
enum aggregate { AGG_SUM, AGG_MIN, AGG_MAX };

struct mix {
	enum op op;
	enum aggregate agg;
	bool scores;
	uint32_t first, n; /* keys */
	double *weights;
	const struct kvs_scan **sets;
	uint8_t *types;
	uint32_t *at;
};

static bool mix_weights(struct resp_call *k, struct mix *x, uint32_t *i)
{
	for (uint32_t j = 0; j < x->n; j++)
		if (!parse_double(k->v[*i + 1 + j].p, k->v[*i + 1 + j].len, &x->weights[j])) {
			reply_error(k->out, "ERR weight value is not a float");
			return false;
		}
	*i += x->n;
	return true;
}

static bool mix_words(struct resp_call *k, struct mix *x, bool store)
{
	for (uint32_t i = x->first + x->n; i < k->n; i++) {
		const struct resp_arg *a = &k->v[i];

		if (x->op != OP_DIFF && arg_is(a, "weights") && k->n - i - 1 >= x->n) {
			if (!mix_weights(k, x, &i))
				return false;
		} else if (x->op != OP_DIFF && arg_is(a, "aggregate") && i + 1 < k->n) {
			i++;
			if (arg_is(&k->v[i], "sum"))
				x->agg = AGG_SUM;
			else if (arg_is(&k->v[i], "min"))
				x->agg = AGG_MIN;
			else if (arg_is(&k->v[i], "max"))
				x->agg = AGG_MAX;
			else {
				reply_error(k->out, SYNTAX);
				return false;
			}
		} else if (!store && arg_is(a, "withscores")) {
			x->scores = true;
		} else {
			reply_error(k->out, SYNTAX);
			return false;
		}
	}
	return true;
}

/* numkeys at argument i. */
static bool mix_parse(struct resp_call *k, uint32_t i, struct mix *x)
{
	int64_t n;

	if (!arg_int(k, i, &n))
		return false;
	if (n < 1) {
		reply_errorf(k->out, "ERR at least 1 input key is needed for '%s' command",
			k->cmd->name);
		return false;
	}
	if (n > (int64_t)k->n - i - 1) {
		reply_error(k->out, SYNTAX);
		return false;
	}
	x->first = i + 1;
	x->n = (uint32_t)n;
	x->weights = kvs_alloc(k->tx, x->n * sizeof(double));
	x->sets = kvs_alloc(k->tx, x->n * sizeof(x->sets[0]));
	x->types = kvs_alloc(k->tx, x->n);
	x->at = kvs_alloc(k->tx, x->n * sizeof(x->at[0]));
	if (x->weights == NULL || x->sets == NULL || x->types == NULL || x->at == NULL)
		return false;
	memset(x->at, 0, x->n * sizeof(x->at[0]));
	for (uint32_t j = 0; j < x->n; j++)
		x->weights[j] = 1;
	return true;
}

/* The keys' types come before the words behind them. False: not yet, or an error. */
static bool mix_types(struct resp_call *k, struct mix *x)
{
	for (uint32_t j = 0; j < x->n; j++) {
		const struct kvs_ent *e = call_any(k, x->first + j);

		if (e == NULL)
			continue;
		x->types[j] = e->type;
		if (e->type != CODEC_NONE && e->type != CODEC_ZSET && e->type != CODEC_SET) {
			reply_error(k->out, WRONGTYPE);
			return false;
		}
	}
	return !kvs_waits(k->tx);
}

static bool mix_read(struct resp_call *k, struct mix *x)
{
	for (uint32_t j = 0; j < x->n; j++)
		x->sets[j] = coll_all(k, &k->v[x->first + j], true);
	return !kvs_waits(k->tx);
}

static int cmp(const struct kvs_item *a, const struct kvs_item *b)
{
	uint32_t n = a->key_len < b->key_len ? a->key_len : b->key_len;
	int c = n > 0 ? memcmp(a->key, b->key, n) : 0;

	return c != 0 ? c : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

static double zero_for_nan(double v)
{
	return isnan(v) ? 0 : v;
}

static double join(enum aggregate agg, double a, double b)
{
	switch (agg) {
	case AGG_MIN:
		return a < b ? a : b;
	case AGG_MAX:
		return a > b ? a : b;
	default:
		/* inf and -inf make none. */
		return zero_for_nan(a + b);
	}
}

/* The next member in the order of bytes; false: that was all. */
static bool mix_next(struct mix *x, struct zset_elem *e, uint32_t *in, bool *in_first)
{
	const struct kvs_item *least = NULL;

	for (uint32_t j = 0; j < x->n; j++)
		if (x->at[j] < x->sets[j]->count &&
			(least == NULL || cmp(&x->sets[j]->items[x->at[j]], least) < 0))
			least = &x->sets[j]->items[x->at[j]];
	if (least == NULL)
		return false;
	*e = (struct zset_elem){least->key, least->key_len, 0};
	*in = 0;
	*in_first = false;
	for (uint32_t j = 0; j < x->n; j++) {
		const struct kvs_item *i;
		double v;

		if (x->at[j] >= x->sets[j]->count)
			continue;
		i = &x->sets[j]->items[x->at[j]];
		if (cmp(i, least) != 0)
			continue;
		v = x->types[j] == CODEC_ZSET ? zset_score(i->val) : 1;
		v = zero_for_nan(v * x->weights[j]);
		e->score = *in == 0 ? v : x->op == OP_DIFF ? e->score : join(x->agg, e->score, v);
		x->at[j]++;
		(*in)++;
		*in_first |= j == 0;
	}
	return true;
}

static int by_score(const void *pa, const void *pb)
{
	const struct zset_elem *a = pa, *b = pb;
	uint32_t n = a->len < b->len ? a->len : b->len;
	int c;

	if (a->score != b->score)
		return a->score < b->score ? -1 : 1;
	c = n > 0 ? memcmp(a->m, b->m, n) : 0;
	return c != 0 ? c : (a->len > b->len) - (a->len < b->len);
}

static struct zset_elem *mix_run(struct resp_call *k, struct mix *x, uint64_t *n)
{
	struct zset_elem *out, e;
	uint64_t most = 0;
	uint32_t in;
	bool in_first;

	for (uint32_t j = 0; j < x->n; j++)
		most += x->sets[j]->count;
	out = kvs_alloc(k->tx, (most + 1) * sizeof(out[0]));
	if (out == NULL)
		return NULL;
	*n = 0;
	while (mix_next(x, &e, &in, &in_first))
		if (x->op == OP_UNION || (x->op == OP_INTER && in == x->n) ||
			(x->op == OP_DIFF && in_first && in == 1))
			out[(*n)++] = e;
	qsort(out, *n, sizeof(out[0]), by_score);
	return out;
}

static void mix_store(struct resp_call *k, enum op op)
{
	struct mix x = {.op = op};
	struct zset_elem *v;
	struct coll c;
	uint64_t n;

	if (!mix_parse(k, 2, &x))
		return;
	(void)call_any(k, 1);
	if (!mix_types(k, &x) || !mix_words(k, &x, true) || !mix_read(k, &x))
		return;
	v = mix_run(k, &x, &n);
	if (v == NULL)
		return;
	coll_renew(&c, &k->v[1], CODEC_ZSET);
	c.count = n;
	coll_save(k, &c);
	for (uint64_t i = 0; i < n; i++)
		zset_put(k, &c, v[i].m, v[i].len, v[i].score, NULL);
	reply_int(k->out, (int64_t)n);
}

static void mix_reply(struct resp_call *k, enum op op)
{
	struct mix x = {.op = op};
	struct zset_elem *v;
	bool pairs;
	uint64_t n;

	if (!mix_parse(k, 1, &x) || !mix_types(k, &x) || !mix_words(k, &x, false) ||
		!mix_read(k, &x))
		return;
	v = mix_run(k, &x, &n);
	if (v == NULL)
		return;
	pairs = x.scores && k->out->proto == 3;
	reply_array(k->out, x.scores && !pairs ? 2 * n : n);
	for (uint64_t i = 0; i < n; i++) {
		if (pairs)
			reply_array(k->out, 2);
		reply_bulk(k->out, v[i].m, v[i].len);
		if (x.scores)
			reply_double(k->out, v[i].score);
	}
}

void rcmd_zunionstore(struct resp_call *k)
{
	mix_store(k, OP_UNION);
}

void rcmd_zinterstore(struct resp_call *k)
{
	mix_store(k, OP_INTER);
}

void rcmd_zdiffstore(struct resp_call *k)
{
	mix_store(k, OP_DIFF);
}

void rcmd_zunion(struct resp_call *k)
{
	mix_reply(k, OP_UNION);
}

void rcmd_zinter(struct resp_call *k)
{
	mix_reply(k, OP_INTER);
}

void rcmd_zdiff(struct resp_call *k)
{
	mix_reply(k, OP_DIFF);
}
