/* SPDX-License-Identifier: Apache-2.0
 * Opening and closing, and the side of the interface that workers call. */
#include "storage/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "storage/shard_pvt.h"

static uint64_t system_wall_ms(void *ctx)
{
	struct timespec ts;

	(void)ctx;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / NS_PER_MS;
}

void store_params_init(struct store_params *p)
{
	*p = (struct store_params){.reader_cnt = 2,
		.client_cnt = 1,
		.queue_len = 2048,
		.batch_items = 1024,
		.batch_bytes = UINT64_C(1) << 20,
		.read_batch = 128,
		.block_cache_bytes = UINT64_C(64) << 20,
		.memtable_bytes = UINT64_C(64) << 20,
		.target_file_bytes = UINT64_C(256) << 20,
		.blob_min_bytes = 8192,
		.blob_file_bytes = UINT64_C(256) << 20,
		.background_threads = 2,
		.use_uring = true,
		.compress = true,
		.low_space_bytes = UINT64_C(512) << 20,
		.ballast_bytes = UINT64_C(256) << 20,
		.snapshot_max_ms = 60000,
		.wall_ms = system_wall_ms};
}

static const struct {
	const char *name;
	enum store_durability d;
} durabilities[] = {
	{"always", STORE_ALWAYS}, {"everysec", STORE_EVERYSEC}, {"volatile", STORE_VOLATILE}};

int store_durability_parse(const char *text, enum store_durability *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(durabilities); i++)
		if (strcmp(text, durabilities[i].name) == 0) {
			*out = durabilities[i].d;
			return 0;
		}
	return -EINVAL;
}

const char *store_error_text(int status)
{
	switch (status) {
	case 0:
		return "ok";
#define ERROR_CASE(code, text) \
	case -(code):          \
		return text;
		STORE_ERRORS(ERROR_CASE)
#undef ERROR_CASE
	default:
		return strerror(-status);
	}
}

const char *store_state_name(enum store_state s)
{
	static const char *const names[] = {"ok", "read-only", "offline"};

	return names[s];
}

/* ---- opening ---- */

static bool params_ok(const struct store_params *p)
{
	return p->dir != NULL && strlen(p->dir) + 64 < FILE_PATH_MAX &&
	       p->shard_cnt <= LIMIT_SHARDS && p->reader_cnt >= 1 &&
	       p->reader_cnt <= LIMIT_STORE_READERS && p->client_cnt >= 1 &&
	       p->client_cnt <= STORE_CLIENTS && p->queue_len >= 1 &&
	       p->queue_len <= LIMIT_STORE_QUEUE && p->ns_cnt >= 1 && p->ns_cnt <= LIMIT_STORE_NS &&
	       p->batch_items >= 1 && p->batch_items <= 65536 && p->read_batch >= 1 &&
	       p->read_batch <= 65536 && p->memtable_bytes >= 65536 &&
	       p->target_file_bytes >= 65536;
}

static int adopt_manifest(struct store *s, char *err, size_t err_len)
{
	int rc = manifest_load(&s->m, s->dir);

	if (rc == -ENOENT) {
		memset(&s->m, 0, sizeof(s->m));
		manifest_spread(&s->m, s->p.shard_cnt > 0 ? s->p.shard_cnt : 1);
	} else if (rc != 0) {
		(void)snprintf(err, err_len, "%s/%s: %s", s->dir, MANIFEST_NAME,
			rc == -EUCLEAN ? "damaged" : strerror(-rc));
		return rc;
	} else if (s->p.shard_cnt != 0 && s->p.shard_cnt != s->m.shard_cnt) {
		(void)snprintf(err, err_len,
			"%s holds %u shards, not %u: change the number with reshard", s->dir,
			s->m.shard_cnt, s->p.shard_cnt);
		return -EINVAL;
	}
	for (uint32_t i = 0; i < s->p.ns_cnt; i++) {
		rc = manifest_ns(&s->m, s->p.ns[i].name);
		if (rc < 0) {
			(void)snprintf(err, err_len, "namespace \"%s\": %s", s->p.ns[i].name,
				rc == -EINVAL ? "bad name" : "too many");
			return rc;
		}
		s->ns_id[i] = (uint8_t)rc;
		s->ns_durability[i] = (uint8_t)s->p.ns[i].durability;
	}
	s->m.epoch++;
	rc = manifest_save(&s->m, s->dir);
	if (rc != 0)
		(void)snprintf(err, err_len, "%s: manifest not written: %s", s->dir, strerror(-rc));
	return rc;
}

