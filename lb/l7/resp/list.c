/* SPDX-License-Identifier: Apache-2.0
 * Commands on lists. Element i stands at index head + i, head being part of the KEY record, so both
 * ends grow and shrink by one record each. What changes the middle (LINSERT, LREM, LTRIM) is read
 * whole and written as the difference, against the head or against the tail, whichever is less. */
#include <errno.h>

#include "lb/l7/resp/collection.h"

struct text {
	const uint8_t *p;
	uint32_t len;
};

static const uint8_t *index_sub(struct resp_call *k, int64_t index)
{
	uint8_t *p = kvs_alloc(k->tx, 8);

	if (p != NULL)
		codec_index_encode(index, p);
	return p;
}

static struct kvs_ent *element(struct resp_call *k, const struct coll *c, uint64_t i)
{
	const uint8_t *sub = index_sub(k, c->head + (int64_t)i);

	return sub == NULL ? NULL : coll_item(k, c->key, sub, 8);
}

static void put_at(
	struct resp_call *k, const struct coll *c, int64_t index, const void *val, uint32_t len)
{
	const uint8_t *sub = index_sub(k, index);

	if (sub != NULL)
		coll_put(k, c, sub, 8, val, len);
}

static void remove_at(struct resp_call *k, const struct coll *c, int64_t index)
{
	const uint8_t *sub = index_sub(k, index);

	if (sub != NULL)
		coll_remove(k, c, sub, 8);
}

/* Elements from..to, in order; NULL: not yet. */
static const struct kvs_scan *slice(
	struct resp_call *k, const struct coll *c, uint64_t from, uint64_t to)
{
	struct kvs_range r = {.key = c->key->p,
		.key_len = (uint16_t)c->key->len,
		.space = CODEC_ITEM,
		.values = true};

	r.from = index_sub(k, c->head + (int64_t)from);
	r.to = index_sub(k, c->head + (int64_t)to + 1);
	r.from_len = r.to_len = 8;
	return r.from == NULL || r.to == NULL ? NULL : kvs_scan(k->tx, &r);
}

/* Negative indexes count from the end; false: nothing lies between. */
static bool clip(int64_t from, int64_t to, uint64_t count, uint64_t *lo, uint64_t *hi)
{
	int64_t n = (int64_t)count;

	from = from < 0 ? (from < -n ? 0 : from + n) : from;
	to = to < 0 ? to + n : to >= n ? n - 1 : to;
	if (from > to || from >= n || to < 0)
		return false;
	*lo = (uint64_t)from;
	*hi = (uint64_t)to;
	return true;
}

/* ---- both ends ---- */

static void push(struct resp_call *k, bool front, bool only_existing)
{
	uint32_t n = k->n - 2;
	struct coll c;

	if (!coll_open(k, 1, CODEC_LIST, &c))
		return;
	if (only_existing && !c.exists) {
		reply_int(k->out, 0);
		return;
	}
	if (front)
		c.head -= n;
	c.count += n;
	coll_save(k, &c);
	for (uint32_t i = 0; i < n; i++)
		put_at(k, &c,
			front ? c.head + (int64_t)(n - 1 - i) : c.head + (int64_t)(c.count - n + i),
			k->v[2 + i].p, k->v[2 + i].len);
	reply_int(k->out, (int64_t)c.count);
}

void rcmd_lpush(struct resp_call *k)
{
	push(k, true, false);
}

void rcmd_rpush(struct resp_call *k)
{
	push(k, false, false);
}

void rcmd_lpushx(struct resp_call *k)
{
	push(k, true, true);
}

void rcmd_rpushx(struct resp_call *k)
{
	push(k, false, true);
}

static void pop(struct resp_call *k, bool front)
{
	const struct kvs_scan *s;
	uint64_t n = 1, from;
	int64_t want = 1;
	struct coll c;

	if (k->n > 3) {
		reply_errorf(
			k->out, "ERR wrong number of arguments for '%s' command", k->cmd->name);
		return;
	}
	if (k->n == 3 && (codec_integer_parse(k->v[2].p, k->v[2].len, &want) != 0 || want < 0)) {
		reply_error(k->out, "ERR value is out of range, must be positive");
		return;
	}
	if (!coll_open(k, 1, CODEC_LIST, &c))
		return;
	if (!c.exists) {
		if (k->n == 3)
			reply_null_array(k->out);
		else
			reply_null(k->out);
		return;
	}
	n = (uint64_t)want < c.count ? (uint64_t)want : c.count;
	if (n == 0) {
		reply_array(k->out, 0);
		return;
	}
	from = front ? 0 : c.count - n;
	s = slice(k, &c, from, from + n - 1);
	if (s == NULL)
		return;
	if (k->n == 3)
		reply_array(k->out, s->count);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct kvs_item *it = &s->items[front ? i : s->count - 1 - i];

		reply_bulk(k->out, it->val, it->val_len);
		coll_remove(k, &c, it->key, it->key_len);
	}
	c.count -= n;
	c.head += front ? (int64_t)n : 0;
	coll_save(k, &c);
}

