/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "dataplane/base/time.h"
#include "tests/support/l4_rig.h"

#define VIP "198.51.100.1"

static struct ip_addr client(uint32_t i)
{
	struct ip_addr a = ip("203.0.113.0");

	a.w[3] += BE32(i & 0xff);
	return a;
}

/* A TCP packet of client flow i to VIP:80. */
static struct pkt_meta tcp(uint32_t i, uint8_t flags)
{
	struct ip_addr c = client(i), vip = ip(VIP);

	return l4_pkt(&c, (uint16_t)(1000 + i / 256), &vip, 80, PROTO_TCP, flags);
}

static struct pkt_meta udp(uint32_t i)
{
	struct pkt_meta m = tcp(i, 0);

	m.proto = PROTO_UDP;
	return m;
}

/* The packet a backend sends back for what v sent to it. */
static struct pkt_meta answer(const struct l4_verdict *v, uint8_t proto, uint8_t flags)
{
	return l4_pkt(&v->dst, BE16(v->dport), &v->src, BE16(v->sport), proto, flags);
}

static struct config_service *service(
	struct l4_rig *rig, enum l4_proto proto, enum l4_mode mode, uint32_t backends)
{
	struct config_service *s = l4_cfg_service(&rig->cfg, "web", VIP, proto, 80, mode);

	for (uint32_t i = 0; i < backends; i++) {
		struct ip_addr a = ip10(i + 1);

		l4_cfg_backend(s, &a, 8080, 10);
	}
	return s;
}

static void finish(struct l4_rig *rig)
{
	assert_null(rig_check(rig));
	rig_fini(rig);
}

static enum reason decide(struct l4_rig *rig, struct pkt_meta m)
{
	struct l4_verdict v;

	return rig_decide(rig, &m, &v);
}

static uint32_t flows(const struct l4_rig *rig)
{
	struct l4_worker_stats st;

	l4_worker_stats(rig->workers[0], &st);
	return st.flows + st.nat_flows;
}

static struct ip_addr backend(struct l4_rig *rig, struct pkt_meta m)
{
	return rig_backend(rig, &m);
}

/* ---- whose packet ---- */

static void packets_of_others_are_left_alone(void **state)
{
	struct l4_rig rig;
	struct ip_addr a = ip("203.0.113.1"), b = ip("203.0.113.2"), own = ip("192.0.2.1");
	struct pkt_meta m = l4_pkt(&a, 1, &b, 80, PROTO_TCP, TCP_SYN);
	struct l4_verdict v;

	(void)state;
	rig_init(&rig, 1, 16);
	service(&rig, L4_TCP, L4_DSR, 2);
	rig_apply(&rig);
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
	assert_int_equal(v.op, L4_OP_NONE);
	m.dst = own; /* no full NAT service: own addresses are no pool */
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
	assert_int_equal(v.op, L4_OP_NONE);
	m = l4_pkt(&a, 0, &b, 0, PROTO_ICMP, 0);
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
	assert_int_equal(v.op, L4_OP_NONE);
	finish(&rig);
}

static void a_vip_serves_only_its_ports_and_protocol(void **state)
{
	struct l4_rig rig;
	struct config_service *s;
	struct pkt_meta m = tcp(1, TCP_SYN);

	(void)state;
	rig_init(&rig, 1, 64);
	s = service(&rig, L4_TCP, L4_DSR, 2);
	s->port_lo = 80;
	s->port_hi = 90;
	rig_apply(&rig);
	m.dport = BE16(79);
	assert_int_equal(decide(&rig, m), REASON_L4_NO_SERVICE);
	m.dport = BE16(91);
	assert_int_equal(decide(&rig, m), REASON_L4_NO_SERVICE);
	m.dport = BE16(90);
	assert_int_equal(decide(&rig, m), REASON_NONE);
	m.dport = BE16(80);
	assert_int_equal(decide(&rig, m), REASON_NONE);
	m.proto = PROTO_UDP;
	assert_int_equal(decide(&rig, m), REASON_L4_NO_SERVICE);
	s->port_lo = 0;
	s->port_hi = 65535;
	rig_apply(&rig);
	m = tcp(9, TCP_SYN);
	m.dport = 0;
	assert_int_equal(decide(&rig, m), REASON_NONE);
	m.dport = 0xffff;
	assert_int_equal(decide(&rig, m), REASON_NONE);
	finish(&rig);
}

/* ---- tracking ---- */

static void a_flow_keeps_its_backend_when_backends_change(void **state)
{
	enum { CNT = 500 };
	struct l4_rig rig;
	struct config_service *s;
	struct ip_addr was[CNT], added = ip10(77);
	uint32_t moved = 0;

	(void)state;
	rig_init(&rig, 1, 1000);
	s = service(&rig, L4_TCP, L4_DSR, 5);
	rig_apply(&rig);
	for (uint32_t i = 0; i < CNT; i++)
		was[i] = backend(&rig, tcp(i, TCP_SYN));
	l4_cfg_backend(s, &added, 8080, 50);
	l4_cfg_backend_remove(s, 0);
	s->backends[1].weight = 1;
	rig_apply(&rig);
	for (uint32_t i = 0; i < CNT; i++) {
		struct ip_addr is = backend(&rig, tcp(i, TCP_ACK));

		assert_true(ip_addr_eq(&is, &was[i]));
	}
	/* New ones do see the change. */
	for (uint32_t i = CNT; i < 2 * CNT; i++) {
		struct ip_addr is = backend(&rig, tcp(i, TCP_SYN));

		moved += ip_addr_eq(&is, &added);
	}
	assert_in_range(moved, CNT / 3, CNT);
	finish(&rig);
}

