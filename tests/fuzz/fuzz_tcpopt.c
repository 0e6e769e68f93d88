/* SPDX-License-Identifier: Apache-2.0
 * Any options: found inside the header or refused, and a clamp or an insertion keeps the checksum
 * right. Input: MSS limit (2), client port (2), flags (1), options (up to 40), payload. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/build.h"
#include "dataplane/net/tcpopt.h"
#include "tests/support/eal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rte_mempool *pool;

static void check_find(const uint8_t *opts, uint32_t n)
{
	uint8_t *tcp = calloc(1, TCP_HDR_LEN + n);

	if (!tcp)
		return;
	tcp[12] = (uint8_t)((TCP_HDR_LEN + n) << 2);
	memcpy(tcp + TCP_HDR_LEN, opts, n);
	for (unsigned kind = 2; kind < 256; kind++) {
		int at = tcpopt_find(tcp, (uint8_t)kind);

		if (at > 0)
			ASSERT(tcp[at] == kind && tcp[at + 1] >= 2 &&
				(uint32_t)at + tcp[at + 1] <= TCP_HDR_LEN + n);
	}
	free(tcp);
}

static void check_right(struct rte_mbuf *m, struct pkt_meta *pm)
{
	ASSERT(pkt_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len, m->pkt_len, false, pm) ==
		REASON_NONE);
	ASSERT(cksum_verify_rx(m, pm, false) == REASON_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t mac[6] = {2};
	struct net_if nif = {.mac = {2, 1}};
	struct ip_addr a, b;
	struct pkt_meta pm;
	struct rte_mbuf *m;
	uint8_t buf[2048], *p, flags;
	uint16_t max, port, payload;
	uint8_t opts;

	if (!pool) {
		test_eal_init();
		pool = test_pool_create("fuzz_tcpopt", 15);
	}
	if (size < 5 || size > 1000)
		return 0;
	max = load16(data);
	port = load16(data + 2);
	flags = data[4];
	data += 5;
	size -= 5;
	opts = (uint8_t)((size < 40 ? size : 40) & ~3u);
	payload = (uint16_t)(size - opts);
	check_find(data, opts);
	ASSERT(ip_addr_parse(flags & 1 ? "2001:db8::1" : "192.0.2.1", &a) == 0);
	ASSERT(ip_addr_parse(flags & 2 ? "2001:db8::2" : "192.0.2.2", &b) == 0);
	struct build_ip ip = {.src = &a,
		.dst = &a,
		.proto = PROTO_TCP,
		.ttl = 9,
		.payload_len = (uint16_t)(TCP_HDR_LEN + opts + payload)};
	struct build_tcp t = {port, max, 1, 2, 3, TCP_SYN, opts};
	struct cksum_tx tx = {14, build_ip_len(&a), ip.payload_len, PROTO_TCP};

	p = build_eth(buf, &nif, mac, flags & 1 ? ETH_IP6 : ETH_IP4);
	p = build_ip(p, &ip);
	p = build_tcp(p, &t);
	memcpy(p, data, size);
	m = test_mbuf(pool, buf, (uint32_t)(p - buf) + (uint32_t)size);
	cksum_prepare_tx(m, &tx, &nif);
	check_right(m, &pm);
	if (tcpopt_clamp_mss(rte_pktmbuf_mtod_offset(m, uint8_t *, pm.l4_off), max) >= 0)
		check_right(m, &pm);
	if (tcpopt_insert_toa(m, &pm, &b, port) == 0) {
		uint16_t l3_len = pm.l3_len;

		check_right(m, &pm);
		ASSERT(pm.l3_len == l3_len);
	}
	rte_pktmbuf_free(m);
	return 0;
}
