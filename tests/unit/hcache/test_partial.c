/* SPDX-License-Identifier: Apache-2.0
 * Parts of representations (RFC 9110 14, 15.3.7; RFC 9111 3.3, 3.4): the arithmetic of slices, and
 * the whole application against an origin that knows ranges. Its representations have versions, and
 * each byte says which one it is of, so that an answer made of two of them is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/rng.h"
#include "lb/l7/cache/slice.h"
#include "tests/support/seed.h"
#include "tests/unit/hcache/edge_test.h"

/* ---- arithmetic ---- */

static uint32_t ask(const char *range, char out[SLICE_TEXT_MAX])
{
	struct http_head head = {.method = HTTP_GET, .field_cnt = 1};

	head.fields[0] = (struct http_field){.id = HTTP_FIELD_RANGE,
		.name = SPAN("range"),
		.value = {range, (uint32_t)strlen(range)}};
	return slice_ask(&head, 65536, 32768, out);
}

/* RFC 9110 14.1.2; what is asked for covers the beginning of what was asked of us. */
static void what_is_asked(void **state)
{
	static const struct {
		const char *range, *want;
	} cases[] = {
		{"bytes=0-0", "bytes=0-65535"},
		{"bytes=65535-65536", "bytes=0-65535"},
		{"bytes=65536-", "bytes=65536-131071"},
		{"bytes=200000-200001", "bytes=196608-262143"},
		{"bytes=-1", "bytes=-98304"},
		{"bytes=-1000000", "bytes=-98304"},
		{"bytes=5-9, 100000-100001", "bytes=0-65535"},
		{"bytes=9-5", NULL},
		{"bytes=", NULL},
		{"lines=1-2", NULL},
		{"bytes=1-2,x", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[SLICE_TEXT_MAX];
		uint32_t n = ask(cases[i].range, text);

		if (cases[i].want == NULL)
			assert_int_equal(n, 0);
		else
			assert_string_equal(text, cases[i].want);
	}
}

static void sizes(void **state)
{
	(void)state;
	assert_int_equal(slice_size(1 << 20, 32768), 1 << 20);
	assert_int_equal(slice_size((1 << 20) + 5, 32768), 1 << 20);
	assert_int_equal(slice_size((1 << 20) - 1, 32768), 1 << 19);
	assert_int_equal(slice_size(1, 32768), 32768);
	assert_int_equal(slice_size(UINT64_MAX, 1024), SLICE_MAX);
}

/* Against the definition: an extent is whole if each of its bytes is in the range. */
static void whole_extents(void **state)
{
	struct rng rng;
	uint64_t seed = test_seed();

	(void)state;
	rng_seed(&rng, seed);
	for (int i = 0; i < 20000; i++) {
		uint32_t extent = 1u << (1 + rng_below(&rng, 5));
		uint64_t total = 1 + rng_below(&rng, 200);
		struct http_range got = {.first = rng_below(&rng, (uint32_t)total)}, whole;
		uint64_t lo = UINT64_MAX, hi = 0;

		got.last = got.first + rng_below(&rng, (uint32_t)(total - got.first));
		for (uint64_t at = 0; at < total; at += extent) {
			uint64_t last = at + slice_extent_len(at, total, extent) - 1;

			if (at < got.first || last > got.last)
				continue;
			lo = at < lo ? at : lo;
			hi = last;
		}
		assert_int_equal(slice_whole(&got, total, extent, &whole), lo != UINT64_MAX);
		if (lo != UINT64_MAX) {
			assert_int_equal(whole.first, lo);
			assert_int_equal(whole.last, hi);
		}
		assert_int_equal(slice_last(got.first, extent, total),
			(got.first / extent + 1) * extent > total
				? total - 1
				: (got.first / extent + 1) * extent - 1);
	}
}

static bool answer(uint16_t status, const char *cr, enum http_framing framing, uint64_t len)
{
	struct http_head head = {
		.status = status, .framing = framing, .length = len, .field_cnt = 1};
	struct http_range r;
	uint64_t total;

	head.fields[0] = (struct http_field){.id = HTTP_FIELD_CONTENT_RANGE,
		.name = SPAN("content-range"),
		.value = {cr, (uint32_t)strlen(cr)}};
	return slice_answer(&head, &r, &total);
}

/* RFC 9110 14.4, 15.3.7 */
static void answers(void **state)
{
	(void)state;
	assert_true(answer(206, "bytes 0-9/100", HTTP_BODY_LENGTH, 10));
	assert_true(answer(206, "bytes 0-9/100", HTTP_BODY_STREAM, 0));
	assert_false(answer(206, "bytes 0-9/100", HTTP_BODY_LENGTH, 11));
	assert_false(answer(206, "bytes 0-9/*", HTTP_BODY_LENGTH, 10));
	assert_false(answer(206, "bytes 0-9/9", HTTP_BODY_LENGTH, 10));
	assert_false(answer(206, "bytes 9-0/100", HTTP_BODY_LENGTH, 10));
	assert_false(answer(206, "bytes */100", HTTP_BODY_LENGTH, 10));
	assert_false(answer(200, "bytes 0-9/100", HTTP_BODY_LENGTH, 10));
	assert_false(answer(206, "bytes 0-9/9999999999999999999", HTTP_BODY_LENGTH, 10));
}

/* ---- an origin that knows ranges ---- */

#define ASKED_MAX 4096

static struct origin {
	uint64_t total;
	uint32_t version;
	const char *fields; /* of each answer */
	const char *tag;    /* printf, of the version; NULL: none */
	bool no_ranges;     /* answers 200 to all */
	bool star;          /* does not say how long the whole is */
	bool parts;         /* answers multipart/byteranges */
	bool ignores_if;    /* looks at Range alone */
	bool silent;
	int status;         /* in place of all; 0: none */
	uint64_t cut_after; /* bytes of a body */
	uint32_t asked;
	uint64_t sent; /* bytes of bodies that were asked for */
	char last[1024];
	uint64_t first_max; /* highest first byte asked for */
	struct hw_conn *owed[64];
	uint32_t owed_cnt;
} o;

static char byte_of(uint32_t version, uint64_t n)
{
	return (char)('a' + (n * 7 + n / 1000 + version * 5) % 23);
}

static void fill(void *ctx, uint64_t from, void *out, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		((char *)out)[i] = byte_of((uint32_t)(uintptr_t)ctx, from + i);
}

static bool field_of(const char *request, const char *name, char *out, size_t cap)
{
	const char *at = strcasestr(request, name);
	size_t n;

	if (at == NULL)
		return false;
	at += strlen(name);
	at += strspn(at, " ");
	n = strcspn(at, "\r");
	assert_true(n < cap);
	memcpy(out, at, n);
	out[n] = '\0';
	return true;
}

static bool range_of(const char *request, uint64_t *first, uint64_t *last, const char *tag)
{
	char text[128];
	unsigned long long a, b;

	if (o.no_ranges || (!o.ignores_if && field_of(request, "\nIf-Range:", text, sizeof(text)) &&
				   strcmp(text, tag) != 0))
		return false;
	if (!field_of(request, "\nRange:", text, sizeof(text)))
		return false;
	if (sscanf(text, "bytes=%llu-%llu", &a, &b) == 2) {
		*first = a;
		*last = b < o.total ? b : o.total - 1;
	} else if (sscanf(text, "bytes=-%llu", &a) == 1) {
		*first = a < o.total ? o.total - a : 0;
		*last = o.total - 1;
	} else if (sscanf(text, "bytes=%llu-", &a) == 1) {
		*first = a;
		*last = o.total - 1;
	} else {
		return false;
	}
	return true;
}

static void reply(const char *request, struct hw_reply *r)
{
	static char texts[64][1024];
	static uint32_t turn;
	char *text = texts[turn++ % ARRAY_SIZE(texts)], tag[64] = "", have[128];
	uint64_t first = 0, last = o.total - 1;
	int n = 0;

	if (o.tag != NULL)
		(void)snprintf(tag, sizeof(tag), o.tag, o.version);
	*r = (struct hw_reply){
		.text = text, .fill = fill, .fill_ctx = (void *)(uintptr_t)o.version};
	if (o.status != 0) {
		(void)snprintf(
			text, 1024, "HTTP/1.1 %d Odd\r\nContent-Length: 0\r\n\r\n", o.status);
		return;
	}
	if (o.tag != NULL && field_of(request, "\nIf-None-Match:", have, sizeof(have)) &&
		strcmp(have, tag) == 0) {
		(void)snprintf(
			text, 1024, "HTTP/1.1 304 Same\r\nETag: %s\r\n%s\r\n", tag, o.fields);
		return;
	}
	if (range_of(request, &first, &last, tag)) {
		if (first >= o.total) {
			(void)snprintf(text, 1024,
				"HTTP/1.1 416 No\r\nContent-Length: 0\r\nContent-Range: bytes "
				"*/%llu\r\n\r\n",
				(unsigned long long)o.total);
			return;
		}
		n = snprintf(text, 1024, "HTTP/1.1 206 Part\r\n");
		if (o.parts)
			n += snprintf(text + n, 1024 - (size_t)n,
				"Content-Type: multipart/byteranges; boundary=b\r\n");
		else if (o.star)
			n += snprintf(text + n, 1024 - (size_t)n,
				"Content-Range: bytes %llu-%llu/*\r\n", (unsigned long long)first,
				(unsigned long long)last);
		else
			n += snprintf(text + n, 1024 - (size_t)n,
				"Content-Range: bytes %llu-%llu/%llu\r\n",
				(unsigned long long)first, (unsigned long long)last,
				(unsigned long long)o.total);
		if (first > o.first_max)
			o.first_max = first;
	} else {
		n = snprintf(text, 1024, "HTTP/1.1 200 OK\r\n");
	}
	if (o.tag != NULL)
		n += snprintf(text + n, 1024 - (size_t)n, "ETag: %s\r\n", tag);
	(void)snprintf(text + n, 1024 - (size_t)n, "Content-Length: %llu\r\n%s\r\n",
		(unsigned long long)(last - first + 1), o.fields);
	r->body_from = first;
	r->body_len = last - first + 1;
	r->cut_after = o.cut_after < r->body_len ? o.cut_after : 0;
	o.sent += r->body_len;
}

static void choose(
	struct http_world *hw, struct hw_conn *c, const char *request, struct hw_reply *r)
{
	(void)hw;
	o.asked++;
	(void)snprintf(o.last, sizeof(o.last), "%s", request);
	if (o.silent) {
		assert_true(o.owed_cnt < ARRAY_SIZE(o.owed));
		o.owed[o.owed_cnt++] = c;
		*r = (struct hw_reply){.then = HW_SILENT};
		return;
	}
	reply(request, r);
}

static void release(void)
{
	struct hw_reply r;

	o.silent = false;
	reply(o.last, &r);
	assert_int_equal(o.owed_cnt, 1);
	o.owed_cnt = 0;
	hw_answer(o.owed[0], &r);
	http_world_run(&h.hw, 50);
}

static void open_world(const char *cache, const char *memory)
{
	char routes[256], more[64];

	(void)snprintf(routes, sizeof(routes), "[{upstream: app, cache: {%s}}]", cache);
	(void)snprintf(more, sizeof(more), "cache: %s\n", memory);
	edge_world_open(&h, routes, more);
	h.hw.choose = choose;
	o = (struct origin){.total = 300000,
		.version = 1,
		.fields = "Cache-Control: max-age=60\r\nContent-Type: text/x\r\n",
		.tag = "\"v%u\""};
}

static int setup(void **state)
{
	(void)state;
	open_world("ranges: slice, slice: 64KiB", "16MiB");
	return 0;
}

static void version_is(const struct hw_conn *a, uint32_t version, uint64_t from, uint64_t len)
{
	body_is_of(a, from, len, fill, (void *)(uintptr_t)version);
}

static struct hw_conn *part(const char *range)
{
	char text[256];

	(void)snprintf(text, sizeof(text), GET("/x") "Range: %s\r\n", range);
	return edge_world_ask(&h, text);
}

static void is_part(const struct hw_conn *a, uint32_t version, uint64_t from, uint64_t len)
{
	char want[96];

	assert_int_equal(edge_status(a), 206);
	(void)snprintf(want, sizeof(want), "bytes %llu-%llu/%llu", (unsigned long long)from,
		(unsigned long long)(from + len - 1), (unsigned long long)o.total);
	says(a, "Content-Range", want);
	version_is(a, version, from, len);
}

/* RFC 9111 3.3: a 206 is stored as an incomplete 200, and answers what lies within it. */
static void a_part_is_fetched_and_kept(void **state)
{
	struct hw_conn *a;

	(void)state;
	a = part("bytes=70000-79999");
	is_part(a, 1, 70000, 10000);
	says(a, "Cache-Status", "weir; fwd=uri-miss; fwd-status=206; stored");
	assert_non_null(strcasestr(o.last, "\r\nRange: bytes=65536-131071\r\n"));
	assert_int_equal(o.asked, 1);
	a = part("bytes=65536-131071");
	is_part(a, 1, 65536, 65536);
	says(a, "Cache-Status", "weir; hit; ttl=60");
	assert_int_equal(o.asked, 1);
	a = part("bytes=290000-");
	is_part(a, 1, 290000, 10000);
	says(a, "Cache-Status", "weir; fwd=partial; fwd-status=206");
	assert_non_null(strcasestr(o.last, "\r\nIf-Range: \"v1\"\r\n"));
	assert_int_equal(o.asked, 2);
	is_part(part("bytes=-5"), 1, 299995, 5);
	assert_int_equal(o.asked, 2);
	assert_int_equal(stats()->parts, 1);
	assert_int_equal(stats()->partials, 1);
}

/* RFC 9111 3.4: the rest is fetched, and the combined response is a whole one. */
static void a_get_fills_the_holes(void **state)
{
	uint32_t extent = cache_extent_bytes(hcache_cache(h.w.app->hcache));
	struct hw_conn *a;

	(void)state;
	(void)part("bytes=100000-100001");
	(void)part("bytes=-1");
	o.sent = 0;
	a = edge_world_ask(&h, GET("/x"));
	assert_int_equal(edge_status(a), 200);
	says(a, "Content-Length", "300000");
	assert_null(edge_field(a, "Content-Range"));
	version_is(a, 1, 0, 300000);
	/* What was there is not fetched again. */
	assert_int_equal(o.sent, 300000 - 65536 - 300000 % extent);
	o.asked = 0;
	a = edge_world_ask(&h, GET("/x"));
	version_is(a, 1, 0, 300000);
	says(a, "Cache-Status", "weir; hit; ttl=60");
	assert_int_equal(o.asked, 0);
	a = edge_world_ask(&h, "HEAD /x HTTP/1.1\r\nHost: a.test\r\n");
	says(a, "Content-Length", "300000");
	assert_int_equal(o.asked, 0);
}

static void a_suffix_of_what_nobody_knows(void **state)
{
	(void)state;
	is_part(part("bytes=-10"), 1, 299990, 10);
	assert_int_equal(o.asked, 1);
	is_part(part("bytes=-65536"), 1, 234464, 65536);
	assert_int_equal(o.asked, 1);
	is_part(part("bytes=-100000"), 1, 200000, 100000);
	is_part(part("bytes=-1000000"), 1, 0, 300000);
}

/* RFC 9110 14.2, 15.3.7.2 */
static void several_parts(void **state)
{
	struct hw_conn *a = part("bytes=0-9, 250000-250004");
	char want[64];
	const char *at;

	(void)state;
	assert_int_equal(edge_status(a), 206);
	assert_memory_equal(edge_field(a, "Content-Type"), "multipart/byteranges; boundary=", 31);
	assert_int_equal(atoi(edge_field(a, "Content-Length")), edge_body_len(a));
	at = strstr(edge_body(a), "Content-Range: bytes 0-9/300000\r\n\r\n");
	assert_non_null(at);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(
			at[strlen("Content-Range: bytes 0-9/300000\r\n\r\n") + i], byte_of(1, i));
	(void)snprintf(want, sizeof(want), "Content-Range: bytes 250000-250004/300000\r\n\r\n");
	at = strstr(edge_body(a), want);
	assert_non_null(at);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_equal(at[strlen(want) + i], byte_of(1, 250000 + i));
	assert_int_equal(o.asked, 2);
}

/* RFC 9110 13.1.5, 15.3.7.2: several parts are asked for, and while the first one is fetched the
 * origin turns out to have another version: the answer is the whole, without heads of parts. */
static void several_parts_of_what_changed(void **state)
{
	struct hw_conn *a;

	(void)state;
	is_part(part("bytes=200000-200009"), 1, 200000, 10);
	o.version = 2;
	o.total = 5000;
	a = edge_world_ask(&h, GET("/x") "Range: bytes=0-9, 4000-4004\r\nIf-Range: \"v1\"\r\n");
	assert_int_equal(edge_status(a), 200);
	says(a, "Content-Length", "5000");
	says(a, "Content-Type", "text/x");
	version_is(a, 2, 0, 5000);
	/* And where one part of two is left. */
	edge_world_sleep(&h, 61);
	o.version = 3;
	o.total = 300000;
	is_part(part("bytes=200000-200009"), 3, 200000, 10);
	o.version = 4;
	o.total = 5000;
	is_part(part("bytes=10-19, 250000-250004"), 4, 10, 10);
}

/* RFC 9110 15.3.7.3: parts of two versions are never joined; the newer one replaces. */
static void a_new_version_replaces(void **state)
{
	struct hw_conn *a;

	(void)state;
	is_part(part("bytes=0-9"), 1, 0, 10);
	o.version = 2;
	/* The hole is before the answer's head: nobody is cut. */
	a = part("bytes=200000-200009");
	is_part(a, 2, 200000, 10);
	assert_int_equal(stats()->fetch_failures, 0);
	/* It came whole. */
	o.asked = 0;
	is_part(part("bytes=0-299999"), 2, 0, 300000);
	assert_int_equal(o.asked, 0);
	/* An origin that looks at Range alone. */
	edge_world_sleep(&h, 61);
	o.version = 3;
	is_part(part("bytes=200000-200009"), 3, 200000, 10);
	o.ignores_if = true;
	o.version = 4;
	is_part(part("bytes=100000-100009"), 4, 100000, 10);
	is_part(part("bytes=200000-200009"), 4, 200000, 10);
	/* The hole is in the middle: the answer is cut, and the next one is whole. */
	o.version = 5;
	a = part("bytes=100000-299999");
	assert_int_equal(edge_status(a), 206);
	assert_true(edge_body_len(a) < 200000);
	for (uint32_t i = 0; i < edge_body_len(a); i++)
		assert_int_equal(edge_body(a)[i], byte_of(4, 100000 + i));
	is_part(part("bytes=100000-299999"), 5, 100000, 200000);
}

/* Another length, same tag: not the same representation. */
static void a_new_length_replaces(void **state)
{
	(void)state;
	is_part(part("bytes=0-9"), 1, 0, 10);
	o.total = 400000;
	is_part(part("bytes=200000-200009"), 1, 200000, 10);
	is_part(part("bytes=0-9"), 1, 0, 10);
}

/* RFC 9111 3.4: without a strong validator nothing can be combined; the whole is fetched. */
static void no_strong_validator(void **state)
{
	static const char *const tags[] = {NULL, "W/\"v%u\""};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		o.tag = tags[i];
		o.asked = 0;
		o.version++;
		is_part(part("bytes=100000-100009"), o.version, 100000, 10);
		assert_int_equal(o.asked, 2);
		assert_null(strcasestr(o.last, "\r\nRange:"));
		is_part(part("bytes=0-299999"), o.version, 0, 300000);
		assert_int_equal(o.asked, 2);
		edge_world_sleep(&h, 61);
	}
}

