/* SPDX-License-Identifier: Apache-2.0
 * Level L covers deadlines whose tick differs from now first in byte L: slot = byte L of the tick.
 * When time crosses a multiple of 256^L, the slot of that level is emptied one level down; a timer
 * moves down at most three times before it fires. */
#include "dataplane/base/wheel.h"

#include "dataplane/base/assert.h"

#define LEVEL_BITS 8

void wheel_init(struct wheel *w, uint64_t tick_ns, uint64_t now_ns)
{
	ASSERT(tick_ns > 0);
	w->tick_ns = tick_ns;
	w->now_tick = now_ns / tick_ns;
	w->armed = 0;
	list_init(&w->expired);
	for (int l = 0; l < WHEEL_LEVELS; l++)
		for (int s = 0; s < WHEEL_SLOTS; s++)
			list_init(&w->slots[l][s]);
}

static void place(struct wheel *w, struct wheel_timer *t)
{
	uint64_t tick = (t->deadline_ns + w->tick_ns - 1) / w->tick_ns;
	uint64_t horizon = w->now_tick + UINT32_MAX;
	int level = 0;

	if (t->deadline_ns > UINT64_MAX - w->tick_ns || tick > horizon)
		tick = horizon;
	if (tick <= w->now_tick) {
		list_append(&w->expired, &t->node);
		return;
	}
	uint64_t diff = tick ^ w->now_tick;

	while (level < WHEEL_LEVELS - 1 && diff >> (LEVEL_BITS * (level + 1)) != 0)
		level++;
	list_append(&w->slots[level][(tick >> (LEVEL_BITS * level)) & (WHEEL_SLOTS - 1)], &t->node);
}

void wheel_arm(struct wheel *w, struct wheel_timer *t, uint64_t deadline_ns)
{
	if (wheel_timer_armed(t))
		list_remove(&t->node);
	else
		w->armed++;
	t->deadline_ns = deadline_ns;
	place(w, t);
}

void wheel_cancel(struct wheel *w, struct wheel_timer *t)
{
	if (!wheel_timer_armed(t))
		return;
	list_remove(&t->node);
	w->armed--;
}

static void cascade(struct wheel *w, int level)
{
	struct list_node due, *n;
	uint64_t slot = (w->now_tick >> (LEVEL_BITS * level)) & (WHEEL_SLOTS - 1);

	list_init(&due);
	list_splice(&due, &w->slots[level][slot]);
	while (!list_empty(&due)) {
		n = due.next;
		list_remove(n);
		place(w, container_of(n, struct wheel_timer, node));
	}
}

static void step(struct wheel *w)
{
	w->now_tick++;
	for (int level = 1; level < WHEEL_LEVELS; level++) {
		if ((w->now_tick & ((UINT64_C(1) << (LEVEL_BITS * level)) - 1)) != 0)
			break;
		cascade(w, level);
	}
	list_splice(&w->expired, &w->slots[0][w->now_tick & (WHEEL_SLOTS - 1)]);
}

void wheel_advance(struct wheel *w, uint64_t now_ns)
{
	uint64_t target = now_ns / w->tick_ns;

	/* Nothing waits: jump. The slots are empty, so no cascade can be missed. */
	if (w->armed == 0 && target > w->now_tick) {
		w->now_tick = target;
		return;
	}
	while (w->now_tick < target)
		step(w);
}

struct wheel_timer *wheel_pop(struct wheel *w)
{
	struct list_node *n = w->expired.next;

	if (list_empty(&w->expired))
		return NULL;
	list_remove(n);
	w->armed--;
	return container_of(n, struct wheel_timer, node);
}

uint64_t wheel_next_ns(const struct wheel *w)
{
	if (w->armed == 0)
		return UINT64_MAX;
	if (!list_empty(&w->expired))
		return 0;
	for (int level = 0; level < WHEEL_LEVELS; level++) {
		uint64_t base = w->now_tick >> (LEVEL_BITS * level);

		for (uint64_t s = base + 1; (s & (WHEEL_SLOTS - 1)) != 0; s++)
			if (!list_empty(&w->slots[level][s & (WHEEL_SLOTS - 1)]))
				return (s << (LEVEL_BITS * level)) * w->tick_ns;
	}
	/* Only slots behind the top level's wrap are left. */
	return ((w->now_tick >> 24) + 1) * (UINT64_C(1) << 24) * w->tick_ns;
}
