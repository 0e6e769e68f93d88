/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/health/view.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/assert.h"

void health_view_init(struct health_view *v)
{
	*v = (struct health_view){0};
}

void health_view_fini(struct health_view *v)
{
	free(v->entries);
	*v = (struct health_view){0};
}

int health_view_set_plan(struct health_view *v, const struct health_plan *plan)
{
	if (plan->id_limit > v->entry_cnt) {
		struct health_view_entry *p =
			realloc(v->entries, plan->id_limit * sizeof(*v->entries));

		if (p == NULL)
			return -ENOMEM;
		memset(p + v->entry_cnt, 0, (plan->id_limit - v->entry_cnt) * sizeof(*p));
		v->entries = p;
		v->entry_cnt = plan->id_limit;
	}
	v->plan = plan;
	return 0;
}

struct health_view_entry health_view_get(const struct health_view *v, const struct health_target *t)
{
	ASSERT(t->id < v->entry_cnt);
	if (v->entries[t->id].epoch != t->epoch)
		return (struct health_view_entry){.epoch = t->epoch, .state = HEALTH_CHECKING};
	return v->entries[t->id];
}

bool health_view_note(struct health_view *v, const struct health_event *ev)
{
	const struct health_target *t = health_plan_slot(v->plan, ev->id);
	struct health_view_entry *en, before;

	if (ev->id >= v->entry_cnt)
		return false;
	en = &v->entries[ev->id];
	before = *en;
	*en = (struct health_view_entry){.epoch = ev->epoch,
		.state = (uint8_t)ev->state,
		.why = (uint8_t)ev->why,
		.rtt_us = ev->rtt_us};
	if (t == NULL || t->epoch != ev->epoch)
		return false;
	return before.epoch != ev->epoch || before.state != (uint8_t)ev->state;
}

uint32_t health_view_drain(struct health_view *v, struct health_engine *e,
	void (*changed)(void *ctx, const struct health_target *t, const struct health_event *ev),
	void *ctx)
{
	struct health_event ev;
	uint32_t n = 0;

	while (health_event_pop(e, &ev)) {
		if (!health_view_note(v, &ev))
			continue;
		n++;
		if (changed != NULL)
			changed(ctx, health_plan_slot(v->plan, ev.id), &ev);
	}
	return n;
}

bool health_view_up(const struct health_view *v, uint32_t service, uint32_t backend)
{
	const struct health_target *t = health_plan_target(v->plan, service, backend);

	return t == NULL || health_view_get(v, t).state == HEALTH_UP;
}
