/* SPDX-License-Identifier: Apache-2.0
 * neigh - the neighbour table of one worker: ARP (RFC 826, 5227) and neighbour discovery (RFC 4861,
 * host parts). Resolves next hops, holds packets while it does, answers for own addresses.
 * Owner:      one worker. It sees every ARP and ND packet of every port (copies of what other
 *             workers received included), so that all tables learn; only the receiver answers.
 * Invariants: NE1 an entry is created by a packet that wants to go out, never by one that came in;
 *             what comes in updates entries that exist.
 *             NE2 an entry is on exactly one list: unresolved (INCOMPLETE, FAILED) or resolved.
 *             NE3 ledger->held counts exactly the packets in the queues.
 *             NE4 a packet given to neigh_send() is emitted, held or counted as ended.
 * Units:      times in ns, monotonic.
 * Limits:     capacity <= LIMIT_NEIGHBOURS entries, a quarter of them unresolved at a time, so that
 *             a scan cannot push out those in use; LIMIT_NEIGH_QUEUE packets for one entry, of
 *             which the oldest goes when one more comes (RFC 4861 7.2.2, RFC 1122 2.3.2.2);
 *             LIMIT_NEIGH_HELD over all, then the new one goes. Requests NEIGH_REQUEST_RATE a
 *             second; a request over it is late, not lost.
 * Cost:       a cached reference costs one line and two compares; else one hash lookup. */
#ifndef DATAPLANE_NET_NEIGH_H
#define DATAPLANE_NET_NEIGH_H

#include "dataplane/net/build.h"
#include "dataplane/net/emit.h"
#include "dataplane/net/netif.h"
#include "dataplane/net/pkt.h"

struct rte_mempool;

#define NEIGH_REACHABLE_NS (UINT64_C(30) * 1000000000) /* times 0.5 to 1.5 */
#define NEIGH_RETRANS_NS   (UINT64_C(1) * 1000000000)
#define NEIGH_DELAY_NS     (UINT64_C(5) * 1000000000)
#define NEIGH_FAILED_NS    (UINT64_C(2) * 1000000000) /* no new attempt for so long */
#define NEIGH_LOCK_NS \
	(UINT64_C(1) * 1000000000) /* what was learned so lately stands against gossip */
#define NEIGH_TRIES         3
#define NEIGH_REQUEST_RATE  1000
#define NEIGH_REQUEST_BURST 128

enum neigh_state {
	NEIGH_FREE,
	NEIGH_INCOMPLETE, /* asked, packets are held */
	NEIGH_FAILED,     /* no answer: packets are dropped at once until the timer frees it */
	NEIGH_REACHABLE,
	NEIGH_STALE, /* known, not confirmed lately; the next use starts DELAY */
	NEIGH_DELAY, /* in use, giving upper layers time to confirm */
	NEIGH_PROBE, /* in use, asking by unicast */
};

/* An entry that a caller may keep; zero is none. It goes stale when the entry is evicted. */
struct neigh_ref {
	uint32_t idx, gen;
};

struct neigh_hot {
	uint64_t fresh_until_ns; /* before it a use needs no thought */
	uint32_t gen;
	uint8_t mac[6];
	uint8_t used;  /* since the eviction clock passed */
	uint8_t state; /* enum neigh_state */
};

struct neigh {
	struct neigh_hot *hot; /* the rest is private */
};

struct neigh_conf {
	const struct net_if *ifs; /* by port id; stays the caller's, may change between calls */
	uint32_t if_cnt;
	struct rte_mempool *pool; /* for requests and answers */
	struct net_emit emit;
	struct ledger *ledger;
	uint32_t capacity; /* 4 to LIMIT_NEIGHBOURS */
	uint64_t seed;     /* of the jitter */
	/* Do we answer for this address on this port: own or virtual? */
	bool (*owns)(void *ctx, uint16_t port, const struct ip_addr *a);
	/* Somebody else uses an address of ours; at most once a second. May be NULL. */
	void (*conflict)(void *ctx, uint16_t port, const struct ip_addr *a, const uint8_t mac[6]);
	void *ctx;
};

