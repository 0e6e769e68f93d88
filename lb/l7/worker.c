/* SPDX-License-Identifier: Apache-2.0
 * Listeners and the client's side of connections; actions are in serve.c and tcp_proxy.c. */
#include "lb/l7/worker_pvt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l7/http/http.h"
#include "lb/l7/http_check.h"
#include "lb/l7/resp/resp.h"
#include "dataplane/tls/tls_worker.h"

#define WHEEL_TICK_NS (4 * NS_PER_MS)
#define TASK_ROUNDS   4
#define L7_WAITING_NS (10 * NS_PER_MS)

void l7_chain_free(struct rte_mbuf *chain)
{
	while (chain != NULL) {
		struct rte_mbuf *next = chain->next;

		chain->next = NULL;
		chain->nb_segs = 1;
		rte_pktmbuf_free_seg(chain);
		chain = next;
	}
}

/* ---- ends ---- */

void l7_finish(struct l7_conn *c)
{
	struct l7_worker *w = c->w;

	ASSERT_DBG(!l7_io_is_open(&c->front) && !l7_io_is_open(&c->back));
	l7_chain_free(c->pend);
	l7_chain_free(c->down);
	c->pend = c->down = NULL;
	wheel_cancel(&w->wheel, &c->timer);
	c->action = NULL; /* nobody's */
	l7_count(&l7_stats(c)->active, (uint64_t)-1);
	l7_count(&w->active, (uint64_t)-1);
	pool_put(&w->conns, (uint32_t)(((uint8_t *)c - w->conns.mem) / w->conns.elt_size));
}

void l7_close(struct l7_conn *c)
{
	l7_note_front(c);
	l7_io_close(&c->front);
	l7_finish(c);
}

void l7_abort(struct l7_conn *c)
{
	l7_note_front(c);
	if (l7_io_is_open(&c->front))
		l7_io_abort(&c->front);
	if (l7_io_is_open(&c->back)) {
		l7_note_back(c);
		l7_io_abort(&c->back);
		l7_count(&c->w->members[c->member].active, (uint64_t)-1);
	}
	l7_finish(c);
}

/* ---- bytes from the client ---- */

static void append(struct l7_conn *c, struct rte_mbuf *chain, uint32_t len)
{
	if (c->pend == NULL)
		c->pend = chain;
	else
		c->pend_tail->next = chain;
	while (chain->next != NULL)
		chain = chain->next;
	c->pend_tail = chain;
	c->pend_len += len;
}

int64_t l7_pass_pend(struct l7_conn *c, const struct l7_io *to)
{
	int64_t n;

	if (c->pend == NULL)
		return 0;
	n = l7_io_send(to, &c->pend, 0);
	if (n <= 0)
		return n;
	c->pend_len -= (uint32_t)n;
	(void)l7_io_consumed(&c->front, (uint32_t)n);
	return n;
}

void l7_strip(struct l7_conn *c, uint32_t n)
{
	(void)l7_io_consumed(&c->front, n);
	c->pend_len -= n;
	while (n > 0) {
		struct rte_mbuf *m = c->pend;

		if (m->data_len > n) {
			m->data_off = (uint16_t)(m->data_off + n);
			m->data_len = (uint16_t)(m->data_len - n);
			m->pkt_len -= n;
			return;
		}
		n -= m->data_len;
		c->pend = m->next;
		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
	}
}

static uint32_t copy_pend(const struct l7_conn *c, uint8_t *buf, uint32_t max)
{
	uint32_t n = 0;

	for (const struct rte_mbuf *m = c->pend; m != NULL && n < max; m = m->next) {
		uint32_t take = m->data_len < max - n ? m->data_len : max - n;

		memcpy(buf + n, rte_pktmbuf_mtod(m, const uint8_t *), take);
		n += take;
	}
	return n;
}

static void open_action(struct l7_conn *c)
{
	c->in_header = false;
	c->opened = true;
	wheel_cancel(&c->w->wheel, &c->timer);
	if (c->action->open != NULL)
		c->action->open(c);
}

