/* SPDX-License-Identifier: Apache-2.0
 * offload - what a port with checksum and TSO offload does to a frame.
 *
 * The sums are made as hardware makes them: from the seed that the frame carries, not from its
 * addresses. So a wrong pseudo-header (rte_ipv4_phdr_cksum() has the rule, with and without TSO)
 * comes out as a wrong checksum.
 *
 * Owner:  the test. Nothing is kept, mbufs stay the caller's.
 * Limits: one frame of OFFLOAD_MAX bytes at a time; not re-entrant. */
#ifndef TESTS_SUPPORT_OFFLOAD_H
#define TESTS_SUPPORT_OFFLOAD_H

#include "dataplane/base/compiler.h"

struct rte_mbuf;

#define OFFLOAD_MAX 65700

/* What is wrong with the frame's flags, lengths and seed; NULL: nothing. */
const char *offload_wrong(const struct rte_mbuf *m);

/* Calls fn with each frame that leaves, link header included. The frame passed offload_wrong(). */
void offload_send(
	const struct rte_mbuf *m, void (*fn)(void *ctx, uint8_t *frame, uint32_t len), void *ctx);

#endif
