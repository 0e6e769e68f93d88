/* SPDX-License-Identifier: Apache-2.0
 * The reader against a schema of its own that has every shape: nested maps, lists, maps by name,
 * variants, short forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lb/config/reader.h"

enum kind { KIND_DISK = 1, KIND_MEMORY = 2 };

struct store {
	char name[LIMIT_NAME];
	struct config_mark mark;
	enum kind kind;
	char path[32];
	uint64_t bytes;
};

struct point {
	uint32_t x, y;
	struct config_mark mark;
};

struct top {
	uint32_t number;
	bool flag;
	struct point inner;
	struct point *points;
	uint32_t point_cnt;
	struct store *stores;
	uint32_t store_cnt;
	struct ip_addr *addrs;
	uint32_t addr_cnt;
	struct point *maybe;
};

#define FIELDS(array) .fields = array, .field_cnt = ARRAY_SIZE(array)

static const struct schema_enum kinds[] = {
	{"disk", KIND_DISK, NULL}, {"memory", KIND_MEMORY, NULL}, {NULL, 0, NULL}};

static const struct schema_field store_fields[] = {
	{"kind", SCHEMA_ENUM, 0, SCHEMA_AT(store, kind), .dflt = "disk", .words = kinds},
	{"path", SCHEMA_STRING, 0, SCHEMA_AT(store, path), .only = 1u << KIND_DISK},
	{"size", SCHEMA_SIZE, 0, SCHEMA_AT(store, bytes), .max = 1 << 30, .dflt = "1MiB",
		.only = 1u << KIND_MEMORY},
};
static const struct schema_map store_map = {.name = "store",
	FIELDS(store_fields),
	.size = sizeof(struct store),
	.mark_offset = offsetof(struct store, mark),
	.name_offset = offsetof(struct store, name),
	.variant = "kind"};

static const struct schema_field point_fields[] = {
	{"x", SCHEMA_UINT, SCHEMA_REQUIRED, SCHEMA_AT(point, x), .max = 10},
	{"y", SCHEMA_UINT, 0, SCHEMA_AT(point, y), .max = 10, .dflt = "7"},
};
static const struct schema_map point_map = {.name = "point",
	FIELDS(point_fields),
	.size = sizeof(struct point),
	.mark_offset = offsetof(struct point, mark),
	.scalar_key = "x"};

static const struct schema_field top_fields[] = {
	{"number", SCHEMA_UINT, 0, SCHEMA_AT(top, number), .max = 100, .dflt = "42"},
	{"flag", SCHEMA_BOOL, 0, SCHEMA_AT(top, flag), .dflt = "true"},
	{"inner", SCHEMA_MAP, 0, SCHEMA_AT(top, inner), .map = &point_map},
	{"maybe", SCHEMA_MAP, SCHEMA_OPTIONAL, SCHEMA_AT(top, maybe), .map = &point_map},
	{"points", SCHEMA_MAP, SCHEMA_LIST | SCHEMA_REQUIRED,
		SCHEMA_LIST_AT(top, points, point_cnt), .max_cnt = 3, .map = &point_map},
	{"stores", SCHEMA_MAP, SCHEMA_NAMED, SCHEMA_LIST_AT(top, stores, store_cnt), .max_cnt = 3,
		.map = &store_map},
	{"addrs", SCHEMA_ADDR, SCHEMA_LIST, SCHEMA_LIST_AT(top, addrs, addr_cnt), .max_cnt = 2},
};
static const struct schema_map top_map = {
	.name = "top", FIELDS(top_fields), .size = sizeof(struct top)};

struct reading {
	struct arena arena;
	struct diag diag;
	struct top top;
	struct config_tree *tree;
	char *said;
};

static void read_text(struct reading *r, const char *text)
{
	struct reader reader = {.arena = &r->arena, .diag = &r->diag};
	struct yaml_node *root;
	size_t size;
	FILE *err;

	memset(r, 0, sizeof(*r));
	arena_init(&r->arena);
	diag_init(&r->diag, &r->arena, "t");
	assert_int_equal(yaml_read(&r->arena, &r->diag, text, strlen(text), &root), 0);
	r->tree = reader_map(&reader, &top_map, root, &r->top);
	err = open_memstream(&r->said, &size);
	diag_print(&r->diag, err);
	fclose(err);
}

static void reading_free(struct reading *r)
{
	free(r->said);
	arena_fini(&r->arena);
}

static void says(const char *text, const char *want)
{
	struct reading r;

	read_text(&r, text);
	assert_string_equal(r.said, want);
	reading_free(&r);
}

static void all_shapes(void **state)
{
	struct reading r;

	(void)state;
	read_text(&r, "points: [1, {x: 2, y: 3}]\n"
		      "inner: {x: 9}\n"
		      "stores:\n"
		      "  hot: {kind: memory, size: 2MiB}\n"
		      "  cold: {path: /data}\n"
		      "addrs: 192.0.2.1\n");
	assert_string_equal(r.said, "");
	assert_int_equal(r.top.number, 42);
	assert_true(r.top.flag);
	assert_int_equal(r.top.inner.x, 9);
	assert_int_equal(r.top.inner.y, 7);
	assert_int_equal(r.top.inner.mark.line, 2);
	assert_int_equal(r.top.point_cnt, 2);
	assert_int_equal(r.top.points[0].x, 1);
	assert_int_equal(r.top.points[0].y, 7);
	assert_int_equal(r.top.points[1].y, 3);
	assert_int_equal(r.top.points[1].mark.col, 13);
	assert_int_equal(r.top.store_cnt, 2);
	assert_string_equal(r.top.stores[0].name, "hot");
	assert_int_equal(r.top.stores[0].kind, KIND_MEMORY);
	assert_int_equal(r.top.stores[0].bytes, 2 << 20);
	assert_string_equal(r.top.stores[1].name, "cold");
	assert_int_equal(r.top.stores[1].kind, KIND_DISK);
	assert_string_equal(r.top.stores[1].path, "/data");
	assert_int_equal(r.top.stores[1].mark.line, 5);
	assert_int_equal(r.top.addr_cnt, 1);
	/* Where the values came from. */
	assert_int_equal(schema_mark(r.tree, "addrs").line, 6);
	assert_false(schema_given(r.tree, "number"));
	assert_true(schema_given(r.tree->values[2].maps[0], "x"));
	assert_false(schema_given(r.tree->values[2].maps[0], "y"));
	reading_free(&r);
}

