/* SPDX-License-Identifier: Apache-2.0
 * A shard's life: its threads, its database, its snapshots, and what RocksDB's background threads
 * tell about it. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "storage/shard_pvt.h"

#define SEVERITY_SOFT 1 /* rocksdb::Status::kSoftError */

/* ---- what RocksDB tells ---- */

static void event_add(_Atomic uint64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

static void on_error(void *ctx, int severity, bool no_space, bool corruption, const char *text)
{
	struct shard *sh = ctx;
	char quoted[ROCKS_ERR];

	event_add(&sh->events.background_errors, 1);
	if (corruption)
		atomic_store_explicit(&sh->degraded, true, memory_order_relaxed);
	if (no_space) {
		atomic_store_explicit(&sh->bg_no_space, true, memory_order_relaxed);
		atomic_store_explicit(&sh->store->no_space_seen, true, memory_order_relaxed);
	}
	atomic_store_explicit(severity == SEVERITY_SOFT ? &sh->bg_soft : &sh->bg_error, true,
		memory_order_release);
	LOG_ERR("storage error", "shard=%u severity=%d error=%s", sh->id, severity,
		log_quote(text, quoted, sizeof(quoted)));
}

static void on_stall(void *ctx, enum uring_fs_stall now)
{
	struct shard *sh = ctx;

	atomic_store_explicit(&sh->stall, (int)now, memory_order_relaxed);
	if (now != URING_FS_STALL_NONE)
		LOG_WRN("storage writes stall", "shard=%u stopped=%d", sh->id,
			now == URING_FS_STALL_STOPPED);
}

static void on_flushed(void *ctx, uint64_t bytes)
{
	(void)bytes;
	event_add(&((struct shard *)ctx)->events.flushes, 1);
}

static void on_compacted(void *ctx, uint64_t in_bytes, uint64_t out_bytes)
{
	struct shard *sh = ctx;

	event_add(&sh->events.compactions, 1);
	event_add(&sh->events.compact_in_bytes, in_bytes);
	event_add(&sh->events.compact_out_bytes, out_bytes);
}

static void on_log(void *ctx, int level, const char *text)
{
	struct shard *sh = ctx;
	char quoted[ROCKS_ERR];

	(void)level;
	LOG_WRN("rocksdb", "shard=%u text=%s", sh->id, log_quote(text, quoted, sizeof(quoted)));
}

_Static_assert(
	CODEC_KEY == URING_FS_LAST_HASHED && CODEC_ITEM > CODEC_KEY && CODEC_ORDER > CODEC_KEY,
	"records of keys are hashed in the memtable, members are in order");

/* ---- what compactions drop ---- */

/* What a compaction drops is gone for good, so the owner of members must be gone for good, too: not
 * only now, but also after a crash that loses what no flush has written. A member is an orphan if
 * its incarnation is over in both, in what the database has now and in its tables alone. Any state
 * that a crash may leave lies between the two, and incarnations never come back.
 *
 * The collection that the last member of this thread's compaction belonged to: incarnations below
 * `limit` are over; up to `asked` was looked for and is not, as far as is known. */
struct owner_cache {
	const struct shard *shard;
	uint64_t epoch, limit, asked;
	uint8_t key[256];
	uint16_t key_len;
	uint8_t ns;
};
static _Thread_local struct owner_cache owner;

/* The incarnations that are over according to one view; 0: it cannot be told. */
static uint64_t over_below(
	struct rocks *db, struct rocks_slice key, uint64_t incarnation, bool tables)
{
	struct codec_record rec;
	struct codec_meta meta;
	struct rocks_result res;
	uint64_t limit = 0;

	rocks_get_closing(db, key, tables, &res);
	if (res.status == -ENOENT)
		limit = incarnation + 1;
	else if (res.status == 0 && codec_record_decode(res.val.data, res.val.len, &rec) == 0) {
		if (codec_meta_decode(&rec, &meta) == 0)
			limit = meta.incarnation;
		else if (!codec_is_collection(rec.type))
			limit = incarnation + 1;
		/* A collection that cannot be read keeps its members. */
	}
	rocks_release(&res, 1);
	return limit;
}

static struct rocks_slice owner_key(const struct codec_key *k, uint8_t enc[2 + CODEC_KEY_MAX])
{
	struct codec_key meta = {
		.space = CODEC_KEY, .ns = k->ns, .key = k->key, .key_len = k->key_len};

	return (struct rocks_slice){enc, codec_key_encode(&meta, enc)};
}

static void look_up_owner(struct shard *sh, const struct codec_key *k)
{
	struct rocks *db = atomic_load_explicit(&sh->filter_db, memory_order_acquire);
	uint8_t enc[2 + CODEC_KEY_MAX];
	struct rocks_slice key = owner_key(k, enc);
	uint64_t now, tables;

	owner.shard = sh;
	owner.epoch = sh->store->m.epoch;
	owner.ns = k->ns;
	owner.key_len = k->key_len;
	memcpy(owner.key, k->key, k->key_len < sizeof(owner.key) ? k->key_len : sizeof(owner.key));
	owner.limit = 0;
	owner.asked = k->incarnation;
	if (db == NULL)
		return;
	now = over_below(db, key, k->incarnation, false);
	tables = now > k->incarnation ? over_below(db, key, k->incarnation, true) : now;
	owner.limit = now < tables ? now : tables;
}

static bool owner_matches(const struct shard *sh, const struct codec_key *k)
{
	return owner.shard == sh && owner.epoch == sh->store->m.epoch && owner.ns == k->ns &&
	       owner.key_len == k->key_len && k->key_len <= sizeof(owner.key) &&
	       (k->incarnation < owner.limit || k->incarnation <= owner.asked) &&
	       memcmp(owner.key, k->key, k->key_len) == 0;
}

static bool member_is_orphan(struct shard *sh, const struct codec_key *k)
{
	if (!owner_matches(sh, k))
		look_up_owner(sh, k);
	return k->incarnation < owner.limit;
}

/* Is this expired record what the key has now? An older one of a collection must stay: with it the
 * tables would say that the collection is over, though a later record gave it more time. */
static bool is_current(struct shard *sh, const struct codec_key *k, const struct codec_record *rec)
{
	struct rocks *db = atomic_load_explicit(&sh->filter_db, memory_order_acquire);
	uint8_t enc[2 + CODEC_KEY_MAX];
	struct codec_record now;
	struct rocks_result res;
	bool same;

	if (db == NULL)
		return false;
	rocks_get_closing(db, owner_key(k, enc), false, &res);
	same = res.status == 0 && codec_record_decode(res.val.data, res.val.len, &now) == 0 &&
	       now.version == rec->version;
	rocks_release(&res, 1);
	return same;
}

static bool on_drop(void *ctx, const char *key, size_t key_len, const char *val, size_t val_len)
{
	struct shard *sh = ctx;
	struct codec_record rec;
	struct codec_key k;
	bool drop;

	/* RocksDB asks for records that a snapshot still shows, too. */
	if (atomic_load_explicit(&sh->snap_cnt, memory_order_acquire) > 0)
		return false;
	if (codec_key_decode((const uint8_t *)key, key_len, &k) != 0)
		return false;
	if (k.space != CODEC_KEY) {
		drop = member_is_orphan(sh, &k);
	} else {
		uint64_t now_ms = shard_wall_ms(sh->store);

		drop = codec_record_decode((const uint8_t *)val, val_len, &rec) == 0 &&
		       now_ms > EXPIRY_GRACE_MS && codec_expired(&rec, now_ms - EXPIRY_GRACE_MS) &&
		       (!codec_is_collection(rec.type) || is_current(sh, &k, &rec));
	}
	if (drop)
		event_add(&sh->events.dropped, 1);
	return drop;
}

/* ---- the database ---- */

int shard_open_db(struct shard *sh, bool read_only, char *err)
{
	const struct store_params *p = &sh->store->p;
	struct rocks_params rp = {.memtable_bytes = p->memtable_bytes,
		.target_file_bytes = p->target_file_bytes,
		.blob_min_bytes = p->blob_min_bytes,
		.blob_file_bytes = p->blob_file_bytes,
		.direct_io = sh->store->direct_io,
		.compress = p->compress,
		.read_only = read_only,
		.must_exist = read_only,
		.manual_compaction = p->manual_compaction};
	struct uring_fs_events ev = {
		sh, on_error, on_stall, on_flushed, on_compacted, on_log, on_drop};
	int rc;

	atomic_store_explicit(&sh->stall, URING_FS_STALL_NONE, memory_order_relaxed);
	atomic_store_explicit(&sh->bg_error, false, memory_order_relaxed);
	atomic_store_explicit(&sh->bg_soft, false, memory_order_relaxed);
	atomic_store_explicit(&sh->bg_no_space, false, memory_order_relaxed);
	rc = rocks_open(sh->store->env, &rp, &ev, sh->dir, &sh->db, err);
	if (rc != 0) {
		sh->db = NULL;
		return rc;
	}
	atomic_store_explicit(&sh->filter_db, sh->db, memory_order_release);
	sh->write_failed = read_only; /* only another open makes it writable */
	return 0;
}

void shard_close_db(struct shard *sh)
{
	shard_snaps_expire(sh, 0);
	rocks_close(sh->db);
	atomic_store_explicit(&sh->filter_db, NULL, memory_order_release);
	sh->db = NULL;
}

void shard_note_read_error(struct shard *sh, struct shard_thread *t, int status)
{
	if (status == -EUCLEAN) {
		count_add(&t->c.corrupt, 1);
		if (!atomic_exchange_explicit(&sh->degraded, true, memory_order_relaxed))
			LOG_ERR("damaged data met", "shard=%u", sh->id);
	} else {
		count_add(&t->c.read_errors, 1);
	}
}

/* ---- snapshots: a handle is generation << 8 | index ---- */

int shard_snap_open(struct shard *sh, uint64_t *handle)
{
	int rc = -EBUSY;

	pthread_mutex_lock(&sh->snap_lock);
	for (uint32_t i = 0; i < LIMIT_STORE_SNAPSHOTS; i++) {
		struct snapshot_slot *s = &sh->snaps[i];

		if (s->snap != NULL)
			continue;
		/* Counted first: a compaction that starts now must see it. */
		atomic_fetch_add_explicit(&sh->snap_cnt, 1, memory_order_seq_cst);
		s->snap = rocks_snapshot(sh->db);
		s->opened_ms = clock_now_ns() / NS_PER_MS;
		s->generation++;
		s->closed = false;
		*handle = (uint64_t)s->generation << 8 | i;
		rc = 0;
		break;
	}
	pthread_mutex_unlock(&sh->snap_lock);
	return rc;
}

static struct snapshot_slot *snap_find(struct shard *sh, uint64_t handle)
{
	struct snapshot_slot *s;

	if ((handle & 0xff) >= LIMIT_STORE_SNAPSHOTS)
		return NULL;
	s = &sh->snaps[handle & 0xff];
	return s->snap != NULL && s->generation == handle >> 8 ? s : NULL;
}

static void snap_release(struct shard *sh, struct snapshot_slot *s)
{
	rocks_snapshot_release(sh->db, s->snap);
	s->snap = NULL;
	atomic_fetch_sub_explicit(&sh->snap_cnt, 1, memory_order_seq_cst);
}

static void snap_close(struct shard *sh, struct snapshot_slot *s)
{
	if (s->refs == 0)
		snap_release(sh, s);
	else
		s->closed = true;
}

int shard_snap_close(struct shard *sh, uint64_t handle)
{
	struct snapshot_slot *s;
	int rc = -ESTALE;

	pthread_mutex_lock(&sh->snap_lock);
	s = snap_find(sh, handle);
	if (s != NULL && !s->closed) {
		snap_close(sh, s);
		rc = 0;
	}
	pthread_mutex_unlock(&sh->snap_lock);
	return rc;
}

int shard_snap_use(struct shard *sh, uint64_t handle, struct rocks_snapshot **out)
{
	struct snapshot_slot *s;
	int rc = -ESTALE;

	pthread_mutex_lock(&sh->snap_lock);
	s = snap_find(sh, handle);
	if (s != NULL && !s->closed) {
		s->refs++;
		*out = s->snap;
		rc = 0;
	}
	pthread_mutex_unlock(&sh->snap_lock);
	return rc;
}

void shard_snap_done(struct shard *sh, uint64_t handle)
{
	struct snapshot_slot *s = &sh->snaps[handle & 0xff];

	pthread_mutex_lock(&sh->snap_lock);
	if (--s->refs == 0 && s->closed)
		snap_release(sh, s);
	pthread_mutex_unlock(&sh->snap_lock);
}

void shard_snaps_expire(struct shard *sh, uint64_t max_age_ms)
{
	uint64_t now_ms = clock_now_ns() / NS_PER_MS;

	if (atomic_load_explicit(&sh->snap_cnt, memory_order_relaxed) == 0)
		return;
	pthread_mutex_lock(&sh->snap_lock);
	for (uint32_t i = 0; i < LIMIT_STORE_SNAPSHOTS; i++) {
		struct snapshot_slot *s = &sh->snaps[i];

		if (s->snap == NULL || s->closed || now_ms - s->opened_ms < max_age_ms)
			continue;
		snap_close(sh, s);
		count_add(&sh->threads[0].c.snapshots_expired, 1);
	}
	pthread_mutex_unlock(&sh->snap_lock);
}

/* ---- life ---- */

static int init_locks(struct shard *sh)
{
	pthread_rwlockattr_t attr;
	int rc;

	/* A reopen must not starve behind readers that always overlap. */
	if (pthread_rwlockattr_init(&attr) != 0)
		return -ENOMEM;
	(void)pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	rc = -pthread_rwlock_init(&sh->db_lock, &attr);
	(void)pthread_rwlockattr_destroy(&attr);
	return rc != 0 ? rc : -pthread_mutex_init(&sh->snap_lock, NULL);
}

int shard_create(struct store *s, uint32_t id, struct shard **out)
{
	struct shard *sh = aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(*sh), CACHE_LINE));
	char err[ROCKS_ERR];
	int rc;

	if (sh == NULL)
		return -ENOMEM;
	memset(sh, 0, sizeof(*sh));
	sh->store = s;
	sh->id = id;
	sh->next_version = ((uint64_t)s->m.epoch << VERSION_EPOCH_BIT) + 1;
	manifest_shard_dir(s->dir, s->m.generation, id, sh->dir, sizeof(sh->dir));
	*out = sh;
	rc = init_locks(sh);
	sh->commit = commit_create(&s->p);
	if (rc == 0 && sh->commit == NULL)
		rc = -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < s->threads_per_shard; i++) {
		sh->threads[i].shard = sh;
		rc = inbox_init(&sh->threads[i], s->p.client_cnt, s->p.queue_len);
	}
	if (rc != 0)
		return rc;
	rc = shard_open_db(sh, false, err);
	if (rc != 0) {
		char quoted[ROCKS_ERR];

		LOG_ERR("shard does not open", "shard=%u dir=%s error=%s", id, sh->dir,
			log_quote(err, quoted, sizeof(quoted)));
		atomic_store_explicit(&sh->state, STORE_OFFLINE, memory_order_relaxed);
	}
	return rc;
}

