/* SPDX-License-Identifier: Apache-2.0
 * POST to a namespace: {"get": ["a"], "put": {"b": "text"}, "delete": ["c"]}. Each key is written
 * by itself, with those of its shard in one step; gets see what was there before. */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "lb/l7/kv/kv_pvt.h"

struct kv_op {
	uint8_t *key, *val;
	uint32_t key_len, val_len;
	char what; /* g, p, d */
	bool found;
	const uint8_t *got;
	uint32_t got_len;
};

struct kv_batch {
	struct kv_op ops[KV_BATCH_MAX];
	uint32_t cnt;
};

static bool add_op(struct kv_req *q, char what, const char *key, size_t key_len, const char *val,
	size_t val_len)
{
	struct kv_batch *b = q->batch;
	struct kv_op *o;

	if (b->cnt == KV_BATCH_MAX || key_len == 0 || key_len > CODEC_KEY_MAX ||
		val_len > q->route->max_value)
		return false;
	for (uint32_t i = 0; i < b->cnt; i++)
		if (b->ops[i].key_len == key_len && memcmp(b->ops[i].key, key, key_len) == 0)
			return false;
	o = &b->ops[b->cnt++];
	*o = (struct kv_op){.what = what,
		.key = kvs_copy(q->tx, key, key_len),
		.key_len = (uint32_t)key_len,
		.val = val_len > 0 ? kvs_copy(q->tx, val, val_len) : NULL,
		.val_len = (uint32_t)val_len};
	return o->key != NULL && (val_len == 0 || o->val != NULL) &&
	       kvs_lock(q->tx, o->key, o->key_len, what == 'g' ? KVS_READ : KVS_WRITE) == 0;
}

static bool add_list(struct kv_req *q, char what, const json_t *a)
{
	json_t *v;
	size_t i;

	if (a == NULL)
		return true;
	if (!json_is_array(a))
		return false;
	json_array_foreach((json_t *)(uintptr_t)a, i,
		v) if (!json_is_string(v) || !add_op(q, what, json_string_value(v),
						     json_string_length(v), NULL, 0)) return false;
	return true;
}

static bool add_puts(struct kv_req *q, json_t *o)
{
	const char *key;
	json_t *v;

	if (o == NULL)
		return true;
	if (!json_is_object(o))
		return false;
	json_object_foreach(o, key,
		v) if (!json_is_string(v) || !add_op(q, 'p', key, strlen(key), json_string_value(v),
						     json_string_length(v))) return false;
	return true;
}

/* Gets first: they see what was there before. A write is the store's own operation. */
static void run_batch(struct kvs_tx *tx)
{
	struct kv_req *q = tx->ctx;
	struct kv_batch *b = q->batch;

	q->status = 200;
	for (uint32_t i = 0; i < b->cnt; i++) {
		struct kv_op *o = &b->ops[i];
		const struct kvs_ent *e;

		if (o->what != 'g')
			continue;
		e = kvs_key(tx, o->key, o->key_len);
		o->found = e != NULL && e->type == CODEC_STRING;
		o->got = e != NULL ? e->val : NULL;
		o->got_len = e != NULL ? e->len : 0;
	}
	if (kvs_waits(tx))
		return;
	for (uint32_t i = 0; i < b->cnt; i++) {
		struct kv_op *o = &b->ops[i];
		struct kvs_op op = {.key = o->key,
			.key_len = (uint16_t)o->key_len,
			.op = o->what == 'p' ? STORE_PUT : STORE_DELETE,
			.value = o->val,
			.value_len = o->val_len};

		if (o->what != 'g')
			(void)kvs_op(tx, &op);
	}
}

static void answer_batch(struct kv_req *q)
{
	struct kv_text t = {.tx = q->tx};
	uint32_t wrote = 0, shown = 0;
	char tail[48];
	int n;

	kv_put_text(&t, "{\"get\": {", 9);
	for (uint32_t i = 0; i < q->batch->cnt; i++) {
		const struct kv_op *o = &q->batch->ops[i];
		bool lossy = false;

		wrote += o->what != 'g';
		if (o->what != 'g')
			continue;
		if (shown++ > 0)
			kv_put_text(&t, ", ", 2);
		kv_put_string(&t, o->key, o->key_len, &lossy);
		kv_put_text(&t, ": ", 2);
		if (o->found)
			kv_put_string(&t, o->got, o->got_len, &lossy);
		else
			kv_put_text(&t, "null", 4);
	}
	n = snprintf(tail, sizeof(tail), "}, \"written\": %u}\n", wrote);
	kv_put_text(&t, tail, (size_t)n);
	if (t.full)
		kv_problem(q->s, 503, "Overloaded", "no memory for the answer");
	else
		kv_json(q, t.at, t.len);
}

void kv_batch(struct kv_req *q)
{
	struct http_stream *s = q->s;
	json_error_t err;
	json_t *o = json_loadb((const char *)q->body, q->body_len, JSON_REJECT_DUPLICATES, &err);
	bool ok;

	q->batch = kvs_alloc(q->tx, sizeof(*q->batch));
	ok = q->batch != NULL && json_is_object(o);
	if (ok) {
		q->batch->cnt = 0;
		ok = add_list(q, 'g', json_object_get(o, "get")) &&
		     add_puts(q, json_object_get(o, "put")) &&
		     add_list(q, 'd', json_object_get(o, "delete")) && q->batch->cnt > 0;
	}
	json_decref(o);
	if (!ok) {
		kvs_drop(q->tx);
		s->action_state = NULL;
		kv_problem(s, 422, "Unprocessable Content",
			"say {'get': [keys], 'put': {key: text}, 'delete': [keys]}, each key once, "
			"at most 256");
		return;
	}
	q->tx->split = true;
	kv_start(q, run_batch, answer_batch);
}
