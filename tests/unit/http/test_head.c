/* SPDX-License-Identifier: Apache-2.0
 * Heads: names and ids, looking, lists, editing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lb/l7/http/head.h"
#include "lb/l7/http/head_names.h"

static struct span text(const char *s)
{
	return (struct span){s, (uint32_t)strlen(s)};
}

static const char *const known[HTTP_FIELD_CNT] = {
#define F(id, name) [HTTP_FIELD_##id] = name,
	HTTP_FIELDS(F)
#undef F
};

static void every_name_is_found_in_any_case(void **state)
{
	char buf[64];

	(void)state;
	for (uint32_t id = 1; id < HTTP_FIELD_CNT; id++) {
		size_t n = strlen(known[id]);

		assert_true(span_eq(http_field_name((enum http_field_id)id), text(known[id])));
		for (uint32_t way = 0; way < 3; way++) {
			for (size_t i = 0; i < n; i++) {
				bool up = way == 1 || (way == 2 && i % 2 == 0);
				char c = known[id][i];

				buf[i] = up && c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
			}
			assert_int_equal(http_field_find((struct span){buf, (uint32_t)n}), id);
		}
	}
}

/* What differs in one byte, or is longer or shorter by one, is not the name. */
static void no_other_name_is_found(void **state)
{
	char buf[64];

	(void)state;
	for (uint32_t id = 1; id < HTTP_FIELD_CNT; id++) {
		uint32_t n = (uint32_t)strlen(known[id]);

		memcpy(buf, known[id], n);
		buf[n] = 'x';
		assert_int_equal(http_field_find((struct span){buf, n + 1}), HTTP_FIELD_OTHER);
		assert_int_not_equal(http_field_find((struct span){buf, n - 1}), id);
		for (uint32_t i = 0; i < n; i++) {
			for (uint32_t c = 0; c < 256; c++) {
				bool same =
					c == (uint8_t)known[id][i] ||
					(known[id][i] >= 'a' && c == (uint8_t)known[id][i] - 32u);

				if (same)
					continue;
				buf[i] = (char)c;
				assert_int_not_equal(http_field_find((struct span){buf, n}), id);
			}
			buf[i] = known[id][i];
		}
	}
	assert_int_equal(http_field_find(SPAN("")), HTTP_FIELD_OTHER);
	assert_int_equal(http_field_find(SPAN("x-a-name-that-is-longer-than-all-known-ones")),
		HTTP_FIELD_OTHER);
}

/* Not needed for correctness; when a new name fails here, search another factor. */
static void the_hash_of_names_is_perfect(void **state)
{
	(void)state;
	for (uint32_t id = 1; id < HTTP_FIELD_CNT; id++)
		assert_int_equal(
			http_name_slot[http_name_hash(http_names[id].text, http_name_len[id])], id);
}

static void methods_are_case_sensitive(void **state)
{
	(void)state;
	for (enum http_method m = HTTP_GET; m < HTTP_OTHER; m++)
		assert_int_equal(http_method_find(http_method_name(m)), m);
	assert_int_equal(http_method_find(SPAN("get")), HTTP_OTHER);
	assert_int_equal(http_method_find(SPAN("GETS")), HTTP_OTHER);
	assert_int_equal(http_method_find(SPAN("")), HTTP_OTHER);
	assert_int_equal(http_method_name(HTTP_OTHER).len, 0);
}

static void statuses_have_texts(void **state)
{
	(void)state;
	assert_true(span_eq(http_status_text(200), SPAN("OK")));
	assert_true(span_eq(http_status_text(431), SPAN("Request Header Fields Too Large")));
	assert_int_equal(http_status_text(299).len, 0);
}

static void spans_compare_without_case(void **state)
{
	(void)state;
	assert_true(span_caseeq(SPAN("Chunked"), SPAN("cHUNKED")));
	assert_true(span_caseeq(SPAN(""), SPAN("")));
	assert_false(span_caseeq(SPAN("chunked"), SPAN("chunke")));
	/* 0x20 apart, but no letters. */
	assert_false(span_caseeq(SPAN("@"), SPAN("`")));
	assert_false(span_caseeq(SPAN("["), SPAN("{")));
}

static struct http_head *head_of(const char *const (*fields)[2], uint32_t n)
{
	struct http_head *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(http_head_add_name(h, text(fields[i][0]), text(fields[i][1])), 0);
	return h;
}

static void fields_are_found_by_id_and_by_name(void **state)
{
	static const char *const fields[][2] = {
		{"Accept", "1"}, {"X-Own", "2"}, {"accept", "3"}, {"x-own", "4"}};
	struct http_head *h = head_of(fields, ARRAY_SIZE(fields));
	const struct http_field *f;

	(void)state;
	f = http_head_get(h, HTTP_FIELD_ACCEPT, NULL);
	assert_ptr_equal(f, &h->fields[0]);
	f = http_head_get(h, HTTP_FIELD_ACCEPT, f);
	assert_ptr_equal(f, &h->fields[2]);
	assert_null(http_head_get(h, HTTP_FIELD_ACCEPT, f));
	assert_ptr_equal(http_head_find(h, SPAN("ACCEPT"), NULL), &h->fields[0]);
	f = http_head_find(h, SPAN("X-OWN"), NULL);
	assert_ptr_equal(f, &h->fields[1]);
	assert_ptr_equal(http_head_find(h, SPAN("x-own"), f), &h->fields[3]);
	assert_null(http_head_find(h, SPAN("x-owner"), NULL));
	h->fields[0].flags |= HTTP_F_GONE;
	h->fields[1].flags |= HTTP_F_GONE;
	assert_ptr_equal(http_head_get(h, HTTP_FIELD_ACCEPT, NULL), &h->fields[2]);
	assert_ptr_equal(http_head_find(h, SPAN("x-own"), NULL), &h->fields[3]);
	free(h);
}

