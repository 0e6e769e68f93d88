/* SPDX-License-Identifier: Apache-2.0
 * log - structured lines on stderr: key=value, or one JSON object a line.
 * Owner:   process-wide settings, set once at start (the level also later).
 * Limits:  a line is cut at LOG_LINE_MAX bytes; each call site is limited to LOG_RATE lines a
 * second and says how many were left out. Safe from any thread: one write(2) per line. Never on the
 * path of a packet: a worker logs only what happens rarely, through LOG_* too. */
#ifndef DATAPLANE_BASE_LOG_H
#define DATAPLANE_BASE_LOG_H

#include <stdatomic.h>

#include "dataplane/base/compiler.h"

#define LOG_LINE_MAX 1024
#define LOG_RATE     20

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

struct log_site {
	_Atomic uint64_t window; /* second since start */
	_Atomic uint32_t lines, left_out;
};

void log_set_level(enum log_level level);
const char *log_level_name(void); /* of the level in force */
void log_set_json(bool json);
/* Parses "error", "warn", "info" or "debug"; -EINVAL otherwise. */
int log_level_parse(const char *text, enum log_level *out) WARN_UNUSED;
bool log_enabled(enum log_level level);

/* `event` is a short constant sentence. `fmt` makes the fields as space-separated key=value; a
 * value with spaces stands in double quotes, inner quotes escaped by log_quote(). */
void log_emit(struct log_site *site, enum log_level level, const char *event, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* Writes text into out as a quoted, escaped value; always ends with NUL. Returns out. */
const char *log_quote(const char *text, char *out, size_t out_len);

#define LOG_AT(level, event, ...)                                        \
	do {                                                             \
		static struct log_site log_site_;                        \
		if (log_enabled(level))                                  \
			log_emit(&log_site_, level, event, __VA_ARGS__); \
	} while (0)

#define LOG_ERR(event, ...) LOG_AT(LOG_ERROR, event, __VA_ARGS__)
#define LOG_WRN(event, ...) LOG_AT(LOG_WARN, event, __VA_ARGS__)
#define LOG_INF(event, ...) LOG_AT(LOG_INFO, event, __VA_ARGS__)
#define LOG_DBG(event, ...) LOG_AT(LOG_DEBUG, event, __VA_ARGS__)

#endif
