/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/base/time.h"
#include "dataplane/net/neigh_pvt.h"
#include "tests/support/eal.h"
#include "tests/unit/net/frames.h"

#define CAPACITY 16

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 0x22};
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 0x33};

static struct rte_mempool *pool;
static struct net_if nif;
static struct neigh *n;
static struct ledger led;
static struct test_sink sink;
static uint64_t now;
static uint32_t conflicts;
static uint64_t gave; /* packets given to neigh_send() */
static struct ip_addr vip4, vip6, peer4, peer6;

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;

	assert_int_equal(ip_addr_parse(text, &a), 0);
	return a;
}

static bool owns(void *ctx, uint16_t port, const struct ip_addr *a)
{
	(void)ctx;
	return port == 0 && (net_if_owns(&nif, a) || ip_addr_eq(a, &vip4) || ip_addr_eq(a, &vip6));
}

static void on_conflict(void *ctx, uint16_t port, const struct ip_addr *a, const uint8_t mac[6])
{
	(void)ctx, (void)port, (void)a, (void)mac;
	conflicts++;
}

static int setup(void **state)
{
	struct neigh_conf c = {.ifs = &nif,
		.if_cnt = 1,
		.pool = pool,
		.emit = {test_sink_fn, &sink},
		.ledger = &led,
		.capacity = CAPACITY,
		.seed = 1,
		.owns = owns,
		.conflict = on_conflict};

	(void)state;
	nif = (struct net_if){.mtu = 1500, .addr_cnt = 2};
	memcpy(nif.mac, our_mac, 6);
	assert_int_equal(ip_prefix_parse("192.0.2.1/24", &nif.addrs[0]), 0);
	assert_int_equal(ip_prefix_parse("2001:db8::1/64", &nif.addrs[1]), 0);
	net_if_set_link_local(&nif);
	vip4 = addr("198.51.100.1");
	vip6 = addr("2001:db8:100::1");
	peer4 = addr("192.0.2.9");
	peer6 = addr("2001:db8::9");
	memset(&led, 0, sizeof(led));
	now = 1000 * NS_PER_SEC;
	conflicts = 0;
	gave = 0;
	sink.n = 0;
	return neigh_create(&c, now, &n);
}

/* Nothing is lost: what was given or made is in the sink's count, held, or ended. */
static uint64_t sent_total;
static void take(void)
{
	sent_total += sink.n;
	test_sink_clear(&sink);
}

static int teardown(void **state)
{
	uint64_t ended = 0;

	(void)state;
	take();
	neigh_destroy(n);
	for (int r = 0; r < REASON_COUNT; r++)
		ended += led.ended[r];
	assert_int_equal(led.held, 0);
	assert_int_equal(gave + led.born, sent_total + ended);
	sent_total = 0;
	assert_int_equal(test_pool_used(pool), 0);
	return 0;
}

static void pass(uint64_t ns)
{
	for (uint64_t end = now + ns; now < end;) {
		now += 10 * NS_PER_MS;
		neigh_tick(n, now);
	}
}

/* Give one small IP packet, of the family of hop, marked with `mark`. */
static void give(const struct ip_addr *hop, uint8_t mark)
{
	struct neigh_ref ref = {0};
	struct frame f = frame_from(ip_addr_is4(hop) ? HEX_UDP4 : HEX_UDP6);

	f.b[f.len - 1] = mark;
	gave++;
	neigh_send(n, 0, hop, &ref, test_mbuf(pool, f.b, f.len), 14, now);
}

static const uint8_t *sunk(uint32_t i)
{
	assert_true(i < sink.n);
	return rte_pktmbuf_mtod(sink.m[i], const uint8_t *);
}

static uint8_t mark_of(uint32_t i)
{
	return sunk(i)[sink.m[i]->pkt_len - 1];
}

static enum reason feed(const uint8_t *b, uint32_t len, bool answer)
{
	struct rte_mbuf *m = test_mbuf(pool, b, len);
	struct pkt_meta pm;
	enum reason r;

	assert_int_equal(pkt_parse(b, len, len, false, &pm), REASON_NONE);
	r = neigh_input(n, 0, m, &pm, answer, now);
	rte_pktmbuf_free(m);
	return r;
}

