/* SPDX-License-Identifier: Apache-2.0
 * The loop, turned by hand and on threads, with a port made of rings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "dataplane/core/idle.h"
#include "dataplane/core/worker.h"
#include "dataplane/eal/eal.h"

#define WORKERS 2

static struct rte_mempool *pool;
static struct rte_ring *rx_ring, *tx_ring;
static struct port port;
static struct worker *all[WORKERS];

/* What the callbacks saw, one for each worker. */
struct seen {
	struct worker *w;
	_Atomic uint32_t input, handed, messages;
	int forward_to; /* worker to hand input to, or -1: transmit it */
};
static struct seen seen[WORKERS];

static void on_input(void *ctx, uint16_t p, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns)
{
	struct seen *s = ctx;

	(void)now_ns;
	s->input += n;
	for (uint32_t i = 0; i < n; i++)
		if (s->forward_to >= 0)
			worker_handoff(s->w, (uint32_t)s->forward_to, pkts[i], PKT_ROUTE_INPUT);
		else
			worker_tx(s->w, p, pkts[i], 0);
}

static void on_handed(void *ctx, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns)
{
	struct seen *s = ctx;

	(void)now_ns;
	s->handed += n;
	for (uint32_t i = 0; i < n; i++)
		worker_tx(s->w, 0, pkts[i], 1);
}

static void on_message(void *ctx, void *msg, uint64_t now_ns)
{
	(void)msg;
	(void)now_ns;
	((struct seen *)ctx)->messages++;
}

static uint64_t on_timers(void *ctx, uint64_t now_ns)
{
	(void)ctx;
	(void)now_ns;
	return UINT64_MAX;
}

static const struct worker_ops ops = {
	.input = on_input,
	.handed = on_handed,
	.message = on_message,
	.timers = on_timers,
};

static int start(void **state)
{
	uint16_t cores[WORKERS] = {0, 0};
	struct eal_params p = {.cores = cores, .worker_cnt = WORKERS, .mem_bytes = 64 << 20};

	(void)state;
	log_set_level(LOG_ERROR);
	if (eal_start(&p) != 0)
		return -1;
	pool = eal_pool_create("worker_test", 8191, 2048, SOCKET_ID_ANY);
	rx_ring = rte_ring_create("wt_rx", 1024, SOCKET_ID_ANY, 0);
	tx_ring = rte_ring_create("wt_tx", 256, SOCKET_ID_ANY, 0);
	if (pool == NULL || rx_ring == NULL || tx_ring == NULL)
		return -1;
	return rte_eth_from_rings("wt0", &rx_ring, 1, &tx_ring, 1, 0) < 0 ? -1 : 0;
}

static int stop(void **state)
{
	(void)state;
	rte_mempool_free(pool);
	eal_stop();
	return 0;
}

static int setup_waiting(void **state, uint16_t rx_waiting)
{
	struct port_params pp = {.name = "wt",
		.device = "net_ring_wt0",
		.mtu = 1500,
		.rx_queue_len = 256,
		.tx_queue_len = 256,
		.worker_cnt = WORKERS,
		.pool = pool};
	struct workers_params wp = {.worker_cnt = WORKERS,
		.ports = &port,
		.port_cnt = 1,
		.adaptive = true,
		.ops = &ops};

	(void)state;
	assert_int_equal(port_open(&port, &pp), 0);
	port.rx_waiting = rx_waiting;
	assert_int_equal(workers_create(&wp, all), 0);
	for (int i = 0; i < WORKERS; i++) {
		memset(&seen[i], 0, sizeof(seen[i]));
		seen[i].w = all[i];
		seen[i].forward_to = -1;
		all[i]->ctx = &seen[i];
	}
	return 0;
}

static int setup(void **state)
{
	return setup_waiting(state, 0);
}

static int setup_shallow(void **state)
{
	return setup_waiting(state, 200);
}

static void drain_tx(uint32_t expected)
{
	struct rte_mbuf *m;
	uint32_t n = 0;

	while (rte_ring_dequeue(tx_ring, (void **)&m) == 0) {
		rte_pktmbuf_free(m);
		n++;
	}
	assert_int_equal(n, expected);
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < WORKERS; i++)
		assert_int_equal(ledger_imbalance(&all[i]->ledger), 0);
	workers_destroy(all, WORKERS);
	(void)rte_eth_dev_stop(port.id);
	assert_int_equal(rte_mempool_avail_count(pool), 8191);
	return 0;
}

