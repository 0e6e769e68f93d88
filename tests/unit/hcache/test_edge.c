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

#include "tests/unit/hcache/edge_test.h"

#define ROUTES   "[{upstream: app, cache: {}}]"
#define NONE_503 "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
#define MANY     1000

static int setup(void **state)
{
	(void)state;
	edge_world_open(&h, ROUTES, "cache: 64MiB\n");
	return 0;
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

static void whole(const struct hw_conn *a, uint32_t len)
{
	assert_int_equal(edge_status(a), 200);
	body_is(a, 0, len);
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
	struct hw_conn *a;

	(void)state;
	stored_64k();
	begin_to_look();
	a = edge_world_ask(&h, GET("/x") "Range: bytes=20000-39999\r\n");
	assert_int_equal(edge_status(a), 206);
	body_is(a, 20000, 20000);
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
	struct hw_conn *slow[64];
	struct cache_usage u;

	(void)state;
	h.body_len = 1 << 20;
	edge_world_answer(&h, OK("Cache-Control: max-age=60\r\n", "1048576"));
	for (int i = 0; i < 48; i++) {
		char req[128];

		snprintf(req, sizeof(req), "GET /o%d HTTP/1.1\r\nHost: a.test\r\n", i);
		assert_int_equal(edge_status(edge_world_ask(&h, req)), 200);
		edge_world_forget(&h);
	}
	for (int i = 0; i < 48; i++) {
		char req[128];

		snprintf(req, sizeof(req), "GET /o%d HTTP/1.1\r\nHost: a.test\r\n", i);
		slow[i] = edge_world_begin_slow(&h, req);
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
		if (edge_status(&h.asks[i]) != status)
			fail_msg("client %d: %s", i, h.asks[i].text);
		if (body != NULL)
			assert_string_equal(edge_body(&h.asks[i]), body);
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
		assert_true(edge_status(&h.asks[i]) >= 502);
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
	assert_string_equal(edge_body(&h.asks[0]), "first");
	assert_int_equal(h.asked, MANY);
	edge_world_answer(&h, OK("Cache-Control: private\r\n", "5") "other");
	edge_world_release(&h);
	http_world_run(&h.hw, 50);
	for (int i = 1; i < MANY; i++)
		assert_string_equal(edge_body(&h.asks[i]), "other");
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
		struct hw_conn *a = edge_world_ask(&h, GET("/x"));

		assert_int_equal(edge_status(a), 200);
		assert_string_equal(edge_body(a), "hello");
		assert_non_null(strstr(edge_field(a, "Cache-Status"), "stale-if-error"));
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
	assert_true(edge_status(edge_world_ask(&h, GET("/x"))) >= 502);
	/* And the origin is back. */
	http_world_listen(&h.hw, 80, true);
	edge_world_answer(&h, OK("Cache-Control: max-age=10\r\n", "5") "again");
	edge_world_sleep(&h, 20);
	assert_string_equal(edge_body(edge_world_ask(&h, GET("/x"))), "again");
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
		assert_true(edge_body_len(&h.asks[i]) < 400000);
		assert_true(h.asks[i].over);
	}
	h.cut_after = 0;
	whole(edge_world_ask(&h, GET("/x")), 400000);
}

/* ---- larger than the memory ---- */

/* Under a sanitizer four times the memory shows as much as sixteen times. */
#if defined(__SANITIZE_ADDRESS__)
#define GIANT (UINT64_C(1) << 28)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define GIANT (UINT64_C(1) << 28)
#endif
#endif
#ifndef GIANT
#define GIANT (UINT64_C(1) << 30)
#endif

/* Each eight bytes are their own place, mixed: bytes that are not where they belong show. */
static uint64_t word_at(uint64_t n)
{
	n = (n + 1) * UINT64_C(0x9e3779b97f4a7c15);
	return n ^ (n >> 29);
}

static void fill_words(void *ctx, uint64_t from, void *out, uint32_t n)
{
	uint8_t *p = out;

	(void)ctx;
	while (n > 0) {
		uint64_t w = word_at(from / 8);
		uint32_t off = (uint32_t)(from % 8), m = 8 - off < n ? 8 - off : n;

		memcpy(p, (const char *)&w + off, m);
		p += m;
		from += m;
		n -= m;
	}
}

/* The origin: the whole, or the range that is asked for. */
static void giant(struct http_world *hw, struct hw_conn *c, const char *request, struct hw_reply *r)
{
	static char text[512];
	const char *range = strcasestr(request, "\r\nrange: bytes=");
	unsigned long long first = 0, last = GIANT - 1;

	(void)hw;
	(void)c;
	h.asked++;
	if (range != NULL)
		assert_int_equal(sscanf(range + 15, "%llu-%llu", &first, &last), 2);
	snprintf(text, sizeof(text),
		"HTTP/1.1 %s\r\nETag: \"giant\"\r\nCache-Control: max-age=600\r\n"
		"Content-Length: %llu\r\n",
		range != NULL ? "206 Partial Content" : "200 OK", last - first + 1);
	if (range != NULL)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			"Content-Range: bytes %llu-%llu/%llu\r\n\r\n", first, last,
			(unsigned long long)GIANT);
	else
		strcat(text, "\r\n");
	*r = (struct hw_reply){
		.text = text, .body_from = first, .body_len = last - first + 1, .fill = fill_words};
}

