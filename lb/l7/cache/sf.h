/* SPDX-License-Identifier: Apache-2.0
 * sf - Structured Field dictionaries (RFC 9651), as far as header fields of caching need them: a
 * member is an item of any type or an inner list; parameters are checked and passed over.
 * Owner: the caller's text. Errors: -1 at the first mistake; what came before does not count then.
 * Limits: integers of 15 digits, decimals of 12 and 3 (RFC 9651 3.3). */
#ifndef LB_L7_CACHE_SF_H
#define LB_L7_CACHE_SF_H

#include "lb/l7/http/head.h"

enum sf_type {
	SF_INTEGER,
	SF_DECIMAL,
	SF_STRING, /* text: between the quotes, escapes as they came */
	SF_TOKEN,
	SF_BYTES,
	SF_BOOLEAN, /* number 0 or 1 */
	SF_DATE,
	SF_DISPLAY,
	SF_LIST, /* an inner list; its members are not told */
};

struct sf_item {
	enum sf_type type;
	int64_t number;
	struct span text;
};

struct sf_dict {
	const char *at, *end;
	bool started;
};

void sf_dict_init(struct sf_dict *d, struct span text);
/* 1: a member; 0: the end; -1: no dictionary. Later members of the same key win over earlier. */
int sf_dict_next(struct sf_dict *d, struct span *key, struct sf_item *value);

#endif
