/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/time.h"
#include "dataplane/net/build.h"
#include "dataplane/net/icmp.h"
#include "tests/support/eal.h"
#include "tests/unit/net/frames.h"

/* Errors as one side sends them and as the other side has to see them, by scapy. The flow:
 * 198.51.100.7:80 -> 203.0.113.5:40001 is 10.0.0.9:8080 -> 192.0.2.60:5555 on the other side. */
#define HEX_NAT4_IN                                                                        \
	"02000000000202000000000108004500004c0001000040018e74c0000201c633640703045de70000" \
	"0578450000300077400003061111c6336407cb00710500509c41000000070000000050102000db6d" \
	"00006461746164617461"
#define HEX_NAT4_OUT                                                                       \
	"02000000000202000000000108004500004c000100004001ae75c00002320a0000090304c3eb0000" \
	"057845000030007740000306ab0c0a000009c000023c1f9015b3000000070000000050102000dcb7" \
	"00006461746164617461"
#define HEX_NAT4_OUT6                                                                      \
	"02000000000202000000000186dd60000000004c3a4020010db80001000000000000000000502001" \
	"0db8000100000000000000000009020036230000058c60000000001c060320010db8000100000000" \
	"00000000000920010db80001000000000000000000601f9015b30000000700000000501020004d20" \
	"00006461746164617461"
#define HEX_NAT6_IN                                                                        \
	"02000000000202000000000186dd60000000003d3a3d20010db80000000000000000000000012001" \
	"0db800000000000000000000000202002c0b0000051460000000000d110520010db8000000000000" \
	"00000000000220010db800000000000000000000000900351770000d680778797a3132"
#define HEX_NAT6_OUT                                                                       \
	"02000000000202000000000186dd60000000003d3a3d20010db80001000000000000000000502001" \
	"0db800010000000000000000000902002bb30000051460000000000d110520010db8000100000000" \
	"00000000000920010db80001000000000000000000601f9015b3000d4a0978797a3132"
#define HEX_NAT6_OUT4                                                                      \
	"02000000000202000000000108004500003d000040003d017185c00002320a0000090304c45f0000" \
	"050045000021000040000511a9870a000009c000023c1f9015b3000dd9a078797a3132"
#define HEX_ECHO_IN4                                                                       \
	"0200000000020200000000010800450000400000400040014e81c0000201c63364070b00f4ff0000" \
	"0000450000240000400001011399c6336407cb0071050800293e1111000970696e67706f6e67"
#define HEX_ECHO_OUT6                                                                      \
	"02000000000202000000000186dd6000000000403a4020010db80001000000000000000000502001" \
	"0db8000100000000000000000009030006f1000000006000000000103a0120010db8000100000000" \
	"00000000000920010db8000100000000000000000060800044052222000970696e67706f6e67"

static struct rte_mempool *pool;
static struct net_if nif = {.mac = {2, 0, 0, 0, 0, 2}, .mtu = 1500};
static struct icmp_limiter lim;
static struct pkt_meta pm;

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(text, &a), 0);
	return a;
}

static struct rte_mbuf *load_hex(const char *hex)
{
	struct frame f = frame_from(hex);

	assert_int_equal(pkt_parse(f.b, f.len, f.len, false, &pm), REASON_NONE);
	return test_mbuf(pool, f.b, f.len);
}

static enum reason parse(const struct rte_mbuf *m, struct pkt_meta *out)
{
	return pkt_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, m->pkt_len, false, out);
}

