/* SPDX-License-Identifier: Apache-2.0
 * From a request's path to a file's name, and from the name to its type. */
#include <string.h>
#include <strings.h>

#include "lb/l7/files/files.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One segment of a name: not empty (but at the end), no "." or "..", hidden only if allowed. */
static bool segment_ok(const char *at, uint32_t len, bool last, bool hidden)
{
	if (len == 0)
		return last;
	if (at[0] != '.')
		return true;
	if (len == 1 || (len == 2 && at[1] == '.'))
		return false;
	return hidden || (len == 11 && memcmp(at, ".well-known", 11) == 0);
}

static bool segments_ok(const char *name, uint32_t len, bool hidden)
{
	uint32_t from = 0;

	for (uint32_t i = 0; i <= len; i++) {
		if (i < len && name[i] != '/')
			continue;
		if (!segment_ok(name + from, i - from, i == len, hidden))
			return false;
		from = i + 1;
	}
	return true;
}

int files_name_of(struct span path, bool hidden, char *out, uint32_t cap)
{
	uint32_t n = 0;

	if (path.len == 0 || path.at[0] != '/')
		return -1;
	for (uint32_t i = 1; i < path.len; i++) {
		char c = path.at[i];

		if (c == '%') {
			int a = i + 2 < path.len ? hex(path.at[i + 1]) : -1;
			int b = a >= 0 ? hex(path.at[i + 2]) : -1;

			/* An encoded slash is no separator and cannot be part of a name. */
			if (b < 0 || (c = (char)(a << 4 | b)) == '/')
				return -1;
			i += 2;
		}
		if (c == '\0' || n + 1 >= cap)
			return -1;
		out[n++] = c;
	}
	out[n] = '\0';
	return segments_ok(out, n, hidden) ? (int)n : -1;
}

/* clang-format off */
static const char *const types[][2] = {
	{"html", "text/html; charset=utf-8"}, {"htm", "text/html; charset=utf-8"},
	{"css", "text/css; charset=utf-8"}, {"js", "text/javascript; charset=utf-8"},
	{"mjs", "text/javascript; charset=utf-8"}, {"json", "application/json"},
	{"map", "application/json"}, {"webmanifest", "application/manifest+json"},
	{"xml", "text/xml; charset=utf-8"}, {"txt", "text/plain; charset=utf-8"},
	{"md", "text/markdown; charset=utf-8"}, {"csv", "text/csv; charset=utf-8"},
	{"svg", "image/svg+xml"}, {"png", "image/png"}, {"jpg", "image/jpeg"}, {"jpeg", "image/jpeg"},
	{"gif", "image/gif"}, {"webp", "image/webp"}, {"avif", "image/avif"}, {"ico", "image/x-icon"},
	{"bmp", "image/bmp"}, {"tif", "image/tiff"}, {"tiff", "image/tiff"},
	{"woff", "font/woff"}, {"woff2", "font/woff2"}, {"ttf", "font/ttf"}, {"otf", "font/otf"},
	{"eot", "application/vnd.ms-fontobject"}, {"wasm", "application/wasm"},
	{"pdf", "application/pdf"}, {"zip", "application/zip"}, {"gz", "application/gzip"},
	{"tar", "application/x-tar"}, {"bz2", "application/x-bzip2"}, {"xz", "application/x-xz"},
	{"zst", "application/zstd"}, {"7z", "application/x-7z-compressed"}, {"jar", "application/java-archive"},
	{"mp3", "audio/mpeg"}, {"ogg", "audio/ogg"}, {"opus", "audio/ogg"}, {"flac", "audio/flac"},
	{"wav", "audio/wav"}, {"m4a", "audio/mp4"}, {"aac", "audio/aac"},
	{"mp4", "video/mp4"}, {"m4v", "video/mp4"}, {"webm", "video/webm"}, {"mov", "video/quicktime"},
	{"mkv", "video/x-matroska"}, {"avi", "video/x-msvideo"}, {"ts", "video/mp2t"},
	{"m3u8", "application/vnd.apple.mpegurl"}, {"mpd", "application/dash+xml"},
	{"rss", "application/rss+xml"}, {"atom", "application/atom+xml"}, {"vtt", "text/vtt"},
	{"ics", "text/calendar"}, {"yaml", "application/yaml"}, {"yml", "application/yaml"},
	{"rtf", "application/rtf"}, {"epub", "application/epub+zip"},
	{"doc", "application/msword"}, {"xls", "application/vnd.ms-excel"},
	{"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
	{"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
};
/* clang-format on */

const char *files_type_of(const char *name)
{
	const char *slash = strrchr(name, '/'), *dot;

	if (slash != NULL)
		name = slash + 1;
	dot = strrchr(name, '.');
	if (dot == NULL || dot == name)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcasecmp(dot + 1, types[i][0]) == 0)
			return types[i][1];
	}
	return NULL;
}

