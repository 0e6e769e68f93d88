/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "dataplane/base/rng.h"
#include "lb/l7/route/path.h"

static const struct config_http_path safe = {
	HTTP_SLASH_REFUSE, HTTP_SLASH_MERGE, HTTP_SLASH_REFUSE, HTTP_DOTS_RESOLVE};
static const struct config_http_path lax = {
	HTTP_SLASH_KEEP, HTTP_SLASH_KEEP, HTTP_SLASH_KEEP, HTTP_DOTS_RESOLVE};
static const struct config_http_path strict = {
	HTTP_SLASH_REFUSE, HTTP_SLASH_REFUSE, HTTP_SLASH_REFUSE, HTTP_DOTS_REFUSE};

static const char *normal(const struct config_http_path *rules, const char *in)
{
	static char out[1024];
	const char *why = NULL;
	uint32_t len = 0;

	switch (path_normalise(rules, (struct span){in, (uint32_t)strlen(in)}, out, &len, &why)) {
	case PATH_SAME:
		return in;
	case PATH_CHANGED:
		out[len] = '\0';
		return out;
	case PATH_REFUSED:
		assert_non_null(why);
		return "refused";
	}
	return NULL;
}

#define IS(rules, in, want) assert_string_equal(normal(&(rules), in), want)

static void what_is_normal_stays(void **state)
{
	static const char *const paths[] = {"/", "/a", "/a/", "/a/b.c/~d-e_f", "/a!$&'()*+,;=:@b",
		"/%20", "/.well-known/x", "/a/...", "/..a/b", "/a..", "/%C3%A9", "/a%3Fb%23"};

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		uint32_t len;
		char out[256];

		assert_int_equal(
			path_normalise(&safe, (struct span){paths[i], (uint32_t)strlen(paths[i])},
				out, &len, NULL),
			PATH_SAME);
	}
}

static void needless_encoding_goes(void **state)
{
	(void)state;
	IS(safe, "/%61%62/%7Euser", "/ab/~user");
	IS(safe, "/%c3%a9", "/%C3%A9");
	IS(safe, "/%2d%2E%5f", "/-._");
	/* Reserved characters mean something else when they are encoded. */
	IS(safe, "/a%3bb", "/a%3Bb");
	/* Once only: what comes out of a decoding is not decoded. */
	IS(safe, "/%2561", "/%2561");
	IS(lax, "/%252f", "/%252f");
	/* What browsers send raw although it has no place in a path. */
	IS(safe, "/a|b\"<>[]^`{}", "/a%7Cb%22%3C%3E%5B%5D%5E%60%7B%7D");
	IS(safe, "/\xc3\xa9", "/%C3%A9");
}

static void dot_segments(void **state)
{
	(void)state;
	IS(safe, "/a/./b", "/a/b");
	IS(safe, "/a/../b", "/b");
	IS(safe, "/a/b/..", "/a/");
	IS(safe, "/a/b/.", "/a/b/");
	IS(safe, "/..", "/");
	IS(safe, "/../../etc/passwd", "/etc/passwd");
	IS(safe, "/a/%2e%2e/b", "/b");
	IS(safe, "/a/.%2E/%2e/b", "/b");
	IS(safe, "/a/b/c/./../../g", "/a/g"); /* RFC 3986 5.2.4 */
	IS(strict, "/a/../b", "refused");
	IS(strict, "/a/%2e/b", "refused");
	IS(strict, "/a/...", "/a/...");
	/* Taken for dot segments by servers that strip parameters. */
	IS(safe, "/admin/..;/x", "refused");
	IS(safe, "/a/.;x=1/b", "refused");
	IS(safe, "/a/%2e%2e;/b", "refused");
	IS(safe, "/a;b/..;", "refused");
	IS(safe, "/a/...;/b", "/a/...;/b");
}

