/* SPDX-License-Identifier: Apache-2.0
 * sched_set - the tables a service chooses backends from, made of a set of (address, port, weight).
 * Owner:      control; shared by reference between services and generations with equal sets.
 * Invariants: SS1 nodes are sorted by (address, port), so equal sets are equal arrays. SS2 only
 *             backends that may take new flows are in it. SS3 immutable but for refs, which control
 *             alone touches.
 * Errors:     -ENOMEM, -EINVAL.
 * Limits:     a round robin sequence has at most WRR_MAX_LEN turns; finer weights are rounded, and
 *             every backend keeps one turn at least.
 * Cost:       see maglev.h; the sequence is made by one sort. */
#ifndef LB_L4_SCHED_SET_H
#define LB_L4_SCHED_SET_H

#include "lb/l4/maglev.h"

#define WRR_MAX_LEN 16384

_Static_assert(WRR_MAX_LEN >= LIMIT_SERVICE_BACKENDS, "everyone gets a turn");

struct l4_sched_set {
	uint16_t *maglev; /* slot -> node; NULL: not asked for */
	uint16_t *wrr;    /* turn -> node; NULL: not asked for */
	uint32_t maglev_size, wrr_len;
	uint32_t node_cnt;
	uint32_t refs;
	uint64_t digest;
	uint64_t bytes;
	struct maglev_node nodes[];
};

/* What is asked: nodes in the order of SS1, all with weight; maglev_size 0: no Maglev table. */
struct sched_ask {
	const struct maglev_node *nodes;
	uint32_t node_cnt;
	uint32_t maglev_size;
	bool wrr;
};

/* Compare function of SS1, for qsort. */
int sched_node_compare(const void *a, const void *b);

uint64_t sched_ask_digest(const struct siphash_key *key, const struct sched_ask *ask);
bool sched_set_answers(const struct l4_sched_set *s, uint64_t digest, const struct sched_ask *ask);

/* A new set with one reference. */
int sched_set_create(const struct siphash_key *key, uint64_t digest, const struct sched_ask *ask,
	struct l4_sched_set **out) WARN_UNUSED;
void sched_set_unref(struct l4_sched_set *s);

/* Smooth weighted sequence: seq[WRR_MAX_LEN] gets indexes of nodes; returns its length. A node of
 * weight w has w turns of the sum (reduced by their common divisor), spread evenly. */
int wrr_build(const struct maglev_node *nodes, uint32_t node_cnt, uint16_t *seq,
	uint32_t *len) WARN_UNUSED;

#endif
