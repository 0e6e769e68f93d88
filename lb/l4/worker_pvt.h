/* SPDX-License-Identifier: Apache-2.0
 * worker_pvt - layout of the worker's state, for the files of this folder.
 * Counters are written by the worker alone and read by control: relaxed stores, which cost what
 * plain ones do. */
#ifndef LB_L4_WORKER_PVT_H
#define LB_L4_WORKER_PVT_H

#include "lb/l4/decide.h"
#include "lb/l4/flow.h"
#include "lb/l4/table_pvt.h"
#include "lb/l4/worker.h"

ALWAYS_INLINE void count64(uint64_t *c, uint64_t n)
{
	__atomic_store_n(c, *c + n, __ATOMIC_RELAXED);
}

ALWAYS_INLINE void count32(uint32_t *c, int32_t n)
{
	__atomic_store_n(c, *c + (uint32_t)n, __ATOMIC_RELAXED);
}

/* What control publishes per backend or service. */
struct published {
	uint32_t others; /* flows on the other workers */
	uint32_t quota;  /* flows allowed here, plus one; 0: not published yet */
};

/* Per service. */
struct service_run {
	uint64_t rate_tat_ns; /* when the bucket is full again (virtual scheduling, ITU-T I.371) */
	uint64_t set_digest;  /* of the set that wrr_pos belongs to */
	uint32_t wrr_pos;
	uint32_t active;
};

/* A place in one table's sweep. */
struct sweep {
	uint32_t at;
	uint32_t acl_left; /* entries until the whole table was seen under the new lists */
	uint64_t last_ns;
};

#define SNAT_CURSORS 256

struct snat_cursor {
	uint16_t port; /* host order; 0: not started */
	uint16_t addr; /* index into the service's addresses */
};

struct l4_worker {
	const struct l4_table *table;
	struct flow_table forward, nat;
	struct l4_member_stats *member_stats;
	struct service_run *services;
	uint32_t *member_active, *vip_active, *local_active;
	uint64_t *vip_flows; /* new ones, by VIP */
	struct l4_service_stats *service_stats;
	struct published *member_pub, *service_pub;
	uint64_t flood_tat_ns, flood_inc_ns;
	uint32_t victim[2];    /* where the next search for a flow to evict starts */
	struct sweep sweep[2]; /* forward, nat */
	uint32_t index, workers;
	uint64_t index_frac;   /* index / workers in 0.32 */
	uint32_t publish_turn; /* control's: who gets the odd one of a split limit */
	bool draining;
	uint16_t ip_id; /* of outer IPv4 headers */
	struct l4_port_filter port_filter;
	struct l4_port_guard port_guard;
	uint16_t port_lo, port_hi; /* own share, host order */
	struct snat_cursor snat[SNAT_CURSORS];
	struct l4_worker_stats stats;
	uint64_t generation;
	struct l4_mem mem;
	void *forward_mem, *nat_mem;
	size_t forward_len, nat_len;
};

/* ---- track.c: flows with their counts ---- */

/* Insert and count. Returns 0 or -ENOSPC. */
int track_insert(struct l4_worker *w, struct flow_table *t, uint64_t hash,
	const struct flow_key *key, const struct flow_back *back, uint32_t member, uint64_t now_ns,
	uint32_t *out) WARN_UNUSED;
void track_remove(struct l4_worker *w, struct flow_table *t, uint32_t e);
/* Make room for one flow by ending one that is half-open, closing or a single datagram, and idle;
 * false if there is none nearby. */
bool track_evict(struct l4_worker *w, struct flow_table *t, uint64_t now_ns);

/* ---- sched.c ---- */

struct sched_pick {
	uint32_t member; /* L4_NONE32: none */
	bool limited;    /* because all that were tried are at their limit */
};

/* The hash that Maglev and source hash go by; the same on every node. */
uint64_t sched_hash(const struct l4_table *t, const struct l4_service *s, const struct flow_key *k);
/* A backend for a new flow. */
struct sched_pick sched_choose(struct l4_worker *w, uint16_t service, uint64_t hash);
/* The backend of a packet that is not tracked: by the hash alone, limits aside. */
uint32_t sched_follow(const struct l4_service *s, uint64_t hash);
/* Has the service, here, room for another flow? */
bool sched_service_admits(const struct l4_worker *w, uint16_t service);

/* ---- snat.c ---- */

/* A free local address and port towards back->backend:bport; fills local and lport. Returns
 * false when none was found. */
bool snat_choose(struct l4_worker *w, const struct l4_service *s, struct flow_back *back);

#endif
