/* SPDX-License-Identifier: Apache-2.0
 * A check connects, sends its request with Connection: close, and reads: the head decides by its
 * status, unless the body must contain something; then what came of it, decoded or to the bound.
 * The connection ends by a reset: a probe leaves nothing behind, at either end. */
#include "lb/l7/http_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/pool.h"
#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "lb/l7/h1/h1.h"
#include "lb/l7/http/chain.h"

struct http_check {
	struct http_checks *all;
	struct l7_io io;
	uint64_t attempt;
	uint32_t id, self;
	uint16_t status_lo, status_hi;
	enum http_method method;
	uint32_t request_len, len, expect_len;
	struct http_timer timer;
	char request[1024];
	uint8_t expect[HEALTH_PAYLOAD_MAX];
	char bytes[HTTP_CHECK_BYTES + H1_PAD];
};

struct http_checks {
	struct http_check_conf conf;
	struct pool pool;
	void (*answer)(void *ctx, uint32_t id, uint64_t attempt, enum health_result r);
	void *ctx;
	struct http_head head; /* of the response being looked at */
};

static void end(struct http_check *k)
{
	struct http_checks *c = k->all;

	if (l7_io_is_open(&k->io))
		l7_io_abort(&k->io);
	http_timer_stop(c->conf.loop, &k->timer);
	pool_put(&c->pool, k->self);
}

static void say(struct http_check *k, enum health_result r)
{
	struct http_checks *c = k->all;
	uint64_t attempt = k->attempt;
	uint32_t id = k->id;

	end(k);
	c->answer(c->ctx, id, attempt, r);
}

static void on_timer(struct http_timer *t)
{
	end(container_of(t, struct http_check, timer));
}

static bool contains(const char *at, uint32_t len, const struct http_check *k)
{
	return k->expect_len == 0 || memmem(at, len, k->expect, k->expect_len) != NULL;
}

/* Decode what there is of the body in place. True: it has ended. */
static bool decode(struct http_check *k, uint32_t from, uint32_t *len)
{
	const struct http_head *h = &k->all->head;
	struct http_arena none; /* trailers are of no interest */
	struct h1_body body;
	uint32_t at = from;
	enum h1_verdict v = H1_MORE;

	*len = 0;
	http_arena_init(&none, NULL, 0);
	h1_body_init(&body, h->framing, h->length, &h1_limits_default, &none);
	while (v == H1_MORE && at < k->len) {
		struct h1_piece p;

		v = h1_body_next(&body, k->bytes + at, k->len - at, &p);
		memmove(k->bytes + from + *len, k->bytes + at + p.skip, p.data);
		*len += p.data;
		at += p.skip + p.data;
	}
	return v != H1_MORE || h->framing == HTTP_BODY_NONE;
}

/* eof: no more will come. */
static void judge(struct http_check *k, bool eof)
{
	struct http_head *h = &k->all->head;
	struct h1_parser p;
	uint32_t body_len;
	bool over;

	/* Seldom and short: from the start each time, so that nothing is kept between. */
	h1_response_begin(&p, k->method, false);
	switch (h1_response_parse(&p, k->bytes, k->len, &h1_limits_default, h)) {
	case H1_BAD:
		say(k, HEALTH_RESULT_MISMATCH);
		return;
	case H1_MORE:
		if (eof || k->len == HTTP_CHECK_BYTES)
			say(k, HEALTH_RESULT_MISMATCH);
		return;
	case H1_OK:
		break;
	}
	if (h->status < k->status_lo || h->status > k->status_hi) {
		say(k, HEALTH_RESULT_MISMATCH);
		return;
	}
	if (k->expect_len == 0) {
		say(k, HEALTH_RESULT_OK);
		return;
	}
	if (h->framing == HTTP_BODY_STREAM && !eof && k->len < HTTP_CHECK_BYTES &&
		memmem(k->bytes + p.head_len, k->len - p.head_len, "\r\n0\r\n", 5) == NULL)
		return; /* decoding is done once, in place */
	over = decode(k, p.head_len, &body_len);
	if (contains(k->bytes + p.head_len, body_len, k))
		say(k, HEALTH_RESULT_OK);
	else if (over || eof || k->len == HTTP_CHECK_BYTES || h->framing == HTTP_BODY_STREAM)
		say(k, HEALTH_RESULT_MISMATCH);
}

