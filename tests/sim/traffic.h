/* SPDX-License-Identifier: Apache-2.0
 * traffic - applications for simulations: they send bytes that can be checked, at random paces,
 * hold what they receive for a while, and close in every order.
 * Owner:      the test; freed with traffic_fini().
 * Invariants: every byte that arrives is the one that was sent at that place; on_closed comes at
 *             most once and last; no callback follows tcp_close or tcp_abort. */
#ifndef TESTS_SIM_TRAFFIC_H
#define TESTS_SIM_TRAFFIC_H

#include "tests/sim/sim.h"

#define TRAFFIC_CONNS 16

enum traffic_end {
	TRAFFIC_SHUTDOWN,    /* shutdown after the last byte, close after the peer's end */
	TRAFFIC_CLOSE,       /* close once all was sent and received */
	TRAFFIC_ABORT,       /* abort in the middle */
	TRAFFIC_CLOSE_EARLY, /* close in the middle: the peer may see a reset */
};

struct traffic_side {
	struct traffic *t;
	struct sim_host *h;
	struct traffic_side *peer;
	uint64_t conn;
	uint64_t key; /* of the bytes it sends */
	uint64_t to_send, sent, received, unconsumed;
	enum traffic_end end;
	uint64_t end_at; /* bytes sent after which ABORT and CLOSE_EARLY strike */
	uint32_t max_chunk;
	uint64_t think_ns; /* pause between sends and reads, at random up to this */
	bool up, shut, eof, closed, dropped, ticking;
	bool want_write;
	enum tcp_end why;
};

struct traffic {
	struct sim *s;
	int pairs;
	uint16_t port;                              /* of the first pair; 0 takes 80 */
	struct traffic_side side[TRAFFIC_CONNS][2]; /* [0] connects, [1] accepts */
};

/* Start `pairs` connections from host `from` to host `to`, one port each, with random applications.
 */
void traffic_init(
	struct traffic *t, struct sim *s, int from, int to, int pairs, bool v6, uint64_t max_bytes);
/* One connection from `from` to a relay on host `via`, which connects to host `to`, port 80. */
void traffic_relay(struct traffic *t, struct sim *s, int from, int via, int to, uint64_t max_bytes);
/* Are all of them over on both sides? */
bool traffic_done(const struct traffic *t);
/* For a failure's report. */
void traffic_print(const struct traffic *t);
/* Fails unless what had to arrive did. */
void traffic_verify(const struct traffic *t);

/* The byte at a place of a stream. */
static inline uint8_t traffic_byte(uint64_t key, uint64_t at)
{
	uint64_t z = (key + (at >> 3)) * UINT64_C(0x9e3779b97f4a7c15);

	z ^= z >> 29;
	return (uint8_t)(z >> (8 * (at & 7)));
}

#endif
