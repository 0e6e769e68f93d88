/* SPDX-License-Identifier: Apache-2.0
 * Both directions of a flow, its fragments and its errors meet on one worker: with NICs that hash,
 * with some that do not, with one whose table is another, and with one that lies. The NIC here is
 * the textbook's Toeplitz hash, bit by bit, over ports whose tables are filled by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "lb/l4/decide.h"
#include "lb/pipeline/pipeline_pvt.h"
#include "tests/support/l4_rig.h"
#include "tests/support/seed.h"

#define WORKERS 3
#define PORTS   3
#define FLOWS   600

enum { HASHING, PLAIN, OTHER_TABLE }; /* the three ports */

struct site {
	struct l4_rig rig;
	struct port ports[PORTS];
	struct worker workers[WORKERS];
	struct pipeline pipes[WORKERS];
	struct pipeline_gen gen;
	struct rng rng;
	bool nic_lies;
	uint32_t nic_placed; /* packets that were where they belong */
	uint32_t owned[WORKERS];
};
static struct site s;

static void fill_port(struct port *p, uint16_t idx, uint16_t reta_size, bool hashes)
{
	memset(p, 0, sizeof(*p));
	p->idx = idx;
	snprintf(p->name, sizeof(p->name), "p%u", idx);
	if (!hashes)
		return;
	p->steering = PORT_STEER_RSS;
	p->rss_kinds = PORT_RSS_TCP4 | PORT_RSS_UDP4 | PORT_RSS_TCP6;
	port_rss_key(p->rss_key);
	p->reta_size = reta_size;
	for (uint16_t i = 0; i < reta_size; i++)
		p->reta[i] = i % WORKERS;
}

static void add_service(const char *name, const char *vip, enum l4_proto proto, enum l4_mode mode,
	const char *backend)
{
	struct config_service *cs = l4_cfg_service(&s.rig.cfg, name, vip, proto, 80, mode);
	struct ip_addr a = ip(backend);

	for (int i = 0; i < 4; i++, a.b[15]++)
		l4_cfg_backend(cs, &a, 8080, 100);
	if (mode == L4_FULLNAT)
		l4_cfg_local(cs, ip_addr_is4(&a) ? "192.0.2.1" : "2001:db8::1");
}

static void open_site(bool rss)
{
	struct l4_worker_conf conf = {.flows = 4 * FLOWS, .nat_flows = 4 * FLOWS};

	memset(&s, 0, sizeof(s));
	rng_seed(&s.rng, test_seed());
	rig_init_conf(&s.rig, WORKERS, &conf);
	add_service("dsr", "198.51.100.1", L4_TCP, L4_DSR, "10.0.1.1");
	add_service("ipip", "2001:db8:1::2", L4_TCP, L4_IPIP, "2001:db8:9::1");
	add_service("gue", "198.51.100.3", L4_UDP, L4_GUE, "10.0.3.1");
	add_service("nat", "198.51.100.4", L4_TCP, L4_NAT, "10.0.4.1");
	add_service("nat6", "2001:db8:1::4", L4_UDP, L4_NAT, "2001:db8:a::1");
	add_service("full", "198.51.100.5", L4_TCP, L4_FULLNAT, "10.0.5.1");
	add_service("full6", "2001:db8:1::5", L4_TCP, L4_FULLNAT, "2001:db8:b::1");
	add_service("full46", "198.51.100.6", L4_UDP, L4_FULLNAT, "2001:db8:c::1");
	add_service("full64", "2001:db8:1::6", L4_TCP, L4_FULLNAT, "10.0.6.1");
	rig_apply(&s.rig);
	fill_port(&s.ports[HASHING], HASHING, 128, rss);
	fill_port(&s.ports[PLAIN], PLAIN, 0, false);
	/* 64 is no multiple of 3: the table is another function of the hash. */
	fill_port(&s.ports[OTHER_TABLE], OTHER_TABLE, 64, rss);
	s.gen = (struct pipeline_gen){.l4 = s.rig.table, .if_cnt = PORTS};
	for (uint32_t i = 0; i < WORKERS; i++) {
		struct pipeline *p = &s.pipes[i];

		s.workers[i].id = i;
		s.workers[i].worker_cnt = WORKERS;
		p->w = &s.workers[i];
		p->gen = &s.gen;
		p->ports = s.ports;
		steer_init(p);
		assert_int_equal(p->placer != NULL, rss);
		assert_int_equal(p->follows[HASHING], rss);
		assert_false(p->follows[PLAIN] || p->follows[OTHER_TABLE]);
		l4_worker_destroy(s.rig.workers[i]);
		conf.index = i;
		conf.workers = WORKERS;
		conf.port_filter = (struct l4_port_filter){rss ? steer_port_ok : NULL, p};
		assert_int_equal(l4_worker_create(&conf, &s.rig.workers[i]), 0);
		l4_worker_set_table(s.rig.workers[i], s.rig.table, s.rig.now_ns);
	}
}

