/* SPDX-License-Identifier: Apache-2.0
 * Connections of the pools: opened for a request, kept between requests, given to the next.
 *
 *	connecting -> busy -> idle -> busy ... -> gone
 *
 * Idle connections of a server form a stack: the one used last is used next, so that a pool that
 * is larger than needed runs dry from the bottom. Whatever makes a server able to take a request
 * posts the pool's task, which serves the requests that wait. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "lb/l7/http/chain.h"
#include "lb/l7/upstream/upstream_pvt.h"

#define BUDGET_UNIT     100 /* one retry */
#define NAMES_LOOKED_AT 64  /* idle connections that a request with a name of its own tries */
#define BUDGET_FLOOR    (10 * BUDGET_UNIT) /* a quiet pool may retry so often at once */

static const struct tcp_ops conn_ops;

uint32_t up_share(const struct up_worker *w, uint32_t limit)
{
	uint32_t n = limit / w->conf.worker_cnt;

	return limit == 0 || n > 0 ? n : 1;
}

const struct up_entry *up_entry_of(const struct up_worker *w, uint32_t upstream)
{
	return w->table == NULL || upstream >= LIMIT_UPSTREAMS ? NULL : w->table->by_id[upstream];
}

static struct up_state *state_of(const struct up_conn *c)
{
	return &c->w->servers[c->server];
}

static void post_serve(struct up_pool *p)
{
	if (p->pending > 0)
		http_task_post(p->w->conf.loop, &p->serve);
}

/* ---- connections ---- */

/* At most so often while a connection serves one request after another: it is not for free. */
#define NOTE_NS (100 * NS_PER_MS)

static void note_bytes(struct up_conn *c)
{
	struct up_server_stats *s = &state_of(c)->stats;
	struct tcp_info i;

	if (l7_io_info(&c->io, &i) != 0)
		return;
	up_count(&s->bytes_in, i.bytes_in - c->noted_in);
	up_count(&s->bytes_out, i.bytes_acked - c->noted_out);
	c->noted_in = i.bytes_in;
	c->noted_out = i.bytes_acked;
	c->noted_ns = c->w->conf.loop->now_ns;
}

/* The connection has ended or is about to be ended by the caller. */
static void forget(struct up_conn *c)
{
	struct up_worker *w = c->w;
	struct up_state *s = state_of(c);

	if (c->state == UP_IDLE) {
		list_remove(&c->node);
		up_gauge(&s->stats.idle, --s->idle_cnt);
	}
	up_gauge(&s->stats.conns, --s->conn_cnt);
	http_timer_stop(w->conf.loop, &c->timer);
	post_serve(&w->pools[c->pool]);
	pool_put(&w->conns, c->self);
}

static void close_idle(struct up_conn *c, uint64_t *counter)
{
	if (counter != NULL)
		up_count(counter, 1);
	note_bytes(c);
	l7_io_close(&c->io);
	forget(c);
}

static uint64_t keep_ns(const struct up_entry *e)
{
	return e->cfg->keepalive.idle_timeout_ns - e->cfg->keepalive.margin_ns;
}

static void on_timer(struct http_timer *t)
{
	struct up_conn *c = container_of(t, struct up_conn, timer);
	const struct up_entry *e = up_entry_of(c->w, c->pool);

	if (c->state != UP_IDLE)
		return;
	if (e != NULL && c->w->conf.loop->now_ns < c->idle_ns + keep_ns(e)) {
		http_timer_set(c->w->conf.loop, t, c->idle_ns + keep_ns(e));
		return;
	}
	close_idle(c, &state_of(c)->stats.expired);
}

static struct up_conn *conn_new(struct up_worker *w, uint32_t pool, uint32_t server)
{
	uint32_t idx = pool_get(&w->conns);
	struct up_conn *c;

