/* SPDX-License-Identifier: Apache-2.0
 * Requests to the store, the ring of generations, the journal, and what is saved beside responses.
 *
 * The next generation is made ready by the worker whose write filled the present one: the number
 * goes up and is saved; then, shard by shard, the namespace behind it is emptied, whose responses
 * nobody reads since the number went up; at last their keys leave the map. Until that is done the
 * ring does not turn again, and a generation that is longer than it should be takes no more.
 *
 * The journal is what the map is made of at the next start: blocks of hashes, written when they are
 * full and now and then before. What a crash cuts off of it stays on disk unseen and goes with its
 * generation. */
#include "lb/l7/cache/tier.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "lb/l7/cache/tier_pvt.h"

#define POLL_BURST    64
#define MAP_BYTES     16384 /* of the tier for one key of the map */
#define SEEN_ENTRIES  131072
#define OFFERED_WORDS 65536
#define JOURNAL_NS    (NS_PER_SEC / 4)
#define STATE_NS      NS_PER_SEC
#define WARM_NS       (60 * NS_PER_SEC)
#define PASSIVE_NS    NS_PER_SEC
#define SWEEP_LINES   256
#define SMALLS        128
#define PURGES_AT_ONE 32 /* saved in a turn */

/* ---- hashes and seals ---- */

struct tier_hash tier_hash(const struct tier *t, const void *key, uint32_t len)
{
	return (struct tier_hash){
		{siphash24(&t->key[0], key, len), siphash24(&t->key[1], key, len)}};
}

#define SEAL_AT offsetof(struct tier_mark, check) + sizeof(uint32_t)

void tier_seal(struct tier_mark *m, uint32_t magic, uint32_t len)
{
	m->magic = magic;
	m->layout = TIER_LAYOUT;
	m->check = codec_crc32c(0, (const uint8_t *)m + SEAL_AT, len - (SEAL_AT));
}

bool tier_sealed(const void *p, uint32_t len, uint32_t magic, uint32_t least)
{
	struct tier_mark m;

	if (len < least || len < sizeof(m))
		return false;
	memcpy(&m, p, sizeof(m));
	return m.magic == magic && m.layout == TIER_LAYOUT &&
	       m.check == codec_crc32c(0, (const uint8_t *)p + SEAL_AT, len - (SEAL_AT));
}

/* ---- requests ---- */

uint64_t tier_now(const struct tier_worker *tw)
{
	return tw->hw->w->loop.now_ns;
}

uint16_t tier_head_key(struct tier_op *op, const struct tier_hash *h)
{
	static const char digits[] = "0123456789abcdef";
	uint8_t *p = op->key;

	*p++ = '{';
	for (uint32_t i = 0; i < 2; i++)
		for (int shift = 60; shift >= 0; shift -= 4)
			*p++ = (uint8_t)digits[h->h[i] >> shift & 15];
	*p = '}';
	return TIER_HEAD_KEY;
}

