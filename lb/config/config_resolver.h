/* SPDX-License-Identifier: Apache-2.0
 * config_resolver - section `resolver`: who is asked for the names of backends, and how often.
 * Owner:      part of struct config.
 * Units:      ns; ports in host order.
 * Limits:     LIMIT_NAMESERVERS; LIMIT_NAME_ADDRS of one name. */
#ifndef LB_CONFIG_CONFIG_RESOLVER_H
#define LB_CONFIG_CONFIG_RESOLVER_H

#include "dataplane/base/compiler.h"
#include "lb/config/config_mark.h"

#define LIMIT_NAMESERVERS 8
#define LIMIT_NAME_ADDRS  256
#define LIMIT_HOST        254 /* bytes of a host name (RFC 1035 2.3.4) with its NUL */

struct config_bind;

enum resolver_family { RESOLVER_ANY, RESOLVER_IPV4, RESOLVER_IPV6 };

struct config_resolver {
	struct config_bind *servers; /* none: those of /etc/resolv.conf */
	uint32_t server_cnt;
	uint64_t timeout_ns; /* of one try */
	uint32_t attempts;   /* with each server */
	uint64_t min_ttl_ns, max_ttl_ns;
	uint64_t retry_ns, retry_max_ns; /* after no answer, or one without addresses */
	uint64_t hold_ns; /* addresses stay so long after an answer that there are none */
	uint32_t max_addrs;
	enum resolver_family family;
	bool hosts_file;
};

#endif