static void mid_flow_packets_without_a_flow_follow_the_hash(void **state)
{
	struct l4_rig a, b;

	(void)state;
	for (int sched = L4_MAGLEV; sched <= L4_SOURCE_HASH; sched++) {
		rig_init(&a, 1, 1000);
		rig_init(&b, 1, 1000);
		service(&a, L4_TCP, L4_IPIP, 7)->scheduler = (enum l4_scheduler)sched;
		service(&b, L4_TCP, L4_IPIP, 7)->scheduler = (enum l4_scheduler)sched;
		rig_apply(&a);
		rig_apply(&b);
		for (uint32_t i = 0; i < 300; i++) {
			struct ip_addr x = backend(&a, tcp(i, TCP_ACK)),
				       y = backend(&b, tcp(i, TCP_ACK));

			assert_true(ip_addr_eq(&x, &y));
		}
		assert_int_equal(flows(&a), 300);
		finish(&a);
		finish(&b);
	}
}

static void a_syn_on_a_closing_flow_starts_anew(void **state)
{
	struct l4_rig rig;
	struct config_service *s;
	struct ip_addr first, second;

	(void)state;
	rig_init(&rig, 1, 16);
	s = service(&rig, L4_TCP, L4_DSR, 4);
	rig_apply(&rig);
	first = backend(&rig, tcp(1, TCP_SYN));
	backend(&rig, tcp(1, TCP_ACK));
	for (uint32_t i = 0; i < 4; i++)
		s->backends[i].drain = ip_addr_eq(&s->backends[i].addr, &first);
	rig_apply(&rig);
	/* Draining, so that a new flow must go elsewhere; this one is not new. */
	second = backend(&rig, tcp(1, TCP_SYN));
	assert_true(ip_addr_eq(&first, &second));
	backend(&rig, tcp(1, TCP_FIN | TCP_ACK));
	second = backend(&rig, tcp(1, TCP_ACK));
	assert_true(ip_addr_eq(&first, &second));
	second = backend(&rig, tcp(1, TCP_SYN));
	assert_false(ip_addr_eq(&first, &second));
	assert_int_equal(flows(&rig), 1);
	finish(&rig);
}

static void timeouts_go_by_state(void **state)
{
	static const struct {
		uint8_t last;
		uint64_t lives_s, dead_s;
	} c[] = {{TCP_SYN, 9, 11}, {TCP_ACK, 299, 301}, {TCP_FIN | TCP_ACK, 39, 41},
		{TCP_RST, 9, 11}};
	struct l4_rig rig;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		rig_init(&rig, 1, 16);
		service(&rig, L4_TCP, L4_DSR, 2);
		rig_apply(&rig);
		assert_int_equal(decide(&rig, tcp(1, TCP_SYN)), REASON_NONE);
		if (c[i].last != TCP_SYN) {
			assert_int_equal(decide(&rig, tcp(1, TCP_ACK)), REASON_NONE);
			assert_int_equal(decide(&rig, tcp(1, c[i].last)), REASON_NONE);
		}
		l4_sweep_all(rig.workers[0], rig.now_ns + c[i].lives_s * NS_PER_SEC);
		assert_int_equal(flows(&rig), 1);
		l4_sweep_all(rig.workers[0], rig.now_ns + c[i].dead_s * NS_PER_SEC);
		assert_int_equal(flows(&rig), 0);
		finish(&rig);
	}
}

static void a_draining_worker_takes_nothing_new(void **state)
{
	struct l4_rig rig;

	(void)state;
	rig_init(&rig, 1, 16);
	service(&rig, L4_TCP, L4_DSR, 2);
	rig_apply(&rig);
	for (uint32_t i = 1; i <= 2; i++) {
		assert_int_equal(decide(&rig, tcp(i, TCP_SYN)), REASON_NONE);
		assert_int_equal(decide(&rig, tcp(i, TCP_ACK)), REASON_NONE);
	}
	l4_worker_set_draining(rig.workers[0], true);
	assert_int_equal(decide(&rig, tcp(3, TCP_SYN)), REASON_STOPPED);
	assert_int_equal(decide(&rig, tcp(1, TCP_ACK)), REASON_NONE);
	assert_int_equal(flows(&rig), 2);
	/* A closed one goes a second later, the other stays. */
	assert_int_equal(decide(&rig, tcp(2, TCP_FIN | TCP_ACK)), REASON_NONE);
	l4_sweep_all(rig.workers[0], rig.now_ns + NS_PER_SEC / 2);
	assert_int_equal(flows(&rig), 2);
	l4_sweep_all(rig.workers[0], rig.now_ns + 2 * NS_PER_SEC);
	assert_int_equal(flows(&rig), 1);
	l4_worker_set_draining(rig.workers[0], false);
	assert_int_equal(decide(&rig, tcp(3, TCP_SYN)), REASON_NONE);
	finish(&rig);
}

static void a_forged_reset_does_not_shorten_a_live_flow(void **state)
{
	struct l4_rig rig;

	(void)state;
	rig_init(&rig, 1, 16);
	service(&rig, L4_TCP, L4_DSR, 2);
	rig_apply(&rig);
	decide(&rig, tcp(1, TCP_SYN));
	decide(&rig, tcp(1, TCP_ACK));
	decide(&rig, tcp(1, TCP_RST));
	decide(&rig, tcp(1, TCP_ACK));
	l4_sweep_all(rig.workers[0], rig.now_ns + 200 * NS_PER_SEC);
	assert_int_equal(flows(&rig), 1);
	finish(&rig);
}

