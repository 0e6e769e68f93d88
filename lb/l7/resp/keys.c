/* SPDX-License-Identifier: Apache-2.0
 * Commands on keys of any type. */
#include <errno.h>
#include <strings.h>

#include "lb/l7/resp/expire.h"

static const struct kvs_op *remove_key(struct resp_call *k, uint32_t i)
{
	struct kvs_op op = {.key = k->v[i].p, .key_len = (uint16_t)k->v[i].len, .op = STORE_DELETE};

	return kvs_op(k->tx, &op);
}

void rcmd_del(struct resp_call *k)
{
	int64_t gone = 0;

	for (uint32_t i = 1; i < k->n; i++) {
		const struct kvs_op *op = remove_key(k, i);
		bool again = false;

		/* A key that is named twice is there once. */
		for (uint32_t j = 1; j < i && op != NULL && !again; j++)
			again = k->v[j].len == k->v[i].len &&
				memcmp(k->v[j].p, k->v[i].p, k->v[i].len) == 0;
		gone += op != NULL && op->found != CODEC_NONE && !again;
	}
	if (!kvs_waits(k->tx))
		reply_int(k->out, gone);
}

void rcmd_exists(struct resp_call *k)
{
	int64_t n = 0;

	for (uint32_t i = 1; i < k->n; i++) {
		const struct kvs_ent *e = call_any(k, i);

		n += e != NULL && e->type != CODEC_NONE;
	}
	if (!kvs_waits(k->tx))
		reply_int(k->out, n);
}

void rcmd_touch(struct resp_call *k)
{
	rcmd_exists(k);
}

void rcmd_type(struct resp_call *k)
{
	const struct kvs_ent *e = call_any(k, 1);

	if (e != NULL)
		reply_simple(k->out, type_name(e->type));
}

/* ---- expiry ---- */

enum { EXPIRE_NX = 1, EXPIRE_XX = 2, EXPIRE_GT = 4, EXPIRE_LT = 8 };

static bool expire_flags(struct resp_call *k, uint32_t *out)
{
	uint32_t f = 0;

	for (uint32_t i = 3; i < k->n; i++) {
		if (arg_is(&k->v[i], "nx"))
			f |= EXPIRE_NX;
		else if (arg_is(&k->v[i], "xx"))
			f |= EXPIRE_XX;
		else if (arg_is(&k->v[i], "gt"))
			f |= EXPIRE_GT;
		else if (arg_is(&k->v[i], "lt"))
			f |= EXPIRE_LT;
		else {
			reply_errorf(k->out, "ERR Unsupported option %.*s", (int)k->v[i].len,
				(const char *)k->v[i].p);
			return false;
		}
	}
	*out = f;
	if ((f & EXPIRE_NX) && (f & ~(uint32_t)EXPIRE_NX)) {
		reply_error(k->out, "ERR NX and XX, GT or LT options at the same time are not "
				    "compatible");
		return false;
	}
	if ((f & EXPIRE_GT) && (f & EXPIRE_LT)) {
		reply_error(k->out, "ERR GT and LT options at the same time are not compatible");
		return false;
	}
	return true;
}

/* May a key that ends at `was` (0: never) end at `ms`? */
static bool may_expire(uint32_t f, uint64_t was, uint64_t ms)
{
	if ((f & EXPIRE_NX) && was != 0)
		return false;
	if ((f & EXPIRE_XX) && was == 0)
		return false;
	if ((f & EXPIRE_GT) && (was == 0 || ms <= was))
		return false;
	return !((f & EXPIRE_LT) && was != 0 && ms >= was);
}

static void set_expire(struct resp_call *k, struct kvs_ent *e, uint64_t ms)
{
	if (ms != 0 && ms <= call_wall_ms(k))
		kvs_delete(k->tx, k->v[1].p, k->v[1].len);
	else
		kvs_put_meta(k->tx, k->v[1].p, k->v[1].len, e->type, e->val, e->len, ms);
}

static void expire(struct resp_call *k, enum expire_unit unit)
{
	struct kvs_op op = {.key = k->v[1].p, .key_len = (uint16_t)k->v[1].len, .op = STORE_EXPIRE};
	const struct kvs_op *r;
	struct kvs_ent *e;
	uint32_t flags;
	uint64_t ms;

	if (!expire_flags(k, &flags) || !expire_arg(k, 2, unit, false, &ms))
		return;
	if (rcmd_is_blind(k->cmd, k->v, k->n) && ms > call_wall_ms(k)) {
		op.expire_ms = ms;
		r = kvs_op(k->tx, &op);
		if (r != NULL)
			reply_int(k->out, r->status == 0);
		return;
	}
	if (rcmd_is_blind(k->cmd, k->v, k->n)) {
		r = remove_key(k, 1);
		if (r != NULL)
			reply_int(k->out, r->found != CODEC_NONE);
		return;
	}
	e = call_any(k, 1);
	if (e == NULL)
		return;
	if (e->type == CODEC_NONE || !may_expire(flags, e->expire_ms, ms)) {
		reply_int(k->out, 0);
		return;
	}
	set_expire(k, e, ms);
	reply_int(k->out, 1);
}

