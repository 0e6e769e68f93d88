/* SPDX-License-Identifier: Apache-2.0
 * health - runs the probes of a plan: makes packets, judges answers, announces what changed.
 * Owner:      one worker. Control only reserves room, pops events and reads counters.
 * Lifetime:   health_engine_create() to health_engine_destroy(); plans come and go meanwhile.
 * Invariants: HE1 at most one probe of a target is under way. HE2 a target is not up before its
 *             first success, and its first success brings it up. HE3 what control was told last
 *             about a target is its state, or an announcement waits. HE4 an answer counts only
 *             if it repeats what a stranger cannot know: ICMP identifier, sequence and 8 bytes
 *             of payload; TCP port and acknowledgement; UDP port, and it comes from the address
 *             that was asked. HE5 a timeout that is noticed late by more than HEALTH_LATE_NS is
 *             put off once by that lateness: answers may wait in a queue that this worker has
 *             not read.
 * Units:      ns; `now_ns` is an argument and never goes back. Ports of struct health_conf are
 *             in host order.
 * Errors:     a probe that cannot be built for want of a buffer or a free source port is tried
 *             again soon and counts for nothing; one without a source address fails.
 * Limits:     HEALTH_BATCH timers a run; HEALTH_SCAN targets of a new plan looked at a run.
 * Cost:       no allocation, lock or system call on the worker. */
#ifndef LB_HEALTH_HEALTH_H
#define LB_HEALTH_HEALTH_H

#include "dataplane/base/hash.h"
#include "dataplane/base/reason.h"
#include "dataplane/net/pkt.h"
#include "lb/health/plan.h"

struct rte_mbuf;
struct rte_mempool;

#define HEALTH_BATCH         32
#define HEALTH_SCAN          256
#define HEALTH_LATE_NS       UINT64_C(10000000)
#define HEALTH_FLAP_DECAY_NS UINT64_C(60000000000) /* one flap is forgiven after that */
#define HEALTH_DAMP_MAX      4                     /* rise grows at most 2^4 times */
#define HEALTH_FAST_DIV      10 /* a refused probe is repeated after interval / 10 */
#define HEALTH_PORT_LO       61440
#define HEALTH_PORT_HI       65535

enum health_state { HEALTH_CHECKING, HEALTH_UP, HEALTH_DOWN };

#define HEALTH_RESULTS(R)                                          \
	R(NONE, "no result yet")                                   \
	R(OK, "answered")                                          \
	R(TIMEOUT, "no answer in time")                            \
	R(REFUSED, "connection refused")                           \
	R(UNREACHABLE, "ICMP error")                               \
	R(MISMATCH, "answer does not begin with what is expected") \
	R(NO_SOURCE, "no own address or route to probe from")      \
	R(TLS, "the TLS handshake failed")                         \
	R(CERTIFICATE, "the certificate was not accepted")

enum health_result {
#define R(name, text) HEALTH_RESULT_##name,
	HEALTH_RESULTS(R)
#undef R
		HEALTH_RESULT_COUNT
};

/* "timeout", and the sentence of the table. */
const char *health_result_name(enum health_result r);
const char *health_result_text(enum health_result r);
const char *health_state_name(enum health_state s);

struct health_event {
	uint32_t id;
	uint16_t epoch; /* of the target; tells an old owner of the id from the new one */
	enum health_state state;
	enum health_result why;
	uint64_t rtt_us; /* of the last success; cut at 67 s */
};

struct health_stats {
	uint64_t sent, ok, failed, late; /* late: answers that came when nobody waited any more */
	uint64_t no_mbuf, no_port;       /* probes put off for want of a buffer, of a source port */
	uint64_t rtt_ns;                 /* of the last success */
	uint64_t last_change_ns;         /* 0: never */
	uint64_t flaps;                  /* times it went from up to down */
	uint64_t last_result;            /* enum health_result */
};

struct health_conf {
	struct siphash_key key; /* secret: identifiers, sequence numbers and ports come from it */
	uint64_t seed;          /* jitter */
	uint16_t port_lo, port_hi; /* source ports, reserved for probes; both 0: the default */
	uint32_t event_ring;       /* slots; 0: 1024 */
	struct rte_mempool *pool;
	struct ledger *ledger; /* of the worker: born is counted here */
	/* Own address that a probe of t leaves from, of the family of t->dst; false if there is
	 * none. */
	bool (*source)(void *ctx, const struct health_target *t, struct ip_addr *src);
	/* Takes m: a whole IP packet with checksums, no Ethernet, to be encapsulated as t->mode
	 * says and delivered to t->backend. Must not call back into the engine. */
	void (*send)(void *ctx, const struct health_target *t, struct rte_mbuf *m);
	/* Begin an exchange of type HTTP; its outcome comes by health_answer(), not inside this.
	 * False: try again soon. NULL: there is nobody to do it. */
	bool (*ask)(void *ctx, const struct health_target *t, uint64_t attempt);
	void *ctx;
};

struct health_engine;

/* NULL when memory is short. */
struct health_engine *health_engine_create(
	const struct health_conf *conf, uint64_t now_ns) WARN_UNUSED;
/* The plan stays its owner's. */
void health_engine_destroy(struct health_engine *e);

/* Control, before the plan is sent to the worker (edge R1 of the message ring publishes the room):
 * take memory for all its targets. 0 or -ENOMEM. */
int health_engine_reserve(struct health_engine *e, const struct health_plan *plan) WARN_UNUSED;

/* Worker: from now on `plan` is in force; the one before is no longer read. */
void health_engine_apply(struct health_engine *e, const struct health_plan *plan, uint64_t now_ns);

/* Worker, every loop: send what is due and time out what is late. Call it after the receive burst.
 * Returns the number of events pushed since the last call. */
uint32_t health_run(struct health_engine *e, uint64_t now_ns);
/* When health_run has to be called next; UINT64_MAX: not before something arrives. */
uint64_t health_next_ns(const struct health_engine *e);

/* Worker: is this parsed packet, for an own address and with its transport checksum found good, an
 * answer to a probe? If so it has been used and the caller ends it with REASON_HEALTH_REPLY; the
 * mbuf stays the caller's either way. */
bool health_input(struct health_engine *e, const struct pkt_meta *meta, const struct rte_mbuf *m,
	uint64_t now_ns);

/* Worker: how the exchange of target id turned out; what comes late is counted as such. */
void health_answer(struct health_engine *e, uint32_t id, uint64_t attempt, enum health_result r,
	uint64_t now_ns);

/* Control: the next event; false if there is none. */
bool health_event_pop(struct health_engine *e, struct health_event *out);
/* Control: counters of one target, each exact, together racy. Zeroes for an id never reserved. */
void health_stats_read(const struct health_engine *e, uint32_t id, struct health_stats *out);

#endif