	if (idx == POOL_NONE)
		return NULL;
	c = pool_at(&w->conns, idx);
	memset(c, 0, sizeof(*c));
	list_init(&c->node);
	c->self = idx;
	c->w = w;
	c->pool = pool;
	c->server = server;
	http_timer_init(&c->timer, on_timer);
	return c;
}

static struct ip_addr local_for(struct up_pool *p, const struct config_upstream *u, bool is4)
{
	struct ip_addr none = {.d = {0, 0}};

	for (uint32_t i = 0; i < u->local_addr_cnt; i++) {
		uint32_t at = p->local_next++ % u->local_addr_cnt;

		if (ip_addr_is4(&u->local_addrs[at]) == is4)
			return u->local_addrs[at];
	}
	return none;
}

static enum http_end end_of(int rc)
{
	switch (rc) {
	case -EADDRNOTAVAIL:
		return HTTP_END_NO_PORT;
	case -ENETUNREACH:
		return HTTP_END_CONNECT_FAILED;
	default:
		return HTTP_END_NO_MEMORY;
	}
}

/* ---- TLS ---- */

/* The name whose certificate must be shown to r's request. Where none is configured that is the
 * host name of the backend, or its address; NULL: the configured one. */
static const char *name_for(const struct up_entry *e, const struct up_server *s,
	const struct up_req *r, char text[TLS_NAME_MAX])
{
	struct span h = r->host;

	if (!e->sni_host && e->cfg->tls->sni[0] != '\0')
		return NULL;
	if (e->sni_host && h.len > 2 && h.at[0] == '[')
		h = (struct span){h.at + 1, h.len - 2}; /* an IPv6 address */
	if (e->sni_host && h.len > 0 && h.len < TLS_NAME_MAX) {
		memcpy(text, h.at, h.len);
		text[h.len] = '\0';
		return text;
	}
	return s->host != NULL ? s->host : ip_addr_format(&s->addr, text);
}

static uint64_t name_key(
	const struct up_worker *w, const struct up_entry *e, const struct up_req *r)
{
	return e->sni_host && r->host.len > 0 ? siphash24(&w->secret, r->host.at, r->host.len) | 1
					      : 0;
}

static int speak_tls(struct up_worker *w, const struct up_entry *e, const struct up_server *s,
	const struct up_req *r, struct up_conn *c)
{
	char text[TLS_NAME_MAX];
	struct tls_connect_args a = {.client = e->tls,
		.engine = c->io.e,
		.conn = c->io.conn,
		.sni = name_for(e, s, r, text),
		.ops = &conn_ops,
		.user = c};

	c->name = name_key(w, e, r);
	return w->conf.tls == NULL ? -ENOTSUP : tls_connect(w->conf.tls, &a, &c->io.tls);
}

static int conn_open(struct up_worker *w, const struct up_entry *e, const struct up_server *s,
	const struct up_req *r, struct up_conn **out)
{
	struct up_pool *p = &w->pools[e->id];
	struct up_state *st = &w->servers[s->id];
	struct up_conn *c = conn_new(w, e->id, s->id);
	struct tcp_connect_args a = {.laddr = local_for(p, e->cfg, ip_addr_is4(&s->addr)),
		.raddr = s->addr,
		.rport = s->port,
		.ops = &conn_ops,
		.user = c,
		.timeout_ms = (uint32_t)(e->cfg->connect_timeout_ns / NS_PER_MS)};
	int rc;

	if (c == NULL)
		return -ENOMEM;
	c->io.e = w->conf.engine;
	rc = tcp_connect(w->conf.engine, &a, &c->io.conn);
	if (rc == 0 && e->tls != NULL) {
		rc = speak_tls(w, e, s, r, c);
		if (rc != 0)
			l7_io_abort(&c->io);
	}
	if (rc != 0) {
		pool_put(&w->conns, c->self);
		return rc;
	}
	c->state = UP_CONNECTING;
	up_gauge(&st->stats.conns, ++st->conn_cnt);
	*out = c;
	return 0;
}

