/* SPDX-License-Identifier: Apache-2.0
 * TSO and checksum offload end to end: a whole application on a port that says it can, and hosts
 * that check every byte and sum of what the port makes of it. The port of the test is one of rings;
 * what it claims is put in between it and dataplane/eal/port.c, which is compiled into this
 * program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define ALL_TX                                                          \
	(RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_CKSUM | \
		RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_TCP_TSO)

static bool first_alone;      /* other ports than the first claim nothing */
static uint64_t claimed;      /* RTE_ETH_TX_OFFLOAD_* beyond what a port of rings has */
static uint16_t claimed_segs; /* 0: no limit */
static const char *claimed_driver;

static uint64_t claims_of(uint16_t id)
{
	char name[RTE_ETH_NAME_MAX_LEN] = "";

	(void)rte_eth_dev_get_name_by_port(id, name);
	return first_alone && strcmp(name, "net_ring_p0") != 0 ? 0 : claimed;
}

static int claim_info(uint16_t id, struct rte_eth_dev_info *info)
{
	int rc = rte_eth_dev_info_get(id, info);

	info->tx_offload_capa |= claims_of(id);
	if (claimed_segs != 0)
		info->tx_desc_lim.nb_mtu_seg_max = claimed_segs;
	if (claimed_driver != NULL)
		info->driver_name = claimed_driver;
	return rc;
}

static int claim_configure(uint16_t id, uint16_t rxq, uint16_t txq, const struct rte_eth_conf *conf)
{
	struct rte_eth_conf real = *conf;

	real.txmode.offloads &= ~claims_of(id);
	return rte_eth_dev_configure(id, rxq, txq, &real);
}

static int claim_txq(
	uint16_t id, uint16_t q, uint16_t n, unsigned socket, const struct rte_eth_txconf *conf)
{
	struct rte_eth_txconf real = *conf;

	real.offloads &= ~claims_of(id);
	return rte_eth_tx_queue_setup(id, q, n, socket, &real);
}

#define rte_eth_dev_info_get   claim_info
#define rte_eth_dev_configure  claim_configure
#define rte_eth_tx_queue_setup claim_txq
#include "dataplane/eal/port.c"
#undef rte_eth_dev_info_get
#undef rte_eth_dev_configure
#undef rte_eth_tx_queue_setup

#include "dataplane/base/reason.h"
#include "tests/support/config_text.h"
#include "tests/support/tcp_world.h"

#define BYTES 3000000u

static const uint8_t mac0[6] = {2, 0, 0, 0, 0, 0xa0};

static const char config[] =
	"ports:\n"
	"  - {name: front, device: net_ring_p0, mac: '02:00:00:00:00:a0', rx_queue_len: 64,\n"
	"     tx_queue_len: 64, addresses: [192.0.2.1/24, '2001:db8:1::1/64']%s}\n"
	"workers: {count: 1}\n"
	"memory: {hugepages: false, mbufs: 4096, flows: 1024, nat_flows: 1024}\n"
	"admin: {socket: ''}\n"
	"tcp: {max_connections: 256, packet_headers: 2048, data_buffers: 2048}\n"
	"listeners:\n"
	"  - {name: source, bind: ['192.0.2.80:19', '[2001:db8:1::80]:19'], action: source,\n"
	"     bytes: 3MB}\n"
	"  - {name: echo, bind: ['192.0.2.80:7'], action: echo}\n";

/* What a host has of a connection. */
struct reader {
	uint64_t conn, got, held;
	bool up, eof, closed, bad, hold;
	enum tcp_end why;
};

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct reader *r = user;

	(void)e;
	(void)conn;
	r->up = true;
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct reader *r = user;

	for (const struct rte_mbuf *m = chain; m != NULL; m = m->next)
		for (uint32_t i = 0; i < m->data_len; i++)
			r->bad |= rte_pktmbuf_mtod(m, const uint8_t *)[i] != (r->got++ % 251);
	rte_pktmbuf_free(chain);
	if (r->hold)
		r->held += len;
	else
		(void)tcp_consumed(e, conn, len);
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct reader *r = user;

	r->eof = true;
	(void)tcp_shutdown(e, conn);
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	struct reader *r = user;

	(void)e;
	(void)conn;
	r->closed = true;
	r->why = end;
}

