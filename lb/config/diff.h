/* SPDX-License-Identifier: Apache-2.0
 * diff - what differs between two configurations, value by value.
 * Owner:      the caller of config_diff(); texts live as long as one call of fn.
 * Invariants: DF1 elements of lists are matched by their name, or by address and port, or else by
 *             place, so that another order is no difference where the order means nothing.
 *             DF2 equal configurations have none, however they were written. */
#ifndef LB_CONFIG_DIFF_H
#define LB_CONFIG_DIFF_H

#include "lb/config/config.h"

enum config_change { CONFIG_ADDED, CONFIG_REMOVED, CONFIG_CHANGED };

struct config_difference {
	enum config_change kind;
	const char *path;        /* "services[web].backends[192.0.2.1:80].weight" */
	const char *from, *to;   /* as YAML; "" for an element of a list */
	bool restart;            /* takes effect at start only */
	struct config_mark mark; /* in the next one; line 0: nowhere */
};

typedef void config_diff_fn(void *ctx, const struct config_difference *d);

void config_diff(
	const struct config *cur, const struct config *next, config_diff_fn *fn, void *ctx);
const char *config_change_name(enum config_change c);

#endif
