/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/rng.h"
#include "dataplane/net/build.h"
#include "dataplane/net/xlate.h"
#include "tests/support/eal.h"
#include "tests/support/seed.h"
#include "tests/unit/net/frames.h"

/* The same packets in both families, by scapy: 10.0.0.9:8080 -> 192.0.2.60:5555 and
 * 2001:db8:1::9 -> 2001:db8:1::60. */
#define HEX_X_TCP4                                                                         \
	"0200000000020200000000010800452c0031000700003f06af4f0a000009c000023c1f9015b30000" \
	"0001000000006018200032b00000020405b468656c6c6f"
#define HEX_X_TCP6                                                                         \
	"02000000000202000000000186dd62c00000001d063f20010db80001000000000000000000092001" \
	"0db80001000000000000000000601f9015b3000000010000000060182000a3180000020405b46865" \
	"6c6c6f"
#define HEX_X_UDP4                                                                         \
	"0200000000020200000000010800452c0021000700003f11af540a000009c000023c1f9015b3000d" \
	"ba7968656c6c6f"
#define HEX_X_UDP6                                                                         \
	"02000000000202000000000186dd62c00000000d113f20010db80001000000000000000000092001" \
	"0db80001000000000000000000601f9015b3000d2ae268656c6c6f"
#define HEX_X_UDP4_ZERO                                                                    \
	"0200000000020200000000010800452c0021000700003f11af540a000009c000023c1f9015b3000d" \
	"000068656c6c6f"
#define HEX_X_OPT4                                                                         \
	"0200000000020200000000010800462c0035000700003f06ac490a000009c000023c010101011f90" \
	"15b300000001000000006018200032b00000020405b468656c6c6f"
#define HEX_X_EXT6                                                                         \
	"02000000000202000000000186dd62c00000002d003f20010db80001000000000000000000092001" \
	"0db80001000000000000000000603c0001040000000006000104000000001f9015b3000000010000" \
	"000060182000a3180000020405b468656c6c6f"
#define HEX_X_ECHO4                                                                        \
	"0200000000020200000000010800452c0021000700003f01af640a000009c000023c0800f79b0090" \
	"000370696e6721"
#define HEX_X_ECHO6                                                                        \
	"02000000000202000000000186dd62c00000000d3a3f20010db80001000000000000000000092001" \
	"0db8000100000000000000000060800023770090000370696e6721"
#define HEX_X_REPLY4                                                                       \
	"0200000000020200000000010800452c0021000700003f01af640a000009c000023c0000ff9b0090" \
	"000370696e6721"
#define HEX_X_REPLY6                                                                       \
	"02000000000202000000000186dd62c00000000d3a3f20010db80001000000000000000000092001" \
	"0db8000100000000000000000060810022770090000370696e6721"
#define HEX_X_F4A                                                                          \
	"0200000000020200000000010800452c0024007720003f118ee10a000009c000023c1f9015b30020" \
	"79950001020304050607"
#define HEX_X_F4B                                                                          \
	"0200000000020200000000010800452c0024007700023f11aedf0a000009c000023c08090a0b0c0d" \
	"0e0f1011121314151617"
#define HEX_X_F6A                                                                          \
	"02000000000202000000000186dd62c0000000182c3f20010db80001000000000000000000092001" \
	"0db800010000000000000000006011000001000000771f9015b30020e9fd0001020304050607"
#define HEX_X_F6B                                                                          \
	"02000000000202000000000186dd62c0000000182c3f20010db80001000000000000000000092001" \
	"0db8000100000000000000000060110000100000007708090a0b0c0d0e0f1011121314151617"
#define HEX_X_ATOMIC6                                                                      \
	"02000000000202000000000186dd62c0000000282c3f20010db80001000000000000000000092001" \
	"0db800010000000000000000006011000000000100071f9015b30020e9fd00010203040506070809" \
	"0a0b0c0d0e0f1011121314151617"
#define HEX_X_ATOMIC4                                                                      \
	"0200000000020200000000010800452c0034000700003f11af410a000009c000023c1f9015b30020" \
	"7995000102030405060708090a0b0c0d0e0f1011121314151617"

static struct rte_mempool *pool;
static struct pkt_meta pm;

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(text, &a), 0);
	return a;
}

static struct xlate to_side(bool v6)
{
	return (struct xlate){
		.src = addr(v6 ? "2001:db8:1::9" : "10.0.0.9"),
		.dst = addr(v6 ? "2001:db8:1::60" : "192.0.2.60"),
		.sport = BE16(8080),
		.dport = BE16(5555),
		.ttl = 63,
		.ip_id = 7,
	};
}

