/* SPDX-License-Identifier: Apache-2.0
 * Action tcp_proxy, one rule a test: which backend is chosen and what happens when it does not
 * answer, what passes through, and how each kind of end on one side shows on the other. A whole
 * application stands between hosts with TCP engines of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/net/hdr.h"
#include "lb/app_pvt.h"
#include "tests/support/config_text.h"
#include "tests/support/tcp_world.h"

static const uint8_t mac0[6] = {2, 0, 0, 0, 0, 0xa0}, mac1[6] = {2, 0, 0, 0, 0, 0xa1};

#define HEAD                                                                                   \
	"ports:\n"                                                                             \
	"  - {name: front, device: net_ring_p0, mac: '02:00:00:00:00:a0', rx_queue_len: 64,\n" \
	"     tx_queue_len: 64, addresses: [192.0.2.1/24, '2001:db8:1::1/64']}\n"              \
	"  - {name: back, device: net_ring_p1, mac: '02:00:00:00:00:a1', rx_queue_len: 64,\n"  \
	"     tx_queue_len: 64, addresses: [198.51.100.1/24, '2001:db8:2::1/64']}\n"           \
	"memory: {hugepages: false, mbufs: 4096, flows: 1024, nat_flows: 1024}\n"              \
	"admin: {socket: ''}\n"                                                                \
	"workers: {count: 1}\n"                                                                \
	"listeners:\n"                                                                         \
	"  - {name: p, bind: ['192.0.2.80:80', '[2001:db8:1::80]:80'], action: tcp_proxy,\n"

#define B1 "{address: 198.51.100.11, port: 8080}"
#define B2 "{address: 198.51.100.12, port: 8080}"
#define B3 "{address: 198.51.100.13, port: 8080}"

#define SEEN_MAX 512

/* One end of a connection at a host. */
struct end {
	struct tcp_host *h;
	uint64_t conn;
	uint32_t got, eofs;
	uint8_t seen[SEEN_MAX]; /* first bytes */
	bool up, closed, hold;  /* hold: what comes is not reported consumed */
	enum tcp_end why;
};

/* A backend: accepted connections in order. */
struct backend {
	struct tcp_host *h;
	struct end ends[64];
	uint32_t cnt;
	bool hold;
	int listener;
};

static struct tcp_world w;
static struct backend back[3];
static struct end client[64];

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	((struct end *)user)->up = true;
}

static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct backend *b = arg;
	struct end *x = &b->ends[b->cnt++];

	assert_true(b->cnt <= ARRAY_SIZE(b->ends));
	*x = (struct end){.h = b->h, .conn = conn, .up = true, .hold = b->hold};
	assert_int_equal(tcp_set_user(e, conn, x), 0);
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct end *x = user;

	for (const struct rte_mbuf *m = chain; m != NULL; m = m->next)
		for (uint32_t i = 0; i < m->data_len; i++, x->got++)
			if (x->got < SEEN_MAX)
				x->seen[x->got] = rte_pktmbuf_mtod(m, const uint8_t *)[i];
	rte_pktmbuf_free(chain);
	if (!x->hold)
		assert_int_equal(tcp_consumed(e, conn, len), 0);
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	((struct end *)user)->eofs++;
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end why)
{
	struct end *x = user;

	(void)e;
	(void)conn;
	assert_false(x->closed);
	x->closed = true;
	x->why = why;
}

static const struct tcp_ops ops = {.on_accept = on_accept,
	.on_connect = on_connect,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_closed = on_closed};

static void listen_on(uint32_t i)
{
	struct ip_addr any = {0};

	back[i].listener = tcp_listen(back[i].h->e, &any, BE16(8080), &ops, &back[i]);
	assert_true(back[i].listener >= 0);
}

