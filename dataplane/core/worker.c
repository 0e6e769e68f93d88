/* SPDX-License-Identifier: Apache-2.0
 * Frames for a port whose transmit queue belongs to another worker travel over the same rings as
 * packets that another worker must handle; struct pkt_priv tells them apart. Both leave this worker
 * once an iteration, so a ring is touched once for a whole burst. */
#include "dataplane/core/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "dataplane/core/idle.h"
#include "dataplane/eal/eal.h"

static struct pkt_priv *priv_of(struct rte_mbuf *m)
{
	return rte_mbuf_to_priv(m);
}

static void free_and_count(struct worker *w, struct rte_mbuf **pkts, uint32_t n, enum reason r)
{
	rte_pktmbuf_free_bulk(pkts, n);
	w->ledger.ended[r] += n;
}

void worker_drop(struct worker *w, struct rte_mbuf *m, enum reason r)
{
	ASSERT_DBG(r > REASON_NONE && r < REASON_COUNT);
	rte_pktmbuf_free(m);
	w->ledger.ended[r]++;
}

/* Wake a worker that may sleep. Edge D1: our push, fence, its flag; there: flag, fence, rings. */
void worker_wake(const struct worker *target)
{
	uint64_t one = 1;

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&target->sleeping, memory_order_relaxed))
		(void)!write(target->wake_fd, &one, sizeof(one));
}

static void flush_handoff(struct worker *w, uint32_t target)
{
	struct worker_handoff *h = &w->out[target];
	struct worker *to = w->all[target];
	uint32_t sent;

	if (h->n == 0)
		return;
	sent = spsc_push(to->in[w->id], (void *const *)h->pkts, h->n);
	w->ledger.handed_out += sent;
	if (unlikely(sent < h->n))
		free_and_count(w, h->pkts + sent, h->n - sent, REASON_HANDOFF_FULL);
	h->n = 0;
	if (to->adaptive)
		worker_wake(to);
}

void worker_handoff(struct worker *w, uint32_t target, struct rte_mbuf *m, uint8_t route)
{
	struct worker_handoff *h = &w->out[target];
	struct pkt_priv *priv = priv_of(m);

	ASSERT_DBG(target < w->worker_cnt && target != w->id);
	priv->route = route;
	priv->hops++;
	h->pkts[h->n++] = m;
	if (unlikely(h->n == LIMIT_BURST))
		flush_handoff(w, target);
}

static void flush_tx(struct worker *w, uint16_t port)
{
	struct worker_tx *t = &w->tx[port];
	uint16_t sent;

	if (t->n == 0)
		return;
	sent = port_tx(&w->ports[port], t->queue, t->pkts, t->n);
	w->ledger.tx += sent;
	w->ledger.held -= sent;
	t->n = (uint16_t)(t->n - sent);
	if (unlikely(t->n > 0))
		memmove(t->pkts, t->pkts + sent, t->n * sizeof(t->pkts[0]));
}

/* A driver sends in bursts of LIMIT_BURST; what finds no room waits for the next turn, and the
 * oldest frames go first. */
static void tx_enqueue(struct worker *w, uint16_t port, struct rte_mbuf *m)
{
	struct worker_tx *t = &w->tx[port];

	if (unlikely(m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK) &&
		!port_tx_prepare(&w->ports[port], t->queue, m)) {
		worker_drop(w, m, REASON_TX_REFUSED);
		return;
	}
	if (unlikely(t->n == WORKER_TX_BACKLOG)) {
		flush_tx(w, port);
		if (t->n == WORKER_TX_BACKLOG) {
			worker_drop(w, m, REASON_TX_FULL);
			return;
		}
	}
	if (unlikely(w->tx_seen != NULL))
		w->tx_seen(w->ctx, port, m);
	t->pkts[t->n++] = m;
	w->ledger.held++;
	if (t->n % LIMIT_BURST == 0)
		flush_tx(w, port);
}

void worker_tx(struct worker *w, uint16_t port, struct rte_mbuf *m, uint8_t hops)
{
	struct worker_tx *t = &w->tx[port];

	ASSERT_DBG(port < w->port_cnt);
	if (likely(t->owner == w->id)) {
		tx_enqueue(w, port, m);
		return;
	}
	priv_of(m)->port = port;
	priv_of(m)->hops = hops;
	worker_handoff(w, t->owner, m, PKT_ROUTE_TRANSMIT);
}

