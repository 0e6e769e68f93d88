/* SPDX-License-Identifier: Apache-2.0
 * The second tier in the whole application, on a real store: the origin and the clock are virtual,
 * the store's threads are not, so that what is written is waited for by its counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/base/assert.h"
#include "lb/l7/cache/tier_pvt.h"
#include "storage/store.h"
#include "tests/support/store_util.h"
#include "tests/unit/hcache/edge_test.h"

#define ROUTES "[{upstream: app, cache: {purge_token: secret}}]"
#define LONG   "Cache-Control: max-age=6000\r\n"

static char dir[TMPDIR_MAX];
static char disk[256];
static const char *memory;
static bool patient; /* the store keeps up with the virtual clock */

static void start(void)
{
	char more[1024];

	(void)snprintf(more, sizeof(more),
		"cache: {memory: %s, disk: {%s}}\n"
		"store: {dir: %s, low_space: 0, ballast: 0, cache: 0, request_memory: 16MiB, "
		"memtable: 64MiB}\n",
		memory, disk, dir);
	edge_world_open(&h, ROUTES, more);
}

static void restart(void)
{
	edge_world_close(&h);
	start();
}

static int setup(void **state)
{
	(void)state;
	tmpdir_make(dir);
	memory = "8MiB";
	(void)snprintf(disk, sizeof(disk), "max_size: 64MiB, write_rate: 0, warm_rate: 0");
	start();
	return 0;
}

static int over(void **state)
{
	(void)teardown(state);
	tmpdir_remove(dir);
	return 0;
}

static const struct tier_stats *disk_stats(void)
{
	return hcache_worker_tier(cache_worker_0());
}

/* The store's threads are not on the virtual clock: it waits for them, so that on a busy machine no
 * answer comes too late. */
static void turn(void)
{
	struct store_client *c = store_client(h.w.app->store, 1);

	tcp_world_run(&h.w, 1);
	for (int i = 0; i < 50 && store_pending(c) > 0 && !store_waiting(c); i++)
		(void)usleep(200);
}

static void room(void)
{
	if (h.hw.client_cnt == HW_CONNS)
		edge_world_forget(&h);
}

static struct hw_conn *ask(const char *request)
{
	struct hw_conn *a;

	room();
	a = edge_world_begin(&h, request);
	for (int i = 0; i < 20000 && !a->over; i++) {
		turn();
		while (patient && store_pending(store_client(h.w.app->store, 1)) > 0)
			turn();
	}
	assert_true(a->over);
	return a;
}

/* Until nothing is being read or written. */
static void rest(void)
{
	int quiet = 0;

	for (int i = 0; i < 20000 && quiet < 10; i++) {
		turn();
		quiet = disk_stats()->writing == 0 && disk_stats()->reading == 0 ? quiet + 1 : 0;
	}
	assert_int_equal(quiet, 10);
}

static void told(const struct hw_conn *a, const char *status)
{
	says(a, "Cache-Status", status);
}

/* Asked for twice, and written. */
static void put_on_disk(const char *request)
{
	uint64_t before = disk_stats()->written;

	(void)ask(request);
	(void)ask(request);
	rest();
	assert_true(disk_stats()->written > before);
}

/* ---- what is kept, and found again ---- */

static void a_hit_after_a_restart(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(&h, OK(LONG "X-A: b\r\nETag: \"1\"\r\n", "5") "hello");
	put_on_disk(GET("/x"));
	assert_int_equal(h.asked, 1);
	restart();
	a = ask(GET("/x"));
	assert_int_equal(edge_status(a), 200);
	told(a, "weir; hit; ttl=6000; detail=disk");
	assert_string_equal(edge_body(a), "hello");
	assert_string_equal(edge_field(a, "X-A"), "b");
	assert_int_equal(h.asked, 0);
	assert_int_equal(disk_stats()->hits, 1);
	a = ask(GET("/x"));
	told(a, "weir; hit; ttl=6000");
	assert_int_equal(disk_stats()->hits, 1);
	rest();
	assert_int_equal(disk_stats()->written, 0); /* it stands there already */
}

