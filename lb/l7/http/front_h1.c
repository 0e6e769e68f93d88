/* SPDX-License-Identifier: Apache-2.0
 * Action http: HTTP/1 from clients.
 *
 *	  idle --byte--> head --complete--> body --complete--> busy --response sent--> idle
 *	    |              |                  |                  |                       |
 *	    +--------------+------------------+-------+----------+                     skip
 *	                                              v
 *	                                        linger --> closed
 *
 * idle, head: no stream. A head that does not come at once is kept in chunks, not in the receive
 * buffers it came in: a thousand slow clients must not take them from the others. body: the
 * request's body goes to the action as it comes. busy: what the client sends waits in its window.
 * skip: the response was sent before the request's end, and little of it is missing. linger: all is
 * said, the client may be sending still; without reading it to its end a reset could overtake the
 * response (RFC 9112 9.6).
 *
 * Functions of the stream never free the connection: they set its state and post its task. */
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "lb/l7/http/front_pvt.h"

#define LINGER_NS     (2 * NS_PER_SEC)
#define LINGER_BYTES  (256u << 10)
#define SKIP_MAX      (64u << 10) /* of a body that nobody reads */
#define RATE_CHECK_NS NS_PER_SEC

static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

static void on_timer(struct http_timer *t);
static void on_task(struct http_task *t);

/* ---- the connection's end ---- */

/* The connection's memory goes; only from its own events, its timer and its task. */
void front_close(struct l7_conn *c)
{
	front_gather_free(c);
	http_timer_stop(&front_worker(c)->loop, &c->h1.timer);
	http_task_cancel(&c->h1.task);
	l7_close(c);
}

static void conn_abort(struct l7_conn *c)
{
	front_gather_free(c);
	http_timer_stop(&front_worker(c)->loop, &c->h1.timer);
	http_task_cancel(&c->h1.task);
	l7_abort(c);
}

static void post(struct l7_conn *c)
{
	http_task_post(&front_worker(c)->loop, &c->h1.task);
}

/* All is sent; the client's end decides. */
void front_linger(struct l7_conn *c)
{
	(void)l7_io_shutdown(&c->front);
	front_gather_free(c);
	c->h1.state = H1_LINGER;
	c->h1.left = LINGER_BYTES;
	front_timer(c, LINGER_NS);
	if (c->front_eof || c->pend != NULL)
		post(c);
}

/* ---- streams ---- */

struct h1_stream *front_stream_new(struct l7_conn *c)
{
	struct http_worker *w = front_worker(c);
	uint32_t idx = pool_get(&w->streams);
	struct h1_stream *st;

	if (unlikely(idx == POOL_NONE))
		return NULL;
	st = pool_at(&w->streams, idx);
	st->self = idx;
	st->c = c;
	st->out = (struct chain){0};
	st->want_resume = st->finishing = st->cutting = st->close = false;
	st->chunk_open = st->waits_100 = st->tunnel = false;
	http_stream_init(&st->s, w);
	st->s.front = &h1_front_ops;
	st->s.listener = c->listener;
	st->s.peer = st->s.client = c->peer.src;
	st->s.local = c->peer.dst;
	st->s.client_port = c->peer.sport;
	st->s.local_port = c->peer.dport;
	st->s.secure = c->front.tls != NULL;
	st->s.tls = c->front.tls;
	st->s.t.accepted = c->h1.accepted_ns;
	st->s.t.first_byte = c->h1.first_ns;
	c->h1.st = st;
	return st;
}

void front_stream_free(struct h1_stream *st)
{
	struct http_worker *w = front_worker(st->c);

	chain_free(&st->out);
	http_arena_reset(&st->s.arena);
	st->c->h1.st = NULL;
	pool_put(&w->streams, st->self);
}

static void next_request(struct l7_conn *c)
{
	const struct config_http_client *conf = http_client_conf(front_worker(c), c->listener);

	c->h1.state = H1_IDLE;
	front_timer(c, conf->idle_ns);
	if (c->pend != NULL || c->front_eof)
		post(c);
}