/* All three backends stand; `serve` of them from the first on listen. */
static void open_site(const char *keys, uint32_t serve)
{
	char text[4096], a4[32], a6[32];

	memset(back, 0, sizeof(back));
	memset(client, 0, sizeof(client));
	snprintf(text, sizeof(text), HEAD "     %s}\n", keys);
	tcp_world_start();
	tcp_world_open(&w, text);
	(void)tcp_world_host(&w, 0, "192.0.2.10", "2001:db8:1::10", mac0);
	for (uint32_t i = 0; i < 3; i++) {
		snprintf(a4, sizeof(a4), "198.51.100.1%u", i + 1);
		snprintf(a6, sizeof(a6), "2001:db8:2::1%u", i + 1);
		back[i].h = tcp_world_host(&w, 1, a4, a6, mac1);
		if (i < serve)
			listen_on(i);
	}
}

static void close_site(void)
{
	const struct l7_worker *l7 = w.app->l7[0];

	for (int i = 0; i < 64; i++)
		if (client[i].h != NULL && !client[i].closed)
			(void)tcp_abort(client[i].h->e, client[i].conn);
	for (int b = 0; b < 3; b++)
		for (uint32_t i = 0; i < back[b].cnt; i++)
			if (!back[b].ends[i].closed)
				(void)tcp_abort(back[b].h->e, back[b].ends[i].conn);
	tcp_world_run(&w, 5000);
	/* Nothing counts as alive any more, on any side. */
	assert_int_equal(l7_worker_active(l7), 0);
	for (uint32_t i = 0; i < w.app->cur->l7->listener_cnt; i++)
		assert_int_equal(
			l7_worker_listener(l7, w.app->cur->l7->listeners[i].id)->active, 0);
	for (uint32_t i = 0; i < L7_MEMBERS; i++)
		assert_int_equal(l7_worker_member(l7, i)->active, 0);
	tcp_world_close(&w);
}

static struct end *connect_client(uint32_t i)
{
	struct tcp_connect_args a = {.rport = BE16(80), .ops = &ops, .user = &client[i]};

	client[i] = (struct end){.h = &w.hosts[0]};
	assert_int_equal(ip_addr_parse("192.0.2.80", &a.raddr), 0);
	assert_int_equal(tcp_connect(w.hosts[0].e, &a, &client[i].conn), 0);
	tcp_world_run(&w, 5);
	return &client[i];
}

static void say(struct end *x, const char *text)
{
	int64_t n = tcp_send_bytes(x->h->e, x->conn, text, (uint32_t)strlen(text), 0);

	assert_int_equal(n, strlen(text));
	tcp_world_run(&w, 5);
}

static void expect(const struct end *x, const char *text)
{
	assert_int_equal(x->got, strlen(text));
	assert_memory_equal(x->seen, text, x->got);
}

static const struct l7_listener_stats *stats(void)
{
	return l7_worker_listener(w.app->l7[0], w.app->cur->l7->listeners[0].id);
}

/* Of backend i in the order of addresses. */
static const struct l7_member_stats *member(uint32_t i)
{
	const struct l7_listener *l = &w.app->cur->l7->listeners[0];
	uint32_t id = l7_member_find(w.app->l7_registry, l->id, &back[i].h->addr4, BE16(8080));

	assert_true(id != L7_NONE);
	return l7_worker_member(w.app->l7[0], id);
}

/* ---- choice ---- */

static void wrr_follows_weights(void **state)
{
	(void)state;
	open_site("scheduler: wrr, backends: [{address: 198.51.100.11, port: 8080, weight: 3}, "
		  "{address: 198.51.100.12, port: 8080, weight: 1}]",
		2);
	for (uint32_t i = 0; i < 40; i++)
		(void)connect_client(i);
	assert_int_equal(back[0].cnt, 30);
	assert_int_equal(back[1].cnt, 10);
	assert_int_equal(stats()->accepted, 40);
	assert_int_equal(stats()->active, 40);
	assert_int_equal(member(0)->active, 30);
	assert_int_equal(member(1)->connects, 10);
	close_site();
}

