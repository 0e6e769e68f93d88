/* SPDX-License-Identifier: Apache-2.0
 * Values with a syntax of their own first, defaults that depend on other values after them. */
#include "lb/config/expand.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dataplane/base/hash.h"
#include "lb/config/config_upstream.h"
#include "lb/config/values.h"
#include "lb/l7/resp/acl.h"
#include "storage/store.h"

static struct config_value *value_of(struct config_tree *t, const struct schema_field *f)
{
	return &t->values[f - t->map->fields];
}

/* ---- cores: [0, 2-5] ---- */

static bool core_add(struct reader *r, const struct schema_field *f, const struct yaml_node *item,
	struct config_workers *w, uint32_t *cnt, uint16_t core)
{
	for (uint32_t i = 0; i < *cnt; i++) {
		if (w->cores[i] == core) {
			reader_error(r, f, item, "core %u is there twice", core);
			return false;
		}
	}
	if (*cnt == LIMIT_WORKERS) {
		reader_error(r, f, item, "more than %d cores", LIMIT_WORKERS);
		return false;
	}
	w->cores[(*cnt)++] = core;
	return true;
}

#define CORE_MAX 4095

/* "5" or "2-5". */
static bool core_range(const char *text, unsigned *lo, unsigned *hi)
{
	int end = 0;

	if (text[0] < '0' || text[0] > '9' || strlen(text) > 9)
		return false;
	if (sscanf(text, "%4u-%4u%n", lo, hi, &end) == 2 && text[end] == '\0')
		return *lo <= *hi && *hi <= CORE_MAX && strchr(text, '-')[1] != '+';
	if (sscanf(text, "%4u%n", lo, &end) != 1 || text[end] != '\0')
		return false;
	*hi = *lo;
	return *hi <= CORE_MAX;
}

static void cores_set(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	struct config_tree *t)
{
	struct config_workers *w = t->data;
	struct config_value *v = value_of(t, f);
	const struct yaml_node *item, *n;
	char q[DIAG_QUOTE];
	uint32_t left;
	unsigned lo, hi;

	if (!reader_items(r, f, node, LIMIT_WORKERS, &item, &left)) {
		v->bad = true;
		return;
	}
	for (; item; item = left-- > 1 ? item->next : NULL) {
		if (!reader_scalar(r, f, item, &n)) {
			v->bad = true;
			continue;
		}
		if (n->quoted || memchr(n->text, 0, n->len) || !core_range(n->text, &lo, &hi)) {
			reader_error(r, f, item, "'%s' is not a core: 3 or 4-7, up to %d",
				diag_quote(n->text, n->len, q), CORE_MAX);
			v->bad = true;
			continue;
		}
		for (unsigned c = lo; c <= hi; c++) {
			if (!core_add(r, f, item, w, &v->item_cnt, (uint16_t)c)) {
				v->bad = true;
				break;
			}
		}
	}
	if (v->item_cnt == 0 && !v->bad) {
		reader_error(r, f, node, "the list is empty");
		v->bad = true;
	}
}

static void cores_show(const struct schema_field *f, const void *data, FILE *out)
{
	const struct config_workers *w = data;

	(void)f;
	for (uint32_t i = 0; i < w->count; i++)
		fprintf(out, "%s%u", i ? ", " : "[", w->cores[i]);
	fputc(']', out);
}

const struct schema_custom custom_cores = {
	.type = "list of cores and ranges of cores",
	.json = "{\"anyOf\": [{\"$ref\": \"#/$defs/core\"}, {\"type\": \"array\", \"minItems\": 1, "
		"\"items\": {\"$ref\": \"#/$defs/core\"}}]}",
	.set = cores_set,
	.show = cores_show,
};

/* ---- hash_seed ---- */

/* Two different keys give 128 bits out of one text. */
static void seed_of_text(const char *text, size_t len, uint64_t seed[2])
{
	const struct siphash_key k0 = {0, 0}, k1 = {0, 1};

	seed[0] = siphash24(&k0, text, len);
	seed[1] = siphash24(&k1, text, len);
}

