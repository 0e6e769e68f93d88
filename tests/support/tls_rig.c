/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tls_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/hdr.h"
#include "tests/support/eal.h"
#include "tests/support/tmpdir.h"

#define PORT      BE16(443)
#define PEER_PORT BE16(8443)

static char faults[4096];
const char *const rig_faults = faults;
static struct rig *current;

uint8_t rig_byte(uint64_t at)
{
	return (uint8_t)(at * 131 + (at >> 8) + (at >> 16));
}

void rig_fault(void *ctx, enum tls_part part, uint32_t idx, bool warning, const char *text)
{
	size_t n = strlen(faults);

	(void)ctx;
	snprintf(faults + n, sizeof(faults) - n, "%d/%u %s: %s\n", (int)part, idx,
		warning ? "warning" : "error", text);
}

/* Inside a callback the engine's flush goes on by itself. */
static bool running;

static void kick(struct rig *r, int host)
{
	if (!running)
		sim_kick(r->s, host);
}

/* ---- weir's side ---- */

static void send_back(struct rig_end *e)
{
	int64_t n;

	if (e->back == NULL)
		return;
	n = tls_send(e->t, &e->back, 0);
	ASSERT(n >= 0);
	ASSERT(tls_consumed(e->t, (uint32_t)n) == 0);
}

void rig_pump_end(struct rig_end *e)
{
	uint8_t buf[8000];

	while (e->to_send > 0) {
		uint32_t n = e->to_send < sizeof(buf) ? (uint32_t)e->to_send : sizeof(buf);
		struct rte_mbuf *m;
		int64_t rc;

		for (uint32_t i = 0; i < n; i++)
			buf[i] = rig_byte(e->sent + i);
		if (n > 2000) {
			rc = tls_send_bytes(e->t, buf, n, 0);
		} else {
			m = test_mbuf(e->r->pool, buf, n);
			rc = tls_send(e->t, &m, 0);
			rte_pktmbuf_free(m);
		}
		ASSERT(rc >= 0);
		if (rc == 0)
			break;
		e->to_send -= (uint64_t)rc;
		e->sent += (uint64_t)rc;
	}
	kick(e->r, e->host);
}

static void end_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct rig_end *end = user;

	(void)e;
	ASSERT(conn == tls_tcp(end->t));
	end->ups++;
	tls_info(end->t, &end->info);
	end->has_cert = tls_peer_cert(end->t, &end->cert);
	rig_pump_end(end);
}

static void end_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct rig_end *end = user;
	struct rte_mbuf *m;
	uint32_t n = 0;

	(void)e;
	(void)conn;
	ASSERT(end->ups == 1 && end->eofs == 0 && end->closes == 0);
	for (m = chain; m != NULL; m = m->next) {
		for (uint32_t i = 0; i < m->data_len; i++)
			end->bad |= rte_pktmbuf_mtod(m, uint8_t *)[i] != rig_byte(end->rx + n + i);
		n += m->data_len;
	}
	ASSERT(n == len);
	end->rx += len;
	if (end->echo) {
		struct rte_mbuf **link = &end->back;

		while (*link != NULL)
			link = &(*link)->next;
		*link = chain;
		send_back(end);
		return;
	}
	rte_pktmbuf_free(chain);
	if (end->hold)
		end->unread += len;
	else
		ASSERT(tls_consumed(end->t, len) == 0);
}

static void end_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct rig_end *end = user;

	(void)e;
	(void)conn;
	end->eofs++;
	end->truncated = tls_truncated(end->t);
	if (end->close_on_eof) {
		end->over = true;
		(void)tls_close(end->t);
	}
}

static void end_writable(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct rig_end *end = user;

	(void)e;
	(void)conn;
	end->writables++;
	send_back(end);
	rig_pump_end(end);
}

static void end_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end why)
{
	struct rig_end *end = user;

	(void)e;
	(void)conn;
	ASSERT(!end->over && end->closes == 0);
	end->closes++;
	end->over = true;
	end->why = why;
	end->end = tls_end_of(end->t);
	snprintf(end->detail, sizeof(end->detail), "%s", tls_end_detail(end->t));
	rte_pktmbuf_free(end->back);
	end->back = NULL;
}

static const struct tcp_ops end_ops = {.on_connect = end_connect,
	.on_data = end_data,
	.on_eof = end_eof,
	.on_writable = end_writable,
	.on_closed = end_closed};

static struct rig_end *new_end(struct rig *r, int host, uint64_t conn)
{
	struct rig_end *e = &r->ends[r->end_cnt++];