static int open_env(struct store *s, char *err, size_t err_len)
{
	struct rocks_env_params ep = {.block_cache_bytes = s->p.block_cache_bytes,
		.write_rate_bytes = s->p.write_rate_bytes,
		.background_threads = s->p.background_threads,
		.use_uring = s->p.use_uring};
	int rc;

	s->env = rocks_env_create(&ep);
	if (s->env == NULL)
		return -ENOMEM;
	s->direct_io = !s->p.no_direct_io && uring_fs_direct_works(s->dir);
	rc = uring_fs_self_check(rocks_env_fs(s->env), s->dir);
	s->uring_ok = rc == 0;
	if (rc == -ENOSYS) {
		if (s->p.use_uring)
			LOG_WRN("io_uring is refused here: reads take pread", "dir=%s", s->dir);
		return 0;
	}
	if (rc != 0)
		(void)snprintf(err, err_len, "%s: a file written there reads back wrong", s->dir);
	return rc;
}

/* Shards of an older generation are left behind by a reshard that was cut short after its end. */
static void remove_old_generations(struct store *s)
{
	char path[FILE_PATH_MAX];

	for (uint32_t g = s->m.generation > 4 ? s->m.generation - 4 : 0; g < s->m.generation; g++)
		for (uint32_t i = 0; i < LIMIT_SHARDS; i++) {
			manifest_shard_dir(s->dir, g, i, path, sizeof(path));
			if (file_remove_tree(path) != 0)
				LOG_WRN("old shard not removed", "path=%s", path);
		}
}

static int open_shards(struct store *s, char *err, size_t err_len)
{
	uint32_t offline = 0;

	for (uint32_t i = 0; i < s->m.shard_cnt; i++) {
		int rc = shard_create(s, i, &s->shards[i]);

		if (rc == 0)
			continue;
		if (s->shards[i] == NULL ||
			atomic_load_explicit(&s->shards[i]->state, memory_order_relaxed) !=
				STORE_OFFLINE ||
			!s->p.start_degraded) {
			(void)snprintf(err, err_len, "%s: shard %u does not open: %s", s->dir, i,
				store_error_text(rc));
			return rc;
		}
		offline++;
	}
	if (offline == s->m.shard_cnt) {
		(void)snprintf(err, err_len, "%s: no shard opens", s->dir);
		return -EUCLEAN;
	}
	return 0;
}

static struct store_client *client_create(struct store *s, uint32_t id)
{
	struct store_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->store = s;
	c->id = id;
	c->thread_cnt = s->m.shard_cnt * s->threads_per_shard;
	c->req_cnt = s->p.queue_len * (c->thread_cnt < 4 ? c->thread_cnt : 4);
	c->reqs = calloc(c->req_cnt, sizeof(c->reqs[0]));
	c->inflight = calloc(c->thread_cnt, sizeof(c->inflight[0]));
	c->touched = calloc(c->thread_cnt, sizeof(c->touched[0]));
	s->clients[id] = c;
	if (c->reqs == NULL || c->inflight == NULL || c->touched == NULL)
		return NULL;
	for (uint32_t i = c->req_cnt; i-- > 0;) {
		c->reqs[i].next_ = c->free_head;
		c->free_head = &c->reqs[i];
	}
	c->free_cnt = c->req_cnt;
	return c;
}

