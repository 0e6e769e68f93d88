/* SPDX-License-Identifier: Apache-2.0
 * Active opens and their local ports.
 *
 * Ports are tried from a start that is a keyed hash of the destination plus a counter (RFC 6056
 * algorithm 3), so that neighbouring connections do not tell of each other. A port is free if the
 * tuple is not in the table and the steering callback agrees. When no port was free, a TIME_WAIT
 * record of the same tuple may give way (RFC 6191).
 *
 * The next connection tries the next port, so that ports rest as long as can be. After a collision
 * tries go on in strides that visit the whole range: connections that stay occupy what lies side by
 * side, and a walk through that would take as long as it is. A bound on the tries keeps a range
 * that is nearly used up, or that steering refuses, from holding the worker. */
#include <errno.h>

#include "dataplane/tcp/tcp_pvt.h"

static bool steering_ok(const struct tcp_engine *e, const struct tcp_tuple *t)
{
	return e->cfg.cb.port_ok == NULL ||
	       e->cfg.cb.port_ok(e->cfg.cb.ctx, &t->laddr, &t->raddr, t->lport, t->rport);
}

/* Is the tuple free, or held by a record that gives way? */
static bool tuple_free(struct tcp_engine *e, const struct tcp_tuple *t, uint64_t hash, bool reuse)
{
	uint32_t slot = tcp_table_find(&e->table, t, hash);

	if (slot == TCP_SLOT_EMPTY)
		return true;
	return reuse && tcp_slot_kind(slot) == TCP_KIND_TW && tw_reusable(e, tcp_slot_idx(slot));
}

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

/* Near the golden section of the range, and prime to its size. */
uint32_t port_stride(uint32_t n)
{
	uint32_t s = (uint32_t)((uint64_t)n * 618 / 1000) | 1;

	while (gcd(n, s) != 1)
		s += 2;
	return s;
}

/* Choose t->lport. Ranges up to LIMIT_TCP_PORT_TRIES are tried port by port before it fails. */
int port_choose(struct tcp_engine *e, struct tcp_tuple *t, uint64_t *hash)
{
	uint32_t lo = e->cfg.port_lo, n = (uint32_t)e->cfg.port_hi - lo + 1;
	struct tcp_tuple key = *t;
	uint32_t at, aside = 0, tries = u32_min(n, LIMIT_TCP_PORT_TRIES);

	key.lport = 0;
	at = ((uint32_t)siphash24(&e->port_key, &key, TCP_TUPLE_KEY_LEN) + e->port_next++) % n;
	for (uint32_t i = 0; i < tries; i++, at = (at + e->port_step) % n) {
		bool free;

		t->lport = BE16(lo + at);
		*hash = tcp_tuple_hash(&e->table, t);
		free = tuple_free(e, t, *hash, false);
		if (!free && (aside != 0 || !tuple_free(e, t, *hash, true)))
			continue;
		if (!steering_ok(e, t))
			CNT(e, port_refused);
		else if (free)
			return 0;
		else
			aside = lo + at;
	}
	if (aside != 0) {
		t->lport = BE16(aside);
		*hash = tcp_tuple_hash(&e->table, t);
		return 0;
	}
	CNT(e, no_port);
	return -EADDRNOTAVAIL;
}

static int choose_local(
	struct tcp_engine *e, const struct tcp_connect_args *a, struct tcp_tuple *t, uint64_t *hash)
{
	struct tcp_route r = {0};

	if (!e->cfg.cb.route(e->cfg.cb.ctx, &a->raddr, &r))
		return -ENETUNREACH;
	*t = (struct tcp_tuple){.raddr = a->raddr, .rport = a->rport, .lport = a->lport};
	t->laddr = ip_addr_is_zero(&a->laddr) ? r.src : a->laddr;
	if (ip_addr_is4(&t->laddr) != ip_addr_is4(&t->raddr))
		return -EINVAL;
	if (a->lport == 0)
		return port_choose(e, t, hash);
	*hash = tcp_tuple_hash(&e->table, t);
	return tuple_free(e, t, *hash, true) ? 0 : -EADDRINUSE;
}

int tcp_connect(struct tcp_engine *e, const struct tcp_connect_args *a, uint64_t *conn)
{
	struct tcp_tuple t;
	struct tcp_conn *c;
	uint64_t hash, isn;
	uint32_t slot, iss;
	int rc;

	if (a->rport == 0 || a->ops == NULL)
		return -EINVAL;
	if (e->conns.used == e->conns.capacity) {
		CNT(e, no_conn);
		return -ENFILE;
	}
	rc = choose_local(e, a, &t, &hash);
	if (rc != 0)
		return rc;
	isn = tuple_isn(e, &t);
	iss = isn_of(e, isn);
	slot = tcp_table_find(&e->table, &t, hash);
	if (slot != TCP_SLOT_EMPTY) {
		const struct tcp_tw *tw = pool_at(&e->tws, tcp_slot_idx(slot));

		if (seq_le(iss, tw->t.own + 65535))
			iss = tw->t.own + 65537;
		CNT(e, timewait_reused);
		tw_free(e, tcp_slot_idx(slot));
	}
	c = conn_new(e, &t, hash);
	if (c == NULL)
		return -ENFILE;
	(void)conn_set_route(e, c, NULL);
	c->state = TCP_SYN_SENT;
	c->ops = a->ops;
	c->user = a->user;
	c->ts_off = (uint32_t)(isn >> 32);
	c->snd_una = iss;
	c->snd_nxt = c->snd_end = c->rack_fack = iss + 1;
	c->rcv_wscale = wscale_for(e, c->rcvbuf);
	c->mss = c->rcv_mss = 536;
	c->flags |= CF_SYN_DUE;
	if (a->timeout_ms != 0)
		timer_set_slow(e, c, a->timeout_ms);
	CNT(e, connects);
	conn_dirty(e, c);
	*conn = conn_handle(e, c);
	return 0;
}
