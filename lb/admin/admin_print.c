/* SPDX-License-Identifier: Apache-2.0
 * One printer for every answer, so that a new field needs no code here. It looks at the shape
 * alone: number, text, truth      -> "  name  value" object of plain values   -> a heading and such
 * lines; in long ones zeros are left out object of objects, array of objects -> a table with a row
 * each; what is an object or array inside a row is printed behind the table under the row's name
 * Texts come from the other process: control characters must not reach a terminal. */
#include "lb/admin/admin_client.h"

#include <string.h>

#define COLUMNS_MAX 24
#define CELL_MAX    80
#define DEPTH_MAX   6
#define LONG_LIST   24 /* lines: from here on zeros are left out */

struct table {
	unsigned col_cnt;
	const char *cols[COLUMNS_MAX];
	int width[COLUMNS_MAX], key_width;
	bool number[COLUMNS_MAX];
};

static bool is_plain(const json_t *v)
{
	return !json_is_object(v) && !json_is_array(v);
}

static void clean(char *s)
{
	for (; *s != '\0'; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

static const char *cell(const json_t *v, char out[CELL_MAX])
{
	if (json_is_integer(v))
		snprintf(out, CELL_MAX, "%lld", (long long)json_integer_value(v));
	else if (json_is_real(v))
		snprintf(out, CELL_MAX, "%.3f", json_real_value(v));
	else if (json_is_string(v))
		snprintf(out, CELL_MAX, "%s", json_string_value(v));
	else if (json_is_boolean(v))
		snprintf(out, CELL_MAX, "%s", json_is_true(v) ? "yes" : "no");
	else
		snprintf(out, CELL_MAX, "-");
	clean(out);
	return out;
}

static void indent(FILE *out, int depth)
{
	fprintf(out, "%*s", 2 * depth, "");
}

static void put_text(FILE *out, const char *text)
{
	char copy[CELL_MAX];

	snprintf(copy, sizeof(copy), "%s", text);
	clean(copy);
	fputs(copy, out);
}

/* --- tables -------------------------------------------------------------------------------- */

static void widen(int *width, const char *text)
{
	int n = (int)strnlen(text, CELL_MAX);

	if (n > *width)
		*width = n;
}

static unsigned column(struct table *t, const char *name)
{
	unsigned i = 0;

	while (i < t->col_cnt && strcmp(t->cols[i], name) != 0)
		i++;
	if (i == t->col_cnt && t->col_cnt < COLUMNS_MAX) {
		t->cols[i] = name;
		t->number[i] = true;
		t->width[i] = 0;
		widen(&t->width[i], name);
		t->col_cnt++;
	}
	return i;
}

static void measure_row(struct table *t, const char *key, const json_t *row)
{
	char text[CELL_MAX];
	const char *name;
	json_t *v;

	widen(&t->key_width, key);
	json_object_foreach((json_t *)(uintptr_t)row, name, v)
	{
		unsigned i;

		if (!is_plain(v))
			continue;
		i = column(t, name);
		if (i == COLUMNS_MAX)
			continue;
		widen(&t->width[i], cell(v, text));
		t->number[i] = t->number[i] && json_is_number(v);
	}
}

/* Without a row: the column names. */
static void print_row(
	FILE *out, const struct table *t, int depth, const char *key, const json_t *row)
{
	char text[CELL_MAX];

	indent(out, depth);
	snprintf(text, sizeof(text), "%s", key);
	clean(text);
	fprintf(out, "%-*s", t->key_width, text);
	for (unsigned i = 0; i < t->col_cnt; i++) {
		if (row == NULL)
			snprintf(text, sizeof(text), "%s", t->cols[i]);
		else
			cell(json_object_get(row, t->cols[i]), text);
		clean(text);
		fprintf(out, t->number[i] ? "  %*s" : "  %-*s", t->width[i], text);
	}
	fputc('\n', out);
}

/* --- values -------------------------------------------------------------------------------- */

static void print_value(FILE *out, int depth, const char *name, const json_t *v);

/* The nested parts of a row, under its name. */
static void print_nested(FILE *out, int depth, const char *key, const json_t *row)
{
	const char *name;
	char title[2 * CELL_MAX];
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)row, name, v)
	{
		if (is_plain(v))
			continue;
		snprintf(title, sizeof(title), "%s: %s", key, name);
		print_value(out, depth, title, v);
	}
}

