/* SPDX-License-Identifier: Apache-2.0
 * Bytes are decoded or encoded one by one into `out`; where a segment ends it is looked at as a
 * whole, and taken back if it is a dot segment. A first look leaves what is normal alone, as nearly
 * every path is. */
#include "lb/l7/route/path.h"

#include <string.h>

enum {
	PLAIN = 1,      /* stands for itself in a path */
	UNRESERVED = 2, /* the same, and never encoded */
};

/* RFC 3986 3.3: pchar without pct-encoded. */
static uint8_t class_of(unsigned char c)
{
	static const uint8_t table[256] = {
		['0' ... '9'] = PLAIN | UNRESERVED,
		['A' ... 'Z'] = PLAIN | UNRESERVED,
		['a' ... 'z'] = PLAIN | UNRESERVED,
		['-'] = PLAIN | UNRESERVED,
		['.'] = PLAIN | UNRESERVED,
		['_'] = PLAIN | UNRESERVED,
		['~'] = PLAIN | UNRESERVED,
		['!'] = PLAIN,
		['$'] = PLAIN,
		['&'] = PLAIN,
		['\''] = PLAIN,
		['('] = PLAIN,
		[')'] = PLAIN,
		['*'] = PLAIN,
		['+'] = PLAIN,
		[','] = PLAIN,
		[';'] = PLAIN,
		['='] = PLAIN,
		[':'] = PLAIN,
		['@'] = PLAIN,
	};

	return table[c];
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct normaliser {
	const struct config_http_path *rules;
	const char *in, *end;
	char *out;
	uint32_t len, segment; /* written; where the last segment begins, behind its '/' */
	const char *why;
};

/* Normal already, dots and doubled slashes apart? */
static bool is_plain(struct span in)
{
	bool after_slash = false;

	for (uint32_t i = 0; i < in.len; i++) {
		char c = in.at[i];

		if (c == '/') {
			if (after_slash)
				return false;
			after_slash = true;
			continue;
		}
		if (!(class_of((unsigned char)c) & PLAIN) || (c == '.' && after_slash))
			return false;
		after_slash = false;
	}
	return true;
}

static void put_encoded(struct normaliser *n, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";

	n->out[n->len++] = '%';
	n->out[n->len++] = digits[c >> 4];
	n->out[n->len++] = digits[c & 15];
}

/* One byte that is no '/', or a triplet. False: refused. */
static bool take_byte(struct normaliser *n)
{
	unsigned char c = (unsigned char)*n->in++;
	bool encoded = c == '%';

	if (encoded) {
		int hi = n->end - n->in >= 2 ? hex_value(n->in[0]) : -1;
		int lo = hi >= 0 ? hex_value(n->in[1]) : -1;

		if (lo < 0) {
			n->why = "a '%' without two hexadecimal digits";
			return false;
		}
		c = (unsigned char)(hi << 4 | lo);
		n->in += 2;
	}
	if (c < 0x20 || c == 0x7f) {
		n->why = "a control character";
		return false;
	}
	if (c == '/' && n->rules->encoded_slash != HTTP_SLASH_KEEP) {
		n->why = "an encoded slash";
		return false;
	}
	if (c == '\\' && n->rules->backslash != HTTP_SLASH_KEEP) {
		n->why = "a backslash";
		return false;
	}
	if (class_of(c) & (encoded ? UNRESERVED : PLAIN))
		n->out[n->len++] = (char)c;
	else
		put_encoded(n, c);
	return true;
}

/* "." and ".." are dot segments; with parameters behind them (";x") some backends take them for
 * such and others do not. */
static int dots_of(const char *s, uint32_t len, bool *doubtful)
{
	uint32_t n = len > 0 && s[0] == '.' ? (len > 1 && s[1] == '.' ? 2 : 1) : 0;

	*doubtful = n > 0 && len > n && s[n] == ';';
	return n == len ? (int)n : 0;
}

/* The segment from n->segment on is complete; is another to follow? */
static bool end_segment(struct normaliser *n, bool more)
{
	uint32_t len = n->len - n->segment;
	bool doubtful;
	int dots = dots_of(n->out + n->segment, len, &doubtful);

	if (doubtful || (dots > 0 && n->rules->dots == HTTP_DOTS_REFUSE)) {
		n->why = "a dot segment";
		return false;
	}
	if (len == 0 && more && n->rules->double_slash == HTTP_SLASH_REFUSE) {
		n->why = "a doubled slash";
		return false;
	}
	if (dots > 0) {
		n->len = n->segment;
		if (dots == 2 && n->len > 1) {
			n->len--;
			while (n->out[n->len - 1] != '/')
				n->len--;
		}
	} else if (more && !(len == 0 && n->rules->double_slash == HTTP_SLASH_MERGE)) {
		n->out[n->len++] = '/';
	}
	n->segment = n->len;
	return true;
}

static bool normalise(struct normaliser *n)
{
	n->in++;
	n->out[n->len++] = '/';
	n->segment = 1;
	for (;;) {
		while (n->in < n->end && *n->in != '/')
			if (!take_byte(n))
				return false;
		if (n->in == n->end)
			return end_segment(n, false);
		n->in++;
		if (!end_segment(n, true))
			return false;
	}
}

enum path_result path_normalise(const struct config_http_path *rules, struct span in, char *out,
	uint32_t *out_len, const char **why)
{
	struct normaliser n = {.rules = rules, .in = in.at, .end = in.at + in.len, .out = out};

	if (in.len == 0 || in.at[0] != '/') {
		n.why = "a path that does not begin with '/'";
	} else if (is_plain(in)) {
		return PATH_SAME;
	} else if (normalise(&n)) {
		*out_len = n.len;
		return n.len == in.len && memcmp(out, in.at, in.len) == 0 ? PATH_SAME
									  : PATH_CHANGED;
	}
	if (why)
		*why = n.why;
	return PATH_REFUSED;
}

bool path_has_prefix(struct span path, struct span prefix)
{
	if (prefix.len == 0 || path.len < prefix.len || memcmp(path.at, prefix.at, prefix.len) != 0)
		return false;
	return path.len == prefix.len || path.at[prefix.len] == '/' ||
	       prefix.at[prefix.len - 1] == '/';
}
