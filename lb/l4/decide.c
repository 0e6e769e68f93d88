/* SPDX-License-Identifier: Apache-2.0
 * See decide.h. The tracked paths are inline here and in flow.h; all that happens once per flow is
 * in _slow functions. */
#include "lb/l4/decide.h"

#include <string.h>

#include "dataplane/base/assert.h"
#include "lb/l4/decide_inl.h"

#define GUE_HDR_LEN 4

/* Packets that carry the client's address until the backend was heard to go on: the one that
 * completes the handshake may be lost, and the next then completes it. */
#define TOA_PACKETS 3

/* ---- stage 1 ---- */

ALWAYS_INLINE void to_client_key(struct l4_lookup *lk, const struct l4_addr_slot *vip,
	const struct ip_addr *client, uint16_t cport, uint16_t vport, uint8_t proto)
{
	lk->dir = L4_DIR_CLIENT;
	lk->tables = vip->flags;
	lk->key = (struct flow_key){
		.client = *client, .cport = cport, .vport = vport, .vip = vip->vip, .proto = proto};
}

ALWAYS_INLINE void to_back_key(struct l4_lookup *lk, uint16_t local, const struct ip_addr *backend,
	uint16_t bport, const struct ip_addr *self, uint16_t lport, uint8_t proto)
{
	lk->dir = L4_DIR_BACKEND;
	lk->tables = ADDR_NAT;
	lk->client = *self;
	lk->back = (struct flow_back){.backend = *backend,
		.bport = bport,
		.lport = lport,
		.local = local,
		.proto = proto};
}

ALWAYS_INLINE bool flow_port(const struct l4_table *t, uint16_t port_be)
{
	uint16_t port = __builtin_bswap16(port_be);

	return port >= t->ports.lo && port <= t->ports.hi;
}

/* The packet inside was sent by us, or by a client through us, and its fields are those of the
 * direction against this error's. */
static void classify_error(const struct l4_table *t, const struct pkt_meta *m, struct l4_lookup *lk)
{
	const struct pkt_inner *in = &m->inner;
	const struct l4_addr_slot *s;

	if (!proto_is_l4(in->proto) || !(m->flags & PKT_F_INNER_PORTS))
		return;
	s = addr_find(t, &in->src);
	if (s != NULL && s->vip != L4_NONE16 && ip_addr_eq(&m->dst, &in->src)) {
		to_client_key(lk, s, &in->dst, in->dport, in->sport, in->proto);
	} else if (s != NULL && s->local != L4_NONE16 && flow_port(t, in->sport)) {
		to_back_key(lk, s->local, &in->dst, in->dport, &in->src, in->sport, in->proto);
	} else {
		s = addr_find(t, &in->dst);
		if (s != NULL && (s->flags & ADDR_NAT_BACKEND))
			to_back_key(
				lk, L4_NONE16, &in->dst, in->dport, &in->src, in->sport, in->proto);
	}
}

void l4_classify(const struct l4_table *t, const struct pkt_meta *m, struct l4_lookup *lk)
{
	const struct l4_addr_slot *s;

	lk->dir = L4_DIR_NONE;
	lk->error = false;
	if (unlikely(m->flags & PKT_F_ICMP_ERROR)) {
		lk->error = true;
		classify_error(t, m, lk);
		return;
	}
	if (unlikely(!proto_is_l4(m->proto)))
		return;
	s = addr_find(t, &m->dst);
	if (likely(s != NULL && s->vip != L4_NONE16)) {
		to_client_key(lk, s, &m->src, m->sport, m->dport, m->proto);
	} else if (s != NULL && s->local != L4_NONE16) {
		if (flow_port(t, m->dport))
			to_back_key(lk, s->local, &m->src, m->sport, &m->dst, m->dport, m->proto);
	} else {
		s = addr_find(t, &m->src);
		if (s != NULL && (s->flags & ADDR_NAT_BACKEND))
			to_back_key(lk, L4_NONE16, &m->src, m->sport, &m->dst, m->dport, m->proto);
	}
}

void l4_start(const struct l4_worker *w, struct l4_lookup *lk)
{
	if (likely(lk->dir == L4_DIR_CLIENT)) {
		lk->hash = flow_hash(&w->forward, &lk->key);
		if (lk->tables & ADDR_FORWARD)
			flow_prefetch_bucket(&w->forward, lk->hash);
		if (lk->tables & ADDR_NAT)
			flow_prefetch_bucket(&w->nat, lk->hash);
	} else if (lk->dir == L4_DIR_BACKEND) {
		lk->hash = flow_hash_back(&w->nat, &lk->back, &lk->client);
		flow_prefetch_bucket(&w->nat, lk->hash);
	}
}

