/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/rocks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rocksdb/c.h>

#include "dataplane/base/assert.h"

#define READ_PERSISTED    2 /* ReadTier::kPersistedTier, which c.h has no name for */
#define BLOOM_BITS        10
#define READAHEAD_BYTES   (2 << 20)
#define SYNC_EVERY_BYTES  (1 << 20)
#define MULTI_GET_MAX     256
#define BLOB_GC_CUTOFF    0.25
#define BLOB_GC_THRESHOLD 0.5

struct rocks_env {
	struct uring_fs *fs;
	rocksdb_cache_t *cache;
	rocksdb_ratelimiter_t *limiter;
};

struct rocks {
	rocksdb_t *db;
	rocksdb_options_t *opt;
	rocksdb_column_family_handle_t *cf;
	struct uring_fs_memtables *mem;
	rocksdb_readoptions_t *read, *read_tables; /* point reads: no snapshot; tables alone */
	rocksdb_writeoptions_t *how[8];            /* by enum rocks_write bits */
};

struct rocks_batch {
	rocksdb_writebatch_t *b;
};

struct rocks_iter {
	rocksdb_iterator_t *it;
	rocksdb_readoptions_t *read;
	bool reverse;
};

/* Status::ToString() is all that c.h gives. */
static int code_of(const char *text)
{
	static const struct {
		const char *head;
		int code;
	} codes[] = {{"IO error: No space left", -ENOSPC}, {"IO error", -EIO},
		{"Corruption", -EUCLEAN}, {"NotFound", -ENOENT},
		{"Operation timed out", -ETIMEDOUT}, {"Result incomplete", -EBUSY},
		{"Resource busy", -EBUSY}};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
		if (strncmp(text, codes[i].head, strlen(codes[i].head)) == 0)
			return codes[i].code;
	return -EIO;
}

/* Takes the library's message: to err, freed, and as a code. */
static int take_error(char *text, char *err)
{
	int rc;

	if (text == NULL)
		return 0;
	rc = code_of(text);
	if (err != NULL)
		(void)snprintf(err, ROCKS_ERR, "%s", text);
	rocksdb_free(text);
	return rc;
}

struct rocks_env *rocks_env_create(const struct rocks_env_params *p)
{
	struct rocks_env *env = calloc(1, sizeof(*env));
	int threads = (int)(p->background_threads > 0 ? p->background_threads : 1);

	if (env == NULL)
		return NULL;
	env->fs = uring_fs_create(p->use_uring);
	if (env->fs == NULL) {
		free(env);
		return NULL;
	}
	uring_fs_set_threads(env->fs, 1 + threads / 4, threads);
	env->cache = rocksdb_cache_create_lru(p->block_cache_bytes);
	if (p->write_rate_bytes > 0)
		env->limiter = rocksdb_ratelimiter_create((int64_t)p->write_rate_bytes, 100000, 10);
	return env;
}

void rocks_env_destroy(struct rocks_env *env)
{
	if (env == NULL)
		return;
	rocksdb_cache_destroy(env->cache);
	if (env->limiter != NULL)
		rocksdb_ratelimiter_destroy(env->limiter);
	uring_fs_destroy(env->fs);
	free(env);
}

struct uring_fs *rocks_env_fs(struct rocks_env *env)
{
	return env->fs;
}

static void set_table_options(rocksdb_options_t *o, const struct rocks_env *env)
{
	rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();

	rocksdb_block_based_options_set_block_cache(t, env->cache);
	rocksdb_block_based_options_set_filter_policy(
		t, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS));
	rocksdb_block_based_options_set_format_version(t, 5);
	rocksdb_options_set_block_based_table_factory(o, t);
	rocksdb_block_based_options_destroy(t);
}

