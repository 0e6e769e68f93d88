/* SPDX-License-Identifier: Apache-2.0
 * A whole engine under any sequence of segments, calls, ICMP errors and time. The input is a
 * program: each step takes its operands from the bytes that follow. Sequence numbers are near what
 * the engine expects, so that most steps reach deep. The simulator checks packets and invariants on
 * the way and that nothing is left at the end. */
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/cksum.h"
#include "dataplane/tcp/tcp_pvt.h"
#include "tests/sim/sim.h"

#define PEER_ISN 1000000u
#define STEPS    400

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz {
	const uint8_t *p, *end;
	struct sim *s;
	struct sim_host *h;
	uint64_t conn;
	uint32_t iss, snd_nxt, rcv_nxt, tsval; /* of the engine, as seen on the wire */
	uint16_t port;
	bool v6;
};

static uint32_t take(struct fuzz *f, unsigned n)
{
	uint32_t v = 0;

	while (n-- > 0)
		v = v << 8 | (f->p < f->end ? *f->p++ : 0);
	return v;
}

static bool tap(void *ctx, int from, const uint8_t *ip, uint32_t len)
{
	struct fuzz *f = ctx;
	uint32_t l3 = ip[0] >> 4 == 4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	struct tcp_in h;

	(void)from;
	ASSERT(tcp_hdr_parse(ip + l3, len - l3, &h));
	if (h.flags & TCP_SYN) {
		f->iss = h.seq;
		f->port = load16(ip + l3);
	}
	if (!(h.flags & TCP_RST)) {
		f->snd_nxt = h.seq + len - l3 - h.hdr_len + ((h.flags & (TCP_SYN | TCP_FIN)) != 0);
		if (h.flags & TCP_ACK)
			f->rcv_nxt = h.ack;
	}
	if (h.opts & TCP_HAS_TS)
		f->tsval = h.tsval;
	return true;
}

static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct fuzz *f = arg;

	f->conn = conn;
	ASSERT(tcp_set_user(e, conn, f) == 0);
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	(void)user;
	rte_pktmbuf_free(chain);
	if (len % 3 != 0)
		(void)tcp_consumed(e, conn, len);
}

static const struct tcp_ops ops = {.on_accept = on_accept, .on_data = on_data};

static void segment(struct fuzz *f)
{
	uint8_t ip[4096] = {0}, kind = (uint8_t)take(f, 1);
	uint32_t l3 = f->v6 ? IP6_HDR_LEN : IP4_HDR_LEN, opts = 0, len, total;
	struct tcp_hdr *th = (void *)(ip + l3);
	uint8_t *o = (uint8_t *)(th + 1);
	static const uint8_t a6[16] = {0xfd, [15] = 9};
	struct ip_addr src = f->v6 ? ip_addr_from6(a6) : ip_addr_from4(BE32(0x0a000009));
	struct ip_addr dst = f->v6 ? f->h->addr6 : f->h->addr4;

	th->sport_be = BE16(5000 + (kind >> 7));
	th->dport_be = f->port;
	th->flags = (uint8_t)take(f, 1);
	th->seq_be = BE32((kind & 1 ? f->rcv_nxt : PEER_ISN) + (uint32_t)(int16_t)take(f, 2));
	th->ack_be = BE32((kind & 2 ? f->snd_nxt : f->iss + 1) + (uint32_t)(int16_t)take(f, 2));
	th->window_be = BE16(take(f, 2));
	if (kind & 4) {
		o[0] = o[1] = 1;
		o[2] = 8;
		o[3] = 10;
		store_be32(o + 4, 1000 + take(f, 2));
		store_be32(o + 8, f->tsval - take(f, 1));
		opts = 12;
	}
	if (kind & 8) {
		uint32_t b[1][2];

		b[0][0] = f->iss + 1 + take(f, 2);
		b[0][1] = b[0][0] + take(f, 2);
		opts += tcp_opt_put_sack(o + opts, (const uint32_t(*)[2])b, 1);
	}
	if (kind & 16)
		for (uint32_t n = take(f, 1) % (TCP_OPTS_MAX - opts + 1); n > 0; n--)
			o[opts++] = (uint8_t)take(f, 1);
	opts = ROUND_UP(opts, 4u);
	len = kind & 32 ? take(f, 2) % 1500 : 0;
	total = l3 + TCP_HDR_LEN + opts + len;
	th->off = (uint8_t)((TCP_HDR_LEN + opts) << 2);
	if (kind & 64)
		th->off = (uint8_t)take(f, 1);
	if (f->v6) {
		struct ip6_hdr *h = (void *)ip;

		h->ver_tc_flow_be = BE32(0x60000000u | (uint32_t)(kind & 3) << 20);
		h->payload_len_be = BE16(total - l3);
		h->next = PROTO_TCP;
		memcpy(h->src, src.b, 16);
		memcpy(h->dst, dst.b, 16);
	} else {
		struct ip4_hdr *h = (void *)ip;

		h->ver_ihl = 0x45;
		h->tos = kind & 3;
		h->total_len_be = BE16(total);
		h->proto = PROTO_TCP;
		h->src_be = src.w[3];
		h->dst_be = dst.w[3];
		h->cksum = cksum_ip4(h);
	}
	th->cksum = (uint16_t)~cksum_fold(
		cksum_add(cksum_pseudo(&src, &dst, PROTO_TCP, total - l3), ip + l3, total - l3));
	sim_inject(f->s, 0, ip, total);
	sim_run(f->s, sim_now(f->s));
}

