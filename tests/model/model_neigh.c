/* SPDX-License-Identifier: Apache-2.0
 * The neighbour table under random traffic, answers, gossip and time, against what an observer may
 * expect of each neighbour, without looking inside: which MAC a packet carries when it leaves, that
 * it waits while there is none, that what is known is not forgotten early nor kept when nobody
 * answers, and that nobody is asked more than once a second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/hash.h"
#include "dataplane/base/limits.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "dataplane/net/neigh.h"
#include "tests/support/eal.h"
#include "tests/support/seed.h"

#define PEERS    6
#define CAPACITY 64
#define STEPS    60000
#define STEP_MS  20

struct peer {
	struct ip_addr addr;
	uint8_t mac;         /* last byte; 0: not known */
	bool asked;          /* a question is open */
	uint64_t ask_ns;     /* of the last question */
	uint64_t confirm_ns; /* last answer */
	uint64_t since_ns;   /* last time that the MAC was set or confirmed */
	uint32_t waiting;    /* packets given and not seen since */
	uint32_t sent, want; /* packets seen on the wire; that had to be there */
};

static struct rte_mempool *pool;
static struct net_if nif = {.mtu = 1500, .mac = {2, 0, 0, 0, 0, 1}, .addr_cnt = 1};
static struct neigh *n;
static struct ledger led;
static struct peer peer[PEERS];
static uint64_t now;
static uint32_t questions;

static bool owns(void *ctx, uint16_t port, const struct ip_addr *a)
{
	(void)ctx, (void)port;
	return net_if_owns(&nif, a);
}

/* Time from the last news to the first unicast question, at least. */
static uint64_t trust(const struct peer *p)
{
	return NEIGH_DELAY_NS + (p->since_ns > p->confirm_ns ? 0 : NEIGH_REACHABLE_NS / 2);
}

static void see_question(const struct arp_pkt *a, const uint8_t *eth_dst)
{
	struct peer *p = &peer[(BE32(a->tpa_be) & 0xff) - 100];

	assert_int_equal(BE16(a->op_be), 1);
	assert_true(p->ask_ns == 0 || now - p->ask_ns >= NEIGH_RETRANS_NS);
	/* A unicast question goes to whom we know, after a time of trust; gossip has none. */
	if (!(eth_dst[0] & 1)) {
		assert_int_equal(eth_dst[5], p->mac);
		assert_true(now - p->since_ns >= trust(p));
	} else if (p->mac) { /* given up, after as many unicast questions as it takes */
		assert_true(now - p->since_ns >= trust(p) + NEIGH_TRIES * NEIGH_RETRANS_NS);
		p->mac = 0;
	}
	/* A new attempt after a failure: what waited was dropped with it. */
	if (now - p->ask_ns > NEIGH_RETRANS_NS + 5 * STEP_MS * NS_PER_MS)
		p->waiting = 0;
	p->ask_ns = now;
	p->asked = true;
	questions++;
}

/* Everything that leaves: questions, and packets marked with their peer. */
static void see(void *ctx, uint16_t port, struct rte_mbuf *m)
{
	const uint8_t *b = rte_pktmbuf_mtod(m, const uint8_t *);

	(void)ctx, (void)port;
	if (load_be16(b + 12) == ETH_ARP) {
		see_question((const struct arp_pkt *)(b + 14), b);
	} else {
		struct peer *p = &peer[b[34]];

		assert_int_not_equal(p->mac, 0);
		assert_int_equal(b[5], p->mac);
		p->sent++;
	}
	rte_pktmbuf_free(m);
}

static void hear(struct peer *p, bool reply, uint8_t mac)
{
	struct rte_mbuf *m;
	struct pkt_meta pm;
	uint8_t b[60] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, mac, 0x08, 0x06};
	struct arp_pkt *a = (struct arp_pkt *)(b + 14);

	*a = (struct arp_pkt){.htype_be = BE16(1),
		.ptype_be = BE16(ETH_IP4),
		.hlen = 6,
		.plen = 4,
		.op_be = BE16(reply ? 2 : 1),
		.sha = {2, 0, 0, 0, 0, mac},
		.spa_be = p->addr.w[3]};
	a->tpa_be = reply ? nif.addrs[0].addr.w[3] : p->addr.w[3];
	m = test_mbuf(pool, b, sizeof(b));
	assert_int_equal(pkt_parse(b, sizeof(b), sizeof(b), true, &pm), REASON_NONE);
	assert_int_not_equal(neigh_input(n, 0, m, &pm, true, now), REASON_ARP_MALFORMED);
	rte_pktmbuf_free(m);
}

