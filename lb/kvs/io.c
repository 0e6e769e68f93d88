/* SPDX-License-Identifier: Apache-2.0
 * Requests of transactions: what a run asked for becomes as few requests as there are shards. */
#include <errno.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "lb/kvs/kvs_pvt.h"

#define GUESS_MIN  512
#define GUESS_MAX  16384
#define CHUNK_MIN  4096
#define CHUNK      65536
#define SCAN_LIMIT 1024

static uint32_t shard_of(const struct kvs_worker *w, const struct codec_key *k)
{
	return w->shards == 1 ? 0 : store_shard_of(w->k->p.store, k->key, k->key_len);
}

static struct kvs_io *io_new(struct kvs_tx *tx, uint8_t kind, uint32_t shard, uint32_t items)
{
	struct kvs_io *io = kvs_alloc(tx, sizeof(*io));

	if (io == NULL)
		return NULL;
	*io = (struct kvs_io){.tx = tx, .kind = kind, .shard = (uint16_t)shard, .next = tx->ios};
	io->gen = atomic_load_explicit(&tx->w->k->gen[tx->ns], memory_order_acquire); /* K1 */
	if (items > 0) {
		io->items = kvs_alloc(tx, items * sizeof(io->items[0]));
		if (io->items == NULL)
			return NULL;
	}
	tx->ios = io;
	return io;
}

static void stick(struct kvs_worker *w, struct kvs_io *io)
{
	io->stuck_next = NULL;
	*w->stuck_tail = io;
	w->stuck_tail = &io->stuck_next;
	kvs_count(&w->s.throttled, 1);
}

static void set_scan(struct store_req *r, const struct kvs_io *io)
{
	const struct kvs_scan *s = io->scan;
	bool keys = s->r.key == NULL;

	r->kind = STORE_SCAN;
	r->one.key = (struct codec_key){.key = s->r.key,
		.key_len = s->r.key_len,
		.incarnation = s->incarnation,
		.ns = io->tx->ns,
		.space = keys ? CODEC_KEY : s->r.space};
	r->shard = io->shard;
	r->scan = (struct store_scan){.prefix = s->r.prefix,
		.from = s->r.from,
		.to = s->r.to,
		.prefix_len = s->r.prefix_len,
		.from_len = s->r.from_len,
		.to_len = s->r.to_len,
		.reverse = s->r.reverse,
		.values = s->r.values,
		.out = s->buf,
		.out_cap = s->buf_len};
	if (s->last != NULL && s->r.reverse) {
		r->scan.to = s->last;
		r->scan.to_len = s->last_len;
	} else if (s->last != NULL) {
		r->scan.from = s->last; /* with the zero byte behind it that it was copied with */
		r->scan.from_len = (uint16_t)(s->last_len + 1);
	}
	r->scan.limit = s->r.limit == 0 || s->r.keep != NULL || s->r.limit - s->count > SCAN_LIMIT
				? SCAN_LIMIT
				: s->r.limit - s->count;
}

static void count_several(struct kvs_worker *w, const struct kvs_io *io, int n)
{
	uint32_t now = atomic_load_explicit(&w->writing.several, memory_order_relaxed);

	if (io->several)
		atomic_store_explicit(
			&w->writing.several, now + (uint32_t)n, memory_order_release); /* K3 */
}

/* 0: the store has it; 1: it waits for room; else it failed. */
static int send_io(struct kvs_worker *w, struct kvs_io *io)
{
	struct store_req *r;
	int rc;

	if (w->flight >= w->flight_max)
		return 1;
	r = store_req_get(w->client);
	if (r == NULL)
		return 1;
	r->cookie = (uint64_t)(uintptr_t)io;
	r->deadline_ns = io->tx->start_ns + w->k->p.request_timeout_ns;
	if (io->kind == IO_SCAN) {
		set_scan(r, io);
	} else if (io->kind == IO_CLEAR) {
		r->kind = STORE_CLEAR;
		r->shard = io->shard;
		r->one.key.ns = io->tx->ns;
	} else {
		r->kind = io->kind == IO_READ || io->kind == IO_VALIDATE ? STORE_READ : STORE_WRITE;
		r->items = io->items;
		r->item_cnt = io->n;
	}
	count_several(w, io, 1);
	rc = store_submit(w->client, r, w->now_ns);
	if (rc == 0) {
		w->flight++;
		w->dirty = true;
		kvs_count(&w->s.requests, 1);
		return 0;
	}
	count_several(w, io, -1);
	store_req_put(w->client, r);
	/* Our own requests will make room, or the store is busy with others. */
	return rc == -EBUSY && w->flight > 0 ? 1 : rc;
}

