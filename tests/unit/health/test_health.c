/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "dataplane/base/time.h"
#include "dataplane/net/cksum.h"
#include "tests/support/eal.h"
#include "tests/support/health_world.h"

static struct world w;

static int setup(void **state)
{
	(void)state;
	world_init(&w, 7);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_fini(&w);
	return 0;
}

static struct health_stats stats(uint32_t id)
{
	struct health_stats s;

	health_stats_read(w.e, id, &s);
	return s;
}

static const struct world_pkt *last(void)
{
	return world_sent(&w, w.sent_cnt - 1);
}

static bool up(uint32_t backend)
{
	return health_view_up(&w.view, 0, backend);
}

/* Run until the next probe leaves. */
static const struct world_pkt *next_probe(void)
{
	uint32_t before = w.sent_cnt;

	for (int ms = 0; ms < 5000 && w.sent_cnt == before; ms++)
		world_run(&w, NS_PER_MS);
	assert_int_equal(w.sent_cnt, before + 1);
	return last();
}

static void add_backends(uint32_t service, int cnt)
{
	char addr[32];

	for (int i = 0; i < cnt; i++) {
		snprintf(addr, sizeof(addr), "192.0.%u.%d", 2 + service, 10 + i);
		world_backend(&w, service, addr, 80);
	}
}

static void one_target(enum health_type type)
{
	struct config_health c = world_check(type);

	if (type == HEALTH_UDP) {
		c.send = (uint8_t *)(uintptr_t) "ping";
		c.send_len = 4;
		c.expect = (uint8_t *)(uintptr_t) "po";
		c.expect_len = 2;
	}
	world_service(&w, L4_NAT, "198.51.100.1", 80, c);
	world_backend(&w, 0, "192.0.2.10", 8080);
	world_reload(&w);
}

static void bring_up(void)
{
	assert_true(world_answer(&w, next_probe(), WORLD_OK));
	assert_true(up(0));
}

static void unchecked_backend_is_up_and_checked_one_is_not(void **state)
{
	(void)state;
	world_service(&w, L4_NAT, "198.51.100.1", 80, (struct config_health){0});
	world_service(&w, L4_NAT, "198.51.100.2", 80, world_check(HEALTH_TCP));
	world_backend(&w, 0, "192.0.2.10", 80);
	world_backend(&w, 1, "192.0.2.10", 80);
	world_reload(&w);
	assert_true(health_view_up(&w.view, 0, 0));
	assert_false(health_view_up(&w.view, 1, 0));
	world_run(&w, 10 * NS_PER_MS);
	assert_int_equal(w.sent_cnt, 1);
	assert_false(health_view_up(&w.view, 1, 0));
}

static void first_success_brings_up_at_once(void **state)
{
	(void)state;
	one_target(HEALTH_TCP);
	world_run(&w, 2 * NS_PER_MS);
	assert_int_equal(w.sent_cnt, 1);
	w.now_ns += 5 * NS_PER_MS;
	assert_true(world_answer(&w, last(), WORLD_OK));
	assert_true(up(0));
	assert_int_equal(stats(0).ok, 1);
	assert_true(stats(0).rtt_ns >= 5 * NS_PER_MS && stats(0).rtt_ns <= 7 * NS_PER_MS);
	assert_int_equal(stats(0).last_change_ns, w.now_ns);
	assert_int_equal(stats(0).flaps, 0);
}

static void first_failure_is_announced_and_later_success_decides(void **state)
{
	const struct health_target *t;

	(void)state;
	one_target(HEALTH_TCP);
	t = health_plan_target(w.view.plan, 0, 0);
	assert_int_equal(health_view_get(&w.view, t).state, HEALTH_CHECKING);
	world_run(&w, 400 * NS_PER_MS);
	assert_int_equal(health_view_get(&w.view, t).state, HEALTH_DOWN);
	assert_int_equal(health_view_get(&w.view, t).why, HEALTH_RESULT_TIMEOUT);
	world_run(&w, 10 * NS_PER_SEC);
	assert_false(up(0));
	assert_true(world_answer(&w, next_probe(), WORLD_OK));
	assert_true(up(0));
}

