/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/health_world.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "dataplane/net/cksum.h"
#include "tests/support/eal.h"

struct ip_addr world_addr(const char *text)
{
	struct ip_addr a;
	int err = ip_addr_parse(text, &a);

	ASSERT(err == 0);
	return a;
}

static bool world_source(void *ctx, const struct health_target *t, struct ip_addr *src)
{
	struct world *w = ctx;

	*src = ip_addr_is4(&t->dst) ? w->own4 : w->own6;
	return !w->no_source;
}

static bool l4_cksum_good(const uint8_t *frame, const struct pkt_meta *m)
{
	uint32_t len = m->l3_len - (uint32_t)(m->l4_off - m->l3_off);
	uint64_t sum = 0;

	if (m->proto != PROTO_ICMP)
		sum = cksum_pseudo(&m->src, &m->dst, m->proto, len);
	return cksum_fold(cksum_add(sum, frame + m->l4_off, len)) == 0xffff;
}

static void world_send(void *ctx, const struct health_target *t, struct rte_mbuf *m)
{
	static struct world_pkt scratch;
	struct world *w = ctx;
	struct world_pkt *p = w->on_sent ? &scratch : &w->sent[w->sent_cnt];
	enum reason bad;

	ASSERT(w->on_sent || w->sent_cnt < WORLD_SENT);
	memset(p->frame, 0, ETH_HDR_LEN);
	p->len = ETH_HDR_LEN + test_mbuf_bytes(m, p->frame + ETH_HDR_LEN, WORLD_PKT_MAX);
	store_be16(p->frame + 12, ip_addr_is4(&t->dst) ? ETH_IP4 : ETH_IP6);
	rte_pktmbuf_free(m);
	w->ledger.tx++;
	p->id = t->id;
	p->mode = t->mode;
	p->at_ns = w->now_ns;
	bad = pkt_parse(p->frame, p->len, p->len, false, &p->meta);
	ASSERT(bad == REASON_NONE);
	ASSERT(l4_cksum_good(p->frame, &p->meta));
	ASSERT(ip_addr_eq(&p->meta.dst, &t->dst));
	if (w->on_sent)
		w->on_sent(w, p);
	else
		w->sent_cnt++;
}

void world_init(struct world *w, uint64_t seed)
{
	test_eal_init();
	memset(w, 0, sizeof(*w));
	w->pool = test_pool_create("health_world", 255);
	w->sent = malloc(WORLD_SENT * sizeof(*w->sent));
	ASSERT(w->sent != NULL);
	w->now_ns = 1000 * NS_PER_SEC;
	w->own4 = world_addr("192.0.2.1");
	w->own6 = world_addr("2001:db8::1");
	w->conf = (struct health_conf){.key = {seed, ~seed},
		.seed = seed,
		.pool = w->pool,
		.ledger = &w->ledger,
		.source = world_source,
		.send = world_send,
		.ctx = w};
	w->e = health_engine_create(&w->conf, w->now_ns);
	ASSERT(w->e != NULL);
	health_view_init(&w->view);
	w->cfg.services = w->services;
	w->payload = "pong";
	w->payload_len = 4;
}

void world_fini(struct world *w)
{
	health_engine_destroy(w->e);
	health_view_fini(&w->view);
	health_plan_destroy(w->reg.current);
	test_pool_destroy(w->pool);
	free(w->sent);
	ASSERT(ledger_imbalance(&w->ledger) == 0);
}

struct config_health world_check(enum health_type type)
{
	return (struct config_health){.type = type,
		.interval_ns = NS_PER_SEC,
		.timeout_ns = 300 * NS_PER_MS,
		.rise = 2,
		.fall = 3};
}

uint32_t world_service(struct world *w, enum l4_mode mode, const char *vip, uint16_t port,
	struct config_health check)
{
	uint32_t s = w->cfg.service_cnt++;
	struct config_service *sv = &w->services[s];

