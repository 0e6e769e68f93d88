/* SPDX-License-Identifier: Apache-2.0
 * The control interface over a real socket: a thread serves it as the control thread does, the
 * tests are its clients. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lb/admin/admin.h"
#include "lb/admin/admin_client.h"
#include "lb/admin/admin_json.h"

static char dir[64], path[108];
static struct admin *admin;
static pthread_t server;
static _Atomic bool quit;
static _Atomic unsigned reloads, stops, turns;
static _Atomic int reload_result;

/* --- the process that is asked ------------------------------------------------------------- */

static int op_status(void *ctx, struct admin_call *c)
{
	json_t *out = c->out;

	(void)ctx;
	json_object_set_new(out, "version", json_string("1.2.3"));
	json_object_set_new(out, "pid", json_integer(getpid()));
	return 0;
}

static int op_counters(void *ctx, struct admin_call *c)
{
	json_t *out = c->out;

	static const struct ledger a = {.rx = 10, .tx = 7, .ended = {[REASON_NO_ROUTE] = 3}};
	static const struct ledger b = {.rx = 5, .tx = 4};
	const struct ledger *const all[] = {&a, &b};

	(void)ctx;
	admin_json_ledgers(out, all, 2);
	return 0;
}

/* An answer far larger than any socket buffer. */
static int op_services(void *ctx, struct admin_call *c)
{
	json_t *out = c->out;

	char name[32];

	(void)ctx;
	for (int i = 0; i < 8000; i++) {
		snprintf(name, sizeof(name), "service-%d", i);
		json_object_set_new(out, name, json_pack("{s:i, s:s}", "flows", i, "state", "up"));
	}
	return 0;
}

static int op_reload(void *ctx, struct admin_call *c)
{
	json_t *out = c->out;

	int err = atomic_load(&reload_result);

	(void)ctx;
	atomic_fetch_add(&reloads, 1);
	if (err == -EINVAL)
		json_object_set_new(out, "errors", json_pack("[s]", "weir.yaml:3:1: error: no"));
	return err;
}

static int op_stop(void *ctx, struct admin_call *c)
{
	json_t *out = c->out;

	(void)ctx;
	(void)out;
	atomic_fetch_add(&stops, 1);
	return 0;
}

static const struct admin_route routes[] = {
	{"GET", "/v1/status", "status", op_status, .params = NULL},
	{"GET", "/v1/counters", "counters", op_counters, .params = NULL},
	{"GET", "/v1/services", "services", op_services, .params = NULL},
	{"POST", "/v1/reload", "reload", op_reload, .params = NULL},
	{"POST", "/v1/stop", "stop", op_stop, .done = 202},
};

static int open_at(const char *where, struct admin **out)
{
	struct admin_conf conf = {.path = where,
		.site = {.routes = routes,
			.route_cnt = ARRAY_SIZE(routes),
			.token = "",
			.version = "1.2.3"}};

	return admin_create(&conf, out);
}

static void *serve(void *arg)
{
	(void)arg;
	while (!atomic_load(&quit)) {
		struct pollfd p = {.fd = admin_fd(admin), .events = POLLIN};
		int ms = admin_timeout_ms(admin);

		poll(&p, 1, ms < 0 || ms > 20 ? 20 : ms);
		admin_run(admin);
		atomic_fetch_add(&turns, 1);
	}
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/weir-admin-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	if (open_at(path, &admin) != 0)
		return -1;
	atomic_store(&quit, false);
	atomic_store(&reload_result, 0);
	atomic_store(&reloads, 0);
	atomic_store(&stops, 0);
	return pthread_create(&server, NULL, serve, NULL);
}

static int teardown(void **state)
{
	(void)state;
	atomic_store(&quit, true);
	pthread_join(server, NULL);
	admin_destroy(admin);
	admin = NULL;
	return rmdir(dir); /* fails if the socket was left behind */
}

/* --- a client that says what it likes ------------------------------------------------------ */

