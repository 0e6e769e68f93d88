/* SPDX-License-Identifier: Apache-2.0
 * The life of a connection: taking over, events of TCP, failing, closing. */
#include <errno.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/tls/tls_pvt.h"

/* ---- memory ---- */

static struct tls_conn *conn_new(struct tls_worker *w, struct tcp_engine *e, uint64_t conn,
	const struct tcp_ops *ops, void *user)
{
	uint32_t idx = pool_get(&w->conns);
	struct tls_conn *t;

	if (idx == POOL_NONE)
		return NULL;
	t = pool_at(&w->conns, idx);
	memset(t, 0, sizeof(*t));
	t->w = w;
	t->e = e;
	t->tcp = conn;
	t->ops = ops;
	t->user = user;
	t->in_need = RECORD_HDR + 1;
	wheel_timer_init(&t->timer);
	list_init(&t->ready);
	tls_count(&w->cnt.active, 1);
	return t;
}

static void conn_free(struct tls_conn *t)
{
	struct tls_worker *w = t->w;

	tls_release_ssl(t);
	tls_keys_clear(&t->rx);
	tls_keys_clear(&t->tx);
	tls_chain_free(&t->in);
	tls_chain_free(&t->out);
	tls_server_unref(t->server);
	tls_client_unref(t->client);
	X509_free(t->peer);
	OPENSSL_free(t->names);
	OPENSSL_cleanse(t->logged_rx, sizeof(t->logged_rx));
	OPENSSL_cleanse(t->logged_tx, sizeof(t->logged_tx));
	wheel_cancel(&w->wheel, &t->timer);
	list_remove(&t->ready);
	tls_count(&w->cnt.active, (uint64_t)-1);
	t->state = TLS_DEAD;
	pool_put(&w->conns, (uint32_t)(((uint8_t *)t - w->conns.mem) / w->conns.elt_size));
}

void tls_conn_drop(struct tls_conn *t)
{
	conn_free(t);
}

void tls_enter(struct tls_conn *t)
{
	t->busy++;
}

void tls_leave(struct tls_conn *t)
{
	if (--t->busy == 0 && t->state == TLS_DEAD)
		conn_free(t);
}

/* Bytes that wait here will not be read any more. */
static void drop_input(struct tls_conn *t)
{
	if (t->tcp != TCP_NONE)
		(void)tcp_consumed(t->e, t->tcp, t->wire_held + t->in.len);
	t->wire_held = t->plain_held = 0;
	tls_chain_free(&t->in);
}

/* ---- output ---- */

static bool flush_failed(struct tls_conn *t)
{
	tls_chain_free(&t->out);
	t->fin_sent = true;
	return false;
}

/* True when nothing waits any more. */
static bool flush_out(struct tls_conn *t, unsigned flags)
{
	int64_t n;

	if (t->out.head == NULL)
		return true;
	n = tcp_send(t->e, t->tcp, &t->out.head, flags);
	if (n < 0)
		return flush_failed(t);
	t->out.len -= (uint32_t)n;
	if (t->out.head != NULL)
		return false;
	t->out.tail = NULL;
	return true;
}

static bool say_goodbye(struct tls_conn *t)
{
	uint8_t alert[2] = {1, ALERT_CLOSE_NOTIFY};
	struct tls_source src = {.p = alert, .left = sizeof(alert)};

	if (t->close_notify_sent || t->tx.ctx == NULL)
		return true;
	if (tls_record_seal(t, RECORD_ALERT, &src, sizeof(alert)) != 0) {
		TLS_CNT(t->w, no_mbuf);
		(void)tcp_want_write(t->e, t->tcp);
		return false;
	}
	t->close_notify_sent = true;
	return true;
}

static void linger_more(struct tls_conn *t)
{
	if (t->eof) {
		(void)tcp_close(t->e, t->tcp);
		t->tcp = TCP_NONE;
		t->state = TLS_DEAD;
	} else if (!wheel_timer_armed(&t->timer)) {
		wheel_arm(&t->w->wheel, &t->timer, t->w->now_ns + LIMIT_TLS_LINGER_NS);
	}
}

