/* SPDX-License-Identifier: Apache-2.0
 * Backends of all pools: what they carry, and what an operator does to one of them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lb/api/api_pvt.h"
#include "lb/api/shares.h"
#include "lb/config/values.h"

/* ---- GET /v1/backends ---- */

static void add_said(const struct app *app, enum override_kind kind, const char *pool,
	const struct config_backend *b, json_t *o)
{
	const struct override *r = override_find(&app->overrides, kind, pool, &b->addr, b->port);

	json_object_set_new(o, "override",
		json_string(r == NULL     ? ""
			    : r->disabled ? "disabled"
			    : r->drain    ? "drain"
					  : "weight"));
}

static const char *state_of(const struct config_backend *b, bool disabled, bool up)
{
	if (disabled)
		return "disabled";
	if (b->drain || b->weight == 0)
		return "drain";
	return up ? "up" : "down";
}

static void add_pool(const struct app *app, enum override_kind kind, uint32_t i, json_t *out)
{
	struct pool_info p = pool_info_of(app->cfg, kind, i);

	for (uint32_t k = 0; k < p.cnt; k++) {
		struct config_backend b =
			override_apply(&app->overrides, kind, p.name, &p.backends[k]);
		char where[API_ENDPOINT_MAX];
		json_t *o = json_object();

		json_object_set_new(o, "kind", json_string(override_kind_name(kind)));
		json_object_set_new(o, "pool", json_string(p.name));
		json_object_set_new(
			o, "backend", json_string(api_endpoint(&b.addr, b.port, where)));
		if (b.host != NULL)
			json_object_set_new(o, "name", json_sprintf("%s#%s", b.host, where));
		json_object_set_new(o, "state",
			json_string(state_of(&b,
				override_disabled(&app->overrides, kind, p.name, &p.backends[k]),
				health_view_up(&app->view, p.health_idx, k))));
		json_object_set_new(o, "weight", json_integer(b.weight));
		add_said(app, kind, p.name, &p.backends[k], o);
		json_array_append_new(out, o);
	}
}

/* The statistics of a set, by pool and backend, beside the rows that name them. */
static void add_figures(
	struct app *app, const struct metric_set *set, const char *kind, json_t *rows)
{
	static const char *const keys[] = {"active", "flows", "connects", "packets", "bytes",
		"back_bytes", "bytes_in", "bytes_out", "port_headroom", "requests", "conns",
		"latency_ns"};
	json_t *a = json_array(), *m, *row;
	size_t i, at = 0, from;

	metric_write_json(set, app, a);
	json_array_foreach(a, i, m)
	{
		const char *pool = json_string_value(json_object_get(m, set->labels[0]));
		const char *backend = json_string_value(json_object_get(m, set->labels[1]));

		/* Both lists stand in the order of the configuration; rows may be of one pool
		 * alone. */
		for (from = at; at < json_array_size(rows); at++) {
			row = json_array_get(rows, at);
			if (strcmp(json_string_value(json_object_get(row, "kind")), kind) == 0 &&
				strcmp(json_string_value(json_object_get(row, "pool")), pool) ==
					0 &&
				strcmp(json_string_value(json_object_get(row, "backend")),
					backend) == 0)
				break;
		}
		row = json_array_get(rows, at);
		if (row == NULL)
			at = from;
		for (size_t k = 0; row != NULL && k < ARRAY_SIZE(keys); k++)
			if (json_object_get(m, keys[k]) != NULL)
				json_object_set(row, keys[k], json_object_get(m, keys[k]));
	}
	json_decref(a);
}

json_t *api_pool_json(struct app *app, enum override_kind kind, const char *pool)
{
	static const struct metric_set *const sets[] = {[OVERRIDE_SERVICE] = &metrics_backends,
		[OVERRIDE_LISTENER] = &metrics_listener_backends,
		[OVERRIDE_UPSTREAM] = &metrics_upstream_servers};
	uint32_t i = pool_find(app->cfg, kind, pool);
	json_t *rows = json_array();

	if (i == UINT32_MAX)
		return rows;
	add_pool(app, kind, i, rows);
	add_figures(app, sets[kind], override_kind_name(kind), rows);
	return rows;
}

