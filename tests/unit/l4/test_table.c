/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l4/registry_pvt.h"
#include "lb/l4/table_pvt.h"
#include "tests/support/l4_rig.h"

static struct config_service *web(
	struct l4_rig *rig, const char *name, const char *vip, uint32_t cnt)
{
	struct config_service *s = l4_cfg_service(&rig->cfg, name, vip, L4_TCP, 80, L4_DSR);

	for (uint32_t i = 0; i < cnt; i++) {
		struct ip_addr a = ip10(i + 1);

		l4_cfg_backend(s, &a, 80, 10);
	}
	return s;
}

static uint32_t number(const struct l4_rig *rig, const char *service, uint32_t backend)
{
	struct ip_addr a = ip10(backend);

	return l4_member_find(rig->table, l4_service_find(rig->table, service), &a, BE16(80));
}

static void vips_are_owned_and_listed(void **state)
{
	struct l4_rig rig;
	struct config_service *s;
	struct ip_addr a = ip("198.51.100.1"), b = ip("2001:db8::80"), c = ip("198.51.100.3"), out;
	uint32_t cnt = 0, seen = 0;

	(void)state;
	rig_init(&rig, 1, 16);
	s = web(&rig, "one", "198.51.100.1", 2);
	l4_cfg_vip(s, "2001:db8::80");
	web(&rig, "two", "198.51.100.1", 2)->port_lo = 81;
	rig.cfg.services[1].port_hi = 82;
	rig_apply(&rig);
	assert_true(l4_owns_vip(rig.table, &a));
	assert_true(l4_owns_vip(rig.table, &b));
	assert_false(l4_owns_vip(rig.table, &c));
	for (; l4_vip_at(rig.table, cnt, &out); cnt++)
		seen |= ip_addr_eq(&out, &a) ? 1 : ip_addr_eq(&out, &b) ? 2 : 4;
	assert_int_equal(cnt, 2);
	assert_int_equal(seen, 3);
	assert_int_equal(rig.report.vips, 2);
	/* Gone from the configuration, not listed; gone from ARP when no worker has a flow on it.
	 */
	s->vip_cnt = 1;
	rig_apply(&rig);
	assert_true(l4_owns_vip(rig.table, &b));
	assert_true(l4_vip_at(rig.table, 0, &out) && ip_addr_eq(&out, &a));
	assert_false(l4_vip_at(rig.table, 1, &out));
	assert_int_equal(rig_reap(&rig), 1);
	rig_apply(&rig);
	assert_false(l4_owns_vip(rig.table, &b));
	rig_fini(&rig);
}

static void many_ranges_are_told_apart(void **state)
{
	struct l4_rig rig;
	const struct l4_addr_slot *slot;
	struct ip_addr vip = ip("198.51.100.1");

	(void)state;
	rig_init(&rig, 1, 16);
	for (uint32_t i = 0; i < 30; i++) {
		struct config_service *s;
		char name[16];

		snprintf(name, sizeof(name), "s%u", i);
		s = web(&rig, name, "198.51.100.1", 1);
		s->proto = i % 2 ? L4_TCP : L4_UDP;
		s->port_lo = (uint16_t)(100 * (i / 2));
		s->port_hi = (uint16_t)(100 * (i / 2) + 49);
	}
	rig_apply(&rig);
	slot = addr_find(rig.table, &vip);
	assert_non_null(slot);
	for (uint32_t port = 0; port < 2000; port++) {
		for (uint32_t tcp = 0; tcp < 2; tcp++) {
			uint16_t got = vip_service(
				rig.table, slot->vip, tcp ? L4_TCP : L4_UDP, (uint16_t)port);
			char name[16];

			if (port >= 1500 || port % 100 >= 50) {
				assert_int_equal(got, L4_NONE16);
				continue;
			}
			snprintf(name, sizeof(name), "s%u", port / 100 * 2 + tcp);
			assert_int_equal(got, l4_service_find(rig.table, name));
		}
	}
	rig_fini(&rig);
}