#define FILL 1500
#define MISS "weir; fwd=uri-miss; fwd-status=200; stored"

static void is_miss(const char *request)
{
	uint32_t before = h.asked;

	told(ask(request), MISS);
	assert_int_equal(h.asked, before + 1);
}

static void is_disk_hit(const char *request)
{
	uint32_t before = h.asked;
	const struct hw_conn *a = ask(request);
	const char *status = edge_field(a, "Cache-Status");

	assert_int_equal(edge_status(a), 200);
	if (status == NULL || strncmp(status, "weir; hit;", 10) != 0 ||
		strstr(status, "; detail=disk") == NULL)
		fail_msg("%s: %s", request, status != NULL ? status : "(none)");
	assert_int_equal(h.asked, before);
}

/* Other responses, each asked for so many times: more than memory has room for. */
static void fill_memory(const char *name, int times)
{
	char request[256];

	h.body_len = 8000;
	edge_world_answer(&h, OK(LONG, "8000"));
	for (int i = 0; i < FILL * times; i++) {
		(void)snprintf(request, sizeof(request), GET("/fill-%s-%d"), name, i / times);
		room();
		(void)edge_world_ask(&h, request);
		while (patient && disk_stats()->writing > 0)
			turn();
	}
	h.body_len = 0;
}

static void asked_once_is_not_kept(void **state)
{
	(void)state;
	fill_memory("a", 1);
	rest();
	/* But for fingerprints that are alike. */
	assert_in_range(disk_stats()->written, 0, FILL / 100);
	assert_int_equal(disk_stats()->reject_once + disk_stats()->written, FILL);
}

static void evicted_and_found(void **state)
{
	(void)state;
	edge_world_answer(&h, OK(LONG, "5") "hello");
	put_on_disk(GET("/x"));
	fill_memory("a", 2);
	is_disk_hit(GET("/x"));
}

static void fetched_again_is_worth_it(void **state)
{
	uint64_t written;

	(void)state;
	edge_world_answer(&h, OK(LONG, "5") "hello");
	is_miss(GET("/x"));
	fill_memory("a", 1);
	rest();
	written = disk_stats()->written;
	edge_world_answer(&h, OK(LONG, "5") "hello");
	is_miss(GET("/x"));
	rest();
	assert_int_equal(disk_stats()->written, written + 1);
	restart();
	is_disk_hit(GET("/x"));
}

/* What the first use did not get to disk is offered once more when it leaves memory. */
static void what_is_evicted_is_offered(void **state)
{
	(void)state;
	edge_world_close(&h);
	(void)snprintf(disk, sizeof(disk), "max_size: 64MiB, write_rate: 8KiB");
	start();
	/* No waiting for the disk between the two: the share would grow meanwhile. */
	h.body_len = 8000;
	edge_world_answer(&h, OK(LONG, "8000"));
	(void)ask(GET("/x"));
	(void)ask(GET("/x"));
	h.body_len = 0;
	edge_world_answer(&h, OK(LONG, "5") "hello");
	(void)ask(GET("/y"));
	(void)ask(GET("/y"));
	rest();
	assert_int_equal(disk_stats()->reject_rate, 1); /* the first took all of this second */
	assert_int_equal(disk_stats()->written, 1);
	fill_memory("a", 2);
	rest();
	edge_world_answer(&h, OK(LONG, "5") "other");
	is_disk_hit(GET("/y"));
	assert_string_equal(edge_body(ask(GET("/y"))), "hello");
}

