/* SPDX-License-Identifier: Apache-2.0
 * Writing: what is offered, by a hit, by eviction, or by a fetch of what was fetched before not
 * long ago, and is worth it, becomes a job. Its head is copied at once; the body of an object is
 * read from memory like by any reader, a chunk at a time, also while it is still coming in.
 *
 * TI2: the key goes into the map, then the index of the memory cache is asked whether the value is
 * still there: who replaces it either finds the key in the map, and takes it out, or is found by
 * the job, at the latest at its end. Who invalidates the key removes the value from the index first
 * and then marks the key with a new number. Every value but names of Vary carries the number that
 * was current when it was asked for, so its record is dead however late it is written; names of
 * Vary take theirs before the index is asked: they are as old as the mark, or the value is seen to
 * be gone. */
#include <errno.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "lb/l7/cache/tier_pvt.h"

#define RETRY_NS      (5 * NS_PER_MS)
#define LOOKS         256               /* reads of memory by a job in one turn */
#define WAIT_NS       (10 * NS_PER_SEC) /* for the bound on writes, or for the end of a fill */
#define NEVER_MS      INT64_C(31536000000)
#define MARGIN_MS     60000 /* the store's clock need not be ours */
#define STRONG_TAG(s) ((s).etag.len > 0 && !http_etag_weak((s).etag))

/* ---- jobs ---- */

static struct tier_job *job_new(struct tier_worker *tw)
{
	uint32_t idx = pool_get(&tw->jobs);
	struct tier_job *j;

	if (idx == POOL_NONE)
		return NULL;
	j = pool_at(&tw->jobs, idx);
	j->op = (struct tier_op){.tw = tw, .what = TIER_WRITE, .self = idx};
	list_init(&j->node);
	j->object = j->sparse_ok = j->again = j->oversize = false;
	j->head_sent = j->written = j->some = j->queued = false;
	j->pos = j->bytes = j->id = 0;
	j->fill = 0;
	j->moved_ns = tier_now(tw);
	j->retry_ns = 0;
	hc_count(&tw->stats.writing, 1);
	return j;
}

static void job_free(struct tier_job *j)
{
	struct tier_worker *tw = j->op.tw;

	if (j->queued)
		cache_waiter_cancel(tw->hw->cw, &j->waiter);
	list_remove(&j->node);
	hc_count(&tw->stats.writing, (uint64_t)-1);
	pool_put(&tw->jobs, j->op.self);
}

static void job_key(struct tier_job *j, struct cache_key *k)
{
	hc_key(j->op.tw->hw, k, (const char *)j->head + sizeof(struct tier_head), j->key_len);
}

static void to_list(struct list_node *list, struct tier_job *j)
{
	list_remove(&j->node);
	list_append(list, &j->node);
}

/* It does not come about. What was to stay in memory for its sake goes. */
static void job_fail(struct tier_job *j, uint64_t *reason)
{
	struct tier_worker *tw = j->op.tw;
	_Atomic uint64_t *word = &tw->t->offered[j->token & tw->t->offered_mask];

	hc_count(reason, 1);
	if (j->oversize) {
		struct cache_key k;

		job_key(j, &k);
		(void)!cache_delete(tw->hw->cw, &k, CACHE_IF_SEQ, j->view.seq, tier_now(tw));
	}
	/* Its next use may try again, unless it cannot come to another end. */
	if (reason != &tw->stats.reject_part)
		atomic_store_explicit(word, 0, memory_order_relaxed);
	job_free(j);
}

/* ---- the end of a job ---- */

