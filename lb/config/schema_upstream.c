/* SPDX-License-Identifier: Apache-2.0
 * Section `upstreams`. */
#include "lb/config/config_upstream.h"
#include "lb/config/expand.h"
#include "lb/config/schema.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)
#define H  (3600 * S)

#define FIELDS(array) .fields = array, .field_cnt = ARRAY_SIZE(array)
#define BIT(value)    (1u << (value))

static const struct schema_field backend_fields[] = {
	{"address", SCHEMA_CUSTOM, 0, SCHEMA_AT(config_backend, addr), .custom = &custom_server,
		.dflt_doc = "`host` or this is **required**",
		.help = "Address or host name, or one of them and a port. A name is asked for "
			"again by its TTL, as `resolver` says, and each of its addresses is a "
			"backend of this weight."},
	{"host", SCHEMA_CUSTOM, SCHEMA_SHORT, SCHEMA_AT(config_backend, host),
		.custom = &custom_host, .help = "A host name, in place of `address`."},
	{"port", SCHEMA_UINT, 0, SCHEMA_AT(config_backend, port), .min = 1, .max = UINT16_MAX,
		.dflt = "80", .help = "Port."},
	{"weight", SCHEMA_UINT, 0, SCHEMA_AT(config_backend, weight), .min = 0, .max = LIMIT_WEIGHT,
		.dflt = "1", .help = "Share of requests; 0: drain."},
	{"drain", SCHEMA_BOOL, 0, SCHEMA_AT(config_backend, drain), .dflt = "false",
		.help = "Take no new requests but those that a sticky cookie binds to it."},
};

static const struct schema_map backend_map = {
	.name = "upstream backend",
	.help = "A server. `192.0.2.7:8080` stands for `{address: 192.0.2.7, port: 8080}`.",
	FIELDS(backend_fields),
	.size = sizeof(struct config_backend),
	.mark_offset = offsetof(struct config_backend, mark),
	.scalar_key = "address",
};

static const struct schema_enum balance_words[] = {
	{"wrr", UPSTREAM_WRR, "weighted round robin"},
	{"least_requests", UPSTREAM_LEAST_REQUESTS,
		"of two drawn by weight, the one with fewer requests under way"},
	{"maglev", UPSTREAM_MAGLEV, "consistent hash of `key`"},
	{"bounded_hash", UPSTREAM_BOUNDED_HASH,
		"consistent hash of `key`, passing over backends whose load is above `bound`"},
	{"ewma", UPSTREAM_EWMA,
		"of two drawn by weight, the one that answers sooner, by a moving "
		"average of its latency times its requests under way"},
	{NULL, 0, NULL},
};

static const struct schema_enum key_words[] = {
	{"client", UPSTREAM_KEY_CLIENT, "the client's address"},
	{"header", UPSTREAM_KEY_HEADER, "value of the field `key_name`"},
	{"cookie", UPSTREAM_KEY_COOKIE, "value of the cookie `key_name`"},
	{"path", UPSTREAM_KEY_PATH, "the path, without the query"},
	{NULL, 0, NULL},
};

static const struct schema_field limit_fields[] = {
	{"connections", SCHEMA_COUNT, 0, SCHEMA_AT(config_upstream_limits, connections), .min = 0,
		.max = 1 << 24, .dflt = "0",
		.help = "Connections to one backend; 0: no limit. Shared out evenly between the "
			"workers, each has at least one."},
	{"requests", SCHEMA_COUNT, 0, SCHEMA_AT(config_upstream_limits, requests), .min = 0,
		.max = 1 << 24, .dflt = "0",
		.help = "Requests under way in the pool, each worker's share of them; more are "
			"answered with 503. 0: no limit."},
	{"pending", SCHEMA_COUNT, 0, SCHEMA_AT(config_upstream_limits, pending), .min = 0,
		.max = 1 << 20, .dflt = "1024",
		.help = "Requests of a worker that wait for a connection; more are answered with "
			"503."},
	{"queue_timeout", SCHEMA_DURATION, 0, SCHEMA_AT(config_upstream_limits, queue_timeout_ns),
		.min = 10 * MS, .max = H, .dflt = "5s",
		.help = "How long a request waits for a connection; then it is answered with "
			"503."},
};

