/* SPDX-License-Identifier: Apache-2.0
 * notify - what a service manager is told, by datagrams to $NOTIFY_SOCKET (sd_notify(3)).
 * Owner:      the control thread.
 * Invariants: NT1 without the variable nothing is sent and everything succeeds. NT2 a sign of life
 *             goes out only while every worker turns.
 * Units:      ns, monotonic.
 * Cost:       one system call for each message. */
#ifndef LB_NOTIFY_H
#define LB_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "dataplane/base/compiler.h"

struct notify {
	int fd; /* -1: nobody is told */
	struct sockaddr_un addr;
	socklen_t addr_len;
	uint64_t watchdog_ns, next_ns; /* 0: no watchdog */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. */
void notify_init(struct notify *n);
void notify_fini(struct notify *n);

void notify_ready(struct notify *n, const char *status);
void notify_reloading(struct notify *n, uint64_t now_ns);
void notify_stopping(struct notify *n);
/* Regular work: a sign of life twice in each period of the watchdog, if `healthy`. */
void notify_run(struct notify *n, bool healthy, uint64_t now_ns);

#endif
