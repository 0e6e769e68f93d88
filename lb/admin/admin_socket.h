/* SPDX-License-Identifier: Apache-2.0
 * admin_socket - a listening Unix socket at a path that may hold a dead one.
 * Owner:      the caller, who closes it with admin_socket_close().
 * Invariants: AS1 finding, removing and binding is one step among all processes that do it this
 * way: they hold a lock on the folder meanwhile. */
#ifndef LB_ADMIN_ADMIN_SOCKET_H
#define LB_ADMIN_ADMIN_SOCKET_H

#include <sys/types.h>
#include <sys/un.h>

#include "dataplane/base/compiler.h"

struct admin_socket {
	int fd;
	dev_t dev; /* what stands at the path is ours if it has these */
	ino_t ino;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

/* 0; -EADDRINUSE somebody answers there; -EEXIST something else stands there; -ENAMETOOLONG;
 * -EBUSY the folder stayed locked; other -errno. */
int admin_socket_open(const char *path, mode_t mode, struct admin_socket *out) WARN_UNUSED;
/* Removes the path if it is still ours. Does not close fd when close_fd is false: it has another
 * owner then. */
void admin_socket_close(struct admin_socket *s, bool close_fd);

#endif
