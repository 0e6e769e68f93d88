/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/traffic.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/hdr.h"
#include "tests/support/eal.h"

#define PORT 80 /* of the first pair unless told; each pair has its own */

static void tick(void *arg);

static struct sim *sim_of(const struct traffic_side *a)
{
	return a->t->s;
}

static void schedule(struct traffic_side *a)
{
	if (a->ticking)
		return;
	a->ticking = true;
	sim_at(sim_of(a),
		sim_now(sim_of(a)) + NS_PER_US + rng_below(sim_rng(sim_of(a)), a->think_ns + 1),
		tick, a);
}

static void alive(const struct traffic_side *a)
{
	if (a->closed || a->dropped)
		sim_fail(sim_of(a), "callback after the end of a connection");
}

static void drop(struct traffic_side *a, bool abort)
{
	int rc = abort ? tcp_abort(a->h->e, a->conn) : tcp_close(a->h->e, a->conn);

	ASSERT(rc == 0);
	a->dropped = true;
	ASSERT(tcp_close(a->h->e, a->conn) == -ESTALE);
}

static void take(struct traffic_side *a, struct rte_mbuf *chain, uint32_t len)
{
	uint32_t n = 0;

	for (struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

		for (uint32_t i = 0; i < m->data_len; i++)
			if (p[i] != traffic_byte(a->peer->key, a->received + n + i))
				sim_fail(sim_of(a), "wrong byte at %llu",
					(unsigned long long)(a->received + n + i));
		n += m->data_len;
	}
	if (n != len)
		sim_fail(sim_of(a), "on_data: %u bytes in the chain, %u said", n, len);
	rte_pktmbuf_free(chain);
	a->received += n;
	a->unconsumed += n;
	if (a->received > a->peer->sent)
		sim_fail(sim_of(a), "more received than sent");
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct traffic_side *a = user;

	(void)e;
	(void)conn;
	alive(a);
	if (a->eof)
		sim_fail(sim_of(a), "data after the end of file");
	take(a, chain, len);
	schedule(a);
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct traffic_side *a = user;

	(void)e;
	(void)conn;
	alive(a);
	if (a->eof)
		sim_fail(sim_of(a), "end of file twice");
	a->eof = true;
	if (a->received != a->peer->sent || !(a->peer->shut || a->peer->dropped))
		sim_fail(sim_of(a), "end of file after %llu of %llu bytes",
			(unsigned long long)a->received, (unsigned long long)a->peer->sent);
	schedule(a);
}

static void on_writable(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct traffic_side *a = user;

	(void)e;
	(void)conn;
	alive(a);
	a->want_write = false;
	schedule(a);
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct traffic_side *a = user;

	(void)e;
	(void)conn;
	if (a == NULL)
		return;
	alive(a);
	a->closed = true;
	a->why = end;
	a->unconsumed = 0;
}

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct traffic_side *a = user;

	(void)e;
	(void)conn;
	alive(a);
	if (a->up)
		sim_fail(sim_of(a), "connected twice");
	a->up = true;
	schedule(a);
}

/* Each pair has its port. A second connection to it is a ghost of old duplicates. */
static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct traffic_side *a = arg;

	if (a->conn != TCP_NONE) {
		ASSERT(tcp_abort(e, conn) == 0);
		return;
	}
	a->conn = conn;
	a->up = true;
	ASSERT(tcp_set_user(e, conn, a) == 0);
	schedule(a);
}

static const struct tcp_ops ops = {
	.on_accept = on_accept,
	.on_connect = on_connect,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_writable = on_writable,
	.on_closed = on_closed,
};

