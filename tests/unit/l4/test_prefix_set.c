/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "dataplane/base/rng.h"
#include "lb/l4/prefix_set.h"
#include "tests/support/l4.h"

static void empty_set_has_nothing(void **state)
{
	struct prefix_set *s;
	struct ip_addr a = ip("192.0.2.1");

	(void)state;
	assert_int_equal(prefix_set_create(NULL, 0, &s), 0);
	assert_null(s);
	assert_false(prefix_set_has(s, &a));
	assert_true(prefix_set_equal(s, NULL));
}

static void families_do_not_mix(void **state)
{
	struct ip_prefix p[] = {prefix("0.0.0.0/0"), prefix("2001:db8::/32")};
	struct ip_addr in4 = ip("203.0.113.9"), in6 = ip("2001:db8:ffff::1"),
		       out6 = ip("2001:db9::1");
	struct prefix_set *s;

	(void)state;
	assert_int_equal(prefix_set_create(p, 2, &s), 0);
	assert_true(prefix_set_has(s, &in4));
	assert_true(prefix_set_has(s, &in6));
	assert_false(prefix_set_has(s, &out6));
	prefix_set_destroy(s);
}

static void edges_of_a_prefix_belong_to_it(void **state)
{
	struct ip_prefix p[] = {prefix("192.0.2.64/26"), prefix("::/0")};
	struct ip_addr before = ip("192.0.2.63"), first = ip("192.0.2.64"),
		       last = ip("192.0.2.127"), after = ip("192.0.2.128");
	struct prefix_set *s;

	(void)state;
	assert_int_equal(prefix_set_create(p, 1, &s), 0);
	assert_false(prefix_set_has(s, &before));
	assert_true(prefix_set_has(s, &first));
	assert_true(prefix_set_has(s, &last));
	assert_false(prefix_set_has(s, &after));
	prefix_set_destroy(s);
	/* The whole space: an upper end without a successor. */
	assert_int_equal(prefix_set_create(p, 2, &s), 0);
	assert_true(prefix_set_has(s, &before));
	prefix_set_destroy(s);
}

static void agrees_with_a_linear_search(void **state)
{
	enum { CNT = 3000, ASKS = 20000 };
	struct ip_prefix *p = calloc(CNT, sizeof(*p));
	struct prefix_set *s;
	struct rng r;
	uint32_t hits = 0;

	(void)state;
	print_message("seed 20\n");
	rng_seed(&r, 20);
	for (uint32_t i = 0; i < CNT; i++) {
		p[i].addr = ip10((uint32_t)rng_below(&r, 1 << 22));
		p[i].len = (uint8_t)(96 + 18 + rng_below(&r, 15));
		if (i % 3 == 0) {
			p[i].addr = ip("2001:db8::");
			p[i].addr.w[3] = (uint32_t)rng_below(&r, 1 << 16) << 16;
			p[i].len = (uint8_t)(108 + rng_below(&r, 21));
		}
		ip_prefix_mask(&p[i]);
	}
	assert_int_equal(prefix_set_create(p, CNT, &s), 0);
	for (uint32_t i = 0; i < ASKS; i++) {
		struct ip_addr a = ip10((uint32_t)rng_below(&r, 1 << 22));
		bool in = false;

		if (i % 3 == 0) {
			a = ip("2001:db8::");
			a.w[3] = (uint32_t)rng_next(&r);
		}
		for (uint32_t k = 0; k < CNT && !in; k++)
			in = ip_prefix_match(&p[k], &a);
		assert_int_equal(prefix_set_has(s, &a), in);
		hits += in;
	}
	assert_in_range(hits, ASKS / 20, ASKS - ASKS / 20);
	prefix_set_destroy(s);
	free(p);
}

static void equal_sets_are_equal(void **state)
{
	struct ip_prefix a[] = {prefix("192.0.2.0/25"), prefix("192.0.2.128/25")};
	struct ip_prefix b[] = {prefix("192.0.2.0/24")};
	struct prefix_set *sa, *sb, *sc;

	(void)state;
	assert_int_equal(prefix_set_create(a, 2, &sa), 0);
	assert_int_equal(prefix_set_create(b, 1, &sb), 0);
	assert_int_equal(prefix_set_create(a, 1, &sc), 0);
	assert_true(prefix_set_equal(sa, sb));
	assert_false(prefix_set_equal(sa, sc));
	assert_false(prefix_set_equal(sa, NULL));
	prefix_set_destroy(sa);
	prefix_set_destroy(sb);
	prefix_set_destroy(sc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_set_has_nothing),
		cmocka_unit_test(families_do_not_mix),
		cmocka_unit_test(edges_of_a_prefix_belong_to_it),
		cmocka_unit_test(agrees_with_a_linear_search),
		cmocka_unit_test(equal_sets_are_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
