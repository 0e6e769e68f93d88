/* SPDX-License-Identifier: Apache-2.0
 * parse - one pass over the headers of a frame.
 *
 * Nearly all traffic is untagged, without IPv4 options or IPv6 extension headers, not fragmented,
 * and TCP or UDP: parse_ip4() and parse_ip6() take that in one straight run and leave anything else
 * to the cold functions below, which know every case and share their checks. Each check compares an
 * offset with `len` (bytes that may be read) or `end` (where the IP packet ends, at most pkt_len):
 * a header must fit in both. */
#include "dataplane/net/pkt.h"

#include "dataplane/base/limits.h"
#include "dataplane/net/hdr.h"

#define RAW16(x) BE16(x) /* a constant as load16() sees it */

#define ICMP_INNER_MIN 8 /* RFC 792: at least 64 bits of the original payload */

enum {
	IP4_OPT_END = 0,
	IP4_OPT_NOP = 1,
	IP4_OPT_LSRR = 131,
	IP4_OPT_SSRR = 137,
};

struct cursor {
	const uint8_t *frame;
	uint32_t len; /* readable */
	uint32_t end; /* of the IP packet, from the start of the frame; may be beyond len */
};

/* Do n bytes at off lie in the packet and in the readable part? */
ALWAYS_INLINE bool fits(const struct cursor *c, uint32_t off, uint32_t n)
{
	return off + n <= c->end && off + n <= c->len;
}

/* 32-bit words summed in 64 bits and folded once; 0xffff means right (RFC 1071). */
ALWAYS_INLINE bool ip4_cksum_ok(const uint8_t *h)
{
	uint64_t s = (uint64_t)load32(h) + load32(h + 4) + load32(h + 8) + load32(h + 12) +
		     load32(h + 16);

	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return s == 0xffff;
}

static bool ip4_long_cksum_ok(const uint8_t *h, uint32_t hlen)
{
	uint64_t s = 0;

	for (uint32_t i = 0; i < hlen; i += 4)
		s += load32(h + i);
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return s == 0xffff;
}

/* 0/8, 127/8, 224/4 and the limited broadcast are never a source (RFC 1122 3.2.1.3). 240/4 is
 * let through: it is in private use. */
ALWAYS_INLINE bool ip4_src_bad(const uint8_t *src)
{
	uint8_t first = src[0];

	if (likely((uint8_t)(first - 1) < 223 && first != 127))
		return false;
	return first < 240 || load32(src) == UINT32_MAX;
}

/* Addresses whose first 64 bits are zero: ::, ::1, IPv4-mapped (would pass for IPv4 in our tables)
 * and IPv4-compatible ones are refused. A source of :: is right for duplicate address detection
 * alone, which is ICMPv6. */
static COLD bool ip6_low_addr_bad(const struct ip_addr *a, bool unspecified_ok)
{
	return a->w[2] != 0 ? a->w[2] == IP4_MAPPED_WORD : !(unspecified_ok && a->w[3] == 0);
}

ALWAYS_INLINE bool ip6_addr_bad(const struct pkt_meta *m, bool unspecified_ok)
{
	if (likely(m->src.d[0] != 0 && m->dst.d[0] != 0 && m->src.b[0] != 0xff))
		return false;
	return m->src.b[0] == 0xff ||
	       (m->src.d[0] == 0 && ip6_low_addr_bad(&m->src, unspecified_ok)) ||
	       (m->dst.d[0] == 0 && ip6_low_addr_bad(&m->dst, false));
}

/* Bit f is set when the low five flag bits f (URG apart) can never be sent: none of SYN, RST and
 * ACK (RFC 9293 3.10.7), SYN with FIN, SYN with RST. PSH does not matter. */
#define TCP_FLAGS_BAD(f)                                 \
	((((f) & (TCP_SYN | TCP_RST | TCP_ACK)) == 0) || \
		(((f)&TCP_SYN) != 0 && ((f) & (TCP_FIN | TCP_RST)) != 0))