static void purges_reach_it(void **state)
{
	static const char *const pages[] = {
		GET("/red"), GET("/blue"), GET("/pre/x"), GET("/re/17"), GET("/url"), GET("/last")};
	static const char *const tags[] = {"red", "blue", "none", "none", "none", "none"};
	struct purge *p;
	char answer[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		(void)snprintf(answer, sizeof(answer),
			OK(LONG "Surrogate-Key: %s\r\n", "5") "hello", tags[i]);
		edge_world_answer(&h, answer);
		put_on_disk(pages[i]);
	}
	restart();
	p = hcache_purge(h.w.app->hcache);
	edge_world_answer(&h, OK("Cache-Control: no-store\r\n", "3") "new");
	assert_int_equal(purge_tag(p, SPAN("red"), false), 0);
	assert_int_equal(purge_prefix(p, (struct span){NULL, 0}, SPAN("/pre"), false), 0);
	assert_int_equal(purge_regex(p, SPAN("/re/[0-9]+$"), false, NULL, 0), 0);
	assert_int_equal(edge_status(ask("PURGE /url HTTP/1.1\r\nHost: a.test\r\n"
					 "Purge-Token: secret\r\n")),
		200);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
			const struct hw_conn *a;

			if (i == 1 || i == 5)
				continue;
			/* Not even looked for in this round: the purge is to outlive the process.
			 */
			if (round == 0 && i != 0)
				continue;
			a = ask(pages[i]);
			assert_string_equal(edge_body(a), "new");
		}
		is_disk_hit(pages[1]);
		rest();
		restart();
		edge_world_answer(&h, OK("Cache-Control: no-store\r\n", "3") "new");
	}
	is_disk_hit(pages[5]);
	assert_int_equal(purge_all(hcache_purge(h.w.app->hcache), false), 0);
	rest();
	restart();
	edge_world_answer(&h, OK("Cache-Control: no-store\r\n", "3") "new");
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		assert_string_equal(edge_body(ask(pages[i])), "new");
}

static void a_soft_purge_asks_first(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(&h, OK(LONG "ETag: \"1\"\r\nSurrogate-Key: t\r\n", "5") "hello");
	put_on_disk(GET("/x"));
	restart();
	assert_int_equal(purge_tag(hcache_purge(h.w.app->hcache), SPAN("t"), true), 0);
	rest();
	restart();
	edge_world_answer(&h, "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n" LONG "\r\n");
	a = ask(GET("/x"));
	told(a, "weir; fwd=stale; fwd-status=304");
	assert_string_equal(edge_body(a), "hello");
}

static void unsafe_methods_reach_it(void **state)
{
	(void)state;
	edge_world_answer(&h, OK(LONG, "5") "hello");
	put_on_disk(GET("/x"));
	put_on_disk(GET("/y"));
	put_on_disk(GET("/z"));
	restart();
	edge_world_answer(&h, OK("Content-Location: /y\r\n", "2") "ok");
	(void)ask("POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n");
	rest();
	restart();
	edge_world_answer(&h, OK("Cache-Control: no-store\r\n", "3") "new");
	assert_string_equal(edge_body(ask(GET("/x"))), "new");
	assert_string_equal(edge_body(ask(GET("/y"))), "new");
	is_disk_hit(GET("/z"));
}

static void variants(void **state)
{
	(void)state;
	edge_world_answer(&h, OK(LONG "Vary: X-V\r\n", "3") "one");
	put_on_disk(GET("/v") "X-V: 1\r\n");
	edge_world_answer(&h, OK(LONG "Vary: X-V\r\n", "3") "two");
	put_on_disk(GET("/v") "X-V: 2\r\n");
	restart();
	is_disk_hit(GET("/v") "X-V: 2\r\n");
	assert_string_equal(edge_body(ask(GET("/v") "X-V: 2\r\n")), "two");
	assert_string_equal(edge_body(ask(GET("/v") "X-V: 1\r\n")), "one");
	assert_int_equal(h.asked, 0);
	edge_world_answer(&h, OK(LONG "Vary: X-V\r\n", "5") "three");
	told(ask(GET("/v") "X-V: 3\r\n"), "weir; fwd=vary-miss; fwd-status=200; stored");
	/* One invalidation is for all of them. */
	edge_world_answer(&h, OK("", "2") "ok");
	(void)ask("POST /v HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n");
	rest();
	restart();
	edge_world_answer(&h, OK("Cache-Control: no-store\r\n", "3") "new");
	assert_string_equal(edge_body(ask(GET("/v") "X-V: 1\r\n")), "new");
	assert_string_equal(edge_body(ask(GET("/v") "X-V: 2\r\n")), "new");
}