static const struct tcp_ops ops = {
	.on_connect = on_connect, .on_data = on_data, .on_eof = on_eof, .on_closed = on_closed};

static void fetch(struct tcp_world *w, struct tcp_host *h, const char *addr)
{
	struct reader r = {0};
	struct tcp_connect_args a = {.rport = rte_cpu_to_be_16(19), .ops = &ops, .user = &r};

	assert_int_equal(ip_addr_parse(addr, &a.raddr), 0);
	assert_int_equal(tcp_connect(h->e, &a, &r.conn), 0);
	for (int i = 0; i < 5000 && !r.closed; i++)
		tcp_world_run(w, 1);
	assert_true(r.closed && r.eof);
	assert_int_equal(r.why, TCP_END_NORMAL);
	assert_int_equal(r.got, BYTES);
	assert_false(r.bad);
}

static void open_world(struct tcp_world *w, uint64_t claims, uint16_t segs, const char *port_keys)
{
	char text[2048];

	claimed = claims;
	claimed_segs = segs;
	snprintf(text, sizeof(text), config, port_keys);
	tcp_world_start();
	tcp_world_open(w, text);
	(void)tcp_world_host(w, 0, "192.0.2.10", "2001:db8:1::10", mac0);
}

static const struct tcp_counters *host_counters(const struct tcp_world *w)
{
	return tcp_counters(w->hosts[0].e);
}

static void port_cuts_large_frames(void **state)
{
	struct tcp_world w;

	(void)state;
	open_world(&w, ALL_TX, 0, "");
	assert_true(app_port(w.app, 0)->caps & PORT_CAP_TX_TSO);
	fetch(&w, &w.hosts[0], "192.0.2.80");
	assert_null(w.wrong);
	/* Most of the bytes left in frames that the port had to cut. */
	assert_true(w.tso_frames > 100);
	assert_true(w.longest > 20000);
	assert_true(w.frames < BYTES / 4000);
	assert_int_equal(host_counters(&w)->bad_checksum, 0);
	w.longest = 0;
	fetch(&w, &w.hosts[0], "2001:db8:1::80");
	assert_null(w.wrong);
	assert_true(w.longest > 20000);
	assert_int_equal(host_counters(&w)->bad_checksum, 0);
	assert_int_equal(host_counters(&w)->duplicates, 0);
	tcp_world_close(&w);
}

static void vlan_tag_counts_in_l2_len(void **state)
{
	struct tcp_world w;

	(void)state;
	open_world(&w, ALL_TX, 0, ", vlan: 7, mtu: 1400");
	w.vlan = 7;
	fetch(&w, &w.hosts[0], "192.0.2.80");
	fetch(&w, &w.hosts[0], "2001:db8:1::80");
	assert_null(w.wrong);
	assert_true(w.tso_frames > 200);
	tcp_world_close(&w);
}

static void limit_of_descriptors_is_kept(void **state)
{
	struct tcp_world w;

	(void)state;
	open_world(&w, ALL_TX, 8, "");
	fetch(&w, &w.hosts[0], "192.0.2.80");
	assert_null(w.wrong);
	assert_true(w.tso_frames > 100);
	assert_true(w.most_segs <= 8 && w.most_segs > 4);
	tcp_world_close(&w);
}

static void checksums_alone(void **state)
{
	struct tcp_world w;

	(void)state;
	open_world(&w, ALL_TX & ~RTE_ETH_TX_OFFLOAD_TCP_TSO, 0, "");
	assert_false(app_port(w.app, 0)->caps & PORT_CAP_TX_TSO);
	fetch(&w, &w.hosts[0], "192.0.2.80");
	fetch(&w, &w.hosts[0], "2001:db8:1::80");
	assert_null(w.wrong);
	assert_int_equal(w.tso_frames, 0);
	assert_true(w.summed_frames > 2 * BYTES / 1500);
	assert_true(w.longest <= 1514);
	assert_int_equal(host_counters(&w)->bad_checksum, 0);
	tcp_world_close(&w);
}

static void port_that_can_nothing(void **state)
{
	struct tcp_world w;

	(void)state;
	open_world(&w, 0, 0, "");
	fetch(&w, &w.hosts[0], "192.0.2.80");
	fetch(&w, &w.hosts[0], "2001:db8:1::80");
	assert_null(w.wrong);
	assert_int_equal(w.tso_frames + w.summed_frames, 0);
	assert_true(w.longest <= 1514);
	assert_int_equal(host_counters(&w)->bad_checksum, 0);
	tcp_world_close(&w);
}

