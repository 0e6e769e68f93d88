/* SPDX-License-Identifier: Apache-2.0
 * Commands on strings. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "lb/l7/resp/expire.h"

#define TOO_LONG "ERR string exceeds maximum allowed size (proto-max-bulk-len)"

static void reply_value(struct resp_call *k, const struct kvs_ent *e)
{
	if (e->type == CODEC_NONE)
		reply_null(k->out);
	else
		reply_bulk(k->out, e->val, e->len);
}

void rcmd_get(struct resp_call *k)
{
	const struct kvs_ent *e = call_key(k, 1, CODEC_STRING);

	if (e != NULL)
		reply_value(k, e);
}

void rcmd_strlen(struct resp_call *k)
{
	const struct kvs_ent *e = call_key(k, 1, CODEC_STRING);

	if (e != NULL)
		reply_int(k->out, e->type == CODEC_NONE ? 0 : e->len);
}

void rcmd_mget(struct resp_call *k)
{
	reply_array(k->out, k->n - 1);
	for (uint32_t i = 1; i < k->n; i++) {
		const struct kvs_ent *e = call_any(k, i);

		/* All are asked for before the first is waited for. */
		if (e == NULL)
			continue;
		if (e->type == CODEC_STRING)
			reply_bulk(k->out, e->val, e->len);
		else
			reply_null(k->out);
	}
}

/* ---- SET ---- */

bool expire_arg(struct resp_call *k, uint32_t i, enum expire_unit unit, bool positive, uint64_t *ms)
{
	bool seconds = unit == EXPIRE_S || unit == EXPIRE_AT_S;
	bool relative = unit == EXPIRE_S || unit == EXPIRE_MS;
	int64_t v, now = (int64_t)call_wall_ms(k);

	if (!arg_int(k, i, &v))
		return false;
	if ((positive && v <= 0) || (seconds && __builtin_mul_overflow(v, INT64_C(1000), &v)) ||
		(relative && __builtin_add_overflow(v, now, &v))) {
		reply_errorf(k->out, "ERR invalid expire time in '%s' command", k->cmd->name);
		return false;
	}
	*ms = v <= 0 ? 1 : (uint64_t)v;
	return true;
}

struct set_options {
	uint8_t flags; /* enum store_flag */
	bool get, persist;
	uint32_t expire_at; /* argument; 0: none */
	enum expire_unit unit;
	uint64_t expire_ms;
};

static bool expire_word(const struct resp_arg *a, enum expire_unit *unit)
{
	static const char *const words[] = {"ex", "px", "exat", "pxat"};

	for (uint32_t u = 0; u < ARRAY_SIZE(words); u++)
		if (arg_is(a, words[u])) {
			*unit = (enum expire_unit)u;
			return true;
		}
	return false;
}

static bool syntax(struct resp_call *k)
{
	reply_error(k->out, SYNTAX);
	return false;
}

/* Of SET (getex false) or GETEX; the expiry's number is looked at later. */
static bool options(struct resp_call *k, uint32_t from, bool getex, struct set_options *o)
{
	enum expire_unit u;

	memset(o, 0, sizeof(*o));
	for (uint32_t i = from; i < k->n; i++) {
		const struct resp_arg *a = &k->v[i];
		bool free_of_expire =
			o->expire_at == 0 && !o->persist && !(o->flags & STORE_KEEP_TTL);

		if (!getex && arg_is(a, "nx") && !(o->flags & STORE_IF_PRESENT))
			o->flags |= STORE_IF_ABSENT;
		else if (!getex && arg_is(a, "xx") && !(o->flags & STORE_IF_ABSENT))
			o->flags |= STORE_IF_PRESENT;
		else if (!getex && arg_is(a, "get"))
			o->get = true;
		else if (!getex && arg_is(a, "keepttl") && o->expire_at == 0)
			o->flags |= STORE_KEEP_TTL;
		else if (getex && arg_is(a, "persist") && o->expire_at == 0)
			o->persist = true;
		else if (expire_word(a, &u) && free_of_expire && i + 1 < k->n) {
			o->unit = u;
			o->expire_at = ++i;
		} else {
			return syntax(k);
		}
	}
	return true;
}

static bool options_expire(struct resp_call *k, struct set_options *o)
{
	return o->expire_at == 0 || expire_arg(k, o->expire_at, o->unit, true, &o->expire_ms);
}

/* Judged by the store: no read before. */
static const struct kvs_op *put(
	struct resp_call *k, uint32_t key, uint32_t val, uint8_t flags, uint64_t expire_ms)
{
	struct kvs_op op = {.key = k->v[key].p,
		.key_len = (uint16_t)k->v[key].len,
		.op = STORE_PUT,
		.flags = flags,
		.value = k->v[val].p,
		.value_len = k->v[val].len,
		.expire_ms = expire_ms};

	return kvs_op(k->tx, &op);
}

