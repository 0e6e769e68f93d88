/* SPDX-License-Identifier: Apache-2.0
 * icmp - errors about a flow whose packets we translate: what they quote was seen on one side and
 * must read as seen on the other.
 *
 * Inside one family addresses, ports and checksums are changed where they stand. Between families
 * the two IP headers change their size: what follows the quoted IP header stays in place, and the
 * three headers before it are written anew, back to front, into the headroom. */
#include "dataplane/net/icmp.h"

#include "dataplane/base/limits.h"
#include "dataplane/net/build.h"

#define V46_DIFF   20u /* IP6_HDR_LEN - IP4_HDR_LEN */
#define NO_POINTER 255

/* --- type and code, RFC 7915 4.2 and 5.2 ------------------------------------------------------ */

/* RFC 7915 figures 3 and 6: where the octet a pointer names stands in the other header. */
static const uint8_t pointer_4to6[IP4_HDR_LEN] = {0, 1, 4, 4, NO_POINTER, NO_POINTER, NO_POINTER,
	NO_POINTER, 7, 6, NO_POINTER, NO_POINTER, 8, 8, 8, 8, 24, 24, 24, 24};

static uint8_t pointer_6to4(uint32_t at)
{
	static const uint8_t head[8] = {0, 1, NO_POINTER, NO_POINTER, 2, 2, 9, 8};

	return at < 8 ? head[at] : at < 24 ? 12 : at < 40 ? 16 : NO_POINTER;
}

/* RFC 1191 7.1, for routers that do not tell their MTU. */
static uint16_t plateau_below(uint16_t len)
{
	static const uint16_t plateau[] = {32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296};

	for (size_t i = 0; i < ARRAY_SIZE(plateau); i++)
		if (plateau[i] < len)
			return plateau[i];
	return IP4_MIN_MTU;
}

static uint32_t min_known(uint32_t a, uint32_t b)
{
	return b != 0 && b < a ? b : a;
}

static bool set_head(struct icmp_head *h, uint8_t type, uint8_t code)
{
	*h = (struct icmp_head){type, code, 0};
	return true;
}

static bool unreach_4to6(struct icmp_head *h, uint16_t mtu4, uint16_t mtu6, uint16_t inner_len)
{
	uint32_t mtu = h->word & 0xffff;

	switch (h->code) {
	case ICMP4_UNREACH_PROTO:
		set_head(h, ICMP6_PARAM, 1);
		h->word = 6; /* the next-header octet */
		return true;
	case ICMP4_UNREACH_PORT:
		return set_head(h, ICMP6_UNREACH, ICMP6_UNREACH_PORT);
	case ICMP4_UNREACH_FRAG:
		if (mtu == 0)
			mtu = plateau_below(inner_len);
		mtu = min_known(mtu + V46_DIFF, mtu6);
		mtu = min_known(mtu, mtu4 ? mtu4 + V46_DIFF : 0u);
		set_head(h, ICMP6_TOO_BIG, 0);
		h->word = mtu < IP6_MIN_MTU ? IP6_MIN_MTU : mtu;
		return true;
	case 9:
	case 10:
	case ICMP4_UNREACH_ADMIN:
	case 15:
		return set_head(h, ICMP6_UNREACH, ICMP6_UNREACH_ADMIN);
	case 14:
		return false;
	default:
		return h->code <= 12 && set_head(h, ICMP6_UNREACH, ICMP6_UNREACH_ROUTE);
	}
}

bool icmp_head_4to6(struct icmp_head *h, uint16_t mtu4, uint16_t mtu6, uint16_t inner_len)
{
	uint8_t at;

	switch (h->type) {
	case ICMP4_UNREACH:
		return unreach_4to6(h, mtu4, mtu6, inner_len);
	case ICMP4_TIME:
		return h->code <= 1 && set_head(h, ICMP6_TIME, h->code);
	case ICMP4_PARAM:
		at = (uint8_t)(h->word >> 24);
		if ((h->code != 0 && h->code != 2) || at >= IP4_HDR_LEN ||
			pointer_4to6[at] == NO_POINTER)
			return false;
		set_head(h, ICMP6_PARAM, 0);
		h->word = pointer_4to6[at];
		return true;
	default:
		return false;
	}
}