static void falls_after_fall_timeouts_and_rises_after_rise_answers(void **state)
{
	(void)state;
	one_target(HEALTH_TCP);
	bring_up();
	for (int i = 0; i < 3; i++) {
		next_probe();
		world_run(&w, 299 * NS_PER_MS);
		assert_true(up(0));
		world_run(&w, 2 * NS_PER_MS);
	}
	assert_false(up(0));
	assert_int_equal(stats(0).flaps, 1);
	assert_int_equal(stats(0).failed, 3);
	world_answer(&w, next_probe(), WORLD_OK);
	assert_false(up(0));
	world_answer(&w, next_probe(), WORLD_OK);
	assert_true(up(0));
}

static void a_success_between_failures_starts_the_count_again(void **state)
{
	(void)state;
	one_target(HEALTH_ICMP);
	bring_up();
	for (int round = 0; round < 4; round++) {
		next_probe();
		next_probe();
		world_answer(&w, next_probe(), WORLD_OK);
		assert_true(up(0));
	}
}

static void syn_ack_is_reset_and_so_are_its_repetitions(void **state)
{
	const struct tcp_hdr *syn, *rst;
	uint32_t isn;

	(void)state;
	one_target(HEALTH_TCP);
	next_probe();
	syn = (const struct tcp_hdr *)(w.sent[0].frame + w.sent[0].meta.l4_off);
	isn = BE32(syn->seq_be);
	assert_int_equal(syn->flags, TCP_SYN);
	assert_int_equal(BE16(syn->dport_be), 8080);
	assert_true(BE16(syn->sport_be) >= HEALTH_PORT_LO);
	assert_true(ip_addr_eq(&w.sent[0].meta.src, &w.own4));
	for (uint32_t n = 1; n <= 2; n++) {
		assert_true(world_answer(&w, &w.sent[0], WORLD_OK));
		assert_int_equal(w.sent_cnt, n + 1);
		rst = (const struct tcp_hdr *)(last()->frame + last()->meta.l4_off);
		assert_int_equal(rst->flags, TCP_RST);
		assert_int_equal(BE32(rst->seq_be), isn + 1);
		assert_int_equal(rst->sport_be, syn->sport_be);
		assert_int_equal(rst->dport_be, syn->dport_be);
	}
	assert_int_equal(stats(0).ok, 1);
	assert_int_equal(stats(0).late, 1);
}

static void refused_connection_goes_down_fast(void **state)
{
	uint64_t start;

	(void)state;
	one_target(HEALTH_TCP);
	bring_up();
	start = next_probe()->at_ns;
	world_answer(&w, last(), WORLD_RST);
	for (int i = 1; i < 3; i++)
		world_answer(&w, next_probe(), WORLD_RST);
	assert_false(up(0));
	assert_true(w.now_ns - start <= 250 * NS_PER_MS);
	assert_int_equal(stats(0).last_result, HEALTH_RESULT_REFUSED);
	/* Down: back to the usual pace. */
	start = w.now_ns;
	next_probe();
	assert_true(w.now_ns - start >= 900 * NS_PER_MS);
}

static void udp_wants_the_expected_prefix(void **state)
{
	(void)state;
	one_target(HEALTH_UDP);
	next_probe();
	assert_memory_equal(last()->frame + last()->meta.l4_off + 8, "ping", 4);
	w.payload = "nope";
	assert_true(world_answer(&w, last(), WORLD_OK));
	assert_false(up(0));
	assert_int_equal(stats(0).last_result, HEALTH_RESULT_MISMATCH);
	w.payload = "p"; /* shorter than the prefix */
	w.payload_len = 1;
	assert_true(world_answer(&w, next_probe(), WORLD_OK));
	assert_int_equal(stats(0).failed, 2);
	w.payload = "po";
	w.payload_len = 2;
	assert_true(world_answer(&w, next_probe(), WORLD_OK));
	assert_true(up(0));
}

