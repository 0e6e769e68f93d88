/* SPDX-License-Identifier: Apache-2.0
 * kv - keys of the store over HTTP: an action of routes.
 *
 *	GET HEAD PUT DELETE PATCH  PREFIX/NAMESPACE/KEY     one key; its ETag is its version
 *	GET                        PREFIX/NAMESPACE?prefix=&cursor=&limit=
 *	POST                       PREFIX/NAMESPACE         a batch of gets, puts and deletes
 *	GET                        PREFIX/openapi.json      what all of this is
 *
 * Owner:      a request lives in the arena of its transaction; the stream that asked may go
 *             before.
 * Invariants: KH1 a condition (If-Match, If-None-Match) is judged on what the write replaces, by
 *             the transaction that writes. KH2 an answer of success is sent when the write is as
 *             durable as its namespace promises.
 * Errors:     bodies of RFC 9457 (application/problem+json).
 * Limits:     struct config_http_kv; KV_BATCH_MAX operations and bytes of a batch; values above
 *             KV_VALUE_MAX (of the Redis protocol) are not sent. An answer under way
 *             stays in the memory of its transaction; half of that memory may be so (503). */
#ifndef LB_L7_KV_KV_H
#define LB_L7_KV_KV_H

#include "lb/l7/http/stream.h"

#define KV_VALUE_MAX   (4u << 20)
#define KV_BATCH_MAX   256
#define KV_BATCH_BYTES (1u << 20)

struct config;
struct config_http_route;
struct kv_route;

extern const struct http_action http_action_kv;

/* cfg: where the namespaces' places are found; c: the route, whose prefixes are cut off paths. Both
 * must outlive it. 0 or -ENOMEM. */
int kv_route_create(const struct config *cfg, const struct config_http_route *c,
	struct kv_route **out) WARN_UNUSED;
void kv_route_free(struct kv_route *r); /* NULL is fine */

#endif