static void a_map_may_be_missing(void **state)
{
	struct reading r;

	(void)state;
	read_text(&r, "points: [1]\n");
	assert_string_equal(r.said, "");
	assert_null(r.top.maybe);
	assert_int_equal(schema_value(r.tree, "maybe")->item_cnt, 0);
	reading_free(&r);
	read_text(&r, "points: [1]\nmaybe: {x: 4}\n");
	assert_string_equal(r.said, "");
	assert_non_null(r.top.maybe);
	assert_int_equal(r.top.maybe->x, 4);
	assert_int_equal(r.top.maybe->y, 7);
	assert_int_equal(r.top.maybe->mark.line, 2);
	assert_int_equal(schema_value(r.tree, "maybe")->item_cnt, 1);
	reading_free(&r);
	says("points: [1]\nmaybe: {y: 1}\n", "t:2:8: error: point without 'x'\n");
}

static void wrong_kinds_of_node(void **state)
{
	(void)state;
	says("points: 1\n", "t:1:9: error: points: expected a list, found a single value\n");
	says("points: {x: 1}\n", "t:1:9: error: points: expected a list, found a map\n");
	says("points:\n", "t:1:8: error: points: expected a list, found nothing\n");
	says("points: [[1]]\n", "t:1:10: error: point: expected a map of its keys, found a list\n");
	says("points: [1]\nnumber: [1]\n",
		"t:2:9: error: number: expected a single value, found a list\n");
	says("points: [1]\nnumber:\n",
		"t:2:8: error: number: expected a single value, found nothing\n");
	says("points: [1]\nnumber: {a: 1}\n",
		"t:2:9: error: number: expected a single value, found a map\n");
	says("points: [1]\naddrs: {a: 1}\n", "t:2:8: error: addrs: expected a list, found a map\n");
	says("points: [1]\naddrs:\n", "t:2:7: error: addrs: expected a list, found nothing\n");
	says("points: [1]\nstores: []\n",
		"t:2:9: error: stores: expected a map of names, found a list\n");
	says("points: [1]\nstores: {a: }\n",
		"t:2:13: error: store: expected a map of its keys, found nothing\n");
	says("points: [1]\n[1]: 2\n", "t:2:1: error: a key is a word, found a list\n");
}

