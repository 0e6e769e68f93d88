/* SPDX-License-Identifier: Apache-2.0
 * xlate - the transport header stays where it is; the IP header of the other family is written to
 * end right before it, and the start of the frame moves so that l3_off stays the same. */
#include "dataplane/net/xlate.h"

#include "dataplane/net/build.h"

/* RFC 7915 5.1: a packet of at most 1260 bytes may be fragmented on its way. */
#define DF_CLEAR_MAX (IP6_MIN_MTU - (IP6_HDR_LEN - IP4_HDR_LEN))

static uint8_t proto_cross(uint8_t proto)
{
	return proto == PROTO_ICMP ? PROTO_ICMP6 : proto == PROTO_ICMP6 ? PROTO_ICMP : proto;
}

static bool is_echo(const struct pkt_meta *pm)
{
	if (pm->ip_ver == 4)
		return pm->icmp_type == ICMP4_ECHO || pm->icmp_type == ICMP4_ECHO_REPLY;
	return pm->icmp_type == ICMP6_ECHO || pm->icmp_type == ICMP6_ECHO_REPLY;
}

/* What the fragment fields of either header say. */
struct frag_info {
	uint32_t id; /* host order */
	uint16_t off;
	bool more;
	bool atomic; /* IPv6 fragment header on a whole packet */
};

static struct frag_info frag_read(const uint8_t *frame, const struct pkt_meta *pm)
{
	struct frag_info f = {.off = pm->frag_off};

	if (pm->ip_ver == 4) {
		f.id = load_be16(frame + pm->l3_off + 4);
		f.more = load_be16(frame + pm->l3_off + 6) & IP4_MF;
	} else if (pm->frag_hdr_off != 0) {
		f.id = load_be32(frame + pm->frag_hdr_off + 4);
		f.more = load_be16(frame + pm->frag_hdr_off + 2) & IP6_MF;
		f.atomic = !f.more && f.off == 0;
	}
	return f;
}

/* Extension headers are known to be well-formed; some mean what IPv4 cannot say. */
static bool ext_droppable(const uint8_t *l3, const struct pkt_meta *pm)
{
	uint32_t off = IP6_HDR_LEN, end = (uint32_t)(pm->l4_off - pm->l3_off);
	uint8_t next = l3[6];

	while (off < end) {
		const uint8_t *e = l3 + off;

		if (next == PROTO_AH || (next == PROTO_ROUTING && e[3] != 0))
			return false;
		off += next == PROTO_FRAGMENT ? IP6_FRAG_LEN : (e[1] + 1u) * 8;
		next = e[0];
	}
	return true;
}

static enum reason check(const uint8_t *frame, const struct pkt_meta *pm)
{
	bool v4 = pm->ip_ver == 4;
	bool icmp = pm->proto == (v4 ? PROTO_ICMP : PROTO_ICMP6);

	if (pm->proto != PROTO_TCP && pm->proto != PROTO_UDP && !icmp)
		return REASON_PROTO_UNKNOWN;
	if (icmp && (pm->flags & PKT_F_FRAG))
		return REASON_FRAG_UNTRANSLATABLE; /* RFC 7915 1.2: nobody knows the whole length */
	if (icmp && !is_echo(pm))
		return REASON_PROTO_UNKNOWN;
	if (!v4 && !ext_droppable(frame + pm->l3_off, pm))
		return REASON_IP6_EXT_BAD;
	if (v4 && pm->proto == PROTO_UDP && (pm->flags & PKT_F_FRAG_FIRST) &&
		load16(frame + pm->l4_off + offsetof(struct udp_hdr, cksum)) == 0)
		return REASON_FRAG_UNTRANSLATABLE; /* RFC 7915 4.5: nobody can sum it */
	return REASON_NONE;
}

/* Ports, echo type and checksum of a whole packet or a first fragment. */
static void l4_cross(uint8_t *l4, const struct pkt_meta *pm, const struct xlate *x, uint32_t l4_len)
{
	uint64_t diff = cksum_diff_addr(cksum_diff_addr(0, &pm->src, &x->src), &pm->dst, &x->dst);
	struct icmp_hdr *icmp = (struct icmp_hdr *)l4;
	struct tcp_hdr *tcp = (struct tcp_hdr *)l4;
	struct udp_hdr *udp = (struct udp_hdr *)l4;
	uint16_t old = load16(l4);

	if (pm->proto == PROTO_TCP || pm->proto == PROTO_UDP) {
		diff = cksum_diff16(diff, old, x->sport);
		diff = cksum_diff16(diff, load16(l4 + 2), x->dport);
		store16(l4, x->sport);
		store16(l4 + 2, x->dport);
		if (pm->proto == PROTO_TCP)
			tcp->cksum = cksum_apply(tcp->cksum, diff);
		else
			udp->cksum = cksum_apply_udp(udp->cksum, diff);
		return;
	}
	diff = cksum_diff16(0, icmp->id_be, x->sport);
	icmp->id_be = x->sport;
	if (pm->ip_ver == 4) {
		icmp->type = icmp->type == ICMP4_ECHO ? ICMP6_ECHO : ICMP6_ECHO_REPLY;
		diff += cksum_pseudo(&x->src, &x->dst, PROTO_ICMP6, l4_len);
	} else {
		icmp->type = icmp->type == ICMP6_ECHO ? ICMP4_ECHO : ICMP4_ECHO_REPLY;
		diff += (uint16_t)~cksum_fold(
			cksum_pseudo(&pm->src, &pm->dst, PROTO_ICMP6, l4_len));
	}
	icmp->cksum = cksum_apply(icmp->cksum, cksum_diff16(diff, old, load16(l4)));
}

