/* SPDX-License-Identifier: Apache-2.0
 * The choice of a server. The scheduler proposes; a proposal is taken if the server was not tried
 * for this request, is not ejected and has room. Otherwise the set is walked from there on, and
 * conditions are given up one after the other: rather the same server again than none, rather an
 * ejected one than none. A server without room is never taken: the request waits. */
#include "dataplane/base/hash.h"
#include "lb/l7/upstream/upstream_pvt.h"

#define OTHER_STEPS 16 /* entries of the turn that a second draw looks at in the end */
#define BOUND_TRIES 16 /* places of a key on the ring that bounded_hash looks at */

static struct up_state *state_of(struct up_worker *w, const struct up_entry *e, uint32_t node)
{
	return &w->servers[e->servers[e->nodes[node]].id];
}

static bool was_tried(const struct up_req *r, uint32_t id)
{
	for (uint32_t i = 0; i < r->tried_cnt; i++)
		if (r->tried[i] == id)
			return true;
	return false;
}

bool up_has_room(const struct up_worker *w, const struct up_entry *e, const struct up_server *s)
{
	const struct up_state *st = &w->servers[s->id];
	uint32_t limit = e->cfg->limits.connections;

	return limit == 0 || st->idle_cnt > 0 || st->conn_cnt < up_share(w, limit);
}

/* ---- proposals: a node of the set ---- */

/* A new server takes its place by and by: early on, most proposals of it are dropped. */
static bool too_young(struct up_worker *w, const struct up_entry *e, const struct up_state *s)
{
	uint64_t slow = e->cfg->slow_start_ns, age;

	if (likely(s->up_ns == 0 || slow == 0))
		return false;
	age = w->conf.loop->now_ns - s->up_ns;
	return age < slow && rng_below(&w->rng, slow) > age + slow / 16;
}

static uint32_t by_weight(struct up_worker *w, const struct l4_sched_set *s)
{
	return s->wrr[rng_below(&w->rng, s->wrr_len)];
}

static uint32_t next_turn(struct up_worker *w, const struct up_entry *e)
{
	struct up_pool *p = &w->pools[e->id];

	if (p->wrr_next >= e->set->wrr_len)
		p->wrr_next = 0;
	return e->set->wrr[p->wrr_next++];
}

static uint64_t load_of(const struct up_entry *e, const struct up_state *s)
{
	uint64_t n = s->active + UINT64_C(1);

	/* An unknown latency counts as none: the server gets its first requests soon. */
	return e->cfg->balance == UPSTREAM_EWMA ? n * (s->latency_ns + 1) : n;
}

static bool takes_new(
	struct up_worker *w, const struct up_req *r, const struct up_entry *e, uint32_t node)
{
	struct up_state *s = state_of(w, e, node);

	return !was_tried(r, e->servers[e->nodes[node]].id) && !up_ejected(w, s) &&
	       up_has_room(w, e, &e->servers[e->nodes[node]]);
}

/* By weight, but another one: a second draw of the same server says nothing. Where the first is by
 * far the heaviest it may be the same nevertheless. */
static uint32_t other_than(struct up_worker *w, const struct l4_sched_set *s, uint32_t a)
{
	uint32_t b = a, at;

	for (int i = 0; a == b && i < 4; i++)
		b = by_weight(w, s);
	if (likely(a != b))
		return b;
	at = (uint32_t)rng_below(&w->rng, s->wrr_len);
	for (int i = 0; a == b && i < OTHER_STEPS; i++) {
		b = s->wrr[at];
		at = at + 1 == s->wrr_len ? 0 : at + 1;
	}
	return b;
}

static uint32_t of_two(struct up_worker *w, const struct up_entry *e, const struct up_req *r)
{
	uint32_t a = by_weight(w, e->set), b = other_than(w, e->set, a);

	if (!takes_new(w, r, e, a) || too_young(w, e, state_of(w, e, a)))
		return b;
	if (!takes_new(w, r, e, b) || too_young(w, e, state_of(w, e, b)))
		return a;
	return load_of(e, state_of(w, e, a)) <= load_of(e, state_of(w, e, b)) ? a : b;
}

