/* SPDX-License-Identifier: Apache-2.0
 * GET of a namespace: keys in their order, shard by shard. A cursor is the number of a place that
 * the process remembers for a while; a key that is there all the time comes exactly once. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lb/l7/kv/kv_pvt.h"

#define LOOKS 4096

struct kv_list {
	uint8_t *prefix;
	uint32_t prefix_len, limit, shard;
	uint8_t *from;
	size_t from_len;
	bool lossy;
	const struct kvs_scan *scan;
};

static bool any(void *ctx, const struct kvs_item *i)
{
	(void)ctx;
	(void)i;
	return true;
}

static void run_list(struct kvs_tx *tx)
{
	struct kv_req *q = tx->ctx;
	struct kv_list *l = q->list;
	struct kvs_range r = {.shard = (uint16_t)l->shard,
		.prefix = l->prefix,
		.prefix_len = (uint16_t)l->prefix_len,
		.from = l->from,
		.from_len = (uint16_t)l->from_len,
		.limit = l->limit,
		.looks = LOOKS,
		.keep = any};

	q->status = 200;
	l->scan = kvs_scan(tx, &r);
}

static void put_number(struct kv_text *t, const char *fmt, uint64_t n)
{
	char text[64];
	int len = snprintf(text, sizeof(text), fmt, n);

	kv_put_text(t, text, (size_t)len);
}

static uint64_t next_cursor(struct kv_req *q)
{
	const struct kvs_scan *s = q->list->scan;
	struct kvs *k = kvs_of(q->tx->w);

	if (!s->done)
		return kvs_cursor_put(k, q->list->shard, s->last, (size_t)s->last_len + 1);
	if (q->list->shard + 1 < store_shard_cnt(kvs_store(k)))
		return kvs_cursor_put(k, q->list->shard + 1, NULL, 0);
	return 0;
}

static const char *type_word(uint8_t type)
{
	switch (type) {
	case CODEC_STRING:
		return "value";
	case CODEC_HASH:
		return "hash";
	case CODEC_SET:
		return "set";
	case CODEC_ZSET:
		return "zset";
	default:
		return "list";
	}
}

static void answer_list(struct kv_req *q)
{
	const struct kvs_scan *s = q->list->scan;
	struct kv_text t = {.tx = q->tx};
	uint64_t cursor = next_cursor(q), now = kvs_wall_ms(q->tx->w);

	kv_put_text(&t, "{\"keys\": [", 10);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct kvs_item *it = &s->items[i];
		const char *word = type_word(it->type);
		bool lossy = false;

		kv_put_text(&t, i > 0 ? ",\n{\"key\": " : "{\"key\": ", i > 0 ? 10 : 8);
		kv_put_string(&t, it->key, it->key_len, &lossy);
		kv_put_text(&t, ", \"type\": \"", 11);
		kv_put_text(&t, word, strlen(word));
		kv_put_text(&t, "\"", 1);
		if (it->expire_ms > now)
			put_number(&t, ", \"ttl\": %" PRIu64, (it->expire_ms - now + 999) / 1000);
		if (lossy) /* not UTF-8: as shown it cannot be asked for */
			kv_put_text(&t, ", \"binary\": true", 16);
		kv_put_text(&t, "}", 1);
	}
	kv_put_text(&t, "]", 1);
	if (cursor != 0)
		put_number(&t, ", \"cursor\": \"%" PRIu64 "\"", cursor);
	kv_put_text(&t, "}\n", 2);
	if (t.full)
		kv_problem(q->s, 503, "Overloaded", "no memory for the answer");
	else
		kv_json(q, t.at, t.len);
}

/* Value of a parameter, percent-decoded into the transaction's memory; NULL: not there. */
static uint8_t *param(struct kv_req *q, const char *name, uint32_t *len)
{
	struct span rest = q->s->req.query;
	size_t name_len = strlen(name);

	while (rest.len > 0) {
		const char *amp = memchr(rest.at, '&', rest.len);
		uint32_t n = amp != NULL ? (uint32_t)(amp - rest.at) : rest.len, used = 0;
		struct span p = {rest.at, n};
		uint8_t *out;

		rest = (struct span){rest.at + n + (amp != NULL), rest.len - n - (amp != NULL)};
		if (p.len <= name_len || p.at[name_len] != '=' || memcmp(p.at, name, name_len) != 0)
			continue;
		out = kvs_alloc(q->tx, p.len + 1);
		for (uint32_t i = (uint32_t)name_len + 1; out != NULL && i < p.len; i++) {
			unsigned v;

			if (p.at[i] == '%' && i + 2 < p.len &&
				sscanf(p.at + i + 1, "%2x", &v) == 1) {
				out[used++] = (uint8_t)v;
				i += 2;
			} else {
				out[used++] = p.at[i] == '+' ? ' ' : (uint8_t)p.at[i];
			}
		}
		*len = used;
		return out;
	}
	return NULL;
}

static void refuse(struct kv_req *q, const char *why)
{
	struct http_stream *s = q->s;

	kvs_drop(q->tx);
	s->action_state = NULL;
	kv_problem(s, 400, "Bad Request", why);
}

void kv_list(struct kv_req *q)
{
	struct kv_list *l = kvs_alloc(q->tx, sizeof(*l));
	uint64_t id = 0, limit = q->route->list_max;
	uint8_t *text;
	uint32_t len;

	if (l == NULL) {
		refuse(q, "no memory");
		return;
	}
	*l = (struct kv_list){.shard = 0};
	q->list = l;
	text = param(q, "limit", &len);
	if (text != NULL &&
		(!http_number((struct span){(char *)text, len}, &limit) || limit == 0)) {
		refuse(q, "limit is no number");
		return;
	}
	l->limit = limit < q->route->list_max ? (uint32_t)limit : q->route->list_max;
	l->prefix = param(q, "prefix", &l->prefix_len);
	if (l->prefix_len > CODEC_KEY_MAX) {
		refuse(q, "prefix is too long");
		return;
	}
	text = param(q, "cursor", &len);
	if (text != NULL) {
		l->from = kvs_alloc(q->tx, KVS_CURSOR_KEY);
		if (l->from == NULL || !http_number((struct span){(char *)text, len}, &id) ||
			!kvs_cursor_get(kvs_of(q->tx->w), id, &l->shard, l->from, &l->from_len)) {
			refuse(q, "this cursor is unknown, or too old");
			return;
		}
	}
	kv_start(q, run_list, answer_list);
}