/* The head in memory learns where the body stands. True: done, or not to be done any more. */
static bool tell_memory(struct tier_job *j)
{
	struct tier_worker *tw = j->op.tw;
	struct hcache_worker *hw = tw->hw;
	struct hc_prefix *pre = (void *)hw->scratch;
	struct cache_object o = {.desc = hw->scratch, .user = MARK_OBJECT};
	struct cache_view v;
	struct cache_key k;

	job_key(j, &k);
	if (cache_get(hw->cw, &k, tier_now(tw), &v) != CACHE_OBJECT || v.seq != j->view.seq ||
		v.len > sizeof(hw->scratch) || v.len < sizeof(*pre))
		return true;
	if (v.stream != 0)
		return tier_now(tw) - j->moved_ns > WAIT_NS;
	memcpy(hw->scratch, v.val, v.len);
	pre->place = (struct tier_place){.id = j->id, .gen = j->gen};
	o.desc_len = v.len;
	o.expire_ns = v.expire_ns;
	(void)!cache_object_update(hw->cw, &k, &v, &o, tier_now(tw));
	return true;
}

/* Something newer came meanwhile, and may have been written before this, or the generation is over.
 * Names of Vary are put anew with each variant: they are the same. */
static bool overtaken(struct tier_job *j)
{
	const struct tier_head *h = (const void *)j->head;
	struct tier_worker *tw = j->op.tw;
	struct cache_view v;
	struct cache_key k;

	if (tier_map_get(&tw->t->map, j->hash.h[0]) != (int)tier_slot_of(j->gen) ||
		!tier_readable(tw->t, j->gen))
		return true;
	if (h->mark == MARK_VARY)
		return false;
	job_key(j, &k);
	switch (cache_get(tw->hw->cw, &k, tier_now(tw), &v)) {
	case CACHE_HIT:
	case CACHE_OBJECT:
		return v.seq != j->view.seq;
	default:
		return false;
	}
}

static void job_written(struct tier_job *j)
{
	struct tier_worker *tw = j->op.tw;

	if (!j->written) {
		j->written = true;
		if (overtaken(j)) {
			tier_remove(tw, j->gen, &j->hash);
			job_fail(j, &tw->stats.reject_gone);
			return;
		}
		tier_journal(tw, j->gen, j->hash.h[0]);
		hc_count(&tw->stats.written, 1);
		hc_count(&tw->stats.again, j->again);
	}
	if (j->object && !tell_memory(j))
		to_list(&tw->waiting, j);
	else
		job_free(j);
}

/* ---- steps ---- */

/* False: later. The job may be gone afterwards, then true is returned. */
static bool job_send(struct tier_job *j, uint16_t key_len, const void *value, uint32_t len)
{
	struct tier_worker *tw = j->op.tw;
	uint64_t now_ns = tier_now(tw);
	int rc;

	if (tier_is_passive(tw->t, now_ns)) {
		job_fail(j, &tw->stats.reject_passive);
		return true;
	}
	if (key_len == TIER_CHUNK_KEY && !tier_bucket_take(&tw->writes, len, now_ns)) {
		if (now_ns - j->moved_ns < WAIT_NS)
			return false;
		job_fail(j, &tw->stats.reject_rate);
		return true;
	}
	/* Chunks go with their generation: a head that is confirmed lives longer than it said. */
	rc = tier_send_write(&j->op, tier_slot_of(j->gen), key_len, value, len,
		key_len == TIER_CHUNK_KEY ? 0 : j->expire_ms);
	if (rc == 0) {
		to_list(&tw->busy, j);
		j->bytes = len + key_len;
		return true;
	}
	if (rc == -EBUSY && now_ns - j->moved_ns < WAIT_NS)
		return false;
	tier_passive(tw, rc);
	job_fail(j, rc == -EBUSY ? &tw->stats.reject_full : &tw->stats.reject_passive);
	return true;
}

static bool send_head(struct tier_job *j)
{
	if (j->object && j->pos > 0 && !j->some) {
		job_fail(j, &j->op.tw->stats.reject_part);
		return true;
	}
	j->head_sent = true;
	if (job_send(j, tier_head_key(&j->op, &j->hash), j->head, j->head_len))
		return true;
	j->head_sent = false;
	return false;
}