static bool question_open(const struct peer *p)
{
	return p->asked && now - p->ask_ns < NEIGH_RETRANS_NS;
}

/* An honest answer to an open question: the MAC is p's from now on and what waited has left. */
static void answer(struct peer *p, uint8_t mac)
{
	p->mac = mac;
	p->confirm_ns = p->since_ns = now;
	p->asked = false;
	p->want += p->waiting;
	p->waiting = 0;
	hear(p, true, mac);
	assert_int_equal(p->sent, p->want);
}

static void give(struct peer *p)
{
	uint8_t b[64] = {[12] = 8, [14] = 0x45, [34] = (uint8_t)(p - peer)};
	struct neigh_ref ref = {0};
	uint32_t sent = p->sent;

	neigh_send(n, 0, &p->addr, &ref, test_mbuf(pool, b, sizeof(b)), 14, now);
	if (p->sent > sent) {
		assert_int_equal(p->sent, sent + 1);
		p->want++;
		return;
	}
	assert_int_equal(p->mac, 0); /* what is known is used */
	p->waiting++;
}

static void gossip(struct peer *p, uint8_t mac)
{
	bool locked = mac != p->mac && now - p->since_ns < NEIGH_LOCK_NS;

	if (!p->mac) /* may be learned or not: unit tests have that */
		return;
	if (locked) {
		hear(p, false, mac);
		return;
	}
	if (mac != p->mac) { /* and the open question was about another station */
		p->since_ns = now;
		p->asked = false;
	}
	p->mac = mac;
	hear(p, false, mac);
}

static uint64_t ended_all(void)
{
	uint64_t s = 0;

	for (int r = 0; r < REASON_COUNT; r++)
		s += led.ended[r];
	return s;
}

static void traffic_meets_expectations(void **state)
{
	struct neigh_conf c = {.ifs = &nif,
		.if_cnt = 1,
		.pool = pool,
		.emit = {see, NULL},
		.ledger = &led,
		.capacity = CAPACITY,
		.seed = test_seed(),
		.owns = owns};
	uint64_t gave = 0, sent = 0;
	struct rng r;

	(void)state;
	rng_seed(&r, test_seed());
	now = 1000 * NS_PER_SEC;
	assert_int_equal(neigh_create(&c, now, &n), 0);
	for (uint32_t i = 0; i < PEERS; i++)
		peer[i].addr = ip_addr_from4(BE32(0xc0000200 + 100 + i));
	for (int step = 0; step < STEPS; step++) {
		struct peer *p = &peer[rng_below(&r, PEERS)];
		/* Phases of a minute in which a peer is silent or talks, used or not. */
		uint64_t phase = mix_fold(now / (60 * NS_PER_SEC) + 1, (uint64_t)(p - peer) + 7);

		now += STEP_MS * NS_PER_MS;
		neigh_tick(n, now);
		if ((phase & 3) != 0 && rng_below(&r, 3) != 0) {
			give(p);
			gave++;
		}
		if ((phase & 12) != 0 && question_open(p) && rng_below(&r, 4) == 0)
			answer(p, (uint8_t)(0x20 + rng_below(&r, 2)));
		else if (rng_below(&r, 200) == 0)
			gossip(p, (uint8_t)(0x20 + rng_below(&r, 2)));
		assert_int_equal(led.held, neigh_stats(n).held);
		assert_int_equal(test_pool_used(pool), led.held);
	}
	for (uint32_t i = 0; i < PEERS; i++)
		sent += peer[i].sent;
	assert_int_equal(gave, sent + led.held + ended_all());
	assert_true(questions > 50 && sent > STEPS / 10); /* it was about something */
	assert_true(neigh_stats(n).failed > 0);
	neigh_destroy(n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traffic_meets_expectations),
	};
	int rc;

	test_eal_init();
	pool = test_pool_create("model_neigh", 2047);
	if (ip_prefix_parse("192.0.2.1/24", &nif.addrs[0]) != 0)
		return 1;
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	test_pool_destroy(pool);
	return rc;
}
