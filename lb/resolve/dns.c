/* SPDX-License-Identifier: Apache-2.0
 * The hosts file is looked at first, as it is everywhere else; then the servers are asked for one
 * kind of record. A and AAAA are two questions, so that trouble with one family leaves the other
 * alone. Truncated answers are asked for again over TCP, by the library. */
#include "lb/resolve/dns.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ares.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"

#define EDNS_BYTES 1232 /* what passes any path in one piece (DNS flag day 2020) */

struct dns {
	struct resolve *r;
	ares_channel channel;
	bool hosts_file, closing;
};

struct question {
	struct dns *d;
	uint32_t token;
	bool ip4;
};

static enum resolve_result result_of(int status)
{
	switch (status) {
	case ARES_ENODATA:
		return RESOLVE_NO_ADDRESS;
	case ARES_ENOTFOUND:
		return RESOLVE_NO_NAME;
	case ARES_ESERVFAIL:
	case ARES_EREFUSED:
	case ARES_ECONNREFUSED: /* what the library says when each server answered like that */
	case ARES_ENOTIMP:
		return RESOLVE_FAILED;
	case ARES_ETIMEOUT:
		return RESOLVE_TIMEOUT;
	case ARES_EBADRESP:
	case ARES_EFORMERR:
		return RESOLVE_INVALID;
	default:
		return RESOLVE_LOCAL;
	}
}

static void note_ttl(struct resolve_answer *a, int ttl)
{
	uint32_t s = ttl > 0 ? (uint32_t)ttl : 0;

	if (a->cnt == 0 || s < a->ttl_s)
		a->ttl_s = s;
}

/* Addresses that name no single host, and IPv4 in IPv6's clothes, are no backends. */
static bool usable(const struct ip_addr *a, bool ip4)
{
	if (ip4)
		return a->b[12] != 0 && a->b[12] < 224;
	return !ip_addr_is4(a) && a->b[0] != 0xff && (a->d[0] != 0 || a->d[1] != 0);
}

static void add(struct resolve_answer *a, struct ip_addr addr, bool ip4)
{
	if (a->cnt < LIMIT_NAME_ADDRS && usable(&addr, ip4))
		a->addrs[a->cnt++] = addr;
}

static int parse4(const unsigned char *abuf, int alen, struct resolve_answer *a)
{
	struct ares_addrttl rows[LIMIT_NAME_ADDRS];
	int n = LIMIT_NAME_ADDRS, status = ares_parse_a_reply(abuf, alen, NULL, rows, &n);

	for (int i = 0; status == ARES_SUCCESS && i < n; i++) {
		note_ttl(a, rows[i].ttl);
		add(a, ip_addr_from4(rows[i].ipaddr.s_addr), true);
	}
	return status;
}

static int parse6(const unsigned char *abuf, int alen, struct resolve_answer *a)
{
	struct ares_addr6ttl rows[LIMIT_NAME_ADDRS];
	int n = LIMIT_NAME_ADDRS, status = ares_parse_aaaa_reply(abuf, alen, NULL, rows, &n);

	for (int i = 0; status == ARES_SUCCESS && i < n; i++) {
		note_ttl(a, rows[i].ttl);
		add(a, ip_addr_from6(&rows[i].ip6addr), false);
	}
	return status;
}

static void on_reply(void *arg, int status, int timeouts, unsigned char *abuf, int alen)
{
	struct question *q = arg;
	struct resolve_answer a = {0};

	(void)timeouts;
	if (status == ARES_SUCCESS)
		status = q->ip4 ? parse4(abuf, alen, &a) : parse6(abuf, alen, &a);
	a.result = RESOLVE_OK;
	if (status != ARES_SUCCESS)
		a.result = result_of(status);
	else if (a.cnt == 0)
		a.result = RESOLVE_NO_ADDRESS;
	if (!q->d->closing)
		resolve_take(q->d->r, q->token, &a);
	free(q);
}

static bool from_file(struct dns *d, const char *name, bool ip4, struct resolve_answer *a)
{
	struct hostent *h = NULL;

	if (!d->hosts_file || ares_gethostbyname_file(d->channel, name, ip4 ? AF_INET : AF_INET6,
				      &h) != ARES_SUCCESS)
		return false;
	for (char **p = h->h_addr_list; *p != NULL; p++) {
		uint32_t v4;

		memcpy(&v4, *p, sizeof(v4));
		add(a, ip4 ? ip_addr_from4(v4) : ip_addr_from6(*p), ip4);
	}
	ares_free_hostent(h);
	a->result = RESOLVE_OK;
	a->from_file = true;
	return a->cnt > 0;
}

