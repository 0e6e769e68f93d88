/* SPDX-License-Identifier: Apache-2.0
 * Two ways through the bytes. Those of a request that lie together are walked in place. If its end
 * is not there, or it has very many arguments, the same bytes go through a machine that keeps them:
 * it takes headers line by line, and knows an argument's length before its first byte, so that a
 * long one is written once into room that was made for it. */
#include "lb/l7/resp/codec.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/base/assert.h"

enum { ST_START, ST_COUNT, ST_BULK_LEN, ST_BULK, ST_BULK_END, ST_INLINE };

void codec_init(struct resp_codec *c, struct mem *m, struct resp_arg *direct, uint32_t bulk_max)
{
	c->direct = direct;
	c->m = m;
	c->bulk_max = bulk_max;
	c->state = ST_START;
	c->buf = NULL;
	c->ends = NULL;
	c->cap = c->len = c->ends_cap = 0;
	c->argc = c->argi = c->bulk_left = c->line_len = 0;
	c->err[0] = '\0';
}

void codec_fini(struct resp_codec *c)
{
	if (c->buf != NULL)
		mem_put(c->m, c->buf);
	if (c->ends != NULL)
		mem_put(c->m, c->ends);
	c->buf = NULL;
	c->ends = NULL;
}

void resp_args_free(struct mem *m, struct resp_args *a)
{
	if (a->block != NULL)
		mem_put(m, a->block);
	a->block = NULL;
}

static enum codec_result bad(struct resp_codec *c, const char *text)
{
	(void)snprintf(c->err, sizeof(c->err), "%s", text);
	return CODEC_BAD;
}

/* Decimal of a header line, as string2ll() of Redis takes it; false if it is none. */
static bool number(const uint8_t *p, uint32_t n, int64_t *out)
{
	uint32_t i = n > 0 && p[0] == '-' ? 1 : 0;
	int64_t v = 0;

	if (i == n || n > 12 || (p[i] == '0' && n - i > 1) || (i == 1 && p[i] == '0'))
		return false;
	for (; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return false;
		v = v * 10 + (p[i] - '0');
	}
	*out = p[0] == '-' ? -v : v;
	return true;
}

static enum codec_result check_count(struct resp_codec *c, const uint8_t *p, uint32_t n, int64_t *v)
{
	if (!number(p, n, v) || *v > CODEC_ARGS)
		return bad(c, "Protocol error: invalid multibulk length");
	return *v <= 0 ? CODEC_EMPTY : CODEC_OK;
}

static enum codec_result check_bulk(struct resp_codec *c, const uint8_t *p, uint32_t n, int64_t *v)
{
	if (n == 0 || p[0] != '$') {
		(void)snprintf(c->err, sizeof(c->err), "Protocol error: expected '$', got '%c'",
			n == 0                     ? '\r'
			: p[0] >= 32 && p[0] < 127 ? p[0]
						   : '?');
		return CODEC_BAD;
	}
	if (!number(p + 1, n - 1, v) || *v < 0 || *v > c->bulk_max)
		return bad(c, "Protocol error: invalid bulk length");
	return CODEC_OK;
}

/* ---- in place ---- */

/* The line that begins at p, without its end; false: it is not complete. Lines of headers are
 * short. */
static bool line_at(const uint8_t *p, const uint8_t *end, uint32_t *len, uint32_t *size)
{
	const uint8_t *nl = memchr(p, '\n', (size_t)(end - p > 64 ? 64 : end - p));

	if (nl == NULL)
		return false;
	*len = (uint32_t)(nl - p);
	*size = *len + 1;
	if (*len > 0 && p[*len - 1] == '\r')
		(*len)--;
	return true;
}