static void seed_set(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	struct config_tree *t)
{
	struct config_l4 *l4 = t->data;
	const struct yaml_node *n;
	int end = 0;

	if (!reader_scalar(r, f, node, &n)) {
		value_of(t, f)->bad = true;
		return;
	}
	if (n->len == 0) {
		reader_error(r, f, node, "the seed is empty");
		value_of(t, f)->bad = true;
		return;
	}
	if (n->len == 32 && strspn(n->text, "0123456789abcdefABCDEF") == 32 &&
		sscanf(n->text, "%16" SCNx64 "%16" SCNx64 "%n", &l4->hash_seed[0],
			&l4->hash_seed[1], &end) == 2 &&
		end == 32)
		return;
	seed_of_text(n->text, n->len, l4->hash_seed);
}

static void seed_show(const struct schema_field *f, const void *data, FILE *out)
{
	const struct config_l4 *l4 = data;

	(void)f;
	fprintf(out, "\"%016" PRIx64 "%016" PRIx64 "\"", l4->hash_seed[0], l4->hash_seed[1]);
}

const struct schema_custom custom_seed = {
	.type = "text or 32 hex digits",
	.json = "{\"type\": [\"string\", \"number\"], \"minLength\": 1}",
	.set = seed_set,
	.show = seed_show,
};

/* ---- vip: 192.0.2.10:80 ---- */

static void vip_set(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	struct config_tree *t)
{
	struct config_service *s = t->data;
	struct config_value *v = value_of(t, f), *vips = schema_value(t, "vips");
	const struct yaml_node *n;
	struct ip_addr addr;
	const char *ports;
	char why[VALUE_WHY];

	v->bad = true;
	if (!reader_scalar(r, f, node, &n) || !reader_gives(r, f, node, t, "vips"))
		return;
	vips->bad = true;
	if (memchr(n->text, 0, n->len) || value_endpoint(n->text, &addr, &ports, why) != 0) {
		reader_error(r, f, node, "%s", memchr(n->text, 0, n->len) ? "a NUL byte" : why);
		return;
	}
	if (ports) {
		if (!reader_gives(r, f, node, t, "port"))
			return;
		if (value_ports(ports, &s->port_lo, &s->port_hi, why) != 0) {
			reader_error(r, f, node, "%s", why);
			schema_value(t, "port")->bad = true;
			return;
		}
	}
	s->vips = arena_array(r->arena, 1, sizeof(*s->vips));
	vips->item_marks = arena_array(r->arena, 1, sizeof(*vips->item_marks));
	if (!s->vips || !vips->item_marks)
		return;
	s->vips[0] = addr;
	s->vip_cnt = vips->item_cnt = 1;
	vips->item_marks[0] = node->mark;
	v->bad = vips->bad = false;
}

const struct schema_custom custom_vip = {
	.type = "address, or address and port",
	.json = "{\"type\": \"string\"}",
	.set = vip_set,
};

/* ---- backends: [192.0.2.7:80] ---- */

/* What stands behind the colon, which then stands for the key `port` as well. */
static bool port_set(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	struct config_tree *t, const char *ports, uint16_t *port)
{
	uint16_t lo, hi;
	char why[VALUE_WHY];

	if (!reader_gives(r, f, node, t, "port"))
		return false;
	schema_value(t, "port")->bad = true;
	if (value_ports(ports, &lo, &hi, why) != 0) {
		reader_error(r, f, node, "%s", why);
		return false;
	}
	if (lo != hi) {
		if (f->custom == &custom_bind)
			reader_error(r, f, node, "one port, not a range");
		else
			reader_error(r, f, node,
				"a backend has one port; leave it out to keep the client's");
		return false;
	}
	*port = lo;
	schema_value(t, "port")->bad = false;
	return true;
}

