/* SPDX-License-Identifier: Apache-2.0
 * resolved - the backends of pools in force, where names of the file have become addresses.
 *
 * Pools are the listeners and then the upstreams of a configuration, in its order.
 *
 * Owner:      control. A set belongs to the configuration it was given to, which frees it.
 * Invariants: CR1 a set has no name that stands for nothing, and no place (address and port) twice
 *             in one pool: what the file has as an address comes first, then names in its order.
 * Errors:     -ENOMEM; the configuration is as it was.
 * Limits:     LIMIT_SERVICE_BACKENDS of one pool; more are left out and counted. */
#ifndef LB_CONFIG_RESOLVED_H
#define LB_CONFIG_RESOLVED_H

#include "lb/config/config.h"

/* What is known of a name. */
struct resolved_name {
	const struct ip_addr *addrs;
	uint32_t cnt;
	bool asked; /* false: no answer yet, good or bad */
};

/* By host name in lower case. */
typedef struct resolved_name resolved_find_fn(void *ctx, const char *host);

struct config_resolved;

/* Has the configuration a name at all? */
bool config_has_names(const struct config *cfg);
int config_resolved_make(const struct config *cfg, resolved_find_fn *find, void *ctx,
	struct config_resolved **out) WARN_UNUSED;
/* Put a set into force; returns the one before (NULL: as in the file), to be used again or freed
 * with free(). */
struct config_resolved *config_resolved_use(struct config *cfg, struct config_resolved *set);
/* Do both give every pool the same backends in the same order? */
bool config_resolved_equal(const struct config_resolved *a, const struct config_resolved *b);
uint32_t config_resolved_left_out(const struct config_resolved *set);

#endif