static int dial(const char *to)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct timeval limit = {.tv_sec = 20};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", to);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Send text, read all until the server closes. */
static const char *exchange(const char *text)
{
	static char reply[65536];
	int fd = dial(path);
	size_t len = 0;
	ssize_t n;

	assert_true(fd >= 0);
	say(fd, text);
	while (len < sizeof(reply) - 1 &&
		(n = recv(fd, reply + len, sizeof(reply) - 1 - len, 0)) > 0)
		len += (size_t)n;
	close(fd);
	reply[len] = '\0';
	return reply;
}

static unsigned ask(const char *method, const char *what, json_t **body)
{
	unsigned status = 0;

	assert_int_equal(admin_request(path, method, what, &status, body), 0);
	return status;
}

static unsigned ask_status(const char *method, const char *what)
{
	json_t *body;
	unsigned status = ask(method, what, &body);

	json_decref(body);
	return status;
}

/* --- tests --------------------------------------------------------------------------------- */

static void answers_what_the_ops_say(void **state)
{
	json_t *body;

	(void)state;
	assert_int_equal(ask("GET", "/v1/status", &body), 200);
	assert_string_equal(json_string_value(json_object_get(body, "version")), "1.2.3");
	assert_int_equal(json_integer_value(json_object_get(body, "pid")), getpid());
	json_decref(body);
}

static void counters_have_every_reason_and_the_imbalance(void **state)
{
	json_t *body, *w0;
	json_int_t rx, imbalance, no_route;

	(void)state;
	assert_int_equal(ask("GET", "/v1/counters", &body), 200);
	assert_int_equal(json_object_size(json_object_get(body, "reasons")), REASON_COUNT - 1);
	assert_int_equal(json_unpack(body, "{s:{s:I, s:I}, s:{s:I}}", "ledger", "rx", &rx,
				 "imbalance", &imbalance, "reasons", "no_route", &no_route),
		0);
	assert_int_equal(rx, 15);
	assert_int_equal(imbalance, 1);
	assert_int_equal(no_route, 3);
	w0 = json_object_get(json_object_get(body, "workers"), "0");
	assert_int_equal(json_integer_value(json_object_get(w0, "imbalance")), 0);
	json_decref(body);
}

static void drop_reasons_document_every_counter(void **state)
{
	json_t *body, *list;

	(void)state;
	assert_int_equal(ask("GET", "/v1/drop-reasons", &body), 200);
	list = json_object_get(body, "reasons");
	assert_int_equal(json_object_size(list), REASON_COUNT - 1);
	for (unsigned r = REASON_NONE + 1; r < REASON_COUNT; r++) {
		json_t *row = json_object_get(list, reason_name((enum reason)r));

		assert_string_equal(json_string_value(json_object_get(row, "text")),
			reason_text((enum reason)r));
	}
	json_decref(body);
}

static void index_lists_the_routes(void **state)
{
	json_t *body;

	(void)state;
	assert_int_equal(ask("GET", "/v1", &body), 200);
	assert_non_null(json_object_get(json_object_get(body, "routes"), "/v1/reload"));
	json_decref(body);
}

static void reload_and_stop_act_once_and_report(void **state)
{
	json_t *body;

	(void)state;
	assert_int_equal(ask_status("POST", "/v1/reload"), 200);
	atomic_store(&reload_result, -EINVAL);
	assert_int_equal(ask("POST", "/v1/reload", &body), 422);
	assert_int_equal(json_array_size(json_object_get(body, "errors")), 1);
	json_decref(body);
	atomic_store(&reload_result, -EBUSY);
	assert_int_equal(ask("POST", "/v1/reload", &body), 409);
	assert_non_null(json_object_get(body, "error"));
	json_decref(body);
	atomic_store(&reload_result, -EIO);
	assert_int_equal(ask_status("POST", "/v1/reload"), 500);
	assert_int_equal(atomic_load(&reloads), 4);
	assert_int_equal(ask_status("POST", "/v1/stop"), 202);
	assert_int_equal(atomic_load(&stops), 1);
}

