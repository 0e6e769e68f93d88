/* SPDX-License-Identifier: Apache-2.0
 * wire - virtual Ethernet ports made of rings: what a test puts in, weir receives; what weir sends,
 * the test takes out.
 * Owner:      the test's thread. EAL must be started.
 * Lifetime:   wire_create() once in a process: an ethdev made of rings stays until EAL ends, and
 *             may be opened and closed as a port any number of times.
 * Units:      bytes of whole frames.
 * Limits:     WIRE_PORTS ports of one queue each; WIRE_RING packets in flight on each side;
 *             WIRE_FRAME_MAX bytes a frame.
 * Errors:     every failure aborts with a message: a test without its wire tells nothing. */
#ifndef TESTS_SUPPORT_WIRE_H
#define TESTS_SUPPORT_WIRE_H

#include "dataplane/base/compiler.h"

struct rte_mbuf;

#define WIRE_PORTS     3
#define WIRE_RING      8192
#define WIRE_FRAME_MAX 9216

/* Ethdevs "net_ring_p0", "net_ring_p1", ... are there afterwards. */
void wire_create(void);

/* A frame arrives on the port; `segs` > 1 cuts it into that many segments of a chain. */
void wire_put(uint32_t port, const uint8_t *frame, uint32_t len, uint32_t segs);

/* The next frame that was sent on the port, copied to out[WIRE_FRAME_MAX]; its length, 0 if there
 * is none. */
uint32_t wire_take(uint32_t port, uint8_t *out);

/* The same as it was sent, chain and flags and all, to be freed; NULL if there is none. */
struct rte_mbuf *wire_take_mbuf(uint32_t port);

/* Frames put in and not received yet are thrown away. */
void wire_reset(void);

/* Buffers of wire_put() that are not back: 0 once weir has let go of all. */
uint32_t wire_buffers_out(void);

#endif