/* A header as clients write it, of up to eight digits and CR LF: its number; -1: look closer. */
ALWAYS_INLINE int64_t plain_header(const uint8_t *p, const uint8_t *end, uint32_t *size)
{
	int64_t v = 0;
	uint32_t i = 0;

	/* Most have one digit or two. */
	if (end - p >= 4 && (uint8_t)(p[0] - '0') <= 9) {
		if (p[1] == '\r' && p[2] == '\n') {
			*size = 3;
			return p[0] - '0';
		}
		if (p[0] != '0' && (uint8_t)(p[1] - '0') <= 9 && p[2] == '\r' && p[3] == '\n') {
			*size = 4;
			return (p[0] - '0') * 10 + p[1] - '0';
		}
	}
	if (end - p < 11)
		return -1;
	for (; i < 8 && p[i] >= '0' && p[i] <= '9'; i++)
		v = v * 10 + (p[i] - '0');
	if (i == 0 || p[i] != '\r' || p[i + 1] != '\n' || (p[0] == '0' && i > 1))
		return -1;
	*size = i + 2;
	return v;
}

/* Its arguments go to `args`, which has room for max of them; MORE if it has more. */
static enum codec_result in_place(struct resp_codec *c, const uint8_t *p, uint32_t n,
	uint32_t *used, struct resp_args *out, struct resp_arg *args, uint32_t max)
{
	const uint8_t *at = p + 1, *end = p + n;
	uint32_t len, size;
	enum codec_result rc;
	int64_t v;

	v = plain_header(at, end, &size);
	rc = CODEC_OK;
	if (unlikely(v <= 0 || v > CODEC_ARGS)) {
		if (!line_at(at, end, &len, &size))
			return CODEC_MORE;
		rc = check_count(c, at, len, &v);
	}
	at += size;
	if (rc != CODEC_OK) {
		*used = (uint32_t)(at - p);
		return rc;
	}
	if (v > max)
		return CODEC_MORE;
	out->n = (uint32_t)v;
	for (uint32_t i = 0; i < out->n; i++) {
		v = at < end && *at == '$' ? plain_header(at + 1, end, &size) : -1;
		if (likely(v >= 0 && v <= c->bulk_max)) {
			at += size + 1;
		} else {
			if (!line_at(at, end, &len, &size))
				return CODEC_MORE;
			rc = check_bulk(c, at, len, &v);
			if (rc != CODEC_OK)
				return rc;
			at += size;
		}
		if (end - at < v + 2)
			return CODEC_MORE;
		args[i] = (struct resp_arg){at, (uint32_t)v};
		at += v + 2;
	}
	out->v = args;
	out->block = NULL;
	*used = (uint32_t)(at - p);
	return CODEC_OK;
}

/* ---- piece by piece ---- */

static bool grow(struct mem *m, uint8_t **buf, uint64_t *cap, uint64_t len, uint64_t want)
{
	uint8_t *p;
	uint64_t got;

	if (want <= *cap)
		return true;
	p = mem_get(m, want, &got);
	if (p == NULL)
		return false;
	if (*buf != NULL) {
		memcpy(p, *buf, len);
		mem_put(m, *buf);
	}
	*buf = p;
	*cap = got;
	return true;
}

static enum codec_result no_memory(struct resp_codec *c)
{
	return bad(c, "out of memory for this request");
}

static enum codec_result begin_args(struct resp_codec *c, uint32_t argc)
{
	uint8_t *ends = (uint8_t *)c->ends;
	uint64_t first = argc < 1024 ? argc : 1024;

	/* Room for the ends grows as arguments come: the count alone takes no memory. */
	c->argc = argc;
	c->argi = 0;
	c->len = 0;
	if (!grow(c->m, &ends, &c->ends_cap, 0, first * sizeof(c->ends[0])))
		return no_memory(c);
	c->ends = (uint64_t *)(void *)ends;
	c->state = ST_BULK_LEN;
	return CODEC_MORE;
}

static enum codec_result begin_bulk(struct resp_codec *c, uint32_t len)
{
	uint64_t want = c->len + len;