static void udp_without_prefix_takes_any_answer(void **state)
{
	(void)state;
	world_service(&w, L4_NAT, "198.51.100.1", 53, world_check(HEALTH_UDP));
	world_backend(&w, 0, "2001:db8::10", 53);
	world_reload(&w);
	w.payload_len = 0;
	assert_true(world_answer(&w, next_probe(), WORLD_OK));
	assert_true(up(0));
}

static void icmp_error_fails_at_once_for_every_kind(void **state)
{
	static const enum health_type types[] = {HEALTH_ICMP, HEALTH_TCP, HEALTH_UDP};
	static const char *const backends[] = {"192.0.2.10", "2001:db8::10"};

	(void)state;
	for (int v = 0; v < 2; v++)
		for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
			uint32_t s = world_service(
				&w, L4_NAT, "198.51.100.1", 80, world_check(types[i]));

			world_backend(&w, s, backends[v], 80);
		}
	world_reload(&w);
	world_run(&w, 5 * NS_PER_MS);
	assert_int_equal(w.sent_cnt, 6);
	for (uint32_t n = 0; n < 6; n++) {
		uint32_t id = w.sent[n].id;

		assert_true(world_answer(&w, &w.sent[n], WORLD_FRAG_NEEDED));
		assert_int_equal(stats(id).failed, 0);
		assert_true(world_answer(&w, &w.sent[n], WORLD_UNREACH));
		assert_int_equal(stats(id).failed, 1);
		assert_int_equal(stats(id).last_result, HEALTH_RESULT_UNREACHABLE);
	}
}

static const struct world_pkt *sent_to(uint32_t id)
{
	for (uint32_t i = 0; i < w.sent_cnt; i++)
		if (w.sent[i].id == id)
			return &w.sent[i];
	fail_msg("no probe for target %u", id);
	return NULL;
}

/* Every mode, both families: what is asked, and who it is delivered to. */
static void dsr_and_tunnels_probe_the_virtual_address(void **state)
{
	static const struct {
		enum l4_mode mode;
		const char *vip, *backend, *dst;
		uint16_t port;
	} rows[] = {
		{L4_DSR, "198.51.100.1", "192.0.2.10", "198.51.100.1", 80},
		{L4_IPIP, "198.51.100.1", "2001:db8::10", "198.51.100.1", 80},
		{L4_GUE, "2001:db8:1::1", "192.0.2.10", "2001:db8:1::1", 80},
		{L4_NAT, "198.51.100.1", "192.0.2.10", "192.0.2.10", 8080},
		{L4_FULLNAT, "198.51.100.1", "2001:db8::10", "2001:db8::10", 8080},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint32_t s =
			world_service(&w, rows[i].mode, rows[i].vip, 80, world_check(HEALTH_TCP));

		world_backend(&w, s, rows[i].backend, 8080);
	}
	world_reload(&w);
	world_run(&w, 5 * NS_PER_MS);
	assert_int_equal(w.sent_cnt, ARRAY_SIZE(rows));
	for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct health_target *t = health_plan_target(w.view.plan, i, 0);
		struct ip_addr want = world_addr(rows[i].dst), be = world_addr(rows[i].backend);
		const struct world_pkt *p = sent_to(t->id);

		assert_true(ip_addr_eq(&t->backend, &be));
		assert_true(ip_addr_eq(&p->meta.dst, &want));
		assert_int_equal(BE16(p->meta.dport), rows[i].port);
		assert_true(world_answer(&w, p, WORLD_OK));
		assert_true(health_view_up(&w.view, i, 0));
	}
}