#define BAD_BIT(f)  ((uint32_t)TCP_FLAGS_BAD(f) << (f))
#define BAD_BITS(f) (BAD_BIT(f) | BAD_BIT((f) + 1) | BAD_BIT((f) + 2) | BAD_BIT((f) + 3))
#define TCP_BAD_FLAG_SET                                                                        \
	(BAD_BITS(0) | BAD_BITS(4) | BAD_BITS(8) | BAD_BITS(12) | BAD_BITS(16) | BAD_BITS(20) | \
		BAD_BITS(24) | BAD_BITS(28))

/* `l4_len` bytes of the packet from off on, TCP_HDR_LEN of them readable. The options must lie in
 * the packet, and in the readable part like all headers. */
ALWAYS_INLINE enum reason tcp_check(
	const struct cursor *c, uint32_t off, uint32_t l4_len, struct pkt_meta *m)
{
	const uint8_t *h = c->frame + off;
	uint32_t doff = (uint32_t)(h[12] >> 4) * 4;

	m->tcp_flags = h[13];
	if (unlikely(doff < TCP_HDR_LEN || (TCP_BAD_FLAG_SET >> (h[13] & 31) & 1)))
		return REASON_TCP_BAD;
	if (unlikely(doff > l4_len || off + doff > c->len))
		return REASON_TCP_BAD;
	return REASON_NONE;
}

ALWAYS_INLINE void ports_set(struct pkt_meta *m, const uint8_t *l4)
{
	m->sport = load16(l4);
	m->dport = load16(l4 + 2);
}

/* --- inner packet of an ICMP error --------------------------------------------------------- */

/* Walk the extension headers of an inner IPv6 packet; *proto and *off move to the upper layer.
 * Returns false when the quote ends before it. *later tells of a fragment other than the first. */
static bool inner_ext_walk(const struct cursor *c, uint8_t *proto, uint32_t *off, bool *later)
{
	*later = false;
	for (uint32_t n = 0; n <= LIMIT_IPV6_EXT_HDRS; n++) {
		uint32_t hlen;

		switch (*proto) {
		case PROTO_HOPOPT:
		case PROTO_ROUTING:
		case PROTO_DSTOPTS:
		case PROTO_AH:
		case PROTO_FRAGMENT:
			break;
		default:
			return true;
		}
		if (!fits(c, *off, 8))
			return false;
		if (*proto == PROTO_FRAGMENT) {
			hlen = IP6_FRAG_LEN;
			*later = (load_be16(c->frame + *off + 2) & IP6_OFF_MASK) != 0;
		} else if (*proto == PROTO_AH) {
			hlen = ((uint32_t)c->frame[*off + 1] + 2) * 4;
		} else {
			hlen = ((uint32_t)c->frame[*off + 1] + 1) * 8;
		}
		*proto = c->frame[*off];
		*off += hlen;
		if (*later)
			return true;
	}
	return false;
}

static void inner_ports(const struct cursor *c, uint32_t off, struct pkt_meta *m)
{
	struct pkt_inner *in = &m->inner;
	const uint8_t *l4 = c->frame + off;
	uint8_t type = l4[0];

	if (in->proto == PROTO_TCP || in->proto == PROTO_UDP) {
		in->sport = load16(l4);
		in->dport = load16(l4 + 2);
		m->flags |= PKT_F_INNER_PORTS;
	} else if ((in->proto == PROTO_ICMP && m->ip_ver == 4 &&
			   (type == ICMP4_ECHO || type == ICMP4_ECHO_REPLY)) ||
		   (in->proto == PROTO_ICMP6 && m->ip_ver == 6 &&
			   (type == ICMP6_ECHO || type == ICMP6_ECHO_REPLY))) {
		in->sport = in->dport = load16(l4 + 4);
		m->flags |= PKT_F_INNER_PORTS;
	}
}

