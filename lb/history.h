/* SPDX-License-Identifier: Apache-2.0
 * history - the configurations that were in force since weir started, as texts that can be read
 * again.
 * Owner:      the control thread.
 * Invariants: HI1 numbers rise by one and are never given out again. HI2 the last entry is what is
 *             in force.
 * Limits:     the last HISTORY_MAX. */
#ifndef LB_HISTORY_H
#define LB_HISTORY_H

#include <time.h>

#include "lb/config/config.h"

#define HISTORY_MAX 16

struct history_entry {
	uint64_t id, generation;
	time_t time;
	char origin[32]; /* "start", "reload", "rollback to 3" */
	char *text;      /* every effective value, with the place it came from */
	size_t len;
};

struct history {
	struct history_entry entries[HISTORY_MAX]; /* oldest first */
	uint32_t cnt;
	uint64_t next_id;
};

/* Note what is in force now. -ENOMEM: it is not noted. */
int history_add(struct history *h, const struct config *cfg, uint64_t generation,
	const char *origin) WARN_UNUSED;
/* id 0: the one before the last. NULL: not kept any more, or never there. */
const struct history_entry *history_find(const struct history *h, uint64_t id);
void history_fini(struct history *h);

#endif
