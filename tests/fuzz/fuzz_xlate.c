/* SPDX-License-Identifier: Apache-2.0
 * Any packet to the other family: what comes out parses, its meta data is what the translation kept
 * along, a right checksum is right again; a refused packet is unchanged. */
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/build.h"
#include "dataplane/net/xlate.h"
#include "tests/support/eal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rte_mempool *pool;
static struct xlate to[2];

static void start_once(void)
{
	if (pool)
		return;
	test_eal_init();
	pool = test_pool_create("fuzz_xlate", 63);
	for (int i = 0; i < 2; i++) {
		to[i] = (struct xlate){
			.sport = BE16(8080), .dport = BE16(5555), .ttl = 63, .ip_id = 7};
		ASSERT(ip_addr_parse(i ? "2001:db8:1::9" : "10.0.0.9", &to[i].src) == 0);
		ASSERT(ip_addr_parse(i ? "2001:db8:1::60" : "192.0.2.60", &to[i].dst) == 0);
	}
}

static void check_result(struct rte_mbuf *m, const struct pkt_meta *pm)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	struct pkt_meta p;

	memset(&p, 0, sizeof(p));
	memset(frame, 2, 12);
	store_be16(frame + 12, pm->ip_ver == 4 ? ETH_IP4 : ETH_IP6);
	ASSERT(pkt_parse(frame, m->data_len, m->pkt_len, false, &p) == REASON_NONE);
	ASSERT(ip_addr_eq(&p.src, &pm->src) && ip_addr_eq(&p.dst, &pm->dst));
	ASSERT(p.sport == pm->sport && p.dport == pm->dport && p.flags == pm->flags);
	ASSERT(p.l4_off == pm->l4_off && p.l3_len == pm->l3_len && p.proto == pm->proto);
	ASSERT(p.frag_off == pm->frag_off && p.frag_id == pm->frag_id);
	ASSERT(p.frag_hdr_off == pm->frag_hdr_off && p.proto_off == pm->proto_off);
	ASSERT(p.ttl == pm->ttl && p.tos == pm->tos && p.icmp_type == pm->icmp_type);
	ASSERT(cksum_verify_rx(m, &p, false) == REASON_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t before[2048], after[2048];
	struct pkt_meta pm;
	struct rte_mbuf *m;
	uint32_t len;

	start_once();
	if (size < 14 || size > 1800)
		return 0;
	m = size & 1 ? test_mbuf_segs(pool, data, (uint32_t)size, 900)
		     : test_mbuf(pool, data, (uint32_t)size);
	if (pkt_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, m->pkt_len, true, &pm) ==
			REASON_NONE &&
		pm.ip_ver != 0 && pm.l3_off == ETH_HDR_LEN && !(pm.flags & PKT_F_L2_GROUP)) {
		cksum_fill_l4(m, &pm); /* the fuzzer is no good at checksums */
		len = test_mbuf_bytes(m, before, sizeof(before));
		if (xlate_packet(m, &pm, &to[pm.ip_ver == 4]) == REASON_NONE) {
			check_result(m, &pm);
		} else {
			ASSERT(test_mbuf_bytes(m, after, sizeof(after)) == len);
			ASSERT(memcmp(before, after, len) == 0);
		}
	}
	rte_pktmbuf_free(m);
	ASSERT(test_pool_used(pool) == 0);
	return 0;
}