struct arp {
	uint16_t op;
	struct ip_addr spa, tpa;
	const uint8_t *sha;
};

static uint32_t arp_bytes(uint8_t *b, const struct arp *a)
{
	struct arp_pkt *p = (struct arp_pkt *)(b + 14);

	memset(b, 0, 64);
	memset(b, 0xff, 6);
	memcpy(b + 6, a->sha, 6);
	store_be16(b + 12, ETH_ARP);
	*p = (struct arp_pkt){.htype_be = BE16(1),
		.ptype_be = BE16(ETH_IP4),
		.hlen = 6,
		.plen = 4,
		.op_be = BE16(a->op),
		.spa_be = a->spa.w[3],
		.tpa_be = a->tpa.w[3]};
	memcpy(p->sha, a->sha, 6);
	return 60;
}

static enum reason arp(uint16_t op, struct ip_addr spa, struct ip_addr tpa, const uint8_t *sha)
{
	struct arp a = {op, spa, tpa, sha};
	uint8_t b[64];
	uint32_t len = arp_bytes(b, &a);

	return feed(b, len, true);
}

struct nd {
	uint8_t type, opt;
	uint32_t flags;
	struct ip_addr src, dst, target;
	const uint8_t *mac;
};

static uint32_t nd_bytes(uint8_t *b, const struct nd *d)
{
	struct net_if peer = {0};
	uint16_t len = d->opt ? 32 : 24;
	struct build_ip ip = {.src = &d->src,
		.dst = &d->dst,
		.payload_len = len,
		.proto = PROTO_ICMP6,
		.ttl = 255};
	uint8_t *p, *icmp;

	memcpy(peer.mac, d->mac, 6);
	p = build_eth(b, &peer, our_mac, ETH_IP6);
	icmp = p = build_ip6(p, &ip);
	p = build_icmp(p, d->type, 0, d->flags);
	memcpy(p, &d->target, 16);
	if (d->opt) {
		p[16] = d->opt;
		p[17] = 1;
		memcpy(p + 18, d->mac, 6);
	}
	store16(icmp + 2, (uint16_t)~cksum_fold(cksum_add(
				  cksum_pseudo(&d->src, &d->dst, PROTO_ICMP6, len), icmp, len)));
	return 14u + 40 + len;
}

static enum reason nd(const struct nd *d)
{
	uint8_t b[128];
	uint32_t len = nd_bytes(b, d);

	return feed(b, len, true);
}

#define S_FLAG 0x40000000u
#define O_FLAG 0x20000000u

static enum reason advert(uint32_t flags, const uint8_t *mac)
{
	struct nd d = {ICMP6_NA, 2, flags, peer6, addr("2001:db8::1"), peer6, mac};

	return nd(&d);
}

static struct neigh_info found;
static bool found_any;
static const struct ip_addr *wanted;

static void see(void *ctx, const struct neigh_info *i)
{
	(void)ctx;
	if (ip_addr_eq(&i->addr, wanted)) {
		found = *i;
		found_any = true;
	}
}