static void feed(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

		assert_non_null(m);
		memset(rte_pktmbuf_append(m, 60), (uint8_t)i, 60);
		assert_int_equal(rte_ring_enqueue(rx_ring, m), 0);
	}
}

/* The port has one queue pair: worker 0 receives, hands over, and worker 1's frames come back to
 * worker 0, which owns the transmit queue. */
static void frames_cross_to_the_owner_and_back_to_the_transmit_queue(void **state)
{
	(void)state;
	seen[0].forward_to = 1;
	feed(40);
	for (int turn = 0; turn < 6; turn++)
		for (int i = 0; i < WORKERS; i++)
			worker_iterate(all[i], 1);
	assert_int_equal(seen[0].input, 40);
	assert_int_equal(seen[1].handed, 40);
	assert_int_equal(all[0]->ledger.rx, 40);
	assert_int_equal(all[0]->ledger.handed_out, 40);
	assert_int_equal(all[1]->ledger.handed_in, 40);
	assert_int_equal(all[1]->ledger.handed_out, 40);
	assert_int_equal(all[0]->ledger.handed_in, 40);
	assert_int_equal(all[0]->ledger.tx, 40);
	drain_tx(40);
}

static void what_the_port_does_not_take_waits_then_is_counted(void **state)
{
	uint32_t room = rte_ring_get_capacity(tx_ring);

	(void)state;
	feed(600);
	for (int turn = 0; turn < 40; turn++)
		worker_iterate(all[0], 1);
	assert_int_equal(all[0]->ledger.tx, room);
	assert_int_equal(all[0]->ledger.held, WORKER_TX_BACKLOG);
	assert_int_equal(all[0]->ledger.ended[REASON_TX_FULL], 600 - room - WORKER_TX_BACKLOG);
	drain_tx(room);
	worker_iterate(all[0], 1);
	assert_int_equal(all[0]->ledger.held, 0);
	drain_tx(WORKER_TX_BACKLOG);
}

static uint8_t number_of(struct rte_mbuf *m)
{
	return *rte_pktmbuf_mtod(m, uint8_t *);
}

/* A port that holds little is emptied ahead of the work, as far as there is room, in order. */
static void a_shallow_port_is_emptied_ahead(void **state)
{
	struct rte_mbuf *m;
	uint8_t next = 0;

	(void)state;
	feed(600);
	worker_iterate(all[0], 1);
	assert_int_equal(seen[0].input, LIMIT_BURST);
	assert_int_equal(rte_ring_count(rx_ring), 600 - LIMIT_BURST - 200);
	for (int turn = 1; turn < 60 && seen[0].input < 600; turn++) {
		uint32_t before = seen[0].input;

		worker_iterate(all[0], 1);
		assert_int_equal(seen[0].input - before,
			600 - before < LIMIT_BURST ? 600 - before : LIMIT_BURST);
		assert_int_equal(all[0]->ledger.rx, seen[0].input);
		while (rte_ring_dequeue(tx_ring, (void **)&m) == 0) {
			assert_int_equal(number_of(m), next++);
			rte_pktmbuf_free(m);
		}
	}
	assert_int_equal(seen[0].input, 600);
	/* What waits when the worker goes is given back; teardown looks. */
	feed(100);
	worker_iterate(all[0], 1);
	assert_int_equal(rte_ring_count(rx_ring), 0);
	drain_tx(LIMIT_BURST);
}

static void a_full_ring_to_a_worker_is_counted(void **state)
{
	(void)state;
	seen[0].forward_to = 1;
	for (int round = 0; round < 10; round++) {
		feed(512);
		for (int turn = 0; turn < 16; turn++)
			worker_iterate(all[0], 1);
	}
	assert_int_equal(all[0]->ledger.handed_out, LIMIT_HANDOFF_RING);
	assert_int_equal(all[0]->ledger.ended[REASON_HANDOFF_FULL], 5120 - LIMIT_HANDOFF_RING);
}

static void messages_are_done_when_the_worker_has_handled_them(void **state)
{
	int msg;

	(void)state;
	assert_true(worker_msgs_done(all[0]));
	assert_true(worker_send(all[0], &msg));
	assert_true(worker_send(all[0], &msg));
	assert_false(worker_msgs_done(all[0]));
	worker_iterate(all[0], 1);
	assert_false(worker_msgs_done(all[0]));
	worker_iterate(all[0], 1);
	assert_true(worker_msgs_done(all[0]));
	assert_int_equal(seen[0].messages, 2);
	for (int i = 0; i < LIMIT_MSG_RING; i++)
		assert_true(worker_send(all[1], &msg));
	assert_false(worker_send(all[1], &msg));
}

