/* SPDX-License-Identifier: Apache-2.0
 * edge_test - what the tests of the cache in the whole application share: the world, which each
 * test's setup opens, and what is looked for in answers. Behind <cmocka.h>. */
#ifndef TESTS_UNIT_HCACHE_EDGE_TEST_H
#define TESTS_UNIT_HCACHE_EDGE_TEST_H

#include "lb/app_pvt.h"
#include "lb/l7/cache/hcache.h"
#include "lb/l7/http/http.h"
#include "lb/l7/worker.h"
#include "tests/support/edge_world.h"

#define GET(path)       "GET " path " HTTP/1.1\r\nHost: a.test\r\n"
#define OK(fields, len) "HTTP/1.1 200 OK\r\nContent-Length: " len "\r\n" fields "\r\n"

static struct edge_world h;

static inline int teardown(void **state)
{
	(void)state;
	edge_world_close(&h);
	return 0;
}

static inline const struct hcache_worker *cache_worker_0(void)
{
	return http_worker_cache(hw_worker(&h.hw));
}

static inline const struct hcache_stats *stats(void)
{
	return hcache_worker_stats(cache_worker_0());
}

static inline void says(const struct hw_conn *a, const char *field, const char *want)
{
	const char *got = edge_field(a, field);

	if (got == NULL || strcmp(got, want) != 0)
		fail_msg("%s: got \"%s\", want \"%s\"\n%.400s", field, got != NULL ? got : "(none)",
			want, a->text != NULL ? a->text : "");
}

/* len bytes of a body that `fill` makes, from its byte `from` on. */
static inline void body_is_of(
	const struct hw_conn *a, uint64_t from, uint64_t len, hw_fill_fn fill, void *ctx)
{
	const char *b = edge_body(a);
	char want[4096];

	assert_int_equal(edge_body_len(a), len);
	for (uint64_t at = 0; at < len; at += sizeof(want)) {
		uint32_t n = (uint32_t)(len - at < sizeof(want) ? len - at : sizeof(want));

		fill(ctx, from + at, want, n);
		for (uint32_t i = 0; i < n; i++)
			if (b[at + i] != want[i])
				fail_msg("byte %llu of %llu is wrong", (unsigned long long)(at + i),
					(unsigned long long)len);
	}
}

/* The same of the pattern. */
static inline void body_is(const struct hw_conn *a, uint64_t from, uint64_t len)
{
	body_is_of(a, from, len, hw_fill_pattern, NULL);
}

#endif
