/* SPDX-License-Identifier: Apache-2.0
 * The scheduler of an explanation is the real one, run on a copy of the worker whose counters point
 * to scratch memory: its turn, its cursors and its counts stay as they are. */
#include "lb/l4/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "lb/l4/decide_inl.h"

/* ---- flows ---- */

const char *l4_flow_state_name(enum l4_flow_state s)
{
	static const char *const names[L4_FLOW_STATES] = {
		"syn", "syn_ack", "established", "fin", "closed", "udp_one", "udp"};

	return s < L4_FLOW_STATES ? names[s] : "?";
}

static void fill_row(const struct l4_worker *w, const struct flow_entry *f,
	const struct flow_nat *n, uint64_t now_ns, struct l4_flow_row *row)
{
	const struct l4_table *t = w->table;
	const struct l4_member *m = &t->members[f->member];

	*row = (struct l4_flow_row){.client = f->client,
		.vip = t->vips[f->vip].addr,
		.backend = m->addr,
		.cport = f->cport,
		.vport = f->vport,
		.bport = m->port_be != 0 ? m->port_be : f->vport,
		.service = m->service,
		.proto = f->proto,
		.state = f->state,
		.member = f->member,
		.idle_ms = (uint32_t)(((uint64_t)(l4_tick(now_ns) - f->seen) << L4_TICK_SHIFT) /
				      NS_PER_MS)};
	if (n == NULL)
		return;
	row->bport = n->bport;
	if (n->local != L4_NONE16) {
		row->local = t->locals[n->local];
		row->lport = n->lport;
	}
}

static bool passes(const struct l4_flow_filter *q, const struct l4_flow_row *r)
{
	return (ip_addr_is_zero(&q->client) || ip_addr_eq(&q->client, &r->client)) &&
	       (ip_addr_is_zero(&q->vip) || ip_addr_eq(&q->vip, &r->vip)) &&
	       (q->cport == 0 || q->cport == r->cport) && (q->vport == 0 || q->vport == r->vport) &&
	       (q->service == L4_NONE16 || q->service == r->service) &&
	       (q->proto == 0 || q->proto == r->proto) &&
	       (q->member == L4_NONE32 || q->member == r->member);
}

void l4_flow_page(const struct l4_worker *w, struct l4_flow_page *p, uint64_t now_ns)
{
	p->cnt = 0;
	for (uint32_t scanned = 0; scanned < L4_FLOW_SCAN && p->cnt < L4_FLOW_PAGE; scanned++) {
		const struct flow_table *t = p->nat ? &w->nat : &w->forward;
		const struct flow_entry *f;

		if (p->at >= t->head->high) {
			p->end = p->nat;
			p->nat = true;
			p->at = 0;
			if (p->end)
				return;
			continue;
		}
		f = flow_at(t, p->at);
		if (f->proto != 0) {
			struct l4_flow_row *row = &p->rows[p->cnt];

			fill_row(w, f, p->nat ? flow_nat_at(t, p->at) : NULL, now_ns, row);
			p->cnt += passes(&p->filter, row);
		}
		p->at++;
	}
}

bool l4_flow_of(const struct l4_worker *w, const struct pkt_meta *m, uint64_t now_ns,
	struct l4_flow_row *out)
{
	struct l4_lookup lk;
	uint32_t e = L4_NONE32;

	l4_classify(w->table, m, &lk);
	l4_start(w, &lk);
	if (lk.dir == L4_DIR_CLIENT && (lk.tables & ADDR_FORWARD))
		e = flow_find(&w->forward, lk.hash, &lk.key);
	if (e != L4_NONE32) {
		fill_row(w, flow_at(&w->forward, e), NULL, now_ns, out);
		return true;
	}
	if (lk.dir == L4_DIR_CLIENT && (lk.tables & ADDR_NAT))
		e = flow_find(&w->nat, lk.hash, &lk.key);
	else if (lk.dir == L4_DIR_BACKEND)
		e = flow_find_back(&w->nat, lk.hash, &lk.back, &lk.client);
	if (e == L4_NONE32)
		return false;
	fill_row(w, flow_at(&w->nat, e), flow_nat_at(&w->nat, e), now_ns, out);
	return true;
}

/* ---- explanation ---- */

