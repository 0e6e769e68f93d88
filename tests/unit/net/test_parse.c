/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/hdr.h"
#include "dataplane/net/pkt.h"
#include "tests/unit/net/frames.h"

static struct frame f;
static struct pkt_meta m;

/* From an exact-size heap copy, so that the sanitizer sees any read beyond it. */
static enum reason parse_as(uint32_t readable, uint32_t pkt_len, bool csum_good)
{
	uint8_t *copy = malloc(readable ? readable : 1);
	enum reason r;

	assert_non_null(copy);
	memcpy(copy, f.b, readable);
	memset(&m, 0xa5, sizeof(m));
	r = pkt_parse(copy, readable, pkt_len, csum_good, &m);
	free(copy);
	return r;
}

static enum reason parse(const char *hex)
{
	f = frame_from(hex);
	return parse_as(f.len, f.len, false);
}

static void check_addrs(void)
{
	char out[2][IP_ADDR_TEXT_MAX];

	ip_addr_format(&m.src, out[0]);
	ip_addr_format(&m.dst, out[1]);
	assert_string_equal(out[0], m.ip_ver == 4 ? "192.0.2.1" : "2001:db8::1");
	assert_string_equal(out[1], m.ip_ver == 4 ? "198.51.100.7" : "2001:db8::2");
}

struct want {
	uint8_t kind, ver, proto, ttl, tos;
	uint16_t l3, l4, sport, dport, flags;
};

static void check(const char *hex, struct want w)
{
	assert_int_equal(parse(hex), REASON_NONE);
	assert_int_equal(m.kind, w.kind);
	assert_int_equal(m.ip_ver, w.ver);
	assert_int_equal(m.proto, w.proto);
	assert_int_equal(m.ttl, w.ttl);
	assert_int_equal(m.tos, w.tos);
	assert_int_equal(m.l3_off, w.l3);
	assert_int_equal(m.l4_off, w.l4);
	assert_int_equal(BE16(m.sport), w.sport);
	assert_int_equal(BE16(m.dport), w.dport);
	assert_int_equal(m.flags, w.flags);
	assert_int_equal(m.l3_len, f.len - w.l3);
	check_addrs();
}

static void plain_packets(void **state)
{
	const uint16_t p = PKT_F_PORTS, pd = PKT_F_PORTS | PKT_F_DF;

	(void)state;
	check(HEX_TCP4, (struct want){PKT_IP4, 4, 6, 64, 0x10, 14, 34, 40000, 80, pd});
	assert_int_equal(m.tcp_flags, TCP_SYN);
	assert_int_equal(BE16(m.frag_id), 0x1234);
	assert_int_equal(m.proto_off, 23);
	check(HEX_UDP4, (struct want){PKT_IP4, 4, 17, 64, 0, 14, 34, 5353, 53, p});
	check(HEX_TCP6, (struct want){PKT_IP6, 6, 6, 61, 0x2c, 14, 54, 40000, 443, pd});
	assert_int_equal(m.tcp_flags, TCP_PSH | TCP_ACK);
	assert_int_equal(m.proto_off, 20);
	check(HEX_UDP6, (struct want){PKT_IP6, 6, 17, 61, 0x2c, 14, 54, 1, 2, pd});
	check(HEX_ECHO4, (struct want){PKT_IP4, 4, 1, 64, 0, 14, 34, 0x4242, 0x4242, p});
	assert_int_equal(m.icmp_type, ICMP4_ECHO);
	check(HEX_ECHO6, (struct want){PKT_IP6, 6, 58, 61, 0x2c, 14, 54, 0x4242, 0x4242, pd});
	assert_int_equal(m.icmp_type, ICMP6_ECHO);
}

static void vlan_tags_are_stepped_over(void **state)
{
	(void)state;
	check(HEX_VLAN_TCP4, (struct want){PKT_IP4, 4, 6, 64, 0, 18, 38, 1, 2, PKT_F_PORTS});
	assert_int_equal(m.vlan, 100);
	check(HEX_QINQ_UDP6,
		(struct want){PKT_IP6, 6, 17, 61, 0x2c, 22, 62, 1, 2, PKT_F_PORTS | PKT_F_DF});
	assert_int_equal(m.vlan, 7);
	store_be16(f.b + 20, ETH_VLAN); /* a third tag */
	assert_int_equal(parse_as(f.len, f.len, false), REASON_VLAN_TOO_DEEP);
	assert_int_equal(parse_as(17, f.len, false), REASON_ETH_SHORT);
}

