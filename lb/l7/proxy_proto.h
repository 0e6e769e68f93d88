/* SPDX-License-Identifier: Apache-2.0
 * proxy_proto - the PROXY protocol header, versions 1 and 2: parse and write.
 * Source:     haproxy.org proxy-protocol.txt (2020-03-05), sections 2.1 and 2.2.
 * Owner:      none, pure.
 * Invariants: PP1 what a parser accepts has exactly one meaning; leading zeros, other white space,
 *             unknown families and lengths that do not fit are refused.
 *             PP2 every proper prefix of a good header is MORE.
 * Units:      ports in network order.
 * Limits:     PROXY_V1_MAX bytes of version 1; PROXY_HEADER_MAX of version 2, with its TLVs. */
#ifndef LB_L7_PROXY_PROTO_H
#define LB_L7_PROXY_PROTO_H

#include "dataplane/base/compiler.h"
#include "dataplane/net/addr.h"
#include "lb/config/config.h"

#define PROXY_V1_MAX     107
#define PROXY_HEADER_MAX 2048
#define PROXY_WRITE_MAX  PROXY_V1_MAX

enum proxy_verdict { PROXY_OK, PROXY_MORE, PROXY_BAD };

struct proxy_header {
	struct ip_addr src, dst; /* of one family; only if `known` */
	uint16_t sport, dport;
	uint32_t len; /* bytes of the header */
	bool known;   /* false: LOCAL, UNKNOWN or UNSPEC, the connection's own addresses hold */
};

/* Look at the first len bytes of a connection. */
enum proxy_verdict proxy_parse(
	const uint8_t *data, uint32_t len, struct proxy_header *out) WARN_UNUSED;

/* Write a header of the version for h (src, dst, sport, dport; both addresses of one family) into
 * PROXY_WRITE_MAX bytes; returns its length, 0 for PROXY_NONE. */
uint32_t proxy_write(enum proxy_version version, const struct proxy_header *h, uint8_t *out);

#endif
