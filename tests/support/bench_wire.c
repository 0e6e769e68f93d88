/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/bench_wire.h"

#include <stdio.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/hdr.h"

#define SEGMENT 1448 /* payload of a frame with time stamps */

static void emit(void *ctx, struct rte_mbuf **m, uint16_t n)
{
	struct bench_host *h = ctx;

	ASSERT(h->out_n + n <= BENCH_WIRE_MAX);
	memcpy(h->out + h->out_n, m, n * sizeof(m[0]));
	h->out_n += n;
}

static bool route(void *ctx, const struct ip_addr *dst, struct tcp_route *out)
{
	const struct bench_host *h = ctx;

	(void)dst;
	*out = (struct tcp_route){
		.src = h->addr, .mtu = 1500, .csum_offload = h->csum, .tso_bytes = h->tso_bytes};
	return true;
}

struct rte_mempool *bench_pool(const char *what, uint32_t id, uint32_t n, uint16_t data_room)
{
	char name[32];
	struct rte_mempool *p;

	snprintf(name, sizeof(name), "b_%s%u", what, id);
	p = rte_mempool_lookup(name);
	if (p == NULL)
		p = rte_pktmbuf_pool_create(name, n, 256, 0, data_room, SOCKET_ID_ANY);
	ASSERT(p != NULL);
	return p;
}

void bench_host_init(struct bench_host *h, uint32_t id, const struct bench_pools *n)
{
	h->e = NULL;
	h->addr = ip_addr_from4(BE32(0x0a000001u + id));
	h->csum = true;
	h->tso_bytes = 0;
	h->out_n = 0;
	h->hdr = bench_pool("h", id, n->hdr, RTE_PKTMBUF_HEADROOM + 384);
	h->ref = bench_pool("r", id, n->ref, 0);
	h->data = bench_pool("d", id, n->data, RTE_PKTMBUF_HEADROOM + 2048);
	h->rx = bench_pool("x", id, n->rx, RTE_PKTMBUF_HEADROOM + 1600);
}

struct tcp_callbacks bench_host_callbacks(struct bench_host *h)
{
	return (struct tcp_callbacks){.ctx = h, .route = route, .emit = emit};
}

void bench_host_engine(struct bench_host *h, const struct tcp_config *conf, uint64_t now_ns)
{
	struct tcp_config c = *conf;

	c.header_pool = h->hdr;
	c.ref_pool = h->ref;
	c.data_pool = h->data;
	c.cb = bench_host_callbacks(h);
	c.port_lo = 1024;
	c.port_hi = 65535;
	if (c.time_wait_ms == 0)
		c.time_wait_ms = 1000;
	for (size_t i = 0; i < sizeof(c.secret); i++)
		c.secret[i] = (uint8_t)(i * 7 + BE32(h->addr.w[3]));
	h->e = tcp_engine_create(&c, now_ns);
	ASSERT(h->e != NULL);
}

void bench_host_fini(struct bench_host *h)
{
	for (uint32_t i = 0; i < h->out_n; i++)
		rte_pktmbuf_free(h->out[i]);
	h->out_n = 0;
	tcp_engine_destroy(h->e);
	h->e = NULL;
}

static void fill_meta(struct rte_mbuf *m, struct pkt_meta *p)
{
	const struct ip4_hdr *h = rte_pktmbuf_mtod(m, const struct ip4_hdr *);
	const uint8_t *l4 = (const uint8_t *)(h + 1);

	p->src = ip_addr_from4(h->src_be);
	p->dst = ip_addr_from4(h->dst_be);
	p->sport = load16(l4);
	p->dport = load16(l4 + 2);
	p->l3_off = 0;
	p->l4_off = IP4_HDR_LEN;
	p->l3_len = BE16(h->total_len_be);
	p->proto = PROTO_TCP;
	p->ip_ver = 4;
	p->tos = h->tos;
	p->tcp_flags = l4[13];
}

static struct rte_mbuf *copy(const struct bench_host *to, struct rte_mbuf *m)
{
	struct rte_mbuf *c = rte_pktmbuf_alloc(to->rx);
	uint8_t *d;

	ASSERT(c != NULL && m->pkt_len <= rte_pktmbuf_tailroom(c));
	d = rte_pktmbuf_mtod(c, uint8_t *);
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		memcpy(d, rte_pktmbuf_mtod(s, const uint8_t *), s->data_len);
		d += s->data_len;
	}
	c->data_len = (uint16_t)m->pkt_len;
	c->pkt_len = m->pkt_len;
	rte_pktmbuf_free(m);
	return c;
}

uint32_t bench_wire_take(struct bench_host *from, struct bench_host *to, bool as_copy,
	struct rte_mbuf **mbufs, struct pkt_meta *metas)
{
	uint32_t n = 0, kept = 0;

	for (uint32_t i = 0; i < from->out_n; i++) {
		struct rte_mbuf *m = from->out[i];
		const struct ip4_hdr *h = rte_pktmbuf_mtod(m, const struct ip4_hdr *);

		if (h->dst_be != to->addr.w[3]) {
			from->out[kept++] = m;
			continue;
		}
		if (as_copy)
			m = copy(to, m);
		m->ol_flags = from->csum ? RTE_MBUF_F_RX_L4_CKSUM_GOOD : 0;
		fill_meta(m, &metas[n]);
		mbufs[n++] = m;
	}
	from->out_n = kept;
	return n;
}

void bench_host_flush(struct bench_host *h, uint64_t now_ns)
{
	tcp_run_timers(h->e, now_ns);
	tcp_flush(h->e, now_ns);
}

void bench_send(struct bench_host *h, uint64_t conn, const char *p, uint32_t n)
{
	struct rte_mbuf *first = NULL, **link = &first;

	while (n > 0) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(h->data);
		uint16_t take = (uint16_t)(n < SEGMENT ? n : SEGMENT);

		ASSERT(m != NULL);
		memcpy(rte_pktmbuf_mtod(m, char *), p, take);
		m->data_len = take;
		m->pkt_len = take;
		*link = m;
		link = &m->next;
		p += take;
		n -= take;
	}
	ASSERT(tcp_send(h->e, conn, &first, 0) > 0 && first == NULL);
}

void bench_on_nothing(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	(void)user;
}

void bench_on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)user;
	(void)tcp_close(e, conn);
}

void bench_chain_free(struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		m->next = NULL;
		rte_pktmbuf_free_seg(m);
		m = next;
	}
}
