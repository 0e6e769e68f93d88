/* SPDX-License-Identifier: Apache-2.0
 * The request target (RFC 9112 3.2) and authorities (RFC 9110 4.2, RFC 3986 3.2). All four forms
 * end as one: host, port, path and query. */
#include "lb/l7/h1/h1_pvt.h"

#include "dataplane/net/addr.h"
#include "lb/l7/h1/scan.h"

/* ---- path and query ---- */

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* RFC 3986 2.1. An encoded NUL ends strings early somewhere, so it has two readings. */
static bool percent_ok(const char *at, uint32_t left)
{
	return left >= 3 && is_hex(at[1]) && is_hex(at[2]) && (at[1] != '0' || at[2] != '0');
}

/* All bytes are of h1_class_target. In a path, '\' is read as '/' by some and '`' by some shells.
 */
static enum h1_error path_and_query(const char *at, uint32_t len, struct http_head *out)
{
	uint32_t mark = len;

	for (uint32_t i = 0; i < len; i += 32) {
		uint32_t in = h1_low_bits(len - i), path = in;
		uint32_t question = h1_mask_eq(at + i, '?') & in;
		uint32_t percent = h1_mask_eq(at + i, '%') & in;

		if (mark < len)
			path = 0;
		else if (question != 0) {
			mark = i + (uint32_t)__builtin_ctz(question);
			path &= h1_low_bits(mark - i);
		}
		if (((h1_mask_eq(at + i, '\\') | h1_mask_eq(at + i, '`')) & path) != 0)
			return H1_ERR_TARGET;
		for (; percent != 0; percent &= percent - 1) {
			uint32_t j = i + (uint32_t)__builtin_ctz(percent);

			if (!percent_ok(at + j, len - j))
				return H1_ERR_TARGET_PERCENT;
		}
	}
	out->path = (struct span){at, mark};
	out->has_query = mark < len;
	if (mark < len)
		out->query = (struct span){at + mark + 1, len - mark - 1};
	return H1_ERR_NONE;
}

/* ---- authority ---- */

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool has_upper(const char *at, uint32_t len)
{
	for (uint32_t i = 0; i < len; i += 32) {
		if ((h1_mask_not_in(at + i, &h1_class_not_upper) & h1_low_bits(len - i)) != 0)
			return true;
	}
	return false;
}

static bool ip_literal(const char *at, uint32_t len, bool v6)
{
	char text[IP_ADDR_TEXT_MAX];
	struct ip_addr a;

	if (len >= sizeof(text) || (v6 && memchr(at, ':', len) == NULL))
		return false;
	memcpy(text, at, len);
	text[len] = '\0';
	return ip_addr_parse(text, &a) == 0;
}

/* A name that ends in a number is an IPv4 address to some (WHATWG URL 3.5, inet_aton), in forms
 * that others do not know; so it must be one in the plain form. */
static bool ends_in_number(const char *at, uint32_t len)
{
	uint32_t from = len;

	while (from > 0 && at[from - 1] != '.')
		from--;
	if (len - from >= 2 && at[from] == '0' && at[from + 1] == 'x')
		return true;
	for (uint32_t i = from; i < len; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
	}
	return true;
}

/* Labels of 1 to 63 bytes. */
static bool name_ok(const char *at, uint32_t len)
{
	uint32_t label = 0;

	if (len == 0 || len > H1_HOST_MAX)
		return false;
	for (uint32_t i = 0; i < len; i++) {
		if (at[i] != '.') {
			if (++label > 63)
				return false;
			continue;
		}
		if (label == 0)
			return false;
		label = 0;
	}
	return label > 0 && (!ends_in_number(at, len) || ip_literal(at, len, false));
}

/* What is behind the host: nothing, ':' (RFC 3986 6.2.3: the same), or ':' and a port without
 * leading zeros. */
