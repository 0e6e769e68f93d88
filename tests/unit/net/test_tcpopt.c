/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/build.h"
#include "dataplane/net/tcpopt.h"
#include "tests/support/eal.h"
#include "tests/unit/net/frames.h"

static struct rte_mempool *pool;
static struct pkt_meta pm;

/* A TCP packet of either family with these options and `payload` bytes, checksums right. */
static struct rte_mbuf *packet(bool v6, const uint8_t *opts, uint8_t opt_len, uint16_t payload)
{
	struct net_if nif = {.mac = {2, 0, 0, 0, 0, 1}};
	const uint8_t peer[6] = {2, 0, 0, 0, 0, 2};
	struct ip_addr a, b;
	struct build_ip ip = {.src = &a,
		.dst = &b,
		.proto = PROTO_TCP,
		.ttl = 64,
		.payload_len = (uint16_t)(TCP_HDR_LEN + opt_len + payload)};
	struct build_tcp t = {BE16(40000), BE16(80), 1, 0, 65535, TCP_SYN, opt_len};
	struct cksum_tx tx = {14, v6 ? 40 : 20, ip.payload_len, PROTO_TCP};
	uint8_t buf[FRAME_MAX] = {0}, *p;
	struct rte_mbuf *m;

	assert_int_equal(ip_addr_parse(v6 ? "2001:db8::1" : "192.0.2.1", &a), 0);
	assert_int_equal(ip_addr_parse(v6 ? "2001:db8::2" : "198.51.100.7", &b), 0);
	p = build_eth(buf, &nif, peer, v6 ? ETH_IP6 : ETH_IP4);
	p = build_ip(p, &ip);
	p = build_tcp(p, &t);
	memcpy(p, opts, opt_len);
	memset(p + opt_len, 0x5a, payload);
	m = test_mbuf(pool, buf, (uint32_t)(p - buf) + opt_len + payload);
	cksum_prepare_tx(m, &tx, &nif);
	return m;
}

static void reparse(struct rte_mbuf *m)
{
	assert_int_equal(
		pkt_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, m->pkt_len, false, &pm),
		REASON_NONE);
	assert_int_equal(cksum_verify_rx(m, &pm, false), REASON_NONE);
}

static uint8_t *tcp_of(struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint8_t *, pm.l4_off);
}