/* Frames to transmit are taken out; the rest moves to the front. Returns how many are left. */
static uint32_t transmit_handed(struct worker *w, struct rte_mbuf **pkts, uint32_t n)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct pkt_priv *priv = priv_of(pkts[i]);

		if (priv->route == PKT_ROUTE_TRANSMIT)
			tx_enqueue(w, priv->port, pkts[i]);
		else
			pkts[left++] = pkts[i];
	}
	return left;
}

static uint32_t take_handed(struct worker *w, uint64_t now_ns)
{
	struct rte_mbuf *pkts[LIMIT_BURST];
	uint32_t total = 0;

	for (uint32_t j = 0; j < w->worker_cnt; j++) {
		uint32_t n, left;

		if (w->in[j] == NULL)
			continue;
		n = spsc_pop(w->in[j], (void **)pkts, LIMIT_BURST);
		if (n == 0)
			continue;
		w->ledger.handed_in += n;
		total += n;
		left = transmit_handed(w, pkts, n);
		if (left > 0)
			w->ops->handed(w->ctx, pkts, left, now_ns);
	}
	return total;
}

static void wait_put(struct worker_waiting *q, struct rte_mbuf **pkts, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = q->head + q->n++;

		q->pkts[at < q->size ? at : at - q->size] = pkts[i];
	}
}

static uint16_t wait_get(struct worker_waiting *q, struct rte_mbuf **pkts, uint16_t max)
{
	uint16_t n = 0;

	for (; n < max && q->n > 0; n++) {
		pkts[n] = q->pkts[q->head];
		q->head = q->head + 1 == q->size ? 0 : q->head + 1;
		q->n--;
	}
	return n;
}

/* The oldest burst; and when it is full, what the port has beyond it, before it has too much. */
static uint16_t take_waiting(struct worker_rx *rx, struct rte_mbuf **pkts)
{
	struct rte_mbuf *more[LIMIT_BURST];
	struct worker_waiting *q = &rx->waiting;
	uint16_t n = wait_get(q, pkts, LIMIT_BURST);

	if (n < LIMIT_BURST)
		n = (uint16_t)(n +
			       port_rx(rx->port, rx->queue, pkts + n, (uint16_t)(LIMIT_BURST - n)));
	for (int i = 0; n == LIMIT_BURST && i < WORKER_RX_AHEAD; i++) {
		uint32_t room = q->size - q->n;
		uint16_t k = port_rx(rx->port, rx->queue, more,
			(uint16_t)(room < LIMIT_BURST ? room : LIMIT_BURST));

		wait_put(q, more, k);
		if (k < LIMIT_BURST)
			break;
	}
	return n;
}

static uint32_t receive(struct worker *w, uint64_t now_ns)
{
	struct rte_mbuf *pkts[LIMIT_BURST];
	uint32_t total = 0;

	for (uint32_t i = 0; i < w->rx_cnt; i++) {
		struct worker_rx *rx = &w->rx[i];
		uint16_t n = rx->waiting.pkts == NULL
				     ? port_rx(rx->port, rx->queue, pkts, LIMIT_BURST)
				     : take_waiting(rx, pkts);

		if (n == 0)
			continue;
		w->ledger.rx += n;
		total += n;
		w->ops->input(w->ctx, rx->port->idx, pkts, n, now_ns);
	}
	return total;
}

/* At most one message a turn: adopting a configuration must not hold up packets twice in a row. */
static uint32_t take_message(struct worker *w, uint64_t now_ns)
{
	void *msg;

	if (spsc_pop(w->msgs, &msg, 1) == 0)
		return 0;
	w->ops->message(w->ctx, msg, now_ns);
	atomic_fetch_add_explicit(&w->msgs_done, 1, memory_order_release); /* M1 */
	return 1;
}

uint32_t worker_iterate(struct worker *w, uint64_t now_ns)
{
	uint32_t work = take_message(w, now_ns);

	work += receive(w, now_ns);
	work += take_handed(w, now_ns);
	if (w->ops->turn != NULL)
		work += w->ops->turn(w->ctx, now_ns);
	if (work == 0 || now_ns >= w->timers_ns) {
		w->deadline_ns = w->ops->timers(w->ctx, now_ns);
		w->timers_ns = now_ns + WORKER_TIMERS_NS;
	}
	for (uint32_t j = 0; j < w->worker_cnt; j++)
		flush_handoff(w, j);
	for (uint16_t p = 0; p < w->port_cnt; p++)
		flush_tx(w, p);
	w->loops++;
	atomic_store_explicit(&w->beat_ns, now_ns, memory_order_relaxed);
	return work;
}