static int open_parts(struct store *s, char *err, size_t err_len)
{
	int rc = file_make_dirs(s->dir);

	if (rc == 0)
		rc = s->lock_fd = manifest_lock(s->dir);
	if (rc < 0) {
		(void)snprintf(err, err_len, "%s: %s", s->dir,
			rc == -EBUSY ? "in use by another process" : strerror(-rc));
		return rc;
	}
	rc = adopt_manifest(s, err, err_len);
	if (rc == 0)
		rc = open_env(s, err, err_len);
	if (rc != 0)
		return rc;
	remove_old_generations(s);
	for (uint32_t i = 0; i < s->p.client_cnt; i++)
		if (client_create(s, i) == NULL)
			return -ENOMEM;
	rc = open_shards(s, err, err_len);
	if (rc == 0)
		rc = keeper_start(s);
	for (uint32_t i = 0; rc == 0 && i < s->m.shard_cnt; i++)
		rc = shard_start(s->shards[i]);
	return rc;
}

int store_open(const struct store_params *p, struct store **out, char *err, size_t err_len)
{
	struct store *s;
	int rc;

	(void)snprintf(err, err_len, "parameters out of range");
	if (!params_ok(p))
		return -EINVAL;
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return -ENOMEM;
	s->p = *p;
	if (s->p.wall_ms == NULL)
		s->p.wall_ms = system_wall_ms;
	(void)snprintf(s->dir, sizeof(s->dir), "%s", p->dir);
	s->lock_fd = -1;
	s->threads_per_shard = 1 + p->reader_cnt;
	(void)snprintf(err, err_len, "%s: out of memory or threads", s->dir);
	rc = open_parts(s, err, err_len);
	if (rc < 0) {
		store_close(s);
		return rc;
	}
	err[0] = '\0';
	*out = s;
	return 0;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	atomic_store_explicit(&s->stop, true, memory_order_release);
	keeper_stop(s);
	for (uint32_t i = 0; i < s->m.shard_cnt; i++)
		if (s->shards[i] != NULL)
			shard_stop(s->shards[i]);
	for (uint32_t i = 0; i < s->m.shard_cnt; i++)
		shard_destroy(s->shards[i]);
	rocks_env_destroy(s->env);
	for (uint32_t i = 0; i < s->p.client_cnt; i++) {
		if (s->clients[i] == NULL)
			continue;
		free(s->clients[i]->reqs);
		free(s->clients[i]->inflight);
		free(s->clients[i]->touched);
		free(s->clients[i]);
	}
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s);
}

/* ---- the worker's side ---- */

struct store_client *store_client(struct store *s, uint32_t client)
{
	ASSERT(client < s->p.client_cnt);
	return s->clients[client];
}

void store_client_on_answer(struct store_client *c, void (*fn)(void *ctx), void *ctx)
{
	c->on_answer = fn;
	c->on_answer_ctx = ctx;
}

struct store_req *store_req_get(struct store_client *c)
{
	struct store_req *r = c->free_head;

	if (unlikely(r == NULL))
		return NULL;
	c->free_head = r->next_;
	c->free_cnt--;
	memset(r, 0, sizeof(*r));
	r->items = &r->one;
	r->item_cnt = 1;
	r->prio = STORE_PRIO_NORMAL;
	r->one.key.space = CODEC_KEY;
	return r;
}

void store_req_put(struct store_client *c, struct store_req *r)
{
	r->next_ = c->free_head;
	c->free_head = r;
	c->free_cnt++;
}

uint32_t store_shard_of_slot(const struct store *s, uint16_t slot)
{
	return s->m.slot_shard[slot % STORE_SLOTS];
}

uint32_t store_shard_of(const struct store *s, const void *key, size_t len)
{
	return s->m.shard_cnt == 1 ? 0 : s->m.slot_shard[slot_of_key(key, len)];
}

uint32_t store_shard_cnt(const struct store *s)
{
	return s->m.shard_cnt;
}

