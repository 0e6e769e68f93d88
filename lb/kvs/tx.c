/* SPDX-License-Identifier: Apache-2.0
 * A transaction's steps:
 *
 *	WAIT_LOCKS -> RUN <-> (requests) -> COMMIT or VALIDATE -> END
 *	               ^-------- something had changed ---------'
 *
 * Entries hold what was read and, over it, what the transaction itself wrote, so that later
 * commands of it see their predecessors. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "lb/kvs/kvs_pvt.h"

#define BUCKETS 64

/* ---- entries ---- */

static bool key_eq(const struct codec_key *a, const struct codec_key *b)
{
	return a->space == b->space && a->key_len == b->key_len && a->sub_len == b->sub_len &&
	       (a->key_len == 0 || memcmp(a->key, b->key, a->key_len) == 0) &&
	       (a->sub_len == 0 || memcmp(a->sub, b->sub, a->sub_len) == 0);
}

struct kvs_ent *kvs_ent_find(const struct kvs_tx *tx, const struct codec_key *k, uint64_t hash)
{
	struct kvs_ent *e = tx->buckets == NULL ? NULL : tx->buckets[hash % BUCKETS];

	while (e != NULL && (e->hash != hash || !key_eq(&e->key, k)))
		e = e->hnext;
	return e;
}

static uint64_t ent_hash(const struct kvs_tx *tx, const struct codec_key *k)
{
	return kvs_hash(tx->w, k->ns, k->space, k->key, k->key_len, k->sub, k->sub_len);
}

static struct kvs_ent *ent_add(struct kvs_tx *tx, const struct codec_key *k, uint64_t hash)
{
	struct kvs_ent *e;

	if (tx->buckets == NULL) {
		tx->buckets = kvs_alloc(tx, BUCKETS * sizeof(tx->buckets[0]));
		if (tx->buckets == NULL)
			return NULL;
		memset(tx->buckets, 0, BUCKETS * sizeof(tx->buckets[0]));
	}
	e = kvs_alloc(tx, sizeof(*e));
	if (e == NULL)
		return NULL;
	memset(e, 0, sizeof(*e));
	e->key = *k;
	e->hash = hash;
	e->hnext = tx->buckets[hash % BUCKETS];
	tx->buckets[hash % BUCKETS] = e;
	*tx->ents_tail = e;
	tx->ents_tail = &e->next;
	tx->ent_cnt++;
	return e;
}

/* For a write: whatever is known of it stays. */
static struct kvs_ent *ent_get(struct kvs_tx *tx, const struct codec_key *k)
{
	uint64_t hash = ent_hash(tx, k);
	struct kvs_ent *e = kvs_ent_find(tx, k, hash);

	if (e == NULL) {
		e = ent_add(tx, k, hash);
		if (e != NULL)
			e->state = ENT_LOADED;
	}
	return e;
}

static struct codec_key key_of(const struct kvs_tx *tx, const void *key, size_t len)
{
	return (struct codec_key){
		.key = key, .key_len = (uint16_t)len, .ns = tx->ns, .space = CODEC_KEY};
}

static struct codec_key member_of(const struct kvs_tx *tx, const void *key, size_t len,
	enum codec_space space, const void *sub, size_t sub_len)
{
	struct codec_key k = key_of(tx, key, len);

	k.space = (uint8_t)space;
	k.sub = sub;
	k.sub_len = (uint16_t)sub_len;
	return k;
}

void *kvs_copy(struct kvs_tx *tx, const void *p, uint64_t n)
{
	void *copy = kvs_alloc(tx, n);

	if (copy != NULL && n > 0)
		memcpy(copy, p, n);
	return copy;
}

void kvs_fail(struct kvs_tx *tx, int err)
{
	if (tx->err == 0)
		tx->err = err;
}

static struct kvs_ent *fast_key(struct kvs_tx *tx, const struct codec_key *k)
{
	struct kvs_worker *w = tx->w;
	struct kvs_ent *e;

