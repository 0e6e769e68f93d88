/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/edge_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "lb/app_pvt.h"
#include "lb/l7/cache/hcache.h"

static const uint8_t weir_mac[6] = {2, 0, 0, 0, 0, 1};

static void free_chain(struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		m->nb_segs = 1;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
}

/* ---- the client ---- */

static void client_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct edge_ask *a = user;

	if (a->len + len + 1 > a->cap) {
		a->cap = 2 * (a->len + len) + 4096;
		a->text = realloc(a->text, a->cap);
		ASSERT(a->text != NULL);
	}
	for (const struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		memcpy(a->text + a->len, rte_pktmbuf_mtod(m, const void *), m->data_len);
		a->len += m->data_len;
	}
	a->text[a->len] = '\0';
	free_chain(chain);
	(void)tcp_consumed(e, conn, len);
}

static void client_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct edge_ask *a = user;

	a->over = true;
	a->conn = TCP_NONE;
	(void)tcp_close(e, conn);
}

static void client_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct edge_ask *a = user;

	(void)e;
	(void)conn;
	a->over = true;
	a->reset = end != TCP_END_NORMAL;
	a->conn = TCP_NONE;
}

static const struct tcp_ops client_ops = {
	.on_data = client_data, .on_eof = client_eof, .on_closed = client_closed};

struct edge_ask *edge_world_begin(struct edge_world *h, const char *request)
{
	struct edge_ask *a = &h->asks[h->ask_cnt++];
	struct tcp_connect_args args = {.rport = BE16(80), .ops = &client_ops, .user = a};
	char text[8192];
	int n;

	ASSERT(h->ask_cnt <= EDGE_WORLD_CLIENTS);
	memset(a, 0, sizeof(*a));
	a->world = h;
	ASSERT(ip_addr_parse("10.0.0.2", &args.raddr) == 0);
	ASSERT(tcp_connect(h->client->e, &args, &a->conn) == 0);
	n = snprintf(text, sizeof(text), "%sConnection: close\r\n\r\n", request);
	ASSERT(n > 0 && (size_t)n < sizeof(text));
	ASSERT(tcp_send_bytes(h->client->e, a->conn, text, (uint32_t)n, 0) == n);
	tcp_world_run(&h->w, 1);
	return a;
}

struct edge_ask *edge_world_ask(struct edge_world *h, const char *request)
{
	struct edge_ask *a = edge_world_begin(h, request);

	for (int ms = 0; ms < 400 && !a->over; ms++)
		tcp_world_run(&h->w, 1);
	return a;
}

void edge_world_forget(struct edge_world *h)
{
	for (uint32_t i = 0; i < h->ask_cnt; i++) {
		if (h->asks[i].conn != TCP_NONE)
			(void)tcp_abort(h->client->e, h->asks[i].conn);
		free(h->asks[i].text);
	}
	h->ask_cnt = 0;
	tcp_world_run(&h->w, 1);
}

void edge_world_sleep(struct edge_world *h, double seconds)
{
	h->wall_ms += (int64_t)(seconds * 1000);
	h->w.now_ns += (uint64_t)(seconds * 1e9);
	tcp_world_run(&h->w, 1);
}

/* ---- the origin ---- */

static uint32_t pump(struct edge_world *h, uint32_t i)
{
	char text[1024];
	uint32_t n = 0;

	while (h->bodies[i].sent < h->bodies[i].total) {
		uint64_t left = h->bodies[i].total - h->bodies[i].sent;

		n = left < sizeof(text) ? (uint32_t)left : (uint32_t)sizeof(text);
		for (uint32_t k = 0; k < n; k++)
			text[k] = edge_world_byte(h->bodies[i].sent + k);
		if (tcp_send_bytes(h->origin->e, h->bodies[i].conn, text, n, 0) != (int64_t)n)
			return 0;
		h->bodies[i].sent += n;
		if (h->bodies[i].cut > 0 && h->bodies[i].sent >= h->bodies[i].cut) {
			(void)tcp_shutdown(h->origin->e, h->bodies[i].conn);
			h->bodies[i].conn = TCP_NONE;
			return 0;
		}
	}
	if (h->bodies[i].close)
		(void)tcp_shutdown(h->origin->e, h->bodies[i].conn);
	h->bodies[i].conn = TCP_NONE;
	return n;
}

static void origin_writable(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct edge_world *h = user;

	(void)e;
	for (uint32_t i = 0; i < EDGE_WORLD_CLIENTS; i++)
		if (h->bodies[i].conn == conn)
			(void)pump(h, i);
}

static void answer(struct edge_world *h, uint64_t conn)
{
	const char *text = h->answer;

	if (text == NULL) {
		ASSERT(h->owed_cnt < ARRAY_SIZE(h->owed));
		h->owed[h->owed_cnt++] = conn;
		return;
	}
	ASSERT(tcp_send_bytes(h->origin->e, conn, text, (uint32_t)strlen(text), 0) > 0);
	for (uint32_t i = 0; i < EDGE_WORLD_CLIENTS; i++) {
		if (h->bodies[i].conn != TCP_NONE)
			continue;
		h->bodies[i].conn = conn;
		h->bodies[i].sent = 0;
		h->bodies[i].total = h->body_len;
		h->bodies[i].cut = h->cut_after;
		h->bodies[i].close = h->close_after;
		(void)pump(h, i);
		return;
	}
	ASSERT(false); /* too many answers under way */
}

