/* SPDX-License-Identifier: Apache-2.0
 * Each node walks its own permutation of the slots, (offset + k * skip) mod size, and in its turn
 * takes the first free slot of that walk (Eisenbud et al., NSDI 2016, section 3.4). Weights are
 * turns: in a round each node earns weight / heaviest of a turn and takes a slot whenever it has a
 * whole one, so a node's share is its weight's and no node runs far ahead. Which slots are taken is
 * kept in a bitmap apart, as most steps of a walk only ask that: it stays in the first-level cache.
 * Turns go by the order of the hashed names, so the order of the input has no say. */
#include "lb/l4/maglev.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct walker {
	uint64_t order;
	uint32_t at, skip;
	uint32_t credit, earn; /* 16.16 turns */
	uint16_t node;
};

#define TURN (1u << 16)

bool maglev_size_ok(uint32_t n)
{
	if (n < MAGLEV_MIN_SIZE || n > LIMIT_MAGLEV_SIZE || n % 2 == 0)
		return false;
	for (uint32_t d = 3; d * d <= n; d += 2)
		if (n % d == 0)
			return false;
	return true;
}

static int by_order(const void *pa, const void *pb)
{
	const struct walker *a = pa, *b = pb;

	return a->order < b->order ? -1 : a->order > b->order;
}

static uint32_t heaviest(const struct maglev_node *nodes, uint32_t cnt)
{
	uint32_t max = 0;

	for (uint32_t i = 0; i < cnt; i++)
		if (nodes[i].weight > max)
			max = nodes[i].weight;
	return max;
}

/* Set up one walker for each node that has a weight; returns how many. */
static uint32_t walkers_init(struct walker *w, const struct siphash_key *key,
	const struct maglev_node *nodes, uint32_t cnt, uint32_t size)
{
	uint32_t max = heaviest(nodes, cnt), n = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		struct {
			uint8_t addr[16];
			uint16_t port_be;
			uint8_t what;
		} __attribute__((packed)) name;
		uint64_t h[3];

		if (nodes[i].weight == 0)
			continue;
		memcpy(name.addr, nodes[i].addr.b, sizeof(name.addr));
		name.port_be = nodes[i].port_be;
		for (uint8_t k = 0; k < 3; k++) {
			name.what = k;
			h[k] = siphash24(key, &name, sizeof(name));
		}
		w[n].order = h[0];
		w[n].at = (uint32_t)(h[1] % size);
		w[n].skip = (uint32_t)(h[2] % (size - 1)) + 1;
		w[n].credit = 0;
		w[n].earn = (uint32_t)((uint64_t)nodes[i].weight * TURN / max);
		w[n].node = (uint16_t)i;
		n++;
	}
	qsort(w, n, sizeof(*w), by_order);
	return n;
}

static inline uint32_t step(uint32_t at, uint32_t by, uint32_t size)
{
	at += by;
	return at >= size ? at - size : at;
}

static inline uint32_t bit_of(const uint64_t *taken, uint32_t at)
{
	return (uint32_t)(taken[at / 64] >> (at % 64)) & 1;
}

/* First free slot of w's walk, from where it stands. Four steps are tested at a time: one alone is
 * a chain of dependent loads, and late in the fill a walk takes dozens. */
static inline uint32_t walk(const struct walker *w, const uint64_t *taken, uint32_t size)
{
	uint32_t skip2 = step(w->skip, w->skip, size), skip4 = step(skip2, skip2, size);
	uint32_t at[4] = {w->at};

	at[1] = step(at[0], w->skip, size);
	at[2] = step(at[0], skip2, size);
	at[3] = step(at[1], skip2, size);
	for (;;) {
		uint32_t full = bit_of(taken, at[0]) | bit_of(taken, at[1]) << 1 |
				bit_of(taken, at[2]) << 2 | bit_of(taken, at[3]) << 3;

		if (full != 0xf)
			return at[__builtin_ctz(~full)];
		for (int k = 0; k < 4; k++)
			at[k] = step(at[k], skip4, size);
	}
}

static void fill(struct walker *w, uint32_t n, uint32_t size, uint64_t *taken, uint16_t *slots)
{
	uint32_t left = size;

	for (uint32_t i = 0;; i = i + 1 == n ? 0 : i + 1) {
		w[i].credit += w[i].earn;
		if (w[i].credit < TURN)
			continue;
		w[i].credit -= TURN;
		w[i].at = walk(&w[i], taken, size);
		taken[w[i].at / 64] |= UINT64_C(1) << (w[i].at % 64);
		slots[w[i].at] = w[i].node;
		if (--left == 0)
			return;
	}
}

int maglev_build(const struct siphash_key *key, const struct maglev_node *nodes, uint32_t node_cnt,
	uint32_t size, uint16_t *slots)
{
	struct walker *w;
	uint64_t *taken;
	uint32_t n;
	int err = 0;

	if (size < MAGLEV_MIN_SIZE || size > LIMIT_MAGLEV_SIZE || node_cnt >= MAGLEV_MAX_NODES)
		return -EINVAL;
	memset(slots, 0xff, size * sizeof(*slots));
	if (node_cnt == 0)
		return 0;
	w = malloc(node_cnt * sizeof(*w));
	taken = calloc(size / 64 + 1, sizeof(*taken));
	if (w == NULL || taken == NULL) {
		err = -ENOMEM;
		goto out;
	}
	n = walkers_init(w, key, nodes, node_cnt, size);
	for (uint32_t i = 1; i < n; i++) {
		/* Equal orders are equal names: chance alone needs 2^32 nodes. */
		if (w[i].order == w[i - 1].order) {
			err = -EINVAL;
			goto out;
		}
	}
	if (n > 0)
		fill(w, n, size, taken, slots);
out:
	free(taken);
	free(w);
	return err;
}