static void link_padding_is_not_payload(void **state)
{
	(void)state;
	f = frame_from(HEX_UDP4);
	f.len = 60;
	assert_int_equal(parse_as(60, 60, false), REASON_NONE);
	assert_int_equal(m.l3_len, 33);
}

static void arp_and_strangers_pass(void **state)
{
	(void)state;
	assert_int_equal(parse(HEX_ARP4), REASON_NONE);
	assert_int_equal(m.kind, PKT_ARP);
	assert_int_equal(m.l3_off, 14);
	assert_int_equal(m.l3_len, 28);
	assert_int_equal(m.flags, PKT_F_L2_GROUP);
	store_be16(f.b + 12, 0x88cc);
	assert_int_equal(parse_as(f.len, f.len, false), REASON_NONE);
	assert_int_equal(m.kind, PKT_OTHER);
	store_be16(f.b + 12, 0x0026); /* 802.3 length field */
	assert_int_equal(parse_as(f.len, f.len, false), REASON_NONE);
	assert_int_equal(m.kind, PKT_OTHER);
}

static void options_and_extension_headers(void **state)
{
	const uint16_t p6 = PKT_F_PORTS | PKT_F_DF | PKT_F_OPTIONS;

	(void)state;
	check(HEX_OPT4,
		(struct want){PKT_IP4, 4, 17, 64, 0, 14, 42, 9, 10, PKT_F_PORTS | PKT_F_OPTIONS});
	check(HEX_EXT6, (struct want){PKT_IP6, 6, 6, 61, 0x2c, 14, 78, 3, 4, p6});
	assert_int_equal(m.proto_off, 62);
	check(HEX_AH6, (struct want){PKT_IP6, 6, 6, 61, 0x2c, 14, 78, 3, 4, p6});
	check(HEX_ROUTE6, (struct want){PKT_IP6, 6, 17, 61, 0x2c, 14, 78, 3, 4, p6});
}

static void bad_options_are_refused(void **state)
{
	static const uint8_t types[] = {131, 137}; /* loose, strict source route */
	static const uint8_t lens[] = {0, 1, 9, 255};

	(void)state;
	f = frame_from(HEX_OPT4);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		f.b[34] = types[i];
		assert_int_equal(parse_as(f.len, f.len, true), REASON_IP4_OPTIONS_BAD);
	}
	f.b[34] = 7;
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		f.b[35] = lens[i];
		assert_int_equal(parse_as(f.len, f.len, true), REASON_IP4_OPTIONS_BAD);
	}
	f.b[34] = 0; /* end of list: what follows does not count */
	assert_int_equal(parse_as(f.len, f.len, true), REASON_NONE);
	memset(f.b + 34, 1, 7);
	f.b[41] = 7; /* a kind without room for its length */
	assert_int_equal(parse_as(f.len, f.len, true), REASON_IP4_OPTIONS_BAD);
}

static void bad_extension_headers_are_refused(void **state)
{
	(void)state;
	f = frame_from(HEX_ROUTE6);
	f.b[56] = 0; /* routing type 0 */
	assert_int_equal(parse_as(f.len, f.len, false), REASON_IP6_EXT_BAD);
	f = frame_from(HEX_EXT6);
	f.b[54] = 0; /* hop-by-hop behind hop-by-hop */
	assert_int_equal(parse_as(f.len, f.len, false), REASON_IP6_EXT_BAD);
	f = frame_from(HEX_EXT6);
	f.b[63] = 200; /* longer than the packet */
	assert_int_equal(parse_as(f.len, f.len, false), REASON_IP6_EXT_BAD);
	f = frame_from(HEX_EXT6);
	store_be16(f.b + 18, 4); /* payload ends inside the first one */
	assert_int_equal(parse_as(f.len, f.len, false), REASON_IP6_EXT_BAD);
	f = frame_from(HEX_FRAG6_FIRST);
	f.b[54] = PROTO_FRAGMENT; /* two fragment headers */
	assert_int_equal(parse_as(f.len, f.len, false), REASON_IP6_EXT_BAD);
}

