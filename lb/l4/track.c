/* SPDX-License-Identifier: Apache-2.0
 * Flows with their counts, and how they end. Timers are not linked: an entry carries the tick of
 * its last packet, so a hit costs one store, and a sweep walks the entries in memory order, which
 * the prefetcher of the CPU follows. An entry may thus outlive its timeout by one pass; a packet
 * that finds it meanwhile keeps it. */
#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "lb/l4/worker_pvt.h"

#define SWEEP_PASS_NS NS_PER_SEC
#define SWEEP_MAX     1024 /* entries a call */
#define EVICT_TRIES   16
#define DRAIN_IDLE_NS NS_PER_SEC
#define EVICT_IDLE_NS NS_PER_SEC

int track_insert(struct l4_worker *w, struct flow_table *t, uint64_t hash,
	const struct flow_key *key, const struct flow_back *back, uint32_t member, uint64_t now_ns,
	uint32_t *out)
{
	uint16_t service = w->table->members[member].service;
	struct flow_entry *f;
	int err = flow_insert(t, hash, key, back, out);

	if (err != 0)
		return err;
	f = flow_at(t, *out);
	f->member = member;
	f->seen = l4_tick(now_ns);
	f->state = key->proto == L4_UDP ? L4_FLOW_UDP_ONE : L4_FLOW_SYN;
	count32(&w->member_active[member], 1);
	count32(&w->services[service].active, 1);
	count32(&w->vip_active[key->vip], 1);
	count64(&w->vip_flows[key->vip], 1);
	if (back != NULL && back->local != L4_NONE16)
		count32(&w->local_active[back->local], 1);
	count64(&w->member_stats[member].flows, 1);
	count64(&w->service_stats[service].flows, 1);
	return 0;
}

void track_remove(struct l4_worker *w, struct flow_table *t, uint32_t e)
{
	const struct flow_entry *f = flow_at(t, e);
	uint32_t member = f->member;

	ASSERT_DBG(member < w->table->member_cnt);
	count32(&w->member_active[member], -1);
	count32(&w->services[w->table->members[member].service].active, -1);
	count32(&w->vip_active[f->vip], -1);
	if (t == &w->nat && flow_nat_at(t, e)->local != L4_NONE16)
		count32(&w->local_active[flow_nat_at(t, e)->local], -1);
	flow_remove(t, e);
}

bool track_evict(struct l4_worker *w, struct flow_table *t, uint64_t now_ns)
{
	uint32_t *at = &w->victim[t == &w->nat], high = t->head->high;
	uint32_t now = l4_tick(now_ns);

	for (uint32_t i = 0; i < EVICT_TRIES; i++) {
		uint32_t e = *at >= high ? 0 : *at;
		const struct flow_entry *f = flow_at(t, e);

		*at = e + 1;
		if (f->proto == 0 || f->state == L4_FLOW_EST || f->state == L4_FLOW_UDP ||
			now - f->seen < l4_tick(EVICT_IDLE_NS))
			continue;
		track_remove(w, t, e);
		count64(&w->stats.evicted, 1);
		return true;
	}
	return false;
}

static bool refused(const struct l4_service *s, const struct flow_entry *f)
{
	return s->acl != NULL && !acl_admits(s->acl, &f->client);
}

/* Nothing waits for a flow that is over while weir stops. A FIN is the last that is seen under
 * direct return; under translation the other side may go on. */
static uint32_t timeout_of(const struct l4_worker *w, const struct flow_table *t,
	const struct l4_service *s, const struct flow_entry *f)
{
	if (w->draining &&
		(f->state == L4_FLOW_CLOSED || (f->state == L4_FLOW_FIN && t == &w->forward)))
		return l4_tick(DRAIN_IDLE_NS);
	return s->timeout[f->state];
}

static inline void sweep_entry(
	struct l4_worker *w, struct flow_table *t, uint32_t e, uint64_t now_ns, bool acl)
{
	const struct flow_entry *f = flow_at(t, e);
	const struct l4_member *m;
	const struct l4_service *s;
	bool over, reset;

	if (f->proto == 0)
		return;
	m = &w->table->members[f->member];
	s = &w->table->services[m->service];
	over = now_ns >= m->end_ns;
	reset = over && (m->flags & MEMBER_END_RESET);
	if (unlikely(w->table->vips_end) && now_ns >= w->table->vips[f->vip].end_ns) {
		over = true;
		reset |= w->table->vips[f->vip].reset;
	}
	if (over || (acl && refused(s, f))) {
		/* A flow to be reset waits for its next packet, as long as it may. */
		if (!(reset && f->proto == L4_TCP) ||
			l4_tick(now_ns) - f->seen > s->timeout[L4_FLOW_SYN]) {
			count64(&w->stats.ended, 1);
			track_remove(w, t, e);
			return;
		}
	}
	if (l4_tick(now_ns) - f->seen > timeout_of(w, t, s, f)) {
		count64(&w->stats.expired, 1);
		track_remove(w, t, e);
	}
}

static void sweep_some(struct l4_worker *w, int which, uint32_t cnt, uint64_t now_ns)
{
	struct flow_table *t = which == 0 ? &w->forward : &w->nat;
	struct sweep *sw = &w->sweep[which];

	for (; cnt > 0; cnt--) {
		if (sw->at >= t->head->high) {
			sw->at = 0;
			if (t->head->high == 0)
				return;
		}
		sweep_entry(w, t, sw->at++, now_ns, sw->acl_left > 0);
		sw->acl_left -= sw->acl_left > 0;
	}
}

void l4_sweep(struct l4_worker *w, uint64_t now_ns)
{
	for (int i = 0; i < 2; i++) {
		const struct flow_table *t = i == 0 ? &w->forward : &w->nat;
		struct sweep *sw = &w->sweep[i];
		/* high / SWEEP_PASS_NS in 0.32 would round small tables to nothing: a pass is taken
		 * as 2^30 ns. */
		uint64_t due = ((now_ns - sw->last_ns) * t->head->high) >> 30;

		if (now_ns <= sw->last_ns)
			continue;
		if (due == 0)
			continue;
		sw->last_ns = now_ns;
		sweep_some(w, i, due > SWEEP_MAX ? SWEEP_MAX : (uint32_t)due, now_ns);
	}
}

void l4_sweep_all(struct l4_worker *w, uint64_t now_ns)
{
	sweep_some(w, 0, w->forward.head->high, now_ns);
	sweep_some(w, 1, w->nat.head->high, now_ns);
}