	ASSERT(r->end_cnt <= RIG_CONNS);
	*e = (struct rig_end){.r = r,
		.host = host,
		.conn = conn,
		.echo = r->echo,
		.hold = r->hold,
		.close_on_eof = r->close_on_eof,
		.to_send = r->answer};
	return e;
}

static void listener_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct sim_host *h = arg;
	struct rig_end *end = new_end(current, h->id, conn);
	struct tls_accept_args a = {
		.server = current->server, .engine = e, .conn = conn, .ops = &end_ops, .user = end};

	if (tls_accept(current->w[h->id - 1], &a, &end->t) != 0) {
		end->over = true;
		(void)tcp_abort(e, conn);
	}
}

/* ---- the stranger ---- */

static void flush_peer(struct rig_peer *p);

/* Each byte in a segment of its own. */
static void next_byte(void *arg)
{
	struct rig_peer *p = arg;

	if (!p->tcp_closed)
		flush_peer(p);
	sim_kick(p->r->s, 0);
}

static void flush_peer(struct rig_peer *p)
{
	struct tcp_engine *e = sim_host(p->r->s, 0)->e;
	uint32_t at = 0;

	while (at < p->pend_len) {
		uint32_t room = tcp_send_room(e, p->conn), n = p->pend_len - at;
		int64_t rc;

		n = p->chop ? 1 : n < room ? n : room;
		n = n < 1400 ? n : 1400;
		if (n == 0)
			break;
		rc = tcp_send_bytes(e, p->conn, p->pend + at, n, 0);
		if (rc <= 0)
			break;
		at += (uint32_t)rc;
		if (p->chop)
			break;
	}
	if (p->chop && at < p->pend_len)
		sim_at(p->r->s, sim_now(p->r->s) + 10 * NS_PER_US, next_byte, p);
	else if (at < p->pend_len || p->to_send > 0)
		(void)tcp_want_write(e, p->conn);
	if (at > 0)
		memmove(p->pend, p->pend + at, p->pend_len - at);
	p->pend_len -= at;
	if (p->pend_len == 0 && p->fin) {
		p->fin = false;
		(void)tcp_shutdown(e, p->conn);
	}
	kick(p->r, 0);
}

static void queue_peer(struct rig_peer *p, const void *bytes, uint32_t len)
{
	if (p->pend_len + len > p->pend_cap) {
		p->pend_cap = 2 * (p->pend_len + len);
		p->pend = realloc(p->pend, p->pend_cap);
		ASSERT(p->pend != NULL);
	}
	memcpy(p->pend + p->pend_len, bytes, len);
	p->pend_len += len;
}

static void drain_bio(struct rig_peer *p)
{
	uint8_t buf[4096];
	int n;

	while ((n = BIO_read(p->out, buf, sizeof(buf))) > 0)
		queue_peer(p, buf, (uint32_t)n);
}

static bool check(struct rig_peer *p, int rc)
{
	int why = SSL_get_error(p->ssl, rc);

	if (rc > 0 || why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return true;
	if (why == SSL_ERROR_ZERO_RETURN) {
		p->notified = true;
		return true;
	}
	p->failed = true;
	p->error = ERR_peek_error();
	return false;
}

static void read_plain(struct rig_peer *p)
{
	uint8_t buf[20000];
	int n = 0;

	while (!p->no_read && (n = SSL_read(p->ssl, buf, sizeof(buf))) > 0)
		for (int i = 0; i < n; i++)
			p->bad |= buf[i] != rig_byte(p->rx++);
	if (!p->no_read)
		(void)check(p, n);
}

static void write_plain(struct rig_peer *p)
{
	uint8_t buf[16384];

	while (p->to_send > 0 && p->pend_len < 100000) {
		uint32_t n = p->to_send < sizeof(buf) ? (uint32_t)p->to_send : sizeof(buf);
		int rc;

		for (uint32_t i = 0; i < n; i++)
			buf[i] = rig_byte(p->sent + i);
		rc = SSL_write(p->ssl, buf, (int)n);
		if (!check(p, rc) || rc <= 0)
			return;
		p->sent += (uint32_t)rc;
		p->to_send -= (uint32_t)rc;
		drain_bio(p);
	}
}

void rig_pump_peer(struct rig_peer *p)
{
	ERR_clear_error();
	if (p->mute && p->started)
		return;
	p->started = true;
	if (p->ssl != NULL && !p->failed && !p->tcp_closed) {
		if (!p->up) {
			int rc = SSL_do_handshake(p->ssl);

			p->up = rc == 1;
			(void)check(p, rc);
		}
		if (p->up)
			read_plain(p);
		if (p->up && !p->failed)
			write_plain(p);
	}
	if (p->ssl != NULL && p->goodbye && p->up && p->to_send == 0) {
		p->goodbye = false;
		(void)SSL_shutdown(p->ssl);
		p->fin = true;
	}
	if (p->ssl != NULL)
		drain_bio(p);
	if (p->flip && p->pend_len > 0) {
		p->flip = false;
		p->pend[p->pend_len - 1] ^= 1;
	}
	if (!p->tcp_closed)
		flush_peer(p);
}

void rig_raw(struct rig_peer *p, const void *bytes, uint32_t len)
{
	queue_peer(p, bytes, len);
	flush_peer(p);
}

static void peer_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	rig_pump_peer(user);
}