/* RFC 9110 14.4 '*', 14.6: what does not say where it belongs is not kept. */
static void parts_that_cannot_be_placed(void **state)
{
	(void)state;
	o.star = true;
	is_part(part("bytes=100000-100009"), 1, 100000, 10);
	assert_null(strcasestr(o.last, "\r\nRange:"));
	edge_world_sleep(&h, 61);
	o.star = false;
	o.parts = true;
	o.version = 2;
	is_part(part("bytes=100000-100009"), 2, 100000, 10);
	assert_null(strcasestr(o.last, "\r\nRange:"));
}

/* RFC 9110 14.2: a server may ignore Range. */
static void an_origin_without_ranges(void **state)
{
	(void)state;
	o.no_ranges = true;
	is_part(part("bytes=100000-100009"), 1, 100000, 10);
	is_part(part("bytes=0-299999"), 1, 0, 300000);
	assert_int_equal(o.asked, 1);
}

/* All of it in one part is the whole (RFC 9110 15.3.7.3). */
static void a_part_that_is_all(void **state)
{
	struct hw_conn *a;

	(void)state;
	o.total = 5000;
	o.tag = NULL;
	is_part(part("bytes=0-9"), 1, 0, 10);
	a = edge_world_ask(&h, GET("/x"));
	assert_int_equal(edge_status(a), 200);
	assert_null(edge_field(a, "Content-Range"));
	version_is(a, 1, 0, 5000);
	assert_int_equal(o.asked, 1);
}