static const struct tcp_ops front_ops;

/* The bytes that follow are TLS, what has come of them included. */
static void begin_tls(struct l7_conn *c, const struct tls_server *server)
{
	struct tls_accept_args a = {.server = server,
		.engine = c->w->engine,
		.conn = c->front.conn,
		.ops = &front_ops,
		.user = c,
		.initial = c->pend,
		.initial_len = c->pend_len};

	c->in_header = false;
	c->in_tls = true;
	wheel_cancel(&c->w->wheel, &c->timer);
	c->pend = c->pend_tail = NULL;
	c->pend_len = 0;
	if (c->w->tls == NULL || tls_accept(c->w->tls, &a, &c->front.tls) != 0) {
		if (c->w->tls == NULL)
			l7_chain_free(a.initial);
		l7_count(&l7_stats(c)->tls_failed, 1);
		l7_abort(c);
	}
}

/* What stands before the action is done, but for TLS. */
static void begin(struct l7_conn *c)
{
	const struct l7_listener *l = l7_listener_of(c);

	if (l != NULL && l->tls != NULL)
		begin_tls(c, l->tls);
	else
		open_action(c);
}

static void on_secured(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct l7_conn *c = user;

	(void)e;
	(void)conn;
	c->in_tls = false;
	open_action(c);
}

static void bad_header(struct l7_conn *c)
{
	l7_count(&l7_stats(c)->proxy_bad, 1);
	l7_abort(c);
}

/* True: the header is complete and gone. */
static bool take_header(struct l7_conn *c)
{
	uint8_t buf[PROXY_HEADER_MAX];
	struct proxy_header h;

	switch (proxy_parse(buf, copy_pend(c, buf, sizeof(buf)), &h)) {
	case PROXY_MORE:
		return false;
	case PROXY_BAD:
		bad_header(c);
		return false;
	default:
		l7_strip(c, h.len);
		if (h.known)
			c->peer = h;
		return true;
	}
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct l7_conn *c = user;

	(void)e;
	append(c, chain, len);
	if (c->in_header) {
		if (!take_header(c))
			return;
		begin(c);
		/* It may have ended it; the pool's memory stays, and nothing is accepted
		 * within this callback. */
		if (c->front.conn != conn)
			return;
	}
	if (c->pend != NULL && !c->in_tls)
		c->action->data(c);
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct l7_conn *c = user;

	(void)e;
	(void)conn;
	c->front_eof = true;
	if (c->in_header)
		bad_header(c);
	else if (c->action->eof != NULL)
		c->action->eof(c);
}

static void on_writable(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct l7_conn *c = user;

	(void)e;
	(void)conn;
	if (c->opened && c->action->writable != NULL)
		c->action->writable(c);
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct l7_conn *c = user;

	(void)e;
	(void)conn;
	l7_note_front(c);
	c->front.conn = TCP_NONE;
	c->front.tls = NULL;
	if (c->in_tls)
		l7_count(&l7_stats(c)->tls_failed, 1);
	else if (end != TCP_END_NORMAL)
		l7_count(&l7_stats(c)->resets, 1);
	if (c->opened && c->action->closed != NULL)
		c->action->closed(c, end);
	else
		l7_finish(c);
}

static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg);

static const struct tcp_ops front_ops = {
	.on_accept = on_accept,
	.on_connect = on_secured,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_writable = on_writable,
	.on_closed = on_closed,
};

/* ---- accept ---- */

static uint64_t active_everywhere(const struct l7_worker *w, uint32_t id)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < w->conf.worker_cnt; i++)
		if (w->conf.all[i] != NULL)
			n += __atomic_load_n(
				&w->conf.all[i]->listeners[id].active, __ATOMIC_RELAXED);
	return n;
}

