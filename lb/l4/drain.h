/* SPDX-License-Identifier: Apache-2.0
 * drain - the life of a backend: what it may take and when its tracked flows end.
 *
 *              weight > 0, healthy                 health fails
 *   (new) ----------------------------> UP <------------------------> DOWN
 *                                        |  drain: true or weight 0     |
 *                                        v                              v
 *                                      DRAIN  (since, + drain time = end)
 *                                        |  gone from the configuration, from any state
 *                                        v
 *                                     REMOVED (since, + drain time = end; reset: end is now)
 *
 * Every edge goes back when its cause goes away. At its end a flow's mapping is dropped (gentle) or
 * the client is reset, by the service's `removal`.
 * Invariants: DR1 UP and DOWN have no end. DR2 staying in a state does not move its start, so that
 *             a reload does not prolong a drain.
 * Units:      ns, monotonic. Cost: pure. */
#ifndef LB_L4_DRAIN_H
#define LB_L4_DRAIN_H

#include "lb/l4/l4.h"

struct l4_life {
	uint64_t since_ns; /* when the state was entered */
	uint64_t end_ns;   /* tracked flows end here; UINT64_MAX: never */
	uint8_t state;     /* enum l4_member_state */
	bool reset;        /* at the end the client gets a reset */
};

struct l4_life_input {
	bool present, drain, healthy; /* drain: asked for, or weight 0 */
	bool removal_reset;
	uint64_t drain_ns; /* 0: no deadline */
};

/* The state after `in` is seen at now_ns. Returns whether the state changed. */
bool l4_life_step(struct l4_life *life, const struct l4_life_input *in, uint64_t now_ns);

#endif
