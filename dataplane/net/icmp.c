/* SPDX-License-Identifier: Apache-2.0
 * icmp - our own messages: echo replies and errors. icmp_nat.c has those of others. */
#include "dataplane/net/icmp.h"

#include "dataplane/base/time.h"
#include "dataplane/net/build.h"

#define ICMP4_ERROR_MAX 576  /* RFC 1812 4.3.2.3 */
#define ICMP6_ERROR_MAX 1280 /* RFC 4443 2.4 c */
#define ICMP4_TOS       0xc0 /* internetwork control, RFC 1812 4.3.2.5 */
#define REPLY_TTL       64

void icmp_limiter_init(struct icmp_limiter *l, uint32_t per_sec)
{
	uint64_t burst = per_sec / 10 < 8 ? 8 : per_sec / 10;

	l->tat_ns = 0;
	l->gap_ns = NS_PER_SEC / per_sec;
	l->burst_ns = l->gap_ns * (burst - 1);
}

bool icmp_limiter_take(struct icmp_limiter *l, uint64_t now_ns)
{
	uint64_t tat = l->tat_ns > now_ns ? l->tat_ns : now_ns;

	if (tat - now_ns > l->burst_ns)
		return false;
	l->tat_ns = tat + l->gap_ns;
	return true;
}

/* --- echo ------------------------------------------------------------------------------------ */

static void swap_addrs(uint8_t *l3, const struct pkt_meta *pm)
{
	uint32_t at = pm->ip_ver == 4 ? 12 : 8, n = pm->ip_ver == 4 ? 4 : 16;
	uint8_t src[16];

	memcpy(src, l3 + at, n);
	memcpy(l3 + at, l3 + at + n, n);
	memcpy(l3 + at + n, src, n);
}

static void set_ttl(uint8_t *l3, const struct pkt_meta *pm, uint8_t ttl)
{
	struct ip4_hdr *h4 = (struct ip4_hdr *)l3;
	uint16_t old = load16(l3 + 8);

	if (pm->ip_ver == 6) {
		((struct ip6_hdr *)l3)->hop_limit = ttl;
		return;
	}
	h4->ttl = ttl;
	h4->cksum = cksum_apply(h4->cksum, cksum_diff16(0, old, load16(l3 + 8)));
}

enum reason icmp_echo_reply(struct rte_mbuf *m, const struct pkt_meta *pm, const struct net_if *nif,
	struct icmp_limiter *l, uint64_t now_ns)
{
	bool v4 = pm->ip_ver == 4;
	struct icmp_hdr *h = rte_pktmbuf_mtod_offset(m, struct icmp_hdr *, pm->l4_off);
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t old;

	if (pm->proto != (v4 ? PROTO_ICMP : PROTO_ICMP6) ||
		pm->icmp_type != (v4 ? ICMP4_ECHO : ICMP6_ECHO) || pm->icmp_code != 0 ||
		(pm->flags & (PKT_F_FRAG | PKT_F_L2_GROUP)) || ip_addr_is_multicast(&pm->dst) ||
		ip_addr_is_multicast(&pm->src) || ip_addr_is_zero(&pm->src))
		return REASON_ICMP_UNHANDLED;
	if (cksum_verify_rx(m, pm, false) != REASON_NONE)
		return REASON_ICMP_CHECKSUM;
	if (!icmp_limiter_take(l, now_ns))
		return REASON_ICMP_RATE;
	old = load16(h);
	h->type = v4 ? ICMP4_ECHO_REPLY : ICMP6_ECHO_REPLY;
	h->cksum = cksum_apply(h->cksum, cksum_diff16(0, old, load16(h)));
	swap_addrs(frame + pm->l3_off, pm);
	set_ttl(frame + pm->l3_off, pm, REPLY_TTL);
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, nif->mac, 6);
	m->ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM);
	return REASON_NONE;
}

/* --- errors ---------------------------------------------------------------------------------- */

/* May this be the address of one host, so that an answer goes to nobody else? */
static bool one_host(const struct ip_addr *a)
{
	if (ip_addr_is4(a))
		return a->b[12] != 0 && a->b[12] != 127 && a->b[12] < 224;
	return !ip_addr_is_multicast(a) && !ip_addr_is_zero(a);
}