static void the_paced_sweep_meets_every_entry_within_seconds(void **state)
{
	enum { CNT = 5000 };
	struct l4_rig rig;
	uint64_t end;

	(void)state;
	rig_init(&rig, 1, CNT);
	service(&rig, L4_TCP, L4_DSR, 2);
	rig_apply(&rig);
	for (uint32_t i = 0; i < CNT; i++)
		assert_int_equal(decide(&rig, tcp(i, TCP_SYN)), REASON_NONE);
	end = rig.now_ns + 13 * NS_PER_SEC;
	for (; rig.now_ns < end; rig.now_ns += 10 * NS_PER_MS)
		l4_sweep(rig.workers[0], rig.now_ns);
	assert_int_equal(flows(&rig), 0);
	finish(&rig);
}

/* ---- lists and limits ---- */

static void lists_judge_clients(void **state)
{
	struct l4_rig rig;
	struct config_service *s;

	(void)state;
	rig_init(&rig, 1, 16);
	s = service(&rig, L4_TCP, L4_DSR, 2);
	l4_cfg_prefix(&s->allow, &s->allow_cnt, "203.0.113.0/25");
	l4_cfg_prefix(&s->deny, &s->deny_cnt, "203.0.113.7/32");
	rig_apply(&rig);
	assert_int_equal(decide(&rig, tcp(6, TCP_SYN)), REASON_NONE);
	assert_int_equal(decide(&rig, tcp(7, TCP_SYN)), REASON_L4_DENIED);
	assert_int_equal(decide(&rig, tcp(7, TCP_ACK)), REASON_L4_DENIED);
	assert_int_equal(decide(&rig, tcp(128, TCP_SYN)), REASON_L4_DENIED);
	/* A list that changes reaches tracked flows by the next sweep. */
	l4_cfg_prefix(&s->deny, &s->deny_cnt, "203.0.113.6/32");
	rig_apply(&rig);
	assert_int_equal(decide(&rig, tcp(6, TCP_ACK)), REASON_NONE);
	l4_sweep_all(rig.workers[0], rig.now_ns);
	assert_int_equal(decide(&rig, tcp(6, TCP_ACK)), REASON_L4_DENIED);
	finish(&rig);
}

static void the_connection_limit_holds_over_workers(void **state)
{
	enum { LIMIT = 100 };
	struct l4_rig rig;
	struct l4_verdict v;
	uint32_t admitted = 0, on_first = 0;

	(void)state;
	rig_init(&rig, 4, 1000);
	service(&rig, L4_TCP, L4_DSR, 3)->conn_limit = LIMIT;
	rig_apply(&rig);
	l4_publish(rig.workers, 4, rig.table);
	/* All on one worker: it may use what the others leave, step by step. */
	for (uint32_t i = 0; i < 2000; i++) {
		struct pkt_meta m = tcp(i, TCP_SYN);

		admitted += l4_decide(rig.workers[0], &m, rig.now_ns, &v) == REASON_NONE;
		if (i % 100 == 99)
			l4_publish(rig.workers, 4, rig.table);
	}
	on_first = admitted;
	assert_in_range(on_first, LIMIT - 3, LIMIT);
	for (uint32_t i = 2000; i < 6000; i++) {
		struct pkt_meta m = tcp(i, TCP_SYN);
		enum reason r = l4_decide(rig.workers[i % 4], &m, rig.now_ns, &v);

		admitted += r == REASON_NONE;
		assert_true(r == REASON_NONE || r == REASON_L4_CONN_LIMIT);
		if (i % 100 == 99)
			l4_publish(rig.workers, 4, rig.table);
	}
	assert_int_equal(admitted, LIMIT);
	finish(&rig);
}

static void a_backend_at_its_limit_is_passed_over(void **state)
{
	struct l4_rig rig;

	(void)state;
	for (int sched = L4_MAGLEV; sched <= L4_SOURCE_HASH; sched++) {
		struct config_service *s;
		uint32_t admitted = 0;

		rig_init(&rig, 1, 1000);
		s = service(&rig, L4_TCP, L4_DSR, 4);
		s->scheduler = (enum l4_scheduler)sched;
		s->backend_conn_limit = 10;
		rig_apply(&rig);
		l4_publish(rig.workers, 1, rig.table);
		for (uint32_t i = 0; i < 200; i++) {
			enum reason r = decide(&rig, tcp(i, TCP_SYN));

			admitted += r == REASON_NONE;
			assert_true(r == REASON_NONE || r == REASON_L4_CONN_LIMIT);
		}
		assert_int_equal(admitted, 40);
		for (uint32_t m = 0; m < 4; m++)
			assert_int_equal(l4_worker_member_active(rig.workers[0], m), 10);
		finish(&rig);
	}
}

static void the_rate_limit_is_a_rate(void **state)
{
	struct l4_rig rig;
	uint32_t admitted = 0;

	(void)state;
	rig_init(&rig, 2, 10000);
	service(&rig, L4_TCP, L4_DSR, 2)->rate_limit = 1000;
	rig_apply(&rig);
	/* One worker's half: 500 a second, 10 s, and a burst of a tenth. */
	for (uint32_t i = 0; i < 20000; i++) {
		admitted += decide(&rig, tcp(i, TCP_SYN)) == REASON_NONE;
		rig.now_ns += NS_PER_MS / 2;
	}
	assert_in_range(admitted, 5000, 5060);
	finish(&rig);
}

