/* SPDX-License-Identifier: Apache-2.0
 * The buddy allocator against a list of what was handed out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/rng.h"
#include "lb/kvs/mem.h"
#include "tests/support/seed.h"

#define BYTES (4u << 20)
#define LIVE  512

struct piece {
	uint8_t *p;
	uint64_t n, cap;
	uint8_t fill;
};

static void check_piece(const struct piece *x)
{
	for (uint64_t i = 0; i < x->n; i += 97)
		assert_int_equal(x->p[i], x->fill);
	assert_int_equal(x->p[x->n - 1], x->fill);
}

static void random_pieces_do_not_overlap(void **state)
{
	static struct piece live[LIVE];
	struct rng r;
	struct mem m;
	uint32_t cnt = 0;

	(void)state;
	rng_seed(&r, test_seed());
	assert_int_equal(mem_init(&m, BYTES), 0);
	for (int step = 0; step < 20000; step++) {
		if (cnt < LIVE && rng_below(&r, 2) == 0) {
			struct piece x = {.n = 1 + rng_below(&r, UINT64_C(1) << rng_below(&r, 18)),
				.fill = (uint8_t)rng_next(&r)};

			x.p = mem_get(&m, x.n, &x.cap);
			if (x.p == NULL)
				continue;
			assert_true(x.cap >= x.n);
			assert_int_equal((uintptr_t)(x.p - m.base) % x.cap, 0);
			memset(x.p, x.fill, x.n);
			live[cnt++] = x;
		} else if (cnt > 0) {
			uint32_t i = (uint32_t)rng_below(&r, cnt);

			check_piece(&live[i]);
			mem_put(&m, live[i].p);
			live[i] = live[--cnt];
		}
	}
	while (cnt > 0) {
		check_piece(&live[--cnt]);
		mem_put(&m, live[cnt].p);
	}
	assert_int_equal(m.used, 0);
	mem_fini(&m);
}

static void all_of_it_comes_back_as_one(void **state)
{
	uint8_t *p[BYTES / 16384];
	uint64_t cap;
	struct mem m;

	(void)state;
	assert_int_equal(mem_init(&m, BYTES), 0);
	for (size_t i = 0; i < ARRAY_SIZE(p); i++) {
		p[i] = mem_get(&m, 16384, &cap);
		assert_non_null(p[i]);
	}
	assert_null(mem_get(&m, 1, &cap));
	for (size_t i = 0; i < ARRAY_SIZE(p); i++)
		mem_put(&m, p[(i * 37) % ARRAY_SIZE(p)]);
	p[0] = mem_get(&m, BYTES, &cap);
	assert_non_null(p[0]);
	assert_null(mem_get(&m, (uint64_t)BYTES + 1, &cap));
	mem_put(&m, p[0]);
	mem_fini(&m);
}

static void arenas(void **state)
{
	struct mem_arena a;
	struct mem_mark mark;
	struct mem m;
	uint8_t *keep;

	(void)state;
	assert_int_equal(mem_init(&m, BYTES), 0);
	mem_arena_init(&a, &m);
	keep = mem_arena_get(&a, 100);
	memset(keep, 7, 100);
	mark = mem_arena_mark(&a);
	for (int i = 0; i < 1000; i++) {
		uint8_t *p = mem_arena_get(&a, (uint64_t)i);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 8, 0);
		memset(p, 1, (size_t)i);
	}
	mem_arena_reset(&a, mark);
	assert_ptr_equal(mem_arena_get(&a, 8), keep + 104);
	assert_int_equal(keep[99], 7);
	assert_null(mem_arena_get(&a, BYTES));
	mem_arena_fini(&a);
	assert_int_equal(m.used, 0);
	mem_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_pieces_do_not_overlap),
		cmocka_unit_test(all_of_it_comes_back_as_one),
		cmocka_unit_test(arenas),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
