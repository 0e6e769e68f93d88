/* SPDX-License-Identifier: Apache-2.0
 * The flow table against a plain array: random insertions, removals, lookups of both sides, filling
 * up and running empty, with few buckets so that keys crowd. Its invariants are checked on the way.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "dataplane/base/rng.h"
#include "dataplane/net/hdr.h"
#include "lb/l4/flow.h"
#include "tests/support/l4.h"
#include "tests/support/seed.h"

#define KEYS     3000
#define CAPACITY 2000
#define STEPS    400000

struct naive {
	bool in;
	uint32_t entry, value;
};

static struct flow_key key_of(uint32_t i)
{
	struct flow_key k = {.client = ip10(i % 50),
		.cport = (uint16_t)(i / 50),
		.vport = (uint16_t)(i % 2),
		.vip = (uint16_t)(i % 3),
		.proto = i % 5 == 0 ? PROTO_UDP : PROTO_TCP};

	if (i % 4 == 0) {
		k.client = ip("2001:db8::");
		k.client.w[3] = i % 50;
	}
	return k;
}

/* Every third flow is translated without a local address. */
static struct flow_back back_of(uint32_t i)
{
	return (struct flow_back){.backend = ip10(1000 + i % 4),
		.bport = BE16(80),
		.lport = (uint16_t)(i % 3 == 0 ? i / 50 : i),
		.local = i % 3 == 0 ? L4_NONE16 : (uint16_t)(i % 2),
		.proto = i % 5 == 0 ? PROTO_UDP : PROTO_TCP};
}

static uint32_t find(const struct flow_table *t, uint32_t i)
{
	struct flow_key k = key_of(i);

	return flow_find(t, flow_hash(t, &k), &k);
}

static uint32_t find_back(const struct flow_table *t, uint32_t i)
{
	struct flow_key k = key_of(i);
	struct flow_back b = back_of(i);

	return flow_find_back(t, flow_hash_back(t, &b, &k.client), &b, &k.client);
}

static void insert(struct flow_table *t, struct naive *n, uint32_t i, uint32_t value, bool nat)
{
	struct flow_key k = key_of(i);
	struct flow_back b = back_of(i);
	bool full = flow_full(t);
	int err = flow_insert(t, flow_hash(t, &k), &k, nat ? &b : NULL, &n->entry);

	assert_int_equal(err != 0, full);
	if (err != 0)
		return;
	n->in = true;
	n->value = value;
	flow_at(t, n->entry)->member = value;
}

static void run(bool nat)
{
	size_t len = ROUND_UP(flow_table_bytes(CAPACITY, nat), CACHE_LINE);
	void *mem = aligned_alloc(CACHE_LINE, len);
	struct naive *naive = calloc(KEYS, sizeof(*naive));
	struct flow_table t;
	struct rng r;
	uint32_t used = 0, bias = 0, was_full = 0;

	assert_true(mem != NULL && naive != NULL);
	memset(mem, 0, len);
	flow_table_init(&t, mem, CAPACITY, nat);
	rng_seed(&r, test_seed());
	for (uint32_t step = 0; step < STEPS; step++) {
		uint32_t i = (uint32_t)rng_below(&r, KEYS);
		uint32_t e = find(&t, i);

		if (step % 20000 == 0)
			bias = (uint32_t)rng_below(&r, 3); /* fill, hold, empty */
		assert_int_equal(e, naive[i].in ? naive[i].entry : L4_NONE32);
		if (nat)
			assert_int_equal(find_back(&t, i), e);
		if (e != L4_NONE32) {
			assert_int_equal(flow_at(&t, e)->member, naive[i].value);
			if (rng_below(&r, 4) < 1 + bias) {
				flow_remove(&t, e);
				naive[i].in = false;
				used--;
			}
		} else if (rng_below(&r, 4) >= bias) {
			was_full += flow_full(&t);
			insert(&t, &naive[i], i, step, nat);
			used += naive[i].in;
		}
		assert_int_equal(flow_used(&t), used);
		if (step % 10000 == 0)
			assert_null(flow_table_check(&t));
	}
	assert_true(was_full > 0);
	assert_null(flow_table_check(&t));
	free(naive);
	free(mem);
}

static void one_sided(void **state)
{
	(void)state;
	run(false);
}

static void two_sided(void **state)
{
	(void)state;
	run(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_sided),
		cmocka_unit_test(two_sided),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