static void least_conn_evens_out(void **state)
{
	(void)state;
	open_site("scheduler: least_conn, backends: [" B1 ", " B2 ", " B3 "]", 3);
	for (uint32_t i = 0; i < 12; i++)
		(void)connect_client(i);
	for (int b = 0; b < 3; b++)
		assert_int_equal(back[b].cnt, 4);
	/* Two of the second backend's end: the next two are its. */
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(tcp_abort(back[1].h->e, back[1].ends[i].conn), 0);
	back[1].ends[0].closed = back[1].ends[1].closed = true;
	tcp_world_run(&w, 10);
	assert_int_equal(member(1)->active, 2);
	for (uint32_t i = 12; i < 14; i++)
		(void)connect_client(i);
	assert_int_equal(back[1].cnt, 6);
	close_site();
}

static void least_conn_respects_weights(void **state)
{
	(void)state;
	open_site("scheduler: least_conn, backends: [{address: 198.51.100.11, port: 8080, "
		  "weight: 30}, {address: 198.51.100.12, port: 8080, weight: 10}]",
		2);
	for (uint32_t i = 0; i < 40; i++)
		(void)connect_client(i);
	assert_int_equal(back[0].cnt, 30);
	assert_int_equal(back[1].cnt, 10);
	close_site();
}

/* Sources as the PROXY protocol names them. */
static void ask_as(uint32_t i, uint32_t source)
{
	char text[96];

	snprintf(text, sizeof(text), "PROXY TCP4 10.1.%u.%u 192.0.2.80 1234 80\r\n", source / 200,
		1 + source % 200);
	say(connect_client(i), text);
}

static int served_by(uint32_t source)
{
	uint32_t before[3] = {back[0].cnt, back[1].cnt, back[2].cnt};

	ask_as(63, source);
	for (int b = 0; b < 3; b++)
		if (back[b].cnt > before[b]) {
			assert_int_equal(tcp_abort(client[63].h->e, client[63].conn), 0);
			client[63].h = NULL;
			tcp_world_run(&w, 10);
			back[b].cnt--;
			return b;
		}
	return -1;
}

static void maglev_keeps_a_client(void **state)
{
	int first[60], again[60], hits[3] = {0};

	(void)state;
	open_site("scheduler: maglev, accept_proxy_protocol: true, backends: [" B1 ", " B2 ", " B3
		  "]",
		3);
	for (uint32_t i = 0; i < 60; i++) {
		first[i] = served_by(i);
		assert_true(first[i] >= 0);
		hits[first[i]]++;
		assert_int_equal(served_by(i), first[i]);
	}
	for (int b = 0; b < 3; b++)
		assert_true(hits[b] > 5);
	close_site();
	/* Another table of two: who was served by one of them stays. */
	open_site("scheduler: maglev, accept_proxy_protocol: true, backends: [" B1 ", " B2 "]", 2);
	for (uint32_t i = 0, moved = 0; i < 60; i++) {
		again[i] = served_by(i);
		moved += first[i] != 2 && again[i] != first[i];
		/* Maglev moves a few, never many. */
		assert_true(moved <= 6);
	}
	close_site();
}

/* ---- backends that do not answer ---- */

static void refused_goes_to_the_next(void **state)
{
	struct end *c;

	(void)state;
	open_site("scheduler: wrr, backends: [" B1 ", " B2 ", " B3 "]", 0);
	listen_on(2);
	for (uint32_t i = 0; i < 6; i++) {
		c = connect_client(i);
		tcp_world_run(&w, 20);
		say(c, "hello");
		expect(&back[2].ends[i], "hello");
	}
	assert_int_equal(back[2].cnt, 6);
	assert_int_equal(stats()->failed, 0);
	/* Each turn begins at another backend, and goes on behind one that refused. */
	assert_int_equal(stats()->retries, member(0)->refused + member(1)->refused);
	assert_true(member(0)->refused >= 2 && member(1)->refused >= 2);
	close_site();
}

