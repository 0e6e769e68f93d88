/* SPDX-License-Identifier: Apache-2.0
 * An explanation says what the decision then does, and changes nothing; pages of flows have each
 * flow once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "dataplane/base/rng.h"
#include "dataplane/net/hdr.h"
#include "lb/l4/inspect.h"
#include "lb/l4/registry.h"
#include "tests/support/config_text.h"

static const char text[] =
	"ports: [{device: net_null0, addresses: [192.0.2.1/24, 198.51.100.1/24]}]\n"
	"memory: {hugepages: false}\n"
	"services:\n"
	"  - {name: a, vip: 203.0.113.1:80, mode: fullnat, backends: [198.51.100.11, "
	"198.51.100.12, "
	"198.51.100.13], deny: [192.0.2.128/25]}\n"
	"  - {name: b, vip: 203.0.113.2:80, mode: ipip, scheduler: wrr, backends: [198.51.100.11, "
	"{address: 198.51.100.12, weight: 3}]}\n"
	"  - {name: c, vips: [203.0.113.3], port: any, protocol: udp, mode: gue, scheduler: wlc, "
	"backends: [198.51.100.11, 198.51.100.12]}\n"
	"  - {name: d, vip: 203.0.113.4:80, mode: nat, scheduler: source_hash, limits: "
	"{connections: "
	"40}, backends: [198.51.100.21, 198.51.100.22]}\n"
	"  - {name: e, vip: 203.0.113.5:80, mode: dsr, backends: [{address: 192.0.2.9, drain: "
	"true}]}\n";

struct rig {
	struct config *cfg;
	struct l4_registry *registry;
	struct l4_table *table;
	struct l4_worker *w;
	struct l4_explain_scratch *scratch;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct l4_worker_conf conf = {.workers = 1, .flows = 4096, .nat_flows = 4096};
	struct l4_build_report rep;
	struct l4_build in = {0};
	char *said;

	*state = r;
	r->cfg = config_text_parse(text, &said);
	if (r->cfg == NULL)
		print_error("%s", said);
	free(said);
	if (r->cfg == NULL || l4_registry_create(&r->registry) != 0)
		return -1;
	in = (struct l4_build){.cfg = r->cfg, .registry = r->registry, .now_ns = 1};
	if (l4_table_build(&in, &r->table, &rep) != 0 || l4_worker_create(&conf, &r->w) != 0)
		return -1;
	l4_worker_set_table(r->w, r->table, 1);
	r->scratch = l4_explain_scratch_create();
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	l4_explain_scratch_destroy(r->scratch);
	l4_worker_destroy(r->w);
	l4_table_free(r->table);
	l4_registry_destroy(r->registry);
	config_free(r->cfg);
	free(r);
	return 0;
}

static struct pkt_meta random_packet(struct rng *rng)
{
	char client[32], vip[32];
	struct pkt_meta m = {.kind = PKT_IP4, .ip_ver = 4, .flags = PKT_F_PORTS, .ttl = 64};

	snprintf(client, sizeof(client), "192.0.2.%u", 100 + (unsigned)(rng_next(rng) % 40));
	snprintf(vip, sizeof(vip), "203.0.113.%u", 1 + (unsigned)(rng_next(rng) % 6));
	assert_int_equal(ip_addr_parse(client, &m.src), 0);
	assert_int_equal(ip_addr_parse(vip, &m.dst), 0);
	m.sport = BE16(1000 + rng_next(rng) % 8);
	m.dport = BE16(rng_next(rng) % 8 == 0 ? 81 : 80);
	m.proto = rng_next(rng) % 4 == 0 ? L4_UDP : L4_TCP;
	m.l3_len = 60;
	if (m.proto == L4_TCP) {
		static const uint8_t flags[] = {
			TCP_SYN, TCP_ACK, TCP_ACK, TCP_ACK | TCP_FIN, TCP_RST, TCP_SYN | TCP_ACK};

		m.tcp_flags = flags[rng_next(rng) % ARRAY_SIZE(flags)];
	}
	return m;
}

static void an_explanation_is_what_happens(void **state)
{
	struct rig *r = *state;
	struct rng rng;
	uint64_t now_ns = 1000000000;
	unsigned hows[4] = {0};

	rng_seed(&rng, 20261129);
	for (int i = 0; i < 20000; i++) {
		struct pkt_meta m = random_packet(&rng);
		struct l4_explain e, again;
		struct l4_verdict v;
		enum reason why;

		now_ns += rng_next(&rng) % 40000000;
		l4_sweep(r->w, now_ns);
		l4_explain(r->w, r->scratch, &m, now_ns, &e);
		l4_explain(r->w, r->scratch, &m, now_ns, &again);
		assert_memory_equal(&e, &again, sizeof(e));
		why = l4_decide(r->w, &m, now_ns, &v);
		hows[e.how]++;
		if (e.how == L4_HOW_NONE) {
			assert_int_equal(e.reason, why);
			if (why != REASON_NONE)
				assert_int_equal(e.reply, v.reply);
			continue;
		}
		assert_int_equal(why, REASON_NONE);
		assert_int_equal(e.member, v.member);
		assert_int_equal(e.service, v.service);
		assert_int_equal(e.how == L4_HOW_TRACKED,
			(v.flags & (L4_V_TRACKED | L4_V_NEW)) == L4_V_TRACKED);
	}
	for (int i = 0; i < 4; i++)
		assert_true(hows[i] > 100);
}

static void an_explanation_counts_nothing(void **state)
{
	struct rig *r = *state;
	struct l4_worker_stats before, after;
	struct rng rng;

	rng_seed(&rng, 7);
	l4_worker_stats(r->w, &before);
	for (int i = 0; i < 1000; i++) {
		struct pkt_meta m = random_packet(&rng);
		struct l4_explain e;

		l4_explain(r->w, r->scratch, &m, UINT64_C(1) << 40, &e);
	}
	l4_worker_stats(r->w, &after);
	assert_memory_equal(&before, &after, sizeof(before));
	for (uint32_t i = 0; i < l4_member_cnt(r->table); i++) {
		struct l4_member_stats s;
		static const struct l4_member_stats zero;

		l4_worker_member_stats(r->w, i, &s);
		assert_memory_equal(&s, &zero, sizeof(s));
	}
}

static void pages_have_each_flow_once(void **state)
{
	struct rig *r = *state;
	struct l4_flow_page *page = calloc(1, sizeof(*page));
	static bool seen[2][4096];
	uint32_t cnt = 0, udp = 0;
	struct l4_verdict v;

	for (uint32_t i = 0; i < 1500; i++) {
		struct pkt_meta m = {.kind = PKT_IP4,
			.ip_ver = 4,
			.flags = PKT_F_PORTS,
			.ttl = 64,
			.l3_len = 60,
			.sport = BE16(i + 1),
			.dport = BE16(80),
			.proto = i % 3 == 0 ? L4_UDP : L4_TCP,
			.tcp_flags = i % 3 == 0 ? 0 : TCP_SYN};

		assert_int_equal(ip_addr_parse("192.0.2.10", &m.src), 0);
		assert_int_equal(
			ip_addr_parse(i % 3 == 0 ? "203.0.113.3" : "203.0.113.1", &m.dst), 0);
		assert_int_equal(l4_decide(r->w, &m, 5000000000, &v), REASON_NONE);
	}
	*page = (struct l4_flow_page){.filter = {.service = L4_NONE16, .member = L4_NONE32}};
	while (!page->end) {
		l4_flow_page(r->w, page, 7000000000);
		for (uint32_t i = 0; i < page->cnt; i++) {
			const struct l4_flow_row *row = &page->rows[i];
			uint16_t port = BE16(row->cport);

			assert_true(port >= 1 && port <= 1500);
			assert_false(seen[row->proto == L4_UDP][port]);
			seen[row->proto == L4_UDP][port] = true;
			assert_in_range(row->idle_ms, 1998, 2002);
			assert_int_equal(ip_addr_is_zero(&row->local), row->proto == L4_UDP);
			cnt++;
		}
	}
	assert_int_equal(cnt, 1500);
	*page = (struct l4_flow_page){
		.filter = {.service = L4_NONE16, .member = L4_NONE32, .proto = L4_UDP}};
	while (!page->end) {
		l4_flow_page(r->w, page, 7000000000);
		udp += page->cnt;
	}
	assert_int_equal(udp, 500);
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_explanation_is_what_happens, setup, teardown),
		cmocka_unit_test_setup_teardown(an_explanation_counts_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(pages_have_each_flow_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