static const struct l7_action *action_of(enum listener_action a)
{
	static const struct l7_action *const actions[] = {
		[LISTENER_ECHO] = &l7_echo,
		[LISTENER_DISCARD] = &l7_discard,
		[LISTENER_SOURCE] = &l7_source,
		[LISTENER_TCP_PROXY] = &l7_tcp_proxy,
		[LISTENER_HTTP] = &l7_http,
		[LISTENER_RESP] = &l7_resp,
	};

	return actions[a];
}

static struct l7_conn *conn_new(
	struct l7_worker *w, uint64_t conn, uint32_t id, const struct config_listener *cfg)
{
	uint32_t idx = pool_get(&w->conns);
	struct l7_conn *c;
	struct tcp_info i;

	if (idx == POOL_NONE)
		return NULL;
	if (idx >= w->conn_high)
		w->conn_high = idx + 1;
	c = pool_at(&w->conns, idx);
	memset(c, 0, sizeof(*c));
	c->w = w;
	c->front = (struct l7_io){.e = w->engine, .conn = conn};
	c->back = (struct l7_io){.e = w->engine, .conn = TCP_NONE};
	c->listener = id;
	c->action = action_of(cfg->action);
	c->idle_ns = cfg->idle_timeout_ns;
	c->in_header = cfg->accept_proxy;
	wheel_timer_init(&c->timer);
	if (tcp_info(w->engine, conn, &i) == 0)
		c->peer = (struct proxy_header){.src = i.raddr,
			.dst = i.laddr,
			.sport = i.rport,
			.dport = i.lport,
			.known = true};
	return c;
}

static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	const struct l7_open *o = arg;
	struct l7_worker *w = o->w;
	const struct l7_listener *l = w->table->by_id[o->listener];
	struct l7_listener_stats *s = &w->listeners[o->listener];
	struct l7_conn *c = NULL;

	if (l != NULL &&
		(l->cfg->conn_limit == 0 || active_everywhere(w, l->id) < l->cfg->conn_limit))
		c = conn_new(w, conn, l->id, l->cfg);
	if (c == NULL) {
		l7_count(&s->over_limit, 1);
		(void)tcp_abort(e, conn);
		return;
	}
	(void)tcp_set_user(e, conn, c);
	l7_count(&s->accepted, 1);
	l7_count(&s->active, 1);
	l7_count(&w->active, 1);
	if (c->in_header)
		wheel_arm(&w->wheel, &c->timer, w->now_ns + l->cfg->connect_timeout_ns);
	else
		begin(c);
}

/* ---- life ---- */

static int create_tls(struct l7_worker *w, uint64_t now_ns)
{
	const struct config_tls *t = &w->conf.cfg->tls;
	struct tls_worker_conf conf = {.libs = w->conf.tls_libs,
		.index = w->conf.index,
		.tickets = w->conf.tls_tickets,
		.pool = w->conf.tls_pool,
		.max_conns = t->max_conns,
		.max_handshakes = t->max_handshakes,
		.handshake_timeout_ns = t->handshake_timeout_ns};

	return w->conf.tls_libs == NULL ? 0 : tls_worker_create(&conf, now_ns, &w->tls);
}

static int create_engine(struct l7_worker *w, uint64_t now_ns)
{
	const struct config_tcp *t = &w->conf.cfg->tcp;
	struct tcp_config conf = {.max_conns = t->max_conns,
		.max_syns = t->max_half_open,
		.max_timewaits = t->max_timewaits,
		.max_listeners = LIMIT_TCP_LISTENERS,
		.header_pool = w->conf.header_pool,
		.ref_pool = w->conf.ref_pool,
		.data_pool = w->conf.data_pool,
		.rx_pool = w->conf.rx_pool,
		.rcvbuf = t->rcvbuf,
		.sndbuf = t->sndbuf,
		.time_wait_ms = (uint32_t)(t->time_wait_ns / NS_PER_MS),
		.user_timeout_ms = (uint32_t)(t->user_timeout_ns / NS_PER_MS),
		.keepalive_ms = (uint32_t)(t->keepalive_ns / NS_PER_MS),
		.cc = (uint8_t)t->congestion,
		.no_ecn = !t->ecn,
		.rx_csum_trusted = true,
		.port_lo = w->conf.port_lo,
		.port_hi = w->conf.port_hi,
		.ledger = w->conf.ledger,
		.cb = w->conf.cb};

	rng_secret(conf.secret, sizeof(conf.secret));
	w->engine = tcp_engine_create(&conf, now_ns);
	return w->engine == NULL ? -errno : 0;
}