	/* Small arguments share what doubles; a long one is given its room at once, with that of
	 * the list which finish() puts behind. */
	if (len >= 4096)
		want += 8 + (uint64_t)c->argc * sizeof(struct resp_arg);
	if (want > c->cap && want < 2 * c->cap)
		want = 2 * c->cap;
	if (!grow(c->m, &c->buf, &c->cap, c->len, want < 512 ? 512 : want))
		return no_memory(c);
	c->bulk_left = len;
	c->state = ST_BULK;
	return CODEC_MORE;
}

/* Everything that the request needs, in one block: the arguments' list behind their bytes. */
static enum codec_result finish(struct resp_codec *c, struct resp_args *out)
{
	uint64_t at = ROUND_UP(c->len, 8), want = at + (uint64_t)c->argc * sizeof(struct resp_arg);
	uint64_t from = 0;

	if (!grow(c->m, &c->buf, &c->cap, c->len, want))
		return no_memory(c);
	out->block = c->buf;
	out->v = (struct resp_arg *)(void *)(c->buf + at);
	out->n = c->argc;
	for (uint32_t i = 0; i < c->argc; i++) {
		out->v[i] = (struct resp_arg){c->buf + from, (uint32_t)(c->ends[i] - from)};
		from = c->ends[i];
	}
	mem_put(c->m, c->ends);
	codec_init(c, c->m, c->direct, c->bulk_max);
	return CODEC_OK;
}

static enum codec_result end_bulk(struct resp_codec *c, struct resp_args *out)
{
	uint8_t *ends = (uint8_t *)c->ends;

	if (!grow(c->m, &ends, &c->ends_cap, c->argi * sizeof(c->ends[0]),
		    c->argi * sizeof(c->ends[0]) < c->ends_cap ? 0 : 2 * c->ends_cap))
		return no_memory(c);
	c->ends = (uint64_t *)(void *)ends;
	c->ends[c->argi++] = c->len;
	if (c->argi == c->argc)
		return finish(c, out);
	c->state = ST_BULK_LEN;
	return CODEC_MORE;
}

/* A header line up to its end; true when it is complete, without CR and LF in line. */
static bool take_line(struct resp_codec *c, const uint8_t **p, const uint8_t *end, bool *too_long)
{
	while (*p < end) {
		uint8_t b = *(*p)++;

		if (b == '\n') {
			if (c->line_len > 0 && c->line[c->line_len - 1] == '\r')
				c->line_len--;
			return true;
		}
		if (c->line_len == sizeof(c->line)) {
			*too_long = true;
			return false;
		}
		c->line[c->line_len++] = b;
	}
	return false;
}

static enum codec_result step_line(
	struct resp_codec *c, const uint8_t **p, const uint8_t *end, bool *wait)
{
	bool too_long = false, count = c->state == ST_COUNT;
	enum codec_result rc;
	int64_t v;

	if (!take_line(c, p, end, &too_long)) {
		*wait = !too_long;
		if (!too_long)
			return CODEC_MORE;
		return bad(c, count ? "Protocol error: invalid multibulk length"
				    : "Protocol error: invalid bulk length");
	}
	rc = count ? check_count(c, c->line, c->line_len, &v)
		   : check_bulk(c, c->line, c->line_len, &v);
	c->line_len = 0;
	if (rc == CODEC_EMPTY)
		codec_init(c, c->m, c->direct, c->bulk_max);
	if (rc != CODEC_OK)
		return rc;
	return count ? begin_args(c, (uint32_t)v) : begin_bulk(c, (uint32_t)v);
}

static void take_bulk(struct resp_codec *c, const uint8_t **p, const uint8_t *end)
{
	uint32_t n = (uint64_t)(end - *p) < c->bulk_left ? (uint32_t)(end - *p) : c->bulk_left;

	if (n > 0)
		memcpy(c->buf + c->len, *p, n);
	c->len += n;
	c->bulk_left -= n;
	*p += n;
	if (c->bulk_left == 0) {
		c->state = ST_BULK_END;
		c->bulk_left = 2;
	}
}

