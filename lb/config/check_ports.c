/* SPDX-License-Identifier: Apache-2.0
 * Ports: names, addresses, next hops and routes. */
#include <stdlib.h>
#include <string.h>

#include "lb/config/check.h"

static struct config_value *port_value(struct check *c, uint32_t port, const char *key)
{
	return schema_value(schema_value(c->root, "ports")->maps[port], key);
}

/* All ports' texts of one key must differ; empty ones do not count. */
static void check_unique(struct check *c, const char *key, size_t offset)
{
	struct check_name names[LIMIT_PORTS];

	for (uint32_t i = 0; i < c->cfg->port_cnt; i++) {
		struct config_value *v = port_value(c, i, key);

		names[i] = (struct check_name){
			.name = (const char *)&c->cfg->ports[i] + offset,
			.mark = v->mark.line ? v->mark : c->cfg->ports[i].mark,
			.given = v->mark.line && !v->bad,
		};
	}
	check_names(c, key, names, c->cfg->port_cnt);
}

/* The first and the last address of an IPv4 link with more than two (RFC 3021) mean all of it. */
static const char *means_whole_link(const struct ip_prefix *p)
{
	struct ip_prefix net = *p;
	uint32_t host, ones;

	if (!ip_addr_is4(&p->addr) || p->len > 96 + 30)
		return NULL;
	ip_prefix_mask(&net);
	ones = p->len == 96 ? UINT32_MAX : (UINT32_C(1) << (128 - p->len)) - 1;
	host = __builtin_bswap32(p->addr.w[3]) - __builtin_bswap32(net.addr.w[3]);
	if (host == 0)
		return "is the address of the network itself";
	return host == ones ? "is the broadcast address of its link" : NULL;
}

static void check_address(struct check *c, uint32_t port, uint32_t idx)
{
	const struct ip_prefix *p = &c->cfg->ports[port].addresses[idx];
	struct config_mark at = port_value(c, port, "addresses")->item_marks[idx];
	const char *why = check_unusable(&p->addr);
	char text[IP_ADDR_TEXT_MAX], other[IP_ADDR_TEXT_MAX];

	ip_prefix_format(p, text);
	if (!why)
		why = means_whole_link(p);
	if (why)
		diag_error(c->diag, at, "addresses: '%s' %s", text, why);
	for (uint32_t i = 0; i <= port; i++) {
		const struct config_port *o = &c->cfg->ports[i];
		struct config_value *v = port_value(c, i, "addresses");

		for (uint32_t j = 0; j < (i == port ? idx : o->address_cnt); j++) {
			const struct ip_prefix *q = &o->addresses[j];

			if (ip_addr_eq(&q->addr, &p->addr))
				diag_error(c->diag, at,
					"addresses: '%s' is there already, on line %u",
					ip_addr_format(&p->addr, text), v->item_marks[j].line);
			else if (i != port && ip_addr_is4(&q->addr) == ip_addr_is4(&p->addr) &&
				 ip_prefix_match(q->len < p->len ? q : p,
					 q->len < p->len ? &p->addr : &q->addr))
				diag_warn(c->diag, at,
					"addresses: the link of '%s' overlaps that of "
					"'%s' on another port (line %u)",
					text, ip_prefix_format(q, other), v->item_marks[j].line);
		}
	}
}

static bool on_link(const struct config_port *p, const struct ip_addr *a)
{
	/* fe80::/10 is on every link (RFC 4291 section 2.5.6). */
	if (!ip_addr_is4(a) && a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80)
		return true;
	for (uint32_t i = 0; i < p->address_cnt; i++) {
		if (ip_addr_is4(&p->addresses[i].addr) == ip_addr_is4(a) &&
			ip_prefix_match(&p->addresses[i], a))
			return true;
	}
	return false;
}

static void check_next_hop(struct check *c, uint32_t port, const char *key, const struct ip_addr *a,
	struct config_mark at)
{
	struct config_value *v = port_value(c, port, "addresses");
	const char *why = check_unusable(a);
	char text[IP_ADDR_TEXT_MAX];

	ip_addr_format(a, text);
	if (why)
		diag_error(c->diag, at, "%s: '%s' %s", key, text, why);
	else if (reach_is_own(c->reach, a))
		diag_error(c->diag, at, "%s: '%s' is an address of this machine", key, text);
	else if (!v->bad && v->mark.line && !on_link(&c->cfg->ports[port], a))
		diag_error(c->diag, at, "%s: '%s' is not on the link of this port", key, text);
}

struct seen_route {
	const struct config_route *route;
	uint32_t port;
};