static void all_refuse(void **state)
{
	struct end *c;

	(void)state;
	open_site("scheduler: wrr, backends: [" B1 ", " B2 ", " B3 "]", 0);
	c = connect_client(0);
	tcp_world_run(&w, 50);
	assert_true(c->closed);
	assert_int_equal(c->why, TCP_END_RESET);
	assert_int_equal(stats()->failed, 1);
	assert_int_equal(stats()->retries, 2);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(member(i)->refused, 1);
	close_site();
}

static void silent_backend_times_out(void **state)
{
	struct end *c;

	(void)state;
	/* Nobody has .99: no answer to ARP. */
	open_site("scheduler: wrr, connect_timeout: 2s, backends: [{address: 198.51.100.99, port: "
		  "8080}]",
		0);
	c = connect_client(0);
	say(c, "early");
	tcp_world_run(&w, 1500);
	assert_false(c->closed);
	tcp_world_run(&w, 1000);
	assert_true(c->closed);
	assert_int_equal(c->why, TCP_END_RESET);
	assert_int_equal(stats()->failed, 1);
	close_site();
}

static void silent_backend_gives_way(void **state)
{
	struct end *c;

	(void)state;
	open_site("scheduler: least_conn, connect_timeout: 1s, backends: [{address: 198.51.100.9, "
		  "port: 8080}, " B1 "]",
		1);
	c = connect_client(0);
	say(c, "kept meanwhile");
	tcp_world_run(&w, 1500);
	assert_int_equal(back[0].cnt, 1);
	expect(&back[0].ends[0], "kept meanwhile");
	assert_int_equal(stats()->retries, 1);
	close_site();
}

static void no_backend_at_all(void **state)
{
	struct end *c;

	(void)state;
	open_site("backends: [{address: 198.51.100.11, port: 8080, weight: 0}]", 1);
	c = connect_client(0);
	assert_true(c->closed);
	assert_int_equal(c->why, TCP_END_RESET);
	assert_int_equal(stats()->no_backend, 1);
	assert_int_equal(back[0].cnt, 0);
	close_site();
}

static void client_leaves_while_connecting(void **state)
{
	struct end *c;

	(void)state;
	open_site("connect_timeout: 5s, backends: [{address: 198.51.100.99, port: 8080}]", 0);
	c = connect_client(0);
	assert_int_equal(stats()->active, 1);
	assert_int_equal(tcp_abort(c->h->e, c->conn), 0);
	c->closed = true;
	tcp_world_run(&w, 10);
	assert_int_equal(stats()->active, 0);
	assert_int_equal(stats()->resets, 1);
	close_site();
}

/* ---- what passes ---- */

static void bytes_pass_both_ways(void **state)
{
	struct end *c;

	(void)state;
	open_site("backends: [" B1 "]", 1);
	c = connect_client(0);
	say(c, "question");
	expect(&back[0].ends[0], "question");
	say(&back[0].ends[0], "answer");
	expect(c, "answer");
	close_site();
}

/* Either side may end first; what the other sends still arrives. */
static void half_close(void **state)
{
	struct end *c, *b;

	(void)state;
	open_site("backends: [" B1 "]", 1);
	c = connect_client(0);
	b = &back[0].ends[0];
	say(c, "all I have");
	assert_int_equal(tcp_shutdown(c->h->e, c->conn), 0);
	tcp_world_run(&w, 10);
	assert_int_equal(b->eofs, 1);
	say(b, "and the answer");
	expect(c, "and the answer");
	assert_int_equal(c->eofs, 0);
	assert_int_equal(tcp_shutdown(b->h->e, b->conn), 0);
	tcp_world_run(&w, 10);
	assert_int_equal(c->eofs, 1);
	assert_true(b->closed || c->closed);
	tcp_world_run(&w, 100);
	assert_int_equal(stats()->active, 0);
	assert_int_equal(stats()->resets, 0);
	/* The other way round. */
	c = connect_client(1);
	b = &back[0].ends[1];
	assert_int_equal(tcp_shutdown(b->h->e, b->conn), 0);
	tcp_world_run(&w, 10);
	assert_int_equal(c->eofs, 1);
	say(c, "still talking");
	expect(b, "still talking");
	assert_int_equal(tcp_shutdown(c->h->e, c->conn), 0);
	tcp_world_run(&w, 100);
	assert_int_equal(b->eofs, 1);
	assert_int_equal(stats()->active, 0);
	close_site();
}

