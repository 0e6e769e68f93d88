/* SPDX-License-Identifier: Apache-2.0
 * Bodies, RFC 9112 6 and 7.1. Chunked is a machine over single bytes for the framing, which steps
 *over payload in one go:
 *
 *	SIZE -> (EXT ...) -> SIZE_LF -> DATA -> DATA_CR -> DATA_LF -> SIZE
 *	                        `-> END -> END_LF -> done
 *	                             `-> TRAILERS -> done
 *
 * Extensions are read as their grammar says (7.1.1), since what one reader takes for an extension
 * another takes for the end of the line; then they are dropped. */
#include "lb/l7/h1/h1_pvt.h"
#include "lb/l7/h1/scan.h"

#define SIZE_DIGITS 16
/* Extensions of a whole body: this, and a sixteenth of its payload. */
#define EXT_TOTAL 65536

enum state {
	DONE,
	COUNTED, /* Content-Length */
	OPEN,    /* to the connection's end */
	SIZE,
	EXT_BLANK,       /* before ';' */
	EXT_NAME_START,  /* behind ';' */
	EXT_NAME,        /* in it */
	EXT_NAME_BLANK,  /* behind it: '=' or ';' */
	EXT_VALUE_START, /* behind '=' */
	EXT_VALUE,
	EXT_QUOTED,
	EXT_QUOTED_PAIR,
	EXT_QUOTED_END,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	END, /* behind the last chunk's line */
	END_LF,
	TRAILERS,
	BROKEN,
};

struct h1_trailer {
	struct h1_limits lim;
	struct h1_parser parser;
	struct http_head head;
	uint32_t len, cap;
	char bytes[];
};

void h1_body_init(struct h1_body *b, enum http_framing framing, uint64_t length,
	const struct h1_limits *lim, struct http_arena *arena)
{
	*b = (struct h1_body){.lim = lim, .arena = arena, .framing = (uint8_t)framing};
	switch (framing) {
	case HTTP_BODY_NONE:
		b->state = DONE;
		break;
	case HTTP_BODY_LENGTH:
		b->left = length;
		b->state = length == 0 ? DONE : COUNTED;
		break;
	case HTTP_BODY_STREAM:
		b->state = SIZE;
		break;
	case HTTP_BODY_TO_EOF:
	case HTTP_BODY_TUNNEL:
		b->state = OPEN;
		break;
	}
}

bool h1_body_eof(const struct h1_body *b)
{
	return b->state == DONE || b->state == OPEN;
}

static bool fail(struct h1_body *b, enum h1_error e)
{
	b->error = e;
	b->state = BROKEN;
	return false;
}

/* ---- chunk size and extensions ---- */

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool size_byte(struct h1_body *b, char c)
{
	int v = hex_value(c);

	if (v >= 0) {
		if (b->digits == SIZE_DIGITS || b->left > (uint64_t)INT64_MAX >> 4)
			return fail(b, H1_ERR_CHUNK_SIZE);
		b->digits++;
		b->left = b->left << 4 | (uint64_t)v;
		return true;
	}
	if (b->digits == 0)
		return fail(b, H1_ERR_CHUNK_SIZE);
	if (c == '\r')
		b->state = SIZE_LF;
	else if (c == ';')
		b->state = EXT_NAME_START;
	else if (h1_blank(c))
		b->state = EXT_BLANK;
	else
		return fail(b, c == '\n' ? H1_ERR_BARE_LF : H1_ERR_CHUNK_SIZE);
	b->ext_len = 0;
	return true;
}

/* RFC 9110 5.6.4: qdtext without the quote and the backslash, which are seen before. */
static bool quotable(char c)
{
	uint8_t u = (uint8_t)c;

	return c == '\t' || (u >= 0x20 && u != 0x7f);
}

/* The state behind byte c within an extension; BROKEN if it does not belong there. */
static enum state ext_next(enum state s, char c)
{
	bool tchar = h1_in_class(&h1_class_token, c);

	switch (s) {
	case EXT_BLANK:
		return c == ';' ? EXT_NAME_START : h1_blank(c) ? EXT_BLANK : BROKEN;
	case EXT_NAME_START:
		return tchar ? EXT_NAME : h1_blank(c) ? EXT_NAME_START : BROKEN;
	case EXT_NAME:
		if (tchar)
			return EXT_NAME;
		if (c == '\r')
			return SIZE_LF;
		/* fallthrough */
	case EXT_NAME_BLANK:
		if (c == '=')
			return EXT_VALUE_START;
		return c == ';' ? EXT_NAME_START : h1_blank(c) ? EXT_NAME_BLANK : BROKEN;
	case EXT_VALUE_START:
		if (c == '"')
			return EXT_QUOTED;
		return tchar ? EXT_VALUE : h1_blank(c) ? EXT_VALUE_START : BROKEN;
	case EXT_VALUE:
		if (tchar)
			return EXT_VALUE;
		/* fallthrough */
	case EXT_QUOTED_END:
		if (c == '\r')
			return SIZE_LF;
		return c == ';' ? EXT_NAME_START : h1_blank(c) ? EXT_BLANK : BROKEN;
	case EXT_QUOTED:
		if (c == '"')
			return EXT_QUOTED_END;
		return c == '\\' ? EXT_QUOTED_PAIR : quotable(c) ? EXT_QUOTED : BROKEN;
	case EXT_QUOTED_PAIR:
		return quotable(c) ? EXT_QUOTED : BROKEN;
	default:
		return BROKEN;
	}
}

