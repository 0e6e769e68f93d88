/* SPDX-License-Identifier: Apache-2.0
 * tcp_proxy under random use: clients and backends that send, stop, close and reset as they like, a
 * wire that loses segments, backends that come and go, and configurations that change meanwhile.
 * Whatever happens, bytes are those that the other end sent, in order; what both ends closed in
 *order arrived whole; and at the end nothing counts as alive and no buffer is out.
 *
 *	tcp_proxy [--seed S] [--runs N] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/hdr.h"
#include "lb/app_pvt.h"
#include "tests/support/config_text.h"
#include "tests/support/seed.h"
#include "tests/support/tcp_world.h"

#define RUNS     6
#define BACKENDS 3
#define PAIRS    48
#define STEPS    600
#define TALK_MAX 120000
#define ID_LEN   4 /* the client's first bytes: its pair's number */

enum ending { END_CLOSE, END_SHUTDOWN, END_ABORT, END_CNT };

struct side {
	struct tcp_host *h;
	struct pair *pair;
	uint64_t conn, sent, got, to_send;
	enum ending end;
	bool client, up, shut, eof, closed, dropped;
	enum tcp_end why;
};

/* A client's connection and what became of it at a backend. */
struct pair {
	struct side c, b;
	uint32_t number;
	bool used, met;
};

/* A backend's connection whose client is not known yet. */
struct stranger {
	uint64_t conn;
	uint32_t got;
	uint8_t id[ID_LEN];
	struct side *is;
	struct tcp_host *h;
	bool used;
};

static struct tcp_world w;
static struct rng rng;
static struct pair pairs[PAIRS];
static struct stranger strangers[4 * PAIRS];
static struct tcp_host *hosts[BACKENDS];
static int listeners[BACKENDS];
static uint64_t accepts, totals[4];
static uint64_t seed;
static uint32_t next_number;

static uint32_t below(uint32_t n)
{
	return (uint32_t)rng_below(&rng, n);
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "tcp_proxy: %s, seed %llu\n", what, (unsigned long long)seed);
	abort();
}

/* Byte n of what a side sends: its pair's number decides. */
static uint8_t byte_of(const struct pair *p, bool client, uint64_t n)
{
	uint64_t k = (uint64_t)p->number * 2 + client + 1;

	if (client && n < ID_LEN)
		return (uint8_t)(p->number >> (8 * n));
	return (uint8_t)((n * 0x9e3779b97f4a7c15u >> 29) + k * 37);
}

/* ---- events ---- */

static void take(struct side *s, const struct rte_mbuf *chain)
{
	const struct side *from = s->client ? &s->pair->b : &s->pair->c;

	for (const struct rte_mbuf *m = chain; m != NULL; m = m->next)
		for (uint32_t i = 0; i < m->data_len; i++, s->got++)
			if (rte_pktmbuf_mtod(m, const uint8_t *)[i] !=
				byte_of(s->pair, from->client, s->got))
				fail("a wrong byte");
	if (s->got > from->sent)
		fail("more arrived than was sent");
}

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	((struct side *)user)->up = true;
}

static void client_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct side *s = user;

	if (s->eof || s->dropped)
		fail("data after the end");
	take(s, chain);
	rte_pktmbuf_free(chain);
	(void)tcp_consumed(e, conn, len);
}

static void side_eof(struct side *s)
{
	if (s->eof)
		fail("two ends of file");
	s->eof = true;
}

static void client_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	side_eof(user);
}

static void side_closed(struct side *s, enum tcp_end why)
{
	if (s->closed || s->dropped)
		fail("two ends");
	s->closed = true;
	s->why = why;
}

static void client_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end why)
{
	(void)e;
	(void)conn;
	side_closed(user, why);
}

static const struct tcp_ops client_ops = {.on_connect = on_connect,
	.on_data = client_data,
	.on_eof = client_eof,
	.on_closed = client_closed};

static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct stranger *x = strangers;

	while (x < strangers + ARRAY_SIZE(strangers) && x->used)
		x++;
	ASSERT(x < strangers + ARRAY_SIZE(strangers));
	*x = (struct stranger){.conn = conn, .h = arg, .used = true};
	accepts++;
	ASSERT(tcp_set_user(e, conn, x) == 0);
}

/* The number is there: this is the other side of that client, unless it has ended meanwhile. */
static void meet(struct stranger *x)
{
	uint32_t n = x->id[0] | (uint32_t)x->id[1] << 8 | (uint32_t)x->id[2] << 16 |
		     (uint32_t)x->id[3] << 24;

	if (n >= next_number)
		fail("a connection of no client");
	for (uint32_t i = 0; i < PAIRS; i++) {
		struct pair *p = &pairs[i];

		if (!p->used || p->number != n)
			continue;
		if (p->met)
			fail("two backends have one client");
		p->met = true;
		p->b.h = x->h;
		p->b.conn = x->conn;
		p->b.up = true;
		p->b.got = ID_LEN;
		x->is = &p->b;
	}
}

