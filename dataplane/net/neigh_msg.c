/* SPDX-License-Identifier: Apache-2.0
 * neigh - the messages: ARP (RFC 826, address conflicts as RFC 5227) and ICMPv6 neighbour
 * solicitation and advertisement (RFC 4861 7.1, 7.2). Validity comes first; then, does it claim an
 * address of ours; then learn; then answer. */
#include "dataplane/net/neigh_pvt.h"

#include "dataplane/base/time.h"
#include "dataplane/net/cksum.h"

#define ARP_ETHERNET 1
#define ARP_REQUEST  1
#define ARP_REPLY    2

#define ND_MSG_LEN  24 /* ICMPv6 header and target */
#define ND_OPT_LEN  8  /* link-layer address option */
#define ND_OPT_SLLA 1
#define ND_OPT_TLLA 2
#define ND_HOPS     255

#define NA_SOLICITED 0x40000000u
#define NA_OVERRIDE  0x20000000u

static const uint8_t mac_zero[6];
static const uint8_t mac_broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

struct ip_addr ip6_solicited_node(const struct ip_addr *a)
{
	struct ip_addr g = {.b = {0xff, 2, [11] = 1, [12] = 0xff}};

	memcpy(g.b + 13, a->b + 13, 3);
	return g;
}

void mac_from_group(const struct ip_addr *a, uint8_t mac[6])
{
	if (!ip_addr_is4(a)) {
		mac[0] = mac[1] = 0x33;
		memcpy(mac + 2, a->b + 12, 4);
	} else if (a->w[3] == UINT32_MAX) {
		memset(mac, 0xff, 6);
	} else {
		mac[0] = 0x01;
		mac[1] = 0x00;
		mac[2] = 0x5e;
		mac[3] = a->b[13] & 0x7f;
		mac[4] = a->b[14];
		mac[5] = a->b[15];
	}
}

/* ff02::1 */
static struct ip_addr all_nodes(void)
{
	return (struct ip_addr){.b = {0xff, 2, [15] = 1}};
}

/* --- sending --------------------------------------------------------------------------------- */

static struct rte_mbuf *frame_alloc(struct neigh_table *t, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(t->conf.pool);

	if (m && !rte_pktmbuf_append(m, len)) {
		rte_pktmbuf_free(m);
		m = NULL;
	}
	return m;
}

static void emit_born(struct neigh_table *t, uint16_t port, struct rte_mbuf *m)
{
	t->conf.ledger->born++;
	net_emit(&t->conf.emit, port, m);
}

struct arp_out {
	uint16_t op;
	uint32_t spa_be, tpa_be;
	const uint8_t *tha, *eth_dst;
};

static bool arp_send(struct neigh_table *t, uint16_t port, const struct arp_out *o)
{
	const struct net_if *nif = &t->conf.ifs[port];
	struct rte_mbuf *m = frame_alloc(t, (uint16_t)(build_l2_len(nif) + sizeof(struct arp_pkt)));
	struct arp_pkt *a;

	if (!m)
		return false;
	a = (struct arp_pkt *)build_eth(rte_pktmbuf_mtod(m, uint8_t *), nif, o->eth_dst, ETH_ARP);
	a->htype_be = BE16(ARP_ETHERNET);
	a->ptype_be = BE16(ETH_IP4);
	a->hlen = 6;
	a->plen = 4;
	a->op_be = BE16(o->op);
	memcpy(a->sha, nif->mac, 6);
	a->spa_be = o->spa_be;
	memcpy(a->tha, o->tha, 6);
	a->tpa_be = o->tpa_be;
	emit_born(t, port, m);
	return true;
}

struct nd_out {
	uint8_t type, opt; /* opt 0: none */
	uint32_t flags;
	struct ip_addr src, dst, target;
	const uint8_t *eth_dst;
};

static bool nd_send(struct neigh_table *t, uint16_t port, const struct nd_out *o)
{
	const struct net_if *nif = &t->conf.ifs[port];
	uint16_t l2 = build_l2_len(nif), len = o->opt ? ND_MSG_LEN + ND_OPT_LEN : ND_MSG_LEN;
	struct build_ip ip = {.src = &o->src,
		.dst = &o->dst,
		.payload_len = len,
		.proto = PROTO_ICMP6,
		.ttl = ND_HOPS};
	struct cksum_tx tx = {l2, IP6_HDR_LEN, len, PROTO_ICMP6};
	struct rte_mbuf *m = frame_alloc(t, (uint16_t)(l2 + IP6_HDR_LEN + len));
	uint8_t *p;

	if (!m)
		return false;
	p = build_eth(rte_pktmbuf_mtod(m, uint8_t *), nif, o->eth_dst, ETH_IP6);
	p = build_ip6(p, &ip);
	p = build_icmp(p, o->type, 0, o->flags);
	memcpy(p, &o->target, 16);
	if (o->opt) {
		p[16] = o->opt;
		p[17] = 1;
		memcpy(p + 18, nif->mac, 6);
	}
	cksum_prepare_tx(m, &tx, nif);
	emit_born(t, port, m);
	return true;
}

