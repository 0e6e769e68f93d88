/* SPDX-License-Identifier: Apache-2.0
 * Local addresses and ports for full NAT. A pair may serve many backends at once: what must be
 * unique is (local address, local port, backend, backend port, protocol), and the flow table knows
 * those, so there is no second book to keep. Each backend, by its hash, has a cursor that walks the
 * worker's ports, over all addresses of one port first; a pair that was freed comes round again
 * only after all others, well after the backend's TIME_WAIT. While less than nine tenths are taken
 * a search takes ten steps on average; it never takes more than TRIES_MAX for each worker that
 * shares the ports: under a port filter, all of them pick from one range, and most are another's.
 */
#include "lb/l4/decide.h"
#include "lb/l4/worker_pvt.h"

#define TRIES_MAX 128

static inline void cursor_start(struct l4_worker *w, struct snat_cursor *c, uint64_t hash)
{
	uint32_t span = (uint32_t)(w->port_hi - w->port_lo) + 1;

	c->port = (uint16_t)(w->port_lo + (((hash >> 32) * span) >> 32));
	c->addr = 0;
}

static inline void cursor_step(const struct l4_worker *w, struct snat_cursor *c, uint16_t addr_cnt)
{
	if (++c->addr < addr_cnt)
		return;
	c->addr = 0;
	c->port = c->port >= w->port_hi ? w->port_lo : (uint16_t)(c->port + 1);
}

static inline bool usable(const struct l4_worker *w, const struct flow_back *back)
{
	struct l4_tuple reply;

	if (w->port_filter.ok != NULL || w->port_guard.taken != NULL) {
		reply = (struct l4_tuple){.src = back->backend,
			.dst = w->table->locals[back->local],
			.sport = back->bport,
			.dport = back->lport,
			.proto = back->proto};
		if (w->port_filter.ok != NULL && !w->port_filter.ok(w->port_filter.ctx, &reply))
			return false;
		if (w->port_guard.taken != NULL && w->port_guard.taken(w->port_guard.ctx, &reply))
			return false;
	}
	return flow_find_back(&w->nat, flow_hash_back(&w->nat, back, &back->backend), back,
		       &back->backend) == L4_NONE32;
}

bool snat_choose(struct l4_worker *w, const struct l4_service *s, struct flow_back *back)
{
	bool is4 = ip_addr_is4(&back->backend);
	const uint16_t *ids = &w->table->local_ids[is4 ? s->local4_first : s->local6_first];
	uint16_t cnt = is4 ? s->local4_cnt : s->local6_cnt;
	struct flow_key probe = {.client = back->backend, .cport = back->bport};
	uint64_t hash = flow_hash(&w->nat, &probe);
	struct snat_cursor *c = &w->snat[hash % SNAT_CURSORS];
	uint32_t tries;

	if (cnt == 0 || w->port_lo == 0)
		return false;
	if (c->port < w->port_lo || c->port > w->port_hi)
		cursor_start(w, c, hash);
	tries = w->port_filter.ok != NULL ? TRIES_MAX * w->workers : TRIES_MAX;
	for (uint32_t i = 0; i < tries; i++) {
		cursor_step(w, c, cnt);
		back->local = ids[c->addr];
		back->lport = __builtin_bswap16(c->port);
		if (usable(w, back))
			return true;
	}
	return false;
}

bool l4_worker_expects(const struct l4_worker *w, const struct l4_tuple *t)
{
	struct pkt_meta m = {.src = t->src,
		.dst = t->dst,
		.sport = t->sport,
		.dport = t->dport,
		.proto = t->proto};
	struct l4_lookup lk;

	l4_classify(w->table, &m, &lk);
	l4_start(w, &lk);
	return lk.dir == L4_DIR_BACKEND && lk.back.local != L4_NONE16 &&
	       flow_find_back(&w->nat, lk.hash, &lk.back, &lk.client) != L4_NONE32;
}
