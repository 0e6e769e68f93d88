/* SPDX-License-Identifier: Apache-2.0
 * Lines of the access log: what they hold, that they are one line and, in JSON, valid whatever a
 * client sent. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "lb/l7/log/format.h"
#include "lb/l7/route/route.h"

static struct http_exchange exchange;
static struct http_route route;
static char line[LOG_LINE_CAP + 1];

/* 2026-11-29T04:11:12.345Z */
static const struct log_moment moment = {
	.wall_ns = UINT64_C(1795925472345678901), .listener = {"web", 3}, .site = {"shop", 4}};

static struct http_stream *stream(void)
{
	struct http_stream *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	memset(&exchange, 0, sizeof(exchange));
	exchange.original_path = SPAN("/a b");
	exchange.original_query = SPAN("c=d");
	exchange.original_host = SPAN("www.example.com");
	exchange.user = SPAN("alice");
	route.name = "canary";
	s->policy_state = &exchange;
	s->route = &route;
	assert_int_equal(ip_addr_parse("192.0.2.1", &s->client), 0);
	assert_int_equal(ip_addr_parse("2001:db8::1", &s->peer), 0);
	assert_int_equal(ip_addr_parse("203.0.113.80", &s->local), 0);
	s->client_port = BE16(40000);
	s->local_port = BE16(443);
	s->secure = true;
	s->req.method = HTTP_POST;
	s->req.scheme = SPAN("https");
	s->req.host = SPAN("rewritten");
	s->req.path = SPAN("/rewritten");
	s->req.version = 11;
	s->resp.status = 201;
	s->resp_started = true;
	s->req_bytes = 12;
	s->resp_bytes = 34567;
	s->request_id = SPAN("0123456789abcdef");
	s->backend = "b1";
	s->retries = 2;
	s->t = (struct http_times){.accepted = 1000,
		.first_byte = NS_PER_SEC,
		.head = NS_PER_SEC + 1500,
		.request = NS_PER_SEC + 2000 * 1000,
		.queued = NS_PER_SEC + 3000 * 1000,
		.backend = NS_PER_SEC + 4100 * 1000,
		.response = NS_PER_SEC + 14100 * 1000,
		.end = NS_PER_SEC + 1234567 * 1000u};
	assert_int_equal(http_head_add(&s->req, HTTP_FIELD_USER_AGENT, SPAN("curl/8")), 0);
	return s;
}

static struct log_format *compile(const struct config_access_log *conf)
{
	struct log_format *f;
	char why[LOG_FORMAT_WHY];

	assert_int_equal(log_format_compile(conf, &f, why), 0);
	return f;
}

static const char *write_line(const struct config_access_log *conf, struct http_stream *s)
{
	struct log_format *f = compile(conf);
	uint32_t n = log_format_line(f, s, &moment, line);

	log_format_free(f);
	assert_in_range(n, 1, LOG_LINE_CAP);
	line[n] = '\0';
	assert_ptr_equal(strchr(line, '\n'), line + n - 1);
	return line;
}

static json_t *json_line(const struct config_access_log *conf, struct http_stream *s)
{
	json_error_t e;
	json_t *j = json_loads(write_line(conf, s), JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);

	if (j == NULL)
		print_error("%s: %s\n", e.text, line);
	assert_non_null(j);
	return j;
}