static void set_and_get(struct resp_call *k, const struct set_options *o)
{
	const struct kvs_ent *e = call_key(k, 1, CODEC_STRING);
	bool there;

	if (e == NULL)
		return;
	there = e->type != CODEC_NONE;
	reply_value(k, e);
	if ((there && (o->flags & STORE_IF_ABSENT)) || (!there && (o->flags & STORE_IF_PRESENT)))
		return;
	kvs_put(k->tx, k->v[1].p, k->v[1].len, k->v[2].p, k->v[2].len,
		o->flags & STORE_KEEP_TTL ? e->expire_ms : o->expire_ms);
}

void rcmd_set(struct resp_call *k)
{
	const struct kvs_op *op;
	struct set_options o;

	if (!options(k, 3, false, &o) || !options_expire(k, &o))
		return;
	if (o.get) {
		set_and_get(k, &o);
		return;
	}
	op = put(k, 1, 2, o.flags, o.expire_ms);
	if (op == NULL)
		return;
	if (op->status == 0)
		reply_ok(k->out);
	else
		reply_null(k->out);
}

void rcmd_setnx(struct resp_call *k)
{
	const struct kvs_op *op = put(k, 1, 2, STORE_IF_ABSENT, 0);

	if (op != NULL)
		reply_int(k->out, op->status == 0);
}

static void set_for(struct resp_call *k, enum expire_unit unit)
{
	uint64_t ms;

	if (expire_arg(k, 2, unit, true, &ms) && put(k, 1, 3, 0, ms) != NULL)
		reply_ok(k->out);
}

void rcmd_setex(struct resp_call *k)
{
	set_for(k, EXPIRE_S);
}

void rcmd_psetex(struct resp_call *k)
{
	set_for(k, EXPIRE_MS);
}

void rcmd_getset(struct resp_call *k)
{
	set_and_get(k, &(struct set_options){0});
}

void rcmd_getdel(struct resp_call *k)
{
	const struct kvs_ent *e = call_key(k, 1, CODEC_STRING);

	if (e == NULL)
		return;
	reply_value(k, e);
	if (e->type != CODEC_NONE)
		kvs_delete(k->tx, k->v[1].p, k->v[1].len);
}

void rcmd_getex(struct resp_call *k)
{
	const struct kvs_ent *e;
	struct set_options o;
	const uint8_t *val;

	if (!options(k, 2, true, &o))
		return;
	e = call_key(k, 1, CODEC_STRING);
	if (e == NULL)
		return;
	if (e->type != CODEC_NONE && !options_expire(k, &o))
		return;
	reply_value(k, e);
	if (e->type == CODEC_NONE || (o.expire_at == 0 && !o.persist) ||
		(o.persist && e->expire_ms == 0))
		return;
	val = e->val;
	if (o.expire_at != 0 && o.expire_ms <= call_wall_ms(k))
		kvs_delete(k->tx, k->v[1].p, k->v[1].len);
	else
		kvs_put(k->tx, k->v[1].p, k->v[1].len, val, e->len, o.expire_ms);
}

static bool pairs(struct resp_call *k)
{
	if (k->n % 2 == 1)
		return true;
	reply_errorf(k->out, "ERR wrong number of arguments for '%s' command", k->cmd->name);
	return false;
}

void rcmd_mset(struct resp_call *k)
{
	if (!pairs(k))
		return;
	for (uint32_t i = 1; i < k->n; i += 2)
		(void)put(k, i, i + 1, 0, 0);
	if (!kvs_waits(k->tx))
		reply_ok(k->out);
}

void rcmd_msetnx(struct resp_call *k)
{
	bool any = false;

	if (!pairs(k))
		return;
	for (uint32_t i = 1; i < k->n; i += 2) {
		const struct kvs_ent *e = call_any(k, i);

		any |= e != NULL && e->type != CODEC_NONE;
	}
	if (kvs_waits(k->tx))
		return;
	reply_int(k->out, !any);
	for (uint32_t i = 1; i < k->n && !any; i += 2)
		kvs_put(k->tx, k->v[i].p, k->v[i].len, k->v[i + 1].p, k->v[i + 1].len, 0);
}

/* ---- parts ---- */

void rcmd_append(struct resp_call *k)
{
	const struct kvs_ent *e = call_key(k, 1, CODEC_STRING);
	uint32_t was, add = k->v[2].len;
	uint8_t *val;

	if (e == NULL)
		return;
	was = e->type == CODEC_NONE ? 0 : e->len;
	if ((uint64_t)was + add > CODEC_VALUE_MAX) {
		reply_error(k->out, TOO_LONG);
		return;
	}
	val = k->tx->fast ? NULL : kvs_alloc(k->tx, (uint64_t)was + add);
	if (val == NULL) {
		k->tx->slow = k->tx->fast;
		return;
	}
	if (was > 0)
		memcpy(val, e->val, was);
	if (add > 0)
		memcpy(val + was, k->v[2].p, add);
	kvs_put(k->tx, k->v[1].p, k->v[1].len, val, was + add, e->expire_ms);
	reply_int(k->out, was + add);
}