static COLD enum reason inner4_parse(const struct cursor *c, uint32_t off, struct pkt_meta *m)
{
	struct pkt_inner *in = &m->inner;
	const uint8_t *h = c->frame + off;
	uint32_t ihl;
	uint16_t frag;

	if (!fits(c, off, IP4_HDR_LEN))
		return REASON_ICMP_SHORT;
	ihl = (uint32_t)(h[0] & 15) * 4;
	if (h[0] >> 4 != 4 || ihl < IP4_HDR_LEN || load_be16(h + 2) < ihl)
		return REASON_ICMP_SHORT;
	if (!fits(c, off + ihl, ICMP_INNER_MIN))
		return REASON_ICMP_SHORT;
	in->src = ip_addr_from4(load32(h + 12));
	in->dst = ip_addr_from4(load32(h + 16));
	in->proto = h[9];
	in->l3_off = (uint16_t)off;
	in->l4_off = (uint16_t)(off + ihl);
	in->sport = in->dport = 0;
	m->flags |= PKT_F_ICMP_ERROR;
	frag = load_be16(h + 6);
	if ((frag & IP4_OFF_MASK) == 0)
		inner_ports(c, off + ihl, m);
	return REASON_NONE;
}

static COLD enum reason inner6_parse(const struct cursor *c, uint32_t off, struct pkt_meta *m)
{
	struct pkt_inner *in = &m->inner;
	const uint8_t *h = c->frame + off;
	uint32_t l4 = off + IP6_HDR_LEN;
	uint8_t proto;
	bool later;

	if (!fits(c, off, IP6_HDR_LEN) || h[0] >> 4 != 6)
		return REASON_ICMP_SHORT;
	proto = h[6];
	if (!inner_ext_walk(c, &proto, &l4, &later) || !fits(c, l4, ICMP_INNER_MIN))
		return REASON_ICMP_SHORT;
	in->src = ip_addr_from6(h + 8);
	in->dst = ip_addr_from6(h + 24);
	if (ip_addr_is4(&in->src) || ip_addr_is4(&in->dst))
		return REASON_IP6_ADDR_BAD;
	in->proto = proto;
	in->l3_off = (uint16_t)off;
	in->l4_off = (uint16_t)l4;
	in->sport = in->dport = 0;
	m->flags |= PKT_F_ICMP_ERROR;
	if (!later)
		inner_ports(c, l4, m);
	return REASON_NONE;
}

/* --- transport, every case ------------------------------------------------------------------ */

static COLD enum reason icmp_parse(
	const struct cursor *c, uint32_t off, uint32_t l4_len, struct pkt_meta *m)
{
	const uint8_t *h = c->frame + off;
	uint8_t t;

	if (l4_len < ICMP_HDR_LEN || !fits(c, off, ICMP_HDR_LEN))
		return m->flags & PKT_F_FRAG ? REASON_FRAG_TINY : REASON_ICMP_SHORT;
	m->icmp_type = t = h[0];
	m->icmp_code = h[1];
	if (m->ip_ver == 4 ? (t == ICMP4_ECHO || t == ICMP4_ECHO_REPLY)
			   : (t == ICMP6_ECHO || t == ICMP6_ECHO_REPLY)) {
		m->sport = m->dport = load16(h + 4);
		m->flags |= PKT_F_PORTS;
		return REASON_NONE;
	}
	/* Errors are small (RFC 1812 4.3.2.3, RFC 4443 2.4 c): one in fragments is no honest one,
	 * and goes on as a message of no interest. */
	if (m->flags & PKT_F_FRAG)
		return REASON_NONE;
	if (m->ip_ver == 4 &&
		(t == ICMP4_UNREACH || t == ICMP4_QUENCH || t == ICMP4_TIME || t == ICMP4_PARAM))
		return inner4_parse(c, off + ICMP_HDR_LEN, m);
	if (m->ip_ver == 6 && t >= ICMP6_UNREACH && t <= ICMP6_PARAM)
		return inner6_parse(c, off + ICMP_HDR_LEN, m);
	return REASON_NONE;
}