void rcmd_lpop(struct resp_call *k)
{
	pop(k, true);
}

void rcmd_rpop(struct resp_call *k)
{
	pop(k, false);
}

/* ---- reads ---- */

void rcmd_llen(struct resp_call *k)
{
	struct coll c;

	if (coll_open(k, 1, CODEC_LIST, &c))
		reply_int(k->out, (int64_t)c.count);
}

void rcmd_lrange(struct resp_call *k)
{
	const struct kvs_scan *s;
	int64_t from, to;
	uint64_t lo, hi;
	struct coll c;

	if (!arg_int(k, 2, &from) || !arg_int(k, 3, &to) || !coll_open(k, 1, CODEC_LIST, &c))
		return;
	if (!clip(from, to, c.count, &lo, &hi)) {
		reply_array(k->out, 0);
		return;
	}
	s = slice(k, &c, lo, hi);
	if (s == NULL)
		return;
	reply_array(k->out, s->count);
	for (uint32_t i = 0; i < s->count; i++)
		reply_bulk(k->out, s->items[i].val, s->items[i].val_len);
}

void rcmd_lindex(struct resp_call *k)
{
	const struct kvs_ent *e;
	struct coll c;
	int64_t i;

	if (!coll_open(k, 1, CODEC_LIST, &c))
		return;
	if (!c.exists) {
		reply_null(k->out);
		return;
	}
	if (!arg_int(k, 2, &i))
		return;
	i = i < 0 ? i + (int64_t)c.count : i;
	if (i < 0 || i >= (int64_t)c.count) {
		reply_null(k->out);
		return;
	}
	e = element(k, &c, (uint64_t)i);
	if (e != NULL)
		reply_bulk(k->out, e->val, e->len);
}

static bool same(const struct kvs_item *it, const struct resp_arg *a)
{
	return it->val_len == a->len && (a->len == 0 || memcmp(it->val, a->p, a->len) == 0);
}

struct pos {
	int64_t rank, count, maxlen;
	bool has_count;
};

static bool pos_words(struct resp_call *k, struct pos *p)
{
	*p = (struct pos){.rank = 1};
	for (uint32_t i = 3; i < k->n; i += 2) {
		if (i + 1 >= k->n) {
			reply_error(k->out, SYNTAX);
			return false;
		}
		if (arg_is(&k->v[i], "rank")) {
			if (!arg_int(k, i + 1, &p->rank))
				return false;
			if (p->rank == 0) {
				reply_error(k->out,
					"ERR RANK can't be zero: use 1 to start from the first "
					"match, 2 from the second ... or use negative to start "
					"from "
					"the end of the list");
				return false;
			}
			if (p->rank == INT64_MIN) {
				reply_error(k->out, "ERR value is out of range, value must between "
						    "-9223372036854775807 and 9223372036854775807");
				return false;
			}
		} else if (arg_is(&k->v[i], "count")) {
			if (codec_integer_parse(k->v[i + 1].p, k->v[i + 1].len, &p->count) != 0 ||
				p->count < 0) {
				reply_error(k->out, "ERR COUNT can't be negative");
				return false;
			}
			p->has_count = true;
		} else if (arg_is(&k->v[i], "maxlen")) {
			if (codec_integer_parse(k->v[i + 1].p, k->v[i + 1].len, &p->maxlen) != 0 ||
				p->maxlen < 0) {
				reply_error(k->out, "ERR MAXLEN can't be negative");
				return false;
			}
		} else {
			reply_error(k->out, SYNTAX);
			return false;
		}
	}
	return true;
}

static uint32_t pos_find(
	const struct resp_call *k, const struct pos *p, const struct kvs_scan *s, uint32_t *out)
{
	int64_t skip = p->rank < 0 ? -p->rank - 1 : p->rank - 1;
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->count; i++) {
		uint32_t at = p->rank < 0 ? s->count - 1 - i : i;

		if (p->maxlen > 0 && i >= (uint64_t)p->maxlen)
			break;
		if (!same(&s->items[at], &k->v[2]))
			continue;
		if (skip > 0) {
			skip--;
			continue;
		}
		out[n++] = at;
		if (n >= (p->has_count ? (p->count == 0 ? UINT32_MAX : (uint64_t)p->count) : 1))
			break;
	}
	return n;
}