/* The packet parses, verifies, and the meta data kept along is what parsing anew gives. */
static void check_whole(const struct rte_mbuf *m)
{
	struct pkt_meta again;

	assert_int_equal(parse(m, &again), REASON_NONE);
	assert_int_equal(cksum_verify_rx(m, &again, false), REASON_NONE);
	assert_true(ip_addr_eq(&again.src, &pm.src) && ip_addr_eq(&again.dst, &pm.dst));
	assert_int_equal(again.l3_len, pm.l3_len);
	assert_int_equal(again.l4_off, pm.l4_off);
	assert_int_equal(again.proto, pm.proto);
	assert_int_equal(again.ttl, pm.ttl);
	assert_int_equal(again.icmp_type, pm.icmp_type);
	assert_int_equal(again.flags, pm.flags);
	assert_memory_equal(&again.inner.src, &pm.inner.src, 32);
	assert_int_equal(again.inner.sport, pm.inner.sport);
	assert_int_equal(again.inner.dport, pm.inner.dport);
	assert_int_equal(again.inner.l4_off, pm.inner.l4_off);
	assert_int_equal(again.inner.proto, pm.inner.proto);
}

static void check_bytes(const struct rte_mbuf *m, const char *hex)
{
	struct frame want = frame_from(hex);

	assert_int_equal(m->pkt_len, want.len);
	assert_memory_equal(
		rte_pktmbuf_mtod_offset(m, const uint8_t *, 14), want.b + 14, want.len - 14);
}

/* --- echo ------------------------------------------------------------------------------------ */

static void echo_is_answered_in_place(void **state)
{
	static const char *const hex[] = {HEX_ECHO4, HEX_ECHO6};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rte_mbuf *m = load_hex(hex[i]);
		struct pkt_meta in = pm, out;

		icmp_limiter_init(&lim, 10);
		assert_int_equal(icmp_echo_reply(m, &pm, &nif, &lim, 1), REASON_NONE);
		assert_int_equal(parse(m, &out), REASON_NONE);
		assert_int_equal(cksum_verify_rx(m, &out, false), REASON_NONE);
		assert_int_equal(out.icmp_type, i ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY);
		assert_true(ip_addr_eq(&out.src, &in.dst) && ip_addr_eq(&out.dst, &in.src));
		assert_int_equal(out.sport, in.sport);
		assert_int_equal(out.ttl, 64);
		assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
		/* a reply is not answered */
		assert_int_equal(icmp_echo_reply(m, &out, &nif, &lim, 1), REASON_ICMP_UNHANDLED);
		rte_pktmbuf_free(m);
	}
}

static void strange_echoes_are_refused(void **state)
{
	struct rte_mbuf *m = load_hex(HEX_ECHO4);
	struct pkt_meta bad;

	(void)state;
	icmp_limiter_init(&lim, 10);
	bad = pm, bad.flags |= PKT_F_L2_GROUP;
	assert_int_equal(icmp_echo_reply(m, &bad, &nif, &lim, 1), REASON_ICMP_UNHANDLED);
	bad = pm, bad.dst = addr("224.0.0.1");
	assert_int_equal(icmp_echo_reply(m, &bad, &nif, &lim, 1), REASON_ICMP_UNHANDLED);
	bad = pm, bad.flags |= PKT_F_FRAG;
	assert_int_equal(icmp_echo_reply(m, &bad, &nif, &lim, 1), REASON_ICMP_UNHANDLED);
	bad = pm, bad.icmp_code = 1;
	assert_int_equal(icmp_echo_reply(m, &bad, &nif, &lim, 1), REASON_ICMP_UNHANDLED);
	rte_pktmbuf_mtod(m, uint8_t *)[44] ^= 1;
	assert_int_equal(icmp_echo_reply(m, &pm, &nif, &lim, 1), REASON_ICMP_CHECKSUM);
	rte_pktmbuf_free(m);
}

static void rate_has_a_burst_and_a_refill(void **state)
{
	uint32_t got = 0;

	(void)state;
	icmp_limiter_init(&lim, 100); /* burst 10 */
	for (int i = 0; i < 50; i++)
		got += icmp_limiter_take(&lim, 5);
	assert_int_equal(got, 10);
	for (uint64_t ns = 5; ns < 5 + NS_PER_SEC; ns += NS_PER_MS)
		got += icmp_limiter_take(&lim, ns);
	assert_in_range(got, 108, 111);
	got = 0;
	for (int i = 0; i < 50; i++) /* idle time does not add up beyond the burst */
		got += icmp_limiter_take(&lim, 100 * NS_PER_SEC);
	assert_int_equal(got, 10);
}

