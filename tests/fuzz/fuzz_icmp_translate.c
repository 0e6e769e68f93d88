/* SPDX-License-Identifier: Apache-2.0
 * Any ICMP error through all four translations: the result parses as an error, verifies, carries
 * the new addresses and ports, and what pkt_parse() says of it is what the translation kept along.
 * A refused one is unchanged. First byte: 1 segment cut, 2 target family, 4 little headroom. */
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/build.h"
#include "dataplane/net/icmp.h"
#include "tests/support/eal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rte_mempool *pool;
static struct icmp_nat nat[2];

static void start_once(void)
{
	static const char *const text[2][4] = {
		{"192.0.2.50", "10.0.0.9", "10.0.0.9", "192.0.2.60"},
		{"2001:db8:1::50", "2001:db8:1::9", "2001:db8:1::9", "2001:db8:1::60"},
	};

	if (pool)
		return;
	test_eal_init();
	pool = test_pool_create("fuzz_icmp", 63);
	for (int i = 0; i < 2; i++) {
		struct icmp_nat *n = &nat[i];

		ASSERT(ip_addr_parse(text[i][0], &n->outer_src) == 0);
		ASSERT(ip_addr_parse(text[i][1], &n->outer_dst) == 0);
		ASSERT(ip_addr_parse(text[i][2], &n->inner_src) == 0);
		ASSERT(ip_addr_parse(text[i][3], &n->inner_dst) == 0);
		n->inner_sport = BE16(8080);
		n->inner_dport = BE16(5555);
		n->mtu4 = 1500;
		n->mtu6 = 1480;
	}
}

static void check_result(struct rte_mbuf *m, const struct pkt_meta *pm, const struct icmp_nat *to)
{
	struct pkt_meta p;
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

	ASSERT(pm->l3_off >= ETH_HDR_LEN);
	store_be16(frame + pm->l3_off - 2, pm->ip_ver == 4 ? ETH_IP4 : ETH_IP6);
	if (pm->l3_off == ETH_HDR_LEN)
		store_be16(frame + 12, pm->ip_ver == 4 ? ETH_IP4 : ETH_IP6);
	else
		store_be16(frame + 12, ETH_VLAN);
	if (pm->l3_off == ETH_HDR_LEN + 2 * VLAN_TAG_LEN)
		store_be16(frame + 16, ETH_VLAN);
	memset(&p, 0, sizeof(p));
	ASSERT(pkt_parse(frame, m->data_len, m->pkt_len, false, &p) == REASON_NONE);
	ASSERT(p.flags & PKT_F_ICMP_ERROR);
	ASSERT(p.ip_ver == pm->ip_ver && p.proto == pm->proto && p.l3_len == pm->l3_len);
	ASSERT(p.l4_off == pm->l4_off && p.inner.l3_off == pm->inner.l3_off);
	ASSERT(p.inner.l4_off == pm->inner.l4_off && p.inner.proto == pm->inner.proto);
	ASSERT(p.icmp_type == pm->icmp_type && p.icmp_code == pm->icmp_code);
	ASSERT(ip_addr_eq(&p.src, &to->outer_src) && ip_addr_eq(&p.dst, &to->outer_dst));
	ASSERT(ip_addr_eq(&p.inner.src, &to->inner_src));
	ASSERT(ip_addr_eq(&p.inner.dst, &to->inner_dst));
	if (p.flags & PKT_F_INNER_PORTS)
		ASSERT(p.inner.sport == to->inner_sport && p.inner.dport == pm->inner.dport);
	m->ol_flags = 0;
	ASSERT(cksum_verify_rx(m, &p, false) == REASON_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t flags, before[2048], after[2048];
	struct pkt_meta pm;
	struct rte_mbuf *m;
	uint32_t len;
	enum reason r;

	start_once();
	if (size < 20 || size > 1800)
		return 0;
	flags = data[0];
	data++;
	size--;
	m = flags & 1 ? test_mbuf_segs(pool, data, (uint32_t)size, 600)
		      : test_mbuf(pool, data, (uint32_t)size);
	if (pkt_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, m->pkt_len, true, &pm) ==
			REASON_NONE &&
		(pm.flags & PKT_F_ICMP_ERROR)) {
		if (flags & 4 && m->nb_segs == 1) {
			m->data_off = 4;
			memcpy(rte_pktmbuf_mtod(m, void *), data, size);
		}
		cksum_fill_l4(m, &pm); /* the fuzzer is no good at checksums */
		len = test_mbuf_bytes(m, before, sizeof(before));
		r = icmp_translate(m, &pm, &nat[!!(flags & 2)]);
		if (r == REASON_NONE) {
			check_result(m, &pm, &nat[!!(flags & 2)]);
		} else {
			ASSERT(test_mbuf_bytes(m, after, sizeof(after)) == len);
			ASSERT(memcmp(before, after, len) == 0);
		}
	}
	rte_pktmbuf_free(m);
	ASSERT(test_pool_used(pool) == 0);
	return 0;
}