static void set_blob_options(rocksdb_options_t *o, const struct rocks_params *p)
{
	if (p->blob_min_bytes == 0)
		return;
	rocksdb_options_set_enable_blob_files(o, 1);
	rocksdb_options_set_min_blob_size(o, p->blob_min_bytes);
	rocksdb_options_set_blob_file_size(o, p->blob_file_bytes);
	rocksdb_options_set_enable_blob_gc(o, 1);
	rocksdb_options_set_blob_gc_age_cutoff(o, BLOB_GC_CUTOFF);
	rocksdb_options_set_blob_gc_force_threshold(o, BLOB_GC_THRESHOLD);
	rocksdb_options_set_blob_compaction_readahead_size(o, READAHEAD_BYTES);
	if (p->compress)
		rocksdb_options_set_blob_compression_type(o, rocksdb_lz4_compression);
}

static rocksdb_options_t *make_options(
	struct rocks_env *env, const struct rocks_params *p, const struct uring_fs_events *ev)
{
	rocksdb_options_t *o = rocksdb_options_create();

	rocksdb_options_set_env(o, uring_fs_env(env->fs));
	uring_fs_set_events(o, ev);
	rocksdb_options_set_create_if_missing(o, !p->must_exist);
	rocksdb_options_set_paranoid_checks(o, 1);
	rocksdb_options_set_wal_recovery_mode(o, rocksdb_point_in_time_recovery);
	rocksdb_options_set_max_open_files(o, -1);
	rocksdb_options_set_write_buffer_size(o, p->memtable_bytes);
	rocksdb_options_set_max_write_buffer_number(o, 3);
	rocksdb_options_set_max_total_wal_size(o, 4 * p->memtable_bytes);
	rocksdb_options_set_target_file_size_base(o, p->target_file_bytes);
	rocksdb_options_set_max_bytes_for_level_base(o, 4 * p->target_file_bytes);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
	rocksdb_options_compaction_readahead_size(o, READAHEAD_BYTES);
	rocksdb_options_set_bytes_per_sync(o, SYNC_EVERY_BYTES);
	rocksdb_options_set_use_direct_reads(o, p->direct_io);
	rocksdb_options_set_use_direct_io_for_flush_and_compaction(o, p->direct_io);
	rocksdb_options_set_compression(
		o, p->compress ? rocksdb_lz4_compression : rocksdb_no_compression);
	rocksdb_options_set_disable_auto_compactions(o, p->manual_compaction);
	/* One writer: the machinery for many costs and gives nothing. */
	rocksdb_options_set_allow_concurrent_memtable_write(o, 0);
	rocksdb_options_set_stats_dump_period_sec(o, 0);
	rocksdb_options_set_stats_persist_period_sec(o, 0);
	if (env->limiter != NULL)
		rocksdb_options_set_ratelimiter(o, env->limiter);
	set_table_options(o, env);
	set_blob_options(o, p);
	return o;
}

static void make_write_options(struct rocks *db)
{
	for (unsigned i = 0; i < ARRAY_SIZE(db->how); i++) {
		db->how[i] = rocksdb_writeoptions_create();
		rocksdb_writeoptions_set_sync(db->how[i], (i & ROCKS_SYNC) != 0);
		rocksdb_writeoptions_disable_WAL(db->how[i], (i & ROCKS_NO_LOG) != 0);
		rocksdb_writeoptions_set_no_slowdown(db->how[i], (i & ROCKS_NO_SLOWDOWN) != 0);
	}
}

static void free_options(struct rocks *db)
{
	for (unsigned i = 0; i < ARRAY_SIZE(db->how); i++)
		if (db->how[i] != NULL)
			rocksdb_writeoptions_destroy(db->how[i]);
	if (db->read != NULL)
		rocksdb_readoptions_destroy(db->read);
	if (db->read_tables != NULL)
		rocksdb_readoptions_destroy(db->read_tables);
	uring_fs_free_filter(db->opt);
	rocksdb_options_destroy(db->opt);
	uring_fs_memtables_free(db->mem);
	free(db);
}

/* READ_PERSISTED leaves the memtables out as soon as anything was written without the log: so
 * something is, a delete of a key that never is. */
