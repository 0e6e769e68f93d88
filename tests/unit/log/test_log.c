/* SPDX-License-Identifier: Apache-2.0
 * From workers to the file: every line once and in order, drops that are counted when nothing takes
 * them, a file that is opened anew. */
#include <errno.h>
#include <fcntl.h>
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

#include "dataplane/base/time.h"
#include "lb/l7/log/log.h"

static char dir[] = "/tmp/weir-test-log.XXXXXX";

static struct config_access_log conf_of(const char *name, uint64_t buffer)
{
	struct config_access_log c = {.format = "${listener} ${request_bytes}",
		.buffer_bytes = buffer,
		.flush_ns = 100 * NS_PER_MS};

	snprintf(c.path, sizeof(c.path), "%s/%s", dir, name);
	return c;
}

static void log_one(struct http_log_worker *w, struct http_stream *s, const char *name, uint64_t n)
{
	s->req_bytes = n;
	s->t.end = clock_now_ns();
	http_log_line(w, s, (struct span){name, (uint32_t)strlen(name)}, SPAN(""));
}

static struct http_stream *stream(void)
{
	struct http_stream *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	return s;
}

static void wait_a_moment(void)
{
	usleep(2000);
}

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_size : -1;
}

static void every_line_is_written_once_and_in_order(void **state)
{
	struct config_access_log conf = conf_of("order", 1 << 20);
	struct http_stream *s = stream();
	struct http_log_stats st;
	uint64_t next[2] = {0, 0}, n;
	struct http_log *l;
	char name[8];
	FILE *f;

	(void)state;
	assert_int_equal(http_log_create(&conf, 2, &l), 0);
	for (uint32_t i = 0; i < 100000; i++) {
		struct http_log_worker *w = http_log_worker(l, i % 2);

		log_one(w, s, i % 2 == 0 ? "w0" : "w1", i / 2);
		/* The thread keeps up when it is let. */
		do {
			http_log_stats(l, &st);
			if (i % 4096 == 0)
				wait_a_moment();
		} while (st.dropped > 0 && i == 0);
	}
	http_log_stats(l, &st);
	http_log_destroy(l);
	assert_int_equal(st.lines + st.dropped, 100000);
	f = fopen(conf.path, "r");
	assert_non_null(f);
	while (fscanf(f, "%7s %lu\n", name, &n) == 2) {
		uint32_t w = (uint32_t)(name[1] - '0');

		assert_in_range(w, 0, 1);
		assert_true(n >= next[w]);
		next[w] = n + 1;
		st.lines--;
	}
	assert_int_equal(st.lines, 0);
	fclose(f);
	free(s);
}

/* A disk that takes nothing: the lines that fit the buffer are kept, the others are counted, and
 * nobody waits. */
