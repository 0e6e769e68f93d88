/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/table.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dataplane/base/hash.h"
#include "dataplane/net/hdr.h"
#include "dataplane/tls/tls.h"
#include "lb/l7/sites.h"
#include "lb/l7/tls_set.h"

static uint32_t place(const struct l7_table *t, const struct ip_addr *addr, uint16_t port)
{
	uint64_t h = mix_fold(addr->d[1] ^ port, UINT64_C(0x9e3779b97f4a7c15) ^ addr->d[0]);

	return (uint32_t)(h >> 32) & t->bucket_mask;
}

const struct l7_endpoint *l7_table_find(
	const struct l7_table *t, const struct ip_addr *addr, uint16_t port)
{
	if (t->endpoint_cnt == 0)
		return NULL;
	for (uint32_t b = place(t, addr, port); t->buckets[b] != 0; b = (b + 1) & t->bucket_mask) {
		const struct l7_endpoint *e = &t->endpoints[t->buckets[b] - 1];

		if (e->port == port && ip_addr_eq(&e->addr, addr))
			return e;
	}
	return NULL;
}

bool l7_table_owns(const struct l7_table *t, const struct ip_addr *addr)
{
	uint32_t b = place(t, addr, 0);

	for (; t->owned[b] != 0; b = (b + 1) & t->bucket_mask)
		if (ip_addr_eq(&t->endpoints[t->owned[b] - 1].addr, addr))
			return true;
	return false;
}

bool l7_table_local(const struct l7_table *t, const struct ip_addr *addr)
{
	for (uint32_t i = 0; i < t->local_cnt; i++)
		if (ip_addr_eq(&t->locals[i], addr))
			return true;
	return false;
}

/* ---- ids ---- */

static bool named_in(const struct config *cfg, const char *name)
{
	for (uint32_t i = 0; i < cfg->listener_cnt; i++)
		if (strcmp(cfg->listeners[i].name, name) == 0)
			return true;
	return false;
}

static bool lingers(const struct l7_registry *r, uint32_t id)
{
	for (uint32_t i = 0; i < r->linger_cnt; i++)
		if (r->lingers[i].ep.listener == id)
			return true;
	return false;
}

/* The backends of a listener that was forgotten are nobody's: under its id another one's begin. */
static void forget_members(struct l7_registry *r, uint32_t listener)
{
	for (uint32_t i = 0; i < L7_MEMBERS; i++)
		if (r->members[i].listener == listener)
			r->members[i].used = false;
}

/* An id that nothing refers to: not in use, neither in this configuration nor in the last, and no
 * endpoint of it lingers. */
static int listener_id(const struct l7_build *in, const char *name, uint32_t *out)
{
	struct l7_registry *r = in->registry;
	uint32_t free = L7_NONE;

	for (uint32_t i = 0; i < LIMIT_LISTENERS; i++) {
		if (r->listeners[i].used && strcmp(r->listeners[i].name, name) == 0) {
			*out = i;
			return 0;
		}
		if (free == L7_NONE && !r->listeners[i].used)
			free = i;
	}
	for (uint32_t i = 0; i < LIMIT_LISTENERS && free == L7_NONE; i++)
		if (!named_in(in->cfg, r->listeners[i].name) &&
			(in->prev == NULL || in->prev->by_id[i] == NULL) && !lingers(r, i) &&
			!in->in_use(in->use_ctx, false, i))
			free = i;
	if (free == L7_NONE)
		return -ENOSPC;
	if (r->listeners[free].used)
		forget_members(r, free);
	strcpy(r->listeners[free].name, name);
	r->listeners[free].used = true;
	r->listeners[free].epoch++;
	*out = free;
	return 0;
}

uint32_t l7_member_find(const struct l7_registry *r, uint32_t listener, const struct ip_addr *addr,
	uint16_t port_be)
{
	for (uint32_t i = 0; i < L7_MEMBERS; i++)
		if (r->members[i].used && r->members[i].listener == listener &&
			r->members[i].port == port_be && ip_addr_eq(&r->members[i].addr, addr))
			return i;
	return L7_NONE;
}

