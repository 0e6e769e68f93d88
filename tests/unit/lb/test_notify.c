/* SPDX-License-Identifier: Apache-2.0
 * What a service manager hears, on a socket of a path and an abstract one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lb/notify.h"

static char path[108];
static int fd;

static int open_manager(const char *name)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = strlen(name);

	memcpy(addr.sun_path, name, len);
	if (name[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	return bind(fd, (const struct sockaddr *)&addr,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len +
			    (name[0] == '/' ? 1 : 0)));
}

static const char *heard(void)
{
	static char text[600];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	text[n < 0 ? 0 : n] = '\0';
	return text;
}

static void talk(const char *name)
{
	struct notify n;

	assert_int_equal(open_manager(name), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "1000000", 1);
	unsetenv("WATCHDOG_PID");
	notify_init(&n);
	assert_string_equal(heard(), "");
	notify_ready(&n, "running");
	assert_string_equal(heard(), "READY=1\nSTATUS=running");
	notify_reloading(&n, 5000000);
	assert_string_equal(heard(), "RELOADING=1\nMONOTONIC_USEC=5000\nSTATUS=reloading");
	/* A sign of life twice a period, and none while a worker stands still. */
	notify_run(&n, true, 1000000000);
	assert_string_equal(heard(), "WATCHDOG=1");
	notify_run(&n, true, 1400000000);
	assert_string_equal(heard(), "");
	notify_run(&n, false, 1600000000);
	assert_string_equal(heard(), "");
	notify_run(&n, true, 1600000000);
	assert_string_equal(heard(), "WATCHDOG=1");
	notify_stopping(&n);
	assert_string_equal(heard(), "STOPPING=1\nSTATUS=draining");
	notify_fini(&n);
	close(fd);
}

static void it_speaks_to_both_kinds_of_sockets(void **state)
{
	char abstract[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/weir-notify-%d", (int)getpid());
	talk(path);
	unlink(path);
	snprintf(abstract, sizeof(abstract), "@weir-notify-%d", (int)getpid());
	talk(abstract);
}

static void without_a_manager_it_is_silent(void **state)
{
	static const char *const bad[] = {"", "relative", "/a/b"};
	struct notify n;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_init(&n);
	assert_int_equal(n.fd, -1);
	notify_ready(&n, "running");
	notify_run(&n, true, 1);
	notify_fini(&n);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		notify_init(&n);
		notify_ready(&n, "running");
		notify_fini(&n);
	}
}

static void the_watchdog_of_another_process_is_not_ours(void **state)
{
	struct notify n;

	(void)state;
	setenv("NOTIFY_SOCKET", "/nonexistent", 1);
	setenv("WATCHDOG_USEC", "1000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	notify_init(&n);
	assert_int_equal(n.watchdog_ns, 0);
	notify_fini(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_speaks_to_both_kinds_of_sockets),
		cmocka_unit_test(without_a_manager_it_is_silent),
		cmocka_unit_test(the_watchdog_of_another_process_is_not_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
