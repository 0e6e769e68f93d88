/* SPDX-License-Identifier: Apache-2.0
 * admin - the control interface: JSON over HTTP on a Unix socket.
 * Owner:      the control thread; no thread of its own.
 * Lifetime:   admin_create() to admin_destroy(), which ends open connections and removes the
 * socket. Invariants: AD1 the socket at the path is ours or the path was not touched: a socket on
 * which somebody answers, and anything that is no socket, is never removed. AD2 no client can make
 * admin_run() wait: all descriptors are non-blocking, what a client does not read stays in its own
 * buffer. AD3 every route, with its method and text, is one row of a table (GET /v1). Errors:
 * -EADDRINUSE another weir answers there; -EEXIST the path is no socket; -errno. Limits:
 * ADMIN_CLIENTS at once (others wait in the backlog), ADMIN_IDLE_S without progress, ADMIN_BODY_MAX
 * bytes of request body (413). */
#ifndef LB_ADMIN_ADMIN_H
#define LB_ADMIN_ADMIN_H

#include <jansson.h>

#include "dataplane/base/compiler.h"

#define ADMIN_CLIENTS  32
#define ADMIN_IDLE_S   10
#define ADMIN_BODY_MAX 65536

/* What the process says and does. Each gets an empty object to fill; what it returns decides the
 * HTTP status: 0 is 200, -EINVAL 422 (what was asked is wrong), -EBUSY 409, -ENOENT 404, everything
 * else 500; the object is sent in any case. NULL members answer 404. Called from admin_run(). */
struct admin_ops {
	int (*status)(void *ctx, json_t *out);
	int (*counters)(void *ctx, json_t *out);
	int (*services)(void *ctx, json_t *out);
	int (*health)(void *ctx, json_t *out);
	int (*listeners)(void *ctx, json_t *out);
	int (*tcp)(void *ctx, json_t *out);
	int (*reload)(void *ctx, json_t *out);
	int (*stop)(void *ctx, json_t *out); /* says that it will stop, and does so later */
};

struct admin;

/* Open the socket at path, mode 0660. ops stays the caller's and must outlive it. */
int admin_create(
	const char *path, const struct admin_ops *ops, void *ctx, struct admin **out) WARN_UNUSED;
void admin_destroy(struct admin *a);

/* Readable when admin_run() has something to do; for poll(2). Never changes. */
int admin_fd(const struct admin *a);
/* Longest time until admin_run() has to be called, in ms; -1: when admin_fd() says so. */
int admin_timeout_ms(const struct admin *a);
/* Serve what is ready; never waits. */
void admin_run(struct admin *a);

#endif
