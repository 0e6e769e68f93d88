/* SPDX-License-Identifier: Apache-2.0
 * `kv` of a route. */
#include "lb/config/config_kv.h"
#include "lb/config/schema.h"

static const struct schema_field kv_fields[] = {
	{"namespaces", SCHEMA_NAME, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_http_kv, namespaces, namespace_cnt),
		.max_cnt = LIMIT_STORE_NS, .dflt_doc = "all of the store",
		.help = "Namespaces of the store that are served."},
	{"max_value", SCHEMA_SIZE, 0, SCHEMA_AT(config_http_kv, max_value), .min = 1,
		.max = 4 << 20, .dflt = "1MiB", .help = "Longest value that is taken."},
	{"list_max", SCHEMA_UINT, 0, SCHEMA_AT(config_http_kv, list_max), .min = 1, .max = 10000,
		.dflt = "1000", .help = "Most keys of one listing."},
	{"read_only", SCHEMA_BOOL, 0, SCHEMA_AT(config_http_kv, read_only), .dflt = "false",
		.help = "Refuse everything but GET and HEAD."},
};

const struct schema_map schema_http_kv = {
	.name = "kv",
	.help = "The store over HTTP: GET, HEAD, PUT, DELETE and PATCH of NAMESPACE/KEY below the "
		"route's prefix, listings and batches of a NAMESPACE.",
	.fields = kv_fields,
	.field_cnt = ARRAY_SIZE(kv_fields),
	.size = sizeof(struct config_http_kv),
	.mark_offset = offsetof(struct config_http_kv, mark),
};