/* A request that was never taken. */
static void refuse(struct kvs_io *io, int rc)
{
	for (uint32_t i = 0; i < io->n && io->ents != NULL; i++) {
		io->ents[i]->state = ENT_NEW;
		kvs_row_drop_lease(io->tx->w, io->ents[i]);
	}
	if (io->tx->err == 0)
		io->tx->err = rc;
}

/* Counts as pending even if it fails at once: the step that called looks at the count. */
static void post(struct kvs_io *io)
{
	struct kvs_worker *w = io->tx->w;
	int rc = w->stuck != NULL ? 1 : send_io(w, io);

	if (rc < 0) {
		refuse(io, rc);
		return;
	}
	io->tx->pending++;
	if (rc > 0)
		stick(w, io);
}

void kvs_unstick(struct kvs_worker *w)
{
	while (w->stuck != NULL) {
		struct kvs_io *io = w->stuck;
		int rc = io->tx->ended ? -ETIMEDOUT : send_io(w, io);

		if (rc > 0)
			return;
		w->stuck = io->stuck_next;
		if (w->stuck == NULL)
			w->stuck_tail = &w->stuck;
		if (rc == 0)
			continue;
		refuse(io, rc);
		kvs_answered(io->tx, io);
	}
}

/* ---- reads ---- */

static bool add_read(struct kvs_tx *tx, struct kvs_io *io, struct kvs_ent *e)
{
	struct store_item *it = &io->items[io->n];

	memset(it, 0, sizeof(*it));
	it->key = e->key;
	if (e->buf == NULL) {
		e->cap = e->key.space == CODEC_KEY ? tx->w->guess : GUESS_MIN / 4;
		e->buf = kvs_alloc(tx, e->cap);
		if (e->buf == NULL)
			return false;
	}
	it->out = e->buf;
	it->out_cap = e->cap;
	e->state = ENT_LOADING;
	io->ents[io->n++] = e;
	return true;
}

/* One request of at most LIMIT_STORE_ITEMS for each shard and time. */
static void submit_reads(struct kvs_tx *tx)
{
	struct kvs_ent *e = tx->ents;

	while (e != NULL) {
		struct kvs_io *io = NULL;
		uint32_t shard = 0, n = 0;

		while (e != NULL && e->state != ENT_NEW)
			e = e->next;
		if (e == NULL)
			return;
		shard = shard_of(tx->w, &e->key);
		for (struct kvs_ent *x = e; x != NULL && n < LIMIT_STORE_ITEMS; x = x->next)
			n += x->state == ENT_NEW && shard_of(tx->w, &x->key) == shard;
		io = io_new(tx, IO_READ, shard, n);
		if (io == NULL)
			return;
		io->ents = kvs_alloc(tx, n * sizeof(io->ents[0]));
		if (io->ents == NULL)
			return;
		for (struct kvs_ent *x = e; x != NULL && io->n < n; x = x->next)
			if (x->state == ENT_NEW && shard_of(tx->w, &x->key) == shard &&
				!add_read(tx, io, x))
				return;
		kvs_count(&tx->w->s.cache_misses, io->n);
		post(io);
	}
}

static void too_small(struct kvs_tx *tx, struct kvs_ent *e, uint32_t len)
{
	e->state = ENT_NEW;
	e->cap = (uint32_t)ROUND_UP(len, 64);
	e->buf = kvs_alloc(tx, e->cap);
	tx->want = true;
	if (e->key.space == CODEC_KEY && len <= GUESS_MAX)
		while (tx->w->guess < len)
			tx->w->guess *= 2;
}

