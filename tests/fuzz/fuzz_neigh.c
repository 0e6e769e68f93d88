/* SPDX-License-Identifier: Apache-2.0
 * A neighbour table under any frames, mixed with sends and the passage of time. The input is a list
 * of steps: op, argument, and for frames a length and bytes. No packet is lost, the ledger
 * balances, the table never grows beyond its capacity, and a frame alone never creates an entry. */
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/time.h"
#include "dataplane/net/neigh.h"
#include "tests/support/eal.h"

#define CAPACITY 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rte_mempool *pool;
static struct net_if nif = {.mtu = 1500, .mac = {2, 0, 0, 0, 0, 1}, .addr_cnt = 2};
static uint64_t gave, sent;
static struct ledger led;

static bool owns(void *ctx, uint16_t port, const struct ip_addr *a)
{
	(void)ctx, (void)port;
	return net_if_owns(&nif, a);
}

static void emit(void *ctx, uint16_t port, struct rte_mbuf *m)
{
	(void)ctx, (void)port;
	sent++;
	rte_pktmbuf_free(m);
}

static void start_once(void)
{
	if (pool)
		return;
	test_eal_init();
	pool = test_pool_create("fuzz_neigh", 2047);
	ASSERT(ip_prefix_parse("192.0.2.1/24", &nif.addrs[0]) == 0);
	ASSERT(ip_prefix_parse("2001:db8::1/64", &nif.addrs[1]) == 0);
	net_if_set_link_local(&nif);
}

static void send_one(struct neigh *n, uint8_t arg, uint64_t now)
{
	static const uint8_t frame[64] = {[12] = 8, [14] = 0x45};
	struct neigh_ref ref = {0};
	struct ip_addr hop;

	ASSERT(ip_addr_parse(arg & 1 ? "192.0.2.0" : "2001:db8::", &hop) == 0);
	hop.b[15] = arg >> 1;
	gave++;
	neigh_send(n, 0, &hop, &ref, test_mbuf(pool, frame, sizeof(frame)), 14, now);
}

static void feed(struct neigh *n, const uint8_t *b, uint32_t len, uint64_t now)
{
	uint32_t before = neigh_stats(n).entries;
	struct rte_mbuf *m = test_mbuf(pool, b, len);
	struct pkt_meta pm;

	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD; /* the fuzzer is no good at checksums */
	if (pkt_parse(rte_pktmbuf_mtod(m, uint8_t *), len, len, true, &pm) == REASON_NONE)
		ASSERT(neigh_input(n, 0, m, &pm, true, now) < REASON_COUNT);
	rte_pktmbuf_free(m);
	ASSERT(neigh_stats(n).entries <= before);
}

static void check_balance(const struct neigh *n)
{
	uint64_t ended = 0;

	for (int r = 0; r < REASON_COUNT; r++)
		ended += led.ended[r];
	ASSERT(led.held == neigh_stats(n).held);
	ASSERT(gave + led.born == sent + ended + led.held);
	ASSERT(test_pool_used(pool) == led.held);
	ASSERT(neigh_stats(n).entries <= CAPACITY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct neigh_conf c = {.ifs = &nif,
		.if_cnt = 1,
		.emit = {emit, NULL},
		.ledger = &led,
		.capacity = CAPACITY,
		.seed = 7,
		.owns = owns};
	uint64_t now = 1000 * NS_PER_SEC;
	struct neigh *n;

	start_once();
	c.pool = pool;
	gave = sent = 0;
	memset(&led, 0, sizeof(led));
	ASSERT(neigh_create(&c, now, &n) == 0);
	while (size >= 2) {
		uint8_t op = data[0], arg = data[1];

		data += 2;
		size -= 2;
		if (op < 96) {
			send_one(n, arg, now);
		} else if (op < 160) {
			now += (uint64_t)arg * 50 * NS_PER_MS;
			neigh_tick(n, now);
		} else {
			uint32_t len = arg < size ? arg : (uint32_t)size;

			feed(n, data, len, now);
			data += len;
			size -= len;
		}
		check_balance(n);
	}
	neigh_destroy(n);
	ASSERT(test_pool_used(pool) == 0);
	return 0;
}