static void backend_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct stranger *x = user;
	struct rte_mbuf *m = chain;

	while (m != NULL && x->got < ID_LEN) {
		uint32_t n = m->data_len < ID_LEN - x->got ? m->data_len : ID_LEN - x->got;

		memcpy(x->id + x->got, rte_pktmbuf_mtod(m, const void *), n);
		x->got += n;
		m->data_off = (uint16_t)(m->data_off + n);
		m->data_len = (uint16_t)(m->data_len - n);
		m = m->data_len == 0 ? m->next : m;
	}
	if (x->is == NULL && x->got == ID_LEN)
		meet(x);
	if (x->is != NULL && (x->is->eof || x->is->dropped))
		fail("data after the end");
	if (x->is != NULL && m != NULL)
		take(x->is, m);
	rte_pktmbuf_free(chain);
	(void)tcp_consumed(e, conn, len);
}

static void backend_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	struct stranger *x = user;

	if (x->is != NULL)
		side_eof(x->is);
	else
		ASSERT(tcp_shutdown(e, conn) == 0); /* nothing came at all */
}

static void backend_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end why)
{
	struct stranger *x = user;

	(void)e;
	(void)conn;
	if (x->is != NULL)
		side_closed(x->is, why);
	x->used = false;
}

static const struct tcp_ops backend_ops = {.on_accept = on_accept,
	.on_data = backend_data,
	.on_eof = backend_eof,
	.on_closed = backend_closed};

/* ---- what sides do ---- */

static void side_init(struct side *s, struct pair *p, bool client)
{
	*s = (struct side){.pair = p, .client = client, .end = below(END_CNT)};
	s->to_send = below(3) == 0 ? below(200) : below(TALK_MAX);
	if (client && s->to_send < ID_LEN)
		s->to_send = ID_LEN;
}

static void drop(struct side *s, bool abort)
{
	int rc = abort ? tcp_abort(s->h->e, s->conn) : tcp_close(s->h->e, s->conn);

	ASSERT(rc == 0);
	s->dropped = true;
	/* The handle is gone: nobody calls back for it. */
	for (uint32_t i = 0; i < ARRAY_SIZE(strangers); i++)
		if (strangers[i].used && strangers[i].is == s)
			strangers[i].used = false;
}

static void send_some(struct side *s)
{
	static uint8_t buf[9000];
	uint64_t left = s->to_send - s->sent;
	uint32_t n = 1 + below(sizeof(buf)), i;
	int64_t took;

	n = n < left ? n : (uint32_t)left;
	for (i = 0; i < n; i++)
		buf[i] = byte_of(s->pair, s->client, s->sent + i);
	took = tcp_send_bytes(s->h->e, s->conn, buf, n, 0);
	if (took < 0)
		fail("a send failed");
	s->sent += (uint64_t)took;
}

static void act(struct side *s)
{
	bool whole = s->eof || s->sent == s->to_send;

	if (!s->up || s->closed || s->dropped || below(3) != 0)
		return;
	if (s->end == END_ABORT && s->sent * 2 > s->to_send && below(20) == 0) {
		drop(s, true);
		return;
	}
	if (s->sent < s->to_send && !s->shut) {
		send_some(s);
		return;
	}
	if (!whole)
		return;
	if (!s->shut && s->end != END_CLOSE) {
		ASSERT(tcp_shutdown(s->h->e, s->conn) == 0);
		s->shut = true;
	}
	/* Closing with bytes on their way is a reset: wait for the other's end. */
	if (s->eof)
		drop(s, false);
	else if (s->end == END_CLOSE && !s->shut) {
		ASSERT(tcp_shutdown(s->h->e, s->conn) == 0);
		s->shut = true;
	}
}

static void open_client(void)
{
	struct pair *p = &pairs[below(PAIRS)];
	struct tcp_connect_args a = {.rport = BE16(80 + below(3)), .ops = &client_ops};

	if (p->used)
		return;
	memset(p, 0, sizeof(*p));
	p->used = true;
	p->number = next_number++;
	side_init(&p->c, p, true);
	side_init(&p->b, p, false);
	p->c.h = &w.hosts[0];
	a.user = &p->c;
	ASSERT(ip_addr_parse(below(2) ? "192.0.2.80" : "2001:db8:1::80", &a.raddr) == 0);
	ASSERT(tcp_connect(p->c.h->e, &a, &p->c.conn) == 0);
	totals[0]++;
}

