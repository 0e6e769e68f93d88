/* SPDX-License-Identifier: Apache-2.0
 * yaml - one YAML document as a tree in which every node knows its place.
 * Owner:      nodes live in the arena given; immutable once read.
 * Invariants: YA1 the tree has no cycle. YA2 with every alias expanded it has at most
 *             LIMIT_CONFIG_NODES nodes, of which at most LIMIT_CONFIG_ALIASED through aliases.
 *             YA3 it is at most LIMIT_CONFIG_DEPTH deep as written.
 * Units:      lines and columns from 1, columns in characters.
 * Errors:     -EINVAL after at least one diag_error(), -ENOMEM. A syntax error ends the reading; a
 *             tag is an error that does not. */
#ifndef LB_CONFIG_YAML_H
#define LB_CONFIG_YAML_H

#include "lb/config/diag.h"

#define LIMIT_CONFIG_BYTES   (64u << 20)
#define LIMIT_CONFIG_NODES   4000000u
#define LIMIT_CONFIG_ALIASED 1000000u
#define LIMIT_CONFIG_DEPTH   32
#define LIMIT_CONFIG_ANCHORS 1024

enum yaml_type { YAML_SCALAR, YAML_LIST, YAML_MAP, YAML_ALIAS };

struct yaml_node {
	enum yaml_type type;
	bool quoted; /* scalar in quotes or a block scalar: a text whatever it looks like */
	struct config_mark mark;
	uint32_t cnt;    /* list: items; map: pairs */
	uint32_t weight; /* nodes below and including this one, aliases expanded */
	uint32_t len;    /* scalar: bytes of text */
	const char *text;
	struct yaml_node *first; /* list: items; map: key, value, key, value ... */
	struct yaml_node *next;
	struct yaml_node *target; /* alias */
};

/* The node an alias stands for, or the node itself. */
static inline const struct yaml_node *yaml_resolve(const struct yaml_node *n)
{
	while (n->type == YAML_ALIAS)
		n = n->target;
	return n;
}

/* *root is NULL if the document is empty. */
int yaml_read(struct arena *a, struct diag *d, const char *text, size_t len,
	struct yaml_node **root) WARN_UNUSED;

#endif
