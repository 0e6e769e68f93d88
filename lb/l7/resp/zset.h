/* SPDX-License-Identifier: Apache-2.0
 * zset - what the files of sorted sets share. A member stands twice: ITEM member -> score, and
 * ORDER score, member. */
#ifndef LB_L7_RESP_ZSET_H
#define LB_L7_RESP_ZSET_H

#include "lb/l7/resp/collection.h"

#define ZSET_SCORE 8 /* bytes of an encoded score */

/* Writes a member with its score in place of old, if there was one. */
void zset_put(struct resp_call *k, const struct coll *c, const uint8_t *m, uint32_t len,
	double score, const double *old);
void zset_remove(
	struct resp_call *k, const struct coll *c, const uint8_t *m, uint32_t len, double score);
static inline double zset_score(const uint8_t *val)
{
	return codec_score_decode(val);
}

/* A range of ORDER by score, or of ITEM by name. False: the error has been written. */
struct zset_range {
	struct kvs_range r;
	bool empty; /* nothing can lie in it */
};
bool zset_by_score(struct resp_call *k, const struct resp_arg *key, const struct resp_arg *min,
	const struct resp_arg *max, struct zset_range *out);
bool zset_by_lex(struct resp_call *k, const struct resp_arg *key, const struct resp_arg *min,
	const struct resp_arg *max, struct zset_range *out);
/* Elements at ranks from..to of c, already within it; *skip of the scan's items come before them.
 */
struct kvs_range zset_by_rank(const struct coll *c, uint64_t from, uint64_t to, bool reverse,
	uint64_t *skip, bool *backwards);

/* The member and score of an item of ORDER, or of ITEM. */
struct zset_elem {
	const uint8_t *m;
	uint32_t len;
	double score;
};
struct zset_elem zset_elem(const struct kvs_item *i, uint8_t space);

#endif
