/* SPDX-License-Identifier: Apache-2.0
 * idle - what a worker with adaptive polling does when it finds nothing to do.
 * It waits in poll(2) on its doorbell and on the descriptors of its ports until the next deadline.
 * A port without a descriptor bounds the wait to IDLE_SLEEP_NS.
 * Owner:      one worker's thread.
 * Units:      ns.
 * Cost:       one system call for each wait; waking takes what the kernel takes (some tens of
 *             us). */
#ifndef DATAPLANE_CORE_IDLE_H
#define DATAPLANE_CORE_IDLE_H

#include <poll.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"

struct worker;

#define IDLE_SLEEP_NS 50000     /* with a port that cannot wake us */
#define IDLE_MAX_NS   100000000 /* so that the watchdog sees a beat */

struct idle {
	struct pollfd fds[LIMIT_PORTS + 1];
	uint32_t fd_cnt;
	bool sleep_only; /* some port has nothing to wait on */
	bool has_intr;   /* some port raises receive interrupts */
	bool armed;      /* they are switched on */
};

void idle_init(struct idle *i, struct worker *w);
void idle_fini(struct idle *i);

/* Wait until a packet, a message or the worker's deadline; returns at once if a ring has work. With
 * receive interrupts the first call only switches them on: a packet that came before that raises
 * none, so the caller must look at the queues once more. */
void idle_wait(struct idle *i, struct worker *w, uint64_t now_ns);

#endif
