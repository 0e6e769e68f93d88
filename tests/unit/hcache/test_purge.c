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

/* As a saver does, into a second process. */
static uint32_t hand_over(struct purge *to)
{
	static struct purge_record r;
	struct purge_secret secret;
	uint32_t n = 0;

	purge_secret(p, &secret);
	purge_resume(to, &secret, UINT64_C(2) << 40);
	while (purge_changed(p, &r)) {
		assert_true(purge_restore(to, &r));
		n++;
	}
	return n;
}

static void saved_and_restored(void **state)
{
	struct purge_subject a = subject("red", "h", "/a"), b = subject("x", "h", "/pre/b"),
			     c = subject("x", "h", "/re/17"), d = subject("x", "h", "/d"),
			     s = subject("soft", "h", "/s"), young;
	uint64_t born = purge_now(p);
	struct purge_record r;
	struct purge *to;
	struct purge_worker *other;

	(void)state;
	assert_int_equal(purge_create(&to), 0);
	other = purge_worker_create(to);
	purge_track(p);
	assert_false(purge_changed(p, &r));
	assert_int_equal(purge_tag(p, SPAN("red"), false), 0);
	assert_int_equal(purge_tag(p, SPAN("soft"), true), 0);
	assert_int_equal(purge_prefix(p, SPAN("h"), SPAN("/pre"), false), 0);
	assert_int_equal(purge_regex(p, SPAN("/re/[0-9]+$"), false, NULL, 0), 0);
	purge_key(p, 4711);
	purge_key(p, 4711);
	assert_int_equal(hand_over(to), 5);
	assert_false(purge_changed(p, &r));
	assert_int_equal(purge_check(other, &a), PURGE_GONE);
	assert_int_equal(purge_check(other, &b), PURGE_GONE);
	assert_int_equal(purge_check(other, &c), PURGE_GONE);
	assert_int_equal(purge_check(other, &d), PURGE_GOOD);
	assert_int_equal(purge_check(other, &s), PURGE_SOFT);
	assert_true(purge_key_gone(to, 4711, born));
	assert_false(purge_key_gone(to, 4712, born));
	assert_int_equal(purge_count(to), 0);
	/* What comes in the second process is younger than all of that, and its purges are newer.
	 */
	young = (struct purge_subject){.born = purge_now(to),
		.tags = SPAN("red"),
		.host = SPAN("h"),
		.path = SPAN("/pre/b")};
	assert_int_equal(purge_check(other, &young), PURGE_GOOD);
	assert_int_equal(purge_tag(to, SPAN("red"), false), 0);
	assert_int_equal(purge_check(other, &young), PURGE_GONE);
	purge_worker_destroy(other);
	purge_destroy(to);
}

static void unsaved_ones_come_again(void **state)
{
	struct purge_record r, again;

	(void)state;
	purge_track(p);
	assert_int_equal(purge_all(p, false), 0);
	assert_true(purge_changed(p, &r));
	assert_false(purge_changed(p, &again));
	purge_unsaved(p, &r);
	assert_true(purge_changed(p, &again));
	assert_int_equal(again.id, r.id);
	assert_int_equal(again.len, r.len);
	assert_memory_equal(again.bytes, r.bytes, r.len);
	assert_false(purge_changed(p, &again));
}

static void records_that_are_none(void **state)
{
	struct purge_record r = {.id = UINT32_MAX, .len = 16};

	(void)state;
	assert_false(purge_restore(p, &r));
	for (uint32_t id = 0; id < 400000; id += 61)
		for (uint32_t len = 0; len <= PURGE_RECORD_MAX; len += 7) {
			r = (struct purge_record){.id = id, .len = len};
			memset(r.bytes, 0xff, sizeof(r.bytes));
			if (len != 8 && len != 16)
				assert_false(purge_restore(p, &r));
		}
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
		TEST(saved_and_restored),
		TEST(unsaved_ones_come_again),
		TEST(records_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