struct neigh_stats {
	uint32_t entries, unresolved, held; /* gauges */
	uint64_t requests, answers, conflicts, evicted, failed, late_requests;
};

/* 0, -EINVAL or -ENOMEM. */
int neigh_create(const struct neigh_conf *conf, uint64_t now_ns, struct neigh **out) WARN_UNUSED;
/* Held packets end as REASON_STOPPED. NULL is fine. */
void neigh_destroy(struct neigh *n);

/* Run due timers; once per turn of the loop. */
void neigh_tick(struct neigh *n, uint64_t now_ns);
/* When the next timer may be due; UINT64_MAX for none. */
uint64_t neigh_next_ns(const struct neigh *n);

/* MAC behind a cached reference while it is fresh; NULL: ask neigh_send() or neigh_resolve(). */
ALWAYS_INLINE const uint8_t *neigh_mac(const struct neigh *n, struct neigh_ref ref, uint64_t now_ns)
{
	struct neigh_hot *h = &n->hot[ref.idx];

	if (unlikely(h->gen != ref.gen || h->fresh_until_ns <= now_ns))
		return NULL;
	if (unlikely(!h->used))
		h->used = 1;
	return h->mac;
}

/* Start to resolve without a packet. The MAC if it is known now (and *ref set), else NULL. A
 * multicast or limited broadcast address has a computed MAC and no reference. */
const uint8_t *neigh_resolve(struct neigh *n, uint16_t port, const struct ip_addr *hop,
	struct neigh_ref *ref, uint64_t now_ns);

/* Send an IP packet whose header is at l3_off to the next hop `hop` on `port`: gives it the link
 * header, and emits it now or when the neighbour has answered. Takes m in any case. *ref caches
 * the entry between calls for the same hop and port; start with zero. */
void neigh_send_slow(struct neigh *n, uint16_t port, const struct ip_addr *hop,
	struct neigh_ref *ref, struct rte_mbuf *m, uint16_t l3_off, uint64_t now_ns);

void neigh_send(struct neigh *n, uint16_t port, const struct ip_addr *hop, struct neigh_ref *ref,
	struct rte_mbuf *m, uint16_t l3_off, uint64_t now_ns);

/* An upper layer saw the neighbour make progress (RFC 4861 7.3.1): no probe needed for a while. */
void neigh_confirm(struct neigh *n, struct neigh_ref ref, uint64_t now_ns);

/* ARP, or ICMPv6 of types 133 to 137, as parsed: learn, and answer if `answer`. The packet stays
 * the caller's and ends with the reason returned; REASON_NONE: it is no such packet. */
enum reason neigh_input(struct neigh *n, uint16_t port, const struct rte_mbuf *m,
	const struct pkt_meta *pm, bool answer, uint64_t now_ns) WARN_UNUSED;

/* Tell the link that these addresses are here: gratuitous ARP (RFC 5227 3), unsolicited NA (RFC
 * 4861 7.2.6). Returns how many went out; fewer when buffers lack. */
uint32_t neigh_announce(struct neigh *n, uint16_t port, const struct ip_addr *addrs, uint32_t cnt);
/* Ask whether somebody has `a` (RFC 5227 2.1.1, RFC 4862 5.4.2); an answer comes as a conflict. */
bool neigh_probe_duplicate(struct neigh *n, uint16_t port, const struct ip_addr *a);

/* Forget the neighbours of a port, as when its link went down. Held packets end as
 * REASON_TX_PORT_DOWN. */
void neigh_flush(struct neigh *n, uint16_t port);

struct neigh_stats neigh_stats(const struct neigh *n);
struct neigh_info {
	struct ip_addr addr;
	uint16_t port, queued;
	uint8_t mac[6], state;
};
void neigh_each(
	const struct neigh *n, void (*fn)(void *ctx, const struct neigh_info *info), void *ctx);
const char *neigh_state_name(enum neigh_state s);

/* ff02::1:ffXX:XXXX of an address (RFC 4291 2.7.1). */
struct ip_addr ip6_solicited_node(const struct ip_addr *a);
/* MAC of a multicast or limited broadcast address (RFC 1112 6.4, RFC 2464 7). */
void mac_from_group(const struct ip_addr *a, uint8_t mac[6]);

#endif
