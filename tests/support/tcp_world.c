/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tcp_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "dataplane/eal/eal.h"
#include "dataplane/net/hdr.h"
#include "dataplane/net/pkt.h"
#include "tests/support/config_text.h"
#include "tests/support/offload.h"
#include "tests/support/wire.h"

#define START_NS   (UINT64_C(1000) * NS_PER_SEC)
#define TURNS_MAX  20000
#define ETH_LEN    14
#define BUFFERS    4095
#define FLUSH_EACH 512 /* frames that hosts hold before they look at them */

static struct rte_mempool *rx, *headers, *refs, *data;

void tcp_world_start(void)
{
	static const uint16_t cores[2];
	struct eal_params p = {.cores = cores, .worker_cnt = 2, .mem_bytes = UINT64_C(384) << 20};

	if (rx != NULL)
		return;
	log_set_level(LOG_ERROR);
	ASSERT(eal_start(&p) == 0);
	wire_create();
	rx = eal_pool_create("world_rx", BUFFERS, WIRE_FRAME_MAX, SOCKET_ID_ANY);
	headers = eal_pool_create("world_headers", BUFFERS, 512, SOCKET_ID_ANY);
	refs = eal_pool_create("world_refs", BUFFERS, 64, SOCKET_ID_ANY);
	data = eal_pool_create("world_data", BUFFERS, 2048, SOCKET_ID_ANY);
	ASSERT(rx != NULL && headers != NULL && refs != NULL && data != NULL);
}

void tcp_world_open(struct tcp_world *w, const char *config)
{
	char *said;
	struct config *cfg = config_text_parse(config, &said);

	if (cfg == NULL)
		fputs(said, stderr);
	ASSERT(cfg != NULL);
	free(said);
	memset(w, 0, sizeof(*w));
	w->now_ns = START_NS;
	ASSERT(app_create(cfg, w->now_ns, &w->app) == 0);
}

/* ---- hosts ---- */

static bool route(void *ctx, const struct ip_addr *dst, struct tcp_route *out)
{
	const struct tcp_host *h = ctx;

	*out = (struct tcp_route){
		.src = ip_addr_is4(dst) ? h->addr4 : h->addr6, .mtu = 1500, .csum_offload = false};
	return true;
}

static uint32_t link_len(const struct tcp_host *h)
{
	return h->world->vlan != 0 ? ETH_LEN + 4 : ETH_LEN;
}

static uint32_t link_header(const struct tcp_host *h, uint8_t *frame, uint8_t first)
{
	memcpy(frame, h->weir_mac, 6);
	memcpy(frame + 6, h->mac, 6);
	if (h->world->vlan != 0) {
		store_be16(frame + 12, 0x8100);
		store_be16(frame + 14, h->world->vlan);
	}
	store_be16(frame + link_len(h) - 2, first >> 4 == 4 ? 0x0800 : 0x86dd);
	return link_len(h);
}

static bool lost(struct tcp_world *w)
{
	return w->loss_ppm != 0 && rng_below(&w->rng, 1000000) < w->loss_ppm;
}

static void emit(void *ctx, struct rte_mbuf **mbufs, uint16_t n)
{
	static uint8_t frame[WIRE_FRAME_MAX];
	struct tcp_host *h = ctx;

	for (uint16_t i = 0; i < n; i++) {
		uint32_t len = link_len(h);

		for (const struct rte_mbuf *m = mbufs[i]; m != NULL; m = m->next) {
			ASSERT(len + m->data_len <= sizeof(frame));
			memcpy(frame + len, rte_pktmbuf_mtod(m, const void *), m->data_len);
			len += m->data_len;
		}
		(void)link_header(h, frame, frame[link_len(h)]);
		rte_pktmbuf_free(mbufs[i]);
		if (!lost(h->world))
			wire_put(h->port, frame, len, 1);
	}
}

void tcp_world_send(struct tcp_host *h, const void *ip, uint32_t len)
{
	static uint8_t frame[WIRE_FRAME_MAX];

	ASSERT(len + link_len(h) <= sizeof(frame));
	memcpy(frame + link_header(h, frame, *(const uint8_t *)ip), ip, len);
	wire_put(h->port, frame, link_len(h) + len, 1);
}

static void add_neighbour(struct tcp_world *w, const struct tcp_host *h, const char *addr)
{
	char text[96];

	snprintf(text, sizeof(text), "%u %02x:%02x:%02x:%02x:%02x:%02x %s", h->port, h->mac[0],
		h->mac[1], h->mac[2], h->mac[3], h->mac[4], h->mac[5], addr);
	ASSERT(neighbours_add(&w->neighbours, text) == 0);
}