static bool send_chunk(struct tier_job *j)
{
	struct tier_chunk *c = (void *)j->chunk;

	c->len = j->fill;
	c->id = j->id;
	c->no = (j->pos - 1) / TIER_CHUNK;
	tier_seal(&c->m, TIER_MAGIC_CHUNK, (uint32_t)sizeof(*c) + j->fill);
	return job_send(j, tier_chunk_key(&j->op, &j->hash, c->id, c->no), c,
		(uint32_t)sizeof(*c) + j->fill);
}

static void on_more(struct cache_waiter *waiter, uint64_t now_ns)
{
	struct tier_job *j = container_of(waiter, struct tier_job, waiter);

	(void)now_ns;
	j->queued = false;
	to_list(&j->op.tw->waiting, j);
}

/* The fill ended long ago: is it the complete object now? */
static bool renew(struct tier_job *j)
{
	struct cache_view v;
	struct cache_key k;

	job_key(j, &k);
	if (cache_get(j->op.tw->hw->cw, &k, tier_now(j->op.tw), &v) != CACHE_OBJECT ||
		v.seq != j->view.seq || v.stream == j->view.stream)
		return false;
	j->view = v;
	return true;
}

enum take { TAKE_MORE, TAKE_FULL, TAKE_WAIT, TAKE_PART, TAKE_GONE };

/* Some bytes of the present chunk from memory. */
static enum take take_bytes(struct tier_job *j)
{
	struct cache_worker *cw = j->op.tw->hw->cw;
	uint64_t end = (j->pos / TIER_CHUNK + 1) * TIER_CHUNK;
	struct cache_view slice;
	uint32_t n;
	int rc = cache_object_read(cw, &j->view, j->pos, tier_now(j->op.tw), &slice);

	if (end > j->view.total_len)
		end = j->view.total_len;
	switch (rc) {
	case 0:
		n = slice.len < end - j->pos ? slice.len : (uint32_t)(end - j->pos);
		memcpy(j->chunk + sizeof(struct tier_chunk) + j->fill, slice.val, n);
		j->fill += n;
		j->pos += n;
		return j->pos == end ? TAKE_FULL : TAKE_MORE;
	case -EAGAIN:
		cache_waiter_init(&j->waiter, on_more);
		j->queued = cache_object_wait(cw, &j->view, j->pos, &j->waiter);
		return TAKE_WAIT;
	case -ENOENT:
		if (!j->sparse_ok)
			return TAKE_PART;
		j->pos = end;
		j->fill = 0;
		return TAKE_MORE;
	case -ESTALE:
		return renew(j) ? TAKE_MORE : TAKE_GONE;
	default:
		return TAKE_GONE;
	}
}

/* As far as it goes now; on a list or gone afterwards. */
static void job_step(struct tier_job *j)
{
	struct tier_worker *tw = j->op.tw;

	if (tier_now(tw) < j->retry_ns) {
		to_list(&tw->waiting, j);
		return;
	}
	if (j->written) {
		job_written(j);
		return;
	}
	for (uint32_t looks = 0; looks < LOOKS; looks++) {
		enum take got = TAKE_FULL;

		if (j->fill == 0 && (!j->object || j->pos >= j->view.total_len)) {
			if (!send_head(j))
				break;
			return;
		}
		if (j->fill == 0 || j->pos % TIER_CHUNK != 0)
			got = j->fill > 0 && j->pos == j->view.total_len ? TAKE_FULL
									 : take_bytes(j);
		switch (got) {
		case TAKE_FULL:
			if (!send_chunk(j))
				goto later;
			return;
		case TAKE_WAIT:
			to_list(j->queued ? &tw->busy : &tw->waiting, j);
			return;
		case TAKE_PART:
			job_fail(j, &tw->stats.reject_part);
			return;
		case TAKE_GONE:
			job_fail(j, &tw->stats.reject_gone);
			return;
		case TAKE_MORE:
			break;
		}
	}
later:
	to_list(&tw->waiting, j);
}

