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
#include "dataplane/net/cksum.h"
#include "dataplane/tcp/tcp_pvt.h"
#include "tests/sim/sim.h"

#define DIR_NAME  "tests/tcp/scripts"
#define PEER_ISN  10000u
#define PEER_PORT BE16(5000)
#define OWN_PORT  BE16(80)
#define QUEUE_MAX 4096
#define LINE_MAX_ 512
#define WORDS_MAX 32

struct sent {
	uint32_t len;
	uint8_t ip[2048];
};

struct script {
	const char *file;
	char name[96];
	int line;
	jmp_buf fail;
	struct sim *s;
	struct sim_host *h;
	struct sim_host_config cfg;
	bool v6, started, no_auto;
	uint16_t own_port;
	struct {
		uint16_t port; /* the peer's, network order */
		uint32_t iss;
	} iss[16]; /* ours as learned from the wire */
	int iss_cnt;
	uint32_t last_tsval;
	uint32_t old_iss; /* of the connection before, on whatever port */
	struct sent *out;
	uint32_t out_head, out_tail;
	char events[QUEUE_MAX][48];
	uint32_t ev_head, ev_tail;
	uint64_t conn;
	int listener;
	uint64_t sent_bytes;
	struct rte_mbuf *left; /* what tcp_send did not take */
	struct rte_mbuf *held; /* taken out of a pool by "hold" */
};

static bool verbose;

