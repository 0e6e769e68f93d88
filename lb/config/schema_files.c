/* SPDX-License-Identifier: Apache-2.0
 * `files` of a route. */
#include "lb/config/config_files.h"
#include "lb/config/schema.h"

static const struct schema_enum coding_words[] = {
	{"br", FILES_BR, "NAME.br"},
	{"zstd", FILES_ZSTD, "NAME.zst"},
	{"gzip", FILES_GZIP, "NAME.gz"},
	{NULL, 0, NULL},
};

static const struct schema_field files_fields[] = {
	{"root", SCHEMA_STRING, SCHEMA_REQUIRED, SCHEMA_AT(config_http_files, root),
		.help = "The folder, from `/` on. The path of the request, as `rewrite` leaves it, "
			"is "
			"looked for below; nothing outside is ever served."},
	{"index", SCHEMA_NAME, SCHEMA_LIST, SCHEMA_LIST_AT(config_http_files, index, index_cnt),
		.max_cnt = LIMIT_FILES_INDEX, .dflt_doc = "index.html",
		.help = "Names that stand for a folder, the first that exists; folders are not "
			"listed."},
	{"precompressed", SCHEMA_ENUM, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_http_files, precompressed, precompressed_cnt),
		.max_cnt = FILES_CODING_CNT, .words = coding_words,
		.help = "Codings that are sent to who accepts them, if a file of that name stands "
			"beside."},
	{"cache_control", SCHEMA_STRING, 0, SCHEMA_AT(config_http_files, cache_control),
		.dflt = "\"\"", .help = "Field Cache-Control of answers; empty: none."},
	{"type", SCHEMA_STRING, 0, SCHEMA_AT(config_http_files, type),
		.dflt = "application/octet-stream",
		.help = "Content-Type of files whose name's ending is not known."},
	{"cache", SCHEMA_SIZE, 0, SCHEMA_AT(config_http_files, cache_bytes), .min = 64 << 10,
		.max = UINT64_C(1) << 40, .dflt = "64MiB",
		.help = "Memory of each worker for files up to 256 KiB; larger ones are read as "
			"they "
			"are sent."},
	{"check", SCHEMA_DURATION, 0, SCHEMA_AT(config_http_files, check_ns), .min = 0,
		.max = UINT64_C(86400000000000), .dflt = "1s",
		.help = "After this time a file is looked at again before it is served."},
	{"hidden", SCHEMA_BOOL, 0, SCHEMA_AT(config_http_files, hidden), .dflt = "false",
		.help = "Serve names that begin with a dot, `.well-known` aside, which always is."},
	{"symlinks", SCHEMA_BOOL, 0, SCHEMA_AT(config_http_files, symlinks), .dflt = "false",
		.help = "Follow symbolic links that stay below the root."},
};

const struct schema_map schema_http_files = {
	.name = "files",
	.help = "Files of a folder. `files: /srv/www` stands for `files: {root: /srv/www}`.",
	.fields = files_fields,
	.field_cnt = ARRAY_SIZE(files_fields),
	.size = sizeof(struct config_http_files),
	.mark_offset = offsetof(struct config_http_files, mark),
	.scalar_key = "root",
};