static void take_idle(struct up_conn *c, struct up_state *st)
{
	list_remove(&c->node);
	up_gauge(&st->stats.idle, --st->idle_cnt);
}

/* Connections of other names are passed over. */
static struct up_conn *idle_of_name(
	struct up_worker *w, const struct up_entry *e, struct up_state *st, const struct up_req *r)
{
	uint64_t name = name_key(w, e, r);
	uint32_t looked = 0;

	for (struct list_node *n = st->idle.next; n != &st->idle && looked < NAMES_LOOKED_AT;
		n = n->next, looked++) {
		struct up_conn *c = container_of(n, struct up_conn, node);

		if (c->name == name && w->conf.loop->now_ns < c->idle_ns + keep_ns(e)) {
			take_idle(c, st);
			return c;
		}
	}
	return NULL;
}

/* A place among the server's connections was counted as free because some are idle: of no use to
 * this request, the one that has waited longest gives it up. */
static void make_room(struct up_worker *w, const struct up_entry *e, struct up_state *st)
{
	uint32_t limit = e->cfg->limits.connections;

	if (limit > 0 && st->conn_cnt >= up_share(w, limit) && !list_empty(&st->idle))
		close_idle(container_of(st->idle.prev, struct up_conn, node), NULL);
}

/* A kept connection that may be used still; those that are too old are closed. */
static struct up_conn *idle_take(struct up_worker *w, const struct up_entry *e, struct up_state *st)
{
	while (!list_empty(&st->idle)) {
		struct up_conn *c = container_of(st->idle.next, struct up_conn, node);

		/* UP2 */
		if (likely(w->conf.loop->now_ns < c->idle_ns + keep_ns(e))) {
			take_idle(c, st);
			return c;
		}
		close_idle(c, &st->stats.expired);
	}
	return NULL;
}

static struct up_conn *kept_for(
	struct up_worker *w, const struct up_entry *e, struct up_state *st, const struct up_req *r)
{
	struct up_conn *c = NULL;

	if (likely(!r->fresh && !e->sni_host))
		return idle_take(w, e, st);
	if (!r->fresh)
		c = idle_of_name(w, e, st, r);
	if (c == NULL)
		make_room(w, e, st);
	return c;
}

/* ---- requests ---- */

static void take(struct up_req *r, struct up_conn *c)
{
	struct up_state *s = state_of(c);

	c->req = r;
	r->conn = c;
	r->server_id = c->server;
	if (r->tried_cnt < UP_TRIES)
		r->tried[r->tried_cnt++] = c->server;
	r->server = s->name;
	r->since_ns = r->w->conf.loop->now_ns;
	up_gauge(&s->stats.active, ++s->active);
}

static void give_back(struct up_req *r)
{
	struct up_state *s = &r->w->servers[r->server_id];

	up_gauge(&s->stats.active, --s->active);
	r->conn = NULL;
}

static void pool_leave(struct up_req *r)
{
	struct up_pool *p = &r->w->pools[r->upstream];

	up_gauge(&p->stats.active, --p->active);
}

/* The connection is up and r's. */
static void set_ready(struct up_req *r)
{
	struct up_conn *c = r->conn;
	struct up_state *s = state_of(c);

	c->state = UP_BUSY;
	r->io = c->io;
	r->kept = c->requests > 0;
	c->requests++;
	up_count(&s->stats.requests, 1);
	if (r->kept)
		up_count(&s->stats.reused, 1);
}

