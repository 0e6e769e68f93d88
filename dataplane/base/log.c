/* SPDX-License-Identifier: Apache-2.0
 * A line is built in a stack buffer and written by one write(2), so lines of several threads never
 * mix. In JSON mode the key=value fields are split again: one place decides the outer form and the
 * call sites stay readable. */
#include "dataplane/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static _Atomic int current_level = LOG_INFO;
static _Atomic bool json_lines;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_set_level(enum log_level level)
{
	atomic_store_explicit(&current_level, level, memory_order_relaxed);
}

const char *log_level_name(void)
{
	return level_names[atomic_load_explicit(&current_level, memory_order_relaxed)];
}

void log_set_json(bool json)
{
	atomic_store_explicit(&json_lines, json, memory_order_relaxed);
}

int log_level_parse(const char *text, enum log_level *out)
{
	for (unsigned i = 0; i < ARRAY_SIZE(level_names); i++)
		if (strcmp(text, level_names[i]) == 0) {
			*out = (enum log_level)i;
			return 0;
		}
	return -EINVAL;
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&current_level, memory_order_relaxed);
}

const char *log_quote(const char *text, char *out, size_t out_len)
{
	size_t n = 0;

	if (out_len < 3) {
		if (out_len > 0)
			out[0] = '\0';
		return out;
	}
	out[n++] = '"';
	for (; *text != '\0' && n + 4 < out_len; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			out[n++] = '\\';
		out[n++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	out[n++] = '"';
	out[n] = '\0';
	return out;
}

struct line {
	char buf[LOG_LINE_MAX];
	size_t len;
};

static void line_put(struct line *l, const char *s, size_t n)
{
	if (n > sizeof(l->buf) - 1 - l->len)
		n = sizeof(l->buf) - 1 - l->len;
	memcpy(l->buf + l->len, s, n);
	l->len += n;
}

static void line_str(struct line *l, const char *s)
{
	line_put(l, s, strlen(s));
}

/* End of the value that starts at s: a quoted string, or up to the next space. */
static const char *value_end(const char *s)
{
	if (*s != '"')
		return s + strcspn(s, " ");
	for (s++; *s != '\0' && *s != '"'; s++)
		if (*s == '\\' && s[1] != '\0')
			s++;
	return *s == '"' ? s + 1 : s;
}

static bool is_number(const char *s, size_t n)
{
	size_t i = n > 1 && s[0] == '-' ? 1 : 0;

	if (n == 0 || n > 18 || (s[i] == '0' && n > i + 1))
		return false;
	for (; i < n; i++)
		if (s[i] < '0' || s[i] > '9')
			return false;
	return true;
}

/* The n bytes of s, quotes around them or not, as a JSON string. */
static void line_json_string(struct line *l, const char *s, size_t n)
{
	bool quoted = n > 0 && s[0] == '"';
	const char *end = s + n;

	if (quoted) {
		s++;
		if (end > s && end[-1] == '"')
			end--;
	}
	line_str(l, "\"");
	for (; s < end; s++) {
		if (quoted && *s == '\\' && s + 1 < end && (s[1] == '"' || s[1] == '\\'))
			s++;
		if (*s == '"' || *s == '\\')
			line_str(l, "\\");
		line_put(l, (unsigned char)*s < 0x20 ? "?" : s, 1);
	}
	line_str(l, "\"");
}

/* A field that does not fit whole, with the closing brace behind it, is left out: a line that was
 * cut must still parse. */
static void fields_to_json(struct line *l, const char *s)
{
	while (*s != '\0') {
		size_t key = strcspn(s, "= "), before = l->len;
		const char *val = s + key + 1, *end;

		if (s[key] != '=')
			return;
		end = value_end(val);
		line_str(l, ",\"");
		line_put(l, s, key);
		line_str(l, "\":");
		if (is_number(val, (size_t)(end - val)))
			line_put(l, val, (size_t)(end - val));
		else
			line_json_string(l, val, (size_t)(end - val));
		if (l->len + 1 >= sizeof(l->buf) - 1) {
			l->len = before;
			return;
		}
		s = *end == ' ' ? end + 1 : end;
	}
}

/* True if this line may go out; *left_out then holds what was suppressed before it. */
static bool site_admits(struct log_site *site, uint64_t second, uint32_t *left_out)
{
	uint64_t seen = atomic_load_explicit(&site->window, memory_order_relaxed);

	*left_out = 0;
	if (seen != second && atomic_compare_exchange_strong_explicit(&site->window, &seen, second,
				      memory_order_relaxed, memory_order_relaxed)) {
		atomic_store_explicit(&site->lines, 0, memory_order_relaxed);
		*left_out = atomic_exchange_explicit(&site->left_out, 0, memory_order_relaxed);
	}
	if (atomic_fetch_add_explicit(&site->lines, 1, memory_order_relaxed) < LOG_RATE)
		return true;
	atomic_fetch_add_explicit(&site->left_out, 1, memory_order_relaxed);
	return false;
}

void log_emit(struct log_site *site, enum log_level level, const char *event, const char *fmt, ...)
{
	char fields[LOG_LINE_MAX], stamp[64];
	struct timespec ts;
	struct tm tm;
	struct line l = {.len = 0};
	uint32_t left_out;
	va_list ap;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (!site_admits(site, (uint64_t)ts.tv_sec, &left_out))
		return;
	va_start(ap, fmt);
	vsnprintf(fields, sizeof(fields), fmt, ap);
	va_end(ap);
	gmtime_r(&ts.tv_sec, &tm);
	snprintf(stamp, sizeof(stamp), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", tm.tm_year + 1900,
		tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, ts.tv_nsec / 1000000);
	if (left_out > 0) {
		size_t n = strlen(fields);

		snprintf(fields + n, sizeof(fields) - n, "%sleft_out=%u", n > 0 ? " " : "",
			left_out);
	}
	if (atomic_load_explicit(&json_lines, memory_order_relaxed)) {
		line_str(&l, "{\"time\":\"");
		line_str(&l, stamp);
		line_str(&l, "\",\"level\":\"");
		line_str(&l, level_names[level]);
		line_str(&l, "\",\"msg\":\"");
		line_str(&l, event);
		line_str(&l, "\"");
		fields_to_json(&l, fields);
		line_str(&l, "}");
	} else {
		line_str(&l, "time=");
		line_str(&l, stamp);
		line_str(&l, " level=");
		line_str(&l, level_names[level]);
		line_str(&l, " msg=\"");
		line_str(&l, event);
		line_str(&l, "\"");
		if (fields[0] != '\0') {
			line_str(&l, " ");
			line_str(&l, fields);
		}
	}
	l.buf[l.len++] = '\n';
	if (write(STDERR_FILENO, l.buf, l.len) < 0)
		return; /* nobody reads: nothing sensible is left to do */
}
