/* SPDX-License-Identifier: Apache-2.0
 * What each purge means, and what it must leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lb/l7/cache/purge.h"
#include "tests/support/http.h"

static struct purge *p;
static struct purge_worker *w;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(purge_create(&p), 0);
	w = purge_worker_create(p);
	return w == NULL;
}

static int teardown(void **state)
{
	(void)state;
	purge_worker_destroy(w);
	purge_destroy(p);
	return 0;
}

static struct purge_subject subject(const char *tags, const char *host, const char *path)
{
	return (struct purge_subject){.born = purge_now(p),
		.tags = http_test_span(tags),
		.host = http_test_span(host),
		.path = http_test_span(path)};
}

static void tags(void **state)
{
	struct purge_subject a = subject("news  sport,x", "h", "/a"),
			     b = subject("other", "h", "/b"), younger;

	(void)state;
	assert_int_equal(purge_check(w, &a), PURGE_GOOD);
	assert_int_equal(purge_tag(p, SPAN("sport"), true), 0);
	assert_int_equal(purge_check(w, &a), PURGE_SOFT);
	assert_int_equal(purge_check(w, &b), PURGE_GOOD);
	younger = subject("sport", "h", "/a");
	assert_int_equal(purge_check(w, &younger), PURGE_GOOD);
	assert_int_equal(purge_tag(p, SPAN("news"), false), 0);
	assert_int_equal(purge_check(w, &a), PURGE_GONE);
	assert_int_equal(purge_check(w, &younger), PURGE_GOOD);
	assert_int_equal(purge_tag(p, SPAN("spor"), false), 0);
	assert_int_equal(purge_check(w, &younger), PURGE_GOOD);
	assert_int_equal(purge_tag(p, SPAN(""), false), -22);
}

static void everything(void **state)
{
	struct purge_subject a = subject("", "h", "/a"), b;

	(void)state;
	purge_all(p, true);
	assert_int_equal(purge_check(w, &a), PURGE_SOFT);
	b = subject("", "h", "/a");
	assert_int_equal(purge_check(w, &b), PURGE_GOOD);
	purge_all(p, false);
	assert_int_equal(purge_check(w, &a), PURGE_GONE);
	assert_int_equal(purge_check(w, &b), PURGE_GONE);
	assert_int_equal(purge_count(p), 2);
}

static void prefixes(void **state)
{
	struct purge_subject a = subject("", "a.test", "/img/1"),
			     b = subject("", "b.test", "/img/1"), c = subject("", "a.test", "/im");

	(void)state;
	assert_int_equal(purge_prefix(p, SPAN("a.test"), SPAN("/img/"), false), 0);
	assert_int_equal(purge_check(w, &a), PURGE_GONE);
	assert_int_equal(purge_check(w, &b), PURGE_GOOD);
	assert_int_equal(purge_check(w, &c), PURGE_GOOD);
	assert_int_equal(purge_prefix(p, SPAN(""), SPAN("/img/"), true), 0);
	assert_int_equal(purge_check(w, &b), PURGE_SOFT);
	assert_int_equal(purge_check(w, &a), PURGE_GONE);
}

static void expressions(void **state)
{
	struct purge_subject a = subject("", "a.test", "/x.png"),
			     b = subject("", "a.test", "/x.css");
	char err[128] = "";

	(void)state;
	a.query = SPAN("v=1");
	assert_int_equal(
		purge_regex(p, SPAN("^a\\.test/.*\\.png\\?v="), false, err, sizeof(err)), 0);
	assert_int_equal(purge_check(w, &a), PURGE_GONE);
	assert_int_equal(purge_check(w, &b), PURGE_GOOD);
	assert_int_equal(purge_regex(p, SPAN("(unclosed"), false, err, sizeof(err)), -22);
	assert_true(strlen(err) > 0);
	/* One that explodes counts as a match rather than stall a worker. */
	b.path = SPAN("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!");
	assert_int_equal(purge_regex(p, SPAN("^a.test/(a+)+$"), true, NULL, 0), 0);
	assert_int_equal(purge_check(w, &b), PURGE_SOFT);
}

/* PG2: a pattern that falls off the list takes everything as old with it. */
static void patterns_never_come_back(void **state)
{
	struct purge_subject hit = subject("", "h", "/old"), miss = subject("", "h", "/other"),
			     late;
	char path[32];

	(void)state;
	assert_int_equal(purge_prefix(p, SPAN(""), SPAN("/old"), false), 0);
	late = subject("", "h", "/old");
	for (int i = 0; i < PURGE_PATTERNS; i++) {
		(void)snprintf(path, sizeof(path), "/none%d", i);
		assert_int_equal(purge_check(w, &hit), PURGE_GONE);
		assert_int_equal(purge_prefix(p, SPAN(""), http_test_span(path), false), 0);
	}
	assert_int_equal(purge_check(w, &hit), PURGE_GONE);
	assert_int_equal(purge_check(w, &miss), PURGE_GONE);
	assert_int_equal(purge_check(w, &late), PURGE_GOOD);
}

static void too_long(void **state)
{
	char text[PURGE_TEXT_MAX + 1];

	(void)state;
	memset(text, '/', sizeof(text));
	assert_int_equal(purge_prefix(p, SPAN(""), (struct span){text, PURGE_TEXT_MAX}, false), 0);
	assert_int_equal(
		purge_prefix(p, SPAN(""), (struct span){text, PURGE_TEXT_MAX + 1}, false), -22);
	assert_int_equal(
		purge_prefix(p, SPAN("h"), (struct span){text, PURGE_TEXT_MAX}, false), -22);
	assert_int_equal(purge_prefix(p, SPAN("h"), (struct span){text, UINT32_MAX}, false), -22);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(tags),
		TEST(everything),
		TEST(prefixes),
		TEST(expressions),
		TEST(patterns_never_come_back),
		TEST(too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
