/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/h1_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DUMP_MAX 65536

void h1_require(bool ok, const char *what, const char *file, int line)
{
	if (ok)
		return;
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

/* ---- dump ---- */

static char dump[DUMP_MAX];
static size_t dump_len;

static void say(const char *label, struct span s)
{
	dump_len += (size_t)snprintf(
		dump + dump_len, DUMP_MAX - dump_len, "%s=%.*s\n", label, (int)s.len, s.at);
	H1_REQUIRE(dump_len < DUMP_MAX);
}

static void say_number(const char *label, uint64_t n)
{
	char text[24];

	say(label, (struct span){text,
			   (uint32_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)n)});
}

const char *h1_dump(const struct http_head *h)
{
	dump_len = 0;
	say_number("method", h->method);
	say("method_text", h->method_text);
	say("scheme", h->scheme);
	say("host", h->host);
	say_number("port", h->port);
	say("path", h->path);
	say("query", h->query);
	say_number("has_query", h->has_query);
	say_number("expect", h->expect_continue);
	say_number("upgrade", h->upgrade);
	say_number("status", h->status);
	say_number("version", h->version);
	say_number("keep_alive", h->keep_alive);
	say_number("te_trailers", h->te_trailers);
	say_number("framing", h->framing);
	say_number("length", h->length);
	for (uint32_t i = 0; i < h->field_cnt; i++) {
		const struct http_field *f = &h->fields[i];

		say((f->flags & HTTP_F_GONE) != 0      ? "!"
			: (f->flags & HTTP_F_HOP) != 0 ? "-"
						       : "",
			f->name);
		say_number(" id", f->id);
		say(" ", f->value);
	}
	return dump;
}

/* ---- heads ---- */

/* What stands behind the bytes must not matter. */
static const char *const pads[] = {"\r\n", ":", "x", " \t", "\x80\x01\x7f\n", "HTTP/1.1\r\n"};

static void pad(char *at, uint32_t turn)
{
	const char *with = pads[turn % ARRAY_SIZE(pads)];
	size_t n = strlen(with);

	for (uint32_t i = 0; i < H1_PAD; i++)
		at[i] = with[i % n];
}

static void begin(const struct h1_case *c, struct h1_parser *p)
{
	if (c->kind == H1_REQUEST)
		h1_request_begin(p, c->secure);
	else
		h1_response_begin(p, c->method, c->upgrade);
}

/* One call with the first n bytes in a buffer of its own. */
static enum h1_verdict step(const struct h1_case *c, struct h1_parser *p, struct h1_result *r,
	uint32_t n, uint32_t turn)
{
	const struct h1_limits *lim = c->lim == NULL ? &h1_limits_default : c->lim;
	char *buf = malloc(n + H1_PAD), *old = r->bytes;
	enum h1_verdict v;

	H1_REQUIRE(buf != NULL);
	/* What the parser put in lower case stays so. */
	if (old != NULL)
		memcpy(buf, old, r->cap);
	memcpy(buf + r->cap, c->bytes + r->cap, n - r->cap);
	pad(buf + n, turn);
	r->bytes = buf;
	r->cap = n;
	v = c->kind == H1_REQUEST ? h1_request_parse(p, buf, n, lim, &r->head)
				  : h1_response_parse(p, buf, n, lim, &r->head);
	free(old);
	r->verdict = v;
	r->error = p->error;
	r->head_len = p->head_len;
	return v;
}

void h1_run_whole(const struct h1_case *c, struct h1_result *r)
{
	struct h1_parser p;

	memset(r, 0xaa, sizeof(*r));
	r->bytes = NULL;
	r->cap = 0;
	begin(c, &p);
	(void)step(c, &p, r, c->len, 0);
	if (r->verdict == H1_BAD)
		H1_REQUIRE(r->error != H1_ERR_NONE);
}

/* Of several mistakes in one line the cut decides which is met first; the answer is the same. */
static void same(const struct h1_case *c, const struct h1_result *want, const struct h1_result *got,
	const char *how, uint32_t at)
{
	char text[DUMP_MAX];

	if (got->verdict != want->verdict ||
		(want->verdict == H1_BAD &&
			h1_error_status(got->error) != h1_error_status(want->error)) ||
		(want->verdict == H1_OK && got->head_len != want->head_len)) {
		fprintf(stderr, "%s at %u: verdict %d (%s) instead of %d (%s) of:\n%.*s\n", how, at,
			(int)got->verdict, h1_error_word(got->error), (int)want->verdict,
			h1_error_word(want->error), (int)c->len, c->bytes);
		abort();
	}
	if (want->verdict != H1_OK)
		return;
	memcpy(text, h1_dump(&want->head), DUMP_MAX);
	if (strcmp(text, h1_dump(&got->head)) != 0) {
		fprintf(stderr, "%s at %u:\n%s\ninstead of\n%s\n", how, at, h1_dump(&got->head),
			text);
		abort();
	}
}

