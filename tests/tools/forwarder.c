/* SPDX-License-Identifier: Apache-2.0
 * Bare forwarder: what comes in on one port goes out on the other with new MACs, nothing else. It
 * uses the same ports, loop and idle waiting as weir, so the difference to it is what weir does to
 * packets.
 *
 *	forwarder DEVICE0 MAC0 DEVICE1 MAC1	MACn: whom port n's frames are sent to
 *
 * Runs until SIGTERM. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/log.h"
#include "dataplane/core/worker.h"
#include "dataplane/eal/eal.h"
#include "dataplane/eal/port.h"

static struct port ports[2];
static uint8_t peers[2][6];
static struct worker *worker;

static void on_input(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns)
{
	uint16_t out = port ^ 1;

	(void)ctx;
	(void)now_ns;
	for (uint32_t i = 0; i < n; i++) {
		uint8_t *p = rte_pktmbuf_mtod(pkts[i], uint8_t *);

		memcpy(p, peers[out], 6);
		memcpy(p + 6, ports[out].mac, 6);
		worker_tx(worker, out, pkts[i], 0);
	}
}

static void on_handed(void *ctx, struct rte_mbuf **pkts, uint32_t n, uint64_t now_ns)
{
	(void)ctx;
	(void)now_ns;
	rte_pktmbuf_free_bulk(pkts, n);
}

static void on_message(void *ctx, void *msg, uint64_t now_ns)
{
	(void)ctx;
	(void)msg;
	(void)now_ns;
}

static uint64_t on_timers(void *ctx, uint64_t now_ns)
{
	(void)ctx;
	(void)now_ns;
	return UINT64_MAX;
}

static void parse_mac(const char *text, uint8_t mac[6])
{
	unsigned b[6];

	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5]) != 6) {
		fprintf(stderr, "forwarder: no MAC: %s\n", text);
		exit(2);
	}
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
}

int main(int argc, char **argv)
{
	static const struct worker_ops ops = {
		.input = on_input, .handed = on_handed, .message = on_message, .timers = on_timers};
	uint16_t cores[1] = {0};
	struct eal_params ep = {.cores = cores, .worker_cnt = 1, .mem_bytes = 128u << 20};
	struct workers_params wp = {
		.worker_cnt = 1, .ports = ports, .port_cnt = 2, .adaptive = true, .ops = &ops};
	struct rte_mempool *pool;
	sigset_t set;
	int sig;

	if (argc != 5 && argc != 6) {
		fprintf(stderr, "usage: forwarder DEVICE0 MAC0 DEVICE1 MAC1 [CORE]\n");
		return 2;
	}
	if (argc == 6)
		cores[0] = (uint16_t)atoi(argv[5]);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	log_set_level(LOG_WARN);
	if (eal_start(&ep) != 0)
		return 1;
	pool = eal_pool_create("forwarder", 16383, 2048, SOCKET_ID_ANY);
	for (uint16_t i = 0; i < 2; i++) {
		struct port_params pp = {.name = "p",
			.device = argv[1 + 2 * i],
			.idx = i,
			.mtu = 1500,
			.rx_queue_len = 1024,
			.tx_queue_len = 1024,
			.worker_cnt = 1,
			.pool = pool};

		parse_mac(argv[2 + 2 * i], peers[i]);
		if (pool == NULL || port_open(&ports[i], &pp) != 0)
			return 1;
	}
	if (workers_create(&wp, &worker) != 0 || workers_start(&worker, 1) != 0)
		return 1;
	sigwait(&set, &sig);
	workers_stop(&worker, 1);
	workers_destroy(&worker, 1);
	port_close(&ports[0]);
	port_close(&ports[1]);
	eal_stop();
	return 0;
}
