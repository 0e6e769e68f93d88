/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "dataplane/base/time.h"
#include "lb/l4/sched_set.h"
#include "lb/l4/worker_pvt.h"
#include "tests/support/l4_rig.h"

#define BACKENDS 6

static struct pkt_meta syn(uint32_t i)
{
	struct ip_addr c = ip10(0xa00000 + i / 50000), vip = ip("198.51.100.1");

	return l4_pkt(&c, (uint16_t)(1 + i % 50000), &vip, 80, PROTO_TCP, TCP_SYN);
}

static void rig_with(struct l4_rig *rig, enum l4_scheduler sched, const uint16_t *weights,
	uint32_t cnt, uint32_t workers)
{
	struct config_service *s;

	rig_init(rig, workers, 20000);
	s = l4_cfg_service(&rig->cfg, "x", "198.51.100.1", L4_TCP, 80, L4_DSR);
	s->scheduler = sched;
	for (uint32_t i = 0; i < cnt; i++) {
		struct ip_addr a = ip10(i + 1);

		l4_cfg_backend(s, &a, 80, weights[i]);
	}
	rig_apply(rig);
}

static void sequence_is_smooth(void **state)
{
	struct maglev_node n[3] = {{.weight = 5}, {.weight = 1}, {.weight = 1}};
	uint16_t *seq = malloc(WRR_MAX_LEN * sizeof(*seq));
	uint32_t len, of[3] = {0};

	(void)state;
	assert_int_equal(wrr_build(n, 3, seq, &len), 0);
	assert_int_equal(len, 7);
	for (uint32_t i = 0; i < 7; i++)
		of[seq[i]]++;
	assert_int_equal(of[0], 5);
	assert_int_equal(of[1], 1);
	/* 5 of 7 are one node's; never more than three in a row, around the end too. */
	for (uint32_t i = 0; i < 7; i++)
		assert_false(seq[i] == 0 && seq[(i + 1) % 7] == 0 && seq[(i + 2) % 7] == 0 &&
			     seq[(i + 3) % 7] == 0);
	/* A common divisor shortens it. */
	n[0].weight = 500;
	n[1].weight = n[2].weight = 250;
	assert_int_equal(wrr_build(n, 3, seq, &len), 0);
	assert_int_equal(len, 4);
	free(seq);
}

static void long_sequences_are_scaled(void **state)
{
	struct maglev_node *n = calloc(LIMIT_SERVICE_BACKENDS, sizeof(*n));
	uint16_t *seq = malloc(WRR_MAX_LEN * sizeof(*seq));
	uint32_t *of = calloc(LIMIT_SERVICE_BACKENDS, sizeof(*of)), len;

	(void)state;
	for (uint32_t i = 0; i < LIMIT_SERVICE_BACKENDS; i++)
		n[i].weight = i == 7 ? 1 : 999;
	assert_int_equal(wrr_build(n, LIMIT_SERVICE_BACKENDS, seq, &len), 0);
	assert_true(len <= WRR_MAX_LEN);
	for (uint32_t i = 0; i < len; i++)
		of[seq[i]]++;
	for (uint32_t i = 0; i < LIMIT_SERVICE_BACKENDS; i++)
		assert_true(of[i] >= 1 && of[i] <= 4);
	free(of);
	free(seq);
	free(n);
}

static void shares_follow_weights_under_every_scheduler(void **state)
{
	static const uint16_t weights[BACKENDS] = {10, 20, 30, 40, 0, 100};
	enum { CNT = 10000 };

	(void)state;
	for (int sched = L4_MAGLEV; sched <= L4_SOURCE_HASH; sched++) {
		struct l4_rig rig;

		rig_with(&rig, (enum l4_scheduler)sched, weights, BACKENDS, 1);
		for (uint32_t i = 0; i < CNT; i++) {
			struct pkt_meta m = syn(i);

			m.src = ip10(0xa00000 + i);
			rig_backend(&rig, &m);
		}
		for (uint32_t b = 0; b < BACKENDS; b++) {
			uint32_t want = CNT * weights[b] / 200;
			uint32_t slack = sched == L4_WRR || sched == L4_WLC ? 2 : want / 5;
			uint32_t got = l4_worker_member_active(rig.workers[0], b);

			assert_in_range(got, want > slack ? want - slack : 0, want + slack);
		}
		rig_fini(&rig);
	}
}

