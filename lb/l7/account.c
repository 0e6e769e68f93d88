/* SPDX-License-Identifier: Apache-2.0
 * Bytes of connections, counted under their listener and backend while they live. Each connection
 * remembers what was counted of it; a walk over all of them, a few at each turn, and their ends add
 * what has come since. The walk rests while the engine moves nothing. */
#include "lb/l7/worker_pvt.h"

#include "dataplane/base/time.h"

/* Places looked at for each millisecond: the cost stays below a hundredth of a core. */
#define PACE     16
#define PACE_MAX 64
#define STEP_NS  (4 * NS_PER_MS)

void l7_note_front(struct l7_conn *c)
{
	struct l7_listener_stats *s = l7_stats(c);
	struct tcp_info i;

	if (!l7_io_is_open(&c->front) || l7_io_info(&c->front, &i) != 0)
		return;
	l7_count(&s->bytes_in, i.bytes_in - c->noted.front_in);
	l7_count(&s->bytes_out, i.bytes_acked - c->noted.front_out);
	c->noted.front_in = i.bytes_in;
	c->noted.front_out = i.bytes_acked;
}

void l7_note_back(struct l7_conn *c)
{
	struct l7_member_stats *s = &c->w->members[c->member];
	struct tcp_info i;

	if (!l7_io_is_open(&c->back) || l7_io_info(&c->back, &i) != 0)
		return;
	l7_count(&s->bytes_in, i.bytes_in - c->noted.back_in);
	l7_count(&s->bytes_out, i.bytes_acked - c->noted.back_out);
	c->noted.back_in = i.bytes_in;
	c->noted.back_out = i.bytes_acked;
}

void l7_account(struct l7_worker *w)
{
	const struct tcp_counters *k = tcp_counters(w->engine);
	uint64_t ms = (w->now_ns - w->noted_ns) / NS_PER_MS;
	uint32_t n;

	if (ms == 0)
		return;
	if (w->note_left == 0) {
		if (k->bytes_in + k->bytes_acked == w->noted_moved)
			return;
		w->noted_moved = k->bytes_in + k->bytes_acked;
		w->note_left = w->conn_high;
		w->note_next = 0;
	}
	w->noted_ns = w->now_ns;
	n = (uint32_t)(ms * PACE < PACE_MAX ? ms * PACE : PACE_MAX);
	for (; n > 0 && w->note_left > 0; n--, w->note_left--) {
		struct l7_conn *c = pool_at(&w->conns, w->note_next++);

		if (c->action == NULL)
			continue;
		l7_note_front(c);
		l7_note_back(c);
	}
}

uint64_t l7_account_next_ns(const struct l7_worker *w)
{
	const struct tcp_counters *k = tcp_counters(w->engine);

	if (w->note_left == 0 && k->bytes_in + k->bytes_acked == w->noted_moved)
		return UINT64_MAX;
	return w->noted_ns + STEP_NS;
}
