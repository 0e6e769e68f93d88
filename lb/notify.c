/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/time.h"

static uint64_t watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (usec == NULL || (pid != NULL && strtol(pid, NULL, 10) != (long)getpid()))
		return 0;
	return strtoull(usec, NULL, 10) * NS_PER_US;
}

void notify_init(struct notify *n)
{
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path != NULL ? strlen(path) : 0;

	*n = (struct notify){.fd = -1, .addr = {.sun_family = AF_UNIX}};
	if (len == 0 || len >= sizeof(n->addr.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(n->addr.sun_path, path, len);
	/* An abstract name begins with a NUL and has no other. */
	if (path[0] == '@')
		n->addr.sun_path[0] = '\0';
	n->addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
				  (path[0] == '/' ? 1 : 0));
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	n->watchdog_ns = n->fd >= 0 ? watchdog_ns() : 0;
}

void notify_fini(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

static void say(const struct notify *n, const char *text)
{
	if (n->fd >= 0)
		(void)!sendto(n->fd, text, strlen(text), MSG_NOSIGNAL,
			(const struct sockaddr *)&n->addr, n->addr_len);
}

void notify_ready(struct notify *n, const char *status)
{
	char text[512];

	snprintf(text, sizeof(text), "READY=1\nSTATUS=%s", status);
	say(n, text);
}

void notify_reloading(struct notify *n, uint64_t now_ns)
{
	char text[96];

	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
		(unsigned long long)(now_ns / NS_PER_US));
	say(n, text);
}

void notify_stopping(struct notify *n)
{
	say(n, "STOPPING=1\nSTATUS=draining");
}

void notify_run(struct notify *n, bool healthy, uint64_t now_ns)
{
	if (n->watchdog_ns == 0 || !healthy || now_ns < n->next_ns)
		return;
	say(n, "WATCHDOG=1");
	n->next_ns = now_ns + n->watchdog_ns / 2;
}