static int create_http(struct l7_worker *w, uint64_t now_ns)
{
	struct http_worker_conf conf = {.l7 = w,
		.engine = w->engine,
		.tls = w->tls,
		.data_pool = w->conf.data_pool,
		.index = w->conf.index,
		.worker_cnt = w->conf.worker_cnt,
		.max_conns = w->conf.cfg->tcp.max_conns,
		.kvs = w->conf.kvs,
		.hcache = w->conf.hcache,
		.slice_pool = w->conf.slice_pool,
		.fetches = w->conf.cfg->cache.fetches};

	int rc = http_worker_create(&conf, now_ns, &w->http);
	struct http_check_conf checks = {.engine = w->engine};

	/* Worker 0 probes. */
	if (rc != 0 || w->conf.index != 0)
		return rc;
	checks.loop = http_worker_loop(w->http);
	return http_check_create(&checks, &w->checks);
}

int l7_worker_create(const struct l7_worker_conf *conf, uint64_t now_ns, struct l7_worker **out)
{
	struct l7_worker *w = calloc(1, sizeof(*w));
	int rc;

	*out = NULL;
	if (w == NULL)
		return -ENOMEM;
	l7_source_init();
	w->conf = *conf;
	w->now_ns = now_ns;
	wheel_init(&w->wheel, WHEEL_TICK_NS, now_ns);
	for (uint32_t i = 0; i < LIMIT_TCP_LISTENERS; i++)
		w->opens[i].engine_id = -1;
	rc = pool_init(&w->conns, sizeof(struct l7_conn), 8, conf->cfg->tcp.max_conns);
	if (rc == 0)
		rc = create_engine(w, now_ns);
	if (rc == 0)
		rc = create_tls(w, now_ns);
	if (rc == 0)
		rc = create_http(w, now_ns);
	if (rc == 0 && conf->kvs != NULL)
		rc = resp_worker_create(w, conf->kvs, conf->cfg->tcp.max_conns, &w->resp);
	if (rc != 0) {
		LOG_ERR("no TCP engine", "worker=%u error=%d", conf->index, rc);
		l7_worker_destroy(w);
		return rc;
	}
	*out = w;
	return 0;
}

void l7_worker_warm(struct l7_worker *w, uint32_t conns)
{
	pool_warm(&w->conns, 2 * conns);
	tcp_engine_warm(w->engine, 2 * conns);
	http_worker_warm(w->http, conns);
}

void l7_worker_destroy(struct l7_worker *w)
{
	if (w->http != NULL)
		http_worker_drop(w->http);
	for (uint32_t i = 0; i < w->conns.used_high; i++) {
		struct l7_conn *c = pool_at(&w->conns, i);

		if (c->action == NULL)
			continue;
		l7_chain_free(c->pend);
		l7_chain_free(c->down);
	}
	tls_worker_destroy(w->tls);
	if (w->engine != NULL)
		tcp_engine_destroy(w->engine);
	http_worker_destroy(w->http);
	http_check_destroy(w->checks);
	resp_worker_destroy(w->resp);
	pool_fini(&w->conns);
	free(w);
}

static void close_gone(struct l7_worker *w, bool *have, bool draining)
{
	for (uint32_t i = 0; i < w->open_high; i++) {
		struct l7_open *o = &w->opens[i];
		const struct l7_endpoint *e;

		if (o->engine_id < 0)
			continue;
		e = l7_table_find(w->table, &o->addr, o->port);
		if (!draining && e != NULL && e->accepting) {
			o->listener = e->listener;
			have[e - w->table->endpoints] = true;
			continue;
		}
		tcp_unlisten(w->engine, o->engine_id);
		o->engine_id = -1;
	}
}

