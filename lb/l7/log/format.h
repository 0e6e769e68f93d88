/* SPDX-License-Identifier: Apache-2.0
 * format - what a line of the access log looks like, compiled from the configuration.
 * Owner:      control compiles and frees; any thread writes lines with it.
 * Invariants: LF1 a line is one line: controls and bytes that are not ASCII are escaped, as
 *             \u00XX in JSON (a byte is a character of Latin-1), as \xXX in other formats. LF2 a
 *             line of JSON is a valid object, whatever a client sent and however long it is. LF3
 *             what a request does not have is left out of JSON, and is "-" elsewhere.
 * Units:      ns; wall times since 1970 UTC.
 * Errors:     -EINVAL with the reason in `why`, -ENOMEM.
 * Limits:     LOG_LINE_CAP bytes of a line, LOG_VALUE_MAX of a value; what is longer is cut.
 * Cost:       one pass over what is written; no allocation, lock or system call. */
#ifndef LB_L7_LOG_FORMAT_H
#define LB_L7_LOG_FORMAT_H

#include "lb/config/config_log.h"
#include "lb/l7/http/stream.h"

#define LOG_FORMAT_WHY 160
#define LOG_LINE_CAP   16384
#define LOG_VALUE_MAX  2048

struct log_format;

int log_format_compile(
	const struct config_access_log *conf, struct log_format **out, char *why) WARN_UNUSED;
void log_format_free(struct log_format *f); /* NULL is fine */

/* What a stream does not know itself. */
struct log_moment {
	uint64_t wall_ns; /* at the stream's end */
	struct span listener, site;
};

/* Writes a line with its end into `out` (LOG_LINE_CAP bytes); returns its length. */
uint32_t log_format_line(
	const struct log_format *f, struct http_stream *s, const struct log_moment *m, char *out);

#endif
