/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/admin/admin_wire.h"

#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

struct admin_wire {
	int fd;
	SSL_CTX *ctx; /* NULL: no TLS */
	SSL *ssl;
	void (*on_pipe)(int); /* what SIGPIPE did before */
	char authority[300], host[256], port[8];
};

bool admin_target_is_url(const char *at)
{
	return strncasecmp(at, "http://", 7) == 0 || strncasecmp(at, "https://", 8) == 0;
}

/* --- connecting ---------------------------------------------------------------------------- */

static int limit_waits(int fd)
{
	struct timeval limit = {.tv_sec = ADMIN_CLIENT_TIMEOUT_S};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0)
		return -errno;
	return 0;
}

static int connect_fd(int fd, const struct sockaddr *addr, socklen_t len)
{
	int err = limit_waits(fd);

	if (err == 0 && connect(fd, addr, len) != 0)
		err = errno == EAGAIN || errno == EINPROGRESS ? -ETIMEDOUT : -errno;
	return err;
}

static int connect_unix(struct admin_wire *w, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	snprintf(w->authority, sizeof(w->authority), "localhost");
	w->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return -errno;
	return connect_fd(w->fd, (const struct sockaddr *)&addr, sizeof(addr));
}

/* "HOST:PORT", "[v6]:PORT", without a port the scheme's; nothing but "/" behind it. */
static int split_authority(struct admin_wire *w, const char *at, bool tls)
{
	size_t len = strcspn(at, "/"), host_len;
	const char *host = at, *end;

	if (len == 0 || len >= sizeof(w->host) || strlen(at + len) > 1)
		return -EINVAL;
	memcpy(w->authority, at, len);
	w->authority[len] = '\0';
	if (*at == '[') {
		host++;
		end = memchr(at, ']', len);
		if (end == NULL)
			return -EINVAL;
		host_len = (size_t)(end++ - host);
	} else {
		host_len = strcspn(w->authority, ":");
		end = at + host_len;
	}
	memcpy(w->host, host, host_len);
	w->host[host_len] = '\0';
	if (end == at + len)
		snprintf(w->port, sizeof(w->port), "%s", tls ? "443" : "80");
	else if (*end == ':' && (size_t)(at + len - end) - 1 < sizeof(w->port) &&
		 end + 1 < at + len)
		snprintf(w->port, sizeof(w->port), "%.*s", (int)(at + len - end) - 1, end + 1);
	else
		return -EINVAL;
	return host_len > 0 ? 0 : -EINVAL;
}

static int connect_tcp(struct admin_wire *w, char why[ADMIN_WHY])
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
	int rc = getaddrinfo(w->host, w->port, &hints, &all), err = -EHOSTUNREACH;

	if (rc != 0) {
		snprintf(why, ADMIN_WHY, "%s", gai_strerror(rc));
		return -EINVAL;
	}
	for (const struct addrinfo *a = all; a != NULL && err != 0; a = a->ai_next) {
		if (w->fd >= 0)
			close(w->fd);
		w->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, a->ai_protocol);
		err = w->fd < 0 ? -errno : connect_fd(w->fd, a->ai_addr, a->ai_addrlen);
	}
	freeaddrinfo(all);
	return err;
}

/* --- TLS ----------------------------------------------------------------------------------- */

static int say_tls(const struct admin_wire *w, const char *what, char why[ADMIN_WHY])
{
	long verified = w->ssl != NULL ? SSL_get_verify_result(w->ssl) : X509_V_OK;
	unsigned long e = ERR_peek_last_error();
	const char *text = verified != X509_V_OK ? X509_verify_cert_error_string(verified)
			   : e != 0              ? ERR_reason_error_string(e)
						 : NULL;

	snprintf(why, ADMIN_WHY, "%s: %s", what, text != NULL ? text : "the connection ended");
	ERR_clear_error();
	return -EPERM;
}

/* Is the call that returned rc one whose time was up? */
static bool timed_out(const struct admin_wire *w, int rc)
{
	int e = SSL_get_error(w->ssl, rc);

	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
}

static int load_files(struct admin_wire *w, const struct admin_target *to, char why[ADMIN_WHY])
{
	int ok = to->cacert != NULL ? SSL_CTX_load_verify_locations(w->ctx, to->cacert, NULL)
				    : SSL_CTX_set_default_verify_paths(w->ctx);

	if (ok != 1) {
		(void)say_tls(w, to->cacert != NULL ? to->cacert : "authorities", why);
		return -EINVAL;
	}
	if (to->cert == NULL)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(w->ctx, to->cert) != 1) {
		(void)say_tls(w, to->cert, why);
		return -EINVAL;
	}
	/* As curl does: the key may stand in the certificate's file. */
	if (SSL_CTX_use_PrivateKey_file(
		    w->ctx, to->key != NULL ? to->key : to->cert, SSL_FILETYPE_PEM) != 1) {
		(void)say_tls(w, to->key != NULL ? to->key : to->cert, why);
		return -EINVAL;
	}
	return 0;
}

