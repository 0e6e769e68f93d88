/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <errno.h>

#include "lb/l4/maglev.h"
#include "tests/support/l4.h"

static const struct siphash_key key = {1, 2};

static struct maglev_node *nodes_create(uint32_t cnt, uint16_t weight)
{
	struct maglev_node *n = calloc(cnt, sizeof(*n));

	assert_non_null(n);
	for (uint32_t i = 0; i < cnt; i++)
		n[i] = (struct maglev_node){.addr = ip10(i + 1), .port_be = 80, .weight = weight};
	return n;
}

static uint16_t *build(
	const struct siphash_key *k, const struct maglev_node *n, uint32_t cnt, uint32_t size)
{
	uint16_t *slots = malloc(size * sizeof(*slots));

	assert_non_null(slots);
	assert_int_equal(maglev_build(k, n, cnt, size, slots), 0);
	return slots;
}

static uint32_t owned(const uint16_t *slots, uint32_t size, uint32_t node)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < size; i++)
		n += slots[i] == node;
	return n;
}

/* The algorithm as the paper writes it, with whole permutations; turns by weight as documented. */
static void naive_build(const struct siphash_key *k, const struct maglev_node *n, uint32_t cnt,
	uint32_t size, uint16_t *slots)
{
	struct naive {
		uint64_t order, offset, skip;
		double credit;
		uint32_t next;
	} *w = calloc(cnt, sizeof(*w));
	uint32_t max = 0, left = size;
	uint16_t *by = calloc(cnt, sizeof(*by));

	for (uint32_t i = 0; i < cnt; i++) {
		uint64_t h[3];

		for (uint8_t part = 0; part < 3; part++) {
			uint8_t name[19];

			memcpy(name, n[i].addr.b, 16);
			memcpy(name + 16, &n[i].port_be, 2);
			name[18] = part;
			h[part] = siphash24(k, name, sizeof(name));
		}
		w[i].order = h[0];
		w[i].offset = h[1] % size;
		w[i].skip = h[2] % (size - 1) + 1;
		max = n[i].weight > max ? n[i].weight : max;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		uint32_t before = 0;

		for (uint32_t j = 0; j < cnt; j++)
			before += w[j].order < w[i].order;
		by[before] = (uint16_t)i;
	}
	memset(slots, 0xff, size * sizeof(*slots));
	while (left > 0) {
		for (uint32_t o = 0; o < cnt && left > 0; o++) {
			struct naive *x = &w[by[o]];

			x->credit += (uint32_t)((uint64_t)n[by[o]].weight * 65536 / max) / 65536.0;
			if (x->credit < 1.0)
				continue;
			x->credit -= 1.0;
			for (;; x->next++) {
				uint64_t at = (x->offset + x->next * x->skip) % size;

				if (slots[at] == MAGLEV_NONE) {
					slots[at] = by[o];
					break;
				}
			}
			left--;
		}
	}
	free(by);
	free(w);
}