/* --- errors ---------------------------------------------------------------------------------- */

static void errors_are_built(void **state)
{
	static const struct {
		enum icmp_why why;
		uint8_t t4, c4, t6, c6;
	} row[] = {
		{ICMP_WHY_TTL, 11, 0, 3, 0},
		{ICMP_WHY_TOO_BIG, 3, 4, 2, 0},
		{ICMP_WHY_NO_ROUTE, 3, 0, 1, 0},
		{ICMP_WHY_HOST, 3, 1, 1, 3},
		{ICMP_WHY_PORT, 3, 3, 1, 4},
		{ICMP_WHY_ADMIN, 3, 13, 1, 1},
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(row); i++) {
		bool v6 = i & 1;
		struct rte_mbuf *m = load_hex(v6 ? HEX_TCP6 : HEX_TCP4), *e;
		struct ip_addr from = v6 ? addr("2001:db8::fe") : addr("192.0.2.254");
		struct icmp_error what = {row[i / 2].why, 1400, &from};
		struct pkt_meta out;

		icmp_limiter_init(&lim, 10);
		e = icmp_error_build(m, &pm, &what, &nif, pool, &lim, 1);
		assert_non_null(e);
		assert_int_equal(parse(e, &out), REASON_NONE);
		assert_int_equal(cksum_verify_rx(e, &out, false), REASON_NONE);
		assert_int_equal(out.icmp_type, v6 ? row[i / 2].t6 : row[i / 2].t4);
		assert_int_equal(out.icmp_code, v6 ? row[i / 2].c6 : row[i / 2].c4);
		assert_true(ip_addr_eq(&out.dst, &pm.src) && ip_addr_eq(&out.src, &from));
		assert_true(out.flags & PKT_F_INNER_PORTS);
		assert_int_equal(out.inner.dport, pm.dport);
		assert_memory_equal(rte_pktmbuf_mtod_offset(e, uint8_t *, out.inner.l3_off),
			rte_pktmbuf_mtod_offset(m, uint8_t *, 14), pm.l3_len);
		assert_int_equal(load_be32(rte_pktmbuf_mtod_offset(e, uint8_t *, out.l4_off + 4)),
			what.why == ICMP_WHY_TOO_BIG ? 1400 : 0);
		assert_memory_equal(rte_pktmbuf_mtod(e, uint8_t *), "\2\0\0\0\0\1\2\0\0\0\0\2", 12);
		assert_false(icmp_error_allowed(&out)); /* none about an error */
		rte_pktmbuf_free(e);
		rte_pktmbuf_free(m);
	}
}

/* A large packet in several segments is quoted up to the limit, checksum over what is quoted. */
static void long_packets_are_quoted_in_part(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct frame f = frame_from(v6 ? HEX_UDP6 : HEX_UDP4);
		struct ip_addr from = v6 ? addr("2001:db8::fe") : addr("192.0.2.254");
		struct icmp_error what = {ICMP_WHY_PORT, 0, &from};
		struct rte_mbuf *m, *e;
		struct pkt_meta out;

		for (uint32_t i = f.len; i < 1514; i++)
			f.b[i] = (uint8_t)i;
		f.len = 1514;
		store_be16(f.b + (v6 ? 18 : 16), v6 ? 1460 : 1500);
		m = test_mbuf_segs(pool, f.b, f.len, 700);
		assert_int_equal(pkt_parse(f.b, 700, f.len, true, &pm), REASON_NONE);
		icmp_limiter_init(&lim, 10);
		e = icmp_error_build(m, &pm, &what, &nif, pool, &lim, 1);
		assert_non_null(e);
		assert_int_equal(parse(e, &out), REASON_NONE);
		assert_int_equal(cksum_verify_rx(e, &out, false), REASON_NONE);
		assert_int_equal(out.l3_len, v6 ? 1280 : 576);
		assert_memory_equal(rte_pktmbuf_mtod_offset(e, uint8_t *, out.inner.l3_off),
			f.b + 14, out.l3_len - (v6 ? 48u : 28u));
		rte_pktmbuf_free(e);
		rte_pktmbuf_free(m);
	}
}

