/* SPDX-License-Identifier: Apache-2.0
 * Routes that every site has. Their ctx is the site itself. */
#include <errno.h>
#include <stdlib.h>

#include "dataplane/base/reason.h"
#include "lb/admin/admin_http.h"

static void list_routes(json_t *list, const struct admin_route *routes, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		json_t *o = json_object_get(list, routes[i].path);

		/* A path with several methods: the first one's text, and all methods. */
		if (o != NULL) {
			char both[32];

			snprintf(both, sizeof(both), "%s %s",
				json_string_value(json_object_get(o, "method")), routes[i].method);
			json_object_set_new(o, "method", json_string(both));
			continue;
		}
		json_object_set_new(list, routes[i].path,
			json_pack("{s:s, s:s}", "method", routes[i].method, "text",
				routes[i].summary));
	}
}

static int get_index(void *ctx, struct admin_call *c)
{
	const struct admin_site *site = ctx;
	json_t *list = json_object();

	list_routes(list, admin_own_routes, admin_own_route_cnt);
	list_routes(list, site->routes, site->route_cnt);
	return json_object_set_new(c->out, "routes", list) == 0 ? 0 : -ENOMEM;
}

static int get_openapi(void *ctx, struct admin_call *c)
{
	admin_openapi(ctx, c->out);
	return 0;
}

static int get_drop_reasons(void *ctx, struct admin_call *c)
{
	json_t *list = json_object();

	(void)ctx;
	for (unsigned r = REASON_NONE + 1; r < REASON_COUNT; r++)
		json_object_set_new(list, reason_name((enum reason)r),
			json_pack("{s:s, s:s}", "class",
				reason_class((enum reason)r) == 'D' ? "dropped" : "used", "text",
				reason_text((enum reason)r)));
	return json_object_set_new(c->out, "reasons", list) == 0 ? 0 : -ENOMEM;
}

static int get_prometheus(void *ctx, struct admin_call *c)
{
	const struct admin_site *site = ctx;
	FILE *out;

	if (site->metrics == NULL)
		return -ENOENT;
	out = open_memstream(&c->text, &c->text_len);
	if (out == NULL)
		return -ENOMEM;
	metric_write_prometheus(site->metrics, out);
	c->content_type = "text/plain; version=0.0.4; charset=utf-8";
	return fclose(out) == 0 ? 0 : -ENOMEM;
}

static int get_metrics(void *ctx, struct admin_call *c)
{
	const struct admin_site *site = ctx;

	for (uint32_t i = 0; site->metrics != NULL && i < site->metrics->cnt; i++) {
		const struct metric_set *set = site->metrics->sets[i];
		json_t *a = json_array();

		metric_write_json(set, site->metrics->ctx, a);
		json_object_set_new(c->out, set->name, a);
	}
	return 0;
}

static int no_set(const struct metric_list *list, const struct admin_call *c)
{
	char all[400] = "";
	size_t n = 0;

	for (uint32_t i = 0; list != NULL && i < list->cnt && n < sizeof(all); i++)
		n += (size_t)snprintf(all + n, sizeof(all) - n, " %s", list->sets[i]->name);
	return admin_fail(c, -ENOENT, "no statistics '%s'; there are:%s", c->arg, all);
}

static int get_metric_set(void *ctx, struct admin_call *c)
{
	const struct admin_site *site = ctx;
	const struct metric_set *set =
		site->metrics != NULL ? metric_find(site->metrics, c->arg) : NULL;
	json_t *a;

	if (set == NULL)
		return no_set(site->metrics, c);
	a = json_array();
	metric_write_json(set, site->metrics->ctx, a);
	return json_object_set_new(c->out, set->name, a) == 0 ? 0 : -ENOMEM;
}

static const struct admin_param set_params[] = {
	{"set", "path", "string", "name of the statistics, such as workers", true},
	{NULL, NULL, NULL, NULL, false},
};

const struct admin_route admin_own_routes[] = {
	{"GET", "/v1", "this list", get_index, .params = NULL},
	{"GET", "/v1/openapi.json", "the OpenAPI document of this interface", get_openapi,
		.params = NULL},
	{"GET", "/v1/drop-reasons", "what each packet counter means", get_drop_reasons,
		.params = NULL},
	{"GET", "/metrics", "all statistics as Prometheus text", get_prometheus, .params = NULL},
	{"GET", "/v1/metrics", "all statistics", get_metrics, .params = NULL},
	{"GET", "/v1/metrics/{set}", "the statistics of one kind of object", get_metric_set,
		.params = set_params},
};

const uint32_t admin_own_route_cnt = ARRAY_SIZE(admin_own_routes);