static bool key_ok(const struct store *s, const struct codec_key *k)
{
	bool member = k->space == CODEC_ITEM || k->space == CODEC_ORDER;

	return (member || k->space == CODEC_KEY) && k->ns < s->p.ns_cnt &&
	       k->key_len <= CODEC_KEY_MAX && k->sub_len <= CODEC_SUB_MAX;
}

static bool write_item_ok(const struct store_item *it)
{
	bool member = it->key.space != CODEC_KEY;

	if (it->op > STORE_CHECK)
		return false;
	if (it->op != STORE_PUT)
		return true;
	if (it->value_len > CODEC_VALUE_MAX)
		return false;
	if (codec_is_collection(it->type))
		return !member && it->value_len >= CODEC_META_MIN;
	if (member && (it->expire_ms != 0 || it->type != CODEC_MEMBER))
		return false;
	return it->type == CODEC_STRING || (member && it->type == CODEC_MEMBER);
}

/* Checks the items and finds their shard. */
static int check_items(const struct store *s, struct store_req *r)
{
	uint32_t shard = 0;

	if (r->item_cnt == 0 || r->item_cnt > LIMIT_STORE_ITEMS)
		return -EINVAL;
	for (uint32_t i = 0; i < r->item_cnt; i++) {
		struct store_item *it = &r->items[i];
		uint32_t at;

		if (!key_ok(s, &it->key))
			return -EINVAL;
		at = store_shard_of(s, it->key.key, it->key.key_len);
		if (i == 0)
			shard = at;
		if (at != shard || it->key.ns != r->items[0].key.ns)
			return -EXDEV;
		if (r->kind != STORE_WRITE)
			continue;
		if (!write_item_ok(it))
			return -EINVAL;
		r->adds_ |= it->op == STORE_PUT || it->op == STORE_INCR;
		r->bytes_ += it->op == STORE_PUT ? it->value_len : 0;
	}
	r->shard = (uint16_t)shard;
	return 0;
}

static int check_scan(const struct store *s, struct store_req *r)
{
	const struct codec_key *k = &r->one.key;

	if (r->item_cnt != 1 || r->items != &r->one || !key_ok(s, k) || r->scan.limit == 0 ||
		r->scan.out == NULL || (uintptr_t)r->scan.out % 8 != 0 ||
		r->scan.prefix_len > CODEC_KEY_MAX || r->scan.from_len > CODEC_KEY_MAX + 1 ||
		r->scan.to_len > CODEC_KEY_MAX + 1)
		return -EINVAL;
	if (k->space == CODEC_KEY)
		return r->shard < s->m.shard_cnt ? 0 : -EINVAL;
	if (k->incarnation == 0)
		return -EINVAL;
	r->shard = (uint16_t)store_shard_of(s, k->key, k->key_len);
	return 0;
}

static int check(const struct store *s, struct store_req *r)
{
	int rc = 0;

	r->bytes_ = 0;
	r->adds_ = false;
	if (r->prio >= STORE_PRIO_CNT)
		return -EINVAL;
	switch (r->kind) {
	case STORE_READ:
	case STORE_WRITE:
		return check_items(s, r);
	case STORE_SCAN:
		return check_scan(s, r);
	case STORE_SNAP_OPEN:
	case STORE_SNAP_CLOSE:
	case STORE_CLEAR:
		rc = r->item_cnt == 1 && r->items == &r->one && r->one.key.ns < s->p.ns_cnt &&
				     r->shard < s->m.shard_cnt
			     ? 0
			     : -EINVAL;
		return rc;
	default:
		return -EINVAL;
	}
}

static bool is_write(const struct store_req *r)
{
	return r->kind == STORE_WRITE || r->kind == STORE_CLEAR;
}

