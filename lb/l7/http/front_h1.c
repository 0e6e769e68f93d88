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
#include "lb/l7/http/http_pvt.h"

#define LINGER_NS     (2 * NS_PER_SEC)
#define LINGER_BYTES  (256u << 10)
#define SKIP_MAX      (64u << 10) /* of a body that nobody reads */
#define RATE_CHECK_NS NS_PER_SEC
#define FIRST_COPY    1024 /* most heads are shorter */

static const char continue_line[] = "HTTP/1.1 100 Continue\r\n\r\n";

static void on_timer(struct http_timer *t);
static void on_task(struct http_task *t);
static void read_head(struct l7_conn *c);

static struct http_worker *worker_of(const struct l7_conn *c)
{
	return c->w->http;
}

static struct http_listener_stats *stats_of(const struct l7_conn *c)
{
	return &worker_of(c)->listeners[c->listener];
}

static void set_timer(struct l7_conn *c, uint64_t ns)
{
	struct http_loop *l = &worker_of(c)->loop;

	if (ns == 0)
		http_timer_unset(&c->h1.timer);
	else
		http_timer_set(l, &c->h1.timer, l->now_ns + ns);
}

/* ---- bytes that wait ---- */

static struct chain pend_take(struct l7_conn *c)
{
	struct chain p = {c->pend, c->pend_tail, c->pend_len};

	return p;
}

static void pend_put(struct l7_conn *c, const struct chain *p)
{
	c->pend = p->head;
	c->pend_tail = p->tail;
	c->pend_len = p->len;
}

static void pend_strip(struct l7_conn *c, uint32_t n)
{
	struct chain p = pend_take(c);

	chain_strip(&p, n);
	pend_put(c, &p);
	(void)l7_io_consumed(&c->front, n);
}

static void gather_free(struct l7_conn *c)
{
	while (c->h1.gather != NULL) {
		struct head_chunk *k = c->h1.gather;

		c->h1.gather = k->next;
		pool_put(&worker_of(c)->chunks, k->self);
	}
	c->h1.gather_last = NULL;
	c->h1.gathered = 0;
	c->h1.blank = false;
}

/* ---- the connection's end ---- */

/* The connection's memory goes; only from its own events, its timer and its task. */
static void conn_close(struct l7_conn *c)
{
	gather_free(c);
	http_timer_stop(&worker_of(c)->loop, &c->h1.timer);
	http_task_cancel(&c->h1.task);
	l7_close(c);
}

static void conn_abort(struct l7_conn *c)
{
	gather_free(c);
	http_timer_stop(&worker_of(c)->loop, &c->h1.timer);
	http_task_cancel(&c->h1.task);
	l7_abort(c);
}

static void post(struct l7_conn *c)
{
	http_task_post(&worker_of(c)->loop, &c->h1.task);
}

/* All is sent; the client's end decides. */
static void linger(struct l7_conn *c)
{
	(void)l7_io_shutdown(&c->front);
	gather_free(c);
	c->h1.state = H1_LINGER;
	c->h1.left = LINGER_BYTES;
	set_timer(c, LINGER_NS);
	if (c->front_eof || c->pend != NULL)
		post(c);
}

/* ---- streams ---- */

static struct h1_stream *stream_new(struct l7_conn *c)
{
	struct http_worker *w = worker_of(c);
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
	st->s.t.accepted = c->h1.accepted_ns;
	st->s.t.first_byte = c->h1.first_ns;
	c->h1.st = st;
	return st;
}

static void stream_free(struct h1_stream *st)
{
	struct http_worker *w = worker_of(st->c);

	chain_free(&st->out);
	http_arena_reset(&st->s.arena);
	st->c->h1.st = NULL;
	pool_put(&w->streams, st->self);
}

