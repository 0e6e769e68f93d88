/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/http_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "lb/app_pvt.h"
#include "lb/l7/worker.h"
#include "tests/support/config_text.h"

#define ROOM 1448

static const uint8_t mac0[6] = {2, 0, 0, 0, 0, 0xa0}, mac1[6] = {2, 0, 0, 0, 0, 0xa1};

static const char head[] =
	"ports:\n"
	"  - {name: front, device: net_ring_p0, mac: '02:00:00:00:00:a0', rx_queue_len: 64,\n"
	"     tx_queue_len: 64, addresses: [192.0.2.1/24]}\n"
	"  - {name: back, device: net_ring_p1, mac: '02:00:00:00:00:a1', rx_queue_len: 64,\n"
	"     tx_queue_len: 64, addresses: [198.51.100.1/24]}\n"
	"workers: {count: 1}\n"
	"memory: {hugepages: false, mbufs: 4096, flows: 1024, nat_flows: 1024}\n"
	"admin: {socket: ''}\n"
	"tcp: {max_connections: 256, packet_headers: 2048, data_buffers: 2048, time_wait: 1s,\n"
	"  receive_buffer: 64KiB, send_buffer: 64KiB}\n";

/* ---- bytes ---- */

static void keep(struct hw_conn *c, struct rte_mbuf *chain)
{
	for (struct rte_mbuf *m = chain; m != NULL;) {
		struct rte_mbuf *next = m->next;

		ASSERT(c->len + m->data_len < HW_BYTES);
		memcpy(c->buf + c->len, rte_pktmbuf_mtod(m, const char *), m->data_len);
		c->len += m->data_len;
		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
	c->buf[c->len] = '\0';
}

static void flush(struct hw_conn *c)
{
	if (c->out != NULL && c->conn != TCP_NONE) {
		ASSERT(tcp_send(c->e, c->conn, &c->out, 0) >= 0);
		if (c->out == NULL)
			c->out_tail = &c->out;
	}
	if (c->out == NULL && c->fin && c->conn != TCP_NONE) {
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
	c->closed = true;
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
	(void)e;
	(void)conn;
	((struct hw_conn *)user)->eof = true;
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct hw_conn *c = user;

	(void)e;
	(void)conn;
	c->conn = TCP_NONE;
	c->closed = true;
	c->why = end;
}

static void client_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct hw_conn *c = user;

	keep(c, chain);
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

static void reply(struct hw_conn *c, const struct hw_reply *r)
{
	if (r->text != NULL)
		hw_send_n(c, r->text, r->len > 0 ? r->len : (uint32_t)strlen(r->text));
	if (r->then == HW_FIN)
		hw_fin(c);
	else if (r->then == HW_RESET)
		c->reset_soon = true; /* what was said leaves first */
}

static void server_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct hw_conn *c = user;
	struct http_world *hw = c->hw;

	keep(c, chain);
	if (c->slow) {
		c->unread += len;
		return;
	}
	(void)tcp_consumed(e, conn, len);
	while (c->conn != TCP_NONE && hw->reply_cnt > 0) {
		uint32_t at = hw->request_cnt < hw->reply_cnt ? hw->request_cnt : hw->reply_cnt - 1;
		const struct hw_reply *own = &hw->of_port[c->port - 80],
				      *r = own->text != NULL || own->then != HW_KEEP
						   ? own
						   : &hw->replies[at];
		uint32_t n = request_len(c->buf + c->answered, r->early);

		if (n == 0)
			return;
		c->answered += n;
		hw->request_cnt++;
		hw->port_cnt[c->port - 80]++;
		reply(c, r);
	}
}

static const struct tcp_ops server_ops;

static void server_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct http_world *hw = arg;
	struct hw_conn *c = &hw->servers[hw->server_cnt++];

	struct tcp_info i;

	ASSERT(hw->server_cnt <= HW_CONNS && tcp_info(e, conn, &i) == 0);
	*c = (struct hw_conn){
		.hw = hw, .e = e, .conn = conn, .buf = calloc(1, HW_BYTES), .up = true};
	ASSERT(c->buf != NULL);
	c->port = rte_be_to_cpu_16(i.lport);
	(void)tcp_set_user(e, conn, c);
}

static void server_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct hw_conn *c = user;

	(void)e;
	(void)conn;
	c->eof = true;
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

/* ---- the world ---- */

static char *whole(const char *http)
{
	size_t n = sizeof(head) + strlen(http);
	char *text = malloc(n);

	ASSERT(text != NULL);
	snprintf(text, n, "%s%s", head, http);
	return text;
}

void http_world_open(struct http_world *hw, const char *http)
{
	char *text = whole(http);

	memset(hw, 0, sizeof(*hw));
	tcp_world_start();
	tcp_world_open(&hw->w, text);
	free(text);
	hw->client = tcp_world_host(&hw->w, 0, HW_CLIENT, "2001:db8:1::10", mac0);
	hw->server = tcp_world_host(&hw->w, 1, HW_SERVER, "2001:db8:2::11", mac1);
	http_world_listen(hw, 80, true);
	tcp_world_run(&hw->w, 1);
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

static void end_conns(struct hw_conn *c, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		drop_out(&c[i]);
		if (c[i].conn != TCP_NONE)
			(void)tcp_abort(c[i].e, c[i].conn);
		free(c[i].buf);
	}
}

void http_world_close(struct http_world *hw)
{
	const struct app *app = hw->w.app;

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

struct hw_conn *hw_connect(struct http_world *hw)
{
	struct hw_conn *c = &hw->clients[hw->client_cnt++];
	struct tcp_connect_args a = {.rport = rte_cpu_to_be_16(80), .ops = &client_ops, .user = c};

	ASSERT(hw->client_cnt <= HW_CONNS);
	*c = (struct hw_conn){.hw = hw, .e = hw->client->e, .buf = calloc(1, HW_BYTES)};
	ASSERT(c->buf != NULL && ip_addr_parse(HW_VIP, &a.raddr) == 0);
	ASSERT(tcp_connect(c->e, &a, &c->conn) == 0);
	for (int i = 0; i < 100 && !c->up; i++)
		http_world_run(hw, 1);
	ASSERT(c->up);
	return c;
}

void hw_clear(struct hw_conn *c)
{
	c->len = c->answered = 0;
	c->buf[0] = '\0';
}

const char *hw_ask(struct hw_conn *c, const char *text, uint32_t ms)
{
	hw_clear(c);
	hw_send(c, text);
	http_world_run(c->hw, ms);
	return c->buf;
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
