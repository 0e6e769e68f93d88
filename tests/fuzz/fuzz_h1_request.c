/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a request: the verdict must not depend on how they are cut or on what is behind
 * them; what is accepted is written, read again and written again, and means and is the same. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/h1_run.h"

static void written_means_the_same(struct h1_result *r, bool secure)
{
	const struct h1_request_opts opts = {.close = !r->head.keep_alive};
	uint32_t cap = 65536;
	char *one = malloc(cap), *two = malloc(cap);
	struct h1_result back;
	struct h1_limits lim = h1_limits_default;
	struct h1_case c = {.kind = H1_REQUEST, .bytes = one, .secure = secure, .lim = &lim};
	int n, m;

	H1_REQUIRE(one != NULL && two != NULL);
	lim.underscores = H1_UNDERSCORES_PASS;
	if (r->head.host.len == 0)
		r->head.host = SPAN("none");
	n = h1_request_write(&r->head, &opts, one, cap);
	H1_REQUIRE(n > 0);
	c.len = (uint32_t)n;
	h1_run_whole(&c, &back);
	H1_REQUIRE(back.verdict == H1_OK && back.head_len == (uint32_t)n);
	H1_REQUIRE(back.head.method == r->head.method);
	H1_REQUIRE(span_eq(back.head.method_text, r->head.method_text));
	H1_REQUIRE(span_eq(back.head.host, r->head.host) && back.head.port == r->head.port);
	H1_REQUIRE(span_eq(back.head.path, r->head.path));
	H1_REQUIRE(back.head.has_query == r->head.has_query);
	H1_REQUIRE(span_eq(back.head.query, r->head.query));
	H1_REQUIRE(back.head.framing == r->head.framing && back.head.length == r->head.length);
	H1_REQUIRE(back.head.upgrade == r->head.upgrade);
	H1_REQUIRE(back.head.keep_alive == r->head.keep_alive);
	H1_REQUIRE(back.head.expect_continue == r->head.expect_continue);
	H1_REQUIRE(back.head.te_trailers == r->head.te_trailers);
	m = h1_request_write(&back.head, &opts, two, cap);
	H1_REQUIRE(m == n && memcmp(one, two, (size_t)n) == 0);
	h1_result_free(&back);
	free(one);
	free(two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct h1_limits lim = h1_limits_default;
	struct h1_case c = {.kind = H1_REQUEST, .lim = &lim};
	struct h1_result r;

	if (size < 1 || size > 2048)
		return 0;
	c.secure = (data[0] & 1) != 0;
	lim.underscores = (enum h1_underscores)(data[0] >> 1 & 3) % 3;
	if ((data[0] & 8) != 0) {
		lim.head_bytes = 200;
		lim.field_bytes = 50;
		lim.target_bytes = 40;
		lim.fields = 5;
	}
	c.bytes = (const char *)data + 1;
	c.len = (uint32_t)size - 1;
	h1_run_all_ways(&c, &r);
	if (r.verdict == H1_OK) {
		H1_REQUIRE(r.head_len <= c.len && r.head.field_cnt <= LIMIT_HTTP_FIELDS);
		written_means_the_same(&r, c.secure);
	}
	h1_result_free(&r);
	return 0;
}
