/* SPDX-License-Identifier: Apache-2.0
 * idle - how a worker with adaptive polling waits: for anything at all, or for more.
 * With nothing to do it waits in poll(2) on its doorbell and on the descriptors of its ports until
 * the next deadline. A port without a descriptor bounds the wait to IDLE_SLEEP_NS.
 * Where packets come so fast that several gather in a short while, it lets them: after a turn that
 * had few it rests for `gather_ns`, deaf to everything. The next turn's packets then
 * share its transmit calls, its warm caches, and the wake-ups of whoever receives what it sends.
 * Owner:      one worker's thread.
 * Units:      ns.
 * Limits:     a rest ends after gather_ns and what the kernel's timer adds (some 25 us).
 * Cost:       one system call for each wait; waking takes what the kernel takes (some tens of
 *             us). */
#ifndef DATAPLANE_CORE_IDLE_H
#define DATAPLANE_CORE_IDLE_H

#include <poll.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"

struct worker;

#define IDLE_SLEEP_NS   100000    /* with a port that cannot wake us */
#define IDLE_MAX_NS     100000000 /* so that the watchdog sees a beat */
#define IDLE_WINDOW_NS  1000000   /* the rate of packets is looked at this often */
#define IDLE_GATHER_MIN 3         /* packets that a rest must be expected to gather */
#define IDLE_GATHERED   16        /* a turn that had so many needs no rest after it */

struct idle {
	struct pollfd fds[LIMIT_PORTS + 1];
	uint32_t fd_cnt;
	bool sleep_only; /* some port has nothing to wait on */
	bool has_intr;   /* some port raises receive interrupts */
	bool armed;      /* they are switched on */

	bool crowded; /* in the last window packets came fast enough for a rest */
	uint64_t window_ns, window_pkts; /* the time and the packets so far at its begin */
};

void idle_init(struct idle *i, struct worker *w);
void idle_fini(struct idle *i);

/* Wait until a packet, a message or the worker's deadline; returns at once if a ring has work. With
 * receive interrupts the first call only switches them on: a packet that came before that raises
 * none, so the caller must look at the queues once more. */
void idle_wait(struct idle *i, struct worker *w, uint64_t now_ns);

/* After a turn that did `work`: rest if that is worth it. Returns whether it did. */
bool idle_rest(struct idle *i, struct worker *w, uint32_t work, uint64_t now_ns);

#endif
