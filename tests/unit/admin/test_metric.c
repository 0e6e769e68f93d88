/* SPDX-License-Identifier: Apache-2.0
 * Statistics as text and JSON: the exact format, and what is asked of names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb/api/api.h"

struct sample {
	uint64_t packets, rtt_us, wait_ns, commit_max_ns;
	double load;
	struct metric_hist turn;
};

static const double bounds[] = {0.001, 0.01};

static const struct metric_row rows[] = {
	METRIC_C(struct sample, packets, "Packets\\of\nall kinds"),
	{.key = "rtt_us",
		.name = "rtt_seconds",
		.help = "Round trip",
		.type = METRIC_GAUGE,
		.offset = offsetof(struct sample, rtt_us),
		.scale = 1e-6},
	METRIC_C(struct sample, wait_ns, "Time waited"),
	METRIC_C(struct sample, commit_max_ns, "Longest commit"),
	{.key = "load",
		.help = "Load",
		.type = METRIC_GAUGE,
		.value = METRIC_F64,
		.offset = offsetof(struct sample, load)},
	{.key = "turn",
		.name = "turn_seconds",
		.help = "Turns",
		.type = METRIC_HISTOGRAM,
		.offset = offsetof(struct sample, turn),
		.scale = 1e-9,
		.bounds = bounds,
		.bound_cnt = 2},
};

static uint32_t object_cnt;

static void each(void *ctx, struct metric_sink *sink)
{
	(void)ctx;
	for (uint32_t i = 0; i < object_cnt; i++) {
		char name[16];
		const char *labels[] = {name, "a\"b\\c\nd"};
		struct sample s = {.packets = UINT64_C(9007199254740993) + i,
			.rtt_us = 1500,
			.wait_ns = 2500000000,
			.commit_max_ns = 250000000,
			.load = 0.25,
			.turn = {{1, 2, 3}, 5000000}};

		snprintf(name, sizeof(name), "o%u", i);
		metric_add(sink, labels, &s);
	}
}

static const struct metric_set set = {
	.name = "things",
	.prefix = "weir_thing_",
	.labels = {"name", "odd"},
	.rows = rows,
	.row_cnt = ARRAY_SIZE(rows),
	.sample_size = sizeof(struct sample),
	.each = each,
};
static const struct metric_set *const sets[] = {&set};
static const struct metric_list list = {sets, 1, NULL};

static char *text_of(const struct metric_list *l)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	metric_write_prometheus(l, f);
	fclose(f);
	return text;
}

static void text_has_families_with_all_samples_together(void **state)
{
	char *text;

	(void)state;
	object_cnt = 2;
	text = text_of(&list);
	assert_non_null(strstr(text,
		"# HELP weir_thing_packets_total Packets\\\\of\\nall kinds\n"
		"# TYPE weir_thing_packets_total counter\n"
		"weir_thing_packets_total{name=\"o0\",odd=\"a\\\"b\\\\c\\nd\"} 9007199254740993\n"
		"weir_thing_packets_total{name=\"o1\",odd=\"a\\\"b\\\\c\\nd\"} 9007199254740994\n"
		"# HELP weir_thing_rtt_seconds Round trip\n"
		"# TYPE weir_thing_rtt_seconds gauge\n"
		"weir_thing_rtt_seconds{name=\"o0\",odd=\"a\\\"b\\\\c\\nd\"} 0.0015\n"));
	/* Base units, and the largest that was seen is no counter. */
	assert_non_null(strstr(text, "# TYPE weir_thing_wait_seconds_total counter\n"
				     "weir_thing_wait_seconds_total{name=\"o0\","));
	assert_non_null(strstr(text, "} 2.5\n# HELP weir_thing_commit_max_seconds Longest commit\n"
				     "# TYPE weir_thing_commit_max_seconds gauge\n"));
	assert_non_null(strstr(text, "} 0.25\n"));
	assert_non_null(strstr(text,
		"weir_thing_turn_seconds_bucket{name=\"o0\",odd=\"a\\\"b\\\\c\\nd\",le=\"0.001\"} "
		"1\n"
		"weir_thing_turn_seconds_bucket{name=\"o0\",odd=\"a\\\"b\\\\c\\nd\",le=\"0.01\"} "
		"3\n"
		"weir_thing_turn_seconds_bucket{name=\"o0\",odd=\"a\\\"b\\\\c\\nd\",le=\"+Inf\"} "
		"6\n"
		"weir_thing_turn_seconds_sum{name=\"o0\",odd=\"a\\\"b\\\\c\\nd\"} 0.005\n"
		"weir_thing_turn_seconds_count{name=\"o0\",odd=\"a\\\"b\\\\c\\nd\"} 6\n"));
	assert_non_null(strstr(text, "\nweir_metrics_left_out 0\n"));
	free(text);
	object_cnt = 0;
	text = text_of(&list);
	assert_null(strstr(text, "weir_thing"));
	free(text);
}