/* Forty backends behind one VIP and port: each answer finds its own. */
static void answers_behind_dsr_are_told_apart(void **state)
{
	(void)state;
	world_service(&w, L4_DSR, "198.51.100.1", 80, world_check(HEALTH_TCP));
	add_backends(0, 40);
	world_reload(&w);
	world_run(&w, 10 * NS_PER_MS);
	assert_int_equal(w.sent_cnt, 40);
	for (uint32_t i = 0; i < 40; i += 2)
		assert_true(world_answer(&w, world_sent(&w, i), WORLD_OK));
	world_run(&w, 400 * NS_PER_MS);
	for (uint32_t i = 0; i < 40; i++) {
		uint32_t id = world_sent(&w, i)->id;

		assert_int_equal(w.view.entries[id].state, i % 2 == 0 ? HEALTH_UP : HEALTH_DOWN);
	}
}

static void engine_with_ports(uint16_t lo, uint16_t hi)
{
	health_engine_destroy(w.e);
	w.conf.port_lo = lo;
	w.conf.port_hi = hi;
	w.e = health_engine_create(&w.conf, w.now_ns);
}

/* Twelve backends behind one VIP and four source ports: what has its answer gives its port away. */
static void more_backends_than_ports_take_turns(void **state)
{
	(void)state;
	engine_with_ports(61440, 61443);
	world_service(&w, L4_DSR, "198.51.100.1", 80, world_check(HEALTH_UDP));
	add_backends(0, 12);
	world_reload(&w);
	for (int ms = 0; ms < 3000; ms++) {
		world_run(&w, NS_PER_MS);
		for (uint32_t i = 0; i < w.sent_cnt; i++)
			assert_true(world_answer(&w, world_sent(&w, i), WORLD_OK));
		world_forget(&w);
	}
	for (uint32_t b = 0; b < 12; b++) {
		assert_true(up(b));
		assert_true(stats(health_plan_target(w.view.plan, 0, b)->id).ok >= 3);
		assert_int_equal(stats(health_plan_target(w.view.plan, 0, b)->id).failed, 0);
	}
}

/* Nobody answers: a probe under way keeps its port, the others wait and fail for no reason of ours.
 */
static void ports_under_way_are_not_taken(void **state)
{
	uint64_t put_off = 0;

	(void)state;
	engine_with_ports(61440, 61443);
	world_service(&w, L4_DSR, "198.51.100.1", 80, world_check(HEALTH_TCP));
	add_backends(0, 12);
	world_reload(&w);
	world_run(&w, 100 * NS_PER_MS);
	assert_int_equal(w.sent_cnt, 4);
	for (uint32_t i = 0; i < 4; i++)
		for (uint32_t k = 0; k < i; k++)
			assert_int_not_equal(w.sent[i].meta.sport, w.sent[k].meta.sport);
	for (uint32_t id = 0; id < 12; id++)
		put_off += stats(id).no_port;
	assert_true(put_off > 0);
}

/* Does the byte at this offset of the transport part prove that the answer is to our probe? */
static bool proves(enum health_type type, uint32_t rel)
{
	if (type == HEALTH_TCP)
		return rel < 4 || (rel >= 8 && rel < 12);
	return rel >= 4; /* identifier, sequence number, cookie */
}