void rcmd_expire(struct resp_call *k)
{
	expire(k, EXPIRE_S);
}

void rcmd_pexpire(struct resp_call *k)
{
	expire(k, EXPIRE_MS);
}

void rcmd_expireat(struct resp_call *k)
{
	expire(k, EXPIRE_AT_S);
}

void rcmd_pexpireat(struct resp_call *k)
{
	expire(k, EXPIRE_AT_MS);
}

void rcmd_persist(struct resp_call *k)
{
	struct kvs_ent *e = call_any(k, 1);

	if (e == NULL)
		return;
	if (e->type == CODEC_NONE || e->expire_ms == 0) {
		reply_int(k->out, 0);
		return;
	}
	set_expire(k, e, 0);
	reply_int(k->out, 1);
}

static void ttl(struct resp_call *k, bool ms, bool absolute)
{
	const struct kvs_ent *e = call_any(k, 1);
	int64_t left;

	if (e == NULL)
		return;
	if (e->type == CODEC_NONE || e->expire_ms == 0) {
		reply_int(k->out, e->type == CODEC_NONE ? -2 : -1);
		return;
	}
	left = (int64_t)e->expire_ms - (absolute ? 0 : (int64_t)call_wall_ms(k));
	left = left < 0 ? 0 : left;
	reply_int(k->out, ms ? left : absolute ? left / 1000 : (left + 500) / 1000);
}

void rcmd_ttl(struct resp_call *k)
{
	ttl(k, false, false);
}

void rcmd_pttl(struct resp_call *k)
{
	ttl(k, true, false);
}

void rcmd_expiretime(struct resp_call *k)
{
	ttl(k, false, true);
}

void rcmd_pexpiretime(struct resp_call *k)
{
	ttl(k, true, true);
}

/* ---- RENAME, COPY ---- */

static bool same_key(const struct resp_call *k)
{
	return k->v[1].len == k->v[2].len && memcmp(k->v[1].p, k->v[2].p, k->v[1].len) == 0;
}

/* The value of key 1, whose members have been read, under key 2. */
static void write_copy(struct resp_call *k, const struct kvs_ent *e, const struct kvs_scan *items,
	const struct kvs_scan *order)
{
	const struct resp_arg *to = &k->v[2];
	uint8_t *meta;

	if (e->type == CODEC_STRING) {
		kvs_put(k->tx, to->p, to->len, e->val, e->len, e->expire_ms);
		return;
	}
	meta = kvs_copy(k->tx, e->val, e->len);
	if (meta == NULL)
		return;
	memset(meta, 0, 8); /* a collection of its own */
	kvs_put_meta(k->tx, to->p, to->len, e->type, meta, e->len, e->expire_ms);
	for (uint32_t i = 0; i < items->count; i++)
		kvs_put_member(k->tx, to->p, to->len, CODEC_ITEM, items->items[i].key,
			items->items[i].key_len, items->items[i].val, items->items[i].val_len);
	for (uint32_t i = 0; order != NULL && i < order->count; i++)
		kvs_put_member(k->tx, to->p, to->len, CODEC_ORDER, order->items[i].key,
			order->items[i].key_len, order->items[i].val, order->items[i].val_len);
}

/* False: not yet. */
static bool read_all(struct resp_call *k, const struct kvs_ent *e, const struct kvs_scan **items,
	const struct kvs_scan **order)
{
	struct kvs_range r = {.key = k->v[1].p,
		.key_len = (uint16_t)k->v[1].len,
		.space = CODEC_ITEM,
		.values = true};

	*items = *order = NULL;
	if (!codec_is_collection(e->type))
		return true;
	*items = kvs_scan(k->tx, &r);
	r.space = CODEC_ORDER;
	if (e->type == CODEC_ZSET)
		*order = kvs_scan(k->tx, &r);
	return !kvs_waits(k->tx);
}

static void rename_key(struct resp_call *k, bool only_new)
{
	struct kvs_ent *from = call_any(k, 1), *to = only_new ? call_any(k, 2) : NULL;
	const struct kvs_scan *items, *order;

	if (kvs_waits(k->tx))
		return;
	if (from->type == CODEC_NONE) {
		reply_error(k->out, "ERR no such key");
		return;
	}
	if (same_key(k) || (to != NULL && to->type != CODEC_NONE)) {
		if (only_new)
			reply_int(k->out, 0);
		else
			reply_ok(k->out);
		return;
	}
	if (!read_all(k, from, &items, &order))
		return;
	write_copy(k, from, items, order);
	kvs_delete(k->tx, k->v[1].p, k->v[1].len);
	if (only_new)
		reply_int(k->out, 1);
	else
		reply_ok(k->out);
}

