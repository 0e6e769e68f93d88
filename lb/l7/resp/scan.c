/* SPDX-License-Identifier: Apache-2.0
 * Commands on all keys of the namespace, shard by shard, and SCAN of collections. A cursor is the
 * number of a place in the worker's shared table of cursors (kvs.h); keys come in their order, so a
 * key that is there all the time comes exactly once. */
#include "lb/l7/resp/scan.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "lb/l7/resp/glob.h"
#include "lb/l7/resp/resp_pvt.h"

#define LOOKS 1024

struct filter {
	const uint8_t *pat;
	uint32_t pat_len;
	uint8_t type; /* CODEC_NONE: any */
	uint8_t *prefix;
	uint32_t prefix_len;
	bool all;
};

static bool wanted(void *ctx, const struct kvs_item *i)
{
	const struct filter *f = ctx;

	if (f->type != CODEC_NONE && i->type != f->type)
		return false;
	return f->all || glob_match(f->pat, f->pat_len, i->key, i->key_len);
}

static struct filter *filter_new(struct resp_call *k, const struct resp_arg *pat, uint8_t type)
{
	struct filter *f = kvs_alloc(k->tx, sizeof(*f));

	if (f == NULL)
		return NULL;
	*f = (struct filter){.type = type, .all = true};
	if (pat == NULL || (pat->len == 1 && pat->p[0] == '*'))
		return f;
	f->all = false;
	f->pat = pat->p;
	f->pat_len = pat->len;
	f->prefix = kvs_alloc(k->tx, pat->len);
	if (f->prefix == NULL)
		return NULL;
	f->prefix_len = (uint32_t)glob_prefix(pat->p, pat->len, f->prefix);
	if (f->prefix_len > CODEC_KEY_MAX)
		f->prefix_len = 0;
	return f;
}

static struct kvs_range all_keys(uint32_t shard, struct filter *f)
{
	return (struct kvs_range){.shard = (uint16_t)shard,
		.prefix = f->prefix,
		.prefix_len = (uint16_t)f->prefix_len,
		.keep = wanted,
		.keep_ctx = f};
}

void rcmd_keys(struct resp_call *k)
{
	uint32_t shards = store_shard_cnt(kvs_store(kvs_of(k->tx->w)));
	struct filter *f = filter_new(k, &k->v[1], CODEC_NONE);
	const struct kvs_scan *scans[LIMIT_SHARDS];
	uint64_t n = 0;

	if (f == NULL)
		return;
	for (uint32_t i = 0; i < shards; i++) {
		struct kvs_range r = all_keys(i, f);

		scans[i] = kvs_scan(k->tx, &r);
		n += scans[i] != NULL ? scans[i]->count : 0;
	}
	if (kvs_waits(k->tx))
		return;
	reply_array(k->out, n);
	for (uint32_t i = 0; i < shards; i++)
		for (uint32_t j = 0; j < scans[i]->count; j++)
			reply_bulk(k->out, scans[i]->items[j].key, scans[i]->items[j].key_len);
}

void rcmd_dbsize(struct resp_call *k)
{
	uint32_t shards = store_shard_cnt(kvs_store(kvs_of(k->tx->w)));
	struct filter *f = filter_new(k, NULL, CODEC_NONE);
	int64_t n = 0;

	if (f == NULL)
		return;
	for (uint32_t i = 0; i < shards; i++) {
		struct kvs_range r = all_keys(i, f);
		const struct kvs_scan *s;

		r.count_only = true;
		s = kvs_scan(k->tx, &r);
		n += s != NULL ? s->count : 0;
	}
	if (!kvs_waits(k->tx))
		reply_int(k->out, n);
}

/* The first key behind a random place of a random shard. Places are drawn between the first and the
 * last key of the shard, so keys that differ early are about equally likely. */
static bool random_place(struct resp_call *k, const struct kvs_item *lo, const struct kvs_item *hi,
	struct kvs_range *r)
{
	struct resp_job *j = k->tx->ctx;
	uint32_t same = 0, n = lo->key_len < hi->key_len ? lo->key_len : hi->key_len;
	uint64_t a = 0, b = 0, at;
	uint8_t *p;

