/* SPDX-License-Identifier: Apache-2.0
 * Action tcp_proxy. Until a backend has answered, what the client sends waits in the connection and
 * its window stays shut behind it. Then the PROXY protocol header goes out, what waited follows,
 * and both directions are spliced: payload, ends of file and back-pressure pass inside the engine.
 * With TLS on a side the bytes pass through here instead: `pend` holds those towards the backend,
 * `down` those towards the client, and each is reported consumed when the other side has taken it.
 * A side that ends in error takes the other with it by a reset, and so does one whose TLS ends
 * without saying so, as what came may be cut; a side that ends in order leaves the other to finish.
 */
#include <errno.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/hash.h"
#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "dataplane/tls/hello.h"
#include "lb/l7/worker_pvt.h"

#define NO_PORT_LOG_NS (10 * NS_PER_SEC)

static void next_backend(struct l7_conn *c);

/* ---- choice ---- */

static bool was_tried(const struct l7_conn *c, uint32_t member)
{
	for (uint32_t i = 0; i < c->tries; i++)
		if (c->tried[i] == member)
			return true;
	return false;
}

static uint32_t choose_hash(const struct l7_conn *c, const struct l4_sched_set *s)
{
	uint64_t h = mix_fold(c->peer.src.d[0] ^ UINT64_C(0x9e3779b97f4a7c15),
		c->peer.src.d[1] ^ UINT64_C(0xd1b54a32d192ed03));

	/* The next try follows another hash, the same on every worker and node. */
	h = mix_fold(h ^ c->tries, UINT64_C(0x9fb21c651e98df25));
	return s->maglev[maglev_slot(h, s->maglev_size)];
}

static uint32_t choose_least(const struct l7_conn *c, const struct l7_group *g)
{
	uint32_t best = L7_NONE;

	for (uint32_t n = 0; n < g->set->node_cnt; n++) {
		uint64_t a = c->w->members[g->members[n]].active;

		if (was_tried(c, g->members[n]))
			continue;
		if (best == L7_NONE || (a + 1) * g->set->nodes[best].weight <
					       (c->w->members[g->members[best]].active + 1) *
						       g->set->nodes[n].weight)
			best = n;
	}
	return best;
}

/* A node of the group's set that was not tried yet, or L7_NONE. */
static uint32_t choose(struct l7_conn *c, const struct l7_listener *l, const struct l7_group *g)
{
	const struct l4_sched_set *s = g->set;
	uint32_t first = 0;

	if (s->node_cnt == 0)
		return L7_NONE;
	if (l->cfg->scheduler == LISTENER_LEAST_CONN)
		return choose_least(c, g);
	if (l->cfg->scheduler == LISTENER_WRR)
		first = s->wrr[c->w->wrr_next[l->id]++ % s->wrr_len];
	else
		first = choose_hash(c, s);
	for (uint32_t i = 0; i < s->node_cnt; i++) {
		uint32_t n = (first + i) % s->node_cnt;

		if (!was_tried(c, g->members[n]))
			return n;
	}
	return L7_NONE;
}

/* ---- names ---- */

/* The ClientHello that waits in pend. */
static enum tls_peek peek(const struct l7_conn *c, struct tls_hello *hello)
{
	struct l7_worker *w = c->w;
	uint32_t n = 0;

	for (const struct rte_mbuf *m = c->pend; m != NULL && n < TLS_HELLO_MAX; m = m->next) {
		uint32_t k = m->data_len < TLS_HELLO_MAX - n ? m->data_len : TLS_HELLO_MAX - n;

		memcpy(w->hello[0] + n, rte_pktmbuf_mtod(m, const uint8_t *), k);
		n += k;
	}
	return tls_peek_client_hello(w->hello[0], n, w->hello[1], hello);
}

/* The backends for the name that the client asked for, if names matter here. What waits is looked
 * at again for each try: the table may be another one by then. */
