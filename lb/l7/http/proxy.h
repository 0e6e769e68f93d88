/* SPDX-License-Identifier: Apache-2.0
 * proxy - the action that asks an upstream.
 * Owner:      one worker. A struct proxy is the action's state of one stream.
 * Invariants: PX1 a connection is kept only after a response that ended as its framing says, with
 *             nothing behind it and the request sent whole. PX2 what was sent is sent again only if
 *             RFC 9110 9.2.2 allows it. PX3 a response that ends early never looks complete to the
 *             client. PX4 bytes count as consumed towards one side when the other has taken them.
 * Units:      ns, bytes.
 * Errors:     enum http_end. */
#ifndef LB_L7_HTTP_PROXY_H
#define LB_L7_HTTP_PROXY_H

#include "lb/l7/http/stream.h"

extern const struct http_action http_proxy;

struct config_upstream;
/* What a hashing scheduler of the upstream finds its server by, the same on every node. */
uint64_t http_proxy_hash(const struct http_stream *s, const struct config_upstream *u);

/* Bytes of the state of one request, for the worker's pool. */
uint32_t http_proxy_size(void);

#endif
