/* SPDX-License-Identifier: Apache-2.0
 * Names of files from paths of requests, types, and the choice among codings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lb/l7/files/files.h"

static struct span text(const char *s)
{
	return (struct span){s, (uint32_t)strlen(s)};
}

static void paths_are_names_below_the_root(void **state)
{
	static const char *const rows[][2] = {{"/", ""}, {"/a", "a"}, {"/a/", "a/"},
		{"/a/b.html", "a/b.html"}, {"/a%20b", "a b"}, {"/%41%62", "Ab"}, {"/a..b", "a..b"},
		{"/...", NULL}, {"/.well-known/acme", ".well-known/acme"}, {"/a\\b", "a\\b"}};
	char out[64];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int n = files_name_of(text(rows[i][0]), false, out, sizeof(out));

		if (rows[i][1] == NULL) {
			assert_int_equal(n, -1);
			continue;
		}
		assert_int_equal(n, strlen(rows[i][1]));
		assert_string_equal(out, rows[i][1]);
	}
}

static void what_leads_elsewhere_is_no_name(void **state)
{
	static const char *const rows[] = {"", "a", "*", "/..", "/../etc/passwd", "/a/../b",
		"/a/..", "/./a", "/a/.", "/%2e%2e/a", "/%2E./a", "/a//b", "//a", "/a%2fb", "/a%2Fb",
		"/a%00b", "/a%", "/a%4", "/a%4g", "/.git/config", "/a/.htaccess", "/.well-known2",
		"/.wELL-KNOWN"};
	char out[64], small[4];

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (files_name_of(text(rows[i]), false, out, sizeof(out)) != -1)
			print_error("%s\n", rows[i]);
		assert_int_equal(files_name_of(text(rows[i]), false, out, sizeof(out)), -1);
	}
	assert_int_equal(files_name_of((struct span){"/a\0b", 4}, false, out, sizeof(out)), -1);
	assert_int_equal(files_name_of(SPAN("/abc"), false, small, sizeof(small)), 3);
	assert_int_equal(files_name_of(SPAN("/abcd"), false, small, sizeof(small)), -1);
	/* Names that begin with a dot, if they are wanted; never the two that lead elsewhere. */
	assert_int_equal(files_name_of(SPAN("/.git/x"), true, out, sizeof(out)), 6);
	assert_int_equal(files_name_of(SPAN("/a/../b"), true, out, sizeof(out)), -1);
	assert_int_equal(files_name_of(SPAN("/."), true, out, sizeof(out)), -1);
}

static void types_are_by_the_ending(void **state)
{
	(void)state;
	assert_string_equal(files_type_of("a/b.html"), "text/html; charset=utf-8");
	assert_string_equal(files_type_of("A.PNG"), "image/png");
	assert_string_equal(files_type_of("a.tar.gz"), "application/gzip");
	assert_null(files_type_of("a"));
	assert_null(files_type_of("a.unknown"));
	assert_null(files_type_of("a.png/b"));
	assert_null(files_type_of(".png"));
	assert_null(files_type_of("a."));
}

#define ALL 0xf

static void the_coding_that_is_liked_best_is_sent(void **state)
{
	static const struct {
		const char *accept; /* NULL: no such field */
		uint32_t have;
		enum files_coding want;
	} rows[] = {
		{NULL, ALL, FILES_IDENTITY},
		{"", ALL, FILES_IDENTITY},
		{"gzip", ALL, FILES_GZIP},
		{"GZIP", ALL, FILES_GZIP},
		{"x-gzip", ALL, FILES_GZIP},
		{"gzip, deflate, br, zstd", ALL, FILES_BR},
		{"gzip, deflate, br", ALL & ~2u, FILES_GZIP},
		{"gzip;q=1.0, br;q=0.5", ALL, FILES_GZIP},
		{"gzip ; q=0.5 , br;q=0.501", ALL, FILES_BR},
		{"gzip;q=0", ALL, FILES_IDENTITY},
		{"br;q=0, *", ALL, FILES_ZSTD},
		{"*", ALL, FILES_BR},
		{"*;q=0", ALL, FILES_IDENTITY},
		{"identity", ALL, FILES_IDENTITY},
		{"identity;q=1, gzip;q=0.5", ALL, FILES_IDENTITY},
		{"identity;q=0.5, gzip;q=0.5", ALL, FILES_GZIP},
		{"gzip", 1, FILES_IDENTITY},
		{"gzip;q=2", ALL, FILES_IDENTITY},
		{"gzip;q=0.1234", ALL, FILES_IDENTITY},
		{"gzip;x=1", ALL, FILES_IDENTITY},
		{"gzipx", ALL, FILES_IDENTITY},
	};
	struct http_head *h = calloc(1, sizeof(*h));

	(void)state;
	assert_non_null(h);
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		h->field_cnt = 0;
		if (rows[i].accept != NULL)
			assert_int_equal(
				http_head_add(h, HTTP_FIELD_ACCEPT_ENCODING, text(rows[i].accept)),
				0);
		if (files_negotiate(h, rows[i].have) != rows[i].want)
			print_error("%s\n", rows[i].accept);
		assert_int_equal(files_negotiate(h, rows[i].have), rows[i].want);
	}
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_names_below_the_root),
		cmocka_unit_test(what_leads_elsewhere_is_no_name),
		cmocka_unit_test(types_are_by_the_ending),
		cmocka_unit_test(the_coding_that_is_liked_best_is_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