static void a_flood_is_not_tracked(void **state)
{
	struct l4_worker_conf conf = {
		.flows = 100000, .nat_flows = 100000, .flood_new_per_sec = 1000};
	struct l4_rig rig;
	struct pkt_meta m;
	struct l4_verdict v;
	uint32_t full = 0;

	(void)state;
	rig_init_conf(&rig, 1, &conf);
	service(&rig, L4_TCP, L4_GUE, 5)->scheduler = L4_WRR;
	rig_apply(&rig);
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(decide(&rig, tcp(i, TCP_SYN)), REASON_NONE);
	assert_in_range(flows(&rig), 100, 110); /* a burst's worth, as no time passed */
	/* Untracked packets of one flow stay together, round robin or not. */
	m = tcp(9999, TCP_SYN);
	for (uint32_t i = 0; i < 20; i++) {
		struct ip_addr a = backend(&rig, m), b = backend(&rig, m);

		assert_true(ip_addr_eq(&a, &b));
	}
	rig_decide(&rig, &m, &v);
	assert_false(v.flags & L4_V_TRACKED);
	/* A reload may lift the bound. */
	l4_worker_set_flood(rig.workers[0], 0);
	rig_decide(&rig, &m, &v);
	assert_true(v.flags & L4_V_TRACKED);
	finish(&rig);

	rig_init_conf(&rig, 1, &conf);
	service(&rig, L4_TCP, L4_FULLNAT, 5);
	rig_apply(&rig);
	for (uint32_t i = 0; i < 1000; i++)
		full += decide(&rig, tcp(i, TCP_SYN)) == REASON_L4_TABLE_FULL;
	assert_in_range(full, 890, 900);
	finish(&rig);
}

static void a_full_table_never_gives_up_an_established_flow(void **state)
{
	enum { CNT = 64 };
	struct l4_rig rig;
	struct l4_verdict v;
	struct pkt_meta m;

	(void)state;
	rig_init(&rig, 1, CNT);
	service(&rig, L4_TCP, L4_DSR, 3);
	rig_apply(&rig);
	for (uint32_t i = 0; i < CNT; i++) {
		decide(&rig, tcp(i, TCP_SYN));
		if (i % 2 == 0)
			decide(&rig, tcp(i, TCP_ACK));
	}
	rig.now_ns += 2 * NS_PER_SEC;
	for (uint32_t i = CNT; i < 3 * CNT; i++)
		assert_int_equal(decide(&rig, tcp(i, TCP_SYN)), REASON_NONE);
	assert_int_equal(flows(&rig), CNT);
	for (uint32_t i = 0; i < CNT; i += 2) {
		m = tcp(i, TCP_ACK);
		assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
		assert_true((v.flags & (L4_V_TRACKED | L4_V_NEW)) == L4_V_TRACKED);
	}
	finish(&rig);
}

/* Spoofed sources send one datagram each; who was heard twice stays. */
static void a_datagram_flood_makes_room_for_itself_only(void **state)
{
	enum { CNT = 64 };
	static const enum l4_mode modes[] = {L4_IPIP, L4_FULLNAT};
	struct l4_rig rig;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(modes); k++) {
		rig_init(&rig, 1, CNT);
		service(&rig, L4_UDP, modes[k], 3);
		rig_apply(&rig);
		for (uint32_t i = 0; i < CNT; i++) {
			assert_int_equal(decide(&rig, udp(i)), REASON_NONE);
			if (i % 4 == 0)
				assert_int_equal(decide(&rig, udp(i)), REASON_NONE);
		}
		rig.now_ns += 2 * NS_PER_SEC;
		for (uint32_t i = CNT; i < 2 * CNT; i++)
			decide(&rig, udp(i));
		for (uint32_t i = 0; i < CNT; i += 4) {
			struct pkt_meta m = udp(i);
			struct l4_verdict v;

			assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
			assert_true((v.flags & (L4_V_TRACKED | L4_V_NEW)) == L4_V_TRACKED);
		}
		finish(&rig);
	}
}

/* ---- health, drain, removal ---- */

static bool all_sick(void *ctx, uint32_t s, uint32_t b)
{
	(void)ctx;
	(void)s;
	(void)b;
	return false;
}

static bool first_sick(void *ctx, uint32_t s, uint32_t b)
{
	(void)ctx;
	(void)s;
	return b != 0;
}

static void all_down_is_a_setting(void **state)
{
	struct l4_rig rig;
	struct config_service *s;
	struct l4_verdict v;
	struct pkt_meta m = tcp(1, TCP_SYN), u = udp(1);

	(void)state;
	for (int what = L4_DOWN_DROP; what <= L4_DOWN_SPRAY; what++) {
		rig_init(&rig, 1, 16);
		rig.health = all_sick;
		s = service(&rig, L4_TCP, L4_DSR, 3);
		s->all_down = (enum l4_all_down)what;
		s = service(&rig, L4_UDP, L4_DSR, 3);
		strcpy(s->name, "dns");
		s->all_down = (enum l4_all_down)what;
		rig_apply(&rig);
		switch (what) {
		case L4_DOWN_DROP:
			assert_int_equal(rig_decide(&rig, &m, &v), REASON_L4_NO_BACKEND);
			assert_int_equal(v.reply, L4_REPLY_NONE);
			break;
		case L4_DOWN_REJECT:
			assert_int_equal(rig_decide(&rig, &m, &v), REASON_L4_REJECTED);
			assert_int_equal(v.reply, L4_REPLY_RST);
			assert_int_equal(rig_decide(&rig, &u, &v), REASON_L4_REJECTED);
			assert_int_equal(v.reply, L4_REPLY_NO_PORT);
			break;
		case L4_DOWN_SPRAY:
			assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
			assert_int_equal(rig_decide(&rig, &u, &v), REASON_NONE);
			/* A sprayed UDP flow is a flow. */
			assert_int_equal(rig_decide(&rig, &u, &v), REASON_NONE);
			assert_false(v.flags & L4_V_NEW);
			break;
		}
		finish(&rig);
	}
}