/* RFC 9110 5.6.1: empty members count for nothing, commas in quotes are no commas. */
static void lists_are_walked_over_all_lines(void **state)
{
	static const char *const fields[][2] = {{"Vary", " a,\t, b ,"}, {"Accept", "no"},
		{"Vary", ""}, {"vary", "\"x,\\\"y\", c;q=\"1,2\""}, {"Vary", "\"open, d"}};
	static const char *const want[] = {"a", "b", "\"x,\\\"y\"", "c;q=\"1,2\"", "\"open, d"};
	struct http_head *h = head_of(fields, ARRAY_SIZE(fields));
	struct http_list_iter it = {0}, none = {0};
	struct span m;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_true(http_head_list_next(h, HTTP_FIELD_VARY, &it, &m));
		assert_true(span_eq(m, text(want[i])));
	}
	assert_false(http_head_list_next(h, HTTP_FIELD_VARY, &it, &m));
	assert_false(http_head_list_next(h, HTTP_FIELD_VARY, &it, &m));
	assert_false(http_head_list_next(h, HTTP_FIELD_TE, &none, &m));
	free(h);
}

static uint32_t there(const struct http_head *h, enum http_field_id id)
{
	uint32_t n = 0;

	for (const struct http_field *f = NULL; (f = http_head_get(h, id, f)) != NULL;)
		n++;
	return n;
}

static void fields_are_set_and_removed(void **state)
{
	static const char *const fields[][2] = {
		{"Via", "1"}, {"X-Own", "2"}, {"via", "3"}, {"X-OWN", "4"}};
	struct http_head *h = head_of(fields, ARRAY_SIZE(fields));

	(void)state;
	assert_int_equal(http_head_set(h, HTTP_FIELD_VIA, SPAN("new")), 0);
	assert_int_equal(there(h, HTTP_FIELD_VIA), 1);
	assert_true(span_eq(http_head_get(h, HTTP_FIELD_VIA, NULL)->value, SPAN("new")));
	assert_int_equal(http_head_set(h, HTTP_FIELD_AGE, SPAN("0")), 0);
	assert_true(span_eq(http_head_get(h, HTTP_FIELD_AGE, NULL)->name, SPAN("age")));
	http_head_remove_as(h, HTTP_FIELD_OTHER, SPAN("x-own"));
	assert_null(http_head_find(h, SPAN("X-Own"), NULL));
	http_head_remove_as(h, HTTP_FIELD_VIA, SPAN("VIA"));
	assert_int_equal(there(h, HTTP_FIELD_VIA), 0);
	http_head_remove(h, HTTP_FIELD_AGE);
	assert_int_equal(there(h, HTTP_FIELD_AGE), 0);
	free(h);
}

static void a_full_head_takes_no_more(void **state)
{
	struct http_head *h = calloc(1, sizeof(*h));

	(void)state;
	assert_non_null(h);
	for (uint32_t i = 0; i < LIMIT_HTTP_FIELDS; i++)
		assert_int_equal(http_head_add(h, HTTP_FIELD_VIA, SPAN("x")), 0);
	assert_int_equal(http_head_add(h, HTTP_FIELD_VIA, SPAN("x")), -ENOSPC);
	assert_int_equal(http_head_set(h, HTTP_FIELD_AGE, SPAN("x")), -ENOSPC);
	/* The last places can be used again, those in between cannot. */
	h->fields[3].flags |= HTTP_F_GONE;
	assert_int_equal(http_head_add(h, HTTP_FIELD_VIA, SPAN("x")), -ENOSPC);
	h->fields[LIMIT_HTTP_FIELDS - 1].flags |= HTTP_F_GONE;
	assert_int_equal(http_head_add(h, HTTP_FIELD_AGE, SPAN("y")), 0);
	assert_int_equal(there(h, HTTP_FIELD_AGE), 1);
	free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_is_found_in_any_case),
		cmocka_unit_test(no_other_name_is_found),
		cmocka_unit_test(the_hash_of_names_is_perfect),
		cmocka_unit_test(methods_are_case_sensitive),
		cmocka_unit_test(statuses_have_texts),
		cmocka_unit_test(spans_compare_without_case),
		cmocka_unit_test(fields_are_found_by_id_and_by_name),
		cmocka_unit_test(lists_are_walked_over_all_lines),
		cmocka_unit_test(fields_are_set_and_removed),
		cmocka_unit_test(a_full_head_takes_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
