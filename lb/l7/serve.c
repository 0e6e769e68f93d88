/* SPDX-License-Identifier: Apache-2.0
 * Services of weir itself: echo (RFC 862), discard (RFC 863), source. Each runs until the client
 * ends; idle connections end by keep-alive and by idle_timeout. */
#include <rte_mbuf.h>

#include "lb/l7/worker_pvt.h"

#define PERIOD  251   /* a prime: no buffer size divides it */
#define CHUNK   16064 /* 64 periods: each piece begins at the same byte but for the first */
#define PATTERN (CHUNK + PERIOD)

static uint64_t moved(const struct l7_conn *c)
{
	struct tcp_info i;

	return l7_io_info(&c->front, &i) == 0 ? i.bytes_in + i.bytes_acked : 0;
}

static void idle_start(struct l7_conn *c)
{
	if (c->idle_ns > 0)
		wheel_arm(&c->w->wheel, &c->timer, c->w->now_ns + c->idle_ns / 4);
}

/* Idle when four checks in a row saw nothing move. */
static void idle_check(struct l7_conn *c)
{
	uint64_t now = moved(c);

	c->quiet = now == c->moved ? (uint8_t)(c->quiet + 1) : 0;
	c->moved = now;
	if (c->quiet >= 4) {
		l7_count(&l7_stats(c)->idle, 1);
		l7_abort(c);
		return;
	}
	idle_start(c);
}

static void served_closed(struct l7_conn *c, enum tcp_end end)
{
	(void)end;
	l7_finish(c);
}

/* ---- echo ---- */

static void echo_more(struct l7_conn *c)
{
	if (l7_pass_pend(c, &c->front) < 0)
		l7_abort(c);
	else if (c->pend == NULL && c->front_eof)
		l7_close(c);
}

const struct l7_action l7_echo = {
	.open = idle_start,
	.data = echo_more,
	.eof = echo_more,
	.writable = echo_more,
	.closed = served_closed,
	.timer = idle_check,
};

/* ---- discard ---- */

static void discard_data(struct l7_conn *c)
{
	l7_chain_free(c->pend);
	c->pend = NULL;
	(void)l7_io_consumed(&c->front, c->pend_len);
	c->pend_len = 0;
}

const struct l7_action l7_discard = {
	.open = idle_start,
	.data = discard_data,
	.eof = l7_close,
	.closed = served_closed,
	.timer = idle_check,
};

/* ---- source ---- */

static uint8_t pattern[PATTERN];

void l7_source_init(void)
{
	for (uint32_t i = 0; i < PATTERN; i++)
		pattern[i] = (uint8_t)(i % PERIOD);
}

static void source_more(struct l7_conn *c)
{
	const struct l7_listener *l = l7_listener_of(c);
	uint64_t bytes = l == NULL ? 0 : l->cfg->source_bytes;

	for (;;) {
		uint64_t left = bytes == 0 ? CHUNK : bytes > c->sent ? bytes - c->sent : 0;
		int64_t n;

		if (left == 0) {
			l7_close(c);
			return;
		}
		n = l7_io_send_bytes(&c->front, pattern + c->sent % PERIOD,
			(uint32_t)(left < CHUNK ? left : CHUNK), 0);
		if (n < 0) {
			l7_abort(c);
			return;
		}
		if (n == 0)
			return;
		c->sent += (uint64_t)n;
	}
}

static void source_open(struct l7_conn *c)
{
	idle_start(c);
	source_more(c);
}

const struct l7_action l7_source = {
	.open = source_open,
	.data = discard_data,
	.writable = source_more,
	.closed = served_closed,
	.timer = idle_check,
};
