/* SPDX-License-Identifier: Apache-2.0
 * The kernel's side of tests/bench/veth_tcp: a server that stands beside weir, and the client of
 * both. One thread, epoll, no dependency on anything of weir's.
 *
 *	veth_tcp_peer serve ADDRESS              echo on 7, discard on 9, source on 19
 *	veth_tcp_peer echo  ADDRESS CONNS SECS PID
 *	veth_tcp_peer short ADDRESS CONNS SECS PID
 *	veth_tcp_peer take  ADDRESS 1 SECS PID   from the source
 *	veth_tcp_peer give  ADDRESS 1 SECS PID   to the discard
 *
 * A client prints one line: operations or bytes, and for that time, after a warm-up, the CPU time
 * of PID (all threads; user apart) and of itself, in ns. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT_ECHO    7
#define PORT_DISCARD 9
#define PORT_SOURCE  19
#define MESSAGE      64
#define PERIOD       251
#define BULK         (251 * 256)
#define EVENTS       256
#define FDS_MAX      65536
#define SETUP_NS     UINT64_C(10000000000)

static uint8_t buf[BULK], pattern[BULK];
static int ep;

static void die(const char *what)
{
	fprintf(stderr, "veth_tcp_peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void watch(int fd, uint32_t events, uint64_t tag, int op)
{
	struct epoll_event ev = {.events = events, .data.u64 = tag << 32 | (uint32_t)fd};

	if (epoll_ctl(ep, op, fd, &ev) != 0)
		die("epoll_ctl");
}

static int tcp_socket(void)
{
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static struct sockaddr_in address(const char *text, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	if (inet_pton(AF_INET, text, &a.sin_addr) != 1)
		die("address");
	return a;
}

/* ---- server ---- */

static uint64_t sent[FDS_MAX]; /* by the source on that descriptor */

static void listen_on(const char *text, uint16_t port)
{
	struct sockaddr_in a = address(text, port);
	int one = 1, fd = tcp_socket();

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* As weir's, whatever this machine's default; accepted sockets inherit it. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) != 0)
		die("cubic");
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 4096) != 0)
		die("listen");
	watch(fd, EPOLLIN, 0x10000u | port, EPOLL_CTL_ADD);
}

static void accept_all(int fd, uint16_t port)
{
	int one = 1, c;

	while ((c = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (c >= FDS_MAX)
			die("too many descriptors");
		setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		sent[c] = 0;
		watch(c, port == PORT_SOURCE ? EPOLLOUT : EPOLLIN, port, EPOLL_CTL_ADD);
	}
}

/* Messages are small and their client waits for the answer: the send buffer has room. */
static bool serve_echo(int fd)
{
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0)
		return errno == EAGAIN;
	return n > 0 && write(fd, buf, (size_t)n) == n;
}

static bool serve_discard(int fd)
{
	ssize_t n = read(fd, buf, sizeof(buf));

	return n > 0 || (n < 0 && errno == EAGAIN);
}

static bool serve_source(int fd)
{
	size_t at = sent[fd] % PERIOD;
	ssize_t n = write(fd, pattern + at, sizeof(pattern) - at);

	if (n < 0)
		return errno == EAGAIN;
	sent[fd] += (uint64_t)n;
	return true;
}

static void serve(const char *text)
{
	struct epoll_event ev[EVENTS];

	listen_on(text, PORT_ECHO);
	listen_on(text, PORT_DISCARD);
	listen_on(text, PORT_SOURCE);
	for (;;) {
		int n = epoll_wait(ep, ev, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int fd = (int)(ev[i].data.u64 & 0xffffffff);
			uint32_t tag = (uint32_t)(ev[i].data.u64 >> 32);
			bool good;

			if (tag & 0x10000) {
				accept_all(fd, (uint16_t)tag);
				continue;
			}
			good = tag == PORT_ECHO      ? serve_echo(fd)
			       : tag == PORT_DISCARD ? serve_discard(fd)
						     : serve_source(fd);
			if (!good)
				close(fd);
		}
	}
}

