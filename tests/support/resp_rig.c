/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/resp_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_mbuf.h>

#include "dataplane/base/time.h"
#include "lb/l7/io.h"
#include "lb/l7/sites.h"
#include "lb/l7/worker_pvt.h"

static int64_t rig_send_bytes(const struct l7_io *io, const void *data, uint32_t len);
static void rig_strip(struct l7_conn *c, uint32_t n);
static void rig_end(struct l7_conn *c);
static const struct l7_listener *rig_listener(const struct l7_conn *c);
static struct l7_sites *rig_sites(const struct l7_conn *c);

#define l7_io_room(io)                        UINT32_MAX
#define l7_io_send_bytes(io, data, len, flag) rig_send_bytes(io, data, len)
#define l7_io_abort(io)                       ((io)->conn = TCP_NONE)
#define l7_strip                              rig_strip
#define l7_close                              rig_end
#define l7_abort                              rig_end
#define l7_finish                             rig_end
#define l7_listener_of                        rig_listener
#define l7_sites_of                           rig_sites
#include "lb/l7/resp/conn.c"

struct rig_l7 {
	struct l7_worker w;
	struct l7_listener listener;
	bool removed;
	struct l7_sites sites[2]; /* of the configuration that has it, and the next */
};

static struct rig_conn *conn_of(const struct l7_io *io)
{
	return (struct rig_conn *)(uintptr_t)io->conn;
}

static int64_t rig_send_bytes(const struct l7_io *io, const void *data, uint32_t len)
{
	struct rig_conn *c = conn_of(io);

	if (c->room != SIZE_MAX && c->room < len) {
		c->blocked = true;
		return 0;
	}
	if (c->room != SIZE_MAX)
		c->room -= len;
	/* Tests end it with a NUL. */
	if (c->out_len + len >= c->out_cap) {
		c->out_cap = 2 * (c->out_len + len) + 1;
		c->out = realloc(c->out, c->out_cap);
		if (c->out == NULL)
			abort();
	}
	memcpy(c->out + c->out_len, data, len);
	c->out_len += len;
	return len;
}

static void rig_strip(struct l7_conn *c, uint32_t n)
{
	c->pend_len -= n;
	while (n > 0) {
		struct rte_mbuf *m = c->pend;

		if (m->data_len > n) {
			m->data_off = (uint16_t)(m->data_off + n);
			m->data_len = (uint16_t)(m->data_len - n);
			return;
		}
		n -= m->data_len;
		c->pend = m->next;
		free(m->buf_addr);
		free(m);
	}
}

static void rig_end(struct l7_conn *c)
{
	struct rig_conn *rc = conn_of(&(struct l7_io){.conn = (uint64_t)(uintptr_t)c->sent});

	rc->closed = true;
	rc->l7 = NULL;
	if (c->pend_len > 0)
		rig_strip(c, c->pend_len);
	wheel_cancel(&c->w->wheel, &c->timer);
	free(c);
}

static const struct l7_listener *rig_listener(const struct l7_conn *c)
{
	const struct rig_l7 *l = (const struct rig_l7 *)(const void *)c->w;

	return l->removed ? NULL : &l->listener;
}

static struct l7_sites *rig_sites(const struct l7_conn *c)
{
	struct rig_l7 *l = (struct rig_l7 *)(void *)c->w;

	return &l->sites[l->removed];
}

static void set_users(struct rig *r, const struct rig_params *p)
{
	struct config_resp *cr = &r->listener.resp;
	char why[ACL_WHY];

	r->acl = calloc(p->user_cnt + 1, sizeof(*r->acl));
	acl_default(&r->acl[0], p->password == NULL ? "" : p->password);
	cr->acl = r->acl;
	cr->acl_cnt = 1;
	for (uint32_t i = 0; i < p->user_cnt; i++)
		if (acl_parse(p->users[i], &r->acl[cr->acl_cnt], why) == 0)
			cr->acl_cnt++;
}