static void what_has_no_room_is_dropped_and_counted(void **state)
{
	struct config_access_log conf = conf_of("pipe", 256 << 10);
	struct http_stream *s = stream();
	struct http_log_stats st;
	uint64_t got = 0;
	struct http_log *l;
	char buf[65536];
	ssize_t n;
	int fd;

	(void)state;
	assert_int_equal(mkfifo(conf.path, 0600), 0);
	/* Somebody has it open for reading, and does not read. */
	fd = open(conf.path, O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(http_log_create(&conf, 1, &l), 0);
	for (uint32_t i = 0; i < 200000; i++)
		log_one(http_log_worker(l, 0), s, "w0", 1000000 + i);
	http_log_stats(l, &st);
	assert_true(st.dropped > 0 && st.lines > 0);
	assert_int_equal(st.lines + st.dropped, 200000);
	/* Four chunks and what the pipe holds. */
	assert_true(st.lines * 11 <= 4 * 65536 + 65536 + 65536);
	/* Now it reads: room again, all that was kept arrives, and new lines too. */
	http_log_tick(http_log_worker(l, 0), clock_now_ns() + NS_PER_SEC);
	while (got < st.lines * 11) {
		n = read(fd, buf, sizeof(buf));
		if (n > 0)
			got += (uint64_t)n;
		else
			wait_a_moment();
	}
	log_one(http_log_worker(l, 0), s, "w0", 9000000);
	http_log_destroy(l);
	n = read(fd, buf, sizeof(buf));
	assert_int_equal(n, 11);
	assert_memory_equal(buf, "w0 9000000\n", 11);
	close(fd);
	free(s);
}

static void a_line_waits_no_longer_than_is_configured(void **state)
{
	struct config_access_log conf = conf_of("flush", 1 << 20);
	struct http_stream *s = stream();
	struct http_log_worker *w;
	struct http_log *l;
	uint64_t due;

	(void)state;
	assert_int_equal(http_log_create(&conf, 1, &l), 0);
	w = http_log_worker(l, 0);
	assert_int_equal(http_log_next_ns(w), UINT64_MAX);
	log_one(w, s, "w0", 1);
	due = http_log_next_ns(w);
	assert_int_equal(due, s->t.end + conf.flush_ns);
	http_log_tick(w, due - 1);
	assert_int_equal(http_log_next_ns(w), due);
	http_log_tick(w, due);
	assert_int_equal(http_log_next_ns(w), UINT64_MAX);
	for (uint32_t i = 0; size_of(conf.path) != 5 && i < 2500; i++)
		wait_a_moment();
	assert_int_equal(size_of(conf.path), 5);
	http_log_destroy(l);
	free(s);
}

static void a_file_that_was_moved_is_opened_anew(void **state)
{
	struct config_access_log conf = conf_of("rotate", 1 << 20);
	struct http_stream *s = stream();
	struct http_log_stats st;
	struct http_log *l;
	char moved[300];

	(void)state;
	assert_int_equal(http_log_create(&conf, 1, &l), 0);
	snprintf(moved, sizeof(moved), "%s.1", conf.path);
	assert_int_equal(rename(conf.path, moved), 0);
	http_log_reopen(l);
	do {
		wait_a_moment();
		http_log_stats(l, &st);
	} while (st.reopened == 0);
	log_one(http_log_worker(l, 0), s, "w0", 1);
	http_log_destroy(l);
	assert_int_equal(size_of(moved), 0);
	assert_int_equal(size_of(conf.path), 5);
	free(s);
}

static void what_cannot_be_opened_is_an_error(void **state)
{
	struct config_access_log conf = conf_of("none/none", 1 << 20);
	struct http_log *l;

	(void)state;
	assert_int_equal(http_log_create(&conf, 1, &l), -ENOENT);
	assert_null(l);
	/* No log is a log, too. */
	http_log_line(NULL, NULL, SPAN(""), SPAN(""));
	http_log_tick(NULL, 0);
	assert_int_equal(http_log_next_ns(NULL), UINT64_MAX);
	http_log_destroy(NULL);
}

static void lines_that_the_file_refuses_are_counted(void **state)
{
	struct config_access_log conf = conf_of("", 1 << 20);
	struct http_stream *s = stream();
	struct http_log_stats st;
	struct http_log *l;

	(void)state;
	strcpy(conf.path, "/dev/full");
	assert_int_equal(http_log_create(&conf, 1, &l), 0);
	log_one(http_log_worker(l, 0), s, "w0", 1);
	log_one(http_log_worker(l, 0), s, "w0", 2);
	http_log_tick(http_log_worker(l, 0), s->t.end + NS_PER_SEC);
	do {
		wait_a_moment();
		http_log_stats(l, &st);
	} while (st.lost == 0);
	assert_int_equal(st.lost, 2);
	http_log_destroy(l);
	free(s);
}

static int begin(void **state)
{
	(void)state;
	clock_calibrate(UINT64_C(1000000000));
	return mkdtemp(dir) == NULL;
}

static int end(void **state)
{
	char cmd[80];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_is_written_once_and_in_order),
		cmocka_unit_test(what_has_no_room_is_dropped_and_counted),
		cmocka_unit_test(a_line_waits_no_longer_than_is_configured),
		cmocka_unit_test(a_file_that_was_moved_is_opened_anew),
		cmocka_unit_test(what_cannot_be_opened_is_an_error),
		cmocka_unit_test(lines_that_the_file_refuses_are_counted),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
