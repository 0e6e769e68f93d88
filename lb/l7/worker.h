/* SPDX-License-Identifier: Apache-2.0
 * l7 worker - the listeners of one worker: its TCP engine, connections and what becomes of them.
 * Owner:      one worker; created and destroyed by control while that worker does not run.
 * Lifetime:   l7_worker_create() ... l7_worker_destroy(), which drops connections silently.
 * Invariants: LW1 an accepted connection holds one struct l7_conn until both its sides have ended.
 *             LW2 nothing of a table is kept after l7_worker_adopt() replaced it.
 *             LW3 bytes are reported consumed only when the next one has taken them, so that what
 *                 is held for a slow reader is bounded by the windows.
 * Units:      ns, bytes; ports in network order unless named _host.
 * Limits:     a listener's connection limit counts all workers; workers that accept at the same
 *             instant may pass it by one each. Byte counters lag behind by a second for each 16,000
 *             connections of a worker, and by a few ms at least.
 * Cost:       no allocation, lock or system call. */
#ifndef LB_L7_WORKER_H
#define LB_L7_WORKER_H

#include "dataplane/tcp/tcp.h"
#include "lb/l7/table.h"

struct http_checks;
struct http_worker;
struct kvs_worker;
struct hcache;
struct http_worker;
struct l7_worker;
struct tls_libs;
struct tls_tickets;
struct tls_worker;

/* One row a counter: name and text. */
#define L7_LISTENER_COUNTERS(C)                                                 \
	C(accepted, "connections accepted")                                     \
	C(over_limit, "connections reset: listener at its limit, or no memory") \
	C(proxy_bad, "connections reset: bad or late PROXY protocol header")    \
	C(tls_failed, "connections whose TLS handshake failed")                 \
	C(no_backend, "connections reset: no backend is up")                    \
	C(no_port, "connections reset: no local port left towards the backend") \
	C(failed, "connections reset: no backend could be reached")             \
	C(retries, "connection attempts to another backend after one failed")   \
	C(idle, "connections reset: nothing moved for idle_timeout")            \
	C(resets, "connections ended by a reset or timeout of either side")     \
	C(bytes_in, "bytes from clients")                                       \
	C(bytes_out, "bytes acknowledged by clients")

#define L7_MEMBER_COUNTERS(C)                           \
	C(connects, "connections opened")               \
	C(refused, "attempts that were refused")        \
	C(timeouts, "attempts that timed out")          \
	C(errors, "attempts that failed otherwise")     \
	C(resets, "connections that the backend reset") \
	C(bytes_in, "bytes from the backend")           \
	C(bytes_out, "bytes acknowledged by the backend")

struct l7_listener_stats {
	uint64_t active; /* gauge */
#define C(name, text) uint64_t name;
	L7_LISTENER_COUNTERS(C)
#undef C
};

struct l7_member_stats {
	uint64_t active;
#define C(name, text) uint64_t name;
	L7_MEMBER_COUNTERS(C)
#undef C
};

struct l7_worker_conf {
	uint32_t index, worker_cnt;
	struct l7_worker *const *all; /* by index, filled by the time packets flow */
	const struct config *cfg;
	struct rte_mempool *header_pool, *ref_pool, *data_pool, *rx_pool, *tls_pool;
	struct tls_libs *tls_libs; /* NULL: no TLS */
	const struct tls_tickets *tls_tickets;
	struct ledger *ledger;
	struct kvs_worker *kvs; /* NULL: no store */
	struct hcache *hcache;  /* NULL: no HTTP cache */
	/* References to the cache's memory: not ref_pool, without which nothing could be sent. */
	struct rte_mempool *slice_pool;
	uint16_t port_lo, port_hi; /* local ports of this worker, host order */
	struct tcp_callbacks cb;
};

int l7_worker_create(
	const struct l7_worker_conf *conf, uint64_t now_ns, struct l7_worker **out) WARN_UNUSED;
void l7_worker_destroy(struct l7_worker *w);
/* The memory of so many clients' connections, each with a request that is proxied, is touched
 * before they come (pool_warm()). */
void l7_worker_warm(struct l7_worker *w, uint32_t conns);

/* Another table is in force; with draining nothing new is accepted any more. */
void l7_worker_adopt(struct l7_worker *w, const struct l7_table *t, bool draining, uint64_t now_ns);

struct tcp_engine *l7_worker_engine(const struct l7_worker *w);
struct http_worker *l7_worker_http(const struct l7_worker *w);
/* Of the worker that probes, the first; NULL: it does not. */
struct http_checks *l7_worker_checks(const struct l7_worker *w);
/* NULL without TLS. */
struct tls_worker *l7_worker_tls(const struct l7_worker *w);
/* Once a loop, after the receive burst: timers, callbacks, output, and a dump that was asked for.
 */
void l7_worker_run(struct l7_worker *w, uint64_t now_ns);
/* Connections that answers of the store let go on; true: there is something to run for. */
bool l7_worker_resume(struct l7_worker *w);
bool l7_worker_resumable(const struct l7_worker *w);
uint64_t l7_worker_next_ns(const struct l7_worker *w);

/* ---- for control, while the worker runs: racy, monotonic ---- */

uint64_t l7_worker_active(const struct l7_worker *w);
/* Connections that no action knows any more and whose last bytes the peer has not acknowledged;
 * counted every L7_WAITING_NS while draining. Read from anywhere. */
uint64_t l7_worker_waiting(const struct l7_worker *w);
/* The process ends: reset what is left. Only l7_worker_run and l7_worker_destroy may follow. */
void l7_worker_reset(struct l7_worker *w);
const struct l7_listener_stats *l7_worker_listener(const struct l7_worker *w, uint32_t id);
const struct l7_member_stats *l7_worker_member(const struct l7_worker *w, uint32_t id);

/* A page of connections, filled by the worker in its next loop. */
#define L7_DUMP_MAX 256
struct l7_dump {
	uint32_t cnt;
	bool more; /* there are more than fit */
	struct tcp_usage usage;
	struct tcp_counters counters;
	struct tcp_info conns[L7_DUMP_MAX];
	_Atomic bool done;
};
/* At most one at a time. The dump is the worker's until `done`, or until l7_worker_dump_cancel()
 * says true. */
void l7_worker_dump(struct l7_worker *w, struct l7_dump *d);
bool l7_worker_dump_cancel(struct l7_worker *w);

#endif