void rcmd_lpos(struct resp_call *k)
{
	const struct kvs_scan *s;
	uint32_t *at, n = 0;
	struct coll c;
	struct pos p;

	if (!pos_words(k, &p) || !coll_open(k, 1, CODEC_LIST, &c))
		return;
	if (c.exists) {
		s = slice(k, &c, 0, c.count - 1);
		if (s == NULL)
			return;
		at = kvs_alloc(k->tx, (s->count + 1u) * sizeof(*at));
		if (at == NULL)
			return;
		n = pos_find(k, &p, s, at);
	} else {
		at = NULL;
	}
	if (p.has_count) {
		reply_array(k->out, n);
		for (uint32_t i = 0; i < n; i++)
			reply_int(k->out, at[i]);
	} else if (n == 0) {
		reply_null(k->out);
	} else {
		reply_int(k->out, at[0]);
	}
}

/* ---- the middle ---- */

void rcmd_lset(struct resp_call *k)
{
	struct coll c;
	int64_t i;

	if (!coll_open(k, 1, CODEC_LIST, &c))
		return;
	if (!c.exists) {
		reply_error(k->out, "ERR no such key");
		return;
	}
	if (!arg_int(k, 2, &i))
		return;
	i = i < 0 ? i + (int64_t)c.count : i;
	if (i < 0 || i >= (int64_t)c.count) {
		reply_error(k->out, "ERR index out of range");
		return;
	}
	coll_save(k, &c);
	put_at(k, &c, c.head + i, k->v[3].p, k->v[3].len);
	reply_ok(k->out);
}

static bool differs(const struct kvs_item *it, const struct text *t)
{
	return it->val_len != t->len || (t->len > 0 && memcmp(it->val, t->p, t->len) != 0);
}

/* How many elements change if the new ones begin `shift` places behind the old ones. */
static uint64_t changes(
	const struct kvs_scan *old, const struct text *new, uint64_t n, int64_t shift)
{
	uint64_t cnt = 0;

	for (uint64_t i = 0; i < n; i++) {
		int64_t at = (int64_t)i + shift;

		cnt += at < 0 || at >= old->count || differs(&old->items[at], &new[i]);
	}
	return cnt;
}

/* The list becomes n other elements. */
static void rewrite(struct resp_call *k, struct coll *c, const struct kvs_scan *old,
	const struct text *new, uint64_t n)
{
	int64_t shift = (int64_t)old->count - (int64_t)n, head = c->head;

	if (changes(old, new, n, 0) <= changes(old, new, n, shift))
		shift = 0;
	for (int64_t i = 0; i < old->count; i++)
		if (i - shift < 0 || i - shift >= (int64_t)n)
			remove_at(k, c, head + i);
	c->head = head + shift;
	c->count = n;
	coll_save(k, c);
	for (int64_t i = 0; i < (int64_t)n; i++) {
		int64_t at = i + shift;

		if (at < 0 || at >= old->count || differs(&old->items[at], &new[i]))
			put_at(k, c, head + at, new[i].p, new[i].len);
	}
}

/* All elements, and room for one more. */
static const struct kvs_scan *whole(struct resp_call *k, const struct coll *c, struct text **room)
{
	const struct kvs_scan *s = slice(k, c, 0, c->count - 1);

	if (s == NULL)
		return NULL;
	*room = kvs_alloc(k->tx, (s->count + 1u) * sizeof(**room));
	return *room == NULL ? NULL : s;
}

void rcmd_ltrim(struct resp_call *k)
{
	const struct kvs_scan *s;
	int64_t from, to;
	uint64_t lo, hi;
	struct coll c;

	if (!arg_int(k, 2, &from) || !arg_int(k, 3, &to) || !coll_open(k, 1, CODEC_LIST, &c))
		return;
	if (!c.exists) {
		reply_ok(k->out);
		return;
	}
	if (!clip(from, to, c.count, &lo, &hi)) {
		c.count = 0;
		coll_save(k, &c);
		reply_ok(k->out);
		return;
	}
	/* Only what goes is read: its places. */
	s = lo > 0 ? slice(k, &c, 0, lo - 1) : NULL;
	if (lo > 0 && s == NULL)
		return;
	for (uint32_t i = 0; s != NULL && i < s->count; i++)
		coll_remove(k, &c, s->items[i].key, s->items[i].key_len);
	for (uint64_t i = hi + 1; i < c.count; i++)
		remove_at(k, &c, c.head + (int64_t)i);
	reply_ok(k->out);
	if (lo == 0 && hi + 1 == c.count)
		return;
	c.head += (int64_t)lo;
	c.count = hi - lo + 1;
	coll_save(k, &c);
}

