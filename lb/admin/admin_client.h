/* SPDX-License-Identifier: Apache-2.0
 * admin_client - asks a running weir: a small HTTP client on its Unix socket, or over HTTP and
 * HTTPS at an address, and the commands of the command line made with it.
 * Owner:      the caller; one exchange per connection.
 * Errors:     -ECONNREFUSED, -ENOENT and the like from connect(2); -ETIMEDOUT no answer within
 *             ADMIN_CLIENT_TIMEOUT_S; -EPROTO not an HTTP answer; -EMSGSIZE more than
 *             ADMIN_REPLY_MAX; -EPERM TLS refused by either side; -EINVAL the address or a file
 *             is wrong. */
#ifndef LB_ADMIN_ADMIN_CLIENT_H
#define LB_ADMIN_ADMIN_CLIENT_H

#include <jansson.h>
#include <stdio.h>

#include "dataplane/base/compiler.h"

#define ADMIN_SOCKET_DEFAULT   "/run/weir.sock"
#define ADMIN_CLIENT_TIMEOUT_S 30
#define ADMIN_REPLY_MAX        (64u << 20)
#define ADMIN_WHY              256

/* Where to ask. NULL: not given. */
struct admin_target {
	const char *at;         /* path of the socket, or http[s]://HOST:PORT */
	const char *cert, *key; /* PEM files of the client; the key may stand in the other file */
	const char *cacert;     /* PEM file of authorities; NULL: the system's */
	const char *token_file;
};
bool admin_target_is_url(const char *at);

struct admin_reply {
	unsigned status;
	const char *body; /* inside the text that was parsed */
	size_t body_len;
};

/* Read one whole answer, as it stands when the server has closed. 0 or -EPROTO. Chunked bodies are
 * not understood: the request says HTTP/1.0. */
int admin_reply_parse(const char *text, size_t len, struct admin_reply *out) WARN_UNUSED;

/* What is asked, and what came. */
struct admin_ask {
	const char *method, *path; /* path with its query, encoded */
	const char *body, *content_type;
	size_t body_len;
};
struct admin_got {
	unsigned status;
	char *text; /* malloc'ed, NUL behind len bytes */
	size_t len;
	char why[ADMIN_WHY]; /* on failure: more than the error says, or "" */
};

/* One exchange; got is set on 0. */
int admin_exchange(const struct admin_target *to, const struct admin_ask *ask,
	struct admin_got *got) WARN_UNUSED;
/* The same for JSON on a socket; *status and *body (a new reference) are set on 0. */
int admin_request(const char *socket, const char *method, const char *path, unsigned *status,
	json_t **body) WARN_UNUSED;

/* Print any answer for people: numbers and texts as "name value", objects of objects and arrays of
 * objects as tables. Counters that are 0 are left out of lists longer than a screen. */
void admin_print(FILE *out, const json_t *body);

/* argv[0] is the command: status, counters, services, health, drop-reasons, reload, stop; then
 * [-s SOCKET] [-o table|json]. Returns an exit status: 0, 1 the server refused or is not there, 2
 * usage. */
int admin_cmd(int argc, char **argv);

#endif
