/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/api/shares.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/net/hdr.h"
#include "lb/api/api_pvt.h"
#include "lb/config/config_upstream.h"

uint32_t pool_count(const struct config *cfg, enum override_kind kind)
{
	switch (kind) {
	case OVERRIDE_SERVICE:
		return cfg->service_cnt;
	case OVERRIDE_LISTENER:
		return cfg->listener_cnt;
	case OVERRIDE_UPSTREAM:
		return cfg->upstream_cnt;
	default:
		return 0;
	}
}

static struct pool_info upstream_info(const struct config *cfg, uint32_t i)
{
	const struct config_upstream *u = &cfg->upstreams[i];
	bool hashed = u->balance == UPSTREAM_MAGLEV || u->balance == UPSTREAM_BOUNDED_HASH;

	return (struct pool_info){u->name, u->backends, u->backend_cnt, hashed ? L7_MAGLEV_SIZE : 0,
		cfg->service_cnt + cfg->listener_cnt + i};
}

struct pool_info pool_info_of(const struct config *cfg, enum override_kind kind, uint32_t i)
{
	const struct config_listener *l = &cfg->listeners[i];
	const struct config_service *s = &cfg->services[i];

	if (kind == OVERRIDE_UPSTREAM)
		return upstream_info(cfg, i);
	if (kind == OVERRIDE_LISTENER)
		return (struct pool_info){l->name, l->backends, l->backend_cnt,
			l->scheduler == LISTENER_MAGLEV ? L7_MAGLEV_SIZE : 0, cfg->service_cnt + i};
	return (struct pool_info){s->name, s->backends, s->backend_cnt,
		s->scheduler == L4_MAGLEV || s->scheduler == L4_SOURCE_HASH ? s->maglev_size : 0,
		i};
}

uint32_t pool_find(const struct config *cfg, enum override_kind kind, const char *name)
{
	for (uint32_t i = 0; i < pool_count(cfg, kind); i++)
		if (strcmp(pool_info_of(cfg, kind, i).name, name) == 0)
			return i;
	return UINT32_MAX;
}

/* What is known now about a backend, wherever it stands in the running configuration. */
static bool known_up(const struct app *app, enum override_kind kind, const char *name,
	const struct config_backend *b, bool *assumed)
{
	uint32_t i = pool_find(app->cfg, kind, name);
	struct pool_info p = {0};

	if (i != UINT32_MAX)
		p = pool_info_of(app->cfg, kind, i);
	for (uint32_t k = 0; k < p.cnt; k++)
		if (p.backends[k].port == b->port && ip_addr_eq(&p.backends[k].addr, &b->addr))
			return health_view_up(&app->view, p.health_idx, k);
	*assumed = true;
	return true;
}

static void fill_row(const struct app *app, enum override_kind kind, const struct pool_info *p,
	uint32_t i, const struct overrides *o, struct share *row)
{
	struct config_backend b = override_apply(o, kind, p->name, &p->backends[i]);

	*row = (struct share){.addr = b.addr, .port = b.port, .weight = b.weight};
	row->usable = known_up(app, kind, p->name, &b, &row->assumed) && b.weight > 0 && !b.drain &&
		      !override_disabled(o, kind, p->name, &p->backends[i]);
}

/* Nodes sorted as the tables want them, and the rows they came from. */
struct picked {
	struct maglev_node node;
	uint32_t row;
};

static int by_node(const void *a, const void *b)
{
	return sched_node_compare(
		&((const struct picked *)a)->node, &((const struct picked *)b)->node);
}

