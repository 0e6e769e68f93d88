/* SPDX-License-Identifier: Apache-2.0
 * TCP header and option parser on any bytes: stays inside, and reads back what the writers write.
 */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/tcp/hdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const uint8_t *data, size_t size)
{
	uint8_t buf[TCP_HDR_LEN + TCP_OPTS_MAX] = {0};
	struct tcp_syn_opts o = {0};
	struct tcp_in h;
	uint32_t n;

	if (size < 12)
		return;
	o.mss = load16(data);
	o.wscale = data[2];
	o.has_wscale = data[3] & 1;
	o.has_sack = data[3] & 2;
	o.has_ts = data[3] & 4;
	o.tsval = load32(data + 4);
	o.tsecr = load32(data + 8);
	n = tcp_opt_put_syn(buf + TCP_HDR_LEN, &o);
	ASSERT(n % 4 == 0 && n <= TCP_OPTS_MAX);
	buf[12] = (uint8_t)((TCP_HDR_LEN + n) << 2);
	ASSERT(tcp_hdr_parse(buf, TCP_HDR_LEN + n, &h) && !(h.opts & TCP_BAD_OPTS));
	ASSERT(h.mss == o.mss && ((h.opts & TCP_HAS_WSCALE) != 0) == o.has_wscale);
	ASSERT(((h.opts & TCP_HAS_SACK_OK) != 0) == o.has_sack);
	ASSERT(((h.opts & TCP_HAS_TS) != 0) == o.has_ts);
	ASSERT(!o.has_ts || (h.tsval == o.tsval && h.tsecr == o.tsecr));
	ASSERT(!o.has_wscale || h.wscale == o.wscale);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of exactly that size, so that reading beyond it is seen. */
	uint8_t *p = malloc(size == 0 ? 1 : size);
	struct tcp_in h;

	memcpy(p, data, size);
	if (tcp_hdr_parse(p, (uint32_t)size, &h)) {
		ASSERT(h.hdr_len >= TCP_HDR_LEN && h.hdr_len <= size && h.hdr_len <= 60);
		ASSERT(h.nsack <= TCP_MAX_SACK);
	} else {
		ASSERT(size < TCP_HDR_LEN || (p[12] >> 4) < 5 || (size_t)(p[12] >> 4) * 4 > size);
	}
	round_trip(p, size);
	free(p);
	return 0;
}