/* ---- CPU time ---- */

struct usage {
	uint64_t wall_ns, server_ns, server_user_ns, own_ns;
};

/* The scheduler's clock of each thread: precise, unlike the ticks of utime and stime. */
static uint64_t server_ns(const char *pid)
{
	char path[64];
	uint64_t sum = 0, one;
	glob_t g;

	snprintf(path, sizeof(path), "/proc/%s/task/*/schedstat", pid);
	if (glob(path, 0, NULL, &g) != 0)
		die("no such process");
	for (size_t i = 0; i < g.gl_pathc; i++) {
		FILE *f = fopen(g.gl_pathv[i], "r");

		if (f != NULL && fscanf(f, "%" SCNu64, &one) == 1)
			sum += one;
		if (f != NULL)
			fclose(f);
	}
	globfree(&g);
	return sum;
}

static uint64_t server_user_ns(const char *pid)
{
	char path[64], line[1024];
	unsigned long utime = 0;
	const char *p;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (f == NULL || fgets(line, sizeof(line), f) == NULL)
		die("stat");
	fclose(f);
	/* The name may hold anything but ends with the last parenthesis. */
	p = strrchr(line, ')');
	if (p == NULL ||
		sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu", &utime) != 1)
		die("stat");
	return (uint64_t)utime * 1000000000 / (uint64_t)sysconf(_SC_CLK_TCK);
}

static struct usage usage(const char *pid)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (struct usage){now_ns(), server_ns(pid), server_user_ns(pid),
		(uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec};
}

static void report(const struct usage *a, const char *pid, const char *unit, uint64_t count)
{
	struct usage b = usage(pid);

	printf("%s=%" PRIu64 " ns=%" PRIu64 " server=%" PRIu64 " user=%" PRIu64 " client=%" PRIu64
	       "\n",
		unit, count, b.wall_ns - a->wall_ns, b.server_ns - a->server_ns,
		b.server_user_ns - a->server_user_ns, b.own_ns - a->own_ns);
}

/* ---- clients ---- */

struct run {
	const char *address, *pid;
	uint32_t conns, first; /* first: connections that had their first answer */
	uint64_t span_ns, give_up_ns;
	uint64_t warm_ns, end_ns; /* 0 until all had it; measured from warm_ns on */
	struct usage start;
	bool warm;
	uint64_t count;
};

static uint64_t seq[FDS_MAX];
static bool asked[FDS_MAX];

static int open_to(const struct run *r, uint16_t port)
{
	struct sockaddr_in a = address(r->address, port);
	int fd = tcp_socket();

	if (fd >= FDS_MAX)
		die("too many descriptors");
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0 && errno != EINPROGRESS)
		die("connect");
	asked[fd] = false;
	return fd;
}

static void ask(int fd)
{
	uint64_t m[MESSAGE / 8];

	for (int i = 0; i < MESSAGE / 8; i++)
		m[i] = seq[fd] + (uint64_t)i;
	if (write(fd, m, sizeof(m)) != sizeof(m))
		die("write");
	asked[fd] = true;
}

/* The whole answer came and is right. A message crosses in one segment. */
static bool answered(int fd)
{
	uint64_t m[MESSAGE / 8];
	ssize_t n = read(fd, m, sizeof(m));

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n != MESSAGE)
		die("answer");
	for (int i = 0; i < MESSAGE / 8; i++)
		if (m[i] != seq[fd] + (uint64_t)i) {
			fprintf(stderr, "veth_tcp_peer: wrong bytes\n");
			exit(1);
		}
	seq[fd]++;
	return true;
}