/* RFC 9110 15.5.17 */
static void unsatisfiable(void **state)
{
	struct hw_conn *a = part("bytes=300000-");

	(void)state;
	assert_int_equal(edge_status(a), 416);
	says(a, "Content-Range", "bytes */300000");
	/* It says nothing about other ranges. */
	is_part(part("bytes=0-9"), 1, 0, 10);
	o.asked = 0;
	assert_int_equal(edge_status(part("bytes=300000-")), 416);
	assert_int_equal(o.asked, 0);
}

static void not_storable(void **state)
{
	(void)state;
	o.fields = "Cache-Control: no-store\r\n";
	for (int i = 0; i < 2; i++) {
		is_part(part("bytes=100000-100009"), 1, 100000, 10);
		assert_non_null(strcasestr(o.last, "\r\nRange: bytes=100000-100009\r\n"));
	}
	assert_int_equal(o.asked, 3);
}

/* RFC 9110 13.1.5 */
static void if_range(void **state)
{
	struct hw_conn *a;

	(void)state;
	a = edge_world_ask(&h, GET("/x") "Range: bytes=70000-70009\r\nIf-Range: \"v1\"\r\n");
	is_part(a, 1, 70000, 10);
	a = edge_world_ask(&h, GET("/x") "Range: bytes=70000-70009\r\nIf-Range: \"v0\"\r\n");
	assert_int_equal(edge_status(a), 200);
	version_is(a, 1, 0, 300000);
}

