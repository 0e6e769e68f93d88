/* SPDX-License-Identifier: Apache-2.0
 * Identifiers of requests and traces (W3C Trace Context 1). */
#include <string.h>

#include "lb/l7/route/route_pvt.h"

#define TRACE_LEN  32
#define PARENT_LEN 16

/* Eight digits at once: each nibble into a byte of its own, and then 0-9 and a-f to their letters.
 */
static uint64_t hex8(uint32_t v)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	uint64_t x = v;

	x = (x << 16 | x) & UINT64_C(0x0000ffff0000ffff);
	x = (x << 8 | x) & UINT64_C(0x00ff00ff00ff00ff);
	x = (x << 4 | x) & (ones * 0x0f);
	return x + ones * '0' + ((x + ones * 6) >> 4 & ones) * ('a' - '9' - 1);
}

static void put_hex(char *out, uint64_t v)
{
	uint64_t hi = __builtin_bswap64(hex8((uint32_t)(v >> 32)));
	uint64_t lo = __builtin_bswap64(hex8((uint32_t)v));

	memcpy(out, &hi, sizeof(hi));
	memcpy(out + 8, &lo, sizeof(lo));
}

static bool is_hex(const char *s, uint32_t n, bool *zero)
{
	*zero = true;
	for (uint32_t i = 0; i < n; i++) {
		if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f')))
			return false;
		*zero &= s[i] == '0';
	}
	return true;
}

/* version "-" trace-id "-" parent-id "-" flags; later versions may be longer. */
static bool parse_traceparent(struct span v, struct span *trace, struct span *flags)
{
	bool zero, ff;

	if (v.len < 55 || v.at[2] != '-' || v.at[35] != '-' || v.at[52] != '-')
		return false;
	ff = v.at[0] == 'f' && v.at[1] == 'f';
	if (!is_hex(v.at, 2, &zero) || ff || (zero && v.len != 55) ||
		(v.len > 55 && v.at[55] != '-'))
		return false;
	if (!is_hex(v.at + 3, TRACE_LEN, &zero) || zero)
		return false;
	if (!is_hex(v.at + 36, PARENT_LEN, &zero) || zero || !is_hex(v.at + 53, 2, &zero))
		return false;
	*trace = (struct span){v.at + 3, TRACE_LEN};
	*flags = (struct span){v.at + 53, 2};
	return true;
}

static bool good_id(struct span v)
{
	if (v.len == 0 || v.len > 128)
		return false;
	for (uint32_t i = 0; i < v.len; i++) {
		char c = v.at[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    strchr("-_.:+/=@", c)) ||
			c == '\0')
			return false;
	}
	return true;
}

/* 00-TRACE-PARENT-FLAGS with a parent of our own. A trace that begins here is marked as sampled:
 * whoever samples by its parent would keep none otherwise. */
static bool make_traceparent(
	struct http_route_worker *rw, struct http_stream *s, struct http_exchange *x, bool accept)
{
	const struct http_field *f = http_head_get(&s->req, HTTP_FIELD_TRACEPARENT, NULL);
	struct span trace, flags = SPAN("01");
	char *text = http_arena_alloc(&s->arena, 55);
	uint64_t parent;

	if (!text)
		return false;
	memcpy(text, "00-", 3);
	if (accept && f && !http_head_get(&s->req, HTTP_FIELD_TRACEPARENT, f) &&
		parse_traceparent(f->value, &trace, &flags)) {
		memcpy(text + 3, trace.at, TRACE_LEN);
	} else {
		put_hex(text + 3, rng_next(&rw->rng));
		put_hex(text + 19, rng_next(&rw->rng) | 1);
		http_head_remove(&s->req, HTTP_FIELD_TRACESTATE);
	}
	parent = rng_next(&rw->rng) | 1;
	text[35] = text[52] = '-';
	put_hex(text + 36, parent);
	memcpy(text + 53, flags.at, 2);
	x->trace_id = (struct span){text + 3, TRACE_LEN};
	x->traceparent = (struct span){text, 55};
	return true;
}

enum http_end ids_prepare(const struct http_site *site, struct http_route_worker *rw,
	struct http_stream *s, struct http_exchange *x)
{
	const struct http_field *f = http_head_get(&s->req, HTTP_FIELD_X_REQUEST_ID, NULL);
	bool accept = site->ids.accept == HTTP_ID_ALWAYS ||
		      (site->ids.accept == HTTP_ID_TRUSTED && x->trusted);
	char *text;

	if (site->ids.trace && !make_traceparent(rw, s, x, accept))
		return HTTP_END_NO_MEMORY;
	if (accept && f && good_id(f->value)) {
		s->request_id = f->value;
		return HTTP_END_OK;
	}
	if (x->trace_id.len > 0) {
		s->request_id = x->trace_id;
		return HTTP_END_OK;
	}
	text = http_arena_alloc(&s->arena, TRACE_LEN);
	if (!text)
		return HTTP_END_NO_MEMORY;
	put_hex(text, rng_next(&rw->rng));
	put_hex(text + 16, rng_next(&rw->rng));
	s->request_id = (struct span){text, TRACE_LEN};
	return HTTP_END_OK;
}

enum http_end ids_fields(
	const struct http_site *site, struct http_stream *s, const struct http_exchange *x)
{
	if (http_head_set(&s->req, HTTP_FIELD_X_REQUEST_ID, s->request_id) != 0)
		return HTTP_END_HEAD_TOO_LARGE;
	if (site->ids.trace && http_head_set(&s->req, HTTP_FIELD_TRACEPARENT, x->traceparent) != 0)
		return HTTP_END_HEAD_TOO_LARGE;
	return HTTP_END_OK;
}
