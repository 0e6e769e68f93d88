/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/cache/slice.h"

#include <stdio.h>

#define UNKNOWN ((uint64_t)INT64_MAX) /* stands for a length that nobody knows */

uint32_t slice_size(uint64_t size, uint32_t extent)
{
	uint32_t n = extent;

	while (n < SLICE_MAX && (uint64_t)n * 2 <= size)
		n *= 2;
	return n;
}

static uint64_t floor_to(uint64_t at, uint32_t unit)
{
	return at & ~((uint64_t)unit - 1);
}

uint32_t slice_ask(
	const struct http_head *req, uint32_t slice, uint32_t extent, char out[SLICE_TEXT_MAX])
{
	struct http_range r[HTTP_RANGES_MAX];
	uint32_t cnt;
	uint64_t first;

	if (http_ranges_parse(req, UNKNOWN, r, &cnt) != HTTP_RANGES_OK)
		return 0;
	if (r[0].last == UNKNOWN - 1 && r[0].first > UNKNOWN / 2)
		/* A slice, and an extent more: nobody knows where its extents begin. */
		return (uint32_t)snprintf(
			out, SLICE_TEXT_MAX, "bytes=-%llu", (unsigned long long)slice + extent);
	first = floor_to(r[0].first, slice);
	return (uint32_t)snprintf(out, SLICE_TEXT_MAX, "bytes=%llu-%llu", (unsigned long long)first,
		(unsigned long long)(first + slice - 1));
}

uint64_t slice_last(uint64_t at, uint32_t slice, uint64_t total)
{
	uint64_t last = at | ((uint64_t)slice - 1);

	return last < total ? last : total - 1;
}

bool slice_whole(
	const struct http_range *got, uint64_t total, uint32_t extent, struct http_range *whole)
{
	uint64_t end = got->last + 1;

	whole->first = floor_to(got->first + extent - 1, extent);
	if (end != total)
		end = floor_to(end, extent);
	whole->last = end - 1;
	return whole->first < end;
}

uint32_t slice_extent_len(uint64_t at, uint64_t total, uint32_t extent)
{
	uint64_t left = total - at;

	return left < extent ? (uint32_t)left : extent;
}

bool slice_answer(const struct http_head *resp, struct http_range *r, uint64_t *total)
{
	const struct http_field *cr = http_head_get(resp, HTTP_FIELD_CONTENT_RANGE, NULL);

	/* One that comes twice says nothing (RFC 9110 5.3); with several parts there is none. */
	return resp->status == 206 && cr != NULL &&
	       http_head_get(resp, HTTP_FIELD_CONTENT_RANGE, cr) == NULL &&
	       http_content_range_parse(cr->value, r, total) && *total <= UNKNOWN &&
	       (resp->framing != HTTP_BODY_LENGTH || resp->length == r->last - r->first + 1);
}
