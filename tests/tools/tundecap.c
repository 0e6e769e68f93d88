/* SPDX-License-Identifier: Apache-2.0
 * tundecap - decapsulates IPIP and GUE in a backend's namespace, for kernels without ipip and fou.
 *
 *   tundecap TUN COUNTS
 *
 * Opens the TUN device TUN and writes into it what arrives inside IPv4 or IPv6 as protocol 4, as
 * protocol 41, or in GUE (draft-ietf-intarea-gue, version 0 data messages and version 1) on UDP
 * port 6080. Ordinary sockets take the outer packets, so the kernel verifies checksums, joins
 * fragments and sends no "protocol unreachable". On SIGUSR1 and at the end (SIGTERM, SIGINT) the
 * counts are written to the file COUNTS as lines "NAME VALUE"; NAME is one of
 * ipip44 ipip46 ipip64 ipip66 gue44 ... (inner family, then outer family), bad, or write_failed. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define GUE_PORT   6080
#define BUF_LEN    65536
#define PROTO_IPV4 4
#define PROTO_IPV6 41

enum how { HOW_IPIP, HOW_GUE };

/* Indexed [how][inner is IPv6][outer is IPv6]. */
static uint64_t counts[2][2][2];
static uint64_t bad, write_failed;

struct source {
	int fd;
	enum how how;
	bool outer6;
	uint8_t proto; /* of a raw socket */
};

static void die(const char *what)
{
	fprintf(stderr, "tundecap: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int tun_open(const char *name)
{
	struct ifreq ifr = {0};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	ifr.ifr_flags = IFF_TUN | IFF_NO_PI;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		die(name);
	return fd;
}

static struct source raw_open(int family, uint8_t proto)
{
	struct source s = {.how = HOW_IPIP, .outer6 = family == AF_INET6, .proto = proto};

	s.fd = socket(family, SOCK_RAW | SOCK_CLOEXEC, proto);
	if (s.fd < 0)
		die("raw socket");
	return s;
}

static struct source gue_open(int family)
{
	struct source s = {.how = HOW_GUE, .outer6 = family == AF_INET6};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(GUE_PORT)};
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(GUE_PORT)};
	int on = 1;

	s.fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s.fd < 0)
		die("UDP socket");
	if (s.outer6) {
		if (setsockopt(s.fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0 ||
			bind(s.fd, (struct sockaddr *)&a6, sizeof(a6)) < 0)
			die("bind");
	} else if (bind(s.fd, (struct sockaddr *)&a4, sizeof(a4)) < 0) {
		die("bind");
	}
	return s;
}

/* The inner packet's protocol number by the GUE header at p; its length in *hdr_len. 0: bad. */
static uint8_t gue_parse(const uint8_t *p, size_t len, size_t *hdr_len)
{
	uint8_t version;

	if (len < 4)
		return 0;
	version = (uint8_t)(p[0] >> 6);
	if (version == 1) { /* the payload is an IP packet that starts right here */
		*hdr_len = 0;
		return p[0] >> 4 == 4 ? PROTO_IPV4 : p[0] >> 4 == 6 ? PROTO_IPV6 : 0;
	}
	if (version != 0 || (p[0] & 0x20) != 0 || p[2] != 0 || p[3] != 0)
		return 0; /* a control message, or flags that nobody here sends */
	*hdr_len = 4 + 4 * (size_t)(p[0] & 0x1f);
	return p[1] == PROTO_IPV4 || p[1] == PROTO_IPV6 ? p[1] : 0;
}

static bool inner_ok(const uint8_t *p, size_t len, uint8_t proto)
{
	size_t total;

	if (proto == PROTO_IPV4) {
		if (len < 20 || p[0] >> 4 != 4)
			return false;
		total = (size_t)p[2] << 8 | p[3];
	} else {
		if (len < 40 || p[0] >> 4 != 6)
			return false;
		total = 40 + ((size_t)p[4] << 8 | p[5]);
	}
	return total == len;
}

/* Takes one packet off the source and hands what is inside to the TUN device. */
static void decapsulate(const struct source *s, int tun)
{
	static uint8_t buf[BUF_LEN];
	ssize_t n = recv(s->fd, buf, sizeof(buf), MSG_DONTWAIT);
	size_t off = 0, len;
	uint8_t proto = s->proto;

	if (n < 0)
		return; /* an ICMP error that a socket reports is no packet */
	len = (size_t)n;
	if (s->how == HOW_GUE)
		proto = gue_parse(buf, len, &off);
	else if (!s->outer6 && len > 0) /* a raw IPv4 socket hands over the outer header too */
		off = 4 * (size_t)(buf[0] & 0x0f);
	if (proto == 0 || off >= len || !inner_ok(buf + off, len - off, proto)) {
		bad++;
		return;
	}
	if (write(tun, buf + off, len - off) != (ssize_t)(len - off)) {
		write_failed++;
		return;
	}
	counts[s->how][proto == PROTO_IPV6][s->outer6]++;
}

static void counts_write(const char *path)
{
	static const char *const names[2] = {"ipip", "gue"};
	char tmp[4096];
	FILE *f;

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	f = fopen(tmp, "w");
	if (f == NULL)
		die(tmp);
	for (int h = 0; h < 2; h++)
		for (int i = 0; i < 2; i++)
			for (int o = 0; o < 2; o++)
				fprintf(f, "%s%c%c %lu\n", names[h], i ? '6' : '4', o ? '6' : '4',
					counts[h][i][o]);
	fprintf(f, "bad %lu\nwrite_failed %lu\n", bad, write_failed);
	if (fclose(f) != 0 || rename(tmp, path) != 0)
		die(path);
}

static int signals_open(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		die("sigprocmask");
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		die("signalfd");
	return fd;
}

int main(int argc, char **argv)
{
	enum { SOURCES = 6, SIGNALS = SOURCES };
	struct source src[SOURCES];
	struct pollfd fds[SOURCES + 1];
	struct signalfd_siginfo si;
	int tun;

	if (argc != 3) {
		fprintf(stderr, "usage: tundecap TUN COUNTS\n");
		return 2;
	}
	src[0] = raw_open(AF_INET, PROTO_IPV4);
	src[1] = raw_open(AF_INET, PROTO_IPV6);
	src[2] = raw_open(AF_INET6, PROTO_IPV4);
	src[3] = raw_open(AF_INET6, PROTO_IPV6);
	src[4] = gue_open(AF_INET);
	src[5] = gue_open(AF_INET6);
	for (int i = 0; i < SOURCES; i++)
		fds[i] = (struct pollfd){.fd = src[i].fd, .events = POLLIN};
	fds[SIGNALS] = (struct pollfd){.fd = signals_open(), .events = POLLIN};
	tun = tun_open(argv[1]);

	for (;;) {
		if (poll(fds, SOURCES + 1, -1) < 0)
			die("poll");
		for (int i = 0; i < SOURCES; i++)
			if (fds[i].revents != 0)
				decapsulate(&src[i], tun);
		if (fds[SIGNALS].revents == 0)
			continue;
		if (read(fds[SIGNALS].fd, &si, sizeof(si)) != sizeof(si))
			die("signalfd");
		counts_write(argv[2]);
		if (si.ssi_signo != SIGUSR1)
			return 0;
	}
}
