/* SPDX-License-Identifier: Apache-2.0
 * worker - the run-to-completion loop of one core: read the clock, receive, act, timers, transmit.
 * Owner:      the worker's thread owns everything in struct worker but what is marked; the control
 *             thread creates and destroys it while the thread does not run.
 * Lifetime:   workers_create() ... workers_destroy(); threads run between workers_start() and
 *             workers_stop().
 * Invariants: WK1 ledger RL1 holds between two iterations.  WK2 every ring has one producer and one
 *             consumer.  WK3 a worker sleeps only after it has said so and then found all its rings
 *             empty (edge D1 in docs/concurrency.md).
 * Limits:     LIMIT_WORKERS, LIMIT_HANDOFF_RING, LIMIT_MSG_RING, WORKER_TX_BACKLOG; a port's
 *             rx_waiting for each of its queues.
 * Cost:       no lock and no system call while there is work. */
#ifndef DATAPLANE_CORE_WORKER_H
#define DATAPLANE_CORE_WORKER_H

#include <stdatomic.h>

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"
#include "dataplane/base/reason.h"
#include "dataplane/base/spsc.h"
#include "dataplane/eal/port.h"

struct rte_mbuf;
struct worker;

#define WORKER_TIMERS_NS \
	50000                 /* a busy worker looks at its timers this often, an idle one always */
#define WORKER_TX_BACKLOG 128 /* frames that wait for room in one transmit queue */
#define WORKER_RX_AHEAD   8   /* bursts taken out of a port beyond the one that is worked on */

/* Bucket i counts turns shorter than 1024 << i ns, the last one all others. */
#define WORKER_LOOP_BUCKETS 17

/* What the layers above do with packets, messages and time. Called on the worker's thread only. */
struct worker_ops {
	/* Frames received on a port; the callee owns them. */
	void (*input)(
		void *ctx, uint16_t port, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns);
	/* Packets that another worker handed over (struct pkt_priv says what for). */
	void (*handed)(void *ctx, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns);
	/* A message of control; when it returns, the message counts as done. */
	void (*message)(void *ctx, void *msg, uint64_t now_ns);
	/* Runs what is due; returns the next deadline (UINT64_MAX: none). Every turn while there is
	 * nothing else to do, else every WORKER_TIMERS_NS. */
	uint64_t (*timers)(void *ctx, uint64_t now_ns);
	/* Once a turn, after what came in: work of other sources, as answers of storage threads.
	 * Returns how much there was. May be NULL, as may the next two. */
	uint32_t (*turn)(void *ctx, uint64_t now_ns);
	/* The worker has said that it sleeps (edge D1): false if one of those sources has
	 * something. And it is awake again. */
	bool (*park)(void *ctx);
	void (*unpark)(void *ctx);
};

struct worker_tx {
	uint16_t owner; /* worker whose queue it is */
	uint16_t queue; /* valid if owner is this worker */
	uint16_t n;
	struct rte_mbuf *pkts[WORKER_TX_BACKLOG];
};

/* Packets that a port does not hold while others are worked on, oldest at `head`: a ring of `size`
 * that is empty unless a burst was full. As in a port's own ring, they are not counted as received
 * before their turn comes, and those that a worker never came to are not counted at all. */
struct worker_waiting {
	struct rte_mbuf **pkts; /* NULL: the port holds enough itself */
	uint32_t size, head, n;
};

struct worker_rx {
	struct port *port;
	uint16_t queue;
	struct worker_waiting waiting;
};

struct worker_handoff {
	uint32_t n;
	struct rte_mbuf *pkts[LIMIT_BURST];
};

struct worker {
	uint32_t id, worker_cnt;
	const struct worker_ops *ops;
	void *ctx;
	struct worker **all; /* indexed by id */
	uint32_t rx_cnt, port_cnt;
	struct worker_rx rx[LIMIT_PORTS];
	struct port *ports;
	bool adaptive;
	uint64_t gather_ns; /* adaptive: how long packets that come fast may gather; 0: not */
	uint64_t deadline_ns, timers_ns; /* what timers() said; when to ask it again */

	CACHE_ALIGNED struct ledger ledger;
	uint64_t loops, busy_tsc, idle_tsc, sleeps, rests;
	uint64_t max_loop_ns;
	uint64_t loop_hist[WORKER_LOOP_BUCKETS]; /* turns that did something, by how long they took
						  */

	/* While frames on their way out are looked at; NULL otherwise. ctx is the worker's. */
	void (*tx_seen)(void *ctx, uint16_t port, struct rte_mbuf *m);

	struct worker_tx tx[LIMIT_PORTS];
	struct worker_handoff out[LIMIT_WORKERS];
	struct spsc
		*in[LIMIT_WORKERS]; /* in[j]: worker j produces, we consume; NULL for ourselves */
	struct spsc *msgs;          /* control produces */

	/* Written by the worker, read by others. */
	CACHE_ALIGNED _Atomic uint64_t beat_ns;
	_Atomic uint64_t msgs_done;
	_Atomic bool sleeping;
	/* Written by control. */
	CACHE_ALIGNED _Atomic bool stop;
	uint64_t msgs_sent; /* control's own */
	uint64_t stuck_cnt; /* control's own: how often the watchdog fired */
	bool stuck;
	int wake_fd;
};

struct workers_params {
	uint32_t worker_cnt;
	struct port *ports;
	uint32_t port_cnt;
	bool adaptive;
	uint64_t gather_ns; /* below a second */
	const struct worker_ops *ops;
};

/* Spread the ports' queues over the workers and make the rings. Returns 0 or -ENOMEM. The caller
 * sets all[i]->ctx before the first iteration. */
int workers_create(const struct workers_params *params, struct worker **all) WARN_UNUSED;
void workers_destroy(struct worker **all, uint32_t worker_cnt);

/* Launch each on its lcore, and end them: each finishes its iteration and returns. */
int workers_start(struct worker **all, uint32_t worker_cnt) WARN_UNUSED;
void workers_stop(struct worker **all, uint32_t worker_cnt);

/* One turn of the loop; returns how many packets and messages it handled. Tests and benchmarks call
 * it with a time of their own. */
uint32_t worker_iterate(struct worker *w, uint64_t now_ns);

/* Wake a worker that may sleep, after giving it something (edge D1). Any thread. */
void worker_wake(const struct worker *target);

/* Queue a finished frame for a port. The frame is counted when the port has taken it. */
void worker_tx(struct worker *w, uint16_t port, struct rte_mbuf *m, uint8_t hops);

/* Hand a packet to another worker for `route` (enum pkt_route). */
void worker_handoff(struct worker *w, uint32_t target, struct rte_mbuf *m, uint8_t route);

/* Count the end of a packet that is kept or freed elsewhere, or end and free it. */
ALWAYS_INLINE void worker_count(struct worker *w, enum reason r)
{
	w->ledger.ended[r]++;
}
void worker_drop(struct worker *w, struct rte_mbuf *m, enum reason r);

/* Control: send a message; false when the ring is full. worker_msgs_done() says whether all
 * messages sent so far were handled: what they replaced may then be freed. */
bool worker_send(struct worker *w, void *msg);
bool worker_msgs_done(const struct worker *w);

/* Control, now and then: log and count workers whose loop has stood longer than limit_ns. */
void workers_watch(struct worker **all, uint32_t worker_cnt, uint64_t now_ns, uint64_t limit_ns);

#endif
