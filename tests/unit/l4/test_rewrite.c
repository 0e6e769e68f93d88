/* SPDX-License-Identifier: Apache-2.0
 * Every result is parsed anew and its checksums are computed in full: nothing here trusts the
 * incremental arithmetic it tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/rng.h"
#include "dataplane/net/build.h"
#include "dataplane/net/tcpopt.h"
#include "lb/l4/rewrite.h"
#include "tests/support/eal.h"
#include "tests/support/l4_rig.h"

#define ROOM 2048

static struct rte_mempool *pool;

static const char *const vip_text[] = {"198.51.100.1", "2001:db8:1::1"};
static const char *const client_text[] = {"203.0.113.5", "2001:db8:3::5"};
static const char *const backend_text[] = {"10.0.0.1", "2001:db8:2::1"};

struct shape {
	bool v6, udp, no_cksum, options;
	uint8_t tcp_flags;
	uint16_t payload;
	uint16_t mss; /* 0: no option */
	uint16_t frag_off;
	bool more;
};

struct ends {
	struct ip_addr src, dst;
	uint16_t sport_be, dport_be;
};

static struct rte_mbuf *frame_between(const struct shape *s, const struct ends *e)
{
	uint8_t buf[ROOM] = {0}, *p = buf + ETH_HDR_LEN, *l4;
	struct ip_addr src = e->src, dst = e->dst;
	uint8_t opt_len = s->mss != 0 ? 4 : 0, ip_opt = s->options ? 8 : 0;
	bool frag = s->frag_off != 0 || s->more;
	uint16_t l4_len = (uint16_t)((s->frag_off     ? 0
					     : s->udp ? UDP_HDR_LEN
						      : TCP_HDR_LEN + opt_len) +
				     s->payload);
	uint16_t ext = s->v6 ? (uint16_t)(ip_opt + (frag ? IP6_FRAG_LEN : 0)) : ip_opt;
	struct build_ip b = {.src = &src,
		.dst = &dst,
		.payload_len = (uint16_t)(l4_len + (s->v6 ? ext : 0)),
		.proto = s->udp ? PROTO_UDP : PROTO_TCP,
		.tos = 0xb9,
		.ttl = 33,
		.id = 0x1234,
		.df = !frag && !s->v6};
	uint8_t *cksum;
	uint64_t sum;

	store_be16(buf + 12, s->v6 ? ETH_IP6 : ETH_IP4);
	if (s->v6) {
		struct ip6_hdr *h = (struct ip6_hdr *)p;

		p = build_ip6(p, &b);
		if (s->options) {
			h->next = PROTO_DSTOPTS;
			p[0] = frag ? PROTO_FRAGMENT : b.proto;
			p[1] = 0;
			p[2] = 1; /* PadN of four */
			p[3] = 4;
			p += 8;
		}
		if (frag) {
			struct ip6_frag_hdr *f = (struct ip6_frag_hdr *)p;

			if (!s->options)
				h->next = PROTO_FRAGMENT;
			f->next = b.proto;
			f->off_be = BE16(s->frag_off | (s->more ? IP6_MF : 0));
			f->id_be = BE32(0x00001234);
			p += IP6_FRAG_LEN;
		}
	} else {
		struct ip4_hdr *h = (struct ip4_hdr *)p;

		p = build_ip4(p, &b) + ip_opt;
		h->ver_ihl = (uint8_t)(0x45 + ip_opt / 4);
		h->total_len_be = BE16(IP4_HDR_LEN + ip_opt + l4_len);
		memset((uint8_t *)h + IP4_HDR_LEN, 1, ip_opt); /* no-operation */
		if (frag)
			h->frag_be = BE16(s->frag_off / 8 | (s->more ? IP4_MF : 0));
		h->cksum = cksum_ip4(h);
	}
	l4 = p;
	for (uint16_t i = 0; i < l4_len; i++)
		l4[i] = (uint8_t)(i * 7 + 3);
	if (s->frag_off != 0)
		goto done;
	if (s->udp) {
		build_udp(l4, e->sport_be, e->dport_be, s->payload);
		cksum = l4 + offsetof(struct udp_hdr, cksum);
	} else {
		struct build_tcp t = {.sport_be = e->sport_be,
			.dport_be = e->dport_be,
			.seq = 1,
			.ack = 2,
			.window = 3,
			.flags = s->tcp_flags,
			.opt_len = opt_len};

		build_tcp(l4, &t);
		cksum = l4 + offsetof(struct tcp_hdr, cksum);
		if (s->mss != 0) {
			l4[20] = TCPOPT_MSS;
			l4[21] = 4;
			store_be16(l4 + 22, s->mss);
		}
	}
	store16(cksum, 0);
	sum = cksum_add(cksum_pseudo(&src, &dst, b.proto, l4_len), l4, l4_len);
	if (!s->no_cksum)
		store16(cksum, (uint16_t)~cksum_fold(sum));
done:
	return test_mbuf(pool, buf, (uint32_t)(l4 + l4_len - buf));
}

