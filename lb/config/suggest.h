/* SPDX-License-Identifier: Apache-2.0
 * suggest - which known word did the writer of an unknown one mean?
 * Owner: none.  Cost: O(length^2) for each known word; words above 64 bytes get no suggestion. */
#ifndef LB_CONFIG_SUGGEST_H
#define LB_CONFIG_SUGGEST_H

#include "dataplane/base/compiler.h"

/* Edits (insert, delete, replace, swap neighbours) that turn a into b; letters of both cases and
 * '-' and '_' count as equal. UINT32_MAX if either is too long. */
uint32_t suggest_distance(const char *a, const char *b);

/* The best so far, fed one known word at a time. */
struct suggest {
	const char *word; /* what was written */
	const char *best; /* NULL: nothing near enough */
	uint32_t distance;
};

void suggest_init(struct suggest *s, const char *word);
void suggest_try(struct suggest *s, const char *known);

#endif