/* The transport header of a whole datagram or of a first fragment. */
static COLD enum reason l4_parse(const struct cursor *c, uint32_t off, struct pkt_meta *m)
{
	uint32_t l4_len = c->end - off;
	uint32_t need = m->proto == PROTO_TCP ? TCP_HDR_LEN : UDP_HDR_LEN;
	bool frag = m->flags & PKT_F_FRAG;
	enum reason r;

	if (m->proto == (m->ip_ver == 4 ? PROTO_ICMP : PROTO_ICMP6))
		return icmp_parse(c, off, l4_len, m);
	if (m->proto != PROTO_TCP && m->proto != PROTO_UDP)
		return REASON_NONE;
	if (!fits(c, off, need))
		return frag ? REASON_FRAG_TINY : REASON_L4_SHORT;
	ports_set(m, c->frame + off);
	m->flags |= PKT_F_PORTS;
	if (m->proto == PROTO_TCP) {
		r = tcp_check(c, off, l4_len, m);
		/* RFC 1858: options that run into the next fragment hide from the reader. */
		return r != REASON_NONE && frag && (c->frame[off + 12] >> 4) * 4u > l4_len
			       ? REASON_FRAG_TINY
			       : r;
	}
	need = load_be16(c->frame + off + 4);
	if (need < UDP_HDR_LEN || (!frag && need > l4_len))
		return REASON_UDP_BAD;
	return REASON_NONE;
}

/* frag_off, the MF bit and the length of a fragment's payload fit together (RFC 791 3.2, RFC 8200
 * 4.5); sets the flags. */
static enum reason frag_check(struct pkt_meta *m, uint32_t payload, bool more)
{
	if (m->frag_off == 0 && !more)
		return REASON_NONE; /* IPv6 atomic fragment, RFC 6946 */
	m->flags |= PKT_F_FRAG;
	if (payload == 0 || (more && (payload & 7) != 0) || m->frag_off + payload > 65535)
		return REASON_FRAG_BAD;
	if (m->frag_off == 0)
		m->flags |= PKT_F_FRAG_FIRST;
	else if (m->frag_off < TCP_HDR_LEN && m->proto == PROTO_TCP)
		return REASON_FRAG_TINY; /* RFC 3128: rewrites the TCP header of the first */
	return REASON_NONE;
}

/* --- IPv4, every case ------------------------------------------------------------------------ */

/* RFC 791 3.1: well-formed options; source routes are refused (RFC 7126 4.3, 4.4). */
static bool ip4_options_ok(const uint8_t *o, uint32_t n)
{
	uint32_t i = 0;

	while (i < n && o[i] != IP4_OPT_END) {
		if (o[i] == IP4_OPT_NOP) {
			i++;
			continue;
		}
		if (o[i] == IP4_OPT_LSRR || o[i] == IP4_OPT_SSRR)
			return false;
		if (i + 1 >= n || o[i + 1] < 2 || i + o[i + 1] > n)
			return false;
		i += o[i + 1];
	}
	return true;
}

static COLD enum reason ip4_parse_any(
	struct cursor *c, uint32_t off, uint32_t pkt_len, bool csum_good, struct pkt_meta *m)
{
	const uint8_t *h = c->frame + off;
	uint32_t ihl, total;
	uint16_t frag;
	enum reason r;

	m->kind = PKT_IP4;
	m->l3_off = (uint16_t)off;
	if (off + IP4_HDR_LEN > c->len)
		return REASON_IP4_SHORT;
	if (h[0] >> 4 != 4)
		return REASON_IP4_VERSION;
	ihl = (uint32_t)(h[0] & 15) * 4;
	total = load_be16(h + 2);
	if (ihl < IP4_HDR_LEN)
		return REASON_IP4_HEADER_LEN;
	if (total < ihl || off + total > pkt_len || off + ihl > c->len)
		return REASON_IP4_SHORT;
	if (!csum_good && !ip4_long_cksum_ok(h, ihl))
		return REASON_IP4_CHECKSUM;
	if (ihl > IP4_HDR_LEN) {
		m->flags |= PKT_F_OPTIONS;
		if (!ip4_options_ok(h + IP4_HDR_LEN, ihl - IP4_HDR_LEN))
			return REASON_IP4_OPTIONS_BAD;
	}
	if (ip4_src_bad(h + 12))
		return REASON_IP4_ADDR_BAD;
	c->end = off + total;
	frag = load_be16(h + 6);
	m->ip_ver = 4;
	m->src = ip_addr_from4(load32(h + 12));
	m->dst = ip_addr_from4(load32(h + 16));
	m->l3_len = (uint16_t)total;
	m->l4_off = (uint16_t)(off + ihl);
	m->proto_off = (uint16_t)(off + 9);
	m->proto = h[9];
	m->ttl = h[8];
	m->tos = h[1];
	m->frag_id = load16(h + 4);
	m->frag_off = (uint16_t)((frag & IP4_OFF_MASK) * 8);
	if (frag & IP4_DF)
		m->flags |= PKT_F_DF;
	r = frag_check(m, total - ihl, frag & IP4_MF);
	if (r != REASON_NONE || m->frag_off != 0)
		return r;
	return l4_parse(c, off + ihl, m);
}