static const struct schema_map limit_map = {
	.name = "upstream limits",
	.help = "Bounds of a pool.",
	FIELDS(limit_fields),
};

static const struct schema_field keepalive_fields[] = {
	{"connections", SCHEMA_COUNT, 0, SCHEMA_AT(config_upstream_keepalive, idle_connections),
		.min = 0, .max = 1 << 20, .dflt = "256",
		.help = "Idle connections to one backend that each worker keeps; 0: none is kept."},
	{"idle", SCHEMA_DURATION, 0, SCHEMA_AT(config_upstream_keepalive, idle_timeout_ns),
		.min = 10 * MS, .max = 24 * H, .dflt = "60s",
		.help = "How long the backends themselves keep an idle connection. It is closed "
			"`margin` before."},
	{"margin", SCHEMA_DURATION, 0, SCHEMA_AT(config_upstream_keepalive, margin_ns), .min = 0,
		.max = H, .dflt = "1s",
		.help = "So long before a backend may close an idle connection, no request is "
			"sent on it any more."},
	{"requests", SCHEMA_COUNT, 0, SCHEMA_AT(config_upstream_keepalive, requests), .min = 0,
		.max = 1 << 30, .dflt = "0",
		.help = "Requests after which a connection is closed; 0: no bound."},
};

static const struct schema_map keepalive_map = {
	.name = "upstream keep-alive",
	.help = "Connections that wait for their next request.",
	FIELDS(keepalive_fields),
};

static const struct schema_field retry_fields[] = {
	{"budget", SCHEMA_PERCENT, 0, SCHEMA_AT(config_upstream_retry, budget_pct), .min = 0,
		.max = 100, .dflt = "20%",
		.help = "Retries as a share of all requests of the pool, so that a failing pool is "
			"not hit harder; a few are always allowed."},
	{"hedge", SCHEMA_DURATION, 0, SCHEMA_AT(config_upstream_retry, hedge_ns), .min = 0,
		.max = 300 * S, .dflt = "0",
		.help = "If no response began by then, the request is sent to a second backend as "
			"well and the first response is taken. Only safe methods without a body; "
			"counts against the budget. 0: never."},
};

static const struct schema_map retry_map = {
	.name = "upstream retries",
	.help = "What bounds the retries of all routes to this pool, and hedging.",
	FIELDS(retry_fields),
};

static const struct schema_field outlier_fields[] = {
	{"failures", SCHEMA_UINT, 0, SCHEMA_AT(config_upstream_outlier, failures), .min = 0,
		.max = 1000000, .dflt = "5",
		.help = "Failures in a row (no connection, no response, 5xx) that eject a backend; "
			"0: "
			"none does."},
	{"error_rate", SCHEMA_PERCENT, 0, SCHEMA_AT(config_upstream_outlier, error_pct), .min = 0,
		.max = 100, .dflt = "0%",
		.help = "Share of failures in a window that ejects a backend; 0: none does."},
	{"window", SCHEMA_DURATION, 0, SCHEMA_AT(config_upstream_outlier, window_ns),
		.min = 100 * MS, .max = H, .dflt = "10s", .help = "Length of a window."},
	{"window_requests", SCHEMA_UINT, 0, SCHEMA_AT(config_upstream_outlier, window_requests),
		.min = 1, .max = 1000000, .dflt = "20",
		.help = "A window with fewer requests says nothing."},
	{"ejection", SCHEMA_DURATION, 0, SCHEMA_AT(config_upstream_outlier, eject_ns),
		.min = 100 * MS, .max = 24 * H, .dflt = "10s",
		.help = "How long a backend gets no requests; the n-th time in a row n times as "
			"long."},
	{"ejection_max", SCHEMA_DURATION, 0, SCHEMA_AT(config_upstream_outlier, eject_max_ns),
		.min = 100 * MS, .max = 24 * H, .dflt = "5m", .help = "But at most so long."},
	{"max_ejected", SCHEMA_PERCENT, 0, SCHEMA_AT(config_upstream_outlier, max_ejected_pct),
		.min = 0, .max = 100, .dflt = "50%",
		.help = "Share of the backends that may be ejected at one time; one always may, if "
			"there is another."},
};