static int leave_memory_out(struct rocks *db, char *err)
{
	char *text = NULL;

	rocksdb_delete(db->db, db->how[ROCKS_NO_LOG], "", 0, &text);
	return text == NULL ? 0 : take_error(text, err);
}

int rocks_open(struct rocks_env *env, const struct rocks_params *p,
	const struct uring_fs_events *ev, const char *dir, struct rocks **out, char *err)
{
	/* The default handle must be one of ours to destroy: c.h has no other way to it, and a
	 * handle left open trips an assertion of the library at close. */
	const char *name = "default";
	struct rocks *db = calloc(1, sizeof(*db));
	const rocksdb_options_t *opt;
	char *text = NULL;
	int rc;

	if (db == NULL)
		return -ENOMEM;
	db->opt = make_options(env, p, ev);
	db->mem = uring_fs_memtables_use(db->opt, p->memtable_bytes);
	opt = db->opt;
	if (p->read_only)
		db->db = rocksdb_open_for_read_only_column_families(
			db->opt, dir, 1, &name, &opt, &db->cf, 0, &text);
	else
		db->db = rocksdb_open_column_families(db->opt, dir, 1, &name, &opt, &db->cf, &text);
	if (text != NULL) {
		free_options(db);
		return take_error(text, err);
	}
	db->read = rocksdb_readoptions_create();
	db->read_tables = rocksdb_readoptions_create();
	rocksdb_readoptions_set_read_tier(db->read_tables, READ_PERSISTED);
	make_write_options(db);
	rc = p->read_only ? 0 : leave_memory_out(db, err);
	if (rc != 0)
		rocks_close(db);
	else
		*out = db;
	return rc;
}

void rocks_close(struct rocks *db)
{
	if (db == NULL)
		return;
	rocksdb_column_family_handle_destroy(db->cf);
	rocksdb_close(db->db);
	free_options(db);
}

/* ---- writing ---- */

struct rocks_batch *rocks_batch_create(void)
{
	struct rocks_batch *b = malloc(sizeof(*b));

	if (b != NULL)
		b->b = rocksdb_writebatch_create();
	return b;
}

void rocks_batch_destroy(struct rocks_batch *b)
{
	if (b == NULL)
		return;
	rocksdb_writebatch_destroy(b->b);
	free(b);
}

void rocks_batch_clear(struct rocks_batch *b)
{
	rocksdb_writebatch_clear(b->b);
}

uint32_t rocks_batch_count(const struct rocks_batch *b)
{
	return (uint32_t)rocksdb_writebatch_count(b->b);
}

static const char *chars(const uint8_t *p)
{
	return p == NULL ? "" : (const char *)p;
}

void rocks_batch_put(struct rocks_batch *b, struct rocks_slice key, struct rocks_slice head,
	struct rocks_slice body)
{
	const char *k = chars(key.data), *v[2] = {chars(head.data), chars(body.data)};
	size_t v_len[2] = {head.len, body.len};

	rocksdb_writebatch_putv(b->b, 1, &k, &key.len, 2, v, v_len);
}

void rocks_batch_delete(struct rocks_batch *b, struct rocks_slice key)
{
	rocksdb_writebatch_delete(b->b, chars(key.data), key.len);
}

void rocks_batch_delete_range(struct rocks_batch *b, struct rocks_slice from, struct rocks_slice to)
{
	rocksdb_writebatch_delete_range(b->b, chars(from.data), from.len, chars(to.data), to.len);
}

void rocks_prefetch(struct rocks *db, const struct memtable_key *keys, uint32_t n)
{
	uring_fs_memtables_prefetch(db->mem, keys, n);
}

int rocks_write(struct rocks *db, struct rocks_batch *b, unsigned how, char *err)
{
	char *text = NULL;

	ASSERT(how < ARRAY_SIZE(db->how) &&
		(how & (ROCKS_SYNC | ROCKS_NO_LOG)) != (ROCKS_SYNC | ROCKS_NO_LOG));
	rocksdb_write(db->db, db->how[how], b->b, &text);
	return take_error(text, err);
}