/* Bytes of the request that nobody has read, if that is known and they are few. */
static bool may_skip(const struct h1_stream *st, uint64_t *left)
{
	*left = st->s.req.length - st->s.req_bytes;
	return st->s.req.framing == HTTP_BODY_LENGTH && !st->waits_100 && *left <= SKIP_MAX;
}

/* The response is with the engine. */
static void stream_over(struct h1_stream *st)
{
	struct l7_conn *c = st->c;
	bool close = st->close || st->cutting, req_done = st->s.req_finished, abort = st->cutting;
	uint64_t left = 0;

	if (!req_done && !may_skip(st, &left))
		close = true;
	http_stream_end(&st->s);
	front_stream_free(st);
	c->h1.requests++;
	if (abort) {
		c->h1.state = H1_DEAD;
		post(c);
	} else if (!close && !req_done) {
		c->h1.state = H1_SKIP;
		c->h1.left = left;
		front_timer(c, LINGER_NS);
		post(c);
	} else if (!close) {
		next_request(c);
	} else {
		front_linger(c);
	}
}

/* ---- what goes out ---- */

/* Takes the list. False: the connection is gone, its event will follow. */
static bool push(struct h1_stream *st, struct rte_mbuf *list, uint32_t len)
{
	struct rte_mbuf *rest = list;
	int64_t n = 0;

	if (st->out.head == NULL) {
		n = l7_io_send(&st->c->front, &rest, 0);
		if (n < 0) {
			chain_free_list(rest);
			return false;
		}
	}
	if (unlikely(rest != NULL)) {
		chain_append(&st->out, rest, len - (uint32_t)n);
		front_timer(st->c, http_client_conf(front_worker(st->c), st->c->listener)->send_ns);
	}
	return true;
}

static bool push_bytes(struct h1_stream *st, const void *data, uint32_t len)
{
	struct chain c = {0};

	if (chain_add_bytes(&c, front_worker(st->c)->conf.data_pool, data, len) != 0)
		return false;
	return push(st, c.head, c.len);
}

/* No more can be said on this connection: a length that cannot be kept, no buffers. */
static void break_off(struct h1_stream *st)
{
	st->cutting = true;
	st->c->h1.state = H1_DEAD;
	post(st->c);
}

static void write_head(struct h1_stream *st)
{
	struct http_stream *s = &st->s;
	struct http_worker *w = front_worker(st->c);
	struct rte_mbuf *m = http_mbuf(w);
	int n;

	if (unlikely(m == NULL)) {
		break_off(st);
		return;
	}
	n = h1_response_write(&s->resp, &st->plan, s->req.method, s->req.version,
		rte_pktmbuf_mtod(m, char *), rte_pktmbuf_tailroom(m));
	if (likely(n > 0)) {
		m->data_len = (uint16_t)n;
		m->pkt_len = (uint32_t)n;
		(void)push(st, m, (uint32_t)n);
		return;
	}
	rte_pktmbuf_free(m);
	n = h1_response_write(
		&s->resp, &st->plan, s->req.method, s->req.version, w->scratch, sizeof(w->scratch));
	if (n < 0 || !push_bytes(st, w->scratch, (uint32_t)n))
		break_off(st);
}

static bool keeps_alive(const struct h1_stream *st)
{
	uint64_t left;

	return !st->close && !front_worker(st->c)->draining &&
	       (st->s.req_finished || !st->s.body_ignored || may_skip(st, &left));
}

static void plan_final(struct h1_stream *st)
{
	struct http_stream *s = &st->s;

	st->plan = h1_response_plan(&s->resp, s->req.method, s->req.version, keeps_alive(st));
	if (!st->plan.keep_alive)
		st->close = true;
	st->resp_left = s->resp.length;
}

