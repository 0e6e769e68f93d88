/* SPDX-License-Identifier: Apache-2.0
 * reader - a YAML tree to structs by the schema table.
 * Owner:      one config_parse() call; what it makes lives in `arena`.
 * Invariants: RD1 every member that the table names is set when reader_map() returns, to its
 *             default where the file says nothing or something wrong (then the value is `bad`).
 * Errors:     by diag_error(); NULL if memory ran out (arena->failed is then set). */
#ifndef LB_CONFIG_READER_H
#define LB_CONFIG_READER_H

#include "lb/config/diag.h"
#include "lb/config/schema.h"
#include "lb/config/yaml.h"

struct reader {
	struct arena *arena;
	struct diag *diag;
};

/* node NULL: everything by default. data has map->size bytes, zeroed. */
struct config_tree *reader_map(struct reader *r, const struct schema_map *map,
	const struct yaml_node *node, void *data) WARN_UNUSED;

/* "KEY: text" at the node. */
void reader_error(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The items of a list, or a single value as a list of one; false after an error. *first is NULL for
 * an empty list. */
bool reader_items(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	uint32_t max, const struct yaml_node **first, uint32_t *cnt) WARN_UNUSED;
/* The text of a value; false after an error. */
bool reader_scalar(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	const struct yaml_node **scalar) WARN_UNUSED;
/* A short form gives `key` as well. False, after an error, if the key was given already. */
bool reader_gives(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	struct config_tree *t, const char *key) WARN_UNUSED;

#endif
