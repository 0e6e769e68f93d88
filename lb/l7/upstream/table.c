/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/l7/upstream/table.h"
#include "lb/l7/tls_set.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/hash.h"
#include "dataplane/net/hdr.h"

#define MAGLEV_SIZE 16381

/* ---- ids ---- */

static const struct config_upstream *find_named(const struct config *cfg, const char *name)
{
	for (uint32_t i = 0; i < cfg->upstream_cnt; i++)
		if (strcmp(cfg->upstreams[i].name, name) == 0)
			return &cfg->upstreams[i];
	return NULL;
}

/* Neither in this configuration nor in the last, and nothing counts under it. */
static bool pool_free(const struct up_build *in, uint32_t id)
{
	return find_named(in->cfg, in->registry->pools[id].name) == NULL &&
	       (in->prev == NULL || in->prev->by_id[id] == NULL) &&
	       !in->in_use(in->use_ctx, false, id);
}

static int pool_id(const struct up_build *in, const char *name, uint32_t *out)
{
	struct up_registry *r = in->registry;
	uint32_t free = UP_NONE;

	for (uint32_t i = 0; i < LIMIT_UPSTREAMS; i++) {
		if (r->pools[i].used && strcmp(r->pools[i].name, name) == 0) {
			*out = i;
			return 0;
		}
		if (free == UP_NONE && !r->pools[i].used)
			free = i;
	}
	for (uint32_t i = 0; i < LIMIT_UPSTREAMS && free == UP_NONE; i++)
		if (pool_free(in, i))
			free = i;
	if (free == UP_NONE)
		return -ENOSPC;
	strcpy(r->pools[free].name, name);
	r->pools[free].used = true;
	r->pools[free].epoch++;
	*out = free;
	return 0;
}

static bool in_config(const struct up_build *in, uint32_t id)
{
	const struct up_registry *r = in->registry;
	const struct config_upstream *u = find_named(in->cfg, r->pools[r->servers[id].pool].name);

	for (uint32_t b = 0; u != NULL && b < u->backend_cnt; b++)
		if (BE16(u->backends[b].port) == r->servers[id].port &&
			ip_addr_eq(&u->backends[b].addr, &r->servers[id].addr))
			return true;
	return false;
}

static bool server_is(
	const struct up_registry *r, uint32_t id, uint32_t pool, const struct config_backend *b)
{
	return r->servers[id].used && r->servers[id].pool == pool &&
	       r->servers[id].port == BE16(b->port) && ip_addr_eq(&r->servers[id].addr, &b->addr);
}

static int server_id(
	const struct up_build *in, uint32_t pool, const struct config_backend *b, uint32_t *out)
{
	struct up_registry *r = in->registry;
	uint32_t id = UP_NONE;

	for (uint32_t i = 0; i < UP_SERVERS; i++) {
		if (server_is(r, i, pool, b)) {
			*out = i;
			return 0;
		}
		if (id == UP_NONE && !r->servers[i].used)
			id = i;
	}
	for (uint32_t i = 0; i < UP_SERVERS && id == UP_NONE; i++)
		if (!in_config(in, i) && !in->in_use(in->use_ctx, true, i))
			id = i;
	if (id == UP_NONE)
		return -ENOSPC;
	r->servers[id].addr = b->addr;
	r->servers[id].port = BE16(b->port);
	r->servers[id].pool = pool;
	r->servers[id].used = true;
	r->servers[id].epoch++;
	*out = id;
	return 0;
}

/* ---- parts ---- */

static int fill_servers(const struct up_build *in, uint32_t i, struct up_entry *e)
{
	const struct config_upstream *u = e->cfg;
	struct siphash_key key = {in->cfg->l4.hash_seed[0], in->cfg->l4.hash_seed[1]};

	e->servers = calloc(u->backend_cnt + 1, sizeof(*e->servers));
	if (e->servers == NULL)
		return -ENOMEM;
	for (uint32_t b = 0; b < u->backend_cnt; b++) {
		struct config_backend be = u->backends[b];
		struct up_server *s = &e->servers[b];
		struct maglev_node place = {.addr = be.addr, .port_be = BE16(be.port)};
		int rc = server_id(in, e->id, &be, &s->id);

		if (rc != 0)
			return rc;
		if (in->adjust != NULL)
			in->adjust(in->health_ctx, i, b, &be);
		s->addr = be.addr;
		s->host = be.host;
		s->port = BE16(be.port);
		s->weight = be.weight;
		s->drain = be.drain || be.weight == 0;
		s->up = in->health_up(in->health_ctx, i, b);
		s->cookie = siphash24(&key, &place, sizeof(place));
		e->server_cnt++;
	}
	return 0;
}