int api_get_backends(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	json_t *rows = json_array();

	for (int kind = 0; kind < OVERRIDE_KINDS; kind++)
		for (uint32_t i = 0; i < pool_count(app->cfg, (enum override_kind)kind); i++)
			add_pool(app, (enum override_kind)kind, i, rows);
	add_figures(app, &metrics_backends, "service", rows);
	add_figures(app, &metrics_listener_backends, "listener", rows);
	add_figures(app, &metrics_upstream_servers, "upstream", rows);
	return json_object_set_new(c->out, "backends", rows) == 0 ? 0 : -ENOMEM;
}

/* ---- POST /v1/backends/... ---- */

struct target {
	enum override_kind kind;
	const char *pool;
	uint32_t idx; /* of the pool */
	const struct config_backend *backend;
};

static const struct config_backend *find_backend(const struct config_backend *all, uint32_t cnt,
	const struct ip_addr *addr, const char *port)
{
	const struct config_backend *found = NULL;

	for (uint32_t i = 0; i < cnt; i++) {
		if (!ip_addr_eq(&all[i].addr, addr) ||
			(port != NULL && strtoul(port, NULL, 10) != all[i].port))
			continue;
		/* Without a port it must be the only one of that address. */
		if (found != NULL && found->port != all[i].port)
			return NULL;
		found = &all[i];
	}
	return found;
}

/* The one pool that a request names. */
static int named_pool(const struct admin_call *c, struct target *t)
{
	int cnt = 0;

	for (int kind = 0; kind < OVERRIDE_KINDS; kind++) {
		const char *name = admin_text(c, override_kind_name((enum override_kind)kind));

		if (name == NULL)
			continue;
		t->kind = (enum override_kind)kind;
		t->pool = name;
		cnt++;
	}
	return cnt == 1 ? 0
			: admin_fail(c, -EINVAL, "one of service, listener and upstream is needed");
}

static int find_target(const struct app *app, const struct admin_call *c, struct target *t)
{
	const char *where = admin_text(c, "backend"), *port = NULL;
	struct pool_info p;
	char why[VALUE_WHY];
	struct ip_addr addr;
	int rc = named_pool(c, t);

	if (rc != 0)
		return rc;
	t->idx = pool_find(app->cfg, t->kind, t->pool);
	if (t->idx == UINT32_MAX)
		return admin_fail(
			c, -ENOENT, "no %s '%.60s'", override_kind_name(t->kind), t->pool);
	p = pool_info_of(app->cfg, t->kind, t->idx);
	if (value_endpoint(where, &addr, &port, why) != 0)
		return admin_fail(c, -EINVAL, "backend: %s", why);
	t->backend = find_backend(p.backends, p.cnt, &addr, port);
	if (t->backend == NULL)
		return admin_fail(c, -ENOENT,
			"no backend '%.60s', or several of that address: name its port", where);
	return 0;
}

/* The rows that there would be. */
static int copy_with(const struct overrides *now, const struct override *row, struct overrides *out)
{
	*out = (struct overrides){0};
	for (uint32_t i = 0; i < now->cnt; i++) {
		int rc = override_set(out, &now->rows[i]);

		if (rc != 0)
			return rc;
	}
	return override_set(out, row);
}

static int predict(const struct app *app, const struct target *t, const struct override *row,
	struct admin_call *c)
{
	struct overrides next;
	struct shares before = {0}, after = {0};
	int rc = copy_with(&app->overrides, row, &next);

	if (rc == 0)
		rc = shares_make(app, app->cfg, t->kind, t->idx, &app->overrides, &before);
	if (rc == 0)
		rc = shares_make(app, app->cfg, t->kind, t->idx, &next, &after);
	if (rc == 0) {
		double moved = shares_moved(&before, &after);

		json_object_set_new(c->out, "before", shares_json(&before));
		json_object_set_new(c->out, "after", shares_json(&after));
		json_object_set_new(c->out, "moved", moved >= 0 ? json_real(moved) : json_null());
	}
	shares_free(&before);
	shares_free(&after);
	overrides_clear(&next);
	return rc;
}

