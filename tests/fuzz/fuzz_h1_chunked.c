/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a chunked body: steps of every size give the same payload and end; what is accepted
 * and written again as chunks gives the payload back. */
#include <stdlib.h>
#include <string.h>

#include "tests/support/h1_run.h"

static void written_gives_the_payload_back(const struct h1_body_result *r)
{
	char *buf = malloc(r->len * (H1_CHUNK_HEAD_MAX + 3) + 64);
	struct h1_body_result back;
	uint32_t n = 0;

	H1_REQUIRE(buf != NULL);
	for (uint32_t at = 0, len = 1; at < r->len; at += len, len = len * 2 + 1) {
		if (len > r->len - at)
			len = r->len - at;
		n += h1_chunk_write(len, buf + n);
		memcpy(buf + n, r->data + at, len);
		memcpy(buf + n + len, "\r\n", 2);
		n += len + 2;
	}
	memcpy(buf + n, H1_LAST_CHUNK, 5);
	n += 5;
	h1_body_run(HTTP_BODY_STREAM, 0, NULL, buf, n, 0, &back);
	H1_REQUIRE(back.verdict == H1_OK && back.used == n && back.len == r->len);
	H1_REQUIRE(memcmp(back.data, r->data, r->len) == 0);
	h1_body_result_free(&back);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct h1_limits lim = h1_limits_default;
	struct h1_body_result r;

	if (size < 1 || size > 512)
		return 0;
	lim.chunk_ext_bytes = data[0];
	lim.trailer_bytes = 16u + data[0];
	lim.trailer_fields = data[0] & 7;
	h1_body_run_all_ways(
		HTTP_BODY_STREAM, 0, &lim, (const char *)data + 1, (uint32_t)size - 1, &r);
	if (r.verdict == H1_OK)
		written_gives_the_payload_back(&r);
	h1_body_result_free(&r);
	return 0;
}
