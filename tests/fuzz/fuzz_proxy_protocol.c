/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as the start of a connection. A verdict must hold for what is cut or appended, and what
 * is accepted and written again must mean the same. */
#include <stdlib.h>
#include <string.h>

#include "lb/l7/proxy_proto.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void write_again(const struct proxy_header *h, enum proxy_version v)
{
	uint8_t buf[PROXY_WRITE_MAX];
	struct proxy_header back;
	uint32_t n = proxy_write(v, h, buf);

	require(n > 0 && n <= sizeof(buf));
	require(proxy_parse(buf, n, &back) == PROXY_OK && back.len == n && back.known);
	require(ip_addr_eq(&h->src, &back.src) && ip_addr_eq(&h->dst, &back.dst));
	require(h->sport == back.sport && h->dport == back.dport);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header h, part;
	/* A copy of its own length: reading beyond it is seen. */
	uint8_t *in = malloc(size > 0 ? size : 1);
	enum proxy_verdict v;

	if (in == NULL)
		return 0;
	memcpy(in, data, size);
	v = proxy_parse(in, (uint32_t)size, &h);
	if (v == PROXY_OK) {
		require(h.len > 0 && h.len <= size);
		require(proxy_parse(in, h.len, &part) == PROXY_OK && part.len == h.len);
		require(proxy_parse(in, h.len - 1, &part) == PROXY_MORE);
		if (h.known) {
			write_again(&h, PROXY_V1);
			write_again(&h, PROXY_V2);
		}
	} else if (v == PROXY_MORE) {
		require(size < PROXY_HEADER_MAX);
		require(proxy_parse(in, (uint32_t)(size / 2), &part) == PROXY_MORE);
	}
	free(in);
	return 0;
}
