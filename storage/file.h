/* SPDX-License-Identifier: Apache-2.0
 * file - small file operations of control code that must survive a crash.
 * Owner: control threads only; every call blocks.  Errors: -errno. */
#ifndef STORAGE_FILE_H
#define STORAGE_FILE_H

#include "dataplane/base/compiler.h"

#define FILE_PATH_MAX 1024

/* Replaces dir/name as a whole: written aside, synced, renamed, folder synced. */
int file_replace(const char *dir, const char *name, const void *data, size_t len) WARN_UNUSED;
/* Reads dir/name into buf; -EFBIG if it is longer than cap. */
int file_read(const char *dir, const char *name, void *buf, size_t cap, size_t *len) WARN_UNUSED;
int file_sync_dir(const char *dir) WARN_UNUSED;
/* Removes a folder with all it holds; 0 also if there is none. */
int file_remove_tree(const char *path) WARN_UNUSED;
/* Calls fn for each regular file below path (rel is its path from there) until fn returns nonzero,
 * which is returned. */
int file_walk(const char *path, int (*fn)(void *ctx, const char *rel, uint64_t bytes),
	void *ctx) WARN_UNUSED;
/* Copies a file and syncs it; *crc gets its CRC-32C. */
int file_copy(const char *from, const char *to, uint32_t *crc) WARN_UNUSED;
int file_crc(const char *path, uint32_t *crc, uint64_t *bytes) WARN_UNUSED;
/* Free bytes that this process may use in dir's file system. */
int file_free_space(const char *dir, uint64_t *bytes) WARN_UNUSED;
/* mkdir of path and of what is missing above it. */
int file_make_dirs(const char *path) WARN_UNUSED;

#endif
