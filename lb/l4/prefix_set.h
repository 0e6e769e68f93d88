/* SPDX-License-Identifier: Apache-2.0
 * prefix_set - is an address inside any of many prefixes?
 * Owner:      control builds it once; read-only afterwards.
 * Invariants: PS1 ranges are sorted, disjoint and not adjacent, so at most one can match.
 * Units:      addresses of both families in their 128-bit form.
 * Limits:     LIMIT_PREFIXES.
 * Cost:       log2(ranges) steps over 16-byte lower ends; an empty set costs one compare. */
#ifndef LB_L4_PREFIX_SET_H
#define LB_L4_PREFIX_SET_H

#include "dataplane/net/addr.h"

struct prefix_set;

/* *out is NULL for no prefixes. Returns 0 or -ENOMEM. */
int prefix_set_create(
	const struct ip_prefix *prefixes, uint32_t cnt, struct prefix_set **out) WARN_UNUSED;
void prefix_set_destroy(struct prefix_set *s);

/* False for a NULL set. */
bool prefix_set_has(const struct prefix_set *s, const struct ip_addr *a);

/* Do both hold the same addresses? NULL is the empty set. */
bool prefix_set_equal(const struct prefix_set *a, const struct prefix_set *b);

#endif
