/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/netif.h"

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(text, &a), 0);
	return a;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(text, &p), 0);
	return p;
}

static void text_survives_a_round_trip(void **state)
{
	static const char *const same[] = {"192.0.2.1", "0.0.0.0", "255.255.255.255", "::", "::1",
		"2001:db8::1", "fe80::1:2:3", "2001:db8:0:1:1:1:1:1"};
	char out[IP_ADDR_TEXT_MAX];
	struct ip_addr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		a = addr(same[i]);
		assert_string_equal(ip_addr_format(&a, out), same[i]);
	}
	a = addr("2001:DB8:0:0::00:1"); /* RFC 5952: lower case, longest run of zeros */
	assert_string_equal(ip_addr_format(&a, out), "2001:db8::1");
}

static void wrong_text_is_refused(void **state)
{
	static const char *const addrs[] = {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ",
		"::ffff:1.2.3.4", "::ffff:102:304", "2001:db8:::1", "g::1", "01.2.3.4"};
	static const char *const prefixes[] = {"1.2.3.4/", "1.2.3.4/33", "1.2.3.4/-1", "1.2.3.4/+1",
		"1.2.3.4/08", "1.2.3.4/8/8", "::/129", "/8", "::/0x8",
		"0000000000000000000000000000000000000000000000000000000000::/8"};
	struct ip_addr a;
	struct ip_prefix p;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addrs); i++)
		assert_int_equal(ip_addr_parse(addrs[i], &a), -22);
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		assert_int_equal(ip_prefix_parse(prefixes[i], &p), -22);
}

static void prefixes_match_by_their_bits(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool in;
	} row[] = {
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.77/31", "192.0.2.76", true},
		{"0.0.0.0/0", "255.255.255.255", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"::/0", "2001:db8::1", true},
		{"2001:db8::/33", "2001:db8:7fff::", true},
		{"2001:db8::/33", "2001:db8:8000::", false},
		{"2001:db8::1", "2001:db8::1", true},
		{"2001:db8::1", "2001:db8::2", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct ip_prefix p = prefix(row[i].prefix);
		struct ip_addr a = addr(row[i].addr);

		assert_int_equal(ip_prefix_match(&p, &a), row[i].in);
	}
}

static void mask_clears_host_bits_and_format_shows_them(void **state)
{
	struct ip_prefix p = prefix("192.0.2.77/20");
	char out[IP_ADDR_TEXT_MAX];

	(void)state;
	assert_int_equal(p.len, 116);
	assert_string_equal(ip_prefix_format(&p, out), "192.0.2.77/20");
	ip_prefix_mask(&p);
	assert_string_equal(ip_prefix_format(&p, out), "192.0.0.0/20");
	p = prefix("2001:db8:ffff::9/37");
	ip_prefix_mask(&p);
	assert_string_equal(ip_prefix_format(&p, out), "2001:db8:f800::/37");
}

static void multicast_is_told_by_family(void **state)
{
	struct ip_addr a;

	(void)state;
	a = addr("224.0.0.1"), assert_true(ip_addr_is_multicast(&a));
	a = addr("239.255.255.255"), assert_true(ip_addr_is_multicast(&a));
	a = addr("240.0.0.1"), assert_false(ip_addr_is_multicast(&a));
	a = addr("223.255.255.255"), assert_false(ip_addr_is_multicast(&a));
	a = addr("ff02::1"), assert_true(ip_addr_is_multicast(&a));
	a = addr("fe80::1"), assert_false(ip_addr_is_multicast(&a));
}

static struct net_if two_family_port(void)
{
	struct net_if nif = {.mac = {0x02, 0x00, 0x5e, 0x10, 0x20, 0x30}, .addr_cnt = 4};

	nif.addrs[0] = prefix("192.0.2.1/24");
	nif.addrs[1] = prefix("198.51.100.1/24");
	nif.addrs[2] = prefix("2001:db8:1::1/64");
	nif.addrs[3] = prefix("2001:db8:2::1/64");
	net_if_set_link_local(&nif);
	return nif;
}

static void port_picks_its_source_by_prefix(void **state)
{
	static const char *const row[][2] = {
		{"198.51.100.9", "198.51.100.1"},
		{"203.0.113.1", "192.0.2.1"},
		{"2001:db8:2::77", "2001:db8:2::1"},
		{"2001:db8:3::1", "2001:db8:1::1"},
		{"fe80::9", "fe80::5eff:fe10:2030"},
		{"ff02::1", "fe80::5eff:fe10:2030"},
	};
	struct net_if nif = two_family_port();
	char out[IP_ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		struct ip_addr dst = addr(row[i][0]);

		assert_string_equal(ip_addr_format(net_if_source(&nif, &dst), out), row[i][1]);
	}
}

static void port_knows_what_it_owns(void **state)
{
	struct net_if nif = two_family_port();
	struct ip_addr a;

	(void)state;
	a = addr("192.0.2.1"), assert_true(net_if_owns(&nif, &a));
	a = addr("192.0.2.2"), assert_false(net_if_owns(&nif, &a));
	a = addr("fe80::5eff:fe10:2030"), assert_true(net_if_owns(&nif, &a));
	a = addr("::"), assert_false(net_if_owns(&nif, &a));
	nif.addr_cnt = 0;
	memset(&nif.link_local, 0, sizeof(nif.link_local));
	assert_false(net_if_owns(&nif, &a));
	assert_null(net_if_source(&nif, &a));
	a = addr("192.0.2.1");
	assert_null(net_if_source(&nif, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_survives_a_round_trip),
		cmocka_unit_test(wrong_text_is_refused),
		cmocka_unit_test(prefixes_match_by_their_bits),
		cmocka_unit_test(mask_clears_host_bits_and_format_shows_them),
		cmocka_unit_test(multicast_is_told_by_family),
		cmocka_unit_test(port_picks_its_source_by_prefix),
		cmocka_unit_test(port_knows_what_it_owns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
