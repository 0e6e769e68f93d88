/* SPDX-License-Identifier: Apache-2.0
 * One request to an upstream and its response.
 *
 *	connection --ready--> head --final head--> body --end--> over
 *	     ^                 |  |                              ^
 *	     +---- pause <-----+  +--101--> tunnel --------------+
 *
 * The request's body is framed as it comes and waits in `out` for the connection; its bytes are
 * reported consumed when `out` has run empty, so that a slow backend closes the client's window.
 * The response's payload is handed on by whole buffers; when the client's side has no room, what it
 * was given last stays unconsumed until resume(). */
#include "lb/l7/http/proxy.h"

#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "lb/l7/http/proxy_pvt.h"
#include "lb/l7/http/sub.h"

#define FIRST_COPY 1024

static const struct up_req_ops up_ops;

uint32_t http_proxy_size(void)
{
	return sizeof(struct proxy);
}

static struct proxy *of_up(struct up_req *r)
{
	return container_of(r, struct proxy, up);
}

/* ---- life ---- */

static void on_timer(struct http_timer *t);

static void on_task(struct http_task *t)
{
	struct proxy *p = container_of(t, struct proxy, task);

	if (p->state == PROXY_PAUSE)
		proxy_begin_try(p);
	else if (p->state == PROXY_HEDGED)
		proxy_give_up(p, HTTP_END_NO_MEMORY);
}

static struct proxy *proxy_new(struct http_stream *s)
{
	uint32_t idx = pool_get(&s->w->proxies);
	struct proxy *p;

	if (idx == POOL_NONE)
		return NULL;
	p = pool_at(&s->w->proxies, idx);
	p->self = idx;
	p->s = s;
	p->state = PROXY_CONNECTION;
	p->out = p->in = (struct chain){0};
	p->unsaid = p->replay_len = p->held = 0;
	p->head_len = p->head_cap = 0;
	p->chunk_open = p->sent = p->eof = p->any = false;
	p->req_ended = s->req.framing == HTTP_BODY_NONE;
	p->replayable = proxy_may_repeat(s);
	p->head = p->replay = NULL;
	p->total_ns = 0;
	up_req_init(&p->up, &up_ops, UP_NONE);
	http_timer_init(&p->timer, on_timer);
	http_task_init(&p->task, on_task);
	proxy_hedge_init(p);
	s->action_state = p;
	return p;
}

void proxy_free(struct proxy *p)
{
	struct http_worker *w = p->s->w;

	proxy_hedge_stop(p);
	http_timer_stop(&w->loop, &p->timer);
	http_task_cancel(&p->task);
	chain_free(&p->out);
	chain_free(&p->in);
	p->s->action_state = NULL;
	pool_put(&w->proxies, p->self);
}

void proxy_give_up(struct proxy *p, enum http_end why)
{
	struct http_stream *s = p->s;

	proxy_free(p);
	http_fail(s, why);
}

/* ---- time ---- */

/* The next of the deadlines. */
static void arm(struct proxy *p, uint64_t ns)
{
	struct http_loop *l = &p->s->w->loop;
	uint64_t due = ns > 0 ? l->now_ns + ns : UINT64_MAX;

	if (p->total_ns != 0 && p->state != PROXY_TUNNEL && p->total_ns < due)
		due = p->total_ns;
	if (due == UINT64_MAX)
		http_timer_unset(&p->timer);
	else
		http_timer_set(l, &p->timer, due);
}

static uint64_t head_ns(const struct proxy *p)
{
	const struct http_route *r = p->s->route;

	return r->retries.per_try_ns > 0 ? r->retries.per_try_ns : r->timeouts.response_ns;
}

/* ---- the request goes out ---- */

/* The client's side learns that its bytes are gone. */
static void report_sent(struct proxy *p)
{
	uint32_t n = p->unsaid;

	p->unsaid = 0;
	if (n > 0)
		http_body_consumed(p->s, n);
}

static void flush_out(struct proxy *p)
{
	struct rte_mbuf *rest = p->out.head;
	int64_t n;

	if (rest != NULL) {
		n = l7_io_send(&p->up.io, &rest, 0);
		if (n < 0)
			return; /* closed() follows */
		p->out.head = rest;
		p->out.len -= (uint32_t)n;
		if (rest != NULL)
			return;
		p->out.tail = NULL;
	}
	report_sent(p);
}

