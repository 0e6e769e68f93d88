/* SPDX-License-Identifier: Apache-2.0
 * JSON Schema (draft 2020-12) of the file, for editors. It says what the table says; what must hold
 * between values is `weir check`'s. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config/schema.h"
#include "lb/config/values.h"

struct json {
	FILE *out;
	int indent;
};

static void map_schema(struct json *j, const struct schema_map *map, bool named);

static void newline(struct json *j)
{
	fprintf(j->out, "\n%*s", 2 * j->indent, "");
}

static void json_text(struct json *j, const char *text)
{
	fputc('"', j->out);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', j->out);
		fputc(*text, j->out);
	}
	fputc('"', j->out);
}

static void pattern(struct json *j, const char *regex)
{
	fputs("\"type\": \"string\", \"pattern\": ", j->out);
	json_text(j, regex);
}

static void words_schema(struct json *j, const struct schema_field *f)
{
	fputs("\"enum\": [", j->out);
	for (const struct schema_enum *e = f->words; e->word; e++) {
		if (e != f->words)
			fputs(", ", j->out);
		json_text(j, e->word);
	}
	fputc(']', j->out);
}

static void number_schema(struct json *j, const struct schema_field *f)
{
	fputs("\"type\": \"integer\"", j->out);
	if (f->max)
		fprintf(j->out, ", \"minimum\": %" PRIu64 ", \"maximum\": %" PRIu64, f->min,
			f->max);
}

/* Members of the schema of one value, without braces. */
static void value_schema(struct json *j, const struct schema_field *f)
{
	switch (f->type) {
	case SCHEMA_BOOL:
		fputs("\"type\": \"boolean\"", j->out);
		break;
	case SCHEMA_UINT:
		number_schema(j, f);
		break;
	case SCHEMA_COUNT:
		fputs("\"anyOf\": [{", j->out);
		number_schema(j, f);
		fputs("}, {\"$ref\": \"#/$defs/count\"}]", j->out);
		break;
	case SCHEMA_DURATION:
		fputs("\"$ref\": \"#/$defs/duration\"", j->out);
		break;
	case SCHEMA_SIZE:
		fputs("\"$ref\": \"#/$defs/size\"", j->out);
		break;
	case SCHEMA_PERCENT:
		fputs("\"$ref\": \"#/$defs/percent\"", j->out);
		break;
	case SCHEMA_ENUM:
		words_schema(j, f);
		break;
	case SCHEMA_STRING:
		fprintf(j->out, "\"type\": \"string\", \"maxLength\": %u", f->width - 1);
		break;
	case SCHEMA_NAME:
		pattern(j, "^[A-Za-z0-9._:/@\\[\\]-]*$");
		fprintf(j->out, ", \"maxLength\": %u", f->width - 1);
		break;
	case SCHEMA_ADDR:
		fputs("\"$ref\": \"#/$defs/address\"", j->out);
		break;
	case SCHEMA_PREFIX:
		fputs("\"$ref\": \"#/$defs/prefix\"", j->out);
		break;
	case SCHEMA_IF_ADDR:
		pattern(j, "^[0-9A-Fa-f.:]+/[0-9]{1,3}$");
		break;
	case SCHEMA_PORTS:
		fputs("\"$ref\": \"#/$defs/ports\"", j->out);
		break;
	case SCHEMA_MAC:
		pattern(j, "^(auto|([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})$");
		break;
	case SCHEMA_BYTES:
		fputs("\"type\": \"string\"", j->out);
		break;
	case SCHEMA_MAP:
	case SCHEMA_CUSTOM:
		break;
	}
}

static void default_schema(struct json *j, const struct schema_field *f)
{
	bool bare = f->type == SCHEMA_BOOL || f->type == SCHEMA_UINT ||
		    (f->type == SCHEMA_COUNT && strspn(f->dflt, "0123456789") == strlen(f->dflt));

	fputs(", \"default\": ", j->out);
	if (bare)
		fputs(f->dflt, j->out);
	else
		json_text(j, strcmp(f->dflt, "\"\"") == 0 ? "" : f->dflt);
}

/* A value, or a list whose single item may stand for it. */
static void plain_schema(struct json *j, const struct schema_field *f)
{
	bool list = f->flags & SCHEMA_LIST;

	if (list)
		fputs("\"anyOf\": [{", j->out);
	value_schema(j, f);
	if (!list)
		return;
	fprintf(j->out, "}, {\"type\": \"array\", \"maxItems\": %u, ", f->max_cnt);
	if (f->flags & SCHEMA_REQUIRED)
		fputs("\"minItems\": 1, ", j->out);
	fputs("\"items\": {", j->out);
	value_schema(j, f);
	fputs("}}]", j->out);
}

static void field_schema(struct json *j, const struct schema_field *f)
{
	newline(j);
	json_text(j, f->key);
	fputs(": {\"description\": ", j->out);
	json_text(j, f->help);
	fputs(", ", j->out);
	if (f->type == SCHEMA_CUSTOM) {
		fprintf(j->out, "\"allOf\": [%s]", f->custom->json);
	} else if (f->type == SCHEMA_MAP && (f->flags & SCHEMA_LIST)) {
		fprintf(j->out, "\"type\": \"array\", \"maxItems\": %u, ", f->max_cnt);
		if (f->flags & SCHEMA_REQUIRED)
			fputs("\"minItems\": 1, ", j->out);
		fputs("\"items\": {", j->out);
		map_schema(j, f->map, false);
		fputc('}', j->out);
	} else if (f->type == SCHEMA_MAP) {
		map_schema(j, f->map, f->flags & SCHEMA_NAMED);
	} else {
		plain_schema(j, f);
	}
	if (f->dflt)
		default_schema(j, f);
	fputc('}', j->out);
}

