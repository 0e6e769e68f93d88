/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/http_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "lb/app_pvt.h"
#include "lb/l7/cache/hcache.h"
#include "lb/l7/worker.h"
#include "lb/resolve/resolve.h"
#include "tests/support/config_text.h"

#define ROOM  1448
#define PIECE 4096 /* of a body that is made as it leaves */

static const uint8_t mac0[6] = {2, 0, 0, 0, 0, 0xa0}, mac1[6] = {2, 0, 0, 0, 0, 0xa1};

static const char head[] =
	"ports:\n"
	"  - {name: front, device: net_ring_p0, mac: '02:00:00:00:00:a0', rx_queue_len: 64,\n"
	"     tx_queue_len: 64, addresses: [192.0.2.1/24]}\n"
	"  - {name: back, device: net_ring_p1, mac: '02:00:00:00:00:a1', rx_queue_len: 64,\n"
	"     tx_queue_len: 64, addresses: [198.51.100.1/24, '2001:db8:2::1/64']}\n"
	"workers: {count: 1}\n"
	"memory: {hugepages: false, mbufs: 4096, flows: 1024, nat_flows: 1024}\n"
	"admin: {socket: ''}\n"
	"tcp: {max_connections: 256, packet_headers: 2048, data_buffers: 2048, time_wait: 1s,\n"
	"  receive_buffer: 64KiB, send_buffer: 64KiB}\n";

/* ---- bytes ---- */

static void keep(struct hw_conn *c, const char *bytes, uint32_t len)
{
	if (c->len + len >= c->cap) {
		c->cap = 2 * (c->len + len) + 4096;
		c->text = realloc(c->text, c->cap);
		ASSERT(c->text != NULL);
	}
	memcpy(c->text + c->len, bytes, len);
	c->len += len;
	c->text[c->len] = '\0';
}

static void take(struct hw_conn *c, struct rte_mbuf *chain)
{
	for (struct rte_mbuf *m = chain; m != NULL;) {
		struct rte_mbuf *next = m->next;
		const char *bytes = rte_pktmbuf_mtod(m, const char *);

		if (c->take != NULL)
			c->take(c, bytes, m->data_len);
		else
			keep(c, bytes, m->data_len);
		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
}

void hw_fill_pattern(void *ctx, uint64_t from, void *out, uint32_t n)
{
	char *p = out;

	(void)ctx;
	for (uint32_t i = 0; i < n; i++)
		p[i] = hw_byte(from + i);
}

/* What of a body the connection takes now. */
static void make_body(struct hw_conn *c)
{
	struct hw_reply *b = &c->body;
	char piece[PIECE];

	while (b->body_len > 0) {
		uint32_t n = b->body_len < PIECE ? (uint32_t)b->body_len : PIECE;

		(b->fill != NULL ? b->fill : hw_fill_pattern)(b->fill_ctx, b->body_from, piece, n);
		if (tcp_send_bytes(c->e, c->conn, piece, n, 0) != (int64_t)n)
			return;
		b->body_from += n;
		b->body_len -= n;
	}
}

static void flush(struct hw_conn *c)
{
	if (c->out != NULL && c->conn != TCP_NONE) {
		ASSERT(tcp_send(c->e, c->conn, &c->out, 0) >= 0);
		if (c->out == NULL)
			c->out_tail = &c->out;
	}
	if (c->out == NULL && c->conn != TCP_NONE)
		make_body(c);
	if (c->out == NULL && c->body.body_len == 0 && c->fin && c->conn != TCP_NONE) {
		c->fin = false;
		(void)tcp_shutdown(c->e, c->conn);
	}
}

void hw_send_n(struct hw_conn *c, const char *bytes, uint32_t len)
{
	while (len > 0) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(tcp_world_data_pool());
		uint16_t n = (uint16_t)(len < ROOM ? len : ROOM);

		ASSERT(m != NULL);
		memcpy(rte_pktmbuf_append(m, n), bytes, n);
		for (c->out_tail = &c->out; *c->out_tail != NULL;
			c->out_tail = &(*c->out_tail)->next)
			;
		*c->out_tail = m;
		bytes += n;
		len -= n;
	}
	flush(c);
}

void hw_send(struct hw_conn *c, const char *text)
{
	hw_send_n(c, text, (uint32_t)strlen(text));
}

void hw_fin(struct hw_conn *c)
{
	c->fin = true;
	flush(c);
}

void hw_reset(struct hw_conn *c)
{
	(void)tcp_abort(c->e, c->conn);
	c->conn = TCP_NONE;
	c->closed = c->over = true;
}