/* A reader that keeps nothing and compares everything. */
struct reader {
	char head[1024];
	uint32_t head_len;
	bool in_body;
	uint64_t at, wrong;
};

static void read_word(struct reader *r, const char *p, uint32_t n)
{
	while (n > 0) {
		uint64_t w = word_at(r->at / 8);
		uint32_t off = (uint32_t)(r->at % 8), m = 8 - off < n ? 8 - off : n;

		r->wrong += memcmp(p, (const char *)&w + off, m) != 0;
		r->at += m;
		p += m;
		n -= m;
	}
}

static void reads(struct hw_conn *c, const char *bytes, uint32_t len)
{
	struct reader *r = c->take_ctx;

	while (len > 0 && !r->in_body) {
		assert_true(r->head_len < sizeof(r->head) - 1);
		r->head[r->head_len++] = *bytes++;
		len--;
		r->in_body =
			r->head_len >= 4 && memcmp(r->head + r->head_len - 4, "\r\n\r\n", 4) == 0;
	}
	read_word(r, bytes, len);
}

static struct hw_conn *reader_begin(struct reader *r, const char *fields, uint64_t from)
{
	struct hw_conn *c = hw_dial(&h.hw);

	*r = (struct reader){.at = from};
	c->take = reads;
	c->take_ctx = r;
	c->once = true;
	c->slow = true;
	hw_send(c, GET("/giant"));
	hw_send(c, fields);
	hw_send(c, "Connection: close\r\n\r\n");
	return c;
}

/* A gigabyte through 64 MiB for two readers, one far behind the other, and a range out of the
 * middle meanwhile. The memory is the arena and the pools, made at the start; what may grow is how
 * much of them is held. */
static void a_gigabyte_through_64_mib(void **state)
{
	static struct reader fast, slow, middle;
	struct hw_conn *f, *s, *m = NULL;
	struct cache_usage u;

	(void)state;
	h.hw.choose = giant;
	f = reader_begin(&fast, "", 0);
	http_world_run(&h.hw, 2);
	s = reader_begin(&slow, "Range: bytes=0-99999999\r\n", 0);
	while (!f->over || !s->over || (m != NULL && !m->over)) {
		http_world_run(&h.hw, 1);
		hw_read(f, UINT32_MAX);
		hw_read(s, f->over ? UINT32_MAX : 64 << 10);
		if (m != NULL)
			hw_read(m, UINT32_MAX);
		if (m == NULL && fast.at > GIANT / 2)
			m = reader_begin(
				&middle, "Range: bytes=100000000-101999999\r\n", 100000000);
		cache_usage(hcache_cache(h.w.app->hcache), &u);
		assert_true(u.segments * u.segment_bytes <= 64 << 20);
		assert_int_equal(u.free + u.open + u.sealed + u.evicting + u.limbo, u.segments);
	}
	assert_int_equal(fast.wrong + slow.wrong + middle.wrong, 0);
	assert_int_equal(fast.at, GIANT);
	assert_int_equal(slow.at, 100000000);
	assert_int_equal(middle.at, 102000000);
	/* Once for all of it, and what was gone again, in pieces of a megabyte. */
	assert_in_range(h.asked, 5, 110);
	assert_true(stats()->bytes_fetched < GIANT + 110 * (UINT64_C(1) << 20));
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
		TEST(a_gigabyte_through_64_mib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
