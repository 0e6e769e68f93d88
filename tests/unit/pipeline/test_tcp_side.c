/* SPDX-License-Identifier: Apache-2.0
 * TCP at the edges of a whole application: ports that nobody listens on, segments in fragments,
 * what the counters say while connections live, and local ports that run out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "dataplane/base/log.h"
#include "dataplane/net/cksum.h"
#include "lb/app_pvt.h"
#include "tests/support/tcp_world.h"

static const uint8_t mac0[6] = {2, 0, 0, 0, 0, 0xa0}, mac1[6] = {2, 0, 0, 0, 0, 0xa1};

#define PORTS                                                                                  \
	"ports:\n"                                                                             \
	"  - {name: front, device: net_ring_p0, mac: '02:00:00:00:00:a0', rx_queue_len: 64,\n" \
	"     tx_queue_len: 64, addresses: [192.0.2.1/24, '2001:db8:1::1/64']}\n"              \
	"  - {name: back, device: net_ring_p1, mac: '02:00:00:00:00:a1', rx_queue_len: 64,\n"  \
	"     tx_queue_len: 64, addresses: [198.51.100.1/24, '2001:db8:2::1/64']}\n"           \
	"memory: {hugepages: false, mbufs: 4096, flows: 1024, nat_flows: 1024}\n"              \
	"admin: {socket: ''}\n"

struct end {
	uint64_t conn, got;
	uint32_t accepts;
	bool up, eof, closed;
	enum tcp_end why;
};

static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct end *x = arg;

	x->accepts++;
	x->conn = conn;
	assert_int_equal(tcp_set_user(e, conn, x), 0);
}

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	((struct end *)user)->up = true;
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	((struct end *)user)->got += len;
	rte_pktmbuf_free(chain);
	assert_int_equal(tcp_consumed(e, conn, len), 0);
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	((struct end *)user)->eof = true;
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end why)
{
	struct end *x = user;

	(void)e;
	(void)conn;
	if (x == NULL)
		return;
	x->closed = true;
	x->why = why;
}

static const struct tcp_ops ops = {.on_accept = on_accept,
	.on_connect = on_connect,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_closed = on_closed};

static void connect_to(struct tcp_host *h, struct end *x, const char *addr, uint16_t port)
{
	struct tcp_connect_args a = {
		.rport = BE16(port), .ops = &ops, .user = x, .timeout_ms = 2000};

	memset(x, 0, sizeof(*x));
	assert_int_equal(ip_addr_parse(addr, &a.raddr), 0);
	assert_int_equal(tcp_connect(h->e, &a, &x->conn), 0);
}

static uint64_t ended(const struct tcp_world *w, enum reason r)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < app_worker_count(w->app); i++)
		n += app_ledger(w->app, i)->ended[r];
	return n;
}

/* ---- ports without a listener ---- */

static void refused(struct tcp_world *w, const char *addr, uint16_t port)
{
	struct end x;

	connect_to(&w->hosts[0], &x, addr, port);
	tcp_world_run(w, 10);
	assert_true(x.closed);
	assert_int_equal(x.why, TCP_END_REFUSED);
}

static void closed_ports(uint32_t workers)
{
	struct tcp_world w;
	struct end x;
	char text[2048];

	snprintf(text, sizeof(text),
		PORTS "workers: {count: %u}\n"
		      "services: [{vip: 203.0.113.9:80, backends: [198.51.100.9]}]\n"
		      "listeners:\n"
		      "  - {name: echo, bind: ['192.0.2.80:7', '[2001:db8:1::80]:7',\n"
		      "     '192.0.2.1:7'], action: echo}\n",
		workers);
	tcp_world_start();
	tcp_world_open(&w, text);
	(void)tcp_world_host(&w, 0, "192.0.2.10", "2001:db8:1::10", mac0);
	for (uint16_t i = 0; i < 8; i++) {
		refused(&w, "192.0.2.80", (uint16_t)(8 + i));
		refused(&w, "2001:db8:1::80", (uint16_t)(8 + i));
		/* A port's own address, where no TAP is. */
		refused(&w, "192.0.2.1", (uint16_t)(8 + i));
	}
	assert_int_equal(ended(&w, REASON_LOCAL_NO_LISTENER), 24);
	/* Layer 4 has the address: its own counter, and silence. */
	connect_to(&w.hosts[0], &x, "203.0.113.9", 81);
	tcp_world_run(&w, 10);
	assert_false(x.closed);
	assert_int_equal(ended(&w, REASON_L4_NO_SERVICE), 1);
	/* The port's other address has no listener at all. */
	assert_int_equal(tcp_abort(w.hosts[0].e, x.conn), 0);
	connect_to(&w.hosts[0], &x, "2001:db8:1::1", 7);
	tcp_world_run(&w, 10);
	assert_false(x.closed);
	assert_int_equal(ended(&w, REASON_LOCAL_NO_LISTENER), 25);
	/* And the listeners are there. */
	connect_to(&w.hosts[0], &x, "192.0.2.80", 7);
	tcp_world_run(&w, 10);
	assert_true(x.up);
	assert_int_equal(tcp_abort(w.hosts[0].e, x.conn), 0);
	tcp_world_run(&w, 10);
	tcp_world_close(&w);
}

