/* SPDX-License-Identifier: Apache-2.0
 * admin_tls - certificates of the control interface over TLS (GnuTLS, which libmicrohttpd speaks).
 * Owner:      the control thread; counted references, the first one is the caller's of
 *             admin_tls_load(), an admin and each connection hold one of their own.
 * Invariants: AT1 with authorities of clients no handshake ends well without a certificate of
 *             theirs that is valid now and for clients. AT2 it exists only if all files were read
 *             and fit together.
 * Errors:     -EINVAL and a text for people: which file, and what is wrong with it. */
#ifndef LB_ADMIN_ADMIN_TLS_H
#define LB_ADMIN_ADMIN_TLS_H

#include <stddef.h>

#include "dataplane/base/compiler.h"

#define ADMIN_TLS_WHY 512

/* Paths of PEM files; client_ca "": no certificate is asked for. */
struct admin_tls_files {
	const char *cert, *key, *client_ca, *client_crl;
};

struct admin_tls;
struct gnutls_session_int;

int admin_tls_load(const struct admin_tls_files *files, char why[ADMIN_TLS_WHY],
	struct admin_tls **out) WARN_UNUSED;
/* One reference less; NULL does nothing. */
void admin_tls_put(struct admin_tls *t);
struct admin_tls *admin_tls_get(struct admin_tls *t);

/* Certificate and key as text, as long as t lives. */
const char *admin_tls_cert(const struct admin_tls *t);
const char *admin_tls_key(const struct admin_tls *t);

/* A session that has not begun its handshake; the caller holds t as long as it lives. */
int admin_tls_attach(struct admin_tls *t, struct gnutls_session_int *session) WARN_UNUSED;
/* Has its client shown a certificate of client_ca? */
bool admin_tls_certified(const struct admin_tls *t, struct gnutls_session_int *session);

#endif