static void ranges_read_what_they_need(void **state)
{
	struct hw_conn *a;

	(void)state;
	h.body_len = 3000000;
	edge_world_answer(&h, OK(LONG "ETag: \"1\"\r\n", "3000000"));
	put_on_disk(GET("/big"));
	restart();
	a = ask(GET("/big") "Range: bytes=2000000-2000099\r\n");
	assert_int_equal(edge_status(a), 206);
	told(a, "weir; hit; ttl=6000; detail=disk");
	body_is(a, 2000000, 100);
	assert_int_equal(disk_stats()->chunks, 1);
	a = ask(GET("/big") "Range: bytes=2000100-2000199\r\n");
	body_is(a, 2000100, 100);
	assert_int_equal(disk_stats()->chunks, 1); /* from memory */
	a = ask(GET("/big") "Range: bytes=262140-262147,-3\r\n");
	assert_int_equal(edge_status(a), 206);
	assert_int_equal(disk_stats()->chunks, 4);
	a = ask(GET("/big"));
	body_is(a, 0, 3000000);
	assert_int_equal(disk_stats()->chunks, 12); /* all of its chunks, each once */
	assert_int_equal(h.asked, 0);
}

/* Longer than all of memory: written while it comes in, when it is fetched for the second time. */
static void larger_than_memory(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_close(&h);
	memory = "32MiB";
	(void)snprintf(disk, sizeof(disk), "max_size: 512MiB, write_rate: 0");
	start();
	h.body_len = 40000000;
	edge_world_answer(&h, OK(LONG "ETag: \"1\"\r\n", "40000000"));
	patient = true;
	body_is(ask(GET("/huge")), 0, 40000000);
	body_is(ask(GET("/huge")), 0, 40000000);
	patient = false;
	rest();
	assert_int_equal(h.asked, 2);
	assert_int_equal(disk_stats()->written, 1);
	body_is(ask(GET("/huge")), 0, 40000000);
	a = ask(GET("/huge") "Range: bytes=39000000-39000009\r\n");
	body_is(a, 39000000, 10);
	restart();
	h.body_len = 40000000;
	edge_world_answer(&h, OK(LONG "ETag: \"1\"\r\n", "40000000"));
	body_is(ask(GET("/huge")), 0, 40000000);
	assert_int_equal(h.asked, 0);
	assert_in_range(
		disk_stats()->chunks, 153, 230); /* some were evicted before they were sent */
}

static void one_look_for_many(void **state)
{
	(void)state;
	h.body_len = 100000;
	edge_world_answer(&h, OK(LONG, "100000"));
	put_on_disk(GET("/x"));
	restart();
	for (int i = 0; i < 30; i++)
		(void)edge_world_begin(&h, GET("/x"));
	for (int i = 0; i < 1000; i++)
		turn();
	for (int i = 0; i < 30; i++) {
		assert_int_equal(edge_status(&h.asks[i]), 200);
		body_is(&h.asks[i], 0, 100000);
	}
	assert_int_equal(h.asked, 0);
	assert_int_equal(disk_stats()->hits, 1);
	assert_int_equal(disk_stats()->chunks, 1);
}