static struct rig_l7 *l7_new(struct rig *r, uint32_t i)
{
	struct rig_l7 *l = calloc(1, sizeof(*l));

	l->w.conf.index = i;
	l->w.conf.worker_cnt = r->workers;
	l->w.conf.cfg = &r->cfg;
	l->w.now_ns = clock_now_ns();
	l->listener.cfg = &r->listener;
	wheel_init(&l->w.wheel, NS_PER_MS, l->w.now_ns);
	kvs_clock(kvs_worker(r->kvs, i), l->w.now_ns);
	if (resp_worker_create(&l->w, kvs_worker(r->kvs, i), 256, &l->w.resp) != 0)
		abort();
	return l;
}

static void on_wake(void *ctx, uint32_t worker)
{
	uint64_t one = 1;

	(void)worker;
	(void)!write(((struct rig *)ctx)->wake_fd, &one, sizeof(one));
}

struct rig *rig_open(const struct rig_params *p)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct kvs_params kp = {.worker_cnt = p->workers == 0 ? 1 : p->workers,
		.ns_cnt = NS_TEST_CNT,
		.queue_len = 1024,
		.cache_bytes = p->cache_bytes,
		.request_bytes = p->request_bytes == 0 ? 256 << 20 : p->request_bytes,
		.request_timeout_ns = 10 * NS_PER_SEC};

	test_clock_init();
	r->workers = kp.worker_cnt;
	test_store_init(&r->store);
	r->store.p.client_cnt = kp.worker_cnt;
	r->store.p.shard_cnt = p->shards;
	r->store.p.queue_len = kp.queue_len;
	if (test_store_open(&r->store) != 0) {
		fprintf(stderr, "store: %s\n", r->store.err);
		exit(1);
	}
	kp.store = r->store.s;
	if (kvs_create(&kp, &r->kvs) != 0)
		abort();
	r->wake_fd = eventfd(0, EFD_NONBLOCK);
	kvs_on_wake(r->kvs, on_wake, r);
	r->listener.action = LISTENER_RESP;
	r->listener.resp.ns_idx = (uint32_t)p->ns;
	r->listener.resp.pipeline_max = p->pipeline_max == 0 ? 1024 : p->pipeline_max;
	r->listener.resp.bulk_max_bytes = p->bulk_max == 0 ? 8 << 20 : p->bulk_max;
	set_users(r, p);
	for (uint32_t i = 0; i < r->workers; i++)
		r->l7[i] = l7_new(r, i);
	return r;
}

void rig_close(struct rig *r)
{
	test_store_close(&r->store);
	for (uint32_t i = 0; i < r->workers; i++) {
		struct rig_l7 *l = r->l7[i];

		resp_worker_destroy(l->w.resp);
		free(l);
	}
	kvs_destroy(r->kvs);
	test_store_fini(&r->store);
	close(r->wake_fd);
	free(r->acl);
	free(r);
}

struct rig_conn *rig_connect(struct rig *r, uint32_t worker)
{
	struct rig_conn *c = calloc(1, sizeof(*c));
	struct rig_l7 *w = r->l7[worker];
	struct l7_conn *l = calloc(1, sizeof(*l));

	c->rig = r;
	c->l7 = l;
	c->room = SIZE_MAX;
	l->w = &w->w;
	l->action = &l7_resp;
	l->front.conn = (uint64_t)(uintptr_t)c;
	l->sent = (uint64_t)(uintptr_t)c; /* stays when the connection is aborted */
	l->opened = true;
	wheel_timer_init(&l->timer);
	l7_resp.open(l);
	return c;
}

void rig_disconnect(struct rig_conn *c)
{
	struct l7_conn *l = c->l7;

	if (l != NULL)
		l7_resp.closed(l, TCP_END_NORMAL);
	free(c->out);
	free(c);
}

