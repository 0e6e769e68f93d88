/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/mman.h>

#include <cmocka.h>

#include <string.h>

#include "dataplane/base/pool.h"

#define CAP 1000

static void hands_out_each_index_once_then_says_none(void **state)
{
	static bool seen[CAP];
	struct pool p;

	(void)state;
	memset(seen, 0, sizeof(seen));
	assert_int_equal(pool_init(&p, 24, 8, CAP), 0);
	for (uint32_t i = 0; i < CAP; i++) {
		uint32_t idx = pool_get(&p);

		assert_true(idx < CAP);
		assert_false(seen[idx]);
		seen[idx] = true;
		assert_int_equal(p.used, i + 1);
	}
	assert_int_equal(pool_get(&p), POOL_NONE);
	assert_int_equal(p.used, CAP);
	for (uint32_t i = 0; i < CAP; i++)
		pool_put(&p, i);
	assert_int_equal(p.used, 0);
	pool_fini(&p);
}

static void elements_are_zeroed_aligned_and_apart(void **state)
{
	struct pool p;

	(void)state;
	assert_int_equal(pool_init(&p, 128, 64, 16), 0);
	for (uint32_t i = 0; i < 16; i++) {
		uint8_t *e = pool_at(&p, i);

		assert_int_equal((uintptr_t)e % 64, 0);
		for (int b = 0; b < 128; b++)
			assert_int_equal(e[b], 0);
		memset(e, (int)i + 1, 128);
	}
	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(*(uint8_t *)pool_at(&p, i), i + 1);
	pool_fini(&p);
}

static void last_freed_is_next_used(void **state)
{
	struct pool p;
	uint32_t a, b;

	(void)state;
	assert_int_equal(pool_init(&p, 8, 8, 4), 0);
	a = pool_get(&p);
	b = pool_get(&p);
	pool_put(&p, a);
	assert_int_equal(pool_get(&p), a);
	pool_put(&p, b);
	pool_put(&p, a);
	assert_int_equal(pool_get(&p), a);
	assert_int_equal(pool_get(&p), b);
	pool_fini(&p);
}

static void fini_leaves_an_empty_pool(void **state)
{
	struct pool p;

	(void)state;
	assert_int_equal(pool_init(&p, 8, 8, 4), 0);
	pool_fini(&p);
	assert_int_equal(pool_get(&p), POOL_NONE);
	pool_fini(&p);
}

/* The memory of the first elements is there before they are taken, and is still zero. */
static void warm_elements_have_their_pages(void **state)
{
	uint8_t here[16] = {0};
	struct pool p;

	(void)state;
	assert_int_equal(pool_init(&p, 4096, 4096, 16), 0);
	assert_int_equal(mincore(p.mem, 16 * 4096, here), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(here[i] & 1, 0);
	pool_warm(&p, 5);
	assert_int_equal(mincore(p.mem, 16 * 4096, here), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(here[i] & 1, i < 5);
	pool_warm(&p, 17);
	assert_int_equal(mincore(p.mem, 16 * 4096, here), 0);
	assert_int_equal(here[15] & 1, 1);
	assert_int_equal(p.used, 0);
	for (uint32_t i = 0; i < 16 * 4096; i++)
		assert_int_equal(p.mem[i], 0);
	pool_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hands_out_each_index_once_then_says_none),
		cmocka_unit_test(elements_are_zeroed_aligned_and_apart),
		cmocka_unit_test(last_freed_is_next_used),
		cmocka_unit_test(fini_leaves_an_empty_pool),
		cmocka_unit_test(warm_elements_have_their_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
