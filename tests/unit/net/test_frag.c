/* SPDX-License-Identifier: Apache-2.0
 * The fragment table under a virtual clock, and cut packets joined again byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/rng.h"
#include "dataplane/net/build.h"
#include "dataplane/net/frag.h"
#include "tests/support/eal.h"

static struct rte_mempool *pool;
static struct frag_table *table;
static struct ledger ledger;
static const uint64_t start_ns = 1000;

static int setup(void **state)
{
	(void)state;
	test_eal_init();
	pool = test_pool_create("frag", 511);
	memset(&ledger, 0, sizeof(ledger));
	return frag_table_create(16, &ledger, &table);
}

static int teardown(void **state)
{
	(void)state;
	frag_table_destroy(table);
	assert_int_equal(ledger.held, 0);
	test_pool_destroy(pool);
	return 0;
}

static struct pkt_meta meta(uint32_t id, uint16_t off, bool first)
{
	struct pkt_meta pm = {.kind = PKT_IP4,
		.ip_ver = 4,
		.proto = PROTO_UDP,
		.frag_id = id,
		.frag_off = off,
		.flags = PKT_F_FRAG | (first ? PKT_F_FRAG_FIRST : 0)};

	pm.src = ip_addr_from4(BE32(0xc0000201));
	pm.dst = ip_addr_from4(BE32(0xc0000202));
	if (first) {
		pm.sport = BE16(1000);
		pm.dport = BE16(53);
		pm.flags |= PKT_F_PORTS;
	}
	return pm;
}

static enum frag_result give(
	struct pkt_meta *pm, struct rte_mbuf *m, uint64_t now, enum reason *why)
{
	*why = REASON_NONE;
	return frag_input(table, m, pm, now, why);
}

static void later_fragments_get_the_ports_of_the_first(void **state)
{
	struct pkt_meta first = meta(7, 0, true), later = meta(7, 800, false);
	enum reason why;

	(void)state;
	assert_int_equal(give(&first, NULL, start_ns, &why), FRAG_GO);
	assert_null(frag_release(table, &first));
	assert_int_equal(give(&later, NULL, start_ns, &why), FRAG_GO);
	assert_int_equal(later.sport, BE16(1000));
	assert_int_equal(later.dport, BE16(53));
	assert_true(later.flags & PKT_F_PORTS);
}

static void early_fragments_wait_and_come_back_in_order(void **state)
{
	struct rte_mbuf *a = test_mbuf(pool, "a", 1), *b = test_mbuf(pool, "b", 1);
	struct pkt_meta first = meta(7, 0, true), la = meta(7, 1600, false),
			lb = meta(7, 800, false);
	enum reason why;

	(void)state;
	assert_int_equal(give(&la, a, start_ns, &why), FRAG_HELD);
	assert_int_equal(give(&lb, b, start_ns, &why), FRAG_HELD);
	assert_int_equal(ledger.held, 2);
	assert_null(frag_release(table, &first));
	assert_int_equal(give(&first, NULL, start_ns, &why), FRAG_GO);
	assert_ptr_equal(frag_release(table, &first), a);
	assert_ptr_equal(frag_release(table, &first), b);
	assert_null(frag_release(table, &first));
	assert_int_equal(ledger.held, 0);
	rte_pktmbuf_free(a);
	rte_pktmbuf_free(b);
}

static void datagrams_do_not_mix(void **state)
{
	struct pkt_meta first = meta(7, 0, true), other;
	struct rte_mbuf *m = test_mbuf(pool, "x", 1);
	enum reason why;

	(void)state;
	assert_int_equal(give(&first, NULL, start_ns, &why), FRAG_GO);
	other = meta(8, 800, false);
	assert_int_equal(give(&other, m, start_ns, &why), FRAG_HELD);
	other = meta(7, 800, false);
	other.proto = PROTO_TCP;
	m = test_mbuf(pool, "x", 1);
	assert_int_equal(give(&other, m, start_ns, &why), FRAG_HELD);
	other = meta(7, 800, false);
	other.src.b[15]++;
	m = test_mbuf(pool, "x", 1);
	assert_int_equal(give(&other, m, start_ns, &why), FRAG_HELD);
}

static void a_second_first_fragment_may_not_change_the_ports(void **state)
{
	struct pkt_meta first = meta(7, 0, true), again = meta(7, 0, true);
	enum reason why;

	(void)state;
	assert_int_equal(give(&first, NULL, start_ns, &why), FRAG_GO);
	assert_int_equal(give(&again, NULL, start_ns, &why), FRAG_GO);
	again.dport = BE16(80);
	assert_int_equal(give(&again, NULL, start_ns, &why), FRAG_DROP);
	assert_int_equal(why, REASON_FRAG_OVERLAP);
}

/* A later fragment may not write over the headers that the first one was judged by. */
static void a_later_fragment_may_not_overlap_the_first(void **state)
{
	struct pkt_meta first = meta(8, 0, true), later = meta(8, 56, false);
	enum reason why;

	(void)state;
	first.l3_off = 14;
	first.l4_off = 34;
	first.l3_len = 20 + 64;
	assert_int_equal(give(&first, NULL, start_ns, &why), FRAG_GO);
	assert_int_equal(give(&later, NULL, start_ns, &why), FRAG_DROP);
	assert_int_equal(why, REASON_FRAG_OVERLAP);
	later.frag_off = 64;
	assert_int_equal(give(&later, NULL, start_ns, &why), FRAG_GO);
	first = meta(9, 0, true); /* IPv6: 8 bytes of destination options count */
	first.ip_ver = 6;
	first.l3_off = 14;
	first.frag_hdr_off = 54;
	first.l4_off = 70;
	first.l3_len = 40 + 8 + 8 + 64;
	assert_int_equal(give(&first, NULL, start_ns, &why), FRAG_GO);
	later = meta(9, 64, false);
	assert_int_equal(give(&later, NULL, start_ns, &why), FRAG_DROP);
	later = meta(9, 72, false);
	assert_int_equal(give(&later, NULL, start_ns, &why), FRAG_GO);
}

