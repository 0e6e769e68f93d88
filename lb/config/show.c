/* SPDX-License-Identifier: Apache-2.0
 * The effective configuration as YAML. The values are read from the structs, so what is printed is
 * what the program uses; the tree only says where they came from. */
#include <stdlib.h>
#include <string.h>

#include "lb/config/schema.h"
#include "lb/config/values.h"

#define ORIGIN_COLUMN 48
#define LINE_ITEMS    4 /* a longer list of values gets a line for each */

struct show {
	FILE *out;
	const char *file;
	bool dash; /* the next line begins an item */
};

static void show_map(struct show *s, const struct config_tree *t, int indent);

/* Blanks at the start of a line, the last two of which are "- " for a new item. */
static int lead(struct show *s, int indent)
{
	int n = s->dash ? fprintf(s->out, "%*s- ", indent - 2, "")
			: fprintf(s->out, "%*s", indent, "");

	s->dash = false;
	return n;
}

static void origin(struct show *s, struct config_mark at)
{
	if (at.line)
		fprintf(s->out, " # %s:%u\n", s->file, at.line);
	else
		fputs(" # default\n", s->out);
}

/* "KEY: TEXT" with its origin behind it. */
static void line(struct show *s, int indent, const char *text, struct config_mark at)
{
	int used = lead(s, indent) + fprintf(s->out, "%s", text);

	fprintf(s->out, "%*s", used < ORIGIN_COLUMN ? ORIGIN_COLUMN - 1 - used : 0, "");
	origin(s, at);
}

static uint32_t list_cnt(const struct schema_field *f, const char *data)
{
	uint32_t cnt;

	memcpy(&cnt, data + f->cnt_offset, sizeof(cnt));
	return cnt;
}

void config_show_value(const struct schema_field *f, const void *map_data, FILE *mem)
{
	const char *data = map_data;

	if (f->type == SCHEMA_CUSTOM) {
		f->custom->show(f, data, mem);
	} else if (f->flags & SCHEMA_LIST) {
		const char *items = *(char *const *)(const void *)(data + f->offset);
		uint32_t cnt = list_cnt(f, data);

		fputc('[', mem);
		for (uint32_t i = 0; i < cnt; i++) {
			if (i)
				fputs(", ", mem);
			value_show(f, items + (size_t)i * f->width, mem);
		}
		fputc(']', mem);
	} else {
		value_show(f, data + f->offset, mem);
	}
}

static void show_long_list(struct show *s, const struct schema_field *f,
	const struct config_value *v, const char *data, int indent)
{
	const char *items = *(char *const *)(const void *)(data + f->offset);
	uint32_t cnt = list_cnt(f, data);

	lead(s, indent);
	fprintf(s->out, "%s:\n", f->key);
	for (uint32_t i = 0; i < cnt; i++) {
		lead(s, indent + 2);
		fputs("- ", s->out);
		value_show(f, items + (size_t)i * f->width, s->out);
		origin(s, v->item_cnt == cnt ? v->item_marks[i] : v->mark);
	}
}

/* Close a memory stream; false if something written to it was lost. */
static bool stream_done(FILE *mem)
{
	bool whole = fflush(mem) == 0 && !ferror(mem);

	return fclose(mem) == 0 && whole;
}

static void show_value(struct show *s, const struct schema_field *f, const struct config_value *v,
	const char *data, int indent)
{
	char *text = NULL;
	size_t len = 0;
	FILE *mem;

	if ((f->flags & SCHEMA_LIST) && list_cnt(f, data) > LINE_ITEMS) {
		show_long_list(s, f, v, data, indent);
		return;
	}
	mem = open_memstream(&text, &len);
	if (mem) {
		fprintf(mem, "%s: ", f->key);
		config_show_value(f, data, mem);
	}
	if (mem && stream_done(mem) && text) {
		line(s, indent, text, v->mark);
	} else { /* no memory to measure it: the comment stands where it falls */
		lead(s, indent);
		fprintf(s->out, "%s: ", f->key);
		config_show_value(f, data, s->out);
		origin(s, v->mark);
	}
	free(text);
}

static void show_maps(
	struct show *s, const struct schema_field *f, const struct config_value *v, int indent)
{
	if (v->item_cnt == 0) {
		char text[LIMIT_NAME + 8];

		snprintf(text, sizeof(text), "%s: %s", f->key,
			f->flags & SCHEMA_NAMED ? "{}" : "[]");
		line(s, indent, text, v->mark);
		return;
	}
	lead(s, indent);
	fprintf(s->out, "%s:\n", f->key);
	for (uint32_t i = 0; i < v->item_cnt; i++) {
		const struct config_tree *t = v->maps[i];

		if (f->flags & SCHEMA_NAMED) {
			const char *name = (const char *)t->data + f->map->name_offset;

			lead(s, indent + 2);
			value_show_text(name, strlen(name), s->out);
			fputs(":\n", s->out);
		}
		s->dash = f->flags & SCHEMA_LIST;
		show_map(s, t, f->flags & (SCHEMA_LIST | SCHEMA_NAMED) ? indent + 4 : indent + 2);
	}
}

static void show_map(struct show *s, const struct config_tree *t, int indent)
{
	const struct schema_map *map = t->map;

	for (uint32_t i = 0; i < map->field_cnt; i++) {
		const struct schema_field *f = &map->fields[i];

		if ((f->flags & SCHEMA_SHORT) || !schema_applies(map, f, t->data))
			continue;
		if ((f->flags & SCHEMA_OPTIONAL) && t->values[i].item_cnt == 0)
			continue;
		if (f->type == SCHEMA_MAP)
			show_maps(s, f, &t->values[i], indent);
		else
			show_value(s, f, &t->values[i], t->data, indent);
	}
}

void config_show(const struct config *cfg, FILE *out)
{
	struct show s = {.out = out, .file = cfg->tree->file};

	show_map(&s, cfg->tree, 0);
}
