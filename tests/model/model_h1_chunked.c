/* SPDX-License-Identifier: Apache-2.0
 * The chunked decoder against a naive one that has the whole body before it and follows the grammar
 * of RFC 9112 7.1 by recursive descent: random bodies, most of them with a few bytes changed, in
 * pieces of random sizes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/rng.h"
#include "tests/support/h1_run.h"
#include "tests/support/seed.h"

#define BODY_MAX 2048
#define BODIES   60000

/* ---- the naive one ---- */

struct naive {
	const char *at, *end;
	char data[BODY_MAX];
	uint32_t len;
};

static bool token_char(char c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?={}", c) == NULL;
}

static bool lit(struct naive *n, const char *s)
{
	size_t len = strlen(s);

	if ((size_t)(n->end - n->at) < len || memcmp(n->at, s, len) != 0)
		return false;
	n->at += len;
	return true;
}

static void blanks(struct naive *n)
{
	while (n->at < n->end && (*n->at == ' ' || *n->at == '\t'))
		n->at++;
}

static bool token(struct naive *n)
{
	const char *from = n->at;

	while (n->at < n->end && token_char(*n->at))
		n->at++;
	return n->at > from;
}

static bool quoted(struct naive *n)
{
	if (!lit(n, "\""))
		return false;
	while (n->at < n->end && *n->at != '"') {
		uint8_t c = (uint8_t)*n->at++;

		if (c == '\\') {
			if (n->at == n->end)
				return false;
			c = (uint8_t)*n->at++;
		}
		if (c != '\t' && (c < ' ' || c == 0x7f))
			return false;
	}
	return lit(n, "\"");
}

/* *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ) */
static bool extensions(struct naive *n)
{
	for (;;) {
		const char *before = n->at;

		blanks(n);
		if (!lit(n, ";")) {
			n->at = before;
			return true;
		}
		blanks(n);
		if (!token(n))
			return false;
		before = n->at;
		blanks(n);
		if (!lit(n, "=")) {
			n->at = before;
			continue;
		}
		blanks(n);
		if (!(n->at < n->end && *n->at == '"' ? quoted(n) : token(n)))
			return false;
	}
}

static bool size_line(struct naive *n, uint64_t *size)
{
	char digits[17] = "";
	uint32_t i = 0;

	while (n->at < n->end && i < 16 && strchr("0123456789abcdefABCDEF", *n->at) != NULL &&
		*n->at != '\0')
		digits[i++] = *n->at++;
	if (i == 0)
		return false;
	*size = strtoull(digits, NULL, 16);
	return *size <= INT64_MAX && extensions(n) && lit(n, "\r\n");
}

/* Only names and values that the writer below makes are told apart: token ":" anything without
 * controls; the two forbidden names it makes are refused. */
static bool trailer_section(struct naive *n)
{
	while (!lit(n, "\r\n")) {
		const char *name = n->at;
		size_t len;

		if (!token(n))
			return false;
		len = (size_t)(n->at - name);
		if ((len == 4 && strncasecmp(name, "host", 4) == 0) ||
			(len == 14 && strncasecmp(name, "content-length", 14) == 0))
			return false;
		if (!lit(n, ":"))
			return false;
		while (n->at < n->end && (*n->at == '\t' || (uint8_t)*n->at >= ' ') &&
			*n->at != 0x7f)
			n->at++;
		if (!lit(n, "\r\n"))
			return false;
	}
	return true;
}

static bool decode(struct naive *n)
{
	uint64_t size;

	for (;;) {
		if (!size_line(n, &size))
			return false;
		if (size == 0)
			return trailer_section(n);
		if ((uint64_t)(n->end - n->at) < size)
			return false;
		memcpy(n->data + n->len, n->at, size);
		n->len += (uint32_t)size;
		n->at += size;
		if (!lit(n, "\r\n"))
			return false;
	}
}

/* ---- bodies ---- */

static uint32_t put(char *at, const char *s)
{
	memcpy(at, s, strlen(s));
	return (uint32_t)strlen(s);
}

