/* SPDX-License-Identifier: Apache-2.0
 * The requests of one batch go to the kernel together and are waited for together. Whatever the
 * ring does not answer, because there is none, it is full or it broke, pread does.
 *
 * A read that comes back short is ended by pread as well: the kernel returns less than was asked
 * for at the end of a file, but also when it feels like it. */
#include "storage/uring_io.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>

#include "dataplane/base/assert.h"
#include "storage/file.h"

/* An armed fault counts down `skip`, then `times`; both in one word so that two threads cannot
 * split a step. */
struct fault {
	_Atomic uint64_t left; /* skip << 32 | times */
	_Atomic int err;
};

struct uring_io {
#define COUNTER_FIELD(name, text) _Atomic uint64_t name;
	URING_FS_COUNTERS(COUNTER_FIELD)
#undef COUNTER_FIELD
	struct fault fault[URING_FS_FAULT_CNT];
	bool use_uring;
};

/* `ready` is false where the kernel refuses: containers often forbid io_uring, and locked memory
 * may be short. It is not tried again by that thread. */
struct uring_io_ring {
	struct io_uring r;
	struct uring_io_ahead *aheads; /* under way */
	unsigned inflight;
	bool tried, ready;
};

/* UF1. An iterator's read-aheads stay in flight while the same thread runs a batch: with one ring
 * each would reap the other's completions. */
static _Thread_local struct thread_rings {
	struct uring_io_ring batch, ahead;
} rings;

static pthread_key_t rings_key;
static pthread_once_t rings_once = PTHREAD_ONCE_INIT;
static bool have_key;

static void bump(_Atomic uint64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

/* ---- faults and counters ---- */

struct uring_io *uring_io_create(bool use_uring)
{
	struct uring_io *io = calloc(1, sizeof(*io));

	if (io != NULL)
		io->use_uring = use_uring;
	return io;
}

void uring_io_destroy(struct uring_io *io)
{
	free(io);
}

void uring_io_get_counts(const struct uring_io *io, struct uring_fs_counts *out)
{
#define LOAD(name, text) out->name = atomic_load_explicit(&io->name, memory_order_relaxed);
	URING_FS_COUNTERS(LOAD)
#undef LOAD
}

void uring_io_inject(
	struct uring_io *io, enum uring_fs_fault kind, uint32_t skip, uint32_t times, int err)
{
	struct fault *f = &io->fault[kind];

	atomic_store_explicit(&f->left, 0, memory_order_release);
	atomic_store_explicit(&f->err, err, memory_order_relaxed);
	if (times > 0)
		atomic_store_explicit(&f->left, (uint64_t)skip << 32 | times, memory_order_release);
}

static int injected(struct uring_io *io, enum uring_fs_fault kind)
{
	struct fault *f = &io->fault[kind];
	uint64_t v = atomic_load_explicit(&f->left, memory_order_acquire);

	while (v != 0) {
		uint64_t next = v >> 32 != 0 ? v - (UINT64_C(1) << 32) : v - 1;
		int err;

		if (!atomic_compare_exchange_weak_explicit(
			    &f->left, &v, next, memory_order_acq_rel, memory_order_acquire))
			continue;
		err = v >> 32 != 0 ? 0 : atomic_load_explicit(&f->err, memory_order_relaxed);
		if (err != 0)
			bump(&io->faults, 1);
		return err;
	}
	return 0;
}

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), k = strlen(tail);

	return n >= k && memcmp(s + n - k, tail, k) == 0;
}

enum uring_io_kind uring_io_kind_of(const char *name)
{
	if (ends_with(name, ".log"))
		return URING_IO_LOG;
	return ends_with(name, ".sst") || ends_with(name, ".blob") ? URING_IO_DATA : URING_IO_META;
}

int uring_io_on_read(struct uring_io *io)
{
	bump(&io->single_reads, 1);
	return injected(io, URING_FS_READ);
}

int uring_io_on_write(struct uring_io *io, enum uring_io_kind kind, size_t n)
{
	if (kind == URING_IO_LOG) {
		bump(&io->log_bytes, n);
		return injected(io, URING_FS_LOG_WRITE);
	}
	return injected(io, kind == URING_IO_META ? URING_FS_META_WRITE : URING_FS_DATA_WRITE);
}