static void close_site(void)
{
	rig_fini(&s.rig);
}

/* Toeplitz, as every NIC's data sheet has it. */
static uint32_t nic_hash(const struct port *p, const struct pkt_meta *m)
{
	uint8_t in[36];
	uint32_t n = 0, hash = 0, window = load32(p->rss_key);
	bool is4 = m->ip_ver == 4;

	window = __builtin_bswap32(window);
	memcpy(in, m->src.b + (is4 ? 12 : 0), is4 ? 4 : 16);
	n += is4 ? 4 : 16;
	memcpy(in + n, m->dst.b + (is4 ? 12 : 0), is4 ? 4 : 16);
	n += is4 ? 4 : 16;
	memcpy(in + n, &m->sport, 2);
	memcpy(in + n + 2, &m->dport, 2);
	n += 4;
	for (uint32_t bit = 0; bit < 8 * n; bit++) {
		uint32_t next = bit + 32;

		if (in[bit / 8] >> (7 - bit % 8) & 1)
			hash ^= window;
		window = window << 1 |
			 (next < 8 * PORT_RSS_KEY_LEN ? p->rss_key[next / 8] >> (7 - next % 8) & 1
						      : 0);
	}
	return hash;
}

/* A packet comes in on a port; the worker to which it goes in the end. */
static uint32_t arrive(const struct pkt_meta *pm, uint16_t port)
{
	static struct rte_mbuf m;
	const struct port *p = &s.ports[port];
	bool plain_packet = (pm->flags & (PKT_F_FRAG | PKT_F_ICMP_ERROR | PKT_F_OPTIONS)) == 0;
	bool udp6 = pm->ip_ver == 6 && pm->proto == PROTO_UDP;
	uint32_t at = (uint32_t)rng_below(&s.rng, WORKERS), to = 99, again = 99;
	struct l4_lookup lk;

	m.port = port;
	if (p->steering == PORT_STEER_RSS && plain_packet && !udp6 && !s.nic_lies)
		at = p->reta[nic_hash(p, pm) & (p->reta_size - 1u)];
	assert_int_equal(steer(&s.pipes[at], &m, pm, &lk, &to), STEER_TO_FORWARD);
	assert_true(to < WORKERS);
	s.nic_placed += port == HASHING && plain_packet && at == to;
	/* It stays where it was handed to. */
	if (to != at && !(port == HASHING && plain_packet && !udp6 && s.nic_lies)) {
		assert_int_equal(steer(&s.pipes[to], &m, pm, &lk, &again), STEER_TO_FORWARD);
		assert_int_equal(again, to);
	}
	return to;
}

static uint16_t any_port(void)
{
	return (uint16_t)rng_below(&s.rng, PORTS);
}

static void expect_at(uint32_t owner, struct pkt_meta pm)
{
	struct pkt_meta part = pm, with_options = pm;

	for (uint16_t p = 0; p < PORTS; p++)
		assert_int_equal(arrive(&pm, p), owner);
	part.flags |= PKT_F_FRAG;
	part.frag_off = 1480;
	with_options.flags |= PKT_F_OPTIONS;
	assert_int_equal(arrive(&part, any_port()), owner);
	assert_int_equal(arrive(&with_options, any_port()), owner);
}

static void expect_error_at(uint32_t owner, const struct pkt_meta *about)
{
	struct ip_addr router = ip(about->ip_ver == 4 ? "203.0.113.9" : "2001:db8:ff::9");
	struct pkt_meta e = l4_icmp_error(&router, &about->src, about);

	for (uint16_t p = 0; p < PORTS; p++)
		assert_int_equal(arrive(&e, p), owner);
}

static struct pkt_meta back_of(const struct pkt_meta *m)
{
	struct pkt_meta r = *m;

	r.src = m->dst;
	r.dst = m->src;
	r.sport = m->dport;
	r.dport = m->sport;
	return r;
}

