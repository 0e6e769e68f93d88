/* SPDX-License-Identifier: Apache-2.0
 * Backends that fail, drain or go away. */
#include <string.h>

#include "tests/support/l4_packets.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_down_is_a_setting),
		cmocka_unit_test(a_dead_backend_loses_udp_and_half_open_flows_only),
		cmocka_unit_test(a_drain_has_a_deadline),
		cmocka_unit_test(flows_of_a_removed_address_end_by_the_deadline),
		cmocka_unit_test(removal_is_gentle_or_a_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