static void a_dead_backend_loses_udp_and_half_open_flows_only(void **state)
{
	enum { CNT = 200 };
	struct l4_rig rig;
	struct ip_addr first = ip10(1);
	struct ip_addr tcp_was[CNT];
	uint32_t hit = 0;

	(void)state;
	rig_init(&rig, 1, 2000);
	service(&rig, L4_TCP, L4_DSR, 3);
	strcpy(service(&rig, L4_UDP, L4_DSR, 3)->name, "dns");
	rig_apply(&rig);
	for (uint32_t i = 0; i < CNT; i++) {
		tcp_was[i] = backend(&rig, tcp(i, TCP_SYN));
		if (i % 2 == 0)
			backend(&rig, tcp(i, TCP_ACK));
		backend(&rig, udp(i));
	}
	rig.health = first_sick;
	rig_apply(&rig);
	for (uint32_t i = 0; i < CNT; i++) {
		struct ip_addr u = backend(&rig, udp(i)), t;

		assert_false(ip_addr_eq(&u, &first));
		/* An established flow goes on, and so would the handshake's ACK; a repeated SYN
		 * was not answered and moves. */
		t = backend(&rig, tcp(i, i % 2 == 0 ? TCP_ACK : TCP_SYN));
		if (i % 2 == 0 || !ip_addr_eq(&tcp_was[i], &first))
			assert_true(ip_addr_eq(&t, &tcp_was[i]));
		else
			assert_false(ip_addr_eq(&t, &first));
		hit += ip_addr_eq(&tcp_was[i], &first);
	}
	assert_true(hit > CNT / 6);
	finish(&rig);
}

static void a_drain_has_a_deadline(void **state)
{
	struct l4_rig rig;
	struct config_service *s;
	struct l4_verdict v;
	struct pkt_meta ack = tcp(1, TCP_ACK);

	(void)state;
	for (int removal = L4_REMOVE_GENTLE; removal <= L4_REMOVE_RESET; removal++) {
		struct ip_addr first;

		rig_init(&rig, 1, 16);
		s = service(&rig, L4_TCP, L4_DSR, 2);
		s->removal = (enum l4_removal)removal;
		s->drain_ns = 60 * NS_PER_SEC;
		rig_apply(&rig);
		first = backend(&rig, tcp(1, TCP_SYN));
		backend(&rig, ack);
		s->backends[ip_addr_eq(&first, &s->backends[0].addr) ? 0 : 1].weight = 0;
		rig_apply(&rig);
		rig.now_ns += 40 * NS_PER_SEC;
		rig_apply(&rig); /* a reload does not prolong it */
		assert_int_equal(rig_decide(&rig, &ack, &v), REASON_NONE);
		assert_true(ip_addr_eq(&v.nexthop, &first));
		rig.now_ns += 21 * NS_PER_SEC;
		if (removal == L4_REMOVE_RESET) {
			assert_int_equal(rig_decide(&rig, &ack, &v), REASON_L4_BACKEND_GONE);
			assert_int_equal(v.reply, L4_REPLY_RST);
			assert_int_equal(flows(&rig), 0);
		} else {
			assert_int_equal(rig_decide(&rig, &ack, &v), REASON_NONE);
			assert_false(ip_addr_eq(&v.nexthop, &first));
		}
		finish(&rig);
	}
}

/* One of a service's addresses goes; its backends stay. */
static void flows_of_a_removed_address_end_by_the_deadline(void **state)
{
	struct l4_rig rig;
	struct config_service *s;
	struct l4_verdict v;
	struct ip_addr old = ip("198.51.100.9");

	(void)state;
	for (int removal = L4_REMOVE_GENTLE; removal <= L4_REMOVE_RESET; removal++) {
		struct pkt_meta syn = tcp(1, TCP_SYN), ack = tcp(1, TCP_ACK),
				other = tcp(2, TCP_SYN);

		syn.dst = ack.dst = other.dst = old;
		rig_init(&rig, 1, 16);
		s = service(&rig, L4_TCP, L4_DSR, 2);
		s->removal = (enum l4_removal)removal;
		s->drain_ns = 60 * NS_PER_SEC;
		l4_cfg_vip(s, "198.51.100.9");
		rig_apply(&rig);
		backend(&rig, syn);
		backend(&rig, ack);
		backend(&rig, tcp(3, TCP_SYN)); /* on the address that stays */
		s->vip_cnt--;
		rig_apply(&rig);
		assert_int_equal(rig_decide(&rig, &other, &v), REASON_L4_NO_SERVICE);
		if (removal == L4_REMOVE_RESET) {
			l4_sweep_all(rig.workers[0], rig.now_ns);
			assert_int_equal(rig_decide(&rig, &ack, &v), REASON_L4_BACKEND_GONE);
			assert_int_equal(v.reply, L4_REPLY_RST);
		} else {
			rig.now_ns += 40 * NS_PER_SEC;
			rig_apply(&rig); /* a reload does not prolong it */
			assert_int_equal(rig_decide(&rig, &ack, &v), REASON_NONE);
			assert_int_equal(rig_reap(&rig), 0);
			rig.now_ns += 21 * NS_PER_SEC;
		}
		assert_int_equal(rig_decide(&rig, &ack, &v), REASON_L4_NO_SERVICE);
		assert_int_equal(flows(&rig), 1);
		assert_int_equal(rig_reap(&rig), 1);
		rig_apply(&rig);
		assert_int_equal(rig_decide(&rig, &ack, &v), REASON_NONE);
		assert_int_equal(v.op, L4_OP_NONE);
		backend(&rig, tcp(3, TCP_ACK));
		/* The address comes back. */
		l4_cfg_vip(s, "198.51.100.9");
		rig_apply(&rig);
		backend(&rig, other);
		other.tcp_flags = TCP_ACK;
		backend(&rig, other);
		s->vip_cnt--;
		rig_apply(&rig);
		s->vip_cnt++;
		rig_apply(&rig);
		rig.now_ns += 61 * NS_PER_SEC;
		l4_sweep_all(rig.workers[0], rig.now_ns);
		assert_int_equal(flows(&rig), 2);
		finish(&rig);
	}
}