static bool port_of(const char *at, uint32_t len, uint16_t *port)
{
	uint32_t n = 0;

	*port = 0;
	if (len == 0)
		return true;
	if (at[0] != ':' || len > 6 || (len > 1 && at[1] == '0'))
		return false;
	for (uint32_t i = 1; i < len; i++) {
		if (at[i] < '0' || at[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(at[i] - '0');
	}
	*port = (uint16_t)n;
	return n <= UINT16_MAX;
}

static enum h1_error ip6_authority(char *at, uint32_t len, struct span *host, uint16_t *port)
{
	uint32_t n = 0;

	while (n < len && at[n] != ']') {
		at[n] = lower(at[n]);
		n++;
	}
	if (n == len || !ip_literal(at + 1, n - 1, true))
		return H1_ERR_AUTHORITY;
	n++;
	*host = (struct span){at, n};
	return port_of(at + n, len - n, port) ? H1_ERR_NONE : H1_ERR_AUTHORITY;
}

/* The same as name_ok() for what most hosts are: no more than 32 bytes, so that no label can be too
 * long, and a letter in front of the last label, so that it is no number. False: ask name_ok(). */
static bool name_plain(const char *at, uint32_t len)
{
	uint32_t dots = h1_mask_eq(at, '.') & h1_low_bits(len);
	char first;

	if (len > 32 || (dots & 1) != 0 || (dots & dots >> 1) != 0 || (dots >> (len - 1) & 1) != 0)
		return false;
	first = at[dots == 0 ? 0 : 32 - (uint32_t)__builtin_clz(dots)];
	return first >= 'a' && first <= 'z';
}

/* The padding behind the parser's buffer is behind the authority too. */
enum h1_error h1_authority(char *at, uint32_t len, struct span *host, uint16_t *port)
{
	uint32_t n;

	if (len > 0 && at[0] == '[')
		return ip6_authority(at, len, host, port);
	n = h1_scan_class(at, 0, len, &h1_class_host);
	*host = (struct span){at, n};
	if (n == 0)
		return H1_ERR_AUTHORITY;
	if (has_upper(at, n)) {
		for (uint32_t i = 0; i < n; i++)
			at[i] = lower(at[i]);
	}
	/* The root's empty label says nothing: "a.example." is "a.example". */
	if (n > 1 && at[n - 1] == '.')
		host->len--;
	if (!name_plain(at, host->len) && !name_ok(at, host->len))
		return H1_ERR_AUTHORITY;
	if (n == len) {
		*port = 0;
		return H1_ERR_NONE;
	}
	return port_of(at + n, len - n, port) ? H1_ERR_NONE : H1_ERR_AUTHORITY;
}

/* ---- forms ---- */

static enum h1_error connect_target(char *at, uint32_t len, struct http_head *out)
{
	enum h1_error e = h1_authority(at, len, &out->host, &out->port);

	if (e != H1_ERR_NONE)
		return memchr(at, '@', len) != NULL ? H1_ERR_USERINFO : e;
	return out->port == 0 ? H1_ERR_TARGET_FORM : H1_ERR_NONE;
}

static bool starts(const char *at, uint32_t len, struct span word)
{
	return len >= word.len && span_caseeq((struct span){at, word.len}, word);
}

static enum h1_error absolute_target(
	struct h1_parser *p, char *at, uint32_t len, struct http_head *out)
{
	bool secure = starts(at, len, SPAN("https://"));
	uint32_t from = secure ? 8 : 7, end;
	enum h1_error e;

	if (!secure && !starts(at, len, SPAN("http://")))
		return H1_ERR_SCHEME;
	for (end = from; end < len && at[end] != '/' && at[end] != '?'; end++) {
		if (at[end] == '@')
			return H1_ERR_USERINFO;
	}
	e = h1_authority(at + from, end - from, &out->host, &out->port);
	if (e != H1_ERR_NONE)
		return e;
	if (secure != p->secure)
		return H1_ERR_MISDIRECTED;
	e = path_and_query(at + end, len - end, out);
	/* RFC 9110 4.2.3: an empty path is "/"; RFC 9112 3.2.4: for OPTIONS it is "*". */
	if (e == H1_ERR_NONE && out->path.len == 0)
		out->path = out->method == HTTP_OPTIONS && !out->has_query ? SPAN("*") : SPAN("/");
	return e;
}

enum h1_error h1_target(struct h1_parser *p, char *at, uint32_t len, struct http_head *out)
{
	if (out->method == HTTP_CONNECT)
		return connect_target(at, len, out);
	if (at[0] == '/')
		return path_and_query(at, len, out);
	if (at[0] == '*' && len == 1) {
		out->path = SPAN("*");
		return out->method == HTTP_OPTIONS ? H1_ERR_NONE : H1_ERR_TARGET_FORM;
	}
	if (memchr(at, ':', len) == NULL)
		return H1_ERR_TARGET_FORM;
	return absolute_target(p, at, len, out);
}
