/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/ctl/ctl.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lb/admin/admin_client.h"
#include "lb/config/suggest.h"
#include "lb/ctl/ctl_pvt.h"

static const char *const stat_words[] = {"process", "workers", "reasons", "ports", "vips",
	"services", "backends", "health", "listeners", "listener_backends", "tcp", "store", "kvs",
	"http", "http_ends", "http_routes", "upstreams", "upstream_servers", "access_log", "names",
	"resolver", "resolver_results", "http_cache", "http_cache_routes", "cache_memory",
	"cache_disk", "cache_disk_room", NULL};
static const char *const level_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const shell_words[] = {"bash", NULL};
static const char *const explain_words[] = {
	"tcp", "udp", "GET", "HEAD", "POST", "PUT", "DELETE", NULL};
static const char *const all_words[] = {"all", NULL};
static const char *const cache_words[] = {"routes", "top", "preload", NULL};
static const char *const purge_words[] = {"tag", "prefix", "regex", "all", NULL};

const struct ctl_option ctl_options[] = {
	{'s', "socket", "PATH|URL",
		"control socket, or http[s]://HOST:PORT; $WEIR_SOCKET, or /run/weir.sock"},
	{'E', "cert", "FILE", "PEM file of the certificate that is shown to an https:// weir"},
	{'K', "key", "FILE", "PEM file of its key, if it is not in the same file"},
	{'A', "cacert", "FILE", "PEM file of the authorities that weir's certificate comes from"},
	{'T', "token-file", "FILE", "file with the token that admin.token_file has"},
	{'o', "output", "table|json", "tables for people, or what the interface answered"},
	{'w', "watch", "SECONDS", "again and again"},
	{'C', "color", "auto|always|never", "colours; auto: on a terminal"},
	{'d', "dry-run", NULL, "say what would change, and change nothing"},
	{'l', "listener", NULL, "the pool is a listener, not a layer 4 service"},
	{'u', "upstream", NULL, "the pool is one of HTTP servers"},
	{'a', "ack", NULL, "explain a packet within a connection, not a new one"},
	{'c', "client", "ADDRESS[:PORT]",
		"flows of this client; explain: where the request comes from"},
	{'v', "vip", "ADDRESS[:PORT]", "flows to this virtual address"},
	{'S', "service", "NAME", "flows of this service"},
	{'p', "protocol", "tcp|udp", "flows of this protocol"},
	{'n', "count", "N", "at most so many"},
	{'t', "seconds", "N", "at most so long"},
	{'z', "snap", "BYTES", "so much of each packet"},
	{'D', "direction", "in|out|both", "packets that come, that leave, or both"},
	{'H', "header", "'NAME: VALUE'", "a header field of the request; may be repeated"},
	{'L', "via", "LISTENER",
		"the listener that the request comes to, when the URL leaves it open"},
	{'O', "file", "FILE", "write to FILE; `-` is standard output"},
};
const uint32_t ctl_option_cnt = ARRAY_SIZE(ctl_options);

