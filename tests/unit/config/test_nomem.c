/* SPDX-License-Identifier: Apache-2.0
 * Each call of malloc(), calloc() and realloc() fails once, libyaml's and the C library's included:
 * the file is refused with a reason or read whole, and nothing leaks. The three functions of this
 * program stand before those of the libraries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/config_text.h"

static uint32_t calls, fail_at; /* 0: never */
static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);

/* AddressSanitizer's, where it is part of the program and not a library behind it. */
void *__interceptor_malloc(size_t) __attribute__((weak));
void *__interceptor_calloc(size_t, size_t) __attribute__((weak));
void *__interceptor_realloc(void *, size_t) __attribute__((weak));

static bool due(void)
{
	return fail_at && ++calls == fail_at;
}

void *malloc(size_t size)
{
	if (!next_malloc)
		next_malloc = __interceptor_malloc;
	if (!next_malloc)
		*(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
	return due() ? NULL : next_malloc(size);
}

void *calloc(size_t cnt, size_t size)
{
	if (!next_calloc)
		next_calloc = __interceptor_calloc;
	if (!next_calloc)
		*(void **)&next_calloc = dlsym(RTLD_NEXT, "calloc");
	return due() ? NULL : next_calloc(cnt, size);
}

void *realloc(void *p, size_t size)
{
	if (!next_realloc)
		next_realloc = __interceptor_realloc;
	if (!next_realloc)
		*(void **)&next_realloc = dlsym(RTLD_NEXT, "realloc");
	return due() ? NULL : next_realloc(p, size);
}

/* How many allocations one reading has; every one of them has failed once when it returns. */
static uint32_t fail_each(const char *text, bool good)
{
	static char said[64 << 10];
	uint32_t n = 0;
	bool failed;

	do {
		FILE *err = fmemopen(said, sizeof(said), "w");
		struct config *cfg;
		int rc;

		assert_non_null(err);
		setvbuf(err, NULL, _IONBF, 0);
		memset(said, 0, sizeof(said));
		calls = 0;
		fail_at = ++n;
		rc = config_parse("t", text, strlen(text), err, &cfg);
		failed = calls >= fail_at;
		fail_at = 0;
		fclose(err);
		assert_int_equal(rc == 0, cfg != NULL);
		if (rc != 0)
			assert_non_null(strstr(said, "error: "));
		/* What could not be looked at is never taken for good. */
		assert_true(good || rc != 0);
		assert_true(failed || (rc == 0) == good);
		config_free(cfg);
	} while (failed);
	return n - 1;
}

static void a_good_file(void **state)
{
	char *text = config_text_file("docs/examples/full.yaml");

	(void)state;
	assert_true(fail_each(text, true) > 300);
	free(text);
}

/* Here messages are made as well; one that cannot be kept must still refuse the file. */
static void a_bad_file(void **state)
{
	static const char one[] = "ports: [{device: a, addresses: 192.0.2.2/24, mtu: 70000}]\n"
				  "services: [{vip: 192.0.2.10:80, backends: [192.0.2.11]}]\n";
	char *text = config_text_file("tests/config/ten-mistakes.yaml");

	(void)state;
	assert_true(fail_each(text, false) > 100);
	assert_true(fail_each(one, false) > 50);
	free(text);
}

static void showing(void **state)
{
	char *text = config_text_file("docs/examples/full.yaml"), *said, *whole;
	struct config *cfg = config_text_parse(text, &said);
	static char out[256 << 10];
	uint32_t n = 0;
	bool failed;

	(void)state;
	whole = config_text_show(cfg, false);
	do {
		FILE *mem = fmemopen(out, sizeof(out), "w");
		struct config *again;
		char *shown, *more;

		setvbuf(mem, NULL, _IONBF, 0);
		calls = 0;
		fail_at = ++n;
		config_show(cfg, mem);
		failed = calls >= fail_at;
		fail_at = 0;
		fclose(mem);
		again = config_text_parse(out, &more);
		assert_non_null(again);
		shown = config_text_show(again, false);
		assert_string_equal(shown, whole);
		config_free(again);
		free(shown);
		free(more);
	} while (failed);
	assert_true(n > 50);
	config_free(cfg);
	free(whole);
	free(said);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_good_file),
		cmocka_unit_test(a_bad_file),
		cmocka_unit_test(showing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