static bool ext_byte(struct h1_body *b, char c)
{
	enum state next;

	if (++b->ext_len > b->lim->chunk_ext_bytes || ++b->ext_total > EXT_TOTAL)
		return fail(b, H1_ERR_CHUNK_EXT_LONG);
	next = ext_next((enum state)b->state, c);
	if (next == BROKEN)
		return fail(b, c == '\n' ? H1_ERR_BARE_LF : H1_ERR_CHUNK_EXT);
	b->state = (uint8_t)next;
	return true;
}

/* ---- the framing, byte by byte ---- */

static bool expect_byte(struct h1_body *b, char c, char want, enum state next, enum h1_error e)
{
	if (c != want)
		return fail(b, c == '\n' ? H1_ERR_BARE_LF : e);
	b->state = (uint8_t)next;
	return true;
}

static bool size_line_end(struct h1_body *b, char c)
{
	if (!expect_byte(b, c, '\n', b->left > 0 ? DATA : END, H1_ERR_BARE_CR))
		return false;
	b->digits = 0;
	return true;
}

/* One byte of framing; false: broken. Not for DATA and TRAILERS. */
static bool frame_byte(struct h1_body *b, char c)
{
	switch ((enum state)b->state) {
	case SIZE:
		return size_byte(b, c);
	case SIZE_LF:
		return size_line_end(b, c);
	case DATA_CR:
		return expect_byte(b, c, '\r', DATA_LF, H1_ERR_CHUNK_END);
	case DATA_LF:
		return expect_byte(b, c, '\n', SIZE, H1_ERR_BARE_CR);
	case END_LF:
		return expect_byte(b, c, '\n', DONE, H1_ERR_BARE_CR);
	default:
		return ext_byte(b, c);
	}
}

/* ---- trailers ---- */

static bool trailers_begin(struct h1_body *b)
{
	uint32_t cap = b->lim->trailer_bytes + 1; /* one more, to see that there are too many */
	struct h1_trailer *t = http_arena_alloc(b->arena, (uint32_t)sizeof(*t) + cap + H1_PAD);

	if (t == NULL)
		return fail(b, H1_ERR_NO_MEMORY);
	t->lim = *b->lim;
	t->lim.head_bytes = b->lim->trailer_bytes;
	t->lim.fields = b->lim->trailer_fields;
	t->parser = (struct h1_parser){.kind = H1_TRAILERS, .started = true};
	t->len = 0;
	t->cap = cap;
	/* The parser looks at the padding, though not at what it holds. */
	memset(t->bytes, 0, cap + H1_PAD);
	b->trailer = t;
	b->state = TRAILERS;
	return true;
}

static enum h1_error trailer_error(enum h1_error e)
{
	return e == H1_ERR_HEAD_LONG || e == H1_ERR_FIELDS || e == H1_ERR_FIELD_LONG
		       ? H1_ERR_TRAILER_LONG
		       : e;
}

/* Collects the section and reads it as far as it came. Returns how many bytes are its own. */
static uint32_t trailers(struct h1_body *b, const char *at, uint32_t len)
{
	struct h1_trailer *t = b->trailer;
	uint32_t n = len < t->cap - t->len ? len : t->cap - t->len, before = t->len;
	enum h1_verdict v;

	memcpy(t->bytes + t->len, at, n);
	t->len += n;
	if (t->parser.base == NULL)
		h1_rebase(&t->parser, t->bytes, &t->head);
	v = h1_fields(&t->parser, t->bytes, t->len < t->lim.head_bytes ? t->len : t->lim.head_bytes,
		&t->lim, &t->head);
	if (v == H1_MORE && t->len > t->lim.head_bytes)
		v = h1_bad(&t->parser, H1_ERR_HEAD_LONG);
	if (v == H1_BAD) {
		(void)fail(b, trailer_error(t->parser.error));
		return 0;
	}
	if (v == H1_MORE)
		return n;
	b->trailers = &t->head;
	b->state = DONE;
	return t->parser.head_len - before;
}

/* ---- all of it ---- */

static uint32_t payload(struct h1_body *b, uint32_t len)
{
	uint32_t n = b->left < len ? (uint32_t)b->left : len;
	uint64_t credit = n / 16;

	b->left -= n;
	b->ext_total = b->ext_total > credit ? b->ext_total - credit : 0;
	return n;
}

static enum h1_verdict chunked(
	struct h1_body *b, const char *buf, uint32_t len, struct h1_piece *out)
{
	uint32_t i = 0;

	while (i < len && b->state != DONE) {
		if (b->state == DATA) {
			out->skip = i;
			out->data = payload(b, len - i);
			if (b->left == 0)
				b->state = DATA_CR;
			return H1_MORE;
		}
		if (b->state == END) {
			if (buf[i] == '\r') {
				b->state = END_LF;
				i++;
				continue;
			}
			if (!trailers_begin(b))
				return H1_BAD;
		}
		if (b->state == TRAILERS)
			i += trailers(b, buf + i, len - i);
		else if (frame_byte(b, buf[i]))
			i++;
		if (b->state == BROKEN)
			return H1_BAD;
	}
	out->skip = i;
	return b->state == DONE ? H1_OK : H1_MORE;
}

enum h1_verdict h1_body_next(struct h1_body *b, const char *buf, uint32_t len, struct h1_piece *out)
{
	*out = (struct h1_piece){0, 0};
	switch ((enum state)b->state) {
	case DONE:
		return H1_OK;
	case BROKEN:
		return H1_BAD;
	case OPEN:
		out->data = len;
		return H1_MORE;
	case COUNTED:
		out->data = payload(b, len);
		if (b->left > 0)
			return H1_MORE;
		b->state = DONE;
		return H1_OK;
	default:
		return chunked(b, buf, len, out);
	}
}
