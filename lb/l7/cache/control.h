/* SPDX-License-Identifier: Apache-2.0
 * control - cache directives of requests and responses: Cache-Control (RFC 9111 5.2), targeted
 * fields such as CDN-Cache-Control (RFC 9213), Pragma, and the extensions of RFC 5861 and 8246.
 * Owner: nobody; pure functions over a head. Spans point into the head's fields.
 * Invariants: CC1 a directive that is given twice counts as it was first given; presence of a
 *             restriction counts wherever it stands. CC2 an argument that is no number makes a
 *             lifetime 0 (RFC 9111 4.2.1: invalid freshness information is stale).
 * Units:  seconds; CONTROL_SECONDS_MAX stands for all above (RFC 9111 1.2.2).
 * Cost:   one pass over the fields; no allocation. */
#ifndef LB_L7_CACHE_CONTROL_H
#define LB_L7_CACHE_CONTROL_H

#include "lb/l7/http/head.h"

#define CONTROL_SECONDS_MAX INT64_C(2147483648)
#define CONTROL_NONE        INT64_C(-1) /* the directive is not there */
#define CONTROL_TARGETS     4           /* of a target list */

struct control_response {
	int64_t max_age, s_maxage;
	int64_t stale_while_revalidate, stale_if_error;
	bool no_store, no_cache, private_all;        /* without field names */
	struct span no_cache_fields, private_fields; /* "a, b": names; the rest is cacheable */
	bool must_revalidate, proxy_revalidate, must_understand, public, immutable, no_transform;
	bool targeted; /* a targeted field decides: Cache-Control and Expires do not count */
};

struct control_request {
	int64_t max_age, min_fresh;
	int64_t max_stale; /* CONTROL_SECONDS_MAX: any age */
	int64_t stale_if_error;
	bool no_store, no_cache, only_if_cached, no_transform;
};

/* `targets` is the target list of RFC 9213 2.2, the most applicable first. */
void control_response_parse(const struct http_head *resp, const struct span *targets,
	uint32_t target_cnt, struct control_response *out);
void control_request_parse(const struct http_head *req, struct control_request *out);
/* The same of a request without Cache-Control and Pragma. */
void control_request_init(struct control_request *out);

/* Does a list of names ("set-cookie, x-a", as in no_cache_fields) hold this one? */
bool control_names(struct span list, struct span name);

#endif
