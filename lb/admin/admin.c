/* SPDX-License-Identifier: Apache-2.0
 * libmicrohttpd runs with an external epoll descriptor: one descriptor for the caller's poll(2),
 * one call to serve it. Its handler is called first with the headers, then for each piece of the
 * body, then once more; the answer is queued at the first call when it does not depend on the body,
 * else at the last. */
#include "lb/admin/admin.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/base/log.h"
#include "dataplane/base/reason.h"
#include "lb/admin/admin_socket.h"

#define SOCKET_MODE 0660
/* A client that goes on sending beyond this is cut off: 413 cannot be said before it ends. */
#define BODY_CUT (4 * ADMIN_BODY_MAX)

struct admin {
	struct MHD_Daemon *daemon;
	const struct admin_ops *ops;
	void *ctx;
	int epoll_fd;
	struct admin_socket socket;
};

struct request {
	const struct route *route;
	size_t body_len;
};

/* --- routes -------------------------------------------------------------------------------- */

static int get_index(struct admin *a, json_t *out);
static int get_drop_reasons(struct admin *a, json_t *out);

#define OP_ROUTE(op)                                      \
	static int run_##op(struct admin *a, json_t *out) \
	{                                                 \
		if (a->ops->op == NULL)                   \
			return -ENOENT;                   \
		return a->ops->op(a->ctx, out);           \
	}
OP_ROUTE(status)
OP_ROUTE(counters)
OP_ROUTE(services)
OP_ROUTE(health)
OP_ROUTE(listeners)
OP_ROUTE(tcp)
OP_ROUTE(reload)
OP_ROUTE(stop)

struct route {
	const char *path, *method, *text;
	unsigned done; /* status of success */
	int (*run)(struct admin *a, json_t *out);
};

static const struct route routes[] = {
	{"/v1", "GET", "this list", MHD_HTTP_OK, get_index},
	{"/v1/status", "GET", "version, pid, uptime, configuration, workers and ports", MHD_HTTP_OK,
		run_status},
	{"/v1/counters", "GET", "where every packet ended, per worker and in all; port statistics",
		MHD_HTTP_OK, run_counters},
	{"/v1/services", "GET", "services with their backends, flows, packets and health",
		MHD_HTTP_OK, run_services},
	{"/v1/health", "GET", "health checks: state, last result, round trip, counts", MHD_HTTP_OK,
		run_health},
	{"/v1/listeners", "GET", "listeners with their backends, connections and errors",
		MHD_HTTP_OK, run_listeners},
	{"/v1/tcp", "GET", "TCP engines: use, counters, and up to 256 connections of each worker",
		MHD_HTTP_OK, run_tcp},
	{"/v1/drop-reasons", "GET", "what each packet counter means", MHD_HTTP_OK,
		get_drop_reasons},
	{"/v1/reload", "POST", "read the configuration file again", MHD_HTTP_OK, run_reload},
	{"/v1/stop", "POST", "drain and stop", MHD_HTTP_ACCEPTED, run_stop},
};

static int get_index(struct admin *a, json_t *out)
{
	json_t *list = json_object();

	(void)a;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		json_object_set_new(list, routes[i].path,
			json_pack(
				"{s:s, s:s}", "method", routes[i].method, "text", routes[i].text));
	return json_object_set_new(out, "routes", list) == 0 ? 0 : -ENOMEM;
}

static int get_drop_reasons(struct admin *a, json_t *out)
{
	json_t *list = json_object();

	(void)a;
	for (unsigned r = REASON_NONE + 1; r < REASON_COUNT; r++)
		json_object_set_new(list, reason_name((enum reason)r),
			json_pack("{s:s, s:s}", "class",
				reason_class((enum reason)r) == 'D' ? "dropped" : "used", "text",
				reason_text((enum reason)r)));
	return json_object_set_new(out, "reasons", list) == 0 ? 0 : -ENOMEM;
}

/* HEAD is served as GET; the library leaves the body out. *allow names the method that would do. */
static const struct route *find_route(const char *path, const char *method, const char **allow)
{
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	*allow = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (strcmp(routes[i].path, path) != 0)
			continue;
		if (strcmp(routes[i].method, method) == 0)
			return &routes[i];
		*allow = strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD" : routes[i].method;
	}
	return NULL;
}

/* --- answers ------------------------------------------------------------------------------- */

static enum MHD_Result answer_json(
	struct MHD_Connection *c, unsigned status, const char *allow, const json_t *body)
{
	char *text = json_dumps(body, JSON_INDENT(2));
	struct MHD_Response *r;
	enum MHD_Result ok;

	if (text == NULL)
		return MHD_NO;
	r = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (r == NULL) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (allow != NULL)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow);
	ok = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result answer_error(
	struct MHD_Connection *c, unsigned status, const char *allow, const char *text)
{
	json_t *body = json_pack("{s:s}", "error", text);
	enum MHD_Result ok = answer_json(c, status, allow, body);

	json_decref(body);
	return ok;
}

