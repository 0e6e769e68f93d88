/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/build.h"
#include "tests/support/eal.h"
#include "tests/unit/net/frames.h"

static struct rte_mempool *pool;
static struct pkt_meta pm;

static const char *const golden[] = {HEX_TCP4, HEX_UDP4, HEX_TCP6, HEX_UDP6, HEX_VLAN_TCP4,
	HEX_QINQ_UDP6, HEX_OPT4, HEX_ECHO4, HEX_ECHO6, HEX_UNREACH4, HEX_UNREACH4_CUT, HEX_TOOBIG6,
	HEX_EXT6, HEX_FRAG6_ATOMIC};

static struct rte_mbuf *load_hex(const char *hex, uint32_t seg_len)
{
	struct frame f = frame_from(hex);

	assert_int_equal(pkt_parse(f.b, f.len, f.len, false, &pm), REASON_NONE);
	return test_mbuf_segs(pool, f.b, f.len, seg_len);
}

static uint16_t *field(struct rte_mbuf *m)
{
	uint32_t at = pm.proto == PROTO_TCP ? 16 : pm.proto == PROTO_UDP ? 6 : 2;

	return rte_pktmbuf_mtod_offset(m, uint16_t *, pm.l4_off + at);
}

/* RFC 1071 section 3 has this sum worked out; the others are the corners of folding. */
static void sums_of_known_bytes(void **state)
{
	static const uint8_t rfc[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	uint8_t ones[9];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(BE16(cksum_fold(cksum_add(0, rfc, 8))), 0xddf2);
	assert_int_equal(cksum_fold(cksum_add(0, ones, 8)), 0xffff);
	assert_int_equal(BE16(cksum_fold(cksum_add(0, ones, 9))), 0xff00);
	assert_int_equal(cksum_fold(UINT64_MAX), 0xffff);
	assert_int_equal(cksum_fold(UINT64_C(0x1fffffffe)), 0xffff);
	assert_int_equal(cksum_fold(0), 0);
}

/* Another implementation wrote these frames: verify them, break any byte, fill them in again. */
static void golden_frames_verify_and_refill(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(golden); i++) {
		struct rte_mbuf *m = load_hex(golden[i], TEST_MBUF_ROOM);
		uint8_t *last = rte_pktmbuf_mtod_offset(m, uint8_t *, pm.l3_off + pm.l3_len - 1);
		uint16_t *at = field(m);
		uint16_t right = load16(at);

		assert_int_equal(cksum_verify_rx(m, &pm, false), REASON_NONE);
		*last ^= 0x10;
		assert_int_not_equal(cksum_verify_rx(m, &pm, false), REASON_NONE);
		*last ^= 0x10;
		store16(at, 0x1234);
		cksum_fill_l4(m, &pm);
		assert_int_equal(load16(at), right);
		rte_pktmbuf_free(m);
	}
}

/* Segments of every size, odd ones too, give the sum of the whole. */
static void segments_do_not_change_the_sum(void **state)
{
	struct frame f = frame_from(HEX_TOOBIG6);
	uint64_t whole = cksum_fold(cksum_add(0, f.b + 7, f.len - 9));

	(void)state;
	for (uint32_t seg = 1; seg <= f.len; seg++) {
		struct rte_mbuf *m = test_mbuf_segs(pool, f.b, f.len, seg);

		assert_int_equal(cksum_fold(cksum_add_mbuf(0, m, 7, f.len - 9)), whole);
		rte_pktmbuf_free(m);
	}
}

static void device_verdicts_are_obeyed(void **state)
{
	struct rte_mbuf *m = load_hex(HEX_TCP4, TEST_MBUF_ROOM);
	uint16_t *at = field(m);

	(void)state;
	store16(at, 0xbad0);
	assert_int_equal(cksum_verify_rx(m, &pm, false), REASON_L4_CHECKSUM);
	assert_int_equal(cksum_forward_rx(m, &pm, false), REASON_NONE);
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	assert_int_equal(cksum_verify_rx(m, &pm, false), REASON_NONE);
	assert_int_equal(cksum_forward_rx(m, &pm, false), REASON_NONE);
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_BAD;
	assert_int_equal(cksum_verify_rx(m, &pm, false), REASON_L4_CHECKSUM);
	assert_int_equal(cksum_forward_rx(m, &pm, false), REASON_L4_CHECKSUM);
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
	assert_int_equal(cksum_verify_rx(m, &pm, false), REASON_NONE);
	assert_int_equal(load16(at), 0xbad0);
	assert_int_equal(cksum_forward_rx(m, &pm, false), REASON_NONE);
	m->ol_flags = 0; /* it was completed */
	assert_int_equal(cksum_verify_rx(m, &pm, false), REASON_NONE);
	assert_false(cksum_ip_good(m));
	m->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	assert_true(cksum_ip_good(m));
	m->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_BAD;
	assert_false(cksum_ip_good(m));
	rte_pktmbuf_free(m);
}