/* A client's frame to the VIP. */
static struct rte_mbuf *frame(const struct shape *s)
{
	struct ends e = {ip(client_text[s->v6]), ip(vip_text[s->v6]), BE16(5555), BE16(443)};

	return frame_between(s, &e);
}

/* The backend's frame back, for what v sent to it. */
static struct rte_mbuf *frame_back(const struct shape *s, const struct l4_verdict *v)
{
	struct ends e = {v->dst, v->src, v->dport, v->sport};
	struct shape back = *s;

	back.v6 = !ip_addr_is4(&v->dst);
	back.tcp_flags |= TCP_ACK;
	return frame_between(&back, &e);
}

static struct pkt_meta parse(struct rte_mbuf *m)
{
	struct pkt_meta pm;
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	assert_int_equal(pkt_parse(p, m->data_len, m->pkt_len, false, &pm), REASON_NONE);
	return pm;
}

/* Parse what the rewrite left, under a link header as the pipeline gives it one. */
static struct pkt_meta parse_again(struct rte_mbuf *m, const struct pkt_meta *after)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);
	struct pkt_meta pm;

	memset(p, 0, 12);
	store_be16(p + 12, after->ip_ver == 4 ? ETH_IP4 : ETH_IP6);
	pm = parse(m);
	/* What the rewrite says of the packet is what the packet says. */
	assert_int_equal(pm.l3_len, after->l3_len);
	assert_int_equal(pm.l4_off, after->l4_off);
	assert_int_equal(pm.proto, after->proto);
	assert_int_equal(pm.proto_off, after->proto_off);
	assert_int_equal(pm.ttl, after->ttl);
	assert_int_equal(pm.frag_off, after->frag_off);
	assert_int_equal(pm.frag_hdr_off, after->frag_hdr_off);
	assert_int_equal(
		pm.flags & (PKT_F_DF | PKT_F_FRAG), after->flags & (PKT_F_DF | PKT_F_FRAG));
	if (pm.flags & PKT_F_FRAG)
		assert_int_equal(pm.frag_id, after->frag_id);
	assert_true(ip_addr_eq(&pm.src, &after->src));
	assert_true(ip_addr_eq(&pm.dst, &after->dst));
	return pm;
}

static void assert_cksum(const struct rte_mbuf *m, const struct pkt_meta *pm)
{
	assert_int_equal(cksum_verify_rx(m, pm, false), REASON_NONE);
}

static struct l4_egress egress(void)
{
	return (struct l4_egress){.src4 = ip("192.0.2.1"), .src6 = ip("2001:db8::1"), .mtu = 1500};
}

static void rig(struct l4_rig *r, bool v6_in, bool v6_out, enum l4_mode mode)
{
	struct config_service *s;
	struct ip_addr b = ip(backend_text[v6_out]);

	rig_init(r, 1, 64);
	for (int udp = 0; udp < 2; udp++) {
		s = l4_cfg_service(&r->cfg, udp ? "u" : "t", vip_text[v6_in], udp ? L4_UDP : L4_TCP,
			443, mode);
		s->toa = true;
		l4_cfg_backend(s, &b, 8443, 1);
	}
	rig_apply(r);
}

/* Decide and rewrite; the verdict must let it pass. */
static enum reason pass(struct l4_rig *r, struct rte_mbuf *m, struct pkt_meta *pm,
	struct l4_verdict *v, const struct l4_egress *eg)
{
	assert_int_equal(rig_decide(r, pm, v), REASON_NONE);
	assert_int_not_equal(v->op, L4_OP_NONE);
	return l4_rewrite(r->workers[0], m, pm, v, eg);
}