/* Is a member's place part of the listener's configuration? */
static bool member_named(const struct l7_build *in, uint32_t id)
{
	const struct l7_registry *r = in->registry;
	const char *name = r->listeners[r->members[id].listener].name;

	for (uint32_t i = 0; i < in->cfg->listener_cnt; i++) {
		const struct config_listener *l = &in->cfg->listeners[i];

		if (strcmp(l->name, name) != 0)
			continue;
		for (uint32_t b = 0; b < l->backend_cnt; b++)
			if (BE16(l->backends[b].port) == r->members[id].port &&
				ip_addr_eq(&l->backends[b].addr, &r->members[id].addr))
				return true;
	}
	return false;
}

static bool in_group(const struct l7_group *g, uint32_t id)
{
	for (uint32_t n = 0; g->set != NULL && n < g->set->node_cnt; n++)
		if (g->members[n] == id)
			return true;
	return false;
}

/* May a worker still choose it, by the last table? */
static bool member_before(const struct l7_table *t, uint32_t id)
{
	for (uint32_t i = 0; t != NULL && i < t->listener_cnt; i++) {
		const struct l7_listener *l = &t->listeners[i];

		if (in_group(&l->rest, id))
			return true;
		for (uint32_t n = 0; n < l->sni_cnt; n++)
			if (in_group(&l->snis[n].group, id))
				return true;
	}
	return false;
}

static int member_id(
	const struct l7_build *in, uint32_t listener, const struct config_backend *b, uint32_t *out)
{
	struct l7_registry *r = in->registry;
	uint32_t id = l7_member_find(r, listener, &b->addr, BE16(b->port));

	*out = id;
	if (id != L7_NONE)
		return 0;
	for (uint32_t i = 0; i < L7_MEMBERS && id == L7_NONE; i++)
		if (!r->members[i].used)
			id = i;
	for (uint32_t i = 0; i < L7_MEMBERS && id == L7_NONE; i++)
		if (!in->in_use(in->use_ctx, true, i) && !member_named(in, i) &&
			!member_before(in->prev, i))
			id = i;
	if (id == L7_NONE)
		return -ENOSPC;
	r->members[id].addr = b->addr;
	r->members[id].port = BE16(b->port);
	r->members[id].listener = (uint16_t)listener;
	r->members[id].used = true;
	r->members[id].epoch++;
	*out = id;
	return 0;
}

/* ---- parts ---- */

/* Is a backend one for this name (NULL: for those of no name)? */
static bool serves(const struct config_backend *b, const char *name)
{
	if (name == NULL)
		return b->sni_cnt == 0;
	for (uint32_t i = 0; i < b->sni_cnt; i++)
		if (strcasecmp(b->snis[i].name, name) == 0)
			return true;
	return false;
}

static const char *host_of(const struct config_listener *c, const struct maglev_node *n)
{
	for (uint32_t b = 0; b < c->backend_cnt; b++)
		if (BE16(c->backends[b].port) == n->port_be &&
			ip_addr_eq(&c->backends[b].addr, &n->addr))
			return c->backends[b].host;
	return NULL;
}

static int build_group(const struct l7_build *in, uint32_t i, const struct l7_listener *l,
	const char *name, struct l7_group *g)
{
	const struct config_listener *c = l->cfg;
	struct siphash_key key = {in->cfg->l4.hash_seed[0], in->cfg->l4.hash_seed[1]};
	struct maglev_node *nodes = calloc(c->backend_cnt + 1, sizeof(*nodes));
	struct sched_ask ask = {.nodes = nodes,
		.maglev_size = c->scheduler == LISTENER_MAGLEV ? L7_MAGLEV_SIZE : 0,
		.wrr = c->scheduler == LISTENER_WRR};
	int rc = nodes == NULL ? -ENOMEM : 0;

	for (uint32_t b = 0; rc == 0 && b < c->backend_cnt; b++) {
		struct config_backend adjusted = c->backends[b];
		const struct config_backend *be = &adjusted;
		uint32_t id;

		if (in->adjust != NULL)
			in->adjust(in->health_ctx, i, b, &adjusted);
		rc = member_id(in, l->id, be, &id);
		if (rc == 0 && serves(be, name) && be->weight > 0 && !be->drain &&
			in->health_up(in->health_ctx, i, b))
			nodes[ask.node_cnt++] = (struct maglev_node){
				.addr = be->addr, .port_be = BE16(be->port), .weight = be->weight};
	}
	if (rc == 0 && ask.node_cnt > 0)
		qsort(nodes, ask.node_cnt, sizeof(*nodes), sched_node_compare);
	if (rc == 0)
		rc = sched_set_create(&key, sched_ask_digest(&key, &ask), &ask, &g->set);
	g->members = calloc(ask.node_cnt + 1, sizeof(*g->members));
	if (rc == 0 && g->members == NULL)
		rc = -ENOMEM;
	g->hosts = calloc(ask.node_cnt + 1, sizeof(*g->hosts));
	if (rc == 0 && g->hosts == NULL)
		rc = -ENOMEM;
	for (uint32_t n = 0; rc == 0 && n < ask.node_cnt; n++) {
		g->members[n] =
			l7_member_find(in->registry, l->id, &nodes[n].addr, nodes[n].port_be);
		g->hosts[n] = host_of(c, &nodes[n]);
	}
	free(nodes);
	return rc;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct l7_sni *)a)->name, ((const struct l7_sni *)b)->name);
}

