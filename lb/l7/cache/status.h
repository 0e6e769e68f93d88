/* SPDX-License-Identifier: Apache-2.0
 * status - one member of the Cache-Status field (RFC 9211). */
#ifndef LB_L7_CACHE_STATUS_H
#define LB_L7_CACHE_STATUS_H

#include "lb/l7/http/head.h"

/* RFC 9211 2.2 */
#define CACHE_FORWARDS(F)         \
	F(NONE, "")               \
	F(BYPASS, "bypass")       \
	F(METHOD, "method")       \
	F(URI_MISS, "uri-miss")   \
	F(VARY_MISS, "vary-miss") \
	F(MISS, "miss")           \
	F(REQUEST, "request")     \
	F(STALE, "stale")         \
	F(PARTIAL, "partial")

enum cache_forward {
#define F(id, word) CACHE_FORWARD_##id,
	CACHE_FORWARDS(F)
#undef F
};

struct cache_status {
	enum cache_forward forward; /* NONE: a hit */
	uint16_t forward_status;    /* of the origin's answer; 0: left out */
	bool has_ttl, stored, collapsed;
	int64_t ttl;
	const char *detail; /* a token; NULL: none */
};

#define CACHE_STATUS_MAX 224

const char *cache_forward_word(enum cache_forward f);
/* The member, under a name that is a token (longer than 64 it is cut). Returns its length, at most
 * CACHE_STATUS_MAX; there is no NUL. */
uint32_t cache_status_format(
	const struct cache_status *s, struct span name, char out[CACHE_STATUS_MAX]);

#endif
