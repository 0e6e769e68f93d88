/* SPDX-License-Identifier: Apache-2.0
 * files - static files: an action of HTTP routes.
 *
 *	worker: request -> cache of the root --fresh--> answer
 *	                        |  ^                       ^
 *	              look, read|  |result                 |pieces of large files
 *	                        v  |                       |
 *	threads:           open, stat, read beneath the root
 *
 * Owner:      control makes roots (of a route, in a site) and the threads; each worker has its
 *             own cache in a root and its own rings to the threads.
 * Lifetime:   a root lives until its site is freed and no job is under way.
 * Invariants: FI1 a worker never opens, stats or reads: threads do, and give results back by a
 *             ring. FI2 nothing outside the root is opened, by "..", by links or by races: the
 *             kernel is told so (openat2, RESOLVE_BENEATH). FI3 an answer is of one state of the
 *             file: size, time and tag were read from the descriptor that the bytes come from; a
 *             file that shrinks meanwhile cuts the response. FI4 an entry in use is not freed,
 *             whatever happens to the cache.
 * Units:      ns, bytes.
 * Errors:     no file: 404; no memory or no free job: 503; else 500.
 * Limits:     LIMIT_FILES_JOBS of each worker; those that find none wait for one.
 * Cost:       a hit is one hash, no system call; small files are copied into buffers as they go
 *             out. */
#ifndef LB_L7_FILES_FILES_H
#define LB_L7_FILES_FILES_H

#include "lb/config/config_files.h"
#include "lb/l7/http/stream.h"

#ifndef LIMIT_FILES_JOBS /* a test has fewer */
#define LIMIT_FILES_JOBS 128
#endif
#define FILES_THREADS    2
#define FILES_INLINE_MAX (256u << 10) /* larger files are not kept in memory */
#define FILES_READ_BYTES 65536
#define FILES_WHY        320

struct files_io;
struct files_root;
struct files_worker;

extern const struct http_action http_action_files;

/* -errno with the reason in `why`. */
int files_root_create(const struct config_http_files *conf, uint32_t worker_cnt,
	struct files_root **out, char *why) WARN_UNUSED;
/* The site goes; jobs under way keep the root. */
void files_root_unref(struct files_root *r); /* NULL is fine */

/* The threads; before any worker runs, and after all have ended. */
int files_io_create(uint32_t worker_cnt, struct files_io **out) WARN_UNUSED;
void files_io_destroy(struct files_io *io); /* NULL is fine */
struct files_worker *files_io_worker(struct files_io *io, uint32_t idx);

/* Results of the threads go to their streams. Once a loop. */
void files_worker_poll(struct files_worker *w, uint64_t now_ns); /* NULL is fine */
/* Something is under way: look again soon. */
bool files_worker_busy(const struct files_worker *w);

/* Content-Type by the ending of a name; NULL: not known. */
const char *files_type_of(const char *name);

/* The path of a request as a name below a root: decoded, without the slash in front, NUL behind.
 * Returns its length, or -1 for what is no name of a file that may be served. */
int files_name_of(struct span path, bool hidden, char *out, uint32_t cap);

/* The coding to send, of those in `have` (bit set): what Accept-Encoding likes best, of equals the
 * first of enum files_coding that compresses. */
enum files_coding files_negotiate(const struct http_head *req, uint32_t have);

#endif
