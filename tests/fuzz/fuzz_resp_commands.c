/* SPDX-License-Identifier: Apache-2.0
 * Whole commands through the connection and the store behind it: names from the table, arguments
 * that mean something to them, cut anywhere, pipelined, in transactions, in both versions of the
 * protocol.
 *
 *   - there are as many replies as commands, and each is well formed;
 *   - nothing that was sent by the rules is a protocol error;
 *   - when the connection has gone nothing of it is left, and meanwhile its memory is bounded.
 *
 * The first byte says how: bit 0 set, the rest is fed as it is, so that only the replies' form is
 * looked at. Else each command is a byte for its name, one for its number of arguments and one for
 * each of these. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/log.h"
#include "lb/l7/resp/command.h"
#include "tests/support/resp_rig.h"

#define COMMANDS 64
#define MEM_MAX  (64 << 20)

static struct rig *rig;

static void die(const char *why, const struct rig_conn *c)
{
	fprintf(stderr, "%s: %.*s\n", why,
		c == NULL ? 0 : (int)(c->out_len < 2000 ? c->out_len : 2000),
		c == NULL ? "" : (const char *)c->out);
	abort();
}

/* ---- replies ---- */

struct input {
	const uint8_t *p;
	size_t n, at;
};

static bool is_number(const char *p, size_t n, bool real)
{
	size_t digits = 0;

	for (size_t i = 0; i < n; i++) {
		bool digit = p[i] >= '0' && p[i] <= '9';

		digits += digit;
		if (!digit && !((p[i] == '-' || p[i] == '+') && (i == 0 || real)) &&
			!(real && (p[i] == '.' || p[i] == 'e')))
			return real && (n == 3 || n == 4) && memcmp(p + n - 3, "inf", 3) == 0;
	}
	return digits > 0;
}

static bool reply(struct input *in, uint32_t depth);

static bool several(struct input *in, long n, uint32_t depth)
{
	for (; n > 0; n--)
		if (!reply(in, depth + 1))
			return false;
	return true;
}

/* One well-formed reply. */
static bool reply(struct input *in, uint32_t depth)
{
	const char *p = (const char *)in->p + in->at;
	const char *nl = in->at < in->n ? memchr(p, '\n', in->n - in->at) : NULL;
	size_t len;
	long n;

	if (nl == NULL || nl - p < 2 || nl[-1] != '\r' || depth > 8)
		return false;
	len = (size_t)(nl - p) - 2;
	in->at += len + 3;
	n = strtol(p + 1, NULL, 10);
	switch (p[0]) {
	case '+':
	case '-':
		return len > 0 && memchr(p, '\r', len + 1) == NULL;
	case ':':
	case '(':
		return is_number(p + 1, len, false);
	case ',':
		return is_number(p + 1, len, true);
	case '#':
		return len == 1 && (p[1] == 't' || p[1] == 'f');
	case '_':
		return len == 0;
	case '$':
	case '=':
		if (!is_number(p + 1, len, false) || n < -1)
			return false;
		if (n < 0)
			return true;
		if (in->n - in->at < (size_t)n + 2 || memcmp(in->p + in->at + n, "\r\n", 2) != 0)
			return false;
		in->at += (size_t)n + 2;
		return true;
	case '*':
	case '~':
		return is_number(p + 1, len, false) && n >= -1 && several(in, n, depth);
	case '%':
		return is_number(p + 1, len, false) && several(in, 2 * n, depth);
	default:
		return false;
	}
}

static uint32_t count_replies(const struct rig_conn *c)
{
	struct input in = {.p = c->out, .n = c->out_len};
	uint32_t n = 0;

	for (; in.at < in.n; n++)
		if (!reply(&in, 0))
			die("a malformed reply", c);
	return n;
}

/* ---- commands ---- */

static const char *const words[] = {"a", "b", "{t}1", "{t}2", "h", "l", "s", "z", "f", "m", "0",
	"1", "-1", "2", "10", "3.5", "-inf", "+inf", "(1", "[a", "-", "+", "", "*", "a*", "NX",
	"XX", "GT", "LT", "CH", "INCR", "GET", "EX", "PX", "EXAT", "PXAT", "KEEPTTL", "PERSIST",
	"MATCH", "COUNT", "LIMIT", "WITHSCORES", "WITHVALUES", "BYSCORE", "BYLEX", "REV", "WEIGHTS",
	"AGGREGATE", "MAX", "BEFORE", "AFTER", "LEFT", "RIGHT", "RANK", "STORE", "REPLACE", "SLOTS",
	"LIST", "INFO", "ENCODING", "USAGE", "100000", "9223372036854775807",
	"-9223372036854775808", "nan", "\r\n", "3", "AUTH"};