/* Each byte that proves something changed in turn; and the whole from another address. */
static void forged_answers_prove_nothing(void **state)
{
	static const char *const backends[] = {
		"192.0.2.10", "192.0.2.11", "2001:db8::10", "2001:db8::11"};

	(void)state;
	for (int k = 0; k < 4; k++) {
		enum health_type type = k % 2 == 0 ? HEALTH_ICMP : HEALTH_TCP;
		bool v4 = k / 2 == 0;
		uint8_t frame[WORLD_PKT_MAX];
		uint32_t len, l4;

		w.cfg.service_cnt = 0;
		world_service(&w, L4_NAT, "198.51.100.1", 80, world_check(type));
		world_backend(&w, 0, backends[k], 80);
		world_reload(&w);
		next_probe();
		l4 = last()->meta.l4_off;
		len = world_make_answer(&w, last(), WORLD_OK, frame);
		for (uint32_t off = l4; off < len; off++) {
			if (!proves(type, off - l4))
				continue;
			frame[off] ^= 0x10;
			world_input(&w, frame, len);
			frame[off] ^= 0x10;
			assert_int_equal(stats(last()->id).ok, 0);
		}
		frame[l4 - (v4 ? 5 : 17)] ^= 1; /* last byte of the source address */
		if (v4) {
			struct ip4_hdr *ip = (struct ip4_hdr *)(frame + 14);

			ip->cksum = cksum_ip4(ip);
		}
		assert_false(world_input(&w, frame, len));
		assert_int_equal(stats(last()->id).failed, 0);
		assert_int_equal(stats(last()->id).ok, 0);
		assert_true(world_answer(&w, last(), WORLD_OK));
		assert_int_equal(stats(last()->id).ok, 1);
		world_forget(&w);
	}
}

static void forged_icmp_errors_and_resets_are_ignored(void **state)
{
	uint8_t frame[WORLD_PKT_MAX];
	uint32_t len;

	(void)state;
	one_target(HEALTH_TCP);
	next_probe();
	len = world_make_answer(&w, last(), WORLD_UNREACH, frame);
	frame[14 + 20 + 8 + 20 + 5] ^= 1; /* inner sequence number */
	assert_true(world_input(&w, frame, len));
	len = world_make_answer(&w, last(), WORLD_RST, frame);
	frame[14 + 20 + 11] ^= 1; /* acknowledgement */
	assert_true(world_input(&w, frame, len));
	frame[14 + 20 + 11] ^= 1;
	frame[14 + 20 + 13] = TCP_RST; /* no ACK: RFC 9293 3.10.7.3 ignores it in SYN-SENT */
	assert_true(world_input(&w, frame, len));
	assert_int_equal(stats(0).failed, 0);
	assert_true(world_answer(&w, last(), WORLD_OK));
	assert_true(up(0));
}

static void late_answers_count_for_nothing(void **state)
{
	(void)state;
	one_target(HEALTH_ICMP);
	next_probe();
	world_run(&w, 350 * NS_PER_MS);
	assert_int_equal(stats(0).failed, 1);
	assert_true(world_answer(&w, last(), WORLD_OK));
	assert_int_equal(stats(0).late, 1);
	assert_false(up(0));
	next_probe();
	assert_false(world_answer(&w, world_sent(&w, 0), WORLD_OK)); /* of the attempt before */
	assert_false(up(0));
}

static void own_stall_does_not_fail_backends(void **state)
{
	(void)state;
	one_target(HEALTH_ICMP);
	next_probe();
	w.now_ns += 2 * NS_PER_SEC; /* nobody called the engine; the answer waits in a queue */
	health_run(w.e, w.now_ns);
	assert_int_equal(stats(0).failed, 0);
	assert_true(world_answer(&w, last(), WORLD_OK));
	assert_true(up(0));
	/* Once only: a second stall of the same attempt fails it. */
	next_probe();
	w.now_ns += 2 * NS_PER_SEC;
	health_run(w.e, w.now_ns);
	w.now_ns += 2 * NS_PER_SEC;
	health_run(w.e, w.now_ns);
	assert_int_equal(stats(0).failed, 1);
}

static void shortage_of_buffers_counts_for_nothing(void **state)
{
	struct rte_mbuf *hoard[255];
	int n = 0;

	(void)state;
	one_target(HEALTH_ICMP);
	while (n < 255 && (hoard[n] = rte_pktmbuf_alloc(w.pool)) != NULL)
		n++;
	world_run(&w, 100 * NS_PER_MS);
	assert_int_equal(w.sent_cnt, 0);
	assert_true(stats(0).no_mbuf >= 5);
	assert_int_equal(stats(0).failed, 0);
	while (n > 0)
		rte_pktmbuf_free(hoard[--n]);
	next_probe();
	assert_true(world_answer(&w, last(), WORLD_OK));
	assert_true(up(0));
}

