/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config/yaml.h"

struct doc {
	struct arena arena;
	struct diag diag;
	struct yaml_node *root;
	int rc;
	char *said;
};

static void doc_read(struct doc *d, const char *text, size_t len)
{
	size_t size;
	FILE *err;

	arena_init(&d->arena);
	diag_init(&d->diag, &d->arena, "t");
	d->rc = yaml_read(&d->arena, &d->diag, text, len, &d->root);
	err = open_memstream(&d->said, &size);
	diag_print(&d->diag, err);
	fclose(err);
}

static void doc_free(struct doc *d)
{
	free(d->said);
	arena_fini(&d->arena);
}

static void says_n(const char *text, size_t len, const char *want)
{
	struct doc d;

	doc_read(&d, text, len);
	assert_string_equal(d.said, want);
	doc_free(&d);
}

static void says(const char *text, const char *want)
{
	says_n(text, strlen(text), want);
}

static void every_node_knows_its_place(void **state)
{
	static const char text[] = "# comment\n"
				   "a:\n"
				   "  - 1\n"
				   "  - \"two\"\n"
				   "\xc3\xa9: {x: [], y: ''}\n";
	const struct yaml_node *n;
	struct doc d;

	(void)state;
	doc_read(&d, text, strlen(text));
	assert_int_equal(d.rc, 0);
	assert_string_equal(d.said, "");
	assert_int_equal(d.root->type, YAML_MAP);
	assert_int_equal(d.root->cnt, 2);
	assert_int_equal(d.root->weight, 11);
	n = d.root->first;
	assert_string_equal(n->text, "a");
	assert_int_equal(n->mark.line, 2);
	assert_int_equal(n->mark.col, 1);
	n = n->next;
	assert_int_equal(n->type, YAML_LIST);
	assert_int_equal(n->cnt, 2);
	assert_false(n->first->quoted);
	assert_true(n->first->next->quoted);
	assert_int_equal(n->first->next->mark.line, 4);
	assert_int_equal(n->first->next->mark.col, 5);
	n = n->next->next;
	assert_int_equal(n->type, YAML_MAP);
	assert_int_equal(n->mark.col, 4); /* characters, not bytes */
	assert_int_equal(n->first->next->type, YAML_LIST);
	assert_int_equal(n->first->next->cnt, 0);
	doc_free(&d);
}

static void nothing_is_no_error_of_yaml(void **state)
{
	static const char *const empty[] = {"", "\n", "# only\n# comments\n", "\xef\xbb\xbf"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
		struct doc d;

		doc_read(&d, empty[i], strlen(empty[i]));
		assert_int_equal(d.rc, 0);
		assert_null(d.root);
		assert_string_equal(d.said, "");
		doc_free(&d);
	}
}

static void bytes_that_are_not_text(void **state)
{
	(void)state;
	says_n("a: \0b\n", 6, "t:1:4: error: control character 0x00 is not allowed\n");
	says("a: b\nc: \x1b[31m\n", "t:2:4: error: control character 0x1b is not allowed\n");
	says("a: \x7f\n", "t:1:4: error: control character 0x7f is not allowed\n");
	says("a: \xff\n", "t:1:4: error: byte 0xff is not UTF-8\n");
	says("a: \xc0\xaf\n", "t:1:4: error: byte 0xc0 is not UTF-8\n");         /* overlong */
	says("a: \xe0\x80\xaf\n", "t:1:4: error: byte 0xe0 is not UTF-8\n");     /* overlong */
	says("a: \xed\xa0\x80\n", "t:1:4: error: byte 0xed is not UTF-8\n");     /* surrogate */
	says("a: \xf4\x90\x80\x80\n", "t:1:4: error: byte 0xf4 is not UTF-8\n"); /* > U+10FFFF */
	says_n("a: \xe2\x82", 5, "t:1:4: error: byte 0xe2 is not UTF-8\n");      /* cut */
	says_n("\xff\xfe"
	       "a\0",
		4, "t:1:1: error: byte 0xff is not UTF-8\n"); /* UTF-16 */
	says("\xef\xbb\xbf"
	     "a: \xe2\x82\xac \xf0\x9f\x98\x80\n",
		"");
}

static void syntax_errors_hint(void **state)
{
	(void)state;
	says("a: [1, 2\nb: 3\n",
		"t:2:2: error: syntax: did not find expected ',' or ']', while parsing a flow "
		"sequence\n");
	says("a:\n\tb: 1\n",
		"t:2:1: error: syntax: found character that cannot start any token, while scanning "
		"for the next token; indent with blanks, not with tabs\n");
	says("vip: [2001:db8::10]:443\n",
		"t:1:20: error: syntax: did not find expected key, while parsing a block mapping; "
		"write an IPv6 address with a port in quotes: \"[2001:db8::1]:80\"\n");
	says("a: 'x\n",
		"t:2:1: error: syntax: found unexpected end of stream, while scanning a quoted "
		"scalar\n");
}