static void removal_is_gentle_or_a_reset(void **state)
{
	struct l4_rig rig;
	struct config_service *s;
	struct l4_verdict v;
	struct pkt_meta ack = tcp(1, TCP_ACK), u = udp(1);

	(void)state;
	for (int removal = L4_REMOVE_GENTLE; removal <= L4_REMOVE_RESET; removal++) {
		struct ip_addr first, udp_first;

		rig_init(&rig, 1, 16);
		s = service(&rig, L4_TCP, L4_DSR, 2);
		s->removal = (enum l4_removal)removal;
		strcpy(service(&rig, L4_UDP, L4_DSR, 2)->name, "dns");
		rig_apply(&rig);
		first = backend(&rig, tcp(1, TCP_SYN));
		backend(&rig, ack);
		udp_first = backend(&rig, u);
		for (uint32_t i = 0; i < 2; i++) {
			struct config_service *x = &rig.cfg.services[i];
			const struct ip_addr *gone = i == 0 ? &first : &udp_first;

			l4_cfg_backend_remove(x, ip_addr_eq(&x->backends[0].addr, gone) ? 0 : 1);
		}
		rig_apply(&rig);
		if (removal == L4_REMOVE_RESET) {
			assert_int_equal(rig_decide(&rig, &ack, &v), REASON_L4_BACKEND_GONE);
			assert_int_equal(v.reply, L4_REPLY_RST);
		} else {
			assert_int_equal(rig_decide(&rig, &ack, &v), REASON_NONE);
			assert_true(ip_addr_eq(&v.nexthop, &first));
		}
		assert_int_equal(rig_decide(&rig, &u, &v), REASON_NONE);
		assert_false(ip_addr_eq(&v.nexthop, &udp_first));
		finish(&rig);
	}
}

/* ---- NAT ---- */

static void full_nat_translates_both_ways(void **state)
{
	static const char *const vips[] = {"198.51.100.1", "2001:db8:1::1"};
	static const char *const backends[] = {"10.0.0.1", "2001:db8:2::1"};
	static const char *const locals[] = {"192.0.2.1", "2001:db8::1"};
	static const char *const clients[] = {"203.0.113.5", "2001:db8:3::5"};

	(void)state;
	for (int c = 0; c < 2; c++) {
		for (int b = 0; b < 2; b++) {
			struct l4_rig rig;
			struct config_service *s;
			struct ip_addr back = ip(backends[b]), who = ip(clients[c]),
				       vip = ip(vips[c]), local = ip(locals[b]);
			struct pkt_meta m = l4_pkt(&who, 5555, &vip, 443, PROTO_TCP, TCP_SYN), r;
			struct l4_verdict v, w;

			rig_init(&rig, 1, 16);
			s = l4_cfg_service(&rig.cfg, "x", vips[c], L4_TCP, 443, L4_FULLNAT);
			l4_cfg_backend(s, &back, 0, 1); /* port as the client's */
			rig_apply(&rig);
			assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
			assert_int_equal(v.op, L4_OP_NAT);
			assert_true(ip_addr_eq(&v.src, &local));
			assert_true(ip_addr_eq(&v.dst, &back));
			assert_true(ip_addr_eq(&v.nexthop, &back));
			assert_int_equal(BE16(v.dport), 443);
			assert_in_range(BE16(v.sport), 1024, 65535 - 1024);
			assert_int_equal(v.growth, (b - c) * 20);
			r = answer(&v, PROTO_TCP, TCP_SYN | TCP_ACK);
			assert_int_equal(rig_decide(&rig, &r, &w), REASON_NONE);
			assert_true(w.flags & L4_V_REVERSE);
			assert_true(ip_addr_eq(&w.src, &vip));
			assert_true(ip_addr_eq(&w.dst, &who));
			assert_int_equal(BE16(w.sport), 443);
			assert_int_equal(BE16(w.dport), 5555);
			assert_int_equal(w.growth, (c - b) * 20);
			/* Another backend port is nobody's answer. */
			r.sport = BE16(444);
			assert_int_equal(rig_decide(&rig, &r, &w), REASON_L4_NO_FLOW);
			finish(&rig);
		}
	}
}