static void clients_that_leave(void **state)
{
	(void)state;
	h.body_len = 600000;
	edge_world_answer(&h, OK(LONG, "600000"));
	put_on_disk(GET("/x"));
	restart();
	for (int round = 0; round < 6; round++) {
		for (int i = 0; i < 5; i++)
			(void)edge_world_begin(&h, GET("/x"));
		for (int i = 0; i < round; i++)
			turn();
		edge_world_forget(&h);
	}
	rest();
	body_is(ask(GET("/x")), 0, 600000);
	assert_int_equal(h.asked, 0);
}

/* ---- what is not the whole truth ---- */

struct meddle {
	bool chunks; /* of bodies, or heads */
	bool flip;   /* a bit, or delete it all */
	uint32_t done, only;
};

static void meddle_one(
	struct test_store *t, const struct store_entry *e, uint8_t ns, struct meddle *m)
{
	struct store_req *r = store_req_get(t->c);
	uint8_t *copy = malloc(e->value_len + 1);

	memcpy(copy, store_entry_value(e), e->value_len);
	copy[e->value_len - 1] ^= 4;
	r->kind = STORE_WRITE;
	r->one.op = m->flip ? STORE_PUT : STORE_DELETE;
	r->one.type = CODEC_STRING;
	r->one.key.ns = ns;
	r->one.key.key = store_entry_key(e);
	r->one.key.key_len = (uint16_t)e->key_len;
	r->one.value = copy;
	r->one.value_len = e->value_len;
	assert_int_equal(store_run(t->c, r), 0);
	store_req_put(t->c, r);
	free(copy);
	m->done++;
}

/* On the closed store. */
static void meddle(struct meddle *m)
{
	static const struct store_ns_params ns[] = {{"http-cache-0", STORE_EVERYSEC},
		{"http-cache-1", STORE_EVERYSEC}, {"http-cache-2", STORE_EVERYSEC},
		{"http-cache-3", STORE_EVERYSEC}, {"http-cache-4", STORE_EVERYSEC},
		{"http-cache-5", STORE_EVERYSEC}, {"http-cache-6", STORE_EVERYSEC},
		{"http-cache-7", STORE_EVERYSEC}};
	struct test_store t;
	char mine[TMPDIR_MAX];
	uint8_t *buf = aligned_alloc(64, 8 << 20);

	test_store_init(&t);
	(void)snprintf(mine, sizeof(mine), "%s", t.dir);
	(void)snprintf(t.dir, sizeof(t.dir), "%s", dir);
	t.p.ns = ns;
	t.p.ns_cnt = ARRAY_SIZE(ns);
	assert_int_equal(test_store_open(&t), 0);
	for (uint8_t i = 0; i < ARRAY_SIZE(ns); i++) {
		struct store_req *r = store_req_get(t.c);

		r->kind = STORE_SCAN;
		r->one.key.ns = i;
		r->scan = (struct store_scan){.prefix = (const uint8_t *)"{",
			.prefix_len = 1,
			.values = true,
			.limit = 1000,
			.out = buf,
			.out_cap = 8 << 20};
		assert_int_equal(store_run(t.c, r), 0);
		for (const struct store_entry *e = store_entry_first(&r->scan); e != NULL;
			e = store_entry_next(&r->scan, e))
			if ((e->key_len > 34) == m->chunks && (m->only == 0 || m->done < m->only))
				meddle_one(&t, e, i, m);
		store_req_put(t.c, r);
	}
	test_store_close(&t);
	tmpdir_remove(mine);
	free(buf);
}

static void a_damaged_head_is_none(void **state)
{
	struct meddle m = {.flip = true};

	(void)state;
	edge_world_answer(&h, OK(LONG, "5") "hello");
	put_on_disk(GET("/x"));
	edge_world_close(&h);
	meddle(&m);
	assert_int_equal(m.done, 1);
	start();
	edge_world_answer(&h, OK(LONG, "5") "other");
	is_miss(GET("/x"));
	assert_int_equal(disk_stats()->torn, 1);
	assert_int_equal(disk_stats()->removed, 1);
}