static void start_tunnel(struct h1_stream *st)
{
	struct http_stream *s = &st->s;

	st->tunnel = true;
	st->close = true;
	s->req_finished = false;
	h1_body_init(&st->body, HTTP_BODY_TO_EOF, 0, &h1_limits_default, &s->arena);
	st->c->h1.state = H1_BODY;
	front_timer(st->c, 0);
	post(st->c);
}

static void h1_send_head(struct http_stream *s)
{
	struct h1_stream *st = h1_of(s);
	bool info = s->resp.status < 200 && s->resp.status != 101;

	if (info && s->req.version < 11)
		return; /* RFC 9110 15.2 */
	if (info) {
		if (s->resp.status == 100)
			st->waits_100 = false;
		st->plan = (struct h1_response_plan){.framing = HTTP_BODY_NONE, .keep_alive = true};
		write_head(st);
		return;
	}
	plan_final(st);
	write_head(st);
	/* Whoever sees that there is no room waits for it. */
	st->want_resume = st->out.head != NULL;
	if (st->plan.framing == HTTP_BODY_TUNNEL)
		start_tunnel(st);
}

/* One buffer costs less than a head's and a body's, also what it costs to send and free them. */
static bool h1_send_whole(struct http_stream *s, const void *body, uint32_t len)
{
	struct h1_stream *st = h1_of(s);
	struct rte_mbuf *m;
	char *p;
	int n;

	plan_final(st);
	m = st->plan.framing == HTTP_BODY_LENGTH ? http_mbuf(front_worker(st->c)) : NULL;
	if (m == NULL)
		return false;
	p = rte_pktmbuf_mtod(m, char *);
	n = h1_response_write(
		&s->resp, &st->plan, s->req.method, s->req.version, p, rte_pktmbuf_tailroom(m));
	if (n < 0 || len > (uint32_t)(rte_pktmbuf_tailroom(m) - n)) {
		rte_pktmbuf_free(m);
		return false;
	}
	if (len > 0)
		memcpy(p + n, body, len);
	st->resp_left -= len;
	m->data_len = (uint16_t)((uint32_t)n + len);
	m->pkt_len = m->data_len;
	(void)push(st, m, m->pkt_len);
	return true;
}

/* Chunk head and the CR LF of the chunk before, in front of the list. */
static struct rte_mbuf *chunk_head(struct h1_stream *st, uint32_t len)
{
	struct rte_mbuf *m = http_mbuf(front_worker(st->c));
	char *p;
	uint32_t n = 0;

	if (m == NULL)
		return NULL;
	p = rte_pktmbuf_mtod(m, char *);
	if (st->chunk_open) {
		p[n++] = '\r';
		p[n++] = '\n';
	}
	n += h1_chunk_write(len, p + n);
	st->chunk_open = true;
	m->data_len = (uint16_t)n;
	m->pkt_len = n;
	return m;
}

static uint32_t h1_room(const struct http_stream *s)
{
	const struct h1_stream *st = (const struct h1_stream *)(const void *)s;
	uint32_t n;

	if (st->out.head != NULL)
		return 0;
	n = l7_io_room(&st->c->front);
	/* Only what the engine did not take brings an event when there is room. */
	return n > 0 ? n : 1;
}

static uint32_t h1_send_body(struct http_stream *s, struct rte_mbuf *chain, uint32_t len)
{
	struct h1_stream *st = h1_of(s);
	uint32_t room;

	if (st->plan.framing == HTTP_BODY_NONE || st->cutting) {
		chain_free_list(chain);
		return UINT32_MAX;
	}
	if (st->plan.framing == HTTP_BODY_LENGTH) {
		if (unlikely(len > st->resp_left)) {
			chain_free_list(chain);
			break_off(st);
			return UINT32_MAX;
		}
		st->resp_left -= len;
	} else if (st->plan.framing == HTTP_BODY_STREAM) {
		struct rte_mbuf *m = chunk_head(st, len);

		if (unlikely(m == NULL)) {
			chain_free_list(chain);
			break_off(st);
			return UINT32_MAX;
		}
		m->next = chain;
		chain = m;
		len += m->data_len;
	}
	(void)push(st, chain, len);
	room = h1_room(s);
	st->want_resume = room == 0;
	return room;
}