static void next_request(struct l7_conn *c)
{
	const struct config_http_client *conf = http_client_conf(worker_of(c), c->listener);

	c->h1.state = H1_IDLE;
	set_timer(c, conf->idle_ns);
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
	stream_free(st);
	c->h1.requests++;
	if (abort) {
		c->h1.state = H1_DEAD;
		post(c);
	} else if (!close && !req_done) {
		c->h1.state = H1_SKIP;
		c->h1.left = left;
		set_timer(c, LINGER_NS);
		post(c);
	} else if (!close) {
		next_request(c);
	} else {
		linger(c);
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
		set_timer(st->c, http_client_conf(worker_of(st->c), st->c->listener)->send_ns);
	}
	return true;
}

static bool push_bytes(struct h1_stream *st, const void *data, uint32_t len)
{
	struct chain c = {0};

	if (chain_add_bytes(&c, worker_of(st->c)->conf.data_pool, data, len) != 0)
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
	struct http_worker *w = worker_of(st->c);
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

	return !st->close && !worker_of(st->c)->draining &&
	       (st->s.req_finished || !st->s.body_ignored || may_skip(st, &left));
}

static void start_tunnel(struct h1_stream *st)
{
	struct http_stream *s = &st->s;

	st->tunnel = true;
	st->close = true;
	s->req_finished = false;
	h1_body_init(&st->body, HTTP_BODY_TO_EOF, 0, &h1_limits_default, &s->arena);
	st->c->h1.state = H1_BODY;
	set_timer(st->c, 0);
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
	st->plan = h1_response_plan(&s->resp, s->req.method, s->req.version, keeps_alive(st));
	if (!st->plan.keep_alive)
		st->close = true;
	st->resp_left = s->resp.length;
	write_head(st);
	if (st->plan.framing == HTTP_BODY_TUNNEL)
		start_tunnel(st);
}

/* Chunk head and the CR LF of the chunk before, in front of the list. */
static struct rte_mbuf *chunk_head(struct h1_stream *st, uint32_t len)
{
	struct rte_mbuf *m = http_mbuf(worker_of(st->c));
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
	struct http_worker *w = worker_of(st->c);
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
	const struct config_http_client *conf = http_client_conf(worker_of(st->c), st->c->listener);

	if (st->tunnel)
		return;
	if (conf->min_rate == 0)
		set_timer(st->c, conf->body_ns);
	else if (st->c->h1.timer.due_ns == 0)
		set_timer(st->c, RATE_CHECK_NS); /* not put off by what comes */
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
	s->t.request = worker_of(st->c)->loop.now_ns;
	if (!st->tunnel)
		st->c->h1.state = H1_BUSY;
	if (st->out.head == NULL)
		set_timer(st->c, 0);
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
	struct chain in = pend_take(c), data = {0};
	struct chain_body r;

	if (st->s.held)
		return;
	if (unlikely(st->waits_100))
		say_continue(st);
	if (in.head == NULL)
		return;
	r = chain_body(&st->body, &in, &data, worker_of(c)->conf.data_pool);
	pend_put(c, &in);
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

static void begin(struct h1_stream *st)
{
	struct l7_conn *c = st->c;
	struct http_stream *s = &st->s;
	const struct config_http_client *conf = http_client_conf(worker_of(c), c->listener);

	gather_free(c);
	l7_count(&stats_of(c)->requests, 1);
	s->t.head = worker_of(c)->loop.now_ns;
	c->h1.state = H1_BUSY;
	set_timer(c, 0);
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
		/* weir says itself when it is ready for the body. */
		if (s->req.expect_continue)
			http_head_remove(&s->req, HTTP_FIELD_EXPECT);
		body_timer(st);
	}
	http_stream_start(s);
	if (c->h1.st == st && c->h1.state == H1_BODY)
		feed(st);
}

static void head_clear(struct http_head *h)
{
	memset(h, 0, offsetof(struct http_head, fields));
	h->version = 11;
}