static int change(
	void *ctx, struct admin_call *c, void (*edit)(struct override *row, uint64_t n), uint64_t n)
{
	struct app *app = ((struct api *)ctx)->app;
	const struct override *old;
	struct override row = {0};
	struct target t = {0};
	int rc = find_target(app, c, &t);

	if (rc != 0)
		return rc;
	old = override_find(&app->overrides, t.kind, t.pool, &t.backend->addr, t.backend->port);
	if (old != NULL)
		row = *old;
	row.kind = t.kind;
	snprintf(row.pool, sizeof(row.pool), "%s", t.pool);
	row.addr = t.backend->addr;
	row.port = t.backend->port;
	edit(&row, n);
	rc = predict(app, &t, &row, c);
	if (rc == 0 && !admin_dry_run(c))
		rc = app_override(app, &row);
	return rc;
}

static void edit_drain(struct override *row, uint64_t n)
{
	(void)n;
	row->drain = true;
	row->disabled = false;
}

static void edit_disable(struct override *row, uint64_t n)
{
	(void)n;
	row->disabled = true;
	row->drain = false;
}

/* As the configuration has it. */
static void edit_enable(struct override *row, uint64_t n)
{
	(void)n;
	row->disabled = row->drain = row->weight_given = false;
}

static void edit_weight(struct override *row, uint64_t n)
{
	row->weight_given = true;
	row->weight = (uint16_t)n;
}

int api_post_drain(void *ctx, struct admin_call *c)
{
	return change(ctx, c, edit_drain, 0);
}

int api_post_disable(void *ctx, struct admin_call *c)
{
	return change(ctx, c, edit_disable, 0);
}

int api_post_enable(void *ctx, struct admin_call *c)
{
	return change(ctx, c, edit_enable, 0);
}

int api_post_weight(void *ctx, struct admin_call *c)
{
	uint64_t n = 0;
	int rc = admin_number(c, "weight", 0, LIMIT_WEIGHT, &n);

	return rc < 0 ? rc : change(ctx, c, edit_weight, n);
}

/* ---- GET /v1/overrides ---- */

int api_get_overrides(void *ctx, struct admin_call *c)
{
	const struct app *app = ((struct api *)ctx)->app;
	json_t *a = json_array();

	for (uint32_t i = 0; i < app->overrides.cnt; i++) {
		const struct override *r = &app->overrides.rows[i];
		char where[API_ENDPOINT_MAX];

		json_array_append_new(
			a, json_pack("{s:s, s:s, s:s, s:b, s:b, s:o}", "kind",
				   override_kind_name(r->kind), "pool", r->pool, "backend",
				   api_endpoint(&r->addr, r->port, where), "drain", r->drain,
				   "disabled", r->disabled, "weight",
				   r->weight_given ? json_integer(r->weight) : json_null()));
	}
	return json_object_set_new(c->out, "overrides", a) == 0 ? 0 : -ENOMEM;
}

const struct admin_param api_backend_params[] = {
	{"service", "body", "string", "name of a layer 4 service", false},
	{"listener", "body", "string", "name of a listener", false},
	{"upstream", "body", "string", "name of a pool of HTTP servers", false},
	{"backend", "body", "string", "address, or address and port, of the backend", true},
	{NULL, NULL, NULL, NULL, false},
};

const struct admin_param api_weight_params[] = {
	{"service", "body", "string", "name of a layer 4 service", false},
	{"listener", "body", "string", "name of a listener", false},
	{"upstream", "body", "string", "name of a pool of HTTP servers", false},
	{"backend", "body", "string", "address, or address and port, of the backend", true},
	{"weight", "body", "integer", "share of new flows; 0: drain", true},
	{NULL, NULL, NULL, NULL, false},
};
