/* SPDX-License-Identifier: Apache-2.0
 * Recursion follows the schema, never the file, so that its depth is that of the table. A value
 * that is wrong is reported, marked bad and left at its default, and reading goes on: one run tells
 * all. */
#include "lb/config/reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config/suggest.h"
#include "lb/config/values.h"

void reader_error(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	const char *fmt, ...)
{
	char text[DIAG_TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	diag_error(r->diag, node->mark, "%s: %s", f->key, text);
}

static const char *kind(const struct yaml_node *n)
{
	switch (n->type) {
	case YAML_LIST:
		return "a list";
	case YAML_MAP:
		return "a map";
	default:
		return n->len == 0 && !n->quoted ? "nothing" : "a single value";
	}
}

bool reader_scalar(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	const struct yaml_node **scalar)
{
	const struct yaml_node *n = yaml_resolve(node);

	if (n->type == YAML_SCALAR && (n->len || n->quoted)) {
		*scalar = n;
		return true;
	}
	reader_error(r, f, node, "expected a single value, found %s", kind(n));
	return false;
}

bool reader_items(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	uint32_t max, const struct yaml_node **first, uint32_t *cnt)
{
	const struct yaml_node *n = yaml_resolve(node);

	*first = NULL;
	*cnt = 0;
	if (n->type == YAML_MAP || (n->type == YAML_SCALAR && n->len == 0 && !n->quoted)) {
		reader_error(r, f, node, "expected a list, found %s", kind(n));
		return false;
	}
	if (n->type == YAML_SCALAR) {
		*first = n;
		*cnt = 1;
		return true;
	}
	if (n->cnt > max) {
		reader_error(r, f, node, "%u items are more than %u", n->cnt, max);
		return false;
	}
	*first = n->first;
	*cnt = n->cnt;
	return true;
}

bool reader_gives(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	struct config_tree *t, const char *key)
{
	struct config_value *v = schema_value(t, key);

	if (v->mark.line) {
		reader_error(r, f, node, "'%s' is given already, on line %u", key, v->mark.line);
		return false;
	}
	v->mark = node->mark;
	v->set_by = f;
	return true;
}

static int read_one(
	struct reader *r, const struct schema_field *f, const struct yaml_node *node, void *dst)
{
	const struct yaml_node *n;
	char why[VALUE_WHY];
	int rc;

	if (!reader_scalar(r, f, node, &n))
		return -EINVAL;
	rc = value_parse(f, (struct value_text){n->text, n->len, n->quoted}, r->arena, dst, why);
	if (rc == -EINVAL)
		reader_error(r, f, node, "%s", why);
	else if (rc != 0)
		r->arena->failed = true;
	return rc;
}

/* Items that are wrong are left out, so that the checks that follow see only good ones. */
static void read_values(struct reader *r, const struct schema_field *f,
	const struct yaml_node *node, char *data, struct config_value *v)
{
	const struct yaml_node *item;
	uint32_t cnt, good = 0;
	char *items;

	if (!reader_items(r, f, node, f->max_cnt, &item, &cnt)) {
		v->bad = true;
		return;
	}
	items = arena_array(r->arena, cnt, f->width);
	v->item_marks = arena_array(r->arena, cnt, sizeof(*v->item_marks));
	if (!items || !v->item_marks)
		return;
	for (uint32_t i = 0; i < cnt; i++, item = item->next) {
		if (read_one(r, f, item, items + (size_t)good * f->width) == 0)
			v->item_marks[good++] = item->mark;
		else
			v->bad = true;
	}
	*(void **)(void *)(data + f->offset) = items;
	memcpy(data + f->cnt_offset, &good, sizeof(good));
	v->item_cnt = good;
	if (cnt == 0 && (f->flags & SCHEMA_REQUIRED)) {
		reader_error(r, f, node, "the list is empty");
		v->bad = true;
	}
}

/* The name of an element of SCHEMA_NAMED is its key. */
static void read_name(
	struct reader *r, const struct schema_field *f, const struct yaml_node *key, char *dst)
{
	static const struct schema_field name = {
		.key = "name", .type = SCHEMA_NAME, .width = LIMIT_NAME};
	const struct yaml_node *n = yaml_resolve(key);
	char why[VALUE_WHY];

	if (n->type != YAML_SCALAR || n->len == 0)
		reader_error(r, f, key, "expected a name, found %s", kind(n));
	else if (value_parse(&name, (struct value_text){n->text, n->len, n->quoted}, r->arena, dst,
			 why) != 0)
		reader_error(r, f, key, "%s", why);
}

struct named {
	const char *name;
	const struct yaml_node *key;
};

static int by_name(const void *pa, const void *pb)
{
	const struct named *a = pa, *b = pb;
	int c = strcmp(a->name, b->name);

	if (c)
		return c;
	return a->key->mark.line < b->key->mark.line ? -1 : a->key->mark.line > b->key->mark.line;
}

static void refuse_same_names(
	struct reader *r, const struct schema_field *f, struct named *names, uint32_t cnt)
{
	qsort(names, cnt, sizeof(*names), by_name);
	for (uint32_t i = 1; i < cnt; i++) {
		if (*names[i].name && strcmp(names[i].name, names[i - 1].name) == 0)
			reader_error(r, f, names[i].key, "'%s' is there already, on line %u",
				names[i].name, names[i - 1].key->mark.line);
	}
}

/* SCHEMA_LIST and SCHEMA_NAMED of maps. */
static void read_maps(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	char *data, struct config_value *v)
{
	const struct yaml_node *n = yaml_resolve(node), *item = n->first;
	bool named = f->flags & SCHEMA_NAMED;
	struct named *names;
	char *items;

	if (n->type != (named ? YAML_MAP : YAML_LIST)) {
		reader_error(r, f, node, "expected %s, found %s",
			named ? "a map of names" : "a list", kind(n));
		v->bad = true;
		return;
	}
	if (n->cnt > f->max_cnt) {
		reader_error(r, f, node, "%u items are more than %u", n->cnt, f->max_cnt);
		v->bad = true;
		return;
	}
	items = arena_array(r->arena, n->cnt, f->map->size);
	v->maps = arena_array(r->arena, n->cnt, sizeof(struct config_tree *));
	names = arena_array(r->arena, named ? n->cnt : 0, sizeof(*names));
	if (!items || !v->maps || !names)
		return;
	for (uint32_t i = 0; i < n->cnt; i++, item = item->next) {
		char *elem = items + (size_t)i * f->map->size;

		if (named) {
			read_name(r, f, item, elem + f->map->name_offset);
			names[i] = (struct named){elem + f->map->name_offset, item};
			item = item->next;
		}
		v->maps[i] = reader_map(r, f->map, item, elem);
		if (!v->maps[i])
			return;
		v->item_cnt++;
	}
	if (named)
		refuse_same_names(r, f, names, n->cnt);
	*(void **)(void *)(data + f->offset) = items;
	memcpy(data + f->cnt_offset, &v->item_cnt, sizeof(v->item_cnt));
	if (n->cnt == 0 && (f->flags & SCHEMA_REQUIRED))
		reader_error(r, f, node, "the list is empty");
}

static void read_child(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	char *data, struct config_value *v)
{
	struct config_tree **one = arena_array(r->arena, 1, sizeof(struct config_tree *));

	if (!one)
		return;
	data += f->offset;
	if (f->flags & SCHEMA_OPTIONAL) {
		char *own = arena_alloc(r->arena, f->map->size);

		if (!own)
			return;
		*(void **)(void *)data = own;
		data = own;
	}
	one[0] = reader_map(r, f->map, node, data);
	v->maps = one;
	v->item_cnt = one[0] ? 1 : 0;
}

static void read_field(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	struct config_tree *t)
{
	struct config_value *v = &t->values[f - t->map->fields];
	char *data = t->data;

	if (f->type == SCHEMA_CUSTOM)
		f->custom->set(r, f, node, t);
	else if (f->type == SCHEMA_MAP && (f->flags & (SCHEMA_LIST | SCHEMA_NAMED)))
		read_maps(r, f, node, data, v);
	else if (f->type == SCHEMA_MAP)
		read_child(r, f, node, data, v);
	else if (f->flags & SCHEMA_LIST)
		read_values(r, f, node, data, v);
	else if (read_one(r, f, node, data + f->offset) != 0)
		v->bad = true;
}

static void set_default(struct reader *r, const struct schema_field *f, struct config_tree *t)
{
	struct config_value *v = &t->values[f - t->map->fields];
	const char *text = f->dflt;
	char why[VALUE_WHY];

	if (f->type == SCHEMA_MAP && !(f->flags & (SCHEMA_LIST | SCHEMA_NAMED | SCHEMA_OPTIONAL)) &&
		!v->item_cnt)
		read_child(r, f, NULL, t->data, v);
	if (!text)
		return;
	if (strcmp(text, "\"\"") == 0)
		text = "";
	if (value_parse(f, (struct value_text){text, strlen(text), false}, r->arena,
		    (char *)t->data + f->offset, why) == -EINVAL)
		diag_error(r->diag, (struct config_mark){0}, "default of %s: %s", f->key, why);
}

/* A key that another map has was perhaps only indented wrongly. */
static const struct schema_map *map_with(const struct schema_map *map, const char *key)
{
	for (uint32_t i = 0; i < map->field_cnt; i++) {
		const struct schema_field *f = &map->fields[i];
		const struct schema_map *found;

		if (f->type != SCHEMA_MAP)
			continue;
		found = schema_find(f->map, key) ? f->map : map_with(f->map, key);
		if (found)
			return found;
	}
	return NULL;
}

static void unknown_key(struct reader *r, struct config_tree *t, const struct yaml_node *key)
{
	const struct schema_map *map = t->map, *other;
	char q[DIAG_QUOTE];
	struct suggest s;

	diag_quote(key->text, key->len, q);
	if (strcmp(key->text, "<<") == 0) {
		diag_error(r->diag, key->mark, "merge key '<<' is not supported");
		return;
	}
	if (diag_full(r->diag)) {
		diag_error(r->diag, key->mark, "unknown key '%s'", q);
		return;
	}
	suggest_init(&s, key->text);
	for (uint32_t i = 0; i < map->field_cnt; i++)
		suggest_try(&s, map->fields[i].key);
	other = map_with(&schema_root, key->text);
	if (s.best) {
		diag_error(r->diag, key->mark, "unknown key '%s' in %s; did you mean '%s'?", q,
			map->name, s.best);
		/* That it is missing would be the same mistake told twice. */
		schema_value(t, s.best)->bad = true;
	} else if (other) {
		diag_error(r->diag, key->mark, "unknown key '%s' in %s; it belongs to %s", q,
			map->name, other->name);
	} else {
		diag_error(r->diag, key->mark, "unknown key '%s' in %s", q, map->name);
	}
}

static void read_pair(struct reader *r, const struct yaml_node *key, struct config_tree *t)
{
	const struct yaml_node *k = yaml_resolve(key);
	const struct schema_field *f;
	struct config_value *v;

	if (k->type != YAML_SCALAR || memchr(k->text, 0, k->len)) {
		diag_error(r->diag, key->mark, "a key is a word, found %s", kind(k));
		return;
	}
	f = schema_find(t->map, k->text);
	if (!f) {
		unknown_key(r, t, k);
		return;
	}
	v = &t->values[f - t->map->fields];
	if (v->mark.line && v->set_by) {
		diag_error(r->diag, key->mark, "%s: given already by '%s' on line %u", f->key,
			v->set_by->key, v->mark.line);
		return;
	}
	if (v->mark.line) {
		diag_error(r->diag, key->mark, "duplicate key '%s', first on line %u", f->key,
			v->mark.line);
		return;
	}
	v->mark = key->next->mark;
	v->bad = false;
	read_field(r, f, key->next, t);
}

static void check_presence(struct reader *r, struct config_tree *t)
{
	for (uint32_t i = 0; i < t->map->field_cnt; i++) {
		const struct schema_field *f = &t->map->fields[i];
		const struct config_value *v = &t->values[i];

		if (!v->mark.line && !v->bad && (f->flags & SCHEMA_REQUIRED))
			diag_error(r->diag, t->mark, "%s without '%s'", t->map->name, f->key);
		if (v->mark.line && !schema_applies(t->map, f, t->data)) {
			const struct schema_field *by = schema_find(t->map, t->map->variant);
			FILE *mem;
			char word[64] = "";

			mem = fmemopen(word, sizeof(word), "w");
			if (mem) {
				value_show(by, (char *)t->data + by->offset, mem);
				fclose(mem);
			}
			if (!schema_value(t, by->key)->bad)
				diag_error(r->diag, v->mark, "%s: has no meaning with %s %s",
					f->key, by->key, word);
		}
	}
}

/* False after an error: the node is no map at all. */
static bool read_pairs(struct reader *r, const struct yaml_node *node, struct config_tree *t)
{
	const struct schema_map *map = t->map;
	const struct yaml_node *n = yaml_resolve(node);

	if (n->type == YAML_MAP) {
		for (const struct yaml_node *key = n->first; key && key->next;
			key = key->next->next)
			read_pair(r, key, t);
	} else if (n->type == YAML_SCALAR && map->scalar_key && (n->len || n->quoted)) {
		const struct schema_field *f = schema_find(map, map->scalar_key);

		t->values[f - map->fields].mark = node->mark;
		read_field(r, f, node, t);
	} else {
		diag_error(r->diag, node->mark, "%s: expected a map of its keys, found %s",
			map->name, kind(n));
		return false;
	}
	return true;
}

struct config_tree *reader_map(
	struct reader *r, const struct schema_map *map, const struct yaml_node *node, void *data)
{
	struct config_tree *t =
		arena_alloc(r->arena, sizeof(*t) + map->field_cnt * sizeof(t->values[0]));
	bool is_map = false;

	if (!t)
		return NULL;
	t->map = map;
	t->data = data;
	/* Before the file's values: what fails to parse leaves the default in place. */
	for (uint32_t i = 0; i < map->field_cnt; i++) {
		if (map->fields[i].type != SCHEMA_MAP)
			set_default(r, &map->fields[i], t);
	}
	if (node) {
		t->mark = node->mark;
		if (map->mark_offset)
			memcpy((char *)data + map->mark_offset, &t->mark, sizeof(t->mark));
		is_map = read_pairs(r, node, t);
	}
	for (uint32_t i = 0; i < map->field_cnt; i++) {
		if (map->fields[i].type == SCHEMA_MAP)
			set_default(r, &map->fields[i], t);
	}
	if (is_map && !r->arena->failed)
		check_presence(r, t);
	return t;
}