static enum neigh_state state_of(const struct ip_addr *a)
{
	found_any = false;
	wanted = a;
	neigh_each(n, see, NULL);
	return found_any ? found.state : NEIGH_FREE;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void request_frames_are_exact(void **state)
{
	static const char *const arp_hex =
		"ffffffffffff02000000000108060001080006040001020000000001"
		"c0000201000000000000c0000209";
	/* scapy: Ether/IPv6(fe..)/ICMPv6ND_NS/ICMPv6NDOptSrcLLAddr */
	static const char *const ns_hex =
		"3333ff00000902000000000186dd6000000000203aff20010db8000000000000000000000001ff02"
		"00000000000000000001ff00000987001c190000000020010db80000000000000000000000090101"
		"020000000001";
	struct frame f = frame_from(arp_hex);

	(void)state;
	give(&peer4, 0);
	assert_int_equal(sink.n, 1);
	assert_int_equal(sink.m[0]->pkt_len, f.len);
	assert_memory_equal(sunk(0), f.b, f.len);
	take();
	give(&peer6, 0);
	f = frame_from(ns_hex);
	assert_int_equal(sink.n, 1);
	assert_int_equal(sink.m[0]->pkt_len, f.len);
	assert_memory_equal(sunk(0), f.b, f.len);
}

static void answer_releases_the_queue_in_order(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < 20; i++)
		give(&peer4, i);
	assert_int_equal(sink.n, 1);
	assert_int_equal(led.held, 20);
	take();
	assert_int_equal(arp(2, peer4, nif.addrs[0].addr, peer_mac), REASON_ARP_REPLY);
	assert_int_equal(sink.n, 20);
	for (uint8_t i = 0; i < 20; i++) {
		assert_int_equal(mark_of(i), i);
		assert_memory_equal(sunk(i), peer_mac, 6);
		assert_memory_equal(sunk(i) + 6, our_mac, 6);
	}
	assert_int_equal(state_of(&peer4), NEIGH_REACHABLE);
	take();
	for (uint8_t i = 0; i < 20; i++)
		give(&peer6, i);
	take();
	assert_int_equal(advert(S_FLAG | O_FLAG, peer_mac), REASON_ND_ADVERT);
	assert_int_equal(sink.n, 20);
	assert_int_equal(load_be16(sunk(0) + 12), ETH_IP6);
	assert_int_equal(state_of(&peer6), NEIGH_REACHABLE);
}

static void full_queue_drops_the_oldest(void **state)
{
	(void)state;
	for (int i = 0; i < LIMIT_NEIGH_QUEUE + 3; i++)
		give(&peer4, (uint8_t)i);
	assert_int_equal(led.held, LIMIT_NEIGH_QUEUE);
	assert_int_equal(led.ended[REASON_NEIGH_QUEUE_FULL], 3);
	take();
	assert_int_equal(arp(2, peer4, nif.addrs[0].addr, peer_mac), REASON_ARP_REPLY);
	assert_int_equal(mark_of(0), 3);
	assert_int_equal(sink.n, LIMIT_NEIGH_QUEUE);
}

static void silence_fails_and_is_remembered(void **state)
{
	(void)state;
	give(&peer4, 0);
	give(&peer4, 1);
	pass(2500 * NS_PER_MS);
	assert_int_equal(sink.n, 3); /* one request a second */
	assert_int_equal(led.held, 2);
	pass(600 * NS_PER_MS);
	assert_int_equal(sink.n, 3);
	assert_int_equal(led.ended[REASON_NEIGH_TIMEOUT], 2);
	assert_int_equal(state_of(&peer4), NEIGH_FAILED);
	give(&peer4, 2); /* no new request while the failure is fresh */
	assert_int_equal(led.ended[REASON_NEIGH_TIMEOUT], 3);
	assert_int_equal(sink.n, 3);
	pass(NEIGH_FAILED_NS);
	assert_int_equal(state_of(&peer4), NEIGH_FREE);
	give(&peer4, 3);
	assert_int_equal(sink.n, 4);
	assert_int_equal(neigh_stats(n).failed, 1);
}

/* REACHABLE -> (use) DELAY -> PROBE by unicast -> answered; then unanswered -> INCOMPLETE. */
static void use_of_an_old_entry_probes_it(void **state)
{
	(void)state;
	give(&peer4, 0);
	assert_int_equal(arp(2, peer4, nif.addrs[0].addr, peer_mac), REASON_ARP_REPLY);
	take();
	pass(46 * NS_PER_SEC);
	assert_int_equal(sink.n, 0); /* unused: nobody asks */
	give(&peer4, 1);
	assert_int_equal(sink.n, 1);
	assert_int_equal(state_of(&peer4), NEIGH_DELAY);
	pass(5100 * NS_PER_MS);
	assert_int_equal(state_of(&peer4), NEIGH_PROBE);
	assert_int_equal(sink.n, 2);
	assert_memory_equal(sunk(1), peer_mac, 6); /* unicast */
	assert_int_equal(load_be16(sunk(1) + 12), ETH_ARP);
	assert_int_equal(arp(2, peer4, nif.addrs[0].addr, peer_mac), REASON_ARP_REPLY);
	assert_int_equal(state_of(&peer4), NEIGH_REACHABLE);
	pass(46 * NS_PER_SEC);
	take();
	give(&peer4, 2);
	pass(5100 * NS_PER_MS);
	for (int i = 0; i < 20; i++) { /* traffic flows on while we probe */
		give(&peer4, 3);
		pass(100 * NS_PER_MS);
	}
	assert_int_equal(led.held, 0);
	pass(1000 * NS_PER_MS);
	assert_int_equal(state_of(&peer4), NEIGH_INCOMPLETE);
	assert_memory_equal(sunk(sink.n - 1), "\xff\xff\xff\xff\xff\xff", 6);
	pass(4 * NS_PER_SEC);
	assert_int_equal(state_of(&peer4), NEIGH_FAILED);
}