uint16_t tier_chunk_key(struct tier_op *op, const struct tier_hash *h, uint64_t id, uint64_t no)
{
	uint8_t *p = op->key + tier_head_key(op, h);

	for (int shift = 56; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(id >> shift);
	for (int shift = 24; shift >= 0; shift -= 8)
		*p++ = (uint8_t)(no >> shift);
	return TIER_CHUNK_KEY;
}

static int send(struct tier_op *op, struct store_req *r)
{
	struct tier_worker *tw = op->tw;
	int rc;

	r->cookie = (uint64_t)(uintptr_t)op;
	r->prio = STORE_PRIO_LOW;
	op->start_ns = tier_now(tw);
	rc = store_submit(tw->client, r, op->start_ns);
	if (rc != 0)
		store_req_put(tw->client, r);
	else
		tw->dirty = true;
	return rc;
}

static struct store_req *request(struct tier_op *op, uint8_t kind, uint32_t ns, uint16_t key_len)
{
	struct store_req *r = store_req_get(op->tw->client);

	if (r == NULL)
		return NULL;
	r->kind = kind;
	r->one.key.ns = (uint8_t)(op->tw->t->conf.ns + ns);
	r->one.key.key = op->key;
	r->one.key.key_len = key_len;
	return r;
}

int tier_send_read(struct tier_op *op, uint32_t ns, uint16_t key_len, void *out, uint32_t cap)
{
	struct store_req *r = request(op, STORE_READ, ns, key_len);

	if (r == NULL)
		return -EBUSY;
	r->one.out = out;
	r->one.out_cap = cap;
	return send(op, r);
}

int tier_send_write(struct tier_op *op, uint32_t ns, uint16_t key_len, const void *value,
	uint32_t len, uint64_t expire_ms)
{
	struct store_req *r = request(op, STORE_WRITE, ns, key_len);

	if (r == NULL)
		return -EBUSY;
	r->one.op = value != NULL ? STORE_PUT : STORE_DELETE;
	r->one.type = CODEC_STRING;
	r->one.value = value;
	r->one.value_len = len;
	r->one.expire_ms = expire_ms;
	return send(op, r);
}

static int send_empty(struct tier_op *op, uint32_t slot, uint32_t shard)
{
	struct store_req *r = request(op, STORE_CLEAR, slot, 0);

	if (r == NULL)
		return -EBUSY;
	r->shard = (uint16_t)shard;
	return send(op, r);
}

struct tier_small *tier_small_get(struct tier_worker *tw, enum tier_what what)
{
	uint32_t idx = pool_get(&tw->smalls);
	struct tier_small *s;

	if (idx == POOL_NONE)
		return NULL;
	s = pool_at(&tw->smalls, idx);
	s->op.tw = tw;
	s->op.what = what;
	s->op.self = idx;
	return s;
}

void tier_small_put(struct tier_small *s)
{
	pool_put(&s->op.tw->smalls, s->op.self);
}

bool tier_bucket_take(struct tier_bucket *b, uint64_t n, uint64_t now_ns)
{
	uint64_t ms = (now_ns - b->at_ns) / NS_PER_MS;

	if (b->rate == 0)
		return true;
	b->at_ns += ms * NS_PER_MS;
	/* A second fills it. What is less than a byte is kept: a low rate comes by it alone. */
	b->part += b->rate * (ms < 1000 ? ms : 1000);
	b->tokens += b->part / 1000;
	b->part %= 1000;
	if (b->tokens > b->rate)
		b->tokens = b->rate;
	/* What is longer than a second's share waits for a full bucket. */
	if (b->tokens < n && b->tokens < b->rate)
		return false;
	b->tokens -= n < b->tokens ? n : b->tokens;
	return true;
}

void tier_passive(struct tier_worker *tw, int status)
{
	uint64_t until = tier_now(tw) + PASSIVE_NS;

	hc_count(&tw->stats.write_failed, 1);
	if (status != -EBUSY) /* that is over when the queue is shorter */
		atomic_store_explicit(&tw->t->passive_ns, until, memory_order_relaxed);
}

void tier_remove(struct tier_worker *tw, uint32_t gen, const struct tier_hash *h)
{
	struct tier_small *s = tier_small_get(tw, TIER_REMOVE);

	if (s == NULL)
		return;
	if (tier_send_write(&s->op, tier_slot_of(gen), tier_head_key(&s->op, h), NULL, 0, 0) != 0)
		tier_small_put(s);
	else
		hc_count(&tw->stats.removed, 1);
}

/* ---- the ring ---- */

static void turn_begin(struct tier_worker *tw)
{
	struct tier *t = tw->t;
	uint32_t gen = tier_gen(t) + 1;

	/* TI3: the namespace was emptied when the present one began. */
	atomic_store_explicit(&t->bytes[tier_slot_of(gen)], 0, memory_order_relaxed);
	atomic_store_explicit(&t->gen, gen, memory_order_release);
	hc_count(&tw->stats.turns, 1);
	tw->turn.on = true;
	tw->turn.slot = tier_slot_of(gen + 1);
	tw->turn.line = tw->turn.shard = tw->turn.answers = 0;
	LOG_INF("the disk cache began a new generation", "number=%u", gen);
}

static void turn_if_full(struct tier_worker *tw)
{
	struct tier *t = tw->t;
	uint32_t gen = tier_gen(t);

	if (likely(atomic_load_explicit(&t->bytes[tier_slot_of(gen)], memory_order_relaxed) <
		    t->gen_bytes) ||
		atomic_load_explicit(&t->turning, memory_order_relaxed) ||
		atomic_exchange_explicit(&t->turning, true, memory_order_acq_rel))
		return;
	if (gen == tier_gen(t))
		turn_begin(tw);
	else
		atomic_store_explicit(&t->turning, false, memory_order_release);
}

void tier_account(struct tier_worker *tw, uint32_t gen, uint64_t bytes)
{
	atomic_fetch_add_explicit(&tw->t->bytes[tier_slot_of(gen)], bytes, memory_order_relaxed);
	hc_count(&tw->stats.bytes_written, bytes);
	turn_if_full(tw);
}

/* The state with the new number is saved before what it makes unreadable is emptied: a crash in
 * between leaves nothing that a later start could take for readable and whole. */
static void turn_go_on(struct tier_worker *tw)
{
	struct tier *t = tw->t;

	if (tw->turn.shard < t->shards) {
		struct tier_small *s;

		if (__atomic_load_n(&t->workers[0]->state_gen, __ATOMIC_ACQUIRE) != tier_gen(t) ||
			tw->turn.shard > tw->turn.answers || tier_is_passive(t, tier_now(tw)))
			return;
		s = tier_small_get(tw, TIER_EMPTY);
		if (s == NULL)
			return;
		if (send_empty(&s->op, tw->turn.slot, tw->turn.shard) != 0)
			tier_small_put(s);
		else
			tw->turn.shard++;
		return;
	}
	if (tw->turn.answers < t->shards)
		return;
	tw->turn.line = tier_map_drop(&t->map, tw->turn.slot, tw->turn.line, SWEEP_LINES);
	if (tw->turn.line != 0)
		return;
	tw->turn.on = false;
	atomic_store_explicit(&t->bytes[tw->turn.slot], 0, memory_order_relaxed);
	atomic_store_explicit(&t->turning, false, memory_order_release);
}

/* ---- journal and state ---- */

static void journal_flush(struct tier_worker *tw, uint64_t now_ns)
{
	struct tier_small *s;
	uint8_t *p;

	if (tw->journal.saved == tw->journal.cnt || tw->journal.sent)
		return;
	s = tier_small_get(tw, TIER_JOURNAL);
	if (s == NULL)
		return;
	s->block.cnt = tw->journal.cnt;
	memcpy(s->block.hash, tw->journal.hash, tw->journal.cnt * sizeof(s->block.hash[0]));
	memset(s->block.hash + tw->journal.cnt, 0,
		(TIER_BLOCK - tw->journal.cnt) * sizeof(s->block.hash[0]));
	tier_seal(&s->block.m, TIER_MAGIC_BLOCK, sizeof(s->block));
	p = s->op.key;
	p[0] = 'i';
	p[1] = (uint8_t)tw->idx;
	memcpy(p + 2, &tw->t->epoch, 4);
	memcpy(p + 6, &tw->journal.no, 4);
	if (tier_send_write(&s->op, tier_slot_of(tw->journal.gen), 10, &s->block, sizeof(s->block),
		    0) != 0) {
		tier_small_put(s);
		tw->journal.due_ns = now_ns + JOURNAL_NS;
		return;
	}
	tw->journal.saved = tw->journal.cnt;
	tw->journal.sent = true;
	tw->journal.due_ns = now_ns + JOURNAL_NS;
}

static void journal_next(struct tier_worker *tw, uint32_t gen)
{
	tw->journal.no++;
	tw->journal.cnt = tw->journal.saved = 0;
	tw->journal.gen = gen;
}

void tier_journal(struct tier_worker *tw, uint32_t gen, uint64_t hash)
{
	uint64_t now_ns = tier_now(tw);

	if (tw->journal.cnt > 0 && (tw->journal.gen != gen || tw->journal.cnt == TIER_BLOCK)) {
		tw->journal.sent = false; /* blocks have keys of their own: no order is needed */
		journal_flush(tw, now_ns);
		journal_next(tw, gen);
	}
	if (tw->journal.cnt == 0) {
		tw->journal.gen = gen;
		tw->journal.due_ns = now_ns + JOURNAL_NS;
	}
	tw->journal.hash[tw->journal.cnt++] = hash;
}

static void state_save(struct tier_worker *tw, uint64_t now_ns)
{
	struct tier *t = tw->t;
	struct tier_small *s;

	if (tw->state_sent || (now_ns < tw->state_due_ns && tw->state_gen == tier_gen(t)))
		return;
	s = tier_small_get(tw, TIER_SAVE);
	if (s == NULL)
		return;
	memset(&s->state, 0, sizeof(s->state));
	s->gen = s->state.gen = tier_gen(t);
	for (uint32_t i = 0; i < TIER_GENS; i++)
		s->state.bytes[i] = atomic_load_explicit(&t->bytes[i], memory_order_relaxed);
	for (uint32_t i = 0; i < 2; i++) {
		s->state.key[2 * i] = t->key[i].k0;
		s->state.key[2 * i + 1] = t->key[i].k1;
	}
	purge_secret(t->purge, &s->state.purge);
	tier_seal(&s->state.m, TIER_MAGIC_STATE, sizeof(s->state));
	s->op.key[0] = 's';
	tw->state_due_ns = now_ns + STATE_NS;
	if (tier_send_write(&s->op, TIER_META, 1, &s->state, sizeof(s->state), 0) != 0)
		tier_small_put(s);
	else
		tw->state_sent = true;
}

/* True: nothing was left, as far as purge_changed() has looked. */
static bool purges_save(struct tier_worker *tw)
{
	for (uint32_t i = 0; i < PURGES_AT_ONE; i++) {
		struct tier_small *s = tier_small_get(tw, TIER_PURGE);

		if (s == NULL)
			return false;
		memset(&s->purge, 0, sizeof(s->purge));
		if (!purge_changed(tw->t->purge, &s->purge.r)) {
			tier_small_put(s);
			return true;
		}
		s->op.key[0] = 'p';
		memcpy(s->op.key + 1, &s->purge.r.id, 4);
		tier_seal(&s->purge.m, TIER_MAGIC_PURGE, sizeof(s->purge));
		if (tier_send_write(&s->op, TIER_META, 5, &s->purge, sizeof(s->purge), 0) != 0) {
			purge_unsaved(tw->t->purge, &s->purge.r);
			tier_small_put(s);
			return false;
		}
	}
	return false;
}

static void small_answer(struct tier_small *s, int status)
{
	struct tier_worker *tw = s->op.tw;

	switch (s->op.what) {
	case TIER_JOURNAL:
		tw->journal.sent = false;
		break;
	case TIER_SAVE:
		tw->state_sent = false;
		if (status == 0)
			__atomic_store_n(&tw->state_gen, s->gen, __ATOMIC_RELEASE);
		break;
	case TIER_PURGE:
		if (status != 0)
			purge_unsaved(tw->t->purge, &s->purge.r);
		else
			hc_count(&tw->stats.purges_saved, 1);
		break;
	case TIER_EMPTY:
		if (status == 0)
			tw->turn.answers++;
		else
			tw->turn.shard--; /* again */
		break;
	default:
		break;
	}
	if (status != 0 && s->op.what != TIER_REMOVE)
		tier_passive(tw, status);
	tier_small_put(s);
}

/* ---- a turn ---- */

static void answer(struct tier_worker *tw, struct store_req *r)
{
	struct tier_op *op = (void *)(uintptr_t)r->cookie;
	int status = r->kind == STORE_READ && r->status == 0 ? r->one.status : r->status;
	uint32_t len = r->one.value_len;

	store_req_put(tw->client, r);
	switch (op->what) {
	case TIER_LOOK:
	case TIER_FETCH:
		tier_read_answer((struct tier_read *)(void *)op, status, len);
		break;
	case TIER_WRITE:
		tier_write_answer((struct tier_job *)(void *)op, status);
		break;
	default:
		small_answer((struct tier_small *)(void *)op, status);
		break;
	}
}

uint32_t tier_poll(struct tier_worker *tw, uint64_t now_ns)
{
	struct store_req *reqs[POLL_BURST];
	uint32_t n = 0;

	if (unlikely(tw->warm_until_ns == 0))
		tw->warm_until_ns = now_ns + WARM_NS;
	if (store_pending(tw->client) > 0) {
		n = store_poll(tw->client, reqs, POLL_BURST);
		for (uint32_t i = 0; i < n; i++)
			answer(tw, reqs[i]);
		tier_read_late(tw, now_ns);
	}
	if (!list_empty(&tw->waiting))
		tier_write_go_on(tw);
	if (tw->journal.saved != tw->journal.cnt && now_ns >= tw->journal.due_ns)
		journal_flush(tw, now_ns);
	if (tw->turn.on)
		turn_go_on(tw);
	if (tw->idx == 0) {
		/* Filled while the ring could not turn, or by an earlier process: it takes no
		 * writes, by which it would be noticed. */
		turn_if_full(tw);
		(void)purges_save(tw);
		state_save(tw, now_ns);
	}
	if (tw->dirty) {
		tw->dirty = false;
		store_flush(tw->client);
	}
	return n;
}

bool tier_waiting(const struct tier_worker *tw)
{
	return tw->dirty || store_waiting(tw->client);
}

/* ---- life ---- */

int tier_create(const struct tier_conf *conf, struct purge *p, struct tier **out)
{
	struct tier *t = calloc(1, sizeof(*t));
	int rc;

	*out = NULL;
	if (t == NULL)
		return -ENOMEM;
	t->conf = *conf;
	t->purge = p;
	t->shards = store_shard_cnt(conf->store);
	t->gen_bytes = conf->max_bytes / TIER_GENS;
	if (t->conf.max_object == 0 || t->conf.max_object > t->gen_bytes)
		t->conf.max_object = t->gen_bytes;
	t->offered_mask = OFFERED_WORDS - 1;
	t->offered = calloc(OFFERED_WORDS, sizeof(t->offered[0]));
	rc = t->offered == NULL ? -ENOMEM : tier_map_init(&t->map, conf->max_bytes / MAP_BYTES);
	if (rc == 0)
		rc = tier_map_init(&t->seen, SEEN_ENTRIES);
	if (rc == 0)
		rc = tier_load(t);
	if (rc != 0) {
		tier_destroy(t);
		return rc;
	}
	purge_track(p);
	*out = t;
	return 0;
}

static void worker_free(struct tier_worker *tw)
{
	if (tw == NULL)
		return;
	pool_fini(&tw->reads);
	pool_fini(&tw->jobs);
	pool_fini(&tw->smalls);
	free(tw);
}

void tier_destroy(struct tier *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < CACHE_WORKERS_MAX; i++)
		worker_free(t->workers[i]);
	tier_map_fini(&t->map);
	tier_map_fini(&t->seen);
	free((void *)t->offered);
	free(t);
}