/* UP_WAIT with *full: nothing was begun. */
static enum up_verdict start(
	const struct up_entry *e, struct up_req *r, bool *full, enum http_end *why)
{
	struct up_worker *w = r->w;
	uint32_t i = up_choose(w, e, r, full);
	struct up_conn *c;
	int rc;

	/* The first answer about its names is awaited as a free connection is. */
	*full = *full || e->resolving;
	if (*full)
		return UP_WAIT;
	if (i == UP_NONE) {
		up_count(&w->pools[e->id].stats.no_backend, 1);
		/* A pool without any server is one whose names stand for nothing. */
		*why = e->server_cnt == 0 ? HTTP_END_DNS_ERROR : HTTP_END_NO_BACKEND;
		return UP_FAILED;
	}
	r->chosen = e->servers[i].cookie;
	c = kept_for(w, e, &w->servers[e->servers[i].id], r);
	if (c != NULL) {
		take(r, c);
		set_ready(r);
		return UP_READY;
	}
	rc = conn_open(w, e, &e->servers[i], r, &c);
	if (rc != 0) {
		up_count(&w->servers[e->servers[i].id].stats.errors, 1);
		*why = end_of(rc);
		return UP_FAILED;
	}
	take(r, c);
	return UP_WAIT;
}

static void wait_over(struct up_req *r)
{
	struct up_pool *p = &r->w->pools[r->upstream];

	list_remove(&r->wait);
	http_timer_stop(r->w->conf.loop, &r->timer);
	r->waiting = false;
	up_gauge(&p->stats.pending, --p->pending);
}

static void wait_timeout(struct http_timer *t)
{
	struct up_req *r = container_of(t, struct up_req, timer);

	up_count(&r->w->pools[r->upstream].stats.queue_timeout, 1);
	wait_over(r);
	pool_leave(r);
	r->ops->failed(r, HTTP_END_QUEUE_TIMEOUT);
}

static enum up_verdict queue(const struct up_entry *e, struct up_req *r, enum http_end *why)
{
	struct up_pool *p = &r->w->pools[e->id];

	if (p->pending >= e->cfg->limits.pending) {
		up_count(&p->stats.overflow, 1);
		*why = HTTP_END_OVERLOADED;
		return UP_FAILED;
	}
	up_count(&p->stats.queued, 1);
	up_gauge(&p->stats.pending, ++p->pending);
	list_append(&p->waiting, &r->wait);
	http_timer_init(&r->timer, wait_timeout);
	http_timer_set(r->w->conf.loop, &r->timer,
		r->w->conf.loop->now_ns + e->cfg->limits.queue_timeout_ns);
	r->waiting = true;
	return UP_WAIT;
}

static void earn_budget(struct up_pool *p, const struct up_entry *e)
{
	uint32_t most = BUDGET_FLOOR + 100 * e->cfg->retry.budget_pct;

	p->budget += e->cfg->retry.budget_pct;
	if (p->budget > most)
		p->budget = most;
}

enum up_verdict up_begin(struct up_worker *w, struct up_req *r, enum http_end *why)
{
	const struct up_entry *e = up_entry_of(w, r->upstream);
	struct up_pool *p;
	enum up_verdict v;
	bool full;

	r->w = w;
	if (e == NULL) {
		*why = HTTP_END_NO_BACKEND;
		return UP_FAILED;
	}
	p = &w->pools[e->id];
	if (e->cfg->limits.requests > 0 && p->active >= up_share(w, e->cfg->limits.requests)) {
		up_count(&p->stats.overflow, 1);
		*why = HTTP_END_CIRCUIT_OPEN;
		return UP_FAILED;
	}
	if (r->tried_cnt == 0) {
		up_count(&p->stats.requests, 1);
		earn_budget(p, e);
	} else {
		up_count(&p->stats.retries, 1);
	}
	up_gauge(&p->stats.active, ++p->active);
	/* Nobody overtakes those that wait. */
	full = p->pending > 0;
	v = full ? UP_WAIT : start(e, r, &full, why);
	if (v == UP_WAIT && full)
		v = queue(e, r, why);
	if (v == UP_FAILED)
		pool_leave(r);
	return v;
}