const struct ctl_command ctl_commands[] = {
	{"status", "", "", "version, uptime, workers and ports", NULL, 0, 0, cmd_status, NULL},
	{"top", "", "n", "live view of the whole; q ends it",
		"On a terminal a full screen that is drawn again every second (-w sets another "
		"time), "
		"elsewhere one picture for each of -n rounds.",
		0, 0, cmd_top, NULL},
	{"vips", "", "", "virtual addresses and their services", NULL, 0, 0, cmd_vips, NULL},
	{"backends", "", "", "backends of all services and listeners", NULL, 0, 0, cmd_backends,
		NULL},
	{"names", "", "", "host names of backends and their addresses", NULL, 0, 0, cmd_names,
		NULL},
	{"flows", "", "cvSpn", "tracked flows of layer 4", NULL, 0, 0, cmd_flows, NULL},
	{"conns", "", "", "TCP connections that end in weir", NULL, 0, 0, cmd_conns, NULL},
	{"listeners", "", "", "listeners, their connections and errors", NULL, 0, 0, cmd_listeners,
		NULL},
	{"health", "", "", "health checks and their results", NULL, 0, 0, cmd_health, NULL},
	{"drop-reasons", "[all]", "", "where packets ended, and what that means",
		"Without `all` only reasons that occurred.", 0, 1, cmd_drop_reasons, all_words},
	{"stats", "[KIND]", "", "every statistic of one kind of object, or of all", NULL, 0, 1,
		cmd_stats, stat_words},
	{"explain", "[tcp|udp] SOURCE:PORT DESTINATION:PORT | METHOD URL", "acHL",
		"why a packet or an HTTP request would go where it goes",
		"A packet's steps are asked of the very workers that would decide. A request is "
		"led "
		"through the configuration in force, as `weir route` does with a file, and over "
		"the "
		"upstreams' servers as they are now. Nothing is changed.",
		2, 3, cmd_explain, explain_words},
	{"capture", "[FILTER]", "dntzDO",
		"copy packets into a pcapng file, each with what became of it",
		"FILTER is one of pcap-filter(7), in one argument: 'host 192.0.2.10 and port 80'. "
		"Ends after -n packets, -t seconds (60) or at an interrupt. Traffic goes on as "
		"before; what finds no room is counted.",
		0, 1, cmd_capture, NULL},
	{"trace", "[FILTER]", "dntD", "follow packets: worker, flow, backend, where each ended",
		"As capture, one line for each packet.", 0, 1, cmd_trace, NULL},
	{"drain", "SERVICE BACKEND", "dlu", "give a backend no new flows",
		"Tracked flows go on until drain_timeout. Holds until the next reload, as weight, "
		"disable and enable do.",
		2, 2, cmd_drain, NULL},
	{"weight", "SERVICE BACKEND WEIGHT", "dlu", "give a backend another weight", NULL, 3, 3,
		cmd_weight, NULL},
	{"disable", "SERVICE BACKEND", "dlu", "take a backend out of service, as if it were down",
		NULL, 2, 2, cmd_disable, NULL},
	{"enable", "SERVICE BACKEND", "dlu", "use a backend as the configuration says again", NULL,
		2, 2, cmd_enable, NULL},
	{"cache", "[routes | top [hits|bytes] [COUNT] | preload [URL|@FILE ...]]", "d",
		"the HTTP cache: memory and counters",
		"With `routes` what it did for each route; with `top` the objects that are asked "
		"for most, lately; with `preload` and URLs these are fetched into it, without URLs "
		"how that goes.",
		0, 64, cmd_cache, cache_words},
	{"purge", "tag|prefix|regex|all [TEXT] [soft]", "d", "take responses out of the HTTP cache",
		"By a word of Surrogate-Key, by how the path begins, by an expression on "
		"host/path?query, or all. With `soft` they become stale, and serve if the upstream "
		"fails.",
		1, 3, cmd_purge, purge_words},
	{"store", "", "", "the store: shards and their state", NULL, 0, 0, cmd_store, NULL},
	{"overrides", "", "", "what drain, weight and disable said", NULL, 0, 0, cmd_overrides,
		NULL},
	{"plan", "FILE", "", "what a configuration would change",
		"Values that differ, where new flows would go, flows that end with removed "
		"backends, "
		"memory and local ports. The exit status tells: 0 nothing changes, 4 something "
		"does, "
		"5 it needs a restart.",
		1, 1, cmd_plan, NULL},
	{"history", "", "", "configurations that were in force", NULL, 0, 0, cmd_history, NULL},
	{"config", "[ID]", "", "the configuration in force, or one of the history", NULL, 0, 1,
		cmd_config, NULL},
	{"rollback", "[ID]", "d", "put an earlier configuration into force again",
		"Without ID the one before the last. The file stays as it is: a later reload reads "
		"it.",
		0, 1, cmd_rollback, NULL},
	{"reload", "", "d", "read the configuration file again",
		"With --dry-run what a reload would change, or why it would be refused.", 0, 0,
		cmd_reload, NULL},
	{"log-level", "error|warn|info|debug", "d", "what is logged from now on", NULL, 1, 1,
		cmd_log_level, level_words},
	{"stop", "", "d", "drain and stop", NULL, 0, 0, cmd_stop, NULL},
	{"completion", "bash", "", "print the completion of a shell", NULL, 1, 1, cmd_completion,
		shell_words},
	{"manual", "", "", "print weirctl(1)", NULL, 0, 0, cmd_manual, NULL},
	{"help", "[COMMAND]", "", "this list, or one command", NULL, 0, 1, cmd_help, NULL},
};
const uint32_t ctl_command_cnt = ARRAY_SIZE(ctl_commands);

