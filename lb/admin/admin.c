/* SPDX-License-Identifier: Apache-2.0
 * libmicrohttpd runs with an external epoll descriptor, one daemon for each listener, both behind
 * one epoll of ours: one descriptor for the caller's poll(2), one call to serve it. The library's
 * handler is called first with the headers, then for each piece of the body, then once more; the
 * answer is queued at the first call when it does not depend on the body, else at the last. */
#include "lb/admin/admin.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "dataplane/net/hdr.h"
#include "lb/admin/admin_socket.h"

#define SOCKET_MODE 0660
/* A client that goes on sending beyond the limit is cut off: 413 cannot be said before it ends. */
#define BODY_CUT(max) (4 * (max))

struct listener {
	struct admin *admin;
	struct MHD_Daemon *daemon; /* NULL: not there */
	bool http, loopback;
	struct admin_tls *tls; /* of new connections; NULL: no TLS */
	char name[IP_ADDR_TEXT_MAX + 8];
};

struct admin {
	struct listener unix_side, http_side;
	struct admin_site site;
	int epoll_fd;
	struct admin_socket socket;
};

struct request {
	size_t body_max, body_len, room;
	char *body;
};

/* --- answers ------------------------------------------------------------------------------- */

/* The page may run its own script and styles, talk to its own origin, and nothing else. */
static const char page_policy[] =
	"default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
	"connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
	"frame-ancestors 'none'";

static enum MHD_Result send_answer(struct MHD_Connection *c, struct admin_answer *a)
{
	struct MHD_Response *r =
		MHD_create_response_from_buffer(a->body_len, a->body, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result ok;

	if (r == NULL) {
		free(a->body);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->content_type);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(r, "X-Frame-Options", "DENY");
	MHD_add_response_header(r, "Referrer-Policy", "no-referrer");
	MHD_add_response_header(r, "Content-Security-Policy",
		a->html ? page_policy : "default-src 'none'; frame-ancestors 'none'");
	if (a->allow != NULL)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, a->allow);
	if (a->status == MHD_HTTP_UNAUTHORIZED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	ok = MHD_queue_response(c, a->status, r);
	MHD_destroy_response(r);
	return ok;
}

static enum MHD_Result send_error(struct MHD_Connection *c, unsigned status, const char *text)
{
	struct admin_answer a;

	admin_answer_error(&a, status, NULL, text);
	return send_answer(c, &a);
}

/* --- the library's callbacks --------------------------------------------------------------- */

static const char *header(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static enum MHD_Result add_query(
	void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct admin_request *req = ctx;

	(void)kind;
	if (req->query_cnt == ADMIN_QUERY_MAX)
		return MHD_NO;
	req->query[req->query_cnt++] = (struct admin_pair){name, value};
	return MHD_YES;
}

/* What a connection began with, or NULL without TLS. */
static struct admin_tls *tls_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info != NULL ? info->socket_context : NULL;
}

static struct gnutls_session_int *session_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);

	return info != NULL ? info->tls_session : NULL;
}

static bool certified(struct MHD_Connection *c)
{
	const struct admin_tls *t = tls_of(c);

	return t != NULL && session_of(c) != NULL && admin_tls_certified(t, session_of(c));
}

/* Before the handshake. A connection that has no context afterwards is closed at its first
 * request. */
static void on_connection(void *ctx, struct MHD_Connection *c, void **context,
	enum MHD_ConnectionNotificationCode code)
{
	struct listener *l = ctx;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		admin_tls_put(*context);
		*context = NULL;
	} else if (session_of(c) != NULL && admin_tls_attach(l->tls, session_of(c)) == 0) {
		*context = admin_tls_get(l->tls);
	}
}

static void fill_request(const struct listener *l, struct MHD_Connection *c, const char *path,
	const char *method, struct admin_request *req)
{
	*req = (struct admin_request){.method = method,
		.path = path,
		.peer = {.http = l->http,
			.loopback = l->loopback,
			.tls = l->tls != NULL,
			.certified = certified(c),
			.listen = l->name,
			.host = header(c, MHD_HTTP_HEADER_HOST),
			.origin = header(c, MHD_HTTP_HEADER_ORIGIN),
			.fetch_site = header(c, "Sec-Fetch-Site"),
			.authorization = header(c, MHD_HTTP_HEADER_AUTHORIZATION)}};
	MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, add_query, req);
}