/* --- IPv6, every case ------------------------------------------------------------------------ */

/* One extension header at *off, which is known to have 8 readable bytes; moves on to the next. */
static enum reason ext_parse(
	const struct cursor *c, uint32_t index, uint32_t *off, bool *more, struct pkt_meta *m)
{
	const uint8_t *h = c->frame + *off;
	uint32_t hlen = ((uint32_t)h[1] + 1) * 8;

	switch (m->proto) {
	case PROTO_HOPOPT:
		if (index != 0)
			return REASON_IP6_EXT_BAD; /* RFC 8200 4.1: right after the IPv6 header */
		break;
	case PROTO_ROUTING:
		if (h[2] == 0)
			return REASON_IP6_EXT_BAD; /* RFC 5095 */
		break;
	case PROTO_AH:
		hlen = ((uint32_t)h[1] + 2) * 4;
		break;
	case PROTO_FRAGMENT: {
		uint16_t field = load_be16(h + 2);

		if (m->frag_hdr_off != 0)
			return REASON_IP6_EXT_BAD;
		hlen = IP6_FRAG_LEN;
		m->frag_hdr_off = (uint16_t)*off;
		m->frag_off = field & IP6_OFF_MASK;
		m->frag_id = load32(h + 4);
		*more = field & IP6_MF;
		break;
	}
	default:
		break;
	}
	if (!fits(c, *off, hlen))
		return m->frag_hdr_off != 0 && *more ? REASON_FRAG_TINY : REASON_IP6_EXT_BAD;
	m->flags |= PKT_F_OPTIONS;
	m->proto_off = (uint16_t)*off;
	m->proto = h[0];
	*off += hlen;
	return REASON_NONE;
}

static bool is_ext_hdr(uint8_t proto)
{
	return proto == PROTO_HOPOPT || proto == PROTO_ROUTING || proto == PROTO_FRAGMENT ||
	       proto == PROTO_AH || proto == PROTO_DSTOPTS;
}

/* Walk to the upper layer; stops behind the fragment header of a fragment other than the first,
 * because what follows there is payload. */
static enum reason ext_walk(const struct cursor *c, uint32_t *off, struct pkt_meta *m)
{
	bool more = false;
	enum reason r;

	for (uint32_t i = 0; is_ext_hdr(m->proto); i++) {
		if (i == LIMIT_IPV6_EXT_HDRS)
			return REASON_IP6_EXT_TOO_MANY;
		if (!fits(c, *off, 8))
			return m->frag_hdr_off != 0 ? REASON_FRAG_TINY : REASON_IP6_EXT_BAD;
		r = ext_parse(c, i, off, &more, m);
		if (r != REASON_NONE)
			return r;
		if (m->frag_off != 0)
			break;
	}
	if (m->frag_hdr_off == 0)
		return REASON_NONE;
	return frag_check(m, c->end - (m->frag_hdr_off + IP6_FRAG_LEN), more);
}

static COLD enum reason ip6_parse_any(
	struct cursor *c, uint32_t off, uint32_t pkt_len, struct pkt_meta *m)
{
	const uint8_t *h = c->frame + off;
	uint32_t l4 = off + IP6_HDR_LEN;
	enum reason r;

