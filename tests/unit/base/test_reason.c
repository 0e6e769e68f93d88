/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ctype.h>
#include <string.h>

#include "dataplane/base/reason.h"

static void every_reason_has_name_class_and_text(void **state)
{
	(void)state;
	for (unsigned r = 0; r < REASON_COUNT; r++) {
		const char *name = reason_name((enum reason)r);

		assert_true(strlen(name) > 0 && strlen(reason_text((enum reason)r)) > 0);
		assert_true(
			reason_class((enum reason)r) == 'D' || reason_class((enum reason)r) == 'U');
		for (const char *p = name; *p != '\0'; p++)
			assert_true(islower((unsigned char)*p) || isdigit((unsigned char)*p) ||
				    *p == '_');
	}
	assert_string_equal(reason_name(REASON_L4_NO_BACKEND), "l4_no_backend");
	assert_int_equal(reason_class(REASON_HEALTH_REPLY), 'U');
	assert_int_equal(reason_class(REASON_TX_FULL), 'D');
}

static void names_are_unique(void **state)
{
	(void)state;
	for (unsigned a = 0; a < REASON_COUNT; a++)
		for (unsigned b = a + 1; b < REASON_COUNT; b++)
			assert_string_not_equal(
				reason_name((enum reason)a), reason_name((enum reason)b));
}

static void ledger_balances_only_when_every_packet_is_counted(void **state)
{
	struct ledger l = {
		.rx = 10, .born = 3, .handed_in = 2, .tx = 5, .handed_out = 4, .held = 1};

	(void)state;
	assert_int_equal(ledger_imbalance(&l), 5);
	l.ended[REASON_NO_ROUTE] = 2;
	l.ended[REASON_COUNT - 1] = 3;
	assert_int_equal(ledger_imbalance(&l), 0);
	l.tx++;
	assert_int_equal(ledger_imbalance(&l), -1);
}

static void ledger_balance_survives_counter_wrap(void **state)
{
	struct ledger l = {.rx = 5, .tx = UINT64_MAX - 4, .born = UINT64_MAX - 9};

	(void)state;
	l.rx = 5;   /* 5 + (2^64 - 10) = 2^64 - 5 */
	l.held = 0; /* and that is tx */
	assert_int_equal(ledger_imbalance(&l), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_name_class_and_text),
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(ledger_balances_only_when_every_packet_is_counted),
		cmocka_unit_test(ledger_balance_survives_counter_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
