/* SPDX-License-Identifier: Apache-2.0
 * slow - work of policies that would stall a worker: password hashes, signatures. One thread does
 * it for all workers; each worker hands it jobs by a ring and takes them back by another.
 * Owner:      jobs belong to their worker, but for the time between slow_submit() and `done`.
 * Lifetime:   a job holds a reference to its policy until the thread is done with it, so that a
 *             generation may go while it works. Streams are known to the worker alone.
 * Invariants: SL1 `work` touches nothing but the job and what is immutable in the policy. SL2
 *             `done` runs on the worker, once, unless the stream was cancelled.
 * Errors:     no free job: the request is answered with 503.
 * Limits:     LIMIT_SLOW_JOBS of each worker; SLOW_IN bytes in, SLOW_OUT bytes out.
 * Cost:       for the worker a copy and, if the thread sleeps, one system call. */
#ifndef LB_L7_POLICY_SLOW_H
#define LB_L7_POLICY_SLOW_H

#include "lb/l7/policy/policy_pvt.h"

#define LIMIT_SLOW_JOBS 64
#define SLOW_IN         8192
#define SLOW_OUT        1024

struct slow_job {
	struct http_policy *policy;
	void (*work)(struct slow_job *j);
	enum http_verdict (*done)(
		struct slow_job *j, struct http_route_worker *rw, struct http_stream *s);
	struct http_stream *s; /* NULL: cancelled */
	uint32_t idx, in_len, out_len;
	uint64_t hash[2]; /* of what is asked, for the worker's cache */
	int64_t result, until;
	char in[SLOW_IN], out[SLOW_OUT];
};

/* A job to fill, or NULL when all are under way. Without the thread (tests, `weir route`) there is
 * one, and slow_submit() does the work at once. */
struct slow_job *slow_job_get(struct http_route_worker *rw);
enum http_verdict slow_submit(struct http_route_worker *rw, struct http_stream *s,
	const struct http_policy *p, struct slow_job *j);

/* What a worker remembers of good answers: 128-bit secret hashes with a time. */
struct seen_entry {
	uint64_t hash[2];
	uint64_t until_ns;
};

struct seen {
	uint32_t mask; /* of sets of two */
	uint32_t size; /* of an entry with what stands behind it */
	char *entries;
};

int seen_init(struct seen *c, uint32_t entries, uint32_t extra) WARN_UNUSED;
void seen_fini(struct seen *c);
/* NULL: not there, or over. */
struct seen_entry *seen_find(const struct seen *c, const uint64_t hash[2], uint64_t now_ns);
/* An entry to fill: a free one, or the one that is over first. */
struct seen_entry *seen_add(struct seen *c, const uint64_t hash[2], uint64_t until_ns);
void seen_hash(const struct siphash_key seed[2], struct span what, uint64_t hash[2]);

#endif