	m->kind = PKT_IP6;
	m->l3_off = (uint16_t)off;
	if (l4 > c->len)
		return REASON_IP6_SHORT;
	if (h[0] >> 4 != 6)
		return REASON_IP6_VERSION;
	c->end = l4 + load_be16(h + 4);
	if (c->end > pkt_len || c->end - off > UINT16_MAX)
		return REASON_IP6_SHORT;
	m->ip_ver = 6;
	m->src = ip_addr_from6(h + 8);
	m->dst = ip_addr_from6(h + 24);
	m->l3_len = (uint16_t)(c->end - off);
	m->proto_off = (uint16_t)(off + 6);
	m->proto = h[6];
	m->ttl = h[7];
	m->tos = (uint8_t)(load_be16(h) >> 4);
	m->flags |= PKT_F_DF;
	r = ext_walk(c, &l4, m);
	m->l4_off = (uint16_t)l4;
	if (r != REASON_NONE)
		return r;
	if (ip6_addr_bad(m, m->proto == PROTO_ICMP6))
		return REASON_IP6_ADDR_BAD;
	if (m->frag_off != 0)
		return REASON_NONE;
	return l4_parse(c, l4, m);
}

/* --- the fast paths -------------------------------------------------------------------------- */

ALWAYS_INLINE void meta_clear(struct pkt_meta *m, const uint8_t *frame)
{
	m->sport = m->dport = 0;
	m->l3_off = m->l4_off = m->l3_len = 0;
	m->frag_off = 0;
	m->frag_id = 0;
	m->frag_hdr_off = m->proto_off = m->vlan = 0;
	m->flags = frame[0] & 1 ? PKT_F_L2_GROUP : 0;
	m->kind = PKT_OTHER;
	m->ip_ver = m->proto = m->ttl = 0;
	m->tcp_flags = m->icmp_type = m->icmp_code = m->tos = 0;
}

/* TCP or UDP right behind the IP header, not a fragment. */
ALWAYS_INLINE enum reason l4_fast(const struct cursor *c, uint32_t off, struct pkt_meta *m)
{
	const uint8_t *l4 = c->frame + off;
	uint32_t l4_len = c->end - off;

	if (m->proto == PROTO_TCP) {
		if (unlikely(l4_len < TCP_HDR_LEN || off + TCP_HDR_LEN > c->len))
			return REASON_L4_SHORT;
		ports_set(m, l4);
		return tcp_check(c, off, l4_len, m);
	}
	if (unlikely(l4_len < UDP_HDR_LEN || off + UDP_HDR_LEN > c->len))
		return REASON_L4_SHORT;
	ports_set(m, l4);
	if (unlikely((uint32_t)load_be16(l4 + 4) - UDP_HDR_LEN > l4_len - UDP_HDR_LEN))
		return REASON_UDP_BAD;
	return REASON_NONE;
}

ALWAYS_INLINE enum reason parse_ip4(const uint8_t *frame, uint32_t len, uint32_t pkt_len,
	uint32_t off, bool csum_good, struct pkt_meta *m)
{
	struct cursor c = {frame, len, 0};
	const uint8_t *h = frame + off;
	uint32_t total;

	if (unlikely(off + IP4_HDR_LEN > len || h[0] != 0x45 ||
		     (load16(h + 6) & RAW16(IP4_MF | IP4_OFF_MASK)) != 0 ||
		     (h[9] != PROTO_TCP && h[9] != PROTO_UDP)))
		return ip4_parse_any(&c, off, pkt_len, csum_good, m);
	total = load_be16(h + 2);
	c.end = off + total;
	m->kind = PKT_IP4;
	m->l3_off = (uint16_t)off;
	if (unlikely(total < IP4_HDR_LEN || c.end > pkt_len))
		return REASON_IP4_SHORT;
	if (!csum_good && unlikely(!ip4_cksum_ok(h)))
		return REASON_IP4_CHECKSUM;
	if (unlikely(ip4_src_bad(h + 12)))
		return REASON_IP4_ADDR_BAD;
	m->ip_ver = 4;
	m->src = ip_addr_from4(load32(h + 12));
	m->dst = ip_addr_from4(load32(h + 16));
	m->l3_len = (uint16_t)total;
	m->l4_off = (uint16_t)(off + IP4_HDR_LEN);
	m->proto_off = (uint16_t)(off + 9);
	m->frag_id = load16(h + 4);
	m->proto = h[9];
	m->ttl = h[8];
	m->tos = h[1];
	m->flags |= (uint16_t)(PKT_F_PORTS | (h[6] & (IP4_DF >> 8) ? PKT_F_DF : 0));
	return l4_fast(&c, off + IP4_HDR_LEN, m);
}

