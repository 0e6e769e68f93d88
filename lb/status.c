/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/status.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "lb/admin/admin_json.h"
#include "lb/app_pvt.h"
#include "lb/l4/worker.h"
#include "lb/status_pvt.h"
#include "storage/store.h"

static void fill_worker(const struct app *app, uint32_t i, json_t *o)
{
	const struct worker *w = app->workers[i];
	struct pipeline_stats ps;
	struct l4_worker_stats ls;
	uint64_t busy = w->busy_tsc, idle = w->idle_tsc;

	pipeline_stats(app->pipes[i], &ps);
	l4_worker_stats(pipeline_l4(app->pipes[i]), &ls);
	set_int(o, "worker", i);
	set_int(o, "core", app->cfg->workers.cores[i]);
	set_int(o, "loops", w->loops);
	set_int(o, "sleeps", w->sleeps);
	json_object_set_new(
		o, "busy", json_real(busy + idle > 0 ? (double)busy / (double)(busy + idle) : 0));
	set_int(o, "longest_loop_us", w->max_loop_ns / NS_PER_US);
	set_int(o, "stuck", w->stuck_cnt);
	set_int(o, "flows", ls.flows);
	set_int(o, "flow_capacity", ls.flow_capacity);
	set_int(o, "nat_flows", ls.nat_flows);
	set_int(o, "nat_flow_capacity", ls.nat_flow_capacity);
	set_int(o, "flows_evicted", ls.evicted);
	set_int(o, "flows_expired", ls.expired);
	set_int(o, "flood_untracked", ls.flood_untracked);
	set_int(o, "rss_checked", ps.rss_checked);
	set_int(o, "rss_wrong", ps.rss_wrong);
	set_int(o, "address_conflicts", ps.addr_conflicts);
}

static void fill_port(const struct app *app, uint32_t i, json_t *o)
{
	const struct port *p = &app->ports[i];
	struct port_stats s;
	char mac[18];

	port_stats(p, &s);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2],
		p->mac[3], p->mac[4], p->mac[5]);
	set_text(o, "port", p->name);
	set_text(o, "device", p->device);
	set_text(o, "mac", mac);
	set_text(o, "link", port_link_up(p) ? "up" : "down");
	set_int(o, "mtu", p->mtu);
	set_int(o, "rx_queues", p->rxq_cnt);
	set_int(o, "tx_queues", p->txq_cnt);
	set_text(o, "steering", p->steering == PORT_STEER_RSS ? "rss" : "software");
	set_int(o, "rx_packets", s.rx_packets);
	set_int(o, "rx_bytes", s.rx_bytes);
	set_int(o, "rx_missed", s.rx_missed);
	set_int(o, "rx_errors", s.rx_errors);
	set_int(o, "tx_packets", s.tx_packets);
	set_int(o, "tx_bytes", s.tx_bytes);
	set_int(o, "tx_errors", s.tx_errors);
}

/* All of it is in status_store(). */
static void fill_shard(struct app *app, uint32_t i, json_t *o)
{
	struct store_shard_stats s;

	store_shard_get_stats(app->store, i, &s);
	set_int(o, "shard", i);
	set_text(o, "state", store_state_name(s.state));
	json_object_set_new(o, "degraded", json_boolean(s.degraded));
	set_int(o, "keys_estimate", s.keys_estimate);
	set_int(o, "live_bytes", s.live_bytes);
	set_int(o, "errors", s.read_errors + s.corrupt + s.background_errors + s.unknown);
}

int status_process(struct app *app, json_t *out)
{
	json_t *a;

	set_text(out, "version", WEIR_VERSION);
	set_int(out, "pid", (uint64_t)getpid());
	set_int(out, "uptime_s", (clock_now_ns() - app->start_ns) / NS_PER_SEC);
	set_int(out, "generation", app->cur->number);
	json_object_set_new(out, "reload_done", json_boolean(app_reload_done(app)));
	json_object_set_new(out, "draining", json_boolean(app->draining));
	set_text(out, "log_level", log_level_name());
	set_int(out, "flows", app_flow_count(app));
	if (app->store != NULL) {
		a = set_array(out, "shards");
		for (uint32_t i = 0; i < store_shard_cnt(app->store); i++)
			fill_shard(app, i, add_object(a));
	}
	a = set_array(out, "workers");
	for (uint32_t i = 0; i < app->worker_cnt; i++)
		fill_worker(app, i, add_object(a));
	a = set_array(out, "ports");
	for (uint32_t i = 0; i < app->port_cnt; i++)
		fill_port(app, i, add_object(a));
	return 0;
}

int status_counters(struct app *app, json_t *out)
{
	struct ledger copy[LIMIT_WORKERS];
	const struct ledger *all[LIMIT_WORKERS];
	json_t *ports;

	/* Copies, so that sums and imbalances speak of the same numbers. */
	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		copy[i] = app->workers[i]->ledger;
		all[i] = &copy[i];
	}
	admin_json_ledgers(out, all, app->worker_cnt);
	ports = set_array(out, "ports");
	for (uint32_t i = 0; i < app->port_cnt; i++)
		fill_port(app, i, add_object(ports));
	return 0;
}

static const char *member_state_name(enum l4_member_state s)
{
	switch (s) {
	case L4_MEMBER_UP:
		return "up";
	case L4_MEMBER_DOWN:
		return "down";
	case L4_MEMBER_DRAIN:
		return "drain";
	case L4_MEMBER_REMOVED:
		return "removed";
	default:
		return "none";
	}
}

