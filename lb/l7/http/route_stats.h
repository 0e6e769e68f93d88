/* SPDX-License-Identifier: Apache-2.0
 * route_stats - what each route did: requests by status, bytes, and how long they took.
 * Owner:      one worker counts, by http_route.number; control reads copies.
 * Units:      ns from the request's first byte to the response's end; bytes of bodies.
 * Limits:     HTTP_ROUTES_MAX routes (route_names.h).
 * Cost:       one cache line or two and at most HTTP_TOOK_BOUND_CNT comparisons for a request. */
#ifndef LB_L7_HTTP_ROUTE_STATS_H
#define LB_L7_HTTP_ROUTE_STATS_H

#include "dataplane/base/compiler.h"
#include "lb/l7/route/route_names.h"

struct http_stream;

/* clang-format off */
#define HTTP_ROUTE_COUNTERS(C) \
	C(requests, "requests") \
	C(status_1xx, "upgraded connections (101)") \
	C(status_2xx, "responses 2xx") \
	C(status_3xx, "responses 3xx") \
	C(status_4xx, "responses 4xx") \
	C(status_5xx, "responses 5xx") \
	C(failed, "requests that did not end well") \
	C(body_in, "bytes of request bodies") \
	C(body_out, "bytes of response bodies")

/* Upper bounds of the histogram, ns. */
#define HTTP_TOOK_BOUNDS(B) \
	B(50000) B(100000) B(250000) B(500000) B(1000000) B(2500000) B(5000000) B(10000000) B(25000000) B(50000000) B(100000000) \
	B(250000000) B(500000000) B(1000000000) B(2500000000) B(5000000000) B(10000000000)

/* One response more in the counter of its class, of a listener or a route. */
#define HTTP_COUNT_STATUS(st, status) \
	l7_count((status) / 100 == 1 ? &(st)->status_1xx : \
		 (status) / 100 == 2 ? &(st)->status_2xx : \
		 (status) / 100 == 3 ? &(st)->status_3xx : \
		 (status) / 100 == 4 ? &(st)->status_4xx : &(st)->status_5xx, 1)
/* clang-format on */
#define HTTP_TOOK_BOUND_CNT 17

struct http_route_stats {
#define C(name, text) uint64_t name;
	HTTP_ROUTE_COUNTERS(C)
#undef C
	uint64_t took[HTTP_TOOK_BOUND_CNT + 1]; /* the last one: longer than any bound */
	uint64_t took_sum_ns;
};

/* A request ended; connections that were upgraded have no time that would mean something. */
void http_route_count(struct http_route_stats *st, const struct http_stream *s);

#endif