static bool over(const struct side *s)
{
	return s->closed || s->dropped;
}

static bool in_order(const struct side *s)
{
	return s->end != END_ABORT && (s->dropped || (s->closed && s->why == TCP_END_NORMAL));
}

/* Both ends have ended: the verdict. */
static void settle_pair(struct pair *p)
{
	if (!p->used || !over(&p->c) || (p->met && !over(&p->b)))
		return;
	if (p->met && in_order(&p->c) && in_order(&p->b)) {
		if (p->c.got != p->b.sent || p->b.got != p->c.sent)
			fail("closed in order, and bytes are missing");
		totals[1]++;
	} else if (p->met) {
		totals[2]++;
	} else {
		totals[3]++;
	}
	p->used = false;
}

/* ---- the site ---- */

static void site_text(char *text, size_t len, uint32_t variant)
{
	static const char *const sched[] = {"wrr", "least_conn", "maglev"};
	uint32_t at = 0;

	at = (uint32_t)snprintf(text, len,
		"ports:\n"
		"  - {name: front, device: net_ring_p0, mac: '02:00:00:00:00:a0',\n"
		"     rx_queue_len: 64, tx_queue_len: 64,\n"
		"     addresses: [192.0.2.1/24, '2001:db8:1::1/64']}\n"
		"  - {name: back, device: net_ring_p1, mac: '02:00:00:00:00:a1',\n"
		"     rx_queue_len: 64, tx_queue_len: 64,\n"
		"     addresses: [198.51.100.1/24, '2001:db8:2::1/64']}\n"
		"memory: {hugepages: false, mbufs: 4096, flows: 1024, nat_flows: 1024}\n"
		"admin: {socket: ''}\n"
		"workers: {count: 2}\n"
		"tcp: {max_connections: 1024, time_wait: 1s, keepalive: 10s, packet_headers: "
		"4096,\n"
		"     data_buffers: 4096}\n"
		"listeners:\n");
	for (uint32_t i = 0; i < 3; i++) {
		/* Every listener is missing from some variants, and the backends differ. */
		if (variant != 0 && variant % 4 == i + 1)
			continue;
		at += (uint32_t)snprintf(text + at, len - at,
			"  - {name: l%u, bind: ['192.0.2.80:%u', '[2001:db8:1::80]:%u'],\n"
			"     action: tcp_proxy, scheduler: %s, connect_timeout: 1s, backends: [",
			i, 80 + i, 80 + i, sched[(i + variant) % 3]);
		for (uint32_t b = 0; b < BACKENDS; b++)
			if (b == 0 || (variant + b) % 3 != 0)
				at += (uint32_t)snprintf(text + at, len - at,
					"{address: %s%u, port: 8080}%s",
					(i + b) % 2 ? "198.51.100.1" : "2001:db8:2::1", b + 1,
					", ");
		at += (uint32_t)snprintf(text + at, len - at, "]}\n");
	}
	at += (uint32_t)snprintf(
		text + at, len - at, "  - {name: e, bind: ['192.0.2.81:7'], action: echo}\n");
	ASSERT(at < len);
}

static void reload(void)
{
	char text[8192], *said;
	struct config *next;

	if (!app_reload_done(w.app))
		return;
	site_text(text, sizeof(text), below(12));
	next = config_text_parse(text, &said);
	if (next == NULL)
		fputs(said, stderr);
	ASSERT(next != NULL);
	free(said);
	ASSERT(app_reload(w.app, next, stderr, w.now_ns) == 0);
}

static void backend_listens(uint32_t i, bool on)
{
	struct ip_addr any = {0};

	if (on == (listeners[i] >= 0))
		return;
	if (!on) {
		tcp_unlisten(hosts[i]->e, listeners[i]);
		listeners[i] = -1;
		return;
	}
	listeners[i] = tcp_listen(hosts[i]->e, &any, BE16(8080), &backend_ops, hosts[i]);
	ASSERT(listeners[i] >= 0);
}

static void open_site(void)
{
	static const uint8_t mac0[6] = {2, 0, 0, 0, 0, 0xa0}, mac1[6] = {2, 0, 0, 0, 0, 0xa1};
	char text[8192], a4[32], a6[32];

	site_text(text, sizeof(text), 0);
	tcp_world_start();
	tcp_world_open(&w, text);
	rng_seed(&w.rng, seed);
	(void)tcp_world_host(&w, 0, "192.0.2.10", "2001:db8:1::10", mac0);
	for (uint32_t i = 0; i < BACKENDS; i++) {
		snprintf(a4, sizeof(a4), "198.51.100.1%u", i + 1);
		snprintf(a6, sizeof(a6), "2001:db8:2::1%u", i + 1);
		hosts[i] = tcp_world_host(&w, 1, a4, a6, mac1);
		listeners[i] = -1;
		backend_listens(i, true);
	}
	w.loss_ppm = below(2) ? below(30000) : 0;
}

