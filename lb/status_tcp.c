/* SPDX-License-Identifier: Apache-2.0
 * Listeners and TCP connections. A connection's state belongs to its worker and is not read from
 * here: the worker fills in a page in its next turn, for which control waits a moment. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "dataplane/base/time.h"
#include "dataplane/net/hdr.h"
#include "dataplane/tls/tls_worker.h"
#include "lb/app_pvt.h"
#include "lb/status.h"
#include "lb/status_pvt.h"

#define DUMP_WAIT_NS (200 * NS_PER_MS)
#define DUMP_POLL_NS 20000

/* ---- /v1/tcp ---- */

static void set_end(json_t *o, const char *key, const struct ip_addr *a, uint16_t port_be)
{
	char addr[IP_ADDR_TEXT_MAX], text[IP_ADDR_TEXT_MAX + 16];

	snprintf(text, sizeof(text), ip_addr_is4(a) ? "%s:%u" : "[%s]:%u", ip_addr_format(a, addr),
		BE16(port_be));
	set_text(o, key, text);
}

static bool has(const struct config_backend *b, uint32_t cnt, const struct tcp_info *i)
{
	for (; cnt-- > 0; b++)
		if (b->port == BE16(i->rport) && ip_addr_eq(&b->addr, &i->raddr))
			return true;
	return false;
}

/* Whose it is: of the listener that accepted it, or of the pool (a listener's, an upstream) that
 * its other end is a backend of. */
static void fill_owner(const struct config *cfg, const struct tcp_info *i, json_t *o)
{
	for (uint32_t l = 0; l < cfg->listener_cnt; l++) {
		const struct config_listener *c = &cfg->listeners[l];

		for (uint32_t b = 0; b < c->bind_cnt; b++)
			if (c->binds[b].port == BE16(i->lport) &&
				ip_addr_eq(&c->binds[b].addr, &i->laddr)) {
				set_text(o, "listener", c->name);
				return;
			}
		if (has(c->backends, c->backend_cnt, i)) {
			set_text(o, "pool", c->name);
			return;
		}
	}
	for (uint32_t u = 0; u < cfg->upstream_cnt; u++)
		if (has(cfg->upstreams[u].backends, cfg->upstreams[u].backend_cnt, i)) {
			set_text(o, "pool", cfg->upstreams[u].name);
			return;
		}
}

static void fill_conn(
	const struct config *cfg, const struct tcp_info *i, uint32_t worker, json_t *o)
{
	static const char *const recovery[] = {"open", "fast", "timeout"};

	set_int(o, "worker", worker);
	fill_owner(cfg, i, o);
	set_end(o, "local", &i->laddr, i->lport);
	set_end(o, "remote", &i->raddr, i->rport);
	set_text(o, "state", tcp_state_name((enum tcp_state)i->state));
	set_text(o, "recovery", i->recovery < ARRAY_SIZE(recovery) ? recovery[i->recovery] : "?");
	set_int(o, "srtt_us", i->srtt_us);
	set_int(o, "rto_ms", i->rto_ms);
	set_int(o, "mss", i->mss);
	set_int(o, "cwnd", i->cwnd);
	set_int(o, "snd_wnd", i->snd_wnd);
	set_int(o, "rcv_wnd", i->rcv_wnd);
	set_int(o, "queued", i->queued);
	set_int(o, "inflight", i->inflight);
	set_int(o, "unread", i->unread);
	set_int(o, "out_of_order", i->ooo_bytes);
	set_int(o, "bytes_in", i->bytes_in);
	set_int(o, "bytes_acked", i->bytes_acked);
	set_int(o, "retransmits", i->retransmits);
}

static void fill_usage(const struct tcp_usage *u, uint32_t worker, json_t *o)
{
	set_int(o, "worker", worker);
	set_int(o, "connections", u->conns);
	set_int(o, "max_connections", u->max_conns);
	set_int(o, "half_open", u->syns);
	set_int(o, "max_half_open", u->max_syns);
	set_int(o, "time_wait", u->timewaits);
	set_int(o, "max_time_wait", u->max_timewaits);
	set_int(o, "queue_entries", u->segs);
	set_int(o, "max_queue_entries", u->max_segs);
	set_int(o, "pressure", u->pressure);
}

/* 0, or -ETIME if the worker did not come round. */
static int dump(struct app *app, uint32_t worker, struct l7_dump *d)
{
	struct timespec nap = {.tv_nsec = DUMP_POLL_NS};
	uint64_t end_ns = clock_now_ns() + DUMP_WAIT_NS, one = 1;

	l7_worker_dump(app->l7[worker], d);
	if (!app->running)
		l7_worker_run(app->l7[worker], clock_now_ns());
	(void)!write(app->workers[worker]->wake_fd, &one, sizeof(one));
	while (!atomic_load_explicit(&d->done, memory_order_acquire)) { /* L1 */
		if (clock_now_ns() > end_ns && l7_worker_dump_cancel(app->l7[worker]))
			return -ETIME;
		nanosleep(&nap, NULL);
	}
	return 0;
}

static void add_counters(json_t *o, const struct tcp_counters *sum)
{
	for (unsigned i = 0; i < tcp_counter_cnt; i++)
		set_int(o, tcp_counter_rows[i].name, tcp_counter_get(sum, i));
}