void l4_prefetch(const struct l4_worker *w, const struct l4_lookup *lk)
{
	if (lk->dir == L4_DIR_NONE)
		return;
	if (lk->tables & ADDR_FORWARD)
		flow_prefetch_entry(&w->forward, lk->hash);
	if (lk->tables & ADDR_NAT)
		flow_prefetch_entry(&w->nat, lk->hash);
}

/* ---- verdicts ---- */

ALWAYS_INLINE void count_forward(struct l4_worker *w, uint32_t member, const struct pkt_meta *m)
{
	struct l4_member_stats *st = &w->member_stats[member];

	count64(&st->packets, 1);
	count64(&st->bytes, m->l3_len);
}

/* To the backend, unchanged or in a tunnel. */
ALWAYS_INLINE void verdict_forward(struct l4_worker *w, const struct pkt_meta *m, uint32_t member,
	uint64_t hash, struct l4_verdict *v)
{
	const struct l4_member *mb = &w->table->members[member];
	int outer = (mb->flags & MEMBER_IS4) ? IP4_HDR_LEN : IP6_HDR_LEN;

	v->nexthop = mb->addr;
	v->member = member;
	v->service = mb->service;
	v->flow_hash = (uint32_t)(hash >> 16);
	v->gue_port_be = mb->gue_port_be;
	switch ((enum l4_mode)mb->mode) {
	case L4_IPIP:
		v->op = L4_OP_IPIP;
		v->growth = (int8_t)outer;
		break;
	case L4_GUE:
		v->op = L4_OP_GUE;
		v->growth = (int8_t)(outer + UDP_HDR_LEN + GUE_HDR_LEN);
		break;
	default:
		v->op = L4_OP_DSR;
		break;
	}
	if (v->growth > 0 && (mb->flags & MEMBER_MSS_CLAMP) && m->proto == L4_TCP &&
		(m->tcp_flags & TCP_SYN))
		v->flags |= L4_V_MSS_CLAMP;
	count_forward(w, member, m);
}

/* An IPv6 fragment has one more header than an IPv4 one. */
ALWAYS_INLINE int8_t family_growth(
	const struct pkt_meta *m, const struct ip_addr *from, const struct ip_addr *to)
{
	int longer = IP6_HDR_LEN - IP4_HDR_LEN + ((m->flags & PKT_F_FRAG) ? IP6_FRAG_LEN : 0);

	return (int8_t)(((int)ip_addr_is4(from) - (int)ip_addr_is4(to)) * longer);
}

/* Does this packet carry the client's address? Whether it fits is for the rewrite to see. */
ALWAYS_INLINE void verdict_toa(struct flow_nat *n, const struct pkt_meta *m, struct l4_verdict *v)
{
	if (m->tcp_flags & (TCP_RST | TCP_FIN))
		return;
	if (!(m->tcp_flags & TCP_SYN)) {
		if (n->f.state == L4_FLOW_SYN || (n->flags & FLOW_TOA_MASK) == 0)
			return;
		n->flags = (uint8_t)(n->flags - FLOW_TOA_ONE);
	}
	v->flags |= L4_V_TOA;
	v->client = n->f.client;
	v->client_port = n->f.cport;
}

/* To the backend, translated. */
ALWAYS_INLINE void verdict_nat(struct l4_worker *w, const struct pkt_meta *m, struct flow_nat *n,
	bool error, struct l4_verdict *v)
{
	const struct l4_table *t = w->table;
	const struct l4_member *mb = &t->members[n->f.member];
	bool full = n->local != L4_NONE16;

	v->op = L4_OP_NAT;
	v->nexthop = n->backend;
	v->member = n->f.member;
	v->service = mb->service;
	v->src = full ? t->locals[n->local] : n->f.client;
	v->sport = full ? n->lport : n->f.cport;
	v->dst = n->backend;
	v->dport = n->bport;
	v->growth = family_growth(m, &n->f.client, &n->backend);
	if (error) {
		/* The packet in error went from the VIP to the client; the backend knows it as its
		 * own, to the local side. */
		v->flags |= L4_V_ERROR;
		v->inner_src = n->backend;
		v->inner_sport = n->bport;
		v->inner_dst = v->src;
		v->inner_dport = v->sport;
		if (!full)
			v->src = m->src;
	} else if (m->proto == L4_TCP) {
		if (mb->flags & MEMBER_TOA)
			verdict_toa(n, m, v);
		if (v->growth != 0 && (m->tcp_flags & TCP_SYN))
			v->flags |= L4_V_MSS_CLAMP;
	}
	count_forward(w, n->f.member, m);
}

