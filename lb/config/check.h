/* SPDX-License-Identifier: Apache-2.0
 * check - what must hold between values; single values were checked when they were read.
 * Owner:      one config_parse() call; reports through the reader's diag.
 * Invariants: CK1 a value that was refused when it was read gives no second error here.
 *             CK2 nothing here looks at the machine: the same file gives the same answer
 * everywhere. Cost:       O(n log n) in the number of services, addresses and backends. */
#ifndef LB_CONFIG_CHECK_H
#define LB_CONFIG_CHECK_H

#include "lb/config/reach.h"
#include "lb/config/reader.h"

struct check {
	struct reader *r;
	const struct reach *reach;
	const struct config *cfg;
	struct config_tree *root;
	bool ports_bad; /* an address or route was refused: say nothing about what can be reached */
};

void check_all(struct reader *r, const struct reach *reach, const struct config *cfg,
	struct config_tree *root);

/* Parts. */
void check_ports(struct check *c);
void check_machine(struct check *c); /* workers, memory, l4 */
void check_services(struct check *c);
void check_overlaps(struct check *c); /* between services */

/* Two things of one kind with the same text: sorts. mark[i] belongs to name[i]. */
struct check_name {
	const char *name;
	struct config_mark mark;
};
void check_names(struct check *c, const char *what, struct check_name *names, uint32_t cnt);

#endif
