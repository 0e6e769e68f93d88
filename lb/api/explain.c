/* SPDX-License-Identifier: Apache-2.0
 * Why a packet goes where it goes, as a list of steps. The steps themselves are asked of the
 * workers; here they get their words. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/net/hdr.h"
#include "lb/api/api_pvt.h"
#include "lb/pipeline/explain.h"

static json_t *step(json_t *steps, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
static json_t *step(json_t *steps, const char *name, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	json_t *o;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	o = json_pack("{s:s, s:s}", "step", name, "text", text);
	json_array_append_new(steps, o);
	return o;
}

static void verdict(json_t *out, const char *what, enum reason r)
{
	json_object_set_new(out, "verdict", json_string(what));
	if (r == REASON_NONE)
		return;
	json_object_set_new(out, "reason", json_string(reason_name(r)));
	json_object_set_new(out, "reason_text", json_string(reason_text(r)));
}

static int read_packet(const struct admin_call *c, struct pkt_meta *m)
{
	const char *flags = admin_text(c, "flags");
	int rc = api_endpoint_arg(c, "source", &m->src, &m->sport);

	if (rc >= 0)
		rc = api_endpoint_arg(c, "destination", &m->dst, &m->dport);
	if (rc >= 0)
		rc = api_proto_arg(c, &m->proto);
	if (rc < 0)
		return rc;
	if (m->sport == 0 || m->dport == 0)
		return admin_fail(c, -EINVAL, "source and destination need a port");
	if (ip_addr_is4(&m->src) != ip_addr_is4(&m->dst))
		return admin_fail(c, -EINVAL, "source and destination are of two families");
	if (m->proto == 0)
		m->proto = L4_TCP;
	m->ip_ver = ip_addr_is4(&m->src) ? 4 : 6;
	m->kind = m->ip_ver == 4 ? PKT_IP4 : PKT_IP6;
	m->flags = PKT_F_PORTS;
	m->ttl = 64;
	if (m->proto == L4_UDP)
		return 0;
	m->tcp_flags = TCP_SYN;
	if (flags != NULL && strcmp(flags, "ack") == 0)
		m->tcp_flags = TCP_ACK;
	else if (flags != NULL && strcmp(flags, "syn") != 0)
		return admin_fail(c, -EINVAL, "flags: syn or ack");
	return 0;
}

static const char *mode_name(uint8_t mode)
{
	static const char *const names[] = {"dsr", "ipip", "gue", "nat", "fullnat"};

	return mode < ARRAY_SIZE(names) ? names[mode] : "?";
}

static const char *listener_name(const struct app *app, uint32_t id)
{
	const struct l7_table *t = app->cur->l7;

	return t != NULL && id < LIMIT_LISTENERS && t->by_id[id] != NULL ? t->by_id[id]->cfg->name
									 : "";
}

/* A packet that weir's own TCP takes, or the box itself. */
static void say_local(
	const struct app *app, const struct pipeline_explain *e, json_t *steps, json_t *out)
{
	const char *listener = listener_name(app, e->endpoint);

	if (e->to == EXPLAIN_TCP) {
		json_object_set_new(
			step(steps, "listener", "listener '%s' %s", listener,
				e->accepting ? "accepts here" : "was removed; connections end"),
			"listener", json_string(listener));
		verdict(out, "handled by a listener", REASON_NONE);
	} else if (e->to == EXPLAIN_LOCAL) {
		step(steps, "local", "an own address: answers to probes, ping, the host's TAP");
		verdict(out, "for this machine", REASON_NONE);
	} else {
		step(steps, "local", "the address is neither virtual nor weir's own");
		verdict(out, "dropped", REASON_NOT_LOCAL);
	}
}

static void say_service(const struct app *app, const struct l4_explain *l4, json_t *steps)
{
	const char *name = l4_service_name(app->cur->l4, l4->service);

	if (l4->dir == L4_DIR_BACKEND) {
		step(steps, "service", "from a backend to a local address of full NAT or NAT");
		return;
	}
	if (l4->service == L4_NONE16) {
		step(steps, "service",
			"the address is virtual, but has no service at this protocol and port");
		return;
	}
	json_object_set_new(
		step(steps, "service", "service '%s'", name), "service", json_string(name));
}