static const struct l7_group *group_for(const struct l7_conn *c, const struct l7_listener *l)
{
	struct tls_hello hello;
	struct tls_info i;

	if (l->sni_cnt == 0)
		return &l->rest;
	if (c->front.tls != NULL) {
		tls_info(c->front.tls, &i);
		return l7_group_of(l, i.sni);
	}
	return peek(c, &hello) == TLS_PEEK_OK ? l7_group_of(l, hello.sni) : &l->rest;
}

static void start(struct l7_conn *c)
{
	const struct l7_listener *l = l7_listener_of(c);

	if (l == NULL || l->sni_cnt == 0 || c->front.tls != NULL) {
		next_backend(c);
		return;
	}
	c->peeking = true;
	c->peek_need = 1;
	wheel_arm(&c->w->wheel, &c->timer, c->w->now_ns + l->cfg->connect_timeout_ns);
}

static void no_hello(struct l7_conn *c)
{
	l7_count(&l7_stats(c)->tls_failed, 1);
	l7_abort(c);
}

static void peek_more(struct l7_conn *c)
{
	struct tls_hello hello;

	if (c->pend_len < c->peek_need)
		return;
	switch (peek(c, &hello)) {
	case TLS_PEEK_MORE:
		c->peek_need = hello.need;
		return;
	case TLS_PEEK_BAD:
		no_hello(c);
		return;
	default:
		c->peeking = false;
		wheel_cancel(&c->w->wheel, &c->timer);
		next_backend(c);
	}
}

/* ---- the backend's side ---- */

static void drop_back(struct l7_conn *c)
{
	l7_note_back(c);
	l7_count(&c->w->members[c->member].active, (uint64_t)-1);
	c->back.conn = TCP_NONE;
	c->back.tls = NULL;
}

/* Can the engine join both sides? */
static bool plain(const struct l7_conn *c)
{
	return c->front.tls == NULL && c->back.tls == NULL;
}

/* All that a side sent was taken by the other, and its end is next. False: c is gone. */
static bool pass_end(
	struct l7_conn *c, const struct l7_io *from, const struct l7_io *to, bool *done)
{
	if (*done)
		return true;
	*done = true;
	if (l7_io_truncated(from)) {
		l7_count(&l7_stats(c)->resets, 1);
		l7_abort(c);
		return false;
	}
	(void)l7_io_shutdown(to);
	return true;
}

/* Towards the backend. When everything that waited is on its way and there is no TLS, the engine
 * does the rest. */
static void flow(struct l7_conn *c)
{
	if (c->spliced)
		return;
	if (l7_pass_pend(c, &c->back) < 0) {
		l7_abort(c);
		return;
	}
	if (c->pend != NULL)
		return;
	if (plain(c)) {
		c->spliced = true;
		(void)tcp_splice(c->w->engine, c->front.conn, c->back.conn);
	} else if (c->front_eof) {
		(void)pass_end(c, &c->front, &c->back, &c->up_shut);
	}
}

/* Towards the client, where TLS stands on a side. */
static void flow_down(struct l7_conn *c)
{
	int64_t n = 0;

	if (c->down != NULL) {
		n = l7_io_send(&c->front, &c->down, 0);
		if (n < 0) {
			l7_abort(c);
			return;
		}
		(void)l7_io_consumed(&c->back, (uint32_t)n);
	}
	if (c->down == NULL && c->back_eof)
		(void)pass_end(c, &c->back, &c->front, &c->down_shut);
}

static void idle_start(struct l7_conn *c)
{
	if (c->idle_ns > 0)
		wheel_arm(&c->w->wheel, &c->timer, c->w->now_ns + c->idle_ns / 4);
}

static void back_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct l7_conn *c = user;

	l7_count(&c->w->members[c->member].connects, 1);
	c->connected = true;
	idle_start(c);
	if (plain(c))
		(void)tcp_splice(e, conn, c->front.conn);
	flow(c);
}

static void back_writable(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct l7_conn *c = user;

	(void)e;
	(void)conn;
	if (c->connected)
		flow(c);
}