static void the_watchdog_counts_a_standing_worker_once(void **state)
{
	(void)state;
	worker_iterate(all[0], 1000);
	worker_iterate(all[1], 1000);
	workers_watch(all, WORKERS, 2000, 5000);
	assert_int_equal(all[0]->stuck_cnt, 0);
	worker_iterate(all[1], 9000);
	log_set_level(LOG_ERROR);
	workers_watch(all, WORKERS, 9000, 5000);
	workers_watch(all, WORKERS, 9500, 5000);
	assert_int_equal(all[0]->stuck_cnt, 1);
	assert_int_equal(all[1]->stuck_cnt, 0);
	worker_iterate(all[0], 9600);
	workers_watch(all, WORKERS, 9700, 5000);
	assert_false(all[0]->stuck);
}

/* Threads that sleep must be woken by each message and each hand-off: a lost wake-up would leave
 * the message undone until the sleep's own bound, and 2,000 of those would exceed the turns
 * allowed. */
static void sleeping_threads_are_woken(void **state)
{
	uint64_t slept = 0;
	int msg;

	(void)state;
	seen[0].forward_to = 1;
	assert_int_equal(workers_start(all, WORKERS), 0);
	for (uint32_t i = 0; i < 2000; i++) {
		assert_true(worker_send(all[i % WORKERS], &msg));
		while (!worker_msgs_done(all[i % WORKERS]))
			__builtin_ia32_pause();
	}
	feed(100);
	while (rte_ring_count(tx_ring) < 100)
		__builtin_ia32_pause();
	workers_stop(all, WORKERS);
	for (int i = 0; i < WORKERS; i++)
		slept += all[i]->sleeps;
	assert_true(slept > 0);
	assert_int_equal(seen[0].messages + seen[1].messages, 2000);
	assert_int_equal(seen[1].handed, 100);
	drain_tx(100);
}

/* A worker rests between turns while packets come fast, and only after a turn that had few.
 */
static void fast_packets_gather(void **state)
{
	struct worker *w = all[0];
	struct idle idle;
	uint64_t now = IDLE_WINDOW_NS, sleeps = w->sleeps;

	(void)state;
	w->gather_ns = 50000;
	idle_init(&idle, w);
	/* 59 in a millisecond are fewer than three in 50 us, 60 are not. */
	w->ledger.rx += 59;
	assert_false(idle_rest(&idle, w, 1, now));
	w->ledger.rx += 30;
	w->ledger.handed_in += 30;
	assert_false(idle_rest(&idle, w, 1, now + IDLE_WINDOW_NS - 1));
	assert_true(idle_rest(&idle, w, 1, now += IDLE_WINDOW_NS));
	assert_true(idle_rest(&idle, w, IDLE_GATHERED - 1, now + 1));
	assert_false(idle_rest(&idle, w, IDLE_GATHERED, now + 2));
	w->tx[0].n = 1;
	assert_false(idle_rest(&idle, w, 1, now + 3));
	w->tx[0].n = 0;
	w->gather_ns = 0;
	assert_false(idle_rest(&idle, w, 1, now + 4));
	w->gather_ns = 50000;
	assert_int_equal(w->rests, 2);
	/* As many over a longer time are not many. */
	w->ledger.rx += 60;
	assert_false(idle_rest(&idle, w, 1, now + 2 * IDLE_WINDOW_NS));
	assert_int_equal(w->rests, 2);
	assert_int_equal(w->sleeps, sleeps);
	w->ledger.rx = w->ledger.handed_in = 0;
	idle_fini(&idle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			frames_cross_to_the_owner_and_back_to_the_transmit_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(
			what_the_port_does_not_take_waits_then_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_full_ring_to_a_worker_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_shallow_port_is_emptied_ahead, setup_shallow, teardown),
		cmocka_unit_test_setup_teardown(
			messages_are_done_when_the_worker_has_handled_them, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_watchdog_counts_a_standing_worker_once, setup, teardown),
		cmocka_unit_test_setup_teardown(sleeping_threads_are_woken, setup, teardown),
		cmocka_unit_test_setup_teardown(fast_packets_gather, setup, teardown),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