static void read_ent(struct kvs_tx *tx, const struct kvs_io *io, uint32_t i)
{
	const struct store_item *it = &io->items[i];
	struct kvs_ent *e = io->ents[i];
	struct codec_meta m;

	if (it->status == -EMSGSIZE) {
		too_small(tx, e, it->value_len);
		return;
	}
	/* A member of what is no collection is not there; whoever asks looks at the key's type. */
	if (it->status != 0 && it->status != -ENOENT && it->status != -EPROTOTYPE) {
		e->state = ENT_NEW;
		kvs_row_drop_lease(tx->w, e);
		if (tx->err == 0)
			tx->err = it->status;
		return;
	}
	e->state = ENT_LOADED;
	e->checked = true;
	e->val = e->buf;
	e->len = it->status == 0 ? it->value_len : 0;
	e->type = e->base_type = it->status == 0 ? it->found : CODEC_NONE;
	e->version = it->status == 0 ? it->version : 0;
	e->expire_ms = it->status == 0 ? it->expire_ms : 0;
	e->incarnation = 0;
	if (codec_is_collection(e->type)) {
		struct codec_record rec = {
			.payload = e->val, .payload_len = e->len, .type = e->type};

		if (codec_meta_decode(&rec, &m) == 0)
			e->incarnation = m.incarnation;
		else if (tx->err == 0)
			tx->err = -EUCLEAN;
	}
	kvs_row_fill(tx->w, e, io->gen);
}

/* ---- operations of the store ---- */

static void set_op(struct store_item *it, const struct kvs_op *op, uint8_t ns)
{
	memset(it, 0, sizeof(*it));
	it->key = (struct codec_key){
		.key = op->key, .key_len = op->key_len, .ns = ns, .space = CODEC_KEY};
	it->op = op->op;
	it->type = CODEC_STRING;
	/* The type and expiry that were there come back; nothing is copied. */
	it->flags = op->flags;
	if (op->op == STORE_DELETE || op->op == STORE_INCR)
		it->flags |= STORE_RETURN_OLD;
	it->value = op->value;
	it->value_len = op->value_len;
	it->expire_ms = op->expire_ms;
	if (op->op == STORE_INCR)
		it->delta = op->delta;
}

static uint32_t op_shard(const struct kvs_tx *tx, const struct kvs_op *op)
{
	return tx->w->shards == 1 ? 0 : store_shard_of(tx->w->k->p.store, op->key, op->key_len);
}

static bool ops_span(const struct kvs_tx *tx)
{
	for (const struct kvs_opslot *o = tx->ops; o != NULL; o = o->next)
		if (op_shard(tx, &o->op) != op_shard(tx, &tx->ops->op))
			return true;
	return false;
}

static void submit_ops(struct kvs_tx *tx)
{
	if (tx->w->shards > 1 && !tx->split && ops_span(tx)) {
		kvs_fail(tx, -EXDEV);
		return;
	}
	for (struct kvs_opslot *o = tx->ops; o != NULL; o = o->next) {
		uint32_t shard, n = 0;
		struct kvs_io *io;

		if (o->state != ENT_NEW)
			continue;
		shard = op_shard(tx, &o->op);
		for (struct kvs_opslot *x = o; x != NULL; x = x->next)
			n += x->state == ENT_NEW && op_shard(tx, &x->op) == shard;
		if (n > LIMIT_STORE_ITEMS && !tx->split) {
			kvs_fail(tx, -E2BIG);
			return;
		}
		n = n > LIMIT_STORE_ITEMS ? LIMIT_STORE_ITEMS : n;
		io = io_new(tx, IO_OPS, shard, n);
		if (io == NULL)
			return;
		io->slots = kvs_alloc(tx, n * sizeof(io->slots[0]));
		if (io->slots == NULL)
			return;
		for (struct kvs_opslot *x = o; x != NULL && io->n < n; x = x->next) {
			if (x->state != ENT_NEW || op_shard(tx, &x->op) != shard)
				continue;
			x->state = ENT_LOADING;
			set_op(&io->items[io->n], &x->op, tx->ns);
			io->slots[io->n++] = x;
		}
		io->several = io->n > 1;
		post(io);
	}
}

void kvs_settle_item(struct kvs_worker *w, const struct store_item *it, uint32_t gen, int status)
{
	struct kvs_row row = {.val = it->value,
		.len = it->value_len,
		.version = it->version,
		.expire_ms = it->expire_ms,
		.gen = gen};
	uint8_t num[20];

	if (it->key.space != CODEC_KEY || it->op == STORE_CHECK)
		return;
	if (status != 0) {
		kvs_row_settle(w, &it->key, NULL);
		return;
	}
	if (it->op == STORE_INCR) {
		row.val = num;
		row.len = (uint32_t)codec_integer_format(it->number, num);
		kvs_row_settle(w, &it->key, &row);
		return;
	}
	if (it->op != STORE_PUT || it->type != CODEC_STRING ||
		(it->flags & (STORE_KEEP_TTL | STORE_RETURN_OLD)))
		kvs_row_settle(w, &it->key, NULL);
	else
		kvs_row_settle(w, &it->key, &row);
}

