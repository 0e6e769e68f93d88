/* SPDX-License-Identifier: Apache-2.0
 * A reader thread: everything that queued becomes one MultiGet, whose device reads run in parallel.
 * Members whose collection's incarnation is not known take a second MultiGet, at the same snapshot
 * as the first. Scans follow one by one: a scan is bounded by its limit, its buffer and SCAN_LOOKS
 * records. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "storage/shard_pvt.h"

#define SCAN_LOOKS  16384
#define KEYS_AT_ONE 256 /* one MultiGet reads so many at one point in time by itself */

struct read_row {
	struct store_item *item;
	uint32_t key_at; /* offset in the arena */
	uint32_t key_len;
	bool owner; /* the key is that of the member's collection */
};

struct reader {
	struct shard_thread *t;
	struct shard *sh;
	struct store_req **reqs, **alone;
	struct read_row *rows;
	struct rocks_slice *keys;
	struct rocks_result *res;
	uint8_t *arena;
	size_t arena_len, arena_cap;
	uint32_t row_cnt, max_items;
	uint8_t scan_from[CODEC_ENCODED_MAX + 1], scan_to[CODEC_ENCODED_MAX + 1];
};

static struct reader *reader_create(struct shard_thread *t)
{
	struct reader *rd = calloc(1, sizeof(*rd));
	uint32_t rows = t->shard->store->p.read_batch + LIMIT_STORE_ITEMS;

	ASSERT(rd != NULL);
	rd->t = t;
	rd->sh = t->shard;
	rd->max_items = t->shard->store->p.read_batch;
	rd->reqs = calloc(rd->max_items, sizeof(rd->reqs[0]));
	rd->alone = calloc(rd->max_items, sizeof(rd->alone[0]));
	rd->rows = calloc(rows, sizeof(rd->rows[0]));
	rd->keys = calloc(rows, sizeof(rd->keys[0]));
	rd->res = calloc(rows, sizeof(rd->res[0]));
	ASSERT(rd->reqs != NULL && rd->alone != NULL && rd->rows != NULL && rd->keys != NULL &&
		rd->res != NULL);
	return rd;
}

static void reader_destroy(struct reader *rd)
{
	free(rd->reqs);
	free(rd->alone);
	free(rd->rows);
	free(rd->keys);
	free(rd->res);
	free(rd->arena);
	free(rd);
}

/* Keys are named by offset until all stand: the arena may move. */
static int arena_grow(struct reader *rd, size_t n)
{
	size_t cap = rd->arena_cap;
	uint8_t *p;

	if (rd->arena_len + n <= cap)
		return 0;
	while (cap < rd->arena_len + n)
		cap = cap == 0 ? 65536 : cap * 2;
	p = realloc(rd->arena, cap);
	if (p == NULL)
		return -ENOMEM;
	rd->arena = p;
	rd->arena_cap = cap;
	return 0;
}

static int add_key(struct reader *rd, struct store_item *it, bool owner)
{
	struct read_row *w = &rd->rows[rd->row_cnt];
	struct codec_key k = it->key;

	k.ns = rd->sh->store->ns_id[k.ns];
	if (owner)
		k.space = CODEC_KEY;
	if (arena_grow(rd, codec_key_len(&k)) != 0)
		return -EBUSY;
	w->item = it;
	w->owner = owner;
	w->key_at = (uint32_t)rd->arena_len;
	w->key_len = (uint32_t)codec_key_encode(&k, rd->arena + rd->arena_len);
	rd->arena_len += w->key_len;
	rd->row_cnt++;
	return 0;
}

static void fetch(struct reader *rd, struct rocks_snapshot *snap)
{
	struct shard_counters *c = &rd->t->c;
	uint64_t start_ns = clock_now_ns(), took_ns;

	for (uint32_t i = 0; i < rd->row_cnt; i++)
		rd->keys[i] =
			(struct rocks_slice){rd->arena + rd->rows[i].key_at, rd->rows[i].key_len};
	rocks_multi_get(rd->sh->db, snap, rd->row_cnt, rd->keys, rd->res);
	took_ns = clock_now_ns() - start_ns;
	count_add(&c->read_batches, 1);
	count_add(&c->reads, rd->row_cnt);
	count_add(&c->read_ns, took_ns);
	count_max(&c->read_max_ns, took_ns);
}

