/* SPDX-License-Identifier: Apache-2.0
 * tcp_world - an application on virtual ports among TCP hosts, on a virtual clock.
 *
 * The hosts are engines of their own on the other side of the wire. What the application sends is
 * treated as a port with offloads treats it (tests/support/offload.h), so its checksums and what it
 * asks to be cut are tested by the hosts' own checks.
 *
 * Owner:      the test; one world at a time. tcp_world_start() starts EAL and makes the wire, once.
 * Invariants: after tcp_world_close() no buffer of the wire or of the hosts is out, or it aborts.
 * Units:      ns; ports in host order.
 * Limits:     WORLD_HOSTS hosts, of one IPv4 and one IPv6 address each. */
#ifndef TESTS_SUPPORT_TCP_WORLD_H
#define TESTS_SUPPORT_TCP_WORLD_H

#include "dataplane/tcp/tcp.h"
#include "dataplane/base/rng.h"
#include "lb/app.h"
#include "tests/support/neighbours.h"

#define WORLD_HOSTS 6

struct tcp_world;

struct tcp_host {
	struct tcp_world *world;
	uint32_t port; /* of the wire */
	uint8_t mac[6], weir_mac[6];
	struct ip_addr addr4, addr6;
	struct tcp_engine *e;
};

struct tcp_world {
	struct app *app;
	uint64_t now_ns;
	uint16_t vlan;     /* of the hosts' frames; 0: none */
	uint32_t loss_ppm; /* of TCP segments, both ways */
	struct rng rng;    /* what is lost */
	uint32_t host_cnt;
	struct tcp_host hosts[WORLD_HOSTS];
	struct neighbours neighbours;
	/* What the application sent. */
	uint64_t frames, tso_frames, summed_frames; /* the last: the port had to make checksums */
	uint32_t longest, most_segs;
	const char *wrong; /* first complaint of offload_wrong() */
	/* Each packet as the application gave it to a port, before it is sent; NULL: not looked at.
	 */
	void (*sent)(struct tcp_world *w, uint32_t port, const struct rte_mbuf *m);
	/* A frame for no host; NULL: not looked at. */
	void (*stray)(struct tcp_world *w, uint32_t port, const uint8_t *frame, uint32_t len);
	uint64_t strays;
};

void tcp_world_start(void);
/* The configuration text must be accepted, and names the ports' MAC addresses. */
void tcp_world_open(struct tcp_world *w, const char *config);
/* A host on the wire of a port, whose MAC address in the configuration is weir_mac. */
struct tcp_host *tcp_world_host(struct tcp_world *w, uint32_t port, const char *addr4,
	const char *addr6, const uint8_t weir_mac[6]);
/* Let time pass, a millisecond at a time. */
void tcp_world_run(struct tcp_world *w, uint32_t ms);
/* A raw frame from the host: an IP packet behind the link header. */
void tcp_world_send(struct tcp_host *h, const void *ip, uint32_t len);
void tcp_world_close(struct tcp_world *w);
/* Buffers for what hosts send. */
struct rte_mempool *tcp_world_data_pool(void);

#endif
