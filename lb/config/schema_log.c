/* SPDX-License-Identifier: Apache-2.0
 * The section `access_log`. */
#include "lb/config/check.h"
#include "lb/config/config_log.h"
#include "lb/config/schema.h"
#include "lb/l7/log/format.h"

static const struct schema_enum field_words[] = {
#define F(id, name, type, help) {name, ACCESS_LOG_##id, help},
	ACCESS_LOG_FIELDS(F)
#undef F
		{NULL, 0, NULL},
};

static const struct schema_field log_fields[] = {
	{"path", SCHEMA_STRING, SCHEMA_REQUIRED, SCHEMA_AT(config_access_log, path),
		.help = "File that lines are appended to, or `stdout` or `stderr`. After SIGUSR1 "
			"it is "
			"opened anew, for who rotates it."},
	{"format", SCHEMA_STRING, 0, SCHEMA_AT(config_access_log, format), .dflt = "json",
		.help = "`json`: an object a line. `combined`: the format of other servers. Else a "
			"text with `${name}` of the names under `fields`, `${request_header.NAME}` "
			"and "
			"`${response_header.NAME}`; `$$` is a dollar sign. What is not there is "
			"`-`."},
	{"fields", SCHEMA_ENUM, SCHEMA_LIST, SCHEMA_LIST_AT(config_access_log, fields, field_cnt),
		.max_cnt = LIMIT_LOG_FIELDS, .words = field_words,
		.dflt_doc = ACCESS_LOG_DEFAULT_FIELDS,
		.help = "What a line of `json` holds, in this order. What a request does not have "
			"is "
			"left out."},
	{"request_headers", SCHEMA_NAME, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_access_log, request_headers, request_header_cnt),
		.max_cnt = LIMIT_LOG_HEADERS,
		.help = "Fields of the request that a line of `json` also holds, as "
			"`request_header.NAME`."},
	{"response_headers", SCHEMA_NAME, SCHEMA_LIST,
		SCHEMA_LIST_AT(config_access_log, response_headers, response_header_cnt),
		.max_cnt = LIMIT_LOG_HEADERS, .help = "The same of the response."},
	{"buffer", SCHEMA_SIZE, 0, SCHEMA_AT(config_access_log, buffer_bytes), .min = 256 << 10,
		.max = UINT64_C(1) << 30, .dflt = "4MiB",
		.help = "Lines of each worker that wait for the disk. When it is full, lines are "
			"dropped and counted; no request ever waits."},
	{"flush", SCHEMA_DURATION, 0, SCHEMA_AT(config_access_log, flush_ns),
		.min = UINT64_C(10000000), .max = UINT64_C(60000000000), .dflt = "200ms",
		.help = "A line waits no longer than this before it is written."},
};

const struct schema_map schema_access_log = {
	.name = "access log",
	.help = "One line for each HTTP request, written by a thread of its own.",
	.fields = log_fields,
	.field_cnt = ARRAY_SIZE(log_fields),
	.size = sizeof(struct config_access_log),
	.mark_offset = offsetof(struct config_access_log, mark),
};

void check_access_log(struct check *c)
{
	const struct config_value *v = schema_value(c->root, "access_log");
	const struct config_access_log *l = c->cfg->access_log;
	struct log_format *f;
	char why[LOG_FORMAT_WHY];
	struct config_tree *t;

	if (l == NULL || v->item_cnt == 0)
		return;
	t = v->maps[0];
	if (schema_value(t, "format")->bad)
		return;
	if (log_format_compile(l, &f, why) != 0)
		diag_error(c->diag, schema_mark(t, "format"), "format: %s", why);
	else
		log_format_free(f);
}