/* To the client, translated back. */
ALWAYS_INLINE void verdict_reverse(struct l4_worker *w, const struct pkt_meta *m,
	const struct flow_nat *n, bool error, struct l4_verdict *v)
{
	const struct l4_table *t = w->table;
	struct l4_member_stats *st = &w->member_stats[n->f.member];
	bool full = n->local != L4_NONE16;

	v->op = L4_OP_NAT;
	v->flags |= L4_V_REVERSE;
	v->nexthop = n->f.client;
	v->member = n->f.member;
	v->service = t->members[n->f.member].service;
	v->src = t->vips[n->f.vip].addr;
	v->sport = n->f.vport;
	v->dst = n->f.client;
	v->dport = n->f.cport;
	v->growth = family_growth(m, &n->backend, &n->f.client);
	if (error) {
		/* The packet in error went to the backend; the client sent it to the VIP. */
		v->flags |= L4_V_ERROR;
		v->inner_src = n->f.client;
		v->inner_sport = n->f.cport;
		v->inner_dst = v->src;
		v->inner_dport = v->sport;
		if (!full && !ip_addr_eq(&m->src, &n->backend))
			v->src = m->src;
	} else if (v->growth != 0 && m->proto == L4_TCP && (m->tcp_flags & TCP_SYN)) {
		v->flags |= L4_V_MSS_CLAMP;
	}
	count64(&st->back_packets, 1);
	count64(&st->back_bytes, m->l3_len);
}

/* ---- flow states ---- */

/* One direction is all that is seen. A reset may be forged, and a connection that goes on says so:
 * only silence makes the short timeout count. */
ALWAYS_INLINE uint8_t state_forward(uint8_t state, const struct pkt_meta *m)
{
	uint8_t f = m->tcp_flags;

	if (state >= L4_FLOW_UDP_ONE)
		return L4_FLOW_UDP;
	if (unlikely(f & TCP_RST))
		return L4_FLOW_CLOSED;
	if (unlikely(f & TCP_FIN))
		return L4_FLOW_FIN;
	if (state == L4_FLOW_FIN || (f & TCP_SYN))
		return state;
	return L4_FLOW_EST;
}

ALWAYS_INLINE void state_nat(struct flow_nat *n, const struct pkt_meta *m, uint8_t fin_flag)
{
	bool back = fin_flag == FLOW_FIN_BACKEND;
	uint8_t f = m->tcp_flags;

	if (n->f.state >= L4_FLOW_UDP_ONE) {
		n->f.state = L4_FLOW_UDP;
		return;
	}
	if (unlikely(f & TCP_RST)) {
		n->f.state = L4_FLOW_CLOSED;
		return;
	}
	if (unlikely(f & TCP_FIN))
		n->flags |= fin_flag;
	if (unlikely(n->flags & (FLOW_FIN_CLIENT | FLOW_FIN_BACKEND))) {
		bool both = (n->flags & FLOW_FIN_CLIENT) && (n->flags & FLOW_FIN_BACKEND);

		n->f.state = both ? L4_FLOW_CLOSED : L4_FLOW_FIN;
		return;
	}
	if (f & TCP_SYN) {
		if (back && n->f.state == L4_FLOW_SYN)
			n->f.state = L4_FLOW_SYNACK;
		return;
	}
	if (back)
		n->flags &= (uint8_t)~FLOW_TOA_MASK;
	if (n->f.state != L4_FLOW_SYN)
		n->f.state = L4_FLOW_EST;
}

ALWAYS_INLINE void touch(struct flow_entry *f, uint64_t now_ns)
{
	uint32_t now = l4_tick(now_ns);

	if (f->seen != now)
		f->seen = now;
}

/* ---- new flows ---- */

/* Virtual scheduling: one event moves the theoretical arrival time on by inc; it is refused when
 * that runs ahead of now by more than the burst. */