static void numbers_survive_whatever_is_configured(void **state)
{
	struct l4_rig rig;
	struct config_service *s;
	struct config_backend swap;
	uint32_t one, two;
	uint16_t service;

	(void)state;
	rig_init(&rig, 1, 16);
	s = web(&rig, "web", "198.51.100.1", 3);
	rig_apply(&rig);
	assert_int_equal(rig.report.services_added, 1);
	assert_int_equal(rig.report.backends_added, 3);
	service = l4_service_find(rig.table, "web");
	one = number(&rig, "web", 1);
	two = number(&rig, "web", 2);
	/* Order, weight, scheduler, name, another VIP, another service before it. */
	swap = s->backends[0];
	s->backends[0] = s->backends[2];
	s->backends[2] = swap;
	s->backends[1].weight = 77;
	s->scheduler = L4_WRR;
	strcpy(s->name, "renamed");
	l4_cfg_vip(s, "198.51.100.9");
	web(&rig, "new", "198.51.100.2", 3);
	rig_apply(&rig);
	assert_int_equal(rig.report.services_added, 1);
	assert_int_equal(rig.report.backends_added, 3);
	assert_int_equal(rig.report.services_removed, 0);
	assert_int_equal(l4_service_find(rig.table, "renamed"), service);
	assert_int_equal(number(&rig, "renamed", 1), one);
	assert_int_equal(number(&rig, "renamed", 2), two);
	assert_int_not_equal(number(&rig, "new", 1), one);
	/* The same backend in another mode is another one. */
	s->mode = L4_IPIP;
	rig_apply(&rig);
	assert_int_not_equal(number(&rig, "renamed", 1), one);
	assert_int_equal(rig.report.removed_held, 3);
	s->mode = L4_DSR;
	rig_apply(&rig);
	assert_int_equal(number(&rig, "renamed", 1), one);
	rig_fini(&rig);
}

static void a_number_is_free_only_when_nothing_uses_it(void **state)
{
	struct l4_rig rig;
	struct config_service *s;
	struct l4_usage usage;
	struct l4_verdict v;
	struct ip_addr c = ip("203.0.113.1"), vip = ip("198.51.100.1");
	struct pkt_meta m = l4_pkt(&c, 1, &vip, 80, PROTO_TCP, TCP_SYN);
	uint32_t used, other;

	(void)state;
	rig_init(&rig, 1, 16);
	s = web(&rig, "web", "198.51.100.1", 2);
	rig_apply(&rig);
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
	used = v.member;
	other = number(&rig, "web", 1) == used ? number(&rig, "web", 2) : number(&rig, "web", 1);
	/* Both go; a worker that has not moved on holds even the idle one. */
	s->backend_cnt = 0;
	l4_worker_usage(rig.workers[0], &usage);
	rig_apply(&rig);
	assert_int_equal(rig.report.backends_removed, 2);
	assert_int_equal(l4_registry_reap(rig.registry, &usage, 1), 0);
	assert_int_equal(rig_reap(&rig), 1);
	rig_apply(&rig);
	assert_int_equal(l4_member_state_of(rig.table, used), L4_MEMBER_REMOVED);
	assert_int_equal(l4_member_state_of(rig.table, other), L4_MEMBER_FREE);
	assert_int_equal(rig_reap(&rig), 0);
	rig.now_ns += 20 * NS_PER_SEC;
	l4_sweep_all(rig.workers[0], rig.now_ns);
	assert_int_equal(rig_reap(&rig), 1);
	rig_apply(&rig);
	assert_int_equal(l4_member_state_of(rig.table, used), L4_MEMBER_FREE);
	/* Whoever gets a number again can be told from its last owner. */
	{
		struct ip_addr a = ip10(9);
		struct l4_member_info info;
		uint32_t again;

		assert_false(l4_member_info(rig.table, used, &info));
		l4_cfg_backend(s, &a, 80, 7);
		rig_apply(&rig);
		again = number(&rig, "web", 9);
		assert_true(again == used || again == other);
		assert_true(l4_member_info(rig.table, again, &info));
		assert_int_equal(info.born, l4_table_generation(rig.table));
		assert_true(ip_addr_eq(&info.addr, &a));
		assert_int_equal(info.weight, 7);
		assert_true(info.chosen);
		assert_string_equal(l4_service_name(rig.table, info.service), "web");
		assert_int_equal(l4_service_born(rig.table, info.service), 1);
	}
	rig_fini(&rig);
}

