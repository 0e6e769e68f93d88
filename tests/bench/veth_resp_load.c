/* SPDX-License-Identifier: Apache-2.0
 * The client of tests/bench/veth_resp: the same load for the Redis protocol and for memcached's
 * text protocol, so that what differs is the server. Every connection sends a pipeline of commands,
 * waits for all replies, and sends the next. One thread, epoll, nothing of weir's.
 *
 *	veth_resp_load resp|memcached ADDRESS PORT get|set PIPELINE CONNS KEYS COMMANDS
 *
 * Keys are drawn uniformly (set with COMMANDS 0: each key once), keys of 16 bytes, values of 3, as
 * redis-benchmark has them; a pipeline of memcached's get is one get of several keys. Every reply
 * is compared. Prints one line: commands a second, and median, 99th percentile and maximum of a
 * pipeline's round trip in us. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNS_MAX 1024
#define PIPE_MAX  256
#define BYTES     96 /* of one command or reply at most */
#define SAMPLES   (1 << 22)

struct conn {
	int fd;
	uint32_t got, want;
	uint64_t sent_ns;
	char expect[PIPE_MAX * BYTES];
};

static struct conn conns[CONNS_MAX];
static uint32_t samples[SAMPLES], sample_cnt;
static uint64_t left, seed = 88172645463325252;
static uint32_t pipeline, keys, next_key;
static bool memcached, set, each;

static void die(const char *what)
{
	fprintf(stderr, "veth_resp_load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint32_t draw_key(void)
{
	if (each)
		return next_key++ % keys;
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)((seed >> 32) * keys >> 32);
}

/* memcached's own way to ask for several keys at once, which it answers with one end. */
static int multi_get(char *out, char *expect, uint32_t *want)
{
	int n = sprintf(out, "get");

	for (uint32_t i = 0; i < pipeline && left > 0; i++, left--) {
		uint32_t key = draw_key();

		n += sprintf(out + n, " key:%012u", key);
		*want += (uint32_t)sprintf(expect + *want, "VALUE key:%012u 0 3\r\nxxx\r\n", key);
	}
	*want += (uint32_t)sprintf(expect + *want, "END\r\n");
	return n + sprintf(out + n, "\r\n");
}

/* One command to out, its reply to expect. */
static int command(char *out, char *expect, int *reply)
{
	uint32_t key = draw_key();

	if (memcached) {
		*reply = sprintf(expect, "STORED\r\n");
		return sprintf(out, "set key:%012u 0 0 3\r\nxxx\r\n", key);
	}
	*reply = sprintf(expect, set ? "+OK\r\n" : "$3\r\nxxx\r\n");
	return set ? sprintf(out, "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012u\r\n$3\r\nxxx\r\n", key)
		   : sprintf(out, "*2\r\n$3\r\nGET\r\n$16\r\nkey:%012u\r\n", key);
}

static void send_pipeline(struct conn *c)
{
	char out[PIPE_MAX * BYTES];
	int n = 0, reply;

	c->got = c->want = 0;
	if (memcached && !set && left > 0)
		n = multi_get(out, c->expect, &c->want);
	for (uint32_t i = 0; (!memcached || set) && i < pipeline && left > 0; i++, left--) {
		n += command(out + n, c->expect + c->want, &reply);
		c->want += (uint32_t)reply;
	}
	if (n == 0)
		return;
	c->sent_ns = now_ns();
	if (send(c->fd, out, (size_t)n, MSG_NOSIGNAL) != n)
		die("send");
}

static void receive(struct conn *c)
{
	char buf[65536];
	ssize_t n = recv(c->fd, buf, sizeof(buf), 0);

	if (n <= 0)
		die("connection ended");
	if (c->got + (size_t)n > c->want || memcmp(buf, c->expect + c->got, (size_t)n) != 0) {
		fprintf(stderr, "veth_resp_load: another reply: %.*s\n", (int)n, buf);
		exit(1);
	}
	c->got += (uint32_t)n;
	if (c->got < c->want)
		return;
	if (sample_cnt < SAMPLES)
		samples[sample_cnt++] = (uint32_t)((now_ns() - c->sent_ns) / 1000);
	send_pipeline(c);
}

static int connect_to(const char *address, uint16_t port)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	if (fd < 0 || inet_pton(AF_INET, address, &sa.sin_addr) != 1 ||
		connect(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0)
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void report(uint64_t total, uint64_t took_ns)
{
	qsort(samples, sample_cnt, sizeof(samples[0]), by_value);
	printf("%.0f %u %u %u\n", (double)total * 1e9 / (double)took_ns, samples[sample_cnt / 2],
		samples[sample_cnt - 1 - sample_cnt / 100], samples[sample_cnt - 1]);
}

int main(int argc, char **argv)
{
	uint32_t conn_cnt, busy;
	uint64_t total, start;
	int ep;

	if (argc != 9) {
		fprintf(stderr, "usage: veth_resp_load resp|memcached ADDRESS PORT get|set "
				"PIPELINE CONNS KEYS COMMANDS\n");
		return 2;
	}
	memcached = strcmp(argv[1], "memcached") == 0;
	set = strcmp(argv[4], "set") == 0;
	pipeline = (uint32_t)atoi(argv[5]);
	conn_cnt = (uint32_t)atoi(argv[6]);
	keys = (uint32_t)atoi(argv[7]);
	total = strtoull(argv[8], NULL, 10);
	each = total == 0;
	total = each ? keys : total;
	left = total;
	if (pipeline == 0 || pipeline > PIPE_MAX || conn_cnt == 0 || conn_cnt > CONNS_MAX ||
		keys == 0)
		return 2;
	ep = epoll_create1(0);
	for (uint32_t i = 0; i < conn_cnt; i++) {
		struct epoll_event ev = {.events = EPOLLIN, .data.u32 = i};

		conns[i].fd = connect_to(argv[2], (uint16_t)atoi(argv[3]));
		if (epoll_ctl(ep, EPOLL_CTL_ADD, conns[i].fd, &ev) != 0)
			die("epoll");
	}
	start = now_ns();
	for (uint32_t i = 0; i < conn_cnt; i++)
		send_pipeline(&conns[i]);
	do {
		struct epoll_event ev[64];
		int n = epoll_wait(ep, ev, 64, 10000);

		if (n <= 0)
			die("no reply");
		for (int i = 0; i < n; i++)
			receive(&conns[ev[i].data.u32]);
		busy = 0;
		for (uint32_t i = 0; left == 0 && i < conn_cnt; i++)
			busy += conns[i].got < conns[i].want;
	} while (left > 0 || busy > 0);
	report(total, now_ns() - start);
	return 0;
}