static void some_packets_get_no_error(void **state)
{
	struct pkt_meta ok, p;
	struct rte_mbuf *m = load_hex(HEX_TCP4);
	struct ip_addr from = addr("192.0.2.254");
	struct icmp_error what = {ICMP_WHY_TTL, 0, &from};
	static const char *const bad_src[] = {"0.0.0.0", "127.0.0.1", "224.0.0.1",
		"255.255.255.255", "240.0.0.1", "ff02::1", "::"};

	(void)state;
	ok = pm;
	assert_true(icmp_error_allowed(&ok));
	for (size_t i = 0; i < ARRAY_SIZE(bad_src); i++) {
		p = ok, p.src = addr(bad_src[i]);
		assert_false(icmp_error_allowed(&p));
	}
	p = ok, p.flags |= PKT_F_L2_GROUP, assert_false(icmp_error_allowed(&p));
	p = ok, p.frag_off = 8, assert_false(icmp_error_allowed(&p));
	p = ok, p.dst = addr("239.1.1.1"), assert_false(icmp_error_allowed(&p));
	p = ok, p.dst = addr("255.255.255.255"), assert_false(icmp_error_allowed(&p));
	p = ok, p.proto = PROTO_ICMP, p.icmp_type = 5, assert_false(icmp_error_allowed(&p));
	p.icmp_type = 8, assert_true(icmp_error_allowed(&p));
	p = ok, p.ip_ver = 6, p.proto = PROTO_ICMP6, p.icmp_type = 4;
	assert_false(icmp_error_allowed(&p));
	p.icmp_type = 137, assert_false(icmp_error_allowed(&p));
	p.icmp_type = 128, assert_true(icmp_error_allowed(&p));
	p = ok, p.ip_ver = 0, p.kind = PKT_ARP, assert_false(icmp_error_allowed(&p));
	icmp_limiter_init(&lim, 1);
	while (icmp_limiter_take(&lim, 1))
		;
	assert_null(icmp_error_build(m, &ok, &what, &nif, pool, &lim, 1)); /* rate used up */
	rte_pktmbuf_free(m);
}

/* --- translation ----------------------------------------------------------------------------- */

static struct icmp_nat nat(bool v6)
{
	struct icmp_nat n = {
		.outer_src = addr(v6 ? "2001:db8:1::50" : "192.0.2.50"),
		.outer_dst = addr(v6 ? "2001:db8:1::9" : "10.0.0.9"),
		.inner_src = addr(v6 ? "2001:db8:1::9" : "10.0.0.9"),
		.inner_dst = addr(v6 ? "2001:db8:1::60" : "192.0.2.60"),
		.inner_sport = BE16(8080),
		.inner_dport = BE16(5555),
	};

	return n;
}

