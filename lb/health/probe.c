/* SPDX-License-Identifier: Apache-2.0
 * Packets of the probes and their answers.
 *
 * An answer is found by (address asked, its port, our port or echo identifier, protocol): behind
 * DSR a hundred backends answer from one VIP and port, so our port tells them apart and is drawn
 * again for each attempt until the tuple is free. What is then compared is HE4. */
#include "lb/health/health_pvt.h"

#include <rte_mbuf.h>

#include "dataplane/net/cksum.h"
#include "dataplane/net/hdr.h"

#define PORT_TRIES   64
#define PORT_STEAL   4 /* tries for a port that nobody has, then also ports of probes at rest */
#define PROBE_TTL    64
#define COOKIE_LEN   8
#define SYN_WINDOW   64240
#define TCP_OPT_MSS  2
#define MSS_OPT_LEN  4
#define MSS4         1460
#define MSS6         1440
#define INNER_L4_MIN 8 /* RFC 792: at least that much of the transport header comes back */

/* --- answer table -------------------------------------------------------------------------- */

struct probe_key {
	struct ip_addr dst;
	uint16_t sport, dport;
	uint8_t proto;
};

static uint32_t *bucket_of(const struct health_engine *e, const struct probe_key *k)
{
	uint64_t h = mix_hash5(&e->table_key, k->dst.d[0], k->dst.d[1],
		(uint64_t)k->sport << 16 | k->dport, k->proto, 0);

	return &e->table[h & (TABLE_BUCKETS - 1)];
}

static struct probe_key key_of(const struct probe *p)
{
	return (struct probe_key){
		.dst = p->dst, .sport = p->sport, .dport = p->dport, .proto = p->proto};
}

static struct probe *table_find(const struct health_engine *e, const struct probe_key *k)
{
	uint32_t id = *bucket_of(e, k);

	while (id != NO_PROBE) {
		struct probe *p = probe_at(e, id);

		if (p->sport == k->sport && p->dport == k->dport && p->proto == k->proto &&
			ip_addr_eq(&p->dst, &k->dst))
			return p;
		id = p->chain;
	}
	return NULL;
}

static void probe_link(struct health_engine *e, struct probe *p)
{
	struct probe_key k = key_of(p);
	uint32_t *head = bucket_of(e, &k);

	p->chain = *head;
	*head = p->id;
	p->linked = true;
}

void probe_unlink(struct health_engine *e, struct probe *p)
{
	struct probe_key k = key_of(p);
	uint32_t *link = bucket_of(e, &k);

	if (!p->linked)
		return;
	while (*link != p->id)
		link = &probe_at(e, *link)->chain;
	*link = p->chain;
	p->linked = false;
}

/* --- building ------------------------------------------------------------------------------ */

struct draft {
	struct ip_addr src, dst;
	uint8_t proto;
	uint16_t l4_len; /* header and payload */
};

/* Room for an IP packet with its header written and the transport part zeroed; *l4 points to that.
 * NULL without a buffer. */
static struct rte_mbuf *packet_begin(struct health_engine *e, const struct draft *d, uint8_t **l4)
{
	bool v4 = ip_addr_is4(&d->dst);
	uint16_t l3_len = v4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	struct rte_mbuf *m = rte_pktmbuf_alloc(e->conf.pool);
	uint8_t *p;

	if (m == NULL)
		return NULL;
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(l3_len + d->l4_len));
	if (p == NULL) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	memset(p, 0, (size_t)l3_len + d->l4_len);
	if (v4) {
		struct ip4_hdr *ip = (struct ip4_hdr *)p;

		ip->ver_ihl = 0x45;
		ip->total_len_be = BE16(l3_len + d->l4_len);
		ip->frag_be = BE16(IP4_DF);
		ip->ttl = PROBE_TTL;
		ip->proto = d->proto;
		ip->src_be = d->src.w[3];
		ip->dst_be = d->dst.w[3];
		ip->cksum = cksum_ip4(ip);
	} else {
		struct ip6_hdr *ip = (struct ip6_hdr *)p;

		ip->ver_tc_flow_be = BE32(UINT32_C(6) << 28);
		ip->payload_len_be = BE16(d->l4_len);
		ip->next = d->proto;
		ip->hop_limit = PROBE_TTL;
		memcpy(ip->src, &d->src, sizeof(ip->src));
		memcpy(ip->dst, &d->dst, sizeof(ip->dst));
	}
	e->conf.ledger->born++;
	*l4 = p + l3_len;
	return m;
}

