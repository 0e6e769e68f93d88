/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/offline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "storage/store.h"

#define CACHE_BYTES    (16 << 20)
#define MEMTABLE_BYTES (64 << 20)

/* Tools keep every record: what has expired or lost its owner is dropped by the store itself. */
static bool keep_all(void *ctx, const char *key, size_t key_len, const char *val, size_t val_len)
{
	(void)ctx;
	(void)key;
	(void)key_len;
	(void)val;
	(void)val_len;
	return false;
}

/* Errors reach the tool as results of its calls. */
static void no_error(void *ctx, int severity, bool no_space, bool corruption, const char *text)
{
	(void)ctx;
	(void)severity;
	(void)no_space;
	(void)corruption;
	(void)text;
}

static void no_stall(void *ctx, enum uring_fs_stall now)
{
	(void)ctx;
	(void)now;
}

static void no_flush(void *ctx, uint64_t bytes)
{
	(void)ctx;
	(void)bytes;
}

static void no_compact(void *ctx, uint64_t in_bytes, uint64_t out_bytes)
{
	(void)ctx;
	(void)in_bytes;
	(void)out_bytes;
}

static void no_log(void *ctx, int level, const char *text)
{
	(void)ctx;
	(void)level;
	(void)text;
}

int offline_open(struct offline *o, const char *dir, char *err, size_t err_len)
{
	struct rocks_env_params ep = {
		.block_cache_bytes = CACHE_BYTES, .background_threads = 2, .use_uring = true};
	int rc;

	memset(o, 0, sizeof(*o));
	(void)snprintf(o->dir, sizeof(o->dir), "%s", dir);
	rc = o->lock_fd = access(dir, F_OK) == 0 ? manifest_lock(dir) : -ENOENT;
	if (rc < 0) {
		(void)snprintf(err, err_len, "%s: %s", dir,
			rc == -EBUSY ? "in use by another process" : strerror(-rc));
		return rc;
	}
	rc = manifest_load(&o->m, dir);
	if (rc != 0) {
		(void)snprintf(err, err_len, "%s/" MANIFEST_NAME ": %s", dir,
			rc == -EUCLEAN ? "damaged" : strerror(-rc));
		close(o->lock_fd);
		return rc;
	}
	o->env = rocks_env_create(&ep);
	if (o->env == NULL) {
		(void)snprintf(err, err_len, "out of memory");
		close(o->lock_fd);
		return -ENOMEM;
	}
	return 0;
}

void offline_close(struct offline *o)
{
	rocks_env_destroy(o->env);
	close(o->lock_fd);
}

int offline_shard(struct offline *o, uint32_t generation, uint32_t shard, bool read_only,
	struct rocks **out, char *err, size_t err_len)
{
	static const struct uring_fs_events ev = {
		NULL, no_error, no_stall, no_flush, no_compact, no_log, keep_all};
	struct store_params p;
	struct rocks_params rp;
	char path[FILE_PATH_MAX + 32], why[ROCKS_ERR];
	int rc;

	store_params_init(&p);
	rp = (struct rocks_params){.memtable_bytes = MEMTABLE_BYTES,
		.target_file_bytes = p.target_file_bytes,
		.blob_min_bytes = p.blob_min_bytes,
		.blob_file_bytes = p.blob_file_bytes,
		.direct_io = uring_fs_direct_works(o->dir),
		.compress = p.compress,
		.read_only = read_only,
		.must_exist = read_only};
	manifest_shard_dir(o->dir, generation, shard, path, sizeof(path));
	rc = rocks_open(o->env, &rp, &ev, path, out, why);
	if (rc != 0)
		(void)snprintf(err, err_len, "%s: %s", path, why);
	return rc;
}