static void peer_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct rig_peer *p = user;

	for (struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);

		if (p->ssl != NULL)
			ASSERT(BIO_write(p->in, b, m->data_len) == m->data_len);
		else
			for (uint32_t i = 0; i < m->data_len && p->wire_len < sizeof(p->wire); i++)
				p->wire[p->wire_len++] = b[i];
	}
	rte_pktmbuf_free(chain);
	(void)tcp_consumed(e, conn, len);
	rig_pump_peer(p);
}

static void peer_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct rig_peer *p = user;

	(void)e;
	(void)conn;
	p->eof = true;
}

static void peer_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end why)
{
	struct rig_peer *p = user;

	(void)e;
	(void)conn;
	p->tcp_closed = true;
	p->why = why;
}

static const struct tcp_ops peer_ops = {.on_connect = peer_connect,
	.on_data = peer_data,
	.on_eof = peer_eof,
	.on_writable = peer_connect,
	.on_closed = peer_closed};

SSL_CTX *rig_client_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	ASSERT(ctx != NULL);
	return ctx;
}

static void give_ssl(struct rig_peer *p, SSL_CTX *ctx)
{
	p->ssl = SSL_new(ctx);
	p->in = BIO_new(BIO_s_mem());
	p->out = BIO_new(BIO_s_mem());
	ASSERT(p->ssl != NULL && p->in != NULL && p->out != NULL);
	BIO_set_mem_eof_return(p->in, -1);
	SSL_set_bio(p->ssl, p->in, p->out);
}

static struct rig_peer *new_peer(struct rig *r)
{
	struct rig_peer *p = &r->peers[r->peer_cnt++];

	ASSERT(r->peer_cnt <= RIG_CONNS);
	*p = (struct rig_peer){.r = r};
	return p;
}

struct rig_peer *rig_dial(
	struct rig *r, int host, SSL_CTX *ctx, const char *sni, SSL_SESSION *session)
{
	struct rig_peer *p = new_peer(r);
	struct tcp_connect_args a = {
		.raddr = sim_host(r->s, host)->addr4, .rport = PORT, .ops = &peer_ops, .user = p};

	if (ctx != NULL) {
		give_ssl(p, ctx);
		SSL_set_connect_state(p->ssl);
		if (sni != NULL)
			SSL_set_tlsext_host_name(p->ssl, sni);
		if (session != NULL)
			SSL_set_session(p->ssl, session);
	}
	p->raw = ctx == NULL;
	ASSERT(tcp_connect(sim_host(r->s, 0)->e, &a, &p->conn) == 0);
	sim_kick(r->s, 0);
	return p;
}

static SSL_CTX *serving;

static void peer_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct rig_peer *p = new_peer(arg);

	p->conn = conn;
	(void)tcp_set_user(e, conn, p);
	give_ssl(p, serving);
	SSL_set_accept_state(p->ssl);
}

static const struct tcp_ops peer_listen_ops = {.on_accept = peer_accept,
	.on_data = peer_data,
	.on_eof = peer_eof,
	.on_writable = peer_connect,
	.on_closed = peer_closed};

struct rig_end *rig_dial_out(
	struct rig *r, SSL_CTX *ctx, const struct tls_client *client, const char *sni)
{
	struct sim_host *h = sim_host(r->s, 1);
	struct rig_end *e = new_end(r, 1, TCP_NONE);
	struct tcp_connect_args a = {
		.raddr = sim_host(r->s, 0)->addr4, .rport = PEER_PORT, .ops = &end_ops, .user = e};
	struct tls_connect_args ta;