/* RFC 9111 4.3: a stale part is validated like a whole response. */
static void stale_parts(void **state)
{
	struct hw_conn *a;

	(void)state;
	is_part(part("bytes=0-9"), 1, 0, 10);
	edge_world_sleep(&h, 61);
	a = part("bytes=10-19");
	is_part(a, 1, 10, 10);
	says(a, "Cache-Status", "weir; fwd=stale; fwd-status=304");
	assert_int_equal(o.asked, 2);
	edge_world_sleep(&h, 61);
	o.version = 2;
	is_part(part("bytes=10-19"), 2, 10, 10);
	assert_int_equal(o.asked, 3);
	is_part(part("bytes=0-9"), 2, 0, 10);
	assert_int_equal(o.asked, 3);
	assert_true(o.sent < 300000);
}

/* One fetch for all that want the slice, at first and for a hole. */
static void one_fetch_for_many(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++) {
		o.silent = true;
		o.asked = 0;
		for (int i = 0; i < 20; i++)
			(void)edge_world_begin(
				&h, round == 0 ? GET("/x") "Range: bytes=5-1004\r\n"
					       : GET("/x") "Range: bytes=200000-200999\r\n");
		assert_int_equal(o.asked, 1);
		release();
		assert_int_equal(o.asked, 1);
		for (int i = 0; i < 20; i++)
			is_part(&h.asks[i], 1, round == 0 ? 5 : 200000, 1000);
		edge_world_forget(&h);
	}
}