static void open_one(struct l7_worker *w, const struct l7_endpoint *e)
{
	for (uint32_t i = 0; i < LIMIT_TCP_LISTENERS; i++) {
		struct l7_open *o = &w->opens[i];

		if (o->engine_id >= 0)
			continue;
		*o = (struct l7_open){
			.w = w, .addr = e->addr, .port = e->port, .listener = e->listener};
		o->engine_id = tcp_listen(w->engine, &e->addr, e->port, &front_ops, o);
		if (o->engine_id < 0)
			LOG_ERR("cannot listen", "worker=%u error=%d", w->conf.index, o->engine_id);
		if (i >= w->open_high)
			w->open_high = i + 1;
		return;
	}
}

/* Ids that passed on to another listener or backend begin at zero. */
static void renew_stats(struct l7_worker *w)
{
	for (uint32_t i = 0; i < w->table->listener_cnt; i++) {
		const struct l7_listener *l = &w->table->listeners[i];

		if (w->listener_epoch[l->id] == l->epoch)
			continue;
		w->listener_epoch[l->id] = l->epoch;
		memset(&w->listeners[l->id], 0, sizeof(w->listeners[0]));
		http_worker_renew(w->http, l->id);
	}
	for (uint32_t i = 0; i < L7_MEMBERS; i++) {
		if (w->member_epoch[i] == w->table->member_epoch[i])
			continue;
		w->member_epoch[i] = w->table->member_epoch[i];
		memset(&w->members[i], 0, sizeof(w->members[0]));
	}
}

/* What was closed and not yet acknowledged lives in the engine alone. A peer that acknowledged all
 * and does not end its own direction is not waited for. */
static void count_waiting(struct l7_worker *w)
{
	uint64_t n = 0;

	for (uint32_t at = 0; at != UINT32_MAX;) {
		struct tcp_info i = {.conn = TCP_NONE};

		at = tcp_next(w->engine, at, &i);
		if (i.conn != TCP_NONE && i.orphan && i.state != TCP_FIN_WAIT_2 &&
			i.state != TCP_CLOSED)
			n++;
	}
	__atomic_store_n(&w->waiting, n, __ATOMIC_RELAXED);
	w->waiting_next_ns = w->now_ns + L7_WAITING_NS;
}

void l7_worker_adopt(struct l7_worker *w, const struct l7_table *t, bool draining, uint64_t now_ns)
{
	bool have[2 * LIMIT_TCP_LISTENERS] = {false}; /* bound and lingering ones */

	ASSERT(t->endpoint_cnt <= ARRAY_SIZE(have));
	w->table = t;
	w->now_ns = now_ns;
	renew_stats(w);
	http_worker_adopt(w->http, t, draining, now_ns);
	close_gone(w, have, draining);
	w->draining = draining;
	if (draining)
		count_waiting(w);
	for (uint32_t i = 0; i < t->endpoint_cnt && !draining; i++)
		if (t->endpoints[i].accepting && !have[i])
			open_one(w, &t->endpoints[i]);
	if (w->resp != NULL)
		resp_worker_adopt(w->resp, draining);
}

struct tls_worker *l7_worker_tls(const struct l7_worker *w)
{
	return w->tls;
}

struct tcp_engine *l7_worker_engine(const struct l7_worker *w)
{
	return w->engine;
}

/* ---- a turn ---- */

static void fill_dump(struct l7_worker *w, struct l7_dump *d)
{
	uint32_t at = 0;

	d->cnt = 0;
	d->more = false;
	while (at != UINT32_MAX) {
		struct tcp_info i = {.conn = TCP_NONE};

		at = tcp_next(w->engine, at, &i);
		if (i.conn == TCP_NONE)
			continue;
		if (d->cnt == L7_DUMP_MAX) {
			d->more = true;
			break;
		}
		d->conns[d->cnt++] = i;
	}
	tcp_usage(w->engine, &d->usage);
	d->counters = *tcp_counters(w->engine);
	atomic_store_explicit(&d->done, true, memory_order_release); /* L1 */
}

