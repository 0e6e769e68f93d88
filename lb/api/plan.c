/* SPDX-License-Identifier: Apache-2.0
 * What another configuration would change: the values that differ, where new flows would go, what
 * becomes of tracked ones, memory, local ports. Nothing is built that the running process uses. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/net/hdr.h"
#include "lb/api/api_pvt.h"
#include "lb/api/shares.h"
#include "lb/config/diff.h"
#include "lb/l4/flow.h"
#include "lb/l4/worker.h"

/* ---- values ---- */

struct differences {
	json_t *list;
	uint32_t cnt, restarts;
};

static void add_difference(void *ctx, const struct config_difference *d)
{
	struct differences *all = ctx;
	json_t *o = json_pack("{s:s, s:s}", "change", config_change_name(d->kind), "path", d->path);

	if (d->from[0] != '\0')
		json_object_set_new(o, "from", json_string(d->from));
	if (d->to[0] != '\0')
		json_object_set_new(o, "to", json_string(d->to));
	if (d->mark.line != 0)
		json_object_set_new(o, "line", json_integer(d->mark.line));
	json_object_set_new(o, "restart", json_boolean(d->restart));
	json_array_append_new(all->list, o);
	all->cnt++;
	all->restarts += d->restart;
}

/* ---- flows ---- */

static uint64_t member_active(const struct app *app, uint32_t member)
{
	uint64_t n = 0;

	for (uint32_t w = 0; member != L4_NONE32 && w < app->worker_cnt; w++)
		n += l4_worker_member_active(pipeline_l4(app->pipes[w]), member);
	return n;
}

static bool has_backend(const struct config_service *s, const struct config_backend *b)
{
	for (uint32_t i = 0; s != NULL && i < s->backend_cnt; i++)
		if (s->backends[i].port == b->port && ip_addr_eq(&s->backends[i].addr, &b->addr))
			return true;
	return false;
}

/* Tracked flows of cur, and those on backends that next no longer has. */
static void count_flows(const struct app *app, const struct config_service *cur,
	const struct config_service *next, json_t *o)
{
	uint16_t id = l4_service_find(app->cur->l4, cur->name);
	uint64_t active = 0, ending = 0;

	for (uint32_t i = 0; id != L4_NONE16 && i < cur->backend_cnt; i++) {
		const struct config_backend *b = &cur->backends[i];
		uint64_t n = member_active(
			app, l4_member_find(app->cur->l4, id, &b->addr, BE16(b->port)));

		active += n;
		if (!has_backend(next, b) || next->mode != cur->mode)
			ending += n;
	}
	json_object_set_new(o, "active_flows", json_integer((json_int_t)active));
	json_object_set_new(o, "ending_flows", json_integer((json_int_t)ending));
}

/* ---- services and listeners ---- */

struct pool_ref {
	enum override_kind kind;
	const struct config *cfg;
	uint32_t i;
};

static const char *pool_name(const struct pool_ref *p)
{
	return pool_info_of(p->cfg, p->kind, p->i).name;
}

static bool pool_ref_find(
	const struct config *cfg, enum override_kind kind, const char *name, struct pool_ref *out)
{
	*out = (struct pool_ref){kind, cfg, pool_find(cfg, kind, name)};
	return out->i != UINT32_MAX;
}

/* Differences below "services[NAME]" or "listeners[NAME]". */
static bool touched(const struct differences *d, enum override_kind kind, const char *name)
{
	char prefix[LIMIT_NAME + 32];
	json_t *o;
	size_t i, len;

	len = (size_t)snprintf(prefix, sizeof(prefix), "%ss[%s]", override_kind_name(kind), name);
	json_array_foreach(d->list, i, o)
	{
		if (strncmp(json_string_value(json_object_get(o, "path")), prefix, len) == 0)
			return true;
	}
	return false;
}

static int pool_shares(const struct app *app, const struct pool_ref *cur,
	const struct pool_ref *next, json_t *o, uint64_t *bytes)
{
	static const struct overrides none;
	struct shares before = {0}, after = {0};
	double moved;
	int rc = 0;

	if (cur != NULL)
		rc = shares_make(app, cur->cfg, cur->kind, cur->i, &app->overrides, &before);
	if (rc == 0)
		rc = shares_make(app, next->cfg, next->kind, next->i, &none, &after);
	if (rc == 0) {
		json_object_set_new(o, "backends", shares_json(&after));
		*bytes += after.set != NULL ? after.set->bytes : 0;
	}
	if (rc == 0 && cur != NULL) {
		moved = shares_moved(&before, &after);
		json_object_set_new(o, "moved", moved >= 0 ? json_real(moved) : json_null());
	}
	shares_free(&before);
	shares_free(&after);
	return rc;
}

/* Full NAT: connections that fit towards one backend, and the most that one has now. */
static void add_ports(
	const struct app *app, const struct config *next, const struct config_service *s, json_t *o)
{
	uint64_t least = UINT64_MAX;
	uint16_t id = l4_service_find(app->cur->l4, s->name), lo, hi;

	if (s->mode != L4_FULLNAT)
		return;
	l4_flow_ports(next, &lo, &hi);
	for (uint32_t i = 0; i < s->backend_cnt; i++) {
		const struct config_backend *b = &s->backends[i];
		uint64_t room = (uint64_t)l4_service_locals(next, s, ip_addr_is4(&b->addr)) *
				((uint64_t)(hi - lo) + 1);
		uint64_t used = id == L4_NONE16
					? 0
					: member_active(app, l4_member_find(app->cur->l4, id,
								     &b->addr, BE16(b->port)));

		if (room - (used < room ? used : room) < least)
			least = room - (used < room ? used : room);
	}
	json_object_set_new(
		o, "port_headroom", json_integer((json_int_t)(least == UINT64_MAX ? 0 : least)));
}