static _Noreturn void die(struct script *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void die(struct script *t, const char *fmt, ...)
{
	va_list ap;

	printf("%s:%d: %s: ", t->file, t->line, t->name);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	longjmp(t->fail, 1);
}

/* ---- events ---- */

static void event(struct script *t, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void event(struct script *t, const char *fmt, ...)
{
	va_list ap;

	ASSERT(t->ev_tail < QUEUE_MAX);
	va_start(ap, fmt);
	vsnprintf(t->events[t->ev_tail++], sizeof(t->events[0]), fmt, ap);
	va_end(ap);
}

static void on_accept(struct tcp_engine *e, uint64_t conn, void *arg)
{
	struct script *t = arg;

	t->conn = conn;
	ASSERT(tcp_set_user(e, conn, t) == 0);
	event(t, "accept");
}

static void on_connect(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	event(user, "connect");
}

/* Are the bytes of the chain those of sequence numbers from `seq` on? */
static bool bytes_are(const struct rte_mbuf *chain, uint32_t seq)
{
	for (const struct rte_mbuf *m = chain; m != NULL; m = m->next)
		for (uint32_t i = 0; i < m->data_len; i++, seq++)
			if (rte_pktmbuf_mtod(m, const uint8_t *)[i] != (uint8_t)(seq - PEER_ISN))
				return false;
	return true;
}

static void on_data(
	struct tcp_engine *e, uint64_t conn, void *user, struct rte_mbuf *chain, uint32_t len)
{
	struct tcp_info i;
	uint32_t first;

	ASSERT(tcp_info(e, conn, &i) == 0);
	/* Whether a FIN was counted as well, the state does not always tell. */
	first = i.rcv_nxt - len;
	if (bytes_are(chain, first) || bytes_are(chain, first - 1))
		event(user, "data %u", len);
	else
		event(user, "wrong data %u", len);
	rte_pktmbuf_free(chain);
}

static void on_eof(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	event(user, "eof");
}

static void on_writable(struct tcp_engine *e, uint64_t conn, void *user)
{
	(void)e;
	(void)conn;
	event(user, "writable");
}

static void on_closed(struct tcp_engine *e, uint64_t conn, void *user, enum tcp_end end)
{
	(void)e;
	(void)conn;
	event(user, "closed %s", tcp_end_name(end));
}

static const struct tcp_ops ops = {
	.on_accept = on_accept,
	.on_connect = on_connect,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_writable = on_writable,
	.on_closed = on_closed,
};

/* ---- the wire ---- */

/* Our initial sequence number towards a peer's port; 0 before it was seen. */
static uint32_t *iss_of(struct script *t, uint16_t port)
{
	static uint32_t none;

	for (int i = 0; i < t->iss_cnt; i++)
		if (t->iss[i].port == port)
			return &t->iss[i].iss;
	none = 0;
	if (t->iss_cnt == (int)ARRAY_SIZE(t->iss))
		return &none;
	t->iss[t->iss_cnt].port = port;
	t->iss[t->iss_cnt].iss = 0;
	return &t->iss[t->iss_cnt++].iss;
}

static bool tap(void *ctx, int from, const uint8_t *ip, uint32_t len)
{
	struct script *t = ctx;
	struct sent *o = &t->out[t->out_tail % QUEUE_MAX];
	uint32_t l3 = ip[0] >> 4 == 4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	struct tcp_in h;

	(void)from;
	ASSERT(len <= sizeof(o->ip) && t->out_tail - t->out_head < QUEUE_MAX);
	memcpy(o->ip, ip, len);
	o->len = len;
	t->out_tail++;
	ASSERT(tcp_hdr_parse(ip + l3, len - l3, &h));
	if (h.flags & TCP_SYN) {
		uint32_t was = *iss_of(t, load16(ip + l3 + 2));

		if (was != 0 && was != h.seq)
			t->old_iss = was;
		*iss_of(t, load16(ip + l3 + 2)) = h.seq;
		t->own_port = load16(ip + l3);
	}
	if (h.opts & TCP_HAS_TS)
		t->last_tsval = h.tsval;
	return true;
}

static void start(struct script *t)
{
	static uint32_t seed = 1;

	if (t->started)
		return;
	t->started = true;
	t->s = sim_create(seed++, 1, &t->cfg);
	t->h = sim_host(t->s, 0);
	sim_tap(t->s, tap, t);
}

static struct ip_addr peer_addr(const struct script *t)
{
	static const uint8_t a6[16] = {0xfd, [15] = 9};

	return t->v6 ? ip_addr_from6(a6) : ip_addr_from4(BE32(0x0a000009));
}

/* ---- words ---- */

/* "key=value" of a line, or NULL. */
static const char *arg(char **w, int n, const char *key)
{
	size_t k = strlen(key);

	for (int i = 1; i < n; i++)
		if (strncmp(w[i], key, k) == 0 && w[i][k] == '=')
			return w[i] + k + 1;
	return NULL;
}

static bool flag(char **w, int n, const char *key)
{
	for (int i = 1; i < n; i++)
		if (strcmp(w[i], key) == 0)
			return true;
	return false;
}

static uint32_t num(struct script *t, const char *text)
{
	char *end;
	long long v = strtoll(text, &end, 10);

	if (end == text || (*end != '\0' && *end != ',' && *end != '-'))
		die(t, "not a number: %s", text);
	return (uint32_t)v;
}

static uint32_t num_arg(struct script *t, char **w, int n, const char *key, uint32_t dflt)
{
	const char *v = arg(w, n, key);

	return v == NULL ? dflt : num(t, v);
}

/* Words that no rule reads are mistakes of the script. */
static void known(struct script *t, char **w, int n, int from, const char *list)
{
	for (int i = from; i < n; i++) {
		char key[32], find[36];
		size_t k = strcspn(w[i], "=");

		snprintf(key, sizeof(key), "%.*s", (int)(k < 30 ? k : 30), w[i]);
		snprintf(find, sizeof(find), " %s ", key);
		if (strstr(list, find) == NULL)
			die(t, "unknown word: %s", w[i]);
	}
}

static uint8_t flags_of(struct script *t, const char *text)
{
	static const struct {
		char c;
		uint8_t bit;
	} map[] = {{'F', TCP_FIN}, {'S', TCP_SYN}, {'R', TCP_RST}, {'P', TCP_PSH}, {'A', TCP_ACK},
		{'U', TCP_URG}, {'E', TCP_ECE}, {'C', TCP_CWR}, {'.', 0}};
	uint8_t f = 0;

	for (; *text != '\0'; text++) {
		unsigned i = 0;

		while (i < ARRAY_SIZE(map) && map[i].c != *text)
			i++;
		if (i == ARRAY_SIZE(map))
			die(t, "unknown flag %c", *text);
		f |= map[i].bit;
	}
	return f;
}

/* ---- inject ---- */

static uint32_t put_opts(struct script *t, uint8_t *p, uint32_t iss, char **w, int n)
{
	uint32_t len = 0, k = 0, blocks[4][2];
	const char *v;

	if ((v = arg(w, n, "raw")) != NULL)
		for (; v[0] != '\0' && v[1] != '\0'; v += 2) {
			char hex[3] = {v[0], v[1], 0};

			p[len++] = (uint8_t)strtoul(hex, NULL, 16);
		}
	if ((v = arg(w, n, "mss")) != NULL) {
		p[len++] = 2;
		p[len++] = 4;
		store_be16(p + len, (uint16_t)num(t, v));
		len += 2;
	}
	if (flag(w, n, "sackok")) {
		p[len++] = 4;
		p[len++] = 2;
	}
	if ((v = arg(w, n, "ws")) != NULL) {
		p[len++] = 3;
		p[len++] = 3;
		p[len++] = (uint8_t)num(t, v);
	}
	if ((v = arg(w, n, "ts")) != NULL) {
		const char *ecr = strchr(v, ',');

		p[len++] = 8;
		p[len++] = 10;
		store_be32(p + len, num(t, v));
		/* The echo is ours as last seen unless said; "-N" means N ms before that. */
		store_be32(p + len + 4, ecr == NULL     ? t->last_tsval
					: ecr[1] == '-' ? t->last_tsval - num(t, ecr + 2)
							: num(t, ecr + 1));
		len += 8;
	}
	if ((v = arg(w, n, "sack")) != NULL) {
		while (v != NULL && k < 4) {
			const char *dash = strchr(v, '-');

			if (dash == NULL)
				die(t, "sack=A-B[,C-D]");
			blocks[k][0] = iss + num(t, v);
			blocks[k++][1] = iss + num(t, dash + 1);
			v = strchr(v, ',');
			v = v == NULL ? NULL : v + 1;
		}
		len += tcp_opt_put_sack(p + len, (const uint32_t(*)[2])blocks, k);
	}
	while (len % 4 != 0)
		p[len++] = 1;
	return len;
}

static void inject(struct script *t, char **w, int n)
{
	static uint8_t ip[4096];
	uint32_t l3 = t->v6 ? IP6_HDR_LEN : IP4_HDR_LEN, opts, len, total;
	struct tcp_hdr *th = (void *)(ip + l3);
	struct ip_addr src = peer_addr(t), dst = t->v6 ? t->h->addr6 : t->h->addr4;
	uint8_t fl = flags_of(t, w[1]);
	uint16_t port = BE16(num_arg(t, w, n, "port", BE16(PEER_PORT)));
	uint32_t iss = *iss_of(t, port);

	known(t, w, n, 2,
		" seq len ack win mss sackok ws ts sack raw ce rawack badsum port hlen urg ");
	memset(ip, 0, sizeof(ip));
	len = num_arg(t, w, n, "len", 0);
	opts = put_opts(t, (uint8_t *)(th + 1), iss, w, n);
	total = l3 + TCP_HDR_LEN + opts + len;
	th->sport_be = port;
	th->dport_be = t->own_port;
	th->seq_be = BE32(PEER_ISN + num_arg(t, w, n, "seq", 0));
	if (fl & TCP_ACK)
		th->ack_be = BE32(iss + num_arg(t, w, n, "ack", 0));
	if (arg(w, n, "rawack") != NULL)
		th->ack_be = BE32(num_arg(t, w, n, "rawack", 0));
	th->off = (uint8_t)(num_arg(t, w, n, "hlen", (TCP_HDR_LEN + opts) / 4) << 4);
	th->flags = fl;
	th->window_be = BE16(num_arg(t, w, n, "win", 65535));
	th->urgent_be = BE16(num_arg(t, w, n, "urg", 0));
	/* A byte tells its place: data that is moved, lost or doubled shows. */
	for (uint32_t i = 0; i < len; i++)
		ip[total - len + i] =
			(uint8_t)(num_arg(t, w, n, "seq", 0) + ((fl & TCP_SYN) != 0) + i);
	if (t->v6) {
		struct ip6_hdr *h = (void *)ip;

		h->ver_tc_flow_be = BE32(0x60000000u | (flag(w, n, "ce") ? 3u << 20 : 0));
		h->payload_len_be = BE16(total - l3);
		h->next = PROTO_TCP;
		h->hop_limit = 64;
		memcpy(h->src, src.b, 16);
		memcpy(h->dst, dst.b, 16);
	} else {
		struct ip4_hdr *h = (void *)ip;

		h->ver_ihl = 0x45;
		h->tos = flag(w, n, "ce") ? 3 : 0;
		h->total_len_be = BE16(total);
		h->ttl = 64;
		h->proto = PROTO_TCP;
		h->src_be = src.w[3];
		h->dst_be = dst.w[3];
		h->cksum = cksum_ip4(h);
	}
	th->cksum = (uint16_t)~cksum_fold(
		cksum_add(cksum_pseudo(&src, &dst, PROTO_TCP, total - l3), ip + l3, total - l3));
	if (flag(w, n, "badsum"))
		th->cksum = (uint16_t)(th->cksum + 1);
	sim_inject(t->s, 0, ip, total);
	sim_run(t->s, sim_now(t->s));
}

/* ---- expect ---- */

static void describe(struct script *t, const struct sent *o, char *out, size_t cap)
{
	uint32_t l3 = o->ip[0] >> 4 == 4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	struct tcp_in h;
	static const char names[] = "FSRPAUEC";
	char fl[9];
	int k = 0;
	uint32_t iss = *iss_of(t, load16(o->ip + l3 + 2));
	size_t at;

	ASSERT(tcp_hdr_parse(o->ip + l3, o->len - l3, &h));
	for (int i = 0; i < 8; i++)
		if (h.flags >> i & 1)
			fl[k++] = names[i];
	fl[k] = '\0';
	at = (size_t)snprintf(out, cap, "%s seq=%d len=%u ack=%d win=%u", fl, (int)(h.seq - iss),
		o->len - l3 - h.hdr_len, (int)(h.ack - PEER_ISN), h.wnd);
	if (h.opts & TCP_HAS_MSS)
		at += (size_t)snprintf(out + at, cap - at, " mss=%u", h.mss);
	if (h.opts & TCP_HAS_SACK_OK)
		at += (size_t)snprintf(out + at, cap - at, " sackok");
	if (h.opts & TCP_HAS_WSCALE)
		at += (size_t)snprintf(out + at, cap - at, " ws=%u", h.wscale);
	if (h.opts & TCP_HAS_TS)
		at += (size_t)snprintf(out + at, cap - at, " ecr=%u", h.tsecr);
	for (int i = 0; i < h.nsack; i++)
		at += (size_t)snprintf(out + at, cap - at, "%s%d-%d", i == 0 ? " sack=" : ",",
			(int)(h.sack[i][0] - PEER_ISN), (int)(h.sack[i][1] - PEER_ISN));
}

static void expect_num(
	struct script *t, char **w, int n, const char *key, uint32_t is, const char *got)
{
	const char *v = arg(w, n, key);

	if (v != NULL && num(t, v) != is)
		die(t, "%s is %d: %s", key, (int)is, got);
}

static void expect_flag(
	struct script *t, char **w, int n, const char *key, bool is, const char *got)
{
	char no[32];

	snprintf(no, sizeof(no), "no_%s", key);
	if ((flag(w, n, key) && !is) || (flag(w, n, no) && is))
		die(t, "%s: %s", key, got);
}

static void expect(struct script *t, char **w, int n)
{
	struct sent *o = &t->out[t->out_head % QUEUE_MAX];
	uint32_t l3;
	struct tcp_in h;
	char got[256];
	const char *v;
	uint8_t fl;

	if (strcmp(w[1], "none") == 0) {
		if (t->out_head == t->out_tail)
			return;
		describe(t, o, got, sizeof(got));
		die(t, "sent, but nothing was expected: %s", got);
	}
	known(t, w, n, 2,
		" seq len ack win mss sackok no_sackok ws no_ws ts no_ts ecr sack no_sack ect "
		"no_ect rawseq ");
	if (t->out_head == t->out_tail)
		die(t, "nothing was sent");
	t->out_head++;
	describe(t, o, got, sizeof(got));
	l3 = o->ip[0] >> 4 == 4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	ASSERT(tcp_hdr_parse(o->ip + l3, o->len - l3, &h));
	fl = flags_of(t, w[1]);
	if ((fl & ~TCP_PSH) != (h.flags & ~TCP_PSH) || (fl & TCP_PSH && !(h.flags & TCP_PSH)))
		die(t, "flags: %s", got);
	expect_num(t, w, n, "seq", h.seq - *iss_of(t, load16(o->ip + l3 + 2)), got);
	expect_num(t, w, n, "rawseq", h.seq, got);
	expect_num(t, w, n, "len", o->len - l3 - h.hdr_len, got);
	expect_num(t, w, n, "ack", h.ack - PEER_ISN, got);
	expect_num(t, w, n, "win", h.wnd, got);
	expect_num(t, w, n, "mss", h.mss, got);
	expect_num(t, w, n, "ws", h.wscale, got);
	expect_num(t, w, n, "ecr", h.tsecr, got);
	expect_flag(t, w, n, "sackok", h.opts & TCP_HAS_SACK_OK, got);
	expect_flag(t, w, n, "ws", h.opts & TCP_HAS_WSCALE, got);
	expect_flag(t, w, n, "ts", h.opts & TCP_HAS_TS, got);
	expect_flag(t, w, n, "sack", h.nsack != 0, got);
	expect_flag(
		t, w, n, "ect", (o->ip[0] >> 4 == 4 ? o->ip[1] & 3 : o->ip[1] >> 4 & 3) == 2, got);
	if ((v = arg(w, n, "sack")) != NULL) {
		const char *is = strstr(got, "sack=");

		if (is == NULL || strcmp(is + 5, v) != 0)
			die(t, "sack: %s", got);
	}
}

static void expect_event(struct script *t, const char *rest)
{
	if (strcmp(rest, "none") == 0) {
		if (t->ev_head != t->ev_tail)
			die(t, "event, but none was expected: %s", t->events[t->ev_head]);
		return;
	}
	if (t->ev_head == t->ev_tail)
		die(t, "no event");
	if (strcmp(t->events[t->ev_head], rest) != 0)
		die(t, "event is: %s", t->events[t->ev_head]);
	t->ev_head++;
}

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
			die(t, "there was one initial number only");
		return t->iss[t->iss_cnt - 1].iss - t->old_iss;
	}
	for (unsigned r = 0; r < tcp_counter_cnt; r++)
		if (strcmp(tcp_counter_rows[r].name, name) == 0)
			return tcp_counter_get(tcp_counters(t->h->e), r);
	/* A closing connection without an application still has its block. */
	if (!have)
		have = tcp_next(t->h->e, 0, &i) != UINT32_MAX;
	if (!have)
		die(t, "no connection to look at");
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
	die(t, "unknown value: %s", name);
}

