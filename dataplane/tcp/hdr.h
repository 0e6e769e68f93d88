/* SPDX-License-Identifier: Apache-2.0
 * tcp hdr - read and write TCP headers and options.
 * Owner:  none, pure functions.   Units: host order in the struct, network order on the wire.
 * Errors: a header that contradicts itself is refused (BAD); options that do are read up to the
 *         first bad one, as RFC 9293 3.1 asks, and reported.
 * Cost:   one pass; the layout NOP NOP Timestamps is recognised at once. */
#ifndef DATAPLANE_TCP_HDR_H
#define DATAPLANE_TCP_HDR_H

#include "dataplane/net/hdr.h"

#define TCP_OPTS_MAX 40
#define TCP_MAX_SACK 4

enum tcp_hdr_opt {
	TCP_HAS_MSS = 1,
	TCP_HAS_WSCALE = 2,
	TCP_HAS_SACK_OK = 4,
	TCP_HAS_TS = 8,
	TCP_BAD_OPTS = 16, /* malformed: what follows the bad option was not read */
};

struct tcp_in {
	uint32_t seq, ack;
	uint32_t len; /* payload bytes; set by the caller */
	uint16_t wnd, mss;
	uint8_t flags, opts; /* enum tcp_hdr_opt */
	uint8_t wscale, nsack;
	uint8_t hdr_len;
	bool ce; /* IP says congestion experienced; set by the caller */
	uint32_t tsval, tsecr;
	uint32_t sack[TCP_MAX_SACK][2];
};

/* Parse the TCP header at p with `avail` readable bytes. false: shorter than its data offset says,
 * or the data offset is below 5. */
bool tcp_hdr_parse(const uint8_t *p, uint32_t avail, struct tcp_in *h);

/* Writers for options; each returns the bytes written, padded with NOP to 4. */
uint32_t tcp_opt_put_ts(uint8_t *p, uint32_t tsval, uint32_t tsecr);
uint32_t tcp_opt_put_sack(uint8_t *p, const uint32_t blocks[][2], uint32_t n);

struct tcp_syn_opts {
	uint16_t mss;
	uint8_t wscale;
	bool has_wscale, has_sack, has_ts;
	uint32_t tsval, tsecr;
};

uint32_t tcp_opt_put_syn(uint8_t *p, const struct tcp_syn_opts *o);

#endif
