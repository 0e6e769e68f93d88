/* SPDX-License-Identifier: Apache-2.0
 * dns - questions of a struct resolve over the host's network, by c-ares.
 * Owner:      control; sockets never block, files (resolv.conf, hosts) are read on the spot.
 * Lifetime:   until io->close().
 * Errors:     -ENOMEM; -EINVAL: servers that c-ares does not take. */
#ifndef LB_RESOLVE_DNS_H
#define LB_RESOLVE_DNS_H

#include "lb/resolve/resolve.h"

#define DNS_FDS 16

int dns_open(
	struct resolve *r, const struct config_resolver *cfg, struct resolve_io *out) WARN_UNUSED;

#endif