static bool write_last_chunk(struct h1_stream *st, const struct http_head *trailers)
{
	struct http_worker *w = front_worker(st->c);
	uint32_t at = 0;
	int n;

	if (st->chunk_open) {
		w->scratch[at++] = '\r';
		w->scratch[at++] = '\n';
	}
	n = h1_last_chunk_write(trailers, w->scratch + at, (uint32_t)sizeof(w->scratch) - at);
	return n > 0 && push_bytes(st, w->scratch, at + (uint32_t)n);
}

static void h1_finish(struct http_stream *s, const struct http_head *trailers)
{
	struct h1_stream *st = h1_of(s);

	if (st->plan.framing == HTTP_BODY_LENGTH && st->resp_left > 0)
		break_off(st);
	else if (st->plan.framing == HTTP_BODY_STREAM && !st->cutting &&
		 !write_last_chunk(st, trailers))
		break_off(st);
	if (st->plan.framing == HTTP_BODY_TO_EOF || st->plan.framing == HTTP_BODY_TUNNEL)
		st->close = true;
	st->finishing = true;
	if (st->out.head == NULL || st->cutting)
		stream_over(st);
}

/* A response that was begun cannot be ended: only a cut connection says so without a doubt. What a
 * client must not take for complete is reset, unless its length or last chunk is missing. */
static void h1_cut(struct http_stream *s)
{
	struct h1_stream *st = h1_of(s);

	st->cutting = true;
	stream_over(st);
}

static void h1_consumed(struct http_stream *s, uint32_t n)
{
	(void)l7_io_consumed(&h1_of(s)->c->front, n);
}

static void h1_go_on(struct http_stream *s)
{
	post(h1_of(s)->c);
}

const struct http_front_ops h1_front_ops = {
	.send_head = h1_send_head,
	.send_whole = h1_send_whole,
	.send_body = h1_send_body,
	.room = h1_room,
	.finish = h1_finish,
	.cut = h1_cut,
	.consumed = h1_consumed,
	.go_on = h1_go_on,
};

/* ---- the request's body ---- */

static void body_timer(struct h1_stream *st)
{
	const struct config_http_client *conf =
		http_client_conf(front_worker(st->c), st->c->listener);

	if (st->tunnel)
		return;
	if (conf->min_rate == 0)
		front_timer(st->c, conf->body_ns);
	else if (st->c->h1.timer.due_ns == 0)
		front_timer(st->c, RATE_CHECK_NS); /* not put off by what comes */
}

/* The action is no more asked; the answer follows if none was begun. */
static void refuse(struct h1_stream *st, enum http_end end, uint16_t status, const char *detail)
{
	st->close = true;
	http_stream_cancel(&st->s, end);
	http_fail_as(&st->s, end, status, detail);
}

static bool deliver(struct h1_stream *st, struct chain *data)
{
	struct http_stream *s = &st->s;
	struct l7_conn *c = st->c;

	s->req_bytes += data->len;
	st->waits_100 = false;
	if (s->req_bytes > s->body_max && !st->tunnel) {
		chain_free(data);
		refuse(st, HTTP_END_TOO_LARGE, 0, NULL);
		return false;
	}
	if (s->body_ignored || s->action == NULL || s->action->body == NULL) {
		(void)l7_io_consumed(&c->front, data->len);
		chain_free(data);
		return true;
	}
	s->action->body(s, data->head, data->len);
	return c->h1.st == st;
}