static void errors_follow_the_flow(void **state)
{
	static const struct {
		const char *in, *out;
		bool v6;
	} row[] = {
		{HEX_NAT4_IN, HEX_NAT4_OUT, false},
		{HEX_NAT6_IN, HEX_NAT6_OUT, true},
		{HEX_NAT4_IN, HEX_NAT4_OUT6, true},
		{HEX_NAT6_IN, HEX_NAT6_OUT4, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct rte_mbuf *m = load_hex(row[i].in);
		struct icmp_nat to = nat(row[i].v6);

		assert_int_equal(icmp_translate(m, &pm, &to), REASON_NONE);
		check_bytes(m, row[i].out);
		if (i < 2) /* link header kept within a family */
			check_whole(m);
		rte_pktmbuf_free(m);
	}
}

static void echoes_in_errors_follow_too(void **state)
{
	struct rte_mbuf *m = load_hex(HEX_ECHO_IN4);
	struct icmp_nat to = nat(true), back = nat(false);

	(void)state;
	to.inner_sport = BE16(0x2222);
	assert_int_equal(icmp_translate(m, &pm, &to), REASON_NONE);
	check_bytes(m, HEX_ECHO_OUT6);
	/* and back again, to where it came from */
	back.outer_src = addr("192.0.2.1");
	back.outer_dst = back.inner_src = addr("198.51.100.7");
	back.inner_dst = addr("203.0.113.5");
	back.inner_sport = BE16(0x1111);
	assert_int_equal(icmp_translate(m, &pm, &back), REASON_NONE);
	check_bytes(m, HEX_ECHO_IN4);
	rte_pktmbuf_free(m);
}

static void truncated_quotes_are_translated(void **state)
{
	struct rte_mbuf *m = load_hex(HEX_UNREACH4_CUT);
	struct icmp_nat to = nat(false);

	(void)state;
	to.ttl = 9;
	assert_int_equal(icmp_translate(m, &pm, &to), REASON_NONE);
	check_whole(m);
	assert_int_equal(pm.ttl, 9);
	rte_pktmbuf_free(m);
	m = load_hex(HEX_UNREACH6_FRAG); /* its fragment header has no place in IPv4 but bits */
	to.ttl = 0;
	assert_int_equal(icmp_translate(m, &pm, &to), REASON_NONE);
	store_be16(rte_pktmbuf_mtod_offset(m, uint8_t *, 12), ETH_IP4);
	check_whole(m);
	assert_int_equal(
		load_be16(rte_pktmbuf_mtod_offset(m, uint8_t *, pm.inner.l3_off + 6)), IP4_MF);
	assert_int_equal(load_be16(rte_pktmbuf_mtod_offset(m, uint8_t *, pm.inner.l3_off + 4)), 9);
	to = nat(true);
	assert_int_equal(icmp_translate(m, &pm, &to), REASON_NONE);
	store_be16(rte_pktmbuf_mtod_offset(m, uint8_t *, 12), ETH_IP6);
	check_whole(m);
	assert_int_equal(pm.inner.l4_off, pm.inner.l3_off + 48);
	rte_pktmbuf_free(m);
}

static void wrong_errors_are_not_translated(void **state)
{
	struct rte_mbuf *m = load_hex(HEX_NAT4_IN);
	struct icmp_nat to = nat(true);
	struct frame f = frame_from(HEX_NAT4_IN);
	struct pkt_meta before = pm;

	(void)state;
	rte_pktmbuf_mtod(m, uint8_t *)[60] ^= 1;
	assert_int_equal(icmp_translate(m, &pm, &to), REASON_ICMP_CHECKSUM);
	rte_pktmbuf_mtod(m, uint8_t *)[60] ^= 1;
	m->data_off = 8; /* a buffer without headroom */
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), f.b, f.len);
	assert_int_equal(icmp_translate(m, &pm, &to), REASON_NO_MBUF);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), f.b, f.len);
	assert_memory_equal(&pm, &before, sizeof(pm));
	rte_pktmbuf_free(m);
	m = load_hex(HEX_TCP4);
	assert_int_equal(icmp_translate(m, &pm, &to), REASON_ICMP_UNHANDLED);
	rte_pktmbuf_free(m);
}