static void no_source_address_fails(void **state)
{
	(void)state;
	w.no_source = true;
	one_target(HEALTH_TCP);
	world_run(&w, 10 * NS_PER_MS);
	assert_int_equal(w.sent_cnt, 0);
	assert_int_equal(stats(0).last_result, HEALTH_RESULT_NO_SOURCE);
	w.no_source = false;
	bring_up();
}

/* Let the only target fall, then count the answers until it is back. */
static int fall_and_return(void)
{
	int answers = 0;

	next_probe();
	world_run(&w, w.services[0].health.timeout_ns + 2 * NS_PER_MS);
	assert_false(up(0));
	for (; !up(0); answers++)
		world_answer(&w, next_probe(), WORLD_OK);
	world_forget(&w);
	return answers;
}

static void flapping_makes_it_harder_to_come_back(void **state)
{
	static const int want[] = {2, 4, 8, 16, 32, 32};

	(void)state;
	one_target(HEALTH_ICMP);
	w.services[0].health.interval_ns = 20 * NS_PER_MS;
	w.services[0].health.timeout_ns = 5 * NS_PER_MS;
	w.services[0].health.fall = 1;
	world_reload(&w);
	bring_up();
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(fall_and_return(), want[i]);
	assert_int_equal(stats(0).flaps, ARRAY_SIZE(want));
}

static void calm_forgives_flaps(void **state)
{
	(void)state;
	one_target(HEALTH_ICMP);
	w.services[0].health.fall = 1;
	world_reload(&w);
	bring_up();
	assert_int_equal(fall_and_return(), 2);
	assert_int_equal(fall_and_return(), 4);
	assert_int_equal(fall_and_return(), 8);
	for (int i = 0; i < 200; i++)
		world_answer(&w, next_probe(), WORLD_OK);
	assert_int_equal(fall_and_return(), 2);
}

static void targets_spread_over_the_interval_with_jitter(void **state)
{
	uint32_t per_slot[10] = {0};
	uint64_t start;

	(void)state;
	world_service(&w, L4_NAT, "198.51.100.1", 80, world_check(HEALTH_ICMP));
	w.services[0].health.jitter_pct = 20;
	add_backends(0, 60);
	world_reload(&w);
	world_run(&w, 4 * NS_PER_MS);
	assert_int_equal(w.sent_cnt, 60);
	world_run(&w, 10 * NS_PER_SEC);
	world_forget(&w);
	start = w.now_ns;
	world_run(&w, NS_PER_SEC);
	for (uint32_t i = 0; i < w.sent_cnt; i++)
		per_slot[(w.sent[i].at_ns - start - 1) / (100 * NS_PER_MS)]++;
	assert_true(w.sent_cnt >= 45 && w.sent_cnt <= 75);
	for (int i = 0; i < 10; i++)
		assert_true(per_slot[i] <= 20);
}

/* 50,000 a second: 2,048 first probes take at least 40 ms. */
static void many_new_targets_are_paced(void **state)
{
	(void)state;
	for (uint32_t s = 0; s < 32; s++) {
		world_service(
			&w, L4_NAT, "198.51.100.1", (uint16_t)(80 + s), world_check(HEALTH_ICMP));
		add_backends(s, 64);
	}
	world_reload(&w);
	world_run(&w, 20 * NS_PER_MS);
	assert_true(w.sent_cnt >= 500 && w.sent_cnt <= 1100);
	world_run(&w, 80 * NS_PER_MS);
	assert_int_equal(w.sent_cnt, 2048);
}