static bool rate_admits(uint64_t *tat_ns, uint64_t inc_ns, uint64_t now_ns)
{
	uint64_t tat = *tat_ns > now_ns ? *tat_ns : now_ns;

	if (tat - now_ns > RATE_BURST_NS)
		return false;
	*tat_ns = tat + inc_ns;
	return true;
}

static enum reason no_backend(const struct l4_service *s, const struct pkt_meta *m,
	struct l4_service_stats *st, struct l4_verdict *v)
{
	count64(&st->no_backend, 1);
	if (s->all_down != L4_DOWN_REJECT)
		return REASON_L4_NO_BACKEND;
	if (m->proto == L4_UDP)
		v->reply = L4_REPLY_NO_PORT;
	else if (!(m->tcp_flags & TCP_RST))
		v->reply = L4_REPLY_RST;
	return REASON_L4_REJECTED;
}

/* The backend's side of a flow to come: REASON_NONE, or why there is none. */
static enum reason choose_back(struct l4_worker *w, const struct l4_service *s, uint32_t member,
	const struct flow_key *k, struct flow_back *back)
{
	const struct l4_member *mb = &w->table->members[member];
	uint32_t old;

	*back = (struct flow_back){
		.backend = mb->addr,
		.bport = mb->port_be != 0 ? mb->port_be : k->vport,
		.lport = k->cport,
		.local = L4_NONE16,
		.proto = k->proto,
	};
	if (mb->mode == L4_FULLNAT) {
		if (snat_choose(w, s, back))
			return REASON_NONE;
		count64(&w->member_stats[member].no_port, 1);
		return REASON_L4_NO_PORT;
	}
	/* The same client port may lead to this backend through another VIP: replies could not be
	 * told apart. A connection that is over gives way. */
	old = flow_find_back(&w->nat, flow_hash_back(&w->nat, back, &k->client), back, &k->client);
	if (old == L4_NONE32)
		return REASON_NONE;
	if (flow_at(&w->nat, old)->state != L4_FLOW_CLOSED &&
		flow_at(&w->nat, old)->state != L4_FLOW_FIN)
		return REASON_L4_NO_PORT;
	track_remove(w, &w->nat, old);
	return REASON_NONE;
}

/* May another flow be tracked? Makes room if that is what it takes. */
static bool may_track(struct l4_worker *w, struct flow_table *t, uint64_t now_ns)
{
	if (w->flood_inc_ns != 0 && !rate_admits(&w->flood_tat_ns, w->flood_inc_ns, now_ns)) {
		count64(&w->stats.flood_untracked, 1);
		return false;
	}
	return !flow_full(t) || track_evict(w, t, now_ns);
}

struct fresh {
	const struct l4_service *s;
	struct l4_service_stats *st;
	uint64_t sched_hash;
	uint16_t service;
};

static enum reason track_nat(struct l4_worker *w, const struct pkt_meta *m,
	const struct l4_lookup *lk, const struct fresh *fr, uint32_t member, uint64_t now_ns,
	struct l4_verdict *v)
{
	struct flow_back back;
	struct flow_nat *n;
	enum reason r;
	uint32_t e;

	if (!may_track(w, &w->nat, now_ns)) {
		count64(&fr->st->table_full, 1);
		return REASON_L4_TABLE_FULL;
	}
	r = choose_back(w, fr->s, member, &lk->key, &back);
	if (r != REASON_NONE) {
		count64(&fr->st->no_port, 1);
		return r;
	}
	if (track_insert(w, &w->nat, lk->hash, &lk->key, &back, member, now_ns, &e) != 0) {
		count64(&fr->st->table_full, 1);
		return REASON_L4_TABLE_FULL;
	}
	n = flow_nat_at(&w->nat, e);
	if (w->table->members[member].flags & MEMBER_TOA)
		n->flags = TOA_PACKETS * FLOW_TOA_ONE;
	v->flags |= L4_V_TRACKED | L4_V_NEW;
	verdict_nat(w, m, n, false, v);
	return REASON_NONE;
}

static enum reason track_forward(struct l4_worker *w, const struct pkt_meta *m,
	const struct l4_lookup *lk, const struct fresh *fr, uint32_t member, uint64_t now_ns,
	struct l4_verdict *v)
{
	uint32_t e;