int uring_io_on_sync(struct uring_io *io, enum uring_io_kind kind)
{
	if (kind == URING_IO_LOG) {
		bump(&io->log_syncs, 1);
		return injected(io, URING_FS_LOG_SYNC);
	}
	return injected(io, kind == URING_IO_META ? URING_FS_META_WRITE : URING_FS_DATA_SYNC);
}

void uring_io_read_failed(struct uring_io *io)
{
	bump(&io->read_errors, 1);
}

void uring_io_write_failed(struct uring_io *io)
{
	bump(&io->write_errors, 1);
}

/* ---- rings ---- */

static void ring_close(struct uring_io_ring *g)
{
	if (g->ready)
		io_uring_queue_exit(&g->r);
	g->ready = false;
}

/* Later destructors of the thread may still read: `tried` stands, so they take pread. */
static void thread_ends(void *arg)
{
	struct thread_rings *t = arg;

	ring_close(&t->batch);
	ring_close(&t->ahead);
	t->batch.tried = t->ahead.tried = true;
}

static void make_key(void)
{
	have_key = pthread_key_create(&rings_key, thread_ends) == 0;
}

static int ring_init(struct uring_io_ring *g, unsigned flags)
{
	struct io_uring_params p = {.flags = flags};

	return io_uring_queue_init_params(URING_FS_DEPTH, &g->r, &p);
}

static bool ring_open(struct uring_io_ring *g, struct uring_io *io)
{
	int rc = -ENOMEM;

	if (g->tried)
		return g->ready;
	g->tried = true;
	pthread_once(&rings_once, make_key);
	/* Without the key nobody would close it. */
	if (have_key && pthread_setspecific(rings_key, &rings) == 0)
		rc = ring_init(g, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	if (rc == -EINVAL)
		rc = ring_init(g, 0);
	g->ready = rc == 0;
	bump(g->ready ? &io->rings : &io->rings_refused, 1);
	return g->ready;
}

/* Hands every prepared request to the kernel and waits for at least one completion. A hard error
 * of io_uring_enter is returned; requests the kernel took stay in flight. */
static int submit_and_wait(struct uring_io_ring *g)
{
	for (;;) {
		int rc = io_uring_submit_and_wait(&g->r, 1);

		if (rc >= 0 || io_uring_cq_ready(&g->r) > 0)
			return 0;
		/* With nothing in the kernel's hands nothing can end its lack of memory. */
		if (rc != -EINTR && (rc != -EAGAIN || g->inflight == io_uring_sq_ready(&g->r)) &&
			rc != -EBUSY)
			return rc;
	}
}

/* UF2: after a hard error the kernel may still own buffers of requests it took. The ring is given
 * up; closing it is not enough, so the completions are awaited by looking at the shared queue. */
static void abandon(struct uring_io_ring *g)
{
	g->inflight -= io_uring_sq_ready(&g->r);
	while (g->inflight > 0) {
		const struct timespec pause = {0, 100000};
		struct io_uring_cqe *cqe;

		(void)io_uring_get_events(&g->r);
		if (io_uring_peek_cqe(&g->r, &cqe) != 0) {
			nanosleep(&pause, NULL);
			continue;
		}
		io_uring_cqe_seen(&g->r, cqe);
		g->inflight--;
	}
	ring_close(g);
}

static bool prepare(struct uring_io_ring *g, const struct uring_io_file *f,
	const struct uring_io_req *q, void *data)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&g->r);

	if (sqe == NULL)
		return false;
	io_uring_prep_read(sqe, f->fd, q->buf, (unsigned)q->len, q->off);
	io_uring_sqe_set_data(sqe, data);
	g->inflight++;
	return true;
}

/* The data of a completion and its result; NULL when there is none now. */
static void *reap(struct uring_io_ring *g, int *res)
{
	struct io_uring_cqe *cqe;
	void *data;

	if (io_uring_peek_cqe(&g->r, &cqe) != 0)
		return NULL;
	data = io_uring_cqe_get_data(cqe);
	*res = cqe->res;
	io_uring_cqe_seen(&g->r, cqe);
	g->inflight--;
	return data;
}

/* ---- reads ---- */

