/* SPDX-License-Identifier: Apache-2.0
 * The Redis protocol of weir on a Unix socket, without its network: for tests that compare it with
 * a Redis server, reply by reply.
 *
 *	resp_server SOCKET [SHARDS [CACHE_MIB]]
 *
 * Says "ready" on standard output; runs until its input ends. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dataplane/base/log.h"
#include "tests/support/resp_rig.h"

#define CONNS 64

struct client {
	int fd;
	struct rig_conn *c;
};

static struct client clients[CONNS];
static uint32_t client_cnt;

static void drop(uint32_t i)
{
	close(clients[i].fd);
	rig_disconnect(clients[i].c);
	clients[i] = clients[--client_cnt];
}

/* False: the client is gone. */
static bool pump_out(struct client *c)
{
	struct rig_conn *r = c->c;
	size_t done = 0;

	while (done < r->out_len) {
		ssize_t n = send(c->fd, r->out + done, r->out_len - done, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	r->out_len = 0;
	return !r->closed;
}

static bool pump_in(struct client *c)
{
	static uint8_t buf[65536];
	ssize_t n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n == 0)
		return false;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	rig_feed(c->c, buf, (size_t)n);
	return true;
}

static int listen_at(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 16) != 0) {
		perror(path);
		exit(1);
	}
	return fd;
}

static void turn(struct rig *r, int listener, bool *stop)
{
	struct pollfd fds[CONNS + 3] = {
		{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = listener, .events = POLLIN}};
	bool busy = rig_turn(r) > 0;

	for (uint32_t i = 0; i < client_cnt; i++)
		fds[2 + i] = (struct pollfd){.fd = clients[i].fd, .events = POLLIN};
	fds[2 + client_cnt] = (struct pollfd){.fd = r->wake_fd, .events = POLLIN};
	(void)poll(fds, 3 + client_cnt, busy ? 0 : 10);
	*stop = fds[0].revents != 0;
	for (uint32_t i = client_cnt; i-- > 0;)
		if ((fds[2 + i].revents != 0 && !pump_in(&clients[i])) || !pump_out(&clients[i]))
			drop(i);
	if (fds[1].revents != 0 && client_cnt < CONNS) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			clients[client_cnt++] = (struct client){fd, rig_connect(r, 0)};
	}
}

int main(int argc, char **argv)
{
	struct rig_params p = {.ns = NS_VOLATILE, .cache_bytes = 16 << 20};
	bool stop = false;
	struct rig *r;
	int fd;

	if (argc < 2)
		return 2;
	log_set_level(LOG_ERROR);
	p.shards = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
	if (argc > 3)
		p.cache_bytes = (uint64_t)atoi(argv[3]) << 20;
	r = rig_open(&p);
	fd = listen_at(argv[1]);
	printf("ready\n");
	fflush(stdout);
	while (!stop)
		turn(r, fd, &stop);
	while (client_cnt > 0)
		drop(0);
	rig_settle(r);
	rig_close(r);
	close(fd);
	unlink(argv[1]);
	return 0;
}