static void set_found(struct reader *rd, struct store_item *it, const struct codec_record *rec)
{
	count_add(&rd->t->c.read_hits, 1);
	it->status = 0;
	it->found = rec->type;
	it->version = rec->version;
	it->expire_ms = rec->expire_ms;
	it->value_len = (uint32_t)rec->payload_len;
	if (it->out == NULL)
		return;
	if (rec->payload_len > it->out_cap)
		it->status = -EMSGSIZE;
	else if (rec->payload_len > 0)
		memcpy(it->out, rec->payload, rec->payload_len);
}

/* Decodes row i's result: 0, -ENOENT (also if expired), -EIO or -EUCLEAN. */
static int record_of(struct reader *rd, uint32_t i, uint64_t now_ms, struct codec_record *rec)
{
	const struct rocks_result *res = &rd->res[i];
	int rc = res->status;

	if (rc == 0)
		rc = codec_record_decode(res->val.data, res->val.len, rec);
	if (rc == 0 && codec_expired(rec, now_ms))
		rc = -ENOENT;
	if (rc != 0 && rc != -ENOENT)
		shard_note_read_error(rd->sh, rd->t, rc);
	return rc;
}

static void set_missing(struct store_item *it, int status)
{
	it->status = status;
	it->found = CODEC_NONE;
	it->version = 0;
	it->expire_ms = 0;
	it->value_len = 0;
}

/* Answers the rows; members whose collection was read are kept as rows for a second pass. */
static void settle(struct reader *rd, uint64_t now_ms)
{
	uint32_t n = rd->row_cnt;

	rd->row_cnt = 0;
	rd->arena_len = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct read_row w = rd->rows[i];
		struct codec_record rec;
		struct codec_meta meta;
		int rc = record_of(rd, i, now_ms, &rec);

		if (rc == 0 && w.owner) {
			rc = !codec_is_collection(rec.type) ? -EPROTOTYPE
							    : codec_meta_decode(&rec, &meta);
			if (rc == 0)
				w.item->key.incarnation = meta.incarnation;
			/* row_cnt <= i: the row that is overwritten has been read. */
			if (rc == 0)
				rc = add_key(rd, w.item, false);
			if (rc == 0)
				continue;
		}
		if (rc == 0)
			set_found(rd, w.item, &rec);
		else
			set_missing(w.item, rc);
	}
}

static void read_rows(struct reader *rd, struct rocks_snapshot *given, bool members)
{
	struct rocks_snapshot *own = NULL;
	uint64_t now_ms = shard_wall_ms(rd->sh->store);

	if (rd->row_cnt == 0)
		return;
	if (given == NULL && (members || rd->row_cnt > KEYS_AT_ONE))
		own = rocks_snapshot(rd->sh->db);
	while (rd->row_cnt > 0) {
		uint32_t n = rd->row_cnt;

		fetch(rd, given != NULL ? given : own);
		settle(rd, now_ms);
		rocks_release(rd->res, n);
	}
	if (own != NULL)
		rocks_snapshot_release(rd->sh->db, own);
}

/* Adds the items of one request; returns whether a collection has to be looked up first. */
static bool add_items(struct reader *rd, struct store_req *r)
{
	bool members = false;

	for (uint32_t k = 0; k < r->item_cnt; k++) {
		struct store_item *it = &r->items[k];
		bool owner = it->key.space != CODEC_KEY && it->key.incarnation == 0;
		int rc = add_key(rd, it, owner);

		if (rc != 0)
			set_missing(it, rc);
		members |= owner;
	}
	return members;
}

static void set_read_status(struct store_req *r)
{
	r->status = 0;
	for (uint32_t k = 0; k < r->item_cnt; k++)
		if (r->items[k].status != 0 && r->item_cnt == 1)
			r->status = r->items[k].status;
}

static void read_at_snapshot(struct reader *rd, struct store_req *r)
{
	struct rocks_snapshot *snap;
	bool members;

	r->status = shard_snap_use(rd->sh, r->snapshot, &snap);
	if (r->status != 0)
		return;
	rd->row_cnt = 0;
	rd->arena_len = 0;
	members = add_items(rd, r);
	read_rows(rd, snap, members);
	shard_snap_done(rd->sh, r->snapshot);
	set_read_status(r);
}

/* ---- scans ---- */

