/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/backup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/shard_pvt.h"

#define LIST_MAGIC "weir-backup 1\n"
#define LIST_MAX   (4 << 20)
#define CHECKPOINT "checkpoint" /* folder in the store that holds the shard being copied */

static int say(char *err, size_t err_len, const char *what, int rc)
{
	(void)snprintf(err, err_len, "%s: %s", what, strerror(-rc));
	return rc;
}

static int is_empty(const char *path)
{
	struct dirent *e;
	int rc = 0;
	DIR *d = opendir(path);

	if (d == NULL)
		return -errno;
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = -ENOTEMPTY;
	closedir(d);
	return rc;
}

/* 0 if path is missing (made) or an empty folder. */
static int claim_empty(const char *path)
{
	int rc = file_make_dirs(path);

	return rc != 0 ? rc : is_empty(path);
}

/* ---- the list of files ---- */

struct list {
	char *text;
	size_t len;
};

static int list_init(struct list *l)
{
	l->text = malloc(LIST_MAX);
	if (l->text == NULL)
		return -ENOMEM;
	l->len = (size_t)snprintf(l->text, LIST_MAX, LIST_MAGIC);
	return 0;
}

static int list_add(struct list *l, const char *rel, uint64_t bytes, uint32_t crc)
{
	int n = snprintf(l->text + l->len, LIST_MAX - l->len, "%08x %llu %s\n", crc,
		(unsigned long long)bytes, rel);

	if (n < 0 || (size_t)n >= LIST_MAX - l->len - 32)
		return -EFBIG;
	l->len += (size_t)n;
	return 0;
}

static int list_save(struct list *l, const char *dir)
{
	l->len += (size_t)snprintf(l->text + l->len, LIST_MAX - l->len, "crc %08x\n",
		codec_crc32c(0, l->text, l->len));
	return file_replace(dir, BACKUP_NAME, l->text, l->len);
}

static int list_load(struct list *l, const char *dir)
{
	char crc[16];
	int rc = list_init(l);

	if (rc != 0)
		return rc;
	rc = file_read(dir, BACKUP_NAME, l->text, LIST_MAX - 1, &l->len);
	if (rc != 0)
		return rc;
	l->text[l->len] = '\0';
	if (l->len < strlen(LIST_MAGIC) + 13 ||
		memcmp(l->text, LIST_MAGIC, strlen(LIST_MAGIC)) != 0)
		return -EUCLEAN;
	l->len -= 13;
	(void)snprintf(crc, sizeof(crc), "crc %08x\n", codec_crc32c(0, l->text, l->len));
	if (memcmp(l->text + l->len, crc, 13) != 0)
		return -EUCLEAN;
	l->text[l->len] = '\0';
	return 0;
}

struct list_row {
	uint32_t crc;
	uint64_t bytes;
	char rel[FILE_PATH_MAX];
};

/* The checksum has held, so the text is what list_add() wrote; a path must still stay inside. */
static int each_row(const struct list *l, int (*fn)(void *ctx, const struct list_row *r), void *ctx)
{
	const char *p = l->text + strlen(LIST_MAGIC);

	while (*p != '\0') {
		unsigned long long bytes;
		struct list_row r;
		int used = 0, rc;

		if (sscanf(p, "%8x %llu %1000[^\n]\n%n", &r.crc, &bytes, r.rel, &used) != 3 ||
			used == 0 || r.rel[0] == '/' || strstr(r.rel, "..") != NULL)
			return -EUCLEAN;
		r.bytes = bytes;
		rc = fn(ctx, &r);
		if (rc != 0)
			return rc;
		p += used;
	}
	return 0;
}

/* ---- backup ---- */

struct copy {
	struct list list;
	const char *from, *to, *prefix; /* rel in the backup is prefix/rel */
};

static int parent_of(const char *path, char *out)
{
	const char *slash = strrchr(path, '/');

	(void)snprintf(out, FILE_PATH_MAX, "%.*s", (int)(slash - path), path);
	return file_make_dirs(out);
}

