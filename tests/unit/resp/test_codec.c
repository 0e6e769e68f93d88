/* SPDX-License-Identifier: Apache-2.0
 * Requests in one piece, and cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lb/l7/resp/codec.h"

struct bench {
	struct mem m;
	struct resp_codec c;
	struct resp_arg direct[CODEC_DIRECT];
	char text[65536]; /* what came out: words joined by '|', requests ended by '\n' */
	size_t len;
	bool bad;
};

static void open_bench(struct bench *b, uint32_t bulk_max)
{
	assert_int_equal(mem_init(&b->m, 16 << 20), 0);
	codec_init(&b->c, &b->m, b->direct, bulk_max);
	b->len = 0;
	b->bad = false;
}

static void close_bench(struct bench *b)
{
	codec_fini(&b->c);
	assert_int_equal(b->m.used, 0);
	mem_fini(&b->m);
}

static void note(struct bench *b, const struct resp_args *a)
{
	for (uint32_t i = 0; i < a->n; i++) {
		memcpy(b->text + b->len, a->v[i].p, a->v[i].len);
		b->len += a->v[i].len;
		b->text[b->len++] = i + 1 < a->n ? '|' : '\n';
	}
}

static void feed(struct bench *b, const char *p, size_t n)
{
	/* A copy of its own size, so that a sanitizer sees a read behind the end. */
	uint8_t *piece = malloc(n > 0 ? n : 1);
	size_t at = 0;

	memcpy(piece, p, n);
	while (at < n && !b->bad) {
		struct resp_args args;
		uint32_t used;
		enum codec_result rc =
			codec_feed(&b->c, piece + at, (uint32_t)(n - at), &used, &args);

		if (rc == CODEC_OK)
			note(b, &args);
		resp_args_free(&b->m, &args);
		b->bad = rc == CODEC_BAD;
		at += used;
		assert_true(used > 0 || b->bad);
	}
	free(piece);
}

static const struct {
	const char *in;
	size_t len;
	const char *out; /* NULL: refused */
	const char *err;
} cases[] = {
#define IN(s) s, sizeof(s) - 1
	{IN("*1\r\n$4\r\nPING\r\n"), "PING\n", NULL},
	{IN("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n*1\r\n$4\r\nPING\r\n"), "SET|a|\nPING\n",
		NULL},
	{IN("PING\r\n"), "PING\n", NULL},
	{IN("PING\nget  a\r\n"), "PING\nget|a\n", NULL},
	{IN("\r\n\r\nPING\r\n"), "PING\n", NULL},
	{IN("set \"a b\" 'c d' \"\\x41\\n\\\"\" 'it\\'s'\r\n"), "set|a b|c d|A\n\"|it's\n", NULL},
	{IN("*0\r\nPING\r\n"), "PING\n", NULL},
	{IN("*-1\r\nPING\r\n"), "PING\n", NULL},
	{IN("*1\r\n$10\r\n*1\r\n$4\r\nPI\r\n"), "*1\r\n$4\r\nPI\n", NULL},
	{IN("set \"a b\r\n"), NULL, "Protocol error: unbalanced quotes in request"},
	{IN("set \"a\"b\r\n"), NULL, "Protocol error: unbalanced quotes in request"},
	{IN("*x\r\n"), NULL, "Protocol error: invalid multibulk length"},
	{IN("*01\r\n"), NULL, "Protocol error: invalid multibulk length"},
	{IN("*1048577\r\n"), NULL, "Protocol error: invalid multibulk length"},
	{IN("*99999999999999999999\r\n"), NULL, "Protocol error: invalid multibulk length"},
	{IN("*1\r\n:4\r\n"), NULL, "Protocol error: expected '$', got ':'"},
	{IN("*1\r\n$-1\r\n"), NULL, "Protocol error: invalid bulk length"},
	{IN("*1\r\n$x\r\n"), NULL, "Protocol error: invalid bulk length"},
	{IN("*1\r\n$100001\r\n"), NULL, "Protocol error: invalid bulk length"},
#undef IN
};

