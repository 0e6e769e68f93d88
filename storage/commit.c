/* SPDX-License-Identifier: Apache-2.0
 * The commit thread.  While one write waits for its fsync, requests queue; the next write takes
 * them all, so the cost of an fsync is shared by as many as there are (group commit by itself).
 *
 * One round:  take requests;  encode the keys of all items;  read, in one MultiGet, those whose
 * outcome depends on what is there;  walk the requests in order, judge each by the state that the
 * ones before it leave (the overlay), add it to the batch or refuse it;  write;  answer.
 *
 * Logged and volatile items go to two batches, since one RocksDB write has one answer to the
 * question of the log. A request has one namespace, so it is never torn. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/hash.h"
#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "storage/shard_pvt.h"

#define ARENA_CHUNK    (256 * 1024)
#define LOOK_MIN_BYTES (1 << 20)
#define FETCH          256
#define FLAGS_READ                                                                \
	(STORE_IF_ABSENT | STORE_IF_PRESENT | STORE_IF_VERSION | STORE_KEEP_TTL | \
		STORE_RETURN_OLD | STORE_IF_TYPE)

/* Bytes that live for one round. */
struct arena_chunk {
	struct arena_chunk *next;
	size_t used, cap;
	uint8_t bytes[];
};

struct row {
	struct store_item *item;
	struct rocks_slice key;
	uint8_t *meta;     /* copy of a new collection's payload, for its incarnation; else NULL */
	uint32_t read_idx; /* UINT32_MAX: not read */
	uint8_t num[20];
};

struct overlay_entry {
	struct rocks_slice key;
	struct codec_record rec; /* type CODEC_NONE: deleted */
	uint32_t round;
};

struct commit {
	struct arena_chunk *arena; /* newest first; all but one are freed after a round */
	struct store_req **reqs;
	uint32_t req_cnt, row_cnt, read_cnt, round, overlay_mask;
	struct row *rows;
	struct rocks_slice *read_keys;
	struct rocks_result *read_res;
	struct overlay_entry *overlay;
	struct rocks_batch *logged, *volatile_;
	uint32_t max_reqs, max_items;
	uint64_t max_bytes;
	bool sync, has_logged;
	bool judging; /* some item of the round depends on what is there */
	struct mix_key secret;
};

struct commit *commit_create(const struct store_params *p)
{
	struct commit *c = calloc(1, sizeof(*c));
	uint32_t rows = p->batch_items + LIMIT_STORE_ITEMS;
	size_t overlay = pow2_at_least(2 * (uint64_t)rows);

	if (c == NULL)
		return NULL;
	c->max_reqs = p->batch_items;
	c->max_items = p->batch_items;
	c->max_bytes = p->batch_bytes;
	c->overlay_mask = (uint32_t)overlay - 1;
	mix_key_init(&c->secret);
	c->reqs = calloc(c->max_reqs, sizeof(c->reqs[0]));
	c->rows = calloc(rows, sizeof(c->rows[0]));
	c->read_keys = calloc(rows, sizeof(c->read_keys[0]));
	c->read_res = calloc(rows, sizeof(c->read_res[0]));
	c->overlay = calloc(overlay, sizeof(c->overlay[0]));
	c->logged = rocks_batch_create();
	c->volatile_ = rocks_batch_create();
	if (c->reqs == NULL || c->rows == NULL || c->read_keys == NULL || c->read_res == NULL ||
		c->overlay == NULL || c->logged == NULL || c->volatile_ == NULL) {
		commit_destroy(c);
		return NULL;
	}
	return c;
}

static void arena_free(struct commit *c)
{
	while (c->arena != NULL) {
		struct arena_chunk *next = c->arena->next;

		free(c->arena);
		c->arena = next;
	}
}

void commit_destroy(struct commit *c)
{
	if (c == NULL)
		return;
	arena_free(c);
	free(c->reqs);
	free(c->rows);
	free(c->read_keys);
	free(c->read_res);
	free(c->overlay);
	rocks_batch_destroy(c->logged);
	rocks_batch_destroy(c->volatile_);
	free(c);
}

/* NULL when memory is short. */
static uint8_t *arena_take(struct commit *c, size_t n)
{
	struct arena_chunk *a = c->arena;
	uint8_t *p;

	if (a == NULL || a->cap - a->used < n) {
		size_t cap = n > ARENA_CHUNK ? n : ARENA_CHUNK;

		a = malloc(sizeof(*a) + cap);
		if (a == NULL)
			return NULL;
		a->next = c->arena;
		a->cap = cap;
		a->used = 0;
		c->arena = a;
	}
	p = a->bytes + a->used;
	a->used += n;
	return p;
}