static void keys(void **state)
{
	(void)state;
	says("points: [1]\nnumbr: 1\n",
		"t:2:1: error: unknown key 'numbr' in top; did you mean 'number'?\n");
	says("points: [{x: 1, z: 1}]\n", "t:1:17: error: unknown key 'z' in point\n");
	says("points: [1]\nqqq: 1\n", "t:2:1: error: unknown key 'qqq' in top\n");
	says("points: [1]\nflag: true\nflag: false\n",
		"t:3:1: error: duplicate key 'flag', first on line 2\n");
	says("points: [1]\n<<: {a: 1}\n", "t:2:1: error: merge key '<<' is not supported\n");
	says("number: 1\n", "t:1:1: error: top without 'points'\n");
	says("points: [{y: 1}]\n", "t:1:10: error: point without 'x'\n");
	says("points: []\n", "t:1:9: error: points: the list is empty\n");
	says("points: [1, 2, 3, 4]\n", "t:1:9: error: points: 4 items are more than 3\n");
	says("points: [1]\naddrs: [192.0.2.1, 192.0.2.2, 192.0.2.3]\n",
		"t:2:8: error: addrs: 3 items are more than 2\n");
}

static void names_and_variants(void **state)
{
	(void)state;
	says("points: [1]\nstores: {a: {}, a: {}}\n",
		"t:2:17: error: stores: 'a' is there already, on line 2\n");
	says("points: [1]\nstores: {'a b': {}}\n", "t:2:10: error: stores: 'a b' is not a name: "
						   "letters, digits and . _ : / @ [ ] - are\n");
	says("points: [1]\nstores: {? [a] : {}}\n",
		"t:2:12: error: stores: expected a name, found a list\n");
	says("points: [1]\nstores: {a: {kind: memory, path: x}}\n",
		"t:2:34: error: path: has no meaning with kind memory\n");
	says("points: [1]\nstores: {a: {size: 2MiB}}\n",
		"t:2:20: error: size: has no meaning with kind disk\n");
	/* A kind that is wrong says nothing about the keys that go with it. */
	says("points: [1]\nstores: {a: {kind: disc, size: 2MiB}}\n",
		"t:2:20: error: kind: unknown value 'disc'; did you mean 'disk'?\n");
}

/* One run tells all, in the order of the file; good values beside bad ones are kept. */
static void all_errors_in_one_run(void **state)
{
	struct reading r;

	(void)state;
	read_text(&r, "flag: maybe\n"
		      "number: 101\n"
		      "points: [11, {x: 1, y: z}, 2]\n"
		      "addrs: [x, 192.0.2.7]\n");
	assert_string_equal(r.said, "t:1:7: error: flag: expected true or false, found 'maybe'\n"
				    "t:2:9: error: number: '101' is out of range: 0 to 100\n"
				    "t:3:10: error: x: '11' is out of range: 0 to 10\n"
				    "t:3:24: error: y: expected a number (10), found 'z'\n"
				    "t:4:9: error: addrs: 'x' is not an IPv4 or IPv6 address\n");
	assert_int_equal(r.diag.error_cnt, 5);
	assert_int_equal(r.top.number, 42);
	assert_int_equal(r.top.points[1].y, 7);
	assert_int_equal(r.top.points[2].x, 2);
	assert_int_equal(r.top.addr_cnt, 1);
	assert_int_equal(schema_value(r.tree, "addrs")->item_marks[0].col, 12);
	reading_free(&r);
}

static void aliases_stand_for_what_they_name(void **state)
{
	struct reading r;

	(void)state;
	read_text(&r, "points: &p [{x: &n 3}, 4]\nnumber: *n\naddrs: [&a 192.0.2.1, *a]\n");
	assert_string_equal(r.said, "");
	assert_int_equal(r.top.number, 3);
	assert_int_equal(schema_mark(r.tree, "number").line, 2);
	assert_int_equal(r.top.addr_cnt, 2);
	reading_free(&r);
	/* A mistake in a shared value is told once. */
	says("points: [&p {x: 99}, *p]\n", "t:1:17: error: x: '99' is out of range: 0 to 10\n");
}

static void messages_are_bounded(void **state)
{
	char text[20000] = "points: [1]\n";
	size_t n = strlen(text);
	struct reading r;

	(void)state;
	for (int i = 0; i < 1005; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "unknown%d: 1\n", i);
	read_text(&r, text);
	assert_int_equal(r.diag.error_cnt, 1005);
	assert_non_null(strstr(r.said, "t: note: 5 more messages\n"));
	reading_free(&r);
	memset(text, 'k', 500);
	strcpy(text + 500, ": 1\npoints: [1]\n");
	says(text, "t:1:1: error: unknown key "
		   "'kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk...' in top\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_shapes),
		cmocka_unit_test(a_map_may_be_missing),
		cmocka_unit_test(wrong_kinds_of_node),
		cmocka_unit_test(keys),
		cmocka_unit_test(names_and_variants),
		cmocka_unit_test(all_errors_in_one_run),
		cmocka_unit_test(aliases_stand_for_what_they_name),
		cmocka_unit_test(messages_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