static void a_reader_that_leaves(void **state)
{
	struct hw_conn *a;

	(void)state;
	is_part(part("bytes=0-9"), 1, 0, 10);
	o.silent = true;
	a = edge_world_begin(&h, GET("/x") "Range: bytes=200000-200009\r\n");
	(void)edge_world_begin(&h, GET("/x") "Range: bytes=200000-200009\r\n");
	hw_reset(a);
	http_world_run(&h.hw, 2);
	release();
	is_part(&h.asks[2], 1, 200000, 10);
	assert_int_equal(o.asked, 2);
}

/* RFC 9111 4.2.4 and 5.2.1.7: what is not there is not made up. */
static void an_origin_that_fails(void **state)
{
	struct hw_conn *a;

	(void)state;
	is_part(part("bytes=0-9"), 1, 0, 10);
	o.status = 503;
	a = part("bytes=200000-200009");
	assert_int_equal(edge_status(a), 503);
	is_part(part("bytes=0-9"), 1, 0, 10);
	a = edge_world_ask(
		&h, GET("/x") "Range: bytes=200000-200009\r\nCache-Control: only-if-cached\r\n");
	assert_int_equal(edge_status(a), 504);
	o.status = 0;
	edge_world_sleep(&h, 2);
	is_part(part("bytes=200000-200009"), 1, 200000, 10);
	/* A connection that ends in the middle of a slice: it is asked for the rest. */
	o.cut_after = 40000;
	is_part(part("bytes=131072-136071"), 1, 131072, 5000);
	o.cut_after = 0;
	is_part(part("bytes=131072-196607"), 1, 131072, 65536);
}