static void wrong_paths_and_methods_are_refused(void **state)
{
	const char *r;

	(void)state;
	assert_int_equal(ask_status("GET", "/"), 404);
	assert_int_equal(ask_status("GET", "/v1/status/"), 404);
	assert_int_equal(ask_status("GET", "/v1/health"), 404); /* no such op here */
	assert_int_equal(ask_status("DELETE", "/v1/status"), 405);
	assert_int_equal(ask_status("GET", "/v1/stop"), 405);
	assert_int_equal(atomic_load(&stops), 0);
	r = exchange("PUT /v1/status HTTP/1.0\r\nContent-Length: 0\r\n\r\n");
	assert_non_null(strstr(r, "\r\nAllow: GET, HEAD\r\n"));
	r = exchange("GET /v1/reload HTTP/1.0\r\n\r\n");
	assert_non_null(strstr(r, "\r\nAllow: POST\r\n"));
	assert_int_equal(atomic_load(&reloads), 0);
}

static void head_has_the_headers_and_no_body(void **state)
{
	const char *r, *end;

	(void)state;
	r = exchange("HEAD /v1/status HTTP/1.0\r\n\r\n");
	assert_int_equal(strncmp(r, "HTTP/1.", 7), 0);
	assert_non_null(strstr(r, " 200 OK\r\n"));
	assert_non_null(strstr(r, "\r\nContent-Type: application/json\r\n"));
	end = strstr(r, "\r\n\r\n");
	assert_non_null(end);
	assert_int_equal(strlen(end), 4);
}

static void large_bodies_are_refused_and_not_acted_on(void **state)
{
	static char big[ADMIN_BODY_MAX + 4096];
	const char *r;
	int fd, n;

	(void)state;
	r = exchange("POST /v1/reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		     "Content-Length: 65537\r\n\r\n");
	assert_non_null(strstr(r, " 413 "));
	/* Without a length: only its end shows how long it was. */
	fd = dial(path);
	say(fd, "POST /v1/reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		"Transfer-Encoding: chunked\r\n\r\n11000\r\n");
	memset(big, 'x', sizeof(big));
	for (n = 0x11000; n > 0;) {
		ssize_t k = send(fd, big, n < 4096 ? (size_t)n : 4096, MSG_NOSIGNAL);

		assert_true(k > 0);
		n -= (int)k;
	}
	say(fd, "\r\n0\r\n\r\n");
	assert_true(recv(fd, big, sizeof(big) - 1, 0) > 0);
	assert_non_null(strstr(big, " 413 "));
	close(fd);
	assert_int_equal(atomic_load(&reloads), 0);
	r = exchange("POST /v1/reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
		     "Content-Length: 5\r\n\r\nhello");
	assert_non_null(strstr(r, " 200 "));
	assert_int_equal(atomic_load(&reloads), 1);
}

static void an_endless_body_is_cut_off(void **state)
{
	static const char chunk[0x1000 + 8] = "1000\r\n";
	int fd = dial(path), sent = 0;

	(void)state;
	say(fd, "POST /v1/reload HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (; sent < 4000; sent++) {
		char buf[sizeof(chunk)];

		memset(buf, 'x', sizeof(buf));
		memcpy(buf, "1000\r\n", 6);
		memcpy(buf + sizeof(buf) - 2, "\r\n", 2);
		if (send(fd, buf, sizeof(buf), MSG_NOSIGNAL) < 0)
			break;
	}
	assert_true(sent < 4000);
	close(fd);
	assert_int_equal(ask_status("GET", "/v1/status"), 200);
	assert_int_equal(atomic_load(&reloads), 0);
}

static void garbage_is_no_request(void **state)
{
	static const char *const texts[] = {
		"\r\n\r\n\r\n",
		"hello\r\n\r\n",
		"GET\r\n\r\n",
		"GET /v1/status HTTP/9.9\r\n\r\n",
		"POST /v1/stop HTTP/1.0\r\nContent-Length: -1\r\n\r\n",
		"POST /v1/stop HTTP/1.0\r\nContent-Length: 18446744073709551617\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int fd = dial(path);

		say(fd, texts[i]);
		shutdown(fd, SHUT_WR);
		close(fd);
	}
	assert_int_equal(ask_status("GET", "/v1/status"), 200);
	assert_int_equal(atomic_load(&stops), 0);
}

/* Clients that say half a request, and one that never reads a large answer: others are served. */
static void slow_clients_hold_nobody_up(void **state)
{
	enum { SLOW = ADMIN_CLIENTS - 4 };
	int fds[SLOW];
	unsigned before;

	(void)state;
	for (int i = 0; i < SLOW; i++) {
		fds[i] = dial(path);
		assert_true(fds[i] >= 0);
		say(fds[i], i % 2 == 0 ? "GET /v1/services HTTP/1.1\r\nHost: x\r\n\r\n"
				       : "GET /v1/sta");
	}
	before = atomic_load(&turns);
	for (int i = 0; i < 20; i++)
		assert_int_equal(ask_status("GET", "/v1/status"), 200);
	assert_true(atomic_load(&turns) > before);
	for (int i = 0; i < SLOW; i++)
		close(fds[i]);
}

/* More clients than are served at once: the rest waits and is served when places are free. */
static void too_many_clients_wait_their_turn(void **state)
{
	int fds[ADMIN_CLIENTS];

	(void)state;
	for (int i = 0; i < ADMIN_CLIENTS; i++) {
		fds[i] = dial(path);
		assert_true(fds[i] >= 0);
		say(fds[i], "GET ");
	}
	for (int i = 0; i < ADMIN_CLIENTS; i++)
		close(fds[i]);
	assert_int_equal(ask_status("GET", "/v1/status"), 200);
}

static void *hammer(void *arg)
{
	unsigned *good = arg;

	for (int i = 0; i < 50; i++) {
		json_t *body = NULL;
		unsigned status;

		if (admin_request(path, "GET", i % 10 == 0 ? "/v1/services" : "/v1/counters",
			    &status, &body) == 0 &&
			status == 200)
			(*good)++;
		json_decref(body);
	}
	return NULL;
}

static void concurrent_clients_are_all_served(void **state)
{
	pthread_t t[8];
	unsigned good[8] = {0};

	(void)state;
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hammer, &good[i]), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(good[i], 50);
	}
}

