/* SPDX-License-Identifier: Apache-2.0
 * The files of the repository that belong to the configuration: the examples are good, the
 * reference page is the generated one, the table keeps its invariants, the schema is JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "lb/config/config_cmd.h"
#include "lb/config/values.h"
#include "tests/support/config_text.h"

static char *printed(void (*print)(FILE *))
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	print(out);
	fclose(out);
	return text;
}

static void examples_have_no_error_and_no_warning(void **state)
{
	DIR *dir = opendir("docs/examples");
	struct dirent *e;
	int cnt = 0;

	(void)state;
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char path[300], *said = NULL;
		struct config *cfg;
		size_t size;
		FILE *err;

		if (!strstr(e->d_name, ".yaml"))
			continue;
		snprintf(path, sizeof(path), "docs/examples/%s", e->d_name);
		err = open_memstream(&said, &size);
		assert_int_equal(config_load(path, err, &cfg), 0);
		fclose(err);
		assert_string_equal(said, "");
		free(said);
		config_free(cfg);
		cnt++;
	}
	closedir(dir);
	assert_true(cnt >= 10);
}

/* Is `key:` written anywhere in the text? */
static bool writes(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = strstr(text, key); p; p = strstr(p + 1, key)) {
		if (p[n] == ':' && (p == text || !strchr("abcdefghijklmnopqrstuvwxyz_", p[-1])))
			return true;
	}
	return false;
}

static void expect_keys(const struct schema_map *map, const char *text)
{
	for (uint32_t i = 0; i < map->field_cnt; i++) {
		if (!writes(text, map->fields[i].key))
			print_error("full.yaml lacks %s of %s\n", map->fields[i].key, map->name);
		assert_true(writes(text, map->fields[i].key));
		if (map->fields[i].type == SCHEMA_MAP)
			expect_keys(map->fields[i].map, text);
	}
}

static void full_example_has_every_key(void **state)
{
	char *text = config_text_file("docs/examples/full.yaml");

	(void)state;
	expect_keys(&schema_root, text);
	free(text);
}

static void reference_page_is_the_generated_one(void **state)
{
	char *page = config_text_file("docs/configuration.md"), *made = printed(config_reference);

	(void)state;
	if (strcmp(page, made) != 0)
		print_error("docs/configuration.md is old: write it with\n"
			    "  build/debug/tests/tools/config_tool reference\n");
	assert_string_equal(page, made);
	free(page);
	free(made);
}

static void minimal_example_stands_in_the_reference(void **state)
{
	char *text = config_text_file("docs/examples/minimal.yaml");
	char *page = config_text_file("docs/configuration.md");
	const char *body = strchr(text, '\n') + 1;
	int lines = 0;

	(void)state;
	assert_non_null(strstr(page, body));
	for (const char *p = body; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 6);
	free(text);
	free(page);
}

static void ten_mistakes_are_all_told(void **state)
{
	char *want = config_text_file("tests/config/ten-mistakes.txt"), *said;
	struct config *cfg;
	size_t size;
	FILE *err = open_memstream(&said, &size);

	(void)state;
	assert_int_equal(config_load("tests/config/ten-mistakes.yaml", err, &cfg), -10);
	fclose(err);
	assert_null(cfg);
	assert_string_equal(said, want);
	free(said);
	free(want);
}

/* ---- the table ---- */

static void check_default(const struct schema_field *f)
{
	char why[VALUE_WHY];
	uint64_t room[256];
	struct arena a;
	const char *text = strcmp(f->dflt, "\"\"") == 0 ? "" : f->dflt;

	assert_true(f->width <= sizeof(room));
	arena_init(&a);
	/* SC1 */
	assert_int_equal(
		value_parse(f, (struct value_text){text, strlen(text), false}, &a, room, why), 0);
	arena_fini(&a);
}

static void check_map(const struct schema_map *map)
{
	assert_non_null(map->help);
	if (map->scalar_key)
		assert_non_null(schema_find(map, map->scalar_key));
	if (map->variant)
		assert_int_equal(schema_find(map, map->variant)->type, SCHEMA_ENUM);
	for (uint32_t i = 0; i < map->field_cnt; i++) {
		const struct schema_field *f = &map->fields[i];

		/* SC2 */
		assert_ptr_equal(schema_find(map, f->key), f);
		assert_non_null(f->help);
		assert_true(f->help[strlen(f->help) - 1] == '.');
		assert_int_equal(f->type == SCHEMA_ENUM, f->words != NULL);
		assert_int_equal(f->type == SCHEMA_MAP, f->map != NULL);
		assert_int_equal(f->type == SCHEMA_CUSTOM, f->custom != NULL);
		assert_true(!f->only || map->variant);
		if (f->flags & SCHEMA_LIST)
			assert_true(f->max_cnt > 0);
		if (f->type == SCHEMA_UINT)
			assert_true(f->width == 8 || f->max < UINT64_C(1) << (8 * f->width));
		if (f->dflt)
			check_default(f);
		if (f->map)
			check_map(f->map);
	}
}

static void table_keeps_its_invariants(void **state)
{
	(void)state;
	check_map(&schema_root);
}

/* ---- JSON Schema ---- */

