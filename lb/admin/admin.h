/* SPDX-License-Identifier: Apache-2.0
 * admin - the control interface: JSON over HTTP on a Unix socket and, if configured, on a TCP
 * address.
 * Owner:      the control thread; no thread of its own.
 * Lifetime:   admin_create() to admin_destroy(), which ends open connections and removes the
 *             socket.
 * Invariants: AD1 the socket at the path is ours or the path was not touched: a socket on which
 *             somebody answers, and anything that is no socket, is never removed. AD2 no client can
 *             make admin_run() wait: all descriptors are non-blocking, what a client does not read
 *             stays in its own buffer. AD3 every route, with its method and text, is one row of a
 *             table (GET /v1).
 * Errors:     -EADDRINUSE another weir answers there; -EEXIST the path is no socket; -errno.
 * Limits:     ADMIN_CLIENTS at once on each (others wait in the backlog), ADMIN_IDLE_S without
 *             progress, ADMIN_BODY_MAX bytes of request body (413) unless the route says more. */
#ifndef LB_ADMIN_ADMIN_H
#define LB_ADMIN_ADMIN_H

#include "dataplane/net/addr.h"
#include "lb/admin/admin_http.h"
#include "lb/admin/admin_tls.h"

#define ADMIN_CLIENTS 32
#define ADMIN_IDLE_S  10

struct admin_conf {
	const char *path;       /* Unix socket, mode 0660; NULL: none */
	struct ip_addr http;    /* TCP address; http_port 0: none */
	uint16_t http_port;     /* host order */
	struct admin_tls *tls;  /* of the TCP address; NULL: none. A reference is taken */
	struct admin_site site; /* copied; what it points to must outlive the admin */
};

struct admin;

int admin_create(const struct admin_conf *conf, struct admin **out) WARN_UNUSED;
void admin_destroy(struct admin *a);
/* From now on these certificates, of which a reference is taken: connections that began with others
 * end at their next request. Only for an admin that was made with some. */
void admin_use_tls(struct admin *a, struct admin_tls *tls);

/* Readable when admin_run() has something to do; for poll(2). Never changes. */
int admin_fd(const struct admin *a);
/* Longest time until admin_run() has to be called, in ms; -1: when admin_fd() says so. */
int admin_timeout_ms(const struct admin *a);
/* Serve what is ready; never waits. */
void admin_run(struct admin *a);

#endif
