/* SPDX-License-Identifier: Apache-2.0
 * Commands on hashes. */
#include <errno.h>
#include <math.h>

#include "lb/l7/resp/collection.h"
#include "lb/l7/resp/scan.h"

/* ---- writes ---- */

/* Fields at from, from + 2, ...: all are asked for. False: not yet, or an error. */
static bool fields(struct resp_call *k, struct coll *c, uint32_t from, uint32_t step)
{
	bool open;

	for (uint32_t i = from; i < k->n; i += step)
		if (!coll_sub_ok(k, i))
			return false;
	open = coll_open(k, 1, CODEC_HASH, c);
	if (coll_refused(k, open))
		return false;
	for (uint32_t i = from; i < k->n; i += step)
		(void)coll_item(k, c->key, k->v[i].p, k->v[i].len);
	return !kvs_waits(k->tx);
}

static void hset(struct resp_call *k, bool ok)
{
	struct coll c;
	int64_t added = 0;

	if (k->n % 2 != 0) {
		reply_errorf(
			k->out, "ERR wrong number of arguments for '%s' command", k->cmd->name);
		return;
	}
	if (!fields(k, &c, 2, 2))
		return;
	for (uint32_t i = 2; i < k->n; i += 2) {
		bool again = false;

		for (uint32_t j = 2; j < i && !again; j += 2)
			again = k->v[j].len == k->v[i].len &&
				memcmp(k->v[j].p, k->v[i].p, k->v[i].len) == 0;
		added += !again && coll_item(k, c.key, k->v[i].p, k->v[i].len)->type == CODEC_NONE;
	}
	c.count += (uint64_t)added;
	coll_save(k, &c);
	for (uint32_t i = 2; i < k->n; i += 2)
		coll_put(k, &c, k->v[i].p, k->v[i].len, k->v[i + 1].p, k->v[i + 1].len);
	if (ok)
		reply_ok(k->out);
	else
		reply_int(k->out, added);
}

void rcmd_hset(struct resp_call *k)
{
	hset(k, false);
}

void rcmd_hmset(struct resp_call *k)
{
	hset(k, true);
}

/* One field with a new value. */
static void put_field(struct resp_call *k, struct coll *c, const void *val, uint32_t len)
{
	c->count += coll_item(k, c->key, k->v[2].p, k->v[2].len)->type == CODEC_NONE;
	coll_save(k, c);
	coll_put(k, c, k->v[2].p, k->v[2].len, val, len);
}

void rcmd_hsetnx(struct resp_call *k)
{
	struct coll c;

	if (!fields(k, &c, 2, 2))
		return;
	if (coll_item(k, c.key, k->v[2].p, k->v[2].len)->type != CODEC_NONE) {
		reply_int(k->out, 0);
		return;
	}
	put_field(k, &c, k->v[3].p, k->v[3].len);
	reply_int(k->out, 1);
}

void rcmd_hdel(struct resp_call *k)
{
	struct coll c;
	int64_t gone = 0;

	if (!fields(k, &c, 2, 1))
		return;
	for (uint32_t i = 2; i < k->n; i++) {
		struct kvs_ent *e = coll_item(k, c.key, k->v[i].p, k->v[i].len);

		if (e->type == CODEC_NONE)
			continue;
		coll_remove(k, &c, k->v[i].p, k->v[i].len);
		gone++;
	}
	if (gone > 0) {
		c.count -= (uint64_t)gone;
		coll_save(k, &c);
	}
	reply_int(k->out, gone);
}

void rcmd_hincrby(struct resp_call *k)
{
	const struct kvs_ent *e;
	int64_t delta, v = 0;
	struct coll c;
	uint8_t *num;

	if (!arg_int(k, 3, &delta) || !fields(k, &c, 2, 2))
		return;
	e = coll_item(k, c.key, k->v[2].p, k->v[2].len);
	if (e->type != CODEC_NONE && codec_integer_parse(e->val, e->len, &v) != 0) {
		reply_error(k->out, "ERR hash value is not an integer");
		return;
	}
	if (__builtin_add_overflow(v, delta, &v)) {
		reply_error(k->out, "ERR increment or decrement would overflow");
		return;
	}
	num = kvs_alloc(k->tx, 20);
	if (num == NULL)
		return;
	put_field(k, &c, num, (uint32_t)codec_integer_format(v, num));
	reply_int(k->out, v);
}