static void closed_port_is_refused(void **state)
{
	(void)state;
	closed_ports(1);
	closed_ports(2);
}

/* Ports from which weir opens connections: what belongs to none of them is answered as well, else a
 * backend that a reset did not reach would send for minutes. */
static void stale_backend_is_reset(void **state)
{
	struct tcp_world w;
	struct end x;

	(void)state;
	for (uint32_t workers = 1; workers <= 2; workers++) {
		char text[2048];

		snprintf(text, sizeof(text),
			PORTS "workers: {count: %u}\n"
			      "l4: {local_ports: 20000-29999}\n"
			      "listeners: [{name: p, bind: ['192.0.2.80:80'], action: tcp_proxy,\n"
			      "  backends: [{address: 198.51.100.11, port: 8080}]}]\n",
			workers);
		tcp_world_start();
		tcp_world_open(&w, text);
		(void)tcp_world_host(&w, 1, "198.51.100.11", "2001:db8:2::11", mac1);
		for (uint16_t i = 0; i < 8; i++) {
			refused(&w, "198.51.100.1", (uint16_t)(20000 + 1000 * i));
			refused(&w, "2001:db8:2::1", (uint16_t)(20000 + 1000 * i));
		}
		assert_int_equal(ended(&w, REASON_LOCAL_NO_LISTENER), 16);
		/* Other ports are not weir's to answer for. */
		connect_to(&w.hosts[0], &x, "198.51.100.1", 30000);
		tcp_world_run(&w, 10);
		assert_false(x.closed);
		assert_int_equal(tcp_abort(w.hosts[0].e, x.conn), 0);
		tcp_world_close(&w);
	}
}

/* A SYN of our own making, from a host's address. */
static uint32_t make_syn(uint8_t *ip, const struct tcp_host *h, const char *to, uint16_t sport,
	uint16_t dport, uint32_t data)
{
	struct ip4_hdr *i4 = (void *)ip;
	struct tcp_hdr *th = (void *)(ip + IP4_HDR_LEN);
	uint32_t len = IP4_HDR_LEN + TCP_HDR_LEN + data;
	struct ip_addr dst;

	assert_int_equal(ip_addr_parse(to, &dst), 0);
	memset(ip, 0, len);
	i4->ver_ihl = 0x45;
	i4->total_len_be = BE16(len);
	i4->ttl = 64;
	i4->proto = PROTO_TCP;
	i4->src_be = h->addr4.w[3];
	i4->dst_be = dst.w[3];
	i4->cksum = cksum_ip4(i4);
	th->sport_be = BE16(sport);
	th->dport_be = BE16(dport);
	th->seq_be = BE32(1000);
	th->off = TCP_HDR_LEN << 2;
	th->flags = TCP_SYN;
	th->window_be = BE16(1000);
	th->cksum = (uint16_t)~cksum_fold(
		cksum_add(cksum_pseudo(&h->addr4, &dst, PROTO_TCP, TCP_HDR_LEN + data), th,
			TCP_HDR_LEN + data));
	return len;
}

static void resets_are_limited(void **state)
{
	struct tcp_world w;
	uint8_t ip[64];
	uint64_t before;

	(void)state;
	tcp_world_start();
	tcp_world_open(&w, PORTS "workers: {count: 1}\n"
				 "listeners: [{name: e, bind: ['192.0.2.80:7'], action: echo}]\n");
	(void)tcp_world_host(&w, 0, "192.0.2.10", "2001:db8:1::10", mac0);
	/* A whole second of the engine's limit, 1,000, after the neighbours know each other. */
	refused(&w, "192.0.2.80", 8);
	tcp_world_run(&w, 1100);
	before = w.frames;
	for (uint16_t i = 0; i < 1500; i++) {
		uint32_t len = make_syn(ip, &w.hosts[0], "192.0.2.80", (uint16_t)(2000 + i), 9, 0);

		tcp_world_send(&w.hosts[0], ip, len);
		if (i % 50 == 49)
			tcp_world_run(&w, 0);
	}
	assert_int_equal(w.frames - before, 1000);
	assert_int_equal(ended(&w, REASON_LOCAL_NO_LISTENER), 1501);
	tcp_world_close(&w);
}