static void upper_layer_saves_the_probe(void **state)
{
	struct neigh_ref ref = {0};

	(void)state;
	give(&peer4, 0);
	assert_int_equal(arp(2, peer4, nif.addrs[0].addr, peer_mac), REASON_ARP_REPLY);
	pass(46 * NS_PER_SEC);
	assert_memory_equal(neigh_resolve(n, 0, &peer4, &ref, now), peer_mac, 6);
	assert_int_equal(state_of(&peer4), NEIGH_DELAY);
	take();
	neigh_confirm(n, ref, now);
	assert_int_equal(state_of(&peer4), NEIGH_REACHABLE);
	pass(10 * NS_PER_SEC);
	assert_int_equal(sink.n, 0);
	neigh_confirm(n, (struct neigh_ref){0}, now); /* none: nothing happens */
}

static void references_are_fast_and_die_with_the_entry(void **state)
{
	struct neigh_ref ref = {0};

	(void)state;
	assert_null(neigh_mac(n, ref, now));
	assert_null(neigh_resolve(n, 0, &peer4, &ref, now));
	assert_null(neigh_mac(n, ref, now));
	assert_int_equal(arp(2, peer4, nif.addrs[0].addr, peer_mac), REASON_ARP_REPLY);
	assert_memory_equal(neigh_mac(n, ref, now), peer_mac, 6);
	assert_null(neigh_mac(n, ref, now + 46 * NS_PER_SEC)); /* time for a thought */
	neigh_flush(n, 0);
	assert_null(neigh_mac(n, ref, now));
	assert_int_equal(neigh_stats(n).entries, 0);
}

static void gossip_creates_nothing(void **state)
{
	struct nd solicit = {
		ICMP6_NS, 1, 0, peer6, addr("2001:db8::1"), addr("2001:db8::1"), peer_mac};

	(void)state;
	assert_int_equal(arp(2, peer4, nif.addrs[0].addr, peer_mac), REASON_ARP_IGNORED);
	assert_int_equal(arp(1, peer4, peer4, peer_mac), REASON_ARP_IGNORED);
	assert_int_equal(arp(1, peer4, nif.addrs[0].addr, peer_mac), REASON_ARP_REQUEST);
	assert_int_equal(advert(S_FLAG | O_FLAG, peer_mac), REASON_ND_IGNORED);
	assert_int_equal(nd(&solicit), REASON_ND_SOLICIT);
	assert_int_equal(neigh_stats(n).entries, 0);
}

static void gossip_updates_what_exists(void **state)
{
	(void)state;
	give(&peer4, 0);
	assert_int_equal(arp(2, peer4, nif.addrs[0].addr, peer_mac), REASON_ARP_REPLY);
	pass(500 * NS_PER_MS); /* a fresh answer is not overwritten */
	assert_int_equal(arp(1, peer4, peer4, other_mac), REASON_ARP_IGNORED);
	assert_int_equal(state_of(&peer4), NEIGH_REACHABLE);
	assert_memory_equal(found.mac, peer_mac, 6);
	pass(600 * NS_PER_MS); /* fail-over: the address moved */
	assert_int_equal(arp(1, peer4, peer4, other_mac), REASON_ARP_IGNORED);
	assert_int_equal(state_of(&peer4), NEIGH_STALE);
	assert_memory_equal(found.mac, other_mac, 6);
	take();
	give(&peer4, 1); /* used at once, probed later */
	assert_memory_equal(sunk(0), other_mac, 6);
	assert_int_equal(state_of(&peer4), NEIGH_DELAY);
}