	ASSERT(s < WORLD_SERVICES);
	w->vips[s] = world_addr(vip);
	*sv = (struct config_service){.vips = &w->vips[s],
		.vip_cnt = 1,
		.proto = L4_TCP,
		.port_lo = port,
		.port_hi = port,
		.mode = mode,
		.backends = w->backends[s],
		.gue_port = 6080,
		.health = check};
	snprintf(sv->name, sizeof(sv->name), "service%u", s);
	return s;
}

void world_backend(struct world *w, uint32_t service, const char *addr, uint16_t port)
{
	struct config_service *sv = &w->services[service];

	ASSERT(sv->backend_cnt < WORLD_BACKENDS);
	sv->backends[sv->backend_cnt++] =
		(struct config_backend){.addr = world_addr(addr), .port = port, .weight = 1};
}

static void drain(struct world *w)
{
	health_view_drain(&w->view, w->e, NULL, NULL);
}

void world_reload(struct world *w)
{
	struct health_plan *plan;
	int err = health_plan_create(&w->reg, &w->cfg, &plan);

	ASSERT(err == 0);
	err = health_engine_reserve(w->e, plan);
	ASSERT(err == 0);
	err = health_view_set_plan(&w->view, plan);
	ASSERT(err == 0);
	health_engine_apply(w->e, plan, w->now_ns);
	health_plan_destroy(health_registry_commit(&w->reg, plan));
}

void world_run(struct world *w, uint64_t span_ns)
{
	uint64_t end = w->now_ns + span_ns;

	for (;;) {
		health_run(w->e, w->now_ns);
		drain(w);
		if (w->now_ns >= end)
			return;
		w->now_ns += NS_PER_MS;
		if (w->now_ns > end)
			w->now_ns = end;
	}
}

void world_forget(struct world *w)
{
	w->sent_cnt = 0;
}

struct world_pkt *world_sent(struct world *w, uint32_t n)
{
	ASSERT(n < w->sent_cnt);
	return &w->sent[n];
}

/* --- answers ------------------------------------------------------------------------------- */

static uint32_t put_ip(uint8_t *frame, const struct ip_addr *src, const struct ip_addr *dst,
	uint8_t proto, uint32_t l4_len)
{
	memset(frame, 0, ETH_HDR_LEN + IP6_HDR_LEN);
	if (ip_addr_is4(src)) {
		struct ip4_hdr *ip = (struct ip4_hdr *)(frame + ETH_HDR_LEN);

		store_be16(frame + 12, ETH_IP4);
		ip->ver_ihl = 0x45;
		ip->total_len_be = BE16(IP4_HDR_LEN + l4_len);
		ip->ttl = 60;
		ip->proto = proto;
		ip->src_be = src->w[3];
		ip->dst_be = dst->w[3];
		ip->cksum = cksum_ip4(ip);
		return ETH_HDR_LEN + IP4_HDR_LEN;
	}
	struct ip6_hdr *ip = (struct ip6_hdr *)(frame + ETH_HDR_LEN);

	store_be16(frame + 12, ETH_IP6);
	ip->ver_tc_flow_be = BE32(UINT32_C(6) << 28);
	ip->payload_len_be = BE16(l4_len);
	ip->next = proto;
	ip->hop_limit = 60;
	memcpy(ip->src, src, 16);
	memcpy(ip->dst, dst, 16);
	return ETH_HDR_LEN + IP6_HDR_LEN;
}

