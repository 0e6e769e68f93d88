/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/tcp/hdr.h"

enum {
	KIND_END = 0,
	KIND_NOP = 1,
	KIND_MSS = 2,
	KIND_WSCALE = 3,
	KIND_SACK_OK = 4,
	KIND_SACK = 5,
	KIND_TS = 8
};

#define NOP_NOP_TS 0x0101080au

/* One option of `len` bytes, header included. false: its length is not what its kind demands. */
static bool parse_option(const uint8_t *p, uint8_t len, struct tcp_in *h)
{
	switch (p[0]) {
	case KIND_MSS:
		if (len != 4)
			return false;
		h->mss = load_be16(p + 2);
		h->opts |= TCP_HAS_MSS;
		return true;
	case KIND_WSCALE:
		if (len != 3)
			return false;
		h->wscale = p[2];
		h->opts |= TCP_HAS_WSCALE;
		return true;
	case KIND_SACK_OK:
		if (len != 2)
			return false;
		h->opts |= TCP_HAS_SACK_OK;
		return true;
	case KIND_SACK:
		if (len < 10 || (len - 2) % 8 != 0)
			return false;
		h->nsack = (uint8_t)((len - 2) / 8);
		if (h->nsack > TCP_MAX_SACK)
			h->nsack = TCP_MAX_SACK;
		for (int i = 0; i < h->nsack; i++) {
			h->sack[i][0] = load_be32(p + 2 + 8 * i);
			h->sack[i][1] = load_be32(p + 6 + 8 * i);
		}
		return true;
	case KIND_TS:
		if (len != 10)
			return false;
		h->tsval = load_be32(p + 2);
		h->tsecr = load_be32(p + 6);
		h->opts |= TCP_HAS_TS;
		return true;
	default:
		return true;
	}
}

static void parse_options(const uint8_t *p, uint32_t len, struct tcp_in *h)
{
	uint32_t i = 0;

	if (len == 12 && load_be32(p) == NOP_NOP_TS) {
		h->tsval = load_be32(p + 4);
		h->tsecr = load_be32(p + 8);
		h->opts |= TCP_HAS_TS;
		return;
	}
	while (i < len && p[i] != KIND_END) {
		if (p[i] == KIND_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= len || p[i + 1] < 2 || p[i + 1] > len - i ||
			!parse_option(p + i, p[i + 1], h)) {
			h->opts |= TCP_BAD_OPTS;
			return;
		}
		i += p[i + 1];
	}
}

bool tcp_hdr_parse(const uint8_t *p, uint32_t avail, struct tcp_in *h)
{
	uint32_t hdr_len;

	if (avail < TCP_HDR_LEN)
		return false;
	hdr_len = (uint32_t)(p[12] >> 4) * 4;
	if (hdr_len < TCP_HDR_LEN || hdr_len > avail)
		return false;
	h->seq = load_be32(p + 4);
	h->ack = load_be32(p + 8);
	h->flags = p[13];
	h->wnd = load_be16(p + 14);
	h->hdr_len = (uint8_t)hdr_len;
	h->opts = 0;
	h->nsack = 0;
	h->mss = 0;
	h->wscale = 0;
	h->tsval = h->tsecr = 0;
	if (hdr_len > TCP_HDR_LEN)
		parse_options(p + TCP_HDR_LEN, hdr_len - TCP_HDR_LEN, h);
	return true;
}

uint32_t tcp_opt_put_ts(uint8_t *p, uint32_t tsval, uint32_t tsecr)
{
	store_be32(p, NOP_NOP_TS);
	store_be32(p + 4, tsval);
	store_be32(p + 8, tsecr);
	return 12;
}

uint32_t tcp_opt_put_sack(uint8_t *p, const uint32_t blocks[][2], uint32_t n)
{
	p[0] = p[1] = KIND_NOP;
	p[2] = KIND_SACK;
	p[3] = (uint8_t)(2 + 8 * n);
	for (uint32_t i = 0; i < n; i++) {
		store_be32(p + 4 + 8 * i, blocks[i][0]);
		store_be32(p + 8 + 8 * i, blocks[i][1]);
	}
	return 4 + 8 * n;
}

uint32_t tcp_opt_put_syn(uint8_t *p, const struct tcp_syn_opts *o)
{
	uint32_t n = 4;

	p[0] = KIND_MSS;
	p[1] = 4;
	store_be16(p + 2, o->mss);
	if (o->has_ts) {
		/* SACK-permitted takes the place of the two NOPs before the timestamp. */
		p[n] = o->has_sack ? KIND_SACK_OK : KIND_NOP;
		p[n + 1] = o->has_sack ? 2 : KIND_NOP;
		p[n + 2] = KIND_TS;
		p[n + 3] = 10;
		store_be32(p + n + 4, o->tsval);
		store_be32(p + n + 8, o->tsecr);
		n += 12;
	} else if (o->has_sack) {
		p[n] = p[n + 1] = KIND_NOP;
		p[n + 2] = KIND_SACK_OK;
		p[n + 3] = 2;
		n += 4;
	}
	if (o->has_wscale) {
		p[n] = KIND_NOP;
		p[n + 1] = KIND_WSCALE;
		p[n + 2] = 3;
		p[n + 3] = o->wscale;
		n += 4;
	}
	return n;
}
