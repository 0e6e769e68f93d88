/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a response to any method: cut in every way the verdict is the same; what is accepted
 * is written for clients of both versions, read again, and frames the same body. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/h1_run.h"

static void client_reads_the_same(
	const struct h1_case *c, const struct h1_result *r, uint8_t version, bool keep_alive)
{
	struct h1_response_plan plan = h1_response_plan(&r->head, c->method, version, keep_alive);
	uint32_t cap = 65536;
	char *buf = malloc(cap);
	struct h1_case again = *c;
	struct h1_result back;
	int n;

	H1_REQUIRE(buf != NULL);
	n = h1_response_write(&r->head, &plan, c->method, version, buf, cap);
	H1_REQUIRE(n > 0);
	again.bytes = buf;
	again.len = (uint32_t)n;
	h1_run_whole(&again, &back);
	H1_REQUIRE(back.verdict == H1_OK && back.head_len == (uint32_t)n);
	H1_REQUIRE(back.head.status == r->head.status);
	H1_REQUIRE(back.head.framing == plan.framing);
	if (plan.framing == HTTP_BODY_LENGTH)
		H1_REQUIRE(back.head.length == r->head.length);
	if (r->head.status >= 200 && plan.framing != HTTP_BODY_TUNNEL)
		H1_REQUIRE(back.head.keep_alive == plan.keep_alive);
	h1_result_free(&back);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct h1_case c = {.kind = H1_RESPONSE};
	struct h1_result r;

	if (size < 1 || size > 2048)
		return 0;
	c.upgrade = (data[0] & 1) != 0;
	c.method = (enum http_method)((data[0] >> 1 & 15) % (HTTP_OTHER + 1));
	c.bytes = (const char *)data + 1;
	c.len = (uint32_t)size - 1;
	h1_run_all_ways(&c, &r);
	if (r.verdict == H1_OK) {
		H1_REQUIRE(r.head_len <= c.len);
		client_reads_the_same(&c, &r, 11, true);
		client_reads_the_same(&c, &r, 11, false);
		client_reads_the_same(&c, &r, 10, true);
	}
	h1_result_free(&r);
	return 0;
}