/* The checksum field of the transport part is zero so far. */
static uint16_t transport_cksum(const struct draft *d, const uint8_t *l4)
{
	uint64_t sum = 0;
	uint16_t c;

	if (d->proto != PROTO_ICMP)
		sum = cksum_pseudo(&d->src, &d->dst, d->proto, d->l4_len);
	c = (uint16_t)~cksum_fold(cksum_add(sum, l4, d->l4_len));
	return c == 0 && d->proto == PROTO_UDP ? 0xffff : c;
}

static uint32_t isn_of(const struct probe *p)
{
	return (uint32_t)p->secret;
}

static uint16_t echo_seq_of(const struct probe *p)
{
	return (uint16_t)p->secret;
}

static void write_echo(const struct draft *d, const struct probe *p, uint8_t *l4)
{
	struct icmp_hdr *h = (struct icmp_hdr *)l4;

	h->type = d->proto == PROTO_ICMP ? ICMP4_ECHO : ICMP6_ECHO;
	h->id_be = p->sport;
	h->seq_be = echo_seq_of(p);
	memcpy(l4 + ICMP_HDR_LEN, &p->cookie, COOKIE_LEN);
	h->cksum = transport_cksum(d, l4);
}

static void write_syn(const struct draft *d, const struct probe *p, uint8_t *l4)
{
	struct tcp_hdr *h = (struct tcp_hdr *)l4;
	uint8_t *opt = l4 + TCP_HDR_LEN;

	h->sport_be = p->sport;
	h->dport_be = p->dport;
	h->seq_be = BE32(isn_of(p));
	h->off = (TCP_HDR_LEN + MSS_OPT_LEN) / 4 << 4;
	h->flags = TCP_SYN;
	h->window_be = BE16(SYN_WINDOW);
	opt[0] = TCP_OPT_MSS;
	opt[1] = MSS_OPT_LEN;
	store_be16(opt + 2, ip_addr_is4(&d->dst) ? MSS4 : MSS6);
	h->cksum = transport_cksum(d, l4);
}

static void write_udp(const struct draft *d, const struct probe *p,
	const struct config_health *check, uint8_t *l4)
{
	struct udp_hdr *h = (struct udp_hdr *)l4;

	h->sport_be = p->sport;
	h->dport_be = p->dport;
	h->len_be = BE16(d->l4_len);
	if (check->send_len > 0)
		memcpy(l4 + UDP_HDR_LEN, check->send, check->send_len);
	h->cksum = transport_cksum(d, l4);
}

static uint8_t proto_of(const struct health_target *t)
{
	if (t->check.type == HEALTH_TCP)
		return PROTO_TCP;
	if (t->check.type == HEALTH_UDP)
		return PROTO_UDP;
	return ip_addr_is4(&t->dst) ? PROTO_ICMP : PROTO_ICMP6;
}

static uint16_t l4_len_of(const struct health_target *t)
{
	if (t->check.type == HEALTH_TCP)
		return TCP_HDR_LEN + MSS_OPT_LEN;
	if (t->check.type == HEALTH_UDP)
		return (uint16_t)(UDP_HDR_LEN + t->check.send_len);
	return ICMP_HDR_LEN + COOKIE_LEN;
}

static uint64_t draw(struct health_engine *e)
{
	uint64_t n = e->draws++;

	return siphash24(&e->conf.key, &n, sizeof(n));
}

static bool is_echo(uint8_t proto)
{
	return proto == PROTO_ICMP || proto == PROTO_ICMP6;
}

/* Draw our port, or an echo's identifier, such that the answer's tuple is ours alone. A probe that
 * has its answer keeps its port only to know repetitions of it, so it must give way: more backends
 * than ports may stand behind one virtual address. */
static bool draw_port(struct health_engine *e, struct probe *p, const struct health_target *t)
{
	uint16_t lo = e->conf.port_lo;
	uint32_t range = (uint32_t)e->conf.port_hi - lo + 1;
	uint64_t r = draw(e);

	for (uint32_t i = 0; i < PORT_TRIES; i++) {
		struct probe *holder;
		struct probe_key k;

		p->sport = is_echo(p->proto) ? (uint16_t)(r + i)
					     : BE16(lo + (uint32_t)((r + i) % range));
		p->dport = is_echo(p->proto) ? p->sport : BE16(t->check.port);
		k = key_of(p);
		holder = table_find(e, &k);
		if (holder != NULL && i >= PORT_STEAL && !holder->waiting) {
			probe_unlink(e, holder);
			holder = NULL;
		}
		if (holder == NULL)
			return true;
	}
	return false;
}