struct l4_explain_scratch {
	struct l4_member_stats members[L4_MAX_MEMBERS];
	struct service_run services[L4_MAX_SERVICES];
};

struct l4_explain_scratch *l4_explain_scratch_create(void)
{
	void *s =
		aligned_alloc(CACHE_LINE, ROUND_UP(sizeof(struct l4_explain_scratch), CACHE_LINE));

	if (s != NULL)
		memset(s, 0, sizeof(struct l4_explain_scratch));
	return s;
}

void l4_explain_scratch_destroy(struct l4_explain_scratch *s)
{
	free(s);
}

struct ask {
	const struct l4_worker *w;
	struct l4_explain_scratch *scratch;
	const struct pkt_meta *m;
	const struct l4_lookup *lk;
	uint64_t now_ns;
	struct l4_explain *out;
	const struct flow_entry *over; /* the flow that is over, and would be removed; NULL: none */
};

static void ends(const struct ask *a, enum reason r)
{
	a->out->how = L4_HOW_NONE;
	a->out->reason = r;
}

static void no_backend(const struct ask *a, const struct l4_service *s)
{
	ends(a, s->all_down == L4_DOWN_REJECT ? REASON_L4_REJECTED : REASON_L4_NO_BACKEND);
	if (s->all_down != L4_DOWN_REJECT)
		return;
	if (a->m->proto == L4_UDP)
		a->out->reply = L4_REPLY_NO_PORT;
	else if (!(a->m->tcp_flags & TCP_RST))
		a->out->reply = L4_REPLY_RST;
}

static void note_slot(const struct ask *a, const struct l4_service *s, uint64_t hash)
{
	if (s->set == NULL || s->set->maglev == NULL)
		return;
	a->out->slots = s->set->maglev_size;
	a->out->slot = maglev_slot(hash, s->set->maglev_size);
}

static void by_hash(const struct ask *a, const struct l4_service *s, uint64_t hash)
{
	a->out->member = sched_follow(s, hash);
	note_slot(a, s, hash);
	if (a->out->member == L4_NONE32)
		no_backend(a, s);
	else
		a->out->how = L4_HOW_HASH;
}

/* In the middle of a connection, without a flow. */
static void unknown(const struct ask *a, const struct l4_service *s, uint64_t hash)
{
	if (!mode_is_nat(s->mode)) {
		by_hash(a, s, hash);
		return;
	}
	ends(a, REASON_L4_NO_FLOW);
	if ((s->flags & SERVICE_RESET) && !(a->m->tcp_flags & TCP_RST))
		a->out->reply = L4_REPLY_RST;
}

static bool rate_refuses(uint64_t tat_ns, uint64_t inc_ns, uint64_t now_ns)
{
	return inc_ns != 0 && tat_ns > now_ns && tat_ns - now_ns > RATE_BURST_NS;
}

/* In the mode nat replies could not be told apart from those of another flow of the same client
 * port, unless that one is over. */
static bool replies_collide(const struct ask *a, uint32_t member)
{
	const struct l4_member *mb = &a->w->table->members[member];
	const struct flow_key *k = &a->lk->key;
	struct flow_back back = {
		.backend = mb->addr,
		.bport = mb->port_be != 0 ? mb->port_be : k->vport,
		.lport = k->cport,
		.local = L4_NONE16,
		.proto = k->proto,
	};
	const struct flow_entry *f;
	uint32_t old;

	if (mb->mode != L4_NAT)
		return false;
	old = flow_find_back(
		&a->w->nat, flow_hash_back(&a->w->nat, &back, &k->client), &back, &k->client);
	if (old == L4_NONE32)
		return false;
	f = flow_at(&a->w->nat, old);
	return f != a->over && f->state != L4_FLOW_CLOSED && f->state != L4_FLOW_FIN;
}