/* Without TLS only when the client's side has ended first. */
static void back_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct l7_conn *c = user;

	(void)e;
	(void)conn;
	(void)len;
	if (plain(c) || !l7_io_is_open(&c->front)) {
		l7_chain_free(chain);
		l7_abort(c);
		return;
	}
	if (c->down == NULL)
		c->down = chain;
	else
		c->down_tail->next = chain;
	while (chain->next != NULL)
		chain = chain->next;
	c->down_tail = chain;
	flow_down(c);
}

static void back_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct l7_conn *c = user;

	(void)e;
	(void)conn;
	c->back_eof = true;
	if (!plain(c) && l7_io_is_open(&c->front))
		flow_down(c);
}

static void connect_failed(struct l7_conn *c, enum tcp_end end)
{
	struct l7_member_stats *s = &c->w->members[c->member];

	if (end == TCP_END_REFUSED)
		l7_count(&s->refused, 1);
	else if (end == TCP_END_TIMEOUT)
		l7_count(&s->timeouts, 1);
	else
		l7_count(&s->errors, 1);
	l7_count(&s->active, (uint64_t)-1);
	c->back.conn = TCP_NONE;
	c->back.tls = NULL;
	next_backend(c);
}

static void back_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct l7_conn *c = user;

	(void)e;
	(void)conn;
	if (!c->connected) {
		connect_failed(c, end);
		return;
	}
	if (end != TCP_END_NORMAL)
		l7_count(&c->w->members[c->member].resets, 1);
	drop_back(c);
	if (!l7_io_is_open(&c->front)) {
		l7_finish(c);
	} else if (end != TCP_END_NORMAL) {
		l7_count(&l7_stats(c)->resets, 1);
		l7_abort(c);
	}
}

static const struct tcp_ops back_ops = {
	.on_connect = back_connect,
	.on_data = back_data,
	.on_eof = back_eof,
	.on_writable = back_writable,
	.on_closed = back_closed,
};

/* ---- opening ---- */

/* Configured sources of the family in turn; zero: the route's. */
static struct ip_addr local_for(struct l7_conn *c, const struct config_listener *cfg, bool is4)
{
	struct ip_addr none = {.d = {0, 0}};

	for (uint32_t i = 0; i < cfg->local_addr_cnt; i++) {
		uint32_t at = c->w->local_next++ % cfg->local_addr_cnt;

		if (ip_addr_is4(&cfg->local_addrs[at]) == is4)
			return cfg->local_addrs[at];
	}
	return none;
}

/* Before anything else goes the PROXY protocol header, in front of TLS too; the backend's host name
 * or address stands in for a name that is not configured. */
static int speak(struct l7_conn *c, const struct l7_listener *l, const struct ip_addr *addr,
	const char *host)
{
	uint8_t hdr[PROXY_WRITE_MAX];
	uint32_t len = proxy_write(l->cfg->send_proxy, &c->peer, hdr);
	char text[IP_ADDR_TEXT_MAX];
	struct tls_connect_args a = {.client = l->backend_tls,
		.engine = c->back.e,
		.conn = c->back.conn,
		.ops = &back_ops,
		.user = c};

	if (len > 0 && tcp_send_bytes(c->back.e, c->back.conn, hdr, len, 0) != (int64_t)len)
		return -ENOMEM;
	if (l->backend_tls == NULL)
		return 0;
	if (l->cfg->backend_tls->sni[0] == '\0')
		a.sni = host != NULL ? host : ip_addr_format(addr, text);
	return c->w->tls == NULL ? -ENOTSUP : tls_connect(c->w->tls, &a, &c->back.tls);
}

static int connect_to(
	struct l7_conn *c, const struct l7_listener *l, const struct l7_group *g, uint32_t node)
{
	const struct maglev_node *n = &g->set->nodes[node];
	struct tcp_connect_args a = {.laddr = local_for(c, l->cfg, ip_addr_is4(&n->addr)),
		.raddr = n->addr,
		.rport = n->port_be,
		.ops = &back_ops,
		.user = c,
		.timeout_ms = (uint32_t)(l->cfg->connect_timeout_ns / NS_PER_MS)};
	int rc;