/* ---- translation ---- */

static void translated_packets_are_right(void **state)
{
	static const struct shape shapes[] = {
		{.tcp_flags = TCP_SYN, .mss = 1460},
		{.tcp_flags = TCP_SYN, .mss = 1460, .options = true},
		{.udp = true, .payload = 100},
		{.udp = true, .payload = 101, .options = true},
		{.udp = true, .payload = 1000},
	};
	struct l4_egress eg = egress();

	(void)state;
	for (int c = 0; c < 8; c++) {
		bool in6 = c & 1, out6 = c & 2;
		enum l4_mode mode = c & 4 ? L4_NAT : L4_FULLNAT;

		if (mode == L4_NAT && in6 != out6)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
			struct shape s = shapes[i];
			struct l4_rig r;
			struct rte_mbuf *m;
			struct pkt_meta pm, now;
			struct l4_verdict v;
			struct ip_addr client = ip(client_text[in6]), vip = ip(vip_text[in6]);

			s.v6 = in6;
			rig(&r, in6, out6, mode);
			m = frame(&s);
			pm = parse(m);
			assert_cksum(m, &pm);
			assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NONE);
			now = parse_again(m, &pm);
			assert_cksum(m, &now);
			assert_int_equal(now.ip_ver, out6 ? 6 : 4);
			assert_true(ip_addr_eq(&now.src, &v.src));
			assert_true(ip_addr_eq(&now.dst, &v.dst));
			assert_int_equal(now.sport, v.sport);
			assert_int_equal(BE16(now.dport), 8443);
			assert_int_equal(now.ttl, 32);
			assert_int_equal(now.tos, 0xb9);
			rte_pktmbuf_free(m);

			/* And back. */
			m = frame_back(&s, &v);
			pm = parse(m);
			assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NONE);
			assert_true(v.flags & L4_V_REVERSE);
			now = parse_again(m, &pm);
			assert_cksum(m, &now);
			assert_true(ip_addr_eq(&now.src, &vip));
			assert_true(ip_addr_eq(&now.dst, &client));
			assert_int_equal(BE16(now.sport), 443);
			assert_int_equal(BE16(now.dport), 5555);
			assert_int_equal(now.ip_ver, in6 ? 6 : 4);
			rte_pktmbuf_free(m);
			rig_fini(&r);
		}
	}
}

static void a_missing_udp_checksum_is_kept_or_made(void **state)
{
	struct l4_egress eg = egress();

	(void)state;
	for (int out6 = 0; out6 < 2; out6++) {
		struct shape s = {.udp = true, .payload = 333, .no_cksum = true};
		struct l4_rig r;
		struct rte_mbuf *m = frame(&s);
		struct pkt_meta pm = parse(m), now;
		struct l4_verdict v;
		const struct udp_hdr *h;

		rig(&r, false, out6, L4_FULLNAT);
		assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NONE);
		now = parse_again(m, &pm);
		h = rte_pktmbuf_mtod_offset(m, const struct udp_hdr *, now.l4_off);
		assert_int_equal(h->cksum == 0, !out6);
		assert_cksum(m, &now);
		rte_pktmbuf_free(m);
		rig_fini(&r);
	}
}

static void a_wrong_checksum_stays_wrong(void **state)
{
	struct l4_egress eg = egress();

	(void)state;
	for (int c = 0; c < 4; c++) {
		struct shape s = {.udp = true, .payload = 60, .v6 = c & 1};
		struct l4_rig r;
		struct rte_mbuf *m = frame(&s);
		struct pkt_meta pm = parse(m), now;
		struct l4_verdict v;

		rte_pktmbuf_mtod_offset(m, uint8_t *, pm.l4_off)[20] ^= 0x10;
		rig(&r, c & 1, c & 2, L4_FULLNAT);
		assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NONE);
		now = parse_again(m, &pm);
		assert_int_equal(cksum_verify_rx(m, &now, false), REASON_L4_CHECKSUM);
		rte_pktmbuf_free(m);
		rig_fini(&r);
	}
}

