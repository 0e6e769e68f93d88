/* SPDX-License-Identifier: Apache-2.0
 * A set is one piece of memory: the table of pools, then the backends of all of them. */
#include "lb/config/resolved.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/config/config_upstream.h"

struct config_resolved {
	uint32_t pool_cnt, row_cnt, left_out;
	struct config_backend *rows;
	struct resolved_pool {
		uint32_t first, cnt;
		bool resolving;
	} pools[];
};

struct pool_ref {
	struct config_backend **backends;
	uint32_t *cnt;
	bool *resolving; /* NULL: nobody asks */
	struct config_backend *written;
	uint32_t written_cnt;
};

static struct pool_ref pool_at(const struct config *cfg, uint32_t i)
{
	struct config_upstream *u;

	if (i < cfg->listener_cnt) {
		struct config_listener *l = &cfg->listeners[i];

		return (struct pool_ref){
			&l->backends, &l->backend_cnt, NULL, l->written, l->written_cnt};
	}
	u = &cfg->upstreams[i - cfg->listener_cnt];
	return (struct pool_ref){
		&u->backends, &u->backend_cnt, &u->resolving, u->written, u->written_cnt};
}

static uint32_t pool_count(const struct config *cfg)
{
	return cfg->listener_cnt + cfg->upstream_cnt;
}

bool config_has_names(const struct config *cfg)
{
	for (uint32_t i = 0; i < pool_count(cfg); i++) {
		struct pool_ref p = pool_at(cfg, i);

		for (uint32_t b = 0; b < p.written_cnt; b++)
			if (p.written[b].host != NULL)
				return true;
	}
	return false;
}

static bool is_there(
	const struct config_backend *rows, uint32_t cnt, const struct config_backend *b)
{
	for (uint32_t i = 0; i < cnt; i++)
		if (rows[i].port == b->port && ip_addr_eq(&rows[i].addr, &b->addr))
			return true;
	return false;
}

/* rows NULL: only count, duplicates too. */
static uint32_t fill_pool(const struct pool_ref *p, resolved_find_fn *find, void *ctx,
	struct config_backend *rows, struct resolved_pool *out, uint32_t *left_out)
{
	uint32_t n = 0;

	for (uint32_t b = 0; b < p->written_cnt; b++)
		if (p->written[b].host == NULL) {
			if (rows != NULL)
				rows[n] = p->written[b];
			n++;
		}
	for (uint32_t b = 0; b < p->written_cnt; b++) {
		struct config_backend row = p->written[b];
		struct resolved_name name;

		if (row.host == NULL)
			continue;
		name = find(ctx, row.host);
		if (out != NULL && !name.asked)
			out->resolving = true;
		for (uint32_t a = 0; a < name.cnt; a++) {
			row.addr = name.addrs[a];
			if (rows != NULL && is_there(rows, n, &row))
				continue;
			if (rows != NULL && n >= LIMIT_SERVICE_BACKENDS) {
				(*left_out)++;
				continue;
			}
			if (rows != NULL)
				rows[n] = row;
			n++;
		}
	}
	return n;
}

int config_resolved_make(
	const struct config *cfg, resolved_find_fn *find, void *ctx, struct config_resolved **out)
{
	uint32_t pools = pool_count(cfg), cnt;
	size_t head = sizeof(struct config_resolved) + pools * sizeof(struct resolved_pool),
	       rows = 1;
	struct config_resolved *set;

	for (uint32_t i = 0; i < pools; i++) {
		struct pool_ref p = pool_at(cfg, i);

		cnt = fill_pool(&p, find, ctx, NULL, NULL, NULL);
		rows += cnt < LIMIT_SERVICE_BACKENDS ? cnt : LIMIT_SERVICE_BACKENDS;
	}
	head = (head + 15) & ~(size_t)15;
	set = calloc(1, head + rows * sizeof(struct config_backend));
	*out = set;
	if (set == NULL)
		return -ENOMEM;
	set->pool_cnt = pools;
	set->rows = (struct config_backend *)(void *)((char *)set + head);
	for (uint32_t i = 0; i < pools; i++) {
		struct pool_ref p = pool_at(cfg, i);
		struct resolved_pool *o = &set->pools[i];

		o->first = set->row_cnt;
		o->cnt = fill_pool(&p, find, ctx, set->rows + o->first, o, &set->left_out);
		o->resolving = o->resolving && o->cnt == 0;
		set->row_cnt += o->cnt;
	}
	return 0;
}

struct config_resolved *config_resolved_use(struct config *cfg, struct config_resolved *set)
{
	struct config_resolved *before = cfg->resolved;

	for (uint32_t i = 0; i < pool_count(cfg); i++) {
		struct pool_ref p = pool_at(cfg, i);

		*p.backends = set != NULL ? set->rows + set->pools[i].first : p.written;
		*p.cnt = set != NULL ? set->pools[i].cnt : p.written_cnt;
		if (p.resolving != NULL)
			*p.resolving = set != NULL && set->pools[i].resolving;
	}
	cfg->resolved = set;
	return before;
}

bool config_resolved_equal(const struct config_resolved *a, const struct config_resolved *b)
{
	if (a == NULL || b == NULL || a->pool_cnt != b->pool_cnt || a->row_cnt != b->row_cnt)
		return false;
	for (uint32_t i = 0; i < a->pool_cnt; i++)
		if (a->pools[i].cnt != b->pools[i].cnt ||
			a->pools[i].resolving != b->pools[i].resolving)
			return false;
	for (uint32_t i = 0; i < a->row_cnt; i++)
		if (a->rows[i].port != b->rows[i].port || a->rows[i].host != b->rows[i].host ||
			!ip_addr_eq(&a->rows[i].addr, &b->rows[i].addr))
			return false;
	return true;
}

uint32_t config_resolved_left_out(const struct config_resolved *set)
{
	return set->left_out;
}