void rcmd_lrem(struct resp_call *k)
{
	const struct kvs_scan *s;
	uint64_t most, gone = 0, n = 0;
	struct text *new;
	struct coll c;
	int64_t count;
	bool *drop;

	if (!arg_int(k, 2, &count) || !coll_open(k, 1, CODEC_LIST, &c))
		return;
	if (!c.exists) {
		reply_int(k->out, 0);
		return;
	}
	s = whole(k, &c, &new);
	if (s == NULL)
		return;
	drop = kvs_alloc(k->tx, s->count);
	if (drop == NULL)
		return;
	memset(drop, 0, s->count);
	most = count == 0 ? UINT64_MAX : count < 0 ? (uint64_t) - (count + 1) + 1 : (uint64_t)count;
	for (uint32_t i = 0; i < s->count && gone < most; i++) {
		uint32_t at = count < 0 ? s->count - 1 - i : i;

		drop[at] = same(&s->items[at], &k->v[3]);
		gone += drop[at];
	}
	for (uint32_t i = 0; i < s->count; i++)
		if (!drop[i])
			new[n++] = (struct text){s->items[i].val, s->items[i].val_len};
	if (gone > 0)
		rewrite(k, &c, s, new, n);
	reply_int(k->out, (int64_t)gone);
}

void rcmd_linsert(struct resp_call *k)
{
	bool before = arg_is(&k->v[2], "before");
	const struct kvs_scan *s;
	struct text *new;
	struct coll c;
	uint32_t at;

	if (!before && !arg_is(&k->v[2], "after")) {
		reply_error(k->out, SYNTAX);
		return;
	}
	if (!coll_open(k, 1, CODEC_LIST, &c))
		return;
	if (!c.exists) {
		reply_int(k->out, 0);
		return;
	}
	s = whole(k, &c, &new);
	if (s == NULL)
		return;
	for (at = 0; at < s->count; at++)
		if (same(&s->items[at], &k->v[3]))
			break;
	if (at == s->count) {
		reply_int(k->out, -1);
		return;
	}
	at += !before;
	for (uint32_t i = 0; i <= s->count; i++)
		new[i] = i == at ? (struct text){k->v[4].p, k->v[4].len}
				 : (struct text){s->items[i - (i > at)].val,
					   s->items[i - (i > at)].val_len};
	rewrite(k, &c, s, new, s->count + 1u);
	reply_int(k->out, (int64_t)c.count);
}

/* ---- from one to another ---- */

static void move(struct resp_call *k, bool from_front, bool to_front)
{
	bool one = k->v[1].len == k->v[2].len && memcmp(k->v[1].p, k->v[2].p, k->v[1].len) == 0;
	const struct kvs_ent *e;
	struct coll from, to;
	struct text v;
	bool a, b;

	a = coll_open(k, 1, CODEC_LIST, &from);
	if (coll_refused(k, a))
		return;
	if (a && !from.exists) {
		reply_null(k->out);
		return;
	}
	b = coll_open(k, 2, CODEC_LIST, &to);
	if (coll_refused(k, b) || kvs_waits(k->tx))
		return;
	e = element(k, &from, from_front ? 0 : from.count - 1);
	if (e == NULL)
		return;
	v = (struct text){e->val, e->len};
	reply_bulk(k->out, v.p, v.len);
	if (one && from.count == 1)
		return;
	remove_at(k, &from, from.head + (from_front ? 0 : (int64_t)from.count - 1));
	from.head += from_front;
	from.count--;
	coll_save(k, &from);
	if (one)
		to = from;
	to.head -= to_front;
	to.count++;
	coll_save(k, &to);
	put_at(k, &to, to.head + (to_front ? 0 : (int64_t)to.count - 1), v.p, v.len);
}

static bool side(struct resp_call *k, uint32_t i, bool *left)
{
	*left = arg_is(&k->v[i], "left");
	if (*left || arg_is(&k->v[i], "right"))
		return true;
	reply_error(k->out, SYNTAX);
	return false;
}

void rcmd_lmove(struct resp_call *k)
{
	bool from, to;

	if (side(k, 3, &from) && side(k, 4, &to))
		move(k, from, to);
}

void rcmd_rpoplpush(struct resp_call *k)
{
	move(k, false, true);
}