int rocks_sync_log(struct rocks *db, char *err)
{
	char *text = NULL;

	rocksdb_flush_wal(db->db, 1, &text);
	return take_error(text, err);
}

int rocks_flush(struct rocks *db, char *err)
{
	rocksdb_flushoptions_t *o = rocksdb_flushoptions_create();
	char *text = NULL;

	rocksdb_flushoptions_set_wait(o, 1);
	rocksdb_flush(db->db, o, &text);
	rocksdb_flushoptions_destroy(o);
	return take_error(text, err);
}

void rocks_compact(struct rocks *db)
{
	rocksdb_compactoptions_t *o = rocksdb_compactoptions_create();

	/* Also rewrite what already lies at the bottom, so that the filter sees every record. */
	rocksdb_compactoptions_set_bottommost_level_compaction(o, 2);
	rocksdb_compact_range_cf_opt(db->db, db->cf, o, NULL, 0, NULL, 0);
	rocksdb_compactoptions_destroy(o);
}

int rocks_resume(struct rocks *db, char *err)
{
	int rc = uring_fs_resume(db->db, err, ROCKS_ERR);

	return rc == 0 ? 0 : code_of(err);
}

/* ---- reading ---- */

static rocksdb_readoptions_t *read_options(struct rocks_snapshot *snap)
{
	rocksdb_readoptions_t *o = rocksdb_readoptions_create();

	if (snap != NULL)
		rocksdb_readoptions_set_snapshot(o, (const rocksdb_snapshot_t *)snap);
	return o;
}

static void set_result(struct rocks_result *r, rocksdb_pinnableslice_t *pin, char *text)
{
	size_t len = 0;

	r->pin = pin;
	r->val = (struct rocks_slice){NULL, 0};
	r->status = take_error(text, NULL);
	if (r->status != 0)
		return;
	if (pin == NULL) {
		r->status = -ENOENT;
		return;
	}
	r->val.data = (const uint8_t *)rocksdb_pinnableslice_value(pin, &len);
	r->val.len = len;
}

static void multi_get_part(struct rocks *db, const rocksdb_readoptions_t *o, uint32_t n,
	const struct rocks_slice *keys, struct rocks_result *out)
{
	const char *k[MULTI_GET_MAX] = {NULL};
	size_t k_len[MULTI_GET_MAX] = {0};
	rocksdb_pinnableslice_t *pins[MULTI_GET_MAX];
	char *texts[MULTI_GET_MAX];

	for (uint32_t i = 0; i < n; i++) {
		k[i] = chars(keys[i].data);
		k_len[i] = keys[i].len;
		pins[i] = NULL;
		texts[i] = NULL;
	}
	rocksdb_batched_multi_get_cf(db->db, o, db->cf, n, k, k_len, pins, texts, false);
	for (uint32_t i = 0; i < n; i++)
		set_result(&out[i], pins[i], texts[i]);
}

void rocks_multi_get(struct rocks *db, struct rocks_snapshot *snap, uint32_t n,
	const struct rocks_slice *keys, struct rocks_result *out)
{
	rocksdb_readoptions_t *own = snap != NULL ? read_options(snap) : NULL;

	for (uint32_t i = 0; i < n; i += MULTI_GET_MAX)
		multi_get_part(db, own != NULL ? own : db->read,
			n - i < MULTI_GET_MAX ? n - i : MULTI_GET_MAX, keys + i, out + i);
	if (own != NULL)
		rocksdb_readoptions_destroy(own);
}

void rocks_get_each(struct rocks *db, struct rocks_snapshot *snap, uint32_t n,
	const struct rocks_slice *keys, struct rocks_result *out)
{
	rocksdb_readoptions_t *own = snap != NULL ? read_options(snap) : NULL;

	for (uint32_t i = 0; i < n; i++) {
		char *text = NULL;
		rocksdb_pinnableslice_t *pin =
			rocksdb_get_pinned_cf(db->db, own != NULL ? own : db->read, db->cf,
				chars(keys[i].data), keys[i].len, &text);

		set_result(&out[i], pin, text);
	}
	if (own != NULL)
		rocksdb_readoptions_destroy(own);
}