	c->member = g->members[node];
	c->tried[c->tries++] = c->member;
	rc = tcp_connect(c->w->engine, &a, &c->back.conn);
	if (rc != 0) {
		c->back.conn = TCP_NONE;
		return rc;
	}
	rc = speak(c, l, &n->addr, g->hosts[node]);
	if (rc == 0)
		l7_count(&c->w->members[c->member].active, 1);
	else
		l7_io_abort(&c->back);
	return rc;
}

/* Rarely: it happens at the rate of connections when it does. */
static void say_no_port(struct l7_conn *c, const struct l7_listener *l)
{
	struct l7_worker *w = c->w;
	const struct tcp_counters *k = tcp_counters(w->engine);

	if (w->now_ns < w->no_port_ns)
		return;
	w->no_port_ns = w->now_ns + NO_PORT_LOG_NS;
	LOG_WRN("no local port is left towards a backend",
		"worker=%u listener=%s total=%llu refused_by_steering=%llu", w->conf.index,
		l->cfg->name, (unsigned long long)k->no_port, (unsigned long long)k->port_refused);
}

static void give_up(struct l7_conn *c, uint64_t *counter)
{
	l7_count(counter, 1);
	l7_abort(c);
}

static void next_backend(struct l7_conn *c)
{
	const struct l7_listener *l = l7_listener_of(c);
	const struct l7_group *g = l == NULL ? NULL : group_for(c, l);
	struct l7_listener_stats *s = l7_stats(c);
	uint32_t node;
	int rc = 0;

	while (l != NULL && c->tries < L7_TRIES) {
		node = choose(c, l, g);
		if (node == L7_NONE)
			break;
		if (c->tries > 0)
			l7_count(&s->retries, 1);
		rc = connect_to(c, l, g, node);
		if (rc == 0)
			return;
		if (rc != -EADDRNOTAVAIL)
			l7_count(&c->w->members[c->member].errors, 1);
	}
	if (rc == -EADDRNOTAVAIL) {
		say_no_port(c, l);
		give_up(c, &s->no_port);
	} else
		give_up(c, c->tries == 0 ? &s->no_backend : &s->failed);
}

/* ---- the client's side ---- */

static void front_eof(struct l7_conn *c)
{
	if (c->peeking)
		no_hello(c);
	else if (c->connected && !plain(c))
		flow(c);
}

static void front_writable(struct l7_conn *c)
{
	if (c->connected && !plain(c))
		flow_down(c);
}

static void front_data(struct l7_conn *c)
{
	if (c->peeking)
		peek_more(c);
	else if (c->spliced)
		l7_abort(c); /* the backend's side has ended, and the client goes on */
	else if (c->connected)
		flow(c);
}

static void front_closed(struct l7_conn *c, enum tcp_end end)
{
	struct l7_io back;

	if (!l7_io_is_open(&c->back)) {
		l7_finish(c);
		return;
	}
	if (end == TCP_END_NORMAL && c->connected)
		return;
	back = c->back;
	drop_back(c);
	l7_io_abort(&back);
	l7_finish(c);
}

static uint64_t moved(const struct l7_io *io)
{
	struct tcp_info i;

	return l7_io_is_open(io) && l7_io_info(io, &i) == 0 ? i.bytes_in + i.bytes_acked : 0;
}

/* Idle when four checks in a row saw nothing move on either side. */
static void idle_check(struct l7_conn *c)
{
	uint64_t now = moved(&c->front) + moved(&c->back);

	if (c->peeking) {
		no_hello(c);
		return;
	}
	c->quiet = now == c->moved ? (uint8_t)(c->quiet + 1) : 0;
	c->moved = now;
	if (c->quiet >= 4)
		give_up(c, &l7_stats(c)->idle);
	else
		idle_start(c);
}

const struct l7_action l7_tcp_proxy = {
	.open = start,
	.data = front_data,
	.eof = front_eof,
	.writable = front_writable,
	.closed = front_closed,
	.timer = idle_check,
};
