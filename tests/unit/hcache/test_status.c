/* SPDX-License-Identifier: Apache-2.0
 * Cache-Status members; what is written must be a list of RFC 9651 that others can read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lb/l7/cache/status.h"

static void test_members(void **state)
{
	static const struct {
		struct cache_status s;
		const char *want;
	} cases[] = {
		{{.has_ttl = true, .ttl = 376}, "weir; hit; ttl=376"},
		{{.has_ttl = true, .ttl = -412}, "weir; hit; ttl=-412"},
		{{.forward = CACHE_FORWARD_STALE, .forward_status = 304, .stored = true},
			"weir; fwd=stale; fwd-status=304; stored"},
		{{.forward = CACHE_FORWARD_URI_MISS,
			 .forward_status = 200,
			 .stored = true,
			 .collapsed = true},
			"weir; fwd=uri-miss; fwd-status=200; stored; collapsed"},
		{{.forward = CACHE_FORWARD_BYPASS, .detail = "no-store"},
			"weir; fwd=bypass; detail=no-store"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char out[CACHE_STATUS_MAX];
		uint32_t n = cache_status_format(&cases[i].s, SPAN("weir"), out);

		assert_int_equal(n, strlen(cases[i].want));
		assert_memory_equal(out, cases[i].want, n);
	}
}

static void test_longest(void **state)
{
	struct cache_status s = {CACHE_FORWARD_VARY_MISS, 65535, true, true, true, INT64_MIN,
		"a-detail-that-is-longer-than-it-may-be-at-all"};
	char out[CACHE_STATUS_MAX], name[100];

	(void)state;
	memset(name, 'n', sizeof(name));
	assert_true(cache_status_format(&s, (struct span){name, sizeof(name)}, out) <
		    CACHE_STATUS_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