void hw_read(struct hw_conn *c, uint32_t n)
{
	if (n > c->unread)
		n = c->unread;
	c->unread -= n;
	if (c->conn != TCP_NONE && n > 0)
		(void)tcp_consumed(c->e, c->conn, n);
}

static void drop_out(struct hw_conn *c)
{
	while (c->out != NULL) {
		struct rte_mbuf *m = c->out;

		c->out = m->next;
		m->next = NULL;
		rte_pktmbuf_free_seg(m);
	}
}

/* ---- events of both sides ---- */

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	((struct hw_conn *)user)->up = true;
}

static void on_writable(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	flush(user);
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct hw_conn *c = user;

	c->eof = c->over = true;
	if (c->once) {
		c->conn = TCP_NONE;
		(void)tcp_close(e, conn);
	}
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct hw_conn *c = user;

	(void)e;
	(void)conn;
	c->conn = TCP_NONE;
	c->closed = c->over = true;
	c->reset = end != TCP_END_NORMAL;
	c->why = end;
}

static void client_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct hw_conn *c = user;

	take(c, chain);
	if (c->slow)
		c->unread += len;
	else
		(void)tcp_consumed(e, conn, len);
}

static const struct tcp_ops client_ops = {.on_connect = on_connect,
	.on_data = client_data,
	.on_eof = on_eof,
	.on_writable = on_writable,
	.on_closed = on_closed};

/* ---- the server ---- */

/* Bytes of the request at p: 0 if it is not complete. */
static uint32_t request_len(const char *p, bool early)
{
	const char *end = strstr(p, "\r\n\r\n"), *f;

	if (end == NULL)
		return 0;
	end += 4;
	if (early)
		return (uint32_t)strlen(p);
	f = strstr(p, "\r\nContent-Length: ");
	if (f == NULL)
		f = strstr(p, "\r\ncontent-length: ");
	if (f != NULL && f < end) {
		uint32_t n = (uint32_t)atoi(f + 18);

		return strlen(end) >= n ? (uint32_t)(end - p) + n : 0;
	}
	f = strstr(p, "ransfer-");
	if (f != NULL && f < end) {
		f = strstr(end - 2, "\r\n0\r\n\r\n");
		return f == NULL ? 0 : (uint32_t)(f + 7 - p);
	}
	return (uint32_t)(end - p);
}

void hw_answer(struct hw_conn *c, const struct hw_reply *r)
{
	c->body = *r;
	if (r->cut_after > 0 && r->cut_after < r->body_len)
		c->body.body_len = r->cut_after;
	if (r->text != NULL)
		hw_send_n(c, r->text, r->len > 0 ? r->len : (uint32_t)strlen(r->text));
	if (r->then == HW_FIN || r->cut_after > 0)
		hw_fin(c);
	else if (r->then == HW_RESET)
		c->reset_soon = true; /* what was said leaves first */
}

static const struct hw_reply *next_reply(const struct http_world *hw, const struct hw_conn *c)
{
	uint32_t at = hw->request_cnt < hw->reply_cnt ? hw->request_cnt : hw->reply_cnt - 1;
	const struct hw_reply *own = &hw->of_port[c->port - 80];

	return own->text != NULL || own->then != HW_KEEP ? own : &hw->replies[at];
}

static void server_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct hw_conn *c = user;
	struct http_world *hw = c->hw;

	take(c, chain);
	if (c->slow) {
		c->unread += len;
		return;
	}
	(void)tcp_consumed(e, conn, len);
	while (c->conn != TCP_NONE && (hw->reply_cnt > 0 || hw->choose != NULL)) {
		const char *request = c->text + c->answered;
		struct hw_reply r = hw->choose != NULL ? (struct hw_reply){0} : *next_reply(hw, c);
		uint32_t n = request_len(request, r.early);

		if (n == 0)
			return;
		snprintf(hw->last, sizeof(hw->last), "%.*s", (int)n, request);
		c->answered += n;
		hw->request_cnt++;
		hw->port_cnt[c->port - 80]++;
		if (hw->choose != NULL)
			hw->choose(hw, c, request, &r);
		hw_answer(c, &r);
	}
}

static const struct tcp_ops server_ops;

static struct hw_conn *server_place(struct http_world *hw)
{
	if (hw->server_cnt < HW_CONNS)
		return &hw->servers[hw->server_cnt++];
	for (uint32_t i = 0; i < HW_CONNS; i++)
		if (hw->servers[i].closed) {
			free(hw->servers[i].text);
			return &hw->servers[i];
		}
	ASSERT(false); /* more connections than the world has places */
	return NULL;
}