static const struct ctl_command *find(const char *name)
{
	for (uint32_t i = 0; i < ctl_command_cnt; i++)
		if (strcmp(ctl_commands[i].name, name) == 0)
			return &ctl_commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	struct suggest s;

	suggest_init(&s, name);
	for (uint32_t i = 0; i < ctl_command_cnt; i++)
		suggest_try(&s, ctl_commands[i].name);
	return s.best != NULL ? ctl_usage("no command '%s'; did you mean '%s'?", name, s.best)
			      : ctl_usage("no command '%s'", name);
}

/* --- help ---------------------------------------------------------------------------------- */

static void put_option(FILE *out, const struct ctl_option *o)
{
	fprintf(out, "  -%c, --%s%s%-*s %s\n", o->letter, o->name, o->arg != NULL ? " " : "",
		(int)(o->arg != NULL ? 27 - strlen(o->name) : 28 - strlen(o->name)),
		o->arg != NULL ? o->arg : "", o->help);
}

static void help_all(FILE *out)
{
	fputs("usage: weirctl [OPTIONS] COMMAND [ARGUMENTS]\n\n", out);
	for (uint32_t i = 0; i < ctl_command_cnt; i++)
		fprintf(out, "  %-13s %s\n", ctl_commands[i].name, ctl_commands[i].summary);
	fputc('\n', out);
	for (uint32_t i = 0; i < ctl_option_cnt; i++)
		put_option(out, &ctl_options[i]);
	fputs("\nExit status: 0 done; 1 weir refused; 2 usage; 3 no weir answers; of `plan` also 4 "
	      "the\nfile would change something and 5 it needs a restart.\n",
		out);
}

/* Those that every command takes. */
static const char general[] = "sowCEKAT";

static void help_one(FILE *out, const struct ctl_command *cmd)
{
	fprintf(out, "usage: weirctl %s %s\n\n%s\n", cmd->name, cmd->args, cmd->summary);
	if (cmd->help != NULL)
		fprintf(out, "%s\n", cmd->help);
	fputc('\n', out);
	for (uint32_t i = 0; i < ctl_option_cnt; i++)
		if (strchr(general, ctl_options[i].letter) != NULL ||
			strchr(cmd->options, ctl_options[i].letter) != NULL)
			put_option(out, &ctl_options[i]);
}

int cmd_help(struct ctl *c, char **argv, int argc)
{
	const struct ctl_command *cmd = argc > 0 ? find(argv[0]) : NULL;

	if (argc > 0 && cmd == NULL)
		return unknown(argv[0]);
	if (cmd != NULL)
		help_one(c->out, cmd);
	else
		help_all(c->out);
	return CTL_OK;
}

/* --- arguments ----------------------------------------------------------------------------- */

static int set_option(struct ctl *c, char letter, const char *arg)
{
	char *end;

	switch (letter) {
	case 's':
		c->to.at = arg;
		break;
	case 'E':
		c->to.cert = arg;
		break;
	case 'K':
		c->to.key = arg;
		break;
	case 'A':
		c->to.cacert = arg;
		break;
	case 'T':
		c->to.token_file = arg;
		break;
	case 'H':
		if (c->header_cnt == CTL_HEADERS)
			return ctl_usage("-H: at most %u", CTL_HEADERS);
		c->headers[c->header_cnt++] = arg;
		break;
	case 'L':
		c->via = arg;
		break;
	case 'o':
		c->json = strcmp(arg, "json") == 0;
		if (!c->json && strcmp(arg, "table") != 0)
			return ctl_usage("-o: table or json");
		break;
	case 'w':
		c->watch_s = strtod(arg, &end);
		if (*end != '\0' || c->watch_s < 0.1 || c->watch_s > 86400)
			return ctl_usage("-w: a time between 0.1 and 86400 seconds");
		break;
	case 'C':
		if (strcmp(arg, "auto") != 0)
			c->color = strcmp(arg, "always") == 0;
		if (!c->color && strcmp(arg, "auto") != 0 && strcmp(arg, "never") != 0)
			return ctl_usage("--color: auto, always or never");
		break;
	case 'd':
		c->dry_run = true;
		break;
	case 'l':
		c->listener = true;
		break;
	case 'u':
		c->upstream = true;
		break;
	case 'a':
		c->ack = true;
		break;
	case 'c':
		c->client = arg;
		break;
	case 'v':
		c->vip = arg;
		break;
	case 'S':
		c->service = arg;
		break;
	case 'p':
		c->protocol = arg;
		break;
	case 'n':
		c->count = arg;
		break;
	case 't':
		c->seconds = arg;
		break;
	case 'z':
		c->snap = arg;
		break;
	case 'D':
		c->direction = arg;
		break;
	case 'O':
		c->output = arg;
		break;
	default:
		return CTL_USAGE;
	}
	return CTL_OK;
}

