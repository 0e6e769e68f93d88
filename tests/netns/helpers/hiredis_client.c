/* SPDX-License-Identifier: Apache-2.0
 * hiredis_client HOST PORT: Redis's own C library against weir, one command at a time, in
 * pipelines, and without blocking. Prints "ok", or what is wrong and exits 1. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static redisContext *c;

static void fail(const char *what)
{
	printf("%s: %s\n", what, c != NULL && c->err != 0 ? c->errstr : "another reply");
	exit(1);
}

/* One command and the text of its reply. */
static void expect(const char *want, const char *fmt, ...)
{
	char got[256];
	redisReply *r;
	va_list ap;

	va_start(ap, fmt);
	r = redisvCommand(c, fmt, ap);
	va_end(ap);
	if (r == NULL)
		fail(fmt);
	if (r->type == REDIS_REPLY_INTEGER)
		(void)snprintf(got, sizeof(got), "%lld", r->integer);
	else if (r->type == REDIS_REPLY_ARRAY)
		(void)snprintf(got, sizeof(got), "array of %zu", r->elements);
	else
		(void)snprintf(got, sizeof(got), "%s", r->type == REDIS_REPLY_NIL ? "nil" : r->str);
	if (strcmp(got, want) != 0) {
		printf("%s: %s instead of %s\n", fmt, got, want);
		exit(1);
	}
	freeReplyObject(r);
}

static void pipeline(void)
{
	redisReply *r;

	for (int i = 0; i < 5000; i++)
		if (redisAppendCommand(c, i % 2 == 0 ? "INCR {hiredis}:n" : "GET {hiredis}:n") !=
			REDIS_OK)
			fail("append");
	for (int i = 0; i < 5000; i++) {
		if (redisGetReply(c, (void **)&r) != REDIS_OK)
			fail("pipeline");
		if (i % 2 == 0 ? r->integer != i / 2 + 1 : atoi(r->str) != i / 2 + 1)
			fail("pipeline");
		freeReplyObject(r);
	}
}

static void values(void)
{
	for (size_t n = 0; n <= 1 << 20; n = n * 7 + 1) {
		char *v = malloc(n + 1);
		redisReply *r;

		for (size_t i = 0; i < n; i++)
			v[i] = (char)(i * 31 + n);
		r = redisCommand(c, "SET {hiredis}:v %b", v, n);
		if (r == NULL || strcmp(r->str, "OK") != 0)
			fail("SET");
		freeReplyObject(r);
		r = redisCommand(c, "GET {hiredis}:v");
		if (r == NULL || r->len != n || memcmp(r->str, v, n) != 0)
			fail("GET");
		freeReplyObject(r);
		free(v);
	}
}

static void without_blocking(const char *host, int port)
{
	redisReply *r = NULL;
	int done = 0;

	c = redisConnectNonBlock(host, port);
	if (c == NULL || c->err != 0 || redisAppendCommand(c, "GET {hiredis}:s") != REDIS_OK)
		fail("connect without blocking");
	while (r == NULL) {
		struct pollfd p = {c->fd, (short)(done ? POLLIN : POLLOUT), 0};

		if (poll(&p, 1, 5000) != 1)
			fail("poll");
		if (!done && redisBufferWrite(c, &done) != REDIS_OK)
			fail("write");
		if ((p.revents & POLLIN) != 0 && redisBufferRead(c) != REDIS_OK)
			fail("read");
		if (redisGetReplyFromReader(c, (void **)&r) != REDIS_OK)
			fail("reader");
	}
	if (strcmp(r->str, "v") != 0)
		fail("GET without blocking");
	freeReplyObject(r);
	redisFree(c);
}

int main(int argc, char **argv)
{
	int port = argc == 3 ? atoi(argv[2]) : 0;

	c = redisConnectWithTimeout(argv[1], port, (struct timeval){5, 0});
	if (c == NULL || c->err != 0)
		fail("connect");
	expect("OK", "SET {hiredis}:s %s", "v");
	expect("v", "GET {hiredis}:s");
	expect("nil", "GET {hiredis}:nothing");
	expect("2", "RPUSH {hiredis}:l a b");
	expect("array of 2", "LRANGE {hiredis}:l 0 -1");
	expect("WRONGTYPE Operation against a key holding the wrong kind of value",
		"GET {hiredis}:l");
	expect("OK", "MULTI");
	expect("QUEUED", "SET {hiredis}:s v");
	expect("QUEUED", "LLEN {hiredis}:l");
	expect("array of 2", "EXEC");
	pipeline();
	values();
	redisFree(c);
	without_blocking(argv[1], port);
	puts("ok");
	return 0;
}