static void a_removed_service_keeps_its_flows(void **state)
{
	struct l4_rig rig;
	struct l4_verdict v;
	struct ip_addr c = ip("203.0.113.1"), vip = ip("198.51.100.1");
	struct pkt_meta m = l4_pkt(&c, 1, &vip, 80, PROTO_TCP, TCP_SYN);
	uint32_t member;

	(void)state;
	rig_init(&rig, 1, 16);
	web(&rig, "stays", "198.51.100.1", 1)->port_lo = 443;
	rig.cfg.services[0].port_hi = 443;
	web(&rig, "goes", "198.51.100.1", 3);
	rig_apply(&rig);
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
	member = v.member;
	m.tcp_flags = TCP_ACK;
	rig.cfg.cfg.service_cnt = 1;
	rig_apply(&rig);
	assert_int_equal(rig.report.services_removed, 1);
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
	assert_int_equal(v.member, member);
	m.sport++;
	m.tcp_flags = TCP_SYN;
	assert_int_equal(rig_decide(&rig, &m, &v), REASON_L4_NO_SERVICE);
	assert_null(rig_check(&rig));
	rig.cfg.cfg.service_cnt = 2; /* so that its lists are freed */
	rig_fini(&rig);
}

static void equal_sets_are_built_once(void **state)
{
	struct l4_rig rig;
	struct config_service *s;

	(void)state;
	rig_init(&rig, 1, 16);
	web(&rig, "a", "198.51.100.1", 20);
	web(&rig, "b", "198.51.100.2", 20);
	s = web(&rig, "c", "198.51.100.3", 20);
	s->maglev_size = 251;
	rig_apply(&rig);
	assert_int_equal(rig.report.sets_built, 2);
	assert_int_equal(rig.report.sets_shared, 1);
	assert_ptr_equal(rig.table->services[0].set, rig.table->services[1].set);
	/* The next generation takes over what did not change. */
	s->backends[3].weight = 1;
	rig_apply(&rig);
	assert_int_equal(rig.report.sets_built, 1);
	assert_int_equal(rig.report.sets_shared, 2);
	assert_int_equal(rig.table->services[0].set->refs, 2);
	rig_fini(&rig);
}

static void equal_lists_are_shared(void **state)
{
	struct l4_rig rig;
	struct l4_acl *acl;

	(void)state;
	rig_init(&rig, 1, 16);
	for (uint32_t i = 0; i < 2; i++) {
		struct config_service *s =
			web(&rig, i ? "a" : "b", i ? "198.51.100.1" : "198.51.100.2", 2);

		l4_cfg_prefix(&s->deny, &s->deny_cnt, "203.0.113.0/24");
	}
	rig_apply(&rig);
	acl = rig.table->services[0].acl;
	assert_ptr_equal(rig.table->services[1].acl, acl);
	rig_apply(&rig);
	assert_ptr_equal(rig.table->services[0].acl, acl);
	l4_cfg_prefix(&rig.cfg.services[0].allow, &rig.cfg.services[0].allow_cnt, "203.0.113.0/24");
	rig_apply(&rig);
	assert_ptr_not_equal(rig.table->services[0].acl, rig.table->services[1].acl);
	rig_fini(&rig);
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The target is one second for a release build; a debug build gets three times that. */
static void a_thousand_vips_with_a_hundred_backends_build_fast(void **state)
{
	enum { SERVICES = 1000, BACKENDS = 100, SETS = 10 };
	struct config_service *services = calloc(SERVICES, sizeof(*services));
	struct l4_rig rig;
	double start, first, second;

	(void)state;
	assert_non_null(services);
	rig_init(&rig, 1, 16);
	for (uint32_t i = 0; i < SERVICES; i++) {
		struct config_service *s;
		struct ip_addr vip = ip10(0xf00000 + i);
		char text[IP_ADDR_TEXT_MAX], name[16];

		snprintf(name, sizeof(name), "s%u", i);
		rig.cfg.cfg.service_cnt = 0;
		s = l4_cfg_service(&rig.cfg, name, ip_addr_format(&vip, text), L4_TCP, 80, L4_IPIP);
		s->maglev_size = 65537;
		for (uint32_t b = 0; b < BACKENDS; b++) {
			struct ip_addr a = ip10(i % SETS * 1000 + b);

			l4_cfg_backend(s, &a, 80, 10);
		}
		services[i] = *s;
	}
	rig.cfg.cfg.services = services;
	rig.cfg.cfg.service_cnt = SERVICES;
	start = seconds();
	rig_apply(&rig);
	first = seconds() - start;
	assert_int_equal(rig.report.sets_built, SETS);
	services[500].backends[50].weight = 1;
	start = seconds();
	rig_apply(&rig);
	second = seconds() - start;
	assert_int_equal(rig.report.sets_built, 1);
	print_message("first %.0f ms, one change %.0f ms, %lu MiB\n", first * 1e3, second * 1e3,
		rig.report.bytes >> 20);
	assert_true(first < 3 && second < 3);
	for (uint32_t i = 0; i < SERVICES; i++) {
		free(services[i].vips);
		free(services[i].backends);
	}
	rig.cfg.cfg.service_cnt = 0;
	free(services);
	rig_fini(&rig);
}

static void every_port_has_one_owner(void **state)
{
	static const struct {
		uint16_t lo, hi;
		uint32_t workers;
	} c[] = {{1024, 64511, 1}, {1024, 64511, 3}, {1, 65535, 64}, {1000, 1063, 64}, {5, 5, 1},
		{10000, 60000, 7}};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(c); i++) {
		struct l4_port_split s;
		uint32_t next = c[i].lo;

		l4_port_split_init(&s, c[i].lo, c[i].hi, c[i].workers);
		for (uint32_t w = 0; w < c[i].workers; w++) {
			uint16_t lo, hi;

			l4_port_split_share(&s, w, &lo, &hi);
			assert_int_equal(lo, next);
			assert_true(hi >= lo);
			for (uint32_t p = lo; p <= hi; p++)
				assert_int_equal(l4_port_owner(&s, (uint16_t)p), w);
			next = hi + 1u;
		}
		assert_int_equal(next, c[i].hi + 1u);
	}
}

