/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "storage/codec.h"

#define COPY_CHUNK (256 * 1024)

static int join(char *out, const char *a, const char *b)
{
	int n = snprintf(out, FILE_PATH_MAX, "%s/%s", a, b);

	return n < 0 || n >= FILE_PATH_MAX ? -ENAMETOOLONG : 0;
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t k = write(fd, p, n);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		p += k;
		n -= (size_t)k;
	}
	return 0;
}

/* Bytes read, less than n only at the end of the file, or -errno. */
static ssize_t read_all(int fd, uint8_t *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t k = read(fd, p + got, n - got);

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return -errno;
		if (k == 0)
			break;
		got += (size_t)k;
	}
	return (ssize_t)got;
}

int file_sync_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = fsync(fd) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

int file_replace(const char *dir, const char *name, const void *data, size_t len)
{
	char aside[FILE_PATH_MAX], path[FILE_PATH_MAX];
	int rc = join(path, dir, name), fd;

	if (rc != 0 || snprintf(aside, sizeof(aside), "%s.new", path) >= (int)sizeof(aside))
		return -ENAMETOOLONG;
	fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	rc = write_all(fd, data, len);
	if (rc == 0 && fsync(fd) != 0)
		rc = -errno;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(aside, path) != 0)
		rc = -errno;
	if (rc != 0) {
		(void)unlink(aside);
		return rc;
	}
	return file_sync_dir(dir);
}

int file_read(const char *dir, const char *name, void *buf, size_t cap, size_t *len)
{
	char path[FILE_PATH_MAX];
	uint8_t extra;
	ssize_t n;
	int rc = join(path, dir, name), fd;

	if (rc != 0)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read_all(fd, buf, cap);
	if (n < 0)
		rc = (int)n;
	else if ((size_t)n == cap && read_all(fd, &extra, 1) != 0)
		rc = -EFBIG;
	else
		*len = (size_t)n;
	close(fd);
	return rc;
}

static int walk(const char *root, const char *rel,
	int (*fn)(void *ctx, const char *rel, uint64_t bytes), void *ctx)
{
	char path[FILE_PATH_MAX], child[FILE_PATH_MAX], full[FILE_PATH_MAX];
	struct dirent *e;
	struct stat st;
	int rc = join(path, root, rel);
	DIR *d;

	if (rc != 0)
		return rc;
	d = opendir(path);
	if (d == NULL)
		return -errno;
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		rc = *rel == '\0' ? join(full, root, e->d_name) : join(full, path, e->d_name);
		if (rc == 0 && *rel == '\0')
			(void)snprintf(child, sizeof(child), "%s", e->d_name);
		else if (rc == 0)
			rc = join(child, rel, e->d_name);
		if (rc != 0)
			break;
		if (lstat(full, &st) != 0)
			rc = errno == ENOENT ? 0 : -errno; /* gone meanwhile */
		else if (S_ISDIR(st.st_mode))
			rc = walk(root, child, fn, ctx);
		else if (S_ISREG(st.st_mode))
			rc = fn(ctx, child, (uint64_t)st.st_size);
	}
	closedir(d);
	return rc;
}

int file_walk(const char *path, int (*fn)(void *ctx, const char *rel, uint64_t bytes), void *ctx)
{
	return walk(path, "", fn, ctx);
}

int file_remove_tree(const char *path)
{
	char child[FILE_PATH_MAX];
	struct dirent *e;
	struct stat st;
	DIR *d = opendir(path);
	int rc = 0;

	if (d == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (rc == 0 && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		rc = join(child, path, e->d_name);
		if (rc != 0)
			break;
		if (lstat(child, &st) == 0 && S_ISDIR(st.st_mode))
			rc = file_remove_tree(child);
		else if (unlink(child) != 0 && errno != ENOENT)
			rc = -errno;
	}
	closedir(d);
	if (rc == 0 && rmdir(path) != 0)
		rc = -errno;
	return rc;
}

/* CRC of what is read from `in`, written to `out` unless that is -1. */
static int pump(int in, int out, uint32_t *crc, uint64_t *bytes)
{
	uint8_t *buf = malloc(COPY_CHUNK);
	ssize_t n;
	int rc = 0;

	if (buf == NULL)
		return -ENOMEM;
	*crc = 0;
	*bytes = 0;
	while (rc == 0 && (n = read_all(in, buf, COPY_CHUNK)) != 0) {
		if (n < 0) {
			rc = (int)n;
			break;
		}
		*crc = codec_crc32c(*crc, buf, (size_t)n);
		*bytes += (uint64_t)n;
		if (out >= 0)
			rc = write_all(out, buf, (size_t)n);
	}
	free(buf);
	return rc;
}

int file_copy(const char *from, const char *to, uint32_t *crc)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out, rc;
	uint64_t bytes;

	if (in < 0)
		return -errno;
	out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0) {
		rc = -errno;
		close(in);
		return rc;
	}
	rc = pump(in, out, crc, &bytes);
	if (rc == 0 && fsync(out) != 0)
		rc = -errno;
	if (close(out) != 0 && rc == 0)
		rc = -errno;
	close(in);
	return rc;
}

int file_crc(const char *path, uint32_t *crc, uint64_t *bytes)
{
	int in = open(path, O_RDONLY | O_CLOEXEC), rc;

	if (in < 0)
		return -errno;
	rc = pump(in, -1, crc, bytes);
	close(in);
	return rc;
}

int file_free_space(const char *dir, uint64_t *bytes)
{
	struct statvfs v;

	if (statvfs(dir, &v) != 0)
		return -errno;
	*bytes = (uint64_t)v.f_bavail * v.f_frsize;
	return 0;
}

int file_make_dirs(const char *path)
{
	char buf[FILE_PATH_MAX];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(buf))
		return -ENAMETOOLONG;
	memcpy(buf, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		buf[i] = '\0';
		if (mkdir(buf, 0700) != 0 && errno != EEXIST)
			return -errno;
		buf[i] = path[i];
	}
	return 0;
}