void neigh_ask(struct neigh_table *t, uint16_t port, const struct ip_addr *a, const uint8_t *mac)
{
	const struct ip_addr *src = net_if_source(&t->conf.ifs[port], a);
	uint8_t group_mac[6];
	bool sent;

	if (ip_addr_is4(a)) {
		/* Without an own address we ask as a probe does (RFC 5227): it is answered too. */
		struct arp_out o = {ARP_REQUEST, src ? src->w[3] : 0, a->w[3], mac_zero,
			mac ? mac : mac_broadcast};

		sent = arp_send(t, port, &o);
	} else if (src) {
		struct nd_out o = {.type = ICMP6_NS, .opt = ND_OPT_SLLA, .src = *src, .target = *a};

		o.dst = mac ? *a : ip6_solicited_node(a);
		mac_from_group(&o.dst, group_mac);
		o.eth_dst = mac ? mac : group_mac;
		sent = nd_send(t, port, &o);
	} else {
		sent = false;
	}
	t->stats.requests += sent;
}

uint32_t neigh_announce(struct neigh *n, uint16_t port, const struct ip_addr *addrs, uint32_t cnt)
{
	struct neigh_table *t = neigh_table_of(n);
	uint8_t group_mac[6];
	uint32_t i;

	for (i = 0; i < cnt; i++) {
		const struct ip_addr *a = &addrs[i];
		struct arp_out arp = {ARP_REQUEST, a->w[3], a->w[3], mac_zero, mac_broadcast};
		struct nd_out nd = {.type = ICMP6_NA,
			.opt = ND_OPT_TLLA,
			.flags = NA_OVERRIDE,
			.src = *a,
			.dst = all_nodes(),
			.target = *a,
			.eth_dst = group_mac};

		mac_from_group(&nd.dst, group_mac);
		if (!(ip_addr_is4(a) ? arp_send(t, port, &arp) : nd_send(t, port, &nd)))
			break;
	}
	return i;
}

bool neigh_probe_duplicate(struct neigh *n, uint16_t port, const struct ip_addr *a)
{
	struct neigh_table *t = neigh_table_of(n);
	struct arp_out arp = {ARP_REQUEST, 0, a->w[3], mac_zero, mac_broadcast};
	struct nd_out nd = {.type = ICMP6_NS, .target = *a, .dst = ip6_solicited_node(a)};
	uint8_t group_mac[6];

	if (ip_addr_is4(a))
		return arp_send(t, port, &arp);
	mac_from_group(&nd.dst, group_mac);
	nd.eth_dst = group_mac;
	return nd_send(t, port, &nd); /* from ::, without an option (RFC 4862 5.4.2) */
}

/* --- receiving ------------------------------------------------------------------------------- */

static void conflict(struct neigh_table *t, uint16_t port, const struct ip_addr *a,
	const uint8_t mac[6], uint64_t now_ns)
{
	t->stats.conflicts++;
	if (!t->conf.conflict || now_ns < t->conflict_next_ns)
		return;
	t->conflict_next_ns = now_ns + NS_PER_SEC;
	t->conf.conflict(t->conf.ctx, port, a, mac);
}

static bool owns(const struct neigh_table *t, uint16_t port, const struct ip_addr *a)
{
	return t->conf.owns(t->conf.ctx, port, a);
}

/* A link-layer address that one station can have. */
static bool mac_ok(const uint8_t mac[6])
{
	return !(mac[0] & 1) && memcmp(mac, mac_zero, 6) != 0;
}

/* A reply counts as an answer if we have asked (the entry is not at rest) or if it only repeats
 * what we know: on a port with several workers the others hear answers to questions not theirs. */
static bool answers_us(const struct neigh_table *t, uint32_t idx, const uint8_t *mac)
{
	const struct neigh_hot *h = &t->pub.hot[idx];

	return h->state == NEIGH_INCOMPLETE || h->state == NEIGH_PROBE ||
	       memcmp(h->mac, mac, 6) == 0;
}