/* Two fragments of one datagram, translated one by one, joined, must verify. */
static void fragments_are_translated_one_by_one(void **state)
{
	enum { FIRST = 96, SECOND = 50 };
	struct l4_egress eg = egress();

	(void)state;
	for (int c = 0; c < 4; c++) {
		struct shape whole = {.udp = true, .payload = FIRST - 8 + SECOND, .v6 = c & 1};
		struct shape part[2] = {
			{.udp = true, .payload = FIRST - 8, .more = true, .v6 = c & 1},
			{.udp = true, .payload = SECOND, .frag_off = FIRST, .v6 = c & 1},
		};
		uint8_t joined[FIRST + SECOND];
		struct rte_mbuf *m = frame(&whole);
		struct pkt_meta pm = parse(m), now;
		struct l4_verdict v;
		struct l4_rig r;
		uint64_t sum;

		memcpy(joined, rte_pktmbuf_mtod_offset(m, uint8_t *, pm.l4_off), sizeof(joined));
		rte_pktmbuf_free(m);
		rig(&r, c & 1, c & 2, L4_FULLNAT);
		for (int i = 0; i < 2; i++) {
			uint32_t len = i == 0 ? FIRST : SECOND;
			uint8_t *l4;

			m = frame(&part[i]);
			pm = parse(m);
			l4 = rte_pktmbuf_mtod_offset(m, uint8_t *, pm.l4_off);
			memcpy(l4, joined + (i == 0 ? 0 : FIRST), len);
			/* The fragment table tells later ones their ports. */
			pm.sport = BE16(5555);
			pm.dport = BE16(443);
			pm.flags |= PKT_F_PORTS;
			assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NONE);
			now = parse_again(m, &pm);
			assert_int_equal(now.frag_off, i == 0 ? 0 : FIRST);
			assert_int_equal(
				now.ip_ver == 6 ? BE32(now.frag_id) : BE16(now.frag_id), 0x1234);
			assert_true(now.flags & PKT_F_FRAG);
			assert_int_equal((now.flags & PKT_F_FRAG_FIRST) != 0, i == 0);
			memcpy(joined + (i == 0 ? 0 : FIRST),
				rte_pktmbuf_mtod_offset(m, uint8_t *, now.l4_off), len);
			rte_pktmbuf_free(m);
		}
		sum = cksum_pseudo(&now.src, &now.dst, PROTO_UDP, sizeof(joined));
		assert_int_equal(cksum_fold(cksum_add(sum, joined, sizeof(joined))), 0xffff);
		rig_fini(&r);
	}
}

static void a_fragment_without_a_checksum_cannot_become_ipv6(void **state)
{
	struct shape s = {.udp = true, .payload = 88, .more = true, .no_cksum = true};
	struct l4_egress eg = egress();
	struct rte_mbuf *m = frame(&s);
	struct pkt_meta pm = parse(m);
	struct l4_verdict v;
	struct l4_rig r;

	(void)state;
	rig(&r, false, true, L4_FULLNAT);
	assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_FRAG_UNTRANSLATABLE);
	rte_pktmbuf_free(m);
	rig_fini(&r);
}

static void toa_is_added_where_it_fits(void **state)
{
	static const uint16_t payloads[] = {0, 1452, 1453, 1460};
	struct l4_egress eg = egress();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(payloads); i++) {
		struct shape s = {.tcp_flags = TCP_SYN, .payload = payloads[i]};
		struct rte_mbuf *m = frame(&s);
		struct pkt_meta pm = parse(m), now;
		struct l4_verdict v;
		struct l4_rig r;
		const uint8_t *tcp;
		int at;

		rig(&r, false, false, L4_FULLNAT);
		assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NONE);
		now = parse_again(m, &pm);
		assert_cksum(m, &now);
		tcp = rte_pktmbuf_mtod_offset(m, const uint8_t *, now.l4_off);
		at = tcpopt_find(tcp, TCPOPT_TOA);
		assert_int_equal(at > 0, payloads[i] <= 1452);
		if (at > 0) {
			struct ip_addr c = ip(client_text[0]);

			assert_int_equal(tcp[at + 1], 8);
			assert_int_equal(load_be16(tcp + at + 2), 5555);
			assert_int_equal(load32(tcp + at + 4), c.w[3]);
		}
		rte_pktmbuf_free(m);
		rig_fini(&r);
	}
}