/* An address, or an address and one port. */
static void endpoint_set(struct reader *r, const struct schema_field *f,
	const struct yaml_node *node, struct config_tree *t, struct ip_addr *addr, uint16_t *port)
{
	struct config_value *v = value_of(t, f);
	const struct yaml_node *n;
	const char *ports;
	char why[VALUE_WHY];

	v->bad = true;
	if (!reader_scalar(r, f, node, &n))
		return;
	if (memchr(n->text, 0, n->len) || value_endpoint(n->text, addr, &ports, why) != 0) {
		reader_error(r, f, node, "%s", memchr(n->text, 0, n->len) ? "a NUL byte" : why);
		return;
	}
	if (ports == NULL || port_set(r, f, node, t, ports, port))
		v->bad = false;
}

static void backend_set(struct reader *r, const struct schema_field *f,
	const struct yaml_node *node, struct config_tree *t)
{
	struct config_backend *b = t->data;

	endpoint_set(r, f, node, t, &b->addr, &b->port);
}

static void bind_set(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	struct config_tree *t)
{
	struct config_bind *b = t->data;

	endpoint_set(r, f, node, t, &b->addr, &b->port);
}

static void bind_show(const struct schema_field *f, const void *data, FILE *out)
{
	static const struct schema_field addr = {.key = "address", .type = SCHEMA_ADDR};
	const struct config_bind *b = data;

	(void)f;
	value_show(&addr, &b->addr, out);
}

const struct schema_custom custom_bind = {
	.type = "address, or address and port",
	.json = "{\"type\": \"string\"}",
	.set = bind_set,
	.show = bind_show,
};

static void backend_show(const struct schema_field *f, const void *data, FILE *out)
{
	static const struct schema_field addr = {.key = "address", .type = SCHEMA_ADDR};
	const struct config_backend *b = data;

	(void)f;
	value_show(&addr, &b->addr, out);
}

const struct schema_custom custom_backend = {
	.type = "address, or address and port",
	.json = "{\"type\": \"string\"}",
	.set = backend_set,
	.show = backend_show,
};

/* ---- backends: [app.example.com:80] ---- */

/* The name in lower case; false if the text is none. */
static bool take_host(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	const struct yaml_node *n, struct config_tree *t)
{
	struct config_backend *b = t->data;
	struct config_value *v = schema_value(t, "address");
	const char *ports = NULL;
	uint32_t len = memchr(n->text, 0, n->len) ? 0 : value_host(n->text, &ports);
	char *host;

	if (len == 0)
		return false;
	v->bad = true;
	host = arena_text(r->arena, n->text, len);
	for (uint32_t i = 0; host != NULL && i < len; i++)
		host[i] = (char)(host[i] >= 'A' && host[i] <= 'Z' ? host[i] | 0x20 : host[i]);
	b->host = host;
	if (host != NULL && (ports == NULL || port_set(r, f, node, t, ports, &b->port)))
		v->bad = false;
	return true;
}

static void server_set(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	struct config_tree *t)
{
	const struct yaml_node *n;

	value_of(t, f)->bad = true;
	if (reader_scalar(r, f, node, &n) && !take_host(r, f, node, n, t))
		backend_set(r, f, node, t);
}

static void server_show(const struct schema_field *f, const void *data, FILE *out)
{
	const struct config_backend *b = data;

	if (b->host != NULL)
		value_show_text(b->host, strlen(b->host), out);
	else
		backend_show(f, data, out);
}

const struct schema_custom custom_server = {
	.type = "address or host name, with a port or without",
	.json = "{\"type\": \"string\"}",
	.set = server_set,
	.show = server_show,
};

static void host_set(struct reader *r, const struct schema_field *f, const struct yaml_node *node,
	struct config_tree *t)
{
	struct config_value *v = value_of(t, f);
	const struct yaml_node *n;
	char q[DIAG_QUOTE];

	v->bad = true;
	if (!reader_scalar(r, f, node, &n) || !reader_gives(r, f, node, t, "address"))
		return;
	if (take_host(r, f, node, n, t)) {
		v->bad = false;
		return;
	}
	schema_value(t, "address")->bad = true;
	reader_error(r, f, node, "'%s' is not a host name", diag_quote(n->text, n->len, q));
}

const struct schema_custom custom_host = {
	.type = "host name",
	.json = "{\"type\": \"string\"}",
	.set = host_set,
	.show = server_show,
};

