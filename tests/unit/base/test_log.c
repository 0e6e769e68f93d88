/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/base/log.h"

static int saved_stderr, capture_fd;
static char captured[65536];

static int setup(void **state)
{
	(void)state;
	saved_stderr = dup(STDERR_FILENO);
	capture_fd = memfd_create("log", 0);
	log_set_level(LOG_INFO);
	log_set_json(false);
	return saved_stderr < 0 || capture_fd < 0 || dup2(capture_fd, STDERR_FILENO) < 0;
}

static int teardown(void **state)
{
	(void)state;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	close(capture_fd);
	log_set_json(false);
	return 0;
}

static const char *take(void)
{
	ssize_t n = pread(capture_fd, captured, sizeof(captured) - 1, 0);

	captured[n > 0 ? n : 0] = '\0';
	if (ftruncate(capture_fd, 0) != 0 || lseek(capture_fd, 0, SEEK_SET) != 0)
		return NULL;
	return captured;
}

static json_t *take_json(void)
{
	return json_loads(take(), JSON_REJECT_DUPLICATES, NULL);
}

static unsigned count_lines(const char *s)
{
	unsigned n = 0;

	for (; *s != '\0'; s++)
		n += *s == '\n';
	return n;
}

static void text_line_has_time_level_message_and_fields(void **state)
{
	const char *l;

	(void)state;
	LOG_WRN("port is down", "port=%s queue=%d", "port0", 3);
	l = take();
	assert_int_equal(strncmp(l, "time=2", 6), 0);
	assert_non_null(strstr(l, " level=warn msg=\"port is down\" port=port0 queue=3\n"));
	assert_int_equal(count_lines(l), 1);
}

static void level_filters_and_does_not_evaluate(void **state)
{
	int evaluated = 0;

	(void)state;
	LOG_DBG("no", "n=%d", ++evaluated);
	assert_int_equal(evaluated, 0);
	assert_string_equal(take(), "");
	log_set_level(LOG_DEBUG);
	LOG_DBG("yes", "n=%d", ++evaluated);
	assert_int_equal(evaluated, 1);
	log_set_level(LOG_ERROR);
	LOG_WRN("no", "n=%d", 0);
	LOG_ERR("last", "n=%d", 0);
	assert_int_equal(count_lines(take()), 2);
}

static void level_names_parse(void **state)
{
	enum log_level l;

	(void)state;
	assert_int_equal(log_level_parse("error", &l), 0);
	assert_int_equal(l, LOG_ERROR);
	assert_int_equal(log_level_parse("debug", &l), 0);
	assert_int_equal(l, LOG_DEBUG);
	assert_int_equal(log_level_parse("Debug", &l), -EINVAL);
	assert_int_equal(log_level_parse("", &l), -EINVAL);
}

static void json_line_types_and_quoting(void **state)
{
	char q[64];
	json_t *j;

	(void)state;
	log_set_json(true);
	LOG_INF("hello", "a=%d b=%s c=%s d=007 e=%s f=-5", 12, "word",
		log_quote("two \"words\" \\ here", q, sizeof(q)), "1e5");
	j = take_json();
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "level")), "info");
	assert_string_equal(json_string_value(json_object_get(j, "msg")), "hello");
	assert_int_equal(json_integer_value(json_object_get(j, "a")), 12);
	assert_int_equal(json_integer_value(json_object_get(j, "f")), -5);
	assert_string_equal(json_string_value(json_object_get(j, "b")), "word");
	assert_string_equal(json_string_value(json_object_get(j, "c")), "two \"words\" \\ here");
	assert_string_equal(json_string_value(json_object_get(j, "d")), "007");
	assert_string_equal(json_string_value(json_object_get(j, "e")), "1e5");
	json_decref(j);
}

static void quote_escapes_controls_and_cuts(void **state)
{
	char out[8];

	(void)state;
	assert_string_equal(log_quote("a\nb", out, sizeof(out)), "\"a?b\"");
	assert_string_equal(log_quote("abcdefghij", out, sizeof(out)), "\"abc\"");
	assert_string_equal(log_quote("\"\"\"\"\"\"", out, sizeof(out)), "\"\\\"\\\"\"");
	assert_string_equal(log_quote("x", out, 2), "");
}

/* A cut line is still one line, and in JSON still an object. */
static void long_lines_are_cut_and_stay_whole(void **state)
{
	static char big[4 * LOG_LINE_MAX];
	const char *l;
	json_t *j;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	LOG_INF("big", "first=1 v=%s", big);
	l = take();
	assert_int_equal(strlen(l), LOG_LINE_MAX);
	assert_int_equal(count_lines(l), 1);
	log_set_json(true);
	LOG_INF("big", "first=1 v=%s", big);
	j = take_json();
	assert_non_null(j);
	assert_int_equal(json_integer_value(json_object_get(j, "first")), 1);
	json_decref(j);
	LOG_INF("big", "first=1 v=\"%s\"", big);
	j = take_json();
	assert_non_null(j);
	json_decref(j);
}

/* Bare values with quotes or backslashes, from a careless call site, must not break the object. */
static void json_survives_careless_values(void **state)
{
	json_t *j;

	(void)state;
	log_set_json(true);
	LOG_INF("odd", "a=%s b=%s c= d=%s", "x\"y", "c:\\d", "-");
	j = take_json();
	assert_non_null(j);
	assert_string_equal(json_string_value(json_object_get(j, "a")), "x\"y");
	assert_string_equal(json_string_value(json_object_get(j, "b")), "c:\\d");
	assert_string_equal(json_string_value(json_object_get(j, "c")), "");
	assert_string_equal(json_string_value(json_object_get(j, "d")), "-");
	json_decref(j);
}

static void call_site_is_rate_limited_and_says_how_many_were_left_out(void **state)
{
	static struct log_site site;
	unsigned lines;

	(void)state;
	for (int i = 0; i < 500; i++)
		log_emit(&site, LOG_INFO, "flood", "i=%d", i);
	lines = count_lines(take());
	/* The loop may cross a second once. */
	assert_true(lines >= LOG_RATE && lines <= 2 * LOG_RATE);
	atomic_store(&site.window, 1); /* as if the next second had come */
	atomic_store(&site.left_out, 480);
	log_emit(&site, LOG_INFO, "flood", "i=%d", 500);
	assert_non_null(strstr(take(), "i=500 left_out=480\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			text_line_has_time_level_message_and_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(
			level_filters_and_does_not_evaluate, setup, teardown),
		cmocka_unit_test_setup_teardown(level_names_parse, setup, teardown),
		cmocka_unit_test_setup_teardown(json_line_types_and_quoting, setup, teardown),
		cmocka_unit_test_setup_teardown(quote_escapes_controls_and_cuts, setup, teardown),
		cmocka_unit_test_setup_teardown(long_lines_are_cut_and_stay_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(json_survives_careless_values, setup, teardown),
		cmocka_unit_test_setup_teardown(
			call_site_is_rate_limited_and_says_how_many_were_left_out, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
