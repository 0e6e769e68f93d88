/* SPDX-License-Identifier: Apache-2.0
 * Passive outlier ejection. A server is ejected after so many failures in a row, or at the end of a
 * window with too many of them. The n-th ejection in a row lasts n times as long; a success after
 * an ejection is over ends the row. */
#include "lb/l7/upstream/upstream_pvt.h"

bool up_ejected(struct up_worker *w, struct up_state *s)
{
	if (likely(s->ejected_ns == 0))
		return false;
	if (w->conf.loop->now_ns < s->ejected_ns)
		return true;
	s->ejected_ns = 0;
	s->row = s->win_cnt = s->win_bad = 0;
	w->pools[s->pool].ejected--;
	up_gauge(&s->stats.ejected, 0);
	return false;
}

void up_outlier_forget(struct up_worker *w, struct up_state *s)
{
	if (s->ejected_ns != 0)
		w->pools[s->pool].ejected--;
	s->ejected_ns = 0;
	s->row = s->win_cnt = s->win_bad = s->ejections = 0;
	up_gauge(&s->stats.ejected, 0);
}

static void eject(struct up_worker *w, const struct up_entry *e, struct up_state *s)
{
	const struct config_upstream_outlier *o = &e->cfg->outlier;
	struct up_pool *p = &w->pools[e->id];
	uint32_t of = e->set->node_cnt, most = (uint32_t)((uint64_t)of * o->max_ejected_pct / 100);
	uint64_t ns;

	s->row = s->win_cnt = s->win_bad = 0;
	if (of < 2 || p->ejected >= (most > 0 ? most : 1))
		return;
	s->ejections++;
	ns = s->ejections < o->eject_max_ns / o->eject_ns ? s->ejections * o->eject_ns
							  : o->eject_max_ns;
	s->ejected_ns = w->conf.loop->now_ns + ns;
	p->ejected++;
	up_count(&s->stats.ejections, 1);
	up_gauge(&s->stats.ejected, 1);
}

/* True: the window has ended with too many failures. */
static bool window(struct up_worker *w, const struct config_upstream_outlier *o, struct up_state *s)
{
	uint64_t now = w->conf.loop->now_ns;
	bool bad = false;

	if (now < s->win_end_ns)
		return false;
	bad = s->win_cnt >= o->window_requests &&
	      (uint64_t)s->win_bad * 100 >= (uint64_t)o->error_pct * s->win_cnt;
	s->win_end_ns = now + o->window_ns;
	s->win_cnt = s->win_bad = 0;
	return bad;
}

void up_outlier_note(struct up_worker *w, const struct up_entry *e, struct up_state *s, bool good)
{
	const struct config_upstream_outlier *o = &e->cfg->outlier;

	if (up_ejected(w, s))
		return; /* what was begun before says nothing new */
	if (o->error_pct > 0 && window(w, o, s)) {
		eject(w, e, s);
		return;
	}
	s->win_cnt++;
	if (likely(good)) {
		s->row = 0;
		s->ejections = 0;
		return;
	}
	s->win_bad++;
	s->row++;
	if (o->failures > 0 && s->row >= o->failures)
		eject(w, e, s);
}
