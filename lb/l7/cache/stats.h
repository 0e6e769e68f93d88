/* SPDX-License-Identifier: Apache-2.0
 * stats - what the cache did for each route. Routes are told apart by site and name, so that counts
 * go on over reloads.
 * Owner:      the process gives numbers to names; a worker counts in its own table.
 * Limits:     those of route_names.h. */
#ifndef LB_L7_CACHE_STATS_H
#define LB_L7_CACHE_STATS_H

#include "dataplane/base/compiler.h"
#include "lb/l7/route/route_names.h"

#define HCACHE_ROUTES_MAX HTTP_ROUTES_MAX

/* clang-format off */
#define HCACHE_ROUTE_COUNTERS(C) \
	C(hits, "requests answered with a fresh response") \
	C(stale, "requests answered with a stale response") \
	C(misses, "requests that had to be fetched") \
	C(collapsed, "requests that waited for the fetch of another") \
	C(revalidated, "stored responses that the upstream confirmed") \
	C(passes, "requests that went past the cache") \
	C(coded_hits, "requests answered with a stored compressed response") \
	C(bytes_sent, "bytes of bodies sent from the cache") \
	C(bytes_fetched, "bytes of bodies fetched for the cache")
/* clang-format on */

struct hcache_route_stats {
#define C(name, text) uint64_t name;
	HCACHE_ROUTE_COUNTERS(C)
#undef C
};

/* Control: http_route_number() of a route that caches. */
uint32_t hcache_route_number(const char *site, const char *route, uint32_t idx);
/* "site/route"; NULL: no route that caches has that number. */
const char *hcache_route_name(uint32_t number);

#endif
