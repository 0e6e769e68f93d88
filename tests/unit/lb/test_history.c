/* SPDX-License-Identifier: Apache-2.0
 * What is kept of configurations, and what an operator says over them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lb/history.h"
#include "lb/override.h"
#include "tests/support/config_text.h"

static const char text[] = "ports: [{device: net_null0, addresses: [192.0.2.1/24]}]\n"
			   "services: [{name: a, vip: 203.0.113.1:80, backends: [192.0.2.11]}]\n";

static void entries_can_be_read_again_and_the_oldest_goes(void **state)
{
	struct history h = {0};
	char *said;
	struct config *cfg = config_text_parse(text, &said), *again;

	(void)state;
	free(said);
	assert_null(history_find(&h, 0));
	for (uint64_t i = 1; i <= HISTORY_MAX + 3; i++) {
		assert_int_equal(history_add(&h, cfg, 10 * i, "reload"), 0);
		assert_int_equal(h.entries[h.cnt - 1].id, i);
	}
	assert_int_equal(h.cnt, HISTORY_MAX);
	assert_null(history_find(&h, 3));
	assert_int_equal(history_find(&h, 4)->generation, 40);
	assert_int_equal(history_find(&h, 0)->id, HISTORY_MAX + 2);
	again = config_text_parse(history_find(&h, 4)->text, &said);
	assert_non_null(again);
	assert_string_equal(again->services[0].name, "a");
	free(said);
	config_free(again);
	config_free(cfg);
	history_fini(&h);
	assert_int_equal(h.cnt, 0);
}

static void the_last_word_about_a_backend_counts(void **state)
{
	struct overrides o = {0};
	struct override row = {.kind = OVERRIDE_SERVICE, .pool = "a", .port = 80, .drain = true};
	struct config_backend b = {.port = 80, .weight = 3}, other = {.port = 81, .weight = 3};

	(void)state;
	assert_int_equal(ip_addr_parse("192.0.2.11", &row.addr), 0);
	b.addr = other.addr = row.addr;
	assert_int_equal(override_set(&o, &row), 0);
	assert_true(override_apply(&o, OVERRIDE_SERVICE, "a", &b).drain);
	assert_false(override_apply(&o, OVERRIDE_SERVICE, "b", &b).drain);
	assert_false(override_apply(&o, OVERRIDE_LISTENER, "a", &b).drain);
	assert_false(override_apply(&o, OVERRIDE_SERVICE, "a", &other).drain);
	row.drain = false;
	row.weight_given = true;
	row.weight = 0;
	assert_int_equal(override_set(&o, &row), 0);
	assert_int_equal(o.cnt, 1);
	assert_int_equal(override_apply(&o, OVERRIDE_SERVICE, "a", &b).weight, 0);
	assert_false(override_disabled(&o, OVERRIDE_SERVICE, "a", &b));
	row.disabled = true;
	assert_int_equal(override_set(&o, &row), 0);
	assert_true(override_disabled(&o, OVERRIDE_SERVICE, "a", &b));
	row.disabled = row.weight_given = false;
	assert_int_equal(override_set(&o, &row), 0);
	assert_int_equal(o.cnt, 0);
	assert_int_equal(override_apply(&o, OVERRIDE_SERVICE, "a", &b).weight, 3);
	overrides_clear(&o);
}

static void words_are_bounded(void **state)
{
	struct overrides o = {0};
	struct override row = {.kind = OVERRIDE_SERVICE, .pool = "a", .drain = true};

	(void)state;
	for (uint32_t i = 0; i < OVERRIDES_MAX; i++) {
		row.port = (uint16_t)(i + 1);
		assert_int_equal(override_set(&o, &row), 0);
	}
	row.port = OVERRIDES_MAX + 1;
	assert_int_equal(override_set(&o, &row), -ENOSPC);
	row.port = 5;
	assert_int_equal(override_set(&o, &row), 0);
	overrides_clear(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_can_be_read_again_and_the_oldest_goes),
		cmocka_unit_test(the_last_word_about_a_backend_counts),
		cmocka_unit_test(words_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