/* Rows of an object of objects have their key as name, those of an array their number. */
static void print_table(FILE *out, int depth, const json_t *v)
{
	struct table t = {0};
	const char *key;
	char number[24];
	size_t i;
	json_t *row;

	if (json_is_object(v)) {
		json_object_foreach((json_t *)(uintptr_t)v, key, row) measure_row(&t, key, row);
		print_row(out, &t, depth, "", NULL);
		json_object_foreach((json_t *)(uintptr_t)v, key, row)
			print_row(out, &t, depth, key, row);
		json_object_foreach((json_t *)(uintptr_t)v, key, row)
			print_nested(out, depth, key, row);
		return;
	}
	json_array_foreach(v, i, row)
	{
		snprintf(number, sizeof(number), "%zu", i + 1);
		measure_row(&t, number, row);
	}
	print_row(out, &t, depth, "", NULL);
	json_array_foreach(v, i, row)
	{
		snprintf(number, sizeof(number), "%zu", i + 1);
		print_row(out, &t, depth, number, row);
	}
	json_array_foreach(v, i, row)
	{
		snprintf(number, sizeof(number), "%zu", i + 1);
		print_nested(out, depth, number, row);
	}
}

static bool all_objects(const json_t *v)
{
	const char *key;
	size_t i;
	json_t *e;

	if (json_is_array(v)) {
		json_array_foreach(v, i, e) if (!json_is_object(e)) return false;
		return json_array_size(v) > 0;
	}
	json_object_foreach((json_t *)(uintptr_t)v, key, e) if (!json_is_object(e)) return false;
	return json_object_size(v) > 0;
}

static void print_members(FILE *out, int depth, const json_t *v)
{
	bool brief = json_object_size(v) > LONG_LIST;
	char text[CELL_MAX];
	const char *name;
	int width = 0;
	json_t *e;

	json_object_foreach((json_t *)(uintptr_t)v, name, e) if (is_plain(e)) widen(&width, name);
	json_object_foreach((json_t *)(uintptr_t)v, name, e)
	{
		if (!is_plain(e) || (brief && json_is_integer(e) && json_integer_value(e) == 0))
			continue;
		indent(out, depth);
		snprintf(text, sizeof(text), "%s", name);
		clean(text);
		fprintf(out, "%-*s  ", width, text);
		fprintf(out, "%s\n", cell(e, text));
	}
	json_object_foreach((json_t *)(uintptr_t)v, name, e) if (!is_plain(e))
		print_value(out, depth, name, e);
}

static void print_list(FILE *out, int depth, const json_t *v)
{
	char text[CELL_MAX];
	size_t i;
	json_t *e;

	json_array_foreach(v, i, e)
	{
		if (!is_plain(e)) {
			print_value(out, depth, "", e);
			continue;
		}
		indent(out, depth);
		fprintf(out, "%s\n", cell(e, text));
	}
}

static void print_value(FILE *out, int depth, const char *name, const json_t *v)
{
	if (depth > DEPTH_MAX)
		return;
	if ((json_is_object(v) && json_object_size(v) == 0) ||
		(json_is_array(v) && json_array_size(v) == 0))
		return;
	indent(out, depth);
	put_text(out, name);
	fputc('\n', out);
	if (all_objects(v))
		print_table(out, depth + 1, v);
	else if (json_is_object(v))
		print_members(out, depth + 1, v);
	else
		print_list(out, depth + 1, v);
}

void admin_print(FILE *out, const json_t *body)
{
	if (json_is_object(body))
		print_members(out, 0, body);
	else
		print_list(out, 0, body);
}
