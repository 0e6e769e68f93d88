/* SPDX-License-Identifier: Apache-2.0
 * Files through the whole of weir, in process: threads that answer late, clients that leave
 * meanwhile, more requests than jobs, a cache that is too small, a reload under way, and responses
 * that are compressed. The world's end demands that no stream, buffer or connection is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <rte_mempool.h>
#include <zlib.h>

#include "lb/app_pvt.h"
#include "lb/l7/files/files.h"
#include "tests/support/http_world.h"
#include "tests/support/tmpdir.h"

#define SMALL 100000
#define LARGE 900000
#define SLOW  60

static struct http_world hw;
static char dir[TMPDIR_MAX], conf[2048], *large, *small;

static void put_file(const char *name, const char *bytes, size_t len)
{
	char path[TMPDIR_MAX + 64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}

static void make_files(void)
{
	small = malloc(SMALL);
	large = malloc(LARGE);
	assert_non_null(small);
	assert_non_null(large);
	for (uint32_t i = 0; i < LARGE; i++)
		large[i] = (char)('a' + i * 7 % 23 + i / 1000 % 3);
	memcpy(small, large + 1234, SMALL);
	put_file("ten.txt", "0123456789", 10);
	put_file("small.html", small, SMALL);
	put_file("large.bin", large, LARGE);
}

static const char *text_of(const char *more)
{
	snprintf(conf, sizeof(conf),
		"sites:\n"
		"  s:\n"
		"    policies: {compress: {codings: [gzip], min: 1KiB}}\n"
		"    routes: [{match: {path: /fixed}, respond: {body: fine}}, {files: {root: "
		"'%s', %s}}]\n"
		"listeners:\n"
		"  - {name: web, bind: ['192.0.2.80:80'], action: http, site: s}\n",
		dir, more);
	return conf;
}

static int open_world(void **state)
{
	(void)state;
	tmpdir_make(dir);
	make_files();
	http_world_open(&hw, text_of("check: 0s"));
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	http_world_close(&hw);
	free(small);
	free(large);
	tmpdir_remove(dir);
	return 0;
}

/* Virtual time goes on while the threads work in real time, until the client has `len` bytes behind
 * the head, or nothing comes for a long time. */
static const char *wait_body(struct hw_conn *c, size_t len)
{
	for (uint32_t i = 0; i < 4000; i++) {
		const char *body = strstr(c->text, "\r\n\r\n");

		if (body != NULL && c->len - (size_t)(body + 4 - c->text) >= len)
			return body + 4;
		http_world_run(&hw, 1);
		usleep(500);
	}
	fail_msg("no more comes: %.300s", c->text);
	return NULL;
}

static void request(struct hw_conn *c, const char *path, const char *fields)
{
	char req[512];

	snprintf(req, sizeof(req), "GET %s HTTP/1.1\r\nHost: a.example\r\n%s\r\n", path, fields);
	hw_clear(c);
	hw_send(c, req);
}

static void a_small_file(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		request(c, "/ten.txt", "");
		assert_memory_equal(wait_body(c, 10), "0123456789", 10);
		assert_int_equal(hw_status(c->text), 200);
		assert_non_null(strstr(c->text, "Content-Length: 10\r\n"));
	}
}

static void a_large_file(void **state)
{
	struct hw_conn *c = hw_connect(&hw);

	(void)state;
	request(c, "/large.bin", "");
	assert_memory_equal(wait_body(c, LARGE), large, LARGE);
	request(c, "/large.bin", "Range: bytes=100000-399999\r\n");
	assert_memory_equal(wait_body(c, 300000), large + 100000, 300000);
	assert_int_equal(hw_status(c->text), 206);
	assert_non_null(strstr(c->text, "content-range: bytes 100000-399999/900000\r\n"));
}

/* Before the thread has looked, while it reads, and in the middle of the body. */
static void clients_leave_at_any_time(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		struct hw_conn *c = hw_connect(&hw);

		request(c, i % 2 == 0 ? "/large.bin" : "/small.html",
			i % 3 == 0 ? "Accept-Encoding: gzip\r\n" : "");
		for (uint32_t k = 0; k < i / 2; k++) {
			http_world_run(&hw, 1);
			usleep(50);
		}
		hw_reset(c);
		http_world_run(&hw, 2);
	}
	for (uint32_t i = 0; i < 200 && http_worker_streams(hw_worker(&hw)) > 0; i++) {
		http_world_run(&hw, 1);
		usleep(500);
	}
	assert_int_equal(http_worker_streams(hw_worker(&hw)), 0);
}

static void many_ask_at_once(void **state)
{
	struct hw_conn *c[20];

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		c[i] = hw_connect(&hw);
	for (uint32_t i = 0; i < 20; i++)
		request(c[i], i % 2 == 0 ? "/large.bin" : "/small.html", "");
	for (uint32_t i = 0; i < 20; i++) {
		if (i % 2 == 0)
			assert_memory_equal(wait_body(c[i], LARGE), large, LARGE);
		else
			assert_memory_equal(wait_body(c[i], SMALL), small, SMALL);
	}
}