static void nat_replies_find_the_client(void **state)
{
	struct l4_rig rig;
	struct l4_verdict v, w;
	struct pkt_meta m = tcp(1, TCP_SYN), r;
	struct ip_addr vip = ip(VIP), other = ip("198.51.100.2");

	(void)state;
	rig_init(&rig, 1, 16);
	l4_cfg_vip(service(&rig, L4_TCP, L4_NAT, 1), "198.51.100.2");
	rig_apply(&rig);
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
	assert_true(ip_addr_eq(&v.src, &m.src));
	assert_int_equal(v.sport, m.sport);
	assert_int_equal(BE16(v.dport), 8080);
	r = answer(&v, PROTO_TCP, TCP_SYN | TCP_ACK);
	assert_int_equal(rig_decide(&rig, &r, &w), REASON_NONE);
	assert_int_equal(w.op, L4_OP_NAT);
	assert_true(ip_addr_eq(&w.src, &vip));
	assert_int_equal(BE16(w.sport), 80);
	/* What the backend says to others is its own affair. */
	r.dport = BE16(9);
	assert_int_equal(rig_decide(&rig, &r, &w), REASON_NONE);
	assert_int_equal(w.op, L4_OP_NONE);
	/* The same client port through another VIP could not be told apart. */
	m.dst = other;
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_L4_NO_PORT);
	m.dst = vip;
	m.tcp_flags = TCP_RST;
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
	m.dst = other;
	m.tcp_flags = TCP_SYN;
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
	assert_int_equal(flows(&rig), 1);
	finish(&rig);
}

static void unknown_connections_end_under_nat(void **state)
{
	struct l4_rig rig;
	struct config_service *s;
	struct l4_verdict v;
	struct pkt_meta m = tcp(1, TCP_ACK);

	(void)state;
	rig_init(&rig, 1, 16);
	s = service(&rig, L4_TCP, L4_FULLNAT, 1);
	rig_apply(&rig);
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_L4_NO_FLOW);
	assert_int_equal(v.reply, L4_REPLY_NONE);
	s->removal = L4_REMOVE_RESET;
	rig_apply(&rig);
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_L4_NO_FLOW);
	assert_int_equal(v.reply, L4_REPLY_RST);
	m.tcp_flags = TCP_RST;
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_L4_NO_FLOW);
	assert_int_equal(v.reply, L4_REPLY_NONE);
	finish(&rig);
}

static void nat_states_see_both_sides(void **state)
{
	struct l4_rig rig;
	struct l4_verdict v, w;
	struct pkt_meta m = tcp(1, TCP_SYN), r;

	(void)state;
	rig_init(&rig, 1, 16);
	service(&rig, L4_TCP, L4_FULLNAT, 1);
	rig_apply(&rig);
	rig_decide(&rig, &m, &v);
	/* The client alone does not establish. */
	m.tcp_flags = TCP_ACK;
	rig_decide(&rig, &m, &v);
	l4_sweep_all(rig.workers[0], rig.now_ns + 11 * NS_PER_SEC);
	assert_int_equal(flows(&rig), 0);

	m.tcp_flags = TCP_SYN;
	rig_decide(&rig, &m, &v);
	r = answer(&v, PROTO_TCP, TCP_SYN | TCP_ACK);
	rig_decide(&rig, &r, &w);
	m.tcp_flags = TCP_ACK;
	rig_decide(&rig, &m, &v);
	l4_sweep_all(rig.workers[0], rig.now_ns + 290 * NS_PER_SEC);
	assert_int_equal(flows(&rig), 1);
	m.tcp_flags = TCP_FIN | TCP_ACK;
	rig_decide(&rig, &m, &v);
	l4_sweep_all(rig.workers[0], rig.now_ns + 39 * NS_PER_SEC);
	assert_int_equal(flows(&rig), 1);
	r.tcp_flags = TCP_FIN | TCP_ACK;
	rig_decide(&rig, &r, &w);
	l4_sweep_all(rig.workers[0], rig.now_ns + 11 * NS_PER_SEC);
	assert_int_equal(flows(&rig), 0);
	finish(&rig);
}

static void toa_rides_on_the_handshake(void **state)
{
	struct l4_rig rig;
	struct l4_verdict v, w;
	struct pkt_meta syn = tcp(1, TCP_SYN), ack = tcp(1, TCP_ACK), r;

	(void)state;
	rig_init(&rig, 1, 16);
	service(&rig, L4_TCP, L4_FULLNAT, 1)->toa = true;
	rig_apply(&rig);
	assert_int_equal(rig_decide(&rig, &syn, &v), REASON_NONE);
	assert_true(v.flags & L4_V_TOA);
	assert_int_equal(v.growth, 0); /* it goes where it fits */
	assert_true(ip_addr_eq(&v.client, &syn.src));
	assert_int_equal(v.client_port, syn.sport);
	r = answer(&v, PROTO_TCP, TCP_SYN | TCP_ACK);
	rig_decide(&rig, &r, &w);
	assert_false(w.flags & L4_V_TOA);
	/* Until the backend goes on, the next packets may be the one that completes. */
	rig_decide(&rig, &ack, &v);
	assert_true(v.flags & L4_V_TOA);
	rig_decide(&rig, &ack, &v);
	assert_true(v.flags & L4_V_TOA);
	r.tcp_flags = TCP_ACK;
	rig_decide(&rig, &r, &w);
	rig_decide(&rig, &ack, &v);
	assert_false(v.flags & L4_V_TOA);
	assert_int_equal(v.growth, 0);
	finish(&rig);
}

/* ---- ICMP errors ---- */