static void arena_reset(struct commit *c)
{
	struct arena_chunk *keep = c->arena;

	if (keep == NULL)
		return;
	if (keep->next != NULL || keep->cap > ARENA_CHUNK)
		arena_free(c);
	else
		keep->used = 0;
}

/* ---- overlay: what this round has decided about a key ---- */

/* The entry of the key, or the free one where it would stand. */
static struct overlay_entry *overlay_at(struct commit *c, struct rocks_slice key)
{
	uint32_t i = (uint32_t)mix_hash_bytes(&c->secret, key.data, key.len) & c->overlay_mask;

	for (;; i = (i + 1) & c->overlay_mask) {
		struct overlay_entry *e = &c->overlay[i];

		if (e->round != c->round)
			return e;
		if (e->key.len == key.len && memcmp(e->key.data, key.data, key.len) == 0)
			return e;
	}
}

static void overlay_set(struct commit *c, struct rocks_slice key, const struct codec_record *rec)
{
	struct overlay_entry *e = overlay_at(c, key);

	e->round = c->round;
	e->key = key;
	e->rec = *rec;
}

/* The state before this item: of the overlay, else of the database; an expired record is none. In a
 * round of blind writes nobody asks for it. 0 or -EIO, -EUCLEAN. */
static int state_of(
	struct shard *sh, const struct row *w, uint64_t now_ms, struct codec_record *rec)
{
	struct commit *c = sh->commit;
	const struct overlay_entry *e;

	memset(rec, 0, sizeof(*rec));
	if (!c->judging)
		return 0;
	e = overlay_at(c, w->key);
	if (e->round == c->round) {
		*rec = e->rec;
	} else if (w->read_idx != UINT32_MAX) {
		const struct rocks_result *r = &c->read_res[w->read_idx];
		int rc = r->status;

		if (rc == 0)
			rc = codec_record_decode(r->val.data, r->val.len, rec);
		if (rc == -ENOENT)
			return 0;
		if (rc != 0) {
			shard_note_read_error(sh, &sh->threads[0], rc);
			return rc;
		}
	}
	if (codec_expired(rec, now_ms))
		memset(rec, 0, sizeof(*rec));
	return 0;
}

/* ---- one round ---- */

static bool needs_read(const struct store_item *it)
{
	return (it->flags & FLAGS_READ) != 0 || it->op == STORE_INCR || it->op == STORE_EXPIRE ||
	       it->op == STORE_CHECK;
}

static int add_row(struct shard *sh, struct store_item *it)
{
	struct commit *c = sh->commit;
	struct row *w = &c->rows[c->row_cnt];
	struct codec_key k = it->key;
	uint8_t *enc;

	k.ns = sh->store->ns_id[it->key.ns];
	enc = arena_take(c, codec_key_len(&k));
	if (enc == NULL)
		return -ENOMEM;
	w->meta = NULL;
	if (it->op == STORE_PUT && k.space == CODEC_KEY && codec_is_collection(it->type) &&
		load64(it->value) == 0) {
		w->meta = arena_take(c, it->value_len);
		if (w->meta == NULL)
			return -ENOMEM;
		memcpy(w->meta, it->value, it->value_len);
	}
	w->item = it;
	w->key = (struct rocks_slice){enc, codec_key_encode(&k, enc)};
	w->read_idx = UINT32_MAX;
	c->judging |= needs_read(it);
	/* Members of an incarnation that does not exist yet are not there. */
	if (needs_read(it) && (k.space == CODEC_KEY || k.incarnation != 0)) {
		w->read_idx = c->read_cnt;
		c->read_keys[c->read_cnt++] = w->key;
	}
	c->row_cnt++;
	return 0;
}

static void gather(struct shard *sh)
{
	struct commit *c = sh->commit;

	c->row_cnt = c->read_cnt = 0;
	c->round++;
	c->sync = c->has_logged = c->judging = false;
	rocks_batch_clear(c->logged);
	rocks_batch_clear(c->volatile_);
	for (uint32_t i = 0; i < c->req_cnt; i++) {
		struct store_req *r = c->reqs[i];

		r->item_base_ = c->row_cnt;
		r->status = 0;
		for (uint32_t k = 0; k < r->item_cnt && r->status == 0; k++)
			r->status = add_row(sh, &r->items[k]);
		if (r->status != 0)
			r->status = -EBUSY;
	}
	if (c->read_cnt > 0)
		rocks_multi_get(sh->db, NULL, c->read_cnt, c->read_keys, c->read_res);
}