/* "is NAME OP NUMBER" */
static void compare(struct script *t, char **w, int n)
{
	uint64_t v, x;

	if (n != 4)
		die(t, "is NAME OP NUMBER");
	v = lookup(t, w[1]);
	x = num(t, w[3]);
	if ((strcmp(w[2], "=") == 0 && v != x) || (strcmp(w[2], ">=") == 0 && v < x) ||
		(strcmp(w[2], "<=") == 0 && v > x) || (strcmp(w[2], "!=") == 0 && v == x))
		die(t, "%s is %llu", w[1], (unsigned long long)v);
	if (strpbrk(w[2], "=<>") == NULL)
		die(t, "unknown comparison %s", w[2]);
}

static void expect_state(struct script *t, const char *name)
{
	struct tcp_info i;

	if (tcp_info(t->h->e, t->conn, &i) != 0 && tcp_next(t->h->e, 0, &i) == UINT32_MAX) {
		if (strcmp(name, "gone") != 0)
			die(t, "the connection is gone");
		return;
	}
	if (strcmp(tcp_state_name(i.state), name) != 0)
		die(t, "state is %s", tcp_state_name(i.state));
}

/* ---- calls ---- */

static void kick(struct script *t)
{
	sim_kick(t->s, 0);
	sim_run(t->s, sim_now(t->s));
}

