/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/spsc.h"

#define PTR(n) ((void *)(uintptr_t)(n))

static void size_is_rounded_up_and_full_is_partial(void **state)
{
	struct spsc *r = spsc_create(5);
	void *in[10], *out[10];

	(void)state;
	assert_non_null(r);
	for (uintptr_t i = 0; i < 10; i++)
		in[i] = PTR(i + 1);
	assert_int_equal(spsc_push(r, in, 10), 8);
	assert_int_equal(spsc_count(r), 8);
	assert_int_equal(spsc_push(r, in, 1), 0);
	assert_int_equal(spsc_pop(r, out, 10), 8);
	for (uintptr_t i = 0; i < 8; i++)
		assert_ptr_equal(out[i], PTR(i + 1));
	assert_int_equal(spsc_pop(r, out, 10), 0);
	assert_int_equal(spsc_count(r), 0);
	spsc_destroy(r);
}

static void zero_is_a_no_op(void **state)
{
	struct spsc *r = spsc_create(1);
	void *p = PTR(7);

	(void)state;
	assert_non_null(r);
	assert_int_equal(spsc_push(r, &p, 0), 0);
	assert_int_equal(spsc_pop(r, &p, 0), 0);
	assert_int_equal(spsc_push(r, &p, 1), 1);
	assert_int_equal(spsc_push(r, &p, 1), 0);
	assert_int_equal(spsc_pop(r, &p, 1), 1);
	spsc_destroy(r);
}

/* The counters are 32 bits and never reset: start just below the wrap. */
static void order_holds_across_the_wrap_of_the_counters(void **state)
{
	struct spsc *r = spsc_create(4);
	uintptr_t next_in = 1, next_out = 1;

	(void)state;
	assert_non_null(r);
	atomic_store(&r->head, UINT32_MAX - 5);
	atomic_store(&r->tail, UINT32_MAX - 5);
	r->head_seen = r->tail_seen = UINT32_MAX - 5;
	for (int round = 0; round < 50; round++) {
		void *in[3], *out[4];
		uint32_t n;

		for (uintptr_t i = 0; i < 3; i++)
			in[i] = PTR(next_in + i);
		next_in += spsc_push(r, in, 3);
		assert_true(spsc_count(r) <= 4);
		n = spsc_pop(r, out, round % 2 ? 4 : 2);
		for (uint32_t i = 0; i < n; i++)
			assert_ptr_equal(out[i], PTR(next_out++));
	}
	assert_true(next_out > 50);
	spsc_destroy(r);
}

static void sides_do_not_share_a_cache_line(void **state)
{
	(void)state;
	assert_true(offsetof(struct spsc, head) - offsetof(struct spsc, tail) >= CACHE_LINE);
	assert_true(offsetof(struct spsc, mask) - offsetof(struct spsc, head) >= CACHE_LINE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_is_rounded_up_and_full_is_partial),
		cmocka_unit_test(zero_is_a_no_op),
		cmocka_unit_test(order_holds_across_the_wrap_of_the_counters),
		cmocka_unit_test(sides_do_not_share_a_cache_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
