/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/store_cmd.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lb/admin/admin_client.h"
#include "dataplane/base/limits.h"
#include "storage/backup.h"

enum { OK, FAILED, USAGE };

const char store_cmd_usage[] =
	"usage: weir store backup [-s SOCKET] [--dry-run] TO\n"
	"                                           copy the store of a running weir into a new "
	"folder\n"
	"       weir store verify DIR               read a backup, or a store that is not in use, "
	"whole\n"
	"       weir store restore BACKUP DIR       make a store of a backup\n"
	"       weir store reshard DIR SHARDS       move the keys of a store that is not in use to "
	"other shards\n";

static int usage(void)
{
	fputs(store_cmd_usage, stderr);
	return USAGE;
}

static int outcome(int rc, const char *err, const char *good)
{
	if (rc != 0) {
		fprintf(stderr, "weir: %s\n", err[0] != '\0' ? err : strerror(-rc));
		return FAILED;
	}
	puts(good);
	return OK;
}

/* ---- backup, by the running process ---- */

static int ask(const char *socket, const char *method, const char *to, bool dry, json_t **body)
{
	json_t *in = json_object();
	struct admin_got got;
	struct admin_ask a = {.method = method,
		.path = dry ? "/v1/store/backup?dry_run=true" : "/v1/store/backup"};
	json_error_t err;
	char *text = NULL;
	int rc;

	if (to != NULL) {
		json_object_set_new(in, "to", json_string(to));
		text = json_dumps(in, JSON_COMPACT);
		a.body = text;
		a.body_len = text != NULL ? strlen(text) : 0;
		a.content_type = "application/json";
	}
	json_decref(in);
	rc = admin_exchange(&(struct admin_target){.at = socket}, &a, &got);
	free(text);
	if (rc != 0) {
		fprintf(stderr, "weir: cannot ask %s: %s\n", socket, strerror(-rc));
		return -1;
	}
	*body = json_loadb(got.text, got.len, 0, &err);
	free(got.text);
	if (*body == NULL || got.status >= 300) {
		const char *why = json_string_value(json_object_get(*body, "error"));

		fprintf(stderr, "weir: %s\n", why != NULL ? why : "an answer that is none");
		json_decref(*body);
		return -1;
	}
	return 0;
}

static int report(const json_t *body, const char *to)
{
	const char *err = json_string_value(json_object_get(body, "error_text"));

	if (err != NULL && err[0] != '\0') {
		fprintf(stderr, "weir: %s\n", err);
		return FAILED;
	}
	printf("backup is complete: %s\n", to);
	return OK;
}

static void report_dry(const json_t *body, const char *to)
{
	double bytes = json_number_value(json_object_get(body, "bytes"));
	double room = json_number_value(json_object_get(body, "room"));

	printf("about %.1f MiB would be copied to %s, where %.1f MiB are free%s\n", bytes / 1048576,
		to, room / 1048576, bytes > room ? ": too little" : "");
}

/* The process has another working directory. */
static char *full_path(const char *to)
{
	char cwd[4096], *full;

	if (to[0] == '/')
		return strdup(to);
	return getcwd(cwd, sizeof(cwd)) == NULL || asprintf(&full, "%s/%s", cwd, to) < 0 ? NULL
											 : full;
}

static int backup(int argc, char **argv)
{
	static const struct option longs[] = {{"socket", required_argument, NULL, 's'},
		{"dry-run", no_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
	const char *socket = getenv("WEIR_SOCKET");
	bool dry = false;
	json_t *body;
	char *full;
	int rc, opt;

	optind = 0; /* the caller may have used getopt on the same arguments */
	argv++;
	argc--;
	while ((opt = getopt_long(argc, argv, "s:d", longs, NULL)) != -1) {
		if (opt == 's')
			socket = optarg;
		else if (opt == 'd')
			dry = true;
		else
			return usage();
	}
	full = optind == argc - 1 ? full_path(argv[optind]) : NULL;
	if (full == NULL)
		return usage();
	if (socket == NULL || socket[0] == '\0')
		socket = ADMIN_SOCKET_DEFAULT;
	rc = ask(socket, "POST", full, dry, &body) == 0 ? OK : FAILED;
	if (rc == OK && dry) {
		report_dry(body, full);
		json_decref(body);
		free(full);
		return OK;
	}
	while (rc == OK) {
		bool running = json_is_true(json_object_get(body, "running"));

		if (!running) {
			rc = report(body, full);
			json_decref(body);
			break;
		}
		json_decref(body);
		usleep(100000);
		rc = ask(socket, "GET", NULL, false, &body) == 0 ? OK : FAILED;
	}
	free(full);
	return rc;
}

/* ---- on folders ---- */

static int verify(const char *dir)
{
	char err[512] = "", path[4096];
	struct store_verify v = {0};
	int rc;

	snprintf(path, sizeof(path), "%s/%s", dir, BACKUP_NAME);
	if (access(path, F_OK) == 0)
		return outcome(store_backup_verify(dir, err, sizeof(err)), err,
			"the backup is whole: every file is as it was written");
	rc = store_verify(dir, &v, err, sizeof(err));
	printf("records %llu, members of collections %llu, expired %llu, bytes %llu\n"
	       "malformed %llu, misplaced %llu, without a collection %llu\n",
		(unsigned long long)v.records, (unsigned long long)v.members,
		(unsigned long long)v.expired, (unsigned long long)v.bytes,
		(unsigned long long)v.malformed, (unsigned long long)v.misplaced,
		(unsigned long long)v.orphans);
	return outcome(rc, err, "the store is whole");
}

static int reshard(const char *dir, const char *count)
{
	char err[512] = "", *end;
	unsigned long n = strtoul(count, &end, 10);

	if (*end != '\0' || n == 0 || n > LIMIT_SHARDS) {
		fprintf(stderr, "weir: '%s' is no number of shards from 1 to %u\n", count,
			LIMIT_SHARDS);
		return USAGE;
	}
	return outcome(store_reshard(dir, (uint32_t)n, err, sizeof(err)), err,
		"done; set 'shards' of the configuration to this number, or leave it out");
}

int store_cmd(int argc, char **argv)
{
	char err[512] = "";

	if (argc >= 3 && strcmp(argv[1], "backup") == 0)
		return backup(argc, argv);
	if (argc == 3 && strcmp(argv[1], "verify") == 0)
		return verify(argv[2]);
	if (argc == 4 && strcmp(argv[1], "restore") == 0)
		return outcome(store_restore(argv[2], argv[3], err, sizeof(err)), err,
			"the store is there; point 'store.dir' at it");
	if (argc == 4 && strcmp(argv[1], "reshard") == 0)
		return reshard(argv[2], argv[3]);
	return usage();
}