	if (unlikely(w->fast_cnt == KVS_FAST_ENTS)) {
		tx->slow = true;
		return NULL;
	}
	e = &w->fast_ents[w->fast_cnt++];
	e->key = *k;
	if (likely(kvs_row_get(w, e)))
		return e;
	tx->slow = true;
	return NULL;
}

/* Several keys that have to be as of one moment, which only the store knows: other workers change
 * the cache key by key. */
static bool of_one_moment(const struct kvs_tx *tx)
{
	return tx->snapshot && !tx->multi && tx->w->k->p.worker_cnt > 1 && tx->refs != NULL &&
	       tx->refs->next != NULL;
}

/* The value moves to where it stays. */
static bool from_cache(struct kvs_tx *tx, struct kvs_ent *e)
{
	if (tx->attempts > 0 || !kvs_row_lookup(tx->w, e))
		return false;
	if (of_one_moment(tx)) {
		e->state = ENT_NEW;
		e->viewed = false;
		return false;
	}
	e->val = kvs_copy(tx, e->val, e->len);
	e->checked = true;
	e->viewed = false;
	kvs_count(&tx->w->s.cache_hits, 1);
	return e->val != NULL;
}

struct kvs_ent *kvs_key(struct kvs_tx *tx, const void *key, size_t len)
{
	struct codec_key k = key_of(tx, key, len);
	struct kvs_ent *e;
	uint64_t hash;

	if (tx->fast)
		return fast_key(tx, &k);
	hash = ent_hash(tx, &k);
	e = kvs_ent_find(tx, &k, hash);
	if (e == NULL) {
		ASSERT_DBG(!tx->wrote); /* KV3 */
		e = ent_add(tx, &k, hash);
		if (e == NULL || from_cache(tx, e))
			return e;
	}
	if (e->state == ENT_LOADED)
		return e;
	tx->want = true;
	return NULL;
}

struct kvs_ent *kvs_member(struct kvs_tx *tx, const void *key, size_t len, enum codec_space space,
	const void *sub, size_t sub_len)
{
	struct codec_key k = member_of(tx, key, len, space, sub, sub_len);
	struct kvs_ent *owner = kvs_key(tx, key, len), *e;
	uint64_t hash;

	if (tx->fast) {
		tx->slow = true;
		return NULL;
	}
	hash = ent_hash(tx, &k);
	e = kvs_ent_find(tx, &k, hash);
	if (e == NULL) {
		ASSERT_DBG(!tx->wrote); /* KV3 */
		e = ent_add(tx, &k, hash);
		if (e == NULL)
			return NULL;
		if (owner != NULL)
			e->key.incarnation = owner->incarnation;
		if (owner != NULL && (!codec_is_collection(owner->type) || owner->incarnation == 0))
			e->state = ENT_LOADED;
	}
	if (e->state == ENT_LOADED)
		return owner == NULL ? NULL : e;
	tx->want = true;
	return NULL;
}

/* ---- writes ---- */

void kvs_put(struct kvs_tx *tx, const void *key, size_t len, const void *val, uint32_t val_len,
	uint64_t expire_ms)
{
	kvs_put_meta(tx, key, len, CODEC_STRING, val, val_len, expire_ms);
}

/* The members of what is gone. */
static void forget_members(struct kvs_tx *tx, const struct codec_key *k)
{
	for (struct kvs_ent *e = tx->ents; e != NULL; e = e->next) {
		if (e->key.space == CODEC_KEY || e->key.key_len != k->key_len ||
			memcmp(e->key.key, k->key, k->key_len) != 0)
			continue;
		e->state = ENT_LOADED;
		e->type = CODEC_NONE;
		e->dirty = false;
	}
}