int uring_io_open(struct uring_io *io, const char *name, bool direct, struct uring_io_file *f)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC | (direct ? O_DIRECT : 0));

	if (fd < 0)
		return -errno;
	*f = (struct uring_io_file){io, fd, direct};
	return 0;
}

void uring_io_close(const struct uring_io_file *f)
{
	close(f->fd);
}

/* pread until the request is full, the end of the file or an error. A direct read that returns less
 * than a whole block has met the end; going on from there would be misaligned. */
static int pread_rest(const struct uring_io_file *f, const struct uring_io_req *q, size_t *got)
{
	while (*got < q->len) {
		ssize_t k = pread(f->fd, q->buf + *got, q->len - *got, (off_t)(q->off + *got));

		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0)
			return errno;
		*got += (size_t)k;
		if (k == 0 || (f->direct && *got % URING_IO_ALIGN != 0))
			break;
	}
	return 0;
}

/* res is what the kernel said: bytes or -errno. */
static void finish(const struct uring_io_file *f, struct uring_io_req *q, int res)
{
	size_t got = res > 0 ? (size_t)res : 0;
	bool at_end = res == 0 || (f->direct && got % URING_IO_ALIGN != 0);
	int err = injected(f->io, URING_FS_READ);

	if (err == 0 && res < 0 && res != -EAGAIN && res != -EINTR)
		err = -res;
	if (err == 0 && got < q->len && !at_end) {
		bump(&f->io->short_reads, 1);
		err = pread_rest(f, q, &got);
	}
	q->got = err == 0 ? got : 0;
	q->err = err;
	if (err != 0)
		uring_io_read_failed(f->io);
}

static void by_pread(const struct uring_io_file *f, struct uring_io_req *q)
{
	size_t got = 0;
	int err = pread_rest(f, q, &got);

	bump(&f->io->fallback_reqs, 1);
	finish(f, q, err != 0 ? -err : (int)got);
}

void uring_io_read_many(const struct uring_io_file *f, struct uring_io_req *reqs, size_t n)
{
	struct uring_io_ring *g = &rings.batch;
	bool answered[URING_FS_DEPTH] = {false};
	size_t sent = 0, done = 0;

	ASSERT(n <= URING_FS_DEPTH);
	if (f->io->use_uring && ring_open(g, f->io)) {
		while (sent < n && prepare(g, f, &reqs[sent], &reqs[sent]))
			sent++;
		bump(&f->io->multi_reads, 1);
		bump(&f->io->multi_reqs, sent);
	}
	while (done < sent) {
		struct uring_io_req *q;
		int res;

		if (submit_and_wait(g) != 0) {
			abandon(g);
			break;
		}
		for (; (q = reap(g, &res)) != NULL; done++) {
			answered[q - reqs] = true;
			finish(f, q, res);
		}
	}
	for (size_t i = 0; i < n; i++)
		if (!answered[i])
			by_pread(f, &reqs[i]);
}

bool uring_io_start(struct uring_io_ahead *a)
{
	struct uring_io_ring *g = &rings.ahead;
	struct uring_io *io = a->file.io;

	if (!io->use_uring || !ring_open(g, io) || g->inflight >= URING_FS_DEPTH)
		return false;
	a->ring = g;
	a->is_done = a->aborted = false;
	if (!prepare(g, &a->file, &a->req, a))
		return false;
	a->next = g->aheads;
	a->at = &g->aheads;
	if (a->next != NULL)
		a->next->at = &a->next;
	g->aheads = a;
	bump(&io->async_reads, 1);
	/* A failed submit leaves the request prepared; who awaits submits again. */
	(void)io_uring_submit(&g->r);
	return true;
}

static void end_ahead(struct uring_io_ahead *a)
{
	*a->at = a->next;
	if (a->next != NULL)
		a->next->at = a->at;
	a->is_done = true;
	a->done(a);
}

static void reap_aheads(struct uring_io_ring *g)
{
	struct uring_io_ahead *a;
	int res;

	while ((a = reap(g, &res)) != NULL) {
		if (!a->aborted)
			finish(&a->file, &a->req, res);
		end_ahead(a);
	}
}

/* All of them: who awaits one of the others later finds no ring. */
static void give_up_aheads(struct uring_io_ring *g)
{
	abandon(g);
	while (g->aheads != NULL) {
		struct uring_io_ahead *a = g->aheads;

		if (!a->aborted)
			by_pread(&a->file, &a->req);
		end_ahead(a);
	}
}

