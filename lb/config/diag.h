/* SPDX-License-Identifier: Apache-2.0
 * diag - the messages of one reading, collected and printed in the order of the file.
 * Owner:      one config_parse() call; texts live in its scratch arena.
 * Limits:     DIAG_MAX messages are kept, the rest is counted; a message has at most DIAG_TEXT
 * bytes. The same message for the same place (a shared anchor) is printed once. */
#ifndef LB_CONFIG_DIAG_H
#define LB_CONFIG_DIAG_H

#include <stdio.h>

#include "lb/config/arena.h"
#include "lb/config/config.h"

#define DIAG_MAX   1000
#define DIAG_TEXT  512
#define DIAG_QUOTE 64 /* a quoted piece of the file, with its NUL */

struct diag_msg {
	struct config_mark mark;
	uint32_t seq;
	bool warning;
	const char *text;
};

struct diag {
	struct arena *arena;
	const char *file;
	struct diag_msg *msgs; /* DIAG_MAX of them, made at the first message */
	uint32_t msg_cnt;
	uint32_t error_cnt, warning_cnt; /* duplicates not counted once diag_print() ran */
	uint32_t lost_cnt;
};

void diag_init(struct diag *d, struct arena *arena, const char *file);
void diag_error(struct diag *d, struct config_mark at, const char *fmt, ...) PRINTF_LIKE(3, 4);
void diag_warn(struct diag *d, struct config_mark at, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Would another message be counted only? Then what is costly to say need not be found. */
static inline bool diag_full(const struct diag *d)
{
	return d->msg_cnt == DIAG_MAX;
}

/* Sort, drop repeats and write. A message without a place (line 0) has no line and column. */
void diag_print(struct diag *d, FILE *err);

/* Text of the file made fit for a terminal: control bytes escaped, long ones cut with "...". out
 * has DIAG_QUOTE bytes; returns out. */
const char *diag_quote(const char *text, size_t len, char *out);

#endif