/* Requests that wait, in order, as long as there is a server with room. */
static void serve(struct http_task *t)
{
	struct up_pool *p = container_of(t, struct up_pool, serve);
	const struct up_entry *e = up_entry_of(p->w, p->id);
	uint32_t most = p->pending;

	while (most-- > 0 && !list_empty(&p->waiting)) {
		struct up_req *r = container_of(p->waiting.next, struct up_req, wait);
		enum http_end why = HTTP_END_NO_BACKEND;
		enum up_verdict v = UP_FAILED;
		bool full = false;

		if (e != NULL)
			v = start(e, r, &full, &why);
		if (full)
			return;
		wait_over(r);
		if (v == UP_FAILED) {
			pool_leave(r);
			r->ops->failed(r, why);
		} else if (v == UP_READY) {
			r->ops->ready(r);
		}
	}
}

/* ---- the end of a request ---- */

static bool may_keep(struct up_conn *c, const struct up_entry *e)
{
	struct up_state *s = state_of(c);
	const struct config_upstream_keepalive *k;

	if (e == NULL || !s->present || c->w->draining || !l7_io_is_open(&c->io))
		return false;
	k = &e->cfg->keepalive;
	return s->idle_cnt < k->idle_connections && (k->requests == 0 || c->requests < k->requests);
}

static void to_idle(struct up_conn *c, const struct up_entry *e)
{
	struct up_state *s = state_of(c);
	struct http_loop *l = c->w->conf.loop;

	c->state = UP_IDLE;
	c->req = NULL;
	c->idle_ns = l->now_ns;
	list_insert_before(s->idle.next, &c->node);
	if (l->now_ns - c->noted_ns >= NOTE_NS)
		note_bytes(c);
	up_gauge(&s->stats.idle, ++s->idle_cnt);
	if (!wheel_timer_armed(&c->timer.at))
		http_timer_set(l, &c->timer, l->now_ns + keep_ns(e));
	else
		c->timer.due_ns = l->now_ns + keep_ns(e);
	post_serve(&c->w->pools[c->pool]);
}

static void judge(struct up_req *r, const struct up_entry *e, enum up_outcome o)
{
	struct up_state *s = &r->w->servers[r->server_id];

	if (o == UP_NEITHER)
		return;
	if (o == UP_FAILURE)
		up_count(&s->stats.failures, 1);
	if (e != NULL && s->present)
		up_outlier_note(r->w, e, s, o == UP_GOOD);
}

void up_end(struct up_req *r, enum up_outcome outcome, enum up_fate fate)
{
	const struct up_entry *e = up_entry_of(r->w, r->upstream);
	struct up_conn *c = r->conn;

	ASSERT_DBG(c != NULL && c->req == r);
	judge(r, e, outcome);
	give_back(r);
	pool_leave(r);
	if (c->detached) {
		forget(c);
	} else if (fate == UP_KEEP && may_keep(c, e)) {
		to_idle(c, e);
	} else {
		if (l7_io_is_open(&c->io)) {
			note_bytes(c);
			if (fate == UP_ABORT)
				l7_io_abort(&c->io);
			else
				l7_io_close(&c->io);
		}
		forget(c);
	}
}

struct l7_io up_detach(struct up_req *r)
{
	struct l7_io io = r->conn->io;

	r->conn->detached = true;
	r->conn->io.conn = TCP_NONE;
	return io;
}

void up_cancel(struct up_req *r)
{
	if (r->waiting) {
		wait_over(r);
		pool_leave(r);
	} else if (r->conn != NULL) {
		up_end(r, UP_NEITHER, UP_ABORT);
	}
}

void up_note_head(struct up_req *r)
{
	up_latency(&r->w->servers[r->server_id], r->w->conf.loop->now_ns - r->since_ns);
}

bool up_retry_allowed(struct up_worker *w, uint32_t upstream)
{
	struct up_pool *p = &w->pools[upstream];

	if (p->budget < BUDGET_UNIT) {
		up_count(&p->stats.budget, 1);
		return false;
	}
	p->budget -= BUDGET_UNIT;
	return true;
}