/* Every name of the listener's backends once, also of those that do not resolve. */
static int list_names(struct l7_listener *l)
{
	uint32_t cnt = 0, n = 0;

	for (uint32_t b = 0; b < l->cfg->written_cnt; b++)
		cnt += l->cfg->written[b].sni_cnt;
	if (cnt == 0)
		return 0;
	l->snis = calloc(cnt, sizeof(*l->snis));
	if (l->snis == NULL)
		return -ENOMEM;
	for (uint32_t b = 0; b < l->cfg->written_cnt; b++)
		for (uint32_t k = 0; k < l->cfg->written[b].sni_cnt; k++, n++)
			for (uint32_t i = 0; l->cfg->written[b].snis[k].name[i] != '\0'; i++)
				l->snis[n].name[i] = (char)tolower(
					(unsigned char)l->cfg->written[b].snis[k].name[i]);
	qsort(l->snis, cnt, sizeof(*l->snis), by_name);
	l->sni_cnt = 1;
	for (uint32_t i = 1; i < cnt; i++)
		if (strcmp(l->snis[i].name, l->snis[l->sni_cnt - 1].name) != 0)
			l->snis[l->sni_cnt++] = l->snis[i];
	return 0;
}

static int build_set(const struct l7_build *in, uint32_t i, struct l7_listener *l)
{
	int rc = list_names(l);

	for (uint32_t n = 0; rc == 0 && n < l->sni_cnt; n++)
		rc = build_group(in, i, l, l->snis[n].name, &l->snis[n].group);
	return rc == 0 ? build_group(in, i, l, NULL, &l->rest) : rc;
}