static void held_packets_time_out_and_are_counted(void **state)
{
	struct pkt_meta later = meta(7, 800, false), first = meta(7, 0, true);
	enum reason why;

	(void)state;
	assert_int_equal(give(&later, test_mbuf(pool, "x", 1), start_ns, &why), FRAG_HELD);
	assert_int_equal(frag_next_ns(table), start_ns + FRAG_LIFE_NS);
	frag_tick(table, start_ns + FRAG_LIFE_NS - 1);
	assert_int_equal(frag_used(table), 1);
	frag_tick(table, start_ns + FRAG_LIFE_NS);
	assert_int_equal(frag_used(table), 0);
	assert_int_equal(ledger.ended[REASON_FRAG_TIMEOUT], 1);
	assert_int_equal(frag_next_ns(table), UINT64_MAX);
	assert_int_equal(give(&first, NULL, start_ns + FRAG_LIFE_NS, &why), FRAG_GO);
	assert_null(frag_release(table, &first));
}

static void an_id_used_again_after_its_time_is_a_new_datagram(void **state)
{
	struct pkt_meta first = meta(7, 0, true), again = meta(7, 0, true);
	enum reason why;

	(void)state;
	assert_int_equal(give(&first, NULL, start_ns, &why), FRAG_GO);
	again.sport = BE16(2000);
	assert_int_equal(give(&again, NULL, start_ns + FRAG_LIFE_NS, &why), FRAG_GO);
	assert_int_equal(frag_used(table), 1);
}

static void the_table_and_the_held_packets_are_bounded(void **state)
{
	struct rte_mbuf *m;
	enum reason why;
	struct pkt_meta pm;

	(void)state;
	/* Capacity 16: a quarter of it may be held over all datagrams. */
	for (uint16_t i = 0; i < 4; i++) {
		pm = meta(7, (uint16_t)(800 + 8 * i), false);
		assert_int_equal(give(&pm, test_mbuf(pool, "x", 1), start_ns, &why), FRAG_HELD);
	}
	m = test_mbuf(pool, "x", 1);
	pm = meta(7, 1600, false);
	assert_int_equal(give(&pm, m, start_ns, &why), FRAG_DROP);
	assert_int_equal(why, REASON_FRAG_HELD_FULL);
	for (uint32_t id = 100; id < 115; id++) {
		pm = meta(id, 0, true);
		assert_int_equal(give(&pm, NULL, start_ns, &why), FRAG_GO);
	}
	pm = meta(200, 0, true);
	assert_int_equal(give(&pm, NULL, start_ns, &why), FRAG_DROP);
	assert_int_equal(why, REASON_FRAG_TABLE_FULL);
	rte_pktmbuf_free(m);
}