void tier_write_answer(struct tier_job *j, int status)
{
	struct tier_worker *tw = j->op.tw;

	if (status == -EBUSY && tier_now(tw) - j->moved_ns < WAIT_NS) {
		j->head_sent = false;
		j->retry_ns = tier_now(tw) + RETRY_NS;
		to_list(&tw->waiting, j);
		return;
	}
	if (status != 0) {
		tier_passive(tw, status);
		job_fail(j, &tw->stats.reject_passive);
		return;
	}
	j->moved_ns = tier_now(tw);
	tier_account(tw, j->gen, j->bytes);
	if (j->head_sent) {
		job_written(j);
		return;
	}
	j->some = true;
	j->fill = 0;
	job_step(j);
}

void tier_write_go_on(struct tier_worker *tw)
{
	struct list_node now;

	list_init(&now);
	list_splice(&now, &tw->waiting);
	while (!list_empty(&now))
		job_step(container_of(now.next, struct tier_job, node));
}

/* ---- what is offered ---- */

struct offer {
	const char *key;
	uint32_t key_len;
	const struct cache_view *v;
	struct stored s; /* of a response */
	uint64_t primary, born, total;
	int64_t dead_ms;
	struct tier_place place;
};

/* Names the value, its head as it is now, and where it stands; of what memory does not know to
 * stand anywhere, the time in which a generation grows old, so that it is written again by and by.
 */
static uint64_t token_of(const struct tier *t, const struct offer *o)
{
	uint64_t head = o->v->user == MARK_VARY ? 0 : (uint64_t)o->s.fresh.response_ms;
	uint64_t where = o->place.gen != 0 ? (uint64_t)o->place.gen << 32
					   : tier_gen(t) / (TIER_READABLE / 2);

	return mix_fold(o->v->seq ^ UINT64_C(0x9e3779b97f4a7c15),
		       head ^ UINT64_C(0xd6e8feb86659fd93)) ^
	       mix_fold(where ^ UINT64_C(0xa0761d6478bd642f), UINT64_C(0xe7037ed1a0b428db));
}

static bool offer_open(struct tier_worker *tw, struct offer *o)
{
	const struct cache_view *v = o->v;
	const struct hc_prefix *pre = (const void *)v->val;
	uint64_t now_ns = tier_now(tw);
	int64_t left = v->expire_ns == 0       ? NEVER_MS
		       : v->expire_ns < now_ns ? 0
					       : (int64_t)((v->expire_ns - now_ns) / NS_PER_MS);

	o->dead_ms = hc_wall_ms(tw->hw) + left;
	o->total = v->found == CACHE_OBJECT ? v->total_len : v->len;
	if (v->user == MARK_VARY) {
		o->born = purge_now(tw->t->purge);
		o->primary = 0; /* its own */
		o->place = (struct tier_place){0};
		return v->found == CACHE_HIT && v->len <= TIER_VALUE_MAX;
	}
	if ((v->user != MARK_SMALL && v->user != MARK_OBJECT) || v->len < sizeof(*pre) ||
		v->len > TIER_VALUE_MAX ||
		!stored_open(pre + 1, v->len - (uint32_t)sizeof(*pre), &o->s))
		return false;
	o->born = pre->born;
	o->primary = pre->primary;
	o->place = pre->place;
	return o->total != CACHE_LEN_UNKNOWN;
}

static bool on_disk(const struct tier *t, const struct offer *o)
{
	return o->place.gen != 0 && tier_readable(t, o->place.gen) && !tier_old(t, o->place.gen);
}