static void answer_dump(struct l7_worker *w)
{
	struct l7_dump *d;

	if (likely(atomic_load_explicit(&w->dump, memory_order_relaxed) == NULL))
		return;
	d = atomic_exchange_explicit(&w->dump, NULL, memory_order_acquire); /* L2 */
	if (d != NULL)
		fill_dump(w, d);
}

static void expire(struct l7_worker *w)
{
	struct wheel_timer *t;

	wheel_advance(&w->wheel, w->now_ns);
	while ((t = wheel_pop(&w->wheel)) != NULL) {
		struct l7_conn *c =
			(struct l7_conn *)(void *)((uint8_t *)t - offsetof(struct l7_conn, timer));

		if (c->in_header)
			bad_header(c);
		else if (c->action->timer != NULL)
			c->action->timer(c);
	}
}

static bool more_to_do(struct l7_worker *w)
{
	bool tls = w->tls != NULL && tls_worker_run(w->tls, w->now_ns) > 0;

	return http_worker_tasks(w->http) || tls;
}

void l7_worker_run(struct l7_worker *w, uint64_t now_ns)
{
	w->now_ns = now_ns;
	tcp_run_timers(w->engine, now_ns);
	expire(w);
	http_worker_timers(w->http, now_ns);
	if (w->tls != NULL)
		(void)tls_worker_run(w->tls, now_ns);
	tcp_flush(w->engine, now_ns);
	/* What callbacks have left to be done may begin something that does so too: handshakes that
	 * are ready, streams that go on. What they say leaves in this turn. */
	for (int i = 0; i < TASK_ROUNDS && more_to_do(w); i++)
		tcp_flush(w->engine, now_ns);
	l7_account(w);
	answer_dump(w);
	if (unlikely(w->draining) && now_ns >= w->waiting_next_ns)
		count_waiting(w);
}

bool l7_worker_resumable(const struct l7_worker *w)
{
	return w->resp != NULL && resp_worker_waiting(w->resp);
}

bool l7_worker_resume(struct l7_worker *w)
{
	return w->resp != NULL && resp_worker_resume(w->resp);
}

uint64_t l7_worker_next_ns(const struct l7_worker *w)
{
	uint64_t a = tcp_next_timer_ns(w->engine), b = wheel_next_ns(&w->wheel),
		 c = http_worker_next_ns(w->http), d = l7_account_next_ns(w),
		 e = w->tls == NULL ? UINT64_MAX : tls_worker_next_ns(w->tls);

	a = a < b ? a : b;
	c = c < d ? c : d;
	a = a < e ? a : e;
	return a < c ? a : c;
}

struct http_checks *l7_worker_checks(const struct l7_worker *w)
{
	return w->checks;
}

struct http_worker *l7_worker_http(const struct l7_worker *w)
{
	return w->http;
}

uint64_t l7_worker_active(const struct l7_worker *w)
{
	return __atomic_load_n(&w->active, __ATOMIC_RELAXED);
}

uint64_t l7_worker_waiting(const struct l7_worker *w)
{
	return __atomic_load_n(&w->waiting, __ATOMIC_RELAXED);
}

void l7_worker_reset(struct l7_worker *w)
{
	tcp_reset_peers(w->engine);
	tcp_flush(w->engine, w->now_ns);
}

const struct l7_listener_stats *l7_worker_listener(const struct l7_worker *w, uint32_t id)
{
	return &w->listeners[id];
}

const struct l7_member_stats *l7_worker_member(const struct l7_worker *w, uint32_t id)
{
	return &w->members[id];
}

void l7_worker_dump(struct l7_worker *w, struct l7_dump *d)
{
	atomic_store_explicit(&d->done, false, memory_order_relaxed);
	atomic_store_explicit(&w->dump, d, memory_order_release); /* L2 */
}

bool l7_worker_dump_cancel(struct l7_worker *w)
{
	return atomic_exchange_explicit(&w->dump, NULL, memory_order_acq_rel) != NULL;
}
