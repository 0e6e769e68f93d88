/* SPDX-License-Identifier: Apache-2.0
 * The cache in the whole application under what an edge has to bear: bodies that leave without a
 * copy, a thousand clients of one cold object, objects larger than the memory, origins that fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <rte_mbuf.h>

#include "lb/app_pvt.h"
#include "lb/l7/cache/hcache.h"
#include "lb/l7/worker.h"
#include "tests/support/edge_world.h"

#define ROUTES          "[{upstream: app, cache: {}}]"
#define GET(path)       "GET " path " HTTP/1.1\r\nHost: a.test\r\n"
#define OK(fields, len) "HTTP/1.1 200 OK\r\nContent-Length: " len "\r\n" fields "\r\n"
#define NONE_503        "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
#define MANY            1000

static struct edge_world h;

static int setup(void **state)
{
	(void)state;
	edge_world_open(&h, ROUTES, "cache: 64MiB\n");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	edge_world_close(&h);
	return 0;
}

static const struct hcache_stats *stats(void)
{
	return hcache_worker_stats(http_worker_cache(l7_worker_http(h.w.app->l7[0])));
}

/* ---- where the bytes lie that are sent ---- */

static struct {
	const char *arena;
	size_t arena_len;
	uint64_t in_arena, elsewhere, slices;
} seen;

static void look(struct tcp_world *w, uint32_t port, const struct rte_mbuf *m)
{
	(void)w;
	(void)port;
	for (; m != NULL; m = m->next) {
		const char *at = rte_pktmbuf_mtod(m, const char *);

		if (at < seen.arena || at + m->data_len > seen.arena + seen.arena_len) {
			seen.elsewhere += m->data_len;
			continue;
		}
		assert_true(RTE_MBUF_HAS_EXTBUF(m));
		seen.in_arena += m->data_len;
		seen.slices++;
	}
}

static void begin_to_look(void)
{
	memset(&seen, 0, sizeof(seen));
	seen.arena = hcache_memory(h.w.app->hcache, &seen.arena_len);
	h.w.sent = look;
}

static void whole(const struct edge_ask *a, uint32_t len)
{
	const char *b = edge_ask_body(a);

	assert_int_equal(edge_ask_status(a), 200);
	assert_int_equal(edge_ask_body_len(a), len);
	for (uint32_t i = 0; i < len; i++)
		if (b[i] != edge_world_byte(i))
			fail_msg("byte %u of %u is wrong", i, len);
}

static void stored_64k(void)
{
	h.body_len = 65536;
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "65536"));
	whole(edge_world_ask(&h, GET("/x")), 65536);
}

/* Every byte of the body is sent from where the cache keeps it; only heads are written. */
static void large_hits_are_not_copied(void **state)
{
	(void)state;
	stored_64k();
	begin_to_look();
	whole(edge_world_ask(&h, GET("/x")), 65536);
	assert_int_equal(h.asked, 1);
	assert_int_equal(seen.in_arena, 65536);
	assert_int_equal(stats()->bytes_copied, 0);
	assert_true(seen.slices >= 45);
	assert_true(seen.elsewhere < 45 * 66 + 1024);
	/* Nothing stays pinned when it has arrived. */
	edge_world_forget(&h);
	http_world_run(&h.hw, 2000);
	begin_to_look();
	whole(edge_world_ask(&h, GET("/x")), 65536);
	assert_int_equal(seen.in_arena, 65536);
}

static void a_range_is_not_copied_either(void **state)
{
	struct edge_ask *a;

	(void)state;
	stored_64k();
	begin_to_look();
	a = edge_world_ask(&h, GET("/x") "Range: bytes=20000-39999\r\n");
	assert_int_equal(edge_ask_status(a), 206);
	assert_int_equal(edge_ask_body_len(a), 20000);
	for (uint32_t i = 0; i < 20000; i++)
		assert_int_equal(edge_ask_body(a)[i], edge_world_byte(20000 + i));
	/* But for ends of less than 1 KiB where the range crosses extents. */
	assert_in_range(seen.in_arena, 20000 - 2 * 1024, 20000);
}

/* A port whose device cannot reach the cache's memory: the same bytes, copied. */
static void ports_that_cannot_get_copies(void **state)
{
	(void)state;
	stored_64k();
	hcache_set_zero_copy(h.w.app->hcache, false);
	begin_to_look();
	whole(edge_world_ask(&h, GET("/x")), 65536);
	assert_int_equal(h.asked, 1);
	assert_int_equal(seen.in_arena, 0);
	assert_int_equal(stats()->bytes_copied, 65536);
	assert_true(seen.elsewhere > 65536);
}

