/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/resp/collection.h"

#include "lb/l7/resp/resp_pvt.h"

#define DRAW_MAX (1 << 20)
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

bool coll_pop_count(struct resp_call *k, int64_t *n)
{
	*n = 1;
	if (k->n > 3) {
		reply_error(k->out, SYNTAX);
		return false;
	}
	if (k->n == 3 && (codec_integer_parse(k->v[2].p, k->v[2].len, n) != 0 || *n < 0)) {
		reply_error(k->out, "ERR value is out of range, must be positive");
		return false;
	}
	return true;
}

static bool draw_args(struct resp_call *k, const char *word, struct coll_draw *d, int64_t *n)
{
	*n = 1;
	if (word == NULL && k->n > 3) {
		reply_error(k->out, SYNTAX);
		return false;
	}
	if (k->n > 2 && !arg_int(k, 2, n))
		return false;
	d->one = k->n == 2;
	d->with = k->n == 4 && arg_is(&k->v[3], word);
	if (k->n > 4 || (k->n == 4 && !d->with)) {
		reply_error(k->out, SYNTAX);
		return false;
	}
	if (*n == INT64_MIN) {
		reply_error(k->out, "ERR value is out of range, value must between "
				    "-9223372036854775807 and 9223372036854775807");
		return false;
	}
	/* As many again are made one by one, however few there are. */
	if (*n < -DRAW_MAX || (d->with && *n > INT64_MAX / 2)) {
		reply_error(k->out, "ERR value is out of range");
		return false;
	}
	return true;
}

bool coll_draw(struct resp_call *k, uint8_t type, const char *word, struct coll_draw *d)
{
	uint32_t *at;
	struct coll c;
	int64_t n;

	*d = (struct coll_draw){0};
	if (!draw_args(k, word, d, &n) || !coll_open(k, 1, type, &c))
		return false;
	d->s = coll_all(k, c.key, d->with || type == CODEC_ZSET);
	if (d->s == NULL)
		return false;
	if (d->one && d->s->count == 0) {
		reply_null(k->out);
		return false;
	}
	d->n = d->s->count == 0 ? 0 : n < 0 ? (uint64_t)-n : (uint64_t)n;
	if (n < 0)
		return true;
	d->n = d->n < d->s->count ? d->n : d->s->count;
	at = kvs_alloc(k->tx, (d->n + 1) * sizeof(*at));
	if (at == NULL)
		return false;
	coll_choose(k, d->s->count, d->n, at);
	d->at = at;
	return true;
}