/* Which claims lead to TSO. */
static void capability_needs_what_it_stands_on(void **state)
{
	static const struct {
		uint64_t claims;
		uint16_t segs;
		const char *driver;
		bool tso;
	} cases[] = {
		{ALL_TX, 0, NULL, true},
		{ALL_TX, 3, NULL, true},
		{ALL_TX, 2, NULL, false},
		{ALL_TX & ~RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, 0, NULL, false},
		{ALL_TX & ~RTE_ETH_TX_OFFLOAD_TCP_CKSUM, 0, NULL, false},
		{ALL_TX & ~RTE_ETH_TX_OFFLOAD_TCP_TSO, 0, NULL, false},
		{ALL_TX, 0, "net_tap", false},
		{ALL_TX, 0, "net_ixgbe", true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct tcp_world w;

		claimed_driver = cases[i].driver;
		open_world(&w, cases[i].claims, cases[i].segs, "");
		assert_int_equal((app_port(w.app, 0)->caps & PORT_CAP_TX_TSO) != 0, cases[i].tso);
		tcp_world_close(&w);
	}
	claimed_driver = NULL;
}

/* ---- a way that moves to a port that can do less ---- */

static const uint8_t mac1[6] = {2, 0, 0, 0, 0, 0xa1};

static void two_ports_text(char *text, size_t len, int via)
{
	static const char *const routes[2] = {"[{to: 10.0.0.0/8, via: [192.0.2.10]}]",
		"[{to: 10.0.0.0/8, via: [198.51.100.10]}]"};

	snprintf(text, len,
		"ports:\n"
		"  - {name: front, device: net_ring_p0, mac: '02:00:00:00:00:a0', rx_queue_len: "
		"64,\n"
		"     tx_queue_len: 64, addresses: [192.0.2.1/24]%s%s}\n"
		"  - {name: back, device: net_ring_p1, mac: '02:00:00:00:00:a1', rx_queue_len: "
		"64,\n"
		"     tx_queue_len: 64, addresses: [198.51.100.1/24]%s%s}\n"
		"workers: {count: 1}\n"
		"memory: {hugepages: false, mbufs: 4096, flows: 1024, nat_flows: 1024}\n"
		"admin: {socket: ''}\n"
		"listeners:\n"
		"  - {name: source, bind: ['192.0.2.80:19'], action: source, bytes: 3MB}\n",
		via == 0 ? ", routes: " : "", via == 0 ? routes[0] : "",
		via == 1 ? ", routes: " : "", via == 1 ? routes[1] : "");
}

/* The host, whose address is behind either port, is reached by the other one from now on. */
static void move(struct tcp_world *w, int via)
{
	char text[2048], *said;
	struct config *next;

	two_ports_text(text, sizeof(text), via);
	next = config_text_parse(text, &said);
	assert_non_null(next);
	free(said);
	w->hosts[0].port = (uint32_t)via;
	memcpy(w->hosts[0].weir_mac, via == 0 ? mac0 : mac1, 6);
	assert_int_equal(app_reload(w->app, next, stderr, w->now_ns), 0);
	tcp_world_run(w, 20);
	assert_true(app_reload_done(w->app));
}

static void take_window(struct tcp_world *w, struct reader *r)
{
	uint64_t before = r->got, held = r->held;

	r->held = 0;
	assert_int_equal(tcp_consumed(w->hosts[0].e, r->conn, (uint32_t)held), 0);
	for (int i = 0; i < 5000 && r->got == before && !r->eof; i++)
		tcp_world_run(w, 1);
	assert_true(r->got > before || r->eof);
}

static void way_moves_between_ports(void **state)
{
	struct reader r = {0};
	struct tcp_connect_args a = {.rport = rte_cpu_to_be_16(19), .ops = &ops, .user = &r};
	struct tcp_world w;
	char text[2048];

	(void)state;
	claimed = ALL_TX;
	claimed_segs = 0;
	first_alone = true;
	two_ports_text(text, sizeof(text), 0);
	tcp_world_start();
	tcp_world_open(&w, text);
	(void)tcp_world_host(&w, 0, "10.0.0.10", "2001:db8:1::10", mac0);
	assert_int_equal(neighbours_add(&w.neighbours, "0 02:00:00:00:00:11 192.0.2.10"), 0);
	assert_int_equal(neighbours_add(&w.neighbours, "1 02:00:00:00:00:11 198.51.100.10"), 0);
	assert_int_equal(ip_addr_parse("192.0.2.80", &a.raddr), 0);
	assert_int_equal(tcp_connect(w.hosts[0].e, &a, &r.conn), 0);
	/* The reader takes a window at a time, so that some is left to send at each move. */
	r.hold = true;
	while (r.got < BYTES / 4)
		take_window(&w, &r);
	assert_true(w.tso_frames > 10);
	move(&w, 1);
	w.tso_frames = w.summed_frames = 0;
	w.longest = 0;
	while (r.got < BYTES / 2)
		take_window(&w, &r);
	assert_int_equal(w.tso_frames + w.summed_frames, 0);
	assert_true(w.longest <= 1514);
	move(&w, 0);
	while (!r.eof)
		take_window(&w, &r);
	assert_true(w.tso_frames > 10);
	/* The engine knew in time: nothing was asked of a port that cannot. */
	assert_int_equal(app_ledger(w.app, 0)->ended[REASON_TX_REFUSED], 0);
	tcp_world_run(&w, 100);
	assert_true(r.closed);
	assert_null(w.wrong);
	assert_false(r.bad);
	assert_int_equal(r.got, BYTES);
	assert_int_equal(r.why, TCP_END_NORMAL);
	first_alone = false;
	tcp_world_close(&w);
}

/* ---- drivers that look at a frame first ---- */

static uint64_t looked_at;
static bool refusing;

static uint16_t look(void *queue, struct rte_mbuf **pkts, uint16_t n)
{
	(void)queue;
	(void)pkts;
	looked_at += n;
	return refusing ? 0 : n;
}

static void driver_sees_each_frame_once(void **state)
{
	struct tcp_world w;
	uint16_t id;

	(void)state;
	open_world(&w, ALL_TX, 0, "");
	id = app_port(w.app, 0)->id;
	rte_eth_fp_ops[id].tx_pkt_prepare = look;
	looked_at = 0;
	fetch(&w, &w.hosts[0], "192.0.2.80");
	rte_eth_fp_ops[id].tx_pkt_prepare = NULL;
	assert_true(looked_at > 100);
	assert_int_equal(looked_at, w.summed_frames);
	tcp_world_close(&w);
}

static void refused_frame_is_counted_and_gone(void **state)
{
	struct reader r = {0};
	struct tcp_connect_args a = {.rport = rte_cpu_to_be_16(19), .ops = &ops, .user = &r};
	struct tcp_world w;
	uint16_t id;

	(void)state;
	open_world(&w, ALL_TX, 0, "");
	id = app_port(w.app, 0)->id;
	assert_int_equal(ip_addr_parse("192.0.2.80", &a.raddr), 0);
	/* Neighbours know each other before. */
	fetch(&w, &w.hosts[0], "192.0.2.80");
	rte_eth_fp_ops[id].tx_pkt_prepare = look;
	refusing = true;
	assert_int_equal(tcp_connect(w.hosts[0].e, &a, &r.conn), 0);
	tcp_world_run(&w, 1500);
	assert_true(app_ledger(w.app, 0)->ended[REASON_TX_REFUSED] >= 2);
	assert_false(r.up);
	refusing = false;
	tcp_world_run(&w, 3000);
	rte_eth_fp_ops[id].tx_pkt_prepare = NULL;
	assert_true(r.up && r.closed && !r.bad);
	assert_int_equal(r.got, BYTES);
	tcp_world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(port_cuts_large_frames),
		cmocka_unit_test(vlan_tag_counts_in_l2_len),
		cmocka_unit_test(limit_of_descriptors_is_kept),
		cmocka_unit_test(checksums_alone),
		cmocka_unit_test(port_that_can_nothing),
		cmocka_unit_test(capability_needs_what_it_stands_on),
		cmocka_unit_test(way_moves_between_ports),
		cmocka_unit_test(driver_sees_each_frame_once),
		cmocka_unit_test(refused_frame_is_counted_and_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