/* Descriptors or pins run out: copies, and no failure. */
static void slow_readers_hold_a_bounded_part(void **state)
{
	struct edge_ask *slow[64];
	struct cache_usage u;

	(void)state;
	h.body_len = 1 << 20;
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "1048576"));
	for (int i = 0; i < 48; i++) {
		char req[128];

		snprintf(req, sizeof(req), "GET /o%d HTTP/1.1\r\nHost: a.test\r\n", i);
		assert_int_equal(edge_ask_status(edge_world_ask(&h, req)), 200);
		edge_world_forget(&h);
	}
	for (int i = 0; i < 48; i++) {
		char req[128];

		snprintf(req, sizeof(req), "GET /o%d HTTP/1.1\r\nHost: a.test\r\n", i);
		slow[i] = edge_world_begin(&h, req);
		slow[i]->slow = true;
	}
	http_world_run(&h.hw, 50);
	cache_usage(hcache_cache(h.w.app->hcache), &u);
	assert_true(u.pinned <= u.segments / 10 + 1);
	/* They read on, and get all of it. */
	for (int i = 0; i < 48; i++)
		slow[i]->slow = false;
	for (int i = 0; i < 48; i++)
		hw_read(slow[i], slow[i]->unread);
	for (int ms = 0; ms < 2000; ms++)
		http_world_run(&h.hw, 1);
	for (int i = 0; i < 48; i++)
		whole(slow[i], 1 << 20);
}

/* ---- many clients of one cold object ---- */

static void begin_many(const char *request)
{
	for (int i = 0; i < MANY; i++)
		(void)edge_world_begin(&h, request);
}

static void all_say(int status, const char *body)
{
	for (int i = 0; i < MANY; i++) {
		if (edge_ask_status(&h.asks[i]) != status)
			fail_msg("client %d: %s", i, h.asks[i].text);
		if (body != NULL)
			assert_string_equal(edge_ask_body(&h.asks[i]), body);
	}
}

static void one_request_for_a_thousand(void **state)
{
	(void)state;
	edge_world_answer(&h, NULL);
	begin_many(GET("/x"));
	assert_int_equal(h.asked, 1);
	assert_int_equal(stats()->waiting, MANY - 1);
	assert_int_equal(stats()->fetches, 1);
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "5") "hello");
	edge_world_release(&h);
	http_world_run(&h.hw, 50);
	all_say(200, "hello");
	assert_int_equal(h.asked, 1);
	assert_int_equal(stats()->collapsed, MANY - 1);
	assert_int_equal(stats()->waiting, 0);
}

static bool all_over(void)
{
	for (int i = 0; i < MANY; i++)
		if (!h.asks[i].over)
			return false;
	return true;
}

/* They read along. What all of them would hold in their send buffers is more than there are buffers
 * and pins: they wait for each other, and nobody's answer is cut. */
static void a_thousand_read_along(void **state)
{
	const struct app *app = h.w.app;
	uint32_t most = 0;

	(void)state;
	h.body_len = 300000;
	edge_world_answer(&h, NULL);
	begin_many(GET("/x"));
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "300000"));
	edge_world_release(&h);
	for (int ms = 0; ms < 5000 && !all_over(); ms++) {
		uint32_t n = rte_mempool_in_use_count(app->tcp_pools.data);

		most = n > most ? n : most;
		http_world_run(&h.hw, 1);
	}
	for (int i = 0; i < MANY; i++)
		whole(&h.asks[i], 300000);
	assert_int_equal(h.asked, 1);
	assert_in_range(most, 1, 4096); /* of `data_buffers` */
}

static void a_failure_is_shared(void **state)
{
	(void)state;
	edge_world_answer(&h, NULL);
	begin_many(GET("/x"));
	assert_int_equal(h.asked, 1);
	for (uint32_t i = 0; i < h.owed_cnt; i++)
		hw_reset(h.owed[i]);
	h.owed_cnt = 0;
	h.answer = NONE_503; /* of a retry, if there is one */
	http_world_run(&h.hw, 50);
	for (int i = 0; i < MANY; i++)
		assert_true(edge_ask_status(&h.asks[i]) >= 502);
	assert_true(h.asked <= 3);
	assert_int_equal(stats()->waiting, 0);
}