/* What would fail anyway fails here, without a way through the queue. */
static int admit(const struct shard *sh, const struct store_req *r)
{
	int state = atomic_load_explicit(&sh->state, memory_order_relaxed);
	int stall = atomic_load_explicit(&sh->stall, memory_order_relaxed);

	if (unlikely(state == STORE_OFFLINE))
		return -ENXIO;
	if (!is_write(r))
		return 0;
	if (unlikely(state == STORE_READ_ONLY))
		return -EROFS;
	if (unlikely(r->adds_ && atomic_load_explicit(&sh->store->full, memory_order_relaxed)))
		return -ENOSPC;
	if (unlikely(stall == URING_FS_STALL_STOPPED ||
		     (stall == URING_FS_STALL_DELAYED && r->prio == STORE_PRIO_LOW)))
		return -EBUSY;
	return 0;
}

/* Writes go to the commit thread, reads to the reader with the shorter queue of ours. */
static uint32_t choose_thread(const struct store_client *c, const struct store_req *r)
{
	uint32_t first = r->shard * c->store->threads_per_shard, best = first + 1;

	if (is_write(r))
		return first;
	for (uint32_t t = best + 1; t < first + c->store->threads_per_shard; t++)
		if (c->inflight[t] < c->inflight[best])
			best = t;
	return best;
}

static uint32_t queue_room(const struct store_client *c, uint8_t prio)
{
	uint32_t len = c->store->p.queue_len;

	if (prio == STORE_PRIO_HIGH)
		return len;
	return prio == STORE_PRIO_NORMAL ? len - len / 8 : len - len / 2;
}

int store_submit(struct store_client *c, struct store_req *r, uint64_t now_ns)
{
	struct store *s = c->store;
	uint32_t thread;
	void *p = r;
	int rc = check(s, r);

	if (rc == 0)
		rc = admit(s->shards[r->shard], r);
	if (unlikely(rc != 0))
		return rc;
	thread = choose_thread(c, r);
	if (unlikely(c->inflight[thread] >= queue_room(c, r->prio))) {
		atomic_store_explicit(&c->shed,
			atomic_load_explicit(&c->shed, memory_order_relaxed) + 1,
			memory_order_relaxed);
		return -EBUSY;
	}
	r->client_ = (uint16_t)c->id;
	r->thread_ = (uint16_t)thread;
	r->queued_ns_ = now_ns;
	c->inflight[thread]++;
	c->pending++;
	c->touched[thread] = true;
	ASSERT_DBG(s->shards[r->shard] != NULL);
	if (spsc_push(s->shards[r->shard]->threads[thread % s->threads_per_shard].in[c->id], &p,
		    1) != 1)
		ASSERT(false && "the ring is longer than the queue (SH3)");
	return 0;
}

static struct shard_thread *thread_of(struct store *s, uint32_t thread)
{
	return &s->shards[thread / s->threads_per_shard]->threads[thread % s->threads_per_shard];
}

void store_flush(struct store_client *c)
{
	bool fenced = false;

	for (uint32_t t = 0; t < c->thread_cnt; t++) {
		if (!c->touched[t])
			continue;
		c->touched[t] = false;
		if (!fenced)
			atomic_thread_fence(memory_order_seq_cst); /* S1 */
		fenced = true;
		inbox_ring(thread_of(c->store, t));
	}
}

uint32_t store_poll(struct store_client *c, struct store_req **out, uint32_t max)
{
	uint32_t total = 0;

	for (uint32_t t = 0; c->pending > 0 && t < c->thread_cnt && total < max; t++) {
		uint32_t n;

		if (c->inflight[t] == 0)
			continue;
		n = spsc_pop(
			thread_of(c->store, t)->out[c->id], (void **)(out + total), max - total);
		c->inflight[t] -= n;
		c->pending -= n;
		total += n;
	}
	return total;
}

bool store_waiting(const struct store_client *c)
{
	for (uint32_t t = 0; c->pending > 0 && t < c->thread_cnt; t++)
		if (c->inflight[t] > 0 && spsc_count(thread_of(c->store, t)->out[c->id]) > 0)
			return true;
	return false;
}

uint32_t store_pending(const struct store_client *c)
{
	return c->pending;
}

const struct store_entry *store_entry_first(const struct store_scan *s)
{
	return s->out_len == 0 ? NULL : (const struct store_entry *)(const void *)s->out;
}