static void request_from_the_awaited_resolves_it(void **state)
{
	(void)state;
	give(&peer4, 7);
	take();
	assert_int_equal(arp(1, peer4, vip4, peer_mac), REASON_ARP_REQUEST);
	assert_int_equal(sink.n, 2); /* the held packet and our answer */
	assert_int_equal(state_of(&peer4), NEIGH_STALE);
}

/* RFC 4861 appendix C, the rows for a known neighbour. */
static void advertisements_follow_the_table(void **state)
{
	static const struct {
		uint32_t flags;
		bool other;
		enum neigh_state want;
		bool changed;
	} row[] = {
		{0, false, NEIGH_REACHABLE, false},
		{0, true, NEIGH_STALE, false},
		{S_FLAG, false, NEIGH_REACHABLE, false},
		{S_FLAG, true, NEIGH_STALE, false},
		{O_FLAG, true, NEIGH_STALE, true},
		{O_FLAG, false, NEIGH_REACHABLE, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		give(&peer6, 0);
		assert_int_equal(advert(S_FLAG | O_FLAG, peer_mac), REASON_ND_ADVERT);
		pass(1500 * NS_PER_MS);
		assert_int_equal(advert(row[i].flags, row[i].other ? other_mac : peer_mac),
			REASON_ND_ADVERT);
		assert_int_equal(state_of(&peer6), row[i].want);
		assert_memory_equal(found.mac, row[i].changed ? other_mac : peer_mac, 6);
		neigh_flush(n, 0);
		take();
	}
}

static void requests_for_our_addresses_are_answered(void **state)
{
	struct nd d = {ICMP6_NS, 1, 0, peer6, ip6_solicited_node(&vip6), vip6, peer_mac};
	const struct arp_pkt *a;
	struct pkt_meta pm;

	(void)state;
	assert_int_equal(arp(1, peer4, vip4, peer_mac), REASON_ARP_REQUEST);
	a = (const struct arp_pkt *)(sunk(0) + 14);
	assert_int_equal(BE16(a->op_be), 2);
	assert_int_equal(a->spa_be, vip4.w[3]);
	assert_int_equal(a->tpa_be, peer4.w[3]);
	assert_memory_equal(a->sha, our_mac, 6);
	assert_memory_equal(a->tha, peer_mac, 6);
	assert_memory_equal(sunk(0), peer_mac, 6);
	assert_int_equal(arp(1, peer4, addr("192.0.2.77"), peer_mac), REASON_ARP_IGNORED);
	assert_int_equal(sink.n, 1);
	take();
	assert_int_equal(nd(&d), REASON_ND_SOLICIT);
	assert_int_equal(
		pkt_parse(sunk(0), sink.m[0]->data_len, sink.m[0]->pkt_len, false, &pm), 0);
	assert_int_equal(cksum_verify_rx(sink.m[0], &pm, false), REASON_NONE);
	assert_int_equal(pm.icmp_type, ICMP6_NA);
	assert_int_equal(pm.ttl, 255);
	assert_int_equal(load_be32(sunk(0) + 58), S_FLAG | O_FLAG);
	assert_true(ip_addr_eq(&pm.src, &vip6) && ip_addr_eq(&pm.dst, &peer6));
	assert_memory_equal(sunk(0) + 80, our_mac, 6);
	d.dst = addr("ff02::1:ff00:77"); /* not the group of the target */
	assert_int_equal(nd(&d), REASON_ND_IGNORED);
	d.dst = d.target = addr("2001:db8::77");
	assert_int_equal(nd(&d), REASON_ND_IGNORED);
	assert_int_equal(sink.n, 1);
	assert_int_equal(neigh_stats(n).answers, 2);
}

static void copies_teach_but_are_not_answered(void **state)
{
	struct arp a = {1, peer4, vip4, peer_mac};
	uint8_t b[64];
	uint32_t len = arp_bytes(b, &a);

	(void)state;
	give(&peer4, 0);
	take();
	assert_int_equal(feed(b, len, false), REASON_ARP_REQUEST);
	assert_int_equal(sink.n, 1); /* the held packet alone */
	assert_int_equal(state_of(&peer4), NEIGH_STALE);
}

static void other_users_of_our_addresses_are_reported(void **state)
{
	struct nd na = {ICMP6_NA, 2, O_FLAG, vip6, addr("ff02::1"), vip6, peer_mac};
	struct nd dad = {ICMP6_NS, 0, 0, addr("::"), ip6_solicited_node(&vip6), vip6, peer_mac};

	(void)state;
	assert_int_equal(arp(1, vip4, vip4, peer_mac), REASON_ARP_CONFLICT);
	assert_int_equal(conflicts, 1);
	assert_int_equal(arp(2, nif.addrs[0].addr, peer4, peer_mac), REASON_ARP_CONFLICT);
	assert_int_equal(conflicts, 1); /* once a second */
	pass(NS_PER_SEC);
	assert_int_equal(nd(&na), REASON_ND_CONFLICT);
	assert_int_equal(conflicts, 2);
	pass(NS_PER_SEC);
	assert_int_equal(nd(&dad), REASON_ND_SOLICIT); /* defended by an answer to all */
	assert_int_equal(conflicts, 3);
	assert_int_equal(sink.n, 1);
	assert_int_equal(load_be32(sunk(0) + 58), O_FLAG);
	assert_memory_equal(sunk(0), "\x33\x33\0\0\0\1", 6);
	assert_int_equal(neigh_stats(n).conflicts, 4);
	assert_int_equal(arp(1, vip4, vip4, our_mac), REASON_ARP_IGNORED); /* our own, looped */
}

static void malformed_arp_is_refused(void **state)
{
	static const struct {
		uint8_t off, val;
	} row[] = {{14, 1}, {16, 9}, {18, 5}, {19, 5}, {21, 3}, {22, 1}, {28, 224}};
	struct arp a = {1, peer4, vip4, peer_mac};
	uint8_t b[64], zero[6] = {0};
	uint32_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(row); i++) {
		len = arp_bytes(b, &a);
		b[row[i].off] = row[i].val;
		assert_int_equal(feed(b, len, true), REASON_ARP_MALFORMED);
	}
	arp_bytes(b, &a);
	assert_int_equal(feed(b, 41, true), REASON_ARP_MALFORMED);
	memcpy(b + 22, zero, 6);
	assert_int_equal(feed(b, 60, true), REASON_ARP_MALFORMED);
	assert_int_equal(sink.n, 0);
}

