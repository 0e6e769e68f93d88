/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/sim.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/cksum.h"
#include "dataplane/net/pkt.h"
#include "dataplane/tcp/tcp_pvt.h"
#include "tests/support/eal.h"
#include "tests/support/offload.h"
#include "tests/support/pcap_file.h"

#define RECORD_MAX   40000 /* packets kept for the pcap of a failure */
#define FLOW_MAX     64
#define CHECK_ALL    500
#define CHECK_EVERY  16
#define BURST_MAX_NS UINT64_C(1000000000)
#define PKT_MAX      65600

enum event_kind { EVENT_PACKET, EVENT_CALL };

struct event {
	uint64_t at, order;
	enum event_kind kind;
	sim_event_fn fn;
	void *arg;
	int to;
	uint32_t len;
	uint8_t *data;
};

/* One direction of one connection as the wire saw it. */
struct flow {
	struct tcp_tuple t; /* laddr is the sender */
	uint32_t edge, fin_seq;
	uint8_t wscale;
	bool used, has_edge, has_fin, offered;
	bool known; /* its SYN was seen: with very many connections, older ones are forgotten */
};

struct record {
	uint64_t at;
	uint32_t len;
	uint8_t *data;
};

struct sim {
	uint64_t seed, now, order, steps;
	struct rng rng;
	int host_cnt;
	struct sim_host host[SIM_HOSTS];
	struct event *heap;
	uint32_t heap_n, heap_cap;
	struct flow flows[FLOW_MAX];
	uint32_t flow_next;
	struct record *records;
	uint64_t record_n;
	sim_tap_fn tap;
	void *tap_ctx;
};

static struct sim *running; /* for the abort handler */

/* ---- failures ---- */

static void write_pcap(struct sim *s)
{
	char path[128];
	const char *env = getenv("SIM_PCAP");
	uint64_t first = s->record_n > RECORD_MAX ? s->record_n - RECORD_MAX : 0;
	FILE *f;

	(void)mkdir("build", 0777);
	(void)mkdir("build/sim", 0777);
	snprintf(path, sizeof(path), "build/sim/%llu.pcap", (unsigned long long)s->seed);
	f = fopen(env != NULL ? env : path, "w");
	if (f == NULL || pcap_write_header(f) != 0)
		return;
	for (uint64_t i = first; i < s->record_n; i++) {
		struct record *r = &s->records[i % RECORD_MAX];
		static uint8_t frame[PKT_MAX + 14];
		struct pcap_packet p = {.time_ns = r->at, .len = r->len + 14, .data = frame};

		memset(frame, 0, 12);
		frame[12] = r->data[0] >> 4 == 4 ? 0x08 : 0x86;
		frame[13] = r->data[0] >> 4 == 4 ? 0x00 : 0xdd;
		memcpy(frame + 14, r->data, r->len);
		if (pcap_write_packet(f, &p) != 0)
			break;
	}
	fclose(f);
	fprintf(stderr, "sim: packets in %s\n", env != NULL ? env : path);
}

static void print_conns(const struct sim *s)
{
	for (int i = 0; i < s->host_cnt; i++) {
		struct tcp_info c;
		uint32_t at = 0, n = 0;
		const struct tcp_counters *k = tcp_counters(s->host[i].e);

		fprintf(stderr, "sim: host %d", i);
		for (unsigned r = 0; r < tcp_counter_cnt; r++)
			if (tcp_counter_get(k, r) != 0)
				fprintf(stderr, " %s %llu", tcp_counter_rows[r].name,
					(unsigned long long)tcp_counter_get(k, r));
		fprintf(stderr, "\n");

		while (n++ < 20 && (at = tcp_next(s->host[i].e, at, &c)) != UINT32_MAX)
			fprintf(stderr,
				"sim: host %d port %u/%u %s%s rec %u backoff %u una %u nxt +%u "
				"queued %u "
				"inflight %u cwnd %u ssthresh %u wnd %u/%u unread %u ooo %u rto %u "
				"mss %u\n",
				i, BE16(c.lport), BE16(c.rport), tcp_state_name(c.state),
				c.orphan ? " orphan" : "", c.recovery, c.backoff, c.snd_una,
				c.snd_nxt - c.snd_una, c.queued, c.inflight, c.cwnd, c.ssthresh,
				c.snd_wnd, c.rcv_wnd, c.unread, c.ooo_bytes, c.rto_ms, c.mss);
	}
}

