/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/cache/stats.h"

#include <stdatomic.h>

static _Atomic bool caches[HCACHE_ROUTES_MAX];

uint32_t hcache_route_number(const char *site, const char *route, uint32_t idx)
{
	uint32_t n = http_route_number(site, route, idx);

	atomic_store_explicit(&caches[n], true, memory_order_relaxed);
	return n;
}

const char *hcache_route_name(uint32_t number)
{
	return number < HCACHE_ROUTES_MAX &&
			       atomic_load_explicit(&caches[number], memory_order_relaxed)
		       ? http_route_name(number)
		       : NULL;
}