static void gone_from_the_origin(void **state)
{
	(void)state;
	is_part(part("bytes=0-9"), 1, 0, 10);
	o.status = 404;
	assert_int_equal(edge_status(part("bytes=200000-200009")), 404);
	assert_int_equal(edge_status(part("bytes=0-9")), 404);
}

/* A purge in the middle: no byte from before it. */
static void purged(void **state)
{
	(void)state;
	is_part(part("bytes=0-9"), 1, 0, 10);
	assert_int_equal(purge_all(hcache_purge(h.w.app->hcache), false), 0);
	o.version = 2;
	o.tag = "\"same\"";
	is_part(part("bytes=200000-200009"), 2, 200000, 10);
	is_part(part("bytes=0-9"), 2, 0, 10);
}

/* Likewise an invalidation (RFC 9111 4.4), which finds variants by a mark alone. */
static void invalidated(void **state)
{
	(void)state;
	o.tag = "\"same\"";
	o.fields = "Cache-Control: max-age=60\r\nContent-Type: text/x\r\nVary: X-V\r\n";
	is_part(part("bytes=0-9"), 1, 0, 10);
	(void)edge_world_ask(&h, "POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n");
	o.version = 2;
	is_part(part("bytes=200000-200009"), 2, 200000, 10);
	is_part(part("bytes=0-9"), 2, 0, 10);
}