static const struct schema_map outlier_map = {
	.name = "outliers",
	.help = "Backends whose responses are failures get no requests for a while. Each worker "
		"judges by what it sees.",
	FIELDS(outlier_fields),
};

static const struct schema_field upstream_fields[] = {
	{"backends", SCHEMA_MAP, SCHEMA_LIST | SCHEMA_REQUIRED,
		SCHEMA_LIST_AT(config_upstream, backends, backend_cnt),
		.max_cnt = LIMIT_SERVICE_BACKENDS, .map = &backend_map, .help = "Servers."},
	{"balance", SCHEMA_ENUM, 0, SCHEMA_AT(config_upstream, balance), .dflt = "wrr",
		.words = balance_words, .help = "How a request finds its backend."},
	{"key", SCHEMA_ENUM, 0, SCHEMA_AT(config_upstream, key), .dflt = "client",
		.words = key_words, .help = "What the hashes of `balance` are of."},
	{"key_name", SCHEMA_STRING, 0, SCHEMA_AT(config_upstream, key_name), .dflt = "",
		.help = "Name of the field or cookie of `key`; a request without it is hashed by "
			"the client's address."},
	{"bound", SCHEMA_PERCENT, 0, SCHEMA_AT(config_upstream, bound_pct), .min = 100, .max = 1000,
		.dflt = "125%",
		.help = "bounded_hash: most load of a backend, in parts of the average."},
	{"sticky_cookie", SCHEMA_STRING, 0, SCHEMA_AT(config_upstream, sticky_cookie), .dflt = "",
		.help = "Name of a cookie that binds a client to its backend; empty: none is set."},
	{"slow_start", SCHEMA_DURATION, 0, SCHEMA_AT(config_upstream, slow_start_ns), .min = 0,
		.max = H, .dflt = "0",
		.help = "A backend that came up gets its share by and by, over so long."},
	{"connect_timeout", SCHEMA_DURATION, 0, SCHEMA_AT(config_upstream, connect_timeout_ns),
		.min = 10 * MS, .max = 300 * S, .dflt = "3s",
		.help = "A backend that takes no connection for so long counts as failed."},
	{"max_response_head", SCHEMA_SIZE, 0, SCHEMA_AT(config_upstream, head_max), .min = 1024,
		.max = 30 << 10, .dflt = "16KiB",
		.help = "A longer head of a response is answered with 502."},
	{"limits", SCHEMA_MAP, 0, SCHEMA_AT(config_upstream, limits), .map = &limit_map,
		.help = "Bounds of the pool."},
	{"keepalive", SCHEMA_MAP, 0, SCHEMA_AT(config_upstream, keepalive), .map = &keepalive_map,
		.help = "Connections between requests."},
	{"retry", SCHEMA_MAP, 0, SCHEMA_AT(config_upstream, retry), .map = &retry_map,
		.help = "Bound of retries, and hedging."},
	{"outliers", SCHEMA_MAP, 0, SCHEMA_AT(config_upstream, outlier), .map = &outlier_map,
		.help = "Backends that fail."},
	{"local_addresses", SCHEMA_ADDR, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_upstream, local_addrs, local_addr_cnt),
		.max_cnt = LIMIT_LOCAL_ADDRS,
		.dflt_doc = "address of the port that leads to the backend",
		.help = "Source addresses towards the backends, used in turn; those that no port "
			"has must be routed to this machine."},
	{"tls", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(config_upstream, tls),
		.map = &schema_tls_client,
		.help = "Speak TLS with the backends; not given: no TLS."},
	{"health", SCHEMA_MAP, 0, SCHEMA_AT(config_upstream, health), .map = &schema_health,
		.help = "Probes of the backends."},
};

const struct schema_map schema_upstream = {
	.name = "upstream",
	.help = "A pool of HTTP servers that routes send requests to.",
	FIELDS(upstream_fields),
	.size = sizeof(struct config_upstream),
	.mark_offset = offsetof(struct config_upstream, mark),
	.name_offset = offsetof(struct config_upstream, name),
};