static void send_queued(struct proxy *p)
{
	if (p->state == PROXY_HEAD || p->state == PROXY_BODY || p->state == PROXY_TUNNEL)
		flush_out(p);
}

static bool write_request(struct proxy *p)
{
	struct http_stream *s = p->s;
	struct http_worker *w = s->w;
	struct h1_request_opts o = {.close = false};
	struct rte_mbuf *m = http_mbuf(w);
	struct chain head = {0};
	int n;

	if (unlikely(m == NULL))
		return false;
	n = h1_request_write(&s->req, &o, rte_pktmbuf_mtod(m, char *), rte_pktmbuf_tailroom(m));
	if (likely(n > 0)) {
		m->data_len = (uint16_t)n;
		m->pkt_len = (uint32_t)n;
		chain_append(&head, m, (uint32_t)n);
	} else {
		rte_pktmbuf_free(m);
		n = h1_request_write(&s->req, &o, w->scratch, sizeof(w->scratch));
		if (n < 0 ||
			chain_add_bytes(&head, w->conf.data_pool, w->scratch, (uint32_t)n) != 0)
			return false;
	}
	/* The head first, then what of the body has come. */
	chain_append(&head, p->out.head, p->out.len);
	p->out = head;
	return true;
}

static bool write_replay(struct proxy *p);

static void tunnel_at_once(struct proxy *p);

/* The tunnel ends here: the backend is not told of CONNECT. */
static bool is_our_tunnel(const struct http_stream *s)
{
	return unlikely(s->req.method == HTTP_CONNECT) && !s->route->connect->forward;
}

static void send_request(struct proxy *p)
{
	struct http_stream *s = p->s;

	s->t.backend = s->w->loop.now_ns;
	s->backend = p->up.server;
	p->state = PROXY_HEAD;
	p->eof = p->any = false;
	p->info_cnt = 0;
	p->head_len = p->held = 0;
	chain_free(&p->in);
	if (is_our_tunnel(s)) {
		tunnel_at_once(p);
		return;
	}
	h1_response_begin(&p->parser, s->req.method, s->req.upgrade);
	if (!write_replay(p) || !write_request(p)) {
		up_end(&p->up, UP_NEITHER, UP_ABORT);
		proxy_give_up(p, HTTP_END_NO_MEMORY);
		return;
	}
	p->sent = true;
	/* The backend's time to answer begins when it has the request. */
	arm(p, p->req_ended ? head_ns(p) : 0);
	proxy_hedge_arm(p);
	flush_out(p);
}

void proxy_begin_try(struct proxy *p)
{
	struct http_stream *s = p->s;
	enum http_end why = HTTP_END_INTERNAL;

	p->state = PROXY_CONNECTION;
	if (s->t.queued == 0)
		s->t.queued = s->w->loop.now_ns;
	switch (up_begin(s->w->up, &p->up, &why)) {
	case UP_READY:
		send_request(p);
		break;
	case UP_WAIT:
		arm(p, 0);
		break;
	case UP_FAILED:
		proxy_try_failed(p, why);
		break;
	}
}

/* ---- the request's body ---- */

static bool is_chunked(const struct proxy *p)
{
	return p->s->req.framing == HTTP_BODY_STREAM;
}

/* Keep what may have to be sent once more, as long as that is little. */
static void remember(struct proxy *p, const struct rte_mbuf *m, uint32_t len)
{
	if (!p->replayable)
		return;
	if (p->replay == NULL && p->replay_len == 0)
		p->replay = http_arena_alloc(&p->s->arena, REPLAY_MAX);
	if (p->replay == NULL || len > REPLAY_MAX - p->replay_len) {
		p->replayable = false;
		return;
	}
	for (; m != NULL; m = m->next) {
		memcpy(p->replay + p->replay_len, rte_pktmbuf_mtod(m, const char *), m->data_len);
		p->replay_len += m->data_len;
	}
}

static bool add_chunk_head(struct proxy *p, uint32_t len)
{
	char text[2 + H1_CHUNK_HEAD_MAX];
	uint32_t n = 0;

	if (p->chunk_open) {
		text[n++] = '\r';
		text[n++] = '\n';
	}
	n += h1_chunk_write(len, text + n);
	p->chunk_open = true;
	return chain_add_bytes(&p->out, p->s->w->conf.data_pool, text, n) == 0;
}

static void fail_request(struct proxy *p, enum http_end why)
{
	up_cancel(&p->up);
	proxy_give_up(p, why);
}

