/* SPDX-License-Identifier: Apache-2.0
 * main - the composition root: reads the command line, starts the parts in order and takes them
 * down in reverse. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/log.h"
#include "dataplane/base/time.h"
#include "dataplane/eal/eal.h"
#include "lb/admin/admin_client.h"
#include "lb/app.h"
#include "lb/config/config.h"
#include "lb/config/config_cmd.h"
#include "lb/config/suggest.h"
#include "lb/control.h"
#include "lb/l7/route/explain.h"
#include "lb/l7/route/route.h"
#include "lb/ctl/ctl.h"
#include "lb/l7/tls_set.h"
#include "lb/store_cmd.h"

enum { EXIT_OK, EXIT_FAILED, EXIT_USAGE };

static const char usage_text[] =
	"usage: weir -c FILE [--log-level error|warn|info|debug] [--log-json]\n"
	"       weir check FILE           validate a configuration; exit status 1 if it has "
	"errors\n"
	"       weir route FILE METHOD URL [NAME: VALUE ...]\n"
	"                                 explain what is done with an HTTP request, and why\n"
	"       weir store backup|verify|restore|reshard ...\n"
	"                                 copies of the store, and its number of shards\n"
	"       weir config show FILE     print every effective value and where it came from\n"
	"       weir config schema        print the JSON Schema of the configuration\n"
	"       weir config reference     print the reference page of the configuration\n"
	"       weir config manual        print weir.conf(5)\n"
	"       weir status|counters|services|listeners|health|tcp|reload|stop [-s SOCKET] [-o "
	"json]\n"
	"                                 ask or tell a running weir; weirctl has more\n"
	"       weir plan [-s SOCKET] [-o json] FILE\n"
	"                                 what FILE would change in a running weir\n"
	"       weir --version | --help\n"
	"\n"
	"weir runs in the foreground. SIGHUP reloads FILE, SIGTERM drains and stops (twice: at "
	"once),\n"
	"SIGUSR1 logs the packet counters and opens the access log anew.\n";

struct options {
	const char *config;
	bool json;
	enum log_level level;
};

static int usage_error(const char *what, const char *arg)
{
	fprintf(stderr, "weir: %s%s%s\nTry `weir --help`.\n", what, arg != NULL ? ": " : "",
		arg != NULL ? arg : "");
	return EXIT_USAGE;
}

static const char *const admin_words[] = {
	"status", "counters", "services", "listeners", "health", "tcp", "reload", "stop"};

static int unknown_command(const char *name)
{
	static const char *const others[] = {"check", "route", "store", "config", "plan"};
	struct suggest s;

	suggest_init(&s, name);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		suggest_try(&s, others[i]);
	for (size_t i = 0; i < ARRAY_SIZE(admin_words); i++)
		suggest_try(&s, admin_words[i]);
	fprintf(stderr, "weir: unknown command '%s'", name);
	if (s.best != NULL)
		fprintf(stderr, "; did you mean '%s'?", s.best);
	fputs("\nTry `weir --help`.\n", stderr);
	return EXIT_USAGE;
}

static int config_command(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "show") == 0)
		return config_cmd_show(argv[2]);
	if (argc == 2 && strcmp(argv[1], "schema") == 0)
		return config_cmd_schema();
	if (argc == 2 && strcmp(argv[1], "reference") == 0)
		return config_cmd_reference();
	if (argc == 2 && strcmp(argv[1], "manual") == 0)
		return config_cmd_manual();
	return usage_error("config needs `show FILE`, `schema`, `reference` or `manual`", NULL);
}

/* What the configuration names besides itself: certificates, keys, users. */
static int check_files(const struct config *cfg, FILE *err)
{
	return l7_tls_check(cfg, err) + http_sites_check(cfg, err) + control_check_files(cfg, err);
}

/* Returns an exit status, or -1 when argv[0] names no command. */
static int command(int argc, char **argv)
{
	if (strcmp(argv[0], "check") == 0)
		return argc == 2 ? config_cmd_check_with(argv[1], check_files)
				 : usage_error("check needs one file", NULL);
	if (strcmp(argv[0], "config") == 0)
		return config_command(argc, argv);
	if (strcmp(argv[0], "route") == 0)
		return explain_cmd(argc, argv);
	if (strcmp(argv[0], "store") == 0)
		return store_cmd(argc, argv);
	for (size_t i = 0; i < ARRAY_SIZE(admin_words); i++)
		if (strcmp(argv[0], admin_words[i]) == 0)
			return admin_cmd(argc, argv);
	return -1;
}

/* Returns -1 to go on, or an exit status. */
static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"log-level", required_argument, NULL, 'l'},
		{"log-json", no_argument, NULL, 'j'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int opt;

	*o = (struct options){.level = LOG_INFO};
	while ((opt = getopt_long(argc, argv, ":c:h", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			o->config = optarg;
			break;
		case 'l':
			if (log_level_parse(optarg, &o->level) != 0)
				return usage_error("no such log level", optarg);
			break;
		case 'j':
			o->json = true;
			break;
		case 'V':
			printf("weir %s\n", WEIR_VERSION);
			return EXIT_OK;
		case 'h':
			fputs(usage_text, stdout);
			return EXIT_OK;
		case ':':
			return usage_error("an argument is missing behind", argv[optind - 1]);
		default:
			return usage_error("unknown option", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return usage_error("unknown argument", argv[optind]);
	if (o->config == NULL)
		return usage_error("a configuration is needed: -c FILE", NULL);
	return -1;
}

/* Signals are taken by the control loop alone: blocked here, before any thread exists. */
static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGUSR1);
	sigprocmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
	/* A limit on the size of files is a failed write, which the store survives. */
	signal(SIGXFSZ, SIG_IGN);
}

static int run(const struct options *o)
{
	struct config *cfg;
	struct eal_params eal;
	const char *pci[LIMIT_PORTS];
	struct app *app;
	sigset_t signals;
	int rc;

	if (config_load(o->config, stderr, &cfg) < 0)
		return EXIT_FAILED;
	block_signals(&signals);
	app_eal_params(cfg, &eal, pci);
	eal.verbose = o->level == LOG_DEBUG;
	if (eal_start(&eal) != 0) {
		config_free(cfg);
		return EXIT_FAILED;
	}
	rc = app_create(cfg, clock_now_ns(), &app);
	if (rc == 0) {
		rc = app_start(app);
		if (rc == 0)
			rc = control_run(app, o->config, &signals);
		app_stop(app);
		app_destroy(app);
	}
	eal_stop();
	return rc == 0 ? EXIT_OK : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct options o;
	int rc;

	if (argc > 1 && strcmp(argv[1], "plan") == 0)
		return ctl_main(argc, argv);
	if (argc > 1 && argv[1][0] != '-') {
		rc = command(argc - 1, argv + 1);
		return rc >= 0 ? rc : unknown_command(argv[1]);
	}
	if (argc == 1) {
		fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
	rc = parse_options(argc, argv, &o);
	if (rc >= 0)
		return rc;
	log_set_level(o.level);
	log_set_json(o.json);
	return run(&o);
}
