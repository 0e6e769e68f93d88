/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/support/tcp_script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/assert.h"
#include "dataplane/net/cksum.h"

bool script_verbose;

void script_die(struct script *t, const char *fmt, ...)
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

const struct tcp_ops script_ops = {
	.on_accept = on_accept,
	.on_connect = on_connect,
	.on_data = on_data,
	.on_eof = on_eof,
	.on_writable = on_writable,
	.on_closed = on_closed,
};

/* ---- the wire ---- */

/* Our initial sequence number towards a peer's port; 0 before it was seen. */
uint32_t *script_iss_of(struct script *t, uint16_t port)
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
		uint32_t was = *script_iss_of(t, load16(ip + l3 + 2));

		if (was != 0 && was != h.seq)
			t->old_iss = was;
		*script_iss_of(t, load16(ip + l3 + 2)) = h.seq;
		t->own_port = load16(ip + l3);
	}
	if (h.opts & TCP_HAS_TS)
		t->last_tsval = h.tsval;
	return true;
}

void script_start(struct script *t)
{
	static uint32_t seed = 1;

	if (t->started)
		return;
	t->started = true;
	t->s = sim_create(seed++, 1, &t->cfg);
	t->h = sim_host(t->s, 0);
	sim_tap(t->s, tap, t);
}

struct ip_addr script_peer_addr(const struct script *t)
{
	static const uint8_t a6[16] = {0xfd, [15] = 9};

	return t->v6 ? ip_addr_from6(a6) : ip_addr_from4(BE32(0x0a000009));
}

/* ---- words ---- */

/* "key=value" of a line, or NULL. */
const char *script_arg(char **w, int n, const char *key)
{
	size_t k = strlen(key);

	for (int i = 1; i < n; i++)
		if (strncmp(w[i], key, k) == 0 && w[i][k] == '=')
			return w[i] + k + 1;
	return NULL;
}

bool script_flag(char **w, int n, const char *key)
{
	for (int i = 1; i < n; i++)
		if (strcmp(w[i], key) == 0)
			return true;
	return false;
}

uint32_t script_num(struct script *t, const char *text)
{
	char *end;
	long long v = strtoll(text, &end, 10);

	if (end == text || (*end != '\0' && *end != ',' && *end != '-'))
		script_die(t, "not a number: %s", text);
	return (uint32_t)v;
}

uint32_t script_num_arg(struct script *t, char **w, int n, const char *key, uint32_t dflt)
{
	const char *v = script_arg(w, n, key);

	return v == NULL ? dflt : script_num(t, v);
}

/* Words that no rule reads are mistakes of the script. */
void script_known(struct script *t, char **w, int n, int from, const char *list)
{
	for (int i = from; i < n; i++) {
		char key[32], find[36];
		size_t k = strcspn(w[i], "=");

		snprintf(key, sizeof(key), "%.*s", (int)(k < 30 ? k : 30), w[i]);
		snprintf(find, sizeof(find), " %s ", key);
		if (strstr(list, find) == NULL)
			script_die(t, "unknown word: %s", w[i]);
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
			script_die(t, "unknown flag %c", *text);
		f |= map[i].bit;
	}
	return f;
}

/* ---- inject ---- */

static uint32_t put_opts(struct script *t, uint8_t *p, uint32_t iss, char **w, int n)
{
	uint32_t len = 0, k = 0, blocks[4][2];
	const char *v;

	if ((v = script_arg(w, n, "raw")) != NULL)
		for (; v[0] != '\0' && v[1] != '\0'; v += 2) {
			char hex[3] = {v[0], v[1], 0};

			p[len++] = (uint8_t)strtoul(hex, NULL, 16);
		}
	if ((v = script_arg(w, n, "mss")) != NULL) {
		p[len++] = 2;
		p[len++] = 4;
		store_be16(p + len, (uint16_t)script_num(t, v));
		len += 2;
	}
	if (script_flag(w, n, "sackok")) {
		p[len++] = 4;
		p[len++] = 2;
	}
	if ((v = script_arg(w, n, "ws")) != NULL) {
		p[len++] = 3;
		p[len++] = 3;
		p[len++] = (uint8_t)script_num(t, v);
	}
	if ((v = script_arg(w, n, "ts")) != NULL) {
		const char *ecr = strchr(v, ',');

		p[len++] = 8;
		p[len++] = 10;
		store_be32(p + len, script_num(t, v));
		/* The echo is ours as last seen unless said; "-N" means N ms before that. */
		store_be32(p + len + 4, ecr == NULL     ? t->last_tsval
					: ecr[1] == '-' ? t->last_tsval - script_num(t, ecr + 2)
							: script_num(t, ecr + 1));
		len += 8;
	}
	if ((v = script_arg(w, n, "sack")) != NULL) {
		while (v != NULL && k < 4) {
			const char *dash = strchr(v, '-');

			if (dash == NULL)
				script_die(t, "sack=A-B[,C-D]");
			blocks[k][0] = iss + script_num(t, v);
			blocks[k++][1] = iss + script_num(t, dash + 1);
			v = strchr(v, ',');
			v = v == NULL ? NULL : v + 1;
		}
		len += tcp_opt_put_sack(p + len, (const uint32_t(*)[2])blocks, k);
	}
	while (len % 4 != 0)
		p[len++] = 1;
	return len;
}