/* Send some bytes by one of the two calls. */
static void send_some(struct traffic_side *a)
{
	struct rng *r = sim_rng(sim_of(a));
	uint64_t left = a->to_send - a->sent;
	uint32_t n = 1 + (uint32_t)rng_below(r, left < a->max_chunk ? left : a->max_chunk);
	static uint8_t buf[65536];
	struct rte_mbuf *chain = NULL, **link = &chain;
	unsigned flags = rng_below(r, 8) == 0 && n < left ? TCP_SEND_MORE : 0;
	int64_t took;

	for (uint32_t i = 0; i < n; i++)
		buf[i] = traffic_byte(a->key, a->sent + i);
	if (rng_below(r, 3) == 0) {
		took = tcp_send_bytes(a->h->e, a->conn, buf, n, flags);
		/* All or nothing: what can never fit goes in smaller pieces, but not byte by byte:
		 * half the buffer is free when on_writable comes. */
		if (took == 0) {
			uint32_t least = a->h->cfg.tcp.sndbuf / 4;

			if (a->max_chunk / 2 > least)
				a->max_chunk /= 2;
			else if (a->max_chunk > least)
				a->max_chunk = least > 1 ? least : 1;
			a->want_write = true;
		}
	} else {
		for (uint32_t off = 0; off < n;) {
			uint32_t k = 1 + (uint32_t)rng_below(r, TEST_MBUF_ROOM);
			struct rte_mbuf *m;

			k = k < n - off ? k : n - off;
			m = sim_payload(a->h, buf + off, k);
			if (m == NULL)
				break;
			*link = m;
			link = &m->next;
			off += k;
		}
		if (chain == NULL) {
			schedule(a);
			return;
		}
		took = tcp_send(a->h->e, a->conn, &chain, flags);
		if (chain != NULL) {
			rte_pktmbuf_free(chain);
			a->want_write = true;
		}
	}
	if (took < 0)
		sim_fail(sim_of(a), "send failed with %lld", (long long)took);
	a->sent += (uint64_t)took;
}

static void finish(struct traffic_side *a)
{
	if (a->end == TRAFFIC_CLOSE) {
		if (a->eof || a->received == a->peer->to_send)
			drop(a, false);
		return;
	}
	if (!a->shut) {
		ASSERT(tcp_shutdown(a->h->e, a->conn) == 0);
		a->shut = true;
	}
	if (a->eof)
		drop(a, false);
}

static void act(struct traffic_side *a)
{
	struct rng *r = sim_rng(sim_of(a));

	if (a->unconsumed != 0) {
		uint32_t n = (uint32_t)rng_below(r, a->unconsumed + 1);

		if (rng_below(r, 2) == 0 || a->eof)
			n = (uint32_t)a->unconsumed;
		ASSERT(tcp_consumed(a->h->e, a->conn, n) == 0);
		a->unconsumed -= n;
	}
	if ((a->end == TRAFFIC_ABORT || a->end == TRAFFIC_CLOSE_EARLY) && a->sent >= a->end_at) {
		drop(a, a->end == TRAFFIC_ABORT);
		return;
	}
	if (a->sent < a->to_send && !a->want_write && !a->shut)
		send_some(a);
	if (a->sent == a->to_send)
		finish(a);
}

static void tick(void *arg)
{
	struct traffic_side *a = arg;

	a->ticking = false;
	if (a->closed || a->dropped || !a->up)
		return;
	act(a);
	if (!a->closed && !a->dropped &&
		(a->unconsumed != 0 || (a->sent < a->to_send && !a->want_write)))
		schedule(a);
	sim_kick(sim_of(a), a->h->id);
}

static void side_init(struct traffic *t, struct traffic_side *a, struct sim_host *h,
	struct traffic_side *peer, uint64_t max_bytes)
{
	struct rng *r = sim_rng(t->s);
	static const uint32_t chunks[] = {1, 10, 100, 1448, 4000, 20000};

	a->t = t;
	a->h = h;
	a->peer = peer;
	a->key = rng_next(r);
	a->to_send = rng_below(r, 4) == 0 ? 0 : rng_below(r, max_bytes + 1);
	a->max_chunk = chunks[rng_below(r, ARRAY_SIZE(chunks))];
	/* Bytes sent one at a time, a round trip each, take hours. */
	if (a->to_send > 2000u * a->max_chunk)
		a->to_send = 2000u * a->max_chunk;
	if (h->cfg.tcp.sndbuf != 0 && a->to_send > 300u * h->cfg.tcp.sndbuf)
		a->to_send = 300u * h->cfg.tcp.sndbuf;
	a->think_ns = rng_below(r, 3) == 0 ? 0 : rng_below(r, 20 * NS_PER_MS);
	a->end = rng_below(r, 8) == 0   ? TRAFFIC_ABORT
		 : rng_below(r, 8) == 0 ? TRAFFIC_CLOSE_EARLY
		 : rng_below(r, 2) == 0 ? TRAFFIC_CLOSE
					: TRAFFIC_SHUTDOWN;
	a->end_at = rng_below(r, a->to_send + 1);
}