static void equals_the_naive_algorithm(void **state)
{
	static const struct {
		uint32_t size, cnt;
	} c[] = {{3, 2}, {13, 5}, {251, 40}, {4093, 100}, {4093, 1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct maglev_node *n = nodes_create(c[i].cnt, 100);
		uint16_t *naive = malloc(c[i].size * sizeof(*naive)), *slots;

		for (uint32_t k = 0; k < c[i].cnt; k++)
			n[k].weight = (uint16_t)(k % 7 == 3 ? 0 : 1 + k * 37 % 1000);
		n[0].weight = 500;
		slots = build(&key, n, c[i].cnt, c[i].size);
		naive_build(&key, n, c[i].cnt, c[i].size, naive);
		assert_memory_equal(slots, naive, c[i].size * sizeof(*naive));
		free(slots);
		free(naive);
		free(n);
	}
}

static void sizes_must_be_odd_primes(void **state)
{
	static const uint32_t good[] = {3, 13, 251, 4093, 65537, 655373, 16777213};
	static const uint32_t bad[] = {0, 1, 2, 4, 9, 65536, 65535, 25, 16777215, 16777259};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(maglev_size_ok(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(maglev_size_ok(bad[i]));
}

static void order_of_input_does_not_matter_but_the_seed_does(void **state)
{
	enum { CNT = 50, SIZE = 4093 };
	struct maglev_node *n = nodes_create(CNT, 10), turned[CNT];
	struct siphash_key other = {1, 3};
	uint16_t *a, *b, *c;
	uint32_t differ = 0;

	(void)state;
	for (uint32_t i = 0; i < CNT; i++)
		turned[i] = n[(i * 7 + 3) % CNT];
	a = build(&key, n, CNT, SIZE);
	b = build(&key, turned, CNT, SIZE);
	c = build(&other, n, CNT, SIZE);
	for (uint32_t i = 0; i < SIZE; i++) {
		assert_int_equal(a[i], (b[i] * 7 + 3) % CNT);
		differ += a[i] != c[i];
	}
	assert_true(differ > SIZE / 2);
	free(a);
	free(b);
	free(c);
	free(n);
}

static void slots_follow_weights(void **state)
{
	enum { SIZE = 65537 };
	struct maglev_node *n = nodes_create(4, 0);
	uint16_t *slots;

	(void)state;
	n[1].weight = 1;
	n[2].weight = 3;
	n[3].weight = 1000;
	slots = build(&key, n, 4, SIZE);
	assert_int_equal(owned(slots, SIZE, 0), 0);
	assert_in_range(owned(slots, SIZE, 1), 64, 67);
	assert_in_range(owned(slots, SIZE, 2), 194, 198);
	assert_in_range(owned(slots, SIZE, 3), SIZE - 270, SIZE - 255);
	free(slots);
	free(n);
}

static void no_weight_is_no_owner(void **state)
{
	struct maglev_node *n = nodes_create(3, 0);
	uint16_t *slots = build(&key, n, 3, 251);

	(void)state;
	assert_int_equal(owned(slots, 251, MAGLEV_NONE), 251);
	free(slots);
	slots = build(&key, n, 0, 251);
	assert_int_equal(owned(slots, 251, MAGLEV_NONE), 251);
	free(slots);
	free(n);
}

static void twins_are_refused(void **state)
{
	struct maglev_node *n = nodes_create(3, 1);
	uint16_t slots[251];

	(void)state;
	n[2].addr = n[0].addr;
	assert_int_equal(maglev_build(&key, n, 3, 251, slots), -EINVAL);
	free(n);
}

static void balance_is_near_perfect(void **state)
{
	enum { SIZE = 65537, CNT = 1000 };
	struct maglev_node *n = nodes_create(CNT, 100);
	uint16_t *slots = build(&key, n, CNT, SIZE);

	(void)state;
	for (uint32_t i = 0; i < CNT; i++)
		assert_in_range(owned(slots, SIZE, i), 65, 66);
	free(slots);
	free(n);
}

/* Percentage of the slots of untouched nodes that change their owner. */
static double moved(const uint16_t *a, const uint16_t *b, uint32_t size, const uint8_t *touched)
{
	uint32_t base = 0, moves = 0;

	for (uint32_t i = 0; i < size; i++) {
		if (touched[a[i]])
			continue;
		base++;
		moves += a[i] != b[i];
	}
	return 100.0 * moves / base;
}

struct figure {
	uint32_t size, cnt;
	double removed, removed_pct, halved; /* published for one seed; per cent */
	double spread;
};

/* Mean over seeds and victims. The figures are means of ten removals under one seed; seeds differ
 * by a third where a table has few slots, and by an eighth at the default size. */
static void disruption_is_as_low_as_published(void **state)
{
	static const struct figure f[] = {
		{4093, 10, 1.25, 1.66, 0.90, 1.33},
		{4093, 100, 2.88, 2.96, 1.93, 1.33},
		{4093, 1000, 0.64, 4.10, 0.39, 1.33},
		{65537, 10, 0.28, 0.28, 0.18, 1.125},
		{65537, 100, 0.54, 0.54, 0.45, 1.125},
		{65537, 1000, 0.57, 2.34, 0.30, 1.125},
	};
	enum { SEEDS = 5, VICTIMS = 4 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(f); i++) {
		struct maglev_node *n = nodes_create(f[i].cnt, 100);
		double one = 0, pct = 0, half = 0;
		uint8_t *touched = calloc(f[i].cnt, 1);

		for (uint32_t s = 0; s < SEEDS; s++) {
			struct siphash_key k = {s, 99};
			uint16_t *base = build(&k, n, f[i].cnt, f[i].size), *next;

			for (uint32_t v = 0; v < VICTIMS; v++) {
				uint32_t victim = (v * 7919 + 1) % f[i].cnt;

				memset(touched, 0, f[i].cnt);
				touched[victim] = 1;
				n[victim].weight = 50;
				next = build(&k, n, f[i].cnt, f[i].size);
				half += moved(base, next, f[i].size, touched);
				free(next);
				n[victim].weight = 0;
				next = build(&k, n, f[i].cnt, f[i].size);
				one += moved(base, next, f[i].size, touched);
				free(next);
				for (uint32_t q = 1; q < f[i].cnt / 100; q++) {
					n[(victim + q) % f[i].cnt].weight = 0;
					touched[(victim + q) % f[i].cnt] = 1;
				}
				next = build(&k, n, f[i].cnt, f[i].size);
				pct += moved(base, next, f[i].size, touched);
				free(next);
				for (uint32_t q = 0; q < f[i].cnt; q++)
					n[q].weight = 100;
			}
			free(base);
		}
		print_message(
			"%u slots, %u nodes: removed %.2f%% 1%% removed %.2f%% halved %.2f%%\n",
			f[i].size, f[i].cnt, one / (SEEDS * VICTIMS), pct / (SEEDS * VICTIMS),
			half / (SEEDS * VICTIMS));
		assert_true(one / (SEEDS * VICTIMS) <= f[i].removed * f[i].spread);
		assert_true(pct / (SEEDS * VICTIMS) <= f[i].removed_pct * f[i].spread);
		assert_true(half / (SEEDS * VICTIMS) <= f[i].halved * f[i].spread);
		free(touched);
		free(n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_the_naive_algorithm),
		cmocka_unit_test(sizes_must_be_odd_primes),
		cmocka_unit_test(order_of_input_does_not_matter_but_the_seed_does),
		cmocka_unit_test(slots_follow_weights),
		cmocka_unit_test(no_weight_is_no_owner),
		cmocka_unit_test(twins_are_refused),
		cmocka_unit_test(balance_is_near_perfect),
		cmocka_unit_test(disruption_is_as_low_as_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
