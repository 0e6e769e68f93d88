/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lb/ctl/ctl_pvt.h"

#define CELL_MAX    96
#define COLUMNS_MAX 24

const char *ctl_clean(const char *text, char *out, size_t size)
{
	size_t n = 0;

	for (; text != NULL && *text != '\0' && n + 1 < size; text++)
		out[n++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
	out[n] = '\0';
	return out;
}

const char *ctl_color(const struct ctl *c, enum ctl_color color)
{
	static const char *const codes[] = {
		"\033[0m", "\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[36m"};

	return c->color ? codes[color] : "";
}

enum ctl_color ctl_state_color(const char *state)
{
	static const struct {
		const char *word;
		enum ctl_color color;
	} words[] = {{"up", CTL_GREEN}, {"established", CTL_GREEN}, {"down", CTL_RED},
		{"disabled", CTL_RED}, {"drain", CTL_YELLOW}, {"checking", CTL_YELLOW},
		{"removed", CTL_YELLOW}, {"dropped", CTL_RED}, {"forwarded", CTL_GREEN}};

	for (size_t i = 0; state != NULL && i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i].word, state) == 0)
			return words[i].color;
	return CTL_PLAIN;
}

const char *ctl_si(double v, char *out)
{
	static const char units[] = " kMGTP";
	int u = 0;

	for (; v >= 999.5 && units[u + 1] != '\0'; u++)
		v /= 1000;
	if (u == 0)
		snprintf(out, 16, "%.0f", v);
	else
		snprintf(out, 16, v < 99.95 ? "%.1f%c" : "%.0f%c", v, units[u]);
	return out;
}

static const char *cell(const json_t *v, enum ctl_kind kind, char out[CELL_MAX])
{
	double n = json_number_value(v);

	if (v == NULL || json_is_null(v))
		snprintf(out, CELL_MAX, "-");
	else if (json_is_string(v))
		ctl_clean(json_string_value(v), out, CELL_MAX);
	else if (json_is_boolean(v))
		snprintf(out, CELL_MAX, "%s", json_is_true(v) ? "yes" : "no");
	else if (kind == CTL_SI || kind == CTL_BYTES)
		ctl_si(n, out);
	else if (kind == CTL_PERCENT)
		snprintf(out, CELL_MAX, "%.1f%%", n * 100);
	else if (json_is_integer(v))
		snprintf(out, CELL_MAX, "%lld", (long long)json_integer_value(v));
	else
		snprintf(out, CELL_MAX, "%.3f", n);
	return out;
}

static bool right(enum ctl_kind k)
{
	return k != CTL_TEXT && k != CTL_STATE;
}

/* Which columns are there, and how wide? */
static void measure(const json_t *rows, const struct ctl_column *cols, uint32_t cnt, int *width)
{
	char text[CELL_MAX];
	size_t r;
	json_t *row;

	for (uint32_t i = 0; i < cnt; i++) {
		width[i] = -1;
		json_array_foreach(rows, r, row)
		{
			const json_t *v = json_object_get(row, cols[i].key);
			int n = (int)strlen(cell(v, cols[i].kind, text));

			if (v != NULL && width[i] < 0)
				width[i] = (int)strlen(cols[i].title);
			if (v != NULL && n > width[i])
				width[i] = n;
		}
	}
}

static void put_row(struct ctl *c, const json_t *row, const struct ctl_column *cols, uint32_t cnt,
	const int *width)
{
	char text[CELL_MAX];
	const char *sep = "";

	for (uint32_t i = 0; i < cnt; i++) {
		bool state = row != NULL && cols[i].kind == CTL_STATE;
		uint32_t last = cnt - 1;

		if (width[i] < 0)
			continue;
		while (last > i && width[last] < 0)
			last--;
		if (row == NULL)
			snprintf(text, sizeof(text), "%s", cols[i].title);
		else
			cell(json_object_get(row, cols[i].key), cols[i].kind, text);
		fprintf(c->out, "%s%s", sep, state ? ctl_color(c, ctl_state_color(text)) : "");
		if (i == last && !right(cols[i].kind))
			fputs(text, c->out);
		else
			fprintf(c->out, right(cols[i].kind) ? "%*s" : "%-*s", width[i], text);
		fputs(state ? ctl_color(c, CTL_PLAIN) : "", c->out);
		sep = "  ";
	}
	fputc('\n', c->out);
}

void ctl_table(struct ctl *c, const json_t *rows, const struct ctl_column *cols, uint32_t cnt)
{
	int width[COLUMNS_MAX];
	size_t i;
	json_t *row;

	if (cnt > COLUMNS_MAX)
		cnt = COLUMNS_MAX;
	if (json_array_size(rows) == 0) {
		fputs("(none)\n", c->out);
		return;
	}
	measure(rows, cols, cnt, width);
	fputs(ctl_color(c, CTL_BOLD), c->out);
	put_row(c, NULL, cols, cnt, width);
	fputs(ctl_color(c, CTL_PLAIN), c->out);
	json_array_foreach(rows, i, row) put_row(c, row, cols, cnt, width);
}
