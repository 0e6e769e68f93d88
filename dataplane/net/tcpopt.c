/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/net/tcpopt.h"

#include <errno.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/cksum.h"

static uint32_t header_len(const uint8_t *tcp)
{
	return (uint32_t)(tcp[12] >> 4) * 4;
}

int tcpopt_find(const uint8_t *tcp, uint8_t kind)
{
	uint32_t end = header_len(tcp), i = TCP_HDR_LEN;

	while (i < end && tcp[i] != TCPOPT_END) {
		if (tcp[i] == TCPOPT_NOP) {
			i++;
			continue;
		}
		if (i + 1 >= end || tcp[i + 1] < 2 || i + tcp[i + 1] > end)
			return -EINVAL;
		if (tcp[i] == kind)
			return (int)i;
		i += tcp[i + 1];
	}
	return 0;
}

int tcpopt_clamp_mss(uint8_t *tcp, uint16_t max)
{
	struct tcp_hdr *h = (struct tcp_hdr *)tcp;
	int at = tcpopt_find(tcp, TCPOPT_MSS);
	uint16_t mss;
	uint64_t diff;

	if (at <= 0)
		return at;
	if (tcp[at + 1] != TCPOPT_MSS_LEN)
		return -EINVAL;
	mss = load_be16(tcp + at + 2);
	if (mss <= max)
		return 0;
	store_be16(tcp + at + 2, max);
	/* At an odd offset the two bytes belong to different words: their order is turned. */
	diff = at & 1 ? cksum_diff16(0, mss, max) : cksum_diff16(0, BE16(mss), BE16(max));
	h->cksum = cksum_apply(h->cksum, diff);
	return 1;
}

/* Add `len` to the length of the IP header at l3. */
static void ip_grow(uint8_t *l3, uint8_t ver, uint8_t len)
{
	struct ip4_hdr *h4 = (struct ip4_hdr *)l3;
	struct ip6_hdr *h6 = (struct ip6_hdr *)l3;
	uint16_t old;

	if (ver == 6) {
		h6->payload_len_be = BE16(BE16(h6->payload_len_be) + len);
		return;
	}
	old = h4->total_len_be;
	h4->total_len_be = BE16(BE16(old) + len);
	h4->cksum = cksum_apply(h4->cksum, cksum_diff16(0, old, h4->total_len_be));
}

int tcpopt_insert(struct rte_mbuf *m, struct pkt_meta *pm, const uint8_t *opt, uint8_t len)
{
	uint32_t head = (uint32_t)pm->l4_off + TCP_HDR_LEN;
	uint8_t *tcp = rte_pktmbuf_mtod_offset(m, uint8_t *, pm->l4_off), *frame;
	uint32_t l4_len = (uint32_t)pm->l3_off + pm->l3_len - pm->l4_off;
	uint16_t old_off;
	uint64_t diff;
	struct tcp_hdr *h;

	ASSERT_DBG(len % 4 == 0);
	if (pm->proto != PROTO_TCP || (pm->flags & PKT_F_FRAG))
		return -EINVAL;
	if (header_len(tcp) + len > TCP_HDR_MAX)
		return -ENOSPC;
	if (pm->l3_len + (uint32_t)len > UINT16_MAX)
		return -EMSGSIZE;
	frame = (uint8_t *)rte_pktmbuf_prepend(m, len);
	if (!frame)
		return -ENOSPC;
	memmove(frame, frame + len, head);
	memcpy(frame + head, opt, len);
	tcp = frame + pm->l4_off;
	h = (struct tcp_hdr *)tcp;
	old_off = load16(tcp + 12);
	h->off = (uint8_t)(h->off + (len << 2));
	diff = cksum_diff16(0, old_off, load16(tcp + 12));
	diff = cksum_diff32(diff, BE32(l4_len), BE32(l4_len + len)); /* pseudo header */
	diff = cksum_add(diff, opt, len);
	h->cksum = cksum_apply(h->cksum, diff);
	ip_grow(frame + pm->l3_off, pm->ip_ver, len);
	pm->l3_len = (uint16_t)(pm->l3_len + len);
	return 0;
}

int tcpopt_insert_toa(
	struct rte_mbuf *m, struct pkt_meta *pm, const struct ip_addr *client, uint16_t port_be)
{
	uint8_t opt[TCPOPT_TOA6_LEN] = {TCPOPT_TOA, tcpopt_toa_len(client)};

	store16(opt + 2, port_be);
	if (ip_addr_is4(client))
		store32(opt + 4, client->w[3]);
	else
		memcpy(opt + 4, client, 16);
	return tcpopt_insert(m, pm, opt, opt[1]);
}