/* 0, or why this item may not happen. */
static int judge(const struct store_item *it, const struct codec_record *was, int64_t *sum)
{
	bool present = was->type != CODEC_NONE;
	int64_t base = 0;

	if ((it->flags & STORE_IF_ABSENT) && present)
		return -EEXIST;
	if ((it->flags & STORE_IF_PRESENT || it->op == STORE_EXPIRE) && !present)
		return -ENOENT;
	if ((it->flags & STORE_IF_VERSION) && was->version != it->if_version)
		return -ESTALE;
	if ((it->flags & STORE_IF_TYPE) && present && was->type != it->if_type)
		return -EPROTOTYPE;
	if (it->op != STORE_INCR)
		return 0;
	if (present && was->type != CODEC_STRING && was->type != CODEC_MEMBER)
		return -EPROTOTYPE;
	if (present && codec_integer_parse(was->payload, was->payload_len, &base) != 0)
		return -EBADMSG;
	return __builtin_add_overflow(base, it->delta, sum) ? -ERANGE : 0;
}

static void return_old(struct store_item *it, const struct codec_record *was)
{
	it->found = was->type;
	it->version = was->version;
	if (!(it->flags & STORE_RETURN_OLD))
		return;
	it->value_len = (uint32_t)was->payload_len;
	it->expire_ms = was->expire_ms;
	if (it->out != NULL && was->payload_len <= it->out_cap && was->payload_len > 0)
		memcpy(it->out, was->payload, was->payload_len);
}

/* The record that this item leaves behind; type CODEC_NONE: none. */
static void next_record(struct row *w, const struct codec_record *was, int64_t sum,
	uint64_t version, struct codec_record *rec)
{
	struct store_item *it = w->item;

	*rec = *was;
	rec->version = version;
	switch (it->op) {
	case STORE_PUT:
		rec->type = it->type;
		if (w->meta != NULL)
			memcpy(w->meta, &version, sizeof(version));
		rec->payload = w->meta != NULL ? w->meta : it->value;
		rec->payload_len = it->value_len;
		if (!(it->flags & STORE_KEEP_TTL))
			rec->expire_ms = it->expire_ms;
		break;
	case STORE_INCR:
		if (was->type == CODEC_NONE)
			rec->type = it->key.space == CODEC_KEY ? CODEC_STRING : CODEC_MEMBER;
		rec->payload_len = codec_integer_format(sum, w->num);
		rec->payload = w->num;
		it->number = sum;
		break;
	case STORE_EXPIRE:
		rec->expire_ms = it->expire_ms;
		break;
	default:
		memset(rec, 0, sizeof(*rec));
	}
}

static void batch_record(
	struct rocks_batch *b, struct rocks_slice key, const struct codec_record *rec)
{
	uint8_t head[CODEC_HEADER_MAX];

	if (rec->type == CODEC_NONE) {
		rocks_batch_delete(b, key);
		return;
	}
	rocks_batch_put(b, key, (struct rocks_slice){head, codec_header_encode(rec, head)},
		(struct rocks_slice){rec->payload, rec->payload_len});
}

static void set_incarnation(struct row *w, uint64_t version)
{
	struct store_item *it = w->item;
	uint64_t be = __builtin_bswap64(version);
	uint8_t *enc;

	if (it->key.space == CODEC_KEY || it->key.incarnation != 0)
		return;
	/* The key was encoded into our arena with zeros there. */
	enc = (uint8_t *)(uintptr_t)w->key.data;
	memcpy(enc + w->key.len - it->key.sub_len - 8, &be, sizeof(be));
	it->key.incarnation = version;
}

/* A sum is formed from the state before the request, so its key must not stand there before. */
static bool stands_before(const struct commit *c, const struct store_req *r, uint32_t k)
{
	const struct rocks_slice *key = &c->rows[r->item_base_ + k].key;

	for (uint32_t j = 0; j < k; j++) {
		const struct rocks_slice *other = &c->rows[r->item_base_ + j].key;

		if (other->len == key->len && memcmp(other->data, key->data, key->len) == 0)
			return true;
	}
	return false;
}

/* All items are judged, by the state before the request, before the first is applied: a request is
 * all or nothing. */
static int judge_all(struct shard *sh, struct store_req *r, uint64_t now_ms, int64_t *sums)
{
	struct commit *c = sh->commit;
	int rc = 0;

	for (uint32_t k = 0; k < r->item_cnt && rc == 0; k++) {
		struct row *w = &c->rows[r->item_base_ + k];
		struct codec_record was;

		rc = state_of(sh, w, now_ms, &was);
		if (rc == 0)
			rc = judge(w->item, &was, &sums[k]);
		if (rc == 0 && w->item->op == STORE_INCR && stands_before(c, r, k))
			rc = -EINVAL;
		if (rc != 0) {
			return_old(w->item, &was);
			for (uint32_t j = 0; j < r->item_cnt; j++)
				r->items[j].status = j == k ? rc : -ECANCELED;
		}
	}
	return rc;
}