/* What stands before l3_off is undefined after a translation: make a frame of it again. */
static void relink(struct rte_mbuf *m)
{
	memset(rte_pktmbuf_mtod(m, uint8_t *), 2, 12);
	store_be16(rte_pktmbuf_mtod_offset(m, uint8_t *, 12), pm.ip_ver == 4 ? ETH_IP4 : ETH_IP6);
}

static void check_meta(const struct rte_mbuf *m)
{
	struct pkt_meta p;

	memset(&p, 0, sizeof(p));
	assert_int_equal(
		pkt_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, m->pkt_len, false, &p),
		REASON_NONE);
	assert_true(ip_addr_eq(&p.src, &pm.src) && ip_addr_eq(&p.dst, &pm.dst));
	assert_int_equal(p.sport, pm.sport);
	assert_int_equal(p.dport, pm.dport);
	assert_int_equal(p.l4_off, pm.l4_off);
	assert_int_equal(p.l3_len, pm.l3_len);
	assert_int_equal(p.frag_off, pm.frag_off);
	assert_int_equal(p.frag_id, pm.frag_id);
	assert_int_equal(p.frag_hdr_off, pm.frag_hdr_off);
	assert_int_equal(p.proto_off, pm.proto_off);
	assert_int_equal(p.flags, pm.flags);
	assert_int_equal(p.proto, pm.proto);
	assert_int_equal(p.ttl, pm.ttl);
	assert_int_equal(p.tos, pm.tos);
	assert_int_equal(p.icmp_type, pm.icmp_type);
	assert_int_equal(cksum_verify_rx(m, &p, false), REASON_NONE);
}

static void cross(const char *in, const char *out, struct xlate x)
{
	struct frame f = frame_from(in), want = frame_from(out);
	struct rte_mbuf *m = test_mbuf(pool, f.b, f.len);

	assert_int_equal(pkt_parse(f.b, f.len, f.len, false, &pm), REASON_NONE);
	assert_int_equal(xlate_packet(m, &pm, &x), REASON_NONE);
	relink(m);
	assert_int_equal(m->pkt_len, want.len);
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, 14), want.b + 14, want.len - 14);
	check_meta(m);
	rte_pktmbuf_free(m);
}

static void packets_cross_exactly(void **state)
{
	struct xlate echo6 = to_side(true), echo4 = to_side(false);

	(void)state;
	echo6.sport = echo4.sport = BE16(0x90);
	cross(HEX_X_TCP4, HEX_X_TCP6, to_side(true));
	cross(HEX_X_TCP6, HEX_X_TCP4, to_side(false));
	cross(HEX_X_UDP4, HEX_X_UDP6, to_side(true));
	cross(HEX_X_UDP6, HEX_X_UDP4, to_side(false));
	cross(HEX_X_OPT4, HEX_X_TCP6, to_side(true)); /* options are left behind */
	cross(HEX_X_EXT6, HEX_X_TCP4, to_side(false));
	cross(HEX_X_UDP4_ZERO, HEX_X_UDP6, to_side(true)); /* RFC 7915 4.5 */
	cross(HEX_X_ECHO4, HEX_X_ECHO6, echo6);
	cross(HEX_X_ECHO6, HEX_X_ECHO4, echo4);
	cross(HEX_X_REPLY4, HEX_X_REPLY6, echo6);
	cross(HEX_X_REPLY6, HEX_X_REPLY4, echo4);
	cross(HEX_X_ATOMIC6, HEX_X_ATOMIC4, to_side(false));
}

static void fragments_keep_their_place(void **state)
{
	(void)state;
	cross(HEX_X_F4A, HEX_X_F6A, to_side(true));
	cross(HEX_X_F4B, HEX_X_F6B, to_side(true));
	cross(HEX_X_F6A, HEX_X_F4A, to_side(false));
	cross(HEX_X_F6B, HEX_X_F4B, to_side(false));
}

static void large_packets_may_not_be_fragmented(void **state)
{
	static const uint16_t sizes[2] = {1240, 1241};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct frame f = frame_from(HEX_X_UDP6);
		struct xlate x = to_side(false);
		struct rte_mbuf *m;

		f.len = 54u + sizes[i];
		store_be16(f.b + 18, sizes[i]);
		store_be16(f.b + 58, sizes[i]);
		m = test_mbuf(pool, f.b, f.len);
		assert_int_equal(pkt_parse(f.b, f.len, f.len, false, &pm), REASON_NONE);
		cksum_fill_l4(m, &pm);
		assert_int_equal(xlate_packet(m, &pm, &x), REASON_NONE);
		relink(m);
		check_meta(m);
		assert_int_equal(!!(pm.flags & PKT_F_DF), i); /* RFC 7915 5.1: above 1260 bytes */
		rte_pktmbuf_free(m);
	}
}

