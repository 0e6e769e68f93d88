/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/admin/admin_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lb/admin/admin_gate.h"
#include "lb/admin/admin_wire.h"

#define READ_STEP 65536

/* --- the answer ---------------------------------------------------------------------------- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.x NNN text"; returns the status or 0. */
static unsigned parse_status_line(const char *line, size_t len)
{
	if (len < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) || line[8] != ' ' ||
		!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]) ||
		(len > 12 && line[12] != ' '))
		return 0;
	return (unsigned)(line[9] - '0') * 100 + (unsigned)(line[10] - '0') * 10 +
	       (unsigned)(line[11] - '0');
}

/* Value of a Content-Length field, SIZE_MAX if the line is another field; false if malformed. */
static bool parse_length(const char *line, size_t len, size_t *out)
{
	static const char name[] = "content-length:";
	size_t i = sizeof(name) - 1, n = 0;

	*out = SIZE_MAX;
	if (len < i || strncasecmp(line, name, i) != 0)
		return true;
	while (i < len && (line[i] == ' ' || line[i] == '\t'))
		i++;
	if (i == len)
		return false;
	for (; i < len && is_digit(line[i]); i++) {
		n = n * 10 + (size_t)(line[i] - '0');
		if (n > ADMIN_REPLY_MAX)
			return false;
	}
	while (i < len && (line[i] == ' ' || line[i] == '\t'))
		i++;
	*out = n;
	return i == len;
}

int admin_reply_parse(const char *text, size_t len, struct admin_reply *out)
{
	size_t pos = 0, declared = SIZE_MAX;

	*out = (struct admin_reply){0};
	for (unsigned line_no = 0;; line_no++) {
		const char *line = text + pos, *nl = memchr(line, '\n', len - pos);
		size_t n, length;

		if (nl == NULL || nl == line || nl[-1] != '\r')
			return -EPROTO;
		n = (size_t)(nl - line) - 1;
		pos += n + 2;
		if (line_no == 0) {
			out->status = parse_status_line(line, n);
			if (out->status < 100)
				return -EPROTO;
			continue;
		}
		if (n == 0)
			break;
		if (!parse_length(line, n, &length))
			return -EPROTO;
		if (length != SIZE_MAX && declared != SIZE_MAX && length != declared)
			return -EPROTO;
		if (length != SIZE_MAX)
			declared = length;
	}
	out->body = text + pos;
	out->body_len = len - pos;
	return declared == SIZE_MAX || declared == out->body_len ? 0 : -EPROTO;
}

/* --- the exchange -------------------------------------------------------------------------- */

/* Everything up to the end of the connection; *out is malloc'ed. */
static int read_all(struct admin_wire *w, char **out, size_t *out_len, char why[ADMIN_WHY])
{
	char *buf = NULL;
	size_t len = 0, cap = 0;
	int err = 0;

	for (;;) {
		ssize_t n;

		if (cap - len < READ_STEP) {
			char *more = realloc(buf, cap + cap / 2 + READ_STEP);

			if (more == NULL) {
				err = -ENOMEM;
				break;
			}
			buf = more;
			cap += cap / 2 + READ_STEP;
		}
		n = admin_wire_recv(w, buf + len, cap - len, why);
		if (n <= 0) {
			err = (int)n;
			break;
		}
		len += (size_t)n;
		if (len > ADMIN_REPLY_MAX) {
			err = -EMSGSIZE;
			break;
		}
	}
	if (err < 0) {
		free(buf);
		return err;
	}
	*out = buf;
	*out_len = len;
	return 0;
}

/* The first line of the token's file, as a field; "" without one. */
static int token_field(const struct admin_target *to, char *out, size_t size, char why[ADMIN_WHY])
{
	char token[ADMIN_TOKEN_MAX];
	int err;

	out[0] = '\0';
	if (to->token_file == NULL)
		return 0;
	err = admin_token_read(to->token_file, token);
	if (err == 0)
		snprintf(out, size, "Authorization: Bearer %s\r\n", token);
	else if (err == -EPERM)
		snprintf(why, ADMIN_WHY, "%s: others may read it", to->token_file);
	else
		snprintf(why, ADMIN_WHY, "%s: %s", to->token_file,
			err == -EINVAL ? "no token in it" : strerror(-err));
	return err == 0 ? 0 : -EINVAL;
}

static int send_request(struct admin_wire *w, const struct admin_target *to,
	const struct admin_ask *ask, char why[ADMIN_WHY])
{
	char *head = NULL, token[ADMIN_TOKEN_MAX + 32];
	int err = token_field(to, token, sizeof(token), why), n;

	if (err != 0)
		return err;
	n = asprintf(&head,
		"%s %s HTTP/1.0\r\nHost: %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
		ask->method, ask->path, admin_wire_host(w), token,
		ask->content_type != NULL ? ask->content_type : "application/json", ask->body_len);
	if (n < 0)
		return -ENOMEM;
	err = admin_wire_send(w, head, (size_t)n, why);
	free(head);
	if (err == 0 && ask->body_len > 0)
		err = admin_wire_send(w, ask->body, ask->body_len, why);
	/* A refusal that comes before the whole body was read is still an answer. */
	return err == -EPIPE || err == -ECONNRESET ? 0 : err;
}

int admin_exchange(
	const struct admin_target *to, const struct admin_ask *ask, struct admin_got *got)
{
	struct admin_reply reply;
	struct admin_wire *w;
	char *text = NULL;
	size_t len = 0;
	int err = admin_wire_open(to, got->why, &w);

	if (err < 0)
		return err;
	err = send_request(w, to, ask, got->why);
	if (err == 0)
		err = read_all(w, &text, &len, got->why);
	/* TLS 1.3 is done for a client before the server has looked at its certificate. */
	if (err == 0 && len == 0 && admin_wire_is_tls(w)) {
		snprintf(got->why, ADMIN_WHY, "TLS: closed without an answer: %s",
			to->cert != NULL ? "the certificate was refused"
					 : "a certificate may be needed");
		free(text);
		err = -EPERM;
	}
	admin_wire_close(w);
	if (err < 0)
		return err;
	err = admin_reply_parse(text, len, &reply);
	if (err == 0) {
		got->status = reply.status;
		got->len = reply.body_len;
		memmove(text, reply.body, reply.body_len);
		text[reply.body_len] = '\0'; /* the head was longer than that */
		got->text = text;
		return 0;
	}
	free(text);
	return err;
}

int admin_request(
	const char *socket, const char *method, const char *path, unsigned *status, json_t **body)
{
	struct admin_ask ask = {.method = method, .path = path};
	struct admin_target to = {.at = socket};
	struct admin_got got;
	int err = admin_exchange(&to, &ask, &got);

	if (err < 0)
		return err;
	*status = got.status;
	*body = json_loadb(got.text, got.len, JSON_REJECT_DUPLICATES, NULL);
	free(got.text);
	return *body != NULL ? 0 : -EPROTO;
}
