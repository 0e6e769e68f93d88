/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l4/worker_pvt.h"
#include "tests/support/l4_rig.h"

#define PORT_LO 20000
#define PORTS   400 /* for flows, over all workers */

static struct pkt_meta udp(uint32_t i)
{
	struct ip_addr c = ip10(0xa00000 + i), vip = ip("198.51.100.1");

	return l4_pkt(&c, 7, &vip, 53, PROTO_UDP, 0);
}

static void rig_with(struct l4_rig *rig, uint32_t workers, uint32_t backends, uint32_t locals,
	struct l4_port_filter filter)
{
	struct l4_worker_conf conf = {.flows = 16, .nat_flows = 10000, .port_filter = filter};
	struct config_service *s;

	rig_init_conf(rig, workers, &conf);
	rig->cfg.cfg.l4.local_port_lo = PORT_LO;
	/* A quarter is the probes'. */
	rig->cfg.cfg.l4.local_port_hi = PORT_LO + PORTS * 4 / 3;
	s = l4_cfg_service(&rig->cfg, "dns", "198.51.100.1", L4_UDP, 53, L4_FULLNAT);
	l4_cfg_local(s, "192.0.2.1");
	if (locals == 2)
		l4_cfg_local(s, "192.0.2.2");
	l4_cfg_local(s, "2001:db8::1"); /* never for IPv4 backends */
	for (uint32_t i = 0; i < backends; i++) {
		struct ip_addr a = ip10(i + 1);

		l4_cfg_backend(s, &a, 53, 1);
	}
	rig_apply(rig);
}

/* Every (local address, port) at most once towards one backend. */
struct seen {
	uint8_t used[4][2][65536];
};

static void see(struct seen *s, const struct l4_rig *rig, const struct l4_verdict *v)
{
	uint32_t second = v->src.w[3] == ip("192.0.2.2").w[3];

	assert_true(v->member < 4);
	assert_true(ip_addr_is4(&v->src));
	assert_int_equal(s->used[v->member][second][BE16(v->sport)]++, 0);
	(void)rig;
}

static void each_port_is_used_once_per_backend_and_then_none_is_left(void **state)
{
	struct seen *s = calloc(1, sizeof(*s));
	struct l4_rig rig;
	uint32_t ok = 0, last = 0;

	(void)state;
	for (uint32_t locals = 1; locals <= 2; locals++) {
		memset(s, 0, sizeof(*s));
		ok = 0;
		rig_with(&rig, 1, 1, locals, (struct l4_port_filter){0});
		for (uint32_t i = 0; i < 3 * PORTS; i++) {
			struct pkt_meta m = udp(i);
			struct l4_verdict v;
			enum reason r = rig_decide(&rig, &m, &v);

			assert_true(r == REASON_NONE || r == REASON_L4_NO_PORT);
			if (r != REASON_NONE)
				continue;
			see(s, &rig, &v);
			assert_in_range(BE16(v.sport), PORT_LO, PORT_LO + PORTS);
			ok++;
			last = i;
		}
		/* All of them, in spite of the bound on one search. */
		assert_in_range(ok, locals * PORTS, locals * (PORTS + 1));
		assert_int_equal(l4_worker_port_headroom(rig.workers[0], rig.table, 0), 0);
		assert_true(last < 3 * PORTS);
		rig_fini(&rig);
	}
	free(s);
}

static void ports_serve_many_backends_at_once(void **state)
{
	struct seen *s = calloc(1, sizeof(*s));
	struct l4_rig rig;

	(void)state;
	rig_with(&rig, 1, 4, 1, (struct l4_port_filter){0});
	rig.cfg.services[0].scheduler = L4_WRR;
	rig_apply(&rig);
	for (uint32_t i = 0; i < 4 * PORTS; i++) {
		struct pkt_meta m = udp(i);
		struct l4_verdict v;

		assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
		see(s, &rig, &v);
	}
	assert_null(rig_check(&rig));
	rig_fini(&rig);
	free(s);
}

