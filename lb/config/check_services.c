/* SPDX-License-Identifier: Apache-2.0
 * One service: its addresses, what its mode makes possible, its backends and table. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config/check.h"

static const char *const mode_words[] = {[L4_DSR] = "dsr",
	[L4_IPIP] = "ipip",
	[L4_GUE] = "gue",
	[L4_NAT] = "nat",
	[L4_FULLNAT] = "fullnat"};

static const char *family(bool is4)
{
	return is4 ? "IPv4" : "IPv6";
}

/* One service under check. */
struct subject {
	struct check *c;
	const struct config_service *s;
	struct config_tree *t;
	const struct ip_addr *vip_of[2]; /* one of each family (index 1: IPv4), or NULL */
	bool mode_bad, port_bad;
	bool said[2]; /* by family: no source address towards its backends */
};

static bool absent(struct subject *x, const char *key)
{
	return !schema_given(x->t, key) && !schema_value(x->t, key)->bad;
}

static void check_place(struct subject *x)
{
	struct diag *d = x->c->diag;

	if (absent(x, "vips") && absent(x, "vip"))
		diag_error(d, x->t->mark, "service without 'vip' or 'vips'");
	else if (x->s->vip_cnt == 0 && !schema_value(x->t, "vips")->bad &&
		 !schema_value(x->t, "vip")->bad)
		diag_error(d, schema_mark(x->t, "vips"), "vips: the list is empty");
	if (absent(x, "port") && !schema_value(x->t, "vip")->bad)
		diag_error(d, x->t->mark, "service without 'port'");
}

static void check_vips(struct subject *x)
{
	struct config_value *v = schema_value(x->t, "vips");
	char text[IP_ADDR_TEXT_MAX];

	for (uint32_t i = 0; i < x->s->vip_cnt; i++) {
		const struct ip_addr *a = &x->s->vips[i];
		const char *why = check_unusable(a);

		if (!why && reach_is_own(x->c->reach, a))
			why = "is a port's own address";
		if (why)
			diag_error(x->c->diag, v->item_marks[i], "vips: '%s' %s",
				ip_addr_format(a, text), why);
	}
}

/* False after an error. */
static bool check_backend_family(struct subject *x, const struct config_backend *b)
{
	char text[IP_ADDR_TEXT_MAX], vip[IP_ADDR_TEXT_MAX];
	bool is4 = ip_addr_is4(&b->addr);

	if (x->mode_bad || (x->s->mode != L4_DSR && x->s->mode != L4_NAT))
		return true;
	if (!x->vip_of[!is4])
		return true;
	diag_error(x->c->diag, b->mark,
		"backends: mode %s cannot carry %s to '%s', which is %s; fullnat, ipip and gue can",
		mode_words[x->s->mode], ip_addr_format(x->vip_of[!is4], vip),
		ip_addr_format(&b->addr, text), family(is4));
	return false;
}

static void check_backend_port(struct subject *x, const struct config_backend *b)
{
	const struct config_service *s = x->s;
	bool range = s->port_lo != s->port_hi;

	if (b->port == 0 || x->port_bad || x->mode_bad)
		return;
	if (range)
		diag_error(x->c->diag, b->mark,
			"backends: port %u for a range of ports; leave it out to keep the client's",
			b->port);
	else if (s->mode != L4_NAT && s->mode != L4_FULLNAT && b->port != s->port_lo)
		diag_error(x->c->diag, b->mark,
			"backends: mode %s cannot change port %u to %u; nat and fullnat can",
			mode_words[s->mode], s->port_lo, b->port);
}

static bool has_local(const struct config_service *s, bool is4)
{
	for (uint32_t i = 0; i < s->local_addr_cnt; i++) {
		if (ip_addr_is4(&s->local_addrs[i]) == is4)
			return true;
	}
	return false;
}

static bool port_has(const struct config_port *p, bool is4)
{
	for (uint32_t i = 0; i < p->address_cnt; i++) {
		if (ip_addr_is4(&p->addresses[i].addr) == is4)
			return true;
	}
	return false;
}