/* RFC 7915 4.2 and 5.2, row by row; type 0 in `want`: no counterpart. */
static void heads_map_as_the_rfc_says(void **state)
{
	static const struct {
		struct icmp_head in, want;
	} to6[] =
		{
			{{3, 0, 0}, {1, 0, 0}},
			{{3, 1, 0}, {1, 0, 0}},
			{{3, 2, 0}, {4, 1, 6}},
			{{3, 3, 0}, {1, 4, 0}},
			{{3, 4, 1400}, {2, 0, 1420}},
			{{3, 4, 576}, {2, 0, 1280}},
			{{3, 4, 1500}, {2, 0, 1480}},
			{{3, 4, 0}, {2, 0, 1480}},
			{{3, 5, 0}, {1, 0, 0}},
			{{3, 8, 0}, {1, 0, 0}},
			{{3, 9, 0}, {1, 1, 0}},
			{{3, 10, 0}, {1, 1, 0}},
			{{3, 12, 0}, {1, 0, 0}},
			{{3, 13, 0}, {1, 1, 0}},
			{{3, 14, 0}, {0}},
			{{3, 15, 0}, {1, 1, 0}},
			{{3, 16, 0}, {0}},
			{{4, 0, 0}, {0}},
			{{11, 0, 0}, {3, 0, 0}},
			{{11, 1, 0}, {3, 1, 0}},
			{{11, 2, 0}, {0}},
			{{12, 0, 8u << 24}, {4, 0, 7}},
			{{12, 0, 9u << 24}, {4, 0, 6}},
			{{12, 2, 2u << 24}, {4, 0, 4}},
			{{12, 0, 13u << 24}, {4, 0, 8}},
			{{12, 0, 19u << 24}, {4, 0, 24}},
			{{12, 0, 4u << 24}, {0}},
			{{12, 0, 20u << 24}, {0}},
			{{12, 1, 0}, {0}},
		},
	  to4[] = {
		  {{1, 0, 0}, {3, 1, 0}},
		  {{1, 1, 0}, {3, 10, 0}},
		  {{1, 2, 0}, {3, 1, 0}},
		  {{1, 3, 0}, {3, 1, 0}},
		  {{1, 4, 0}, {3, 3, 0}},
		  {{1, 5, 0}, {0}},
		  {{2, 0, 1400}, {3, 4, 1380}},
		  {{2, 0, 9000}, {3, 4, 1480}},
		  {{2, 0, 68}, {3, 4, 1260}},
		  {{3, 0, 0}, {11, 0, 0}},
		  {{3, 1, 0}, {11, 1, 0}},
		  {{3, 2, 0}, {0}},
		  {{4, 0, 0}, {12, 0, 0}},
		  {{4, 0, 4}, {12, 0, 2u << 24}},
		  {{4, 0, 6}, {12, 0, 9u << 24}},
		  {{4, 0, 7}, {12, 0, 8u << 24}},
		  {{4, 0, 23}, {12, 0, 12u << 24}},
		  {{4, 0, 39}, {12, 0, 16u << 24}},
		  {{4, 0, 40}, {0}},
		  {{4, 0, 2}, {0}},
		  {{4, 1, 0}, {3, 2, 0}},
		  {{4, 2, 0}, {0}},
		  {{128, 0, 0}, {0}},
	  };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(to6); i++) {
		struct icmp_head h = to6[i].in;

		assert_int_equal(icmp_head_4to6(&h, 1500, 1480, 1501), to6[i].want.type != 0);
		if (to6[i].want.type) {
			assert_int_equal(h.type, to6[i].want.type);
			assert_int_equal(h.code, to6[i].want.code);
			assert_int_equal(h.word, to6[i].want.word);
		}
	}
	for (size_t i = 0; i < ARRAY_SIZE(to4); i++) {
		struct icmp_head h = to4[i].in;

		assert_int_equal(icmp_head_6to4(&h, 1500, 1500), to4[i].want.type != 0);
		if (to4[i].want.type) {
			assert_int_equal(h.type, to4[i].want.type);
			assert_int_equal(h.code, to4[i].want.code);
			assert_int_equal(h.word, to4[i].want.word);
		}
	}
}

static int setup(void **state)
{
	(void)state;
	test_eal_init();
	pool = test_pool_create("icmp", 63);
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
		cmocka_unit_test(echo_is_answered_in_place),
		cmocka_unit_test(strange_echoes_are_refused),
		cmocka_unit_test(rate_has_a_burst_and_a_refill),
		cmocka_unit_test(errors_are_built),
		cmocka_unit_test(long_packets_are_quoted_in_part),
		cmocka_unit_test(some_packets_get_no_error),
		cmocka_unit_test(errors_follow_the_flow),
		cmocka_unit_test(echoes_in_errors_follow_too),
		cmocka_unit_test(truncated_quotes_are_translated),
		cmocka_unit_test(wrong_errors_are_not_translated),
		cmocka_unit_test(heads_map_as_the_rfc_says),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