static unsigned status_of(const struct route *route, int err)
{
	switch (err) {
	case 0:
		return route->done;
	case -EINVAL:
		return MHD_HTTP_UNPROCESSABLE_CONTENT;
	case -EBUSY:
		return MHD_HTTP_CONFLICT;
	case -ENOENT:
		return MHD_HTTP_NOT_FOUND;
	default:
		return MHD_HTTP_INTERNAL_SERVER_ERROR;
	}
}

static enum MHD_Result answer_route(
	struct admin *a, struct MHD_Connection *c, const struct route *route)
{
	json_t *body = json_object();
	int err = body == NULL ? -ENOMEM : route->run(a, body);
	enum MHD_Result ok;

	if (err != 0 && json_object_size(body) == 0)
		json_object_set_new(body, "error", json_string(strerror(-err)));
	ok = answer_json(c, status_of(route, err), NULL, body);
	json_decref(body);
	return ok;
}

/* --- the library's callbacks --------------------------------------------------------------- */

static bool length_too_big(struct MHD_Connection *c)
{
	const char *text =
		MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text != NULL && strtoull(text, NULL, 10) > ADMIN_BODY_MAX;
}

/* First call of a request: refuse at once what needs no body. */
static enum MHD_Result on_headers(
	struct MHD_Connection *c, const char *path, const char *method, void **req_state)
{
	const char *allow;
	const struct route *route = find_route(path, method, &allow);
	struct request *req;

	if (route == NULL && allow != NULL)
		return answer_error(c, MHD_HTTP_METHOD_NOT_ALLOWED, allow, "method not allowed");
	if (route == NULL)
		return answer_error(
			c, MHD_HTTP_NOT_FOUND, NULL, "no such path; GET /v1 has the list");
	if (length_too_big(c))
		return answer_error(c, MHD_HTTP_CONTENT_TOO_LARGE, NULL, "request body too large");
	req = calloc(1, sizeof(*req));
	if (req == NULL)
		return MHD_NO;
	req->route = route;
	*req_state = req;
	return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *path,
	const char *method, const char *version, const char *data, size_t *data_len,
	void **req_state)
{
	struct admin *a = ctx;
	struct request *req = *req_state;

	(void)version;
	(void)data;
	if (req == NULL)
		return on_headers(c, path, method, req_state);
	if (*data_len > 0) {
		req->body_len += *data_len;
		*data_len = 0;
		return req->body_len > BODY_CUT ? MHD_NO : MHD_YES;
	}
	if (req->body_len > ADMIN_BODY_MAX)
		return answer_error(c, MHD_HTTP_CONTENT_TOO_LARGE, NULL, "request body too large");
	return answer_route(a, c, req->route);
}

static void on_completed(
	void *ctx, struct MHD_Connection *c, void **req_state, enum MHD_RequestTerminationCode code)
{
	(void)ctx;
	(void)c;
	(void)code;
	free(*req_state);
	*req_state = NULL;
}

static void on_log(void *ctx, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);
static void on_log(void *ctx, const char *fmt, va_list ap)
{
	char text[256], quoted[300];

	(void)ctx;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	LOG_DBG("admin connection", "text=%s", log_quote(text, quoted, sizeof(quoted)));
}

/* --- life ---------------------------------------------------------------------------------- */

static int start_daemon(struct admin *a)
{
	const union MHD_DaemonInfo *info;

	a->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_request,
		a, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, a->socket.fd,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)ADMIN_CLIENTS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ADMIN_IDLE_S,
		MHD_OPTION_END);
	if (a->daemon == NULL)
		return -ENOMEM;
	info = MHD_get_daemon_info(a->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL || info->epoll_fd < 0)
		return -ENOTSUP;
	a->epoll_fd = info->epoll_fd;
	return 0;
}

int admin_create(const char *path, const struct admin_ops *ops, void *ctx, struct admin **out)
{
	struct admin *a = calloc(1, sizeof(*a));
	int err;

	*out = NULL;
	if (a == NULL)
		return -ENOMEM;
	a->ops = ops;
	a->ctx = ctx;
	err = admin_socket_open(path, SOCKET_MODE, &a->socket);
	if (err < 0) {
		free(a);
		return err;
	}
	err = start_daemon(a);
	if (err < 0) {
		bool daemon_owns_fd = a->daemon != NULL;

		if (daemon_owns_fd)
			MHD_stop_daemon(a->daemon);
		admin_socket_close(&a->socket, !daemon_owns_fd);
		free(a);
		return err;
	}
	*out = a;
	return 0;
}

void admin_destroy(struct admin *a)
{
	if (a == NULL)
		return;
	admin_socket_close(&a->socket, false);
	MHD_stop_daemon(a->daemon);
	free(a);
}

int admin_fd(const struct admin *a)
{
	return a->epoll_fd;
}

int admin_timeout_ms(const struct admin *a)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (MHD_get_timeout(a->daemon, &ms) != MHD_YES)
		return -1;
	return ms > 1000 ? 1000 : (int)ms;
}

void admin_run(struct admin *a)
{
	MHD_run(a->daemon);
}