static void body_complete(struct h1_stream *st)
{
	struct http_stream *s = &st->s;

	s->req_finished = true;
	s->t.request = front_worker(st->c)->loop.now_ns;
	if (!st->tunnel)
		st->c->h1.state = H1_BUSY;
	if (st->out.head == NULL)
		front_timer(st->c, 0);
	if (!s->body_ignored && s->action != NULL && s->action->end != NULL)
		s->action->end(s, st->body.trailers);
}

/* The action waits for the body: a client that waits for leave has it. */
static void say_continue(struct h1_stream *st)
{
	st->waits_100 = false;
	if (!st->s.resp_started)
		(void)push_bytes(st, continue_line, sizeof(continue_line) - 1);
}

static void feed(struct h1_stream *st)
{
	struct l7_conn *c = st->c;
	struct chain in = front_pend(c), data = {0};
	struct chain_body r;

	if (st->s.held)
		return;
	if (unlikely(st->waits_100 && !st->s.asks_backend))
		say_continue(st);
	if (in.head == NULL)
		return;
	r = chain_body(&st->body, &in, &data, front_worker(c)->conf.data_pool);
	front_pend_put(c, &in);
	if (r.framing > 0)
		(void)l7_io_consumed(&c->front, r.framing);
	if (data.len > 0 && !deliver(st, &data))
		return;
	if (r.verdict == H1_BAD && r.no_memory)
		refuse(st, HTTP_END_NO_MEMORY, 0, NULL);
	else if (r.verdict == H1_BAD)
		refuse(st, HTTP_END_BAD_REQUEST, h1_error_status(st->body.error),
			h1_error_word(st->body.error));
	else if (r.verdict == H1_OK)
		body_complete(st);
	else if (st->out.head == NULL)
		body_timer(st);
}

/* ---- the request's head ---- */

void front_begin(struct h1_stream *st)
{
	struct l7_conn *c = st->c;
	struct http_stream *s = &st->s;
	const struct config_http_client *conf = http_client_conf(front_worker(c), c->listener);

	front_gather_free(c);
	l7_count(&front_stats(c)->requests, 1);
	s->t.head = front_worker(c)->loop.now_ns;
	c->h1.state = H1_BUSY;
	front_timer(c, 0);
	st->close = !s->req.keep_alive || c->front_eof ||
		    (conf->requests > 0 && c->h1.requests + 1 >= conf->requests);
	s->body_max = conf->body_bytes > 0 ? conf->body_bytes : UINT64_MAX;
	if (s->req.framing == HTTP_BODY_NONE) {
		s->req_finished = true;
		s->t.request = s->t.head;
	} else {
		h1_body_init(
			&st->body, s->req.framing, s->req.length, &h1_limits_default, &s->arena);
		st->began_ns = c->h1.first_ns = s->t.head;
		c->h1.left = 0;
		c->h1.state = H1_BODY;
		st->waits_100 = s->req.expect_continue;
		/* Either weir says itself when it is ready for the body, or it asks in its own
		 * name. */
		if (s->req.expect_continue)
			http_head_remove(&s->req, HTTP_FIELD_EXPECT);
		body_timer(st);
	}
	http_stream_start(s);
	if (c->h1.st == st && c->h1.state == H1_BODY)
		feed(st);
}

/* ---- bytes that are of no use ---- */

static void drop_pend(struct l7_conn *c)
{
	(void)l7_io_consumed(&c->front, c->pend_len);
	chain_free_list(c->pend);
	c->pend = NULL;
	c->pend_len = 0;
}

static void linger_data(struct l7_conn *c)
{
	uint32_t n = c->pend_len;

	drop_pend(c);
	if (n >= c->h1.left)
		front_close(c);
	else
		c->h1.left -= n;
}

static void skip_data(struct l7_conn *c)
{
	uint32_t n = c->pend_len < c->h1.left ? c->pend_len : (uint32_t)c->h1.left;

	if (n > 0)
		front_pend_strip(c, n);
	c->h1.left -= n;
	if (c->h1.left == 0)
		next_request(c);
	else if (c->front_eof)
		front_close(c);
}

/* ---- events ---- */

