/* SPDX-License-Identifier: Apache-2.0
 * override - what an operator said about single backends while weir runs: drain, weight, out of
 * service. It stands over the configuration until the next reload.
 * Owner:      the control thread.
 * Invariants: OV1 at most one row for a backend of a pool. OV2 a row says something: one that says
 *             nothing is removed.
 * Errors:     -ENOSPC beyond OVERRIDES_MAX, -ENOMEM. */
#ifndef LB_OVERRIDE_H
#define LB_OVERRIDE_H

#include "lb/config/config.h"

#define OVERRIDES_MAX 4096

/* Pools that have backends, and the names that requests use for them. */
enum override_kind { OVERRIDE_SERVICE, OVERRIDE_LISTENER, OVERRIDE_UPSTREAM, OVERRIDE_KINDS };
const char *override_kind_name(enum override_kind k);

struct override {
	enum override_kind kind;
	char pool[LIMIT_NAME];
	struct ip_addr addr;
	uint16_t port; /* host order, as configured */
	bool weight_given, drain, disabled;
	uint16_t weight;
};

struct overrides {
	struct override *rows;
	uint32_t cnt, room;
};

/* NULL: nothing was said. */
const struct override *override_find(const struct overrides *o, enum override_kind kind,
	const char *pool, const struct ip_addr *addr, uint16_t port);
/* Put a row in the place of what was said about that backend. */
int override_set(struct overrides *o, const struct override *row) WARN_UNUSED;
void overrides_clear(struct overrides *o);

/* The backend as it is to be used now. */
struct config_backend override_apply(const struct overrides *o, enum override_kind kind,
	const char *pool, const struct config_backend *b);
/* Did somebody take it out of service? */
bool override_disabled(const struct overrides *o, enum override_kind kind, const char *pool,
	const struct config_backend *b);

#endif
