/* SPDX-License-Identifier: Apache-2.0
 * The OpenAPI 3.0 document, made of the routes and of the tables of statistics: what is described
 * is what runs. */
#include <ctype.h>
#include <string.h>

#include "lb/admin/admin_http.h"

static json_t *schema_of(const char *type)
{
	return json_pack("{s:s}", "type", type);
}

static json_t *parameter(
	const char *name, const char *in, const char *type, const char *help, bool required)
{
	return json_pack("{s:s, s:s, s:b, s:s, s:o}", "name", name, "in", in, "required", required,
		"description", help, "schema", schema_of(type));
}

static json_t *parameters(const struct admin_route *r)
{
	json_t *a = json_array();

	for (const struct admin_param *p = r->params; p != NULL && p->name != NULL; p++)
		if (strcmp(p->in, "body") != 0)
			json_array_append_new(
				a, parameter(p->name, p->in, p->type, p->help, p->required));
	if (r->flags & ADMIN_DRY_RUN)
		json_array_append_new(
			a, parameter("dry_run", "query", "boolean",
				   "say what would change, and change nothing", false));
	return a;
}

static json_t *body_of(const struct admin_route *r)
{
	json_t *props = json_object(), *required = json_array(), *schema;

	if (r->flags & ADMIN_RAW_BODY) {
		json_decref(props);
		json_decref(required);
		return json_pack(
			"{s:{s:{s:o}}}", "content", "text/plain", "schema", schema_of("string"));
	}
	for (const struct admin_param *p = r->params; p != NULL && p->name != NULL; p++) {
		if (strcmp(p->in, "body") != 0)
			continue;
		json_object_set_new(props, p->name,
			json_pack("{s:s, s:s}", "type", p->type, "description", p->help));
		if (p->required)
			json_array_append_new(required, json_string(p->name));
	}
	if (json_object_size(props) == 0) {
		json_decref(props);
		json_decref(required);
		return NULL;
	}
	schema = json_pack("{s:s, s:o, s:b}", "type", "object", "properties", props,
		"additionalProperties", 0);
	if (json_array_size(required) > 0)
		json_object_set(schema, "required", required);
	json_decref(required);
	return json_pack("{s:{s:{s:o}}}", "content", "application/json", "schema", schema);
}

static json_t *error_answer(const char *text)
{
	return json_pack("{s:s, s:{s:{s:{s:s}}}}", "description", text, "content",
		"application/json", "schema", "$ref", "#/components/schemas/error");
}

static json_t *answers(const struct admin_route *r)
{
	char done[16];
	json_t *o = json_object();

	snprintf(done, sizeof(done), "%u", r->done != 0 ? r->done : 200);
	json_object_set_new(o, done, json_pack("{s:s}", "description", r->summary));
	json_object_set_new(o, "401", error_answer("the token is missing or wrong"));
	json_object_set_new(o, "403", error_answer("refused"));
	if (strcmp(r->method, "GET") != 0 || r->params != NULL)
		json_object_set_new(o, "422", error_answer("an argument is wrong"));
	return o;
}

/* get_v1_metrics_set */
static void operation_id(const struct admin_route *r, char out[80])
{
	size_t n = 0;

	for (const char *p = r->method; *p != '\0' && n < 78; p++)
		out[n++] = (char)tolower((unsigned char)*p);
	for (const char *p = r->path; *p != '\0' && n < 78; p++)
		if (isalnum((unsigned char)*p))
			out[n++] = *p;
		else if (n > 0 && out[n - 1] != '_')
			out[n++] = '_';
	while (n > 0 && out[n - 1] == '_')
		n--;
	out[n] = '\0';
}

static void add_paths(json_t *paths, const struct admin_route *routes, uint32_t cnt)
{
	for (uint32_t i = 0; i < cnt; i++) {
		const struct admin_route *r = &routes[i];
		json_t *path = json_object_get(paths, r->path), *op = json_object(), *body;
		char id[80], method[8] = "";

		for (size_t k = 0; k + 1 < sizeof(method) && r->method[k] != '\0'; k++)
			method[k] = (char)tolower((unsigned char)r->method[k]);
		if (path == NULL) {
			path = json_object();
			json_object_set_new(paths, r->path, path);
		}
		operation_id(r, id);
		json_object_set_new(op, "operationId", json_string(id));
		json_object_set_new(op, "summary", json_string(r->summary));
		json_object_set_new(op, "parameters", parameters(r));
		body = body_of(r);
		if (body != NULL)
			json_object_set_new(op, "requestBody", body);
		json_object_set_new(op, "responses", answers(r));
		json_object_set_new(path, method, op);
	}
}

static json_t *set_schema(const struct metric_set *set)
{
	json_t *props = json_object(), *o;
	char exported[160];

	for (uint32_t l = 0; l < METRIC_LABELS && set->labels[l] != NULL; l++)
		json_object_set_new(props, set->labels[l], schema_of("string"));
	for (uint32_t i = 0; i < set->row_cnt; i++) {
		const struct metric_row *r = &set->rows[i];
		const char *type = r->type == METRIC_HISTOGRAM ? "object"
				   : r->value == METRIC_F64    ? "number"
							       : "integer";

		o = json_pack("{s:s, s:s}", "type", type, "description", r->help);
		metric_full_name(set, r, exported, sizeof(exported));
		json_object_set_new(o, "x-prometheus", json_string(exported));
		json_object_set_new(props, r->key, o);
	}
	return json_pack("{s:s, s:o}", "type", "object", "properties", props);
}

void admin_openapi(const struct admin_site *site, json_t *out)
{
	json_t *paths = json_object(), *schemas = json_object();

	json_object_set_new(out, "openapi", json_string("3.0.3"));
	json_object_set_new(out, "info",
		json_pack("{s:s, s:s, s:s}", "title", "weir", "version", site->version,
			"description",
			"Control interface of a running weir. Unknown arguments are refused; "
			"changes over HTTP need the token."));
	add_paths(paths, admin_own_routes, admin_own_route_cnt);
	add_paths(paths, site->routes, site->route_cnt);
	json_object_set_new(out, "paths", paths);
	json_object_set_new(schemas, "error",
		json_pack("{s:s, s:{s:{s:s}}}", "type", "object", "properties", "error", "type",
			"string"));
	for (uint32_t i = 0; site->metrics != NULL && i < site->metrics->cnt; i++)
		json_object_set_new(
			schemas, site->metrics->sets[i]->name, set_schema(site->metrics->sets[i]));
	json_object_set_new(out, "components",
		json_pack("{s:o, s:{s:{s:s, s:s}}}", "schemas", schemas, "securitySchemes", "token",
			"type", "http", "scheme", "bearer"));
}