static bool is_condition(int rc)
{
	return rc == -EEXIST || rc == -ENOENT || rc == -ESTALE || rc == -EPROTOTYPE ||
	       rc == -EBADMSG || rc == -ERANGE || rc == -ECANCELED;
}

static void answer_ops(struct kvs_tx *tx, const struct kvs_io *io, int status)
{
	if (status != 0 && !is_condition(status) && tx->err == 0)
		tx->err = status;
	/* From the last on: of two writes of one key, which have one version, that one stands. */
	for (uint32_t i = io->n; i-- > 0;) {
		const struct store_item *it = &io->items[i];
		struct kvs_op *op = &io->slots[i]->op;

		io->slots[i]->state = ENT_LOADED;
		op->status = status == 0 ? 0 : is_condition(status) ? it->status : status;
		if (is_condition(op->status) && op->status != -ECANCELED)
			kvs_row_observe(tx->w, &it->key, it->found == CODEC_NONE ? 0 : it->version);
		op->found = it->found;
		op->number = it->number;
		if (status == 0 || status == -ENOTRECOVERABLE)
			kvs_settle_item(tx->w, it, io->gen, status);
	}
}

/* ---- commit ---- */

static bool must_check(const struct kvs_ent *e)
{
	return e->key.space == CODEC_KEY && e->checked;
}

static void set_write(struct store_item *it, const struct kvs_ent *e)
{
	memset(it, 0, sizeof(*it));
	it->key = e->key;
	it->op = e->type == CODEC_NONE ? STORE_DELETE : STORE_PUT;
	it->type = e->type;
	it->value = e->val;
	it->value_len = e->len;
	it->expire_ms = e->expire_ms;
	if (!e->dirty)
		it->op = STORE_CHECK;
	if (e->key.space == CODEC_KEY && e->checked) {
		it->flags |= STORE_IF_VERSION;
		it->if_version = e->version;
	}
}

/* A member's place: the collection as it is now, which this very request may make (0). */
static bool place_member(struct kvs_tx *tx, struct store_item *it, const struct kvs_ent *e)
{
	struct codec_key k = e->key;
	const struct kvs_ent *owner;

	k.space = CODEC_KEY;
	k.sub = NULL;
	k.sub_len = 0;
	k.incarnation = 0;
	owner = kvs_ent_find(tx, &k, kvs_hash(tx->w, k.ns, CODEC_KEY, k.key, k.key_len, NULL, 0));
	if (owner == NULL || !codec_is_collection(owner->type))
		return false;
	it->key.incarnation = owner->incarnation;
	/* What is new has nothing to remove. */
	return it->op != STORE_DELETE || owner->incarnation != 0;
}

static uint32_t count_writes(const struct kvs_tx *tx, uint32_t *shard, bool *several)
{
	uint32_t n = 0;
	bool first = true;

	for (const struct kvs_ent *e = tx->ents; e != NULL; e = e->next) {
		if (!e->dirty)
			continue;
		if (first)
			*shard = shard_of(tx->w, &e->key);
		else if (shard_of(tx->w, &e->key) != *shard)
			*several = true;
		first = false;
	}
	for (const struct kvs_ent *e = tx->ents; e != NULL; e = e->next) {
		if (!e->dirty && !must_check(e))
			continue;
		/* What was read elsewhere cannot be checked by the request that writes. */
		*several |= shard_of(tx->w, &e->key) != *shard;
		n++;
	}
	return n;
}