static bool length_too_big(struct MHD_Connection *c, size_t max)
{
	const char *text = header(c, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return text != NULL && strtoull(text, NULL, 10) > max;
}

static enum MHD_Result dispatch(struct listener *l, struct MHD_Connection *c, const char *path,
	const char *method, const struct request *body)
{
	struct admin_request req;
	struct admin_answer answer;

	fill_request(l, c, path, method, &req);
	req.body = body != NULL ? body->body : NULL;
	req.body_len = body != NULL ? body->body_len : 0;
	admin_dispatch(&l->admin->site, &req, &answer);
	return send_answer(c, &answer);
}

/* First call of a request: refuse at once what needs no body. */
static enum MHD_Result on_headers(struct listener *l, struct MHD_Connection *c, const char *path,
	const char *method, void **req_state)
{
	const char *allow;
	const struct admin_route *route = admin_route_find(&l->admin->site, method, path, &allow);
	struct request *req;

	/* Its certificates were replaced, and its own may be revoked: it may come again. */
	if (tls_of(c) != l->tls)
		return MHD_NO;
	if (route == NULL)
		return dispatch(l, c, path, method, NULL);
	if (length_too_big(c, admin_route_body_max(route)))
		return send_error(c, MHD_HTTP_CONTENT_TOO_LARGE, "request body too large");
	req = calloc(1, sizeof(*req));
	if (req == NULL)
		return MHD_NO;
	req->body_max = admin_route_body_max(route);
	*req_state = req;
	return MHD_YES;
}

/* Keeps what fits, counts the rest. */
static bool take_body(struct request *req, const char *data, size_t len)
{
	if (req->body_len + len <= req->body_max) {
		if (req->body_len + len > req->room) {
			size_t room = 2 * (req->body_len + len) + 256;
			char *more;

			room = room > req->body_max ? req->body_max : room;
			more = realloc(req->body, room);
			if (more == NULL)
				return false;
			req->body = more;
			req->room = room;
		}
		memcpy(req->body + req->body_len, data, len);
	}
	req->body_len += len;
	return req->body_len <= BODY_CUT(req->body_max);
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *path,
	const char *method, const char *version, const char *data, size_t *data_len,
	void **req_state)
{
	struct listener *l = ctx;
	struct request *req = *req_state;

	(void)version;
	if (req == NULL)
		return on_headers(l, c, path, method, req_state);
	if (*data_len > 0) {
		size_t len = *data_len;

		*data_len = 0;
		return take_body(req, data, len) ? MHD_YES : MHD_NO;
	}
	if (req->body_len > req->body_max)
		return send_error(c, MHD_HTTP_CONTENT_TOO_LARGE, "request body too large");
	return dispatch(l, c, path, method, req);
}

static void on_completed(
	void *ctx, struct MHD_Connection *c, void **req_state, enum MHD_RequestTerminationCode code)
{
	struct request *req = *req_state;

	(void)ctx;
	(void)c;
	(void)code;
	if (req != NULL)
		free(req->body);
	free(req);
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

static const char tls_priorities[] =
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE";

static int start_daemon(struct admin *a, struct listener *l, int fd)
{
	/* The library wants a pair for credentials of its own, which on_connection() replaces. */
	struct MHD_OptionItem tls[] = {
		{MHD_OPTION_HTTPS_MEM_CERT, 0, NULL},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, NULL},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_priorities},
		{MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, l},
		{MHD_OPTION_END, 0, NULL},
	};
	unsigned flags = MHD_USE_EPOLL | MHD_USE_ERROR_LOG;
	const union MHD_DaemonInfo *info;
	struct epoll_event ev = {.events = EPOLLIN};

	if (l->tls != NULL) {
		tls[0].ptr_value = (void *)(uintptr_t)admin_tls_cert(l->tls);
		tls[1].ptr_value = (void *)(uintptr_t)admin_tls_key(l->tls);
		flags |= MHD_USE_TLS;
	} else {
		tls[0].option = MHD_OPTION_END;
	}
	l->admin = a;
	l->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, l,
		MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)ADMIN_CLIENTS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)ADMIN_IDLE_S,
		MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	if (l->daemon == NULL)
		return -ENOMEM;
	info = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	if (info == NULL || info->epoll_fd < 0)
		return -ENOTSUP;
	return epoll_ctl(a->epoll_fd, EPOLL_CTL_ADD, info->epoll_fd, &ev) == 0 ? 0 : -errno;
}

