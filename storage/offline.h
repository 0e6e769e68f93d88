/* SPDX-License-Identifier: Apache-2.0
 * offline - a closed store's shards, opened one by one by tools, without threads of ours.
 * Owner: control.  The store's lock is held from offline_open() to offline_close(). */
#ifndef STORAGE_OFFLINE_H
#define STORAGE_OFFLINE_H

#include "storage/file.h"
#include "storage/manifest.h"
#include "storage/rocks.h"

struct offline {
	char dir[FILE_PATH_MAX];
	struct manifest m;
	struct rocks_env *env;
	int lock_fd;
};

int offline_open(struct offline *o, const char *dir, char *err, size_t err_len) WARN_UNUSED;
void offline_close(struct offline *o);
/* A shard of some generation; made if it is missing and read_only is false. */
int offline_shard(struct offline *o, uint32_t generation, uint32_t shard, bool read_only,
	struct rocks **out, char *err, size_t err_len) WARN_UNUSED;

#endif
