/* SPDX-License-Identifier: Apache-2.0
 * table_pvt - layout of the table, for the files of this folder.
 * A tracked packet touches one address slot and one member; a new flow also its VIP, service and
 * scheduler table. */
#ifndef LB_L4_TABLE_PVT_H
#define LB_L4_TABLE_PVT_H

#include "dataplane/base/hash.h"
#include "lb/l4/drain.h"
#include "lb/l4/prefix_set.h"
#include "lb/l4/sched_set.h"
#include "lb/l4/table.h"

enum addr_flag {
	ADDR_USED = 1 << 0,
	ADDR_NAT_BACKEND = 1 << 1, /* its packets may be replies of a NAT service */
	ADDR_FORWARD = 1 << 2,     /* a VIP with flows in the forward table (DSR, tunnels) */
	ADDR_NAT = 1 << 3,         /* a VIP with flows in the NAT table */
	ADDR_MEET = 1 << 4, /* a VIP with NAT mode flows: l4_owner() alone joins their directions */
	ADDR_ENDING = 1 << 5, /* a VIP that was removed: its flows go on until l4_vip.end_ns */
};
#define ADDR_TABLES (ADDR_FORWARD | ADDR_NAT | ADDR_MEET) /* what flows a VIP may have */

struct l4_addr_slot {
	struct ip_addr addr;
	uint16_t vip;   /* L4_NONE16: is none */
	uint16_t local; /* L4_NONE16: is none */
	uint8_t flags;
	uint8_t pad[11];
};
_Static_assert(sizeof(struct l4_addr_slot) == 32, "two slots a cache line");

struct l4_range {
	uint16_t lo, hi; /* host order */
	uint16_t service;
	uint8_t proto;
};

struct l4_vip {
	struct ip_addr addr;
	uint32_t range_first, range_cnt; /* sorted by (proto, lo) */
	uint64_t end_ns;                 /* no tracked flow lives at or after this */
	bool reset;                      /* at end_ns: reset, not a gentle drop */
};

enum member_flag {
	MEMBER_END_RESET = 1 << 0, /* at end_ns: reset, not a gentle drop */
	MEMBER_TOA = 1 << 1,
	MEMBER_MSS_CLAMP = 1 << 2,
	MEMBER_IS4 = 1 << 3,
	MEMBER_CHOSEN = 1 << 4, /* new flows may go to it: it is up, or all are down and sprayed */
};

struct l4_member {
	struct ip_addr addr;
	uint64_t end_ns;  /* no tracked flow lives at or after this */
	uint16_t port_be; /* 0: the client's destination port */
	uint16_t service;
	uint16_t weight;
	uint16_t gue_port_be;
	uint8_t mode;  /* enum l4_mode */
	uint8_t state; /* enum l4_member_state */
	uint8_t flags;
	uint8_t pad[13];
	uint64_t born; /* generation */
	uint64_t spare;
};
_Static_assert(sizeof(struct l4_member) == CACHE_LINE, "a tracked packet reads one line of these");

enum service_flag {
	SERVICE_REMOVED = 1 << 0,
	SERVICE_RESET = 1 << 1, /* removal: reset; also answers unknown mid-flow packets with RST */
	SERVICE_ACL = 1 << 2,   /* has an allow or deny list */
};

struct l4_service {
	struct l4_sched_set *set; /* shared; NULL: nothing to choose from */
	const uint32_t *members;  /* member numbers in the order of the set's nodes */
	uint32_t member_cnt;
	uint8_t proto, mode, scheduler, hash; /* enum l4_proto, l4_mode, l4_scheduler, l4_hash */
	uint8_t all_down, flags;
	uint32_t local4_first, local6_first;
	uint16_t local4_cnt, local6_cnt;         /* into local_ids */
	struct l4_acl *acl;                      /* shared; NULL: none */
	uint64_t conn_limit, backend_conn_limit; /* 0: none */
	uint64_t rate_inc_ns; /* virtual time one new flow takes on one worker; 0: no limit */
	uint32_t timeout[L4_FLOW_STATES];  /* ticks */
	uint64_t born;                     /* generation */
	struct ip_prefix tunnel_source[2]; /* IPv4, IPv6; len 0: the egress port's own address */
};

/* Allow and deny sets, shared by generations whose lists are the same. */
struct l4_acl {
	uint64_t digest[2];
	struct prefix_set *allow, *deny;
	uint32_t refs;
};

struct l4_table {
	struct l4_addr_slot *addrs;
	uint32_t addr_mask;
	uint32_t member_cnt; /* numbers below this are in members[] */
	struct l4_member *members;
	struct l4_vip *vips;
	struct l4_range *ranges;
	struct l4_service *services;
	struct ip_addr *locals;
	uint16_t *local_ids;
	uint32_t *member_ids;
	uint32_t vip_cnt, service_cnt, local_cnt, range_cnt;
	bool vips_end; /* some VIP has an end */
	struct l4_port_split ports;
	struct mix_key addr_key;  /* drawn by the registry: the same in all generations */
	struct mix_key owner_key; /* the same */
	struct mix_key sched_key; /* from the configured seed: the same on every node */
	uint64_t generation;
	uint64_t bytes;
	char (*service_names)[LIMIT_NAME];
};

ALWAYS_INLINE uint32_t addr_home(const struct l4_table *t, const struct ip_addr *a)
{
	return (uint32_t)(mix_fold(a->d[0] ^ t->addr_key.k[0], a->d[1] ^ t->addr_key.k[1]) >> 32) &
	       t->addr_mask;
}

/* The slot of an address, or NULL. */
ALWAYS_INLINE const struct l4_addr_slot *addr_find(
	const struct l4_table *t, const struct ip_addr *a)
{
	uint32_t i = addr_home(t, a);

	for (; t->addrs[i].flags != 0; i = (i + 1) & t->addr_mask)
		if (ip_addr_eq(&t->addrs[i].addr, a))
			return &t->addrs[i];
	return NULL;
}

ALWAYS_INLINE bool mode_is_nat(uint8_t mode)
{
	return mode == L4_NAT || mode == L4_FULLNAT;
}

/* The service at a VIP's protocol and port (host order), or L4_NONE16. */
uint16_t vip_service(const struct l4_table *t, uint16_t vip, uint8_t proto, uint16_t port);

/* May this client use the service? */
bool acl_admits(const struct l4_acl *acl, const struct ip_addr *client);

#endif
