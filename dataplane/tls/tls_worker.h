/* SPDX-License-Identifier: Apache-2.0
 * tls_worker - what the TLS connections of one worker share: library context, pools, timers.
 * Owner:      struct tls_libs: control. struct tls_worker: one worker; created and destroyed by
 *             control while that worker does not run.
 * Lifetime:   libs outlive workers, servers and clients. Destroying a worker drops its connections
 *             without a packet or callback; the engine's handles are then without an owner.
 * Invariants: TW1 each worker has a library context of its own, with its algorithms fetched: no
 *             lock of OpenSSL is ever contended, no fetch happens per connection or record.
 * Units:      ns, monotonic.
 * Limits:     conf.max_conns, conf.max_handshakes: what is above is refused and counted. */
#ifndef DATAPLANE_TLS_TLS_WORKER_H
#define DATAPLANE_TLS_TLS_WORKER_H

#include "dataplane/base/compiler.h"
#include "dataplane/tls/tls.h"

struct tls_libs;
struct tls_tickets;

/* Library contexts of `worker_cnt` workers. -ENOMEM, or -ENOSYS if OpenSSL lacks an algorithm. */
int tls_libs_create(uint32_t worker_cnt, struct tls_libs **out) WARN_UNUSED;
void tls_libs_destroy(struct tls_libs *l);

/* One row a counter: name and text. */
#define TLS_COUNTERS(C)                                                               \
	C(accepted, "connections taken over from clients")                            \
	C(connected, "connections started towards servers")                           \
	C(full, "handshakes completed in full")                                       \
	C(resumed, "handshakes completed by resumption")                              \
	C(tls12, "handshakes completed with TLS 1.2")                                 \
	C(tls13, "handshakes completed with TLS 1.3")                                 \
	C(refused, "connections refused: too many connections or handshakes at once") \
	C(records_in, "application data records received")                            \
	C(records_out, "records sent after the handshake")                            \
	C(key_updates, "key updates received or sent")                                \
	C(truncated, "connections that the peer ended without close_notify")          \
	C(no_mbuf, "times that a record waited for a buffer")

struct tls_counters {
	uint64_t active, handshakes; /* gauges */
#define C(name, text) uint64_t name;
	TLS_COUNTERS(C)
#undef C
	uint64_t ends[TLS_END_CNT]; /* failed handshakes and broken connections, by reason */
};

struct tls_worker_conf {
	struct tls_libs *libs;
	uint32_t index;
	const struct tls_tickets *tickets;
	struct rte_mempool *pool;      /* of records that are sent; may be the engine's data_pool */
	uint32_t max_conns;            /* (16384) */
	uint32_t max_handshakes;       /* under way at once (1024) */
	uint64_t handshake_timeout_ns; /* (10 s) */
};

int tls_worker_create(
	const struct tls_worker_conf *conf, uint64_t now_ns, struct tls_worker **out) WARN_UNUSED;
void tls_worker_destroy(struct tls_worker *w);

/* Time, timers, and handshakes that wait for their turn: at most TLS_TURN steps, so that a burst of
 * them delays other traffic by no more. Call it before tcp_flush() and, as callbacks make work,
 * behind it; returns the steps done, after which another tcp_flush() sends. */
#define TLS_TURN 8
uint32_t tls_worker_run(struct tls_worker *w, uint64_t now_ns);
/* When it wants to run again: now_ns if work waits, UINT64_MAX: never. */
uint64_t tls_worker_next_ns(const struct tls_worker *w);

/* Racy reads while it runs: each counter has one writer. */
const struct tls_counters *tls_worker_counters(const struct tls_worker *w);

#endif
