/* SPDX-License-Identifier: Apache-2.0
 * The round robin sequence gives node i, with n turns of L, the positions (k + phase) * L / n for
 * k = 0 .. n-1, and sorts all positions; ties go by the node's index. Phases step by the golden
 * ratio, so that light nodes do not bunch in the middle. A node's turns are as even as can be,
 * computed at once rather than turn by turn. */
#include "lb/l4/sched_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int sched_node_compare(const void *pa, const void *pb)
{
	const struct maglev_node *a = pa, *b = pb;
	int c = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	return c != 0 ? c : (int)a->port_be - (int)b->port_be;
}

_Static_assert(sizeof(struct maglev_node) == 24, "no padding: nodes are hashed as bytes");

uint64_t sched_ask_digest(const struct siphash_key *key, const struct sched_ask *ask)
{
	uint64_t h = siphash24(key, ask->nodes, ask->node_cnt * sizeof(*ask->nodes));

	return h ^ ((uint64_t)ask->maglev_size << 1) ^ ask->wrr;
}

bool sched_set_answers(const struct l4_sched_set *s, uint64_t digest, const struct sched_ask *ask)
{
	return s->digest == digest && s->node_cnt == ask->node_cnt &&
	       s->maglev_size == ask->maglev_size && (s->wrr != NULL) == ask->wrr &&
	       memcmp(s->nodes, ask->nodes, ask->node_cnt * sizeof(*ask->nodes)) == 0;
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

/* Turns of each node, at most WRR_MAX_LEN together. */
static uint32_t turns_of(const struct maglev_node *nodes, uint32_t cnt, uint32_t *turns)
{
	uint32_t div = 0, sum = 0;
	uint64_t total = 0;

	for (uint32_t i = 0; i < cnt; i++) {
		div = gcd(nodes[i].weight, div);
		total += nodes[i].weight;
	}
	for (uint32_t i = 0; i < cnt; i++) {
		uint64_t n = nodes[i].weight / div;

		if (total / div > WRR_MAX_LEN)
			n = nodes[i].weight * (uint64_t)(WRR_MAX_LEN - cnt) / total + 1;
		turns[i] = (uint32_t)n;
		sum += turns[i];
	}
	return sum;
}

#define PHASE ((uint32_t)0x9e3779b9) /* golden ratio in 0.32 */

struct turn {
	uint64_t at;
	uint16_t node;
};

static int by_turn(const void *pa, const void *pb)
{
	const struct turn *a = pa, *b = pb;

	if (a->at != b->at)
		return a->at < b->at ? -1 : 1;
	return (int)a->node - (int)b->node;
}

int wrr_build(const struct maglev_node *nodes, uint32_t node_cnt, uint16_t *seq, uint32_t *len)
{
	uint32_t *turns = malloc((node_cnt + 1) * sizeof(*turns));
	struct turn *t = malloc(WRR_MAX_LEN * sizeof(*t));
	uint32_t sum, n = 0;

	*len = 0;
	if (turns == NULL || t == NULL) {
		free(turns);
		free(t);
		return -ENOMEM;
	}
	sum = node_cnt == 0 ? 0 : turns_of(nodes, node_cnt, turns);
	for (uint32_t i = 0; i < node_cnt; i++)
		for (uint64_t k = 0; k < turns[i]; k++)
			t[n++] = (struct turn){
				.at = ((k << 32) + (uint32_t)((i + 1) * PHASE)) * sum / turns[i],
				.node = (uint16_t)i,
			};
	qsort(t, n, sizeof(*t), by_turn);
	for (uint32_t i = 0; i < n; i++)
		seq[i] = t[i].node;
	*len = n;
	free(t);
	free(turns);
	return 0;
}

static int add_maglev(struct l4_sched_set *s, const struct siphash_key *key, uint32_t size)
{
	s->maglev = aligned_alloc(CACHE_LINE, ROUND_UP(size * sizeof(uint16_t), CACHE_LINE));
	if (s->maglev == NULL)
		return -ENOMEM;
	s->maglev_size = size;
	s->bytes += size * sizeof(uint16_t);
	return maglev_build(key, s->nodes, s->node_cnt, size, s->maglev);
}

static int add_wrr(struct l4_sched_set *s)
{
	uint16_t *fit, *seq = malloc(WRR_MAX_LEN * sizeof(*seq));
	int err;

	if (seq == NULL)
		return -ENOMEM;
	err = wrr_build(s->nodes, s->node_cnt, seq, &s->wrr_len);
	if (err != 0) {
		free(seq);
		return err;
	}
	fit = realloc(seq, (s->wrr_len + 1) * sizeof(*seq));
	s->wrr = fit == NULL ? seq : fit;
	s->bytes += s->wrr_len * sizeof(*seq);
	return 0;
}

int sched_set_create(const struct siphash_key *key, uint64_t digest, const struct sched_ask *ask,
	struct l4_sched_set **out)
{
	size_t nodes = ask->node_cnt * sizeof(*ask->nodes);
	struct l4_sched_set *s = calloc(1, sizeof(*s) + nodes);
	int err = 0;

	*out = NULL;
	if (s == NULL)
		return -ENOMEM;
	s->digest = digest;
	s->refs = 1;
	s->node_cnt = ask->node_cnt;
	s->bytes = sizeof(*s) + nodes;
	memcpy(s->nodes, ask->nodes, nodes);
	if (ask->maglev_size != 0)
		err = add_maglev(s, key, ask->maglev_size);
	if (err == 0 && ask->wrr)
		err = add_wrr(s);
	if (err != 0) {
		sched_set_unref(s);
		return err;
	}
	*out = s;
	return 0;
}

void sched_set_unref(struct l4_sched_set *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	free(s->maglev);
	free(s->wrr);
	free(s);
}
