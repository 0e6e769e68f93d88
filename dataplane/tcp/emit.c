/* SPDX-License-Identifier: Apache-2.0
 * Frames out. Every frame begins with a header mbuf of its own, written once and given away, so
 * nothing that a driver still reads is ever changed. Packets leave without an Ethernet header. */
#include <errno.h>
#include "dataplane/net/cksum.h"
#include "dataplane/tcp/tcp_pvt.h"

#define ECN_ECT0 0x02

/* NULL when the pool is empty, counted. */
struct rte_mbuf *emit_header(struct tcp_engine *e)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(e->cfg.header_pool);

	if (unlikely(m == NULL))
		CNT(e, no_mbuf);
	return m;
}

/* A port that takes no chains has its frames in buffers of its own receive pool while that has
 * plenty: af_xdp copies what comes from another one. */
struct rte_mbuf *emit_conn_header(struct tcp_engine *e, const struct tcp_conn *c)
{
	struct rte_mbuf *m = NULL;

	if (c->flags & CF_SINGLE && e->cfg.rx_pool != NULL && e->pressure == 0)
		m = rte_pktmbuf_alloc(e->cfg.rx_pool);
	return m != NULL ? m : emit_header(e);
}

void emit_flush(struct tcp_engine *e)
{
	uint16_t n = e->out_n;

	if (n == 0)
		return;
	e->out_n = 0;
	if (e->cfg.ledger != NULL)
		e->cfg.ledger->born += n;
	CNT_ADD(e, segs_out, n);
	e->cfg.cb.emit(e->cfg.cb.ctx, e->out, n);
}

static void put_ip4(
	struct tcp_engine *e, struct ip4_hdr *ip, const struct tcp_out *o, uint32_t total)
{
	ip->ver_ihl = 0x45;
	ip->tos = o->ect ? ECN_ECT0 : 0;
	ip->total_len_be = BE16(total);
	ip->id_be = 0; /* atomic datagram: never fragmented (RFC 6864) */
	ip->frag_be = BE16(IP4_DF);
	ip->ttl = e->cfg.ttl;
	ip->proto = PROTO_TCP;
	ip->cksum = 0;
	ip->src_be = o->t.laddr.w[3];
	ip->dst_be = o->t.raddr.w[3];
	if (!o->csum_off)
		ip->cksum = cksum_ip4(ip);
}

static void put_ip6(
	struct tcp_engine *e, struct ip6_hdr *ip, const struct tcp_out *o, uint32_t total)
{
	ip->ver_tc_flow_be = BE32(0x60000000u | (o->ect ? (uint32_t)ECN_ECT0 << 20 : 0));
	ip->payload_len_be = BE16(total - IP6_HDR_LEN);
	ip->next = PROTO_TCP;
	ip->hop_limit = e->cfg.ttl;
	memcpy(ip->src, o->t.laddr.b, 16);
	memcpy(ip->dst, o->t.raddr.b, 16);
}

/* The checksum, or what the port needs to make it: the pseudo-header's sum, without the length when
 * the port cuts the frame itself. */
static void put_checksum(struct rte_mbuf *hdr, struct tcp_hdr *th, bool v4, const struct tcp_out *o)
{
	uint32_t l4_len = hdr->pkt_len - hdr->l3_len;

	th->cksum = 0;
	if (o->csum_off) {
		hdr->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
		hdr->ol_flags |=
			v4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : RTE_MBUF_F_TX_IPV6;
		if (o->tso_segsz != 0) {
			hdr->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
			hdr->tso_segsz = o->tso_segsz;
			l4_len = 0;
		}
		th->cksum = cksum_fold(cksum_pseudo(&o->t.laddr, &o->t.raddr, PROTO_TCP, l4_len));
		return;
	}
	th->cksum = (uint16_t)~cksum_fold(
		cksum_add_mbuf(cksum_pseudo(&o->t.laddr, &o->t.raddr, PROTO_TCP, l4_len), hdr,
			hdr->l3_len, l4_len));
}

/* Write IP and TCP headers in front of what hdr holds (copied payload, or nothing) and queue the
 * frame; `payload` bytes follow the TCP header over all mbufs. Takes hdr. */
void emit_frame(
	struct tcp_engine *e, struct rte_mbuf *hdr, uint32_t payload, const struct tcp_out *o)
{
	bool v4 = ip_addr_is4(&o->t.raddr);
	uint32_t l3 = v4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	uint32_t l4 = TCP_HDR_LEN + o->opts_len;
	uint8_t *ip = (uint8_t *)rte_pktmbuf_prepend(hdr, (uint16_t)(l3 + l4));
	struct tcp_hdr *th = (void *)(ip + l3);

	ASSERT_DBG(ip != NULL && hdr->pkt_len == l3 + l4 + payload);
	hdr->l2_len = 0;
	hdr->l3_len = l3 & 0x1ff;
	hdr->l4_len = l4 & 0xff;
	if (v4)
		put_ip4(e, (void *)ip, o, l3 + l4 + payload);
	else
		put_ip6(e, (void *)ip, o, l3 + l4 + payload);
	th->sport_be = o->t.lport;
	th->dport_be = o->t.rport;
	th->seq_be = BE32(o->seq);
	th->ack_be = BE32(o->ack);
	th->off = (uint8_t)(l4 << 2);
	th->flags = o->flags;
	th->window_be = BE16(o->wnd);
	th->urgent_be = 0;
	if (o->opts_len != 0)
		memcpy(th + 1, o->opts, o->opts_len);
	put_checksum(hdr, th, v4, o);
	e->out[e->out_n++] = hdr;
	if (e->out_n == TCP_OUT_BURST)
		emit_flush(e);
}

