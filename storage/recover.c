/* SPDX-License-Identifier: Apache-2.0
 * What a shard does after an error.
 *
 *            write or fsync of the log failed             flush or compaction failed
 *   OK ---------------------------------------> READ_ONLY <-------------------------- OK
 *   READ_ONLY: reads go on, writes are refused. When a probe file can be written and synced:
 *     the log is in doubt -> close and open again, which reads the log as it is on the device and
 *                            writes it to a table; no descriptor is synced twice after a failure
 *     only tables failed  -> DB::Resume; if that fails, close and open
 *   compactions stand still (a soft error): OK goes on, Resume is tried
 *   opening fails -> opened for reading alone; OFFLINE if that fails, too. Tried again with
 *     growing pauses.
 *
 * Runs on the commit thread, which owns the database. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "storage/shard_pvt.h"

#define BACKOFF_MIN_NS   (200 * NS_PER_MS)
#define BACKOFF_MAX_NS   (30 * NS_PER_SEC)
#define HEALTHY_NS       (60 * NS_PER_SEC) /* without a new error: pauses start small again */
#define PROBE_BYTES      65536
#define REOPEN_MEMTABLES 4 /* three may have stood in the log, and what else an open writes */

static enum store_state state_of(const struct shard *sh)
{
	return (enum store_state)atomic_load_explicit(&sh->state, memory_order_relaxed);
}

static void set_state(struct shard *sh, enum store_state to)
{
	if (state_of(sh) == to)
		return;
	LOG_WRN("shard changes state", "shard=%u from=%s to=%s", sh->id,
		store_state_name(state_of(sh)), store_state_name(to));
	atomic_store_explicit(&sh->state, (int)to, memory_order_relaxed);
}

static void plan_recovery(struct shard *sh, uint64_t now_ns)
{
	sh->healthy_ns = 0;
	if (sh->backoff_ns == 0)
		sh->backoff_ns = BACKOFF_MIN_NS;
	if (sh->retry_ns == 0)
		sh->retry_ns = now_ns + sh->backoff_ns;
}

static void latch(struct shard *sh, uint64_t now_ns)
{
	if (state_of(sh) == STORE_OK)
		set_state(sh, STORE_READ_ONLY);
	plan_recovery(sh, now_ns);
}

void recover_write_failed(struct shard *sh, int code, const char *err)
{
	char quoted[ROCKS_ERR];

	LOG_ERR("storage write failed, outcome unknown", "shard=%u error=%s", sh->id,
		log_quote(err, quoted, sizeof(quoted)));
	sh->write_failed = true;
	if (code == -ENOSPC) {
		sh->no_space = true;
		atomic_store_explicit(&sh->store->no_space_seen, true, memory_order_relaxed);
		keeper_nudge(sh->store);
	}
	latch(sh, clock_now_ns());
}

/* Does the device take and sync data again? */
static bool device_works(const struct shard *sh)
{
	static const uint8_t zeros[PROBE_BYTES];
	char path[FILE_PATH_MAX + 16];
	bool ok;
	int fd;

	(void)snprintf(path, sizeof(path), "%s.probe", sh->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	ok = write(fd, zeros, sizeof(zeros)) == (ssize_t)sizeof(zeros) && fsync(fd) == 0;
	close(fd);
	(void)unlink(path);
	return ok;
}

static int reopen(struct shard *sh)
{
	char err[ROCKS_ERR] = "", again[ROCKS_ERR], quoted[ROCKS_ERR];
	bool reads;
	int rc;

	pthread_rwlock_wrlock(&sh->db_lock);
	if (sh->db != NULL)
		shard_close_db(sh);
	rc = shard_open_db(sh, false, err);
	/* A database that cannot write may still read. */
	reads = rc == 0 || shard_open_db(sh, true, again) == 0;
	pthread_rwlock_unlock(&sh->db_lock);
	count_add(&sh->threads[0].c.reopens, 1);
	if (rc != 0) {
		set_state(sh, reads ? STORE_READ_ONLY : STORE_OFFLINE);
		LOG_ERR("shard does not open", "shard=%u error=%s", sh->id,
			log_quote(err, quoted, sizeof(quoted)));
	}
	return rc;
}

/* Opening writes the log's contents to a table. On a full disk that would fail and take the shard
 * offline, while now it still reads. */
static bool has_room(const struct shard *sh)
{
	uint64_t space = 0;

	return !sh->no_space || (file_free_space(sh->store->dir, &space) == 0 &&
					space >= REOPEN_MEMTABLES * sh->store->p.memtable_bytes);
}

static int try_recover(struct shard *sh)
{
	char err[ROCKS_ERR];

	if (atomic_exchange_explicit(&sh->bg_no_space, false, memory_order_relaxed))
		sh->no_space = true;
	if (!has_room(sh))
		return -ENOSPC;
	if (!device_works(sh))
		return -EIO;
	if (sh->db != NULL && !sh->write_failed) {
		bool soft = state_of(sh) == STORE_OK;

		atomic_store_explicit(&sh->bg_error, false, memory_order_relaxed);
		atomic_store_explicit(&sh->bg_soft, false, memory_order_relaxed);
		if (rocks_resume(sh->db, err) == 0)
			return 0;
		if (soft)
			return -EIO;
	}
	return reopen(sh);
}

static void recover(struct shard *sh, uint64_t now_ns)
{
	if (now_ns < sh->retry_ns)
		return;
	if (try_recover(sh) == 0) {
		count_add(&sh->threads[0].c.recoveries, 1);
		set_state(sh, STORE_OK);
		sh->retry_ns = 0;
		sh->no_space = false;
		sh->healthy_ns = now_ns;
	} else {
		sh->retry_ns = clock_now_ns() + sh->backoff_ns;
	}
	sh->backoff_ns *= 2;
	if (sh->backoff_ns > BACKOFF_MAX_NS)
		sh->backoff_ns = BACKOFF_MAX_NS;
}

static void sync_everysec(struct shard *sh, uint64_t now_ns)
{
	char err[ROCKS_ERR];
	int rc;

	if (!sh->unsynced || now_ns - sh->synced_ns < NS_PER_SEC || state_of(sh) != STORE_OK)
		return;
	sh->synced_ns = now_ns;
	rc = rocks_sync_log(sh->db, err);
	if (rc != 0)
		recover_write_failed(sh, rc, err);
	else
		sh->unsynced = false;
}

void recover_tick(struct shard *sh, uint64_t now_ns)
{
	if (atomic_load_explicit(&sh->bg_error, memory_order_acquire))
		latch(sh, now_ns);
	if (sh->db == NULL)
		latch(sh, now_ns);
	if (atomic_load_explicit(&sh->bg_soft, memory_order_acquire))
		plan_recovery(sh, now_ns);
	if (sh->retry_ns != 0)
		recover(sh, now_ns);
	else if (sh->healthy_ns != 0 && now_ns - sh->healthy_ns > HEALTHY_NS)
		sh->healthy_ns = sh->backoff_ns = 0;
	sync_everysec(sh, now_ns);
	shard_snaps_expire(sh, sh->store->p.snapshot_max_ms);
}