/* The object schema among the alternatives of a map. */
static json_t *object_of(json_t *s)
{
	json_t *any = json_object_get(s, "anyOf");

	return any ? json_array_get(any, 1) : s;
}

static void check_json(const struct schema_map *map, json_t *s)
{
	json_t *props = json_object_get(s, "properties"),
	       *required = json_object_get(s, "required");
	size_t required_cnt = 0;

	assert_int_equal(json_object_size(props), map->field_cnt);
	assert_true(json_is_false(json_object_get(s, "additionalProperties")));
	for (uint32_t i = 0; i < map->field_cnt; i++) {
		const struct schema_field *f = &map->fields[i];
		json_t *p = json_object_get(props, f->key);

		assert_non_null(p);
		assert_string_equal(json_string_value(json_object_get(p, "description")), f->help);
		required_cnt += (f->flags & SCHEMA_REQUIRED) != 0;
		if (f->type == SCHEMA_MAP && (f->flags & SCHEMA_LIST))
			check_json(f->map, object_of(json_object_get(p, "items")));
		else if (f->type == SCHEMA_MAP && (f->flags & SCHEMA_NAMED))
			check_json(f->map, object_of(json_object_get(p, "additionalProperties")));
		else if (f->type == SCHEMA_MAP)
			check_json(f->map, object_of(p));
	}
	assert_int_equal(json_array_size(required), required_cnt);
}

static void schema_is_json_and_has_every_key(void **state)
{
	char *text = printed(config_schema);
	json_error_t error;
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	(void)state;
	if (!root)
		print_error("line %d: %s\n", error.line, error.text);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "$schema")),
		"https://json-schema.org/draft/2020-12/schema");
	check_json(&schema_root, root);
	json_decref(root);
	free(text);
}

/* ---- commands ---- */

struct captured {
	int status;
	char *out, *err;
};

static char *read_back(FILE *f)
{
	long size;
	char *text;

	fseek(f, 0, SEEK_END);
	size = ftell(f);
	rewind(f);
	text = calloc(1, (size_t)size + 1);
	assert_int_equal(fread(text, 1, (size_t)size, f), size);
	fclose(f);
	return text;
}

/* Run a command with its standard output and error going to files. */
static struct captured capture(int (*cmd)(const char *), const char *file)
{
	FILE *to[2] = {tmpfile(), tmpfile()};
	int saved[2];
	struct captured c;

	for (int i = 0; i < 2; i++) {
		fflush(i ? stderr : stdout);
		saved[i] = dup(i + 1);
		dup2(fileno(to[i]), i + 1);
	}
	c.status = cmd(file);
	for (int i = 0; i < 2; i++) {
		fflush(i ? stderr : stdout);
		dup2(saved[i], i + 1);
		close(saved[i]);
	}
	c.out = read_back(to[0]);
	c.err = read_back(to[1]);
	return c;
}

static void captured_free(struct captured *c)
{
	free(c->out);
	free(c->err);
}

static int schema_cmd(const char *file)
{
	(void)file;
	return config_cmd_schema();
}

static int reference_cmd(const char *file)
{
	(void)file;
	return config_cmd_reference();
}

static void commands_print_and_say_how_it_went(void **state)
{
	struct captured c = capture(config_cmd_check, "docs/examples/nat.yaml");

	(void)state;
	assert_int_equal(c.status, 0);
	assert_string_equal(
		c.out, "docs/examples/nat.yaml: good: 2 ports, 1 worker, 1 service, 2 backends\n");
	assert_string_equal(c.err, "");
	captured_free(&c);

	c = capture(config_cmd_check, "tests/config/ten-mistakes.yaml");
	assert_int_equal(c.status, 1);
	assert_string_equal(c.out, "");
	captured_free(&c);

	c = capture(config_cmd_check, "docs/no-such-file.yaml");
	assert_int_equal(c.status, 1);
	assert_string_equal(c.err, "docs/no-such-file.yaml: error: No such file or directory\n");
	captured_free(&c);

	c = capture(config_cmd_show, "docs");
	assert_int_equal(c.status, 1);
	assert_string_equal(c.err, "docs: error: Is a directory\n");
	captured_free(&c);

	c = capture(config_cmd_show, "docs/examples/nat.yaml");
	assert_int_equal(c.status, 0);
	assert_non_null(strstr(c.out, "# docs/examples/nat.yaml:5\n"));
	captured_free(&c);

	c = capture(schema_cmd, "");
	assert_int_equal(c.status, 0);
	assert_int_equal(c.out[0], '{');
	captured_free(&c);

	c = capture(reference_cmd, "");
	assert_int_equal(c.status, 0);
	assert_int_equal(c.out[0], '#');
	captured_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_have_no_error_and_no_warning),
		cmocka_unit_test(full_example_has_every_key),
		cmocka_unit_test(reference_page_is_the_generated_one),
		cmocka_unit_test(minimal_example_stands_in_the_reference),
		cmocka_unit_test(ten_mistakes_are_all_told),
		cmocka_unit_test(table_keeps_its_invariants),
		cmocka_unit_test(schema_is_json_and_has_every_key),
		cmocka_unit_test(commands_print_and_say_how_it_went),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