static void too_many_extension_headers(void **state)
{
	const uint32_t cases[] = {8, 9};

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
		f = frame_from(HEX_UDP6);
		f.len = 54 + cases[k] * 8 + UDP_HDR_LEN;
		memset(f.b + 54, 0, f.len - 54);
		f.b[20] = PROTO_DSTOPTS;
		for (uint32_t i = 0; i < cases[k]; i++)
			f.b[54 + 8 * i] = i + 1 == cases[k] ? PROTO_UDP : PROTO_DSTOPTS;
		store_be16(f.b + f.len - 4, UDP_HDR_LEN);
		store_be16(f.b + 18, (uint16_t)(f.len - 54));
		assert_int_equal(parse_as(f.len, f.len, false),
			k == 0 ? REASON_NONE : REASON_IP6_EXT_TOO_MANY);
	}
}

static void icmp_errors_show_their_inner_packet(void **state)
{
	char a[IP_ADDR_TEXT_MAX];
	const uint16_t in = PKT_F_ICMP_ERROR | PKT_F_INNER_PORTS;

	(void)state;
	check(HEX_UNREACH4, (struct want){PKT_IP4, 4, 1, 64, 0, 14, 34, 0, 0, in});
	assert_int_equal(m.icmp_code, ICMP4_UNREACH_FRAG);
	assert_string_equal(ip_addr_format(&m.inner.src, a), "198.51.100.7");
	assert_string_equal(ip_addr_format(&m.inner.dst, a), "203.0.113.5");
	assert_int_equal(BE16(m.inner.sport), 80);
	assert_int_equal(BE16(m.inner.dport), 40001);
	assert_int_equal(m.inner.l3_off, 42);
	assert_int_equal(m.inner.l4_off, 62);
	assert_int_equal(m.inner.proto, 6);
	check(HEX_UNREACH4_CUT, (struct want){PKT_IP4, 4, 1, 64, 0, 14, 34, 0, 0, in});
	check(HEX_TOOBIG6, (struct want){PKT_IP6, 6, 58, 61, 0x2c, 14, 54, 0, 0, PKT_F_DF | in});
	assert_string_equal(ip_addr_format(&m.inner.dst, a), "2001:db8::9");
	assert_int_equal(BE16(m.inner.sport), 53);
	check(HEX_UNREACH6_FRAG,
		(struct want){PKT_IP6, 6, 58, 61, 0x2c, 14, 54, 0, 0, PKT_F_DF | in});
	assert_int_equal(m.inner.l4_off, 54 + 8 + 40 + 8);
	assert_int_equal(BE16(m.inner.dport), 6000);
}

static void broken_inner_packets_are_refused(void **state)
{
	(void)state;
	f = frame_from(HEX_UNREACH4_CUT);
	store_be16(f.b + 16, 55); /* one byte less than RFC 792 asks for */
	assert_int_equal(parse_as(f.len, f.len, true), REASON_ICMP_SHORT);
	f = frame_from(HEX_UNREACH4);
	f.b[42] = 0x65;
	assert_int_equal(parse_as(f.len, f.len, true), REASON_ICMP_SHORT);
	f.b[42] = 0x44;
	assert_int_equal(parse_as(f.len, f.len, true), REASON_ICMP_SHORT);
	f.b[42] = 0x4f; /* options beyond the quote */
	store_be16(f.b + 44, 400);
	assert_int_equal(parse_as(f.len, f.len, true), REASON_ICMP_SHORT);
	f = frame_from(HEX_UNREACH4);
	store_be16(f.b + 48, 5); /* inner packet is a later fragment: no ports there */
	assert_int_equal(parse_as(f.len, f.len, true), REASON_NONE);
	assert_int_equal(m.flags, PKT_F_ICMP_ERROR);
	f = frame_from(HEX_TOOBIG6);
	f.b[62] = 0x45;
	assert_int_equal(parse_as(f.len, f.len, true), REASON_ICMP_SHORT);
	f = frame_from(HEX_TOOBIG6);
	memset(f.b + 62 + 24, 0, 10); /* inner destination ::ffff:... */
	memset(f.b + 62 + 34, 0xff, 2);
	assert_int_equal(parse_as(f.len, f.len, true), REASON_IP6_ADDR_BAD);
	f = frame_from(HEX_UNREACH6_FRAG);
	store_be16(f.b + 104, 0x0048); /* later fragment */
	assert_int_equal(parse_as(f.len, f.len, true), REASON_NONE);
	assert_int_equal(m.flags, PKT_F_ICMP_ERROR | PKT_F_DF);
}

