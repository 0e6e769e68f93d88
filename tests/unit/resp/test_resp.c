/* SPDX-License-Identifier: Apache-2.0
 * Connections and commands on a real store: order, transactions, back-pressure, users, several
 * workers. What single commands answer is compared with a Redis server in
 * tests/scripts/resp_diff.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/log.h"
#include "dataplane/base/rng.h"
#include "dataplane/base/time.h"
#include "lb/l7/resp/acl.h"
#include "lb/l7/resp/resp_pvt.h"
#include "storage/shard_pvt.h"
#include "tests/support/resp_rig.h"
#include "tests/support/seed.h"

static void feed_text(struct rig_conn *c, const char *text)
{
	rig_feed(c, text, strlen(text));
}

static void expect(struct rig_conn *c, const char *line, const char *want)
{
	char *got = rig_ask(c, line);

	if (strcmp(got, want) != 0)
		print_error("%s\n   want: %s\n   got:  %s\n", line, want, got);
	assert_string_equal(got, want);
	free(got);
}

/* Feeds all at once and compares everything that comes back. */
static void expect_all(struct rig_conn *c, const char *lines, const char *want)
{
	c->out_len = 0;
	rig_feed(c, lines, strlen(lines));
	rig_settle(c->rig);
	if (c->out_len != strlen(want) || memcmp(c->out, want, c->out_len) != 0)
		print_error("want: %s\ngot:  %.*s\n", want, (int)c->out_len, (char *)c->out);
	assert_int_equal(c->out_len, strlen(want));
	assert_memory_equal(c->out, want, c->out_len);
}

static struct rig *open_rig(uint32_t workers, uint32_t shards, uint64_t cache)
{
	return rig_open(&(struct rig_params){
		.workers = workers, .shards = shards, .cache_bytes = cache, .ns = NS_EVERYSEC});
}

static void replies_keep_the_order_of_requests(void **state)
{
	struct rig *r = open_rig(1, 1, 16 << 20);
	struct rig_conn *c = rig_connect(r, 0);

	(void)state;
	expect_all(c,
		"set a 1\r\nget a\r\nping\r\nincr a\r\nincr a\r\nget a\r\nnosuch\r\nappend a "
		"x\r\nget a\r\n"
		"del a\r\nget a\r\necho end\r\n",
		"+OK\r\n$1\r\n1\r\n+PONG\r\n:2\r\n:3\r\n$1\r\n3\r\n"
		"-ERR unknown command 'nosuch', with args beginning with: \r\n:2\r\n$2\r\n3x\r\n"
		":1\r\n$-1\r\n$3\r\nend\r\n");
	rig_disconnect(c);
	rig_close(r);
}