	serving = ctx;
	ASSERT(tcp_connect(h->e, &a, &e->conn) == 0);
	ta = (struct tls_connect_args){.client = client,
		.engine = h->e,
		.conn = e->conn,
		.sni = sni,
		.ops = &end_ops,
		.user = e};
	ASSERT(tls_connect(r->w[0], &ta, &e->t) == 0);
	sim_kick(r->s, 1);
	return e;
}

/* ---- the rig ---- */

void rig_run_ms(struct rig *r, uint64_t ms)
{
	uint64_t until = sim_now(r->s) + ms * NS_PER_MS;
	bool more = true;

	while (more) {
		running = true;
		more = sim_step(r->s, until);
		for (int i = 0; i < 2; i++) {
			uint32_t did = tls_worker_run(r->w[i], sim_now(r->s));

			/* Timers act outside of any packet too. */
			running = false;
			if (did > 0 || !more)
				sim_kick(r->s, i + 1);
			running = true;
			more |= did > 0;
		}
		running = false;
	}
	for (int i = 0; i < 3; i++)
		sim_kick(r->s, i);
}

static const struct tcp_ops listen_ops = {.on_accept = listener_accept};

void rig_start(struct rig *r, const struct sim_host_config *cfgs)
{
	static const struct sim_host_config dflt[3];
	struct tls_worker_conf conf = r->conf;
	struct ip_addr any = {0};

	*r = (struct rig){.conf = conf};
	current = r;
	faults[0] = '\0';
	r->s = sim_create(5, 3, cfgs != NULL ? cfgs : dflt);
	r->pool = test_pool_create("tls", 2048);
	tmpdir_make(r->folder);
	ASSERT(tls_libs_create(2, &r->libs) == 0);
	ASSERT(tls_tickets_create(&r->tickets) == 0);
	for (uint32_t i = 0; i < 2; i++) {
		struct sim_host *h = sim_host(r->s, (int)i + 1);

		conf.libs = r->libs;
		conf.index = i;
		conf.tickets = r->tickets;
		conf.pool = r->pool;
		conf.max_conns = RIG_CONNS;
		ASSERT(tls_worker_create(&conf, sim_now(r->s), &r->w[i]) == 0);
		ASSERT(tcp_listen(h->e, &any, PORT, &listen_ops, h) >= 0);
	}
	ASSERT(tcp_listen(sim_host(r->s, 0)->e, &any, PEER_PORT, &peer_listen_ops, r) >= 0);
	for (int i = 0; i < 3; i++)
		sim_host(r->s, i)->wire.delay_ns = NS_PER_MS;
}

void rig_serve(struct rig *r, const struct tls_server_conf *conf)
{
	struct tls_server *s;
	int rc;

	faults[0] = '\0';
	rc = tls_server_create(r->libs, conf, (int64_t)time(NULL), rig_fault, NULL, &s);
	if (rc != 0)
		fprintf(stderr, "%s", faults);
	ASSERT(rc == 0);
	tls_server_unref(r->server);
	r->server = s;
}

struct rig_end *rig_last(struct rig *r)
{
	ASSERT(r->end_cnt > 0);
	return &r->ends[r->end_cnt - 1];
}

void rig_consume(struct rig_end *e)
{
	e->hold = false;
	(void)tls_consumed(e->t, e->unread);
	e->unread = 0;
	kick(e->r, e->host);
}

void rig_abort_all(struct rig *r)
{
	for (int i = 0; i < r->end_cnt; i++)
		if (!r->ends[i].over) {
			r->ends[i].over = true;
			rte_pktmbuf_free(r->ends[i].back);
			(void)tls_abort(r->ends[i].t);
		}
	for (int i = 0; i < r->peer_cnt; i++)
		if (!r->peers[i].tcp_closed)
			(void)tcp_abort(sim_host(r->s, 0)->e, r->peers[i].conn);
	for (int i = 0; i < 3; i++)
		sim_kick(r->s, i);
	rig_run_ms(r, 20000);
}

void rig_stop(struct rig *r)
{
	rig_abort_all(r);
	for (int i = 0; i < 2; i++) {
		ASSERT(tls_worker_counters(r->w[i])->active == 0);
		ASSERT(tls_worker_counters(r->w[i])->handshakes == 0);
		tls_worker_destroy(r->w[i]);
	}
	tls_server_unref(r->server);
	for (int i = 0; i < r->peer_cnt; i++) {
		SSL_free(r->peers[i].ssl);
		free(r->peers[i].pend);
	}
	sim_destroy(r->s, false);
	test_pool_destroy(r->pool);
	tls_tickets_destroy(r->tickets);
	tls_libs_destroy(r->libs);
	tmpdir_remove(r->folder);
}