static void front_open(struct l7_conn *c)
{
	struct http_worker *w = front_worker(c);

	memset(&c->h1, 0, sizeof(c->h1));
	c->h1.accepted_ns = w->loop.now_ns;
	http_timer_init(&c->h1.timer, on_timer);
	http_task_init(&c->h1.task, on_task);
	front_timer(c, http_client_conf(w, c->listener)->head_ns);
}

static void front_data(struct l7_conn *c)
{
	switch (c->h1.state) {
	case H1_IDLE:
		front_first_byte(c);
		break;
	case H1_HEAD:
		front_read_head(c);
		break;
	case H1_BODY:
		feed(c->h1.st);
		break;
	case H1_SKIP:
		skip_data(c);
		break;
	case H1_LINGER:
	case H1_DEAD:
		linger_data(c);
		break;
	case H1_BUSY:
		break;
	}
}

/* The client will send no more: a request that has begun stays incomplete. */
static void body_eof(struct h1_stream *st)
{
	if (st->s.held || st->c->pend != NULL)
		return; /* the task comes back to it */
	if (h1_body_eof(&st->body)) {
		body_complete(st);
		return;
	}
	l7_count(&front_stats(st->c)->client_gone, 1);
	refuse(st, HTTP_END_CLIENT_GONE, 400, "request_incomplete");
}

static void front_eof(struct l7_conn *c)
{
	switch (c->h1.state) {
	case H1_IDLE:
	case H1_HEAD:
	case H1_LINGER:
	case H1_SKIP:
		front_close(c);
		break;
	case H1_BODY:
		body_eof(c->h1.st);
		break;
	case H1_BUSY:
		/* A client may say that it has no more requests and wait for the answer. */
		c->h1.st->close = true;
		break;
	case H1_DEAD:
		break;
	}
}

static void front_writable(struct l7_conn *c)
{
	struct h1_stream *st = c->h1.st;
	struct rte_mbuf *rest;
	int64_t n;

	if (st == NULL || st->out.head == NULL)
		return;
	rest = st->out.head;
	n = l7_io_send(&c->front, &rest, 0);
	if (n < 0)
		return;
	st->out.head = rest;
	st->out.len -= (uint32_t)n;
	if (rest != NULL) {
		front_timer(c, http_client_conf(front_worker(c), c->listener)->send_ns);
		return;
	}
	st->out.tail = NULL;
	front_timer(c, 0);
	if (st->finishing) {
		stream_over(st);
		return;
	}
	if (c->h1.state == H1_BODY)
		body_timer(st);
	if (st->want_resume) {
		st->want_resume = false;
		if (st->s.action != NULL && st->s.action->resume != NULL)
			st->s.action->resume(&st->s);
	}
}

/* The client's side is gone. */
static void front_closed(struct l7_conn *c, enum tcp_end end)
{
	struct h1_stream *st = c->h1.st;

	(void)end;
	if (st != NULL) {
		if (!st->finishing)
			l7_count(&front_stats(c)->client_gone, 1);
		http_stream_cancel(&st->s, HTTP_END_CLIENT_GONE);
		http_stream_end(&st->s);
		front_stream_free(st);
	}
	front_gather_free(c);
	http_timer_stop(&front_worker(c)->loop, &c->h1.timer);
	http_task_cancel(&c->h1.task);
	l7_finish(c);
}

/* What functions of the stream have left to be done. */
static void on_task(struct http_task *t)
{
	struct l7_conn *c = container_of(t, struct l7_conn, h1.task);
	struct h1_stream *st = c->h1.st;

	switch (c->h1.state) {
	case H1_DEAD:
		if (st != NULL) {
			http_stream_cancel(&st->s, HTTP_END_INTERNAL);
			http_stream_end(&st->s);
			front_stream_free(st);
		}
		conn_abort(c);
		break;
	case H1_IDLE:
		if (c->pend != NULL)
			front_first_byte(c);
		else if (c->front_eof)
			front_close(c);
		break;
	case H1_BODY:
		feed(st);
		if (c->front_eof && c->h1.st == st && c->h1.state == H1_BODY)
			body_eof(st);
		break;
	case H1_SKIP:
		skip_data(c);
		break;
	case H1_LINGER:
		if (c->front_eof)
			front_close(c);
		else if (c->pend != NULL)
			linger_data(c);
		break;
	case H1_HEAD:
	case H1_BUSY:
		break;
	}
}

