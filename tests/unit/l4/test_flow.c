/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/l4/flow.c"
#include "tests/support/l4.h"

static struct flow_table table_create(uint32_t capacity, bool nat)
{
	size_t len = ROUND_UP(flow_table_bytes(capacity, nat), CACHE_LINE);
	void *mem = aligned_alloc(CACHE_LINE, len);
	struct flow_table t;

	assert_non_null(mem);
	memset(mem, 0, len);
	flow_table_init(&t, mem, capacity, nat);
	return t;
}

static void table_destroy(struct flow_table *t)
{
	assert_null(flow_table_check(t));
	free(t->head);
}

static struct flow_key key_of(uint32_t i)
{
	return (struct flow_key){.client = ip10(i),
		.cport = (uint16_t)(i * 7),
		.vport = BE16(80),
		.vip = (uint16_t)(i % 3),
		.proto = PROTO_TCP};
}

static struct flow_back back_of(uint32_t i, uint16_t local)
{
	return (struct flow_back){.backend = ip10(1000000 + i % 10),
		.bport = BE16(8080),
		.lport = (uint16_t)(i / 10),
		.local = local,
		.proto = PROTO_TCP};
}

static uint32_t add(struct flow_table *t, uint32_t i)
{
	struct flow_key k = key_of(i);
	uint32_t e;

	assert_int_equal(flow_insert(t, flow_hash(t, &k), &k, NULL, &e), 0);
	flow_at(t, e)->member = i;
	return e;
}

static uint32_t find(const struct flow_table *t, uint32_t i)
{
	struct flow_key k = key_of(i);

	return flow_find(t, flow_hash(t, &k), &k);
}

static void a_flow_costs_what_was_promised(void **state)
{
	(void)state;
	for (uint32_t n = 1000; n <= LIMIT_FLOWS_PER_CORE; n *= 4) {
		assert_true(flow_table_bytes(n, false) <= (size_t)n * 64);
		assert_true(flow_table_bytes(n, true) <= (size_t)n * 128);
	}
	assert_true(flow_table_bytes(1 << 20, false) < ((size_t)45 << 20));
	assert_true(flow_table_bytes(1 << 20, true) < ((size_t)90 << 20));
}

static void takes_as_many_flows_as_it_is_sized_for(void **state)
{
	enum { CNT = 200000 };
	struct flow_table t = table_create(CNT, false);
	struct flow_key k = key_of(CNT);
	uint32_t e;

	(void)state;
	for (uint32_t i = 0; i < CNT; i++)
		add(&t, i);
	assert_true(flow_full(&t));
	assert_int_equal(flow_insert(&t, flow_hash(&t, &k), &k, NULL, &e), -ENOSPC);
	assert_int_equal(t.head->no_slot, 0);
	for (uint32_t i = 0; i < CNT; i++)
		assert_int_equal(flow_at(&t, find(&t, i))->member, i);
	assert_int_equal(find(&t, CNT), L4_NONE32);
	table_destroy(&t);
}

static void nat_table_takes_both_sides_of_all(void **state)
{
	enum { CNT = 100000 };
	struct flow_table t = table_create(CNT, true);
	struct ip_addr none = {0};

	(void)state;
	for (uint32_t i = 0; i < CNT; i++) {
		struct flow_key k = key_of(i);
		struct flow_back b = back_of(i, 1);
		uint32_t e;

		assert_int_equal(flow_insert(&t, flow_hash(&t, &k), &k, &b, &e), 0);
		flow_at(&t, e)->member = i;
	}
	for (uint32_t i = 0; i < CNT; i++) {
		struct flow_back b = back_of(i, 1);
		uint32_t e = flow_find_back(&t, flow_hash_back(&t, &b, &none), &b, &none);

		assert_int_not_equal(e, L4_NONE32);
		assert_int_equal(flow_at(&t, e)->member, i);
		assert_int_equal(find(&t, i), e);
	}
	for (uint32_t i = 0; i < CNT; i += 2)
		flow_remove(&t, find(&t, i));
	for (uint32_t i = 0; i < CNT; i++) {
		struct flow_back b = back_of(i, 1);
		uint32_t e = flow_find_back(&t, flow_hash_back(&t, &b, &none), &b, &none);

		assert_int_equal(e != L4_NONE32, i % 2);
	}
	assert_int_equal(flow_used(&t), CNT / 2);
	table_destroy(&t);
}