static void check_case(struct bench *b, size_t i)
{
	if (cases[i].out == NULL) {
		assert_true(b->bad);
		assert_string_equal(b->c.err, cases[i].err);
		return;
	}
	assert_false(b->bad);
	assert_int_equal(b->len, strlen(cases[i].out));
	assert_memory_equal(b->text, cases[i].out, b->len);
	assert_true(codec_idle(&b->c));
}

static void in_one_piece(void **state)
{
	static struct bench b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		open_bench(&b, 100000);
		feed(&b, cases[i].in, cases[i].len);
		check_case(&b, i);
		close_bench(&b);
	}
}

static void cut_at_every_byte(void **state)
{
	static struct bench b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t cut = 1; cut < cases[i].len; cut++) {
			open_bench(&b, 100000);
			feed(&b, cases[i].in, cut);
			feed(&b, cases[i].in + cut, cases[i].len - cut);
			check_case(&b, i);
			close_bench(&b);
		}
}

static void byte_by_byte(void **state)
{
	static struct bench b;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		open_bench(&b, 100000);
		for (size_t at = 0; at < cases[i].len; at++)
			feed(&b, cases[i].in + at, 1);
		check_case(&b, i);
		close_bench(&b);
	}
}

static void what_lies_together_is_not_copied(void **state)
{
	static struct bench b;
	const char *in = "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n";
	struct resp_args args;
	uint32_t used;

	(void)state;
	open_bench(&b, 1000);
	assert_int_equal(codec_feed(&b.c, (const uint8_t *)in, (uint32_t)strlen(in), &used, &args),
		CODEC_OK);
	assert_int_equal(used, strlen(in));
	assert_null(args.block);
	assert_ptr_equal(args.v[1].p, in + strlen(in) - 5);
	close_bench(&b);
}

/* One request at p, looked at in a copy of its own size: the key of a GET, "-" if it is another
 * request, NULL if it cannot be looked at. */
static const char *peek(struct bench *b, const char *p, size_t n, uint32_t *size)
{
	static char key[64];
	uint8_t *piece = malloc(n);
	struct resp_arg v[3];
	struct codec_peeked out;
	const char *found = NULL;

	memcpy(piece, p, n);
	if (codec_peek(&b->c, piece, (uint32_t)n, v, 3, &out)) {
		*size = out.size;
		found = "-";
		if (out.get) {
			assert_int_equal(out.n, 2);
			assert_int_equal(v[0].len, 3);
			snprintf(key, sizeof(key), "%.*s", (int)v[1].len, (const char *)v[1].p);
			found = key;
		}
	}
	free(piece);
	return found;
}

static void a_look_ahead(void **state)
{
	static const struct {
		const char *text, *want;
	} looks[] = {
		{"*2\r\n$3\r\nGET\r\n$3\r\nabc\r\n", "abc"},
		{"*2\r\n$3\r\ngEt\r\n$12\r\nkey:00000001\r\n", "key:00000001"},
		{"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", ""},
		/* Other commands, and bytes that are letters but for the one bit of case. */
		{"*2\r\n$3\r\nGEU\r\n$3\r\nabc\r\n", "-"},
		{"*2\r\n$3\r\n'ET\r\n$3\r\nabc\r\n", "-"},
		{"*2\r\n$3\r\nDEL\r\n$3\r\nabc\r\n", "-"},
		{"*3\r\n$3\r\nGET\r\n$1\r\na\r\n$1\r\nb\r\n", "-"},
		{"*1\r\n$4\r\nPING\r\n", "-"},
		/* In pieces, unusual, too long, wrong. */
		{"*2\r\n$3\r\nGET\r\n$3\r\nabc\r", NULL},
		{"*2\r\n$3\r\nGET\r\n$12\r\nkey:0000000\r\n", NULL},
		{"*2\r\n$3\r\nGET\r\n$", NULL},
		{"*2\r\n$3\r\nGET\r\n$03\r\nabc\r\n", NULL},
		{"*2\r\n$3\r\nGET\r\n$-3\r\nabc\r\n", NULL},
		{"*2\r\n$3\r\nGET\r\n$33\r\nabc\r\n", NULL},
		{"*2\r\n$3\r\nGET\r\n$17\r\n12345678901234567\r\n", NULL},
		{"*4\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n$2\r\nNX\r\n", NULL},
		{"get abc\r\n", NULL},
	};
	struct bench b;

	(void)state;
	open_bench(&b, 16);
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		size_t n = strlen(looks[i].text);
		uint32_t size = 0;
		const char *got = peek(&b, looks[i].text, n, &size);
		char more[256];

		if ((got == NULL) != (looks[i].want == NULL) ||
			(got != NULL && strcmp(got, looks[i].want) != 0))
			fail_msg("%s: want %s, got %s", looks[i].text,
				looks[i].want != NULL ? looks[i].want : "nothing",
				got != NULL ? got : "nothing");
		assert_int_equal(size, got != NULL ? n : 0);
		if (got == NULL)
			continue;
		/* What follows is not its own; with a byte less there is nothing yet. */
		snprintf(more, sizeof(more), "%s*1\r\n", looks[i].text);
		assert_string_equal(peek(&b, more, strlen(more), &size), looks[i].want);
		assert_int_equal(size, n);
		for (size_t cut = 1; cut < n; cut++)
			assert_null(peek(&b, looks[i].text, cut, &size));
	}
	close_bench(&b);
}