/* ---- tunnels ---- */

static void tunnels_carry_the_packet_unchanged(void **state)
{
	static const struct shape shapes[] = {
		{.tcp_flags = TCP_ACK, .payload = 700},
		{.tcp_flags = TCP_SYN, .mss = 1000},
		{.udp = true, .payload = 77},
		{.udp = true, .payload = 78, .no_cksum = true},
		{.udp = true, .payload = 88, .more = true},
		{.udp = true, .payload = 99, .frag_off = 96, .options = true},
	};
	struct l4_egress eg = egress();

	(void)state;
	for (int c = 0; c < 8; c++) {
		bool in6 = c & 1, out6 = c & 2;
		enum l4_mode mode = c & 4 ? L4_GUE : L4_IPIP;

		for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
			struct shape s = shapes[i];
			uint8_t before[ROOM], after[ROOM];
			struct rte_mbuf *m;
			struct pkt_meta pm, now;
			struct l4_verdict v;
			struct l4_rig r;
			struct ip_addr own = ip(out6 ? "2001:db8::1" : "192.0.2.1");
			uint32_t len, outer;

			s.v6 = in6;
			if (s.no_cksum && in6)
				continue;
			rig(&r, in6, out6, mode);
			m = frame(&s);
			pm = parse(m);
			pm.sport = BE16(5555);
			pm.dport = BE16(443);
			len = pm.l3_len;
			memcpy(before, rte_pktmbuf_mtod_offset(m, uint8_t *, pm.l3_off), len);
			assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NONE);
			now = parse_again(m, &pm);
			outer = (out6 ? 40u : 20u) + (mode == L4_GUE ? 12u : 0u);
			assert_int_equal(v.growth, outer);
			assert_int_equal(now.l3_len, len + outer);
			assert_int_equal(now.tos, 0xb9);
			assert_int_equal(now.ttl, 64);
			assert_true(ip_addr_eq(&now.src, &own));
			if (mode == L4_GUE) {
				const uint8_t *gue = rte_pktmbuf_mtod_offset(
					m, const uint8_t *, now.l4_off + UDP_HDR_LEN);

				assert_int_equal(now.proto, PROTO_UDP);
				assert_int_equal(BE16(now.dport), 6080);
				assert_true(BE16(now.sport) >= 0xc000);
				assert_int_equal(load_be32(gue), (in6 ? 41u : 4u) << 16);
				assert_cksum(m, &now);
				if (out6)
					assert_int_not_equal(load16(gue - 2), 0);
			} else {
				assert_int_equal(now.proto, in6 ? PROTO_IP6 : PROTO_IPIP);
			}
			/* Inside: the same bytes but for the TTL (and the header's checksum). */
			memcpy(after, rte_pktmbuf_mtod_offset(m, uint8_t *, now.l3_off + outer),
				len);
			if (in6) {
				assert_int_equal(after[7], before[7] - 1);
				after[7]++;
			} else {
				assert_int_equal(after[8], before[8] - 1);
				assert_int_equal(cksum_ip4((struct ip4_hdr *)after),
					((struct ip4_hdr *)after)->cksum);
				after[8]++;
				memcpy(after + 10, before + 10, 2);
			}
			assert_memory_equal(before, after, len);
			rte_pktmbuf_free(m);
			rig_fini(&r);
		}
	}
}

static void tunnel_sources_vary_within_their_prefix(void **state)
{
	struct ip_prefix p4 = prefix("100.64.0.0/16"), p6 = prefix("2001:db8:9::/64");
	struct ip_addr own = ip("192.0.2.1"), a, b;
	struct ip_prefix none = {.len = 0};
	uint32_t differ = 0;
	struct rng r;

	(void)state;
	rng_seed(&r, 1);
	a = l4_tunnel_source(&none, &own, 7);
	assert_true(ip_addr_eq(&a, &own));
	for (int i = 0; i < 1000; i++) {
		uint32_t h = (uint32_t)rng_next(&r);

		a = l4_tunnel_source(&p4, &own, h);
		b = l4_tunnel_source(&p4, &own, h + 1);
		assert_true(ip_prefix_match(&p4, &a));
		differ += !ip_addr_eq(&a, &b);
		b = l4_tunnel_source(&p6, &own, h);
		assert_true(ip_prefix_match(&p6, &b));
	}
	assert_int_equal(differ, 1000);
}