	while (same < n && lo->key[same] == hi->key[same])
		same++;
	for (uint32_t i = 0; i < 7; i++) {
		a = a << 8 | (same + i < lo->key_len ? lo->key[same + i] : 0);
		b = b << 8 | (same + i < hi->key_len ? hi->key[same + i] : 0);
	}
	at = a + resp_random(j->w) % (b - a + 1);
	p = kvs_alloc(k->tx, same + 7);
	if (p == NULL)
		return false;
	if (same > 0)
		memcpy(p, hi->key, same);
	for (uint32_t i = 0; i < 7; i++)
		p[same + i] = (uint8_t)(at >> (8 * (6 - i)));
	r->from = p;
	r->from_len = (uint16_t)(same + 7);
	return true;
}

void rcmd_randomkey(struct resp_call *k)
{
	struct resp_job *j = k->tx->ctx;
	uint32_t shards = store_shard_cnt(kvs_store(kvs_of(k->tx->w)));
	struct filter *f = filter_new(k, NULL, CODEC_NONE);
	const struct kvs_scan *first[LIMIT_SHARDS], *last[LIMIT_SHARDS], *at;
	uint32_t full[LIMIT_SHARDS], n = 0, s;
	struct kvs_range r;

	if (f == NULL)
		return;
	for (uint32_t i = 0; i < shards; i++) {
		r = all_keys(i, f);
		r.limit = 1;
		first[i] = kvs_scan(k->tx, &r);
		r.reverse = true;
		last[i] = kvs_scan(k->tx, &r);
	}
	if (kvs_waits(k->tx))
		return;
	for (uint32_t i = 0; i < shards; i++)
		if (first[i]->count > 0 && last[i]->count > 0)
			full[n++] = i;
	if (n == 0) {
		reply_null(k->out);
		return;
	}
	/* A later run draws again, and gets what the first one asked for. */
	s = full[resp_random(j->w) % n];
	r = all_keys(s, f);
	r.limit = 1;
	if (!random_place(k, &first[s]->items[0], &last[s]->items[0], &r))
		return;
	at = kvs_scan(k->tx, &r);
	if (at == NULL)
		return;
	if (at->count == 0)
		at = last[at->r.shard];
	reply_bulk(k->out, at->items[0].key, at->items[0].key_len);
}

/* ---- SCAN ---- */

bool scan_options(struct resp_call *k, uint32_t from, struct scan_args *o)
{
	int64_t v;

	*o = (struct scan_args){.count = 10};
	for (uint32_t i = from; i < k->n; i += 2) {
		if (i + 1 >= k->n) {
			reply_error(k->out, SYNTAX);
			return false;
		}
		if (arg_is(&k->v[i], "match")) {
			o->match = &k->v[i + 1];
		} else if (arg_is(&k->v[i], "count")) {
			if (!arg_int(k, i + 1, &v))
				return false;
			if (v < 1) {
				reply_error(k->out, SYNTAX);
				return false;
			}
			o->count = v > 100000 ? 100000 : (uint32_t)v;
		} else if (from == 2 && arg_is(&k->v[i], "type")) {
			o->type = &k->v[i + 1];
		} else {
			reply_error(k->out, SYNTAX);
			return false;
		}
	}
	return true;
}

/* Decimal of 64 bits. */
static bool cursor_number(const struct resp_arg *a, uint64_t *out)
{
	uint64_t v = 0;

	if (a->len == 0 || a->len > 20)
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		if (a->p[i] < '0' || a->p[i] > '9' || v > (UINT64_MAX - 9) / 10)
			return false;
		v = v * 10 + (uint64_t)(a->p[i] - '0');
	}
	*out = v;
	return true;
}

