/* SPDX-License-Identifier: Apache-2.0
 * Compares the effective values of two configurations where the table says that they take effect at
 * start only. Values are compared as texts: what looks the same is the same. */
#include <stdlib.h>
#include <string.h>

#include "lb/config/schema.h"
#include "lb/config/values.h"

struct compare {
	FILE *err;
	const char *file;
	int differ;
	char path[256];
};

static void compare_maps(
	struct compare *c, const struct config_tree *a, const struct config_tree *b, bool restart);

static void differs(struct compare *c, const struct config_tree *b, const struct config_value *v,
	const char *from, const char *to)
{
	uint32_t at = v->mark.line ? v->mark.line : b->mark.line;

	c->differ++;
	fprintf(c->err, "%s:", c->file);
	if (at)
		fprintf(c->err, "%u:", at);
	fprintf(c->err, " error: %s changes from %s to %s, which needs a restart\n", c->path, from,
		to);
}

static void compare_values(struct compare *c, const struct schema_field *f,
	const struct config_tree *a, const struct config_tree *b)
{
	const struct config_value *v = &b->values[f - b->map->fields];
	const struct config_tree *t[2] = {a, b};
	char *text[2] = {NULL, NULL};
	bool lost = false;

	for (int i = 0; i < 2; i++) {
		size_t len;
		FILE *mem = open_memstream(&text[i], &len);

		if (!mem)
			continue;
		config_show_value(f, t[i]->data, mem);
		if (fflush(mem) != 0 || ferror(mem))
			lost = true;
		if (fclose(mem) != 0)
			lost = true;
	}
	if (lost || !text[0] || !text[1])
		differs(c, b, v, "?", "?");
	else if (strcmp(text[0], text[1]) != 0)
		differs(c, b, v, text[0], text[1]);
	free(text[0]);
	free(text[1]);
}

static void compare_field(struct compare *c, const struct schema_field *f,
	const struct config_tree *a, const struct config_tree *b, bool restart)
{
	const struct config_value *va = &a->values[f - a->map->fields];
	const struct config_value *vb = &b->values[f - b->map->fields];
	size_t len = strlen(c->path);
	char from[16], to[16];

	restart = (restart || (f->flags & SCHEMA_RESTART)) && !(f->flags & SCHEMA_RELOAD);
	snprintf(c->path + len, sizeof(c->path) - len, "%s%s", len ? "." : "", f->key);
	if (f->type != SCHEMA_MAP) {
		if (restart && !(f->flags & SCHEMA_SHORT))
			compare_values(c, f, a, b);
	} else if (va->item_cnt != vb->item_cnt) {
		snprintf(from, sizeof(from), "%u", va->item_cnt);
		snprintf(to, sizeof(to), "%u", vb->item_cnt);
		if (restart)
			differs(c, b, vb, from, to);
	} else {
		size_t end = strlen(c->path);

		for (uint32_t i = 0; i < va->item_cnt; i++) {
			if (f->flags & (SCHEMA_LIST | SCHEMA_NAMED))
				snprintf(c->path + end, sizeof(c->path) - end, "[%u]", i);
			compare_maps(c, va->maps[i], vb->maps[i], restart);
		}
	}
	c->path[len] = '\0';
}

static void compare_maps(
	struct compare *c, const struct config_tree *a, const struct config_tree *b, bool restart)
{
	for (uint32_t i = 0; i < a->map->field_cnt; i++)
		compare_field(c, &a->map->fields[i], a, b, restart);
}

int config_needs_restart(const struct config *cur, const struct config *next, FILE *err)
{
	struct compare c = {.err = err, .file = next->tree->file};

	compare_maps(&c, cur->tree, next->tree, false);
	return c.differ;
}