/* Another try begins with the body that the first one took. */
static bool write_replay(struct proxy *p)
{
	struct chain rest = p->out;

	if (!p->sent || p->replay_len == 0)
		return true;
	/* What was framed for the first try and not taken is part of the copy. */
	chain_free(&rest);
	p->out = (struct chain){0};
	p->chunk_open = false;
	if (is_chunked(p) && !add_chunk_head(p, p->replay_len))
		return false;
	if (chain_add_bytes(&p->out, p->s->w->conf.data_pool, p->replay, p->replay_len) != 0)
		return false;
	if (is_chunked(p) && p->req_ended &&
		chain_add_bytes(&p->out, p->s->w->conf.data_pool, "\r\n" H1_LAST_CHUNK,
			sizeof("\r\n" H1_LAST_CHUNK) - 1) != 0)
		return false;
	return true;
}

static void proxy_body(struct http_stream *s, struct rte_mbuf *chain, uint32_t len)
{
	struct proxy *p = proxy_of(s);

	if (p->state != PROXY_TUNNEL)
		remember(p, chain, len);
	if (p->state != PROXY_TUNNEL && is_chunked(p) && !add_chunk_head(p, len)) {
		chain_free_list(chain);
		fail_request(p, HTTP_END_NO_MEMORY);
		return;
	}
	chain_append(&p->out, chain, len);
	p->unsaid += len;
	if (p->state == PROXY_TUNNEL)
		arm(p, s->route->timeouts.tunnel_ns);
	send_queued(p);
}

static bool add_last_chunk(struct proxy *p, const struct http_head *trailers)
{
	struct http_worker *w = p->s->w;
	uint32_t at = 0;
	int n;

	if (trailers != NULL)
		p->replayable = false; /* they are not kept */
	if (p->chunk_open) {
		w->scratch[at++] = '\r';
		w->scratch[at++] = '\n';
	}
	n = h1_last_chunk_write(trailers, w->scratch + at, (uint32_t)sizeof(w->scratch) - at);
	return n > 0 &&
	       chain_add_bytes(&p->out, w->conf.data_pool, w->scratch, at + (uint32_t)n) == 0;
}

static void proxy_end(struct http_stream *s, const struct http_head *trailers)
{
	struct proxy *p = proxy_of(s);

	p->req_ended = true;
	if (p->state == PROXY_TUNNEL) {
		flush_out(p);
		(void)l7_io_shutdown(&p->up.io);
		return;
	}
	if (is_chunked(p) && !add_last_chunk(p, trailers)) {
		fail_request(p, HTTP_END_NO_MEMORY);
		return;
	}
	send_queued(p);
	if (p->state == PROXY_HEAD)
		arm(p, head_ns(p));
}

/* ---- the response ---- */

/* All of it came and was handed on. */
static void response_over(struct proxy *p, const struct http_head *trailers)
{
	struct http_stream *s = p->s;
	bool whole = p->req_ended && p->out.head == NULL;
	bool clean = p->in.head == NULL && !p->eof;
	enum up_outcome outcome = s->resp.status >= 500 ? UP_FAILURE : UP_GOOD;
	enum up_fate fate = !whole ? UP_ABORT : s->resp.keep_alive && clean ? UP_KEEP : UP_CLOSE;

	if (p->state == PROXY_TUNNEL)
		fate = UP_CLOSE;
	if (p->in.head != NULL) {
		fate = UP_ABORT; /* bytes that nobody asked for */
		s->detail = "bytes_behind_response";
	}
	if (p->held > 0)
		(void)l7_io_consumed(&p->up.io, p->held);
	up_end(&p->up, outcome, fate);
	proxy_free(p);
	if (!s->req_finished)
		http_body_ignore(s);
	http_finish(s, trailers);
}

/* The connection is of no use any more. */
static void response_broken(struct proxy *p, enum http_end why)
{
	bool begun = p->s->resp_started;
	/* The end of a kept connection that crossed our request says nothing about the server. */
	bool stale = why == HTTP_END_BACKEND_CLOSED && p->up.kept && !p->any;

	up_end(&p->up, stale ? UP_NEITHER : UP_FAILURE, UP_ABORT);
	if (begun)
		proxy_give_up(p, why);
	else
		proxy_try_failed(p, why);
}