bool icmp_head_6to4(struct icmp_head *h, uint16_t mtu4, uint16_t mtu6)
{
	uint32_t mtu = h->word;
	uint8_t at;

	switch (h->type) {
	case ICMP6_UNREACH:
		if (h->code > ICMP6_UNREACH_PORT)
			return false;
		return set_head(h, ICMP4_UNREACH,
			h->code == ICMP6_UNREACH_PORT    ? ICMP4_UNREACH_PORT
			: h->code == ICMP6_UNREACH_ADMIN ? 10
							 : ICMP4_UNREACH_HOST);
	case ICMP6_TOO_BIG:
		mtu = mtu < IP6_MIN_MTU ? IP6_MIN_MTU : mtu;
		mtu = min_known(mtu - V46_DIFF, mtu4);
		mtu = min_known(mtu, mtu6 ? mtu6 - V46_DIFF : 0u);
		set_head(h, ICMP4_UNREACH, ICMP4_UNREACH_FRAG);
		h->word = mtu > UINT16_MAX ? UINT16_MAX : mtu;
		return true;
	case ICMP6_TIME:
		return h->code <= 1 && set_head(h, ICMP4_TIME, h->code);
	case ICMP6_PARAM:
		if (h->code == 1)
			return set_head(h, ICMP4_UNREACH, ICMP4_UNREACH_PROTO);
		at = h->code == 0 ? pointer_6to4(mtu) : NO_POINTER;
		if (at == NO_POINTER)
			return false;
		set_head(h, ICMP4_PARAM, 0);
		h->word = (uint32_t)at << 24;
		return true;
	default:
		return false;
	}
}

/* --- the quoted transport header -------------------------------------------------------------- */

/* The checksum field of the quoted transport header, or NULL: not quoted, or none. */
static uint16_t *inner_cksum(struct rte_mbuf *m, const struct pkt_meta *pm)
{
	uint32_t end = (uint32_t)pm->l3_off + pm->l3_len;
	uint32_t at = pm->inner.l4_off;

	switch (pm->inner.proto) {
	case PROTO_TCP:
		at += offsetof(struct tcp_hdr, cksum);
		break;
	case PROTO_UDP:
		at += offsetof(struct udp_hdr, cksum);
		break;
	case PROTO_ICMP:
	case PROTO_ICMP6:
		at += offsetof(struct icmp_hdr, cksum);
		break;
	default:
		return NULL;
	}
	if (!(pm->flags & PKT_F_INNER_PORTS) || at + 2 > end || at + 2 > m->data_len)
		return NULL;
	return rte_pktmbuf_mtod_offset(m, uint16_t *, at);
}

static bool inner_is_echo(const struct pkt_meta *pm)
{
	return pm->inner.proto == PROTO_ICMP || pm->inner.proto == PROTO_ICMP6;
}

/* Write the new ports or identifier; returns the difference they make. */
static uint64_t inner_set_ports(
	struct rte_mbuf *m, const struct pkt_meta *pm, const struct icmp_nat *to)
{
	uint8_t *l4 = rte_pktmbuf_mtod_offset(m, uint8_t *, pm->inner.l4_off);
	uint64_t diff;

	if (!(pm->flags & PKT_F_INNER_PORTS))
		return 0;
	if (inner_is_echo(pm)) {
		diff = cksum_diff16(0, load16(l4 + 4), to->inner_sport);
		store16(l4 + 4, to->inner_sport);
		return diff;
	}
	diff = cksum_diff16(0, load16(l4), to->inner_sport);
	diff = cksum_diff16(diff, load16(l4 + 2), to->inner_dport);
	store16(l4, to->inner_sport);
	store16(l4 + 2, to->inner_dport);
	return diff;
}

static void apply_inner(uint16_t *field, uint8_t proto, uint64_t diff)
{
	uint16_t old = load16(field);

	store16(field, proto == PROTO_UDP ? cksum_apply_udp(old, diff) : cksum_apply(old, diff));
}

static void meta_follow(struct pkt_meta *pm, const struct icmp_nat *to)
{
	pm->src = to->outer_src;
	pm->dst = to->outer_dst;
	pm->inner.src = to->inner_src;
	pm->inner.dst = to->inner_dst;
	if (pm->flags & PKT_F_INNER_PORTS) {
		pm->inner.sport = to->inner_sport;
		pm->inner.dport = inner_is_echo(pm) ? to->inner_sport : to->inner_dport;
	}
	if (to->ttl)
		pm->ttl = to->ttl;
}