static void reload_keeps_state_and_schedule(void **state)
{
	uint32_t sent = 0, id;

	(void)state;
	one_target(HEALTH_TCP);
	bring_up();
	id = world_sent(&w, 0)->id;
	world_backend(&w, 0, "192.0.2.11", 80);
	world_backend(&w, 0, "192.0.2.12", 80);
	for (int i = 0; i < 20; i++) {
		struct config_backend b = w.backends[0][0];

		w.backends[0][0] = w.backends[0][2]; /* order means nothing */
		w.backends[0][2] = b;
		world_reload(&w);
		world_run(&w, 10 * NS_PER_MS);
	}
	assert_true(up(0));
	assert_int_equal(health_plan_target(w.view.plan, 0, 0)->id, id);
	for (uint32_t i = 0; i < w.sent_cnt; i++)
		sent += w.sent[i].id == id;
	assert_int_equal(sent, 2); /* SYN and RST: no reload repeated a probe */
}

static void changed_check_keeps_the_state_until_it_has_spoken(void **state)
{
	uint32_t id;

	(void)state;
	one_target(HEALTH_TCP);
	bring_up();
	id = last()->id;
	w.services[0].health.port = 9999;
	w.services[0].health.fall = 2;
	world_reload(&w);
	world_forget(&w);
	assert_true(up(0));
	next_probe();
	assert_int_equal(last()->id, id);
	assert_int_equal(BE16(last()->meta.dport), 9999);
	world_run(&w, 400 * NS_PER_MS);
	assert_true(up(0));
	next_probe();
	world_run(&w, 400 * NS_PER_MS);
	assert_false(up(0));
	/* Down by a wrong check: the first success of the corrected one is enough. */
	w.services[0].health.port = 80;
	world_reload(&w);
	assert_false(up(0));
	assert_true(world_answer(&w, next_probe(), WORLD_OK));
	assert_true(up(0));
}

static void removed_target_is_forgotten_and_its_id_is_clean(void **state)
{
	uint32_t id, sent;

	(void)state;
	one_target(HEALTH_TCP);
	bring_up();
	id = last()->id;
	next_probe();
	sent = w.sent_cnt;
	w.backends[0][0].addr = world_addr("192.0.2.99");
	world_reload(&w);
	assert_int_equal(health_plan_target(w.view.plan, 0, 0)->id, id);
	assert_false(up(0));
	/* An answer to the old target's probe is not the new one's. */
	world_answer(&w, world_sent(&w, sent - 1), WORLD_OK);
	assert_false(up(0));
	world_run(&w, NS_PER_MS);
	assert_int_equal(stats(id).ok, 0);
	assert_false(up(0));
	w.services[0].backend_cnt = 0;
	world_reload(&w);
	world_forget(&w);
	world_run(&w, 3 * NS_PER_SEC);
	assert_int_equal(w.sent_cnt, 0);
	assert_true(health_next_ns(w.e) == UINT64_MAX);
}

/* With nobody draining a ring of 2, the last state still arrives, once per target. */
static void full_event_ring_coalesces_and_loses_nothing(void **state)
{
	enum health_state seen[8] = {HEALTH_CHECKING};
	uint8_t frame[WORLD_PKT_MAX];
	struct health_event ev;
	int events = 0;

	(void)state;
	health_engine_destroy(w.e);
	w.conf.event_ring = 2;
	w.e = health_engine_create(&w.conf, w.now_ns);
	world_service(&w, L4_NAT, "198.51.100.1", 80, world_check(HEALTH_ICMP));
	w.services[0].health.interval_ns = 20 * NS_PER_MS;
	w.services[0].health.timeout_ns = 5 * NS_PER_MS;
	w.services[0].health.fall = w.services[0].health.rise = 1;
	add_backends(0, 8);
	world_reload(&w);
	for (int ms = 0; ms < 400; ms++) {
		w.now_ns += NS_PER_MS;
		world_forget(&w);
		health_run(w.e, w.now_ns);
		for (uint32_t i = 0; i < w.sent_cnt; i++)
			if (ms < 100 || (w.sent[i].id % 2 == 0 && ms > 150))
				world_input(&w, frame,
					world_make_answer(&w, &w.sent[i], WORLD_OK, frame));
	}
	for (int i = 0; i < 20; i++) {
		while (health_event_pop(w.e, &ev)) {
			assert_true(ev.id < 8);
			seen[ev.id] = ev.state;
			events++;
		}
		health_run(w.e, w.now_ns);
	}
	for (int i = 0; i < 8; i++)
		assert_int_equal(seen[i], i % 2 == 0 ? HEALTH_UP : HEALTH_DOWN);
	assert_true(events <= 10);
}

