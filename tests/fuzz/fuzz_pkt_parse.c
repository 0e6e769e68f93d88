/* SPDX-License-Identifier: Apache-2.0
 * Any frame: no read beyond it, and what the parser accepts is consistent: offsets in order and in
 * the packet, flags that imply each other, addresses of the right family. The first two bytes of
 * the input cut the readable part, so that headers beyond the first segment are seen too. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/hdr.h"
#include "dataplane/net/pkt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_ports(const uint8_t *frame, uint32_t len, const struct pkt_meta *m)
{
	if (!(m->flags & PKT_F_PORTS)) {
		ASSERT(m->sport == 0 && m->dport == 0);
		return;
	}
	ASSERT(m->frag_off == 0);
	ASSERT(m->l4_off + 8u <= len);
	if (m->proto == PROTO_TCP || m->proto == PROTO_UDP) {
		ASSERT(load16(frame + m->l4_off) == m->sport);
		ASSERT(load16(frame + m->l4_off + 2) == m->dport);
	} else {
		ASSERT(m->sport == m->dport);
	}
}

static void check_ip(const uint8_t *frame, uint32_t len, uint32_t pkt_len, const struct pkt_meta *m)
{
	ASSERT(m->ip_ver == (m->kind == PKT_IP4 ? 4 : 6));
	ASSERT(frame[m->l3_off] >> 4 == m->ip_ver);
	ASSERT(m->l3_off + m->l3_len <= pkt_len);
	ASSERT(m->l4_off >= m->l3_off + (m->ip_ver == 4 ? IP4_HDR_LEN : IP6_HDR_LEN));
	ASSERT(m->l4_off <= len && m->l4_off <= m->l3_off + m->l3_len);
	ASSERT(frame[m->proto_off] == m->proto);
	ASSERT(ip_addr_is4(&m->src) == (m->ip_ver == 4));
	ASSERT(ip_addr_is4(&m->dst) == (m->ip_ver == 4));
	ASSERT(m->frag_off == 0 || (m->flags & PKT_F_FRAG));
	ASSERT(!(m->flags & PKT_F_FRAG_FIRST) || (m->flags & PKT_F_FRAG));
	ASSERT(!(m->flags & PKT_F_INNER_PORTS) || (m->flags & PKT_F_ICMP_ERROR));
	ASSERT(m->frag_hdr_off == 0 || m->ip_ver == 6);
	check_ports(frame, len, m);
	if (m->flags & PKT_F_ICMP_ERROR) {
		ASSERT(m->inner.l3_off == m->l4_off + ICMP_HDR_LEN);
		ASSERT(m->inner.l4_off + 8u <= len);
		ASSERT(m->inner.l4_off + 8u <= m->l3_off + (uint32_t)m->l3_len);
		ASSERT(ip_addr_is4(&m->inner.src) == (m->ip_ver == 4));
	}
}

/* A NAT's rewrite at the offsets given changes what it means to change, and nothing else. */
static void check_rewrite(uint8_t *frame, uint32_t len, uint32_t pkt_len, const struct pkt_meta *m)
{
	struct pkt_meta want = *m, got;
	uint8_t *l3 = frame + m->l3_off;
	uint32_t at = m->ip_ver == 4 ? 16 : 24, n = m->ip_ver == 4 ? 4 : 16;
	uint8_t *addr_at = m->ip_ver == 4 ? want.dst.b + 12 : want.dst.b;

	l3[at + n - 1] ^= 0x55;
	addr_at[n - 1] ^= 0x55;
	l3[m->ip_ver == 4 ? 8 : 7] = want.ttl = 9;
	if ((m->proto == PROTO_TCP || m->proto == PROTO_UDP) && (m->flags & PKT_F_PORTS)) {
		want.sport = (uint16_t)~m->sport;
		store16(frame + m->l4_off, want.sport);
	}
	memset(&got, 0, sizeof(got));
	if (m->ip_ver == 6 && m->dst.d[0] == 0)
		return; /* may have become an address that is refused */
	ASSERT(pkt_parse(frame, len, pkt_len, true, &got) == REASON_NONE);
	ASSERT(memcmp(&want, &got, sizeof(want)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pkt_meta m, again;
	uint32_t pkt_len, len;
	uint8_t *frame;

	if (size < 2 || size > 70000)
		return 0;
	pkt_len = (uint32_t)size - 2;
	len = load16(data) < pkt_len ? load16(data) : pkt_len;
	frame = malloc(len ? len : 1);
	if (!frame)
		return 0;
	memcpy(frame, data + 2, len);
	memset(&m, 0, sizeof(m));
	memset(&again, 0, sizeof(again));
	if (pkt_parse(frame, len, pkt_len, true, &m) == REASON_NONE) {
		if (m.kind == PKT_IP4 || m.kind == PKT_IP6)
			check_ip(frame, len, pkt_len, &m);
		/* Same bytes, same answer. */
		ASSERT(pkt_parse(frame, len, pkt_len, true, &again) == REASON_NONE);
		ASSERT(memcmp(&m, &again, sizeof(m)) == 0);
		if (m.kind == PKT_IP4 || m.kind == PKT_IP6)
			check_rewrite(frame, len, pkt_len, &m);
	}
	free(frame);
	return 0;
}