/* ---- tunnel_source: [192.0.2.0/28, "2001:db8::/64"] ---- */

static const struct schema_field tunnel_prefix = {
	.key = "tunnel_source", .type = SCHEMA_PREFIX, .width = sizeof(struct ip_prefix)};

static void tunnel_source_set(struct reader *r, const struct schema_field *f,
	const struct yaml_node *node, struct config_tree *t)
{
	struct config_service *s = t->data;
	struct config_value *v = value_of(t, f);
	const struct yaml_node *item, *n;
	char why[VALUE_WHY];
	uint32_t left;

	if (!reader_items(r, f, node, 2, &item, &left)) {
		v->bad = true;
		return;
	}
	for (; item; item = left-- > 1 ? item->next : NULL) {
		struct ip_prefix p, *dst;

		if (!reader_scalar(r, f, item, &n)) {
			v->bad = true;
			continue;
		}
		if (value_parse(&tunnel_prefix, (struct value_text){n->text, n->len, n->quoted},
			    r->arena, &p, why) != 0) {
			reader_error(r, f, item, "%s", why);
			v->bad = true;
			continue;
		}
		dst = &s->tunnel_source[!ip_addr_is4(&p.addr)];
		if (dst->len || p.len == 0) {
			reader_error(r, f, item,
				dst->len ? "a second prefix of one family"
					 : "the prefix is everything");
			v->bad = true;
			continue;
		}
		*dst = p;
	}
}

static void tunnel_source_show(const struct schema_field *f, const void *data, FILE *out)
{
	const struct config_service *s = data;
	const char *sep = "";

	(void)f;
	fputc('[', out);
	for (int i = 0; i < 2; i++) {
		if (!s->tunnel_source[i].len)
			continue;
		fputs(sep, out);
		value_show(&tunnel_prefix, &s->tunnel_source[i], out);
		sep = ", ";
	}
	fputc(']', out);
}

const struct schema_custom custom_tunnel_source = {
	.type = "list of prefixes",
	.json = "{\"anyOf\": [{\"$ref\": \"#/$defs/prefix\"}, {\"type\": \"array\", \"maxItems\": "
		"2, "
		"\"items\": {\"$ref\": \"#/$defs/prefix\"}}]}",
	.set = tunnel_source_set,
	.show = tunnel_source_show,
};

/* ---- computed defaults ---- */

static void expand_workers(struct reader *r, struct config_workers *w, struct config_tree *t)
{
	struct config_value *count = schema_value(t, "count"), *cores = schema_value(t, "cores");
	const struct schema_field *f = schema_find(t->map, "cores");

	if (!count->mark.line || count->bad)
		w->count = cores->item_cnt ? cores->item_cnt : 1;
	if (cores->mark.line && !cores->bad && w->count != cores->item_cnt)
		diag_error(r->diag, cores->mark, "%s: %u cores for %u workers", f->key,
			cores->item_cnt, w->count);
	for (uint32_t i = cores->item_cnt; i < w->count; i++)
		w->cores[i] = (uint16_t)i;
}

static const struct ip_prefix default_route[2] = {
	{.addr = {.w = {0, 0, IP4_MAPPED_WORD, 0}}, .len = 96},
	{.addr = {.w = {0, 0, 0, 0}}, .len = 0},
};

/* The gateways of each family become one route in front of the others. */
static void expand_gateways(struct reader *r, struct config_port *p, struct config_tree *t)
{
	struct config_route *routes = arena_array(r->arena, p->route_cnt + 2, sizeof(*routes));
	struct ip_addr *via = arena_array(r->arena, p->gateway_cnt, sizeof(*via));
	uint32_t cnt = 0, via_cnt = 0;

	if (!routes || !via)
		return;
	for (int family = 0; family < 2; family++) {
		struct config_route *rt = &routes[cnt];

		*rt = (struct config_route){.to = default_route[family],
			.via = via + via_cnt,
			.mark = schema_mark(t, "gateway")};
		for (uint32_t i = 0; i < p->gateway_cnt; i++) {
			if (ip_addr_is4(&p->gateways[i]) == (family == 0))
				rt->via[rt->via_cnt++] = p->gateways[i];
		}
		via_cnt += rt->via_cnt;
		cnt += rt->via_cnt > 0;
	}
	memset(&routes[cnt], 0, sizeof(*routes));
	if (p->route_cnt)
		memcpy(&routes[cnt], p->routes, p->route_cnt * sizeof(*routes));
	p->routes = routes;
	p->route_cnt += cnt;
}