static void fragments_are_told_apart(void **state)
{
	const uint16_t first = PKT_F_FRAG | PKT_F_FRAG_FIRST | PKT_F_PORTS;
	const uint16_t six = PKT_F_DF | PKT_F_OPTIONS;

	(void)state;
	check(HEX_FRAG4_FIRST, (struct want){PKT_IP4, 4, 17, 64, 0, 14, 34, 77, 88, first});
	check(HEX_FRAG4_LATER, (struct want){PKT_IP4, 4, 17, 64, 0, 14, 34, 0, 0, PKT_F_FRAG});
	assert_int_equal(m.frag_off, 24);
	check(HEX_FRAG6_FIRST, (struct want){PKT_IP6, 6, 17, 61, 0x2c, 14, 62, 3, 4, first | six});
	assert_int_equal(BE32(m.frag_id), 0xdeadbeef);
	assert_int_equal(m.frag_hdr_off, 54);
	assert_int_equal(m.proto_off, 54);
	check(HEX_FRAG6_LATER,
		(struct want){PKT_IP6, 6, 17, 61, 0x2c, 14, 62, 0, 0, PKT_F_FRAG | six});
	assert_int_equal(m.frag_off, 16);
	check(HEX_FRAG6_ATOMIC,
		(struct want){PKT_IP6, 6, 17, 61, 0x2c, 14, 62, 3, 4, PKT_F_PORTS | six});
}

static void impossible_fragments_are_refused(void **state)
{
	(void)state;
	f = frame_from(HEX_FRAG4_FIRST);
	store_be16(f.b + 16, 43); /* more to come, but not a multiple of 8 */
	assert_int_equal(parse_as(f.len, f.len, true), REASON_FRAG_BAD);
	store_be16(f.b + 16, 20); /* nothing in it */
	assert_int_equal(parse_as(f.len, f.len, true), REASON_FRAG_BAD);
	f = frame_from(HEX_FRAG4_LATER);
	store_be16(f.b + 20, 0x1fff); /* 65528 + 10 bytes */
	assert_int_equal(parse_as(f.len, f.len, true), REASON_FRAG_BAD);
	f.b[23] = PROTO_TCP;
	store_be16(f.b + 20, 1); /* RFC 3128 */
	assert_int_equal(parse_as(f.len, f.len, true), REASON_FRAG_TINY);
	f = frame_from(HEX_FRAG4_FIRST);
	f.b[23] = PROTO_TCP;
	store_be16(f.b + 16, 20 + 16); /* RFC 1858: TCP header cut */
	assert_int_equal(parse_as(f.len, f.len, true), REASON_FRAG_TINY);
	store_be16(f.b + 16, 20 + 24);
	f.b[34 + 12] = 0x70; /* TCP options cut */
	f.b[34 + 13] = TCP_ACK;
	assert_int_equal(parse_as(f.len, f.len, true), REASON_FRAG_TINY);
	f = frame_from(HEX_FRAG6_FIRST);
	f.b[54] = PROTO_DSTOPTS; /* RFC 7112: header chain runs over the first fragment */
	f.b[63] = 9;
	assert_int_equal(parse_as(f.len, f.len, true), REASON_FRAG_TINY);
}