static int open_unix(struct admin *a, const char *path)
{
	int err = admin_socket_open(path, SOCKET_MODE, &a->socket);

	if (err != 0)
		return err;
	err = start_daemon(a, &a->unix_side, a->socket.fd);
	/* A daemon owns its descriptor from the moment it exists. */
	if (err != 0)
		admin_socket_close(&a->socket, a->unix_side.daemon == NULL);
	return err;
}

static bool is_loopback(const struct ip_addr *a)
{
	static const struct ip_addr one6 = {.b = {[15] = 1}};

	return ip_addr_is4(a) ? a->b[12] == 127 : ip_addr_eq(a, &one6);
}

static int bind_tcp(const struct ip_addr *addr, uint16_t port)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = BE16(port)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = BE16(port)};
	bool is4 = ip_addr_is4(addr);
	int fd = socket(is4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, rc;

	if (fd < 0)
		return -errno;
	v4.sin_addr.s_addr = addr->w[3];
	memcpy(&v6.sin6_addr, addr, sizeof(v6.sin6_addr));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	rc = is4 ? bind(fd, (const struct sockaddr *)&v4, sizeof(v4))
		 : bind(fd, (const struct sockaddr *)&v6, sizeof(v6));
	if (rc != 0 || listen(fd, ADMIN_CLIENTS) != 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static int open_http(struct admin *a, const struct admin_conf *conf)
{
	struct listener *l = &a->http_side;
	char addr[IP_ADDR_TEXT_MAX];
	int fd = bind_tcp(&conf->http, conf->http_port), err;

	if (fd < 0)
		return fd;
	l->http = true;
	l->tls = conf->tls != NULL ? admin_tls_get(conf->tls) : NULL;
	l->loopback = is_loopback(&conf->http);
	snprintf(l->name, sizeof(l->name), ip_addr_is4(&conf->http) ? "%s:%u" : "[%s]:%u",
		ip_addr_format(&conf->http, addr), conf->http_port);
	err = start_daemon(a, l, fd);
	if (err != 0 && l->daemon == NULL)
		close(fd);
	return err;
}

int admin_create(const struct admin_conf *conf, struct admin **out)
{
	struct admin *a = calloc(1, sizeof(*a));
	int err = 0;

	*out = NULL;
	if (a == NULL)
		return -ENOMEM;
	a->site = conf->site;
	a->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (a->epoll_fd < 0)
		err = -errno;
	if (err == 0 && conf->path != NULL)
		err = open_unix(a, conf->path);
	if (err != 0 && a->unix_side.daemon != NULL) {
		MHD_stop_daemon(a->unix_side.daemon);
		a->unix_side.daemon = NULL;
	}
	if (err == 0 && conf->http_port != 0)
		err = open_http(a, conf);
	if (err != 0) {
		admin_destroy(a);
		return err;
	}
	*out = a;
	return 0;
}

void admin_destroy(struct admin *a)
{
	if (a == NULL)
		return;
	if (a->unix_side.daemon != NULL) {
		admin_socket_close(&a->socket, false);
		MHD_stop_daemon(a->unix_side.daemon);
	}
	if (a->http_side.daemon != NULL)
		MHD_stop_daemon(a->http_side.daemon);
	admin_tls_put(a->http_side.tls);
	if (a->epoll_fd >= 0)
		close(a->epoll_fd);
	free(a);
}

void admin_use_tls(struct admin *a, struct admin_tls *tls)
{
	admin_tls_put(a->http_side.tls);
	a->http_side.tls = admin_tls_get(tls);
}

int admin_fd(const struct admin *a)
{
	return a->epoll_fd;
}

static int daemon_timeout_ms(const struct listener *l)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (l->daemon == NULL || MHD_get_timeout(l->daemon, &ms) != MHD_YES)
		return -1;
	return ms > 1000 ? 1000 : (int)ms;
}

int admin_timeout_ms(const struct admin *a)
{
	int u = daemon_timeout_ms(&a->unix_side), h = daemon_timeout_ms(&a->http_side);

	if (u < 0 || h < 0)
		return u < 0 ? h : u;
	return u < h ? u : h;
}

void admin_run(struct admin *a)
{
	if (a->unix_side.daemon != NULL)
		MHD_run(a->unix_side.daemon);
	if (a->http_side.daemon != NULL)
		MHD_run(a->http_side.daemon);
}
