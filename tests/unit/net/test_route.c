/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "dataplane/net/route.h"

static struct route_spec spec(const char *to, const char *via, uint16_t port)
{
	struct route_spec s = {.port = port, .mtu = (uint16_t)(1500 + port)};

	assert_int_equal(ip_prefix_parse(to, &s.to), 0);
	if (via)
		assert_int_equal(ip_addr_parse(via, &s.via), 0);
	return s;
}

/* "ADDR@PORT" or "none". */
static const char *look(const struct route_table *t, const char *dst, uint32_t hash)
{
	static char out[IP_ADDR_TEXT_MAX + 8];
	struct route_hop hop;
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(dst, &a), 0);
	if (!route_lookup(t, &a, hash, &hop))
		return "none";
	ip_addr_format(&hop.addr, out);
	snprintf(out + strlen(out), 8, "@%u", hop.port);
	assert_int_equal(hop.mtu, 1500 + hop.port);
	return out;
}

static void longest_prefix_wins(void **state)
{
	struct route_spec s[] = {
		spec("0.0.0.0/0", "192.0.2.254", 0),
		spec("192.0.2.1/24", NULL, 0),
		spec("10.0.0.0/8", "192.0.2.9", 1),
		spec("10.1.0.0/16", "192.0.2.8", 2),
		spec("10.1.2.3/32", "192.0.2.7", 3),
		spec("2001:db8::1/64", NULL, 4),
		spec("::/0", "2001:db8::fe", 4),
		spec("2001:db8::42", "2001:db8::7", 5),
	};
	struct route_table *t;

	(void)state;
	assert_int_equal(route_table_create(s, ARRAY_SIZE(s), &t), 0);
	assert_string_equal(look(t, "192.0.2.77", 0), "192.0.2.77@0");
	assert_string_equal(look(t, "192.0.3.1", 0), "192.0.2.254@0");
	assert_string_equal(look(t, "10.2.2.3", 0), "192.0.2.9@1");
	assert_string_equal(look(t, "10.1.2.4", 0), "192.0.2.8@2");
	assert_string_equal(look(t, "10.1.2.3", 0), "192.0.2.7@3");
	assert_string_equal(look(t, "2001:db8::5", 0), "2001:db8::5@4");
	assert_string_equal(look(t, "2001:db8::42", 0), "2001:db8::7@5");
	assert_string_equal(look(t, "2001:db8:0:1::", 0), "2001:db8::fe@4");
	route_table_destroy(t);
}

static void families_do_not_mix(void **state)
{
	struct route_spec s[] = {spec("::/0", "2001:db8::fe", 1)};
	struct route_table *t;

	(void)state;
	assert_int_equal(route_table_create(s, 1, &t), 0);
	assert_string_equal(look(t, "192.0.2.1", 0), "none");
	assert_string_equal(look(t, "::", 0), "2001:db8::fe@1");
	route_table_destroy(t);
	assert_int_equal(route_table_create(NULL, 0, &t), 0);
	assert_string_equal(look(t, "192.0.2.1", 0), "none");
	assert_string_equal(look(t, "2001:db8::1", 0), "none");
	route_table_destroy(t);
	route_table_destroy(NULL);
}

static void next_hops_share_by_hash(void **state)
{
	struct route_spec s[] = {
		spec("0.0.0.0/0", "192.0.2.1", 0),
		spec("0.0.0.0/0", "192.0.2.2", 1),
		spec("0.0.0.0/0", "192.0.2.3", 2),
	};
	uint32_t hits[3] = {0};
	struct route_table *t;

	(void)state;
	assert_int_equal(route_table_create(s, 3, &t), 0);
	assert_string_equal(look(t, "203.0.113.1", 0), "192.0.2.1@0");
	assert_string_equal(look(t, "203.0.113.1", UINT32_MAX), "192.0.2.3@2");
	for (uint32_t i = 0; i < 3000; i++)
		hits[look(t, "203.0.113.1", i * 1431655u)[8] - '1']++;
	for (int i = 0; i < 3; i++)
		assert_in_range(hits[i], 950, 1050);
	route_table_destroy(t);
}

static void on_link_beats_a_gateway(void **state)
{
	struct route_spec s[] = {
		spec("192.0.2.0/24", "203.0.113.1", 1), spec("192.0.2.1/24", NULL, 2),
		spec("192.0.2.2/24", NULL, 3), /* the same network on another port */
	};
	struct route_table *t;

	(void)state;
	assert_int_equal(route_table_create(s, 3, &t), 0);
	for (uint32_t h = 0; h < 8; h++)
		assert_string_equal(look(t, "192.0.2.9", h << 29), "192.0.2.9@2");
	route_table_destroy(t);
}

static void impossible_tables_are_refused(void **state)
{
	struct route_spec s[LIMIT_NEXTHOPS + 1], bad;
	struct route_table *t;

	(void)state;
	for (uint32_t i = 0; i <= LIMIT_NEXTHOPS; i++)
		s[i] = spec("0.0.0.0/0", "192.0.2.1", 0);
	assert_int_equal(route_table_create(s, LIMIT_NEXTHOPS + 1, &t), -E2BIG);
	assert_null(t);
	assert_int_equal(route_table_create(s, LIMIT_NEXTHOPS, &t), 0);
	route_table_destroy(t);
	assert_int_equal(route_table_create(s, LIMIT_ROUTE_SPECS + 1, &t), -E2BIG);
	bad = spec("2001:db8::/32", "192.0.2.1", 0);
	assert_int_equal(route_table_create(&bad, 1, &t), -EINVAL);
	bad = spec("192.0.2.0/24", NULL, 0);
	bad.to.len = 24; /* forgot the 96 */
	assert_int_equal(route_table_create(&bad, 1, &t), -EINVAL);
	bad = spec("192.0.2.0/24", "fe80::1", 6); /* RFC 8950 */
	assert_int_equal(route_table_create(&bad, 1, &t), 0);
	assert_string_equal(look(t, "192.0.2.1", 0), "fe80::1@6");
	route_table_destroy(t);
}

static void ports_give_their_networks(void **state)
{
	struct net_if nif = {.id = 7, .mtu = 1507, .addr_cnt = 2};
	struct route_spec s[LIMIT_PORT_ADDRS];
	struct route_table *t;

	(void)state;
	assert_int_equal(ip_prefix_parse("192.0.2.1/24", &nif.addrs[0]), 0);
	assert_int_equal(ip_prefix_parse("2001:db8::1/64", &nif.addrs[1]), 0);
	assert_int_equal(route_specs_on_link(&nif, s), 2);
	assert_int_equal(route_table_create(s, 2, &t), 0);
	assert_string_equal(look(t, "192.0.2.200", 0), "192.0.2.200@7");
	assert_string_equal(look(t, "2001:db8::9", 0), "2001:db8::9@7");
	route_table_destroy(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(longest_prefix_wins),
		cmocka_unit_test(families_do_not_mix),
		cmocka_unit_test(next_hops_share_by_hash),
		cmocka_unit_test(on_link_beats_a_gateway),
		cmocka_unit_test(impossible_tables_are_refused),
		cmocka_unit_test(ports_give_their_networks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