static void one_flow(const struct config_service *cs)
{
	bool is4 = ip_addr_is4(&cs->vips[0]);
	struct ip_addr client = is4 ? ip("203.0.113.0") : ip("2001:db8:77::");
	struct pkt_meta m, to_client, to_backend;
	struct l4_verdict v;
	uint32_t owner;

	client.w[3] ^= (uint32_t)rng_next(&s.rng) & BE32(0xffff);
	m = l4_pkt(&client, (uint16_t)(1024 + rng_below(&s.rng, 60000)), &cs->vips[0], 80,
		(uint8_t)cs->proto, cs->proto == L4_TCP ? TCP_SYN : 0);
	owner = arrive(&m, any_port());
	s.owned[owner]++;
	assert_int_equal(l4_decide(s.rig.workers[owner], &m, s.rig.now_ns, &v), REASON_NONE);
	if (cs->proto == L4_TCP)
		m.tcp_flags = TCP_ACK;
	expect_at(owner, m);
	to_client = back_of(&m);
	expect_error_at(owner, &to_client);
	if (v.op != L4_OP_NAT)
		return;
	to_backend = l4_pkt(&v.src, __builtin_bswap16(v.sport), &v.dst, __builtin_bswap16(v.dport),
		(uint8_t)cs->proto, m.tcp_flags);
	expect_error_at(owner, &to_backend);
	to_client = back_of(&to_backend);
	expect_at(owner, to_client);
	assert_int_equal(
		l4_decide(s.rig.workers[owner], &to_client, s.rig.now_ns, &v), REASON_NONE);
	assert_true(v.flags & L4_V_REVERSE);
	assert_true(ip_addr_eq(&v.dst, &client));
}

static void flows(uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++)
		one_flow(&s.rig.cfg.services[i % s.rig.cfg.cfg.service_cnt]);
}

static void expect_spread(uint32_t cnt)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		assert_in_range(s.owned[i], cnt / 5, cnt / 2);
}

static void software_brings_all_packets_of_a_flow_together(void **state)
{
	(void)state;
	open_site(false);
	flows(FLOWS);
	expect_spread(FLOWS);
	close_site();
}

static void hashing_brings_all_packets_of_a_flow_together(void **state)
{
	(void)state;
	open_site(true);
	flows(FLOWS);
	expect_spread(FLOWS);
	/* The NIC does the work where it may: all but NAT mode. */
	assert_true(s.nic_placed > FLOWS);
	close_site();
}

/* From one moment to the next no worker believes the port; flows that came through others stay
 * where they are. */
static void a_lying_nic_is_distrusted_by_all(void **state)
{
	static struct rte_mbuf m;
	struct ip_addr a = ip("203.0.113.7"), vip = ip("198.51.100.1");
	struct pkt_meta pm = l4_pkt(&a, 5000, &vip, 80, L4_TCP, TCP_SYN);
	uint32_t before;

	(void)state;
	log_set_level(LOG_ERROR);
	open_site(true);
	before = arrive(&pm, PLAIN);
	m.ol_flags = RTE_MBUF_F_RX_RSS_HASH;
	m.hash.rss = nic_hash(&s.ports[HASHING], &pm);
	steer_check_rss(&s.pipes[before], HASHING, &m, &pm);
	assert_false(s.ports[HASHING].rss_bad);
	assert_int_equal(s.pipes[before].rss_checks_left[HASHING], RSS_CHECKS - 1);
	/* The right hash in the wrong queue is wrong too. */
	steer_check_rss(&s.pipes[(before + 1) % WORKERS], HASHING, &m, &pm);
	assert_true(s.ports[HASHING].rss_bad);
	s.nic_lies = true;
	assert_int_equal(arrive(&pm, PLAIN), before);
	assert_int_equal(arrive(&pm, HASHING), before);
	flows(FLOWS);
	expect_spread(FLOWS);
	close_site();
}

static void tables_that_are_one_function_are_followed(void **state)
{
	struct pipeline *p = &s.pipes[0];

	(void)state;
	open_site(true);
	/* 128 entries twice over: the same function of the hash. */
	fill_port(&s.ports[OTHER_TABLE], OTHER_TABLE, 256, true);
	for (uint16_t i = 0; i < 256; i++)
		s.ports[OTHER_TABLE].reta[i] = s.ports[HASHING].reta[i % 128];
	steer_init(p);
	assert_true(p->follows[OTHER_TABLE]);
	s.ports[OTHER_TABLE].rss_key[7] ^= 1;
	memset(p->follows, 0, sizeof(p->follows));
	steer_init(p);
	assert_false(p->follows[OTHER_TABLE]);
	close_site();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(software_brings_all_packets_of_a_flow_together),
		cmocka_unit_test(hashing_brings_all_packets_of_a_flow_together),
		cmocka_unit_test(a_lying_nic_is_distrusted_by_all),
		cmocka_unit_test(tables_that_are_one_function_are_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
