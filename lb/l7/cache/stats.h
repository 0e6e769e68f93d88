/* SPDX-License-Identifier: Apache-2.0
 * stats - what the cache did for each route. Routes are told apart by site and name, so that counts
 * go on over reloads.
 * Owner:      the process gives numbers to names; a worker counts in its own table.
 * Limits:     HCACHE_ROUTES_MAX names in the life of a process; those that come later are counted
 *             together, as route "(others)". */
#ifndef LB_L7_CACHE_STATS_H
#define LB_L7_CACHE_STATS_H

#include "dataplane/base/compiler.h"

#define HCACHE_ROUTES_MAX 256
#define HCACHE_ROUTE_NAME 160

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

/* Control: the number of a route, from 0; the last one stands for those that found no room. */
uint32_t hcache_route_number(const char *site, const char *route, uint32_t idx);
/* "site/route"; NULL: no route has that number. */
const char *hcache_route_name(uint32_t number);

#endif