struct text {
	uint8_t *p;
	size_t n, cap;
};

static void add(struct text *t, const void *p, size_t n)
{
	if (t->n + n > t->cap) {
		t->cap = 2 * (t->n + n);
		t->p = realloc(t->p, t->cap);
		if (t->p == NULL)
			abort();
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static void add_arg(struct text *t, const void *p, size_t n)
{
	char head[32];

	add(t, head, (size_t)snprintf(head, sizeof(head), "$%zu\r\n", n));
	add(t, p, n);
	add(t, "\r\n", 2);
}

/* Long enough for a blob file, and for a reply that does not fit in one segment. */
static void add_word(struct text *t, uint8_t pick)
{
	static char big[20000];

	if (pick < sizeof(words) / sizeof(words[0])) {
		add_arg(t, words[pick], strlen(words[pick]));
	} else if (pick == 255) {
		memset(big, 'x', sizeof(big));
		add_arg(t, big, sizeof(big));
	} else {
		add_arg(t, &pick, 1);
	}
}

/* How many commands; those behind one that closes the connection get no reply. */
static uint32_t write_commands(const uint8_t *p, size_t n, struct text *t)
{
	uint32_t cnt = 0;

	while (n >= 2 && cnt < COMMANDS) {
		const struct resp_cmd *cmd = &resp_cmds[*p % resp_cmd_cnt];
		uint32_t args = p[1] % 8;
		char head[32];

		/* Half of them have as many as they need. */
		if ((p[1] & 0x80) != 0)
			args = (uint32_t)(cmd->arity < 0 ? -cmd->arity : cmd->arity) - 1 +
			       (cmd->arity < 0 ? args : 0);
		p += 2;
		n -= 2;
		add(t, head, (size_t)snprintf(head, sizeof(head), "*%u\r\n", args + 1));
		add_arg(t, cmd->name, strlen(cmd->name));
		for (uint32_t i = 0; i < args; i++) {
			add_word(t, n > 0 ? *p : 0);
			if (n > 0) {
				p++;
				n--;
			}
		}
		cnt++;
	}
	return cnt;
}

/* ---- one input ---- */

static uint64_t used(void)
{
	struct kvs_stats s;

	kvs_stats(kvs_worker(rig->kvs, 0), &s);
	if (s.live != 0)
		die("a transaction is left", NULL);
	return s.mem_used;
}

static void start(void)
{
	struct rig_conn *c;
	const char *fill[] = {
		"set a 1", "hset h f 1 m 2", "rpush l a b", "sadd s a b", "zadd z 1 a 2 b"};

	log_set_level(LOG_ERROR + 1);
	rig = rig_open(&(struct rig_params){
		.ns = NS_VOLATILE, .cache_bytes = 8 << 20, .pipeline_max = 64});
	c = rig_connect(rig, 0);
	for (size_t i = 0; i < sizeof(fill) / sizeof(fill[0]); i++)
		free(rig_ask(c, fill[i]));
	rig_disconnect(c);
	rig_settle(rig);
}

static void feed_in_pieces(struct rig_conn *c, const struct text *t, uint8_t seed)
{
	uint32_t r = seed;

	for (size_t at = 0; at < t->n && !c->closed;) {
		size_t n = seed == 0 ? t->n : 1 + (r = r * 1103515245 + 12345) % 97;

		n = n < t->n - at ? n : t->n - at;
		rig_feed(c, t->p + at, n);
		at += n;
		if ((r >> 16) % 4 == 0)
			(void)rig_turn(rig);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text t = {0};
	struct rig_conn *c;
	struct kvs_stats s;
	uint32_t sent = 0, got;
	uint64_t before;

	if (rig == NULL)
		start();
	if (size < 3 || size > 512)
		return 0;
	before = used();
	c = rig_connect(rig, 0);
	if ((data[0] & 1) != 0)
		add(&t, data + 2, size - 2);
	else
		sent = write_commands(data + 2, size - 2, &t);
	feed_in_pieces(c, &t, data[1]);
	kvs_stats(kvs_worker(rig->kvs, 0), &s);
	if (s.mem_used > before + MEM_MAX)
		die("more memory than a connection may use", c);
	if ((data[0] & 2) == 0)
		rig_settle(rig);
	got = count_replies(c);
	if (sent > 0 && (data[0] & 2) == 0) {
		if (memmem(c->out, c->out_len, "-ERR Protocol error", 19) != NULL)
			die("a protocol error", c);
		if (c->closed ? got > sent : got != sent)
			die("another number of replies than commands", c);
	}
	rig_disconnect(c);
	rig_settle(rig);
	/* Locks are kept for good, 64 at once. */
	if (used() > before + (64 << 10))
		die("memory is left", NULL);
	free(t.p);
	return 0;
}