/* Sleep exactly as told: probes keep their pace. */
static void next_time_is_never_late(void **state)
{
	(void)state;
	one_target(HEALTH_ICMP);
	assert_int_equal(health_next_ns(w.e), 0);
	for (int i = 0; i < 500 && w.sent_cnt < 10; i++) {
		uint64_t next = health_next_ns(w.e);

		if (next > w.now_ns)
			w.now_ns = next;
		health_run(w.e, w.now_ns);
	}
	assert_int_equal(w.sent_cnt, 10);
	assert_true(w.sent[9].at_ns - w.sent[1].at_ns <= 8 * (NS_PER_SEC + 2 * NS_PER_MS));
}

static void secrets_differ_between_attempts(void **state)
{
	const struct tcp_hdr *a, *b;

	(void)state;
	one_target(HEALTH_TCP);
	next_probe();
	next_probe();
	a = (const struct tcp_hdr *)(w.sent[0].frame + w.sent[0].meta.l4_off);
	b = (const struct tcp_hdr *)(w.sent[1].frame + w.sent[1].meta.l4_off);
	assert_int_not_equal(a->seq_be, b->seq_be);
	assert_int_not_equal(a->sport_be, b->sport_be);
}

static void results_and_states_have_names(void **state)
{
	(void)state;
	assert_string_equal(health_result_name(HEALTH_RESULT_NO_SOURCE), "no_source");
	assert_string_equal(health_result_name(HEALTH_RESULT_NONE), "none");
	assert_string_equal(health_result_text(HEALTH_RESULT_TIMEOUT), "no answer in time");
	assert_string_equal(health_state_name(HEALTH_UP), "up");
	assert_string_equal(health_state_name(HEALTH_CHECKING), "checking");
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(unchecked_backend_is_up_and_checked_one_is_not),
		T(first_success_brings_up_at_once),
		T(first_failure_is_announced_and_later_success_decides),
		T(falls_after_fall_timeouts_and_rises_after_rise_answers),
		T(a_success_between_failures_starts_the_count_again),
		T(syn_ack_is_reset_and_so_are_its_repetitions),
		T(refused_connection_goes_down_fast),
		T(udp_wants_the_expected_prefix),
		T(udp_without_prefix_takes_any_answer),
		T(icmp_error_fails_at_once_for_every_kind),
		T(dsr_and_tunnels_probe_the_virtual_address),
		T(answers_behind_dsr_are_told_apart),
		T(more_backends_than_ports_take_turns),
		T(ports_under_way_are_not_taken),
		T(forged_answers_prove_nothing),
		T(forged_icmp_errors_and_resets_are_ignored),
		T(late_answers_count_for_nothing),
		T(own_stall_does_not_fail_backends),
		T(shortage_of_buffers_counts_for_nothing),
		T(no_source_address_fails),
		T(flapping_makes_it_harder_to_come_back),
		T(calm_forgives_flaps),
		T(targets_spread_over_the_interval_with_jitter),
		T(many_new_targets_are_paced),
		T(reload_keeps_state_and_schedule),
		T(changed_check_keeps_the_state_until_it_has_spoken),
		T(removed_target_is_forgotten_and_its_id_is_clean),
		T(full_event_ring_coalesces_and_loses_nothing),
		T(next_time_is_never_late),
		T(secrets_differ_between_attempts),
		T(results_and_states_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