/* As a crash between two chunks would leave it, and a bit that fell over. */
static void a_missing_chunk(void **state)
{
	struct meddle gone = {.chunks = true, .only = 1}, flip = {.chunks = true, .flip = true};
	struct hw_conn *a;

	(void)state;
	h.body_len = 600000;
	edge_world_answer(&h, OK(LONG "ETag: \"1\"\r\n", "600000"));
	put_on_disk(GET("/x"));
	edge_world_close(&h);
	meddle(&gone);
	assert_int_equal(gone.done, 1);
	start();
	/* A strong entity tag: the upstream gives the part that is not there. */
	h.body_len = 262144;
	edge_world_answer(&h, "HTTP/1.1 206 Partial Content\r\nContent-Length: 262144\r\n"
			      "Content-Range: bytes 0-262143/600000\r\nETag: \"1\"\r\n\r\n");
	a = ask(GET("/x") "Range: bytes=0-262143\r\n");
	body_is(a, 0, 262144);
	assert_int_equal(h.asked, 1);
	assert_int_equal(disk_stats()->chunk_misses, 1);
	edge_world_close(&h);
	meddle(&flip);
	start();
	h.body_len = 1984;
	edge_world_answer(&h, "HTTP/1.1 206 Partial Content\r\nContent-Length: 1984\r\n"
			      "Content-Range: bytes 598016-599999/600000\r\nETag: \"1\"\r\n\r\n");
	a = ask(GET("/x") "Range: bytes=-10\r\n");
	body_is(a, 1974, 10);
	assert_int_equal(h.asked, 1);
	assert_int_equal(disk_stats()->torn, 1);
}

static void without_a_tag_it_is_cut_once(void **state)
{
	struct meddle m = {.chunks = true, .only = 1};
	struct hw_conn *a;

	(void)state;
	h.body_len = 600000;
	edge_world_answer(&h, OK(LONG, "600000"));
	put_on_disk(GET("/x"));
	edge_world_close(&h);
	meddle(&m);
	start();
	h.body_len = 600000;
	edge_world_answer(&h, OK(LONG, "600000"));
	a = ask(GET("/x"));
	assert_true(edge_body_len(a) < 600000);
	body_is(ask(GET("/x")), 0, 600000);
	assert_int_equal(h.asked, 1);
}

/* ---- bounds ---- */

static void a_full_disk_is_no_error(void **state)
{
	char more[1024];

	(void)state;
	edge_world_close(&h);
	(void)snprintf(more, sizeof(more),
		"cache: {memory: 8MiB, disk: 64MiB}\n"
		"store: {dir: %s, low_space: 8TiB, ballast: 0, cache: 0, request_memory: 16MiB}\n",
		dir);
	edge_world_open(&h, ROUTES, more);
	edge_world_answer(&h, OK(LONG, "5") "hello");
	is_miss(GET("/x"));
	for (int i = 0; i < 5; i++)
		told(ask(GET("/x")), "weir; hit; ttl=6000");
	rest();
	assert_int_equal(disk_stats()->written, 0);
	assert_true(disk_stats()->write_failed > 0);
	assert_true(disk_stats()->reject_passive > 0);
}

static void reads_after_a_start_are_bounded(void **state)
{
	char request[128];
	uint32_t asked;

	(void)state;
	edge_world_answer(&h, OK(LONG, "5") "hello");
	for (int i = 0; i < 20; i++) {
		(void)snprintf(request, sizeof(request), GET("/p%d"), i);
		put_on_disk(request);
	}
	(void)snprintf(disk, sizeof(disk), "max_size: 64MiB, warm_rate: 64KiB");
	restart();
	edge_world_answer(&h, OK(LONG, "5") "hello");
	for (int i = 0; i < 20; i++) {
		(void)snprintf(request, sizeof(request), GET("/p%d"), i);
		assert_int_equal(edge_status(ask(request)), 200);
	}
	assert_true(disk_stats()->hits >= 4 && disk_stats()->hits < 12);
	assert_int_equal(disk_stats()->read_shed, 20 - disk_stats()->hits);
	asked = h.asked;
	assert_int_equal(asked, 20 - disk_stats()->hits);
}

