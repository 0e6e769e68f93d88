/* SPDX-License-Identifier: Apache-2.0
 * Commands that change the running process. */
#include <stdlib.h>
#include <string.h>

#include "lb/ctl/ctl_pvt.h"

static const struct ctl_column share_cols[] = {{"backend", "BACKEND", CTL_TEXT},
	{"weight", "WEIGHT", CTL_NUMBER}, {"usable", "USED", CTL_TEXT},
	{"before", "SHARE BEFORE", CTL_PERCENT}, {"share", "AFTER", CTL_PERCENT}};

static void print_backend_change(struct ctl *c, const json_t *b)
{
	json_t *after = json_object_get(b, "after"), *before = json_object_get(b, "before"), *row;
	const json_t *moved = json_object_get(b, "moved");
	size_t i;

	json_array_foreach(after, i, row)
		json_object_set(row, "before", json_object_get(json_array_get(before, i), "share"));
	ctl_table(c, after, share_cols, ARRAY_SIZE(share_cols));
	if (json_is_real(moved))
		fprintf(c->out,
			"%.1f%% of new flows go to another backend; tracked ones stay where they "
			"are.\n",
			json_real_value(moved) * 100);
	fputs(json_is_true(json_object_get(b, "changed")) ? "Done; holds until the next reload.\n"
							  : "Nothing was changed.\n",
		c->out);
}

static int change(struct ctl *c, const char *what, char **argv, json_t *in)
{
	char path[64];

	json_object_set_new(in,
		c->upstream   ? "upstream"
		: c->listener ? "listener"
			      : "service",
		json_string(argv[0]));
	json_object_set_new(in, "backend", json_string(argv[1]));
	snprintf(path, sizeof(path), "/v1/backends/%s", what);
	return ctl_change(c, path, in, print_backend_change);
}

int cmd_drain(struct ctl *c, char **argv, int argc)
{
	(void)argc;
	return change(c, "drain", argv, json_object());
}

int cmd_enable(struct ctl *c, char **argv, int argc)
{
	(void)argc;
	return change(c, "enable", argv, json_object());
}

int cmd_disable(struct ctl *c, char **argv, int argc)
{
	(void)argc;
	return change(c, "disable", argv, json_object());
}

int cmd_weight(struct ctl *c, char **argv, int argc)
{
	char *end;
	long n = strtol(argv[2], &end, 10);

	(void)argc;
	if (argv[2][0] < '0' || argv[2][0] > '9' || *end != '\0')
		return ctl_usage("weight: '%s' is no number", argv[2]);
	return change(c, "weight", argv, json_pack("{s:i}", "weight", (int)n));
}

static void print_reload(struct ctl *c, const json_t *b)
{
	const char *messages = json_string_value(json_object_get(b, "messages"));

	if (!json_is_true(json_object_get(b, "changed"))) {
		ctl_print_plan(c, b);
		fputs("The file would be taken. Nothing was changed.\n", c->out);
		return;
	}
	if (messages != NULL)
		fputs(messages, stderr);
	fprintf(c->out, "reloaded: generation %lld\n",
		(long long)json_integer_value(json_object_get(b, "generation")));
}

int cmd_reload(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_change(c, "/v1/reload", NULL, print_reload);
}

static void print_stop(struct ctl *c, const json_t *b)
{
	double flows = json_number_value(json_object_get(b, "flows"));
	double seconds = json_number_value(json_object_get(b, "stop_timeout_s"));

	if (json_is_true(json_object_get(b, "changed")))
		fprintf(c->out, "weir drains %.0f flows and connections, at most %g s, and stops\n",
			flows, seconds);
	else
		fprintf(c->out,
			"weir would refuse new flows, wait at most %g s for %.0f flows and "
			"connections, reset what is left, and stop. Nothing was changed.\n",
			seconds, flows);
}

int cmd_stop(struct ctl *c, char **argv, int argc)
{
	(void)argv;
	(void)argc;
	return ctl_change(c, "/v1/stop", NULL, print_stop);
}

static void print_log_level(struct ctl *c, const json_t *b)
{
	bool changed = json_is_true(json_object_get(b, "changed"));
	char clean[32];

	fprintf(c->out, "%s %s on%s\n", changed ? "logs from" : "It would log from",
		ctl_clean(json_string_value(json_object_get(b, "level")), clean, sizeof(clean)),
		changed ? "" : ". Nothing was changed.");
}

int cmd_log_level(struct ctl *c, char **argv, int argc)
{
	(void)argc;
	return ctl_change(
		c, "/v1/log-level", json_pack("{s:s}", "level", argv[0]), print_log_level);
}