void rcmd_setrange(struct resp_call *k)
{
	const struct kvs_ent *e;
	uint32_t was, len, add = k->v[3].len;
	uint8_t *val;
	int64_t at;

	if (!arg_int(k, 2, &at))
		return;
	if (at < 0) {
		reply_error(k->out, "ERR offset is out of range");
		return;
	}
	e = call_key(k, 1, CODEC_STRING);
	if (e == NULL)
		return;
	was = e->type == CODEC_NONE ? 0 : e->len;
	if (add == 0) {
		reply_int(k->out, was);
		return;
	}
	if (at > CODEC_VALUE_MAX || (uint64_t)at + add > CODEC_VALUE_MAX) {
		reply_error(k->out, TOO_LONG);
		return;
	}
	len = (uint32_t)at + add > was ? (uint32_t)at + add : was;
	val = kvs_alloc(k->tx, len);
	if (val == NULL)
		return;
	if (was > 0)
		memcpy(val, e->val, was);
	memset(val + was, 0, len - was);
	memcpy(val + at, k->v[3].p, add);
	kvs_put(k->tx, k->v[1].p, k->v[1].len, val, len, e->expire_ms);
	reply_int(k->out, len);
}

void rcmd_getrange(struct resp_call *k)
{
	const struct kvs_ent *e;
	int64_t from, to, len;

	if (!arg_int(k, 2, &from) || !arg_int(k, 3, &to))
		return;
	e = call_key(k, 1, CODEC_STRING);
	if (e == NULL)
		return;
	len = e->type == CODEC_NONE ? 0 : e->len;
	if (from < 0 && to < 0 && from > to) {
		reply_bulk(k->out, "", 0);
		return;
	}
	from = from < 0 ? (from + len < 0 ? 0 : from + len) : from;
	to = to < 0 ? (to + len < 0 ? 0 : to + len) : to;
	to = to >= len ? len - 1 : to;
	if (from > to || len == 0)
		reply_bulk(k->out, "", 0);
	else
		reply_bulk(k->out, e->val + from, (uint64_t)(to - from + 1));
}

/* ---- numbers ---- */

static void add(struct resp_call *k, int64_t delta)
{
	struct kvs_op op = {.key = k->v[1].p,
		.key_len = (uint16_t)k->v[1].len,
		.op = STORE_INCR,
		.delta = delta};
	const struct kvs_op *r = kvs_op(k->tx, &op);

	if (r == NULL)
		return;
	switch (r->status) {
	case 0:
		reply_int(k->out, r->number);
		break;
	case -EPROTOTYPE:
		reply_error(k->out, WRONGTYPE);
		break;
	case -EBADMSG:
		reply_error(k->out, NOT_INT);
		break;
	default:
		reply_error(k->out, "ERR increment or decrement would overflow");
	}
}

void rcmd_incr(struct resp_call *k)
{
	add(k, 1);
}

void rcmd_decr(struct resp_call *k)
{
	add(k, -1);
}

void rcmd_incrby(struct resp_call *k)
{
	int64_t v;

	if (arg_int(k, 2, &v))
		add(k, v);
}

void rcmd_decrby(struct resp_call *k)
{
	int64_t v;

	if (!arg_int(k, 2, &v))
		return;
	if (v == INT64_MIN)
		reply_error(k->out, "ERR decrement would overflow");
	else
		add(k, -v);
}

bool parse_long_double(const uint8_t *p, uint32_t n, long double *out)
{
	char buf[256], *end;

	if (n == 0 || n >= sizeof(buf) || p[0] <= ' ' || memchr(p, 0, n) != NULL)
		return false;
	memcpy(buf, p, n);
	buf[n] = '\0';
	errno = 0;
	*out = strtold(buf, &end);
	return end == buf + n && !isnan(*out) && errno != ERANGE;
}

uint32_t format_long_double(long double v, char out[320])
{
	int n = snprintf(out, 320, "%.17Lf", v);

	if (n >= 320)
		n = 319;
	if (memchr(out, '.', (size_t)n) == NULL)
		return (uint32_t)n;
	while (out[n - 1] == '0')
		n--;
	if (out[n - 1] == '.')
		n--;
	if (n == 2 && out[0] == '-' && out[1] == '0') {
		out[0] = '0';
		n = 1;
	}
	return (uint32_t)n;
}

void rcmd_incrbyfloat(struct resp_call *k)
{
	const struct kvs_ent *e = call_key(k, 1, CODEC_STRING);
	long double v = 0, delta;
	char *text;
	uint32_t n;

	if (e == NULL)
		return;
	if ((e->type != CODEC_NONE && !parse_long_double(e->val, e->len, &v)) ||
		!parse_long_double(k->v[2].p, k->v[2].len, &delta)) {
		reply_error(k->out, NOT_FLOAT);
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
	kvs_put(k->tx, k->v[1].p, k->v[1].len, text, n, e->expire_ms);
	reply_bulk(k->out, text, n);
}
