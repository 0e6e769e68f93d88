/* SPDX-License-Identifier: Apache-2.0
 * config_admin - the section `admin`: who may ask a running weir, and where.
 * Owner:      struct config. What the files hold is looked at when the configuration is put to use
 *             (lb/admin/admin_tls.h), not when it is read.
 * Invariants: CA1 http is empty or an address with a port; beyond the loopback it comes with a
 *             token file or with authorities of clients. CA2 tls comes with http. */
#ifndef LB_CONFIG_CONFIG_ADMIN_H
#define LB_CONFIG_CONFIG_ADMIN_H

#include "dataplane/net/addr.h"

/* `tls` of the section: http is HTTPS. */
struct config_admin_tls {
	char cert[256], key[256];
	char client_ca[256], client_crl[256]; /* empty: none */
};

struct config_admin {
	char socket[108];             /* Unix socket of the control interface; empty: none */
	char http[64];                /* "127.0.0.1:9180"; empty: none */
	char token_file[256];         /* empty: none */
	struct config_admin_tls *tls; /* NULL: not given */
	bool telemetry;               /* DPDK's telemetry socket, with commands of ours */
};

/* The parts of `http`: 0, -ENOENT when it is empty, -EINVAL. */
int config_admin_http(
	const struct config_admin *c, struct ip_addr *addr, uint16_t *port) WARN_UNUSED;
bool config_addr_is_loopback(const struct ip_addr *a);

#endif
