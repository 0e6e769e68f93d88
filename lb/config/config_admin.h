/* SPDX-License-Identifier: Apache-2.0
 * config_admin - the section `admin`: who may ask a running weir, and where.
 * Owner:      struct config.  Invariants: CA1 http is empty or an address with a port; beyond the
 * loopback it comes with a token file. */
#ifndef LB_CONFIG_CONFIG_ADMIN_H
#define LB_CONFIG_CONFIG_ADMIN_H

#include "dataplane/net/addr.h"

struct config_admin {
	char socket[108];     /* Unix socket of the control interface; empty: none */
	char http[64];        /* "127.0.0.1:9180"; empty: none */
	char token_file[256]; /* empty: none */
	bool telemetry;       /* DPDK's telemetry socket, with commands of ours */
};

/* The parts of `http`: 0, -ENOENT when it is empty, -EINVAL. */
int config_admin_http(
	const struct config_admin *c, struct ip_addr *addr, uint16_t *port) WARN_UNUSED;
bool config_addr_is_loopback(const struct ip_addr *a);

#endif
