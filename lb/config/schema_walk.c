/* SPDX-License-Identifier: Apache-2.0
 * Questions to the table that every user of it asks. */
#include <string.h>

#include "dataplane/base/assert.h"
#include "lb/config/schema.h"

const struct schema_field *schema_find(const struct schema_map *map, const char *key)
{
	for (uint32_t i = 0; i < map->field_cnt; i++) {
		if (strcmp(map->fields[i].key, key) == 0)
			return &map->fields[i];
	}
	return NULL;
}

struct config_value *schema_value(struct config_tree *t, const char *key)
{
	const struct schema_field *f = schema_find(t->map, key);

	ASSERT(f);
	return &t->values[f - t->map->fields];
}

struct config_mark schema_mark(struct config_tree *t, const char *key)
{
	struct config_mark m = schema_value(t, key)->mark;

	return m.line ? m : t->mark;
}

bool schema_given(struct config_tree *t, const char *key)
{
	return schema_value(t, key)->mark.line != 0;
}

bool schema_applies(const struct schema_map *map, const struct schema_field *f, const void *data)
{
	const struct schema_field *by;
	int value = 0;

	if (!f->only || !map->variant)
		return true;
	by = schema_find(map, map->variant);
	memcpy(&value, (const char *)data + by->offset, by->width);
	return value >= 0 && value < 32 && (f->only >> value & 1);
}

static const char *one_type(const struct schema_field *f, bool many)
{
	switch (f->type) {
	case SCHEMA_BOOL:
		return "true or false";
	case SCHEMA_UINT:
	case SCHEMA_COUNT:
		return many ? "numbers" : "number";
	case SCHEMA_DURATION:
		return "duration";
	case SCHEMA_SIZE:
		return "size";
	case SCHEMA_PERCENT:
		return "percentage";
	case SCHEMA_ENUM:
		return "word";
	case SCHEMA_STRING:
		return many ? "texts" : "text";
	case SCHEMA_NAME:
		return many ? "names" : "name";
	case SCHEMA_ADDR:
		return many ? "addresses" : "address";
	case SCHEMA_PREFIX:
		return many ? "prefixes" : "prefix";
	case SCHEMA_IF_ADDR:
		return many ? "addresses with length" : "address with length";
	case SCHEMA_PORTS:
		return "port, range or any";
	case SCHEMA_MAC:
		return "MAC address or auto";
	case SCHEMA_BYTES:
		return "text or hex bytes";
	case SCHEMA_MAP:
		return "map";
	case SCHEMA_CUSTOM:
		break;
	}
	return f->custom->type;
}

void schema_type_text(const struct schema_field *f, FILE *out)
{
	if (f->type == SCHEMA_MAP && (f->flags & SCHEMA_NAMED))
		fprintf(out, "%s by name", f->map->name);
	else if (f->type == SCHEMA_MAP && (f->flags & SCHEMA_LIST))
		fprintf(out, "list of %s", f->map->name);
	else if (f->flags & SCHEMA_LIST)
		fprintf(out, "list of %s", one_type(f, true));
	else
		fputs(one_type(f, false), out);
}
