/* SPDX-License-Identifier: Apache-2.0
 * tls_set - certificates, trust and the rest of TLS that one configuration asks for, read from its
 * files.
 * Owner:      control; workers read it as part of a generation. Lives as long as the configuration:
 *             connections keep what they use beyond that.
 * Errors:     each fault of a file or list is written as "file:line:col: error: text", for the key
 *             that names it; warnings go the same way. -EINVAL if there was an error.
 * Cost:       reads files and parses keys, once for each worker: control's, at start and reload. */
#ifndef LB_L7_TLS_SET_H
#define LB_L7_TLS_SET_H

#include <stdio.h>

#include "dataplane/tls/tls_ctx.h"
#include "lb/config/config.h"

struct tls_libs;
struct l7_tls;

int l7_tls_create(const struct config *cfg, struct tls_libs *libs, int64_t now_s, FILE *err,
	struct l7_tls **out) WARN_UNUSED;
void l7_tls_free(struct l7_tls *t); /* NULL is fine */

/* By index in the configuration; NULL: plain. */
const struct tls_server *l7_tls_server(const struct l7_tls *t, uint32_t listener);
const struct tls_client *l7_tls_client(const struct l7_tls *t, uint32_t listener);

const struct tls_client *l7_tls_upstream(const struct l7_tls *t, uint32_t upstream);

/* One client by its map, for other things that have backends: `t` is the map's tree. */
int l7_tls_client_create(const struct config_tls_client *conf, struct config_tree *t,
	const char *file, struct tls_libs *libs, const char *const *alpn, uint32_t alpn_cnt,
	int64_t now_s, FILE *err, struct tls_client **out) WARN_UNUSED;

/* Keys of tickets from the configured file, if there is one. */
int l7_tls_load_tickets(
	const struct config *cfg, struct tls_tickets *tickets, FILE *err) WARN_UNUSED;

/* Everything above that can be found wrong, without keeping any of it; for `weir check`. */
int l7_tls_check(const struct config *cfg, FILE *err) WARN_UNUSED;

#endif
