/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/config/diff.h"

#include <stdlib.h>
#include <string.h>

#include "lb/config/schema.h"
#include "lb/config/values.h"

#define PATH_MAX_LEN 512
#define KEY_MAX_LEN  192

struct walk {
	config_diff_fn *fn;
	void *ctx;
	char path[PATH_MAX_LEN];
};

const char *config_change_name(enum config_change c)
{
	static const char *const names[] = {"added", "removed", "changed"};

	return names[c];
}

/* The value of a row as YAML, to free(); NULL without memory. */
static char *text_of(const struct schema_field *f, const struct config_tree *t)
{
	char *text = NULL;
	size_t len;
	FILE *mem = open_memstream(&text, &len);

	if (mem == NULL)
		return NULL;
	config_show_value(f, t->data, mem);
	if (fclose(mem) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void append(struct walk *w, const char *sep, const char *text, const char *end)
{
	size_t len = strlen(w->path);

	snprintf(w->path + len, sizeof(w->path) - len, "%s%s%s", len > 0 ? sep : "", text, end);
}

static void tell(struct walk *w, enum config_change kind, const char *from, const char *to,
	bool restart, struct config_mark mark)
{
	struct config_difference d = {.kind = kind,
		.path = w->path,
		.from = from,
		.to = to,
		.restart = restart,
		.mark = mark};

	w->fn(w->ctx, &d);
}

/* What tells an element of a list from the others. */
static void key_of(const struct schema_field *f, const struct config_tree *t, uint32_t place,
	char out[KEY_MAX_LEN])
{
	const struct schema_field *name = schema_find(t->map, "name");
	const struct schema_field *addr = schema_find(t->map, "address");
	const struct schema_field *port = schema_find(t->map, "port");
	char *a = NULL, *b = NULL;

	if (f->flags & SCHEMA_NAMED) {
		snprintf(out, KEY_MAX_LEN, "%s", (const char *)t->data + f->map->name_offset);
		return;
	}
	if (name != NULL)
		a = text_of(name, t);
	else if (addr != NULL)
		a = text_of(addr, t);
	if (name == NULL && addr != NULL && port != NULL)
		b = text_of(port, t);
	if (a == NULL)
		snprintf(out, KEY_MAX_LEN, "%u", place);
	else if (b == NULL || strcmp(b, "0") == 0)
		snprintf(out, KEY_MAX_LEN, "%s", a);
	else
		snprintf(out, KEY_MAX_LEN, "%s:%s", a, b);
	free(a);
	free(b);
}

static void walk_maps(
	struct walk *w, const struct config_tree *a, const struct config_tree *b, bool restart);

/* The element of v with this key that was not matched yet; `from` counts equal keys. */
static const struct config_tree *find(
	const struct schema_field *f, const struct config_value *v, const char *key, uint32_t nth)
{
	char other[KEY_MAX_LEN];

	for (uint32_t i = 0; i < v->item_cnt; i++) {
		key_of(f, v->maps[i], i, other);
		if (strcmp(other, key) == 0 && nth-- == 0)
			return v->maps[i];
	}
	return NULL;
}

/* How many elements before i have its key: equal ones are matched in order. */
static uint32_t nth_of(
	const struct schema_field *f, const struct config_value *v, uint32_t i, const char *key)
{
	char other[KEY_MAX_LEN];
	uint32_t n = 0;

	for (uint32_t k = 0; k < i; k++) {
		key_of(f, v->maps[k], k, other);
		n += strcmp(other, key) == 0;
	}
	return n;
}

static void walk_list(struct walk *w, const struct schema_field *f, const struct config_value *va,
	const struct config_value *vb, bool restart)
{
	size_t end = strlen(w->path);
	char key[KEY_MAX_LEN];

	for (uint32_t i = 0; i < va->item_cnt; i++) {
		const struct config_tree *other;

		key_of(f, va->maps[i], i, key);
		other = find(f, vb, key, nth_of(f, va, i, key));
		append(w, "", "[", "");
		append(w, "", key, "]");
		if (other == NULL)
			tell(w, CONFIG_REMOVED, "", "", restart, (struct config_mark){0, 0});
		else
			walk_maps(w, va->maps[i], other, restart);
		w->path[end] = '\0';
	}
	for (uint32_t i = 0; i < vb->item_cnt; i++) {
		key_of(f, vb->maps[i], i, key);
		if (find(f, va, key, nth_of(f, vb, i, key)) != NULL)
			continue;
		append(w, "", "[", "");
		append(w, "", key, "]");
		tell(w, CONFIG_ADDED, "", "", restart, vb->maps[i]->mark);
		w->path[end] = '\0';
	}
}

static void walk_value(struct walk *w, const struct schema_field *f, const struct config_tree *a,
	const struct config_tree *b, bool restart)
{
	bool in_a = schema_applies(a->map, f, a->data), in_b = schema_applies(b->map, f, b->data);
	const struct config_value *v = &b->values[f - b->map->fields];
	char *from = in_a ? text_of(f, a) : NULL, *to = in_b ? text_of(f, b) : NULL;

	if (in_a && in_b && from != NULL && to != NULL && strcmp(from, to) != 0)
		tell(w, CONFIG_CHANGED, from, to, restart, v->mark.line ? v->mark : b->mark);
	/* What appears or goes with another variant counts where somebody wrote it. */
	else if (in_b && !in_a && v->mark.line != 0)
		tell(w, CONFIG_ADDED, "", to != NULL ? to : "", restart, v->mark);
	else if (in_a && !in_b && a->values[f - a->map->fields].mark.line != 0)
		tell(w, CONFIG_REMOVED, from != NULL ? from : "", "", restart,
			(struct config_mark){0, 0});
	free(from);
	free(to);
}

static void walk_field(struct walk *w, const struct schema_field *f, const struct config_tree *a,
	const struct config_tree *b, bool restart)
{
	const struct config_value *va = &a->values[f - a->map->fields];
	const struct config_value *vb = &b->values[f - b->map->fields];
	size_t end = strlen(w->path);

	if (f->flags & SCHEMA_SHORT)
		return;
	restart = (restart || (f->flags & SCHEMA_RESTART)) && !(f->flags & SCHEMA_RELOAD);
	append(w, ".", f->key, "");
	if (f->type != SCHEMA_MAP)
		walk_value(w, f, a, b, restart);
	else if (f->flags & (SCHEMA_LIST | SCHEMA_NAMED))
		walk_list(w, f, va, vb, restart);
	else if (va->item_cnt > 0 && vb->item_cnt > 0)
		walk_maps(w, va->maps[0], vb->maps[0], restart);
	else if (va->item_cnt != vb->item_cnt)
		tell(w, va->item_cnt > 0 ? CONFIG_REMOVED : CONFIG_ADDED, "", "", restart,
			vb->mark);
	w->path[end] = '\0';
}

static void walk_maps(
	struct walk *w, const struct config_tree *a, const struct config_tree *b, bool restart)
{
	for (uint32_t i = 0; i < a->map->field_cnt; i++)
		walk_field(w, &a->map->fields[i], a, b, restart);
}

void config_diff(const struct config *cur, const struct config *next, config_diff_fn *fn, void *ctx)
{
	struct walk w = {.fn = fn, .ctx = ctx};

	walk_maps(&w, cur->tree, next->tree, false);
}