static bool arp_ok(const struct arp_pkt *a)
{
	uint16_t op = BE16(a->op_be);

	return a->htype_be == BE16(ARP_ETHERNET) && a->ptype_be == BE16(ETH_IP4) && a->hlen == 6 &&
	       a->plen == 4 && (op == ARP_REQUEST || op == ARP_REPLY) && mac_ok(a->sha) &&
	       (BE32(a->spa_be) >> 28) != 0xe && a->spa_be != UINT32_MAX;
}

static enum reason arp_input(struct neigh_table *t, uint16_t port, const struct rte_mbuf *m,
	const struct pkt_meta *pm, bool answer, uint64_t now_ns)
{
	const struct arp_pkt *a = rte_pktmbuf_mtod_offset(m, const struct arp_pkt *, pm->l3_off);
	struct ip_addr sender, target;
	bool request, for_us;
	uint32_t idx;

	if (m->data_len < pm->l3_off + sizeof(*a) || !arp_ok(a))
		return REASON_ARP_MALFORMED;
	if (memcmp(a->sha, t->conf.ifs[port].mac, 6) == 0)
		return REASON_ARP_IGNORED; /* our own, come back */
	sender = ip_addr_from4(a->spa_be);
	target = ip_addr_from4(a->tpa_be);
	if (a->spa_be != 0 && owns(t, port, &sender)) {
		conflict(t, port, &sender, a->sha, now_ns);
		return REASON_ARP_CONFLICT;
	}
	request = a->op_be == BE16(ARP_REQUEST);
	for_us = owns(t, port, &target);
	idx = a->spa_be ? neigh_find(t, port, &sender) : POOL_NONE;
	if (idx != POOL_NONE) {
		bool solicited = !request && for_us && answers_us(t, idx, a->sha);
		struct neigh_news news = {a->sha, solicited, true, !solicited};

		neigh_learn(t, idx, &news, now_ns);
	}
	if (!request)
		return idx != POOL_NONE ? REASON_ARP_REPLY : REASON_ARP_IGNORED;
	if (!for_us)
		return REASON_ARP_IGNORED;
	if (answer) {
		struct arp_out o = {ARP_REPLY, a->tpa_be, a->spa_be, a->sha, a->sha};

		t->stats.answers += arp_send(t, port, &o);
	}
	return REASON_ARP_REQUEST;
}

/* Walk the options of an ND message (RFC 4861 4.6); false: malformed. *mac is the link-layer
 * address of the option `want`, or NULL. */
static bool nd_options(const uint8_t *o, uint32_t len, uint8_t want, const uint8_t **mac)
{
	*mac = NULL;
	while (len > 0) {
		uint32_t n;

		if (len < 8 || o[1] == 0)
			return false;
		n = o[1] * 8u;
		if (n > len)
			return false;
		if (o[0] == want && n == ND_OPT_LEN && !*mac)
			*mac = o + 2;
		o += n;
		len -= n;
	}
	return !*mac || mac_ok(*mac);
}

struct nd_in {
	struct ip_addr target;
	const uint8_t *mac; /* of the option; NULL if there is none */
	const uint8_t *eth_src;
	uint32_t flags;
};

static enum reason ns_input(struct neigh_table *t, uint16_t port, const struct pkt_meta *pm,
	const struct nd_in *in, bool answer, uint64_t now_ns)
{
	const struct net_if *nif = &t->conf.ifs[port];
	struct ip_addr solicited = ip6_solicited_node(&in->target);
	bool probe = ip_addr_is_zero(&pm->src);
	uint8_t group_mac[6];
	struct nd_out o = {.type = ICMP6_NA,
		.opt = ND_OPT_TLLA,
		.src = in->target,
		.target = in->target,
		.flags = NA_OVERRIDE | (probe ? 0 : NA_SOLICITED)};
	uint32_t idx;

	if (probe && (in->mac || !ip_addr_eq(&pm->dst, &solicited)))
		return REASON_ND_MALFORMED;
	if (memcmp(in->eth_src, nif->mac, 6) == 0)
		return REASON_ND_IGNORED; /* our own, come back */
	if (!probe && owns(t, port, &pm->src)) {
		conflict(t, port, &pm->src, in->eth_src, now_ns);
		return REASON_ND_CONFLICT;
	}
	if (!probe && in->mac) {
		struct neigh_news news = {in->mac, false, true, true};

		idx = neigh_find(t, port, &pm->src);
		if (idx != POOL_NONE)
			neigh_learn(t, idx, &news, now_ns);
	}
	/* To us, or to the group that an address of ours is a member of. */
	if (!owns(t, port, &in->target) ||
		(ip_addr_is_multicast(&pm->dst) && !ip_addr_eq(&pm->dst, &solicited)))
		return REASON_ND_IGNORED;
	if (probe) /* somebody is about to take our address: the answer keeps him off */
		conflict(t, port, &in->target, in->eth_src, now_ns);
	if (answer) {
		o.dst = probe ? all_nodes() : pm->src;
		mac_from_group(&o.dst, group_mac);
		o.eth_dst = probe ? group_mac : in->mac ? in->mac : in->eth_src;
		t->stats.answers += nd_send(t, port, &o);
	}
	return REASON_ND_SOLICIT;
}

