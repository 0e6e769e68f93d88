/* SPDX-License-Identifier: Apache-2.0
 * view - what control knows about the health of every backend, from the engine's announcements.
 * Owner:      control.
 * Invariants: HW1 a target of which nothing was announced is not up; a backend without a check is.
 *             HW2 what was announced about an id's old owner never counts for the new one.
 * Units:      rtt in us.
 * Cost:       health_view_up() is one array access. */
#ifndef LB_HEALTH_VIEW_H
#define LB_HEALTH_VIEW_H

#include "lb/health/health.h"

struct health_view_entry {
	uint16_t epoch;
	uint8_t state, why; /* enum health_state, enum health_result */
	uint64_t rtt_us;
};

struct health_view {
	const struct health_plan *plan; /* what service and backend indexes mean */
	struct health_view_entry *entries;
	uint32_t entry_cnt;
};

void health_view_init(struct health_view *v);
void health_view_fini(struct health_view *v);

/* From now on indexes are those of plan. Forgets nothing, so that a reload which is given up sets
 * the old plan again. 0 or -ENOMEM (and then nothing has changed). */
int health_view_set_plan(struct health_view *v, const struct health_plan *plan) WARN_UNUSED;

/* Take note of one event; true if a target of the current plan has changed its state. */
bool health_view_note(struct health_view *v, const struct health_event *ev);
/* Take all waiting events of the engine; returns how many targets changed. `changed`, if given, is
 * called for each of them. */
uint32_t health_view_drain(struct health_view *v, struct health_engine *e,
	void (*changed)(void *ctx, const struct health_target *t, const struct health_event *ev),
	void *ctx);

/* May this backend get traffic? Indexes as in the plan's configuration. */
bool health_view_up(const struct health_view *v, uint32_t service, uint32_t backend);
/* The same for one target, with reason and round trip; state CHECKING if nothing is known. */
struct health_view_entry health_view_get(
	const struct health_view *v, const struct health_target *t);

#endif
