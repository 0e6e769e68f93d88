/* SPDX-License-Identifier: Apache-2.0
 * template - texts with ${variables} of a request.
 *
 *	${client_ip} ${client_port} ${peer_ip} ${local_ip} ${local_port}
 *	${scheme} ${host} ${port} ${method} ${path} ${query} ${uri}
 *	${request_id} ${trace_id} ${route} ${user} ${status}
 *	${tls_version} ${tls_cipher} ${tls_sni}         of the client's connection
 *	${client_cert_subject} ${client_cert_issuer} ${client_cert_serial} ${client_cert_sha256}
 *	${client_cert_san} ${client_cert_verified}      "yes" or "no"; empty without a certificate
 *	${header.NAME} ${cookie.NAME} ${query.NAME}     empty if it is not there
 *	${0} ... ${9}                                   captures of the route's regular expression
 *	$$                                              a dollar sign
 *
 * `path`, `host` and `uri` are those of the client's request, normalised, whatever rewriting does.
 * Owner:      control compiles and frees; workers expand.
 * Invariants: TM1 what comes out holds no control character: fields and paths have none, and others
 *             are left out. TM2 with TEMPLATE_URI what a client chose freely is percent-encoded
 *where a URI would be broken by it. Errors:     -EINVAL with the reason in `why`. Expanding fails
 *only without memory. */
#ifndef LB_L7_ROUTE_TEMPLATE_H
#define LB_L7_ROUTE_TEMPLATE_H

#include "lb/l7/http/stream.h"

#define TEMPLATE_WHY 160

struct template;
struct http_exchange;

enum template_mode {
	TEMPLATE_TEXT, /* value of a field */
	TEMPLATE_URI,  /* Location, or a path */
};

int template_compile(
	const char *text, enum template_mode mode, struct template **out, char *why) WARN_UNUSED;
void template_free(struct template *t); /* NULL is fine */
const char *template_text(const struct template *t);
/* Highest capture that it uses, plus one; 0: none. */
uint32_t template_captures(const struct template *t);

/* Into the stream's arena, or as it stands if nothing is variable. out->at is NULL without memory.
 */
void template_expand(const struct template *t, struct http_stream *s, const struct http_exchange *x,
	struct span *out);

/* First value of a cookie, and first raw value of a query parameter; empty span with at NULL: none.
 */
struct span template_cookie(const struct http_head *h, struct span name);
struct span template_query(struct span query, struct span name);

#endif