/* What turns out to be nobody else's: all others ask for themselves, and at once. */
static void what_cannot_be_stored_is_not_queued_for(void **state)
{
	(void)state;
	edge_world_answer(&h, NULL);
	begin_many(GET("/x"));
	assert_int_equal(h.asked, 1);
	edge_world_answer(&h, OK("Cache-Control: private\r\n", "5") "first");
	h.owed_cnt = 0;
	hw_answer(h.owed[0], &(struct hw_reply){.text = h.answer});
	edge_world_answer(&h, NULL);
	http_world_run(&h.hw, 50);
	/* Nothing more was answered, and all of them stand before the origin. */
	assert_string_equal(edge_ask_body(&h.asks[0]), "first");
	assert_int_equal(h.asked, MANY);
	edge_world_answer(&h, OK("Cache-Control: private\r\n", "5") "other");
	edge_world_release(&h);
	http_world_run(&h.hw, 50);
	for (int i = 1; i < MANY; i++)
		assert_string_equal(edge_ask_body(&h.asks[i]), "other");
	/* The key is known now: nobody waits for anybody. */
	edge_world_answer(&h, NULL);
	(void)edge_world_begin(&h, GET("/x"));
	(void)edge_world_begin(&h, GET("/x"));
	assert_int_equal(h.asked, MANY + 2);
}

/* ---- an origin that is down ---- */

static void stale(int n)
{
	for (int i = 0; i < n; i++) {
		struct edge_ask *a = edge_world_ask(&h, GET("/x"));

		assert_int_equal(edge_ask_status(a), 200);
		assert_string_equal(edge_ask_body(a), "hello");
		assert_non_null(strstr(edge_ask_field(a, "Cache-Status"), "stale-if-error"));
	}
}

/* However it fails, what is stored serves within its time, and the origin is asked once a second
 * at most (error_ttl). */
static void a_dead_origin_is_served_around(void **state)
{
	uint32_t asked;

	(void)state;
	edge_world_answer(&h, OK("Cache-Control: max-age=10, stale-if-error=100\r\n", "5") "hello");
	(void)edge_world_ask(&h, GET("/x"));
	edge_world_sleep(&h, 11);
	asked = h.asked;
	edge_world_answer(&h, NONE_503);
	stale(20);
	assert_in_range(h.asked - asked, 1, 3);
	edge_world_sleep(&h, 20); /* resets who connects */
	h.refuse = true;
	stale(5);
	edge_world_sleep(&h, 20); /* does not listen */
	h.refuse = false;
	http_world_listen(&h.hw, 80, false);
	stale(5);
	edge_world_sleep(&h, 70); /* its time is over */
	assert_true(edge_ask_status(edge_world_ask(&h, GET("/x"))) >= 502);
	/* And the origin is back. */
	http_world_listen(&h.hw, 80, true);
	edge_world_answer(&h, OK("Cache-Control: max-age=10\r\n", "5") "again");
	edge_world_sleep(&h, 20);
	assert_string_equal(edge_ask_body(edge_world_ask(&h, GET("/x"))), "again");
}

/* A body that breaks off is never taken for whole, and is not there afterwards, whoever read it. */
static void a_torn_fill_leaves_nothing(void **state)
{
	(void)state;
	h.body_len = 400000;
	h.cut_after = 200000;
	edge_world_answer(&h, NULL);
	for (int i = 0; i < 50; i++)
		(void)edge_world_begin(&h, GET("/x"));
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "400000"));
	edge_world_release(&h);
	http_world_run(&h.hw, 500);
	for (int i = 0; i < 50; i++) {
		assert_true(edge_ask_body_len(&h.asks[i]) < 400000);
		assert_true(h.asks[i].over);
	}
	h.cut_after = 0;
	whole(edge_world_ask(&h, GET("/x")), 400000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(large_hits_are_not_copied),
		TEST(a_range_is_not_copied_either),
		TEST(ports_that_cannot_get_copies),
		TEST(slow_readers_hold_a_bounded_part),
		TEST(one_request_for_a_thousand),
		TEST(a_thousand_read_along),
		TEST(a_failure_is_shared),
		TEST(what_cannot_be_stored_is_not_queued_for),
		TEST(a_dead_origin_is_served_around),
		TEST(a_torn_fill_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