void config_expand(struct reader *r, struct config *cfg, struct config_tree *root)
{
	struct config_value *ports = schema_value(root, "ports");

	expand_workers(r, &cfg->workers, schema_value(root, "workers")->maps[0]);
	if (!schema_given(schema_value(root, "l4")->maps[0], "hash_seed"))
		seed_of_text("weir", 4, cfg->l4.hash_seed);
	for (uint32_t i = 0; i < cfg->port_cnt; i++) {
		struct config_port *p = &cfg->ports[i];

		if (!p->name[0])
			snprintf(p->name, sizeof(p->name), "port%u", i);
		if (p->gateway_cnt)
			expand_gateways(r, p, ports->maps[i]);
	}
}

static void service_name(struct config_service *s)
{
	const char *proto = s->proto == L4_TCP ? "tcp" : "udp";
	char addr[IP_ADDR_TEXT_MAX], port[16];
	bool is4;

	if (s->name[0] || !s->vip_cnt)
		return;
	is4 = ip_addr_is4(&s->vips[0]);
	ip_addr_format(&s->vips[0], addr);
	if (s->port_lo == s->port_hi)
		snprintf(port, sizeof(port), "%u", s->port_lo);
	else if (s->port_lo == 0)
		snprintf(port, sizeof(port), "any");
	else
		snprintf(port, sizeof(port), "%u-%u", s->port_lo, s->port_hi);
	snprintf(s->name, sizeof(s->name), is4 ? "%s:%s/%s" : "[%s]:%s/%s", addr, port, proto);
}

static uint64_t health_timeout(const struct config_health *h)
{
	return h->interval_ns < UINT64_C(1000000000) ? h->interval_ns : UINT64_C(1000000000);
}

static void listener_name(struct config_listener *l)
{
	char addr[IP_ADDR_TEXT_MAX];

	if (l->name[0] || !l->bind_cnt)
		return;
	snprintf(l->name, sizeof(l->name), ip_addr_is4(&l->binds[0].addr) ? "%s:%u" : "[%s]:%u",
		ip_addr_format(&l->binds[0].addr, addr), l->binds[0].port);
}

static void expand_upstreams(struct config *cfg, struct config_tree *root)
{
	struct config_value *v = schema_value(root, "upstreams");

	for (uint32_t i = 0; i < cfg->upstream_cnt; i++) {
		struct config_upstream *u = &cfg->upstreams[i];

		u->written = u->backends;
		u->written_cnt = u->backend_cnt;
		if (!schema_given(schema_value(v->maps[i], "health")->maps[0], "timeout"))
			u->health.timeout_ns = health_timeout(&u->health);
	}
}

static void expand_store(struct reader *r, struct config *cfg)
{
	struct config_store *s = &cfg->store;

	if (s->dir[0] == '\0' || s->ns_cnt > 0)
		return;
	s->namespaces = arena_array(r->arena, 1, sizeof(*s->namespaces));
	if (s->namespaces == NULL)
		return;
	snprintf(s->namespaces[0].name, sizeof(s->namespaces[0].name), "default");
	s->namespaces[0].durability = STORE_EVERYSEC;
	s->ns_cnt = 1;
}

