/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/resp/collection.h"

#include "lb/l7/resp/resp_pvt.h"

#define META_LEN (CODEC_META_MIN + 8)

void coll_of(const struct kvs_ent *e, const struct resp_arg *key, uint8_t type, struct coll *c)
{
	*c = (struct coll){.key = key, .type = type, .exists = e->type == type};
	if (!c->exists)
		return;
	c->incarnation = e->incarnation;
	c->expire_ms = e->expire_ms;
	c->count = load64(e->val + 8);
	if (type == CODEC_LIST && e->len >= META_LEN)
		c->head = (int64_t)load64(e->val + CODEC_META_MIN);
}

bool coll_open(struct resp_call *k, uint32_t i, uint8_t type, struct coll *c)
{
	const struct kvs_ent *e = call_key(k, i, type);

	*c = (struct coll){.key = &k->v[i], .type = type};
	if (e == NULL)
		return false;
	coll_of(e, &k->v[i], type, c);
	return true;
}

void coll_renew(struct coll *c, const struct resp_arg *key, uint8_t type)
{
	*c = (struct coll){.key = key, .type = type};
}

void coll_save(struct resp_call *k, const struct coll *c)
{
	uint8_t *meta;

	if (c->count == 0) {
		kvs_delete(k->tx, c->key->p, c->key->len);
		return;
	}
	meta = kvs_alloc(k->tx, META_LEN);
	if (meta == NULL)
		return;
	memcpy(meta, &c->incarnation, 8);
	memcpy(meta + 8, &c->count, 8);
	memcpy(meta + CODEC_META_MIN, &c->head, 8);
	kvs_put_meta(k->tx, c->key->p, c->key->len, c->type, meta,
		c->type == CODEC_LIST ? META_LEN : CODEC_META_MIN, c->expire_ms);
}

const struct kvs_scan *coll_all(struct resp_call *k, const struct resp_arg *key, bool values)
{
	struct kvs_range r = {.key = key->p,
		.key_len = (uint16_t)key->len,
		.space = CODEC_ITEM,
		.values = values};

	return kvs_scan(k->tx, &r);
}

bool coll_sub_ok(struct resp_call *k, uint32_t i)
{
	if (k->v[i].len <= CODEC_SUB_MAX - 8)
		return true;
	reply_error(k->out, "ERR member is longer than 32760 bytes");
	return false;
}

uint64_t coll_random(struct resp_call *k, uint64_t n)
{
	const struct resp_job *j = k->tx->ctx;

	return n == 0 ? 0 : resp_random(j->w) % n;
}

void coll_choose(struct resp_call *k, uint64_t n, uint64_t m, uint32_t *out)
{
	uint64_t left = m, at = 0;

	/* Each is taken with the chance of those still wanted among those still to come. */
	for (uint64_t i = 0; i < n && left > 0; i++)
		if (coll_random(k, n - i) < left) {
			out[at++] = (uint32_t)i;
			left--;
		}
}