/* What weir sends to the backend needs a source of the backend's family. */
static void check_source(struct subject *x, const struct config_backend *b, uint32_t port)
{
	const struct config_service *s = x->s;
	bool is4 = ip_addr_is4(&b->addr);
	char text[IP_ADDR_TEXT_MAX];

	ip_addr_format(&b->addr, text);
	if (x->said[is4] || x->mode_bad)
		return;
	if (s->mode == L4_FULLNAT && !has_local(s, is4) &&
		!schema_value(x->t, "local_addresses")->bad) {
		x->said[is4] = true;
		diag_error(x->c->diag, b->mark,
			"backends: '%s' needs an %s address of this machine as source: none is in "
			"local_addresses nor on the port towards it",
			text, family(is4));
	} else if ((s->mode == L4_IPIP || s->mode == L4_GUE) && !s->tunnel_source[!is4].len &&
		   !port_has(&x->c->cfg->ports[port], is4) &&
		   !schema_value(x->t, "tunnel_source")->bad) {
		x->said[is4] = true;
		diag_error(x->c->diag, b->mark,
			"backends: a tunnel to '%s' needs an %s source: none is in tunnel_source "
			"nor on "
			"the port towards it",
			text, family(is4));
	}
}

static void check_backend(struct subject *x, uint32_t i)
{
	const struct config_backend *b = &x->s->backends[i];
	struct config_tree *t = schema_value(x->t, "backends")->maps[i];
	const char *why = check_unusable(&b->addr);
	const struct reach_entry *way;
	char text[IP_ADDR_TEXT_MAX];

	if (!schema_value(t, "port")->bad)
		check_backend_port(x, b);
	if (!schema_given(t, "address") || schema_value(t, "address")->bad)
		return;
	if (!why && reach_is_own(x->c->reach, &b->addr))
		why = "is a port's own address";
	if (!why && check_is_vip(x->c, &b->addr))
		why = "is a virtual address";
	ip_addr_format(&b->addr, text);
	if (why) {
		diag_error(x->c->diag, b->mark, "backends: '%s' %s", text, why);
		return;
	}
	if (!check_backend_family(x, b) || x->c->ports_bad)
		return;
	way = reach_find(x->c->reach, &b->addr);
	if (!way) {
		diag_error(
			x->c->diag, b->mark, "backends: no port and no route leads to '%s'", text);
		return;
	}
	if (x->s->mode == L4_DSR && !way->on_link && !x->mode_bad)
		diag_error(x->c->diag, b->mark,
			"backends: mode dsr needs its backends on a link; '%s' is behind a gateway",
			text);
	check_source(x, b, way->port);
}

struct place {
	struct ip_addr addr;
	uint16_t port;
	struct config_mark mark;
};

static int by_place(const void *pa, const void *pb)
{
	const struct place *a = pa, *b = pb;
	int c = memcmp(&a->addr, &b->addr, sizeof(a->addr));

	if (c)
		return c;
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	if (a->mark.line != b->mark.line)
		return a->mark.line < b->mark.line ? -1 : 1;
	return a->mark.col < b->mark.col ? -1 : a->mark.col > b->mark.col;
}

static void check_same_backends(struct subject *x)
{
	struct config_value *v = schema_value(x->t, "backends");
	uint32_t n = 0, cnt = x->s->backend_cnt;
	struct place *all = arena_array(x->c->scratch, cnt, sizeof(*all));
	char text[IP_ADDR_TEXT_MAX];

	if (!all)
		return;
	for (uint32_t i = 0; i < cnt; i++) {
		const struct config_backend *b = &x->s->backends[i];
		struct config_tree *t = v->maps[i];
		bool one_port = x->s->port_lo == x->s->port_hi;

		if (schema_given(t, "address") && !schema_value(t, "address")->bad &&
			!schema_value(t, "port")->bad)
			all[n++] = (struct place){
				b->addr, b->port || !one_port ? b->port : x->s->port_lo, b->mark};
	}
	if (n)
		qsort(all, n, sizeof(*all), by_place);
	for (uint32_t i = 1; i < n; i++) {
		if (ip_addr_eq(&all[i].addr, &all[i - 1].addr) && all[i].port == all[i - 1].port)
			diag_error(x->c->diag, all[i].mark,
				"backends: '%s' with this port is there already, on line %u",
				ip_addr_format(&all[i].addr, text), all[i - 1].mark.line);
	}
}