/* What was read so far of a head that is none says nothing that can be relied on. */
static void reject(struct h1_stream *st, enum h1_error err)
{
	struct http_stream *s = &st->s;
	struct l7_conn *c = st->c;
	enum http_end end = HTTP_END_BAD_REQUEST;

	gather_free(c);
	l7_count(&stats_of(c)->refused, 1);
	head_clear(&s->req);
	s->req_finished = true;
	s->t.head = worker_of(c)->loop.now_ns;
	c->h1.state = H1_BUSY;
	st->close = true;
	set_timer(c, 0);
	if (err == H1_ERR_TARGET_LONG)
		end = HTTP_END_URI_TOO_LONG;
	else if (h1_error_status(err) == 431)
		end = HTTP_END_HEAD_TOO_LARGE;
	else if (err == H1_ERR_NO_MEMORY)
		end = HTTP_END_NO_MEMORY;
	http_fail_as(s, end, h1_error_status(err), h1_error_word(err));
}

/* There is no memory for a stream or its head. */
static void no_memory(struct l7_conn *c)
{
	static const char answer[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
				     "Retry-After: 1\r\nConnection: close\r\n\r\n";

	l7_count(&stats_of(c)->no_memory, 1);
	(void)!l7_io_send_bytes(&c->front, answer, sizeof(answer) - 1, 0);
	linger(c);
}

static struct h1_limits limits_of(const struct l7_conn *c)
{
	const struct config_http_client *conf = http_client_conf(worker_of(c), c->listener);
	struct h1_limits lim = h1_limits_default;

	lim.head_bytes = conf->head_bytes;
	lim.target_bytes = conf->uri_bytes;
	if (lim.field_bytes < conf->head_bytes)
		lim.field_bytes = conf->head_bytes;
	lim.fields = conf->fields;
	lim.underscores = http_underscores_of(worker_of(c), c->listener);
	return lim;
}

/* Bytes that a parser must see to judge a head of the most that is allowed. */
static uint32_t look_at(const struct h1_limits *lim, uint32_t have)
{
	uint32_t most = lim->head_bytes + 4;

	return have < most ? have : most;
}

/* The whole head lies in `pend`, or some of it. */
static enum h1_verdict parse_pend(
	struct h1_stream *st, const struct h1_limits *lim, struct h1_parser *p)
{
	struct l7_conn *c = st->c;
	struct chain in = pend_take(c);
	uint32_t len = look_at(lim, in.len), n;
	char *buf = http_arena_alloc(&st->s.arena, len + H1_PAD);
	enum h1_verdict v;

	if (unlikely(buf == NULL)) {
		p->error = H1_ERR_NO_MEMORY;
		return H1_BAD;
	}
	n = chain_copy(&in, 0, buf, len < FIRST_COPY ? len : FIRST_COPY);
	v = h1_request_parse(p, buf, n, lim, &st->s.req);
	if (unlikely(v == H1_MORE && n < len)) {
		n += chain_copy(&in, n, buf + n, len - n);
		v = h1_request_parse(p, buf, n, lim, &st->s.req);
	}
	return v;
}

static bool add_chunk(struct l7_conn *c)
{
	struct http_worker *w = worker_of(c);
	uint32_t idx = pool_get(&w->chunks);
	struct head_chunk *k;

	if (idx == POOL_NONE)
		return false;
	k = pool_at(&w->chunks, idx);
	k->self = idx;
	k->next = NULL;
	k->len = 0;
	if (c->h1.gather == NULL)
		c->h1.gather = k;
	else
		c->h1.gather_last->next = k;
	c->h1.gather_last = k;
	return true;
}

/* Copies up to an empty line. True: it was found. */
static bool gather_bytes(
	struct l7_conn *c, const char *p, uint32_t len, uint32_t *taken, bool *full)
{
	*taken = 0;
	while (*taken < len) {
		struct head_chunk *k = c->h1.gather_last;
		char b = p[(*taken)++];

		if ((k == NULL || k->len == sizeof(k->bytes)) && !add_chunk(c)) {
			*full = true;
			return false;
		}
		k = c->h1.gather_last;
		k->bytes[k->len++] = b;
		c->h1.gathered++;
		if (b == '\n') {
			if (c->h1.blank)
				return true;
			c->h1.blank = true;
		} else if (b != '\r') {
			c->h1.blank = false;
		}
	}
	return false;
}

/* Move what came into chunks, up to an empty line or the bound. */
static bool gather(struct l7_conn *c, uint32_t most, bool *full)
{
	struct chain in = pend_take(c);
	bool found = false;
	uint32_t all = 0;

	while (in.head != NULL && !found && !*full && c->h1.gathered < most) {
		struct rte_mbuf *m = in.head;
		uint32_t taken, len = m->data_len;

		if (len > most - c->h1.gathered)
			len = most - c->h1.gathered;
		found = gather_bytes(c, rte_pktmbuf_mtod(m, const char *), len, &taken, full);
		chain_strip(&in, taken);
		all += taken;
	}
	pend_put(c, &in);
	(void)l7_io_consumed(&c->front, all);
	return found;
}

static enum h1_verdict parse_gathered(
	struct h1_stream *st, const struct h1_limits *lim, struct h1_parser *p)
{
	struct l7_conn *c = st->c;
	char *buf = http_arena_alloc(&st->s.arena, c->h1.gathered + H1_PAD);
	uint32_t n = 0;

	if (buf == NULL) {
		p->error = H1_ERR_NO_MEMORY;
		return H1_BAD;
	}
	for (const struct head_chunk *k = c->h1.gather; k != NULL; k = k->next) {
		memcpy(buf + n, k->bytes, k->len);
		n += k->len;
	}
	return h1_request_parse(p, buf, n, lim, &st->s.req);
}

static void read_slowly(struct l7_conn *c)
{
	struct h1_limits lim = limits_of(c);
	uint32_t most = lim.head_bytes + 4;
	bool full = false;

	while (gather(c, most, &full) || c->h1.gathered >= most) {
		struct h1_stream *st = stream_new(c);
		struct h1_parser p;
		enum h1_verdict v;

		if (st == NULL) {
			no_memory(c);
			return;
		}
		h1_request_begin(&p, st->s.secure);
		v = parse_gathered(st, &lim, &p);
		if (v == H1_OK) {
			begin(st);
			return;
		}
		if (v == H1_BAD || c->h1.gathered >= most) {
			reject(st, v == H1_BAD ? p.error : H1_ERR_HEAD_LONG);
			return;
		}
		stream_free(st); /* the empty line stood before the request */
	}
	if (full)
		no_memory(c);
}

static void read_head(struct l7_conn *c)
{
	struct h1_limits lim;
	struct h1_stream *st;
	struct h1_parser p;

	if (c->h1.gather != NULL) {
		read_slowly(c);
		return;
	}
	st = stream_new(c);
	if (unlikely(st == NULL)) {
		no_memory(c);
		return;
	}
	lim = limits_of(c);
	h1_request_begin(&p, st->s.secure);
	switch (parse_pend(st, &lim, &p)) {
	case H1_OK:
		pend_strip(c, p.head_len);
		begin(st);
		break;
	case H1_BAD:
		reject(st, p.error);
		break;
	default:
		stream_free(st);
		read_slowly(c);
	}
}

static void first_byte(struct l7_conn *c)
{
	c->h1.state = H1_HEAD;
	c->h1.first_ns = worker_of(c)->loop.now_ns;
	set_timer(c, http_client_conf(worker_of(c), c->listener)->head_ns);
	read_head(c);
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
		conn_close(c);
	else
		c->h1.left -= n;
}

static void skip_data(struct l7_conn *c)
{
	uint32_t n = c->pend_len < c->h1.left ? c->pend_len : (uint32_t)c->h1.left;

	if (n > 0)
		pend_strip(c, n);
	c->h1.left -= n;
	if (c->h1.left == 0)
		next_request(c);
	else if (c->front_eof)
		conn_close(c);
}

/* ---- events ---- */

static void front_open(struct l7_conn *c)
{
	struct http_worker *w = worker_of(c);

	memset(&c->h1, 0, sizeof(c->h1));
	c->h1.accepted_ns = w->loop.now_ns;
	http_timer_init(&c->h1.timer, on_timer);
	http_task_init(&c->h1.task, on_task);
	set_timer(c, http_client_conf(w, c->listener)->head_ns);
}

static void front_data(struct l7_conn *c)
{
	switch (c->h1.state) {
	case H1_IDLE:
		first_byte(c);
		break;
	case H1_HEAD:
		read_head(c);
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
	l7_count(&stats_of(st->c)->client_gone, 1);
	refuse(st, HTTP_END_CLIENT_GONE, 400, "request_incomplete");
}

static void front_eof(struct l7_conn *c)
{
	switch (c->h1.state) {
	case H1_IDLE:
	case H1_HEAD:
	case H1_LINGER:
	case H1_SKIP:
		conn_close(c);
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
		set_timer(c, http_client_conf(worker_of(c), c->listener)->send_ns);
		return;
	}
	st->out.tail = NULL;
	set_timer(c, 0);
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
			l7_count(&stats_of(c)->client_gone, 1);
		http_stream_cancel(&st->s, HTTP_END_CLIENT_GONE);
		http_stream_end(&st->s);
		stream_free(st);
	}
	gather_free(c);
	http_timer_stop(&worker_of(c)->loop, &c->h1.timer);
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
			stream_free(st);
		}
		conn_abort(c);
		break;
	case H1_IDLE:
		if (c->pend != NULL)
			first_byte(c);
		else if (c->front_eof)
			conn_close(c);
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
			conn_close(c);
		else if (c->pend != NULL)
			linger_data(c);
		break;
	case H1_HEAD:
	case H1_BUSY:
		break;
	}
}

