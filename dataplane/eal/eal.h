/* SPDX-License-Identifier: Apache-2.0
 * eal - starts and stops DPDK with arguments made from the configuration.
 * Owner:    the control thread; once per process.
 * Lifetime: eal_start() ... eal_stop().
 * Threads:  the caller becomes lcore 0 (control, not pinned); worker i is lcore i + 1, pinned to
 *           its core.
 * Errors:   -errno, and a log line that names the cause. */
#ifndef DATAPLANE_EAL_EAL_H
#define DATAPLANE_EAL_EAL_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"

struct rte_mempool;

struct eal_params {
	bool hugepages;        /* false: ordinary pages, for tests and small machines */
	uint64_t mem_bytes;    /* memory for DPDK; 0: eal_memory_need() of the pool */
	const uint16_t *cores; /* one per worker */
	uint32_t worker_cnt;
	const char *const *pci; /* PCI addresses to attach; no other device is touched */
	uint32_t pci_cnt;
	bool verbose;   /* let DPDK's own messages through */
	bool telemetry; /* open DPDK's telemetry socket */
	/* File prefix under which secondary processes attach, with packet capture (pdump) for
	 * them; NULL or "": none can. Needs hugepages. */
	const char *secondaries;
};

int eal_start(const struct eal_params *p) WARN_UNUSED;
void eal_stop(void);

/* lcore of worker i. */
static inline unsigned eal_worker_lcore(uint32_t worker)
{
	return worker + 1;
}

/* What each packet buffer carries besides the packet: how it travels between workers. */
struct pkt_priv {
	uint16_t port;         /* index of the port to transmit on, or of arrival */
	uint8_t route;         /* enum pkt_route */
	uint8_t hops;          /* hand-offs so far */
	uint16_t sport, dport; /* with PKT_ROUTE_FRAGMENT: the datagram's ports, network order */
};

enum pkt_route {
	PKT_ROUTE_INPUT,    /* as if received by the worker that takes it */
	PKT_ROUTE_FRAGMENT, /* a fragment whose ports are known */
	PKT_ROUTE_LOCAL,    /* for the box's own addresses, balancer already asked */
	PKT_ROUTE_TRANSMIT, /* finished frame, the taker owns the transmit queue */
	PKT_ROUTE_LEARN,    /* copy of an ARP or ND packet: learn, do not answer */
};

/* Packet pool for `count` buffers that take a frame of `frame_len` bytes behind
 * RTE_PKTMBUF_HEADROOM; NULL when memory is short. */
struct rte_mempool *eal_pool_create(
	const char *name, uint32_t count, uint32_t frame_len, int socket) WARN_UNUSED;

/* Bytes of DPDK memory that such a pool needs, with what EAL takes for itself. */
uint64_t eal_memory_need(uint32_t count, uint32_t frame_len);

#endif
