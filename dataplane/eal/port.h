/* SPDX-License-Identifier: Apache-2.0
 * port - one ethdev: opening, queues, capabilities and what stands in for a missing one.
 * Owner:      the control thread opens and closes; queue q is used by one worker alone.
 * Lifetime:   port_open() ... port_close(); nothing is reconfigured in between.
 * Units:      lengths in bytes; MAC as on the wire.
 * Errors:     -errno with a log line. Burst functions return counts.
 * Cost:       port_rx() and port_tx() are the driver's burst call and, for a port without
 *             multi-segment transmission, one copy of each packet that has several segments. */
#ifndef DATAPLANE_EAL_PORT_H
#define DATAPLANE_EAL_PORT_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"

struct rte_mbuf;
struct rte_mempool;

enum port_cap {
	PORT_CAP_TX_MULTI_SEG = 1 << 0,
	PORT_CAP_TX_IP4_CKSUM = 1 << 1,
	PORT_CAP_TX_L4_CKSUM = 1 << 2, /* TCP and UDP, both families */
	PORT_CAP_RX_CKSUM = 1 << 3,
	PORT_CAP_RSS = 1 << 4, /* key and redirection table could be programmed */
	PORT_CAP_RX_INTR = 1 << 5,
	PORT_CAP_TX_TSO = 1 << 6, /* cuts TCP frames of both families; has all caps above */
};

enum port_steering { PORT_STEER_SOFTWARE, PORT_STEER_RSS };

/* What an idle worker waits on for one queue. */
enum port_wait {
	PORT_WAIT_SLEEP, /* nothing to wait on: short sleeps */
	PORT_WAIT_FD,    /* poll(2) on `fd` */
	PORT_WAIT_INTR,  /* receive interrupt */
};

struct port_params {
	const char *name, *device;
	uint16_t idx;
	uint16_t mtu; /* IP bytes */
	uint16_t rx_queue_len, tx_queue_len;
	uint8_t mac[6]; /* zero: as the device has it */
	uint32_t worker_cnt;
	bool want_rss; /* try RSS; false: software hand-off */
	bool numa_strict;
	struct rte_mempool *pool;
};

enum port_rss_kind {
	PORT_RSS_TCP4 = 1 << 0,
	PORT_RSS_UDP4 = 1 << 1,
	PORT_RSS_TCP6 = 1 << 2,
	PORT_RSS_UDP6 = 1 << 3,
};

#define PORT_RSS_KEY_LEN 40
#define PORT_RETA_MAX    512

struct port {
	char name[LIMIT_NAME];
	char device[LIMIT_NAME];
	uint16_t id;  /* ethdev */
	uint16_t idx; /* ours */
	uint16_t mtu;
	uint16_t rxq_cnt, txq_cnt;
	uint16_t rx_waiting; /* of rx_queue_len, what the driver does not hold: the worker does */
	uint32_t caps;       /* enum port_cap */
	uint16_t tx_segs;    /* most mbufs of one frame; 1 without PORT_CAP_TX_MULTI_SEG */
	uint8_t mac[6];
	bool hotplugged, is_pci;
	int socket; /* NUMA node or -1 */
	enum port_steering steering;
	uint16_t reta_size;   /* power of two; with PORT_CAP_RSS */
	uint8_t rss_kinds;    /* enum port_rss_kind: what is hashed with its ports */
	_Atomic bool rss_bad; /* any worker saw the NIC hash otherwise; never taken back */
	uint16_t reta[PORT_RETA_MAX];
	uint8_t rss_key[PORT_RSS_KEY_LEN];
	enum port_wait wait;
	int fd; /* with PORT_WAIT_FD */
};

/* Bytes of a buffer that holds any frame of a port with this MTU, whatever its driver. */
uint32_t port_frame_room(uint16_t mtu);

/* Attach the device (a PCI address, an existing ethdev's name, or driver,args of a virtual one),
 * configure `min(worker_cnt, what it offers)` queues and start it. */
int port_open(struct port *p, const struct port_params *params) WARN_UNUSED;
void port_close(struct port *p);

uint16_t port_rx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);

/* Must be called once, right before it is queued for port_tx(), for each packet with
 * RTE_MBUF_F_TX_* flags: some drivers want its headers changed, and not twice. false: it can never
 * be sent. */
bool port_tx_prepare(const struct port *p, uint16_t queue, struct rte_mbuf *m);

/* Sends up to n packets, returns how many the port took; the rest stays the caller's. A packet
 * that cannot be made linear is left as the first of the rest. */
uint16_t port_tx(const struct port *p, uint16_t queue, struct rte_mbuf **pkts, uint16_t n);

bool port_link_up(const struct port *p);

struct port_stats {
	uint64_t rx_packets, rx_bytes, rx_missed, rx_errors, rx_nombuf;
	uint64_t tx_packets, tx_bytes, tx_errors;
};
void port_stats(const struct port *p, struct port_stats *out);

/* Queue to which RSS sends a packet of this Toeplitz hash; only with PORT_CAP_RSS. */
static inline uint16_t port_rss_queue(const struct port *p, uint32_t hash)
{
	return p->reta[hash & (p->reta_size - 1u)];
}

/* The key that all ports get. */
void port_rss_key(uint8_t key[PORT_RSS_KEY_LEN]);

/* Toeplitz hash of a tuple under the port's key, which is port_rss_key(). src and dst have addr_len
 * (4 or 16) bytes, all in network order; with_ports says whether ports are hashed too. */
uint32_t port_rss_hash(const struct port *p, const void *src, const void *dst, uint32_t addr_len,
	uint16_t sport, uint16_t dport, bool with_ports);

#endif
