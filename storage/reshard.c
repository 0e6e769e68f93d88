/* SPDX-License-Identifier: Apache-2.0
 * The keys of a closed store, dealt out anew. The next generation of shards is built beside the
 * present one, flushed, and becomes the store by one rename of the manifest (BK3). Killed before
 * that, the next run starts over; killed after it, the old shards are removed at the next open. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/backup.h"
#include "storage/offline.h"
#include "storage/store.h"

#define BATCH_BYTES (1 << 20)

struct target {
	struct rocks *db;
	struct rocks_batch *batch;
	uint64_t bytes;
};

struct reshard {
	struct offline o;
	struct manifest next;
	struct target to[LIMIT_SHARDS];
	char *err;
	size_t err_len;
};

static int flush_batch(struct reshard *r, struct target *t)
{
	char why[ROCKS_ERR];
	int rc = rocks_write(t->db, t->batch, ROCKS_NO_LOG, why);

	rocks_batch_clear(t->batch);
	t->bytes = 0;
	if (rc != 0)
		(void)snprintf(r->err, r->err_len, "write: %s", why);
	return rc;
}

static int move_record(struct reshard *r, struct rocks_slice key, struct rocks_slice val)
{
	struct codec_key k;
	struct target *t;

	if (codec_key_decode(key.data, key.len, &k) != 0) {
		(void)snprintf(r->err, r->err_len, "a malformed key: verify the store first");
		return -EUCLEAN;
	}
	t = &r->to[r->next.slot_shard[slot_of_key(k.key, k.key_len)]];
	rocks_batch_put(t->batch, key, val, (struct rocks_slice){NULL, 0});
	t->bytes += key.len + val.len;
	return t->bytes < BATCH_BYTES ? 0 : flush_batch(r, t);
}

static int move_shard(struct reshard *r, uint32_t shard)
{
	static const uint8_t first[] = {0};
	char why[ROCKS_ERR] = "out of memory";
	struct rocks_iter *it;
	struct rocks *db;
	int rc, status;

	rc = offline_shard(&r->o, r->o.m.generation, shard, true, &db, r->err, r->err_len);
	if (rc != 0)
		return rc;
	it = rocks_iter_create(
		db, NULL, (struct rocks_slice){first, 1}, (struct rocks_slice){NULL, 0}, false);
	for (; it != NULL && rc == 0 && rocks_iter_valid(it); rocks_iter_next(it))
		rc = move_record(r, rocks_iter_key(it), rocks_iter_val(it));
	status = it == NULL ? -ENOMEM : rocks_iter_status(it, why);
	if (rc == 0 && status != 0) {
		(void)snprintf(r->err, r->err_len, "shard %u: %s", shard, why);
		rc = status;
	}
	rocks_iter_destroy(it);
	rocks_close(db);
	return rc;
}

static int remove_generation(const char *dir, uint32_t generation)
{
	char path[FILE_PATH_MAX + 32];
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < LIMIT_SHARDS; i++) {
		manifest_shard_dir(dir, generation, i, path, sizeof(path));
		rc = file_remove_tree(path);
	}
	return rc;
}

static int open_targets(struct reshard *r)
{
	int rc = remove_generation(r->o.dir, r->next.generation);

	if (rc != 0)
		(void)snprintf(r->err, r->err_len, "%s: %s", r->o.dir, strerror(-rc));
	for (uint32_t i = 0; rc == 0 && i < r->next.shard_cnt; i++) {
		rc = offline_shard(
			&r->o, r->next.generation, i, false, &r->to[i].db, r->err, r->err_len);
		r->to[i].batch = rocks_batch_create();
		if (rc == 0 && r->to[i].batch == NULL)
			rc = -ENOMEM;
	}
	return rc;
}

/* Everything on the device, tables and folders, before the manifest may name it. */
static int finish_targets(struct reshard *r)
{
	char why[ROCKS_ERR];
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < r->next.shard_cnt; i++) {
		rc = flush_batch(r, &r->to[i]);
		if (rc == 0)
			rc = rocks_flush(r->to[i].db, why);
		if (rc != 0)
			(void)snprintf(r->err, r->err_len, "flush of shard %u failed", i);
	}
	return rc != 0 ? rc : file_sync_dir(r->o.dir);
}

static void close_targets(struct reshard *r)
{
	for (uint32_t i = 0; i < r->next.shard_cnt; i++) {
		rocks_batch_destroy(r->to[i].batch);
		rocks_close(r->to[i].db);
	}
}

static int run(struct reshard *r, uint32_t shard_cnt)
{
	int rc;

	r->next = r->o.m;
	r->next.generation++;
	/* Also above what the versions of this epoch may have reached. */
	r->next.epoch++;
	manifest_spread(&r->next, shard_cnt);
	rc = open_targets(r);
	for (uint32_t i = 0; rc == 0 && i < r->o.m.shard_cnt; i++)
		rc = move_shard(r, i);
	if (rc == 0)
		rc = finish_targets(r);
	close_targets(r);
	if (rc == 0) {
		rc = manifest_save(&r->next, r->o.dir);
		if (rc != 0)
			(void)snprintf(r->err, r->err_len, "%s: manifest not written: %s", r->o.dir,
				strerror(-rc));
	}
	/* What is left of the losing generation is only space. */
	(void)!remove_generation(r->o.dir, rc == 0 ? r->o.m.generation : r->next.generation);
	return rc;
}

int store_reshard(const char *dir, uint32_t shard_cnt, char *err, size_t err_len)
{
	struct reshard *r;
	int rc;

	(void)snprintf(err, err_len, "1 to %u shards", LIMIT_SHARDS);
	if (shard_cnt == 0 || shard_cnt > LIMIT_SHARDS)
		return -EINVAL;
	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return -ENOMEM;
	r->err = err;
	r->err_len = err_len;
	rc = offline_open(&r->o, dir, err, err_len);
	if (rc == 0) {
		rc = run(r, shard_cnt);
		offline_close(&r->o);
	}
	if (rc == 0)
		err[0] = '\0';
	free(r);
	return rc;
}