/* The bucket of a turn: no loop and no division. */
static inline uint32_t loop_bucket(uint64_t took_ns)
{
	uint32_t b = 64 - (uint32_t)__builtin_clzll(took_ns >> 10 | 1) - (took_ns < 1024);

	return b < WORKER_LOOP_BUCKETS ? b : WORKER_LOOP_BUCKETS - 1;
}

static int worker_main(void *arg)
{
	struct worker *w = arg;
	uint64_t tsc = clock_tsc();
	struct idle idle;

	idle_init(&idle, w);
	while (!atomic_load_explicit(&w->stop, memory_order_acquire)) {
		uint32_t work = worker_iterate(w, clock_tsc_to_ns(tsc));
		uint64_t end = clock_tsc();

		if (work > 0) {
			uint64_t took_ns = clock_tsc_to_ns(end - tsc);

			w->busy_tsc += end - tsc;
			w->loop_hist[loop_bucket(took_ns)]++;
			if (took_ns > w->max_loop_ns)
				w->max_loop_ns = took_ns;
			if (w->adaptive && idle_rest(&idle, w, work, clock_tsc_to_ns(end))) {
				tsc = end;
				end = clock_tsc();
				w->idle_tsc += end - tsc;
			}
		} else {
			if (w->adaptive)
				idle_wait(&idle, w, clock_tsc_to_ns(end));
			end = clock_tsc();
			w->idle_tsc += end - tsc;
		}
		tsc = end;
	}
	idle_fini(&idle);
	return 0;
}

/* Queue q of port p goes to worker (p + q) mod n, so that single-queue ports spread; with a queue
 * for each worker it is worker q, as receive-side scaling needs it. */
static uint32_t queue_owner(const struct port *p, uint16_t queue, uint16_t queue_cnt, uint32_t n)
{
	return queue_cnt >= n ? queue : (p->idx + queue) % n;
}

static int add_queue(struct worker *w, struct port *p, uint16_t queue)
{
	struct worker_rx *rx = &w->rx[w->rx_cnt++];

	*rx = (struct worker_rx){.port = p, .queue = queue, .waiting.size = p->rx_waiting};
	if (p->rx_waiting == 0)
		return 0;
	rx->waiting.pkts = calloc(p->rx_waiting, sizeof(struct rte_mbuf *));
	return rx->waiting.pkts != NULL ? 0 : -ENOMEM;
}

static int assign_queues(const struct workers_params *params, struct worker **all)
{
	int rc = 0;

	for (uint32_t i = 0; i < params->port_cnt; i++) {
		struct port *p = &params->ports[i];

		for (uint16_t q = 0; q < p->rxq_cnt; q++) {
			struct worker *w = all[queue_owner(p, q, p->rxq_cnt, params->worker_cnt)];

			if (add_queue(w, p, q) != 0)
				rc = -ENOMEM;
		}
		for (uint32_t id = 0; id < params->worker_cnt; id++) {
			struct worker_tx *t = &all[id]->tx[i];

			t->owner = (uint16_t)queue_owner(p, 0, p->txq_cnt, params->worker_cnt);
			t->queue = 0;
		}
		for (uint16_t q = 0; q < p->txq_cnt; q++) {
			uint32_t id = queue_owner(p, q, p->txq_cnt, params->worker_cnt);

			all[id]->tx[i].owner = (uint16_t)id;
			all[id]->tx[i].queue = q;
		}
	}
	return rc;
}

static void drain_ring(struct worker *w, struct spsc *r)
{
	struct rte_mbuf *pkts[LIMIT_BURST];
	uint32_t n;

	while ((n = spsc_pop(r, (void **)pkts, LIMIT_BURST)) > 0) {
		w->ledger.handed_in += n;
		free_and_count(w, pkts, n, REASON_STOPPED);
	}
}

static void worker_free(struct worker *w)
{
	for (uint32_t j = 0; j < w->worker_cnt; j++)
		if (w->in[j] != NULL) {
			drain_ring(w, w->in[j]);
			spsc_destroy(w->in[j]);
		}
	for (uint32_t i = 0; i < w->rx_cnt; i++) {
		struct worker_waiting *q = &w->rx[i].waiting;
		struct rte_mbuf *m;

		while (wait_get(q, &m, 1) == 1)
			rte_pktmbuf_free(m);
		free(q->pkts);
	}
	for (uint32_t p = 0; p < LIMIT_PORTS; p++) {
		free_and_count(w, w->tx[p].pkts, w->tx[p].n, REASON_STOPPED);
		w->ledger.held -= w->tx[p].n;
	}
	spsc_destroy(w->msgs);
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	free(w);
}