static uint32_t put_ext(struct rng *r, char *at)
{
	static const char *const pieces[] = {
		";a", ";a=b", " ;\ta = b", ";a=\"b;c\"", ";a=\"\\\"\"", ";x-y=\"\"", ""};
	uint32_t n = 0;

	while (rng_below(r, 3) == 0)
		n += put(at + n, pieces[rng_below(r, ARRAY_SIZE(pieces))]);
	return n;
}

static uint32_t make(struct rng *r, char *at)
{
	static const char *const fields[] = {"A: b\r\n", "X-Sum:1\r\n", "ETag: \"x\"\r\n",
		"Host: a\r\n", "Content-Length: 5\r\n"};
	uint32_t n = 0;

	for (uint64_t chunks = rng_below(r, 5); chunks > 0; chunks--) {
		uint32_t size = 1 + (uint32_t)rng_below(r, 60);

		n += (uint32_t)sprintf(at + n, rng_below(r, 2) == 0 ? "%x" : "%04X", size);
		n += put_ext(r, at + n);
		n += put(at + n, "\r\n");
		for (uint32_t i = 0; i < size; i++)
			at[n++] = (char)rng_below(r, 256);
		n += put(at + n, "\r\n");
	}
	n += put(at + n, rng_below(r, 4) == 0 ? "000" : "0");
	n += put_ext(r, at + n);
	n += put(at + n, "\r\n");
	while (rng_below(r, 4) == 0)
		n += put(at + n, fields[rng_below(r, rng_below(r, 4) == 0 ? 5 : 3)]);
	n += put(at + n, "\r\n");
	for (uint64_t more = rng_below(r, 8); more > 0; more--)
		at[n++] = (char)rng_below(r, 256);
	return n;
}

/* A byte changed, taken out or put in; bytes that mean something more often than others. */
static uint32_t spoil(struct rng *r, char *at, uint32_t n)
{
	static const char special[] = "\r\n;=\" \t\\0aF\0x:,";
	uint32_t i = (uint32_t)rng_below(r, n);
	char c = rng_below(r, 3) == 0 ? (char)rng_below(r, 256)
				      : special[rng_below(r, sizeof(special) - 1)];

	switch (rng_below(r, 3)) {
	case 0:
		at[i] = c;
		return n;
	case 1:
		memmove(at + i, at + i + 1, n - i - 1);
		return n - 1;
	default:
		memmove(at + i + 1, at + i, n - i);
		at[i] = c;
		return n + 1;
	}
}

static void compare(const char *bytes, uint32_t len, uint32_t step, uint64_t *accepted)
{
	static struct naive n;
	struct h1_body_result r;
	bool ok;

	n.at = bytes;
	n.end = bytes + len;
	n.len = 0;
	ok = decode(&n);
	h1_body_run(HTTP_BODY_STREAM, 0, NULL, bytes, len, step, &r);
	H1_REQUIRE((r.verdict == H1_OK) == ok);
	if (ok) {
		H1_REQUIRE(r.used == (uint32_t)(n.at - bytes) && r.len == n.len);
		H1_REQUIRE(memcmp(r.data, n.data, n.len) == 0);
		(*accepted)++;
	}
	h1_body_result_free(&r);
}

int main(void)
{
	uint64_t accepted = 0;
	char bytes[BODY_MAX];
	struct rng rng;

	rng_seed(&rng, test_seed());
	for (uint32_t i = 0; i < BODIES; i++) {
		uint32_t n = make(&rng, bytes);

		for (uint64_t k = rng_below(&rng, 4); k > 0 && n > 1; k--)
			n = spoil(&rng, bytes, n);
		compare(bytes, n, (uint32_t)rng_below(&rng, 20), &accepted);
	}
	printf("%u bodies, %llu accepted\n", BODIES, (unsigned long long)accepted);
	H1_REQUIRE(accepted > BODIES / 10 && accepted < BODIES - BODIES / 10);
	puts("1 passed, 0 failed, 0 skipped");
	return 0;
}