/* Options may stand anywhere; `given` collects their letters. */
static int read_options(struct ctl *c, int argc, char **argv, char *given)
{
	struct option longs[ARRAY_SIZE(ctl_options) + 3] = {0};
	char letters[3 * ARRAY_SIZE(ctl_options) + 2] = ":";
	size_t n = 0, l = 1;
	int opt, rc = CTL_OK;

	for (uint32_t i = 0; i < ctl_option_cnt; i++) {
		const struct ctl_option *o = &ctl_options[i];

		longs[i] = (struct option){
			o->name, o->arg != NULL ? required_argument : no_argument, NULL, o->letter};
		letters[l++] = o->letter;
		if (o->arg != NULL)
			letters[l++] = ':';
	}
	longs[ctl_option_cnt] = (struct option){"help", no_argument, NULL, 1};
	longs[ctl_option_cnt + 1] = (struct option){"version", no_argument, NULL, 2};
	optind = 0;
	while (rc == CTL_OK && (opt = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		if (opt == 1 || opt == 2) {
			given[0] = (char)opt;
			return CTL_OK;
		}
		if (opt == ':')
			return ctl_usage("an argument is missing behind '%s'", argv[optind - 1]);
		if (opt == '?' && optopt != 0)
			return ctl_usage("unknown option '-%c'", optopt);
		if (opt == '?')
			return ctl_usage("unknown option '%s'", argv[optind - 1]);
		if (strchr(general, opt) == NULL && n < ctl_option_cnt &&
			strchr(given, opt) == NULL)
			given[n++] = (char)opt;
		rc = set_option(c, (char)opt, optarg);
	}
	return rc;
}

static int check(const struct ctl_command *cmd, int argc, const char *given)
{
	for (; *given != '\0'; given++)
		if (strchr(cmd->options, *given) == NULL)
			return ctl_usage("%s does not take -%c", cmd->name, *given);
	if (argc < cmd->min_args || argc > cmd->max_args)
		return ctl_usage("%s: usage: weirctl %s %s", cmd->name, cmd->name, cmd->args);
	return CTL_OK;
}

/* --- running ------------------------------------------------------------------------------- */

static int run_watched(struct ctl *c, const struct ctl_command *cmd, char **argv, int argc)
{
	struct timespec nap = {.tv_sec = (time_t)c->watch_s,
		.tv_nsec = (long)((c->watch_s - (double)(time_t)c->watch_s) * 1e9)};
	bool screen = isatty(fileno(c->out)) && !c->json;
	int rc;

	do {
		if (screen)
			fputs("\033[H\033[2J", c->out);
		rc = cmd->run(c, argv, argc);
		if (fflush(c->out) != 0)
			return CTL_REFUSED;
	} while (rc == CTL_OK && nanosleep(&nap, NULL) == 0);
	return rc;
}

int ctl_main(int argc, char **argv)
{
	const char *env = getenv("WEIR_SOCKET");
	struct ctl c = {
		.to.at = env != NULL && env[0] != '\0' ? env : ADMIN_SOCKET_DEFAULT, .out = stdout};
	char given[ARRAY_SIZE(ctl_options) + 1] = "";
	const struct ctl_command *cmd;
	int rc;

	c.color = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
	signal(SIGPIPE, SIG_DFL);
	rc = read_options(&c, argc, argv, given);
	if (rc != CTL_OK)
		return rc;
	if (given[0] == 2) {
		printf("weirctl %s\n", WEIR_VERSION);
		return CTL_OK;
	}
	if (given[0] == 1)
		return cmd_help(&c, argv + optind, argc - optind > 0 ? 1 : 0);
	if (optind >= argc) {
		help_all(stderr);
		return CTL_USAGE;
	}
	cmd = find(argv[optind]);
	if (cmd == NULL)
		return unknown(argv[optind]);
	argv += optind + 1;
	argc -= optind + 1;
	rc = check(cmd, argc, given);
	if (rc != CTL_OK)
		return rc;
	if (c.watch_s > 0 && cmd->run != cmd_top)
		rc = run_watched(&c, cmd, argv, argc);
	else
		rc = cmd->run(&c, argv, argc);
	return fflush(stdout) == 0 || rc != CTL_OK ? rc : CTL_REFUSED;
}
