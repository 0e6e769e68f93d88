/* SPDX-License-Identifier: Apache-2.0
 * Runs the segment scripts of tests/tcp/scripts/ (tests/tcp/README.md has the language): one
 * engine, and a peer that is the script. Each script is one test.
 *
 *	test_scripts [-v] [NAME...]     only scripts whose name begins with NAME */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/base/assert.h"
#include "tests/support/tcp_script.h"

#define DIR_NAME "tests/tcp/scripts"

/* ---- numbers to compare ---- */

static uint64_t lookup(struct script *t, const char *name)
{
	struct tcp_usage u;
	struct tcp_info i = {0};
	bool have = tcp_info(t->h->e, t->conn, &i) == 0;

	tcp_usage(t->h->e, &u);
#define U(f)                       \
	if (strcmp(name, #f) == 0) \
		return u.f;
	U(conns)
	U(syns)
	U(timewaits)
	U(segs)
	U(timers)
#undef U
	/* Of the last SYN of ours, how far it lies beyond the one before on that port. */
	if (strcmp(name, "iss_gain") == 0) {
		if (t->old_iss == 0)
			script_die(t, "there was one initial number only");
		return t->iss[t->iss_cnt - 1].iss - t->old_iss;
	}
	for (unsigned r = 0; r < tcp_counter_cnt; r++)
		if (strcmp(tcp_counter_rows[r].name, name) == 0)
			return tcp_counter_get(tcp_counters(t->h->e), r);
	/* A closing connection without an application still has its block. */
	if (!have)
		have = tcp_next(t->h->e, 0, &i) != UINT32_MAX;
	if (!have)
		script_die(t, "no connection to look at");
#define I(f)                       \
	if (strcmp(name, #f) == 0) \
		return i.f;
	/* clang-format off: rows of a table */
	I(recovery)
	I(backoff)
	I(mss)
	I(path_mtu)
	I(srtt_us)
	I(rttvar_us)
	I(min_rtt_us)
	I(rto_ms)
	I(cwnd)
	I(ssthresh)
	I(snd_wnd)
	I(rcv_wnd)
	I(queued)
	I(inflight)
	I(unread)
	I(ooo_bytes)
	I(bytes_acked)
	I(retransmits)
	I(ecn)
	I(sack)
	I(timestamps)
	I(snd_wscale)
	I(rcv_wscale)
	I(orphan)
	/* clang-format on */
#undef I
	script_die(t, "unknown value: %s", name);
}

/* "is NAME OP NUMBER" */
static void compare(struct script *t, char **w, int n)
{
	uint64_t v, x;

	if (n != 4)
		script_die(t, "is NAME OP NUMBER");
	v = lookup(t, w[1]);
	x = script_num(t, w[3]);
	if ((strcmp(w[2], "=") == 0 && v != x) || (strcmp(w[2], ">=") == 0 && v < x) ||
		(strcmp(w[2], "<=") == 0 && v > x) || (strcmp(w[2], "!=") == 0 && v == x))
		script_die(t, "%s is %llu", w[1], (unsigned long long)v);
	if (strpbrk(w[2], "=<>") == NULL)
		script_die(t, "unknown comparison %s", w[2]);
}

static void expect_state(struct script *t, const char *name)
{
	struct tcp_info i;

	if (tcp_info(t->h->e, t->conn, &i) != 0 && tcp_next(t->h->e, 0, &i) == UINT32_MAX) {
		if (strcmp(name, "gone") != 0)
			script_die(t, "the connection is gone");
		return;
	}
	if (strcmp(tcp_state_name(i.state), name) != 0)
		script_die(t, "state is %s", tcp_state_name(i.state));
}

/* ---- calls ---- */

static void kick(struct script *t)
{
	sim_kick(t->s, 0);
	sim_run(t->s, sim_now(t->s));
}

static void call_send(struct script *t, char **w, int n)
{
	uint32_t len = script_num(t, w[1]), piece = script_num_arg(t, w, n, "piece", 2048);
	unsigned fl = (script_flag(w, n, "more") ? TCP_SEND_MORE : 0) |
		      (script_flag(w, n, "fin") ? TCP_SEND_FIN : 0);
	struct rte_mbuf *chain = t->left, **link = &chain;
	static const uint8_t zeros[2048];
	int64_t rc;

	script_known(t, w, n, 2, " more fin piece takes bytes ");
	while (*link != NULL)
		link = &(*link)->next;
	if (script_flag(w, n, "bytes")) {
		static uint8_t buf[65536];

		rc = tcp_send_bytes(t->h->e, t->conn, buf, len, fl);
	} else {
		for (uint32_t off = 0; off < len; off += piece) {
			*link = sim_payload(t->h, zeros, len - off < piece ? len - off : piece);
			ASSERT(*link != NULL);
			link = &(*link)->next;
		}
		rc = tcp_send(t->h->e, t->conn, &chain, fl);
		if (rc < 0)
			rte_pktmbuf_free(chain);
		t->left = rc < 0 ? NULL : chain;
	}
	if (script_arg(w, n, "takes") != NULL && rc != (int32_t)script_num_arg(t, w, n, "takes", 0))
		script_die(t, "send took %lld", (long long)rc);
	if (script_arg(w, n, "takes") == NULL && rc < 0)
		script_die(t, "send failed: %lld", (long long)rc);
	kick(t);
}

static void call_set(struct script *t, char **w, int n)
{
	static const struct {
		const char *name;
		enum tcp_option opt;
	} opts[] = {{"nagle", TCP_OPT_NAGLE}, {"keepalive", TCP_OPT_KEEPALIVE_MS},
		{"user_timeout", TCP_OPT_USER_TIMEOUT_MS}, {"cc", TCP_OPT_CC},
		{"rcvbuf", TCP_OPT_RCVBUF}, {"sndbuf", TCP_OPT_SNDBUF}};

	script_known(t, w, n, 1, " nagle keepalive user_timeout cc rcvbuf sndbuf ");
	for (unsigned i = 0; i < ARRAY_SIZE(opts); i++)
		if (script_arg(w, n, opts[i].name) != NULL)
			ASSERT(tcp_set(t->h->e, t->conn, opts[i].opt,
				       script_num_arg(t, w, n, opts[i].name, 0)) == 0);
	kick(t);
}

static void call_connect(struct script *t, char **w, int n)
{
	struct tcp_connect_args a = {.raddr = script_peer_addr(t),
		.rport = PEER_PORT,
		.ops = &script_ops,
		.user = t,
		.lport = BE16(script_num_arg(t, w, n, "port", 0)),
		.timeout_ms = script_num_arg(t, w, n, "timeout", 0)};
	int rc;

	script_known(t, w, n, 1, " port timeout fails ");
	rc = tcp_connect(t->h->e, &a, &t->conn);
	if (rc != (int32_t)script_num_arg(t, w, n, "fails", 0))
		script_die(t, "connect returned %d", rc);
	kick(t);
}

static void call_icmp(struct script *t, char **w, int n)
{
	struct pkt_meta m = {.ip_ver = t->v6 ? 6 : 4};
	uint8_t inner[8];

	script_known(t, w, n, 2, " mtu seq ");
	m.inner.src = t->v6 ? t->h->addr6 : t->h->addr4;
	m.inner.dst = script_peer_addr(t);
	store16(inner, t->own_port);
	store16(inner + 2, PEER_PORT);
	store_be32(inner + 4, *script_iss_of(t, PEER_PORT) + script_num_arg(t, w, n, "seq", 0));
	if (strcmp(w[1], "ptb") == 0) {
		m.icmp_type = t->v6 ? ICMP6_TOO_BIG : ICMP4_UNREACH;
		m.icmp_code = t->v6 ? 0 : ICMP4_UNREACH_FRAG;
	} else if (strcmp(w[1], "port") == 0) {
		m.icmp_type = t->v6 ? ICMP6_UNREACH : ICMP4_UNREACH;
		m.icmp_code = t->v6 ? ICMP6_UNREACH_PORT : ICMP4_UNREACH_PORT;
	} else {
		m.icmp_type = t->v6 ? ICMP6_UNREACH : ICMP4_UNREACH;
	}
	(void)tcp_icmp_error(t->h->e, &m, inner, script_num_arg(t, w, n, "mtu", 0), sim_now(t->s));
	kick(t);
}

static void release_held(struct script *t)
{
	while (t->held != NULL) {
		struct rte_mbuf *m = t->held;

		t->held = m->next;
		m->next = NULL;
		rte_pktmbuf_free_seg(m);
	}
}

/* "hold POOL N": take mbufs out of a pool until N are left; "hold none" gives them back. */
static void call_hold(struct script *t, char **w, int n)
{
	struct rte_mempool *p = strcmp(w[1], "rx") == 0    ? t->h->rx
				: strcmp(w[1], "hdr") == 0 ? t->h->hdr
				: strcmp(w[1], "ref") == 0 ? t->h->ref
							   : NULL;

	release_held(t);
	if (p == NULL && strcmp(w[1], "none") != 0)
		script_die(t, "hold rx|hdr|ref N, or none");
	if (p != NULL && n != 3)
		script_die(t, "hold POOL N");
	while (p != NULL && rte_mempool_avail_count(p) > script_num(t, w[2])) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(p);

		ASSERT(m != NULL);
		m->next = t->held;
		t->held = m;
	}
	kick(t);
}

static void do_listen(struct script *t)
{
	struct ip_addr any = {0};

	t->own_port = OWN_PORT;
	t->listener = tcp_listen(t->h->e, &any, OWN_PORT, &script_ops, t);
	if (t->listener < 0)
		script_die(t, "listen failed: %d", t->listener);
}

static void run_line(struct script *t, char *line);

static void run_text(struct script *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void run_text(struct script *t, const char *fmt, ...)
{
	char line[LINE_MAX_];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	run_line(t, line);
}

/* "open": the whole handshake; "open active": from our side. 10 ms pass in it, the round trip. */
static void do_open(struct script *t, char **w, int n)
{
	bool active = script_flag(w, n, "active"), ecn = script_flag(w, n, "ecn");
	const char *ts = script_flag(w, n, "ts") ? "ts=1000" : "",
		   *sack = script_flag(w, n, "sack") ? "sackok" : "";
	char ws[16] = "", mss[16];
	uint32_t win = script_num_arg(t, w, n, "win", 65535);

	script_known(t, w, n, 1, " active ecn ts sack ws mss win ");
	if (script_arg(w, n, "ws") != NULL)
		snprintf(ws, sizeof(ws), "ws=%u", script_num_arg(t, w, n, "ws", 0));
	snprintf(mss, sizeof(mss), "mss=%u", script_num_arg(t, w, n, "mss", 1460));
	if (active) {
		call_connect(t, w, 1);
		run_text(t, "> S%s", t->cfg.tcp.no_ecn ? "" : "EC");
		run_text(t, "+10");
		run_text(t, "< SA%s seq=0 ack=1 win=%u %s %s %s %s", ecn ? "E" : "", win, mss, sack,
			ts, ws);
		run_text(t, "> A seq=1 ack=1 len=0");
		run_text(t, "event connect");
		return;
	}
	do_listen(t);
	run_text(t, "< S%s seq=0 win=%u %s %s %s %s", ecn ? "EC" : "", win, mss, sack, ts, ws);
	run_text(t, "> SA%s seq=0 ack=1", ecn ? "E" : "");
	run_text(t, "+10");
	run_text(t, "< A seq=1 ack=1 win=%u %s", win, *ts != '\0' ? "ts=1010" : "");
	run_text(t, "event accept");
	run_text(t, "> none");
}

static void config(struct script *t, char **w, int n)
{
	struct tcp_config *c = &t->cfg.tcp;

	script_known(t, w, n, 1,
		" v6 no_ecn no_sack no_ts no_ws nagle tso csum mtu rcvbuf sndbuf delack cc "
		"max_conns max_syns "
		"cookie_level time_wait user_timeout keepalive fin_wait2 port_lo port_hi "
		"max_timewaits "
		"max_segs challenges syn_retries synack_retries watch_rx ");
	t->v6 |= script_flag(w, n, "v6");
	c->no_ecn |= script_flag(w, n, "no_ecn");
	c->no_sack |= script_flag(w, n, "no_sack");
	c->no_timestamps |= script_flag(w, n, "no_ts");
	c->no_wscale |= script_flag(w, n, "no_ws");
	c->nagle |= script_flag(w, n, "nagle");
	t->cfg.csum_offload |= script_flag(w, n, "csum") || script_flag(w, n, "tso");
	t->cfg.tso |= script_flag(w, n, "tso");
	t->cfg.watch_rx |= script_flag(w, n, "watch_rx");
	t->cfg.mtu = (uint16_t)script_num_arg(t, w, n, "mtu", t->cfg.mtu);
	c->rcvbuf = script_num_arg(t, w, n, "rcvbuf", c->rcvbuf);
	c->sndbuf = script_num_arg(t, w, n, "sndbuf", c->sndbuf);
	c->delack_ms = script_num_arg(t, w, n, "delack", c->delack_ms);
	c->cc = (uint8_t)script_num_arg(t, w, n, "cc", c->cc);
	c->max_conns = script_num_arg(t, w, n, "max_conns", c->max_conns);
	c->max_syns = script_num_arg(t, w, n, "max_syns", c->max_syns);
	c->cookie_level = script_num_arg(t, w, n, "cookie_level", c->cookie_level);
	c->time_wait_ms = script_num_arg(t, w, n, "time_wait", c->time_wait_ms);
	c->user_timeout_ms = script_num_arg(t, w, n, "user_timeout", c->user_timeout_ms);
	c->keepalive_ms = script_num_arg(t, w, n, "keepalive", c->keepalive_ms);
	c->fin_wait2_ms = script_num_arg(t, w, n, "fin_wait2", c->fin_wait2_ms);
	c->port_lo = (uint16_t)script_num_arg(t, w, n, "port_lo", c->port_lo);
	c->port_hi = (uint16_t)script_num_arg(t, w, n, "port_hi", c->port_hi);
	c->max_timewaits = script_num_arg(t, w, n, "max_timewaits", c->max_timewaits);
	c->max_segs = script_num_arg(t, w, n, "max_segs", c->max_segs);
	c->max_challenges_per_s = script_num_arg(t, w, n, "challenges", c->max_challenges_per_s);
	c->syn_retries = script_num_arg(t, w, n, "syn_retries", c->syn_retries);
	c->synack_retries = script_num_arg(t, w, n, "synack_retries", c->synack_retries);
}

static void run_words(struct script *t, char **w, int n, const char *rest)
{
	const char *c = w[0];

	if (strcmp(c, "config") == 0) {
		if (t->started)
			script_die(t, "config comes first");
		config(t, w, n);
		return;
	}
	script_start(t);
	if (c[0] == '+') {
		sim_run(t->s, sim_now(t->s) + (uint64_t)(strtod(c + 1, NULL) * 1e6));
		kick(t); /* a worker looks at the clock all the time */
	} else if (strcmp(c, "<") == 0 && n > 1)
		script_inject(t, w, n);
	else if (strcmp(c, ">") == 0 && n > 1)
		script_expect(t, w, n);
	else if (strcmp(c, "event") == 0 && n > 1)
		script_expect_event(t, rest);
	else if (strcmp(c, "open") == 0)
		do_open(t, w, n);
	else if (strcmp(c, "listen") == 0)
		do_listen(t);
	else if (strcmp(c, "connect") == 0)
		call_connect(t, w, n);
	else if (strcmp(c, "send") == 0 && n > 1)
		call_send(t, w, n);
	else if (strcmp(c, "consume") == 0 && n > 1) {
		ASSERT(tcp_consumed(t->h->e, t->conn, script_num(t, w[1])) == 0);
		kick(t);
	} else if (strcmp(c, "shutdown") == 0) {
		ASSERT(tcp_shutdown(t->h->e, t->conn) == 0);
		kick(t);
	} else if (strcmp(c, "close") == 0) {
		ASSERT(tcp_close(t->h->e, t->conn) == 0);
		kick(t);
	} else if (strcmp(c, "abort") == 0) {
		ASSERT(tcp_abort(t->h->e, t->conn) == 0);
		kick(t);
	} else if (strcmp(c, "set") == 0)
		call_set(t, w, n);
	else if (strcmp(c, "icmp") == 0 && n > 1)
		call_icmp(t, w, n);
	else if (strcmp(c, "hold") == 0 && n > 1)
		call_hold(t, w, n);
	else if (strcmp(c, "unlisten") == 0)
		tcp_unlisten(t->h->e, t->listener);
	else if (strcmp(c, "mtu") == 0 && n > 1)
		t->h->route_mtu = script_num(t, w[1]);
	else if (strcmp(c, "reroute") == 0) {
		for (uint32_t at = 0; at != UINT32_MAX;)
			at = tcp_reroute(t->h->e, at, 7);
		kick(t);
	} else if (strcmp(c, "drain") == 0) {
		t->out_head = t->out_tail;
		t->ev_head = t->ev_tail;
	} else if (strcmp(c, "state") == 0 && n > 1)
		expect_state(t, w[1]);
	else if (strcmp(c, "is") == 0)
		compare(t, w, n);
	else
		script_die(t, "unknown command: %s", c);
}

static void run_line(struct script *t, char *line)
{
	char copy[LINE_MAX_], *w[WORDS_MAX], *save, *p, *hash;
	const char *rest;
	int n = 0;

	if ((hash = strchr(line, '#')) != NULL)
		*hash = '\0';
	for (size_t k = strlen(line); k > 0 && strchr(" \t\r\n", line[k - 1]) != NULL; k--)
		line[k - 1] = '\0';
	line += strspn(line, " \t");
	if (*line == '\0')
		return;
	snprintf(copy, sizeof(copy), "%s", line);
	for (p = strtok_r(copy, " \t", &save); p != NULL && n < WORDS_MAX;
		p = strtok_r(NULL, " \t", &save))
		w[n++] = p;
	rest = line + strcspn(line, " \t");
	rest += strspn(rest, " \t");
	run_words(t, w, n, rest);
}

/* ---- files ---- */

static bool selected(const char *name, char **names, int n)
{
	if (n == 0)
		return true;
	for (int i = 0; i < n; i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

static void print_last(struct script *t)
{
	char got[256];
	uint32_t from = t->out_tail > 8 ? t->out_tail - 8 : 0;

	for (uint32_t i = from; i < t->out_tail; i++) {
		script_describe(t, &t->out[i % QUEUE_MAX], got, sizeof(got));
		printf("    sent%s %s\n", i < t->out_head ? ":" : ", not expected yet:", got);
	}
	for (uint32_t i = t->ev_head; i < t->ev_tail; i++)
		printf("    event: %s\n", t->events[i]);
}

/* The lines of one script are text[0..n). */
static bool run_script(struct script *t, char **text, int *lines, int n)
{
	volatile bool ok = false;

	t->out = calloc(QUEUE_MAX, sizeof(t->out[0]));
	ASSERT(t->out != NULL);
	if (setjmp(t->fail) == 0) {
		for (int i = 0; i < n; i++) {
			t->line = lines[i];
			run_line(t, text[i]);
		}
		ok = true;
	} else {
		print_last(t);
	}
	if (t->left != NULL)
		rte_pktmbuf_free(t->left);
	release_held(t);
	if (t->s != NULL)
		sim_destroy(t->s, true);
	free(t->out);
	if (script_verbose)
		printf("%-60s %s\n", t->name, ok ? "ok" : "FAILED");
	return ok;
}

static void run_file(const char *path, char **names, int name_cnt, int *passed, int *failed)
{
	static struct script t;
	static char *text[4096];
	static int lines[4096];
	char line[LINE_MAX_], name[96] = "";
	FILE *f = fopen(path, "r");
	int n = 0, no = 0, start_line = 0;
	bool more = true;

	ASSERT(f != NULL);
	while (more) {
		more = fgets(line, sizeof(line), f) != NULL;
		no++;
		if (!more || strncmp(line, "== ", 3) == 0) {
			if (name[0] != '\0' && selected(name, names, name_cnt)) {
				memset(&t, 0, sizeof(t));
				t.file = path;
				t.line = start_line;
				snprintf(t.name, sizeof(t.name), "%s", name);
				if (run_script(&t, text, lines, n))
					++*passed;
				else
					++*failed;
			}
			while (n > 0)
				free(text[--n]);
			if (more)
				snprintf(name, sizeof(name), "%.*s", (int)strcspn(line + 3, "\r\n"),
					line + 3);
			start_line = no;
			continue;
		}
		ASSERT(n < (int)ARRAY_SIZE(text));
		lines[n] = no;
		text[n++] = strdup(line);
	}
	fclose(f);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_script(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 4 && strcmp(d->d_name + n - 4, ".tcp") == 0;
}

int main(int argc, char **argv)
{
	struct dirent **files;
	int n, passed = 0, failed = 0;

	if (argc > 1 && strcmp(argv[1], "-v") == 0) {
		script_verbose = true;
		argc--;
		argv++;
	}
	n = scandir(DIR_NAME, &files, is_script, by_name);
	if (n <= 0) {
		printf("no scripts in %s\n", DIR_NAME);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		char path[512];

		snprintf(path, sizeof(path), DIR_NAME "/%s", files[i]->d_name);
		run_file(path, argv + 1, argc - 1, &passed, &failed);
		free(files[i]);
	}
	free(files);
	printf("%d passed, %d failed, 0 skipped\n", passed, failed);
	return failed != 0;
}