/* More arguments than are walked in place, and long ones in many pieces. */
static void many_and_long_arguments(void **state)
{
	static struct bench b;
	static char in[400000];
	size_t n = (size_t)snprintf(in, sizeof(in), "*1000\r\n");
	struct resp_args args = {0};
	uint32_t used, total = 0;
	enum codec_result rc = CODEC_MORE;

	(void)state;
	for (int i = 0; i < 1000; i++)
		n += (size_t)snprintf(in + n, sizeof(in) - n, "$300\r\n%0300d\r\n", i);
	open_bench(&b, 1000);
	for (size_t at = 0; rc == CODEC_MORE; at += used) {
		uint32_t len = (uint32_t)(n - at < 1448 ? n - at : 1448);

		rc = codec_feed(&b.c, (const uint8_t *)in + at, len, &used, &args);
		total += used;
	}
	assert_int_equal(rc, CODEC_OK);
	assert_int_equal(total, n);
	assert_int_equal(args.n, 1000);
	for (int i = 0; i < 1000; i++) {
		char want[301];

		snprintf(want, sizeof(want), "%0300d", i);
		assert_int_equal(args.v[i].len, 300);
		assert_memory_equal(args.v[i].p, want, 300);
	}
	resp_args_free(&b.m, &args);
	close_bench(&b);
}

/* A count alone takes no memory for what it promises. */
static void a_count_takes_no_memory(void **state)
{
	static struct bench b;

	(void)state;
	open_bench(&b, 1000);
	feed(&b, "*1048576\r\n$3\r\n", 14);
	assert_false(b.bad);
	assert_true(b.m.used < 65536);
	close_bench(&b);
}

static void a_line_without_end(void **state)
{
	static struct bench b;
	static char line[CODEC_INLINE + 2];

	(void)state;
	memset(line, 'x', sizeof(line));
	open_bench(&b, 1000);
	feed(&b, line, sizeof(line));
	assert_true(b.bad);
	assert_string_equal(b.c.err, "Protocol error: too big inline request");
	close_bench(&b);
}

static void memory_that_runs_out(void **state)
{
	static struct bench b;
	struct resp_args args;
	uint32_t used;

	(void)state;
	assert_int_equal(mem_init(&b.m, 4096), 0);
	codec_init(&b.c, &b.m, b.direct, 1 << 20);
	assert_int_equal(codec_feed(&b.c, (const uint8_t *)"*2\r\n$3\r\nSET\r\n$100000\r\n", 23,
				 &used, &args),
		CODEC_BAD);
	codec_fini(&b.c);
	assert_int_equal(b.m.used, 0);
	mem_fini(&b.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_one_piece),
		cmocka_unit_test(cut_at_every_byte),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(what_lies_together_is_not_copied),
		cmocka_unit_test(a_look_ahead),
		cmocka_unit_test(many_and_long_arguments),
		cmocka_unit_test(a_count_takes_no_memory),
		cmocka_unit_test(a_line_without_end),
		cmocka_unit_test(memory_that_runs_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