const struct store_entry *store_entry_next(const struct store_scan *s, const struct store_entry *e)
{
	const uint8_t *next = (const uint8_t *)e + e->size;

	return next >= s->out + s->out_len ? NULL : (const struct store_entry *)(const void *)next;
}

/* ---- control ---- */

static void add_counters(struct store_shard_stats *out, struct shard_counters *c)
{
	uint64_t commit_max = out->commit_max_ns, read_max = out->read_max_ns;

#define ADD(name, text) out->name += atomic_load_explicit(&c->name, memory_order_relaxed);
	STORE_COUNTERS(ADD)
#undef ADD
	/* Those two are maxima, not sums. */
	out->commit_max_ns -= commit_max;
	out->read_max_ns -= read_max;
	if (commit_max > out->commit_max_ns)
		out->commit_max_ns = commit_max;
	if (read_max > out->read_max_ns)
		out->read_max_ns = read_max;
}

void store_shard_get_stats(struct store *s, uint32_t shard, struct store_shard_stats *out)
{
	struct shard *sh = s->shards[shard];

	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < s->threads_per_shard; i++)
		add_counters(out, &sh->threads[i].c);
	add_counters(out, &sh->events);
	out->state = (enum store_state)atomic_load_explicit(&sh->state, memory_order_relaxed);
	out->degraded = atomic_load_explicit(&sh->degraded, memory_order_relaxed);
	out->stall = (uint8_t)atomic_load_explicit(&sh->stall, memory_order_relaxed);
	out->snapshots = atomic_load_explicit(&sh->snap_cnt, memory_order_relaxed);
	pthread_rwlock_rdlock(&sh->db_lock);
	if (sh->db != NULL) {
		out->keys_estimate = rocks_property(sh->db, "rocksdb.estimate-num-keys");
		out->live_bytes = rocks_property(sh->db, "rocksdb.live-sst-files-size");
		out->blob_bytes = rocks_property(sh->db, "rocksdb.live-blob-file-size");
		out->memtable_bytes = rocks_property(sh->db, "rocksdb.cur-size-all-mem-tables");
		out->l0_files = rocks_property(sh->db, "rocksdb.num-files-at-level0");
	}
	pthread_rwlock_unlock(&sh->db_lock);
}

void store_get_stats(struct store *s, struct store_stats *out)
{
	memset(out, 0, sizeof(*out));
	out->full = atomic_load_explicit(&s->full, memory_order_relaxed);
	out->ballast = atomic_load_explicit(&s->ballast, memory_order_relaxed);
	out->free_bytes = atomic_load_explicit(&s->free_bytes, memory_order_relaxed);
	out->uring = s->uring_ok;
	out->direct_io = s->direct_io;
	out->epoch = s->m.epoch;
	for (uint32_t i = 0; i < s->p.client_cnt; i++)
		out->shed += atomic_load_explicit(&s->clients[i]->shed, memory_order_relaxed);
}

struct uring_fs *store_uring_fs(struct store *s)
{
	return rocks_env_fs(s->env);
}

static int each_db(struct store *s, int (*fn)(struct rocks *db, char *err))
{
	char err[ROCKS_ERR];
	int rc = 0;

	for (uint32_t i = 0; i < s->m.shard_cnt; i++) {
		struct shard *sh = s->shards[i];
		int one;

		pthread_rwlock_rdlock(&sh->db_lock);
		one = sh->db == NULL ? -ENXIO : fn(sh->db, err);
		pthread_rwlock_unlock(&sh->db_lock);
		if (one != 0)
			rc = one;
	}
	return rc;
}

int store_sync_all(struct store *s)
{
	return each_db(s, rocks_sync_log);
}

int store_flush_all(struct store *s)
{
	return each_db(s, rocks_flush);
}

static int compact_one(struct rocks *db, char *err)
{
	(void)err;
	rocks_compact(db);
	return 0;
}

void store_compact_all(struct store *s)
{
	(void)each_db(s, compact_one);
}