void rcmd_rename(struct resp_call *k)
{
	rename_key(k, false);
}

void rcmd_renamenx(struct resp_call *k)
{
	rename_key(k, true);
}

void rcmd_copy(struct resp_call *k)
{
	const struct kvs_scan *items, *order;
	struct kvs_ent *from, *to;
	bool replace = false;
	int64_t db;

	for (uint32_t i = 3; i < k->n; i++) {
		if (arg_is(&k->v[i], "replace")) {
			replace = true;
		} else if (arg_is(&k->v[i], "db") && i + 1 < k->n) {
			if (codec_integer_parse(k->v[i + 1].p, k->v[i + 1].len, &db) != 0) {
				reply_error(k->out, NOT_INT);
				return;
			}
			if (db != 0) {
				reply_error(k->out, "ERR DB index is out of range");
				return;
			}
			i++;
		} else {
			reply_error(k->out, SYNTAX);
			return;
		}
	}
	if (same_key(k)) {
		reply_error(k->out, "ERR source and destination objects are the same");
		return;
	}
	from = call_any(k, 1);
	to = call_any(k, 2);
	if (kvs_waits(k->tx))
		return;
	if (from->type == CODEC_NONE || (to->type != CODEC_NONE && !replace)) {
		reply_int(k->out, 0);
		return;
	}
	if (!read_all(k, from, &items, &order))
		return;
	write_copy(k, from, items, order);
	reply_int(k->out, 1);
}

/* ---- OBJECT, MEMORY ---- */

static const char *string_encoding(const struct kvs_ent *e)
{
	int64_t v;

	if (e->len <= 20 && codec_integer_parse(e->val, e->len, &v) == 0)
		return "int";
	return e->len <= 44 ? "embstr" : "raw";
}

static const char *encoding(const struct kvs_ent *e)
{
	switch (e->type) {
	case CODEC_STRING:
		return string_encoding(e);
	case CODEC_LIST:
		return "quicklist";
	case CODEC_ZSET:
		return "skiplist";
	default:
		return "hashtable";
	}
}

static void unknown_sub(struct resp_call *k, const char *name)
{
	reply_errorf(k->out, "ERR unknown subcommand '%.*s'. Try %s HELP.",
		(int)(k->v[1].len < 128 ? k->v[1].len : 128), (const char *)k->v[1].p, name);
}

void rcmd_object(struct resp_call *k)
{
	static const char *const subs[] = {"encoding", "freq", "idletime", "refcount"};
	const struct kvs_ent *e;
	uint32_t i = 0;

	while (i < ARRAY_SIZE(subs) && !arg_is(&k->v[1], subs[i]))
		i++;
	if (i == ARRAY_SIZE(subs)) {
		unknown_sub(k, "OBJECT");
		return;
	}
	if (k->n != 3) {
		reply_errorf(
			k->out, "ERR wrong number of arguments for 'object|%s' command", subs[i]);
		return;
	}
	e = call_any(k, 2);
	if (e == NULL)
		return;
	if (e->type == CODEC_NONE)
		reply_null(k->out);
	else if (arg_is(&k->v[1], "encoding"))
		reply_text(k->out, encoding(e));
	else if (arg_is(&k->v[1], "freq"))
		reply_error(k->out,
			"ERR An LFU maxmemory policy is not selected, access frequency not "
			"tracked. Please note that when switching between policies at runtime LRU "
			"and LFU data will take some time to adjust.");
	else
		reply_int(k->out, arg_is(&k->v[1], "refcount"));
}

void rcmd_memory(struct resp_call *k)
{
	const struct kvs_ent *e;

	if (!arg_is(&k->v[1], "usage")) {
		unknown_sub(k, "MEMORY");
		return;
	}
	if (k->n < 3) {
		reply_error(k->out, "ERR wrong number of arguments for 'memory|usage' command");
		return;
	}
	for (uint32_t i = 3; i < k->n; i += 2) {
		int64_t samples;

		if (!arg_is(&k->v[i], "samples") || i + 1 == k->n) {
			reply_error(k->out, SYNTAX);
			return;
		}
		if (!arg_int(k, i + 1, &samples))
			return;
		if (samples < 0) {
			reply_error(k->out, SYNTAX);
			return;
		}
	}
	e = call_any(k, 2);
	if (e == NULL)
		return;
	/* What it takes in the store, but for members of a collection: those are not walked. */
	if (e->type == CODEC_NONE)
		reply_null(k->out);
	else
		reply_int(k->out, (int64_t)k->v[2].len + e->len + CODEC_HEADER_MAX + 2);
}