static int by_prefix(const void *pa, const void *pb)
{
	const struct seen_route *a = pa, *b = pb;
	int c = memcmp(&a->route->to.addr, &b->route->to.addr, sizeof(struct ip_addr));

	if (c)
		return c;
	if (a->route->to.len != b->route->to.len)
		return a->route->to.len < b->route->to.len ? -1 : 1;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return a->route->mark.line < b->route->mark.line
		       ? -1
		       : a->route->mark.line > b->route->mark.line;
}

/* Each prefix once on a port, and LIMIT_NEXTHOPS for it over all ports. */
static void check_route_set(struct check *c)
{
	char text[IP_ADDR_TEXT_MAX];
	struct seen_route *all;
	uint32_t cnt = 0, hops = 0;

	for (uint32_t i = 0; i < c->cfg->port_cnt; i++)
		cnt += c->cfg->ports[i].route_cnt;
	all = arena_array(c->scratch, cnt, sizeof(*all));
	if (!all || cnt == 0)
		return;
	cnt = 0;
	for (uint32_t i = 0; i < c->cfg->port_cnt; i++) {
		for (uint32_t j = 0; j < c->cfg->ports[i].route_cnt; j++)
			all[cnt++] = (struct seen_route){&c->cfg->ports[i].routes[j], i};
	}
	if (cnt > LIMIT_ROUTES)
		diag_error(c->diag, schema_mark(c->root, "ports"), "%u routes are more than %d",
			cnt, LIMIT_ROUTES);
	qsort(all, cnt, sizeof(*all), by_prefix);
	for (uint32_t i = 0; i < cnt; i++) {
		const struct config_route *r = all[i].route;
		bool same = i && r->to.len == all[i - 1].route->to.len &&
			    ip_addr_eq(&r->to.addr, &all[i - 1].route->to.addr);

		ip_prefix_format(&r->to, text);
		if (same && all[i].port == all[i - 1].port)
			diag_error(c->diag, r->mark,
				"routes: '%s' has a route on this port already, on line %u", text,
				all[i - 1].route->mark.line);
		hops = (same ? hops : 0) + r->via_cnt;
		if (hops > LIMIT_NEXTHOPS && hops - r->via_cnt <= LIMIT_NEXTHOPS)
			diag_error(c->diag, r->mark, "routes: '%s' has more than %d next hops",
				text, LIMIT_NEXTHOPS);
	}
}

static void check_route(struct check *c, uint32_t port, uint32_t idx)
{
	struct config_tree *t = port_value(c, port, "routes")->maps[idx];
	const struct config_route *r = t->data;
	struct config_value *via = schema_value(t, "via");
	bool is4 = ip_addr_is4(&r->to.addr);
	char hop[IP_ADDR_TEXT_MAX], to[IP_ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < r->via_cnt; i++) {
		check_next_hop(c, port, "via", &r->via[i], via->item_marks[i]);
		for (uint32_t j = 0; j < i; j++) {
			if (ip_addr_eq(&r->via[i], &r->via[j]))
				diag_error(c->diag, via->item_marks[i], "via: '%s' is there twice",
					ip_addr_format(&r->via[i], hop));
		}
		if (!is4 && ip_addr_is4(&r->via[i]) && schema_given(t, "to") &&
			!schema_value(t, "to")->bad)
			diag_error(c->diag, via->item_marks[i],
				"via: '%s' cannot carry the IPv6 prefix '%s'",
				ip_addr_format(&r->via[i], hop), ip_prefix_format(&r->to, to));
	}
}

static void check_port(struct check *c, uint32_t port)
{
	const struct config_port *p = &c->cfg->ports[port];
	struct config_value *gateway = port_value(c, port, "gateway");
	char text[IP_ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < p->address_cnt; i++)
		check_address(c, port, i);
	for (uint32_t i = 0; i < p->gateway_cnt; i++) {
		check_next_hop(c, port, "gateway", &p->gateways[i], gateway->item_marks[i]);
		for (uint32_t j = 0; j < i; j++) {
			if (ip_addr_eq(&p->gateways[i], &p->gateways[j]))
				diag_error(c->diag, gateway->item_marks[i],
					"gateway: '%s' is there twice",
					ip_addr_format(&p->gateways[i], text));
		}
	}
	for (uint32_t i = 0; i < port_value(c, port, "routes")->item_cnt; i++)
		check_route(c, port, i);
}

void check_ports(struct check *c)
{
	check_unique(c, "name", offsetof(struct config_port, name));
	check_unique(c, "device", offsetof(struct config_port, device));
	check_unique(c, "host_tap", offsetof(struct config_port, host_tap));
	for (uint32_t i = 0; i < c->cfg->port_cnt; i++)
		check_port(c, i);
	if (!c->ports_bad)
		check_route_set(c);
}
