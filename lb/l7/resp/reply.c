/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/resp/reply.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void reply_init(struct reply *r, struct mem *m, uint8_t proto)
{
	*r = (struct reply){.m = m, .proto = proto};
}

void reply_fini(struct reply *r)
{
	if (r->p != NULL)
		mem_put(r->m, r->p);
	r->p = NULL;
	r->len = r->cap = 0;
}

bool reply_grow(struct reply *r, uint64_t n)
{
	uint64_t want = r->len + n, cap;
	uint8_t *p;

	if (r->failed)
		return false;
	if (want < 2 * r->cap)
		want = 2 * r->cap;
	p = want > REPLY_MAX ? NULL : mem_get(r->m, want, &cap);
	if (p == NULL) {
		r->failed = true;
		return false;
	}
	if (r->p != NULL) {
		memcpy(p, r->p, r->len);
		mem_put(r->m, r->p);
	}
	r->p = p;
	r->cap = cap;
	return true;
}

/* Digits of v from the end of buf; returns where they begin. */
static char *digits(uint64_t v, char *end)
{
	do
		*--end = (char)('0' + v % 10);
	while ((v /= 10) > 0);
	return end;
}

static void head(struct reply *r, char kind, uint64_t n)
{
	char buf[24], *end = buf + sizeof(buf), *p;

	*--end = '\n';
	*--end = '\r';
	p = digits(n, end);
	*--p = kind;
	reply_raw(r, p, (uint64_t)(buf + sizeof(buf) - p));
}

void reply_ok(struct reply *r)
{
	reply_lit(r, "+OK\r\n");
}

void reply_simple(struct reply *r, const char *text)
{
	reply_lit(r, "+");
	reply_raw(r, text, strlen(text));
	reply_lit(r, "\r\n");
}

void reply_error(struct reply *r, const char *text)
{
	reply_lit(r, "-");
	reply_raw(r, text, strlen(text));
	reply_lit(r, "\r\n");
	r->error = true;
}

void reply_errorf(struct reply *r, const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	/* Bytes of the client must not end the line. */
	for (char *p = buf; *p != '\0'; p++)
		if (*p == '\r' || *p == '\n')
			*p = ' ';
	reply_error(r, buf);
}

void reply_int(struct reply *r, int64_t v)
{
	char buf[24], *end = buf + sizeof(buf), *p;

	*--end = '\n';
	*--end = '\r';
	p = digits(v < 0 ? (uint64_t) - (v + 1) + 1 : (uint64_t)v, end);
	if (v < 0)
		*--p = '-';
	*--p = ':';
	reply_raw(r, p, (uint64_t)(buf + sizeof(buf) - p));
}

void reply_bulk(struct reply *r, const void *p, uint64_t n)
{
	if (!reply_room(r, n + 24))
		return;
	if (likely(n < 10)) {
		memcpy(r->p + r->len, (const uint8_t[]){'$', (uint8_t)('0' + n), '\r', '\n'}, 4);
		r->len += 4;
	} else {
		head(r, '$', n);
	}
	if (n > 0)
		memcpy(r->p + r->len, p, n);
	r->len += n;
	r->p[r->len++] = '\r';
	r->p[r->len++] = '\n';
}

void reply_text(struct reply *r, const char *text)
{
	reply_bulk(r, text, strlen(text));
}

void reply_bulk_int(struct reply *r, int64_t v)
{
	char buf[24];

	reply_bulk(r, buf, (uint64_t)snprintf(buf, sizeof(buf), "%lld", (long long)v));
}

void reply_null(struct reply *r)
{
	if (r->proto == 3)
		reply_lit(r, "_\r\n");
	else
		reply_lit(r, "$-1\r\n");
}

void reply_null_array(struct reply *r)
{
	if (r->proto == 3)
		reply_lit(r, "_\r\n");
	else
		reply_lit(r, "*-1\r\n");
}

void reply_array(struct reply *r, uint64_t n)
{
	head(r, '*', n);
}

void reply_map(struct reply *r, uint64_t pairs)
{
	if (r->proto == 3)
		head(r, '%', pairs);
	else
		head(r, '*', 2 * pairs);
}

void reply_set(struct reply *r, uint64_t n)
{
	head(r, r->proto == 3 ? '~' : '*', n);
}

void reply_push(struct reply *r, uint64_t n)
{
	head(r, r->proto == 3 ? '>' : '*', n);
}

uint32_t reply_format_double(double v, char out[40])
{
	if (isinf(v))
		return (uint32_t)snprintf(out, 40, v > 0 ? "inf" : "-inf");
	/* Whole numbers stand without an exponent as far as a double holds them exactly. */
	if (v > -4503599627370495.0 && v < 4503599627370496.0 && v == (double)(int64_t)v)
		return (uint32_t)snprintf(out, 40, "%lld", (long long)v);
	return (uint32_t)snprintf(out, 40, "%.17g", v);
}

void reply_double(struct reply *r, double v)
{
	char buf[48];
	uint32_t n = reply_format_double(v, buf);

	if (r->proto == 2) {
		reply_bulk(r, buf, n);
		return;
	}
	/* Version 3 has all digits and always an exponent where C's %g has one. */
	if (!isinf(v))
		n = (uint32_t)snprintf(buf, sizeof(buf), "%.17g", v);
	reply_lit(r, ",");
	reply_raw(r, buf, n);
	reply_lit(r, "\r\n");
}

void reply_bool(struct reply *r, bool v)
{
	if (r->proto == 3)
		reply_raw(r, v ? "#t\r\n" : "#f\r\n", 4);
	else
		reply_int(r, v);
}

void reply_verbatim(struct reply *r, const char *text, uint64_t n)
{
	if (r->proto == 2) {
		reply_bulk(r, text, n);
		return;
	}
	head(r, '=', n + 4);
	reply_lit(r, "txt:");
	reply_raw(r, text, n);
	reply_lit(r, "\r\n");
}