/* --- one family ------------------------------------------------------------------------------- */

static void put_addrs(uint8_t *l3, bool v4, const struct ip_addr *src, const struct ip_addr *dst)
{
	if (v4) {
		store32(l3 + 12, src->w[3]);
		store32(l3 + 16, dst->w[3]);
	} else {
		memcpy(l3 + 8, src, 16);
		memcpy(l3 + 24, dst, 16);
	}
}

/* Every change in the ICMP body goes into `body`, those of checksums too. */
static void translate_same(struct rte_mbuf *m, struct pkt_meta *pm, const struct icmp_nat *to)
{
	bool v4 = pm->ip_ver == 4;
	uint8_t *l3 = rte_pktmbuf_mtod_offset(m, uint8_t *, pm->l3_off);
	uint8_t *inner = rte_pktmbuf_mtod_offset(m, uint8_t *, pm->inner.l3_off);
	struct icmp_hdr *icmp = rte_pktmbuf_mtod_offset(m, struct icmp_hdr *, pm->l4_off);
	uint16_t *l4_sum = inner_cksum(m, pm), old;
	uint64_t in_addrs, out_addrs, ports, body;

	in_addrs = cksum_diff_addr(
		cksum_diff_addr(0, &pm->inner.src, &to->inner_src), &pm->inner.dst, &to->inner_dst);
	out_addrs = cksum_diff_addr(
		cksum_diff_addr(0, &pm->src, &to->outer_src), &pm->dst, &to->outer_dst);
	ports = inner_set_ports(m, pm, to);
	body = in_addrs + ports;
	if (l4_sum) {
		old = load16(l4_sum);
		apply_inner(l4_sum, pm->inner.proto,
			ports + (pm->inner.proto == PROTO_ICMP ? 0 : in_addrs));
		body = cksum_diff16(body, old, load16(l4_sum));
	}
	if (v4) {
		old = load16(inner + 10);
		store16(inner + 10, cksum_apply(old, in_addrs));
		body = cksum_diff16(body, old, load16(inner + 10));
	} else {
		body += out_addrs; /* pseudo header */
	}
	icmp->cksum = cksum_apply(icmp->cksum, body);
	put_addrs(inner, v4, &to->inner_src, &to->inner_dst);
	put_addrs(l3, v4, &to->outer_src, &to->outer_dst);
	if (to->ttl)
		l3[v4 ? 8 : 7] = to->ttl;
	if (v4)
		store16(l3 + 10, cksum_ip4((const struct ip4_hdr *)l3));
	meta_follow(pm, to);
}

/* --- between families ------------------------------------------------------------------------- */

struct quoted {
	uint8_t ttl, tos;
	uint16_t payload_len; /* as the quoted header says, whatever is left of it */
	uint32_t frag_id;     /* host order */
	bool frag;            /* a first fragment with more to come */
	uint16_t total_len;
};

static bool quoted_read4(const uint8_t *h, const struct pkt_meta *pm, struct quoted *q)
{
	uint16_t ihl = (uint16_t)(pm->inner.l4_off - pm->inner.l3_off), frag = load_be16(h + 6);

	q->ttl = h[8];
	q->tos = h[1];
	q->total_len = load_be16(h + 2);
	q->payload_len = (uint16_t)(q->total_len - ihl);
	q->frag = frag & IP4_MF;
	q->frag_id = load_be16(h + 4);
	return (frag & IP4_OFF_MASK) == 0 && q->total_len >= ihl;
}