/* Random operations against what they must do, over a few ids so that entries meet. */
static void random_operations_match_a_plain_model(void **state)
{
	struct {
		bool used, known;
		uint16_t sport;
		uint64_t end;
		uint32_t held;
	} model[8] = {{0}};
	const uint64_t seed = 42;
	uint64_t now = start_ns;
	struct rng r;

	(void)state;
	rng_seed(&r, seed);
	print_message("seed %llu\n", (unsigned long long)seed);
	for (int step = 0; step < 200000; step++) {
		uint32_t id = (uint32_t)rng_below(&r, 8), held = 0;
		bool first = rng_below(&r, 3) == 0;
		struct pkt_meta pm = meta(id, first ? 0 : 800, first);
		struct rte_mbuf *m = NULL;
		enum frag_result res;
		enum reason why;

		now += rng_below(&r, FRAG_LIFE_NS / 8);
		frag_tick(table, now);
		for (int i = 0; i < 8; i++) {
			if (model[i].used && model[i].end <= now)
				model[i].used = false;
			held += model[i].used && !model[i].known ? model[i].held : 0;
		}
		if (!model[id].used) {
			model[id].used = true;
			model[id].known = false;
			model[id].held = 0;
			model[id].end = now + FRAG_LIFE_NS;
		}
		if (first) {
			pm.sport = BE16((uint16_t)(1000 + rng_below(&r, 2)));
			res = give(&pm, NULL, now, &why);
			if (model[id].known && model[id].sport != pm.sport) {
				assert_int_equal(res, FRAG_DROP);
				continue;
			}
			assert_int_equal(res, FRAG_GO);
			while ((m = frag_release(table, &pm)) != NULL) {
				rte_pktmbuf_free(m);
				model[id].held--;
			}
			assert_true(model[id].known || model[id].held == 0);
			model[id].known = true;
			model[id].sport = pm.sport;
			continue;
		}
		m = test_mbuf(pool, "x", 1);
		res = give(&pm, m, now, &why);
		if (model[id].known) {
			assert_int_equal(res, FRAG_GO);
			assert_int_equal(pm.sport, model[id].sport);
			rte_pktmbuf_free(m);
		} else if (held == 4) {
			assert_int_equal(res, FRAG_DROP);
			rte_pktmbuf_free(m);
		} else {
			assert_int_equal(res, FRAG_HELD);
			model[id].held++;
		}
	}
}

/* ---- cutting ---- */

static struct rte_mbuf *packet(uint32_t payload, const uint8_t *opts, uint32_t opts_len,
	uint16_t frag, struct pkt_meta *pm)
{
	struct ip_addr src = ip_addr_from4(BE32(0xc0000201)), dst = ip_addr_from4(BE32(0xc0000202));
	struct build_ip ip = {.src = &src, .dst = &dst, .proto = PROTO_UDP, .ttl = 9, .id = 77};
	uint8_t frame[9100];
	struct ip4_hdr *h = (struct ip4_hdr *)(frame + 14);
	uint32_t hdr = IP4_HDR_LEN + opts_len;

	memset(frame, 0x5a, 12);
	frame[12] = 0x08;
	frame[13] = 0;
	ip.payload_len = (uint16_t)(opts_len + payload);
	build_ip4(frame + 14, &ip);
	h->ver_ihl = (uint8_t)(0x40 | hdr / 4);
	h->frag_be = BE16(frag);
	if (opts_len > 0)
		memcpy(frame + 14 + IP4_HDR_LEN, opts, opts_len);
	h->cksum = cksum_ip4(h);
	for (uint32_t i = 0; i < payload; i++)
		frame[14 + hdr + i] = (uint8_t)(i * 31 + i / 256);
	*pm = (struct pkt_meta){
		.kind = PKT_IP4, .ip_ver = 4, .l3_off = 14, .l3_len = (uint16_t)(hdr + payload)};
	/* Segments, so that cutting has to read across them. */
	return test_mbuf_segs(pool, frame, 14 + hdr + payload, 1000);
}