/* Key bytes `tail` of the scanned space, encoded; returns the length. */
static size_t encode_bound(const struct reader *rd, const struct store_req *r, const uint8_t *tail,
	uint16_t tail_len, uint8_t *out)
{
	struct codec_key k = r->one.key;

	k.ns = rd->sh->store->ns_id[k.ns];
	if (k.space == CODEC_KEY) {
		k.key = tail;
		k.key_len = tail_len;
	} else {
		k.sub = tail;
		k.sub_len = tail_len;
	}
	return codec_key_encode(&k, out);
}

static bool slice_less(struct rocks_slice a, struct rocks_slice b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = memcmp(a.data, b.data, n);

	return c != 0 ? c < 0 : a.len < b.len;
}

/* The range: what starts with prefix, and lies in [from, to). */
static void scan_range(struct reader *rd, const struct store_req *r, struct rocks_slice *from,
	struct rocks_slice *to)
{
	const struct store_scan *s = &r->scan;
	uint8_t other[CODEC_ENCODED_MAX + 1];
	struct rocks_slice bound = {other, 0};

	from->data = rd->scan_from;
	from->len = encode_bound(rd, r, s->prefix, s->prefix_len, rd->scan_from);
	to->data = rd->scan_to;
	memcpy(rd->scan_to, rd->scan_from, from->len);
	to->len = codec_successor(rd->scan_to, from->len);
	if (s->from_len > 0) {
		bound.len = encode_bound(rd, r, s->from, s->from_len, other);
		if (slice_less(*from, bound)) {
			memcpy(rd->scan_from, other, bound.len);
			from->len = bound.len;
		}
	}
	if (s->to_len > 0) {
		bound.len = encode_bound(rd, r, s->to, s->to_len, other);
		if (slice_less(bound, *to)) {
			memcpy(rd->scan_to, other, bound.len);
			to->len = bound.len;
		}
	}
}

/* False when the buffer is full. */
static bool put_entry(struct store_scan *s, const struct codec_key *k,
	const struct codec_record *rec, uint32_t type)
{
	const uint8_t *name = k->space == CODEC_KEY ? k->key : k->sub;
	uint32_t name_len = k->space == CODEC_KEY ? k->key_len : k->sub_len;
	uint32_t value_len = s->values && type != CODEC_NONE ? (uint32_t)rec->payload_len : 0;
	uint64_t size = ROUND_UP(sizeof(struct store_entry) + (uint64_t)name_len + value_len, 8);
	struct store_entry *e = (struct store_entry *)(void *)(s->out + s->out_len);
	uint8_t *p = (uint8_t *)(e + 1);

	if (size > s->out_cap - s->out_len)
		return false;
	*e = (struct store_entry){.version = rec->version,
		.expire_ms = rec->expire_ms,
		.key_len = name_len,
		.value_len = value_len,
		.type = type,
		.size = (uint32_t)size};
	if (name_len > 0)
		memcpy(p, name, name_len);
	if (value_len > 0)
		memcpy(p + name_len, rec->payload, value_len);
	s->out_len += (uint32_t)size;
	s->count += type != CODEC_NONE;
	return true;
}

/* 0 to go on, 1 when the scan has to end here, or an error. */
static int scan_record(
	struct store_scan *s, const struct rocks_iter *it, uint64_t now_ms, bool last_look)
{
	struct rocks_slice key = rocks_iter_key(it), val = rocks_iter_val(it);
	struct codec_record rec;
	struct codec_key k;
	int rc = codec_key_decode(key.data, key.len, &k);

	if (rc == 0)
		rc = codec_record_decode(val.data, val.len, &rec);
	if (rc != 0)
		return rc;
	if (codec_expired(&rec, now_ms)) {
		/* Nothing to show for all these looks: leave a position to continue from. */
		if (last_look)
			(void)put_entry(s, &k, &rec, CODEC_NONE);
		return 0;
	}
	if (put_entry(s, &k, &rec, rec.type))
		return s->count >= s->limit ? 1 : 0;
	return s->count == 0 ? -EMSGSIZE : 1;
}

