/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/http/route_stats.h"

#include "lb/l7/http/stream.h"
#include "lb/l7/worker_pvt.h"

static const uint64_t bounds_ns[] = {
#define B(ns) UINT64_C(ns),
	HTTP_TOOK_BOUNDS(B)
#undef B
};
_Static_assert(ARRAY_SIZE(bounds_ns) == HTTP_TOOK_BOUND_CNT, "one place for each bound");

void http_route_count(struct http_route_stats *st, const struct http_stream *s)
{
	uint64_t took_ns = s->t.end - s->t.first_byte;
	uint32_t b = 0;

	l7_count(&st->requests, 1);
	l7_count(&st->failed, s->end != HTTP_END_OK);
	l7_count(&st->body_in, s->req_bytes);
	l7_count(&st->body_out, s->resp_bytes);
	if (s->resp_started)
		HTTP_COUNT_STATUS(st, s->resp.status);
	if (s->resp_started && s->resp.status == 101)
		return;
	while (b < HTTP_TOOK_BOUND_CNT && took_ns > bounds_ns[b])
		b++;
	l7_count(&st->took[b], 1);
	l7_count(&st->took_sum_ns, took_ns);
}