/* Extension headers are known to be well-formed and quoted; only the fragment header counts. */
static bool quoted_read6(const uint8_t *h, const struct pkt_meta *pm, struct quoted *q)
{
	uint32_t ext = (uint32_t)(pm->inner.l4_off - pm->inner.l3_off - IP6_HDR_LEN);
	uint32_t off = IP6_HDR_LEN;
	uint32_t plen = load_be16(h + 4);
	uint8_t next = h[6];

	q->ttl = h[7];
	q->tos = (uint8_t)(load_be16(h) >> 4);
	q->frag = false;
	q->frag_id = 0;
	if (plen < ext)
		return false;
	q->payload_len = (uint16_t)(plen - ext);
	q->total_len =
		(uint16_t)(plen + IP6_HDR_LEN > UINT16_MAX ? UINT16_MAX : plen + IP6_HDR_LEN);
	while (off < IP6_HDR_LEN + ext) {
		const uint8_t *e = h + off;

		if (next == PROTO_AH)
			return false;
		if (next == PROTO_FRAGMENT) {
			uint16_t field = load_be16(e + 2);

			if (field & IP6_OFF_MASK)
				return false;
			q->frag = field & IP6_MF;
			q->frag_id = load_be32(e + 4);
		}
		off += next == PROTO_FRAGMENT ? IP6_FRAG_LEN : (e[1] + 1u) * 8;
		next = e[0];
	}
	return q->payload_len <= UINT16_MAX - IP4_HDR_LEN;
}

/* The quoted IP header in the other family; returns the byte behind it. */
static uint8_t *quoted_write(
	uint8_t *p, bool to4, uint8_t proto, const struct quoted *q, const struct icmp_nat *to)
{
	struct build_ip ip = {.src = &to->inner_src,
		.dst = &to->inner_dst,
		.proto = proto,
		.tos = q->tos,
		.ttl = q->ttl,
		.payload_len = q->payload_len,
		.df = !q->frag};
	struct ip6_frag_hdr *f;
	struct ip4_hdr *h4;

	if (to4) {
		ip.id = (uint16_t)q->frag_id;
		h4 = (struct ip4_hdr *)p;
		p = build_ip4(p, &ip);
		if (q->frag) {
			h4->frag_be = BE16(IP4_MF);
			h4->cksum = cksum_ip4(h4);
		}
		return p;
	}
	if (!q->frag)
		return build_ip6(p, &ip);
	ip.proto = PROTO_FRAGMENT;
	ip.payload_len = (uint16_t)(ip.payload_len + IP6_FRAG_LEN);
	f = (struct ip6_frag_hdr *)build_ip6(p, &ip);
	*f = (struct ip6_frag_hdr){proto, 0, BE16(IP6_MF), BE32(q->frag_id)};
	return (uint8_t *)(f + 1);
}

/* Echo type and pseudo header come and go with the family; the rest is as within one. */
static void inner_cross(struct rte_mbuf *m, const struct pkt_meta *pm, const struct icmp_nat *to,
	const struct quoted *q)
{
	bool to4 = pm->ip_ver == 6;
	uint8_t *l4 = rte_pktmbuf_mtod_offset(m, uint8_t *, pm->inner.l4_off);
	uint16_t *sum = inner_cksum(m, pm), old = load16(l4);
	uint64_t diff = inner_set_ports(m, pm, to);

	if (!inner_is_echo(pm)) {
		diff = cksum_diff_addr(diff, &pm->inner.src, &to->inner_src);
		diff = cksum_diff_addr(diff, &pm->inner.dst, &to->inner_dst);
	} else {
		if (to4) {
			l4[0] = l4[0] == ICMP6_ECHO ? ICMP4_ECHO : ICMP4_ECHO_REPLY;
			diff += (uint16_t)~cksum_fold(cksum_pseudo(
				&pm->inner.src, &pm->inner.dst, PROTO_ICMP6, q->payload_len));
		} else {
			l4[0] = l4[0] == ICMP4_ECHO ? ICMP6_ECHO : ICMP6_ECHO_REPLY;
			diff += cksum_pseudo(
				&to->inner_src, &to->inner_dst, PROTO_ICMP6, q->payload_len);
		}
		diff = cksum_diff16(diff, old, load16(l4));
	}
	if (sum)
		apply_inner(sum, pm->inner.proto, diff);
}

static uint8_t proto_cross(uint8_t proto)
{
	return proto == PROTO_ICMP ? PROTO_ICMP6 : proto == PROTO_ICMP6 ? PROTO_ICMP : proto;
}