/* ---- inline: words with quotes, as in sdssplitargs() of Redis ---- */

static int hex(uint8_t b)
{
	if (b >= '0' && b <= '9')
		return b - '0';
	b = (uint8_t)(b | 0x20);
	return b >= 'a' && b <= 'f' ? b - 'a' + 10 : -1;
}

static bool blank(uint8_t b)
{
	return b == ' ' || (b >= '\t' && b <= '\r') || b == 0;
}

/* One escape of a double-quoted word; returns the bytes it takes. */
static uint32_t unescape(const uint8_t *p, uint32_t left, uint8_t *out)
{
	static const char from[] = "nrtba", to[] = "\n\r\t\b\a";
	const char *f;

	if (left >= 4 && p[1] == 'x' && hex(p[2]) >= 0 && hex(p[3]) >= 0) {
		*out = (uint8_t)(hex(p[2]) * 16 + hex(p[3]));
		return 4;
	}
	f = p[1] != 0 ? strchr(from, p[1]) : NULL;
	*out = f != NULL ? (uint8_t)to[f - from] : p[1];
	return 2;
}

/* In place: words only get shorter. Returns how many bytes of the line the word took, and whether
 * its quotes are balanced. */
static bool word(uint8_t *line, uint32_t n, uint32_t *at, uint8_t *out, uint32_t *out_len)
{
	uint8_t quote = 0;
	uint32_t i = *at, k = 0;

	for (; i < n; i++) {
		uint8_t b = line[i];

		if (quote == 0 && blank(b))
			break;
		if (quote == 0 && (b == '"' || b == '\'')) {
			quote = b;
		} else if (quote == '"' && b == '\\' && i + 1 < n) {
			i += unescape(line + i, n - i, &out[k++]) - 1;
		} else if (quote == '\'' && b == '\\' && i + 1 < n && line[i + 1] == '\'') {
			out[k++] = '\'';
			i++;
		} else if (quote != 0 && b == quote) {
			if (i + 1 < n && !blank(line[i + 1]))
				return false;
			quote = 0;
		} else {
			out[k++] = b;
		}
	}
	*at = i;
	*out_len = k;
	return quote == 0;
}

static enum codec_result split_line(struct resp_codec *c, struct resp_args *out)
{
	uint32_t n = (uint32_t)c->len, at = 0, words = 0;
	uint8_t *line = c->buf;
	struct resp_arg *v;
	uint64_t list = ROUND_UP(c->len, 8);

	if (n > 0 && line[n - 1] == '\r')
		n--;
	/* At most every second byte begins a word. */
	if (!grow(c->m, &c->buf, &c->cap, c->len, list + (n / 2 + 1) * sizeof(*v)))
		return no_memory(c);
	line = c->buf;
	v = (struct resp_arg *)(void *)(c->buf + list);
	for (;;) {
		uint32_t start, len;

		while (at < n && blank(line[at]))
			at++;
		if (at == n)
			break;
		start = at;
		if (!word(line, n, &at, line + start, &len))
			return bad(c, "Protocol error: unbalanced quotes in request");
		v[words++] = (struct resp_arg){line + start, len};
	}
	*out = (struct resp_args){v, words, c->buf};
	if (words == 0) {
		mem_put(c->m, c->buf);
		out->block = NULL;
	}
	codec_init(c, c->m, c->direct, c->bulk_max);
	return words == 0 ? CODEC_EMPTY : CODEC_OK;
}

static enum codec_result step_inline(
	struct resp_codec *c, const uint8_t **p, const uint8_t *end, struct resp_args *out)
{
	const uint8_t *nl = memchr(*p, '\n', (size_t)(end - *p));
	uint32_t n = (uint32_t)((nl == NULL ? end : nl) - *p);