static int scan_loop(struct reader *rd, struct store_req *r, struct rocks_iter *it)
{
	struct store_scan *s = &r->scan;
	uint64_t now_ms = shard_wall_ms(rd->sh->store);
	uint32_t looks = 0;
	char err[ROCKS_ERR];
	int rc = 0;

	while (rc == 0 && looks < SCAN_LOOKS && rocks_iter_valid(it)) {
		rc = scan_record(s, it, now_ms, ++looks == SCAN_LOOKS);
		if (rc == 0 || s->count == s->limit)
			rocks_iter_next(it);
	}
	count_add(&rd->t->c.scanned, looks);
	if (rc < 0)
		return rc;
	s->done = !rocks_iter_valid(it) && (rc == 0 || s->count == s->limit);
	return rocks_iter_valid(it) ? 0 : rocks_iter_status(it, err);
}

static void scan(struct reader *rd, struct store_req *r)
{
	struct store_scan *s = &r->scan;
	struct rocks_snapshot *snap = NULL;
	struct rocks_slice from, to;
	struct rocks_iter *it;

	s->out_len = s->count = 0;
	s->done = false;
	r->status = r->snapshot != 0 ? shard_snap_use(rd->sh, r->snapshot, &snap) : 0;
	if (r->status != 0)
		return;
	scan_range(rd, r, &from, &to);
	if (slice_less(from, to)) {
		it = rocks_iter_create(rd->sh->db, snap, from, to, s->reverse);
		r->status = it == NULL ? -EBUSY : scan_loop(rd, r, it);
		rocks_iter_destroy(it);
	} else {
		s->done = true;
	}
	if (r->snapshot != 0)
		shard_snap_done(rd->sh, r->snapshot);
	if (r->status == -EIO || r->status == -EUCLEAN)
		shard_note_read_error(rd->sh, rd->t, r->status);
	count_add(&rd->t->c.scans, 1);
}

/* ---- one round ---- */

static void serve_alone(struct reader *rd, struct store_req *r)
{
	switch (r->kind) {
	case STORE_READ:
		read_at_snapshot(rd, r);
		break;
	case STORE_SCAN:
		scan(rd, r);
		break;
	case STORE_SNAP_OPEN:
		r->status = shard_snap_open(rd->sh, &r->snapshot);
		break;
	default:
		r->status = shard_snap_close(rd->sh, r->snapshot);
	}
}

static bool is_plain(const struct store_req *r)
{
	return r->kind == STORE_READ && r->snapshot == 0;
}

/* Moves plain reads to the front, order kept; returns how many. What is answered belongs to its
 * worker again, so the kinds must be known before the first answer. */
static uint32_t partition(struct reader *rd, uint32_t n)
{
	uint32_t plain = 0, alone = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (is_plain(rd->reqs[i]))
			rd->reqs[plain++] = rd->reqs[i];
		else
			rd->alone[alone++] = rd->reqs[i];
	}
	return plain;
}

static void serve(struct reader *rd, uint32_t n)
{
	uint32_t plain = partition(rd, n);
	bool members = false;

	rd->row_cnt = 0;
	rd->arena_len = 0;
	for (uint32_t i = 0; i < plain; i++)
		members |= add_items(rd, rd->reqs[i]);
	read_rows(rd, NULL, members);
	for (uint32_t i = 0; i < plain; i++) {
		set_read_status(rd->reqs[i]);
		inbox_answer(rd->t, rd->reqs[i]);
	}
	inbox_wake_clients(rd->t);
	for (uint32_t i = 0; i < n - plain; i++) {
		serve_alone(rd, rd->alone[i]);
		inbox_answer(rd->t, rd->alone[i]);
	}
	inbox_wake_clients(rd->t);
}

static void serve_offline(struct reader *rd, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		rd->reqs[i]->status = -ENXIO;
		inbox_answer(rd->t, rd->reqs[i]);
	}
	inbox_wake_clients(rd->t);
}

void *reader_main(void *thread)
{
	struct shard_thread *t = thread;
	struct reader *rd = reader_create(t);

	for (;;) {
		bool stop = atomic_load_explicit(&t->shard->store->stop, memory_order_acquire);
		uint32_t n = inbox_take(t, rd->reqs, rd->max_items, rd->max_items, UINT64_MAX);

		if (n > 0) {
			pthread_rwlock_rdlock(&t->shard->db_lock);
			if (t->shard->db != NULL)
				serve(rd, n);
			else
				serve_offline(rd, n);
			pthread_rwlock_unlock(&t->shard->db_lock);
			continue;
		}
		inbox_wake_clients(t);
		if (stop)
			break;
		inbox_wait(t, SHARD_TICK_NS * 10);
	}
	reader_destroy(rd);
	return NULL;
}
