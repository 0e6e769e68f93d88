/* SPDX-License-Identifier: Apache-2.0
 * admin_gate - who may call what.
 *
 * The Unix socket's file mode says who may connect, and who may connect may do everything. Over
 * HTTP:
 *   - a browser that was led here by another site is refused: by its Origin, by Sec-Fetch-Site, and
 *     on a loopback listener by a Host that is no name of this machine (DNS rebinding);
 *   - a change needs the token, everywhere, and so does every call on a listener that is not on the
 *     loopback interface; without a configured token there are no changes over HTTP;
 *   - a client that showed a certificate of an authority of ours stands as one on the loopback, and
 *     may change something without a token when none is configured;
 *   - the page of the dashboard holds no data and needs none.
 * Invariants: AG1 no answer carries a header that lets another origin read it. AG2 the time to
 *             compare a token does not depend on where it differs.
 * Owner: none; pure. */
#ifndef LB_ADMIN_ADMIN_GATE_H
#define LB_ADMIN_ADMIN_GATE_H

#include "dataplane/base/compiler.h"

#define ADMIN_TOKEN_MIN 16
#define ADMIN_TOKEN_MAX 256

/* What is known of who asks; header texts are NULL when absent. */
struct admin_peer {
	bool http;          /* false: the Unix socket */
	bool loopback;      /* the HTTP listener is on a loopback address */
	bool tls;           /* HTTPS */
	bool certified;     /* the client's certificate was verified */
	const char *listen; /* its address and port as text: "127.0.0.1:9180" */
	const char *host, *origin, *fetch_site, *authorization;
};

enum admin_gate {
	ADMIN_GATE_OPEN,
	ADMIN_GATE_HOST,     /* 421: not a name of this listener */
	ADMIN_GATE_CROSS,    /* 403: another site asks */
	ADMIN_GATE_TOKEN,    /* 401: token missing or wrong */
	ADMIN_GATE_READONLY, /* 403: no token is configured, so nothing can be changed */
};

/* token: "" when none is configured. page: the route holds no data. */
enum admin_gate admin_gate_check(
	const struct admin_peer *peer, const char *token, bool change, bool page);
const char *admin_gate_text(enum admin_gate g);

/* Read the first line of a file into out[ADMIN_TOKEN_MAX]. 0; -errno of the file; -EINVAL shorter
 * than ADMIN_TOKEN_MIN, too long, or with characters that a header cannot carry; -EPERM readable by
 * others than owner and group. */
int admin_token_read(const char *path, char *out) WARN_UNUSED;

#endif