static void no_source_is_no_route(void **state)
{
	struct shape s = {.tcp_flags = TCP_SYN};
	struct l4_egress eg = {.src4 = ip("192.0.2.1"), .mtu = 1500};
	struct rte_mbuf *m = frame(&s);
	struct pkt_meta pm = parse(m);
	struct l4_verdict v;
	struct l4_rig r;

	(void)state;
	rig(&r, false, true, L4_IPIP);
	assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NO_ROUTE);
	rte_pktmbuf_free(m);
	rig_fini(&r);
}

static void mss_leaves_room_for_the_tunnel(void **state)
{
	struct l4_egress eg = egress();

	(void)state;
	for (int c = 0; c < 4; c++) {
		bool in6 = c & 1, out6 = c & 2;
		struct shape s = {.tcp_flags = TCP_SYN, .mss = 1460, .v6 = in6};
		struct rte_mbuf *m = frame(&s);
		struct pkt_meta pm = parse(m);
		struct l4_verdict v;
		struct l4_rig r;
		uint16_t inner_l4 = (uint16_t)(pm.l4_off);
		const uint8_t *tcp;

		rig(&r, in6, out6, L4_IPIP);
		assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NONE);
		tcp = rte_pktmbuf_mtod_offset(m, const uint8_t *, inner_l4 + v.growth);
		assert_int_equal(
			load_be16(tcp + 22), 1500 - (out6 ? 40 : 20) - (in6 ? 40 : 20) - 20);
		rte_pktmbuf_free(m);
		rig_fini(&r);
	}
}

static void dsr_touches_the_ttl_alone(void **state)
{
	struct l4_egress eg = egress();

	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct shape s = {.tcp_flags = TCP_SYN, .mss = 1460, .v6 = v6};
		struct rte_mbuf *m = frame(&s);
		struct pkt_meta pm = parse(m), was = pm, now;
		struct l4_verdict v;
		struct l4_rig r;

		rig(&r, v6, v6, L4_DSR);
		assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NONE);
		now = parse_again(m, &pm);
		assert_cksum(m, &now);
		assert_int_equal(now.ttl, was.ttl - 1);
		assert_true(ip_addr_eq(&now.dst, &was.dst));
		assert_int_equal(now.l3_len, was.l3_len);
		rte_pktmbuf_free(m);
		rig_fini(&r);
	}
}

static void a_ttl_that_is_used_up_changes_nothing(void **state)
{
	struct shape s = {.tcp_flags = TCP_SYN};
	struct l4_egress eg = egress();
	struct rte_mbuf *m = frame(&s);
	struct pkt_meta pm = parse(m);
	struct l4_verdict v;
	struct l4_rig r;
	uint8_t before[128], after[128];
	uint32_t len = m->data_len;

	(void)state;
	pm.ttl = 1;
	memcpy(before, rte_pktmbuf_mtod(m, uint8_t *), len);
	rig(&r, false, false, L4_FULLNAT);
	assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_TTL_EXCEEDED);
	memcpy(after, rte_pktmbuf_mtod(m, uint8_t *), len);
	assert_memory_equal(before, after, len);
	rte_pktmbuf_free(m);
	rig_fini(&r);
}

static void probes_take_the_tunnel_of_traffic(void **state)
{
	struct l4_egress eg = egress();

	(void)state;
	for (int c = 0; c < 4; c++) {
		struct shape s = {.tcp_flags = TCP_SYN};
		struct rte_mbuf *m = frame(&s), *probe = frame(&s);
		struct pkt_meta pm = parse(m);
		struct l4_verdict v;
		struct l4_rig r;
		struct l4_tunnel t = {.mode = c & 1 ? L4_GUE : L4_IPIP,
			.gue_port_be = BE16(6080),
			.dst = ip(backend_text[c >> 1])};
		uint32_t outer;

		rig(&r, false, c & 2, t.mode);
		assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NONE);
		t.flow_hash = v.flow_hash;
		t.src = pm.src;
		rte_pktmbuf_adj(probe, ETH_HDR_LEN);
		assert_int_equal(l4_encap_probe(probe, &t), REASON_NONE);
		outer = l4_tunnel_growth(t.mode, &t.dst);
		assert_int_equal(probe->pkt_len, m->pkt_len - ETH_HDR_LEN);
		/* The inner TTL apart, they are the same; so the UDP checksum may differ. */
		assert_memory_equal(rte_pktmbuf_mtod_offset(m, uint8_t *, ETH_HDR_LEN),
			rte_pktmbuf_mtod(probe, uint8_t *), outer - (c == 3 ? 6 : 0));
		rte_pktmbuf_free(m);
		rte_pktmbuf_free(probe);
		rig_fini(&r);
	}
}

