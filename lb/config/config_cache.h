/* SPDX-License-Identifier: Apache-2.0
 * config_cache - the HTTP cache, as the configuration says it.
 * Owner: the struct config; immutable. Units: ns, bytes. */
#ifndef LB_CONFIG_CONFIG_CACHE_H
#define LB_CONFIG_CONFIG_CACHE_H

#include "dataplane/base/compiler.h"
#include "dataplane/base/limits.h"
#include "lb/config/config_mark.h"

/* Section `cache.disk`: responses in the store. */
struct config_cache_disk {
	uint64_t max_bytes; /* 0: none */
	int durability;     /* enum store_durability */
	uint64_t max_object, min_left_ns;
	uint64_t write_rate, warm_rate;
	uint32_t writes, reads; /* of each worker */
};

#define CONFIG_CACHE_DISK_MIN (UINT64_C(8) << 20)
/* Namespaces of the store that it takes have names that begin so. */
#define CONFIG_CACHE_NS "http-cache-"

/* Section `cache`: memory, for all workers and routes together. */
struct config_cache {
	struct config_cache_disk disk;
	uint64_t memory_bytes;  /* 0: there is none */
	uint32_t fetches;       /* under way at a time, of each worker */
	char preload_file[256]; /* of URLs; empty: none */
	uint32_t preload_rate, preload_active;
};

enum config_cache_query { CACHE_QUERY_ALL, CACHE_QUERY_NONE, CACHE_QUERY_ALLOW, CACHE_QUERY_DENY };

enum config_cache_ranges { CACHE_RANGES_WHOLE, CACHE_RANGES_SLICE, CACHE_RANGES_PASS };

struct config_http_cache_key {
	enum config_cache_query query;
	char (*params)[LIMIT_NAME];
	uint32_t param_cnt;
	bool sort_query, ignore_scheme;
	char (*headers)[LIMIT_NAME];
	uint32_t header_cnt;
	char (*cookies)[LIMIT_NAME];
	uint32_t cookie_cnt;
};

/* `cache` of a route. */
struct config_http_cache {
	struct config_http_cache_key key;
	uint64_t default_ttl_ns, override_ttl_ns, heuristic_max_ns;
	uint32_t heuristic_percent;
	uint64_t grace_ns, stale_if_error_ns, keep_ns, pass_ns, error_ns;
	uint64_t max_bytes;
	enum config_cache_ranges ranges;
	uint64_t slice_bytes;
	bool ignore_client, override_no_store, status;
	char name[LIMIT_NAME];
	char (*bypass_cookies)[LIMIT_NAME];
	uint32_t bypass_cookie_cnt;
	char (*targets)[LIMIT_NAME]; /* fields of RFC 9213, the most applicable first */
	uint32_t target_cnt;
	char purge_token[256];
	struct config_mark mark;
};

#endif