static uint32_t server_of(const struct up_entry *e, const struct maglev_node *n)
{
	for (uint32_t s = 0; s < e->server_cnt; s++)
		if (e->servers[s].port == n->port_be && ip_addr_eq(&e->servers[s].addr, &n->addr))
			return s;
	return UP_NONE;
}

static int fill_set(const struct up_build *in, struct up_entry *e)
{
	struct siphash_key key = {in->cfg->l4.hash_seed[0], in->cfg->l4.hash_seed[1]};
	struct maglev_node *nodes = calloc(e->server_cnt + 1, sizeof(*nodes));
	bool hashed =
		e->cfg->balance == UPSTREAM_MAGLEV || e->cfg->balance == UPSTREAM_BOUNDED_HASH;
	struct sched_ask ask = {
		.nodes = nodes, .maglev_size = hashed ? MAGLEV_SIZE : 0, .wrr = !hashed};
	int rc = nodes == NULL ? -ENOMEM : 0;

	for (uint32_t i = 0; rc == 0 && i < e->server_cnt; i++) {
		const struct up_server *s = &e->servers[i];

		if (!s->up || s->drain)
			continue;
		nodes[ask.node_cnt++] = (struct maglev_node){
			.addr = s->addr, .port_be = s->port, .weight = s->weight};
		e->weights += s->weight;
	}
	if (rc == 0 && ask.node_cnt > 0)
		qsort(nodes, ask.node_cnt, sizeof(*nodes), sched_node_compare);
	if (rc == 0)
		rc = sched_set_create(&key, sched_ask_digest(&key, &ask), &ask, &e->set);
	e->nodes = calloc(ask.node_cnt + 1, sizeof(*e->nodes));
	if (rc == 0 && e->nodes == NULL)
		rc = -ENOMEM;
	for (uint32_t n = 0; rc == 0 && n < ask.node_cnt; n++)
		e->nodes[n] = server_of(e, &nodes[n]);
	free(nodes);
	return rc;
}

static int add_entry(const struct up_build *in, struct up_table *t, uint32_t i)
{
	struct up_entry *e = &t->entries[i];
	int rc;

	e->cfg = &in->cfg->upstreams[i];
	e->tls = l7_tls_upstream(in->tls, i);
	e->resolving = e->cfg->resolving;
	e->sni_host = e->tls != NULL && strcmp(e->cfg->tls->sni, CONFIG_SNI_HOST) == 0;
	rc = pool_id(in, e->cfg->name, &e->id);
	if (rc != 0)
		return rc;
	e->epoch = in->registry->pools[e->id].epoch;
	t->by_id[e->id] = e;
	t->cnt++;
	rc = fill_servers(in, i, e);
	return rc != 0 ? rc : fill_set(in, e);
}

int up_table_build(const struct up_build *in, struct up_table **out)
{
	struct up_table *t = calloc(1, sizeof(*t));
	int rc = 0;

	*out = NULL;
	if (t == NULL)
		return -ENOMEM;
	t->entries = calloc(in->cfg->upstream_cnt + (size_t)1, sizeof(*t->entries));
	if (t->entries == NULL)
		rc = -ENOMEM;
	for (uint32_t i = 0; rc == 0 && i < in->cfg->upstream_cnt; i++)
		rc = add_entry(in, t, i);
	for (uint32_t i = 0; i < UP_SERVERS; i++)
		t->server_epoch[i] = in->registry->servers[i].epoch;
	if (rc != 0) {
		up_table_free(t);
		return rc;
	}
	*out = t;
	return 0;
}

void up_table_free(struct up_table *t)
{
	if (t == NULL)
		return;
	for (uint32_t i = 0; i < t->cnt; i++) {
		if (t->entries[i].set != NULL)
			sched_set_unref(t->entries[i].set);
		free(t->entries[i].nodes);
		free(t->entries[i].servers);
	}
	free(t->entries);
	free(t);
}