static void partial_checksums_need_trust(void **state)
{
	static const char *const frames[] = {HEX_TCP4, HEX_UDP4, HEX_TCP6, HEX_UDP6};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
		struct rte_mbuf *m = load_hex(frames[i], TEST_MBUF_ROOM);
		uint16_t *at = field(m), right = load16(at);
		uint32_t l4_len = (uint32_t)pm.l3_off + pm.l3_len - pm.l4_off;

		store16(at, cksum_fold(cksum_pseudo(&pm.src, &pm.dst, pm.proto, l4_len)));
		assert_int_equal(cksum_verify_rx(m, &pm, false), REASON_L4_CHECKSUM);
		assert_int_equal(cksum_verify_rx(m, &pm, true), REASON_NONE);
		assert_int_equal(cksum_forward_rx(m, &pm, true), REASON_NONE);
		assert_int_equal(load16(at), right);
		/* Trust in partial ones does not make wrong ones right. */
		store16(at, (uint16_t)(right + 1));
		assert_int_equal(cksum_verify_rx(m, &pm, true), REASON_L4_CHECKSUM);
		rte_pktmbuf_free(m);
	}
}

static void udp_zero_means_none_in_ipv4_alone(void **state)
{
	struct rte_mbuf *m = load_hex(HEX_UDP4, TEST_MBUF_ROOM);

	(void)state;
	store16(field(m), 0);
	assert_int_equal(cksum_verify_rx(m, &pm, false), REASON_NONE);
	assert_int_equal(cksum_forward_rx(m, &pm, true), REASON_NONE);
	assert_int_equal(load16(field(m)), 0);
	rte_pktmbuf_free(m);
	m = load_hex(HEX_UDP6, TEST_MBUF_ROOM);
	store16(field(m), 0);
	assert_int_equal(cksum_verify_rx(m, &pm, false), REASON_L4_CHECKSUM);
	rte_pktmbuf_free(m);
	assert_int_equal(cksum_apply_udp(0, cksum_diff16(0, 1, 2)), 0);
	/* ~HC = 0xfffe, plus 1: the sum is all ones, the checksum 0, which UDP writes as 0xffff */
	assert_int_equal(cksum_apply(0x0001, cksum_diff16(0, 0, 1)), 0);
	assert_int_equal(cksum_apply_udp(0x0001, cksum_diff16(0, 0, 1)), 0xffff);
}

/* RFC 1624 section 4: the case that RFC 1141 gets wrong. */
static void rfc1624_example(void **state)
{
	(void)state;
	assert_int_equal(cksum_apply(BE16(0xdd2f), cksum_diff16(0, BE16(0x5555), BE16(0x3285))), 0);
}

static void udp_sum_of_zero_is_sent_as_ones(void **state)
{
	struct rte_mbuf *m = load_hex(HEX_UDP4, TEST_MBUF_ROOM);
	uint16_t *payload = rte_pktmbuf_mtod_offset(m, uint16_t *, pm.l4_off + 8);

	(void)state;
	/* Adding the checksum to a payload word makes the sum 0xffff, so the checksum 0. */
	store16(payload, cksum_fold((uint64_t)load16(payload) + load16(field(m))));
	cksum_fill_l4(m, &pm);
	assert_int_equal(load16(field(m)), 0xffff);
	assert_int_equal(cksum_verify_rx(m, &pm, false), REASON_NONE);
	rte_pktmbuf_free(m);
}

