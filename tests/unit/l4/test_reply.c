/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/net/build.h"
#include "lb/l4/reply.h"
#include "tests/support/eal.h"
#include "tests/support/l4.h"

static struct rte_mempool *pool;
static const struct net_if nif = {.mtu = 1500, .mac = {2, 0, 0, 0, 0, 1}};

static struct rte_mbuf *segment(
	bool v6, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t payload, struct pkt_meta *pm)
{
	uint8_t buf[512] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9}, *p = buf + ETH_HDR_LEN;
	struct ip_addr src = ip(v6 ? "2001:db8::5" : "203.0.113.5"),
		       dst = ip(v6 ? "2001:db8::80" : "198.51.100.1");
	struct build_ip b = {.src = &src,
		.dst = &dst,
		.payload_len = (uint16_t)(TCP_HDR_LEN + payload),
		.proto = PROTO_TCP,
		.ttl = 9};
	struct build_tcp t = {.sport_be = BE16(5555),
		.dport_be = BE16(80),
		.seq = seq,
		.ack = ack,
		.flags = flags};

	store_be16(buf + 12, v6 ? ETH_IP6 : ETH_IP4);
	p = build_tcp(build_ip(p, &b), &t) + payload;
	assert_int_equal(
		pkt_parse(buf, (uint32_t)(p - buf), (uint32_t)(p - buf), false, pm), REASON_NONE);
	return test_mbuf(pool, buf, (uint32_t)(p - buf));
}

struct rst {
	uint8_t flags;
	uint32_t seq, ack;
};

static struct rst answer(bool v6, uint8_t flags, uint32_t seq, uint32_t ack, uint16_t payload)
{
	struct pkt_meta pm, rm;
	struct rte_mbuf *m = segment(v6, flags, seq, ack, payload, &pm);
	struct rte_mbuf *r = l4_reply_rst(m, &pm, &nif, pool);
	const struct tcp_hdr *tcp;
	struct rst out;

	assert_non_null(r);
	assert_int_equal(pkt_parse(rte_pktmbuf_mtod(r, const uint8_t *), r->data_len, r->pkt_len,
				 false, &rm),
		REASON_NONE);
	assert_int_equal(cksum_verify_rx(r, &rm, false), REASON_NONE);
	assert_memory_equal(
		rte_pktmbuf_mtod(r, const uint8_t *), rte_pktmbuf_mtod(m, uint8_t *) + 6, 6);
	assert_memory_equal(rte_pktmbuf_mtod(r, const uint8_t *) + 6, nif.mac, 6);
	assert_true(ip_addr_eq(&rm.src, &pm.dst));
	assert_true(ip_addr_eq(&rm.dst, &pm.src));
	assert_int_equal(rm.sport, pm.dport);
	assert_int_equal(rm.dport, pm.sport);
	tcp = rte_pktmbuf_mtod_offset(r, const struct tcp_hdr *, rm.l4_off);
	out = (struct rst){tcp->flags, BE32(tcp->seq_be), BE32(tcp->ack_be)};
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(r);
	return out;
}

static void a_reset_is_one_the_client_accepts(void **state)
{
	(void)state;
	for (int v6 = 0; v6 < 2; v6++) {
		struct rst r = answer(v6, TCP_SYN, 1000, 0, 0);

		assert_int_equal(r.flags, TCP_RST | TCP_ACK);
		assert_int_equal(r.seq, 0);
		assert_int_equal(r.ack, 1001);
		r = answer(v6, TCP_ACK, 1000, 7777, 100);
		assert_int_equal(r.flags, TCP_RST);
		assert_int_equal(r.seq, 7777);
		r = answer(v6, TCP_SYN, 0xffffffff, 0, 10);
		assert_int_equal(r.flags, TCP_RST | TCP_ACK);
		assert_int_equal(r.ack, 10);
	}
}

static void resets_and_fragments_are_not_answered(void **state)
{
	struct pkt_meta pm;
	struct rte_mbuf *m = segment(false, TCP_RST, 1, 1, 0, &pm);

	(void)state;
	assert_null(l4_reply_rst(m, &pm, &nif, pool));
	rte_pktmbuf_free(m);
	m = segment(false, TCP_ACK, 1, 1, 0, &pm);
	pm.flags |= PKT_F_FRAG;
	assert_null(l4_reply_rst(m, &pm, &nif, pool));
	pm.flags &= (uint16_t)~PKT_F_FRAG;
	pm.proto = PROTO_UDP;
	assert_null(l4_reply_rst(m, &pm, &nif, pool));
	rte_pktmbuf_free(m);
}

static int setup(void **state)
{
	(void)state;
	test_eal_init();
	pool = test_pool_create("reply", 16);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	test_pool_destroy(pool);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reset_is_one_the_client_accepts),
		cmocka_unit_test(resets_and_fragments_are_not_answered),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
