/* SPDX-License-Identifier: Apache-2.0
 * Section `cache`, and `cache` of a route. */
#include "lb/config/config_cache.h"
#include "lb/config/schema.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)
#define H  (3600 * S)
#define Y  (365 * 24 * H)

#define FIELDS(array) .fields = array, .field_cnt = ARRAY_SIZE(array)
#define NAMES(type, member, cnt) \
	type, SCHEMA_LIST, SCHEMA_LIST_AT(config_http_cache_key, member, cnt), .max_cnt = 64

extern const struct schema_map schema_cache_disk;

static const struct schema_field cache_fields[] = {
	{"memory", SCHEMA_SIZE, 0, SCHEMA_AT(config_cache, memory_bytes), .min = 0,
		.max = UINT64_C(1) << 40, .dflt = "0",
		.help = "Memory for responses, a hard bound, shared by all workers; 0: no cache. "
			"An "
			"index of about 2 % comes on top. Routes say `cache: {}` to use it."},
	{"fetches", SCHEMA_COUNT, 0, SCHEMA_AT(config_cache, fetches), .min = 16, .max = 1 << 20,
		.dflt = "1024",
		.help = "Requests of the cache to upstreams that one worker has under way; beyond "
			"it requests pass through."},
	{"disk", SCHEMA_MAP, 0, SCHEMA_AT(config_cache, disk), .map = &schema_cache_disk,
		.help = "The second tier, in the store."},
	{"preload_file", SCHEMA_STRING, 0, SCHEMA_AT(config_cache, preload_file), .dflt = "",
		.help = "File of URLs, one a line, that are fetched into the cache at start and "
			"after each reload; empty lines and those that begin with # do not count."},
	{"preload_rate", SCHEMA_COUNT, 0, SCHEMA_AT(config_cache, preload_rate), .min = 1,
		.max = 10000, .dflt = "50", .help = "So many of them are begun in a second."},
	{"preload_active", SCHEMA_COUNT, 0, SCHEMA_AT(config_cache, preload_active), .min = 1,
		.max = 64, .dflt = "8", .help = "So many of them are under way at a time."},
};

const struct schema_map schema_cache = {
	.name = "cache",
	.help = "Memory of the HTTP cache. `cache: 256MiB` stands for `cache: {memory: 256MiB}`.",
	FIELDS(cache_fields),
	.scalar_key = "memory",
};

static const struct schema_enum query_words[] = {
	{"all", CACHE_QUERY_ALL, "all of it, as it came"},
	{"none", CACHE_QUERY_NONE, "nothing"},
	{"allow", CACHE_QUERY_ALLOW, "only the parameters in `params`"},
	{"deny", CACHE_QUERY_DENY, "all but the parameters in `params`"},
	{NULL, 0, NULL},
};

static const struct schema_enum range_words[] = {
	{"whole", CACHE_RANGES_WHOLE, "all of it, and the part is answered from that"},
	{"slice", CACHE_RANGES_SLICE, "the slices of it that the part lies in; they are kept"},
	{"pass", CACHE_RANGES_PASS, "the part alone, and it is not kept"},
	{NULL, 0, NULL},
};

static const struct schema_field key_fields[] = {
	{"query", SCHEMA_ENUM, 0, SCHEMA_AT(config_http_cache_key, query), .dflt = "all",
		.words = query_words, .help = "What of the query tells responses apart."},
	{"params", NAMES(SCHEMA_STRING, params, param_cnt),
		.help = "Query parameters; one that ends in `*` stands for all that begin so."},
	{"sort_query", SCHEMA_BOOL, 0, SCHEMA_AT(config_http_cache_key, sort_query),
		.dflt = "false", .help = "The order of parameters does not count."},
	{"ignore_scheme", SCHEMA_BOOL, 0, SCHEMA_AT(config_http_cache_key, ignore_scheme),
		.dflt = "false", .help = "http and https share responses."},
	{"headers", NAMES(SCHEMA_NAME, headers, header_cnt),
		.help = "Request fields whose values tell responses apart, beyond what Vary says."},
	{"cookies", NAMES(SCHEMA_STRING, cookies, cookie_cnt), .help = "Cookies likewise."},
};

static const struct schema_map key_map = {
	.name = "cache key",
	.help = "Which requests share a response. Host, port and path always count.",
	FIELDS(key_fields),
};

#define AT(member) SCHEMA_AT(config_http_cache, member)