static void server_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct http_world *hw = arg;
	struct hw_conn *c;
	struct tcp_info i;

	if (hw->refuse) {
		(void)tcp_abort(e, conn);
		return;
	}
	c = server_place(hw);
	ASSERT(tcp_info(e, conn, &i) == 0);
	*c = (struct hw_conn){.hw = hw, .e = e, .conn = conn, .up = true};
	keep(c, "", 0);
	c->port = rte_be_to_cpu_16(i.lport);
	for (uint16_t k = 0; k < HW_PORTS; k++)
		if (hw->more[k] != NULL && hw->more[k]->e == e)
			c->port = (uint16_t)(80 + k);
	(void)tcp_set_user(e, conn, c);
}

static void server_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct hw_conn *c = user;

	(void)e;
	(void)conn;
	c->eof = c->over = true;
	hw_fin(c);
}

static const struct tcp_ops server_ops = {.on_accept = server_accept,
	.on_data = server_data,
	.on_eof = server_eof,
	.on_writable = on_writable,
	.on_closed = on_closed};

void http_world_listen(struct http_world *hw, uint16_t port, bool open)
{
	int *l = &hw->listener[port - 80];

	if (!open) {
		tcp_unlisten(hw->server->e, *l);
		return;
	}
	*l = tcp_listen(hw->server->e, &hw->server->addr4, rte_cpu_to_be_16(port), &server_ops, hw);
	ASSERT(*l >= 0);
}

void http_world_host(struct http_world *hw, uint16_t port, const char *addr4, const char *addr6)
{
	struct tcp_host *h = tcp_world_host(&hw->w, 1, addr4, addr6, mac1);

	hw->more[port - 80] = h;
	ASSERT(tcp_listen(h->e, &h->addr4, rte_cpu_to_be_16(80), &server_ops, hw) >= 0);
	ASSERT(tcp_listen(h->e, &h->addr6, rte_cpu_to_be_16(80), &server_ops, hw) >= 0);
}

/* ---- the world ---- */

const struct resolve_io *http_world_names;

static char *whole(const char *http)
{
	size_t n = sizeof(head) + strlen(http);
	char *text = malloc(n);

	ASSERT(text != NULL);
	snprintf(text, n, "%s%s", head, http);
	return text;
}

static int64_t wall(void *ctx)
{
	const struct http_world *hw = ctx;

	return hw->wall_ms;
}

void http_world_open_at(struct http_world *hw, const struct hw_place *at, const char *config)
{
	memset(hw, 0, sizeof(*hw));
	tcp_world_start();
	tcp_world_open(&hw->w, config);
	if (http_world_names != NULL && hw->w.app->resolve != NULL) {
		hw->w.app->resolve_scripted = true;
		resolve_set_io(hw->w.app->resolve, http_world_names);
	}
	hw->wall_ms = HW_WALL * 1000;
	if (hw->w.app->hcache != NULL)
		hcache_set_wall(hw->w.app->hcache, wall, hw);
	ASSERT(ip_addr_parse(at->vip, &hw->vip) == 0);
	hw->client =
		tcp_world_host(&hw->w, at->client_port, at->client, at->client6, at->client_weir);
	hw->server =
		tcp_world_host(&hw->w, at->server_port, at->server, at->server6, at->server_weir);
	http_world_listen(hw, 80, true);
	tcp_world_run(&hw->w, 1);
}

void http_world_open(struct http_world *hw, const char *http)
{
	static const struct hw_place at = {.client = HW_CLIENT,
		.client6 = "2001:db8:1::10",
		.server = HW_SERVER,
		.server6 = "2001:db8:2::11",
		.vip = HW_VIP,
		.server_port = 1,
		.client_weir = mac0,
		.server_weir = mac1};
	char *text = whole(http);

	http_world_open_at(hw, &at, text);
	free(text);
}

void http_world_reload(struct http_world *hw, const char *http)
{
	char *text = whole(http), *messages;
	struct config *cfg = config_text_parse(text, &messages);

	if (cfg == NULL)
		fprintf(stderr, "%s", messages);
	ASSERT(cfg != NULL);
	free(messages);
	free(text);
	ASSERT(app_reload(hw->w.app, cfg, stderr, hw->w.now_ns) == 0);
	tcp_world_run(&hw->w, 2);
}

void http_world_run(struct http_world *hw, uint32_t ms)
{
	for (uint32_t i = 0; i < ms; i++) {
		tcp_world_run(&hw->w, 1);
		for (uint32_t k = 0; k < hw->server_cnt; k++)
			if (hw->servers[k].reset_soon && hw->servers[k].conn != TCP_NONE) {
				hw->servers[k].reset_soon = false;
				hw_reset(&hw->servers[k]);
			}
	}
}

