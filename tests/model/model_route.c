/* SPDX-License-Identifier: Apache-2.0
 * Random route tables against a linear search for the longest matching prefix. Addresses are drawn
 * near the prefixes, so that most lookups decide between several of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/rng.h"
#include "dataplane/net/route.h"
#include "tests/support/seed.h"

#define TABLES  300
#define SPECS   120
#define LOOKUPS 400

/* Few distinct bits, so that prefixes nest and collide. */
static struct ip_addr random_addr(struct rng *r)
{
	struct ip_addr a;

	for (int i = 0; i < 16; i++)
		a.b[i] = (uint8_t)(rng_next(r) & rng_next(r) & 0x81);
	if (rng_next(r) & 1)
		return ip_addr_from4(a.w[3]);
	a.b[0] |= 0x20;
	return a;
}

static bool naive(const struct route_spec *s, uint32_t n, const struct ip_addr *dst, uint32_t hash,
	struct route_hop *out)
{
	int best = -1;
	uint32_t cnt = 0, pick;
	bool on_link = false;

	for (uint32_t i = 0; i < n; i++)
		if (ip_prefix_match(&s[i].to, dst) && s[i].to.len > best &&
			ip_addr_is4(&s[i].to.addr) == ip_addr_is4(dst))
			best = s[i].to.len;
	if (best < 0)
		return false;
	for (uint32_t i = 0; i < n; i++) /* all of this length that match are one prefix */
		if (ip_prefix_match(&s[i].to, dst) && s[i].to.len == best) {
			cnt++;
			if (!on_link && ip_addr_is_zero(&s[i].via)) {
				on_link = true;
				*out = (struct route_hop){*dst, s[i].port, s[i].mtu, 1};
			}
		}
	if (on_link)
		return true;
	pick = (uint32_t)((uint64_t)hash * cnt >> 32);
	for (uint32_t i = 0; i < n; i++)
		if (ip_prefix_match(&s[i].to, dst) && s[i].to.len == best && pick-- == 0) {
			*out = (struct route_hop){s[i].via, s[i].port, s[i].mtu, cnt};
			break;
		}
	return true;
}

static void lookup_equals_linear_search(void **state)
{
	static struct route_spec s[SPECS];
	uint32_t found = 0, built = 0;
	struct rng r;

	(void)state;
	rng_seed(&r, test_seed());
	for (int round = 0; round < TABLES; round++) {
		uint32_t n = (uint32_t)rng_below(&r, SPECS);
		struct route_table *t;

		for (uint32_t i = 0; i < n; i++) {
			struct ip_addr to = random_addr(&r);
			bool is4 = ip_addr_is4(&to);

			s[i] = (struct route_spec){
				.to = {to, 0}, .port = (uint16_t)rng_below(&r, 16), .mtu = 1500};
			s[i].to.len = (uint8_t)(is4 ? 96 + rng_below(&r, 33) : rng_below(&r, 129));
			if (rng_below(&r, 4) != 0)
				s[i].via = is4 ? ip_addr_from4((uint32_t)i + 1) : to;
			if (!is4)
				s[i].via.b[1] |= !ip_addr_is_zero(&s[i].via);
		}
		if (route_table_create(s, n, &t) != 0)
			continue; /* too many next hops of one prefix */
		built++;
		for (int k = 0; k < LOOKUPS; k++) {
			struct ip_addr dst = random_addr(&r);
			uint32_t hash = (uint32_t)rng_next(&r);
			struct route_hop want = {0}, got = {0};
			bool hit = naive(s, n, &dst, hash, &want);

			assert_int_equal(route_lookup(t, &dst, hash, &got), hit);
			if (hit)
				assert_memory_equal(&got, &want, sizeof(got));
			found += hit;
		}
		route_table_destroy(t);
	}
	assert_true(built > TABLES / 2 && found > TABLES * 20); /* the test looked at something */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookup_equals_linear_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
