/* SPDX-License-Identifier: Apache-2.0
 * The thread looks at the rings every few milliseconds: to be woken by a worker would cost that one
 * a system call. Counters are written by one thread each and read by others as they are. */
#include "lb/l7/log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/base/spsc.h"
#include "dataplane/base/time.h"

#define CHUNK_BYTES 65536
#define POLL_NS     (5 * NS_PER_MS)

struct chunk {
	uint32_t len, line_cnt;
	char bytes[CHUNK_BYTES - 8];
};

_Static_assert(sizeof(((struct chunk *)0)->bytes) > LOG_LINE_CAP, "a line fits into a chunk");

struct http_log_worker {
	const struct log_format *format;
	struct spsc *full, *empty;
	struct chunk *cur; /* NULL: none is held */
	uint64_t since_ns; /* of the first line in cur */
	uint64_t flush_ns;
	uint64_t wall_off_ns, wall_until_ns; /* wall clock = now_ns + offset, good until */
	_Atomic uint64_t lines, dropped;
	struct http_log *log;
};

struct http_log {
	struct log_format *format;
	uint32_t worker_cnt;
	struct http_log_worker *workers;
	struct chunk *chunks;
	char path[sizeof(((struct config_access_log *)0)->path)];
	pthread_t thread;
	bool running;
	_Atomic bool stop, reopen;
	int fd;
	_Atomic uint64_t bytes, lost, reopened;
};