static void socket_has_its_mode_and_is_taken_by_nobody_else(void **state)
{
	struct admin *second;
	struct stat st;

	(void)state;
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0660);
	assert_int_equal(open_at(path, &second), -EADDRINUSE);
	assert_null(second);
	assert_int_equal(ask_status("GET", "/v1/status"), 200);
}

/* Run a command with its standard output caught. */
static int command(char *out, size_t cap, int argc, ...)
{
	char *argv[8] = {NULL};
	int saved = dup(STDOUT_FILENO), fd = open(dir, O_TMPFILE | O_RDWR, 0600), rc;
	ssize_t n;
	va_list ap;

	va_start(ap, argc);
	for (int i = 0; i < argc; i++)
		argv[i] = va_arg(ap, char *);
	va_end(ap);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	rc = admin_cmd(argc, argv);
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	n = pread(fd, out, cap - 1, 0);
	close(fd);
	out[n < 0 ? 0 : n] = '\0';
	return rc;
}

static void commands_print_tables_and_json(void **state)
{
	static char out[1 << 20];
	json_t *j;

	(void)state;
	assert_int_equal(command(out, sizeof(out), 3, "status", "-s", path), 0);
	assert_non_null(strstr(out, "version  1.2.3\n"));
	assert_int_equal(command(out, sizeof(out), 5, "counters", "-s", path, "-o", "json"), 0);
	j = json_loads(out, 0, NULL);
	assert_non_null(j);
	json_decref(j);
	assert_int_equal(command(out, sizeof(out), 3, "counters", "-s", path), 0);
	assert_non_null(strstr(out, "no_route"));
	assert_null(strstr(out, "l4_no_backend")); /* zeros are left out for people */
	assert_int_equal(command(out, sizeof(out), 3, "stop", "-s", path), 0);
	assert_int_equal(atomic_load(&stops), 1);
}