static void probes_have_ports_of_their_own(void **state)
{
	struct l4_cfg c;
	uint16_t lo, hi, probe_lo, probe_hi;

	(void)state;
	l4_cfg_init(&c, 1);
	l4_flow_ports(&c.cfg, &lo, &hi);
	l4_probe_ports(&c.cfg, &probe_lo, &probe_hi);
	assert_int_equal(lo, 1024);
	assert_int_equal(probe_hi, 65535);
	assert_int_equal(probe_lo, hi + 1);
	assert_int_equal(probe_hi - probe_lo + 1, 1024);
	c.cfg.l4.local_port_lo = 50000;
	c.cfg.l4.local_port_hi = 50099;
	l4_flow_ports(&c.cfg, &lo, &hi);
	l4_probe_ports(&c.cfg, &probe_lo, &probe_hi);
	assert_int_equal(hi, 50074);
	assert_int_equal(probe_lo, 50075);
}

static void fewer_ports_than_workers_are_refused(void **state)
{
	struct l4_rig rig;
	struct l4_build in;
	struct l4_table *t;
	struct l4_build_report report;

	(void)state;
	rig_init(&rig, 4, 16);
	web(&rig, "web", "198.51.100.1", 2);
	in = (struct l4_build){.cfg = &rig.cfg.cfg, .registry = rig.registry};
	rig.cfg.cfg.l4.local_port_hi = (uint16_t)(rig.cfg.cfg.l4.local_port_lo + 2);
	assert_int_equal(l4_table_build(&in, &t, &report), -EINVAL);
	assert_null(t);
	rig.cfg.cfg.l4.local_port_hi = 65535;
	assert_int_equal(l4_table_build(&in, &t, &report), 0);
	l4_table_free(t);
	rig_fini(&rig);
}

static void full_nat_speaks_from_the_port_of_its_backends(void **state)
{
	struct l4_rig rig;
	struct config_port ports[2] = {0};
	struct ip_prefix outside, inside;
	struct config_service *s;
	struct l4_verdict v;
	struct ip_addr c = ip("203.0.113.1"), vip = ip("198.51.100.1"), want = ip("10.0.0.254"),
		       b = ip10(7);
	struct pkt_meta m = l4_pkt(&c, 1, &vip, 80, PROTO_TCP, TCP_SYN);

	(void)state;
	assert_int_equal(ip_prefix_parse("192.0.2.1/24", &outside), 0);
	assert_int_equal(ip_prefix_parse("10.0.0.254/8", &inside), 0);
	rig_init(&rig, 1, 16);
	rig.cfg.cfg.ports = ports;
	rig.cfg.cfg.port_cnt = 2;
	ports[0].addresses = &outside;
	ports[1].addresses = &inside;
	ports[0].address_cnt = ports[1].address_cnt = 1;
	s = l4_cfg_service(&rig.cfg, "x", "198.51.100.1", L4_TCP, 80, L4_FULLNAT);
	l4_cfg_backend(s, &b, 80, 1);
	rig_apply(&rig);
	for (uint32_t i = 0; i < 8; i++) {
		m.sport++;
		assert_int_equal(rig_decide(&rig, &m, &v), REASON_NONE);
		assert_true(ip_addr_eq(&v.src, &want));
	}
	rig_fini(&rig);
}