static int start_tls(struct admin_wire *w, const struct admin_target *to, char why[ADMIN_WHY])
{
	X509_VERIFY_PARAM *param;
	int err, rc;

	w->ctx = SSL_CTX_new(TLS_client_method());
	/* The library writes without MSG_NOSIGNAL. */
	w->on_pipe = signal(SIGPIPE, SIG_IGN);
	if (w->ctx == NULL)
		return -ENOMEM;
	SSL_CTX_set_min_proto_version(w->ctx, TLS1_2_VERSION);
	/* How long the answer is its own head says: a connection that is cut is found out. */
	SSL_CTX_set_options(w->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_verify(w->ctx, SSL_VERIFY_PEER, NULL);
	err = load_files(w, to, why);
	if (err != 0)
		return err;
	w->ssl = SSL_new(w->ctx);
	if (w->ssl == NULL || SSL_set_fd(w->ssl, w->fd) != 1)
		return -ENOMEM;
	param = SSL_get0_param(w->ssl);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, w->host) != 1) {
		ERR_clear_error();
		if (SSL_set1_host(w->ssl, w->host) != 1 ||
			SSL_set_tlsext_host_name(w->ssl, w->host) != 1)
			return -ENOMEM;
	}
	rc = SSL_connect(w->ssl);
	if (rc == 1)
		return 0;
	return timed_out(w, rc) ? -ETIMEDOUT : say_tls(w, "TLS", why);
}

/* --- the interface ------------------------------------------------------------------------- */

static int open_url(struct admin_wire *w, const struct admin_target *to, char why[ADMIN_WHY])
{
	bool tls = strncasecmp(to->at, "https://", 8) == 0;
	int err = split_authority(w, strstr(to->at, "://") + 3, tls);

	if (err != 0) {
		snprintf(why, ADMIN_WHY, "not https://HOST:PORT");
		return err;
	}
	err = connect_tcp(w, why);
	if (err == 0 && tls)
		err = start_tls(w, to, why);
	return err;
}

int admin_wire_open(const struct admin_target *to, char why[ADMIN_WHY], struct admin_wire **out)
{
	struct admin_wire *w = calloc(1, sizeof(*w));
	int err;

	*out = NULL;
	why[0] = '\0';
	if (w == NULL)
		return -ENOMEM;
	w->fd = -1;
	err = admin_target_is_url(to->at) ? open_url(w, to, why) : connect_unix(w, to->at);
	if (err != 0)
		admin_wire_close(w);
	else
		*out = w;
	return err;
}

void admin_wire_close(struct admin_wire *w)
{
	if (w->ssl != NULL && SSL_is_init_finished(w->ssl))
		(void)SSL_shutdown(w->ssl);
	SSL_free(w->ssl);
	SSL_CTX_free(w->ctx);
	if (w->ctx != NULL)
		signal(SIGPIPE, w->on_pipe);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

const char *admin_wire_host(const struct admin_wire *w)
{
	return w->authority;
}

static ssize_t send_some(struct admin_wire *w, const char *text, size_t len, char why[ADMIN_WHY])
{
	ssize_t n;

	if (w->ssl != NULL) {
		int done = SSL_write(w->ssl, text, len > 1 << 20 ? 1 << 20 : (int)len);
		int err = errno;

		if (done > 0)
			return done;
		if (timed_out(w, done))
			return -ETIMEDOUT;
		if (SSL_get_error(w->ssl, done) == SSL_ERROR_SYSCALL && err != 0)
			return -err;
		return say_tls(w, "TLS", why);
	}
	n = send(w->fd, text, len, MSG_NOSIGNAL);
	return n >= 0 ? n : errno == EAGAIN ? -ETIMEDOUT : -errno;
}

int admin_wire_send(struct admin_wire *w, const char *text, size_t len, char why[ADMIN_WHY])
{
	while (len > 0) {
		ssize_t n = send_some(w, text, len, why);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t admin_wire_recv(struct admin_wire *w, char *buf, size_t len, char why[ADMIN_WHY])
{
	ssize_t n;

	if (w->ssl != NULL) {
		int got = SSL_read(w->ssl, buf, len > 1 << 20 ? 1 << 20 : (int)len);

		if (got > 0)
			return got;
		if (SSL_get_error(w->ssl, got) == SSL_ERROR_ZERO_RETURN)
			return 0;
		return timed_out(w, got) ? -ETIMEDOUT : say_tls(w, "TLS", why);
	}
	do
		n = recv(w->fd, buf, len, 0);
	while (n < 0 && errno == EINTR);
	return n >= 0 ? n : errno == EAGAIN ? -ETIMEDOUT : -errno;
}

bool admin_wire_is_tls(const struct admin_wire *w)
{
	return w->ssl != NULL;
}
