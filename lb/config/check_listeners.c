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

void check_server(
	struct check *c, const struct config_backend *all, uint32_t i, struct config_value *address)
{
	const struct config_backend *b = &all[i];
	char text[IP_ADDR_TEXT_MAX];
	const char *why = NULL;

	if (!address->mark.line && !address->bad)
		diag_error(c->diag, b->mark, "a backend without 'address' or 'host'");
	if (!address->mark.line || address->bad)
		return;
	if (b->host != NULL) {
		for (uint32_t k = 0; k < i; k++)
			if (all[k].port == b->port && all[k].host != NULL &&
				strcmp(all[k].host, b->host) == 0)
				diag_error(c->diag, b->mark,
					"backends: '%s' is there twice with this port", b->host);
		return;
	}
	why = check_unusable(&b->addr);
	if (!why && reach_is_own(c->reach, &b->addr))
		why = "is a port's own address";
	if (!why && check_is_vip(c, &b->addr))
		why = "is a virtual address";
	if (!why && !c->ports_bad && !reach_find(c->reach, &b->addr))
		why = "is not reached by any port or route";
	for (uint32_t k = 0; k < i && !why; k++)
		if (all[k].port == b->port && all[k].host == NULL &&
			ip_addr_eq(&all[k].addr, &b->addr))
			why = "is there twice with this port";
	if (why)
		diag_error(
			c->diag, b->mark, "backends: '%s' %s", ip_addr_format(&b->addr, text), why);
}

void check_local_addresses(
	struct check *c, const struct ip_addr *addrs, uint32_t cnt, const struct config_value *v)
{
	char text[IP_ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < cnt; i++) {
		const char *why = check_unusable(&addrs[i]);

		if (!why && check_is_vip(c, &addrs[i]))
			why = "is a virtual address";
		if (why)
			diag_error(c->diag, v->item_marks[i], "local_addresses: '%s' %s",
				ip_addr_format(&addrs[i], text), why);
	}
}

static bool good_text(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f)
			return false;
	return true;
}

static bool good_target(const char *s)
{
	return *s == '/' && good_text(s);
}

void check_tcp_health(struct check *c, const struct config_health *h, struct config_tree *t)
{
	if (h->type == HEALTH_UDP && !schema_value(t, "type")->bad)
		diag_error(c->diag, t->mark, "health: a TCP listener's backends do not speak udp");
	if (h->type == HEALTH_HTTP && !schema_value(t, "path")->bad && !good_target(h->path))
		diag_error(
			c->diag, schema_mark(t, "path"), "path: begins with '/' and has no blanks");
	if (h->type == HEALTH_HTTP && !schema_value(t, "host")->bad && !good_text(h->host))
		diag_error(c->diag, schema_mark(t, "host"), "host: has no blanks");
	if (h->type != HEALTH_NONE && h->timeout_ns > h->interval_ns &&
		!schema_value(t, "timeout")->bad && !schema_value(t, "interval")->bad)
		diag_error(
			c->diag, schema_mark(t, "timeout"), "timeout: is longer than 'interval'");
}

/* What a ClientHello could ask for, or a wildcard for one label of it. */
static bool is_name(const char *s)
{
	if (s[0] == '*' && s[1] == '.')
		s += 2;
	if (s[0] == '\0' || s[0] == '.' || s[strlen(s) - 1] == '.' || strstr(s, "..") != NULL)
		return false;
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")] ==
	       '\0';
}

static void check_snis(struct check *c, const struct config_backend *b, struct config_tree *t)
{
	struct config_value *v = schema_value(t, "sni");

	for (uint32_t i = 0; i < b->sni_cnt && !v->bad; i++)
		if (!is_name(b->snis[i].name))
			diag_error(c->diag, v->item_marks[i], "sni: '%s' is no host name",
				b->snis[i].name);
}

static void check_proxy(struct check *c, const struct config_listener *l, struct config_tree *t)
{
	struct config_value *backends = schema_value(t, "backends");

	if (l->backend_cnt == 0 && !backends->bad)
		diag_error(c->diag, t->mark, "listener with action tcp_proxy without 'backends'");
	for (uint32_t i = 0; i < l->backend_cnt; i++) {
		check_server(c, l->backends, i, schema_value(backends->maps[i], "address"));
		check_snis(c, &l->backends[i], backends->maps[i]);
	}
	check_local_addresses(
		c, l->local_addrs, l->local_addr_cnt, schema_value(t, "local_addresses"));
	check_tcp_health(c, &l->health, schema_value(t, "health")->maps[0]);
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

static void check_backend_tls(
	struct check *c, const struct config_tls_client *k, struct config_tree *t)
{
	check_tls_client(c, k, t);
	if (strcmp(k->sni, CONFIG_SNI_HOST) == 0)
		diag_error(c->diag, schema_mark(t, "sni"),
			"sni: a connection has no Host; '" CONFIG_SNI_HOST "' is for upstreams");
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
		if (l->action == LISTENER_RESP && !schema_value(t, "action")->bad)
			check_resp(c, l, t);
		if (l->tls != NULL)
			check_tls_server(c, l->tls, schema_value(t, "tls")->maps[0]);
		if (l->backend_tls != NULL)
			check_backend_tls(
				c, l->backend_tls, schema_value(t, "backend_tls")->maps[0]);
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