/* The counter of why it is not written; NULL: it may be. */
static uint64_t *refuse(struct tier_worker *tw, const struct offer *o)
{
	struct tier *t = tw->t;
	uint32_t gen = tier_gen(t);

	if (o->total > t->conf.max_object)
		return &tw->stats.reject_size;
	if (o->dead_ms - hc_wall_ms(tw->hw) < (int64_t)t->conf.min_left_ms)
		return &tw->stats.reject_left;
	if (tier_is_passive(t, tier_now(tw)))
		return &tw->stats.reject_passive;
	if (atomic_load_explicit(&t->bytes[tier_slot_of(gen)], memory_order_relaxed) >=
		t->gen_bytes + t->gen_bytes / TIER_GENS)
		return &tw->stats.reject_room;
	if (o->v->found != CACHE_OBJECT && !tier_bucket_take(&tw->writes, o->v->len, tier_now(tw)))
		return &tw->stats.reject_rate;
	return NULL;
}

static void head_make(struct tier_job *j, const struct offer *o)
{
	struct tier_head *h = (void *)j->head;

	memset(h, 0, sizeof(*h));
	h->gen = j->gen;
	h->key_len = (uint16_t)o->key_len;
	h->mark = o->v->user;
	h->val_len = o->v->len;
	h->id = j->id;
	h->total_len = o->total;
	h->primary = o->primary != 0 ? o->primary : j->hash.h[0];
	h->dead_ms = o->dead_ms;
	h->born = o->born;
	memcpy(j->head + sizeof(*h), o->key, o->key_len);
	memcpy(j->head + sizeof(*h) + o->key_len, o->v->val, o->v->len);
	j->key_len = o->key_len;
	j->head_len = (uint32_t)sizeof(*h) + o->key_len + o->v->len;
	tier_seal(&h->m, TIER_MAGIC_HEAD, j->head_len);
}

/* By the clock of the store, which is the system's. */
static uint64_t store_expiry(const struct tier_worker *tw, const struct offer *o)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NS_PER_MS +
	       (uint64_t)(o->dead_ms - hc_wall_ms(tw->hw)) + MARGIN_MS;
}

static void job_begin(struct tier_job *j, const struct offer *o, bool head_only)
{
	struct tier_worker *tw = j->op.tw;

	j->object = o->v->found == CACHE_OBJECT;
	j->sparse_ok = j->object && o->place.gen == 0 && STRONG_TAG(o->s);
	j->again = o->place.gen != 0;
	j->view = *o->v;
	j->expire_ms = store_expiry(tw, o);
	if (head_only) {
		j->id = o->place.id;
		j->pos = o->total;
		j->some = true;
	} else if (j->object) {
		j->id = ++tw->next_id;
	}
	head_make(j, o);
	/* Eviction may have called: nothing more is read from memory here. */
	list_append(&tw->waiting, &j->node);
	if (!j->object)
		(void)send_head(j); /* or in the next turn */
}

static void offer(struct tier_worker *tw, struct offer *o)
{
	struct tier *t = tw->t;
	_Atomic uint64_t *word;
	uint64_t token, *why;
	bool head_only;
	struct tier_job *j;
	struct cache_view v;
	struct cache_key k;

	if (!offer_open(tw, o))
		return;
	head_only = o->place.id != 0 && on_disk(t, o);
	if (on_disk(t, o) && !(o->place.flags & TIER_PLACE_NEWER))
		return;
	token = token_of(t, o);
	word = &t->offered[token & t->offered_mask];
	if (atomic_load_explicit(word, memory_order_relaxed) == token)
		return;
	why = refuse(tw, o);
	/* A variant is found by way of its primary key alone, and invalidated so. */
	if (why == NULL && o->primary != 0 && tier_map_get(&t->map, o->primary) < 0 &&
		o->primary != tier_hash(t, o->key, o->key_len).h[0])
		return;
	j = why == NULL ? job_new(tw) : NULL;
	if (why == NULL && j == NULL)
		why = &tw->stats.reject_full;
	if (why == &tw->stats.reject_size || why == &tw->stats.reject_left || why == NULL)
		atomic_store_explicit(word, token, memory_order_relaxed);
	if (why != NULL) {
		hc_count(why, 1);
		return;
	}
	j->token = token;
	j->hash = tier_hash(t, o->key, o->key_len);
	j->gen = head_only ? o->place.gen : tier_gen(t);
	tier_map_put(&t->map, j->hash.h[0], tier_slot_of(j->gen));
	hc_key(tw->hw, &k, o->key, o->key_len);
	if ((cache_get(tw->hw->cw, &k, tier_now(tw), &v) != CACHE_HIT && v.found != CACHE_OBJECT) ||
		v.seq != o->v->seq) {
		job_fail(j, &tw->stats.reject_gone);
		return;
	}
	job_begin(j, o, head_only);
}