/* ---- events ---- */

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct http_check *k = user;

	(void)e;
	(void)conn;
	/* Short of buffers it is late, and the asker's timer says so. */
	(void)!l7_io_send_bytes(&k->io, k->request, k->request_len, 0);
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct http_check *k = user;
	struct chain c = {0};

	(void)e;
	(void)conn;
	chain_append(&c, chain, len);
	k->len += chain_copy(&c, 0, k->bytes + k->len, HTTP_CHECK_BYTES - k->len);
	chain_free(&c);
	(void)l7_io_consumed(&k->io, len);
	judge(k, false);
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	judge(user, true);
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end why)
{
	struct http_check *k = user;
	enum tls_end tls = k->io.tls != NULL ? tls_end_of(k->io.tls) : TLS_END_NONE;

	(void)e;
	(void)conn;
	k->io.conn = TCP_NONE;
	if (tls == TLS_END_VERIFY)
		say(k, HEALTH_RESULT_CERTIFICATE);
	else if (tls != TLS_END_NONE && tls != TLS_END_TCP)
		say(k, HEALTH_RESULT_TLS);
	else if (why == TCP_END_UNREACHABLE)
		say(k, HEALTH_RESULT_UNREACHABLE);
	else if (why == TCP_END_TIMEOUT)
		say(k, HEALTH_RESULT_TIMEOUT);
	else
		say(k, HEALTH_RESULT_REFUSED);
}

static const struct tcp_ops ops = {
	.on_connect = on_connect, .on_data = on_data, .on_eof = on_eof, .on_closed = on_closed};

/* ---- asking ---- */

static void write_request(struct http_check *k, const struct health_target *t)
{
	const struct config_health *h = &t->check;
	char addr[IP_ADDR_TEXT_MAX], host[IP_ADDR_TEXT_MAX + 16];
	int n;

	ip_addr_format(&t->backend, addr);
	snprintf(host, sizeof(host), ip_addr_is4(&t->backend) ? "%s:%u" : "[%s]:%u", addr, h->port);
	n = snprintf(k->request, sizeof(k->request),
		"%s %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: weir-check\r\nAccept: */*\r\n"
		"Connection: close\r\n\r\n",
		h->method, h->path, h->host[0] != '\0' ? h->host : host);
	k->request_len = n > 0 && (uint32_t)n < sizeof(k->request) ? (uint32_t)n : 0;
}

static bool connect_to(
	struct http_check *k, const struct tcp_connect_args *a, const struct http_check_tls *tls)
{
	struct tls_connect_args t = {.engine = k->io.e, .ops = &ops, .user = k};

	if (tcp_connect(k->io.e, a, &k->io.conn) != 0)
		return false;
	if (tls == NULL)
		return true;
	t.client = tls->client;
	t.sni = tls->sni;
	t.conn = k->io.conn;
	if (tls->w != NULL && tls_connect(tls->w, &t, &k->io.tls) == 0)
		return true;
	l7_io_abort(&k->io);
	return false;
}

bool http_check_ask(struct http_checks *c, const struct health_target *t, uint64_t attempt,
	const struct http_check_tls *tls)
{
	const struct config_health *h = &t->check;
	uint32_t idx = pool_get(&c->pool);
	struct tcp_connect_args a = {.raddr = t->backend,
		.rport = BE16(h->port),
		.ops = &ops,
		.timeout_ms = (uint32_t)(h->timeout_ns / NS_PER_MS) + 1};
	struct http_check *k;

	if (idx == POOL_NONE)
		return false;
	k = pool_at(&c->pool, idx);
	k->all = c;
	k->io = (struct l7_io){.e = c->conf.engine, .conn = TCP_NONE};
	k->self = idx;
	k->id = t->id;
	k->attempt = attempt;
	k->status_lo = h->status_lo;
	k->status_hi = h->status_hi;
	k->method = http_method_find((struct span){h->method, (uint32_t)strlen(h->method)});
	k->len = 0;
	k->expect_len = h->expect_len;
	if (h->expect_len > 0)
		memcpy(k->expect, h->expect, h->expect_len);
	write_request(k, t);
	a.user = k;
	http_timer_init(&k->timer, on_timer);
	if (k->request_len == 0 || !connect_to(k, &a, tls)) {
		pool_put(&c->pool, idx);
		return false;
	}
	http_timer_set(c->conf.loop, &k->timer, c->conf.loop->now_ns + h->timeout_ns);
	return true;
}

/* ---- life ---- */

int http_check_create(const struct http_check_conf *conf, struct http_checks **out)
{
	struct http_checks *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (c == NULL)
		return -ENOMEM;
	c->conf = *conf;
	rc = pool_init(&c->pool, sizeof(struct http_check), 8, HTTP_CHECKS);
	if (rc != 0) {
		free(c);
		return rc;
	}
	*out = c;
	return 0;
}

void http_check_destroy(struct http_checks *c)
{
	if (c == NULL)
		return;
	pool_fini(&c->pool);
	free(c);
}

void http_check_on_answer(struct http_checks *c,
	void (*answer)(void *ctx, uint32_t id, uint64_t attempt, enum health_result r), void *ctx)
{
	c->answer = answer;
	c->ctx = ctx;
}