void kvs_put_meta(struct kvs_tx *tx, const void *key, size_t len, uint8_t type, const void *payload,
	uint32_t payload_len, uint64_t expire_ms)
{
	struct codec_key k = key_of(tx, key, len);
	struct kvs_ent *e;
	uint64_t inc = codec_is_collection(type) ? load64(payload) : 0;

	if (tx->fast) {
		tx->slow = true;
		return;
	}
	e = ent_get(tx, &k);
	if (e == NULL)
		return;
	if (codec_is_collection(e->type) && (inc != e->incarnation || type != e->type))
		forget_members(tx, &k);
	tx->wrote = true;
	e->dirty = true;
	e->type = type;
	e->val = payload;
	e->len = payload_len;
	e->expire_ms = expire_ms;
	e->incarnation = inc;
}

void kvs_delete(struct kvs_tx *tx, const void *key, size_t len)
{
	struct codec_key k = key_of(tx, key, len);
	struct kvs_ent *e;

	if (tx->fast) {
		tx->slow = true;
		return;
	}
	e = ent_get(tx, &k);
	if (e == NULL)
		return;
	if (codec_is_collection(e->type))
		forget_members(tx, &k);
	tx->wrote = true;
	e->dirty = true;
	e->type = CODEC_NONE;
	e->len = 0;
	e->expire_ms = 0;
	e->incarnation = 0;
}

static void write_member(
	struct kvs_tx *tx, const struct codec_key *k, uint8_t type, const void *val, uint32_t len)
{
	struct kvs_ent *e;

	if (tx->fast) {
		tx->slow = true;
		return;
	}
	e = ent_get(tx, k);
	if (e == NULL)
		return;
	tx->wrote = true;
	e->dirty = true;
	e->type = type;
	e->val = val;
	e->len = len;
}

void kvs_put_member(struct kvs_tx *tx, const void *key, size_t len, enum codec_space space,
	const void *sub, size_t sub_len, const void *val, uint32_t val_len)
{
	struct codec_key k = member_of(tx, key, len, space, sub, sub_len);

	write_member(tx, &k, CODEC_MEMBER, val, val_len);
}

void kvs_delete_member(struct kvs_tx *tx, const void *key, size_t len, enum codec_space space,
	const void *sub, size_t sub_len)
{
	struct codec_key k = member_of(tx, key, len, space, sub, sub_len);

	write_member(tx, &k, CODEC_NONE, NULL, 0);
}

/* ---- operations ---- */

static void put_number(struct kvs_tx *tx, const struct kvs_op *op, const struct kvs_ent *e)
{
	uint8_t *num = kvs_alloc(tx, 20);

	if (num != NULL)
		kvs_put(tx, op->key, op->key_len, num,
			(uint32_t)codec_integer_format(op->number, num), e->expire_ms);
}

/* What the store would say, from what this transaction knows. */
static int judge(const struct kvs_op *op, const struct kvs_ent *e, int64_t *sum)
{
	bool there = e->type != CODEC_NONE;
	int64_t base = 0;

	if ((op->flags & STORE_IF_ABSENT) && there)
		return -EEXIST;
	if (((op->flags & STORE_IF_PRESENT) || op->op == STORE_EXPIRE) && !there)
		return -ENOENT;
	if (op->op != STORE_INCR)
		return 0;
	if (there && e->type != CODEC_STRING)
		return -EPROTOTYPE;
	if (there && codec_integer_parse(e->val, e->len, &base) != 0)
		return -EBADMSG;
	return __builtin_add_overflow(base, op->delta, sum) ? -ERANGE : 0;
}

static void emulate(struct kvs_tx *tx, struct kvs_op *op, struct kvs_ent *e)
{
	bool wrote = tx->wrote;

	op->found = e->type;
	op->status = judge(op, e, &op->number);
	if (op->status != 0)
		return;
	switch (op->op) {
	case STORE_PUT:
		kvs_put(tx, op->key, op->key_len, op->value, op->value_len,
			op->flags & STORE_KEEP_TTL ? e->expire_ms : op->expire_ms);
		break;
	case STORE_DELETE:
		if (e->type != CODEC_NONE)
			kvs_delete(tx, op->key, op->key_len);
		break;
	case STORE_INCR:
		put_number(tx, op, e);
		break;
	case STORE_EXPIRE:
		e->expire_ms = op->expire_ms;
		e->dirty = true;
		break;
	default:
		break;
	}
	/* The outcome is kept in its slot, so a later run may still read. */
	tx->wrote = wrote;
}