/* ---- time ---- */

static void body_late(struct h1_stream *st)
{
	struct l7_conn *c = st->c;

	l7_count(&front_stats(c)->body_timeout, 1);
	refuse(st, HTTP_END_REQUEST_TIMEOUT, 0, "body");
}

static bool too_slow(
	const struct h1_stream *st, const struct config_http_client *conf, uint64_t now)
{
	uint64_t age = now - st->began_ns;

	return conf->min_rate > 0 && age > conf->min_rate_after_ns &&
	       (unsigned __int128)st->s.req_bytes * NS_PER_SEC <
		       (unsigned __int128)conf->min_rate * age;
}

/* The timer is that of the rate too: has the body been silent for its time? */
static void body_check(struct h1_stream *st)
{
	const struct config_http_client *conf =
		http_client_conf(front_worker(st->c), st->c->listener);
	uint64_t now = front_worker(st->c)->loop.now_ns;

	if (st->s.req_bytes != st->c->h1.left) {
		st->c->h1.left = st->s.req_bytes;
		st->c->h1.first_ns = now;
	}
	if (st->s.held)
		body_timer(st);
	else if (too_slow(st, conf, now) ||
		 (conf->body_ns > 0 && now - st->c->h1.first_ns >= conf->body_ns) ||
		 conf->min_rate == 0)
		body_late(st);
	else
		body_timer(st);
}

static void on_timer(struct http_timer *t)
{
	struct l7_conn *c = container_of(t, struct l7_conn, h1.timer);
	struct h1_stream *st = c->h1.st;

	if (st != NULL && st->out.head != NULL) {
		l7_count(&front_stats(c)->send_timeout, 1);
		http_stream_cancel(&st->s, HTTP_END_CLIENT_GONE);
		http_stream_end(&st->s);
		front_stream_free(st);
		conn_abort(c);
		return;
	}
	switch (c->h1.state) {
	case H1_HEAD:
		front_head_late(c);
		break;
	case H1_BODY:
		body_check(st);
		break;
	case H1_IDLE:
		l7_count(&front_stats(c)->idle_timeout, 1);
		front_close(c);
		break;
	case H1_SKIP:
	case H1_LINGER:
		front_close(c);
		break;
	case H1_BUSY:
	case H1_DEAD:
		break;
	}
}

void h1_close_idle(struct http_worker *w)
{
	struct pool *p = &w->conf.l7->conns;

	for (uint32_t i = 0; i < p->used_high; i++) {
		struct l7_conn *c = pool_at(p, i);

		if (c->action == &l7_http && c->opened && c->h1.state == H1_IDLE &&
			c->h1.requests > 0)
			front_close(c);
	}
}

void h1_drop_all(struct http_worker *w)
{
	struct pool *p = &w->conf.l7->conns;

	for (uint32_t i = 0; i < p->used_high; i++) {
		struct l7_conn *c = pool_at(p, i);

		if (c->action != &l7_http || !c->opened)
			continue;
		if (c->h1.st != NULL) {
			struct h1_stream *st = c->h1.st;

			http_stream_cancel(&st->s, HTTP_END_CLIENT_GONE);
			http_stream_end(&st->s);
			front_stream_free(st);
		}
		front_gather_free(c);
	}
}

const struct l7_action l7_http = {
	.open = front_open,
	.data = front_data,
	.eof = front_eof,
	.writable = front_writable,
	.closed = front_closed,
};