static uint32_t icmp_error(const struct world_pkt *p, enum world_answer a, uint8_t *frame)
{
	bool v4 = p->meta.ip_ver == 4;
	uint32_t inner = p->len - ETH_HDR_LEN > 200 ? 200 : p->len - ETH_HDR_LEN;
	uint32_t off = put_ip(frame, &p->meta.dst, &p->meta.src, v4 ? PROTO_ICMP : PROTO_ICMP6,
		ICMP_HDR_LEN + inner);
	struct icmp_hdr *h = (struct icmp_hdr *)(frame + off);

	memset(h, 0, ICMP_HDR_LEN);
	if (a == WORLD_UNREACH) {
		h->type = v4 ? ICMP4_UNREACH : ICMP6_UNREACH;
		h->code = v4 ? ICMP4_UNREACH_PORT : ICMP6_UNREACH_PORT;
	} else {
		h->type = v4 ? ICMP4_UNREACH : ICMP6_TOO_BIG;
		h->code = v4 ? ICMP4_UNREACH_FRAG : 0;
	}
	memcpy(frame + off + ICMP_HDR_LEN, p->frame + ETH_HDR_LEN, inner);
	return off + ICMP_HDR_LEN + inner;
}

static uint32_t tcp_answer(const struct world_pkt *p, enum world_answer a, uint8_t *frame)
{
	const struct tcp_hdr *in = (const struct tcp_hdr *)(p->frame + p->meta.l4_off);
	uint32_t off = put_ip(frame, &p->meta.dst, &p->meta.src, PROTO_TCP, TCP_HDR_LEN);
	struct tcp_hdr *h = (struct tcp_hdr *)(frame + off);

	memset(h, 0, sizeof(*h));
	h->sport_be = in->dport_be;
	h->dport_be = in->sport_be;
	h->seq_be = a == WORLD_OK ? BE32(12345) : 0;
	h->ack_be = BE32(BE32(in->seq_be) + 1);
	h->off = TCP_HDR_LEN / 4 << 4;
	h->flags = TCP_ACK | (a == WORLD_OK ? TCP_SYN : TCP_RST);
	return off + TCP_HDR_LEN;
}

static uint32_t udp_answer(const struct world *w, const struct world_pkt *p, uint8_t *frame)
{
	uint32_t len = UDP_HDR_LEN + w->payload_len;
	uint32_t off = put_ip(frame, &p->meta.dst, &p->meta.src, PROTO_UDP, len);
	struct udp_hdr *h = (struct udp_hdr *)(frame + off);

	h->sport_be = p->meta.dport;
	h->dport_be = p->meta.sport;
	h->len_be = BE16(len);
	h->cksum = 0;
	memcpy(frame + off + UDP_HDR_LEN, w->payload, w->payload_len);
	return off + len;
}

static uint32_t echo_answer(const struct world_pkt *p, uint8_t *frame)
{
	uint32_t len = p->len - p->meta.l4_off;
	uint32_t off = put_ip(frame, &p->meta.dst, &p->meta.src, p->meta.proto, len);

	memcpy(frame + off, p->frame + p->meta.l4_off, len);
	frame[off] = p->meta.ip_ver == 4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
	return off + len;
}

uint32_t world_make_answer(
	const struct world *w, const struct world_pkt *p, enum world_answer a, uint8_t *frame)
{
	if (a == WORLD_UNREACH || a == WORLD_FRAG_NEEDED)
		return icmp_error(p, a, frame);
	if (p->meta.proto == PROTO_TCP)
		return tcp_answer(p, a, frame);
	return p->meta.proto == PROTO_UDP ? udp_answer(w, p, frame) : echo_answer(p, frame);
}

bool world_input(struct world *w, const uint8_t *frame, uint32_t len)
{
	struct rte_mbuf *m = test_mbuf(w->pool, frame, len);
	struct pkt_meta meta;
	enum reason bad = pkt_parse(
		rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, m->pkt_len, false, &meta);
	bool known = bad == REASON_NONE && health_input(w->e, &meta, m, w->now_ns);

	w->ledger.rx++;
	w->ledger.ended[known ? REASON_HEALTH_REPLY : REASON_LOCAL_NO_LISTENER]++;
	rte_pktmbuf_free(m);
	return known;
}

bool world_answer(struct world *w, const struct world_pkt *p, enum world_answer a)
{
	uint8_t frame[14 + WORLD_PKT_MAX];
	uint32_t len = world_make_answer(w, p, a, frame);
	bool known = world_input(w, frame, len);

	drain(w);
	return known;
}