static enum reason na_input(struct neigh_table *t, uint16_t port, const struct pkt_meta *pm,
	const struct nd_in *in, uint64_t now_ns)
{
	bool solicited = in->flags & NA_SOLICITED;
	uint32_t idx;

	if (ip_addr_is_multicast(&pm->dst) && solicited)
		return REASON_ND_MALFORMED;
	if (memcmp(in->eth_src, t->conf.ifs[port].mac, 6) == 0)
		return REASON_ND_IGNORED;
	if (owns(t, port, &in->target)) {
		conflict(t, port, &in->target, in->mac ? in->mac : in->eth_src, now_ns);
		return REASON_ND_CONFLICT;
	}
	idx = neigh_find(t, port, &in->target);
	if (idx == POOL_NONE)
		return REASON_ND_IGNORED;
	if (solicited && in->mac)
		solicited = answers_us(t, idx, in->mac);
	struct neigh_news news = {in->mac, solicited, in->flags & NA_OVERRIDE, !solicited};
	neigh_learn(t, idx, &news, now_ns);
	return REASON_ND_ADVERT;
}

/* What RFC 4861 7.1.1 and 7.1.2 ask of both messages. */
static enum reason nd_input(struct neigh_table *t, uint16_t port, const struct rte_mbuf *m,
	const struct pkt_meta *pm, bool answer, uint64_t now_ns)
{
	const uint8_t *h = rte_pktmbuf_mtod_offset(m, const uint8_t *, pm->l4_off);
	uint32_t end = (uint32_t)pm->l3_off + pm->l3_len, len = end - pm->l4_off;
	bool ns = pm->icmp_type == ICMP6_NS;
	struct nd_in in;

	if (!ns && pm->icmp_type != ICMP6_NA)
		return REASON_ND_IGNORED;
	/* Fragments are refused (RFC 6980). */
	if (pm->ttl != ND_HOPS || pm->icmp_code != 0 || len < ND_MSG_LEN || m->data_len < end ||
		(pm->flags & PKT_F_FRAG) || pm->frag_hdr_off != 0)
		return REASON_ND_MALFORMED;
	in.target = ip_addr_from6(h + 8);
	in.flags = load_be32(h + 4);
	in.eth_src = rte_pktmbuf_mtod_offset(m, const uint8_t *, 6);
	if (ip_addr_is_multicast(&in.target) || ip_addr_is4(&in.target) ||
		(!ns && ip_addr_is_zero(&pm->src)) || !mac_ok(in.eth_src) ||
		!nd_options(h + ND_MSG_LEN, len - ND_MSG_LEN, ns ? ND_OPT_SLLA : ND_OPT_TLLA,
			&in.mac) ||
		cksum_verify_rx(m, pm, false) != REASON_NONE)
		return REASON_ND_MALFORMED;
	return ns ? ns_input(t, port, pm, &in, answer, now_ns) : na_input(t, port, pm, &in, now_ns);
}

enum reason neigh_input(struct neigh *n, uint16_t port, const struct rte_mbuf *m,
	const struct pkt_meta *pm, bool answer, uint64_t now_ns)
{
	struct neigh_table *t = neigh_table_of(n);

	if (pm->kind == PKT_ARP)
		return arp_input(t, port, m, pm, answer, now_ns);
	if (pm->ip_ver == 6 && pm->proto == PROTO_ICMP6 && pm->frag_off == 0 &&
		pm->icmp_type >= ICMP6_RS && pm->icmp_type <= ICMP6_REDIRECT)
		return nd_input(t, port, m, pm, answer, now_ns);
	return REASON_NONE;
}
