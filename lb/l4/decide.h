/* SPDX-License-Identifier: Apache-2.0
 * decide - what is to become of a packet: pure but for the worker's own flow tables and counters.
 *
 * In order: flow lookup; service; allow and deny lists; connection and rate limits; scheduler;
 * insertion. A tracked packet stops after the first. Lists and limits thus judge new flows alone
 * (a sweep applies changed lists to tracked ones, see worker.h).
 *
 * Without a flow and in the middle of a connection: DSR and tunnels follow the hash, under every
 * scheduler, and track from there on; NAT modes end it (L4_NO_FLOW), with a reset where the service
 * says `removal: reset`. Over flood_new_per_sec, or with the table full and nobody half-open to
 * evict, DSR and tunnels follow the hash untracked, and NAT modes end the packet (L4_TABLE_FULL).
 *
 * Owner:      the worker; verdicts are the caller's.
 * Units:      ports in network order; sizes of IP packets in bytes.
 * Errors:     every outcome is an enum reason; REASON_NONE with op L4_OP_NONE: not for L4.
 * Cost:       a tracked packet reads an address slot, a bucket, an entry, a member and writes a
 *             counter line; the burst stages overlap the misses of the middle two. */
#ifndef LB_L4_DECIDE_H
#define LB_L4_DECIDE_H

#include "dataplane/net/pkt.h"
#include "lb/l4/flow.h"
#include "lb/l4/worker.h"

enum l4_op {
	L4_OP_NONE, /* none of ours: VIP, local and backend addresses take no part */
	L4_OP_DSR,  /* as it is, to the backend's MAC */
	L4_OP_IPIP,
	L4_OP_GUE,
	L4_OP_NAT, /* addresses and ports replaced by src, dst, sport, dport; family may change */
};

enum l4_verdict_flag {
	L4_V_REVERSE = 1 << 0,   /* from the backend to the client */
	L4_V_ERROR = 1 << 1,     /* an ICMP error: the inner packet is translated too */
	L4_V_TOA = 1 << 2,       /* carries the client's address in a TCP option, if it fits */
	L4_V_MSS_CLAMP = 1 << 3, /* a SYN whose MSS must leave room for longer headers */
	L4_V_TRACKED = 1 << 4,
	L4_V_NEW = 1 << 5, /* this packet made the flow */
};

/* What the client gets when the packet ends here. */
enum l4_reply {
	L4_REPLY_NONE,
	L4_REPLY_RST,     /* TCP reset that answers the packet */
	L4_REPLY_NO_PORT, /* ICMP port unreachable */
};

struct l4_verdict {
	struct ip_addr nexthop;  /* whom the route is looked up for */
	struct ip_addr src, dst; /* with L4_OP_NAT: the addresses after it */
	uint16_t sport, dport;
	uint8_t op;    /* enum l4_op */
	uint8_t flags; /* enum l4_verdict_flag */
	uint8_t reply; /* enum l4_reply; only with a reason other than REASON_NONE */
	int8_t growth; /* bytes the IP packet grows by, TOA aside (MTU is checked with it); may be
			* negative */
	uint16_t service;
	uint16_t gue_port_be;
	uint32_t member;
	uint32_t flow_hash; /* spreads tunnel sources; the same for all packets of a flow */
	/* L4_V_ERROR with L4_OP_NAT: the inner packet's addresses and ports after translation. */
	struct ip_addr inner_src, inner_dst;
	uint16_t inner_sport, inner_dport;
	struct ip_addr client; /* with L4_V_TOA */
	uint16_t client_port;
};

enum l4_dir { L4_DIR_NONE, L4_DIR_CLIENT, L4_DIR_BACKEND };

/* What the stages of a burst hand on. */
struct l4_lookup {
	uint64_t hash;
	union {
		struct flow_key key;   /* L4_DIR_CLIENT */
		struct flow_back back; /* L4_DIR_BACKEND */
	};
	struct ip_addr client; /* L4_DIR_BACKEND: whom the backend speaks to, a local address or a
				  client */
	uint8_t dir;           /* enum l4_dir */
	uint8_t tables;        /* enum addr_flag: where the flow may be */
	bool error;            /* the key is of the packet inside an ICMP error */
};

/* Stage 1: whose packet is it? */
void l4_classify(const struct l4_table *t, const struct pkt_meta *m, struct l4_lookup *lk);
/* On the worker that owns it: starts loading the bucket. */
void l4_start(const struct l4_worker *w, struct l4_lookup *lk);
/* Stage 2: starts loading the entry. */
void l4_prefetch(const struct l4_worker *w, const struct l4_lookup *lk);
/* Stage 3. */
enum reason l4_decide_at(struct l4_worker *w, const struct pkt_meta *m, const struct l4_lookup *lk,
	uint64_t now_ns, struct l4_verdict *v) WARN_UNUSED;

/* All of them for one packet. */
static inline enum reason l4_decide(
	struct l4_worker *w, const struct pkt_meta *m, uint64_t now_ns, struct l4_verdict *v)
{
	struct l4_lookup lk;

	l4_classify(l4_worker_table(w), m, &lk);
	l4_start(w, &lk);
	return l4_decide_at(w, m, &lk, now_ns, v);
}

#endif