static void hand_on(struct proxy *p, struct chain *data)
{
	uint32_t len = data->len;

	if (len == 0)
		return;
	p->held += len;
	if (http_send_body(p->s, chain_take(data), len) == 0)
		return;
	/* Room may have come without a resume(), with what was sent just now. */
	len = p->held;
	p->held = 0;
	(void)l7_io_consumed(&p->up.io, len);
}

static void read_body(struct proxy *p)
{
	struct chain data = {0};
	struct chain_body r = chain_body(&p->body, &p->in, &data, p->s->w->conf.data_pool);

	if (r.framing > 0)
		(void)l7_io_consumed(&p->up.io, r.framing);
	hand_on(p, &data);
	if (r.verdict == H1_OK) {
		response_over(p, p->body.trailers);
	} else if (r.verdict == H1_BAD) {
		p->s->detail = r.no_memory ? NULL : h1_error_word(p->body.error);
		response_broken(p, r.no_memory ? HTTP_END_NO_MEMORY : HTTP_END_BACKEND_INVALID);
	} else if (p->eof) {
		if (h1_body_eof(&p->body))
			response_over(p, NULL);
		else
			response_broken(p, HTTP_END_BACKEND_INCOMPLETE);
	} else if (p->s->resp.framing == HTTP_BODY_TUNNEL) {
		arm(p, p->s->route->timeouts.tunnel_ns);
	} else {
		arm(p, p->s->route->timeouts.idle_ns);
	}
}

static void begin_tunnel(struct proxy *p)
{
	struct http_stream *s = p->s;

	p->state = PROXY_TUNNEL;
	p->req_ended = false;
	h1_body_init(&p->body, HTTP_BODY_TO_EOF, 0, &h1_limits_default, &s->arena);
	arm(p, s->route->timeouts.tunnel_ns);
	http_send_head(s);
	read_body(p);
}

static void tunnel_at_once(struct proxy *p)
{
	struct http_stream *s = p->s;

	p->sent = true;
	s->t.response = s->w->loop.now_ns;
	s->resp.status = 200;
	s->resp.version = 11;
	s->resp.keep_alive = s->resp.upgrade = false;
	s->resp.field_cnt = 0;
	s->resp.length = 0;
	s->resp.framing = HTTP_BODY_TUNNEL;
	begin_tunnel(p);
}

/* Informational heads but 101 go on to the client (RFC 9110 15.2), 100 only if the client asked for
 * it and weir asked the backend. False: there are too many of them, and p may be gone. */
static bool informational(struct proxy *p)
{
	struct http_stream *s = p->s;

	if (++p->info_cnt > LIMIT_HTTP_INFORMATIONAL) {
		s->detail = "too_many_informational";
		response_broken(p, HTTP_END_BACKEND_INVALID);
		return false;
	}
	if (s->resp.status != 100 || s->asks_backend)
		http_send_head(s);
	if (s->resp.status == 100)
		s->asks_backend = false;
	h1_response_begin(&p->parser, s->req.method, s->req.upgrade);
	return true;
}

/* RFC 9110 6.6.1: who forwards a response without a Date says when it came. What the cache asked
 * for gets it there, by its clock. */
void proxy_add_date(struct http_stream *s)
{
	if (likely(http_head_get(&s->resp, HTTP_FIELD_DATE, NULL) != NULL) || s->inner)
		return;
	(void)!http_head_add(&s->resp, HTTP_FIELD_DATE, http_date_now(s->w));
}

static void final_head(struct proxy *p)
{
	enum http_framing framing;
	struct http_stream *s = p->s;

	s->t.response = s->w->loop.now_ns;
	up_note_head(&p->up);
	proxy_hedge_stop(p);
	if (proxy_retries_status(p)) {
		up_end(&p->up, UP_FAILURE, UP_ABORT);
		p->s->retries++;
		p->state = PROXY_PAUSE;
		http_task_post(&s->w->loop, &p->task);
		return;
	}
	proxy_add_date(s);
	if (s->resp.status == 101) {
		if (!h1_upgrade_agrees(&s->req, &s->resp)) {
			s->detail = "upgrade_not_asked";
			response_broken(p, HTTP_END_BACKEND_INVALID);
			return;
		}
		begin_tunnel(p);
		return;
	}
	if (s->resp.framing == HTTP_BODY_TUNNEL) { /* 2xx to CONNECT */
		begin_tunnel(p);
		return;
	}
	p->state = PROXY_BODY;
	proxy_set_cookie(p);
	/* As the backend framed it: policies may send the client another body. */
	framing = s->resp.framing;
	h1_body_init(&p->body, framing, s->resp.length, &h1_limits_default, &s->arena);
	http_send_head(s);
	if (framing == HTTP_BODY_NONE)
		response_over(p, NULL);
	else
		read_body(p);
}