static const char *text(const json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static void json_tells_all_of_a_request(void **state)
{
	static const struct config_access_log conf = {.format = "json"};
	struct http_stream *s = stream();
	json_t *j = json_line(&conf, s);

	(void)state;
	assert_string_equal(text(j, "time"), "2026-11-29T04:11:12.345Z");
	assert_string_equal(text(j, "listener"), "web");
	assert_string_equal(text(j, "client"), "192.0.2.1");
	assert_int_equal(json_integer_value(json_object_get(j, "client_port")), 40000);
	assert_int_equal(json_integer_value(json_object_get(j, "tls")), 1);
	assert_string_equal(text(j, "user"), "alice");
	assert_string_equal(text(j, "request_id"), "0123456789abcdef");
	assert_string_equal(text(j, "method"), "POST");
	assert_string_equal(text(j, "host"), "www.example.com");
	assert_string_equal(text(j, "uri"), "/a b?c=d");
	assert_string_equal(text(j, "version"), "1.1");
	assert_int_equal(json_integer_value(json_object_get(j, "status")), 201);
	assert_int_equal(json_integer_value(json_object_get(j, "request_bytes")), 12);
	assert_int_equal(json_integer_value(json_object_get(j, "response_bytes")), 34567);
	assert_string_equal(text(j, "route"), "canary");
	assert_string_equal(text(j, "backend"), "b1");
	assert_int_equal(json_integer_value(json_object_get(j, "retries")), 2);
	assert_string_equal(text(j, "end"), "ok");
	assert_string_equal(text(j, "user_agent"), "curl/8");
	assert_float_equal(json_real_value(json_object_get(j, "head_ms")), 0.001, 1e-9);
	assert_float_equal(json_real_value(json_object_get(j, "body_ms")), 1.998, 1e-9);
	assert_float_equal(json_real_value(json_object_get(j, "queue_ms")), 1.1, 1e-9);
	assert_float_equal(json_real_value(json_object_get(j, "backend_ms")), 10, 1e-9);
	assert_float_equal(json_real_value(json_object_get(j, "send_ms")), 1220.467, 1e-9);
	assert_float_equal(json_real_value(json_object_get(j, "total_ms")), 1234.567, 1e-9);
	/* What it does not have is not there. */
	assert_null(json_object_get(j, "cache"));
	assert_null(json_object_get(j, "detail"));
	assert_null(json_object_get(j, "referer"));
	json_decref(j);
	free(s);
}

static void json_holds_what_is_asked_for(void **state)
{
	int fields[] = {ACCESS_LOG_REFERER, ACCESS_LOG_STATUS, ACCESS_LOG_SITE};
	struct config_log_header req[] = {{"X-Tenant"}, {"X-None"}}, resp[] = {{"Content-Type"}};
	struct config_access_log conf = {.format = "json",
		.fields = fields,
		.field_cnt = 3,
		.request_headers = req,
		.request_header_cnt = 2,
		.response_headers = resp,
		.response_header_cnt = 1};
	struct http_stream *s = stream();

	(void)state;
	assert_int_equal(http_head_add_name(&s->req, SPAN("x-tenant"), SPAN("t\"1")), 0);
	assert_int_equal(http_head_add(&s->resp, HTTP_FIELD_CONTENT_TYPE, SPAN("text/plain")), 0);
	assert_string_equal(write_line(&conf, s),
		"{\"status\":201,\"site\":\"shop\",\"request_header.x-tenant\":\"t\\\"1\","
		"\"response_header.content-type\":\"text/plain\"}\n");
	/* Nothing at all is still an object. */
	conf.field_cnt = 1;
	conf.request_header_cnt = conf.response_header_cnt = 0;
	assert_string_equal(write_line(&conf, s), "{}\n");
	free(s);
}

static void a_format_of_ones_own_is_filled_in(void **state)
{
	struct config_access_log conf = {
		.format = "$$5 ${client}:${client_port} \"${uri}\" ${cache} ${total_ms}"
			  " ${request_header.user-agent}|${response_header.x}|${version}."};
	struct http_stream *s = stream();

	(void)state;
	assert_string_equal(
		write_line(&conf, s), "$5 192.0.2.1:40000 \"/a b?c=d\" - 1234.567 curl/8|-|1.1.\n");
	strcpy(conf.format, "combined");
	assert_string_equal(write_line(&conf, s),
		"192.0.2.1 - alice [29/Nov/2026:04:11:12 +0000] \"POST /a b?c=d HTTP/1.1\" 201 "
		"34567 \"-\" \"curl/8\"\n");
	free(s);
}

static void mistakes_in_a_format_are_named(void **state)
{
	static const char *const wrong[][2] = {{"${clint}", "there is no clint"},
		{"a $b", "'$' is written '$$', and variables '${name}'; here: $b"},
		{"${client", "'$' is written '$$', and variables '${name}'; here: ${client"},
		{"a\nb", "a line of the log is one line"}, {"${}", "there is no "}};

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct config_access_log conf = {.field_cnt = 0};
		struct log_format *f;
		char why[LOG_FORMAT_WHY];

		strcpy(conf.format, wrong[i][0]);
		assert_int_equal(log_format_compile(&conf, &f, why), -EINVAL);
		assert_string_equal(why, wrong[i][1]);
		assert_null(f);
	}
}