void tls_flush(struct tls_conn *t, unsigned flags)
{
	if (t->tcp == TCP_NONE)
		return;
	if (t->shut && !say_goodbye(t))
		return;
	if (!flush_out(t, flags))
		return;
	if (t->shut && !t->fin_sent) {
		t->fin_sent = true;
		(void)tcp_shutdown(t->e, t->tcp);
	}
	if (t->state == TLS_LINGER)
		linger_more(t);
}

/* ---- ends ---- */

static enum tcp_end tcp_end_for(enum tls_end end)
{
	if (end == TLS_END_TIMEOUT)
		return TCP_END_TIMEOUT;
	return end == TLS_END_NO_MEMORY ? TCP_END_NO_MEMORY : TCP_END_PROTOCOL;
}

static void tell_closed(struct tls_conn *t, enum tcp_end end)
{
	const struct tcp_ops *ops = t->ops;

	t->ops = NULL;
	if (ops != NULL && ops->on_closed != NULL)
		ops->on_closed(t->e, t->tcp, t->user, end);
}

/* Before there are keys alerts go in plain text. */
static void plain_alert(struct tls_conn *t, uint8_t level, uint8_t what)
{
	uint8_t rec[7] = {RECORD_ALERT, 3, 3, 0, 2, level, what};

	(void)!tcp_send_bytes(t->e, t->tcp, rec, sizeof(rec), 0);
}

void tls_send_alert(struct tls_conn *t, uint8_t level, uint8_t what)
{
	uint8_t alert[2] = {level, what};
	struct tls_source src = {.p = alert, .left = sizeof(alert)};

	if (t->shut)
		return;
	if (t->tx.ctx != NULL)
		(void)!tls_record_seal(t, RECORD_ALERT, &src, sizeof(alert));
	else if (t->state == TLS_HELLO)
		plain_alert(t, level, what);
}

static void enter_linger(struct tls_conn *t)
{
	list_remove(&t->ready);
	wheel_cancel(&t->w->wheel, &t->timer);
	if (t->state == TLS_HANDSHAKE)
		tls_count(&t->w->cnt.handshakes, (uint64_t)-1);
	t->state = TLS_LINGER;
	t->shut = true;
	drop_input(t);
	tls_flush(t, 0);
}

void tls_fail(struct tls_conn *t, enum tls_end end, int alert)
{
	if (t->state == TLS_LINGER || t->state == TLS_DEAD)
		return;
	t->end = (uint8_t)end;
	tls_count(&t->w->cnt.ends[end], 1);
	if (alert >= 0)
		tls_send_alert(t, 2, (uint8_t)alert);
	/* A fatal alert ends the connection: no close_notify behind it (RFC 8446 6.2). */
	t->close_notify_sent = true;
	tell_closed(t, tcp_end_for(end));
	enter_linger(t);
}

/* ---- events of TCP ---- */

static void queue_turn(struct tls_conn *t)
{
	if (list_empty(&t->ready))
		list_append(&t->w->ready, &t->ready);
}

static void look_at_hello(struct tls_conn *t)
{
	struct tls_hello hello;

	if (t->in.len < t->in_need)
		return;
	switch (tls_peek_in(t, &hello)) {
	case TLS_PEEK_MORE:
		t->in_need = hello.need;
		break;
	case TLS_PEEK_BAD:
		t->detail = hello.why;
		tls_fail(t, TLS_END_BAD_HELLO, ALERT_DECODE_ERROR);
		break;
	default:
		queue_turn(t);
	}
}

enum tls_peek tls_peek_in(struct tls_conn *t, struct tls_hello *hello)
{
	struct tls_worker *w = t->w;
	uint32_t n = t->in.len < TLS_HELLO_MAX ? t->in.len : TLS_HELLO_MAX;

	tls_chain_peek(&t->in, n, w->scratch);
	return tls_peek_client_hello(w->scratch, n, w->scratch2, hello);
}