static void a_freed_port_is_used_again_but_last(void **state)
{
	struct l4_rig rig;
	struct l4_verdict v;
	struct pkt_meta m;
	uint16_t first;
	uint32_t i;

	(void)state;
	rig_with(&rig, 1, 1, 1, (struct l4_port_filter){0});
	m = udp(0);
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
	first = v.sport;
	rig.now_ns += 100 * NS_PER_SEC;
	l4_sweep_all(rig.workers[0], rig.now_ns);
	for (i = 1; i < 2 * PORTS; i++) {
		m = udp(i);
		assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
		if (v.sport == first)
			break;
	}
	assert_in_range(i, PORTS - 1, PORTS + 1);
	rig_fini(&rig);
}

static void workers_never_share_a_port(void **state)
{
	struct seen *s = calloc(1, sizeof(*s));
	struct l4_rig rig;
	uint32_t ok = 0;

	(void)state;
	rig_with(&rig, 3, 1, 1, (struct l4_port_filter){0});
	for (uint32_t i = 0; i < 3 * PORTS; i++) {
		struct pkt_meta m = udp(i), back;
		uint32_t owner = l4_owner(rig.table, &m, 3);
		struct l4_verdict v;

		if (l4_decide(rig.workers[owner], &m, rig.now_ns, &v) != REASON_NONE)
			continue;
		ok++;
		see(s, &rig, &v);
		back = l4_pkt(&v.dst, BE16(v.dport), &v.src, BE16(v.sport), PROTO_UDP, 0);
		assert_int_equal(l4_owner(rig.table, &back, 3), owner);
	}
	assert_in_range(ok, PORTS, PORTS + 1);
	rig_fini(&rig);
	free(s);
}

/* A NIC that brings replies to this worker by a hash of their tuple. */
static bool by_nic(void *ctx, const struct l4_tuple *t)
{
	uint32_t h = (uint32_t)t->dport * 2654435761u ^ t->src.w[3];

	assert_int_equal(t->proto, PROTO_UDP);
	return (h >> 13) % 4 == *(uint32_t *)ctx;
}

static void a_nic_may_choose(void **state)
{
	uint32_t me = 2, ok = 0;
	struct l4_rig rig;

	(void)state;
	rig_with(&rig, 1, 1, 1, (struct l4_port_filter){by_nic, &me});
	for (uint32_t i = 0; i < PORTS / 8; i++) {
		struct pkt_meta m = udp(i);
		struct l4_verdict v;
		struct l4_tuple t;

		if (rig_decide(&rig, &m, &v) != REASON_NONE)
			continue;
		ok++;
		t = (struct l4_tuple){v.dst, v.src, v.dport, v.sport, PROTO_UDP};
		assert_true(by_nic(&me, &t));
	}
	assert_int_equal(ok, PORTS / 8);
	rig_fini(&rig);
}

static void two_services_on_one_backend_do_not_collide(void **state)
{
	struct l4_rig rig;
	struct config_service *s;
	struct ip_addr a = ip10(1);
	uint32_t ok = 0;
	struct seen *seen = calloc(1, sizeof(*seen));

	(void)state;
	rig_with(&rig, 1, 1, 1, (struct l4_port_filter){0});
	s = l4_cfg_service(&rig.cfg, "dns2", "198.51.100.2", L4_UDP, 53, L4_FULLNAT);
	l4_cfg_local(s, "192.0.2.1");
	l4_cfg_backend(s, &a, 53, 1);
	rig_apply(&rig);
	for (uint32_t i = 0; i < 3 * PORTS; i++) {
		struct pkt_meta m = udp(i);
		struct l4_verdict v;

		if (i % 2)
			m.dst = ip("198.51.100.2");
		if (rig_decide(&rig, &m, &v) != REASON_NONE)
			continue;
		ok++;
		assert_int_equal(seen->used[0][0][BE16(v.sport)]++, 0);
	}
	assert_in_range(ok, PORTS, PORTS + 1);
	rig_fini(&rig);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_port_is_used_once_per_backend_and_then_none_is_left),
		cmocka_unit_test(ports_serve_many_backends_at_once),
		cmocka_unit_test(a_freed_port_is_used_again_but_last),
		cmocka_unit_test(workers_never_share_a_port),
		cmocka_unit_test(a_nic_may_choose),
		cmocka_unit_test(two_services_on_one_backend_do_not_collide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
