/* SPDX-License-Identifier: Apache-2.0
 * `compress` among policies. */
#include "lb/config/config_compress.h"
#include "lb/config/schema.h"

static const struct schema_enum coding_words[] = {
	{"br", FILES_BR, "Brotli"},
	{"zstd", FILES_ZSTD, "Zstandard"},
	{"gzip", FILES_GZIP, "gzip"},
	{NULL, 0, NULL},
};

static const struct schema_field compress_fields[] = {
	{"codings", SCHEMA_ENUM, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_policy_compress, codings, coding_cnt),
		.max_cnt = FILES_CODING_CNT, .words = coding_words, .dflt_doc = "all",
		.help = "Codings that may be sent. Of those that a client likes equally well, the "
			"first of "
			"br, zstd, gzip is taken."},
	{"types", SCHEMA_STRING, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_policy_compress, types, type_cnt),
		.max_cnt = LIMIT_COMPRESS_TYPES,
		.dflt_doc = "text/* but text/event-stream, JSON, JavaScript, XML, SVG, "
			    "WebAssembly, fonts "
			    "that are not compressed",
		.help = "Media types that are worth it: `type/subtype` or `type/*`."},
	{"min", SCHEMA_SIZE, 0, SCHEMA_AT(config_policy_compress, min_bytes), .min = 0,
		.max = UINT64_C(1) << 30, .dflt = "1KiB",
		.help = "Bodies that are known to be smaller go as they are."},
	{"gzip_level", SCHEMA_UINT, 0, SCHEMA_AT(config_policy_compress, gzip_level), .min = 1,
		.max = 9, .dflt = "4", .help = "Effort of gzip."},
	{"br_level", SCHEMA_UINT, 0, SCHEMA_AT(config_policy_compress, br_level), .min = 0,
		.max = 9, .dflt = "3", .help = "Effort of br."},
	{"zstd_level", SCHEMA_UINT, 0, SCHEMA_AT(config_policy_compress, zstd_level), .min = 1,
		.max = 9, .dflt = "2", .help = "Effort of zstd."},
	{"streams", SCHEMA_COUNT, 0, SCHEMA_AT(config_policy_compress, streams), .min = 1,
		.max = 65536, .dflt = "256",
		.help = "Bodies that each worker compresses at one time; more go as they are. Each "
			"takes "
			"up to about 1 MiB of memory."},
};

const struct schema_map schema_compress = {
	.name = "compress",
	.help = "Responses are compressed for clients that accept it, unless the backend did so, "
		"or says "
		"`no-transform`.",
	.fields = compress_fields,
	.field_cnt = ARRAY_SIZE(compress_fields),
	.size = sizeof(struct config_policy_compress),
	.mark_offset = offsetof(struct config_policy_compress, mark),
};
