/* SPDX-License-Identifier: Apache-2.0
 * registry_pvt - layout of the registry, for l4_table_build(). */
#ifndef LB_L4_REGISTRY_PVT_H
#define LB_L4_REGISTRY_PVT_H

#include "lb/config/config.h"
#include "lb/l4/drain.h"
#include "lb/l4/idmap.h"
#include "lb/l4/registry.h"
#include "lb/l4/table_pvt.h"

/* Numbers of one kind: free ones are used again last-freed-first. */
struct reg_ids {
	uint32_t *free;
	uint32_t free_cnt, high, max; /* numbers below high were given out once */
};

struct reg_addr {
	struct ip_addr addr;
	uint64_t seen; /* last generation whose configuration had it */
	bool used;
	/* VIPs: what its flows may be, and how they end once it is removed. */
	bool removal_reset, removed;
	uint8_t tables;   /* enum addr_flag, of ADDR_TABLES */
	uint64_t learned; /* generation of the above */
	uint64_t drain_ns, end_ns;
};

struct reg_service {
	char name[LIMIT_NAME];
	uint64_t seen, born; /* generations */
	bool used;
	bool removal_reset;
	uint64_t drain_ns;
	struct l4_service run; /* what the table gets; without set, members and acl when removed */
};

struct reg_member {
	struct l4_life life;
	uint64_t seen;
	struct l4_member run;
};

struct l4_registry {
	uint64_t generation;
	struct reg_ids vip_ids, local_ids, service_ids, member_ids;
	struct reg_addr *vips, *locals;
	struct reg_service *services;
	struct reg_member *members;
	uint32_t member_room; /* members[] has this many */
	struct idmap vip_map, local_map, name_map, where_map, member_map;
	struct mix_key addr_key, owner_key;
	struct siphash_key name_key[2];
};

/* Backend numbers in members[] are below this. */
static inline uint32_t registry_member_high(const struct l4_registry *r)
{
	return r->member_ids.high < r->member_room ? r->member_ids.high : r->member_room;
}

/* The number of a key, given out now if it is new (*fresh tells). */
int registry_vip(struct l4_registry *r, const struct ip_addr *a, uint16_t *out) WARN_UNUSED;
int registry_local(struct l4_registry *r, const struct ip_addr *a, uint16_t *out) WARN_UNUSED;
int registry_member(struct l4_registry *r, uint16_t service, const struct config_backend *b,
	enum l4_mode mode, uint32_t *out, bool *fresh) WARN_UNUSED;
/* Numbers for all services of a configuration: out[service_cnt]. */
int registry_services(struct l4_registry *r, const struct config *cfg, uint16_t *out,
	uint32_t *added) WARN_UNUSED;

#endif