static int copy_one(void *ctx, const char *rel, uint64_t bytes)
{
	char src[2 * FILE_PATH_MAX], dst[2 * FILE_PATH_MAX], name[FILE_PATH_MAX];
	char parent[FILE_PATH_MAX];
	struct copy *c = ctx;
	uint32_t crc;
	int rc;

	(void)snprintf(src, sizeof(src), "%s/%s", c->from, rel);
	if (snprintf(name, sizeof(name), "%s/%s", c->prefix, rel) >= (int)sizeof(name) ||
		snprintf(dst, sizeof(dst), "%s/%s", c->to, name) >= FILE_PATH_MAX)
		return -ENAMETOOLONG;
	rc = parent_of(dst, parent);
	if (rc == 0)
		rc = file_copy(src, dst, &crc);
	if (rc == 0)
		rc = file_sync_dir(parent);
	return rc != 0 ? rc : list_add(&c->list, name, bytes, crc);
}

/* Hard links first: they are made in a moment, and the copy reads files that no longer change. */
static int backup_shard(struct copy *c, struct shard *sh, char *err, size_t err_len)
{
	char path[FILE_PATH_MAX + 16], prefix[64], why[ROCKS_ERR] = "";
	int rc;

	(void)snprintf(path, sizeof(path), "%s/" CHECKPOINT, sh->store->dir);
	rc = file_remove_tree(path);
	if (rc != 0)
		return say(err, err_len, path, rc);
	pthread_rwlock_rdlock(&sh->db_lock);
	rc = sh->db == NULL ? -ENXIO : rocks_checkpoint(sh->db, path, why);
	pthread_rwlock_unlock(&sh->db_lock);
	if (rc != 0) {
		(void)snprintf(err, err_len, "shard %u: %s", sh->id,
			why[0] != '\0' ? why : store_error_text(rc));
		return rc;
	}
	(void)snprintf(prefix, sizeof(prefix), "g%u-s%u", sh->store->m.generation, sh->id);
	c->from = path;
	c->prefix = prefix;
	rc = file_walk(path, copy_one, c);
	if (rc != 0)
		return say(err, err_len, path, rc);
	return file_remove_tree(path);
}

static int backup_manifest(struct copy *c, const struct store *s)
{
	char path[2 * FILE_PATH_MAX];
	uint64_t bytes;
	uint32_t crc;
	int rc = manifest_save(&s->m, c->to);

	(void)snprintf(path, sizeof(path), "%s/" MANIFEST_NAME, c->to);
	if (rc == 0)
		rc = file_crc(path, &crc, &bytes);
	return rc != 0 ? rc : list_add(&c->list, MANIFEST_NAME, bytes, crc);
}