/* The whole comes for a part that is far behind what a fetch may be ahead of its reader. */
static void a_part_of_the_whole(void **state)
{
	(void)state;
	edge_world_close(&h);
	open_world("", "32MiB");
	o.total = 4000000;
	is_part(part("bytes=3900000-3900009"), 1, 3900000, 10);
	assert_int_equal(o.asked, 1);
	is_part(part("bytes=-10"), 1, 3999990, 10);
	is_part(part("bytes=0-9"), 1, 0, 10);
	assert_int_equal(o.asked, 1);
}

/* HC4. What comes for a slow leader is evicted by others before it is read. The leader fetches that
 * part and then reads on from the fill, which has waited: nothing is fetched a third time. A fill
 * that went on alone would be ahead of the memory's size at once, and all that is left of the
 * response be fetched twice. */
static void evicted_before_its_leader_reads(void **state)
{
	enum { OTHERS = 150 };
	const uint64_t total = 6 << 20;
	struct hw_conn *a;
	char request[128];

	(void)state;
	edge_world_close(&h);
	open_world("", "32MiB");
	o.total = total;
	a = edge_world_begin_slow(&h, GET("/x"));
	http_world_run(&h.hw, 100);
	o.total = 300000;
	for (int i = 0; i < OTHERS; i++) {
		(void)snprintf(request, sizeof(request), GET("/y%d"), i);
		version_is(edge_world_ask(&h, request), 1, 0, 300000);
	}
	assert_false(a->over);
	assert_int_equal(stats()->holes, 0);
	o.total = total;
	o.sent = 0;
	for (int ms = 0; ms < 20000 && !a->over; ms++) {
		hw_read(a, 64 << 10);
		http_world_run(&h.hw, 1);
	}
	version_is(a, 1, 0, total);
	assert_true(stats()->holes > 0);
	assert_in_range(o.sent, 1, 2 << 20);
	assert_true(stats()->bytes_fetched <= total + OTHERS * 300000 + (2 << 20));
}

static void pass_mode(void **state)
{
	(void)state;
	edge_world_close(&h);
	open_world("ranges: pass", "16MiB");
	is_part(part("bytes=5-9"), 1, 5, 5);
	assert_non_null(strcasestr(o.last, "\r\nRange: bytes=5-9\r\n"));
	is_part(part("bytes=5-9"), 1, 5, 5);
	assert_int_equal(o.asked, 2);
	(void)edge_world_ask(&h, GET("/x"));
	is_part(part("bytes=5-9"), 1, 5, 5);
	assert_int_equal(o.asked, 3);
}

/* ---- against a naive reference ---- */

struct client {
	struct hw_conn *a;
	uint64_t first, last;
	bool whole;
};

/* The answer is bytes of one version, those that were asked for; it may end early, but only if the
 * connection was cut, and where no version changed and no fault was it must not. */