static void required_schema(struct json *j, const struct schema_map *map)
{
	const char *sep = "";

	fputs("\"required\": [", j->out);
	for (uint32_t i = 0; i < map->field_cnt; i++) {
		if (!(map->fields[i].flags & SCHEMA_REQUIRED))
			continue;
		fputs(sep, j->out);
		json_text(j, map->fields[i].key);
		sep = ", ";
	}
	fputs("],", j->out);
}

/* "If the variant key has a value without this key, the key is not there." An absent variant key
 * satisfies `properties`, which is right only if its default is one of those values. */
static void variant_schema(struct json *j, const struct schema_map *map)
{
	const struct schema_field *by = schema_find(map, map->variant);
	const char *sep = "";

	fputs(",", j->out);
	newline(j);
	fputs("\"allOf\": [", j->out);
	for (uint32_t i = 0; i < map->field_cnt; i++) {
		const struct schema_field *f = &map->fields[i];
		const char *comma = "";
		bool dflt_lacks = false;

		if (!f->only)
			continue;
		fprintf(j->out, "%s{\"if\": {\"properties\": {", sep);
		json_text(j, by->key);
		fputs(": {\"enum\": [", j->out);
		for (const struct schema_enum *e = by->words; e->word; e++) {
			if (f->only >> e->value & 1)
				continue;
			fputs(comma, j->out);
			json_text(j, e->word);
			comma = ", ";
			dflt_lacks |= by->dflt && strcmp(by->dflt, e->word) == 0;
		}
		fputs("]}}", j->out);
		if (!dflt_lacks) {
			fputs(", \"required\": [", j->out);
			json_text(j, by->key);
			fputc(']', j->out);
		}
		fputs("}, \"then\": {\"not\": {\"required\": [", j->out);
		json_text(j, f->key);
		fputs("]}}}", j->out);
		sep = ", ";
	}
	fputc(']', j->out);
}

static void object_schema(struct json *j, const struct schema_map *map)
{
	fputs("\"type\": \"object\", \"additionalProperties\": false, ", j->out);
	required_schema(j, map);
	newline(j);
	fputs("\"properties\": {", j->out);
	j->indent++;
	for (uint32_t i = 0; i < map->field_cnt; i++) {
		if (i)
			fputc(',', j->out);
		field_schema(j, &map->fields[i]);
	}
	j->indent--;
	newline(j);
	fputc('}', j->out);
	if (map->variant)
		variant_schema(j, map);
}

/* Members of the schema of a map, its short form included, without braces. */
static void map_schema(struct json *j, const struct schema_map *map, bool named)
{
	const struct schema_field *scalar =
		map->scalar_key ? schema_find(map, map->scalar_key) : NULL;

	j->indent++;
	if (named)
		fputs("\"type\": \"object\", \"additionalProperties\": {", j->out);
	if (scalar) {
		fputs("\"anyOf\": [{", j->out);
		if (scalar->type == SCHEMA_CUSTOM)
			fprintf(j->out, "\"allOf\": [%s]", scalar->custom->json);
		else
			value_schema(j, scalar);
		fputs("}, {", j->out);
	}
	object_schema(j, map);
	if (scalar)
		fputs("}]", j->out);
	if (named)
		fputc('}', j->out);
	j->indent--;
}

static const char defs[] =
	"\"$defs\": {\n"
	"    \"duration\": {\"anyOf\": [{\"const\": 0}, {\"type\": \"string\", \"pattern\": "
	"\"^(0|[0-9]+(\\\\.[0-9]+)?(ns|us|ms|s|m|h|d))$\"}]},\n"
	"    \"size\": {\"anyOf\": [{\"const\": 0}, {\"type\": \"string\", \"pattern\": "
	"\"^(0|[0-9]+(\\\\.[0-9]+)?(B|kB|KiB|MB|MiB|GB|GiB|TB|TiB))$\"}]},\n"
	"    \"percent\": {\"anyOf\": [{\"const\": 0}, {\"type\": \"string\", \"pattern\": "
	"\"^[0-9]+%$\"}]},\n"
	"    \"count\": {\"type\": \"string\", \"pattern\": "
	"\"^[0-9]+(\\\\.[0-9]+)?(k|Ki|M|Mi|G|Gi)$\"},\n"
	"    \"address\": {\"type\": \"string\", \"pattern\": \"^[0-9A-Fa-f.:]+$\"},\n"
	"    \"prefix\": {\"type\": \"string\", \"pattern\": \"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$\"},\n"
	"    \"ports\": {\"anyOf\": [{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 65535}, "
	"{\"type\": \"string\", \"pattern\": \"^(any|[0-9]{1,5}-[0-9]{1,5})$\"}]},\n"
	"    \"core\": {\"anyOf\": [{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 4095}, "
	"{\"type\": \"string\", \"pattern\": \"^[0-9]{1,4}-[0-9]{1,4}$\"}]}\n"
	"  }";

void config_schema(FILE *out)
{
	struct json j = {.out = out};

	fputs("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
	      "  \"title\": \"weir configuration\",\n  ",
		out);
	fputs(defs, out);
	fputs(",\n  ", out);
	map_schema(&j, &schema_root, false);
	fputs("\n}\n", out);
}
