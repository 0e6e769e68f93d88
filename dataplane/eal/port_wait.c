/* SPDX-License-Identifier: Apache-2.0 */
#include "dataplane/eal/port_wait.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_ethdev.h>

#include "dataplane/base/assert.h"

void port_fd_snapshot(struct port_fd_set *set)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	memset(set, 0, sizeof(*set));
	if (dir == NULL)
		return;
	while ((e = readdir(dir)) != NULL) {
		char *end;
		long fd = strtol(e->d_name, &end, 10);

		/* The descriptor of this listing is free again right after it. */
		if (end != e->d_name && *end == '\0' && fd >= 0 && fd < PORT_FD_MAX &&
			fd != dirfd(dir))
			set->open[fd / 8] |= (uint8_t)(1 << (fd % 8));
	}
	closedir(dir);
}

static int socket_domain(int fd)
{
	int domain;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 ? domain : -1;
}

/* The one new socket of a packet family; -1 if there is none or more than one (several queues). */
static int find_new_socket(const struct port_fd_set *before)
{
	struct port_fd_set now;
	int found = -1;

	port_fd_snapshot(&now);
	for (int fd = 0; fd < PORT_FD_MAX; fd++) {
		int bit = 1 << (fd % 8), domain;

		if ((now.open[fd / 8] & bit) == 0 || (before->open[fd / 8] & bit) != 0)
			continue;
		domain = socket_domain(fd);
		if (domain != AF_PACKET && domain != AF_XDP)
			continue;
		if (found >= 0)
			return -1;
		found = fd;
	}
	return found;
}

static void wait_on_socket(struct port *p, const struct port_fd_set *before)
{
	p->fd = find_new_socket(before);
	if (p->fd >= 0)
		p->wait = PORT_WAIT_FD;
}

void port_wait_choose(struct port *p, const char *driver, const struct port_fd_set *before)
{
	p->wait = PORT_WAIT_SLEEP;
	if (strstr(driver, "af_xdp") != NULL || strstr(driver, "af_packet") != NULL) {
		wait_on_socket(p, before);
		return;
	}
	if (p->rxq_cnt == 1 && rte_eth_dev_rx_intr_enable(p->id, 0) == 0) {
		(void)rte_eth_dev_rx_intr_disable(p->id, 0);
		p->caps |= PORT_CAP_RX_INTR;
		p->wait = PORT_WAIT_INTR;
	}
}

void port_wait_from_attach(struct port *p, const struct port_fd_set *before)
{
	wait_on_socket(p, before);
}

const char *port_wait_name(enum port_wait wait)
{
	static const char *const names[] = {"sleep", "fd", "interrupt"};

	ASSERT(wait < ARRAY_SIZE(names));
	return names[wait];
}
