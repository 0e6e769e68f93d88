/* SPDX-License-Identifier: Apache-2.0
 * schema - the one table of the configuration file: each key's type, default, range, unit, words
 * and help, and the member of the struct it fills. The reader, the checks of single values,
 * `config show`, the JSON Schema and the reference page are all driven by it; a new section is a
 * new map in schema.c.
 * Owner:      static data, immutable.
 * Invariants: SC1 the text of every default is valid for its own row. SC2 keys are unique in a map.
 *             SC3 key, width and offset name an existing member (by SCHEMA_AT).
 * Units:      min and max are in the base unit of the type (ns, bytes, count, percent).
 *
 * Shapes, by `type` and `flags`:
 *   one value                  type of a value
 *   list of values             ... | SCHEMA_LIST   (a single value stands for a list of one)
 *   map                        SCHEMA_MAP          (its members' offsets start at this `offset`)
 *   map that may be missing    SCHEMA_MAP | SCHEMA_OPTIONAL (pointer at offset; NULL: not given)
 *   list of maps               SCHEMA_MAP | SCHEMA_LIST
 *   maps by name               SCHEMA_MAP | SCHEMA_NAMED  (the key fills the element's name)
 *   variant                    a map whose `variant` key decides which other keys exist (`only`)
 *   short form                 a map whose `scalar_key` takes a value that stands in its place
 *   anything else              SCHEMA_CUSTOM with its own functions */
#ifndef LB_CONFIG_SCHEMA_H
#define LB_CONFIG_SCHEMA_H

#include <stdio.h>

#include "lb/config/config.h"

struct reader;
struct yaml_node;

enum schema_type {
	SCHEMA_BOOL,
	SCHEMA_UINT,     /* digits */
	SCHEMA_COUNT,    /* digits with k M G or Ki Mi Gi */
	SCHEMA_DURATION, /* 10s 500ms */
	SCHEMA_SIZE,     /* 64MiB */
	SCHEMA_PERCENT,  /* 10% */
	SCHEMA_ENUM,
	SCHEMA_STRING, /* into char[width] */
	SCHEMA_NAME,   /* the same, of letters, digits and ._:/@[]- */
	SCHEMA_ADDR,
	SCHEMA_PREFIX,  /* no bits behind the length */
	SCHEMA_IF_ADDR, /* address with the length of its link */
	SCHEMA_PORTS,   /* 80, 8000-8099 or any, into two uint16_t */
	SCHEMA_MAC,     /* into uint8_t[6]; auto: zero */
	SCHEMA_BYTES,   /* text, or hex: 00 ff; into pointer and uint32_t count */
	SCHEMA_MAP,
	SCHEMA_CUSTOM,
};

#define SCHEMA_LIST     1u  /* pointer at offset, uint32_t count at cnt_offset */
#define SCHEMA_NAMED    2u  /* like LIST, written as a map */
#define SCHEMA_REQUIRED 4u  /* given, and if a list not empty */
#define SCHEMA_RESTART  8u  /* takes effect at start only; holds for all below */
#define SCHEMA_SHORT    16u /* short form of other keys: not shown */
#define SCHEMA_RELOAD   32u /* takes effect on reload, although what it stands in does not */
#define SCHEMA_OPTIONAL 64u /* pointer to a struct of its own, NULL if not given */

struct schema_enum {
	const char *word; /* NULL ends the table */
	int value;
	const char *help;
};

struct schema_field;

struct config_value {
	struct config_mark mark; /* of the value; line 0: default */
	uint32_t item_cnt;
	bool bad;                          /* refused, or given under a misspelled key */
	const struct schema_field *set_by; /* the short form that gave it */
	union {
		struct config_tree **maps;      /* SCHEMA_MAP: one, or item_cnt */
		struct config_mark *item_marks; /* list of values: item_cnt */
	};
};

/* Where the values of one map came from; values[i] belongs to map->fields[i]. */
struct config_tree {
	const struct schema_map *map;
	void *data; /* the struct the map fills, as it was while reading */
	struct config_mark mark;
	const char *file; /* root only */
	struct config_value values[];
};

/* A value with a syntax of its own. */
struct schema_custom {
	const char *type; /* for people: "list of core numbers" */
	const char *json; /* JSON Schema of the value */
	/* Fill data from node; errors go through reader_error(). Sets value->bad on error. */
	void (*set)(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
		struct config_tree *t);
	/* The value as YAML; unused for SCHEMA_SHORT. */
	void (*show)(const struct schema_field *f, const void *data, FILE *out);
};

struct schema_field {
	const char *key;
	enum schema_type type;
	uint32_t flags;
	uint32_t offset, width; /* of the member; of a list: of the pointer and of one element */
	uint32_t cnt_offset;
	uint32_t max_cnt; /* list: most elements */
	uint64_t min, max;
	const char *dflt;     /* as it would be written; NULL: none, or computed */
	const char *dflt_doc; /* how a computed default is found */
	const struct schema_enum *words;
	const struct schema_map *map;
	const struct schema_custom *custom;
	uint32_t only; /* bit n: exists if the variant key has value n; 0: always */
	const char *help;
};

struct schema_map {
	const char *name; /* "service" */
	const char *help;
	const struct schema_field *fields;
	uint32_t field_cnt;
	uint32_t size;        /* of the struct, for lists */
	uint32_t mark_offset; /* of its struct config_mark; 0: none */
	uint32_t name_offset; /* SCHEMA_NAMED: of its char[LIMIT_NAME] */
	const char *scalar_key;
	const char *variant;
};

#define SCHEMA_AT(type, member) \
	.offset = offsetof(struct type, member), .width = sizeof(((struct type *)0)->member)
#define SCHEMA_LIST_AT(type, member, cnt)                                                      \
	.offset = offsetof(struct type, member), .width = sizeof(*((struct type *)0)->member), \
	.cnt_offset = offsetof(struct type, cnt)

extern const struct schema_map schema_root;
/* Sections that stand in files of their own, or in several places. */
extern const struct schema_map schema_health, schema_upstream, schema_admin_map;
extern const struct schema_map schema_tls, schema_tls_server, schema_tls_client;
extern const struct schema_map schema_site, schema_http_route;
extern const struct schema_map schema_http_kv, schema_resolver;
extern const struct schema_map schema_store, schema_resp, schema_access_log, schema_cache,
	schema_route_cache, schema_http_files, schema_compress;

/* NULL if the map has no such key. */
const struct schema_field *schema_find(const struct schema_map *map, const char *key);
/* Of a tree: the value of a key that its map is known to have. */
struct config_value *schema_value(struct config_tree *t, const char *key);
struct config_mark schema_mark(struct config_tree *t, const char *key);
bool schema_given(struct config_tree *t, const char *key);
/* Does the field exist under the variant that data has? */
bool schema_applies(const struct schema_map *map, const struct schema_field *f, const void *data);
/* Type for people: "duration", "list of addresses", "one of: a, b". */
void schema_type_text(const struct schema_field *f, FILE *out);
/* Range for people, or nothing. */
void schema_range_text(const struct schema_field *f, FILE *out);

#endif
