/* SPDX-License-Identifier: Apache-2.0
 * The keeper watches the disk.  Below low_space_bytes it lets writes that add data be refused while
 * there is still room to flush what was accepted. The ballast is a file that is given up when a
 * write met a full disk after all: deleting and compacting need room, too. It comes back when space
 * is plenty again. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "storage/shard_pvt.h"

#define LOOK_NS (250 * NS_PER_MS)

static void ballast_path(const struct store *s, char *out)
{
	(void)snprintf(out, FILE_PATH_MAX, "%.1000s/ballast", s->dir);
}

static void ballast_make(struct store *s)
{
	char path[FILE_PATH_MAX];
	bool ok;
	int fd;

	if (s->p.ballast_bytes == 0)
		return;
	ballast_path(s, path);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ok = fd >= 0 && posix_fallocate(fd, 0, (off_t)s->p.ballast_bytes) == 0;
	if (fd >= 0)
		close(fd);
	if (!ok)
		(void)unlink(path);
	atomic_store_explicit(&s->ballast, ok, memory_order_relaxed);
}

static void ballast_drop(struct store *s)
{
	char path[FILE_PATH_MAX];

	ballast_path(s, path);
	if (unlink(path) == 0)
		LOG_WRN("ballast given up: the disk is full", "bytes=%llu",
			(unsigned long long)s->p.ballast_bytes);
	atomic_store_explicit(&s->ballast, false, memory_order_relaxed);
}

/* Hysteresis of a quarter, so that the state does not flap around the mark. */
static void look(struct store *s)
{
	uint64_t low = s->p.low_space_bytes, space = 0, enough;
	bool full = atomic_load_explicit(&s->full, memory_order_relaxed), ballast;

	if (file_free_space(s->dir, &space) != 0)
		return;
	if (atomic_exchange_explicit(&s->no_space_seen, false, memory_order_relaxed)) {
		ballast_drop(s);
		full = true;
		if (file_free_space(s->dir, &space) != 0)
			return;
	}
	atomic_store_explicit(&s->free_bytes, space, memory_order_relaxed);
	ballast = atomic_load_explicit(&s->ballast, memory_order_relaxed);
	/* Without the ballast there must be room for it, too, before writes go on; what its end has
	 * set free is not room. */
	enough = low > s->p.ballast_bytes || ballast ? low : s->p.ballast_bytes;
	enough += enough / 4 + (ballast ? 0 : s->p.ballast_bytes);
	if (space < low)
		full = true;
	else if (space >= enough)
		full = false;
	if (!full && !ballast)
		ballast_make(s);
	if (full != atomic_exchange_explicit(&s->full, full, memory_order_relaxed))
		LOG_WRN(full ? "disk nearly full: writes are refused" : "disk has room again",
			"free_bytes=%llu low_space_bytes=%llu", (unsigned long long)space,
			(unsigned long long)low);
}

static void *keeper_main(void *arg)
{
	struct store *s = arg;
	struct timespec ts = {.tv_sec = 0, .tv_nsec = (long)LOOK_NS};

	while (!atomic_load_explicit(&s->stop, memory_order_acquire)) {
		look(s);
		(void)syscall(SYS_futex, &s->keeper_word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0);
		atomic_store_explicit(&s->keeper_word, 0, memory_order_relaxed);
	}
	return NULL;
}

int keeper_start(struct store *s)
{
	int rc;

	look(s);
	rc = pthread_create(&s->keeper, NULL, keeper_main, s);
	s->keeper_started = rc == 0;
	if (rc == 0)
		(void)pthread_setname_np(s->keeper, "st-keeper");
	return -rc;
}

void keeper_nudge(struct store *s)
{
	atomic_store_explicit(&s->keeper_word, 1, memory_order_release);
	(void)syscall(SYS_futex, &s->keeper_word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void keeper_stop(struct store *s)
{
	if (!s->keeper_started)
		return;
	keeper_nudge(s);
	pthread_join(s->keeper, NULL);
	s->keeper_started = false;
}