/* ---- events of the engine ---- */

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct up_conn *c = user;

	(void)e;
	(void)conn;
	up_count(&state_of(c)->stats.connects, 1);
	set_ready(c->req);
	c->req->ops->ready(c->req);
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct up_conn *c = user;

	(void)e;
	(void)conn;
	if (likely(c->req != NULL)) {
		c->req->ops->data(c->req, chain, len);
		return;
	}
	/* UP2: whose answer it would be cannot be known. */
	chain_free_list(chain);
	up_count(&state_of(c)->stats.unsolicited, 1);
	note_bytes(c);
	l7_io_abort(&c->io);
	forget(c);
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct up_conn *c = user;

	(void)e;
	(void)conn;
	/* Without the end that TLS says, an end of file may be anybody's (RFC 9112 9.8). */
	if (c->req != NULL && l7_io_truncated(&c->io)) {
		note_bytes(c);
		l7_io_abort(&c->io);
		c->req->io = c->io;
		c->req->ops->closed(c->req, TCP_END_RESET);
	} else if (c->req != NULL)
		c->req->ops->eof(c->req);
	else
		close_idle(c, &state_of(c)->stats.stale);
}

static void on_writable(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct up_conn *c = user;

	(void)e;
	(void)conn;
	if (c->req != NULL && c->state == UP_BUSY)
		c->req->ops->writable(c->req);
}

static void connect_failed(struct up_conn *c, enum tcp_end end)
{
	struct up_req *r = c->req;
	struct up_server_stats *s = &state_of(c)->stats;
	enum http_end why = HTTP_END_CONNECT_FAILED;
	enum tls_end tls = c->io.tls != NULL ? tls_end_of(c->io.tls) : TLS_END_NONE;

	if (tls != TLS_END_NONE && tls != TLS_END_TCP) {
		up_count(&s->errors, 1);
		why = tls == TLS_END_VERIFY ? HTTP_END_BACKEND_CERTIFICATE : HTTP_END_BACKEND_TLS;
	} else if (end == TCP_END_REFUSED) {
		up_count(&s->refused, 1);
		why = HTTP_END_CONNECT_REFUSED;
	} else if (end == TCP_END_TIMEOUT) {
		up_count(&s->timeouts, 1);
		why = HTTP_END_CONNECT_TIMEOUT;
	} else {
		up_count(&s->errors, 1);
	}
	judge(r, up_entry_of(c->w, c->pool), UP_FAILURE);
	give_back(r);
	pool_leave(r);
	forget(c);
	r->ops->failed(r, why);
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct up_conn *c = user;

	(void)e;
	(void)conn;
	if (c->state == UP_CONNECTING) {
		connect_failed(c, end);
		return;
	}
	note_bytes(c);
	c->io.conn = TCP_NONE;
	if (c->req == NULL) {
		up_count(&state_of(c)->stats.stale, 1);
		forget(c);
		return;
	}
	c->req->io.conn = TCP_NONE;
	c->req->ops->closed(c->req, end);
}

static const struct tcp_ops conn_ops = {
	.on_connect = on_connect,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_writable = on_writable,
	.on_closed = on_closed,
};

/* ---- life ---- */

int up_worker_create(const struct up_conf *conf, struct up_worker **out)
{
	struct up_worker *w = calloc(1, sizeof(*w));
	uint64_t seed;
	int rc;

	*out = NULL;
	if (w == NULL)
		return -ENOMEM;
	w->conf = *conf;
	rng_secret(&seed, sizeof(seed));
	rng_seed(&w->rng, seed);
	rng_secret(&w->secret, sizeof(w->secret));
	rc = pool_init(&w->conns, sizeof(struct up_conn), 8, conf->max_conns);
	if (rc != 0) {
		free(w);
		return rc;
	}
	for (uint32_t i = 0; i < LIMIT_UPSTREAMS; i++) {
		struct up_pool *p = &w->pools[i];

		list_init(&p->waiting);
		http_task_init(&p->serve, serve);
		p->w = w;
		p->id = i;
		p->budget = BUDGET_FLOOR;
	}
	for (uint32_t i = 0; i < UP_SERVERS; i++)
		list_init(&w->servers[i].idle);
	*out = w;
	return 0;
}