static void arrived(struct tls_conn *t)
{
	if (t->state == TLS_HELLO)
		look_at_hello(t);
	else if (t->state == TLS_HANDSHAKE)
		queue_turn(t);
	else if (t->state == TLS_OPEN)
		tls_input(t);
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct tls_conn *t = user;

	if (t->state == TLS_LINGER || t->got_close_notify) {
		tls_mbufs_free(chain);
		(void)tcp_consumed(e, conn, len);
		return;
	}
	tls_enter(t);
	if (tls_chain_append(&t->in, chain, t->w->conf.pool) != 0)
		tls_fail(t, TLS_END_NO_MEMORY, -1);
	else
		arrived(t);
	tls_leave(t);
}

void tls_tell_eof(struct tls_conn *t)
{
	if (t->eof_told || t->state != TLS_OPEN)
		return;
	t->eof_told = true;
	if (!t->got_close_notify) {
		t->truncated = true;
		TLS_CNT(t->w, truncated);
	}
	if (t->ops != NULL && t->ops->on_eof != NULL)
		t->ops->on_eof(t->e, t->tcp, t->user);
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct tls_conn *t = user;

	(void)e;
	(void)conn;
	t->eof = true;
	tls_enter(t);
	if (t->state == TLS_OPEN)
		tls_tell_eof(t);
	else if (t->state == TLS_LINGER)
		tls_flush(t, 0);
	else if (list_empty(&t->ready)) /* else its turn comes first */
		tls_fail(t, TLS_END_TRUNCATED, -1);
	tls_leave(t);
}

static void on_writable(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct tls_conn *t = user;

	(void)e;
	(void)conn;
	tls_enter(t);
	tls_flush(t, 0);
	if (t->state == TLS_OPEN && t->out.head == NULL && t->want_write) {
		t->want_write = false;
		if (t->ops != NULL && t->ops->on_writable != NULL)
			t->ops->on_writable(t->e, t->tcp, t->user);
	}
	tls_leave(t);
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct tls_conn *t = user;

	(void)e;
	(void)conn;
	tls_enter(t);
	if (t->ops != NULL && t->state < TLS_OPEN) {
		t->end = TLS_END_TCP;
		tls_count(&t->w->cnt.ends[TLS_END_TCP], 1);
	} else if (t->end == TLS_END_NONE && end != TCP_END_NORMAL) {
		t->end = TLS_END_TCP;
	}
	if (t->state == TLS_HANDSHAKE)
		tls_count(&t->w->cnt.handshakes, (uint64_t)-1);
	t->state = TLS_LINGER; /* nothing more is taken from the user */
	tell_closed(t, end);
	t->tcp = TCP_NONE;
	t->state = TLS_DEAD;
	tls_leave(t);
}

/* Our side of a connection to a server: TCP is there. */
static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct tls_conn *t = user;

	(void)e;
	(void)conn;
	if (t->state == TLS_HANDSHAKE)
		queue_turn(t);
}

const struct tcp_ops tls_tcp_ops = {
	.on_connect = on_connect,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_writable = on_writable,
	.on_closed = on_closed,
};

void tls_conn_timer(struct tls_conn *t)
{
	tls_enter(t);
	if (t->state == TLS_LINGER) {
		(void)tcp_close(t->e, t->tcp);
		t->tcp = TCP_NONE;
		t->state = TLS_DEAD;
	} else {
		tls_fail(t, TLS_END_TIMEOUT, -1);
	}
	tls_leave(t);
}

/* ---- taking over ---- */

static int take_tcp(struct tls_conn *t)
{
	int rc = tcp_set_ops(t->e, t->tcp, &tls_tcp_ops);

	if (rc == 0)
		rc = tcp_set_user(t->e, t->tcp, t);
	if (rc != 0) {
		t->tcp = TCP_NONE;
		conn_free(t);
		return rc;
	}
	wheel_arm(&t->w->wheel, &t->timer, t->w->now_ns + t->w->conf.handshake_timeout_ns);
	return 0;
}