/* No packet of ours: somebody who speaks TCP asks. */
static enum probe_sent ask(
	struct health_engine *e, struct probe *p, const struct health_target *t, uint64_t now_ns)
{
	if (e->conf.ask == NULL)
		return PROBE_NO_SOURCE;
	probe_unlink(e, p);
	p->proto = PROTO_TCP;
	p->secret = draw(e);
	if (!e->conf.ask(e->conf.ctx, t, p->secret))
		return PROBE_NO_MBUF;
	p->waiting = true;
	wheel_arm(&e->wheel, &p->timer, now_ns + t->check.timeout_ns);
	cnt_add(&p->cnt.sent, 1);
	return PROBE_SENT;
}

enum probe_sent probe_emit(
	struct health_engine *e, struct probe *p, const struct health_target *t, uint64_t now_ns)
{
	struct draft d = {.dst = t->dst, .proto = proto_of(t), .l4_len = l4_len_of(t)};
	struct rte_mbuf *m;
	uint8_t *l4;

	if (t->check.type == HEALTH_HTTP)
		return ask(e, p, t, now_ns);
	if (!e->conf.source(e->conf.ctx, t, &d.src) || ip_addr_is4(&d.src) != ip_addr_is4(&d.dst))
		return PROBE_NO_SOURCE;
	probe_unlink(e, p);
	p->src = d.src;
	p->dst = d.dst;
	p->proto = d.proto;
	p->secret = draw(e);
	p->cookie = draw(e);
	if (!draw_port(e, p, t))
		return PROBE_NO_PORT;
	m = packet_begin(e, &d, &l4);
	if (m == NULL)
		return PROBE_NO_MBUF;
	if (d.proto == PROTO_TCP)
		write_syn(&d, p, l4);
	else if (d.proto == PROTO_UDP)
		write_udp(&d, p, &t->check, l4);
	else
		write_echo(&d, p, l4);
	probe_link(e, p);
	p->waiting = true;
	wheel_arm(&e->wheel, &p->timer, now_ns + t->check.timeout_ns);
	cnt_add(&p->cnt.sent, 1);
	e->conf.send(e->conf.ctx, t, m);
	return PROBE_SENT;
}

void probe_emit_rst(struct health_engine *e, const struct probe *p, const struct health_target *t)
{
	struct draft d = {.src = p->src, .dst = p->dst, .proto = PROTO_TCP, .l4_len = TCP_HDR_LEN};
	struct rte_mbuf *m;
	struct tcp_hdr *h;
	uint8_t *l4;

	m = packet_begin(e, &d, &l4);
	if (m == NULL)
		return; /* the backend's own timer clears the half-open connection */
	h = (struct tcp_hdr *)l4;
	h->sport_be = p->sport;
	h->dport_be = p->dport;
	h->seq_be = BE32(isn_of(p) + 1); /* RFC 9293 3.10.7.3: SEQ = SEG.ACK */
	h->off = TCP_HDR_LEN / 4 << 4;
	h->flags = TCP_RST;
	h->cksum = transport_cksum(&d, l4);
	e->conf.send(e->conf.ctx, t, m);
}

/* --- answers ------------------------------------------------------------------------------- */

static bool in_first_segment(const struct rte_mbuf *m, uint32_t off, uint32_t len)
{
	return off + len <= m->data_len;
}

static const uint8_t *bytes_at(const struct rte_mbuf *m, uint32_t off)
{
	return rte_pktmbuf_mtod_offset(m, const uint8_t *, off);
}

/* Bytes of the IP packet from off on, without link padding. */
static uint32_t bytes_left(const struct pkt_meta *meta, const struct rte_mbuf *m, uint32_t off)
{
	uint32_t end = (uint32_t)meta->l3_off + meta->l3_len;

	if (end > m->pkt_len)
		end = m->pkt_len;
	return off < end ? end - off : 0;
}

static bool begins_with(const struct pkt_meta *meta, const struct rte_mbuf *m, uint32_t off,
	const void *want, uint32_t len)
{
	uint8_t copy[HEALTH_PAYLOAD_MAX];
	const void *p;

	if (len == 0)
		return true;
	if (len > sizeof(copy) || bytes_left(meta, m, off) < len)
		return false;
	p = rte_pktmbuf_read(m, off, len, copy);
	return p != NULL && memcmp(p, want, len) == 0;
}

/* ICMP errors that mean that the probe did not get there. */
static bool error_is_final(const struct pkt_meta *meta)
{
	if (meta->ip_ver == 4)
		return (meta->icmp_type == ICMP4_UNREACH &&
			       meta->icmp_code != ICMP4_UNREACH_FRAG) ||
		       meta->icmp_type == ICMP4_TIME || meta->icmp_type == ICMP4_PARAM;
	return meta->icmp_type == ICMP6_UNREACH || meta->icmp_type == ICMP6_TIME ||
	       meta->icmp_type == ICMP6_PARAM;
}

