/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "lb/admin/admin_client.h"

enum { CMD_OK, CMD_FAILED, CMD_USAGE };

static const struct command {
	const char *name, *method, *path;
} commands[] = {
	{"status", "GET", "/v1/status"},
	{"counters", "GET", "/v1/counters"},
	{"services", "GET", "/v1/services"},
	{"health", "GET", "/v1/health"},
	{"listeners", "GET", "/v1/listeners"},
	{"tcp", "GET", "/v1/tcp"},
	{"drop-reasons", "GET", "/v1/drop-reasons"},
	{"reload", "POST", "/v1/reload"},
	{"stop", "POST", "/v1/stop"},
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int usage(const char *name)
{
	fprintf(stderr, "usage: weir %s [-s SOCKET] [-o table|json]\n", name);
	return CMD_USAGE;
}

/* Exchange, print, judge. */
static int run(const struct command *c, const char *socket, bool as_json)
{
	unsigned status;
	json_t *body;
	int err = admin_request(socket, c->method, c->path, &status, &body);

	if (err < 0) {
		fprintf(stderr, "weir: %s: %s\n", socket,
			err == -ECONNREFUSED || err == -ENOENT ? "no weir listens here"
							       : strerror(-err));
		return CMD_FAILED;
	}
	if (as_json) {
		json_dumpf(body, stdout, JSON_INDENT(2));
		fputc('\n', stdout);
	} else {
		admin_print(status < 300 ? stdout : stderr, body);
	}
	json_decref(body);
	if (fflush(stdout) != 0)
		return CMD_FAILED;
	return status < 300 ? CMD_OK : CMD_FAILED;
}

int admin_cmd(int argc, char **argv)
{
	static const struct option longs[] = {
		{"socket", required_argument, NULL, 's'},
		{"output", required_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	const struct command *c = argc > 0 ? find_command(argv[0]) : NULL;
	const char *socket = getenv("WEIR_SOCKET");
	bool as_json = false;
	int opt;

	if (c == NULL)
		return usage("COMMAND");
	optind = 0; /* the caller may have used getopt on the same arguments */
	while ((opt = getopt_long(argc, argv, "s:o:", longs, NULL)) != -1) {
		if (opt == 's')
			socket = optarg;
		else if (opt == 'o' && strcmp(optarg, "json") == 0)
			as_json = true;
		else if (opt != 'o' || strcmp(optarg, "table") != 0)
			return usage(c->name);
	}
	if (socket == NULL || socket[0] == '\0')
		socket = ADMIN_SOCKET_DEFAULT;
	return optind == argc ? run(c, socket, as_json) : usage(c->name);
}