static void commands_fail_with_a_status(void **state)
{
	char out[4096];
	int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);

	(void)state;
	dup2(null, STDERR_FILENO);
	atomic_store(&reload_result, -EINVAL);
	assert_int_equal(command(out, sizeof(out), 3, "reload", "-s", path), 1);
	assert_int_equal(command(out, sizeof(out), 3, "health", "-s", path), 1);
	assert_int_equal(command(out, sizeof(out), 3, "status", "-s", "/nonexistent"), 1);
	assert_int_equal(command(out, sizeof(out), 1, "dance"), 2);
	assert_int_equal(command(out, sizeof(out), 3, "status", "-o", "xml"), 2);
	assert_int_equal(command(out, sizeof(out), 4, "status", "-s", path, "more"), 2);
	assert_int_equal(command(out, sizeof(out), 2, "status", "-x"), 2);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(null);
}

/* --- sockets without a server -------------------------------------------------------------- */

static int setup_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/weir-admin-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	return 0;
}

static int teardown_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

/* What a killed process leaves behind. */
static void leave_dead_socket(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
}

static void dead_socket_is_replaced(void **state)
{
	struct admin *a;

	(void)state;
	leave_dead_socket();
	assert_int_equal(open_at(path, &a), 0);
	admin_destroy(a);
	assert_int_equal(access(path, F_OK), -1);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct admin *a;
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	(void)state;
	close(fd);
	assert_int_equal(open_at(path, &a), -EEXIST);
	assert_int_equal(access(path, F_OK), 0);
	unlink(path);
	assert_int_equal(symlink("/nonexistent", path), 0);
	assert_int_equal(open_at(path, &a), -EEXIST);
	unlink(path);
}

static void impossible_paths_are_refused(void **state)
{
	char longer[200];
	struct admin *a;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(open_at(longer, &a), -ENAMETOOLONG);
	assert_int_equal(open_at("", &a), -ENAMETOOLONG);
	snprintf(path, sizeof(path), "%s/no/such", dir);
	assert_int_equal(open_at(path, &a), -ENOENT);
}

static void destroy_leaves_a_successor_alone(void **state)
{
	struct admin *first, *second;

	(void)state;
	assert_int_equal(open_at(path, &first), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(open_at(path, &second), 0);
	admin_destroy(first);
	assert_int_equal(access(path, F_OK), 0);
	admin_destroy(second);
	assert_int_equal(access(path, F_OK), -1);
}

/* Ten processes find the same dead socket at once: one gets it. */
static void one_of_many_starters_wins(void **state)
{
	int go[2], winners = 0;

	(void)state;
	leave_dead_socket();
	assert_int_equal(pipe(go), 0);
	for (int i = 0; i < 10; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			struct admin *a;
			char c;
			int err;

			close(go[1]);
			err = read(go[0], &c, 1) < 0 ? 1 : open_at(path, &a);
			usleep(300000); /* the winner stays while the others try */
			_exit(err == 0 ? 0 : err == -EADDRINUSE ? 1 : 2);
		}
	}
	close(go[0]);
	close(go[1]); /* go */
	for (int i = 0; i < 10; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 2);
		winners += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(winners, 1);
	unlink(path);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define D(f) cmocka_unit_test_setup_teardown(f, setup_dir, teardown_dir)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(answers_what_the_ops_say),
		T(counters_have_every_reason_and_the_imbalance),
		T(drop_reasons_document_every_counter),
		T(index_lists_the_routes),
		T(reload_and_stop_act_once_and_report),
		T(wrong_paths_and_methods_are_refused),
		T(head_has_the_headers_and_no_body),
		T(large_bodies_are_refused_and_not_acted_on),
		T(an_endless_body_is_cut_off),
		T(garbage_is_no_request),
		T(slow_clients_hold_nobody_up),
		T(too_many_clients_wait_their_turn),
		T(concurrent_clients_are_all_served),
		T(socket_has_its_mode_and_is_taken_by_nobody_else),
		T(commands_print_tables_and_json),
		T(commands_fail_with_a_status),
		D(dead_socket_is_replaced),
		D(what_is_no_socket_is_left_alone),
		D(impossible_paths_are_refused),
		D(destroy_leaves_a_successor_alone),
		D(one_of_many_starters_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