static void documents_and_tags(void **state)
{
	(void)state;
	says("a: 1\n---\nb: 2\n", "t:2:1: error: a second document: a file has one\n");
	says("---\na: 1\n...\n", "");
	says("%TAG !a! b\n---\na: 1\n", "t:1:1: error: directives have no meaning here\n");
	says("a: 50%\nb: '%'\n", "");
	says("a: !!str 1\nb: !x [1]\nc: !!map {}\n",
		"t:1:4: error: tag 'tag:yaml.org,2002:str': tags have no meaning here, remove it\n"
		"t:2:4: error: tag '!x': tags have no meaning here, remove it\n"
		"t:3:4: error: tag 'tag:yaml.org,2002:map': tags have no meaning here, remove "
		"it\n");
}

static void aliases_share_what_they_name(void **state)
{
	static const char text[] = "a: &x [1, 2]\nb: *x\nc: &x 3\nd: *x\n";
	const struct yaml_node *n;
	struct doc d;

	(void)state;
	doc_read(&d, text, strlen(text));
	assert_int_equal(d.rc, 0);
	n = d.root->first->next->next->next;
	assert_int_equal(n->type, YAML_ALIAS);
	assert_ptr_equal(yaml_resolve(n), d.root->first->next);
	assert_int_equal(n->mark.line, 2);
	n = n->next->next->next->next;
	assert_string_equal(yaml_resolve(n)->text, "3"); /* the newest of a name */
	doc_free(&d);
	says("a: *no\n", "t:1:4: error: alias '*no' has no anchor '&no' before it\n");
	says("a: &x [1, *x]\n", "t:1:11: error: alias '*x' stands inside its own anchor\n");
	says("&r a: {b: *r}\n", "");
}

/* Ten levels of ten would be 10^10 values. */
static void an_expansion_bomb_is_refused(void **state)
{
	char text[4096] = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n";
	struct doc d;

	(void)state;
	for (int i = 1; i < 10; i++) {
		size_t at = strlen(text);

		at += (size_t)snprintf(text + at, sizeof(text) - at, "l%d: &l%d [", i, i);
		for (int j = 0; j < 10; j++)
			at += (size_t)snprintf(
				text + at, sizeof(text) - at, "%s*l%d", j ? ", " : "", i - 1);
		snprintf(text + at, sizeof(text) - at, "]\n");
	}
	doc_read(&d, text, strlen(text));
	assert_int_equal(d.rc, -EINVAL);
	assert_non_null(strstr(d.said, "aliases expand to more than 1000000 values\n"));
	assert_true(d.arena.used_bytes < 200000);
	doc_free(&d);
}

static void depth_and_anchors_are_bounded(void **state)
{
	size_t n = 1 << 20;
	char *text = malloc(n);
	struct doc d;

	(void)state;
	memset(text, '[', n);
	says_n(text, n, "t:1:33: error: nested more than 32 deep\n");
	memset(text, '[', 32);
	memset(text + 32, ']', 32);
	says_n(text, 64, "");
	n = 0;
	for (int i = 0; i < 1100; i++)
		n += (size_t)sprintf(text + n, "- &a%d x\n", i);
	doc_read(&d, text, n);
	assert_int_equal(d.rc, -EINVAL);
	assert_string_equal(d.said, "t:1025:3: error: more than 1024 anchors\n");
	doc_free(&d);
	free(text);
}

static void a_file_that_is_too_large(void **state)
{
	size_t n = (size_t)LIMIT_CONFIG_BYTES + 1;
	char *text = calloc(1, n);

	(void)state;
	says_n(text, n, "t: error: the file has more than 64 MiB\n");
	free(text);
}

static void allocation_failures_are_said(void **state)
{
	static const char text[] = "a: &x [1, {b: 2}]\nc: *x\n";
	uint32_t n = 0;
	struct doc d;

	(void)state;
	do {
		arena_fail_at = ++n;
		doc_read(&d, text, strlen(text));
		arena_fail_at = 0;
		assert_true(d.rc == 0 || d.rc == -ENOMEM);
		assert_true((d.rc == 0) == (d.root != NULL));
		doc_free(&d);
	} while (d.rc != 0);
	assert_true(n > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_node_knows_its_place),
		cmocka_unit_test(nothing_is_no_error_of_yaml),
		cmocka_unit_test(bytes_that_are_not_text),
		cmocka_unit_test(syntax_errors_hint),
		cmocka_unit_test(documents_and_tags),
		cmocka_unit_test(aliases_share_what_they_name),
		cmocka_unit_test(an_expansion_bomb_is_refused),
		cmocka_unit_test(depth_and_anchors_are_bounded),
		cmocka_unit_test(a_file_that_is_too_large),
		cmocka_unit_test(allocation_failures_are_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