static void options_are_found_strictly(void **state)
{
	static const struct {
		uint8_t len, opts[12];
		int want;
	} row[] = {
		{4, {2, 4, 5, 0xb4}, 20},
		{8, {1, 1, 1, 2, 4, 5, 0xb4, 0}, 23},
		{8, {3, 3, 7, 1, 2, 4, 5, 0xb4}, 24},
		{8, {0, 0, 0, 0, 2, 4, 5, 0xb4}, 0}, /* behind the end of the list */
		{4, {1, 1, 1, 1}, 0},
		{4, {3, 0, 0, 0}, -EINVAL},
		{4, {3, 1, 0, 0}, -EINVAL},
		{4, {3, 5, 0, 0}, -EINVAL},
		{4, {1, 1, 1, 3}, -EINVAL}, /* no room for its length */
		{8, {8, 255, 0, 0, 0, 0, 0, 0}, -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		uint32_t n = 20u + row[i].len;
		uint8_t *tcp = calloc(1, n); /* exact size: the sanitizer sees any step too far */

		assert_non_null(tcp);
		tcp[12] = (uint8_t)(n << 2);
		memcpy(tcp + 20, row[i].opts, row[i].len);
		assert_int_equal(tcpopt_find(tcp, TCPOPT_MSS), row[i].want);
		free(tcp);
	}
}

static void mss_is_clamped_at_any_offset(void **state)
{
	static const uint8_t opts[3][8] = {{2, 4, 0x05, 0xb4, 1, 1, 1, 1},
		{1, 2, 4, 0x05, 0xb4, 1, 1, 0}, {1, 1, 2, 4, 0x05, 0xb4, 0, 0}};

	(void)state;
	for (int i = 0; i < 6; i++) {
		struct rte_mbuf *m = packet(i & 1, opts[i / 2], 8, 3);
		uint8_t *tcp;
		int at;

		reparse(m);
		tcp = tcp_of(m);
		assert_int_equal(tcpopt_clamp_mss(tcp, 1460), 0);
		assert_int_equal(tcpopt_clamp_mss(tcp, 1400), 1);
		at = tcpopt_find(tcp, TCPOPT_MSS);
		assert_int_equal(load_be16(tcp + at + 2), 1400);
		reparse(m);
		assert_int_equal(tcpopt_clamp_mss(tcp, 1401), 0); /* never raised */
		assert_int_equal(load_be16(tcp + at + 2), 1400);
		rte_pktmbuf_free(m);
	}
}

static void strange_mss_options_are_left(void **state)
{
	static const uint8_t bad[4] = {2, 3, 5, 1}, none[4] = {1, 1, 1, 1};
	struct rte_mbuf *m = packet(false, bad, 4, 0);

	(void)state;
	reparse(m);
	assert_int_equal(tcpopt_clamp_mss(tcp_of(m), 500), -EINVAL);
	reparse(m);
	rte_pktmbuf_free(m);
	m = packet(false, none, 4, 0);
	assert_int_equal(tcpopt_clamp_mss(tcp_of(m), 500), 0);
	rte_pktmbuf_free(m);
}

static void client_address_is_inserted(void **state)
{
	static const uint8_t opts[12] = {2, 4, 0x05, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7};

	(void)state;
	for (int i = 0; i < 8; i++) {
		bool v6 = i & 1, client6 = i & 2;
		uint16_t payload = i & 4 ? 101 : 0;
		struct rte_mbuf *m = packet(v6, opts, 12, payload);
		uint32_t before = m->pkt_len;
		struct ip_addr client;
		uint8_t *tcp, len;

		assert_int_equal(
			ip_addr_parse(client6 ? "2001:db8:c::9" : "203.0.113.9", &client), 0);
		len = tcpopt_toa_len(&client);
		reparse(m);
		assert_int_equal(tcpopt_insert_toa(m, &pm, &client, BE16(1234)), 0);
		assert_int_equal(m->pkt_len, before + len);
		assert_int_equal(pm.l3_len, before - 14 + len);
		reparse(m);
		tcp = tcp_of(m);
		assert_int_equal(tcp[12] >> 4, (32 + len) / 4);
		assert_int_equal(tcpopt_find(tcp, TCPOPT_TOA), 20);
		assert_int_equal(tcp[21], len);
		assert_int_equal(load_be16(tcp + 22), 1234);
		if (client6)
			assert_memory_equal(tcp + 24, &client, 16);
		else
			assert_memory_equal(tcp + 24, &client.w[3], 4);
		assert_memory_equal(tcp + 20 + len, opts, 12);
		if (payload)
			assert_int_equal(tcp[32 + len], 0x5a);
		rte_pktmbuf_free(m);
	}
}

static void full_headers_and_packets_are_left(void **state)
{
	uint8_t opts[40], opt[8] = {TCPOPT_TOA, 8};
	struct rte_mbuf *m;
	uint32_t room;

	(void)state;
	memset(opts, 1, sizeof(opts));
	m = packet(false, opts, 36, 0);
	reparse(m);
	assert_int_equal(tcpopt_insert(m, &pm, opt, 8), -ENOSPC);
	assert_int_equal(tcpopt_insert(m, &pm, opt, 4), 0); /* exactly 60 */
	reparse(m);
	rte_pktmbuf_free(m);
	m = packet(false, opts, 0, 0);
	reparse(m);
	pm.l3_len = 65530;
	assert_int_equal(tcpopt_insert(m, &pm, opt, 8), -EMSGSIZE);
	reparse(m);
	room = rte_pktmbuf_headroom(m);
	m->data_off = 4; /* a buffer without headroom */
	memmove(rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_mtod_offset(m, uint8_t *, room - 4),
		m->data_len);
	assert_int_equal(tcpopt_insert(m, &pm, opt, 8), -ENOSPC);
	reparse(m);
	pm.flags |= PKT_F_FRAG;
	assert_int_equal(tcpopt_insert(m, &pm, opt, 4), -EINVAL);
	rte_pktmbuf_free(m);
}

static int setup(void **state)
{
	(void)state;
	test_eal_init();
	pool = test_pool_create("tcpopt", 63);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_pool_destroy(pool);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_are_found_strictly),
		cmocka_unit_test(mss_is_clamped_at_any_offset),
		cmocka_unit_test(strange_mss_options_are_left),
		cmocka_unit_test(client_address_is_inserted),
		cmocka_unit_test(full_headers_and_packets_are_left),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
