/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* The paper's own algorithm (section 3.4, pseudocode 1): nodes in the order they are given, one
 * slot a turn; a node of weight 50 among nodes of 100 sits out every other round, as its section on
 * heterogeneous backends has it. */
static void paper_build(const struct siphash_key *k, const struct maglev_node *n, uint32_t cnt,
	uint32_t size, uint16_t *slots)
{
	uint32_t *at = malloc(cnt * sizeof(*at)), *skip = malloc(cnt * sizeof(*skip));
	uint32_t left = size;

	for (uint32_t i = 0; i < cnt; i++) {
		at[i] = (uint32_t)(siphash24(k, &n[i], 18) % size);
		skip[i] = (uint32_t)(siphash24(k, &n[i], 17) % (size - 1)) + 1;
	}
	memset(slots, 0xff, size * sizeof(*slots));
	for (uint32_t round = 0; left > 0; round++) {
		for (uint32_t i = 0; i < cnt && left > 0; i++) {
			if (n[i].weight == 0 || (n[i].weight == 50 && round % 2 == 0))
				continue;
			while (slots[at[i]] != MAGLEV_NONE)
				at[i] = at[i] + skip[i] >= size ? at[i] + skip[i] - size
								: at[i] + skip[i];
			slots[at[i]] = (uint16_t)i;
			left--;
		}
	}
	free(at);
	free(skip);
}

enum { REMOVED, REMOVED_PCT, HALVED, CHANGES };

struct figure {
	uint32_t size, cnt;
	double published[CHANGES]; /* of one seed; per cent */
};

struct sums {
	double sum[CHANGES], sq[CHANGES];
};

typedef void build_fn(const struct siphash_key *k, const struct maglev_node *n, uint32_t cnt,
	uint32_t size, uint16_t *slots);

static void our_build(const struct siphash_key *k, const struct maglev_node *n, uint32_t cnt,
	uint32_t size, uint16_t *slots)
{
	assert_int_equal(maglev_build(k, n, cnt, size, slots), 0);
}

/* Adds one seed: the mean over some victims of what moves though it need not. */
static void disrupt(build_fn *fn, const struct figure *f, uint64_t seed, struct maglev_node *n,
	struct sums *out)
{
	enum { VICTIMS = 3 };
	struct siphash_key k = {seed, 99};
	uint16_t *base = malloc(f->size * sizeof(*base)), *next = malloc(f->size * sizeof(*next));
	uint8_t *touched = malloc(f->cnt);
	double mean[CHANGES] = {0};

	fn(&k, n, f->cnt, f->size, base);
	for (uint32_t v = 0; v < VICTIMS; v++) {
		uint32_t victim = (uint32_t)((v * 7919 + seed * 31 + 1) % f->cnt);

		memset(touched, 0, f->cnt);
		touched[victim] = 1;
		n[victim].weight = 50;
		fn(&k, n, f->cnt, f->size, next);
		mean[HALVED] += moved(base, next, f->size, touched) / VICTIMS;
		n[victim].weight = 0;
		fn(&k, n, f->cnt, f->size, next);
		mean[REMOVED] += moved(base, next, f->size, touched) / VICTIMS;
		for (uint32_t q = 1; q < f->cnt / 100; q++) {
			n[(victim + q) % f->cnt].weight = 0;
			touched[(victim + q) % f->cnt] = 1;
		}
		if (f->cnt >= 200)
			fn(&k, n, f->cnt, f->size, next);
		mean[REMOVED_PCT] += moved(base, next, f->size, touched) / VICTIMS;
		for (uint32_t q = 0; q < f->cnt; q++)
			n[q].weight = 100;
	}
	for (int c = 0; c < CHANGES; c++) {
		out->sum[c] += mean[c];
		out->sq[c] += mean[c] * mean[c];
	}
	free(touched);
	free(base);
	free(next);
}

/* Means over seeds, against the paper's algorithm under the same number of seeds: no more moves,
 * but for the error of the two means. Figures that were published for one seed are printed beside;
 * docs/perf/l4.md tells how far seeds lie apart. */
static void moves_no_more_than_the_paper(void **state)
{
	static const struct figure f[] = {
		{4093, 10, {1.25, 1.66, 0.90}},
		{4093, 100, {2.88, 2.96, 1.93}},
		{4093, 1000, {0.64, 4.10, 0.39}},
		{65537, 10, {0.28, 0.28, 0.18}},
		{65537, 100, {0.54, 0.51, 0.45}},
		{65537, 1000, {0.57, 2.34, 0.30}},
	};
	static const char *const what[CHANGES] = {"one removed", "1 % removed", "one halved"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(f); i++) {
		struct maglev_node *n = nodes_create(f[i].cnt, 100);
		struct sums ours = {{0}, {0}}, paper = {{0}, {0}};
		/* Two walks whose steps are small multiples of each other get in each other's way;
		 * with few nodes such a seed is rare and far out. */
		uint32_t seeds = f[i].cnt < 100 ? 160 : 24;

		for (uint64_t s = 0; s < seeds; s++) {
			disrupt(our_build, &f[i], s, n, &ours);
			disrupt(paper_build, &f[i], s, n, &paper);
		}
		for (int c = 0; c < CHANGES; c++) {
			double a = ours.sum[c] / seeds, b = paper.sum[c] / seeds;
			double va = ours.sq[c] / seeds - a * a, vb = paper.sq[c] / seeds - b * b;
			double error = sqrt((va + vb) / (seeds - 1));

			print_message("%u slots, %u nodes, %s: %.3f (paper's algorithm %.3f, "
				      "of one seed +-%.3f; published %.2f)\n",
				f[i].size, f[i].cnt, what[c], a, b, sqrt(vb), f[i].published[c]);
			assert_true(a <= b + 3 * error);
		}
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
		cmocka_unit_test(moves_no_more_than_the_paper),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
