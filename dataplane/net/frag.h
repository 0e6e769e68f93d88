/* SPDX-License-Identifier: Apache-2.0
 * frag - fragments without reassembly: the ports of a datagram, remembered from its first fragment,
 * so that the others find the same flow; and cutting an IPv4 packet.
 * Owner:      one worker; all fragments of a datagram come to it.
 * Lifetime:   frag_table_create() ... frag_table_destroy(), never resized.
 * Invariants: FG1 used entries are on the age list in order of arrival. FG2 an entry that knows its
 *             ports holds no packet once frag_release() has returned NULL. FG3 ledger->held counts
 *             exactly the packets held here.
 * Units:      times in ns; ports in network order.
 * Limits:     `capacity` datagrams at a time; LIMIT_FRAG_HELD early fragments of one, and a quarter
 *             of the capacity over all. An entry lives FRAG_LIFE_NS from its first packet.
 * Errors:     reasons FRAG_TABLE_FULL, FRAG_HELD_FULL, FRAG_OVERLAP; held packets whose first
 *             fragment never comes end as FRAG_TIMEOUT.
 * Cost:       one hash probe; nothing but fragments comes here. */
#ifndef DATAPLANE_NET_FRAG_H
#define DATAPLANE_NET_FRAG_H

#include "dataplane/net/pkt.h"

struct frag_table;
struct rte_mbuf;
struct rte_mempool;

#define FRAG_LIFE_NS (UINT64_C(10) * 1000000000)

/* capacity >= 4; 0, -EINVAL or -ENOMEM. ledger may be NULL. */
int frag_table_create(
	uint32_t capacity, struct ledger *ledger, struct frag_table **out) WARN_UNUSED;
/* Held packets end as STOPPED. NULL is fine. */
void frag_table_destroy(struct frag_table *t);

enum frag_result {
	FRAG_GO,   /* ports are set in *pm (PKT_F_PORTS): handle it like any packet */
	FRAG_HELD, /* taken; comes back by frag_release(), or ends by timeout */
	FRAG_DROP, /* end it with *why */
};

/* A fragment (PKT_F_FRAG) as parsed. After FRAG_GO for a first fragment, call frag_release() until
 * it returns NULL. A protocol without ports passes with ports 0. */
enum frag_result frag_input(struct frag_table *t, struct rte_mbuf *m, struct pkt_meta *pm,
	uint64_t now_ns, enum reason *why) WARN_UNUSED;
/* The next packet held for the datagram of `first`, in order of arrival; NULL: none is left. */
struct rte_mbuf *frag_release(struct frag_table *t, const struct pkt_meta *first);

/* End what is too old; once per turn of the loop. */
void frag_tick(struct frag_table *t, uint64_t now_ns);
/* When frag_tick() has something to do; UINT64_MAX: never. */
uint64_t frag_next_ns(const struct frag_table *t);
uint32_t frag_used(const struct frag_table *t);

/* Cut an IPv4 packet without DF into frames whose IP packets have at most mtu bytes. Each carries
 * the link header of m, the first all IP options, the others those with the copy flag (RFC
 * 791 3.1). m stays the caller's and unchanged. Returns how many frames, or -ENOMEM (pool),
 * -EMSGSIZE (more than max, or mtu too small), -EINVAL (no IPv4, or DF). */
int frag_split4(const struct rte_mbuf *m, const struct pkt_meta *pm, uint16_t mtu,
	struct rte_mempool *pool, struct rte_mbuf **out, int max) WARN_UNUSED;

#endif