	if (c->len + n > CODEC_INLINE)
		return bad(c, "Protocol error: too big inline request");
	if (!grow(c->m, &c->buf, &c->cap, c->len, c->len + n < 512 ? 512 : 2 * (c->len + n)))
		return no_memory(c);
	memcpy(c->buf + c->len, *p, n);
	c->len += n;
	*p += n;
	if (nl == NULL)
		return CODEC_MORE;
	(*p)++;
	return split_line(c, out);
}

static enum codec_result step(struct resp_codec *c, const uint8_t **p, const uint8_t *end,
	struct resp_args *out, bool *wait)
{
	switch (c->state) {
	case ST_START:
		c->state = **p == '*' ? ST_COUNT : ST_INLINE;
		*p += **p == '*';
		return CODEC_MORE;
	case ST_COUNT:
	case ST_BULK_LEN:
		return step_line(c, p, end, wait);
	case ST_BULK:
		take_bulk(c, p, end);
		return CODEC_MORE;
	case ST_BULK_END:
		/* CR and LF are not looked at, as in Redis. */
		while (*p < end && c->bulk_left > 0) {
			(*p)++;
			c->bulk_left--;
		}
		return c->bulk_left > 0 ? CODEC_MORE : end_bulk(c, out);
	default:
		return step_inline(c, p, end, out);
	}
}

enum codec_result codec_feed(
	struct resp_codec *c, const uint8_t *p, uint32_t n, uint32_t *used, struct resp_args *out)
{
	const uint8_t *at = p, *end = p + n;
	enum codec_result rc = CODEC_MORE;
	bool wait = false;

	*used = 0;
	out->block = NULL;
	out->n = 0;
	if (n > 0 && c->state == ST_START && *p == '*') {
		rc = in_place(c, p, n, used, out, c->direct, CODEC_DIRECT);
		if (rc != CODEC_MORE)
			return rc;
	}
	while (rc == CODEC_MORE && !wait && (at < end || c->state == ST_BULK)) {
		uint8_t was = c->state;

		rc = step(c, &at, end, out, &wait);
		/* An argument of no bytes is complete before the next byte is there. */
		if (at == end && c->state == was)
			break;
	}
	*used = (uint32_t)(at - p);
	if (rc == CODEC_BAD)
		codec_fini(c);
	return rc;
}

/* What most requests are: "*2 $3 GET $length key", with a line's end for each blank. */
static bool peek_get(const struct resp_codec *c, const uint8_t *p, uint32_t n, uint32_t *size,
	struct resp_arg args[2])
{
	static const char head[8] = "*2\r\n$3\r\n", name[4] = "get\r";
	uint32_t digits;
	int64_t len;

	if (n < 19 || load64(p) != load64(head) ||
		(load32(p + 8) | load32("\x20\x20\x20")) != load32(name) || p[12] != '\n' ||
		p[13] != '$')
		return false;
	len = plain_header(p + 14, p + n, &digits);
	if (len < 0 || len > c->bulk_max || n - 14 - digits < (uint64_t)len + 2)
		return false;
	args[0] = (struct resp_arg){p + 8, 3};
	args[1] = (struct resp_arg){p + 14 + digits, (uint32_t)len};
	*size = 14 + digits + (uint32_t)len + 2;
	return true;
}

bool codec_peek(struct resp_codec *c, const uint8_t *p, uint32_t n, struct resp_arg *args,
	uint32_t max, struct codec_peeked *out)
{
	struct resp_args found;

	if (c->state != ST_START || n == 0 || *p != '*')
		return false;
	out->get = max >= 2 && peek_get(c, p, n, &out->size, args);
	out->n = 2;
	if (out->get)
		return true;
	if (in_place(c, p, n, &out->size, &found, args, max) != CODEC_OK)
		return false;
	out->n = found.n;
	return true;
}
