/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/admin/admin_http.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define OK                 200u
#define UNAUTHORIZED       401u
#define FORBIDDEN          403u
#define NOT_FOUND          404u
#define METHOD_NOT_ALLOWED 405u
#define CONFLICT           409u
#define MISDIRECTED        421u
#define UNPROCESSABLE      422u
#define TOO_LARGE          413u
#define INTERNAL           500u
#define GATEWAY_TIMEOUT    504u
#define INSUFFICIENT       507u

/* --- routes -------------------------------------------------------------------------------- */

/* Does the path fit, and what stands for its last part? A path of a text is never longer than its
 * pattern by more than an argument. */
static bool fits(const char *pattern, const char *path, char arg[ADMIN_ARG_MAX])
{
	const char *hole = strchr(pattern, '{');
	size_t len = hole != NULL ? (size_t)(hole - pattern) : strlen(pattern);

	arg[0] = '\0';
	if (strncmp(pattern, path, len) != 0)
		return false;
	path += len;
	if (hole == NULL)
		return *path == '\0';
	if (*path == '\0' || strchr(path, '/') != NULL || strlen(path) >= ADMIN_ARG_MAX)
		return false;
	memcpy(arg, path, strlen(path) + 1);
	return true;
}

static const struct admin_route *find_in(const struct admin_route *routes, uint32_t cnt,
	const char *method, const char *path, const char **allow)
{
	char arg[ADMIN_ARG_MAX];

	for (uint32_t i = 0; i < cnt; i++) {
		if (!fits(routes[i].path, path, arg))
			continue;
		if (strcmp(routes[i].method, method) == 0)
			return &routes[i];
		*allow = strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD" : routes[i].method;
	}
	return NULL;
}

const struct admin_route *admin_route_find(
	const struct admin_site *site, const char *method, const char *path, const char **allow)
{
	const struct admin_route *r;

	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	*allow = NULL;
	r = find_in(site->routes, site->route_cnt, method, path, allow);
	if (r == NULL)
		r = find_in(admin_own_routes, admin_own_route_cnt, method, path, allow);
	return r;
}

size_t admin_route_body_max(const struct admin_route *r)
{
	return r->body_max != 0 ? r->body_max : ADMIN_BODY_MAX;
}

/* --- answers ------------------------------------------------------------------------------- */

static void answer_json(struct admin_answer *out, unsigned status, const json_t *body)
{
	out->status = status;
	out->content_type = "application/json";
	out->body = json_dumps(body, JSON_INDENT(2));
	out->body_len = out->body != NULL ? strlen(out->body) : 0;
	if (out->body == NULL)
		out->status = INTERNAL;
}

void admin_answer_error(
	struct admin_answer *out, unsigned status, const char *allow, const char *text)
{
	json_t *body = json_pack("{s:s}", "error", text);

	*out = (struct admin_answer){.allow = allow};
	answer_json(out, status, body);
	json_decref(body);
}

static unsigned status_of(const struct admin_route *r, int err)
{
	switch (err) {
	case 0:
		return r->done != 0 ? r->done : OK;
	case -EINVAL:
		return UNPROCESSABLE;
	case -EBUSY:
		return CONFLICT;
	case -ENOENT:
		return NOT_FOUND;
	case -EPERM:
		return FORBIDDEN;
	case -ENOSPC:
		return INSUFFICIENT;
	case -ETIME:
		return GATEWAY_TIMEOUT;
	default:
		return INTERNAL;
	}
}

int admin_fail(const struct admin_call *c, int err, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_set_new(c->out, "error", json_string(text));
	return err;
}

/* --- arguments ----------------------------------------------------------------------------- */

const char *admin_query(const struct admin_call *c, const char *name)
{
	for (uint32_t i = 0; i < c->req->query_cnt; i++)
		if (strcmp(c->req->query[i].name, name) == 0)
			return c->req->query[i].value != NULL ? c->req->query[i].value : "";
	return NULL;
}

const char *admin_text(const struct admin_call *c, const char *name)
{
	const json_t *v = json_object_get(c->in, name);

	return json_is_string(v) ? json_string_value(v) : admin_query(c, name);
}

int admin_number(
	const struct admin_call *c, const char *name, uint64_t min, uint64_t max, uint64_t *out)
{
	const json_t *v = json_object_get(c->in, name);
	const char *text = admin_query(c, name);
	char *end = NULL;

	if (json_is_integer(v) && json_integer_value(v) >= 0) {
		*out = (uint64_t)json_integer_value(v);
	} else if (text != NULL && text[0] >= '0' && text[0] <= '9') {
		errno = 0;
		*out = strtoull(text, &end, 10);
		if (errno != 0 || *end != '\0')
			return admin_fail(c, -EINVAL, "%s: not a number", name);
	} else if (v == NULL && text == NULL) {
		return 0;
	} else {
		return admin_fail(c, -EINVAL, "%s: not a number", name);
	}
	if (*out < min || *out > max)
		return admin_fail(c, -EINVAL, "%s: must be between %llu and %llu", name,
			(unsigned long long)min, (unsigned long long)max);
	return 1;
}

bool admin_dry_run(const struct admin_call *c)
{
	const char *text = admin_query(c, "dry_run");

	return json_is_true(json_object_get(c->in, "dry_run")) ||
	       (text != NULL && strcmp(text, "false") != 0 && strcmp(text, "0") != 0);
}

static bool known(const struct admin_route *r, const char *in, const char *name)
{
	if ((r->flags & ADMIN_DRY_RUN) && strcmp(name, "dry_run") == 0)
		return true;
	for (const struct admin_param *p = r->params; p != NULL && p->name != NULL; p++)
		if (strcmp(p->name, name) == 0 &&
			(strcmp(p->in, in) == 0 || strcmp(p->in, "body") == 0))
			return true;
	return false;
}