/* ---- fragments ---- */

static void send_fragments(struct tcp_host *h, uint16_t id, bool last_first)
{
	uint8_t whole[256], part[2][256];
	uint32_t len = make_syn(whole, h, "192.0.2.80", (uint16_t)(3000 + id), 7, 80), cut = 64;
	uint32_t size[2] = {IP4_HDR_LEN + cut, len - cut};

	for (int i = 0; i < 2; i++) {
		struct ip4_hdr *ip = (void *)part[i];

		memcpy(part[i], whole, IP4_HDR_LEN);
		memcpy(part[i] + IP4_HDR_LEN, whole + IP4_HDR_LEN + (i == 0 ? 0 : cut),
			size[i] - IP4_HDR_LEN);
		ip->total_len_be = BE16(size[i]);
		ip->id_be = BE16(id);
		ip->frag_be = BE16(i == 0 ? 0x2000 : cut / 8);
		ip->cksum = 0;
		ip->cksum = cksum_ip4(ip);
	}
	tcp_world_send(h, part[last_first], size[last_first]);
	tcp_world_send(h, part[!last_first], size[!last_first]);
}

static void fragments_are_counted_and_not_answered(void **state)
{
	struct tcp_world w;
	uint64_t before;

	(void)state;
	tcp_world_start();
	tcp_world_open(&w, PORTS "workers: {count: 1}\n"
				 "listeners: [{name: e, bind: ['192.0.2.80:7'], action: echo}]\n");
	(void)tcp_world_host(&w, 0, "192.0.2.10", "2001:db8:1::10", mac0);
	refused(&w, "192.0.2.80", 8);
	before = w.frames;
	send_fragments(&w.hosts[0], 1, false);
	tcp_world_run(&w, 10);
	assert_int_equal(ended(&w, REASON_TCP_FRAGMENT), 2);
	send_fragments(&w.hosts[0], 2, true);
	tcp_world_run(&w, 10);
	assert_int_equal(ended(&w, REASON_TCP_FRAGMENT), 4);
	assert_int_equal(w.frames, before);
	tcp_world_close(&w);
}

/* ---- counters ---- */

static const struct l7_listener_stats *listener(const struct tcp_world *w, uint32_t i)
{
	return l7_worker_listener(w->app->l7[0], w->app->cur->l7->listeners[i].id);
}

static void bytes_are_counted_while_a_connection_lives(void **state)
{
	static uint8_t data[100000];
	struct tcp_world w;
	struct end front, back = {0};
	struct ip_addr any = {0};
	uint32_t member;

	(void)state;
	tcp_world_start();
	tcp_world_open(&w, PORTS "workers: {count: 1}\n"
				 "listeners: [{name: p, bind: ['192.0.2.80:80'], action: "
				 "tcp_proxy, scheduler: wrr,\n"
				 "   backends: [{address: 198.51.100.11, port: 8080}]}]\n");
	(void)tcp_world_host(&w, 0, "192.0.2.10", "2001:db8:1::10", mac0);
	(void)tcp_world_host(&w, 1, "198.51.100.11", "2001:db8:2::11", mac1);
	assert_true(tcp_listen(w.hosts[1].e, &any, BE16(8080), &ops, &back) >= 0);
	connect_to(&w.hosts[0], &front, "192.0.2.80", 80);
	tcp_world_run(&w, 50);
	assert_true(front.up && back.accepts == 1);
	assert_int_equal(tcp_send_bytes(w.hosts[0].e, front.conn, data, 30000, 0), 30000);
	tcp_world_run(&w, 100);
	assert_int_equal(back.got, 30000);
	member = w.app->cur->l7->listeners[0].rest.members[0];
	assert_int_equal(listener(&w, 0)->bytes_in, 30000);
	assert_int_equal(listener(&w, 0)->bytes_out, 0);
	assert_int_equal(l7_worker_member(w.app->l7[0], member)->bytes_out, 30000);
	assert_int_equal(tcp_send_bytes(w.hosts[1].e, back.conn, data, 70000, 0), 70000);
	tcp_world_run(&w, 200);
	assert_int_equal(front.got, 70000);
	assert_int_equal(listener(&w, 0)->bytes_out, 70000);
	assert_int_equal(l7_worker_member(w.app->l7[0], member)->bytes_in, 70000);
	/* Nothing is counted twice at the end, nor lost by a reset. */
	assert_int_equal(tcp_send_bytes(w.hosts[0].e, front.conn, data, 1000, 0), 1000);
	tcp_world_run(&w, 1);
	assert_int_equal(tcp_abort(w.hosts[0].e, front.conn), 0);
	tcp_world_run(&w, 50);
	assert_true(back.closed);
	assert_int_equal(back.got, 31000);
	assert_int_equal(listener(&w, 0)->bytes_in, 31000);
	assert_int_equal(listener(&w, 0)->bytes_out, 70000);
	assert_int_equal(l7_worker_member(w.app->l7[0], member)->bytes_in, 70000);
	/* The backend had them, and had not acknowledged them yet. */
	assert_int_equal(l7_worker_member(w.app->l7[0], member)->bytes_out, 30000);
	assert_int_equal(listener(&w, 0)->active, 0);
	assert_int_equal(l7_worker_member(w.app->l7[0], member)->active, 0);
	tcp_world_close(&w);
}

