/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/time.h"
#include "dataplane/base/wheel.h"

#define TICK NS_PER_MS

struct fixture {
	struct wheel w;
};

static int setup(void **state)
{
	static struct fixture f;

	wheel_init(&f.w, TICK, 5 * TICK);
	*state = &f;
	return 0;
}

static void never_early_and_within_one_tick(void **state)
{
	struct wheel *w = &((struct fixture *)*state)->w;
	struct wheel_timer t;

	wheel_timer_init(&t);
	wheel_arm(w, &t, 8 * TICK + 1);
	assert_true(wheel_timer_armed(&t));
	wheel_advance(w, 9 * TICK - 1);
	assert_null(wheel_pop(w));
	wheel_advance(w, 9 * TICK);
	assert_ptr_equal(wheel_pop(w), &t);
	assert_false(wheel_timer_armed(&t));
	assert_null(wheel_pop(w));
	assert_int_equal(w->armed, 0);
}

static void past_deadline_is_due_at_once(void **state)
{
	struct wheel *w = &((struct fixture *)*state)->w;
	struct wheel_timer t;

	wheel_timer_init(&t);
	wheel_arm(w, &t, 1);
	assert_int_equal(wheel_next_ns(w), 0);
	wheel_advance(w, 5 * TICK);
	assert_ptr_equal(wheel_pop(w), &t);
}

static void cancel_works_in_every_state(void **state)
{
	struct wheel *w = &((struct fixture *)*state)->w;
	struct wheel_timer idle, waiting, due;

	wheel_timer_init(&idle);
	wheel_timer_init(&waiting);
	wheel_timer_init(&due);
	wheel_cancel(w, &idle);
	wheel_arm(w, &waiting, 1000 * TICK);
	wheel_arm(w, &due, 6 * TICK);
	wheel_advance(w, 6 * TICK);
	wheel_cancel(w, &due); /* expired, not delivered: WH3 */
	wheel_cancel(w, &waiting);
	assert_null(wheel_pop(w));
	assert_int_equal(w->armed, 0);
	assert_true(wheel_next_ns(w) == UINT64_MAX);
}

static void rearm_moves_the_timer(void **state)
{
	struct wheel *w = &((struct fixture *)*state)->w;
	struct wheel_timer t;

	wheel_timer_init(&t);
	wheel_arm(w, &t, 300 * TICK);
	wheel_arm(w, &t, 7 * TICK);
	assert_int_equal(w->armed, 1);
	wheel_advance(w, 7 * TICK);
	assert_ptr_equal(wheel_pop(w), &t);
	wheel_advance(w, 400 * TICK);
	assert_null(wheel_pop(w));
}

/* One deadline just below, on and above each power of 256 ticks: every cascade is crossed. */
static void fires_on_its_tick_at_every_level_border(void **state)
{
	struct wheel *w = &((struct fixture *)*state)->w;
	uint64_t now = 5;

	for (int bits = 8; bits <= 24; bits += 8)
		for (int d = -1; d <= 1; d++) {
			uint64_t tick = (UINT64_C(1) << bits) + (uint64_t)(int64_t)d;
			struct wheel_timer t;

			wheel_init(w, TICK, now * TICK);
			wheel_timer_init(&t);
			wheel_arm(w, &t, tick * TICK);
			wheel_advance(w, (tick - 1) * TICK);
			assert_null(wheel_pop(w));
			wheel_advance(w, tick * TICK);
			assert_ptr_equal(wheel_pop(w), &t);
		}
}

static void idle_wheel_jumps_any_distance(void **state)
{
	struct wheel *w = &((struct fixture *)*state)->w;
	struct wheel_timer t;

	wheel_timer_init(&t);
	wheel_advance(w, UINT64_C(1) << 60);
	wheel_arm(w, &t, (UINT64_C(1) << 60) + 3 * TICK);
	assert_true(wheel_next_ns(w) <= (UINT64_C(1) << 60) + 4 * TICK);
	wheel_advance(w, (UINT64_C(1) << 60) + 4 * TICK);
	assert_ptr_equal(wheel_pop(w), &t);
}

static void far_deadline_is_clamped_to_the_horizon(void **state)
{
	struct wheel *w = &((struct fixture *)*state)->w;
	struct wheel_timer t;

	wheel_timer_init(&t);
	wheel_arm(w, &t, UINT64_MAX);
	assert_true(wheel_timer_armed(&t));
	assert_true(wheel_next_ns(w) > 5 * TICK);
	assert_true(wheel_next_ns(w) <= (UINT64_C(1) << 32) * TICK + 5 * TICK);
	wheel_cancel(w, &t);
}

/* A delivered timer may re-arm itself and cancel its neighbours. */
static void callbacks_may_rearm_and_cancel(void **state)
{
	struct wheel *w = &((struct fixture *)*state)->w;
	struct wheel_timer a, b, *got;
	int a_fired = 0;

	wheel_timer_init(&a);
	wheel_timer_init(&b);
	wheel_arm(w, &a, 6 * TICK);
	wheel_arm(w, &b, 6 * TICK);
	for (uint64_t now = 6; now < 10; now++) {
		wheel_advance(w, now * TICK);
		while ((got = wheel_pop(w)) != NULL) {
			assert_ptr_equal(got, &a);
			a_fired++;
			wheel_cancel(w, &b);
			wheel_arm(w, &a, (now + 1) * TICK);
		}
	}
	assert_int_equal(a_fired, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(never_early_and_within_one_tick, setup),
		cmocka_unit_test_setup(past_deadline_is_due_at_once, setup),
		cmocka_unit_test_setup(cancel_works_in_every_state, setup),
		cmocka_unit_test_setup(rearm_moves_the_timer, setup),
		cmocka_unit_test_setup(fires_on_its_tick_at_every_level_border, setup),
		cmocka_unit_test_setup(idle_wheel_jumps_any_distance, setup),
		cmocka_unit_test_setup(far_deadline_is_clamped_to_the_horizon, setup),
		cmocka_unit_test_setup(callbacks_may_rearm_and_cancel, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