/* RFC 4861 7.1.1 and 7.1.2, one condition after the other. */
static void malformed_nd_is_refused(void **state)
{
	struct nd ns = {ICMP6_NS, 1, 0, peer6, addr("2001:db8::1"), vip6, peer_mac};
	struct nd na = {ICMP6_NA, 2, O_FLAG, peer6, addr("ff02::1"), peer6, peer_mac};
	struct nd bad;
	uint8_t b[128];
	uint32_t len;

	(void)state;
	give(&peer6, 0);
	take();
	len = nd_bytes(b, &ns);
	b[21] = 254; /* hop limit */
	assert_int_equal(feed(b, len, true), REASON_ND_MALFORMED);
	len = nd_bytes(b, &ns);
	b[60] ^= 1; /* checksum */
	assert_int_equal(feed(b, len, true), REASON_ND_MALFORMED);
	bad = ns, bad.target = addr("ff02::1"); /* multicast target */
	assert_int_equal(nd(&bad), REASON_ND_MALFORMED);
	bad = ns, bad.src = addr("::"); /* unspecified source with an option */
	bad.dst = ip6_solicited_node(&vip6);
	assert_int_equal(nd(&bad), REASON_ND_MALFORMED);
	bad.opt = 0, bad.dst = vip6; /* unspecified source to a unicast address */
	assert_int_equal(nd(&bad), REASON_ND_MALFORMED);
	bad = na, bad.flags = S_FLAG; /* solicited to a group */
	assert_int_equal(nd(&bad), REASON_ND_MALFORMED);
	bad = na, bad.target = addr("ff02::2");
	assert_int_equal(nd(&bad), REASON_ND_MALFORMED);
	for (uint8_t code = 1; code < 3; code++) { /* code, with its checksum put right */
		len = nd_bytes(b, &na);
		b[55] = code;
		store16(b + 56, cksum_apply(load16(b + 56), cksum_diff16(0, 0, BE16(code))));
		assert_int_equal(feed(b, len, true), REASON_ND_MALFORMED);
	}
	len = nd_bytes(b, &na);
	b[79] = 0; /* option of length 0; the checksum as it would be */
	store16(b + 56, cksum_apply(load16(b + 56), cksum_diff16(0, BE16(1), 0)));
	assert_int_equal(feed(b, len, true), REASON_ND_MALFORMED);
	b[79] = 2; /* longer than the message */
	store16(b + 56, cksum_apply(load16(b + 56), cksum_diff16(0, 0, BE16(2))));
	assert_int_equal(feed(b, len, true), REASON_ND_MALFORMED);
	bad = na, bad.opt = 0;
	len = nd_bytes(b, &bad) - 8; /* 16 bytes of ICMP */
	store_be16(b + 18, 16);
	assert_int_equal(feed(b, len, true), REASON_ND_MALFORMED);
	bad = ns, bad.type = ICMP6_RA;
	assert_int_equal(nd(&bad), REASON_ND_IGNORED);
	bad.type = ICMP6_REDIRECT;
	assert_int_equal(nd(&bad), REASON_ND_IGNORED);
	assert_int_equal(state_of(&peer6), NEIGH_INCOMPLETE);
	assert_int_equal(sink.n, 0);
}

