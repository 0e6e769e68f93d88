/* SPDX-License-Identifier: Apache-2.0
 * What touches the disk: the threads, their jobs, and roots. A thread sleeps on a futex when its
 * rings are empty; flag and rings follow docs/concurrency.md, "Sleeping and waking". */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/time.h"
#include "lb/l7/files/files_pvt.h"

#define BURST   16
#define WAIT_MS 500

struct files_thread {
	struct files_io *io;
	uint32_t idx;
	pthread_t id;
	bool running;
	CACHE_ALIGNED _Atomic uint32_t sleeping;
};

struct files_io {
	_Atomic bool stop;
	uint32_t worker_cnt;
	struct files_worker *workers;
	struct files_thread threads[FILES_THREADS];
};

/* ---- looking ---- */

static int open_beneath(const struct files_root *r, const char *name)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS |
			   (r->conf.symlinks ? 0 : RESOLVE_NO_SYMLINKS)};
	long fd = syscall(SYS_openat2, r->fd, name[0] == '\0' ? "." : name, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* What is not there, not allowed, or no file of ours is all the same to the client. */
static int seen_as(int err)
{
	switch (err) {
	case -ENOTDIR:
	case -ELOOP:
	case -EXDEV:
	case -EACCES:
	case -EPERM:
	case -ENAMETOOLONG:
	case -ENXIO:
		return -ENOENT;
	default:
		return err;
	}
}

/* A regular file, open, in *st; or -errno; -EISDIR for a folder. */
static int open_file(const struct files_root *r, const char *name, struct stat *st)
{
	int fd = open_beneath(r, name), err = 0;

	if (fd < 0)
		return seen_as(fd);
	if (fstat(fd, st) != 0)
		err = -errno;
	else if (S_ISDIR(st->st_mode))
		err = -EISDIR;
	else if (!S_ISREG(st->st_mode))
		err = -ENOENT;
	if (err == 0)
		return fd;
	close(fd);
	return err;
}

static uint64_t ns_of(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * NS_PER_SEC + (uint64_t)ts->tv_nsec;
}

static void read_facts(struct files_variant *v, const struct stat *st, const char *suffix)
{
	v->there = true;
	v->size = (uint64_t)st->st_size;
	v->ino = st->st_ino;
	v->mtime_ns = ns_of(&st->st_mtim);
	v->ctime_ns = ns_of(&st->st_ctim);
	v->etag_len = (uint32_t)snprintf(v->etag, sizeof(v->etag), "\"%llx-%llx%s\"",
		(unsigned long long)v->mtime_ns, (unsigned long long)v->size, suffix);
}

/* All of a small file; the descriptor is closed then. */
static int read_small(struct files_variant *v)
{
	uint64_t at = 0;

	v->bytes = malloc(v->size > 0 ? v->size : 1);
	if (v->bytes == NULL)
		return -ENOMEM;
	while (at < v->size) {
		ssize_t n = pread(v->fd, v->bytes + at, v->size - at, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EAGAIN; /* it shrank: look again */
		at += (uint64_t)n;
	}
	close(v->fd);
	v->fd = -1;
	return 0;
}

static const char *const suffixes[FILES_CODING_CNT] = {
	[FILES_IDENTITY] = "", [FILES_BR] = ".br", [FILES_ZSTD] = ".zst", [FILES_GZIP] = ".gz"};

/* The names that a job's name may stand for: itself, or an index of the folder. -1: no more. */
static int candidate(const struct files_job *j, uint32_t i, char *out, size_t cap)
{
	bool folder = j->name_len == 0 || j->name[j->name_len - 1] == '/';
	int n;

	if (!folder && i > 0)
		return -1;
	if (folder && i >= j->root->index_cnt)
		return -1;
	n = snprintf(out, cap, "%s%s", j->name, folder ? j->root->index[i] : "");
	return n < (int)cap ? 0 : -1;
}

static int open_candidate(const struct files_job *j, char *name, size_t cap, struct stat *st)
{
	int fd = -ENOENT;

	for (uint32_t i = 0; fd == -ENOENT && candidate(j, i, name, cap) == 0; i++) {
		fd = open_file(j->root, name, st);
		/* A folder that has the name of an index is none. */
		if (fd == -EISDIR && (j->name_len == 0 || j->name[j->name_len - 1] == '/'))
			fd = -ENOENT;
	}
	return fd;
}

static void close_all(struct files_entry *e)
{
	for (uint32_t c = 0; c < FILES_CODING_CNT; c++) {
		if (e->v[c].fd >= 0)
			close(e->v[c].fd);
		free(e->v[c].bytes);
		e->v[c].bytes = NULL;
		e->v[c].fd = -1;
	}
}

void files_entry_free(struct files_entry *e)
{
	close_all(e);
	free(e);
}

/* Opens the file and what stands beside it. */
static void find_variants(struct files_entry *e, const struct files_job *j, char *name, size_t cap,
	int fd, struct stat *st)
{
	size_t n = strlen(name);

	e->v[FILES_IDENTITY].fd = fd;
	read_facts(&e->v[FILES_IDENTITY], st, "");
	e->last_modified = st->st_mtim.tv_sec;
	e->type = files_type_of(name);
	for (uint32_t c = FILES_IDENTITY + 1; c < FILES_CODING_CNT; c++) {
		if ((j->root->precompressed >> c & 1) == 0 || n + 5 > cap)
			continue;
		strcpy(name + n, suffixes[c]);
		fd = open_file(j->root, name, st);
		if (fd < 0)
			continue;
		e->v[c].fd = fd;
		read_facts(&e->v[c], st, suffixes[c]);
	}
	name[n] = '\0';
}

static bool unchanged(const struct files_entry *known, const struct files_entry *e)
{
	if (known->err != e->err)
		return false;
	for (uint32_t c = 0; c < FILES_CODING_CNT; c++) {
		const struct files_variant *a = &known->v[c], *b = &e->v[c];

		if (a->there != b->there || a->size != b->size || a->ino != b->ino ||
			a->mtime_ns != b->mtime_ns || a->ctime_ns != b->ctime_ns)
			return false;
	}
	return true;
}

static int load(struct files_entry *e)
{
	int rc = 0;

	e->cost = FILES_ENTRY_COST + e->name_len;
	for (uint32_t c = 0; rc == 0 && c < FILES_CODING_CNT; c++) {
		struct files_variant *v = &e->v[c];

		if (!v->there)
			continue;
		if (v->size > FILES_INLINE_MAX) {
			e->cost += FILES_FD_COST;
			continue;
		}
		e->cost += v->size;
		rc = read_small(v);
	}
	return rc;
}

static struct files_entry *entry_new(const struct files_job *j)
{
	struct files_entry *e = calloc(1, sizeof(*e) + j->name_len + 1);

	if (e == NULL)
		return NULL;
	e->name_len = j->name_len;
	memcpy(e->name, j->name, j->name_len);
	for (uint32_t c = 0; c < FILES_CODING_CNT; c++)
		e->v[c].fd = -1;
	return e;
}

static void look(struct files_job *j)
{
	struct files_entry *e = entry_new(j);
	char name[FILES_NAME_MAX + 80];
	struct stat st;
	int fd;

	j->entry = NULL;
	j->err = -ENOMEM;
	if (e == NULL)
		return;
	fd = open_candidate(j, name, sizeof(name), &st);
	j->err = 0;
	if (fd >= 0)
		find_variants(e, j, name, sizeof(name), fd, &st);
	else
		e->err = fd;
	if (j->known != NULL && unchanged(j->known, e)) {
		files_entry_free(e);
		return;
	}
	if (fd >= 0)
		e->err = load(e);
	else
		e->cost = FILES_ENTRY_COST + e->name_len;
	/* What may be otherwise in a moment is told, and not kept. */
	if (e->err != 0 && e->err != -ENOENT && e->err != -EISDIR) {
		j->err = e->err;
		files_entry_free(e);
		return;
	}
	j->entry = e;
}

/* ---- reading ---- */

static void read_piece(struct files_job *j)
{
	const struct files_variant *v = &j->entry->v[j->coding];
	uint32_t at = 0;

	j->err = 0;
	if (j->buf == NULL)
		j->buf = malloc(FILES_READ_BYTES);
	if (j->buf == NULL) {
		j->err = -ENOMEM;
		return;
	}
	while (at < j->len) {
		ssize_t n = pread(v->fd, j->buf + at, j->len - at, (off_t)(j->off + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			j->err = n < 0 ? -errno : -EIO;
			return;
		}
		at += (uint32_t)n;
	}
}

static void free_list(struct files_entry *e)
{
	while (e != NULL) {
		struct files_entry *next = e->next;

		files_entry_free(e);
		e = next;
	}
}

void files_job_run(struct files_job *j)
{
	switch (j->op) {
	case FILES_LOOK:
		look(j);
		break;
	case FILES_READ:
		read_piece(j);
		break;
	case FILES_FREE:
		free_list(j->entry);
		break;
	}
}

/* ---- threads ---- */

static uint32_t serve(struct files_thread *t)
{
	uint32_t done = 0;

	for (uint32_t w = 0; w < t->io->worker_cnt; w++) {
		struct files_worker *fw = &t->io->workers[w];
		void *jobs[BURST];
		uint32_t n = spsc_pop(fw->in[t->idx], jobs, BURST);

		for (uint32_t i = 0; i < n; i++) {
			files_job_run(jobs[i]);
			/* There are as many slots as jobs. */
			(void)!spsc_push(fw->out[t->idx], &jobs[i], 1);
		}
		done += n;
	}
	return done;
}

static bool rings_empty(const struct files_thread *t)
{
	for (uint32_t w = 0; w < t->io->worker_cnt; w++) {
		if (spsc_count(t->io->workers[w].in[t->idx]) > 0)
			return false;
	}
	return true;
}

static COLD void sleep_until_asked(struct files_thread *t)
{
	struct timespec ts = {.tv_nsec = WAIT_MS * 1000000L};

	atomic_store_explicit(&t->sleeping, 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst); /* F1 */
	if (rings_empty(t) && !atomic_load_explicit(&t->io->stop, memory_order_acquire))
		(void)syscall(SYS_futex, &t->sleeping, FUTEX_WAIT_PRIVATE, 1, &ts, NULL, 0);
	atomic_store_explicit(&t->sleeping, 0, memory_order_relaxed);
}

static void *run(void *arg)
{
	struct files_thread *t = arg;

	pthread_setname_np(pthread_self(), "weir-files");
	while (!atomic_load_explicit(&t->io->stop, memory_order_acquire)) {
		if (serve(t) == 0)
			sleep_until_asked(t);
	}
	return NULL;
}

static void ring_the_bell(struct files_thread *t)
{
	if (atomic_load_explicit(&t->sleeping, memory_order_relaxed) != 0 &&
		atomic_exchange_explicit(&t->sleeping, 0, memory_order_relaxed) != 0)
		(void)syscall(SYS_futex, &t->sleeping, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void files_io_submit(struct files_worker *w, struct files_job *j)
{
	uint32_t t = w->turn++ % FILES_THREADS;
	void *obj = j;

	(void)!spsc_push(w->in[t], &obj, 1);
	atomic_thread_fence(memory_order_seq_cst); /* F1 */
	ring_the_bell(&w->io->threads[t]);
}

static int make_worker(struct files_io *io, struct files_worker *w, uint32_t idx)
{
	uint64_t seed;

	w->io = io;
	w->idx = idx;
	rng_secret(&seed, sizeof(seed));
	rng_seed(&w->rng, seed);
	for (uint32_t t = 0; t < FILES_THREADS; t++) {
		w->in[t] = spsc_create(LIMIT_FILES_JOBS);
		w->out[t] = spsc_create(LIMIT_FILES_JOBS);
		if (w->in[t] == NULL || w->out[t] == NULL)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < LIMIT_FILES_JOBS; i++) {
		w->jobs[i].idx = i;
		w->free[w->free_cnt++] = i;
	}
	return 0;
}

int files_io_create(uint32_t worker_cnt, struct files_io **out)
{
	struct files_io *io = aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(*io), CACHE_LINE));
	int rc = 0;

	*out = NULL;
	if (io == NULL)
		return -ENOMEM;
	memset(io, 0, sizeof(*io));
	io->workers = calloc(worker_cnt, sizeof(*io->workers));
	io->worker_cnt = io->workers == NULL ? 0 : worker_cnt;
	if (io->workers == NULL)
		rc = -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < worker_cnt; i++)
		rc = make_worker(io, &io->workers[i], i);
	for (uint32_t t = 0; rc == 0 && t < FILES_THREADS; t++) {
		io->threads[t].io = io;
		io->threads[t].idx = t;
		rc = -pthread_create(&io->threads[t].id, NULL, run, &io->threads[t]);
		io->threads[t].running = rc == 0;
	}
	if (rc != 0) {
		files_io_destroy(io);
		return rc;
	}
	*out = io;
	return 0;
}

/* Jobs that nobody takes back any more: their streams are gone. */
static void finish_worker(struct files_worker *w)
{
	void *obj;

	for (uint32_t t = 0; t < FILES_THREADS; t++) {
		while (w->in[t] != NULL && spsc_pop(w->in[t], &obj, 1) == 1) {
			files_job_run(obj);
			(void)!spsc_push(w->out[t], &obj, 1);
		}
	}
	if (w->out[FILES_THREADS - 1] != NULL)
		files_worker_poll(w, 0);
	free_list(w->dead);
	for (uint32_t t = 0; t < FILES_THREADS; t++) {
		spsc_destroy(w->in[t]);
		spsc_destroy(w->out[t]);
	}
	for (uint32_t i = 0; i < LIMIT_FILES_JOBS; i++)
		free(w->jobs[i].buf);
}

void files_io_destroy(struct files_io *io)
{
	if (io == NULL)
		return;
	atomic_store_explicit(&io->stop, true, memory_order_release);
	for (uint32_t t = 0; t < FILES_THREADS; t++) {
		if (!io->threads[t].running)
			continue;
		ring_the_bell(&io->threads[t]);
		pthread_join(io->threads[t].id, NULL);
	}
	for (uint32_t i = 0; i < io->worker_cnt; i++)
		finish_worker(&io->workers[i]);
	free(io->workers);
	free(io);
}

struct files_worker *files_io_worker(struct files_io *io, uint32_t idx)
{
	return io == NULL ? NULL : &io->workers[idx];
}

/* ---- roots ---- */

static int open_root(const char *path, char *why)
{
	int fd;

	if (path[0] != '/') {
		snprintf(why, FILES_WHY, "root '%s' does not begin with '/'", path);
		return -EINVAL;
	}
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		fd = -errno;
		snprintf(why, FILES_WHY, "root '%s': %s", path, strerror(-fd));
	}
	return fd;
}

int files_root_create(const struct config_http_files *conf, uint32_t worker_cnt,
	struct files_root **out, char *why)
{
	struct files_root *r = calloc(1, sizeof(*r));

	*out = NULL;
	snprintf(why, FILES_WHY, "no memory");
	if (r == NULL)
		return -ENOMEM;
	atomic_init(&r->refs, 1);
	r->conf = *conf;
	r->fd = -1;
	r->worker_cnt = worker_cnt;
	r->index_cnt = conf->index_cnt < LIMIT_FILES_INDEX ? conf->index_cnt : LIMIT_FILES_INDEX;
	for (uint32_t i = 0; i < r->index_cnt; i++)
		memcpy(r->index[i], conf->index[i], sizeof(r->index[i]));
	if (r->index_cnt == 0)
		strcpy(r->index[r->index_cnt++], "index.html");
	for (uint32_t i = 0; i < conf->precompressed_cnt; i++)
		r->precompressed |= 1u << conf->precompressed[i];
	r->caches = calloc(worker_cnt, sizeof(*r->caches));
	if (r->caches != NULL)
		r->fd = open_root(conf->root, why);
	if (r->fd < 0) {
		int rc = r->caches == NULL ? -ENOMEM : r->fd;

		files_root_unref(r);
		return rc;
	}
	*out = r;
	return 0;
}

void files_root_unref(struct files_root *r)
{
	if (r == NULL || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t w = 0; r->caches != NULL && w < r->worker_cnt; w++) {
		struct files_entry *e = r->caches[w].lru_first;

		while (e != NULL) {
			struct files_entry *next = e->lru_next;

			files_entry_free(e);
			e = next;
		}
	}
	if (r->fd >= 0)
		close(r->fd);
	free(r->caches);
	free(r);
}