void kvs_commit(struct kvs_tx *tx)
{
	bool several = false;
	uint32_t shard = 0, n = count_writes(tx, &shard, &several), keys = 0;
	struct kvs_io *io;

	if (several || n > LIMIT_STORE_ITEMS) {
		kvs_fail(tx, several ? -EXDEV : -E2BIG);
		return;
	}
	io = io_new(tx, IO_COMMIT, shard, n);
	if (io == NULL)
		return;
	/* Keys first: a collection is made before its members name it. */
	for (int members = 0; members < 2; members++)
		for (struct kvs_ent *e = tx->ents; e != NULL; e = e->next) {
			struct store_item *it = &io->items[io->n];
			bool member = e->key.space != CODEC_KEY;

			if (member != (members == 1) || (!e->dirty && !must_check(e)))
				continue;
			set_write(it, e);
			keys += !member && e->dirty;
			if (!member || place_member(tx, it, e))
				io->n++;
		}
	io->several = keys > 1;
	post(io);
}

static void answer_commit(struct kvs_tx *tx, const struct kvs_io *io, int status)
{
	if (status == 0 || status == -ENOTRECOVERABLE)
		for (uint32_t i = 0; i < io->n; i++)
			kvs_settle_item(tx->w, &io->items[i], io->gen, status);
	if (status == 0 && io->n > 0)
		tx->written = io->items[0].version;
	if (status != 0 && tx->err == 0)
		tx->err = status;
}

/* ---- validation of several reads ---- */

void kvs_validate(struct kvs_tx *tx)
{
	for (uint32_t shard = 0; shard < tx->w->shards; shard++) {
		struct kvs_io *io;
		uint32_t n = 0;

		for (const struct kvs_ent *e = tx->ents; e != NULL; e = e->next)
			n += e->key.space == CODEC_KEY && shard_of(tx->w, &e->key) == shard;
		if (n == 0)
			continue;
		n = n > LIMIT_STORE_ITEMS ? LIMIT_STORE_ITEMS : n;
		io = io_new(tx, IO_VALIDATE, shard, n);
		if (io == NULL)
			return;
		io->ents = kvs_alloc(tx, n * sizeof(io->ents[0]));
		if (io->ents == NULL)
			return;
		for (struct kvs_ent *e = tx->ents; e != NULL && io->n < n; e = e->next) {
			if (e->key.space != CODEC_KEY || shard_of(tx->w, &e->key) != shard)
				continue;
			memset(&io->items[io->n], 0, sizeof(io->items[0]));
			io->items[io->n].key = e->key;
			io->ents[io->n++] = e;
		}
		post(io);
	}
}

static void answer_validate(struct kvs_tx *tx, const struct kvs_io *io)
{
	for (uint32_t i = 0; i < io->n; i++) {
		uint64_t v = io->items[i].status == 0 ? io->items[i].version : 0;

		if (v != io->ents[i]->version && tx->err == 0)
			tx->err = -ESTALE;
	}
}

/* ---- scans ---- */

static bool grow_items(struct kvs_tx *tx, struct kvs_scan *s)
{
	uint32_t cap = s->cap == 0 ? 64 : s->cap * 2;
	struct kvs_item *items = kvs_alloc(tx, cap * sizeof(*items));

	if (items == NULL)
		return false;
	if (s->count > 0)
		memcpy(items, s->items, s->count * sizeof(*items));
	s->items = items;
	s->cap = cap;
	return true;
}

static bool add_item(struct kvs_tx *tx, struct kvs_scan *s, const struct store_entry *e)
{
	struct kvs_item it = {.key = store_entry_key(e),
		.val = store_entry_value(e),
		.key_len = e->key_len,
		.val_len = e->value_len,
		.type = (uint8_t)e->type,
		.expire_ms = e->expire_ms};
	uint8_t *copy;

	if (s->r.keep != NULL && !s->r.keep(s->r.keep_ctx, &it))
		return true;
	if (s->r.count_only) {
		s->count++;
		return true;
	}
	if (s->count == s->cap && !grow_items(tx, s))
		return false;
	copy = kvs_alloc(tx, it.key_len + it.val_len);
	if (copy == NULL)
		return false;
	memcpy(copy, it.key, it.key_len + it.val_len);
	it.key = copy;
	it.val = copy + it.key_len;
	s->items[s->count++] = it;
	return true;
}

/* With a zero byte behind: the smallest key above it. */
static bool note_last(struct kvs_tx *tx, struct kvs_scan *s, const struct store_entry *e)
{
	uint8_t *p = kvs_alloc(tx, (uint64_t)e->key_len + 1);

	if (p == NULL)
		return false;
	memcpy(p, store_entry_key(e), e->key_len);
	p[e->key_len] = 0;
	s->last = p;
	s->last_len = (uint16_t)e->key_len;
	return true;
}