static void scan_leaves_the_known_alone(void **state)
{
	(void)state;
	give(&peer4, 0);
	assert_int_equal(arp(2, peer4, nif.addrs[0].addr, peer_mac), REASON_ARP_REPLY);
	take();
	for (uint32_t i = 0; i < 100; i++) {
		struct ip_addr a = ip_addr_from4(BE32(0xc0000264 + i));

		give(&a, 0);
	}
	assert_int_equal(neigh_stats(n).unresolved, CAPACITY / 4);
	assert_int_equal(led.ended[REASON_NEIGH_TABLE_FULL], 100 - CAPACITY / 4);
	assert_int_equal(state_of(&peer4), NEIGH_REACHABLE);
	pass(1100 * NS_PER_MS); /* the first had their chance: new ones get in */
	take();
	for (uint32_t i = 0; i < 4; i++) {
		struct ip_addr a = ip_addr_from4(BE32(0xc00002d0 + i));

		give(&a, 0);
		assert_int_equal(state_of(&a), NEIGH_INCOMPLETE);
	}
	assert_int_equal(state_of(&peer4), NEIGH_REACHABLE);
}

static void full_table_evicts_the_unused(void **state)
{
	struct ip_addr a[CAPACITY + 4];
	struct neigh_ref ref;

	(void)state;
	for (uint32_t i = 0; i < ARRAY_SIZE(a); i++) {
		a[i] = ip_addr_from4(BE32(0xc0000264 + i));
		ref = (struct neigh_ref){0};
		assert_null(neigh_resolve(n, 0, &a[i], &ref, now));
		assert_int_equal(arp(2, a[i], nif.addrs[0].addr, peer_mac), REASON_ARP_REPLY);
		give(&a[0], 0); /* always in use */
		take();
	}
	assert_int_equal(neigh_stats(n).entries, CAPACITY);
	assert_int_equal(neigh_stats(n).evicted, 4);
	assert_int_equal(state_of(&a[0]), NEIGH_REACHABLE);
	for (uint32_t i = 0; i < ARRAY_SIZE(a); i++) /* the index holds exactly the entries */
		assert_int_equal(
			neigh_find(neigh_table_of(n), 0, &a[i]) != POOL_NONE, state_of(&a[i]) != 0);
}