static const struct l7_sni *find_name(const struct l7_listener *l, const char *name)
{
	uint32_t lo = 0, hi = l->sni_cnt;

	while (lo < hi) {
		uint32_t mid = (lo + hi) / 2;
		int c = strcmp(l->snis[mid].name, name);

		if (c == 0)
			return &l->snis[mid];
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

const struct l7_group *l7_group_of(const struct l7_listener *l, const char *sni)
{
	const struct l7_sni *s = sni[0] == '\0' ? NULL : find_name(l, sni);
	const char *dot = strchr(sni, '.');
	char wild[TLS_NAME_MAX];

	if (s == NULL && dot != NULL && dot != sni && strlen(dot) < sizeof(wild) - 1) {
		wild[0] = '*';
		strcpy(wild + 1, dot);
		s = find_name(l, wild);
	}
	return s != NULL ? &s->group : &l->rest;
}

static void add_local(struct l7_table *t, const struct ip_addr *a)
{
	if (!l7_table_local(t, a))
		t->locals[t->local_cnt++] = *a;
}

static bool bound_in(const struct config *cfg, const struct l7_endpoint *e)
{
	for (uint32_t i = 0; i < cfg->listener_cnt; i++)
		for (uint32_t b = 0; b < cfg->listeners[i].bind_cnt; b++)
			if (BE16(cfg->listeners[i].binds[b].port) == e->port &&
				ip_addr_eq(&cfg->listeners[i].binds[b].addr, &e->addr))
				return true;
	return false;
}

/* Layer 4 takes what the new configuration gives it. */
static bool service_takes(const struct config *cfg, const struct ip_addr *a)
{
	for (uint32_t i = 0; i < cfg->service_cnt; i++)
		for (uint32_t v = 0; v < cfg->services[i].vip_cnt; v++)
			if (ip_addr_eq(&cfg->services[i].vips[v], a))
				return true;
	return false;
}

static bool noted(const struct l7_registry *r, const struct l7_endpoint *e)
{
	for (uint32_t i = 0; i < r->linger_cnt; i++)
		if (r->lingers[i].ep.port == e->port &&
			ip_addr_eq(&r->lingers[i].ep.addr, &e->addr))
			return true;
	return false;
}

/* Endpoints of the last table that this configuration has no more begin to linger. */
static void note_lingers(const struct l7_build *in)
{
	struct l7_registry *r = in->registry;
	uint32_t n = 0;

	for (uint32_t i = 0; i < r->linger_cnt; i++)
		if (!bound_in(in->cfg, &r->lingers[i].ep) &&
			!service_takes(in->cfg, &r->lingers[i].ep.addr))
			r->lingers[n++] = r->lingers[i];
	r->linger_cnt = n;
	for (uint32_t i = 0; in->prev != NULL && i < in->prev->endpoint_cnt; i++) {
		struct l7_endpoint e = in->prev->endpoints[i];

		/* A configuration that failed after this may have noted it already. */
		if (!e.accepting || bound_in(in->cfg, &e) || service_takes(in->cfg, &e.addr) ||
			noted(r, &e) || r->linger_cnt == LIMIT_TCP_LISTENERS)
			continue;
		e.accepting = false;
		r->lingers[r->linger_cnt].ep = e;
		r->lingers[r->linger_cnt++].until_ns = in->now_ns + in->linger_ns;
	}
}

static bool linger_over(const struct l7_build *in, uint32_t i)
{
	const struct l7_registry *r = in->registry;

	return in->now_ns >= r->lingers[i].until_ns &&
	       !in->in_use(in->use_ctx, false, r->lingers[i].ep.listener);
}

uint32_t l7_registry_reap(struct l7_registry *r, const struct l7_build *in)
{
	uint32_t n = 0, gone;

	for (uint32_t i = 0; i < r->linger_cnt; i++)
		if (!linger_over(in, i))
			r->lingers[n++] = r->lingers[i];
	gone = r->linger_cnt - n;
	r->linger_cnt = n;
	return gone;
}

static void add_endpoint(struct l7_table *t, const struct l7_endpoint *e)
{
	uint32_t b = place(t, &e->addr, e->port);

	while (t->buckets[b] != 0)
		b = (b + 1) & t->bucket_mask;
	t->endpoints[t->endpoint_cnt++] = *e;
	t->buckets[b] = t->endpoint_cnt;
	if (l7_table_owns(t, &e->addr))
		return;
	b = place(t, &e->addr, 0);
	while (t->owned[b] != 0)
		b = (b + 1) & t->bucket_mask;
	t->owned[b] = t->endpoint_cnt;
}

static int allocate(const struct l7_build *in, struct l7_table *t)
{
	uint32_t binds = in->registry->linger_cnt, locals = 0;

	for (uint32_t i = 0; i < in->cfg->listener_cnt; i++) {
		binds += in->cfg->listeners[i].bind_cnt;
		locals += in->cfg->listeners[i].local_addr_cnt;
	}
	for (uint32_t i = 0; i < in->cfg->upstream_cnt; i++)
		locals += in->cfg->upstreams[i].local_addr_cnt;
	t->bucket_mask = (uint32_t)pow2_at_least(2 * (uint64_t)binds + 2) - 1;
	t->listeners = calloc(in->cfg->listener_cnt + 1, sizeof(*t->listeners));
	t->endpoints = calloc(binds + 1, sizeof(*t->endpoints));
	t->buckets = calloc(t->bucket_mask + 1, sizeof(*t->buckets));
	t->owned = calloc(t->bucket_mask + 1, sizeof(*t->owned));
	t->locals = calloc(locals + 1, sizeof(*t->locals));
	return t->listeners && t->endpoints && t->buckets && t->owned && t->locals ? 0 : -ENOMEM;
}

static int add_listener(const struct l7_build *in, struct l7_table *t, uint32_t i)
{
	struct l7_listener *l = &t->listeners[i];
	int rc;

	l->cfg = &in->cfg->listeners[i];
	l->tls = l7_tls_server(in->tls, i);
	l->backend_tls = l7_tls_client(in->tls, i);
	rc = listener_id(in, l->cfg->name, &l->id);
	if (rc != 0)
		return rc;
	l->epoch = in->registry->listeners[l->id].epoch;
	t->by_id[l->id] = l;
	t->listener_cnt++;
	for (uint32_t b = 0; b < l->cfg->bind_cnt; b++)
		add_endpoint(t, &(struct l7_endpoint){.addr = l->cfg->binds[b].addr,
					.port = BE16(l->cfg->binds[b].port),
					.accepting = true,
					.listener = l->id});
	for (uint32_t a = 0; a < l->cfg->local_addr_cnt; a++)
		add_local(t, &l->cfg->local_addrs[a]);
	return l->cfg->action == LISTENER_TCP_PROXY ? build_set(in, i, l) : 0;
}

static int build_upstreams(const struct l7_build *in, struct l7_table *t)
{
	struct up_build up = {.cfg = in->cfg,
		.tls = in->tls,
		.registry = &in->registry->ups,
		.health_up = in->up_health,
		.adjust = in->up_adjust,
		.health_ctx = in->health_ctx,
		.in_use = in->up_in_use,
		.use_ctx = in->use_ctx,
		.prev = in->prev != NULL ? in->prev->ups : NULL};

	for (uint32_t i = 0; i < in->cfg->upstream_cnt; i++)
		for (uint32_t a = 0; a < in->cfg->upstreams[i].local_addr_cnt; a++)
			add_local(t, &in->cfg->upstreams[i].local_addrs[a]);
	return up_table_build(&up, &t->ups);
}

/* Another set of health results does not touch the sites. */
static int take_sites(const struct l7_build *in, struct l7_table *t)
{
	struct l7_sites *before = in->prev != NULL ? in->prev->sites : NULL;
	int rc = 0;

	if (before != NULL && before->cfg == in->cfg) {
		t->sites = before;
		before->refs++;
	} else {
		rc = l7_sites_build(in->cfg, before, &t->sites);
	}
	for (uint32_t i = 0; rc == 0 && i < t->listener_cnt; i++)
		t->listeners[i].site = t->sites->of[i];
	return rc;
}

int l7_table_build(const struct l7_build *in, struct l7_table **out)
{
	struct l7_table *t = calloc(1, sizeof(*t));
	int rc;

	*out = NULL;
	if (t == NULL)
		return -ENOMEM;
	note_lingers(in);
	rc = allocate(in, t);
	for (uint32_t i = 0; rc == 0 && i < in->cfg->listener_cnt; i++)
		rc = add_listener(in, t, i);
	for (uint32_t i = 0; rc == 0 && i < in->registry->linger_cnt; i++)
		add_endpoint(t, &in->registry->lingers[i].ep);
	if (rc == 0)
		rc = build_upstreams(in, t);
	if (rc == 0)
		rc = take_sites(in, t);
	for (uint32_t i = 0; i < L7_MEMBERS; i++)
		t->member_epoch[i] = in->registry->members[i].epoch;
	if (rc != 0) {
		l7_table_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

static void free_group(struct l7_group *g)
{
	if (g->set != NULL)
		sched_set_unref(g->set);
	free(g->members);
	free(g->hosts);
}

void l7_table_free(struct l7_table *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->listener_cnt; i++) {
		struct l7_listener *l = &t->listeners[i];

		free_group(&l->rest);
		for (uint32_t n = 0; n < l->sni_cnt; n++)
			free_group(&l->snis[n].group);
		free(l->snis);
	}
	up_table_free(t->ups);
	l7_sites_unref(t->sites);
	free(t->listeners);
	free(t->endpoints);
	free(t->buckets);
	free(t->owned);
	free(t->locals);
	free(t);
}