bool icmp_error_allowed(const struct pkt_meta *pm)
{
	if (pm->ip_ver != 4 && pm->ip_ver != 6)
		return false;
	if ((pm->flags & PKT_F_L2_GROUP) || pm->frag_off != 0)
		return false;
	if (!one_host(&pm->src) || ip_addr_is_multicast(&pm->dst) ||
		(pm->ip_ver == 4 && pm->dst.w[3] == UINT32_MAX))
		return false;
	if (pm->ip_ver == 4 && pm->proto == PROTO_ICMP)
		return pm->icmp_type == ICMP4_ECHO || pm->icmp_type == ICMP4_ECHO_REPLY;
	if (pm->ip_ver == 6 && pm->proto == PROTO_ICMP6)
		return pm->icmp_type >= 128 && pm->icmp_type != ICMP6_REDIRECT;
	return true;
}

static struct icmp_head head_of(const struct icmp_error *e, bool v4)
{
	static const struct icmp_head head[][2] = {
		[ICMP_WHY_TTL] = {{ICMP6_TIME, 0, 0}, {ICMP4_TIME, 0, 0}},
		[ICMP_WHY_TOO_BIG] = {{ICMP6_TOO_BIG, 0, 0},
			{ICMP4_UNREACH, ICMP4_UNREACH_FRAG, 0}},
		[ICMP_WHY_NO_ROUTE] = {{ICMP6_UNREACH, ICMP6_UNREACH_ROUTE, 0},
			{ICMP4_UNREACH, ICMP4_UNREACH_NET, 0}},
		[ICMP_WHY_HOST] = {{ICMP6_UNREACH, ICMP6_UNREACH_ADDR, 0},
			{ICMP4_UNREACH, ICMP4_UNREACH_HOST, 0}},
		[ICMP_WHY_PORT] = {{ICMP6_UNREACH, ICMP6_UNREACH_PORT, 0},
			{ICMP4_UNREACH, ICMP4_UNREACH_PORT, 0}},
		[ICMP_WHY_ADMIN] = {{ICMP6_UNREACH, ICMP6_UNREACH_ADMIN, 0},
			{ICMP4_UNREACH, ICMP4_UNREACH_ADMIN, 0}},
	};
	struct icmp_head h = head[e->why][v4];

	if (e->why == ICMP_WHY_TOO_BIG)
		h.word = e->mtu;
	return h;
}

/* Copy n bytes from off of m to the end of the one-segment packet `to`. */
static bool quote(struct rte_mbuf *to, const struct rte_mbuf *m, uint32_t off, uint16_t n)
{
	char *room = rte_pktmbuf_append(to, n);
	const void *bytes;

	if (!room)
		return false;
	bytes = rte_pktmbuf_read(m, off, n, room);
	if (!bytes)
		return false;
	if (bytes != room)
		memcpy(room, bytes, n);
	return true;
}

struct rte_mbuf *icmp_error_build(const struct rte_mbuf *m, const struct pkt_meta *pm,
	const struct icmp_error *e, const struct net_if *nif, struct rte_mempool *pool,
	struct icmp_limiter *l, uint64_t now_ns)
{
	bool v4 = pm->ip_ver == 4;
	uint16_t l2 = build_l2_len(nif), l3 = v4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	uint16_t room = (uint16_t)((v4 ? ICMP4_ERROR_MAX : ICMP6_ERROR_MAX) - l3 - ICMP_HDR_LEN);
	uint16_t quoted = pm->l3_len < room ? pm->l3_len : room;
	uint8_t proto = v4 ? PROTO_ICMP : PROTO_ICMP6;
	struct build_ip ip = {.src = e->from,
		.dst = &pm->src,
		.proto = proto,
		.ttl = REPLY_TTL,
		.tos = v4 ? ICMP4_TOS : 0,
		.payload_len = (uint16_t)(ICMP_HDR_LEN + quoted)};
	struct cksum_tx tx = {l2, l3, ip.payload_len, proto};
	struct icmp_head head;
	struct rte_mbuf *out;
	uint8_t *p;

	if (!icmp_error_allowed(pm) || !icmp_limiter_take(l, now_ns))
		return NULL;
	head = head_of(e, v4);
	out = rte_pktmbuf_alloc(pool);
	if (!out)
		return NULL;
	p = (uint8_t *)rte_pktmbuf_append(out, (uint16_t)(l2 + l3 + ICMP_HDR_LEN));
	if (!p || !quote(out, m, pm->l3_off, quoted)) {
		rte_pktmbuf_free(out);
		return NULL;
	}
	p = build_eth(
		p, nif, rte_pktmbuf_mtod_offset(m, const uint8_t *, 6), v4 ? ETH_IP4 : ETH_IP6);
	p = build_ip(p, &ip);
	build_icmp(p, head.type, head.code, head.word);
	cksum_prepare_tx(out, &tx, nif);
	return out;
}