bool scan_cursor(struct resp_call *k, uint32_t i, struct scan_place *p)
{
	uint64_t id;
	uint8_t *buf;
	size_t len;

	*p = (struct scan_place){0};
	if (!cursor_number(&k->v[i], &id)) {
		reply_error(k->out, "ERR invalid cursor");
		return false;
	}
	if (id == 0)
		return true;
	buf = kvs_alloc(k->tx, KVS_CURSOR_KEY);
	if (buf == NULL)
		return false;
	if (!kvs_cursor_get(kvs_of(k->tx->w), id, &p->shard, buf, &len)) {
		reply_error(k->out, "ERR invalid cursor");
		return false;
	}
	p->from = buf;
	p->from_len = (uint16_t)len;
	return true;
}

void scan_reply_cursor(struct resp_call *k, uint32_t shard, const struct kvs_scan *s, bool more)
{
	uint64_t id = 0;
	char text[24];

	/* The smallest place above what was looked at; an empty one begins a shard. */
	if (more)
		id = kvs_cursor_put(kvs_of(k->tx->w), shard, s == NULL ? NULL : s->last,
			s == NULL ? 0 : (size_t)s->last_len + 1);
	reply_array(k->out, 2);
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)id);
	reply_text(k->out, text);
}

static uint8_t type_of_name(const struct resp_arg *a)
{
	for (uint8_t t = CODEC_STRING; t <= CODEC_LIST; t++)
		if (arg_is(a, type_name(t)))
			return t;
	return CODEC_MEMBER; /* no key has it */
}

void rcmd_scan(struct resp_call *k)
{
	uint32_t shards = store_shard_cnt(kvs_store(kvs_of(k->tx->w)));
	const struct kvs_scan *s;
	struct scan_args o;
	struct scan_place at;
	struct kvs_range r;
	struct filter *f;
	bool more;

	if (!scan_cursor(k, 1, &at) || !scan_options(k, 2, &o))
		return;
	f = filter_new(k, o.match, o.type == NULL ? CODEC_NONE : type_of_name(o.type));
	if (f == NULL)
		return;
	if (at.shard >= shards) {
		reply_error(k->out, "ERR invalid cursor");
		return;
	}
	r = all_keys(at.shard, f);
	r.limit = o.count;
	r.looks = o.count < LOOKS ? LOOKS : o.count;
	r.from = at.from;
	r.from_len = at.from_len;
	s = kvs_scan(k->tx, &r);
	if (s == NULL)
		return;
	more = !s->done || at.shard + 1 < shards;
	if (s->done)
		scan_reply_cursor(k, at.shard + 1, NULL, more);
	else
		scan_reply_cursor(k, at.shard, s, more);
	reply_array(k->out, s->count);
	for (uint32_t i = 0; i < s->count; i++)
		reply_bulk(k->out, s->items[i].key, s->items[i].key_len);
}

const struct kvs_scan *scan_members(struct resp_call *k, uint8_t space, bool *empty)
{
	struct kvs_range r = {.key = k->v[1].p,
		.key_len = (uint16_t)k->v[1].len,
		.space = space,
		.values = true,
		.keep = wanted,
		.looks = LOOKS};
	const struct kvs_scan *s;
	struct scan_place at;
	struct scan_args o;

	*empty = false;
	/* Redis looks at the options only when there is something to scan. */
	if (call_any(k, 1)->type == CODEC_NONE) {
		reply_array(k->out, 2);
		reply_text(k->out, "0");
		reply_array(k->out, 0);
		return NULL;
	}
	if (!scan_cursor(k, 2, &at) || !scan_options(k, 3, &o))
		return NULL;
	r.keep_ctx = filter_new(k, o.match, CODEC_NONE);
	if (r.keep_ctx == NULL)
		return NULL;
	r.from = at.from;
	r.from_len = at.from_len;
	r.limit = o.count;
	s = kvs_scan(k->tx, &r);
	if (s != NULL)
		scan_reply_cursor(k, 0, s, !s->done);
	return s;
}

/* ---- FLUSHDB: the dispatcher runs it (kvs_clear) ---- */

void rcmd_flushdb(struct resp_call *k)
{
	reply_error(k->out, "ERR Command not allowed inside a transaction");
}
