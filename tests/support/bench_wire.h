/* SPDX-License-Identifier: Apache-2.0
 * bench_wire - hosts of the benchmarks: a TCP engine each, and a wire that hands mbufs over.
 * Owner:      the benchmark program; one thread.
 * Lifetime:   pools of a host number are made once in a process and serve the next host of it.
 * Invariants: what a host has sent stays in its `out` until the one it is for takes it.
 * Limits:     BENCH_WIRE_MAX frames under way from one host; more abort.
 * Errors:     every failure aborts: a benchmark without its wire measures nothing. */
#ifndef TESTS_SUPPORT_BENCH_WIRE_H
#define TESTS_SUPPORT_BENCH_WIRE_H

#include <rte_mbuf.h>

#include "dataplane/net/pkt.h"
#include "dataplane/tcp/tcp.h"

#define BENCH_WIRE_MAX   8192
#define BENCH_WIRE_BURST 32

struct bench_host {
	struct tcp_engine *e; /* bench_host_engine(), or one that the benchmark brings */
	struct rte_mempool *hdr, *ref, *data, *rx;
	struct ip_addr addr; /* 10.0.0.1 and up, by number */
	bool csum;           /* its port sums */
	uint32_t tso_bytes;  /* its port cuts */
	struct rte_mbuf *out[BENCH_WIRE_MAX];
	uint32_t out_n;
};

/* Numbers of mbufs; EAL of tests has 96 MB for all. */
struct bench_pools {
	uint32_t hdr, ref, data, rx;
};
void bench_host_init(struct bench_host *h, uint32_t id, const struct bench_pools *n);

/* A pool that is made once; `data_room` as of rte_pktmbuf_pool_create(). */
struct rte_mempool *bench_pool(const char *what, uint32_t id, uint32_t n, uint16_t data_room);

/* The host's route and wire, for an engine of its own. */
struct tcp_callbacks bench_host_callbacks(struct bench_host *h);

/* An engine out of `conf`, whose zero members become what suits a benchmark. */
void bench_host_engine(struct bench_host *h, const struct tcp_config *conf, uint64_t now_ns);
void bench_host_fini(struct bench_host *h);

/* The frames that `from` has sent to `to`, at most BENCH_WIRE_MAX: as they are, or copied into
 * `to`'s receive buffers as a port does. Returns how many. */
uint32_t bench_wire_take(struct bench_host *from, struct bench_host *to, bool as_copy,
	struct rte_mbuf **mbufs, struct pkt_meta *metas);

/* Timers, callbacks and output of the host's engine. */
void bench_host_flush(struct bench_host *h, uint64_t now_ns);

/* Bytes out of the host's data pool, in full segments; the connection must have room for all. */
void bench_send(struct bench_host *h, uint64_t conn, const char *p, uint32_t n);

/* Callbacks of applications that have nothing to say to an event, and that close when the peer
 * does. */
void bench_on_nothing(struct tcp_engine *e, uint64_t conn, void *user);
void bench_on_eof(struct tcp_engine *e, uint64_t conn, void *user);

/* Segments of a chain that lists them by `next` alone, as the engine hands them out. */
void bench_chain_free(struct rte_mbuf *m);

#endif