static void on_abort(int sig)
{
	struct sim *s = running;

	signal(sig, SIG_DFL);
	if (s != NULL) {
		running = NULL;
		fprintf(stderr, "sim: failed with seed %llu at %.6f s\n",
			(unsigned long long)s->seed, (double)(s->now - SIM_START) / 1e9);
		print_conns(s);
		write_pcap(s);
	}
	abort();
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	(void)s;
	va_start(ap, fmt);
	fprintf(stderr, "sim: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	abort();
}

static void record(struct sim *s, const uint8_t *data, uint32_t len)
{
	struct record *r = &s->records[s->record_n++ % RECORD_MAX];

	free(r->data);
	r->data = malloc(len);
	r->len = len;
	r->at = s->now;
	memcpy(r->data, data, len);
}

/* ---- events, a binary heap by time, then by order of arrival ---- */

static bool before(const struct event *a, const struct event *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void heap_push(struct sim *s, struct event ev)
{
	uint32_t i = s->heap_n++;

	if (i == s->heap_cap) {
		s->heap_cap = s->heap_cap == 0 ? 256 : 2 * s->heap_cap;
		s->heap = realloc(s->heap, s->heap_cap * sizeof(s->heap[0]));
		ASSERT(s->heap != NULL);
	}
	ev.order = s->order++;
	for (; i > 0 && before(&ev, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = ev;
}

static struct event heap_pop(struct sim *s)
{
	struct event top = s->heap[0], last = s->heap[--s->heap_n];
	uint32_t i = 0, c;

	while ((c = 2 * i + 1) < s->heap_n) {
		if (c + 1 < s->heap_n && before(&s->heap[c + 1], &s->heap[c]))
			c++;
		if (!before(&s->heap[c], &last))
			break;
		s->heap[i] = s->heap[c];
		i = c;
	}
	if (s->heap_n > 0)
		s->heap[i] = last;
	return top;
}

void sim_at(struct sim *s, uint64_t when_ns, sim_event_fn fn, void *arg)
{
	heap_push(s, (struct event){.at = when_ns < s->now ? s->now : when_ns,
			     .kind = EVENT_CALL,
			     .fn = fn,
			     .arg = arg});
}

/* ---- parsing what the engine made ---- */

/* Fill in what the engine reads of a meta; the packet has no link header and no options. */
static bool make_meta(const uint8_t *ip, uint32_t len, struct pkt_meta *p)
{
	memset(p, 0, sizeof(*p));
	if (len < IP4_HDR_LEN + 8)
		return false;
	p->ip_ver = ip[0] >> 4;
	if (p->ip_ver == 4) {
		const struct ip4_hdr *h = (const void *)ip;

		p->kind = PKT_IP4;
		p->src = ip_addr_from4(h->src_be);
		p->dst = ip_addr_from4(h->dst_be);
		p->l4_off = (uint16_t)((h->ver_ihl & 15) * 4);
		p->l3_len = BE16(h->total_len_be);
		p->proto = h->proto;
		p->tos = h->tos;
		if (h->ver_ihl != 0x45 || cksum_ip4(h) != h->cksum)
			return false;
	} else if (p->ip_ver == 6 && len >= IP6_HDR_LEN + 8) {
		const struct ip6_hdr *h = (const void *)ip;

		p->kind = PKT_IP6;
		p->src = ip_addr_from6(h->src);
		p->dst = ip_addr_from6(h->dst);
		p->l4_off = IP6_HDR_LEN;
		p->l3_len = (uint16_t)(BE16(h->payload_len_be) + IP6_HDR_LEN);
		p->proto = h->next;
		p->tos = (uint8_t)(BE32(h->ver_tc_flow_be) >> 20);
	} else {
		return false;
	}
	if (p->l3_len > len || p->l3_len < p->l4_off + TCP_HDR_LEN || p->proto != PROTO_TCP)
		return false;
	p->sport = load16(ip + p->l4_off);
	p->dport = load16(ip + p->l4_off + 2);
	p->tcp_flags = ip[p->l4_off + 13];
	return true;
}

static struct sim_host *host_of(struct sim *s, const struct ip_addr *a)
{
	for (int i = 0; i < s->host_cnt; i++)
		if (ip_addr_eq(a, &s->host[i].addr4) || ip_addr_eq(a, &s->host[i].addr6))
			return &s->host[i];
	return NULL;
}

/* ---- what the wire checks ---- */

static struct flow *flow_of(struct sim *s, const struct pkt_meta *p, bool fresh)
{
	struct tcp_tuple t = {p->dst, p->src, p->dport, p->sport, 0};
	struct flow *f;

	for (int i = 0; i < FLOW_MAX; i++)
		if (s->flows[i].used && tcp_tuple_eq(&s->flows[i].t, &t)) {
			if (fresh)
				s->flows[i] = (struct flow){.t = t, .used = true};
			return &s->flows[i];
		}
	f = &s->flows[s->flow_next++ % FLOW_MAX];
	*f = (struct flow){.t = t, .used = true};
	return f;
}

static struct flow *flow_back(struct sim *s, const struct pkt_meta *p)
{
	struct tcp_tuple t = {p->src, p->dst, p->sport, p->dport, 0};

	for (int i = 0; i < FLOW_MAX; i++)
		if (s->flows[i].used && tcp_tuple_eq(&s->flows[i].t, &t))
			return &s->flows[i];
	return NULL;
}

static void check_edges(
	struct sim *s, const struct pkt_meta *p, const struct tcp_in *h, struct flow *f)
{
	const struct flow *back = flow_back(s, p);
	bool scaled = !(h->flags & TCP_SYN) && f->offered && back != NULL && back->offered;
	bool sure = f->known && (h->flags & TCP_SYN || (back != NULL && back->known));
	uint32_t edge = h->ack + ((uint32_t)h->wnd << (scaled ? f->wscale : 0));

	if (h->flags & TCP_RST || !(h->flags & TCP_ACK) || !sure)
		return;
	/* A TIME_WAIT record answers with a shut window; nothing is left to receive then. */
	if (f->has_edge && seq_lt(edge, f->edge) && h->wnd != 0)
		sim_fail(s, "right edge moved left by %u", f->edge - edge);
	if (!f->has_edge || seq_gt(edge, f->edge))
		f->edge = edge;
	f->has_edge = true;
}

static void check_segment(struct sim *s, const uint8_t *ip, uint32_t len)
{
	struct pkt_meta p;
	struct tcp_in h;
	struct flow *f;

	if (!make_meta(ip, len, &p) || p.l3_len != len)
		sim_fail(s, "malformed packet sent");
	if (!tcp_hdr_parse(ip + p.l4_off, len - p.l4_off, &h) || h.opts & TCP_BAD_OPTS)
		sim_fail(s, "malformed TCP header sent");
	if (cksum_fold(cksum_add(cksum_pseudo(&p.src, &p.dst, PROTO_TCP, len - p.l4_off),
		    ip + p.l4_off, len - p.l4_off)) != 0xffff)
		sim_fail(s, "wrong checksum sent");
	h.len = len - p.l4_off - h.hdr_len;
	if ((h.flags & TCP_SYN && h.len != 0) ||
		(h.flags & (TCP_SYN | TCP_FIN)) == (TCP_SYN | TCP_FIN))
		sim_fail(s, "strange SYN sent");
	f = flow_of(s, &p, h.flags & TCP_SYN);
	if (h.flags & TCP_SYN) {
		f->known = true;
		f->offered = h.opts & TCP_HAS_WSCALE;
		f->wscale = h.wscale;
	}
	check_edges(s, &p, &h, f);
	if (h.flags & TCP_RST)
		return;
	if (f->has_fin && h.len != 0 && seq_gt(h.seq + h.len, f->fin_seq))
		sim_fail(s, "data sent beyond the FIN");
	if (h.flags & TCP_FIN) {
		if (f->has_fin && f->fin_seq != h.seq + h.len)
			sim_fail(s, "FIN moved");
		f->has_fin = true;
		f->fin_seq = h.seq + h.len;
	}
}

/* ---- the wire ---- */

static bool hit(struct sim *s, uint32_t ppm)
{
	return ppm != 0 && rng_below(&s->rng, 1000000) < ppm;
}

static void deliver_at(
	struct sim *s, struct sim_host *to, uint64_t at, const uint8_t *ip, uint32_t len)
{
	uint64_t poll = to->cfg.poll_ns;
	struct event ev = {.kind = EVENT_PACKET, .to = to->id, .len = len};

	ev.at = poll != 0 ? ROUND_UP(at, poll) : at;
	ev.data = malloc(len);
	memcpy(ev.data, ip, len);
	heap_push(s, ev);
}

/* "Too big", back to the sender; the engine takes it as the ICMP layer would hand it over. */
struct icmp_back {
	struct sim *s;
	int host;
	struct pkt_meta meta;
	uint8_t inner[8];
	uint32_t mtu;
};

static void icmp_arrives(void *arg)
{
	struct icmp_back *b = arg;
	struct sim_host *h = &b->s->host[b->host];

	(void)tcp_icmp_error(h->e, &b->meta, b->inner, b->mtu, b->s->now);
	sim_kick(b->s, b->host);
	free(b);
}

static void report_too_big(struct sim *s, struct sim_host *from, const uint8_t *ip, uint32_t len)
{
	struct icmp_back *b = calloc(1, sizeof(*b));
	struct pkt_meta p;

	if (!make_meta(ip, len, &p)) {
		free(b);
		return;
	}
	b->s = s;
	b->host = from->id;
	b->mtu = from->wire.mtu;
	b->meta.ip_ver = p.ip_ver;
	b->meta.icmp_type = p.ip_ver == 4 ? ICMP4_UNREACH : ICMP6_TOO_BIG;
	b->meta.icmp_code = p.ip_ver == 4 ? ICMP4_UNREACH_FRAG : 0;
	b->meta.inner.src = p.src;
	b->meta.inner.dst = p.dst;
	memcpy(b->inner, ip + p.l4_off, 8);
	sim_at(s, s->now + 2 * from->wire.delay_ns, icmp_arrives, b);
}

static bool wire_loses(struct sim *s, struct sim_host *from, const uint8_t *ip, uint32_t len)
{
	struct sim_wire *w = &from->wire;

	if (w->down)
		return true;
	if (w->mtu != 0 && len > w->mtu) {
		if (w->icmp)
			report_too_big(s, from, ip, len);
		return true;
	}
	/* A burst ends by chance, or by time: idle connections would see it last for minutes. */
	if (from->bad_state && s->now >= from->bad_until_ns)
		from->bad_state = false;
	if (from->bad_state ? hit(s, w->burst_exit_ppm) : hit(s, w->burst_enter_ppm)) {
		from->bad_state = !from->bad_state;
		from->bad_until_ns = s->now + BURST_MAX_NS;
	}
	return from->bad_state || hit(s, w->loss_ppm);
}

static void mark_ce(uint8_t *ip)
{
	if (ip[0] >> 4 == 4) {
		struct ip4_hdr *h = (void *)ip;

		if ((h->tos & 3) != 1 && (h->tos & 3) != 2)
			return;
		h->tos |= 3;
		h->cksum = 0;
		h->cksum = cksum_ip4(h);
	} else if ((ip[1] >> 4 & 3) == 1 || (ip[1] >> 4 & 3) == 2) {
		ip[1] |= 0x30;
	}
}

/* A middlebox may not, but a peer may: mark data as urgent. It stays data (RFC 6093). */
static void mark_urgent(uint8_t *ip, uint32_t len, uint16_t pointer)
{
	uint32_t l3 = ip[0] >> 4 == 4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	struct tcp_hdr *th = (void *)(ip + l3);
	uint64_t diff;

	if (len == l3 + (th->off >> 4) * 4u || th->flags & (TCP_SYN | TCP_RST))
		return;
	diff = cksum_diff16(0, load16(&th->off), (uint16_t)(load16(&th->off) | BE16(TCP_URG)));
	diff = cksum_diff16(diff, th->urgent_be, pointer);
	th->flags |= TCP_URG;
	th->urgent_be = pointer;
	th->cksum = cksum_apply(th->cksum, diff);
}

static void wire_send(struct sim *s, struct sim_host *from, uint8_t *ip, uint32_t len)
{
	struct sim_wire *w = &from->wire;
	struct pkt_meta p;
	struct sim_host *to;
	uint64_t at = s->now;

	record(s, ip, len);
	check_segment(s, ip, len);
	if (s->tap != NULL && !s->tap(s->tap_ctx, from->id, ip, len))
		return;
	if (!make_meta(ip, len, &p) || (to = host_of(s, &p.dst)) == NULL)
		return;
	if (wire_loses(s, from, ip, len))
		return;
	if (w->rate_bps != 0) {
		uint64_t free_at = from->free_at_ns > s->now ? from->free_at_ns : s->now;
		uint64_t queued = (free_at - s->now) * w->rate_bps / 8 / NS_PER_S;

		if (w->queue_bytes != 0 && queued + len > w->queue_bytes)
			return;
		from->free_at_ns = free_at + (uint64_t)len * 8 * NS_PER_S / w->rate_bps;
		at = from->free_at_ns;
	}
	at += w->delay_ns;
	if (w->jitter_ns != 0)
		at += rng_below(&s->rng, w->jitter_ns);
	if (hit(s, w->reorder_ppm))
		at += 1 + rng_below(&s->rng, w->reorder_ns + 1);
	if (hit(s, w->ce_ppm))
		mark_ce(ip);
	if (hit(s, w->urg_ppm))
		mark_urgent(ip, len, (uint16_t)rng_next(&s->rng));
	if (hit(s, w->dup_ppm))
		deliver_at(s, to, at + rng_below(&s->rng, w->delay_ns + 1), ip, len);
	if (hit(s, w->corrupt_ppm)) {
		uint32_t bit = (uint32_t)rng_below(&s->rng, (uint64_t)len * 8);

		ip[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	deliver_at(s, to, at, ip, len);
}

/* ---- the port: offloads ---- */

static uint32_t tso_bytes(const struct sim_host *h)
{
	return h->cfg.tso_bytes != 0 ? h->cfg.tso_bytes : 60000;
}

static void leaves(void *ctx, uint8_t *ip, uint32_t len)
{
	struct sim_host *h = ctx;

	if (len > h->route_mtu && (ip[0] >> 4 == 4 || len > IP6_MIN_MTU))
		sim_fail(h->sim, "packet of %u bytes on a route of %u", len, h->route_mtu);
	wire_send(h->sim, h, ip, len);
}

static void check_chain(struct sim *s, const struct rte_mbuf *m)
{
	uint32_t len = 0, segs = 0;

	for (const struct rte_mbuf *q = m; q != NULL; q = q->next) {
		len += q->data_len;
		segs++;
	}
	if (len != m->pkt_len || segs != m->nb_segs)
		sim_fail(s, "mbuf chain: %u bytes in %u mbufs, header says %u in %u", len, segs,
			m->pkt_len, m->nb_segs);
}

static void port_send(struct sim *s, struct sim_host *h, struct rte_mbuf *m)
{
	const struct sim_host_config *c = &h->cfg;
	const char *wrong;

	check_chain(s, m);
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM && !c->csum_offload)
		sim_fail(s, "checksum offload asked of a port that has none");
	if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG && !c->tso)
		sim_fail(s, "TSO asked of a port that has none");
	if (c->single_segment && m->nb_segs > 1)
		sim_fail(s, "a chain for a port that takes none");
	if (c->tso_segs != 0 && m->nb_segs > 1u + c->tso_segs)
		sim_fail(s, "%u mbufs for a port that takes %u", m->nb_segs, c->tso_segs + 1);
	if (m->pkt_len - m->l3_len - m->l4_len > tso_bytes(h) && m->tso_segsz != 0)
		sim_fail(s, "TSO frame of %u bytes", m->pkt_len);
	wrong = offload_wrong(m);
	if (wrong != NULL)
		sim_fail(s, "offload: %s", wrong);
	offload_send(m, leaves, h);
	rte_pktmbuf_free(m);
}

static void emit(void *ctx, struct rte_mbuf **mbufs, uint16_t n)
{
	struct sim_host *h = ctx;

	for (uint16_t i = 0; i < n; i++)
		port_send(h->sim, h, mbufs[i]);
}

static bool route(void *ctx, const struct ip_addr *dst, struct tcp_route *out)
{
	struct sim_host *h = ctx;

	if (h->no_route)
		return false;
	out->src = ip_addr_is4(dst) ? h->addr4 : h->addr6;
	out->mtu = (uint16_t)h->route_mtu;
	out->csum_offload = h->cfg.csum_offload;
	out->tso_bytes = h->cfg.tso ? tso_bytes(h) : 0;
	out->tso_segs = h->cfg.tso_segs;
	out->single_segment = h->cfg.single_segment;
	return true;
}

/* ---- running ---- */

static void host_run(
	struct sim *s, struct sim_host *h, struct rte_mbuf **m, struct pkt_meta *p, uint16_t n)
{
	if (n != 0) {
		h->ledger.rx += n;
		tcp_input(h->e, m, p, n, s->now);
	}
	tcp_run_timers(h->e, s->now);
	tcp_flush(h->e, s->now);
	h->ledger.tx = h->ledger.born;
	/* The whole state, but not every time in long runs. */
	if (s->steps++ < CHECK_ALL || s->steps % CHECK_EVERY == 0)
		tcp_check(h->e);
	if (ledger_imbalance(&h->ledger) != 0)
		sim_fail(s, "host %d: the ledger is off by %lld", h->id,
			(long long)ledger_imbalance(&h->ledger));
}

static struct rte_mbuf *rx_mbuf(struct sim *s, struct sim_host *h, const uint8_t *ip, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->rx), *last = m;

	(void)s;
	if (m == NULL)
		return NULL; /* the port has no descriptor: lost */
	for (uint32_t off = 0; off < len;) {
		uint32_t n = len - off < TEST_MBUF_ROOM ? len - off : TEST_MBUF_ROOM;

		if (off != 0) {
			struct rte_mbuf *q = rte_pktmbuf_alloc(h->rx);

			if (q == NULL) {
				rte_pktmbuf_free(m);
				return NULL;
			}
			last->next = q;
			last = q;
			m->nb_segs++;
		}
		memcpy(rte_pktmbuf_mtod(last, void *), ip + off, n);
		last->data_len = (uint16_t)n;
		off += n;
	}
	m->pkt_len = len;
	return m;
}

void sim_inject(struct sim *s, int host, const void *ip, uint32_t len)
{
	struct pkt_meta p;
	struct tcp_in h;

	/* Windows of the other side are scaled only when this one offered it too. */
	if (make_meta(ip, len, &p) && p.proto == PROTO_TCP && len > p.l4_off &&
		tcp_hdr_parse((const uint8_t *)ip + p.l4_off, len - p.l4_off, &h) &&
		h.flags & TCP_SYN && h.opts & TCP_HAS_WSCALE)
		flow_of(s, &p, false)->offered = true;
	record(s, ip, len);
	deliver_at(s, &s->host[host], s->now, ip, len);
}

/* All packets for one host at this instant make one burst. */
static void packets_arrive(struct sim *s, struct event *first)
{
	struct sim_host *h = &s->host[first->to];
	struct rte_mbuf *m[LIMIT_BURST];
	struct pkt_meta p[LIMIT_BURST];
	struct event ev = *first;
	uint16_t n = 0;

	for (;;) {
		if (make_meta(ev.data, ev.len, &p[n]) &&
			(m[n] = rx_mbuf(s, h, ev.data, ev.len)) != NULL)
			n++;
		free(ev.data);
		if (n == LIMIT_BURST || s->heap_n == 0 || s->heap[0].kind != EVENT_PACKET ||
			s->heap[0].to != h->id || s->heap[0].at > s->now)
			break;
		ev = heap_pop(s);
	}
	host_run(s, h, m, p, n);
}

void sim_kick(struct sim *s, int host)
{
	host_run(s, &s->host[host], NULL, NULL, 0);
}

bool sim_step(struct sim *s, uint64_t until_ns)
{
	uint64_t next = s->heap_n != 0 ? s->heap[0].at : UINT64_MAX;
	int who = -1;

	for (int i = 0; i < s->host_cnt; i++) {
		uint64_t t = tcp_next_timer_ns(s->host[i].e);

		if (t < next) {
			next = t;
			who = i;
		}
	}
	if (next > until_ns) {
		if (until_ns != UINT64_MAX && until_ns > s->now)
			s->now = until_ns;
		return false;
	}
	if (next > s->now)
		s->now = next;
	if (who >= 0) {
		host_run(s, &s->host[who], NULL, NULL, 0);
		return true;
	}
	struct event ev = heap_pop(s);

	if (ev.kind == EVENT_CALL)
		ev.fn(ev.arg);
	else
		packets_arrive(s, &ev);
	return true;
}

void sim_run(struct sim *s, uint64_t until_ns)
{
	while (sim_step(s, until_ns))
		;
}

/* ---- setup ---- */

static struct rte_mempool *pool_of(const char *what, int host, unsigned n, uint16_t room)
{
	char name[32];
	struct rte_mempool *p;

	snprintf(name, sizeof(name), "sim_%s%d", what, host);
	p = rte_mempool_lookup(name);
	if (p == NULL)
		p = rte_pktmbuf_pool_create(name, n, 0, 0, room, SOCKET_ID_ANY);
	if (p == NULL) {
		fprintf(stderr, "sim: no memory for pool %s\n", name);
		abort();
	}
	return p;
}

static void host_setup(struct sim *s, int id, const struct sim_host_config *cfg)
{
	struct sim_host *h = &s->host[id];
	struct tcp_config *c = &h->cfg.tcp;
	uint8_t a6[16] = {0xfd, [15] = (uint8_t)(id + 1)};

	h->sim = s;
	h->id = id;
	h->cfg = *cfg;
	h->route_mtu = cfg->mtu != 0 ? cfg->mtu : 1500;
	h->addr4 = ip_addr_from4(BE32(0x0a000001u + (uint32_t)id));
	h->addr6 = ip_addr_from6(a6);
	h->rx = pool_of("rx", id, 3072, RTE_PKTMBUF_HEADROOM + TEST_MBUF_ROOM);
	h->hdr = pool_of("hdr", id, 4096, RTE_PKTMBUF_HEADROOM + 384);
	h->ref = pool_of("ref", id, 4096, 0);
	h->data = pool_of("dat", id, 1024, RTE_PKTMBUF_HEADROOM + 512);
	h->app = pool_of("app", id, 1536, RTE_PKTMBUF_HEADROOM + TEST_MBUF_ROOM);
	if (c->max_conns == 0)
		c->max_conns = 256;
	if (c->max_syns == 0)
		c->max_syns = 64;
	if (c->max_timewaits == 0)
		c->max_timewaits = 256;
	c->header_pool = h->hdr;
	c->ref_pool = h->ref;
	c->data_pool = h->data;
	c->rx_pool = cfg->watch_rx ? h->rx : NULL;
	c->ledger = &h->ledger;
	c->cb = (struct tcp_callbacks){
		.ctx = h, .route = route, .emit = emit, .port_ok = c->cb.port_ok};
	for (size_t i = 0; i < sizeof(c->secret); i++)
		c->secret[i] = (uint8_t)rng_next(&s->rng);
	h->e = tcp_engine_create(c, s->now);
	ASSERT(h->e != NULL);
}

struct sim *sim_create(uint64_t seed, int hosts, const struct sim_host_config *cfgs)
{
	struct sim *s = calloc(1, sizeof(*s));

	test_eal_init();
	ASSERT(s != NULL && hosts > 0 && hosts <= SIM_HOSTS);
	s->records = calloc(RECORD_MAX, sizeof(s->records[0]));
	ASSERT(s->records != NULL);
	s->seed = seed;
	s->now = SIM_START;
	rng_seed(&s->rng, seed);
	s->host_cnt = hosts;
	for (int i = 0; i < hosts; i++)
		host_setup(s, i, &cfgs[i]);
	running = s;
	signal(SIGABRT, on_abort);
	return s;
}

static void check_pool(struct sim *s, const struct sim_host *h, const struct rte_mempool *p)
{
	unsigned used = rte_mempool_in_use_count(p);

	if (used != 0)
		sim_fail(s, "host %d: pool %s lost %u mbufs", h->id, p->name, used);
}

bool sim_quiet(const struct sim *s)
{
	for (int i = 0; i < s->host_cnt; i++) {
		struct tcp_usage u;

		tcp_usage(s->host[i].e, &u);
		if (u.conns != 0 || u.syns != 0)
			return false;
	}
	return true;
}

void sim_destroy(struct sim *s, bool force)
{
	for (int i = 0; i < s->host_cnt && !force; i++) {
		struct tcp_usage u;

		tcp_usage(s->host[i].e, &u);
		if (u.conns + u.syns + u.segs + u.timers != 0)
			sim_fail(s,
				"host %d: %u connections, %u half-open, %u pieces, %u timers left",
				i, u.conns, u.syns, u.segs, u.timers);
	}
	while (s->heap_n != 0) {
		struct event ev = heap_pop(s);

		if (ev.kind == EVENT_PACKET)
			free(ev.data);
		else if (ev.fn == icmp_arrives)
			free(ev.arg);
	}
	for (int i = 0; i < s->host_cnt; i++)
		tcp_engine_destroy(s->host[i].e);
	for (int i = 0; i < s->host_cnt; i++) {
		check_pool(s, &s->host[i], s->host[i].rx);
		check_pool(s, &s->host[i], s->host[i].hdr);
		check_pool(s, &s->host[i], s->host[i].ref);
		check_pool(s, &s->host[i], s->host[i].app);
		check_pool(s, &s->host[i], s->host[i].data);
	}
	running = NULL;
	for (uint64_t i = 0; i < RECORD_MAX && i < s->record_n; i++)
		free(s->records[i].data);
	free(s->records);
	free(s->heap);
	free(s);
}

struct sim_host *sim_host(struct sim *s, int id)
{
	return &s->host[id];
}

struct rng *sim_rng(struct sim *s)
{
	return &s->rng;
}

uint64_t sim_now(const struct sim *s)
{
	return s->now;
}

void sim_tap(struct sim *s, sim_tap_fn fn, void *ctx)
{
	s->tap = fn;
	s->tap_ctx = ctx;
}

struct rte_mbuf *sim_payload(struct sim_host *h, const void *bytes, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->app);

	ASSERT(len <= TEST_MBUF_ROOM);
	if (m == NULL)
		return NULL;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	return m;
}