struct bad {
	const char *hex;
	uint16_t off, len; /* bytes to write at off */
	uint8_t bytes[4];
	bool csum_good;
	enum reason want;
};

static void malformed_headers_have_their_reason(void **state)
{
	static const struct bad row[] = {
		{HEX_TCP4, 14, 1, {0x65}, true, REASON_IP4_VERSION},
		{HEX_TCP4, 14, 1, {0x44}, true, REASON_IP4_HEADER_LEN},
		{HEX_TCP4, 16, 2, {0, 19}, true, REASON_IP4_SHORT},
		{HEX_TCP4, 16, 2, {0, 45}, true, REASON_IP4_SHORT},
		{HEX_TCP4, 16, 2, {0xff, 0xff}, true, REASON_IP4_SHORT},
		{HEX_TCP4, 22, 1, {63}, false, REASON_IP4_CHECKSUM},
		{HEX_OPT4, 22, 1, {63}, false, REASON_IP4_CHECKSUM},
		{HEX_TCP4, 26, 1, {0}, true, REASON_IP4_ADDR_BAD},
		{HEX_TCP4, 26, 1, {127}, true, REASON_IP4_ADDR_BAD},
		{HEX_TCP4, 26, 1, {224}, true, REASON_IP4_ADDR_BAD},
		{HEX_OPT4, 26, 1, {239}, true, REASON_IP4_ADDR_BAD},
		{HEX_TCP4, 26, 1, {240}, true, REASON_NONE},
		{HEX_TCP4, 26, 4, {255, 255, 255, 255}, true, REASON_IP4_ADDR_BAD},
		{HEX_TCP4, 46, 1, {0x40}, true, REASON_TCP_BAD},
		{HEX_TCP4, 46, 1, {0x70}, true, REASON_TCP_BAD},
		{HEX_TCP4, 47, 1, {0}, true, REASON_TCP_BAD},
		{HEX_TCP4, 47, 1, {TCP_FIN | TCP_SYN}, true, REASON_TCP_BAD},
		{HEX_TCP4, 47, 1, {TCP_SYN | TCP_RST}, true, REASON_TCP_BAD},
		{HEX_TCP4, 47, 1, {TCP_FIN}, true, REASON_TCP_BAD},
		{HEX_TCP4, 47, 1, {TCP_FIN | TCP_PSH | TCP_URG}, true, REASON_TCP_BAD},
		{HEX_TCP4, 47, 1, {0xff}, true, REASON_TCP_BAD},
		{HEX_TCP4, 47, 1, {TCP_SYN | TCP_ACK | TCP_ECE}, true, REASON_NONE},
		{HEX_TCP4, 47, 1, {TCP_RST}, true, REASON_NONE},
		{HEX_TCP4, 47, 1, {TCP_FIN | TCP_ACK | TCP_PSH}, true, REASON_NONE},
		{HEX_TCP4, 16, 2, {0, 39}, true, REASON_L4_SHORT},
		{HEX_UDP4, 16, 2, {0, 27}, true, REASON_L4_SHORT},
		{HEX_UDP4, 38, 2, {0, 7}, true, REASON_UDP_BAD},
		{HEX_UDP4, 38, 2, {0, 0}, true, REASON_UDP_BAD},
		{HEX_UDP4, 38, 2, {0, 14}, true, REASON_UDP_BAD},
		{HEX_UDP4, 38, 2, {0, 12}, true, REASON_NONE},
		{HEX_OPT4, 46, 2, {0, 7}, true, REASON_UDP_BAD},
		{HEX_OPT4, 46, 2, {0, 12}, true, REASON_UDP_BAD},
		{HEX_ECHO4, 16, 2, {0, 27}, true, REASON_ICMP_SHORT},
		{HEX_ECHO6, 18, 2, {0, 7}, true, REASON_ICMP_SHORT},
		{HEX_TCP6, 14, 1, {0x45}, true, REASON_IP6_VERSION},
		{HEX_TCP6, 18, 2, {0, 22}, true, REASON_IP6_SHORT},
		{HEX_TCP6, 18, 2, {0, 0}, true, REASON_L4_SHORT},
		{HEX_EXT6, 18, 2, {1, 0}, true, REASON_IP6_SHORT},
		{HEX_TCP6, 22, 1, {0xff}, true, REASON_IP6_ADDR_BAD},
		{HEX_EXT6, 22, 1, {0xff}, true, REASON_IP6_ADDR_BAD},
		{HEX_UDP6, 58, 2, {0, 13}, true, REASON_UDP_BAD},
		{HEX_TCP4, 23, 1, {89}, true, REASON_NONE}, /* any other protocol passes */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		f = frame_from(row[i].hex);
		memcpy(f.b + row[i].off, row[i].bytes, row[i].len);
		assert_int_equal(parse_as(f.len, f.len, row[i].csum_good), row[i].want);
	}
}