static int dns_ask(void *ctx, const char *name, bool ip4, uint32_t token)
{
	struct dns *d = ctx;
	struct resolve_answer a = {0};
	struct question *q;

	if (from_file(d, name, ip4, &a)) {
		resolve_take(d->r, token, &a);
		return 0;
	}
	q = malloc(sizeof(*q));
	if (q == NULL)
		return -ENOMEM;
	*q = (struct question){d, token, ip4};
	ares_query(d->channel, name, 1 /* IN */, ip4 ? 1 : 28 /* A, AAAA */, on_reply, q);
	return 0;
}

static uint32_t dns_fds(void *ctx, struct pollfd *fds, uint32_t max)
{
	struct dns *d = ctx;
	ares_socket_t socks[ARES_GETSOCK_MAXNUM];
	int bits = ares_getsock(d->channel, socks, ARES_GETSOCK_MAXNUM);
	uint32_t n = 0;

	for (int i = 0; i < ARES_GETSOCK_MAXNUM && n < max; i++) {
		int want = (ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0) |
			   (ARES_GETSOCK_WRITABLE(bits, i) ? POLLOUT : 0);

		if (want != 0)
			fds[n++] = (struct pollfd){.fd = socks[i], .events = (short)want};
	}
	return n;
}

static void dns_run(void *ctx)
{
	struct dns *d = ctx;
	struct pollfd fds[DNS_FDS];
	uint32_t n = dns_fds(d, fds, DNS_FDS);

	if (n > 0 && poll(fds, n, 0) > 0)
		for (uint32_t i = 0; i < n; i++)
			ares_process_fd(d->channel,
				fds[i].revents & ~POLLOUT ? fds[i].fd : ARES_SOCKET_BAD,
				fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
	/* Its own clock: what is late is asked again or given up. */
	ares_process_fd(d->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void dns_close(void *ctx)
{
	struct dns *d = ctx;

	d->closing = true;
	ares_destroy(d->channel);
	ares_library_cleanup();
	free(d);
}

static int set_servers(struct dns *d, const struct config_resolver *cfg)
{
	char csv[LIMIT_NAMESERVERS * (IP_ADDR_TEXT_MAX + 10)];
	size_t at = 0;
	int rc;

	for (uint32_t i = 0; i < cfg->server_cnt; i++) {
		const struct config_bind *b = &cfg->servers[i];
		char text[IP_ADDR_TEXT_MAX];

		ip_addr_format(&b->addr, text);
		at += (size_t)snprintf(csv + at, sizeof(csv) - at,
			ip_addr_is4(&b->addr) ? "%s%s:%u" : "%s[%s]:%u", i > 0 ? "," : "", text,
			b->port);
	}
	if (cfg->server_cnt == 0)
		return 0;
	rc = ares_set_servers_ports_csv(d->channel, csv);
	if (rc != ARES_SUCCESS)
		LOG_ERR("resolver.nameservers cannot be used", "servers=\"%s\" why=\"%s\"", csv,
			ares_strerror(rc));
	return rc == ARES_SUCCESS ? 0 : -EINVAL;
}

int dns_open(struct resolve *r, const struct config_resolver *cfg, struct resolve_io *out)
{
	struct dns *d = calloc(1, sizeof(*d));
	struct ares_options o = {.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS,
		.timeout = (int)(cfg->timeout_ns / NS_PER_MS),
		.tries = (int)cfg->attempts,
		.ednspsz = EDNS_BYTES};
	int rc = d == NULL ? -ENOMEM : 0;

	if (rc != 0)
		return rc;
	d->r = r;
	d->hosts_file = cfg->hosts_file;
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
		free(d);
		return -ENOMEM;
	}
	if (ares_init_options(&d->channel, &o,
		    ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ) !=
		ARES_SUCCESS) {
		ares_library_cleanup();
		free(d);
		return -ENOMEM;
	}
	rc = set_servers(d, cfg);
	if (rc != 0) {
		dns_close(d);
		return rc;
	}
	*out = (struct resolve_io){dns_ask, dns_run, dns_fds, dns_close, d};
	return 0;
}
