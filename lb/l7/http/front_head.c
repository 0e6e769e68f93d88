/* SPDX-License-Identifier: Apache-2.0
 * Heads of requests. One that has come whole is copied into its stream and parsed there. One that
 * has not is kept in chunks up to its empty line, without a stream: then it is put together. */
#include <string.h>

#include "lb/l7/http/front_pvt.h"

#define FIRST_COPY 1024 /* most heads are shorter */

void front_gather_free(struct l7_conn *c)
{
	while (c->h1.gather != NULL) {
		struct head_chunk *k = c->h1.gather;

		c->h1.gather = k->next;
		pool_put(&front_worker(c)->chunks, k->self);
	}
	c->h1.gather_last = NULL;
	c->h1.gathered = 0;
	c->h1.blank = false;
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

	front_gather_free(c);
	l7_count(&front_stats(c)->refused, 1);
	head_clear(&s->req);
	s->req_finished = true;
	s->t.head = front_worker(c)->loop.now_ns;
	c->h1.state = H1_BUSY;
	st->close = true;
	front_timer(c, 0);
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

	l7_count(&front_stats(c)->no_memory, 1);
	(void)!l7_io_send_bytes(&c->front, answer, sizeof(answer) - 1, 0);
	front_linger(c);
}

static struct h1_limits limits_of(const struct l7_conn *c)
{
	const struct config_http_client *conf = http_client_conf(front_worker(c), c->listener);
	struct h1_limits lim = h1_limits_default;

	lim.head_bytes = conf->head_bytes;
	lim.target_bytes = conf->uri_bytes;
	if (lim.field_bytes < conf->head_bytes)
		lim.field_bytes = conf->head_bytes;
	lim.fields = conf->fields;
	lim.underscores = http_underscores_of(front_worker(c), c->listener);
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
	struct chain in = front_pend(c);
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
	struct http_worker *w = front_worker(c);
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
	struct chain in = front_pend(c);
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
	front_pend_put(c, &in);
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
		struct h1_stream *st = front_stream_new(c);
		struct h1_parser p;
		enum h1_verdict v;

		if (st == NULL) {
			no_memory(c);
			return;
		}
		h1_request_begin(&p, st->s.secure);
		v = parse_gathered(st, &lim, &p);
		if (v == H1_OK) {
			front_begin(st);
			return;
		}
		if (v == H1_BAD || c->h1.gathered >= most) {
			reject(st, v == H1_BAD ? p.error : H1_ERR_HEAD_LONG);
			return;
		}
		front_stream_free(st); /* the empty line stood before the request */
	}
	if (full)
		no_memory(c);
}

void front_read_head(struct l7_conn *c)
{
	struct h1_limits lim;
	struct h1_stream *st;
	struct h1_parser p;

	if (c->h1.gather != NULL) {
		read_slowly(c);
		return;
	}
	st = front_stream_new(c);
	if (unlikely(st == NULL)) {
		no_memory(c);
		return;
	}
	lim = limits_of(c);
	h1_request_begin(&p, st->s.secure);
	switch (parse_pend(st, &lim, &p)) {
	case H1_OK:
		front_pend_strip(c, p.head_len);
		front_begin(st);
		break;
	case H1_BAD:
		reject(st, p.error);
		break;
	default:
		front_stream_free(st);
		read_slowly(c);
	}
}

void front_first_byte(struct l7_conn *c)
{
	c->h1.state = H1_HEAD;
	c->h1.first_ns = front_worker(c)->loop.now_ns;
	front_timer(c, http_client_conf(front_worker(c), c->listener)->head_ns);
	front_read_head(c);
}

void front_head_late(struct l7_conn *c)
{
	struct h1_stream *st;

	l7_count(&front_stats(c)->head_timeout, 1);
	st = c->h1.gather != NULL ? front_stream_new(c) : NULL;
	if (st == NULL) {
		front_close(c);
		return;
	}
	front_gather_free(c);
	head_clear(&st->s.req);
	st->s.req_finished = true;
	st->close = true;
	c->h1.state = H1_BUSY;
	http_fail(&st->s, HTTP_END_REQUEST_TIMEOUT);
}