/* Every byte, in a value of any length up to more than fits: one line, and valid JSON. */
static void no_value_breaks_a_line(void **state)
{
	static const struct config_access_log json = {.format = "json"};
	static const struct config_access_log own = {.format = "${user_agent} ${uri}"};
	static const uint32_t lens[] = {
		1, 255, 256, 300, LOG_VALUE_MAX - 1, LOG_VALUE_MAX, LOG_VALUE_MAX + 1, 9000};
	static char value[9000];
	struct http_stream *s = stream();

	(void)state;
	for (uint32_t i = 0; i < sizeof(value); i++)
		value[i] = (char)i;
	exchange.original_path = (struct span){NULL, 0};
	for (uint32_t i = 0; i < ARRAY_SIZE(lens); i++) {
		struct span v = {value, lens[i]};
		json_t *j;

		s->req.field_cnt = 0;
		assert_int_equal(http_head_add(&s->req, HTTP_FIELD_USER_AGENT, v), 0);
		assert_int_equal(http_head_add(&s->req, HTTP_FIELD_REFERER, v), 0);
		s->req.path = s->req.query = s->req.host = s->request_id = v;
		exchange.original_host = (struct span){NULL, 0};
		j = json_line(&json, s);
		assert_non_null(json_object_get(j, "uri"));
		json_decref(j);
		(void)write_line(&own, s);
		for (const char *p = line; p[1] != '\0'; p++)
			assert_in_range((uint8_t)*p, 0x20, 0x7e);
	}
	s->req.path = (struct span){"\x01\"\\\xe4", 4};
	s->req.query = (struct span){NULL, 0};
	s->req.field_cnt = 0;
	assert_string_equal(write_line(&own, s), "- \\x01\\\"\\\\\\xe4\n");
	free(s);
}

/* A head that could not be read, no answer, no route. */
static void little_is_known_of_some(void **state)
{
	static const struct config_access_log conf = {.format = "json"};
	struct http_stream *s = calloc(1, sizeof(*s));
	json_t *j;

	(void)state;
	assert_non_null(s);
	s->req.version = 11;
	s->end = HTTP_END_CLIENT_GONE;
	j = json_line(&conf, s);
	assert_string_equal(text(j, "end"), "client_gone");
	assert_null(json_object_get(j, "status"));
	assert_null(json_object_get(j, "method"));
	assert_null(json_object_get(j, "uri"));
	assert_null(json_object_get(j, "total_ms"));
	json_decref(j);
	free(s);
}

static void days_are_those_of_the_calendar(void **state)
{
	static const struct config_access_log conf = {.format = "${time}"};
	static const struct {
		uint64_t seconds;
		const char *day;
	} rows[] = {{0, "1970-01-01T00:00:00.000Z"}, {951782400, "2000-02-29T00:00:00.000Z"},
		{951868799, "2000-02-29T23:59:59.000Z"}, {951868800, "2000-03-01T00:00:00.000Z"},
		{1709164800, "2024-02-29T00:00:00.000Z"}, {4102444799, "2099-12-31T23:59:59.000Z"},
		{4107542400, "2100-03-01T00:00:00.000Z"}};
	struct log_format *f = compile(&conf);
	struct http_stream *s = stream();

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct log_moment m = {.wall_ns = rows[i].seconds * NS_PER_SEC};
		uint32_t n = log_format_line(f, s, &m, line);

		line[n - 1] = '\0';
		assert_string_equal(line, rows[i].day);
	}
	log_format_free(f);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_tells_all_of_a_request),
		cmocka_unit_test(json_holds_what_is_asked_for),
		cmocka_unit_test(a_format_of_ones_own_is_filled_in),
		cmocka_unit_test(mistakes_in_a_format_are_named),
		cmocka_unit_test(no_value_breaks_a_line),
		cmocka_unit_test(little_is_known_of_some),
		cmocka_unit_test(days_are_those_of_the_calendar),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