static int build_set(const struct config *cfg, const struct pool_info *p, struct shares *s)
{
	struct siphash_key key = {cfg->l4.hash_seed[0], cfg->l4.hash_seed[1]};
	struct picked *picks = calloc(p->cnt + 1, sizeof(*picks));
	struct maglev_node *nodes = calloc(p->cnt + 1, sizeof(*nodes));
	struct sched_ask ask = {.nodes = nodes, .maglev_size = p->maglev_size};
	int rc = picks == NULL || nodes == NULL ? -ENOMEM : 0;
	uint32_t n = 0;

	for (uint32_t i = 0; rc == 0 && i < s->cnt; i++)
		if (s->rows[i].usable)
			picks[n++] = (struct picked){.node = {.addr = s->rows[i].addr,
							     .port_be = BE16(s->rows[i].port),
							     .weight = s->rows[i].weight},
				.row = i};
	if (rc == 0 && n > 0)
		qsort(picks, n, sizeof(*picks), by_node);
	for (uint32_t i = 0; rc == 0 && i < n; i++) {
		/* Listed twice is one backend. */
		if (ask.node_cnt > 0 &&
			sched_node_compare(&nodes[ask.node_cnt - 1], &picks[i].node) == 0)
			continue;
		s->row_of[ask.node_cnt] = picks[i].row;
		nodes[ask.node_cnt++] = picks[i].node;
	}
	if (rc == 0 && ask.node_cnt > 0)
		rc = sched_set_create(&key, 0, &ask, &s->set);
	free(picks);
	free(nodes);
	return rc;
}

static void fill_shares(struct shares *s)
{
	uint64_t sum = 0;

	if (s->set == NULL)
		return;
	for (uint32_t i = 0; s->set->maglev != NULL && i < s->set->maglev_size; i++)
		s->rows[s->row_of[s->set->maglev[i]]].share += 1.0 / s->set->maglev_size;
	if (s->set->maglev != NULL)
		return;
	for (uint32_t i = 0; i < s->set->node_cnt; i++)
		sum += s->set->nodes[i].weight;
	for (uint32_t i = 0; i < s->set->node_cnt; i++)
		s->rows[s->row_of[i]].share = (double)s->set->nodes[i].weight / (double)sum;
}

int shares_make(const struct app *app, const struct config *cfg, enum override_kind kind,
	uint32_t i, const struct overrides *o, struct shares *out)
{
	struct pool_info p = pool_info_of(cfg, kind, i);
	int rc;

	*out = (struct shares){.cnt = p.cnt};
	out->rows = calloc(p.cnt + 1, sizeof(*out->rows));
	out->row_of = calloc(p.cnt + 1, sizeof(*out->row_of));
	rc = out->rows == NULL || out->row_of == NULL ? -ENOMEM : 0;
	for (uint32_t b = 0; rc == 0 && b < p.cnt; b++)
		fill_row(app, kind, &p, b, o, &out->rows[b]);
	if (rc == 0)
		rc = build_set(cfg, &p, out);
	if (rc != 0) {
		shares_free(out);
		return rc;
	}
	fill_shares(out);
	return 0;
}

void shares_free(struct shares *s)
{
	if (s->set != NULL)
		sched_set_unref(s->set);
	free(s->rows);
	free(s->row_of);
	*s = (struct shares){0};
}

static const struct maglev_node *answer(const struct shares *s, uint64_t hash)
{
	return &s->set->nodes[s->set->maglev[maglev_slot(hash, s->set->maglev_size)]];
}

double shares_moved(const struct shares *a, const struct shares *b)
{
	uint32_t size, moved = 0;

	if (a->set == NULL || b->set == NULL)
		return a->set == b->set ? 0 : 1;
	if (a->set->maglev == NULL || b->set->maglev == NULL)
		return -1;
	/* Tables of two sizes are compared hash by hash, at the middle of each slot of the larger.
	 */
	size = a->set->maglev_size > b->set->maglev_size ? a->set->maglev_size
							 : b->set->maglev_size;
	for (uint32_t i = 0; i < size; i++) {
		uint64_t hash = (((uint64_t)i << 32) + (UINT64_C(1) << 31)) / size << 32;
		const struct maglev_node *x = answer(a, hash), *y = answer(b, hash);

		moved += x->port_be != y->port_be || !ip_addr_eq(&x->addr, &y->addr);
	}
	return (double)moved / size;
}

json_t *shares_json(const struct shares *s)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < s->cnt; i++) {
		char where[API_ENDPOINT_MAX];
		json_t *o = json_pack("{s:s, s:i, s:b, s:f}", "backend",
			api_endpoint(&s->rows[i].addr, s->rows[i].port, where), "weight",
			(int)s->rows[i].weight, "usable", s->rows[i].usable, "share",
			s->rows[i].share);

		if (s->rows[i].assumed)
			json_object_set_new(o, "health", json_string("assumed"));
		json_array_append_new(a, o);
	}
	return a;
}
