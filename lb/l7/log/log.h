/* SPDX-License-Identifier: Apache-2.0
 * log - the access log: workers write lines into chunks of memory, a thread writes those to the
 *file.
 *
 *	worker --full chunks--> thread --write(2)--> file
 *	       <--empty ones---
 *
 * Owner:      control creates and destroys the log while no worker runs; each worker has its
 *             handle.
 * Invariants: AL1 no worker makes a system call, waits or allocates: when no chunk is empty, the
 *             line is dropped and counted. AL2 a chunk belongs to the worker, to one of the two
 *             rings, or to the thread. AL3 lines of one worker stay in order and are never torn
 *             by another's. AL4 what was handed over is written before http_log_destroy()
 *             returns, unless the file refuses it; that is counted too.
 * Units:      ns, bytes.
 * Errors:     -errno of opening the file, -ENOMEM. A file that cannot be written later is tried
 *             again with every chunk, and said in weir's own log. */
#ifndef LB_L7_LOG_LOG_H
#define LB_L7_LOG_LOG_H

#include "lb/l7/log/format.h"

struct http_log;
struct http_log_worker;

int http_log_create(const struct config_access_log *conf, uint32_t worker_cnt,
	struct http_log **out) WARN_UNUSED;
void http_log_destroy(struct http_log *l); /* NULL is fine */

struct http_log_worker *http_log_worker(struct http_log *l, uint32_t idx);
/* Open the file anew before the next chunk is written; from any thread. */
void http_log_reopen(struct http_log *l);

struct http_log_stats {
	uint64_t lines, dropped; /* of all workers */
	uint64_t bytes, lost;    /* written; lost: lines in chunks that the file refused */
	uint64_t reopened;
};
/* Racy, monotonic; from any thread. */
void http_log_stats(const struct http_log *l, struct http_log_stats *out);

/* ---- for workers; w may be NULL: no log ---- */

/* The stream is over; s->t.end is now. */
void http_log_line(
	struct http_log_worker *w, struct http_stream *s, struct span listener, struct span site);
/* Hand over what waits for longer than the configuration wants. */
void http_log_tick(struct http_log_worker *w, uint64_t now_ns);
/* When http_log_tick() has something to do; UINT64_MAX: not before the next line. */
uint64_t http_log_next_ns(const struct http_log_worker *w);

#endif