static void check_counters(void)
{
	for (uint32_t k = 0; k < app_worker_count(w.app); k++) {
		const struct l7_worker *l7 = w.app->l7[k];

		if (l7_worker_active(l7) != 0)
			fail("connections still count as alive");
		for (uint32_t i = 0; i < LIMIT_LISTENERS; i++)
			if (l7_worker_listener(l7, i)->active != 0)
				fail("a listener still has connections");
		for (uint32_t i = 0; i < L7_MEMBERS; i++)
			if (l7_worker_member(l7, i)->active != 0)
				fail("a backend still has connections");
	}
}

static uint32_t alive(void)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < PAIRS; i++) {
		act(&pairs[i].c);
		act(&pairs[i].b);
		settle_pair(&pairs[i]);
		n += pairs[i].used;
	}
	return n;
}

/* What nobody has met is nobody's to end: reset it. */
static void drop_strangers(void)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(strangers); i++)
		if (strangers[i].used && strangers[i].is == NULL) {
			(void)tcp_abort(strangers[i].h->e, strangers[i].conn);
			strangers[i].used = false;
		}
}

static void print_side(const char *what, const struct side *s)
{
	struct tcp_info i;

	fprintf(stderr, "  %s end %d: sent %llu of %llu, got %llu,%s%s%s%s%s", what, s->end,
		(unsigned long long)s->sent, (unsigned long long)s->to_send,
		(unsigned long long)s->got, s->up ? " up" : "", s->shut ? " shut" : "",
		s->eof ? " eof" : "", s->closed ? " closed" : "", s->dropped ? " dropped" : "");
	if (!s->closed && !s->dropped && s->h != NULL && tcp_info(s->h->e, s->conn, &i) == 0)
		fprintf(stderr, " %s port %u/%u queued %u inflight %u wnd %u/%u",
			tcp_state_name(i.state), BE16(i.lport), BE16(i.rport), i.queued, i.inflight,
			i.snd_wnd, i.rcv_wnd);
	fprintf(stderr, "\n");
}

static void print_pairs(void)
{
	for (uint32_t i = 0; i < PAIRS; i++)
		if (pairs[i].used) {
			fprintf(stderr, "pair %u%s\n", i, pairs[i].met ? " met" : "");
			print_side("client", &pairs[i].c);
			print_side("backend", &pairs[i].b);
		}
}

static void one_run(uint64_t s)
{
	uint32_t left = 600000;

	seed = s;
	rng_seed(&rng, s);
	next_number = 0;
	memset(pairs, 0, sizeof(pairs));
	memset(strangers, 0, sizeof(strangers));
	open_site();
	for (uint32_t step = 0; step < STEPS; step++) {
		for (uint32_t k = below(3); k > 0; k--)
			open_client();
		if (below(60) == 0)
			reload();
		if (below(25) == 0)
			backend_listens(below(BACKENDS), below(3) != 0);
		(void)alive();
		tcp_world_run(&w, 1 + below(8));
	}
	w.loss_ppm = 0;
	for (uint32_t i = 0; i < BACKENDS; i++)
		backend_listens(i, true);
	for (; alive() > 0 && left > 0; left -= 10) {
		tcp_world_run(&w, 10);
		if (left % 20000 == 0)
			drop_strangers();
	}
	if (left == 0) {
		print_pairs();
		fail("a connection never ends");
	}
	drop_strangers();
	tcp_world_run(&w, 15000);
	check_counters();
	tcp_world_close(&w);
}

int main(int argc, char **argv)
{
	uint64_t first = 0, runs = RUNS;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			first = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--runs") == 0)
			runs = strtoull(argv[i + 1], NULL, 10);
	}
	if (first == 0)
		first = test_seed();
	for (uint64_t i = 0; i < runs; i++)
		one_run(first + i);
	printf("tcp_proxy: %llu connections, %llu closed in order, %llu reset, %llu without a "
	       "backend; %llu accepted by backends\n",
		(unsigned long long)totals[0], (unsigned long long)totals[1],
		(unsigned long long)totals[2], (unsigned long long)totals[3],
		(unsigned long long)accepts);
	ASSERT(totals[1] > 10 * runs && totals[2] > runs);
	printf("1 passed, 0 failed, 0 skipped\n");
	return 0;
}