/* A segment without payload; m may be NULL, and nothing is sent. */
static void emit_bare(struct tcp_engine *e, struct rte_mbuf *m, const struct tcp_out *o)
{
	if (m != NULL)
		emit_frame(e, m, 0, o);
}

/* A pure acknowledgement; seq is SND.NXT but for keep-alive and window probes. */
void emit_ack(struct tcp_engine *e, struct tcp_conn *c, uint32_t seq)
{
	uint8_t opts[TCP_OPTS_MAX];
	uint32_t blocks[TCP_MAX_SACK][2];
	uint32_t n = 0, k;
	struct tcp_out o = {.t = c->t, .seq = seq, .flags = TCP_ACK};

	if (c->flags & CF_TS)
		n += tcp_opt_put_ts(opts, e->now_ms + c->ts_off, c->ts_recent);
	if (c->flags & CF_SACK && (c->ooo_cnt != 0 || c->flags & CF_DSACK)) {
		k = recv_sack_blocks(e, c, c->flags & CF_TS ? 3 : 4, blocks);
		if (k != 0)
			n += tcp_opt_put_sack(opts + n, (const uint32_t(*)[2])blocks, k);
	}
	if (c->flags & CF_ECE_OUT)
		o.flags |= TCP_ECE;
	o.wnd = (uint16_t)(recv_window(e, c) >> c->rcv_wscale);
	o.ack = c->rcv_nxt;
	o.csum_off = (c->flags & CF_CSUM_OFF) != 0;
	o.opts = opts;
	o.opts_len = n;
	emit_bare(e, emit_conn_header(e, c), &o);
	c->last_ack = c->rcv_nxt;
	c->flags &= ~(uint32_t)(CF_ACK_NOW | CF_ACK_LATER | CF_DELACK | CF_WUPDATE);
}

/* SYN of an active open, or SYN-ACK of a simultaneous one. */
void emit_syn(struct tcp_engine *e, struct tcp_conn *c)
{
	uint8_t opts[TCP_OPTS_MAX];
	bool synack = c->state == TCP_SYN_RCVD;
	struct tcp_syn_opts so = {
		.mss = (uint16_t)(c->mtu - ip_hdr_len(c) - TCP_HDR_LEN),
		.wscale = c->rcv_wscale,
		.has_wscale = synack ? c->rcv_wscale != 0 || c->snd_wscale != 0 : !e->cfg.no_wscale,
		.has_sack = synack ? (c->flags & CF_SACK) != 0 : !e->cfg.no_sack,
		.has_ts = synack ? (c->flags & CF_TS) != 0 : !e->cfg.no_timestamps,
		.tsval = e->now_ms + c->ts_off,
		.tsecr = synack ? c->ts_recent : 0,
	};
	struct tcp_out o = {.t = c->t, .seq = c->snd_una, .flags = TCP_SYN, .opts = opts};

	if (synack) {
		o.flags |= TCP_ACK | (c->flags & CF_ECN ? TCP_ECE : 0);
		o.ack = c->rcv_nxt;
		c->last_ack = c->rcv_nxt;
	} else if (!e->cfg.no_ecn && c->tries == 0) {
		o.flags |= TCP_ECE | TCP_CWR; /* only the first SYN asks: RFC 3168 6.1.1.1 */
	}
	o.wnd = (uint16_t)u32_min(c->rcvbuf, UINT16_MAX);
	o.opts_len = tcp_opt_put_syn(opts, &so);
	o.csum_off = (c->flags & CF_CSUM_OFF) != 0;
	emit_bare(e, emit_header(e), &o);
}

void emit_rst(struct tcp_engine *e, struct tcp_conn *c)
{
	uint8_t opts[TCP_OPTS_MAX];
	struct tcp_out o = {
		.t = c->t,
		.seq = c->snd_nxt,
		.ack = c->rcv_nxt,
		.flags = TCP_RST | TCP_ACK,
		.csum_off = (c->flags & CF_CSUM_OFF) != 0,
		.opts = opts,
	};

	if (c->flags & CF_TS)
		o.opts_len = tcp_opt_put_ts(opts, e->now_ms + c->ts_off, c->ts_recent);
	CNT(e, resets_out);
	emit_bare(e, emit_header(e), &o);
}

void emit_rst_for(struct tcp_engine *e, const struct tcp_tuple *t, const struct tcp_in *h)
{
	struct tcp_out o = {.t = *t, .flags = TCP_RST};

	if (h->flags & TCP_RST || !challenge_allowed(e))
		return;
	if (h->flags & TCP_ACK) {
		o.seq = h->ack;
	} else {
		o.ack = h->seq + h->len + ((h->flags & TCP_SYN) != 0) + ((h->flags & TCP_FIN) != 0);
		o.flags |= TCP_ACK;
	}
	CNT(e, resets_out);
	emit_bare(e, emit_header(e), &o);
}

/* Answers to segments without data are limited (RFC 5961 7); those with data never are, since a
 * lost acknowledgement would otherwise cost the peer a second a try. */
void emit_challenge(struct tcp_engine *e, struct tcp_conn *c, bool has_data)
{
	if (!has_data && !challenge_allowed(e))
		return;
	CNT(e, challenge_acks);
	c->flags |= CF_ACK_NOW;
	conn_dirty(e, c);
}