static void post_scan(struct kvs_tx *tx, struct kvs_scan *s)
{
	uint32_t shard = s->r.key == NULL ? s->r.shard
			 : tx->w->shards == 1
				 ? 0
				 : store_shard_of(tx->w->k->p.store, s->r.key, s->r.key_len);
	struct kvs_io *io = io_new(tx, IO_SCAN, shard, 0);

	if (io == NULL)
		return;
	if (s->buf == NULL) {
		s->buf_len = s->r.limit != 0 && s->r.limit <= 8 ? CHUNK_MIN : CHUNK;
		s->buf = kvs_alloc(tx, s->buf_len);
		if (s->buf == NULL)
			return;
	}
	io->scan = s;
	s->state = SCAN_LOADING;
	post(io);
}

static void answer_scan(struct kvs_tx *tx, struct kvs_io *io, const struct store_req *r)
{
	struct kvs_scan *s = io->scan;
	const struct store_entry *last = NULL;

	if (r->status == -EMSGSIZE && s->buf_len < CODEC_VALUE_MAX * 2u) {
		s->buf_len *= 8;
		s->buf = kvs_alloc(tx, s->buf_len);
		if (s->buf != NULL)
			post_scan(tx, s);
		return;
	}
	if (r->status != 0) {
		if (tx->err == 0)
			tx->err = r->status;
		return;
	}
	for (const struct store_entry *e = store_entry_first(&r->scan); e != NULL;
		e = store_entry_next(&r->scan, e)) {
		last = e;
		s->looked++;
		if (e->type != CODEC_NONE && !add_item(tx, s, e))
			return;
		if (s->r.limit != 0 && s->count >= s->r.limit)
			break;
	}
	if (last != NULL && !note_last(tx, s, last))
		return;
	/* An end that is not the range's is one only if there was nothing more in the buffer. */
	s->done = r->scan.done && (last == NULL || store_entry_next(&r->scan, last) == NULL);
	if (s->done || (s->r.limit != 0 && s->count >= s->r.limit) ||
		(s->r.looks != 0 && s->looked >= s->r.looks) || last == NULL)
		s->state = SCAN_LOADED;
	else
		post_scan(tx, s);
}

/* ---- all of it ---- */

void kvs_submit(struct kvs_tx *tx)
{
	tx->rounds++;
	submit_reads(tx);
	for (struct kvs_scan *s = tx->scans; s != NULL; s = s->next)
		if (s->state == SCAN_NEW)
			post_scan(tx, s);
	if (tx->ops != NULL && !tx->multi)
		submit_ops(tx);
}

void kvs_clear_submit(struct kvs_tx *tx)
{
	for (uint32_t i = 0; i < tx->w->shards; i++) {
		struct kvs_io *io = io_new(tx, IO_CLEAR, i, 0);

		if (io != NULL)
			post(io);
	}
}

void kvs_answer(struct kvs_worker *w, struct store_req *r)
{
	struct kvs_io *io;
	struct kvs_tx *tx;

	w->flight--;
	if (r->cookie & KVS_COOKIE_PUT) {
		kvs_put_answer(w, r);
		return;
	}
	io = (struct kvs_io *)(uintptr_t)r->cookie;
	tx = io->tx;
	if (io->kind != IO_SCAN && io->kind != IO_COMMIT && io->kind != IO_OPS && r->status != 0 &&
		r->status != -ENOENT && r->status != -EMSGSIZE && r->status != -EPROTOTYPE) {
		refuse(io, r->status);
		store_req_put(w->client, r);
		kvs_answered(tx, io);
		return;
	}
	switch (io->kind) {
	case IO_READ:
		for (uint32_t i = 0; i < io->n; i++)
			read_ent(tx, io, i);
		break;
	case IO_OPS:
		answer_ops(tx, io, r->status);
		break;
	case IO_COMMIT:
		answer_commit(tx, io, r->status);
		break;
	case IO_VALIDATE:
		answer_validate(tx, io);
		break;
	case IO_SCAN:
		answer_scan(tx, io, r);
		break;
	default:
		break;
	}
	count_several(w, io, -1);
	store_req_put(w->client, r);
	kvs_answered(tx, io);
}