void up_worker_warm(struct up_worker *w, uint32_t conns)
{
	pool_warm(&w->conns, conns);
}

void up_worker_destroy(struct up_worker *w)
{
	if (w == NULL)
		return;
	pool_fini(&w->conns);
	free(w);
}

static void close_all_idle(struct up_state *s)
{
	while (!list_empty(&s->idle))
		close_idle(container_of(s->idle.next, struct up_conn, node), NULL);
}

static void name_server(struct up_state *s, const struct up_server *sv)
{
	char text[IP_ADDR_TEXT_MAX];

	ip_addr_format(&sv->addr, text);
	if (ip_addr_is4(&sv->addr))
		snprintf(s->name, sizeof(s->name), "%s:%u", text, BE16(sv->port));
	else
		snprintf(s->name, sizeof(s->name), "[%s]:%u", text, BE16(sv->port));
}

/* Ids that passed on begin at zero; nothing counts under them. */
static void renew(struct up_worker *w, const struct up_table *t)
{
	for (uint32_t i = 0; i < t->cnt; i++) {
		struct up_pool *p = &w->pools[t->entries[i].id];

		if (p->epoch == t->entries[i].epoch)
			continue;
		p->epoch = t->entries[i].epoch;
		p->budget = BUDGET_FLOOR;
		p->wrr_next = 0;
		memset(&p->stats, 0, sizeof(p->stats));
	}
	for (uint32_t i = 0; i < UP_SERVERS; i++) {
		struct up_state *s = &w->servers[i];

		if (s->epoch == t->server_epoch[i])
			continue;
		close_all_idle(s);
		if (s->epoch != 0)
			up_outlier_forget(w, s);
		s->epoch = t->server_epoch[i];
		s->latency_ns = s->up_ns = 0;
		s->up = false;
		memset(&s->stats, 0, sizeof(s->stats));
	}
}

static void adopt_servers(struct up_worker *w, const struct up_entry *e)
{
	for (uint32_t i = 0; i < e->server_cnt; i++) {
		const struct up_server *sv = &e->servers[i];
		struct up_state *s = &w->servers[sv->id];
		bool up = sv->up && !sv->drain;

		s->present = true;
		s->pool = e->id;
		name_server(s, sv);
		if (up && !s->up && w->adopted)
			s->up_ns = w->conf.loop->now_ns;
		s->up = up;
		if (!sv->up || e->cfg->keepalive.idle_connections == 0)
			close_all_idle(s);
	}
	post_serve(&w->pools[e->id]);
}

void up_worker_adopt(struct up_worker *w, const struct up_table *t, bool draining)
{
	renew(w, t);
	for (uint32_t i = 0; i < UP_SERVERS; i++)
		w->servers[i].present = false;
	w->table = t;
	w->draining = draining;
	for (uint32_t i = 0; i < t->cnt; i++)
		adopt_servers(w, &t->entries[i]);
	for (uint32_t i = 0; i < UP_SERVERS; i++) {
		struct up_state *s = &w->servers[i];

		if (s->present && !draining)
			continue;
		close_all_idle(s);
		/* Should it come back, it is new. */
		if (!s->present)
			s->up = false;
		if (!s->present && s->ejected_ns != 0)
			up_outlier_forget(w, s);
	}
	for (uint32_t i = 0; i < LIMIT_UPSTREAMS; i++)
		post_serve(&w->pools[i]);
	w->adopted = true;
}

const struct up_pool_stats *up_pool_stats(const struct up_worker *w, uint32_t id)
{
	return &w->pools[id].stats;
}

const struct up_server_stats *up_server_stats(const struct up_worker *w, uint32_t id)
{
	return &w->servers[id].stats;
}