static bool is_prime(uint32_t n)
{
	if (n < 4 || n % 2 == 0)
		return n == 2 || n == 3;
	for (uint32_t d = 3; (uint64_t)d * d <= n; d += 2) {
		if (n % d == 0)
			return false;
	}
	return true;
}

static uint32_t prime_from(uint32_t n)
{
	while (!is_prime(n))
		n++;
	return n;
}

static void check_maglev(struct subject *x)
{
	const struct config_service *s = x->s;
	struct config_mark at = schema_mark(x->t, "maglev_size");
	uint32_t want = 100 * s->backend_cnt;

	if (schema_value(x->t, "maglev_size")->bad)
		return;
	if (!is_prime(s->maglev_size))
		diag_error(x->c->diag, at, "maglev_size: %u is not a prime; %u is", s->maglev_size,
			prime_from(s->maglev_size));
	if (s->maglev_size < s->backend_cnt)
		diag_error(x->c->diag, at, "maglev_size: %u slots cannot hold %u backends",
			s->maglev_size, s->backend_cnt);
	else if (s->scheduler == L4_MAGLEV && s->maglev_size < want)
		diag_warn(x->c->diag, at,
			"maglev_size: %u is less than 100 slots for each of %u backends, so load "
			"will be "
			"uneven; %u would do",
			s->maglev_size, s->backend_cnt, prime_from(want));
}

static void check_weights(struct subject *x)
{
	for (uint32_t i = 0; i < x->s->backend_cnt; i++) {
		if (x->s->backends[i].weight && !x->s->backends[i].drain)
			return;
	}
	if (x->s->backend_cnt)
		diag_warn(x->c->diag, schema_mark(x->t, "backends"),
			"backends: all of them drain or have weight 0: new flows find none");
}

static void check_locals(struct subject *x)
{
	struct config_value *v = schema_value(x->t, "local_addresses");
	char text[IP_ADDR_TEXT_MAX];

	if (x->mode_bad || x->s->mode != L4_FULLNAT || !v->mark.line)
		return;
	if (x->s->local_addr_cnt == 0 && !v->bad)
		diag_error(x->c->diag, v->mark, "local_addresses: the list is empty");
	for (uint32_t i = 0; i < x->s->local_addr_cnt; i++) {
		const struct ip_addr *a = &x->s->local_addrs[i];
		const char *why = check_unusable(a);

		for (uint32_t j = 0; j < i && !why; j++) {
			if (ip_addr_eq(a, &x->s->local_addrs[j]))
				why = "is there twice";
		}
		if (!why && check_is_vip(x->c, a))
			why = "is a virtual address";
		if (why)
			diag_error(x->c->diag, v->item_marks[i], "local_addresses: '%s' %s",
				ip_addr_format(a, text), why);
	}
}

static void check_transport(struct subject *x)
{
	const struct config_service *s = x->s;

	if (s->proto != L4_UDP || schema_value(x->t, "protocol")->bad)
		return;
	if (s->toa)
		diag_error(
			x->c->diag, schema_mark(x->t, "toa"), "toa: is a TCP option; this is udp");
	if (s->mss_clamp)
		diag_error(x->c->diag, schema_mark(x->t, "mss_clamp"),
			"mss_clamp: is for TCP; this is udp");
}

