/* SPDX-License-Identifier: Apache-2.0
 * linear - is a recorded history of concurrent operations linearizable?
 *
 * An operation has a time at which it was called and one at which its answer was known. The history
 * is linearizable if each operation can be given one moment between the two such that executing
 * them in that order, one at a time, gives every answer that was recorded.
 *
 * Owner:      the caller; nothing is kept between calls.
 * Lifetime:   ops and what they point to until linear_check() returns.
 * Invariants: LN1 LINEAR_OK: there is such an order. LINEAR_BAD: all were tried.
 * Units:      times of any one clock; an operation precedes another one if its end is less than the
 *             other's call.
 * Limits:     LINEAR_CONFIGS configurations at once, 1,024 operations under way (those that may
 *             come at any time are that for ever); then LINEAR_UNDECIDED, which proves nothing.
 * Cost:       linear in the history's length, exponential in the writes that overlap: split
 *             histories by key. */
#ifndef TESTS_SUPPORT_LINEAR_H
#define TESTS_SUPPORT_LINEAR_H

#include <stdio.h>

#include "dataplane/base/compiler.h"

#define LINEAR_CONFIGS 300000
#define LINEAR_AFTER   4
#define LINEAR_NEVER   UINT64_MAX

struct linear_op {
	uint64_t call, end; /* end LINEAR_NEVER: only with maybe: at any time, or never */
	/* The answer was lost: it took effect between call and end, or not at all. */
	bool maybe;
	uint8_t after_cnt;
	/* Operations that must have been decided before this one: the order of a connection. Those
	 * of which nothing is known for ever do not count. */
	uint32_t after[LINEAR_AFTER];
	const void *data;
};

struct linear_model {
	size_t state_bytes;
	/* Executes the operation; false: it cannot have given the recorded answer in this state.
	 * answered false: nothing is known of its answer. */
	bool (*step)(void *state, const void *data, bool answered);
	/* With this answer it changes nothing, in no state. */
	bool (*is_read)(const void *data);
	void (*print)(FILE *f, const void *data, bool answered);
	void (*print_state)(FILE *f, const void *state);
};

enum linear_verdict { LINEAR_OK, LINEAR_BAD, LINEAR_UNDECIDED };

/* state: at the beginning; after LINEAR_OK, one that may be at the end. report (or NULL) gets the
 * place where it shows, unless it is LINEAR_OK. */
enum linear_verdict linear_check(const struct linear_model *m, const struct linear_op *ops,
	uint32_t n, void *state, FILE *report);

#endif
