/* SPDX-License-Identifier: Apache-2.0
 * Listeners: each (address, port) belongs to one of them and to no layer 4 service; a proxy has
 * backends that can be reached. */
#include <stdlib.h>
#include <string.h>

#include "lb/config/check.h"

struct claim {
	struct ip_addr addr;
	uint16_t port;
	uint32_t listener;
	struct config_mark mark;
};

static int by_place(const void *pa, const void *pb)
{
	const struct claim *a = pa, *b = pb;
	int c = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	if (c)
		return c;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (a->mark.line != b->mark.line)
		return a->mark.line < b->mark.line ? -1 : 1;
	return a->mark.col < b->mark.col ? -1 : a->mark.col > b->mark.col;
}

static void check_taken(struct check *c, const struct config_bind *b)
{
	char text[IP_ADDR_TEXT_MAX];

	if (!check_is_vip(c, &b->addr))
		return;
	for (uint32_t i = 0; i < c->cfg->service_cnt; i++) {
		const struct config_service *s = &c->cfg->services[i];

		if (s->proto != L4_TCP || b->port < s->port_lo || b->port > s->port_hi)
			continue;
		for (uint32_t v = 0; v < s->vip_cnt; v++) {
			if (!ip_addr_eq(&s->vips[v], &b->addr))
				continue;
			diag_error(c->diag, b->mark,
				"bind: '%s' port %u belongs to service '%s' on line %u",
				ip_addr_format(&b->addr, text), b->port, s->name, s->mark.line);
			return;
		}
	}
}

static void check_bind(struct check *c, const struct config_bind *b, struct config_tree *t)
{
	char text[IP_ADDR_TEXT_MAX];
	const char *why;

	if (!schema_given(t, "port") && !schema_value(t, "port")->bad &&
		!schema_value(t, "address")->bad)
		diag_error(c->diag, b->mark, "bind without 'port'");
	if (!schema_given(t, "address") || schema_value(t, "address")->bad)
		return;
	why = check_unusable(&b->addr);
	if (why)
		diag_error(c->diag, b->mark, "bind: '%s' %s", ip_addr_format(&b->addr, text), why);
	else
		check_taken(c, b);
}

static void check_backends(struct check *c, const struct config_listener *l, struct config_tree *t)
{
	struct config_value *v = schema_value(t, "backends");
	char text[IP_ADDR_TEXT_MAX];

	if (l->backend_cnt == 0 && !v->bad)
		diag_error(c->diag, t->mark, "listener with action tcp_proxy without 'backends'");
	for (uint32_t i = 0; i < l->backend_cnt; i++) {
		const struct config_backend *b = &l->backends[i];
		struct config_value *at = schema_value(v->maps[i], "address");
		const char *why = check_unusable(&b->addr);

		if (!at->mark.line || at->bad)
			continue;
		if (!why && reach_is_own(c->reach, &b->addr))
			why = "is a port's own address";
		if (!why && check_is_vip(c, &b->addr))
			why = "is a virtual address";
		if (!why && !c->ports_bad && !reach_find(c->reach, &b->addr))
			why = "is not reached by any port or route";
		for (uint32_t k = 0; k < i && !why; k++)
			if (l->backends[k].port == b->port &&
				ip_addr_eq(&l->backends[k].addr, &b->addr))
				why = "is there twice with this port";
		if (why)
			diag_error(c->diag, b->mark, "backends: '%s' %s",
				ip_addr_format(&b->addr, text), why);
	}
}

static void check_proxy(struct check *c, const struct config_listener *l, struct config_tree *t)
{
	struct config_value *locals = schema_value(t, "local_addresses");
	struct config_tree *h = schema_value(t, "health")->maps[0];
	char text[IP_ADDR_TEXT_MAX];

	check_backends(c, l, t);
	for (uint32_t i = 0; i < l->local_addr_cnt; i++) {
		const char *why = check_unusable(&l->local_addrs[i]);

		if (!why && check_is_vip(c, &l->local_addrs[i]))
			why = "is a virtual address";
		if (why)
			diag_error(c->diag, locals->item_marks[i], "local_addresses: '%s' %s",
				ip_addr_format(&l->local_addrs[i], text), why);
	}
	if (l->health.type == HEALTH_UDP && !schema_value(h, "type")->bad)
		diag_error(c->diag, h->mark, "health: a TCP listener's backends do not speak udp");
	if (l->health.type != HEALTH_NONE && l->health.timeout_ns > l->health.interval_ns &&
		!schema_value(h, "timeout")->bad && !schema_value(h, "interval")->bad)
		diag_error(
			c->diag, schema_mark(h, "timeout"), "timeout: is longer than 'interval'");
}

static void check_same_binds(struct check *c, struct claim *claims, uint32_t cnt)
{
	char text[IP_ADDR_TEXT_MAX];

	if (cnt == 0)
		return;
	qsort(claims, cnt, sizeof(*claims), by_place);
	for (uint32_t i = 1; i < cnt; i++) {
		const struct claim *a = &claims[i - 1], *b = &claims[i];

		if (a->port == b->port && ip_addr_eq(&a->addr, &b->addr))
			diag_error(c->diag, b->mark,
				"bind: '%s' port %u is taken already, by listener '%s' on line %u",
				ip_addr_format(&b->addr, text), b->port,
				c->cfg->listeners[a->listener].name, a->mark.line);
	}
}

void check_listeners(struct check *c)
{
	struct config_value *v = schema_value(c->root, "listeners");
	uint32_t n = c->cfg->listener_cnt, cnt = 0;
	struct check_name *names = arena_array(c->scratch, n, sizeof(*names));
	struct claim *claims = arena_array(c->scratch, (size_t)n * LIMIT_BINDS, sizeof(*claims));

	if (!names || !claims)
		return;
	for (uint32_t i = 0; i < n; i++) {
		const struct config_listener *l = &c->cfg->listeners[i];
		struct config_tree *t = v->maps[i];
		struct config_value *binds = schema_value(t, "bind");

		for (uint32_t b = 0; b < l->bind_cnt; b++) {
			check_bind(c, &l->binds[b], binds->maps[b]);
			claims[cnt++] = (struct claim){
				l->binds[b].addr, l->binds[b].port, i, l->binds[b].mark};
		}
		if (l->action == LISTENER_TCP_PROXY && !schema_value(t, "action")->bad)
			check_proxy(c, l, t);
		names[i] = (struct check_name){
			l->name, schema_mark(t, "name"), schema_given(t, "name")};
	}
	if (cnt > LIMIT_TCP_LISTENERS)
		diag_error(c->diag, schema_mark(c->root, "listeners"),
			"listeners: %u addresses and ports are more than %d", cnt,
			LIMIT_TCP_LISTENERS);
	check_names(c, "name", names, n);
	check_same_binds(c, claims, cnt);
}