static int apply(struct shard *sh, struct store_req *r, uint64_t now_ms)
{
	struct commit *c = sh->commit;
	enum store_durability d = sh->store->ns_durability[r->items[0].key.ns];
	struct rocks_batch *b = d == STORE_VOLATILE ? c->volatile_ : c->logged;
	uint64_t version = sh->next_version;
	int64_t sums[LIMIT_STORE_ITEMS];
	int rc = judge_all(sh, r, now_ms, sums);

	if (rc != 0)
		return rc;
	for (uint32_t k = 0; k < r->item_cnt; k++) {
		struct row *w = &c->rows[r->item_base_ + k];
		struct store_item *it = w->item;
		struct codec_record was, rec;

		set_incarnation(w, version);
		(void)state_of(sh, w, now_ms, &was);
		next_record(w, &was, sums[k], version, &rec);
		it->status = 0;
		return_old(it, &was);
		if (it->op == STORE_CHECK)
			continue;
		if (rec.type != CODEC_NONE)
			it->version = version;
		batch_record(b, w->key, &rec);
		if (c->judging)
			overlay_set(c, w->key, &rec);
		count_add(&sh->threads[0].c.writes, 1);
	}
	sh->next_version++;
	c->sync |= d == STORE_ALWAYS;
	c->has_logged |= d != STORE_VOLATILE;
	return 0;
}

/* Ranges of the three spaces of one namespace. It is alone in its round: the overlay knows keys,
 * not ranges. */
static int apply_clear(struct shard *sh, const struct store_req *r)
{
	static const uint8_t spaces[] = {CODEC_KEY, CODEC_ITEM, CODEC_ORDER};
	struct commit *c = sh->commit;
	enum store_durability d = sh->store->ns_durability[r->items[0].key.ns];

	for (uint32_t i = 0; i < ARRAY_SIZE(spaces); i++) {
		uint8_t ns = sh->store->ns_id[r->items[0].key.ns];
		uint8_t from[2] = {spaces[i], ns}, to[2] = {spaces[i], ns};
		size_t to_len = codec_successor(to, sizeof(to));

		rocks_batch_delete_range(d == STORE_VOLATILE ? c->volatile_ : c->logged,
			(struct rocks_slice){from, 2}, (struct rocks_slice){to, to_len});
	}
	c->sync = d == STORE_ALWAYS;
	c->has_logged = d != STORE_VOLATILE;
	return 0;
}

/* What keeps a write out at all. */
static int refused(struct shard *sh, const struct store_req *r)
{
	enum store_state state =
		(enum store_state)atomic_load_explicit(&sh->state, memory_order_relaxed);

	if (state == STORE_OFFLINE || sh->db == NULL)
		return -ENXIO;
	if (state == STORE_READ_ONLY)
		return -EROFS;
	if (r->adds_ && atomic_load_explicit(&sh->store->full, memory_order_relaxed))
		return -ENOSPC;
	return 0;
}

/* A stalled database says so at once; a delay of its own making is worth waiting for, a stop is
 * not: the queue would fill behind it. */
static int write_batch(struct shard *sh, struct rocks_batch *b, unsigned how, char *err)
{
	int rc;

	if (rocks_batch_count(b) == 0)
		return 0;
	rc = rocks_write(sh->db, b, how | ROCKS_NO_SLOWDOWN, err);
	if (rc == -EBUSY &&
		atomic_load_explicit(&sh->stall, memory_order_relaxed) != URING_FS_STALL_STOPPED)
		rc = rocks_write(sh->db, b, how, err);
	return rc;
}

struct outcome {
	int logged, volatile_;
};

static int write_logged_or_not(struct shard *sh, struct rocks_batch *b, unsigned how)
{
	char err[ROCKS_ERR] = "";
	int rc = write_batch(sh, b, how, err);

	if (rc == 0 || rc == -EBUSY)
		return rc;
	recover_write_failed(sh, rc, err);
	return -ENOTRECOVERABLE;
}

