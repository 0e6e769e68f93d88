/* SPDX-License-Identifier: Apache-2.0
 * neigh_pvt - what neigh.c (table, states, queues) and neigh_msg.c (packets) share. */
#ifndef DATAPLANE_NET_NEIGH_PVT_H
#define DATAPLANE_NET_NEIGH_PVT_H

#include "dataplane/base/hash.h"
#include "dataplane/base/list.h"
#include "dataplane/base/pool.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/wheel.h"
#include "dataplane/net/neigh.h"

struct neigh_entry {
	struct wheel_timer timer;
	struct list_node order; /* on table->unresolved or table->resolved */
	struct ip_addr addr;
	uint64_t since_ns;       /* when it became unresolved, or was confirmed or changed last */
	uint32_t q_head, q_tail; /* held packets, POOL_NONE ends */
	uint16_t q_len;
	uint16_t port;
	uint8_t tries;
};

struct neigh_held {
	struct rte_mbuf *m;
	uint32_t next;
};

struct neigh_table {
	struct neigh pub; /* first: a struct neigh * is a struct neigh_table * */
	struct neigh_conf conf;
	struct pool entries; /* struct neigh_entry */
	struct pool held;    /* struct neigh_held */
	uint32_t *slots;     /* open addressing, index of an entry or POOL_NONE */
	uint32_t slot_mask;
	uint32_t unresolved_cnt;
	struct list_node unresolved; /* oldest first */
	struct list_node resolved;   /* in the order of the eviction clock */
	uint64_t request_tat_ns;     /* GCRA: when the request bucket would be full again */
	uint64_t conflict_next_ns;
	struct mix_key key;
	struct rng rng;
	struct neigh_stats stats;
	struct wheel wheel;
};

static inline struct neigh_table *neigh_table_of(struct neigh *n)
{
	return container_of(n, struct neigh_table, pub);
}

/* neigh.c: what a message tells of an entry. mac NULL: no link-layer address in it. */
struct neigh_news {
	const uint8_t *mac;
	bool solicited; /* an answer to us */
	bool override;
	bool locked_out; /* gossip: does not count against a confirmation younger than NEIGH_LOCK_NS
			  */
};
/* Index of an entry or POOL_NONE. */
uint32_t neigh_find(const struct neigh_table *t, uint16_t port, const struct ip_addr *a);
void neigh_learn(
	struct neigh_table *t, uint32_t idx, const struct neigh_news *news, uint64_t now_ns);

/* neigh_msg.c: ask for an entry's address, by unicast to mac or to the group. */
void neigh_ask(struct neigh_table *t, uint16_t port, const struct ip_addr *a, const uint8_t *mac);

#endif