	/* A reset or FIN of a connection nobody tracks is its last packet. */
	if ((m->proto == L4_TCP && (m->tcp_flags & (TCP_RST | TCP_FIN))) ||
		!may_track(w, &w->forward, now_ns) ||
		track_insert(w, &w->forward, lk->hash, &lk->key, NULL, member, now_ns, &e) != 0) {
		count64(&fr->st->untracked, 1);
		/* Without an entry the hash alone keeps the packets of a flow together. */
		member = sched_follow(fr->s, fr->sched_hash);
	} else {
		struct flow_entry *f = flow_at(&w->forward, e);

		if (m->proto == L4_TCP)
			f->state = state_forward(f->state, m);
		v->flags |= L4_V_TRACKED | L4_V_NEW;
	}
	verdict_forward(w, m, member, lk->hash, v);
	return REASON_NONE;
}

/* Mid-connection, or an error, without a flow. */
static enum reason unknown_flow(struct l4_worker *w, const struct pkt_meta *m,
	const struct l4_lookup *lk, const struct fresh *fr, uint64_t now_ns, struct l4_verdict *v)
{
	uint32_t member;

	if (mode_is_nat(fr->s->mode)) {
		if (lk->error)
			return REASON_ICMP_NO_FLOW;
		count64(&fr->st->no_flow, 1);
		if ((fr->s->flags & SERVICE_RESET) && !(m->tcp_flags & TCP_RST))
			v->reply = L4_REPLY_RST;
		return REASON_L4_NO_FLOW;
	}
	member = sched_follow(fr->s, fr->sched_hash);
	if (member == L4_NONE32)
		return lk->error ? REASON_ICMP_NO_FLOW : no_backend(fr->s, m, fr->st, v);
	if (lk->error) {
		count64(&fr->st->untracked, 1);
		verdict_forward(w, m, member, lk->hash, v);
		return REASON_NONE;
	}
	return track_forward(w, m, lk, fr, member, now_ns, v);
}

static enum reason limits(struct l4_worker *w, const struct fresh *fr, uint64_t now_ns)
{
	if (!sched_service_admits(w, fr->service)) {
		count64(&fr->st->conn_limited, 1);
		return REASON_L4_CONN_LIMIT;
	}
	if (fr->s->rate_inc_ns != 0 &&
		!rate_admits(&w->services[fr->service].rate_tat_ns, fr->s->rate_inc_ns, now_ns)) {
		count64(&fr->st->rate_limited, 1);
		return REASON_L4_RATE_LIMIT;
	}
	return REASON_NONE;
}

static COLD enum reason new_flow_slow(struct l4_worker *w, const struct pkt_meta *m,
	const struct l4_lookup *lk, uint64_t now_ns, struct l4_verdict *v)
{
	const struct l4_table *t = w->table;
	struct fresh fr;
	struct sched_pick pick;
	enum reason r;

	fr.service = vip_service(t, lk->key.vip, lk->key.proto, __builtin_bswap16(lk->key.vport));
	if (fr.service == L4_NONE16)
		return lk->error ? REASON_ICMP_NO_FLOW : REASON_L4_NO_SERVICE;
	fr.s = &t->services[fr.service];
	fr.st = &w->service_stats[fr.service];
	v->service = fr.service;
	if (fr.s->acl != NULL && !acl_admits(fr.s->acl, &lk->key.client)) {
		count64(&fr.st->denied, 1);
		return REASON_L4_DENIED;
	}
	fr.sched_hash = sched_hash(t, fr.s, &lk->key);
	if (lk->error || !opens(m))
		return unknown_flow(w, m, lk, &fr, now_ns, v);
	if (w->draining)
		return REASON_STOPPED;
	if (fr.s->set == NULL)
		return no_backend(fr.s, m, fr.st, v);
	r = limits(w, &fr, now_ns);
	if (r != REASON_NONE)
		return r;
	pick = sched_choose(w, fr.service, fr.sched_hash);
	if (pick.member == L4_NONE32) {
		count64(&fr.st->conn_limited, 1);
		return REASON_L4_CONN_LIMIT;
	}
	if (mode_is_nat(fr.s->mode))
		return track_nat(w, m, lk, &fr, pick.member, now_ns, v);
	return track_forward(w, m, lk, &fr, pick.member, now_ns, v);
}

/* ---- tracked flows that cannot simply go on ---- */