void rcmd_hincrbyfloat(struct resp_call *k)
{
	const struct kvs_ent *e;
	long double delta, v = 0;
	struct coll c;
	char *text;
	uint32_t n;

	if (!parse_long_double(k->v[3].p, k->v[3].len, &delta)) {
		reply_error(k->out, NOT_FLOAT);
		return;
	}
	if (!fields(k, &c, 2, 2))
		return;
	e = coll_item(k, c.key, k->v[2].p, k->v[2].len);
	if (e->type != CODEC_NONE && !parse_long_double(e->val, e->len, &v)) {
		reply_error(k->out, "ERR hash value is not a float");
		return;
	}
	v += delta;
	if (isnan(v) || isinf(v)) {
		reply_error(k->out, "ERR increment would produce NaN or Infinity");
		return;
	}
	text = kvs_alloc(k->tx, 320);
	if (text == NULL)
		return;
	n = format_long_double(v, text);
	put_field(k, &c, text, n);
	reply_bulk(k->out, text, n);
}

/* ---- reads ---- */

static void reply_field(struct resp_call *k, const struct kvs_ent *e)
{
	if (e->type == CODEC_NONE)
		reply_null(k->out);
	else
		reply_bulk(k->out, e->val, e->len);
}

void rcmd_hget(struct resp_call *k)
{
	struct coll c;

	if (fields(k, &c, 2, 1))
		reply_field(k, coll_item(k, c.key, k->v[2].p, k->v[2].len));
}

void rcmd_hmget(struct resp_call *k)
{
	struct coll c;

	if (!fields(k, &c, 2, 1))
		return;
	reply_array(k->out, k->n - 2);
	for (uint32_t i = 2; i < k->n; i++)
		reply_field(k, coll_item(k, c.key, k->v[i].p, k->v[i].len));
}

void rcmd_hexists(struct resp_call *k)
{
	struct coll c;

	if (fields(k, &c, 2, 1))
		reply_int(k->out, coll_item(k, c.key, k->v[2].p, k->v[2].len)->type != CODEC_NONE);
}

void rcmd_hstrlen(struct resp_call *k)
{
	const struct kvs_ent *e;
	struct coll c;

	if (!fields(k, &c, 2, 1))
		return;
	e = coll_item(k, c.key, k->v[2].p, k->v[2].len);
	reply_int(k->out, e->type == CODEC_NONE ? 0 : e->len);
}

void rcmd_hlen(struct resp_call *k)
{
	struct coll c;

	if (coll_open(k, 1, CODEC_HASH, &c))
		reply_int(k->out, (int64_t)c.count);
}

enum { FIELD_NAMES = 1, FIELD_VALUES = 2 };

static void all(struct resp_call *k, uint32_t what)
{
	const struct kvs_scan *s;
	struct coll c;

	if (!coll_open(k, 1, CODEC_HASH, &c))
		return;
	s = coll_all(k, c.key, (what & FIELD_VALUES) != 0);
	if (s == NULL)
		return;
	if (what == (FIELD_NAMES | FIELD_VALUES))
		reply_map(k->out, s->count);
	else
		reply_array(k->out, s->count);
	for (uint32_t i = 0; i < s->count; i++) {
		if (what & FIELD_NAMES)
			reply_bulk(k->out, s->items[i].key, s->items[i].key_len);
		if (what & FIELD_VALUES)
			reply_bulk(k->out, s->items[i].val, s->items[i].val_len);
	}
}

void rcmd_hgetall(struct resp_call *k)
{
	all(k, FIELD_NAMES | FIELD_VALUES);
}

void rcmd_hkeys(struct resp_call *k)
{
	all(k, FIELD_NAMES);
}

void rcmd_hvals(struct resp_call *k)
{
	all(k, FIELD_VALUES);
}

void rcmd_hscan(struct resp_call *k)
{
	const struct kvs_scan *s;
	struct scan_place at;
	struct coll c;
	bool empty;

	if (!scan_cursor(k, 2, &at) || !coll_open(k, 1, CODEC_HASH, &c))
		return;
	s = scan_members(k, CODEC_ITEM, &empty);
	if (s == NULL)
		return;
	reply_array(k->out, 2 * (uint64_t)s->count);
	for (uint32_t i = 0; i < s->count; i++) {
		reply_bulk(k->out, s->items[i].key, s->items[i].key_len);
		reply_bulk(k->out, s->items[i].val, s->items[i].val_len);
	}
}

void rcmd_hrandfield(struct resp_call *k)
{
	struct coll_draw d;

	if (!coll_draw(k, CODEC_HASH, "withvalues", &d))
		return;
	if (!d.one)
		reply_array(k->out, d.with && k->out->proto == 2 ? 2 * d.n : d.n);
	for (uint64_t i = 0; i < d.n; i++) {
		const struct kvs_item *m = coll_drawn(k, &d, i);

		if (d.with && k->out->proto == 3)
			reply_array(k->out, 2);
		reply_bulk(k->out, m->key, m->key_len);
		if (d.with)
			reply_bulk(k->out, m->val, m->val_len);
	}
}