/* ---- local ports ---- */

/* What was logged meanwhile, to free. */
static char *logged(void (*fn)(struct tcp_world *w), struct tcp_world *w)
{
	char path[] = "/tmp/weir-test-log.XXXXXX";
	int fd = mkstemp(path), old = dup(STDERR_FILENO);
	char *text = calloc(1, 65536);

	assert_true(fd >= 0 && old >= 0 && text != NULL);
	(void)unlink(path);
	fflush(stderr);
	assert_true(dup2(fd, STDERR_FILENO) >= 0);
	log_set_level(LOG_WARN);
	fn(w);
	log_set_level(LOG_ERROR);
	assert_true(dup2(old, STDERR_FILENO) >= 0);
	assert_true(pread(fd, text, 65535, 0) >= 0);
	close(fd);
	close(old);
	return text;
}

static struct end clients[8];

static void ask_for_more_than_there_is(struct tcp_world *w)
{
	for (int i = 0; i < 8; i++) {
		connect_to(&w->hosts[0], &clients[i], "192.0.2.80", 80);
		tcp_world_run(w, 20);
	}
}

static uint32_t lines_with(const char *text, const char *what)
{
	uint32_t n = 0;

	for (const char *p = text; (p = strstr(p, what)) != NULL; p++)
		n++;
	return n;
}

static void ports_that_run_out_are_said_once(void **state)
{
	struct tcp_world w;
	struct end back = {0};
	struct ip_addr any = {0};
	uint32_t reset = 0;
	char *said;

	(void)state;
	tcp_world_start();
	tcp_world_open(&w,
		PORTS "workers: {count: 1}\n"
		      "l4: {local_ports: 40000-40004}\n"
		      "listeners: [{name: web, bind: ['192.0.2.80:80'], action: tcp_proxy,\n"
		      "   backends: [{address: 198.51.100.11, port: 8080}]}]\n");
	(void)tcp_world_host(&w, 0, "192.0.2.10", "2001:db8:1::10", mac0);
	(void)tcp_world_host(&w, 1, "198.51.100.11", "2001:db8:2::11", mac1);
	assert_true(tcp_listen(w.hosts[1].e, &any, BE16(8080), &ops, &back) >= 0);
	said = logged(ask_for_more_than_there_is, &w);
	for (int i = 0; i < 8; i++)
		reset += clients[i].closed && clients[i].why == TCP_END_RESET;
	/* One of the five ports is for probes. */
	assert_int_equal(back.accepts, 4);
	assert_int_equal(reset, 4);
	assert_int_equal(listener(&w, 0)->no_port, 4);
	assert_int_equal(tcp_counters(l7_worker_engine(w.app->l7[0]))->no_port, 4);
	assert_int_equal(lines_with(said, "no local port is left towards a backend"), 1);
	assert_int_equal(lines_with(said, "listener=web"), 1);
	free(said);
	/* Later again, with the total. */
	tcp_world_run(&w, 10000);
	said = logged(ask_for_more_than_there_is, &w);
	assert_int_equal(lines_with(said, "no local port is left"), 1);
	assert_int_equal(lines_with(said, "total=5 "), 1);
	free(said);
	tcp_world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(closed_port_is_refused),
		cmocka_unit_test(stale_backend_is_reset),
		cmocka_unit_test(resets_are_limited),
		cmocka_unit_test(fragments_are_counted_and_not_answered),
		cmocka_unit_test(bytes_are_counted_while_a_connection_lives),
		cmocka_unit_test(ports_that_run_out_are_said_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
