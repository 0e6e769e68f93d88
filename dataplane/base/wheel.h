/* SPDX-License-Identifier: Apache-2.0
 * wheel - hierarchical timer wheel with intrusive timers; four levels of 256 slots.
 * Owner:      one worker or engine; the timers belong to their objects.
 * Invariants: WH1 an armed timer is on exactly one slot list.  WH2 a timer never fires early.
 *             WH3 wheel_cancel also removes a timer that has expired but was not yet delivered, so
 *             no callback runs for a cancelled timer.
 * Units:      deadlines in ns, monotonic; tick as given (1 ms is usual).
 * Limits:     horizon 2^32 ticks; later deadlines are clamped to it.
 * Cost:       arm and cancel O(1); advance O(slots passed + timers fired + cascades). */
#ifndef DATAPLANE_BASE_WHEEL_H
#define DATAPLANE_BASE_WHEEL_H

#include "dataplane/base/list.h"

#define WHEEL_LEVELS 4
#define WHEEL_SLOTS  256

struct wheel_timer {
	struct list_node node;
	uint64_t deadline_ns;
};

struct wheel {
	uint64_t tick_ns;
	uint64_t now_tick; /* all ticks <= now_tick are done */
	uint32_t armed;
	struct list_node expired; /* due, not yet delivered */
	struct list_node slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* tick_ns > 0. */
void wheel_init(struct wheel *w, uint64_t tick_ns, uint64_t now_ns);

/* A timer must be initialised once before any other call. */
static inline void wheel_timer_init(struct wheel_timer *t)
{
	list_init(&t->node);
	t->deadline_ns = 0;
}

static inline bool wheel_timer_armed(const struct wheel_timer *t)
{
	return !list_empty(&t->node);
}

/* Arm or re-arm t for deadline_ns, rounded up to a tick; a deadline in the past fires at the next
 * advance. */
void wheel_arm(struct wheel *w, struct wheel_timer *t, uint64_t deadline_ns);
void wheel_cancel(struct wheel *w, struct wheel_timer *t);

/* Move time to now_ns (never backwards) and collect what is due. */
void wheel_advance(struct wheel *w, uint64_t now_ns);

/* Take one due timer, disarmed; NULL when none is left. Deliver like this, so that a callback may
 * arm, cancel or free any timer, its own too:
 *	wheel_advance(w, now);
 *	while ((t = wheel_pop(w)) != NULL) ... */
struct wheel_timer *wheel_pop(struct wheel *w);

/* Earliest time at which a timer can be due, UINT64_MAX if none is armed; may be early by the
 * span of a higher-level slot, never late. */
uint64_t wheel_next_ns(const struct wheel *w);

#endif