static void every_part_of_a_key_counts(void **state)
{
	struct flow_table t = table_create(16, false);
	struct flow_key k = key_of(5), other;
	uint32_t e;

	(void)state;
	e = add(&t, 5);
	flow_at(&t, e)->state = 0xff; /* is no part of it */
	assert_int_equal(find(&t, 5), e);
	for (size_t byte = 0; byte < offsetof(struct flow_key, zero); byte++) {
		other = k;
		((uint8_t *)&other)[byte] ^= 0x40;
		/* Under the right hash, so that the comparison alone decides. */
		assert_int_equal(flow_find(&t, flow_hash(&t, &k), &other), L4_NONE32);
	}
	table_destroy(&t);
}

static void without_a_local_address_the_client_counts(void **state)
{
	struct flow_table t = table_create(16, true);
	struct flow_key k = key_of(5);
	struct flow_back b = back_of(5, L4_NONE16);
	struct ip_addr other = ip10(99);
	uint32_t e;

	(void)state;
	assert_int_equal(flow_insert(&t, flow_hash(&t, &k), &k, &b, &e), 0);
	assert_int_equal(flow_find_back(&t, flow_hash_back(&t, &b, &k.client), &b, &k.client), e);
	assert_int_equal(
		flow_find_back(&t, flow_hash_back(&t, &b, &k.client), &b, &other), L4_NONE32);
	table_destroy(&t);
}

/* The i-th key whose both buckets are the table's first two. */
static struct flow_key crowded_key(const struct flow_table *t, uint32_t *i)
{
	for (;; ++*i) {
		struct flow_key k = key_of(*i);
		uint64_t h = flow_hash(t, &k);

		if (flow_bucket1(t, h) <= &t->buckets[1] && flow_bucket2(t, h) <= &t->buckets[1]) {
			++*i;
			return k;
		}
	}
}

static void two_full_buckets_refuse_until_one_has_room(void **state)
{
	struct flow_table t = table_create(100, false);
	struct flow_key k[17];
	uint32_t e[17], i = 0;

	(void)state;
	for (uint32_t n = 0; n < 17; n++)
		k[n] = crowded_key(&t, &i);
	for (uint32_t n = 0; n < 16; n++) {
		assert_int_equal(flow_insert(&t, flow_hash(&t, &k[n]), &k[n], NULL, &e[n]), 0);
		assert_null(flow_table_check(&t));
	}
	assert_int_equal(flow_insert(&t, flow_hash(&t, &k[16]), &k[16], NULL, &e[16]), -ENOSPC);
	assert_int_equal(t.head->no_slot, 1);
	assert_int_equal(flow_used(&t), 16);
	for (uint32_t n = 0; n < 16; n++)
		assert_int_equal(flow_find(&t, flow_hash(&t, &k[n]), &k[n]), e[n]);
	flow_remove(&t, e[3]);
	assert_null(flow_table_check(&t));
	assert_int_equal(flow_insert(&t, flow_hash(&t, &k[16]), &k[16], NULL, &e[16]), 0);
	assert_int_equal(flow_find(&t, flow_hash(&t, &k[3]), &k[3]), L4_NONE32);
	for (uint32_t n = 0; n < 17; n++)
		if (n != 3)
			flow_remove(&t, e[n]);
	/* Nothing is left behind, not even a spill count. */
	for (uint32_t b = 0; b < t.bucket_cnt; b++)
		assert_int_equal(t.buckets[b].spill, 0);
	table_destroy(&t);
}

static void memory_can_be_adopted(void **state)
{
	struct flow_table t = table_create(1000, false), heir;
	size_t len = flow_table_bytes(1000, false);
	void *copy = aligned_alloc(CACHE_LINE, ROUND_UP(len, CACHE_LINE));

	(void)state;
	for (uint32_t i = 0; i < 500; i++)
		add(&t, i);
	memcpy(copy, t.head, len);
	table_destroy(&t);
	assert_int_equal(flow_table_adopt(&heir, copy, len, true), -EINVAL);
	assert_int_equal(flow_table_adopt(&heir, copy, len - 64, false), -EINVAL);
	assert_int_equal(flow_table_adopt(&heir, copy, len, false), 0);
	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(flow_at(&heir, find(&heir, i))->member, i);
	add(&heir, 501);
	((struct flow_header *)copy)->layout_version++;
	assert_int_equal(flow_table_adopt(&t, copy, len, false), -EINVAL);
	table_destroy(&heir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flow_costs_what_was_promised),
		cmocka_unit_test(takes_as_many_flows_as_it_is_sized_for),
		cmocka_unit_test(nat_table_takes_both_sides_of_all),
		cmocka_unit_test(every_part_of_a_key_counts),
		cmocka_unit_test(without_a_local_address_the_client_counts),
		cmocka_unit_test(two_full_buckets_refuse_until_one_has_room),
		cmocka_unit_test(memory_can_be_adopted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