/* A client that ends before its backend is there. */
static void eof_before_the_backend(void **state)
{
	struct end *c;

	(void)state;
	open_site("scheduler: least_conn, connect_timeout: 1s, backends: [{address: 198.51.100.9, "
		  "port: 8080}, " B1 "]",
		1);
	c = connect_client(0);
	say(c, "short");
	assert_int_equal(tcp_shutdown(c->h->e, c->conn), 0);
	tcp_world_run(&w, 1500);
	expect(&back[0].ends[0], "short");
	assert_int_equal(back[0].ends[0].eofs, 1);
	say(&back[0].ends[0], "reply");
	expect(c, "reply");
	close_site();
}

static void reset_takes_the_other_side(void **state)
{
	struct end *c;

	(void)state;
	open_site("backends: [" B1 "]", 1);
	c = connect_client(0);
	assert_int_equal(tcp_abort(back[0].h->e, back[0].ends[0].conn), 0);
	back[0].ends[0].closed = true;
	tcp_world_run(&w, 10);
	assert_true(c->closed);
	assert_int_equal(c->why, TCP_END_RESET);
	assert_int_equal(member(0)->resets, 1);
	c = connect_client(1);
	assert_int_equal(tcp_abort(c->h->e, c->conn), 0);
	c->closed = true;
	tcp_world_run(&w, 10);
	assert_true(back[0].ends[1].closed);
	assert_int_equal(back[0].ends[1].why, TCP_END_RESET);
	assert_int_equal(stats()->active, 0);
	close_site();
}

/* What a slow backend does not take must not pile up in between: the windows bound it. */
static void slow_reader_holds_the_sender(void **state)
{
	static uint8_t lots[60000];
	uint64_t sent = 0;
	struct end *c;

	(void)state;
	open_site("backends: [" B1 "]", 1);
	back[0].hold = true;
	c = connect_client(0);
	for (int i = 0; i < 500; i++) {
		int64_t n = tcp_send_bytes(c->h->e, c->conn, lots, sizeof(lots), 0);

		assert_true(n >= 0);
		sent += (uint64_t)n;
		tcp_world_run(&w, 2);
	}
	/* The backend's window, weir's two buffers and the client's own. */
	assert_true(sent < 1500000);
	assert_true(rte_mempool_in_use_count(w.app->pool) < 1500);
	back[0].ends[0].hold = false;
	assert_int_equal(tcp_consumed(back[0].h->e, back[0].ends[0].conn, back[0].ends[0].got), 0);
	tcp_world_run(&w, 2000);
	assert_int_equal(back[0].ends[0].got, sent);
	close_site();
}

static void idle_ends_both(void **state)
{
	struct end *c;

	(void)state;
	open_site("idle_timeout: 4s, backends: [" B1 "]", 1);
	c = connect_client(0);
	for (int i = 0; i < 6; i++) {
		tcp_world_run(&w, 1500);
		say(i % 2 ? c : &back[0].ends[0], ".");
	}
	assert_false(c->closed);
	tcp_world_run(&w, 5500);
	assert_true(c->closed && back[0].ends[0].closed);
	assert_int_equal(stats()->idle, 1);
	close_site();
}

/* ---- the PROXY protocol ---- */

static void header_names_the_client(void **state)
{
	struct tcp_info i;
	char want[128];
	struct end *c;

	(void)state;
	open_site("send_proxy_protocol: v1, backends: [" B1 "]", 1);
	c = connect_client(0);
	assert_int_equal(tcp_info(c->h->e, c->conn, &i), 0);
	say(c, "x");
	snprintf(want, sizeof(want), "PROXY TCP4 192.0.2.10 192.0.2.80 %u 80\r\nx", BE16(i.lport));
	expect(&back[0].ends[0], want);
	close_site();
}