void http_world_sleep(struct http_world *hw, double seconds)
{
	hw->wall_ms += (int64_t)(seconds * 1000);
	hw->w.now_ns += (uint64_t)(seconds * 1e9);
	http_world_run(hw, 1);
}

static void end_conns(struct hw_conn *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		drop_out(&c[i]);
		if (c[i].conn != TCP_NONE)
			(void)tcp_abort(c[i].e, c[i].conn);
		free(c[i].text);
	}
}

void http_world_forget(struct http_world *hw)
{
	end_conns(hw->clients, hw->client_cnt);
	hw->client_cnt = 0;
	http_world_run(hw, 1);
}

void http_world_close(struct http_world *hw)
{
	const struct app *app = hw->w.app;

	hw->refuse = true; /* health checks go on */
	end_conns(hw->clients, hw->client_cnt);
	end_conns(hw->servers, hw->server_cnt);
	tcp_world_run(&hw->w, 20);
	http_worker_check_empty(hw_worker(hw));
	ASSERT(rte_mempool_in_use_count(app->tcp_pools.data) == 0);
	ASSERT(rte_mempool_in_use_count(app->tcp_pools.header) == 0);
	ASSERT(rte_mempool_in_use_count(app->tcp_pools.ref) == 0);
	ASSERT(l7_worker_active(app->l7[0]) == 0);
	tcp_world_close(&hw->w);
}

/* ---- what tests say ---- */

void hw_replies(struct http_world *hw, const struct hw_reply *r, uint32_t cnt)
{
	ASSERT(cnt <= HW_REPLIES);
	memcpy(hw->replies, r, cnt * sizeof(r[0]));
	hw->reply_cnt = cnt;
	hw->request_cnt = 0;
}

void hw_reply(struct http_world *hw, const char *text, enum hw_then then)
{
	hw_replies(hw, &(struct hw_reply){.text = text, .then = then}, 1);
}

void hw_reply_of(struct http_world *hw, uint16_t port, const char *text, enum hw_then then)
{
	hw->of_port[port - 80] = (struct hw_reply){.text = text, .then = then};
	if (hw->reply_cnt == 0)
		hw->reply_cnt = 1;
}

struct hw_conn *hw_dial(struct http_world *hw)
{
	struct hw_conn *c = &hw->clients[hw->client_cnt++];
	struct tcp_connect_args a = {
		.raddr = hw->vip, .rport = rte_cpu_to_be_16(80), .ops = &client_ops, .user = c};

	ASSERT(hw->client_cnt <= HW_CONNS);
	*c = (struct hw_conn){.hw = hw, .e = hw->client->e};
	keep(c, "", 0);
	ASSERT(tcp_connect(c->e, &a, &c->conn) == 0);
	return c;
}

struct hw_conn *hw_connect(struct http_world *hw)
{
	struct hw_conn *c = hw_dial(hw);

	for (int i = 0; i < 100 && !c->up; i++)
		http_world_run(hw, 1);
	ASSERT(c->up);
	return c;
}

void hw_clear(struct hw_conn *c)
{
	c->len = c->answered = 0;
	c->text[0] = '\0';
}

const char *hw_ask(struct hw_conn *c, const char *text, uint32_t ms)
{
	hw_clear(c);
	hw_send(c, text);
	http_world_run(c->hw, ms);
	return c->text;
}

struct http_worker *hw_worker(struct http_world *hw)
{
	return l7_worker_http(hw->w.app->l7[0]);
}

const struct http_listener_stats *hw_stats(struct http_world *hw)
{
	return http_worker_listener(hw_worker(hw), hw->w.app->cur->l7->listeners[0].id);
}

const struct up_pool_stats *hw_pool_stats(struct http_world *hw)
{
	return up_pool_stats(http_worker_up(hw_worker(hw)), hw->w.app->cur->l7->ups->entries[0].id);
}

const struct up_server_stats *hw_server_stats_of(struct http_world *hw, uint32_t place)
{
	return up_server_stats(http_worker_up(hw_worker(hw)),
		hw->w.app->cur->l7->ups->entries[0].servers[place].id);
}

const struct up_server_stats *hw_server_stats(struct http_world *hw)
{
	return hw_server_stats_of(hw, 0);
}

int hw_status(const char *text)
{
	int status = 0;

	return sscanf(text, "HTTP/1.1 %d ", &status) == 1 ? status : 0;
}