static void refused(const char *hex, uint16_t off, uint8_t val, bool to6, enum reason want)
{
	struct frame f = frame_from(hex);
	struct xlate x = to_side(to6);
	struct pkt_meta before;
	struct rte_mbuf *m;

	if (off)
		f.b[off] = val;
	m = test_mbuf(pool, f.b, f.len);
	assert_int_equal(pkt_parse(f.b, f.len, f.len, true, &pm), REASON_NONE);
	before = pm;
	if (want == REASON_NO_MBUF) {
		m->data_off = 0;
		memcpy(rte_pktmbuf_mtod(m, uint8_t *), f.b, f.len);
	}
	assert_int_equal(xlate_packet(m, &pm, &x), want);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), f.b, f.len);
	assert_memory_equal(&pm, &before, sizeof(pm));
	rte_pktmbuf_free(m);
}

static void what_cannot_cross_stays_as_it_was(void **state)
{
	(void)state;
	memset(&pm, 0, sizeof(pm));
	refused(HEX_X_TCP4, 23, 132, true, REASON_PROTO_UNKNOWN);   /* SCTP */
	refused(HEX_X_ECHO4, 34, 13, true, REASON_PROTO_UNKNOWN);   /* ICMP timestamp */
	refused(HEX_X_ECHO6, 54, 135, false, REASON_PROTO_UNKNOWN); /* ND */
	refused(HEX_UNREACH4, 0, 0, true, REASON_PROTO_UNKNOWN);    /* errors go elsewhere */
	refused(HEX_X_F4A, 23, 1, true, REASON_FRAG_UNTRANSLATABLE);
	refused(HEX_AH6, 0, 0, false, REASON_IP6_EXT_BAD);
	refused(HEX_ROUTE6, 0, 0, false, REASON_IP6_EXT_BAD); /* one segment left */
	refused(HEX_X_TCP4, 0, 0, true, REASON_NO_MBUF);
	struct frame f = frame_from(HEX_X_F4A); /* first fragment of UDP without a checksum */
	struct xlate x = to_side(true);
	struct rte_mbuf *m;

	store16(f.b + 40, 0);
	m = test_mbuf(pool, f.b, f.len);
	assert_int_equal(pkt_parse(f.b, f.len, f.len, true, &pm), REASON_NONE);
	assert_int_equal(xlate_packet(m, &pm, &x), REASON_FRAG_UNTRANSLATABLE);
	rte_pktmbuf_free(m);
}

/* There and back again with random addresses, ports and payloads: the same bytes. */
static void round_trips_change_nothing(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, test_seed());
	for (int i = 0; i < 20000; i++) {
		struct frame f = frame_from(i & 1 ? HEX_X_TCP4 : HEX_X_UDP4);
		struct xlate x = to_side(true), back = to_side(false);
		struct rte_mbuf *m;

		for (uint32_t k = f.len - 5; k < f.len; k++)
			f.b[k] = (uint8_t)(rng_next(&r) & 1 ? 0xff : rng_next(&r));
		for (int k = 0; k < 16; k++)
			x.src.b[k] = (uint8_t)(rng_next(&r) & 1 ? 0xff : rng_next(&r));
		x.src.b[0] = 0x20;
		x.sport = (uint16_t)rng_next(&r);
		x.dport = (uint16_t)rng_next(&r);
		m = test_mbuf(pool, f.b, f.len);
		assert_int_equal(pkt_parse(f.b, f.len, f.len, true, &pm), REASON_NONE);
		cksum_fill_l4(m, &pm);
		test_mbuf_bytes(m, f.b, sizeof(f.b));
		assert_int_equal(xlate_packet(m, &pm, &x), REASON_NONE);
		relink(m);
		check_meta(m);
		assert_int_equal(xlate_packet(m, &pm, &back), REASON_NONE);
		relink(m);
		check_meta(m);
		assert_memory_equal(
			rte_pktmbuf_mtod_offset(m, uint8_t *, 14), f.b + 14, f.len - 14);
		rte_pktmbuf_free(m);
	}
}

static int setup(void **state)
{
	(void)state;
	test_eal_init();
	pool = test_pool_create("xlate", 63);
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
		cmocka_unit_test(packets_cross_exactly),
		cmocka_unit_test(fragments_keep_their_place),
		cmocka_unit_test(large_packets_may_not_be_fragmented),
		cmocka_unit_test(what_cannot_cross_stays_as_it_was),
		cmocka_unit_test(round_trips_change_nothing),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