/* They ask for more than there are buffers, and read nothing: what the disk has waits, too. */
static void slow_readers_leave_buffers_to_others(void **state)
{
	struct hw_conn *slow[SLOW], *c = hw_connect(&hw);
	struct rte_mempool *pool = hw.w.app->tcp_pools.data;

	(void)state;
	for (uint32_t i = 0; i < SLOW; i++) {
		slow[i] = hw_connect(&hw);
		slow[i]->slow = true;
		request(slow[i], "/large.bin", "");
	}
	for (uint32_t i = 0; i < 4000 && hw_stats(&hw)->buffers_short < SLOW / 2; i++) {
		http_world_run(&hw, 1);
		usleep(500);
	}
	assert_true(hw_stats(&hw)->buffers_short >= SLOW / 2);
	/* A quarter, less the heads, the last buffer of each piece, and one piece (OW1). */
	assert_true(rte_mempool_avail_count(pool) >= pool->size / 8);
	request(c, "/fixed", "");
	assert_memory_equal(wait_body(c, 4), "fine", 4);
	for (uint32_t i = 0; i < SLOW; i++) {
		slow[i]->slow = false;
		(void)tcp_consumed(slow[i]->e, slow[i]->conn, slow[i]->unread);
	}
	for (uint32_t i = 0; i < SLOW; i++)
		assert_memory_equal(wait_body(slow[i], LARGE), large, LARGE);
}

static void a_reload_breaks_no_download(void **state)
{
	struct hw_conn *c = hw_connect(&hw), *d;

	(void)state;
	request(c, "/large.bin", "");
	wait_body(c, 1);
	http_world_reload(&hw, text_of("check: 10s, cache: 64KiB"));
	assert_memory_equal(wait_body(c, LARGE), large, LARGE);
	d = hw_connect(&hw);
	/* More than this cache holds, in turn. */
	for (uint32_t i = 0; i < 4; i++) {
		request(d, "/small.html", "");
		assert_memory_equal(wait_body(d, SMALL), small, SMALL);
		request(d, "/ten.txt", "");
		assert_memory_equal(wait_body(d, 10), "0123456789", 10);
	}
}

static void a_file_that_shrinks_cuts_the_response(void **state)
{
	struct hw_conn *c = hw_connect(&hw);
	char path[TMPDIR_MAX + 64];

	(void)state;
	c->slow = true;
	request(c, "/large.bin", "");
	wait_body(c, 1);
	snprintf(path, sizeof(path), "%s/large.bin", dir);
	assert_int_equal(truncate(path, 1000), 0);
	c->slow = false;
	(void)tcp_consumed(c->e, c->conn, c->unread);
	c->unread = 0;
	for (uint32_t i = 0; i < 2000 && !c->closed && !c->eof; i++) {
		http_world_run(&hw, 5);
		usleep(100);
	}
	/* Either all of it was read before, or the end is missing and said to be. */
	assert_true(c->closed || c->eof || c->len >= LARGE);
}

static void dechunk(const char *at, char *out, size_t *len)
{
	*len = 0;
	for (;;) {
		char *end;
		size_t n = strtoul(at, &end, 16);

		assert_memory_equal(end, "\r\n", 2);
		if (n == 0)
			return;
		memcpy(out + *len, end + 2, n);
		*len += n;
		at = end + 2 + n + 2;
	}
}

static void compressed_as_it_goes_out(void **state)
{
	static char coded[2 * SMALL], plain[2 * SMALL];
	struct hw_conn *c = hw_connect(&hw);
	z_stream z = {.next_out = (Bytef *)plain, .avail_out = sizeof(plain)};
	size_t len;

	(void)state;
	request(c, "/small.html", "Accept-Encoding: gzip\r\n");
	wait_body(c, 1);
	for (uint32_t i = 0; i < 4000 && strstr(c->text + c->len - 7, "\r\n0\r\n\r\n") == NULL;
		i++) {
		http_world_run(&hw, 1);
		usleep(500);
	}
	assert_non_null(strstr(c->text, "content-encoding: gzip\r\n"));
	assert_non_null(strstr(c->text, "etag: W/\""));
	assert_null(strstr(c->text, "Content-Length"));
	dechunk(strstr(c->text, "\r\n\r\n") + 4, coded, &len);
	assert_true(len < SMALL);
	z.next_in = (Bytef *)coded;
	z.avail_in = (uInt)len;
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	(void)inflateEnd(&z);
	assert_int_equal(sizeof(plain) - z.avail_out, SMALL);
	assert_memory_equal(plain, small, SMALL);
}

int main(void)
{
#define IN_WORLD(t) cmocka_unit_test_setup_teardown(t, open_world, close_world)
	const struct CMUnitTest tests[] = {
		IN_WORLD(a_small_file),
		IN_WORLD(a_large_file),
		IN_WORLD(clients_leave_at_any_time),
		IN_WORLD(many_ask_at_once),
		IN_WORLD(slow_readers_leave_buffers_to_others),
		IN_WORLD(a_reload_breaks_no_download),
		IN_WORLD(a_file_that_shrinks_cuts_the_response),
		IN_WORLD(compressed_as_it_goes_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