/* Rules that are none are left out here and named by the checks. */
static void expand_resp(struct reader *reader, const struct config *cfg, struct config_resp *r)
{
	char why[ACL_WHY];

	for (uint32_t i = 0; i < cfg->store.ns_cnt; i++)
		if (strcmp(cfg->store.namespaces[i].name, r->ns) == 0)
			r->ns_idx = i;
	r->acl = arena_array(reader->arena, r->user_cnt + 1, sizeof(r->acl[0]));
	if (r->acl == NULL)
		return;
	acl_default(&r->acl[0], r->password);
	r->acl_cnt = 1;
	for (uint32_t i = 0; i < r->user_cnt; i++) {
		struct acl_user *u = &r->acl[r->acl_cnt];

		if (acl_parse(r->users[i].text, u, why) != 0)
			continue;
		if (strcmp(u->name, "default") == 0)
			r->acl[0] = *u;
		else
			r->acl_cnt++;
	}
}

static void expand_listeners(struct reader *r, struct config *cfg, struct config_tree *root)
{
	struct config_value *v = schema_value(root, "listeners");

	cfg->tcp_given = schema_given(root, "tcp");
	cfg->tls_given = schema_given(root, "tls");
	for (uint32_t i = 0; i < cfg->listener_cnt; i++) {
		struct config_listener *l = &cfg->listeners[i];

		listener_name(l);
		if (l->action == LISTENER_RESP)
			expand_resp(r, cfg, &l->resp);
		if (!schema_given(schema_value(v->maps[i], "health")->maps[0], "timeout"))
			l->health.timeout_ns = health_timeout(&l->health);
		l->written = l->backends;
		l->written_cnt = l->backend_cnt;
		for (uint32_t b = 0; b < l->backend_cnt; b++)
			if (l->backends[b].port == 0 && l->bind_cnt > 0)
				l->backends[b].port = l->binds[0].port;
	}
}

static void local_add(struct config_service *s, const struct config_port *p, bool is4)
{
	for (uint32_t i = 0; i < p->address_cnt && s->local_addr_cnt < LIMIT_LOCAL_ADDRS; i++) {
		const struct ip_addr *a = &p->addresses[i].addr;

		/* A link-local source (fe80::/10) does not get past the first router. */
		if (ip_addr_is4(a) == is4 && !(a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80))
			s->local_addrs[s->local_addr_cnt++] = *a;
	}
}

/* The addresses of the ports that lead to the backends: replies come back by the same port. */
static void local_addresses(struct reader *r, const struct reach *reach, const struct config *cfg,
	struct config_service *s)
{
	bool used[LIMIT_PORTS][2] = {{false}};
	uint32_t cnt = 0;

	for (uint32_t i = 0; i < s->backend_cnt; i++) {
		const struct ip_addr *a = &s->backends[i].addr;
		const struct reach_entry *e = reach_find(reach, a);

		for (; e; e = reach_next(reach, e)) {
			if (!used[e->port][ip_addr_is4(a)])
				cnt += cfg->ports[e->port].address_cnt;
			used[e->port][ip_addr_is4(a)] = true;
		}
	}
	s->local_addrs = arena_array(r->arena, cnt, sizeof(*s->local_addrs));
	if (!s->local_addrs)
		return;
	for (uint32_t i = 0; i < cfg->port_cnt; i++) {
		if (used[i][1])
			local_add(s, &cfg->ports[i], true);
		if (used[i][0])
			local_add(s, &cfg->ports[i], false);
	}
}

void config_expand_services(
	struct reader *r, const struct reach *reach, struct config *cfg, struct config_tree *root)
{
	struct config_value *v = schema_value(root, "services");

	expand_store(r, cfg);
	expand_listeners(r, cfg, root);
	expand_upstreams(cfg, root);
	config_expand_http(r, cfg, root);
	for (uint32_t i = 0; i < cfg->service_cnt; i++) {
		struct config_service *s = &cfg->services[i];
		struct config_tree *t = v->maps[i];

		service_name(s);
		if (!schema_given(t, "mss_clamp"))
			s->mss_clamp =
				s->proto == L4_TCP && (s->mode == L4_IPIP || s->mode == L4_GUE);
		if (!schema_given(schema_value(t, "health")->maps[0], "timeout"))
			s->health.timeout_ns = health_timeout(&s->health);
		if (s->mode == L4_FULLNAT && !schema_given(t, "local_addresses"))
			local_addresses(r, reach, cfg, s);
	}
}