/* ::, ::1, IPv4-mapped and IPv4-compatible addresses, as source and as destination. */
static void ipv6_addresses_that_pass_for_others(void **state)
{
	static const uint8_t low[][8] = {
		{0, 0, 0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 1},
		{0, 0, 0xff, 0xff, 192, 0, 2, 1}, {0, 0, 0, 0, 192, 0, 2, 1},
		{1, 0, 0, 0, 192, 0, 2, 1}, /* an ordinary one */
	};

	(void)state;
	for (uint32_t side = 0; side < 2; side++)
		for (size_t i = 0; i < ARRAY_SIZE(low); i++) {
			enum reason want = i == 4 ? REASON_NONE : REASON_IP6_ADDR_BAD;

			f = frame_from(HEX_UDP6);
			memset(f.b + 22 + 16 * side, 0, 8);
			memcpy(f.b + 30 + 16 * side, low[i], 8);
			assert_int_equal(parse_as(f.len, f.len, false), want);
			f = frame_from(HEX_ECHO6);
			memset(f.b + 22 + 16 * side, 0, 8);
			memcpy(f.b + 30 + 16 * side, low[i], 8);
			assert_int_equal(parse_as(f.len, f.len, false),
				i == 0 && side == 0 ? REASON_NONE : want);
		}
}

/* No cut of any frame may be accepted unless all its headers are there, nor read beyond it. */
static void every_cut_is_safe(void **state)
{
	static const char *const all[] = {HEX_TCP4, HEX_UDP4, HEX_TCP6, HEX_UDP6, HEX_VLAN_TCP4,
		HEX_QINQ_UDP6, HEX_OPT4, HEX_ECHO4, HEX_ECHO6, HEX_UNREACH4, HEX_TOOBIG6,
		HEX_UNREACH6_FRAG, HEX_FRAG4_FIRST, HEX_FRAG4_LATER, HEX_EXT6, HEX_AH6,
		HEX_FRAG6_FIRST, HEX_FRAG6_LATER, HEX_FRAG6_ATOMIC, HEX_ROUTE6};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		uint32_t l4, need;

		assert_int_equal(parse(all[i]), REASON_NONE);
		l4 = m.l4_off;
		need = m.flags & PKT_F_PORTS ? 8 : 0;
		for (uint32_t n = 0; n < f.len; n++) {
			/* The packet itself is cut: its length field tells. */
			assert_int_not_equal(parse_as(n, n, true), REASON_NONE);
			/* The first segment is short: only headers have to be in it. */
			if (parse_as(n, f.len, true) == REASON_NONE)
				assert_true(n >= l4 + need);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_packets),
		cmocka_unit_test(vlan_tags_are_stepped_over),
		cmocka_unit_test(link_padding_is_not_payload),
		cmocka_unit_test(arp_and_strangers_pass),
		cmocka_unit_test(options_and_extension_headers),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(bad_extension_headers_are_refused),
		cmocka_unit_test(too_many_extension_headers),
		cmocka_unit_test(icmp_errors_show_their_inner_packet),
		cmocka_unit_test(broken_inner_packets_are_refused),
		cmocka_unit_test(fragments_are_told_apart),
		cmocka_unit_test(impossible_fragments_are_refused),
		cmocka_unit_test(malformed_headers_have_their_reason),
		cmocka_unit_test(ipv6_addresses_that_pass_for_others),
		cmocka_unit_test(every_cut_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