static void pin_thread(const struct store_params *p, pthread_t t)
{
	cpu_set_t set;

	if (p->cpus == NULL || p->cpu_cnt == 0)
		return;
	CPU_ZERO(&set);
	for (uint32_t i = 0; i < p->cpu_cnt; i++)
		CPU_SET(p->cpus[i], &set);
	if (pthread_setaffinity_np(t, sizeof(set), &set) != 0)
		LOG_WRN("storage thread not pinned", "cpu=%u", p->cpus[0]);
}

int shard_start(struct shard *sh)
{
	for (uint32_t i = 0; i < sh->store->threads_per_shard; i++) {
		struct shard_thread *t = &sh->threads[i];
		char name[16];
		int rc = pthread_create(&t->thread, NULL, i == 0 ? commit_main : reader_main, t);

		if (rc != 0)
			return -rc;
		t->started = true;
		(void)snprintf(name, sizeof(name), i == 0 ? "st%u-commit" : "st%u-read%u",
			sh->id & 0xff, i & 0xf);
		(void)pthread_setname_np(t->thread, name);
		pin_thread(&sh->store->p, t->thread);
	}
	return 0;
}

void shard_stop(struct shard *sh)
{
	for (uint32_t i = 0; i < sh->store->threads_per_shard; i++) {
		struct shard_thread *t = &sh->threads[i];

		if (!t->started)
			continue;
		atomic_thread_fence(memory_order_seq_cst);
		inbox_ring(t);
		pthread_join(t->thread, NULL);
		t->started = false;
	}
}

void shard_destroy(struct shard *sh)
{
	if (sh == NULL)
		return;
	if (sh->db != NULL)
		shard_close_db(sh);
	for (uint32_t i = 0; i < sh->store->threads_per_shard; i++)
		inbox_fini(&sh->threads[i], sh->store->p.client_cnt);
	commit_destroy(sh->commit);
	(void)pthread_rwlock_destroy(&sh->db_lock);
	(void)pthread_mutex_destroy(&sh->snap_lock);
	free(sh);
}
