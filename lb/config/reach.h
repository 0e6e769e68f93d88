/* SPDX-License-Identifier: Apache-2.0
 * reach - where packets to an address would leave, by the ports and routes of a configuration.
 * Owner:      one config_parse() call; lives in the arena given, points into the configuration.
 * Cost:       a search in each distinct prefix length, longest first. */
#ifndef LB_CONFIG_REACH_H
#define LB_CONFIG_REACH_H

#include "lb/config/arena.h"
#include "lb/config/config.h"

struct reach_entry {
	struct ip_prefix to; /* masked */
	bool is4;
	bool on_link;
	uint32_t port; /* index */
};

struct reach {
	struct reach_entry *entries; /* longest first, then by address */
	uint32_t cnt;
	struct reach_group {
		uint32_t start, end;
	} * groups; /* entries of one family and length */
	uint32_t group_cnt;
	struct ip_addr *own; /* the ports' own addresses, sorted */
	uint32_t own_cnt;
};

/* False if memory ran out. */
bool reach_init(struct reach *r, struct arena *a, const struct config *cfg) WARN_UNUSED;
/* Longest match, or NULL; the first of those that share the prefix. */
const struct reach_entry *reach_find(const struct reach *r, const struct ip_addr *addr);
/* The next one that shares the prefix of e and, if e is on link, is on link as well; or NULL. */
const struct reach_entry *reach_next(const struct reach *r, const struct reach_entry *e);
bool reach_is_own(const struct reach *r, const struct ip_addr *addr);

#endif