static struct h1_limits limits_of(const struct proxy *p)
{
	const struct up_entry *e = up_entry_of(p->s->w->up, p->up.upstream);
	struct h1_limits lim = h1_limits_default;

	if (e != NULL)
		lim.head_bytes = lim.field_bytes = e->cfg->head_max;
	lim.fields = LIMIT_HTTP_FIELDS;
	lim.underscores = H1_UNDERSCORES_PASS;
	return lim;
}

static bool grow_head(struct proxy *p, uint32_t need)
{
	uint32_t cap = p->head_cap == 0 ? 4096 : p->head_cap;
	char *buf;

	if (need + H1_PAD <= p->head_cap)
		return true;
	while (cap < need + H1_PAD)
		cap *= 2;
	if (cap > HTTP_ARENA_SLAB - 64)
		cap = HTTP_ARENA_SLAB - 64;
	if (cap < need + H1_PAD)
		return false;
	buf = http_arena_alloc(&p->s->arena, cap);
	if (buf == NULL)
		return false;
	if (p->head_len > 0)
		memcpy(buf, p->head, p->head_len);
	p->head = buf;
	p->head_cap = cap;
	return true;
}

/* Copy more of what came into the head's buffer. */
static bool extend_head(struct proxy *p, uint32_t most)
{
	uint32_t want = p->in.len < most ? p->in.len : most;

	if (!grow_head(p, want))
		return false;
	p->head_len += chain_copy(&p->in, p->head_len, p->head + p->head_len, want - p->head_len);
	return true;
}

/* A head that is complete; what came stays in `in` until then. */
static enum h1_verdict parse_head(struct proxy *p)
{
	struct h1_limits lim = limits_of(p);
	uint32_t most = lim.head_bytes + 4;
	enum h1_verdict v = H1_MORE;

	/* Spans of informational heads before stay where they are. */
	if (p->head_len == 0)
		p->head_cap = 0;
	for (uint32_t step = FIRST_COPY; v == H1_MORE && p->head_len < p->in.len; step = most) {
		uint32_t before = p->head_len;

		if (!extend_head(p, step < most ? step : most)) {
			p->parser.error = H1_ERR_NO_MEMORY;
			return H1_BAD;
		}
		if (p->head_len == before)
			break;
		v = h1_response_parse(&p->parser, p->head, p->head_len, &lim, &p->s->resp);
	}
	return v;
}

static void bad_head(struct proxy *p)
{
	enum h1_error e = p->parser.error;

	p->s->detail = h1_error_word(e);
	if (e == H1_ERR_NO_MEMORY)
		response_broken(p, HTTP_END_NO_MEMORY);
	else if (h1_error_status(e) == 431)
		response_broken(p, HTTP_END_BACKEND_HEAD_TOO_LARGE);
	else
		response_broken(p, HTTP_END_BACKEND_INVALID);
}

static void read_heads(struct proxy *p)
{
	while (p->state == PROXY_HEAD && p->in.head != NULL) {
		struct http_stream *s = p->s;
		enum h1_verdict v = parse_head(p);

		s->resp_foreign = true;
		if (v == H1_BAD) {
			bad_head(p);
			return;
		}
		if (v == H1_MORE)
			break;
		chain_strip(&p->in, p->parser.head_len);
		(void)l7_io_consumed(&p->up.io, p->parser.head_len);
		p->head_len = 0;
		if (s->resp.status >= 200 || s->resp.status == 101) {
			final_head(p);
			return;
		}
		if (!informational(p))
			return;
	}
	if (p->eof && p->state == PROXY_HEAD)
		response_broken(p, p->any ? HTTP_END_BACKEND_INCOMPLETE : HTTP_END_BACKEND_CLOSED);
}

/* ---- events of the connection ---- */

static void up_ready(struct up_req *r)
{
	send_request(of_up(r));
}

static void up_failed(struct up_req *r, enum http_end why)
{
	proxy_try_failed(of_up(r), why);
}