/* Requests come whole, and without a body or with it in the same segment. */
static void origin_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct edge_world *h = user;
	uint32_t n = 0;

	for (const struct rte_mbuf *m = chain; m != NULL; m = m->next) {
		ASSERT(n + m->data_len < sizeof(h->last));
		memcpy(h->last + n, rte_pktmbuf_mtod(m, const void *), m->data_len);
		n += m->data_len;
	}
	h->last[n] = '\0';
	free_chain(chain);
	(void)tcp_consumed(e, conn, len);
	h->asked++;
	answer(h, conn);
}

static void origin_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct edge_world *h = user;

	for (uint32_t i = 0; i < EDGE_WORLD_CLIENTS; i++)
		if (h->bodies[i].conn == conn)
			h->bodies[i].conn = TCP_NONE;
	(void)tcp_close(e, conn);
}

static void origin_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct edge_world *h = user;

	(void)e;
	(void)end;
	for (uint32_t i = 0; i < EDGE_WORLD_CLIENTS; i++)
		if (h->bodies[i].conn == conn)
			h->bodies[i].conn = TCP_NONE;
}

static void origin_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct edge_world *h = arg;

	if (h->refuse)
		(void)tcp_abort(e, conn);
	else
		(void)tcp_set_user(e, conn, h);
}

static const struct tcp_ops origin_ops = {.on_accept = origin_accept,
	.on_data = origin_data,
	.on_eof = origin_eof,
	.on_writable = origin_writable,
	.on_closed = origin_closed};

void edge_world_answer(struct edge_world *h, const char *text)
{
	h->answer = text;
}

void edge_world_release(struct edge_world *h)
{
	uint32_t n = h->owed_cnt;

	h->owed_cnt = 0;
	for (uint32_t i = 0; i < n; i++)
		answer(h, h->owed[i]);
	tcp_world_run(&h->w, 5);
}

/* ---- the world ---- */

static int64_t wall(void *ctx)
{
	const struct edge_world *h = ctx;

	return h->wall_ms;
}

void edge_world_open(struct edge_world *h, const char *routes, const char *more)
{
	char config[8192];
	int n = snprintf(config, sizeof(config),
		"ports: [{device: \"net_ring_p0\", mac: '02:00:00:00:00:01', addresses: "
		"[10.0.0.2/24]}]\n"
		"workers: {count: 1, cores: [0]}\n"
		"tcp: {max_connections: 1024}\n"
		"upstreams: {app: {backends: [10.0.0.9:80]}}\n"
		"listeners: [{bind: [10.0.0.2:80], action: http, site: main}]\n"
		"sites: {main: {routes: %s}}\n%s",
		routes, more);

	ASSERT(n > 0 && (size_t)n < sizeof(config));
	memset(h, 0, sizeof(*h));
	tcp_world_start();
	tcp_world_open(&h->w, config);
	h->wall_ms = EDGE_WORLD_T * 1000;
	if (h->w.app->hcache != NULL)
		hcache_set_wall(h->w.app->hcache, wall, h);
	h->client = tcp_world_host(&h->w, 0, "10.0.0.8", "fd00::8", weir_mac);
	h->origin = tcp_world_host(&h->w, 0, "10.0.0.9", "fd00::9", weir_mac);
	ASSERT(tcp_listen(h->origin->e, &h->origin->addr4, BE16(80), &origin_ops, h) >= 0);
}

void edge_world_close(struct edge_world *h)
{
	edge_world_forget(h);
	tcp_world_close(&h->w);
}

/* ---- answers ---- */

int edge_ask_status(const struct edge_ask *a)
{
	return a->len < 12 ? 0 : atoi(a->text + 9);
}

const char *edge_ask_field(const struct edge_ask *a, const char *name)
{
	static char value[4096];
	const char *end = a->len > 0 ? strstr(a->text, "\r\n\r\n") : NULL, *at;
	size_t n = strlen(name);

	if (end == NULL)
		return NULL;
	for (at = strstr(a->text, "\r\n"); at != NULL && at < end; at = strstr(at + 2, "\r\n")) {
		const char *stop = strstr(at + 2, "\r\n"), *v = at + 2 + n + 1;

		if (strncasecmp(at + 2, name, n) != 0 || at[2 + n] != ':')
			continue;
		while (*v == ' ')
			v++;
		ASSERT((size_t)(stop - v) < sizeof(value));
		memcpy(value, v, (size_t)(stop - v));
		value[stop - v] = '\0';
		return value;
	}
	return NULL;
}

const char *edge_ask_body(const struct edge_ask *a)
{
	const char *end = a->len > 0 ? strstr(a->text, "\r\n\r\n") : NULL;

	return end == NULL ? "" : end + 4;
}

uint32_t edge_ask_body_len(const struct edge_ask *a)
{
	const char *b = edge_ask_body(a);

	return a->len == 0 ? 0 : a->len - (uint32_t)(b - a->text);
}