/* ---- time ---- */

static void head_late(struct l7_conn *c)
{
	struct h1_stream *st;

	l7_count(&stats_of(c)->head_timeout, 1);
	st = c->h1.gather != NULL ? stream_new(c) : NULL;
	if (st == NULL) {
		conn_close(c);
		return;
	}
	gather_free(c);
	head_clear(&st->s.req);
	st->s.req_finished = true;
	st->close = true;
	c->h1.state = H1_BUSY;
	http_fail(&st->s, HTTP_END_REQUEST_TIMEOUT);
}

static void body_late(struct h1_stream *st)
{
	struct l7_conn *c = st->c;

	l7_count(&stats_of(c)->body_timeout, 1);
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
	const struct config_http_client *conf = http_client_conf(worker_of(st->c), st->c->listener);
	uint64_t now = worker_of(st->c)->loop.now_ns;

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
		l7_count(&stats_of(c)->send_timeout, 1);
		http_stream_cancel(&st->s, HTTP_END_CLIENT_GONE);
		http_stream_end(&st->s);
		stream_free(st);
		conn_abort(c);
		return;
	}
	switch (c->h1.state) {
	case H1_HEAD:
		head_late(c);
		break;
	case H1_BODY:
		body_check(st);
		break;
	case H1_IDLE:
		l7_count(&stats_of(c)->idle_timeout, 1);
		conn_close(c);
		break;
	case H1_SKIP:
	case H1_LINGER:
		conn_close(c);
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
			conn_close(c);
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
			stream_free(st);
		}
		gather_free(c);
	}
}

const struct l7_action l7_http = {
	.open = front_open,
	.data = front_data,
	.eof = front_eof,
	.writable = front_writable,
	.closed = front_closed,
};