static struct tier_bucket bucket(const struct tier *t, uint64_t rate)
{
	return (struct tier_bucket){
		.rate = rate > 0 && rate < t->conf.workers ? 1 : rate / t->conf.workers};
}

int tier_worker_create(struct tier *t, uint32_t idx, struct hcache_worker *hw,
	void (*wake)(void *ctx), void *ctx, struct tier_worker **out)
{
	struct tier_worker *tw = calloc(1, sizeof(*tw));

	*out = NULL;
	if (tw == NULL)
		return -ENOMEM;
	tw->t = t;
	tw->hw = hw;
	tw->idx = idx;
	tw->client = store_client(t->conf.store, t->conf.client + idx);
	tw->next_id = (uint64_t)t->epoch << 40 | (uint64_t)idx << 34;
	tw->writes = bucket(t, t->conf.write_rate);
	tw->warm = bucket(t, t->conf.warm_rate);
	tw->writes.tokens = tw->writes.rate;
	tw->warm.tokens = tw->warm.rate;
	tw->state_gen = tier_gen(t);
	list_init(&tw->reading);
	list_init(&tw->waiting);
	list_init(&tw->busy);
	if (pool_init(&tw->reads, sizeof(struct tier_read), 8, t->conf.reads) != 0 ||
		pool_init(&tw->jobs, sizeof(struct tier_job), 8, t->conf.writes) != 0 ||
		pool_init(&tw->smalls, sizeof(struct tier_small), 8, SMALLS) != 0) {
		worker_free(tw);
		return -ENOMEM;
	}
	if (wake != NULL)
		store_client_on_answer(tw->client, wake, ctx);
	t->workers[idx] = tw;
	*out = tw;
	return 0;
}