static void check(const struct client *c, bool may_fail, uint32_t versions)
{
	uint32_t len = edge_body_len(c->a);
	int status = edge_status(c->a);
	const char *b = edge_body(c->a), *cr;
	uint64_t first = 0, last = 0, total = 0;
	uint32_t v = 0;

	if (!may_fail)
		assert_true(status == 200 || status == 206);
	if (status != 200 && status != 206)
		return;
	cr = edge_field(c->a, "Content-Range");
	assert_int_equal(cr != NULL, status == 206);
	if (cr != NULL) {
		assert_int_equal(sscanf(cr, "bytes %lu-%lu/%lu", &first, &last, &total), 3);
		assert_int_equal(first, c->first);
		assert_int_equal(last, c->last < total ? c->last : total - 1);
	} else {
		assert_true(c->whole);
		last = strtoull(edge_field(c->a, "Content-Length"), NULL, 10) - 1;
	}
	if (sscanf(edge_field(c->a, "ETag"), "\"v%u\"", &v) != 1)
		fail_msg("no tag");
	assert_in_range(v, 1, versions);
	/* Of an older one the rest may be gone. */
	if (!may_fail && v == versions)
		assert_int_equal(len, last - first + 1);
	assert_true(len <= last - first + 1);
	for (uint32_t i = 0; i < len; i++)
		if (b[i] != byte_of(v, first + i))
			fail_msg("byte %u of version %u is wrong", i, v);
}

/* Random ranges through a cache that is much smaller than the object, with versions that change and
 * an origin that fails now and then. */
static void at_random(void **state)
{
	uint64_t seed = test_seed();
	struct rng rng;

	(void)state;
	rng_seed(&rng, seed);
	edge_world_close(&h);
	open_world("ranges: slice, slice: 256KiB, error_ttl: 0s", "2MiB");
	o.total = 6 << 20;
	for (int round = 0; round < 60; round++) {
		struct client c[4];
		bool change = rng_below(&rng, 8) == 0, fault = rng_below(&rng, 8) == 0;
		uint32_t n = 1 + (uint32_t)rng_below(&rng, 4);

		o.cut_after = fault ? 1 + rng_below(&rng, 200000) : 0;
		for (uint32_t i = 0; i < n; i++) {
			char text[256];

			c[i].first = rng_below(&rng, (uint32_t)o.total);
			c[i].last = c[i].first + rng_below(&rng, 1 << (1 + rng_below(&rng, 20)));
			c[i].whole = rng_below(&rng, 16) == 0;
			if (c[i].whole)
				(void)snprintf(text, sizeof(text), GET("/x"));
			else
				(void)snprintf(text, sizeof(text),
					GET("/x") "Range: bytes=%lu-%lu\r\n", c[i].first,
					c[i].last);
			c[i].a = edge_world_begin(&h, text);
			if (change && i == 0)
				o.version++;
		}
		for (uint32_t i = 0; i < n; i++)
			for (int ms = 0; ms < 8000 && !c[i].a->over; ms++)
				http_world_run(&h.hw, 1);
		for (uint32_t i = 0; i < n; i++) {
			if (!c[i].a->over)
				fail_msg("round %d: %lu-%lu does not end: %u bytes", round,
					c[i].first, c[i].last, edge_body_len(c[i].a));
			check(&c[i], change || fault, o.version);
		}
		edge_world_forget(&h);
		/* A fill that this round broke is not the next one's. */
		for (int ms = 0; ms < 8000 && stats()->fetches > 0; ms++)
			http_world_run(&h.hw, 1);
		if (rng_below(&rng, 10) == 0)
			edge_world_sleep(&h, 61);
	}
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_asked),
		cmocka_unit_test(sizes),
		cmocka_unit_test(whole_extents),
		cmocka_unit_test(answers),
		TEST(a_part_is_fetched_and_kept),
		TEST(a_get_fills_the_holes),
		TEST(a_suffix_of_what_nobody_knows),
		TEST(several_parts),
		TEST(several_parts_of_what_changed),
		TEST(a_new_version_replaces),
		TEST(a_new_length_replaces),
		TEST(no_strong_validator),
		TEST(parts_that_cannot_be_placed),
		TEST(an_origin_without_ranges),
		TEST(a_part_that_is_all),
		TEST(unsatisfiable),
		TEST(not_storable),
		TEST(if_range),
		TEST(stale_parts),
		TEST(one_fetch_for_many),
		TEST(a_reader_that_leaves),
		TEST(an_origin_that_fails),
		TEST(gone_from_the_origin),
		TEST(purged),
		TEST(invalidated),
		TEST(a_part_of_the_whole),
		TEST(evicted_before_its_leader_reads),
		TEST(pass_mode),
		TEST(at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
