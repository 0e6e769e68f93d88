/* SPDX-License-Identifier: Apache-2.0
 * admin_wire - the connection of a client to a control interface: the Unix socket, or HTTP and
 * HTTPS at an address.
 * Owner:      the caller; one exchange each.
 * Errors:     -errno of connecting; -ETIMEDOUT; -EPERM TLS refused, by either side; -EINVAL the
 *             address or a file is wrong. `why` then has a text where strerror() would not do,
 *             else "".
 * Cost:       blocks; each step for at most ADMIN_CLIENT_TIMEOUT_S. */
#ifndef LB_ADMIN_ADMIN_WIRE_H
#define LB_ADMIN_ADMIN_WIRE_H

#include <stddef.h>
#include <sys/types.h>

#include "lb/admin/admin_client.h"

struct admin_wire;

int admin_wire_open(
	const struct admin_target *to, char why[ADMIN_WHY], struct admin_wire **out) WARN_UNUSED;
int admin_wire_send(
	struct admin_wire *w, const char *text, size_t len, char why[ADMIN_WHY]) WARN_UNUSED;
/* At least one byte; 0 at the end. */
ssize_t admin_wire_recv(
	struct admin_wire *w, char *buf, size_t len, char why[ADMIN_WHY]) WARN_UNUSED;
void admin_wire_close(struct admin_wire *w);
/* What a Host field says: "192.0.2.1:9443"; "localhost" on the Unix socket. */
const char *admin_wire_host(const struct admin_wire *w);
bool admin_wire_is_tls(const struct admin_wire *w);

#endif
