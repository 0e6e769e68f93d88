/* SPDX-License-Identifier: Apache-2.0
 * regex - regular expressions that cannot stall a worker.
 * Owner:      control compiles and frees; workers match, each with a scratch of its own.
 * Invariants: RX1 a match ends within LIMIT_HTTP_REGEX_STEPS steps and without growing the stack
 *             beyond what one needs; what does not is no match, and is counted in the scratch.
 * Errors:     -EINVAL with the reason and the place in `why`. */
#ifndef LB_L7_ROUTE_REGEX_H
#define LB_L7_ROUTE_REGEX_H

#include "lb/l7/http/head.h"

#define REGEX_WHY 192

struct regex;
struct regex_scratch;

int regex_compile(const char *text, struct regex **out, char *why) WARN_UNUSED;
void regex_free(struct regex *re); /* NULL is fine */
const char *regex_text(const struct regex *re);
/* Groups that it captures. */
uint32_t regex_groups(const struct regex *re);

struct regex_scratch *regex_scratch_create(void);
void regex_scratch_destroy(struct regex_scratch *s);
/* Matches that were given up. */
uint64_t regex_given_up(const struct regex_scratch *s);

/* Is it found in the subject? captures (may be NULL) gets up to cap spans of the subject, the whole
 * first; *cnt how many. */
bool regex_match(const struct regex *re, struct regex_scratch *s, struct span subject,
	struct span *captures, uint32_t cap, uint32_t *cnt);

#endif
