/* SPDX-License-Identifier: Apache-2.0
 * policy_pvt - how the policies are made; for lb/l7/route/site.c and the folder itself.
 * Owner:      control. A policy has a reference for each site that uses it.
 * Errors:     -EINVAL with a line on `err`, -ENOMEM. */
#ifndef LB_L7_POLICY_POLICY_PVT_H
#define LB_L7_POLICY_POLICY_PVT_H

#include <stdio.h>

#include "lb/config/config_http.h"
#include "lb/l7/policy/policy.h"
#include "lb/l7/route/route_pvt.h"

int policy_access_create(
	const struct config_policy_access *c, struct http_policy **out) WARN_UNUSED;
int policy_rate_create(const struct config_policy_rate *c, struct http_policy **out) WARN_UNUSED;
/* Is p a limiter that c describes too? Then it goes on with its state. */
bool policy_rate_same(const struct http_policy *p, const struct config_policy_rate *c);
int policy_body_create(uint64_t max, struct http_policy **out) WARN_UNUSED;
int policy_basic_create(const struct config_policy_basic *c, uint32_t workers, FILE *err,
	struct http_policy **out) WARN_UNUSED;
int policy_jwt_create(const struct config_policy_jwt *c, uint32_t workers, FILE *err,
	struct http_policy **out) WARN_UNUSED;
int policy_cors_create(const struct config_policy_cors *c, struct http_policy **out) WARN_UNUSED;
int policy_security_create(
	const struct config_policy_security *c, struct http_policy **out) WARN_UNUSED;

struct config_policy_compress;
int policy_compress_create(const struct config_policy_compress *c, uint32_t workers,
	struct http_policy **out) WARN_UNUSED;

void policy_ref(struct http_policy *p);
void policy_unref(struct http_policy *p);

/* The rest of the chain, after a policy that waited. */
enum http_verdict policy_go_on(struct http_route_worker *rw, struct http_stream *s);

/* The answer of a policy that lets nothing through; the stream may be gone afterwards. */
enum http_verdict policy_refuse(struct http_stream *s, enum http_end end);

/* A name for the request side of policies to keep things under in the exchange. */
enum policy_slot { POLICY_SLOT_CORS, POLICY_SLOT_BASIC, POLICY_SLOT_JWT, POLICY_SLOTS };

#endif