static void sum_counters(struct tcp_counters *sum, const struct tcp_counters *c)
{
	uint64_t *to = (uint64_t *)(void *)sum;
	const uint64_t *from = (const uint64_t *)(const void *)c;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

/* TLS of all workers: gauges, counters, and failures by reason. */
static void add_tls(const struct app *app, json_t *o)
{
	static const char *const ends[] = {
#define E(name, text) #name,
		TLS_ENDS(E)
#undef E
	};
	struct tls_counters sum = {0};
	uint64_t *to = (uint64_t *)(void *)&sum;

	for (uint32_t w = 0; w < app->worker_cnt; w++) {
		const struct tls_worker *t = app->l7[w] == NULL ? NULL : l7_worker_tls(app->l7[w]);
		const uint64_t *from;

		if (t == NULL)
			continue;
		from = (const uint64_t *)(const void *)tls_worker_counters(t);
		for (size_t i = 0; i < sizeof(sum) / sizeof(*to); i++)
			to[i] += from[i];
	}
	set_int(o, "active", sum.active);
	set_int(o, "handshakes", sum.handshakes);
#define C(name, text) set_int(o, #name, sum.name);
	TLS_COUNTERS(C)
#undef C
	for (int i = TLS_END_NONE + 1; i < TLS_END_CNT; i++) {
		char name[48] = "failed_";

		for (size_t k = 0; ends[i][k] != '\0' && k + 8 < sizeof(name); k++)
			name[7 + k] = (char)tolower((unsigned char)ends[i][k]);
		set_int(o, name, sum.ends[i]);
	}
}

int status_tcp(struct app *app, json_t *out)
{
	struct l7_dump *d = malloc(sizeof(*d));
	json_t *engines = set_array(out, "engines"), *counters = json_object(),
	       *conns = set_array(out, "connections"), *tls;
	struct tcp_counters sum = {0};
	bool more = false;
	int rc = d == NULL ? -ENOMEM : 0;

	for (uint32_t w = 0; rc == 0 && w < app->worker_cnt; w++) {
		if (app->l7[w] == NULL)
			continue;
		rc = dump(app, w, d);
		if (rc != 0)
			break;
		fill_usage(&d->usage, w, add_object(engines));
		sum_counters(&sum, &d->counters);
		for (uint32_t i = 0; i < d->cnt; i++)
			fill_conn(app->cfg, &d->conns[i], w, add_object(conns));
		more = more || d->more;
	}
	add_counters(counters, &sum);
	json_object_set_new(out, "counters", counters);
	tls = json_object();
	add_tls(app, tls);
	json_object_set_new(out, "tls", tls);
	json_object_set_new(out, "more_connections", json_boolean(more));
	free(d);
	return rc;
}

/* ---- /v1/listeners ---- */

static void fill_member(struct app *app, uint32_t id, const struct config_backend *b, json_t *o)
{
	struct l7_member_stats sum = {0};

	set_end(o, "backend", &b->addr, BE16(b->port));
	set_int(o, "weight", b->weight);
	for (uint32_t w = 0; id != L7_NONE && w < app->worker_cnt; w++) {
		const struct l7_member_stats *s = l7_worker_member(app->l7[w], id);

		sum.active += s->active;
#define C(name, text) sum.name += s->name;
		L7_MEMBER_COUNTERS(C)
#undef C
	}
	set_int(o, "active", sum.active);
#define C(name, text) set_int(o, #name, sum.name);
	L7_MEMBER_COUNTERS(C)
#undef C
}

static void fill_backends(struct app *app, uint32_t i, const struct l7_listener *l, json_t *a)
{
	for (uint32_t b = 0; b < l->cfg->backend_cnt; b++) {
		const struct config_backend *be = &l->cfg->backends[b];
		uint32_t id = l7_member_find(app->l7_registry, l->id, &be->addr, BE16(be->port));
		json_t *o = add_object(a);

		fill_member(app, id, be, o);
		json_object_set_new(o, "up",
			json_boolean(health_view_up(&app->view, app->cfg->service_cnt + i, b)));
	}
}

static const char *action_name(enum listener_action a)
{
	static const char *const names[] = {
		"echo", "discard", "source", "tcp_proxy", "http", "resp"};

	return (unsigned)a < ARRAY_SIZE(names) ? names[a] : "?";
}

static void fill_listener(struct app *app, const struct l7_listener *l, json_t *o)
{
	struct l7_listener_stats sum = {0};
	json_t *binds;

	for (uint32_t w = 0; w < app->worker_cnt; w++) {
		const struct l7_listener_stats *s = l7_worker_listener(app->l7[w], l->id);

		sum.active += s->active;
#define C(name, text) sum.name += s->name;
		L7_LISTENER_COUNTERS(C)
#undef C
	}
	set_text(o, "listener", l->cfg->name);
	set_text(o, "action", action_name(l->cfg->action));
	set_int(o, "active", sum.active);
#define C(name, text) set_int(o, #name, sum.name);
	L7_LISTENER_COUNTERS(C)
#undef C
	binds = set_array(o, "bind");
	for (uint32_t b = 0; b < l->cfg->bind_cnt; b++) {
		json_t *e = add_object(binds);

		set_end(e, "address", &l->cfg->binds[b].addr, BE16(l->cfg->binds[b].port));
	}
}

int status_listeners(struct app *app, json_t *out)
{
	const struct l7_table *t = app->cur->l7;
	json_t *a = set_array(out, "listeners");

	for (uint32_t i = 0; t != NULL && i < t->listener_cnt; i++) {
		json_t *o = add_object(a);

		fill_listener(app, &t->listeners[i], o);
		if (t->listeners[i].cfg->backend_cnt > 0)
			fill_backends(app, i, &t->listeners[i], set_array(o, "backends"));
	}
	return 0;
}