static enum reason translate_cross(
	struct rte_mbuf *m, struct pkt_meta *pm, const struct icmp_nat *to)
{
	bool to4 = pm->ip_ver == 6;
	const uint8_t *inner = rte_pktmbuf_mtod_offset(m, const uint8_t *, pm->inner.l3_off);
	const uint8_t *icmp = rte_pktmbuf_mtod_offset(m, const uint8_t *, pm->l4_off);
	struct icmp_head head = {icmp[0], icmp[1], load_be32(icmp + 4)};
	uint32_t end = (uint32_t)pm->l3_off + pm->l3_len, kept = end - pm->inner.l4_off;
	uint16_t outer_len = to4 ? IP4_HDR_LEN : IP6_HDR_LEN, inner_len = outer_len;
	uint32_t limit = to4 ? 576 : IP6_MIN_MTU, heads;
	struct quoted q = {0};
	uint8_t *p;
	int shift;

	/* Without ports it is no flow of ours; and some protocol numbers of IPv4 are extension
	 * headers in IPv6. */
	if (!(pm->flags & PKT_F_INNER_PORTS))
		return REASON_ICMP_UNHANDLED;
	if (!(to4 ? quoted_read6(inner, pm, &q) : quoted_read4(inner, pm, &q)))
		return REASON_FRAG_UNTRANSLATABLE;
	if (inner_is_echo(pm) && q.frag)
		return REASON_FRAG_UNTRANSLATABLE; /* RFC 7915 1.2 */
	if (!(to4 ? icmp_head_6to4(&head, to->mtu4, to->mtu6)
		  : icmp_head_4to6(&head, to->mtu4, to->mtu6, q.total_len)))
		return REASON_ICMP_UNHANDLED;
	if (!to4 && q.frag)
		inner_len += IP6_FRAG_LEN;
	heads = (uint32_t)outer_len + ICMP_HDR_LEN + inner_len;
	if (kept > limit - heads)
		kept = limit - heads;
	shift = (int)(pm->l3_off + heads) - pm->inner.l4_off;
	if (shift > 0 && !rte_pktmbuf_prepend(m, (uint16_t)shift))
		return REASON_NO_MBUF;
	if (shift < 0)
		rte_pktmbuf_adj(m, (uint16_t)-shift);
	pm->inner.l4_off = (uint16_t)(pm->inner.l4_off + shift);
	pm->l3_len = (uint16_t)(heads + kept);
	if (m->nb_segs == 1 && m->pkt_len > pm->l3_off + (uint32_t)pm->l3_len)
		rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - pm->l3_off - pm->l3_len));
	inner_cross(m, pm, to, &q);
	struct build_ip ip = {.src = &to->outer_src,
		.dst = &to->outer_dst,
		.tos = pm->tos,
		.proto = to4 ? PROTO_ICMP : PROTO_ICMP6,
		.ttl = to->ttl ? to->ttl : pm->ttl,
		.df = true,
		.payload_len = (uint16_t)(ICMP_HDR_LEN + inner_len + kept)};

	pm->inner.proto = proto_cross(pm->inner.proto);
	p = build_ip(rte_pktmbuf_mtod_offset(m, uint8_t *, pm->l3_off), &ip);
	p = build_icmp(p, head.type, head.code, head.word);
	quoted_write(p, to4, pm->inner.proto, &q, to);
	pm->kind = to4 ? PKT_IP4 : PKT_IP6;
	pm->ip_ver = to4 ? 4 : 6;
	pm->proto = ip.proto;
	pm->l4_off = (uint16_t)(pm->l3_off + outer_len);
	pm->proto_off = (uint16_t)(pm->l3_off + (to4 ? 9 : 6));
	pm->inner.l3_off = (uint16_t)(pm->l4_off + ICMP_HDR_LEN);
	pm->icmp_type = head.type;
	pm->icmp_code = head.code;
	pm->frag_hdr_off = 0;
	pm->frag_id = 0;
	pm->flags = (uint16_t)((pm->flags & ~PKT_F_OPTIONS) | PKT_F_DF);
	meta_follow(pm, to);
	cksum_fill_l4(m, pm);
	return REASON_NONE;
}

enum reason icmp_translate(struct rte_mbuf *m, struct pkt_meta *pm, const struct icmp_nat *to)
{
	if (!(pm->flags & PKT_F_ICMP_ERROR))
		return REASON_ICMP_UNHANDLED;
	if (cksum_verify_rx(m, pm, false) != REASON_NONE)
		return REASON_ICMP_CHECKSUM;
	if (ip_addr_is4(&to->outer_dst) != (pm->ip_ver == 4))
		return translate_cross(m, pm, to);
	translate_same(m, pm, to);
	return REASON_NONE;
}