/* With few flows on many cores, every core's first flow must not hit the same backend. */
static void workers_start_round_robin_apart(void **state)
{
	static const uint16_t weights[4] = {1, 1, 1, 1};
	struct l4_rig rig;
	uint32_t seen = 0;

	(void)state;
	rig_with(&rig, L4_WRR, weights, 4, 4);
	for (uint32_t w = 0; w < 4; w++) {
		struct pkt_meta m = syn(w);
		struct l4_verdict v;

		assert_int_equal(l4_decide(rig.workers[w], &m, rig.now_ns, &v), REASON_NONE);
		seen |= 1u << v.member;
	}
	assert_int_equal(seen, 0xf);
	rig_fini(&rig);
}

static void least_connections_sees_the_other_workers(void **state)
{
	static const uint16_t weights[2] = {1, 1};
	struct l4_rig rig;
	struct l4_verdict v;
	uint32_t first;

	(void)state;
	rig_with(&rig, L4_WLC, weights, 2, 2);
	/* Load one backend on worker 1 alone. */
	for (uint32_t i = 0; i < 100; i++) {
		struct pkt_meta m = syn(i);

		assert_int_equal(l4_decide(rig.workers[1], &m, rig.now_ns, &v), REASON_NONE);
	}
	rig.cfg.services[0].backends[0].drain = true;
	rig_apply(&rig);
	for (uint32_t i = 100; i < 200; i++) {
		struct pkt_meta m = syn(i);

		assert_int_equal(l4_decide(rig.workers[1], &m, rig.now_ns, &v), REASON_NONE);
	}
	first = v.member; /* has 150 */
	rig.cfg.services[0].backends[0].drain = false;
	rig_apply(&rig);
	l4_publish(rig.workers, 2, rig.table);
	for (uint32_t i = 200; i < 290; i++) {
		struct pkt_meta m = syn(i);

		assert_int_equal(l4_decide(rig.workers[0], &m, rig.now_ns, &v), REASON_NONE);
		assert_int_not_equal(v.member, first);
	}
	rig_fini(&rig);
}

static void source_hash_holds_a_client_together(void **state)
{
	static const uint16_t weights[BACKENDS] = {1, 1, 1, 1, 1, 1};
	struct l4_rig rig;

	(void)state;
	rig_with(&rig, L4_SOURCE_HASH, weights, BACKENDS, 1);
	for (uint32_t c = 0; c < 100; c++) {
		struct ip_addr first = {0};

		for (uint32_t port = 1; port < 10; port++) {
			struct pkt_meta m = syn(port);
			struct ip_addr b;

			m.src = ip10(0xb00000 + c);
			b = rig_backend(&rig, &m);
			if (port == 1)
				first = b;
			assert_true(ip_addr_eq(&b, &first));
		}
	}
	rig_fini(&rig);
}

/* Two nodes that share only the configuration: other numbers, other order, the same choice. */
static void nodes_agree(void **state)
{
	struct l4_rig a, b;

	(void)state;
	for (uint32_t n = 0; n < 2; n++) {
		struct l4_rig *r = n == 0 ? &a : &b;
		struct config_service *s;

		rig_init(r, 1, 1000);
		if (n == 1) {
			struct ip_addr x = ip10(99);

			s = l4_cfg_service(&r->cfg, "other", "198.51.100.7", L4_TCP, 80, L4_DSR);
			l4_cfg_backend(s, &x, 80, 1);
		}
		s = l4_cfg_service(&r->cfg, "x", "198.51.100.1", L4_TCP, 80, L4_DSR);
		for (uint32_t i = 0; i < 20; i++) {
			struct ip_addr x = ip10(1 + (n == 0 ? i : 19 - i));

			l4_cfg_backend(s, &x, 80, 10);
		}
		rig_apply(r);
	}
	for (uint32_t i = 0; i < 500; i++) {
		struct pkt_meta m = syn(i);
		struct ip_addr x = rig_backend(&a, &m), y = rig_backend(&b, &m);

		assert_true(ip_addr_eq(&x, &y));
	}
	rig_fini(&a);
	rig_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sequence_is_smooth),
		cmocka_unit_test(long_sequences_are_scaled),
		cmocka_unit_test(shares_follow_weights_under_every_scheduler),
		cmocka_unit_test(workers_start_round_robin_apart),
		cmocka_unit_test(least_connections_sees_the_other_workers),
		cmocka_unit_test(source_hash_holds_a_client_together),
		cmocka_unit_test(nodes_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
