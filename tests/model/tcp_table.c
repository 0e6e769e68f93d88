/* SPDX-License-Identifier: Apache-2.0
 * The connection table against a flat array: random inserts, removals, replacements and look-ups,
 * first up to the load it is built for and then long at that load. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/rng.h"
#include "dataplane/tcp/table.h"
#include "tests/support/seed.h"

#define CAP 100000u

struct rec {
	struct tcp_tuple t;
	uint32_t pad[6];
};

static struct rec recs[CAP];
static bool in[CAP];

/* Few distinct bytes, as in life: one destination, many sources and ports. */
static void draw(struct rng *r, struct tcp_tuple *t, uint32_t idx)
{
	memset(t, 0, sizeof(*t));
	t->raddr = ip_addr_from4((uint32_t)rng_below(r, 1 << 16));
	t->laddr = ip_addr_from4(0x0100000a);
	t->rport = (uint16_t)idx;
	t->lport = (uint16_t)(80 + (idx >> 16));
}

int main(void)
{
	struct tcp_table t;
	struct mix_key key;
	struct rng r;
	uint32_t cnt = 0;
	uint64_t refused = 0;

	rng_seed(&r, test_seed());
	for (unsigned i = 0; i < ARRAY_SIZE(key.k); i++)
		key.k[i] = rng_next(&r);
	ASSERT(tcp_table_init(&t, CAP, &key) == 0);
	for (int k = 0; k < 3; k++) {
		t.base[k] = (const uint8_t *)recs;
		t.size[k] = sizeof(recs[0]);
	}
	for (uint64_t step = 0; step < 2000000; step++) {
		uint32_t i = (uint32_t)rng_below(&r, CAP);
		enum tcp_kind kind = (enum tcp_kind)(i % 3);
		uint64_t h = tcp_tuple_hash(&t, &recs[i].t);

		if (!in[i]) {
			draw(&r, &recs[i].t, i);
			h = tcp_tuple_hash(&t, &recs[i].t);
			ASSERT(tcp_table_find(&t, &recs[i].t, h) == TCP_SLOT_EMPTY);
			in[i] = tcp_table_insert(&t, h, tcp_slot(kind, i));
			refused += !in[i];
			cnt += in[i];
			continue;
		}
		ASSERT(tcp_table_find(&t, &recs[i].t, h) == tcp_slot(kind, i));
		/* Stay near the full load. */
		if (step > 1000000 && rng_below(&r, 20) == 0) {
			tcp_table_remove(&t, h, tcp_slot(kind, i));
			in[i] = false;
			cnt--;
		} else if (rng_below(&r, 50) == 0) {
			enum tcp_kind other = (enum tcp_kind)((kind + 1) % 3);

			tcp_table_replace(&t, h, tcp_slot(kind, i), tcp_slot(other, i));
			ASSERT(tcp_table_find(&t, &recs[i].t, h) == tcp_slot(other, i));
			tcp_table_replace(&t, h, tcp_slot(other, i), tcp_slot(kind, i));
		}
		ASSERT(t.used == cnt);
	}
	ASSERT(cnt > CAP * 9 / 10);
	ASSERT(refused == 0);
	for (uint32_t i = 0; i < CAP; i++)
		ASSERT((tcp_table_find(&t, &recs[i].t, tcp_tuple_hash(&t, &recs[i].t)) !=
			       TCP_SLOT_EMPTY) == in[i]);
	tcp_table_fini(&t);
	printf("tcp_table: %u of %u entries at the end\n", cnt, CAP);
	printf("1 passed, 0 failed, 0 skipped\n");
	return 0;
}