static void the_ring_turns(void **state)
{
	struct tier_usage u;
	char request[128];
	uint32_t asked;

	(void)state;
	edge_world_close(&h);
	(void)snprintf(disk, sizeof(disk), "max_size: 16MiB, max_object: 1MiB, write_rate: 0");
	start();
	h.body_len = 200000;
	edge_world_answer(&h, OK(LONG, "200000"));
	for (int i = 0; i < 160; i++) {
		(void)snprintf(request, sizeof(request), GET("/r%d"), i);
		(void)ask(request);
		(void)ask(request);
		for (int k = 0; k < 20; k++)
			turn();
		/* One is used all the time, in memory or on disk. */
		(void)ask(GET("/r0"));
	}
	rest();
	tier_usage(hcache_tier(h.w.app->hcache), &u);
	assert_true(disk_stats()->turns >= 10);
	assert_true(u.bytes <= u.max_bytes && u.bytes > u.max_bytes / 2);
	assert_int_equal(disk_stats()->reject_room, 0);
	assert_true(disk_stats()->again >= 1);
	restart();
	tier_usage(hcache_tier(h.w.app->hcache), &u);
	assert_true(u.bytes <= u.max_bytes && u.bytes > u.max_bytes / 2);
	h.body_len = 200000;
	edge_world_answer(&h, OK(LONG, "200000"));
	is_disk_hit(GET("/r159"));
	is_disk_hit(GET("/r0"));
	asked = h.asked;
	body_is(ask(GET("/r1")), 0, 200000);
	assert_int_equal(h.asked, asked + 1);
}

static void too_large_too_short(void **state)
{
	(void)state;
	edge_world_close(&h);
	(void)snprintf(disk, sizeof(disk), "max_size: 64MiB, max_object: 64KiB, min_left: 1h");
	start();
	h.body_len = 100000;
	edge_world_answer(&h, OK(LONG, "100000"));
	(void)ask(GET("/large"));
	(void)ask(GET("/large"));
	h.body_len = 0;
	edge_world_answer(&h, OK("Cache-Control: max-age=60, must-revalidate\r\n", "5") "hello");
	(void)ask(GET("/short"));
	(void)ask(GET("/short"));
	rest();
	assert_int_equal(disk_stats()->reject_size, 1);
	assert_int_equal(disk_stats()->reject_left, 1);
	assert_int_equal(disk_stats()->written, 0);
}

/* ---- the protocol ---- */

static void confirmed_by_the_origin(void **state)
{
	struct hw_conn *a;

	(void)state;
	h.body_len = 100000;
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\nETag: \"1\"\r\n", "100000"));
	put_on_disk(GET("/x"));
	restart();
	edge_world_sleep(&h, 100);
	h.body_len = 0;
	edge_world_answer(
		&h, "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nX-New: 1\r\n" LONG "\r\n");
	a = ask(GET("/x"));
	told(a, "weir; fwd=stale; fwd-status=304");
	body_is(a, 0, 100000);
	/* Its new head goes to disk, its body stands there. */
	(void)ask(GET("/x"));
	rest();
	assert_int_equal(disk_stats()->written, 1);
	assert_true(disk_stats()->bytes_written < 10000);
	restart();
	edge_world_sleep(&h, 1000);
	a = ask(GET("/x"));
	told(a, "weir; hit; ttl=5100; detail=disk");
	assert_string_equal(edge_field(a, "X-New"), "1");
	body_is(a, 0, 100000);
}

