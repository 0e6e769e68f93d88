/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/list.h"

struct item {
	int value;
	struct list_node node;
};

static int value_of(const struct list_node *n)
{
	return container_of(n, struct item, node)->value;
}

static void expect_values(const struct list_node *head, const int *want, int cnt)
{
	const struct list_node *n;
	int i = 0;

	list_for_each (n, head) {
		assert_true(i < cnt);
		assert_int_equal(value_of(n), want[i++]);
		assert_ptr_equal(n->next->prev, n);
		assert_ptr_equal(n->prev->next, n);
	}
	assert_int_equal(i, cnt);
}

static void append_keeps_order(void **state)
{
	struct item it[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
	struct list_node head;

	(void)state;
	list_init(&head);
	assert_true(list_empty(&head));
	for (int i = 0; i < 3; i++)
		list_append(&head, &it[i].node);
	expect_values(&head, (int[]){1, 2, 3}, 3);
}

static void insert_before_a_node_and_at_the_front(void **state)
{
	struct item it[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
	struct list_node head;

	(void)state;
	list_init(&head);
	list_append(&head, &it[2].node);
	list_insert_before(&it[2].node, &it[1].node);
	list_insert_before(head.next, &it[0].node);
	expect_values(&head, (int[]){1, 2, 3}, 3);
}

static void remove_unlinks_and_may_be_repeated(void **state)
{
	struct item it[3] = {{.value = 1}, {.value = 2}, {.value = 3}};
	struct list_node head;

	(void)state;
	list_init(&head);
	for (int i = 0; i < 3; i++)
		list_append(&head, &it[i].node);
	list_remove(&it[1].node);
	list_remove(&it[1].node);
	assert_true(list_empty(&it[1].node));
	expect_values(&head, (int[]){1, 3}, 2);
	list_remove(&it[0].node);
	list_remove(&it[2].node);
	assert_true(list_empty(&head));
}

static void splice_moves_all_to_the_tail(void **state)
{
	struct item it[4] = {{.value = 1}, {.value = 2}, {.value = 3}, {.value = 4}};
	struct list_node a, b;

	(void)state;
	list_init(&a);
	list_init(&b);
	list_splice(&a, &b);
	assert_true(list_empty(&a));
	list_append(&a, &it[0].node);
	for (int i = 1; i < 4; i++)
		list_append(&b, &it[i].node);
	list_splice(&a, &b);
	assert_true(list_empty(&b));
	expect_values(&a, (int[]){1, 2, 3, 4}, 4);
	list_splice(&b, &a);
	assert_true(list_empty(&a));
	expect_values(&b, (int[]){1, 2, 3, 4}, 4);
}

static void safe_walk_survives_removal(void **state)
{
	struct item it[5];
	struct list_node head, *n, *tmp;
	int seen = 0;

	(void)state;
	list_init(&head);
	for (int i = 0; i < 5; i++) {
		it[i].value = i;
		list_append(&head, &it[i].node);
	}
	list_for_each_safe (n, tmp, &head) {
		seen++;
		if (value_of(n) % 2 == 0)
			list_remove(n);
	}
	assert_int_equal(seen, 5);
	expect_values(&head, (int[]){1, 3}, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(append_keeps_order),
		cmocka_unit_test(insert_before_a_node_and_at_the_front),
		cmocka_unit_test(remove_unlinks_and_may_be_repeated),
		cmocka_unit_test(splice_moves_all_to_the_tail),
		cmocka_unit_test(safe_walk_survives_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
