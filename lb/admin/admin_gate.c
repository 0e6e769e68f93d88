/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/admin/admin_gate.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* Length of the name in "name:port", "[v6]:port" or without a port. */
static size_t name_len(const char *host)
{
	const char *end = host[0] == '[' ? strchr(host, ']') : NULL;

	if (end != NULL)
		return (size_t)(end - host) + 1;
	return strcspn(host, ":");
}

static bool host_is_ours(const char *host, const char *listen)
{
	static const char *const names[] = {"localhost", "127.0.0.1", "[::1]"};
	size_t len = name_len(host), listen_len = name_len(listen);
	const char *port = host + len;

	/* The port, if named, is the listener's: another port is another origin. */
	if (*port != '\0' && strcmp(port, listen + listen_len) != 0)
		return false;
	if (len == listen_len && strncasecmp(host, listen, len) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (len == strlen(names[i]) && strncasecmp(host, names[i], len) == 0)
			return true;
	return false;
}

static bool other_site(const struct admin_peer *p)
{
	const char *scheme = p->tls ? "https://" : "http://";
	size_t len = strlen(scheme);

	if (p->fetch_site != NULL && strcasecmp(p->fetch_site, "same-origin") != 0 &&
		strcasecmp(p->fetch_site, "none") != 0)
		return true;
	if (p->origin == NULL)
		return false;
	return p->host == NULL || strncasecmp(p->origin, scheme, len) != 0 ||
	       strcasecmp(p->origin + len, p->host) != 0;
}

/* All bytes of the configured token are looked at, whatever was sent. */
static bool token_is(const char *authorization, const char *token)
{
	static const char scheme[] = "Bearer ";
	size_t len = strlen(token), got;
	unsigned diff;

	if (authorization == NULL || strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return false;
	authorization += sizeof(scheme) - 1;
	got = strlen(authorization);
	diff = got != len;
	for (size_t i = 0; i < len; i++)
		diff |= (unsigned char)token[i] ^ (unsigned char)authorization[i < got ? i : got];
	return diff == 0;
}

enum admin_gate admin_gate_check(
	const struct admin_peer *p, const char *token, bool change, bool page)
{
	if (!p->http)
		return ADMIN_GATE_OPEN;
	if (p->loopback && (p->host == NULL || !host_is_ours(p->host, p->listen)))
		return ADMIN_GATE_HOST;
	if (page)
		return ADMIN_GATE_OPEN;
	if (other_site(p))
		return ADMIN_GATE_CROSS;
	if (!change && (p->loopback || p->certified))
		return ADMIN_GATE_OPEN;
	if (token[0] == '\0')
		return p->certified ? ADMIN_GATE_OPEN : ADMIN_GATE_READONLY;
	return token_is(p->authorization, token) ? ADMIN_GATE_OPEN : ADMIN_GATE_TOKEN;
}

const char *admin_gate_text(enum admin_gate g)
{
	static const char *const texts[] = {
		[ADMIN_GATE_OPEN] = "",
		[ADMIN_GATE_HOST] = "the Host header is no name of this listener",
		[ADMIN_GATE_CROSS] = "requests of other sites are refused",
		[ADMIN_GATE_TOKEN] = "needs `Authorization: Bearer TOKEN`",
		[ADMIN_GATE_READONLY] = "no admin.token_file is configured and no certificate was "
					"shown: nothing can "
					"be changed over HTTP",
	};

	return texts[g];
}

int admin_token_read(const char *path, char *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	ssize_t n;
	size_t len;

	if (fd < 0)
		return -errno;
	n = fstat(fd, &st) == 0 ? read(fd, out, ADMIN_TOKEN_MAX) : -1;
	if (n < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	close(fd);
	if (st.st_mode & S_IRWXO)
		return -EPERM;
	if (n == ADMIN_TOKEN_MAX)
		return -EINVAL;
	out[n] = '\0';
	len = strcspn(out, "\r\n");
	out[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (out[i] <= 0x20 || out[i] == 0x7f)
			return -EINVAL;
	return len < ADMIN_TOKEN_MIN ? -EINVAL : 0;
}