static void an_idmap_is_a_map(void **state)
{
	enum { KEYS = 500, STEPS = 60000 };
	static uint32_t naive[KEYS];
	struct idmap m;
	struct rng r;

	(void)state;
	print_message("seed 5\n");
	rng_seed(&r, 5);
	memset(naive, 0xff, sizeof(naive));
	assert_int_equal(idmap_init(&m), 0);
	for (uint32_t i = 0; i < STEPS; i++) {
		uint32_t k = (uint32_t)rng_below(&r, KEYS);
		struct ip_addr a = ip10(k / 3);

		assert_int_equal(idmap_get(&m, &a, k % 3), naive[k]);
		if (rng_below(&r, 2) == 0) {
			idmap_remove(&m, &a, k % 3);
			naive[k] = IDMAP_NONE;
		} else {
			assert_int_equal(idmap_set(&m, &a, k % 3, i), 0);
			naive[k] = i;
		}
	}
	for (uint32_t k = 0; k < KEYS; k++) {
		struct ip_addr a = ip10(k / 3);

		assert_int_equal(idmap_get(&m, &a, k % 3), naive[k]);
	}
	idmap_clear(&m);
	assert_int_equal(m.used, 0);
	idmap_fini(&m);
}

static void a_life_runs_as_drawn(void **state)
{
	struct l4_life_input in = {
		.present = true, .healthy = true, .drain_ns = 10, .removal_reset = false};
	struct l4_life l = {0};

	(void)state;
	assert_true(l4_life_step(&l, &in, 100));
	assert_int_equal(l.state, L4_MEMBER_UP);
	assert_true(l.end_ns == UINT64_MAX);
	in.healthy = false;
	l4_life_step(&l, &in, 110);
	assert_int_equal(l.state, L4_MEMBER_DOWN);
	assert_true(l.end_ns == UINT64_MAX);
	in.drain = true;
	l4_life_step(&l, &in, 120);
	assert_int_equal(l.state, L4_MEMBER_DRAIN);
	assert_int_equal(l.end_ns, 130);
	assert_false(l4_life_step(&l, &in, 125)); /* again: nothing moves */
	assert_int_equal(l.end_ns, 130);
	in.present = false;
	l4_life_step(&l, &in, 140);
	assert_int_equal(l.state, L4_MEMBER_REMOVED);
	assert_int_equal(l.end_ns, 150);
	in.removal_reset = true;
	l4_life_step(&l, &in, 145);
	assert_int_equal(l.end_ns, 140);
	assert_true(l.reset);
	in.drain_ns = 0;
	in.removal_reset = false;
	l4_life_step(&l, &in, 146);
	assert_true(l.end_ns == UINT64_MAX);
	in.present = in.healthy = true;
	in.drain = false;
	l4_life_step(&l, &in, 150);
	assert_int_equal(l.state, L4_MEMBER_UP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vips_are_owned_and_listed),
		cmocka_unit_test(many_ranges_are_told_apart),
		cmocka_unit_test(numbers_survive_whatever_is_configured),
		cmocka_unit_test(a_number_is_free_only_when_nothing_uses_it),
		cmocka_unit_test(a_removed_service_keeps_its_flows),
		cmocka_unit_test(equal_sets_are_built_once),
		cmocka_unit_test(equal_lists_are_shared),
		cmocka_unit_test(a_thousand_vips_with_a_hundred_backends_build_fast),
		cmocka_unit_test(every_port_has_one_owner),
		cmocka_unit_test(probes_have_ports_of_their_own),
		cmocka_unit_test(fewer_ports_than_workers_are_refused),
		cmocka_unit_test(full_nat_speaks_from_the_port_of_its_backends),
		cmocka_unit_test(an_idmap_is_a_map),
		cmocka_unit_test(a_life_runs_as_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
