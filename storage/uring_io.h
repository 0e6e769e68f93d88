/* SPDX-License-Identifier: Apache-2.0
 * uring_io - the half of storage/uring_fs.h that needs no C++: each thread's rings, the reads that
 * go through them, what kind a file is, armed faults, counters.
 * Owner:      a uring_io belongs to its uring_fs; any thread may read through it.
 * Lifetime:   it outlives its files, they their reads. A thread's rings are made on first use and
 *             closed when the thread ends.
 * Invariants: UF1 to UF3 of storage/uring_fs.h are kept here.  UI1 the thread that started a
 *             read-ahead awaits it.
 * Units:      sizes and offsets in bytes, errors are errno values.
 * Errors:     of a request: in its err.  A kernel that refuses a ring, or breaks one, is no error:
 *             pread reads instead.
 * Limits:     URING_FS_DEPTH requests of one batch, and as many read-aheads of one thread. */
#ifndef STORAGE_URING_IO_H
#define STORAGE_URING_IO_H

#include "storage/uring_fs.h"

#ifdef __cplusplus
extern "C" {
#endif

#define URING_IO_ALIGN 4096 /* of offset, size and memory of a direct read */

struct uring_io;
struct uring_io_ring;

/* NULL when memory is short. */
struct uring_io *uring_io_create(bool use_uring);
void uring_io_destroy(struct uring_io *io);
void uring_io_get_counts(const struct uring_io *io, struct uring_fs_counts *out);
void uring_io_inject(
	struct uring_io *io, enum uring_fs_fault kind, uint32_t skip, uint32_t times, int err);
/* As uring_fs_self_check(). */
int uring_io_self_check(struct uring_io *io, const char *dir);

/* ---- reads ---- */

struct uring_io_file {
	struct uring_io *io;
	int fd;
	bool direct; /* opened with O_DIRECT */
};

struct uring_io_req {
	uint64_t off;
	size_t len;
	char *buf;
	size_t got; /* less than len at the end of the file only; 0 with an error */
	int err;
};

/* For reading. 0 or -errno. */
int uring_io_open(struct uring_io *io, const char *name, bool direct, struct uring_io_file *f);
void uring_io_close(const struct uring_io_file *f);
/* All n, at most URING_FS_DEPTH, are answered on return. */
void uring_io_read_many(const struct uring_io_file *f, struct uring_io_req *reqs, size_t n);

/* A read-ahead. It stays where it is, and its memory untouched, until it is done. */
struct uring_io_ahead {
	struct uring_io_file file;
	struct uring_io_req req;
	/* Runs in uring_io_await() of any of the thread's. */
	void (*done)(struct uring_io_ahead *a);
	struct uring_io_ring *ring;
	struct uring_io_ahead *next, **at; /* of those under way on the ring */
	bool is_done, aborted;
};

/* file, the request and done are set by the caller. False: no ring, or it is full; nothing
 * happened. */
bool uring_io_start(struct uring_io_ahead *a);
/* Until a is done. -EXDEV: another thread started it, and nothing happened. */
int uring_io_await(struct uring_io_ahead *a);

/* ---- single reads and writes: what is counted, and which of them a test wants to fail ---- */

enum uring_io_kind { URING_IO_LOG, URING_IO_DATA, URING_IO_META };

enum uring_io_kind uring_io_kind_of(const char *name);
/* 0, or the error that the operation is to end with. */
int uring_io_on_read(struct uring_io *io);
int uring_io_on_write(struct uring_io *io, enum uring_io_kind kind, size_t n);
int uring_io_on_sync(struct uring_io *io, enum uring_io_kind kind);
void uring_io_read_failed(struct uring_io *io);
void uring_io_write_failed(struct uring_io *io);

#ifdef __cplusplus
}
#endif
#endif