static void header_is_passed_on(void **state)
{
	static const uint8_t sig[12] = "\r\n\r\n\0\r\nQUIT\n";
	struct end *c, *b;

	(void)state;
	open_site("accept_proxy_protocol: true, send_proxy_protocol: v2, backends: [" B1 "]", 1);
	c = connect_client(0);
	b = &back[0].ends[0];
	/* In pieces: nothing is opened before it is whole. */
	say(c, "PROXY TCP4 10.9.8.7 10.0.0.1 40");
	assert_int_equal(back[0].cnt, 0);
	say(c, "00 443\r\nrest");
	assert_int_equal(back[0].cnt, 1);
	assert_int_equal(b->got, 28 + 4);
	assert_memory_equal(b->seen, sig, 12);
	assert_int_equal(b->seen[12], 0x21);
	assert_int_equal(b->seen[13], 0x11);
	assert_memory_equal(b->seen + 16, "\x0a\x09\x08\x07\x0a\x00\x00\x01\x0f\xa0\x01\xbb", 12);
	assert_memory_equal(b->seen + 28, "rest", 4);
	/* A client that does not speak it is reset; so is one that waits too long. */
	c = connect_client(1);
	say(c, "GET / HTTP/1.1\r\n\r\n");
	assert_true(c->closed);
	assert_int_equal(stats()->proxy_bad, 1);
	c = connect_client(2);
	tcp_world_run(&w, 20000);
	assert_true(c->closed);
	assert_int_equal(stats()->proxy_bad, 2);
	close_site();
}

/* ---- configurations that change ---- */

static void connections_outlive_their_listener(void **state)
{
	char text[4096], *said;
	struct config *next;
	struct end *c, *late;

	(void)state;
	open_site("backends: [" B1 "]", 1);
	c = connect_client(0);
	say(c, "before");
	snprintf(text, sizeof(text),
		HEAD "     backends: [" B2 "]}\n"
		     "  - {name: other, bind: ['192.0.2.81:80'], action: echo}\n");
	/* The same name at another place: the endpoint of before lingers. */
	memcpy(strstr(text, "192.0.2.80:80"), "192.0.2.82:80", 13);
	next = config_text_parse(text, &said);
	assert_non_null(next);
	free(said);
	assert_int_equal(app_reload(w.app, next, stderr, w.now_ns), 0);
	tcp_world_run(&w, 50);
	assert_true(app_reload_done(w.app));
	say(c, " and after");
	expect(&back[0].ends[0], "before and after");
	say(&back[0].ends[0], "yes");
	expect(c, "yes");
	/* Nothing new is taken there. */
	late = connect_client(1);
	assert_true(late->closed);
	assert_int_equal(late->why, TCP_END_REFUSED);
	close_site();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrr_follows_weights),
		cmocka_unit_test(least_conn_evens_out),
		cmocka_unit_test(least_conn_respects_weights),
		cmocka_unit_test(maglev_keeps_a_client),
		cmocka_unit_test(refused_goes_to_the_next),
		cmocka_unit_test(all_refuse),
		cmocka_unit_test(silent_backend_times_out),
		cmocka_unit_test(silent_backend_gives_way),
		cmocka_unit_test(no_backend_at_all),
		cmocka_unit_test(client_leaves_while_connecting),
		cmocka_unit_test(bytes_pass_both_ways),
		cmocka_unit_test(half_close),
		cmocka_unit_test(eof_before_the_backend),
		cmocka_unit_test(reset_takes_the_other_side),
		cmocka_unit_test(slow_reader_holds_the_sender),
		cmocka_unit_test(idle_ends_both),
		cmocka_unit_test(header_names_the_client),
		cmocka_unit_test(header_is_passed_on),
		cmocka_unit_test(connections_outlive_their_listener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