const struct kvs_op *kvs_op(struct kvs_tx *tx, const struct kvs_op *op)
{
	struct kvs_opslot *o = tx->ops;

	if (tx->fast) {
		tx->slow = true;
		return NULL;
	}
	for (uint32_t i = 0; o != NULL && i < tx->op_at; i++)
		o = o->next;
	tx->op_at++;
	if (o == NULL) {
		o = kvs_alloc(tx, sizeof(*o));
		if (o == NULL)
			return NULL;
		*o = (struct kvs_opslot){.op = *op};
		*tx->ops_tail = o;
		tx->ops_tail = &o->next;
	}
	if (tx->multi && o->state != ENT_LOADED) {
		struct kvs_ent *e = kvs_key(tx, op->key, op->key_len);

		if (e == NULL)
			return NULL;
		emulate(tx, &o->op, e);
		o->state = ENT_LOADED;
	}
	if (o->state == ENT_LOADED)
		return &o->op;
	tx->want = true;
	return NULL;
}

/* ---- scans ---- */

static int sub_cmp(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
	size_t n = an < bn ? an : bn;
	int c = n > 0 ? memcmp(a, b, n) : 0;

	return c != 0 ? c : an < bn ? -1 : an > bn;
}

static bool in_range(const struct kvs_range *r, const struct kvs_ent *e)
{
	const struct codec_key *k = &e->key;

	if (k->space != r->space || k->key_len != r->key_len ||
		memcmp(k->key, r->key, r->key_len) != 0)
		return false;
	if (r->prefix_len > 0 &&
		(k->sub_len < r->prefix_len || memcmp(k->sub, r->prefix, r->prefix_len) != 0))
		return false;
	if (r->from_len > 0 && sub_cmp(k->sub, k->sub_len, r->from, r->from_len) < 0)
		return false;
	return r->to_len == 0 || sub_cmp(k->sub, k->sub_len, r->to, r->to_len) < 0;
}

static int item_cmp(const struct kvs_item *a, const struct kvs_item *b, bool reverse)
{
	int c = sub_cmp(a->key, a->key_len, b->key, b->key_len);

	return reverse ? -c : c;
}

