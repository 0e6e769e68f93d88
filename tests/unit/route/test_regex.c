/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "lb/l7/route/regex.h"

static struct regex_scratch *scratch;

static bool found(const char *regex, const char *text)
{
	char why[REGEX_WHY];
	struct regex *re;
	bool yes;

	assert_int_equal(regex_compile(regex, &re, why), 0);
	yes = regex_match(re, scratch, (struct span){text, (uint32_t)strlen(text)}, NULL, 0, NULL);
	regex_free(re);
	return yes;
}

static void finds(void **state)
{
	(void)state;
	assert_true(found("b", "abc"));
	assert_false(found("^b", "abc"));
	assert_true(found("^$", ""));
	assert_true(found("\\x{ff}", "a\xff"));
	assert_true(found("(?i)^/API", "/api"));
	/* Bytes, whatever they would be as UTF-8. */
	assert_true(found("^..$", "\xc3\xa9"));
}

static void captures(void **state)
{
	struct span c[10];
	char why[REGEX_WHY];
	struct regex *re;
	uint32_t cnt = 0;

	(void)state;
	assert_int_equal(regex_compile("^/(a)?(b+)/(.*)$", &re, why), 0);
	assert_int_equal(regex_groups(re), 3);
	assert_true(regex_match(re, scratch, SPAN("/bb/rest"), c, 10, &cnt));
	assert_int_equal(cnt, 4);
	assert_true(span_eq(c[0], SPAN("/bb/rest")));
	assert_int_equal(c[1].len, 0); /* took no part */
	assert_true(span_eq(c[2], SPAN("bb")));
	assert_true(span_eq(c[3], SPAN("rest")));
	assert_true(regex_match(re, scratch, SPAN("/ab/x"), c, 2, &cnt));
	assert_int_equal(cnt, 2);
	regex_free(re);
	/* More groups than are kept; an end before the beginning. */
	assert_int_equal(regex_compile("((((((((((((((((((a))))))))))))))))))", &re, why), 0);
	assert_true(regex_match(re, scratch, SPAN("a"), c, 10, &cnt));
	assert_int_equal(cnt, 10);
	regex_free(re);
	assert_int_equal(regex_compile("(?=ab\\K)", &re, why), -EINVAL);
}

static void errors_have_a_place(void **state)
{
	char why[REGEX_WHY];
	struct regex *re;

	(void)state;
	assert_int_equal(regex_compile("ab[c", &re, why), -EINVAL);
	assert_non_null(strstr(why, "character 5: missing terminating ]"));
	assert_null(re);
	assert_int_equal(regex_compile("(*UTF)a", &re, why), -EINVAL);
}

/* Each of these would run for longer than anybody waits. */
static void none_stalls(void **state)
{
	static const char *const bombs[] = {"^(a+)+$", "^(a|aa)+$", "^(a|a)*b",
		"(.*)(.*)(.*)(.*)(.*)[xy]$", "^((a*)*)*$", "(?:(a)|b|\\1)*?c$"};
	char text[4001];

	(void)state;
	memset(text, 'a', sizeof(text) - 2);
	text[sizeof(text) - 2] = '!';
	text[sizeof(text) - 1] = '\0';
	for (size_t i = 0; i < sizeof(bombs) / sizeof(bombs[0]); i++) {
		uint64_t before = regex_given_up(scratch);

		assert_false(found(bombs[i], text));
		if (i < 2 && regex_given_up(scratch) == before)
			fail_msg("%s was not given up", bombs[i]);
	}
	/* And the scratch is as good as before. */
	assert_true(found("!$", text));
}

static int setup(void **state)
{
	(void)state;
	scratch = regex_scratch_create();
	return scratch ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	regex_scratch_destroy(scratch);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds),
		cmocka_unit_test(captures),
		cmocka_unit_test(errors_have_a_place),
		cmocka_unit_test(none_stalls),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