/* One writer: a plain addition that others may read at any time. */
static void count(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(
		c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

/* ---- the thread ---- */

static int open_file(const char *path)
{
	int fd;

	if (strcmp(path, "stdout") == 0)
		return STDOUT_FILENO;
	if (strcmp(path, "stderr") == 0)
		return STDERR_FILENO;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	return fd < 0 ? -errno : fd;
}

static void close_file(int fd)
{
	if (fd > STDERR_FILENO)
		close(fd);
}

static void reopen_file(struct http_log *l)
{
	int fd = open_file(l->path);

	if (fd < 0) {
		LOG_ERR("the access log cannot be opened", "path=%s error=\"%s\"", l->path,
			strerror(-fd));
		return;
	}
	close_file(l->fd);
	l->fd = fd;
	count(&l->reopened, 1);
}

/* All of the chunk, or what the file takes of it. */
static void write_chunk(struct http_log *l, const struct chunk *c)
{
	uint32_t at = 0;

	while (at < c->len) {
		ssize_t n = write(l->fd, c->bytes + at, c->len - at);

		if (n >= 0) {
			at += (uint32_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		LOG_ERR("the access log cannot be written", "path=%s lines=%u error=\"%s\"",
			l->path, c->line_cnt, strerror(errno));
		count(&l->lost, c->line_cnt);
		break;
	}
	count(&l->bytes, at);
}

/* Returns whether there was anything. */
static bool drain(struct http_log *l)
{
	bool any = false;

	if (atomic_exchange_explicit(&l->reopen, false, memory_order_relaxed))
		reopen_file(l);
	for (uint32_t i = 0; i < l->worker_cnt; i++) {
		struct http_log_worker *w = &l->workers[i];
		void *c;

		while (spsc_pop(w->full, &c, 1) == 1) {
			write_chunk(l, c);
			((struct chunk *)c)->len = 0;
			((struct chunk *)c)->line_cnt = 0;
			/* As many places as chunks: there is room. */
			(void)!spsc_push(w->empty, &c, 1);
			any = true;
		}
	}
	return any;
}

static void *run(void *arg)
{
	static const struct timespec pause = {.tv_nsec = POLL_NS};
	struct http_log *l = arg;

	while (!atomic_load_explicit(&l->stop, memory_order_acquire)) {
		if (!drain(l))
			nanosleep(&pause, NULL);
	}
	(void)drain(l);
	return NULL;
}

/* ---- life ---- */

static int make_worker(
	struct http_log *l, struct http_log_worker *w, struct chunk *chunks, uint32_t chunk_cnt)
{
	w->log = l;
	w->format = l->format;
	w->full = spsc_create(chunk_cnt);
	w->empty = spsc_create(chunk_cnt);
	if (w->full == NULL || w->empty == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < chunk_cnt; i++) {
		void *c = &chunks[i];

		(void)!spsc_push(w->empty, &c, 1);
	}
	return 0;
}

static int make(struct http_log *l, const struct config_access_log *conf, uint32_t worker_cnt)
{
	uint32_t chunk_cnt = (uint32_t)(conf->buffer_bytes / CHUNK_BYTES);
	char why[LOG_FORMAT_WHY];
	int rc = log_format_compile(conf, &l->format, why);

	if (rc != 0)
		return rc;
	chunk_cnt = chunk_cnt < 2 ? 2 : chunk_cnt;
	memcpy(l->path, conf->path, sizeof(l->path));
	l->worker_cnt = worker_cnt;
	l->workers = calloc(worker_cnt, sizeof(*l->workers));
	l->chunks = calloc((size_t)worker_cnt * chunk_cnt, sizeof(*l->chunks));
	if (l->workers == NULL || l->chunks == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < worker_cnt; i++) {
		l->workers[i].flush_ns = conf->flush_ns;
		rc = make_worker(l, &l->workers[i], l->chunks + (size_t)i * chunk_cnt, chunk_cnt);
	}
	if (rc != 0)
		return rc;
	l->fd = open_file(l->path);
	if (l->fd < 0) {
		rc = l->fd;
		LOG_ERR("the access log cannot be opened", "path=%s error=\"%s\"", l->path,
			strerror(-rc));
		return rc;
	}
	rc = -pthread_create(&l->thread, NULL, run, l);
	l->running = rc == 0;
	return rc;
}

int http_log_create(
	const struct config_access_log *conf, uint32_t worker_cnt, struct http_log **out)
{
	struct http_log *l = calloc(1, sizeof(*l));
	int rc;

	*out = NULL;
	if (l == NULL)
		return -ENOMEM;
	l->fd = -1;
	rc = make(l, conf, worker_cnt);
	if (rc != 0) {
		http_log_destroy(l);
		return rc;
	}
	*out = l;
	return 0;
}

static void hand_over(struct http_log_worker *w)
{
	void *c = w->cur;

	(void)!spsc_push(w->full, &c, 1);
	w->cur = NULL;
}

void http_log_destroy(struct http_log *l)
{
	if (l == NULL)
		return;
	if (l->running) {
		for (uint32_t i = 0; i < l->worker_cnt; i++) {
			if (l->workers[i].cur != NULL)
				hand_over(&l->workers[i]);
		}
		atomic_store_explicit(&l->stop, true, memory_order_release);
		pthread_join(l->thread, NULL);
	}
	close_file(l->fd);
	for (uint32_t i = 0; l->workers != NULL && i < l->worker_cnt; i++) {
		spsc_destroy(l->workers[i].full);
		spsc_destroy(l->workers[i].empty);
	}
	free(l->workers);
	free(l->chunks);
	log_format_free(l->format);
	free(l);
}

struct http_log_worker *http_log_worker(struct http_log *l, uint32_t idx)
{
	return l == NULL ? NULL : &l->workers[idx];
}

void http_log_reopen(struct http_log *l)
{
	atomic_store_explicit(&l->reopen, true, memory_order_relaxed);
}

void http_log_stats(const struct http_log *l, struct http_log_stats *out)
{
	*out = (struct http_log_stats){
		.bytes = atomic_load_explicit(&l->bytes, memory_order_relaxed),
		.lost = atomic_load_explicit(&l->lost, memory_order_relaxed),
		.reopened = atomic_load_explicit(&l->reopened, memory_order_relaxed)};
	for (uint32_t i = 0; i < l->worker_cnt; i++) {
		const struct http_log_worker *w = &l->workers[i];

		out->lines += atomic_load_explicit(&w->lines, memory_order_relaxed);
		out->dropped += atomic_load_explicit(&w->dropped, memory_order_relaxed);
	}
}

/* ---- workers ---- */

/* Once a second, and without a system call (vDSO): the clock of people may be set. */
static uint64_t wall_ns(struct http_log_worker *w, uint64_t now_ns)
{
	if (unlikely(now_ns >= w->wall_until_ns)) {
		struct timespec ts;

		clock_gettime(CLOCK_REALTIME, &ts);
		w->wall_off_ns = (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec - now_ns;
		w->wall_until_ns = now_ns + NS_PER_SEC;
	}
	return now_ns + w->wall_off_ns;
}

static bool room_for_line(struct http_log_worker *w)
{
	void *c;

	if (w->cur != NULL && sizeof(w->cur->bytes) - w->cur->len < LOG_LINE_CAP)
		hand_over(w);
	if (w->cur != NULL)
		return true;
	if (spsc_pop(w->empty, &c, 1) != 1)
		return false;
	w->cur = c;
	return true;
}

void http_log_line(
	struct http_log_worker *w, struct http_stream *s, struct span listener, struct span site)
{
	struct log_moment m;

	if (w == NULL)
		return;
	if (unlikely(!room_for_line(w))) {
		count(&w->dropped, 1);
		return;
	}
	m = (struct log_moment){
		.wall_ns = wall_ns(w, s->t.end), .listener = listener, .site = site};
	if (w->cur->len == 0)
		w->since_ns = s->t.end;
	w->cur->len += log_format_line(w->format, s, &m, w->cur->bytes + w->cur->len);
	w->cur->line_cnt++;
	count(&w->lines, 1);
}

void http_log_tick(struct http_log_worker *w, uint64_t now_ns)
{
	if (w != NULL && w->cur != NULL && now_ns - w->since_ns >= w->flush_ns)
		hand_over(w);
}

uint64_t http_log_next_ns(const struct http_log_worker *w)
{
	return w == NULL || w->cur == NULL ? UINT64_MAX : w->since_ns + w->flush_ns;
}
