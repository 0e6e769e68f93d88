/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "lb/config/arena.h"

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
	struct arena a;
	unsigned char *p[300];

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		size_t size = i * i; /* up to 89 KB: beyond a chunk */

		p[i] = arena_alloc(&a, size);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % alignof(max_align_t), 0);
		for (size_t j = 0; j < size; j++)
			assert_int_equal(p[i][j], 0);
		memset(p[i], (int)(i & 0xff), size);
	}
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		for (size_t j = 0; j < i * i; j += 97)
			assert_int_equal(p[i][j], i & 0xff);
	}
	arena_fini(&a);
	assert_null(a.chunks);
}

static void text_is_copied_with_its_end(void **state)
{
	struct arena a;
	char *t;

	(void)state;
	arena_init(&a);
	t = arena_text(&a, "abc\0def", 5);
	assert_memory_equal(t, "abc\0d\0", 6);
	assert_false(a.failed);
	arena_fini(&a);
}

static void failures_are_remembered(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_null(arena_array(&a, SIZE_MAX / 2, 4));
	assert_true(a.failed);
	arena_fini(&a);

	arena_fail_at = 3;
	arena_init(&a);
	assert_non_null(arena_alloc(&a, 1));
	assert_non_null(arena_alloc(&a, 1));
	assert_false(a.failed);
	assert_null(arena_alloc(&a, 1));
	assert_true(a.failed);
	arena_fail_at = 0;
	assert_non_null(arena_alloc(&a, 1));
	assert_true(a.failed);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
		cmocka_unit_test(text_is_copied_with_its_end),
		cmocka_unit_test(failures_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
