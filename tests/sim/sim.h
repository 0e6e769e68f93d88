/* SPDX-License-Identifier: Apache-2.0
 * sim - TCP engines on a virtual clock and a seeded wire.
 *
 * Up to SIM_HOSTS hosts, each with an engine, pools and one wire for what it sends. A packet is
 * copied on the wire, as a real one is; offloads that the engine asked for are done there
 * (checksum, TSO) and those it did itself are verified. Everything random comes from the seed, so a
 * run repeats.
 *
 * Owner:      the test; one simulation at a time in a process.
 * Invariants: checked after every step: tcp_check() of each engine that ran; checksums and lengths
 *             of every packet, and what offloads ask for; advertised right edges never move left;
 *             nothing is sent beyond a FIN. At the end: no connection, mbuf or timer is left.
 * Errors:     sim_fail() and a failing ASSERT print the seed, write the run's packets to
 *             build/sim/SEED.pcap (or $SIM_PCAP) and abort.
 * Units:      times in ns; rates in bits a second; probabilities in parts per million. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <rte_mbuf.h>

#include "dataplane/base/reason.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "dataplane/tcp/tcp.h"

#define SIM_HOSTS 3
#define SIM_START UINT64_C(1000000000000)

struct sim_wire {
	uint64_t delay_ns, jitter_ns; /* jitter reorders only together with reorder_ppm */
	uint64_t rate_bps;            /* 0: infinite */
	uint32_t queue_bytes;         /* of the rate's queue; 0: infinite */
	uint32_t loss_ppm;
	uint32_t burst_enter_ppm,
		burst_exit_ppm; /* a two-state loss; all is lost in the bad state */
	uint32_t reorder_ppm;   /* these wait reorder_ns longer */
	uint64_t reorder_ns;
	uint32_t dup_ppm, corrupt_ppm;
	uint32_t ce_ppm;  /* ECN-capable packets marked */
	uint32_t urg_ppm; /* data packets that get an urgent pointer */
	uint32_t mtu;     /* larger IP packets are dropped; 0: none is */
	bool icmp;        /* and reported */
	bool down;        /* partition */
};

struct sim_host_config {
	bool csum_offload, tso;
	uint16_t tso_segs;     /* most payload mbufs of a TSO frame; 0: the engine's limit */
	uint32_t tso_bytes;    /* with tso; 0: 60000 */
	bool single_segment;   /* the port takes no chains */
	bool watch_rx;         /* the engine looks at its receive pool's level */
	uint16_t mtu;          /* of the route; 0: 1500 */
	uint64_t poll_ns;      /* packets wait for the next multiple; 0: none */
	struct tcp_config tcp; /* pools, callbacks and secret are filled in */
};

struct sim;

struct sim_host {
	struct sim *sim;
	int id;
	struct tcp_engine *e;
	struct ledger ledger;
	struct sim_host_config cfg;
	struct sim_wire wire;
	struct ip_addr addr4, addr6;
	struct rte_mempool *rx, *hdr, *ref, *app, *data;
	uint64_t free_at_ns; /* when the rate lets the next packet go */
	bool bad_state;
	uint64_t bad_until_ns;
	uint32_t route_mtu;
	bool no_route;
	uint64_t ports_refused;
};

typedef void (*sim_event_fn)(void *arg);

/* Called with every packet when it is sent, before loss; for tests that look at the wire. Returning
 * false drops it. */
typedef bool (*sim_tap_fn)(void *ctx, int from, const uint8_t *ip, uint32_t len);

struct sim *sim_create(uint64_t seed, int hosts, const struct sim_host_config *cfgs);
/* Fails unless everything is back; `force` frees what connections hold first. */
void sim_destroy(struct sim *s, bool force);

struct sim_host *sim_host(struct sim *s, int id);
struct rng *sim_rng(struct sim *s);
uint64_t sim_now(const struct sim *s);
void sim_tap(struct sim *s, sim_tap_fn fn, void *ctx);
/* Call fn(arg) at a time. */
void sim_at(struct sim *s, uint64_t when_ns, sim_event_fn fn, void *arg);
/* Let a host's engine act on calls that were made outside of its callbacks. */
void sim_kick(struct sim *s, int host);

/* Do what is next in time. false: nothing is left to happen before `until_ns`; time is there then.
 */
bool sim_step(struct sim *s, uint64_t until_ns);
void sim_run(struct sim *s, uint64_t until_ns);
/* Put a raw IP packet before a host, now. */
void sim_inject(struct sim *s, int host, const void *ip, uint32_t len);

/* A payload mbuf from a host's application pool; NULL when it is empty. */
struct rte_mbuf *sim_payload(struct sim_host *h, const void *bytes, uint32_t len);

_Noreturn void sim_fail(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* TIME_WAIT records are not leaks; everything else is. */
bool sim_quiet(const struct sim *s);

#endif