static void call_send(struct script *t, char **w, int n)
{
	uint32_t len = num(t, w[1]), piece = num_arg(t, w, n, "piece", 2048);
	unsigned fl =
		(flag(w, n, "more") ? TCP_SEND_MORE : 0) | (flag(w, n, "fin") ? TCP_SEND_FIN : 0);
	struct rte_mbuf *chain = t->left, **link = &chain;
	static const uint8_t zeros[2048];
	int64_t rc;

	known(t, w, n, 2, " more fin piece takes bytes ");
	while (*link != NULL)
		link = &(*link)->next;
	if (flag(w, n, "bytes")) {
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
	if (arg(w, n, "takes") != NULL && rc != (int32_t)num_arg(t, w, n, "takes", 0))
		die(t, "send took %lld", (long long)rc);
	if (arg(w, n, "takes") == NULL && rc < 0)
		die(t, "send failed: %lld", (long long)rc);
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

	known(t, w, n, 1, " nagle keepalive user_timeout cc rcvbuf sndbuf ");
	for (unsigned i = 0; i < ARRAY_SIZE(opts); i++)
		if (arg(w, n, opts[i].name) != NULL)
			ASSERT(tcp_set(t->h->e, t->conn, opts[i].opt,
				       num_arg(t, w, n, opts[i].name, 0)) == 0);
	kick(t);
}

static void call_connect(struct script *t, char **w, int n)
{
	struct tcp_connect_args a = {.raddr = peer_addr(t),
		.rport = PEER_PORT,
		.ops = &ops,
		.user = t,
		.lport = BE16(num_arg(t, w, n, "port", 0)),
		.timeout_ms = num_arg(t, w, n, "timeout", 0)};
	int rc;

	known(t, w, n, 1, " port timeout fails ");
	rc = tcp_connect(t->h->e, &a, &t->conn);
	if (rc != (int32_t)num_arg(t, w, n, "fails", 0))
		die(t, "connect returned %d", rc);
	kick(t);
}

static void call_icmp(struct script *t, char **w, int n)
{
	struct pkt_meta m = {.ip_ver = t->v6 ? 6 : 4};
	uint8_t inner[8];

	known(t, w, n, 2, " mtu seq ");
	m.inner.src = t->v6 ? t->h->addr6 : t->h->addr4;
	m.inner.dst = peer_addr(t);
	store16(inner, t->own_port);
	store16(inner + 2, PEER_PORT);
	store_be32(inner + 4, *iss_of(t, PEER_PORT) + num_arg(t, w, n, "seq", 0));
	if (strcmp(w[1], "ptb") == 0) {
		m.icmp_type = t->v6 ? ICMP6_TOO_BIG : ICMP4_UNREACH;
		m.icmp_code = t->v6 ? 0 : ICMP4_UNREACH_FRAG;
	} else if (strcmp(w[1], "port") == 0) {
		m.icmp_type = t->v6 ? ICMP6_UNREACH : ICMP4_UNREACH;
		m.icmp_code = t->v6 ? ICMP6_UNREACH_PORT : ICMP4_UNREACH_PORT;
	} else {
		m.icmp_type = t->v6 ? ICMP6_UNREACH : ICMP4_UNREACH;
	}
	(void)tcp_icmp_error(t->h->e, &m, inner, num_arg(t, w, n, "mtu", 0), sim_now(t->s));
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
		die(t, "hold rx|hdr|ref N, or none");
	if (p != NULL && n != 3)
		die(t, "hold POOL N");
	while (p != NULL && rte_mempool_avail_count(p) > num(t, w[2])) {
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
	t->listener = tcp_listen(t->h->e, &any, OWN_PORT, &ops, t);
	if (t->listener < 0)
		die(t, "listen failed: %d", t->listener);
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
	bool active = flag(w, n, "active"), ecn = flag(w, n, "ecn");
	const char *ts = flag(w, n, "ts") ? "ts=1000" : "",
		   *sack = flag(w, n, "sack") ? "sackok" : "";
	char ws[16] = "", mss[16];
	uint32_t win = num_arg(t, w, n, "win", 65535);

	known(t, w, n, 1, " active ecn ts sack ws mss win ");
	if (arg(w, n, "ws") != NULL)
		snprintf(ws, sizeof(ws), "ws=%u", num_arg(t, w, n, "ws", 0));
	snprintf(mss, sizeof(mss), "mss=%u", num_arg(t, w, n, "mss", 1460));
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

	known(t, w, n, 1,
		" v6 no_ecn no_sack no_ts no_ws nagle tso csum mtu rcvbuf sndbuf delack cc "
		"max_conns max_syns "
		"cookie_level time_wait user_timeout keepalive fin_wait2 port_lo port_hi "
		"max_timewaits "
		"max_segs challenges syn_retries synack_retries watch_rx ");
	t->v6 |= flag(w, n, "v6");
	c->no_ecn |= flag(w, n, "no_ecn");
	c->no_sack |= flag(w, n, "no_sack");
	c->no_timestamps |= flag(w, n, "no_ts");
	c->no_wscale |= flag(w, n, "no_ws");
	c->nagle |= flag(w, n, "nagle");
	t->cfg.csum_offload |= flag(w, n, "csum") || flag(w, n, "tso");
	t->cfg.tso |= flag(w, n, "tso");
	t->cfg.watch_rx |= flag(w, n, "watch_rx");
	t->cfg.mtu = (uint16_t)num_arg(t, w, n, "mtu", t->cfg.mtu);
	c->rcvbuf = num_arg(t, w, n, "rcvbuf", c->rcvbuf);
	c->sndbuf = num_arg(t, w, n, "sndbuf", c->sndbuf);
	c->delack_ms = num_arg(t, w, n, "delack", c->delack_ms);
	c->cc = (uint8_t)num_arg(t, w, n, "cc", c->cc);
	c->max_conns = num_arg(t, w, n, "max_conns", c->max_conns);
	c->max_syns = num_arg(t, w, n, "max_syns", c->max_syns);
	c->cookie_level = num_arg(t, w, n, "cookie_level", c->cookie_level);
	c->time_wait_ms = num_arg(t, w, n, "time_wait", c->time_wait_ms);
	c->user_timeout_ms = num_arg(t, w, n, "user_timeout", c->user_timeout_ms);
	c->keepalive_ms = num_arg(t, w, n, "keepalive", c->keepalive_ms);
	c->fin_wait2_ms = num_arg(t, w, n, "fin_wait2", c->fin_wait2_ms);
	c->port_lo = (uint16_t)num_arg(t, w, n, "port_lo", c->port_lo);
	c->port_hi = (uint16_t)num_arg(t, w, n, "port_hi", c->port_hi);
	c->max_timewaits = num_arg(t, w, n, "max_timewaits", c->max_timewaits);
	c->max_segs = num_arg(t, w, n, "max_segs", c->max_segs);
	c->max_challenges_per_s = num_arg(t, w, n, "challenges", c->max_challenges_per_s);
	c->syn_retries = num_arg(t, w, n, "syn_retries", c->syn_retries);
	c->synack_retries = num_arg(t, w, n, "synack_retries", c->synack_retries);
}

static void run_words(struct script *t, char **w, int n, const char *rest)
{
	const char *c = w[0];

	if (strcmp(c, "config") == 0) {
		if (t->started)
			die(t, "config comes first");
		config(t, w, n);
		return;
	}
	start(t);
	if (c[0] == '+') {
		sim_run(t->s, sim_now(t->s) + (uint64_t)(strtod(c + 1, NULL) * 1e6));
		kick(t); /* a worker looks at the clock all the time */
	} else if (strcmp(c, "<") == 0 && n > 1)
		inject(t, w, n);
	else if (strcmp(c, ">") == 0 && n > 1)
		expect(t, w, n);
	else if (strcmp(c, "event") == 0 && n > 1)
		expect_event(t, rest);
	else if (strcmp(c, "open") == 0)
		do_open(t, w, n);
	else if (strcmp(c, "listen") == 0)
		do_listen(t);
	else if (strcmp(c, "connect") == 0)
		call_connect(t, w, n);
	else if (strcmp(c, "send") == 0 && n > 1)
		call_send(t, w, n);
	else if (strcmp(c, "consume") == 0 && n > 1) {
		ASSERT(tcp_consumed(t->h->e, t->conn, num(t, w[1])) == 0);
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
		t->h->route_mtu = num(t, w[1]);
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
		die(t, "unknown command: %s", c);
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
		describe(t, &t->out[i % QUEUE_MAX], got, sizeof(got));
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
	if (verbose)
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
		verbose = true;
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
