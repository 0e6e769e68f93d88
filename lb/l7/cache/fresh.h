/* SPDX-License-Identifier: Apache-2.0
 * fresh - may a response be stored, how old is it, may it be used (RFC 9111 3, 4.2; RFC 5861; RFC
 * 8246). A shared cache.
 * Owner: nobody; pure functions.
 * Invariants: FR1 what was decided when a response was stored is in struct fresh, so that a hit
 *             parses no field. FR2 in doubt a response counts as stale.
 * Units:  times in ms of the wall clock since 1970, lifetimes and ages in seconds unless named
 *         _ms. */
#ifndef LB_L7_CACHE_FRESH_H
#define LB_L7_CACHE_FRESH_H

#include "lb/l7/cache/control.h"
#include "lb/l7/http/date.h"

/* What the route's configuration says; zero: by the book, without guesses. */
struct fresh_policy {
	int64_t default_ttl;            /* of heuristically cacheable statuses without any hint */
	int64_t heuristic_max;          /* bound of a lifetime guessed from Last-Modified */
	uint32_t heuristic_percent;     /* of the time since Last-Modified; RFC 9111 4.2.2 has 10 */
	int64_t override_ttl;           /* > 0: the lifetime, whatever the origin says */
	int64_t grace;                  /* stale-while-revalidate where the origin names none */
	int64_t stale_if_error;         /* likewise */
	bool ignore_request_directives; /* clients cannot force validation */
	bool override_no_store;         /* override_ttl also counts for no-store and private */
	const struct span *targets;     /* RFC 9213 */
	uint32_t target_cnt;
};

#define FRESH_NO_STALE  1u /* must-revalidate and the like */
#define FRESH_NO_CACHE  2u /* validate before each use */
#define FRESH_HEURISTIC 4u /* the lifetime is guessed */
#define FRESH_IMMUTABLE 8u
#define FRESH_VALIDATOR 16u /* has an entity tag or Last-Modified */
#define FRESH_PURGED    32u /* softly purged: stale, whatever its age */

/* Of a stored response; kept with it. */
struct fresh {
	int64_t response_ms; /* when it was received or last validated */
	int64_t date;        /* of Date, seconds; as received if there was none */
	int64_t initial_age; /* corrected_initial_age of RFC 9111 4.2.3 */
	int64_t lifetime;
	int64_t swr, sie; /* seconds past the lifetime; 0: none */
	uint32_t flags;
};

/* clang-format off */
/* Why a response is not stored: suffix, word for Cache-Status. */
#define FRESH_STORES(S) \
	S(OK, "stored") \
	S(METHOD, "method") \
	S(STATUS, "status") \
	S(NO_STORE, "no-store") \
	S(REQUEST_NO_STORE, "request-no-store") \
	S(PRIVATE, "private") \
	S(AUTHORIZATION, "authorization") \
	S(VARY, "vary") \
	S(LIFETIME, "no-lifetime") \
	S(COOKIE, "set-cookie")
/* clang-format on */

enum fresh_store {
#define S(id, word) FRESH_STORE_##id,
	FRESH_STORES(S)
#undef S
};

const char *fresh_store_word(enum fresh_store s);

/* RFC 9111 3, for a response that came whole or streams in, answering `req`. Fills *out if it may
 * be stored. request_ms is when the request went out. 206 and 304 are FRESH_STORE_STATUS. */
enum fresh_store fresh_decide(const struct fresh_policy *p, const struct http_head *req,
	const struct http_head *resp, int64_t request_ms, int64_t response_ms, struct fresh *out);

/* RFC 9111 4.2.3; never negative. */
int64_t fresh_age_ms(const struct fresh *f, int64_t now_ms);
static inline int64_t fresh_age(const struct fresh *f, int64_t now_ms)
{
	return fresh_age_ms(f, now_ms) / 1000;
}
/* Seconds of freshness left; negative: stale for so long. */
int64_t fresh_ttl(const struct fresh *f, int64_t now_ms);

enum fresh_use {
	FRESH_USE,            /* as it is */
	FRESH_USE_STALE,      /* as it is: the client allows stale (max-stale) */
	FRESH_USE_REVALIDATE, /* as it is, and fetch anew in the background */
	FRESH_VALIDATE,       /* ask the origin first */
};

enum fresh_use fresh_use(const struct fresh_policy *p, const struct fresh *f,
	const struct control_request *req, int64_t now_ms);
/* The origin failed: may the stale response be used? RFC 5861 4. */
bool fresh_use_on_error(const struct fresh *f, const struct control_request *req, int64_t now_ms);
/* When it is of no use to anybody any more, ms since 1970; keep_ms longer if it can be validated,
 * or clients may ask for it stale. */
int64_t fresh_dead_ms(const struct fresh *f, int64_t keep_ms);

#endif