/* ---- Accept-Encoding, RFC 9110 12.5.3 ---- */

/* qvalue in thousandths (12.4.2); what is none counts as 0: the member says nothing good. */
static uint32_t weight_of(struct span params)
{
	uint32_t i = 0, q = 0, unit = 100;

	while (i < params.len && (params.at[i] == ' ' || params.at[i] == '\t'))
		i++;
	if (i == params.len)
		return 1000;
	if (params.len - i < 3 || (params.at[i] | 0x20) != 'q' || params.at[i + 1] != '=')
		return 0;
	i += 2;
	if (params.at[i] != '0' && params.at[i] != '1')
		return 0;
	q = params.at[i] == '1' ? 1000 : 0;
	i++;
	if (i == params.len)
		return q;
	if (params.at[i++] != '.')
		return 0;
	for (; i < params.len; i++, unit /= 10) {
		if (params.at[i] < '0' || params.at[i] > '9' || unit == 0)
			return 0;
		q += (uint32_t)(params.at[i] - '0') * unit;
	}
	return q <= 1000 ? q : 0;
}

static struct span trim_end(struct span s)
{
	while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static enum files_coding coding_of(struct span name, bool *any)
{
	*any = span_eq(name, SPAN("*"));
	if (span_caseeq(name, SPAN("br")))
		return FILES_BR;
	if (span_caseeq(name, SPAN("zstd")))
		return FILES_ZSTD;
	if (span_caseeq(name, SPAN("gzip")) || span_caseeq(name, SPAN("x-gzip")))
		return FILES_GZIP;
	return span_caseeq(name, SPAN("identity")) ? FILES_IDENTITY : FILES_CODING_CNT;
}

enum files_coding files_negotiate(const struct http_head *req, uint32_t have)
{
	/* -1: not named. */
	int32_t q[FILES_CODING_CNT + 1], star = -1, best_q = 0;
	struct http_list_iter it = {0};
	struct span member;
	enum files_coding best = FILES_IDENTITY;

	memset(q, 0xff, sizeof(q));
	while (http_head_list_next(req, HTTP_FIELD_ACCEPT_ENCODING, &it, &member)) {
		const char *semi = memchr(member.at, ';', member.len);
		uint32_t n = semi == NULL ? member.len : (uint32_t)(semi - member.at);
		struct span params = {
			semi == NULL ? "" : semi + 1, semi == NULL ? 0 : member.len - n - 1};
		int32_t w = (int32_t)weight_of(params);
		bool any;
		enum files_coding c = coding_of(trim_end((struct span){member.at, n}), &any);

		if (any)
			star = w;
		else
			q[c] = w;
	}
	for (enum files_coding c = FILES_IDENTITY + 1; c < FILES_CODING_CNT; c++) {
		int32_t w = q[c] >= 0 ? q[c] : star;

		if ((have >> c & 1) != 0 && w > best_q) {
			best = c;
			best_q = w;
		}
	}
	/* Identity is liked as it is named; without a word it is allowed, and the last choice. */
	if (q[FILES_IDENTITY] > best_q)
		return FILES_IDENTITY;
	return best;
}