/* Requests are over: what was read or written for them goes with its pool. */
static void answers_drop(struct tier_worker *tw)
{
	struct store_req *reqs[POLL_BURST];
	uint32_t n = store_poll(tw->client, reqs, POLL_BURST);

	for (uint32_t i = 0; i < n; i++) {
		struct tier_op *op = (void *)(uintptr_t)reqs[i]->cookie;

		if (op->what == TIER_LOOK || op->what == TIER_FETCH || op->what == TIER_WRITE)
			store_req_put(tw->client, reqs[i]);
		else
			answer(tw, reqs[i]);
	}
}

/* TR4: all purges that returned, also if they are more than there is room for at once; where the
 * store is stuck, what it takes in a second. */
static void purges_save_last(struct tier_worker *tw)
{
	uint64_t until_ns = clock_now_ns() + NS_PER_SEC;
	uint32_t clean = 0; /* the end of a round says that nothing is left, too */

	while (clean < 2 && clock_now_ns() < until_ns) {
		if (purges_save(tw)) {
			clean++;
			continue;
		}
		clean = 0;
		store_flush(tw->client);
		answers_drop(tw);
	}
}

void tier_worker_stop(struct tier_worker *tw)
{
	if (tw == NULL || tw->stopped)
		return;
	tw->stopped = true;
	tw->journal.sent = false;
	journal_flush(tw, 0);
	if (tw->idx == 0) {
		purges_save_last(tw);
		tw->state_due_ns = 0;
		state_save(tw, 0);
	}
	store_flush(tw->client);
}

void tier_usage(const struct tier *t, struct tier_usage *out)
{
	uint32_t gen = tier_gen(t);

	*out = (struct tier_usage){.max_bytes = t->conf.max_bytes, .generation = gen};
	for (uint32_t i = 0; i < TIER_READABLE; i++)
		out->bytes += atomic_load_explicit(
			&t->bytes[tier_slot_of(gen - i)], memory_order_relaxed);
	out->passive = tier_is_passive(t, clock_now_ns());
}

const struct tier_stats *tier_worker_stats(const struct tier_worker *tw)
{
	return &tw->stats;
}