static void up_data(struct up_req *r, struct rte_mbuf *chain, uint32_t len)
{
	struct proxy *p = of_up(r);

	p->any = true;
	chain_append(&p->in, chain, len);
	if (p->state == PROXY_HEAD)
		read_heads(p);
	else
		read_body(p);
}

static void up_eof(struct up_req *r)
{
	struct proxy *p = of_up(r);

	p->eof = true;
	if (p->state == PROXY_HEAD)
		read_heads(p);
	else
		read_body(p);
}

static void up_writable(struct up_req *r)
{
	send_queued(of_up(r));
}

static void up_closed(struct up_req *r, enum tcp_end end)
{
	struct proxy *p = of_up(r);
	enum http_end why = HTTP_END_BACKEND_CLOSED;

	(void)end;
	if (p->s->resp_started || p->any)
		why = HTTP_END_BACKEND_INCOMPLETE;
	response_broken(p, why);
}

static const struct up_req_ops up_ops = {
	.ready = up_ready,
	.failed = up_failed,
	.data = up_data,
	.eof = up_eof,
	.writable = up_writable,
	.closed = up_closed,
};

static void on_timer(struct http_timer *t)
{
	struct proxy *p = container_of(t, struct proxy, timer);
	struct http_loop *l = &p->s->w->loop;
	bool out_of_time = p->total_ns != 0 && l->now_ns >= p->total_ns;

	switch (p->state) {
	case PROXY_CONNECTION:
		up_cancel(&p->up);
		proxy_give_up(p, HTTP_END_CONNECT_TIMEOUT);
		break;
	case PROXY_PAUSE:
		proxy_give_up(p, HTTP_END_BACKEND_TIMEOUT);
		break;
	case PROXY_HEAD:
		up_end(&p->up, UP_FAILURE, UP_ABORT);
		if (out_of_time)
			proxy_give_up(p, HTTP_END_BACKEND_TIMEOUT);
		else
			proxy_try_failed(p, HTTP_END_BACKEND_TIMEOUT);
		break;
	case PROXY_BODY:
		/* A client without room is not the backend's fault; its own timer runs. */
		if (p->held > 0 && !out_of_time) {
			arm(p, p->s->route->timeouts.idle_ns);
			break;
		}
		response_broken(p, HTTP_END_BACKEND_TIMEOUT);
		break;
	case PROXY_TUNNEL:
		response_broken(p, HTTP_END_BACKEND_TIMEOUT);
		break;
	case PROXY_HEDGED:
		proxy_give_up(p, HTTP_END_BACKEND_TIMEOUT);
		break;
	}
}

/* ---- the action ---- */

static void proxy_start(struct http_stream *s)
{
	struct proxy *p = proxy_new(s);

	if (unlikely(p == NULL)) {
		http_fail(s, HTTP_END_NO_MEMORY);
		return;
	}
	if (s->route->timeouts.total_ns > 0)
		p->total_ns = s->w->loop.now_ns + s->route->timeouts.total_ns;
	if (unlikely(!proxy_choose_upstream(p))) {
		proxy_give_up(p, HTTP_END_NO_BACKEND);
		return;
	}
	p->up.fresh = is_our_tunnel(s);
	p->up.host = s->req.host;
	/* Taken off by the front, which knows of it all the same. */
	s->asks_backend = s->route->expect_forward && s->req.expect_continue && !s->inner;
	if (s->asks_backend && http_head_set(&s->req, HTTP_FIELD_EXPECT, SPAN("100-continue")) != 0)
		s->asks_backend = false;
	if (s->avoid != 0)
		p->up.tried[p->up.tried_cnt++] = s->avoid - 1;
	proxy_mirror(s);
	proxy_begin_try(p);
}

static void proxy_resume(struct http_stream *s)
{
	struct proxy *p = proxy_of(s);
	uint32_t n = p->held;

	if (p->state == PROXY_HEDGED) {
		if (p->hedge != NULL)
			http_sub_resume(p->hedge);
		return;
	}

	p->held = 0;
	if (n > 0)
		(void)l7_io_consumed(&p->up.io, n);
}

static void proxy_cancel(struct http_stream *s)
{
	struct proxy *p = proxy_of(s);

	up_cancel(&p->up);
	proxy_free(p);
}

const struct http_action http_proxy = {
	.name = "proxy",
	.start = proxy_start,
	.body = proxy_body,
	.end = proxy_end,
	.resume = proxy_resume,
	.cancel = proxy_cancel,
};
