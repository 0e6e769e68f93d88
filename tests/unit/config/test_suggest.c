/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dataplane/base/rng.h"
#include "lb/config/suggest.h"

static void distances(void **state)
{
	(void)state;
	assert_int_equal(suggest_distance("", ""), 0);
	assert_int_equal(suggest_distance("", "abc"), 3);
	assert_int_equal(suggest_distance("kitten", "sitting"), 3);
	assert_int_equal(suggest_distance("magelv", "maglev"), 1);
	assert_int_equal(suggest_distance("drain-timeout", "drain_timeout"), 0);
	assert_int_equal(suggest_distance("MTU", "mtu"), 0);
}

/* The recursive definition, for words of a few letters. */
static uint32_t naive(const char *a, size_t la, const char *b, size_t lb)
{
	uint32_t best, d;

	if (la == 0 || lb == 0)
		return (uint32_t)(la + lb);
	best = naive(a, la - 1, b, lb - 1) + (a[la - 1] != b[lb - 1]);
	d = naive(a, la - 1, b, lb) + 1;
	best = d < best ? d : best;
	d = naive(a, la, b, lb - 1) + 1;
	best = d < best ? d : best;
	if (la > 1 && lb > 1 && a[la - 1] == b[lb - 2] && a[la - 2] == b[lb - 1]) {
		d = naive(a, la - 2, b, lb - 2) + 1;
		best = d < best ? d : best;
	}
	return best;
}

static void same_as_the_definition(void **state)
{
	struct rng r;

	(void)state;
	rng_seed(&r, 42);
	for (int i = 0; i < 2000; i++) {
		char w[2][8] = {"", ""};

		for (int k = 0; k < 2; k++) {
			size_t len = rng_below(&r, 7);

			for (size_t j = 0; j < len; j++)
				w[k][j] = (char)('a' + rng_below(&r, 3));
		}
		assert_int_equal(suggest_distance(w[0], w[1]),
			naive(w[0], strlen(w[0]), w[1], strlen(w[1])));
	}
}

static const char *best(const char *word)
{
	static const char *const known[] = {
		"mode", "mtu", "name", "port", "ports", "backends", "to"};
	struct suggest s;

	suggest_init(&s, word);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		suggest_try(&s, known[i]);
	return s.best ? s.best : "";
}

static void only_what_is_near_is_suggested(void **state)
{
	char longer[100];

	(void)state;
	assert_string_equal(best("mod"), "mode");
	assert_string_equal(best("portz"), "port");
	assert_string_equal(best("prots"), "ports");
	assert_string_equal(best("bakends"), "backends");
	assert_string_equal(best("Name"), "name");
	assert_string_equal(best("xyzzy"), "");
	assert_string_equal(best("frontends"), "");
	memset(longer, 'x', sizeof(longer));
	longer[99] = '\0';
	assert_string_equal(best(longer), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(distances),
		cmocka_unit_test(same_as_the_definition),
		cmocka_unit_test(only_what_is_near_is_suggested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