static bool type_is(const json_t *v, const char *type)
{
	if (strcmp(type, "integer") == 0)
		return json_is_integer(v);
	if (strcmp(type, "boolean") == 0)
		return json_is_boolean(v);
	return json_is_string(v);
}

/* Unknown names are refused: a misspelled argument must not do something else. */
static int check_arguments(const struct admin_call *c)
{
	const struct admin_route *r = c->route;
	const char *name;
	json_t *v;

	for (uint32_t i = 0; i < c->req->query_cnt; i++)
		if (!known(r, "query", c->req->query[i].name))
			return admin_fail(
				c, -EINVAL, "unknown argument '%.64s'", c->req->query[i].name);
	json_object_foreach((json_t *)(uintptr_t)c->in, name, v)
	{
		if (!known(r, "body", name))
			return admin_fail(c, -EINVAL, "unknown argument '%.64s'", name);
	}
	for (const struct admin_param *p = r->params; p != NULL && p->name != NULL; p++) {
		if (strcmp(p->in, "path") == 0)
			continue;
		v = json_object_get(c->in, p->name);
		if (v != NULL && !type_is(v, p->type))
			return admin_fail(c, -EINVAL, "%s: must be a%s %s", p->name,
				p->type[0] == 'i' ? "n" : "", p->type);
		if (p->required && v == NULL && admin_query(c, p->name) == NULL)
			return admin_fail(c, -EINVAL, "%s is missing: %s", p->name, p->help);
	}
	return 0;
}

/* A body that is empty stands for an object without members. */
static int read_body(struct admin_call *c, json_t **in)
{
	const struct admin_param *p = c->route->params;
	json_error_t err;

	*in = NULL;
	while (p != NULL && p->name != NULL && strcmp(p->in, "body") != 0)
		p++;
	if (p == NULL || p->name == NULL || (c->route->flags & ADMIN_RAW_BODY) ||
		c->req->body_len == 0)
		return 0;
	*in = json_loadb(c->req->body, c->req->body_len, JSON_REJECT_DUPLICATES, &err);
	if (*in == NULL)
		return admin_fail(
			c, -EINVAL, "the body is not JSON: line %d: %s", err.line, err.text);
	if (!json_is_object(*in))
		return admin_fail(c, -EINVAL, "the body is not a JSON object");
	c->in = *in;
	return 0;
}

/* --- dispatch ------------------------------------------------------------------------------ */

static bool gate(const struct admin_site *site, const struct admin_request *req,
	const struct admin_route *r, struct admin_answer *out)
{
	static const unsigned status[] = {[ADMIN_GATE_HOST] = MISDIRECTED,
		[ADMIN_GATE_CROSS] = FORBIDDEN,
		[ADMIN_GATE_TOKEN] = UNAUTHORIZED,
		[ADMIN_GATE_READONLY] = FORBIDDEN};
	const char *method = r != NULL ? r->method : req->method;
	unsigned flags = r != NULL ? r->flags : 0;
	bool change = (flags & ADMIN_GUARDED) ||
		      (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 &&
			      !(flags & ADMIN_READS));
	enum admin_gate g = admin_gate_check(
		&req->peer, site->token, change, r != NULL && (r->flags & ADMIN_PAGE));

	if (g == ADMIN_GATE_OPEN)
		return true;
	admin_answer_error(out, status[g], NULL, admin_gate_text(g));
	return false;
}

static void run_route(const struct admin_site *site, struct admin_call *c, struct admin_answer *out)
{
	bool own =
		c->route >= admin_own_routes && c->route < admin_own_routes + admin_own_route_cnt;
	json_t *in = NULL;
	int err = read_body(c, &in);

	if (err == 0)
		err = check_arguments(c);
	if (err == 0)
		err = c->route->run(own ? (void *)(uintptr_t)site : site->ctx, c);
	if (err == 0 && c->text != NULL) {
		out->status = status_of(c->route, 0);
		out->content_type = c->content_type;
		out->body = c->text;
		out->body_len = c->text_len;
		out->html = c->html;
	} else {
		free(c->text);
		if (err != 0 && json_object_get(c->out, "error") == NULL)
			json_object_set_new(c->out, "error", json_string(strerror(-err)));
		if (err == 0 && (c->route->flags & ADMIN_DRY_RUN))
			json_object_set_new(c->out, "changed", json_boolean(!admin_dry_run(c)));
		answer_json(out, status_of(c->route, err), c->out);
	}
	json_decref(in);
}

void admin_dispatch(
	const struct admin_site *site, const struct admin_request *req, struct admin_answer *out)
{
	struct admin_call c = {.req = req};
	const char *allow;

	*out = (struct admin_answer){0};
	c.route = admin_route_find(site, req->method, req->path, &allow);
	/* What does not exist is not told to who may not ask. */
	if (!gate(site, req, c.route, out))
		return;
	if (c.route == NULL && allow != NULL) {
		admin_answer_error(out, METHOD_NOT_ALLOWED, allow, "method not allowed");
		return;
	}
	if (c.route == NULL) {
		admin_answer_error(out, NOT_FOUND, NULL, "no such path; GET /v1 has the list");
		return;
	}
	if (req->body_len > admin_route_body_max(c.route)) {
		admin_answer_error(out, TOO_LARGE, NULL, "request body too large");
		return;
	}
	(void)fits(c.route->path, req->path, c.arg);
	c.out = json_object();
	run_route(site, &c, out);
	json_decref(c.out);
}