static void say_choice(const struct app *app, const struct l4_explain *l4, json_t *steps)
{
	struct l4_member_info info = {0};
	char where[API_ENDPOINT_MAX], slot[64] = "";
	json_t *o;

	if (!l4_member_info(app->cur->l4, l4->member, &info))
		return;
	api_endpoint(&info.addr, BE16(info.port_be), where);
	if (l4->ended)
		step(steps, "flow", "a flow was tracked, and is over");
	if (l4->how == L4_HOW_TRACKED) {
		o = step(steps, "flow", "tracked: %s, silent for %u ms",
			l4_flow_state_name((enum l4_flow_state)l4->flow.state), l4->flow.idle_ms);
		json_object_set_new(o, "flow", api_flow_json(app, &l4->flow, 0));
	} else {
		if (l4->slots > 0)
			snprintf(slot, sizeof(slot), ", slot %u of %u", l4->slot, l4->slots);
		step(steps, "flow", "not tracked");
		step(steps, "schedule", "%s%s, %u backends take new flows",
			l4->how == L4_HOW_NEW ? "chosen by the scheduler; a flow is made"
					      : "follows the hash without a flow",
			slot, l4->candidates);
	}
	o = step(steps, "backend", "%s by %s", where, mode_name(info.mode));
	json_object_set_new(o, "backend", json_string(where));
	json_object_set_new(o, "mode", json_string(mode_name(info.mode)));
}

static void say_route(
	const struct app *app, const struct pipeline_explain *e, json_t *steps, json_t *out)
{
	char to[IP_ADDR_TEXT_MAX], hop[IP_ADDR_TEXT_MAX];

	ip_addr_format(&e->nexthop, to);
	if (!e->routed) {
		step(steps, "route", "no route to %s", to);
		verdict(out, "dropped", REASON_NO_ROUTE);
		return;
	}
	step(steps, "route", "to %s: port %s, next hop %s, MTU %u", to,
		app->ports[e->hop.port].name, ip_addr_format(&e->hop.addr, hop), e->hop.mtu);
	verdict(out, "forwarded", REASON_NONE);
}

static void say_l4(
	const struct app *app, const struct pipeline_explain *e, json_t *steps, json_t *out)
{
	const struct l4_explain *l4 = &e->l4;
	static const char *const replies[] = {
		"", "the client gets a TCP reset", "the client gets ICMP port unreachable"};

	if (l4->how == L4_HOW_NONE && e->in_engine) {
		step(steps, "connection", "of a connection that weir opened or accepted");
		verdict(out, "handled by TCP", REASON_NONE);
		return;
	}
	say_service(app, l4, steps);
	if (l4->how != L4_HOW_NONE) {
		say_choice(app, l4, steps);
		say_route(app, e, steps, out);
		return;
	}
	if (l4->ended)
		step(steps, "flow", "a flow was tracked, and is over");
	step(steps, "end", "%s%s%s", reason_text(l4->reason), l4->reply != 0 ? "; " : "",
		replies[l4->reply]);
	verdict(out, "dropped", l4->reason);
}

int api_get_explain(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	struct pipeline_explain *e = calloc(1, sizeof(*e));
	json_t *steps = json_array();
	int rc = e == NULL ? -ENOMEM : read_packet(c, &e->meta);

	if (rc == 0) {
		e->scratch = l4_explain_scratch_create();
		rc = e->scratch == NULL ? -ENOMEM : app_ask(app, 0, explain_steer, e);
	}
	if (rc == 0)
		rc = app_ask(app, e->owner, explain_decide, e);
	if (rc == 0) {
		json_object_set_new(
			c->out, "generation", json_integer((json_int_t)app->cur->number));
		step(steps, "owner", "worker %u of %u", e->owner, app->worker_cnt);
		if (e->to == EXPLAIN_FORWARD)
			say_l4(app, e, steps, c->out);
		else
			say_local(app, e, steps, c->out);
		json_object_set(c->out, "steps", steps);
	}
	json_decref(steps);
	if (e != NULL)
		l4_explain_scratch_destroy(e->scratch);
	free(e);
	return rc;
}

const struct admin_param api_explain_params[] = {
	{"source", "query", "string", "address and port of the sender", true},
	{"destination", "query", "string", "address and port it is sent to", true},
	{"protocol", "query", "string", "tcp or udp; tcp unless given", false},
	{"flags", "query", "string", "of TCP: syn (a new connection) or ack (within one)", false},
	{NULL, NULL, NULL, NULL, false},
};