void rig_feed(struct rig_conn *c, const void *data, size_t n)
{
	struct l7_conn *l = c->l7;

	while (l != NULL && n > 0) {
		uint16_t len = (uint16_t)(n < 60000 ? n : 60000);
		struct rte_mbuf *m = calloc(1, sizeof(*m));

		m->buf_addr = malloc(len);
		m->data_len = len;
		memcpy(m->buf_addr, data, len);
		if (l->pend == NULL)
			l->pend = m;
		else
			l->pend_tail->next = m;
		l->pend_tail = m;
		l->pend_len += len;
		data = (const uint8_t *)data + len;
		n -= len;
		l->w->now_ns = clock_now_ns();
		kvs_clock(l->w->resp->kvs, l->w->now_ns);
		l7_resp.data(l);
		l = c->l7;
	}
}

void rig_eof(struct rig_conn *c)
{
	struct l7_conn *l = c->l7;

	if (l == NULL)
		return;
	l->front_eof = true;
	l7_resp.eof(l);
}

void rig_remove(struct rig *r)
{
	for (uint32_t i = 0; i < r->workers; i++) {
		struct rig_l7 *l = r->l7[i];

		l->w.now_ns = clock_now_ns();
		l->removed = true;
		resp_worker_adopt(l->w.resp, false);
	}
	rig_settle(r);
}

uint32_t rig_pins(const struct rig *r)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->workers; i++)
		for (int k = 0; k < 2; k++)
			n += ((const struct rig_l7 *)r->l7[i])->sites[k].pins[i].cnt;
	return n;
}

void rig_drain(struct rig *r)
{
	for (uint32_t i = 0; i < r->workers; i++) {
		struct rig_l7 *l = r->l7[i];

		l->w.now_ns = clock_now_ns();
		resp_worker_adopt(l->w.resp, true);
	}
	rig_settle(r);
}

void rig_pass(struct rig *r, uint64_t ns)
{
	for (uint32_t i = 0; i < r->workers; i++) {
		struct rig_l7 *l = r->l7[i];
		struct wheel_timer *t;

		l->w.now_ns += ns;
		wheel_advance(&l->w.wheel, l->w.now_ns);
		while ((t = wheel_pop(&l->w.wheel)) != NULL)
			l7_resp.timer((struct l7_conn *)(void *)((uint8_t *)t -
								 offsetof(struct l7_conn, timer)));
		(void)resp_worker_resume(l->w.resp);
	}
}

void rig_take(struct rig_conn *c, size_t n)
{
	c->room = n == SIZE_MAX ? n : c->room + n;
	if (!c->blocked || c->l7 == NULL)
		return;
	c->blocked = false;
	l7_resp.writable(c->l7);
}

uint32_t rig_turn_one(struct rig *r, uint32_t worker)
{
	struct rig_l7 *l = r->l7[worker];
	uint32_t n;

	l->w.now_ns = clock_now_ns();
	n = kvs_turn(l->w.resp->kvs, l->w.now_ns);
	return n + resp_worker_resume(l->w.resp);
}

uint32_t rig_turn(struct rig *r)
{
	uint32_t n = 0;
	uint64_t rung;

	(void)!read(r->wake_fd, &rung, sizeof(rung));
	for (uint32_t i = 0; i < r->workers; i++)
		n += rig_turn_one(r, i);
	return n;
}

void rig_settle(struct rig *r)
{
	for (;;) {
		uint64_t live = 0;
		uint32_t n = rig_turn(r);

		for (uint32_t i = 0; i < r->workers; i++) {
			struct kvs_stats s;

			kvs_stats(kvs_worker(r->kvs, i), &s);
			live += s.live;
		}
		if (n == 0 && live == 0)
			return;
		if (n == 0)
			usleep(20);
	}
}

char *rig_ask(struct rig_conn *c, const char *line)
{
	char *out;

	c->out_len = 0;
	rig_feed(c, line, strlen(line));
	rig_feed(c, "\r\n", 2);
	rig_settle(c->rig);
	out = malloc(c->out_len + 1);
	memcpy(out, c->out, c->out_len);
	out[c->out_len] = '\0';
	return out;
}