/* The keeper's own rhythm is too slow for a device that could fill the reserve meanwhile. */
static void note_bytes(struct shard *sh)
{
	for (uint32_t i = 0; i < sh->commit->req_cnt; i++)
		sh->unseen_bytes += sh->commit->reqs[i]->bytes_;
	if (sh->unseen_bytes > sh->store->p.low_space_bytes / 16 + LOOK_MIN_BYTES) {
		sh->unseen_bytes = 0;
		keeper_nudge(sh->store);
	}
}

static void fetch_ahead(struct shard *sh)
{
	const struct commit *c = sh->commit;
	struct memtable_key keys[FETCH];
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->row_cnt; i++) {
		if (c->rows[i].item->key.space == CODEC_KEY)
			keys[n++] = (struct memtable_key){c->rows[i].key.data, c->rows[i].key.len};
		if (n == FETCH || (i + 1 == c->row_cnt && n > 1)) {
			rocks_prefetch(sh->db, keys, n);
			n = 0;
		}
	}
}

static struct outcome write_round(struct shard *sh)
{
	struct commit *c = sh->commit;
	struct shard_counters *n = &sh->threads[0].c;
	uint64_t start_ns = clock_now_ns(), took_ns;
	struct outcome o;

	fetch_ahead(sh);
	o.volatile_ = write_logged_or_not(sh, c->volatile_, ROCKS_NO_LOG);
	o.logged = write_logged_or_not(sh, c->logged, c->sync ? ROCKS_SYNC : 0);
	if (o.logged == 0 && c->has_logged)
		sh->unsynced = !c->sync;
	took_ns = clock_now_ns() - start_ns;
	count_add(&n->commits, 1);
	count_add(&n->commit_syncs, c->sync);
	count_add(&n->commit_ns, took_ns);
	count_max(&n->commit_max_ns, took_ns);
	note_bytes(sh);
	return o;
}

static void answer_round(struct shard *sh, struct outcome o)
{
	struct commit *c = sh->commit;
	struct shard_thread *t = &sh->threads[0];

	for (uint32_t i = 0; i < c->req_cnt; i++) {
		struct store_req *r = c->reqs[i];
		bool logged = sh->store->ns_durability[r->items[0].key.ns] != STORE_VOLATILE;
		int rc = logged ? o.logged : o.volatile_;

		if (r->status == 0 && rc != 0) {
			r->status = rc;
			for (uint32_t k = 0; k < r->item_cnt; k++)
				r->items[k].status = rc;
			count_add(rc == -EBUSY ? &t->c.stalled : &t->c.unknown, 1);
		} else if (r->status != 0) {
			count_add(&t->c.write_conflicts, 1);
		}
		count_add(&t->c.write_reqs, 1);
		inbox_answer(t, r);
	}
	inbox_wake_clients(t);
}

static void commit_round(struct shard *sh)
{
	struct commit *c = sh->commit;
	uint64_t now_ms = shard_wall_ms(sh->store);
	bool alive = sh->db != NULL;

	if (alive)
		gather(sh);
	for (uint32_t i = 0; i < c->req_cnt; i++) {
		struct store_req *r = c->reqs[i];
		int rc = refused(sh, r);

		if (rc == 0 && r->status == 0)
			rc = r->kind == STORE_CLEAR ? apply_clear(sh, r) : apply(sh, r, now_ms);
		if (rc != 0)
			r->status = rc;
	}
	answer_round(sh, alive ? write_round(sh) : (struct outcome){0, 0});
	if (alive)
		rocks_release(c->read_res, c->read_cnt);
	arena_reset(c);
}

/* A CLEAR must see what stands before it and nothing that comes after. */
static uint32_t until_clear(struct store_req **reqs, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (reqs[i]->kind == STORE_CLEAR)
			return i == 0 ? 1 : i;
	return n;
}

void *commit_main(void *thread)
{
	struct shard_thread *t = thread;
	struct shard *sh = t->shard;
	struct commit *c = sh->commit;
	struct store_req **taken = calloc(c->max_reqs, sizeof(struct store_req *));

	ASSERT(taken != NULL);
	for (;;) {
		bool stop = atomic_load_explicit(&sh->store->stop, memory_order_acquire);
		uint32_t n = inbox_take(t, taken, c->max_reqs, c->max_items, c->max_bytes);

		for (uint32_t i = 0; i < n; i += c->req_cnt) {
			c->req_cnt = until_clear(taken + i, n - i);
			memcpy(c->reqs, taken + i, c->req_cnt * sizeof(taken[0]));
			commit_round(sh);
		}
		inbox_wake_clients(t);
		recover_tick(sh, clock_now_ns());
		if (n == 0 && stop)
			break;
		if (n == 0)
			inbox_wait(t, SHARD_TICK_NS);
	}
	free(taken);
	return NULL;
}