int tls_accept(struct tls_worker *w, const struct tls_accept_args *a, struct tls_conn **out)
{
	struct tls_conn *t = conn_new(w, a->engine, a->conn, a->ops, a->user);
	int rc;

	*out = NULL;
	if (t == NULL) {
		tls_mbufs_free(a->initial);
		TLS_CNT(w, refused);
		return -ENFILE;
	}
	t->is_server = true;
	t->state = TLS_HELLO;
	if (tls_chain_append(&t->in, a->initial, w->conf.pool) != 0) {
		conn_free(t);
		return -ENOMEM;
	}
	rc = take_tcp(t);
	if (rc != 0)
		return rc;
	t->server = tls_server_ref(a->server);
	TLS_CNT(w, accepted);
	*out = t;
	/* The turn looks at the hello again, and finds what is wrong with it. */
	if (t->in.len > 0)
		queue_turn(t);
	return 0;
}

int tls_connect(struct tls_worker *w, const struct tls_connect_args *a, struct tls_conn **out)
{
	struct tls_conn *t = conn_new(w, a->engine, a->conn, a->ops, a->user);
	int rc;

	*out = NULL;
	if (t == NULL) {
		TLS_CNT(w, refused);
		return -ENFILE;
	}
	t->client = tls_client_ref(a->client);
	t->state = TLS_HANDSHAKE;
	rc = tls_client_start(t, a->sni);
	if (rc != 0) {
		conn_free(t);
		return rc;
	}
	rc = take_tcp(t);
	if (rc != 0)
		return rc;
	tls_count(&w->cnt.handshakes, 1);
	TLS_CNT(w, connected);
	queue_turn(t);
	*out = t;
	return 0;
}

/* ---- calls of the user ---- */

int tls_shutdown(struct tls_conn *t)
{
	if (t->state < TLS_OPEN)
		return -ENOTCONN;
	if (t->state != TLS_OPEN)
		return -ESTALE;
	if (!t->shut) {
		t->shut = true;
		t->want_write = false;
		tls_flush(t, 0);
	}
	return 0;
}

int tls_close(struct tls_conn *t)
{
	if (t->state == TLS_LINGER || t->state == TLS_DEAD)
		return -ESTALE;
	tls_enter(t);
	t->ops = NULL;
	if (t->state == TLS_OPEN) {
		enter_linger(t);
	} else {
		if (t->state == TLS_HANDSHAKE)
			tls_count(&t->w->cnt.handshakes, (uint64_t)-1);
		drop_input(t);
		(void)tcp_close(t->e, t->tcp);
		t->state = TLS_DEAD;
	}
	tls_leave(t);
	return 0;
}

int tls_abort(struct tls_conn *t)
{
	if (t->state == TLS_LINGER || t->state == TLS_DEAD)
		return -ESTALE;
	tls_enter(t);
	t->ops = NULL;
	if (t->state == TLS_HANDSHAKE)
		tls_count(&t->w->cnt.handshakes, (uint64_t)-1);
	(void)tcp_abort(t->e, t->tcp);
	t->state = TLS_DEAD;
	tls_leave(t);
	return 0;
}

int tls_consumed(struct tls_conn *t, uint32_t n)
{
	uint32_t wire;

	if (t->state == TLS_LINGER || t->state == TLS_DEAD)
		return -ESTALE;
	if (n > t->plain_held)
		n = t->plain_held;
	t->plain_held -= n;
	wire = t->plain_held == 0 ? t->wire_held : n;
	t->wire_held -= wire;
	return wire == 0 ? 0 : tcp_consumed(t->e, t->tcp, wire);
}

int tls_set_ops(struct tls_conn *t, const struct tcp_ops *ops, void *user)
{
	if (t->state == TLS_LINGER || t->state == TLS_DEAD)
		return -ESTALE;
	t->ops = ops;
	t->user = user;
	return 0;
}

void *tls_user(const struct tls_conn *t)
{
	return t->user;
}

uint64_t tls_tcp(const struct tls_conn *t)
{
	return t->tcp;
}

bool tls_truncated(const struct tls_conn *t)
{
	return t->truncated;
}

enum tls_end tls_end_of(const struct tls_conn *t)
{
	return (enum tls_end)t->end;
}