/* Counts what happens between the warm-up and the end; false: it is over. */
static bool goes_on(struct run *r)
{
	uint64_t t = now_ns();

	if (r->end_ns == 0) {
		if (t > r->give_up_ns) {
			fprintf(stderr, "veth_tcp_peer: %u of %u connections are served\n",
				r->first, r->conns);
			exit(1);
		}
		if (r->first < r->conns)
			return true;
		r->warm_ns = t + r->span_ns / 5;
		r->end_ns = r->warm_ns + r->span_ns;
	}
	if (!r->warm && t >= r->warm_ns) {
		r->warm = true;
		r->count = 0;
		r->start = usage(r->pid);
	}
	return t < r->end_ns;
}

static void client_echo(struct run *r, bool reopen)
{
	struct epoll_event ev[EVENTS];

	for (uint32_t i = 0; i < r->conns; i++)
		watch(open_to(r, PORT_ECHO), EPOLLIN | EPOLLOUT, 0, EPOLL_CTL_ADD);
	while (goes_on(r)) {
		int n = epoll_wait(ep, ev, EVENTS, 100);

		for (int i = 0; i < n; i++) {
			int fd = (int)(ev[i].data.u64 & 0xffffffff);

			if (ev[i].events & (EPOLLERR | EPOLLHUP))
				die("connection ended");
			if (!asked[fd]) {
				ask(fd);
				watch(fd, EPOLLIN, 0, EPOLL_CTL_MOD);
				continue;
			}
			if (!answered(fd))
				continue;
			r->count++;
			if (r->end_ns == 0 && (reopen || seq[fd] == 1))
				r->first++;
			if (reopen) {
				close(fd);
				watch(open_to(r, PORT_ECHO), EPOLLIN | EPOLLOUT, 0, EPOLL_CTL_ADD);
			} else {
				ask(fd);
			}
		}
	}
	report(&r->start, r->pid, "operations", r->count);
}

static void client_bulk(struct run *r, bool take)
{
	int fd = open_to(r, take ? PORT_SOURCE : PORT_DISCARD);
	struct epoll_event ev;
	uint64_t total = 0;

	watch(fd, take ? EPOLLIN : EPOLLOUT, 0, EPOLL_CTL_ADD);
	while (goes_on(r)) {
		ssize_t n;

		if (epoll_wait(ep, &ev, 1, 100) == 0)
			continue;
		n = take ? read(fd, buf, sizeof(buf)) : write(fd, pattern, sizeof(pattern));
		if (n < 0 && errno == EAGAIN)
			continue;
		if (n <= 0)
			die("connection ended");
		if (take && memcmp(buf, pattern + total % PERIOD,
				    (size_t)n < BULK - PERIOD ? (size_t)n : BULK - PERIOD) != 0) {
			fprintf(stderr, "veth_tcp_peer: wrong bytes\n");
			exit(1);
		}
		total += (uint64_t)n;
		r->first = 1;
		r->count += (uint64_t)n;
	}
	report(&r->start, r->pid, "bytes", r->count);
}

int main(int argc, char **argv)
{
	struct run r;

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = (uint8_t)(i % PERIOD);
	ep = epoll_create1(EPOLL_CLOEXEC);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){FDS_MAX, FDS_MAX});
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		serve(argv[2]);
	if (argc != 6) {
		fprintf(stderr,
			"usage: veth_tcp_peer serve ADDRESS\n"
			"       veth_tcp_peer echo|short|take|give ADDRESS CONNS SECONDS PID\n");
		return 2;
	}
	r = (struct run){.address = argv[2],
		.pid = argv[5],
		.conns = (uint32_t)atoi(argv[3]),
		.span_ns = (uint64_t)(atof(argv[4]) * 1e9),
		.give_up_ns = now_ns() + SETUP_NS};
	if (strcmp(argv[1], "echo") == 0 || strcmp(argv[1], "short") == 0)
		client_echo(&r, argv[1][0] == 's');
	else
		client_bulk(&r, strcmp(argv[1], "take") == 0);
	return 0;
}