static void check_flow_limits(struct subject *x)
{
	const struct config_service *s = x->s;
	bool nat = s->mode == L4_NAT || s->mode == L4_FULLNAT;
	struct config_tree *t = schema_value(x->t, "limits")->maps[0];
	uint64_t room = (uint64_t)x->c->cfg->workers.count *
			(nat ? x->c->cfg->memory.nat_flows : x->c->cfg->memory.flows);

	if (s->conn_limit > room && !x->mode_bad)
		diag_warn(x->c->diag, schema_mark(t, "connections"),
			"connections: %" PRIu64
			" are more than the flow tables of all workers hold (%" PRIu64
			"); raise memory.%s",
			s->conn_limit, room, nat ? "nat_flows" : "flows");
	if (s->conn_limit && s->backend_conn_limit > s->conn_limit)
		diag_warn(x->c->diag, schema_mark(t, "backend_connections"),
			"backend_connections: is never reached: 'connections' is lower");
}

static void check_service(struct subject *x)
{
	check_place(x);
	check_vips(x);
	for (uint32_t i = 0; i < x->s->backend_cnt; i++)
		check_backend(x, i);
	check_same_backends(x);
	if (!schema_value(x->t, "backends")->bad) {
		check_maglev(x);
		check_weights(x);
	}
	check_locals(x);
	check_transport(x);
	check_flow_limits(x);
	if (schema_given(x->t, "hash") && x->s->scheduler != L4_MAGLEV &&
		!schema_value(x->t, "scheduler")->bad)
		diag_warn(x->c->diag, schema_mark(x->t, "hash"),
			"hash: has an effect with scheduler maglev only");
	check_health(x->c, x->s, x->t);
	check_access(x->c, x->s, x->t);
}

static int by_addr(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct ip_addr));
}

/* Sources of full NAT over all services, each counted once. */
static void check_local_count(struct check *c)
{
	uint32_t cnt = 0, distinct = 0;
	struct ip_addr *all;

	for (uint32_t i = 0; i < c->cfg->service_cnt; i++)
		cnt += c->cfg->services[i].local_addr_cnt;
	all = arena_array(c->scratch, cnt, sizeof(*all));
	if (!all || cnt == 0)
		return;
	cnt = 0;
	for (uint32_t i = 0; i < c->cfg->service_cnt; i++) {
		const struct config_service *s = &c->cfg->services[i];

		if (s->local_addr_cnt)
			memcpy(&all[cnt], s->local_addrs, s->local_addr_cnt * sizeof(*all));
		cnt += s->local_addr_cnt;
	}
	qsort(all, cnt, sizeof(*all), by_addr);
	for (uint32_t i = 0; i < cnt; i++)
		distinct += i == 0 || !ip_addr_eq(&all[i], &all[i - 1]);
	if (distinct > LIMIT_LOCAL_ADDRS)
		diag_error(c->diag, schema_mark(c->root, "services"),
			"services: %u local addresses are more than %d", distinct,
			LIMIT_LOCAL_ADDRS);
}

void check_services(struct check *c)
{
	struct config_value *v = schema_value(c->root, "services");
	uint32_t n = c->cfg->service_cnt;
	struct check_name *names = arena_array(c->scratch, n, sizeof(*names));
	uint64_t backends = 0;

	if (!names)
		return;
	for (uint32_t i = 0; i < n; i++) {
		struct subject x = {.c = c, .s = &c->cfg->services[i], .t = v->maps[i]};

		for (uint32_t k = x.s->vip_cnt; k-- > 0;)
			x.vip_of[ip_addr_is4(&x.s->vips[k])] = &x.s->vips[k];
		x.mode_bad = schema_value(x.t, "mode")->bad;
		x.port_bad = schema_value(x.t, "port")->bad || !schema_given(x.t, "port");
		check_service(&x);
		backends += x.s->backend_cnt;
		names[i] = (struct check_name){
			x.s->name, schema_mark(x.t, "name"), schema_given(x.t, "name")};
	}
	check_names(c, "name", names, n);
	check_local_count(c);
	if (backends > LIMIT_BACKENDS)
		diag_error(c->diag, schema_mark(c->root, "services"),
			"services: %" PRIu64 " backends are more than %d", backends,
			LIMIT_BACKENDS);
	if (n == 0 && !v->bad && c->cfg->listener_cnt == 0)
		diag_warn(c->diag, schema_mark(c->root, "services"), "there are no services");
}