static void heads_and_only_if_cached(void **state)
{
	struct hw_conn *a;

	(void)state;
	edge_world_answer(&h, OK(LONG, "5") "hello");
	put_on_disk(GET("/x"));
	put_on_disk(GET("/y"));
	restart();
	a = ask("HEAD /x HTTP/1.1\r\nHost: a.test\r\n");
	assert_int_equal(edge_status(a), 200);
	told(a, "weir; hit; ttl=6000; detail=disk");
	a = ask(GET("/y") "Cache-Control: only-if-cached\r\n");
	assert_int_equal(edge_status(a), 200);
	a = ask(GET("/z") "Cache-Control: only-if-cached\r\n");
	assert_int_equal(edge_status(a), 504);
	a = ask(GET("/y") "If-None-Match: \"1\"\r\n");
	assert_int_equal(edge_status(a), 200);
	assert_int_equal(h.asked, 0);
}

static void what_is_over_is_not_found(void **state)
{
	(void)state;
	edge_world_answer(&h, OK("Cache-Control: max-age=60, must-revalidate\r\n", "5") "hello");
	put_on_disk(GET("/x"));
	restart();
	edge_world_sleep(&h, 7200);
	edge_world_answer(&h, OK(LONG, "5") "fresh");
	is_miss(GET("/x"));
	assert_int_equal(disk_stats()->dead, 1);
}

/* A reload by the client: what is on disk is older than what came. */
static void the_newer_one_counts(void **state)
{
	(void)state;
	edge_world_answer(&h, OK(LONG, "3") "old");
	put_on_disk(GET("/x"));
	edge_world_answer(&h, OK(LONG, "3") "new");
	(void)ask(GET("/x") "Cache-Control: no-cache\r\n");
	rest();
	restart();
	edge_world_answer(&h, OK(LONG, "5") "third");
	is_disk_hit(GET("/x"));
	assert_string_equal(edge_body(ask(GET("/x"))), "new");
}

/* A burst, or an earlier process, filled it while the ring could not turn. */
static void a_full_generation_is_not_the_end(void **state)
{
	struct tier *t = hcache_tier(h.w.app->hcache);
	uint32_t slot = tier_slot_of(tier_gen(t));

	(void)state;
	atomic_store(&t->bytes[slot], 2 * t->gen_bytes);
	rest();
	assert_int_equal(disk_stats()->turns, 1);
	edge_world_answer(&h, OK(LONG, "5") "hello");
	put_on_disk(GET("/x"));
	assert_int_equal(disk_stats()->reject_room, 0);
}

/* All of them came since the worker's last turn. */
static void the_last_marks_are_saved(void **state)
{
	uint64_t born = purge_now(hcache_purge(h.w.app->hcache));

	(void)state;
	for (uint64_t i = 0; i < 1000; i++)
		purge_key(hcache_purge(h.w.app->hcache), i);
	restart();
	for (uint64_t i = 0; i < 1000; i++)
		assert_true(purge_key_gone(hcache_purge(h.w.app->hcache), i, born));
	assert_false(purge_key_gone(hcache_purge(h.w.app->hcache), 1000, born));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, over)
	const struct CMUnitTest tests[] = {
		T(a_hit_after_a_restart),
		T(asked_once_is_not_kept),
		T(evicted_and_found),
		T(fetched_again_is_worth_it),
		T(what_is_evicted_is_offered),
		T(purges_reach_it),
		T(a_soft_purge_asks_first),
		T(unsafe_methods_reach_it),
		T(variants),
		T(ranges_read_what_they_need),
		T(larger_than_memory),
		T(one_look_for_many),
		T(clients_that_leave),
		T(a_damaged_head_is_none),
		T(a_missing_chunk),
		T(without_a_tag_it_is_cut_once),
		T(a_full_disk_is_no_error),
		T(reads_after_a_start_are_bounded),
		T(the_ring_turns),
		T(too_large_too_short),
		T(confirmed_by_the_origin),
		T(heads_and_only_if_cached),
		T(what_is_over_is_not_found),
		T(the_newer_one_counts),
		T(a_full_generation_is_not_the_end),
		T(the_last_marks_are_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
