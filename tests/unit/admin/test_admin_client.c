/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/admin/admin_client.h"

/* Who waits for nothing need not wait long. */
#undef ADMIN_CLIENT_TIMEOUT_S
#define ADMIN_CLIENT_TIMEOUT_S 1
#include "lb/admin/admin_wire.c"

static int parse(const char *text, struct admin_reply *r)
{
	return admin_reply_parse(text, strlen(text), r);
}

static void whole_answers_are_read(void **state)
{
	struct admin_reply r;

	(void)state;
	assert_int_equal(parse("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", &r), 0);
	assert_int_equal(r.status, 200);
	assert_int_equal(r.body_len, 2);
	assert_memory_equal(r.body, "{}", 2);
	assert_int_equal(parse("HTTP/1.0 404\r\n\r\n", &r), 0);
	assert_int_equal(r.status, 404);
	assert_int_equal(r.body_len, 0);
	assert_int_equal(parse("HTTP/1.0 200 OK\r\nX: y\r\n\r\nuntil the end", &r), 0);
	assert_int_equal(r.body_len, 13);
	assert_int_equal(
		parse("HTTP/1.1 200 OK\r\ncontent-LENGTH:\t 1 \r\ncontent-length: 1\r\n\r\nx", &r),
		0);
}

static void broken_answers_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"\r\n",
		"HTTP/1.1 200 OK",
		"HTTP/1.1 200 OK\r\n",
		"HTTP/1.1 200 OK\n\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}x",
		"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
		"HTTP/2.0 200 OK\r\n\r\n",
		"HTTP/1.1 20 OK\r\n\r\n",
		"HTTP/1.1 2000 OK\r\n\r\n",
		"HTTP/1.1 099 OK\r\n\r\n",
		"HTTP/1.1  200\r\n\r\n",
		"FTP",
	};
	struct admin_reply r;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(parse(texts[i], &r), -EPROTO);
}

static char *printed(const char *json)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	json_t *j = json_loads(json, 0, NULL);

	assert_non_null(j);
	admin_print(f, j);
	fclose(f);
	json_decref(j);
	return text;
}

static void expect_print(const char *json, const char *want)
{
	char *got = printed(json);

	assert_string_equal(got, want);
	free(got);
}

static void plain_values_are_lines(void **state)
{
	(void)state;
	expect_print("{\"version\": \"1\", \"pid\": 12, \"draining\": false, \"x\": null}",
		"version   1\n"
		"pid       12\n"
		"draining  no\n"
		"x         -\n");
}

static void objects_of_objects_are_tables(void **state)
{
	(void)state;
	expect_print("{\"ports\": {\"front\": {\"link\": true, \"rx\": 5},"
		     " \"b\": {\"rx\": 12345, \"note\": \"n\"}}}",
		"ports\n"
		"         link     rx  note\n"
		"  front  yes       5  -   \n"
		"  b      -     12345  n   \n");
}

static void rows_with_parts_print_them_behind(void **state)
{
	(void)state;
	expect_print("{\"s\": [{\"n\": 1, \"backends\": [{\"a\": \"x\"}]}, {\"n\": 2, "
		     "\"backends\": []}]}",
		"s\n"
		"     n\n"
		"  1  1\n"
		"  2  2\n"
		"  1: backends\n"
		"       a\n"
		"    1  x\n");
}

static void control_characters_do_not_reach_the_terminal(void **state)
{
	char *got = printed("{\"a\\u001b[2J\": \"b\\u001b]0;x\\u0007\", \"t\": {\"r\\n\": "
			    "{\"c\\t\": \"d\\r\"}}}");

	(void)state;
	for (const char *p = got; *p != '\0'; p++)
		assert_true(*p == '\n' || (unsigned char)*p >= 0x20);
	free(got);
}

static void deep_and_wide_values_end(void **state)
{
	char deep[2048] = "", *got;

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(deep, "{\"a\": [");
	strcat(deep, "1");
	for (int i = 0; i < 100; i++)
		strcat(deep, "]}");
	got = printed(deep);
	assert_true(strlen(got) < 1000);
	free(got);
	strcpy(deep, "{\"t\": [{");
	for (int i = 0; i < 60; i++)
		sprintf(deep + strlen(deep), "%s\"c%d\": %d", i ? "," : "", i, i);
	strcat(deep, "}]}");
	got = printed(deep);
	assert_non_null(strstr(got, "c23"));
	assert_null(strstr(got, "c24"));
	free(got);
}

/* Connections are taken by the kernel; nobody ever reads or answers. */
static void silence_is_a_timeout_with_tls_as_without(void **state)
{
	static const char *const schemes[] = {"http", "https"};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		struct admin_ask ask = {.method = "GET", .path = "/v1/status"};
		struct admin_target to = {0};
		struct admin_got got;
		char url[64];

		snprintf(url, sizeof(url), "%s://127.0.0.1:%u", schemes[i], ntohs(a.sin_port));
		to.at = url;
		assert_int_equal(admin_exchange(&to, &ask, &got), -ETIMEDOUT);
		assert_string_equal(got.why, "");
	}
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_answers_are_read),
		cmocka_unit_test(broken_answers_are_refused),
		cmocka_unit_test(plain_values_are_lines),
		cmocka_unit_test(objects_of_objects_are_tables),
		cmocka_unit_test(rows_with_parts_print_them_behind),
		cmocka_unit_test(control_characters_do_not_reach_the_terminal),
		cmocka_unit_test(deep_and_wide_values_end),
		cmocka_unit_test(silence_is_a_timeout_with_tls_as_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
