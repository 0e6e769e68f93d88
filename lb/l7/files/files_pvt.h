/* SPDX-License-Identifier: Apache-2.0
 * files_pvt - entries, jobs and roots, as the files of this folder share them. */
#ifndef LB_L7_FILES_FILES_PVT_H
#define LB_L7_FILES_FILES_PVT_H

#include <stdatomic.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/spsc.h"
#include "lb/l7/files/files.h"
#include "lb/l7/http/date.h"

#define FILES_NAME_MAX 1024
#define FILES_BUCKETS  4096 /* of a root's cache of one worker */
#define FILES_ENTRIES  8192
/* What an entry costs besides its bytes; one that holds descriptors, as these are scarce. */
#define FILES_ENTRY_COST 512
#define FILES_FD_COST    65536

/* One representation of a file. Immutable once the thread has given it away. */
struct files_variant {
	bool there;
	int fd; /* of a large file; -1: the bytes are in memory */
	char *bytes;
	uint64_t size, ino, mtime_ns, ctime_ns;
	char etag[48];
	uint32_t etag_len;
};

struct files_entry {
	/* The worker's. */
	struct files_entry *next; /* of a bucket */
	struct files_entry *lru_prev, *lru_next;
	uint32_t refs, hash;
	bool listed;
	uint64_t checked_ns;
	/* Written by the thread, then immutable. */
	int err; /* 0, -ENOENT, -EISDIR: a folder asked for without a slash; else what went wrong */
	uint64_t cost;
	const char *type;
	int64_t last_modified;
	struct files_variant v[FILES_CODING_CNT];
	uint32_t name_len;
	char name[];
};

/* What one worker knows of a root. */
struct files_cache {
	struct files_entry *buckets[FILES_BUCKETS];
	struct files_entry *lru_first, *lru_last; /* first: used last */
	uint64_t bytes;
	uint32_t cnt;
};

struct files_root {
	_Atomic uint32_t refs; /* the site's, and one of each job */
	int fd;
	struct config_http_files conf; /* without its lists */
	uint32_t index_cnt, precompressed;
	char index[LIMIT_FILES_INDEX][64];
	uint32_t worker_cnt;
	struct files_cache *caches;
};

enum files_op { FILES_LOOK, FILES_READ, FILES_FREE };

struct files_send;

struct files_job {
	enum files_op op;
	uint32_t idx;
	struct files_root *root;
	struct files_send *send; /* NULL: the stream is gone */
	/* FILES_LOOK: in `known` (or NULL), out `entry`, NULL if the known one is right still.
	 * FILES_READ: `entry` in. FILES_FREE: `entry` in. */
	struct files_entry *known, *entry;
	enum files_coding coding;
	uint64_t off;
	uint32_t len;
	int err;
	char *buf; /* FILES_READ_BYTES, made by the thread that first needs it */
	uint32_t name_len;
	char name[FILES_NAME_MAX];
};

struct files_worker {
	struct spsc *in[FILES_THREADS], *out[FILES_THREADS];
	struct files_job jobs[LIMIT_FILES_JOBS];
	uint32_t free[LIMIT_FILES_JOBS], free_cnt, turn, idx;
	struct files_send *wait_first, *wait_last; /* for a free job */
	struct files_entry *dead; /* to be freed by a thread, when there is a job */
	struct files_io *io;
	struct rng rng;
};

/* ---- io.c: runs in the threads ---- */
void files_job_run(struct files_job *j);
/* What an entry holds outside of memory and in it. Any thread, once nobody uses it. */
void files_entry_free(struct files_entry *e);
void files_io_submit(struct files_worker *w, struct files_job *j);

/* ---- cache.c: the worker's ---- */
struct files_entry *files_cache_find(
	struct files_root *r, uint32_t worker, const char *name, uint32_t len);
/* In place of one of the same name; what has to go is put on w->dead. */
void files_cache_add(struct files_worker *w, struct files_root *r, struct files_entry *e);
void files_entry_ref(struct files_entry *e);
void files_entry_unref(struct files_worker *w, struct files_entry *e);

#endif
