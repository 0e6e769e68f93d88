/* SPDX-License-Identifier: Apache-2.0
 * capture - one capture of a running process: taps on all workers, and what they bring.
 * Owner:      control.
 * Lifetime:   capture_start() to capture_free(); it stops by itself when it has `count` packets,
 *             when its time is over, and when nobody asked for CAPTURE_IDLE_NS.
 * Invariants: CP1 a tap is freed only after its worker has let go of it.
 * Errors:     -EINVAL the filter does not compile (said in `why`), -ENOMEM, -ETIME a worker does
 *             not answer.
 * Limits:     one at a time; CAPTURE_COUNT_MAX packets. */
#ifndef LB_CAPTURE_CAPTURE_H
#define LB_CAPTURE_CAPTURE_H

#include <stdio.h>

#include <pcap/pcap.h>

#include "lb/app_pvt.h"
#include "lb/pipeline/tap.h"

#define CAPTURE_COUNT_MAX   10000000
#define CAPTURE_SECONDS_MAX 3600
#define CAPTURE_IDLE_NS     (10 * UINT64_C(1000000000))
#define CAPTURE_BATCH       4096 /* packets of one answer */

struct capture_ask {
	const char *filter; /* of pcap-filter(7); "": everything */
	uint64_t count, seconds;
	uint32_t snap;
	bool in, out, flows;
};

struct capture {
	uint64_t id;
	struct app *app;
	struct capture_ask ask;
	struct bpf_program program;
	struct tap *taps[LIMIT_WORKERS];
	struct tap_record *next[LIMIT_WORKERS]; /* taken from its tap, not yet by the caller */
	bool on[LIMIT_WORKERS];                 /* the worker has it */
	bool stopping, header_sent;
	uint64_t taken, end_ns, asked_ns;
	int64_t wall_offset_ns; /* wall clock minus monotonic */
};

/* Is it a filter? Asks no worker. */
int capture_check(const char *filter, char why[256]) WARN_UNUSED;
int capture_start(struct app *app, const struct capture_ask *ask, uint64_t id, uint64_t now_ns,
	char why[256], struct capture **out) WARN_UNUSED;
/* Ask the workers to let go; those that do not answer are asked again by capture_run(). */
void capture_stop(struct capture *c);
/* Regular work: ends what is over. */
void capture_run(struct capture *c, uint64_t now_ns);
/* No worker has a tap any more; what they brought may still wait. */
bool capture_stopped(const struct capture *c);
/* Only once it has stopped. */
void capture_free(struct capture *c);

/* The next record, the oldest of those that wait, or NULL: give it back by capture_give(). */
struct tap_record *capture_take(struct capture *c, uint32_t *worker);
void capture_give(struct capture *c, uint32_t worker, struct tap_record *r);
/* Does one wait? */
bool capture_waiting(const struct capture *c);
uint64_t capture_dropped(const struct capture *c);

/* Everything that waits, at most CAPTURE_BATCH packets, as pcapng; the first time with its head. */
void capture_write(struct capture *c, FILE *out);
/* "worker 0: sent on back", "worker 1: l4_no_service (virtual address, but ...)" */
void capture_verdict(const struct app *app, const struct tap_record *r, char *out, size_t size);

#endif