/* Headers from build.h, checksums by software and by offload request. */
static void built_packets_verify(void **state)
{
	struct net_if nif = {.mac = {2, 0, 0, 0, 0, 1}, .vlan = 100};
	const uint8_t peer[6] = {2, 0, 0, 0, 0, 2};
	struct ip_addr a[2][2];

	(void)state;
	assert_int_equal(ip_addr_parse("192.0.2.1", &a[0][0]), 0);
	assert_int_equal(ip_addr_parse("192.0.2.2", &a[0][1]), 0);
	assert_int_equal(ip_addr_parse("2001:db8::1", &a[1][0]), 0);
	assert_int_equal(ip_addr_parse("2001:db8::2", &a[1][1]), 0);
	for (int i = 0; i < 8; i++) {
		bool v6 = i & 1, tcp = i & 2, offload = i & 4;
		uint8_t buf[128], *p;
		struct build_ip ip = {.src = &a[v6][0],
			.dst = &a[v6][1],
			.ttl = 64,
			.tos = 0x28,
			.df = true,
			.proto = tcp ? PROTO_TCP : PROTO_UDP,
			.payload_len = (uint16_t)((tcp ? TCP_HDR_LEN : UDP_HDR_LEN) + 5)};
		struct build_tcp t = {BE16(5), BE16(6), 1, 2, 1000, TCP_ACK, 0};
		struct cksum_tx tx = {18, v6 ? 40 : 20, ip.payload_len, ip.proto};
		struct rte_mbuf *m;

		nif.offloads = offload ? NET_TX_IP4_CKSUM | NET_TX_TCP_CKSUM | NET_TX_UDP_CKSUM : 0;
		p = build_eth(buf, &nif, peer, v6 ? ETH_IP6 : ETH_IP4);
		p = build_ip(p, &ip);
		p = tcp ? build_tcp(p, &t) : build_udp(p, BE16(5), BE16(6), 5);
		memcpy(p, "hello", 5);
		m = test_mbuf(pool, buf, (uint32_t)(p + 5 - buf));
		cksum_prepare_tx(m, &tx, &nif);
		p = rte_pktmbuf_mtod(m, uint8_t *);
		assert_int_equal(pkt_parse(p, m->data_len, m->pkt_len, offload, &pm), REASON_NONE);
		assert_int_equal(pm.vlan, 100);
		assert_int_equal(pm.tos, 0x28);
		assert_int_equal(cksum_verify_rx(m, &pm, false) == REASON_NONE, !offload);
		assert_int_equal(cksum_verify_rx(m, &pm, true), REASON_NONE);
		assert_int_equal(
			m->ol_flags & RTE_MBUF_F_TX_L4_MASK, !offload ? 0
							     : tcp    ? RTE_MBUF_F_TX_TCP_CKSUM
								      : RTE_MBUF_F_TX_UDP_CKSUM);
		assert_int_equal(!!(m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM), offload && !v6);
		assert_int_equal(m->l2_len, 18);
		assert_int_equal(m->l3_len, v6 ? 40 : 20);
		rte_pktmbuf_free(m);
	}
}

static void link_header_is_replaced(void **state)
{
	const uint8_t peer[6] = {2, 0, 0, 0, 0, 9};
	struct net_if nif = {.mac = {2, 0, 0, 0, 0, 1}};
	struct rte_mbuf *m = load_hex(HEX_QINQ_UDP6, TEST_MBUF_ROOM);
	struct frame untagged = frame_from(HEX_QINQ_UDP6);

	(void)state;
	assert_true(build_l2(m, 22, &nif, peer, ETH_IP6)); /* two tags away */
	assert_int_equal(m->pkt_len, untagged.len - 8);
	assert_memory_equal(
		rte_pktmbuf_mtod_offset(m, uint8_t *, 14), untagged.b + 22, untagged.len - 22);
	nif.vlan = 5; /* one tag on */
	assert_true(build_l2(m, 14, &nif, peer, ETH_IP6));
	assert_int_equal(
		pkt_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, m->pkt_len, false, &pm), 0);
	assert_int_equal(pm.vlan, 5);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), peer, 6);
	rte_pktmbuf_prepend(m, rte_pktmbuf_headroom(m));
	assert_false(build_l2(m, 14, &nif, peer, ETH_IP6)); /* no headroom left */
	rte_pktmbuf_free(m);
}

static int setup(void **state)
{
	(void)state;
	test_eal_init();
	pool = test_pool_create("cksum", 255);
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
		cmocka_unit_test(sums_of_known_bytes),
		cmocka_unit_test(golden_frames_verify_and_refill),
		cmocka_unit_test(segments_do_not_change_the_sum),
		cmocka_unit_test(device_verdicts_are_obeyed),
		cmocka_unit_test(partial_checksums_need_trust),
		cmocka_unit_test(udp_zero_means_none_in_ipv4_alone),
		cmocka_unit_test(rfc1624_example),
		cmocka_unit_test(udp_sum_of_zero_is_sent_as_ones),
		cmocka_unit_test(built_packets_verify),
		cmocka_unit_test(link_header_is_replaced),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
