/* SPDX-License-Identifier: Apache-2.0
 * host_tap - the exception path: a TAP interface through which the host's own daemons (BGP, SSH)
 * speak by a port that DPDK owns.
 * Owner:      worker 0 pushes and pops; the control thread does all else.
 * Lifetime:   host_tap_create() to host_tap_destroy(), when no worker runs. The interface goes
 *             with it.
 * Invariants: HT1 each ring has one producer and one consumer: to the host worker 0 and control,
 *             from the host the other way round. HT2 no wake-up is lost: edges T1 and T2 of
 *             docs/concurrency.md. HT3 the kernel hands out whole frames with finished checksums
 *             (TUNSETOFFLOAD 0, no virtio header), and wants the same: partial checksums are to
 *             be filled in before.
 * Units:      whole Ethernet frames without FCS, up to mtu + 18 bytes.
 * Errors:     -errno of /dev/net/tun and its ioctls; -EINVAL for a name the kernel would not
 *             take as it is. What goes wrong later is counted (struct host_tap_stats).
 * Limits:     HOST_TAP_RING frames each way; HOST_TAP_BUDGET frames each way and host_tap_run().
 * Cost:       a push costs a fence, and one write(2) when control has drained all since the
 *             last. */
#ifndef DATAPLANE_EAL_HOST_TAP_H
#define DATAPLANE_EAL_HOST_TAP_H

#include "dataplane/base/compiler.h"

struct rte_mbuf;
struct rte_mempool;

#define HOST_TAP_RING   1024
#define HOST_TAP_BUDGET 64
#define HOST_TAP_SEGS   16 /* segments of a frame to the host */

struct host_tap;

struct host_tap_stats {
	uint64_t to_host, from_host; /* frames that got through */
	uint64_t to_host_failed;     /* interface down, or the kernel did not take it */
	uint64_t oversize;           /* from the host, larger than the port's MTU */
	uint64_t no_mbuf;
	uint64_t ring_full; /* from the host, worker 0 does not keep up */
};

/* Make interface `name` with this MAC and MTU and bring it up. pool must be safe for several
 * threads. */
int host_tap_create(struct host_tap **out, const char *name, const uint8_t mac[6], uint16_t mtu,
	struct rte_mempool *pool) WARN_UNUSED;
/* Frees what waits in the rings. */
void host_tap_destroy(struct host_tap *t);
/* An eventfd that is written whenever frames were put in for worker 0; -1 (the default): none. */
void host_tap_set_wake(struct host_tap *t, int wake_fd);

/* Worker 0: give a frame to the host. False: the ring is full and the frame stays the caller's. */
bool host_tap_push(struct host_tap *t, struct rte_mbuf *m);
/* Worker 0: frames from the host, to be transmitted as they are; returns how many. */
uint32_t host_tap_pop(struct host_tap *t, struct rte_mbuf **pkts, uint32_t n);

/* Control: poll(2) both for POLLIN, then call host_tap_run(). host_tap_fd() is -1 when somebody has
 * deleted the interface. */
int host_tap_fd(const struct host_tap *t);
int host_tap_doorbell(const struct host_tap *t);
/* Move frames both ways, up to the budget; returns how many. Never waits. */
uint32_t host_tap_run(struct host_tap *t);
void host_tap_stats(const struct host_tap *t, struct host_tap_stats *out);

#endif