/* Puts one written member into the items, in order. */
static void lay_over(struct kvs_tx *tx, struct kvs_scan *s, const struct kvs_ent *e)
{
	struct kvs_item it = {.key = e->key.sub,
		.key_len = e->key.sub_len,
		.val = e->val,
		.val_len = e->len,
		.type = e->type};
	bool gone = e->type == CODEC_NONE, same;
	uint32_t lo = 0, hi = s->count;

	if (!gone && s->r.keep != NULL && !s->r.keep(s->r.keep_ctx, &it))
		return;
	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;

		if (item_cmp(&s->items[mid], &it, s->r.reverse) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	same = lo < s->count && item_cmp(&s->items[lo], &it, s->r.reverse) == 0;
	if (same && !gone) {
		s->items[lo] = it;
	} else if (same) {
		memmove(&s->items[lo], &s->items[lo + 1], (s->count - lo - 1) * sizeof(it));
		s->count--;
	} else if (!gone) {
		if (s->count == s->cap) {
			uint32_t cap = s->cap == 0 ? 64 : s->cap * 2;
			struct kvs_item *items = kvs_alloc(tx, cap * sizeof(*items));

			if (items == NULL)
				return;
			if (s->count > 0)
				memcpy(items, s->items, s->count * sizeof(*items));
			s->items = items;
			s->cap = cap;
		}
		memmove(&s->items[lo + 1], &s->items[lo], (s->count - lo) * sizeof(it));
		s->items[lo] = it;
		s->count++;
	}
}

static bool written(const struct kvs_tx *tx, const struct kvs_range *r)
{
	for (const struct kvs_ent *e = tx->ents; e != NULL; e = e->next)
		if (e->dirty && in_range(r, e))
			return true;
	return false;
}

static void merge(struct kvs_tx *tx, struct kvs_scan *s, uint32_t limit)
{
	for (const struct kvs_ent *e = tx->ents; e != NULL; e = e->next)
		if (e->dirty && in_range(&s->r, e))
			lay_over(tx, s, e);
	if (limit != 0 && s->count > limit) {
		s->count = limit;
		s->done = false;
	}
}

static struct kvs_scan *scan_add(struct kvs_tx *tx, const struct kvs_range *r)
{
	struct kvs_scan *s = kvs_alloc(tx, sizeof(*s));

	if (s == NULL)
		return NULL;
	*s = (struct kvs_scan){.r = *r};
	*tx->scans_tail = s;
	tx->scans_tail = &s->next;
	return s;
}

const struct kvs_scan *kvs_scan(struct kvs_tx *tx, const struct kvs_range *r)
{
	const struct kvs_ent *owner = NULL;
	struct kvs_scan *s = tx->scans;

	if (tx->fast) {
		tx->slow = true;
		return NULL;
	}
	if (r->key != NULL) {
		owner = kvs_key(tx, r->key, r->key_len);
		if (owner == NULL)
			return NULL;
	}
	for (uint32_t i = 0; s != NULL && i < tx->scan_at; i++)
		s = s->next;
	tx->scan_at++;
	if (s == NULL) {
		s = scan_add(tx, r);
		if (s == NULL)
			return NULL;
		if (owner != NULL) {
			s->incarnation = owner->incarnation;
			/* What was written is laid over the whole range. */
			if (written(tx, r))
				s->r.limit = 0;
			if (!codec_is_collection(owner->type) || owner->incarnation == 0) {
				s->state = SCAN_LOADED;
				s->done = true;
			}
		}
	}
	if (s->state != SCAN_LOADED) {
		tx->want = true;
		return NULL;
	}
	/* Once: a command writes only when it has read everything (KV3). */
	if (!s->merged)
		merge(tx, s, r->limit);
	s->r.limit = r->limit;
	s->merged = true;
	return s;
}

void kvs_next_command(struct kvs_tx *tx)
{
	tx->op_base = tx->op_at;
	tx->scan_base = tx->scan_at;
	tx->wrote = false;
}

/* ---- steps ---- */

static bool is_dirty(const struct kvs_tx *tx)
{
	for (const struct kvs_ent *e = tx->ents; e != NULL; e = e->next)
		if (e->dirty)
			return true;
	return false;
}

static void forget_reads(struct kvs_tx *tx)
{
	for (struct kvs_ent *e = tx->ents; e != NULL; e = e->next)
		kvs_row_drop_lease(tx->w, e);
	tx->buckets = NULL;
	tx->ents = NULL;
	tx->ents_tail = &tx->ents;
	tx->ent_cnt = 0;
	tx->ops = NULL;
	tx->ops_tail = &tx->ops;
	tx->scans = NULL;
	tx->scans_tail = &tx->scans;
	tx->ios = NULL;
	tx->op_base = tx->scan_base = 0;
	tx->rounds = 0;
	tx->err = 0;
	tx->ran = false;
}

/* ---- claims: who lost to other workers again and again goes first ---- */

static uint32_t claim_of(const struct kvs_ent *e)
{
	return (uint32_t)(e->hash % KVS_CLAIMS);
}

/* Does another worker claim a key that this transaction writes? Who has a claim itself does not
 * wait, so two never wait for each other. */
static bool must_wait(const struct kvs_tx *tx)
{
	if (tx->claim != 0 || tx->w->k->p.worker_cnt == 1)
		return false;
	for (const struct kvs_ent *e = tx->ents; e != NULL; e = e->next) {
		uint32_t who;

		if (!e->dirty || e->key.space != CODEC_KEY)
			continue;
		who = atomic_load_explicit(&tx->w->k->claims[claim_of(e)], memory_order_relaxed);
		if (who != 0 && who != tx->w->index + 1)
			return true;
	}
	return false;
}

/* The first key that it writes; no order of memory hangs on a claim, which is only a courtesy. */
static void claim(struct kvs_tx *tx)
{
	for (const struct kvs_ent *e = tx->ents; e != NULL; e = e->next) {
		uint32_t none = 0;

		if (!e->dirty || e->key.space != CODEC_KEY)
			continue;
		if (atomic_compare_exchange_strong_explicit(&tx->w->k->claims[claim_of(e)], &none,
			    tx->w->index + 1, memory_order_relaxed, memory_order_relaxed))
			tx->claim = claim_of(e) + 1;
		return;
	}
}

static void unclaim(struct kvs_tx *tx)
{
	if (tx->claim != 0)
		atomic_store_explicit(&tx->w->k->claims[tx->claim - 1], 0, memory_order_relaxed);
	tx->claim = 0;
}

void kvs_again(struct kvs_tx *tx)
{
	if (tx->attempts + 1 >= KVS_CLAIM_AFTER && tx->claim == 0)
		claim(tx);
	forget_reads(tx);
	mem_arena_reset(&tx->arena, tx->mark);
	kvs_count(&tx->w->s.retries, 1);
	if (++tx->attempts > KVS_ATTEMPTS) {
		kvs_finish(tx, -EBUSY);
		return;
	}
	tx->state = TX_RUN;
	list_append(&tx->w->ready, &tx->ready);
}

/* The transaction itself stands in its memory. */
static void end_arena(struct kvs_tx *tx)
{
	struct mem_arena a = tx->arena;

	mem_arena_fini(&a);
}

void kvs_finish(struct kvs_tx *tx, int status)
{
	if (!tx->ended) {
		tx->ended = true;
		tx->state = TX_END;
		list_remove(&tx->live);
		tx->done(tx, status);
	}
	if (tx->pending > 0)
		return;
	list_remove(&tx->ready);
	unclaim(tx);
	for (struct kvs_ent *e = tx->ents; e != NULL; e = e->next)
		kvs_row_drop_lease(tx->w, e);
	kvs_lock_release(tx);
	kvs_count(&tx->w->s.live, (uint64_t)-1);
	tx->over = true;
	if (tx->kept == 0)
		end_arena(tx);
}

bool kvs_keep(struct kvs_tx *tx, uint64_t bytes)
{
	struct kvs_worker *w = tx->w;

	if (w->kept + bytes > w->mem.bytes / 2)
		return false;
	tx->kept = bytes + 1;
	w->kept += tx->kept;
	return true;
}

void kvs_release(struct kvs_tx *tx)
{
	tx->w->kept -= tx->kept;
	tx->kept = 0;
	if (tx->over)
		end_arena(tx);
}

static void step_write(struct kvs_tx *tx)
{
	if (must_wait(tx)) {
		tx->state = TX_HELD;
		list_append(&tx->w->later, &tx->ready);
		return;
	}
	tx->state = TX_COMMIT;
	kvs_commit(tx);
	if (tx->pending == 0)
		kvs_finish(tx, tx->err);
}

static void step_run(struct kvs_tx *tx)
{
	tx->want = tx->wrote = false;
	tx->op_at = tx->op_base;
	tx->scan_at = tx->scan_base;
	tx->run(tx);
	tx->ran = true;
	if (tx->err == 0 && tx->want) {
		kvs_submit(tx);
		kvs_lock_started(tx);
		if (tx->pending > 0)
			return;
		/* Nothing was asked for: the run waits for something that never comes. */
		kvs_fail(tx, -EINVAL);
	}
	if (tx->err == 0 && is_dirty(tx)) {
		step_write(tx);
		return;
	}
	if (tx->err == 0 && tx->snapshot && (tx->rounds > 1 || tx->multi) &&
		tx->w->k->p.worker_cnt > 1) {
		tx->state = TX_VALIDATE;
		kvs_validate(tx);
		if (tx->pending > 0)
			return;
	}
	kvs_finish(tx, tx->err);
}

void kvs_step(struct kvs_tx *tx)
{
	if (tx->state == TX_WAIT_LOCKS)
		tx->state = TX_RUN;
	if (tx->state == TX_RUN && tx->err == 0) {
		step_run(tx);
		return;
	}
	if (tx->state == TX_HELD && tx->err == 0) {
		step_write(tx);
		return;
	}
	if (tx->state == TX_CLEAR)
		(void)atomic_fetch_add_explicit(
			&tx->w->k->gen[tx->ns], 1, memory_order_release); /* K1 */
	if ((tx->state == TX_COMMIT || tx->state == TX_VALIDATE) && tx->err == -ESTALE) {
		kvs_again(tx);
		return;
	}
	kvs_finish(tx, tx->err);
}

void kvs_answered(struct kvs_tx *tx, struct kvs_io *io)
{
	(void)io;
	ASSERT_DBG(tx->pending > 0);
	if (--tx->pending > 0)
		return;
	if (tx->ended)
		kvs_finish(tx, 0);
	else
		list_append(&tx->w->ready, &tx->ready);
}

/* ---- beginning ---- */

static void tx_init(struct kvs_tx *tx, struct kvs_worker *w, uint8_t ns)
{
	memset(tx, 0, sizeof(*tx));
	tx->w = w;
	tx->ns = ns;
	tx->start_ns = w->now_ns;
	tx->ents_tail = &tx->ents;
	tx->ops_tail = &tx->ops;
	tx->scans_tail = &tx->scans;
	list_init(&tx->live);
	list_init(&tx->ready);
}

struct kvs_tx *kvs_begin(struct kvs_worker *w, uint8_t ns)
{
	struct mem_arena a;
	struct kvs_tx *tx;

	mem_arena_init(&a, &w->mem);
	tx = mem_arena_get(&a, sizeof(*tx));
	if (tx == NULL)
		return NULL;
	tx_init(tx, w, ns);
	tx->arena = a;
	tx->mark = mem_arena_mark(&tx->arena);
	kvs_count(&w->s.live, 1);
	kvs_count(&w->s.txs, 1);
	return tx;
}

void kvs_hold(struct kvs_tx *tx)
{
	tx->mark = mem_arena_mark(&tx->arena);
}

int kvs_lock(struct kvs_tx *tx, const void *key, size_t len, enum kvs_mode mode)
{
	return kvs_lock_want(tx, kvs_hash(tx->w, tx->ns, CODEC_KEY, key, len, NULL, 0), mode);
}

void kvs_start(struct kvs_tx *tx)
{
	kvs_hold(tx);
	list_append(&tx->w->live, &tx->live);
	if (tx->missing == 0)
		kvs_step(tx);
	else
		kvs_count(&tx->w->s.waits, 1);
}

void kvs_drop(struct kvs_tx *tx)
{
	kvs_lock_release(tx);
	kvs_count(&tx->w->s.live, (uint64_t)-1);
	end_arena(tx);
}

struct kvs_tx *kvs_fast(struct kvs_worker *w, uint8_t ns)
{
	struct kvs_tx *tx = &w->fast;

	if (unlikely(tx->arena.at != w->fast_mark.at))
		mem_arena_reset(&tx->arena, w->fast_mark);
	tx->ns = ns;
	tx->slow = false;
	tx->err = 0;
	w->fast_cnt = 0;
	return tx;
}

static void clear_run(struct kvs_tx *tx)
{
	(void)tx;
}

void kvs_clear(struct kvs_tx *tx)
{
	tx->run = clear_run;
	list_append(&tx->w->live, &tx->live);
	tx->state = TX_CLEAR;
	kvs_clear_submit(tx);
	if (tx->pending == 0)
		kvs_finish(tx, tx->err);
}
