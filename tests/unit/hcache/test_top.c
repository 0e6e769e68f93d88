/* SPDX-License-Identifier: Apache-2.0
 * The sketch of what is asked for most, against exact counts; numbers of routes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/base/rng.h"
#include "lb/l7/cache/stats.h"
#include "lb/l7/http/route_stats.h"
#include "lb/l7/http/stream.h"
#include "lb/l7/cache/top.h"
#include "tests/support/seed.h"

#define KEYS  5000
#define TOTAL 200000

static struct top *t;
static uint64_t exact[KEYS];

static int setup(void **state)
{
	(void)state;
	t = calloc(1, sizeof(*t));
	memset(exact, 0, sizeof(exact));
	return t == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	free(t);
	return 0;
}

static void add(uint32_t key, uint64_t now_ns)
{
	char path[16];
	int n = snprintf(path, sizeof(path), "/%u", key);

	exact[key]++;
	/* Bad hashes: many objects meet in the table. */
	top_add(t, (uint64_t)(key % 64) << 32 | (key + 1), 10, SPAN("h"),
		(struct span){path, (uint32_t)n}, (struct span){NULL, 0}, now_ns);
}

static const struct top_row *row_of(const struct top_row *rows, uint32_t cnt, uint32_t key)
{
	for (uint32_t i = 0; i < cnt; i++)
		if ((uint32_t)rows[i].hash == key + 1)
			return &rows[i];
	return NULL;
}

/* TP1 and TP2 */
static void what_is_frequent_is_found(void **state)
{
	struct top_row rows[TOP_SLOTS];
	struct rng rng;
	uint32_t n;

	(void)state;
	rng_seed(&rng, test_seed());
	for (uint32_t i = 0; i < TOTAL; i++) {
		uint64_t k = rng_below(&rng, 1 + rng_below(&rng, 1 + rng_below(&rng, KEYS)));

		add((uint32_t)k, 1);
	}
	n = top_read(t, rows, 0, TOP_SLOTS);
	assert_int_equal(n, TOP_SLOTS);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t k = (uint32_t)rows[i].hash - 1;
		char name[24];

		(void)snprintf(name, sizeof(name), "h/%u", k);
		assert_string_equal(rows[i].name, name);
		assert_true(rows[i].hits >= exact[k]);
		assert_true(rows[i].hits - rows[i].error <= exact[k]);
		assert_true(rows[i].bytes <= 10 * exact[k]);
	}
	for (uint32_t k = 0; k < KEYS; k++)
		if (exact[k] > TOTAL / TOP_SLOTS)
			assert_non_null(row_of(rows, n, k));
	top_sort(rows, n, false);
	for (uint32_t i = 1; i < n; i++)
		assert_true(rows[i - 1].hits >= rows[i].hits);
	top_sort(rows, n, true);
	for (uint32_t i = 1; i < n; i++)
		assert_true(rows[i - 1].bytes >= rows[i].bytes);
}

/* As long as there is room, counts are exact; sketches are added up. */
static void a_few(void **state)
{
	struct top_row rows[2 * TOP_SLOTS];
	uint32_t n;

	(void)state;
	for (uint32_t i = 0; i < 100; i++)
		for (uint32_t k = 0; k <= i; k++)
			add(k, 1);
	n = top_read(t, rows, 0, ARRAY_SIZE(rows));
	n = top_read(t, rows, n, ARRAY_SIZE(rows));
	assert_int_equal(n, 100);
	for (uint32_t k = 0; k < 100; k++) {
		assert_int_equal(row_of(rows, n, k)->hits, 2 * exact[k]);
		assert_int_equal(row_of(rows, n, k)->error, 0);
		assert_int_equal(row_of(rows, n, k)->bytes, 20 * exact[k]);
	}
}

static void what_was_long_ago_counts_less(void **state)
{
	struct top_row rows[TOP_SLOTS];

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		add(1, 5);
	add(2, 5 + TOP_HALVE_NS);
	assert_int_equal(top_read(t, rows, 0, TOP_SLOTS), 2);
	assert_int_equal(row_of(rows, 2, 1)->hits, 500);
	assert_int_equal(row_of(rows, 2, 2)->hits, 1);
}

static void names_are_cut(void **state)
{
	char path[400];
	struct top_row rows[TOP_SLOTS];

	(void)state;
	memset(path, 'p', sizeof(path));
	top_add(t, 1, 0, SPAN("host"), SPAN("/a"), SPAN("q=1"), 1);
	top_add(t, 2, 0, SPAN("host"), (struct span){path, sizeof(path)}, SPAN("q"), 1);
	assert_int_equal(top_read(t, rows, 0, TOP_SLOTS), 2);
	assert_string_equal(rows[0].name, "host/a?q=1");
	assert_int_equal(strlen(rows[1].name), TOP_NAME_MAX);
}

/* A route keeps its number; those without room share one. */
static void routes_have_numbers(void **state)
{
	uint32_t n = hcache_route_number("test", "first", 0);
	char name[16];

	(void)state;
	assert_string_equal(hcache_route_name(n), "test/first");
	assert_int_equal(hcache_route_number("test", "first", 7), n);
	assert_string_equal(hcache_route_name(hcache_route_number("test", "", 3)), "test/3");
	assert_null(hcache_route_name(HCACHE_ROUTES_MAX - 1));
	for (uint32_t i = 0; i < HCACHE_ROUTES_MAX; i++) {
		(void)snprintf(name, sizeof(name), "r%u", i);
		n = hcache_route_number("test", name, i);
	}
	assert_int_equal(n, HCACHE_ROUTES_MAX - 1);
	assert_string_equal(hcache_route_name(n), "(others)");
}

static void took(struct http_route_stats *st, uint16_t status, uint64_t ns)
{
	struct http_stream s = {.t = {.first_byte = 7, .end = 7 + ns},
		.req_bytes = 3,
		.resp_bytes = 5,
		.resp_started = status != 0,
		.end = status != 0 ? HTTP_END_OK : HTTP_END_CLIENT_GONE};

	s.resp.status = status;
	http_route_count(st, &s);
}

/* What lies on a bound is below it; an upgraded connection's life is no answer's time. */
static void a_route_counts_by_status_and_time(void **state)
{
	struct http_route_stats st = {0};

	(void)state;
	took(&st, 200, 500000);
	took(&st, 204, 500001);
	took(&st, 404, 1000000);
	took(&st, 503, UINT64_C(10000000001));
	took(&st, 101, UINT64_C(3600000000000));
	took(&st, 0, 0);
	assert_int_equal(st.requests, 6);
	assert_int_equal(st.status_2xx, 2);
	assert_int_equal(st.status_4xx, 1);
	assert_int_equal(st.status_5xx, 1);
	assert_int_equal(st.status_1xx, 1);
	assert_int_equal(st.failed, 1);
	assert_int_equal(st.body_in, 18);
	assert_int_equal(st.body_out, 30);
	assert_int_equal(st.took[0], 1);
	assert_int_equal(st.took[3], 1);
	assert_int_equal(st.took[4], 2);
	assert_int_equal(st.took[HTTP_TOOK_BOUND_CNT], 1);
	assert_int_equal(st.took_sum_ns, 500000 + 500001 + 1000000 + UINT64_C(10000000001));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(what_is_frequent_is_found),
		TEST(a_few),
		TEST(what_was_long_ago_counts_less),
		TEST(names_are_cut),
		TEST(routes_have_numbers),
		TEST(a_route_counts_by_status_and_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