static void errors_follow_their_inner_packet(void **state)
{
	static const enum l4_mode modes[] = {L4_DSR, L4_IPIP, L4_NAT, L4_FULLNAT};
	struct ip_addr router = ip("203.0.113.254"), inside = ip("10.9.9.9"), vip = ip(VIP);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct l4_rig rig;
		struct l4_verdict v, w;
		struct pkt_meta m = tcp(3, TCP_SYN), to_client, to_backend, e;
		bool nat = modes[i] == L4_NAT || modes[i] == L4_FULLNAT;

		rig_init(&rig, 1, 16);
		service(&rig, L4_TCP, modes[i], 5);
		rig_apply(&rig);
		to_client = l4_pkt(&vip, 80, &m.src, BE16(m.sport), PROTO_TCP, TCP_ACK);
		e = l4_icmp_error(&router, &vip, &to_client);
		if (nat)
			assert_int_equal(rig_decide(&rig, &e, &w), REASON_ICMP_NO_FLOW);
		else
			assert_int_equal(rig_decide(&rig, &e, &w), REASON_NONE);
		assert_int_equal(flows(&rig), 0);
		assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
		assert_int_equal(rig_decide(&rig, &e, &w), REASON_NONE);
		assert_true(ip_addr_eq(&w.nexthop, &v.nexthop));
		if (nat) {
			assert_true(w.flags & L4_V_ERROR);
			assert_true(ip_addr_eq(&w.inner_src, &v.dst));
			assert_true(ip_addr_eq(&w.inner_dst, &v.src));
			assert_int_equal(w.inner_sport, v.dport);
			assert_int_equal(w.inner_dport, v.sport);
			/* And one from behind, about what went to the backend. */
			to_backend = l4_pkt(
				&v.src, BE16(v.sport), &v.dst, BE16(v.dport), PROTO_TCP, TCP_SYN);
			e = l4_icmp_error(&inside, &v.src, &to_backend);
			assert_int_equal(rig_decide(&rig, &e, &w), REASON_NONE);
			assert_int_equal(
				w.flags & (L4_V_REVERSE | L4_V_ERROR), L4_V_REVERSE | L4_V_ERROR);
			assert_true(ip_addr_eq(&w.dst, &m.src));
			assert_true(ip_addr_eq(&w.inner_src, &m.src));
			assert_true(ip_addr_eq(&w.inner_dst, &vip));
			assert_int_equal(w.inner_sport, m.sport);
			assert_int_equal(w.inner_dport, m.dport);
		}
		finish(&rig);
	}
}

/* ---- steering ---- */

static void all_packets_of_a_flow_have_one_owner(void **state)
{
	static const enum l4_mode modes[] = {L4_DSR, L4_NAT, L4_FULLNAT};
	struct ip_addr router = ip("203.0.113.254"), vip = ip(VIP);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		struct l4_rig rig;
		uint32_t per_worker[RIG_WORKERS] = {0};

		rig_init(&rig, 3, 2000);
		service(&rig, L4_TCP, modes[i], 5);
		rig_apply(&rig);
		for (uint32_t f = 0; f < 900; f++) {
			struct pkt_meta m = tcp(f, TCP_SYN), e, back;
			uint32_t owner = l4_owner(rig.table, &m, 3);
			struct l4_verdict v;

			assert_true(owner < 3);
			per_worker[owner]++;
			back = l4_pkt(&vip, 80, &m.src, BE16(m.sport), PROTO_TCP, TCP_ACK);
			e = l4_icmp_error(&router, &vip, &back);
			assert_int_equal(l4_owner(rig.table, &e, 3), owner);
			assert_int_equal(
				l4_decide(rig.workers[owner], &m, rig.now_ns, &v), REASON_NONE);
			if (modes[i] == L4_DSR)
				continue;
			back = answer(&v, PROTO_TCP, TCP_SYN | TCP_ACK);
			assert_int_equal(l4_owner(rig.table, &back, 3), owner);
			back = l4_pkt(
				&v.src, BE16(v.sport), &v.dst, BE16(v.dport), PROTO_TCP, TCP_SYN);
			e = l4_icmp_error(&router, &v.src, &back);
			assert_int_equal(l4_owner(rig.table, &e, 3), owner);
		}
		for (uint32_t w = 0; w < 3; w++)
			assert_in_range(per_worker[w], 200, 400);
		finish(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_of_others_are_left_alone),
		cmocka_unit_test(a_vip_serves_only_its_ports_and_protocol),
		cmocka_unit_test(a_flow_keeps_its_backend_when_backends_change),
		cmocka_unit_test(mid_flow_packets_without_a_flow_follow_the_hash),
		cmocka_unit_test(a_syn_on_a_closing_flow_starts_anew),
		cmocka_unit_test(timeouts_go_by_state),
		cmocka_unit_test(a_draining_worker_takes_nothing_new),
		cmocka_unit_test(a_forged_reset_does_not_shorten_a_live_flow),
		cmocka_unit_test(the_paced_sweep_meets_every_entry_within_seconds),
		cmocka_unit_test(lists_judge_clients),
		cmocka_unit_test(the_connection_limit_holds_over_workers),
		cmocka_unit_test(a_backend_at_its_limit_is_passed_over),
		cmocka_unit_test(the_rate_limit_is_a_rate),
		cmocka_unit_test(a_flood_is_not_tracked),
		cmocka_unit_test(a_full_table_never_gives_up_an_established_flow),
		cmocka_unit_test(a_datagram_flood_makes_room_for_itself_only),
		cmocka_unit_test(all_down_is_a_setting),
		cmocka_unit_test(a_dead_backend_loses_udp_and_half_open_flows_only),
		cmocka_unit_test(a_drain_has_a_deadline),
		cmocka_unit_test(flows_of_a_removed_address_end_by_the_deadline),
		cmocka_unit_test(removal_is_gentle_or_a_reset),
		cmocka_unit_test(full_nat_translates_both_ways),
		cmocka_unit_test(nat_replies_find_the_client),
		cmocka_unit_test(unknown_connections_end_under_nat),
		cmocka_unit_test(nat_states_see_both_sides),
		cmocka_unit_test(toa_rides_on_the_handshake),
		cmocka_unit_test(errors_follow_their_inner_packet),
		cmocka_unit_test(all_packets_of_a_flow_have_one_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