void tier_used(struct hc_req *q, const struct cache_view *v)
{
	struct tier_worker *tw = q->hw->tier;
	struct offer o = {.key = q->key, .key_len = q->key_len, .v = v};

	if (tw != NULL)
		offer(tw, &o);
}

void tier_used_vary(struct hc_req *q, const struct cache_view *v)
{
	struct tier_worker *tw = q->hw->tier;
	struct offer o = {.key = q->primary, .key_len = q->primary_len, .v = v};

	if (tw != NULL && tier_map_get(&tw->t->map, tier_hash(tw->t, o.key, o.key_len).h[0]) < 0)
		offer(tw, &o);
}

void tier_filled(struct hcache_worker *hw, const char *key, uint32_t len)
{
	struct tier_worker *tw = hw->tier;
	struct cache_view v;
	struct offer o = {.key = key, .key_len = len, .v = &v};
	struct cache_key k;

	if (tw == NULL)
		return;
	if (!tier_map_seen(&tw->t->seen, tier_hash(tw->t, key, len).h[1])) {
		hc_count(&tw->stats.reject_once, 1);
		return;
	}
	hc_key(hw, &k, key, len);
	switch (cache_get(hw->cw, &k, tier_now(tw), &v)) {
	case CACHE_HIT:
	case CACHE_OBJECT:
		offer(tw, &o);
		break;
	default:
		break;
	}
}

void tier_leaving(void *ctx, uint32_t worker, const struct cache_leaving *l, uint64_t now_ns)
{
	struct hcache *hc = ctx;
	struct tier_worker *tw = hc->workers[worker] != NULL ? hc->workers[worker]->tier : NULL;
	struct offer o = {.key = l->key.data, .key_len = l->key.len, .v = &l->v};

	(void)now_ns;
	if (tw != NULL && !tw->stopped)
		offer(tw, &o);
}

bool tier_keeps(struct hcache_worker *hw, uint64_t seq)
{
	struct tier_worker *tw = hw->tier;
	struct list_node *lists[2];
	bool found = false;

	if (tw == NULL)
		return false;
	lists[0] = &tw->busy;
	lists[1] = &tw->waiting;
	for (uint32_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (struct list_node *n = lists[i]->next; n != lists[i]; n = n->next) {
			struct tier_job *j = container_of(n, struct tier_job, node);

			if (j->object && j->view.seq == seq)
				found = j->oversize = true;
		}
	return found;
}

/* ---- what is not good any more ---- */

void tier_replaced(struct hcache_worker *hw, const char *key, uint32_t len)
{
	struct tier_worker *tw = hw->tier;
	struct tier_hash h;
	int slot;

	if (tw == NULL)
		return;
	h = tier_hash(tw->t, key, len);
	slot = tier_map_get(&tw->t->map, h.h[0]);
	if (slot < 0)
		return;
	tier_map_remove(&tw->t->map, h.h[0]);
	tier_remove(tw, tier_gen_in(tw->t, (uint32_t)slot), &h);
}

uint64_t tier_primary(const struct hcache_worker *hw, const char *primary, uint32_t len)
{
	return hw->tier != NULL ? tier_hash(hw->tier->t, primary, len).h[0] : 0;
}