static void icmp(struct fuzz *f)
{
	struct pkt_meta m = {.ip_ver = f->v6 ? 6 : 4};
	static const uint8_t a6[16] = {0xfd, [15] = 9};
	uint8_t inner[8];

	m.icmp_type = (uint8_t)take(f, 1);
	m.icmp_code = (uint8_t)take(f, 1);
	m.inner.src = f->v6 ? f->h->addr6 : f->h->addr4;
	m.inner.dst = f->v6 ? ip_addr_from6(a6) : ip_addr_from4(BE32(0x0a000009));
	store16(inner, f->port);
	store16(inner + 2, BE16(5000));
	store_be32(inner + 4, f->iss + take(f, 2));
	(void)tcp_icmp_error(f->h->e, &m, inner, take(f, 2), sim_now(f->s));
}

static void call(struct fuzz *f)
{
	struct tcp_engine *e = f->h->e;
	uint8_t op = (uint8_t)take(f, 1);
	uint32_t n = take(f, 2);
	static const uint8_t bytes[2048];
	struct rte_mbuf *m;

	switch (op % 9) {
	case 0:
	case 1:
		m = sim_payload(f->h, bytes, n % 2048);
		if (m != NULL) {
			(void)!tcp_send(e, f->conn, &m, op >> 6);
			rte_pktmbuf_free(m);
		}
		break;
	case 2:
		(void)!tcp_send_bytes(e, f->conn, bytes, n % 2048, op >> 6);
		break;
	case 3:
		(void)tcp_consumed(e, f->conn, n);
		break;
	case 4:
		(void)tcp_shutdown(e, f->conn);
		break;
	case 5:
		(void)tcp_close(e, f->conn);
		break;
	case 6:
		(void)tcp_set(e, f->conn, (enum tcp_option)(op >> 4), n);
		break;
	case 7:
		f->h->route_mtu = 1280 + n % 1000;
		for (uint32_t at = 0; at != UINT32_MAX;)
			at = tcp_reroute(f->h->e, at, 16);
		break;
	default:
		if (op > 200)
			(void)tcp_abort(e, f->conn);
	}
}

static void open_active(struct fuzz *f)
{
	static const uint8_t a6[16] = {0xfd, [15] = 9};
	struct tcp_connect_args a = {
		.raddr = f->v6 ? ip_addr_from6(a6) : ip_addr_from4(BE32(0x0a000009)),
		.rport = BE16(5000),
		.ops = &ops,
		.user = f,
	};

	(void)!tcp_connect(f->h->e, &a, &f->conn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = {.p = data, .end = data + size, .port = BE16(80), .rcv_nxt = PEER_ISN};
	struct sim_host_config cfg = {0};
	struct ip_addr any = {0};
	uint8_t how = (uint8_t)take(&f, 1);

	cfg.csum_offload = how & 1;
	cfg.tso = (how & 3) == 3;
	f.v6 = how & 4;
	cfg.tcp.rcvbuf = how & 8 ? 2000 : 0;
	cfg.tcp.sndbuf = how & 16 ? 3000 : 0;
	cfg.tcp.cookie_level = how & 32 ? 1 : 0;
	cfg.tcp.nagle = how & 64;
	cfg.tcp.max_conns = 4;
	cfg.tcp.max_syns = 4;
	cfg.tcp.max_timewaits = 2;
	cfg.tcp.max_segs = 256;
	f.s = sim_create(1, 1, &cfg);
	f.h = sim_host(f.s, 0);
	sim_tap(f.s, tap, &f);
	ASSERT(tcp_listen(f.h->e, &any, BE16(80), &ops, &f) >= 0);
	if (how & 128)
		open_active(&f);
	for (int i = 0; i < STEPS && f.p < f.end; i++) {
		uint8_t op = (uint8_t)take(&f, 1);

		if (op % 8 < 5)
			segment(&f);
		else if (op % 8 == 5)
			call(&f);
		else if (op % 8 == 6)
			sim_run(f.s, sim_now(f.s) + (uint64_t)take(&f, 2) * 1000000);
		else
			icmp(&f);
		sim_kick(f.s, 0);
	}
	sim_destroy(f.s, true);
	return 0;
}