/* In steps of n bytes, or in two parts cut at n. */
static void run_cut(const struct h1_case *c, struct h1_result *r, uint32_t n, bool two)
{
	struct h1_parser p;
	uint32_t turn = n;
	uint32_t at = n;

	memset(r, 0xaa, sizeof(*r));
	r->bytes = NULL;
	r->cap = 0;
	begin(c, &p);
	while (step(c, &p, r, at < c->len ? at : c->len, turn++) == H1_MORE && at < c->len)
		at = two ? c->len : at + n;
}

void h1_run_all_ways(const struct h1_case *c, struct h1_result *r)
{
	struct h1_result other;

	h1_run_whole(c, r);
	run_cut(c, &other, 1, false);
	same(c, r, &other, "byte by byte", 0);
	h1_result_free(&other);
	for (uint32_t i = 0; i <= c->len; i++) {
		run_cut(c, &other, i, true);
		same(c, r, &other, "cut", i);
		h1_result_free(&other);
	}
}

void h1_result_free(struct h1_result *r)
{
	free(r->bytes);
	r->bytes = NULL;
}

/* ---- bodies ---- */

void h1_body_run(enum http_framing framing, uint64_t length, const struct h1_limits *lim,
	const char *bytes, uint32_t len, uint32_t step_len, struct h1_body_result *out)
{
	struct http_arena arena;
	struct h1_body b;
	struct pool slabs;
	uint32_t at = 0, given = 0;

	memset(out, 0, sizeof(*out));
	out->data = malloc(len + 1);
	H1_REQUIRE(out->data != NULL && pool_init(&slabs, HTTP_ARENA_SLAB, 64, 2) == 0);
	http_arena_init(&arena, &slabs, 2);
	h1_body_init(&b, framing, length, lim == NULL ? &h1_limits_default : lim, &arena);
	out->verdict = H1_MORE;
	for (;;) {
		uint32_t n = step_len == 0 || step_len > len - given ? len - given : step_len;
		struct h1_piece piece;
		char *buf = malloc(n > 0 ? n : 1);

		H1_REQUIRE(buf != NULL);
		memcpy(buf, bytes + given, n);
		given += n;
		for (uint32_t i = 0; out->verdict == H1_MORE;) {
			out->verdict = h1_body_next(&b, buf + i, n - i, &piece);
			H1_REQUIRE((uint64_t)i + piece.skip + piece.data <= n);
			memcpy(out->data + out->len, buf + i + piece.skip, piece.data);
			out->len += piece.data;
			i += piece.skip + piece.data;
			at += piece.skip + piece.data;
			if (out->verdict == H1_MORE && i < n)
				H1_REQUIRE(piece.skip + piece.data > 0);
			if (i == n)
				break;
		}
		free(buf);
		if (out->verdict != H1_MORE || given == len)
			break;
	}
	out->used = at;
	out->error = b.error;
	if (out->verdict == H1_MORE)
		H1_REQUIRE(at == len);
	if (b.trailers != NULL)
		snprintf(out->trailers, sizeof(out->trailers), "%s", h1_dump(b.trailers));
	http_arena_reset(&arena);
	H1_REQUIRE(slabs.used == 0);
	pool_fini(&slabs);
}

void h1_body_run_all_ways(enum http_framing framing, uint64_t length, const struct h1_limits *lim,
	const char *bytes, uint32_t len, struct h1_body_result *out)
{
	h1_body_run(framing, length, lim, bytes, len, 0, out);
	for (uint32_t s = 1; s <= len; s++) {
		struct h1_body_result r;

		h1_body_run(framing, length, lim, bytes, len, s, &r);
		H1_REQUIRE(r.verdict == out->verdict && r.error == out->error);
		if (r.verdict != H1_BAD) {
			H1_REQUIRE(r.used == out->used && r.len == out->len);
			H1_REQUIRE(memcmp(r.data, out->data, r.len) == 0);
			H1_REQUIRE(strcmp(r.trailers, out->trailers) == 0);
		}
		h1_body_result_free(&r);
	}
}

void h1_body_result_free(struct h1_body_result *r)
{
	free(r->data);
	r->data = NULL;
}