/* The folder that `path` is, or would be made in; `path` is cut to it. */
static int existing_part(char *path)
{
	struct stat st;

	while (stat(path, &st) != 0) {
		char *slash = strrchr(path, '/');

		if (errno != ENOENT || slash == NULL)
			return -errno;
		slash[slash == path] = '\0';
	}
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int store_backup_check(
	struct store *s, const char *to, struct store_backup_need *out, char *err, size_t err_len)
{
	char part[FILE_PATH_MAX];
	struct statvfs fs;
	int rc = 0;

	if (snprintf(part, sizeof(part), "%s", to) >= (int)sizeof(part))
		return say(err, err_len, to, -ENAMETOOLONG);
	rc = existing_part(part);
	if (rc == 0 && strcmp(part, to) == 0)
		rc = is_empty(to);
	if (rc == 0 && (access(part, W_OK | X_OK) != 0 || statvfs(part, &fs) != 0))
		rc = -errno;
	if (rc != 0)
		return say(err, err_len, part, rc);
	*out = (struct store_backup_need){.room = (uint64_t)fs.f_bavail * fs.f_frsize};
	for (uint32_t i = 0; i < s->m.shard_cnt; i++) {
		struct store_shard_stats st;

		store_shard_get_stats(s, i, &st);
		out->bytes += st.live_bytes + st.blob_bytes + st.memtable_bytes;
	}
	return 0;
}

int store_backup(struct store *s, const char *to, char *err, size_t err_len)
{
	struct copy c = {.to = to};
	int rc = claim_empty(to);

	if (rc != 0)
		return say(err, err_len, to, rc);
	rc = list_init(&c.list);
	for (uint32_t i = 0; rc == 0 && i < s->m.shard_cnt; i++) {
		rc = backup_shard(&c, s->shards[i], err, err_len);
		if (rc != 0) {
			free(c.list.text);
			return rc;
		}
	}
	if (rc == 0)
		rc = backup_manifest(&c, s);
	if (rc == 0)
		rc = list_save(&c.list, to);
	free(c.list.text);
	return rc == 0 ? 0 : say(err, err_len, to, rc);
}

/* ---- verify and restore ---- */

struct check {
	const char *from, *to;
	char *err;
	size_t err_len;
};

static int check_one(void *ctx, const struct list_row *r)
{
	char path[2 * FILE_PATH_MAX];
	struct check *c = ctx;
	uint64_t bytes;
	uint32_t crc;
	int rc;

	(void)snprintf(path, sizeof(path), "%s/%s", c->from, r->rel);
	rc = file_crc(path, &crc, &bytes);
	if (rc == 0 && (crc != r->crc || bytes != r->bytes)) {
		(void)snprintf(c->err, c->err_len, "%s: differs from what was backed up", path);
		return -EUCLEAN;
	}
	return rc == 0 ? 0 : say(c->err, c->err_len, path, rc);
}

static int with_list(
	const char *from, int (*fn)(void *ctx, const struct list_row *r), struct check *c)
{
	struct list l = {NULL, 0};
	int rc = list_load(&l, from);

	if (rc == -ENOENT)
		(void)snprintf(c->err, c->err_len, "%s: no complete backup here", from);
	else if (rc != 0)
		(void)snprintf(c->err, c->err_len, "%s/" BACKUP_NAME ": damaged", from);
	else
		rc = each_row(&l, fn, c);
	free(l.text);
	return rc;
}

int store_backup_verify(const char *from, char *err, size_t err_len)
{
	struct check c = {from, NULL, err, err_len};

	return with_list(from, check_one, &c);
}

static int restore_one(void *ctx, const struct list_row *r)
{
	char src[2 * FILE_PATH_MAX], dst[2 * FILE_PATH_MAX], parent[FILE_PATH_MAX];
	struct check *c = ctx;
	uint32_t crc = 0;
	int rc;

	/* Last of all, when everything else is in place: it makes the folder a store. */
	if (strcmp(r->rel, MANIFEST_NAME) == 0)
		return 0;
	(void)snprintf(src, sizeof(src), "%s/%s", c->from, r->rel);
	if (snprintf(dst, sizeof(dst), "%s/%s", c->to, r->rel) >= FILE_PATH_MAX)
		return say(c->err, c->err_len, dst, -ENAMETOOLONG);
	rc = parent_of(dst, parent);
	if (rc == 0)
		rc = file_copy(src, dst, &crc);
	if (rc == 0 && crc != r->crc)
		rc = -EUCLEAN;
	if (rc == 0)
		rc = file_sync_dir(parent);
	return rc == 0 ? 0 : say(c->err, c->err_len, dst, rc);
}

int store_restore(const char *from, const char *dir, char *err, size_t err_len)
{
	struct check c = {from, dir, err, err_len};
	struct manifest *m;
	int rc = store_backup_verify(from, err, err_len);

	if (rc != 0)
		return rc;
	rc = claim_empty(dir);
	if (rc != 0)
		return say(err, err_len, dir, rc);
	rc = with_list(from, restore_one, &c);
	if (rc != 0)
		return rc;
	m = malloc(sizeof(*m));
	rc = m == NULL ? -ENOMEM : manifest_load(m, from);
	/* Versions that clients hold from after the backup must not come again. */
	if (rc == 0) {
		m->epoch += 1024;
		rc = manifest_save(m, dir);
	}
	free(m);
	return rc == 0 ? 0 : say(err, err_len, dir, rc);
}