static void a_write_waits_for_all_its_keys_in_turn(void **state)
{
	struct rig *r = open_rig(1, 1, 0);
	struct rig_conn *c = rig_connect(r, 0);

	(void)state;
	/* MSET waits for the readers of a; SETNX b must not overtake it. */
	expect_all(c, "set a 0\r\nget a\r\nget a\r\nmset b 1 a 1\r\nsetnx b 2\r\nmget a b\r\n",
		"+OK\r\n$1\r\n0\r\n$1\r\n0\r\n+OK\r\n:0\r\n*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
	rig_disconnect(c);
	rig_close(r);
}

/* Three clients send `count` times the same command at once. Every turn executes at most `most` of
 * them, all clients get some of it, and every reply comes. Returns the turns it took. */
static uint32_t flood(struct rig *r, const char *command, uint32_t count, uint32_t most)
{
	enum { CONNS = 3 };
	struct resp_worker *w = ((struct l7_worker *)r->l7[0])->resp;
	struct rig_conn *c[CONNS];
	size_t len = strlen(command);
	char *lines = malloc(count * len);
	uint64_t before = w->commands;
	uint32_t turns = 0;

	for (uint32_t i = 0; i < count; i++)
		memcpy(lines + i * len, command, len);
	for (int i = 0; i < CONNS; i++)
		c[i] = rig_connect(r, 0);
	/* A turn begins. */
	rig_turn(r);
	for (int i = 0; i < CONNS; i++)
		rig_feed(c[i], lines, count * len);
	assert_in_range(w->commands - before, 1, most);
	while (w->commands - before < CONNS * count) {
		uint64_t at = w->commands;
		struct kvs_stats was, is;

		kvs_stats(w->kvs, &was);
		rig_turn(r);
		kvs_stats(w->kvs, &is);
		assert_true(w->commands - at <= most);
		/* Of what the store has answered a turn takes on so much, too. */
		assert_true(was.live + w->commands - at - is.live <= 64 + most);
		if (++turns == CONNS)
			for (int i = 0; i < CONNS; i++)
				assert_true(c[i]->l7 != NULL &&
					    ((struct l7_conn *)c[i]->l7)->pend_len < count * len);
	}
	rig_settle(r);
	for (int i = 0; i < CONNS; i++) {
		assert_false(c[i]->closed);
		assert_int_equal(c[i]->out_len, count * (command[1] == '2' ? 7 : 5));
		rig_disconnect(c[i]);
	}
	free(lines);
	return turns;
}

static void a_turn_takes_on_so_much(void **state)
{
	static const char get[] = "*2\r\n$3\r\nGET\r\n$1\r\na\r\n",
			  set[] = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
	struct rig *r = open_rig(1, 1, 16 << 20);
	struct rig_conn *c = rig_connect(r, 0);

	(void)state;
	expect(c, "set a 1", "+OK\r\n");
	expect(c, "get a", "$1\r\n1\r\n");
	rig_disconnect(c);
	assert_in_range(flood(r, get, 2000, RESP_TURN), 6000 / RESP_TURN, 6000);
	(void)flood(r, set, 1000, RESP_TURN / RESP_COST);
	rig_close(r);
}

/* Each connection has the form of the protocol that it asked for, whatever others of its worker
 * speak. */
static void connections_have_their_own_version(void **state)
{
	struct rig *r = open_rig(1, 1, 16 << 20);
	struct rig_conn *two = rig_connect(r, 0), *three = rig_connect(r, 0);
	char *hello;

	(void)state;
	/* The second time the memory cache knows that there is nothing. */
	for (int i = 0; i < 2; i++) {
		hello = rig_ask(three, "hello 3");
		assert_int_equal(hello[0], '%');
		free(hello);
		expect(two, "get nothing", "$-1\r\n");
		expect(three, "get nothing", "_\r\n");
		expect(two, "get nothing", "$-1\r\n");
		expect(two, "config get nothing", "*0\r\n");
		expect(three, "config get nothing", "%0\r\n");
		expect(two, "config get nothing", "*0\r\n");
	}
	hello = rig_ask(three, "hello 2");
	free(hello);
	expect(three, "get nothing", "$-1\r\n");
	rig_disconnect(two);
	rig_disconnect(three);
	rig_close(r);
}

static void many_commands_on_one_key(void **state)
{
	struct rig *r = open_rig(1, 1, 16 << 20);
	struct rig_conn *c = rig_connect(r, 0);
	char lines[40000] = "", want[40000] = "";
	size_t n = 0, m = 0;

	(void)state;
	for (int i = 1; i <= 1000; i++) {
		n += (size_t)snprintf(
			lines + n, sizeof(lines) - n, i % 3 ? "incr n\r\n" : "get n\r\n");
		if (i % 3)
			m += (size_t)snprintf(want + m, sizeof(want) - m, ":%d\r\n", i - i / 3);
		else
			m += (size_t)snprintf(want + m, sizeof(want) - m, "$%d\r\n%d\r\n",
				i - i / 3 >= 100  ? 3
				: i - i / 3 >= 10 ? 2
						  : 1,
				i - i / 3);
	}
	expect_all(c, lines, want);
	rig_disconnect(c);
	rig_close(r);
}

/* Of commands that find no memory each is told so, in its place, and none of them was done. One
 * that cannot even be read ends the connection, in its place, too. */
static void replies_need_no_memory(void **state)
{
	enum { CMDS = 900 };
	struct rig *r = rig_open(&(struct rig_params){.ns = NS_VOLATILE, .request_bytes = 1 << 20});
	struct rig_conn *c = rig_connect(r, 0), *d;
	char lines[CMDS * 12], want[32];
	uint32_t done = 0, refused = 0, i = 0;
	size_t n = 0;

	(void)state;
	for (int k = 0; k < CMDS; k++)
		n += (size_t)snprintf(
			lines + n, sizeof(lines) - n, k % 3 == 0 ? "hlen h\r\n" : "incr n\r\n");
	rig_feed(c, lines, n);
	rig_settle(r);
	for (size_t at = 0; at < c->out_len; i++) {
		const char *line = (char *)c->out + at, *end = memchr(line, '\n', c->out_len - at);

		assert_non_null(end);
		at = (size_t)(end + 1 - (char *)c->out);
		if (line[0] == ':')
			done += i % 3 != 0;
		else if (at == c->out_len && c->closed)
			assert_memory_equal(line, "-ERR out of memory for this request", 35);
		else
			assert_memory_equal(line, "-OOM ", 5);
		refused += line[0] == '-';
	}
	assert_true(i == CMDS || (c->closed && i < CMDS));
	/* Both were the case, or this has shown nothing. */
	assert_true(done > 0 && refused > 0);
	(void)snprintf(want, sizeof(want), "%u", done);
	n = strlen(want);
	(void)snprintf(want, sizeof(want), "$%zu\r\n%u\r\n", n, done);
	rig_disconnect(c);
	d = rig_connect(r, 0);
	expect(d, "get n", want);
	rig_disconnect(d);
	rig_close(r);
}

/* Reads of one key by several connections are under way together, however often each has read it
 * before; a second one of the same connection waits for its first. */
static void reads_of_others_do_not_wait(void **state)
{
	struct rig *r = open_rig(1, 1, 0);
	struct rig_conn *a = rig_connect(r, 0), *b = rig_connect(r, 0);
	struct kvs_stats before, after;

	(void)state;
	expect(a, "hset h f v", ":1\r\n");
	expect(a, "hget h f", "$1\r\nv\r\n");
	expect(b, "hget h f", "$1\r\nv\r\n");
	kvs_stats(kvs_worker(r->kvs, 0), &before);
	for (int i = 0; i < 3; i++) {
		a->out_len = b->out_len = 0;
		feed_text(a, "hget h f\r\n");
		feed_text(b, "hget h f\r\n");
		rig_settle(r);
		assert_int_equal(a->out_len, 7);
		assert_int_equal(b->out_len, 7);
	}
	kvs_stats(kvs_worker(r->kvs, 0), &after);
	assert_int_equal(after.waits, before.waits);
	expect_all(a, "hget h f\r\nhget h f\r\n", "$1\r\nv\r\n$1\r\nv\r\n");
	kvs_stats(kvs_worker(r->kvs, 0), &after);
	assert_int_equal(after.waits, before.waits + 1);
	rig_disconnect(a);
	rig_disconnect(b);
	rig_close(r);
}

/* SET goes its own way (kvs_put_alone) where nothing is in its path, and like all others where
 * something is: random pipelines on few keys, against three numbers. */
static void lone_writes_keep_their_place(void **state)
{
	static char lines[1 << 16], want[1 << 16];
	struct rig *r = open_rig(1, 1, 16 << 20);
	struct rig_conn *c = rig_connect(r, 0);
	struct rng rng = {test_seed()};
	int64_t v[3] = {-1, -1, -1}; /* below 0: absent */

	(void)state;
	for (int round = 0; round < 60; round++) {
		uint32_t cmds = 1 + (uint32_t)rng_below(&rng, 200);
		size_t n = 0, m = 0;

		for (uint32_t i = 0; i < cmds; i++) {
			uint32_t k = (uint32_t)rng_below(&rng, 3),
				 what = (uint32_t)rng_below(&rng, 10);
			char num[24];

			if (what < 5) {
				v[k] = (int64_t)rng_below(&rng, 1000);
				n += (size_t)snprintf(lines + n, sizeof(lines) - n,
					"set k%u %lld\r\n", k, (long long)v[k]);
				m += (size_t)snprintf(want + m, sizeof(want) - m, "+OK\r\n");
			} else if (what < 8) {
				n += (size_t)snprintf(
					lines + n, sizeof(lines) - n, "get k%u\r\n", k);
				(void)snprintf(num, sizeof(num), "%lld", (long long)v[k]);
				if (v[k] < 0)
					m += (size_t)snprintf(
						want + m, sizeof(want) - m, "$-1\r\n");
				else
					m += (size_t)snprintf(want + m, sizeof(want) - m,
						"$%zu\r\n%s\r\n", strlen(num), num);
			} else if (what < 9) {
				v[k] = v[k] < 0 ? 1 : v[k] + 1;
				n += (size_t)snprintf(
					lines + n, sizeof(lines) - n, "incr k%u\r\n", k);
				m += (size_t)snprintf(
					want + m, sizeof(want) - m, ":%lld\r\n", (long long)v[k]);
			} else {
				n += (size_t)snprintf(
					lines + n, sizeof(lines) - n, "del k%u\r\n", k);
				m += (size_t)snprintf(
					want + m, sizeof(want) - m, ":%d\r\n", v[k] >= 0);
				v[k] = -1;
			}
		}
		expect_all(c, lines, want);
	}
	rig_disconnect(c);
	rig_close(r);
}

/* What the cache knew of the key is in doubt with it. */
static void a_lone_write_that_fails(void **state)
{
	struct rig *r = open_rig(1, 1, 16 << 20);
	struct rig_conn *c = rig_connect(r, 0);
	char *got;

	(void)state;
	expect_all(c, "set a 1\r\nget a\r\n", "+OK\r\n$1\r\n1\r\n");
	uring_fs_inject(store_uring_fs(r->store.s), URING_FS_LOG_WRITE, 0, 1, EIO);
	expect(c, "set a 2", "-ERR The write failed half-way: outcome unknown\r\n");
	/* Read-only, then well again. */
	for (int i = 0;; i++) {
		got = rig_ask(c, "set a 3");
		if (got[0] == '+')
			break;
		assert_true(i < 1000 && strncmp(got, "-MISCONF", 8) == 0);
		free(got);
		usleep(10000);
	}
	free(got);
	expect(c, "get a", "$1\r\n3\r\n");
	rig_disconnect(c);
	rig_close(r);
}

static void lone_writes_are_in_the_slow_log(void **state)
{
	struct rig *r = open_rig(1, 1, 0);
	struct rig_conn *c = rig_connect(r, 0);
	char *got;

	(void)state;
	r->listener.resp.slow_ns = 1;
	expect(c, "set key value", "+OK\r\n");
	r->listener.resp.slow_ns = 0;
	got = rig_ask(c, "slowlog get");
	assert_non_null(strstr(got, "*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n"));
	free(got);
	rig_disconnect(c);
	rig_close(r);
}

static void transactions(void **state)
{
	struct rig *r = open_rig(2, 1, 16 << 20);
	struct rig_conn *a = rig_connect(r, 0), *b = rig_connect(r, 1);

	(void)state;
	expect_all(a,
		"multi\r\nset x 1\r\nincr x\r\nget x\r\nhset h f v\r\nhgetall h\r\ndel h\r\nhlen "
		"h\r\n"
		"lpush x y\r\nexec\r\n",
		"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+"
		"QUEUED\r\n"
		"+QUEUED\r\n*8\r\n+OK\r\n:2\r\n$1\r\n2\r\n:1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n:1\r\n:"
		"0\r\n"
		"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
	/* Collections that were there before, with what the transaction itself has written. */
	expect_all(a, "hset h2 f 1 g 2\r\nsadd s2 a b\r\nrpush l2 x\r\nzadd z2 1 a 2 b\r\n",
		":2\r\n:2\r\n:1\r\n:2\r\n");
	expect_all(a,
		"multi\r\nhset h2 e 0\r\nhdel h2 g\r\nhgetall h2\r\nsadd s2 c\r\nsrem s2 a\r\n"
		"smembers s2\r\nsinter s2\r\nrpush l2 y\r\nlrange l2 0 -1\r\nzadd z2 0 c 5 a\r\n"
		"zrange z2 0 -1\r\nzrange z2 0 0\r\nzcount z2 2 5\r\nexec\r\n",
		"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
		"+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
		"*13\r\n:1\r\n:1\r\n*4\r\n$1\r\ne\r\n$1\r\n0\r\n$1\r\nf\r\n$1\r\n1\r\n:1\r\n:1\r\n"
		"*2\r\n$1\r\nb\r\n$1\r\nc\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\n:2\r\n"
		"*2\r\n$1\r\nx\r\n$1\r\ny\r\n:1\r\n"
		"*3\r\n$1\r\nc\r\n$1\r\nb\r\n$1\r\na\r\n*1\r\n$1\r\nc\r\n:2\r\n");
	/* Watched and changed by another worker's client. */
	expect(a, "watch x", "+OK\r\n");
	expect(b, "set x 9", "+OK\r\n");
	expect_all(a, "multi\r\nincr x\r\nexec\r\n", "+OK\r\n+QUEUED\r\n*-1\r\n");
	expect(a, "get x", "$1\r\n9\r\n");
	/* Watched and left alone. */
	expect_all(a, "watch x\r\nmulti\r\nincr x\r\nexec\r\n",
		"+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n:10\r\n");
	/* Once more: EXEC has ended the watch. */
	expect(b, "set x 1", "+OK\r\n");
	expect_all(a, "multi\r\nincr x\r\nexec\r\n", "+OK\r\n+QUEUED\r\n*1\r\n:2\r\n");
	expect_all(a, "multi\r\nnosuch\r\nincr x\r\nexec\r\n",
		"+OK\r\n-ERR unknown command 'nosuch', with args beginning with: \r\n+QUEUED\r\n"
		"-EXECABORT Transaction discarded because of previous errors.\r\n");
	expect_all(a, "watch nothing\r\nmulti\r\nexec\r\n", "+OK\r\n+OK\r\n*0\r\n");
	rig_disconnect(a);
	rig_disconnect(b);
	rig_close(r);
}

static void a_collection_in_place_of_another(void **state)
{
	struct rig *r = open_rig(1, 1, 0);
	struct rig_conn *c = rig_connect(r, 0);

	(void)state;
	expect(c, "sadd s a b c", ":3\r\n");
	expect_all(c,
		"multi\r\ndel s\r\nsadd s b d\r\nsismember s a\r\nscard s\r\nsmembers "
		"s\r\nexec\r\n",
		"+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*5\r\n:1\r\n:2\r\n:"
		"0\r\n:2\r\n"
		"*2\r\n$1\r\nb\r\n$1\r\nd\r\n");
	expect(c, "smembers s", "*2\r\n$1\r\nb\r\n$1\r\nd\r\n");
	expect(c, "set s x", "+OK\r\n");
	expect(c, "smembers s",
		"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
	expect_all(c, "del s\r\nsadd s z\r\nsmembers s\r\n", ":1\r\n:1\r\n*1\r\n$1\r\nz\r\n");
	rig_disconnect(c);
	rig_close(r);
}

static void several_shards(void **state)
{
	struct rig *r = open_rig(1, 4, 16 << 20);
	struct rig_conn *c = rig_connect(r, 0);

	(void)state;
	for (int i = 0; i < 20; i++) {
		char line[64];

		snprintf(line, sizeof(line), "set k%d %d", i, i);
		expect(c, line, "+OK\r\n");
	}
	expect(c, "mget k1 k2 k3 k4", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n");
	expect(c, "exists k0 k1 k2 k3 k4 k5 k6 no", ":7\r\n");
	expect(c, "dbsize", ":20\r\n");
	expect(c, "del k0 k1 k2 k3 k4 k5 k6 k7 k8 k9 no", ":10\r\n");
	expect(c, "dbsize", ":10\r\n");
	expect(c, "mset k10 x k11 y k12 z k13 v",
		"-CROSSSLOT Keys in request don't hash to the same slot\r\n");
	expect(c, "mget k10 k11 k12 k13", "*4\r\n$2\r\n10\r\n$2\r\n11\r\n$2\r\n12\r\n$2\r\n13\r\n");
	expect(c, "mset {t}1 a {t}2 b {t}3 c", "+OK\r\n");
	expect(c, "mget {t}1 {t}2 {t}3", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
	/* What is written here cannot depend on what is read elsewhere. k10 and k11 are apart. */
	expect_all(c, "multi\r\nget k10\r\nset k11 x\r\nexec\r\n",
		"+OK\r\n+QUEUED\r\n+QUEUED\r\n"
		"-CROSSSLOT Keys in request don't hash to the same slot\r\n");
	expect_all(c, "watch k10\r\nmulti\r\nset k11 x\r\nexec\r\n",
		"+OK\r\n+OK\r\n+QUEUED\r\n"
		"-CROSSSLOT Keys in request don't hash to the same slot\r\n");
	expect(c, "get k11", "$2\r\n11\r\n");
	expect_all(c, "multi\r\nget k10\r\nget k11\r\nexec\r\n",
		"+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$2\r\n10\r\n$2\r\n11\r\n");
	expect(c, "flushall", "+OK\r\n");
	expect(c, "dbsize", ":0\r\n");
	expect(c, "get {t}1", "$-1\r\n");
	expect(c, "randomkey", "$-1\r\n");
	rig_disconnect(c);
	rig_close(r);
}

/* Every key comes, over all shards, also those that come and go meanwhile at other places. */
static void scan_finds_every_key(void **state)
{
	struct rig *r = open_rig(1, 3, 0);
	struct rig_conn *c = rig_connect(r, 0);
	static bool seen[300];
	char line[64], cursor[32] = "0";
	uint32_t found = 0, rounds = 0;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (int i = 0; i < 300; i++) {
		snprintf(line, sizeof(line), "set key:%d v", i);
		expect(c, line, "+OK\r\n");
	}
	do {
		char *out, *p, *end;

		snprintf(line, sizeof(line), "scan %s count 7 match key:*", cursor);
		out = rig_ask(c, line);
		p = strstr(out, "\r\n$");
		assert_non_null(p);
		p = strchr(p + 3, '\n') + 1;
		end = strchr(p, '\r');
		snprintf(cursor, sizeof(cursor), "%.*s", (int)(end - p), p);
		for (p = end; (p = strstr(p, "key:")) != NULL; p += 4) {
			int i = atoi(p + 4);

			found += !seen[i];
			seen[i] = true;
		}
		free(out);
		snprintf(line, sizeof(line), "set other:%u v", rounds);
		expect(c, line, "+OK\r\n");
	} while (strcmp(cursor, "0") != 0 && ++rounds < 1000);
	assert_int_equal(found, 300);
	assert_true(rounds >= 300 / 7);
	expect(c, "scan 12345", "-ERR invalid cursor\r\n");
	expect(c, "scan x", "-ERR invalid cursor\r\n");
	rig_disconnect(c);
	rig_close(r);
}

/* A peer that does not read stops being read from, and gets everything in the end. */
static void a_slow_reader(void **state)
{
	struct rig *r = rig_open(&(struct rig_params){.ns = NS_VOLATILE, .pipeline_max = 16});
	struct rig_conn *c = rig_connect(r, 0);
	char *value = malloc(20001);
	struct kvs_stats s;

	(void)state;
	memset(value, 'v', 20000);
	value[20000] = '\0';
	rig_feed(c, "set big ", 8);
	rig_feed(c, value, 20000);
	rig_feed(c, "\r\n", 2);
	rig_settle(r);
	c->out_len = 0;
	rig_take(c, 0);
	c->room = 30000;
	for (int i = 0; i < 200; i++)
		rig_feed(c, "get big\r\n", 9);
	rig_settle(r);
	kvs_stats(kvs_worker(r->kvs, 0), &s);
	assert_true(c->blocked);
	assert_true(s.mem_used < 2 << 20);
	for (int i = 0; i < 2000 && c->out_len < 200 * 20010; i++) {
		rig_take(c, 17000);
		rig_settle(r);
	}
	assert_int_equal(c->out_len, 200 * (8 + 20000 + 2));
	free(value);
	rig_disconnect(c);
	rig_close(r);
}

static void a_client_that_goes_away(void **state)
{
	struct rig *r = open_rig(1, 1, 16 << 20);
	struct rig_conn *c = rig_connect(r, 0), *d = rig_connect(r, 0);
	struct kvs_stats s;

	(void)state;
	feed_text(c, "set other 1\r\nset a 1\r\nincr a\r\nhset h f v\r\nmulti\r\nset a 5\r\nset b "
		     "6\r\nexec\r\nget a\r\n"
		     "scan 0\r\n");
	rig_disconnect(c);
	rig_settle(r);
	expect(d, "get b", "$1\r\n6\r\n");
	/* In the middle of a request, and of a transaction. */
	c = rig_connect(r, 0);
	feed_text(c, "multi\r\nset a 7\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nxx");
	rig_disconnect(c);
	rig_settle(r);
	expect(d, "get a", "$1\r\n5\r\n");
	rig_disconnect(d);
	rig_settle(r);
	kvs_stats(kvs_worker(r->kvs, 0), &s);
	assert_int_equal(s.live, 0);
	rig_close(r);
}

static void workers_are_one_node(void **state)
{
	struct rig *r = open_rig(2, 1, 0);
	struct rig_conn *a = rig_connect(r, 0), *b = rig_connect(r, 1);
	char *id = rig_ask(a, "cluster myid");

	(void)state;
	assert_int_equal(strlen(id), 5 + 40 + 2);
	expect(b, "cluster myid", id);
	free(id);
	rig_disconnect(a);
	rig_disconnect(b);
	rig_close(r);
}

/* What one writes for the others to see lies on a line of its own. */
static void workers_share_no_line(void **state)
{
	struct rig *r = open_rig(RIG_WORKERS, 1, 0);

	(void)state;
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		assert_int_equal((uintptr_t)kvs_worker(r->kvs, i) % CACHE_LINE, 0);
	rig_close(r);
}

static void quit_and_errors_close(void **state)
{
	struct rig *r = open_rig(1, 1, 0);
	struct rig_conn *c = rig_connect(r, 0);

	(void)state;
	expect_all(c, "set a 1\r\nget a\r\nquit\r\nset a 2\r\n", "+OK\r\n$1\r\n1\r\n+OK\r\n");
	assert_true(c->closed);
	rig_disconnect(c);
	c = rig_connect(r, 0);
	expect_all(c, "get a\r\n*1\r\n:3\r\nset a 3\r\n",
		"$1\r\n1\r\n-ERR Protocol error: expected '$', got ':'\r\n");
	assert_true(c->closed);
	rig_disconnect(c);
	c = rig_connect(r, 0);
	rig_feed(c, "get a\r\n", 7);
	rig_eof(c);
	rig_settle(r);
	assert_true(c->closed);
	assert_int_equal(c->out_len, 7);
	rig_disconnect(c);
	rig_close(r);
}

/* Idle connections end at once, others when they have what they began, or after the grace. */
static void lets_finish_what_began(void (*end)(struct rig *r), bool reload)
{
	enum { IDLE, BUSY, MULTI, WATCH, HALF, STUCK, CONNS };
	struct rig *r = open_rig(1, 1, 16 << 20);
	struct rig_conn *c[CONNS], *late;

	for (int i = 0; i < CONNS; i++)
		c[i] = rig_connect(r, 0);
	expect(c[IDLE], "set a 1", "+OK\r\n");
	expect_all(c[MULTI], "multi\r\nincr a\r\n", "+OK\r\n+QUEUED\r\n");
	expect(c[WATCH], "watch a", "+OK\r\n");
	feed_text(c[HALF], "*2\r\n$3\r\nGET\r\n$1\r\n");
	expect(c[STUCK], "multi", "+OK\r\n");
	feed_text(c[BUSY], "incr b\r\nincr b\r\nincr b\r\n");
	assert_int_equal(rig_pins(r), CONNS);
	end(r);
	assert_true(c[IDLE]->closed);
	assert_true(c[BUSY]->closed);
	assert_int_equal(c[BUSY]->out_len, 12);
	assert_false(c[MULTI]->closed || c[WATCH]->closed || c[HALF]->closed || c[STUCK]->closed);
	expect(c[MULTI], "exec", "*1\r\n:2\r\n");
	assert_true(c[MULTI]->closed);
	expect_all(c[WATCH], "get a\r\n", "$1\r\n2\r\n");
	assert_false(c[WATCH]->closed);
	expect(c[WATCH], "unwatch", "+OK\r\n");
	assert_true(c[WATCH]->closed);
	expect_all(c[HALF], "a\r\n", "$1\r\n2\r\n");
	assert_true(c[HALF]->closed);
	late = rig_connect(r, 0);
	if (!reload)
		expect(late, "get a", "$1\r\n2\r\n");
	assert_true(late->closed);
	rig_pass(r, RESP_GRACE_NS / 2);
	assert_false(c[STUCK]->closed);
	assert_int_equal(rig_pins(r), 1);
	rig_pass(r, RESP_GRACE_NS / 2 + NS_PER_MS);
	assert_true(c[STUCK]->closed);
	assert_int_equal(rig_pins(r), 0);
	for (int i = 0; i < CONNS; i++)
		rig_disconnect(c[i]);
	rig_disconnect(late);
	rig_close(r);
}

static void draining_lets_finish_what_began(void **state)
{
	(void)state;
	lets_finish_what_began(rig_drain, false);
}

static void so_does_a_listener_that_is_removed(void **state)
{
	(void)state;
	lets_finish_what_began(rig_remove, true);
}

/* Asks until it says so, ten seconds at most. */
static bool soon(struct rig_conn *c, const char *line, const char *want)
{
	for (int i = 0; i < 500; i++) {
		char *got = rig_ask(c, line);
		bool same = strcmp(got, want) == 0;

		free(got);
		if (same)
			return true;
		usleep(20000);
	}
	return false;
}

/* While a folder stands where the store probes its device it finds it broken. */
static void hold_recovery(const struct rig *r, bool hold)
{
	char probe[FILE_PATH_MAX + 16];

	(void)snprintf(probe, sizeof(probe), "%s.probe", r->store.s->shards[0]->dir);
	assert_int_equal(hold ? mkdir(probe, 0700) : rmdir(probe), 0);
}

/* A log that cannot be written or synced: what clients are told, that reads go on, and that it
 * comes back by itself. */
static void a_disk_that_fails(void **state)
{
	static const enum uring_fs_fault kinds[] = {URING_FS_LOG_WRITE, URING_FS_LOG_SYNC};
	static const char unknown[] = "-ERR The write failed half-way: outcome unknown\r\n",
			  refused[] = "-MISCONF The shard is read-only after an error of its disk; "
				      "not done\r\n";
	struct rig *r = rig_open(&(struct rig_params){.ns = NS_ALWAYS, .cache_bytes = 16 << 20});
	struct rig_conn *c = rig_connect(r, 0);
	char *got, big[6100];

	(void)state;
	expect_all(c, "set a 1\r\nhset h f v\r\nrpush l x y\r\n", "+OK\r\n:1\r\n:2\r\n");
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		hold_recovery(r, true);
		uring_fs_inject(store_uring_fs(r->store.s), kinds[i], 0, 1, EIO);
		expect(c, "set b 1", unknown);
		expect(c, "set c 1", refused);
		expect(c, "incr n", refused);
		expect(c, "hset h g w", refused);
		expect_all(c, "multi\r\nset c 1\r\nget a\r\nexec\r\n",
			"+OK\r\n+QUEUED\r\n+QUEUED\r\n-MISCONF The shard is read-only after an "
			"error "
			"of its disk; not done\r\n");
		/* Nothing of it has to be written. */
		expect_all(c, "get a\r\nhgetall h\r\nlrange l 0 -1\r\n",
			"$1\r\n1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n*2\r\n$1\r\nx\r\n$1\r\ny\r\n");
		hold_recovery(r, false);
		assert_true(soon(c, "set c 2", "+OK\r\n"));
		expect_all(c, "get c\r\nget a\r\nexists n\r\nhlen h\r\ndel c\r\n",
			"$1\r\n2\r\n$1\r\n1\r\n:0\r\n:1\r\n:1\r\n");
		/* Either, but always the same. */
		got = rig_ask(c, "get b");
		assert_true(strcmp(got, "$-1\r\n") == 0 || strcmp(got, "$1\r\n1\r\n") == 0);
		expect(c, "get b", got);
		free(got);
		expect(c, "set b 0", "+OK\r\n");
		expect(c, "del b", ":1\r\n");
	}
	/* The next one fails while many are under way: each is told, in order. */
	uring_fs_inject(store_uring_fs(r->store.s), URING_FS_LOG_SYNC, 0, 1, EIO);
	c->out_len = 0;
	for (int i = 0; i < 200; i++)
		feed_text(c, i % 2 == 0 ? "incr n\r\n" : "get a\r\n");
	rig_settle(r);
	for (size_t i = 0, at = 0; i < 200; i++) {
		char *line = (char *)c->out + at, *end = memchr(line, '\n', c->out_len - at);

		assert_non_null(end);
		if (i % 2 == 1)
			assert_memory_equal(line, "$1\r\n1\r\n", 7);
		else if (line[0] == '-')
			assert_true(strncmp(line, unknown, strlen(unknown)) == 0 ||
				    strncmp(line, refused, strlen(refused)) == 0);
		at += (size_t)(end - line) + (i % 2 == 1 ? 4 : 1);
		assert_true(i < 199 || at == c->out_len);
	}
	assert_true(soon(c, "set c 3", "+OK\r\n"));
	/* What cannot be read is an error for the one key. Long values stand in files of their own.
	 */
	memset(big, 'x', sizeof(big));
	memcpy(big, "set big ", 8);
	memcpy(big + sizeof(big) - 3, "\r\n", 3);
	expect_all(c, big, "+OK\r\n");
	assert_int_equal(store_flush_all(r->store.s), 0);
	uring_fs_inject(store_uring_fs(r->store.s), URING_FS_READ, 0, 1000, EIO);
	expect_all(c, "strlen big\r\nget a\r\n",
		"-ERR the device failed to read this key\r\n$1\r\n1\r\n");
	uring_fs_inject(store_uring_fs(r->store.s), URING_FS_READ, 0, 0, 0);
	expect(c, "strlen big", ":6089\r\n");
	rig_disconnect(c);
	rig_close(r);
}

static void users(void **state)
{
	static const char *const rules[] = {
		"alice on >wonder ~a:* %R~r:* +@read +set", "bob off nopass ~* +@all"};
	struct rig *r = rig_open(&(struct rig_params){
		.ns = NS_VOLATILE, .password = "sesame", .users = rules, .user_cnt = 2});
	struct rig_conn *c = rig_connect(r, 0);

	(void)state;
	expect(c, "get a", "-NOAUTH Authentication required.\r\n");
	expect(c, "auth nope",
		"-WRONGPASS invalid username-password pair or user is disabled.\r\n");
	expect(c, "auth bob x",
		"-WRONGPASS invalid username-password pair or user is disabled.\r\n");
	expect(c, "hello 3",
		"-NOAUTH HELLO must be called with the client already authenticated, otherwise "
		"the HELLO <proto> AUTH <user> <pass> option can be used to authenticate "
		"the client and select the RESP protocol version at the same time\r\n");
	expect(c, "auth sesame", "+OK\r\n");
	expect(c, "set r:1 x", "+OK\r\n");
	expect(c, "auth alice wonder", "+OK\r\n");
	expect(c, "set a:1 x", "+OK\r\n");
	expect(c, "get r:1", "$1\r\nx\r\n");
	expect(c, "set r:1 y",
		"-NOPERM this user has no permissions to access one of the keys used as "
		"arguments\r\n");
	expect(c, "mget a:1 b:1",
		"-NOPERM this user has no permissions to access one of the keys used as "
		"arguments\r\n");
	expect(c, "del a:1", "-NOPERM this user has no permissions to run the 'del' command\r\n");
	expect(c, "reset", "+RESET\r\n");
	expect(c, "get a:1", "-NOAUTH Authentication required.\r\n");
	rig_disconnect(c);
	rig_close(r);
}

static void rules_of_users(void **state)
{
	struct acl_user u;
	char why[ACL_WHY];

	(void)state;
	assert_int_equal(acl_check("a on nopass ~* +@all -@dangerous", why), 0);
	assert_int_equal(acl_check("", why), -EINVAL);
	assert_int_equal(acl_check("a +nosuch", why), -EINVAL);
	assert_string_equal(why, "no command: '+nosuch'");
	assert_int_equal(acl_check("a +@nosuch", why), -EINVAL);
	assert_int_equal(acl_check("a bad", why), -EINVAL);
	assert_int_equal(acl_check("a #12", why), -EINVAL);
	/* SHA-256 of "abc" (FIPS 180-2, appendix B.1). */
	assert_int_equal(
		acl_parse("a on #ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
			&u, why),
		0);
	assert_true(acl_password(&u, "abc", 3));
	assert_false(acl_password(&u, "abd", 3));
}

/* Four workers change the same keys; nothing is lost, and none sees an older value than it was
 * told. */
static void several_workers(void **state)
{
	struct rig *r = open_rig(RIG_WORKERS, 1, 16 << 20);
	struct rig_conn *c[RIG_WORKERS];
	char want[64];

	(void)state;
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		c[i] = rig_connect(r, i);
	for (int round = 0; round < 50; round++) {
		for (uint32_t i = 0; i < RIG_WORKERS; i++)
			feed_text(c[i], "append log x\r\nhincrby h n 1\r\nincr n\r\nrpush l e\r\n"
					"zincrby z 1 m\r\n");
		for (int t = 0; t < round % 3; t++)
			rig_turn(r);
	}
	rig_settle(r);
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		assert_null(memchr(c[i]->out, '-', c[i]->out_len));
	expect(c[0], "strlen log", ":200\r\n");
	expect(c[1], "hget h n", "$3\r\n200\r\n");
	expect(c[2], "get n", "$3\r\n200\r\n");
	expect(c[3], "llen l", ":200\r\n");
	expect(c[0], "zscore z m", "$3\r\n200\r\n");
	for (int round = 0; round < 100; round++) {
		uint32_t w = (uint32_t)round % RIG_WORKERS;

		snprintf(want, sizeof(want), "set v %d", 1000 + round);
		expect(c[w], want, "+OK\r\n");
		snprintf(want, sizeof(want), "$4\r\n%d\r\n", 1000 + round);
		for (uint32_t i = 0; i < RIG_WORKERS; i++)
			expect(c[i], "get v", want);
	}
	expect(c[1], "flushall", "+OK\r\n");
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		expect(c[i], "get v", "$-1\r\n");
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		rig_disconnect(c[i]);
	rig_close(r);
}

static void keys_end_in_time(void **state)
{
	struct rig *r = open_rig(1, 1, 16 << 20);
	struct rig_conn *c = rig_connect(r, 0);

	(void)state;
	expect(c, "set a 1 px 400", "+OK\r\n");
	expect(c, "get a", "$1\r\n1\r\n");
	expect(c, "hset h f v", ":1\r\n");
	expect(c, "pexpire h 400", ":1\r\n");
	usleep(450000);
	expect(c, "get a", "$-1\r\n");
	expect(c, "hgetall h", "*0\r\n");
	expect(c, "exists a h", ":0\r\n");
	expect(c, "hset h g w", ":1\r\n");
	expect(c, "hgetall h", "*2\r\n$1\r\ng\r\n$1\r\nw\r\n");
	expect(c, "ttl h", ":-1\r\n");
	rig_disconnect(c);
	rig_close(r);
}

static void values_of_every_size(void **state)
{
	struct rig *r = rig_open(&(struct rig_params){
		.ns = NS_VOLATILE, .cache_bytes = 16 << 20, .bulk_max = 4 << 20});
	struct rig_conn *c = rig_connect(r, 0);
	char *value = malloc((3 << 20) + 64), head[64];

	(void)state;
	for (size_t n = 1; n <= 3 << 20; n = n * 3 + 1) {
		int h = snprintf(head, sizeof(head), "*3\r\n$3\r\nSET\r\n$1\r\nb\r\n$%zu\r\n", n);

		memset(value, 'a' + (int)(n % 26), n);
		c->out_len = 0;
		rig_feed(c, head, (size_t)h);
		rig_feed(c, value, n);
		rig_feed(c, "\r\n", 2);
		for (int again = 0; again < 3; again++)
			rig_feed(c, "GET b\r\n", 7);
		rig_settle(r);
		h = snprintf(head, sizeof(head), "$%zu\r\n", n);
		assert_int_equal(c->out_len, 5 + 3 * ((size_t)h + n + 2));
		assert_memory_equal(c->out + 5, head, (size_t)h);
		assert_memory_equal(c->out + 5 + h, value, n);
		assert_memory_equal(c->out + c->out_len - 2 - n, value, n);
	}
	free(value);
	rig_disconnect(c);
	rig_close(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_keep_the_order_of_requests),
		cmocka_unit_test(a_write_waits_for_all_its_keys_in_turn),
		cmocka_unit_test(a_turn_takes_on_so_much),
		cmocka_unit_test(connections_have_their_own_version),
		cmocka_unit_test(many_commands_on_one_key),
		cmocka_unit_test(replies_need_no_memory),
		cmocka_unit_test(reads_of_others_do_not_wait),
		cmocka_unit_test(lone_writes_keep_their_place),
		cmocka_unit_test(a_lone_write_that_fails),
		cmocka_unit_test(lone_writes_are_in_the_slow_log),
		cmocka_unit_test(transactions),
		cmocka_unit_test(a_collection_in_place_of_another),
		cmocka_unit_test(several_shards),
		cmocka_unit_test(scan_finds_every_key),
		cmocka_unit_test(a_slow_reader),
		cmocka_unit_test(a_client_that_goes_away),
		cmocka_unit_test(workers_are_one_node),
		cmocka_unit_test(workers_share_no_line),
		cmocka_unit_test(quit_and_errors_close),
		cmocka_unit_test(draining_lets_finish_what_began),
		cmocka_unit_test(so_does_a_listener_that_is_removed),
		cmocka_unit_test(a_disk_that_fails),
		cmocka_unit_test(users),
		cmocka_unit_test(rules_of_users),
		cmocka_unit_test(several_workers),
		cmocka_unit_test(keys_end_in_time),
		cmocka_unit_test(values_of_every_size),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