static void schedule(
	const struct ask *a, uint16_t service, const struct l4_service *s, uint64_t hash)
{
	struct l4_worker copy = *a->w;
	struct sched_pick pick;

	a->scratch->services[service] = a->w->services[service];
	copy.services = a->scratch->services;
	copy.member_stats = a->scratch->members;
	pick = sched_choose(&copy, service, hash);
	if (pick.member == L4_NONE32) {
		ends(a, REASON_L4_CONN_LIMIT);
		return;
	}
	if (s->scheduler == L4_MAGLEV || s->scheduler == L4_SOURCE_HASH)
		note_slot(a, s, hash);
	a->out->member = pick.member;
	a->out->how = L4_HOW_NEW;
	if (replies_collide(a, pick.member)) {
		ends(a, REASON_L4_NO_PORT);
		return;
	}
	if (!rate_refuses(a->w->flood_tat_ns, a->w->flood_inc_ns, a->now_ns))
		return;
	if (mode_is_nat(s->mode))
		ends(a, REASON_L4_TABLE_FULL);
	else
		by_hash(a, s, hash);
}

static void new_flow(const struct ask *a)
{
	const struct l4_table *t = a->w->table;
	const struct flow_key *k = &a->lk->key;
	uint16_t service = vip_service(t, k->vip, k->proto, __builtin_bswap16(k->vport));
	const struct l4_service *s;
	uint64_t hash;

	a->out->service = service;
	if (service == L4_NONE16) {
		ends(a, REASON_L4_NO_SERVICE);
		return;
	}
	s = &t->services[service];
	a->out->candidates = s->member_cnt;
	if (s->acl != NULL && !acl_admits(s->acl, &k->client)) {
		ends(a, REASON_L4_DENIED);
		return;
	}
	hash = sched_hash(t, s, k);
	if (!opens(a->m))
		unknown(a, s, hash);
	else if (a->w->draining)
		ends(a, REASON_STOPPED);
	else if (s->set == NULL)
		no_backend(a, s);
	else if (!sched_service_admits(a->w, service))
		ends(a, REASON_L4_CONN_LIMIT);
	else if (rate_refuses(a->w->services[service].rate_tat_ns, s->rate_inc_ns, a->now_ns))
		ends(a, REASON_L4_RATE_LIMIT);
	else
		schedule(a, service, s, hash);
}

static void tracked(struct ask *a, const struct flow_table *ft, uint32_t e)
{
	const struct flow_entry *f = flow_at(ft, e);
	bool nat = ft == &a->w->nat;

	if (a->lk->dir == L4_DIR_CLIENT && flow_is_over(a->w, a->lk, f, a->m, a->now_ns)) {
		a->out->ended = true;
		a->over = f;
		new_flow(a);
		return;
	}
	a->out->how = L4_HOW_TRACKED;
	a->out->member = f->member;
	a->out->service = a->w->table->members[f->member].service;
	fill_row(a->w, f, nat ? flow_nat_at(ft, e) : NULL, a->now_ns, &a->out->flow);
}

static void explain_client(struct ask *a)
{
	uint32_t e = (a->lk->tables & ADDR_FORWARD)
			     ? flow_find(&a->w->forward, a->lk->hash, &a->lk->key)
			     : L4_NONE32;

	if (e != L4_NONE32) {
		tracked(a, &a->w->forward, e);
		return;
	}
	if (a->lk->tables & ADDR_NAT)
		e = flow_find(&a->w->nat, a->lk->hash, &a->lk->key);
	if (e != L4_NONE32)
		tracked(a, &a->w->nat, e);
	else
		new_flow(a);
}

static void explain_backend(struct ask *a)
{
	uint32_t e = flow_find_back(&a->w->nat, a->lk->hash, &a->lk->back, &a->lk->client);

	if (e == L4_NONE32)
		ends(a, a->lk->back.local == L4_NONE16 ? REASON_NONE : REASON_L4_NO_FLOW);
	else if (a->now_ns >= a->w->table->members[flow_at(&a->w->nat, e)->member].end_ns)
		ends(a, REASON_L4_BACKEND_GONE);
	else
		tracked(a, &a->w->nat, e);
}

void l4_explain(const struct l4_worker *w, struct l4_explain_scratch *s, const struct pkt_meta *m,
	uint64_t now_ns, struct l4_explain *out)
{
	struct l4_lookup lk;
	struct ask a = {w, s, m, &lk, now_ns, out, NULL};

	*out = (struct l4_explain){.service = L4_NONE16, .member = L4_NONE32};
	l4_classify(w->table, m, &lk);
	l4_start(w, &lk);
	out->dir = lk.dir;
	if (lk.dir == L4_DIR_CLIENT)
		explain_client(&a);
	else if (lk.dir == L4_DIR_BACKEND)
		explain_backend(&a);
}