void rocks_get_closing(
	struct rocks *db, struct rocks_slice key, bool tables, struct rocks_result *out)
{
	char *text = NULL;
	rocksdb_pinnableslice_t *pin = rocksdb_get_pinned(
		db->db, tables ? db->read_tables : db->read, chars(key.data), key.len, &text);

	set_result(out, pin, text);
}

void rocks_release(struct rocks_result *r, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (r[i].pin != NULL)
			rocksdb_pinnableslice_destroy(r[i].pin);
		r[i].pin = NULL;
	}
}

struct rocks_snapshot *rocks_snapshot(struct rocks *db)
{
	return (struct rocks_snapshot *)(uintptr_t)rocksdb_create_snapshot(db->db);
}

void rocks_snapshot_release(struct rocks *db, struct rocks_snapshot *s)
{
	rocksdb_release_snapshot(db->db, (const rocksdb_snapshot_t *)s);
}

struct rocks_iter *rocks_iter_create(struct rocks *db, struct rocks_snapshot *snap,
	struct rocks_slice from, struct rocks_slice to, bool reverse)
{
	struct rocks_iter *it = malloc(sizeof(*it));

	if (it == NULL)
		return NULL;
	it->reverse = reverse;
	it->read = read_options(snap);
	uring_fs_read_async(it->read, true);
	rocksdb_readoptions_set_background_purge_on_iterator_cleanup(it->read, 1);
	rocksdb_readoptions_set_iterate_lower_bound(it->read, chars(from.data), from.len);
	if (to.len > 0)
		rocksdb_readoptions_set_iterate_upper_bound(it->read, chars(to.data), to.len);
	it->it = rocksdb_create_iterator_cf(db->db, it->read, db->cf);
	if (reverse)
		rocksdb_iter_seek_to_last(it->it);
	else
		rocksdb_iter_seek_to_first(it->it);
	return it;
}

void rocks_iter_destroy(struct rocks_iter *it)
{
	if (it == NULL)
		return;
	rocksdb_iter_destroy(it->it);
	rocksdb_readoptions_destroy(it->read);
	free(it);
}

bool rocks_iter_valid(const struct rocks_iter *it)
{
	return rocksdb_iter_valid(it->it);
}

void rocks_iter_next(struct rocks_iter *it)
{
	if (it->reverse)
		rocksdb_iter_prev(it->it);
	else
		rocksdb_iter_next(it->it);
}

struct rocks_slice rocks_iter_key(const struct rocks_iter *it)
{
	size_t n;
	const char *p = rocksdb_iter_key(it->it, &n);

	return (struct rocks_slice){(const uint8_t *)p, n};
}

struct rocks_slice rocks_iter_val(const struct rocks_iter *it)
{
	size_t n;
	const char *p = rocksdb_iter_value(it->it, &n);

	return (struct rocks_slice){(const uint8_t *)p, n};
}

int rocks_iter_status(const struct rocks_iter *it, char *err)
{
	char *text = NULL;

	rocksdb_iter_get_error(it->it, &text);
	return take_error(text, err);
}

/* ---- the rest ---- */

int rocks_checkpoint(struct rocks *db, const char *dir, char *err)
{
	char *text = NULL;
	rocksdb_checkpoint_t *c = rocksdb_checkpoint_object_create(db->db, &text);

	if (text == NULL) {
		rocksdb_checkpoint_create(c, dir, 0, &text);
		rocksdb_checkpoint_object_destroy(c);
	}
	return take_error(text, err);
}

int rocks_verify(struct rocks *db, char *err)
{
	int rc = uring_fs_verify(db->db, err, ROCKS_ERR);

	return rc == 0 ? 0 : code_of(err);
}

uint64_t rocks_property(struct rocks *db, const char *name)
{
	uint64_t v = 0;

	return rocksdb_property_int(db->db, name, &v) == 0 ? v : 0;
}