struct tcp_host *tcp_world_host(struct tcp_world *w, uint32_t port, const char *addr4,
	const char *addr6, const uint8_t weir_mac[6])
{
	struct tcp_host *h = &w->hosts[w->host_cnt];
	struct tcp_config c = {.max_conns = 4096,
		.max_segs = 16384,
		.header_pool = headers,
		.ref_pool = refs,
		.data_pool = data,
		.time_wait_ms = 1000,
		.keepalive_ms = 20000, /* a reset that was lost is only noticed by asking */
		.cb = {.ctx = h, .route = route, .emit = emit}};

	ASSERT(w->host_cnt < WORLD_HOSTS);
	w->host_cnt++;
	h->world = w;
	h->port = port;
	memcpy(h->weir_mac, weir_mac, 6);
	h->mac[0] = 2;
	h->mac[5] = (uint8_t)(0x10 + w->host_cnt);
	ASSERT(ip_addr_parse(addr4, &h->addr4) == 0 && ip_addr_parse(addr6, &h->addr6) == 0);
	add_neighbour(w, h, addr4);
	add_neighbour(w, h, addr6);
	c.secret[0] = (uint8_t)w->host_cnt;
	h->e = tcp_engine_create(&c, w->now_ns);
	ASSERT(h->e != NULL);
	return h;
}

/* ---- what comes from the application ---- */

struct arrival {
	struct tcp_world *w;
	uint32_t port;
};

static struct tcp_host *host_of(struct tcp_world *w, uint32_t port, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < w->host_cnt; i++)
		if (w->hosts[i].port == port &&
			(ip_addr_eq(&w->hosts[i].addr4, a) || ip_addr_eq(&w->hosts[i].addr6, a)))
			return &w->hosts[i];
	return NULL;
}

static void arrives(void *ctx, uint8_t *frame, uint32_t len)
{
	struct arrival *a = ctx;
	struct pkt_meta pm;
	struct tcp_host *h;
	struct rte_mbuf *m;
	uint8_t answer[128];
	uint32_t n = neighbours_answer(&a->w->neighbours, a->port, frame, len, answer);

	if (n > 0) {
		wire_put(a->port, answer, n, 1);
		return;
	}
	ASSERT(len <= WIRE_FRAME_MAX);
	if (pkt_parse(frame, len, len, false, &pm) != REASON_NONE || pm.proto != PROTO_TCP ||
		(h = host_of(a->w, a->port, &pm.dst)) == NULL) {
		a->w->strays++;
		if (a->w->stray != NULL)
			a->w->stray(a->w, a->port, frame, len);
		return;
	}
	if (lost(a->w))
		return;
	m = rte_pktmbuf_alloc(rx);
	ASSERT(m != NULL);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	tcp_input(h->e, &m, &pm, 1, a->w->now_ns);
}

static void flush_hosts(struct tcp_world *w)
{
	for (uint32_t i = 0; i < w->host_cnt; i++)
		tcp_flush(w->hosts[i].e, w->now_ns);
}

static uint32_t take(struct tcp_world *w)
{
	uint32_t n = 0;

	for (uint32_t p = 0; p < app_port_count(w->app); p++) {
		struct arrival a = {w, p};
		struct rte_mbuf *m;

		for (; (m = wire_take_mbuf(p)) != NULL; n++) {
			const char *wrong = offload_wrong(m);

			if (w->sent != NULL)
				w->sent(w, p, m);
			w->frames++;
			w->tso_frames += (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
			w->summed_frames += (m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM) != 0;
			if (m->pkt_len > w->longest)
				w->longest = m->pkt_len;
			if (m->nb_segs > w->most_segs)
				w->most_segs = m->nb_segs;
			if (wrong == NULL)
				offload_send(m, arrives, &a);
			else if (w->wrong == NULL)
				w->wrong = wrong;
			rte_pktmbuf_free(m);
			if (n % FLUSH_EACH == FLUSH_EACH - 1)
				flush_hosts(w);
		}
	}
	return n;
}

static void settle(struct tcp_world *w)
{
	for (uint32_t turn = 0; turn < TURNS_MAX; turn++) {
		uint32_t busy = 0;

		for (uint32_t i = 0; i < w->host_cnt; i++)
			tcp_run_timers(w->hosts[i].e, w->now_ns);
		flush_hosts(w);
		for (uint32_t i = 0; i < app_worker_count(w->app); i++)
			busy += app_iterate(w->app, i, w->now_ns);
		busy += take(w);
		if (busy == 0)
			return;
	}
	ASSERT(false); /* the world finds no rest */
}

void tcp_world_run(struct tcp_world *w, uint32_t ms)
{
	settle(w);
	while (ms-- > 0) {
		w->now_ns += NS_PER_MS;
		(void)app_control(w->app, w->now_ns);
		settle(w);
	}
}

void tcp_world_close(struct tcp_world *w)
{
	for (uint32_t i = 0; i < app_worker_count(w->app); i++)
		ASSERT(ledger_imbalance(app_ledger(w->app, i)) == 0);
	app_destroy(w->app);
	for (uint32_t i = 0; i < w->host_cnt; i++)
		tcp_engine_destroy(w->hosts[i].e);
	wire_reset();
	ASSERT(wire_buffers_out() == 0);
	ASSERT(rte_mempool_in_use_count(rx) == 0 && rte_mempool_in_use_count(headers) == 0 &&
		rte_mempool_in_use_count(refs) == 0 && rte_mempool_in_use_count(data) == 0);
}

struct rte_mempool *tcp_world_data_pool(void)
{
	return data;
}