static struct worker *worker_new(const struct workers_params *params, uint32_t id)
{
	struct worker *w = aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(*w), CACHE_LINE));
	bool ok;

	if (w == NULL)
		return NULL;
	memset(w, 0, sizeof(*w));
	w->id = id;
	w->worker_cnt = params->worker_cnt;
	w->ops = params->ops;
	w->ports = params->ports;
	w->port_cnt = params->port_cnt;
	w->adaptive = params->adaptive;
	w->gather_ns = params->gather_ns;
	w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->msgs = spsc_create(LIMIT_MSG_RING);
	ok = w->wake_fd >= 0 && w->msgs != NULL;
	for (uint32_t j = 0; j < params->worker_cnt; j++) {
		if (j == id)
			continue;
		w->in[j] = spsc_create(LIMIT_HANDOFF_RING);
		ok = ok && w->in[j] != NULL;
	}
	if (!ok) {
		worker_free(w);
		return NULL;
	}
	return w;
}

int workers_create(const struct workers_params *params, struct worker **all)
{
	int rc = 0;

	ASSERT(params->worker_cnt > 0 && params->worker_cnt <= LIMIT_WORKERS);
	ASSERT(params->port_cnt <= LIMIT_PORTS);
	memset(all, 0, params->worker_cnt * sizeof(all[0]));
	for (uint32_t i = 0; i < params->worker_cnt; i++) {
		all[i] = worker_new(params, i);
		if (all[i] == NULL)
			rc = -ENOMEM;
		else
			all[i]->all = all;
	}
	if (rc == 0)
		rc = assign_queues(params, all);
	if (rc != 0)
		workers_destroy(all, params->worker_cnt);
	return rc;
}

void workers_destroy(struct worker **all, uint32_t worker_cnt)
{
	for (uint32_t i = 0; i < worker_cnt; i++)
		if (all[i] != NULL)
			worker_free(all[i]);
	memset(all, 0, worker_cnt * sizeof(all[0]));
}

int workers_start(struct worker **all, uint32_t worker_cnt)
{
	for (uint32_t i = 0; i < worker_cnt; i++) {
		int rc = rte_eal_remote_launch(worker_main, all[i], eal_worker_lcore(i));

		if (rc != 0) {
			workers_stop(all, i);
			return rc;
		}
	}
	return 0;
}

void workers_stop(struct worker **all, uint32_t worker_cnt)
{
	for (uint32_t i = 0; i < worker_cnt; i++) {
		uint64_t one = 1;

		atomic_store_explicit(&all[i]->stop, true, memory_order_release);
		(void)!write(all[i]->wake_fd, &one, sizeof(one));
	}
	for (uint32_t i = 0; i < worker_cnt; i++)
		(void)rte_eal_wait_lcore(eal_worker_lcore(i));
}

bool worker_send(struct worker *w, void *msg)
{
	if (spsc_push(w->msgs, &msg, 1) == 0)
		return false;
	w->msgs_sent++;
	worker_wake(w);
	return true;
}

bool worker_msgs_done(const struct worker *w)
{
	return atomic_load_explicit(&w->msgs_done, memory_order_acquire) == w->msgs_sent; /* M1 */
}

void workers_watch(struct worker **all, uint32_t worker_cnt, uint64_t now_ns, uint64_t limit_ns)
{
	for (uint32_t i = 0; i < worker_cnt; i++) {
		struct worker *w = all[i];
		uint64_t beat = atomic_load_explicit(&w->beat_ns, memory_order_relaxed);
		bool late = beat != 0 && now_ns > beat && now_ns - beat > limit_ns &&
			    !atomic_load_explicit(&w->sleeping, memory_order_relaxed);

		if (late && !w->stuck) {
			w->stuck_cnt++;
			LOG_WRN("worker does not turn", "worker=%u stood_ms=%llu", i,
				(unsigned long long)((now_ns - beat) / NS_PER_MS));
		} else if (!late && w->stuck) {
			LOG_INF("worker turns again", "worker=%u", i);
		}
		w->stuck = late;
	}
}