static void requests_keep_to_their_rate(void **state)
{
	(void)state;
	neigh_table_of(n)->request_tat_ns = now + NS_PER_SEC; /* used up for a second */
	give(&peer4, 0);
	assert_int_equal(sink.n, 0);
	assert_int_equal(led.held, 1);
	pass(900 * NS_PER_MS);
	assert_true(sink.n >= 1); /* late, not lost */
	assert_true(neigh_stats(n).late_requests > 0);
	assert_int_equal(led.held, 1);
}

static void groups_need_no_resolution(void **state)
{
	struct ip_addr g = addr("ff02::1:ff00:9"), m4 = addr("239.129.2.3"),
		       all = addr("255.255.255.255");

	(void)state;
	give(&g, 0);
	give(&m4, 0);
	give(&all, 0);
	assert_int_equal(sink.n, 3);
	assert_memory_equal(sunk(0), "\x33\x33\xff\x00\x00\x09", 6);
	assert_memory_equal(sunk(1), "\x01\x00\x5e\x01\x02\x03", 6);
	assert_memory_equal(sunk(2), "\xff\xff\xff\xff\xff\xff", 6);
	assert_int_equal(neigh_stats(n).entries, 0);
}

static void addresses_are_announced(void **state)
{
	struct ip_addr list[2] = {vip4, vip6};
	const struct arp_pkt *a;
	struct pkt_meta pm;

	(void)state;
	assert_int_equal(neigh_announce(n, 0, list, 2), 2);
	a = (const struct arp_pkt *)(sunk(0) + 14);
	assert_int_equal(BE16(a->op_be), 1);
	assert_int_equal(a->spa_be, a->tpa_be);
	assert_int_equal(a->spa_be, vip4.w[3]);
	assert_int_equal(
		pkt_parse(sunk(1), sink.m[1]->data_len, sink.m[1]->pkt_len, false, &pm), 0);
	assert_int_equal(cksum_verify_rx(sink.m[1], &pm, false), REASON_NONE);
	assert_int_equal(pm.icmp_type, ICMP6_NA);
	assert_int_equal(load_be32(sunk(1) + 58), O_FLAG);
	take();
	assert_true(neigh_probe_duplicate(n, 0, &vip4));
	assert_true(neigh_probe_duplicate(n, 0, &vip6));
	a = (const struct arp_pkt *)(sunk(0) + 14);
	assert_int_equal(a->spa_be, 0);
	assert_int_equal(
		pkt_parse(sunk(1), sink.m[1]->data_len, sink.m[1]->pkt_len, false, &pm), 0);
	assert_true(ip_addr_is_zero(&pm.src));
	assert_int_equal(pm.l3_len, 64);
}

static void impossible_tables_are_refused(void **state)
{
	struct neigh_conf c = {.owns = owns, .ledger = &led, .capacity = LIMIT_NEIGHBOURS + 1};
	struct neigh *none;

	(void)state;
	assert_int_equal(neigh_create(&c, 0, &none), -EINVAL);
	c.capacity = 3;
	assert_int_equal(neigh_create(&c, 0, &none), -EINVAL);
	assert_null(none);
	neigh_destroy(NULL);
	assert_string_equal(neigh_state_name(NEIGH_PROBE), "probe");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(request_frames_are_exact),
		T(answer_releases_the_queue_in_order),
		T(full_queue_drops_the_oldest),
		T(silence_fails_and_is_remembered),
		T(use_of_an_old_entry_probes_it),
		T(upper_layer_saves_the_probe),
		T(references_are_fast_and_die_with_the_entry),
		T(gossip_creates_nothing),
		T(gossip_updates_what_exists),
		T(request_from_the_awaited_resolves_it),
		T(advertisements_follow_the_table),
		T(requests_for_our_addresses_are_answered),
		T(copies_teach_but_are_not_answered),
		T(other_users_of_our_addresses_are_reported),
		T(malformed_arp_is_refused),
		T(malformed_nd_is_refused),
		T(scan_leaves_the_known_alone),
		T(full_table_evicts_the_unused),
		T(requests_keep_to_their_rate),
		T(groups_need_no_resolution),
		T(addresses_are_announced),
		T(impossible_tables_are_refused),
	};
	int r;

	test_eal_init();
	pool = test_pool_create("neigh", 1023);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	test_pool_destroy(pool);
	return r;
}