int uring_io_await(struct uring_io_ahead *a)
{
	struct uring_io_ring *g = &rings.ahead;

	if (a->ring != g)
		return -EXDEV;
	while (!a->is_done) {
		if (submit_and_wait(g) == 0)
			reap_aheads(g);
		else
			give_up_aheads(g);
	}
	return 0;
}

/* ---- the check ---- */

#define PROBE_BLOCK  URING_IO_ALIGN
#define PROBE_BLOCKS 8

static bool make_path(char *path, size_t cap, const char *dir, const char *name)
{
	int n = snprintf(path, cap, "%s/%s", dir, name);

	return n > 0 && (size_t)n < cap;
}

bool uring_fs_direct_works(const char *dir)
{
	char path[FILE_PATH_MAX];
	int fd;

	if (!make_path(path, sizeof(path), dir, ".direct-probe"))
		return false;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_DIRECT, 0600);
	if (fd >= 0)
		close(fd);
	(void)unlink(path);
	return fd >= 0;
}

/* Block i is full of 'a' + i. */
static bool probe_write(const char *path, char *buf)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool ok = fd >= 0;

	for (int i = 0; ok && i < PROBE_BLOCKS; i++) {
		memset(buf, 'a' + i, PROBE_BLOCK);
		ok = write(fd, buf, PROBE_BLOCK) == PROBE_BLOCK;
	}
	ok = ok && fsync(fd) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

static bool probe_matches(const struct uring_io_req *q)
{
	if (q->err != 0 || q->got != PROBE_BLOCK)
		return false;
	for (size_t i = 0; i < PROBE_BLOCK; i++)
		if (q->buf[i] != (char)('a' + q->off / PROBE_BLOCK))
			return false;
	return true;
}

static void probe_done(struct uring_io_ahead *a)
{
	(void)a;
}

static bool probe_ahead(const struct uring_io_file *f, const struct uring_io_req *q)
{
	struct uring_io_ahead a = {.file = *f, .req = *q, .done = probe_done};

	a.req.got = 0;
	memset(a.req.buf, 0, a.req.len);
	if (!uring_io_start(&a))
		by_pread(f, &a.req);
	else
		(void)uring_io_await(&a);
	return probe_matches(&a.req);
}

static bool probe_read(struct uring_io *io, const char *path, char *buf, bool direct)
{
	struct uring_io_file f;
	struct uring_io_req reqs[PROBE_BLOCKS];
	bool ok;

	if (uring_io_open(io, path, direct, &f) != 0)
		return false;
	memset(buf, 0, PROBE_BLOCK * PROBE_BLOCKS);
	for (size_t i = 0; i < PROBE_BLOCKS; i++)
		reqs[i] = (struct uring_io_req){.off = i * 3 % PROBE_BLOCKS * PROBE_BLOCK,
			.len = PROBE_BLOCK,
			.buf = buf + i * PROBE_BLOCK};
	uring_io_read_many(&f, reqs, PROBE_BLOCKS);
	ok = true;
	for (size_t i = 0; i < PROBE_BLOCKS; i++)
		ok = ok && probe_matches(&reqs[i]);
	ok = ok && probe_ahead(&f, &reqs[1]);
	uring_io_close(&f);
	return ok;
}

int uring_io_self_check(struct uring_io *io, const char *dir)
{
	struct uring_fs_counts before, after;
	char path[FILE_PATH_MAX];
	char *buf = aligned_alloc(PROBE_BLOCK, PROBE_BLOCK * PROBE_BLOCKS);
	bool ok;

	if (buf == NULL || !make_path(path, sizeof(path), dir, ".ring-probe.sst")) {
		free(buf);
		return -EIO;
	}
	uring_io_get_counts(io, &before);
	ok = probe_write(path, buf) && probe_read(io, path, buf, uring_fs_direct_works(dir));
	(void)unlink(path);
	free(buf);
	uring_io_get_counts(io, &after);
	if (!ok)
		return -EIO;
	return after.multi_reqs > before.multi_reqs && after.async_reads > before.async_reads &&
			       after.fallback_reqs == before.fallback_reqs
		       ? 0
		       : -ENOSYS;
}