static const struct schema_field route_fields[] = {
	{"key", SCHEMA_MAP, 0, AT(key), .map = &key_map,
		.help = "Which requests share a response."},
	{"default_ttl", SCHEMA_DURATION, 0, AT(default_ttl_ns), .min = 0, .max = Y, .dflt = "0s",
		.help = "Lifetime of responses that say nothing about it (RFC 9111 4.2.2)."},
	{"override_ttl", SCHEMA_DURATION, 0, AT(override_ttl_ns), .min = 0, .max = Y, .dflt = "0s",
		.help = "Lifetime whatever the response says; 0: as it says."},
	{"override_no_store", SCHEMA_BOOL, 0, AT(override_no_store), .dflt = "false",
		.help = "With `override_ttl`: also what says no-store, no-cache or private. Only "
			"for what is the same for everybody."},
	{"heuristic_percent", SCHEMA_PERCENT, 0, AT(heuristic_percent), .min = 0, .max = 100,
		.dflt = "10%",
		.help = "Without another hint: share of the time since Last-Modified."},
	{"heuristic_max", SCHEMA_DURATION, 0, AT(heuristic_max_ns), .min = 0, .max = Y,
		.dflt = "24h", .help = "Bound of a lifetime found so."},
	{"grace", SCHEMA_DURATION, 0, AT(grace_ns), .min = 0, .max = Y, .dflt = "0s",
		.help = "A response that has been stale for less is sent and refreshed in the "
			"background, where its origin has said nothing else "
			"(stale-while-revalidate, RFC 5861)."},
	{"stale_if_error", SCHEMA_DURATION, 0, AT(stale_if_error_ns), .min = 0, .max = Y,
		.dflt = "0s",
		.help = "A response that has been stale for less is sent if the upstream fails, "
			"where its origin has said nothing else."},
	{"keep", SCHEMA_DURATION, 0, AT(keep_ns), .min = 0, .max = Y, .dflt = "1h",
		.help = "How long a stale response is kept that can be validated, or that clients "
			"may accept stale."},
	{"pass_ttl", SCHEMA_DURATION, 0, AT(pass_ns), .min = 0, .max = H, .dflt = "10s",
		.help = "How long a key is remembered as one whose responses cannot be stored, so "
			"that requests for it do not wait for each other."},
	{"error_ttl", SCHEMA_DURATION, 0, AT(error_ns), .min = 0, .max = H, .dflt = "1s",
		.help = "How long requests share the error of a fetch that failed."},
	{"max_size", SCHEMA_SIZE, 0, AT(max_bytes), .min = 0, .max = UINT64_C(1) << 40, .dflt = "0",
		.help = "Larger responses are not stored; 0: no bound."},
	{"ranges", SCHEMA_ENUM, 0, AT(ranges), .dflt = "whole", .words = range_words,
		.help = "What a request for a part of a response (Range) fetches if it is not "
			"there."},
	{"slice", SCHEMA_SIZE, 0, AT(slice_bytes), .min = 64 << 10, .max = 16 << 20, .dflt = "1MiB",
		.help = "Size of slices, a power of two (else the next smaller one), in which "
			"missing parts of responses are fetched."},
	{"ignore_client_directives", SCHEMA_BOOL, 0, AT(ignore_client), .dflt = "false",
		.help = "Clients cannot ask for validation, as a browser's reload does."},
	{"bypass_cookies", SCHEMA_STRING, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_http_cache, bypass_cookies, bypass_cookie_cnt), .max_cnt = 64,
		.help = "Requests with one of these cookies pass by the cache."},
	{"targeted_fields", SCHEMA_NAME, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_http_cache, targets, target_cnt), .max_cnt = 4,
		.dflt_doc = "cdn-cache-control",
		.help = "Fields that decide in place of Cache-Control, the first that is there "
			"(RFC 9213)."},
	{"status", SCHEMA_BOOL, 0, AT(status), .dflt = "true",
		.help = "Answers say in Cache-Status (RFC 9211) what the cache did."},
	{"name", SCHEMA_NAME, 0, AT(name), .dflt = "weir", .help = "Name in Cache-Status."},
	{"purge_token", SCHEMA_STRING, 0, AT(purge_token), .dflt = "\"\"",
		.help = "Requests with method PURGE and this value in the field Purge-Token remove "
			"their URL, or with Surrogate-Key what bears those tags; empty: PURGE is "
			"no method of the cache."},
};

const struct schema_map schema_route_cache = {
	.name = "route cache",
	.help = "Responses are kept and answer later requests (RFC 9111). `cache: {}` goes by what "
		"responses say.",
	FIELDS(route_fields),
	.size = sizeof(struct config_http_cache),
	.mark_offset = offsetof(struct config_http_cache, mark),
};