/* RFC 7915 5.1: a fragment keeps its fields; a whole packet may be fragmented on if it is small or
 * said so by a fragment header. */
static void write_ip4(uint8_t *p, struct pkt_meta *pm, struct build_ip *ip,
	const struct frag_info *f, uint16_t ip_id)
{
	bool frag = pm->flags & PKT_F_FRAG;
	struct ip4_hdr *h = (struct ip4_hdr *)p;

	ip->df = !frag && !f->atomic && ip->payload_len + IP4_HDR_LEN > DF_CLEAR_MAX;
	ip->id = frag || f->atomic ? (uint16_t)f->id : ip->df ? 0 : ip_id;
	build_ip4(p, ip);
	if (frag) {
		h->frag_be = BE16((f->off >> 3) | (f->more ? IP4_MF : 0));
		h->cksum = cksum_ip4(h);
	}
	pm->frag_id = h->id_be;
	pm->frag_hdr_off = 0;
	pm->proto_off = (uint16_t)(pm->l3_off + 9);
	pm->flags = (uint16_t)((pm->flags & ~(PKT_F_DF | PKT_F_OPTIONS)) | (ip->df ? PKT_F_DF : 0));
}

static void write_ip6(
	uint8_t *p, struct pkt_meta *pm, struct build_ip *ip, const struct frag_info *f)
{
	uint8_t proto = ip->proto;
	struct ip6_frag_hdr *h;

	pm->flags = (uint16_t)((pm->flags & ~PKT_F_OPTIONS) | PKT_F_DF);
	pm->frag_hdr_off = 0;
	pm->frag_id = 0;
	pm->proto_off = (uint16_t)(pm->l3_off + 6);
	if (!(pm->flags & PKT_F_FRAG)) {
		build_ip6(p, ip);
		return;
	}
	ip->proto = PROTO_FRAGMENT;
	ip->payload_len = (uint16_t)(ip->payload_len + IP6_FRAG_LEN);
	h = (struct ip6_frag_hdr *)build_ip6(p, ip);
	*h = (struct ip6_frag_hdr){proto, 0, BE16(f->off | (f->more ? IP6_MF : 0)), BE32(f->id)};
	pm->flags |= PKT_F_OPTIONS;
	pm->frag_id = h->id_be;
	pm->frag_hdr_off = pm->proto_off = (uint16_t)(pm->l3_off + IP6_HDR_LEN);
}

/* Move the start of the frame by as much as the headers before l4_off change their length. */
static bool move_start(struct rte_mbuf *m, struct pkt_meta *pm, uint16_t new_hdr)
{
	int shift = pm->l3_off + new_hdr - pm->l4_off;

	if (shift > 0 && !rte_pktmbuf_prepend(m, (uint16_t)shift))
		return false;
	if (shift < 0)
		rte_pktmbuf_adj(m, (uint16_t)-shift);
	pm->l4_off = (uint16_t)(pm->l3_off + new_hdr);
	return true;
}

/* What follows from a done translation but is not part of the IP header. */
static void meta_follow(struct pkt_meta *pm, const struct xlate *x, bool to4)
{
	pm->src = x->src;
	pm->dst = x->dst;
	pm->ttl = x->ttl;
	pm->ip_ver = to4 ? 4 : 6;
	pm->kind = to4 ? PKT_IP4 : PKT_IP6;
	if (pm->flags & PKT_F_PORTS) {
		pm->sport = x->sport;
		pm->dport = pm->proto == PROTO_TCP || pm->proto == PROTO_UDP ? x->dport : x->sport;
	}
}

enum reason xlate_packet(struct rte_mbuf *m, struct pkt_meta *pm, const struct xlate *x)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	bool to4 = pm->ip_ver == 6, no_sum;
	uint32_t l4_len = (uint32_t)pm->l3_off + pm->l3_len - pm->l4_off;
	uint16_t hdr = to4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	struct frag_info f = frag_read(frame, pm);
	struct build_ip ip = {.src = &x->src,
		.dst = &x->dst,
		.tos = pm->tos,
		.ttl = x->ttl,
		.proto = proto_cross(pm->proto),
		.payload_len = (uint16_t)l4_len};
	enum reason r = check(frame, pm);
	uint8_t *p;

	if (r != REASON_NONE)
		return r;
	if (!to4 && (pm->flags & PKT_F_FRAG))
		hdr += IP6_FRAG_LEN;
	if (hdr + l4_len > UINT16_MAX)
		return REASON_TOO_BIG;
	if (!move_start(m, pm, hdr))
		return REASON_NO_MBUF;
	p = rte_pktmbuf_mtod_offset(m, uint8_t *, pm->l4_off);
	no_sum = pm->proto == PROTO_UDP && pm->frag_off == 0 &&
		 load16(p + offsetof(struct udp_hdr, cksum)) == 0;
	if (pm->frag_off == 0)
		l4_cross(p, pm, x, l4_len);
	if (pm->proto == PROTO_ICMP || pm->proto == PROTO_ICMP6)
		pm->icmp_type = p[0];
	pm->proto = ip.proto;
	pm->l3_len = (uint16_t)(hdr + l4_len);
	p = rte_pktmbuf_mtod_offset(m, uint8_t *, pm->l3_off);
	if (to4)
		write_ip4(p, pm, &ip, &f, x->ip_id);
	else
		write_ip6(p, pm, &ip, &f);
	meta_follow(pm, x, to4);
	if (no_sum && !to4)
		cksum_fill_l4(m, pm);
	return REASON_NONE;
}
