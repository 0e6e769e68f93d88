/* SPDX-License-Identifier: Apache-2.0
 * The sets of characters against the RFCs' own lists, at every place of a vector, whatever is
 * behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lb/l7/h1/scan.h"

#define PAD 32
#define LEN 70

static bool alnum(int c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* RFC 9110 5.6.2. */
static bool is_token(int c)
{
	return alnum(c) || (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* RFC 3986 2: reserved (without "#"), unreserved, "%", and what browsers add. */
static bool is_target(int c)
{
	return alnum(c) || (c != 0 && strchr(":/?[]@!$&'()*+,;=-._~%{}|\\^`", c) != NULL);
}

static bool is_host(int c)
{
	return alnum(c) || c == '-' || c == '.' || c == '_';
}

/* RFC 9110 5.5: field-vchar, SP and HTAB. */
static bool is_value(int c)
{
	return c == ' ' || c == '\t' || (c >= 0x21 && c <= 0x7e) || c >= 0x80;
}

static void classes_hold_what_the_rfcs_list(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		assert_int_equal(h1_in_class(&h1_class_token, (char)c), is_token(c));
		assert_int_equal(h1_in_class(&h1_class_target, (char)c), is_target(c));
		assert_int_equal(h1_in_class(&h1_class_host, (char)c), is_host(c));
	}
}

/* Each byte at each place: found there if it is not of the set, not seen if it is. */
static void scans_stop_at_the_first_stranger(void **state)
{
	static const char pads[] = {'a', '\r', '\0', (char)0x80};
	char buf[LEN + PAD];

	(void)state;
	for (uint32_t at = 0; at < LEN; at++) {
		for (int c = 0; c < 256; c++) {
			char pad = pads[(at + (uint32_t)c) % sizeof(pads)];

			memset(buf, 'a', LEN);
			memset(buf + LEN, pad, PAD);
			buf[at] = (char)c;
			assert_int_equal(h1_scan_class(buf, 0, LEN, &h1_class_token),
				is_token(c) ? LEN : at);
			assert_int_equal(h1_scan_class(buf, at, LEN, &h1_class_target),
				is_target(c) ? LEN : at);
			assert_int_equal(h1_scan_value(buf, at / 2, LEN), is_value(c) ? LEN : at);
			assert_int_equal(h1_scan_value(buf, at + 1, LEN), LEN);
			assert_int_equal(h1_scan_value(buf, 0, at), at);
		}
	}
}

static void masks_name_every_place(void **state)
{
	char buf[32];

	(void)state;
	for (uint32_t seed = 0; seed < 256; seed++) {
		uint32_t not_value = 0, equal = 0, not_token = 0;

		for (uint32_t i = 0; i < 32; i++) {
			uint8_t c = (uint8_t)(seed + i * 37);

			buf[i] = (char)c;
			not_value |= (uint32_t)!is_value(c) << i;
			not_token |= (uint32_t)!is_token(c) << i;
			equal |= (uint32_t)(c == '?') << i;
		}
		assert_int_equal(h1_mask_not_value(buf), not_value);
		assert_int_equal(h1_mask_not_in(buf, &h1_class_token), not_token);
		assert_int_equal(h1_mask_eq(buf, '?'), equal);
	}
	assert_int_equal(h1_low_bits(0), 0);
	assert_int_equal(h1_low_bits(31), INT32_MAX);
	assert_int_equal(h1_low_bits(32), UINT32_MAX);
	assert_int_equal(h1_low_bits(100), UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(classes_hold_what_the_rfcs_list),
		cmocka_unit_test(scans_stop_at_the_first_stranger),
		cmocka_unit_test(masks_name_every_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