static void objects_are_bounded_and_the_rest_is_counted(void **state)
{
	char *text, *p;
	int lines = 0;

	(void)state;
	object_cnt = METRIC_SAMPLES_MAX + 5;
	text = text_of(&list);
	for (p = text; (p = strstr(p, "\nweir_thing_load{")) != NULL; p++)
		lines++;
	assert_int_equal(lines, METRIC_SAMPLES_MAX);
	assert_non_null(strstr(text, "\nweir_metrics_left_out 5\n"));
	free(text);
}

static void json_has_labels_and_values(void **state)
{
	json_t *a = json_array(), *o;

	(void)state;
	object_cnt = 1;
	metric_write_json(&set, NULL, a);
	assert_int_equal(json_array_size(a), 1);
	o = json_array_get(a, 0);
	assert_string_equal(json_string_value(json_object_get(o, "name")), "o0");
	assert_int_equal(json_integer_value(json_object_get(o, "packets")), 9007199254740993);
	assert_int_equal(json_integer_value(json_object_get(o, "rtt_us")), 1500);
	assert_int_equal(json_integer_value(json_object_get(o, "wait_ns")), 2500000000);
	assert_true(json_real_value(json_object_get(o, "load")) == 0.25);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(o, "turn"), "count")), 6);
	json_decref(a);
}

static bool good_name(const char *n)
{
	if (strncmp(n, "weir_", 5) != 0)
		return false;
	for (; *n != '\0'; n++)
		if (!(islower((unsigned char)*n) || isdigit((unsigned char)*n) || *n == '_'))
			return false;
	return true;
}

/* Of the process's own tables: names are good and each is used once. */
static void the_process_has_good_names(void **state)
{
	static char names[1024][160];
	uint32_t cnt = 0;

	(void)state;
	for (uint32_t s = 0; s < api_metric_set_cnt; s++) {
		const struct metric_set *m = api_metric_sets[s];

		for (uint32_t o = 0; o < s; o++)
			assert_string_not_equal(m->name, api_metric_sets[o]->name);
		for (uint32_t r = 0; r < m->row_cnt; r++) {
			const struct metric_row *row = &m->rows[r];

			assert_true(cnt < ARRAY_SIZE(names));
			metric_full_name(m, row, names[cnt], sizeof(names[cnt]));
			assert_true(good_name(names[cnt]));
			for (uint32_t i = 0; i < cnt; i++)
				assert_string_not_equal(names[i], names[cnt]);
			cnt++;
			assert_true(strlen(row->help) > 3);
			assert_true(row->offset < m->sample_size);
			assert_true(row->bound_cnt < METRIC_BUCKETS);
		}
	}
	assert_true(cnt > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_has_families_with_all_samples_together),
		cmocka_unit_test(objects_are_bounded_and_the_rest_is_counted),
		cmocka_unit_test(json_has_labels_and_values),
		cmocka_unit_test(the_process_has_good_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