static enum probe_answer match_error(
	const struct pkt_meta *meta, const struct rte_mbuf *m, const struct probe *p)
{
	const struct pkt_inner *in = &meta->inner;

	if (!ip_addr_eq(&in->src, &p->src) || !in_first_segment(m, in->l4_off, INNER_L4_MIN))
		return ANSWER_IGNORED;
	if (p->proto == PROTO_TCP && load_be32(bytes_at(m, in->l4_off + 4u)) != isn_of(p))
		return ANSWER_IGNORED;
	if (is_echo(p->proto) && load16(bytes_at(m, in->l4_off + 6u)) != echo_seq_of(p))
		return ANSWER_IGNORED;
	return error_is_final(meta) ? ANSWER_UNREACHABLE : ANSWER_IGNORED;
}

static enum probe_answer match_tcp(
	const struct pkt_meta *meta, const struct rte_mbuf *m, const struct probe *p)
{
	const struct tcp_hdr *h;

	if (!in_first_segment(m, meta->l4_off, TCP_HDR_LEN))
		return ANSWER_IGNORED;
	h = (const struct tcp_hdr *)bytes_at(m, meta->l4_off);
	if ((h->flags & TCP_ACK) == 0 || BE32(h->ack_be) != isn_of(p) + 1)
		return ANSWER_IGNORED;
	if ((h->flags & TCP_RST) != 0)
		return ANSWER_REFUSED;
	return (h->flags & TCP_SYN) != 0 ? ANSWER_OK : ANSWER_IGNORED;
}

static enum probe_answer match_echo(
	const struct pkt_meta *meta, const struct rte_mbuf *m, const struct probe *p)
{
	if (!in_first_segment(m, meta->l4_off, ICMP_HDR_LEN) ||
		load16(bytes_at(m, meta->l4_off + 6u)) != echo_seq_of(p))
		return ANSWER_IGNORED;
	return begins_with(meta, m, meta->l4_off + (uint32_t)ICMP_HDR_LEN, &p->cookie, COOKIE_LEN)
		       ? ANSWER_OK
		       : ANSWER_IGNORED;
}

static bool our_port(const struct health_engine *e, uint8_t proto, uint16_t port_be)
{
	uint16_t port = BE16(port_be);

	return is_echo(proto) || (port >= e->conf.port_lo && port <= e->conf.port_hi);
}

/* The tuple under which an answer like this was entered; false if it can be none. */
static bool answer_key(
	const struct health_engine *e, const struct pkt_meta *meta, struct probe_key *k)
{
	if ((meta->flags & PKT_F_FRAG) != 0)
		return false;
	if ((meta->flags & PKT_F_ICMP_ERROR) != 0) {
		*k = (struct probe_key){.dst = meta->inner.dst,
			.sport = meta->inner.sport,
			.dport = meta->inner.dport,
			.proto = meta->inner.proto};
		return (meta->flags & PKT_F_INNER_PORTS) != 0 && our_port(e, k->proto, k->sport);
	}
	*k = (struct probe_key){
		.dst = meta->src, .sport = meta->dport, .dport = meta->sport, .proto = meta->proto};
	if ((meta->flags & PKT_F_PORTS) == 0)
		return false;
	if (meta->proto == PROTO_ICMP && meta->icmp_type != ICMP4_ECHO_REPLY)
		return false;
	if (meta->proto == PROTO_ICMP6 && meta->icmp_type != ICMP6_ECHO_REPLY)
		return false;
	return our_port(e, k->proto, k->sport);
}

enum probe_answer probe_match(const struct health_engine *e, const struct pkt_meta *meta,
	const struct rte_mbuf *m, struct probe **out)
{
	const struct health_target *t;
	struct probe_key k;
	struct probe *p;

	if (!answer_key(e, meta, &k))
		return ANSWER_NONE;
	p = table_find(e, &k);
	if (p == NULL || !ip_addr_eq(&meta->dst, &p->src))
		return ANSWER_NONE;
	*out = p;
	t = health_plan_slot(e->plan, p->id);
	if (t == NULL || t->epoch != p->epoch || t->version != p->version)
		return ANSWER_IGNORED;
	if ((meta->flags & PKT_F_ICMP_ERROR) != 0)
		return match_error(meta, m, p);
	if (p->proto == PROTO_TCP)
		return match_tcp(meta, m, p);
	if (is_echo(p->proto))
		return match_echo(meta, m, p);
	return begins_with(meta, m, meta->l4_off + (uint32_t)UDP_HDR_LEN, t->check.expect,
		       t->check.expect_len)
		       ? ANSWER_OK
		       : ANSWER_MISMATCH;
}