static void fill_member(
	const struct app *app, const struct config_backend *b, uint32_t member, json_t *o)
{
	struct l4_member_stats sum = {0};
	uint64_t active = 0;

	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		const struct l4_worker *l4 = pipeline_l4(app->pipes[i]);
		struct l4_member_stats s;

		l4_worker_member_stats(l4, member, &s);
		active += l4_worker_member_active(l4, member);
		sum.packets += s.packets;
		sum.bytes += s.bytes;
		sum.back_packets += s.back_packets;
		sum.back_bytes += s.back_bytes;
		sum.flows += s.flows;
		sum.limited += s.limited;
		sum.no_port += s.no_port;
	}
	set_addr(o, "address", &b->addr);
	set_int(o, "port", b->port);
	set_int(o, "weight", b->weight);
	set_text(o, "state", member_state_name(l4_member_state_of(app->cur->l4, member)));
	set_int(o, "active", active);
	set_int(o, "flows", sum.flows);
	set_int(o, "packets", sum.packets);
	set_int(o, "bytes", sum.bytes);
	set_int(o, "back_packets", sum.back_packets);
	set_int(o, "back_bytes", sum.back_bytes);
	set_int(o, "limited", sum.limited);
	set_int(o, "no_port", sum.no_port);
}

static void fill_service_stats(const struct app *app, uint16_t id, json_t *o)
{
	struct l4_service_stats sum = {0};
	uint64_t active = 0;

	for (uint32_t i = 0; i < app->worker_cnt; i++) {
		const struct l4_worker *l4 = pipeline_l4(app->pipes[i]);
		struct l4_service_stats s;

		l4_worker_service_stats(l4, id, &s);
		active += l4_worker_service_active(l4, id);
		sum.flows += s.flows;
		sum.untracked += s.untracked;
		sum.denied += s.denied;
		sum.conn_limited += s.conn_limited;
		sum.rate_limited += s.rate_limited;
		sum.no_backend += s.no_backend;
		sum.no_flow += s.no_flow;
		sum.table_full += s.table_full;
		sum.no_port += s.no_port;
	}
	set_int(o, "active", active);
	set_int(o, "flows", sum.flows);
	set_int(o, "untracked", sum.untracked);
	set_int(o, "denied", sum.denied);
	set_int(o, "conn_limited", sum.conn_limited);
	set_int(o, "rate_limited", sum.rate_limited);
	set_int(o, "no_backend", sum.no_backend);
	set_int(o, "no_flow", sum.no_flow);
	set_int(o, "table_full", sum.table_full);
	set_int(o, "no_port", sum.no_port);
}

/* The addresses, and the flows of each: of all services that it has. */
static void fill_vips(const struct app *app, const struct config_service *s, json_t *o)
{
	json_t *a = set_array(o, "vips"), *flows = json_object();

	for (uint32_t i = 0; i < s->vip_cnt; i++) {
		uint16_t id = l4_vip_find(app->cur->l4, &s->vips[i]);
		char text[IP_ADDR_TEXT_MAX];
		uint64_t active = 0;

		ip_addr_format(&s->vips[i], text);
		json_array_append_new(a, json_string(text));
		for (uint32_t w = 0; id != L4_NONE16 && w < app->worker_cnt; w++)
			active += l4_worker_vip_active(pipeline_l4(app->pipes[w]), id);
		set_int(flows, text, active);
	}
	json_object_set_new(o, "vip_flows", flows);
}

static void fill_service(const struct app *app, const struct config_service *s, json_t *o)
{
	uint16_t id = l4_service_find(app->cur->l4, s->name);
	json_t *a;

	set_text(o, "service", s->name);
	set_text(o, "protocol", s->proto == L4_TCP ? "tcp" : "udp");
	set_int(o, "port_lo", s->port_lo);
	set_int(o, "port_hi", s->port_hi);
	if (id == L4_NONE16)
		return;
	fill_service_stats(app, id, o);
	fill_vips(app, s, o);
	a = set_array(o, "backends");
	for (uint32_t i = 0; i < s->backend_cnt; i++) {
		const struct config_backend *b = &s->backends[i];
		uint32_t member = l4_member_find(app->cur->l4, id, &b->addr, htons(b->port));

		if (member != L4_NONE32)
			fill_member(app, b, member, add_object(a));
	}
}

int status_services(struct app *app, json_t *out)
{
	json_t *a = set_array(out, "services");

	for (uint32_t i = 0; i < app->cfg->service_cnt; i++)
		fill_service(app, &app->cfg->services[i], add_object(a));
	return 0;
}

static const char *check_name(enum health_type t)
{
	static const char *const names[] = {"none", "icmp", "tcp", "udp"};

	return (unsigned)t < ARRAY_SIZE(names) ? names[t] : "?";
}

int status_health(struct app *app, json_t *out)
{
	const struct health_plan *plan = app->cur->health;
	json_t *a = set_array(out, "targets");

	for (uint32_t i = 0; i < plan->id_limit; i++) {
		const struct health_target *t = health_plan_slot(plan, i);
		struct health_view_entry e;
		struct health_stats s;
		json_t *o;

		if (t == NULL)
			continue;
		e = health_view_get(&app->view, t);
		health_stats_read(pipeline_health(app->pipes[0]), i, &s);
		o = add_object(a);
		set_addr(o, "backend", &t->backend);
		set_addr(o, "destination", &t->dst);
		set_text(o, "check", check_name(t->check.type));
		set_int(o, "port", t->check.port);
		set_text(o, "state", health_state_name((enum health_state)e.state));
		set_text(o, "last", health_result_name((enum health_result)s.last_result));
		set_int(o, "rtt_us", s.rtt_ns / NS_PER_US);
		set_int(o, "sent", s.sent);
		set_int(o, "ok", s.ok);
		set_int(o, "failed", s.failed);
		set_int(o, "flaps", s.flaps);
	}
	return 0;
}