static void errors_are_translated_inside_too(void **state)
{
	struct l4_egress eg = egress();
	struct shape s = {.tcp_flags = TCP_SYN};
	struct rte_mbuf *m = frame(&s), *e;
	struct pkt_meta pm = parse(m), now;
	struct l4_verdict v;
	struct l4_rig r;
	struct ip_addr router = ip("10.0.0.254");
	uint8_t buf[256] = {0}, *p = buf + ETH_HDR_LEN, *icmp;
	uint16_t quoted;
	struct build_ip b;

	(void)state;
	rig(&r, false, false, L4_FULLNAT);
	assert_int_equal(pass(&r, m, &pm, &v, &eg), REASON_NONE);
	quoted = pm.l3_len;
	b = (struct build_ip){.src = &router,
		.dst = &v.src,
		.payload_len = (uint16_t)(ICMP_HDR_LEN + quoted),
		.proto = PROTO_ICMP,
		.ttl = 60};
	store_be16(buf + 12, ETH_IP4);
	icmp = build_ip4(p, &b);
	p = build_icmp(icmp, ICMP4_UNREACH, ICMP4_UNREACH_HOST, 0);
	memcpy(p, rte_pktmbuf_mtod_offset(m, uint8_t *, pm.l3_off), quoted);
	((struct icmp_hdr *)icmp)->cksum =
		(uint16_t)~cksum_fold(cksum_add(0, icmp, (uint32_t)(ICMP_HDR_LEN + quoted)));
	e = test_mbuf(pool, buf, (uint32_t)(p + quoted - buf));
	pm = parse(e);
	assert_int_equal(pass(&r, e, &pm, &v, &eg), REASON_NONE);
	assert_true(v.flags & L4_V_REVERSE);
	now = parse_again(e, &pm);
	assert_cksum(e, &now);
	assert_true(now.flags & PKT_F_ICMP_ERROR);
	{
		struct ip_addr client = ip(client_text[0]), vip = ip(vip_text[0]);

		assert_true(ip_addr_eq(&now.dst, &client));
		assert_true(ip_addr_eq(&now.inner.src, &client));
		assert_true(ip_addr_eq(&now.inner.dst, &vip));
		assert_int_equal(BE16(now.inner.sport), 5555);
		assert_int_equal(BE16(now.inner.dport), 443);
	}
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(e);
	rig_fini(&r);
}

static int setup(void **state)
{
	(void)state;
	test_eal_init();
	pool = test_pool_create("rewrite", 64);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_pool_destroy(pool);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(translated_packets_are_right),
		cmocka_unit_test(a_missing_udp_checksum_is_kept_or_made),
		cmocka_unit_test(a_wrong_checksum_stays_wrong),
		cmocka_unit_test(fragments_are_translated_one_by_one),
		cmocka_unit_test(a_fragment_without_a_checksum_cannot_become_ipv6),
		cmocka_unit_test(toa_is_added_where_it_fits),
		cmocka_unit_test(tunnels_carry_the_packet_unchanged),
		cmocka_unit_test(tunnel_sources_vary_within_their_prefix),
		cmocka_unit_test(no_source_is_no_route),
		cmocka_unit_test(mss_leaves_room_for_the_tunnel),
		cmocka_unit_test(dsr_touches_the_ttl_alone),
		cmocka_unit_test(a_ttl_that_is_used_up_changes_nothing),
		cmocka_unit_test(probes_take_the_tunnel_of_traffic),
		cmocka_unit_test(errors_are_translated_inside_too),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