static void slashes(void **state)
{
	(void)state;
	IS(safe, "//a///b//", "/a/b/");
	IS(lax, "//a///b//", "//a///b//");
	IS(strict, "/a//b", "refused");
	IS(strict, "/a/", "/a/");
	IS(safe, "/a//../b", "/b");
	IS(lax, "/a//../b", "/a/b");
	IS(safe, "/a%2fb", "refused");
	IS(lax, "/a%2fb", "/a%2Fb");
	/* An encoded slash makes no segment. */
	IS(lax, "/a%2f..%2fb/../c", "/c");
	IS(safe, "/a\\b", "refused");
	IS(safe, "/a%5cb", "refused");
	IS(lax, "/a\\..\\b", "/a%5C..%5Cb");
}

static void what_is_no_path_is_refused(void **state)
{
	(void)state;
	IS(lax, "", "refused");
	IS(lax, "a", "refused");
	IS(lax, "/%", "refused");
	IS(lax, "/%1", "refused");
	IS(lax, "/%g0", "refused");
	IS(lax, "/%0g", "refused");
	IS(lax, "/%00", "refused");
	IS(lax, "/a%0d%0ab", "refused");
	IS(lax, "/%7f", "refused");
	IS(lax, "/\x01", "refused");
}

static bool is_normal(struct span p)
{
	uint32_t from = 1;

	if (p.len == 0 || p.at[0] != '/')
		return false;
	for (uint32_t i = 0; i <= p.len; i++) {
		unsigned char c = i < p.len ? (unsigned char)p.at[i] : '/';

		if (c <= 0x20 || c >= 0x7f || strchr("\"<>\\^`{|}[]?#", c))
			return false;
		if (c == '/' && i > 0) {
			uint32_t n = i - from;

			if ((n == 1 && p.at[from] == '.') ||
				(n == 2 && p.at[from] == '.' && p.at[from + 1] == '.'))
				return false;
			from = i + 1;
		}
	}
	return true;
}

/* PA1-PA3 on strings made of what matters. */
static void normal_forms_are_normal(void **state)
{
	static const char *const bits[] = {"/", "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\",
		"a", "%61", ";", "%3b", "%", "%25", "//", "b", "\xff", "|", "%00", "/./", "/../"};
	struct rng rng;
	uint64_t seed = 20260101;

	(void)state;
	rng_seed(&rng, seed);
	for (int round = 0; round < 200000; round++) {
		struct config_http_path r = {(enum http_slash)rng_below(&rng, 2),
			(enum http_slash)rng_below(&rng, 3), (enum http_slash)rng_below(&rng, 2),
			(enum http_dots)rng_below(&rng, 2)};
		char in[128] = "/", out[512], again[2048];
		uint32_t len = 0, len2;
		enum path_result res;

		for (uint64_t n = rng_below(&rng, 12); n > 0; n--)
			strcat(in, bits[rng_below(&rng, sizeof(bits) / sizeof(bits[0]))]);
		res = path_normalise(&r, (struct span){in, (uint32_t)strlen(in)}, out, &len, NULL);
		if (res == PATH_REFUSED)
			continue;
		if (res == PATH_SAME) {
			len = (uint32_t)strlen(in);
			memcpy(out, in, len);
		}
		if (!is_normal((struct span){out, len}) ||
			path_normalise(&r, (struct span){out, len}, again, &len2, NULL) !=
				PATH_SAME)
			fail_msg("seed %lu: '%s' became '%.*s'", (unsigned long)seed, in, (int)len,
				out);
	}
}

static void prefixes(void **state)
{
	(void)state;
#define HAS(path, prefix) path_has_prefix(SPAN(path), SPAN(prefix))
	assert_true(HAS("/", "/"));
	assert_true(HAS("/a", "/"));
	assert_true(HAS("/api", "/api"));
	assert_true(HAS("/api/", "/api"));
	assert_true(HAS("/api/x", "/api"));
	assert_false(HAS("/apix", "/api"));
	assert_false(HAS("/ap", "/api"));
	assert_false(HAS("/api", "/api/"));
	assert_true(HAS("/api/x", "/api/"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_normal_stays),
		cmocka_unit_test(needless_encoding_goes),
		cmocka_unit_test(dot_segments),
		cmocka_unit_test(slashes),
		cmocka_unit_test(what_is_no_path_is_refused),
		cmocka_unit_test(normal_forms_are_normal),
		cmocka_unit_test(prefixes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