static void check_cut(
	uint32_t payload, const uint8_t *opts, uint32_t opts_len, uint16_t frag, uint16_t mtu)
{
	struct rte_mbuf *parts[64], *m;
	uint8_t whole[9100], part[9100], joined[9100];
	struct pkt_meta pm;
	uint32_t done = 0;
	int n;

	m = packet(payload, opts, opts_len, frag, &pm);
	test_mbuf_bytes(m, whole, sizeof(whole));
	n = frag_split4(m, &pm, mtu, pool, parts, 64);
	assert_true(n > 0);
	for (int i = 0; i < n; i++) {
		uint32_t len = test_mbuf_bytes(parts[i], part, sizeof(part));
		const struct ip4_hdr *h = (const struct ip4_hdr *)(part + 14);
		uint32_t hdr = (uint32_t)(h->ver_ihl & 15) * 4, f = BE16(h->frag_be);

		assert_memory_equal(part, whole, 14);
		assert_true(len - 14 <= mtu);
		assert_int_equal(BE16(h->total_len_be), len - 14);
		assert_int_equal(h->cksum, cksum_ip4(h));
		assert_int_equal((f & IP4_OFF_MASK) * 8, (frag & IP4_OFF_MASK) * 8u + done);
		assert_int_equal((f & IP4_MF) != 0, i + 1 < n || (frag & IP4_MF) != 0);
		assert_int_equal(h->ttl, 9);
		memcpy(joined + done, part + 14 + hdr, len - 14 - hdr);
		done += len - 14 - hdr;
		rte_pktmbuf_free(parts[i]);
	}
	assert_int_equal(done, payload);
	assert_memory_equal(joined, whole + 14 + IP4_HDR_LEN + opts_len, payload);
	rte_pktmbuf_free(m);
}

static void cut_packets_join_to_the_same_bytes(void **state)
{
	/* Record route (not copied), then a security option (copied), padded. */
	static const uint8_t opts[] = {7, 7, 4, 0, 0, 0, 0, 130, 3, 9, 1, 0};

	(void)state;
	check_cut(1480, NULL, 0, 0, 1480);
	check_cut(1473, NULL, 0, 0, 1460);
	check_cut(8000, NULL, 0, 0, 1480);
	check_cut(1, NULL, 0, 0, 28);
	check_cut(4000, opts, sizeof(opts), 0, 576);
	check_cut(2400, NULL, 0, IP4_MF | 185, 1400);
	check_cut(2401, NULL, 0, 185, 1400);
}

static void only_copied_options_are_in_the_rest(void **state)
{
	static const uint8_t opts[] = {7, 7, 4, 0, 0, 0, 0, 130, 3, 9, 1, 0};
	struct rte_mbuf *parts[8], *m;
	struct pkt_meta pm;
	uint8_t b[2048];
	int n;

	(void)state;
	m = packet(1000, opts, sizeof(opts), 0, &pm);
	n = frag_split4(m, &pm, 576, pool, parts, 8);
	assert_int_equal(n, 2);
	test_mbuf_bytes(parts[0], b, sizeof(b));
	assert_int_equal(b[14], 0x48);
	assert_memory_equal(b + 34, opts, sizeof(opts));
	test_mbuf_bytes(parts[1], b, sizeof(b));
	assert_int_equal(b[14], 0x46);
	assert_memory_equal(b + 34, "\x82\x03\x09\x00", 4);
	rte_pktmbuf_free_bulk(parts, 2);
	rte_pktmbuf_free(m);
}

static void what_cannot_be_cut_is_refused(void **state)
{
	struct rte_mbuf *parts[4], *m;
	struct pkt_meta pm;

	(void)state;
	m = packet(8000, NULL, 0, 0, &pm);
	assert_int_equal(frag_split4(m, &pm, 1000, pool, parts, 4), -EMSGSIZE);
	assert_int_equal(frag_split4(m, &pm, 27, pool, parts, 4), -EMSGSIZE);
	assert_int_equal(frag_split4(m, &pm, 0, pool, parts, 4), -EMSGSIZE);
	pm.flags |= PKT_F_DF;
	assert_int_equal(frag_split4(m, &pm, 1480, pool, parts, 4), -EINVAL);
	rte_pktmbuf_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			later_fragments_get_the_ports_of_the_first, setup, teardown),
		cmocka_unit_test_setup_teardown(
			early_fragments_wait_and_come_back_in_order, setup, teardown),
		cmocka_unit_test_setup_teardown(datagrams_do_not_mix, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_later_fragment_may_not_overlap_the_first, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_second_first_fragment_may_not_change_the_ports, setup, teardown),
		cmocka_unit_test_setup_teardown(
			held_packets_time_out_and_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(
			an_id_used_again_after_its_time_is_a_new_datagram, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_table_and_the_held_packets_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(
			random_operations_match_a_plain_model, setup, teardown),
		cmocka_unit_test_setup_teardown(
			cut_packets_join_to_the_same_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			only_copied_options_are_in_the_rest, setup, teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_cut_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