ALWAYS_INLINE enum reason parse_ip6(
	const uint8_t *frame, uint32_t len, uint32_t pkt_len, uint32_t off, struct pkt_meta *m)
{
	struct cursor c = {frame, len, 0};
	const uint8_t *h = frame + off;

	if (unlikely(off + IP6_HDR_LEN > len || h[0] >> 4 != 6 ||
		     (h[6] != PROTO_TCP && h[6] != PROTO_UDP)))
		return ip6_parse_any(&c, off, pkt_len, m);
	c.end = off + IP6_HDR_LEN + load_be16(h + 4);
	m->kind = PKT_IP6;
	m->l3_off = (uint16_t)off;
	if (unlikely(c.end > pkt_len || c.end - off > UINT16_MAX))
		return REASON_IP6_SHORT;
	m->ip_ver = 6;
	m->src = ip_addr_from6(h + 8);
	m->dst = ip_addr_from6(h + 24);
	if (unlikely(ip6_addr_bad(m, false)))
		return REASON_IP6_ADDR_BAD;
	m->l3_len = (uint16_t)(c.end - off);
	m->l4_off = (uint16_t)(off + IP6_HDR_LEN);
	m->proto_off = (uint16_t)(off + 6);
	m->proto = h[6];
	m->ttl = h[7];
	m->tos = (uint8_t)(load_be16(h) >> 4);
	m->flags |= PKT_F_PORTS | PKT_F_DF;
	return l4_fast(&c, off + IP6_HDR_LEN, m);
}

/* Anything that is not untagged IP. Tagged IP is back on the fast path after the tags. */
static __attribute__((noinline)) enum reason parse_l2(
	const uint8_t *frame, uint32_t len, uint32_t pkt_len, bool csum_good, struct pkt_meta *m)
{
	uint32_t off = ETH_HDR_LEN;
	uint16_t type = load_be16(frame + 12);

	for (uint32_t tags = 0; type == ETH_VLAN || type == ETH_QINQ; tags++) {
		if (tags == LIMIT_VLAN_TAGS)
			return REASON_VLAN_TOO_DEEP;
		if (off + VLAN_TAG_LEN > len)
			return REASON_ETH_SHORT;
		if (tags == 0)
			m->vlan = load_be16(frame + off) & 0x0fff;
		type = load_be16(frame + off + 2);
		off += VLAN_TAG_LEN;
	}
	switch (type) {
	case ETH_IP4:
		return parse_ip4(frame, len, pkt_len, off, csum_good, m);
	case ETH_IP6:
		return parse_ip6(frame, len, pkt_len, off, m);
	case ETH_ARP:
		m->kind = PKT_ARP;
		break;
	default:
		break;
	}
	m->l3_off = (uint16_t)off;
	m->l3_len = (uint16_t)(pkt_len - off > UINT16_MAX ? UINT16_MAX : pkt_len - off);
	return REASON_NONE;
}

enum reason pkt_parse(
	const uint8_t *frame, uint32_t len, uint32_t pkt_len, bool ip_csum_good, struct pkt_meta *m)
{
	uint16_t type;

	if (unlikely(len < ETH_HDR_LEN)) {
		m->kind = PKT_OTHER;
		m->flags = 0;
		return REASON_ETH_SHORT;
	}
	meta_clear(m, frame);
	type = load16(frame + 12);
	if (likely(type == RAW16(ETH_IP4)))
		return parse_ip4(frame, len, pkt_len, ETH_HDR_LEN, ip_csum_good, m);
	if (likely(type == RAW16(ETH_IP6)))
		return parse_ip6(frame, len, pkt_len, ETH_HDR_LEN, m);
	return parse_l2(frame, len, pkt_len, ip_csum_good, m);
}