void script_inject(struct script *t, char **w, int n)
{
	static uint8_t ip[4096];
	uint32_t l3 = t->v6 ? IP6_HDR_LEN : IP4_HDR_LEN, opts, len, total;
	struct tcp_hdr *th = (void *)(ip + l3);
	struct ip_addr src = script_peer_addr(t), dst = t->v6 ? t->h->addr6 : t->h->addr4;
	uint8_t fl = flags_of(t, w[1]);
	uint16_t port = BE16(script_num_arg(t, w, n, "port", BE16(PEER_PORT)));
	uint32_t iss = *script_iss_of(t, port);

	script_known(t, w, n, 2,
		" seq len ack win mss sackok ws ts sack raw ce rawack badsum port hlen urg ");
	memset(ip, 0, sizeof(ip));
	len = script_num_arg(t, w, n, "len", 0);
	opts = put_opts(t, (uint8_t *)(th + 1), iss, w, n);
	total = l3 + TCP_HDR_LEN + opts + len;
	th->sport_be = port;
	th->dport_be = t->own_port;
	th->seq_be = BE32(PEER_ISN + script_num_arg(t, w, n, "seq", 0));
	if (fl & TCP_ACK)
		th->ack_be = BE32(iss + script_num_arg(t, w, n, "ack", 0));
	if (script_arg(w, n, "rawack") != NULL)
		th->ack_be = BE32(script_num_arg(t, w, n, "rawack", 0));
	th->off = (uint8_t)(script_num_arg(t, w, n, "hlen", (TCP_HDR_LEN + opts) / 4) << 4);
	th->flags = fl;
	th->window_be = BE16(script_num_arg(t, w, n, "win", 65535));
	th->urgent_be = BE16(script_num_arg(t, w, n, "urg", 0));
	/* A byte tells its place: data that is moved, lost or doubled shows. */
	for (uint32_t i = 0; i < len; i++)
		ip[total - len + i] =
			(uint8_t)(script_num_arg(t, w, n, "seq", 0) + ((fl & TCP_SYN) != 0) + i);
	if (t->v6) {
		struct ip6_hdr *h = (void *)ip;

		h->ver_tc_flow_be = BE32(0x60000000u | (script_flag(w, n, "ce") ? 3u << 20 : 0));
		h->payload_len_be = BE16(total - l3);
		h->next = PROTO_TCP;
		h->hop_limit = 64;
		memcpy(h->src, src.b, 16);
		memcpy(h->dst, dst.b, 16);
	} else {
		struct ip4_hdr *h = (void *)ip;

		h->ver_ihl = 0x45;
		h->tos = script_flag(w, n, "ce") ? 3 : 0;
		h->total_len_be = BE16(total);
		h->ttl = 64;
		h->proto = PROTO_TCP;
		h->src_be = src.w[3];
		h->dst_be = dst.w[3];
		h->cksum = cksum_ip4(h);
	}
	th->cksum = (uint16_t)~cksum_fold(
		cksum_add(cksum_pseudo(&src, &dst, PROTO_TCP, total - l3), ip + l3, total - l3));
	if (script_flag(w, n, "badsum"))
		th->cksum = (uint16_t)(th->cksum + 1);
	sim_inject(t->s, 0, ip, total);
	sim_run(t->s, sim_now(t->s));
}

/* ---- expect ---- */

void script_describe(struct script *t, const struct sent *o, char *out, size_t cap)
{
	uint32_t l3 = o->ip[0] >> 4 == 4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	struct tcp_in h;
	static const char names[] = "FSRPAUEC";
	char fl[9];
	int k = 0;
	uint32_t iss = *script_iss_of(t, load16(o->ip + l3 + 2));
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
	const char *v = script_arg(w, n, key);

	if (v != NULL && script_num(t, v) != is)
		script_die(t, "%s is %d: %s", key, (int)is, got);
}

static void expect_flag(
	struct script *t, char **w, int n, const char *key, bool is, const char *got)
{
	char no[32];

	snprintf(no, sizeof(no), "no_%s", key);
	if ((script_flag(w, n, key) && !is) || (script_flag(w, n, no) && is))
		script_die(t, "%s: %s", key, got);
}

void script_expect(struct script *t, char **w, int n)
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
		script_describe(t, o, got, sizeof(got));
		script_die(t, "sent, but nothing was expected: %s", got);
	}
	script_known(t, w, n, 2,
		" seq len ack win mss sackok no_sackok ws no_ws ts no_ts ecr sack no_sack ect "
		"no_ect rawseq ");
	if (t->out_head == t->out_tail)
		script_die(t, "nothing was sent");
	t->out_head++;
	script_describe(t, o, got, sizeof(got));
	l3 = o->ip[0] >> 4 == 4 ? IP4_HDR_LEN : IP6_HDR_LEN;
	ASSERT(tcp_hdr_parse(o->ip + l3, o->len - l3, &h));
	fl = flags_of(t, w[1]);
	if ((fl & ~TCP_PSH) != (h.flags & ~TCP_PSH) || (fl & TCP_PSH && !(h.flags & TCP_PSH)))
		script_die(t, "flags: %s", got);
	expect_num(t, w, n, "seq", h.seq - *script_iss_of(t, load16(o->ip + l3 + 2)), got);
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
	if ((v = script_arg(w, n, "sack")) != NULL) {
		const char *is = strstr(got, "sack=");

		if (is == NULL || strcmp(is + 5, v) != 0)
			script_die(t, "sack: %s", got);
	}
}

void script_expect_event(struct script *t, const char *rest)
{
	if (strcmp(rest, "none") == 0) {
		if (t->ev_head != t->ev_tail)
			script_die(t, "event, but none was expected: %s", t->events[t->ev_head]);
		return;
	}
	if (t->ev_head == t->ev_tail)
		script_die(t, "no event");
	if (strcmp(t->events[t->ev_head], rest) != 0)
		script_die(t, "event is: %s", t->events[t->ev_head]);
	t->ev_head++;
}