static int plan_pools(struct app *app, const struct config *next, enum override_kind kind,
	const struct differences *d, json_t *out, uint64_t *bytes)
{
	const struct config *cur = app->cfg;
	uint32_t cnt = pool_count(next, kind);
	struct pool_ref a, b;
	int rc = 0;

	for (b = (struct pool_ref){kind, next, 0}; rc == 0 && b.i < cnt; b.i++) {
		const char *name = pool_name(&b);
		bool old = pool_ref_find(cur, kind, name, &a);
		json_t *o = json_object();

		json_object_set_new(o, "name", json_string(name));
		json_object_set_new(o, "change",
			json_string(!old                     ? "added"
				    : touched(d, kind, name) ? "changed"
							     : "unchanged"));
		rc = pool_shares(app, old ? &a : NULL, &b, o, bytes);
		if (rc == 0 && kind == OVERRIDE_SERVICE) {
			if (old)
				count_flows(app, &cur->services[a.i], &next->services[b.i], o);
			add_ports(app, next, &next->services[b.i], o);
		}
		json_array_append_new(out, o);
	}
	cnt = pool_count(cur, kind);
	for (a = (struct pool_ref){kind, cur, 0}; rc == 0 && a.i < cnt; a.i++) {
		json_t *o;

		if (pool_ref_find(next, kind, pool_name(&a), &b))
			continue;
		o = json_pack("{s:s, s:s}", "name", pool_name(&a), "change", "removed");
		if (kind == OVERRIDE_SERVICE)
			count_flows(app, &cur->services[a.i], NULL, o);
		json_array_append_new(out, o);
	}
	return rc;
}

static void add_memory(
	const struct app *app, const struct config *next, uint64_t tables, json_t *out)
{
	const struct config *cfgs[] = {app->cfg, next};
	json_t *m = json_object();

	for (int i = 0; i < 2; i++) {
		const struct config_memory *c = &cfgs[i]->memory;
		uint64_t flows =
			(flow_table_bytes(c->flows, false) + flow_table_bytes(c->nat_flows, true)) *
			cfgs[i]->workers.count;

		json_object_set_new(m, i == 0 ? "packets_now" : "packets",
			json_integer((json_int_t)app_memory_need(cfgs[i])));
		json_object_set_new(
			m, i == 0 ? "flows_now" : "flows", json_integer((json_int_t)flows));
	}
	json_object_set_new(m, "scheduler_tables", json_integer((json_int_t)tables));
	json_object_set_new(out, "memory", m);
}

int api_plan(struct app *app, struct config *next, json_t *out)
{
	struct differences d = {.list = json_array()};
	json_t *pools[OVERRIDE_KINDS];
	uint64_t bytes = 0;
	int rc = app_resolve_preview(app, next);

	config_diff(app->cfg, next, add_difference, &d);
	for (int k = 0; k < OVERRIDE_KINDS; k++)
		pools[k] = json_array();
	for (int k = 0; rc == 0 && k < OVERRIDE_KINDS; k++)
		rc = plan_pools(app, next, (enum override_kind)k, &d, pools[k], &bytes);
	json_object_set_new(out, "changes", json_boolean(d.cnt > 0));
	json_object_set_new(out, "needs_restart", json_boolean(d.restarts > 0));
	json_object_set_new(out, "overrides_lost", json_integer((json_int_t)app->overrides.cnt));
	json_object_set_new(out, "differences", d.list);
	json_object_set_new(out, "services", pools[OVERRIDE_SERVICE]);
	json_object_set_new(out, "listeners", pools[OVERRIDE_LISTENER]);
	json_object_set_new(out, "upstreams", pools[OVERRIDE_UPSTREAM]);
	add_memory(app, next, bytes, out);
	return rc;
}

int api_parse_config(const struct admin_call *c, const char *name, const char *text, size_t len,
	struct config **out)
{
	char *said = NULL;
	size_t said_len;
	FILE *err = open_memstream(&said, &said_len);
	int rc;

	*out = NULL;
	if (err == NULL)
		return -ENOMEM;
	rc = config_parse(name, text, len, err, out);
	fclose(err);
	json_object_set_new(c->out, "messages", json_string(said != NULL ? said : ""));
	free(said);
	return rc < 0 ? admin_fail(c, -EINVAL, "the configuration has %d errors", -rc) : 0;
}

int api_post_plan(void *ctx, struct admin_call *c)
{
	struct app *app = ((struct api *)ctx)->app;
	const char *name = admin_query(c, "name");
	struct config *next;
	int rc = api_parse_config(c, name != NULL ? name : "weir.yaml",
		c->req->body != NULL ? c->req->body : "", c->req->body_len, &next);

	if (rc != 0)
		return rc;
	rc = api_plan(app, next, c->out);
	config_free(next);
	return rc;
}

const struct admin_param api_plan_params[] = {
	{"name", "query", "string", "what messages call the file", false},
	{NULL, NULL, NULL, NULL, false},
};