static void start(struct traffic *t, struct sim *s, int from, int via, int to, int pairs, bool v6,
	uint64_t max_bytes)
{
	struct sim_host *hf = sim_host(s, from), *ht = sim_host(s, to), *hv = sim_host(s, via);
	struct ip_addr any = {0};

	ASSERT(pairs <= TRAFFIC_CONNS);
	t->s = s;
	t->pairs = pairs;
	if (t->port == 0)
		t->port = PORT;
	for (int p = 0; p < pairs; p++) {
		struct traffic_side *c = &t->side[p][0], *a = &t->side[p][1];
		struct tcp_connect_args args = {.raddr = v6 ? hv->addr6 : hv->addr4,
			.rport = BE16(t->port + p),
			.ops = &ops,
			.user = c};

		side_init(t, c, hf, a, max_bytes);
		side_init(t, a, ht, c, max_bytes);
		ASSERT(tcp_listen(ht->e, &any, args.rport, &ops, a) >= 0);
		ASSERT(tcp_connect(hf->e, &args, &c->conn) == 0);
	}
	sim_kick(s, from);
}

void traffic_init(
	struct traffic *t, struct sim *s, int from, int to, int pairs, bool v6, uint64_t max_bytes)
{
	start(t, s, from, to, to, pairs, v6, max_bytes);
}

void traffic_relay(struct traffic *t, struct sim *s, int from, int via, int to, uint64_t max_bytes)
{
	start(t, s, from, via, to, 1, false, max_bytes);
}

bool traffic_done(const struct traffic *t)
{
	for (int p = 0; p < t->pairs; p++)
		for (int i = 0; i < 2; i++) {
			const struct traffic_side *a = &t->side[p][i];

			if (i == 1 && a->conn == TCP_NONE && (a->peer->closed || a->peer->dropped))
				continue;
			if (!a->closed && !a->dropped)
				return false;
		}
	return true;
}

void traffic_print(const struct traffic *t)
{
	for (int p = 0; p < t->pairs; p++)
		for (int i = 0; i < 2; i++) {
			const struct traffic_side *a = &t->side[p][i];

			fprintf(stderr,
				"sim: pair %d side %d end %d: sent %llu of %llu, got %llu, "
				"unconsumed %llu,"
				"%s%s%s%s%s%s%s\n",
				p, i, a->end, (unsigned long long)a->sent,
				(unsigned long long)a->to_send, (unsigned long long)a->received,
				(unsigned long long)a->unconsumed, a->up ? " up" : "",
				a->shut ? " shut" : "", a->eof ? " eof" : "",
				a->closed ? " closed" : "", a->dropped ? " dropped" : "",
				a->ticking ? " ticking" : "", a->want_write ? " want_write" : "");
		}
}

void traffic_verify(const struct traffic *t)
{
	for (int p = 0; p < t->pairs; p++)
		for (int i = 0; i < 2; i++) {
			const struct traffic_side *a = &t->side[p][i], *b = a->peer;
			bool rough = a->end >= TRAFFIC_ABORT || b->end >= TRAFFIC_ABORT;

			/* Never accepted: the other side was gone before, or a cookie's answer was
			 * lost and it had nothing to send; then only its keep-alive can tell. */
			if (t->side[p][1].conn == TCP_NONE && t->side[p][1].sent == 0 &&
				(i == 1 || a->dropped || a->why != TCP_END_NORMAL))
				continue;
			if (!a->closed && !a->dropped)
				sim_fail(t->s, "pair %d side %d is not over", p, i);
			if (rough)
				continue;
			if (a->closed && a->why != TCP_END_NORMAL)
				sim_fail(t->s, "pair %d side %d ended with %s", p, i,
					tcp_end_name(a->why));
			if (a->sent != a->to_send || a->received != b->sent)
				sim_fail(t->s,
					"pair %d side %d: sent %llu of %llu, got %llu of %llu", p,
					i, (unsigned long long)a->sent,
					(unsigned long long)a->to_send,
					(unsigned long long)a->received,
					(unsigned long long)b->sent);
		}
}
