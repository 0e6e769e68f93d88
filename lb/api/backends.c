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

static void add_pool(const struct app *app, enum override_kind kind, const char *pool,
	const struct config_backend *all, uint32_t cnt, uint32_t health_idx, json_t *out)
{
	for (uint32_t i = 0; i < cnt; i++) {
		struct config_backend b = override_apply(&app->overrides, kind, pool, &all[i]);
		char where[API_ENDPOINT_MAX];
		json_t *o = json_object();

		json_object_set_new(o, "kind", json_string(override_kind_name(kind)));
		json_object_set_new(o, "pool", json_string(pool));
		json_object_set_new(
			o, "backend", json_string(api_endpoint(&b.addr, b.port, where)));
		json_object_set_new(o, "state",
			json_string(state_of(&b,
				override_disabled(&app->overrides, kind, pool, &all[i]),
				health_view_up(&app->view, health_idx, i))));
		json_object_set_new(o, "weight", json_integer(b.weight));
		add_said(app, kind, pool, &all[i], o);
		json_array_append_new(out, o);
	}
}

/* The statistics of a set, by pool and backend, beside the rows that name them. */
static void add_figures(
	struct app *app, const struct metric_set *set, const char *kind, json_t *rows)
{
	static const char *const keys[] = {"active", "flows", "connects", "packets", "bytes",
		"back_bytes", "bytes_in", "bytes_out", "port_headroom"};
	json_t *a = json_array(), *m, *row;
	size_t i, at = 0;

	metric_write_json(set, app, a);
	json_array_foreach(a, i, m)
	{
		const char *pool = json_string_value(json_object_get(m, set->labels[0]));
		const char *backend = json_string_value(json_object_get(m, "backend"));

		/* Both lists stand in the order of the configuration. */
		for (; at < json_array_size(rows); at++) {
			row = json_array_get(rows, at);
			if (strcmp(json_string_value(json_object_get(row, "kind")), kind) == 0 &&
				strcmp(json_string_value(json_object_get(row, "pool")), pool) ==
					0 &&
				strcmp(json_string_value(json_object_get(row, "backend")),
					backend) == 0)
				break;
		}
		row = json_array_get(rows, at);
		for (size_t k = 0; row != NULL && k < ARRAY_SIZE(keys); k++)
			if (json_object_get(m, keys[k]) != NULL)
				json_object_set(row, keys[k], json_object_get(m, keys[k]));
	}
	json_decref(a);
}

int api_get_backends(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	const struct config *cfg = app->cfg;
	json_t *rows = json_array();

	for (uint32_t i = 0; i < cfg->service_cnt; i++)
		add_pool(app, OVERRIDE_SERVICE, cfg->services[i].name, cfg->services[i].backends,
			cfg->services[i].backend_cnt, i, rows);
	for (uint32_t i = 0; i < cfg->listener_cnt; i++)
		add_pool(app, OVERRIDE_LISTENER, cfg->listeners[i].name, cfg->listeners[i].backends,
			cfg->listeners[i].backend_cnt, cfg->service_cnt + i, rows);
	add_figures(app, &metrics_backends, "service", rows);
	add_figures(app, &metrics_listener_backends, "listener", rows);
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

static bool find_pool(const struct config *cfg, struct target *t,
	const struct config_backend **backends, uint32_t *cnt)
{
	for (t->idx = 0; t->kind == OVERRIDE_SERVICE && t->idx < cfg->service_cnt; t->idx++)
		if (strcmp(cfg->services[t->idx].name, t->pool) == 0) {
			*backends = cfg->services[t->idx].backends;
			*cnt = cfg->services[t->idx].backend_cnt;
			return true;
		}
	for (t->idx = 0; t->kind == OVERRIDE_LISTENER && t->idx < cfg->listener_cnt; t->idx++)
		if (strcmp(cfg->listeners[t->idx].name, t->pool) == 0) {
			*backends = cfg->listeners[t->idx].backends;
			*cnt = cfg->listeners[t->idx].backend_cnt;
			return true;
		}
	return false;
}

static int find_target(const struct app *app, const struct admin_call *c, struct target *t)
{
	const char *service = admin_text(c, "service"), *listener = admin_text(c, "listener");
	const char *where = admin_text(c, "backend"), *port = NULL;
	const struct config_backend *backends = NULL;
	char why[VALUE_WHY];
	struct ip_addr addr;
	uint32_t cnt = 0;

	if ((service != NULL) == (listener != NULL))
		return admin_fail(c, -EINVAL, "one of service and listener is needed");
	t->kind = service != NULL ? OVERRIDE_SERVICE : OVERRIDE_LISTENER;
	t->pool = service != NULL ? service : listener;
	if (!find_pool(app->cfg, t, &backends, &cnt))
		return admin_fail(
			c, -ENOENT, "no %s '%.60s'", override_kind_name(t->kind), t->pool);
	if (value_endpoint(where, &addr, &port, why) != 0)
		return admin_fail(c, -EINVAL, "backend: %s", why);
	t->backend = find_backend(backends, cnt, &addr, port);
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
	json_object_set_new(c->out, "changed", json_boolean(rc == 0 && !admin_dry_run(c)));
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
	{"backend", "body", "string", "address, or address and port, of the backend", true},
	{NULL, NULL, NULL, NULL, false},
};

const struct admin_param api_weight_params[] = {
	{"service", "body", "string", "name of a layer 4 service", false},
	{"listener", "body", "string", "name of a listener", false},
	{"backend", "body", "string", "address, or address and port, of the backend", true},
	{"weight", "body", "integer", "share of new flows; 0: drain", true},
	{NULL, NULL, NULL, NULL, false},
};
