/* SPDX-License-Identifier: Apache-2.0
 * Opens real virtual devices through the same calls as the program. Those that need root skip
 * without it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dataplane/base/log.h"
#include "dataplane/eal/eal.h"
#include "dataplane/eal/port.h"
#include "dataplane/eal/port_wait.h"

static struct rte_mempool *pool;

static int start(void **state)
{
	uint16_t cores[2] = {0, 0};
	struct eal_params p = {.cores = cores, .worker_cnt = 2, .mem_bytes = 64 << 20};

	(void)state;
	log_set_level(LOG_ERROR);
	if (eal_start(&p) != 0)
		return -1;
	pool = eal_pool_create("port_test", 4095, 2048, SOCKET_ID_ANY);
	return pool == NULL ? -1 : 0;
}

static int stop(void **state)
{
	(void)state;
	assert_int_equal(rte_mempool_avail_count(pool), 4095);
	rte_mempool_free(pool);
	eal_stop();
	return 0;
}

static struct port_params params(const char *device)
{
	return (struct port_params){.name = "p",
		.device = device,
		.mtu = 1500,
		.rx_queue_len = 256,
		.tx_queue_len = 256,
		.worker_cnt = 2,
		.pool = pool};
}

struct span {
	uintptr_t lo, hi;
};

static void widen(struct rte_mempool *mp, void *arg, void *obj, unsigned idx)
{
	struct span *s = arg;

	(void)mp;
	(void)idx;
	s->lo = (uintptr_t)obj < s->lo ? (uintptr_t)obj : s->lo;
	s->hi = (uintptr_t)obj > s->hi ? (uintptr_t)obj : s->hi;
}

/* What the af_xdp driver takes for granted. */
static void buffers_lie_without_gaps(void **state)
{
	struct span s = {UINTPTR_MAX, 0};

	(void)state;
	assert_int_equal(rte_mempool_obj_iter(pool, widen, &s), 4095);
	assert_int_equal(pool->nb_mem_chunks, 1);
	assert_int_equal(
		s.hi - s.lo, 4094u * (pool->header_size + pool->elt_size + pool->trailer_size));
}

static void a_frame_fits_its_room(void **state)
{
	(void)state;
	for (uint32_t mtu = 68; mtu <= 9000; mtu++) {
		uint32_t room = port_frame_room((uint16_t)mtu);

		/* Two tags; what the kernel puts before a frame in its ring; whole pages. */
		assert_true(room >= mtu + 14 + 8 + 66);
		assert_true(room >= 2048 && 4 * room % 4096 == 0);
	}
}

static void null_device_has_a_queue_for_each_worker(void **state)
{
	struct port_params pp = params("net_null,size=64");
	struct rte_mbuf *pkts[8];
	struct port p;

	(void)state;
	assert_int_equal(port_open(&p, &pp), 0);
	assert_int_equal(p.rxq_cnt, 2);
	assert_int_equal(p.txq_cnt, 2);
	assert_int_equal(p.wait, PORT_WAIT_SLEEP);
	assert_int_equal(p.steering, PORT_STEER_SOFTWARE);
	assert_int_equal(port_rx(&p, 1, pkts, 8), 8);
	assert_int_equal(port_tx(&p, 1, pkts, 8), 8);
	port_close(&p);
}

static void two_ports_of_one_driver_stand_side_by_side(void **state)
{
	struct port_params pp = params("net_null,size=64");
	struct port a, b;

	(void)state;
	assert_int_equal(port_open(&a, &pp), 0);
	pp.idx = 1;
	assert_int_equal(port_open(&b, &pp), 0);
	assert_int_not_equal(a.id, b.id);
	port_close(&b);
	port_close(&a);
}

static void unknown_devices_are_errors(void **state)
{
	static const char *const bad[] = {
		"net_nosuch", "0000:ff:1f.7", "net_af_packet,iface=nosuch0", ""};
	struct port p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct port_params pp = params(bad[i]);

		assert_true(port_open(&p, &pp) < 0);
	}
}

static void rss_table_is_programmed_where_the_device_has_one(void **state)
{
	struct port_params pp = params("net_null,size=64");
	uint8_t src[4] = {192, 0, 2, 1}, dst[4] = {198, 51, 100, 1};
	uint32_t there, back;
	struct port p;

	(void)state;
	pp.want_rss = true;
	assert_int_equal(port_open(&p, &pp), 0);
	if ((p.caps & PORT_CAP_RSS) == 0) {
		port_close(&p);
		skip();
	}
	assert_int_equal(p.steering, PORT_STEER_RSS);
	for (uint32_t i = 0; i < p.reta_size; i++)
		assert_true(p.reta[i] < p.rxq_cnt);
	/* The key is symmetric: both directions of a flow meet on one queue. */
	there = port_rss_hash(&p, src, dst, 4, 0x1234, 0x5678, true);
	back = port_rss_hash(&p, dst, src, 4, 0x5678, 0x1234, true);
	assert_int_equal(there, back);
	assert_int_not_equal(there, port_rss_hash(&p, src, dst, 4, 0x1235, 0x5678, true));
	port_close(&p);
}

/* Loopback is there on every machine; nothing is sent. */
static void packet_socket_of_the_driver_is_found_for_waiting(void **state)
{
	struct port_params pp = params("net_af_packet,iface=lo");
	int domain = 0;
	socklen_t len = sizeof(domain);
	struct port p;

	(void)state;
	if (geteuid() != 0)
		skip();
	pp.mac[0] = 0;
	assert_int_equal(port_open(&p, &pp), 0);
	assert_int_equal(p.wait, PORT_WAIT_FD);
	assert_int_equal(getsockopt(p.fd, SOL_SOCKET, SO_DOMAIN, &domain, &len), 0);
	assert_int_equal(domain, AF_PACKET);
	port_close(&p);
}

static void packets_of_several_segments_are_made_linear(void **state)
{
	struct port_params pp = params("net_null,size=64");
	struct rte_mbuf *head, *tail;
	struct port p;

	(void)state;
	assert_int_equal(port_open(&p, &pp), 0);
	p.caps &= ~(uint32_t)PORT_CAP_TX_MULTI_SEG;
	head = rte_pktmbuf_alloc(pool);
	tail = rte_pktmbuf_alloc(pool);
	memset(rte_pktmbuf_append(head, 100), 1, 100);
	memset(rte_pktmbuf_append(tail, 100), 2, 100);
	assert_int_equal(rte_pktmbuf_chain(head, tail), 0);
	assert_int_equal(port_tx(&p, 0, &head, 1), 1);
	port_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_lie_without_gaps),
		cmocka_unit_test(a_frame_fits_its_room),
		cmocka_unit_test(null_device_has_a_queue_for_each_worker),
		cmocka_unit_test(two_ports_of_one_driver_stand_side_by_side),
		cmocka_unit_test(unknown_devices_are_errors),
		cmocka_unit_test(rss_table_is_programmed_where_the_device_has_one),
		cmocka_unit_test(packet_socket_of_the_driver_is_found_for_waiting),
		cmocka_unit_test(packets_of_several_segments_are_made_linear),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