static uint32_t at_hash(const struct l4_sched_set *s, uint64_t hash, uint32_t turn)
{
	if (turn > 0)
		hash = mix_fold(hash ^ turn, UINT64_C(0x9fb21c651e98df25));
	return s->maglev[maglev_slot(hash, s->maglev_size)];
}

/* Mirrokni et al. 2016: no server holds more than `bound` times its share of the requests under
 * way; a key whose server is full goes on to its next place. */
static uint32_t bounded(struct up_worker *w, const struct up_entry *e, const struct up_req *r)
{
	uint64_t total = w->pools[e->id].active; /* r is one of them */

	for (uint32_t i = 0; i < BOUND_TRIES; i++) {
		uint32_t n = at_hash(e->set, r->hash, i);
		uint64_t cap = total * e->cfg->bound_pct * e->set->nodes[n].weight;

		if (takes_new(w, r, e, n) &&
			state_of(w, e, n)->active * UINT64_C(100) * e->weights < cap)
			return n;
	}
	return at_hash(e->set, r->hash, 0);
}

static uint32_t propose(struct up_worker *w, const struct up_entry *e, const struct up_req *r)
{
	uint32_t n;

	switch (e->cfg->balance) {
	case UPSTREAM_LEAST_REQUESTS:
	case UPSTREAM_EWMA:
		return of_two(w, e, r);
	case UPSTREAM_MAGLEV:
		return at_hash(e->set, r->hash, r->tried_cnt);
	case UPSTREAM_BOUNDED_HASH:
		return bounded(w, e, r);
	case UPSTREAM_WRR:
		break;
	}
	n = next_turn(w, e);
	for (int i = 0; i < 8 && too_young(w, e, state_of(w, e, n)); i++)
		n = next_turn(w, e);
	return n;
}

/* ---- the choice ---- */

/* The server that the client's cookie names, if it can be had: draining ones too. */
static uint32_t bound_to(struct up_worker *w, const struct up_entry *e, const struct up_req *r)
{
	for (uint32_t i = 0; i < e->server_cnt; i++) {
		const struct up_server *s = &e->servers[i];

		if (s->cookie == r->cookie)
			return s->up && s->weight > 0 && !was_tried(r, s->id) &&
					       !up_ejected(w, &w->servers[s->id]) &&
					       up_has_room(w, e, s)
				       ? i
				       : UP_NONE;
	}
	return UP_NONE;
}

uint32_t up_choose(struct up_worker *w, const struct up_entry *e, struct up_req *r, bool *full)
{
	const struct l4_sched_set *s = e->set;
	uint32_t first, again = UP_NONE, ejected = UP_NONE;

	*full = false;
	if (r->cookie != 0 && (first = bound_to(w, e, r)) != UP_NONE)
		return first;
	if (s->node_cnt == 0)
		return UP_NONE;
	first = propose(w, e, r);
	if (likely(takes_new(w, r, e, first)))
		return e->nodes[first];
	for (uint32_t i = 0, n = first; i < s->node_cnt;
		i++, n = n + 1 == s->node_cnt ? 0 : n + 1) {
		const struct up_server *sv = &e->servers[e->nodes[n]];

		if (!up_has_room(w, e, sv))
			continue;
		if (up_ejected(w, &w->servers[sv->id]))
			ejected = e->nodes[n];
		else if (was_tried(r, sv->id))
			again = e->nodes[n];
		else
			return e->nodes[n];
	}
	*full = again == UP_NONE && ejected == UP_NONE;
	return again != UP_NONE ? again : ejected;
}

/* ---- latency ---- */

/* Rises at once, sinks by and by: a server that has become slow is left alone soon. */
void up_latency(struct up_state *s, uint64_t ns)
{
	if (ns > s->latency_ns)
		s->latency_ns = ns;
	else
		s->latency_ns -= (s->latency_ns - ns) >> 3;
	up_gauge(&s->stats.latency_ns, s->latency_ns);
}
