/* SPDX-License-Identifier: Apache-2.0
 * Translation of addresses and ports both ways, and errors about either. */
#include <string.h>

#include "tests/support/l4_packets.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(full_nat_translates_both_ways),
		cmocka_unit_test(nat_replies_find_the_client),
		cmocka_unit_test(unknown_connections_end_under_nat),
		cmocka_unit_test(nat_states_see_both_sides),
		cmocka_unit_test(toa_rides_on_the_handshake),
		cmocka_unit_test(errors_follow_their_inner_packet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
