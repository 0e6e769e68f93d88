/* SPDX-License-Identifier: Apache-2.0
 * Whose a packet is, tracking of flows, lists and limits, steering. */
#include <string.h>

#include "tests/support/l4_packets.h"

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
		cmocka_unit_test(all_packets_of_a_flow_have_one_owner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