static COLD enum reason end_flow_slow(struct l4_worker *w, struct flow_table *ft, uint32_t e,
	const struct pkt_meta *m, const struct l4_lookup *lk, uint64_t now_ns, struct l4_verdict *v)
{
	const struct l4_member *mb = &w->table->members[flow_at(ft, e)->member];
	const struct l4_vip *vip = &w->table->vips[lk->key.vip];
	bool ended = now_ns >= mb->end_ns || now_ns >= vip->end_ns;
	bool reset = (now_ns >= mb->end_ns && (mb->flags & MEMBER_END_RESET)) ||
		     (now_ns >= vip->end_ns && vip->reset);

	reset = reset && !opens(m);
	v->member = flow_at(ft, e)->member;
	v->service = mb->service;
	count64(&w->stats.ended, ended);
	track_remove(w, ft, e);
	if (reset) {
		if (!(m->tcp_flags & TCP_RST)) {
			count64(&w->stats.resets, 1);
			v->reply = L4_REPLY_RST;
		}
		return REASON_L4_BACKEND_GONE;
	}
	return new_flow_slow(w, m, lk, now_ns, v);
}

/* ---- stage 3 ---- */

ALWAYS_INLINE enum reason decide_client(struct l4_worker *w, const struct pkt_meta *m,
	const struct l4_lookup *lk, uint64_t now_ns, struct l4_verdict *v)
{
	uint32_t e;

	if (lk->tables & ADDR_FORWARD) {
		e = flow_find(&w->forward, lk->hash, &lk->key);
		if (likely(e != L4_NONE32)) {
			struct flow_entry *f = flow_at(&w->forward, e);

			if (likely(!lk->error)) {
				if (unlikely(flow_is_over(w, lk, f, m, now_ns)))
					return end_flow_slow(w, &w->forward, e, m, lk, now_ns, v);
				f->state = state_forward(f->state, m);
				touch(f, now_ns);
			}
			v->flags |= L4_V_TRACKED;
			verdict_forward(w, m, f->member, lk->hash, v);
			return REASON_NONE;
		}
	}
	if (lk->tables & ADDR_NAT) {
		e = flow_find(&w->nat, lk->hash, &lk->key);
		if (likely(e != L4_NONE32)) {
			struct flow_nat *n = flow_nat_at(&w->nat, e);

			if (likely(!lk->error)) {
				if (unlikely(flow_is_over(w, lk, &n->f, m, now_ns)))
					return end_flow_slow(w, &w->nat, e, m, lk, now_ns, v);
				state_nat(n, m, FLOW_FIN_CLIENT);
				touch(&n->f, now_ns);
			}
			v->flags |= L4_V_TRACKED;
			verdict_nat(w, m, n, lk->error, v);
			return REASON_NONE;
		}
	}
	return new_flow_slow(w, m, lk, now_ns, v);
}

ALWAYS_INLINE enum reason decide_backend(struct l4_worker *w, const struct pkt_meta *m,
	const struct l4_lookup *lk, uint64_t now_ns, struct l4_verdict *v)
{
	uint32_t e = flow_find_back(&w->nat, lk->hash, &lk->back, &lk->client);
	struct flow_nat *n;

	if (unlikely(e == L4_NONE32)) {
		/* A backend of a NAT service has traffic of its own, which is not L4's. */
		if (lk->back.local == L4_NONE16)
			return REASON_NONE;
		return lk->error ? REASON_ICMP_NO_FLOW : REASON_L4_NO_FLOW;
	}
	n = flow_nat_at(&w->nat, e);
	/* The flow stays: the client's next packet learns what happened. */
	if (unlikely(now_ns >= w->table->members[n->f.member].end_ns))
		return REASON_L4_BACKEND_GONE;
	if (likely(!lk->error)) {
		state_nat(n, m, FLOW_FIN_BACKEND);
		touch(&n->f, now_ns);
	}
	v->flags |= L4_V_TRACKED;
	verdict_reverse(w, m, n, lk->error, v);
	return REASON_NONE;
}

enum reason l4_decide_at(struct l4_worker *w, const struct pkt_meta *m, const struct l4_lookup *lk,
	uint64_t now_ns, struct l4_verdict *v)
{
	v->op = L4_OP_NONE;
	v->flags = 0;
	v->reply = L4_REPLY_NONE;
	v->growth = 0;
	v->service = L4_NONE16;
	v->member = L4_NONE32;
	if (likely(lk->dir == L4_DIR_CLIENT))
		return decide_client(w, m, lk, now_ns, v);
	if (lk->dir == L4_DIR_BACKEND)
		return decide_backend(w, m, lk, now_ns, v);
	return REASON_NONE;
}
